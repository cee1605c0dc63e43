/* One GGUF file: mapping it and checking everything that it says about itself.
 *
 *   offset 0  "GGUF"  u32 version  u64 n_tensors  u64 n_kv
 *   n_kv     x  string key, u32 type, value        string: u64 length, bytes
 *   n_tensors x  string name, u32 n_dims, u64 dims[n_dims] (innermost first), u32 type,
 *               u64 offset from the start of the data
 *   padding to general.alignment (32 if absent), then the data
 *
 * (1) A cursor never passes the end of the file; every count is compared with what the
 *     rest of the file could hold before anything is allocated for it.
 * (2) Array items are stepped over, not read: a vocabulary of strings costs one length
 *     per string.
 * (3) Tensors may lie in any order; that they do not overlap is checked in the order of
 *     their offsets.
 */
#include "base/status.h"
#include "format/gguf_file.h"
#include "format/ggml_type.h"
#include "format/quoted.h"
#include "tensor/quant.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    MAX_ENTRIES = 1 << 20,      /* keys or tensors; real files have some thousands */
    MAX_NAME = 65535,
    MIN_KV_BYTES = 8 + 4 + 1,
    MIN_TENSOR_BYTES = 8 + 4 + 4 + 8,
    GGUF_MAX_DIMS = 4
};

typedef struct {
    const char *path;
    const uint8_t *data;
    size_t size, at;
    minerva_error *err;
} cursor;

static size_t left(const cursor *c) { return c->size - c->at; }

/* The next n bytes, or NULL and an error that says inside what the file ends. */
static const uint8_t *take(cursor *c, uint64_t n, const char *what)
{
    if (n > left(c)) {
        mn_fail_at(c->err, MINERVA_INVALID, (int64_t)c->at,
                   "%s: %" PRIu64 " bytes of %s expected at byte %zu, but the file ends "
                   "after %zu (is the download complete?)",
                   c->path, n, what, c->at, left(c));
        return NULL;
    }
    const uint8_t *p = c->data + c->at;
    c->at += n;
    return p;
}

static bool take_u32(cursor *c, uint32_t *out, const char *what)
{
    const uint8_t *p = take(c, 4, what);
    if (p) *out = mn_load_u32(p);
    return p != NULL;
}

static bool take_u64(cursor *c, uint64_t *out, const char *what)
{
    const uint8_t *p = take(c, 8, what);
    if (p) *out = mn_load_u64(p);
    return p != NULL;
}

static bool take_string(cursor *c, mn_gguf_string *out, const char *what)
{
    uint64_t len;
    if (!take_u64(c, &len, what)) return false;
    const uint8_t *p = take(c, len, what);
    if (p) *out = (mn_gguf_string){ (const char *)p, len };
    return p != NULL;
}

/* A key or a tensor's name. */
static bool take_name(cursor *c, mn_gguf_string *out, const char *what)
{
    size_t at = c->at;
    if (!take_string(c, out, what)) return false;
    if (out->len == 0 || out->len > MAX_NAME || memchr(out->data, 0, out->len)) {
        mn_fail_at(
            c->err, MINERVA_INVALID, (int64_t)at,
            "%s: %s of 1 to %d bytes without 0 bytes expected at byte %zu, %zu bytes "
            "found",
            c->path, what, MAX_NAME, at, out->len);
        return false;
    }
    return true;
}

/* ---- metadata --------------------------------------------------------------------- */

static bool skip_strings(cursor *c, uint64_t n, const mn_gguf_string *key)
{
    const uint8_t *data = c->data;
    size_t at = c->at, size = c->size;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t len;
        if (size - at < 8 || (len = mn_load_u64(data + at)) > size - at - 8) {
            mn_fail_at(c->err, MINERVA_INVALID, (int64_t)at,
                       "%s: key %s: string %" PRIu64 " of %" PRIu64
                       " does not end inside "
                       "the file",
                       c->path, mn_quoted_bytes(key->data, key->len).text, i, n);
            return false;
        }
        __builtin_prefetch(data + at + 2048);   /* lengths form one chain of loads */
        at += 8 + len;
    }
    c->at = at;
    return true;
}

static bool take_array(cursor *c, mn_gguf_kv *kv)
{
    uint32_t item_type;
    const char *path = c->path;
    if (!take_u32(c, &item_type, "an array's type")
        || !take_u64(c, &kv->n, "an array's length"))
        return false;
    mn_quoted key = mn_quoted_bytes(kv->key.data, kv->key.len);
    if (item_type > MN_GGUF_F64 || item_type == MN_GGUF_ARRAY) {
        mn_fail_at(c->err, MINERVA_INVALID, (int64_t)c->at,
                   "%s: key %s: an array of plain values expected, %s of type %u found",
                   path, key.text, item_type == MN_GGUF_ARRAY ? "nested arrays" : "items",
                   item_type);
        return false;
    }
    kv->item_type = (mn_gguf_type)item_type;
    kv->data = c->data + c->at;
    size_t item_bytes = mn_gguf_type_bytes(kv->item_type);
    if (kv->n > left(c) / (item_bytes ? item_bytes : 8)) {
        mn_fail_at(c->err, MINERVA_INVALID, (int64_t)c->at,
                   "%s: key %s: an array of %" PRIu64
                   " items does not fit in the %zu bytes "
                   "left in the file",
                   path, key.text, kv->n, left(c));
        return false;
    }
    if (kv->item_type == MN_GGUF_STRING) return skip_strings(c, kv->n, &kv->key);
    c->at += kv->n * item_bytes;
    return true;
}

static bool take_kv(cursor *c, mn_gguf_kv *kv)
{
    uint32_t type;
    if (!take_name(c, &kv->key, "a key") || !take_u32(c, &type, "a value's type"))
        return false;
    if (type > MN_GGUF_F64) {
        mn_fail_at(c->err, MINERVA_INVALID, (int64_t)c->at - 4,
                   "%s: key %s: a value type from 0 to %d expected, %u found", c->path,
                   mn_quoted_bytes(kv->key.data, kv->key.len).text, MN_GGUF_F64, type);
        return false;
    }
    kv->type = (mn_gguf_type)type;
    kv->item_type = kv->type;
    kv->n = 1;
    if (type == MN_GGUF_ARRAY) return take_array(c, kv);
    kv->data = c->data + c->at;
    mn_gguf_string ignored;
    if (type == MN_GGUF_STRING) return take_string(c, &ignored, "a string value");
    return take(c, mn_gguf_type_bytes(kv->type), "a value") != NULL;
}

/* A seed that the file's author cannot know, so that keys cannot be chosen to collide. */
static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uintptr_t)&seed;
    return seed;
}

static minerva_status read_metadata(mn_gguf_part *part, cursor *c, mn_arena *arena)
{
    part->keys.seed = random_seed();
    part->kv = mn_arena_array(arena, (size_t)part->n_kv, sizeof *part->kv);
    if (!part->kv) return mn_fail_memory(c->err, (size_t)part->n_kv * sizeof *part->kv);
    for (int64_t i = 0; i < part->n_kv; i++) {
        mn_gguf_kv *kv = &part->kv[i];
        if (!take_kv(c, kv)) return MINERVA_INVALID;
        bool existed;
        if (!mn_map_put(&part->keys, kv->key.data, kv->key.len, (uint32_t)i, &existed))
            return mn_fail_memory(c->err, kv->key.len);
        if (existed)
            return mn_fail_at(c->err, MINERVA_INVALID, (int64_t)c->at,
                              "%s: key %s is there twice", c->path,
                              mn_quoted_bytes(kv->key.data, kv->key.len).text);
    }
    return MINERVA_OK;
}

/* ---- tensors ---------------------------------------------------------------------- */

/* Shape and type -> size in bytes; false and an error if they do not go together. */
static bool size_tensor(cursor *c, mn_tensor_ref *t, const mn_ggml_type *type)
{
    int64_t cols = t->n_dims ? t->dims[t->n_dims - 1] : 1, n = 1;
    size_t row_bytes, n_rows = 1;
    bool fits = true;
    for (int i = 0; i < t->n_dims; i++) {
        fits &= !__builtin_mul_overflow(n, t->dims[i], &n);
        if (i < t->n_dims - 1)
            fits &= !__builtin_mul_overflow(n_rows, (size_t)t->dims[i], &n_rows);
    }
    if (type->kind == MN_STORED_WEIGHT) {
        int block = mn_wtype_get(type->wtype)->block;
        if (cols % block) {
            mn_fail(c->err, MINERVA_INVALID,
                    "%s: tensor %s: rows of %s must be a multiple of %d long, %" PRId64
                    " found",
                    c->path, mn_quoted_bytes(t->name, t->name_len).text, type->name,
                    block, cols);
            return false;
        }
        row_bytes = mn_wtype_row_bytes(type->wtype, 0, cols);
        if (cols && !row_bytes) fits = false;
    } else {
        fits &= !__builtin_mul_overflow((size_t)cols, mn_stored_kind_bytes(type->kind),
                                        &row_bytes);
    }
    if (!fits || __builtin_mul_overflow(row_bytes, n_rows, &t->size_bytes)) {
        mn_fail(c->err, MINERVA_INVALID, "%s: tensor %s: its dimensions are too large",
                c->path, mn_quoted_bytes(t->name, t->name_len).text);
        return false;
    }
    return true;
}

/* One description; its offset goes to *offset. */
static bool take_tensor(cursor *c, mn_tensor_ref *t, uint64_t *offset, mn_arena *arena,
                        minerva_status *status)
{
    mn_gguf_string name;
    uint32_t n_dims, number;
    *status = MINERVA_INVALID;
    if (!take_name(c, &name, "a tensor's name")
        || !take_u32(c, &n_dims, "a tensor's number of dimensions"))
        return false;
    mn_quoted quoted = mn_quoted_bytes(name.data, name.len);
    if (n_dims > GGUF_MAX_DIMS) {
        mn_fail_at(c->err, MINERVA_INVALID, (int64_t)c->at - 4,
                   "%s: tensor %s: at most %d dimensions expected, %u found", c->path,
                   quoted.text, GGUF_MAX_DIMS, n_dims);
        return false;
    }
    t->n_dims = (int)n_dims;
    for (uint32_t i = 0; i < n_dims; i++) {
        uint64_t dim;
        if (!take_u64(c, &dim, "a tensor's dimensions")) return false;
        if (dim > INT64_MAX) {
            mn_fail_at(c->err, MINERVA_INVALID, (int64_t)c->at - 8,
                       "%s: tensor %s: dimension %u is %" PRIu64 ", too large", c->path,
                       quoted.text, i, dim);
            return false;
        }
        t->dims[n_dims - 1 - i] = (int64_t)dim;
    }
    if (!take_u32(c, &number, "a tensor's type")
        || !take_u64(c, offset, "a tensor's offset"))
        return false;
    const mn_ggml_type *type = mn_ggml_type_get(number);
    if (type->refused) {
        *status = mn_fail_at(
            c->err, MINERVA_UNSUPPORTED, (int64_t)c->at - 12,
            "%s: tensor %s: type %s (number %u) cannot be read: %s", c->path, quoted.text,
            type->name ? type->name : "without a name", number, type->refused);
        return false;
    }
    t->kind = type->kind;
    t->wtype = type->wtype;
    t->name = mn_arena_strndup(arena, name.data, name.len);
    t->name_len = (uint32_t)name.len;
    if (!t->name) {
        *status = mn_fail_memory(c->err, name.len);
        return false;
    }
    return size_tensor(c, t, type);
}

typedef struct {
    uint64_t begin, end;
    int64_t index;
} range;

static int compare_ranges(const void *a, const void *b)
{
    const range *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Every tensor aligned and inside the data, no two sharing a byte. */
static minerva_status place_tensors(mn_gguf_part *part, range *ranges, size_t data_start,
                                    uint64_t alignment, cursor *c)
{
    size_t data_size = c->size - data_start;
    for (int64_t i = 0; i < part->n_tensors; i++) {
        mn_tensor_ref *t = &part->tensors[i];
        uint64_t offset = ranges[i].begin;
        if (offset % alignment)
            return mn_fail(c->err, MINERVA_INVALID,
                           "%s: tensor %s: an offset that %" PRIu64
                           " divides expected, %" PRIu64 " found",
                           c->path, mn_quoted_name(t->name).text, alignment, offset);
        if (offset > data_size || t->size_bytes > data_size - offset)
            return mn_fail(
                c->err, MINERVA_INVALID,
                "%s: tensor %s: %zu bytes expected at %" PRIu64 " of the data, but "
                "the data end at %zu (is the download complete?)",
                c->path, mn_quoted_name(t->name).text, t->size_bytes, offset, data_size);
        t->data = c->data + data_start + offset;
        ranges[i].end = offset + t->size_bytes;
        ranges[i].index = i;
    }
    qsort(ranges, (size_t)part->n_tensors, sizeof *ranges, compare_ranges);
    const range *last = NULL;
    for (int64_t i = 0; i < part->n_tensors; i++) {
        const range *r = &ranges[i];
        if (r->begin == r->end) continue;
        if (last && r->begin < last->end)
            return mn_fail(c->err, MINERVA_INVALID, "%s: tensors %s and %s overlap",
                           c->path, mn_quoted_name(part->tensors[last->index].name).text,
                           mn_quoted_name(part->tensors[r->index].name).text);
        last = r;
    }
    return MINERVA_OK;
}

static minerva_status read_alignment(const mn_gguf_part *part, cursor *c, uint64_t *out)
{
    const mn_gguf_kv *kv = mn_gguf_part_find(part, "general.alignment", 17);
    int64_t value = 32;
    if (kv && (kv->type == MN_GGUF_ARRAY || !mn_gguf_kv_int(kv, 0, &value))) value = 0;
    if (value <= 0 || value > 1 << 30 || (value & (value - 1)))
        return mn_fail(c->err, MINERVA_INVALID,
                       "%s: key general.alignment: a power of two expected, %s%" PRId64
                       " found", c->path, value ? "" : "something else or ", value);
    *out = (uint64_t)value;
    return MINERVA_OK;
}

static minerva_status read_tensors(mn_gguf_part *part, cursor *c, mn_arena *arena)
{
    uint64_t alignment = 32;
    size_t n = (size_t)part->n_tensors;
    minerva_status status = read_alignment(part, c, &alignment);
    if (status != MINERVA_OK) return status;
    range *ranges = calloc(n ? n : 1, sizeof *ranges);
    part->tensors = mn_arena_array(arena, n, sizeof *part->tensors);
    if (!ranges || !part->tensors) {
        status = mn_fail_memory(c->err, n * sizeof *part->tensors);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        if (!take_tensor(c, &part->tensors[i], &ranges[i].begin, arena, &status))
            goto done;
    size_t padding = (size_t)(-c->at & (alignment - 1));
    size_t data_start = c->at + (padding < left(c) ? padding : left(c));
    status = place_tensors(part, ranges, data_start, alignment, c);
done:
    free(ranges);
    return status;
}

/* ---- the file --------------------------------------------------------------------- */

static minerva_status read_header(mn_gguf_part *part, cursor *c)
{
    const uint8_t *magic = take(c, 4, "a GGUF header");
    uint32_t version;
    uint64_t n_tensors, n_kv;
    if (!magic) return MINERVA_INVALID;
    if (memcmp(magic, "GGUF", 4))
        return mn_fail_at(c->err, MINERVA_INVALID, 0,
                          "%s: \"GGUF\" expected at its start, %02x %02x %02x %02x found",
                          c->path, magic[0], magic[1], magic[2], magic[3]);
    if (!take_u32(c, &version, "a GGUF header")) return MINERVA_INVALID;
    if (version != 2 && version != 3) {
        bool big_endian = version != 0 && (version & 0xffff) == 0;
        return mn_fail_at(c->err, MINERVA_UNSUPPORTED, 4,
                          "%s: GGUF version 2 or 3 expected, %s %u found", c->path,
                          big_endian ? "a big-endian file of version" : "version",
                          big_endian ? __builtin_bswap32(version) : version);
    }
    if (!take_u64(c, &n_tensors, "a GGUF header") || !take_u64(c, &n_kv, "a GGUF header"))
        return MINERVA_INVALID;
    if (n_tensors > MAX_ENTRIES || n_tensors > left(c) / MIN_TENSOR_BYTES
        || n_kv > MAX_ENTRIES || n_kv > left(c) / MIN_KV_BYTES)
        return mn_fail_at(c->err, MINERVA_INVALID, 8,
                          "%s: %" PRIu64 " tensors and %" PRIu64
                          " keys do not fit in a file "
                          "of %zu bytes (is the download complete?)",
                          c->path, n_tensors, n_kv, c->size);
    part->n_tensors = (int64_t)n_tensors;
    part->n_kv = (int64_t)n_kv;
    return MINERVA_OK;
}

minerva_status mn_gguf_part_open(mn_gguf_part *part, const char *path,
                                 const mn_mapfile *memory, mn_arena *arena,
                                 minerva_error *err)
{
    *part = (mn_gguf_part){ .path = mn_arena_strdup(arena, path), .borrowed = memory };
    if (!part->path) return mn_fail_memory(err, strlen(path));
    minerva_status status = MINERVA_OK;
    if (memory)
        part->file = *memory;
    else
        status = mn_mapfile_open(&part->file, path, err);
    if (status != MINERVA_OK) return status;
    cursor c = { part->path, part->file.data, part->file.size_bytes, 0, err };
    if ((status = read_header(part, &c)) || (status = read_metadata(part, &c, arena))
        || (status = read_tensors(part, &c, arena)))
        mn_gguf_part_close(part);
    return status;
}

void mn_gguf_part_close(mn_gguf_part *part)
{
    mn_map_clear(&part->keys);
    if (!part->borrowed) mn_mapfile_close(&part->file);
    *part = (mn_gguf_part){ 0 };
}

const mn_gguf_kv *mn_gguf_part_find(const mn_gguf_part *part, const char *key, size_t len)
{
    uint32_t i;
    return mn_map_get(&part->keys, key, len, &i) ? &part->kv[i] : NULL;
}
