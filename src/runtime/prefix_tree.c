/* Nodes and walks; see prefix_tree.h. */
#include "runtime/prefix_tree.h"

#include <stdlib.h>
#include <string.h>

static mn_prefix_node *node_create(mn_prefix_node *parent, const int32_t *edge, size_t n)
{
    mn_prefix_node *e = calloc(1, sizeof *e);
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

mn_prefix_node *mn_prefix_root_create(void) { return node_create(NULL, NULL, 0); }

static void node_free(mn_prefix_node *e)
{
    free(e->children);
    free(e->edge);
    free(e->logits);
    free(e);
}

static bool add_child(mn_prefix_node *parent, mn_prefix_node *child)
{
    if (parent->n_children == parent->capacity) {
        size_t capacity = parent->capacity ? 2 * parent->capacity : 2;
        mn_prefix_node **children = realloc(parent->children, capacity * sizeof *children);
        if (!children) return false;
        parent->children = children;
        parent->capacity = capacity;
    }
    parent->children[parent->n_children++] = child;
    child->parent = parent;
    return true;
}

static void replace_child(mn_prefix_node *parent, mn_prefix_node *old, mn_prefix_node *fresh)
{
    for (size_t i = 0; i < parent->n_children; i++)
        if (parent->children[i] == old) {
            if (fresh) parent->children[i] = fresh;
            else parent->children[i] = parent->children[--parent->n_children];
            return;
        }
}

static mn_prefix_node *child_for(const mn_prefix_node *e, int32_t token)
{
    for (size_t i = 0; i < e->n_children; i++)
        if (e->children[i]->edge[0] == token) return e->children[i];
    return NULL;
}

mn_prefix_node *mn_prefix_walk(mn_prefix_node *root, const int32_t *tokens, size_t n,
                               size_t *matched)
{
    mn_prefix_node *e = root;
    size_t at = 0;
    while (at < n) {
        mn_prefix_node *child = child_for(e, tokens[at]);
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

/* Split the edge to `e` so that a node of depth `depth` exists above it. */
static mn_prefix_node *split(mn_prefix_node *e, size_t depth)
{
    size_t keep = depth - e->parent->depth;
    mn_prefix_node *middle = node_create(e->parent, e->edge, keep);
    if (!middle) return NULL;
    mn_prefix_node *parent = e->parent;
    if (!add_child(middle, e)) {
        node_free(middle);
        return NULL;
    }
    middle->n_live = e->n_live;
    middle->n_stored = e->n_stored;
    replace_child(parent, e, middle);
    memmove(e->edge, e->edge + keep, (e->n_edge - keep) * sizeof *e->edge);
    e->n_edge -= keep;
    return middle;
}

mn_prefix_node *mn_prefix_make(mn_prefix_node *root, const int32_t *tokens, size_t n)
{
    size_t matched;
    mn_prefix_node *e = mn_prefix_walk(root, tokens, n, &matched);
    if (matched < e->depth && !(e = split(e, matched))) return NULL;
    if (matched == n) return e;
    mn_prefix_node *leaf = node_create(e, tokens + matched, n - matched);
    if (leaf && !add_child(e, leaf)) {
        node_free(leaf);
        leaf = NULL;
    }
    if (!leaf) mn_prefix_prune(e);
    return leaf;
}

void mn_prefix_prune(mn_prefix_node *e)
{
    while (e && e->parent && !e->seq && !e->stored && !e->ghost && e->n_children == 0) {
        mn_prefix_node *parent = e->parent;
        replace_child(parent, e, NULL);
        node_free(e);
        e = parent;
    }
}

void mn_prefix_count_live(mn_prefix_node *e, int32_t change)
{
    for (; e; e = e->parent) e->n_live += change;
}

void mn_prefix_count_stored(mn_prefix_node *e, int32_t change)
{
    for (; e; e = e->parent) e->n_stored += change;
}

void mn_prefix_tokens(const mn_prefix_node *e, int32_t *tokens)
{
    for (; e && e->parent; e = e->parent)
        memcpy(tokens + e->parent->depth, e->edge, e->n_edge * sizeof *tokens);
}

void mn_prefix_free_all(mn_prefix_node *root, void (*leave)(void *ctx, mn_prefix_node *e),
                        void *ctx)
{
    mn_prefix_node *e = root;
    while (e) {
        if (e->n_children) {
            e = e->children[--e->n_children];
            continue;
        }
        mn_prefix_node *up = e == root ? NULL : e->parent;
        leave(ctx, e);
        node_free(e);
        e = up;
    }
}
