/* Qwen 2, 2.5 and 3: Llama's decoder with biases on q, k, v (Qwen 2) or a norm per head
 * before the rope (Qwen 3).  A sliding window, where it is switched on, holds for the
 * layers from max_window_layers on, or for those that layer_types names. */
#include "model/arch.h"

static const int32_t *layer_windows(mn_build *b, int32_t n_layers)
{
    static const char *const types[] = { "full_attention", "sliding_attention", NULL };
    if (b->gguf || !mn_config_bool(b, NULL, "use_sliding_window", false)) return NULL;
    int32_t w = mn_build_window(b, NULL, "sliding_window", 4096);
    int32_t from = (int32_t)mn_config_int(b, NULL, "max_window_layers", 28, 0, 1 << 20);
    const int32_t *type = mn_config_layer_types(b, "layer_types", types, n_layers);
    int32_t *out = w ? mn_build_alloc(b, (size_t)n_layers, sizeof *out) : NULL;
    for (int32_t i = 0; out && i < n_layers; i++)
        out[i] = (type ? type[i] == 1 : i >= from) ? w : 0;
    return out;
}

void mn_arch_qwen(mn_build *b)
{
    static const mn_dims_default qwen2 = {
        .vocab = 151936, .hidden = 4096, .n_layers = 32, .n_heads = 32, .n_kv_heads = 32,
        .ffn = 22016, .context = 32768, .eps = 1e-6
    }, qwen3 = {
        .vocab = 151936, .hidden = 4096, .n_layers = 32, .n_heads = 32, .n_kv_heads = 32,
        .head_dim = 128, .ffn = 22016, .context = 32768, .eps = 1e-6
    };
    bool normed = mn_is(b, "qwen3");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_build_dims(b, &d, normed ? &qwen3 : &qwen2);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, false);

    mn_rope rope = { 0 };
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim });
    const int32_t *windows = layer_windows(b, d.n_layers);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                             d.n_kv_heads[i], d.head_dim, d.v_head_dim);
        if (normed) {
            mn_bind_norm(b, &a->q_norm, MN_NORM_RMS, d.eps, "attn_q_norm", "self_attn.q_norm",
                         d.head_dim, 0);
            mn_bind_norm(b, &a->k_norm, MN_NORM_RMS, d.eps, "attn_k_norm", "self_attn.k_norm",
                         d.head_dim, 0);
        }
        a->rope = rope;
        if (windows) a->window = windows[i];
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm", "post_attention_layernorm",
                     d.hidden, 0);
        l->ffn.kind = MN_FFN_DENSE;
        mn_build_dense(b, &l->ffn.dense, "", "mlp.", d.hidden, d.ffn[i], act);
    }
}
