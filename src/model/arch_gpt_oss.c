/* gpt-oss: attention with sinks on alternating windows, YaRN, and a mixture of experts
 * whose every matrix has a bias and whose gate is clamped.
 *
 * Experts come as GGUF stacks, as MLX modules, as OpenAI's MXFP4 blocks with the rows of
 * gate and up interleaved, or as plain [in, out] floats (copied, transposed).  HF keeps
 * YaRN's range unrounded (truncate: false), which GGUF cannot say. */
#include "model/arch.h"

/* gate and up rows alternate in one stack, and so do their biases. */
static void split_rows(mn_build *b, mn_experts *e, const mn_weight *both, const float *bias)
{
    if (b->status) return;
    e->gate = mn_weight_rows_strided(both, 0, 2);
    e->up = mn_weight_rows_strided(both, 1, 2);
    int64_t n = e->n_experts * e->gate.rows;
    float *gate = mn_build_alloc(b, (size_t)n, sizeof *gate);
    float *up = mn_build_alloc(b, (size_t)n, sizeof *up);
    for (int64_t i = 0; gate && up && i < n; i++) {
        gate[i] = bias[2 * i];
        up[i] = bias[2 * i + 1];
    }
    e->gate_bias = gate;
    e->up_bias = up;
}

static void build_raw_experts(mn_build *b, mn_experts *e, int64_t hidden, int64_t width)
{
    mn_weight both = { 0 };
    int64_t n = e->n_experts;
    if (mn_bind_find(b, NULL, "mlp.experts.gate_up_proj", "_blocks")) {
        mn_bind_mxfp4_blocks(b, &both, "mlp.experts.gate_up_proj", n, 2 * width, hidden);
        mn_bind_mxfp4_blocks(b, &e->down, "mlp.experts.down_proj", n, hidden, width);
    } else {
        mn_bind_transposed(b, &both, "mlp.experts.gate_up_proj", n, 2 * width, hidden);
        mn_bind_transposed(b, &e->down, "mlp.experts.down_proj", n, hidden, width);
    }
    split_rows(b, e, &both, mn_bind_vector(b, NULL, "mlp.experts.gate_up_proj_bias",
                                           n * 2 * width, 0));
    e->down_bias = mn_bind_vector(b, NULL, "mlp.experts.down_proj_bias", n * hidden, 0);
}

static void build_ffn(mn_build *b, mn_ffn *f, const mn_moe *m, int64_t hidden)
{
    mn_experts *e = &f->experts;
    f->kind = MN_FFN_EXPERTS;
    e->n_experts = m->n_experts;
    e->n_used = m->n_used;
    e->route = MN_ROUTE_TOPK_SOFTMAX;
    e->act = MN_ACT_SWIGLU_OAI;
    mn_bind_linear(b, &e->router, "ffn_gate_inp", "mlp.router", m->n_experts, hidden);
    if (b->gguf || mn_bind_has(b, NULL, "mlp.experts.gate_proj"))
        mn_build_experts(b, e, "mlp.", hidden, m->width);
    else build_raw_experts(b, e, hidden, m->width);
}

void mn_arch_gpt_oss(mn_build *b)
{
    static const mn_dims_default def = {
        .vocab = 201088, .hidden = 2880, .n_layers = 36, .n_heads = 64, .n_kv_heads = 8,
        .head_dim = 64, .ffn = 2880, .context = 131072, .eps = 1e-5
    };
    mn_plan *p = b->plan;
    mn_dims d;
    mn_moe m = { 0 };
    mn_build_dims(b, &d, &def);
    if (!b->gguf && !mn_config_has(b, NULL, "rope_scaling rope_parameters"))
        mn_build_invalid(b, "config.json: rope_scaling: gpt-oss's YaRN parameters expected, but "
                         "the field is missing");
    mn_build_moe_fields(b, &m, &(mn_moe){ .n_experts = b->gguf ? 0 : 128, .n_used = 4,
                                          .width = d.n_layers ? d.ffn[0] : 1 });
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, d.vocab, d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_RMS, d.eps, "output_norm", "norm", d.hidden, 0);
    mn_build_head(b, &d, false);
    mn_rope rope = { 0 };
    mn_rope_build(b, &rope, &(mn_rope_request){ .head_dim = d.head_dim,
                                                .theta = b->gguf ? 0 : 150000 });
    int32_t window = mn_build_window(b, "attention.sliding_window", "sliding_window",
                                     b->gguf ? 0 : 128);
    const int32_t *slides = mn_build_sliding(b, d.n_layers, 2);
    for (int32_t i = 0; i < d.n_layers && !b->status; i++) {
        mn_layer *l = &p->layers[b->layer = i];
        mn_bind_norm(b, &l->pre_norm, MN_NORM_RMS, d.eps, "attn_norm", "input_layernorm",
                     d.hidden, 0);
        mn_attention *a = mn_build_attention(b, &l->mixer, d.hidden, d.n_heads[i],
                                             d.n_kv_heads[i], d.head_dim, d.v_head_dim);
        a->rope = rope;
        a->window = slides[i] ? window : 0;
        a->sinks = mn_bind_vector(b, "attn_sinks.weight|attn_sinks", "self_attn.sinks",
                                  d.n_heads[i], 0);
        mn_bind_norm(b, &l->ffn_norm, MN_NORM_RMS, d.eps, "post_attention_norm|ffn_norm",
                     "post_attention_layernorm", d.hidden, 0);
        build_ffn(b, &l->ffn, &m, d.hidden);
    }
}
