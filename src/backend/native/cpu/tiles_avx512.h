/* Tiles of 16 x 16 32-bit values: turning them round, and writing results from them.  Shared
 * by the kernels whose accumulators are [row][16 tokens]. */
#ifndef MN_BACKEND_NATIVE_CPU_TILES_AVX512_H
#define MN_BACKEND_NATIVE_CPU_TILES_AVX512_H

#include "backend/native/cpu/matmul_kinds.h"

/* Rows of 16 dwords into columns. */
MN_INLINE void mn_transpose_16(__m512i r[16])
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
        r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
    }
}

/* y of up to 16 rows x 16 tokens from a tile [row][token]. */
static inline void mn_put_tile(const mn_job *job, const float *c, int64_t row, int n_rows, int32_t token,
                     int n_tokens)
{
    __m512i r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(c + 16 * i);
    mn_transpose_16(r);
    __mmask16 k = n_rows >= 16 ? 0xffff : (__mmask16)((1u << n_rows) - 1);
    __m512 scale = _mm512_set1_ps(job->scale != 0 ? job->scale : 1), bias = _mm512_setzero_ps();
    if (job->row_scale)
        scale = _mm512_mul_ps(scale, _mm512_maskz_loadu_ps(k, job->row_scale + row));
    if (job->bias) bias = _mm512_maskz_loadu_ps(k, job->bias + row);
    float *y = job->y + token * job->y_stride + row;
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++, y += job->y_stride)
        if (i < n_tokens)
            _mm512_mask_storeu_ps(y, k, _mm512_fmadd_ps(_mm512_castsi512_ps(r[i]), scale, bias));
}

#endif
