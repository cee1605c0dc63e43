/* GPT-2, StarCoder (gpt_bigcode) and GPT-NeoX: LayerNorms, biases, q, k, v in one tensor.
 *
 * The first two add learned positions.  HF stores GPT-2's matrices [in, out]; they are
 * copied, transposed, and so are fused rows that alternate between heads (GPT-NeoX, and
 * gpt_bigcode without shared keys).  GPT-NeoX runs mixer and feed-forward side by side,
 * each behind its own norm.  llama.cpp computes gelu by tanh in all three. */
#include "model/arch.h"

#include <math.h>
#include <string.h>

typedef struct {
    mn_dims d;
    mn_act act;
    mn_rope rope;
    bool neox, transposed, alternate;
    bool scaled, by_layer;
} gpt;

/* W of a module, stored as nn.Linear or as GPT-2's [in, out]. */
static void bind(mn_build *b, const gpt *g, mn_linear *out, const char *gguf, const char *hf,
                 int64_t rows, int64_t cols)
{
    char name[MN_NAME_MAX];
    if (!g->transposed) {
        mn_bind_linear(b, out, gguf, hf, rows, cols);
        return;
    }
    mn_bind_transposed(b, &out->w, hf, 0, rows, cols);
    out->bias = mn_bind_vector(b, NULL, strcat(strcpy(name, hf), ".bias"), rows,
                               MN_VECTOR_OPTIONAL);
}

/* Rows come head by head as q, k, v: sort them. */
static void sort_rows(mn_build *b, mn_linear *qkv, int32_t heads, int32_t dim)
{
    int32_t n = heads * dim, *index = mn_build_alloc(b, 3 * (size_t)n, sizeof *index);
    mn_linear fused = *qkv;
    for (int32_t part = 0; index && part < 3; part++)
        for (int32_t h = 0; h < heads; h++)
            for (int32_t i = 0; i < dim; i++)
                index[part * n + h * dim + i] = (h * 3 + part) * dim + i;
    if (index) mn_bind_gather(b, qkv, &fused, index, 3 * n);
}

static void build_attention(mn_build *b, const gpt *g, mn_mixer *mixer)
{
    mn_attention *a = &mixer->u.attention;
    int i = b->layer;
    mn_linear qkv = { 0 };
    int64_t q = (int64_t)g->d.n_heads[i] * g->d.head_dim;
    int64_t kv = (int64_t)g->d.n_kv_heads[i] * g->d.head_dim;
    mixer->kind = MN_MIXER_ATTENTION;
    a->n_heads = g->d.n_heads[i];
    a->n_kv_heads = g->d.n_kv_heads[i];
    a->head_dim = a->v_head_dim = g->d.head_dim;
    a->rope = g->rope;
    a->scale = (float)((g->scaled ? 1 / sqrt((double)g->d.head_dim) : 1) /
                       (g->by_layer ? i + 1 : 1));
    bind(b, g, &qkv, "attn_qkv", g->neox ? "attention.query_key_value" : "attn.c_attn",
         q + 2 * kv, g->d.hidden);
    if (g->alternate && !b->status) sort_rows(b, &qkv, a->n_heads, a->head_dim);
    if (b->status) return;
    a->q = mn_linear_rows(&qkv, 0, q);
    a->k = mn_linear_rows(&qkv, q, kv);
    a->v = mn_linear_rows(&qkv, q + kv, kv);
    bind(b, g, &a->o, "attn_output", g->neox ? "attention.dense" : "attn.c_proj", g->d.hidden, q);
}

static void build_layer(mn_build *b, const gpt *g, mn_layer *l)
{
    int64_t hidden = g->d.hidden, width = g->d.ffn[b->layer];
    mn_bind_norm(b, &l->pre_norm, MN_NORM_LAYER, g->d.eps, "attn_norm",
                 g->neox ? "input_layernorm" : "ln_1", hidden, 0);
    build_attention(b, g, &l->mixer);
    mn_bind_norm(b, &l->ffn_norm, MN_NORM_LAYER, g->d.eps, "ffn_norm",
                 g->neox ? "post_attention_layernorm" : "ln_2", hidden, 0);
    l->parallel_ffn = g->neox && mn_config_bool(b, "use_parallel_residual",
                                                "use_parallel_residual", true);
    l->ffn.kind = MN_FFN_DENSE;
    l->ffn.dense.act = g->act;
    bind(b, g, &l->ffn.dense.up, "ffn_up", g->neox ? "mlp.dense_h_to_4h" : "mlp.c_fc", width,
         hidden);
    bind(b, g, &l->ffn.dense.down, "ffn_down", g->neox ? "mlp.dense_4h_to_h" : "mlp.c_proj",
         hidden, width);
}

static void read_gpt(mn_build *b, gpt *g)
{
    static const mn_dims_default gpt2 = {
        .vocab = 50257, .hidden = 768, .n_layers = 12, .n_heads = 12, .ffn = 1, .context = 1024,
        .eps = 1e-5
    }, neox = {
        .vocab = 50432, .hidden = 6144, .n_layers = 44, .n_heads = 64, .ffn = 24576,
        .context = 2048, .eps = 1e-5
    };
    g->neox = mn_is(b, "gpt_neox");
    mn_build_root(b, g->neox ? "embed_in" : "wte");
    if (!g->neox) b->layers_name = "h";
    mn_build_dims(b, &g->d, g->neox ? &neox : &gpt2);
    if (b->status) return;
    if (!b->gguf) {
        bool shared = mn_is(b, "gpt_bigcode") && mn_config_bool(b, NULL, "multi_query", true);
        int32_t n = g->d.n_layers, *ffn = mn_build_alloc(b, (size_t)n, sizeof *ffn);
        int32_t *kv = mn_build_alloc(b, (size_t)n, sizeof *kv);
        int64_t width = mn_config_int(b, NULL, "n_inner", 4 * (int64_t)g->d.hidden, 1, 1 << 24);
        if (b->status) return;
        for (int32_t i = 0; i < n; i++) {
            kv[i] = shared ? 1 : g->d.n_heads[i];
            ffn[i] = g->neox ? g->d.ffn[i] : (int32_t)width;
        }
        g->d.n_kv_heads = kv;
        g->d.ffn = ffn;
        g->alternate = g->neox || (mn_is(b, "gpt_bigcode") && !shared);
    }
    /* mlx-lm stores GPT-2 below "model." and as every other linear */
    g->transposed = !b->gguf && mn_is(b, "gpt2") && strcmp(b->root, "model.");
    g->scaled = mn_config_bool(b, NULL, "scale_attn_weights", true);
    g->by_layer = mn_config_bool(b, NULL, "scale_attn_by_inverse_layer_idx", false);
    g->act = mn_config_act(b, NULL, "activation_function hidden_act",
                           g->neox && !b->gguf ? MN_ACT_GELU_ERF : MN_ACT_GELU_TANH);
    if (g->neox)
        mn_rope_build(b, &g->rope, &(mn_rope_request){ .head_dim = g->d.head_dim, .partial = 0.25 });
}

void mn_arch_gpt(mn_build *b)
{
    mn_plan *p = b->plan;
    gpt g = { 0 };
    read_gpt(b, &g);
    if (b->status) return;
    mn_bind_weight(b, &p->embed, "token_embd", g.neox ? "embed_in" : "wte", 0, g.d.vocab,
                   g.d.hidden);
    if (!g.neox)
        mn_bind_weight(b, &p->pos_embed, "position_embd", "wpe", 0, g.d.context, g.d.hidden);
    mn_bind_norm(b, &p->out_norm, MN_NORM_LAYER, g.d.eps, "output_norm",
                 g.neox ? "final_layer_norm" : "ln_f", g.d.hidden, 0);
    mn_build_head(b, &g.d, !g.neox);
    for (int32_t i = 0; i < g.d.n_layers && !b->status; i++) {
        b->layer = i;
        build_layer(b, &g, &p->layers[i]);
    }
}
