/* Products with f32 activations, AVX-512: float weights, and any format on the exact path.
 *
 * Four rows and up to four tokens are multiplied in one pass over the columns: 16
 * accumulators, 8 loads for 16 multiply-adds, nothing packed.  F16 and BF16 rows are
 * widened as they are read.  Other formats are decoded to f32 first, some rows at a time:
 * E4M3 by vectors, everything else by the scalar decoder (exact, and slow for one token).
 *
 * Sums of 16 lanes in f32: NMSE against float64 below 1e-12 (tests/test_kernels.c).
 */
#include "backend/native/cpu/decode_bf16_avx512.h"

enum { PIECE_ROWS = 28, FEW_PIECES = 3, MAX_TOKENS = 4, PREFETCH_BYTES = 1024 };

MN_INLINE __m512 weights_16(int type, const uint8_t *p, __mmask16 k)
{
    if (type == MN_F32) return _mm512_maskz_loadu_ps(k, p);
    __m256i h = _mm256_maskz_loadu_epi16(k, p);
    if (type == MN_F16) return _mm512_cvtph_ps(h);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

MN_INLINE void columns_16(int type, int n, const uint8_t *const p[4], const float *const *x,
                          int64_t c, __mmask16 k, __m512 *acc)
{
    const int size = type == MN_F32 ? 4 : 2;
    __m512 w0 = weights_16(type, p[0] + size * c, k), w1 = weights_16(type, p[1] + size * c, k);
    __m512 w2 = weights_16(type, p[2] + size * c, k), w3 = weights_16(type, p[3] + size * c, k);
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) {
        __m512 v = _mm512_maskz_loadu_ps(k, x[i] + c);
        acc[4 * i] = _mm512_fmadd_ps(w0, v, acc[4 * i]);
        acc[4 * i + 1] = _mm512_fmadd_ps(w1, v, acc[4 * i + 1]);
        acc[4 * i + 2] = _mm512_fmadd_ps(w2, v, acc[4 * i + 2]);
        acc[4 * i + 3] = _mm512_fmadd_ps(w3, v, acc[4 * i + 3]);
    }
}

/* y[n][4]: four rows times n tokens. */
MN_INLINE void pass(int type, int n, int64_t cols, const uint8_t *const p[4],
                    const float *const *x, float *y)
{
    const int size = type == MN_F32 ? 4 : 2;
    __m512 acc[4 * MAX_TOKENS];
#pragma GCC unroll 16
    for (int i = 0; i < 4 * n; i++) acc[i] = _mm512_setzero_ps();
    int64_t c = 0;
    for (; c + 16 <= cols; c += 16) {
        columns_16(type, n, p, x, c, 0xffff, acc);
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++)
            _mm_prefetch((const char *)p[r] + size * c + PREFETCH_BYTES, _MM_HINT_T0);
    }
    if (c < cols) columns_16(type, n, p, x, c, (__mmask16)((1u << (cols - c)) - 1), acc);
#pragma GCC unroll 16
    for (int i = 0; i < 4 * n; i++) y[i] = _mm512_reduce_add_ps(acc[i]);
}

/* n tokens from `first` on, rows that lie at data + i * stride. */
MN_INLINE void rows(int type, int n, const mn_pack *pack, const mn_job *job, int32_t first,
                    int64_t row, int n_rows, const uint8_t *data, int64_t stride)
{
    const float *x[MAX_TOKENS];
    int left = job->n_tokens - first, each = (n_rows + 3) / 4;
    for (int i = 0; i < n; i++)
        x[i] = pack->x + mn_job_token(job, i < left ? first + i : job->n_tokens - 1) * pack->stride;
    for (int at = 0; at < each; at++) {
        const uint8_t *p[4];
        int64_t r4[4];
        float y[4 * MAX_TOKENS];
        for (int r = 0; r < 4; r++) {
            int i = at + r * each;
            r4[r] = i < n_rows ? i : n_rows - 1;
            p[r] = data + r4[r] * stride;
        }
        pass(type, n, job->w->cols, p, x, y);
        for (int i = 0; i < n && i < left; i++)
            for (int r = 0; r < 4; r++)
                job->y[(first + i) * job->y_stride + row + r4[r]] =
                    mn_job_finish(job, row + r4[r], y[4 * i + r]);
    }
}

MN_INLINE void all_tokens(int type, const mn_pack *pack, const mn_job *job, int64_t row,
                          int n_rows, const uint8_t *data, int64_t stride)
{
    int32_t t = 0, n = job->n_tokens;
    for (; n - t > 2; t += 4) rows(type, 4, pack, job, t, row, n_rows, data, stride);
    if (n - t == 2) rows(type, 2, pack, job, t, row, n_rows, data, stride);
    else if (n - t == 1) rows(type, 1, pack, job, t, row, n_rows, data, stride);
}

#define STORED(name, type) \
    static void name(const mn_pack *pack, const mn_job *job, int64_t row, int n_rows, \
                     void *scratch) \
    { \
        all_tokens(type, pack, job, row, n_rows, mn_job_row(job, row), \
                   (int64_t)job->w->row_bytes); \
    }
STORED(stored_f32, MN_F32)
STORED(stored_f16, MN_F16)
STORED(stored_bf16, MN_BF16)

/* ---- decoded rows ------------------------------------------------------------------- */

static void decode_e4m3(const mn_weight *w, int64_t row, float *out)
{
    const uint8_t *p = w->data + row * (int64_t)w->row_bytes;
    int64_t group = w->group ? w->group : w->cols;
    for (int64_t c = 0, g = 0; c < w->cols; c += group, g++) {
        int64_t end = c + group < w->cols ? c + group : w->cols;
        __m512 scale = _mm512_set1_ps(mn_e4m3_scale(w, row, g));
        for (int64_t i = c; i < end; i += 16) {
            __mmask16 k = mn_first(end - i);
            _mm512_mask_storeu_ps(out + i, k, _mm512_mul_ps(mn_e4m3_16(p + i, k), scale));
        }
    }
}

/* As many rows as fit are decoded, then multiplied with all tokens. */
static void decoded(const mn_pack *pack, const mn_job *job, int64_t row, int n_rows,
                    void *scratch)
{
    const mn_weight *w = job->w;
    int64_t fit = MN_SCRATCH_BYTES / 4 / (w->cols ? w->cols : 1);
    if (fit == 0) {
        mn_matmul_ref(pack, job, row, n_rows, scratch);
        return;
    }
    float *out = scratch;
    for (int64_t r = row, end = row + n_rows; r < end; r += fit) {
        int n = end - r < fit ? (int)(end - r) : (int)fit;
        for (int i = 0; i < n; i++) {
            if (w->type == MN_F8_E4M3 || w->type == MN_MLX_MXFP8)
                decode_e4m3(w, r + i, out + i * w->cols);
            else
                mn_weight_decode(w, 0, r + i, 0, w->cols, out + i * w->cols);
        }
        all_tokens(MN_F32, pack, job, r, n, scratch, w->cols * 4);
    }
}

void mn_matmul_init_float_avx512(mn_matmul_table *t)
{
    for (int k = 0; k < MN_N_KINDS; k++) {
        mn_matmul_fn *run = k == MN_F32    ? stored_f32
                            : k == MN_F16  ? stored_f16
                            : k == MN_BF16 ? stored_bf16
                                           : decoded;
        t->one[k] = (mn_kernel){ run, MN_FORM_F32, PIECE_ROWS, MN_MOST_PIECES };
        t->few[k] = t->many[k] = (mn_kernel){ run, MN_FORM_F32, PIECE_ROWS, FEW_PIECES };
    }
}
