/* Masks: kept ones, and how a new one is worked out.
 *
 * A mask belongs to the identity of a position (the hashes of its configurations), so that
 * every matcher of a constraint that comes by the same place finds it.  Masks are kept
 * least recently used out first, as many as the byte limit holds; one that a matcher has
 * handed out is pinned.
 */
#ifndef MN_CONSTRAIN_MASK_H
#define MN_CONSTRAIN_MASK_H

#include "constrain/pda.h"
#include "constrain/trie.h"

typedef struct {
    uint64_t key;
    uint32_t chain, newer, older;       /* slot + 1 */
    uint32_t pins;
    bool broken;                        /* working it out failed: not to be found */
    uint32_t *bits;
    mn_u32s narrow;                     /* of a string's inside: tokens that leave few ways
                                           to go on, each followed by how many */
} mn_mask_slot;

typedef struct {
    uint32_t end, off, n;               /* end of the siblings; configurations in the stack */
    uint32_t frames, words, seen;       /* of the automaton, to go back to */
    bool risky;
} mn_mask_level;

typedef struct {
    mn_cx *cx;
    size_t words;
    uint32_t most;                      /* slots within the limit */
    MN_VEC(mn_mask_slot) slots;
    mn_u32s heads;                      /* by key; slot + 1 */
    uint32_t newest, oldest;
    uint64_t hits, misses, evictions;
    size_t bytes;
    /* Room to work in, kept from mask to mask. */
    mn_cfgs stack;
    MN_VEC(mn_mask_level) levels;
    mn_u32s rows, reached, unsure, own, maybe, no;
} mn_mask_cache;

void mn_mask_cache_init(mn_mask_cache *k, mn_cx *cx, size_t words, size_t limit_bytes);
void mn_mask_cache_clear(mn_mask_cache *k);
/* Slot of the key, made the newest; UINT32_MAX: none. */
uint32_t mn_mask_cache_find(mn_mask_cache *k, uint64_t key);
/* A zeroed slot for the key, which must not be there. */
uint32_t mn_mask_cache_add(mn_mask_cache *k, uint64_t key);

/* Add to mask[] the tokens that the configurations allow (no end tokens). */
void mn_mask_compute(const mn_vocab_trie *t, mn_mask_cache *k, mn_pda *m, const mn_cfg *cfgs, uint32_t n,
                     uint32_t *mask);

#endif
