/* /api/chat and /api/generate: Ollama's API around job.h.
 *
 * Streams are lines of JSON, and a stream unless the request says otherwise.  Calls come
 * whole, with their arguments as an object.  A request without messages or prompt only
 * loads its model (or, with keep_alive 0, unloads it).
 */
#include "server/ollama.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
    bool is_chat, is_empty, has_keep_alive;
    int keep_alive_s;
} wishes;

/* ---- out --------------------------------------------------------------------------- */

json_t *mn_ollama_time(int64_t seconds)
{
    char text[40];
    time_t t = (time_t)seconds;
    struct tm when;
    gmtime_r(&t, &when);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.000000Z", &when);
    return json_string(text);
}

static json_t *frame_of(const mn_job *j, bool done)
{
    return json_pack("{s:s, s:o, s:b}", "model", j->model->name, "created_at",
                     mn_ollama_time((int64_t)time(NULL)), "done", done);
}

/* The text in the place that the route has for it; takes text and thinking (or NULL). */
static void set_text(const mn_job *j, json_t *frame, json_t *text, json_t *thinking,
                     json_t *calls)
{
    const wishes *w = j->user;
    json_t *at = w->is_chat ? json_pack("{s:s}", "role", "assistant") : json_incref(frame);
    json_object_set_new(at, w->is_chat ? "content" : "response", text);
    if (thinking) json_object_set_new(at, "thinking", thinking);
    if (calls) json_object_set_new(at, "tool_calls", calls);
    if (w->is_chat) json_object_set_new(frame, "message", at);
    else json_decref(at);
}

static json_t *call_of(const mn_tool_call *call, size_t index)
{
    json_t *arguments = json_loadb(call->arguments.data ? call->arguments.data : "",
                                   call->arguments.len, 0, NULL);
    if (!json_is_object(arguments)) {   /* cut off, or broken by the model itself */
        json_decref(arguments);
        arguments = json_object();
    }
    return json_pack("{s:s, s:{s:i, s:s, s:o}}", "id", call->id, "function", "index", (int)index,
                     "name", call->name ? call->name : "", "arguments", arguments);
}

static void set_end(const mn_job *j, json_t *frame)
{
    const mn_choice *c = &j->choices[0];
    const minerva_generate_result *r = &c->result;
    mn_usage u = mn_job_usage(j);
    bool length = !strcmp(mn_choice_finish(c), "length");
    double total = mn_clock_s() - j->started_s;
    json_object_set_new(frame, "done_reason", json_string(length ? "length" : "stop"));
    json_object_set_new(frame, "total_duration", json_integer((json_int_t)(total * 1e9)));
    json_object_set_new(frame, "load_duration", json_integer(0));
    json_object_set_new(frame, "prompt_eval_count", json_integer((json_int_t)u.prompt));
    json_object_set_new(frame, "prompt_eval_duration", json_integer((json_int_t)(r->prompt_s * 1e9)));
    json_object_set_new(frame, "eval_count", json_integer((json_int_t)u.generated));
    json_object_set_new(frame, "eval_duration", json_integer((json_int_t)(r->generate_s * 1e9)));
}

static void set_logprobs(mn_choice *c, json_t *frame)
{
    json_t *list = mn_take_logprobs(c);
    if (list) json_object_set_new(frame, "logprobs", list);
}

static void delta(mn_choice *c, const mn_delta *d)
{
    mn_job *j = c->job;
    if (d->kind == MN_DELTA_CALL_BEGIN || d->kind == MN_DELTA_CALL_ARGUMENTS) return;
    json_t *frame = frame_of(j, false), *text = json_stringn(d->text ? d->text : "", d->len);
    if (!text) text = json_string("");
    if (d->kind == MN_DELTA_CALL_END) {
        json_decref(text);
        set_text(j, frame, json_string(""), NULL,
                 json_pack("[o]", call_of(&c->calls[d->call], d->call)));
    } else if (d->kind == MN_DELTA_REASONING) {
        set_text(j, frame, json_string(""), text, NULL);
    } else {
        set_text(j, frame, text, NULL, NULL);
    }
    set_logprobs(c, frame);
    mn_job_send(j, NULL, frame);
}

static void error(mn_job *j, const char *message)
{
    mn_job_send(j, NULL, mn_error_shape("/api/chat", 500, NULL, message));
}

static void finish(mn_job *j)
{
    mn_choice *c = &j->choices[0];
    if (j->failed) return;
    json_t *frame = frame_of(j, true), *calls = NULL;
    if (j->stream) {
        set_text(j, frame, json_string(""), NULL, NULL);
    } else {
        bool thinks = c->reasoning.len && !j->g->hide_reasoning;
        for (size_t i = 0; i < c->n_calls; i++) {
            if (!calls) calls = json_array();
            json_array_append_new(calls, call_of(&c->calls[i], i));
        }
        set_text(j, frame, mn_buffer_string(&c->content),
                 thinks ? mn_buffer_string(&c->reasoning) : NULL, calls);
    }
    set_end(j, frame);
    set_logprobs(c, frame);
    if (j->stream) mn_job_send(j, NULL, frame);
    else mn_answer_json(j->http, 200, frame);
}

/* ---- in ---------------------------------------------------------------------------- */

/* "5m", "1h30m", "-1", 300, 0 */
static bool seconds_of(const json_t *v, double *out)
{
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return isfinite(*out);
    }
    const char *s = json_string_value(v);
    if (!s || !*s) return false;
    double sum = 0, sign = *s == '-' ? -1 : 1;
    for (s += *s == '-'; *s;) {
        static const struct { const char *unit; double seconds; } units[] = {
            { "ms", 0.001 }, { "us", 1e-6 }, { "ns", 1e-9 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
        char *end;
        if (strspn(s, "0123456789.") == 0) return false;
        double n = strtod(s, &end);
        s = end;
        if (!*s) sum += n;              /* a bare number: seconds */
        for (size_t i = 0; i < 6 && *s; i++)
            if (!strncmp(s, units[i].unit, strlen(units[i].unit))) {
                sum += n * units[i].seconds;
                s += strlen(units[i].unit);
                n = -1;
                break;
            }
        if (*s && n >= 0) return false;
    }
    *out = sign * sum;
    return isfinite(*out);
}

bool mn_ollama_keep_alive(mn_params *p, int *seconds)
{
    const json_t *v = mn_param_get(p, "keep_alive");
    double s;
    if (!v || p->err.code != MINERVA_OK) return false;
    if (!seconds_of(v, &s)) {
        mn_param_fail(p, "keep_alive", "seconds, or a duration such as \"5m\", expected");
        return false;
    }
    *seconds = s < 0 ? -1 : s > 1e9 ? 1000000000 : (int)s;
    return true;
}

static void read_options(mn_params *p, mn_generation *g)
{
    const json_t *options = mn_param_get(p, "options");
    mn_params o = { .body = options, .where = MN_FOR_OLLAMA_OPTIONS };
    int64_t v, n;
    static const char *const ignored[] = { "num_ctx", "num_keep", "num_batch", "num_gpu",
                                           "main_gpu", "num_thread" };
    if (options) mn_param_known(&o);
    mn_read_sampling(&o, g);
    if (mn_param_int(&o, "num_predict", &v) && v > 0) g->max_tokens = v;
    if (mn_param_int(&o, "repeat_last_n", &v) && v == 0)
        g->sampling.repeat_penalty = g->sampling.presence_penalty =
            g->sampling.frequency_penalty = 0;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) mn_param_int(&o, ignored[i], &n);
    if (p->err.code != MINERVA_OK || o.err.code == MINERVA_OK) return;
    p->err = o.err;
    p->param = o.param;
}

static void read_think(mn_params *p, mn_generation *g)
{
    const json_t *think = mn_param_get(p, "think");
    if (!think) return;
    if (json_is_string(think)) {
        mn_set_effort(p, g, "think", json_string_value(think));
    } else if (json_is_boolean(think)) {
        mn_set_thinking(g, json_is_true(think));
        g->hide_reasoning = !json_is_true(think);
    } else {
        mn_param_fail(p, "think", "true, false, low, medium or high expected");
    }
}

static void read_format(mn_params *p, mn_generation *g)
{
    static const char *const path[] = { "format", NULL };
    const json_t *format = mn_param_get(p, "format");
    const char *word = json_string_value(format);
    if (!format || (word && !*word)) return;
    if (word && !strcmp(word, "json")) mn_constrain(p, g, "format", MINERVA_JSON_OBJECT, NULL, NULL);
    else if (json_is_object(format)) mn_constrain(p, g, "format", MINERVA_JSON_SCHEMA, format, path);
    else mn_param_fail(p, "format", "\"json\" or a JSON Schema expected");
}

static void refuse_images(mn_params *p, const char *name, const json_t *holder)
{
    if (json_array_size(json_object_get(holder, "images")))
        mn_param_fail(p, name, "no images expected: this server does not read them");
}

/* Ollama's messages differ in a few names. */
static void read_messages(mn_params *p, mn_generation *g)
{
    json_t *messages = json_deep_copy(mn_param_get(p, "messages"));
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *m = json_array_get(messages, i), *calls = json_object_get(m, "tool_calls");
        json_t *thinking = json_object_get(m, "thinking"), *tool = json_object_get(m, "tool_name");
        refuse_images(p, "messages", m);
        if (json_is_string(thinking)) json_object_set(m, "reasoning_content", thinking);
        if (json_is_string(tool)) json_object_set(m, "name", tool);
        if (json_is_object(m) && !json_object_get(m, "content"))
            json_object_set_new(m, "content", json_string(""));
        for (size_t k = 0; k < json_array_size(calls); k++)
            if (json_is_object(json_array_get(calls, k)))
                json_object_set_new(json_array_get(calls, k), "type", json_string("function"));
    }
    mn_set_messages(p, g, "messages", messages);
}

static void read_common(mn_params *p, mn_job *j, mn_generation *g)
{
    wishes *w = j->user;
    j->stream = true;
    mn_param_bool(p, "stream", &j->stream);
    w->has_keep_alive = mn_ollama_keep_alive(p, &w->keep_alive_s);
    read_options(p, g);
    mn_param_bool(p, "logprobs", &g->logprobs);
    if (mn_param_int(p, "top_logprobs", &g->n_top) && g->n_top) g->logprobs = true;
    read_think(p, g);
    read_format(p, g);
}

static void read_chat(mn_params *p, mn_job *j, mn_generation *g)
{
    wishes *w = j->user;
    w->is_chat = true;
    read_common(p, j, g);
    w->is_empty = !json_array_size(mn_param_get(p, "messages"));
    if (w->is_empty || p->err.code != MINERVA_OK) return;
    read_messages(p, g);
    mn_read_tools(p, g);
    mn_render_chat(p, g, "messages");
    mn_settle_constraint(p, g);
}

static void read_generate(mn_params *p, mn_job *j, mn_generation *g)
{
    wishes *w = j->user;
    json_t *prompt = mn_param_get(p, "prompt"), *system = mn_param_get(p, "system");
    bool raw = false;
    read_common(p, j, g);
    mn_param_bool(p, "raw", &raw);
    refuse_images(p, "images", p->body);
    if (*(mn_param_get(p, "suffix") ? json_string_value(mn_param_get(p, "suffix")) : ""))
        mn_param_fail(p, "suffix", "nothing expected: no model here fills in the middle");
    w->is_empty = !json_string_length(prompt);
    if (w->is_empty || p->err.code != MINERVA_OK) return;
    if (raw) {
        mn_read_prompt(p, g, prompt, "prompt", false);
    } else {
        json_t *messages = json_array();
        if (json_string_length(system))
            json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "system", "content",
                                                      system));
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", prompt));
        mn_set_messages(p, g, "prompt", messages);
        mn_render_chat(p, g, "prompt");
    }
    mn_settle_constraint(p, g);
}

static void read_with(mn_params *p, mn_job *j, mn_generation *g,
                      void (*read)(mn_params *, mn_job *, mn_generation *))
{
    j->user = calloc(1, sizeof(wishes));
    j->free_user = free;
    if (j->user) read(p, j, g);
    else p->err.code = MINERVA_MEMORY;
}

static void read_a_chat(mn_params *p, mn_job *j, mn_generation *g)
{
    read_with(p, j, g, read_chat);
}

static void read_a_prompt(mn_params *p, mn_job *j, mn_generation *g)
{
    read_with(p, j, g, read_generate);
}

bool mn_prepare_ollama_chat(mn_call *call)
{
    static const mn_reply_form form = {
        .id_prefix = "", .params = MN_FOR_OLLAMA_CHAT, .read = read_a_chat, .delta = delta,
        .error = error, .finish = finish,
    };
    return mn_job_prepare(call, &form);
}

bool mn_prepare_ollama_generate(mn_call *call)
{
    static const mn_reply_form form = {
        .id_prefix = "", .params = MN_FOR_OLLAMA_GENERATE, .read = read_a_prompt, .delta = delta,
        .error = error, .finish = finish,
    };
    return mn_job_prepare(call, &form);
}

void mn_api_ollama(mn_call *call)
{
    mn_job *j = call->state;
    wishes *w = j->user;
    if (w->has_keep_alive) mn_model_keep_alive(call->model, w->keep_alive_s);
    if (!w->is_empty) {
        mn_api_generate(call);
        return;
    }
    json_t *frame = frame_of(j, true);
    bool unload = w->has_keep_alive && w->keep_alive_s == 0;
    set_text(j, frame, json_string(""), NULL, NULL);
    json_object_set_new(frame, "done_reason", json_string(unload ? "unload" : "load"));
    mn_answer_json(call->http, 200, frame);
}
