/* Messages, tools and reasoning of a request, and the prompt that they become.
 *
 * Templates differ in what they can read of a tool call: most want its arguments as an
 * object, some as text; some cannot render a message without content.  Clients send
 * OpenAI's form (arguments as text, content null), so the prompt is rendered with objects
 * first and, where the template cannot take them, with text; and both with empty content.
 */
#include "server/generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ---------------------------------------------------------------------- */

/* Content parts become their text; other kinds of parts are refused. */
static void flatten_content(mn_params *p, const char *name, size_t at, json_t *message)
{
    json_t *parts = json_object_get(message, "content");
    if (!json_is_array(parts)) return;
    mn_buffer text = { 0 };
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        const char *type = json_string_value(json_object_get(part, "type"));
        const char *value = json_string_value(json_object_get(part, "text"));
        if (type && !strcmp(type, "refusal"))
            value = json_string_value(json_object_get(part, "refusal"));
        else if (!type || strcmp(type, "text")) value = NULL;
        if (!value)
            mn_param_fail(p, name, "[%zu].content[%zu]: a part of type \"text\" expected, "
                          "\"%.40s\" found (images are not read by this server)", at, i,
                          type ? type : "none");
        else mn_buffer_append_str(&text, value);
    }
    json_object_set_new(message, "content", json_stringn(text.data ? text.data : "", text.len));
    mn_buffer_clear(&text);
}

static void check_calls(mn_params *p, const char *name, size_t at, json_t *message)
{
    json_t *calls = json_object_get(message, "tool_calls");
    if (!calls) return;
    if (json_is_null(calls) || (json_is_array(calls) && !json_array_size(calls))) {
        json_object_del(message, "tool_calls");
        return;
    }
    if (!json_is_array(calls)) mn_param_fail(p, name, "[%zu].tool_calls: an array expected", at);
    for (size_t i = 0; i < json_array_size(calls); i++) {
        json_t *f = json_object_get(json_array_get(calls, i), "function");
        const json_t *arguments = json_object_get(f, "arguments");
        if (!json_is_string(json_object_get(f, "name"))
            || (arguments && !json_is_string(arguments) && !json_is_object(arguments)))
            mn_param_fail(p, name, "[%zu].tool_calls[%zu]: {\"function\": {\"name\", "
                          "\"arguments\"}} expected", at, i);
        if (f && !arguments) json_object_set_new(f, "arguments", json_string("{}"));
    }
}

static void check_message(mn_params *p, const char *name, size_t i, json_t *m)
{
    const char *role = json_string_value(json_object_get(m, "role"));
    if (!role) {
        mn_param_fail(p, name, "[%zu]: {\"role\", \"content\"} expected", i);
        return;
    }
    if (!strcmp(role, "developer")) json_object_set_new(m, "role", json_string("system"));
    flatten_content(p, name, i, m);
    check_calls(p, name, i, m);
    const json_t *content = json_object_get(m, "content");
    bool calls = json_object_get(m, "tool_calls") != NULL;
    if (!json_is_string(content) && !(calls && (!content || json_is_null(content))))
        mn_param_fail(p, name, "[%zu].content: a string or an array of parts expected", i);
    /* Other servers call it so. */
    json_t *reasoning = json_object_get(m, "reasoning");
    if (json_is_string(reasoning) && !json_object_get(m, "reasoning_content"))
        json_object_set(m, "reasoning_content", reasoning);
}

void mn_set_messages(mn_params *p, mn_generation *g, const char *name, json_t *messages)
{
    g->messages = messages;
    if (!json_is_array(messages) || !json_array_size(messages))
        mn_param_fail(p, name, "an array of at least one message expected");
    for (size_t i = 0; i < json_array_size(messages) && p->err.code == MINERVA_OK; i++)
        check_message(p, name, i, json_array_get(messages, i));
}

void mn_read_messages(mn_params *p, mn_generation *g)
{
    if (p->err.code != MINERVA_OK) return;
    mn_set_messages(p, g, "messages", json_deep_copy(mn_param_get(p, "messages")));
    if (mn_param_bool(p, "continue_final_message", &g->continues) && g->continues) {
        const json_t *last = json_array_get(g->messages, json_array_size(g->messages) - 1);
        const char *role = json_string_value(json_object_get(last, "role"));
        if (role && strcmp(role, "assistant"))
            mn_param_fail(p, "continue_final_message", "a last message of role \"assistant\" "
                          "expected with it, \"%.40s\" found", role);
    }
}

/* ---- tools ------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
    size_t n = name ? strlen(name) : 0;
    return n > 0 && n <= 128
           && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
                  == n;
}

static void add_tool(mn_generation *g, const char *name, const char *description,
                     json_t *parameters)
{
    json_t *f = json_pack("{s:s}", "name", name);
    if (description) json_object_set_new(f, "description", json_string(description));
    if (parameters) json_object_set(f, "parameters", parameters);
    if (!g->tools) g->tools = json_array();
    json_array_append_new(g->tools, json_pack("{s:s, s:o}", "type", "function", "function", f));
}

static json_t *find_tool(const mn_generation *g, const char *name)
{
    for (size_t i = 0; i < json_array_size(g->tools); i++) {
        json_t *tool = json_array_get(g->tools, i), *f = json_object_get(tool, "function");
        if (!strcmp(json_string_value(json_object_get(f, "name")), name)) return tool;
    }
    return NULL;
}

static void read_tool(mn_params *p, mn_generation *g, size_t i, const json_t *tool)
{
    const char *type = json_string_value(json_object_get(tool, "type"));
    const json_t *f = json_object_get(tool, "function");
    if (!f) f = tool;           /* as /v1/responses has it */
    const char *name = json_string_value(json_object_get(f, "name"));
    json_t *parameters = json_object_get(f, "parameters");
    const json_t *strict = json_object_get(f, "strict");
    if (!type || strcmp(type, "function"))
        mn_param_fail(p, "tools", "[%zu].type: \"function\" expected, \"%.40s\" found", i,
                      type ? type : "none");
    else if (!is_name(name))
        mn_param_fail(p, "tools", "[%zu]: name: 1 to 128 letters, digits, '_', '-' or "
                      "'.' expected", i);
    else if (parameters && !json_is_object(parameters) && !json_is_null(parameters))
        mn_param_fail(p, "tools", "[%zu]: parameters: a JSON Schema expected", i);
    else if (find_tool(g, name))
        mn_param_fail(p, "tools", "[%zu]: name: \"%s\" is there already", i, name);
    else if (strict && !json_is_boolean(strict) && !json_is_null(strict))
        mn_param_fail(p, "tools", "[%zu]: strict: true or false expected", i);
    else
        add_tool(g, name, json_string_value(json_object_get(f, "description")),
                 json_is_object(parameters) ? parameters : NULL);
    if (!json_is_true(strict) || p->err.code != MINERVA_OK) return;
    if (!g->strict_tools) g->strict_tools = json_object();
    json_object_set_new(g->strict_tools, name, json_true());
}

void mn_choose_tools(mn_params *p, mn_generation *g, const char *param, mn_tool_mode mode,
                     const char *only)
{
    minerva_chat_format format;
    if (p->err.code != MINERVA_OK) return;
    g->tool_mode = mode;
    if (mode != MN_TOOLS_AUTO && mode != MN_TOOLS_NONE && !g->tools)
        mn_param_fail(p, param, "tools expected with it");
    if (!g->tools || mode == MN_TOOLS_NONE) return;
    minerva_model_chat_format(g->model->model, &format);
    if (!format.has_calls) {
        mn_param_fail(p, "tools", "the chat template of \"%.100s\" has no tool calls",
                      g->model->name);
        return;
    }
    json_t *tool = only ? find_tool(g, only) : NULL;
    if (only && !tool) mn_param_fail(p, param, "\"%.100s\" is not among the tools", only);
    else if (only) g->shown_tools = json_pack("[O]", tool);
    else g->shown_tools = json_incref(g->tools);
}

/* {"type":"allowed_tools","allowed_tools":{"mode","tools":[{"type","function":{"name"}}]}} */
static void allow_tools(mn_params *p, mn_generation *g, const json_t *allowed)
{
    const char *mode = json_string_value(json_object_get(allowed, "mode"));
    const json_t *list = json_object_get(allowed, "tools");
    json_t *chosen = json_array();
    if (!mode || (strcmp(mode, "auto") && strcmp(mode, "required")) || !json_array_size(list))
        mn_param_fail(p, "tool_choice", "allowed_tools: {\"mode\": \"auto\" or \"required\", "
                      "\"tools\": [...]} expected");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i), *f = json_object_get(item, "function");
        const char *name = json_string_value(json_object_get(f ? f : item, "name"));
        json_t *tool = name ? find_tool(g, name) : NULL;
        if (tool) json_array_append(chosen, tool);
        else mn_param_fail(p, "tool_choice", "allowed_tools.tools[%zu]: one of the tools expected",
                           i);
    }
    mn_choose_tools(p, g, "tool_choice", mode && !strcmp(mode, "required") ? MN_TOOLS_REQUIRED
                                                                          : MN_TOOLS_AUTO, NULL);
    if (g->shown_tools) {
        json_decref(g->shown_tools);
        g->shown_tools = json_incref(chosen);
    }
    json_decref(chosen);
}

static void read_choice(mn_params *p, mn_generation *g)
{
    const json_t *choice = mn_param_get(p, "tool_choice"), *f;
    const char *word = json_string_value(choice);
    const char *type = json_string_value(json_object_get(choice, "type"));
    if (!choice || (word && !strcmp(word, "auto"))) {
        mn_choose_tools(p, g, "tool_choice", MN_TOOLS_AUTO, NULL);
    } else if (word && !strcmp(word, "none")) {
        mn_choose_tools(p, g, "tool_choice", MN_TOOLS_NONE, NULL);
    } else if (word && !strcmp(word, "required")) {
        mn_choose_tools(p, g, "tool_choice", MN_TOOLS_REQUIRED, NULL);
    } else if (type && !strcmp(type, "function")) {
        f = json_object_get(choice, "function");
        word = json_string_value(json_object_get(f ? f : choice, "name"));
        mn_choose_tools(p, g, "tool_choice", MN_TOOLS_REQUIRED, word ? word : "");
        g->one_call = true;
    } else if (type && !strcmp(type, "allowed_tools")) {
        f = json_object_get(choice, "allowed_tools");
        allow_tools(p, g, f ? f : choice);
    } else {
        mn_param_fail(p, "tool_choice", "\"none\", \"auto\", \"required\", or an object of type "
                      "\"function\" or \"allowed_tools\" expected");
    }
}

void mn_add_tools(mn_params *p, mn_generation *g, const json_t *tools)
{
    for (size_t i = 0; i < json_array_size(tools); i++)
        read_tool(p, g, i, json_array_get(tools, i));
}

void mn_read_tools(mn_params *p, mn_generation *g)
{
    bool parallel = true;
    if (p->err.code != MINERVA_OK) return;
    mn_add_tools(p, g, mn_param_get(p, "tools"));
    read_choice(p, g);
    if (mn_param_bool(p, "parallel_tool_calls", &parallel) && !parallel) g->one_call = true;
}

/* ---- reasoning --------------------------------------------------------------------- */

void mn_set_template_var(mn_generation *g, const char *name, json_t *value)
{
    if (!g->template_vars) g->template_vars = json_object();
    json_object_set_new(g->template_vars, name, value);
}

/* The names under which templates ask. */
void mn_set_thinking(mn_generation *g, bool on)
{
    mn_set_template_var(g, "enable_thinking", json_boolean(on));
    mn_set_template_var(g, "thinking", json_boolean(on));
}

void mn_set_effort(mn_params *p, mn_generation *g, const char *param, const char *effort)
{
    static const char *const levels[] = { "none", "minimal", "low", "medium", "high", "xhigh",
                                          "max" };
    bool known = false;
    for (int i = 0; effort && i < 7; i++) known |= !strcmp(effort, levels[i]);
    if (!known) {
        mn_param_fail(p, param, "effort: none, minimal, low, medium, high, xhigh or max expected");
        return;
    }
    mn_set_thinking(g, strcmp(effort, "none") != 0);
    if (strcmp(effort, "none")) mn_set_template_var(g, "reasoning_effort", json_string(effort));
}

void mn_read_reasoning(mn_params *p, mn_generation *g)
{
    const json_t *effort = mn_param_get(p, "reasoning_effort");
    const json_t *format = mn_param_get(p, "reasoning_format");
    const json_t *vars = mn_param_get(p, "chat_template_kwargs");
    const char *name, *word;
    json_t *value;
    bool include = true;
    if (effort) mn_set_effort(p, g, "reasoning_effort", json_string_value(effort));
    word = format ? json_string_value(format) : "auto";
    if (!word || (strcmp(word, "auto") && strcmp(word, "none") && strcmp(word, "deepseek")))
        mn_param_fail(p, "reasoning_format", "auto, deepseek or none expected");
    else g->keep_reasoning = !strcmp(word, "none");
    mn_param_bool(p, "include_reasoning", &include);
    g->hide_reasoning = !include;
    if (vars && !json_is_object(vars))
        mn_param_fail(p, "chat_template_kwargs", "an object expected");
    json_object_foreach((json_t *)vars, name, value)
        mn_set_template_var(g, name, json_incref(value));
}

/* ---- the prompt -------------------------------------------------------------------- */

static bool has_calls(const json_t *messages)
{
    for (size_t i = 0; i < json_array_size(messages); i++)
        if (json_object_get(json_array_get(messages, i), "tool_calls")) return true;
    return false;
}

/* A copy with the arguments of calls as objects or as text, and content that is never
 * null if the template cannot read that. */
static json_t *spelled(const json_t *messages, bool objects, bool empty)
{
    json_t *all = json_deep_copy(messages);
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *m = json_array_get(all, i), *calls = json_object_get(m, "tool_calls");
        if (empty && calls && !json_is_string(json_object_get(m, "content")))
            json_object_set_new(m, "content", json_string(""));
        for (size_t k = 0; k < json_array_size(calls); k++) {
            json_t *f = json_object_get(json_array_get(calls, k), "function");
            json_t *a = json_object_get(f, "arguments"), *other = NULL;
            if (objects && json_is_string(a)) {
                other = json_loadb(json_string_value(a), json_string_length(a), 0, NULL);
            } else if (!objects && json_is_object(a)) {
                char *text = json_dumps(a, 0);
                other = json_string(text);
                free(text);
            }
            if (json_is_object(other) || json_is_string(other))
                json_object_set(f, "arguments", other);
            json_decref(other);
        }
    }
    return all;
}

/* Did the template print an object as Python does, {'a': 1}? */
static bool shows_python(const json_t *messages, const char *prompt)
{
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *calls = json_object_get(json_array_get(messages, i), "tool_calls");
        for (size_t k = 0; k < json_array_size(calls); k++) {
            json_t *f = json_object_get(json_array_get(calls, k), "function");
            json_t *a = json_object_get(f, "arguments");
            const char *key = json_object_iter_key(json_object_iter(a));
            char text[160];
            if (!key) continue;
            snprintf(text, sizeof text, "{'%.100s'", key);
            if (strstr(prompt, text)) return true;
        }
    }
    return false;
}

static minerva_status render(mn_generation *g, json_t *messages, minerva_error *err)
{
    json_t *request = json_pack("{s:O}", "messages", messages);
    json_t *vars = g->template_vars ? json_copy(g->template_vars) : json_object();
    if (g->shown_tools) json_object_set(request, "tools", g->shown_tools);
    if (g->continues) json_object_set_new(vars, "add_generation_prompt", json_false());
    json_object_set_new(request, "kwargs", vars);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    minerva_free(g->prompt);
    g->prompt = NULL;
    minerva_status st = minerva_render(g->model->model, text, strlen(text), NULL, 0, &g->prompt,
                                       &g->prompt_len, err);
    free(text);
    return st;
}

/* The answer begins with the last message: what the template adds behind it is cut. */
static void cut_behind_last(mn_params *p, mn_generation *g, const char *param)
{
    const json_t *last = json_array_get(g->messages, json_array_size(g->messages) - 1);
    const char *text = json_string_value(json_object_get(last, "content"));
    size_t n = text ? strlen(text) : 0;
    const char *found = NULL;
    while (n && strchr(" \n\r\t", text[n - 1])) n--;
    for (const char *at = g->prompt; n && (at = memmem(at, (size_t)(g->prompt + g->prompt_len - at),
                                                       text, n)); at++) found = at;
    if (!found) {
        mn_param_fail(p, param, "the last message cannot be found in the prompt, so it cannot "
                      "be continued");
        return;
    }
    g->prompt_len = (size_t)(found - g->prompt) + n;
    g->prompt[g->prompt_len] = 0;
}

void mn_render_chat(mn_params *p, mn_generation *g, const char *param)
{
    if (p->err.code != MINERVA_OK) return;
    minerva_tokenize_options o = { .no_special = true };
    minerva_error first = { 0 };
    int n = has_calls(g->messages) ? 4 : 1;
    bool ok = false;
    for (int i = 0; i < n && !ok; i++) {
        minerva_error err = { 0 };
        json_t *messages = spelled(g->messages, i % 2 == 0, i > 1);
        ok = render(g, messages, &err) == MINERVA_OK
             && !(i % 2 == 0 && n > 1 && shows_python(messages, g->prompt));
        if (err.code != MINERVA_OK && first.code == MINERVA_OK) first = err;
        json_decref(messages);
    }
    p->param = param;
    if (!ok) {
        p->err = first;
        if (first.code == MINERVA_OK)
            mn_param_fail(p, param, "the chat template cannot show tool calls");
        return;
    }
    if (g->continues) cut_behind_last(p, g, param);
    if (p->err.code == MINERVA_OK)
        minerva_tokenize(g->model->model, g->prompt, g->prompt_len, &o, &g->ids, &g->n_ids,
                         &p->err);
}
