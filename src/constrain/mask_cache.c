/* Masks kept for reuse; see mask.h. */
#include <stdlib.h>

#include "constrain/mask.h"

enum { LEAST = 32 };

void mn_mask_cache_init(mn_mask_cache *k, mn_cx *cx, size_t words, size_t limit_bytes)
{
    *k = (mn_mask_cache){ .cx = cx, .words = words };
    size_t most = words ? limit_bytes / (words * sizeof(uint32_t)) : 0;
    k->most = most < LEAST ? LEAST : most > 1 << 20 ? 1 << 20 : (uint32_t)most;
}

void mn_mask_cache_clear(mn_mask_cache *k)
{
    if (!k->cx) return;
    for (uint32_t i = 0; i < k->slots.n; i++) {
        free(k->slots.at[i].bits);
        mn_vec_clear(k->cx, &k->slots.at[i].narrow);
    }
    k->cx->vector_bytes -= k->bytes;
    mn_vec_clear(k->cx, &k->slots);
    mn_vec_clear(k->cx, &k->heads);
    mn_vec_clear(k->cx, &k->stack);
    mn_vec_clear(k->cx, &k->levels);
    mn_vec_clear(k->cx, &k->rows);
    mn_vec_clear(k->cx, &k->reached);
    mn_vec_clear(k->cx, &k->unsure);
    mn_vec_clear(k->cx, &k->own);
    mn_vec_clear(k->cx, &k->maybe);
    mn_vec_clear(k->cx, &k->no);
    *k = (mn_mask_cache){ 0 };
}

static uint32_t *head_of(mn_mask_cache *k, uint64_t key)
{
    return &k->heads.at[(uint32_t)(key >> 20) & (k->heads.n - 1)];
}

static void unlink_age(mn_mask_cache *k, uint32_t i)
{
    mn_mask_slot *s = &k->slots.at[i];
    if (s->newer) k->slots.at[s->newer - 1].older = s->older;
    else k->newest = s->older;
    if (s->older) k->slots.at[s->older - 1].newer = s->newer;
    else k->oldest = s->newer;
}

static void link_newest(mn_mask_cache *k, uint32_t i)
{
    mn_mask_slot *s = &k->slots.at[i];
    s->newer = 0;
    s->older = k->newest;
    if (k->newest) k->slots.at[k->newest - 1].newer = i + 1;
    else k->oldest = i + 1;
    k->newest = i + 1;
}

uint32_t mn_mask_cache_find(mn_mask_cache *k, uint64_t key)
{
    if (!k->heads.n) return UINT32_MAX;
    for (uint32_t at = *head_of(k, key); at; at = k->slots.at[at - 1].chain) {
        if (k->slots.at[at - 1].key != key || k->slots.at[at - 1].broken) continue;
        if (k->newest != at) {
            unlink_age(k, at - 1);
            link_newest(k, at - 1);
        }
        return at - 1;
    }
    return UINT32_MAX;
}

static void unchain(mn_mask_cache *k, uint32_t i)
{
    uint32_t *link = head_of(k, k->slots.at[i].key);
    while (*link != i + 1) link = &k->slots.at[*link - 1].chain;
    *link = k->slots.at[i].chain;
}

static void grow_heads(mn_mask_cache *k)
{
    if (k->heads.n > k->slots.n) return;
    uint32_t n = k->heads.n ? k->heads.n * 2 : 64;
    mn_vec_reserve(k->cx, &k->heads, n);
    k->heads.n = n;
    memset(k->heads.at, 0, n * sizeof(uint32_t));
    for (uint32_t i = 0; i < k->slots.n; i++) {
        uint32_t *head = head_of(k, k->slots.at[i].key);
        k->slots.at[i].chain = *head;
        *head = i + 1;
    }
}

uint32_t mn_mask_cache_add(mn_mask_cache *k, uint64_t key)
{
    uint32_t i = UINT32_MAX;
    if (k->slots.n >= k->most) {
        uint32_t at = k->oldest;
        while (at && k->slots.at[at - 1].pins) at = k->slots.at[at - 1].newer;
        if (at) {
            i = at - 1;
            unchain(k, i);
            unlink_age(k, i);
            k->evictions++;
        }
    }
    if (i == UINT32_MAX) {
        grow_heads(k);
        size_t bytes = k->words * sizeof(uint32_t);
        mn_vec_reserve(k->cx, &k->slots, 1);
        uint32_t *bits = malloc(bytes ? bytes : 1);
        if (!bits) mn_cx_raise(k->cx, MINERVA_MEMORY, "out of memory: %zu bytes", bytes);
        k->cx->vector_bytes += bytes;
        k->bytes += bytes;
        i = k->slots.n++;
        k->slots.at[i] = (mn_mask_slot){ .bits = bits };
    }
    mn_mask_slot *s = &k->slots.at[i];
    memset(s->bits, 0, k->words * sizeof(uint32_t));
    mn_vec_clear(k->cx, &s->narrow);
    s->key = key;
    s->broken = false;
    uint32_t *head = head_of(k, key);
    s->chain = *head;
    *head = i + 1;
    link_newest(k, i);
    return i;
}
