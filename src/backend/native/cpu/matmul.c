/* Sharing matrix products among threads; see matmul.h.
 *
 * A call has two phases with a barrier between them: making the forms of the activations
 * that are wanted, then the products.  In both the work is cut into pieces that form one
 * list (all tokens and tiles; the rows of all jobs), from which threads take the next one
 * until none is left.  A thread's pieces come in rising order, so it finds what a piece
 * belongs to by walking forward over the jobs.  Where memory is the limit (one token or a
 * few) long runs of rows are read best, so several pieces are taken together while there
 * are many.
 *
 * Tiled forms hold 16 tokens that a kernel takes together.  The pack's own tokens are in
 * tiles 0 .. n - 1, in order.  A job with a list of tokens (an expert), or with a run of
 * them that does not begin at a tile's border, gets tiles of its own after those, and
 * shares them with the job before it if that reads the same tokens.  Which tiles a job has
 * follows from the jobs alone, so every thread works it out for itself while walking.
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
    if (mn_cpu_uses(cpu, MN_ISA_AVX2)) mn_matmul_init_panel_avx2(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVXVNNI)) mn_matmul_init_avxvnni(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVXVNNI)) mn_matmul_init_panel_avxvnni(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVX512)) mn_matmul_init_avx512(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVX512)) mn_matmul_init_panel_avx512(out);
    if (mn_cpu_uses(cpu, MN_ISA_AMX)) mn_matmul_init_amx(out);
#endif
}

size_t mn_matmul_scratch_bytes(void)
{
    return MN_SCRATCH_BYTES;
}

/* Where the tiles begin, and the larger of the two tiled forms. */
static size_t tile_bytes(const mn_pack *p, size_t *start)
{
    size_t bf16 = mn_tile_bytes_bf16(p), int8 = mn_tile_bytes_int8(p);
    *start = mn_pack_tiles_at(p);
    return bf16 < int8 ? int8 : bf16;
}

static int64_t n_tiles(int64_t n_tokens) { return (n_tokens + 15) / 16; }

size_t mn_pack_bytes(int32_t n_tokens, int64_t cols)
{
    return mn_pack_bytes_lists(n_tokens, cols, 0, 0);
}

size_t mn_pack_bytes_lists(int32_t n_tokens, int64_t cols, int32_t n_list_tokens,
                           int32_t n_lists)
{
    mn_pack pack = { .n_tokens = n_tokens, .cols = cols };
    size_t start, bytes = tile_bytes(&pack, &start);
    int64_t tiles = n_tiles(n_tokens) + n_list_tokens / 16 + n_lists;
    return start + (size_t)tiles * bytes;
}

void mn_pack_init(mn_pack *p, void *memory, size_t memory_bytes)
{
    *p = (mn_pack){ .memory = memory, .memory_bytes = memory_bytes };
}

void mn_pack_set(mn_pack *p, const float *x, int64_t stride, int32_t n_tokens, int64_t cols)
{
    p->x = x;
    p->stride = stride;
    p->n_tokens = n_tokens;
    p->cols = cols;
    p->ready = 0;
}

/* ---- which kernel, which tiles ------------------------------------------------------- */

static bool in_own_order(const mn_job *job)
{
    return !job->tokens && job->first_token % 16 == 0;
}

static bool same_tokens(const mn_job *a, const mn_job *b)
{
    return a->tokens == b->tokens && a->first_token == b->first_token &&
           a->n_tokens == b->n_tokens;
}

/* A walk over the jobs of a call. */
typedef struct {
    const mn_matmul_table *table;
    const mn_pack *pack;
    int64_t n_all, next, end;           /* tiles: the pack's, the next free one, those there are */
    const mn_job *listed;               /* the last job with tiles of its own, */
    int64_t at;                         /* which begin here */
} walk;

static walk begin(const mn_matmul_table *table, const mn_pack *pack)
{
    size_t start, bytes = tile_bytes(pack, &start);
    walk w = { .table = table, .pack = pack, .n_all = n_tiles(pack->n_tokens) };
    w.next = w.n_all;
    w.end = pack->memory_bytes > start ? (int64_t)((pack->memory_bytes - start) / bytes) : 0;
    return w;
}

/* The kernel of the next job and, for a tiled form, its first tile; `made` says that no job
 * before it has these. */
static const mn_kernel *take(walk *w, const mn_job *job, int64_t *tile, bool *made)
{
    int kind = mn_matmul_kind(job->w);
    const mn_kernel *many = &w->table->many[kind], *few = &w->table->few[kind];
    *tile = job->first_token / 16;
    *made = false;
    if (job->n_tokens <= 1) return &w->table->one[kind];
    if (job->n_tokens < w->table->many_from[kind]) return few;
    if (!(many->form & MN_FORMS_TILED) || in_own_order(job)) return many;
    if (!w->listed || !same_tokens(w->listed, job)) {
        if (w->next + n_tiles(job->n_tokens) > w->end) return few;
        w->listed = job;
        w->at = w->next;
        w->next += n_tiles(job->n_tokens);
        *made = true;
    }
    *tile = w->at;
    return many;
}

const mn_kernel *mn_matmul_choose(const mn_matmul_table *table, const mn_job *job)
{
    mn_pack endless = { .cols = 1, .memory_bytes = SIZE_MAX / 4 };
    walk w = begin(table, &endless);
    int64_t tile;
    bool made;
    return take(&w, job, &tile, &made);
}

/* ---- forms of the activations --------------------------------------------------------- */

static void make_tile(const mn_matmul_table *t, const mn_pack *pack, uint8_t form,
                      const int32_t *tokens, int n, int64_t tile)
{
    if (form & MN_FORM_BF16) t->make_bf16(pack, tokens, n, tile);
    if (form & MN_FORM_TILES) t->make_tiles(pack, tokens, n, tile);
}

/* Tile i of the tokens [first, first + n), or of a list of them. */
static void make_tile_of(const mn_matmul_table *t, const mn_pack *pack, uint8_t form,
                         const int32_t *list, int32_t first, int32_t n, int64_t i, int64_t tile)
{
    int32_t tokens[16], from = (int32_t)i * 16;
    int count = n - from < 16 ? n - from : 16;
    for (int k = 0; k < count; k++) tokens[k] = list ? list[from + k] : first + from + k;
    make_tile(t, pack, form, tokens, count, tile + i);
}

/* Makes the forms of the activations that the jobs want and the pack lacks. */
static void make_forms(const mn_matmul_table *t, const mn_team *team, mn_pack *pack,
                       const mn_job *jobs, int n_jobs)
{
    mn_pool_barrier(team->pool);
    uint8_t wanted = 0, lists = 0;
    int64_t tile;
    bool made;
    walk w = begin(t, pack);
    for (int j = 0; j < n_jobs; j++) {
        if (!jobs[j].n_tokens) continue;
        uint8_t form = take(&w, &jobs[j], &tile, &made)->form;
        if (tile < w.n_all || !(form & MN_FORMS_TILED)) wanted |= form;
        else lists |= form;
    }
    wanted &= (uint8_t)~pack->ready;
    if (!wanted && !lists) return;
    int64_t n_rows = wanted & MN_FORM_INT8 ? pack->n_tokens : 0;
    int64_t n_own = wanted & MN_FORMS_TILED ? w.n_all : 0, n_listed = w.next - w.n_all;
    const mn_job *job = jobs - 1;
    int64_t end = 0;                    /* of this job's tiles, counted from the first listed */
    w = begin(t, pack);
    for (int64_t i; (i = mn_pool_next(team->pool, 1)) < n_rows + n_own + n_listed;) {
        if (i < n_rows) {
            t->make_int8(pack, (int32_t)i, 1);
        } else if (i < n_rows + n_own) {
            i -= n_rows;
            make_tile_of(t, pack, wanted, NULL, 0, pack->n_tokens, i, 0);
        } else {
            i -= n_rows + n_own;
            while (i >= end) {
                job++;
                if (job->n_tokens) take(&w, job, &tile, &made);
                end = w.next - w.n_all;
            }
            int64_t first = w.at - w.n_all;
            make_tile_of(t, pack, lists, job->tokens, job->first_token, job->n_tokens, i - first,
                         w.at);
        }
    }
    mn_pool_barrier(team->pool);
    if (team->thread == 0) pack->ready |= wanted;
}

/* ---- products ------------------------------------------------------------------------- */

static int64_t n_pieces(const mn_kernel *k, const mn_job *job)
{
    return job->n_tokens ? (job->w->rows + k->rows - 1) / k->rows : 0;
}

/* The pieces of a call, and how many of them a thread takes at a time. */
typedef struct {
    int64_t n_all;
    int n_threads, most;                /* at first; then a third of it, ... */
} schedule;

static schedule make_schedule(walk w, const mn_job *jobs, int n_jobs, int n_threads)
{
    schedule s = { 0, n_threads, MN_MOST_PIECES };
    int64_t tile;
    bool made;
    for (int j = 0; j < n_jobs; j++) {
        if (!jobs[j].n_tokens) continue;
        const mn_kernel *k = take(&w, &jobs[j], &tile, &made);
        s.n_all += n_pieces(k, &jobs[j]);
        while (s.most > 1 && s.most > k->most) s.most /= 3;
    }
    return s;
}

/* The pieces [first, end) of a thread's turn; empty when none are left.  What is left when
 * one size ends suffices for all threads to get another run of it, in smaller ones: they
 * finish together. */
static void pieces_of_turn(const schedule *s, int64_t turn, int64_t *first, int64_t *end)
{
    int64_t at = 0;
    for (int64_t size = s->most; size > 1; size /= 3) {
        int64_t n = (s->n_all - at) / size - s->n_threads;
        if (n < 0) n = 0;
        if (turn < n) {
            *first = at + turn * size;
            *end = *first + size;
            return;
        }
        turn -= n;
        at += n * size;
    }
    *first = at + turn;
    *end = *first < s->n_all ? *first + 1 : *first;
}

/* A walk over the pieces of a call: the job that a piece belongs to. */
typedef struct {
    walk left;
    const mn_job *job;
    const mn_kernel *kernel;
    int64_t first, end;                 /* its pieces */
    mn_weight w;                        /* its one matrix */
    mn_job task;                        /* the job, reading w */
} place;

static void next_job(place *p)
{
    int64_t tile;
    bool made;
    p->first = p->end;
    p->job++;
    if (!p->job->n_tokens) return;
    p->kernel = take(&p->left, p->job, &tile, &made);
    p->end += n_pieces(p->kernel, p->job);
    p->w = mn_weight_experts(p->job->w, p->job->expert, 1);
    p->task = *p->job;
    p->task.w = &p->w;
    p->task.expert = 0;
    if (p->kernel->form & MN_FORMS_TILED) {
        p->task.tokens = NULL;
        p->task.first_token = (int32_t)(tile * 16);
    }
}

void mn_matmul(const mn_matmul_table *table, const mn_team *team, mn_pack *pack,
               const mn_job *jobs, int n_jobs)
{
    make_forms(table, team, pack, jobs, n_jobs);
    place p = { .left = begin(table, pack), .job = jobs - 1 };
    schedule s = make_schedule(p.left, jobs, n_jobs, team->n_threads);
    for (;;) {
        int64_t piece, end;
        pieces_of_turn(&s, mn_pool_next(team->pool, 1), &piece, &end);
        if (piece >= s.n_all) break;
        while (piece < end) {
            while (piece >= p.end) next_job(&p);
            int64_t stop = end < p.end ? end : p.end;
            int64_t row = (piece - p.first) * p.kernel->rows, left = p.job->w->rows - row;
            int64_t n_rows = (stop - piece) * p.kernel->rows;
            p.kernel->run(pack, &p.task, row, (int)(left < n_rows ? left : n_rows),
                          team->scratch);
            piece = stop;
        }
    }
    mn_pool_barrier(team->pool);
}
