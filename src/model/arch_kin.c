/* Families that differ from Llama by a row of a table: the kind and place of norms, norms of
 * q and k, the feed-forward's form, the pairs of the rope, and a mixture in some.
 *
 * Two further differences are read from the file itself: biases are taken where they are,
 * and a GGUF layer without a second norm runs mixer and feed-forward side by side. */
#include "model/arch.h"

#include <stdio.h>
#include <string.h>

typedef enum { QK_PLAIN, QK_HEADS, QK_AFTER_ROPE, QK_WHOLE, QK_EACH_HEAD } qk_kind;

typedef struct {
    const char *name;
    mn_dims_default def;
    bool tied;
    double theta, partial;              /* HF's defaults; 0: 10000, 1 */
    bool pairs_hf, pairs_gguf;          /* interleaved rope */
    mn_norm_kind norm;
    bool bare_norm;                     /* norms without weights */
    bool plus_one;                      /* HF: norms multiply by 1 + w */
    bool post_norm;                     /* norms behind mixer and feed-forward, none before */
    bool parallel;                      /* always; else use_parallel_residual says */
    qk_kind qk;
    bool plain_ffn;                     /* no gate */
    mn_act act;
    const char *ffn_norm_gguf;          /* NULL: "ffn_norm" */
    const char *moe_prefix, *router, *shared;   /* HF names; NULL: dense */
    mn_moe moe;
} kin;

static const kin table[] = {
    { .name = "seed_oss", .norm = MN_NORM_RMS, .ffn_norm_gguf = "post_attention_norm",
      .def = { 155136, 4096, 64, 80, 8, 128, 27648, 524288, 1e-6 } },
    { .name = "helium", .norm = MN_NORM_RMS, .theta = 1e5, .pairs_hf = true,
      .def = { 48000, 2560, 24, 20, 20, 128, 7040, 4096, 1e-8 } },
    { .name = "ernie4_5", .norm = MN_NORM_RMS, .tied = true, .theta = 5e5, .pairs_hf = true,
      .pairs_gguf = true, .def = { 103424, 1024, 18, 16, 2, 128, 3072, 131072, 1e-5 } },
    { .name = "ernie4_5_moe", .norm = MN_NORM_RMS, .tied = true, .theta = 5e5, .pairs_hf = true,
      .pairs_gguf = true, .def = { 103424, 2560, 28, 20, 4, 0, 12288, 131072, 1e-5 },
      .moe_prefix = "mlp.", .router = "mlp.gate", .shared = "mlp.shared_experts.",
      .moe = { .n_experts = 64, .n_used = 6, .width = 1536, .n_shared = 2, .normalise = true } },
    { .name = "arcee", .norm = MN_NORM_RMS, .pairs_gguf = true, .plain_ffn = true,
      .act = MN_ACT_RELU2, .def = { 32000, 2560, 32, 32, 0, 0, 18432, 4096, 1e-5 } },
    { .name = "hunyuan_v1_dense", .norm = MN_NORM_RMS, .qk = QK_AFTER_ROPE,
      .def = { 290943, 4096, 32, 32, 0, 0, 11008, 2048, 1e-5 } },
    { .name = "hunyuan_v1_moe", .norm = MN_NORM_RMS, .qk = QK_AFTER_ROPE,
      .def = { 290943, 4096, 32, 32, 0, 0, 11008, 2048, 1e-5 },
      .moe_prefix = "mlp.", .router = "mlp.gate.wg", .shared = "mlp.shared_mlp.",
      .moe = { .n_experts = 1, .n_used = 1, .normalise = true } },
    { .name = "dots1", .norm = MN_NORM_RMS, .qk = QK_HEADS,
      .def = { 152064, 4608, 62, 32, 32, 0, 10944, 2048, 1e-6 },
      .moe_prefix = "mlp.", .router = "mlp.gate", .shared = "mlp.shared_experts.",
      .moe = { .width = 1408, .n_groups = 1, .n_groups_used = 1, .route = MN_ROUTE_SIGMOID } },
    { .name = "minimax_m2", .norm = MN_NORM_RMS, .qk = QK_WHOLE, .theta = 5e6,
      .def = { 200064, 3072, 62, 48, 8, 128, 1536, 196608, 1e-6 },
      .moe_prefix = "block_sparse_moe.", .router = "block_sparse_moe.gate",
      .moe = { .n_experts = 256, .n_used = 8, .route = MN_ROUTE_SIGMOID, .normalise = true } },
    { .name = "nemotron", .norm = MN_NORM_LAYER, .plus_one = true, .partial = 0.5,
      .plain_ffn = true, .act = MN_ACT_RELU2,
      .def = { 256000, 6144, 32, 48, 0, 0, 24576, 4096, 1e-5 } },
    { .name = "stablelm", .norm = MN_NORM_LAYER, .partial = 0.25, .qk = QK_EACH_HEAD,
      .def = { 50304, 2560, 32, 32, 32, 0, 6912, 4096, 1e-5 } },
    { .name = "phi", .norm = MN_NORM_LAYER, .partial = 0.5, .parallel = true, .plain_ffn = true,
      .act = MN_ACT_GELU_TANH, .def = { 51200, 2048, 24, 32, 0, 0, 8192, 2048, 1e-5 } },
    { .name = "olmo", .norm = MN_NORM_LAYER, .bare_norm = true, .pairs_gguf = true,
      .def = { 50304, 4096, 32, 32, 0, 0, 11008, 2048, 1e-5 } },
    { .name = "exaone4", .norm = MN_NORM_RMS, .qk = QK_HEADS, .post_norm = true,
      .def = { 102400, 4096, 32, 32, 32, 0, 16384, 2048, 1e-5 } },
};

typedef struct {
    const kin *k;
    mn_dims d;
    mn_moe m;
    mn_act act;
    mn_rope rope;
    const int32_t *mixed, *slides;
    int32_t window;
    bool parallel;
} reader;

static void bind_norm(mn_build *b, const reader *r, mn_norm *out, const char *gguf, const char *hf)
{
    if (r->k->bare_norm)
        *out = (mn_norm){ .kind = r->k->norm, .eps = (float)r->d.eps, .n = r->d.hidden };
    else
        mn_bind_norm(b, out, r->k->norm, r->d.eps, gguf, hf, r->d.hidden,
                     r->k->plus_one && !b->gguf ? MN_VECTOR_PLUS_ONE : 0);
}

/* StableLM: a LayerNorm for each head, each a module of its own ("norms.3") in HF files. */
static void bind_each_head(mn_build *b, const reader *r, mn_norm *out, const char *gguf,
                           const char *hf, int32_t heads)
{
    int64_t dim = r->d.head_dim;
    char name[MN_NAME_MAX];
    if (!b->gguf && !mn_config_bool(b, NULL, "qk_layernorm", false)) return;
    if (b->gguf && !mn_bind_has(b, gguf, NULL)) return;
    *out = (mn_norm){ .kind = MN_NORM_LAYER, .eps = (float)r->d.eps, .n = (int32_t)dim,
                      .per_group_weight = true };
    if (b->gguf) {
        snprintf(name, sizeof name, "%s.weight", gguf);
        out->weight = mn_bind_vector(b, name, NULL, heads * dim, 0);
        return;
    }
    float *all = mn_build_alloc(b, (size_t)(heads * dim), sizeof *all);
    for (int32_t h = 0; h < heads && !b->status; h++) {
        snprintf(name, sizeof name, "%s.norms.%d.weight", hf, h);
        const float *w = mn_bind_vector(b, NULL, name, dim, 0);
        if (w) memcpy(all + h * dim, w, (size_t)dim * sizeof *all);
    }
    out->weight = all;
}

static void build_qk(mn_build *b, const reader *r, mn_attention *a)
{
    int64_t dim = r->d.head_dim;
    unsigned optional = b->gguf ? MN_VECTOR_OPTIONAL : 0;
    switch (r->k->qk) {
    case QK_PLAIN:      /* phi may norm its heads, too */
        if (b->gguf || !mn_config_bool(b, NULL, "qk_layernorm", false)) break;
        mn_build_qk_norms(b, a, r->d.eps, dim, dim, 0);
        a->q_norm.kind = a->k_norm.kind = r->k->norm;
        break;
    case QK_AFTER_ROPE:
        a->rope_before_norm = true;
        mn_build_qk_norms(b, a, r->d.eps, dim, dim, optional);
        break;
    case QK_HEADS:
        mn_build_qk_norms(b, a, r->d.eps, dim, dim, optional);
        break;
    case QK_WHOLE:
        mn_build_qk_norms(b, a, r->d.eps, a->n_heads * dim, a->n_kv_heads * dim, 0);
        break;
    case QK_EACH_HEAD:
        bind_each_head(b, r, &a->q_norm, "attn_q_norm", "self_attn.q_layernorm", a->n_heads);
        bind_each_head(b, r, &a->k_norm, "attn_k_norm", "self_attn.k_layernorm", a->n_kv_heads);
        break;
    }
}

static void build_ffn(mn_build *b, const reader *r, mn_ffn *f)
{
    const kin *k = r->k;
    int64_t hidden = r->d.hidden, width = r->d.ffn[b->layer];
    f->kind = MN_FFN_DENSE;
    if (r->mixed && r->mixed[b->layer]) {
        mn_build_moe(b, f, &r->m, k->moe_prefix, k->router, hidden, r->act);
        if (k->shared) mn_build_shared(b, f, &r->m, k->shared, hidden, r->act);
    } else if (k->plain_ffn) {
        mn_build_plain_ffn(b, &f->dense, "mlp.", hidden, width, r->act);
    } else {
        mn_build_dense(b, &f->dense, "", "mlp.", hidden, width, r->act);
    }
}

/* 1 for layers that are mixtures. */
static const int32_t *mixed_layers(mn_build *b, reader *r)
{
    int32_t n = r->d.n_layers, *out = mn_build_alloc(b, (size_t)n, sizeof *out);
    bool ernie = mn_is(b, "ernie4_5_moe");
    mn_moe def = r->k->moe;
    if (!def.width && r->d.ffn) def.width = r->d.ffn[0];
    if (b->gguf) def.n_experts = def.n_used = 0;
    mn_build_moe_fields(b, &r->m, &def);
    if (mn_is(b, "hunyuan_v1_moe") && !r->m.shared_width) r->m.shared_width = def.width;
    int64_t first = mn_config_int(b, "leading_dense_block_count",
                                  "first_k_dense_replace moe_layer_start_index",
                                  ernie && !b->gguf ? 1 : 0, 0, 1 << 20);
    int64_t last = mn_config_int(b, NULL, "moe_layer_end_index", -1, -1, 1 << 20);
    int64_t every = mn_config_int(b, "interleave_moe_layer_step", "moe_layer_interval", 1, 0,
                                  1 << 20);
    for (int32_t i = 0; out && i < n; i++)
        out[i] = i >= first && (last < 0 || i <= last) && (every < 2 || (i + 1) % every == 0);
    return out;
}

static void read_kin(mn_build *b, reader *r)
{
    const kin *k = r->k;
    mn_build_dims(b, &r->d, &k->def);
    if (k->bare_norm) r->d.eps = b->gguf ? r->d.eps : 1e-5;
    mn_config_refuse(b, "attention.clamp_kqv", "clip_qkv", 0);
    r->act = mn_config_act(b, NULL, "hidden_act", k->act);
    r->parallel = k->parallel || (!b->gguf && mn_config_bool(b, NULL, "use_parallel_residual", false));
    if (k->moe_prefix) r->mixed = mixed_layers(b, r);
    mn_rope_build(b, &r->rope, &(mn_rope_request){
        .head_dim = r->d.head_dim, .theta = b->gguf ? 0 : k->theta, .partial = k->partial,
        .interleaved = b->gguf ? k->pairs_gguf : k->pairs_hf });
    if (mn_is(b, "minimax_m2") && !b->gguf && mn_config_has(b, NULL, "rotary_dim"))
        mn_rope_build(b, &r->rope, &(mn_rope_request){
            .head_dim = (int32_t)mn_config_int(b, NULL, "rotary_dim", 64, 2, r->d.head_dim),
            .theta = k->theta });
    if (mn_is(b, "exaone4") && b->gguf && r->d.n_layers != 64) {
        r->window = 0;                  /* llama.cpp knows the sliding ones by their size */
    } else if (mn_is(b, "exaone4")) {
        r->window = mn_build_window(b, "attention.sliding_window", "sliding_window", 4096);
        if (r->window) r->slides = mn_build_sliding(b, r->d.n_layers, 4);
    } else if (mn_is(b, "dots1") && !b->gguf && mn_config_has(b, NULL, "layer_types")) {
        r->window = mn_build_window(b, NULL, "sliding_window", 4096);
        r->slides = mn_build_sliding(b, r->d.n_layers, 1);
    }
}

static void build_layer(mn_build *b, const reader *r, mn_layer *l)
{
    const kin *k = r->k;
    int i = b->layer;
    const char *second = k->ffn_norm_gguf ? k->ffn_norm_gguf : "ffn_norm";
    bool parallel = r->parallel || (b->gguf && !k->bare_norm && !k->post_norm &&
                                    !mn_bind_find(b, second, NULL, ".weight"));
    if (!k->post_norm) bind_norm(b, r, &l->pre_norm, "attn_norm", "input_layernorm");
    mn_attention *a = mn_build_attention(b, &l->mixer, r->d.hidden, r->d.n_heads[i],
                                         r->d.n_kv_heads[i], r->d.head_dim, r->d.v_head_dim);
    build_qk(b, r, a);
    bool slides = r->slides && r->slides[i];
    a->window = slides ? r->window : 0;
    /* exaone4 turns heads only where it slides, unless it slides nowhere */
    if (!mn_is(b, "exaone4") || !r->window || slides) a->rope = r->rope;
    l->parallel_ffn = parallel;
    if (k->post_norm) {
        bind_norm(b, r, &l->post_mixer_norm, "post_attention_norm", "post_attention_layernorm");
        bind_norm(b, r, &l->post_ffn_norm, "post_ffw_norm", "post_feedforward_layernorm");
    } else if (!parallel) {
        bind_norm(b, r, &l->ffn_norm, second, "post_attention_layernorm");
    }
    build_ffn(b, r, &l->ffn);
}

void mn_arch_kin(mn_build *b)
{
    reader r = { 0 };
    mn_plan *p = b->plan;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].name, p->family)) r.k = &table[i];
    if (!r.k) {
        mn_build_unsupported(b, "family \"%s\" has no row in the table", p->family);
        return;
    }
    read_kin(b, &r);
    if (b->status) return;
    mn_bind_weight(b, &p->embed, "token_embd", "embed_tokens", 0, r.d.vocab, r.d.hidden);
    bind_norm(b, &r, &p->out_norm, "output_norm", "norm|final_layernorm");
    mn_build_head(b, &r.d, r.k->tied);
    for (int32_t i = 0; i < r.d.n_layers && !b->status; i++) {
        b->layer = i;
        build_layer(b, &r, &p->layers[i]);
    }
}
