/* DeepSeek V2 and V3 and what shares their layout (GLM-4.7-Flash as glm4_moe_lite, Kimi K2):
 * latent attention and a mixture with shared experts behind the first dense layers.
 *
 * In GGUF all are called deepseek2, and the routing is a field.  GLM-4.7-Flash files may lack
 * it; llama.cpp knows them by their sizes, and so do we.
 * The latent's norms have an epsilon of their own in HF (1e-6, whatever the config says);
 * llama.cpp uses the config's.  GGUF splits kv_b into k_b (transposed) and v_b, and so does
 * mlx-lm (embed_q, unembed_out).  YaRN's mscale_all_dim raises the scale of the scores;
 * GGUF stores a tenth of it in yarn_log_multiplier. */
#include "model/arch.h"

#include <math.h>
#include <string.h>

typedef struct {
    int32_t q_rank, kv_rank, nope, rope, v;
    double eps, scale;
    mn_rope turn;
} latent;

/* How much YaRN raises the scores: (0.1 m ln(factor) + 1)^2, m: mscale_all_dim.  llama.cpp
 * takes m = 1 where the file has no multiplier, and an attn_factor along. */
static double yarn_raise(mn_build *b)
{
    double factor = 1, all_dim = 0, attn = 1;
    if (b->gguf) {
        const char *type = mn_config_word(b, "rope.scaling.type", NULL, "");
        if (strcmp(type, "yarn")) return 1;
        factor = mn_config_real(b, "rope.scaling.factor", NULL, 1, 0, 1e6);
        attn = mn_config_real(b, "rope.scaling.attn_factor", NULL, 1, 1e-3, 1e3);
        all_dim = 10 * mn_config_real(b, "rope.scaling.yarn_log_multiplier", NULL, 0, -1e3, 1e3);
        if (all_dim == 0) all_dim = 1;
    } else {
        static const char type_keys[] = "rope_scaling.rope_type rope_scaling.type "
                                        "rope_parameters.rope_type rope_parameters.type";
        const char *type = mn_config_word(b, NULL, type_keys, "default");
        if (!strcmp(type, "default")) return 1;
        factor = mn_config_real(b, NULL, "rope_scaling.factor rope_parameters.factor", 1, 0, 1e6);
        all_dim = mn_config_real(b, NULL, "rope_scaling.mscale_all_dim "
                                 "rope_parameters.mscale_all_dim", 0, 0, 1e3);
    }
    double m = factor <= 1 || all_dim == 0 ? attn : attn * (0.1 * all_dim * log(factor) + 1);
    return m * m;
}

static void read_latent(mn_build *b, latent *t, const mn_dims *d)
{
    bool v2 = mn_is(b, "deepseek_v2"), lite = mn_is(b, "glm4_moe_lite");
    int64_t q_rank = b->gguf ? 0 : lite ? 768 : 1536;
    if (mn_config_null(b, "q_lora_rank")) q_rank = 0;
    t->q_rank = (int32_t)mn_config_int(b, "attention.q_lora_rank", "q_lora_rank", q_rank, 0,
                                       1 << 20);
    t->kv_rank = (int32_t)mn_config_int(b, "attention.kv_lora_rank", "kv_lora_rank",
                                        b->gguf ? MN_REQUIRED_INT : 512, 1, 1 << 20);
    t->rope = (int32_t)mn_config_int(b, "rope.dimension_count", "qk_rope_head_dim",
                                     b->gguf ? MN_REQUIRED_INT : 64, 2, 1 << 14);
    if (b->gguf) {      /* files from before k_b and v_b were split have no *_mla keys */
        int64_t whole = mn_config_int(b, "attention.key_length_mla", NULL, d->head_dim, 1, 1 << 14);
        t->nope = (int32_t)(whole - t->rope);
        t->v = (int32_t)mn_config_int(b, "attention.value_length_mla", NULL, d->v_head_dim, 1,
                                      1 << 14);
    } else {
        t->nope = (int32_t)mn_config_int(b, NULL, "qk_nope_head_dim", lite ? 192 : 128, 1, 1 << 14);
        t->v = (int32_t)mn_config_int(b, NULL, "v_head_dim", lite ? 256 : 128, 1, 1 << 14);
    }
    if (!b->status && t->nope < 1)
        mn_build_invalid(b, "attention: keys wider than their %d turned dimensions expected, %d "
                         "found", t->rope, t->nope + t->rope);
    t->eps = b->gguf ? d->eps : 1e-6;
    t->scale = yarn_raise(b) / sqrt((double)(t->nope + t->rope));
    bool pairs = b->gguf || v2 || mn_config_bool(b, NULL, "rope_interleave", true);
    mn_rope_build(b, &t->turn, &(mn_rope_request){ .head_dim = t->rope, .interleaved = pairs,
                                                   .whole_head = v2, .log_mul_unit = 10,
                                                   .log_mul_cancels = true });
}

static void build_latent(mn_build *b, mn_mixer *mixer, const latent *t, int32_t heads,
                         int64_t hidden)
{
    mn_mla *m = &mixer->u.mla;
    int64_t q = (int64_t)heads * (t->nope + t->rope);
    mixer->kind = MN_MIXER_MLA;
    m->n_heads = heads;
    m->nope_dim = t->nope;
    m->rope_dim = t->rope;
    m->v_dim = t->v;
    m->kv_rank = t->kv_rank;
    m->rope = t->turn;
    m->scale = (float)t->scale;
    if (t->q_rank && !(b->gguf && mn_bind_has(b, "attn_q", NULL))) {
        mn_bind_linear(b, &m->q_a, "attn_q_a", "self_attn.q_a_proj", t->q_rank, hidden);
        mn_bind_norm(b, &m->q_a_norm, MN_NORM_RMS, t->eps, "attn_q_a_norm",
                     "self_attn.q_a_layernorm", t->q_rank, 0);
        mn_bind_linear(b, &m->q_b, "attn_q_b", "self_attn.q_b_proj", q, t->q_rank);
    } else {
        mn_bind_linear(b, &m->q, "attn_q", "self_attn.q_proj", q, hidden);
    }
    mn_bind_linear(b, &m->kv_a, "attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa",
                   t->kv_rank + t->rope, hidden);
    mn_bind_norm(b, &m->kv_a_norm, MN_NORM_RMS, t->eps, "attn_kv_a_norm",
                 "self_attn.kv_a_layernorm", t->kv_rank, 0);
    if (mn_bind_has(b, "attn_kv_b", "self_attn.kv_b_proj") ||
        !mn_bind_has(b, "attn_k_b", "self_attn.embed_q")) {
        mn_bind_weight(b, &m->kv_b, "attn_kv_b", "self_attn.kv_b_proj", 0,
                       (int64_t)heads * (t->nope + t->v), t->kv_rank);
    } else {
        mn_bind_weight(b, &m->k_b, "attn_k_b", "self_attn.embed_q", heads, t->kv_rank, t->nope);
        mn_bind_weight(b, &m->v_b, "attn_v_b", "self_attn.unembed_out", heads, t->v, t->kv_rank);
    }
    mn_bind_linear(b, &m->o, "attn_output", "self_attn.o_proj", hidden, (int64_t)heads * t->v);
}

static void read_mixture(mn_build *b, mn_moe *m)
{
    static const mn_moe v3 = {
        .n_experts = 256, .n_used = 8, .width = 2048, .n_shared = 1, .n_groups = 8,
        .n_groups_used = 4, .route = MN_ROUTE_SIGMOID, .normalise = true, .scale = 2.5
    }, v2 = {
        .n_experts = 64, .width = 1407, .n_shared = 2, .route = MN_ROUTE_SOFTMAX_TOPK
    }, lite = {
        .n_experts = 64, .n_used = 4, .width = 1536, .n_shared = 1, .n_groups = 1,
        .n_groups_used = 1, .route = MN_ROUTE_SIGMOID, .normalise = true, .scale = 1.8
    }, gguf = { .route = MN_ROUTE_SOFTMAX_TOPK };
    bool second = mn_is(b, "deepseek_v2");
    mn_build_moe_fields(b, m, b->gguf ? &gguf : second ? &v2 : mn_is(b, "glm4_moe_lite") ? &lite
                                                                                     : &v3);
    int64_t layers = b->plan->n_layers, vocab = b->plan->vocab;
    if (b->gguf && !mn_config_has(b, "expert_gating_func", NULL) && vocab == 154880 &&
        (layers == 47 || layers == 48))
        m->route = MN_ROUTE_SIGMOID;
    if (b->gguf) return;
    /* transformers' V2 never normalises, and groups only with this method */
    const char *method = mn_config_word(b, NULL, "topk_method", second ? "greedy" : "noaux_tc");
    const char *scoring = mn_config_word(b, NULL, "scoring_func", second ? "softmax" : "sigmoid");
    if (strcmp(scoring, second ? "softmax" : "sigmoid"))
        mn_build_unsupported(b, "config.json: scoring_func: \"%.40s\" is not implemented", scoring);
    if (second) {
        m->normalise = false;
        if (!strcmp(method, "greedy")) m->n_groups = m->n_groups_used = 0;
    }
    if (strcmp(method, "greedy") && strcmp(method, "group_limited_greedy") &&
        strcmp(method, "noaux_tc"))
        mn_build_unsupported(b, "config.json: topk_method: \"%.40s\" is not implemented", method);
}

void mn_arch_deepseek(mn_build *b)
{
    static const mn_dims_default v2 = {
        .vocab = 102400, .hidden = 4096, .n_layers = 32, .n_heads = 32, .ffn = 11008,
        .context = 2048, .eps = 1e-6
    }, v3 = {
        .vocab = 129280, .hidden = 7168, .n_layers = 61, .n_heads = 128, .n_kv_heads = 128,
        .ffn = 18432, .context = 4096, .eps = 1e-6
    }, lite = {
        .vocab = 154880, .hidden = 2048, .n_layers = 47, .n_heads = 20, .n_kv_heads = 20,
        .ffn = 10240, .context = 202752, .eps = 1e-5
    };
    static const char *const kinds[] = { "dense", "sparse", NULL };
    bool second = mn_is(b, "deepseek_v2"), flash = mn_is(b, "glm4_moe_lite");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_moe m = { 0 };
    latent t = { 0 };
    mn_build_dims(b, &d, second ? &v2 : flash ? &lite : &v3);
    mn_config_refuse(b, "attention.temperature_scale", "llama_4_scaling", 0);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    read_latent(b, &t, &d);
    bool mixture = !b->gguf || mn_config_has(b, "expert_count", NULL);
    if (mixture) read_mixture(b, &m);
    int64_t first = b->gguf ? 0 : second ? 0 : flash ? 1 : 3;
    first = mn_config_int(b, "leading_dense_block_count", "first_k_dense_replace", first, 0,
                          1 << 20);
    const int32_t *listed = flash ? mn_config_layer_types(b, "mlp_layer_types", kinds, d.n_layers)
                                  : NULL;
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, false);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        build_latent(b, &l->mixer, &t, d.n_heads[i], d.hidden);
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm", "post_attention_layernorm",
                     d.hidden, 0);
        if (!mixture || (listed ? listed[i] == 0 : i < first)) {
            l->ffn.kind = MN_FFN_DENSE;
            mn_build_dense(b, &l->ffn.dense, "", "mlp.", d.hidden, d.ffn[i], act);
            continue;
        }
        mn_build_moe(b, &l->ffn, &m, "mlp.", "mlp.gate", d.hidden, act);
        /* llama.cpp adds up a group's best two, whatever the routing */
        l->ffn.experts.group_by_max = m.route == MN_ROUTE_SOFTMAX_TOPK && !b->gguf;
        mn_build_shared(b, &l->ffn, &m, "mlp.shared_experts.", d.hidden, act);
    }
}
