/* Pages and their layout; see kv_pages.h.  Called by seq.c (ownership) and by the
 * attention kernels (writing and reading). */
#include "backend/native/kv_pages.h"
#include "base/status.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_FREE = 8, ALIGN = 64, Q8_BLOCK = MN_Q8_BLOCK, MAX_RUN = 256 };

/* ---- pages ------------------------------------------------------------------------- */

int32_t mn_page_pool_add(mn_page_pool *p, size_t size_bytes)
{
    p->classes[p->n_classes] = (mn_page_class){ .size_bytes = size_bytes };
    return p->n_classes++;
}

void mn_page_pool_clear(mn_page_pool *p)
{
    for (int32_t c = 0; c < p->n_classes; c++) {
        for (mn_page *page = p->classes[c].free, *next; page; page = next) {
            next = page->next_free;
            free(page);
        }
        p->classes[c].free = NULL;
        p->classes[c].n_free = 0;
    }
}

static mn_page *allocate_page(size_t data_bytes)
{
    size_t size = sizeof(mn_page) + data_bytes;
    if (size < data_bytes) return NULL;
    void *page = NULL;
    if (posix_memalign(&page, ALIGN, size)) return NULL;
    memset(page, 0, size);
    return page;
}

minerva_status mn_page_acquire(mn_page_pool *p, int32_t class_index, mn_page **out,
                               minerva_error *err)
{
    mn_page_class *c = &p->classes[class_index];
    if (p->limit_bytes && p->used_bytes + c->size_bytes > p->limit_bytes)
        return mn_fail(err, MINERVA_FULL,
                       "memory for sequences: %zu bytes more wanted, %zu of %zu in use",
                       c->size_bytes, p->used_bytes, p->limit_bytes);
    mn_page *page = c->free;
    if (page) {
        c->free = page->next_free;
        c->n_free--;
    } else {
        page = allocate_page(c->size_bytes);
        if (!page) return mn_fail_memory(err, c->size_bytes);
    }
    page->refs = 1;
    page->class_index = class_index;
    page->next_free = NULL;
    p->used_bytes += c->size_bytes;
    *out = page;
    return MINERVA_OK;
}

mn_page *mn_page_retain(mn_page *page)
{
    page->refs++;
    return page;
}

void mn_page_release(mn_page_pool *p, mn_page *page)
{
    if (!page || --page->refs > 0) return;
    mn_page_class *c = &p->classes[page->class_index];
    p->used_bytes -= c->size_bytes;
    if (c->n_free >= KEEP_FREE) {
        free(page);
        return;
    }
    page->next_free = c->free;
    c->free = page;
    c->n_free++;
}

/* ---- layout ------------------------------------------------------------------------ */

static size_t align_up(size_t n) { return (n + ALIGN - 1) / ALIGN * ALIGN; }

static int32_t q8_blocks(int32_t dim) { return (dim + Q8_BLOCK - 1) / Q8_BLOCK; }

/* Bytes of a block of `dim` values at MN_KV_PAGE positions. */
static size_t block_bytes(mn_kv_type type, int32_t dim)
{
    size_t n = (size_t)dim * MN_KV_PAGE;
    switch (type) {
    case MN_KV_F32: return align_up(n * 4);
    case MN_KV_Q8_0: return align_up(n + (size_t)q8_blocks(dim) * MN_KV_PAGE * 2);
    case MN_KV_F16: break;
    }
    return align_up(n * 2);
}

static int32_t group_for(mn_kv_layout *l, int32_t window, int32_t chunk)
{
    for (int32_t g = 0; g < l->n_groups; g++)
        if (l->groups[g].window == window && l->groups[g].chunk == chunk) return g;
    if (l->n_groups == MN_KV_GROUPS) {
        /* One kind too many: the last group forgets nothing and takes them all. */
        l->groups[MN_KV_GROUPS - 1].window = l->groups[MN_KV_GROUPS - 1].chunk = 0;
        return MN_KV_GROUPS - 1;
    }
    l->groups[l->n_groups] = (mn_kv_group){ .window = window, .chunk = chunk };
    return l->n_groups++;
}

static const mn_mixer *caching_mixer(const mn_layer *layer)
{
    const mn_mixer *both[2] = { &layer->mixer, &layer->parallel_mixer };
    for (int i = 0; i < 2; i++)
        if (both[i]->kind == MN_MIXER_ATTENTION || both[i]->kind == MN_MIXER_MLA) return both[i];
    return NULL;
}

/* What a shared cache must keep is what the widest of its readers sees. */
static void widen_for_readers(const mn_plan *plan, int32_t owner, int32_t *window, int32_t *chunk)
{
    for (int32_t i = 0; i < plan->n_layers; i++) {
        const mn_mixer *m = caching_mixer(&plan->layers[i]);
        if (!m || m->kind != MN_MIXER_ATTENTION) continue;
        const mn_attention *a = &m->u.attention;
        if (a->kv_from_layer != owner + 1) continue;
        if (!a->window || !*window) *window = 0;
        else if (a->window > *window) *window = a->window;
        if (a->chunk != *chunk) *chunk = 0;
    }
}

static void place_layer(mn_kv_layout *l, mn_kv_layer *to, const mn_plan *plan, int32_t index)
{
    const mn_mixer *m = caching_mixer(&plan->layers[index]);
    to->group = -1;
    if (!m) return;
    int32_t window = 0, chunk = 0;
    if (m->kind == MN_MIXER_MLA) {
        const mn_mla *a = &m->u.mla;
        to->n_heads = 1;
        to->k_dim = a->kv_rank + a->rope_dim;
        to->v_dim = a->kv_rank;
        to->v_from_k = true;
    } else {
        const mn_attention *a = &m->u.attention;
        if (a->kv_from_layer) return;
        to->n_heads = a->n_kv_heads;
        to->k_dim = a->head_dim;
        to->v_dim = a->v_head_dim ? a->v_head_dim : a->head_dim;
        window = a->bidirectional ? 0 : a->window;
        chunk = a->bidirectional ? 0 : a->chunk;
        widen_for_readers(plan, index, &window, &chunk);
    }
    to->group = group_for(l, window, chunk);
    mn_kv_group *g = &l->groups[to->group];
    to->k_bytes = block_bytes(l->type, to->k_dim);
    to->head_bytes = to->k_bytes + (to->v_from_k ? 0 : block_bytes(l->type, to->v_dim));
    to->offset = g->page_bytes;
    g->page_bytes += to->head_bytes * (size_t)to->n_heads;
}

minerva_status mn_kv_layout_init(mn_kv_layout *out, const mn_plan *plan, mn_kv_type type,
                                 const mn_cpu_ops *ops, mn_arena *arena, minerva_error *err)
{
    *out = (mn_kv_layout){ .type = type, .ops = ops, .n_layers = plan->n_layers };
    size_t n = (size_t)plan->n_layers;
    out->layers = mn_arena_array(arena, n ? n : 1, sizeof *out->layers);
    if (!out->layers) return mn_fail_memory(err, n * sizeof *out->layers);
    for (int32_t i = 0; i < plan->n_layers; i++) place_layer(out, &out->layers[i], plan, i);
    for (int32_t i = 0; i < plan->n_layers; i++) {
        const mn_mixer *m = caching_mixer(&plan->layers[i]);
        if (!m || m->kind != MN_MIXER_ATTENTION || !m->u.attention.kv_from_layer) continue;
        out->layers[i] = out->layers[m->u.attention.kv_from_layer - 1];
    }
    return MINERVA_OK;
}

size_t mn_kv_layout_bytes_per_position(const mn_kv_layout *l)
{
    size_t n = 0;
    for (int32_t g = 0; g < l->n_groups; g++) n += l->groups[g].page_bytes;
    return (n + MN_KV_PAGE - 1) / MN_KV_PAGE;
}

int32_t mn_kv_group_first(const mn_kv_group *g, int32_t pos)
{
    int32_t first = 0;
    if (g->window && pos - g->window + 1 > first) first = pos - g->window + 1;
    if (g->chunk && pos - pos % g->chunk > first) first = pos - pos % g->chunk;
    return first;
}

/* ---- writing ----------------------------------------------------------------------- */

/* One q8_0 block: codes `code_step` apart, scale = largest magnitude / 127. */
static void write_q8(int8_t *codes, size_t code_step, uint16_t *scale, const float *x, int32_t n)
{
    float top = 0;
    for (int32_t i = 0; i < n; i++) top = fmaxf(top, fabsf(x[i]));
    *scale = mn_f32_to_f16(top / 127.0f);
    float d = mn_f16_to_f32(*scale);
    float inverse = d > 0 ? 1.0f / d : 0.0f;
    for (int32_t i = 0; i < n; i++) {
        float q = rintf(x[i] * inverse);
        codes[(size_t)i * code_step] = (int8_t)(q > 127 ? 127 : q > -127 ? q : -127);
    }
}

static void write_k_q8(uint8_t *block, int32_t slot, const float *k, int32_t dim)
{
    int8_t *codes = (int8_t *)block + slot;
    uint16_t *scales = (uint16_t *)(block + (size_t)dim * MN_KV_PAGE) + slot;
    for (int32_t i = 0; i < dim; i += Q8_BLOCK) {
        int32_t n = dim - i < Q8_BLOCK ? dim - i : Q8_BLOCK;
        write_q8(codes + (size_t)i * MN_KV_PAGE, MN_KV_PAGE,
                 scales + (size_t)(i / Q8_BLOCK) * MN_KV_PAGE, k + i, n);
    }
}

/* One column of the transposed block. */
static void write_k(const mn_kv_layout *l, uint8_t *block, int32_t slot, const float *k,
                    int32_t dim)
{
    if (l->type == MN_KV_Q8_0) {
        write_k_q8(block, slot, k, dim);
    } else if (l->type == MN_KV_F32) {
        float *to = (float *)block + slot;
        for (int32_t i = 0; i < dim; i++) to[(size_t)i * MN_KV_PAGE] = k[i];
    } else {
        uint16_t *to = (uint16_t *)block + slot, half[MAX_RUN];
        for (int32_t i = 0; i < dim; i += MAX_RUN) {
            int32_t n = dim - i < MAX_RUN ? dim - i : MAX_RUN;
            l->ops->to_f16(half, k + i, n);
            for (int32_t c = 0; c < n; c++) to[(size_t)(i + c) * MN_KV_PAGE] = half[c];
        }
    }
}

static void write_v(const mn_kv_layout *l, uint8_t *block, int32_t slot, const float *v,
                    int32_t dim)
{
    size_t at = (size_t)slot * (size_t)dim;
    if (l->type == MN_KV_F16) {
        l->ops->to_f16((uint16_t *)block + at, v, dim);
        return;
    }
    if (l->type == MN_KV_F32) {
        memcpy((float *)block + at, v, (size_t)dim * sizeof *v);
        return;
    }
    uint16_t *scales = (uint16_t *)(block + (size_t)dim * MN_KV_PAGE) +
                       (size_t)slot * (size_t)q8_blocks(dim);
    for (int32_t i = 0; i < dim; i += Q8_BLOCK) {
        int32_t n = dim - i < Q8_BLOCK ? dim - i : Q8_BLOCK;
        write_q8((int8_t *)block + at + i, 1, scales + i / Q8_BLOCK, v + i, n);
    }
}

void mn_kv_write(const mn_kv_layout *l, const mn_kv_layer *layer, mn_page *page, int32_t head,
                 int32_t slot, const float *k, const float *v)
{
    uint8_t *block = page->data + layer->offset + layer->head_bytes * (size_t)head;
    write_k(l, block, slot, k, layer->k_dim);
    if (!layer->v_from_k) write_v(l, block + layer->k_bytes, slot, v, layer->v_dim);
}

/* ---- reading ----------------------------------------------------------------------- */

const float *mn_kv_read_k(const mn_kv_layout *l, const mn_kv_layer *layer,
                          const mn_page *page, int32_t head, float *buffer)
{
    const uint8_t *block = page->data + layer->offset + layer->head_bytes * (size_t)head;
    int64_t n = (int64_t)layer->k_dim * MN_KV_PAGE;
    if (l->type == MN_KV_F32) return (const float *)block;
    if (l->type == MN_KV_F16)
        l->ops->from_f16(buffer, (const uint16_t *)block, n);
    else
        l->ops->from_q8_columns(buffer, (const int8_t *)block, (const uint16_t *)(block + n),
                                layer->k_dim);
    return buffer;
}

const float *mn_kv_read_v(const mn_kv_layout *l, const mn_kv_layer *layer,
                          const mn_page *page, int32_t head, int32_t n, const float *k,
                          float *buffer)
{
    int32_t dim = layer->v_dim;
    if (layer->v_from_k) {
        for (int32_t i = 0; i < dim; i++)
            for (int32_t p = 0; p < n; p++) buffer[p * dim + i] = k[i * MN_KV_PAGE + p];
        return buffer;
    }
    const uint8_t *block =
        page->data + layer->offset + layer->head_bytes * (size_t)head + layer->k_bytes;
    if (l->type == MN_KV_F32) return (const float *)block;
    if (l->type == MN_KV_F16) {
        l->ops->from_f16(buffer, (const uint16_t *)block, (int64_t)n * dim);
        return buffer;
    }
    const uint16_t *scales = (const uint16_t *)(block + (size_t)dim * MN_KV_PAGE);
    for (int32_t p = 0; p < n; p++)
        l->ops->from_q8_row(buffer + p * dim, (const int8_t *)block + p * dim,
                            scales + p * q8_blocks(dim), dim);
    return buffer;
}

void mn_kv_read_pairs(const mn_kv_layout *l, const mn_kv_layer *layer, const mn_page *page,
                      int32_t head, int32_t n, float *k, float *v, uint32_t *k_pairs,
                      uint32_t *v_pairs)
{
    if (l->type == MN_KV_F16 && !layer->v_from_k) {
        const uint8_t *block = page->data + layer->offset + layer->head_bytes * (size_t)head;
        l->ops->pair_rows_f16(k_pairs, (const uint16_t *)block, layer->k_dim, MN_KV_PAGE);
        l->ops->pair_rows_f16(v_pairs, (const uint16_t *)(block + layer->k_bytes), n,
                              layer->v_dim);
        return;
    }
    const float *keys = mn_kv_read_k(l, layer, page, head, k);
    const float *values = mn_kv_read_v(l, layer, page, head, n, keys, v);
    l->ops->pair_rows(k_pairs, keys, layer->k_dim, MN_KV_PAGE);
    l->ops->pair_rows(v_pairs, values, n, layer->v_dim);
}

/* ---- copying ----------------------------------------------------------------------- */

/* `rows` rows of MN_KV_PAGE items: one range of columns of each. */
static void copy_columns(uint8_t *to, const uint8_t *from, int32_t rows, size_t item_bytes,
                         int32_t first, int32_t n)
{
    for (int32_t i = 0; i < rows; i++) {
        size_t at = ((size_t)i * MN_KV_PAGE + (size_t)first) * item_bytes;
        memcpy(to + at, from + at, (size_t)n * item_bytes);
    }
}

static void copy_rows(uint8_t *to, const uint8_t *from, size_t row_bytes, int32_t first, int32_t n)
{
    memcpy(to + row_bytes * (size_t)first, from + row_bytes * (size_t)first,
           row_bytes * (size_t)n);
}

static void copy_head(const mn_kv_layout *l, const mn_kv_layer *layer, uint8_t *to,
                      const uint8_t *from, int32_t first, int32_t n)
{
    bool q8 = l->type == MN_KV_Q8_0;
    size_t item = q8 ? 1 : l->type == MN_KV_F32 ? 4 : 2;
    size_t k_codes = (size_t)layer->k_dim * MN_KV_PAGE, v_codes = (size_t)layer->v_dim * MN_KV_PAGE;
    copy_columns(to, from, layer->k_dim, item, first, n);
    if (q8) copy_columns(to + k_codes, from + k_codes, q8_blocks(layer->k_dim), 2, first, n);
    if (layer->v_from_k) return;
    to += layer->k_bytes;
    from += layer->k_bytes;
    copy_rows(to, from, (size_t)layer->v_dim * item, first, n);
    if (q8) copy_rows(to + v_codes, from + v_codes, (size_t)q8_blocks(layer->v_dim) * 2, first, n);
}

void mn_kv_copy_positions(const mn_kv_layout *l, int32_t group, uint8_t *to,
                          const uint8_t *from, int32_t first, int32_t n)
{
    for (int32_t i = 0; i < l->n_layers; i++) {
        const mn_kv_layer *layer = &l->layers[i];
        if (layer->group != group) continue;
        for (int32_t h = 0; h < layer->n_heads; h++) {
            size_t at = layer->offset + layer->head_bytes * (size_t)h;
            copy_head(l, layer, to + at, from + at, first, n);
        }
    }
}
