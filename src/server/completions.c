/* /v1/chat/completions and /v1/completions.
 *
 * A job is one HTTP request and its n choices, each a request of the scheduler.  The
 * scheduler's thread turns every piece of text into an event and posts it; everything else
 * happens on the I/O thread, in the order of the events.
 *
 *   start -> submit n requests -> events: piece ... piece, done (per choice) -> answer
 *
 * (1) A job lives until all its choices are done; a client that goes away only cancels.
 * (2) Streams send what arrives; other answers are collected and sent when all is done.
 */
#include "server/params.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_CHOICES = 16, MAX_STOPS = 16, MAX_TOP = 20, KEEP_ALIVE_S = 15 };

typedef struct mn_job job;

typedef struct {
    job *job;
    int index;
    minerva_request *request;
    mn_buffer text;
    json_t *logprobs;           /* array, if asked for */
    minerva_generate_result result;
    minerva_error err;
    bool done;
} choice;

struct mn_job {
    job *next, *prev;           /* of the server's */
    mn_server *server;
    mn_loaded_model *model;
    mn_http_request *http;      /* NULL: the client is gone */
    bool chat, stream, usage_in_stream, logprobs, echo;
    int64_t n_top;
    int64_t n, n_done;
    choice choices[MAX_CHOICES];
    char id[48];
    int64_t created;
    char *prompt_text;          /* for echo */
    bool cut;                   /* cancelled by the server */
    double sent_s;              /* when the stream last had something */
};

/* What the scheduler's thread says. */
typedef struct {
    choice *choice;
    char *text;
    size_t len;
    int32_t token;
    float logprob;
    minerva_token_logprob top[MAX_TOP];
    size_t n_top;
    bool done;
    minerva_generate_result result;
    minerva_error err;
} event;

static void on_event(void *arg);

/* ---- on the scheduler's thread ----------------------------------------------------- */

static bool on_piece(void *ctx, const minerva_piece *piece)
{
    choice *c = ctx;
    if (!piece->len && !c->job->logprobs) return true;
    event *e = calloc(1, sizeof *e);
    if (!e || !(e->text = malloc(piece->len + 1))) {
        free(e);
        return false;
    }
    memcpy(e->text, piece->text, piece->len);
    e->text[piece->len] = 0;
    e->choice = c;
    e->len = piece->len;
    e->token = piece->token;
    e->logprob = piece->logprob;
    e->n_top = piece->n_top < MAX_TOP ? piece->n_top : MAX_TOP;
    if (e->n_top) memcpy(e->top, piece->top, e->n_top * sizeof *e->top);
    if (mn_http_post(c->job->server->http, on_event, e)) return true;
    free(e->text);
    free(e);
    return false;
}

static void on_done(void *ctx, const minerva_generate_result *result, const minerva_error *err)
{
    choice *c = ctx;
    event *e = calloc(1, sizeof *e);
    while (!e) e = calloc(1, sizeof *e);    /* this news must arrive */
    e->choice = c;
    e->done = true;
    e->result = *result;
    e->err = *err;
    while (!mn_http_post(c->job->server->http, on_event, e)) continue;
}

/* ---- answers ----------------------------------------------------------------------- */

static const char *finish_name(minerva_finish finish)
{
    return finish == MINERVA_FINISH_LENGTH ? "length" : "stop";
}

static json_t *usage_of(const job *j)
{
    int64_t generated = 0, prompt = 0, cached = 0;
    for (int i = 0; i < j->n; i++) {
        generated += (int64_t)j->choices[i].result.n_generated;
        prompt = (int64_t)j->choices[i].result.n_prompt;
        if (i == 0) cached = (int64_t)j->choices[i].result.n_cached;
    }
    return json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)prompt,
                     "completion_tokens", (json_int_t)generated, "total_tokens",
                     (json_int_t)(prompt + generated), "prompt_tokens_details", "cached_tokens",
                     (json_int_t)cached);
}

static json_t *frame_of(const job *j, const char *object, json_t *choices)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", j->id, "object", object, "created",
                     (json_int_t)j->created, "model", j->model->name, "choices", choices);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A client that does not read is cut off in here; then on_gone() has cleared j->http. */
static void send_bytes(job *j, const char *data, size_t len)
{
    if (!j->http) return;
    j->sent_s = now_s();
    mn_http_stream_write(j->http, data, len);
}

static void send_event(job *j, json_t *value)
{
    mn_buffer b = { 0 };
    char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(value);
    if (text) {
        mn_buffer_append_fmt(&b, "data: %s\n\n", text);
        send_bytes(j, b.data, b.len);
    }
    free(text);
    mn_buffer_clear(&b);
}

/* One chunk of a stream: delta (taken) for chats, text for completions. */
static void send_chunk(job *j, int index, json_t *delta, const char *finish, json_t *logprobs)
{
    json_t *c = json_pack("{s:i, s:o, s:o, s:s?}", "index", index, j->chat ? "delta" : "text",
                          delta, "logprobs", logprobs ? logprobs : json_null(), "finish_reason",
                          finish);
    json_t *f = frame_of(j, j->chat ? "chat.completion.chunk" : "text_completion",
                         json_pack("[o]", c));
    if (j->usage_in_stream) json_object_set_new(f, "usage", json_null());
    send_event(j, f);
}

/* A token as it is spelled inside a text.  Some tokenizers drop the space before the first
 * token, so it is decoded twice in a row, and the first one is cut off. */
static void token_text(const job *j, int32_t token, char **text, size_t *len)
{
    const int32_t twice[2] = { token, token };
    char *one = NULL;
    size_t n = 0;
    if (minerva_detokenize(j->model->model, twice, 1, false, &one, &n, NULL) == MINERVA_OK
        && minerva_detokenize(j->model->model, twice, 2, false, text, len, NULL) == MINERVA_OK
        && *len >= n) {
        *len -= n;
        memmove(*text, *text + n, *len);
    }
    minerva_free(one);
}

static json_t *token_entry(const job *j, int32_t token, float logprob)
{
    size_t len = 0;
    char *text = NULL;
    json_t *bytes = json_array();
    token_text(j, token, &text, &len);
    for (size_t i = 0; text && i < len; i++)
        json_array_append_new(bytes, json_integer((unsigned char)text[i]));
    json_t *name = text ? json_stringn(text, len) : NULL;
    minerva_free(text);
    if (!(logprob > -9999)) logprob = -9999;    /* JSON has no infinity */
    return json_pack("{s:o, s:f, s:o}", "token", name ? name : json_string(""), "logprob",
                     (double)logprob, "bytes", bytes);
}

static json_t *logprob_of(const job *j, const event *e)
{
    json_t *entry = token_entry(j, e->token, e->logprob), *top = json_array();
    for (size_t i = 0; i < e->n_top && e->top[i].token >= 0; i++)
        json_array_append_new(top, token_entry(j, e->top[i].token, e->top[i].logprob));
    json_object_set_new(entry, "top_logprobs", top);
    return entry;
}

/* Chats: {"content":[...]}.  Completions: the older four parallel arrays. */
static json_t *logprobs_frame(const job *j, json_t *entries)
{
    if (j->chat) return json_pack("{s:o}", "content", entries);
    json_t *tokens = json_array(), *probs = json_array(), *tops = json_array();
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *e = json_array_get(entries, i), *list = json_object_get(e, "top_logprobs");
        json_t *top = json_object();
        json_array_append(tokens, json_object_get(e, "token"));
        json_array_append(probs, json_object_get(e, "logprob"));
        for (size_t k = 0; k < json_array_size(list); k++)
            json_object_set(top, json_string_value(json_object_get(json_array_get(list, k),
                                                                   "token")),
                            json_object_get(json_array_get(list, k), "logprob"));
        json_array_append_new(tops, top);
    }
    json_decref(entries);
    return json_pack("{s:o, s:o, s:o}", "tokens", tokens, "token_logprobs", probs,
                     "top_logprobs", tops);
}

static json_t *whole_choice(job *j, choice *c)
{
    mn_buffer all = { 0 };
    if (j->echo) mn_buffer_append_str(&all, j->prompt_text);
    if (c->text.len) mn_buffer_append(&all, c->text.data, c->text.len);
    json_t *text = json_stringn(all.data ? all.data : "", all.len);
    mn_buffer_clear(&all);
    json_t *logprobs = c->logprobs ? logprobs_frame(j, c->logprobs) : json_null();
    c->logprobs = NULL;
    json_t *body = j->chat ? json_pack("{s:s, s:o}", "role", "assistant", "content", text) : text;
    return json_pack("{s:i, s:o, s:o, s:s}", "index", c->index, j->chat ? "message" : "text",
                     body, "logprobs", logprobs, "finish_reason",
                     finish_name(c->result.finish));
}

static void answer_whole(job *j)
{
    json_t *choices = json_array();
    for (int i = 0; i < j->n; i++)
        if (j->choices[i].err.code != MINERVA_OK) {
            json_decref(choices);
            mn_answer_failure(j->http, NULL, &j->choices[i].err);
            return;
        }
    for (int i = 0; i < j->n; i++)
        json_array_append_new(choices, whole_choice(j, &j->choices[i]));
    json_t *f = frame_of(j, j->chat ? "chat.completion" : "text_completion", choices);
    json_object_set_new(f, "usage", usage_of(j));
    mn_answer_json(j->http, 200, f);
}

static void end_stream(job *j)
{
    if (j->usage_in_stream) {
        json_t *f = frame_of(j, j->chat ? "chat.completion.chunk" : "text_completion",
                             json_array());
        json_object_set_new(f, "usage", usage_of(j));
        send_event(j, f);
    }
    send_bytes(j, "data: [DONE]\n\n", 14);
    if (!j->http) return;
    mn_http_stream_end(j->http);
    mn_http_request_free(j->http);
}

/* ---- the life of a job ------------------------------------------------------------- */

static void job_start(job *j)
{
    mn_server *s = j->server;
    j->next = s->jobs;
    if (s->jobs) s->jobs->prev = j;
    s->jobs = j;
    s->n_active++;
}

static void job_end(job *j)
{
    if (j->prev) j->prev->next = j->next;
    else j->server->jobs = j->next;
    if (j->next) j->next->prev = j->prev;
    j->server->n_active--;
}

static void job_cancel(job *j)
{
    for (int i = 0; i < j->n; i++)
        if (j->choices[i].request) minerva_request_cancel(j->choices[i].request);
}

static void job_free(job *j)
{
    for (int i = 0; i < MAX_CHOICES; i++) {
        minerva_request_release(j->choices[i].request);
        mn_buffer_clear(&j->choices[i].text);
        json_decref(j->choices[i].logprobs);
    }
    free(j->prompt_text);
    if (j->model) mn_model_release(j->model);
    free(j);
}

static void take_piece(choice *c, const event *e)
{
    job *j = c->job;
    json_t *entry = j->logprobs && e->token >= 0 ? logprob_of(j, e) : NULL;
    if (!j->stream) {
        mn_buffer_append(&c->text, e->text, e->len);
        if (entry) {
            if (!c->logprobs) c->logprobs = json_array();
            json_array_append_new(c->logprobs, entry);
        }
        return;
    }
    json_t *text = json_stringn(e->text, e->len);
    send_chunk(j, c->index, j->chat ? json_pack("{s:o}", "content", text) : text, NULL,
               entry ? logprobs_frame(j, json_pack("[o]", entry)) : NULL);
}

static void take_end(choice *c, const event *e)
{
    job *j = c->job;
    c->done = true;
    c->result = e->result;
    c->err = e->err;
    j->n_done++;
    if (c->err.code == MINERVA_OK && c->result.finish == MINERVA_FINISH_CANCELLED) {
        c->err.code = MINERVA_CANCELLED;
        snprintf(c->err.message, sizeof c->err.message, "%s", j->cut
                     ? "the server is shutting down" : "the answer was cancelled");
    }
    if (!j->stream || !j->http) return;
    if (c->err.code != MINERVA_OK)
        send_event(j, mn_error_object(500, NULL, c->err.message));
    else
        send_chunk(j, c->index, j->chat ? json_object() : json_string(""),
                   finish_name(e->result.finish), NULL);
}

static void on_event(void *arg)
{
    event *e = arg;
    choice *c = e->choice;
    job *j = c->job;
    if (e->done) take_end(c, e);
    else if (j->http) take_piece(c, e);
    free(e->text);
    free(e);
    if (j->n_done < j->n) return;
    if (j->http && j->stream) end_stream(j);
    else if (j->http) answer_whole(j);
    job_end(j);
    job_free(j);
}

static void on_gone(mn_http_request *r)
{
    job *j = r->user;
    j->http = NULL;
    job_cancel(j);
    mn_http_request_free(r);
}

void mn_jobs_keep_alive(mn_server *s, double now)
{
    for (job *j = s->jobs, *next; j; j = next) {
        next = j->next;
        if (j->stream && j->http && now - j->sent_s > KEEP_ALIVE_S)
            send_bytes(j, ": still here\n\n", 14);
    }
}

void mn_jobs_cut(mn_server *s)
{
    for (job *j = s->jobs; j; j = j->next) {
        j->cut = true;
        job_cancel(j);
    }
}

/* ---- parameters -------------------------------------------------------------------- */

typedef struct {
    minerva_sampling sampling;
    minerva_logit_bias bias[300];
    const char *stops[MAX_STOPS];
    size_t n_stops;
    int64_t max_tokens;
    bool ignore_end;
} settings;

static void read_logit_bias(mn_params *p, settings *s, int32_t vocab)
{
    const char *key;
    json_t *value;
    json_t *map = json_object_get(p->body, "logit_bias");
    if (!map || json_is_null(map)) return;
    if (!json_is_object(map)) mn_param_fail(p, "logit_bias", "an object expected");
    json_object_foreach(map, key, value) {
        char *end;
        long token = strtol(key, &end, 10);
        double bias = json_is_number(value) ? json_number_value(value) : 1e9;
        if (*end || end == key || token < 0 || token >= vocab || bias < -100 || bias > 100
            || s->sampling.n_logit_bias == 300) {
            mn_param_fail(p, "logit_bias", "at most 300 token ids of 0 to %d with -100 to 100 "
                          "expected", vocab - 1);
            return;
        }
        s->bias[s->sampling.n_logit_bias++] =
            (minerva_logit_bias){ (int32_t)token, bias <= -100 ? -1e30f : (float)bias };
    }
    s->sampling.logit_bias = s->bias;
}

static void read_sampling(mn_params *p, settings *s, const mn_loaded_model *m)
{
    minerva_sampling *o = &s->sampling;
    int64_t v;
    *o = (minerva_sampling){ .temperature = 1 };
    minerva_model_default_sampling(m->model, o);
    mn_param_float(p, "temperature", &o->temperature);
    mn_param_float(p, "top_p", &o->top_p);
    mn_param_float(p, "min_p", &o->min_p);
    mn_param_float(p, "typical_p", &o->typical_p);
    mn_param_float(p, "presence_penalty", &o->presence_penalty);
    mn_param_float(p, "frequency_penalty", &o->frequency_penalty);
    mn_param_float(p, "repeat_penalty", &o->repeat_penalty);
    mn_param_float(p, "repetition_penalty", &o->repeat_penalty);
    if (mn_param_int(p, "top_k", &v)) o->top_k = (int32_t)v;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    o->seed = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)now.tv_sec;
    if (mn_param_int(p, "seed", &v)) o->seed = (uint64_t)v;
    read_logit_bias(p, s, minerva_model_vocab(m->model));
    mn_param_strings(p, "stop", s->stops, &s->n_stops);
    mn_param_int(p, "max_tokens", &s->max_tokens);
    mn_param_int(p, "max_completion_tokens", &s->max_tokens);
    mn_param_bool(p, "ignore_eos", &s->ignore_end);
}

static void read_shape(mn_params *p, job *j)
{
    const json_t *options = json_object_get(p->body, "stream_options");
    int64_t top = 0;
    j->n = 1;
    mn_param_int(p, "n", &j->n);
    mn_param_bool(p, "stream", &j->stream);
    mn_param_bool(p, "echo", &j->echo);
    if (options && !json_is_null(options)) {
        const json_t *usage = json_object_get(options, "include_usage");
        if (!json_is_object(options) || (usage && !json_is_boolean(usage)))
            mn_param_fail(p, "stream_options", "{\"include_usage\": true or false} expected");
        j->usage_in_stream = json_is_true(usage);
    }
    if (j->chat) {
        mn_param_bool(p, "logprobs", &j->logprobs);
        if (mn_param_int(p, "top_logprobs", &top) && top && !j->logprobs)
            mn_param_fail(p, "top_logprobs", "\"logprobs\": true expected with it");
    } else if (mn_param_int(p, "logprobs", &top)) {
        j->logprobs = true;
    }
    j->n_top = top;
    if (j->echo && (j->stream || j->logprobs))
        mn_param_fail(p, "echo", "neither stream nor logprobs expected with it");
}

/* ---- prompts ----------------------------------------------------------------------- */

/* Content parts become their text; other kinds of parts are refused. */
static bool flatten_content(mn_params *p, json_t *message)
{
    json_t *parts = json_object_get(message, "content");
    if (!json_is_array(parts)) return true;
    mn_buffer text = { 0 };
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        const char *type = json_string_value(json_object_get(part, "type"));
        const char *value = json_string_value(json_object_get(part, "text"));
        if (!type || strcmp(type, "text") || !value) {
            mn_param_fail(p, "messages", "content parts of type \"text\" expected, \"%.40s\" "
                          "found", type ? type : "none");
            mn_buffer_clear(&text);
            return false;
        }
        mn_buffer_append_str(&text, value);
    }
    json_object_set_new(message, "content", json_stringn(text.data ? text.data : "", text.len));
    mn_buffer_clear(&text);
    return true;
}

static bool chat_prompt(mn_params *p, const job *j, int32_t **ids, size_t *n)
{
    json_t *messages = json_object_get(p->body, "messages");
    json_t *kwargs = json_object_get(p->body, "chat_template_kwargs");
    if (!json_is_array(messages) || !json_array_size(messages)) {
        mn_param_fail(p, "messages", "an array of at least one message expected");
        return false;
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        json_t *m = json_array_get(messages, i);
        if (!json_is_object(m) || !json_is_string(json_object_get(m, "role"))) {
            mn_param_fail(p, "messages", "[%zu]: {\"role\", \"content\"} expected", i);
            return false;
        }
        if (!strcmp(json_string_value(json_object_get(m, "role")), "developer"))
            json_object_set_new(m, "role", json_string("system"));  /* its newer name */
        if (!flatten_content(p, m)) return false;
    }
    json_t *request = json_pack("{s:O}", "messages", messages);
    if (kwargs) json_object_set(request, "kwargs", kwargs);
    char *text = json_dumps(request, JSON_COMPACT), *prompt = NULL;
    size_t len;
    json_decref(request);
    minerva_tokenize_options o = { .no_special = true };
    minerva_status st = minerva_render(j->model->model, text, strlen(text), NULL, 0, &prompt,
                                       &len, &p->err);
    free(text);
    if (st == MINERVA_OK)
        st = minerva_tokenize(j->model->model, prompt, len, &o, ids, n, &p->err);
    minerva_free(prompt);
    p->param = "messages";
    return st == MINERVA_OK;
}

/* A string, an array with one string, or an array of token ids. */
static bool plain_prompt(mn_params *p, job *j, int32_t **ids, size_t *n)
{
    const json_t *v = json_object_get(p->body, "prompt");
    if (json_array_size(v) == 1 && json_is_string(json_array_get(v, 0))) v = json_array_get(v, 0);
    p->param = "prompt";
    if (json_is_string(v)) {
        j->prompt_text = strdup(json_string_value(v));
        return minerva_tokenize(j->model->model, json_string_value(v), json_string_length(v),
                                NULL, ids, n, &p->err) == MINERVA_OK;
    }
    *n = json_array_size(v);
    *ids = *n ? malloc(*n * sizeof **ids) : NULL;
    for (size_t i = 0; i < *n && *ids; i++) {
        const json_t *id = json_array_get(v, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0
            || json_integer_value(id) > INT32_MAX) {
            free(*ids);
            *ids = NULL;
            break;
        }
        (*ids)[i] = (int32_t)json_integer_value(id);
    }
    if (!*ids) {
        mn_param_fail(p, "prompt", "a string or an array of token ids expected");
        return false;
    }
    char *text;
    size_t len;
    if (j->echo && minerva_detokenize(j->model->model, *ids, *n, false, &text, &len, &p->err)
                       == MINERVA_OK) {
        j->prompt_text = strndup(text, len);
        minerva_free(text);
    }
    return p->err.code == MINERVA_OK;
}

/* ---- start ------------------------------------------------------------------------- */

static minerva_status submit(job *j, const mn_call *call, settings *s, const int32_t *ids,
                             size_t n, minerva_error *err)
{
    uint64_t seed = s->sampling.seed;
    for (int i = 0; i < j->n; i++) {
        choice *c = &j->choices[i];
        *c = (choice){ .job = j, .index = i };
        s->sampling.seed = seed + (uint64_t)i;
        minerva_request_options o = {
            .prompt = ids, .n_prompt = n, .tenant = call->tenant, .on_done = on_done,
            .generate = {
                .sampling = &s->sampling, .max_tokens = (int32_t)s->max_tokens,
                .stop = s->stops, .n_stop = s->n_stops, .ignore_end = s->ignore_end,
                .n_top_logprobs = (int32_t)j->n_top, .logprobs = j->logprobs,
                .on_piece = on_piece, .ctx = c,
            },
        };
        minerva_status st = minerva_scheduler_submit(j->model->scheduler, &o, &c->request, err);
        if (st == MINERVA_OK) continue;
        /* Those that were accepted come to their end by themselves. */
        j->n = i;
        job_cancel(j);
        return st;
    }
    return MINERVA_OK;
}

static void begin_stream(job *j)
{
    mn_http_stream_begin(j->http, 200, "text/event-stream", "Cache-Control: no-cache\r\n");
    for (int i = 0; i < j->n && j->chat; i++)
        send_chunk(j, i, json_pack("{s:s, s:s}", "role", "assistant", "content", ""), NULL, NULL);
}

static void start(mn_call *call, bool chat)
{
    mn_server *server = call->server;
    mn_params p = { .body = call->body, .where = chat ? MN_FOR_CHAT : MN_FOR_COMPLETIONS };
    settings *s = calloc(1, sizeof *s);
    job *j = calloc(1, sizeof *j);
    int32_t *ids = NULL;
    size_t n = 0;
    mn_loaded_model *m = s && j ? mn_call_model(call) : NULL;
    if (!m) goto drop;
    if (server->draining) {
        mn_answer_error(call->http, 503, NULL, "the server is shutting down");
        goto drop;
    }
    *j = (job){ .server = server, .model = m, .http = call->http, .chat = chat,
                .created = (int64_t)time(NULL) };
    mn_model_hold(m);
    snprintf(j->id, sizeof j->id, "%s-%llx%06llx", chat ? "chatcmpl" : "cmpl",
             (unsigned long long)j->created, (unsigned long long)call->http->id);
    read_shape(&p, j);
    read_sampling(&p, s, m);
    if (p.err.code != MINERVA_OK
        || !(chat ? chat_prompt(&p, j, &ids, &n) : plain_prompt(&p, j, &ids, &n))) {
        mn_answer_failure(call->http, p.param, &p.err);
        goto drop;
    }
    call->http->user = j;
    call->http->on_gone = on_gone;
    minerva_error err = { 0 };
    if (submit(j, call, s, ids, n, &err) != MINERVA_OK) {
        call->http->on_gone = NULL;
        j->http = NULL;
        mn_answer_failure(call->http, chat ? "messages" : "prompt", &err);
        if (j->n == 0) goto drop;
    } else if (j->stream) {
        begin_stream(j);
    }
    job_start(j);
    j = NULL;
drop:
    if (j) job_free(j);
    free(s);
    minerva_free(ids);
}

void mn_api_chat(mn_call *call) { start(call, true); }

void mn_api_completions(mn_call *call) { start(call, false); }
