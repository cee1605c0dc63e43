/* The core of attention: queries against paged keys and values, with the softmax computed
 * online (Milakov & Gimelshein 2018, 1805.02867; Dao et al. 2022, 2205.14135).
 *
 * The queries of all heads that share a KV head form rows (token-major), cut into tiles of
 * ROWS.  A piece of work is one tile of one KV head of one sequence: it walks the pages
 * that any of its rows sees, turns a page's K and V into multiplicands once for all rows,
 * and keeps per row the maximum, the sum and the weighted values so far.  Multiplicands are
 * f32, or bf16 pairs where the processor multiplies those (mn_cpu_ops.product_bf16).
 *
 * With fewer tiles than threads (one long sequence, many cores) the pages of a tile are cut
 * into parts, which leave partial results that are merged after a barrier.
 *
 * What a row sees: [first, last] from causality, window and chunk; other positions of a
 * page get the weight 0.  Sinks start the sum with exp(sink - max) of their own.
 */
#include "backend/native/native.h"

#include <math.h>
#include <string.h>

enum {
    ROWS = 48,
    MIN_PAGES = 4,              /* of a part */
    MIN_BF16_ROWS = 8           /* making pairs must pay */
};

typedef struct {
    float *q, *acc;             /* [ROWS][k_dim], [ROWS][v_dim] */
    float *s;                   /* [ROWS][MN_TILE] */
    float *k, *v;               /* decoded page */
    uint32_t *q_pairs, *s_pairs, *k_pairs, *v_pairs;    /* the same as bf16 */
    float top[ROWS], sum[ROWS], keep[ROWS];
    int32_t first[ROWS], last[ROWS];        /* positions seen, both included */
    int32_t n_rows;
} tile;

static int32_t n_pairs(int32_t n) { return (n + 1) / 2; }

static void lay_out(mn_scratch *s, int32_t k_dim, int32_t v_dim, tile *t)
{
    t->q = mn_scratch_floats(s, ROWS, 2 * n_pairs(k_dim));
    t->acc = mn_scratch_floats(s, ROWS, v_dim);
    t->s = mn_scratch_floats(s, ROWS, MN_TILE);
    t->k = mn_scratch_floats(s, MN_TILE, k_dim);
    t->v = mn_scratch_floats(s, MN_TILE, v_dim);
    t->q_pairs = mn_scratch_bytes(s, sizeof(uint32_t) * ROWS * (size_t)n_pairs(k_dim));
    t->s_pairs = mn_scratch_bytes(s, sizeof(uint32_t) * ROWS * MN_TILE / 2);
    t->k_pairs = mn_scratch_bytes(s, sizeof(uint32_t) * MN_TILE * (size_t)n_pairs(k_dim));
    t->v_pairs = mn_scratch_bytes(s, sizeof(uint32_t) * MN_TILE / 2 * (size_t)v_dim);
}

static int64_t partial_floats(int32_t v_dim) { return ROWS * ((int64_t)v_dim + 2); }

void mn_attend_needs(mn_needs *needs, int32_t k_dim, int32_t v_dim)
{
    mn_scratch s = { 0 };
    tile t;
    lay_out(&s, k_dim, v_dim, &t);
    if (s.peak > needs->thread_bytes) needs->thread_bytes = s.peak;
    mn_scratch_floats(&needs->scratch, 4 * (int64_t)needs->n_threads, partial_floats(v_dim));
}

/* ---- where work lies ------------------------------------------------------------------ */

typedef struct {
    mn_run *r;
    const mn_attend *a;
    const mn_kv_layer *layer;
    int32_t per_head;           /* query heads of one KV head */
    int64_t n_tiles;            /* of all sequences and KV heads */
    int32_t n_parts;            /* of each tile */
    float *partials;            /* [n_tiles * n_parts][ROWS * (v_dim + 2)] */
    bool bf16;
} attention;

typedef struct {
    const mn_span *span;
    int32_t kv_head, row0;      /* row i: token (row0 + i) / per_head, head % per_head */
} place;

/* The number of rows decides, but for short runs that of one token's. */
static bool in_bf16(const attention *at, const mn_span *span, int32_t n_rows)
{
    return at->bf16 && (span->n > MN_EXACT_RUN ? n_rows : at->per_head) >= MIN_BF16_ROWS;
}

static int32_t tiles_of(const attention *at, const mn_span *span)
{
    return (span->n * at->per_head + ROWS - 1) / ROWS;
}

/* Tile `index` of all, and its rows. */
static int32_t find_tile(const attention *at, int64_t index, place *p)
{
    const mn_span *span = at->r->batch->spans;
    int32_t heads = at->layer->n_heads;
    for (; index >= (int64_t)tiles_of(at, span) * heads; span++)
        index -= (int64_t)tiles_of(at, span) * heads;
    /* Head by head, so that its keys stay in the cache; late tiles, which see most and take
     * longest, first. */
    int32_t n = tiles_of(at, span), tile_row = n - 1 - (int32_t)(index % n);
    *p = (place){ span, (int32_t)(index / n), tile_row * ROWS };
    int32_t rows = span->n * at->per_head - p->row0;
    return rows < ROWS ? rows : ROWS;
}

static void row_of(const attention *at, const place *p, int32_t row, int32_t *token,
                   int32_t *head)
{
    *token = p->span->first + (p->row0 + row) / at->per_head;
    *head = p->kv_head * at->per_head + (p->row0 + row) % at->per_head;
}

static void see(const mn_attend *a, int32_t pos, int32_t length, int32_t *first, int32_t *last)
{
    *first = 0;
    *last = a->bidirectional ? length - 1 : pos;
    if (a->window && pos - a->window + 1 > *first) *first = pos - a->window + 1;
    if (a->chunk && pos - pos % a->chunk > *first) *first = pos - pos % a->chunk;
    if (a->bidirectional && a->window && pos + a->window - 1 < *last) *last = pos + a->window - 1;
}

/* ---- one tile ------------------------------------------------------------------------- */

static void start(const attention *at, const place *p, bool sinks, tile *t)
{
    const mn_attend *a = at->a;
    int32_t length = p->span->seq->length + p->span->n, kd = at->layer->k_dim;
    bool bf16 = in_bf16(at, p->span, t->n_rows);
    int32_t width = bf16 ? 2 * n_pairs(kd) : kd;
    for (int32_t i = 0; i < t->n_rows; i++) {
        int32_t token, head;
        row_of(at, p, i, &token, &head);
        const float *q = a->q + token * a->q_stride + head * a->q_head_stride;
        float *to = t->q + (int64_t)i * width;
        to[width - 1] = 0;
        at->r->e->ops.scaled(to, q, a->scale, kd);
        see(a, at->r->e->pos[token], length, &t->first[i], &t->last[i]);
        t->top[i] = sinks ? a->sinks[head] : -INFINITY;
        t->sum[i] = sinks ? 1.0f : 0.0f;
    }
    if (bf16) at->r->e->ops.to_bf16((uint16_t *)t->q_pairs, t->q, (int64_t)t->n_rows * width);
    memset(t->acc, 0, (size_t)t->n_rows * (size_t)at->layer->v_dim * sizeof *t->acc);
}

static void adjust_scores(const attention *at, const place *p, const tile *t, int32_t base)
{
    const mn_attend *a = at->a;
    if (a->softcap != 0.0f)
        at->r->e->ops.softcap(t->s, t->n_rows * MN_TILE, 1.0f, a->softcap);
    if (!a->alibi) return;
    for (int32_t i = 0; i < t->n_rows; i++) {
        int32_t token, head;
        row_of(at, p, i, &token, &head);
        for (int32_t j = 0; j < MN_TILE; j++)
            t->s[i * MN_TILE + j] -=
                a->alibi[head] * fabsf((float)(at->r->e->pos[token] - (base + j)));
    }
}

/* Scores become weights; maxima and sums move on. */
static void soften(const mn_cpu_ops *ops, tile *t, int32_t base)
{
    int32_t from[ROWS], to[ROWS];
    for (int32_t i = 0; i < t->n_rows; i++) {
        int32_t first = t->first[i] - base, end = t->last[i] - base + 1;
        from[i] = first < 0 ? 0 : first > MN_TILE ? MN_TILE : first;
        to[i] = end > MN_TILE ? MN_TILE : end < from[i] ? from[i] : end;
    }
    ops->soften(t->s, t->n_rows, from, to, t->top, t->sum, t->keep);
}

/* n positions of a page from `base` on, in f32. */
static void page_f32(const attention *at, const place *p, const mn_page *page, int32_t base,
                     int32_t n, tile *t)
{
    const mn_kv_layout *kv = &at->r->e->kv;
    const mn_cpu_ops *ops = &at->r->e->ops;
    int32_t kd = at->layer->k_dim, vd = at->layer->v_dim;
    const float *k = mn_kv_read_k(kv, at->layer, page, p->kv_head, t->k);
    const float *v = mn_kv_read_v(kv, at->layer, page, p->kv_head, n, k, t->v);
    ops->product(t->s, MN_TILE, NULL, t->q, kd, k, MN_TILE, t->n_rows, kd, MN_TILE);
    adjust_scores(at, p, t, base);
    soften(ops, t, base);
    ops->product(t->acc, vd, t->keep, t->s, MN_TILE, v, vd, t->n_rows, n, vd);
}

static void page_bf16(const attention *at, const place *p, const mn_page *page, int32_t base,
                      int32_t n, tile *t)
{
    const mn_kv_layout *kv = &at->r->e->kv;
    const mn_cpu_ops *ops = &at->r->e->ops;
    int32_t kd = at->layer->k_dim, vd = at->layer->v_dim, half = n_pairs(kd);
    mn_kv_read_pairs(kv, at->layer, page, p->kv_head, n, t->k, t->v, t->k_pairs, t->v_pairs);
    ops->product_bf16(t->s, MN_TILE, NULL, t->q_pairs, half, t->k_pairs, MN_TILE, t->n_rows, half,
                      MN_TILE);
    adjust_scores(at, p, t, base);
    soften(ops, t, base);
    ops->to_bf16((uint16_t *)t->s_pairs, t->s, (int64_t)t->n_rows * MN_TILE);
    ops->product_bf16(t->acc, vd, t->keep, t->s_pairs, MN_TILE / 2, t->v_pairs, vd, t->n_rows,
                      n_pairs(n), vd);
}

static void run_pages(const attention *at, const place *p, int32_t part, tile *t)
{
    mn_page *const *pages = p->span->seq->tables[at->layer->group];
    int32_t first = t->first[0], last = t->last[0];
    for (int32_t i = 1; i < t->n_rows; i++) {
        if (t->first[i] < first) first = t->first[i];
        if (t->last[i] > last) last = t->last[i];
    }
    int32_t begin = first / MN_KV_PAGE, all = last / MN_KV_PAGE + 1 - begin;
    int32_t page = begin + (int32_t)((int64_t)all * part / at->n_parts);
    int32_t end = begin + (int32_t)((int64_t)all * (part + 1) / at->n_parts);
    bool bf16 = in_bf16(at, p->span, t->n_rows);
    for (; page < end; page++) {
        int32_t base = page * MN_KV_PAGE;
        int32_t n = last + 1 - base < MN_KV_PAGE ? last + 1 - base : MN_KV_PAGE;
        if (bf16) page_bf16(at, p, pages[page], base, n, t);
        else page_f32(at, p, pages[page], base, n, t);
    }
}

static void write_row(const attention *at, const place *p, int32_t row, const float *acc,
                      float sum)
{
    int32_t token, head, vd = at->layer->v_dim;
    row_of(at, p, row, &token, &head);
    float *out = at->a->out + ((int64_t)token * at->a->n_heads + head) * vd;
    at->r->e->ops.scaled(out, acc, 1.0f / sum, vd);
}

/* ---- parts ---------------------------------------------------------------------------- */

/* A partial result: tops, sums, then the weighted values of the rows. */
static void save_part(const attention *at, int64_t index, const tile *t)
{
    int32_t vd = at->layer->v_dim;
    float *to = at->partials + index * partial_floats(vd);
    memcpy(to, t->top, sizeof t->top);
    memcpy(to + ROWS, t->sum, sizeof t->sum);
    memcpy(to + 2 * ROWS, t->acc, (size_t)t->n_rows * (size_t)vd * sizeof *to);
}

static void merge_row(const attention *at, int64_t index, const place *p, int32_t row,
                      float *acc)
{
    int32_t vd = at->layer->v_dim;
    const float *parts = at->partials + index * at->n_parts * partial_floats(vd);
    float top = -INFINITY, sum = 0;
    for (int32_t k = 0; k < at->n_parts; k++)
        top = fmaxf(top, parts[k * partial_floats(vd) + row]);
    memset(acc, 0, (size_t)vd * sizeof *acc);
    for (int32_t k = 0; k < at->n_parts; k++, parts += partial_floats(vd)) {
        float weight = expf(parts[row] - top);
        sum += weight * parts[ROWS + row];
        at->r->e->ops.add_scaled(acc, parts + 2 * ROWS + (int64_t)row * vd, weight, vd);
    }
    write_row(at, p, row, acc, sum);
}

/* ---- all ------------------------------------------------------------------------------ */

static void plan_work(attention *at)
{
    const mn_batch *batch = at->r->batch;
    int32_t longest = 0;
    at->per_head = at->a->n_heads / at->layer->n_heads;
    for (int32_t s = 0; s < batch->n_spans; s++) {
        const mn_span *span = &batch->spans[s];
        int32_t length = span->seq->length + span->n;
        at->n_tiles += (int64_t)tiles_of(at, span) * at->layer->n_heads;
        if (length > longest) longest = length;
    }
    if (at->a->window && longest > at->a->window) longest = at->a->window;
    int64_t wanted = (2 * at->r->team.n_threads + at->n_tiles - 1) / at->n_tiles;
    int32_t most = longest / (MIN_PAGES * MN_KV_PAGE);
    at->n_parts = wanted < most ? (int32_t)wanted : most;
    if (at->n_parts < 1 || at->n_tiles >= at->r->team.n_threads) at->n_parts = 1;
}

void mn_attend_run(mn_run *r, const mn_attend *a, const mn_kv_layer *layer)
{
    tile t;
    place p;
    mn_scratch own = { .base = r->thread_memory };
    attention at = { .r = r, .a = a, .layer = layer, 
                     .bf16 = a->bf16 && r->e->ops.product_bf16 };
    size_t mark = r->scratch.used;
    at.partials = mn_scratch_floats(&r->scratch, 4 * r->team.n_threads,
                                    partial_floats(layer->v_dim));
    r->scratch.used = mark;
    lay_out(&own, layer->k_dim, layer->v_dim, &t);
    plan_work(&at);
    for (int64_t i; (i = mn_pool_next(r->team.pool, 1)) < at.n_tiles * at.n_parts;) {
        int32_t part = (int32_t)(i % at.n_parts);
        t.n_rows = find_tile(&at, i / at.n_parts, &p);
        start(&at, &p, a->sinks && part == 0, &t);
        run_pages(&at, &p, part, &t);
        if (at.n_parts > 1) {
            save_part(&at, i, &t);
            continue;
        }
        for (int32_t row = 0; row < t.n_rows; row++)
            write_row(&at, &p, row, t.acc + (int64_t)row * layer->v_dim, t.sum[row]);
    }
    mn_run_barrier(r);
    if (at.n_parts == 1) return;
    for (int64_t i; (i = mn_pool_next(r->team.pool, 1)) < at.n_tiles;) {
        int32_t n = find_tile(&at, i, &p);
        for (int32_t row = 0; row < n; row++) merge_row(&at, i, &p, row, t.acc);
    }
    mn_run_barrier(r);
}
