/* Random weights of every format for tests and benchmarks of kernels: bytes are random,
 * except that scales are numbers of a sensible size (either sign where the format has it). */
#ifndef TESTS_RANDOM_WEIGHT_H
#define TESTS_RANDOM_WEIGHT_H

#include "tensor/quant.h"
#include "tensor/weight.h"

#include <stdlib.h>

typedef struct { uint64_t state; } rng;

static inline uint32_t rng_next(rng *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    uint32_t x = (uint32_t)((r->state >> 18 ^ r->state) >> 27);
    uint32_t turn = (uint32_t)(r->state >> 59);
    return x >> turn | x << (32 - turn) % 32;
}

/* About normal: the sum of 8 uniforms, deviation 1. */
static inline float rng_normal(rng *r)
{
    float sum = 0;
    for (int i = 0; i < 8; i++) sum += (float)(rng_next(r) >> 8) / 16777216.0f - 0.5f;
    return sum * 1.2247449f;
}

/* A half of magnitude 0.0005 .. 0.002, of either sign if `both`. */
static inline uint16_t random_half(rng *r, bool both)
{
    float f = 0.0005f + 0.0015f * (float)(rng_next(r) >> 8) / 16777216.0f;
    return mn_f32_to_f16(both && rng_next(r) & 1 ? -f : f);
}

static inline void random_block_scales(mn_wtype type, uint8_t *b, rng *r)
{
    switch (type) {
    case MN_Q4_1: case MN_Q5_1: mn_store_u16(b + 2, random_half(r, true)); /* fall through */
    case MN_Q4_0: case MN_Q5_0: case MN_Q8_0: case MN_IQ2_XXS: case MN_IQ2_XS: case MN_IQ2_S:
    case MN_IQ3_XXS: case MN_IQ3_S: case MN_IQ1_S: case MN_IQ4_NL: case MN_IQ4_XS:
        mn_store_u16(b, random_half(r, true));
        break;
    case MN_Q2_K: mn_store_u16(b + 80, random_half(r, false));
        mn_store_u16(b + 82, random_half(r, false));
        break;
    case MN_Q3_K: mn_store_u16(b + 108, random_half(r, true)); break;
    case MN_Q4_K: case MN_Q5_K:
        mn_store_u16(b, random_half(r, false));
        mn_store_u16(b + 2, random_half(r, false));
        break;
    case MN_Q6_K: mn_store_u16(b + 208, random_half(r, true)); break;
    case MN_TQ1_0: mn_store_u16(b + 52, random_half(r, true)); break;
    case MN_TQ2_0: mn_store_u16(b + 64, random_half(r, true)); break;
    case MN_IQ1_M: {
        uint16_t d = random_half(r, true);
        for (int i = 0; i < 4; i++)
            b[49 + 2 * i] = (uint8_t)((b[49 + 2 * i] & 15) | (d >> 4 * i & 15) << 4);
        break;
    }
    case MN_MXFP4: b[0] = (uint8_t)(116 + rng_next(r) % 6); break;
    default: break;
    }
}

static inline void random_plane_value(mn_wtype type, uint8_t *p, float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if (type == MN_F32) mn_store_u32(p, bits);
    else mn_store_u16(p, type == MN_F16 ? mn_f32_to_f16(f) : mn_f32_to_bf16(f));
}

/* One weight; free() its data, scales and biases.  `pad` bytes lie between rows. */
static inline mn_weight random_weight(mn_wtype type, int bits, int group, mn_wtype scale_type,
                                      int64_t rows, int64_t cols, size_t pad, rng *r)
{
    mn_weight w = { .type = type, .bits = (uint8_t)bits, .scale_type = (uint8_t)scale_type,
                    .group = (int16_t)group, .rows = rows, .cols = cols, .n_experts = 1 };
    size_t used = mn_wtype_row_bytes(type, bits, cols);
    w.row_bytes = used + pad;
    size_t size = w.row_bytes * (size_t)(rows - 1) + used;
    uint8_t *data = malloc(size);
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)rng_next(r);
    w.data = data;
    const mn_wtype_info *info = mn_wtype_get(type);
    for (int64_t i = 0; i < rows; i++) {
        uint8_t *row = data + (size_t)i * w.row_bytes;
        if (type <= MN_BF16) {
            for (int64_t c = 0; c < cols; c++)
                random_plane_value(type, row + c * info->block_bytes, 0.02f * rng_normal(r));
        } else if (type == MN_F8_E4M3 || type == MN_MLX_MXFP8) {
            for (int64_t c = 0; c < cols; c++)
                if ((row[c] & 0x7f) == 0x7f) row[c] = 0;
        } else if (info->block_bytes && info->block > 1) {
            for (size_t b = 0; b < used; b += (size_t)info->block_bytes)
                random_block_scales(type, row + b, r);
        }
    }
    if (!group) return w;
    size_t value = type == MN_MLX_AFFINE || type == MN_F8_E4M3 ? scale_type == MN_F32 ? 4 : 2 : 1;
    size_t n = (size_t)(cols / group);
    w.scale_row_bytes = n * value + pad;
    uint8_t *scales = malloc(w.scale_row_bytes * (size_t)rows), *biases = NULL;
    if (type == MN_MLX_AFFINE) biases = malloc(w.scale_row_bytes * (size_t)rows);
    for (size_t i = 0; i < (size_t)rows; i++)
        for (size_t g = 0; g < n; g++) {
            size_t at = i * w.scale_row_bytes + g * value;
            float s = 0.004f + 0.008f * (float)(rng_next(r) >> 8) / 16777216.0f;
            if (rng_next(r) & 1) s = -s;
            if (type == MN_MLX_NVFP4) scales[at] = (uint8_t)(rng_next(r) % 0x30);
            else if (value == 1) scales[at] = (uint8_t)(116 + rng_next(r) % 6);
            else random_plane_value(scale_type, scales + at, s);
            if (biases)
                random_plane_value(scale_type, biases + at, -s * (float)(1 << bits) * 0.5f);
        }
    w.scales = scales;
    w.biases = biases;
    return w;
}

static inline void random_weight_free(mn_weight *w)
{
    free((void *)w->data);
    free((void *)w->scales);
    free((void *)w->biases);
}

#endif
