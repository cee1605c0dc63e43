/* Qwen 2, 2.5 and 3, dense and as mixtures: Llama's decoder with biases on q, k, v (Qwen 2)
 * or a norm per head before the rope (Qwen 3).
 *
 * A sliding window, where it is switched on, holds for the layers from max_window_layers
 * on (in the mixtures of Qwen 2: below it, every second one; of Qwen 3: everywhere), or
 * for those that layer_types names.  In a mixture, layers named by mlp_only_layers and
 * those that decoder_sparse_step skips stay dense.  GGUF has no key for norm_topk_prob:
 * llama.cpp normalises Qwen 3's expert weights and not Qwen 2's. */
#include "model/arch.h"

static const int32_t *layer_windows(mn_build *b, int32_t n_layers)
{
    static const char *const types[] = { "full_attention", "sliding_attention", NULL };
    if (b->gguf || !mn_config_bool(b, NULL, "use_sliding_window", false)) return NULL;
    int32_t w = mn_build_window(b, NULL, "sliding_window", 4096);
    int32_t from = (int32_t)mn_config_int(b, NULL, "max_window_layers", 28, 0, 1 << 20);
    bool moe2 = mn_is(b, "qwen2_moe"), moe3 = mn_is(b, "qwen3_moe");
    const int32_t *type = moe3 ? NULL : mn_config_layer_types(b, "layer_types", types, n_layers);
    int32_t *out = w ? mn_build_alloc(b, (size_t)n_layers, sizeof *out) : NULL;
    for (int32_t i = 0; out && i < n_layers; i++) {
        bool slides = moe3 || (moe2 ? i % 2 == 0 && i < from : i >= from);
        out[i] = (type ? type[i] == 1 : slides) ? w : 0;
    }
    return out;
}

const int32_t *mn_build_sparse_layers(mn_build *b, int32_t n_layers)
{
    int32_t *out = mn_build_alloc(b, (size_t)n_layers, sizeof *out), n;
    int32_t step = (int32_t)mn_config_int(b, NULL, "decoder_sparse_step", 1, 1, 1 << 20);
    const double *dense = mn_config_reals(b, NULL, "mlp_only_layers", 1 << 16, &n);
    for (int32_t i = 0; out && i < n_layers; i++) out[i] = (i + 1) % step == 0;
    for (int32_t k = 0; out && dense && k < n; k++)
        if (dense[k] >= 0 && dense[k] < n_layers) out[(int32_t)dense[k]] = 0;
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
    }, qwen2_moe = {
        .vocab = 151936, .hidden = 2048, .n_layers = 24, .n_heads = 16, .n_kv_heads = 16,
        .ffn = 5632, .context = 32768, .eps = 1e-6
    }, qwen3_moe = {
        .vocab = 151936, .hidden = 2048, .n_layers = 24, .n_heads = 32, .n_kv_heads = 4,
        .ffn = 6144, .context = 32768, .eps = 1e-6
    };
    static const mn_moe experts2 = { .n_experts = 60, .n_used = 4, .width = 1408,
                                     .shared_width = 5632 },
                        experts3 = { .n_experts = 128, .n_used = 8, .width = 768 };
    bool normed = mn_is(b, "qwen3 qwen3_moe"), moe2 = mn_is(b, "qwen2_moe");
    bool sparse = moe2 || mn_is(b, "qwen3_moe");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_moe m = { 0 };
    mn_build_dims(b, &d, moe2 ? &qwen2_moe : sparse ? &qwen3_moe : normed ? &qwen3 : &qwen2);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, false);
    const int32_t *mixed = sparse ? mn_build_sparse_layers(b, d.n_layers) : NULL;
    if (sparse) {
        mn_build_moe_fields(b, &m, moe2 ? &experts2 : &experts3);
        if (b->gguf) m.normalise = !moe2;
    }

    mn_rope rope = { 0 };
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim });
    const int32_t *windows = layer_windows(b, d.n_layers);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                             d.n_kv_heads[i], d.head_dim, d.v_head_dim);
        if (normed) mn_build_qk_norms(b, a, d.eps, d.head_dim, d.head_dim, 0);
        a->rope = rope;
        if (windows) a->window = windows[i];
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm", "post_attention_layernorm",
                     d.hidden, 0);
        l->ffn.kind = MN_FFN_DENSE;
        if (!mixed || !mixed[i]) {
            mn_build_dense(b, &l->ffn.dense, "", "mlp.", d.hidden, d.ffn[i], act);
            continue;
        }
        mn_build_moe(b, &l->ffn, &m, "mlp.", "mlp.gate", d.hidden, act);
        if (!moe2) continue;
        mn_build_shared(b, &l->ffn, &m, "mlp.shared_expert.", d.hidden, act);
        mn_bind_linear(b, &l->ffn.shared_gate, "ffn_gate_inp_shexp", "mlp.shared_expert_gate", 1,
                       d.hidden);
    }
}
