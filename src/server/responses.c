/* /v1/responses: OpenAI's Responses API around job.h.
 *
 * What the model says becomes items (reasoning, message, function_call), built as it comes
 * whether it is streamed or not, so that both show the same.
 *
 *   delta of another kind -> close the open item, open the next -> delta events
 *
 * (1) `output` holds the items that are closed; the open one is in `item`, its text in
 *     `text`.
 * (2) An answer is stored (unless store is false) with the messages that led to it, which
 *     previous_response_id takes up again.
 */
#include "server/responses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef enum { ITEM_NONE, ITEM_REASONING, ITEM_MESSAGE, ITEM_CALL } item_kind;

typedef struct {
    json_t *input;              /* items, with ids */
    json_t *messages;           /* of the conversation so far, without instructions */
    json_t *output;             /* array of closed items */
    json_t *logprobs;           /* of the open message */
    item_kind kind;             /* of the open item */
    char item_id[40];
    size_t call;                /* the open item's, if it is one */
    mn_buffer text;
    bool store, wants_logprobs;
    int64_t sequence;
    const char *status;
} answer;

static void answer_free(void *user)
{
    answer *a = user;
    json_decref(a->input);
    json_decref(a->messages);
    json_decref(a->output);
    json_decref(a->logprobs);
    mn_buffer_clear(&a->text);
    free(a);
}

/* ---- the response object ----------------------------------------------------------- */

static void echo(json_t *r, const mn_job *j, const char *name, json_t *unless_given)
{
    json_t *v = json_object_get(j->g->body, name);
    if (v && !json_is_null(v)) json_object_set(r, name, v);
    else json_object_set(r, name, unless_given);
    json_decref(unless_given);
}

static json_t *usage_of(const mn_job *j)
{
    mn_usage u = mn_job_usage(j);
    return json_pack("{s:I, s:{s:I, s:i}, s:I, s:{s:I}, s:I}", "input_tokens",
                     (json_int_t)u.prompt, "input_tokens_details", "cached_tokens",
                     (json_int_t)u.cached, "cache_write_tokens", 0, "output_tokens",
                     (json_int_t)u.generated, "output_tokens_details", "reasoning_tokens",
                     (json_int_t)u.reasoning, "total_tokens", (json_int_t)(u.prompt + u.generated));
}

static json_t *response_of(const mn_job *j, const char *error)
{
    const answer *a = j->user;
    bool over = strcmp(a->status, "in_progress") != 0;
    json_t *r = json_pack("{s:s, s:s, s:I, s:s, s:s, s:O}", "id", j->id, "object", "response",
                          "created_at", (json_int_t)j->created, "status", a->status, "model",
                          j->model->name, "output", a->output);
    json_object_set_new(r, "error", error ? json_pack("{s:s, s:s}", "code", "server_error",
                                                      "message", error) : json_null());
    json_object_set_new(r, "incomplete_details", strcmp(a->status, "incomplete") ? json_null()
                        : json_pack("{s:s}", "reason", "max_output_tokens"));
    json_object_set_new(r, "completed_at", strcmp(a->status, "completed") ? json_null()
                                               : json_integer((json_int_t)time(NULL)));
    json_object_set_new(r, "background", json_false());
    echo(r, j, "instructions", json_null());
    echo(r, j, "max_output_tokens", json_null());
    echo(r, j, "metadata", json_object());
    echo(r, j, "parallel_tool_calls", json_true());
    echo(r, j, "previous_response_id", json_null());
    echo(r, j, "reasoning", json_pack("{s:n, s:n}", "effort", "summary"));
    json_object_set_new(r, "store", json_boolean(a->store));
    json_object_set_new(r, "temperature", json_real(j->g->sampling.temperature));
    json_object_set_new(r, "top_p", json_real(j->g->sampling.top_p > 0 ? j->g->sampling.top_p : 1));
    echo(r, j, "text", json_pack("{s:{s:s}}", "format", "type", "text"));
    echo(r, j, "tool_choice", json_string("auto"));
    echo(r, j, "tools", json_array());
    echo(r, j, "top_logprobs", json_integer(0));
    json_object_set_new(r, "truncation", json_string("disabled"));
    echo(r, j, "user", json_null());
    json_object_set_new(r, "usage", over ? usage_of(j) : json_null());
    return r;
}

/* ---- events ------------------------------------------------------------------------ */

/* Takes value. */
static void send(mn_job *j, const char *type, json_t *value)
{
    answer *a = j->user;
    if (!j->stream) {
        json_decref(value);
        return;
    }
    json_t *e = json_pack("{s:s, s:I}", "type", type, "sequence_number",
                          (json_int_t)a->sequence++);
    json_object_update(e, value);
    json_decref(value);
    mn_job_send(j, type, e);
}

static json_t *place(const answer *a)
{
    json_t *v = json_pack("{s:s, s:i}", "item_id", a->item_id, "output_index",
                          (int)json_array_size(a->output));
    if (a->kind != ITEM_CALL) json_object_set_new(v, "content_index", json_integer(0));
    return v;
}

/* place with one more member (taken) */
static json_t *place_with(const answer *a, const char *name, json_t *value)
{
    json_t *v = place(a);
    json_object_set_new(v, name, value);
    return v;
}

static json_t *text_part(const answer *a, json_t *text)
{
    if (a->kind == ITEM_REASONING)
        return json_pack("{s:s, s:o}", "type", "reasoning_text", "text", text);
    return json_pack("{s:s, s:o, s:[], s:O}", "type", "output_text", "text", text, "annotations",
                     "logprobs", a->logprobs);
}

/* The open item as it is now; in progress it has no content yet. */
static json_t *item_of(const mn_choice *c, const char *status)
{
    const answer *a = c->job->user;
    bool begun = strcmp(status, "in_progress") != 0;
    json_t *content = json_array();
    if (a->kind == ITEM_CALL) {
        const mn_tool_call *call = &c->calls[a->call];
        json_decref(content);
        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "id", a->item_id, "type",
                         "function_call", "status", status, "call_id", call->id, "name",
                         call->name ? call->name : "", "arguments", mn_buffer_string(&a->text));
    }
    if (begun) json_array_append_new(content, text_part(a, mn_buffer_string(&a->text)));
    if (a->kind == ITEM_REASONING)
        return json_pack("{s:s, s:s, s:s, s:[], s:o}", "id", a->item_id, "type", "reasoning",
                         "status", status, "summary", "content", content);
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", a->item_id, "type", "message", "status",
                     status, "role", "assistant", "content", content);
}

static void close_item(mn_choice *c, const char *status)
{
    mn_job *j = c->job;
    answer *a = j->user;
    if (a->kind == ITEM_NONE) return;
    json_t *text = mn_buffer_string(&a->text);
    if (a->kind == ITEM_CALL) {
        json_t *v = place_with(a, "arguments", text);
        json_object_set_new(v, "name", json_string(c->calls[a->call].name));
        send(j, "response.function_call_arguments.done", v);
    } else {
        bool message = a->kind == ITEM_MESSAGE;
        json_t *v = place_with(a, "text", text);
        if (message) json_object_set(v, "logprobs", a->logprobs);
        send(j, message ? "response.output_text.done" : "response.reasoning_text.done", v);
        send(j, "response.content_part.done",
             place_with(a, "part", text_part(a, mn_buffer_string(&a->text))));
    }
    json_t *item = item_of(c, status);
    send(j, "response.output_item.done", json_pack("{s:i, s:O}", "output_index",
                                                   (int)json_array_size(a->output), "item", item));
    json_array_append_new(a->output, item);
    a->kind = ITEM_NONE;
}

static void open_item(mn_choice *c, item_kind kind, size_t call)
{
    static const char *const prefixes[] = { "", "rs_", "msg_", "fc_" };
    mn_job *j = c->job;
    answer *a = j->user;
    close_item(c, "completed");
    a->kind = kind;
    a->call = call;
    mn_buffer_reset(&a->text);
    json_decref(a->logprobs);
    a->logprobs = json_array();
    size_t n = (size_t)snprintf(a->item_id, sizeof a->item_id, "%s", prefixes[kind]);
    mn_make_id(a->item_id + n, 24);
    send(j, "response.output_item.added",
         json_pack("{s:i, s:o}", "output_index", (int)json_array_size(a->output), "item",
                   item_of(c, "in_progress")));
    if (kind != ITEM_CALL)
        send(j, "response.content_part.added",
             place_with(a, "part", text_part(a, json_string(""))));
}

static void delta(mn_choice *c, const mn_delta *d)
{
    static const item_kind kinds[] = { ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL, ITEM_CALL };
    static const char *const events[] = { "", "response.reasoning_text.delta",
        "response.output_text.delta", "response.function_call_arguments.delta" };
    mn_job *j = c->job;
    answer *a = j->user;
    if (d->kind == MN_DELTA_CALL_END) {
        close_item(c, "completed");
        return;
    }
    item_kind kind = kinds[d->kind];
    if (kind != a->kind || (kind == ITEM_CALL && d->call != a->call)) open_item(c, kind, d->call);
    if (d->kind == MN_DELTA_CALL_BEGIN) return;
    json_t *text = json_stringn(d->text, d->len);
    json_t *v = place_with(a, "delta", text ? text : json_string(""));
    mn_buffer_append(&a->text, d->text, d->len);
    if (kind == ITEM_MESSAGE) {
        json_t *probs = a->wants_logprobs ? mn_take_logprobs(c) : NULL;
        if (probs) json_array_extend(a->logprobs, probs);
        json_object_set_new(v, "logprobs", probs ? probs : json_array());
    }
    send(j, events[kind], v);
}

static void begin(mn_job *j)
{
    send(j, "response.created", json_pack("{s:o}", "response", response_of(j, NULL)));
    send(j, "response.in_progress", json_pack("{s:o}", "response", response_of(j, NULL)));
}

static void error(mn_job *j, const char *message)
{
    answer *a = j->user;
    a->status = "failed";
    send(j, "response.failed", json_pack("{s:o}", "response", response_of(j, message)));
}

static void store(mn_job *j, const json_t *response)
{
    answer *a = j->user;
    mn_params ignored = { 0 };
    if (!a->store) return;
    if (json_array_size(a->output)) mn_items_to_messages(&ignored, "", a->output, a->messages);
    mn_response_put(j->server->responses, j->tenant, j->id, response, a->input, a->messages);
}

static void finish(mn_job *j)
{
    answer *a = j->user;
    mn_choice *c = &j->choices[0];
    if (j->failed) return;
    bool whole = strcmp(mn_choice_finish(c), "length") != 0;
    a->status = whole ? "completed" : "incomplete";
    close_item(c, a->status);
    json_t *r = response_of(j, NULL);
    store(j, r);
    if (j->stream)
        send(j, whole ? "response.completed" : "response.incomplete",
             json_pack("{s:o}", "response", r));
    else
        mn_answer_json(j->http, 200, r);
}

/* ---- parameters -------------------------------------------------------------------- */

static void read_text(mn_params *p, mn_generation *g)
{
    static const char *const path[] = { "text", "format", "schema", NULL };
    const json_t *text = mn_param_get(p, "text"), *format = json_object_get(text, "format");
    const char *type = json_string_value(json_object_get(format, "type"));
    const json_t *schema = json_object_get(format, "schema");
    if (!format || json_is_null(format) || (type && !strcmp(type, "text"))) return;
    if (type && !strcmp(type, "json_object"))
        mn_constrain(p, g, "text", MINERVA_JSON_OBJECT, NULL, NULL);
    else if (type && !strcmp(type, "json_schema") && (json_is_object(schema) || json_is_boolean(schema)))
        mn_constrain(p, g, "text", MINERVA_JSON_SCHEMA, schema, path);
    else
        mn_param_fail(p, "text", "format: {\"type\": \"text\", \"json_object\" or \"json_schema\" "
                      "with a schema} expected");
}

static void read_reasoning(mn_params *p, mn_generation *g)
{
    const json_t *reasoning = mn_param_get(p, "reasoning");
    const json_t *effort = json_object_get(reasoning, "effort");
    if (effort && !json_is_null(effort)) mn_set_effort(p, g, "reasoning", json_string_value(effort));
}

static void read_include(mn_params *p, mn_generation *g, answer *a)
{
    const json_t *list = mn_param_get(p, "include");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *what = json_string_value(json_array_get(list, i));
        if (what && !strcmp(what, "message.output_text.logprobs"))
            g->logprobs = a->wants_logprobs = true;
        /* There are no sources, and reasoning is given in the open. */
        else if (!what || strcmp(what, "reasoning.encrypted_content"))
            mn_param_fail(p, "include", "message.output_text.logprobs or "
                          "reasoning.encrypted_content expected");
    }
    if (mn_param_int(p, "top_logprobs", &g->n_top) && g->n_top)
        g->logprobs = a->wants_logprobs = true;
}

/* What is only valid in one way here. */
static void read_fixed(mn_params *p)
{
    const char *truncation = json_string_value(mn_param_get(p, "truncation"));
    if (truncation && strcmp(truncation, "disabled"))
        mn_param_fail(p, "truncation", "\"disabled\" expected");
    if (json_is_true(mn_param_get(p, "background")))
        mn_param_fail(p, "background", "false expected");
    int64_t calls;      /* of tools that run in the server: there are none */
    mn_param_int(p, "max_tool_calls", &calls);
}

static void read_input(mn_params *p, mn_job *j, mn_generation *g, answer *a)
{
    const char *previous = json_string_value(mn_param_get(p, "previous_response_id"));
    const char *instructions = json_string_value(mn_param_get(p, "instructions"));
    const json_t *input = mn_param_get(p, "input");
    if (p->err.code != MINERVA_OK) return;
    a->messages = previous ? mn_response_get(j->server->responses, j->tenant, previous,
                                             MN_STORED_MESSAGES) : json_array();
    if (!a->messages) {
        mn_param_fail(p, "previous_response_id", "no stored response \"%.60s\"", previous);
        p->err.code = MINERVA_NOT_FOUND;
        return;
    }
    mn_items_to_messages(p, "input", input, a->messages);
    if (p->err.code != MINERVA_OK) return;
    a->input = mn_items_with_ids(input);
    for (size_t i = 0; i < json_array_size(a->messages); i++) {
        json_t *m = json_array_get(a->messages, i);
        if (!json_object_get(m, "content")) json_object_set_new(m, "content", json_string(""));
    }
    json_t *messages = json_deep_copy(a->messages);
    if (instructions) {
        json_t *first = json_array_get(messages, 0);
        const char *role = json_string_value(json_object_get(first, "role"));
        const char *system = json_string_value(json_object_get(first, "content"));
        if (role && system && (!strcmp(role, "system") || !strcmp(role, "developer"))) {
            json_object_set_new(first, "content", json_sprintf("%s\n\n%s", instructions, system));
        } else {
            json_array_insert_new(messages, 0, json_pack("{s:s, s:s}", "role", "system",
                                                         "content", instructions));
        }
    }
    mn_set_messages(p, g, "input", messages);
}

static void read(mn_params *p, mn_job *j, mn_generation *g)
{
    answer *a = calloc(1, sizeof *a);
    if (!(j->user = a)) {
        p->err.code = MINERVA_MEMORY;
        return;
    }
    j->free_user = answer_free;
    *a = (answer){ .output = json_array(), .logprobs = json_array(), .store = true,
                   .status = "in_progress" };
    read_fixed(p);
    mn_param_bool(p, "stream", &j->stream);
    mn_param_bool(p, "store", &a->store);
    mn_read_sampling(p, g);
    mn_param_int(p, "max_output_tokens", &g->max_tokens);
    read_include(p, g, a);
    read_input(p, j, g, a);
    mn_read_tools(p, g);
    read_reasoning(p, g);
    read_text(p, g);
    mn_render_chat(p, g, "input");
    mn_settle_constraint(p, g);
}

bool mn_prepare_response(mn_call *call)
{
    static const mn_reply_form form = {
        .id_prefix = "resp_", .params = MN_FOR_RESPONSES, .is_sse = true, .collects = true,
        .read = read, .begin = begin, .delta = delta, .error = error, .finish = finish,
    };
    return mn_job_prepare(call, &form);
}

/* ---- stored ones ------------------------------------------------------------------- */

/* "/v1/responses/ID/SUB": the id into `id`; returns SUB, "" or NULL (malformed). */
static const char *split_path(const mn_call *c, char id[64])
{
    const char *from = c->http->path + strlen("/v1/responses/");
    size_t n = strcspn(from, "/");
    if (n == 0 || n >= 64) return NULL;
    memcpy(id, from, n);
    id[n] = 0;
    return from[n] ? from + n + 1 : "";
}

void mn_api_response_get(mn_call *c)
{
    char id[64];
    const char *sub = split_path(c, id);
    bool input = sub && !strcmp(sub, "input_items");
    json_t *v = NULL;
    if (strstr(c->http->query, "stream=true")) {
        mn_answer_error(c->http, 400, "stream", "stream: false expected");
        return;
    }
    if (input || (sub && !*sub))
        v = mn_response_get(c->server->responses, c->tenant, id,
                            input ? MN_STORED_INPUT : MN_STORED_RESPONSE);
    if (!v) {
        mn_answer_error(c->http, 404, NULL, "no stored response \"%.80s\"",
                        c->http->path + strlen("/v1/responses/"));
        return;
    }
    size_t n = json_array_size(v);
    if (input)
        v = json_pack("{s:s, s:o, s:O?, s:O?, s:b}", "object", "list", "data", v, "first_id",
                      json_object_get(json_array_get(v, 0), "id"), "last_id",
                      json_object_get(json_array_get(v, n ? n - 1 : 0), "id"), "has_more", 0);
    mn_answer_json(c->http, 200, v);
}

void mn_api_response_delete(mn_call *c)
{
    char id[64];
    const char *sub = split_path(c, id);
    if (sub && !*sub && mn_response_delete(c->server->responses, c->tenant, id))
        mn_answer_json(c->http, 200, json_pack("{s:s, s:s, s:b}", "id", id, "object", "response",
                                               "deleted", 1));
    else
        mn_answer_error(c->http, 404, NULL, "no stored response \"%.80s\"",
                        c->http->path + strlen("/v1/responses/"));
}
