/* What a model is and what it needs, as JSON, and what its authors advise: sampling and
 * pooling. */
#include "base/status.h"
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

/* ---- quantisation ------------------------------------------------------------------ */

enum { N_KINDS = 64 };

/* Bytes of weights by element type, to name the one that most of the file is in. */
typedef struct {
    const char *name;
    size_t bytes;
    int64_t n_elements;
} type_share;

static void count_tensor(type_share *shares, const mn_tensor_ref *t)
{
    const char *name = mn_tensor_ref_type_name(t);
    for (int i = 0; i < N_KINDS; i++) {
        if (shares[i].name && strcmp(shares[i].name, name)) continue;
        shares[i].name = name;
        shares[i].bytes += t->size_bytes;
        shares[i].n_elements += mn_tensor_ref_n_elements(t);
        return;
    }
}

/* MLX says in config.json what its U32 planes mean. */
static bool mlx_quantisation(const minerva_model *m, char *out, size_t size)
{
    const json_t *config = mn_model_dir_config(m->source->dir);
    const json_t *q = json_object_get(config, "quantization");
    if (!json_is_object(q)) return false;
    const json_t *mode = json_object_get(q, "mode");
    const char *name = json_is_string(mode) ? json_string_value(mode) : "affine";
    int overrides = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)q, key, value)
        overrides += json_is_object(value) || json_is_false(value);
    snprintf(out, size, "MLX %.16s %d-bit, groups of %d%s", name,
             (int)json_integer_value(json_object_get(q, "bits")),
             (int)json_integer_value(json_object_get(q, "group_size")),
             overrides ? ", some layers otherwise" : "");
    return true;
}

static json_t *describe_tensors(const minerva_model *m)
{
    type_share shares[N_KINDS] = { 0 };
    const mn_model_source *src = m->source;
    const mn_safetensors *weights = src->kind == MN_SOURCE_DIR ? mn_model_dir_weights(src->dir)
                                                               : NULL;
    int64_t n = src->kind == MN_SOURCE_GGUF ? mn_gguf_n_tensors(src->gguf)
                : weights ? mn_safetensors_n_tensors(weights) : 0;
    for (int64_t i = 0; i < n; i++)
        count_tensor(shares, src->kind == MN_SOURCE_GGUF ? mn_gguf_tensor_at(src->gguf, i)
                                                         : mn_safetensors_at(weights, i));
    json_t *types = json_object();
    const type_share *most = NULL;
    for (int i = 0; i < N_KINDS && shares[i].name; i++) {
        json_object_set_new(types, shares[i].name, json_integer((json_int_t)shares[i].bytes));
        if (!most || shares[i].bytes > most->bytes) most = &shares[i];
    }
    char name[96] = "";
    if (src->kind != MN_SOURCE_DIR || !mlx_quantisation(m, name, sizeof name))
        snprintf(name, sizeof name, "%s", most ? most->name : "none");
    return json_pack("{s:s, s:I, s:o}", "quantisation", name, "n_tensors", (json_int_t)n,
                     "bytes_by_type", types);
}

/* ---- the parts --------------------------------------------------------------------- */

static json_t *describe_plan(const minerva_model *m)
{
    mn_plan *p;
    minerva_error why = { 0 };
    if (mn_plan_create(&p, m->source, &why) != MINERVA_OK)
        return json_pack("{s:b, s:s}", "runs", 0, "why", why.message);
    json_t *out = json_pack("{s:b, s:s, s:I, s:i, s:i, s:i, s:i, s:I, s:I}", "runs", 1,
        "family", p->family, "parameters", (json_int_t)mn_plan_n_parameters(p), "layers",
        (int)p->n_layers, "hidden", (int)p->hidden, "vocabulary", (int)p->vocab, "context",
        (int)p->context_train, "kv_bytes_per_position",
        (json_int_t)mn_plan_kv_bytes_per_position(p), "bytes_per_token",
        (json_int_t)mn_plan_bytes_per_token(p));
    mn_plan_free(p);
    return out;
}

static json_t *describe_tokenizer(const minerva_model *m)
{
    if (!m->tokenizer)
        return json_pack("{s:n, s:s}", "kind", "why", m->no_tokenizer.message);
    mn_tokenizer_info info;
    mn_tokenizer_info_get(m->tokenizer, &info);
    json_t *ends = json_array();
    for (int i = 0; i < m->n_ends; i++) json_array_append_new(ends, json_integer(m->ends[i]));
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:b, s:b, s:o}", "kind", info.kind, "pre",
                     info.pre, "tokens", (int)mn_tokenizer_n_tokens(m->tokenizer), "bos",
                     (int)info.bos, "eos", (int)info.eos, "adds_bos", info.adds_bos, "adds_eos",
                     info.adds_eos, "end_tokens", ends);
}

static json_t *describe_templates(const minerva_model *m)
{
    json_t *list = json_array();
    for (int i = 0; i < m->n_templates; i++) {
        const mn_named_template *t = &m->templates[i];
        json_t *item = json_pack("{s:s, s:I, s:b}", "name", t->name, "bytes",
                                 (json_int_t)t->source_len, "usable", t->parsed != NULL);
        if (!t->parsed) json_object_set_new(item, "why", json_string(t->why.message));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *describe_fits(const minerva_model *m, const char **recommended)
{
    json_t *list = json_array();
    *recommended = NULL;
    for (const mn_backend *const *b = mn_backends(); *b; b++) {
        mn_backend_info info = { 0 };
        mn_fit fit = { 0 };
        minerva_error why = { 0 };
        mn_load_options options = { 0 };
        json_t *item = json_pack("{s:s}", "name", (*b)->name);
        if ((*b)->probe(&info) != MINERVA_OK) {
            json_object_set_new(item, "runs", json_false());
            json_object_set_new(item, "why", json_string(info.why_not));
        } else {
            minerva_status st = (*b)->fit(m->source, &options, &fit, &why);
            bool runs = st == MINERVA_OK && fit.runs;
            json_object_set_new(item, "runs", json_boolean(runs));
            json_object_set_new(item, "why",
                                json_string(st == MINERVA_OK ? fit.why : why.message));
            json_object_set_new(item, "device", json_string(info.device));
            json_object_set_new(item, "memory_bytes", json_integer((json_int_t)info.memory_bytes));
            json_object_set_new(item, "weight_bytes", json_integer((json_int_t)fit.weight_bytes));
            json_object_set_new(item, "fixed_bytes",
                json_integer((json_int_t)(fit.state_bytes_fixed + fit.scratch_bytes)));
            if (runs && !*recommended) *recommended = (*b)->name;
        }
        json_array_append_new(list, item);
    }
    return list;
}

static minerva_status dump(json_t *value, char **out, minerva_error *err)
{
    *out = value ? json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY)
                 : NULL;
    json_decref(value);
    return *out ? MINERVA_OK : mn_fail_memory(err, 1);
}

/* general.name of a GGUF file; the last part of a directory's path. */
static json_t *name_of(const minerva_model *m)
{
    mn_gguf_string s = { 0 };
    if (m->source->kind == MN_SOURCE_GGUF
        && mn_gguf_get_string(m->source->gguf, "general.name", &s, NULL) == MINERVA_OK && s.len) {
        json_t *name = json_stringn(s.data, s.len);
        if (name) return name;
    }
    const char *slash = strrchr(m->source->path, '/');
    json_t *name = json_string(slash && slash[1] ? slash + 1 : m->source->path);
    return name ? name : json_string("?");
}

minerva_status minerva_model_describe(const minerva_model *m, char **json, minerva_error *err)
{
    const char *recommended;
    if (!m->source)
        return mn_fail(err, MINERVA_INVALID, "a model expected, a bare tokenizer file found");
    json_t *fits = describe_fits(m, &recommended);
    json_t *path = json_string(m->source->path);
    json_t *all = json_pack("{s:o, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:s?}",
        "name", name_of(m), "path", path ? path : json_string("?"), "format",
        m->source->kind == MN_SOURCE_GGUF ? "GGUF" : "safetensors",
        "size_bytes", (json_int_t)m->source->size_bytes, "model", describe_plan(m), "tensors",
        describe_tensors(m), "tokenizer", describe_tokenizer(m), "templates",
        describe_templates(m), "backends", fits, "recommended", recommended);
    return dump(all, json, err);
}

minerva_status minerva_backends_describe(char **json, minerva_error *err)
{
    json_t *list = json_array();
    for (const mn_backend *const *b = mn_backends(); *b; b++) {
        mn_backend_info info = { 0 };
        bool there = (*b)->probe(&info) == MINERVA_OK;
        json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:I, s:s}", "name", (*b)->name,
            "available", there, "device", info.device, "memory_bytes",
            (json_int_t)info.memory_bytes, "why_not", there ? "" : info.why_not));
    }
    return dump(list, json, err);
}

/* ---- pooling ------------------------------------------------------------------------ */

/* sentence-transformers keep it in a file of its own; heads show in the class's name. */
static minerva_pooling dir_pooling(mn_model_dir *d)
{
    const json_t *how = mn_model_dir_json(d, "1_Pooling/config.json", NULL);
    const json_t *classes = json_object_get(mn_model_dir_config(d), "architectures");
    const char *name = json_string_value(json_array_get(classes, 0));
    if (name && strstr(name, "ForSequenceClassification")) return MINERVA_POOLING_RANK;
    if (json_is_true(json_object_get(how, "pooling_mode_cls_token"))) return MINERVA_POOLING_FIRST;
    if (json_is_true(json_object_get(how, "pooling_mode_lasttoken"))) return MINERVA_POOLING_LAST;
    return MINERVA_POOLING_MEAN;
}

/* Once, while a model is opened: reading a directory's files is for one thread. */
void mn_runtime_load_pooling(minerva_model *m)
{
    static const minerva_pooling of_gguf[] = {  /* none, mean, cls, last, rank */
        MINERVA_POOLING_MEAN, MINERVA_POOLING_MEAN, MINERVA_POOLING_FIRST, MINERVA_POOLING_LAST,
        MINERVA_POOLING_RANK };
    int64_t v = 0;
    if (m->source->kind == MN_SOURCE_DIR)
        m->pooling = dir_pooling(m->source->dir);
    else if (mn_gguf_get_int(m->source->gguf, "%s.pooling_type", 0, &v, NULL) == MINERVA_OK
             && v >= 0 && v <= 4)
        m->pooling = of_gguf[v];
}

minerva_pooling minerva_model_pooling(const minerva_model *m) { return m->pooling; }

/* ---- recommended sampling ---------------------------------------------------------- */

static void take_float(const json_t *config, const char *key, float *out)
{
    const json_t *v = json_object_get(config, key);
    if (json_is_number(v)) *out = (float)json_number_value(v);
}

static void gguf_float(const mn_gguf *g, const char *key, float *out)
{
    double v;
    if (mn_gguf_find(g, key) && mn_gguf_get_float(g, key, 0, &v, NULL) == MINERVA_OK)
        *out = (float)v;
}

void minerva_model_default_sampling(const minerva_model *m, minerva_sampling *s)
{
    float top_k = (float)s->top_k;
    if (!m->source) return;
    if (m->source->kind == MN_SOURCE_GGUF) {
        const mn_gguf *g = m->source->gguf;
        gguf_float(g, "general.sampling.temp", &s->temperature);
        gguf_float(g, "general.sampling.top_k", &top_k);
        gguf_float(g, "general.sampling.top_p", &s->top_p);
        gguf_float(g, "general.sampling.min_p", &s->min_p);
        gguf_float(g, "general.sampling.penalty_repeat", &s->repeat_penalty);
    } else {
        const json_t *config = mn_model_dir_json(m->source->dir, "generation_config.json", NULL);
        take_float(config, "temperature", &s->temperature);
        take_float(config, "top_k", &top_k);
        take_float(config, "top_p", &s->top_p);
        take_float(config, "min_p", &s->min_p);
        take_float(config, "repetition_penalty", &s->repeat_penalty);
        if (json_is_false(json_object_get(config, "do_sample"))) s->temperature = 0;
    }
    if (top_k >= 0 && top_k < 1e9f) s->top_k = (int32_t)top_k;
}
