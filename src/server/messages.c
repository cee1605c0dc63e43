/* /v1/messages and /v1/messages/count_tokens: Anthropic's Messages API around job.h.
 *
 * Blocks become messages on the way in (tool results get messages of their own), and what
 * the model says becomes blocks on the way out: thinking, text, tool_use, built as it comes
 * whether it is streamed or not.
 *
 * (1) Reasoning is shown only if `thinking` asks for it, as that API has it.
 * (2) A last message of the assistant's is continued.
 */
#include "server/job.h"

#include <stdlib.h>
#include <string.h>

typedef enum { BLOCK_NONE, BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL } block_kind;

typedef struct {
    json_t *content;            /* closed blocks */
    block_kind kind;            /* of the open one */
    size_t call;
    mn_buffer text;
} answer;

static void answer_free(void *user)
{
    answer *a = user;
    json_decref(a->content);
    mn_buffer_clear(&a->text);
    free(a);
}

/* ---- messages ---------------------------------------------------------------------- */

/* A string, or blocks of text; false: something else is among them. */
static bool text_of(const json_t *content, mn_buffer *out)
{
    if (json_is_string(content)) {
        mn_buffer_append(out, json_string_value(content), json_string_length(content));
        return true;
    }
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *block = json_array_get(content, i), *text = json_object_get(block, "text");
        const char *type = json_string_value(json_object_get(block, "type"));
        if (!type || strcmp(type, "text") || !json_is_string(text)) return false;
        mn_buffer_append(out, json_string_value(text), json_string_length(text));
    }
    return !content || json_is_array(content);
}

static void add_call(mn_params *p, size_t i, const json_t *block, json_t *calls)
{
    json_t *id = json_object_get(block, "id"), *name = json_object_get(block, "name");
    json_t *input = json_object_get(block, "input");
    if (!json_is_string(id) || !json_is_string(name) || !json_is_object(input))
        mn_param_fail(p, "messages", "[%zu].content: tool_use with id, name and input expected", i);
    else
        json_array_append_new(calls, json_pack("{s:O, s:s, s:{s:O, s:O}}", "id", id, "type",
            "function", "function", "name", name, "arguments", input));
}

static void add_result(mn_params *p, size_t i, const json_t *block, json_t *messages)
{
    json_t *id = json_object_get(block, "tool_use_id");
    mn_buffer text = { 0 };
    if (!json_is_string(id) || !text_of(json_object_get(block, "content"), &text))
        mn_param_fail(p, "messages", "[%zu].content: tool_result with tool_use_id and text "
                      "expected", i);
    else
        json_array_append_new(messages, json_pack("{s:s, s:O, s:o}", "role", "tool",
            "tool_call_id", id, "content", mn_buffer_string(&text)));
    mn_buffer_clear(&text);
}

static void add_block(mn_params *p, size_t i, const json_t *block, mn_buffer *text,
                      mn_buffer *thinking, json_t *calls, json_t *messages)
{
    const char *type = json_string_value(json_object_get(block, "type"));
    const json_t *value = json_object_get(block, type && !strcmp(type, "thinking") ? "thinking"
                                                                                   : "text");
    if (type && (!strcmp(type, "text") || !strcmp(type, "thinking")) && json_is_string(value))
        mn_buffer_append(strcmp(type, "text") ? thinking : text, json_string_value(value),
                         json_string_length(value));
    else if (type && !strcmp(type, "tool_use")) add_call(p, i, block, calls);
    else if (type && !strcmp(type, "tool_result")) add_result(p, i, block, messages);
    else if (!type || strcmp(type, "redacted_thinking"))
        mn_param_fail(p, "messages", "[%zu].content: blocks of type text, thinking, tool_use or "
                      "tool_result expected, \"%.40s\" found (images and documents are not read "
                      "by this server)", i, type ? type : "none");
}

static void add_message(mn_params *p, size_t i, const json_t *m, json_t *messages)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    const json_t *content = json_object_get(m, "content");
    mn_buffer text = { 0 }, thinking = { 0 };
    json_t *calls = json_array();
    bool results = false;
    size_t before = json_array_size(messages);
    if (!role || (strcmp(role, "user") && strcmp(role, "assistant") && strcmp(role, "system")))
        mn_param_fail(p, "messages", "[%zu].role: \"user\" or \"assistant\" expected", i);
    else if (!json_is_string(content) && !json_is_array(content))
        mn_param_fail(p, "messages", "[%zu].content: a string or an array of blocks expected", i);
    else if (json_is_string(content)) text_of(content, &text);
    for (size_t k = 0; k < json_array_size(content) && p->err.code == MINERVA_OK; k++)
        add_block(p, i, json_array_get(content, k), &text, &thinking, calls, messages);
    results = json_array_size(messages) > before;
    if (p->err.code == MINERVA_OK && (text.len || !results)) {
        json_t *out = json_pack("{s:s, s:o}", "role", role, "content", mn_buffer_string(&text));
        if (thinking.len) json_object_set_new(out, "reasoning_content", mn_buffer_string(&thinking));
        if (json_array_size(calls)) json_object_set(out, "tool_calls", calls);
        json_array_append_new(messages, out);
    }
    json_decref(calls);
    mn_buffer_clear(&text);
    mn_buffer_clear(&thinking);
}

static void read_messages(mn_params *p, mn_generation *g)
{
    const json_t *list = mn_param_get(p, "messages"), *system = mn_param_get(p, "system");
    json_t *messages = json_array();
    mn_buffer text = { 0 };
    if (!text_of(system, &text))
        mn_param_fail(p, "system", "a string or an array of text blocks expected");
    if (text.len)
        json_array_append_new(messages, json_pack("{s:s, s:o}", "role", "system", "content",
                                                  mn_buffer_string(&text)));
    mn_buffer_clear(&text);
    if (!json_array_size(list))
        mn_param_fail(p, "messages", "an array of at least one message expected");
    for (size_t i = 0; i < json_array_size(list) && p->err.code == MINERVA_OK; i++)
        add_message(p, i, json_array_get(list, i), messages);
    if (p->err.code == MINERVA_OK) {
        const json_t *last = json_array_get(list, json_array_size(list) - 1);
        g->continues = !strcmp(json_string_value(json_object_get(last, "role")), "assistant");
    }
    mn_set_messages(p, g, "messages", messages);
}

/* ---- parameters -------------------------------------------------------------------- */

static void read_tools(mn_params *p, mn_generation *g)
{
    const json_t *tools = mn_param_get(p, "tools"), *choice = mn_param_get(p, "tool_choice");
    const char *how = json_string_value(json_object_get(choice, "type"));
    const char *only = json_string_value(json_object_get(choice, "name"));
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        const char *type = json_string_value(json_object_get(tool, "type"));
        json_t *name = json_object_get(tool, "name"), *schema = json_object_get(tool, "input_schema");
        json_t *about = json_object_get(tool, "description");
        if ((type && strcmp(type, "custom")) || !json_is_object(schema) || !json_is_string(name)) {
            mn_param_fail(p, "tools", "[%zu]: a name and an input_schema expected (there are no "
                          "tools that run in the server)", i);
            break;
        }
        json_t *f = json_pack("{s:O, s:O}", "name", name, "parameters", schema);
        if (json_is_string(about)) json_object_set(f, "description", about);
        if (json_object_get(tool, "strict"))
            json_object_set(f, "strict", json_object_get(tool, "strict"));
        json_array_append_new(list, json_pack("{s:s, s:o}", "type", "function", "function", f));
    }
    mn_add_tools(p, g, list);
    json_decref(list);
    if (choice && !how) mn_param_fail(p, "tool_choice", "an object with a type expected");
    if (!how || !strcmp(how, "auto")) mn_choose_tools(p, g, "tool_choice", MN_TOOLS_AUTO, NULL);
    else if (!strcmp(how, "none")) mn_choose_tools(p, g, "tool_choice", MN_TOOLS_NONE, NULL);
    else if (!strcmp(how, "any")) mn_choose_tools(p, g, "tool_choice", MN_TOOLS_REQUIRED, NULL);
    else if (!strcmp(how, "tool"))
        mn_choose_tools(p, g, "tool_choice", MN_TOOLS_REQUIRED, only ? only : "");
    else mn_param_fail(p, "tool_choice", "type: auto, any, tool or none expected");
    g->one_call = (how && !strcmp(how, "tool"))
                  || json_is_true(json_object_get(choice, "disable_parallel_tool_use"));
}

static void read_thinking(mn_params *p, mn_generation *g)
{
    const json_t *thinking = mn_param_get(p, "thinking"), *output = mn_param_get(p, "output_config");
    const json_t *budget = json_object_get(thinking, "budget_tokens");
    const json_t *effort = json_object_get(output, "effort");
    const char *type = json_string_value(json_object_get(thinking, "type"));
    bool on = type && (!strcmp(type, "enabled") || !strcmp(type, "adaptive"));
    if (thinking && !on && (!type || strcmp(type, "disabled")))
        mn_param_fail(p, "thinking", "type: enabled, adaptive or disabled expected");
    if (budget && (!json_is_integer(budget) || json_integer_value(budget) < 1024
                   || (g->max_tokens && json_integer_value(budget) >= g->max_tokens)))
        mn_param_fail(p, "thinking", "budget_tokens: a whole number of 1024 to less than "
                      "max_tokens expected");
    if (effort && !json_is_null(effort))
        mn_set_effort(p, g, "output_config", json_string_value(effort));
    mn_set_thinking(g, on);
    g->hide_reasoning = !on;
}

static void read_format(mn_params *p, mn_generation *g)
{
    static const char *const path[] = { "output_config", "format", "schema", NULL };
    const json_t *output = mn_param_get(p, "output_config");
    const json_t *format = json_object_get(output, "format");
    const char *type = json_string_value(json_object_get(format, "type"));
    const json_t *schema = json_object_get(format, "schema");
    if (!format || json_is_null(format)) return;
    if (!type || strcmp(type, "json_schema") || !json_is_object(schema))
        mn_param_fail(p, "output_config", "format: {\"type\": \"json_schema\", \"schema\"} expected");
    else mn_constrain(p, g, "output_config", MINERVA_JSON_SCHEMA, schema, path);
}

static void read(mn_params *p, mn_job *j, mn_generation *g)
{
    answer *a = calloc(1, sizeof *a);
    if (!(j->user = a)) {
        p->err.code = MINERVA_MEMORY;
        return;
    }
    j->free_user = answer_free;
    a->content = json_array();
    mn_param_bool(p, "stream", &j->stream);
    mn_read_sampling(p, g);
    if (!g->n_stops) mn_param_strings(p, "stop_sequences", g->stops, &g->n_stops);
    read_messages(p, g);
    read_tools(p, g);
    read_thinking(p, g);
    read_format(p, g);
    mn_render_chat(p, g, "messages");
    mn_settle_constraint(p, g);
}

/* ---- the message ------------------------------------------------------------------- */

static json_t *usage_of(const mn_job *j, bool over)
{
    mn_usage u = mn_job_usage(j);
    return json_pack("{s:I, s:i, s:I, s:I}", "input_tokens",
                     (json_int_t)(over ? u.prompt - u.cached : (int64_t)j->g->n_ids),
                     "cache_creation_input_tokens", 0, "cache_read_input_tokens",
                     (json_int_t)u.cached, "output_tokens", (json_int_t)u.generated);
}

static const char *stop_reason(const mn_choice *c)
{
    const char *finish = mn_choice_finish(c);
    if (!strcmp(finish, "length")) return "max_tokens";
    if (!strcmp(finish, "tool_calls")) return "tool_use";
    return c->result.stop ? "stop_sequence" : "end_turn";
}

static json_t *stop_string(const mn_choice *c)
{
    size_t stop = strcmp(stop_reason(c), "stop_sequence") ? 0 : c->result.stop;
    return stop ? json_string(c->job->g->stops[stop - 1]) : json_null();
}

static json_t *message_of(const mn_job *j, bool over)
{
    const answer *a = j->user;
    const mn_choice *c = &j->choices[0];
    return json_pack("{s:s, s:s, s:s, s:s, s:O, s:s?, s:o, s:o}", "id", j->id, "type", "message",
                     "role", "assistant", "model", j->model->name, "content", a->content,
                     "stop_reason", over ? stop_reason(c) : NULL, "stop_sequence",
                     over ? stop_string(c) : json_null(), "usage", usage_of(j, over));
}

/* Takes value. */
static void send(mn_job *j, const char *type, json_t *value)
{
    if (!j->stream) {
        json_decref(value);
        return;
    }
    json_t *e = json_pack("{s:s}", "type", type);
    json_object_update(e, value);
    json_decref(value);
    mn_job_send(j, type, e);
}

static json_t *block_of(const mn_choice *c, bool over)
{
    const answer *a = c->job->user;
    if (a->kind == BLOCK_TEXT)
        return json_pack("{s:s, s:o}", "type", "text", "text", mn_buffer_string(&a->text));
    if (a->kind == BLOCK_THINKING)
        return json_pack("{s:s, s:o, s:s}", "type", "thinking", "thinking",
                         mn_buffer_string(&a->text), "signature", "");
    const mn_tool_call *call = &c->calls[a->call];
    json_t *input = over ? json_loadb(a->text.data ? a->text.data : "", a->text.len, 0, NULL) : NULL;
    if (!json_is_object(input)) {       /* cut off, or broken by the model itself */
        json_decref(input);
        input = json_object();
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "type", "tool_use", "id", call->id, "name",
                     call->name ? call->name : "", "input", input);
}

static void close_block(mn_choice *c)
{
    answer *a = c->job->user;
    if (a->kind == BLOCK_NONE) return;
    send(c->job, "content_block_stop", json_pack("{s:i}", "index",
                                                 (int)json_array_size(a->content)));
    json_array_append_new(a->content, block_of(c, true));
    a->kind = BLOCK_NONE;
}

static void delta(mn_choice *c, const mn_delta *d)
{
    static const block_kind kinds[] = { BLOCK_TEXT, BLOCK_THINKING, BLOCK_TOOL, BLOCK_TOOL };
    static const struct { const char *type, *member; } forms[] = {
        [BLOCK_TEXT] = { "text_delta", "text" }, [BLOCK_THINKING] = { "thinking_delta", "thinking" },
        [BLOCK_TOOL] = { "input_json_delta", "partial_json" },
    };
    answer *a = c->job->user;
    if (d->kind == MN_DELTA_CALL_END) {
        close_block(c);
        return;
    }
    block_kind kind = kinds[d->kind];
    if (kind != a->kind || (kind == BLOCK_TOOL && d->call != a->call)) {
        close_block(c);
        a->kind = kind;
        a->call = d->call;
        mn_buffer_reset(&a->text);
        send(c->job, "content_block_start",
             json_pack("{s:i, s:o}", "index", (int)json_array_size(a->content), "content_block",
                       block_of(c, false)));
    }
    if (d->kind == MN_DELTA_CALL_BEGIN) return;
    mn_buffer_append(&a->text, d->text, d->len);
    json_t *text = json_stringn(d->text, d->len);
    send(c->job, "content_block_delta",
         json_pack("{s:i, s:{s:s, s:o}}", "index", (int)json_array_size(a->content), "delta", "type",
                   forms[kind].type, forms[kind].member, text ? text : json_string("")));
}

static void begin(mn_job *j)
{
    send(j, "message_start", json_pack("{s:o}", "message", message_of(j, false)));
}

static void error(mn_job *j, const char *message)
{
    mn_job_send(j, "error", mn_error_shape("/v1/messages", 500, NULL, message));
}

static void finish(mn_job *j)
{
    mn_choice *c = &j->choices[0];
    if (j->failed) return;
    close_block(c);
    if (!j->stream) {
        mn_answer_json(j->http, 200, message_of(j, true));
        return;
    }
    send(j, "message_delta", json_pack("{s:{s:s, s:o}, s:o}", "delta", "stop_reason",
        stop_reason(c), "stop_sequence", stop_string(c), "usage", usage_of(j, true)));
    send(j, "message_stop", json_object());
}

bool mn_prepare_message(mn_call *call)
{
    static const mn_reply_form form = {
        .id_prefix = "msg_", .params = MN_FOR_MESSAGES, .is_sse = true, .collects = true,
        .read = read, .begin = begin, .delta = delta, .error = error, .finish = finish,
    };
    return mn_job_prepare(call, &form);
}

bool mn_prepare_count_tokens(mn_call *call)
{
    mn_params p = { .body = call->body, .where = MN_FOR_COUNT_TOKENS };
    mn_generation *g = mn_generation_create(call);
    if (!g) return false;
    read_messages(&p, g);
    read_tools(&p, g);
    read_thinking(&p, g);
    mn_render_chat(&p, g, "messages");
    call->err = p.err;
    call->param = p.param;
    if (p.err.code == MINERVA_OK)
        call->answer = json_pack("{s:I}", "input_tokens", (json_int_t)g->n_ids);
    mn_generation_free(g);
    return p.err.code == MINERVA_OK;
}
