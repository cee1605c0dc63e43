/* The radix tree of the prefix cache: nodes and walks, no policy.
 *
 * A node stands for a token sequence: the edges from the root to it.  What was computed for
 * that sequence may be in memory (`seq`: an entry), on disk (`stored`), or gone (`ghost`:
 * kept a while to be able to say why a prompt must be computed again).  A node that is none
 * of these and leads nowhere is pruned.
 *
 * Children of a node begin with different tokens and are kept in a short unordered list:
 * conversations branch rarely, and the root's many children are spread over tenants, each
 * with a root of its own.
 */
#ifndef MN_RUNTIME_PREFIX_TREE_H
#define MN_RUNTIME_PREFIX_TREE_H

#include "backend/backend.h"

typedef struct mn_prefix_node mn_prefix_node;
struct mn_prefix_node {
    mn_prefix_node *parent;
    mn_prefix_node **children;
    size_t n_children, capacity;
    int32_t *edge;              /* [n_edge]; empty at a root */
    size_t n_edge;
    size_t depth;               /* tokens from the root to here, this edge included */
    mn_seq *seq;                /* NULL: nothing in memory */
    float *logits;              /* after the last token; NULL: not known */
    bool minor;                 /* a stop in the middle of a prompt: first to go */
    bool dirty;                 /* not on disk yet */
    bool ghost;
    struct mn_disk_file *stored;        /* NULL: not on disk */
    int32_t n_live, n_stored;   /* entries and files at this node and below */
    mn_prefix_node *newer, *older;      /* order of use of entries; of ghosts */
};

/* NULL: no memory. */
mn_prefix_node *mn_prefix_root_create(void);
/* Follow tokens[0..n) down.  Returns the node reached or, if the walk ended inside an edge,
 * the node at the end of that edge; *matched: tokens that agree. */
mn_prefix_node *mn_prefix_walk(mn_prefix_node *root, const int32_t *tokens, size_t n,
                               size_t *matched);
/* The node for exactly tokens[0..n), made if need be; NULL: no memory. */
mn_prefix_node *mn_prefix_make(mn_prefix_node *root, const int32_t *tokens, size_t n);
/* Remove nodes that lead nowhere, from `e` upwards; roots stay. */
void mn_prefix_prune(mn_prefix_node *e);
/* An entry (or a file) came to a node or left it: +1, -1. */
void mn_prefix_count_live(mn_prefix_node *e, int32_t change);
void mn_prefix_count_stored(mn_prefix_node *e, int32_t change);
/* The tokens of a node, [depth]; the caller's memory. */
void mn_prefix_tokens(const mn_prefix_node *e, int32_t *tokens);
/* Frees a node and everything below, calling `leave` for each before. */
void mn_prefix_free_all(mn_prefix_node *root, void (*leave)(void *ctx, mn_prefix_node *e),
                        void *ctx);

#endif
