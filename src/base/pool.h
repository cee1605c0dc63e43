/* Thread pool for one compute job at a time.
 *
 * mn_pool_run() hands `fn` to every thread (the caller is thread 0) and returns when all
 * have finished.  Inside, work is shared by mn_pool_next() from a common counter, and
 * mn_pool_barrier() lets all threads of the job meet.
 *
 * (1) Idle threads sleep.  After a job they spin for a short while first (about 100 us),
 *     because the next kernel usually follows at once.
 * (2) One job at a time: mn_pool_run() from two threads is the caller's fault.
 * (3) A pool of 1 has no threads of its own and costs nothing.
 */
#ifndef MN_BASE_POOL_H
#define MN_BASE_POOL_H

#include "minerva.h"

typedef struct mn_pool mn_pool;
typedef void mn_pool_fn(void *ctx, int thread, int n_threads);

/* n_threads 0: one per core this process may run on. */
minerva_status mn_pool_create(mn_pool **out, int n_threads, minerva_error *err);
void mn_pool_free(mn_pool *p);
int  mn_pool_size(const mn_pool *p);
void mn_pool_run(mn_pool *p, mn_pool_fn *fn, void *ctx);

/* Only inside a job.  The counter starts at 0 with each job and with each
 * mn_pool_barrier(); the call takes `chunk` items and returns the first. */
int64_t mn_pool_next(mn_pool *p, int64_t chunk);
void mn_pool_barrier(mn_pool *p);

/* Cores that this process may use (affinity and cgroup CPU quota considered). */
int mn_cpu_count(void);

#endif
