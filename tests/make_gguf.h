/* Building GGUF files in memory, right or wrong, for tests.
 *
 *     gguf_maker m = { 0 };
 *     gm_str(&m, "general.architecture", "llama");
 *     gm_tensor(&m, "token_embd.weight", 0, 2, (uint64_t[]){ 32, 4 }, bytes, n_bytes);
 *     mn_buffer file = gm_finish(&m);          (mn_buffer_clear when done)
 *
 * Offsets are laid out one after the other on `alignment` unless `force_offset` is set
 * before gm_tensor().  Errors of the maker itself fail the test. */
#ifndef TESTS_MAKE_GGUF_H
#define TESTS_MAKE_GGUF_H

#include "base/buffer.h"
#include "format/gguf.h"
#include "tests/check.h"

typedef struct {
    mn_buffer kv, tensors, data;
    uint64_t n_kv, n_tensors;
    uint32_t version;           /* 0: 3 */
    uint64_t alignment;         /* 0: 32 */
    bool use_offset;            /* take force_offset for the next tensor */
    uint64_t force_offset;
} gguf_maker;

static inline void gm_bytes(mn_buffer *b, const void *p, size_t n)
{
    mn_buffer_append(b, p, n);
}

static inline void gm_le(mn_buffer *b, uint64_t v, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++) mn_buffer_append_byte(b, (char)(v >> 8 * i));
}

static inline void gm_string_n(mn_buffer *b, const char *s, size_t n)
{
    gm_le(b, n, 8);
    gm_bytes(b, s, n);
}

static inline void gm_key(gguf_maker *m, const char *key, uint32_t type)
{
    gm_string_n(&m->kv, key, strlen(key));
    gm_le(&m->kv, type, 4);
    m->n_kv++;
}

static inline void gm_int(gguf_maker *m, const char *key, mn_gguf_type type, int64_t v)
{
    static const int bytes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    gm_key(m, key, type);
    gm_le(&m->kv, (uint64_t)v, bytes[type]);
}

static inline void gm_u32(gguf_maker *m, const char *key, uint32_t v)
{
    gm_int(m, key, MN_GGUF_U32, v);
}

static inline void gm_f32(gguf_maker *m, const char *key, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, 4);
    gm_int(m, key, MN_GGUF_F32, bits);
}

static inline void gm_f64(gguf_maker *m, const char *key, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    gm_int(m, key, MN_GGUF_F64, (int64_t)bits);
}

static inline void gm_str(gguf_maker *m, const char *key, const char *v)
{
    gm_key(m, key, MN_GGUF_STRING);
    gm_string_n(&m->kv, v, strlen(v));
}

/* The head of an array; its items are appended to m->kv by the caller. */
static inline void gm_array(gguf_maker *m, const char *key, uint32_t item_type, uint64_t n)
{
    gm_key(m, key, MN_GGUF_ARRAY);
    gm_le(&m->kv, item_type, 4);
    gm_le(&m->kv, n, 8);
}

/* ne: innermost dimension first, as the file has it.  data NULL: zeros. */
static inline void gm_tensor(gguf_maker *m, const char *name, uint32_t type, uint32_t n_dims,
                             const uint64_t *ne, const void *data, size_t n_bytes)
{
    uint64_t alignment = m->alignment ? m->alignment : 32;
    while (m->data.len % alignment) mn_buffer_append_byte(&m->data, 0);
    gm_string_n(&m->tensors, name, strlen(name));
    gm_le(&m->tensors, n_dims, 4);
    for (uint32_t i = 0; i < n_dims; i++) gm_le(&m->tensors, ne[i], 8);
    gm_le(&m->tensors, type, 4);
    gm_le(&m->tensors, m->use_offset ? m->force_offset : m->data.len, 8);
    m->use_offset = false;
    m->n_tensors++;
    if (data) gm_bytes(&m->data, data, n_bytes);
    else for (size_t i = 0; i < n_bytes; i++) mn_buffer_append_byte(&m->data, 0);
}

/* A one-dimensional F32 tensor of n zeros. */
static inline void gm_vector(gguf_maker *m, const char *name, uint64_t n)
{
    gm_tensor(m, name, 0, 1, &n, NULL, 4 * n);
}

static inline void gm_clear(gguf_maker *m)
{
    mn_buffer_clear(&m->kv);
    mn_buffer_clear(&m->tensors);
    mn_buffer_clear(&m->data);
    *m = (gguf_maker){ 0 };
}

static inline mn_buffer gm_finish(gguf_maker *m)
{
    mn_buffer b = { 0 };
    uint64_t alignment = m->alignment ? m->alignment : 32;
    gm_bytes(&b, "GGUF", 4);
    gm_le(&b, m->version ? m->version : 3, 4);
    gm_le(&b, m->n_tensors, 8);
    gm_le(&b, m->n_kv, 8);
    gm_bytes(&b, m->kv.data, m->kv.len);
    gm_bytes(&b, m->tensors.data, m->tensors.len);
    while (b.len % alignment) mn_buffer_append_byte(&b, 0);
    gm_bytes(&b, m->data.data, m->data.len);
    assert_false(b.failed || m->kv.failed || m->tensors.failed || m->data.failed);
    gm_clear(m);
    return b;
}

#endif
