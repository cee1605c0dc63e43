/* Sequence state as bytes, for caches on disk.
 *
 *   header                     below; checked field by field on import
 *   per group: pages           those that cover [max(from, first kept), length), whole,
 *                              positions outside the range zeroed
 *   recurrent state            one state page, where the network has any
 *
 * The bytes are a memory image in this machine's byte order and this version's layout;
 * the header's shape hash refuses every other model, cache type and layout.  Whoever
 * stores the bytes checksums them: import checks sizes and ranges, not contents.
 */
#include "backend/native/native.h"
#include "base/hash.h"
#include "base/status.h"

#include <string.h>

enum { VERSION = 1, MAGIC = 0x53514e4d };       /* "MNQS" */

typedef struct {
    uint32_t magic, version;
    uint64_t shape;             /* hash of layout and network */
    int32_t from, length;
    int32_t n_groups, has_state;
    int32_t first[MN_KV_GROUPS];        /* first position present of each group */
} header;

static uint64_t shape_hash(const mn_engine *e)
{
    const mn_plan *p = e->plan;
    uint64_t h = mn_hash64(p->family ? p->family : "", p->family ? strlen(p->family) : 0, VERSION);
    int64_t numbers[6] = { p->vocab, p->hidden, p->n_layers, e->kv.type, MN_KV_PAGE,
                           mn_plan_n_parameters(p) };
    h = mn_hash64(numbers, sizeof numbers, h);
    for (int32_t i = 0; i < e->kv.n_layers; i++) {
        const mn_kv_layer *l = &e->kv.layers[i];
        int64_t layer[6] = { l->group, l->n_heads, l->k_dim, l->v_dim, (int64_t)l->offset,
                             (int64_t)l->head_bytes };
        h = mn_hash64(layer, sizeof layer, h);
    }
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        int64_t group[3] = { e->kv.groups[g].window, e->kv.groups[g].chunk,
                             (int64_t)e->kv.groups[g].page_bytes };
        h = mn_hash64(group, sizeof group, h);
    }
    return h;
}

static size_t state_bytes(const mn_engine *e)
{
    return e->state_class >= 0 ? e->pages.classes[e->state_class].size_bytes : 0;
}

/* Positions [*first, *end) of page i that lie in [from, length). */
static void range_of_page(int32_t i, int32_t from, int32_t length, int32_t *first, int32_t *n)
{
    int32_t start = i * MN_KV_PAGE, low = from > start ? from : start;
    int32_t high = length < start + MN_KV_PAGE ? length : start + MN_KV_PAGE;
    *first = low - start;
    *n = high - low;
}

minerva_status mn_seq_write(mn_engine *e, const mn_seq *s, int32_t from, mn_buffer *out,
                            minerva_error *err)
{
    if (from < 0 || from >= s->length)
        return mn_fail(err, MINERVA_INVALID, "export from position %d: 0 to %d expected", from,
                       s->length - 1);
    header h = { .magic = MAGIC, .version = VERSION, .shape = shape_hash(e), .from = from,
                 .length = s->length, .n_groups = e->kv.n_groups,
                 .has_state = e->state_class >= 0 };
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        int32_t kept = s->first_page[g] * MN_KV_PAGE;
        h.first[g] = kept > from ? kept : from;
    }
    mn_buffer_append(out, &h, sizeof h);
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        size_t size = e->kv.groups[g].page_bytes;
        for (int32_t i = h.first[g] / MN_KV_PAGE; i * MN_KV_PAGE < s->length; i++) {
            int32_t first, n;
            range_of_page(i, h.first[g], s->length, &first, &n);
            if (n == MN_KV_PAGE) {
                mn_buffer_append(out, s->tables[g][i]->data, size);
            } else if (mn_buffer_reserve(out, size)) {
                uint8_t *to = (uint8_t *)out->data + out->len;
                memset(to, 0, size);
                mn_kv_copy_positions(&e->kv, g, to, s->tables[g][i]->data, first, n);
                out->len += size;
                out->data[out->len] = 0;
            }
        }
    }
    if (h.has_state) mn_buffer_append(out, s->state->data, state_bytes(e));
    return out->failed ? mn_fail_memory(err, out->len) : MINERVA_OK;
}

/* Bytes that a well-formed export with this header has after it. */
static size_t body_bytes(const mn_engine *e, const header *h)
{
    size_t n = state_bytes(e);
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        int32_t first = h->first[g] / MN_KV_PAGE;
        int32_t end = (h->length + MN_KV_PAGE - 1) / MN_KV_PAGE;
        n += (size_t)(end - first) * e->kv.groups[g].page_bytes;
    }
    return n;
}

static minerva_status check_header(const mn_engine *e, const mn_seq *s, const header *h,
                                   size_t len, minerva_error *err)
{
    if (h->magic != MAGIC || h->version != VERSION)
        return mn_fail(err, MINERVA_INVALID, "sequence state: version %d expected, %u found",
                       VERSION, h->magic == MAGIC ? h->version : 0);
    if (h->shape != shape_hash(e) || h->n_groups != e->kv.n_groups ||
        (h->has_state != 0) != (e->state_class >= 0))
        return mn_fail(err, MINERVA_INVALID,
                       "sequence state: of another model or other options");
    if (h->from != s->length || h->length <= h->from)
        return mn_fail(err, MINERVA_INVALID,
                       "sequence state: positions from %d expected, [%d, %d) found", s->length,
                       h->from, h->length);
    for (int32_t g = 0; g < h->n_groups; g++) {
        int32_t needed = mn_kv_group_first(&e->kv.groups[g], h->length);
        bool joins = h->first[g] == h->from;
        if (h->first[g] < h->from || h->first[g] >= h->length || (!joins && h->first[g] > needed) ||
            (!joins && h->first[g] % MN_KV_PAGE))
            return mn_fail(err, MINERVA_INVALID,
                           "sequence state: group %d begins at %d, needed from %d on", g,
                           h->first[g], needed);
    }
    if (len != body_bytes(e, h))
        return mn_fail(err, MINERVA_INVALID, "sequence state: %zu bytes expected, %zu found",
                       body_bytes(e, h), len);
    return MINERVA_OK;
}

/* Pages before the first one present are forgotten, as the exporter had done. */
static void skip_to(mn_engine *e, mn_seq *s, int32_t g, int32_t page)
{
    for (int32_t i = s->first_page[g]; i < page; i++) {
        mn_page_release(&e->pages, s->tables[g][i]);
        s->tables[g][i] = NULL;
    }
    if (page > s->first_page[g]) s->first_page[g] = page;
}

minerva_status mn_seq_read(mn_engine *e, mn_seq *s, const void *bytes, size_t len,
                           minerva_error *err)
{
    header h;
    if (len < sizeof h)
        return mn_fail(err, MINERVA_INVALID, "sequence state: %zu bytes of header expected, %zu "
                       "found", sizeof h, len);
    memcpy(&h, bytes, sizeof h);
    minerva_status st = check_header(e, s, &h, len - sizeof h, err);
    if (st) return st;
    if ((st = mn_seq_reserve(e, s, h.length - h.from, err))) return st;
    const uint8_t *at = (const uint8_t *)bytes + sizeof h;
    for (int32_t g = 0; g < e->kv.n_groups; g++) {
        size_t size = e->kv.groups[g].page_bytes;
        for (int32_t i = h.first[g] / MN_KV_PAGE; i * MN_KV_PAGE < h.length; i++, at += size) {
            int32_t first, n;
            range_of_page(i, h.first[g], h.length, &first, &n);
            mn_kv_copy_positions(&e->kv, g, s->tables[g][i]->data, at, first, n);
        }
        if (h.first[g] > h.from) skip_to(e, s, g, h.first[g] / MN_KV_PAGE);
    }
    if (s->next_state) memcpy(s->next_state->data, at, state_bytes(e));
    mn_seq_commit(e, s, h.length - h.from);
    return MINERVA_OK;
}
