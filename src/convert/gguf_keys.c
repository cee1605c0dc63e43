/* The hyperparameters of a GGUF file, from a plan and the fields its reader asked for.
 *
 * Most keys are the log's: each field that the reader asked for has its GGUF spelling beside
 * the HF one.  What the two forms say differently (rope scaling, widths per layer, routing) is
 * taken from the plan.  Key names: gguf-py's constants.  From a GGUF file to another all keys
 * are copied. */
#include "convert/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    mn_convert *c;
    mn_tensor_writer *w;
    const char *arch;
    char key[160];
} keys;

static const char *key_of(keys *k, const char *name)
{
    snprintf(k->key, sizeof k->key, "%s.%s", k->arch, name);
    return k->key;
}

static void put_int(keys *k, const char *name, int64_t v)
{
    mn_tensor_writer_put_u32(k->w, key_of(k, name), (uint32_t)v);
}

static void put_real(keys *k, const char *name, double v)
{
    mn_tensor_writer_put_f32(k->w, key_of(k, name), (float)v);
}

/* One number if all layers have the same. */
static void put_per_layer(keys *k, const char *name, const int32_t *v, int32_t n)
{
    for (int32_t i = 1; i < n; i++)
        if (v[i] != v[0]) {
            mn_tensor_writer_put_i32s(k->w, key_of(k, name), v, n);
            return;
        }
    if (n) put_int(k, name, v[0]);
}

static void put_bools(keys *k, const char *name, const uint8_t *v, int32_t n)
{
    key_of(k, name);
    mn_gguf_kv kv = { .key = { k->key, strlen(k->key) }, .type = MN_GGUF_ARRAY,
                      .item_type = MN_GGUF_BOOL, .n = (uint64_t)n, .data = v };
    mn_tensor_writer_put_kv(k->w, &kv);
}

static bool is(const keys *k, const char *family)
{
    return !strcmp(k->c->from->family, family);
}

/* ---- rope ------------------------------------------------------------------------------- */

/* The rope object of config.json; of nested ones that layer type's. */
static const json_t *rope_object(const json_t *config, const char *type)
{
    const json_t *o = json_object_get(config, "rope_scaling");
    if (!json_is_object(o) || !json_object_size(o)) o = json_object_get(config, "rope_parameters");
    const json_t *nested = json_object_get(o, type);
    if (json_is_object(nested)) return nested;
    return json_is_object(o) ? o : NULL;
}

/* The text model's object. */
static const json_t *text_config(const mn_convert *c)
{
    static const char *const inner[] = { "text_config", "llm_config", "language_config",
                                         "thinker_config", NULL };
    const json_t *config = mn_model_dir_config(c->source->dir);
    for (int i = 0; inner[i]; i++) {
        const json_t *o = json_object_get(config, inner[i]);
        if (!json_is_object(o)) continue;
        config = o;
        i = -1;
    }
    return config;
}

static double real_of(const json_t *o, const char *name, double fallback)
{
    const json_t *v = json_object_get(o, name);
    return json_is_number(v) ? json_number_value(v) : fallback;
}

/* What the reader found for a field of config.json alone. */
static double logged_real(const mn_convert *c, const char *hf, double fallback)
{
    for (int32_t i = c->log.n - 1; i >= 0; i--) {
        const mn_config_field *f = &c->log.fields[i];
        if (f->kind == MN_LOG_REAL && f->hf && strstr(f->hf, hf)) return f->real;
    }
    return fallback;
}

static const mn_rope *first_rope(const mn_plan *p, bool sliding)
{
    for (int32_t i = 0; i < p->n_layers; i++) {
        const mn_mixer *m = &p->layers[i].mixer;
        if (m->kind != MN_MIXER_ATTENTION) m = &p->layers[i].parallel_mixer;
        if (m->kind != MN_MIXER_ATTENTION) m = &p->layers[i].mixer;
        if (m->kind == MN_MIXER_MLA && !sliding) return &m->u.mla.rope;
        if (m->kind != MN_MIXER_ATTENTION || !m->u.attention.rope.n_dims) continue;
        if ((m->u.attention.window > 0) == sliding) return &m->u.attention.rope;
    }
    return NULL;
}

/* The base of bare frequencies: f_1 = theta^(-2/n). */
static double theta_of(const mn_rope *r)
{
    double theta = pow((double)r->inv_freq[1], -r->n_dims / 2.0), whole = round(theta);
    return fabs(theta - whole) < 1e-4 * theta ? whole : theta;
}

static void put_yarn(keys *k, const json_t *o, const mn_rope *r)
{
    const mn_plan *p = k->c->from;
    double original = real_of(o, "original_max_position_embeddings", p->context_train);
    double factor = real_of(o, "factor", p->context_train / original);
    double all_dim = real_of(o, "mscale_all_dim", 0);
    bool latent = p->layers[0].mixer.kind == MN_MIXER_MLA;
    mn_tensor_writer_put_string(k->w, key_of(k, "rope.scaling.type"), "yarn");
    put_real(k, "rope.scaling.factor", factor);
    put_int(k, "rope.scaling.original_context_length", (int64_t)original);
    put_real(k, "rope.scaling.yarn_beta_fast", real_of(o, "beta_fast", 32));
    put_real(k, "rope.scaling.yarn_beta_slow", real_of(o, "beta_slow", 1));
    if (latent && all_dim != 0) put_real(k, "rope.scaling.yarn_log_multiplier", 0.1 * all_dim);
    if (is(k, "ministral3")) put_real(k, "rope.scaling.yarn_log_multiplier", all_dim);
    double usual = factor <= 1 ? 1 : 0.1 * log(factor) + 1;
    if (!latent && !is(k, "ministral3") && fabs((double)r->magnitude / usual - 1) > 1e-5)
        put_real(k, "rope.scaling.attn_factor", (double)r->magnitude / usual);
}

static void put_scaling(keys *k, const json_t *o, const mn_rope *r)
{
    const mn_plan *p = k->c->from;
    const char *type = json_string_value(json_object_get(o, "rope_type"));
    if (!type) type = json_string_value(json_object_get(o, "type"));
    if (r->inv_freq_long) {
        mn_tensor_writer_put_string(k->w, key_of(k, "rope.scaling.type"), "longrope");
        put_int(k, "rope.scaling.original_context_length", r->switch_at);
        put_real(k, "rope.scaling.attn_factor", (double)r->magnitude);
    } else if (type && !strcmp(type, "linear")) {
        mn_tensor_writer_put_string(k->w, key_of(k, "rope.scaling.type"), "linear");
        put_real(k, "rope.scaling.factor", real_of(o, "factor", 1));
    } else if (type && !strcmp(type, "yarn")) {
        put_yarn(k, o, r);
    } else if (is(k, "cohere2") || is(k, "cohere")) {
        mn_tensor_writer_put_string(k->w, key_of(k, "rope.scaling.type"), "none");
    } else if (is(k, "ministral3")) {
        put_int(k, "rope.scaling.original_context_length",
                (int64_t)real_of(o, "original_max_position_embeddings", p->context_train));
    }
}

static void put_rope(keys *k)
{
    const mn_convert *c = k->c;
    const json_t *config = text_config(c), *o = rope_object(config, "full_attention");
    const mn_rope *r = first_rope(c->from, false), *local = first_rope(c->from, true);
    bool two = is(k, "gemma3") || is(k, "gemma4");
    if (!r || (!two && local)) r = r && r->n_dims ? r : local;
    if (!r) {       /* no rope at all: granite's hybrids say so by a width of 0 */
        if (is(k, "granitemoehybrid") || is(k, "granitemoe"))
            mn_tensor_writer_put_bool(k->w, key_of(k, "rope.scaling.finetuned"), false);
        put_int(k, "rope.dimension_count", 0);
        return;
    }
    const char *type = json_string_value(json_object_get(o, "rope_type"));
    if (!type) type = json_string_value(json_object_get(o, "type"));
    double theta = real_of(config, "rope_theta", logged_real(c, "rope_theta", 10000));
    theta = real_of(o, "rope_theta", theta);
    if (type && !strcmp(type, "dynamic")) theta = theta_of(r);
    if (is(k, "gemma4") && !json_object_get(o, "rope_theta")) theta = 1e6;
    put_real(k, "rope.freq_base", theta);
    put_int(k, "rope.dimension_count", r->n_dims);
    if (two && local) {
        put_real(k, "rope.freq_base_swa", theta_of(local));
        if (is(k, "gemma4")) put_int(k, "rope.dimension_count_swa", local->n_dims);
    }
    put_scaling(k, o, r);
    const json_t *sections = json_object_get(o, "mrope_section");
    if (json_array_size(sections) && json_array_size(sections) <= 4) {
        int32_t four[4] = { 0 };
        for (size_t i = 0; i < json_array_size(sections); i++)
            four[i] = (int32_t)json_integer_value(json_array_get(sections, i));
        mn_tensor_writer_put_i32s(k->w, key_of(k, "rope.dimension_sections"), four, 4);
    }
}

/* ---- widths ----------------------------------------------------------------------------- */

static void put_heads(keys *k)
{
    mn_convert *c = k->c;
    const mn_plan *p = c->from;
    const mn_config_field *heads = mn_config_log_find(&c->log, "attention.head_count");
    const mn_config_field *kv = mn_config_log_find(&c->log, "attention.head_count_kv");
    const mn_config_field *ffn = mn_config_log_find(&c->log, "feed_forward_length");
    int32_t n = p->n_layers, *n_kv = mn_convert_alloc(c, (size_t)n, sizeof *n_kv);
    int32_t *width = mn_convert_alloc(c, (size_t)n, sizeof *width);
    if (!n_kv || !width || !heads || !kv || !ffn) return;
    const mn_attention *first = NULL;
    for (int32_t i = 0; i < n; i++) {
        const mn_layer *l = &p->layers[i];
        const mn_mixer *m = l->parallel_mixer.kind ? &l->parallel_mixer : &l->mixer;
        n_kv[i] = m->kind == MN_MIXER_ATTENTION ? m->u.attention.n_kv_heads
                  : m->kind == MN_MIXER_GATED_DELTA ? kv->integers[i]
                  : m->kind == MN_MIXER_MLA ? 1 : 0;
        width[i] = l->ffn.kind == MN_FFN_DENSE ? (int32_t)l->ffn.dense.up.w.rows
                   : l->ffn.kind == MN_FFN_NONE ? 0 : ffn->integers[i];
        if (is(k, "gemma4")) width[i] = (int32_t)l->ffn.dense.up.w.rows;
        if (m->kind == MN_MIXER_ATTENTION && (!first || !is(k, "gemma4") || !m->u.attention.window))
            if (!first || first->window) first = &m->u.attention;
    }
    put_per_layer(k, "attention.head_count", heads->integers, n);
    put_per_layer(k, "attention.head_count_kv", n_kv, n);
    put_per_layer(k, "feed_forward_length", width, n);
    if (p->layers[0].mixer.kind == MN_MIXER_MLA) {
        const mn_mla *m = &p->layers[0].mixer.u.mla;
        put_int(k, "attention.key_length", m->kv_rank + m->rope_dim);
        put_int(k, "attention.value_length", m->kv_rank);
        put_int(k, "attention.key_length_mla", m->nope_dim + m->rope_dim);
        put_int(k, "attention.value_length_mla", m->v_dim);
    } else if (first) {
        put_int(k, "attention.key_length", first->head_dim);
        put_int(k, "attention.value_length", first->v_head_dim);
    }
}

static void put_recurrent(keys *k)
{
    mn_convert *c = k->c;
    const mn_plan *p = c->from;
    uint8_t *recurrent = mn_convert_alloc(c, (size_t)p->n_layers, 1);
    bool delta = false, mamba = false;
    for (int32_t i = 0; recurrent && i < p->n_layers; i++) {
        const mn_mixer *m = &p->layers[i].mixer;
        recurrent[i] = m->kind == MN_MIXER_GATED_DELTA;
        if (recurrent[i] && !delta) {
            put_int(k, "ssm.inner_size", (int64_t)m->u.delta.n_v_heads * m->u.delta.value_dim);
            delta = true;
        }
        if (m->kind != MN_MIXER_MAMBA2 || mamba) continue;
        put_int(k, "ssm.inner_size", (int64_t)m->u.mamba2.n_heads * m->u.mamba2.head_dim);
        mamba = true;
    }
    if (delta) put_bools(k, "attention.recurrent_layers", recurrent, p->n_layers);
}

static void put_gemma4(keys *k)
{
    mn_convert *c = k->c;
    const mn_plan *p = c->from;
    uint8_t *slides = mn_convert_alloc(c, (size_t)p->n_layers, 1);
    if (!slides) return;
    for (int32_t i = 0; i < p->n_layers; i++) {
        const mn_attention *a = &p->layers[i].mixer.u.attention;
        slides[i] = a->window > 0;
        if (!slides[i] || (i && memchr(slides, 1, (size_t)i))) continue;
        put_int(k, "attention.key_length_swa", a->head_dim);
        put_int(k, "attention.value_length_swa", a->v_head_dim);
    }
    put_bools(k, "attention.sliding_window_pattern", slides, p->n_layers);
}

/* Where every n-th layer sees everything, the family's name says it.  Other orders are listed,
 * which this program reads and llama.cpp, for most families, does not. */
static void put_pattern(keys *k)
{
    static const struct { const char *family; int period; } usual[] = {
        { "gemma2", 2 }, { "gemma3", 6 }, { "cohere2", 4 }, { "olmo2", 4 }, { "olmo3", 4 },
        { "gpt_oss", 2 }, { "exaone4", 4 } };
    mn_convert *c = k->c;
    const mn_plan *p = c->from;
    int period = 0;
    bool odd = false, any = false;
    uint8_t *slides = mn_convert_alloc(c, (size_t)p->n_layers, 1);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (is(k, usual[i].family)) period = usual[i].period;
    for (int32_t i = 0; slides && i < p->n_layers && period; i++) {
        slides[i] = p->layers[i].mixer.u.attention.window > 0;
        any |= slides[i];
        odd |= slides[i] != ((i + 1) % period != 0);
    }
    if (!odd || !any) return;
    put_bools(k, "attention.sliding_window_pattern", slides, p->n_layers);
    mn_convert_warn(c, "the layers with a window are listed in the file; llama.cpp takes every %d%s "
                    "layer for one without", period, period == 2 ? "nd" : "th");
}

static void put_experts(keys *k)
{
    const mn_plan *p = k->c->from;
    for (int32_t i = 0; i < p->n_layers; i++) {
        const mn_experts *e = &p->layers[i].ffn.experts;
        if (p->layers[i].ffn.kind != MN_FFN_EXPERTS) continue;
        if (e->route == MN_ROUTE_SIGMOID) put_int(k, "expert_gating_func", 2);
        else if (is(k, "deepseek_v2")) put_int(k, "expert_gating_func", 1);
        return;
    }
}

/* ---- everything else: what the reader asked for ------------------------------------------ */

/* Said by the functions above, or by nobody. */
static bool said_otherwise(const char *key)
{
    static const char *const handled[] = {
        "attention.head_count", "attention.head_count_kv", "feed_forward_length",
        "attention.key_length", "attention.value_length", "attention.layer_norm_epsilon",
        "attention.layer_norm_rms_epsilon", "attention.sliding_window_pattern", "ssm.inner_size",
        "attention.recurrent_layers", "expert_gating_func", "nextn_predict_layers",
        "attention.key_length_mla", "attention.value_length_mla", "attention.key_length_swa",
        "context_length", "embedding_length", "block_count", "scale_attn_weights",
        "use_parallel_residual", "interleave_moe_layer_step", "attention.clamp_kqv",
        "attention.temperature_scale", NULL };
    if (!strncmp(key, "rope.", 5) || !strncmp(key, "general.", 8)) return true;
    for (int i = 0; handled[i]; i++)
        if (!strcmp(handled[i], key)) return true;
    return false;
}

static void put_logged(keys *k)
{
    const mn_config_log *log = &k->c->log;
    for (int32_t i = 0; i < log->n; i++) {
        const mn_config_field *f = &log->fields[i];
        if (!f->gguf || said_otherwise(f->gguf) || mn_config_log_find(log, f->gguf) != f) continue;
        switch (f->kind) {
        case MN_LOG_INT:
            if (f->integer || !strcmp(f->gguf, "leading_dense_block_count"))
                put_int(k, f->gguf, f->integer);
            break;
        case MN_LOG_REAL:
            if (f->real != 0 && (f->real != 1 || strcmp(f->gguf, "expert_weights_scale")))
                put_real(k, f->gguf, f->real);
            break;
        case MN_LOG_BOOL:
            if (f->integer || f->found)
                mn_tensor_writer_put_bool(k->w, key_of(k, f->gguf), f->integer);
            break;
        case MN_LOG_WORD:
            if (f->word) mn_tensor_writer_put_string(k->w, key_of(k, f->gguf), f->word);
            break;
        case MN_LOG_INTS: put_per_layer(k, f->gguf, f->integers, f->n); break;
        case MN_LOG_REALS: break;
        }
    }
}

static void put_specials(keys *k)
{
    const mn_plan *p = k->c->from;
    if (is(k, "minicpm")) {
        double s = (double)p->layers[0].residual_scale;
        put_real(k, "embedding_scale", p->embed_scale ? (double)p->embed_scale : 1);
        put_real(k, "residual_scale", s ? s : 1);
        put_real(k, "logit_scale", p->logit_scale ? 1 / (double)p->logit_scale : 1);
    }
    if (is(k, "gpt_neox"))
        mn_tensor_writer_put_bool(k->w, key_of(k, "use_parallel_residual"),
                                  p->layers[0].parallel_ffn);
    if (is(k, "ministral3")) {
        const mn_attention *a = &p->layers[0].mixer.u.attention;
        put_real(k, "attention.temperature_scale", (double)a->temp_beta);
    }
    if (is(k, "ernie4_5_moe")) {
        const mn_config_field *f = NULL;
        for (int32_t i = 0; i < k->c->log.n; i++)
            if (k->c->log.fields[i].gguf &&
                !strcmp(k->c->log.fields[i].gguf, "interleave_moe_layer_step"))
                f = &k->c->log.fields[i];
        if (f) put_int(k, "interleave_moe_layer_step", f->integer);
    }
}

static void copy_keys(mn_convert *c, mn_tensor_writer *w)
{
    const mn_gguf *g = c->source->gguf;
    for (int64_t i = 0; i < mn_gguf_n_kv(g); i++) {
        const mn_gguf_kv *kv = mn_gguf_kv_at(g, i);
        static const char *const left_out[] = { "tokenizer.", "split.", "general.alignment",
                                                "general.file_type",
                                                "general.quantization_version" };
        bool skip = false;
        for (int k = 0; k < 5; k++)
            skip |= kv->key.len >= strlen(left_out[k]) &&
                    !strncmp(kv->key.data, left_out[k], strlen(left_out[k]));
        if (!skip) mn_tensor_writer_put_kv(w, kv);
    }
}

/* "org/name" or the directory's own name. */
static void put_name(mn_convert *c, mn_tensor_writer *w)
{
    const char *name = json_string_value(json_object_get(mn_model_dir_config(c->source->dir),
                                                         "_name_or_path"));
    if (!name || !*name) name = c->source->path;
    const char *slash = strrchr(name, '/');
    mn_tensor_writer_put_string(w, "general.name", slash && slash[1] ? slash + 1 : name);
}

void mn_gguf_keys_put(mn_convert *c, mn_tensor_writer *w)
{
    const mn_plan *p = c->from;
    keys k = { .c = c, .w = w, .arch = mn_form_arch(c) };
    if (c->source->kind == MN_SOURCE_GGUF) {
        copy_keys(c, w);
        return;
    }
    mn_tensor_writer_put_string(w, "general.architecture", k.arch);
    mn_tensor_writer_put_string(w, "general.type", "model");
    put_name(c, w);
    put_int(&k, "block_count", p->n_layers);
    put_int(&k, "context_length", p->context_train);
    put_int(&k, "embedding_length", p->hidden);
    put_int(&k, "vocab_size", p->vocab);
    put_heads(&k);
    put_real(&k, p->out_norm.kind == MN_NORM_LAYER ? "attention.layer_norm_epsilon"
                                                   : "attention.layer_norm_rms_epsilon",
             (double)p->out_norm.eps);
    put_rope(&k);
    put_recurrent(&k);
    put_experts(&k);
    if (is(&k, "gemma4")) put_gemma4(&k);
    put_pattern(&k);
    put_logged(&k);
    put_specials(&k);
}
