/* Block-wise arena; see arena.h. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct mn_arena_block {
    mn_arena_block *next;
    size_t size, used;      /* of data[] */
    _Alignas(16) unsigned char data[];
};

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

void mn_arena_clear(mn_arena *a)
{
    for (mn_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    a->head = NULL;
    a->used_bytes = 0;
}

/* Offset in `b` at which `size` bytes fit with `alignment`, or SIZE_MAX. */
static size_t place(const mn_arena_block *b, size_t size, size_t alignment)
{
    uintptr_t base = (uintptr_t)b->data;
    size_t at = (size_t)(((base + b->used + alignment - 1) & ~(uintptr_t)(alignment - 1)) - base);
    return at <= b->size && size <= b->size - at ? at : SIZE_MAX;
}

void *mn_arena_alloc_aligned(mn_arena *a, size_t size, size_t alignment)
{
    if (size == 0) size = 1;
    if (size > SIZE_MAX / 2 - alignment) return NULL;
    if (a->limit_bytes && (a->used_bytes > a->limit_bytes
                           || size > a->limit_bytes - a->used_bytes)) return NULL;
    mn_arena_block *b = a->head;
    size_t at = b ? place(b, size, alignment) : SIZE_MAX;
    if (at == SIZE_MAX) {
        size_t block = b ? b->size * 2 : FIRST_BLOCK;
        if (block > LARGEST_BLOCK) block = LARGEST_BLOCK;
        int own = size + alignment > block / 2;   /* a block of its own, behind the head */
        size_t want = own ? size + alignment : block;
        mn_arena_block *fresh = calloc(1, sizeof *fresh + want);
        if (!fresh) return NULL;
        fresh->size = want;
        if (own && b) {
            fresh->next = b->next;
            b->next = fresh;
        } else {
            fresh->next = b;
            a->head = fresh;
        }
        b = fresh;
        at = place(b, size, alignment);
    }
    a->used_bytes += at + size - b->used;
    b->used = at + size;
    return b->data + at;
}

void *mn_arena_alloc(mn_arena *a, size_t size) { return mn_arena_alloc_aligned(a, size, 16); }

void *mn_arena_array(mn_arena *a, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size) return NULL;
    return mn_arena_alloc(a, n * size);
}

char *mn_arena_strndup(mn_arena *a, const char *s, size_t len)
{
    if (len == SIZE_MAX) return NULL;
    char *copy = mn_arena_alloc_aligned(a, len + 1, 1);
    if (copy && len) memcpy(copy, s, len);
    return copy;
}

char *mn_arena_strdup(mn_arena *a, const char *s) { return mn_arena_strndup(a, s, strlen(s)); }
