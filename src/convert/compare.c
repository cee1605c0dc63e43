/* Will the target be the same network?  Every number of two plans side by side.
 *
 * A form that cannot say something (GGUF has no key for Mistral's window) gives a plan that
 * differs.  Differences that the other programs' own converters make as well are in a table
 * and become warnings; any other is a refusal that names the number. */
#include "convert/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    mn_convert *c;
    int32_t layer;
} comparer;

typedef enum { OTHER, WINDOW, ROPE, SCALE, EPSILON } aspect;

/* What a GGUF file cannot say of a family. */
static const struct { aspect aspect; const char *families, *words; } unsaid[] = {
    { WINDOW, "mistral mixtral ministral phi3 starcoder2 qwen2 qwen3 qwen2_moe smollm3 dots1 exaone4",
      "GGUF cannot say where attention has a window; without one, texts longer than it differ" },
    { ROPE, "gpt_oss",
      "GGUF cannot say that YaRN's range is not rounded; llama.cpp's rule is followed" },
    { ROPE, "phi3", "GGUF files switch LongRoPE's tables by the context's size" },
    { SCALE, "gemma2 gemma3",
      "GGUF has no key for query_pre_attn_scalar; the head's width is used in its place" },
    { EPSILON, "deepseek_v2 deepseek_v3 glm4_moe_lite",
      "GGUF has one epsilon for all norms, the latent's included" },
};

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

static void differ(comparer *q, aspect a, const char *what, double from, double to)
{
    mn_convert *c = q->c;
    char where[32] = "";
    for (size_t i = 0; c->to_gguf && i < sizeof unsaid / sizeof *unsaid; i++)
        if (unsaid[i].aspect == a && has_word(unsaid[i].families, c->from->family)) {
            mn_convert_warn(c, "%s", unsaid[i].words);
            return;
        }
    if (q->layer >= 0) snprintf(where, sizeof where, "layer %d, ", q->layer);
    mn_convert_fail(c, MINERVA_UNSUPPORTED, "family \"%s\" cannot be written as %s yet: %s%s would "
                    "be %g instead of %g", c->from->family,
                    c->to_gguf ? "GGUF" : "an MLX directory", where, what, to, from);
}

static bool close_to(double a, double b)
{
    return a == b || fabs(a - b) <= 2e-6 * fmax(fabs(a), fabs(b));
}

static void number(comparer *q, aspect a, const char *what, double from, double to)
{
    if (!q->c->status && !close_to(from, to)) differ(q, a, what, from, to);
}

#define SAME(field) number(q, OTHER, #field, (double)a->field, (double)b->field)
#define SAME_SCALE(field) \
    number(q, OTHER, #field, a->field ? (double)a->field : 1, b->field ? (double)b->field : 1)

static void compare_norm(comparer *q, const char *what, const mn_norm *a, const mn_norm *b)
{
    char name[64];
    if (a->kind == MN_NORM_NONE) return;
    snprintf(name, sizeof name, "%s's kind", what);
    number(q, OTHER, name, a->kind, b->kind);
    snprintf(name, sizeof name, "%s's width", what);
    number(q, OTHER, name, a->n, b->n);
    snprintf(name, sizeof name, "%s's epsilon", what);
    number(q, EPSILON, name, (double)a->eps, (double)b->eps);
}

static void compare_table(comparer *q, const char *what, const float *a, const float *b, int32_t n)
{
    if (!a != !b) number(q, ROPE, what, a != NULL, b != NULL);
    for (int32_t i = 0; a && b && i < n && !q->c->status; i++)
        if (fabs((double)a[i] - (double)b[i]) > 1e-5 * fabs((double)a[i]) + 1e-20) {
            differ(q, ROPE, what, (double)a[i], (double)b[i]);
            return;
        }
}

/* With tables among the tensors the outline's frequencies are still bare; what the tables
 * will hold is computed from both, so they agree by construction. */
static void compare_rope(comparer *q, const mn_rope *a, const mn_rope *b, bool tables)
{
    SAME(n_dims);
    if (!a->n_dims || q->c->status) return;
    number(q, ROPE, "rope's magnitude", (double)a->magnitude, (double)b->magnitude);
    if (tables) return;
    compare_table(q, "rope's frequency", a->inv_freq, b->inv_freq, a->n_dims / 2);
    compare_table(q, "rope's long frequency", a->inv_freq_long, b->inv_freq_long, a->n_dims / 2);
    if (a->inv_freq_long) number(q, ROPE, "rope's switch", a->switch_at, b->switch_at);
}

static void compare_attention(comparer *q, const mn_attention *a, const mn_attention *b)
{
    mn_convert *c = q->c;
    SAME(n_heads), SAME(n_kv_heads), SAME(head_dim), SAME(v_head_dim), SAME(v_is_k);
    SAME(rope_before_norm), SAME(softcap), SAME(chunk), SAME(bidirectional), SAME(gate);
    SAME(kv_from_layer), SAME(temp_beta);
    if (a->temp_beta != 0) SAME(temp_floor);
    number(q, SCALE, "attention's scale", (double)a->scale, (double)b->scale);
    number(q, WINDOW, "attention's window", a->window, b->window);
    bool global = strcmp(c->from->family, "gemma4") || !a->window;
    compare_rope(q, &a->rope, &b->rope, (c->rope_freqs && global) || c->rope_factors);
    compare_norm(q, "q norm", &a->q_norm, &b->q_norm);
    compare_norm(q, "k norm", &a->k_norm, &b->k_norm);
    compare_norm(q, "v norm", &a->v_norm, &b->v_norm);
}

static void compare_mla(comparer *q, const mn_mla *a, const mn_mla *b)
{
    SAME(n_heads), SAME(nope_dim), SAME(rope_dim), SAME(v_dim), SAME(kv_rank);
    SAME(rope.interleaved);
    number(q, SCALE, "attention's scale", (double)a->scale, (double)b->scale);
    compare_rope(q, &a->rope, &b->rope, false);
    compare_norm(q, "q_a norm", &a->q_a_norm, &b->q_a_norm);
    compare_norm(q, "kv_a norm", &a->kv_a_norm, &b->kv_a_norm);
}

static void compare_mixer(comparer *q, const mn_mixer *a, const mn_mixer *b)
{
    if (!mn_folds_scales(q->c)) SAME_SCALE(in_scale), SAME_SCALE(out_scale);
    if (a->kind == MN_MIXER_ATTENTION) {
        compare_attention(q, &a->u.attention, &b->u.attention);
    } else if (a->kind == MN_MIXER_MLA) {
        compare_mla(q, &a->u.mla, &b->u.mla);
    } else if (a->kind == MN_MIXER_GATED_DELTA) {
        SAME(u.delta.n_k_heads), SAME(u.delta.n_v_heads), SAME(u.delta.key_dim);
        SAME(u.delta.value_dim), SAME(u.delta.conv_width);
        compare_norm(q, "gated norm", &a->u.delta.norm, &b->u.delta.norm);
    } else if (a->kind == MN_MIXER_MAMBA2) {
        SAME(u.mamba2.n_heads), SAME(u.mamba2.head_dim), SAME(u.mamba2.n_groups);
        SAME(u.mamba2.state_dim), SAME(u.mamba2.conv_width), SAME(u.mamba2.dt_min);
        SAME(u.mamba2.dt_max);
        if (a->u.mamba2.norm.kind != MN_NORM_NONE) SAME(u.mamba2.norm_before_gate);
        compare_norm(q, "gated norm", &a->u.mamba2.norm, &b->u.mamba2.norm);
    } else if (a->kind == MN_MIXER_SHORT_CONV) {
        SAME(u.conv.width);
    }
}

static void compare_experts(comparer *q, const mn_experts *a, const mn_experts *b)
{
    int groups_a = a->n_groups > 1 ? a->n_groups : 1, groups_b = b->n_groups > 1 ? b->n_groups : 1;
    SAME(n_experts), SAME(n_used), SAME(route), SAME(normalise), SAME(act), SAME(weight_input);
    SAME_SCALE(weight_scale);
    number(q, OTHER, "groups of experts", groups_a, groups_b);
    if (groups_a > 1) SAME(n_groups_used), SAME(group_by_max);
}

static void compare_layer(comparer *q, const mn_layer *a, const mn_layer *b)
{
    compare_norm(q, "norm", &a->pre_norm, &b->pre_norm);
    compare_norm(q, "norm behind the mixer", &a->post_mixer_norm, &b->post_mixer_norm);
    compare_norm(q, "feed-forward's norm", &a->ffn_norm, &b->ffn_norm);
    compare_norm(q, "norm behind the feed-forward", &a->post_ffn_norm, &b->post_ffn_norm);
    compare_mixer(q, &a->mixer, &b->mixer);
    compare_mixer(q, &a->parallel_mixer, &b->parallel_mixer);
    SAME(parallel_ffn), SAME_SCALE(residual_scale);
    if (mn_linear_present(&a->ffn.dense.up)) SAME(ffn.dense.act);
    if (a->ffn.kind == MN_FFN_EXPERTS) compare_experts(q, &a->ffn.experts, &b->ffn.experts);
    SAME(ffn.experts_read_residual);
}

void mn_compare_plans(mn_convert *c)
{
    const mn_plan *a = c->from, *b = c->to;
    comparer cmp = { c, -1 }, *q = &cmp;
    SAME(vocab), SAME(hidden), SAME(n_layers), SAME(logit_softcap), SAME(causal), SAME(ple_dim);
    if (!mn_folds_scales(c)) SAME_SCALE(embed_scale), SAME_SCALE(logit_scale);
    compare_norm(q, "last norm", &a->out_norm, &b->out_norm);
    for (int32_t i = 0; i < a->n_layers && i < b->n_layers && !c->status; i++) {
        q->layer = i;
        compare_layer(q, &a->layers[i], &b->layers[i]);
    }
}
