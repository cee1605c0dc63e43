/* /api/models: what there is and in what state, loading, unloading, and what it would take.
 *
 * Loading may be asked for as a stream: {"state": "loading", "progress": 0.4} while it goes
 * on, then the model as GET /api/models shows it, or an error. */
#include "server/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *list_of(mn_server *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < mn_models_count(s); i++) {
        json_t *m = mn_model_object(mn_models_at(s, i));
        if (m) json_array_append_new(list, m);
    }
    return list;
}

void mn_admin_list(mn_call *c)
{
    mn_models_stats stats;
    mn_models_rescan(c->server);
    mn_models_get_stats(c->server, &stats);
    mn_answer_json(c->http, 200, json_pack("{s:o, s:{s:I, s:I}}", "models", list_of(c->server),
        "memory", "limit_bytes", (json_int_t)stats.limit_bytes, "used_bytes",
        (json_int_t)stats.used_bytes));
}

void mn_api_models(mn_call *c)
{
    mn_models_rescan(c->server);
    mn_answer_json(c->http, 200, json_pack("{s:s, s:o}", "object", "list", "data",
                                           list_of(c->server)));
}

void mn_api_model(mn_call *c)
{
    char name[256];
    if (!mn_percent_decode(c->http->path + strlen("/v1/models/"), name, sizeof name)) {
        mn_answer_error(c->http, 400, "model", "model: a name with %%XX escapes expected");
        return;
    }
    mn_loaded_model *m = *name ? mn_model_find(c->server, name) : NULL;
    if (m) mn_answer_json(c->http, 200, mn_model_object(m));
    else mn_answer_error(c->http, 404, "model", "model: \"%.100s\" is not served here", name);
}

/* The model that the body names; NULL after an answer. */
static mn_loaded_model *named(mn_call *c)
{
    const char *name = json_string_value(json_object_get(c->body, "model"));
    if (!name || !*name) {
        mn_answer_error(c->http, 400, "model", "model: a name expected");
        return NULL;
    }
    mn_loaded_model *m = mn_model_find(c->server, name);
    if (!m) mn_answer_error(c->http, 404, "model", "model: \"%.100s\" is not served here", name);
    return m;
}

/* ---- load -------------------------------------------------------------------------- */

/* A call of our own that waits for the model, because the handler's ends with it. */
typedef struct {
    mn_call call;               /* first */
    mn_loaded_model *model;
    bool stream, pin, unpin;
    int keep_alive;             /* -2: not said */
    int permille;               /* last told */
} loading;

static void send_event(mn_http_request *r, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);
    mn_buffer b = { 0 };
    json_decref(value);
    if (text) mn_buffer_append_fmt(&b, "data: %s\n\n", text);
    mn_http_stream_write(r, b.data, b.len);
    mn_buffer_clear(&b);
    free(text);
}

static void load_gone(mn_http_request *r)
{
    loading *l = r->user;
    l->call.http = NULL;
    mn_http_request_free(r);
}

static void load_done(mn_call *c)
{
    loading *l = (loading *)c;
    mn_http_request *r = c->http;
    bool ok = c->err.code == MINERVA_OK;
    if (ok && l->keep_alive != -2) mn_model_keep_alive(l->model, l->keep_alive);
    if (ok && (l->pin || l->unpin)) mn_model_pin(l->model, l->pin);
    if (r) {
        r->user = NULL;
        r->on_gone = NULL;
    }
    if (r && l->stream) {
        send_event(r, ok ? mn_model_object(l->model)
                         : mn_error_object(500, "model", c->err.message));
        mn_http_stream_end(r);
        mn_http_request_free(r);
    } else if (r && ok) {
        mn_answer_json(r, 200, mn_model_object(l->model));
    } else if (r) {
        mn_answer_failure(r, "model", &c->err);
    }
    c->server->n_active--;
    if (c->model) mn_model_release(c->model);
    free(l);
}

void mn_admin_load(mn_call *c)
{
    mn_params p = { .body = c->body, .where = MN_FOR_MODEL_LOAD };
    int64_t keep = -2;
    bool pin = false, stream = false;
    bool said = mn_param_bool(&p, "pin", &pin);
    mn_param_int(&p, "keep_alive", &keep);
    mn_param_bool(&p, "stream", &stream);
    if (p.err.code != MINERVA_OK) {
        mn_answer_failure(c->http, p.param, &p.err);
        return;
    }
    mn_loaded_model *m = named(c);
    if (!m) return;
    loading *l = calloc(1, sizeof *l);
    if (!l || c->server->draining) {
        mn_answer_error(c->http, 503, NULL, "the server is %s", l ? "shutting down"
                                                                    : "out of memory");
        free(l);
        return;
    }
    *l = (loading){ .call = { .server = c->server, .http = c->http, .id = c->id,
                              .tenant = c->tenant },
                    .model = m, .stream = stream, .pin = said && pin, .unpin = said && !pin,
                    .keep_alive = (int)keep, .permille = -1 };
    c->http->user = l;
    c->http->on_gone = load_gone;
    c->server->n_active++;
    if (stream) mn_http_stream_begin(c->http, 200, "text/event-stream", "Cache-Control: no-cache\r\n");
    mn_model_want(m, &l->call, load_done);
}

static void tell(mn_call *c, double progress)
{
    if (c->route) return;       /* a request for an answer, not for loading */
    loading *l = (loading *)c;
    int permille = (int)(progress * 1000);
    if (!l->stream || !c->http || permille == l->permille) return;
    l->permille = permille;
    send_event(c->http, json_pack("{s:s, s:s, s:f}", "id", l->model->name, "state", "loading",
                                  "progress", progress));
}

void mn_admin_tick(mn_server *s)
{
    for (size_t i = 0; i < mn_models_count(s); i++) mn_model_each_waiting(mn_models_at(s, i), tell);
}

/* ---- unload, fit ------------------------------------------------------------------- */

void mn_admin_unload(mn_call *c)
{
    mn_loaded_model *m = named(c);
    if (!m) return;
    mn_model_pin(m, false);
    mn_model_unload(m);
    mn_answer_json(c->http, 200, mn_model_object(m));
}

typedef struct {
    mn_server *server;
    mn_http_request *http;      /* I/O thread only */
    mn_loaded_model *model;
    mn_model_fit fit;
    minerva_error err;
} fitting;

static void fit_gone(mn_http_request *r)
{
    ((fitting *)r->user)->http = NULL;
    mn_http_request_free(r);
}

static void fit_work(void *arg)
{
    fitting *f = arg;
    mn_model_estimate(f->model, &f->fit, &f->err);
}

static void fit_done(void *arg)
{
    fitting *f = arg;
    mn_http_request *r = f->http;
    const mn_model_fit *fit = &f->fit;
    mn_models_stats stats;
    mn_models_get_stats(f->server, &stats);
    size_t left = stats.limit_bytes - stats.used_bytes;
    f->server->n_active--;
    if (r) {
        r->user = NULL;
        r->on_gone = NULL;
    }
    if (r && f->err.code != MINERVA_OK)
        mn_answer_failure(r, "model", &f->err);
    else if (r)
        mn_answer_json(r, 200, json_pack("{s:s, s:b, s:b, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
            "id", f->model->name, "fits", fit->fits, "fits_now", fit->need_bytes <= left,
            "backend", *fit->backend ? fit->backend : NULL,
            "file_bytes", (json_int_t)fit->file_bytes, "weight_bytes",
            (json_int_t)fit->weight_bytes, "working_bytes", (json_int_t)fit->fixed_bytes,
            "cache_bytes", (json_int_t)fit->cache_bytes, "need_bytes",
            (json_int_t)fit->need_bytes, "limit_bytes", (json_int_t)fit->limit_bytes,
            "free_bytes", (json_int_t)left));
    free(f);
}

void mn_admin_fit(mn_call *c)
{
    mn_loaded_model *m = named(c);
    if (!m) return;
    fitting *f = calloc(1, sizeof *f);
    mn_http_request *r = c->http;
    if (f) {
        *f = (fitting){ .server = c->server, .http = r, .model = m };
        r->user = f;
        r->on_gone = fit_gone;
        c->server->n_active++;
        if (mn_workers_run(c->server->workers, true, fit_work, fit_done, f)) return;
        c->server->n_active--;
        r->user = NULL;
        r->on_gone = NULL;
    }
    free(f);
    mn_answer_error(r, 503, NULL, "too much work is waiting");
}
