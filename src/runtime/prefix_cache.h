/* Prefix cache: sequences that were computed once, found again by their tokens.
 *
 * A radix tree per engine, keyed by tenant and token ids.  An entry owns a sequence of the
 * engine (its pages are shared copy-on-write with whoever forked it) and may hold the
 * logits after its last token, so that an exact repeat computes nothing.
 *
 * (1) Tenants never see each other's entries.
 * (2) Only the thread that owns the engine calls in here.
 * (3) Where sequences can be cut back anywhere, an entry serves every prefix of itself, so
 *     entries that became a prefix of a newer one are dropped.  Where they cannot
 *     (recurrent layers, full windows), entries serve at their own length only and stay.
 * (4) Eviction takes the least recently used entry.  Memory is bounded by the engine's own
 *     limit (it says MINERVA_FULL, the scheduler evicts) and by n_entries here.
 */
#ifndef MN_RUNTIME_PREFIX_CACHE_H
#define MN_RUNTIME_PREFIX_CACHE_H

#include "backend/backend.h"

typedef struct mn_prefix_cache mn_prefix_cache;

typedef struct {
    int64_t lookups, hits;              /* hits: at least one token was found */
    int64_t tokens_found, tokens_wanted;
    int64_t n_entries, evictions;
    size_t logits_bytes;
} mn_prefix_stats;

minerva_status mn_prefix_cache_create(mn_prefix_cache **out, const mn_backend *backend,
                                      mn_engine *engine, int64_t max_entries,
                                      size_t max_logits_bytes, minerva_error *err);
/* Frees every entry's sequence too. */
void mn_prefix_cache_free(mn_prefix_cache *c);

/* The longest usable beginning of tokens[0..n) as a sequence of the caller's own (a fork),
 * *found long; *found 0 and *seq NULL if there is none.  If all n tokens are there and
 * their logits are known, *logits points to them until the next call; otherwise at most
 * n - 1 tokens are given, since the last must be evaluated for its logits. */
minerva_status mn_prefix_cache_find(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                                    size_t n, mn_seq **seq, size_t *found,
                                    const float **logits, minerva_error *err);
/* How many tokens find() would give; changes nothing. */
size_t mn_prefix_cache_peek(const mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                            size_t n);

/* Takes `seq`, which holds exactly tokens[0..n), in any case (it is freed if it cannot be
 * kept).  logits: [vocab] after the last token, copied; NULL: not known. */
void mn_prefix_cache_insert(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                            mn_seq *seq, const float *logits);

/* Frees the least recently used entry; false if there is none. */
bool mn_prefix_cache_evict(mn_prefix_cache *c);
void mn_prefix_cache_stats(const mn_prefix_cache *c, mn_prefix_stats *out);

#endif
