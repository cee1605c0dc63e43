/* What the server says about itself: models, tokens, templates, health, metrics. */
#include "server/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* {"content": "...", "add_special": bool, "parse_special": bool} -> {"tokens": [...]} */
bool mn_prepare_tokenize(mn_call *c)
{
    const json_t *text = json_object_get(c->body, "content");
    mn_params p = { .body = c->body, .where = MN_FOR_TOKENIZE };
    bool add = false, parse = true;
    int32_t *ids = NULL;
    size_t n = 0;
    mn_param_bool(&p, "add_special", &add);
    mn_param_bool(&p, "parse_special", &parse);
    if (!json_is_string(text)) mn_param_fail(&p, "content", "a string expected");
    minerva_tokenize_options o = { .no_special = !add, .plain = !parse };
    c->err = p.err;
    c->param = p.param ? p.param : "content";
    if (c->err.code != MINERVA_OK
        || minerva_tokenize(c->model->model, json_string_value(text), json_string_length(text),
                            &o, &ids, &n, &c->err) != MINERVA_OK) return false;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_integer(ids[i]));
    minerva_free(ids);
    c->answer = json_pack("{s:o}", "tokens", list);
    return true;
}

/* {"tokens": [...]} -> {"content": "..."} */
bool mn_prepare_detokenize(mn_call *c)
{
    const json_t *list = json_object_get(c->body, "tokens");
    mn_params p = { .body = c->body, .where = MN_FOR_DETOKENIZE };
    size_t n = json_array_size(list), len;
    int32_t *ids = malloc((n + 1) * sizeof *ids);
    bool ok = json_is_array(list) && ids;
    char *text = NULL;
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *id = json_array_get(list, i);
        ok = json_is_integer(id) && json_integer_value(id) >= 0
             && json_integer_value(id) <= INT32_MAX;
        if (ok) ids[i] = (int32_t)json_integer_value(id);
    }
    if (!ok) mn_param_fail(&p, "tokens", "an array of token ids expected");
    else minerva_detokenize(c->model->model, ids, n, false, &text, &len, &p.err);
    c->err = p.err;
    c->param = "tokens";
    if (text) c->answer = json_pack("{s:s%}", "content", text, len);
    minerva_free(text);
    free(ids);
    return text != NULL;
}

/* {"messages": [...], "tools": ..., "kwargs": {...}} -> {"prompt": "..."} */
bool mn_prepare_template(mn_call *c)
{
    size_t len;
    char *prompt = NULL;
    json_object_del(c->body, "model");
    char *request = json_dumps(c->body, JSON_COMPACT);
    c->param = "messages";
    if (!request || minerva_render(c->model->model, request, strlen(request), NULL, 0, &prompt,
                                   &len, &c->err) != MINERVA_OK) {
        free(request);
        return false;
    }
    free(request);
    c->answer = json_pack("{s:s%}", "prompt", prompt, len);
    minerva_free(prompt);
    return true;
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
        STAT("cache_lost_evicted_total", "counter", "Prompts read again: their state was evicted.", lost_evicted),
        STAT("cache_lost_state_total", "counter", "Prompts read again: state cannot be cut back.", lost_state),
        STAT("cache_lost_tenant_total", "counter", "Prompts read again: another key's.", lost_tenant),
        STAT("cache_lost_slow_total", "counter", "Prompts read again: slower from disk.", lost_slow),
        STAT("cache_lost_disk_total", "counter", "Prompts read again: a broken file.", lost_disk),
        STAT("cache_restored_tokens_total", "counter", "Tokens whose state came from disk.", tokens_restored),
        STAT("cache_disk_files", "gauge", "Files of the disk tier.", disk_files),
        STAT("cache_disk_bytes", "gauge", "Bytes of the disk tier.", disk_bytes),
        STAT("cache_disk_written_bytes_total", "counter", "Bytes written to the disk tier.", disk_written_bytes),
        STAT("cache_disk_read_bytes_total", "counter", "Bytes read from the disk tier.", disk_read_bytes),
        STAT("cache_disk_off", "gauge", "1: the disk tier does not write.", disk_off),
#undef STAT
    };
    mn_server *s = c->server;
    mn_http_stats http;
    mn_buffer b = { 0 };
    mn_http_stats_get(s->http, &http);
    mn_models_stats models;
    mn_models_get_stats(s, &models);
    plain(&b, "models_loaded", "gauge", "Models that are loaded.", (double)models.n_loaded);
    plain(&b, "model_loads_total", "counter", "Models loaded.", (double)models.n_loads);
    plain(&b, "model_unloads_total", "counter", "Models unloaded.", (double)models.n_unloads);
    plain(&b, "model_evictions_total", "counter", "Models unloaded to make room.", (double)models.n_evictions);
    plain(&b, "model_load_failures_total", "counter", "Models that could not be loaded.", (double)models.n_failures);
    plain(&b, "model_memory_bytes", "gauge", "Memory reserved for models.", (double)models.used_bytes);
    plain(&b, "model_memory_limit_bytes", "gauge", "What it may be at most.", (double)models.limit_bytes);
    plain(&b, "connections", "gauge", "Open connections.", (double)http.n_connections);
    plain(&b, "http_requests_total", "counter", "Requests.", (double)http.n_requests);
    plain(&b, "http_refused_total", "counter", "Malformed or surplus requests.", (double)http.n_refused);
    plain(&b, "http_timeouts_total", "counter", "Requests that came too slowly.", (double)http.n_timeouts);
    plain(&b, "http_slow_readers_total", "counter", "Clients that did not read.", (double)http.n_slow_readers);
    for (size_t k = 0; k < sizeof per_model / sizeof *per_model; k++) {
        metric(&b, per_model[k].name, per_model[k].type, per_model[k].help);
        for (size_t i = 0; i < mn_models_count(s); i++) {
            const mn_loaded_model *m = mn_models_at(s, i);
            minerva_scheduler_stats stats;
            if (!m->scheduler) continue;
            minerva_scheduler_get_stats(m->scheduler, &stats);
            int64_t v;
            memcpy(&v, (const char *)&stats + per_model[k].offset, sizeof v);
            mn_buffer_append_fmt(&b, "minerva_%s{model=", per_model[k].name);
            mn_buffer_append_json(&b, m->name, strlen(m->name));
            mn_buffer_append_fmt(&b, "} %lld\n", (long long)v);
        }
    }
    mn_http_respond(c->http, 200, "text/plain; version=0.0.4", NULL, b.data ? b.data : "", b.len);
    mn_http_request_free(c->http);
    mn_buffer_clear(&b);
}
