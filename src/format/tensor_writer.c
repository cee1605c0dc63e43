/* Writing GGUF and safetensors files; see tensor_writer.h.
 *
 * Metadata are encoded as they are put, into `head`; tensors are kept as a list with the
 * offsets that begin() writes down.  After that the file only grows. */
#include "format/tensor_writer.h"
#include "base/arena.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "base/status.h"
#include "format/ggml_type.h"
#include "format/out_file.h"
#include "format/quoted.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 32, GGUF_DIMS = 4, SAFETENSORS_ALIGNMENT = 8 };

struct mn_tensor_writer {
    mn_write_format format;
    mn_arena arena;
    mn_buffer head;             /* encoded metadata */
    uint64_t n_kv;
    mn_tensor_ref *tensors;     /* data NULL; size_bytes set */
    int64_t n_tensors, capacity;
    mn_map names;
    mn_out_file file;
    int64_t current;            /* tensor whose data are being written */
    uint64_t left;              /* bytes of it */
    minerva_error error;        /* the first fault of put, declare or append */
};

minerva_status mn_tensor_writer_create(mn_tensor_writer **out, mn_write_format format,
                                       minerva_error *err)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return mn_fail_memory(err, sizeof **out);
    (*out)->format = format;
    return MINERVA_OK;
}

void mn_tensor_writer_free(mn_tensor_writer *w)
{
    if (!w) return;
    mn_out_file_clear(&w->file);
    mn_map_clear(&w->names);
    mn_buffer_clear(&w->head);
    mn_arena_clear(&w->arena);
    free(w->tensors);
    free(w);
}

/* ---- metadata --------------------------------------------------------------------- */

static void put_le(mn_buffer *b, uint64_t v, int n_bytes)
{
    char bytes[8];
    for (int i = 0; i < n_bytes; i++) bytes[i] = (char)(v >> 8 * i);
    mn_buffer_append(b, bytes, (size_t)n_bytes);
}

static void put_text(mn_buffer *b, const char *s, size_t n)
{
    put_le(b, n, 8);
    mn_buffer_append(b, s, n);
}

/* The key and its type; false if the format has no such value. */
static bool put_key(mn_tensor_writer *w, const char *key, mn_gguf_type type)
{
    if (w->format != MN_WRITE_GGUF) {
        mn_fail(&w->error, MINERVA_INVALID, "key %s: safetensors metadata are strings",
                mn_quoted_name(key).text);
        return false;
    }
    put_text(&w->head, key, strlen(key));
    put_le(&w->head, type, 4);
    w->n_kv++;
    return true;
}

void mn_tensor_writer_put_bytes(mn_tensor_writer *w, const char *key,
                                mn_gguf_string value)
{
    if (w->format == MN_WRITE_SAFETENSORS) {
        if (w->n_kv++) mn_buffer_append_byte(&w->head, ',');
        mn_buffer_append_json(&w->head, key, strlen(key));
        mn_buffer_append_byte(&w->head, ':');
        mn_buffer_append_json(&w->head, value.data, value.len);
    } else if (put_key(w, key, MN_GGUF_STRING)) {
        put_text(&w->head, value.data, value.len);
    }
}

void mn_tensor_writer_put_string(mn_tensor_writer *w, const char *key, const char *value)
{
    mn_tensor_writer_put_bytes(w, key, (mn_gguf_string){ value, strlen(value) });
}

void mn_tensor_writer_put_u32(mn_tensor_writer *w, const char *key, uint32_t value)
{
    if (put_key(w, key, MN_GGUF_U32)) put_le(&w->head, value, 4);
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

void mn_tensor_writer_put_f32(mn_tensor_writer *w, const char *key, float value)
{
    if (put_key(w, key, MN_GGUF_F32)) put_le(&w->head, bits_of(value), 4);
}

void mn_tensor_writer_put_bool(mn_tensor_writer *w, const char *key, bool value)
{
    if (put_key(w, key, MN_GGUF_BOOL)) put_le(&w->head, value, 1);
}

static bool put_array(mn_tensor_writer *w, const char *key, mn_gguf_type item_type,
                      int64_t n)
{
    if (!put_key(w, key, MN_GGUF_ARRAY)) return false;
    put_le(&w->head, item_type, 4);
    put_le(&w->head, (uint64_t)n, 8);
    return true;
}

void mn_tensor_writer_put_strings(mn_tensor_writer *w, const char *key,
                                  const mn_gguf_string *values, int64_t n)
{
    if (!put_array(w, key, MN_GGUF_STRING, n)) return;
    for (int64_t i = 0; i < n; i++) put_text(&w->head, values[i].data, values[i].len);
}

void mn_tensor_writer_put_i32s(mn_tensor_writer *w, const char *key,
                               const int32_t *values, int64_t n)
{
    if (!put_array(w, key, MN_GGUF_I32, n)) return;
    for (int64_t i = 0; i < n; i++) put_le(&w->head, (uint32_t)values[i], 4);
}

void mn_tensor_writer_put_f32s(mn_tensor_writer *w, const char *key, const float *values,
                               int64_t n)
{
    if (!put_array(w, key, MN_GGUF_F32, n)) return;
    for (int64_t i = 0; i < n; i++) put_le(&w->head, bits_of(values[i]), 4);
}

void mn_tensor_writer_put_kv(mn_tensor_writer *w, const mn_gguf_kv *kv)
{
    static const uint8_t bytes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    char *key = mn_arena_strndup(&w->arena, kv->key.data, kv->key.len);
    if (!key) {
        mn_fail_memory(&w->error, kv->key.len);
        return;
    }
    bool array = kv->type == MN_GGUF_ARRAY;
    if (array ? !put_array(w, key, kv->item_type, (int64_t)kv->n)
              : !put_key(w, key, kv->type))
        return;
    mn_gguf_type type = array ? kv->item_type : kv->type;
    size_t size = kv->n * bytes[type];
    if (type == MN_GGUF_STRING) {       /* each is a length and that many bytes */
        for (uint64_t i = 0; i < kv->n; i++) {
            uint64_t len = 0;
            for (int k = 0; k < 8; k++) len |= (uint64_t)kv->data[size + k] << 8 * k;
            size += 8 + len;
        }
    }
    mn_buffer_append(&w->head, kv->data, size);
}

/* ---- tensors ---------------------------------------------------------------------- */

static const char *safetensors_dtype(const mn_tensor_ref *t)
{
    bool plain =
        t->kind != MN_STORED_WEIGHT || t->wtype <= MN_BF16 || t->wtype == MN_F8_E4M3;
    return plain ? mn_tensor_ref_type_name(t) : NULL;
}

/* Does the format have this type and shape?  Sets size_bytes. */
static bool check_tensor(mn_tensor_writer *w, mn_tensor_ref *t)
{
    const char *type = mn_tensor_ref_type_name(t);
    mn_quoted name = mn_quoted_name(t->name);
    bool gguf = w->format == MN_WRITE_GGUF;
    bool known = gguf ? mn_ggml_type_number_of(t) >= 0 : safetensors_dtype(t) != NULL;
    if (!known || t->n_dims > (gguf ? GGUF_DIMS : MN_MAX_DIMS)) {
        mn_fail(&w->error, MINERVA_UNSUPPORTED,
                "tensor %s: %s has no %s of %d dimensions", name.text,
                gguf ? "GGUF" : "safetensors", type, t->n_dims);
        return false;
    }
    int64_t cols = t->n_dims ? t->dims[t->n_dims - 1] : 1;
    size_t size = t->kind == MN_STORED_WEIGHT
                      ? mn_wtype_row_bytes(t->wtype, 0, cols)
                      : mn_stored_kind_bytes(t->kind) * (size_t)cols;
    bool fits = size > 0 && cols <= INT64_MAX / 64;
    for (int i = 0; i < t->n_dims - 1 && fits; i++)
        fits = t->dims[i] > 0 && !__builtin_mul_overflow(size, (size_t)t->dims[i], &size)
               && size < INT64_MAX;
    if (!fits)
        mn_fail(&w->error, MINERVA_INVALID,
                "tensor %s: rows of %" PRId64 " do not go with %s", name.text, cols,
                type);
    t->size_bytes = size;
    return fits;
}

void mn_tensor_writer_declare(mn_tensor_writer *w, const char *name, mn_stored_kind kind,
                              mn_wtype wtype, int n_dims, const int64_t *dims)
{
    if (w->n_tensors == w->capacity) {
        int64_t capacity = w->capacity ? 2 * w->capacity : 64;
        mn_tensor_ref *grown = realloc(w->tensors, (size_t)capacity * sizeof *grown);
        if (!grown) {
            mn_fail_memory(&w->error, (size_t)capacity * sizeof *grown);
            return;
        }
        w->tensors = grown;
        w->capacity = capacity;
    }
    mn_tensor_ref t = { .kind = kind, .wtype = wtype, .n_dims = n_dims };
    t.name = mn_arena_strdup(&w->arena, name);
    t.name_len = (uint32_t)strlen(name);
    bool existed = false;
    if (!t.name || !mn_map_put(&w->names, t.name, t.name_len, 0, &existed)) {
        mn_fail_memory(&w->error, t.name_len);
        return;
    }
    if (existed || !t.name_len) {
        mn_fail(&w->error, MINERVA_INVALID, "tensor %s: a new name expected",
                mn_quoted_name(name).text);
        return;
    }
    if (n_dims > 0 && n_dims <= MN_MAX_DIMS)
        memcpy(t.dims, dims, (size_t)n_dims * sizeof *dims);
    if (check_tensor(w, &t)) w->tensors[w->n_tensors++] = t;
}

/* ---- the file --------------------------------------------------------------------- */

static uint64_t padded(uint64_t n)
{
    return (n + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

static void gguf_header(const mn_tensor_writer *w, mn_buffer *b)
{
    uint64_t offset = 0;
    mn_buffer_append(b, "GGUF", 4);
    put_le(b, 3, 4);
    put_le(b, (uint64_t)w->n_tensors, 8);
    put_le(b, w->n_kv, 8);
    mn_buffer_append(b, w->head.data, w->head.len);
    for (int64_t i = 0; i < w->n_tensors; i++) {
        const mn_tensor_ref *t = &w->tensors[i];
        put_text(b, t->name, t->name_len);
        put_le(b, (uint64_t)t->n_dims, 4);
        for (int k = t->n_dims - 1; k >= 0; k--) put_le(b, (uint64_t)t->dims[k], 8);
        put_le(b, (uint64_t)mn_ggml_type_number_of(t), 4);
        put_le(b, offset, 8);
        offset += padded(t->size_bytes);
    }
}

static void safetensors_header(const mn_tensor_writer *w, mn_buffer *b)
{
    uint64_t offset = 0;
    const char *comma = "";
    mn_buffer_append(b, "\0\0\0\0\0\0\0\0{", 9);
    if (w->n_kv) {
        mn_buffer_append_str(b, "\"__metadata__\":{");
        mn_buffer_append(b, w->head.data, w->head.len);
        mn_buffer_append_str(b, "}");
        comma = ",";
    }
    for (int64_t i = 0; i < w->n_tensors; i++, comma = ",") {
        const mn_tensor_ref *t = &w->tensors[i];
        mn_buffer_append_str(b, comma);
        mn_buffer_append_json(b, t->name, t->name_len);
        mn_buffer_append_fmt(b, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_dtype(t));
        for (int k = 0; k < t->n_dims; k++)
            mn_buffer_append_fmt(b, "%s%" PRId64, k ? "," : "", t->dims[k]);
        mn_buffer_append_fmt(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset,
                             offset + t->size_bytes);
        offset += t->size_bytes;
    }
    mn_buffer_append_byte(b, '}');
    while (b->len % SAFETENSORS_ALIGNMENT) mn_buffer_append_byte(b, ' ');
    for (int i = 0; i < 8 && !b->failed; i++)
        b->data[i] = (char)((uint64_t)(b->len - 8) >> 8 * i);
}

minerva_status mn_tensor_writer_begin(mn_tensor_writer *w, const char *path,
                                      minerva_error *err)
{
    mn_buffer b = { 0 };
    if (w->error.code)
        return mn_fail(err, w->error.code, "%s: %s", path, w->error.message);
    if (w->format == MN_WRITE_GGUF) gguf_header(w, &b);
    else safetensors_header(w, &b);
    minerva_status status = MINERVA_OK;
    if (b.failed || w->head.failed) status = mn_fail_memory(err, b.len + w->head.len);
    if (status == MINERVA_OK) status = mn_out_file_open(&w->file, path, err);
    if (status == MINERVA_OK) {
        mn_out_file_write(&w->file, b.data, b.len);
        if (w->format == MN_WRITE_GGUF) mn_out_file_pad(&w->file, ALIGNMENT);
        w->current = 0;
        w->left = w->n_tensors ? w->tensors[0].size_bytes : 0;
    }
    mn_buffer_clear(&b);
    return status;
}

void mn_tensor_writer_append(mn_tensor_writer *w, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n) {
        if (w->current == w->n_tensors) {
            mn_fail(&w->error, MINERVA_INVALID, "%zu bytes more than the tensors need",
                    n);
            return;
        }
        size_t step = n < w->left ? n : (size_t)w->left;
        mn_out_file_write(&w->file, p, step);
        p += step;
        n -= step;
        w->left -= step;
        if (w->left) return;
        if (w->format == MN_WRITE_GGUF) mn_out_file_pad(&w->file, ALIGNMENT);
        if (++w->current < w->n_tensors) w->left = w->tensors[w->current].size_bytes;
    }
}

minerva_status mn_tensor_writer_finish(mn_tensor_writer *w, minerva_error *err)
{
    if (w->error.code)
        return mn_fail(err, w->error.code, "%s: %s", w->file.path, w->error.message);
    if (w->current < w->n_tensors)
        return mn_fail(err, MINERVA_INVALID,
                       "%s: tensor %s: %" PRIu64 " bytes more expected", w->file.path,
                       mn_quoted_name(w->tensors[w->current].name).text, w->left);
    return mn_out_file_finish(&w->file, err);
}
