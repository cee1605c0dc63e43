"""Options of families that the test models try out: (model_type, name, config fields).

Sizes are small and odd on purpose (head_dim 24, 5 experts); what an entry does not say
comes from BASE or from the class's default."""

BASE = dict(vocab_size=96, hidden_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, intermediate_size=96, max_position_embeddings=256,
            pad_token_id=0, bos_token_id=1, eos_token_id=2)

# Families whose norms multiply by 1 + w.
ONE_PLUS = {"gemma", "gemma2", "gemma3_text", "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text",
            "nemotron"}

# Parameters stored [in, out].
TRANSPOSED = {"gpt_oss": ("experts",), "gpt2": ("c_attn", "c_proj", "c_fc")}

THETA = dict(rope_theta=10000.0)
SLIDING, FULL, LINEAR = "sliding_attention", "full_attention", "linear_attention"


def scaling(**k):
    return dict(rope_theta=10000.0, rope_scaling=k)


def parameters(**k):
    return dict(rope_parameters=dict(rope_theta=10000.0, **k))


LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)
YARN_DEEPSEEK = dict(type="yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=32,
                     beta_slow=1)


def longrope(n):
    return dict(type="longrope", short_factor=[1 + 0.05 * i for i in range(n)],
                long_factor=[1.5 + 0.5 * i for i in range(n)])


MOE = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32)
LOCAL_MOE = dict(num_local_experts=4, num_experts_per_tok=2)
DELTA = dict(head_dim=16, linear_key_head_dim=16, linear_value_head_dim=16,
             linear_num_key_heads=2, linear_num_value_heads=4, linear_conv_kernel_dim=4)
LATENT = dict(kv_lora_rank=32, q_lora_rank=24, qk_rope_head_dim=16, qk_nope_head_dim=24,
              v_head_dim=20, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=32,
              n_shared_experts=1, first_k_dense_replace=1, num_key_value_heads=4)
MAMBA = dict(mamba_n_heads=8, mamba_d_state=16, mamba_d_conv=4, mamba_expand=2, mamba_n_groups=1,
             mamba_d_head=16)
FALCON = dict(mamba_d_ssm=64, mamba_n_heads=4, mamba_d_head=16, mamba_d_state=16,
              mamba_n_groups=1, mamba_d_conv=4, head_dim=16, embedding_multiplier=2.0,
              lm_head_multiplier=0.5, key_multiplier=0.7, attention_in_multiplier=1.3,
              attention_out_multiplier=0.6, ssm_in_multiplier=1.5, ssm_out_multiplier=0.4,
              mlp_multipliers=[0.5, 2.0], ssm_multipliers=[0.5, 1.0, 0.25, 2.0, 0.5])

VARIANTS = [
    ("llama", "bias_llama3", {**scaling(**LLAMA3), "attention_bias": True,
      "mlp_bias": True, "head_dim": 24}),
    ("llama", "linear_mha", {**scaling(type="linear", factor=4.0),
      "num_key_value_heads": None}),
    ("llama", "yarn", {**scaling(**YARN)}),
    ("llama", "yarn_mscale", {**parameters(**YARN, mscale=1.2, mscale_all_dim=0.7,
      beta_fast=16, beta_slow=2)}),
    ("llama", "yarn_af", {**parameters(**YARN, attention_factor=1.3, truncate=False)}),
    ("llama", "dynamic", {**scaling(type="dynamic", factor=2.0)}),
    ("llama", "longrope", {**scaling(**longrope(8)),
      "original_max_position_embeddings": 32, "tie_word_embeddings": True}),
    ("mistral", "nowin", {**THETA, "sliding_window": None, "head_dim": None}),
    ("mistral", "default_win", {**THETA, "head_dim": 24}),
    ("ministral", "types", {**THETA, "sliding_window": 16, "layer_types": [FULL, SLIDING],
      "head_dim": 16}),
    ("ministral3", "temp", {**parameters(**YARN, mscale=1.0, mscale_all_dim=1.0,
      llama_4_scaling_beta=0.3), "head_dim": 16}),
    ("mixtral", "win", {**THETA, "num_local_experts": 5, "num_experts_per_tok": 3,
      "sliding_window": 20, "head_dim": 24}),
    ("smollm3", "layers", {**THETA, "num_hidden_layers": 4, "no_rope_layers": [1, 0, 0, 1],
      "use_sliding_window": True, "sliding_window": 16, "attention_bias": True,
      "mlp_bias": True}),
    ("granite", "bias", {**THETA, "attention_bias": True, "mlp_bias": True,
      "attention_multiplier": 0.1, "embedding_multiplier": 3.0, "logits_scaling": 2.5,
      "residual_multiplier": 0.3}),
    ("granite", "defaults", {**THETA}),
    ("granitemoe", "a", {**THETA, **LOCAL_MOE, "attention_multiplier": 0.2,
      "embedding_multiplier": 2.0, "logits_scaling": 3.0, "residual_multiplier": 0.4,
      "attention_bias": True}),
    ("granitemoeshared", "a", {**THETA, **LOCAL_MOE, "shared_intermediate_size": 48,
      "attention_multiplier": 0.2}),
    ("granitemoehybrid", "rope", {**THETA, **MAMBA, "layer_types": ["mamba", "attention",
      "mamba"], "num_hidden_layers": 3, **LOCAL_MOE, "shared_intermediate_size": 48,
      "position_embedding_type": "rope", "mamba_proj_bias": True, "mamba_n_groups": 2,
      "attention_multiplier": 0.2}),
    ("granitemoehybrid", "dense", {**THETA, **MAMBA, "layer_types": ["attention", "mamba"],
      "num_local_experts": 0, "shared_intermediate_size": 48, "mamba_conv_bias": False,
      "attention_bias": True, "attention_multiplier": 0.2, "time_step_limit": [0.01, 0.5]}),
    ("qwen2", "win", {**THETA, "use_sliding_window": True, "sliding_window": 16,
      "max_window_layers": 1}),
    ("qwen2_moe", "mixed", {**THETA, **MOE, "num_hidden_layers": 4,
      "shared_expert_intermediate_size": 40, "mlp_only_layers": [1],
      "decoder_sparse_step": 2, "norm_topk_prob": True}),
    ("qwen2_moe", "plain", {**THETA, **MOE, "shared_expert_intermediate_size": 40,
      "qkv_bias": False, "use_sliding_window": True, "sliding_window": 16}),
    ("qwen3", "bias", {**THETA, "attention_bias": True, "head_dim": 24,
      "use_sliding_window": True, "sliding_window": 16, "layer_types": [SLIDING, FULL]}),
    ("qwen3_moe", "nonorm", {**THETA, **MOE, "head_dim": 24, "num_hidden_layers": 3,
      "mlp_only_layers": [0], "norm_topk_prob": False, "attention_bias": True}),
    ("qwen3_moe", "win", {**THETA, **MOE, "decoder_sparse_step": 2,
      "norm_topk_prob": True, "use_sliding_window": True, "sliding_window": 16}),
    ("qwen3_next", "a", {**THETA, **MOE, **DELTA, "shared_expert_intermediate_size": 24,
      "layer_types": [LINEAR, FULL, LINEAR], "num_hidden_layers": 3,
      "mlp_only_layers": [2], "norm_topk_prob": False, "partial_rotary_factor": 0.5,
      "attention_bias": True}),
    ("qwen3_next", "b", {**THETA, **MOE, **DELTA, "linear_num_value_heads": 2,
      "shared_expert_intermediate_size": 24, "num_hidden_layers": 4,
      "full_attention_interval": 2, "tie_word_embeddings": True}),
    ("qwen3_5_text", "a", {**parameters(partial_rotary_factor=0.5), **DELTA,
      "linear_num_value_heads": 6, "layer_types": [FULL, LINEAR], "attention_bias": True}),
    ("qwen3_5_moe_text", "a", {**parameters(partial_rotary_factor=0.25), **DELTA, **MOE,
      "shared_expert_intermediate_size": 24, "layer_types": [LINEAR, FULL]}),
    ("gemma", "a", {**THETA, "head_dim": 24}),
    ("gemma2", "a", {**THETA, "head_dim": 16, "query_pre_attn_scalar": 24,
      "attn_logit_softcapping": None, "final_logit_softcapping": None,
      "sliding_window": 16, "layer_types": [FULL, SLIDING], "attention_bias": True}),
    ("gemma2", "b", {**THETA, "head_dim": 16, "query_pre_attn_scalar": 16,
      "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0, "sliding_window": 16}),
    ("gemma3_text", "a", {"rope_theta": 500000.0, "rope_local_base_freq": 5000.0,
      "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "head_dim": 16,
      "query_pre_attn_scalar": 20, "sliding_window": 16, "num_hidden_layers": 4,
      "sliding_window_pattern": 3, "final_logit_softcapping": 4.0}),
    ("gemma3_text", "b", {"rope_parameters": {FULL: {"rope_type": "yarn",
      "rope_theta": 1e5, "factor": 4.0, "original_max_position_embeddings": 32},
      SLIDING: {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}, "head_dim": 16,
      "query_pre_attn_scalar": 16, "sliding_window": 16, "layer_types": [FULL, SLIDING],
      "attention_bias": True}),
    ("gemma4_text", "a", {"head_dim": 16, "global_head_dim": 24, "attention_k_eq_v": True,
      "num_global_key_value_heads": 1, "hidden_size_per_layer_input": 0,
      "num_hidden_layers": 3, "layer_types": [SLIDING, FULL, FULL], "sliding_window": 16,
      "enable_moe_block": True, "num_experts": 4, "top_k_experts": 2,
      "moe_intermediate_size": 32}),
    ("gemma4_text", "b", {"head_dim": 16, "global_head_dim": 32,
      "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 96,
      "num_hidden_layers": 5, "num_kv_shared_layers": 3, "layer_types": [SLIDING, FULL,
      SLIDING, SLIDING, FULL], "sliding_window": 16, "final_logit_softcapping": 5.0,
      "use_double_wide_mlp": False}),
    ("phi3", "long", {**scaling(**longrope(8)), "original_max_position_embeddings": 32,
      "sliding_window": 20}),
    ("phi3", "partial", {**scaling(**longrope(4)), "partial_rotary_factor": 0.5,
      "original_max_position_embeddings": 128, "num_key_value_heads": 1}),
    ("gpt_oss", "a", {**parameters(**YARN, truncate=True), "head_dim": 16,
      "num_local_experts": 4, "num_experts_per_tok": 3, "layer_types": [FULL, SLIDING],
      "sliding_window": 16, "tie_word_embeddings": True}),
    ("gpt_oss", "b", {**parameters(rope_type="default"), "head_dim": 24,
      "num_local_experts": 3, "num_experts_per_tok": 1, "attention_bias": False,
      "sliding_window": 8}),
    ("olmo", "a", {**THETA, "clip_qkv": None}),
    ("olmo2", "bias", {**scaling(**YARN), "attention_bias": True,
      "tie_word_embeddings": True, "num_key_value_heads": 4}),
    ("olmo3", "a", {"rope_theta": 500000.0, "rope_scaling": YARN, "sliding_window": 16,
      "num_hidden_layers": 4}),
    ("olmo3", "b", {"rope_parameters": {FULL: {**YARN, "rope_theta": 10000.0},
      SLIDING: {"rope_type": "default", "rope_theta": 5000.0}}, "sliding_window": 12, "layer_types": [FULL, SLIDING],
      "attention_bias": True}),
    ("olmoe", "a", {**THETA, "num_experts": 4, "num_experts_per_tok": 2,
      "norm_topk_prob": True, "num_key_value_heads": 4}),
    ("cohere", "qknorm", {**THETA, "use_qk_norm": True, "attention_bias": True,
      "logit_scale": 0.3}),
    ("cohere", "plain", {**scaling(type="linear", factor=2.0), "logit_scale": 0.5}),
    ("cohere2", "a", {**THETA, "layer_types": [FULL, SLIDING], "sliding_window": 12,
      "attention_bias": True, "logit_scale": 0.5}),
    ("glm", "a", {**THETA, "head_dim": 16, "attention_bias": True,
      "partial_rotary_factor": 0.5}),
    ("glm4", "a", {**THETA, "head_dim": 24, "attention_bias": False,
      "partial_rotary_factor": 1.0}),
    ("glm4_moe", "a", {**THETA, "head_dim": 16, "n_routed_experts": 8,
      "num_experts_per_tok": 3, "moe_intermediate_size": 32, "n_shared_experts": 2,
      "n_group": 2, "topk_group": 1, "first_k_dense_replace": 0, "norm_topk_prob": False,
      "use_qk_norm": False, "routed_scaling_factor": 1.7, "partial_rotary_factor": 0.25}),
    ("glm4_moe_lite", "a", {**THETA, **LATENT, "mlp_layer_types": ["sparse", "dense"],
      "n_group": 2, "topk_group": 1}),
    ("starcoder2", "a", {**THETA, "use_bias": False, "sliding_window": 16,
      "tie_word_embeddings": False}),
    ("deepseek_v2", "greedy", {**scaling(**YARN_DEEPSEEK, mscale=0.707,
      mscale_all_dim=0.707), **LATENT, "q_lora_rank": None, "topk_method": "greedy",
      "norm_topk_prob": True, "routed_scaling_factor": 1.5}),
    ("deepseek_v2", "group", {**THETA, **LATENT, "topk_method": "group_limited_greedy",
      "n_group": 4, "topk_group": 2, "n_shared_experts": 2, "first_k_dense_replace": 0}),
    ("deepseek_v3", "yarn", {**scaling(**YARN_DEEPSEEK, mscale=1.0, mscale_all_dim=1.0),
      **LATENT, "n_group": 2, "topk_group": 1, "attention_bias": True}),
    ("deepseek_v3", "half", {**THETA, **LATENT, "q_lora_rank": None,
      "rope_interleave": False, "n_group": 1, "topk_group": 1, "norm_topk_prob": False,
      "routed_scaling_factor": 1.3, "n_shared_experts": 2}),
    ("lfm2", "a", {**THETA, "conv_bias": True, "conv_L_cache": 4,
      "block_auto_adjust_ff_dim": True, "block_multiple_of": 32, "full_attn_idxs": [0],
      "tie_word_embeddings": True}),
    ("lfm2_moe", "a", {**parameters(), **MOE, "num_hidden_layers": 3,
      "num_dense_layers": 1, "layer_types": ["conv", FULL, "conv"],
      "use_expert_bias": True, "norm_topk_prob": True, "routed_scaling_factor": 1.2,
      "tie_word_embeddings": True}),
    ("lfm2_moe", "b", {**parameters(), **MOE, "num_dense_layers": 0, "layer_types": [FULL,
      "conv"], "use_expert_bias": False, "norm_topk_prob": False,
      "tie_word_embeddings": True}),
    ("falcon_h1", "norm", {**THETA, **FALCON, "mamba_rms_norm": True,
      "mamba_norm_before_gate": False, "mamba_n_groups": 2, "attention_bias": True,
      "mlp_bias": True, "mamba_proj_bias": True, "projectors_bias": True}),
    ("falcon_h1", "before", {**THETA, **FALCON, "mamba_rms_norm": True,
      "mamba_norm_before_gate": True, "mamba_n_groups": 2, "mamba_conv_bias": False,
      "tie_word_embeddings": True, "time_step_limit": [0.01, 0.5]}),
    ("falcon_h1", "expand", {**THETA, **FALCON, "mamba_d_ssm": None, "mamba_expand": 1}),
]
