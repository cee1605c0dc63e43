/* The scalar reference of mn_cpu_ops, and the choice among instruction sets.
 *
 * Sums run in 16 lanes that are added pairwise, so that the reference is as exact as the
 * vector versions and lets the compiler vectorise where it can. */
#include "backend/native/cpu/ops.h"

#include <math.h>

enum { LANES = 16 };

float mn_sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
float mn_silu(float x) { return x / (1.0f + expf(-x)); }
float mn_softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }

float mn_activate(float x, mn_act act)
{
    switch (act) {
    case MN_ACT_SILU: return mn_silu(x);
    case MN_ACT_GELU_TANH:
        return 0.5f * x * (1.0f + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
    case MN_ACT_GELU_ERF: return 0.5f * x * (1.0f + erff(x * 0.7071067811865476f));
    case MN_ACT_RELU: return x > 0 ? x : 0;
    case MN_ACT_RELU2: return x > 0 ? x * x : 0;
    case MN_ACT_SWIGLU_OAI: break;
    }
    float g = fminf(x, 7.0f);
    return g * mn_sigmoid(1.702f * g);
}

static float sum_lanes(float *lane)
{
    for (int step = LANES / 2; step; step /= 2)
        for (int l = 0; l < step; l++) lane[l] += lane[l + step];
    return lane[0];
}

static void rms_norm(float *y, const float *x, const float *weight, int32_t n, float eps)
{
    float lane[LANES] = { 0 };
    int32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) lane[l] += x[i + l] * x[i + l];
    for (int l = 0; i + l < n; l++) lane[l] += x[i + l] * x[i + l];
    float scale = 1.0f / sqrtf(sum_lanes(lane) / (float)n + eps);
    if (weight)
        for (int32_t k = 0; k < n; k++) y[k] = x[k] * scale * weight[k];
    else
        for (int32_t k = 0; k < n; k++) y[k] = x[k] * scale;
}

static void add_scaled(float *y, const float *x, float scale, int32_t n)
{
    for (int32_t i = 0; i < n; i++) y[i] += scale * x[i];
}

static void gated_act(float *y, const float *gate, const float *up, int32_t n, mn_act act)
{
    if (act == MN_ACT_SWIGLU_OAI) {
        for (int32_t i = 0; i < n; i++) {
            float u = fminf(fmaxf(up[i], -7.0f), 7.0f);
            y[i] = (u + 1.0f) * mn_activate(gate[i], act);
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) y[i] = mn_activate(gate[i], act) * up[i];
}

static void act_only(float *y, const float *x, int32_t n, mn_act act)
{
    for (int32_t i = 0; i < n; i++) y[i] = mn_activate(x[i], act);
}

static float exp_sum(float *x, float top, int32_t n)
{
    float lane[LANES] = { 0 };
    for (int32_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - top);
        lane[i % LANES] += x[i];
    }
    return sum_lanes(lane);
}

static void scores(float *s, const float *q, const float *k, int32_t n_rows, int32_t dim)
{
    for (int32_t r = 0; r < n_rows; r++, s += MN_TILE, q += dim) {
        float sum[MN_TILE] = { 0 };
        for (int32_t d = 0; d < dim; d++)
            for (int p = 0; p < MN_TILE; p++) sum[p] += q[d] * k[d * MN_TILE + p];
        for (int p = 0; p < MN_TILE; p++) s[p] = sum[p];
    }
}

static void values(float *acc, const float *keep, const float *p, const float *v,
                   int32_t n_rows, int32_t n, int32_t dim)
{
    for (int32_t r = 0; r < n_rows; r++, acc += dim, p += MN_TILE) {
        for (int32_t d = 0; d < dim; d++) acc[d] *= keep[r];
        for (int32_t i = 0; i < n; i++) {
            if (p[i] == 0.0f) continue;
            for (int32_t d = 0; d < dim; d++) acc[d] += p[i] * v[(int64_t)i * dim + d];
        }
    }
}

static void from_f16(float *out, const uint16_t *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = mn_f16_to_f32(in[i]);
}

void mn_cpu_ops_init(mn_cpu_ops *out, const mn_cpu *cpu)
{
    *out = (mn_cpu_ops){
        .rms_norm = rms_norm, .add_scaled = add_scaled, .gated_act = gated_act,
        .act = act_only, .exp_sum = exp_sum, .scores = scores, .values = values,
        .from_f16 = from_f16,
    };
}
