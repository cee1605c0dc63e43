/* What x86 kernels of all widths need to know about a quantised format: sizes, zero points,
 * and scales as far as 128 bits go.  `kind` is a constant wherever these are called, so
 * every switch vanishes.  Needs AVX2 and F16C; static inline throughout.
 */
#ifndef MN_BACKEND_NATIVE_CPU_MATMUL_KINDS_H
#define MN_BACKEND_NATIVE_CPU_MATMUL_KINDS_H

#include "backend/native/cpu/matmul_kernels.h"
#include "tensor/iq_grids.h"
#include "tensor/quant.h"

#include <immintrin.h>
#include <math.h>

#define MN_INLINE static inline __attribute__((always_inline))

enum { MN_STEP = 256, MN_STEP_BYTES_MAX = 272 };

/* Formats with 8-bit kernels. */
#define MN_INT8_KINDS(X) \
    X(MN_Q4_0) X(MN_Q4_1) X(MN_Q5_0) X(MN_Q5_1) X(MN_Q8_0) X(MN_Q2_K) X(MN_Q3_K) X(MN_Q4_K) \
    X(MN_Q5_K) X(MN_Q6_K) X(MN_IQ4_NL) X(MN_IQ4_XS) X(MN_MXFP4) X(MN_MLX_MXFP4) \
    X(MN_MLX_NVFP4) X(MN_IQ2_XXS) X(MN_IQ2_XS) X(MN_IQ2_S) X(MN_IQ3_XXS) X(MN_IQ3_S) \
    X(MN_IQ1_S) X(MN_IQ1_M) X(MN_TQ1_0) X(MN_TQ2_0) X(MN_KIND_AFFINE2) X(MN_KIND_AFFINE3) X(MN_KIND_AFFINE4) \
    X(MN_KIND_AFFINE5) X(MN_KIND_AFFINE6) X(MN_KIND_AFFINE8)

/* Bytes of codes (and of what lies between them) per 256 columns. */
MN_INLINE int mn_step_bytes(int kind)
{
    switch (kind) {
    case MN_Q4_0: case MN_IQ4_NL: return 8 * 18;
    case MN_Q4_1: return 8 * 20;
    case MN_Q5_0: return 8 * 22;
    case MN_Q5_1: return 8 * 24;
    case MN_Q8_0: return 8 * 34;
    case MN_Q2_K: return 84;
    case MN_Q3_K: return 110;
    case MN_Q4_K: return 144;
    case MN_Q5_K: return 176;
    case MN_Q6_K: return 210;
    case MN_IQ4_XS: return 136;
    case MN_MXFP4: return 8 * 17;
    case MN_IQ2_XXS: case MN_TQ2_0: return 66;
    case MN_IQ2_XS: return 74;
    case MN_IQ2_S: return 82;
    case MN_IQ3_XXS: return 98;
    case MN_IQ3_S: return 110;
    case MN_IQ1_S: return 50;
    case MN_IQ1_M: return 56;
    case MN_TQ1_0: return 54;
    case MN_MLX_MXFP4: case MN_MLX_NVFP4: case MN_KIND_AFFINE4: return 128;
    case MN_KIND_AFFINE2: return 64;
    case MN_KIND_AFFINE3: return 96;
    case MN_KIND_AFFINE5: return 160;
    case MN_KIND_AFFINE6: return 192;
    case MN_KIND_AFFINE8: return 256;
    default: __builtin_unreachable();
    }
}

/* The code that stands for 0.  Affine codes are taken about their middle (see
 * mn_row_planes()): a row whose biases are -middle * scale, as those made from a symmetric
 * format are, gives the very result of that format. */
MN_INLINE int mn_zero(int kind)
{
    switch (kind) {
    case MN_KIND_AFFINE2: return 2;
    case MN_Q3_K: case MN_KIND_AFFINE3: return 4;
    case MN_Q4_0: case MN_KIND_AFFINE4: return 8;
    case MN_Q5_0: case MN_KIND_AFFINE5: return 16;
    case MN_Q6_K: case MN_KIND_AFFINE6: return 32;
    case MN_Q8_0: case MN_IQ4_NL: case MN_IQ4_XS: case MN_KIND_AFFINE8: return 128;
    case MN_MXFP4: case MN_MLX_MXFP4: case MN_MLX_NVFP4: return 12;
    case MN_IQ2_XXS: case MN_IQ2_XS: case MN_IQ2_S: case MN_IQ3_XXS: case MN_IQ3_S: return 64;
    case MN_IQ1_S: case MN_IQ1_M: return 9;
    case MN_TQ1_0: case MN_TQ2_0: return 1;
    default: return 0;
    }
}

/* The largest code. */
MN_INLINE int mn_max_code(int kind)
{
    switch (kind) {
    case MN_TQ1_0: case MN_TQ2_0: return 2;
    case MN_Q2_K: case MN_KIND_AFFINE2: return 3;
    case MN_Q3_K: case MN_KIND_AFFINE3: return 7;
    case MN_Q4_0: case MN_Q4_1: case MN_Q4_K: case MN_KIND_AFFINE4: return 15;
    case MN_IQ1_S: case MN_IQ1_M: return 18;
    case MN_MXFP4: case MN_MLX_MXFP4: case MN_MLX_NVFP4: return 24;
    case MN_Q5_0: case MN_Q5_1: case MN_Q5_K: case MN_KIND_AFFINE5: return 31;
    case MN_Q6_K: case MN_KIND_AFFINE6: return 63;
    case MN_IQ2_XXS: case MN_IQ2_XS: case MN_IQ2_S: case MN_IQ3_XXS: case MN_IQ3_S: return 126;
    default: return 255;
    }
}

/* Columns per scale (scale planes are spread to this). */
MN_INLINE int mn_group(int kind)
{
    switch (kind) {
    case MN_Q2_K: case MN_Q3_K: case MN_Q6_K: case MN_MLX_NVFP4: return 16;
    case MN_IQ2_XS: case MN_IQ2_S: case MN_IQ1_M: return 16;
    default: return 32;
    }
}

MN_INLINE bool mn_has_min(int kind)
{
    switch (kind) {
    case MN_Q4_1: case MN_Q5_1: case MN_Q2_K: case MN_Q4_K: case MN_Q5_K: return true;
    default: return kind >= MN_KIND_AFFINE2;
    }
}

MN_INLINE bool mn_has_planes(int kind)
{
    return kind >= MN_KIND_AFFINE2 || kind == MN_MLX_MXFP4 || kind == MN_MLX_NVFP4;
}

/* ---- tables and scales --------------------------------------------------------------- */

MN_INLINE __m128i mn_iq4_table(void)
{
    __m128i levels = _mm_loadu_si128((const __m128i *)mn_iq4_levels);
    return _mm_xor_si128(levels, _mm_set1_epi8((char)0x80));
}

/* E2M1 magnitudes doubled, plus 12. */
MN_INLINE __m128i mn_e2m1_table(void)
{
    return _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
}

MN_INLINE float mn_half(const void *p)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(mn_load_u16(p))));
}

/* Eight halves, `stride` bytes apart. */
MN_INLINE __m256 mn_halves(const uint8_t *p, int stride)
{
    __m128i h = _mm_cvtsi32_si128(mn_load_u16(p));
    h = _mm_insert_epi16(h, mn_load_u16(p + stride), 1);
    h = _mm_insert_epi16(h, mn_load_u16(p + 2 * stride), 2);
    h = _mm_insert_epi16(h, mn_load_u16(p + 3 * stride), 3);
    h = _mm_insert_epi16(h, mn_load_u16(p + 4 * stride), 4);
    h = _mm_insert_epi16(h, mn_load_u16(p + 5 * stride), 5);
    h = _mm_insert_epi16(h, mn_load_u16(p + 6 * stride), 6);
    h = _mm_insert_epi16(h, mn_load_u16(p + 7 * stride), 7);
    return _mm256_cvtph_ps(h);
}

MN_INLINE __m128i mn_scale_bytes_q3_k(const uint8_t *p)
{
    __m128i low = _mm_loadl_epi64((const __m128i *)p);
    low = _mm_unpacklo_epi64(low, _mm_srli_epi16(low, 4));
    __m128i high = _mm_srlv_epi32(_mm_set1_epi32((int)mn_load_u32(p + 8)),
                                  _mm_setr_epi32(0, 2, 4, 6));
    high = _mm_slli_epi16(_mm_and_si128(high, _mm_set1_epi8(3)), 4);
    low = _mm_or_si128(_mm_and_si128(low, _mm_set1_epi8(15)), high);
    return _mm_sub_epi8(low, _mm_set1_epi8(32));
}

/* The 8 scales and 8 mins of Q4_K and Q5_K, packed as drawn in tensor/quant.h. */
typedef struct { uint64_t scales, mins; } mn_k4_bytes;

MN_INLINE mn_k4_bytes mn_k4_scale_bytes(const uint8_t *p)
{
    uint32_t a = mn_load_u32(p), b = mn_load_u32(p + 4), c = mn_load_u32(p + 8);
    return (mn_k4_bytes){
        (a & 0x3f3f3f3f) | (uint64_t)((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32,
        (b & 0x3f3f3f3f) | (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32,
    };
}

/* The 8 scales of an IQ4_XS block, less 32. */
MN_INLINE uint64_t mn_iq4_xs_scale_bytes(const uint8_t *p)
{
    uint64_t low = _pdep_u64(mn_load_u32(p + 4), 0x0f0f0f0f0f0f0f0f);
    uint64_t high = _pdep_u64(mn_load_u16(p + 2), 0x3030303030303030);
    uint64_t biased = low | high;       /* 0 .. 63: subtracting 32 sets bits 5..7 as bit 5 is not */
    uint64_t negative = ~biased & 0x2020202020202020;
    return (biased ^ 0x2020202020202020) | negative << 1 | negative << 2;
}

/* Half of 2^(e - 127): the codes of E2M1 are doubled. */
MN_INLINE float mn_half_e8m0(uint8_t e)
{
    union { uint32_t u; float f; } v = { (uint32_t)e << 23 };
    return e == 255 ? NAN : v.f * 0.5f;
}

/* By way of a half, whose small numbers cost nothing: 2^-8 of the value. */
MN_INLINE float mn_half_e4m3(uint8_t b)
{
    uint16_t h = (uint16_t)((b & 0x80) << 8 | (b & 0x7f) << 7);
    return mn_half(&h) * 128.0f;
}

#endif
