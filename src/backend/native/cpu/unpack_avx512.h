/* Reading quantised rows with AVX-512: 64 weights at a time as bytes in natural order.
 *
 * All block formats are walked in steps of 256 columns, which every format's blocks divide
 * or are; a row's last step may be shorter, and its caller hands over a zero-padded copy.
 * A format is, per step: mn_step_bytes(), mn_codes() for each of the four 64-column parts,
 * and mn_step_scales(), or mn_row_planes() per row.  The decoded weight is
 *
 *     w[c] = s[c / group] * (code[c] - zero) + m[c / group]       code 0..255
 *
 * with group 32 (or 16, mn_group()).  `kind` is a constant wherever these are called, so
 * every switch below vanishes.  Layouts: tensor/quant.h, tensor/weight.h.
 */
#ifndef MN_BACKEND_NATIVE_CPU_UNPACK_AVX512_H
#define MN_BACKEND_NATIVE_CPU_UNPACK_AVX512_H

#include "backend/native/cpu/matmul_kernels.h"
#include "tensor/iq_grids.h"
#include "tensor/quant.h"

#include <immintrin.h>
#include <math.h>

#define MN_INLINE static inline __attribute__((always_inline))

enum { MN_STEP = 256, MN_STEP_BYTES_MAX = 272 };

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
    case MN_MLX_MXFP4: case MN_MLX_NVFP4: case MN_KIND_AFFINE4: return 128;
    case MN_KIND_AFFINE2: return 64;
    case MN_KIND_AFFINE3: return 96;
    case MN_KIND_AFFINE5: return 160;
    case MN_KIND_AFFINE6: return 192;
    case MN_KIND_AFFINE8: return 256;
    default: __builtin_unreachable();
    }
}

/* The code that stands for 0. */
MN_INLINE int mn_zero(int kind)
{
    switch (kind) {
    case MN_Q4_0: return 8;
    case MN_Q5_0: return 16;
    case MN_Q3_K: return 4;
    case MN_Q6_K: return 32;
    case MN_Q8_0: case MN_IQ4_NL: case MN_IQ4_XS: return 128;
    case MN_MXFP4: case MN_MLX_MXFP4: case MN_MLX_NVFP4: return 12;
    default: return 0;
    }
}

/* Columns per scale (scale planes are spread to this). */
MN_INLINE int mn_group(int kind)
{
    switch (kind) {
    case MN_Q2_K: case MN_Q3_K: case MN_Q6_K: case MN_MLX_NVFP4: return 16;
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

/* Scales and minima of one step: 8 values (groups of 32) or 16, the rest is undefined. */
typedef struct { __m512 s, m; } mn_scales;

MN_INLINE __m512 mn_8(__m256 v) { return _mm512_castps256_ps512(v); }

MN_INLINE mn_scales mn_scales_k4(const uint8_t *p)
{
    uint32_t a = mn_load_u32(p + 4), b = mn_load_u32(p + 8), c = mn_load_u32(p + 12);
    uint64_t sc = (a & 0x3f3f3f3f) |
                  (uint64_t)((c & 0x0f0f0f0f) | (a >> 2 & 0x30303030)) << 32;
    uint64_t mn = (b & 0x3f3f3f3f) |
                  (uint64_t)((c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)) << 32;
    __m256 d = _mm256_set1_ps(mn_half(p)), dmin = _mm256_set1_ps(-mn_half(p + 2));
    __m256i s8 = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)sc));
    __m256i m8 = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)mn));
    return (mn_scales){ mn_8(_mm256_mul_ps(_mm256_cvtepi32_ps(s8), d)),
                        mn_8(_mm256_mul_ps(_mm256_cvtepi32_ps(m8), dmin)) };
}

MN_INLINE __m512 mn_scaled_bytes(__m128i bytes, float d)
{
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), _mm512_set1_ps(d));
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
    case MN_Q4_K: case MN_Q5_K: return mn_scales_k4(p);
    case MN_Q6_K:
        r.s = mn_scaled_bytes(_mm_loadu_si128((const __m128i *)(p + 192)), mn_half(p + 208));
        break;
    case MN_IQ4_XS: {
        uint32_t low = mn_load_u32(p + 4), high = mn_load_u16(p + 2);
        __m256i l = _mm256_srlv_epi32(_mm256_set1_epi32((int)low),
                                      _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28));
        __m256i h = _mm256_srlv_epi32(_mm256_set1_epi32((int)high),
                                      _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
        l = _mm256_and_si256(l, _mm256_set1_epi32(15));
        h = _mm256_slli_epi32(_mm256_and_si256(h, _mm256_set1_epi32(3)), 4);
        l = _mm256_sub_epi32(_mm256_or_si256(l, h), _mm256_set1_epi32(32));
        r.s = mn_8(_mm256_mul_ps(_mm256_cvtepi32_ps(l), _mm256_set1_ps(mn_half(p))));
        break;
    }
    case MN_MXFP4: {
        float s[8];
        for (int b = 0; b < 8; b++) s[b] = mn_half_e8m0(p[17 * b]);
        r.s = mn_8(_mm256_loadu_ps(s));
        break;
    }
    default: __builtin_unreachable();
    }
    return r;
}

/* ---- scale planes (the MLX formats) ------------------------------------------------- */

MN_INLINE bool mn_has_planes(int kind)
{
    return kind >= MN_KIND_AFFINE2 || kind == MN_MLX_MXFP4 || kind == MN_MLX_NVFP4;
}

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
 * of 256 columns.  s and m have room for 64 floats more than that. */
MN_INLINE void mn_row_planes(int kind, const mn_weight *w, int64_t row, float *s, float *m)
{
    const uint8_t *scales = w->scales + row * (int64_t)w->scale_row_bytes;
    if (kind >= MN_KIND_AFFINE2) {
        const uint8_t *biases = w->biases + row * (int64_t)w->scale_row_bytes;
        mn_affine_plane(scales, w->scale_type, w->group, w->cols, s);
        mn_affine_plane(biases, w->scale_type, w->group, w->cols, m);
        return;
    }
    int64_t n = w->cols / mn_group(kind);
    for (int64_t g = 0; g < n; g++)
        s[g] = kind == MN_MLX_MXFP4 ? mn_half_e8m0(scales[g]) : mn_half_e4m3(scales[g]);
    for (int64_t g = n; g % (MN_STEP / mn_group(kind)); g++) s[g] = 0;
}

#endif
