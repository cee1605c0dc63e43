/* A scheduler on a fixed clock, in place of the engine's, for tests of the server under
 * load: linked over minerva_scheduler_... by the linker's --wrap (see the Makefile).
 *
 * Every tick, each running request gets one token.  A prompt with "tag=123" in it is
 * answered "123:0;", "123:1;", ... so that a client can tell whose token came and whether
 * one is missing.  Everything else (tokenizer, template, HTTP) is the product's own. */
#include "minerva.h"
#include "tests/clockwork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int clockwork_tick_us = 5000;
int clockwork_piece_bytes = 0;

struct minerva_request {
    atomic_int refs;
    atomic_bool cancelled;
    minerva_request *next;
    bool (*on_piece)(void *, const minerva_piece *);
    void (*on_done)(void *, const minerva_generate_result *, const minerva_error *);
    void *ctx;
    long tag;
    minerva_generate_result result;
    size_t n_wanted;
};

typedef struct { minerva_request *first, **last; } line;

struct minerva_scheduler {
    minerva_model *model;
    minerva_scheduler_options o;
    pthread_t thread;
    pthread_mutex_t mutex;
    line waiting;               /* under mutex, like the next two */
    bool quit;
    minerva_scheduler_stats stats;
    line running;               /* the thread's */
};

minerva_status __wrap_minerva_scheduler_create(minerva_scheduler **out, minerva_model *model,
    const minerva_scheduler_options *options, minerva_error *err);
void __wrap_minerva_scheduler_free(minerva_scheduler *s);
minerva_status __wrap_minerva_scheduler_submit(minerva_scheduler *s,
    const minerva_request_options *o, minerva_request **request, minerva_error *err);
void __wrap_minerva_request_cancel(minerva_request *r);
void __wrap_minerva_request_release(minerva_request *r);
void __wrap_minerva_scheduler_get_stats(minerva_scheduler *s, minerva_scheduler_stats *out);

static void add(line *l, minerva_request *r)
{
    r->next = NULL;
    if (!l->first) l->last = &l->first;
    *l->last = r;
    l->last = &r->next;
}

static minerva_request *take(line *l)
{
    minerva_request *r = l->first;
    if (r) l->first = r->next;
    return r;
}

void __wrap_minerva_request_release(minerva_request *r)
{
    if (r && atomic_fetch_sub(&r->refs, 1) == 1) free(r);
}

void __wrap_minerva_request_cancel(minerva_request *r) { atomic_store(&r->cancelled, true); }

/* One token; false: that was the last one. */
static bool step(minerva_request *r)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "%ld:%zu;", r->tag, r->result.n_generated);
    if (clockwork_piece_bytes > n && clockwork_piece_bytes < (int)sizeof text) {
        memset(text + n, '.', (size_t)(clockwork_piece_bytes - n));
        n = clockwork_piece_bytes;
    }
    minerva_piece piece = { .text = text, .len = (size_t)n, .token = 1 };
    if (atomic_load(&r->cancelled) || (r->on_piece && !r->on_piece(r->ctx, &piece))) {
        r->result.finish = MINERVA_FINISH_CANCELLED;
        return false;
    }
    r->result.finish = MINERVA_FINISH_LENGTH;
    return ++r->result.n_generated < r->n_wanted;
}

static void finish(minerva_scheduler *s, minerva_request *r)
{
    static const minerva_error none;
    pthread_mutex_lock(&s->mutex);
    if (r->result.finish == MINERVA_FINISH_CANCELLED) s->stats.n_cancelled++;
    else s->stats.n_finished++;
    s->stats.tokens_generated += (int64_t)r->result.n_generated;
    s->stats.n_running--;
    pthread_mutex_unlock(&s->mutex);
    r->on_done(r->ctx, &r->result, &none);
    __wrap_minerva_request_release(r);
}

static void tick(minerva_scheduler *s, bool quit)
{
    line all = s->running;
    s->running.first = NULL;
    for (minerva_request *r; (r = take(&all));) {
        if (quit) atomic_store(&r->cancelled, true);
        if (step(r)) add(&s->running, r);
        else finish(s, r);
    }
}

static void *run(void *arg)
{
    minerva_scheduler *s = arg;
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    for (;;) {
        at.tv_nsec += clockwork_tick_us * 1000L;
        while (at.tv_nsec >= 1000000000) at.tv_nsec -= 1000000000, at.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        pthread_mutex_lock(&s->mutex);
        bool quit = s->quit;
        for (minerva_request *r; (quit || s->stats.n_running < s->o.max_running)
                                 && (r = take(&s->waiting));) {
            s->stats.n_queued--;
            s->stats.n_running++;
            add(&s->running, r);
        }
        pthread_mutex_unlock(&s->mutex);
        tick(s, quit);
        if (quit && !s->running.first) return NULL;
    }
}

minerva_status __wrap_minerva_scheduler_create(minerva_scheduler **out, minerva_model *model,
    const minerva_scheduler_options *options, minerva_error *err)
{
    minerva_scheduler *s = calloc(1, sizeof *s);
    if (!s) return MINERVA_MEMORY;
    s->model = model;
    s->o = *options;
    pthread_mutex_init(&s->mutex, NULL);
    if (pthread_create(&s->thread, NULL, run, s)) abort();
    *out = s;
    return MINERVA_OK;
}

void __wrap_minerva_scheduler_free(minerva_scheduler *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->mutex);
    s->quit = true;
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

minerva_status __wrap_minerva_scheduler_submit(minerva_scheduler *s,
    const minerva_request_options *o, minerva_request **request, minerva_error *err)
{
    char *text = NULL;
    size_t len;
    minerva_request *r = calloc(1, sizeof *r);
    if (!r || minerva_detokenize(s->model, o->prompt, o->n_prompt, true, &text, &len, err)) abort();
    const char *tag = strstr(text, "tag=");
    *r = (minerva_request){ .on_piece = o->generate.on_piece, .on_done = o->on_done,
        .ctx = o->generate.ctx, .tag = tag ? strtol(tag + 4, NULL, 10) : -1,
        .n_wanted = o->generate.max_tokens > 0 ? (size_t)o->generate.max_tokens : 100,
        .result.n_prompt = o->n_prompt };
    minerva_free(text);
    atomic_init(&r->refs, 2);
    pthread_mutex_lock(&s->mutex);
    bool full = s->stats.n_queued >= s->o.max_queued;
    if (full) {
        s->stats.n_refused++;
    } else {
        s->stats.n_accepted++;
        s->stats.n_queued++;
        add(&s->waiting, r);
    }
    if (!full && request) *request = r;
    if (!full && !request) atomic_store(&r->refs, 1);
    pthread_mutex_unlock(&s->mutex);
    if (!full) return MINERVA_OK;
    free(r);
    err->code = MINERVA_FULL;
    snprintf(err->message, sizeof err->message, "the queue is full: %d requests are waiting",
             s->o.max_queued);
    return MINERVA_FULL;
}

void __wrap_minerva_scheduler_get_stats(minerva_scheduler *s, minerva_scheduler_stats *out)
{
    pthread_mutex_lock(&s->mutex);
    *out = s->stats;
    pthread_mutex_unlock(&s->mutex);
}
