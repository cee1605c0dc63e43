/* Items of /v1/responses as messages.
 *
 *   reasoning, message, function_call ... -> one assistant message with all three
 *   function_call_output                  -> a message of role "tool"
 */
#include "server/responses.h"

#include <string.h>

/* The last message if it is the assistant's and may still grow; otherwise a new one. */
static json_t *assistant(json_t *messages)
{
    json_t *last = json_array_get(messages, json_array_size(messages) - 1);
    const char *role = json_string_value(json_object_get(last, "role"));
    if (role && !strcmp(role, "assistant")) return last;
    last = json_pack("{s:s}", "role", "assistant");
    json_array_append_new(messages, last);
    return last;
}

/* Parts become one text; false: a part that is none. */
static bool text_of(const json_t *content, mn_buffer *out)
{
    if (json_is_string(content)) {
        mn_buffer_append(out, json_string_value(content), json_string_length(content));
        return true;
    }
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i);
        const char *type = json_string_value(json_object_get(part, "type"));
        bool refusal = type && !strcmp(type, "refusal");
        const json_t *text = json_object_get(part, refusal ? "refusal" : "text");
        if (!type || !json_is_string(text)) return false;
        mn_buffer_append(out, json_string_value(text), json_string_length(text));
    }
    return json_is_array(content);
}

static void add_message(mn_params *p, const char *param, size_t i, const json_t *item,
                        json_t *messages)
{
    const char *role = json_string_value(json_object_get(item, "role"));
    mn_buffer text = { 0 };
    if (!role || !text_of(json_object_get(item, "content"), &text)) {
        mn_param_fail(p, param, "[%zu]: a role, and content that is a string or an array of text "
                      "parts expected (images and files are not read by this server)", i);
    } else if (!strcmp(role, "assistant")) {
        json_t *m = assistant(messages);
        const json_t *before = json_object_get(m, "content");
        if (json_is_string(before) || json_object_get(m, "tool_calls")) {
            m = json_pack("{s:s}", "role", role);
            json_array_append_new(messages, m);
        }
        json_object_set_new(m, "content", mn_buffer_string(&text));
    } else {
        json_array_append_new(messages, json_pack("{s:s, s:o}", "role", role, "content",
                                                  mn_buffer_string(&text)));
    }
    mn_buffer_clear(&text);
}

static void add_call(mn_params *p, const char *param, size_t i, const json_t *item,
                     json_t *messages)
{
    json_t *id = json_object_get(item, "call_id"), *name = json_object_get(item, "name");
    json_t *arguments = json_object_get(item, "arguments");
    if (!json_is_string(id) || !json_is_string(name) || !json_is_string(arguments)) {
        mn_param_fail(p, param, "[%zu]: call_id, name and arguments (all strings) expected", i);
        return;
    }
    json_t *m = assistant(messages), *calls = json_object_get(m, "tool_calls");
    if (!calls) {
        calls = json_array();
        json_object_set_new(m, "tool_calls", calls);
        if (!json_object_get(m, "content")) json_object_set_new(m, "content", json_null());
    }
    json_array_append_new(calls, json_pack("{s:O, s:s, s:{s:O, s:O}}", "id", id, "type",
                                           "function", "function", "name", name, "arguments",
                                           arguments));
}

static void add_output(mn_params *p, const char *param, size_t i, const json_t *item,
                       json_t *messages)
{
    json_t *id = json_object_get(item, "call_id");
    mn_buffer text = { 0 };
    if (!json_is_string(id) || !text_of(json_object_get(item, "output"), &text))
        mn_param_fail(p, param, "[%zu]: call_id and output (text) expected", i);
    else
        json_array_append_new(messages, json_pack("{s:s, s:O, s:o}", "role", "tool",
            "tool_call_id", id, "content", mn_buffer_string(&text)));
    mn_buffer_clear(&text);
}

/* Its own text if it is there, else its summary.  It begins a new message. */
static void add_reasoning(const json_t *item, json_t *messages)
{
    mn_buffer text = { 0 };
    text_of(json_object_get(item, "content"), &text);
    if (!text.len) text_of(json_object_get(item, "summary"), &text);
    if (text.len)
        json_array_append_new(messages, json_pack("{s:s, s:o}", "role", "assistant",
            "reasoning_content", mn_buffer_string(&text)));
    mn_buffer_clear(&text);
}

void mn_items_to_messages(mn_params *p, const char *param, const json_t *items,
                          json_t *messages)
{
    if (json_is_string(items)) {
        json_array_append_new(messages, json_pack("{s:s, s:O}", "role", "user", "content", items));
        return;
    }
    if (!json_array_size(items)) {
        mn_param_fail(p, param, "a string or an array of at least one item expected");
        return;
    }
    for (size_t i = 0; i < json_array_size(items) && p->err.code == MINERVA_OK; i++) {
        const json_t *item = json_array_get(items, i);
        const char *type = json_string_value(json_object_get(item, "type"));
        if (!json_is_object(item) || (!type && !json_object_get(item, "role")))
            mn_param_fail(p, param, "[%zu]: an item with a type or a role expected", i);
        else if (!type || !strcmp(type, "message")) add_message(p, param, i, item, messages);
        else if (!strcmp(type, "function_call")) add_call(p, param, i, item, messages);
        else if (!strcmp(type, "function_call_output")) add_output(p, param, i, item, messages);
        else if (!strcmp(type, "reasoning")) add_reasoning(item, messages);
        else mn_param_fail(p, param, "[%zu].type: message, function_call, function_call_output or "
                           "reasoning expected, \"%.40s\" found", i, type);
    }
}

json_t *mn_items_with_ids(const json_t *input)
{
    json_t *all = json_is_string(input)
        ? json_pack("[{s:s, s:s, s:[{s:s, s:O}]}]", "type", "message", "role", "user", "content",
                    "type", "input_text", "text", input)
        : json_deep_copy(input);
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *item = json_array_get(all, i);
        char id[32];
        if (json_is_string(json_object_get(item, "id"))) continue;
        memcpy(id, "msg_", 4);
        mn_make_id(id + 4, 24);
        json_object_set_new(item, "id", json_string(id));
        if (!json_object_get(item, "type"))
            json_object_set_new(item, "type", json_string("message"));
    }
    return all;
}
