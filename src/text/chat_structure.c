/* What a family's tool calls must look like, as a structural tag (docs/grammars.md).
 *
 * A family is a row: what stands around a block of calls, around one call, and around its
 * arguments (one JSON value) or each of its parameters (XML-like formats).  %s is the
 * function's or the parameter's name.  What the rows say is what the families' own chat
 * templates write, and what chat_parser.c reads back.
 */
#include "text/chat_structure.h"
#include "base/status.h"

#include <string.h>

typedef struct {
    const char *family, *mark;  /* mark: must be in the template, too; NULL: no condition */
    const char *trigger;        /* in free text, this begins a block */
    const char *open, *close;   /* a block; NULL: every call is one */
    const char *begin, *end;    /* a call */
    const char *separator;      /* between calls of a block; NULL: a block has one */
    const char *key_begin, *key_end;    /* a parameter; NULL: the arguments are JSON */
} style;

#define NAMED "{\"name\": \"%s\", \"arguments\": "
static const style styles[] = {
    { "hermes", NULL, "<tool_call>", NULL, NULL, "<tool_call>\n" NAMED, "}\n</tool_call>", NULL,
      NULL, NULL },
    { "qwen3-coder", NULL, "<tool_call>", NULL, NULL, "<tool_call>\n<function=%s>\n",
      "</function>\n</tool_call>", NULL, "<parameter=%s>\n", "\n</parameter>\n" },
    { "glm", NULL, "<tool_call>", NULL, NULL, "<tool_call>%s\n", "</tool_call>", NULL,
      "<arg_key>%s</arg_key>\n<arg_value>", "</arg_value>\n" },
    { "minimax", NULL, "<minimax:tool_call>", NULL, NULL,
      "<minimax:tool_call>\n<invoke name=\"%s\">\n", "</invoke>\n</minimax:tool_call>", NULL,
      "<parameter name=\"%s\">", "</parameter>\n" },
    { "seed-oss", NULL, "<seed:tool_call>", NULL, NULL, "<seed:tool_call>\n<function=%s>\n",
      "</function>\n</seed:tool_call>", NULL, "<parameter=%s>", "</parameter>\n" },
    { "mistral", "[ARGS]", "[TOOL_CALLS]", NULL, NULL, "[TOOL_CALLS]%s[ARGS]", "", NULL, NULL,
      NULL },
    { "mistral", NULL, "[TOOL_CALLS]", "[TOOL_CALLS][", "]", NAMED, "}", ", ", NULL, NULL },
    { "nemotron", NULL, "<TOOLCALL>", "<TOOLCALL>[", "]</TOOLCALL>", NAMED, "}", ", ", NULL, NULL },
    { "hunyuan", NULL, "<tool_calls>", "<tool_calls>[", "]</tool_calls>", NAMED, "}", ", ", NULL,
      NULL },
    { "granite", NULL, "<|tool_call|>", "<|tool_call|>[", "]", NAMED, "}", ", ", NULL, NULL },
    { "phi", NULL, "<|tool_call|>", "<|tool_call|>[", "]<|/tool_call|>", NAMED, "}", ", ", NULL,
      NULL },
    { "apertus", NULL, "<|tools_prefix|>", "<|tools_prefix|>[", "]<|tools_suffix|>", "{\"%s\": ",
      "}", ", ", NULL, NULL },
    { "command-r", NULL, "<|START_ACTION|>", "<|START_ACTION|>[\n    ", "\n]<|END_ACTION|>",
      "{\"tool_call_id\": \"0\", \"tool_name\": \"%s\", \"parameters\": ", "}", NULL, NULL, NULL },
    { "llama3", NULL, "{\"name\": \"", NULL, NULL, "{\"name\": \"%s\", \"parameters\": ", "}", NULL,
      NULL, NULL },
    { "kimi-k2", NULL, "<|tool_calls_section_begin|>", "<|tool_calls_section_begin|>",
      "<|tool_calls_section_end|>", "<|tool_call_begin|>functions.%s:0<|tool_call_argument_begin|>",
      "<|tool_call_end|>", NULL, NULL, NULL },
    { "deepseek", "```json", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁begin｜>",
      "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>function<｜tool▁sep｜>%s\n```json\n",
      "\n```<｜tool▁call▁end｜>", "\n", NULL, NULL },
    { "deepseek", NULL, "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
      "<｜tool▁call▁begin｜>%s<｜tool▁sep｜>", "<｜tool▁call▁end｜>", NULL, NULL, NULL },
    { "internlm", NULL, "<|action_start|>", NULL, NULL,
      "<|action_start|><|plugin|>\n{\"name\": \"%s\", \"parameters\": ", "}<|action_end|>", NULL,
      NULL, NULL },
    { "gigachat", NULL, "<|function_call|>", NULL, NULL, "<|function_call|>" NAMED, "}", NULL, NULL,
      NULL },
};

static const style *find(const mn_chat_format *f, const char *source, size_t len)
{
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        const style *s = &styles[i];
        if (strcmp(s->family, f->family)) continue;
        if (!s->mark || memmem(source, len, s->mark, strlen(s->mark))) return s;
    }
    return NULL;
}

bool mn_chat_structure_known(const mn_chat_format *f)
{
    return find(f, "", 0) != NULL;
}

static json_t *tag(json_t *begin, json_t *content, const char *end)
{
    return json_pack("{s:s, s:o, s:o, s:s}", "type", "tag", "begin", begin, "content", content,
                     "end", end);
}

static json_t *with_name(const char *pattern, const char *name)
{
    const char *at = strstr(pattern, "%s");
    return json_sprintf("%.*s%s%s", (int)(at - pattern), pattern, name, at + 2);
}

/* A schema of its own for a part of one: what "$ref"s lead to comes along. */
static json_t *part_of(const json_t *root, const json_t *schema)
{
    static const char *const shared[] = { "$defs", "definitions" };
    json_t *copy = json_copy((json_t *)schema);
    for (int i = 0; i < 2 && json_is_object(copy); i++) {
        json_t *defs = json_object_get(root, shared[i]);
        if (defs && !json_object_get(copy, shared[i])) json_object_set(copy, shared[i], defs);
    }
    return json_pack("{s:s, s:o}", "type", "json_schema", "json_schema", copy);
}

/* Text stands as it is in XML-like formats, all else as JSON.  NULL: it cannot be told. */
static json_t *value_of(const json_t *root, const json_t *schema)
{
    static const char *const bounds[] = { "pattern", "minLength", "maxLength", "format" };
    const json_t *type = json_object_get(schema, "type"), *list = json_object_get(schema, "enum");
    const char *name = json_string_value(type);
    if (json_is_string(json_object_get(schema, "const")))
        return json_pack("{s:s, s:O}", "type", "const_string", "value",
                         json_object_get(schema, "const"));
    bool words = json_array_size(list) > 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        words = words && json_is_string(json_array_get(list, i));
    if (words) {
        json_t *all = json_array();
        for (size_t i = 0; i < json_array_size(list); i++)
            json_array_append_new(all, json_pack("{s:s, s:O}", "type", "const_string", "value",
                                                 json_array_get(list, i)));
        return json_pack("{s:s, s:o}", "type", "or", "elements", all);
    }
    if (!name) return NULL;
    if (strcmp(name, "string")) return part_of(root, schema);
    for (int i = 0; i < 4; i++)
        if (json_object_get(schema, bounds[i])) return NULL;
    return json_pack("{s:s}", "type", "any_text");
}

static bool is_required(const json_t *schema, const char *name)
{
    const json_t *list = json_object_get(schema, "required");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *s = json_string_value(json_array_get(list, i));
        if (s && !strcmp(s, name)) return true;
    }
    return false;
}

/* Parameters in the schema's order. */
static json_t *parameters_of(const style *s, const char *function, const json_t *schema,
                             minerva_error *err)
{
    json_t *all = json_array(), *value;
    const char *key;
    json_object_foreach(json_object_get(schema, "properties"), key, value) {
        json_t *content = value_of(schema, value);
        if (!content) {
            mn_fail(err, MINERVA_UNSUPPORTED, "tool %s: parameter %s: in this model's form of "
                    "calls a type, or an enum of strings, and no bounds on strings can be "
                    "enforced", function, key);
            json_decref(all);
            return NULL;
        }
        json_t *one = tag(with_name(s->key_begin, key), content, s->key_end);
        if (!is_required(schema, key)) one = json_pack("{s:s, s:o}", "type", "optional", "content", one);
        json_array_append_new(all, one);
    }
    if (!json_array_size(all))
        json_array_append_new(all, json_pack("{s:s, s:s}", "type", "regex", "pattern", ""));
    return json_pack("{s:s, s:o}", "type", "sequence", "elements", all);
}

static json_t *call_of(const style *s, const json_t *tool, bool strict_only, minerva_error *err)
{
    const json_t *f = json_object_get(tool, "function");
    const char *name = json_string_value(json_object_get(f, "name"));
    json_t *schema = json_object_get(f, "parameters"), *content;
    bool any = !json_is_object(schema)
               || (strict_only && !json_is_true(json_object_get(f, "strict")));
    if (s->key_begin && any && json_object_size(json_object_get(schema, "properties")))
        content = json_pack("{s:s}", "type", "any_text");
    else if (s->key_begin) content = parameters_of(s, name, schema, err);
    else if (any)
        content = json_pack("{s:s, s:{s:s}}", "type", "json_schema", "json_schema", "type", "object");
    else content = json_pack("{s:s, s:O}", "type", "json_schema", "json_schema", schema);
    return content ? tag(with_name(s->begin, name), content, s->end) : NULL;
}

/* Free text and calls in it. */
static json_t *calls_of(const style *s, json_t *calls, const mn_structure_options *o)
{
    bool one = o->single || (s->open && !s->separator);
    if (s->open) {
        json_t *inner = json_pack("{s:s, s:o, s:s, s:b, s:b}", "type", "tags_with_separator", "tags",
                                  calls, "separator", s->separator ? s->separator : ",",
                                  "at_least_one", 1, "stop_after_first", one);
        calls = json_pack("[o]", tag(json_string(s->open), inner, s->close));
    }
    /* Behind a call without an end of its own no text is told from its arguments. */
    bool last = s->open || o->single || !strcmp(s->family, "llama3");
    return json_pack("{s:s, s:[s], s:o, s:b, s:b}", "type", "triggered_tags", "triggers", s->trigger,
                     "tags", calls, "at_least_one", o->required, "stop_after_first", last);
}

minerva_status mn_chat_structure(json_t **out, const mn_chat_format *f, const char *source,
                                 size_t len, const json_t *tools,
                                 const mn_structure_options *o, minerva_error *err)
{
    const style *s = find(f, source, len);
    if (!s)
        return mn_fail(err, MINERVA_UNSUPPORTED, "calls in the form of the family \"%s\" cannot be "
                       "enforced", f->family);
    json_t *calls = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        json_t *call = call_of(s, json_array_get(tools, i), o->strict_only, err);
        if (!call) {
            json_decref(calls);
            return MINERVA_UNSUPPORTED;
        }
        json_array_append_new(calls, call);
    }
    json_t *format = calls_of(s, calls, o);
    if (f->reasoning_close && (o->in_reasoning || o->required)) {
        json_t *thought = json_pack("{s:s, s:s, s:{s:s}, s:s}", "type", "tag", "begin",
            o->in_reasoning ? "" : f->reasoning_open, "content", "type", "any_text", "end",
            f->reasoning_close);
        json_t *gap = json_pack("{s:s, s:s}", "type", "regex", "pattern", "\\n{0,2}");
        json_t *both = json_pack("{s:s, s:[o,o]}", "type", "sequence", "elements", thought, gap);
        if (!o->in_reasoning) both = json_pack("{s:s, s:o}", "type", "optional", "content", both);
        format = json_pack("{s:s, s:[o,o]}", "type", "sequence", "elements", both, format);
    }
    *out = json_pack("{s:s, s:o}", "type", "structural_tag", "format", format);
    return *out ? MINERVA_OK : mn_fail_memory(err, 1);
}
