/* Gemma 1, 2 and 3 (text).
 *
 * Embeddings times sqrt(hidden); norms that multiply by 1 + w (GGUF has the 1 added
 * already).  Gemma 2 norms after mixer and feed-forward too, caps attention and final
 * logits softly, and slides on every other layer; Gemma 3 norms q and k instead of capping,
 * slides on five of six layers, and there uses another rope base without scaling. */
#include "model/arch.h"

#include <math.h>

/* llama.cpp knows one exception by its number of layers: the 27B models. */
static double query_scale(mn_build *b, const mn_dims *d)
{
    bool gemma2 = mn_is(b, "gemma2"), first = mn_is(b, "gemma");
    double n = d->head_dim;
    if (b->gguf) {
        if (d->n_heads && ((gemma2 && d->n_layers == 46) || (!gemma2 && !first && d->n_layers == 62)))
            n = (double)d->hidden / d->n_heads[0];
    } else if (!first) {
        n = mn_config_real(b, NULL, "query_pre_attn_scalar", 256, 1e-6, 1e9);
    }
    return 1 / sqrt(n);
}

static void build_layer(mn_build *b, mn_layer *l, const mn_dims *d, mn_act act)
{
    unsigned plus = b->gguf ? 0 : MN_VECTOR_PLUS_ONE;
    bool first = mn_is(b, "gemma");
    int i = b->layer;
    mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d->eps, "attn_norm", "input_layernorm", d->hidden,
                 plus);
    mn_attention *a = mn_build_attention(b, &l->mixer, d->hidden, d->n_heads[i], d->n_kv_heads[i],
                                         d->head_dim, d->v_head_dim);
    if (mn_is(b, "gemma3")) mn_build_qk_norms(b, a, d->eps, d->head_dim, d->head_dim, plus);
    if (!first) {
        mn_bind_norm(b, &l->post_mixer_norm, MN_NORM_RMS, d->eps, "post_attention_norm",
                     "post_attention_layernorm", d->hidden, plus);
        mn_bind_norm(b, &l->post_ffn_norm, MN_NORM_RMS, d->eps, "post_ffw_norm",
                     "post_feedforward_layernorm", d->hidden, plus);
    }
    mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d->eps, "ffn_norm",
                 first ? "post_attention_layernorm" : "pre_feedforward_layernorm", d->hidden, plus);
    l->ffn.kind = MN_FFN_DENSE;
    mn_build_dense(b, &l->ffn.dense, "", "mlp.", d->hidden, d->ffn[i], act);
}

void mn_arch_gemma(mn_build *b)
{
    static const mn_dims_default gemma = {
        .vocab = 256000, .hidden = 3072, .n_layers = 28, .n_heads = 16, .n_kv_heads = 16,
        .head_dim = 256, .ffn = 24576, .context = 8192, .eps = 1e-6
    }, gemma2 = {
        .vocab = 256000, .hidden = 2304, .n_layers = 26, .n_heads = 8, .n_kv_heads = 4,
        .head_dim = 256, .ffn = 9216, .context = 8192, .eps = 1e-6
    }, gemma3 = {
        .vocab = 262208, .hidden = 2304, .n_layers = 26, .n_heads = 8, .n_kv_heads = 4,
        .head_dim = 256, .ffn = 9216, .context = 131072, .eps = 1e-6
    };
    bool first = mn_is(b, "gemma"), second = mn_is(b, "gemma2"), third = mn_is(b, "gemma3");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_build_dims(b, &d, first ? &gemma : second ? &gemma2 : &gemma3);
    mn_config_refuse(b, NULL, "use_bidirectional_attention", 0);
    mn_act act = mn_config_act(b, NULL, first ? "hidden_act" : "hidden_activation",
                               MN_ACT_GELU_TANH);
    p->embed_scale = sqrtf((float)d.hidden);
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden,
                 b->gguf ? 0 : MN_VECTOR_PLUS_ONE);
    mn_build_head(b, &d, true);

    double cap = 0;
    if (!first) {
        cap = mn_build_softcap(b, second ? "attn_logit_softcapping" : NULL,
                               "attn_logit_softcapping", second ? 50 : 0);
        p->logit_softcap = (float)mn_build_softcap(b, "final_logit_softcapping",
                                                   "final_logit_softcapping", second ? 30 : 0);
    }
    mn_rope global = { 0 }, local = { 0 };
    mn_rope_build(b, &global, &(mn_rope_request){
        .head_dim = d.head_dim, .layer_type = "full_attention",
        .theta = third && !b->gguf ? 1e6 : 1e4 });
    if (third)
        mn_rope_build(b, &local, &(mn_rope_request){
            .head_dim = d.head_dim, .layer_type = "sliding_attention", .theta = 1e4,
            .theta_hf = "rope_local_base_freq", .theta_gguf = "rope.freq_base_swa",
            .unscaled = true });
    int32_t window = first ? 0 : mn_build_window(b, "attention.sliding_window", "sliding_window",
                                                 b->gguf ? 0 : 4096);
    const int32_t *slides = window ? mn_build_sliding(b, d.n_layers, second ? 2 : 6) : NULL;
    double scale = query_scale(b, &d);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        build_layer(b, l, &d, act);
        mn_attention *a = &l->mixer.u.attention;
        bool here = slides && slides[i];
        a->scale = (float)scale;
        a->softcap = (float)cap;
        a->window = here ? window : 0;
        a->rope = third && here ? local : global;
    }
}
