/* The core of attention: queries against paged keys and values, with the softmax computed
 * online (Milakov & Gimelshein 2018, 1805.02867; Dao et al. 2022, 2205.14135).
 *
 * The queries of all heads that share a KV head form rows (token-major), cut into tiles of
 * ROWS.  A piece of work is one tile of one KV head of one sequence: it walks the pages
 * that any of its rows sees, turns a page's K and V into f32 once for all rows, and keeps
 * per row the maximum, the sum and the weighted values so far.
 *
 * What a row sees: [first, last] from causality, window and chunk; other positions of a
 * page get the score -inf.  Sinks start the sum with exp(sink - max) of their own.
 */
#include "backend/native/native.h"

#include <math.h>
#include <string.h>

enum { ROWS = 32 };

typedef struct {
    float *q, *acc;             /* [ROWS][k_dim], [ROWS][v_dim] */
    float *s;                   /* [ROWS][MN_TILE] */
    float *k, *v;               /* decoded page */
    float top[ROWS], sum[ROWS], keep[ROWS];
    int32_t first[ROWS], last[ROWS];        /* positions seen, both included */
    int32_t n_rows;
} tile;

static void lay_out(mn_scratch *s, int32_t k_dim, int32_t v_dim, tile *t)
{
    t->q = mn_scratch_floats(s, ROWS, k_dim);
    t->acc = mn_scratch_floats(s, ROWS, v_dim);
    t->s = mn_scratch_floats(s, ROWS, MN_TILE);
    t->k = mn_scratch_floats(s, MN_TILE, k_dim);
    t->v = mn_scratch_floats(s, MN_TILE, v_dim);
}

size_t mn_attend_thread_bytes(int32_t k_dim, int32_t v_dim)
{
    mn_scratch s = { 0 };
    tile t;
    lay_out(&s, k_dim, v_dim, &t);
    return s.peak;
}

/* One tile's place in the batch. */
typedef struct {
    const mn_span *span;
    int32_t kv_head, row0;      /* row i: token i / per_head, head i % per_head */
    int32_t per_head;           /* query heads of one KV head */
} piece;

static void row_of(const piece *p, int32_t row, int32_t *token, int32_t *head)
{
    *token = p->span->first + (p->row0 + row) / p->per_head;
    *head = p->kv_head * p->per_head + (p->row0 + row) % p->per_head;
}

static void see(const mn_attend *a, int32_t pos, int32_t length, int32_t *first, int32_t *last)
{
    *first = 0;
    *last = a->bidirectional ? length - 1 : pos;
    if (a->window && pos - a->window + 1 > *first) *first = pos - a->window + 1;
    if (a->chunk && pos - pos % a->chunk > *first) *first = pos - pos % a->chunk;
    if (a->bidirectional && a->window && pos + a->window - 1 < *last) *last = pos + a->window - 1;
}

static void start(const mn_run *r, const mn_attend *a, const mn_kv_layer *layer, const piece *p,
                  tile *t)
{
    int32_t length = p->span->seq->length + p->span->n;
    for (int32_t i = 0; i < t->n_rows; i++) {
        int32_t token, head;
        row_of(p, i, &token, &head);
        const float *q = a->q + token * a->q_stride + head * a->q_head_stride;
        float *to = t->q + (int64_t)i * layer->k_dim;
        for (int32_t d = 0; d < layer->k_dim; d++) to[d] = q[d] * a->scale;
        see(a, r->e->pos[token], length, &t->first[i], &t->last[i]);
        t->top[i] = a->sinks ? a->sinks[head] : -INFINITY;
        t->sum[i] = a->sinks ? 1.0f : 0.0f;
    }
    memset(t->acc, 0, (size_t)t->n_rows * (size_t)layer->v_dim * sizeof *t->acc);
}

static void adjust_scores(const mn_run *r, const mn_attend *a, const piece *p, const tile *t,
                          int32_t base)
{
    if (a->softcap != 0.0f)
        r->e->ops.softcap(t->s, t->n_rows * MN_TILE, 1.0f, a->softcap);
    if (!a->alibi) return;
    for (int32_t i = 0; i < t->n_rows; i++) {
        int32_t token, head;
        row_of(p, i, &token, &head);
        for (int32_t j = 0; j < MN_TILE; j++)
            t->s[i * MN_TILE + j] -=
                a->alibi[head] * fabsf((float)(r->e->pos[token] - (base + j)));
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

static void finish(const mn_attend *a, const mn_kv_layer *layer, const piece *p, const tile *t)
{
    for (int32_t i = 0; i < t->n_rows; i++) {
        int32_t token, head, vd = layer->v_dim;
        row_of(p, i, &token, &head);
        const float *acc = t->acc + (int64_t)i * vd;
        float *out = a->out + ((int64_t)token * a->n_heads + head) * vd;
        float scale = 1.0f / t->sum[i];
        for (int32_t d = 0; d < vd; d++) out[d] = acc[d] * scale;
    }
}

static void run_piece(const mn_run *r, const mn_attend *a, const mn_kv_layer *layer,
                      const piece *p, tile *t)
{
    const mn_cpu_ops *ops = &r->e->ops;
    mn_page *const *pages = p->span->seq->tables[layer->group];
    start(r, a, layer, p, t);
    int32_t first = t->first[0], last = t->last[0], kd = layer->k_dim, vd = layer->v_dim;
    for (int32_t i = 1; i < t->n_rows; i++) {
        if (t->first[i] < first) first = t->first[i];
        if (t->last[i] > last) last = t->last[i];
    }
    for (int32_t page = first / MN_KV_PAGE; page <= last / MN_KV_PAGE; page++) {
        int32_t base = page * MN_KV_PAGE;
        int32_t n = last + 1 - base < MN_KV_PAGE ? last + 1 - base : MN_KV_PAGE;
        const float *k = mn_kv_read_k(&r->e->kv, layer, pages[page], p->kv_head, t->k);
        const float *v = mn_kv_read_v(&r->e->kv, layer, pages[page], p->kv_head, n, k, t->v);
        ops->product(t->s, MN_TILE, NULL, t->q, kd, k, MN_TILE, t->n_rows, kd, MN_TILE);
        adjust_scores(r, a, p, t, base);
        soften(ops, t, base);
        ops->product(t->acc, vd, t->keep, t->s, MN_TILE, v, vd, t->n_rows, n, vd);
    }
    finish(a, layer, p, t);
}

void mn_attend_run(mn_run *r, const mn_attend *a, const mn_kv_layer *layer)
{
    tile t;
    mn_scratch own = { .base = r->thread_memory };
    lay_out(&own, layer->k_dim, layer->v_dim, &t);
    int32_t per_head = a->n_heads / layer->n_heads;
    int64_t done = 0;           /* pieces of the spans before this one */
    int32_t s = 0;
    for (int64_t next; s < r->batch->n_spans;) {
        next = mn_pool_next(r->team.pool, 1);
        for (; s < r->batch->n_spans; s++) {
            const mn_span *span = &r->batch->spans[s];
            int32_t rows = span->n * per_head, tiles = (rows + ROWS - 1) / ROWS;
            int64_t mine = next - done;
            if (mine < (int64_t)tiles * layer->n_heads) {
                /* Late tiles first: they see most and take longest. */
                int32_t index = tiles - 1 - (int32_t)(mine / layer->n_heads);
                piece p = { span, (int32_t)(mine % layer->n_heads), index * ROWS, per_head };
                t.n_rows = rows - p.row0 < ROWS ? rows - p.row0 : ROWS;
                run_piece(r, a, layer, &p, &t);
                break;
            }
            done += (int64_t)tiles * layer->n_heads;
        }
    }
    mn_run_barrier(r);
}
