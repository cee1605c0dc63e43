/* What an answer may say: the forms in which APIs put it, as one minerva_constraint.
 *
 *   response_format      OpenAI; also structural_tag, regex, grammar as types
 *   structured_outputs   vLLM, and its older guided_*
 *   grammar, json_schema llama.cpp's server
 *
 * (1) At most one of them; a second one is refused by its name.
 * (2) What cannot be enforced is refused here, before anything is generated; the message
 *     names the place in the schema and the keyword.
 * (3) In models that mark reasoning, the constraint begins behind it.
 */
#include "server/generation.h"
#include "server/json_span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value's text as the client wrote it (numbers keep their spelling), or as jansson
 * writes it where a name was escaped. */
static char *source_text(const mn_generation *g, const json_t *value, const char *const *path)
{
    json_span at = { g->text, g->text_len };
    for (; path && *path && at.len; path++) at = json_span_get(at, *path);
    if (path && at.len) return strndup(at.text, at.len);
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

void mn_constrain(mn_params *p, mn_generation *g, const char *param,
                  minerva_constraint_kind kind, const json_t *value, const char *const *path)
{
    if (p->err.code != MINERVA_OK) return;
    if (g->constraint.kind) {
        mn_param_fail(p, param, "not together with %s", g->source_param);
        return;
    }
    g->constraint.kind = kind;
    g->source_param = param;
    if (value)
        g->source = json_is_string(value) ? strdup(json_string_value(value))
                                          : source_text(g, value, path);
    g->constraint.source = g->source;
    g->constraint.len = g->source ? strlen(g->source) : 0;
    if (kind == MINERVA_JSON_SCHEMA) g->constraint.schema_order = true;
    p->param = param;
    if (value && !g->source) {
        p->err.code = MINERVA_MEMORY;
        snprintf(p->err.message, sizeof p->err.message, "out of memory");
    }
}

static bool is_schema(const json_t *v) { return json_is_object(v) || json_is_boolean(v); }

static void schema(mn_params *p, mn_generation *g, const char *param, const json_t *value,
                   const char *const *path)
{
    if (!is_schema(value)) mn_param_fail(p, param, "a JSON Schema expected");
    else mn_constrain(p, g, param, MINERVA_JSON_SCHEMA, value, path);
}

static void text(mn_params *p, mn_generation *g, const char *param, const json_t *value,
                 minerva_constraint_kind kind)
{
    if (!json_is_string(value) || !*json_string_value(value))
        mn_param_fail(p, param, "text that is not empty expected");
    else mn_constrain(p, g, param, kind, value, NULL);
}

/* "root ::= ..." is GBNF; Lark's rules have a single colon. */
static void grammar(mn_params *p, mn_generation *g, const char *param, const json_t *value)
{
    const char *s = json_string_value(value);
    text(p, g, param, value, s && !strstr(s, "::=") ? MINERVA_LARK : MINERVA_GBNF);
}

static void choice(mn_params *p, mn_generation *g, const char *param, const json_t *value)
{
    bool ok = json_array_size(value) > 0;
    for (size_t i = 0; i < json_array_size(value); i++)
        ok = ok && json_is_string(json_array_get(value, i));
    if (!ok) mn_param_fail(p, param, "an array of strings expected");
    else mn_constrain(p, g, param, MINERVA_CHOICE, value, NULL);
}

/* {"type":"structural_tag", ...}, or the same as text. */
static void structural_tag(mn_params *p, mn_generation *g, const char *param,
                           const json_t *value, const char *const *path)
{
    if (!json_is_object(value) && !json_is_string(value))
        mn_param_fail(p, param, "structural_tag: an object expected");
    else mn_constrain(p, g, param, MINERVA_STRUCTURAL_TAG, value, path);
}

/* ---- response_format --------------------------------------------------------------- */

static void only_members(mn_params *p, const char *param, const json_t *object,
                         const char *const *known)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        bool found = false;
        for (size_t i = 0; known[i]; i++) found |= !strcmp(name, known[i]);
        if (!found) mn_param_fail(p, param, "\"%.60s\" is not a member that is known", name);
    }
}

static void json_schema_format(mn_params *p, mn_generation *g, const json_t *format)
{
    static const char name[] = "response_format";
    static const char *const members[] = { "name", "description", "schema", "strict", NULL };
    static const char *const path[] = { name, "json_schema", "schema", NULL };
    static const char *const flat[] = { name, "schema", NULL };
    const json_t *inner = json_object_get(format, "json_schema");
    const json_t *value = json_object_get(inner ? inner : format, "schema");
    if (inner && !json_is_object(inner))
        mn_param_fail(p, name, "json_schema: {\"name\", \"schema\", \"strict\"} expected");
    if (inner) only_members(p, name, inner, members);
    if (!value) mn_param_fail(p, name, "json_schema.schema: a JSON Schema expected");
    schema(p, g, name, value, inner ? path : flat);
}

static void response_format(mn_params *p, mn_generation *g, const json_t *format)
{
    static const char name[] = "response_format";
    static const char *const whole[] = { name, NULL };
    const char *type = json_string_value(json_object_get(format, "type"));
    if (!type) {
        mn_param_fail(p, name, "an object with a type expected");
    } else if (!strcmp(type, "text")) {
        return;
    } else if (!strcmp(type, "json_object")) {
        static const char *const path[] = { name, "schema", NULL };
        const json_t *value = json_object_get(format, "schema");    /* llama.cpp's server */
        if (value) schema(p, g, name, value, path);
        else mn_constrain(p, g, name, MINERVA_JSON_OBJECT, NULL, NULL);
    } else if (!strcmp(type, "json_schema")) {
        json_schema_format(p, g, format);
    } else if (!strcmp(type, "structural_tag")) {
        structural_tag(p, g, name, format, whole);
    } else if (!strcmp(type, "regex")) {
        const json_t *v = json_object_get(format, "pattern");
        text(p, g, name, v ? v : json_object_get(format, "regex"), MINERVA_REGEX);
    } else if (!strcmp(type, "grammar")) {
        grammar(p, g, name, json_object_get(format, "grammar"));
    } else {
        mn_param_fail(p, name, "type: text, json_object, json_schema, structural_tag, regex or "
                      "grammar expected, \"%.40s\" found", type);
    }
}

/* ---- vLLM's ------------------------------------------------------------------------ */

static void structured_outputs(mn_params *p, mn_generation *g, const json_t *o)
{
    static const char name[] = "structured_outputs";
    static const char *const members[] = { "json", "regex", "choice", "grammar", "json_object",
        "structural_tag", "whitespace_pattern", "disable_any_whitespace", NULL };
    static const char *const path[] = { name, "json", NULL };
    static const char *const tag[] = { name, "structural_tag", NULL };
    json_t *v;
    int n = 0;
    if (!json_is_object(o)) {
        mn_param_fail(p, name, "an object expected");
        return;
    }
    only_members(p, name, o, members);
    for (int i = 0; i < 6; i++) n += (v = json_object_get(o, members[i])) && !json_is_null(v);
    if (n != 1) mn_param_fail(p, name, "exactly one of json, regex, choice, grammar, json_object "
                              "and structural_tag expected, %d found", n);
    if ((v = json_object_get(o, "json")) && !json_is_null(v)) {
        if (json_is_string(v)) mn_constrain(p, g, name, MINERVA_JSON_SCHEMA, v, NULL);
        else schema(p, g, name, v, path);
    } else if ((v = json_object_get(o, "regex")) && !json_is_null(v)) {
        text(p, g, name, v, MINERVA_REGEX);
    } else if ((v = json_object_get(o, "choice")) && !json_is_null(v)) {
        choice(p, g, name, v);
    } else if ((v = json_object_get(o, "grammar")) && !json_is_null(v)) {
        grammar(p, g, name, v);
    } else if ((v = json_object_get(o, "structural_tag")) && !json_is_null(v)) {
        structural_tag(p, g, name, v, tag);
    } else if (json_is_true(json_object_get(o, "json_object"))) {
        mn_constrain(p, g, name, MINERVA_JSON_OBJECT, NULL, NULL);
    } else {
        mn_param_fail(p, name, "json_object: true expected");
    }
    g->constraint.space_pattern = json_string_value(json_object_get(o, "whitespace_pattern"));
    if (json_is_true(json_object_get(o, "disable_any_whitespace")))
        g->constraint.space = MINERVA_SPACE_NONE;
}

static void guided(mn_params *p, mn_generation *g)
{
    static const char *const path[] = { "guided_json", NULL };
    const json_t *v;
    if ((v = mn_param_get(p, "guided_json"))) {
        if (json_is_string(v)) mn_constrain(p, g, "guided_json", MINERVA_JSON_SCHEMA, v, NULL);
        else schema(p, g, "guided_json", v, path);
    }
    if ((v = mn_param_get(p, "guided_regex"))) text(p, g, "guided_regex", v, MINERVA_REGEX);
    if ((v = mn_param_get(p, "guided_choice"))) choice(p, g, "guided_choice", v);
    if ((v = mn_param_get(p, "guided_grammar"))) grammar(p, g, "guided_grammar", v);
    if ((v = mn_param_get(p, "guided_whitespace_pattern"))) {
        if (!json_is_string(v))
            mn_param_fail(p, "guided_whitespace_pattern", "a string expected");
        g->constraint.space_pattern = json_string_value(v);
    }
}

/* ---- all --------------------------------------------------------------------------- */

void mn_read_constraint(mn_params *p, mn_generation *g)
{
    static const char *const path[] = { "json_schema", NULL };
    const json_t *v;
    if (p->err.code != MINERVA_OK) return;
    if ((v = mn_param_get(p, "response_format"))) response_format(p, g, v);
    if ((v = mn_param_get(p, "structured_outputs"))) structured_outputs(p, g, v);
    guided(p, g);
    if ((v = mn_param_get(p, "grammar"))) grammar(p, g, "grammar", v);
    if ((v = mn_param_get(p, "json_schema"))) schema(p, g, "json_schema", v, path);
}

static void ignore(void *ctx, const minerva_chat_event *event) { }

/* Does the answer begin within reasoning? */
static bool begins_in_reasoning(const mn_generation *g)
{
    minerva_chat_parser *parser = NULL;
    minerva_chat_options o = { .prompt = g->prompt, .prompt_len = g->prompt_len,
                               .on_event = ignore };
    bool open = g->messages
                && minerva_chat_parser_create(&parser, g->model->model, &o, NULL) == MINERVA_OK
                && minerva_chat_parser_in_reasoning(parser);
    minerva_chat_parser_free(parser);
    return open;
}

/* ---- calls ------------------------------------------------------------------------- */

/* The tools as the template sees them, and whether they are strict. */
static char *tools_text(const mn_generation *g, bool *any_strict)
{
    json_t *tools = json_deep_copy(g->shown_tools);
    *any_strict = false;
    for (size_t i = 0; i < json_array_size(tools); i++) {
        json_t *f = json_object_get(json_array_get(tools, i), "function");
        const char *name = json_string_value(json_object_get(f, "name"));
        if (!json_object_get(g->strict_tools, name)) continue;
        json_object_set_new(f, "strict", json_true());
        *any_strict = true;
    }
    char *text = json_dumps(tools, JSON_COMPACT);
    json_decref(tools);
    return text;
}

/* Schemas of tools that are not strict are obeyed too, where that is possible. */
static void constrain_calls(mn_params *p, mn_generation *g)
{
    bool required = g->tool_mode == MN_TOOLS_REQUIRED, any_strict;
    const char *param = required ? "tool_choice" : "tools";
    char *tools = tools_text(g, &any_strict);
    minerva_status st = MINERVA_OK;
    minerva_error err = { 0 };
    if (g->constraint.kind && (required || any_strict))
        mn_param_fail(p, g->source_param, "not together with tools that are required or strict");
    for (int i = 0; i < 2 && (required || any_strict) && p->err.code == MINERVA_OK; i++) {
        minerva_chat_calls calls = { .tools = tools, .tools_len = tools ? strlen(tools) : 0,
                                     .prompt = g->prompt, .prompt_len = g->prompt_len,
                                     .required = required, .single = g->one_call,
                                     .strict_only = i > 0 };
        minerva_error again = { 0 };
        g->constraint = (minerva_constraint){ .kind = MINERVA_STRUCTURAL_TAG };
        free(g->source);
        g->source = NULL;
        st = minerva_chat_calls_constraint(g->model->model, &calls, &g->source, &again);
        g->constraint.source = g->source;
        g->constraint.len = g->source ? strlen(g->source) : 0;
        if (st == MINERVA_OK) st = minerva_constraint_check(&g->constraint, &again);
        if (i == 0) err = again;
        if (st == MINERVA_OK) break;
    }
    free(tools);
    if (st == MINERVA_OK) return;
    p->err.code = err.code;
    p->param = param;
    snprintf(p->err.message, sizeof p->err.message, "%s: %.400s", param, err.message);
}

void mn_settle_constraint(mn_params *p, mn_generation *g)
{
    minerva_constraint *c = &g->constraint;
    minerva_chat_format format;
    if (p->err.code != MINERVA_OK) return;
    if (g->shown_tools) {
        constrain_calls(p, g);
        if (p->err.code != MINERVA_OK || c->kind == MINERVA_STRUCTURAL_TAG) return;
    }
    if (!c->kind) {
        if (c->space_pattern)
            mn_param_fail(p, "guided_whitespace_pattern", "guided_json expected with it");
        return;
    }
    if (g->shown_tools) {
        mn_param_fail(p, g->source_param, "not together with tools");
        return;
    }
    minerva_model_chat_format(g->model->model, &format);
    g->triggers[0] = format.answer_open;
    if (begins_in_reasoning(g) && format.reasoning_close) g->triggers[0] = format.reasoning_close;
    if (g->messages && g->triggers[0]) {
        c->triggers = g->triggers;
        c->n_triggers = 1;
        c->trigger_required = true;
    }
    minerva_error err = { 0 };
    if (minerva_constraint_check(c, &err) == MINERVA_OK) return;
    p->err.code = err.code;
    p->param = g->source_param;
    snprintf(p->err.message, sizeof p->err.message, "%s: %.400s", g->source_param, err.message);
}
