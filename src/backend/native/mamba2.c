/* Mamba-2, the recurrent form (Dao & Gu 2024, 2405.21060, section 3).
 *
 *   z, x, B, C, dt = in h;   x, B, C = silu(conv(x, B, C));   dt = softplus(dt + bias)
 *   S = exp(dt A) S + dt x B^T;   y = S C + D x               per head, S [head_dim, state]
 *   out(norm and gate(y, z))
 *
 * State of a layer: the convolution's, then [n_heads][head_dim][state_dim].  A piece of
 * work is one head of one sequence, token after token. */
#include "backend/native/native.h"

#include <math.h>

typedef struct {
    float *in, *conv, *y;
} buffers;

static int32_t inner(const mn_mamba2 *m) { return m->n_heads * m->head_dim; }
static int32_t channels(const mn_mamba2 *m) { return inner(m) + 2 * m->n_groups * m->state_dim; }

static size_t conv_state(const mn_mamba2 *m)
{
    return (size_t)(m->conv_width - 1) * (size_t)channels(m);
}

static void lay_out(mn_scratch *s, const mn_mamba2 *m, int32_t n, buffers *b)
{
    b->in = mn_scratch_floats(s, n, m->in.w.rows);
    b->conv = mn_scratch_floats(s, n, channels(m));
    b->y = mn_scratch_floats(s, n, inner(m));
}

void mn_mamba2_needs(mn_needs *needs, const mn_mamba2 *m, int32_t n)
{
    buffers b;
    lay_out(&needs->scratch, m, n, &b);
    mn_needs_pack(needs, n, m->in.w.cols);
    mn_needs_pack(needs, n, m->out.w.cols);
}

size_t mn_mamba2_state(const mn_mamba2 *m)
{
    return conv_state(m) + (size_t)inner(m) * (size_t)m->state_dim;
}

static float step_size(const mn_mamba2 *m, float raw, int32_t head)
{
    float dt = mn_softplus(raw + (m->dt_bias ? m->dt_bias[head] : 0.0f));
    if (m->dt_max > 0) dt = fminf(fmaxf(dt, m->dt_min), m->dt_max);
    return dt;
}

static void run_head(const mn_run *r, const mn_mamba2 *m, const buffers *buf,
                     const mn_state_slot *slot, int32_t s, int32_t head)
{
    const mn_span *span = &r->batch->spans[s];
    size_t at = conv_state(m) + (size_t)head * (size_t)(m->head_dim * m->state_dim);
    const float *from = mn_run_state(r, s, slot) + at;
    float *state = mn_run_next_state(r, s, slot) + at;
    int32_t group = head / (m->n_heads / m->n_groups);
    for (int32_t t = span->first; t < span->first + span->n; t++) {
        const float *conv = buf->conv + (int64_t)t * channels(m);
        const float *b = conv + inner(m) + group * m->state_dim;
        const float *dts = buf->in + (int64_t)t * m->in.w.rows + inner(m) + channels(m);
        float dt = step_size(m, dts[head], head);
        r->e->ops.mamba_step(&(mn_mamba_step){
            .from = from, .to = state, .head_dim = m->head_dim, .state_dim = m->state_dim,
            .x = conv + head * m->head_dim, .b = b, .c = b + m->n_groups * m->state_dim,
            .dt = dt, .decay = expf(dt * m->decay[head]), .skip = m->d ? m->d[head] : 0.0f,
            .y = buf->y + (int64_t)t * inner(m) + head * m->head_dim });
        from = state;
    }
}

static void gate_and_norm(const mn_run *r, const mn_mamba2 *m, const buffers *b, int32_t t)
{
    float *y = b->y + (int64_t)t * inner(m);
    const float *z = b->in + (int64_t)t * m->in.w.rows;
    if (m->norm_before_gate) mn_norm_one(&r->e->ops, &m->norm, y, y, inner(m));
    r->e->ops.gated_act(y, z, y, inner(m), MN_ACT_SILU);
    if (!m->norm_before_gate) mn_norm_one(&r->e->ops, &m->norm, y, y, inner(m));
}

void mn_mamba2_forward(mn_run *r, const mn_mamba2 *m, const mn_state_slot *state,
                       const float *h, float *out)
{
    buffers b;
    int32_t n = r->n_tokens, t, end;
    lay_out(&r->scratch, m, n, &b);
    mn_run_linear(r, &m->in, &r->e->packs.input, h, n, b.in);
    mn_conv conv = { .bias = m->conv_bias, .width = m->conv_width,
                     .channels = channels(m), .silu = true, .x = b.in + inner(m),
                     .x_stride = m->in.w.rows, .y = b.conv };
    mn_conv_run(r, &conv, state);
    int64_t all = (int64_t)r->batch->n_spans * m->n_heads;
    for (int64_t i; (i = mn_pool_next(r->team.pool, 1)) < all;)
        run_head(r, m, &b, state, (int32_t)(i / m->n_heads), (int32_t)(i % m->n_heads));
    mn_run_barrier(r);
    mn_run_rows(r, n, &t, &end);
    for (; t < end; t++) gate_and_norm(r, m, &b, t);
    mn_run_linear(r, &m->out, &r->e->packs.inner, b.y, n, out);
}
