/* Which of a repository's files to fetch: one quantisation of a GGUF model with all its
 * parts and its projector, or the files of a model directory; and which quantisation, if
 * the user names none.  Code (.py) and pickles (.bin, .pt, ...) are never among them. */
#ifndef MN_HUB_CHOICE_H
#define MN_HUB_CHOICE_H

#include "hub/quant_label.h"
#include "hub/repo.h"

/* What a model may take here. */
typedef struct {
    int64_t memory_bytes;       /* for weights, state and scratch; 0: unknown */
    double read_bytes_per_s;    /* 0: unknown */
} mn_machine;

typedef struct {
    char label[64];             /* "Q4_K_M"; the file's stem where names say nothing */
    int bits;
    bool directory;             /* safetensors with config.json, tokenizer, template */
    const mn_repo_file **files; /* [n_files] in the arena: weights first, then the rest */
    int64_t n_files;
    int64_t size_bytes;         /* of all files */
    int64_t weight_bytes;
    bool complete;              /* all parts of the split are there */
} mn_variant;

typedef struct {
    mn_variant *variants;       /* [n], largest first, the directory last */
    int64_t n;
    const mn_repo_file *projector;      /* NULL: none */
    int64_t n_pickles, n_code;  /* what was left out */
} mn_choice;

/* Sorts a repository's files into variants. */
minerva_status mn_choice_list(mn_choice *out, const mn_repo *repo, minerva_error *err);

/* `wanted`: a label ("Q4_K_M", "mlx", a file name), NULL or "": the best that fits.
 * why [size]: a sentence that says why this one.  Errors: NOT_FOUND (what there is is
 * listed), FULL (nothing fits; the smallest is named), UNSUPPORTED (pickles only). */
minerva_status mn_choice_pick(const mn_choice *c, const mn_repo *repo, const char *wanted,
                              const mn_machine *machine, const mn_variant **out, char *why,
                              size_t size, minerva_error *err);

/* Bytes that a model of that size is reckoned to need while it runs. */
int64_t mn_choice_need_bytes(int64_t weight_bytes);
/* Tokens per second that a model of that size and name is reckoned to give; 0: unknown. */
double mn_choice_speed(int64_t weight_bytes, const char *name, const mn_machine *machine);
/* Share of the weights that one token reads, from names like "30B-A3B"; 1 if unsaid. */
double mn_active_share(const char *name);

#endif
