/* The part of mn_cpu_ops that multiplies bf16 pairs (AVX512_BF16): attention of the fast
 * path.  vdpbf16ps adds two products per lane and instruction.
 *
 * A pair is two neighbours of the inner dimension in one 32-bit lane, the first in the low
 * half.  Two rows of 16 floats become 16 pairs by adding half a bf16 unit to both (round to
 * nearest, ties away), shifting the first down and keeping the high half of the second. */
#include "backend/native/cpu/ops.h"

#include <immintrin.h>
#include <stddef.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { ROWS = 12, LANES = 16 };

ALWAYS_INLINE __m512 load_n(const float *p, int32_t n)
{
    return n >= LANES ? _mm512_loadu_ps(p)
                      : _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

ALWAYS_INLINE void store_n(float *p, __m512 x, int32_t n)
{
    if (n >= LANES) _mm512_storeu_ps(p, x);
    else _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), x);
}

ALWAYS_INLINE __m512bh pairs_n(const uint32_t *p, int32_t n)
{
    return (__m512bh)(n >= LANES ? _mm512_loadu_si512(p)
                                 : _mm512_maskz_loadu_epi32((__mmask16)((1u << n) - 1), p));
}

/* `rows` rows (a constant) by `cols` columns, at most two vectors. */
ALWAYS_INLINE void tile(const int rows, float *c, int32_t ldc, const float *keep,
                        const uint32_t *a, int32_t lda, const uint32_t *b, int32_t ldb,
                        int32_t n_pairs, int32_t cols)
{
    __m512 s0[ROWS], s1[ROWS];
    int32_t right = cols - LANES;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) s0[r] = s1[r] = _mm512_setzero_ps();
    for (int32_t i = 0; i < n_pairs; i++, b += ldb) {
        __m512bh b0 = pairs_n(b, cols);
        __m512bh b1 = (__m512bh)_mm512_setzero_si512();
        if (right > 0) b1 = pairs_n(b + LANES, right);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)a[(ptrdiff_t)r * lda + i]);
            s0[r] = _mm512_dpbf16_ps(s0[r], x, b0);
            if (right > 0) s1[r] = _mm512_dpbf16_ps(s1[r], x, b1);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
        float *to = c + (ptrdiff_t)r * ldc;
        if (keep) {
            __m512 f = _mm512_set1_ps(keep[r]);
            s0[r] = _mm512_fmadd_ps(f, load_n(to, cols), s0[r]);
            if (right > 0) s1[r] = _mm512_fmadd_ps(f, load_n(to + LANES, right), s1[r]);
        }
        store_n(to, s0[r], cols);
        if (right > 0) store_n(to + LANES, s1[r], right);
    }
}

ALWAYS_INLINE void strip(const int32_t cols, float *c, int32_t ldc, const float *keep,
                         const uint32_t *a, int32_t lda, const uint32_t *b, int32_t ldb,
                         int32_t n_rows, int32_t n_pairs)
{
    while (n_rows > 0) {
        int n = n_rows >= ROWS ? ROWS : n_rows >= 4 ? 4 : 1;
        if (n == ROWS) tile(ROWS, c, ldc, keep, a, lda, b, ldb, n_pairs, cols);
        else if (n == 4) tile(4, c, ldc, keep, a, lda, b, ldb, n_pairs, cols);
        else tile(1, c, ldc, keep, a, lda, b, ldb, n_pairs, cols);
        n_rows -= n;
        c += (ptrdiff_t)n * ldc;
        a += (ptrdiff_t)n * lda;
        if (keep) keep += n;
    }
}

void mn_product_bf16_avx512(float *c, int32_t ldc, const float *keep, const uint32_t *a,
                            int32_t lda, const uint32_t *b, int32_t ldb, int32_t n_rows,
                            int32_t n_pairs, int32_t n_cols)
{
    int32_t j = 0;
    for (; j + 2 * LANES <= n_cols; j += 2 * LANES)
        strip(2 * LANES, c + j, ldc, keep, a, lda, b + j, ldb, n_rows, n_pairs);
    if (j < n_cols) strip(n_cols - j, c + j, ldc, keep, a, lda, b + j, ldb, n_rows, n_pairs);
}

ALWAYS_INLINE __m512i pair(__m512 low, __m512 high)
{
    const __m512i half = _mm512_set1_epi32(0x8000);
    __m512i l = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(low), half), 16);
    __m512i h = _mm512_add_epi32(_mm512_castps_si512(high), half);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, l, h);
}

static void pair_rows(uint32_t *out, const float *in, int32_t n_rows, int32_t width)
{
    for (int32_t i = 0; i < n_rows; i += 2, in += 2 * width, out += width) {
        for (int32_t j = 0; j < width; j += LANES) {
            int32_t n = width - j;
            __m512 high = i + 1 < n_rows ? load_n(in + width + j, n) : _mm512_setzero_ps();
            store_n((float *)out + j, _mm512_castsi512_ps(pair(load_n(in + j, n), high)), n);
        }
    }
}

ALWAYS_INLINE __m512 half_n(const uint16_t *p, int32_t n)
{
    return _mm512_cvtph_ps(n >= LANES ? _mm256_loadu_si256((const __m256i *)p)
                                      : _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
}

static void pair_rows_f16(uint32_t *out, const uint16_t *in, int32_t n_rows, int32_t width)
{
    for (int32_t i = 0; i < n_rows; i += 2, in += 2 * width, out += width) {
        for (int32_t j = 0; j < width; j += LANES) {
            int32_t n = width - j;
            __m512 high = i + 1 < n_rows ? half_n(in + width + j, n) : _mm512_setzero_ps();
            store_n((float *)out + j, _mm512_castsi512_ps(pair(half_n(in + j, n), high)), n);
        }
    }
}

static void to_bf16(uint16_t *out, const float *in, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_si256((__m256i *)(out + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(in + i)));
    for (; i < n; i++) out[i] = mn_f32_to_bf16(in[i]);
}

void mn_cpu_ops_init_bf16_avx512(mn_cpu_ops *out)
{
    out->product_bf16 = mn_product_bf16_avx512;
    out->pair_rows = pair_rows;
    out->pair_rows_f16 = pair_rows_f16;
    out->to_bf16 = to_bf16;
}
