/* Small networks of random weights, made in memory: for tests of the executor that need
 * no file.  Everything a plan points to lies in its arena. */
#ifndef TESTS_TINY_PLAN_H
#define TESTS_TINY_PLAN_H

#include "model/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TINY_VOCAB = 40, TINY_HIDDEN = 24 };

typedef struct {
    mn_plan *plan;
    uint64_t random;
} tiny;

static inline float tiny_random(tiny *t)
{
    t->random = t->random * 6364136223846793005u + 1442695040888963407u;
    return (float)((int64_t)(t->random >> 33) - (1 << 30)) / (float)(1 << 30);
}

static inline float *tiny_vector(tiny *t, int64_t n, float middle, float spread)
{
    float *v = mn_arena_array(&t->plan->arena, (size_t)n, sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i] = middle + spread * tiny_random(t);
    return v;
}

static inline mn_weight tiny_weight(tiny *t, int64_t rows, int64_t cols)
{
    float *w = tiny_vector(t, rows * cols, 0, 1.7f / sqrtf((float)cols));
    return (mn_weight){ .type = MN_F32, .rows = rows, .cols = cols, .n_experts = 1,
                        .data = (const uint8_t *)w, .row_bytes = (size_t)cols * 4,
                        .expert_bytes = (size_t)(rows * cols) * 4 };
}

static inline mn_linear tiny_linear(tiny *t, int64_t rows, int64_t cols)
{
    return (mn_linear){ .w = tiny_weight(t, rows, cols) };
}

static inline mn_norm tiny_norm(tiny *t, int32_t n)
{
    return (mn_norm){ .kind = MN_NORM_RMS, .eps = 1e-5f, .n = n,
                      .weight = tiny_vector(t, n, 1, 0.2f) };
}

/* 4 heads over 2 KV heads of an odd width (6), rope on 4 of the 6. */
static inline void tiny_attention(tiny *t, mn_mixer *m, int32_t window)
{
    enum { HEADS = 4, KV = 2, DIM = 6 };
    float *freq = tiny_vector(t, 2, 0.5f, 0.4f);
    m->kind = MN_MIXER_ATTENTION;
    m->u.attention = (mn_attention){
        .n_heads = HEADS, .n_kv_heads = KV, .head_dim = DIM, .v_head_dim = DIM,
        .q = tiny_linear(t, HEADS * DIM, TINY_HIDDEN), .k = tiny_linear(t, KV * DIM, TINY_HIDDEN),
        .v = tiny_linear(t, KV * DIM, TINY_HIDDEN), .o = tiny_linear(t, TINY_HIDDEN, HEADS * DIM),
        .rope = { .n_dims = 4, .inv_freq = freq }, .scale = 0.4f, .window = window,
    };
}

static inline void tiny_mla(tiny *t, mn_mixer *m)
{
    enum { HEADS = 3, NOPE = 5, ROPE = 2, V = 7, RANK = 10 };
    m->kind = MN_MIXER_MLA;
    m->u.mla = (mn_mla){
        .n_heads = HEADS, .nope_dim = NOPE, .rope_dim = ROPE, .v_dim = V, .kv_rank = RANK,
        .q = tiny_linear(t, HEADS * (NOPE + ROPE), TINY_HIDDEN),
        .kv_a = tiny_linear(t, RANK + ROPE, TINY_HIDDEN), .kv_a_norm = tiny_norm(t, RANK),
        .kv_b = tiny_weight(t, HEADS * (NOPE + V), RANK),
        .o = tiny_linear(t, TINY_HIDDEN, HEADS * V),
        .rope = { .n_dims = ROPE, .interleaved = true, .inv_freq = tiny_vector(t, 1, 0.5f, 0.1f) },
        .scale = 0.35f,
    };
}

static inline void tiny_delta(tiny *t, mn_mixer *m)
{
    enum { KH = 2, VH = 4, KD = 5, VD = 6, CHANNELS = 2 * KH * KD + VH * VD };
    m->kind = MN_MIXER_GATED_DELTA;
    m->u.delta = (mn_gated_delta){
        .n_k_heads = KH, .n_v_heads = VH, .key_dim = KD, .value_dim = VD, .conv_width = 4,
        .qkv = tiny_linear(t, CHANNELS, TINY_HIDDEN), .z = tiny_linear(t, VH * VD, TINY_HIDDEN),
        .b = tiny_linear(t, VH, TINY_HIDDEN), .a = tiny_linear(t, VH, TINY_HIDDEN),
        .repeat_interleaved = true, .conv = tiny_vector(t, CHANNELS * 4, 0, 0.5f),
        .decay = tiny_vector(t, VH, -0.5f, 0.3f), .dt_bias = tiny_vector(t, VH, 0, 0.5f),
        .norm = tiny_norm(t, VD), .out = tiny_linear(t, TINY_HIDDEN, VH * VD),
    };
}

static inline void tiny_mamba2(tiny *t, mn_mixer *m)
{
    enum { HEADS = 4, DIM = 5, GROUPS = 2, STATE = 9, INNER = HEADS * DIM,
           CHANNELS = INNER + 2 * GROUPS * STATE };
    m->kind = MN_MIXER_MAMBA2;
    m->u.mamba2 = (mn_mamba2){
        .n_heads = HEADS, .head_dim = DIM, .n_groups = GROUPS, .state_dim = STATE, .conv_width = 3,
        .in = tiny_linear(t, INNER + CHANNELS + HEADS, TINY_HIDDEN),
        .out = tiny_linear(t, TINY_HIDDEN, INNER), .conv = tiny_vector(t, CHANNELS * 3, 0, 0.6f),
        .conv_bias = tiny_vector(t, CHANNELS, 0, 0.1f), .decay = tiny_vector(t, HEADS, -0.7f, 0.4f),
        .dt_bias = tiny_vector(t, HEADS, 0, 0.5f), .d = tiny_vector(t, HEADS, 1, 0.3f),
        .norm = tiny_norm(t, INNER / GROUPS),
    };
}

static inline void tiny_short_conv(tiny *t, mn_mixer *m)
{
    m->kind = MN_MIXER_SHORT_CONV;
    m->u.conv = (mn_short_conv){
        .width = 3, .in = tiny_linear(t, 3 * TINY_HIDDEN, TINY_HIDDEN),
        .out = tiny_linear(t, TINY_HIDDEN, TINY_HIDDEN),
        .conv = tiny_vector(t, TINY_HIDDEN * 3, 0, 0.6f),
    };
}

static inline void tiny_dense(tiny *t, mn_ffn *f)
{
    f->kind = MN_FFN_DENSE;
    f->dense = (mn_dense){ .gate = tiny_linear(t, 33, TINY_HIDDEN),
                           .up = tiny_linear(t, 33, TINY_HIDDEN),
                           .down = tiny_linear(t, TINY_HIDDEN, 33) };
}

/* One letter per layer: a attention, w window of 40, l latent, d delta, m mamba-2,
 * c short convolution. */
static inline mn_plan *tiny_plan(const char *layers)
{
    mn_plan *p = calloc(1, sizeof *p);
    tiny t = { p, 12345 };
    *p = (mn_plan){ .family = "tiny", .vocab = TINY_VOCAB, .hidden = TINY_HIDDEN,
                    .n_layers = (int32_t)strlen(layers), .context_train = 512, .causal = true };
    p->embed = tiny_weight(&t, TINY_VOCAB, TINY_HIDDEN);
    p->embed_scale = 5;
    p->out_norm = tiny_norm(&t, TINY_HIDDEN);
    p->head = tiny_linear(&t, TINY_VOCAB, TINY_HIDDEN);
    p->layers = mn_arena_array(&p->arena, strlen(layers), sizeof *p->layers);
    for (int32_t i = 0; i < p->n_layers; i++) {
        mn_layer *l = &p->layers[i];
        l->pre_norm = tiny_norm(&t, TINY_HIDDEN);
        l->ffn_norm = tiny_norm(&t, TINY_HIDDEN);
        tiny_dense(&t, &l->ffn);
        switch (layers[i]) {
        case 'a': tiny_attention(&t, &l->mixer, 0); break;
        case 'w': tiny_attention(&t, &l->mixer, 40); break;
        case 'l': tiny_mla(&t, &l->mixer); break;
        case 'd': tiny_delta(&t, &l->mixer); break;
        case 'm': tiny_mamba2(&t, &l->mixer); break;
        case 'c': tiny_short_conv(&t, &l->mixer); break;
        default: abort();
        }
    }
    return p;
}

static inline void tiny_free(mn_plan *p)
{
    if (!p) return;
    mn_arena_clear(&p->arena);
    free(p);
}

#endif
