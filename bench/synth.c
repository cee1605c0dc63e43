/* Writes a model of a real model's shape with random weights, to measure speed with where
 * the real one is not at hand.
 *
 *     make build/bench/synth
 *     build/bench/synth llama-3.2-1b Q4_K_M model.gguf
 *     build/bench/synth qwen3-0.6b mlx-4bit directory
 *
 * Types: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 IQ4_NL Q4_K Q5_K Q6_K, the mixtures Q4_K_M
 * and Q5_K_M (which tensors get more bits follows llama-quantize; so does Q6_K for the
 * output of everything below 6 bits), mlx-2bit to mlx-8bit (group 64), mlx-mxfp4,
 * mlx-mxfp8, mlx-nvfp4, mlx-bf16.
 *
 * Weights: a pool of quantised pieces of N(0, 1/columns) numbers is made per type and
 * width, and every row is put together from random pieces, so that writing runs at the
 * disk's speed while decoded values, and so activations, have the size they have in real
 * models.
 *
 * Vocabulary: a byte-level BPE of the real size whose merges spell letter sequences; its
 * special tokens and template are those of the family.  llama.cpp loads the GGUF files,
 * mlx-lm the directories. */
#include "format/tensor_writer.h"
#include "tensor/quant.h"
#include "tensor/quantize.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PIECE = 256, POOL_PIECES = 2048, CHUNK_BYTES = 1 << 20, GROUP = 64 };

typedef struct {
    const char *name, *arch, *hf_class;
    int layers, width, ffn, heads, kv_heads, head_dim, vocab, context;
    float rope_base, rope_factor, eps;
    bool tied, qk_norm;
    int experts, experts_used;
} shape;

static const shape shapes[] = {
    { "llama-3.2-1b", "llama", "LlamaForCausalLM", 16, 2048, 8192, 32, 8, 64, 128256,
      131072, 500000, 32, 1e-5f, true, false, 0, 0 },
    { "llama-3.1-8b", "llama", "LlamaForCausalLM", 32, 4096, 14336, 32, 8, 128, 128256,
      131072, 500000, 8, 1e-5f, false, false, 0, 0 },
    { "qwen3-0.6b", "qwen3", "Qwen3ForCausalLM", 28, 1024, 3072, 16, 8, 128, 151936,
      40960, 1000000, 0, 1e-6f, true, true, 0, 0 },
    /* Qwen3-30B-A3B with a third of its layers and a quarter of its experts. */
    { "qwen3-moe-3b", "qwen3moe", "Qwen3MoeForCausalLM", 16, 2048, 768, 32, 4, 128,
      151936, 40960, 1000000, 0, 1e-6f, false, true, 32, 8 },
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "synth: %s%s%s\n", what, *detail ? ": " : "", detail);
    exit(1);
}

static void *need(void *p)
{
    if (!p) die("out of memory", "");
    return p;
}

static void need_ok(minerva_status status, const minerva_error *err)
{
    if (status != MINERVA_OK) die(err->message, "");
}

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

/* Normal: the sum of 12 uniform numbers. */
static float next_normal(uint64_t *s)
{
    float sum = -6;
    for (int i = 0; i < 12; i++) sum += (float)(next_random(s) >> 40) * 0x1p-24f;
    return sum;
}

/* ---- what a model consists of ----------------------------------------------------- */

typedef enum { EMBED, OUTPUT, MATRIX, ATTN_V, FFN_DOWN, ROUTER, NORM, ROPE_FREQS } role;

typedef struct {
    role role;
    int layer;
    char gguf[64], hf[96];              /* hf: module name; empty: not in directories */
    int64_t experts, rows, cols;        /* experts 0: a plain matrix; rows 0: a vector */
} tensor;

typedef struct {
    tensor *items;
    int n, capacity, layer;             /* layer: of what is added; -1: of none */
} tensor_list;

static void add(tensor_list *l, role what, int64_t experts, int64_t rows, int64_t cols,
                const char *gguf, const char *hf)
{
    if (l->n == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 256;
        l->items = need(realloc(l->items, (size_t)l->capacity * sizeof *l->items));
    }
    tensor *t = &l->items[l->n++];
    *t = (tensor){ what, l->layer, "", "", experts, rows, cols };
    if (l->layer < 0) {
        snprintf(t->gguf, sizeof t->gguf, "%s", gguf);
        snprintf(t->hf, sizeof t->hf, "%s", hf);
    } else {
        snprintf(t->gguf, sizeof t->gguf, "blk.%d.%s", l->layer, gguf);
        snprintf(t->hf, sizeof t->hf, "model.layers.%d.%s", l->layer, hf);
    }
}

static void add_layer(tensor_list *l, const shape *s)
{
    int64_t d = s->width, f = s->ffn, e = s->experts, h = s->head_dim;
    int64_t q = s->heads * h, kv = s->kv_heads * h;
    add(l, NORM, 0, 0, d, "attn_norm", "input_layernorm");
    add(l, MATRIX, 0, q, d, "attn_q", "self_attn.q_proj");
    add(l, MATRIX, 0, kv, d, "attn_k", "self_attn.k_proj");
    add(l, ATTN_V, 0, kv, d, "attn_v", "self_attn.v_proj");
    add(l, MATRIX, 0, d, q, "attn_output", "self_attn.o_proj");
    if (s->qk_norm) {
        add(l, NORM, 0, 0, h, "attn_q_norm", "self_attn.q_norm");
        add(l, NORM, 0, 0, h, "attn_k_norm", "self_attn.k_norm");
    }
    add(l, NORM, 0, 0, d, "ffn_norm", "post_attention_layernorm");
    if (e) {
        add(l, ROUTER, 0, e, d, "ffn_gate_inp", "mlp.gate");
        add(l, MATRIX, e, f, d, "ffn_gate_exps", "mlp.switch_mlp.gate_proj");
        add(l, MATRIX, e, f, d, "ffn_up_exps", "mlp.switch_mlp.up_proj");
        add(l, FFN_DOWN, e, d, f, "ffn_down_exps", "mlp.switch_mlp.down_proj");
    } else {
        add(l, MATRIX, 0, f, d, "ffn_gate", "mlp.gate_proj");
        add(l, MATRIX, 0, f, d, "ffn_up", "mlp.up_proj");
        add(l, FFN_DOWN, 0, d, f, "ffn_down", "mlp.down_proj");
    }
}

static tensor_list list_tensors(const shape *s)
{
    tensor_list l = { .layer = -1 };
    add(&l, EMBED, 0, s->vocab, s->width, "token_embd", "model.embed_tokens");
    if (s->rope_factor > 0) add(&l, ROPE_FREQS, 0, 0, s->head_dim / 2, "rope_freqs", "");
    for (l.layer = 0; l.layer < s->layers; l.layer++) add_layer(&l, s);
    l.layer = -1;
    add(&l, NORM, 0, 0, s->width, "output_norm", "model.norm");
    if (!s->tied) add(&l, OUTPUT, 0, s->vocab, s->width, "output", "lm_head");
    return l;
}

/* ---- types ------------------------------------------------------------------------ */

typedef struct {
    mn_wtype type;
    int bits;                   /* MLX affine */
    bool mixture, mlx;
} choice;

static choice parse_type(const char *name)
{
    static const struct {
        const char *name;
        choice choice;
    } special[] = {
        { "Q4_K_M", { MN_Q4_K, 0, true, false } },
        { "Q5_K_M", { MN_Q5_K, 0, true, false } },
        { "mlx-2bit", { MN_MLX_AFFINE, 2, false, true } },
        { "mlx-3bit", { MN_MLX_AFFINE, 3, false, true } },
        { "mlx-4bit", { MN_MLX_AFFINE, 4, false, true } },
        { "mlx-5bit", { MN_MLX_AFFINE, 5, false, true } },
        { "mlx-6bit", { MN_MLX_AFFINE, 6, false, true } },
        { "mlx-8bit", { MN_MLX_AFFINE, 8, false, true } },
        { "mlx-mxfp4", { MN_MLX_MXFP4, 0, false, true } },
        { "mlx-mxfp8", { MN_MLX_MXFP8, 0, false, true } },
        { "mlx-nvfp4", { MN_MLX_NVFP4, 0, false, true } },
        { "mlx-bf16", { MN_BF16, 0, false, true } },
    };
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (!strcmp(name, special[i].name)) return special[i].choice;
    for (mn_wtype t = MN_F32; t <= MN_MXFP4; t++)
        if (!strcmp(name, mn_wtype_get(t)->name) && mn_can_quantize(t))
            return (choice){ t, 0, false, false };
    die("no such type", name);
    return (choice){ 0 };
}

/* llama-quantize's choice for the mixtures, and for the output. */
static mn_wtype type_of(const choice *c, const shape *s, const tensor *t)
{
    int i = t->layer, n = s->layers;
    bool small = c->type >= MN_Q4_0 && c->type != MN_Q8_0 && !c->mlx;
    bool more_bits = i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    if (t->role >= ROUTER) return c->mlx ? MN_BF16 : MN_F32;
    if (t->role == OUTPUT || (t->role == EMBED && s->tied))
        return small ? MN_Q6_K : c->type;
    if (c->mixture && more_bits && (t->role == ATTN_V || t->role == FFN_DOWN))
        return MN_Q6_K;
    return c->type;
}

static mn_weight format_of(const choice *c, mn_wtype type, int64_t cols)
{
    int group = type == MN_MLX_NVFP4 ? 16 : type == MN_MLX_AFFINE ? GROUP : 32;
    uint8_t bits = (uint8_t)(type == MN_MLX_AFFINE ? c->bits : 0);
    return (mn_weight){ .type = type, .bits = bits, .scale_type = MN_BF16,
                        .group = (int16_t)group, .cols = cols };
}

/* ---- pools of random pieces ------------------------------------------------------- */

enum { N_PLANES = 3 };          /* codes, scales, biases */
static const char *const plane_names[N_PLANES] = { "weight", "scales", "biases" };

typedef struct {
    mn_wtype type;
    int64_t cols;               /* whose 1/sqrt(cols) the values have */
    uint8_t *planes[N_PLANES];
    size_t piece_bytes[N_PLANES];       /* 0: no such plane */
} pool;

typedef struct {
    pool pools[32];
    int n;
    uint64_t seed;
} pool_set;

static void plane_sizes(const mn_weight *f, int64_t cols, size_t bytes[N_PLANES])
{
    size_t groups = (size_t)(cols / f->group);
    bool mlx = f->type >= MN_MLX_AFFINE && f->type <= MN_MLX_NVFP4;
    bool affine = f->type == MN_MLX_AFFINE;
    bytes[0] = mn_wtype_row_bytes(f->type, f->bits, cols);
    bytes[1] = affine ? groups * 2 : mlx ? groups : 0;
    bytes[2] = affine ? groups * 2 : 0;
}

static const pool *find_pool(pool_set *set, const choice *c, mn_wtype type, int64_t cols)
{
    for (int i = 0; i < set->n; i++)
        if (set->pools[i].type == type && set->pools[i].cols == cols)
            return &set->pools[i];
    if (set->n == (int)(sizeof set->pools / sizeof *set->pools))
        die("too many pools", "");
    pool *p = &set->pools[set->n++];
    *p = (pool){ .type = type, .cols = cols };
    mn_weight f = format_of(c, type, PIECE);
    float scale = 1 / sqrtf((float)cols), x[PIECE];
    plane_sizes(&f, PIECE, p->piece_bytes);
    for (int k = 0; k < N_PLANES; k++)
        p->planes[k] = need(malloc(p->piece_bytes[k] * POOL_PIECES + 1));
    for (size_t i = 0; i < POOL_PIECES; i++) {
        for (int j = 0; j < PIECE; j++) x[j] = scale * next_normal(&set->seed);
        mn_quantize_row(&f, x, p->planes[0] + i * p->piece_bytes[0],
                        p->planes[1] + i * p->piece_bytes[1],
                        p->planes[2] + i * p->piece_bytes[2]);
    }
    return p;
}

/* One plane of a matrix; the same seed gives the same pieces for each plane. */
static void write_plane(mn_tensor_writer *w, const pool *p, int plane, int64_t n_pieces,
                        uint64_t seed, uint8_t *chunk)
{
    size_t bytes = p->piece_bytes[plane], used = 0;
    for (int64_t i = 0; i < n_pieces; i++) {
        size_t piece = (size_t)(next_random(&seed) >> 32) % POOL_PIECES;
        memcpy(chunk + used, p->planes[plane] + piece * bytes, bytes);
        used += bytes;
        if (used + bytes <= CHUNK_BYTES) continue;
        mn_tensor_writer_append(w, chunk, used);
        used = 0;
    }
    mn_tensor_writer_append(w, chunk, used);
}

/* Vectors: norms near 1, llama 3's frequency factors. */
static void write_vector(mn_tensor_writer *w, const shape *s, const tensor *t,
                         mn_wtype type, uint64_t *seed)
{
    for (int64_t i = 0; i < t->cols; i++) {
        float v = 1 + 0.1f * next_normal(seed);
        if (t->role == ROPE_FREQS) {
            float wave =
                2 * (float)M_PI * powf(s->rope_base, 2 * (float)i / (float)s->head_dim);
            float smooth = (8192 / wave - 1) / (4 - 1);
            smooth = fminf(1, fmaxf(0, smooth));
            v = 1 / ((1 - smooth) / s->rope_factor + smooth);
        }
        uint16_t half = mn_f32_to_bf16(v);
        if (type == MN_BF16) mn_tensor_writer_append(w, &half, 2);
        else mn_tensor_writer_append(w, &v, 4);
    }
}

/* ---- vocabulary ------------------------------------------------------------------- */

typedef struct {
    mn_arena arena;
    mn_gguf_string *tokens, *merges;
    int32_t *kinds;             /* 1 normal, 3 control, 5 unused */
    int n_tokens, n_merges, n_plain;
} vocabulary;

static mn_gguf_string keep(vocabulary *v, const char *s, size_t n)
{
    return (mn_gguf_string){ need(mn_arena_strndup(&v->arena, s, n)), n };
}

/* GPT-2's stand-ins: printable bytes are themselves, the others U+0100 and on. */
static void add_bytes(vocabulary *v)
{
    int spare = 0;
    for (int b = 0; b < 256; b++) {
        bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        char utf8[4];
        int n = mn_utf8_encode((uint32_t)(plain ? b : 256 + spare++), utf8);
        v->tokens[v->n_tokens++] = keep(v, utf8, (size_t)n);
    }
}

static void add_merge(vocabulary *v, mn_gguf_string a, mn_gguf_string b)
{
    char both[64];
    if (v->n_tokens == v->n_plain) return;
    memcpy(both, a.data, a.len);
    memcpy(both + a.len, b.data, b.len);
    v->tokens[v->n_tokens++] = keep(v, both, a.len + b.len);
    memmove(both + a.len + 1, both + a.len, b.len);
    both[a.len] = ' ';
    v->merges[v->n_merges++] = keep(v, both, a.len + b.len + 1);
}

/* Longer and longer letter sequences until there are n_plain tokens, then the specials.
 * */
static vocabulary make_vocabulary(const shape *s)
{
    static const char letters[] = "etaoinshrdlcumwfgypbvkjxqz";
    bool llama = !strcmp(s->arch, "llama");
    vocabulary v = { .n_plain = llama ? 128000 : 151643 };
    v.tokens = need(calloc((size_t)s->vocab, sizeof *v.tokens));
    v.merges = need(calloc((size_t)s->vocab, sizeof *v.merges));
    v.kinds = need(calloc((size_t)s->vocab, sizeof *v.kinds));
    add_bytes(&v);
    mn_gguf_string first[53], second[26];
    first[0] = keep(&v, "\xc4\xa0", 2);         /* U+0120 stands for the space */
    for (int i = 0; i < 26; i++) {
        char upper = (char)(letters[i] - 32);
        first[1 + i] = second[i] = keep(&v, letters + i, 1);
        first[27 + i] = keep(&v, &upper, 1);
    }
    for (int i = 0; i < 53; i++)
        for (int k = 0; k < 26; k++) add_merge(&v, first[i], second[k]);
    for (int from = 256; v.n_tokens < v.n_plain; from++)
        for (int k = 0; k < 26; k++) add_merge(&v, v.tokens[from], second[k]);
    for (int i = 0; i < v.n_plain; i++) v.kinds[i] = 1;
    static const char *const llama_names[] = {
        "<|begin_of_text|>",   "<|end_of_text|>",   NULL, NULL,        NULL, NULL,
        "<|start_header_id|>", "<|end_header_id|>", NULL, "<|eot_id|>"
    };
    static const char *const qwen_names[] = { "<|endoftext|>", "<|im_start|>",
                                              "<|im_end|>" };
    const char *const *names = llama ? llama_names : qwen_names;
    int n_names = llama ? 10 : 3;
    for (int i = 0; v.n_tokens < s->vocab; i++) {
        char name[40];
        snprintf(name, sizeof name, "<|reserved_special_token_%d|>", i);
        if (i < n_names && names[i]) snprintf(name, sizeof name, "%s", names[i]);
        v.kinds[v.n_tokens] = llama || i < n_names ? 3 : 5;
        v.tokens[v.n_tokens++] = keep(&v, name, strlen(name));
    }
    return v;
}

static void free_vocabulary(vocabulary *v)
{
    free(v->tokens);
    free(v->merges);
    free(v->kinds);
    mn_arena_clear(&v->arena);
}

static const char llama_template[] =
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}"
    "<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}";
static const char qwen_template[] =
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/* ---- GGUF ------------------------------------------------------------------------- */

static void put_arch(mn_tensor_writer *w, const shape *s, const char *key, double value,
                     bool is_float)
{
    char name[100];
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    if (is_float) mn_tensor_writer_put_f32(w, name, (float)value);
    else mn_tensor_writer_put_u32(w, name, (uint32_t)value);
}

static void put_gguf_metadata(mn_tensor_writer *w, const shape *s, const vocabulary *v)
{
    bool llama = !strcmp(s->arch, "llama");
    char name[100];
    snprintf(name, sizeof name, "Synthetic %s (random weights)", s->name);
    mn_tensor_writer_put_string(w, "general.architecture", s->arch);
    mn_tensor_writer_put_string(w, "general.name", name);
    mn_tensor_writer_put_u32(w, "general.quantization_version", 2);
    put_arch(w, s, "block_count", s->layers, false);
    put_arch(w, s, "context_length", s->context, false);
    put_arch(w, s, "embedding_length", s->width, false);
    put_arch(w, s, "feed_forward_length", s->ffn, false);
    put_arch(w, s, "attention.head_count", s->heads, false);
    put_arch(w, s, "attention.head_count_kv", s->kv_heads, false);
    put_arch(w, s, "attention.key_length", s->head_dim, false);
    put_arch(w, s, "attention.value_length", s->head_dim, false);
    put_arch(w, s, "attention.layer_norm_rms_epsilon", s->eps, true);
    put_arch(w, s, "rope.dimension_count", s->head_dim, false);
    put_arch(w, s, "rope.freq_base", s->rope_base, true);
    put_arch(w, s, "vocab_size", s->vocab, false);
    if (s->experts) {
        put_arch(w, s, "expert_count", s->experts, false);
        put_arch(w, s, "expert_used_count", s->experts_used, false);
        put_arch(w, s, "expert_feed_forward_length", s->ffn, false);
    }
    mn_tensor_writer_put_string(w, "tokenizer.ggml.model", "gpt2");
    mn_tensor_writer_put_string(w, "tokenizer.ggml.pre", llama ? "llama-bpe" : "qwen2");
    mn_tensor_writer_put_strings(w, "tokenizer.ggml.tokens", v->tokens, v->n_tokens);
    mn_tensor_writer_put_i32s(w, "tokenizer.ggml.token_type", v->kinds, v->n_tokens);
    mn_tensor_writer_put_strings(w, "tokenizer.ggml.merges", v->merges, v->n_merges);
    mn_tensor_writer_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)v->n_plain);
    mn_tensor_writer_put_u32(w, "tokenizer.ggml.eos_token_id",
                             (uint32_t)v->n_plain + (llama ? 9 : 2));
    mn_tensor_writer_put_bool(w, "tokenizer.ggml.add_bos_token", llama);
    mn_tensor_writer_put_string(w, "tokenizer.chat_template",
                                llama ? llama_template : qwen_template);
}

/* ---- MLX directory ---------------------------------------------------------------- */

static void write_text(const char *dir, const char *name, mn_buffer *b)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || b->failed || fwrite(b->data, 1, b->len, f) != b->len || fclose(f))
        die("cannot write", path);
    mn_buffer_clear(b);
}

static void write_config(const char *dir, const shape *s, const choice *c)
{
    mn_buffer b = { 0 };
    const char *model_type = s->experts ? "qwen3_moe" : s->arch;
    bool llama = !strcmp(s->arch, "llama");
    int first = llama ? 128000 : 151643;
    mn_buffer_append_fmt(&b, "{\"architectures\": [\"%s\"], \"model_type\": \"%s\", ",
                         s->hf_class, model_type);
    mn_buffer_append_fmt(
        &b,
        "\"hidden_size\": %d, \"num_hidden_layers\": %d, "
        "\"intermediate_size\": %d, \"num_attention_heads\": %d, "
        "\"num_key_value_heads\": %d, \"head_dim\": %d, \"vocab_size\": %d, ",
        s->width, s->layers, s->ffn, s->heads, s->kv_heads, s->head_dim, s->vocab);
    mn_buffer_append_fmt(
        &b,
        "\"max_position_embeddings\": %d, \"rms_norm_eps\": %g, "
        "\"rope_theta\": %g, \"tie_word_embeddings\": %s, \"hidden_act\": "
        "\"silu\", \"attention_bias\": false, \"torch_dtype\": \"bfloat16\", "
        "\"bos_token_id\": %d, \"eos_token_id\": %d",
        s->context, (double)s->eps, (double)s->rope_base, s->tied ? "true" : "false",
        first, first + (llama ? 9 : 2));
    if (s->rope_factor > 0)
        mn_buffer_append_fmt(
            &b,
            ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": %g, "
            "\"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, "
            "\"original_max_position_embeddings\": 8192}",
            (double)s->rope_factor);
    if (s->experts)
        mn_buffer_append_fmt(&b, ", \"num_experts\": %d, \"num_experts_per_tok\": %d, "
                             "\"moe_intermediate_size\": %d, \"norm_topk_prob\": true, "
                             "\"decoder_sparse_step\": 1, \"mlp_only_layers\": []",
                             s->experts, s->experts_used, s->ffn);
    if (c->type != MN_BF16) {
        mn_weight f = format_of(c, c->type, PIECE);
        bool affine = c->type == MN_MLX_AFFINE;
        const char *mode = affine ? "affine" : mn_wtype_get(c->type)->name + 4;
        int bits = affine ? c->bits : c->type == MN_MLX_MXFP8 ? 8 : 4;
        for (int i = 0; i < 2; i++)
            mn_buffer_append_fmt(&b,
                                 ", \"%s\": {\"group_size\": %d, \"bits\": %d, "
                                 "\"mode\": \"%s\"}",
                                 i ? "quantization_config" : "quantization", f.group,
                                 bits, mode);
    }
    mn_buffer_append_str(&b, "}\n");
    write_text(dir, "config.json", &b);
}

static void write_tokenizer(const char *dir, const shape *s, const vocabulary *v)
{
    bool llama = !strcmp(s->arch, "llama");
    static const char regex[] =
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}%s|"
        " ?[^\\s\\p{L}\\p{N}]+"
        "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    char pattern[300];
    mn_buffer b = { 0 };
    snprintf(pattern, sizeof pattern, regex, llama ? "{1,3}" : "");
    mn_buffer_append_str(&b, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"
                             "\"normalizer\":null,\"added_tokens\":[");
    for (int i = v->n_plain; i < v->n_tokens; i++) {
        if (v->kinds[i] != 3) continue;
        mn_buffer_append_fmt(&b, "%s{\"id\":%d,\"content\":", i > v->n_plain ? "," : "",
                             i);
        mn_buffer_append_json(&b, v->tokens[i].data, v->tokens[i].len);
        mn_buffer_append_str(&b,
                             ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                             "\"normalized\":false,\"special\":true}");
    }
    mn_buffer_append_str(&b,
                         "],\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
                         "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
    mn_buffer_append_json(&b, pattern, strlen(pattern));
    mn_buffer_append_str(
        &b, "},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
            "\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]},"
            "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\","
            "\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},"
            "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
            "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
            "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,"
            "\"vocab\":{");
    for (int i = 0; i < v->n_plain; i++) {
        if (i) mn_buffer_append_byte(&b, ',');
        mn_buffer_append_json(&b, v->tokens[i].data, v->tokens[i].len);
        mn_buffer_append_fmt(&b, ":%d", i);
    }
    mn_buffer_append_str(&b, "},\"merges\":[");
    for (int i = 0; i < v->n_merges; i++) {
        if (i) mn_buffer_append_byte(&b, ',');
        mn_buffer_append_json(&b, v->merges[i].data, v->merges[i].len);
    }
    mn_buffer_append_str(&b, "]}}\n");
    write_text(dir, "tokenizer.json", &b);
    const char *chat = llama ? llama_template : qwen_template;
    mn_buffer_append_fmt(
        &b,
        "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",%s\"eos_token\":\"%s\","
        "\"chat_template\":",
        llama ? "\"bos_token\":\"<|begin_of_text|>\"," : "",
        llama ? "<|eot_id|>" : "<|im_end|>");
    mn_buffer_append_json(&b, chat, strlen(chat));
    mn_buffer_append_str(&b, "}\n");
    write_text(dir, "tokenizer_config.json", &b);
}

/* ---- all together ----------------------------------------------------------------- */

/* One tensor of a GGUF file; the planes of a module of a directory. */
static void declare_tensor(mn_tensor_writer *w, const choice *c, const tensor *t,
                           mn_wtype type)
{
    char name[200];
    int64_t dims[3] = { t->experts, t->rows, t->cols };
    int skip = t->rows ? t->experts ? 0 : 1 : 2;
    if (!c->mlx || t->role >= ROUTER || type == MN_BF16) {
        snprintf(name, sizeof name, "%s.weight", c->mlx ? t->hf : t->gguf);
        mn_tensor_writer_declare(w, name, MN_STORED_WEIGHT, type, 3 - skip, dims + skip);
        return;
    }
    mn_weight f = format_of(c, type, t->cols);
    size_t bytes[N_PLANES];
    plane_sizes(&f, t->cols, bytes);
    bool affine = type == MN_MLX_AFFINE;
    for (int k = 0; k < N_PLANES; k++) {
        if (!bytes[k]) continue;
        snprintf(name, sizeof name, "%s.%s", t->hf, plane_names[k]);
        dims[2] = (int64_t)bytes[k] / (k == 0 ? 4 : affine ? 2 : 1);
        mn_stored_kind kind = affine ? MN_STORED_WEIGHT : MN_STORED_U8;
        if (k == 0) kind = MN_STORED_U32;
        mn_tensor_writer_declare(w, name, kind, MN_BF16, 3 - skip, dims + skip);
    }
}

static void write_tensor(mn_tensor_writer *w, const shape *s, const choice *c,
                         const tensor *t, mn_wtype type, pool_set *set, uint8_t *chunk)
{
    if (!t->rows) {
        write_vector(w, s, t, type, &set->seed);
        return;
    }
    const pool *p = find_pool(set, c, type, t->cols);
    int64_t n = (t->experts ? t->experts : 1) * t->rows * (t->cols / PIECE);
    uint64_t seed = next_random(&set->seed);
    for (int k = 0; k < N_PLANES; k++)
        if (p->piece_bytes[k]) write_plane(w, p, k, n, seed, chunk);
}

int main(int argc, char **argv)
{
    const shape *s = NULL;
    for (int i = 0; i < N_SHAPES && argc == 4; i++)
        if (!strcmp(argv[1], shapes[i].name)) s = &shapes[i];
    if (!s) {
        fprintf(stderr, "usage: synth SHAPE TYPE OUT\nshapes:");
        for (int i = 0; i < N_SHAPES; i++) fprintf(stderr, " %s", shapes[i].name);
        fprintf(
            stderr,
            "\ntypes: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 IQ4_NL Q4_K Q5_K Q6_K MXFP4 "
            "Q4_K_M Q5_K_M mlx-2bit .. mlx-8bit mlx-mxfp4 mlx-mxfp8 mlx-nvfp4 "
            "mlx-bf16\n");
        return 2;
    }
    choice c = parse_type(argv[2]);
    tensor_list list = list_tensors(s);
    vocabulary v = make_vocabulary(s);
    pool_set set = { .seed = 0x9e3779b97f4a7c15u };
    uint8_t *chunk = need(malloc(CHUNK_BYTES));
    char path[4096];
    minerva_error err = { 0 };
    mn_tensor_writer *w;
    snprintf(path, sizeof path, c.mlx ? "%s/model.safetensors" : "%s", argv[3]);
    need_ok(
        mn_tensor_writer_create(&w, c.mlx ? MN_WRITE_SAFETENSORS : MN_WRITE_GGUF, &err),
        &err);
    if (c.mlx) {
        mkdir(argv[3], 0777);
        write_config(argv[3], s, &c);
        write_tokenizer(argv[3], s, &v);
        mn_tensor_writer_put_string(w, "format", "mlx");
    } else {
        put_gguf_metadata(w, s, &v);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < list.n; i++) {
            const tensor *t = &list.items[i];
            mn_wtype type = type_of(&c, s, t);
            if (c.mlx && !*t->hf) continue;
            if (pass == 0) declare_tensor(w, &c, t, type);
            else write_tensor(w, s, &c, t, type, &set, chunk);
        }
        if (pass == 0) need_ok(mn_tensor_writer_begin(w, path, &err), &err);
    }
    need_ok(mn_tensor_writer_finish(w, &err), &err);
    mn_tensor_writer_free(w);
    for (int i = 0; i < set.n; i++)
        for (int k = 0; k < N_PLANES; k++) free(set.pools[i].planes[k]);
    free_vocabulary(&v);
    free(list.items);
    free(chunk);
    return 0;
}
