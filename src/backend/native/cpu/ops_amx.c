/* The bf16 products of attention on AMX tiles: sixteen rows by sixteen columns, sixteen
 * pairs deep, in one instruction.
 *
 * Shapes need not be multiples of sixteen, for a tile is as high and wide as it is
 * configured to be: tiles 0 and 1 are sums, 2 to 4 whole steps of the inner dimension, 5 to
 * 7 its rest.  Widths that are no multiple of 16 go to the AVX-512 version.
 *
 * (1) The configuration is set and released inside each call. */
#include "backend/native/cpu/ops.h"
#include "backend/native/cpu/tiles_amx.h"

#include <immintrin.h>
#include <stddef.h>

enum { SIDE = 16 };

static void configure(int32_t rows, int32_t rest)
{
    mn_tile_config config = { .palette = 1 };
    for (int i = 0; i < 5; i++) config.row_bytes[i] = 64;
    config.rows[0] = config.rows[1] = config.rows[2] = (uint8_t)rows;
    config.rows[3] = config.rows[4] = SIDE;
    if (rest) {
        config.rows[5] = (uint8_t)rows;
        config.row_bytes[5] = (uint16_t)(4 * rest);
        config.rows[6] = config.rows[7] = (uint8_t)rest;
        config.row_bytes[6] = config.row_bytes[7] = 64;
    }
    mn_tile_load_config(&config);
}

/* At most SIDE rows by one or two tiles of columns. */
static void block(float *c, int32_t ldc, bool add, const uint32_t *a, int32_t lda,
                  const uint32_t *b, int32_t ldb, int32_t n_pairs, bool two)
{
    size_t c_step = (size_t)ldc * 4, a_step = (size_t)lda * 4, b_step = (size_t)ldb * 4;
    _tile_zero(0);
    _tile_zero(1);
    if (add) {
        _tile_loadd(0, c, c_step);
        if (two) _tile_loadd(1, c + SIDE, c_step);
    }
    int32_t i = 0;
    for (; i + SIDE <= n_pairs; i += SIDE) {
        const uint32_t *from = b + (ptrdiff_t)i * ldb;
        _tile_loadd(2, a + i, a_step);
        _tile_loadd(3, from, b_step);
        _tile_dpbf16ps(0, 2, 3);
        if (!two) continue;
        _tile_loadd(4, from + SIDE, b_step);
        _tile_dpbf16ps(1, 2, 4);
    }
    if (i < n_pairs) {
        const uint32_t *from = b + (ptrdiff_t)i * ldb;
        _tile_loadd(5, a + i, a_step);
        _tile_loadd(6, from, b_step);
        _tile_dpbf16ps(0, 5, 6);
        if (two) {
            _tile_loadd(7, from + SIDE, b_step);
            _tile_dpbf16ps(1, 5, 7);
        }
    }
    _tile_stored(0, c, c_step);
    if (two) _tile_stored(1, c + SIDE, c_step);
}

/* Maxima change rarely once a few pages were seen; then keep is exactly 1. */
static void scale_rows(float *c, int32_t ldc, const float *keep, int32_t n_rows, int32_t n_cols)
{
    for (int32_t r = 0; r < n_rows; r++, c += ldc) {
        if (keep[r] == 1.0f) continue;
        __m512 f = _mm512_set1_ps(keep[r]);
        for (int32_t j = 0; j < n_cols; j += SIDE)
            _mm512_storeu_ps(c + j, _mm512_mul_ps(f, _mm512_loadu_ps(c + j)));
    }
}

static void product_bf16(float *c, int32_t ldc, const float *keep, const uint32_t *a,
                         int32_t lda, const uint32_t *b, int32_t ldb, int32_t n_rows,
                         int32_t n_pairs, int32_t n_cols)
{
    if (n_cols % SIDE) {
        mn_product_bf16_avx512(c, ldc, keep, a, lda, b, ldb, n_rows, n_pairs, n_cols);
        return;
    }
    if (keep) scale_rows(c, ldc, keep, n_rows, n_cols);
    for (int32_t r = 0; r < n_rows; r += SIDE) {
        int32_t rows = n_rows - r < SIDE ? n_rows - r : SIDE;
        if (r == 0 || rows < SIDE) configure(rows, n_pairs % SIDE);
        for (int32_t j = 0; j < n_cols; j += 2 * SIDE)
            block(c + (ptrdiff_t)r * ldc + j, ldc, keep != NULL, a + (ptrdiff_t)r * lda, lda,
                  b + j, ldb, n_pairs, n_cols - j > SIDE);
    }
    _tile_release();
}

void mn_cpu_ops_init_amx(mn_cpu_ops *out) { out->product_bf16 = product_bf16; }
