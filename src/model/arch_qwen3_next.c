/* Qwen3-Next and Qwen 3.5 (dense and mixture): three layers of gated delta rule, one of
 * attention whose output is gated; partial rope; norms that multiply by 1 + w.
 *
 * Names and orders of the delta layers' tensors:
 *   Qwen3-Next HF   in_proj_qkvz, in_proj_ba: fused, grouped by key head
 *   Qwen3-Next GGUF attn_qkv, attn_gate (z): ungrouped; ssm_ba still grouped.  Early files
 *                   have ssm_in, grouped like HF's
 *   Qwen 3.5 HF     in_proj_qkv, _z, _b, _a
 *   Qwen 3.5 GGUF   the same, value heads reordered so that head h uses key head h % nk
 * GGUF and mlx-lm's files have the 1 of the norms added already; the latter are known by
 * their convolution, [channels, width, 1]. */
#include "model/arch.h"

#include <math.h>

typedef struct {
    mn_dims d;
    int32_t n_k, n_v, key_dim, value_dim, width;
    unsigned plus;              /* flags of the norms */
    bool next, mixture;
    mn_moe moe;
    mn_act act;
    mn_rope rope;
} hybrid;

static void read_delta(mn_build *b, hybrid *h)
{
    h->width = (int32_t)mn_config_int(b, "ssm.conv_kernel", "linear_conv_kernel_dim", 4, 1, 1 << 10);
    h->key_dim = (int32_t)mn_config_int(b, "ssm.state_size", "linear_key_head_dim", 128, 1, 1 << 14);
    h->n_k = (int32_t)mn_config_int(b, "ssm.group_count", "linear_num_key_heads", 16, 1, 1 << 14);
    h->n_v = (int32_t)mn_config_int(b, "ssm.time_step_rank", "linear_num_value_heads", 32, 1,
                                    1 << 14);
    if (b->gguf)
        h->value_dim = (int32_t)(mn_config_int(b, "ssm.inner_size", NULL, MN_REQUIRED_INT, 1,
                                               1 << 24) / h->n_v);
    else
        h->value_dim = (int32_t)mn_config_int(b, NULL, "linear_value_head_dim", 128, 1, 1 << 14);
    if (!b->status && (h->n_v % h->n_k || h->value_dim < 1))
        mn_build_invalid(b, "linear attention: value heads that the key heads divide expected, "
                         "%d and %d found", h->n_v, h->n_k);
}

/* 1 for layers of the delta rule. */
static const int32_t *delta_layers(mn_build *b, int32_t n_layers)
{
    static const char *const words[] = { "full_attention", "linear_attention", "attention", NULL };
    if (b->gguf && mn_config_has(b, "attention.recurrent_layers", NULL))
        return mn_config_per_layer(b, "attention.recurrent_layers", NULL, 0, 0, 1, n_layers);
    const int32_t *listed = mn_config_layer_types(b, "layer_types", words, n_layers);
    int32_t every = (int32_t)mn_config_int(b, "full_attention_interval", "full_attention_interval",
                                           4, 1, 1 << 20);
    int32_t *out = mn_build_alloc(b, (size_t)n_layers, sizeof *out);
    for (int32_t i = 0; out && i < n_layers; i++)
        out[i] = listed ? listed[i] == 1 : (i + 1) % every != 0;
    return out;
}

/* mlx-lm's converted files: is the convolution [channels, width, 1]? */
static bool converted(mn_build *b, const int32_t *delta, int32_t n_layers)
{
    for (int32_t i = 0; !b->gguf && delta && i < n_layers; i++) {
        if (!delta[i]) continue;
        b->layer = i;
        const mn_tensor_ref *t = mn_bind_find(b, NULL, "linear_attn.conv1d", ".weight");
        b->layer = -1;
        return t && t->n_dims == 3 && t->dims[2] == 1 && t->dims[1] > 1;
    }
    return false;
}

/* ssm_ba: for each key head its b rows, then its a rows. */
static void split_ba(mn_build *b, mn_gated_delta *g, const mn_linear *ba)
{
    int32_t n = g->n_v_heads, per = n / g->n_k_heads;
    int32_t *index = mn_build_alloc(b, 2 * (size_t)n, sizeof *index);
    for (int32_t v = 0; index && v < n; v++) {
        index[v] = v / per * 2 * per + v % per;
        index[n + v] = index[v] + per;
    }
    if (!index) return;
    mn_bind_gather(b, &g->b, ba, index, n);
    mn_bind_gather(b, &g->a, ba, index + n, n);
}

static void build_delta(mn_build *b, const hybrid *h, mn_mixer *mixer)
{
    mn_gated_delta *g = &mixer->u.delta;
    int64_t hidden = h->d.hidden, k = (int64_t)h->n_k * h->key_dim;
    int64_t v = (int64_t)h->n_v * h->value_dim, channels = 2 * k + v;
    mixer->kind = MN_MIXER_GATED_DELTA;
    g->n_k_heads = h->n_k;
    g->n_v_heads = h->n_v;
    g->key_dim = h->key_dim;
    g->value_dim = h->value_dim;
    g->conv_width = h->width;
    g->repeat_interleaved = h->next || !b->gguf;
    if (mn_bind_has(b, "ssm_in", "linear_attn.in_proj_qkvz")) {
        mn_bind_linear(b, &g->qkvz, "ssm_in", "linear_attn.in_proj_qkvz", channels + v, hidden);
        mn_bind_linear(b, &g->ba, "ssm_ba", "linear_attn.in_proj_ba", 2 * (int64_t)h->n_v, hidden);
    } else {
        mn_bind_linear(b, &g->qkv, "attn_qkv", "linear_attn.in_proj_qkv", channels, hidden);
        mn_bind_linear(b, &g->z, "attn_gate", "linear_attn.in_proj_z", v, hidden);
        if (b->gguf && mn_bind_has(b, "ssm_ba", NULL)) {
            mn_linear ba = { 0 };
            mn_bind_linear(b, &ba, "ssm_ba", NULL, 2 * (int64_t)h->n_v, hidden);
            split_ba(b, g, &ba);
        } else {
            mn_bind_linear(b, &g->b, "ssm_beta", "linear_attn.in_proj_b", h->n_v, hidden);
            mn_bind_linear(b, &g->a, "ssm_alpha", "linear_attn.in_proj_a", h->n_v, hidden);
        }
    }
    g->conv = mn_bind_vector(b, "ssm_conv1d.weight", "linear_attn.conv1d.weight",
                             channels * h->width, 0);
    g->decay = mn_bind_vector(b, "ssm_a", "linear_attn.A_log", h->n_v,
                              b->gguf ? MN_VECTOR_PLAIN : MN_VECTOR_NEG_EXP);
    g->dt_bias = mn_bind_vector(b, "ssm_dt.bias", "linear_attn.dt_bias", h->n_v, 0);
    mn_bind_norm(b, &g->norm, MN_NORM_RMS, h->d.eps, "ssm_norm", "linear_attn.norm",
                 h->value_dim, 0);
    mn_bind_linear(b, &g->out, "ssm_out", "linear_attn.out_proj", hidden, v);
}

/* q's rows per head: the query, then the gate of the output. */
static void build_attention(mn_build *b, const hybrid *h, mn_mixer *mixer)
{
    mn_attention *a = &mixer->u.attention;
    int i = b->layer;
    int64_t q = (int64_t)h->d.n_heads[i] * h->d.head_dim;
    int64_t kv = (int64_t)h->d.n_kv_heads[i] * h->d.head_dim;
    mixer->kind = MN_MIXER_ATTENTION;
    a->n_heads = h->d.n_heads[i];
    a->n_kv_heads = h->d.n_kv_heads[i];
    a->head_dim = a->v_head_dim = h->d.head_dim;
    a->scale = (float)(1 / sqrt((double)h->d.head_dim));
    a->gate = MN_GATE_SIGMOID_IN_Q;
    a->rope = h->rope;
    mn_build_qkv(b, a, h->d.hidden, 2 * q, kv, kv);
    mn_bind_linear(b, &a->o, "attn_output", "self_attn.o_proj", h->d.hidden, q);
    mn_build_qk_norms(b, a, h->d.eps, h->d.head_dim, h->d.head_dim, h->plus);
}

static void build_ffn(mn_build *b, const hybrid *h, mn_ffn *f, bool mixed)
{
    int64_t hidden = h->d.hidden;
    f->kind = MN_FFN_DENSE;
    if (!mixed) {
        mn_build_dense(b, &f->dense, "", "mlp.", hidden, h->d.ffn[b->layer], h->act);
        return;
    }
    mn_build_moe(b, f, &h->moe, "mlp.", "mlp.gate", hidden, h->act);
    mn_build_shared(b, f, &h->moe, "mlp.shared_expert.", hidden, h->act);
    if (h->moe.shared_width)
        mn_bind_linear(b, &f->shared_gate, "ffn_gate_inp_shexp", "mlp.shared_expert_gate", 1,
                       hidden);
}

void mn_arch_qwen3_next(mn_build *b)
{
    static const mn_dims_default next = {
        .vocab = 151936, .hidden = 2048, .n_layers = 48, .n_heads = 16, .n_kv_heads = 2,
        .head_dim = 256, .ffn = 5632, .context = 32768, .eps = 1e-6
    }, dense = {
        .vocab = 248320, .hidden = 4096, .n_layers = 32, .n_heads = 16, .n_kv_heads = 4,
        .head_dim = 256, .ffn = 12288, .context = 32768, .eps = 1e-6
    }, moe = {
        .vocab = 248320, .hidden = 2048, .n_layers = 40, .n_heads = 16, .n_kv_heads = 2,
        .head_dim = 256, .ffn = 1, .context = 32768, .eps = 1e-6
    };
    hybrid h = { .next = mn_is(b, "qwen3_next") };
    h.mixture = h.next || mn_is(b, "qwen3_5_moe");
    mn_plan *p = b->plan;
    mn_build_dims(b, &h.d, h.next ? &next : h.mixture ? &moe : &dense);
    h.act = mn_config_act(b, NULL, "hidden_act", MN_ACT_SILU);
    read_delta(b, &h);
    if (h.mixture)
        mn_build_moe_fields(b, &h.moe, &(mn_moe){
            .n_experts = b->gguf ? 0 : h.next ? 512 : 256, .n_used = h.next ? 10 : 8, .width = 512,
            .shared_width = 512, .normalise = true });
    if (h.mixture && (b->gguf || !h.next)) h.moe.normalise = true;
    mn_rope_build(b, &h.rope, &(mn_rope_request){ .head_dim = h.d.head_dim, .partial = 0.25 });
    const int32_t *delta = delta_layers(b, h.d.n_layers);
    const int32_t *mixed = h.next ? mn_build_sparse_layers(b, h.d.n_layers) : NULL;
    h.plus = b->gguf || converted(b, delta, h.d.n_layers) ? 0 : MN_VECTOR_PLUS_ONE;
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, h.d.vocab, h.d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, h.d.eps, "output_norm", "norm", h.d.hidden, h.plus);
    mn_build_head(b, &h.d, false);
    for (int32_t i = 0; i < h.d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, h.d.eps, "attn_norm", "input_layernorm",
                     h.d.hidden, h.plus);
        if (delta[i]) build_delta(b, &h, &l->mixer);
        else build_attention(b, &h, &l->mixer);
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, h.d.eps, "post_attention_norm",
                     "post_attention_layernorm", h.d.hidden, h.plus);
        build_ffn(b, &h, &l->ffn, mixed ? mixed[i] : h.mixture);
    }
}
