/* What the files of the runtime share: the inside of a model and of a session.
 *
 * (1) A model is constant after minerva_model_open() but for its engine and sequences,
 *     which only the holder of `engine_lock` touches.
 * (2) The source outlives everything that points into the mapped files: tokenizer
 *     strings, templates' text, the engine's weights.
 * (3) A model without a usable tokenizer or template still opens (`logits` needs neither);
 *     the reason is kept and returned by the functions that would need it.
 */
#ifndef MN_RUNTIME_RUNTIME_H
#define MN_RUNTIME_RUNTIME_H

#include "backend/backend.h"
#include "base/arena.h"
#include "constrain/constraint.h"
#include "format/source.h"
#include "minerva.h"
#include "text/template.h"
#include "text/tokenizer.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MN_MAX_TEMPLATES = 8, MN_MAX_ENDS = 32 };

typedef struct {
    const char *name;           /* "default", "tool_use", "rag" */
    const char *source;
    size_t source_len;
    mn_template *parsed;        /* NULL: broken, and why says how */
    minerva_error why;
} mn_named_template;

struct minerva_model {
    mn_model_source *source;    /* NULL: opened from a bare tokenizer file */
    mn_arena arena;             /* strings read from the source */
    mn_log log;
    mn_tokenizer *tokenizer;
    minerva_error no_tokenizer;
    mn_named_template templates[MN_MAX_TEMPLATES];
    int n_templates;
    int32_t ends[MN_MAX_ENDS];
    int n_ends;
    minerva_pooling pooling;
    const mn_backend *backend;
    mn_engine *engine;          /* NULL unless opened to run */
    int32_t max_batch;
    uint64_t engine_key;        /* hash of the options that change what the engine computes */
    pthread_mutex_t engine_lock;
    pthread_mutex_t trie_lock;  /* for making `trie` once, when a constraint first needs it */
    mn_vocab_trie *trie;
    minerva_open_mode mode;
};

struct minerva_session {
    minerva_model *model;
    mn_constraint_cache *constraints;   /* NULL until one is used */
    mn_seq *seq;
    mn_ids tokens;
    atomic_bool cancel;
};

/* The tokenizer of a source, whichever kind it is (vocab.c). */
minerva_status mn_runtime_load_tokenizer(mn_tokenizer **out, mn_model_source *source,
                                         minerva_error *err);
minerva_status mn_runtime_tokenizer_file(mn_tokenizer **out, const char *path,
                                         minerva_error *err);
/* Fills templates[] and n_templates (chat.c). */
minerva_status mn_runtime_load_templates(minerva_model *model, minerva_error *err);
/* Fills ends[] and n_ends (ends.c). */
minerva_status mn_runtime_load_ends(minerva_model *model, minerva_error *err);
/* Sets `pooling`, which the files say (describe.c). */
void mn_runtime_load_pooling(minerva_model *model);

/* The template for a request: the one of that name, or (name NULL) the best there is: with
 * tools "tool_use", else "default".  NULL: there is none. */
const mn_named_template *mn_runtime_template(const minerva_model *model, const char *name,
                                             bool tools);

/* A matcher in its first state.  *cache is made if it is NULL; a cache and its matchers
 * belong to one thread (enforce.c). */
minerva_status mn_runtime_matcher(mn_matcher **out, minerva_model *model,
                                  mn_constraint_cache **cache,
                                  const minerva_constraint *constraint, minerva_error *err);

/* What a stored state must agree on: the weights (all tensors' names and shapes, samples of
 * their bytes), the file's time, and how the engine computes (model_identity.c). */
uint64_t mn_model_identity(const minerva_model *model);
uint64_t mn_engine_key(const char *backend, const mn_load_options *options);
/* A JSON object for people: {"path", "name"}. */
void mn_model_info(const minerva_model *model, mn_buffer *out);

/* MINERVA_OK, or the reason why this model cannot do it. */
minerva_status mn_runtime_need_engine(const minerva_model *model, minerva_error *err);
minerva_status mn_runtime_need_tokenizer(const minerva_model *model, minerva_error *err);

/* Append tokens to a session in chunks of max_batch.  Exactly one of the outputs may be
 * wanted: `last` [vocab], `all` [n, vocab], `hidden` [n, hidden]. */
minerva_status mn_runtime_eval(minerva_session *session, const int32_t *tokens, size_t n,
                               float *last, float *all, float *hidden, minerva_error *err);

#endif
