/* Matrix products of an executor: y = W x for one token or many, dense or by experts.
 *
 * Inside a pool job every thread calls mn_matmul() with the same arguments; the work is
 * shared among them and all leave together.  One call may serve several weights that read
 * the same activations (q, k and v; gate and up; every expert of a layer).
 *
 *     if (team.thread == 0) mn_pack_set(&pack, x, stride, n_tokens, cols);
 *     mn_job jobs[3] = { mn_job_linear(&q, n, yq, q.w.rows), ... };
 *     mn_matmul(&table, &team, &pack, jobs, 3);               by every thread
 *
 * (1) Kernels want the activations in forms of their own (8-bit with scales, bf16).  A
 *     pack holds those forms; mn_matmul() makes what its jobs need and is not there yet, so
 *     a second call with the same pack finds them ready.  x must not change meanwhile.
 * (2) With mn_cpu.precise, and with "ref", products are exact decodings times f32.
 * (3) No memory is allocated: packs and scratch are the caller's, sized by the functions
 *     below, aligned to 64 bytes.
 * (4) Both ends of mn_matmul() are barriers: what any thread wrote before the call (x, the
 *     pack, the jobs) is seen by all inside, and y is complete for all after it.
 * (5) Shapes were checked when the plan was bound; nothing is checked here.
 */
#ifndef MN_BACKEND_NATIVE_CPU_MATMUL_H
#define MN_BACKEND_NATIVE_CPU_MATMUL_H

#include "backend/native/cpu/cpu.h"
#include "base/pool.h"
#include "model/plan.h"

enum { MN_ALIGN = 64 };         /* of packs and scratch */

/* One thread inside a pool job. */
typedef struct {
    mn_pool *pool;
    int thread, n_threads;
    void *scratch;              /* this thread's own, mn_matmul_scratch_bytes() */
} mn_team;

/* Activations x[n_tokens, cols] and the forms of them that kernels have asked for. */
typedef struct {
    const float *x;
    int64_t stride;             /* floats from one token to the next */
    int32_t n_tokens;
    int64_t cols;
    uint32_t ready;             /* forms made so far */
    uint8_t *memory;            /* holds the forms */
    size_t memory_bytes;
} mn_pack;

/* Bytes that a pack needs for n_tokens x cols or anything smaller in both. */
size_t mn_pack_bytes(int32_t n_tokens, int64_t cols);
/* The same with room for tiles of experts' tokens: n_lists lists, n_list_tokens in all of
 * them.  Where that is missing, or too small, their products are right but slower. */
size_t mn_pack_bytes_lists(int32_t n_tokens, int64_t cols, int32_t n_list_tokens,
                           int32_t n_lists);
void mn_pack_init(mn_pack *p, void *memory, size_t memory_bytes);
/* New activations: nothing is ready any more.  By one thread. */
void mn_pack_set(mn_pack *p, const float *x, int64_t stride, int32_t n_tokens, int64_t cols);

/* y[i, r] = scale * row_scale[r] * (W[expert] x[token i])[r] + bias[r] */
typedef struct {
    const mn_weight *w;
    int64_t expert;
    const float *bias, *row_scale;      /* [rows] or NULL */
    float scale;                        /* 0 = 1 */
    const int32_t *tokens;              /* [n_tokens] rows of the pack; NULL: */
    int32_t first_token;                /* n_tokens rows from this one on */
    int32_t n_tokens;                   /* 0: nothing to do */
    float *y;                           /* row i for the i-th token of this job */
    int64_t y_stride;
} mn_job;

static inline mn_job mn_job_linear(const mn_linear *l, int32_t n_tokens, float *y,
                                   int64_t y_stride)
{
    return (mn_job){ .w = &l->w, .bias = l->bias, .row_scale = l->row_scale,
                     .scale = l->scale, .n_tokens = n_tokens, .y = y, .y_stride = y_stride };
}

/* An expert of a stack, for the tokens routed to it. */
static inline mn_job mn_job_expert(const mn_weight *stack, int64_t expert, const float *bias,
                                   const int32_t *tokens, int32_t n_tokens, float *y,
                                   int64_t y_stride)
{
    return (mn_job){ .w = stack, .expert = expert, .bias = bias, .tokens = tokens,
                     .n_tokens = n_tokens, .y = y, .y_stride = y_stride };
}

/* ---- the function table ------------------------------------------------------------- */

/* Rows [row, row + n_rows) of one job, whose weight is one matrix (expert 0) and whose
 * tokens, for a tiled form, are those of the tiles from first_token / 16 on. */
typedef void mn_matmul_fn(const mn_pack *pack, const mn_job *job, int64_t row, int n_rows,
                          void *scratch);

typedef struct {
    mn_matmul_fn *run;
    uint8_t form;               /* of the activations: MN_FORM_* */
    int16_t rows;               /* rows per piece of work; multiples of this from row 0 on */
    int16_t most;               /* pieces that one call may take together; 0: 1 */
} mn_kernel;

enum { MN_MOST_PIECES = 9 };

enum {
    MN_FORM_F32 = 0, MN_FORM_INT8 = 1, MN_FORM_BF16 = 2, MN_FORM_TILES = 4,
    MN_FORMS_TILED = MN_FORM_BF16 | MN_FORM_TILES       /* by 16 tokens */
};

/* Formats as kernels tell them apart: mn_wtype, and MLX affine by bits. */
enum {
    MN_KIND_AFFINE2 = MN_N_WTYPES, MN_KIND_AFFINE3, MN_KIND_AFFINE4, MN_KIND_AFFINE5,
    MN_KIND_AFFINE6, MN_KIND_AFFINE8, MN_N_KINDS
};
int mn_matmul_kind(const mn_weight *w);

typedef struct {
    mn_kernel one[MN_N_KINDS];          /* 1 token */
    mn_kernel few[MN_N_KINDS];          /* 2 .. many_from - 1 */
    mn_kernel many[MN_N_KINDS];
    int16_t many_from[MN_N_KINDS];
    /* Makers of activation forms: of token rows [first, first + n) of a pack, and of a tile
     * of n (at most 16) tokens. */
    void (*make_int8)(const mn_pack *pack, int32_t first, int32_t n);
    void (*make_bf16)(const mn_pack *pack, const int32_t *tokens, int n, int64_t tile);
    void (*make_tiles)(const mn_pack *pack, const int32_t *tokens, int n, int64_t tile);
} mn_matmul_table;

void mn_matmul_init(mn_matmul_table *out, const mn_cpu *cpu);
/* The kernel that a job gets. */
const mn_kernel *mn_matmul_choose(const mn_matmul_table *table, const mn_job *job);
/* Bytes of scratch per thread, whatever the shapes. */
size_t mn_matmul_scratch_bytes(void);

/* Collective.  All jobs read `pack`; their y must not overlap. */
void mn_matmul(const mn_matmul_table *table, const mn_team *team, mn_pack *pack,
               const mn_job *jobs, int n_jobs);

#endif
