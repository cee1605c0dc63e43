/* The scalar reference of mn_cpu_ops, and the choice among instruction sets.
 *
 * Sums run in 16 lanes that are added pairwise, so that the reference is as exact as the
 * vector versions. */
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

static float sum_of_squares(const float *x, float mean, int32_t n)
{
    float lane[LANES] = { 0 };
    for (int32_t i = 0; i < n; i++) lane[i % LANES] += (x[i] - mean) * (x[i] - mean);
    return sum_lanes(lane);
}

static void rms_norm(float *y, const float *x, const float *weight, int32_t n, float eps)
{
    float scale = 1.0f / sqrtf(sum_of_squares(x, 0, n) / (float)n + eps);
    for (int32_t i = 0; i < n; i++) y[i] = x[i] * scale * (weight ? weight[i] : 1.0f);
}

static void layer_norm(float *y, const float *x, const float *weight, const float *bias,
                       int32_t n, float eps)
{
    float lane[LANES] = { 0 };
    for (int32_t i = 0; i < n; i++) lane[i % LANES] += x[i];
    float mean = sum_lanes(lane) / (float)n;
    float scale = 1.0f / sqrtf(sum_of_squares(x, mean, n) / (float)n + eps);
    for (int32_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * scale * (weight ? weight[i] : 1.0f) + (bias ? bias[i] : 0.0f);
}

static void add_scaled(float *y, const float *x, float scale, int32_t n)
{
    for (int32_t i = 0; i < n; i++) y[i] += scale * x[i];
}

static void scaled(float *y, const float *x, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = scale * x[i];
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

static void softcap(float *x, int32_t n, float scale, float cap)
{
    for (int32_t i = 0; i < n; i++) x[i] = cap * tanhf(x[i] * scale / cap);
}

static void gate(float *y, const float *x, int32_t n)
{
    for (int32_t i = 0; i < n; i++) y[i] *= mn_sigmoid(x[i]);
}

static void rotate(float *x, const float *angles, int32_t half, bool interleaved)
{
    const float *c = angles, *s = angles + half;
    int32_t step = interleaved ? 2 : 1, other = interleaved ? 1 : half;
    for (int32_t i = 0; i < half; i++, x += step) {
        float a = x[0], b = x[other];
        x[0] = a * c[i] - b * s[i];
        x[other] = a * s[i] + b * c[i];
    }
}

/* ---- attention ----------------------------------------------------------------------- */

static void product(float *c, int32_t ldc, const float *keep, const float *a, int32_t lda,
                    const float *b, int32_t ldb, int32_t n_rows, int32_t k, int32_t n_cols)
{
    for (int32_t r = 0; r < n_rows; r++, c += ldc, a += lda) {
        for (int32_t j = 0; j < n_cols; j++) c[j] = keep ? c[j] * keep[r] : 0.0f;
        for (int32_t i = 0; i < k; i++)
            for (int32_t j = 0; j < n_cols; j++) c[j] += a[i] * b[(int64_t)i * ldb + j];
    }
}

static void soften(float *s, int32_t n_rows, const int32_t *from, const int32_t *to, float *top,
                   float *sum, float *keep)
{
    for (int32_t r = 0; r < n_rows; r++, s += MN_TILE) {
        float old = top[r], lane[LANES] = { 0 };
        keep[r] = 1.0f;
        for (int32_t i = from[r]; i < to[r]; i++) top[r] = fmaxf(top[r], s[i]);
        for (int32_t i = 0; i < MN_TILE; i++) {
            s[i] = i >= from[r] && i < to[r] ? expf(s[i] - top[r]) : 0.0f;
            lane[i % LANES] += s[i];
        }
        if (old != top[r]) keep[r] = expf(old - top[r]);
        sum[r] = sum[r] * keep[r] + sum_lanes(lane);
    }
}

static void softmax(float *x, int32_t n)
{
    float top = x[0], lane[LANES] = { 0 };
    for (int32_t i = 1; i < n; i++) top = fmaxf(top, x[i]);
    for (int32_t i = 0; i < n; i++) lane[i % LANES] += x[i] = expf(x[i] - top);
    scaled(x, x, 1.0f / sum_lanes(lane), n);
}

static void from_f16(float *out, const uint16_t *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = mn_f16_to_f32(in[i]);
}

static void to_f16(uint16_t *out, const float *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = mn_f32_to_f16(in[i]);
}

static void from_q8_columns(float *out, const int8_t *codes, const uint16_t *scales,
                            int32_t rows)
{
    float d[MN_TILE];
    for (int32_t i = 0; i < rows; i++, out += MN_TILE, codes += MN_TILE) {
        if (i % MN_Q8_BLOCK == 0) from_f16(d, scales + i / MN_Q8_BLOCK * MN_TILE, MN_TILE);
        for (int p = 0; p < MN_TILE; p++) out[p] = (float)codes[p] * d[p];
    }
}

static void from_q8_row(float *out, const int8_t *codes, const uint16_t *scales, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = (float)codes[i] * mn_f16_to_f32(scales[i / MN_Q8_BLOCK]);
}

/* ---- recurrences --------------------------------------------------------------------- */

static void delta_step(const mn_delta_step *s)
{
    float seen[MN_DELTA_BLOCK] = { 0 }, sum[MN_DELTA_BLOCK] = { 0 };
    for (int32_t i = 0; i < s->key_dim; i++)
        for (int32_t c = 0; c < s->n; c++) seen[c] += s->k[i] * s->from[i * s->stride + c];
    for (int32_t c = 0; c < s->n; c++) seen[c] = s->beta * (s->v[c] - s->decay * seen[c]);
    for (int32_t i = 0; i < s->key_dim; i++) {
        for (int32_t c = 0; c < s->n; c++) {
            float now = s->decay * s->from[i * s->stride + c] + s->k[i] * seen[c];
            s->to[i * s->stride + c] = now;
            sum[c] += s->q[i] * now;
        }
    }
    for (int32_t c = 0; c < s->n; c++) s->o[c] = sum[c];
}

static void mamba_step(const mn_mamba_step *s)
{
    const float *from = s->from;
    float *to = s->to;
    int32_t n = s->state_dim;
    for (int32_t i = 0; i < s->head_dim; i++, from += n, to += n) {
        float in = s->dt * s->x[i], lane[LANES] = { 0 };
        for (int32_t k = 0; k < n; k++) {
            to[k] = from[k] * s->decay + in * s->b[k];
            lane[k % LANES] += to[k] * s->c[k];
        }
        s->y[i] = sum_lanes(lane) + s->skip * s->x[i];
    }
}

static void convolve(float *y, const float *const *x, const float *taps, int32_t stride,
                     const float *bias, int32_t width, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        float sum = bias ? bias[i] : 0.0f;
        for (int32_t w = 0; w < width; w++) sum += x[w][i] * taps[(int64_t)w * stride + i];
        y[i] = sum;
    }
}

void mn_cpu_ops_init(mn_cpu_ops *out, const mn_cpu *cpu)
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
#if defined(__x86_64__)
    if (mn_cpu_uses(cpu, MN_ISA_AVX2)) mn_cpu_ops_init_avx2(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVX512)) mn_cpu_ops_init_avx512(out);
    if (cpu->bf16 && !cpu->precise) mn_cpu_ops_init_bf16_avx512(out);
    if (mn_cpu_uses(cpu, MN_ISA_AMX) && !cpu->precise) mn_cpu_ops_init_amx(out);
#elif defined(__aarch64__)
    if (mn_cpu_uses(cpu, MN_ISA_NEON)) mn_cpu_ops_init_neon(out);
#endif
}
