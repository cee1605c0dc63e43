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
 * (6) With a disk tier (disk_tier.h) entries are written to files piece by piece when there
 *     is time, and found there after they were evicted or the process ended.  What the disk
 *     has is taken if reading it, as measured, is faster than computing it.
 */
#ifndef MN_RUNTIME_PREFIX_CACHE_H
#define MN_RUNTIME_PREFIX_CACHE_H

#include "backend/backend.h"
#include "runtime/disk_tier.h"

typedef struct mn_prefix_cache mn_prefix_cache;
typedef struct mn_restore mn_restore;

/* Why tokens that were computed once must be computed again. */
typedef enum {
    MN_LOSS_NONE,               /* nothing was lost: the rest of the prompt is new */
    MN_LOSS_EVICTED,            /* dropped for want of memory */
    MN_LOSS_STATE,              /* there, but its state cannot be cut back so far */
    MN_LOSS_TENANT,             /* another tenant's */
    MN_LOSS_SLOW,               /* on disk, but computing it is faster */
    MN_LOSS_DISK,               /* on disk, but the file was broken */
    MN_LOSSES
} mn_prefix_loss;
const char *mn_prefix_loss_name(mn_prefix_loss loss);

typedef struct {
    int64_t lookups, hits;              /* hits: at least one token was found */
    int64_t tokens_found, tokens_wanted;
    int64_t losses[MN_LOSSES];          /* lookups by reason */
    int64_t n_entries, evictions;
    int64_t tokens_restored;            /* read from disk */
    size_t logits_bytes;
} mn_prefix_stats;

typedef struct {
    mn_seq *seq;                /* a fork, the caller's; NULL: nothing was found */
    size_t found;               /* tokens in it */
    const float *logits;        /* after the last token, if all are found and they are
                                 * known; valid until the next call */
    size_t known;               /* tokens that the tree has seen, here or elsewhere */
    mn_prefix_loss loss;        /* if known > found: why */
    mn_restore *restore;        /* NULL, or how the sequence goes on from the disk; if seq is
                                 * NULL it begins with an empty one.  The caller's */
} mn_prefix_hit;

minerva_status mn_prefix_cache_create(mn_prefix_cache **out, const mn_backend *backend,
                                      mn_engine *engine, int64_t max_entries,
                                      size_t max_logits_bytes, minerva_error *err);
/* Frees every entry's sequence too. */
void mn_prefix_cache_free(mn_prefix_cache *c);

/* The longest usable beginning of tokens[0..n).  token_s: what computing one takes; 0: not
 * known.  Without logits at most n - 1 tokens are
 * given, since the last must be evaluated for its logits. */
minerva_status mn_prefix_cache_find(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                                    size_t n, double token_s, mn_prefix_hit *hit,
                                    minerva_error *err);
/* How many tokens find() would give; changes nothing. */
size_t mn_prefix_cache_peek(const mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                            size_t n);

/* Takes `seq`, which holds exactly tokens[0..n), in any case (it is freed if it cannot be
 * kept).  logits: [vocab] after the last token, copied; NULL: not known.  stop: a place in
 * the middle of a prompt. */
void mn_prefix_cache_insert(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                            mn_seq *seq, const float *logits, bool stop);

/* ---- the disk tier (prefix_disk.c) --------------------------------------------------- */

/* The cache keeps its files in a tier of these options (`lost` and its context are set
 * here), and takes in what is there.  IO: no tier; the cache goes on without. */
minerva_status mn_prefix_cache_use_disk(mn_prefix_cache *c, const mn_disk_options *options,
                                        minerva_error *err);
/* Write one piece of one entry; false: there is nothing to write, or no room now. */
bool mn_prefix_cache_save(mn_prefix_cache *c);
/* Take note of what the tier has done.  Returns whether anything waits to be saved. */
bool mn_prefix_cache_disk_turn(mn_prefix_cache *c);
bool mn_prefix_cache_disk_idle(const mn_prefix_cache *c);
void mn_prefix_cache_disk_stats(const mn_prefix_cache *c, mn_disk_stats *out);

typedef enum { MN_RESTORE_WAIT, MN_RESTORE_MORE, MN_RESTORE_FULL, MN_RESTORE_DONE }
    mn_restore_state;
/* Go on with a sequence that is to hold tokens[0..n).  WAIT: the disk is not ready; MORE: a
 * piece was taken; FULL: no memory, try again or stop; DONE: the sequence holds what there
 * was.  Never more than was found, or 0 tokens in a sequence that must be replaced. */
mn_restore_state mn_restore_step(mn_restore *r, mn_seq *seq, const int32_t *tokens, size_t n);
/* After DONE: the logits after all of the tokens, or NULL; the restore's memory. */
const float *mn_restore_logits(const mn_restore *r);
void mn_restore_free(mn_restore *r);

/* Frees the least valuable entry; false if there is none. */
bool mn_prefix_cache_evict(mn_prefix_cache *c);
void mn_prefix_cache_stats(const mn_prefix_cache *c, mn_prefix_stats *out);

#endif
