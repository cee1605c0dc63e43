/* The tier's directory, its thread and its budget; see disk_tier.h.
 *
 * A job is a write, a read or a removal.  It has all that the thread needs and is handed
 * over under the mutex: owner -> `queue` (reads before everything else) -> thread -> `done`
 * (writes) or the read's own flag -> owner.
 */
#include "runtime/disk_tier.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/status.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_QUEUED_WRITES = 2, NAME = 64, FOLDER = 3900, PATH = 4096 };

typedef enum { JOB_WRITE, JOB_READ, JOB_REMOVE } job_kind;

typedef struct job {
    job_kind kind;
    mn_disk_file *file;         /* the owner's; not the thread's to look at */
    char name[NAME];
    mn_buffer head, state;      /* a write's; state: the bytes of a read too */
    char *logits;
    size_t logits_bytes;
    size_t size_bytes;          /* of the file */
    minerva_status status;
    minerva_error err;
    double seconds;
    mn_segment segment;         /* what was read */
    bool finished, abandoned;   /* a read's, under the mutex */
    struct job *next;
} job;

struct mn_disk_read {
    job job;
};

typedef struct {
    job *first, *last;
} job_list;

struct mn_disk_tier {
    mn_disk_options o;
    char path[FOLDER];
    int lock;
    /* the owner's */
    mn_disk_file *newest, *oldest;
    mn_disk_stats stats;
    /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    job_list reads, others, done;
    int32_t n_writes;           /* queued or being done */
    bool busy, quit;
    double bytes_per_s;
    bool started;
    pthread_t thread;
};

/* Seconds since 1970: files outlive the process. */
static double wall_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void add_job(job_list *l, job *j)
{
    j->next = NULL;
    if (l->last) l->last->next = j;
    else l->first = j;
    l->last = j;
}

static job *take_job(job_list *l)
{
    job *j = l->first;
    if (j && !(l->first = j->next)) l->last = NULL;
    return j;
}

static void job_free(job *j)
{
    if (!j) return;
    mn_buffer_clear(&j->head);
    mn_buffer_clear(&j->state);
    free(j->logits);
    free(j);
}

static void name_of(const uint64_t key[2], const char *suffix, char out[NAME])
{
    snprintf(out, NAME, "%016llx%016llx.%s", (unsigned long long)key[0],
             (unsigned long long)key[1], suffix);
}

/* false: a name that is none of ours. */
static bool path_of(const mn_disk_tier *t, const char *name, char out[PATH])
{
    snprintf(out, PATH, "%s/%.100s", t->path, name);
    return strlen(name) <= 100;
}

/* ---- the tier's thread ------------------------------------------------------------- */

static bool write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t n = write(fd, at, len > (1u << 30) ? 1u << 30 : len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = EIO;
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static minerva_status write_file(const mn_disk_tier *t, const job *j, minerva_error *err)
{
    char path[PATH], temp[PATH], temp_name[NAME];
    snprintf(temp_name, sizeof temp_name, "%.32s.tmp", j->name);
    if (!path_of(t, j->name, path) || !path_of(t, temp_name, temp))
        return mn_fail(err, MINERVA_IO, "%s: a shorter path expected", t->path);
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(fd, j->head.data, j->head.len)
              && write_all(fd, j->state.data, j->state.len)
              && write_all(fd, j->logits, j->logits_bytes) && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0 && close(fd) && ok) {
        ok = false;
        why = errno;
    }
    if (ok && rename(temp, path)) {
        ok = false;
        why = errno;
    }
    if (ok) return MINERVA_OK;
    unlink(temp);
    return mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(why));
}

static minerva_status read_file(const mn_disk_tier *t, job *j, minerva_error *err)
{
    char path[PATH];
    if (!path_of(t, j->name, path)) return MINERVA_IO;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        minerva_status status = mn_fail(err, errno == ENOENT ? MINERVA_NOT_FOUND : MINERVA_IO,
                                        "%s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return status;
    }
    minerva_status status = MINERVA_OK;
    size_t have = 0;
    if ((size_t)st.st_size != j->size_bytes)
        status = mn_fail(err, MINERVA_INVALID, "%s: %zu bytes expected, %lld found", path,
                         j->size_bytes, (long long)st.st_size);
    else if (!mn_buffer_reserve(&j->state, j->size_bytes))
        status = mn_fail_memory(err, j->size_bytes);
    while (status == MINERVA_OK && have < j->size_bytes) {
        ssize_t n = read(fd, j->state.data + have, j->size_bytes - have);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) status = mn_fail(err, MINERVA_IO, "%s: %s", path, n ? strerror(errno) : "short");
        else have += (size_t)n;
    }
    if (status == MINERVA_OK) {
        futimens(fd, NULL);     /* when it was used last */
        status = mn_segment_parse(j->state.data, have, &j->segment, err);
        if (status != MINERVA_OK && err) mn_fail_context(err, "%s", path);
    }
    close(fd);
    return status;
}

static void do_job(mn_disk_tier *t, job *j)
{
    char path[PATH];
    double start = mn_clock_s();
    switch (j->kind) {
    case JOB_WRITE: j->status = write_file(t, j, &j->err); break;
    case JOB_READ: j->status = read_file(t, j, &j->err); break;
    case JOB_REMOVE:
        if (path_of(t, j->name, path)) unlink(path);
        break;
    }
    j->seconds = mn_clock_s() - start;
}

/* Under the mutex: what a finished job means for the owner. */
static void hand_back(mn_disk_tier *t, job *j)
{
    if (j->kind == JOB_REMOVE || j->abandoned) {
        job_free(j);
        return;
    }
    if (j->kind == JOB_WRITE) {
        t->n_writes--;
        add_job(&t->done, j);
        return;
    }
    if (j->status == MINERVA_OK && j->seconds > 0) {
        double rate = (double)j->size_bytes / j->seconds;
        t->bytes_per_s = t->bytes_per_s > 0 ? t->bytes_per_s + 0.2 * (rate - t->bytes_per_s)
                                            : rate;
    }
    j->finished = true;
}

static void *work(void *arg)
{
    mn_disk_tier *t = arg;
    pthread_mutex_lock(&t->mutex);
    for (;;) {
        job *j = take_job(&t->reads);
        if (!j) j = take_job(&t->others);
        if (!j && t->quit) break;
        if (!j) {
            pthread_cond_wait(&t->wake, &t->mutex);
            continue;
        }
        t->busy = true;
        pthread_mutex_unlock(&t->mutex);
        do_job(t, j);
        pthread_mutex_lock(&t->mutex);
        t->busy = false;
        hand_back(t, j);
        pthread_mutex_unlock(&t->mutex);
        t->o.news(t->o.ctx);
        pthread_mutex_lock(&t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

static void queue(mn_disk_tier *t, job *j)
{
    pthread_mutex_lock(&t->mutex);
    if (j->kind == JOB_WRITE) t->n_writes++;
    add_job(j->kind == JOB_READ ? &t->reads : &t->others, j);
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->mutex);
}

/* ---- the directory ----------------------------------------------------------------- */

static minerva_status make_directory(const char *path, minerva_error *err)
{
    char part[FOLDER];
    memcpy(part, path, strlen(path) + 1);
    for (char *at = part + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(part, 0700);
        *at = '/';
    }
    if (mkdir(part, 0700) && errno != EEXIST)
        return mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
    return MINERVA_OK;
}

/* What an earlier process left unfinished. */
static void remove_leftovers(const mn_disk_tier *t)
{
    DIR *d = opendir(t->path);
    char path[PATH];
    for (const struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n > 4 && !strcmp(e->d_name + n - 4, ".tmp") && path_of(t, e->d_name, path))
            unlink(path);
    }
    if (d) closedir(d);
}

/* Best effort: only `minerva cache` reads it. */
static void write_info(const mn_disk_tier *t)
{
    char path[PATH];
    if (!t->o.info || !path_of(t, "info.json", path)) return;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return;
    write_all(fd, t->o.info, strlen(t->o.info));
    close(fd);
}

static minerva_status open_directory(mn_disk_tier *t, minerva_error *err)
{
    char path[PATH];
    if (snprintf(t->path, sizeof t->path, "%s/%016llx", t->o.dir, (unsigned long long)t->o.model)
            >= (int)sizeof t->path)
        return mn_fail(err, MINERVA_INVALID, "cache directory: a shorter path expected");
    minerva_status st = make_directory(t->path, err);
    if (st != MINERVA_OK) return st;
    path_of(t, "lock", path);
    t->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (t->lock < 0) return mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
    if (flock(t->lock, LOCK_EX | LOCK_NB))
        return mn_fail(err, MINERVA_IO, "%s: another process uses it", t->path);
    remove_leftovers(t);
    write_info(t);
    return MINERVA_OK;
}

minerva_status mn_disk_tier_create(mn_disk_tier **out, const mn_disk_options *options,
                                   minerva_error *err)
{
    mn_disk_tier *t = calloc(1, sizeof *t);
    if (!t) return mn_fail_memory(err, sizeof *t);
    t->o = *options;
    t->lock = -1;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->wake, NULL);
    minerva_status st = open_directory(t, err);
    t->o.info = t->o.dir = NULL;        /* borrowed for this call only */
    if (st == MINERVA_OK) {
        t->started = pthread_create(&t->thread, NULL, work, t) == 0;
        if (!t->started) st = mn_fail(err, MINERVA_MEMORY, "the disk tier's thread could not be "
                                      "started");
    }
    if (st != MINERVA_OK) {
        mn_disk_tier_free(t);
        return st;
    }
    *out = t;
    return MINERVA_OK;
}

void mn_disk_tier_free(mn_disk_tier *t)
{
    if (!t) return;
    pthread_mutex_lock(&t->mutex);
    t->quit = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->mutex);
    if (t->started) pthread_join(t->thread, NULL);
    for (job *j; (j = take_job(&t->done));) job_free(j);
    for (mn_disk_file *f = t->newest, *next; f; f = next) {
        next = f->older;
        free(f);
    }
    if (t->lock >= 0) close(t->lock);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

/* ---- files ------------------------------------------------------------------------- */

static void unlink_file(mn_disk_tier *t, mn_disk_file *f)
{
    if (f->newer) f->newer->older = f->older;
    else if (t->newest == f) t->newest = f->older;
    if (f->older) f->older->newer = f->newer;
    else if (t->oldest == f) t->oldest = f->newer;
    f->newer = f->older = NULL;
}

static void link_newest(mn_disk_tier *t, mn_disk_file *f)
{
    f->newer = NULL;
    f->older = t->newest;
    if (t->newest) t->newest->newer = f;
    t->newest = f;
    if (!t->oldest) t->oldest = f;
}

void mn_disk_touch(mn_disk_tier *t, mn_disk_file *f)
{
    if (f->gone) return;
    unlink_file(t, f);
    link_newest(t, f);
    f->used_at = wall_s();
}

void mn_disk_pin(mn_disk_file *f) { f->pins++; }

void mn_disk_unpin(mn_disk_file *f)
{
    if (--f->pins == 0 && f->gone) free(f);
}

/* Out of the list and the owner's mind.  The file itself: see mn_disk_drop(). */
static void forget(mn_disk_tier *t, mn_disk_file *f)
{
    if (f->gone) return;
    unlink_file(t, f);
    t->stats.n_files--;
    t->stats.size_bytes -= (int64_t)f->size_bytes;
    f->gone = true;
    if (f->owner) t->o.lost(t->o.ctx, f);
    f->owner = NULL;
    if (!f->pins) free(f);
}

void mn_disk_drop(mn_disk_tier *t, mn_disk_file *f)
{
    if (f->gone) return;
    job *j = calloc(1, sizeof *j);
    if (j) {
        j->kind = JOB_REMOVE;
        name_of(f->key, "prefix", j->name);
        queue(t, j);
    }
    forget(t, f);
}

static int by_use(const void *a, const void *b)
{
    double x = (*(mn_disk_file *const *)a)->used_at, y = (*(mn_disk_file *const *)b)->used_at;
    return x < y ? -1 : x > y;
}

static int by_length(const void *a, const void *b)
{
    int32_t x = (*(mn_disk_file *const *)a)->to, y = (*(mn_disk_file *const *)b)->to;
    return x < y ? -1 : x > y;
}

/* The beginning of a file: *bytes (malloc()ed) holds what `s` points into. */
static bool scan_file(const mn_disk_tier *t, const char *name, mn_segment *s, void **bytes,
                      struct stat *st)
{
    char path[PATH];
    size_t have = 0, need = 0;
    minerva_status status = MINERVA_IO;
    *bytes = NULL;
    if (!path_of(t, name, path)) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && !fstat(fd, st) && S_ISREG(st->st_mode)) {
        do {
            status = mn_segment_parse_head(*bytes, have, (size_t)st->st_size, s, &need, NULL);
            if (status != MINERVA_FULL) break;
            void *more = realloc(*bytes, need);
            if (!more) break;
            *bytes = more;
            ssize_t n = pread(fd, more, need, 0);
            if (n < 0 || (size_t)n < need) break;
            have = need;
        } while (true);
    }
    if (fd >= 0) close(fd);
    return status == MINERVA_OK && s->model == t->o.model;
}

typedef struct {
    mn_disk_file *file;
    mn_segment segment;
    void *bytes;
} scanned;

static bool scan_one(mn_disk_tier *t, const char *name, scanned *out)
{
    struct stat st;
    unsigned long long key[2];
    char expected[NAME];
    out->bytes = NULL;
    out->file = NULL;
    if (sscanf(name, "%16llx%16llx.prefix", &key[0], &key[1]) != 2) return false;
    name_of((uint64_t[2]){ key[0], key[1] }, "prefix", expected);
    if (strcmp(name, expected)) return false;
    mn_disk_file *f = calloc(1, sizeof *f);
    if (f && scan_file(t, name, &out->segment, &out->bytes, &st)) {
        const mn_segment *s = &out->segment;
        *f = (mn_disk_file){ .key = { key[0], key[1] }, .from = s->from, .to = s->to,
                             .trims_to = s->trims_to, .has_logits = s->logits_bytes > 0,
                             .written = true, .size_bytes = (size_t)st.st_size,
                             .used_at = (double)st.st_mtim.tv_sec
                                        + 1e-9 * (double)st.st_mtim.tv_nsec };
        out->file = f;
        return true;
    }
    free(f);
    free(out->bytes);
    out->bytes = NULL;
    return false;
}

static int scanned_by_length(const void *a, const void *b)
{
    const scanned *x = a, *y = b;
    return by_length(&x->file, &y->file);
}

void mn_disk_scan(mn_disk_tier *t,
                  void (*found)(void *ctx, const mn_segment *s, mn_disk_file *file), void *ctx)
{
    scanned *all = NULL;
    size_t n = 0, capacity = 0;
    char path[PATH];
    DIR *d = opendir(t->path);
    for (const struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len < 7 || strcmp(e->d_name + len - 7, ".prefix")) continue;
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            scanned *more = realloc(all, capacity * sizeof *all);
            if (!more) break;
            all = more;
        }
        if (scan_one(t, e->d_name, &all[n])) {
            n++;
        } else {
            t->stats.n_broken++;
            if (path_of(t, e->d_name, path)) unlink(path);
        }
    }
    if (d) closedir(d);
    if (n) qsort(all, n, sizeof *all, scanned_by_length);
    mn_disk_file **kept = calloc(n + 1, sizeof *kept);
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        mn_disk_file *f = all[i].file;
        found(ctx, &all[i].segment, f);
        free(all[i].bytes);
        if (f->owner && kept) {
            kept[n_kept++] = f;
            continue;
        }
        if (f->owner) t->o.lost(t->o.ctx, f);
        char name[NAME];
        name_of(f->key, "prefix", name);
        if (path_of(t, name, path)) unlink(path);
        free(f);
    }
    if (n_kept) qsort(kept, n_kept, sizeof *kept, by_use);
    for (size_t i = 0; i < n_kept; i++) {
        link_newest(t, kept[i]);
        t->stats.n_files++;
        t->stats.size_bytes += (int64_t)kept[i]->size_bytes;
    }
    free(kept);
    free(all);
}

/* ---- writing ----------------------------------------------------------------------- */

bool mn_disk_accepts(const mn_disk_tier *tier)
{
    mn_disk_tier *t = (mn_disk_tier *)tier;
    if (t->stats.off) return false;
    pthread_mutex_lock(&t->mutex);
    bool room = t->n_writes < MAX_QUEUED_WRITES;
    pthread_mutex_unlock(&t->mutex);
    return room;
}

/* Drop the least recently used files until `extra` more bytes fit. */
static bool make_room(mn_disk_tier *t, size_t extra)
{
    while ((size_t)t->stats.size_bytes + extra > t->o.max_bytes) {
        mn_disk_file *f = t->oldest;
        while (f && (f->pins || !f->written)) f = f->newer;
        if (!f) return false;
        mn_disk_drop(t, f);
    }
    return true;
}

mn_disk_file *mn_disk_store(mn_disk_tier *t, const mn_segment *segment, mn_buffer *state,
                            void *owner)
{
    mn_segment named = *segment, *s = &named;
    s->model = t->o.model;
    size_t size = mn_segment_bytes(s);
    mn_disk_file *f = NULL;
    job *j = NULL;
    if (size > t->o.max_bytes || !make_room(t, size)) return NULL;
    f = calloc(1, sizeof *f);
    j = calloc(1, sizeof *j);
    if (!f || !j) goto fail;
    size_t tokens = (size_t)s->to * sizeof *s->tokens;
    *f = (mn_disk_file){ .from = s->from, .to = s->to, .trims_to = s->trims_to,
                         .has_logits = s->logits_bytes > 0, .size_bytes = size, .owner = owner,
                         .used_at = wall_s() };
    f->key[0] = mn_hash64(s->tokens, tokens, s->tenant ^ s->model);
    f->key[1] = mn_hash64(s->tokens, tokens, f->key[0] ^ s->tenant);
    j->kind = JOB_WRITE;
    j->file = f;
    j->size_bytes = size;
    name_of(f->key, "prefix", j->name);
    if (s->logits_bytes) {
        if (!(j->logits = malloc(s->logits_bytes))) goto fail;
        memcpy(j->logits, s->logits, s->logits_bytes);
        j->logits_bytes = s->logits_bytes;
    }
    mn_segment_write_head(s, &j->head);
    if (j->head.failed) goto fail;
    j->state = *state;
    *state = (mn_buffer){ 0 };
    link_newest(t, f);
    f->pins = 1;                /* until the write is done */
    t->stats.n_files++;
    t->stats.size_bytes += (int64_t)size;
    queue(t, j);
    return f;
fail:
    free(f);
    job_free(j);
    return NULL;
}

void mn_disk_turn(mn_disk_tier *t)
{
    for (;;) {
        pthread_mutex_lock(&t->mutex);
        job *j = take_job(&t->done);
        pthread_mutex_unlock(&t->mutex);
        if (!j) return;
        mn_disk_file *f = j->file;
        f->written = true;
        if (j->status == MINERVA_OK) {
            t->stats.written_bytes += (int64_t)j->size_bytes;
        } else {
            t->stats.n_failed_writes++;
            if (!t->stats.off)
                mn_log_line(&t->o.log, MINERVA_LOG_WARNING, "the prefix cache writes nothing to "
                            "disk any more: %s", j->err.message);
            t->stats.off = true;
            forget(t, f);
        }
        mn_disk_unpin(f);
        job_free(j);
    }
}

bool mn_disk_idle(mn_disk_tier *t)
{
    pthread_mutex_lock(&t->mutex);
    bool idle = !t->busy && !t->reads.first && !t->others.first && !t->done.first;
    pthread_mutex_unlock(&t->mutex);
    return idle;
}

/* ---- reading ----------------------------------------------------------------------- */

mn_disk_read *mn_disk_read_start(mn_disk_tier *t, mn_disk_file *f)
{
    mn_disk_read *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->job.kind = JOB_READ;
    r->job.file = f;
    r->job.size_bytes = f->size_bytes;
    name_of(f->key, "prefix", r->job.name);
    queue(t, &r->job);
    return r;
}

minerva_status mn_disk_read_poll(mn_disk_tier *t, mn_disk_read *r, mn_segment *out,
                                 minerva_error *err)
{
    pthread_mutex_lock(&t->mutex);
    bool finished = r->job.finished;
    pthread_mutex_unlock(&t->mutex);
    if (!finished) return MINERVA_LIMIT;
    const mn_disk_file *f = r->job.file;
    const mn_segment *s = &r->job.segment;
    if (r->job.status != MINERVA_OK) {
        if (r->job.status != MINERVA_NOT_FOUND) t->stats.n_broken++;
        mn_log_line(&t->o.log, MINERVA_LOG_WARNING, "prefix cache: %s", r->job.err.message);
        return mn_fail(err, MINERVA_INVALID, "%s", r->job.err.message);
    }
    if (s->model != t->o.model || s->from != f->from || s->to != f->to) {
        t->stats.n_broken++;
        return mn_fail(err, MINERVA_INVALID, "%s: another file than it was", r->job.name);
    }
    t->stats.read_bytes += (int64_t)r->job.size_bytes;
    *out = *s;
    return MINERVA_OK;
}

void mn_disk_read_free(mn_disk_tier *t, mn_disk_read *r)
{
    if (!r) return;
    pthread_mutex_lock(&t->mutex);
    bool finished = r->job.finished;
    r->job.abandoned = true;
    pthread_mutex_unlock(&t->mutex);
    if (finished) job_free(&r->job);
}

double mn_disk_bytes_per_s(mn_disk_tier *t)
{
    pthread_mutex_lock(&t->mutex);
    double rate = t->bytes_per_s;
    pthread_mutex_unlock(&t->mutex);
    return rate;
}

void mn_disk_get_stats(mn_disk_tier *t, mn_disk_stats *out) { *out = t->stats; }
