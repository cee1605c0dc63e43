/* What most families share: sizes, embedding and head, attention, feed-forward, experts.
 *
 * These read the usual fields and bind the usual names; a family sets what is its own
 * afterwards (norms, rope, windows, scales).  Nothing here knows a family. */
#include "model/build.h"
#include "model/outline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LAYERS = 4096, MAX_WIDTH = 1 << 24, MAX_HEADS = 1 << 16, MAX_HEAD_DIM = 1 << 14 };

void mn_build_root(mn_build *b, const char *names)
{
    static const struct { const char *root, *top; } known[] = {
        { "model.", "" }, { "model.language_model.", "" },
        { "language_model.model.", "language_model." }, { "transformer.", "" }, { "", "" },
        { "model.text_model.", "" }, { "text_model.model.", "text_model." },
        { "llm.model.", "llm." }, { "gpt_neox.", "" }, { "backbone.", "" },
        { "model.decoder.", "" }, { "model.language_model.model.", "model.language_model." },
        { "language_model.", "language_model." }, { "bert.", "" }, { "model.model.", "model." },
        { "language_model.backbone.", "language_model." },
    };
    if (b->gguf || b->status) return;
    if (b->outline) {
        b->root = b->outline->root;
        b->top = b->outline->top;
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        b->root = known[i].root;
        b->top = known[i].top;
        if (mn_bind_has(b, NULL, names)) return;
    }
    b->root = "model.";
    b->top = "";
}

int32_t mn_build_window(mn_build *b, const char *gguf, const char *hf, int32_t fallback)
{
    if (mn_config_null(b, hf)) fallback = 0;
    return (int32_t)mn_config_int(b, gguf, hf, fallback, 0, INT32_MAX);
}

/* GGUF requires what HF classes have defaults for. */
static int64_t size_of(mn_build *b, const char *gguf, const char *hf, int64_t fallback,
                       int64_t max)
{
    if (b->gguf || fallback == 0) fallback = MN_REQUIRED_INT;
    return mn_config_int(b, gguf, hf, fallback, 1, max);
}

static void read_dims(mn_build *b, mn_dims *d, const mn_dims_default *def)
{
    static const char heads_hf[] = "num_attention_heads n_head n_heads num_heads";
    static const char kv_hf[] = "num_key_value_heads num_kv_heads n_head_kv multi_query_group_num";
    static const char dim_hf[] = "head_dim attention_head_dim kv_channels";
    *d = (mn_dims){ 0 };
    d->hidden = (int32_t)size_of(b, "embedding_length", "hidden_size n_embd d_model dim",
                                 def->hidden, MAX_WIDTH);
    d->n_layers = (int32_t)size_of(b, "block_count", "num_hidden_layers n_layer num_layers n_layers",
                                   def->n_layers, MAX_LAYERS);
    if (b->gguf) {      /* block_count includes layers that only predict further tokens */
        int64_t extra = mn_config_int(b, "nextn_predict_layers", NULL, 0, 0, MAX_LAYERS);
        if (extra >= d->n_layers && !b->status)
            mn_build_invalid(b, "%s.nextn_predict_layers: fewer than the %d layers expected, %d "
                             "found", b->arch, d->n_layers, (int)extra);
        else d->n_layers -= (int32_t)extra;
    }
    int64_t heads = def->n_heads && !b->gguf ? def->n_heads : MN_REQUIRED_INT;
    d->n_heads = mn_config_per_layer(b, "attention.head_count", heads_hf, heads, !b->gguf,
                                     MAX_HEADS, d->n_layers);
    if (!d->n_heads) return;
    int32_t most = 1;
    for (int32_t i = 0; i < d->n_layers; i++)
        if (d->n_heads[i] > most) most = d->n_heads[i];
    int64_t kv = b->gguf || mn_config_null(b, kv_hf) || !def->n_kv_heads ? most : def->n_kv_heads;
    d->n_kv_heads = mn_config_per_layer(b, "attention.head_count_kv", kv_hf, kv, 0, MAX_HEADS,
                                        d->n_layers);
    int64_t each = d->hidden / most;
    int64_t dim = b->gguf || mn_config_null(b, dim_hf) || !def->head_dim ? each : def->head_dim;
    d->head_dim = (int32_t)mn_config_int(b, "attention.key_length", dim_hf, dim, 1, MAX_HEAD_DIM);
    d->v_head_dim = (int32_t)mn_config_int(b, "attention.value_length", NULL,
                                           b->gguf ? each : d->head_dim, 1, MAX_HEAD_DIM);
    int64_t ffn = def->ffn && !b->gguf ? def->ffn : b->gguf ? 0 : MN_REQUIRED_INT;
    d->ffn = mn_config_per_layer(b, "feed_forward_length", "intermediate_size ffn_dim n_inner "
                                 "ffn_hidden_size", ffn, 0, MAX_WIDTH, d->n_layers);
    d->context = (int32_t)mn_config_int(b, "context_length", "max_position_embeddings n_positions "
                                        "max_sequence_length seq_length n_ctx model_max_length",
                                        def->context ? def->context : 2048, 1, INT32_MAX);
    const char *eps = mn_config_has(b, "attention.layer_norm_rms_epsilon", NULL)
                          ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
    d->eps = mn_config_real(b, eps, "rms_norm_eps layer_norm_eps layer_norm_epsilon norm_epsilon "
                            "norm_eps layernorm_epsilon", def->eps ? def->eps : 1e-6, 0, 1);
    d->vocab = def->vocab ? def->vocab : 1;
    if (b->outline) {
        d->vocab = b->outline->vocab;
    } else if (b->gguf) {
        const mn_tensor_ref *t = mn_bind_find(b, "token_embd", NULL, ".weight");
        if (t && t->n_dims == 2 && t->dims[0] > 0 && t->dims[0] < MAX_WIDTH)
            d->vocab = (int32_t)t->dims[0];
    } else {
        d->vocab = (int32_t)mn_config_int(b, NULL, "vocab_size padded_vocab_size n_vocab",
                                          def->vocab ? def->vocab : MN_REQUIRED_INT, 1, MAX_WIDTH);
    }
}

/* After a failure there are no layers, and the arrays can still be looked at. */
void mn_build_dims(mn_build *b, mn_dims *d, const mn_dims_default *def)
{
    static const int32_t one[1] = { 1 };
    read_dims(b, d, def);
    b->plan->layers = mn_build_alloc(b, (size_t)d->n_layers, sizeof(mn_layer));
    if (b->status) {
        d->n_layers = 0;
        d->n_heads = d->n_kv_heads = d->ffn = one;
        return;
    }
    b->plan->vocab = d->vocab;
    b->plan->hidden = d->hidden;
    b->plan->n_layers = d->n_layers;
    b->plan->context_train = d->context;
    b->plan->causal = true;
}

void mn_build_head(mn_build *b, const mn_dims *d, bool tied)
{
    mn_plan *p = b->plan;
    b->layer = -1;
    static const char hf[] = "/lm_head|/output|/embed_out|/model.lm_head";
    bool there = mn_bind_has(b, "output", hf);
    bool said = mn_config_has(b, NULL, "^tie_word_embeddings");
    tied = mn_config_bool(b, NULL, "^tie_word_embeddings", tied);
    /* A head beside a tied embedding: mlx-lm drops it, transformers uses it if it differs. */
    bool use = b->gguf ? there : tied ? there && !b->quant : there || said;
    if (use) {
        mn_bind_linear(b, &p->head, "output", hf, d->vocab, d->hidden);
        return;
    }
    if (there) {
        mn_linear dropped;
        mn_bind_linear(b, &dropped, "output", hf, d->vocab, d->hidden);
    }
    p->head.w = p->embed;
    p->head.bias = mn_bind_vector(b, "output.bias", "/lm_head.bias", d->vocab, MN_VECTOR_OPTIONAL);
}

const int32_t *mn_build_sliding(mn_build *b, int32_t n_layers, int32_t period)
{
    static const char *const types[] = { "full_attention", "sliding_attention", "attention", NULL };
    static const char key[] = "attention.sliding_window_pattern";
    int32_t *out = mn_build_alloc(b, (size_t)n_layers, sizeof *out);
    if (!out) return NULL;
    const int32_t *listed = NULL;
    if (!b->gguf) {
        listed = mn_config_layer_types(b, "layer_types", types, n_layers);
    } else {
        const mn_gguf_kv *kv = mn_gguf_find_arch(b->file,
                                                 "%s.attention.sliding_window_pattern");
        if (kv && kv->type == MN_GGUF_ARRAY)
            listed = mn_config_per_layer(b, key, NULL, 0, 0, 1, n_layers);
    }
    if (!listed)
        period = (int32_t)mn_config_int(b, key, "sliding_window_pattern _sliding_window_pattern",
                                        period, 0, 1 << 20);
    if (b->status) return NULL;
    for (int32_t i = 0; i < n_layers; i++)
        out[i] = listed ? listed[i] == 1 : period == 0 || (i + 1) % period != 0;
    return out;
}

double mn_build_softcap(mn_build *b, const char *gguf, const char *hf, double fallback)
{
    if (mn_config_null(b, hf)) fallback = 0;
    return mn_config_real(b, gguf, hf, fallback, 0, 1e6);
}

void mn_build_scale(mn_build *b, mn_linear *l, double s)
{
    if (b->status || s == 1) return;
    l->scale = (float)((l->scale ? l->scale : 1) * s);
    if (!l->bias) return;
    float *bias = mn_build_alloc(b, (size_t)l->w.rows, sizeof *bias);
    for (int64_t i = 0; bias && i < l->w.rows; i++) bias[i] = (float)(l->bias[i] * s);
    l->bias = bias;
}

void mn_build_qk_norms(mn_build *b, mn_attention *a, double eps, int64_t n_q, int64_t n_k,
                       unsigned flags)
{
    mn_bind_norm(b, &a->q_norm, MN_NORM_RMS, eps, "attn_q_norm",
                 "self_attn.q_norm|self_attn.q_layernorm|self_attn.query_layernorm", n_q, flags);
    mn_bind_norm(b, &a->k_norm, MN_NORM_RMS, eps, "attn_k_norm",
                 "self_attn.k_norm|self_attn.k_layernorm|self_attn.key_layernorm", n_k, flags);
}

/* ---- attention ------------------------------------------------------------------------ */

void mn_build_qkv(mn_build *b, mn_attention *a, int64_t hidden, int64_t q, int64_t k, int64_t v)
{
    static const char fused[] = "self_attn.qkv_proj|self_attn.W_pack|self_attn.query_key_value";
    if (mn_bind_has(b, "attn_q", "self_attn.q_proj") || !mn_bind_has(b, "attn_qkv", fused)) {
        mn_bind_linear(b, &a->q, "attn_q", "self_attn.q_proj", q, hidden);
        mn_bind_linear(b, &a->k, "attn_k", "self_attn.k_proj", k, hidden);
        mn_bind_linear(b, &a->v, "attn_v", "self_attn.v_proj", v, hidden);
        return;
    }
    mn_linear qkv = { 0 };
    mn_bind_linear(b, &qkv, "attn_qkv", fused, q + k + v, hidden);
    a->q = mn_linear_rows(&qkv, 0, q);
    a->k = mn_linear_rows(&qkv, q, k);
    a->v = mn_linear_rows(&qkv, q + k, v);
}

mn_attention *mn_build_attention(mn_build *b, mn_mixer *mixer, int32_t hidden, int32_t n_heads,
                                 int32_t n_kv_heads, int32_t head_dim, int32_t v_head_dim)
{
    mn_attention *a = &mixer->u.attention;
    mixer->kind = MN_MIXER_ATTENTION;
    a->n_heads = n_heads;
    a->n_kv_heads = n_kv_heads;
    a->head_dim = head_dim;
    a->v_head_dim = v_head_dim;
    a->scale = (float)(1 / sqrt((double)head_dim));
    if (!b->status && (n_heads < 1 || n_kv_heads < 1 || n_heads % n_kv_heads)) {
        mn_build_invalid(b, "layer %d: a number of heads that the key/value heads divide "
                         "expected, %d and %d found", b->layer, n_heads, n_kv_heads);
        return a;
    }
    mn_build_qkv(b, a, hidden, (int64_t)n_heads * head_dim, (int64_t)n_kv_heads * head_dim,
                 (int64_t)n_kv_heads * v_head_dim);
    mn_bind_linear(b, &a->o, "attn_output", "self_attn.o_proj|self_attn.dense|self_attn.out_proj",
                   hidden, (int64_t)n_heads * v_head_dim);
    return a;
}

/* ---- feed-forward --------------------------------------------------------------------- */

void mn_build_dense(mn_build *b, mn_dense *out, const char *gguf_suffix, const char *hf_prefix,
                    int64_t hidden, int64_t width, mn_act act)
{
    char gate[32], up[32], down[32], hf[256];
    out->act = act;
    snprintf(gate, sizeof gate, "ffn_gate%s", gguf_suffix);
    snprintf(up, sizeof up, "ffn_up%s", gguf_suffix);
    snprintf(down, sizeof down, "ffn_down%s", gguf_suffix);
    mn_bind_prefixed(hf_prefix, "gate_proj|w1", hf);
    if (mn_bind_has(b, gate, hf)) {
        mn_bind_linear(b, &out->gate, gate, hf, width, hidden);
        mn_bind_linear(b, &out->up, up, mn_bind_prefixed(hf_prefix, "up_proj|w3", hf), width, hidden);
    } else {                /* gate above up in one tensor; GGUF calls it ffn_up */
        mn_linear both = { 0 };
        mn_bind_prefixed(hf_prefix, "gate_up_proj|input_linear", hf);
        bool fused = b->gguf || mn_bind_has(b, up, hf);
        if (!fused) mn_bind_prefixed(hf_prefix, "gate_proj|w1", hf);     /* name what is missing */
        mn_bind_linear(b, &both, up, hf, fused ? 2 * width : width, hidden);
        out->gate = mn_linear_rows(&both, 0, width);
        out->up = mn_linear_rows(&both, width, width);
    }
    mn_bind_linear(b, &out->down, down, mn_bind_prefixed(hf_prefix, "down_proj|w2|output_linear", hf),
                   hidden, width);
}

void mn_build_plain_ffn(mn_build *b, mn_dense *out, const char *hf_prefix, int64_t hidden,
                        int64_t width, mn_act act)
{
    char hf[256];
    out->act = act;
    mn_bind_linear(b, &out->up, "ffn_up",
                   mn_bind_prefixed(hf_prefix, "up_proj|c_fc|fc1|dense_h_to_4h", hf), width, hidden);
    mn_bind_linear(b, &out->down, "ffn_down",
                   mn_bind_prefixed(hf_prefix, "down_proj|c_proj|fc2|dense_4h_to_h", hf), hidden, width);
}
