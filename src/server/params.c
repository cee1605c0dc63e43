/* Request parameters; see params.h. */
#include "server/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BOTH (MN_FOR_CHAT | MN_FOR_COMPLETIONS)
#define SAMPLED (BOTH | MN_FOR_OLLAMA_OPTIONS | MN_FOR_RESPONSES | MN_FOR_MESSAGES)
#define ANTHROPIC (MN_FOR_MESSAGES | MN_FOR_COUNT_TOKENS)
#define OLLAMA (MN_FOR_OLLAMA_CHAT | MN_FOR_OLLAMA_GENERATE)
#define OPTIONS MN_FOR_OLLAMA_OPTIONS
#define TOOLS (MN_FOR_CHAT | MN_FOR_RESPONSES | ANTHROPIC | MN_FOR_OLLAMA_CHAT)
#define ACCEPTED (MN_FOR_CHAT | MN_FOR_RESPONSES)
#define INT_MOST 2147483647.0
#define LONG_MOST 9223372036854775807.0

const mn_param_spec mn_param_specs[] = {
    { "model", ~(unsigned)MN_FOR_OLLAMA_OPTIONS, MN_STRING, 0, 1, "a model's name; the first one unless given" },
    { "messages", MN_FOR_CHAT | MN_FOR_TEMPLATE | ANTHROPIC | MN_FOR_OLLAMA_CHAT, MN_ARRAY, 0, 0, "the conversation" },
    { "prompt", MN_FOR_COMPLETIONS, MN_ANY, 0, 0, "a string, or an array of token ids" },
    { "prompt", MN_FOR_OLLAMA_GENERATE | MN_FOR_OLLAMA_EMBED, MN_STRING, 0, 1, "text" },
    { "stream", BOTH | MN_FOR_RESPONSES | MN_FOR_MESSAGES | OLLAMA | MN_FOR_OLLAMA_PULL, MN_BOOLEAN, 0, 0, "send the answer as it is made" },
    { "stream_options", BOTH, MN_OBJECT, 0, 0, "include_usage: true sends a last chunk with usage" },
    { "n", BOTH, MN_INTEGER, 1, 16, "how many answers" },
    { "max_tokens", BOTH | MN_FOR_MESSAGES, MN_INTEGER, 1, INT_MOST, "tokens of the answer at most" },
    { "max_completion_tokens", MN_FOR_CHAT, MN_INTEGER, 1, INT_MOST, "the same as max_tokens" },
    { "temperature", SAMPLED, MN_NUMBER, 0, 100, "0 takes the most likely token" },
    { "top_p", SAMPLED, MN_NUMBER, 0, 1, "nucleus; 0 and 1 turn it off" },
    { "top_k", SAMPLED, MN_INTEGER, -1, INT_MOST, "0 and -1 turn it off" },
    { "min_p", SAMPLED, MN_NUMBER, 0, 1, "0 turns it off" },
    { "typical_p", SAMPLED, MN_NUMBER, 0, 1, "0 and 1 turn it off" },
    { "presence_penalty", SAMPLED, MN_NUMBER, -2, 2, "against tokens that are there" },
    { "frequency_penalty", SAMPLED, MN_NUMBER, -2, 2, "against tokens that are there often" },
    { "repeat_penalty", SAMPLED, MN_NUMBER, 0, 10, "0 and 1 turn it off" },
    { "repetition_penalty", BOTH, MN_NUMBER, 0, 10, "the same as repeat_penalty" },
    { "seed", SAMPLED, MN_INTEGER, -LONG_MOST, LONG_MOST, "equal seeds give equal answers" },
    { "logit_bias", BOTH, MN_OBJECT, 0, 0, "token id to -100 ... 100, at most 300" },
    { "stop", SAMPLED, MN_STRINGS, 0, 16, "strings that end the answer" },
    { "ignore_eos", BOTH, MN_BOOLEAN, 0, 0, "end tokens are ordinary ones" },
    { "logprobs", MN_FOR_CHAT | OLLAMA, MN_BOOLEAN, 0, 0, "with the answer's log probabilities" },
    { "top_logprobs", MN_FOR_CHAT | OLLAMA | MN_FOR_RESPONSES, MN_INTEGER, 0, 20, "and so many of the likeliest tokens'" },
    { "logprobs", MN_FOR_COMPLETIONS, MN_INTEGER, 0, 5, "log probabilities of so many tokens" },
    { "echo", MN_FOR_COMPLETIONS, MN_BOOLEAN, 0, 0, "the prompt before the answer" },
    { "chat_template_kwargs", MN_FOR_CHAT, MN_OBJECT, 0, 0, "further variables of the template" },
    { "user", BOTH | MN_FOR_EMBEDDINGS | MN_FOR_RERANK | MN_FOR_RESPONSES, MN_STRING, 0, 1, NULL },
    { "metadata", ACCEPTED | MN_FOR_MESSAGES, MN_OBJECT, 0, 0, NULL },
    { "prompt_cache_retention", ACCEPTED, MN_STRING, 0, 1, NULL },
    { "store", MN_FOR_CHAT, MN_BOOLEAN, 0, 0, NULL },
    { "service_tier", ACCEPTED | MN_FOR_MESSAGES, MN_STRING, 0, 1, NULL },
    { "safety_identifier", ACCEPTED, MN_STRING, 0, 1, NULL },
    { "prompt_cache_key", ACCEPTED, MN_STRING, 0, 1, NULL },
    { "tools", TOOLS, MN_ARRAY, 0, 0, "functions the model may call" },
    { "tool_choice", MN_FOR_CHAT | MN_FOR_RESPONSES | ANTHROPIC, MN_ANY, 0, 0, "none, auto, required, one function, or allowed_tools" },
    { "parallel_tool_calls", MN_FOR_CHAT | MN_FOR_RESPONSES, MN_BOOLEAN, 0, 0, "false: at most one call per answer" },
    { "response_format", BOTH, MN_OBJECT, 0, 0, "text, json_object, json_schema, structural_tag, regex, grammar" },
    { "structured_outputs", BOTH, MN_OBJECT, 0, 0, "one of json, regex, choice, grammar, json_object, structural_tag" },
    { "guided_json", BOTH, MN_ANY, 0, 0, "a JSON Schema that the answer obeys" },
    { "guided_regex", BOTH, MN_STRING, 0, 1, "a pattern that the whole answer matches" },
    { "guided_choice", BOTH, MN_ARRAY, 0, 0, "strings, one of which is the answer" },
    { "guided_grammar", BOTH, MN_STRING, 0, 1, "a grammar (GBNF or Lark) that the answer obeys" },
    { "guided_whitespace_pattern", BOTH, MN_STRING, 0, 1, "what may stand between JSON tokens" },
    { "grammar", BOTH, MN_STRING, 0, 1, "a grammar (GBNF or Lark) that the answer obeys" },
    { "json_schema", BOTH, MN_ANY, 0, 0, "a JSON Schema that the answer obeys" },
    { "reasoning_effort", MN_FOR_CHAT, MN_STRING, 0, 1, "none, minimal, low, medium, high, xhigh: for the template" },
    { "reasoning_format", MN_FOR_CHAT, MN_STRING, 0, 1, "auto, deepseek: reasoning_content; none: within content" },
    { "include_reasoning", MN_FOR_CHAT, MN_BOOLEAN, 0, 0, "false: reasoning is not sent" },
    { "continue_final_message", MN_FOR_CHAT, MN_BOOLEAN, 0, 0, "the last message is the answer's beginning" },
    { "input", MN_FOR_RESPONSES, MN_ANY, 0, 0, "a string, or an array of items" },
    { "instructions", MN_FOR_RESPONSES, MN_STRING, 0, 1, "the system message; not kept for later" },
    { "previous_response_id", MN_FOR_RESPONSES, MN_STRING, 0, 1, "a stored response that this one continues" },
    { "store", MN_FOR_RESPONSES, MN_BOOLEAN, 0, 0, "false: not kept for reading or continuing" },
    { "max_output_tokens", MN_FOR_RESPONSES, MN_INTEGER, 1, INT_MOST, "tokens of the answer at most" },
    { "text", MN_FOR_RESPONSES, MN_OBJECT, 0, 0, "format: text, json_object, json_schema" },
    { "reasoning", MN_FOR_RESPONSES, MN_OBJECT, 0, 0, "effort: none, minimal, low, medium, high: for the template" },
    { "include", MN_FOR_RESPONSES, MN_ARRAY, 0, 0, "message.output_text.logprobs" },
    { "truncation", MN_FOR_RESPONSES, MN_STRING, 0, 1, "disabled" },
    { "background", MN_FOR_RESPONSES, MN_BOOLEAN, 0, 0, "false" },
    { "max_tool_calls", MN_FOR_RESPONSES, MN_INTEGER, 1, INT_MOST, NULL },
    { "stream_options", MN_FOR_RESPONSES, MN_OBJECT, 0, 0, NULL },
    { "options", OLLAMA | MN_FOR_OLLAMA_EMBED, MN_OBJECT, 0, 0, "temperature, num_predict, ..., as for completions" },
    { "format", OLLAMA, MN_ANY, 0, 0, "json, or a JSON Schema that the answer obeys" },
    { "think", OLLAMA, MN_ANY, 0, 0, "false, true, low, medium, high: for the template" },
    { "keep_alive", OLLAMA | MN_FOR_OLLAMA_EMBED, MN_ANY, 0, 0, "seconds or a duration until the model is unloaded" },
    { "system", MN_FOR_OLLAMA_GENERATE, MN_STRING, 0, 1, "the system message" },
    { "suffix", MN_FOR_OLLAMA_GENERATE, MN_STRING, 0, 1, "must be empty" },
    { "raw", MN_FOR_OLLAMA_GENERATE, MN_BOOLEAN, 0, 0, "the prompt is not put into the chat template" },
    { "images", MN_FOR_OLLAMA_GENERATE, MN_ARRAY, 0, 0, "must be empty" },
    { "verbose", MN_FOR_OLLAMA_SHOW, MN_BOOLEAN, 0, 0, NULL },
    { "truncate", MN_FOR_OLLAMA_EMBED | MN_FOR_RERANK, MN_BOOLEAN, 0, 0, "false: a text beyond the context is refused, not cut" },
    { "insecure", MN_FOR_OLLAMA_PULL, MN_BOOLEAN, 0, 0, NULL }, { "name", MN_FOR_OLLAMA_PULL, MN_STRING, 0, 1, NULL },
    { "source", MN_FOR_OLLAMA_PULL, MN_STRING, 0, 1, NULL }, { "destination", MN_FOR_OLLAMA_PULL, MN_STRING, 0, 1, NULL },
    { "num_predict", OPTIONS, MN_INTEGER, -2, INT_MOST, "tokens of the answer at most; -1, -2: no limit" },
    { "repeat_last_n", OPTIONS, MN_INTEGER, -1, INT_MOST, "tokens that penalties look back at" },
    { "mirostat", OPTIONS, MN_INTEGER, 0, 2, "0, 1 or 2" },
    { "mirostat_tau", OPTIONS, MN_NUMBER, 0, 100, "target surprise" },
    { "mirostat_eta", OPTIONS, MN_NUMBER, 0, 1, "its rate of learning" },
    { "num_ctx", OPTIONS, MN_INTEGER, 1, INT_MOST, NULL }, { "num_keep", OPTIONS, MN_INTEGER, -1, INT_MOST, NULL },
    { "num_batch", OPTIONS, MN_INTEGER, 1, INT_MOST, NULL }, { "num_gpu", OPTIONS, MN_INTEGER, -1, INT_MOST, NULL },
    { "main_gpu", OPTIONS, MN_INTEGER, -1, INT_MOST, NULL }, { "num_thread", OPTIONS, MN_INTEGER, 0, INT_MOST, NULL },
    { "low_vram", OPTIONS, MN_BOOLEAN, 0, 0, NULL }, { "f16_kv", OPTIONS, MN_BOOLEAN, 0, 0, NULL },
    { "use_mmap", OPTIONS, MN_BOOLEAN, 0, 0, NULL }, { "use_mlock", OPTIONS, MN_BOOLEAN, 0, 0, NULL },
    { "numa", OPTIONS, MN_BOOLEAN, 0, 0, NULL },
    { "input", MN_FOR_OLLAMA_EMBED, MN_ANY, 0, 0, "a string or an array of strings" },
    { "dimensions", MN_FOR_OLLAMA_EMBED, MN_INTEGER, 1, INT_MOST, "the first so many, of length 1 again" },
    { "system", ANTHROPIC, MN_ANY, 0, 0, "a string, or an array of text blocks" },
    { "stop_sequences", MN_FOR_MESSAGES, MN_STRINGS, 0, 16, "strings that end the answer" },
    { "thinking", ANTHROPIC, MN_OBJECT, 0, 0, "type: enabled, adaptive, disabled; budget_tokens is not enforced" },
    { "output_config", ANTHROPIC, MN_OBJECT, 0, 0, "format: json_schema; effort: for the template" },
    { "cache_control", ANTHROPIC, MN_OBJECT, 0, 0, NULL },
    { "input", MN_FOR_EMBEDDINGS, MN_ANY, 0, 0, "a string, token ids, or an array of either" },
    { "encoding_format", MN_FOR_EMBEDDINGS, MN_STRING, 0, 1, "float or base64" },
    { "dimensions", MN_FOR_EMBEDDINGS, MN_INTEGER, 1, INT_MOST, "the first so many, of length 1 again" },
    { "pooling", MN_FOR_EMBEDDINGS | MN_FOR_RERANK, MN_STRING, 0, 1, "mean, first or last; the model's own unless given" },
    { "query", MN_FOR_RERANK, MN_STRING, 0, 1, "text" },
    { "documents", MN_FOR_RERANK, MN_ARRAY, 0, 0, "strings, or objects with text" },
    { "top_n", MN_FOR_RERANK, MN_INTEGER, 1, INT_MOST, "so many of the best only" },
    { "return_documents", MN_FOR_RERANK, MN_BOOLEAN, 0, 0, "each result with its document" },
    { "content", MN_FOR_TOKENIZE, MN_STRING, 0, 1, "text" },
    { "add_special", MN_FOR_TOKENIZE, MN_BOOLEAN, 0, 0, "with the model's first and last tokens" },
    { "parse_special", MN_FOR_TOKENIZE, MN_BOOLEAN, 0, 0, "false: special tokens are plain text" },
    { "tokens", MN_FOR_DETOKENIZE, MN_ARRAY, 0, 0, "token ids" },
    { "tools", MN_FOR_TEMPLATE, MN_ARRAY, 0, 0, "for the template" },
    { "documents", MN_FOR_TEMPLATE, MN_ARRAY, 0, 0, "for the template" },
    { "pin", MN_FOR_MODEL_LOAD, MN_BOOLEAN, 0, 0, "true: never unloaded for others; false: undone" },
    { "keep_alive", MN_FOR_MODEL_LOAD, MN_INTEGER, -1, 1e9, "seconds without use until it is "
      "unloaded; -1: never" },
    { "stream", MN_FOR_MODEL_LOAD, MN_BOOLEAN, 0, 0, "progress as server-sent events" },
    { "title", MN_FOR_CHATS, MN_STRING, 0, 1, "at most 500 bytes" },
    { "options", MN_FOR_CHATS, MN_OBJECT, 0, 0, "whatever the page wants to know again" },
    { "leaf", MN_FOR_CHATS, MN_STRING, 0, 1, "the id of the message that is shown last" },
    { "messages", MN_FOR_CHATS, MN_ARRAY, 0, 0, "objects with id, parent, role, content" },
    { "chats", MN_FOR_CHATS_IMPORT, MN_ARRAY, 0, 0, "as exported" },
    { "kwargs", MN_FOR_TEMPLATE, MN_OBJECT, 0, 0, "further variables of the template" },
};
const size_t mn_n_param_specs = sizeof mn_param_specs / sizeof *mn_param_specs;

static const mn_param_spec *find_spec(unsigned where, const char *name)
{
    for (size_t i = 0; i < mn_n_param_specs; i++)
        if (mn_param_specs[i].where & where && !strcmp(mn_param_specs[i].name, name))
            return &mn_param_specs[i];
    return NULL;
}

void mn_param_fail(mn_params *p, const char *name, const char *fmt, ...)
{
    if (p->err.code != MINERVA_OK) return;
    va_list ap;
    va_start(ap, fmt);
    p->err.code = MINERVA_INVALID;
    int n = snprintf(p->err.message, sizeof p->err.message, "%.100s: ", name);
    vsnprintf(p->err.message + n, sizeof p->err.message - (size_t)n, fmt, ap);
    va_end(ap);
    p->param = name;
}

json_t *mn_param_get(const mn_params *p, const char *name)
{
    json_t *v = json_object_get(p->body, name);
    return json_is_null(v) ? NULL : v;
}

/* The member if it is there and nothing went wrong before. */
static const json_t *wanted(const mn_params *p, const char *name, const mn_param_spec **spec)
{
    *spec = find_spec(p->where, name);
    return *spec && p->err.code == MINERVA_OK ? mn_param_get(p, name) : NULL;
}

bool mn_param_float(mn_params *p, const char *name, float *out)
{
    const mn_param_spec *spec;
    const json_t *v = wanted(p, name, &spec);
    if (!v) return false;
    double x = json_is_number(v) ? json_number_value(v) : NAN;
    if (!(x >= spec->lo && x <= spec->hi)) {
        mn_param_fail(p, name, "a number of %g to %g expected", spec->lo, spec->hi);
        return false;
    }
    *out = (float)x;
    return true;
}

bool mn_param_int(mn_params *p, const char *name, int64_t *out)
{
    const mn_param_spec *spec;
    const json_t *v = wanted(p, name, &spec);
    if (!v) return false;
    double x = json_is_integer(v) ? (double)json_integer_value(v) : NAN;
    if (!(x >= spec->lo && x <= spec->hi)) {
        mn_param_fail(p, name, "a whole number of %.0f to %.0f expected", spec->lo, spec->hi);
        return false;
    }
    *out = json_integer_value(v);
    return true;
}

bool mn_param_bool(mn_params *p, const char *name, bool *out)
{
    const mn_param_spec *spec;
    const json_t *v = wanted(p, name, &spec);
    if (!v) return false;
    if (!json_is_boolean(v)) {
        mn_param_fail(p, name, "true or false expected");
        return false;
    }
    *out = json_is_true(v);
    return true;
}

void mn_param_strings(mn_params *p, const char *name, const char **out, size_t *n)
{
    const mn_param_spec *spec;
    const json_t *v = wanted(p, name, &spec);
    *n = 0;
    if (!v) return;
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(item) || !*json_string_value(item) || i == (size_t)spec->hi) {
            mn_param_fail(p, name, "at most %.0f strings that are not empty expected", spec->hi);
            return;
        }
        out[(*n)++] = json_string_value(item);
    }
}

/* Numbers are checked where they are read, with their range. */
static const char *wrong_type(const mn_param_spec *s, const json_t *v)
{
    switch (s->type) {
    case MN_BOOLEAN: return json_is_boolean(v) ? NULL : "true or false";
    case MN_STRING: return json_is_string(v) ? NULL : "a string";
    case MN_ARRAY: return json_is_array(v) ? NULL : "an array";
    case MN_OBJECT: return json_is_object(v) ? NULL : "an object";
    default: return NULL;
    }
}

void mn_param_known(mn_params *p)
{
    const char *name, *expected;
    json_t *value;
    json_object_foreach((json_t *)p->body, name, value) {
        const mn_param_spec *spec = find_spec(p->where, name);
        if (json_is_null(value)) continue;
        if (!spec) mn_param_fail(p, name, "this server has no such parameter");
        else if ((expected = wrong_type(spec, value))) mn_param_fail(p, name, "%s expected", expected);
    }
}
