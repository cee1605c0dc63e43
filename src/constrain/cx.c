/* Memory, limits and the way out on failure; see cx.h. */
#include "constrain/cx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COMPILE_MS = 1000, COMPILE_BYTES = 64 << 20 };

minerva_status mn_cx_protect(mn_cx *cx, minerva_error *err, mn_cx_fn *fn, void *arg)
{
    jmp_buf here;
    jmp_buf *outer = cx->trap;
    minerva_error *outer_err = cx->err;
    cx->trap = &here;
    cx->err = err;
    cx->status = MINERVA_OK;
    if (!_setjmp(here)) fn(arg);
    minerva_status st = cx->status;
    cx->trap = outer;
    cx->err = outer_err;
    cx->status = MINERVA_OK;        /* what failed in here need not fail what is around it */
    return st;
}

void mn_cx_raise(mn_cx *cx, minerva_status status, const char *fmt, ...)
{
    char text[480];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cx->status = mn_fail(cx->err, status, "%s", text);
    longjmp(*cx->trap, 1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void mn_cx_limit_compile(mn_cx *cx, uint32_t compile_ms)
{
    cx->limit_bytes = COMPILE_BYTES;
    cx->deadline_ns = now_ns() + (uint64_t)(compile_ms ? compile_ms : COMPILE_MS) * 1000000u;
}

void mn_cx_check_time(mn_cx *cx)
{
    if (cx->deadline_ns && now_ns() > cx->deadline_ns)
        mn_cx_raise(cx, MINERVA_LIMIT, "compiling takes longer than the limit allows");
}

static void check_size(mn_cx *cx, size_t extra)
{
    size_t held = cx->vector_bytes + cx->arena.used_bytes;
    if (cx->limit_bytes && (extra > cx->limit_bytes || held > cx->limit_bytes - extra))
        mn_cx_raise(cx, MINERVA_LIMIT, "the constraint needs more than %zu MiB of tables",
                    cx->limit_bytes >> 20);
}

void *mn_cx_alloc(mn_cx *cx, size_t n, size_t size_bytes)
{
    if (size_bytes && n > SIZE_MAX / 2 / size_bytes)
        mn_cx_raise(cx, MINERVA_LIMIT, "the constraint is too large");
    check_size(cx, n * size_bytes);
    void *p = mn_arena_alloc_aligned(&cx->arena, n * size_bytes, 8);
    if (!p) mn_cx_raise(cx, MINERVA_MEMORY, "out of memory: %zu bytes", n * size_bytes);
    return p;
}

char *mn_cx_strndup(mn_cx *cx, const char *s, size_t len)
{
    char *copy = mn_cx_alloc(cx, len + 1, 1);
    if (len) memcpy(copy, s, len);
    return copy;
}

void *mn_cx_grow(mn_cx *cx, void *at, uint32_t *cap, uint64_t need, size_t size_bytes)
{
    uint64_t wanted = *cap ? *cap : 8;
    while (wanted < need) wanted *= 2;
    if (wanted > UINT32_MAX / 2) mn_cx_raise(cx, MINERVA_LIMIT, "a table is too large");
    size_t extra = (size_t)(wanted - *cap) * size_bytes;
    check_size(cx, extra);
    void *grown = realloc(at, (size_t)wanted * size_bytes);
    if (!grown) mn_cx_raise(cx, MINERVA_MEMORY, "out of memory: %zu bytes", extra);
    cx->vector_bytes += extra;
    *cap = (uint32_t)wanted;
    return grown;
}

void *mn_cx_trim(mn_cx *cx, void *at, uint32_t *cap, uint32_t n, size_t size_bytes)
{
    if (!n || n == *cap) return at;
    void *less = realloc(at, n * size_bytes);
    if (!less) return at;
    cx->vector_bytes -= (size_t)(*cap - n) * size_bytes;
    *cap = n;
    return less;
}

void mn_cx_release(mn_cx *cx, void *at, uint32_t cap, size_t size_bytes)
{
    free(at);
    cx->vector_bytes -= (size_t)cap * size_bytes;
}

/* The probe starts at the low half of the hash; the slot keeps both halves folded, so a
 * grown table finds the start again from a second array. */
void mn_intern_add(mn_cx *cx, mn_intern *t, uint64_t hash, uint32_t index)
{
    if ((uint64_t)t->n * 2 >= t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 32;
        size_t bytes = (size_t)cap * sizeof *t->slot * 2;
        check_size(cx, bytes);
        uint64_t *slot = calloc(cap * (size_t)2, sizeof *slot);
        if (!slot) mn_cx_raise(cx, MINERVA_MEMORY, "out of memory: %zu bytes", bytes);
        mn_intern grown = { slot, cap, t->n };
        for (uint32_t i = 0; i < t->cap; i++) {
            if (!t->slot[i]) continue;
            uint32_t start = (uint32_t)t->slot[t->cap + i];
            uint32_t at = start;
            while (slot[at & (cap - 1)]) at++;
            slot[at & (cap - 1)] = t->slot[i];
            slot[cap + (at & (cap - 1))] = start;
        }
        cx->vector_bytes += bytes - (size_t)t->cap * sizeof *t->slot * 2;
        free(t->slot);
        *t = grown;
    }
    uint32_t low = (uint32_t)hash, at = low;
    while (t->slot[at & (t->cap - 1)]) at++;
    at &= t->cap - 1;
    t->slot[at] = (uint64_t)(uint32_t)(hash ^ hash >> 32) << 32 | (index + 1);
    t->slot[t->cap + at] = low;
    t->n++;
}

void mn_intern_clear(mn_cx *cx, mn_intern *t)
{
    cx->vector_bytes -= (size_t)t->cap * sizeof *t->slot * 2;
    free(t->slot);
    *t = (mn_intern){ 0 };
}
