/* The machine's limits, measured just now with the engine's own threads: how fast memory
 * can be read, how fast the instructions of the kernels multiply, and what one token of
 * this model needs of either.
 *
 * Memory: every thread reads its part of one large block, a word of each line, along four
 * runs at a time.  The block is larger than the caches, or a sixteenth of the memory where
 * that is less.  Products: the loops of cpu/peak.h.  Both are the best of several short
 * runs, since a ceiling is what the machine does when nothing disturbs it. */
#include "backend/native/cpu/peak.h"
#include "backend/native/native.h"
#include "base/clock.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { READ_RUNS = 8, MULTIPLY_RUNS = 5, LINE = 64, HUGE_PAGE = 2 << 20 };

static const size_t block_bytes = (size_t)768 << 20;
static const double multiply_s = 0.02;      /* of one run */

typedef struct {
    const uint8_t *block;
    size_t size_bytes;
    mn_peak_fn *multiply;
    int64_t rounds;
    _Atomic int64_t macs;
    _Atomic uint64_t sum;                   /* so that the reads are not left out */
} measurement;

/* ---- reading ----------------------------------------------------------------------- */

static void read_part(void *ctx, int thread, int n_threads)
{
    measurement *m = ctx;
    size_t run = m->size_bytes / (size_t)n_threads / 4 / LINE * LINE;
    const uint8_t *p = m->block + 4 * run * (size_t)thread;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i < run; i += LINE) {
        a += *(const uint64_t *)(p + i);
        b += *(const uint64_t *)(p + run + i);
        c += *(const uint64_t *)(p + 2 * run + i);
        d += *(const uint64_t *)(p + 3 * run + i);
    }
    m->sum += a + b + c + d;
}

static minerva_status measure_reads(mn_pool *pool, double *bytes_per_s, minerva_error *err)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t size = block_bytes;
    if (pages > 0 && page > 0 && (size_t)pages * (size_t)page / 16 < size)
        size = (size_t)pages * (size_t)page / 16;
    size = size / HUGE_PAGE * HUGE_PAGE + HUGE_PAGE;
    void *block;
    if (posix_memalign(&block, HUGE_PAGE, size)) return mn_fail_memory(err, size);
#ifdef MADV_HUGEPAGE
    madvise(block, size, MADV_HUGEPAGE);
#endif
    memset(block, 1, size);                 /* or every page would be the same zero page */
    measurement m = { .block = block, .size_bytes = size };
    double best = 1e30;
    for (int i = 0; i < READ_RUNS; i++) {
        double start = mn_clock_s();
        mn_pool_run(pool, read_part, &m);
        double seconds = mn_clock_s() - start;
        if (seconds < best) best = seconds;
    }
    free(block);
    *bytes_per_s = (double)size / best;
    return MINERVA_OK;
}

/* ---- multiplying -------------------------------------------------------------------- */

static void multiply_part(void *ctx, int thread, int n_threads)
{
    measurement *m = ctx;
    m->macs += m->multiply(m->rounds);
}

/* 0 where there is no such instruction. */
static double macs_per_s(mn_pool *pool, mn_peak_fn *multiply)
{
    measurement m = { .multiply = multiply, .rounds = 20000 };
    double best = 0;
    if (!multiply) return 0;
    for (int i = 0; i < MULTIPLY_RUNS; i++) {
        m.macs = 0;
        double start = mn_clock_s();
        mn_pool_run(pool, multiply_part, &m);
        double seconds = mn_clock_s() - start, rate = (double)m.macs / seconds;
        if (rate > best) best = rate;
        if (i == 0) m.rounds = (int64_t)((double)m.rounds * multiply_s / (seconds + 1e-9)) + 1;
    }
    return best;
}

/* ---- what a token costs ------------------------------------------------------------- */

static void add_cost(mn_limits *out, int32_t window, size_t bytes, int64_t macs)
{
    int32_t i = 0;
    while (i < out->n_attention && out->attention[i].window != window) i++;
    if (i == MN_ATTENTION_COSTS) i--;
    if (i == out->n_attention) out->attention[out->n_attention++].window = window;
    out->attention[i].bytes_per_position += bytes;
    out->attention[i].macs_per_position += macs;
}

static double bytes_per_value(mn_kv_type type)
{
    return type == MN_KV_F32 ? 4 : type == MN_KV_Q8_0 ? 1 + 2.0 / MN_Q8_BLOCK : 2;
}

static void add_mixer(mn_limits *out, const mn_mixer *m, mn_kv_type type)
{
    double item = bytes_per_value(type);
    if (m->kind == MN_MIXER_ATTENTION) {
        const mn_attention *a = &m->u.attention;
        int32_t width = a->head_dim + (a->v_head_dim ? a->v_head_dim : a->head_dim);
        int32_t window = a->window ? a->window : a->chunk;
        add_cost(out, window, (size_t)(a->n_kv_heads * width * item),
                 (int64_t)a->n_heads * width);
    } else if (m->kind == MN_MIXER_MLA) {
        int32_t latent = m->u.mla.kv_rank, key = latent + m->u.mla.rope_dim;
        add_cost(out, 0, (size_t)(key * item), (int64_t)m->u.mla.n_heads * (key + latent));
    }
}

minerva_status mn_engine_limits(mn_engine *e, mn_limits *out, minerva_error *err)
{
    mn_peaks peaks;
    *out = (mn_limits){ 0 };
    out->bytes_per_token = mn_plan_bytes_per_token(e->plan);
    out->macs_per_token = mn_plan_macs_per_token(e->plan);
    out->state_bytes_per_position = mn_kv_layout_bytes_per_position(&e->kv);
    for (int32_t i = 0; i < e->plan->n_layers; i++) {
        add_mixer(out, &e->plan->layers[i].mixer, e->kv.type);
        add_mixer(out, &e->plan->layers[i].parallel_mixer, e->kv.type);
    }
    mn_peaks_init(&peaks, &e->cpu);
    out->int8_macs_per_s = macs_per_s(e->pool, peaks.int8);
    out->bf16_macs_per_s = macs_per_s(e->pool, peaks.bf16);
    out->macs_per_s = peaks.prompt == peaks.int8   ? out->int8_macs_per_s
                      : peaks.prompt == peaks.bf16 ? out->bf16_macs_per_s
                                                   : macs_per_s(e->pool, peaks.prompt);
    snprintf(out->kernels, sizeof out->kernels, "%s, %s products", mn_isa_name(e->cpu.isa),
             peaks.prompt_name);
    return measure_reads(e->pool, &out->read_bytes_per_s, err);
}
