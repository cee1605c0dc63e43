/* Inside the GGUF reader: one mapped part, and the open model that is made of parts.
 * gguf_part.c reads a part, gguf.c joins parts, gguf_values.c reads metadata values. */
#ifndef MN_FORMAT_GGUF_FILE_H
#define MN_FORMAT_GGUF_FILE_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/mapfile.h"
#include "format/gguf.h"

typedef struct {
    mn_mapfile file;
    bool borrowed;              /* `file` is the caller's memory, not a mapping */
    const char *path;           /* in the arena */
    mn_gguf_kv *kv;
    mn_tensor_ref *tensors;
    int64_t n_kv, n_tensors;
    mn_map keys;                /* key -> index in kv */
} mn_gguf_part;

struct mn_gguf {
    mn_arena arena;
    mn_gguf_part *parts;
    int n_parts;
    mn_tensor_ref *tensors;     /* of all parts, in their order */
    int64_t n_tensors;
    mn_map names;               /* tensor name -> index in tensors */
};

/* Map and check one file, or check `memory`.  On failure the part is closed again. */
minerva_status mn_gguf_part_open(mn_gguf_part *part, const char *path,
                                 const mn_mapfile *memory, mn_arena *arena,
                                 minerva_error *err);
void mn_gguf_part_close(mn_gguf_part *part);
const mn_gguf_kv *mn_gguf_part_find(const mn_gguf_part *part, const char *key,
                                    size_t len);

/* Bytes of a fixed-size value, 0 for strings and arrays. */
size_t mn_gguf_type_bytes(mn_gguf_type type);
/* "a u32", "an array of strings", ... */
const char *mn_gguf_type_name(mn_gguf_type type);
/* Item i of a fixed-size integer or bool key as int64; false if it is none or too big. */
bool mn_gguf_kv_int(const mn_gguf_kv *kv, uint64_t i, int64_t *out);

#endif
