/* The native executor's own structures: engine, sequence, and one run of the network.
 *
 * A forward pass is one mn_pool_run(): every thread walks the same layers and calls the
 * same functions with the same arguments, sharing the work inside each ("collective").
 * Two ways of sharing occur:
 *   - rows: thread i owns a fixed block of the batch's tokens (mn_run_rows), so that
 *     row-wise steps on the same buffer may follow each other without a barrier;
 *   - pieces: mn_pool_next() hands out tasks (attention tiles, heads, channels).
 *
 * (1) Functions that share by pieces need complete inputs when they are called and say in
 *     their comment whether they end with a barrier.  mn_matmul() begins and ends with one.
 * (2) Buffers come from a bump allocator that every thread runs by itself over the same
 *     memory with the same sizes, so all get the same pointers.  It is measured at load
 *     with max_batch tokens; nothing is allocated in a run.
 * (3) A run writes to KV slots at and beyond a sequence's length and to fresh state pages
 *     only.  What was there before stays readable until the run is committed, so a
 *     cancelled or failed run needs no undo.
 */
#ifndef MN_BACKEND_NATIVE_NATIVE_H
#define MN_BACKEND_NATIVE_NATIVE_H

#include "backend/native/cpu/matmul.h"
#include "backend/native/cpu/ops.h"
#include "backend/native/kv_pages.h"

/* ---- scratch ----------------------------------------------------------------------- */

typedef struct {
    uint8_t *base;              /* NULL: measuring only */
    size_t used, peak;
} mn_scratch;

static inline void *mn_scratch_bytes(mn_scratch *s, size_t size_bytes)
{
    size_t at = s->used;
    s->used += (size_bytes + MN_ALIGN - 1) / MN_ALIGN * MN_ALIGN;
    if (s->used > s->peak) s->peak = s->used;
    return s->base ? s->base + at : NULL;
}

static inline float *mn_scratch_floats(mn_scratch *s, int64_t rows, int64_t cols)
{
    return mn_scratch_bytes(s, (size_t)rows * (size_t)cols * sizeof(float));
}

/* ---- engine and sequences ---------------------------------------------------------- */

/* A recurrent mixer's place in a sequence's state page, in floats. */
typedef struct {
    size_t at;
    size_t size;                /* 0: the mixer keeps none */
    const float *taps;          /* of its convolution: [width][channels] */
} mn_state_slot;

/* Rotations of one kind (layers usually share one or two). */
typedef struct {
    mn_rope rope;
    float *table;               /* this run: [n_tokens][cos n_dims/2 | sin n_dims/2] */
} mn_rope_table;

/* MLA whose file has only the fused kv_b: keys transposed, values as a view. */
typedef struct {
    mn_weight k_b, v_b;         /* experts = heads: [kv_rank, nope], [v, kv_rank] */
} mn_mla_split;

typedef struct {
    mn_pack input, inner;       /* of a layer's normed input; of anything inside a part */
} mn_packs;

struct mn_engine {
    mn_plan *plan;
    bool owns_plan;
    mn_load_options options;
    int32_t context, max_batch;
    mn_arena arena;             /* tables below */
    mn_pool *pool;
    mn_pool *solo;              /* of one thread, for runs too short to share */
    double bytes_per_token, macs_per_token;
    double shared_from_ns;      /* estimated work of a run that threads share; 0: all runs */
    mn_cpu cpu;
    mn_matmul_table matmul;
    mn_matmul_table exact;      /* f32 always: routers */
    mn_cpu_ops ops;

    mn_kv_layout kv;
    mn_page_pool pages;
    int32_t state_class;        /* of pages; -1: the network has no recurrent state */
    mn_page *zero_state;        /* what new sequences start from */
    mn_state_slot *states;      /* [n_layers][2]: mixer, parallel mixer */
    int32_t *rope_of;           /* [n_layers] into ropes, -1: none */
    mn_rope_table *ropes;
    int32_t n_ropes;
    mn_mla_split *mla;          /* [n_layers] or NULL */

    uint8_t *memory;            /* one block: scratch, packs, per-thread scratch */
    size_t memory_bytes, scratch_bytes, thread_bytes;
    uint8_t *thread_memory;     /* [threads][thread_bytes] */
    mn_packs packs;
    int32_t *pos, *span_of;     /* [max_batch] of the run's tokens */
    int32_t *wanted;            /* [max_batch] indexes of tokens whose logits are wanted */
    int32_t n_wanted;
    float *logits, *hidden;     /* grown when more rows are wanted than ever before */
    int32_t output_rows;
    bool stop;                  /* the caller cancelled; set by thread 0 between barriers */
};

struct mn_seq {
    mn_engine *engine;
    int32_t length;
    mn_page **tables[MN_KV_GROUPS];     /* page of positions [32 i, 32 i + 32); NULL: none */
    int32_t first_page[MN_KV_GROUPS];   /* those before it were given back */
    int32_t capacity_pages;
    mn_page *state;             /* recurrent state at `length`, shared with forks */
    mn_page *next_state;        /* being written by a run */
};

minerva_status mn_seq_new(mn_engine *e, mn_seq **out, minerva_error *err);
void mn_seq_delete(mn_engine *e, mn_seq *s);
minerva_status mn_seq_copy(mn_engine *e, const mn_seq *s, mn_seq **out, minerva_error *err);
bool mn_seq_trimmable(const mn_seq *s, int32_t n);
minerva_status mn_seq_cut(mn_engine *e, mn_seq *s, int32_t n, minerva_error *err);
size_t mn_seq_own_bytes(const mn_seq *s);
/* Make n more positions writable.  On failure the sequence is as it was. */
minerva_status mn_seq_reserve(mn_engine *e, mn_seq *s, int32_t n, minerva_error *err);
void mn_seq_commit(mn_engine *e, mn_seq *s, int32_t n);
void mn_seq_rollback(mn_engine *e, mn_seq *s);
minerva_status mn_seq_write(mn_engine *e, const mn_seq *s, int32_t from, mn_buffer *out,
                            minerva_error *err);
minerva_status mn_seq_read(mn_engine *e, mn_seq *s, const void *bytes, size_t len,
                           minerva_error *err);

extern const mn_backend mn_backend_native;

/* An engine over a plan; owns_plan: unloading frees it.  (load() binds a source's plan.) */
minerva_status mn_engine_create(mn_engine **out, mn_plan *plan, bool owns_plan,
                                const mn_load_options *options, minerva_error *err);
void mn_engine_free(mn_engine *e);
/* Sizes for fit(): scratch and per-sequence state of a plan under these options. */
minerva_status mn_engine_sizes(const mn_plan *plan, const mn_load_options *options, mn_fit *out,
                               minerva_error *err);

/* Measures the machine; takes about half a second. */
minerva_status mn_engine_limits(mn_engine *e, mn_limits *out, minerva_error *err);

/* ---- one run ----------------------------------------------------------------------- */

/* So many tokens of a sequence give bit for bit what they give one by one: no kernel may
 * tell them apart.  (Guessing ahead relies on it; see matmul.h for where `few` ends.) */
enum { MN_EXACT_RUN = 4 };

typedef struct {                /* each thread has its own, equal but for team */
    mn_engine *e;
    const mn_batch *batch;
    int32_t n_tokens;           /* rows still alive: fewer after the last mixer */
    int32_t layer;
    mn_scratch scratch;
    mn_team team;
    uint8_t *thread_memory;     /* this thread's own, beside team.scratch */
} mn_run;

/* This thread's block of n rows. */
static inline void mn_run_rows(const mn_run *r, int32_t n, int32_t *first, int32_t *end)
{
    *first = (int32_t)((int64_t)n * r->team.thread / r->team.n_threads);
    *end = (int32_t)((int64_t)n * (r->team.thread + 1) / r->team.n_threads);
}

static inline void mn_run_barrier(const mn_run *r) { mn_pool_barrier(r->team.pool); }

static inline float mn_or_one(float scale) { return scale == 0.0f ? 1.0f : scale; }

minerva_status mn_forward(mn_engine *e, const mn_batch *batch, mn_output *out,
                          minerva_error *err);

/* y = Wx for the first `n` rows of `x`; begins and ends with a barrier. */
void mn_run_linear(mn_run *r, const mn_linear *l, mn_pack *pack, const float *x, int32_t n,
                   float *y);
void mn_run_pack(mn_run *r, mn_pack *pack, const float *x, int64_t stride, int32_t n,
                 int64_t cols);
void mn_run_matmul(mn_run *r, mn_pack *pack, const mn_job *jobs, int n_jobs);

/* By rows, no barrier.  norm returns x itself where there is none. */
const float *mn_norm_rows(mn_run *r, const mn_norm *norm, const float *x, float *y,
                          int32_t width, int32_t n);
void mn_norm_one(const mn_cpu_ops *ops, const mn_norm *norm, const float *x, float *y,
                 int32_t width);

void mn_rope_fill(mn_run *r);   /* tables of this run's tokens; by rows */

/* Mixers: out[n_tokens, hidden] from h; h complete before, out complete after. */
void mn_attention_forward(mn_run *r, const mn_attention *a, const float *h, float *out);
void mn_mla_forward(mn_run *r, const mn_mla *a, const float *h, float *out);
void mn_delta_forward(mn_run *r, const mn_gated_delta *d, const mn_state_slot *state,
                      const float *h, float *out);
void mn_mamba2_forward(mn_run *r, const mn_mamba2 *m, const mn_state_slot *state,
                       const float *h, float *out);
void mn_short_conv_forward(mn_run *r, const mn_short_conv *c, const mn_state_slot *state,
                           const float *h, float *out);
/* x: the residual stream, for the mixtures that read it beside h. */
void mn_ffn_forward(mn_run *r, const mn_ffn *f, const float *h, const float *x, float *out);
void mn_dense_forward(mn_run *r, const mn_dense *d, const float *h, float *out);
void mn_experts_forward(mn_run *r, const mn_experts *m, const float *h, const float *router_in,
                        float *out);

/* What the above take from scratch, packs and thread memory with n tokens. */
typedef struct {
    mn_scratch scratch;
    size_t pack_bytes, thread_bytes;
    int n_threads;
} mn_needs;
void mn_needs_pack(mn_needs *needs, int64_t n_tokens, int64_t cols);
/* The same where experts read n_lists lists of tokens. */
void mn_needs_pack_lists(mn_needs *needs, int64_t n_tokens, int64_t cols, int64_t n_list_tokens,
                         int64_t n_lists);
void mn_attention_needs(mn_needs *needs, const mn_attention *a, int32_t n);
void mn_mla_needs(mn_needs *needs, const mn_mla *a, int32_t n);
void mn_delta_needs(mn_needs *needs, const mn_gated_delta *d, int32_t n);
void mn_mamba2_needs(mn_needs *needs, const mn_mamba2 *m, int32_t n);
void mn_short_conv_needs(mn_needs *needs, const mn_short_conv *c, int32_t n);
void mn_ffn_needs(mn_needs *needs, const mn_ffn *f, int32_t n);
void mn_experts_needs(mn_needs *needs, const mn_experts *m, int32_t n);
void mn_run_needs(mn_needs *needs, const mn_plan *plan, int32_t n);

/* Floats of recurrent state. */
size_t mn_delta_state(const mn_gated_delta *d);
size_t mn_mamba2_state(const mn_mamba2 *m);
size_t mn_short_conv_state(const mn_short_conv *c);

/* State of one sequence of the run: what it was, and what it becomes. */
static inline const float *mn_run_state(const mn_run *r, int32_t span, const mn_state_slot *s)
{
    return (const float *)r->batch->spans[span].seq->state->data + s->at;
}
static inline float *mn_run_next_state(const mn_run *r, int32_t span, const mn_state_slot *s)
{
    return (float *)r->batch->spans[span].seq->next_state->data + s->at;
}

/* ---- shared by the mixers ---------------------------------------------------------- */

/* Queries against a layer's cache, which holds the run's own keys already. */
typedef struct {
    const float *q;             /* [n_tokens][q_stride], head h at h * q_head_stride */
    int64_t q_stride, q_head_stride;
    float *out;                 /* [n_tokens][n_heads * v_dim] */
    int32_t n_heads;
    float scale, softcap;
    int32_t window, chunk;
    bool bidirectional;
    bool bf16;                  /* multiply in bf16 if the processor does */
    const float *sinks, *alibi;
} mn_attend;

/* Is a layer's arithmetic coarse enough already for bf16 attention not to show?  (Files in
 * F32 or F16 are run by those who want their digits.) */
static inline bool mn_attend_in_bf16(const mn_linear *l)
{
    return l->w.type != MN_F32 && l->w.type != MN_F16;
}

/* By pieces, ends with a barrier. */
void mn_attend_run(mn_run *r, const mn_attend *a, const mn_kv_layer *layer);
void mn_attend_needs(mn_needs *needs, int32_t k_dim, int32_t v_dim);

/* Causal convolution over time, one filter per channel: y[t, c] = sum over taps w of
 * x[t - (width-1) + w, c] * taps[w, c] (+ bias[c]), then silu if asked.  The state holds
 * the width-1 inputs before the run, oldest first; taps come with it.  By pieces, ends with
 * a barrier. */
enum { MN_MAX_TAPS = 16 };
typedef struct {
    const float *bias;
    int32_t width, channels;
    bool silu;
    const float *x;
    int64_t x_stride;
    float *y;                   /* [n_tokens][channels] */
} mn_conv;
void mn_conv_run(mn_run *r, const mn_conv *c, const mn_state_slot *state);

/* Store k and v of token t, head h, at its place in the cache. */
void mn_run_store_kv(const mn_run *r, const mn_kv_layer *layer, int32_t t, int32_t head,
                     const float *k, const float *v);

#endif
