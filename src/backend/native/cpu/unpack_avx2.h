/* Reading quantised rows with AVX2: 32 weights at a time as bytes in natural order.
 *
 * The 256-bit counterpart of unpack_avx512.h, in the same terms: a row is walked in steps
 * of 256 columns (a shorter last one is a zero-padded copy), mn_codes() gives part i of 8,
 * and
 *
 *     w[c] = s[c / group] * (code[c] - zero) + m[c / group]       code 0..255
 *
 * A step may be read up to 8 bytes past its end: callers hand over copies of last steps.
 */
#ifndef MN_BACKEND_NATIVE_CPU_UNPACK_AVX2_H
#define MN_BACKEND_NATIVE_CPU_UNPACK_AVX2_H

#include "backend/native/cpu/unpack_iq.h"

#include <immintrin.h>

/* ---- codes -------------------------------------------------------------------------- */

MN_INLINE __m256i mn_load_32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
MN_INLINE __m128i mn_load_16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }

/* 16 bytes with nibble pairs j, j + 16. */
MN_INLINE __m256i mn_nibbles_16(const uint8_t *p)
{
    __m128i b = mn_load_16(p);
    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(b, 4), b), _mm256_set1_epi8(15));
}

/* 16 bytes with nibble pairs 2 j, 2 j + 1. */
MN_INLINE __m256i mn_nibbles_in_order(const uint8_t *p)
{
    __m256i w = _mm256_cvtepu8_epi16(mn_load_16(p));
    return _mm256_and_si256(_mm256_or_si256(w, _mm256_slli_epi16(w, 4)), _mm256_set1_epi8(15));
}

/* `bits` bits from bit `at` of each byte. */
MN_INLINE __m256i mn_bits(__m256i z, int at, int bits)
{
    if (at) z = _mm256_srli_epi16(z, at);
    return _mm256_and_si256(z, _mm256_set1_epi8((char)((1 << bits) - 1)));
}

MN_INLINE __m256i mn_lookup(__m128i table, __m256i nibbles)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}

/* `value` in each byte whose bit of 32 is set. */
MN_INLINE __m256i mn_where_bits(uint32_t bits, char value)
{
    const __m256i byte = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2,
                                          2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    __m256i z = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte);
    z = _mm256_cmpeq_epi8(_mm256_and_si256(z, bit), bit);
    return _mm256_and_si256(z, _mm256_set1_epi8(value));
}

MN_INLINE __m256i mn_where(const uint8_t *p, char value)
{
    return mn_where_bits(mn_load_u32(p), value);
}

/* 32 codes of `bits` bits from a stream; reads 8 - bits bytes too many. */
MN_INLINE __m256i mn_stream_codes(const uint8_t *p, int bits)
{
    if (bits == 8) return mn_load_32(p);
    if (bits == 4) return mn_nibbles_in_order(p);
    const uint64_t mask = ((1u << bits) - 1) * 0x0101010101010101ull;
    uint64_t c[4];
    for (int i = 0; i < 4; i++) {
        uint64_t eight;
        memcpy(&eight, p + i * bits, 8);
        c[i] = _pdep_u64(eight, mask);
    }
    return _mm256_setr_epi64x((long long)c[0], (long long)c[1], (long long)c[2],
                              (long long)c[3]);
}

/* 32 entries of a codebook with their signs or shifts. */
MN_INLINE __m256i mn_grid_codes(int kind, const uint8_t *p, int i)
{
    const __m256i zero = _mm256_set1_epi8((char)mn_zero(kind)), one = _mm256_set1_epi8(1);
    __m256i z = _mm256_setr_epi64x(
        (long long)mn_grid_8(kind, p, i, 0), (long long)mn_grid_8(kind, p, i, 1),
        (long long)mn_grid_8(kind, p, i, 2), (long long)mn_grid_8(kind, p, i, 3));
    if (mn_is_signed_grid(kind)) {
        __m256i negative = mn_where_bits(mn_signs_32(kind, p, i), (char)0xff);
        return _mm256_add_epi8(_mm256_sign_epi8(z, _mm256_or_si256(negative, one)), zero);
    }
    z = _mm256_and_si256(_mm256_slli_epi16(z, 3), _mm256_set1_epi8((char)0xf8));
    uint64_t shifts = _pdep_u64(mn_shifts_4(kind, p, i), 0x0001000100010001);
    __m256i down = _mm256_cvtepi16_epi64(_mm_cvtsi64_si128((long long)shifts));
    down = _mm256_sub_epi64(_mm256_setzero_si256(), down);      /* all ones where it is */
    z = _mm256_add_epi8(z, _mm256_add_epi8(zero, one));
    return _mm256_add_epi8(z, _mm256_and_si256(down, _mm256_set1_epi8(-2)));
}

/* Digits of TQ1_0: floor(3 * (b * power mod 256) / 256) of each byte. */
MN_INLINE __m256i mn_ternary(__m256i b, __m256i power)
{
    const __m256i low = _mm256_set1_epi16(255), three = _mm256_set1_epi16(3);
    __m256i even = _mm256_mullo_epi16(_mm256_and_si256(b, low), _mm256_and_si256(power, low));
    __m256i odd = _mm256_mullo_epi16(_mm256_srli_epi16(b, 8), _mm256_srli_epi16(power, 8));
    even = _mm256_srli_epi16(_mm256_mullo_epi16(_mm256_and_si256(even, low), three), 8);
    odd = _mm256_mullo_epi16(_mm256_and_si256(odd, low), three);
    return _mm256_or_si256(even, _mm256_andnot_si256(low, odd));
}

MN_INLINE __m256i mn_codes_tq1_0(const uint8_t *p, int i)
{
    static const uint8_t powers[5] = { 1, 3, 9, 27, 81 };
    if (i < 5) return mn_ternary(mn_load_32(p), _mm256_set1_epi8((char)powers[i]));
    __m128i b = mn_load_16(p + 32), last = _mm_set1_epi32((int)mn_u32(p + 48));
    if (i == 5)
        return mn_ternary(_mm256_set_m128i(b, b),
                          _mm256_set_m128i(_mm_set1_epi8(3), _mm_set1_epi8(1)));
    if (i == 6)
        return mn_ternary(_mm256_set_m128i(b, b),
                          _mm256_set_m128i(_mm_set1_epi8(27), _mm_set1_epi8(9)));
    __m128i rising = _mm_setr_epi32(0x01010101, 0x03030303, 0x09090909, 0x1b1b1b1b);
    return mn_ternary(_mm256_set_m128i(last, b), _mm256_set_m128i(rising, _mm_set1_epi8(81)));
}

/* Columns 32 i .. 32 i + 31 of the step at p. */
MN_INLINE __m256i mn_codes(int kind, const uint8_t *p, int i)
{
    switch (kind) {
    case MN_Q4_0: return mn_nibbles_16(p + 18 * i + 2);
    case MN_Q4_1: return mn_nibbles_16(p + 20 * i + 4);
    case MN_Q5_0:
        return _mm256_or_si256(mn_nibbles_16(p + 22 * i + 6), mn_where(p + 22 * i + 2, 16));
    case MN_Q5_1:
        return _mm256_or_si256(mn_nibbles_16(p + 24 * i + 8), mn_where(p + 24 * i + 4, 16));
    case MN_Q8_0:
        return _mm256_xor_si256(mn_load_32(p + 34 * i + 2), _mm256_set1_epi8((char)0x80));
    case MN_Q2_K: return mn_bits(mn_load_32(p + 16 + i / 4 * 32), i % 4 * 2, 2);
    case MN_Q3_K:
        return _mm256_or_si256(mn_bits(mn_load_32(p + 32 + i / 4 * 32), i % 4 * 2, 2),
                               _mm256_slli_epi16(mn_bits(mn_load_32(p), i, 1), 2));
    case MN_Q4_K: return mn_bits(mn_load_32(p + 16 + i / 2 * 32), i % 2 * 4, 4);
    case MN_Q5_K:
        return _mm256_or_si256(mn_bits(mn_load_32(p + 48 + i / 2 * 32), i % 2 * 4, 4),
                               _mm256_slli_epi16(mn_bits(mn_load_32(p + 16), i, 1), 4));
    case MN_Q6_K: {
        __m256i low = mn_bits(mn_load_32(p + i / 4 * 64 + i % 2 * 32), i % 4 / 2 * 4, 4);
        __m256i high = mn_bits(mn_load_32(p + 128 + i / 4 * 32), i % 4 * 2, 2);
        return _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
    }
    case MN_IQ4_NL: return mn_lookup(mn_iq4_table(), mn_nibbles_16(p + 18 * i + 2));
    case MN_IQ4_XS: return mn_lookup(mn_iq4_table(), mn_nibbles_16(p + 16 * i + 8));
    case MN_MXFP4: return mn_lookup(mn_e2m1_table(), mn_nibbles_16(p + 17 * i + 1));
    case MN_MLX_MXFP4: case MN_MLX_NVFP4:
        return mn_lookup(mn_e2m1_table(), mn_nibbles_in_order(p + 16 * i));
    case MN_IQ2_XXS: case MN_IQ2_XS: case MN_IQ2_S: case MN_IQ3_XXS: case MN_IQ3_S:
    case MN_IQ1_S: case MN_IQ1_M: return mn_grid_codes(kind, p, i);
    case MN_TQ1_0: return mn_codes_tq1_0(p, i);
    case MN_TQ2_0: return mn_bits(mn_load_32(p + i / 4 * 32), i % 4 * 2, 2);
    case MN_KIND_AFFINE2: return mn_stream_codes(p + 8 * i, 2);
    case MN_KIND_AFFINE3: return mn_stream_codes(p + 12 * i, 3);
    case MN_KIND_AFFINE4: return mn_stream_codes(p + 16 * i, 4);
    case MN_KIND_AFFINE5: return mn_stream_codes(p + 20 * i, 5);
    case MN_KIND_AFFINE6: return mn_stream_codes(p + 24 * i, 6);
    case MN_KIND_AFFINE8: return mn_stream_codes(p + 32 * i, 8);
    default: __builtin_unreachable();
    }
}

/* ---- scales ------------------------------------------------------------------------- */

/* Of one step: 8 values in [0], or 16 in both. */
typedef struct { __m256 s[2], m[2]; } mn_scales;

MN_INLINE __m256 mn_small_ints(uint64_t bytes, float d)
{
    __m256i v = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)bytes));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(d));
}

MN_INLINE void mn_small_ints_16(__m128i bytes, float d, __m256 out[2])
{
    out[0] = mn_small_ints((uint64_t)_mm_cvtsi128_si64(bytes), d);
    out[1] = mn_small_ints((uint64_t)_mm_extract_epi64(bytes, 1), d);
}

/* m is 0 where there are no minima. */
MN_INLINE mn_scales mn_step_scales(int kind, const uint8_t *p)
{
    mn_scales r = { .m = { _mm256_setzero_ps(), _mm256_setzero_ps() } };
    switch (kind) {
    case MN_Q4_0: case MN_IQ4_NL: r.s[0] = mn_halves(p, 18); break;
    case MN_Q4_1:
        r.s[0] = mn_halves(p, 20);
        r.m[0] = mn_halves(p + 2, 20);
        break;
    case MN_Q5_0: r.s[0] = mn_halves(p, 22); break;
    case MN_Q5_1:
        r.s[0] = mn_halves(p, 24);
        r.m[0] = mn_halves(p + 2, 24);
        break;
    case MN_Q8_0: r.s[0] = mn_halves(p, 34); break;
    case MN_Q2_K: {
        __m128i b = mn_load_16(p), low = _mm_set1_epi8(15);
        mn_small_ints_16(_mm_and_si128(b, low), mn_half(p + 80), r.s);
        b = _mm_and_si128(_mm_srli_epi16(b, 4), low);
        mn_small_ints_16(b, -mn_half(p + 82), r.m);
        break;
    }
    case MN_Q3_K: mn_small_ints_16(mn_scale_bytes_q3_k(p + 96), mn_half(p + 108), r.s); break;
    case MN_Q4_K: case MN_Q5_K: {
        mn_k4_bytes b = mn_k4_scale_bytes(p + 4);
        r.s[0] = mn_small_ints(b.scales, mn_half(p));
        r.m[0] = mn_small_ints(b.mins, -mn_half(p + 2));
        break;
    }
    case MN_Q6_K: mn_small_ints_16(mn_load_16(p + 192), mn_half(p + 208), r.s); break;
    case MN_IQ4_XS: r.s[0] = mn_small_ints(mn_iq4_xs_scale_bytes(p), mn_half(p)); break;
    case MN_MXFP4:
        r.s[0] = _mm256_setr_ps(mn_half_e8m0(p[0]), mn_half_e8m0(p[17]), mn_half_e8m0(p[34]),
                                mn_half_e8m0(p[51]), mn_half_e8m0(p[68]), mn_half_e8m0(p[85]),
                                mn_half_e8m0(p[102]), mn_half_e8m0(p[119]));
        break;
    case MN_IQ2_XXS: case MN_IQ2_XS: case MN_IQ2_S: case MN_IQ3_XXS: case MN_IQ3_S:
    case MN_IQ1_S: case MN_IQ1_M: {
        mn_odd_scales odd = mn_iq_scales(kind, p);
        r.s[0] = mn_small_ints(odd.bytes[0], odd.unit);
        if (mn_group(kind) == 16) r.s[1] = mn_small_ints(odd.bytes[1], odd.unit);
        break;
    }
    case MN_TQ1_0: r.s[0] = _mm256_set1_ps(mn_half(p + 52)); break;
    case MN_TQ2_0: r.s[0] = _mm256_set1_ps(mn_half(p + 64)); break;
    default: __builtin_unreachable();
    }
    return r;
}

/* ---- scale planes (the MLX formats) ------------------------------------------------- */

/* Eight values of a plane from the at-th on; zeros from the n-th on. */
MN_INLINE __m256 mn_plane_8(const uint8_t *plane, int type, int64_t at, int64_t n)
{
    const int bytes = type == MN_F32 ? 4 : 2;
    const uint8_t *p = plane + at * bytes;
    uint8_t last[32] = { 0 };
    if (n - at < 8) p = memcpy(last, p, (size_t)(n - at) * (size_t)bytes);
    if (type == MN_F32) return _mm256_loadu_ps((const float *)(const void *)p);
    if (type == MN_F16) return _mm256_cvtph_ps(mn_load_16(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(mn_load_16(p)), 16));
}

/* Values [first, n) of an affine plane, each `times` times (1, 2 or 4).  Writes up to 31
 * values too many. */
MN_INLINE void mn_affine_plane(const uint8_t *plane, int type, int times, int64_t first,
                               int64_t n, float *out)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const int log = times == 4 ? 2 : times == 2;
    for (int64_t g = first; g < n; g += 8) {
        __m256 v = mn_plane_8(plane, type, g, n);
        for (int t = 0; t < times; t++, out += 8) {
            __m256i from = _mm256_add_epi32(lane, _mm256_set1_epi32(8 * t));
            _mm256_storeu_ps(out, _mm256_permutevar8x32_ps(v, _mm256_srli_epi32(from, log)));
        }
    }
}

/* A row's planes from column `col`, a multiple of 256, for n_cols columns, as one value per
 * mn_group() columns; zeros up to the next multiple of 256 columns.  s and m have room for
 * 32 floats more than that.  Affine biases are those of codes less mn_zero(). */
MN_INLINE void mn_row_planes(int kind, const mn_weight *w, int64_t row, int64_t col,
                             int64_t n_cols, float *s, float *m)
{
    const uint8_t *scales = w->scales + row * (int64_t)w->scale_row_bytes;
    int64_t first = col / mn_group(kind), n = n_cols / mn_group(kind);
    int64_t n_all = (n_cols + 255) / 256 * 256 / mn_group(kind);
    if (kind >= MN_KIND_AFFINE2) {
        const uint8_t *biases = w->biases + row * (int64_t)w->scale_row_bytes;
        const int times = w->group / 32;
        int64_t from = col / w->group, to = (col + n_cols) / w->group;
        mn_affine_plane(scales, w->scale_type, times, from, to, s);
        mn_affine_plane(biases, w->scale_type, times, from, to, m);
        const __m256 zero = _mm256_set1_ps((float)mn_zero(kind));
        for (int64_t g = 0; g < n; g += 8)
            _mm256_storeu_ps(m + g, _mm256_fmadd_ps(_mm256_loadu_ps(s + g), zero,
                                                    _mm256_loadu_ps(m + g)));
    } else {
        for (int64_t g = 0; g < n; g++)
            s[g] = kind == MN_MLX_MXFP4 ? mn_half_e8m0(scales[first + g])
                                        : mn_half_e4m3(scales[first + g]);
    }
    for (int64_t g = n; g < n_all; g++) s[g] = m[g] = 0;
}

/* Scales and minima of the step of 256 columns at p: from the block itself, or from a row's
 * planes, which go on to the next step. */
MN_INLINE mn_scales mn_next_scales(int kind, const uint8_t *p, const float **s, const float **m)
{
    if (!mn_has_planes(kind)) return mn_step_scales(kind, p);
    const int groups = MN_STEP / mn_group(kind);
    mn_scales out = { .m = { _mm256_setzero_ps(), _mm256_setzero_ps() } };
    out.s[0] = _mm256_loadu_ps(*s);
    if (groups == 16) out.s[1] = _mm256_loadu_ps(*s + 8);
    if (mn_has_min(kind)) out.m[0] = _mm256_loadu_ps(*m);
    *s += groups;
    *m += groups;
    return out;
}

#endif
