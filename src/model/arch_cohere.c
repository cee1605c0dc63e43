/* Command R (cohere) and Command R7B / A (cohere2): mixer and feed-forward side by side
 * behind one LayerNorm without bias, interleaved rope, scaled logits.
 *
 * cohere may norm q and k per head, each head with its own weights.  cohere2 slides on
 * three of four layers and turns heads only there. */
#include "model/arch.h"

void mn_arch_cohere(mn_build *b)
{
    static const mn_dims_default def = {
        .vocab = 256000, .hidden = 8192, .n_layers = 40, .n_heads = 64, .ffn = 22528,
        .context = 8192, .eps = 1e-5
    };
    bool second = mn_is(b, "cohere2");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_build_dims(b, &d, &def);
    if (second && !b->gguf && d.n_layers)       /* the class computes it, whatever is written */
        d.head_dim = d.v_head_dim = d.hidden / d.n_heads[0];
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    p->logit_scale = (float)mn_config_real(b, "logit_scale", "logit_scale", 0.0625, 1e-9, 1e9);
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_LAYER, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, true);
    mn_rope rope = { 0 };
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim, .interleaved = true,
                                                .theta = second || b->gguf ? 0 : 5e5 });
    int32_t window = !second ? 0 : mn_build_window(b, "attention.sliding_window",
                                                   "sliding_window", b->gguf ? 0 : 4096);
    const int32_t *slides = second ? mn_build_sliding(b, d.n_layers, 4) : NULL;
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_LAYER, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                             d.n_kv_heads[i], d.head_dim, d.v_head_dim);
        if (second) a->window = slides[i] ? window : 0;
        if (!second || a->window) a->rope = rope;
        if (!second && mn_bind_has(b, "attn_q_norm", "self_attn.q_norm")) {
            mn_bind_norm(b, &a->q_norm, MN_NORM_LAYER, d.eps, "attn_q_norm", "self_attn.q_norm",
                         (int64_t)d.n_heads[i] * d.head_dim, 0);
            mn_bind_norm(b, &a->k_norm, MN_NORM_LAYER, d.eps, "attn_k_norm", "self_attn.k_norm",
                         (int64_t)d.n_kv_heads[i] * d.head_dim, 0);
            a->q_norm.n = a->k_norm.n = d.head_dim;
            a->q_norm.per_group_weight = a->k_norm.per_group_weight = true;
        }
        l->parallel_ffn = true;
        l->ffn.kind = MN_FFN_DENSE;
        mn_build_dense(b, &l->ffn.dense, "", "mlp.", d.hidden, d.ffn[i], act);
    }
}
