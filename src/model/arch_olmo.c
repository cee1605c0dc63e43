/* OLMo 2 and 3, and OLMoE.
 *
 * OLMo 2 norms what comes out of mixer and feed-forward, not what goes in, and norms q and
 * k over all heads at once.  OLMo 3 adds windows on three of four layers, where the rope is
 * not scaled.  OLMoE norms the input as Llama does and q and k as OLMo 2 does. */
#include "model/arch.h"

void mn_arch_olmo(mn_build *b)
{
    static const mn_dims_default olmo2 = {
        .vocab = 50304, .hidden = 4096, .n_layers = 32, .n_heads = 32, .ffn = 11008,
        .context = 2048, .eps = 1e-5
    }, olmoe = {
        .vocab = 50304, .hidden = 2048, .n_layers = 16, .n_heads = 16, .ffn = 2048,
        .context = 4096, .eps = 1e-5
    };
    bool mixture = mn_is(b, "olmoe"), third = mn_is(b, "olmo3");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_moe m = { 0 };
    mn_build_dims(b, &d, mixture ? &olmoe : &olmo2);
    mn_config_refuse(b, "attention.clamp_kqv", "clip_qkv", 0);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    if (mixture)
        mn_build_moe_fields(b, &m, &(mn_moe){ .n_experts = 64, .n_used = 8,
                                              .width = d.n_layers ? d.ffn[0] : 1 });
    if (mixture && b->gguf) m.normalise = false;
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, false);

    mn_rope global = { 0 }, local = { 0 };
    double theta = third && !b->gguf ? 5e5 : 0;
    mn_rope_build(b, &global, &(mn_rope_request){ .head_dim = d.head_dim, .theta = theta });
    int32_t window = 0;         /* GGUF files of both are called olmo2 */
    if (third || (b->gguf && !mixture))
        window = mn_build_window(b, "attention.sliding_window", "sliding_window",
                                 b->gguf ? 0 : 4096);
    const int32_t *slides = window ? mn_build_sliding(b, d.n_layers, 4) : NULL;
    if (slides)
        mn_rope_build(b, &local, &(mn_rope_request){
            .head_dim = d.head_dim, .theta = theta, .layer_type = "sliding_attention",
            .unscaled = true });
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        int64_t q = (int64_t)d.n_heads[i] * d.head_dim, k = (int64_t)d.n_kv_heads[i] * d.head_dim;
        bool here = slides && slides[i];
        mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                             d.n_kv_heads[i], d.head_dim, d.v_head_dim);
        mn_build_qk_norms(b, a, d.eps, q, k, 0);
        a->rope = here ? local : global;
        a->window = here ? window : 0;
        if (mixture) {
            mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                         d.hidden, 0);
            mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm",
                         "post_attention_layernorm", d.hidden, 0);
            mn_build_moe(b, &l->ffn, &m, "mlp.", "mlp.gate", d.hidden, act);
            continue;
        }
        mn_bind_norm(b, &l->post_mixer_norm, MN_NORM_RMS, d.eps, "post_attention_norm",
                     "post_attention_layernorm", d.hidden, 0);
        mn_bind_norm(b, &l->post_ffn_norm, MN_NORM_RMS, d.eps, "post_ffw_norm",
                     "post_feedforward_layernorm", d.hidden, 0);
        l->ffn.kind = MN_FFN_DENSE;
        mn_build_dense(b, &l->ffn.dense, "", "mlp.", d.hidden, d.ffn[i], act);
    }
}
