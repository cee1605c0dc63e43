/* GGUF versions 2 and 3, little-endian, single or split into parts.
 *
 * Layout (ggml/docs/gguf.md): "GGUF" u32 version u64 n_tensors u64 n_kv, the metadata,
 * the tensor descriptions, padding to general.alignment, the data.
 *
 * (1) The file is mapped, never copied; strings and arrays point into the mapping.
 * (2) After a successful open every string, array and tensor lies inside its file, keys
 *     and tensor names are unique, tensors neither overlap nor lie unaligned, and every
 *     shape's product fits in int64_t.
 * (3) Dimensions are flipped here, once: dims[0] is the outermost.
 * (4) Opening part k of a split model (split.count > 1, "-00001-of-00003.gguf") opens
 *     all; metadata is the first part's.
 */
#ifndef MN_FORMAT_GGUF_H
#define MN_FORMAT_GGUF_H

#include "format/tensor_ref.h"
#include "minerva.h"

typedef enum {
    MN_GGUF_U8, MN_GGUF_I8, MN_GGUF_U16, MN_GGUF_I16, MN_GGUF_U32, MN_GGUF_I32,
    MN_GGUF_F32, MN_GGUF_BOOL, MN_GGUF_STRING, MN_GGUF_ARRAY, MN_GGUF_U64, MN_GGUF_I64,
    MN_GGUF_F64
} mn_gguf_type;

typedef struct {
    const char *data;           /* not 0-terminated */
    size_t len;
} mn_gguf_string;

typedef struct {
    mn_gguf_string key;
    mn_gguf_type type;
    mn_gguf_type item_type;     /* of an array; never ARRAY: nested ones are refused */
    uint64_t n;                 /* items of an array, else 1 */
    const uint8_t *data;        /* little-endian, unaligned; strings as u64 + bytes */
} mn_gguf_kv;

typedef struct mn_gguf mn_gguf;

minerva_status mn_gguf_open(mn_gguf **out, const char *path, minerva_error *err);
/* The same over bytes that the caller keeps until the close; no split models. */
minerva_status mn_gguf_open_memory(mn_gguf **out, const void *data, size_t size_bytes,
                                   minerva_error *err);
void mn_gguf_close(mn_gguf *g);
size_t mn_gguf_size_bytes(const mn_gguf *g);    /* of all parts' files */
int mn_gguf_n_parts(const mn_gguf *g);

int64_t mn_gguf_n_kv(const mn_gguf *g);
const mn_gguf_kv *mn_gguf_kv_at(const mn_gguf *g, int64_t i);
const mn_gguf_kv *mn_gguf_find(const mn_gguf *g, const char *key);     /* NULL: absent */
/* The same with "%s" in the key replaced by general.architecture. */
const mn_gguf_kv *mn_gguf_find_arch(const mn_gguf *g, const char *key_fmt);

int64_t mn_gguf_n_tensors(const mn_gguf *g);
const mn_tensor_ref *mn_gguf_tensor_at(const mn_gguf *g, int64_t i);
const mn_tensor_ref *mn_gguf_tensor(const mn_gguf *g, const char *name);

/* Typed reading.  Any integer or float type that holds the value exactly is accepted; a
 * float must be finite; a bool counts as 0 or 1, and 0 or 1 as a bool.
 * A missing key: *out = fallback and OK.  A wrong type or range: MINERVA_INVALID naming
 * key, expected and found type. `key` may hold "%s" for the architecture. */
minerva_status mn_gguf_get_int(const mn_gguf *g, const char *key, int64_t fallback,
                               int64_t *out, minerva_error *err);
minerva_status mn_gguf_get_float(const mn_gguf *g, const char *key, double fallback,
                                 double *out, minerva_error *err);
minerva_status mn_gguf_get_bool(const mn_gguf *g, const char *key, bool fallback,
                                bool *out, minerva_error *err);
/* Missing: *out = {NULL, 0}. */
minerva_status mn_gguf_get_string(const mn_gguf *g, const char *key, mn_gguf_string *out,
                                  minerva_error *err);
/* Scalars read as arrays of one.  Missing: *n = 0.  The arrays are malloc()ed; the caller
 * frees.  More than `limit` items is refused. */
minerva_status mn_gguf_get_ints(const mn_gguf *g, const char *key, int64_t limit,
                                int64_t **out, int64_t *n, minerva_error *err);
minerva_status mn_gguf_get_floats(const mn_gguf *g, const char *key, int64_t limit,
                                  float **out, int64_t *n, minerva_error *err);
minerva_status mn_gguf_get_strings(const mn_gguf *g, const char *key, int64_t limit,
                                   mn_gguf_string **out, int64_t *n, minerva_error *err);

#endif
