/* What prefix_cache.c (memory) and prefix_disk.c (disk) share; nobody else looks in here. */
#ifndef MN_RUNTIME_PREFIX_INSIDE_H
#define MN_RUNTIME_PREFIX_INSIDE_H

#include "runtime/disk_tier.h"
#include "runtime/prefix_cache.h"
#include "runtime/prefix_tree.h"

enum {
    MN_PREFIX_SEARCH = 256,     /* nodes looked at for one that can be cut back */
    MN_WORTH_DISK = 32          /* tokens: fewer are neither written nor read */
};

typedef struct {
    mn_prefix_node *newest, *oldest;
} mn_use_list;

typedef struct {
    uint64_t tenant;
    mn_prefix_node *root;
} mn_tenant_root;

struct mn_prefix_cache {
    const mn_backend *backend;
    mn_engine *engine;
    size_t vocab_bytes, max_logits_bytes;
    int64_t max_entries;
    mn_tenant_root *roots;
    size_t n_roots;
    mn_use_list entries, stops, ghosts;
    size_t ghost_tokens;
    int64_t n_dirty;            /* entries that are not on disk */
    mn_disk_tier *disk;         /* NULL: memory only */
    mn_prefix_stats stats;
};

mn_prefix_node *mn_prefix_root_of(const mn_prefix_cache *c, uint64_t tenant);
/* The same, made if need be; NULL: no memory. */
mn_prefix_node *mn_prefix_make_root(mn_prefix_cache *c, uint64_t tenant);
void mn_prefix_set_dirty(mn_prefix_cache *c, mn_prefix_node *e, bool dirty);

/* What the disk has of tokens[0..n) beyond hit->found, if it is worth its time.  Sets
 * hit->restore and what goes with it; hit->seq is cut back or given up where the files begin
 * before its end. */
void mn_prefix_plan_restore(mn_prefix_cache *c, uint64_t tenant, const int32_t *tokens, size_t n,
                            double token_s, mn_prefix_hit *hit);

#endif
