/* The short convolution mixer of LFM2: out(c * conv(b * x)), where in gives b, c and x. */
#include "backend/native/native.h"

typedef struct {
    float *in, *y;              /* [n][3 * hidden], [n][hidden] */
} buffers;

static void lay_out(mn_scratch *s, const mn_short_conv *c, int32_t n, buffers *b)
{
    b->in = mn_scratch_floats(s, n, c->in.w.rows);
    b->y = mn_scratch_floats(s, n, c->in.w.rows / 3);
}

void mn_short_conv_needs(mn_needs *needs, const mn_short_conv *c, int32_t n)
{
    buffers b;
    lay_out(&needs->scratch, c, n, &b);
    mn_needs_pack(needs, n, c->in.w.cols);
    mn_needs_pack(needs, n, c->out.w.cols);
}

size_t mn_short_conv_state(const mn_short_conv *c)
{
    return (size_t)(c->width - 1) * (size_t)(c->in.w.rows / 3);
}

void mn_short_conv_forward(mn_run *r, const mn_short_conv *c, const mn_state_slot *state,
                           const float *h, float *out)
{
    buffers b;
    int32_t width = (int32_t)(c->in.w.rows / 3), n = r->n_tokens, first, end;
    lay_out(&r->scratch, c, n, &b);
    mn_run_linear(r, &c->in, &r->e->packs.input, h, n, b.in);
    mn_run_rows(r, n, &first, &end);
    for (int32_t t = first; t < end; t++) {
        float *gate = b.in + (int64_t)t * 3 * width, *x = gate + 2 * width;
        for (int32_t i = 0; i < width; i++) x[i] *= gate[i];
    }
    mn_run_barrier(r);
    mn_conv conv = { .bias = c->conv_bias, .width = c->width,
                     .channels = width, .x = b.in + 2 * width, .x_stride = 3 * width, .y = b.y };
    mn_conv_run(r, &conv, state);
    for (int32_t t = first; t < end; t++) {
        const float *gate = b.in + (int64_t)t * 3 * width + width;
        float *y = b.y + (int64_t)t * width;
        for (int32_t i = 0; i < width; i++) y[i] *= gate[i];
    }
    mn_run_linear(r, &c->out, &r->e->packs.inner, b.y, n, out);
}
