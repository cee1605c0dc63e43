/* Vector work between the matrix products: norms, activations, attention inner loops,
 * recurrences.  One function table, filled with the scalar reference first; each better
 * instruction set overwrites what it does better.
 *
 * (1) Everything is f32 in memory.  Every entry is within a few units in the last place of
 *     the reference per element, so `precise` runs use the same table.
 * (2) Widths are arbitrary; nothing needs alignment unless it says so.
 */
#ifndef MN_BACKEND_NATIVE_CPU_OPS_H
#define MN_BACKEND_NATIVE_CPU_OPS_H

#include "backend/native/cpu/cpu.h"
#include "model/plan.h"

enum { MN_TILE = 32 };          /* positions of an attention tile = one KV page */

typedef struct {
    /* y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; weight NULL: ones; y may be x */
    void (*rms_norm)(float *y, const float *x, const float *weight, int32_t n, float eps);
    /* y[i] += scale * x[i] */
    void (*add_scaled)(float *y, const float *x, float scale, int32_t n);
    /* y[i] = act(gate[i]) * up[i]; y may be either */
    void (*gated_act)(float *y, const float *gate, const float *up, int32_t n, mn_act act);
    /* y[i] = act(x[i]); y may be x */
    void (*act)(float *y, const float *x, int32_t n, mn_act act);
    /* x[i] = exp(x[i] - top); returns the sum */
    float (*exp_sum)(float *x, float top, int32_t n);
    /* s[r][MN_TILE] = q[r][dim] . k[dim][MN_TILE] for each of n_rows; k 64-byte aligned */
    void (*scores)(float *s, const float *q, const float *k, int32_t n_rows, int32_t dim);
    /* acc[r][dim] = acc[r] * keep[r] + p[r][MN_TILE] . v[n][dim]; v 64-byte aligned */
    void (*values)(float *acc, const float *keep, const float *p, const float *v,
                   int32_t n_rows, int32_t n, int32_t dim);
    /* out[i] = f16 in[i] */
    void (*from_f16)(float *out, const uint16_t *in, int64_t n);
} mn_cpu_ops;

void mn_cpu_ops_init(mn_cpu_ops *out, const mn_cpu *cpu);

/* Scalar functions that the table's reference and small loops share. */
float mn_sigmoid(float x);
float mn_silu(float x);
float mn_softplus(float x);
float mn_activate(float x, mn_act act);

#endif
