/* LFM2 and LFM2-MoE: gated short convolutions on most layers, attention with a norm per
 * head on the others; the mixture routes by sigmoid behind a few dense layers.
 *
 * GGUF tells attention layers by their key/value heads (0: a convolution). */
#include "model/arch.h"

/* 1 where a layer is attention. */
static const int32_t *attention_layers(mn_build *b, const mn_dims *d)
{
    static const char *const words[] = { "conv", "full_attention", "linear_attention",
                                         "attention", NULL };
    int32_t *out = mn_build_alloc(b, (size_t)d->n_layers, sizeof *out), n = 0;
    const int32_t *listed = mn_config_layer_types(b, "layer_types", words, d->n_layers);
    const double *indices = listed ? NULL : mn_config_reals(b, NULL, "full_attn_idxs", 1 << 16, &n);
    for (int32_t i = 0; out && i < d->n_layers; i++)
        out[i] = b->gguf ? d->n_kv_heads[i] > 0 : listed ? listed[i] % 2 : !indices;
    for (int32_t k = 0; out && indices && k < n; k++)
        if (indices[k] >= 0 && indices[k] < d->n_layers) out[(int32_t)indices[k]] = 1;
    return out;
}

/* HF writes the width before the class adjusts it to two thirds, rounded up. */
static int64_t dense_width(mn_build *b, const mn_dims *d, int32_t layer)
{
    int64_t w = d->ffn[layer];
    if (b->gguf || mn_is(b, "lfm2_moe")) return w;
    w = mn_config_int(b, NULL, "block_ff_dim", w, 1, 1 << 24);
    if (!mn_config_bool(b, NULL, "block_auto_adjust_ff_dim", true)) return w;
    int64_t multiple = mn_config_int(b, NULL, "block_multiple_of", 256, 1, 1 << 20);
    w = 2 * w / 3;
    if (mn_config_null(b, "block_ffn_dim_multiplier")) return w;
    w = (int64_t)(mn_config_real(b, NULL, "block_ffn_dim_multiplier", 1, 1e-3, 1e3) * (double)w);
    return (w + multiple - 1) / multiple * multiple;
}

static void build_conv(mn_build *b, mn_mixer *mixer, int64_t hidden)
{
    mn_short_conv *c = &mixer->u.conv;
    mixer->kind = MN_MIXER_SHORT_CONV;
    c->width = (int32_t)mn_config_int(b, "shortconv.l_cache", "conv_L_cache", 3, 1, 1 << 10);
    mn_bind_linear(b, &c->in, "shortconv.in_proj", "conv.in_proj", 3 * hidden, hidden);
    mn_bind_linear(b, &c->out, "shortconv.out_proj", "conv.out_proj", hidden, hidden);
    c->conv = mn_bind_vector(b, "shortconv.conv.weight", "conv.conv.weight", hidden * c->width, 0);
    c->conv_bias = mn_bind_vector(b, "shortconv.conv.bias", "conv.conv.bias", hidden,
                                  MN_VECTOR_OPTIONAL);
}

void mn_arch_lfm2(mn_build *b)
{
    static const mn_dims_default lfm2 = {
        .vocab = 65536, .hidden = 2560, .n_layers = 32, .n_heads = 32, .n_kv_heads = 8,
        .ffn = 12288, .context = 128000, .eps = 1e-5
    }, lfm2_moe = {
        .vocab = 65536, .hidden = 2048, .n_layers = 32, .n_heads = 32, .n_kv_heads = 8,
        .ffn = 7168, .context = 128000, .eps = 1e-5
    };
    bool mixture = mn_is(b, "lfm2_moe");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_moe m = { 0 };
    mn_build_dims(b, &d, mixture ? &lfm2_moe : &lfm2);
    mn_config_refuse(b, "attention.sliding_window", NULL, 0);
    int64_t dense_layers = d.n_layers;
    if (mixture) {
        mn_build_moe_fields(b, &m, &(mn_moe){
            .n_experts = 32, .n_used = 4, .width = 1792, .route = MN_ROUTE_SIGMOID,
            .normalise = true });
        dense_layers = mn_config_int(b, "leading_dense_block_count", "num_dense_layers", 2, 0,
                                     1 << 20);
        if (b->gguf) m.normalise = true;
    }
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm|token_embd_norm",
                 "embedding_norm", d.hidden, 0);
    mn_build_head(b, &d, mn_config_bool(b, NULL, "tie_embedding", true));
    mn_rope rope = { 0 };
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim,
                                                .theta = b->gguf ? 0 : 1e6 });
    const int32_t *attends = attention_layers(b, &d);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "operator_norm", d.hidden,
                     0);
        if (attends[i]) {
            mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                                 d.n_kv_heads[i], d.head_dim, d.v_head_dim);
            mn_build_qk_norms(b, a, d.eps, d.head_dim, d.head_dim, 0);
            a->rope = rope;
        } else {
            build_conv(b, &l->mixer, d.hidden);
        }
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm", "ffn_norm", d.hidden, 0);
        if (i < dense_layers) {
            l->ffn.kind = MN_FFN_DENSE;
            mn_build_dense(b, &l->ffn.dense, "", "feed_forward.", d.hidden,
                           dense_width(b, &d, i), MN_ACT_SILU);
        } else {
            mn_build_moe(b, &l->ffn, &m, "feed_forward.", "feed_forward.gate", d.hidden,
                         MN_ACT_SILU);
        }
    }
}
