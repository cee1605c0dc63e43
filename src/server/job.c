/* Answers in the making; see job.h. */
#include "server/job.h"
#include "base/clock.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TOP = 20, KEEP_ALIVE_S = 15, MAX_CALLS = 256 };

/* What the scheduler's thread says. */
typedef struct {
    mn_choice *choice;
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

void mn_make_id(char *out, size_t len)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char random[64];
    if (len > sizeof random) len = sizeof random;
    if (RAND_bytes(random, (int)len) != 1) memset(random, 0, len);
    for (size_t i = 0; i < len; i++) out[i] = digits[random[i] % 36];
    out[len] = 0;
}

/* ---- on the scheduler's thread ----------------------------------------------------- */

static bool on_piece(void *ctx, const minerva_piece *piece)
{
    mn_choice *c = ctx;
    if (!piece->len && !c->job->g->logprobs && !c->parser) return true;
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
    mn_choice *c = ctx;
    event *e = calloc(1, sizeof *e);
    while (!e) e = calloc(1, sizeof *e);    /* this news must arrive */
    e->choice = c;
    e->done = true;
    e->result = *result;
    e->err = *err;
    while (!mn_http_post(c->job->server->http, on_event, e)) continue;
}

/* ---- what adapters need ------------------------------------------------------------ */

const char *mn_choice_finish(const mn_choice *c)
{
    if (!c->stopped && c->result.finish == MINERVA_FINISH_LENGTH) return "length";
    return c->n_calls ? "tool_calls" : "stop";
}

mn_usage mn_job_usage(const mn_job *j)
{
    mn_usage u = { 0 };
    for (int i = 0; i < j->n; i++) {
        const mn_choice *c = &j->choices[i];
        u.generated += (int64_t)c->result.n_generated;
        u.reasoning += c->n_reasoning;
        u.prompt = (int64_t)c->result.n_prompt;
        if (i == 0) u.cached = (int64_t)c->result.n_cached;
    }
    return u;
}

json_t *mn_buffer_string(const mn_buffer *b)
{
    json_t *s = json_stringn(b->data ? b->data : "", b->len);
    return s ? s : json_string("");
}

/* A client that does not read is cut off in here; then on_gone() has cleared j->http. */
static void send_bytes(mn_job *j, const char *data, size_t len)
{
    if (!j->http) return;
    j->sent_s = mn_clock_s();
    mn_http_stream_write(j->http, data, len);
}

void mn_job_send_text(mn_job *j, const char *text) { send_bytes(j, text, strlen(text)); }

void mn_job_send(mn_job *j, const char *name, json_t *value)
{
    mn_buffer b = { 0 };
    char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(value);
    if (text && !j->form->is_sse) mn_buffer_append_fmt(&b, "%s\n", text);
    else if (text && name) mn_buffer_append_fmt(&b, "event: %s\ndata: %s\n\n", name, text);
    else if (text) mn_buffer_append_fmt(&b, "data: %s\n\n", text);
    if (b.len) send_bytes(j, b.data, b.len);
    free(text);
    mn_buffer_clear(&b);
}

/* A token as it is spelled inside a text.  Some tokenizers drop the space before the first
 * token, so it is decoded twice in a row, and the first one is cut off. */
static void token_text(const mn_job *j, int32_t token, char **text, size_t *len)
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

static json_t *token_entry(const mn_job *j, int32_t token, float logprob)
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

static void add_logprob(mn_choice *c, const event *e)
{
    json_t *entry = token_entry(c->job, e->token, e->logprob), *top = json_array();
    for (size_t i = 0; i < e->n_top && e->top[i].token >= 0; i++)
        json_array_append_new(top, token_entry(c->job, e->top[i].token, e->top[i].logprob));
    json_object_set_new(entry, "top_logprobs", top);
    if (!c->logprobs) c->logprobs = json_array();
    json_array_append_new(c->logprobs, entry);
}

json_t *mn_take_logprobs(mn_choice *c)
{
    json_t *list = c->logprobs;
    c->logprobs = NULL;
    return list;
}

/* ---- pieces ------------------------------------------------------------------------ */

static mn_tool_call *begin_call(mn_choice *c, const minerva_chat_event *e)
{
    if (c->n_calls == MAX_CALLS) return NULL;
    mn_tool_call *calls = realloc(c->calls, (c->n_calls + 1) * sizeof *calls);
    if (!calls) return NULL;
    c->calls = calls;
    mn_tool_call *call = &calls[c->n_calls++];
    *call = (mn_tool_call){ .name = strndup(e->name, e->name_len) };
    /* Nine letters and digits: some models' templates accept no other form. */
    mn_make_id(call->id, 9);
    return call;
}

static void on_chat_event(void *ctx, const minerva_chat_event *e)
{
    static const mn_delta_kind kinds[] = {
        [MINERVA_CHAT_CONTENT] = MN_DELTA_CONTENT, [MINERVA_CHAT_REASONING] = MN_DELTA_REASONING,
        [MINERVA_CHAT_CALL_BEGIN] = MN_DELTA_CALL_BEGIN,
        [MINERVA_CHAT_CALL_ARGUMENTS] = MN_DELTA_CALL_ARGUMENTS,
        [MINERVA_CHAT_CALL_END] = MN_DELTA_CALL_END,
    };
    mn_choice *c = ctx;
    mn_job *j = c->job;
    mn_delta d = { .kind = kinds[e->kind], .text = e->text, .len = e->text_len };
    if (c->stopped) return;
    if (d.kind >= MN_DELTA_CALL_BEGIN) {
        mn_tool_call *call = d.kind == MN_DELTA_CALL_BEGIN ? begin_call(c, e)
                             : c->n_calls ? &c->calls[c->n_calls - 1] : NULL;
        if (!call || call->ended) return;
        d.call = c->n_calls - 1;
        if (d.kind == MN_DELTA_CALL_ARGUMENTS)
            mn_buffer_append(&call->arguments, e->text, e->text_len);
        call->ended = d.kind == MN_DELTA_CALL_END;
    } else if (d.kind == MN_DELTA_REASONING) {
        mn_buffer_append(&c->reasoning, e->text, e->text_len);
    } else {
        mn_buffer_append(&c->content, e->text, e->text_len);
    }
    bool hidden = d.kind == MN_DELTA_REASONING && j->g->hide_reasoning;
    if ((j->stream || j->form->collects) && j->http && !hidden) j->form->delta(c, &d);
    if (d.kind == MN_DELTA_CALL_END && e->is_complete && j->g->one_call) {
        c->stopped = true;
        if (c->request) minerva_request_cancel(c->request);
    }
}

static void take_text(mn_choice *c, const char *text, size_t len)
{
    minerva_error err = { 0 };
    if (c->parser) {
        if (len && minerva_chat_parser_feed(c->parser, text, len, &err) != MINERVA_OK) {
            c->err = err;
            if (c->request) minerva_request_cancel(c->request);
        }
        return;
    }
    if (!len) return;
    on_chat_event(c, &(minerva_chat_event){ .kind = MINERVA_CHAT_CONTENT, .text = text,
                                            .text_len = len });
}

static void take_piece(mn_choice *c, const event *e)
{
    if (c->err.code != MINERVA_OK || c->stopped) return;
    if (e->token >= 0 && c->parser && minerva_chat_parser_in_reasoning(c->parser))
        c->n_reasoning++;
    if (c->job->g->logprobs && e->token >= 0) add_logprob(c, e);
    take_text(c, e->text, e->len);
}

/* ---- the life of a job ------------------------------------------------------------- */

static void job_start(mn_job *j)
{
    mn_server *s = j->server;
    j->next = s->jobs;
    if (s->jobs) s->jobs->prev = j;
    s->jobs = j;
    s->n_active++;
}

static void job_end(mn_job *j)
{
    if (j->prev) j->prev->next = j->next;
    else j->server->jobs = j->next;
    if (j->next) j->next->prev = j->prev;
    j->server->n_active--;
}

static void job_cancel(mn_job *j)
{
    for (int i = 0; i < j->n; i++)
        if (j->choices[i].request) minerva_request_cancel(j->choices[i].request);
}

static void job_free(mn_job *j)
{
    if (!j) return;
    for (int i = 0; i < MN_MAX_CHOICES; i++) {
        mn_choice *c = &j->choices[i];
        minerva_request_release(c->request);
        minerva_chat_parser_free(c->parser);
        mn_buffer_clear(&c->content);
        mn_buffer_clear(&c->reasoning);
        for (size_t k = 0; k < c->n_calls; k++) {
            free(c->calls[k].name);
            mn_buffer_clear(&c->calls[k].arguments);
        }
        free(c->calls);
        json_decref(c->logprobs);
    }
    if (j->free_user) j->free_user(j->user);
    mn_generation_free(j->g);
    if (j->is_held) mn_model_release(j->model);
    free(j);
}

static void take_end(mn_choice *c, const event *e)
{
    mn_job *j = c->job;
    if (c->parser && c->err.code == MINERVA_OK && !c->stopped)
        minerva_chat_parser_finish(c->parser, &c->err);
    c->done = true;
    c->result = e->result;
    if (c->err.code == MINERVA_OK) c->err = e->err;
    j->n_done++;
    if (c->err.code == MINERVA_OK && c->result.finish == MINERVA_FINISH_CANCELLED && !c->stopped) {
        c->err.code = MINERVA_CANCELLED;
        snprintf(c->err.message, sizeof c->err.message, "%s", j->cut
                     ? "the server is shutting down" : "the answer was cancelled");
    }
    if (!j->stream || !j->http) return;
    if (c->err.code == MINERVA_OK) {
        if (j->form->end) j->form->end(c);
    } else if (!j->failed) {
        j->failed = true;
        j->form->error(j, c->err.message);
    }
}

static void finish(mn_job *j)
{
    for (int i = 0; i < j->n && !j->stream; i++)
        if (j->choices[i].err.code != MINERVA_OK) {
            mn_answer_failure(j->http, NULL, &j->choices[i].err);
            return;
        }
    j->form->finish(j);
    if (!j->stream || !j->http) return;
    mn_http_stream_end(j->http);
    mn_http_request_free(j->http);
}

static void on_event(void *arg)
{
    event *e = arg;
    mn_choice *c = e->choice;
    mn_job *j = c->job;
    if (e->done) take_end(c, e);
    else if (j->http) take_piece(c, e);
    free(e->text);
    free(e);
    if (j->n_done < j->n) return;
    if (j->http) finish(j);
    job_end(j);
    job_free(j);
}

static void on_gone(mn_http_request *r)
{
    mn_job *j = r->user;
    j->http = NULL;
    job_cancel(j);
    mn_http_request_free(r);
}

void mn_jobs_keep_alive(mn_server *s, double now)
{
    for (mn_job *j = s->jobs, *next; j; j = next) {
        next = j->next;
        if (j->stream && j->http && j->form->is_sse && now - j->sent_s > KEEP_ALIVE_S)
            mn_job_send_text(j, ": still here\n\n");
    }
}

void mn_jobs_cut(mn_server *s)
{
    for (mn_job *j = s->jobs; j; j = j->next) {
        j->cut = true;
        job_cancel(j);
    }
}

/* ---- start ------------------------------------------------------------------------- */

static minerva_status make_parser(mn_choice *c, minerva_error *err)
{
    const mn_generation *g = c->job->g;
    if (!g->messages) return MINERVA_OK;
    char *tools = g->shown_tools ? json_dumps(g->shown_tools, JSON_COMPACT) : NULL;
    minerva_chat_options o = {
        .tools = tools, .tools_len = tools ? strlen(tools) : 0, .prompt = g->prompt,
        .prompt_len = g->prompt_len, .keep_reasoning = g->keep_reasoning,
        .on_event = on_chat_event, .ctx = c,
    };
    minerva_status st = minerva_chat_parser_create(&c->parser, g->model->model, &o, err);
    free(tools);
    return st;
}

static minerva_status submit(mn_job *j, minerva_error *err)
{
    mn_generation *g = j->g;
    uint64_t seed = g->sampling.seed;
    minerva_chat_format format;
    minerva_model_chat_format(j->model->model, &format);
    j->n = g->n;
    for (int i = 0; i < j->n; i++) {
        mn_choice *c = &j->choices[i];
        *c = (mn_choice){ .job = j, .index = i };
        g->sampling.seed = seed + (uint64_t)i;
        minerva_status st = make_parser(c, err);
        minerva_request_options o = {
            .prompt = g->ids, .n_prompt = g->n_ids, .tenant = j->tenant, .on_done = on_done,
            .generate = {
                .sampling = &g->sampling, .max_tokens = (int32_t)g->max_tokens,
                .stop = g->stops, .n_stop = g->n_stops, .ignore_end = g->ignore_end,
                .n_top_logprobs = (int32_t)g->n_top, .logprobs = g->logprobs,
                .keep_special = c->parser && (format.has_calls || format.has_reasoning),
                .constraint = g->constraint.kind ? &g->constraint : NULL,
                .on_piece = on_piece, .ctx = c,
            },
        };
        if (st == MINERVA_OK)
            st = minerva_scheduler_submit(j->model->scheduler, &o, &c->request, err);
        if (st == MINERVA_OK) continue;
        minerva_chat_parser_free(c->parser);
        c->parser = NULL;
        /* Those that were accepted come to their end by themselves. */
        j->n = i;
        job_cancel(j);
        return st;
    }
    return MINERVA_OK;
}

static void begin_stream(mn_job *j)
{
    mn_http_stream_begin(j->http, 200, j->form->is_sse ? "text/event-stream"
                                                       : "application/x-ndjson",
                         "Cache-Control: no-cache\r\n");
    j->sent_s = mn_clock_s();
    if (j->form->begin) j->form->begin(j);
}

static void drop_job(void *state) { job_free(state); }

bool mn_job_prepare(mn_call *call, const mn_reply_form *form)
{
    mn_params p = { .body = call->body, .where = form->params };
    mn_job *j = calloc(1, sizeof *j);
    if (!j) return false;
    *j = (mn_job){ .server = call->server, .model = call->model, .form = form,
                   .tenant = call->tenant, .created = (int64_t)time(NULL),
                   .started_s = mn_clock_s(), .g = mn_generation_create(call) };
    size_t n = (size_t)snprintf(j->id, sizeof j->id, "%s", form->id_prefix);
    mn_make_id(j->id + n, 24);
    call->state = j;
    call->state_free = drop_job;
    if (!j->g) return false;
    form->read(&p, j, j->g);
    j->g->text = NULL;
    call->err = p.err;
    call->param = p.param;
    return p.err.code == MINERVA_OK;
}

void mn_api_generate(mn_call *call)
{
    mn_job *j = call->state;
    minerva_error err = { 0 };
    call->state = NULL;
    mn_model_hold(j->model);
    j->is_held = true;
    j->http = call->http;
    call->http->user = j;
    call->http->on_gone = on_gone;
    if (submit(j, &err) != MINERVA_OK) {
        call->http->on_gone = NULL;
        j->http = NULL;
        mn_answer_failure(call->http, j->g->messages ? "messages" : "prompt", &err);
        if (j->n == 0) {
            job_free(j);
            return;
        }
    } else if (j->stream) {
        begin_stream(j);
    }
    job_start(j);
}
