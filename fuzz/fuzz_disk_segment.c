/* Files of the prefix cache from foreign bytes: refused, or every byte that the result points
 * to is there.  Checksums are put right first (where they stand in the head), so that what
 * lies behind them is reached. */
#include "base/hash.h"
#include "runtime/disk_segment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FROM = 32, STATE_BYTES = 48, HEAD_SUM = 64, BODY_SUM = 72 };

static void put_right(uint8_t *bytes, size_t size)
{
    int32_t range[2];
    uint64_t lengths[2], sum = 0;
    memcpy(range, bytes + FROM, sizeof range);
    memcpy(lengths, bytes + STATE_BYTES, sizeof lengths);
    if (range[1] < 1 || range[1] > MN_SEGMENT_TOKENS) return;
    size_t before = mn_segment_head_bytes(range[1]);
    if (before > size || lengths[0] > size - before || lengths[1] > size - before - lengths[0]) return;
    sum = mn_hash64(bytes + before + lengths[0], lengths[1], mn_hash64(bytes + before, lengths[0], 2));
    memcpy(bytes + BODY_SUM, &sum, sizeof sum);
    memset(bytes + HEAD_SUM, 0, sizeof sum);
    sum = mn_hash64(bytes + MN_SEGMENT_HEAD, (size_t)range[1] * 4,
                    mn_hash64(bytes, MN_SEGMENT_HEAD, 1));
    memcpy(bytes + HEAD_SUM, &sum, sizeof sum);
}

static void use(const mn_segment *s)
{
    uint64_t sum = mn_hash64(s->tokens, (size_t)s->to * sizeof *s->tokens, 0);
    if (s->state) sum ^= mn_hash64(s->state, s->state_bytes, 0);
    if (s->logits) sum ^= mn_hash64(s->logits, s->logits_bytes, 0);
    if (sum == 1 || s->from < 0 || s->from >= s->to || s->trims_to > s->to) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    mn_segment s;
    size_t need;
    if (!bytes) abort();
    if (size) memcpy(bytes, data, size);
    if (size >= MN_SEGMENT_HEAD) put_right(bytes, size);
    if (mn_segment_parse(bytes, size, &s, NULL) == MINERVA_OK) use(&s);
    for (size_t have = 0; have <= size; have += 1 + size / 8)
        if (mn_segment_parse_head(bytes, have, size, &s, &need, NULL) == MINERVA_OK) use(&s);
    free(bytes);
    return 0;
}
