/* Gemma 4 (text): two kinds of attention layers with heads of different width, the last
 * layers reading the cache of earlier ones, a small embedding per layer, and, in some, a
 * mixture of experts beside the dense feed-forward.
 *
 * Norms multiply by w itself.  q, k and v are normed per head (v without a weight), and the
 * scores are not scaled.  With attention_k_eq_v the global layers have no v projection:
 * their values are the keys before norm and rope. */
#include "model/arch.h"

#include <math.h>
#include <stdio.h>

typedef struct {
    mn_dims d;
    const int32_t *slides;      /* per layer */
    const int32_t *head_dims, *kv_heads, *ffn;
    int32_t window, first_shared, ple_dim;
    bool k_eq_v, mixture;
    mn_moe moe;
    mn_act act;
    mn_rope global, local;
} gemma4;

/* A layer's own value of a field, where per_layer_config has one. */
static int64_t layer_field(mn_build *b, int layer, const char *field, int64_t fallback, int64_t max)
{
    char path[96];
    snprintf(path, sizeof path, "per_layer_config.%d.%s", layer, field);
    return b->gguf ? fallback : mn_config_int(b, NULL, path, fallback, 1, max);
}

static void read_layers(mn_build *b, gemma4 *g)
{
    int32_t n = g->d.n_layers;
    int32_t *dims = mn_build_alloc(b, (size_t)n, sizeof *dims);
    int32_t *kv = mn_build_alloc(b, (size_t)n, sizeof *kv);
    int32_t *ffn = mn_build_alloc(b, (size_t)n, sizeof *ffn);
    int32_t *slides = mn_build_alloc(b, (size_t)n, sizeof *slides);
    const int32_t *listed = mn_build_sliding(b, n, 6);
    if (b->status) return;
    /* GGUF: key_length is the global layers', key_length_swa the others' */
    int64_t local = b->gguf ? mn_config_int(b, "attention.key_length_swa", NULL, g->d.head_dim, 1,
                                            1 << 14) : g->d.head_dim;
    int64_t global = b->gguf ? g->d.head_dim
                             : mn_config_int(b, NULL, "global_head_dim", 512, 1, 1 << 14);
    int64_t global_kv = mn_config_int(b, NULL, "num_global_key_value_heads", 0, 1, 1 << 16);
    bool wide = mn_config_bool(b, NULL, "use_double_wide_mlp", false);
    for (int32_t i = 0; i < n && !b->status; i++) {
        slides[i] = listed[i] && (b->gguf || i + 1 < n);
        dims[i] = (int32_t)layer_field(b, i, "head_dim", slides[i] ? local : global, 1 << 14);
        kv[i] = g->d.n_kv_heads[i];
        if (!slides[i] && g->k_eq_v && global_kv) kv[i] = (int32_t)global_kv;
        kv[i] = (int32_t)layer_field(b, i, "num_key_value_heads", kv[i], 1 << 16);
        ffn[i] = g->d.ffn[i] * (wide && i >= g->first_shared && g->first_shared > 0 ? 2 : 1);
    }
    g->slides = slides;
    g->head_dims = dims;
    g->kv_heads = kv;
    g->ffn = ffn;
}

/* The last layer of the same kind that has a cache of its own, counted from 1. */
static int32_t cache_of(mn_build *b, const gemma4 *g, int32_t layer)
{
    for (int32_t i = g->first_shared - 1; i >= 0; i--)
        if (g->slides[i] == g->slides[layer]) return i + 1;
    mn_build_invalid(b, "layer %d shares a cache, but no layer of its kind has one", layer);
    return 0;
}

static void build_attention(mn_build *b, const gemma4 *g, mn_mixer *mixer)
{
    int i = b->layer;
    mn_attention *a = &mixer->u.attention;
    int64_t dim = g->head_dims[i], q = g->d.n_heads[i] * dim, kv = g->kv_heads[i] * dim;
    mixer->kind = MN_MIXER_ATTENTION;
    a->n_heads = g->d.n_heads[i];
    a->n_kv_heads = g->kv_heads[i];
    a->head_dim = a->v_head_dim = (int32_t)dim;
    a->scale = 1;
    a->window = g->slides[i] ? g->window : 0;
    a->rope = g->slides[i] ? g->local : g->global;
    mn_bind_linear(b, &a->q, "attn_q", "self_attn.q_proj", q, g->d.hidden);
    mn_bind_linear(b, &a->o, "attn_output", "self_attn.o_proj", g->d.hidden, q);
    mn_bind_norm(b, &a->q_norm, MN_NORM_RMS, g->d.eps, "attn_q_norm", "self_attn.q_norm", dim, 0);
    if (i >= g->first_shared) {
        mn_linear unused;           /* some files hold them all the same */
        a->kv_from_layer = cache_of(b, g, i);
        mn_bind_linear_optional(b, &unused, "attn_k", "self_attn.k_proj", kv, g->d.hidden);
        mn_bind_linear_optional(b, &unused, "attn_v", "self_attn.v_proj", kv, g->d.hidden);
        mn_bind_find(b, "attn_k_norm", "self_attn.k_norm", ".weight");
        return;
    }
    mn_bind_linear(b, &a->k, "attn_k", "self_attn.k_proj", kv, g->d.hidden);
    a->v_is_k = b->gguf ? !mn_bind_has(b, "attn_v", NULL) : g->k_eq_v && !g->slides[i];
    if (!a->v_is_k) mn_bind_linear(b, &a->v, "attn_v", "self_attn.v_proj", kv, g->d.hidden);
    mn_bind_norm(b, &a->k_norm, MN_NORM_RMS, g->d.eps, "attn_k_norm", "self_attn.k_norm", dim, 0);
    a->v_norm = (mn_norm){ .kind = MN_NORM_RMS, .eps = (float)g->d.eps, .n = (int32_t)dim };
}

/* The router reads the un-normed residual: norm without weight, times scale / sqrt(hidden). */
static void build_mixture(mn_build *b, const gemma4 *g, mn_ffn *f)
{
    mn_experts *e = &f->experts;
    int64_t hidden = g->d.hidden;
    double eps = g->d.eps;
    mn_build_moe(b, f, &g->moe, "", "router.proj", hidden, g->act);
    e->router_norm = (mn_norm){ .kind = MN_NORM_RMS, .eps = (float)eps, .n = (int32_t)hidden };
    const float *scale = mn_bind_vector(b, "ffn_gate_inp.scale", "router.scale", hidden, 0);
    float *in = mn_build_alloc(b, (size_t)hidden, sizeof *in);
    for (int64_t i = 0; in && i < hidden; i++) in[i] = scale[i] / sqrtf((float)hidden);
    e->router_in_scale = in;
    e->expert_scale = mn_bind_vector(b, "ffn_down_exps.scale", "router.per_expert_scale",
                                     e->n_experts, b->gguf ? MN_VECTOR_OPTIONAL : 0);
    f->experts_read_residual = true;
    mn_bind_norm(b, &f->dense_out_norm, MN_NORM_RMS, eps, "post_ffw_norm_1",
                 "post_feedforward_layernorm_1", hidden, 0);
    mn_bind_norm(b, &f->experts_in_norm, MN_NORM_RMS, eps, "pre_ffw_norm_2",
                 "pre_feedforward_layernorm_2", hidden, 0);
    mn_bind_norm(b, &f->experts_out_norm, MN_NORM_RMS, eps, "post_ffw_norm_2",
                 "post_feedforward_layernorm_2", hidden, 0);
}

static void build_layer(mn_build *b, const gemma4 *g, mn_layer *l)
{
    int64_t hidden = g->d.hidden;
    double eps = g->d.eps;
    mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, eps, "attn_norm", "input_layernorm", hidden, 0);
    build_attention(b, g, &l->mixer);
    mn_bind_norm(b, &l->post_mixer_norm, MN_NORM_RMS, eps, "post_attention_norm",
                 "post_attention_layernorm", hidden, 0);
    mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, eps, "ffn_norm", "pre_feedforward_layernorm",
                 hidden, 0);
    l->ffn.kind = MN_FFN_DENSE;
    mn_build_dense(b, &l->ffn.dense, "", "mlp.", hidden, g->ffn[b->layer], g->act);
    if (g->mixture) build_mixture(b, g, &l->ffn);
    mn_bind_norm(b, &l->post_ffn_norm, MN_NORM_RMS, eps, "post_ffw_norm",
                 "post_feedforward_layernorm", hidden, 0);
    if (g->ple_dim) {
        l->ple.act = g->act;
        mn_bind_linear(b, &l->ple.gate, "inp_gate", "per_layer_input_gate", g->ple_dim, hidden);
        mn_bind_linear(b, &l->ple.proj, "proj", "per_layer_projection", hidden, g->ple_dim);
        mn_bind_norm(b, &l->ple.post_norm, MN_NORM_RMS, eps, "post_norm",
                     "post_per_layer_input_norm", hidden, 0);
    }
    const float *scale = mn_bind_vector(b, "layer_output_scale.weight", "layer_scalar", 1,
                                        MN_VECTOR_OPTIONAL);
    if (scale) l->layer_scale = *scale;
    if (scale && *scale == 0)
        mn_build_unsupported(b, "layer %d: an output scale of 0 is not implemented", b->layer);
}

static void build_per_layer_embedding(mn_build *b, const gemma4 *g)
{
    mn_plan *p = b->plan;
    int64_t width = (int64_t)g->ple_dim * g->d.n_layers;
    int64_t vocab = b->gguf ? g->d.vocab
                            : mn_config_int(b, NULL, "vocab_size_per_layer_input", 262144, 1,
                                            1 << 24);
    p->ple_dim = g->ple_dim;
    p->ple_embed_scale = sqrtf((float)g->ple_dim);
    p->ple_proj_scale = 1 / sqrtf((float)g->d.hidden);
    p->ple_mix_scale = (float)sqrt(0.5);
    mn_bind_weight(b, &p->ple_embed, "per_layer_token_embd", "embed_tokens_per_layer", 0, vocab,
                   width);
    mn_bind_linear(b, &p->ple_model_proj, "per_layer_model_proj", "per_layer_model_projection",
                   width, g->d.hidden);
    p->ple_input_bf16 = b->gguf && p->ple_model_proj.w.type == MN_BF16;
    mn_bind_norm(b, &p->ple_proj_norm, MN_NORM_RMS, g->d.eps, "per_layer_proj_norm",
                 "per_layer_projection_norm", g->ple_dim, 0);
}

void mn_arch_gemma4(mn_build *b)
{
    static const mn_dims_default def = {
        .vocab = 262144, .hidden = 2304, .n_layers = 30, .n_heads = 8, .n_kv_heads = 4,
        .head_dim = 256, .ffn = 9216, .context = 131072, .eps = 1e-6
    };
    gemma4 g = { 0 };
    mn_plan *p = b->plan;
    mn_build_dims(b, &g.d, &def);
    const char *both_ways = mn_config_word(b, NULL, "use_bidirectional_attention", "vision");
    if (both_ways[0] == 'a')
        mn_build_unsupported(b, "config.json: use_bidirectional_attention: \"all\" is not "
                             "implemented");
    g.act = mn_config_act(b, NULL, "hidden_activation", MN_ACT_GELU_TANH);
    g.window = mn_build_window(b, "attention.sliding_window", "sliding_window", 512);
    g.k_eq_v = mn_config_bool(b, NULL, "attention_k_eq_v", false);
    g.mixture = b->gguf ? mn_config_int(b, "expert_count", NULL, 0, 0, 1 << 14) > 0
                        : mn_config_bool(b, NULL, "enable_moe_block", false);
    g.ple_dim = (int32_t)mn_config_int(b, "embedding_length_per_layer_input",
                                       "hidden_size_per_layer_input", b->gguf ? 0 : 256, 0, 1 << 16);
    g.first_shared = g.d.n_layers -
        (int32_t)mn_config_int(b, "attention.shared_kv_layers", "num_kv_shared_layers", 0, 0,
                               g.d.n_layers);
    if (g.mixture)
        mn_build_moe_fields(b, &g.moe, &(mn_moe){ .normalise = true });
    read_layers(b, &g);
    if (b->status) return;
    p->embed_scale = sqrtf((float)g.d.hidden);
    p->logit_softcap = (float)mn_build_softcap(b, "final_logit_softcapping",
                                               "final_logit_softcapping", 0);
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, g.d.vocab, g.d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, g.d.eps, "output_norm", "norm", g.d.hidden, 0);
    mn_build_head(b, &g.d, true);
    if (g.ple_dim) build_per_layer_embedding(b, &g);
    for (int32_t i = 0; i < g.d.n_layers; i++) {
        bool local = g.slides[i];
        mn_rope *rope = local ? &g.local : &g.global;
        if (rope->n_dims) continue;
        mn_rope_build(b, rope, &(mn_rope_request){
            .head_dim = g.head_dims[i], .theta = local ? 1e4 : 1e6,
            .layer_type = local ? "sliding_attention" : "full_attention",
            .theta_hf = "", .unscaled = local, .whole_head = true,
            .absent_type = local ? NULL : "proportional", .absent_partial = local ? 0 : 0.25,
            .theta_gguf = local ? "rope.freq_base_swa" : NULL,
            .dims_gguf = local ? "rope.dimension_count_swa" : NULL });
    }
    for (int32_t i = 0; i < g.d.n_layers && !b->status; i++) {
        b->layer = i;
        build_layer(b, &g, &p->layers[i]);
    }
}
