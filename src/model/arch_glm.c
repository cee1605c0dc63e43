/* GLM-4 dense (glm, glm4) and GLM-4.5 / 4.6 (glm4_moe).
 *
 * The dense ones turn half of each head in interleaved pairs, and glm4 norms what comes
 * out of mixer and feed-forward as well.  The mixtures turn it in halves, route by sigmoid
 * with a selection bias, and have dense layers first. */
#include "model/arch.h"

static void build_mixture(mn_build *b, mn_layer *l, const mn_dims *d, const mn_moe *m, mn_act act)
{
    mn_build_moe(b, &l->ffn, m, "mlp.", "mlp.gate", d->hidden, act);
    mn_build_shared(b, &l->ffn, m, "mlp.shared_experts.", d->hidden, act);
}

void mn_arch_glm(mn_build *b)
{
    static const mn_dims_default glm = {
        .vocab = 151552, .hidden = 4096, .n_layers = 40, .n_heads = 32, .n_kv_heads = 2,
        .head_dim = 128, .ffn = 13696, .context = 131072, .eps = 1.5625e-7
    }, glm_moe = {
        .vocab = 151552, .hidden = 4096, .n_layers = 46, .n_heads = 96, .n_kv_heads = 8,
        .ffn = 10944, .context = 131072, .eps = 1e-5
    };
    static const mn_moe experts = {
        .n_experts = 128, .n_used = 8, .width = 1408, .n_shared = 1, .n_groups = 1,
        .n_groups_used = 1, .route = MN_ROUTE_SIGMOID, .normalise = true
    };
    bool mixture = mn_is(b, "glm4_moe"), sandwich = mn_is(b, "glm4");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_moe m = { 0 };
    mn_build_dims(b, &d, mixture ? &glm_moe : &glm);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, false);
    int32_t dense_layers = d.n_layers;
    if (mixture) {
        mn_build_moe_fields(b, &m, &experts);
        dense_layers = (int32_t)mn_config_int(b, "leading_dense_block_count",
                                              "first_k_dense_replace", b->gguf ? 0 : 1, 0, 1 << 20);
    }
    mn_rope rope = { 0 };
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim, .interleaved = !mixture,
                                                .partial = 0.5 });
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                             d.n_kv_heads[i], d.head_dim, d.v_head_dim);
        a->rope = rope;
        if (mixture && (b->gguf || mn_config_bool(b, NULL, "use_qk_norm", false)))
            mn_build_qk_norms(b, a, d.eps, d.head_dim, d.head_dim,
                              b->gguf ? MN_VECTOR_OPTIONAL : 0);
        if (sandwich) {
            mn_bind_norm(b, &l->post_mixer_norm, MN_NORM_RMS, d.eps, "post_attention_norm",
                         "post_self_attn_layernorm", d.hidden, 0);
            mn_bind_norm(b, &l->post_ffn_norm, MN_NORM_RMS, d.eps, "post_ffw_norm",
                         "post_mlp_layernorm", d.hidden, 0);
        }
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps,
                     mixture ? "post_attention_norm" : "ffn_norm", "post_attention_layernorm",
                     d.hidden, 0);
        l->ffn.kind = MN_FFN_DENSE;
        if (i < dense_layers) mn_build_dense(b, &l->ffn.dense, "", "mlp.", d.hidden, d.ffn[i], act);
        else build_mixture(b, l, &d, &m, act);
    }
}
