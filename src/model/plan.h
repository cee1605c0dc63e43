/* A network as plain data.
 *
 * An arch_*.c file turns a config (GGUF metadata or config.json) into a plan: embedding,
 * layers, head, with the tensor behind each slot.  An executor (CPU, CUDA, MLX) runs any
 * plan; it knows no family.  What a family does differently is an option here, never a
 * branch on its name there.
 *
 * The forward pass of one token sequence, in the order in which the fields are used:
 *
 *   x = embed[token] * embed_scale                        (+ embed_norm; + pos_embed[pos])
 *   per layer:
 *     h = pre_norm(x)
 *     a = mixer(h)  (+ parallel_mixer(h))                 each times its own out scale
 *     a = post_mixer_norm(a)
 *     if parallel_ffn:  x += residual_scale * (a + ffn(h)); ffn_norm(x), if there, for h
 *     else:             x += residual_scale * a
 *                       f = post_ffn_norm(ffn(ffn_norm(x)))
 *                       x += residual_scale * f
 *     if ple:  x += per-layer-embedding block (see mn_ple)
 *     x *= layer_scale
 *   logits = softcap(head(out_norm(x)) * logit_scale)
 *
 * Invariants
 * (1) Big matrices are views of the mapped file (mn_weight).  Small vectors (norms,
 *     biases, convolution taps, decay rates) are f32 copies in the plan's arena, with the
 *     family's constant folded in (gemma's 1 + w, mamba's -exp(A_log)).
 * (2) A pointer that is NULL or a weight with data == NULL is an absent part.
 * (3) A scale of 0 means 1 everywhere, so that a zeroed plan is a plain network.
 * (4) Shapes were checked against each other by mn_plan_check(); executors check nothing.
 */
#ifndef MN_MODEL_PLAN_H
#define MN_MODEL_PLAN_H

#include "base/arena.h"
#include "format/source.h"
#include "tensor/weight.h"

/* y = scale * (W x) + bias; row_scale[rows], if there, multiplies W x per output. */
typedef struct {
    mn_weight w;
    const float *bias;
    const float *row_scale;
    float scale;
} mn_linear;

static inline bool mn_linear_present(const mn_linear *l) { return mn_weight_present(&l->w); }

typedef enum { MN_NORM_NONE, MN_NORM_RMS, MN_NORM_LAYER, MN_NORM_L2 } mn_norm_kind;
typedef struct {
    mn_norm_kind kind;
    float eps;
    int32_t n;                  /* normalised width; smaller than the vector: per group */
    const float *weight;        /* [n], or [whole vector] if per_group_weight; NULL: ones */
    const float *bias;          /* as weight */
    bool per_group_weight;
} mn_norm;

/* Rotary embedding of the first n_dims of each head; inv_freq holds the final angular
 * frequencies (every scaling rule already applied), so executors know no rule. */
typedef struct {
    int32_t n_dims;             /* even; 0: none */
    bool interleaved;           /* pairs (2i, 2i+1); else (i, i + n_dims/2) */
    const float *inv_freq;      /* [n_dims / 2] */
    float magnitude;            /* times cos and sin (YaRN's attention factor) */
    /* longrope: other frequencies once the sequence passes switch_at positions (0: never);
     * transformers chooses by the total length of the sequence, llama.cpp by the context
     * size it was created with; the binder says which through `long_by_context`. */
    const float *inv_freq_long;
    float magnitude_long;
    int32_t switch_at;
    bool long_by_context;
} mn_rope;

typedef enum {
    MN_GATE_NONE,
    MN_GATE_SIGMOID_IN_Q        /* q rows per head: [query | gate]; o(sigmoid(gate) * attn) */
} mn_attn_gate;

typedef struct {
    int32_t n_heads, n_kv_heads, head_dim, v_head_dim;
    mn_linear q, k, v, o;       /* k absent: K and V are those of kv_from_layer */
    bool v_is_k;                /* V = K before norm and rope (gemma4, attention_k_eq_v) */
    mn_norm q_norm, k_norm, v_norm;     /* n = head_dim, or all heads (olmo2) */
    mn_rope rope;               /* after the norms */
    bool rope_before_norm;
    float scale;                /* of q . k; never 0 */
    float softcap;              /* cap * tanh(s / cap); 0: none */
    int32_t window;             /* a token sees the last `window` ones, itself included; 0: all */
    int32_t chunk;              /* a token sees its own chunk of `chunk` positions; 0: all */
    bool bidirectional;         /* encoder models */
    const float *sinks;         /* [n_heads] logits that take part in the softmax only */
    mn_attn_gate gate;
    int32_t kv_from_layer;      /* layer whose cache is read, counted from 1; 0: its own */
    /* q *= 1 + temp_beta * log(1 + floor(pos / temp_floor)); 0: none (llama 4, ministral 3) */
    float temp_beta;
    int32_t temp_floor;
    const float *alibi;         /* [n_heads] slopes or NULL */
} mn_attention;

/* Multi-head latent attention (DeepSeek-V2, 2405.04434 section 2.1).  The cache holds
 * [kv_rank normed latent | rope_dim rotated key], shared by all heads. */
typedef struct {
    int32_t n_heads, nope_dim, rope_dim, v_dim, kv_rank;
    mn_linear q;                /* [heads * (nope + rope)]; or q_b after q_a and q_a_norm */
    mn_linear q_a, q_b;
    mn_norm q_a_norm;
    mn_linear kv_a;             /* [kv_rank + rope_dim] */
    mn_norm kv_a_norm;
    mn_weight kv_b;             /* [heads * (nope + v), kv_rank], per head nope then v rows; */
    mn_weight k_b, v_b;         /* or split, experts = heads: k_b [kv_rank, nope], v_b [v, kv_rank] */
    mn_linear o;
    mn_rope rope;
    float scale;
} mn_mla;

/* Gated delta rule (Yang et al. 2024, 2412.06464).  q, k L2-normed per head, q scaled by
 * key_dim^-1/2; q/k heads repeat to the value heads.  Rows of `qkv`: q, k, v; state per
 * value head: [key_dim, value_dim]. */
typedef struct {
    int32_t n_k_heads, n_v_heads, key_dim, value_dim, conv_width;
    mn_linear qkv, z, b, a;     /* either all four, */
    mn_linear qkvz, ba;         /* or fused and grouped by k head: per group q,k,v..,z.. / b..,a.. */
    bool repeat_interleaved;    /* value head h uses key head h / (nv/nk); else h % nk */
    const float *conv;          /* [2*nk*key_dim + nv*value_dim, conv_width], silu after */
    const float *conv_bias;
    const float *decay;         /* [n_v_heads]  -exp(A_log) */
    const float *dt_bias;       /* [n_v_heads]; g = decay * softplus(a + dt_bias) */
    mn_norm norm;               /* over value_dim, then times silu(z) */
    mn_linear out;
} mn_gated_delta;

/* Mamba-2 (Dao & Gu 2024, 2405.21060).  Rows of `in`: z [d_inner], x [d_inner],
 * B [groups*state], C [groups*state], dt [heads]. */
typedef struct {
    int32_t n_heads, head_dim, n_groups, state_dim, conv_width;
    mn_linear in, out;
    const float *conv, *conv_bias;      /* [d_inner + 2*groups*state, conv_width] */
    const float *decay;         /* [n_heads]  -exp(A_log) */
    const float *dt_bias, *d;   /* [n_heads] */
    float dt_min, dt_max;       /* clamp after softplus; dt_max 0: none */
    mn_norm norm;               /* gated; NONE: y * silu(z) only */
    bool norm_before_gate;      /* norm(y) * silu(z), else norm(y * silu(z)) */
} mn_mamba2;

/* Short convolution (LFM2): in -> b, c, x; y = out(c * conv(b * x)). */
typedef struct {
    int32_t width;              /* taps */
    mn_linear in, out;          /* in rows: b, c, x */
    const float *conv, *conv_bias;      /* [hidden, width] */
} mn_short_conv;

typedef enum {
    MN_MIXER_NONE, MN_MIXER_ATTENTION, MN_MIXER_MLA, MN_MIXER_GATED_DELTA, MN_MIXER_MAMBA2,
    MN_MIXER_SHORT_CONV
} mn_mixer_kind;

typedef struct {
    mn_mixer_kind kind;
    float in_scale, out_scale;  /* 0 = 1 */
    union {
        mn_attention attention;
        mn_mla mla;
        mn_gated_delta delta;
        mn_mamba2 mamba2;
        mn_short_conv conv;
    } u;
} mn_mixer;

typedef enum {
    MN_ACT_SILU, MN_ACT_GELU_TANH, MN_ACT_GELU_ERF, MN_ACT_RELU, MN_ACT_RELU2,
    /* gpt-oss: g = min(g, 7), u = clamp(u, -7, 7); (u + 1) * g * sigmoid(1.702 g) */
    MN_ACT_SWIGLU_OAI
} mn_act;

typedef struct {                /* down(act(gate x) * up x); no gate: down(act(up x)) */
    mn_linear gate, up, down;
    mn_act act;
} mn_dense;

typedef enum {
    MN_ROUTE_SOFTMAX_TOPK,      /* softmax over all, then the best k (mixtral when normalised) */
    MN_ROUTE_TOPK_SOFTMAX,      /* the best k logits, then softmax over those (gpt-oss) */
    MN_ROUTE_SIGMOID            /* sigmoid each; selection by sigmoid + select_bias (DeepSeek-V3) */
} mn_route;

typedef struct {
    int32_t n_experts, n_used;
    mn_route route;
    mn_linear router;           /* [n_experts, hidden]; its bias is part of the logits */
    mn_norm router_norm;        /* gemma4: norm and scale before the router */
    const float *router_in_scale;       /* [hidden] */
    const float *select_bias;   /* [n_experts]: for choosing, not for weighing */
    int32_t n_groups, n_groups_used;    /* 0/1: no groups; a group's score: sum of its best 2 */
    bool group_by_max;          /* DeepSeek-V2: a group's score is its best expert */
    bool normalise;             /* chosen weights divided by their sum (+ 1e-20) */
    float weight_scale;         /* 0 = 1 */
    const float *expert_scale;  /* [n_experts] times each chosen weight, or NULL */
    mn_weight gate, up, down;   /* stacks; gate absent: no gate */
    const float *gate_bias, *up_bias, *down_bias;       /* [n_experts, rows] */
    mn_act act;
    bool weight_input;          /* llama 4: weights scale the expert's input, not its output */
} mn_experts;

typedef enum { MN_FFN_NONE, MN_FFN_DENSE, MN_FFN_EXPERTS } mn_ffn_kind;
typedef struct {
    mn_ffn_kind kind;
    mn_dense dense;             /* kind DENSE; with EXPERTS: the shared expert, if present */
    mn_linear shared_gate;      /* [1, hidden]: sigmoid of it times the shared expert */
    mn_experts experts;
    /* gemma4's mixture: dense_norm(dense(norm x)) + experts_norm(experts(experts_in_norm x)),
     * where the experts (and router) read the un-normed residual. */
    mn_norm dense_out_norm, experts_in_norm, experts_out_norm;
    bool experts_read_residual;
} mn_ffn;

/* gemma3n/gemma4 per-layer embeddings: x += norm(proj(gelu(gate x) * e_layer)), where
 * e = (per_layer_embed[token] * scale + norm(model_proj(embedding) * proj_scale)) * mix. */
typedef struct {
    mn_linear gate, proj;       /* [ple_dim, hidden], [hidden, ple_dim] */
    mn_norm post_norm;
    mn_act act;
} mn_ple;

typedef struct {
    mn_norm pre_norm, post_mixer_norm, ffn_norm, post_ffn_norm;
    mn_mixer mixer, parallel_mixer;
    mn_ffn ffn;
    mn_ple ple;
    bool parallel_ffn;
    float residual_scale, layer_scale;
} mn_layer;

typedef struct mn_plan {
    const char *family;         /* "llama", "qwen3_moe": our name */
    int32_t vocab, hidden, n_layers, context_train;
    mn_weight embed;            /* [vocab, hidden] */
    float embed_scale;
    mn_norm embed_norm;
    mn_weight pos_embed;        /* [positions, hidden] learned positions, or absent */
    mn_layer *layers;
    mn_norm out_norm;
    mn_linear head;             /* tied: the embedding again */
    float logit_scale, logit_softcap;
    /* per-layer embeddings, absent in most */
    int32_t ple_dim;
    mn_weight ple_embed;        /* [ple_vocab, n_layers * ple_dim] */
    float ple_embed_scale, ple_proj_scale, ple_mix_scale;
    mn_linear ple_model_proj;   /* [n_layers * ple_dim, hidden] */
    mn_norm ple_proj_norm;
    /* Round the embedding to bf16 before ple_model_proj: llama.cpp keeps that matrix in BF16
     * in every GGUF file, and multiplies BF16 by BF16. */
    bool ple_input_bf16;
    bool causal;                /* false: an encoder; only hidden states come out */
    const char *const *unused;  /* [n_unused] tensors of the file that no slot took */
    int32_t n_unused;
    mn_arena arena;             /* of everything above that is not mapped */
} mn_plan;

/* Recognise the family and bind every tensor.  Unknown families: MINERVA_UNSUPPORTED,
 * naming it and the known ones.  A tensor that is missing or has another shape than the
 * config says: MINERVA_INVALID, naming it with both shapes.  The source must outlive the
 * plan. */
minerva_status mn_plan_create(mn_plan **out, const mn_model_source *source, minerva_error *err);
void mn_plan_free(mn_plan *p);

/* Name of the i-th known family; NULL past the last. */
const char *mn_plan_family(int i);
/* What files call a family: space-separated names of general.architecture or model_type,
 * "" if that form has none of its own; NULL if the family is unknown. */
const char *mn_plan_family_arch(const char *family, bool gguf);

/* Do all shapes fit each other, and is every number one that an executor can use?  A plan
 * from mn_plan_create() has passed; a failure names the slot and is a fault of an arch file
 * or of a config that slipped through it. */
minerva_status mn_plan_check(const mn_plan *p, minerva_error *err);

/* Weight bytes touched per decoded token (active experts, one embedding row). */
size_t mn_plan_bytes_per_token(const mn_plan *p);
/* Multiply-accumulates per prompt token in matrices, head left out. */
int64_t mn_plan_macs_per_token(const mn_plan *p);
int64_t mn_plan_n_parameters(const mn_plan *p);
/* Bytes of state per position (KV cache at 16 bits) and per sequence (recurrent). */
size_t mn_plan_kv_bytes_per_position(const mn_plan *p);

#endif
