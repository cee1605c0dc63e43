/* What is kept, found and dropped; see prefix_cache.h.
 *
 * Entries form two doubly linked lists in order of use, one of stops and one of the rest;
 * ghosts form a third, oldest first out.
 */
#include "runtime/prefix_cache.h"
#include "base/status.h"
#include "runtime/prefix_inside.h"

#include <stdlib.h>
#include <string.h>

enum { GHOST_TOKENS = 1 << 22 };    /* remembered of what was evicted, shared ones repeatedly */

const char *mn_prefix_loss_name(mn_prefix_loss loss)
{
    static const char *const names[] = { "none", "evicted", "state", "tenant", "slow",
                                         "disk" };
    return names[loss];
}

/* ---- order of use ------------------------------------------------------------------ */

static void unlink_use(mn_use_list *l, mn_prefix_node *e)
{
    if (e->newer) e->newer->older = e->older;
    else if (l->newest == e) l->newest = e->older;
    if (e->older) e->older->newer = e->newer;
    else if (l->oldest == e) l->oldest = e->newer;
    e->newer = e->older = NULL;
}

static void link_newest(mn_use_list *l, mn_prefix_node *e)
{
    e->newer = NULL;
    e->older = l->newest;
    if (l->newest) l->newest->newer = e;
    l->newest = e;
    if (!l->oldest) l->oldest = e;
}

static mn_use_list *list_of(mn_prefix_cache *c, const mn_prefix_node *e)
{
    return e->minor ? &c->stops : &c->entries;
}

/* A stop that was of use is as good as any entry. */
static void touch(mn_prefix_cache *c, mn_prefix_node *e)
{
    unlink_use(list_of(c, e), e);
    e->minor = false;
    link_newest(list_of(c, e), e);
}

/* ---- ghosts ------------------------------------------------------------------------ */

static void lay_ghost(mn_prefix_cache *c, mn_prefix_node *e)
{
    if (!e->ghost) return;
    unlink_use(&c->ghosts, e);
    e->ghost = false;
    c->ghost_tokens -= e->depth;
}

/* An evicted entry's node stays as a ghost; the oldest ghosts make room. */
static void make_ghost(mn_prefix_cache *c, mn_prefix_node *e)
{
    e->ghost = true;
    link_newest(&c->ghosts, e);
    c->ghost_tokens += e->depth;
    while (c->ghost_tokens > GHOST_TOKENS) {
        mn_prefix_node *old = c->ghosts.oldest;
        lay_ghost(c, old);
        mn_prefix_prune(old);
    }
}

/* ---- entries ----------------------------------------------------------------------- */

static void drop_logits(mn_prefix_cache *c, mn_prefix_node *e)
{
    if (!e->logits) return;
    free(e->logits);
    e->logits = NULL;
    c->stats.logits_bytes -= c->vocab_bytes;
}

void mn_prefix_set_dirty(mn_prefix_cache *c, mn_prefix_node *e, bool dirty)
{
    if (e->dirty == dirty) return;
    e->dirty = dirty;
    c->n_dirty += dirty ? 1 : -1;
}

/* Take the entry off a node; the node stays. */
static void drop_entry(mn_prefix_cache *c, mn_prefix_node *e)
{
    if (e->seq) {
        c->backend->seq_free(c->engine, e->seq);
        e->seq = NULL;
        unlink_use(list_of(c, e), e);
        mn_prefix_count_live(e, -1);
        mn_prefix_set_dirty(c, e, false);
        c->stats.n_entries--;
    }
    drop_logits(c, e);
}

minerva_status mn_prefix_cache_create(mn_prefix_cache **out, const mn_backend *backend,
                                      mn_engine *engine, int64_t max_entries,
                                      size_t max_logits_bytes, minerva_error *err)
{
    mn_prefix_cache *c = calloc(1, sizeof *c);
    if (!c) return mn_fail_memory(err, sizeof *c);
    c->backend = backend;
    c->engine = engine;
    c->vocab_bytes = (size_t)backend->vocab(engine) * sizeof(float);
    c->max_entries = max_entries;
    c->max_logits_bytes = max_logits_bytes;
    *out = c;
    return MINERVA_OK;
}

static void leave(void *ctx, mn_prefix_node *e)
{
    mn_prefix_cache *c = ctx;
    lay_ghost(c, e);
    drop_entry(c, e);
    if (e->stored) e->stored->owner = NULL;
}

void mn_prefix_cache_free(mn_prefix_cache *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->n_roots; i++) mn_prefix_free_all(c->roots[i].root, leave, c);
    mn_disk_tier_free(c->disk);
    free(c->roots);
    free(c);
}

mn_prefix_node *mn_prefix_root_of(const mn_prefix_cache *c, uint64_t tenant)
{
    for (size_t i = 0; i < c->n_roots; i++)
        if (c->roots[i].tenant == tenant) return c->roots[i].root;
    return NULL;
}

mn_prefix_node *mn_prefix_make_root(mn_prefix_cache *c, uint64_t tenant)
{
    mn_prefix_node *root = mn_prefix_root_of(c, tenant);
    if (root) return root;
    mn_tenant_root *roots = realloc(c->roots, (c->n_roots + 1) * sizeof *roots);
    if (!roots) return NULL;
    c->roots = roots;
    root = mn_prefix_root_create();
    if (root) roots[c->n_roots++] = (mn_tenant_root){ tenant, root };
    return root;
}

/* ---- finding ----------------------------------------------------------------------- */

/* An entry at `e` or below that holds, or can be cut back to, `n` tokens; all of them share
 * the tokens that lead here.  *budget: nodes that may still be looked at. */
static mn_prefix_node *entry_below(const mn_prefix_cache *c, mn_prefix_node *e, size_t n,
                                   int *budget)
{
    if (!e->n_live || --*budget < 0) return NULL;
    if (e->seq && (e->depth == n || c->backend->seq_can_trim(e->seq, (int32_t)n))) return e;
    for (size_t i = e->n_children; i-- > 0;) {
        mn_prefix_node *hit = entry_below(c, e->children[i], n, budget);
        if (hit) return hit;
    }
    return NULL;
}

/* The entry that gives most of the first `matched` tokens, and how many. */
static mn_prefix_node *best_entry(const mn_prefix_cache *c, mn_prefix_node *reached,
                                  size_t matched, size_t *usable)
{
    int budget = MN_PREFIX_SEARCH;
    mn_prefix_node *below = matched ? entry_below(c, reached, matched, &budget) : NULL;
    *usable = matched;
    if (below) return below;
    for (mn_prefix_node *e = reached; e; e = e->parent)
        if (e->seq && e->depth <= matched) {
            *usable = e->depth;
            return e;
        }
    *usable = 0;
    return NULL;
}

static mn_prefix_node *lookup(const mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                              size_t n, size_t *usable, size_t *matched)
{
    mn_prefix_node *root = mn_prefix_root_of(c, tenant);
    *usable = *matched = 0;
    if (!root || !n) return NULL;
    mn_prefix_node *reached = mn_prefix_walk(root, tokens, n, matched);
    if (*matched == n && reached->depth == n && reached->seq && reached->logits) {
        *usable = n;
        return reached;
    }
    if (*matched < n) return best_entry(c, reached, *matched, usable);
    /* All tokens, but no logits: one fewer, so that the last is evaluated. */
    reached = mn_prefix_walk(root, tokens, n - 1, matched);
    return best_entry(c, reached, *matched, usable);
}

size_t mn_prefix_cache_peek(const mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                            size_t n)
{
    size_t usable, matched;
    lookup(c, tenant, tokens, n, &usable, &matched);
    return usable;
}

/* Is there an entry at or below the place where `matched` tokens lead? */
static bool is_live(mn_prefix_node *root, const int32_t *tokens, size_t matched)
{
    size_t again;
    return matched && mn_prefix_walk(root, tokens, matched, &again)->n_live > 0;
}

/* How much of the prompt is known, and why it is not to be had. */
static void explain(const mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                    size_t matched, mn_prefix_hit *hit)
{
    hit->known = hit->found;
    if (matched > hit->found) {
        hit->known = matched;
        hit->loss = is_live(mn_prefix_root_of(c, tenant), tokens, matched) ? MN_LOSS_STATE
                                                                 : MN_LOSS_EVICTED;
    }
    for (size_t i = 0; i < c->n_roots; i++) {
        size_t theirs;
        if (c->roots[i].tenant == tenant) continue;
        mn_prefix_walk(c->roots[i].root, tokens, n, &theirs);
        if (theirs <= hit->known + 16) continue;        /* templates begin alike */
        hit->known = theirs;
        hit->loss = MN_LOSS_TENANT;
    }
}

minerva_status mn_prefix_cache_find(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                                    size_t n, double token_s, mn_prefix_hit *hit,
                                    minerva_error *err)
{
    size_t usable, matched;
    *hit = (mn_prefix_hit){ 0 };
    mn_prefix_node *e = lookup(c, tenant, tokens, n, &usable, &matched);
    if (e && usable) {
        minerva_status st = c->backend->seq_fork(c->engine, e->seq, &hit->seq, err);
        if (st == MINERVA_OK && usable < e->depth)
            st = c->backend->seq_trim(c->engine, hit->seq, (int32_t)usable, err);
        if (st != MINERVA_OK) {
            if (hit->seq) c->backend->seq_free(c->engine, hit->seq);
            hit->seq = NULL;
            return st;
        }
        touch(c, e);
        hit->found = usable;
        if (usable == n) hit->logits = e->logits;
        c->stats.hits++;
    }
    explain(c, tenant, tokens, n, matched, hit);
    if (c->disk && hit->found < n) mn_prefix_plan_restore(c, tenant, tokens, n, token_s, hit);
    c->stats.lookups++;
    c->stats.losses[hit->loss]++;
    c->stats.tokens_wanted += (int64_t)n;
    c->stats.tokens_found += (int64_t)usable;
    return MINERVA_OK;
}

/* ---- keeping and dropping ---------------------------------------------------------- */

static void keep_logits(mn_prefix_cache *c, mn_prefix_node *e, const float *logits)
{
    if (!logits || c->vocab_bytes > c->max_logits_bytes) return;
    for (mn_prefix_node *old = c->entries.oldest;
         old && c->stats.logits_bytes + c->vocab_bytes > c->max_logits_bytes; old = old->newer)
        if (old != e) drop_logits(c, old);
    if (!e->logits && (e->logits = malloc(c->vocab_bytes)))
        c->stats.logits_bytes += c->vocab_bytes;
    if (e->logits) memcpy(e->logits, logits, c->vocab_bytes);
}

/* Entries on the way down serve nothing that this one cannot, unless they hold logits. */
static void drop_served(mn_prefix_cache *c, mn_prefix_node *e)
{
    for (mn_prefix_node *up = e->parent; up; up = up->parent)
        if (up->seq && !up->logits && c->backend->seq_can_trim(e->seq, (int32_t)up->depth))
            drop_entry(c, up);
}

void mn_prefix_cache_insert(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                            mn_seq *seq, const float *logits, bool stop)
{
    mn_prefix_node *root = n ? mn_prefix_make_root(c, tenant) : NULL;
    mn_prefix_node *e = root ? mn_prefix_make(root, tokens, n) : NULL;
    if (!e) {
        c->backend->seq_free(c->engine, seq);
        return;
    }
    lay_ghost(c, e);
    if (e->seq) {
        c->backend->seq_free(c->engine, seq);       /* the same tokens: one is enough */
        unlink_use(list_of(c, e), e);
        e->minor = e->minor && stop;
    } else {
        e->seq = seq;
        e->minor = stop;
        mn_prefix_count_live(e, 1);
        c->stats.n_entries++;
    }
    link_newest(list_of(c, e), e);
    keep_logits(c, e, logits);
    if (c->disk) mn_prefix_set_dirty(c, e, true);
    drop_served(c, e);
    while (c->stats.n_entries > c->max_entries && mn_prefix_cache_evict(c)) ;
}

bool mn_prefix_cache_evict(mn_prefix_cache *c)
{
    mn_prefix_node *e = c->stops.oldest ? c->stops.oldest : c->entries.oldest;
    if (!e) return false;
    drop_entry(c, e);
    make_ghost(c, e);
    c->stats.evictions++;
    return true;
}

void mn_prefix_cache_stats(const mn_prefix_cache *c, mn_prefix_stats *out) { *out = c->stats; }
