/* Rows of any format as bf16, 32 columns (one 64-byte line) at a time.
 *
 * A code c is put into a float by moving its byte: 0x43cc0000 is 128 + c for codes below
 * 128, 0x4700cc00 is 32768 + c for all.  One multiply-add then gives s * c + m, zero point
 * and offset being part of m.  Even columns and odd ones are made in vectors of their own,
 * so that two vectors become pairs of bf16 by a shift and a merge.
 *
 * That merge cuts the low 16 bits off.  To round instead, s and m carry a factor
 * 1 + 0.72 * 2^-8: half a unit in the last place for a mantissa of 1.4, a little less or
 * more elsewhere.  The error's variance is 1.15 times that of rounding to nearest.
 */
#ifndef MN_BACKEND_NATIVE_CPU_DECODE_BF16_AVX512_H
#define MN_BACKEND_NATIVE_CPU_DECODE_BF16_AVX512_H

#include "backend/native/cpu/unpack_avx512.h"

#define MN_BF16_ROUND (1.0f + 0.72f / 256)

MN_INLINE bool mn_wide_codes(int kind)
{
    switch (kind) {
    case MN_Q8_0: case MN_IQ4_NL: case MN_IQ4_XS: case MN_KIND_AFFINE8: return true;
    default: return false;
    }
}

/* Columns 2 i (odd = 0) or 2 i + 1 of 32-column half `half`, i = 0 .. 15, as floats that
 * are too large by mn_code_offset(). */
MN_INLINE __m512 mn_code_floats(int kind, __m512i codes, int half, int odd)
{
    const int byte = mn_wide_codes(kind) ? 1 : 2;
    const __m512i one = _mm512_set1_epi32(mn_wide_codes(kind) ? 0x47000000 : 0x43000000);
    const __m512i i = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                        30);
    __m512i from = _mm512_slli_epi32(_mm512_add_epi32(i, _mm512_set1_epi32(32 * half + odd)),
                                     8 * byte);
    return _mm512_castsi512_ps(_mm512_mask_permutexvar_epi8(
        one, 0x1111111111111111ull << byte, from, codes));
}

MN_INLINE float mn_code_offset(int kind)
{
    return (mn_wide_codes(kind) ? 32768.0f : 128.0f) + (float)mn_zero(kind);
}

/* Pairs: even columns in the lower halves, odd ones in the upper. */
MN_INLINE __m512i mn_merge_bf16(__m512 even, __m512 odd)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(_mm512_castps_si512(even), 16),
                                   _mm512_castps_si512(odd));
}

/* Value g of a, in groups of 16 columns g in the lower half and g + 1 in the upper. */
MN_INLINE __m512 mn_spread_group(int kind, const float *a, int part, int half)
{
    if (mn_group(kind) == 32) return _mm512_set1_ps(a[2 * part + half]);
    const float *g = a + 4 * part + 2 * half;
    return _mm512_mask_broadcastss_ps(_mm512_set1_ps(g[0]), 0xff00, _mm_load_ss(g + 1));
}

MN_INLINE void mn_part_bf16(int kind, const uint8_t *p, int part, const float *s,
                            const float *m, uint8_t *out, int64_t line)
{
    __m512i codes = mn_codes(kind, p, part);
    for (int half = 0; half < 2; half++) {
        __m512 scale = mn_spread_group(kind, s, part, half);
        __m512 min = mn_spread_group(kind, m, part, half);
        __m512 even = _mm512_fmadd_ps(mn_code_floats(kind, codes, half, 0), scale, min);
        __m512 odd = _mm512_fmadd_ps(mn_code_floats(kind, codes, half, 1), scale, min);
        _mm512_storeu_si512(out + (2 * part + half) * line, mn_merge_bf16(even, odd));
    }
}

/* n_cols columns of a row from column `col` (a multiple of 256) as lines of 32, `line`
 * bytes apart.  The columns up to the next multiple of 256 are written too. */
MN_INLINE void mn_row_bf16(int kind, const mn_weight *w, int64_t row, int64_t col,
                           int64_t n_cols, float *planes, uint8_t *out, int64_t line)
{
    const int bytes = mn_step_bytes(kind);
    const __m512 round = _mm512_set1_ps(MN_BF16_ROUND);
    const __m512 offset = _mm512_set1_ps(-mn_code_offset(kind));
    const uint8_t *p = w->data + row * (int64_t)w->row_bytes + col / MN_STEP * bytes;
    float *plane_s = planes, *plane_m = planes + w->cols / mn_group(kind) + 80;
    if (mn_has_planes(kind)) mn_row_planes(kind, w, row, plane_s, plane_m);
    const float *at_s = plane_s + col / mn_group(kind), *at_m = plane_m + col / mn_group(kind);
    uint8_t last[MN_STEP_BYTES_MAX] = { 0 };
    for (int64_t c = 0; c < n_cols; c += MN_STEP) {
        if (n_cols - c < MN_STEP) {
            memcpy(last, p, (size_t)((n_cols - c) * bytes / MN_STEP));
            p = last;
        }
        mn_scales w256 = mn_next_scales(kind, p, &at_s, &at_m);
        float s[16], m[16];
        _mm512_storeu_ps(s, _mm512_mul_ps(w256.s, round));
        _mm512_storeu_ps(m, _mm512_mul_ps(_mm512_fmadd_ps(w256.s, offset, w256.m), round));
        mn_part_bf16(kind, p, 0, s, m, out, line);
        mn_part_bf16(kind, p, 1, s, m, out, line);
        mn_part_bf16(kind, p, 2, s, m, out, line);
        mn_part_bf16(kind, p, 3, s, m, out, line);
        p += bytes;
        out += 8 * line;
    }
}

/* ---- floats ------------------------------------------------------------------------- */

/* 16 E4M3 numbers, by way of halves: the exponent's bias differs by 8. */
MN_INLINE __m512 mn_e4m3_16(const uint8_t *p, __mmask16 k)
{
    __m256i b = _mm256_cvtepu8_epi16(_mm_maskz_loadu_epi8(k, p));
    __m256i sign = _mm256_slli_epi16(_mm256_and_si256(b, _mm256_set1_epi16(0x80)), 8);
    __m256i rest = _mm256_slli_epi16(_mm256_and_si256(b, _mm256_set1_epi16(0x7f)), 7);
    __mmask16 nan = _mm256_cmpeq_epi16_mask(rest, _mm256_set1_epi16(0x7f << 7));
    __m512 v = _mm512_mul_ps(_mm512_cvtph_ps(_mm256_or_si256(sign, rest)), _mm512_set1_ps(256));
    return _mm512_mask_mov_ps(v, nan, _mm512_set1_ps(NAN));
}

/* The scale of group g of a row of E4M3 numbers. */
static inline float mn_e4m3_scale(const mn_weight *w, int64_t row, int64_t g)
{
    if (!w->scales) return 1;
    const uint8_t *scales = w->scales + row * (int64_t)w->scale_row_bytes;
    if (w->type == MN_MLX_MXFP8) return mn_e8m0_to_f32(scales[g]);
    if (w->scale_type == MN_F32) return mn_load_f32(scales + 4 * g);
    uint16_t v = mn_load_u16(scales + 2 * g);
    return w->scale_type == MN_F16 ? mn_f16_to_f32(v) : mn_bf16_to_f32(v);
}

MN_INLINE __mmask16 mn_first(int64_t n)
{
    return n >= 16 ? 0xffff : n > 0 ? (__mmask16)((1u << n) - 1) : 0;
}

/* As mn_row_bf16(), for float weights; columns past the end are 0. */
MN_INLINE void mn_float_row_bf16(int kind, const mn_weight *w, int64_t row, int64_t col,
                                 int64_t n_cols, uint8_t *out, int64_t line)
{
    const uint8_t *p = w->data + row * (int64_t)w->row_bytes;
    int64_t group = w->group ? w->group : w->cols;
    for (int64_t c = col, end = col + n_cols; c < end; c += 32, out += line) {
        __mmask16 low = mn_first(end - c), high = mn_first(end - c - 16);
        if (kind == MN_BF16) {
            __mmask32 k = low | (__mmask32)high << 16;
            _mm512_storeu_si512(out, _mm512_maskz_loadu_epi16(k, p + 2 * c));
            continue;
        }
        __m512 a, b;
        if (kind == MN_F16) {
            a = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(low, p + 2 * c));
            b = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(high, p + 2 * c + 32));
        } else {
            __m512 scale = _mm512_set1_ps(mn_e4m3_scale(w, row, c / group));
            a = _mm512_mul_ps(mn_e4m3_16(p + c, low), scale);
            b = _mm512_mul_ps(mn_e4m3_16(p + c + 16, high), scale);
        }
        _mm512_storeu_si512(out, (__m512i)_mm512_cvtne2ps_pbh(b, a));
    }
}

#endif
