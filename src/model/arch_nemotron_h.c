/* Nemotron-H and Nemotron Nano 2 and 3: layers that are one thing each, Mamba-2, attention
 * without rope, a feed-forward without a gate, or a mixture of such, behind one norm.
 *
 * Which is said by layers_block_type or by a pattern of letters: M, *, -, E.  GGUF says it by
 * per-layer key/value heads and widths: Mamba where both are 0. */
#include "model/arch.h"

#include <math.h>
#include <string.h>

enum { MAMBA, ATTENTION, MLP, MOE };

static const int32_t *layer_kinds(mn_build *b, int32_t *n_layers)
{
    static const char *const words[] = { "mamba", "attention", "mlp", "moe", "linear_attention",
                                         "full_attention", NULL };
    static const int32_t kind_of[] = { MAMBA, ATTENTION, MLP, MOE, MAMBA, ATTENTION };
    const json_t *list = mn_config_json(b, "layers_block_type layer_types");
    const char *pattern = mn_config_word(b, NULL, "hybrid_override_pattern", NULL);
    size_t n = list ? json_array_size(list) : pattern ? strlen(pattern) : 0;
    if (!b->status && (n < 1 || n > 4096))
        mn_build_invalid(b, "config.json: layers_block_type: a list of 1 to 4096 layers expected, "
                         "%zu found", n);
    int32_t *out = mn_build_alloc(b, n, sizeof *out);
    *n_layers = (int32_t)n;
    const int32_t *listed = mn_config_layer_types(b, "layers_block_type layer_types", words,
                                                  (int32_t)n);
    for (size_t i = 0; out && i < n && !b->status; i++) {
        const char *at = pattern ? strchr("M*-E", pattern[i]) : NULL;
        if (listed) out[i] = kind_of[listed[i]];
        else if (at) out[i] = (int32_t)(at - "M*-E");
        else mn_build_invalid(b, "config.json: hybrid_override_pattern: letters M, *, - and E "
                              "expected, %c found at %zu", pattern ? pattern[i] : '?', i);
    }
    return out;
}

static void read_mamba(mn_build *b, mn_mamba_dims *m, const mn_dims *d)
{
    m->n_heads = (int32_t)mn_config_int(b, "ssm.time_step_rank", "mamba_num_heads", 128, 1,
                                        1 << 16);
    m->head_dim = (int32_t)mn_config_int(b, NULL, "mamba_head_dim", 64, 1, 1 << 14);
    m->inner = (int32_t)mn_config_int(b, "ssm.inner_size", NULL,
                                      (int64_t)m->n_heads * m->head_dim, 1, INT32_MAX);
    if (b->gguf) m->head_dim = m->inner / m->n_heads;
    m->n_groups = (int32_t)mn_config_int(b, "ssm.group_count", "n_groups mamba_n_groups", 8, 1,
                                         1 << 12);
    m->state = (int32_t)mn_config_int(b, "ssm.state_size", "ssm_state_size", 128, 1, 1 << 14);
    m->conv_width = (int32_t)mn_config_int(b, "ssm.conv_kernel", "conv_kernel mamba_d_conv", 4, 1,
                                           1 << 10);
    m->norm_width = m->inner % m->n_groups == 0 ? m->inner / m->n_groups : m->inner;
    m->eps = d->eps;
    mn_build_dt_limit(b, m);
}

static void build_mixture(mn_build *b, mn_ffn *f, const mn_moe *m, int64_t hidden, mn_act act)
{
    mn_experts *e = &f->experts;
    char name[MN_NAME_MAX];
    f->kind = MN_FFN_EXPERTS;
    e->n_experts = m->n_experts;
    e->n_used = m->n_used;
    e->route = MN_ROUTE_SIGMOID;
    e->n_groups = m->n_groups;
    e->n_groups_used = m->n_groups_used;
    e->normalise = m->normalise;
    e->weight_scale = (float)m->scale;
    e->act = act;
    mn_bind_linear(b, &e->router, "ffn_gate_inp", "mixer.gate", m->n_experts, hidden);
    e->select_bias = mn_bind_vector(b, "exp_probs_b.bias", "mixer.gate.e_score_correction_bias",
                                    m->n_experts, MN_VECTOR_OPTIONAL);
    mn_bind_prefixed("mixer.", "switch_mlp.fc1|experts.up_proj", name);
    mn_bind_experts(b, &e->up, NULL, "ffn_up_exps", name, "mixer.experts.%d.up_proj", m->n_experts,
                    m->width, hidden);
    mn_bind_prefixed("mixer.", "switch_mlp.fc2|experts.down_proj", name);
    mn_bind_experts(b, &e->down, NULL, "ffn_down_exps", name, "mixer.experts.%d.down_proj",
                    m->n_experts, hidden, m->width);
    if (!m->shared_width) return;
    f->dense.act = act;
    mn_bind_linear(b, &f->dense.up, "ffn_up_shexp", "mixer.shared_experts.up_proj",
                   m->shared_width, hidden);
    mn_bind_linear(b, &f->dense.down, "ffn_down_shexp", "mixer.shared_experts.down_proj", hidden,
                   m->shared_width);
}

/* Attention under "mixer." instead of "self_attn.". */
static void build_attention(mn_build *b, mn_mixer *mixer, const mn_dims *d)
{
    int i = b->layer;
    mn_attention *a = &mixer->u.attention;
    int64_t q = (int64_t)d->n_heads[i] * d->head_dim, kv = (int64_t)d->n_kv_heads[i] * d->head_dim;
    mixer->kind = MN_MIXER_ATTENTION;
    a->n_heads = d->n_heads[i];
    a->n_kv_heads = d->n_kv_heads[i];
    a->head_dim = a->v_head_dim = d->head_dim;
    a->scale = (float)(1 / sqrt((double)d->head_dim));
    mn_bind_linear(b, &a->q, "attn_q", "mixer.q_proj", q, d->hidden);
    mn_bind_linear(b, &a->k, "attn_k", "mixer.k_proj", kv, d->hidden);
    mn_bind_linear(b, &a->v, "attn_v", "mixer.v_proj", kv, d->hidden);
    mn_bind_linear(b, &a->o, "attn_output", "mixer.o_proj", d->hidden, q);
}

static int32_t gguf_kind(mn_build *b, const mn_dims *d)
{
    int i = b->layer;
    if (d->n_kv_heads[i]) return ATTENTION;
    if (!d->ffn[i]) return MAMBA;
    return mn_bind_has(b, "ffn_gate_inp", NULL) ? MOE : MLP;
}

void mn_arch_nemotron_h(mn_build *b)
{
    mn_dims_default def = {
        .vocab = 131072, .hidden = 4096, .n_layers = 4, .n_heads = 32, .n_kv_heads = 8,
        .head_dim = 128, .ffn = 21504, .context = 4096, .eps = 1e-5
    };
    mn_plan *p = b->plan;
    mn_dims d;
    mn_moe m = { 0 };
    mn_mamba_dims md = { 0 };
    const int32_t *kinds = NULL;
    int32_t n = 0;
    mn_build_root(b, "embeddings|embed_tokens");
    mn_build_dims(b, &d, &def);
    if (!b->gguf) {     /* the list decides, not num_hidden_layers */
        kinds = layer_kinds(b, &n);
        if (!b->status && n != d.n_layers)
            mn_build_invalid(b, "config.json: num_hidden_layers: %d expected, as layers are "
                             "listed, %d found", n, d.n_layers);
    }
    mn_config_refuse(b, "moe_latent_size", "moe_latent_size", 0);
    mn_config_refuse(b, NULL, "sliding_window", 0);
    mn_act act = mn_config_act(b, NULL, "mlp_hidden_act", MN_ACT_RELU2);
    read_mamba(b, &md, &d);
    bool mixture = b->gguf && mn_config_has(b, "expert_count", NULL);
    for (int32_t i = 0; kinds && i < n; i++) mixture |= kinds[i] == MOE;
    if (mixture)
        mn_build_moe_fields(b, &m, &(mn_moe){
            .n_experts = 8, .n_used = 2, .width = 7688, .n_shared = 1, .shared_width =
            b->gguf ? 0 : 7688, .n_groups = 1, .n_groups_used = 1, .normalise = !b->gguf });
    if (b->status) return;
    mn_bind_weight(b, &p->embed, "token_embd", "embeddings|embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm_f|norm", d.hidden, 0);
    mn_build_head(b, &d, false);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        int32_t kind = kinds ? kinds[i] : gguf_kind(b, &d);
        mn_norm *norm = kind == MAMBA || kind == ATTENTION ? &l->pre_norm : &l->ffn_norm;
        mn_bind_norm(b, norm, MN_NORM_RMS, d.eps, "attn_norm", "norm", d.hidden, 0);
        if (kind == MAMBA) mn_build_mamba2(b, &l->mixer, &md, "mixer.", d.hidden);
        else if (kind == ATTENTION) build_attention(b, &l->mixer, &d);
        else if (kind == MOE) build_mixture(b, &l->ffn, &m, d.hidden, act);
        else {
            l->ffn.kind = MN_FFN_DENSE;
            mn_build_plain_ffn(b, &l->ffn.dense, "mixer.", d.hidden, d.ffn[i], act);
        }
    }
}
