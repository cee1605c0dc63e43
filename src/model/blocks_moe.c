/* Mixtures of experts: the fields that describe one, its router, its stacks, its shared
 * expert.
 *
 * Stacks come in four forms: one tensor each for gate, up and down (GGUF, MLX, FP8), one
 * for gate and up together, and one tensor per expert (plain HF checkpoints, old GGUF). */
#include "model/build.h"

void mn_build_moe_fields(mn_build *b, mn_moe *m, const mn_moe *def)
{
    enum { MAX_EXPERTS = 1 << 14, MAX_WIDTH = 1 << 24 };
    *m = *def;
    m->n_experts = (int32_t)mn_config_int(
        b, "expert_count", "num_local_experts num_experts n_routed_experts moe_num_experts "
        "num_routed_experts", def->n_experts ? def->n_experts : MN_REQUIRED_INT, 1, MAX_EXPERTS);
    m->n_used = (int32_t)mn_config_int(
        b, "expert_used_count", "num_experts_per_tok num_experts_per_token top_k_experts "
        "moe_topk moe_k", def->n_used ? def->n_used : MN_REQUIRED_INT, 1, m->n_experts);
    m->width = (int32_t)mn_config_int(
        b, "expert_feed_forward_length", "moe_intermediate_size expert_ffn_hidden_size",
        def->width ? def->width : MN_REQUIRED_INT, 1, MAX_WIDTH);
    m->n_shared = (int32_t)mn_config_int(
        b, "expert_shared_count", "n_shared_experts num_shared_experts moe_num_shared_experts",
        def->n_shared, 0, 1 << 10);
    m->shared_width = (int32_t)mn_config_int(
        b, "expert_shared_feed_forward_length", "shared_expert_intermediate_size "
        "shared_intermediate_size moe_shared_expert_intermediate_size",
        def->shared_width ? def->shared_width : (int64_t)m->n_shared * m->width, 0, MAX_WIDTH);
    m->n_groups = (int32_t)mn_config_int(b, "expert_group_count", "n_group", def->n_groups, 0,
                                         m->n_experts);
    m->n_groups_used = (int32_t)mn_config_int(b, "expert_group_used_count", "topk_group",
                                              def->n_groups_used, 0, m->n_experts);
    m->normalise = mn_config_bool(b, "expert_weights_norm", "norm_topk_prob", def->normalise);
    m->scale = mn_config_real(b, "expert_weights_scale", "routed_scaling_factor "
                              "moe_router_topk_scaling_factor router_scaling_factor",
                              def->scale ? def->scale : 1, 0, 1e6);
    switch (mn_config_int(b, "expert_gating_func", NULL, 0, 0, 3)) {
    case 1: m->route = MN_ROUTE_SOFTMAX_TOPK; break;
    case 2: m->route = MN_ROUTE_SIGMOID; break;
    case 3: m->route = MN_ROUTE_TOPK_SOFTMAX; break;
    default: break;
    }
}

void mn_build_moe(mn_build *b, mn_ffn *f, const mn_moe *m, const char *hf_prefix,
                  const char *router, int64_t hidden, mn_act act)
{
    char bias[MN_NAME_MAX];
    mn_experts *e = &f->experts;
    f->kind = MN_FFN_EXPERTS;
    e->n_experts = m->n_experts;
    e->n_used = m->n_used;
    e->route = m->route;
    e->n_groups = m->n_groups;
    e->n_groups_used = m->n_groups_used;
    e->normalise = m->normalise;
    e->weight_scale = (float)m->scale;
    e->act = act;
    mn_bind_linear(b, &e->router, "ffn_gate_inp", router, m->n_experts, hidden);
    mn_bind_prefixed(hf_prefix, "gate.e_score_correction_bias|e_score_correction_bias|"
                     "expert_bias|moe_statics.e_score_correction_bias", bias);
    e->select_bias = mn_bind_vector(b, "exp_probs_b.bias|exp_probs_b", bias, m->n_experts,
                                    MN_VECTOR_OPTIONAL);
    mn_build_experts(b, e, hf_prefix, hidden, m->width);
}

void mn_build_shared(mn_build *b, mn_ffn *f, const mn_moe *m, const char *hf_prefix,
                     int64_t hidden, mn_act act)
{
    if (m->shared_width > 0)
        mn_build_dense(b, &f->dense, "_shexp", hf_prefix, hidden, m->shared_width, act);
}

void mn_build_experts(mn_build *b, mn_experts *e, const char *hf_prefix, int64_t hidden,
                      int64_t width)
{
    char stack[MN_NAME_MAX], each[MN_NAME_MAX];
    int64_t n = e->n_experts;
    mn_bind_prefixed(hf_prefix, "switch_mlp.gate_up_proj|experts.gate_up_proj|input_linear", stack);
    if (mn_bind_find(b, "ffn_gate_up_exps", stack, ".weight") ||
        (!b->gguf && mn_bind_find(b, NULL, stack, ""))) {
        mn_weight both = { 0 };
        const float *bias = NULL;
        mn_bind_experts(b, &both, &bias, "ffn_gate_up_exps", stack, NULL, n, 2 * width, hidden);
        if (bias) mn_build_unsupported(b, "layer %d: a bias of fused experts is not implemented",
                                       b->layer);
        if (b->status) return;
        e->gate = mn_weight_rows(&both, 0, width);
        e->up = mn_weight_rows(&both, width, width);
    } else {
        mn_bind_prefixed(hf_prefix, "switch_mlp.gate_proj|experts.gate_proj", stack);
        mn_bind_prefixed(hf_prefix, "experts.%d.gate_proj|experts.%d.w1", each);
        mn_bind_experts(b, &e->gate, &e->gate_bias, "ffn_gate_exps", stack, each, n, width,
                        hidden);
        mn_bind_prefixed(hf_prefix, "switch_mlp.up_proj|experts.up_proj", stack);
        mn_bind_prefixed(hf_prefix, "experts.%d.up_proj|experts.%d.w3", each);
        mn_bind_experts(b, &e->up, &e->up_bias, "ffn_up_exps", stack, each, n, width, hidden);
    }
    mn_bind_prefixed(hf_prefix, "switch_mlp.down_proj|experts.down_proj|output_linear", stack);
    mn_bind_prefixed(hf_prefix, "experts.%d.down_proj|experts.%d.w2", each);
    mn_bind_experts(b, &e->down, &e->down_bias, "ffn_down_exps", stack, each, n, hidden, width);
}
