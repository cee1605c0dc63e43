/* The file format of the disk tier; see disk_segment.h. */
#include "runtime/disk_segment.h"
#include "base/hash.h"
#include "base/status.h"

#include <stddef.h>
#include <string.h>

enum { BYTE_ORDER_MARK = 0x01020304, ALIGN = 64 };
static const char magic[8] = "MNPREFIX";

typedef struct {
    char magic[8];
    uint32_t version, byte_order;
    uint64_t model, tenant;
    int32_t from, to, trims_to, reserved;
    uint64_t state_bytes, logits_bytes;
    uint64_t head_sum;          /* of the head, this field 0, and the tokens */
    uint64_t body_sum;          /* of state and logits */
    uint8_t zero[MN_SEGMENT_HEAD - 80];
} head;

_Static_assert(sizeof(head) == MN_SEGMENT_HEAD, "the head's size is part of the format");

_Static_assert(offsetof(head, from) == MN_SEGMENT_RANGE_AT, "so is its layout");

size_t mn_segment_head_bytes(int32_t to)
{
    return (MN_SEGMENT_HEAD + (size_t)to * sizeof(int32_t) + ALIGN - 1) / ALIGN * ALIGN;
}

size_t mn_segment_bytes(const mn_segment *s)
{
    return mn_segment_head_bytes(s->to) + s->state_bytes + s->logits_bytes;
}

static uint64_t head_sum(const head *h, const int32_t *tokens)
{
    head copy = *h;
    copy.head_sum = 0;
    uint64_t sum = mn_hash64(&copy, sizeof copy, 1);
    return mn_hash64(tokens, (size_t)h->to * sizeof *tokens, sum);
}

static uint64_t body_sum(const void *state, size_t state_bytes, const void *logits,
                         size_t logits_bytes)
{
    return mn_hash64(logits, logits_bytes, mn_hash64(state, state_bytes, 2));
}

void mn_segment_write_head(const mn_segment *s, mn_buffer *out)
{
    static const char zeros[ALIGN];
    head h = { .version = MN_SEGMENT_VERSION, .byte_order = BYTE_ORDER_MARK, .model = s->model,
               .tenant = s->tenant, .from = s->from, .to = s->to, .trims_to = s->trims_to,
               .state_bytes = s->state_bytes, .logits_bytes = s->logits_bytes };
    memcpy(h.magic, magic, sizeof magic);
    h.body_sum = body_sum(s->state, s->state_bytes, s->logits ? s->logits : "",
                          s->logits_bytes);
    h.head_sum = head_sum(&h, s->tokens);
    size_t tokens = (size_t)s->to * sizeof *s->tokens;
    mn_buffer_append(out, &h, sizeof h);
    mn_buffer_append(out, s->tokens, tokens);
    mn_buffer_append(out, zeros, mn_segment_head_bytes(s->to) - sizeof h - tokens);
}

static minerva_status check_head(const head *h, size_t size, minerva_error *err)
{
    if (memcmp(h->magic, magic, sizeof magic))
        return mn_fail(err, MINERVA_INVALID, "a prefix cache file expected, something else found");
    if (h->version != MN_SEGMENT_VERSION || h->byte_order != BYTE_ORDER_MARK)
        return mn_fail(err, MINERVA_INVALID,
                       "version %d in this machine's byte order expected, version %u found",
                       MN_SEGMENT_VERSION, h->version);
    if (h->to < 1 || h->to > MN_SEGMENT_TOKENS || h->from < 0 || h->from >= h->to
        || h->trims_to < 0 || h->trims_to > h->to)
        return mn_fail(err, MINERVA_INVALID, "positions [%d, %d), back to %d: out of order",
                       h->from, h->to, h->trims_to);
    size_t before = mn_segment_head_bytes(h->to);
    if (size < before || h->state_bytes > size - before || h->logits_bytes % sizeof(float)
        || h->logits_bytes != size - before - h->state_bytes)
        return mn_fail(err, MINERVA_INVALID,
                       "%zu + %llu + %llu bytes expected, %zu found: the file was cut off", before,
                       (unsigned long long)h->state_bytes, (unsigned long long)h->logits_bytes,
                       size);
    return MINERVA_OK;
}

minerva_status mn_segment_parse_head(const void *bytes, size_t have, size_t size,
                                     mn_segment *out, size_t *need, minerva_error *err)
{
    head h;
    *need = sizeof h;
    if (size < sizeof h)
        return mn_fail(err, MINERVA_INVALID, "%zu bytes of head expected, %zu found", sizeof h,
                       size);
    if (have < sizeof h) return mn_fail(err, MINERVA_FULL, "more of the head expected");
    memcpy(&h, bytes, sizeof h);
    minerva_status st = check_head(&h, size, err);
    if (st != MINERVA_OK) return st;
    *need = mn_segment_head_bytes(h.to);
    if (have < *need) return mn_fail(err, MINERVA_FULL, "more of the head expected");
    const int32_t *tokens = (const int32_t *)((const uint8_t *)bytes + sizeof h);
    if (h.head_sum != head_sum(&h, tokens))
        return mn_fail(err, MINERVA_INVALID, "the head's checksum is wrong");
    *out = (mn_segment){ .model = h.model, .tenant = h.tenant, .from = h.from, .to = h.to,
                         .trims_to = h.trims_to, .tokens = tokens,
                         .state_bytes = (size_t)h.state_bytes,
                         .logits_bytes = (size_t)h.logits_bytes };
    return MINERVA_OK;
}

minerva_status mn_segment_parse(const void *bytes, size_t len, mn_segment *out,
                                minerva_error *err)
{
    head h;
    size_t need;
    minerva_status st = mn_segment_parse_head(bytes, len, len, out, &need, err);
    if (st != MINERVA_OK) return st;
    memcpy(&h, bytes, sizeof h);
    const uint8_t *at = (const uint8_t *)bytes + need;
    out->state = at;
    at += out->state_bytes;
    if (h.body_sum != body_sum(out->state, out->state_bytes, at, out->logits_bytes))
        return mn_fail(err, MINERVA_INVALID, "the content's checksum is wrong");
    if (out->logits_bytes) out->logits = at;
    return MINERVA_OK;
}
