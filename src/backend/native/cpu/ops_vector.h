/* mn_cpu_ops for any vector width: the body of ops_avx2.c, ops_avx512.c and their like.
 *
 * The file that includes this defines the primitives first (all static inline or macros):
 *   vf, VW          a vector of VW floats
 *   v_load, v_store, v_load_n, v_store_n    whole, and the first n < VW (rest 0 / untouched)
 *   v_set, v_add, v_sub, v_mul, v_div, v_max, v_min
 *   v_fma(a, b, c) = a * b + c,  v_fnma(a, b, c) = c - a * b
 *   v_sum, v_top    horizontal sum and maximum
 *   v_round, v_scale2(x, n) = x * 2^n for integral n >= -126 and results up to the largest
 *   v_where_less(a, b, x, y) = a < b ? x : y;  v_abs, v_or_sign(x, s): x >= 0 with s's sign
 *   v_pick(x, i, from, to, y): lane l of x where from <= i + l < to, else y
 *   v_from_f16, v_to_f16, v_from_i8        VW values, unaligned
 *   v_rotate_pairs(x, c, s)     x = pairs, c and s: VW/2 values each; see `rotate`
 *   ROWS            rows of the register tile of `product`, two vectors wide
 *
 * exp and tanh after Cephes (Moshier): 2 units in the last place.
 */
#ifndef MN_BACKEND_NATIVE_CPU_OPS_VECTOR_H
#define MN_BACKEND_NATIVE_CPU_OPS_VECTOR_H

#include "backend/native/cpu/ops.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- functions ------------------------------------------------------------------------ */

ALWAYS_INLINE vf v_exp(vf x)
{
    x = v_min(v_max(x, v_set(-87.33654f)), v_set(88.72283f));
    vf n = v_round(v_mul(x, v_set(1.44269504f)));
    vf r = v_fnma(n, v_set(0.693359375f), x);
    r = v_fnma(n, v_set(-2.12194440e-4f), r);
    vf p = v_set(1.9875691500e-4f);
    p = v_fma(p, r, v_set(1.3981999507e-3f));
    p = v_fma(p, r, v_set(8.3334519073e-3f));
    p = v_fma(p, r, v_set(4.1665795894e-2f));
    p = v_fma(p, r, v_set(1.6666665459e-1f));
    p = v_fma(p, r, v_set(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), v_add(r, v_set(1.0f)));
    return v_scale2(p, n);
}

ALWAYS_INLINE vf v_sigmoid(vf x)
{
    return v_div(v_set(1.0f), v_add(v_set(1.0f), v_exp(v_sub(v_set(0.0f), x))));
}

ALWAYS_INLINE vf v_tanh(vf x)
{
    vf a = v_abs(x), z = v_mul(x, x);
    vf p = v_set(-5.70498872745e-3f);
    p = v_fma(p, z, v_set(2.06390887954e-2f));
    p = v_fma(p, z, v_set(-5.37397155531e-2f));
    p = v_fma(p, z, v_set(1.33314422036e-1f));
    p = v_fma(p, z, v_set(-3.33332819422e-1f));
    vf small = v_fma(v_mul(p, z), x, x);
    vf e = v_exp(v_add(a, a));
    vf large = v_sub(v_set(1.0f), v_div(v_set(2.0f), v_add(e, v_set(1.0f))));
    return v_where_less(a, v_set(0.625f), small, v_or_sign(large, x));
}

ALWAYS_INLINE vf v_activate(vf x, mn_act act)
{
    const vf zero = v_set(0.0f);
    if (act == MN_ACT_SILU) return v_mul(x, v_sigmoid(x));
    if (act == MN_ACT_RELU) return v_max(x, zero);
    if (act == MN_ACT_RELU2) return v_mul(v_max(x, zero), v_max(x, zero));
    if (act == MN_ACT_SWIGLU_OAI) {
        vf g = v_min(x, v_set(7.0f));
        return v_mul(g, v_sigmoid(v_mul(g, v_set(1.702f))));
    }
    /* 0.5 x (1 + tanh u) = x sigmoid(2 u) */
    vf cube = v_mul(v_mul(x, x), x);
    vf u = v_mul(v_set(2 * 0.7978845608028654f), v_fma(cube, v_set(0.044715f), x));
    return v_mul(x, v_sigmoid(u));
}

/* ---- rows ------------------------------------------------------------------------------ */

static float sum_of_squares(const float *x, float mean, int32_t n)
{
    vf a = v_set(0), b = a, m = v_set(mean);
    int32_t i = 0;
    for (; i + 2 * VW <= n; i += 2 * VW) {
        vf p = v_sub(v_load(x + i), m), q = v_sub(v_load(x + i + VW), m);
        a = v_fma(p, p, a);
        b = v_fma(q, q, b);
    }
    float tail = 0;
    for (; i < n; i++) tail += (x[i] - mean) * (x[i] - mean);
    return v_sum(v_add(a, b)) + tail;
}

static float sum_of(const float *x, int32_t n)
{
    vf a = v_set(0);
    int32_t i = 0;
    for (; i + VW <= n; i += VW) a = v_add(a, v_load(x + i));
    float tail = 0;
    for (; i < n; i++) tail += x[i];
    return v_sum(a) + tail;
}

static void rms_norm(float *y, const float *x, const float *weight, int32_t n, float eps)
{
    float scale = 1.0f / sqrtf(sum_of_squares(x, 0, n) / (float)n + eps);
    vf s = v_set(scale);
    int32_t i = 0;
    if (weight)
        for (; i + VW <= n; i += VW)
            v_store(y + i, v_mul(v_mul(v_load(x + i), s), v_load(weight + i)));
    else
        for (; i + VW <= n; i += VW) v_store(y + i, v_mul(v_load(x + i), s));
    for (; i < n; i++) y[i] = x[i] * scale * (weight ? weight[i] : 1.0f);
}

static void layer_norm(float *y, const float *x, const float *weight, const float *bias,
                       int32_t n, float eps)
{
    float mean = sum_of(x, n) / (float)n;
    float scale = 1.0f / sqrtf(sum_of_squares(x, mean, n) / (float)n + eps);
    vf m = v_set(mean), s = v_set(scale), one = v_set(1), zero = v_set(0);
    int32_t i = 0;
    for (; i + VW <= n; i += VW) {
        vf d = v_mul(v_sub(v_load(x + i), m), s);
        v_store(y + i, v_fma(d, weight ? v_load(weight + i) : one, bias ? v_load(bias + i) : zero));
    }
    for (; i < n; i++)
        y[i] = (x[i] - mean) * scale * (weight ? weight[i] : 1.0f) + (bias ? bias[i] : 0.0f);
}

static void add_scaled(float *y, const float *x, float scale, int32_t n)
{
    vf s = v_set(scale);
    int32_t i = 0;
    for (; i + VW <= n; i += VW) v_store(y + i, v_fma(v_load(x + i), s, v_load(y + i)));
    for (; i < n; i++) y[i] += scale * x[i];
}

static void scaled(float *y, const float *x, float scale, int64_t n)
{
    vf s = v_set(scale);
    int64_t i = 0;
    for (; i + VW <= n; i += VW) v_store(y + i, v_mul(v_load(x + i), s));
    for (; i < n; i++) y[i] = scale * x[i];
}

ALWAYS_INLINE void gated_as(float *y, const float *g, const float *up, int32_t n, mn_act act)
{
    vf one = v_set(1), low = v_set(-7), high = v_set(7);
    for (int32_t i = 0; i < n; i += VW) {
        int32_t left = n - i;
        vf a = left >= VW ? v_load(g + i) : v_load_n(g + i, left);
        vf u = left >= VW ? v_load(up + i) : v_load_n(up + i, left);
        if (act == MN_ACT_SWIGLU_OAI) u = v_add(v_min(v_max(u, low), high), one);
        u = v_mul(v_activate(a, act), u);
        if (left >= VW) v_store(y + i, u);
        else v_store_n(y + i, u, left);
    }
}

static void gated_act(float *y, const float *g, const float *up, int32_t n, mn_act act)
{
    switch (act) {
    case MN_ACT_SILU: gated_as(y, g, up, n, MN_ACT_SILU); return;
    case MN_ACT_GELU_TANH: gated_as(y, g, up, n, MN_ACT_GELU_TANH); return;
    case MN_ACT_RELU: gated_as(y, g, up, n, MN_ACT_RELU); return;
    case MN_ACT_RELU2: gated_as(y, g, up, n, MN_ACT_RELU2); return;
    case MN_ACT_SWIGLU_OAI: gated_as(y, g, up, n, MN_ACT_SWIGLU_OAI); return;
    case MN_ACT_GELU_ERF: break;
    }
    for (int32_t i = 0; i < n; i++) y[i] = mn_activate(g[i], act) * up[i];
}

ALWAYS_INLINE void act_as(float *y, const float *x, int32_t n, mn_act act)
{
    int32_t i = 0;
    for (; i + VW <= n; i += VW) v_store(y + i, v_activate(v_load(x + i), act));
    if (i < n) v_store_n(y + i, v_activate(v_load_n(x + i, n - i), act), n - i);
}

static void act_only(float *y, const float *x, int32_t n, mn_act act)
{
    switch (act) {
    case MN_ACT_SILU: act_as(y, x, n, MN_ACT_SILU); return;
    case MN_ACT_GELU_TANH: act_as(y, x, n, MN_ACT_GELU_TANH); return;
    case MN_ACT_RELU: act_as(y, x, n, MN_ACT_RELU); return;
    case MN_ACT_RELU2: act_as(y, x, n, MN_ACT_RELU2); return;
    case MN_ACT_SWIGLU_OAI: act_as(y, x, n, MN_ACT_SWIGLU_OAI); return;
    case MN_ACT_GELU_ERF: break;
    }
    for (int32_t i = 0; i < n; i++) y[i] = mn_activate(x[i], act);
}

static void softcap(float *x, int32_t n, float scale, float cap)
{
    vf s = v_set(scale / cap), c = v_set(cap);
    int32_t i = 0;
    for (; i + VW <= n; i += VW) v_store(x + i, v_mul(c, v_tanh(v_mul(v_load(x + i), s))));
    if (i < n) v_store_n(x + i, v_mul(c, v_tanh(v_mul(v_load_n(x + i, n - i), s))), n - i);
}

static void gate(float *y, const float *x, int32_t n)
{
    int32_t i = 0;
    for (; i + VW <= n; i += VW) v_store(y + i, v_mul(v_load(y + i), v_sigmoid(v_load(x + i))));
    if (i < n)
        v_store_n(y + i, v_mul(v_load_n(y + i, n - i), v_sigmoid(v_load_n(x + i, n - i))), n - i);
}

static void rotate(float *x, const float *angles, int32_t half, bool interleaved)
{
    const float *c = angles, *s = angles + half;
    int32_t i = 0;
    if (interleaved) {
        for (; i + VW / 2 <= half; i += VW / 2)
            v_store(x + 2 * i, v_rotate_pairs(v_load(x + 2 * i), c + i, s + i));
    } else {
        for (; i + VW <= half; i += VW) {
            vf a = v_load(x + i), b = v_load(x + half + i), p = v_load(c + i), q = v_load(s + i);
            v_store(x + i, v_fnma(b, q, v_mul(a, p)));
            v_store(x + half + i, v_fma(a, q, v_mul(b, p)));
        }
    }
    int32_t step = interleaved ? 2 : 1, other = interleaved ? 1 : half;
    for (x += i * step; i < half; i++, x += step) {
        float a = x[0], b = x[other];
        x[0] = a * c[i] - b * s[i];
        x[other] = a * s[i] + b * c[i];
    }
}

/* ---- attention ------------------------------------------------------------------------- */

/* `rows` rows (a constant) by two vectors; `tail` columns of the second (or of the first,
 * when `wide` is false) if the width is no multiple of VW; 0: whole. */
ALWAYS_INLINE void product_tile(const int rows, const bool wide, float *c, int32_t ldc,
                                const float *keep, const float *a, int32_t lda, const float *b,
                                int32_t ldb, int32_t k, int32_t tail)
{
    vf s0[ROWS], s1[ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) s0[r] = s1[r] = v_set(0);
    for (int32_t i = 0; i < k; i++, b += ldb) {
        vf b0, b1 = v_set(0);
        if (wide) {
            b0 = v_load(b);
            b1 = tail ? v_load_n(b + VW, tail) : v_load(b + VW);
        } else {
            b0 = tail ? v_load_n(b, tail) : v_load(b);
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            vf x = v_set(a[(ptrdiff_t)r * lda + i]);
            s0[r] = v_fma(x, b0, s0[r]);
            if (wide) s1[r] = v_fma(x, b1, s1[r]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        float *to = c + (ptrdiff_t)r * ldc;
        bool whole0 = wide || !tail, whole1 = !tail;
        if (keep) {
            vf f = v_set(keep[r]);
            s0[r] = v_fma(f, whole0 ? v_load(to) : v_load_n(to, tail), s0[r]);
            if (wide) s1[r] = v_fma(f, whole1 ? v_load(to + VW) : v_load_n(to + VW, tail), s1[r]);
        }
        if (whole0) v_store(to, s0[r]);
        else v_store_n(to, s0[r], tail);
        if (wide && whole1) v_store(to + VW, s1[r]);
        else if (wide) v_store_n(to + VW, s1[r], tail);
    }
}

/* All rows of one strip of at most two vectors' columns. */
ALWAYS_INLINE void product_strip(const bool wide, float *c, int32_t ldc, const float *keep,
                                 const float *a, int32_t lda, const float *b, int32_t ldb,
                                 int32_t n_rows, int32_t k, int32_t tail)
{
    while (n_rows > 0) {
        int n = n_rows >= ROWS ? ROWS : n_rows >= 4 ? 4 : 1;
        if (n == ROWS) product_tile(ROWS, wide, c, ldc, keep, a, lda, b, ldb, k, tail);
        else if (n == 4) product_tile(4, wide, c, ldc, keep, a, lda, b, ldb, k, tail);
        else product_tile(1, wide, c, ldc, keep, a, lda, b, ldb, k, tail);
        n_rows -= n;
        c += (ptrdiff_t)n * ldc;
        a += (ptrdiff_t)n * lda;
        if (keep) keep += n;
    }
}

static void product(float *c, int32_t ldc, const float *keep, const float *a, int32_t lda,
                    const float *b, int32_t ldb, int32_t n_rows, int32_t k, int32_t n_cols)
{
    int32_t j = 0;
    for (; j + 2 * VW <= n_cols; j += 2 * VW)
        product_strip(true, c + j, ldc, keep, a, lda, b + j, ldb, n_rows, k, 0);
    int32_t left = n_cols - j;
    if (left > VW)
        product_strip(true, c + j, ldc, keep, a, lda, b + j, ldb, n_rows, k, left - VW);
    else if (left > 0)
        product_strip(false, c + j, ldc, keep, a, lda, b + j, ldb, n_rows, k, left % VW);
}

/* Maxima of the rows' visible parts and before. */
static void row_tops(const float *s, int32_t n_rows, const int32_t *from, const int32_t *to,
                     const float *top, float *now)
{
    const vf none = v_set(-INFINITY);
    for (int32_t r = 0; r < n_rows; r++, s += MN_TILE) {
        vf best = none;
        if (to[r] - from[r] == MN_TILE)
            for (int i = 0; i < MN_TILE; i += VW) best = v_max(best, v_load(s + i));
        else
            for (int i = 0; i < MN_TILE; i += VW)
                best = v_max(best, v_pick(v_load(s + i), i, from[r], to[r], none));
        now[r] = fmaxf(top[r], v_top(best));
    }
}

static void soften(float *s, int32_t n_rows, const int32_t *from, const int32_t *to, float *top,
                   float *sum, float *keep)
{
    const vf zero = v_set(0);
    enum { RUN = 4 * VW };
    float now[RUN], before[RUN];
    for (; n_rows > 0; n_rows -= RUN, s += RUN * MN_TILE, from += RUN, to += RUN, top += RUN,
                       sum += RUN, keep += RUN) {
        int32_t n = n_rows < RUN ? n_rows : RUN;
        memset(now, 0, sizeof now);
        memset(before, 0, sizeof before);
        row_tops(s, n, from, to, top, now);
        memcpy(before, top, (size_t)n * sizeof *top);
        for (int32_t r = 0; r < n; r += VW)
            v_store(before + r, v_exp(v_sub(v_load(before + r), v_load(now + r))));
        memcpy(keep, before, (size_t)n * sizeof *keep);
        memcpy(top, now, (size_t)n * sizeof *top);
        for (int32_t r = 0; r < n; r++) {
            float *row = s + r * MN_TILE;
            vf total = zero, m = v_set(now[r]);
            bool all = to[r] - from[r] == MN_TILE;
            for (int i = 0; i < MN_TILE; i += VW) {
                vf e = v_exp(v_sub(v_load(row + i), m));
                if (!all) e = v_pick(e, i, from[r], to[r], zero);
                total = v_add(total, e);
                v_store(row + i, e);
            }
            sum[r] = sum[r] * keep[r] + v_sum(total);
        }
    }
}

static void softmax(float *x, int32_t n)
{
    vf best = v_set(-INFINITY), total = v_set(0);
    int32_t i = 0, whole = n - n % VW;
    for (; i < whole; i += VW) best = v_max(best, v_load(x + i));
    float top = v_top(best), tail = 0;
    for (; i < n; i++) top = fmaxf(top, x[i]);
    for (i = 0; i < whole; i += VW) {
        vf e = v_exp(v_sub(v_load(x + i), v_set(top)));
        total = v_add(total, e);
        v_store(x + i, e);
    }
    for (; i < n; i++) tail += x[i] = expf(x[i] - top);
    scaled(x, x, 1.0f / (v_sum(total) + tail), n);
}

static void from_f16(float *out, const uint16_t *in, int64_t n)
{
    int64_t i = 0;
    for (; i + VW <= n; i += VW) v_store(out + i, v_from_f16(in + i));
    for (; i < n; i++) out[i] = mn_f16_to_f32(in[i]);
}

static void to_f16(uint16_t *out, const float *in, int64_t n)
{
    int64_t i = 0;
    for (; i + VW <= n; i += VW) v_to_f16(out + i, v_load(in + i));
    for (; i < n; i++) out[i] = mn_f32_to_f16(in[i]);
}

static void from_q8_columns(float *out, const int8_t *codes, const uint16_t *scales,
                            int32_t rows)
{
    for (int32_t row = 0; row < rows; row += MN_Q8_BLOCK, scales += MN_TILE) {
        int32_t n = rows - row < MN_Q8_BLOCK ? rows - row : MN_Q8_BLOCK;
        for (int p = 0; p < MN_TILE; p += VW) {
            vf d = v_from_f16(scales + p);
            for (int32_t i = row; i < row + n; i++)
                v_store(out + i * MN_TILE + p, v_mul(v_from_i8(codes + i * MN_TILE + p), d));
        }
    }
}

static void from_q8_row(float *out, const int8_t *codes, const uint16_t *scales, int32_t n)
{
    int32_t i = 0;
    for (; i + MN_Q8_BLOCK <= n; i += MN_Q8_BLOCK) {
        vf d = v_set(mn_f16_to_f32(scales[i / MN_Q8_BLOCK]));
        for (int k = 0; k < MN_Q8_BLOCK; k += VW)
            v_store(out + i + k, v_mul(v_from_i8(codes + i + k), d));
    }
    for (; i < n; i++) out[i] = (float)codes[i] * mn_f16_to_f32(scales[i / MN_Q8_BLOCK]);
}

/* ---- recurrences ------------------------------------------------------------------------ */

/* One vector of columns; `n` of it. */
ALWAYS_INLINE void delta_columns(const mn_delta_step *s, int32_t at, int32_t n)
{
    vf a = v_set(0), b = a, decay = v_set(s->decay);
    const float *from = s->from + at;
    bool whole = n >= VW;
    int32_t i = 0;
    for (; whole && i + 2 <= s->key_dim; i += 2) {
        a = v_fma(v_set(s->k[i]), v_load(from + (ptrdiff_t)i * s->stride), a);
        b = v_fma(v_set(s->k[i + 1]), v_load(from + (ptrdiff_t)(i + 1) * s->stride), b);
    }
    for (; i < s->key_dim; i++) {
        const float *row = from + (ptrdiff_t)i * s->stride;
        a = v_fma(v_set(s->k[i]), whole ? v_load(row) : v_load_n(row, n), a);
    }
    vf v = whole ? v_load(s->v + at) : v_load_n(s->v + at, n);
    vf add = v_mul(v_set(s->beta), v_fnma(decay, v_add(a, b), v));
    vf out = v_set(0);
    for (i = 0; i < s->key_dim; i++) {
        const float *row = from + (ptrdiff_t)i * s->stride;
        float *to = s->to + at + (ptrdiff_t)i * s->stride;
        vf now = v_mul(decay, whole ? v_load(row) : v_load_n(row, n));
        now = v_fma(v_set(s->k[i]), add, now);
        if (whole) v_store(to, now);
        else v_store_n(to, now, n);
        out = v_fma(v_set(s->q[i]), now, out);
    }
    if (whole) v_store(s->o + at, out);
    else v_store_n(s->o + at, out, n);
}

static void delta_step(const mn_delta_step *s)
{
    for (int32_t at = 0; at < s->n; at += VW)
        if (s->n - at >= VW) delta_columns(s, at, VW);
        else delta_columns(s, at, s->n - at);
}

static void mamba_step(const mn_mamba_step *s)
{
    vf decay = v_set(s->decay);
    int32_t n = s->state_dim;
    const float *from = s->from;
    float *to = s->to;
    for (int32_t i = 0; i < s->head_dim; i++, from += n, to += n) {
        float in = s->dt * s->x[i];
        vf x = v_set(in), sum = v_set(0);
        int32_t k = 0;
        for (; k + VW <= n; k += VW) {
            vf now = v_fma(x, v_load(s->b + k), v_mul(decay, v_load(from + k)));
            v_store(to + k, now);
            sum = v_fma(now, v_load(s->c + k), sum);
        }
        float tail = 0;
        for (; k < n; k++) {
            to[k] = from[k] * s->decay + in * s->b[k];
            tail += to[k] * s->c[k];
        }
        s->y[i] = v_sum(sum) + tail + s->skip * s->x[i];
    }
}

static void convolve(float *y, const float *const *x, const float *taps, int32_t stride,
                     const float *bias, int32_t width, int32_t n)
{
    for (int32_t i = 0; i < n; i += VW) {
        int32_t left = n - i;
        bool whole = left >= VW;
        vf sum = !bias ? v_set(0) : whole ? v_load(bias + i) : v_load_n(bias + i, left);
        for (int32_t w = 0; w < width; w++) {
            const float *t = taps + (ptrdiff_t)w * stride + i;
            if (whole) sum = v_fma(v_load(x[w] + i), v_load(t), sum);
            else sum = v_fma(v_load_n(x[w] + i, left), v_load_n(t, left), sum);
        }
        if (whole) v_store(y + i, sum);
        else v_store_n(y + i, sum, left);
    }
}

ALWAYS_INLINE void fill_ops(mn_cpu_ops *out)
{
    *out = (mn_cpu_ops){
        .rms_norm = rms_norm, .layer_norm = layer_norm, .add_scaled = add_scaled,
        .scaled = scaled,
        .gated_act = gated_act, .act = act_only, .softcap = softcap, .gate = gate,
        .rotate = rotate, .product = product, .soften = soften,
        .softmax = softmax, .from_f16 = from_f16,
        .to_f16 = to_f16, .from_q8_columns = from_q8_columns, .from_q8_row = from_q8_row,
        .delta_step = delta_step, .mamba_step = mamba_step, .convolve = convolve,
    };
}

#endif
