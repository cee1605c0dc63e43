/* Norms over rows of the batch: RMS, layer norm and L2, whole or per group, and the small
 * helpers by which a run hands its activations to the matrix products.
 *
 * Row-wise and without barriers: each thread norms the rows it owns. */
#include "backend/native/native.h"

#include <math.h>
#include <string.h>

/* x / sqrt(sum(x^2) + eps) is an RMS norm of another scale. */
static void l2_norm(const mn_cpu_ops *ops, float *y, const float *x, const float *weight,
                    int32_t n, float eps)
{
    ops->rms_norm(y, x, weight, n, eps / (float)n);
    ops->scaled(y, y, 1.0f / sqrtf((float)n), n);
}

static void norm_group(const mn_cpu_ops *ops, const mn_norm *norm, const float *x, float *y,
                       const float *weight, const float *bias, int32_t n)
{
    switch (norm->kind) {
    case MN_NORM_LAYER: ops->layer_norm(y, x, weight, bias, n, norm->eps); return;
    case MN_NORM_L2: l2_norm(ops, y, x, weight, n, norm->eps); break;
    case MN_NORM_RMS: ops->rms_norm(y, x, weight, n, norm->eps); break;
    case MN_NORM_NONE: return;
    }
    if (bias)
        for (int32_t i = 0; i < n; i++) y[i] += bias[i];
}

void mn_norm_one(const mn_cpu_ops *ops, const mn_norm *norm, const float *x, float *y,
                 int32_t width)
{
    if (norm->kind == MN_NORM_NONE) {
        if (y != x) memmove(y, x, (size_t)width * sizeof *y);
        return;
    }
    int32_t n = norm->n > 0 && norm->n < width ? norm->n : width;
    for (int32_t i = 0; i < width; i += n) {
        int32_t at = norm->per_group_weight ? i : 0;
        norm_group(ops, norm, x + i, y + i, norm->weight ? norm->weight + at : NULL,
                   norm->bias ? norm->bias + at : NULL, n);
    }
}

const float *mn_norm_rows(mn_run *r, const mn_norm *norm, const float *x, float *y,
                          int32_t width, int32_t n)
{
    if (norm->kind == MN_NORM_NONE) return x;
    int32_t t, end;
    mn_run_rows(r, n, &t, &end);
    for (; t < end; t++)
        mn_norm_one(&r->e->ops, norm, x + (int64_t)t * width, y + (int64_t)t * width, width);
    return y;
}

/* ---- matrix products --------------------------------------------------------------- */

void mn_run_pack(mn_run *r, mn_pack *pack, const float *x, int64_t stride, int32_t n,
                 int64_t cols)
{
    if (r->team.thread == 0) mn_pack_set(pack, x, stride, n, cols);
}

void mn_run_matmul(mn_run *r, mn_pack *pack, const mn_job *jobs, int n_jobs)
{
    mn_matmul(&r->e->matmul, &r->team, pack, jobs, n_jobs);
}

void mn_run_linear(mn_run *r, const mn_linear *l, mn_pack *pack, const float *x, int32_t n,
                   float *y)
{
    mn_run_pack(r, pack, x, l->w.cols, n, l->w.cols);
    mn_job job = mn_job_linear(l, n, y, l->w.rows);
    mn_run_matmul(r, pack, &job, 1);
}

void mn_needs_pack(mn_needs *needs, int64_t n_tokens, int64_t cols)
{
    mn_needs_pack_lists(needs, n_tokens, cols, 0, 0);
}

void mn_needs_pack_lists(mn_needs *needs, int64_t n_tokens, int64_t cols, int64_t n_list_tokens,
                         int64_t n_lists)
{
    size_t bytes = mn_pack_bytes_lists((int32_t)n_tokens, cols, (int32_t)n_list_tokens,
                                       (int32_t)n_lists);
    if (bytes > needs->pack_bytes) needs->pack_bytes = bytes;
}
