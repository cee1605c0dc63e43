/* safetensors: tensors behind a JSON header, in any number of files.
 *
 *   offset 0  u64 header length N
 *          8  N bytes of JSON: {"name": {"dtype": "BF16", "shape": [r, c],
 *             "data_offsets": [begin, end]}, ..., "__metadata__": {string: string}}
 *      8 + N  the data; offsets count from here
 *
 * (1) The format allows no holes: sorted by offset, each tensor begins where the last one
 *     ended, and the last one ends with the file.  That also rules out overlaps.
 * (2) A size that is not dtype x shape is refused, so offsets alone cannot lie.
 * (3) Data may begin at any address: nothing here or above may assume alignment.
 */
#include "base/arena.h"
#include "base/hash.h"
#include "base/mapfile.h"
#include "base/status.h"
#include "format/json_text.h"
#include "format/model_dir.h"
#include "format/quoted.h"
#include "tensor/quant.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { MAX_HEADER_BYTES = 100000000, MAX_NAME = 65535 };

struct mn_safetensors {
    mn_arena arena;
    mn_mapfile *files;
    int n_files;
    mn_tensor_ref *tensors;
    int64_t n_tensors, capacity;
    mn_map names;
    size_t size_bytes;
};

static const struct {
    const char *name;
    mn_stored_kind kind;
    mn_wtype wtype;
} dtypes[] = {
    { "F32", MN_STORED_WEIGHT, MN_F32 },    { "F16", MN_STORED_WEIGHT, MN_F16 },
    { "BF16", MN_STORED_WEIGHT, MN_BF16 },  { "F8_E4M3", MN_STORED_WEIGHT, MN_F8_E4M3 },
    { "U32", MN_STORED_U32, 0 },            { "I32", MN_STORED_I32, 0 },
    { "U8", MN_STORED_U8, 0 },              { "I8", MN_STORED_I8, 0 },
    { "U16", MN_STORED_U16, 0 },            { "I16", MN_STORED_I16, 0 },
    { "U64", MN_STORED_U64, 0 },            { "I64", MN_STORED_I64, 0 },
    { "F64", MN_STORED_F64, 0 },            { "BOOL", MN_STORED_BOOL, 0 },
    { "F8_E5M2", MN_STORED_F8_E5M2, 0 },
    { "F8_E8M0", MN_STORED_U8, 0 },         /* exponents as bytes, as MLX stores them */
};

static bool find_dtype(const char *name, mn_tensor_ref *t)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(name, dtypes[i].name)) continue;
        t->kind = dtypes[i].kind;
        t->wtype = dtypes[i].wtype;
        return true;
    }
    return false;
}

/* ---- one tensor's entry ----------------------------------------------------------- */

typedef struct {
    const char *path;
    uint64_t data_size;         /* of the file's data */
    minerva_error *err;
} context;

static minerva_status read_shape(const context *c, const char *name, const json_t *shape,
                                 mn_tensor_ref *t)
{
    uint64_t n = t->kind == MN_STORED_WEIGHT
                     ? (uint64_t)mn_wtype_get(t->wtype)->block_bytes
                     : mn_stored_kind_bytes(t->kind);
    size_t n_dims = json_array_size(shape);
    if (!json_is_array(shape) || n_dims > MN_MAX_DIMS)
        return mn_fail(
            c->err, MINERVA_INVALID,
            "%s: tensor %s: a shape of at most %d dimensions expected, %s found", c->path,
            mn_quoted_name(name).text, MN_MAX_DIMS,
            json_is_array(shape) ? "more" : "something else");
    t->n_dims = (int)n_dims;
    for (size_t i = 0; i < n_dims; i++) {
        const json_t *dim = json_array_get(shape, i);
        t->dims[i] = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (t->dims[i] < 0)
            return mn_fail(c->err, MINERVA_INVALID,
                           "%s: tensor %s: dimension %zu is no length", c->path,
                           mn_quoted_name(name).text, i);
        if (__builtin_mul_overflow(n, (uint64_t)t->dims[i], &n) || n > INT64_MAX)
            return mn_fail(c->err, MINERVA_INVALID,
                           "%s: tensor %s: its dimensions are too large", c->path,
                           mn_quoted_name(name).text);
    }
    t->size_bytes = n;
    return MINERVA_OK;
}

static minerva_status read_entry(const context *c, const char *name, const json_t *entry,
                                 mn_tensor_ref *t, uint64_t *begin)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    mn_quoted quoted = mn_quoted_name(name);
    if (!json_is_string(dtype) || json_array_size(offsets) != 2)
        return mn_fail(
            c->err, MINERVA_INVALID,
            "%s: tensor %s: {dtype, shape, data_offsets: [begin, end]} expected, "
            "something else found",
            c->path, quoted.text);
    if (!find_dtype(json_string_value(dtype), t))
        return mn_fail(c->err, MINERVA_UNSUPPORTED,
                       "%s: tensor %s: dtype %s is not supported", c->path, quoted.text,
                       mn_quoted_name(json_string_value(dtype)).text);
    minerva_status status = read_shape(c, name, json_object_get(entry, "shape"), t);
    if (status != MINERVA_OK) return status;
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    int64_t first = json_is_integer(from) ? json_integer_value(from) : -1;
    int64_t end = json_is_integer(to) ? json_integer_value(to) : -1;
    if (first < 0 || end < first)
        return mn_fail(c->err, MINERVA_INVALID,
                       "%s: tensor %s: data_offsets with 0 <= begin <= end expected",
                       c->path, quoted.text);
    if ((uint64_t)end > c->data_size)
        return mn_fail(c->err, MINERVA_INVALID,
                       "%s: tensor %s: data to offset %" PRId64
                       " expected, but the file has "
                       "only %" PRIu64 " bytes of data (is the download complete?)",
                       c->path, quoted.text, end, c->data_size);
    if ((uint64_t)(end - first) != t->size_bytes)
        return mn_fail(
            c->err, MINERVA_INVALID,
            "%s: tensor %s: dtype and shape need %zu bytes, data_offsets give %" PRId64,
            c->path, quoted.text, t->size_bytes, end - first);
    *begin = (uint64_t)first;
    return MINERVA_OK;
}

/* ---- one file --------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    const mn_tensor_ref *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

/* The file's tensors in order of their data: no hole, no overlap, nothing left over. */
static minerva_status check_places(const context *c, mn_tensor_ref *tensors, int64_t n,
                                   const uint8_t *data)
{
    uint64_t at = 0;
    if (n) qsort(tensors, (size_t)n, sizeof *tensors, compare_places);
    for (int64_t i = 0; i < n; i++) {
        uint64_t begin = (uint64_t)(tensors[i].data - data);
        if (begin != at)
            return mn_fail(c->err, MINERVA_INVALID,
                           "%s: tensor %s: its data are expected at %" PRIu64
                           ", where the "
                           "tensor before it ends, but lie at %" PRIu64,
                           c->path, mn_quoted_name(tensors[i].name).text, at, begin);
        at += tensors[i].size_bytes;
    }
    if (at != c->data_size)
        return mn_fail(c->err, MINERVA_INVALID,
                       "%s: %" PRIu64 " bytes of data expected, %" PRIu64 " found",
                       c->path, at, c->data_size);
    return MINERVA_OK;
}

static minerva_status check_metadata(const context *c, const json_t *metadata)
{
    const char *key;
    json_t *value;
    bool good = json_is_object(metadata);
    json_object_foreach((json_t *)metadata, key, value) good &= json_is_string(value);
    if (good) return MINERVA_OK;
    return mn_fail(c->err, MINERVA_INVALID,
                   "%s: __metadata__: an object of strings expected", c->path);
}

static bool reserve(mn_safetensors *s, size_t extra)
{
    int64_t want = s->n_tensors + (int64_t)extra + 1;      /* never NULL */
    if (want > INT32_MAX) return false;
    if (want <= s->capacity) return true;
    mn_tensor_ref *grown = realloc(s->tensors, (size_t)want * sizeof *grown);
    if (!grown) return false;
    s->tensors = grown;
    s->capacity = want;
    return true;
}

static minerva_status add_entries(mn_safetensors *s, const context *c,
                                  const json_t *header, const uint8_t *data)
{
    const char *name;
    json_t *entry;
    minerva_status status;
    int64_t first = s->n_tensors;
    if (!reserve(s, json_object_size(header)))
        return mn_fail_memory(c->err, json_object_size(header) * sizeof *s->tensors);
    json_object_foreach((json_t *)header, name, entry) {
        if (!strcmp(name, "__metadata__")) {
            if ((status = check_metadata(c, entry))) return status;
            continue;
        }
        mn_tensor_ref t = { 0 };
        uint64_t begin = 0;
        size_t len = strlen(name);
        if (len == 0 || len > MAX_NAME)
            return mn_fail(c->err, MINERVA_INVALID,
                           "%s: a tensor's name of 1 to %d bytes expected, %zu found",
                           c->path, MAX_NAME, len);
        if ((status = read_entry(c, name, entry, &t, &begin))) return status;
        t.name = mn_arena_strndup(&s->arena, name, len);
        t.name_len = (uint32_t)len;
        t.data = data + begin;
        if (!t.name) return mn_fail_memory(c->err, len);
        s->tensors[s->n_tensors++] = t;
    }
    return check_places(c, s->tensors + first, s->n_tensors - first, data);
}

static minerva_status read_header(const mn_mapfile *f, const char *path, json_t **out,
                                  uint64_t *data_start, minerva_error *err)
{
    static const char lfs[] = "version https://git-lfs";
    uint64_t n = f->size_bytes >= 8 ? mn_load_u64(f->data) : 0;
    if (f->size_bytes >= sizeof lfs && !memcmp(f->data, lfs, sizeof lfs - 1))
        return mn_fail_at(
            err, MINERVA_INVALID, 0,
            "%s: a safetensors file expected, a Git LFS pointer to one found "
            "(git lfs pull)",
            path);
    if (f->size_bytes < 8 || n > MAX_HEADER_BYTES || n < 2 || n > f->size_bytes - 8)
        return mn_fail_at(
            err, MINERVA_INVALID, 0,
            "%s: a safetensors header inside the file of %zu bytes and at most "
            "%d long expected, one of %" PRIu64 " bytes found",
            path, f->size_bytes, MAX_HEADER_BYTES, n);
    if (f->data[8] != '{')
        return mn_fail_at(
            err, MINERVA_INVALID, 8,
            "%s: a safetensors header that begins with '{' expected, byte %02x "
            "found",
            path, f->data[8]);
    char *text = malloc(n);
    if (!text) return mn_fail_memory(err, n);
    memcpy(text, f->data + 8, n);
    minerva_status status = mn_json_parse(out, text, n, path, err);
    free(text);
    *data_start = 8 + n;
    return status;
}

static minerva_status add_file(mn_safetensors *s, const char *path, const mn_mapfile *f,
                               minerva_error *err)
{
    json_t *header;
    uint64_t start = 0;
    minerva_status status = read_header(f, path, &header, &start, err);
    if (status != MINERVA_OK) return status;
    s->size_bytes += f->size_bytes;
    context c = { path, f->size_bytes - start, err };
    status = add_entries(s, &c, header, f->data + start);
    json_decref(header);
    return status;
}

/* ---- all files -------------------------------------------------------------------- */

static minerva_status map_names(mn_safetensors *s, minerva_error *err)
{
    if (!mn_map_reserve(&s->names, (size_t)s->n_tensors))
        return mn_fail_memory(err, (size_t)s->n_tensors * sizeof(mn_map_entry));
    for (int64_t i = 0; i < s->n_tensors; i++) {
        const mn_tensor_ref *t = &s->tensors[i];
        bool existed;
        if (!mn_map_put(&s->names, t->name, t->name_len, (uint32_t)i, &existed))
            return mn_fail_memory(err, t->name_len);
        if (existed)
            return mn_fail(err, MINERVA_INVALID,
                           "tensor %s is in two of the model's files",
                           mn_quoted_name(t->name).text);
    }
    return MINERVA_OK;
}

/* The files at `paths`, or the one in `memory`. */
static minerva_status open_files(mn_safetensors **out, const char *const *paths,
                                 int n_paths, const mn_mapfile *memory,
                                 minerva_error *err)
{
    mn_safetensors *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return mn_fail_memory(err, sizeof *s);
    minerva_status status = MINERVA_OK;
    if (getrandom(&s->names.seed, sizeof s->names.seed, GRND_NONBLOCK) < 0)
        s->names.seed = (uintptr_t)s;
    s->files = calloc(n_paths > 0 ? (size_t)n_paths : 1, sizeof *s->files);
    if (!s->files) status = mn_fail_memory(err, (size_t)n_paths * sizeof *s->files);
    if (memory && status == MINERVA_OK) status = add_file(s, "(memory)", memory, err);
    for (int i = 0; i < n_paths && status == MINERVA_OK; i++) {
        status = mn_mapfile_open(&s->files[i], paths[i], err);
        if (status != MINERVA_OK) break;
        s->n_files++;
        status = add_file(s, paths[i], &s->files[i], err);
    }
    if (status == MINERVA_OK) status = map_names(s, err);
    if (status != MINERVA_OK) {
        mn_safetensors_close(s);
        return status;
    }
    *out = s;
    return MINERVA_OK;
}

minerva_status mn_safetensors_open(mn_safetensors **out, const char *const *paths,
                                   int n_paths, minerva_error *err)
{
    return open_files(out, paths, n_paths, NULL, err);
}

minerva_status mn_safetensors_open_memory(mn_safetensors **out, const void *data,
                                          size_t size_bytes, minerva_error *err)
{
    mn_mapfile memory = { data, size_bytes };
    return open_files(out, NULL, 0, &memory, err);
}

void mn_safetensors_close(mn_safetensors *s)
{
    if (!s) return;
    for (int i = 0; i < s->n_files; i++) mn_mapfile_close(&s->files[i]);
    free(s->files);
    free(s->tensors);
    mn_map_clear(&s->names);
    mn_arena_clear(&s->arena);
    free(s);
}

size_t mn_safetensors_size_bytes(const mn_safetensors *s) { return s->size_bytes; }
int64_t mn_safetensors_n_tensors(const mn_safetensors *s) { return s->n_tensors; }

const mn_tensor_ref *mn_safetensors_at(const mn_safetensors *s, int64_t i)
{
    return i >= 0 && i < s->n_tensors ? &s->tensors[i] : NULL;
}

const mn_tensor_ref *mn_safetensors_find(const mn_safetensors *s, const char *name)
{
    uint32_t i;
    return mn_map_get(&s->names, name, strlen(name), &i) ? &s->tensors[i] : NULL;
}
