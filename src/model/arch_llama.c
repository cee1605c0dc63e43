/* Llama and its near relations: one decoder, six decorations.
 *
 *   llama      LLaMA 1-3, Yi, SmolLM 2, Vicuna ...; all rope rules
 *   mistral    a sliding window on every layer (ministral: on some)
 *   ministral3 / mistral3   YaRN, and queries that grow with the position
 *   mixtral    a mixture of experts in place of the feed-forward
 *   smollm3    no rope on every fourth layer
 *   granite, minicpm   scales on embedding, residuals, attention and logits
 *
 * GGUF files of the architecture "llama" have q and k rows permuted, so that their rope is
 * the interleaved one; Mistral and Mixtral models are "llama" there, without their window. */
#include "model/arch.h"

#include <math.h>

/* 1 where a layer turns its heads. */
static const int32_t *layer_ropes(mn_build *b, int32_t n_layers)
{
    if (!mn_is(b, "smollm3")) return NULL;
    if (!b->gguf && mn_config_has(b, NULL, "no_rope_layers"))
        return mn_config_per_layer(b, NULL, "no_rope_layers", 1, 0, 1, n_layers);
    int32_t every = (int32_t)mn_config_int(b, NULL, "no_rope_layer_interval", 4, 1, 1 << 20);
    int32_t *out = mn_build_alloc(b, (size_t)n_layers, sizeof *out);
    for (int32_t i = 0; out && i < n_layers; i++) out[i] = (i + 1) % every != 0;
    return out;
}

/* The window of each layer, or NULL: none anywhere.  smollm3's layers without rope slide,
 * unless layer_types says which do. */
static const int32_t *layer_windows(mn_build *b, int32_t n_layers, const int32_t *ropes)
{
    static const char *const types[] = { "full_attention", "sliding_attention", NULL };
    bool everywhere = mn_is(b, "mistral mixtral ministral3"), smol = mn_is(b, "smollm3");
    if (b->gguf || (smol && !mn_config_bool(b, NULL, "use_sliding_window", false))) return NULL;
    const int32_t *type = everywhere ? NULL : mn_config_layer_types(b, "layer_types", types,
                                                                    n_layers);
    if (!everywhere && !type && !smol && !mn_is(b, "ministral")) return NULL;
    int32_t w = mn_build_window(b, NULL, "sliding_window",
                                mn_is(b, "mistral ministral") ? 4096 : 0);
    int32_t *out = w ? mn_build_alloc(b, (size_t)n_layers, sizeof *out) : NULL;
    for (int32_t i = 0; out && i < n_layers; i++)
        out[i] = type ? (type[i] == 1) * w : smol ? !(ropes && ropes[i]) * w : w;
    return out;
}

/* llama_4_scaling_beta: q *= 1 + beta * log(1 + floor(pos / original context)) */
static void query_growth(mn_build *b, mn_attention *a)
{
    if (!mn_is(b, "ministral3")) return;
    a->temp_beta = (float)mn_config_real(b, "attention.temperature_scale",
                                         "rope_parameters.llama_4_scaling_beta "
                                         "rope_scaling.llama_4_scaling_beta "
                                         "llama_4_scaling.beta", 0, 0, 1e3);
    a->temp_floor = (int32_t)mn_config_int(b, "rope.scaling.original_context_length",
                                           "rope_parameters.original_max_position_embeddings "
                                           "rope_scaling.original_max_position_embeddings",
                                           16384, 1, INT32_MAX);
}

void mn_arch_llama(mn_build *b)
{
    static const mn_dims_default llama = {
        .vocab = 32000, .hidden = 4096, .n_layers = 32, .n_heads = 32, .ffn = 11008,
        .context = 2048, .eps = 1e-6
    }, mistral = {
        .vocab = 32000, .hidden = 4096, .n_layers = 32, .n_heads = 32, .n_kv_heads = 8,
        .ffn = 14336, .context = 131072, .eps = 1e-6
    }, ministral3 = {
        .vocab = 131072, .hidden = 4096, .n_layers = 34, .n_heads = 32, .n_kv_heads = 8,
        .head_dim = 128, .ffn = 14336, .context = 262144, .eps = 1e-5
    }, mixtral = {
        .vocab = 32000, .hidden = 4096, .n_layers = 32, .n_heads = 32, .n_kv_heads = 8,
        .ffn = 14336, .context = 131072, .eps = 1e-5
    }, smollm3 = {
        .vocab = 128256, .hidden = 2048, .n_layers = 36, .n_heads = 16, .n_kv_heads = 4,
        .ffn = 11008, .context = 32768, .eps = 1e-6
    };
    bool granite = mn_is(b, "granite"), smol = mn_is(b, "smollm3"), cpm = mn_is(b, "minicpm");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_build_dims(b, &d, mn_is(b, "mistral ministral") ? &mistral
                         : mn_is(b, "ministral3") ? &ministral3
                         : mn_is(b, "mixtral") ? &mixtral : smol ? &smollm3 : &llama);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, smol);

    mn_moe m = { 0 };
    bool mixture = mn_is(b, "mixtral") || (b->gguf && mn_config_has(b, "expert_count", NULL) &&
                                           mn_config_int(b, "expert_count", NULL, 0, 0, 1 << 14));
    if (mixture)
        mn_build_moe_fields(b, &m, &(mn_moe){ .n_experts = b->gguf ? 0 : 8, .n_used = 2,
                                              .width = d.n_layers ? d.ffn[0] : 1,
                                              .normalise = true });
    mn_rope rope = { 0 };
    double theta = b->gguf ? 0 : smol ? 2e6 : mn_is(b, "mixtral") ? 1e6 : 0;
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim, .interleaved = b->gguf,
                                                .log_mul_unit = 1, .theta = theta });
    const int32_t *ropes = layer_ropes(b, d.n_layers);
    const int32_t *windows = layer_windows(b, d.n_layers, ropes);
    double residual = 1, attention = 0;
    if (cpm && !b->gguf) {
        double base = mn_config_real(b, NULL, "dim_model_base", d.hidden, 1, 1e9);
        double depth = mn_config_real(b, NULL, "scale_depth", 0, 0, 1e6);
        if (depth > 0) residual = depth / sqrt((double)d.n_layers);
        p->embed_scale = (float)mn_config_real(b, NULL, "scale_emb", 1, 1e-6, 1e6);
        p->logit_scale = (float)(base / d.hidden);
    } else if (granite || cpm) {
        residual = mn_config_real(b, "residual_scale", "residual_multiplier", 1, 1e-6, 1e6);
        attention = mn_config_real(b, "attention.scale", "attention_multiplier",
                                   b->gguf ? 0 : 1, 0, 1e6);
        p->embed_scale = (float)mn_config_real(b, "embedding_scale", "embedding_multiplier", 1,
                                               1e-6, 1e6);
        p->logit_scale = (float)(1 / mn_config_real(b, "logit_scale", "logits_scaling", 1,
                                                    1e-6, 1e6));
    }
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                             d.n_kv_heads[i], d.head_dim, d.v_head_dim);
        if (!ropes || ropes[i]) a->rope = rope;
        if (windows) a->window = windows[i];
        if (attention > 0) a->scale = (float)attention;
        query_growth(b, a);
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm", "post_attention_layernorm",
                     d.hidden, 0);
        l->ffn.kind = MN_FFN_DENSE;
        l->residual_scale = (float)residual;
        if (mixture)
            mn_build_moe(b, &l->ffn, &m, "block_sparse_moe.", "block_sparse_moe.gate", d.hidden,
                         act);
        else mn_build_dense(b, &l->ffn.dense, "", "mlp.", d.hidden, d.ffn[i], act);
    }
}
