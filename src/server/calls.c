/* The way of a request from its body to its handler, and the workers that do the slow
 * parts of it, so that one client's long prompt delays nobody else's request.
 *
 *   mn_call_start -> parse -> params, model -> [wait for loading] -> prepare -> handler
 *   I/O              any      I/O                                   worker     I/O
 *
 * (1) A call is touched by one thread at a time: it is handed over by queue and post.
 * (2) `http` is cleared when the client goes away, at whatever stage; the call then ends at
 *     its next stage on the I/O thread.  The body's bytes are the call's until its handler.
 * (3) One worker never takes large work, so small requests do not wait for large ones.
 */
#include "server/params.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL_BYTES = 16 << 10, LARGE_BYTES = 64 << 10, MAX_WAITING = 4096, MAX_WORKERS = 4,
       MAX_DEPTH = 128 };

/* ---- workers ----------------------------------------------------------------------- */

typedef struct task {
    struct task *next;
    void (*work)(void *);
    void (*done)(void *);
    void *arg;
} task;

typedef struct { task *first, *last; } task_list;

struct mn_workers {
    mn_server *server;
    pthread_t threads[MAX_WORKERS];
    int n_threads, n_started;   /* n_started: under mutex, like all below */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    task_list small, large;
    int n_waiting;
    bool quit;
};

static void list_add(task_list *l, task *t)
{
    if (l->last) l->last->next = t;
    else l->first = t;
    l->last = t;
}

static task *list_take(task_list *l)
{
    task *t = l->first;
    if (t && !(l->first = t->next)) l->last = NULL;
    return t;
}

/* News that must arrive: whoever waits for it would wait forever. */
static void post_done(mn_server *s, task *t)
{
    while (!mn_http_post(s->http, t->done, t->arg)) usleep(1000);
    free(t);
}

static void *work(void *arg)
{
    struct mn_workers *w = arg;
    pthread_mutex_lock(&w->mutex);
    bool takes_large = w->n_started++ > 0;
    for (;;) {
        task *t = takes_large ? list_take(&w->large) : NULL;
        if (!t) t = list_take(&w->small);
        if (!t) {
            if (w->quit) break;
            pthread_cond_wait(&w->wake, &w->mutex);
            continue;
        }
        bool quit = w->quit;
        w->n_waiting--;
        pthread_mutex_unlock(&w->mutex);
        if (!quit) t->work(t->arg);
        post_done(w->server, t);
        pthread_mutex_lock(&w->mutex);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

bool mn_workers_run(struct mn_workers *w, bool large, void (*fn)(void *), void (*done)(void *),
                    void *arg)
{
    task *t = w ? malloc(sizeof *t) : NULL;
    if (!t) return false;
    *t = (task){ .work = fn, .done = done, .arg = arg };
    pthread_mutex_lock(&w->mutex);
    bool taken = !w->quit && w->n_waiting < MAX_WAITING;
    if (taken) {
        w->n_waiting++;
        list_add(large ? &w->large : &w->small, t);
        /* All, because the one that is woken might be the one that takes no large work. */
        pthread_cond_broadcast(&w->wake);
    }
    pthread_mutex_unlock(&w->mutex);
    if (!taken) free(t);
    return taken;
}

minerva_status mn_workers_create(struct mn_workers **out, mn_server *server, minerva_error *err)
{
    struct mn_workers *w = calloc(1, sizeof *w);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int n = cores > MAX_WORKERS ? MAX_WORKERS : cores > 2 ? (int)cores : 2;
    if (w) {
        w->server = server;
        pthread_mutex_init(&w->mutex, NULL);
        pthread_cond_init(&w->wake, NULL);
        while (w->n_threads < n
               && pthread_create(&w->threads[w->n_threads], NULL, work, w) == 0) w->n_threads++;
    }
    if (w && w->n_threads == n) {
        *out = w;
        return MINERVA_OK;
    }
    mn_workers_free(w);
    err->code = MINERVA_MEMORY;
    snprintf(err->message, sizeof err->message, "the workers could not be started");
    return MINERVA_MEMORY;
}

void mn_workers_free(struct mn_workers *w)
{
    if (!w) return;
    pthread_mutex_lock(&w->mutex);
    w->quit = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->mutex);
    for (int i = 0; i < w->n_threads; i++) pthread_join(w->threads[i], NULL);
    for (task *t; (t = list_take(&w->small)) || (t = list_take(&w->large));)
        post_done(w->server, t);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->wake);
    free(w);
}

/* ---- calls ------------------------------------------------------------------------- */

typedef struct {
    mn_call c;                  /* first: a call is cast to this */
    char *bytes;                /* the body, until the handler gets it back */
    char *answer;               /* call->answer as text */
} whole_call;

static void call_free(mn_call *c)
{
    whole_call *w = (whole_call *)c;
    c->server->n_active--;
    if (c->state && c->state_free) c->state_free(c->state);
    if (c->model) mn_model_release(c->model);
    json_decref(c->body);
    json_decref(c->answer);
    free(w->answer);
    free(w->bytes);
    free(c);
}

static void on_gone(mn_http_request *r)
{
    mn_call *c = r->user;
    c->http = NULL;
    mn_http_request_free(r);
}

/* The request is no longer the call's: whoever answers it has it. */
static mn_http_request *take_http(mn_call *c)
{
    mn_http_request *r = c->http;
    r->user = NULL;
    r->on_gone = NULL;
    return r;
}

/* Ends a call that is over: its client is gone, or something is wrong. */
static bool call_ends(mn_call *c)
{
    if (c->http && c->err.code == MINERVA_OK) return false;
    if (c->http) mn_answer_failure(take_http(c), c->param, &c->err);
    call_free(c);
    return true;
}

static void call_fail(mn_call *c, minerva_status code, const char *message)
{
    c->err = (minerva_error){ .code = code, .offset = -1 };
    snprintf(c->err.message, sizeof c->err.message, "%s", message);
}

/* How deep arrays and objects are nested, strings skipped; jansson's own bound is 2048. */
static size_t json_depth(const char *text, size_t len)
{
    size_t depth = 0, most = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > most) most = depth;
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        }
    }
    return most;
}

static void parse(void *arg)
{
    mn_call *c = arg;
    json_error_t why;
    char message[300];
    if (json_depth(c->text, c->text_len) > MAX_DEPTH) {
        snprintf(message, sizeof message, "body: JSON nested at most %d deep expected", MAX_DEPTH);
        call_fail(c, MINERVA_INVALID, message);
        return;
    }
    c->body = json_loadb(c->text, c->text_len, JSON_REJECT_DUPLICATES, &why);
    if (!c->body) {
        snprintf(message, sizeof message, "body: line %d, column %d: %s", why.line, why.column,
                 why.text);
        call_fail(c, MINERVA_INVALID, message);
    } else if (!json_is_object(c->body)) {
        call_fail(c, MINERVA_INVALID, "body: a JSON object expected");
    } else {
        mn_params p = { .body = c->body, .where = c->route->params };
        mn_param_known(&p);
        c->err = p.err;
        c->param = p.param;
    }
}

static void prepare(void *arg)
{
    mn_call *c = arg;
    if (!c->route->prepare(c)) {
        if (c->err.code == MINERVA_OK) call_fail(c, MINERVA_MEMORY, "out of memory");
    } else if (!c->route->handler) {
        ((whole_call *)c)->answer = json_dumps(c->answer, JSON_COMPACT | JSON_PRESERVE_ORDER);
        if (!((whole_call *)c)->answer) call_fail(c, MINERVA_MEMORY, "out of memory");
    }
}

static void prepared(void *arg)
{
    mn_call *c = arg;
    whole_call *w = arg;
    if (call_ends(c)) return;
    mn_http_request *r = take_http(c);
    if (c->route->handler) {
        r->body = w->bytes;     /* it may be read until the request is answered */
        w->bytes = NULL;
        c->route->handler(c);
    } else {
        mn_http_respond(r, 200, "application/json", NULL, w->answer, strlen(w->answer));
        mn_http_request_free(r);
    }
    call_free(c);
}

static void with_model(mn_call *c)
{
    if (call_ends(c)) return;
    if (c->model) c->http->model = c->model->name;
    if (!c->route->prepare) {
        prepared(c);
    } else if (!mn_workers_run(c->server->workers, c->text_len > LARGE_BYTES, prepare, prepared,
                               c)) {
        call_fail(c, MINERVA_FULL, "too many requests are being read");
        call_ends(c);
    }
}

static void parsed(void *arg)
{
    mn_call *c = arg;
    if (call_ends(c)) return;
    if (!(c->route->flags & MN_ROUTE_MODEL)) {
        with_model(c);
        return;
    }
    const json_t *name = json_object_get(c->body, "model");
    mn_loaded_model *m = NULL;
    char message[300];
    c->param = "model";
    if (c->server->draining) {
        call_fail(c, MINERVA_CANCELLED, "the server is shutting down");
    } else if (name && !json_is_null(name) && !json_is_string(name)) {
        call_fail(c, MINERVA_INVALID, "model: a string expected");
    } else if (!(m = mn_model_find(c->server, json_string_value(name)))) {
        if (json_is_string(name))
            snprintf(message, sizeof message, "model: \"%.100s\" is not served here; GET "
                     "/v1/models lists what is", json_string_value(name));
        else
            snprintf(message, sizeof message, "model: a name expected, since there is no default");
        call_fail(c, MINERVA_NOT_FOUND, message);
    }
    if (call_ends(c)) return;
    c->param = NULL;
    mn_model_want(m, c, with_model);
}

void mn_call_start(mn_server *s, mn_http_request *r, const mn_route_spec *route,
                   const char *tenant)
{
    whole_call *w = calloc(1, sizeof *w);
    if (!w) {
        mn_answer_error(r, 503, NULL, "out of memory");
        return;
    }
    mn_call *c = &w->c;
    *c = (mn_call){ .server = s, .http = r, .id = r->id, .route = route, .tenant = tenant,
                    .text = r->body, .text_len = r->body_len };
    s->n_active++;
    r->user = c;
    r->on_gone = on_gone;
    r->tenant = tenant;
    w->bytes = r->body;
    r->body = NULL;
    if (!(route->flags & MN_ROUTE_JSON)) {
        prepared(c);
    } else if (c->text_len <= SMALL_BYTES) {
        parse(c);
        parsed(c);
    } else if (!mn_workers_run(s->workers, c->text_len > LARGE_BYTES, parse, parsed, c)) {
        call_fail(c, MINERVA_FULL, "too many requests are being read");
        call_ends(c);
    }
}
