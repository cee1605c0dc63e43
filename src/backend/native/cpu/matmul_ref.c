/* The scalar reference of matrix products, and the exact path of every processor.
 *
 * A row is decoded exactly to f32, a piece of columns at a time, and multiplied with the
 * f32 activations of all tokens.  Sums run in 16 independent lanes over a piece, are added
 * pairwise, and pieces are added in double: NMSE against float64 stays below 1e-12.
 * The outer loop goes over a few rows and pieces so that decoding is done once per row
 * however many tokens there are.
 */
#include "backend/native/cpu/matmul_kernels.h"

enum { PIECE = 2048, LANES = 16, TOKENS = 64 };

static double dot(const float *a, const float *b, int64_t n)
{
    float lane[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) lane[l] += a[i + l] * b[i + l];
    for (int l = 0; i + l < n; l++) lane[l] += a[i + l] * b[i + l];
    for (int step = LANES / 2; step; step /= 2)
        for (int l = 0; l < step; l++) lane[l] += lane[l + step];
    return lane[0];
}

/* y[n_tokens, rows] = W x, W decoded exactly.  Any type, any shape.
 * NMSE against float64 at most 1e-12 (tests/test_kernels.c). */
void mn_matmul_ref(const mn_pack *pack, const mn_job *job, int64_t row, int n_rows,
                   void *scratch)
{
    float *w = scratch;
    int64_t cols = job->w->cols;
    for (int64_t r = row; r < row + n_rows; r++) {
        for (int32_t t0 = 0; t0 < job->n_tokens; t0 += TOKENS) {
            int n = job->n_tokens - t0 < TOKENS ? job->n_tokens - t0 : TOKENS;
            double sum[TOKENS] = { 0 };
            for (int64_t c = 0; c < cols; c += PIECE) {
                int64_t width = cols - c < PIECE ? cols - c : PIECE;
                mn_weight_decode(job->w, 0, r, c, width, w);
                for (int i = 0; i < n; i++) {
                    const float *x = pack->x + mn_job_token(job, t0 + i) * pack->stride;
                    sum[i] += dot(w, x + c, width);
                }
            }
            for (int i = 0; i < n; i++)
                job->y[(t0 + i) * job->y_stride + r] = mn_job_finish(job, r, (float)sum[i]);
        }
    }
}

void mn_matmul_init_ref(mn_matmul_table *t)
{
    for (int k = 0; k < MN_N_KINDS; k++) {
        mn_kernel ref = { mn_matmul_ref, MN_FORM_F32, 8, 1 };
        t->one[k] = t->few[k] = t->many[k] = ref;
        t->many_from[k] = 2;
    }
}
