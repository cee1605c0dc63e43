/* Quantisers without a search, and the dispatch; see quantize.h.
 *
 * The plain block types follow ggml's reference formulas to the bit, including the order
 * of operations: the scale is rounded to f16 only when it is stored, codes are computed
 * with the unrounded one.  MLX affine, after mlx's quantize:
 *
 *     n = 2^bits - 1; the edge is whichever of min, max is farther from 0
 *     s = +-(max - min) / n, pointing away from the edge;  q0 = rint(edge / s)
 *     if q0 != 0: s = edge / q0, bias = edge, so that 0 is hit exactly; else bias = 0
 *     q = clamp(rint((w - bias) / s), 0, n)
 */
#include "tensor/encode.h"
#include "tensor/quant.h"

#include <math.h>

/* ---- number formats --------------------------------------------------------------- */

uint8_t mn_f32_to_e4m3(float f)
{
    uint8_t sign = signbit(f) ? 0x80 : 0;
    float a = fabsf(f);
    if (!(a < 464)) return sign | 0x7e;         /* 464: midway from 448 to 480 */
    int exponent = a < 0x1p-6f ? -6 : ilogbf(a);
    int steps = mn_round_clamped(ldexpf(a, 3 - exponent), 0, 16); /* of 2^(exponent-3) */
    return (uint8_t)(sign | (steps + (exponent + 6) * 8));
}

uint8_t mn_f32_to_e2m1(float f)
{
    uint8_t sign = signbit(f) ? 8 : 0;
    float a = fabsf(f);
    if (!(a <= 5)) return sign | 7;
    if (a >= 3.5f) return sign | 6;
    if (a > 2.5f) return sign | 5;
    if (a >= 1.75f) return sign | 4;
    if (a > 1.25f) return sign | 3;
    if (a >= 0.75f) return sign | 2;
    return a > 0.25f ? sign | 1 : sign;
}

uint8_t mn_f32_to_e8m0(float f)
{
    if (!(f > 0)) return 0;
    if (isinf(f)) return 254;
    return (uint8_t)(mn_round_clamped(roundf(log2f(f)), -127, 127) + 127);
}

/* ---- plain blocks of 32 ----------------------------------------------------------- */

static void put_f16(uint8_t p[2], float f) { mn_store_u16(p, mn_f32_to_f16(f)); }
static float inverse(float d) { return d != 0 ? 1.0f / d : 0; }

/* The element with the largest magnitude, with its sign. */
static float extreme(const float *x, int n)
{
    float best = 0, magnitude = 0;
    for (int i = 0; i < n; i++) {
        if (!(fabsf(x[i]) > magnitude)) continue;
        magnitude = fabsf(x[i]);
        best = x[i];
    }
    return best;
}

static void range_of(const float *x, int n, float *low, float *high)
{
    *low = *high = x[0];
    for (int i = 1; i < n; i++) {
        if (x[i] < *low) *low = x[i];
        if (x[i] > *high) *high = x[i];
    }
}

/* floor(v) in [0, high]; v is a code plus one half. */
static int code_of(float v, int high)
{
    if (!(v >= 1)) return 0;
    return v >= (float)high ? high : (int)v;
}

static void encode_q4_0(const float *x, uint8_t *block)
{
    mn_block_q4_0 *b = (mn_block_q4_0 *)block;
    float d = extreme(x, 32) / -8, id = inverse(d);
    put_f16(b->d, d);
    for (int j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)(code_of(x[j] * id + 8.5f, 15)
                             | code_of(x[j + 16] * id + 8.5f, 15) << 4);
}

static void encode_q4_1(const float *x, uint8_t *block)
{
    mn_block_q4_1 *b = (mn_block_q4_1 *)block;
    float low, high;
    range_of(x, 32, &low, &high);
    float d = (high - low) / 15, id = inverse(d);
    put_f16(b->d, d);
    put_f16(b->m, low);
    for (int j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)(code_of((x[j] - low) * id + 0.5f, 15)
                             | code_of((x[j + 16] - low) * id + 0.5f, 15) << 4);
}

/* 32 codes of 5 bits to nibbles and the plane of fifth bits. */
static void pack_5_bits(const int *q, uint8_t qs[16], uint8_t qh[4])
{
    uint32_t high = 0;
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)((q[j] & 15) | (q[j + 16] & 15) << 4);
    for (int j = 0; j < 32; j++) high |= (uint32_t)(q[j] >> 4) << j;
    mn_store_u32(qh, high);
}

static void encode_q5_0(const float *x, uint8_t *block)
{
    mn_block_q5_0 *b = (mn_block_q5_0 *)block;
    float d = extreme(x, 32) / -16, id = inverse(d);
    int q[32];
    put_f16(b->d, d);
    for (int j = 0; j < 32; j++) q[j] = code_of(x[j] * id + 16.5f, 31);
    pack_5_bits(q, b->qs, b->qh);
}

static void encode_q5_1(const float *x, uint8_t *block)
{
    mn_block_q5_1 *b = (mn_block_q5_1 *)block;
    float low, high;
    int q[32];
    range_of(x, 32, &low, &high);
    float d = (high - low) / 31, id = inverse(d);
    put_f16(b->d, d);
    put_f16(b->m, low);
    for (int j = 0; j < 32; j++) q[j] = code_of((x[j] - low) * id + 0.5f, 31);
    pack_5_bits(q, b->qs, b->qh);
}

static void encode_q8_0(const float *x, uint8_t *block)
{
    mn_block_q8_0 *b = (mn_block_q8_0 *)block;
    float d = fabsf(extreme(x, 32)) / 127, id = inverse(d);
    put_f16(b->d, d);
    for (int j = 0; j < 32; j++)
        b->qs[j] = (int8_t)mn_round_clamped(roundf(x[j] * id), -127, 127);
}

/* The code whose E2M1 value times d is nearest to x; the smaller of two equally near. */
static int nearest_e2m1(float x, float d)
{
    int best = 0;
    float error = fabsf(x);
    for (int code = 1; code < 16; code++) {
        float e = fabsf(mn_e2m1_to_f32((uint8_t)code) * d - x);
        if (!(e < error)) continue;
        error = e;
        best = code;
    }
    return best;
}

static void encode_mxfp4(const float *x, uint8_t *block)
{
    mn_block_mxfp4 *b = (mn_block_mxfp4 *)block;
    float magnitude = fabsf(extreme(x, 32));
    int e = magnitude > 0 && isfinite(magnitude) ? ilogbf(magnitude) - 2 + 127 : 0;
    b->e = (uint8_t)(e < 0 ? 0 : e);
    float d = mn_e8m0_to_f32(b->e);
    for (int j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)(nearest_e2m1(x[j], d) | nearest_e2m1(x[j + 16], d) << 4);
}

/* ---- MLX -------------------------------------------------------------------------- */

static void put_plane(uint8_t *plane, mn_wtype type, int64_t i, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    if (type == MN_F32)
        mn_store_u32(plane + 4 * i, bits);
    else
        mn_store_u16(plane + 2 * i,
                     type == MN_F16 ? mn_f32_to_f16(v) : mn_f32_to_bf16(v));
}

/* Eight codes at a time into a stream of b-bit codes, lowest bit first. */
static void pack_stream(const int *q, int n, int bits, uint8_t *codes)
{
    for (int i = 0; i < n; i += 8, codes += bits) {
        uint64_t eight = 0;
        for (int k = 0; k < 8; k++) eight |= (uint64_t)q[i + k] << k * bits;
        for (int b = 0; b < bits; b++) codes[b] = (uint8_t)(eight >> 8 * b);
    }
}

static void encode_affine(const mn_weight *f, const float *x, int64_t g, uint8_t *codes,
                          uint8_t *scales, uint8_t *biases)
{
    int n_max = (1 << f->bits) - 1, q[128];
    float low, high, bias = 0;
    range_of(x, f->group, &low, &high);
    bool low_edge = fabsf(low) > fabsf(high);
    float scale = fmaxf((high - low) / (float)n_max, 1e-7f), edge = low_edge ? low : high;
    if (!low_edge) scale = -scale;
    float q0 = rintf(edge / scale);
    if (q0 != 0) {
        scale = edge / q0;
        bias = edge;
    }
    for (int i = 0; i < f->group; i++)
        q[i] = mn_round_clamped((x[i] - bias) / scale, 0, n_max);
    pack_stream(q, f->group, f->bits, codes);
    put_plane(scales, f->scale_type, g, scale);
    put_plane(biases, f->scale_type, g, bias);
}

/* One group of the fp modes: a shared scale, then elements of 4 or 8 bits. */
static void encode_fp(mn_wtype type, const float *x, int group, uint8_t *codes,
                      uint8_t *scale_byte)
{
    float magnitude = fabsf(extreme(x, group)), largest = type == MN_MLX_MXFP8 ? 448 : 6;
    bool e4m3_scale = type == MN_MLX_NVFP4;
    *scale_byte = e4m3_scale ? mn_f32_to_e4m3(magnitude / largest)
                             : mn_f32_to_e8m0(magnitude / largest);
    float scale = e4m3_scale ? mn_e4m3_to_f32(*scale_byte) : mn_e8m0_to_f32(*scale_byte);
    for (int i = 0; i < group; i++) {
        float v = scale != 0 ? x[i] / scale : 0;
        if (type == MN_MLX_MXFP8)
            codes[i] = mn_f32_to_e4m3(v);
        else if (i % 2 == 0)
            codes[i / 2] = mn_f32_to_e2m1(v);
        else
            codes[i / 2] |= (uint8_t)(mn_f32_to_e2m1(v) << 4);
    }
}

static void encode_mlx_row(const mn_weight *f, const float *x, uint8_t *codes,
                           uint8_t *scales, uint8_t *biases)
{
    int bits = f->type == MN_MLX_AFFINE ? f->bits : f->type == MN_MLX_MXFP8 ? 8 : 4;
    for (int64_t g = 0; g < f->cols / f->group; g++) {
        const float *group = x + g * f->group;
        uint8_t *at = codes + g * f->group / 8 * bits;
        if (f->type == MN_MLX_AFFINE)
            encode_affine(f, group, g, at, scales, biases);
        else
            encode_fp(f->type, group, f->group, at, scales + g);
    }
}

/* ---- dispatch --------------------------------------------------------------------- */

static mn_encode_block *const encoders[MN_N_WTYPES] = {
    [MN_Q4_0] = encode_q4_0,       [MN_Q4_1] = encode_q4_1,
    [MN_Q5_0] = encode_q5_0,       [MN_Q5_1] = encode_q5_1,
    [MN_Q8_0] = encode_q8_0,       [MN_MXFP4] = encode_mxfp4,
    [MN_Q4_K] = mn_encode_q4_k,    [MN_Q5_K] = mn_encode_q5_k,
    [MN_Q6_K] = mn_encode_q6_k,    [MN_IQ4_NL] = mn_encode_iq4_nl,
};

bool mn_can_quantize(mn_wtype type)
{
    return type <= MN_BF16 || encoders[type]
           || (type >= MN_MLX_AFFINE && type <= MN_MLX_NVFP4);
}

void mn_quantize_row(const mn_weight *f, const float *x, uint8_t *codes, uint8_t *scales,
                     uint8_t *biases)
{
    if (f->type <= MN_BF16) {
        for (int64_t i = 0; i < f->cols; i++) put_plane(codes, f->type, i, x[i]);
    } else if (encoders[f->type]) {
        const mn_wtype_info *info = mn_wtype_get(f->type);
        for (int64_t i = 0; i < f->cols; i += info->block, codes += info->block_bytes)
            encoders[f->type](x + i, codes);
    } else {
        encode_mlx_row(f, x, codes, scales, biases);
    }
}
