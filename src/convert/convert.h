/* Conversion: a model on disk to the same model in the other form, or in other types.
 *
 *     source --reader--> plan --match slots--> outline of the target --> rows, vectors
 *
 * Both plans are made by the same arch_*.c: one over the files that are there, one as an
 * outline (model/outline.h) over the metadata that are about to be written.  Slot by slot
 * they say which row of which source tensor becomes which row of which target tensor, and
 * whether the target will be the same network.  What cannot be said in the target's form is
 * refused before anything is written, by name.
 *
 * (1) Nothing is held but small vectors and a few megabytes of rows in passing; consumed
 *     pages of the source are given back to the kernel.
 * (2) The target appears under its name only when it is whole (NAME.part until then).
 * (3) Rows whose formats say the same numbers are repacked exactly; others only when the
 *     caller asks for a type, and what that loses is measured. */
#ifndef MN_CONVERT_CONVERT_H
#define MN_CONVERT_CONVERT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/pool.h"
#include "base/status.h"
#include "format/tensor_writer.h"
#include "model/outline.h"
#include "model/plan.h"

/* Rows [to, to + n) of a target matrix. */
typedef struct {
    const mn_weight *from;
    int64_t to, n;
    int64_t row;                /* of `from`; or an index into `order` */
    const int32_t *order;       /* source row of each slot row, NULL: the row itself */
    int32_t to_expert, from_expert;     /* -1: each expert from the same one */
    bool transposed;            /* target row r is source column r, over `rows_in` rows */
    float scale;                /* 0: 1 */
    const float *row_scale;     /* by slot row */
    const int32_t *columns;     /* source column block of each target one; NULL: as they are */
    int32_t column_block;
} mn_piece;

/* Low-rank additions to a target's rows; see lora.c. */
typedef struct mn_lora_part mn_lora_part;

typedef struct {
    const mn_outline_tensor *want;
    mn_piece *pieces;
    int32_t n_pieces, capacity;
    float *values;              /* of a vector, as they will be written */
    int64_t n_values;           /* how many of them a slot has filled */
    mn_weight format;           /* type, bits, group, scale_type, cols of what is written */
    bool exact;                 /* no number changes */
    mn_lora_part *lora;
    double error, power;        /* sum of squares: of the change, of the source */
} mn_target;

typedef struct {
    minerva_convert_options options;
    mn_model_source *source;
    bool to_gguf;
    mn_plan *from, *to;
    mn_config_log log;
    mn_outline outline;
    bool rope_freqs, rope_factors;      /* the target has tables of them */
    mn_target *targets;         /* parallel to outline.tensors */
    mn_gguf *keys;              /* GGUF target: its metadata, over `key_bytes` */
    char *key_path;
    json_t *config;             /* directory target: its config.json */
    mn_tensor_writer *writer;
    mn_pool *pool;
    mn_arena arena;
    json_t *warnings;
    double total_error, total_power;
    uint64_t done_bytes, all_bytes;
    minerva_error *err;
    minerva_status status;
} mn_convert;

/* First failure wins, as in mn_build. */
__attribute__((format(printf, 3, 4)))
void mn_convert_fail(mn_convert *c, minerva_status code, const char *fmt, ...);
__attribute__((format(printf, 2, 3)))
void mn_convert_warn(mn_convert *c, const char *fmt, ...);
void *mn_convert_alloc(mn_convert *c, size_t n, size_t size_bytes);

/* ---- forms.c: which names a family uses ---------------------------------------------- */
int mn_form_choose(void *ctx, const mn_build *b, const char *names, bool needed);
/* What the target's general.architecture or model_type is; NULL: this form has none. */
const char *mn_form_arch(const mn_convert *c);
/* The spelling of a config.json field, out of "a b c". */
const char *mn_form_key(const mn_convert *c, const char *names, char out[128]);

/* ---- slots.c: from two plans to pieces ------------------------------------------------ */
void mn_slots_match(mn_convert *c);
/* Falcon-H1: its multipliers are in the weights of some forms, beside them in others. */
bool mn_folds_scales(const mn_convert *c);
/* compare.c: will it be the same network?  Fails, or warns of what a form cannot say. */
void mn_compare_plans(mn_convert *c);

/* ---- gguf_keys.c, hf_config.c: metadata ---------------------------------------------- */
/* Puts the target's keys; the vocabulary and file type are put by others. */
void mn_gguf_keys_put(mn_convert *c, mn_tensor_writer *w);
json_t *mn_hf_config_make(mn_convert *c);
/* ---- vocab_gguf.c, vocab_hf.c -------------------------------------------------------- */
void mn_vocab_put_gguf(mn_convert *c, mn_tensor_writer *w);
void mn_vocab_write_dir(mn_convert *c, const char *dir);

/* ---- types.c: what is written as what ------------------------------------------------ */
void mn_types_choose(mn_convert *c);
/* llama.cpp's number for the whole file (general.file_type). */
uint32_t mn_types_file_type(const mn_convert *c);

/* ---- repack.c ------------------------------------------------------------------------- */
/* The format that holds the numbers of w exactly in GGUF (or MLX); false: there is none.
 * mapped: w lies in a file, and pages that were looked at may be given back. */
bool mn_repack_find(const mn_weight *w, bool gguf, bool mapped, mn_weight *format);
/* One row, from a format to one that mn_repack_find() gave. */
void mn_repack_row(const mn_weight *from, int64_t expert, int64_t row, const mn_weight *format,
                   uint8_t *codes, uint8_t *scales, uint8_t *biases);

/* ---- rows.c: the stream of data ------------------------------------------------------ */
typedef enum { MN_PLANE_CODES, MN_PLANE_SCALES, MN_PLANE_BIASES } mn_plane;
/* Give back pages of a mapping that will not be read again soon; for nothing but files: what
 * lies in the plan's arena would be lost. */
void mn_forget(const uint8_t *data, size_t size);
bool mn_is_mapped(const mn_convert *c, const mn_weight *w);
size_t mn_plane_row_bytes(const mn_weight *format, mn_plane plane);
void mn_rows_write(mn_convert *c, mn_target *t, mn_plane plane);

/* ---- lora.c ---------------------------------------------------------------------------- */
/* Reads options.lora and attaches its pairs to the targets. */
void mn_lora_open(mn_convert *c);
/* x[cols] += scale * (B A)[row], row counted in the piece's source. */
void mn_lora_add(const mn_target *t, const mn_piece *p, int64_t row, float *x);

#endif
