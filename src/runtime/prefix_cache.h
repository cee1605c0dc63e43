/* Prefix cache: sequences that were computed once, found again by their tokens.
 *
 * A radix tree per tenant over token ids (prefix_tree.h).  An entry owns a sequence of the
 * engine (its pages are shared copy-on-write with whoever forked it) and may hold the
 * logits after its last token, so that an exact repeat computes nothing.
 *
 * (1) Tenants never see each other's entries.
 * (2) Only the thread that owns the engine calls in here.
 * (3) Where sequences can be cut back, an entry serves every prefix of itself, so entries
 *     that became a prefix of a newer one are dropped.  Where they cannot (recurrent layers,
 *     full windows), entries serve at their own length only and stay; the scheduler leaves
 *     further ones, "stops", on its way through a prompt.
 * (4) Eviction takes the least recently used stop, then the least recently used entry.
 *     Memory is bounded by the engine's own limit (it says MINERVA_FULL, the scheduler
 *     evicts), by the number of entries and by the bytes of logits.
 * (5) What was evicted is remembered for a while by its tokens alone, so that a miss has a
 *     reason.
 */
#ifndef MN_RUNTIME_PREFIX_CACHE_H
#define MN_RUNTIME_PREFIX_CACHE_H

#include "backend/backend.h"

typedef struct mn_prefix_cache mn_prefix_cache;

/* Why tokens that were computed once must be computed again. */
typedef enum {
    MN_LOSS_NONE,               /* nothing was lost: the rest of the prompt is new */
    MN_LOSS_EVICTED,            /* dropped for want of memory */
    MN_LOSS_STATE,              /* there, but its state cannot be cut back so far */
    MN_LOSS_TENANT,             /* another tenant's */
    MN_LOSSES
} mn_prefix_loss;
const char *mn_prefix_loss_name(mn_prefix_loss loss);

typedef struct {
    int64_t lookups, hits;              /* hits: at least one token was found */
    int64_t tokens_found, tokens_wanted;
    int64_t losses[MN_LOSSES];          /* lookups by reason */
    int64_t n_entries, evictions;
    size_t logits_bytes;
} mn_prefix_stats;

typedef struct {
    mn_seq *seq;                /* a fork, the caller's; NULL: nothing was found */
    size_t found;               /* tokens in it */
    const float *logits;        /* after the last token, if all are found and they are
                                 * known; valid until the next call */
    size_t known;               /* tokens that the tree has seen, here or elsewhere */
    mn_prefix_loss loss;        /* if known > found: why */
} mn_prefix_hit;

minerva_status mn_prefix_cache_create(mn_prefix_cache **out, const mn_backend *backend,
                                      mn_engine *engine, int64_t max_entries,
                                      size_t max_logits_bytes, minerva_error *err);
/* Frees every entry's sequence too. */
void mn_prefix_cache_free(mn_prefix_cache *c);

/* The longest usable beginning of tokens[0..n).  Without logits at most n - 1 tokens are
 * given, since the last must be evaluated for its logits. */
minerva_status mn_prefix_cache_find(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                                    size_t n, mn_prefix_hit *hit, minerva_error *err);
/* How many tokens find() would give; changes nothing. */
size_t mn_prefix_cache_peek(const mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                            size_t n);

/* Takes `seq`, which holds exactly tokens[0..n), in any case (it is freed if it cannot be
 * kept).  logits: [vocab] after the last token, copied; NULL: not known.  stop: a place in
 * the middle of a prompt. */
void mn_prefix_cache_insert(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                            mn_seq *seq, const float *logits, bool stop);

/* Frees the least valuable entry; false if there is none. */
bool mn_prefix_cache_evict(mn_prefix_cache *c);
void mn_prefix_cache_stats(const mn_prefix_cache *c, mn_prefix_stats *out);

#endif
