/* config.json of the target directory.
 *
 * From a directory it is the source's, without its quantisation and without what surrounds
 * the language model.  From a GGUF file it is made as gguf_keys.c makes keys, the other way
 * round: the log's fields by their HF spelling, and from the plan what the forms say
 * differently. */
#include "convert/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is(const mn_convert *c, const char *families)
{
    size_t n = strlen(c->from->family);
    for (const char *p = families; (p = strstr(p, c->from->family)); p += n)
        if ((p == families || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

static void put_int(json_t *o, const char *key, int64_t v)
{
    json_object_set_new(o, key, json_integer(v));
}

/* The shortest decimal that is this float again: 1e-05, not 9.9999997e-06. */
static json_t *real_json(double v)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if ((float)strtod(text, NULL) == (float)v) break;
    }
    return json_real(strtod(text, NULL));
}

static void put_real(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, real_json(v));
}

static void put_bool(json_t *o, const char *key, bool v)
{
    json_object_set_new(o, key, json_boolean(v));
}

static void put_word(json_t *o, const char *key, const char *v)
{
    json_object_set_new(o, key, json_string(v));
}

static const mn_attention *attention_of(const mn_layer *l)
{
    if (l->mixer.kind == MN_MIXER_ATTENTION) return &l->mixer.u.attention;
    if (l->parallel_mixer.kind == MN_MIXER_ATTENTION) return &l->parallel_mixer.u.attention;
    return NULL;
}

/* The first attention layer that slides (or does not), NULL: none. */
static const mn_attention *first_attention(const mn_plan *p, bool sliding)
{
    for (int32_t i = 0; i < p->n_layers; i++) {
        const mn_attention *a = attention_of(&p->layers[i]);
        if (a && (a->window > 0) == sliding) return a;
    }
    return NULL;
}

/* ---- from a directory ------------------------------------------------------------------- */

static json_t *from_dir(mn_convert *c)
{
    static const char *const inner[] = { "text_config", "llm_config", "language_config",
                                         "thinker_config", NULL };
    const json_t *top = mn_model_dir_config(c->source->dir), *from = top;
    for (int i = 0; inner[i]; i++) {
        const json_t *o = json_object_get(from, inner[i]);
        if (!json_is_object(o)) continue;
        from = o;
        i = -1;
    }
    json_t *out = json_deep_copy(from);
    json_object_del(out, "quantization");
    json_object_del(out, "quantization_config");
    if (from == top) return out;
    if (!json_object_get(out, "model_type"))
        json_object_set(out, "model_type", json_object_get(top, "model_type"));
    if (!json_object_get(out, "tie_word_embeddings") && json_object_get(top, "tie_word_embeddings"))
        json_object_set(out, "tie_word_embeddings", json_object_get(top, "tie_word_embeddings"));
    return out;
}

/* ---- rope -------------------------------------------------------------------------------- */

static double gguf_real(const mn_convert *c, const char *name, double fallback)
{
    double v = fallback;
    char key[96];
    snprintf(key, sizeof key, "%%s.%s", name);
    mn_gguf_get_float(c->source->gguf, key, fallback, &v, NULL);
    return v;
}

/* Llama 3's rule from its table: the pairs that turn slowest are divided by the factor. */
static void put_llama3(const mn_convert *c, json_t *o)
{
    const mn_tensor_ref *t = mn_gguf_tensor(c->source->gguf, "rope_freqs.weight");
    float most = 1;
    for (int64_t i = 0; t && t->wtype == MN_F32 && i < t->dims[0]; i++) {
        float f;
        memcpy(&f, t->data + 4 * i, 4);
        if (f > most) most = f;
    }
    json_t *s = json_pack("{s:s, s:f, s:f, s:f, s:i}", "rope_type", "llama3", "factor",
                          (double)most, "low_freq_factor", 1.0, "high_freq_factor", 4.0,
                          "original_max_position_embeddings", 8192);
    json_object_set_new(o, "rope_scaling", s);
}

static json_t *factors(const mn_rope *r, const float *table, double theta)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < r->n_dims / 2; i++)
        json_array_append_new(list, real_json(pow(theta, -2.0 * i / r->n_dims) / (double)table[i]));
    return list;
}

static void put_scaling(const mn_convert *c, json_t *o, const mn_rope *r, double theta)
{
    const mn_gguf *g = c->source->gguf;
    mn_gguf_string type = { 0 };
    char key[96];
    snprintf(key, sizeof key, "%%s.rope.scaling.type");
    mn_gguf_get_string(g, key, &type, NULL);
    double original = gguf_real(c, "rope.scaling.original_context_length", c->from->context_train);
    double factor = gguf_real(c, "rope.scaling.factor", 0);
    bool yarn = type.len == 4 && !memcmp(type.data, "yarn", 4);
    if (r->inv_freq_long) {
        json_t *s = json_pack("{s:s}", "type", "longrope");
        json_object_set_new(s, "short_factor", factors(r, r->inv_freq, theta));
        json_object_set_new(s, "long_factor", factors(r, r->inv_freq_long, theta));
        put_real(s, "attention_factor", (double)r->magnitude);
        json_object_set_new(o, "rope_scaling", s);
        put_int(o, "original_max_position_embeddings", (int64_t)original);
    } else if (yarn) {
        json_t *s = json_pack("{s:s}", "rope_type", "yarn");
        double all_dim = gguf_real(c, "rope.scaling.yarn_log_multiplier", 0);
        put_real(s, "factor", factor);
        put_int(s, "original_max_position_embeddings", (int64_t)original);
        put_real(s, "beta_fast", gguf_real(c, "rope.scaling.yarn_beta_fast", 32));
        put_real(s, "beta_slow", gguf_real(c, "rope.scaling.yarn_beta_slow", 1));
        if (c->from->layers[0].mixer.kind == MN_MIXER_MLA) {
            put_real(s, "mscale", all_dim != 0 ? 10 * all_dim : 1);
            put_real(s, "mscale_all_dim", all_dim != 0 ? 10 * all_dim : 1);
        } else if (is(c, "ministral3")) {
            put_real(s, "mscale", 1);
            put_real(s, "mscale_all_dim", all_dim);
        }
        json_object_set_new(o, "rope_scaling", s);
    } else if (mn_gguf_tensor(g, "rope_freqs.weight") && !is(c, "gemma4")) {
        put_llama3(c, o);
    } else if (factor > 0 && factor != 1 && !(type.len == 4 && !memcmp(type.data, "none", 4))) {
        json_object_set_new(o, "rope_scaling", json_pack("{s:s, s:s, s:f}", "rope_type", "linear",
                                                         "type", "linear", "factor", factor));
    }
}

/* Positions of pictures, for the multimodal relations of a family. */
static void put_sections(const mn_convert *c, json_t *o)
{
    int64_t *v = NULL, n = 0;
    mn_gguf_get_ints(c->source->gguf, "%s.rope.dimension_sections", 4, &v, &n, NULL);
    json_t *list = json_array();
    for (int64_t i = 0; i < n && i < 3; i++) json_array_append_new(list, json_integer(v[i]));
    if (n && !json_object_get(o, "rope_scaling"))
        json_object_set_new(o, "rope_scaling", json_pack("{s:s, s:s, s:O}", "rope_type", "default",
                                                         "type", "default", "mrope_section", list));
    json_decref(list);
    free(v);
}

static void put_gemma4_rope(const mn_convert *c, json_t *o, double theta, double local)
{
    const mn_attention *a = first_attention(c->from, false);
    int32_t turned = 0;
    for (int32_t i = 0; a && i < a->rope.n_dims / 2; i++) turned += a->rope.inv_freq[i] > 1e-20f;
    double partial = a ? 2.0 * turned / a->head_dim : 0.25;
    json_object_set_new(o, "rope_parameters", json_pack(
        "{s:{s:s, s:f, s:f}, s:{s:s, s:f}}", "full_attention", "rope_type", "proportional",
        "rope_theta", theta, "partial_rotary_factor", partial, "sliding_attention", "rope_type",
        "default", "rope_theta", local));
}

static void put_rope(const mn_convert *c, json_t *o)
{
    const mn_plan *p = c->from;
    const mn_attention *a = first_attention(p, false);
    if (!a || !a->rope.n_dims) a = first_attention(p, true) ? first_attention(p, true) : a;
    for (int32_t i = 0; i < p->n_layers && (!a || !a->rope.n_dims); i++)
        if (attention_of(&p->layers[i])) a = attention_of(&p->layers[i]);
    const mn_rope *r = a ? &a->rope : NULL;
    if (p->layers[0].mixer.kind == MN_MIXER_MLA) r = &p->layers[0].mixer.u.mla.rope;
    double theta = gguf_real(c, "rope.freq_base", 10000);
    double local = gguf_real(c, "rope.freq_base_swa", 10000);
    if (is(c, "gemma4")) {
        put_gemma4_rope(c, o, theta, local);
        return;
    }
    if (is(c, "granitemoe granitemoehybrid"))
        put_word(o, "position_embedding_type", r && r->n_dims ? "rope" : "nope");
    if (!r || !r->n_dims) return;
    put_real(o, "rope_theta", theta);
    if (is(c, "gemma3")) put_real(o, "rope_local_base_freq", local);
    if (a && r == &a->rope && r->n_dims != a->head_dim) {
        double share = (double)r->n_dims / a->head_dim;
        put_real(o, "partial_rotary_factor", share);
        if (is(c, "minimax_m2")) put_int(o, "rotary_dim", r->n_dims);
        if (is(c, "gpt_neox")) put_real(o, "rotary_pct", share);
    }
    put_scaling(c, o, r, theta);
    put_sections(c, o);
}

/* ---- layers -------------------------------------------------------------------------------- */

static const char *layer_word(const mn_convert *c, const mn_layer *l)
{
    switch (l->mixer.kind) {
    case MN_MIXER_GATED_DELTA: return "linear_attention";
    case MN_MIXER_SHORT_CONV: return "conv";
    case MN_MIXER_MAMBA2: return "mamba";
    case MN_MIXER_NONE: return l->ffn.kind == MN_FFN_EXPERTS ? "moe" : "mlp";
    default: break;
    }
    const mn_attention *a = attention_of(l);
    if (is(c, "granitemoehybrid nemotron_h")) return "attention";
    return a && a->window ? "sliding_attention" : "full_attention";
}

static void put_layers(const mn_convert *c, json_t *o)
{
    const mn_plan *p = c->from;
    json_t *types = json_array(), *turns = json_array();
    char pattern[4097] = "";
    bool several = false;
    for (int32_t i = 0; i < p->n_layers; i++) {
        const char *word = layer_word(c, &p->layers[i]);
        const mn_attention *a = attention_of(&p->layers[i]);
        several |= strcmp(word, "full_attention") != 0;
        json_array_append_new(types, json_string(word));
        json_array_append_new(turns, json_integer(a && a->rope.n_dims));
        if (i < 4096) pattern[i] = "M*-E"[*word == 'a' ? 1 : !strcmp(word, "mlp") ? 2
                                          : !strcmp(word, "moe") ? 3 : 0];
    }
    if (is(c, "nemotron_h")) put_word(o, "hybrid_override_pattern", pattern);
    else if (several || is(c, "lfm2 lfm2_moe smollm3 gpt_oss"))
        json_object_set(o, "layer_types", types);
    if (is(c, "smollm3")) json_object_set(o, "no_rope_layers", turns);
    json_decref(types);
    json_decref(turns);
}

static void put_recurrent(const mn_convert *c, json_t *o)
{
    for (int32_t i = 0; i < c->from->n_layers; i++) {
        const mn_mixer *m = &c->from->layers[i].mixer;
        if (m->kind == MN_MIXER_GATED_DELTA) {
            put_int(o, "linear_value_head_dim", m->u.delta.value_dim);
            return;
        }
        if (m->kind != MN_MIXER_MAMBA2) continue;
        int64_t inner = (int64_t)m->u.mamba2.n_heads * m->u.mamba2.head_dim;
        if (is(c, "nemotron_h")) {
            put_int(o, "mamba_head_dim", m->u.mamba2.head_dim);
            return;
        }
        put_int(o, "mamba_d_head", m->u.mamba2.head_dim);
        if (!is(c, "falcon_h1")) {
            put_int(o, "mamba_expand", inner / c->from->hidden);
            return;
        }
        put_int(o, "mamba_d_ssm", inner);
        put_bool(o, "mamba_rms_norm", m->u.mamba2.norm.kind != MN_NORM_NONE);
        put_bool(o, "mamba_norm_before_gate", m->u.mamba2.norm_before_gate);
        return;
    }
}

static void put_latent(const mn_convert *c, json_t *o)
{
    const mn_plan *p = c->from;
    if (p->layers[0].mixer.kind != MN_MIXER_MLA) return;
    const mn_mla *m = &p->layers[0].mixer.u.mla;
    put_int(o, "qk_nope_head_dim", m->nope_dim);
    put_int(o, "qk_rope_head_dim", m->rope_dim);
    put_int(o, "v_head_dim", m->v_dim);
    put_int(o, "num_key_value_heads", m->n_heads);
    put_bool(o, "rope_interleave", m->rope.interleaved);
    if (mn_linear_present(&m->q)) json_object_set_new(o, "q_lora_rank", json_null());
    json_object_del(o, "head_dim");
}

static void put_mixture(const mn_convert *c, json_t *o)
{
    const mn_plan *p = c->from;
    for (int32_t i = 0; i < p->n_layers; i++) {
        const mn_experts *e = &p->layers[i].ffn.experts;
        if (p->layers[i].ffn.kind != MN_FFN_EXPERTS) continue;
        put_bool(o, "norm_topk_prob", e->normalise);
        if (is(c, "qwen2_moe qwen3_moe qwen3_next qwen3_5_moe")) {
            put_int(o, "decoder_sparse_step", 1);
            json_object_set_new(o, "mlp_only_layers", json_array());
        }
        if (is(c, "deepseek_v3 glm4_moe_lite")) {
            put_word(o, "scoring_func", e->route == MN_ROUTE_SIGMOID ? "sigmoid" : "softmax");
            put_word(o, "topk_method", "noaux_tc");
        }
        if (!is(c, "llama mixtral gpt_oss")) put_int(o, "moe_intermediate_size", e->up.rows);
        if (e->weight_scale != 0) put_real(o, "routed_scaling_factor", (double)e->weight_scale);
        if (is(c, "gpt_oss")) put_int(o, "intermediate_size", e->up.rows);
        return;
    }
}

/* ---- widths and words ---------------------------------------------------------------------- */

static void put_logged(mn_convert *c, json_t *o)
{
    for (int32_t i = 0; i < c->log.n; i++) {
        const mn_config_field *f = &c->log.fields[i];
        char key[128];
        if (!f->gguf || !f->hf || !strncmp(f->gguf, "rope.", 5)) continue;
        mn_form_key(c, f->hf, key);
        if (strchr(key, '.') || !*key || (!f->found && f->kind != MN_LOG_INTS)) continue;
        int32_t most = 0;
        switch (f->kind) {
        case MN_LOG_INT: put_int(o, key, f->integer); break;
        case MN_LOG_REAL: put_real(o, key, f->real); break;
        case MN_LOG_BOOL: put_bool(o, key, f->integer); break;
        case MN_LOG_WORD: if (f->word) put_word(o, key, f->word); break;
        case MN_LOG_INTS:
            for (int32_t k = 0; k < f->n; k++) most = f->integers[k] > most ? f->integers[k] : most;
            if (most) put_int(o, key, most);
            break;
        case MN_LOG_REALS: break;
        }
    }
}

static const char *act_word(mn_act act)
{
    switch (act) {
    case MN_ACT_GELU_TANH: return "gelu_pytorch_tanh";
    case MN_ACT_GELU_ERF: return "gelu";
    case MN_ACT_RELU: return "relu";
    case MN_ACT_RELU2: return "relu2";
    default: return "silu";
    }
}

static void put_widths(mn_convert *c, json_t *o)
{
    const mn_plan *p = c->from;
    char key[128];
    mn_form_key(c, "num_hidden_layers n_layer num_layers n_layers", key);
    put_int(o, key, p->n_layers);
    put_int(o, "vocab_size", p->vocab);
    const mn_attention *a = first_attention(p, false), *local = first_attention(p, true);
    if (!a) a = local;
    if (a) {
        put_int(o, "head_dim", is(c, "gemma4") && local ? local->head_dim : a->head_dim);
        if (is(c, "gemma4")) put_int(o, "global_head_dim", a->head_dim);
        if (!is(c, "gpt2 gpt_bigcode gpt_neox")) {
            put_int(o, "num_key_value_heads", a->n_kv_heads);
            put_bool(o, "attention_bias", a->q.bias != NULL);
        }
    }
    mn_act act = MN_ACT_SILU;
    for (int32_t i = p->n_layers - 1; i >= 0; i--) {
        const mn_ffn *f = &p->layers[i].ffn;
        if (f->kind == MN_FFN_EXPERTS) act = f->experts.act;
        if (f->kind != MN_FFN_DENSE) continue;
        act = f->dense.act;
        mn_form_key(c, "intermediate_size ffn_dim n_inner ffn_hidden_size", key);
        put_int(o, key, f->dense.up.w.rows);
        if (!is(c, "gpt2 gpt_bigcode gpt_neox")) put_bool(o, "mlp_bias", f->dense.up.bias != NULL);
    }
    put_word(o, is(c, "gemma2 gemma3 gemma4") ? "hidden_activation"
                : is(c, "nemotron_h") ? "mlp_hidden_act"
                : is(c, "gpt2 gpt_bigcode") ? "activation_function" : "hidden_act", act_word(act));
}

static void put_specials(mn_convert *c, json_t *o)
{
    const mn_plan *p = c->from;
    const mn_attention *a = first_attention(p, false);
    if (!a) a = first_attention(p, true);
    if (is(c, "gemma2 gemma3") && a)
        put_real(o, "query_pre_attn_scalar", 1 / ((double)a->scale * (double)a->scale));
    if (is(c, "gemma3")) json_object_set_new(o, "final_logit_softcapping", p->logit_softcap != 0
                                             ? json_real((double)p->logit_softcap) : json_null());
    if (is(c, "glm4_moe") && a) put_bool(o, "use_qk_norm", a->q_norm.kind != MN_NORM_NONE);
    if (is(c, "stablelm phi") && a) put_bool(o, "qk_layernorm", a->q_norm.kind != MN_NORM_NONE);
    if (is(c, "gpt_neox stablelm")) put_bool(o, "use_parallel_residual", p->layers[0].parallel_ffn);
    if (is(c, "starcoder2")) put_bool(o, "use_bias", true);
    if (is(c, "gpt_bigcode") && a) put_bool(o, "multi_query", a->n_kv_heads == 1);
    if (is(c, "lfm2")) {
        put_bool(o, "block_auto_adjust_ff_dim", false);
        put_int(o, "block_ff_dim", p->layers[0].ffn.dense.up.w.rows);
    }
    if (is(c, "minicpm")) {
        double residual = (double)p->layers[0].residual_scale;
        put_real(o, "scale_emb", p->embed_scale ? (double)p->embed_scale : 1);
        put_real(o, "scale_depth", (residual ? residual : 1) * sqrt((double)p->n_layers));
        put_real(o, "dim_model_base", (p->logit_scale ? (double)p->logit_scale : 1) * p->hidden);
    }
    if (is(c, "gemma4")) {
        bool k_eq_v = false, wide = false;
        for (int32_t i = 0; i < p->n_layers; i++) {
            const mn_layer *l = &p->layers[i];
            k_eq_v |= attention_of(l) && attention_of(l)->v_is_k;
            wide |= l->ffn.dense.up.w.rows != p->layers[0].ffn.dense.up.w.rows;
        }
        put_bool(o, "attention_k_eq_v", k_eq_v);
        put_bool(o, "use_double_wide_mlp", wide);
        put_int(o, "hidden_size_per_layer_input", p->ple_dim);
        if (p->ple_dim) put_int(o, "vocab_size_per_layer_input", p->ple_embed.rows);
        put_bool(o, "enable_moe_block", p->layers[0].ffn.kind == MN_FFN_EXPERTS);
    }
}

static void put_token_ids(const mn_convert *c, json_t *o)
{
    static const char *const ids[][2] = { { "bos", "bos_token_id" }, { "eos", "eos_token_id" },
                                          { "padding", "pad_token_id" } };
    for (int i = 0; i < 3; i++) {
        char key[64];
        int64_t v = -1;
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", ids[i][0]);
        mn_gguf_get_int(c->source->gguf, key, -1, &v, NULL);
        if (v >= 0) put_int(o, ids[i][1], v);
    }
}

json_t *mn_hf_config_make(mn_convert *c)
{
    const mn_plan *p = c->from;
    if (c->source->kind == MN_SOURCE_DIR) return from_dir(c);
    json_t *o = json_object();
    bool windows = first_attention(p, true) != NULL, full = first_attention(p, false) != NULL;
    put_word(o, "model_type", is(c, "olmo2") && windows ? "olmo3"
                              : is(c, "llama") && p->layers[0].ffn.kind == MN_FFN_EXPERTS
                                    ? "mixtral" : mn_form_arch(c));
    put_logged(c, o);
    put_widths(c, o);
    put_rope(c, o);
    if (windows || !full || is(c, "lfm2 lfm2_moe smollm3 gpt_oss granitemoehybrid qwen3_next qwen3_5 "
                                  "qwen3_5_moe nemotron_h")) put_layers(c, o);
    put_recurrent(c, o);
    put_latent(c, o);
    put_mixture(c, o);
    put_specials(c, o);
    put_token_ids(c, o);
    put_bool(o, "tie_word_embeddings", p->head.w.data == p->embed.data);
    put_word(o, "torch_dtype", p->embed.type == MN_F16 || p->embed.type > MN_BF16 ? "float16"
                               : p->embed.type == MN_F32 ? "float32" : "bfloat16");
    return o;
}
