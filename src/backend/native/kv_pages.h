/* Paged KV cache: where keys and values lie, and who owns the pages.
 *
 * A page holds MN_KV_PAGE consecutive positions of one sequence for every layer of one
 * group.  Layers that forget alike (same window, same chunk) form a group, because only
 * then can their pages be given back together.  Recurrent state lives in pages of a class
 * of its own, one page per sequence.
 *
 *   page of a group:   [layer][kv head] { K block | V block }, each block 64-byte aligned
 *   K block, f16/f32:  [k_dim][32 positions]      (transposed: 32 scores need no
 *   V block, f16/f32:  [32 positions][v_dim]       horizontal sums)
 *   K block, q8_0:     int8 [k_dim][32], then f16 scales [k_dim / 32][32]
 *   V block, q8_0:     int8 [32][v_dim], then f16 scales [32][v_dim / 32]
 *
 * (1) A page with refs > 1 is read-only; who must write to it takes a copy first.
 * (2) Only the worker thread acquires, releases and changes page tables; compute threads
 *     see fixed tables for the length of a forward pass.
 * (3) Positions of a page at or beyond its sequence's length hold finite garbage.
 * (4) A latent cache (MLA) has one head whose V is the first v_dim rows of K: v_from_k.
 */
#ifndef MN_BACKEND_NATIVE_KV_PAGES_H
#define MN_BACKEND_NATIVE_KV_PAGES_H

#include "backend/backend.h"
#include "backend/native/cpu/ops.h"
#include "base/arena.h"

enum {
    MN_KV_PAGE = MN_TILE,       /* positions */
    MN_KV_SLACK = 64,           /* positions kept behind a window, so that a short trim works */
    MN_KV_GROUPS = 8            /* groups at most; further kinds of layers share the last */
};

typedef struct mn_page {
    int32_t refs;
    int32_t class_index;
    struct mn_page *next_free;
    _Alignas(64) uint8_t data[];
} mn_page;

typedef struct {
    size_t size_bytes;          /* of data */
    mn_page *free;
    int32_t n_free;
} mn_page_class;

/* Live pages count against the limit; a few free ones are kept for the next caller. */
typedef struct {
    mn_page_class classes[MN_KV_GROUPS + 1];
    int32_t n_classes;
    size_t used_bytes, limit_bytes;
} mn_page_pool;

int32_t mn_page_pool_add(mn_page_pool *p, size_t size_bytes);  /* the new class */
void mn_page_pool_clear(mn_page_pool *p);                       /* all pages released before */
/* refs = 1, contents finite but unspecified (zero when fresh).  MINERVA_FULL at the limit. */
minerva_status mn_page_acquire(mn_page_pool *p, int32_t class_index, mn_page **out,
                               minerva_error *err);
mn_page *mn_page_retain(mn_page *page);
void mn_page_release(mn_page_pool *p, mn_page *page);           /* NULL-safe */

/* A layer's place in the pages of its group. */
typedef struct {
    int32_t group;              /* -1: this layer caches nothing of its own */
    int32_t n_heads, k_dim, v_dim;
    bool v_from_k;
    size_t offset;              /* of head 0 */
    size_t k_bytes, head_bytes;
} mn_kv_layer;

typedef struct {
    int32_t window, chunk;      /* 0: everything is kept */
    size_t page_bytes;
} mn_kv_group;

typedef struct {
    mn_kv_type type;
    const mn_cpu_ops *ops;
    int32_t n_layers, n_groups;
    mn_kv_layer *layers;        /* [n_layers], arena's */
    mn_kv_group groups[MN_KV_GROUPS];
} mn_kv_layout;

/* ops: borrowed, for reading and writing; NULL where only sizes are wanted. */
minerva_status mn_kv_layout_init(mn_kv_layout *out, const mn_plan *plan, mn_kv_type type,
                                 const mn_cpu_ops *ops, mn_arena *arena, minerva_error *err);
/* Bytes of one position in all groups (a page's share). */
size_t mn_kv_layout_bytes_per_position(const mn_kv_layout *l);
/* First position that a token at `pos` sees in this group. */
int32_t mn_kv_group_first(const mn_kv_group *g, int32_t pos);

/* Store one head's key and value (v NULL with v_from_k) at `slot` of a page. */
void mn_kv_write(const mn_kv_layout *l, const mn_kv_layer *layer, mn_page *page, int32_t head,
                 int32_t slot, const float *k, const float *v);
/* K as f32 [k_dim][32] and V as f32 [n][v_dim], 64-byte aligned: the page itself where it
 * is f32, else decoded into the caller's buffer.  k: what read_k gave (a latent's values
 * come from there).  Rows of V from n on are not valid. */
const float *mn_kv_read_k(const mn_kv_layout *l, const mn_kv_layer *layer,
                          const mn_page *page, int32_t head, float *buffer);
const float *mn_kv_read_v(const mn_kv_layout *l, const mn_kv_layer *layer,
                          const mn_page *page, int32_t head, int32_t n, const float *k,
                          float *buffer);
/* Both as bf16 pairs: K [k_dim / 2][32], pairs of dimensions; V [n / 2][v_dim], pairs of
 * positions (mn_cpu_ops.pair_rows).  k and v: room for the f32 forms. */
void mn_kv_read_pairs(const mn_kv_layout *l, const mn_kv_layer *layer, const mn_page *page,
                      int32_t head, int32_t n, float *k, float *v, uint32_t *k_pairs,
                      uint32_t *v_pairs);
/* Copy positions [first, first + n) of a page (all layers of the group). */
void mn_kv_copy_positions(const mn_kv_layout *l, int32_t group, uint8_t *to,
                          const uint8_t *from, int32_t first, int32_t n);

#endif
