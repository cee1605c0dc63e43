/* Spin-then-sleep thread pool; see pool.h.
 *
 * A job is published by bumping `generation`; workers wait for it first by spinning, then
 * on a condition variable.  Both the end of a job and the barrier use the same sense-
 * counting barrier: the last thread to arrive resets the work counter and bumps `phase`.
 * Waiting in a barrier also gives the core away after a while, since on a shared machine
 * the thread that we wait for may not be running.
 */
#include "base/pool.h"
#include "base/status.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Waiting is measured in time, not in turns: a pause lasts from 10 to 150 cycles, and an
 * emulated one much longer. */
enum { SPIN_BEFORE_SLEEP_NS = 100000, SPIN_BEFORE_YIELD_NS = 50000, TURNS = 32, LINE = 64 };

struct mn_pool {
    int n_threads;
    pthread_t *threads;
    mn_pool_fn *fn;
    void *ctx;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    int n_asleep;                               /* under mutex */
    _Alignas(LINE) atomic_uint generation;      /* bumped for each job */
    atomic_bool quit;
    _Alignas(LINE) atomic_uint phase;           /* bumped at each barrier */
    _Alignas(LINE) atomic_int arrived;
    _Alignas(LINE) _Atomic int64_t next;
};

typedef struct {
    mn_pool *pool;
    int index;
} worker_start;

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");  /* waits longer than "yield" */
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Waits until *word differs from `old`, at most about `limit_ns`; returns what it is. */
static unsigned spin_while(atomic_uint *word, unsigned old, int64_t limit_ns)
{
    int64_t start = 0;
    for (;;) {
        for (int i = 0; i < TURNS; i++) {
            unsigned now = atomic_load_explicit(word, memory_order_acquire);
            if (now != old) return now;
            relax();
        }
        int64_t t = now_ns();
        if (!start) start = t;
        else if (t - start > limit_ns) return old;
    }
}

void mn_pool_barrier(mn_pool *p)
{
    if (p->n_threads == 1) {
        atomic_store_explicit(&p->next, 0, memory_order_relaxed);
        return;
    }
    unsigned phase = atomic_load_explicit(&p->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel) == p->n_threads - 1) {
        atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&p->next, 0, memory_order_relaxed);
        atomic_store_explicit(&p->phase, phase + 1, memory_order_release);
        return;
    }
    while (spin_while(&p->phase, phase, SPIN_BEFORE_YIELD_NS) == phase) sched_yield();
}

int64_t mn_pool_next(mn_pool *p, int64_t chunk)
{
    return atomic_fetch_add_explicit(&p->next, chunk, memory_order_relaxed);
}

/* Waits for a job later than `seen`; returns its generation. */
static unsigned wait_for_job(mn_pool *p, unsigned seen)
{
    unsigned now = spin_while(&p->generation, seen, SPIN_BEFORE_SLEEP_NS);
    if (now != seen) return now;
    pthread_mutex_lock(&p->mutex);
    p->n_asleep++;
    while ((now = atomic_load_explicit(&p->generation, memory_order_acquire)) == seen)
        pthread_cond_wait(&p->wake, &p->mutex);
    p->n_asleep--;
    pthread_mutex_unlock(&p->mutex);
    return now;
}

static void *worker(void *arg)
{
    worker_start start = *(worker_start *)arg;
    free(arg);
    mn_pool *p = start.pool;
    for (unsigned seen = 0;;) {
        seen = wait_for_job(p, seen);
        if (atomic_load_explicit(&p->quit, memory_order_relaxed)) return NULL;
        p->fn(p->ctx, start.index, p->n_threads);
        mn_pool_barrier(p);
    }
}

static void publish(mn_pool *p)
{
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    if (p->n_asleep) pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
}

void mn_pool_run(mn_pool *p, mn_pool_fn *fn, void *ctx)
{
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    if (p->n_threads == 1) {
        fn(ctx, 0, 1);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    publish(p);
    fn(ctx, 0, p->n_threads);
    mn_pool_barrier(p);
}

minerva_status mn_pool_create(mn_pool **out, int n_threads, minerva_error *err)
{
    *out = NULL;
    if (n_threads == 0) n_threads = mn_cpu_count();
    if (n_threads < 1 || n_threads > 1024)
        return mn_fail(err, MINERVA_INVALID, "threads: 1 to 1024 expected, %d found", n_threads);
    mn_pool *p = aligned_alloc(LINE, (sizeof *p + LINE - 1) / LINE * LINE);
    if (!p) return mn_fail_memory(err, sizeof *p);
    memset(p, 0, sizeof *p);
    p->n_threads = 1;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->threads = calloc((size_t)n_threads, sizeof *p->threads);
    if (!p->threads) {
        mn_pool_free(p);
        return mn_fail_memory(err, (size_t)n_threads * sizeof *p->threads);
    }
    int started = 1;
    for (; started < n_threads; started++) {
        worker_start *start = malloc(sizeof *start);
        if (!start) break;
        *start = (worker_start){ p, started };
        if (pthread_create(&p->threads[started], NULL, worker, start)) {
            free(start);
            break;
        }
    }
    /* Workers look at n_threads only inside a job, and none has been published. */
    p->n_threads = started;
    if (started < n_threads) {
        mn_pool_free(p);
        return mn_fail(err, MINERVA_MEMORY, "%d threads wanted, %d could be started", n_threads,
                       started);
    }
    *out = p;
    return MINERVA_OK;
}

void mn_pool_free(mn_pool *p)
{
    if (!p) return;
    if (p->n_threads > 1) {
        atomic_store(&p->quit, true);
        publish(p);
        for (int i = 1; i < p->n_threads; i++) pthread_join(p->threads[i], NULL);
    }
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    free(p->threads);
    free(p);
}

int mn_pool_size(const mn_pool *p) { return p->n_threads; }

/* cgroup v2 "cpu.max" holds "<quota|max> <period>". */
static int quota_cores(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    long quota, period;
    int cores = 0;
    if (!f) return 0;
    if (fscanf(f, "%ld %ld", &quota, &period) == 2 && period > 0 && quota > 0)
        cores = (int)((quota + period - 1) / period);
    fclose(f);
    return cores;
}

int mn_cpu_count(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                        : (int)sysconf(_SC_NPROCESSORS_ONLN);
    int quota = quota_cores();
    if (quota > 0 && quota < n) n = quota;
    return n < 1 ? 1 : n;
}
