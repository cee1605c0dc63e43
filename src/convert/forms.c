/* What a family calls its tensors and fields, where its reader knows several names.
 *
 * A reader lists every spelling that files use, "a|b|c"; a writer has to pick the one that
 * the family's own programs (llama.cpp; transformers and mlx-lm) expect.  Mostly that is
 * the first, and the table holds the exceptions.  Questions about structure ("is q, k, v one
 * tensor?") are answered here, too, from the family or from the source's plan. */
#include "convert/convert.h"

#include <stdio.h>
#include <string.h>

static bool in_list(const char *word, const char *list)
{
    size_t n = strlen(word);
    for (const char *p = list; n && (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

/* Families that are one family in GGUF. */
const char *mn_form_arch(const mn_convert *c)
{
    static const struct { const char *family, *gguf; } shared[] = {
        { "mistral", "llama" }, { "mixtral", "llama" }, { "ministral", "llama" },
        { "olmo3", "olmo2" }, { "glm4_moe_lite", "deepseek2" }, { "deepseek_v2", "deepseek2" },
    };
    static char one[64];
    const char *names = mn_plan_family_arch(c->from->family, c->to_gguf);
    if (c->to_gguf)
        for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
            if (!strcmp(shared[i].family, c->from->family)) return shared[i].gguf;
    if (!names || !*names) return NULL;
    snprintf(one, sizeof one, "%.*s", (int)strcspn(names, " "), names);
    return one;
}

/* ---- fields of config.json ------------------------------------------------------------ */

static const struct { const char *families, *keys; } spellings[] = {
    { "gpt2 gpt_bigcode", "n_embd n_layer n_head n_positions n_inner layer_norm_epsilon" },
    { "qwen2_moe qwen3_moe qwen3_next qwen3_5_moe olmoe", "num_experts" },
    { "dots1 glm4_moe glm4_moe_lite deepseek_v2 deepseek_v3", "n_routed_experts" },
    { "ernie4_5_moe", "moe_num_experts moe_k moe_num_shared_experts" },
    { "hunyuan_v1_moe", "num_experts moe_topk num_shared_expert" },
    { "lfm2 lfm2_moe", "norm_eps num_experts" },
    { "gpt_neox starcoder2 stablelm phi cohere cohere2 nemotron", "layer_norm_eps norm_epsilon" },
    { "starcoder2 nemotron", "norm_epsilon norm_eps" },
    { "granitemoe granitemoehybrid", "shared_intermediate_size" },
    { "nemotron_h", "layer_norm_epsilon n_routed_experts moe_shared_expert_intermediate_size" },
    { "phi gpt_neox gpt2", "layer_norm_eps" },
    { "gpt2 gpt_bigcode", "activation_function" },
};

const char *mn_form_key(const mn_convert *c, const char *names, char out[128])
{
    const char *p = names;
    while (*p == ' ' || *p == '^') p++;
    snprintf(out, 128, "%.*s", (int)strcspn(p, " "), p);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        char word[128];
        if (!in_list(c->from->family, spellings[i].families)) continue;
        for (p = names; *p; p += strcspn(p, " ")) {
            while (*p == ' ' || *p == '^') p++;
            snprintf(word, sizeof word, "%.*s", (int)strcspn(p, " "), p);
            if (in_list(word, spellings[i].keys)) {
                memcpy(out, word, sizeof word);
                return out;
            }
        }
    }
    return out;
}

/* ---- tensors -------------------------------------------------------------------------- */

/* Of several names, these families have the second or a later one. */
static const struct { bool gguf; const char *families, *names; } preferred[] = {
    { false, "phi", "self_attn.dense final_layernorm mlp.fc1 mlp.fc2" },
    { false, "lfm2 lfm2_moe", "self_attn.out_proj self_attn.q_layernorm self_attn.k_layernorm "
                              "expert_bias feed_forward.expert_bias" },
    { false, "lfm2", "feed_forward.w1 feed_forward.w2 feed_forward.w3" },
    { false, "hunyuan_v1_dense hunyuan_v1_moe", "self_attn.query_layernorm "
                                                "self_attn.key_layernorm" },
    { false, "starcoder2", "mlp.c_fc mlp.c_proj" },
    { false, "gpt_oss", "mlp.experts.gate_proj mlp.experts.up_proj mlp.experts.down_proj" },
    { false, "minimax_m2", "block_sparse_moe.e_score_correction_bias" },
    { false, "ernie4_5_moe", "mlp.moe_statics.e_score_correction_bias" },
    { false, "granitemoe granitemoehybrid", "shared_mlp.output_linear "
                                            "block_sparse_moe.router.layer" },
    { false, "gpt_neox", "embed_out" },
    { true, "lfm2 lfm2_moe", "token_embd_norm" },
};

static bool is_named(const char *names, const char *one)
{
    size_t n = strlen(one);
    for (const char *p = names; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (!strncmp(p, one, n) && (p[n] == '|' || !p[n])) return true;
    return false;
}

static int pick(const mn_convert *c, const char *names)
{
    const char *family = c->from->family;
    for (size_t i = 0; i < sizeof preferred / sizeof *preferred; i++) {
        if (preferred[i].gguf != c->to_gguf || !in_list(family, preferred[i].families)) continue;
        int at = 0;
        for (const char *p = names; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL, at++) {
            char word[MN_NAME_MAX];
            snprintf(word, sizeof word, "%.*s", (int)strcspn(p, "|"), p);
            if (in_list(word, preferred[i].names)) return at;
        }
    }
    return 0;
}

static const mn_layer *source_layer(const mn_convert *c, const mn_build *b)
{
    return b->layer >= 0 && b->layer < c->from->n_layers ? &c->from->layers[b->layer] : NULL;
}

/* Structure in GGUF files: 1 yes, 0 no, -1 not a question of structure. */
static int gguf_structure(const mn_convert *c, const mn_build *b, const char *names)
{
    const char *family = c->from->family;
    const mn_layer *l = source_layer(c, b);
    if (is_named(names, "attn_q")) {
        if (l && l->mixer.kind == MN_MIXER_MLA) return mn_linear_present(&l->mixer.u.mla.q);
        return !in_list(family, "phi3");
    }
    if (is_named(names, "attn_v")) return l && !l->mixer.u.attention.v_is_k;
    if (is_named(names, "attn_qkv")) return in_list(family, "phi3");
    if (is_named(names, "ffn_gate")) return !in_list(family, "phi3 glm glm4");
    if (is_named(names, "attn_kv_b") || is_named(names, "ssm_in")) return 0;
    if (is_named(names, "ssm_ba")) return in_list(family, "qwen3_next");
    if (is_named(names, "ffn_gate_up_exps")) return 0;
    if (is_named(names, "ffn_gate_inp") && in_list(family, "nemotron_h"))
        return l && l->ffn.kind == MN_FFN_EXPERTS;
    if (is_named(names, "attn_q_norm") && in_list(family, "cohere stablelm"))
        return l && l->mixer.u.attention.q_norm.kind != MN_NORM_NONE;
    if (is_named(names, "ssm_norm") && l && in_list(family, "falcon_h1"))
        return l->mixer.u.mamba2.norm.kind != MN_NORM_NONE;
    if (is_named(names, "ffn_norm") || is_named(names, "post_attention_norm"))
        return !l || !l->parallel_ffn;
    if (is_named(names, "rope_freqs.weight")) return c->rope_freqs;
    if (is_named(names, "rope_factors_short.weight")) return c->rope_factors;
    if (is_named(names, "rope_factors_long.weight")) return c->rope_factors;
    return -1;
}

static int hf_structure(const mn_convert *c, const mn_build *b, const char *names)
{
    const char *family = c->from->family;
    const mn_layer *l = source_layer(c, b);
    if (is_named(names, "self_attn.q_proj") && !strchr(names, '|') && c->outline.family == NULL &&
        in_list(family, "phi3")) return 0;
    if (is_named(names, "self_attn.qkv_proj")) return in_list(family, "phi3");
    if (is_named(names, "mlp.gate_proj")) return !in_list(family, "phi3 glm glm4");
    if (is_named(names, "shared_mlp.gate_proj")) return 0;
    if (is_named(names, "shared_mlp.gate_up_proj")) return 1;
    if (is_named(names, "self_attn.kv_b_proj"))
        return l && mn_weight_present(&l->mixer.u.mla.kv_b);
    if (is_named(names, "self_attn.embed_q"))
        return l && !mn_weight_present(&l->mixer.u.mla.kv_b);
    if (is_named(names, "linear_attn.in_proj_qkvz")) return in_list(family, "qwen3_next");
    if (strstr(names, "experts.gate_up_proj")) return 0;
    if (is_named(names, "self_attn.q_norm") && in_list(family, "cohere"))
        return l && l->mixer.u.attention.q_norm.kind != MN_NORM_NONE;
    return -1;
}

int mn_form_choose(void *ctx, const mn_build *b, const char *names, bool needed)
{
    const mn_convert *c = ctx;
    bool tied = c->from->head.w.data == c->from->embed.data;
    if (is_named(names, c->to_gguf ? "output" : "/lm_head") && !needed) return tied ? -1 : pick(c, names);
    if (is_named(names, c->to_gguf ? "output" : "/lm_head")) return pick(c, names);
    int known = c->to_gguf ? gguf_structure(c, b, names) : hf_structure(c, b, names);
    if (known == 0 && !needed) return -1;
    if (known < 0 && !needed && c->to_gguf && is_named(names, "token_embd")) return -1;
    return pick(c, names);
}
