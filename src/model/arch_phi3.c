/* Phi-3 and Phi-4-mini: Llama's decoder with q, k, v in one tensor and gate and up in
 * another, LongRoPE, and a rope over part of the head (Phi-4-mini).
 *
 * A sliding window holds everywhere in HF files; llama.cpp switches it off. */
#include "model/arch.h"

void mn_arch_phi3(mn_build *b)
{
    static const mn_dims_default def = {
        .vocab = 32064, .hidden = 3072, .n_layers = 32, .n_heads = 32, .ffn = 8192,
        .context = 4096, .eps = 1e-5
    };
    mn_plan *p = b->plan;
    mn_dims d;
    mn_build_dims(b, &d, &def);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, false);
    mn_rope rope = { 0 };
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim, .su_is_longrope = true });
    int32_t window = b->gguf ? 0 : mn_build_window(b, NULL, "sliding_window", 0);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                             d.n_kv_heads[i], d.head_dim, d.v_head_dim);
        a->rope = rope;
        a->window = window;
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm", "post_attention_layernorm",
                     d.hidden, 0);
        l->ffn.kind = MN_FFN_DENSE;
        mn_build_dense(b, &l->ffn.dense, "", "mlp.", d.hidden, d.ffn[i], act);
    }
}
