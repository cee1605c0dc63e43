/* Short causal convolution over time, shared by the recurrent mixers.
 *
 * State: the width-1 last inputs, [width-1][channels], oldest first.  A piece of work is a
 * block of channels of one sequence. */
#include "backend/native/native.h"

enum { BLOCK = 64 };

/* Input at time t of the run, or from the state before it. */
static inline float input_at(const mn_conv *c, const float *state, int32_t first, int32_t t,
                             int32_t channel)
{
    if (t >= 0) return c->x[(int64_t)(first + t) * c->x_stride + channel];
    return state[(int64_t)(c->width - 1 + t) * c->channels + channel];
}

static void convolve(const mn_conv *c, const float *state, const mn_span *span, int32_t from,
                     int32_t end)
{
    for (int32_t t = 0; t < span->n; t++) {
        float *y = c->y + (int64_t)(span->first + t) * c->channels;
        for (int32_t k = from; k < end; k++) {
            const float *taps = c->taps + (int64_t)k * c->width;
            float sum = c->bias ? c->bias[k] : 0.0f;
            for (int32_t w = 0; w < c->width; w++)
                sum += taps[w] * input_at(c, state, span->first, t - (c->width - 1) + w, k);
            y[k] = c->silu ? mn_silu(sum) : sum;
        }
    }
}

static void move_state(const mn_conv *c, const float *state, float *next, const mn_span *span,
                       int32_t from, int32_t end)
{
    for (int32_t w = 0; w < c->width - 1; w++)
        for (int32_t k = from; k < end; k++)
            next[(int64_t)w * c->channels + k] =
                input_at(c, state, span->first, span->n - (c->width - 1) + w, k);
}

void mn_conv_run(mn_run *r, const mn_conv *c, const mn_state_slot *slot)
{
    int32_t blocks = (c->channels + BLOCK - 1) / BLOCK;
    int64_t all = (int64_t)r->batch->n_spans * blocks;
    for (int64_t i; (i = mn_pool_next(r->team.pool, 1)) < all;) {
        int32_t s = (int32_t)(i / blocks), from = (int32_t)(i % blocks) * BLOCK;
        int32_t end = from + BLOCK < c->channels ? from + BLOCK : c->channels;
        const mn_span *span = &r->batch->spans[s];
        const float *state = mn_run_state(r, s, slot);
        convolve(c, state, span, from, end);
        move_state(c, state, mn_run_next_state(r, s, slot), span, from, end);
    }
    mn_run_barrier(r);
}
