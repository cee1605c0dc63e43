/* What the files of matrix kernels share: the table's init functions and small helpers.
 * Everything with a body is static inline (no copy built for a newer processor may be
 * linked into code for an older one). */
#ifndef MN_BACKEND_NATIVE_CPU_MATMUL_KERNELS_H
#define MN_BACKEND_NATIVE_CPU_MATMUL_KERNELS_H

#include "backend/native/cpu/matmul.h"

/* Each overwrites the entries that it does better. */
void mn_matmul_init_ref(mn_matmul_table *t);

/* The exact kernel, for any type. */
mn_matmul_fn mn_matmul_ref;

enum { MN_SCRATCH_BYTES = 1 << 19 };

/* Row of the pack that holds the i-th token of a job. */
static inline int64_t mn_job_token(const mn_job *job, int32_t i)
{
    return job->tokens ? job->tokens[i] : job->first_token + i;
}

static inline float mn_job_finish(const mn_job *job, int64_t row, float sum)
{
    float y = job->scale != 0 ? sum * job->scale : sum;
    if (job->row_scale) y *= job->row_scale[row];
    return job->bias ? y + job->bias[row] : y;
}

static inline const uint8_t *mn_job_row(const mn_job *job, int64_t row)
{
    return job->w->data + row * job->w->row_bytes;
}

#endif
