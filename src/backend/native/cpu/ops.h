/* Vector work between the matrix products: norms, activations, attention inner loops,
 * recurrences.  One function table, filled with the scalar reference first; each better
 * instruction set overwrites what it does better.
 *
 * (1) Everything is f32 in memory unless its name says otherwise.  Per element every entry
 *     is within 2e-6 of the reference, relative to the largest magnitude involved
 *     (tests/test_cpu_ops.c), so `precise` runs use the same table.
 * (2) Widths are arbitrary and nothing needs alignment.
 */
#ifndef MN_BACKEND_NATIVE_CPU_OPS_H
#define MN_BACKEND_NATIVE_CPU_OPS_H

#include "backend/native/cpu/cpu.h"
#include "model/plan.h"

enum {
    MN_TILE = 32,               /* positions of an attention tile = one KV page */
    MN_Q8_BLOCK = 32,           /* values per scale of a q8_0 cache */
    MN_DELTA_BLOCK = 32         /* columns of a delta state that are run together */
};

/* One token step of a block of columns of a delta state; see delta.c.  Rows of the states
 * are `stride` apart; `from` may be `to`. */
typedef struct {
    const float *from;
    float *to;
    int32_t stride, key_dim, n; /* n <= MN_DELTA_BLOCK columns */
    const float *q, *k, *v;     /* [key_dim] twice, [n] */
    float beta, decay;
    float *o;                   /* [n] */
} mn_delta_step;

/* One token step of one head of a Mamba-2 state; see mamba2.c. */
typedef struct {
    const float *from;          /* [head_dim][state_dim] */
    float *to;
    int32_t head_dim, state_dim;
    const float *x, *b, *c;     /* [head_dim], [state_dim] twice */
    float dt, decay, skip;
    float *y;                   /* [head_dim] */
} mn_mamba_step;

typedef struct {
    /* y = x / sqrt(mean(x^2) + eps) * weight; weight NULL: ones; y may be x */
    void (*rms_norm)(float *y, const float *x, const float *weight, int32_t n, float eps);
    /* y = (x - mean) / sqrt(variance + eps) * weight + bias; either may be NULL */
    void (*layer_norm)(float *y, const float *x, const float *weight, const float *bias,
                       int32_t n, float eps);
    /* y += scale * x */
    void (*add_scaled)(float *y, const float *x, float scale, int32_t n);
    /* y = scale * x; y may be x */
    void (*scaled)(float *y, const float *x, float scale, int64_t n);
    /* y = act(gate) * up; y may be either */
    void (*gated_act)(float *y, const float *gate, const float *up, int32_t n, mn_act act);
    /* y = act(x); y may be x */
    void (*act)(float *y, const float *x, int32_t n, mn_act act);
    /* x = cap * tanh(x * scale / cap) */
    void (*softcap)(float *x, int32_t n, float scale, float cap);
    /* y *= sigmoid(x) */
    void (*gate)(float *y, const float *x, int32_t n);
    /* Rotate the pairs (x[i], x[i + half]), or (x[2i], x[2i+1]), by [cos half | sin half]. */
    void (*rotate)(float *x, const float *angles, int32_t half, bool interleaved);

    /* c[r][j] = c[r][j] * keep[r] + sum over i < k of a[r][i] * b[i][j]; keep NULL: 0.
     * r < n_rows, j < n_cols; rows lda, ldb, ldc apart. */
    void (*product)(float *c, int32_t ldc, const float *keep, const float *a, int32_t lda,
                    const float *b, int32_t ldb, int32_t n_rows, int32_t k, int32_t n_cols);
    /* Online softmax of rows s[r][MN_TILE], of which [from[r], to[r]) count and the others
     * become 0: s = exp(s - top), top and sum move on, keep = exp(old top - top). */
    void (*soften)(float *s, int32_t n_rows, const int32_t *from, const int32_t *to, float *top,
                   float *sum, float *keep);
    /* The same product with bf16 pairs: a[r][i] and b[i][j] hold two neighbours of the inner
     * dimension, the first in the low half.  These four are NULL where the processor has no
     * bf16 or the run is precise. */
    void (*product_bf16)(float *c, int32_t ldc, const float *keep, const uint32_t *a,
                         int32_t lda, const uint32_t *b, int32_t ldb, int32_t n_rows,
                         int32_t n_pairs, int32_t n_cols);
    /* out[i][j] = (in[2i][j], in[2i+1][j]) as bf16; an odd last row is paired with 0. */
    void (*pair_rows)(uint32_t *out, const float *in, int32_t n_rows, int32_t width);
    void (*pair_rows_f16)(uint32_t *out, const uint16_t *in, int32_t n_rows, int32_t width);
    void (*to_bf16)(uint16_t *out, const float *in, int64_t n);
    /* x = exp(x - max) / sum */
    void (*softmax)(float *x, int32_t n);
    void (*from_f16)(float *out, const uint16_t *in, int64_t n);
    void (*to_f16)(uint16_t *out, const float *in, int64_t n);
    /* out[rows][MN_TILE] = codes * scales[row / MN_Q8_BLOCK][MN_TILE] (f16) */
    void (*from_q8_columns)(float *out, const int8_t *codes, const uint16_t *scales,
                            int32_t rows);
    /* out[n] = codes * scales[i / MN_Q8_BLOCK] (f16) */
    void (*from_q8_row)(float *out, const int8_t *codes, const uint16_t *scales, int32_t n);

    void (*delta_step)(const mn_delta_step *s);
    void (*mamba_step)(const mn_mamba_step *s);
    /* y[n] = bias + sum over w < width of x[w][i] * taps[w][i]; rows of taps `stride`
     * apart; bias NULL: 0 */
    void (*convolve)(float *y, const float *const *x, const float *taps, int32_t stride,
                     const float *bias, int32_t width, int32_t n);
} mn_cpu_ops;

void mn_cpu_ops_init(mn_cpu_ops *out, const mn_cpu *cpu);
void mn_cpu_ops_init_avx2(mn_cpu_ops *out);
void mn_cpu_ops_init_avx512(mn_cpu_ops *out);
void mn_cpu_ops_init_bf16_avx512(mn_cpu_ops *out);
void mn_cpu_ops_init_amx(mn_cpu_ops *out);
void mn_cpu_ops_init_neon(mn_cpu_ops *out);
/* What AMX leaves over. */
void mn_product_bf16_avx512(float *c, int32_t ldc, const float *keep, const uint32_t *a,
                            int32_t lda, const uint32_t *b, int32_t ldb, int32_t n_rows,
                            int32_t n_pairs, int32_t n_cols);

/* Scalar functions that the table's reference and small loops share. */
float mn_sigmoid(float x);
float mn_silu(float x);
float mn_softplus(float x);
float mn_activate(float x, mn_act act);

#endif
