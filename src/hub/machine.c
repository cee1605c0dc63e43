/* What this machine has for a model: free memory, and how fast memory is read.
 *
 * Free: MemAvailable of /proc/meminfo, or what the cgroup's limit leaves if that is less.
 * The read rate is measured once by summing a buffer larger than the caches on all cores
 * and kept in home/cache/machine.json together with the number of cores it was measured on.
 */
#include "base/clock.h"
#include "base/pool.h"
#include "base/status.h"
#include "hub/hub.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { BUFFER_BYTES = 192 << 20, ROUNDS = 3 };

static int64_t number_in(const char *path)
{
    long long v = 0;
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    if (fscanf(f, "%lld", &v) != 1) v = 0;
    fclose(f);
    return v;
}

/* What the process's cgroup (version 2) still allows; 0: no limit. */
static int64_t cgroup_left(void)
{
    char line[PATH_MAX], path[PATH_MAX + 64];
    int64_t left = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return 0;
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) found = !strncmp(line, "0::", 3);
    fclose(f);
    if (!found) return 0;
    line[strcspn(line, "\n")] = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
    int64_t most = number_in(path);
    if (most <= 0) return 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.current", line + 3);
    left = most - number_in(path);
    return left > 0 ? left : 1;
}

int64_t mn_free_memory_bytes(void)
{
    char line[200];
    long long kb = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f) return 0;
    while (fgets(line, sizeof line, f) && sscanf(line, "MemAvailable: %lld kB", &kb) != 1) { }
    fclose(f);
    int64_t free_bytes = kb * 1024, left = cgroup_left();
    return left && left < free_bytes ? left : free_bytes;
}

typedef struct {
    mn_pool *pool;
    const uint64_t *words;
    uint64_t sums[256];
} reading;

static void read_all(void *ctx, int thread, int n_threads)
{
    reading *r = ctx;
    const int64_t n = BUFFER_BYTES / 8, piece = 1 << 17;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (int64_t i; (i = mn_pool_next(r->pool, piece)) < n;)
        for (int64_t k = i; k < i + piece && k < n; k += 4) {
            a += r->words[k];
            b += r->words[k + 1];
            c += r->words[k + 2];
            d += r->words[k + 3];
        }
    r->sums[thread % 256] = a + b + c + d;      /* so that the reading is not left out */
}

static double measure(void)
{
    reading r = { 0 };
    double best = 0;
    uint64_t *words = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED) return 0;
    memset(words, 1, BUFFER_BYTES);
    r.words = words;
    if (mn_pool_create(&r.pool, 0, NULL) == MINERVA_OK) {
        for (int i = 0; i < ROUNDS; i++) {
            double start = mn_clock_s();
            mn_pool_run(r.pool, read_all, &r);
            double rate = BUFFER_BYTES / (mn_clock_s() - start);
            if (rate > best) best = rate;
        }
        mn_pool_free(r.pool);
    }
    munmap(words, BUFFER_BYTES);
    return best;
}

static double read_rate(const minerva_hub *h)
{
    char path[PATH_MAX];
    int cores = mn_cpu_count();
    snprintf(path, sizeof path, "%.4000s/cache/machine.json", h->home);
    json_t *known = mn_read_json(path);
    double rate = json_number_value(json_object_get(known, "read_bytes_per_s"));
    if (json_integer_value(json_object_get(known, "cores")) != cores) rate = 0;
    json_decref(known);
    if (rate > 0) return rate;
    rate = measure();
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.4000s/cache", h->home);
    json_t *fresh = json_pack("{s:i, s:f}", "cores", cores, "read_bytes_per_s", rate);
    if (rate > 0 && mn_make_folders(folder, NULL) == MINERVA_OK)
        mn_write_json(path, fresh, NULL);       /* a cache: a failure costs a measurement */
    json_decref(fresh);
    return rate;
}

mn_machine mn_hub_machine(const minerva_hub *h)
{
    return (mn_machine){
        .memory_bytes = h->o.memory_bytes ? h->o.memory_bytes : mn_free_memory_bytes(),
        .read_bytes_per_s = h->o.read_bytes_per_s > 0 ? h->o.read_bytes_per_s : read_rate(h),
    };
}
