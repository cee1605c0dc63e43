/* Ollama's API about models: /api/tags, /api/show, /api/ps, /api/version; and the routes
 * that change what is stored, which are refused in words. */
#include "server/ollama.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The file's own description, if the model is loaded; the caller owns it. */
static json_t *description_of(const mn_loaded_model *m)
{
    char *text = NULL;
    if (!m->model || minerva_model_describe(m->model, &text, NULL) != MINERVA_OK) return NULL;
    json_t *v = json_loads(text, 0, NULL);
    minerva_free(text);
    return v;
}

static json_t *member(json_t *v, const char *a, const char *b)
{
    return json_object_get(a ? json_object_get(v, a) : v, b);
}

static json_t *details_of(json_t *about)
{
    const char *format = json_string_value(json_object_get(about, "format"));
    const char *family = json_string_value(member(about, "model", "family"));
    const char *quant = json_string_value(member(about, "tensors", "quantisation"));
    double n = json_number_value(member(about, "model", "parameters"));
    char size[32] = "", low[16] = "";
    if (n >= 1e9) snprintf(size, sizeof size, "%.1fB", n / 1e9);
    else if (n > 0) snprintf(size, sizeof size, "%.2fM", n / 1e6);
    for (size_t i = 0; format && format[i] && i < sizeof low - 1; i++)
        low[i] = (char)(format[i] >= 'A' && format[i] <= 'Z' ? format[i] | 0x20 : format[i]);
    if (!family) family = "";
    return json_pack("{s:s, s:s, s:s, s:[s], s:s, s:s}", "parent_model", "", "format", low,
                     "family", family, "families", family, "parameter_size", size,
                     "quantization_level", quant ? quant : "");
}

/* Ollama's digests name contents; here it is the name, which is all that must differ. */
static void digest_of(const mn_loaded_model *m, char out[65])
{
    unsigned char d[32];
    SHA256((const unsigned char *)m->name, strlen(m->name), d);
    for (int i = 0; i < 32; i++) snprintf(out + 2 * i, 3, "%02x", d[i]);
}

static json_t *entry_of(const mn_loaded_model *m)
{
    json_t *object = mn_model_object(m), *about;
    char digest[65];
    if (!object) return NULL;
    about = description_of(m);
    digest_of(m, digest);
    json_t *size = json_object_get(about, "size_bytes");
    json_t *e = json_pack("{s:s, s:s, s:o, s:I, s:s, s:o}", "name", m->name, "model", m->name,
        "modified_at", mn_ollama_time(json_integer_value(json_object_get(object, "created"))),
        "size", json_integer_value(size), "digest", digest, "details", details_of(about));
    json_decref(about);
    json_decref(object);
    return e;
}

void mn_api_ollama_tags(mn_call *c)
{
    json_t *list = json_array();
    mn_models_rescan(c->server);
    for (size_t i = 0; i < mn_models_count(c->server); i++) {
        json_t *e = entry_of(mn_models_at(c->server, i));
        if (e) json_array_append_new(list, e);
    }
    mn_answer_json(c->http, 200, json_pack("{s:o}", "models", list));
}

void mn_api_ollama_ps(mn_call *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < mn_models_count(c->server); i++) {
        const mn_loaded_model *m = mn_models_at(c->server, i);
        json_t *e = m->model ? entry_of(m) : NULL, *object = e ? mn_model_object(m) : NULL;
        if (!e) continue;
        const json_t *left = json_object_get(object, "unloads_in_s");
        int64_t ever = (int64_t)100 * 365 * 86400;
        json_object_set_new(e, "expires_at", mn_ollama_time((int64_t)time(NULL)
            + (left ? json_integer_value(left) : ever)));
        json_object_set_new(e, "size_vram", json_integer(0));
        json_object_set_new(e, "context_length", json_integer(minerva_model_context(m->model)));
        json_array_append_new(list, e);
        json_decref(object);
    }
    mn_answer_json(c->http, 200, json_pack("{s:o}", "models", list));
}

bool mn_prepare_ollama_show(mn_call *c)
{
    minerva_chat_format format;
    json_t *about = description_of(c->model), *can = json_array();
    minerva_model_chat_format(c->model->model, &format);
    json_array_append_new(can, json_string("completion"));
    json_array_append_new(can, json_string("embedding"));
    if (format.has_calls) json_array_append_new(can, json_string("tools"));
    if (format.has_reasoning) json_array_append_new(can, json_string("thinking"));
    const char *family = json_string_value(member(about, "model", "family"));
    char key[100];
    json_t *info = json_pack("{s:s, s:O?}", "general.architecture", family ? family : "",
                             "general.parameter_count", member(about, "model", "parameters"));
    static const struct { const char *key, *member; } numbers[] = {
        { "context_length", "context" }, { "embedding_length", "hidden" }, { "block_count", "layers" } };
    for (int i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "%.60s.%s", family ? family : "", numbers[i].key);
        json_object_set(info, key, member(about, "model", numbers[i].member));
    }
    c->answer = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "license", "", "modelfile", "",
        "parameters", "", "template", "", "details", details_of(about), "model_info", info,
        "capabilities", can, "modified_at", mn_ollama_time(c->model->loaded_at));
    json_decref(about);
    return c->answer != NULL;
}

void mn_api_ollama_version(mn_call *c)
{
    mn_answer_json(c->http, 200, json_pack("{s:s}", "version", minerva_version()));
}

void mn_api_ollama_refused(mn_call *c)
{
    mn_answer_error(c->http, 501, NULL, "%s: this server does not change what is stored; put models "
                    "into its model directory", c->http->path);
}
