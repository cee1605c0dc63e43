/* The contract between the runtime and whatever runs a network.
 *
 * A backend is a table of functions; the native CPU executor is one, plug-ins (CUDA,
 * libllama, MLX) are others.  Everything above this line (tokens, templates, sampling,
 * constraints, prefix cache, scheduling) works alike for all of them.
 *
 * (1) Append-only: new entries go to the end and raise MN_BACKEND_VERSION; a caller asks
 *     `version` before it touches a newer entry.
 * (2) One thread at a time calls into an engine (the worker that owns it).  `probe` and
 *     `fit` may be called from anywhere.
 * (3) A sequence is a token history with its state (KV pages, recurrent state).  Forward
 *     appends to sequences; fork shares what it can, copy-on-write.
 * (4) A call that fails leaves every sequence as it was, except with MINERVA_DEVICE.
 */
#ifndef MN_BACKEND_BACKEND_H
#define MN_BACKEND_BACKEND_H

#include "base/buffer.h"
#include "base/log.h"
#include "format/source.h"
#include "model/plan.h"

enum { MN_BACKEND_VERSION = 1 };

typedef struct mn_engine mn_engine;
typedef struct mn_seq mn_seq;

typedef enum { MN_KV_F16 = 0, MN_KV_F32, MN_KV_Q8_0 } mn_kv_type;

typedef struct {
    char device[128];           /* "AMD EPYC 9354, 2 threads, avx512-vnni" */
    size_t memory_bytes;        /* of the device */
    char why_not[256];          /* if probe failed */
} mn_backend_info;

typedef struct {
    bool runs;
    char why[256];              /* if not: the reason; else a remark */
    size_t weight_bytes, state_bytes_per_position, state_bytes_fixed, scratch_bytes;
} mn_fit;

typedef struct {
    int n_threads;              /* 0: all cores */
    const char *isa;            /* NULL: best; "ref", "avx2", "avx512", ... */
    bool precise;               /* f32 activations, no 8-bit shortcuts */
    mn_kv_type kv_type;
    int32_t context;            /* positions per sequence at most; 0: the model's own */
    int32_t max_batch;          /* tokens per forward; 0: 512 */
    size_t state_limit_bytes;   /* of all sequences together; 0: no limit */
    mn_log log;
} mn_load_options;

/* One run of consecutive tokens appended to one sequence. */
typedef struct {
    mn_seq *seq;
    int32_t first, n;           /* into the batch's arrays */
} mn_span;

typedef struct {
    const int32_t *tokens;      /* [n_tokens]; or */
    const float *embeddings;    /* [n_tokens, hidden]: used instead where not NULL */
    int32_t n_tokens;
    const mn_span *spans;       /* every sequence at most once */
    int32_t n_spans;
    const uint8_t *want;        /* [n_tokens] 1: logits wanted; NULL: the last of each span */
    bool (*cancelled)(void *ctx);       /* asked between layers; may be NULL */
    void *cancel_ctx;
} mn_batch;

typedef struct {
    float *logits;              /* [n_wanted, vocab]: the engine's memory until the next call */
    float *hidden;              /* [n_wanted, hidden] after out_norm; same lifetime */
    int32_t n_wanted;
} mn_output;

/* What attention costs per token and position that it sees, in layers of one window. */
typedef struct {
    int32_t window;             /* positions seen at most; 0: all */
    size_t bytes_per_position;
    int64_t macs_per_position;
} mn_attention_cost;

enum { MN_ATTENTION_COSTS = 4 };        /* further windows count as the last */

/* What this machine could do at best, measured, and what one token costs. */
typedef struct {
    double read_bytes_per_s;    /* all threads streaming from memory */
    double macs_per_s;          /* all threads, the instruction that prompts are read with */
    size_t bytes_per_token;     /* weights touched by one decoded token */
    size_t state_bytes_per_position;    /* read again by every later token */
    int64_t macs_per_token;     /* of one prompt token, head left out */
    char kernels[64];           /* "amx, bf16 products" */
    double int8_macs_per_s, bf16_macs_per_s;    /* 0: the machine has no such instruction */
    mn_attention_cost attention[MN_ATTENTION_COSTS];
    int32_t n_attention;
} mn_limits;

typedef struct mn_backend {
    int version;
    const char *name;           /* "native", "cuda", "llama", "mlx" */
    minerva_status (*probe)(mn_backend_info *out);
    minerva_status (*fit)(const mn_model_source *source, const mn_load_options *options,
                          mn_fit *out, minerva_error *err);
    /* The source is borrowed and must outlive the engine. */
    minerva_status (*load)(const mn_model_source *source, const mn_load_options *options,
                           mn_engine **out, minerva_error *err);
    void (*unload)(mn_engine *engine);
    int32_t (*vocab)(const mn_engine *engine);
    int32_t (*hidden)(const mn_engine *engine);
    int32_t (*context)(const mn_engine *engine);
    /* Tokens of a batch are at most max_batch.  MINERVA_FULL: a context or the memory for
     * state is full; MINERVA_CANCELLED: nothing was appended. */
    minerva_status (*forward)(mn_engine *engine, const mn_batch *batch, mn_output *out,
                              minerva_error *err);

    minerva_status (*seq_create)(mn_engine *engine, mn_seq **out, minerva_error *err);
    void (*seq_free)(mn_engine *engine, mn_seq *seq);
    int32_t (*seq_length)(const mn_seq *seq);
    /* A copy that shares the first n positions (n = length unless seq_can_trim(n)). */
    minerva_status (*seq_fork)(mn_engine *engine, const mn_seq *seq, mn_seq **out,
                               minerva_error *err);
    /* Can state be cut back to n positions?  Recurrent layers and full windows cannot. */
    bool (*seq_can_trim)(const mn_seq *seq, int32_t n);
    minerva_status (*seq_trim)(mn_engine *engine, mn_seq *seq, int32_t n, minerva_error *err);
    size_t (*seq_bytes)(const mn_seq *seq);     /* memory held by this sequence alone */
    /* Positions [from, length) as bytes that import() of the same model and options takes
     * back (appended to a sequence of length `from`). */
    minerva_status (*seq_export)(mn_engine *engine, const mn_seq *seq, int32_t from,
                                 mn_buffer *out, minerva_error *err);
    minerva_status (*seq_import)(mn_engine *engine, mn_seq *seq, const void *bytes, size_t len,
                                 minerva_error *err);
    /* Takes about a second.  NULL: this backend cannot tell. */
    minerva_status (*limits)(mn_engine *engine, mn_limits *out, minerva_error *err);
} mn_backend;

/* Backends built in or found as plug-ins, best first; NULL-terminated. */
const mn_backend *const *mn_backends(void);
const mn_backend *mn_backend_find(const char *name);

#endif
