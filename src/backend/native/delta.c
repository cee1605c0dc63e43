/* The gated delta rule (Yang et al. 2024, 2412.06464, section 3.1), recurrent form.
 *
 *   q, k, v = silu(conv(W h));  q, k L2-normed per head, q / sqrt(key_dim)
 *   S = exp(g) S;   S = S + k (beta (v - k^T S))^T;   o = q^T S     S [key_dim, value_dim]
 *   out(norm(o) * silu(z));  beta = sigmoid(b), g = decay * softplus(a + dt_bias)
 *
 * Columns of S (value dimensions) never meet, so a piece of work is a block of columns of
 * one head of one sequence, token after token, with the block of S in the L1 cache.
 * State of a layer: the convolution's, then [n_v_heads][key_dim][value_dim]. */
#include "backend/native/native.h"

#include <math.h>
#include <string.h>

enum { BLOCK = MN_DELTA_BLOCK };

typedef struct {
    float *fused, *ba;          /* fused form: rows as they come */
    float *qkv, *z, *b, *a;     /* [n][channels], [n][values], [n][n_v_heads] twice */
    float *conv, *o;            /* [n][channels], [n][values] */
} buffers;

static int32_t keys(const mn_gated_delta *d) { return d->n_k_heads * d->key_dim; }
static int32_t values(const mn_gated_delta *d) { return d->n_v_heads * d->value_dim; }
static int32_t channels(const mn_gated_delta *d) { return 2 * keys(d) + values(d); }

static size_t conv_state(const mn_gated_delta *d)
{
    return (size_t)(d->conv_width - 1) * (size_t)channels(d);
}

static void lay_out(mn_scratch *s, const mn_gated_delta *d, int32_t n, buffers *b)
{
    *b = (buffers){ 0 };
    if (mn_linear_present(&d->qkvz)) {
        b->fused = mn_scratch_floats(s, n, d->qkvz.w.rows);
        b->ba = mn_scratch_floats(s, n, d->ba.w.rows);
    }
    b->qkv = mn_scratch_floats(s, n, channels(d));
    b->z = mn_scratch_floats(s, n, values(d));
    b->b = mn_scratch_floats(s, n, d->n_v_heads);
    b->a = mn_scratch_floats(s, n, d->n_v_heads);
    b->conv = mn_scratch_floats(s, n, channels(d));
    b->o = mn_scratch_floats(s, n, values(d));
}

void mn_delta_needs(mn_needs *needs, const mn_gated_delta *d, int32_t n)
{
    buffers b;
    lay_out(&needs->scratch, d, n, &b);
    mn_needs_pack(needs, n, d->out.w.rows);
    mn_needs_pack(needs, n, d->out.w.cols);
}

size_t mn_delta_state(const mn_gated_delta *d)
{
    return conv_state(d) + (size_t)values(d) * (size_t)d->key_dim;
}

/* Fused rows of one token, grouped by key head, into q | k | v, z, b and a. */
static void unfuse(const mn_gated_delta *d, const buffers *b, int32_t t)
{
    int32_t per = d->n_v_heads / d->n_k_heads, kd = d->key_dim, vd = per * d->value_dim;
    const float *in = b->fused + (int64_t)t * d->qkvz.w.rows;
    const float *ba = b->ba + (int64_t)t * d->ba.w.rows;
    float *qkv = b->qkv + (int64_t)t * channels(d), *z = b->z + (int64_t)t * values(d);
    for (int32_t g = 0; g < d->n_k_heads; g++, in += 2 * kd + 2 * vd, ba += 2 * per) {
        memcpy(qkv + g * kd, in, (size_t)kd * sizeof *in);
        memcpy(qkv + keys(d) + g * kd, in + kd, (size_t)kd * sizeof *in);
        memcpy(qkv + 2 * keys(d) + g * vd, in + 2 * kd, (size_t)vd * sizeof *in);
        memcpy(z + g * vd, in + 2 * kd + vd, (size_t)vd * sizeof *in);
        memcpy(b->b + (int64_t)t * d->n_v_heads + g * per, ba, (size_t)per * sizeof *ba);
        memcpy(b->a + (int64_t)t * d->n_v_heads + g * per, ba + per, (size_t)per * sizeof *ba);
    }
}

static void project(mn_run *r, const mn_gated_delta *d, const float *h, const buffers *b)
{
    mn_pack *pack = &r->e->packs.input;
    int32_t n = r->n_tokens, t, end, hidden = r->e->plan->hidden;
    mn_run_pack(r, pack, h, hidden, n, hidden);
    if (!b->fused) {
        mn_job jobs[4] = {
            mn_job_linear(&d->qkv, n, b->qkv, channels(d)), mn_job_linear(&d->z, n, b->z, values(d)),
            mn_job_linear(&d->b, n, b->b, d->n_v_heads), mn_job_linear(&d->a, n, b->a, d->n_v_heads)
        };
        mn_run_matmul(r, pack, jobs, 4);
        return;
    }
    mn_job jobs[2] = { mn_job_linear(&d->qkvz, n, b->fused, d->qkvz.w.rows),
                       mn_job_linear(&d->ba, n, b->ba, d->ba.w.rows) };
    mn_run_matmul(r, pack, jobs, 2);
    mn_run_rows(r, n, &t, &end);
    for (; t < end; t++) unfuse(d, b, t);
    mn_run_barrier(r);
}

/* x * scale / sqrt(sum(x^2) + 1e-6) */
static void l2_norm(const mn_cpu_ops *ops, float *x, int32_t n, float scale)
{
    ops->rms_norm(x, x, NULL, n, 1e-6f / (float)n);
    ops->scaled(x, x, scale / sqrtf((float)n), n);
}

static void prepare_token(const mn_cpu_ops *ops, const mn_gated_delta *d, const buffers *b,
                          int32_t t)
{
    float *q = b->conv + (int64_t)t * channels(d), *k = q + keys(d);
    float *beta = b->b + (int64_t)t * d->n_v_heads, *decay = b->a + (int64_t)t * d->n_v_heads;
    for (int32_t h = 0; h < d->n_k_heads; h++) {
        l2_norm(ops, q + h * d->key_dim, d->key_dim, 1.0f / sqrtf((float)d->key_dim));
        l2_norm(ops, k + h * d->key_dim, d->key_dim, 1.0f);
    }
    for (int32_t h = 0; h < d->n_v_heads; h++) {
        beta[h] = mn_sigmoid(beta[h]);
        float dt = mn_softplus(decay[h] + (d->dt_bias ? d->dt_bias[h] : 0.0f));
        decay[h] = expf(d->decay[h] * dt);
    }
}

static void run_block(const mn_run *r, const mn_gated_delta *d, const buffers *b,
                      const mn_state_slot *slot, int32_t s, int32_t head, int32_t column)
{
    const mn_span *span = &r->batch->spans[s];
    int32_t kd = d->key_dim, vd = d->value_dim, per = d->n_v_heads / d->n_k_heads;
    int32_t key_head = d->repeat_interleaved ? head / per : head % d->n_k_heads;
    int32_t n = vd - column < BLOCK ? vd - column : BLOCK;
    size_t at = conv_state(d) + (size_t)head * (size_t)(kd * vd) + (size_t)column;
    const float *from = mn_run_state(r, s, slot) + at;
    float *state = mn_run_next_state(r, s, slot) + at;
    for (int32_t t = span->first; t < span->first + span->n; t++) {
        const float *q = b->conv + (int64_t)t * channels(d) + key_head * kd;
        const float *v = b->conv + (int64_t)t * channels(d) + 2 * keys(d) + head * vd + column;
        int64_t gate = (int64_t)t * d->n_v_heads + head;
        r->e->ops.delta_step(&(mn_delta_step){
            .from = from, .to = state, .stride = vd, .key_dim = kd, .n = n, .q = q,
            .k = q + keys(d), .v = v, .beta = b->b[gate], .decay = b->a[gate],
            .o = b->o + (int64_t)t * values(d) + head * vd + column });
        from = state;
    }
}

static void recur(mn_run *r, const mn_gated_delta *d, const buffers *b, const mn_state_slot *slot)
{
    int32_t blocks = (d->value_dim + BLOCK - 1) / BLOCK, per_span = d->n_v_heads * blocks;
    int64_t all = (int64_t)r->batch->n_spans * per_span;
    for (int64_t i; (i = mn_pool_next(r->team.pool, 1)) < all;) {
        int32_t inside = (int32_t)(i % per_span);
        run_block(r, d, b, slot, (int32_t)(i / per_span), inside / blocks,
                  inside % blocks * BLOCK);
    }
    mn_run_barrier(r);
}

void mn_delta_forward(mn_run *r, const mn_gated_delta *d, const mn_state_slot *state,
                      const float *h, float *out)
{
    buffers b;
    int32_t n = r->n_tokens, first, end, vd = d->value_dim;
    lay_out(&r->scratch, d, n, &b);
    project(r, d, h, &b);
    mn_conv conv = { .bias = d->conv_bias, .width = d->conv_width,
                     .channels = channels(d), .silu = true, .x = b.qkv, .x_stride = channels(d),
                     .y = b.conv };
    mn_conv_run(r, &conv, state);
    mn_run_rows(r, n, &first, &end);
    for (int32_t t = first; t < end; t++) prepare_token(&r->e->ops, d, &b, t);
    mn_run_barrier(r);
    recur(r, d, &b, state);
    for (int32_t t = first; t < end; t++) {
        float *o = b.o + (int64_t)t * values(d);
        for (int32_t k = 0; k < d->n_v_heads; k++)
            mn_norm_one(&r->e->ops, &d->norm, o + k * vd, o + k * vd, vd);
        r->e->ops.gated_act(o, b.z + (int64_t)t * values(d), o, values(d), MN_ACT_SILU);
    }
    mn_run_linear(r, &d->out, &r->e->packs.inner, b.o, n, out);
}
