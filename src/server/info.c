/* What the server says about itself: models, tokens, templates, health, metrics. */
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *model_object(const mn_loaded_model *m)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:i}", "id", m->name, "object", "model", "created",
                     (json_int_t)m->loaded_at, "owned_by", "minerva", "context_length",
                     (int)minerva_model_context(m->model));
}

void mn_api_models(mn_call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->server->n_models; i++)
        json_array_append_new(list, model_object(&c->server->models[i]));
    mn_answer_json(c->http, 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

void mn_api_model(mn_call *c)
{
    char name[256];
    if (!mn_percent_decode(c->http->path + strlen("/v1/models/"), name, sizeof name)) {
        mn_answer_error(c->http, 400, "model", "model: a name with %%XX escapes expected");
        return;
    }
    for (size_t i = 0; i < c->server->n_models; i++)
        if (!strcmp(c->server->models[i].name, name)) {
            mn_answer_json(c->http, 200, model_object(&c->server->models[i]));
            return;
        }
    mn_answer_error(c->http, 404, "model", "model: \"%.100s\" is not served here", name);
}

/* {"content": "...", "add_special": bool, "parse_special": bool} -> {"tokens": [...]} */
void mn_api_tokenize(mn_call *c)
{
    const json_t *text = json_object_get(c->body, "content");
    mn_loaded_model *m = mn_call_model(c);
    if (!m) return;
    if (!json_is_string(text)) {
        mn_answer_error(c->http, 400, "content", "content: a string expected");
        return;
    }
    minerva_tokenize_options o = {
        .no_special = !json_is_true(json_object_get(c->body, "add_special")),
        .plain = json_is_false(json_object_get(c->body, "parse_special")),
    };
    int32_t *ids;
    size_t n;
    minerva_error err = { 0 };
    if (minerva_tokenize(m->model, json_string_value(text), json_string_length(text), &o, &ids,
                         &n, &err) != MINERVA_OK) {
        mn_answer_failure(c->http, "content", &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_integer(ids[i]));
    minerva_free(ids);
    mn_answer_json(c->http, 200, json_pack("{s:o}", "tokens", list));
}

/* {"tokens": [...]} -> {"content": "..."} */
void mn_api_detokenize(mn_call *c)
{
    const json_t *list = json_object_get(c->body, "tokens");
    mn_loaded_model *m = mn_call_model(c);
    if (!m) return;
    size_t n = json_array_size(list), len;
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    bool ok = json_is_array(list) && ids;
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *id = json_array_get(list, i);
        ok = json_is_integer(id) && json_integer_value(id) >= 0
             && json_integer_value(id) <= INT32_MAX;
        if (ok) ids[i] = (int32_t)json_integer_value(id);
    }
    char *text;
    minerva_error err = { 0 };
    if (!ok) {
        mn_answer_error(c->http, 400, "tokens", "tokens: an array of token ids expected");
    } else if (minerva_detokenize(m->model, ids, n, false, &text, &len, &err) != MINERVA_OK) {
        mn_answer_failure(c->http, "tokens", &err);
    } else {
        mn_answer_json(c->http, 200, json_pack("{s:s%}", "content", text, len));
        minerva_free(text);
    }
    free(ids);
}

/* {"messages": [...], "tools": ..., "kwargs": {...}} -> {"prompt": "..."} */
void mn_api_apply_template(mn_call *c)
{
    mn_loaded_model *m = mn_call_model(c);
    if (!m) return;
    json_object_del(c->body, "model");
    char *request = json_dumps(c->body, JSON_COMPACT), *prompt;
    size_t len;
    minerva_error err = { 0 };
    minerva_status st = minerva_render(m->model, request, strlen(request), NULL, 0, &prompt, &len,
                                       &err);
    free(request);
    if (st != MINERVA_OK) {
        mn_answer_failure(c->http, "messages", &err);
        return;
    }
    mn_answer_json(c->http, 200, json_pack("{s:s%}", "prompt", prompt, len));
    minerva_free(prompt);
}

void mn_api_health(mn_call *c)
{
    mn_answer_json(c->http, 200, json_pack("{s:s}", "status", "ok"));
}

void mn_api_ready(mn_call *c)
{
    if (c->server->draining) mn_answer_error(c->http, 503, NULL, "the server is shutting down");
    else mn_answer_json(c->http, 200, json_pack("{s:s}", "status", "ready"));
}

/* ---- Prometheus -------------------------------------------------------------------- */

static void metric(mn_buffer *b, const char *name, const char *type, const char *help)
{
    mn_buffer_append_fmt(b, "# HELP minerva_%s %s\n# TYPE minerva_%s %s\n", name, help, name, type);
}

static void plain(mn_buffer *b, const char *name, const char *type, const char *help, double v)
{
    metric(b, name, type, help);
    mn_buffer_append_fmt(b, "minerva_%s %.15g\n", name, v);
}

void mn_api_metrics(mn_call *c)
{
    static const struct { const char *name, *type, *help; size_t offset; } per_model[] = {
#define STAT(name, type, help, field) \
        { name, type, help, offsetof(minerva_scheduler_stats, field) }
        STAT("requests_queued", "gauge", "Requests waiting.", n_queued),
        STAT("requests_running", "gauge", "Answers in the making.", n_running),
        STAT("requests_finished_total", "counter", "Answers that came to their end.", n_finished),
        STAT("requests_cancelled_total", "counter", "Requests cancelled.", n_cancelled),
        STAT("requests_failed_total", "counter", "Requests that failed.", n_failed),
        STAT("requests_refused_total", "counter", "Requests refused: queue full.", n_refused),
        STAT("requests_preempted_total", "counter", "Answers put back for want of memory.", n_preempted),
        STAT("prompt_tokens_total", "counter", "Tokens in prompts.", tokens_prompt),
        STAT("cached_tokens_total", "counter", "Prompt tokens found in the prefix cache.", tokens_cached),
        STAT("generated_tokens_total", "counter", "Tokens generated.", tokens_generated),
        STAT("forward_passes_total", "counter", "Passes of the network.", n_passes),
        STAT("cache_entries", "gauge", "Prefixes kept.", cache_entries),
        STAT("cache_evictions_total", "counter", "Prefixes dropped for want of memory.", cache_evictions),
#undef STAT
    };
    mn_server *s = c->server;
    mn_http_stats http;
    mn_buffer b = { 0 };
    mn_http_stats_get(s->http, &http);
    plain(&b, "connections", "gauge", "Open connections.", (double)http.n_connections);
    plain(&b, "http_requests_total", "counter", "Requests.", (double)http.n_requests);
    plain(&b, "http_refused_total", "counter", "Malformed or surplus requests.", (double)http.n_refused);
    plain(&b, "http_timeouts_total", "counter", "Requests that came too slowly.", (double)http.n_timeouts);
    plain(&b, "http_slow_readers_total", "counter", "Clients that did not read.", (double)http.n_slow_readers);
    for (size_t k = 0; k < sizeof per_model / sizeof *per_model; k++) {
        metric(&b, per_model[k].name, per_model[k].type, per_model[k].help);
        for (size_t i = 0; i < s->n_models; i++) {
            minerva_scheduler_stats stats;
            minerva_scheduler_get_stats(s->models[i].scheduler, &stats);
            int64_t v;
            memcpy(&v, (const char *)&stats + per_model[k].offset, sizeof v);
            mn_buffer_append_fmt(&b, "minerva_%s{model=", per_model[k].name);
            mn_buffer_append_json(&b, s->models[i].name, strlen(s->models[i].name));
            mn_buffer_append_fmt(&b, "} %lld\n", (long long)v);
        }
    }
    mn_http_respond(c->http, 200, "text/plain; version=0.0.4", NULL, b.data ? b.data : "", b.len);
    mn_http_request_free(c->http);
    mn_buffer_clear(&b);
}
