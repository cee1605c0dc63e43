/* Attention layers around the core in attend.c: projections, norms of heads, rotation,
 * writing to the cache, the output gate.
 *
 *   q, k, v = W h                        one matmul call
 *   per token: temperature, head norms, rope; k and v into the cache
 *   attend                               every query tile against the pages it sees
 *   gate, o
 *
 * Layers that share another layer's cache project q only. */
#include "backend/native/native.h"

#include <math.h>
#include <string.h>

typedef struct {
    float *q, *k, *v, *out;
} buffers;

static int32_t value_dim(const mn_attention *a)
{
    return a->v_head_dim ? a->v_head_dim : a->head_dim;
}

static int32_t query_rows(const mn_attention *a)
{
    return a->n_heads * a->head_dim * (a->gate == MN_GATE_SIGMOID_IN_Q ? 2 : 1);
}

static void lay_out(mn_scratch *s, const mn_attention *a, int32_t n, buffers *b)
{
    b->q = mn_scratch_floats(s, n, query_rows(a));
    b->k = mn_scratch_floats(s, n, a->n_kv_heads * a->head_dim);
    b->v = mn_scratch_floats(s, n, a->n_kv_heads * value_dim(a));
    b->out = mn_scratch_floats(s, n, a->n_heads * value_dim(a));
}

void mn_attention_needs(mn_needs *needs, const mn_attention *a, int32_t n)
{
    buffers b;
    lay_out(&needs->scratch, a, n, &b);
    mn_needs_pack(needs, n, a->o.w.cols);
    mn_attend_needs(needs, a->head_dim, value_dim(a));
}

static void project(mn_run *r, const mn_attention *a, const float *h, const buffers *b)
{
    mn_pack *pack = &r->e->packs.input;
    mn_job jobs[3];
    int n = 0;
    jobs[n++] = mn_job_linear(&a->q, r->n_tokens, b->q, a->q.w.rows);
    if (!a->kv_from_layer) {
        jobs[n++] = mn_job_linear(&a->k, r->n_tokens, b->k, a->k.w.rows);
        if (!a->v_is_k) jobs[n++] = mn_job_linear(&a->v, r->n_tokens, b->v, a->v.w.rows);
    }
    mn_run_pack(r, pack, h, a->q.w.cols, r->n_tokens, a->q.w.cols);
    mn_run_matmul(r, pack, jobs, n);
}

/* Norm and rotate the heads of one token in place. */
static void prepare_heads(const mn_run *r, const mn_attention *a, const mn_norm *norm,
                          const float *angles, float *heads, int32_t n_heads, int32_t stride)
{
    bool per_head = norm->n > 0 && norm->n <= a->head_dim;
    int32_t half = a->rope.n_dims / 2;
    if (angles && a->rope_before_norm)
        for (int32_t h = 0; h < n_heads; h++)
            r->e->ops.rotate(heads + h * stride, angles, half, a->rope.interleaved);
    if (norm->kind != MN_NORM_NONE && !per_head)
        mn_norm_one(&r->e->ops, norm, heads, heads, n_heads * a->head_dim);
    for (int32_t h = 0; h < n_heads; h++) {
        float *head = heads + h * stride;
        if (norm->kind != MN_NORM_NONE && per_head) {
            mn_norm own = *norm;
            if (norm->per_group_weight) {
                own.weight = norm->weight ? norm->weight + h * a->head_dim : NULL;
                own.bias = norm->bias ? norm->bias + h * a->head_dim : NULL;
            }
            mn_norm_one(&r->e->ops, &own, head, head, a->head_dim);
        }
        if (angles && !a->rope_before_norm)
            r->e->ops.rotate(head, angles, half, a->rope.interleaved);
    }
}

static void scale_by_position(const mn_attention *a, int32_t pos, float *q, int32_t n)
{
    if (a->temp_beta == 0.0f) return;
    float floors = a->temp_floor ? (float)(pos / a->temp_floor) : (float)pos;
    float scale = 1.0f + a->temp_beta * logf(1.0f + floors);
    for (int32_t i = 0; i < n; i++) q[i] *= scale;
}

static void prepare_token(const mn_run *r, const mn_attention *a, const buffers *b, int32_t t)
{
    const mn_kv_layer *cache = &r->e->kv.layers[r->layer];
    int32_t table = r->e->rope_of[r->layer], vd = value_dim(a);
    int32_t q_stride = query_rows(a) / a->n_heads;
    const float *angles =
        table < 0 ? NULL : r->e->ropes[table].table + (int64_t)t * a->rope.n_dims;
    float *q = b->q + (int64_t)t * query_rows(a);
    prepare_heads(r, a, &a->q_norm, angles, q, a->n_heads, q_stride);
    for (int32_t h = 0; h < a->n_heads; h++)
        scale_by_position(a, r->e->pos[t], q + h * q_stride, a->head_dim);
    if (a->kv_from_layer) return;
    float *k = b->k + (int64_t)t * a->n_kv_heads * a->head_dim;
    float *v = b->v + (int64_t)t * a->n_kv_heads * vd;
    if (a->v_is_k) memcpy(v, k, (size_t)(a->n_kv_heads * vd) * sizeof *v);
    prepare_heads(r, a, &a->k_norm, angles, k, a->n_kv_heads, a->head_dim);
    if (a->v_norm.kind != MN_NORM_NONE)
        mn_norm_one(&r->e->ops, &a->v_norm, v, v, a->n_kv_heads * vd);
    for (int32_t h = 0; h < a->n_kv_heads; h++)
        mn_run_store_kv(r, cache, t, h, k + h * a->head_dim, v + h * vd);
}

void mn_run_store_kv(const mn_run *r, const mn_kv_layer *layer, int32_t t, int32_t head,
                     const float *k, const float *v)
{
    const mn_seq *seq = r->batch->spans[r->e->span_of[t]].seq;
    int32_t pos = r->e->pos[t];
    mn_page *page = seq->tables[layer->group][pos / MN_KV_PAGE];
    mn_kv_write(&r->e->kv, layer, page, head, pos % MN_KV_PAGE, k, v);
}

/* out *= sigmoid(gate), the gate being the second half of each query head's rows. */
static void apply_gate(const mn_run *r, const mn_attention *a, const buffers *b, int32_t t)
{
    int32_t vd = value_dim(a);
    for (int32_t h = 0; h < a->n_heads; h++) {
        const float *gate =
            b->q + (int64_t)t * query_rows(a) + h * 2 * a->head_dim + a->head_dim;
        float *out = b->out + ((int64_t)t * a->n_heads + h) * vd;
        r->e->ops.gate(out, gate, vd);
    }
}

void mn_attention_forward(mn_run *r, const mn_attention *a, const float *h, float *out)
{
    buffers b;
    int32_t first, end;
    lay_out(&r->scratch, a, r->n_tokens, &b);
    project(r, a, h, &b);
    mn_run_rows(r, r->n_tokens, &first, &end);
    for (int32_t t = first; t < end; t++) prepare_token(r, a, &b, t);
    mn_run_barrier(r);
    mn_attend attend = {
        .q = b.q, .q_stride = query_rows(a), .q_head_stride = query_rows(a) / a->n_heads,
        .out = b.out, .n_heads = a->n_heads, .scale = a->scale, .softcap = a->softcap,
        .window = a->window, .chunk = a->chunk, .bidirectional = a->bidirectional,
        .bf16 = mn_attend_in_bf16(&a->q), .sinks = a->sinks, .alibi = a->alibi,
    };
    mn_attend_run(r, &attend, &r->e->kv.layers[r->layer]);
    if (a->gate == MN_GATE_SIGMOID_IN_Q)
        for (int32_t t = first; t < end; t++) apply_gate(r, a, &b, t);
    mn_run_linear(r, &a->o, &r->e->packs.inner, b.out, r->n_tokens, out);
}
