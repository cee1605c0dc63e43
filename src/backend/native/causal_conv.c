/* Short causal convolution over time, shared by the recurrent mixers.
 *
 * State: the width-1 last inputs, [width-1][channels], oldest first.  A piece of work is a
 * block of channels of one sequence. */
#include "backend/native/native.h"

#include <string.h>

enum { BLOCK = 256 };

/* Inputs at time t of the run, or from the state before it. */
static inline const float *input_at(const mn_conv *c, const float *state, int32_t first,
                                    int32_t t)
{
    if (t >= 0) return c->x + (int64_t)(first + t) * c->x_stride;
    return state + (int64_t)(c->width - 1 + t) * c->channels;
}

static void convolve(const mn_cpu_ops *ops, const mn_conv *c, const float *taps,
                     const float *state, const mn_span *span, int32_t from, int32_t n)
{
    const float *x[MN_MAX_TAPS];
    for (int32_t t = 0; t < span->n; t++) {
        float *y = c->y + (int64_t)(span->first + t) * c->channels + from;
        for (int32_t w = 0; w < c->width; w++)
            x[w] = input_at(c, state, span->first, t - (c->width - 1) + w) + from;
        ops->convolve(y, x, taps + from, c->channels, c->bias ? c->bias + from : NULL, c->width,
                      n);
        if (c->silu) ops->act(y, y, n, MN_ACT_SILU);
    }
}

static void move_state(const mn_conv *c, const float *state, float *next, const mn_span *span,
                       int32_t from, int32_t n)
{
    for (int32_t w = 0; w < c->width - 1; w++)
        memcpy(next + (int64_t)w * c->channels + from,
               input_at(c, state, span->first, span->n - (c->width - 1) + w) + from,
               (size_t)n * sizeof *next);
}

void mn_conv_run(mn_run *r, const mn_conv *c, const mn_state_slot *slot)
{
    int32_t blocks = (c->channels + BLOCK - 1) / BLOCK;
    int64_t all = (int64_t)r->batch->n_spans * blocks;
    for (int64_t i; (i = mn_pool_next(r->team.pool, 1)) < all;) {
        int32_t s = (int32_t)(i / blocks), from = (int32_t)(i % blocks) * BLOCK;
        int32_t n = c->channels - from < BLOCK ? c->channels - from : BLOCK;
        const mn_span *span = &r->batch->spans[s];
        const float *state = mn_run_state(r, s, slot);
        convolve(&r->e->ops, c, slot->taps, state, span, from, n);
        move_state(c, state, mn_run_next_state(r, s, slot), span, from, n);
    }
    mn_run_barrier(r);
}
