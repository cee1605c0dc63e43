/* /v1/chat/completions and /v1/completions: OpenAI's shapes around job.h. */
#include "server/job.h"

#include <stdlib.h>
#include <string.h>

/* ---- shapes ------------------------------------------------------------------------ */

static json_t *usage_of(const mn_job *j)
{
    mn_usage u = mn_job_usage(j);
    json_t *v = json_pack("{s:I, s:I, s:I, s:{s:I}}", "prompt_tokens", (json_int_t)u.prompt,
                          "completion_tokens", (json_int_t)u.generated, "total_tokens",
                          (json_int_t)(u.prompt + u.generated), "prompt_tokens_details",
                          "cached_tokens", (json_int_t)u.cached);
    if (!j->plain)
        json_object_set_new(v, "completion_tokens_details",
                            json_pack("{s:I}", "reasoning_tokens", (json_int_t)u.reasoning));
    return v;
}

static json_t *frame_of(const mn_job *j, const char *object, json_t *choices)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:o}", "id", j->id, "object", object, "created",
                     (json_int_t)j->created, "model", j->model->name, "choices", choices);
}

/* Chats: {"content":[...]}.  Completions: the older four parallel arrays. */
static json_t *logprobs_frame(const mn_job *j, json_t *entries)
{
    if (!entries) return json_null();
    if (!j->plain) return json_pack("{s:o, s:n}", "content", entries, "refusal");
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

/* ---- streams ----------------------------------------------------------------------- */

/* One chunk: delta (taken) for chats, text for completions. */
static void send_chunk(mn_choice *c, json_t *delta, const char *finish)
{
    mn_job *j = c->job;
    json_t *choice = json_pack("{s:i, s:o, s:o, s:s?}", "index", c->index,
                               j->plain ? "text" : "delta", delta, "logprobs",
                               logprobs_frame(j, mn_take_logprobs(c)), "finish_reason", finish);
    json_t *f = frame_of(j, j->plain ? "text_completion" : "chat.completion.chunk",
                         json_pack("[o]", choice));
    if (j->usage_in_stream) json_object_set_new(f, "usage", json_null());
    mn_job_send(j, NULL, f);
}

static void begin(mn_job *j)
{
    for (int i = 0; i < j->n && !j->plain; i++)
        send_chunk(&j->choices[i], json_pack("{s:s, s:s}", "role", "assistant", "content", ""),
                   NULL);
}

static json_t *call_delta(const mn_choice *c, const mn_delta *d)
{
    const mn_tool_call *call = &c->calls[d->call];
    if (d->kind == MN_DELTA_CALL_BEGIN)
        return json_pack("{s:[{s:i, s:s, s:s, s:{s:s, s:s}}]}", "tool_calls", "index",
                         (int)d->call, "id", call->id, "type", "function", "function", "name",
                         call->name ? call->name : "", "arguments", "");
    json_t *text = json_stringn(d->text, d->len);
    return json_pack("{s:[{s:i, s:{s:o}}]}", "tool_calls", "index", (int)d->call, "function",
                     "arguments", text ? text : json_string(""));
}

static void delta(mn_choice *c, const mn_delta *d)
{
    if (d->kind == MN_DELTA_CALL_END) return;
    if (d->kind == MN_DELTA_CALL_BEGIN || d->kind == MN_DELTA_CALL_ARGUMENTS) {
        send_chunk(c, call_delta(c, d), NULL);
        return;
    }
    json_t *text = json_stringn(d->text, d->len);
    if (c->job->plain) send_chunk(c, text, NULL);
    else send_chunk(c, json_pack("{s:o}", d->kind == MN_DELTA_REASONING ? "reasoning_content"
                                                                       : "content", text), NULL);
}

static void end(mn_choice *c)
{
    const char *finish = mn_choice_finish(c);
    send_chunk(c, c->job->plain ? json_string("") : json_object(), finish);
}

static void error(mn_job *j, const char *message)
{
    mn_job_send(j, NULL, mn_error_object(500, NULL, message));
}

/* ---- whole answers ----------------------------------------------------------------- */

static json_t *message_of(const mn_choice *c)
{
    bool silent = c->n_calls && !c->content.len;
    json_t *m = json_pack("{s:s, s:o, s:n}", "role", "assistant", "content",
                          silent ? json_null() : mn_buffer_string(&c->content), "refusal");
    if (c->reasoning.len && !c->job->g->hide_reasoning)
        json_object_set_new(m, "reasoning_content", mn_buffer_string(&c->reasoning));
    json_t *calls = c->n_calls ? json_array() : NULL;
    for (size_t i = 0; i < c->n_calls; i++)
        json_array_append_new(calls, json_pack("{s:s, s:s, s:{s:s, s:o}}", "id", c->calls[i].id,
            "type", "function", "function", "name", c->calls[i].name ? c->calls[i].name : "",
            "arguments", mn_buffer_string(&c->calls[i].arguments)));
    if (calls) json_object_set_new(m, "tool_calls", calls);
    return m;
}

static json_t *whole_choice(mn_choice *c)
{
    const mn_job *j = c->job;
    mn_buffer all = { 0 };
    json_t *body;
    if (j->plain) {
        if (j->echo && j->g->prompt) mn_buffer_append(&all, j->g->prompt, j->g->prompt_len);
        mn_buffer_append(&all, c->content.data ? c->content.data : "", c->content.len);
        body = mn_buffer_string(&all);
        mn_buffer_clear(&all);
    } else {
        body = message_of(c);
    }
    return json_pack("{s:i, s:o, s:o, s:s}", "index", c->index, j->plain ? "text" : "message",
                     body, "logprobs", logprobs_frame(j, mn_take_logprobs(c)), "finish_reason",
                     mn_choice_finish(c));
}

static void finish(mn_job *j)
{
    if (!j->stream) {
        json_t *choices = json_array();
        for (int i = 0; i < j->n; i++)
            json_array_append_new(choices, whole_choice(&j->choices[i]));
        json_t *f = frame_of(j, j->plain ? "text_completion" : "chat.completion", choices);
        json_object_set_new(f, "usage", usage_of(j));
        mn_answer_json(j->http, 200, f);
        return;
    }
    if (j->usage_in_stream) {
        json_t *f = frame_of(j, j->plain ? "text_completion" : "chat.completion.chunk",
                             json_array());
        json_object_set_new(f, "usage", usage_of(j));
        mn_job_send(j, NULL, f);
    }
    mn_job_send_text(j, "data: [DONE]\n\n");
}

/* ---- requests ---------------------------------------------------------------------- */

static void read_stream(mn_params *p, mn_job *j)
{
    const json_t *options = mn_param_get(p, "stream_options");
    mn_param_bool(p, "stream", &j->stream);
    if (!options) return;
    const json_t *usage = json_object_get(options, "include_usage");
    if (!json_is_object(options) || (usage && !json_is_boolean(usage)))
        mn_param_fail(p, "stream_options", "{\"include_usage\": true or false} expected");
    j->usage_in_stream = json_is_true(usage);
}

static void read_chat(mn_params *p, mn_job *j, mn_generation *g)
{
    read_stream(p, j);
    mn_read_sampling(p, g);
    mn_param_bool(p, "logprobs", &g->logprobs);
    if (mn_param_int(p, "top_logprobs", &g->n_top) && g->n_top && !g->logprobs)
        mn_param_fail(p, "top_logprobs", "\"logprobs\": true expected with it");
    mn_read_messages(p, g);
    mn_read_tools(p, g);
    mn_read_reasoning(p, g);
    mn_read_constraint(p, g);
    mn_render_chat(p, g, "messages");
    mn_settle_constraint(p, g);
}

static void read_completion(mn_params *p, mn_job *j, mn_generation *g)
{
    j->plain = true;
    read_stream(p, j);
    mn_read_sampling(p, g);
    mn_param_bool(p, "echo", &j->echo);
    if (mn_param_int(p, "logprobs", &g->n_top)) g->logprobs = true;
    if (j->echo && (j->stream || g->logprobs))
        mn_param_fail(p, "echo", "neither stream nor logprobs expected with it");
    mn_read_constraint(p, g);
    mn_read_prompt(p, g, mn_param_get(p, "prompt"), "prompt", j->echo);
    mn_settle_constraint(p, g);
}

bool mn_prepare_chat(mn_call *call)
{
    static const mn_reply_form form = {
        .id_prefix = "chatcmpl-", .params = MN_FOR_CHAT, .is_sse = true, .read = read_chat,
        .begin = begin, .delta = delta, .end = end, .error = error, .finish = finish,
    };
    return mn_job_prepare(call, &form);
}

bool mn_prepare_completion(mn_call *call)
{
    static const mn_reply_form form = {
        .id_prefix = "cmpl-", .params = MN_FOR_COMPLETIONS, .is_sse = true,
        .read = read_completion, .begin = begin, .delta = delta, .end = end, .error = error,
        .finish = finish,
    };
    return mn_job_prepare(call, &form);
}
