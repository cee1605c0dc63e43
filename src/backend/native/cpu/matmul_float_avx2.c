/* Products with f32 activations, AVX2: float weights, and any format on the exact path.
 *
 * As matmul_float_avx512.c: four rows and up to two tokens in one pass over the columns;
 * other formats are decoded to f32 first by the scalar decoder.
 *
 * Sums of 8 lanes in f32: NMSE against float64 below 1e-12 (tests/test_kernels.c).
 */
#include "backend/native/cpu/matmul_kinds.h"

enum { PIECE_ROWS = 28, FEW_PIECES = 3, MAX_TOKENS = 2, PREFETCH_BYTES = 1024 };

MN_INLINE __m256 weights_8(int type, const uint8_t *p)
{
    if (type == MN_F32) return _mm256_loadu_ps((const float *)p);
    __m128i h = _mm_loadu_si128((const __m128i *)p);
    if (type == MN_F16) return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

MN_INLINE void columns_8(int type, int n, const uint8_t *const p[4], const float *const *x,
                         int64_t at, int64_t c, __m256 *acc)
{
    const int size = type == MN_F32 ? 4 : 2;
    __m256 w0 = weights_8(type, p[0] + size * at), w1 = weights_8(type, p[1] + size * at);
    __m256 w2 = weights_8(type, p[2] + size * at), w3 = weights_8(type, p[3] + size * at);
#pragma GCC unroll 2
    for (int i = 0; i < n; i++) {
        __m256 v = _mm256_loadu_ps(x[i] + c);
        acc[4 * i] = _mm256_fmadd_ps(w0, v, acc[4 * i]);
        acc[4 * i + 1] = _mm256_fmadd_ps(w1, v, acc[4 * i + 1]);
        acc[4 * i + 2] = _mm256_fmadd_ps(w2, v, acc[4 * i + 2]);
        acc[4 * i + 3] = _mm256_fmadd_ps(w3, v, acc[4 * i + 3]);
    }
}

MN_INLINE float horizontal_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* y[n][4]: four rows times n tokens. */
MN_INLINE void pass(int type, int n, int64_t cols, const uint8_t *const p[4],
                    const float *const *x, float *y)
{
    const int size = type == MN_F32 ? 4 : 2;
    __m256 acc[4 * MAX_TOKENS];
#pragma GCC unroll 8
    for (int i = 0; i < 4 * n; i++) acc[i] = _mm256_setzero_ps();
    int64_t c = 0;
    for (; c + 8 <= cols; c += 8) {
        columns_8(type, n, p, x, c, c, acc);
        if (c % 16 == 0)
            for (int r = 0; r < 4; r++)
                _mm_prefetch((const char *)p[r] + size * c + PREFETCH_BYTES, _MM_HINT_T0);
    }
    if (c < cols) {                     /* the last columns, with zeros */
        uint8_t w[4][32] = { 0 };
        float v[MAX_TOKENS][8] = { 0 };
        const uint8_t *pw[4] = { w[0], w[1], w[2], w[3] };
        const float *pv[MAX_TOKENS] = { v[0], v[1] };
        for (int r = 0; r < 4; r++) memcpy(w[r], p[r] + size * c, (size_t)((cols - c) * size));
        for (int i = 0; i < n; i++) memcpy(v[i], x[i] + c, (size_t)(cols - c) * sizeof(float));
        columns_8(type, n, pw, pv, 0, 0, acc);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 4 * n; i++) y[i] = horizontal_sum(acc[i]);
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
    for (; n - t >= 2; t += 2) rows(type, 2, pack, job, t, row, n_rows, data, stride);
    if (n - t == 1) rows(type, 1, pack, job, t, row, n_rows, data, stride);
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
        for (int i = 0; i < n; i++)
            mn_weight_decode(w, 0, r + i, 0, w->cols, out + i * w->cols);
        all_tokens(MN_F32, pack, job, r, n, scratch, w->cols * 4);
    }
}

void mn_matmul_init_float_avx2(mn_matmul_table *t)
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
