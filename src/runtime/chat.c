/* Chat templates of a model, and rendering requests with them.
 *
 * GGUF: tokenizer.chat_template and tokenizer.chat_template.NAME.  Directories:
 * chat_template.jinja, additional_chat_templates/, chat_template.json, or chat_template
 * (a string, or a list of {name, template}) in tokenizer_config.json.
 *
 * A request is JSON: {"messages": [...], "tools": [...], "documents": [...],
 * "kwargs": {...}}.  Unknown members are refused, so that a misspelt one is not ignored.
 */
#include "base/status.h"
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TEMPLATE_BYTES = 4 << 20 };

static minerva_status add_template(minerva_model *m, const char *name, size_t name_len,
                                   const char *source, size_t len, minerva_error *err)
{
    if (m->n_templates == MN_MAX_TEMPLATES) return MINERVA_OK;
    for (int i = 0; i < m->n_templates; i++)
        if (strlen(m->templates[i].name) == name_len
            && !memcmp(m->templates[i].name, name, name_len)) return MINERVA_OK;
    mn_named_template *t = &m->templates[m->n_templates];
    *t = (mn_named_template){ .name = mn_arena_strndup(&m->arena, name, name_len),
                              .source = mn_arena_strndup(&m->arena, source, len),
                              .source_len = len };
    if (!t->name || !t->source) return mn_fail_memory(err, len);
    m->n_templates++;
    mn_template_parse(&t->parsed, t->source, len, &t->why);
    return MINERVA_OK;
}

static minerva_status from_gguf(minerva_model *m, minerva_error *err)
{
    static const char key[] = "tokenizer.chat_template";
    const mn_gguf *g = m->source->gguf;
    mn_gguf_string s;
    minerva_status st = mn_gguf_get_string(g, key, &s, err);
    if (st != MINERVA_OK) return st;
    if (s.data && (st = add_template(m, "default", 7, s.data, s.len, err)) != MINERVA_OK)
        return st;
    size_t prefix = sizeof key;         /* "tokenizer.chat_template." */
    for (int64_t i = 0; i < mn_gguf_n_kv(g); i++) {
        const mn_gguf_kv *kv = mn_gguf_kv_at(g, i);
        if (kv->type != MN_GGUF_STRING || kv->key.len <= prefix
            || memcmp(kv->key.data, "tokenizer.chat_template.", prefix)) continue;
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)kv->key.len, kv->key.data);
        if ((st = mn_gguf_get_string(g, name, &s, err)) != MINERVA_OK
            || (st = add_template(m, kv->key.data + prefix, kv->key.len - prefix, s.data, s.len,
                                  err)) != MINERVA_OK)
            return st;
    }
    return MINERVA_OK;
}

/* A string, or [{"name":..., "template":...}, ...]. */
static minerva_status add_json_templates(minerva_model *m, const json_t *value,
                                         minerva_error *err)
{
    if (json_is_string(value))
        return add_template(m, "default", 7, json_string_value(value), json_string_length(value),
                            err);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        const json_t *name = json_object_get(item, "name"),
                     *source = json_object_get(item, "template");
        if (!json_is_string(name) || !json_is_string(source))
            return mn_fail(err, MINERVA_INVALID,
                           "chat_template[%zu]: {\"name\", \"template\"} expected", i);
        minerva_status st = add_template(m, json_string_value(name), json_string_length(name),
                                         json_string_value(source), json_string_length(source),
                                         err);
        if (st != MINERVA_OK) return st;
    }
    return MINERVA_OK;
}

static minerva_status from_dir(minerva_model *m, minerva_error *err)
{
    mn_model_dir *d = m->source->dir;
    char *text;
    size_t len;
    minerva_error quiet = { 0 };
    minerva_status st = mn_model_dir_text(d, "chat_template.jinja", MAX_TEMPLATE_BYTES, &text,
                                          &len, &quiet);
    if (st == MINERVA_OK) {
        st = add_template(m, "default", 7, text, len, err);
        free(text);
        if (st != MINERVA_OK) return st;
    } else if (st != MINERVA_NOT_FOUND) {
        if (err) *err = quiet;
        return st;
    }
    static const char *const files[] = { "chat_template.json", "tokenizer_config.json" };
    for (int i = 0; i < 2; i++) {
        minerva_error broken = { 0 };
        const json_t *json = mn_model_dir_json(d, files[i], &broken);
        if (broken.code != MINERVA_OK) {
            if (err) *err = broken;
            return broken.code;
        }
        st = add_json_templates(m, json_object_get(json, "chat_template"), err);
        if (st != MINERVA_OK) {
            mn_fail_context(err, "%s", files[i]);
            return st;
        }
    }
    return MINERVA_OK;
}

minerva_status mn_runtime_load_templates(minerva_model *m, minerva_error *err)
{
    return m->source->kind == MN_SOURCE_GGUF ? from_gguf(m, err) : from_dir(m, err);
}

/* ---- rendering --------------------------------------------------------------------- */

static minerva_status parse_request(const char *text, size_t len, json_t **out,
                                    minerva_error *err)
{
    json_error_t why;
    json_t *request = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!request)
        return mn_fail_at(err, MINERVA_INVALID, why.position, "request: line %d, column %d: %s",
                          why.line, why.column, why.text);
    static const char *const known[] = { "messages", "tools", "documents", "kwargs" };
    const char *key;
    json_t *value;
    minerva_status st = MINERVA_OK;
    if (!json_is_object(request))
        st = mn_fail(err, MINERVA_INVALID, "request: a JSON object expected");
    else if (!json_is_array(json_object_get(request, "messages")))
        st = mn_fail(err, MINERVA_INVALID, "request: messages: an array expected");
    json_object_foreach(request, key, value) {
        bool found = false;
        for (int i = 0; i < 4; i++) found |= !strcmp(key, known[i]);
        if (!found && st == MINERVA_OK)
            st = mn_fail(err, MINERVA_INVALID,
                         "request: messages, tools, documents or kwargs expected, %.64s found",
                         key);
    }
    const json_t *kwargs = json_object_get(request, "kwargs");
    if (st == MINERVA_OK && kwargs && !json_is_object(kwargs) && !json_is_null(kwargs))
        st = mn_fail(err, MINERVA_INVALID, "request: kwargs: an object expected");
    if (st != MINERVA_OK) {
        json_decref(request);
        return st;
    }
    *out = request;
    return MINERVA_OK;
}

/* The template's globals: the request's parts, then what the caller set by name. */
static json_t *variables_of(const json_t *request)
{
    json_t *vars = json_object();
    static const char *const parts[] = { "messages", "tools", "documents" };
    for (int i = 0; i < 3; i++) {
        json_t *part = json_object_get(request, parts[i]);
        if (part) json_object_set(vars, parts[i], part);
        else json_object_set_new(vars, parts[i], json_null());
    }
    json_object_set_new(vars, "add_generation_prompt", json_true());
    return vars;
}

static void set_special(json_t *vars, const mn_tokenizer *t, const char *name, int32_t id)
{
    if (id < 0) return;
    mn_str text = mn_tokenizer_text(t, id);
    json_t *value = json_stringn(text.data, text.len);
    if (value) json_object_set_new(vars, name, value);
}

static minerva_status render(const mn_template *t, const json_t *request, json_t *vars,
                             int64_t now, char **prompt, size_t *prompt_len, minerva_error *err)
{
    json_t *kwargs = json_object_get(request, "kwargs");
    if (json_is_object(kwargs)) json_object_update(vars, kwargs);
    struct tm when;
    time_t seconds = (time_t)now;
    mn_render_options options = { .now = now && gmtime_r(&seconds, &when) ? &when : NULL };
    mn_buffer out = { 0 };
    minerva_status st = mn_template_render(t, vars, &options, &out, NULL, err);
    if (st == MINERVA_OK) {
        *prompt = mn_buffer_take(&out, prompt_len);
        if (!*prompt) st = mn_fail_memory(err, out.len);
    }
    mn_buffer_clear(&out);
    return st;
}

const mn_named_template *mn_runtime_template(const minerva_model *m, const char *name,
                                             bool tools)
{
    const mn_named_template *best = NULL;
    for (int i = 0; i < m->n_templates; i++) {
        const mn_named_template *t = &m->templates[i];
        if (name ? !strcmp(t->name, name)
                 : !best || !strcmp(t->name, "default")) best = t;
    }
    for (int i = 0; !name && tools && i < m->n_templates; i++)
        if (!strcmp(m->templates[i].name, "tool_use")) best = &m->templates[i];
    return best;
}

minerva_status minerva_render(const minerva_model *m, const char *text, size_t len,
                              const char *name, int64_t now, char **prompt, size_t *prompt_len,
                              minerva_error *err)
{
    json_t *request = NULL, *vars = NULL;
    minerva_status st = parse_request(text, len, &request, err);
    if (st != MINERVA_OK) return st;
    bool tools = json_array_size(json_object_get(request, "tools")) > 0;
    const mn_named_template *t = mn_runtime_template(m, name, tools);
    if (!t) {
        st = name ? mn_fail(err, MINERVA_NOT_FOUND, "no chat template named %s", name)
                  : mn_fail(err, MINERVA_UNSUPPORTED, "the model has no chat template");
        goto done;
    }
    if (!t->parsed) {
        if (err) *err = t->why;
        st = t->why.code;
        mn_fail_context(err, "chat template");
        goto done;
    }
    vars = variables_of(request);
    if (m->tokenizer) {
        mn_tokenizer_info info;
        mn_tokenizer_info_get(m->tokenizer, &info);
        set_special(vars, m->tokenizer, "bos_token", info.bos);
        set_special(vars, m->tokenizer, "eos_token", info.eos);
        set_special(vars, m->tokenizer, "unk_token", info.unk);
        set_special(vars, m->tokenizer, "pad_token", info.pad);
    }
    st = render(t->parsed, request, vars, now, prompt, prompt_len, err);
done:
    json_decref(vars);
    json_decref(request);
    return st;
}

minerva_status minerva_render_template(const char *source, size_t source_len, const char *text,
                                       size_t len, int64_t now, char **prompt,
                                       size_t *prompt_len, minerva_error *err)
{
    json_t *request = NULL;
    mn_template *t = NULL;
    minerva_status st = mn_template_parse(&t, source, source_len, err);
    if (st == MINERVA_OK) st = parse_request(text, len, &request, err);
    if (st == MINERVA_OK) {
        json_t *vars = variables_of(request);
        st = render(t, request, vars, now, prompt, prompt_len, err);
        json_decref(vars);
    }
    json_decref(request);
    mn_template_free(t);
    return st;
}
