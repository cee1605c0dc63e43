/* An outline: the plan of a model that does not exist yet.
 *
 * A family's reader (arch_*.c) says which tensors a model is made of by asking for them.
 * In an outline nothing is looked up: whatever is asked for is written down, with its full
 * name and shape, and the plan that comes out points into that list.  So a converter learns
 * from the same eighteen files which tensors to write, in either form.
 *
 * (1) A matrix of an outline holds one mn_outline_row per row instead of weights (type
 *     MN_F32, row_bytes 8), so that every view of it (a slice, every second row, gathered
 *     rows) still tells which row of which tensor each of its rows is.  Experts share
 *     their rows: expert_bytes is 0.
 * (2) A vector holds ones; mn_outline_vector() tells which tensor a pointer lies in.
 * (3) What may be absent (biases, optional norms) is asked for as if it were there, and
 *     marked `optional`.
 *
 * The other half is the log of config fields: with one in mn_plan_input, each field that a
 * reader asks for is noted under both its spellings, with its value. */
#ifndef MN_MODEL_OUTLINE_H
#define MN_MODEL_OUTLINE_H

#include "model/build.h"

typedef struct {
    uint32_t tensor, row;
} mn_outline_row;

typedef struct {
    const char *name;           /* in full, in the plan's arena */
    int32_t layer;              /* -1: outside the layers */
    bool matrix, optional;
    unsigned flags;             /* of a vector: mn_vector_flags */
    int64_t n_experts;          /* 0: no stack */
    int64_t rows, cols;         /* a vector: rows elements, cols 1 */
    const float *vector;        /* where a vector lies in the plan */
} mn_outline_tensor;

struct mn_outline {
    const char *family;         /* overrides what the config says; NULL: it decides */
    const char *root, *top;     /* HF: before "layers." and "lm_head" */
    int32_t vocab;
    /* Which of "a|b" (short names of the form being outlined) there will be, -1: none.
     * needed: the tensor is required; what is asked is only its name. */
    int (*choose)(void *ctx, const mn_build *b, const char *names, bool needed);
    void *ctx;
    mn_outline_tensor *tensors; /* filled in; mn_outline_clear() frees */
    int32_t n_tensors, capacity;
};

typedef enum { MN_LOG_INT, MN_LOG_REAL, MN_LOG_BOOL, MN_LOG_WORD, MN_LOG_INTS, MN_LOG_REALS }
    mn_log_kind;

typedef struct {
    const char *gguf, *hf;      /* as asked for; either may be NULL */
    mn_log_kind kind;
    bool found;                 /* the file has it; else `value` is the fallback */
    int64_t integer;
    double real;
    const char *word;           /* in the plan's arena, like what follows */
    const int32_t *integers;
    const double *reals;
    int32_t n;
} mn_config_field;

struct mn_config_log {
    mn_config_field *fields;    /* filled in; mn_config_log_clear() frees */
    int32_t n, capacity;
};

/* A plan of `in` (metadata without tensors), and its tensors in *o. */
minerva_status mn_plan_outline(mn_plan **out, mn_outline *o, const mn_plan_input *in,
                               minerva_error *err);
void mn_outline_clear(mn_outline *o);
void mn_config_log_clear(mn_config_log *log);
/* The last note of that GGUF (or HF) spelling, NULL if nobody asked. */
const mn_config_field *mn_config_log_find(const mn_config_log *log, const char *gguf);

/* Which tensor a vector of the plan lies in, and where; NULL: none. */
const mn_outline_tensor *mn_outline_vector(const mn_outline *o, const float *p, int64_t *at);

/* ---- for bind.c and config.c --------------------------------------------------------- */

/* The index of the alternative that is there, or -1; a needed one is never -1. */
int mn_outline_choose(const mn_build *b, const char *gguf, const char *hf, bool needed);
/* Note a matrix and point *out at its rows. */
void mn_outline_matrix(mn_build *b, mn_weight *out, const char *name, int64_t experts,
                       int64_t rows, int64_t cols, bool optional);
const float *mn_outline_floats(mn_build *b, const char *name, int64_t experts, int64_t n,
                               bool optional, unsigned flags);
void mn_config_note(mn_build *b, const mn_config_field *field);

#endif
