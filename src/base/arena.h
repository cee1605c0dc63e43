/* Arena: many small allocations with one lifetime.
 *
 * Memory comes in blocks that double up to 1 MiB; nothing is freed singly.  A loaded
 * model, a parsed template and a compiled constraint each own one arena.
 * (1) Everything returned is zeroed and 16-byte aligned (or as asked).
 * (2) On exhaustion the functions return NULL and the arena stays usable.
 * Threads: one at a time.
 */
#ifndef MN_BASE_ARENA_H
#define MN_BASE_ARENA_H

#include <stddef.h>

typedef struct mn_arena_block mn_arena_block;
typedef struct {
    mn_arena_block *head;
    size_t used_bytes;    /* handed out, alignment included */
    size_t limit_bytes;   /* 0: none; else allocations past it return NULL */
} mn_arena;

/* An all-zero mn_arena is ready for use. */
void  mn_arena_clear(mn_arena *a);
void *mn_arena_alloc(mn_arena *a, size_t size_bytes);
void *mn_arena_alloc_aligned(mn_arena *a, size_t size_bytes, size_t alignment);
/* NULL also when n * size overflows. */
void *mn_arena_array(mn_arena *a, size_t n, size_t size_bytes);
/* Copies of bytes; a 0 byte is appended. */
char *mn_arena_strndup(mn_arena *a, const char *s, size_t len);
char *mn_arena_strdup(mn_arena *a, const char *s);

#endif
