/* What an arch_*.c file works with: one object that reads the config, finds tensors and
 * fills the plan.
 *
 * The same arch file serves GGUF metadata and config.json.  Every logical field is asked
 * for once, by its GGUF key and its HF keys; every slot is bound once, by its GGUF tensor
 * name and its HF module name.
 *
 * (1) The first failure sticks in `status` (and `err`).  Every function of this header does
 *     nothing afterwards and returns its fallback, so an arch file reads like a table and
 *     never checks; mn_plan_create() checks at the end.  Values that come back are always
 *     inside the range that was asked for, failure or not, so loops over them are safe.
 * (2) Short tensor names are completed by `layer`: -1 means the model ("token_embd",
 *     root + "embed_tokens"), otherwise "blk.N." or root + "layers.N.".  An HF name that
 *     begins with '/' stands after `top` alone ("/lm_head").  "a|b": the first that exists.
 * (3) Every tensor that is taken is marked; the others end up in plan->unused.
 */
#ifndef MN_MODEL_BUILD_H
#define MN_MODEL_BUILD_H

#include "base/hash.h"
#include "base/status.h"
#include "model/plan.h"

#include <jansson.h>

typedef struct mn_outline mn_outline;
typedef struct mn_config_log mn_config_log;

/* What a plan is made from: a GGUF file, or a config with its tensors. */
typedef struct {
    const mn_gguf *gguf;
    const json_t *config;
    const mn_safetensors *weights;
    mn_outline *outline;        /* not NULL: nothing is read, see model/outline.h */
    mn_config_log *log;         /* NULL: not wanted */
} mn_plan_input;

/* mn_plan_create() behind its file handling. */
minerva_status mn_plan_build(mn_plan **out, const mn_plan_input *in, minerva_error *err);

typedef struct mn_build {
    const mn_gguf *file;        /* NULL: a HuggingFace or MLX directory */
    bool gguf;
    const mn_safetensors *weights;
    const char *arch;           /* general.architecture or model_type, as the file has it */
    const json_t *config;       /* the text model's object of config.json; NULL: GGUF */
    const json_t *config_top;   /* the whole of config.json */
    const json_t *quant;        /* MLX's `quantization` object, or NULL */
    const char *root;           /* HF: before "embed_tokens" and "layers.": "model." */
    const char *top;            /* HF: before "lm_head": "" or "language_model." */
    const char *layers_name;    /* HF: "layers" */
    int layer;
    mn_plan *plan;
    minerva_error *err;
    minerva_status status;

    mn_map names;               /* tensor name -> index */
    const mn_tensor_ref **tensors;
    uint8_t *used;              /* by index */
    int64_t n_tensors;
    mn_outline *outline;
    mn_config_log *log;
} mn_build;

/* A family: its own name, the names that files use for it (space-separated), its reader. */
typedef struct {
    const char *name;
    const char *gguf;           /* general.architecture */
    const char *hf;             /* model_type */
    void (*build)(mn_build *b);
} mn_family;

/* ---- reading the config (config.c) -------------------------------------------------- */

/* As a fallback: the field must be there. */
#define MN_REQUIRED_INT INT64_MIN
#define MN_REQUIRED_REAL ((double)NAN)

/* gguf: the key after "<arch>." ("general." and "xielu." keys in full); hf: alternatives
 * separated by blanks, "rope_scaling.factor" descends, a leading '^' also looks in the
 * outer config of a multimodal model.  NULL: that kind of file has no such field.  JSON
 * null counts as absent. */
bool mn_config_has(const mn_build *b, const char *gguf, const char *hf);
/* Does config.json say null in so many words?  For fields whose class default is not None. */
bool mn_config_null(const mn_build *b, const char *hf);
int64_t mn_config_int(mn_build *b, const char *gguf, const char *hf, int64_t fallback,
                      int64_t min, int64_t max);
double mn_config_real(mn_build *b, const char *gguf, const char *hf, double fallback,
                      double min, double max);
bool mn_config_bool(mn_build *b, const char *gguf, const char *hf, bool fallback);
/* A 0-terminated copy in the plan's arena, or the fallback itself. */
const char *mn_config_word(mn_build *b, const char *gguf, const char *hf, const char *fallback);
/* One value per layer: an array of n_layers, or a scalar repeated. */
const int32_t *mn_config_per_layer(mn_build *b, const char *gguf, const char *hf, int64_t fallback,
                                   int64_t min, int64_t max, int32_t n_layers);
/* A list of numbers; *n = 0 if absent. */
const double *mn_config_reals(mn_build *b, const char *gguf, const char *hf, int64_t limit,
                              int32_t *n);
/* The JSON value itself (HF only), or NULL. */
const json_t *mn_config_json(const mn_build *b, const char *hf);
/* layer_types: for each layer the index of its word in `words` (NULL-terminated); a word
 * that is not there is refused.  NULL if the field is absent. */
const int32_t *mn_config_layer_types(mn_build *b, const char *hf, const char *const *words,
                                     int32_t n_layers);
mn_act mn_config_act(mn_build *b, const char *gguf, const char *hf, mn_act fallback);

/* Fail with MINERVA_INVALID or MINERVA_UNSUPPORTED, unless something failed before. */
__attribute__((format(printf, 2, 3)))
void mn_build_invalid(mn_build *b, const char *fmt, ...);
__attribute__((format(printf, 2, 3)))
void mn_build_unsupported(mn_build *b, const char *fmt, ...);
/* Refuse the model, naming the field, unless it is absent, null, false, 0 or `neutral`. */
void mn_config_refuse(mn_build *b, const char *gguf, const char *hf, double neutral);

/* Zeroed memory of the plan's arena; NULL after a failure. */
void *mn_build_alloc(mn_build *b, size_t n, size_t size_bytes);

/* ---- binding tensors (bind.c) ------------------------------------------------------- */

enum { MN_NAME_MAX = 256 };

/* Fill b->names, tensors and used from the file; mn_map_clear(&b->names) when done. */
void mn_bind_index(mn_build *b);

/* prefix before each of "a|b". */
const char *mn_bind_prefixed(const char *prefix, const char *names, char out[MN_NAME_MAX]);
/* The tensor of a slot, marked as taken; NULL if there is none.  suffix: ".weight". */
const mn_tensor_ref *mn_bind_find(mn_build *b, const char *gguf, const char *hf,
                                  const char *suffix);
/* Is there such a module (a name with ".weight" behind it)? */
bool mn_bind_has(mn_build *b, const char *gguf, const char *hf);

/* W [rows, cols] of a module ("attn_q" / "self_attn.q_proj"), whatever its format, with
 * its bias if the file has one. */
void mn_bind_linear(mn_build *b, mn_linear *out, const char *gguf, const char *hf,
                    int64_t rows, int64_t cols);
void mn_bind_linear_optional(mn_build *b, mn_linear *out, const char *gguf, const char *hf,
                             int64_t rows, int64_t cols);
/* W alone; with n_experts > 0 a stack [n_experts, rows, cols]. */
void mn_bind_weight(mn_build *b, mn_weight *out, const char *gguf, const char *hf,
                    int64_t n_experts, int64_t rows, int64_t cols);
/* A stack of experts in any of its forms: a stacked tensor, or one tensor per expert
 * (`hf_each`, and `gguf` + ".%d" in old files); "%d" stands for the expert. */
void mn_bind_experts(mn_build *b, mn_weight *out, const float **bias, const char *gguf,
                     const char *hf, const char *hf_each, int64_t n_experts, int64_t rows,
                     int64_t cols);
/* A raw tensor [n_experts, cols, rows] as a stack of [rows, cols]: copied, transposed. */
void mn_bind_transposed(mn_build *b, mn_weight *out, const char *hf, int64_t n_experts,
                        int64_t rows, int64_t cols);
/* gpt-oss: `hf` + "_blocks" [n_experts, rows, cols/32, 16] with "_scales". */
void mn_bind_mxfp4_blocks(mn_build *b, mn_weight *out, const char *hf, int64_t n_experts,
                          int64_t rows, int64_t cols);

typedef enum {
    MN_VECTOR_PLAIN = 0,
    MN_VECTOR_OPTIONAL = 1,     /* NULL if absent */
    MN_VECTOR_PLUS_ONE = 2,     /* gemma's norms */
    MN_VECTOR_NEG_EXP = 4       /* -exp(A_log) */
} mn_vector_flags;
/* n floats of a tensor whose other dimensions are 1; names with their suffix
 * ("ssm_dt.bias" / "dt_bias"). */
const float *mn_bind_vector(mn_build *b, const char *gguf, const char *hf, int64_t n,
                            unsigned flags);
/* Norm of `n` with weight (and bias, if the file has one) of that module. */
void mn_bind_norm(mn_build *b, mn_norm *out, mn_norm_kind kind, double eps, const char *gguf,
                  const char *hf, int64_t n, unsigned flags);

/* The rows index[0 .. n) of a linear with their bias, copied: for small ones in odd order. */
void mn_bind_gather(mn_build *b, mn_linear *out, const mn_linear *l, const int32_t *index,
                    int32_t n);
/* Rows [first, first + n) of a linear with their bias. */
mn_linear mn_linear_rows(const mn_linear *l, int64_t first, int64_t n);

/* ---- what most families share (blocks.c) -------------------------------------------- */

typedef struct {
    int32_t vocab, hidden, n_layers, context;
    const int32_t *n_heads, *n_kv_heads, *ffn;  /* per layer */
    int32_t head_dim, v_head_dim;
    double eps;
} mn_dims;

/* Defaults are those of the HF config class; 0: the field is required (head_dim:
 * hidden / heads; n_kv_heads: n_heads). */
typedef struct {
    int32_t vocab, hidden, n_layers, n_heads, n_kv_heads, head_dim, ffn, context;
    double eps;
} mn_dims_default;

/* Reads the sizes, allocates plan->layers and sets the plan's own fields. */
void mn_build_dims(mn_build *b, mn_dims *d, const mn_dims_default *def);
/* Sets root and top by the first known prefix under which one of `names` ("a|b") lies. */
void mn_build_root(mn_build *b, const char *names);
/* A window of `gguf` / `hf` positions: 0 (no window) if the file says null or 0. */
int32_t mn_build_window(mn_build *b, const char *gguf, const char *hf, int32_t fallback);

/* plan->head, or the embedding again.  tied: what the class assumes where the config is
 * silent. */
void mn_build_head(mn_build *b, const mn_dims *d, bool tied);

/* 1 where a layer slides: from layer_types, or a period (every period-th layer does not),
 * or for each layer in GGUF.  The period is what holds where the file is silent; 1: none
 * slides, 0: all do. */
const int32_t *mn_build_sliding(mn_build *b, int32_t n_layers, int32_t period);
/* A soft cap: 0 if null or absent without a default. */
double mn_build_softcap(mn_build *b, const char *gguf, const char *hf, double fallback);
/* The linear times s, its bias included. */
void mn_build_scale(mn_build *b, mn_linear *l, double s);
/* q_norm and k_norm of n_q and n_k elements ("attn_q_norm" / "self_attn.q_norm"). */
void mn_build_qk_norms(mn_build *b, mn_attention *a, double eps, int64_t n_q, int64_t n_k,
                       unsigned flags);

/* q, k and v of so many rows, separate or in one tensor. */
void mn_build_qkv(mn_build *b, mn_attention *a, int64_t hidden, int64_t q, int64_t k, int64_t v);
/* q, k, v, o (separate or fused) of the current layer; scale is 1/sqrt(head_dim);
 * everything else is left to the caller. */
mn_attention *mn_build_attention(mn_build *b, mn_mixer *mixer, int32_t hidden, int32_t n_heads,
                                 int32_t n_kv_heads, int32_t head_dim, int32_t v_head_dim);
/* "ffn_gate", "ffn_up", "ffn_down" / prefix + "gate_proj" ..., fused gate_up_proj too.
 * gguf_suffix: "" or "_shexp"; hf_prefix: "mlp." */
void mn_build_dense(mn_build *b, mn_dense *out, const char *gguf_suffix, const char *hf_prefix,
                    int64_t hidden, int64_t width, mn_act act);
/* "ffn_up", "ffn_down" / prefix + "c_fc" or "fc1" or "up_proj" ...: no gate. */
void mn_build_plain_ffn(mn_build *b, mn_dense *out, const char *hf_prefix, int64_t hidden,
                        int64_t width, mn_act act);
/* What a mixture of experts has besides its tensors. */
typedef struct {
    int32_t n_experts, n_used, width;   /* width of one expert */
    int32_t n_shared, shared_width;     /* 0: no shared expert */
    int32_t n_groups, n_groups_used;
    mn_route route;
    bool normalise;
    double scale;
} mn_moe;
/* Defaults where the file is silent; 0 in n_experts ...: required. */
void mn_build_moe_fields(mn_build *b, mn_moe *m, const mn_moe *def);
/* Router and experts of the current layer.  hf_prefix: "mlp."; router: "mlp.gate"; the
 * selection's bias is bound where the file has one. */
void mn_build_moe(mn_build *b, mn_ffn *f, const mn_moe *m, const char *hf_prefix,
                  const char *router, int64_t hidden, mn_act act);
/* The shared expert, shared_width wide, under hf_prefix "mlp.shared_expert." */
void mn_build_shared(mn_build *b, mn_ffn *f, const mn_moe *m, const char *hf_prefix,
                     int64_t hidden, mn_act act);

/* Mamba-2's sizes and tensors under hf_prefix "mamba." */
typedef struct {
    int32_t n_heads, head_dim, n_groups, state, conv_width, inner;
    int32_t norm_width;                 /* gated norm over so many; 0: no norm */
    bool norm_before_gate;
    double eps, dt_min, dt_max;
} mn_mamba_dims;
void mn_build_mamba2(mn_build *b, mn_mixer *mixer, const mn_mamba_dims *m, const char *hf_prefix,
                     int64_t hidden);
/* time_step_limit's two numbers. */
void mn_build_dt_limit(mn_build *b, mn_mamba_dims *m);

/* gate, up, down stacks in the forms "mlp.switch_mlp.gate_proj" (MLX), "mlp.experts.gate_proj",
 * "mlp.experts.%d.gate_proj" and fused "mlp.experts.gate_up_proj" (HF).  hf_prefix: "mlp." */
void mn_build_experts(mn_build *b, mn_experts *e, const char *hf_prefix, int64_t hidden,
                      int64_t width);

#endif
