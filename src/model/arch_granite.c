/* Granite's mixtures and hybrids (the dense granite is in arch_llama.c).
 *
 *   granitemoe, granitemoeshared   Llama's attention, a mixture, perhaps a shared expert
 *   granitemoehybrid               Mamba-2 on most layers, attention on the others; the
 *                                  mixture may be absent, and then shared_mlp is all
 *
 * Scales on embedding, residuals, attention and logits as in granite.  The experts' best k
 * logits go through a softmax among themselves.  Rope only where position_embedding_type
 * says so; GGUF tells by a rope.dimension_count of 0. */
#include "model/arch.h"

enum { ATTENTION, MAMBA };

static const int32_t *layer_kinds(mn_build *b, const mn_dims *d)
{
    static const char *const words[] = { "attention", "mamba", "full_attention",
                                         "linear_attention", NULL };
    int32_t *out = mn_build_alloc(b, (size_t)d->n_layers, sizeof *out);
    bool hybrid = mn_is(b, "granitemoehybrid");
    const int32_t *kinds = mn_config_layer_types(b, "layer_types layers_block_type", words,
                                                 d->n_layers);
    for (int32_t i = 0; out && i < d->n_layers; i++) {
        if (b->gguf) out[i] = hybrid && d->n_kv_heads[i] == 0 ? MAMBA : ATTENTION;
        else out[i] = !hybrid ? ATTENTION : kinds ? kinds[i] % 2 : MAMBA;
    }
    return out;
}

static void mamba_dims(mn_build *b, mn_mamba_dims *m, const mn_dims *d)
{
    int32_t expand = (int32_t)mn_config_int(b, NULL, "mamba_expand", 2, 1, 64);
    m->inner = (int32_t)mn_config_int(b, "ssm.inner_size", NULL, (int64_t)expand * d->hidden, 1,
                                      1 << 24);
    m->n_heads = (int32_t)mn_config_int(b, "ssm.time_step_rank", "mamba_n_heads", 128, 1, 1 << 16);
    m->head_dim = m->inner / m->n_heads;
    if (json_is_integer(mn_config_json(b, "mamba_d_head")))
        m->head_dim = (int32_t)mn_config_int(b, NULL, "mamba_d_head", 0, 1, 1 << 14);
    m->n_groups = (int32_t)mn_config_int(b, "ssm.group_count", "mamba_n_groups", 1, 1, 1 << 12);
    m->state = (int32_t)mn_config_int(b, "ssm.state_size", "mamba_d_state", 256, 1, 1 << 14);
    m->conv_width = (int32_t)mn_config_int(b, "ssm.conv_kernel", "mamba_d_conv", 4, 1, 1 << 10);
    /* llama.cpp norms per group; with one group both are the same */
    m->norm_width = b->gguf && m->inner % m->n_groups == 0 ? m->inner / m->n_groups : m->inner;
    m->eps = d->eps;
    mn_build_dt_limit(b, m);
}

static void build_ffn(mn_build *b, mn_ffn *f, const mn_dims *d, const mn_moe *m, mn_act act)
{
    int64_t shared = m->shared_width;
    if (m->n_experts) {
        mn_build_moe(b, f, m, "block_sparse_moe.",
                     "block_sparse_moe.router.layer|block_sparse_moe.router", d->hidden, act);
        if (shared) mn_build_shared(b, f, m, "shared_mlp.", d->hidden, act);
        return;
    }
    f->kind = MN_FFN_DENSE;
    if (b->gguf) shared = d->ffn[b->layer];
    bool plain = !b->gguf && mn_bind_has(b, NULL, "mlp.gate_proj");      /* mlx-lm's names */
    mn_build_dense(b, &f->dense, "", plain ? "mlp." : "shared_mlp.", d->hidden, shared, act);
}

void mn_arch_granite(mn_build *b)
{
    static const mn_dims_default def = {
        .vocab = 32000, .hidden = 4096, .n_layers = 32, .n_heads = 32, .ffn = 11008,
        .context = 2048, .eps = 1e-6
    };
    bool hybrid = mn_is(b, "granitemoehybrid");
    mn_plan *p = b->plan;
    mn_dims d;
    mn_build_dims(b, &d, &def);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    mn_moe m = { .shared_width = hybrid && !b->gguf ? 1024 : 0 };
    if (mn_config_int(b, "expert_count", "num_local_experts", b->gguf ? 0 : 8, 0, 1 << 14) > 0)
        mn_build_moe_fields(b, &m, &(mn_moe){
            .n_experts = 8, .n_used = 2, .width = d.n_layers ? d.ffn[0] : 1,
            .shared_width = m.shared_width });
    else
        m.shared_width = (int32_t)mn_config_int(b, NULL, "shared_intermediate_size",
                                                m.shared_width, 0, 1 << 24);
    m.route = MN_ROUTE_TOPK_SOFTMAX;
    m.normalise = false;
    m.scale = 1;
    double residual = mn_config_real(b, "residual_scale", "residual_multiplier", 1, 1e-6, 1e6);
    double attention = mn_config_real(b, "attention.scale", "attention_multiplier",
                                      b->gguf ? 0 : 1, 0, 1e6);
    p->embed_scale = (float)mn_config_real(b, "embedding_scale", "embedding_multiplier", 1, 1e-6,
                                           1e6);
    p->logit_scale = (float)(1 / mn_config_real(b, "logit_scale", "logits_scaling", 1, 1e-6, 1e6));
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, false);

    mn_rope rope = { 0 };
    const char *positions = mn_config_word(b, NULL, "position_embedding_type",
                                           hybrid ? "nope" : "rope");
    bool turns = b->gguf ? mn_config_bool(b, "rope.scaling.finetuned", NULL, true)
                         : positions[0] == 'r';
    if (turns)
        mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim,
                                                    .interleaved = b->gguf });
    mn_mamba_dims md = { 0 };
    if (hybrid) mamba_dims(b, &md, &d);
    const int32_t *kinds = layer_kinds(b, &d);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        l->residual_scale = (float)residual;
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        if (kinds[i] == MAMBA) {
            mn_build_mamba2(b, &l->mixer, &md, "mamba.", d.hidden);
        } else {
            mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                                 d.n_kv_heads[i], d.head_dim, d.v_head_dim);
            a->rope = rope;
            if (attention > 0) a->scale = (float)attention;
        }
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm", "post_attention_layernorm",
                     d.hidden, 0);
        build_ffn(b, &l->ffn, &d, &m, act);
    }
}
