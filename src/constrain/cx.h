/* The context that everything compiled for one constraint lives in: its memory, its
 * limits, and the way out on failure.
 *
 * Compiling recurses through many small functions, each of which can meet a limit, a
 * malformed piece or the end of memory.  Instead of threading a status through all of
 * them, they call mn_cx_raise(), which unwinds to the innermost mn_cx_protect().
 * (1) All memory belongs to the context: arena blocks and the vectors of its owner.
 *     A function that may raise holds nothing of its own.
 * (2) Every public entry point goes through mn_cx_protect(); nothing is raised past it.
 * (3) After a raise the tables are consistent: entries are added last, when complete.
 */
#ifndef MN_CONSTRAIN_CX_H
#define MN_CONSTRAIN_CX_H

#include <setjmp.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"
#include "minerva.h"

typedef struct {
    mn_arena arena;
    jmp_buf *trap;
    minerva_error *err;
    minerva_status status;
    size_t vector_bytes;        /* held by vectors, beside the arena */
    size_t limit_bytes;         /* both together; 0: none */
    uint64_t deadline_ns;       /* CLOCK_MONOTONIC; 0: none */
    uint32_t ticks;
} mn_cx;

typedef void mn_cx_fn(void *arg);

/* Run fn(arg); what it raises comes back as the status. */
minerva_status mn_cx_protect(mn_cx *cx, minerva_error *err, mn_cx_fn *fn, void *arg);
__attribute__((format(printf, 3, 4))) _Noreturn
void mn_cx_raise(mn_cx *cx, minerva_status status, const char *fmt, ...);
/* What compiling may take: so many milliseconds (0: 1000) from now, and 64 MiB. */
void mn_cx_limit_compile(mn_cx *cx, uint32_t compile_ms);
/* Now and then in long work: raises MINERVA_LIMIT past the deadline. */
void mn_cx_check_time(mn_cx *cx);
static inline void mn_cx_tick(mn_cx *cx)
{
    if ((++cx->ticks & 1023) == 0 && cx->deadline_ns) mn_cx_check_time(cx);
}

/* Zeroed; raises instead of returning NULL. */
void *mn_cx_alloc(mn_cx *cx, size_t n, size_t size_bytes);
char *mn_cx_strndup(mn_cx *cx, const char *s, size_t len);
/* Grown copy of a vector's memory; see MN_VEC. */
void *mn_cx_grow(mn_cx *cx, void *at, uint32_t *cap, uint64_t need, size_t size_bytes);
void *mn_cx_trim(mn_cx *cx, void *at, uint32_t *cap, uint32_t n, size_t size_bytes);
void mn_cx_release(mn_cx *cx, void *at, uint32_t cap, size_t size_bytes);

/* A vector: elements that move when it grows, so keep indices, not pointers. */
#define MN_VEC(T) struct { T *at; uint32_t n, cap; }
#define mn_vec_reserve(cx, v, extra)                                                     \
    do {                                                                                 \
        if ((uint64_t)(v)->n + (extra) > (v)->cap)                                       \
            (v)->at = mn_cx_grow(cx, (v)->at, &(v)->cap, (uint64_t)(v)->n + (extra),     \
                                 sizeof *(v)->at);                                       \
    } while (0)
#define mn_vec_push(cx, v, x)                                                            \
    do {                                                                                 \
        mn_vec_reserve(cx, v, 1);                                                        \
        (v)->at[(v)->n++] = (x);                                                         \
    } while (0)
/* Give back what was reserved and not used. */
#define mn_vec_trim(cx, v)                                                               \
    do { (v)->at = mn_cx_trim(cx, (v)->at, &(v)->cap, (v)->n, sizeof *(v)->at); } while (0)
#define mn_vec_clear(cx, v)                                                              \
    do {                                                                                 \
        mn_cx_release(cx, (v)->at, (v)->cap, sizeof *(v)->at);                           \
        (v)->at = NULL;                                                                  \
        (v)->n = (v)->cap = 0;                                                           \
    } while (0)

typedef MN_VEC(uint32_t) mn_u32s;

/* Hash-consing: a set of indices into a table, found by hash and the caller's equality.
 *
 *   for (mn_intern_seek s = mn_intern_begin(t, h); mn_intern_next(t, &s, &i);)
 *       if (same(table[i], wanted)) return i;
 *   ... append entry i ...
 *   mn_intern_add(cx, t, h, i);                                                        */
typedef struct {
    uint64_t *slot;             /* hash << 32 | index + 1; 0 = free */
    uint32_t cap, n;
} mn_intern;
typedef struct { uint32_t hash, at; } mn_intern_seek;

static inline mn_intern_seek mn_intern_begin(const mn_intern *t, uint64_t hash)
{
    return (mn_intern_seek){ (uint32_t)(hash ^ hash >> 32), (uint32_t)hash };
}
static inline bool mn_intern_next(const mn_intern *t, mn_intern_seek *s, uint32_t *index)
{
    if (!t->cap) return false;
    for (;;) {
        uint64_t slot = t->slot[s->at & (t->cap - 1)];
        if (!slot) return false;
        s->at++;
        if (slot >> 32 == s->hash) {
            *index = (uint32_t)slot - 1;
            return true;
        }
    }
}
void mn_intern_add(mn_cx *cx, mn_intern *t, uint64_t hash, uint32_t index);
void mn_intern_clear(mn_cx *cx, mn_intern *t);

static inline uint64_t mn_mix(uint64_t h, uint64_t v)
{
    __uint128_t p = (__uint128_t)(h ^ 0x9e3779b97f4a7c15u) * (v ^ 0xd6e8feb86659fd93u);
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

#endif
