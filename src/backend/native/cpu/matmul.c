/* Sharing matrix products among threads; see matmul.h.
 *
 * Every job is cut into pieces of the rows that its kernel likes; pieces of all jobs form
 * one list, from which threads take the next one until none is left.  A thread's pieces
 * come in rising order, so it finds a piece's job by walking forward.
 */
#include "backend/native/cpu/matmul_kernels.h"

#include <string.h>

int mn_matmul_kind(const mn_weight *w)
{
    if (w->type != MN_MLX_AFFINE) return w->type;
    switch (w->bits) {
    case 2: return MN_KIND_AFFINE2;
    case 3: return MN_KIND_AFFINE3;
    case 4: return MN_KIND_AFFINE4;
    case 5: return MN_KIND_AFFINE5;
    case 6: return MN_KIND_AFFINE6;
    default: return MN_KIND_AFFINE8;
    }
}

void mn_matmul_init(mn_matmul_table *out, const mn_cpu *cpu)
{
    memset(out, 0, sizeof *out);
    mn_matmul_init_ref(out);
#if defined(__x86_64__)
    if (mn_cpu_uses(cpu, MN_ISA_AVX2)) mn_matmul_init_float_avx2(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVX512)) mn_matmul_init_float_avx512(out);
    if (cpu->precise) return;
    if (mn_cpu_uses(cpu, MN_ISA_AVX2)) mn_matmul_init_avx2(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVXVNNI)) mn_matmul_init_avxvnni(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVX512)) mn_matmul_init_avx512(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVX512)) mn_matmul_init_panel_avx512(out);
    if (mn_cpu_uses(cpu, MN_ISA_AMX)) mn_matmul_init_amx(out);
#endif
}

size_t mn_matmul_scratch_bytes(void)
{
    return MN_SCRATCH_BYTES;
}

size_t mn_pack_bytes(int32_t n_tokens, int64_t cols)
{
    mn_pack pack = { .n_tokens = n_tokens, .cols = cols };
    mn_pack_bf16 last = mn_pack_bf16_of(&pack);
    mn_pack_tiles tiles = mn_pack_tiles_of(&pack);
    size_t n_tiles = ((size_t)n_tokens + 15) / 16, bytes = 32 * (size_t)last.padded;
    if (bytes < tiles.tile_bytes) bytes = tiles.tile_bytes;
    return (size_t)((uint8_t *)last.tiles - pack.memory) + n_tiles * bytes;
}

void mn_pack_init(mn_pack *p, void *memory)
{
    *p = (mn_pack){ .memory = memory };
}

void mn_pack_set(mn_pack *p, const float *x, int64_t stride, int32_t n_tokens, int64_t cols)
{
    p->x = x;
    p->stride = stride;
    p->n_tokens = n_tokens;
    p->cols = cols;
    p->ready = 0;
}

const mn_kernel *mn_matmul_choose(const mn_matmul_table *t, const mn_job *job)
{
    int kind = mn_matmul_kind(job->w);
    if (job->n_tokens == 1) return &t->one[kind];
    const mn_kernel *many = &t->many[kind];
    bool tiles = !job->tokens && job->first_token % 16 == 0;
    if (job->n_tokens < t->many_from[kind] || (many->form & MN_FORMS_TILED && !tiles))
        return &t->few[kind];
    return many;
}

static int64_t n_pieces(const mn_kernel *k, const mn_job *job)
{
    return job->n_tokens ? (job->w->rows + k->rows - 1) / k->rows : 0;
}

/* Makes the forms of the activations that the jobs want and the pack lacks. */
static void make_forms(const mn_matmul_table *t, const mn_team *team, mn_pack *pack,
                       const mn_job *jobs, int n_jobs)
{
    mn_pool_barrier(team->pool);
    uint32_t wanted = 0;
    for (int j = 0; j < n_jobs; j++)
        if (jobs[j].n_tokens) wanted |= mn_matmul_choose(t, &jobs[j])->form;
    wanted &= ~pack->ready;
    if (!wanted) return;
    int32_t chunk = wanted & MN_FORMS_TILED ? 16 : 1, n = pack->n_tokens;
    for (int64_t i; (i = mn_pool_next(team->pool, chunk)) < n;) {
        int32_t count = n - i < chunk ? (int32_t)(n - i) : chunk;
        if (wanted & MN_FORM_INT8) t->make_int8(pack, (int32_t)i, count);
        if (wanted & MN_FORM_BF16) t->make_bf16(pack, (int32_t)i, count);
        if (wanted & MN_FORM_TILES) t->make_tiles(pack, (int32_t)i, count);
    }
    mn_pool_barrier(team->pool);
    if (team->thread == 0) pack->ready |= wanted;
}

void mn_matmul(const mn_matmul_table *table, const mn_team *team, mn_pack *pack,
               const mn_job *jobs, int n_jobs)
{
    make_forms(table, team, pack, jobs, n_jobs);
    const mn_job *job = jobs, *end = jobs + n_jobs;
    const mn_kernel *kernel = NULL;
    mn_weight w;                        /* this job's one matrix */
    mn_job task;                        /* this job, reading w */
    int64_t first = 0, n = 0;           /* pieces [first, first + n) are this job's */
    for (;;) {
        int64_t piece = mn_pool_next(team->pool, 1);
        while (job < end) {
            if (!kernel) {
                kernel = mn_matmul_choose(table, job);
                n = n_pieces(kernel, job);
                w = mn_weight_experts(job->w, job->expert, 1);
                task = *job;
                task.w = &w;
                task.expert = 0;
            }
            if (piece < first + n) break;
            first += n;
            job++;
            kernel = NULL;
        }
        if (job == end) break;
        int64_t row = (piece - first) * kernel->rows, left = job->w->rows - row;
        kernel->run(pack, &task, row, left < kernel->rows ? (int)left : kernel->rows,
                    team->scratch);
    }
    mn_pool_barrier(team->pool);
}
