/* Radix tree over cached sequences; see prefix_cache.h.
 *
 * Each node has the tokens of the edge that leads to it.  Children of a node begin with
 * different tokens and are kept in a short unordered list: conversations branch rarely, and
 * the root's many children are spread over tenants, each with a root of its own.
 * Entries form a doubly linked list in order of use.
 */
#include "runtime/prefix_cache.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

typedef struct node node;
struct node {
    node *parent;
    node **children;
    size_t n_children, capacity;
    int32_t *edge;              /* [n_edge]; empty at a root */
    size_t n_edge;
    size_t depth;               /* tokens from the root to here, this edge included */
    mn_seq *seq;                /* NULL: no entry here */
    float *logits;
    node *newer, *older;        /* order of use, entries only */
};

typedef struct {
    uint64_t tenant;
    node *root;
} tenant_root;

struct mn_prefix_cache {
    const mn_backend *backend;
    mn_engine *engine;
    size_t vocab_bytes, max_logits_bytes;
    int64_t max_entries;
    tenant_root *roots;
    size_t n_roots;
    node *newest, *oldest;
    mn_prefix_stats stats;
};

/* ---- order of use ------------------------------------------------------------------ */

static void unlink_use(mn_prefix_cache *c, node *e)
{
    if (e->newer) e->newer->older = e->older;
    else if (c->newest == e) c->newest = e->older;
    if (e->older) e->older->newer = e->newer;
    else if (c->oldest == e) c->oldest = e->newer;
    e->newer = e->older = NULL;
}

static void touch(mn_prefix_cache *c, node *e)
{
    unlink_use(c, e);
    e->older = c->newest;
    if (c->newest) c->newest->newer = e;
    c->newest = e;
    if (!c->oldest) c->oldest = e;
}

/* ---- nodes ------------------------------------------------------------------------- */

static node *node_create(node *parent, const int32_t *edge, size_t n)
{
    node *e = calloc(1, sizeof *e);
    int32_t *copy = malloc((n + 1) * sizeof *copy);
    if (!e || !copy) {
        free(e);
        free(copy);
        return NULL;
    }
    if (n) memcpy(copy, edge, n * sizeof *copy);
    e->edge = copy;
    e->n_edge = n;
    e->parent = parent;
    e->depth = (parent ? parent->depth : 0) + n;
    return e;
}

static bool add_child(node *parent, node *child)
{
    if (parent->n_children == parent->capacity) {
        size_t capacity = parent->capacity ? 2 * parent->capacity : 2;
        node **children = realloc(parent->children, capacity * sizeof *children);
        if (!children) return false;
        parent->children = children;
        parent->capacity = capacity;
    }
    parent->children[parent->n_children++] = child;
    child->parent = parent;
    return true;
}

static void replace_child(node *parent, node *old, node *fresh)
{
    for (size_t i = 0; i < parent->n_children; i++)
        if (parent->children[i] == old) {
            if (fresh) parent->children[i] = fresh;
            else parent->children[i] = parent->children[--parent->n_children];
            return;
        }
}

static void node_free(node *e)
{
    free(e->children);
    free(e->edge);
    free(e->logits);
    free(e);
}

/* Take the entry off a node; the node stays. */
static void drop_entry(mn_prefix_cache *c, node *e)
{
    if (e->seq) {
        c->backend->seq_free(c->engine, e->seq);
        e->seq = NULL;
        unlink_use(c, e);
        c->stats.n_entries--;
    }
    if (e->logits) {
        free(e->logits);
        e->logits = NULL;
        c->stats.logits_bytes -= c->vocab_bytes;
    }
}

/* Remove nodes that lead nowhere, from `e` upwards; roots stay. */
static void prune(node *e)
{
    while (e && e->parent && !e->seq && e->n_children == 0) {
        node *parent = e->parent;
        replace_child(parent, e, NULL);
        node_free(e);
        e = parent;
    }
}

static void free_tree(mn_prefix_cache *c, node *root)
{
    node *e = root;
    while (e) {
        if (e->n_children) {
            e = e->children[--e->n_children];
            continue;
        }
        node *up = e == root ? NULL : e->parent;
        drop_entry(c, e);
        node_free(e);
        e = up;
    }
}

/* ---- the cache --------------------------------------------------------------------- */

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

void mn_prefix_cache_free(mn_prefix_cache *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->n_roots; i++) free_tree(c, c->roots[i].root);
    free(c->roots);
    free(c);
}

static node *root_of(const mn_prefix_cache *c, uint64_t tenant)
{
    for (size_t i = 0; i < c->n_roots; i++)
        if (c->roots[i].tenant == tenant) return c->roots[i].root;
    return NULL;
}

static node *make_root(mn_prefix_cache *c, uint64_t tenant)
{
    node *root = root_of(c, tenant);
    if (root) return root;
    tenant_root *roots = realloc(c->roots, (c->n_roots + 1) * sizeof *roots);
    if (!roots) return NULL;
    c->roots = roots;
    root = node_create(NULL, NULL, 0);
    if (root) roots[c->n_roots++] = (tenant_root){ tenant, root };
    return root;
}

static node *child_for(const node *e, int32_t token)
{
    for (size_t i = 0; i < e->n_children; i++)
        if (e->children[i]->edge[0] == token) return e->children[i];
    return NULL;
}

/* Follow tokens[0..n) down.  Returns the node reached or, if the walk ended inside an
 * edge, the node at the end of that edge; *matched: tokens that agree. */
static node *walk(node *root, const int32_t *tokens, size_t n, size_t *matched)
{
    node *e = root;
    size_t at = 0;
    while (at < n) {
        node *child = child_for(e, tokens[at]);
        if (!child) break;
        size_t k = 0;
        while (k < child->n_edge && at + k < n && child->edge[k] == tokens[at + k]) k++;
        at += k;
        e = child;
        if (k < child->n_edge) break;
    }
    *matched = at;
    return e;
}

/* Any entry at `e` or below; every one of them shares the tokens that lead here. */
static node *entry_below(node *e)
{
    while (e && !e->seq) e = e->n_children ? e->children[e->n_children - 1] : NULL;
    return e;
}

/* The entry that gives most of the first `matched` tokens, and how many. */
static node *best_entry(const mn_prefix_cache *c, node *reached, size_t matched, size_t *usable)
{
    node *below = matched ? entry_below(reached) : NULL;
    if (below && (below->depth == matched
                  || c->backend->seq_can_trim(below->seq, (int32_t)matched))) {
        *usable = matched;
        return below;
    }
    for (node *e = reached; e; e = e->parent)
        if (e->seq && e->depth <= matched) {
            *usable = e->depth;
            return e;
        }
    *usable = 0;
    return NULL;
}

static node *lookup(const mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                    size_t *usable)
{
    size_t matched;
    node *root = root_of(c, tenant);
    *usable = 0;
    if (!root || !n) return NULL;
    node *reached = walk(root, tokens, n, &matched);
    node *e = best_entry(c, reached, matched, usable);
    if (!e || *usable < n || (e->depth == n && e->logits)) return e;
    /* All tokens, but no logits: one fewer, so that the last is evaluated. */
    reached = walk(root, tokens, n - 1, &matched);
    return best_entry(c, reached, matched, usable);
}

size_t mn_prefix_cache_peek(const mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                            size_t n)
{
    size_t usable;
    lookup(c, tenant, tokens, n, &usable);
    return usable;
}

minerva_status mn_prefix_cache_find(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens,
                                    size_t n, mn_seq **seq, size_t *found,
                                    const float **logits, minerva_error *err)
{
    size_t usable;
    *seq = NULL;
    *found = 0;
    *logits = NULL;
    node *e = lookup(c, tenant, tokens, n, &usable);
    c->stats.lookups++;
    c->stats.tokens_wanted += (int64_t)n;
    if (!e || !usable) return MINERVA_OK;
    minerva_status st = c->backend->seq_fork(c->engine, e->seq, seq, err);
    if (st != MINERVA_OK) return st;
    if (usable < e->depth) {
        st = c->backend->seq_trim(c->engine, *seq, (int32_t)usable, err);
        if (st != MINERVA_OK) {
            c->backend->seq_free(c->engine, *seq);
            *seq = NULL;
            return st;
        }
    }
    touch(c, e);
    *found = usable;
    if (usable == n) *logits = e->logits;
    c->stats.hits++;
    c->stats.tokens_found += (int64_t)usable;
    return MINERVA_OK;
}

/* Split the edge to `e` so that a node of depth `depth` exists above it. */
static node *split(node *e, size_t depth)
{
    size_t keep = depth - e->parent->depth;
    node *middle = node_create(e->parent, e->edge, keep);
    if (!middle || !add_child(middle, e)) {
        if (middle) node_free(middle);
        return NULL;
    }
    replace_child(middle->parent, e, middle);
    memmove(e->edge, e->edge + keep, (e->n_edge - keep) * sizeof *e->edge);
    e->n_edge -= keep;
    return middle;
}

/* The node for exactly tokens[0..n), made if need be. */
static node *make_node(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n)
{
    node *root = make_root(c, tenant);
    size_t matched;
    if (!root) return NULL;
    node *e = walk(root, tokens, n, &matched);
    if (matched < e->depth && !(e = split(e, matched))) return NULL;
    if (matched == n) return e;
    node *leaf = node_create(e, tokens + matched, n - matched);
    if (leaf && !add_child(e, leaf)) {
        node_free(leaf);
        leaf = NULL;
    }
    if (!leaf) prune(e);
    return leaf;
}

static void keep_logits(mn_prefix_cache *c, node *e, const float *logits)
{
    if (!logits || c->vocab_bytes > c->max_logits_bytes) return;
    for (node *old = c->oldest; old && c->stats.logits_bytes + c->vocab_bytes
                                       > c->max_logits_bytes; old = old->newer) {
        if (!old->logits || old == e) continue;
        free(old->logits);
        old->logits = NULL;
        c->stats.logits_bytes -= c->vocab_bytes;
    }
    if (!e->logits && (e->logits = malloc(c->vocab_bytes)))
        c->stats.logits_bytes += c->vocab_bytes;
    if (e->logits) memcpy(e->logits, logits, c->vocab_bytes);
}

void mn_prefix_cache_insert(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                            mn_seq *seq, const float *logits)
{
    node *e = n ? make_node(c, tenant, tokens, n) : NULL;
    if (!e) {
        c->backend->seq_free(c->engine, seq);
        return;
    }
    if (e->seq) {
        c->backend->seq_free(c->engine, seq);       /* the same tokens: one is enough */
    } else {
        e->seq = seq;
        c->stats.n_entries++;
    }
    touch(c, e);
    keep_logits(c, e, logits);
    /* Entries on the way down serve nothing that this one cannot, unless they hold logits. */
    for (node *up = e->parent; up;) {
        node *next = up->parent;
        if (up->seq && !up->logits && c->backend->seq_can_trim(e->seq, (int32_t)up->depth))
            drop_entry(c, up);
        up = next;
    }
    while (c->stats.n_entries > c->max_entries && c->oldest != e) mn_prefix_cache_evict(c);
}

bool mn_prefix_cache_evict(mn_prefix_cache *c)
{
    node *e = c->oldest;
    if (!e) return false;
    drop_entry(c, e);
    prune(e);
    c->stats.evictions++;
    return true;
}

void mn_prefix_cache_stats(const mn_prefix_cache *c, mn_prefix_stats *out) { *out = c->stats; }
