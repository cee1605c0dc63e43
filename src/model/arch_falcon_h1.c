/* Falcon-H1: Mamba-2 and attention side by side on every layer, and a multiplier on almost
 * everything.
 *
 * GGUF has all multipliers in its weights.  mlx-lm folds most of them into converted files
 * (known by their convolution, [channels, width, 1]), all but the key's and what the
 * attention's input multiplier does to v. */
#include "model/arch.h"

typedef struct {
    double embed, head, in, out, key, ssm_in, ssm_out, mlp[2], ssm[5];
} multipliers;

static void read_list(mn_build *b, const char *hf, double *out, int32_t want)
{
    int32_t n;
    const double *v = mn_config_reals(b, NULL, hf, 16, &n);
    if (v && n != want)
        mn_build_invalid(b, "config.json: %s: %d numbers expected, %d found", hf, want, n);
    for (int32_t i = 0; i < want; i++) out[i] = v && n == want ? v[i] : 1;
}

static double one(mn_build *b, const char *hf)
{
    return mn_config_real(b, NULL, hf, 1, 1e-9, 1e9);
}

static void read_multipliers(mn_build *b, multipliers *m, bool tied)
{
    b->layer = 0;
    const mn_tensor_ref *conv = mn_bind_find(b, NULL, "mamba.conv1d", ".weight");
    b->layer = -1;
    bool folded = !b->gguf && conv && conv->n_dims == 3 && conv->dims[2] == 1 && conv->dims[1] > 1;
    *m = (multipliers){ .embed = one(b, "embedding_multiplier"), .head = one(b, "lm_head_multiplier"),
                        .in = one(b, "attention_in_multiplier"),
                        .out = one(b, "attention_out_multiplier"), .key = one(b, "key_multiplier"),
                        .ssm_in = one(b, "ssm_in_multiplier"),
                        .ssm_out = one(b, "ssm_out_multiplier") };
    read_list(b, "mlp_multipliers", m->mlp, 2);
    read_list(b, "ssm_multipliers", m->ssm, 5);
    if (!folded) return;
    m->head = tied ? m->head / m->embed : 1;
    m->embed = m->out = m->ssm_in = m->ssm_out = m->mlp[0] = m->mlp[1] = 1;
    for (int i = 0; i < 5; i++) m->ssm[i] = 1;
    m->in = -m->in;             /* negative: q and k have it, v does not */
}

static void read_mamba(mn_build *b, mn_mamba_dims *m, const mn_dims *d)
{
    int64_t expand = mn_config_int(b, NULL, "mamba_expand", 2, 1, 64);
    int64_t inner = mn_config_null(b, "mamba_d_ssm") ? expand * d->hidden : 1024;
    m->inner = (int32_t)mn_config_int(b, "ssm.inner_size", "mamba_d_ssm", inner, 1, 1 << 24);
    m->n_heads = (int32_t)mn_config_int(b, "ssm.time_step_rank", "mamba_n_heads", 128, 1, 1 << 16);
    m->head_dim = m->inner / m->n_heads;
    if (json_is_integer(mn_config_json(b, "mamba_d_head")))
        m->head_dim = (int32_t)mn_config_int(b, NULL, "mamba_d_head", 0, 1, 1 << 14);
    m->n_groups = (int32_t)mn_config_int(b, "ssm.group_count", "mamba_n_groups", 1, 1, 1 << 12);
    m->state = (int32_t)mn_config_int(b, "ssm.state_size", "mamba_d_state", 256, 1, 1 << 14);
    m->conv_width = (int32_t)mn_config_int(b, "ssm.conv_kernel", "mamba_d_conv", 4, 1, 1 << 10);
    b->layer = 0;
    bool norm = b->gguf ? mn_bind_find(b, "ssm_norm", NULL, ".weight") != NULL
                        : mn_config_bool(b, NULL, "mamba_rms_norm", false);
    b->layer = -1;
    if (norm && m->inner % m->n_groups == 0) m->norm_width = m->inner / m->n_groups;
    m->norm_before_gate = mn_config_bool(b, NULL, "mamba_norm_before_gate", true) && !b->gguf;
    m->eps = d->eps;
    mn_build_dt_limit(b, m);
}

/* The five sections of Mamba's projection have a multiplier each: z, x, B, C, dt. */
static void scale_sections(mn_build *b, mn_linear *in, const mn_mamba_dims *d, const multipliers *m)
{
    int64_t bc = (int64_t)d->n_groups * d->state;
    const int64_t width[5] = { d->inner, d->inner, bc, bc, d->n_heads };
    float *scale = mn_build_alloc(b, (size_t)in->w.rows, sizeof *scale);
    float *bias = in->bias ? mn_build_alloc(b, (size_t)in->w.rows, sizeof *bias) : NULL;
    if (b->status) return;
    int64_t at = 0;
    for (int s = 0; s < 5; s++)
        for (int64_t i = 0; i < width[s]; i++, at++) {
            scale[at] = (float)m->ssm[s];
            if (bias) bias[at] = in->bias[at] * scale[at];
        }
    in->row_scale = scale;
    if (bias) in->bias = bias;
}

static void build_mixers(mn_build *b, mn_layer *l, const mn_dims *d, const mn_mamba_dims *md,
                         const multipliers *m, const mn_rope *rope)
{
    int i = b->layer;
    mn_build_mamba2(b, &l->mixer, md, "mamba.", d->hidden);
    mn_attention *a = mn_build_attention(b, &l->parallel_mixer, d->hidden, d->n_heads[i],
                                         d->n_kv_heads[i], d->head_dim, d->v_head_dim);
    a->rope = *rope;
    if (b->gguf || b->status) return;
    scale_sections(b, &l->mixer.u.mamba2.in, md, m);
    l->mixer.in_scale = (float)m->ssm_in;
    l->mixer.out_scale = (float)m->ssm_out;
    l->parallel_mixer.out_scale = (float)m->out;
    mn_build_scale(b, &a->k, m->key);
    if (m->in > 0) l->parallel_mixer.in_scale = (float)m->in;
    else mn_build_scale(b, &a->v, -m->in);
}

void mn_arch_falcon_h1(mn_build *b)
{
    static const mn_dims_default def = {
        .vocab = 128000, .hidden = 4096, .n_layers = 32, .n_heads = 32, .n_kv_heads = 8,
        .ffn = 14336, .context = 8192, .eps = 1e-5
    };
    mn_plan *p = b->plan;
    mn_dims d;
    mn_mamba_dims md = { 0 };
    multipliers m = { 0 };
    mn_build_dims(b, &d, &def);
    mn_act act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    read_multipliers(b, &m, mn_config_bool(b, NULL, "tie_word_embeddings", false));
    read_mamba(b, &md, &d);
    if (!b->gguf) {
        p->embed_scale = (float)m.embed;
        p->logit_scale = (float)m.head;
    }
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "final_layernorm", d.hidden,
                 0);
    mn_build_head(b, &d, false);
    mn_rope rope = { 0 };
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim });
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        build_mixers(b, l, &d, &md, &m, &rope);
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "ffn_norm", "pre_ff_layernorm",
                     d.hidden, 0);
        l->ffn.kind = MN_FFN_DENSE;
        mn_build_dense(b, &l->ffn.dense, "", "feed_forward.", d.hidden, d.ffn[i], act);
        if (b->gguf) continue;
        mn_build_scale(b, &l->ffn.dense.gate, m.mlp[0]);
        mn_build_scale(b, &l->ffn.dense.down, m.mlp[1]);
    }
}
