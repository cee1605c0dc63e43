/* Reading quantised rows with AVX-512: 64 weights at a time as bytes in natural order.
 *
 * All block formats are walked in steps of 256 columns, which every format's blocks divide
 * or are; a row's last step may be shorter, and its caller hands over a zero-padded copy.
 * A format is, per step: mn_step_bytes(), mn_codes() for each of the four 64-column parts,
 * and mn_step_scales(), or mn_row_planes() per row.  The decoded weight is
 *
 *     w[c] = s[c / group] * (code[c] - zero) + m[c / group]       code 0..255
 *
 * with group 32 (or 16, mn_group()).  Layouts: tensor/quant.h, tensor/weight.h.
 */
#ifndef MN_BACKEND_NATIVE_CPU_UNPACK_AVX512_H
#define MN_BACKEND_NATIVE_CPU_UNPACK_AVX512_H

#include "backend/native/cpu/unpack_iq.h"

/* ---- codes -------------------------------------------------------------------------- */

/* Two blocks of 16 bytes with nibble pairs j, j + 16: 64 nibbles in order. */
MN_INLINE __m512i mn_nibbles_2x16(const uint8_t *a, const uint8_t *b)
{
    const __m512i shifts = _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4);
    __m512i z = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)a));
    z = _mm512_mask_broadcast_i32x4(z, 0xff00, _mm_loadu_si128((const __m128i *)b));
    return _mm512_and_si512(_mm512_srlv_epi64(z, shifts), _mm512_set1_epi8(15));
}

/* 32 bytes, the low nibbles being 32 columns and the high ones the next 32. */
MN_INLINE __m512i mn_nibbles_32(const uint8_t *p)
{
    const __m512i shifts = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);
    __m512i z = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_and_si512(_mm512_srlv_epi64(z, shifts), _mm512_set1_epi8(15));
}

/* Bytes of `table` picked by 64 nibbles. */
MN_INLINE __m512i mn_lookup(__m128i table, __m512i nibbles)
{
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), nibbles);
}

/* 64 codes of `bits` bits from a stream (LSB first), 8 * bits bytes. */
MN_INLINE __m512i mn_stream_codes(const uint8_t *p, int bits)
{
    const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
    __m512i z;
    if (bits == 8) return _mm512_loadu_si512(p);
    if (bits == 4) {
        z = _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)p));
    } else if (bits == 2) {
        z = _mm512_cvtepu16_epi64(_mm_loadu_si128((const __m128i *)p));
    } else {
        const __m512i per_byte = _mm512_set1_epi64(0x0706050403020100);
        __m512i first = _mm512_mullo_epi64(_mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7),
                                           _mm512_set1_epi64(bits * 0x0101010101010101));
        z = _mm512_maskz_loadu_epi8((1ull << 8 * bits) - 1, p);
        z = _mm512_permutexvar_epi8(_mm512_add_epi8(first, per_byte), z);
    }
    uint64_t at = 0;
    for (int i = 0; i < 8; i++) at |= (uint64_t)(i * bits) << 8 * i;
    return _mm512_and_si512(_mm512_multishift_epi64_epi8(_mm512_set1_epi64((long long)at), z),
                            mask);
}

/* Rotates each 64-bit word left by `lo` (lower 256 bits) and `hi` (upper). */
MN_INLINE __m512i mn_rotate_halves(__m512i z, int lo, int hi)
{
    return _mm512_rolv_epi64(z, _mm512_setr_epi64(lo & 63, lo & 63, lo & 63, lo & 63,
                                                  hi & 63, hi & 63, hi & 63, hi & 63));
}

MN_INLINE __m512i mn_codes_q6_k(const uint8_t *p, int i)
{
    __m512i low = _mm512_loadu_si512(p + i / 2 * 64);
    if (i % 2) low = _mm512_srli_epi16(low, 4);
    __m512i high = _mm512_broadcast_i64x4(
        _mm256_loadu_si256((const __m256i *)(p + 128 + i / 2 * 32)));
    high = i % 2 ? mn_rotate_halves(high, 0, -2) : mn_rotate_halves(high, 4, 2);
    low = _mm512_and_si512(low, _mm512_set1_epi8(15));
    return _mm512_ternarylogic_epi64(low, high, _mm512_set1_epi8(0x30), 0xf8); /* a | b & c */
}

/* 2-bit planes of 32 bytes: columns 32 k + l in bits 2k of byte l; parts 0 and 1 of 128. */
MN_INLINE __m512i mn_planes_2bit(const uint8_t *p, int part)
{
    __m512i z = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)p));
    z = part ? mn_rotate_halves(z, -4, -6) : mn_rotate_halves(z, 0, -2);
    return _mm512_and_si512(z, _mm512_set1_epi8(3));
}

/* Adds `value` where a bit is set: 32 bits at lo, 32 at hi. */
MN_INLINE __m512i mn_add_where(__m512i z, const uint8_t *lo, const uint8_t *hi, __m512i value)
{
    uint64_t bits = mn_load_u32(lo) | (uint64_t)mn_load_u32(hi) << 32;
    return _mm512_mask_add_epi8(z, bits, z, value);
}

/* Indexes of the 8 entries of part i: low bytes, and the bits above them as 8 fields of
 * `width` bits. */
MN_INLINE __m256i mn_indexes_8(const uint8_t *low, uint32_t high, int width)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i at = _mm256_mullo_epi32(lane, _mm256_set1_epi32(width));
    __m256i bits = _mm256_srlv_epi32(_mm256_set1_epi32((int)high), at);
    bits = _mm256_and_si256(bits, _mm256_set1_epi32((1 << width) - 1));
    __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)low));
    return _mm256_or_si256(bytes, _mm256_slli_epi32(bits, 8));
}

MN_INLINE __m512i mn_grid_of_8(__m256i indexes, const uint64_t *grid)
{
    return _mm512_i32gather_epi64(indexes, grid, 8);
}

MN_INLINE __m512i mn_grid_64(int kind, const uint8_t *p, int i)
{
    switch (kind) {
    case MN_IQ2_XXS: {
        __m128i two = _mm_cvtsi32_si128((int)mn_u32(p + 2 + 16 * i));
        two = _mm_insert_epi32(two, (int)mn_u32(p + 10 + 16 * i), 1);
        return mn_grid_of_8(_mm256_cvtepu8_epi32(two), mn_iq2_xxs_grid);
    }
    case MN_IQ2_XS: {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + 2 + 16 * i));
        v = _mm_and_si128(v, _mm_set1_epi16(511));
        return mn_grid_of_8(_mm256_cvtepu16_epi32(v), mn_iq2_xs_grid);
    }
    case MN_IQ2_S:
        return mn_grid_of_8(mn_indexes_8(p + 2 + 8 * i, mn_load_u16(p + 66 + 2 * i), 2),
                            mn_iq2_s_grid);
    case MN_IQ3_XXS: {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + 2 + 16 * i));
        return _mm512_i32gather_epi32(_mm512_cvtepu8_epi32(v), mn_iq3_xxs_grid, 4);
    }
    case MN_IQ3_S: {
        __m512i v = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(p + 2 + 16 * i)));
        v = _mm512_mask_or_epi32(v, mn_load_u16(p + 66 + 2 * i), v, _mm512_set1_epi32(256));
        return _mm512_i32gather_epi32(v, mn_iq3_s_grid, 4);
    }
    case MN_IQ1_S: {
        uint32_t high = _pext_u32(mn_u32(p + 34 + 4 * i), 0x0fff0fff);
        return mn_grid_of_8(mn_indexes_8(p + 2 + 8 * i, high, 3), mn_iq1_grid);
    }
    case MN_IQ1_M: {
        uint32_t high = _pext_u32(mn_u32(p + 32 + 4 * i), 0x77777777);
        return mn_grid_of_8(mn_indexes_8(p + 8 * i, high, 3), mn_iq1_grid);
    }
    default: __builtin_unreachable();
    }
}

/* 64 entries of a codebook with their signs or shifts. */
MN_INLINE __m512i mn_grid_codes(int kind, const uint8_t *p, int i)
{
    const __m512i zero = _mm512_set1_epi8((char)mn_zero(kind));
    __m512i z = mn_grid_64(kind, p, i);
    if (mn_is_signed_grid(kind)) {
        __mmask64 negative = mn_signs_32(kind, p, 2 * i) |
                             (uint64_t)mn_signs_32(kind, p, 2 * i + 1) << 32;
        return _mm512_mask_sub_epi8(_mm512_add_epi8(zero, z), negative, zero, z);
    }
    uint32_t down = mn_shifts_4(kind, p, 2 * i) | mn_shifts_4(kind, p, 2 * i + 1) << 4;
    z = _mm512_and_si512(_mm512_slli_epi16(z, 3), _mm512_set1_epi8((char)0xf8));
    __m512i middle = _mm512_mask_blend_epi64((__mmask8)down,
                                             _mm512_set1_epi8((char)(mn_zero(kind) + 1)),
                                             _mm512_set1_epi8((char)(mn_zero(kind) - 1)));
    return _mm512_add_epi8(z, middle);
}

/* A byte for each 128 bits. */
MN_INLINE __m512i mn_powers(int a, int b, int c, int d)
{
    const int ones = 0x01010101;
    return _mm512_setr_epi32(a * ones, a * ones, a * ones, a * ones, b * ones, b * ones, b * ones,
                             b * ones, c * ones, c * ones, c * ones, c * ones, d * ones, d * ones,
                             d * ones, d * ones);
}

/* Digits of TQ1_0: floor(3 * (b * power mod 256) / 256) of each byte. */
MN_INLINE __m512i mn_ternary(__m512i b, __m512i power)
{
    const __m512i low = _mm512_set1_epi16(255), three = _mm512_set1_epi16(3);
    __m512i even = _mm512_mullo_epi16(_mm512_and_si512(b, low), _mm512_and_si512(power, low));
    __m512i odd = _mm512_mullo_epi16(_mm512_srli_epi16(b, 8), _mm512_srli_epi16(power, 8));
    even = _mm512_srli_epi16(_mm512_mullo_epi16(_mm512_and_si512(even, low), three), 8);
    odd = _mm512_mullo_epi16(_mm512_and_si512(odd, low), three);
    return _mm512_ternarylogic_epi64(even, odd, low, 0xf4);     /* even | (odd & ~low) */
}

MN_INLINE __m512i mn_codes_tq1_0(const uint8_t *p, int i)
{
    __m256i wide = _mm256_loadu_si256((const __m256i *)p);
    __m128i narrow = _mm_loadu_si128((const __m128i *)(p + 32));
    __m512i b = _mm512_broadcast_i64x4(wide), power;
    if (i == 0) {
        power = mn_powers(1, 1, 3, 3);
    } else if (i == 1) {
        power = mn_powers(9, 9, 27, 27);
    } else if (i == 2) {
        b = _mm512_inserti64x4(b, _mm256_broadcastsi128_si256(narrow), 1);
        power = mn_powers(81, 81, 1, 3);
    } else {
        __m128i last = _mm_set1_epi32((int)mn_u32(p + 48));
        b = _mm512_inserti32x4(_mm512_broadcast_i32x4(narrow), last, 3);
        power = mn_powers(9, 27, 81, 0);
        power = _mm512_inserti32x4(power, _mm_setr_epi32(0x01010101, 0x03030303, 0x09090909,
                                                         0x1b1b1b1b), 3);
    }
    return mn_ternary(b, power);
}

/* Columns 64 i .. 64 i + 63 of the step at p. */
MN_INLINE __m512i mn_codes(int kind, const uint8_t *p, int i)
{
    const __m512i four = _mm512_set1_epi8(4), sixteen = _mm512_set1_epi8(16);
    __m512i z;
    switch (kind) {
    case MN_Q4_0: return mn_nibbles_2x16(p + 36 * i + 2, p + 36 * i + 20);
    case MN_Q4_1: return mn_nibbles_2x16(p + 40 * i + 4, p + 40 * i + 24);
    case MN_Q5_0:
        z = mn_nibbles_2x16(p + 44 * i + 6, p + 44 * i + 28);
        return mn_add_where(z, p + 44 * i + 2, p + 44 * i + 24, sixteen);
    case MN_Q5_1:
        z = mn_nibbles_2x16(p + 48 * i + 8, p + 48 * i + 32);
        return mn_add_where(z, p + 48 * i + 4, p + 48 * i + 28, sixteen);
    case MN_Q8_0:
        z = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(p + 68 * i + 2)));
        z = _mm512_inserti64x4(z, _mm256_loadu_si256((const __m256i *)(p + 68 * i + 36)), 1);
        return _mm512_xor_si512(z, _mm512_set1_epi8((char)0x80));
    case MN_Q2_K: return mn_planes_2bit(p + 16 + i / 2 * 32, i % 2);
    case MN_Q3_K: {
        __m512i high = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)p));
        high = mn_rotate_halves(high, 2 - 2 * i, 1 - 2 * i);
        z = mn_planes_2bit(p + 32 + i / 2 * 32, i % 2);
        return _mm512_ternarylogic_epi64(z, high, four, 0xf8);
    }
    case MN_Q4_K: return mn_nibbles_32(p + 16 + 32 * i);
    case MN_Q5_K: {
        __m512i high = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)(p + 16)));
        high = mn_rotate_halves(high, 4 - 2 * i, 3 - 2 * i);
        return _mm512_ternarylogic_epi64(mn_nibbles_32(p + 48 + 32 * i), high, sixteen, 0xf8);
    }
    case MN_Q6_K: return mn_codes_q6_k(p, i);
    case MN_IQ4_NL:
        return mn_lookup(mn_iq4_table(), mn_nibbles_2x16(p + 36 * i + 2, p + 36 * i + 20));
    case MN_IQ4_XS:
        return mn_lookup(mn_iq4_table(), mn_nibbles_2x16(p + 8 + 32 * i, p + 24 + 32 * i));
    case MN_MXFP4:
        return mn_lookup(mn_e2m1_table(), mn_nibbles_2x16(p + 34 * i + 1, p + 34 * i + 18));
    case MN_MLX_MXFP4: case MN_MLX_NVFP4:
        return mn_lookup(mn_e2m1_table(), mn_stream_codes(p + 32 * i, 4));
    case MN_IQ2_XXS: case MN_IQ2_XS: case MN_IQ2_S: case MN_IQ3_XXS: case MN_IQ3_S:
    case MN_IQ1_S: case MN_IQ1_M: return mn_grid_codes(kind, p, i);
    case MN_TQ1_0: return mn_codes_tq1_0(p, i);
    case MN_TQ2_0: return mn_planes_2bit(p + i / 2 * 32, i % 2);
    case MN_KIND_AFFINE2: return mn_stream_codes(p + 16 * i, 2);
    case MN_KIND_AFFINE3: return mn_stream_codes(p + 24 * i, 3);
    case MN_KIND_AFFINE4: return mn_stream_codes(p + 32 * i, 4);
    case MN_KIND_AFFINE5: return mn_stream_codes(p + 40 * i, 5);
    case MN_KIND_AFFINE6: return mn_stream_codes(p + 48 * i, 6);
    case MN_KIND_AFFINE8: return mn_stream_codes(p + 64 * i, 8);
    default: __builtin_unreachable();
    }
}

/* ---- scales ------------------------------------------------------------------------- */

/* Scales and minima of one step: 8 values (groups of 32) or 16, the rest is undefined. */
typedef struct { __m512 s, m; } mn_scales;

MN_INLINE __m512 mn_8(__m256 v) { return _mm512_castps256_ps512(v); }

MN_INLINE __m512 mn_small_ints(uint64_t bytes, float d)
{
    __m256i v = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128((long long)bytes));
    return mn_8(_mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(d)));
}

MN_INLINE __m512 mn_scaled_bytes(__m128i bytes, float d)
{
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), _mm512_set1_ps(d));
}

/* Of one step of a block format.  m is 0 where there are no minima. */
MN_INLINE mn_scales mn_step_scales(int kind, const uint8_t *p)
{
    mn_scales r = { .m = _mm512_setzero_ps() };
    switch (kind) {
    case MN_Q4_0: case MN_IQ4_NL: r.s = mn_8(mn_halves(p, 18)); break;
    case MN_Q4_1:
        r.s = mn_8(mn_halves(p, 20));
        r.m = mn_8(mn_halves(p + 2, 20));
        break;
    case MN_Q5_0: r.s = mn_8(mn_halves(p, 22)); break;
    case MN_Q5_1:
        r.s = mn_8(mn_halves(p, 24));
        r.m = mn_8(mn_halves(p + 2, 24));
        break;
    case MN_Q8_0: r.s = mn_8(mn_halves(p, 34)); break;
    case MN_Q2_K: {
        __m128i b = _mm_loadu_si128((const __m128i *)p), low = _mm_set1_epi8(15);
        r.s = mn_scaled_bytes(_mm_and_si128(b, low), mn_half(p + 80));
        b = _mm_and_si128(_mm_srli_epi16(b, 4), low);
        r.m = mn_scaled_bytes(b, -mn_half(p + 82));
        break;
    }
    case MN_Q3_K: r.s = mn_scaled_bytes(mn_scale_bytes_q3_k(p + 96), mn_half(p + 108)); break;
    case MN_Q4_K: case MN_Q5_K: {
        mn_k4_bytes b = mn_k4_scale_bytes(p + 4);
        r.s = mn_small_ints(b.scales, mn_half(p));
        r.m = mn_small_ints(b.mins, -mn_half(p + 2));
        break;
    }
    case MN_Q6_K:
        r.s = mn_scaled_bytes(_mm_loadu_si128((const __m128i *)(p + 192)), mn_half(p + 208));
        break;
    case MN_IQ4_XS: r.s = mn_small_ints(mn_iq4_xs_scale_bytes(p), mn_half(p)); break;
    case MN_MXFP4:
        r.s = mn_8(_mm256_setr_ps(
            mn_half_e8m0(p[0]), mn_half_e8m0(p[17]), mn_half_e8m0(p[34]), mn_half_e8m0(p[51]),
            mn_half_e8m0(p[68]), mn_half_e8m0(p[85]), mn_half_e8m0(p[102]),
            mn_half_e8m0(p[119])));
        break;
    case MN_IQ2_XXS: case MN_IQ3_XXS: case MN_IQ3_S: case MN_IQ1_S: {
        mn_odd_scales odd = mn_iq_scales(kind, p);
        r.s = mn_small_ints(odd.bytes[0], odd.unit);
        break;
    }
    case MN_IQ2_XS: case MN_IQ2_S: case MN_IQ1_M: {
        mn_odd_scales odd = mn_iq_scales(kind, p);
        __m128i bytes = _mm_set_epi64x((long long)odd.bytes[1], (long long)odd.bytes[0]);
        r.s = mn_scaled_bytes(bytes, odd.unit);
        break;
    }
    case MN_TQ1_0: r.s = _mm512_set1_ps(mn_half(p + 52)); break;
    case MN_TQ2_0: r.s = _mm512_set1_ps(mn_half(p + 64)); break;
    default: __builtin_unreachable();
    }
    return r;
}

/* ---- scale planes (the MLX formats) ------------------------------------------------- */

MN_INLINE __m512 mn_plane_16(const uint8_t *plane, int type, int64_t at, int64_t n)
{
    __mmask16 k = n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
    if (type == MN_F32) return _mm512_maskz_loadu_ps(k, plane + 4 * at);
    __m256i h = _mm256_maskz_loadu_epi16(k, plane + 2 * at);
    if (type == MN_F16) return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* An affine plane as f32 per 32 columns.  Writes up to 63 values past the last. */
MN_INLINE void mn_affine_plane(const uint8_t *plane, int type, int group, int64_t cols,
                               float *out)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int times = group / 32, log = times == 4 ? 2 : times == 2;
    int64_t n = cols / group;
    for (int64_t g = 0; g < n; g += 16) {
        __m512 v = mn_plane_16(plane, type, g, n - g);
        for (int t = 0; t < times; t++, out += 16) {
            __m512i from = _mm512_add_epi32(lane, _mm512_set1_epi32(16 * t));
            _mm512_storeu_ps(out, _mm512_permutexvar_ps(_mm512_srli_epi32(from, log), v));
        }
    }
}

/* A row's planes as f32, one value per mn_group() columns; zeros up to the next multiple
 * of 256 columns.  s and m have room for 64 floats more than that.  Affine biases are those
 * of codes less mn_zero(). */
MN_INLINE void mn_row_planes(int kind, const mn_weight *w, int64_t row, float *s, float *m)
{
    const uint8_t *scales = w->scales + row * (int64_t)w->scale_row_bytes;
    if (kind >= MN_KIND_AFFINE2) {
        const uint8_t *biases = w->biases + row * (int64_t)w->scale_row_bytes;
        mn_affine_plane(scales, w->scale_type, w->group, w->cols, s);
        mn_affine_plane(biases, w->scale_type, w->group, w->cols, m);
        const __m512 zero = _mm512_set1_ps((float)mn_zero(kind));
        for (int64_t g = 0; g < w->cols / 32; g += 16)
            _mm512_storeu_ps(m + g, _mm512_fmadd_ps(_mm512_loadu_ps(s + g), zero,
                                                    _mm512_loadu_ps(m + g)));
        return;
    }
    int64_t n = w->cols / mn_group(kind);
    for (int64_t g = 0; g < n; g++)
        s[g] = kind == MN_MLX_MXFP4 ? mn_half_e8m0(scales[g]) : mn_half_e4m3(scales[g]);
    for (int64_t g = n; g % (MN_STEP / mn_group(kind)); g++) s[g] = 0;
}

/* Scales and minima of the step of 256 columns at p: from the block itself, or from a row's
 * planes, which go on to the next step. */
MN_INLINE mn_scales mn_next_scales(int kind, const uint8_t *p, const float **s, const float **m)
{
    if (!mn_has_planes(kind)) return mn_step_scales(kind, p);
    const int groups = MN_STEP / mn_group(kind);
    mn_scales out = { .m = _mm512_setzero_ps() };
    out.s = groups == 16 ? _mm512_loadu_ps(*s) : mn_8(_mm256_loadu_ps(*s));
    if (mn_has_min(kind)) out.m = mn_8(_mm256_loadu_ps(*m));
    *s += groups;
    *m += groups;
    return out;
}

#endif
