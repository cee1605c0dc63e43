/* Multi-head latent attention (DeepSeek-V2, 2405.04434, section 2.1), absorbed form.
 *
 * The cache holds one latent per position, [kv_rank normed | rope_dim rotated].  Instead
 * of expanding keys and values for every head, the key matrix moves to the query side:
 *
 *   q' = k_b q_nope;  score = q' . latent + q_rope . k_rope;  out = v_b (sum p latent)
 *
 * so attention runs as multi-query attention of width kv_rank + rope_dim, whose values are
 * the first kv_rank rows of its keys.  Files with the fused kv_b get its key half
 * transposed when the model is loaded (engine.c); the value half is a view. */
#include "backend/native/native.h"

#include <string.h>

typedef struct {
    float *q_a, *q;             /* [n][q rank], [n][heads * (nope + rope)] */
    float *kv;                  /* [n][kv_rank + rope_dim] */
    float *wide;                /* [n][heads][kv_rank + rope_dim]: absorbed queries */
    float *latent;              /* [n][heads][kv_rank]: attention's result */
    float *out;                 /* [n][heads * v_dim] */
    mn_job *jobs;               /* [heads], this thread's */
    int32_t *rows;              /* [heads][n]: pack row of head h, token t: t * heads + h */
} buffers;

static void lay_out(mn_scratch *s, const mn_mla *a, int32_t n, buffers *b)
{
    int64_t heads = a->n_heads, wide = a->kv_rank + a->rope_dim;
    b->q_a = mn_linear_present(&a->q_a) ? mn_scratch_floats(s, n, a->q_a.w.rows) : NULL;
    b->q = mn_scratch_floats(s, n, heads * (a->nope_dim + a->rope_dim));
    b->kv = mn_scratch_floats(s, n, wide);
    b->wide = mn_scratch_floats(s, n, heads * wide);
    b->latent = mn_scratch_floats(s, n, heads * a->kv_rank);
    b->out = mn_scratch_floats(s, n, heads * a->v_dim);
    b->rows = mn_scratch_bytes(s, (size_t)(n * heads) * sizeof *b->rows);
}

void mn_mla_needs(mn_needs *needs, const mn_mla *a, int32_t n)
{
    buffers b;
    lay_out(&needs->scratch, a, n, &b);
    mn_needs_pack(needs, n, a->kv_a.w.cols);
    if (mn_linear_present(&a->q_a)) mn_needs_pack(needs, n, a->q_a.w.rows);
    mn_needs_pack(needs, (int64_t)n * a->n_heads, a->nope_dim);
    mn_needs_pack(needs, (int64_t)n * a->n_heads, a->kv_rank);
    mn_needs_pack(needs, n, a->o.w.cols);
    mn_attend_needs(needs, a->kv_rank + a->rope_dim, a->kv_rank);
    size_t jobs = (size_t)a->n_heads * sizeof(mn_job);
    if (jobs > needs->thread_bytes) needs->thread_bytes = jobs;
}

static void project(mn_run *r, const mn_mla *a, const float *h, const buffers *b)
{
    int32_t n = r->n_tokens;
    mn_pack *pack = &r->e->packs.input;
    bool two_steps = mn_linear_present(&a->q_a);
    mn_job jobs[2] = {
        mn_job_linear(&a->kv_a, n, b->kv, a->kv_a.w.rows),
        two_steps ? mn_job_linear(&a->q_a, n, b->q_a, a->q_a.w.rows)
                  : mn_job_linear(&a->q, n, b->q, a->q.w.rows)
    };
    mn_run_pack(r, pack, h, a->kv_a.w.cols, n, a->kv_a.w.cols);
    mn_run_matmul(r, pack, jobs, 2);
    if (!two_steps) return;
    mn_norm_rows(r, &a->q_a_norm, b->q_a, b->q_a, (int32_t)a->q_a.w.rows, n);
    mn_run_linear(r, &a->q_b, &r->e->packs.inner, b->q_a, n, b->q);
}

/* Norm the latent, rotate, write to the cache; rotated query parts go to `wide`. */
static void prepare_token(const mn_run *r, const mn_mla *a, const buffers *b, int32_t t)
{
    int32_t table = r->e->rope_of[r->layer], heads = a->n_heads;
    int32_t head_dim = a->nope_dim + a->rope_dim, wide = a->kv_rank + a->rope_dim;
    const float *angles =
        table < 0 ? NULL : r->e->ropes[table].table + (int64_t)t * a->rope.n_dims;
    float *kv = b->kv + (int64_t)t * wide;
    void (*rotate)(float *, const float *, int32_t, bool) = r->e->ops.rotate;
    mn_norm_one(&r->e->ops, &a->kv_a_norm, kv, kv, a->kv_rank);
    if (angles) rotate(kv + a->kv_rank, angles, a->rope.n_dims / 2, a->rope.interleaved);
    mn_run_store_kv(r, &r->e->kv.layers[r->layer], t, 0, kv, NULL);
    for (int32_t h = 0; h < heads; h++) {
        const float *q = b->q + ((int64_t)t * heads + h) * head_dim + a->nope_dim;
        float *to = b->wide + ((int64_t)t * heads + h) * wide + a->kv_rank;
        memcpy(to, q, (size_t)a->rope_dim * sizeof *to);
        if (angles) rotate(to, angles, a->rope.n_dims / 2, a->rope.interleaved);
        b->rows[h * r->n_tokens + t] = t * heads + h;
    }
}

/* Every head's own small matrix: y[t][h] = w[h] x[t][h]. */
static void per_head(mn_run *r, const mn_mla *a, const mn_weight *w, const buffers *b,
                     const float *x, int64_t x_stride, float *y, int64_t y_stride)
{
    int32_t n = r->n_tokens, heads = a->n_heads;
    mn_run_pack(r, &r->e->packs.inner, x, x_stride, n * heads, w->cols);
    for (int32_t h = 0; h < heads; h++)
        b->jobs[h] = mn_job_expert(w, h, NULL, b->rows + h * n, n, y + h * y_stride,
                                   heads * y_stride);
    mn_run_matmul(r, &r->e->packs.inner, b->jobs, heads);
}

void mn_mla_forward(mn_run *r, const mn_mla *a, const float *h, float *out)
{
    buffers b;
    int32_t n = r->n_tokens, t, end, wide = a->kv_rank + a->rope_dim;
    lay_out(&r->scratch, a, n, &b);
    b.jobs = (mn_job *)r->thread_memory;
    project(r, a, h, &b);
    mn_run_rows(r, n, &t, &end);
    for (; t < end; t++) prepare_token(r, a, &b, t);
    const mn_mla_split *split = r->e->mla ? &r->e->mla[r->layer] : NULL;
    bool own = mn_weight_present(&a->k_b);
    per_head(r, a, own ? &a->k_b : &split->k_b, &b, b.q, a->nope_dim + a->rope_dim, b.wide, wide);
    mn_attend attend = {
        .q = b.wide, .q_stride = (int64_t)a->n_heads * wide, .q_head_stride = wide,
        .out = b.latent, .n_heads = a->n_heads, .scale = a->scale,
        .bf16 = mn_attend_in_bf16(&a->kv_a),
    };
    mn_attend_run(r, &attend, &r->e->kv.layers[r->layer]);
    per_head(r, a, own ? &a->v_b : &split->v_b, &b, b.latent, a->kv_rank, b.out, a->v_dim);
    mn_run_linear(r, &a->o, &r->e->packs.inner, b.out, n, out);
}
