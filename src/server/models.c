/* The models that are served: those the operator named, and what lies in the model
 * directory.  They are loaded when they are first asked for, in the background.
 *
 *   UNLOADED -> ESTIMATING -> WAITING (for memory) -> LOADING -> READY -> LEAVING -> UNLOADING
 *      ^            |              |                     |                             |
 *      +------------+--------------+--- it failed -------+-----------------------------+
 *
 * (1) Everything here happens on the I/O thread but estimate(), load() and unload(), which
 *     run on a thread of the model's own, one at a time, and touch only what is marked so.
 * (2) A model's need (weights, scratch, cache) is reserved before it is loaded and given
 *     back when it is unloaded; the sum never passes the limit.  A model that cannot fit is
 *     refused before it is loaded, with the numbers.
 * (3) When there is not enough, the models used longest ago go first.  Pinned ones never go.
 *     One in use goes when its answers are done: it is LEAVING then, and new requests for
 *     it wait for their turn, so that two models that do not fit together alternate.
 * (4) Names from clients are compared with the list, never made into a path.
 */
#include "server/server.h"
#include "base/clock.h"
#include "base/status.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WAITING = 1024, DEFAULT_KEEP_ALIVE_S = 1800, MAX_MODELS = 4096 };
static const size_t least_cache_bytes = (size_t)64 << 20;

typedef enum { UNLOADED, ESTIMATING, WAITING, LOADING, READY, LEAVING, UNLOADING } phase;
static const char *const phase_names[] = { "unloaded", "loading", "loading", "loading", "loaded",
                                           "unloading", "unloading" };

typedef struct waiter {
    struct waiter *next;
    mn_call *call;
    void (*then)(mn_call *call);
} waiter;

struct mn_model_state {
    mn_server *server;
    mn_loaded_model *m;
    char *path;
    phase phase;
    bool pinned, in_dir;
    int keep_alive_s;           /* -1: never unloaded for want of use */
    int refs;
    double used_s;              /* when it was last released */
    int64_t turn;               /* order of those that wait for memory */
    int64_t changed_at;         /* the file's time */
    size_t need_bytes;          /* reserved, if LOADING or later */
    mn_model_fit fit;           /* the thread's while ESTIMATING */
    waiter *first, *last;
    int n_waiting;
    pthread_t thread;
    bool has_thread;
    atomic_int permille;        /* of loading */
    double started_s, load_s;
    /* the thread's */
    minerva_model *model;
    minerva_scheduler *scheduler;
    minerva_error err;
};

struct mn_models {
    mn_loaded_model **items;    /* the pointers stay; the list only grows */
    size_t n;
    size_t limit_bytes, used_bytes;
    int64_t turn;
    double scanned_s;
    mn_models_stats stats;
    atomic_bool quit;
};

static double gb(size_t bytes) { return (double)bytes / 1e9; }

/* ---- how much memory there is ------------------------------------------------------ */

/* The limit of the control group that this process is in (a container, a systemd unit). */
static size_t group_limit(void)
{
    char line[512], path[600];
    unsigned long long n = 0;
    FILE *f = fopen("/proc/self/cgroup", "r");
    bool found = f && fgets(line, sizeof line, f) && !strncmp(line, "0::/", 4);
    if (f) fclose(f);
    if (!found) return SIZE_MAX;
    line[strcspn(line, "\n")] = 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
    f = fopen(path, "r");
    found = f && fscanf(f, "%llu", &n) == 1;
    if (f) fclose(f);
    return found ? (size_t)n : SIZE_MAX;
}

/* 90% of what is free now. */
static size_t default_limit(void)
{
    char line[128];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu", &kb) == 1) break;
    if (f) fclose(f);
    size_t free_bytes = kb ? (size_t)kb << 10 : (size_t)4 << 30, group = group_limit();
    return (free_bytes < group ? free_bytes : group) / 10 * 9;
}

/* ---- fit --------------------------------------------------------------------------- */

static size_t bytes_at(const json_t *v, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(v, name));
    return n > 0 ? (size_t)n : 0;
}

static void read_description(const json_t *d, const char *wanted, mn_model_fit *fit)
{
    const char *name = wanted ? wanted : json_string_value(json_object_get(d, "recommended"));
    const json_t *list = json_object_get(d, "backends");
    fit->file_bytes = bytes_at(d, "size_bytes");
    fit->weight_bytes = fit->file_bytes;
    for (size_t i = 0; name && i < json_array_size(list); i++) {
        const json_t *b = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(b, "name")), name)
            || !json_is_true(json_object_get(b, "runs"))) continue;
        fit->weight_bytes = bytes_at(b, "weight_bytes");
        fit->fixed_bytes = bytes_at(b, "fixed_bytes");
        snprintf(fit->backend, sizeof fit->backend, "%s", name);
    }
}

static minerva_status describe(const mn_loaded_model *m, mn_model_fit *fit, minerva_error *err)
{
    const mn_server *s = m->state->server;
    minerva_model *opened = NULL;
    char *text = NULL;
    minerva_model_options o = s->o->load;
    o.mode = MINERVA_OPEN_DESCRIBE;
    o.progress = NULL;
    minerva_status st = minerva_model_open(&opened, m->state->path, &o, err);
    if (st == MINERVA_OK) st = minerva_model_describe(opened, &text, err);
    if (st == MINERVA_OK) {
        json_t *d = json_loads(text, 0, NULL);
        read_description(d, o.backend, fit);
        json_decref(d);
    }
    minerva_free(text);
    minerva_model_close(opened);
    return st;
}

/* The cache is what the operator said, else a quarter of the limit or what is left. */
static void settle_fit(const mn_server *s, mn_model_fit *fit)
{
    size_t limit = s->models->limit_bytes, asked = s->o->load.state_limit_bytes;
    size_t fixed = fit->weight_bytes + fit->fixed_bytes, left = limit > fixed ? limit - fixed : 0;
    fit->limit_bytes = limit;
    fit->cache_bytes = asked ? asked : limit / 4 < left ? limit / 4 : left;
    if (fit->cache_bytes < least_cache_bytes && !asked) fit->cache_bytes = least_cache_bytes;
    fit->need_bytes = fixed + fit->cache_bytes;
    fit->fits = fit->need_bytes <= limit;
}

/* A model that is broken is not the client's fault, and where it lies not its business. */
static void hide_path(const struct mn_model_state *st, minerva_error *err)
{
    char rest[sizeof err->message];
    size_t n = strlen(st->path);
    if (err->code == MINERVA_INVALID) err->code = MINERVA_IO;
    if (strncmp(err->message, st->path, n)) return;
    strcpy(rest, err->message + n);
    snprintf(err->message, sizeof err->message, "model %.80s%.400s", st->m->name, rest);
}

minerva_status mn_model_estimate(const mn_loaded_model *m, mn_model_fit *out, minerva_error *err)
{
    *out = (mn_model_fit){ 0 };
    if (describe(m, out, err) == MINERVA_OK) settle_fit(m->state->server, out);
    else hide_path(m->state, err);
    return err->code;
}

static minerva_status refuse_misfit(const mn_loaded_model *m, minerva_error *err)
{
    const mn_model_fit *f = &m->state->fit;
    return mn_fail(err, MINERVA_LIMIT, "model: \"%.80s\" needs %.2f GB (weights %.2f, working memory "
                "%.2f, cache %.2f); the limit of all models is %.2f GB (--memory)", m->name,
                gb(f->need_bytes), gb(f->weight_bytes), gb(f->fixed_bytes), gb(f->cache_bytes),
                gb(f->limit_bytes));
}

/* ---- the thread's work ------------------------------------------------------------- */

static bool on_progress(void *ctx, float fraction)
{
    struct mn_model_state *st = ctx;
    atomic_store(&st->permille, (int)(fraction * 1000));
    return !atomic_load(&st->server->models->quit);
}

static void on_engine_log(void *ctx, minerva_log_level level, const char *line)
{
    mn_server_log(ctx, level, "engine", "message", MN_LOG_TEXT, line, NULL);
}

static minerva_status open_engine(struct mn_model_state *st)
{
    mn_server *s = st->server;
    minerva_model_options o = s->o->load;
    o.log = on_engine_log;
    o.log_ctx = s;
    o.state_limit_bytes = st->fit.cache_bytes;
    o.progress = on_progress;
    o.progress_ctx = st;
    st->err = (minerva_error){ .offset = -1 };
    minerva_status code = minerva_model_open(&st->model, st->path, &o, &st->err);
    if (code == MINERVA_OK)
        code = minerva_scheduler_create(&st->scheduler, st->model, &s->o->scheduler, &st->err);
    if (code != MINERVA_OK) {
        minerva_model_close(st->model);
        st->model = NULL;
    }
    return code;
}

static void post(struct mn_model_state *st, void (*fn)(void *))
{
    while (!mn_http_post(st->server->http, fn, st)) usleep(1000);
}

static void estimated(void *arg);
static void loaded(void *arg);
static void unloaded(void *arg);

static void *estimate(void *arg)
{
    struct mn_model_state *st = arg;
    st->err = (minerva_error){ .offset = -1 };
    mn_model_estimate(st->m, &st->fit, &st->err);
    post(st, estimated);
    return NULL;
}

static void *load(void *arg)
{
    open_engine(arg);
    post(arg, loaded);
    return NULL;
}

static void *unload(void *arg)
{
    struct mn_model_state *st = arg;
    minerva_scheduler_free(st->scheduler);
    minerva_model_close(st->model);
    st->scheduler = NULL;
    st->model = NULL;
    post(arg, unloaded);
    return NULL;
}

static void join(struct mn_model_state *st)
{
    if (st->has_thread) pthread_join(st->thread, NULL);
    st->has_thread = false;
}

/* false: there is no thread to be had. */
static bool begin(struct mn_model_state *st, phase p, void *(*work)(void *))
{
    join(st);
    st->has_thread = pthread_create(&st->thread, NULL, work, st) == 0;
    if (st->has_thread) st->phase = p;
    return st->has_thread;
}

/* ---- loading ----------------------------------------------------------------------- */

/* All who wait for it get it, or the reason why not. */
static void answer_waiting(mn_loaded_model *m, const minerva_error *err)
{
    struct mn_model_state *st = m->state;
    waiter *w = st->first;
    st->first = st->last = NULL;
    st->n_waiting = 0;
    /* Held meanwhile, or the first to be done with it might let it go. */
    st->refs++;
    for (waiter *next; w; w = next) {
        next = w->next;
        if (err) {
            w->call->err = *err;
            w->call->param = "model";
        } else {
            w->call->model = m;
            st->refs++;
        }
        w->then(w->call);
        free(w);
    }
    mn_model_release(m);
}

static void load_failed(struct mn_model_state *st)
{
    minerva_error err = st->err;
    hide_path(st, &err);
    st->phase = UNLOADED;
    st->server->models->stats.n_failures++;
    mn_server_log(st->server, MINERVA_LOG_WARNING, "load_failed", "model", MN_LOG_TEXT,
                  st->m->name, "why", MN_LOG_TEXT, st->err.message, NULL);
    answer_waiting(st->m, &err);
}

static void start_estimate(struct mn_model_state *st)
{
    st->started_s = mn_clock_s();
    st->err = (minerva_error){ .offset = -1 };
    atomic_store(&st->permille, 0);
    if (begin(st, ESTIMATING, estimate)) return;
    mn_fail(&st->err, MINERVA_MEMORY, "no thread to load the model with");
    load_failed(st);
}

static void become_ready(struct mn_model_state *st)
{
    st->m->model = st->model;
    st->m->scheduler = st->scheduler;
    st->m->loaded_at = (int64_t)time(NULL);
    st->phase = READY;
    st->used_s = mn_clock_s();
    st->load_s = st->used_s - st->started_s;
    st->server->models->stats.n_loads++;
    mn_server_log(st->server, MINERVA_LOG_INFO, "loaded", "model", MN_LOG_TEXT, st->m->name,
                  "seconds", MN_LOG_REAL, st->load_s, "bytes", MN_LOG_INT,
                  (long long)st->need_bytes, "cache_bytes", MN_LOG_INT,
                  (long long)st->fit.cache_bytes, NULL);
}

static void start_unload(struct mn_model_state *st)
{
    st->m->model = NULL;
    st->m->scheduler = NULL;
    st->m->loaded_at = 0;
    if (begin(st, UNLOADING, unload)) return;
    st->phase = UNLOADING;
    unload(st);                 /* then here, though others must wait */
}

/* Memory that will come back by itself. */
static size_t bytes_coming(const struct mn_models *all)
{
    size_t sum = 0;
    for (size_t i = 0; i < all->n; i++) {
        const struct mn_model_state *st = all->items[i]->state;
        if (st->phase == LEAVING || st->phase == UNLOADING) sum += st->need_bytes;
    }
    return sum;
}

static mn_loaded_model *least_recent(const struct mn_models *all, bool idle)
{
    mn_loaded_model *best = NULL;
    for (size_t i = 0; i < all->n; i++) {
        const struct mn_model_state *st = all->items[i]->state;
        if (st->phase != READY || st->pinned || (idle && st->refs)) continue;
        if (!best || st->used_s < best->state->used_s) best = all->items[i];
    }
    return best;
}

static size_t bytes_pinned(const struct mn_models *all)
{
    size_t sum = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i]->state->pinned) sum += all->items[i]->state->need_bytes;
    return sum;
}

/* A model that waits for memory: load it, or make room for it, or refuse it. */
static void admit(struct mn_model_state *st)
{
    struct mn_models *all = st->server->models;
    size_t need = st->fit.need_bytes;
    if (need > all->limit_bytes) {
        refuse_misfit(st->m, &st->err);
        load_failed(st);
    } else if (need + bytes_pinned(all) > all->limit_bytes) {
        mn_fail(&st->err, MINERVA_MEMORY, "model: \"%.80s\" needs %.2f GB; of %.2f GB, %.2f GB are "
             "held by pinned models", st->m->name, gb(need), gb(all->limit_bytes),
             gb(bytes_pinned(all)));
        load_failed(st);
    } else if (need + all->used_bytes <= all->limit_bytes) {
        all->used_bytes += need;
        st->need_bytes = need;
        if (begin(st, LOADING, load)) return;
        all->used_bytes -= need;
        st->need_bytes = 0;
        mn_fail(&st->err, MINERVA_MEMORY, "no thread to load the model with");
        load_failed(st);
    } else {
        mn_loaded_model *victim;
        while (need + all->used_bytes - bytes_coming(all) > all->limit_bytes
               && ((victim = least_recent(all, true)) || (victim = least_recent(all, false)))) {
            all->stats.n_evictions++;
            mn_server_log(st->server, MINERVA_LOG_INFO, "evict", "model", MN_LOG_TEXT,
                          victim->name, "for", MN_LOG_TEXT, st->m->name, NULL);
            mn_model_unload(victim);
        }
        /* Otherwise others are being loaded; they can be asked to leave once they are. */
    }
}

/* In the order in which they came; one that must wait makes those behind it wait, too. */
static void admit_all(struct mn_models *all)
{
    for (;;) {
        struct mn_model_state *first = NULL;
        for (size_t i = 0; i < all->n; i++) {
            struct mn_model_state *st = all->items[i]->state;
            if (st->phase == WAITING && (!first || st->turn < first->turn)) first = st;
        }
        if (!first) return;
        admit(first);
        if (first->phase == WAITING) return;
    }
}

static void estimated(void *arg)
{
    struct mn_model_state *st = arg;
    struct mn_models *all = st->server->models;
    if (atomic_load(&all->quit)) return;
    join(st);
    if (st->err.code != MINERVA_OK) {
        load_failed(st);
        return;
    }
    st->phase = WAITING;
    st->turn = ++all->turn;
    admit_all(all);
}

static void loaded(void *arg)
{
    struct mn_model_state *st = arg;
    struct mn_models *all = st->server->models;
    if (atomic_load(&all->quit)) return;
    join(st);
    if (st->model) {
        become_ready(st);
        answer_waiting(st->m, NULL);
    } else {
        all->used_bytes -= st->need_bytes;
        st->need_bytes = 0;
        load_failed(st);
    }
    admit_all(all);
}

static void unloaded(void *arg)
{
    struct mn_model_state *st = arg;
    struct mn_models *all = st->server->models;
    if (atomic_load(&all->quit)) return;
    join(st);
    st->phase = UNLOADED;
    all->used_bytes -= st->need_bytes;
    st->need_bytes = 0;
    all->stats.n_unloads++;
    mn_server_log(st->server, MINERVA_LOG_INFO, "unloaded", "model", MN_LOG_TEXT, st->m->name,
                  NULL);
    admit_all(all);
    if (st->first) start_estimate(st);
}

void mn_model_want(mn_loaded_model *m, mn_call *call, void (*then)(mn_call *call))
{
    struct mn_model_state *st = m->state;
    if (st->phase == READY) {
        st->refs++;
        call->model = m;
        then(call);
        return;
    }
    waiter *w = st->n_waiting < MAX_WAITING ? malloc(sizeof *w) : NULL;
    if (!w) {
        mn_fail(&call->err, MINERVA_FULL, "model: %d requests are waiting for \"%.80s\" to be "
             "loaded", st->n_waiting, m->name);
        then(call);
        return;
    }
    *w = (waiter){ .call = call, .then = then };
    if (st->last) st->last->next = w;
    else st->first = w;
    st->last = w;
    st->n_waiting++;
    if (st->phase == UNLOADED) start_estimate(st);
}

void mn_model_each_waiting(mn_loaded_model *m, void (*fn)(mn_call *call, double progress))
{
    double progress = atomic_load(&m->state->permille) / 1000.0;
    for (waiter *w = m->state->first; w; w = w->next) fn(w->call, progress);
}

void mn_model_hold(mn_loaded_model *m) { m->state->refs++; }

void mn_model_release(mn_loaded_model *m)
{
    struct mn_model_state *st = m->state;
    st->refs--;
    st->used_s = mn_clock_s();
    if (st->refs == 0 && st->phase == LEAVING && !atomic_load(&st->server->models->quit))
        start_unload(st);
}

void mn_model_unload(mn_loaded_model *m)
{
    struct mn_model_state *st = m->state;
    if (st->phase != READY) return;
    st->phase = LEAVING;
    if (st->refs == 0) start_unload(st);
}

void mn_model_keep_alive(mn_loaded_model *m, int seconds) { m->state->keep_alive_s = seconds; }

void mn_model_pin(mn_loaded_model *m, bool pinned) { m->state->pinned = pinned; }

void mn_models_tick(mn_server *s, double now)
{
    struct mn_models *all = s->models;
    for (size_t i = 0; i < all->n; i++) {
        struct mn_model_state *st = all->items[i]->state;
        if (st->phase == READY && !st->refs && !st->pinned && st->keep_alive_s >= 0
            && now - st->used_s >= st->keep_alive_s) mn_model_unload(all->items[i]);
    }
    admit_all(all);
}

/* ---- the list ---------------------------------------------------------------------- */

size_t mn_models_count(const mn_server *s) { return s->models->n; }

mn_loaded_model *mn_models_at(const mn_server *s, size_t i) { return s->models->items[i]; }

static mn_loaded_model *find(const struct mn_models *all, const char *name)
{
    for (size_t i = 0; i < all->n; i++)
        if (!strcmp(all->items[i]->name, name)) return all->items[i];
    return NULL;
}

static mn_loaded_model *add(mn_server *s, const char *name, const char *path)
{
    struct mn_models *all = s->models;
    if (all->n == MAX_MODELS) return NULL;
    mn_loaded_model **items = realloc(all->items, (all->n + 1) * sizeof *items);
    if (items) all->items = items;
    mn_loaded_model *m = calloc(1, sizeof *m);
    struct mn_model_state *st = calloc(1, sizeof *st);
    if (m) m->name = strdup(name);
    if (st) st->path = strdup(path);
    if (!items || !m || !st || !m->name || !st->path) {
        if (m) free(m->name);
        if (st) free(st->path);
        free(m);
        free(st);
        return NULL;
    }
    int keep = s->o->keep_alive_s;
    m->state = st;
    st->server = s;
    st->m = m;
    st->keep_alive_s = keep < 0 ? -1 : keep ? keep : DEFAULT_KEEP_ALIVE_S;
    struct stat info;
    if (stat(path, &info) == 0) st->changed_at = (int64_t)info.st_mtime;
    all->items[all->n++] = m;
    return m;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* "x-00002-of-00003.gguf": the first part stands for all. */
static bool is_later_part(const char *name)
{
    const char *of = strstr(name, "-of-");
    return of && of - name > 6 && ends_with(name, ".gguf") && of[-6] == '-'
           && strncmp(of - 5, "00001", 5);
}

static bool is_model_dir(const char *path)
{
    char file[4400];
    snprintf(file, sizeof file, "%s/config.json", path);
    return access(file, R_OK) == 0;
}

/* x.gguf and x/ (with config.json) are models called x; what is a level or two deeper is
 * called owner/x or owner/repository/x. */
static void scan(mn_server *s, const char *dir, const char *prefix, int depth)
{
    char path[4200], name[600];
    struct stat info;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' || is_later_part(e->d_name)) continue;
        int n = snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (n < 0 || n >= (int)sizeof path || stat(path, &info)) continue;
        bool file = S_ISREG(info.st_mode) && ends_with(e->d_name, ".gguf");
        bool folder = S_ISDIR(info.st_mode) && is_model_dir(path);
        snprintf(name, sizeof name, "%s%s", prefix, e->d_name);
        if (file) name[strlen(name) - 5] = 0;
        if (file || folder) {
            mn_loaded_model *m = find(s->models, name);
            if (!m) m = add(s, name, path);
            if (m) m->state->in_dir = true;
        } else if (S_ISDIR(info.st_mode) && depth < 2) {
            snprintf(name, sizeof name, "%s%s/", prefix, e->d_name);
            scan(s, path, name, depth + 1);
        }
    }
    if (d) closedir(d);
}

void mn_models_rescan(mn_server *s)
{
    struct mn_models *all = s->models;
    double now = mn_clock_s();
    if (!s->o->model_dir || (all->scanned_s && now - all->scanned_s < 1)) return;
    all->scanned_s = now;
    for (size_t i = 0; i < all->n; i++) all->items[i]->state->in_dir = i < s->o->n_models;
    scan(s, s->o->model_dir, "", 0);
}

mn_loaded_model *mn_model_find(mn_server *s, const char *name)
{
    struct mn_models *all = s->models;
    if (!name || !*name) return s->o->n_models ? all->items[0] : NULL;
    mn_loaded_model *m = find(all, name);
    if (!m) {
        mn_models_rescan(s);
        m = find(all, name);
    }
    const char *tag = strrchr(name, ':');
    if (!m && tag && !strcmp(tag, ":latest")) {         /* as Ollama's clients may say it */
        char bare[256];
        snprintf(bare, sizeof bare, "%.*s", (int)(tag - name), name);
        m = find(all, bare);
    }
    return m && (m->state->in_dir || m->state->phase != UNLOADED) ? m : NULL;
}

json_t *mn_model_object(const mn_loaded_model *m)
{
    const struct mn_model_state *st = m->state;
    if (!st->in_dir && st->phase == UNLOADED) return NULL;
    json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:s, s:b}", "id", m->name, "object", "model",
        "created", (json_int_t)(m->loaded_at ? m->loaded_at : st->changed_at), "owned_by",
        "minerva", "state", phase_names[st->phase], "pinned", st->pinned);
    if (m->model)
        json_object_set_new(o, "context_length", json_integer(minerva_model_context(m->model)));
    if (st->need_bytes)
        json_object_set_new(o, "memory_bytes", json_integer((json_int_t)st->need_bytes));
    if (st->phase == ESTIMATING || st->phase == WAITING || st->phase == LOADING)
        json_object_set_new(o, "progress", json_real(atomic_load(&st->permille) / 1000.0));
    if (st->phase == READY && !st->pinned && st->keep_alive_s >= 0) {
        double left = st->refs ? st->keep_alive_s : st->used_s + st->keep_alive_s - mn_clock_s();
        json_object_set_new(o, "unloads_in_s", json_integer((json_int_t)(left > 0 ? left : 0)));
    }
    return o;
}

void mn_models_get_stats(const mn_server *s, mn_models_stats *out)
{
    *out = s->models->stats;
    out->used_bytes = s->models->used_bytes;
    out->limit_bytes = s->models->limit_bytes;
    for (size_t i = 0; i < s->models->n; i++) out->n_loaded += s->models->items[i]->model != NULL;
}

/* ---- beginning and end ------------------------------------------------------------- */

/* Before the server runs: those that were named are loaded one after the other, and a fault
 * of one ends the start. */
static minerva_status load_named(mn_server *s, mn_loaded_model *m, minerva_error *err)
{
    struct mn_model_state *st = m->state;
    struct mn_models *all = s->models;
    st->started_s = mn_clock_s();
    if (describe(m, &st->fit, err) != MINERVA_OK) return err->code;
    settle_fit(s, &st->fit);
    /* Several share what one would have for its cache. */
    if (!s->o->load.state_limit_bytes && s->o->n_models > 1) {
        st->fit.need_bytes -= st->fit.cache_bytes;
        st->fit.cache_bytes = st->fit.cache_bytes / s->o->n_models > least_cache_bytes
                                  ? st->fit.cache_bytes / s->o->n_models : least_cache_bytes;
        st->fit.need_bytes += st->fit.cache_bytes;
    }
    if (all->used_bytes + st->fit.need_bytes > all->limit_bytes) {
        refuse_misfit(m, err);
        if (all->used_bytes) {
            size_t n = strlen(err->message);
            snprintf(err->message + n, sizeof err->message - n, ", %.2f GB of it are taken",
                     gb(all->used_bytes));
        }
        return err->code;
    }
    if (open_engine(st) != MINERVA_OK) {
        *err = st->err;
        return err->code;
    }
    st->need_bytes = st->fit.need_bytes;
    all->used_bytes += st->need_bytes;
    st->pinned = true;
    become_ready(st);
    return MINERVA_OK;
}

minerva_status mn_models_create(mn_server *s, minerva_error *err)
{
    const mn_server_options *o = s->o;
    s->models = calloc(1, sizeof *s->models);
    if (!s->models) return mn_fail(err, MINERVA_MEMORY, "out of memory");
    s->models->limit_bytes = o->memory_bytes ? o->memory_bytes : default_limit();
    for (size_t i = 0; i < o->n_models; i++) {
        if (find(s->models, o->models[i].name))
            return mn_fail(err, MINERVA_INVALID, "model %s: one of each name expected",
                        o->models[i].name);
        mn_loaded_model *m = add(s, o->models[i].name, o->models[i].path);
        if (!m) return mn_fail(err, MINERVA_MEMORY, "out of memory");
        m->state->in_dir = true;
        if (!o->on_demand && load_named(s, m, err) != MINERVA_OK) return err->code;
    }
    mn_models_rescan(s);
    return MINERVA_OK;
}

void mn_models_cut(mn_server *s)
{
    minerva_error err = { 0 };
    mn_fail(&err, MINERVA_CANCELLED, "the server is shutting down");
    for (size_t i = 0; s->models && i < s->models->n; i++)
        if (s->models->items[i]->state->first) answer_waiting(s->models->items[i], &err);
}

void mn_models_stop(mn_server *s)
{
    struct mn_models *all = s->models;
    if (!all) return;
    mn_models_cut(s);
    atomic_store(&all->quit, true);
    for (size_t i = 0; i < all->n; i++) {
        struct mn_model_state *st = all->items[i]->state;
        join(st);
        minerva_scheduler_free(st->scheduler);
        st->scheduler = st->m->scheduler = NULL;
    }
}

void mn_models_free(mn_server *s)
{
    struct mn_models *all = s->models;
    if (!all) return;
    for (size_t i = 0; i < all->n; i++) {
        struct mn_model_state *st = all->items[i]->state;
        minerva_model_close(st->model);
        free(st->path);
        free(st->m->name);
        free(st->m);
        free(st);
    }
    free(all->items);
    free(all);
    s->models = NULL;
}
