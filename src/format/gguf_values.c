/* Reading metadata values by type; the contract is in gguf.h.
 *
 * Values were checked to lie inside the file, not to be sensible: files in the wild store
 * the same key as u32, i32, u64 or f32, so a number is taken from whatever type holds it
 * exactly, and everything else is refused with the key, what was expected and what the
 * file has. */
#include "base/status.h"
#include "format/gguf_file.h"
#include "format/quoted.h"
#include "tensor/quant.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 256 };     /* of keys that we ask for */

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [MN_GGUF_U8] = { "a u8", 1 },           [MN_GGUF_I8] = { "an i8", 1 },
    [MN_GGUF_U16] = { "a u16", 2 },         [MN_GGUF_I16] = { "an i16", 2 },
    [MN_GGUF_U32] = { "a u32", 4 },         [MN_GGUF_I32] = { "an i32", 4 },
    [MN_GGUF_F32] = { "an f32", 4 },        [MN_GGUF_BOOL] = { "a bool", 1 },
    [MN_GGUF_STRING] = { "a string", 0 },   [MN_GGUF_ARRAY] = { "an array", 0 },
    [MN_GGUF_U64] = { "a u64", 8 },         [MN_GGUF_I64] = { "an i64", 8 },
    [MN_GGUF_F64] = { "an f64", 8 },
};

size_t mn_gguf_type_bytes(mn_gguf_type type) { return types[type].bytes; }
const char *mn_gguf_type_name(mn_gguf_type type) { return types[type].name; }

/* ---- finding ---------------------------------------------------------------------- */

const mn_gguf_kv *mn_gguf_find(const mn_gguf *g, const char *key)
{
    return mn_gguf_part_find(&g->parts[0], key, strlen(key));
}

const mn_gguf_kv *mn_gguf_find_arch(const mn_gguf *g, const char *key_fmt)
{
    const char *at = strstr(key_fmt, "%s");
    if (!at) return mn_gguf_find(g, key_fmt);
    const mn_gguf_kv *arch = mn_gguf_find(g, "general.architecture");
    if (!arch || arch->type != MN_GGUF_STRING) return NULL;
    size_t before = (size_t)(at - key_fmt), after = strlen(at + 2);
    uint64_t len = mn_load_u64(arch->data);
    char key[MAX_KEY];
    if (before + after >= sizeof key || len >= sizeof key - before - after) return NULL;
    memcpy(key, key_fmt, before);
    memcpy(key + before, arch->data + 8, len);
    memcpy(key + before + len, at + 2, after);
    return mn_gguf_part_find(&g->parts[0], key, before + len + after);
}

/* ---- one value -------------------------------------------------------------------- */

static bool double_at(mn_gguf_type type, const uint8_t *p, double *out)
{
    if (type == MN_GGUF_F32) {
        *out = mn_load_f32(p);
    } else if (type == MN_GGUF_F64) {
        uint64_t bits = mn_load_u64(p);
        memcpy(out, &bits, sizeof *out);
    } else {
        return false;
    }
    return true;
}

bool mn_gguf_kv_int(const mn_gguf_kv *kv, uint64_t i, int64_t *out)
{
    mn_gguf_type type = kv->type == MN_GGUF_ARRAY ? kv->item_type : kv->type;
    const uint8_t *p = kv->data + i * types[type].bytes;
    double d;
    switch (type) {
    case MN_GGUF_BOOL:
        *out = p[0];
        return p[0] <= 1;
    case MN_GGUF_U8: *out = p[0]; return true;
    case MN_GGUF_I8: *out = (int8_t)p[0]; return true;
    case MN_GGUF_U16: *out = mn_load_u16(p); return true;
    case MN_GGUF_I16: *out = (int16_t)mn_load_u16(p); return true;
    case MN_GGUF_U32: *out = mn_load_u32(p); return true;
    case MN_GGUF_I32: *out = (int32_t)mn_load_u32(p); return true;
    case MN_GGUF_I64: *out = (int64_t)mn_load_u64(p); return true;
    case MN_GGUF_U64:
        *out = (int64_t)mn_load_u64(p);
        return *out >= 0;
    case MN_GGUF_F32: case MN_GGUF_F64:
        if (!double_at(type, p, &d) || !(d >= -0x1p63 && d < 0x1p63)) return false;
        *out = (int64_t)d;
        return (double)*out == d;
    case MN_GGUF_STRING: case MN_GGUF_ARRAY: break;
    }
    return false;
}

static bool kv_double(const mn_gguf_kv *kv, uint64_t i, double *out)
{
    mn_gguf_type type = kv->type == MN_GGUF_ARRAY ? kv->item_type : kv->type;
    int64_t whole;
    if (double_at(type, kv->data + i * types[type].bytes, out)) return true;
    if (!mn_gguf_kv_int(kv, i, &whole)) return false;
    *out = (double)whole;
    return whole > -(1ll << 53) && whole < 1ll << 53;
}

/* The refusal of item i (of a scalar: its only one) that is not what was expected. */
static minerva_status refuse(const mn_gguf *g, const mn_gguf_kv *kv, uint64_t i,
                             const char *expected, minerva_error *err)
{
    char found[80];
    mn_gguf_type type = kv->type == MN_GGUF_ARRAY ? kv->item_type : kv->type;
    int64_t whole;
    double d;
    if (type == MN_GGUF_STRING)
        snprintf(found, sizeof found, "a string");
    else if (double_at(type, kv->data + i * types[type].bytes, &d))
        snprintf(found, sizeof found, "%s of %g", types[type].name, d);
    else if (mn_gguf_kv_int(kv, i, &whole))
        snprintf(found, sizeof found, "%s of %" PRId64, types[type].name, whole);
    else
        snprintf(found, sizeof found, "%s that is out of range", types[type].name);
    char item[40] = "";
    if (kv->type == MN_GGUF_ARRAY) snprintf(item, sizeof item, " item %" PRIu64, i);
    return mn_fail(err, MINERVA_INVALID, "%s: key %s%s: %s expected, %s found",
                   g->parts[0].path, mn_quoted_bytes(kv->key.data, kv->key.len).text,
                   item, expected, found);
}

static minerva_status refuse_array(const mn_gguf *g, const mn_gguf_kv *kv,
                                   const char *expected, minerva_error *err)
{
    return mn_fail(err, MINERVA_INVALID, "%s: key %s: %s expected, an array of %" PRIu64
                   " items found", g->parts[0].path,
                   mn_quoted_bytes(kv->key.data, kv->key.len).text, expected, kv->n);
}

minerva_status mn_gguf_get_int(const mn_gguf *g, const char *key, int64_t fallback,
                               int64_t *out, minerva_error *err)
{
    const mn_gguf_kv *kv = mn_gguf_find_arch(g, key);
    *out = fallback;
    if (!kv) return MINERVA_OK;
    if (kv->type == MN_GGUF_ARRAY) return refuse_array(g, kv, "an integer", err);
    int64_t value;
    if (!mn_gguf_kv_int(kv, 0, &value)) return refuse(g, kv, 0, "an integer", err);
    *out = value;
    return MINERVA_OK;
}

minerva_status mn_gguf_get_float(const mn_gguf *g, const char *key, double fallback,
                                 double *out, minerva_error *err)
{
    const mn_gguf_kv *kv = mn_gguf_find_arch(g, key);
    *out = fallback;
    if (!kv) return MINERVA_OK;
    if (kv->type == MN_GGUF_ARRAY) return refuse_array(g, kv, "a number", err);
    double value;
    if (!kv_double(kv, 0, &value) || !isfinite(value))
        return refuse(g, kv, 0, "a finite number", err);
    *out = value;
    return MINERVA_OK;
}

minerva_status mn_gguf_get_bool(const mn_gguf *g, const char *key, bool fallback,
                                bool *out, minerva_error *err)
{
    const mn_gguf_kv *kv = mn_gguf_find_arch(g, key);
    *out = fallback;
    if (!kv) return MINERVA_OK;
    if (kv->type == MN_GGUF_ARRAY) return refuse_array(g, kv, "a bool", err);
    int64_t value;
    if (!mn_gguf_kv_int(kv, 0, &value) || value < 0 || value > 1)
        return refuse(g, kv, 0, "a bool", err);
    *out = value == 1;
    return MINERVA_OK;
}

minerva_status mn_gguf_get_string(const mn_gguf *g, const char *key, mn_gguf_string *out,
                                  minerva_error *err)
{
    const mn_gguf_kv *kv = mn_gguf_find_arch(g, key);
    *out = (mn_gguf_string){ NULL, 0 };
    if (!kv) return MINERVA_OK;
    if (kv->type == MN_GGUF_ARRAY) return refuse_array(g, kv, "a string", err);
    if (kv->type != MN_GGUF_STRING) return refuse(g, kv, 0, "a string", err);
    *out = (mn_gguf_string){ (const char *)kv->data + 8, mn_load_u64(kv->data) };
    return MINERVA_OK;
}

/* ---- arrays ----------------------------------------------------------------------- */

/* The key, or NULL if absent; memory for its items of `item_bytes` in *items. */
static minerva_status begin_array(const mn_gguf *g, const char *key, int64_t limit,
                                  size_t item_bytes, const mn_gguf_kv **kv, void **items,
                                  minerva_error *err)
{
    *items = NULL;
    *kv = mn_gguf_find_arch(g, key);
    if (!*kv) return MINERVA_OK;
    uint64_t n = (*kv)->n;
    if (limit < 0 || n > (uint64_t)limit)
        return mn_fail(err, MINERVA_LIMIT,
                       "%s: key %s: at most %" PRId64 " items expected, %" PRIu64
                       " found",
                       g->parts[0].path,
                       mn_quoted_bytes((*kv)->key.data, (*kv)->key.len).text, limit, n);
    *items = calloc(n ? n : 1, item_bytes);
    return *items ? MINERVA_OK : mn_fail_memory(err, n * item_bytes);
}

minerva_status mn_gguf_get_ints(const mn_gguf *g, const char *key, int64_t limit,
                                int64_t **out, int64_t *n, minerva_error *err)
{
    const mn_gguf_kv *kv;
    void *items;
    *out = NULL;
    *n = 0;
    minerva_status status = begin_array(g, key, limit, sizeof **out, &kv, &items, err);
    if (status != MINERVA_OK || !kv) return status;
    int64_t *values = items;
    for (uint64_t i = 0; i < kv->n; i++) {
        if (mn_gguf_kv_int(kv, i, &values[i])) continue;
        free(values);
        return refuse(g, kv, i, "an integer", err);
    }
    *out = values;
    *n = (int64_t)kv->n;
    return MINERVA_OK;
}

minerva_status mn_gguf_get_floats(const mn_gguf *g, const char *key, int64_t limit,
                                  float **out, int64_t *n, minerva_error *err)
{
    const mn_gguf_kv *kv;
    void *items;
    *out = NULL;
    *n = 0;
    minerva_status status = begin_array(g, key, limit, sizeof **out, &kv, &items, err);
    if (status != MINERVA_OK || !kv) return status;
    float *values = items;
    for (uint64_t i = 0; i < kv->n; i++) {
        double d;
        if (kv_double(kv, i, &d) && (fabs(d) <= 3.4028234663852886e38)) {
            values[i] = (float)d;
            continue;
        }
        free(values);
        return refuse(g, kv, i, "a finite number", err);
    }
    *out = values;
    *n = (int64_t)kv->n;
    return MINERVA_OK;
}

minerva_status mn_gguf_get_strings(const mn_gguf *g, const char *key, int64_t limit,
                                   mn_gguf_string **out, int64_t *n, minerva_error *err)
{
    const mn_gguf_kv *kv;
    void *items;
    *out = NULL;
    *n = 0;
    minerva_status status = begin_array(g, key, limit, sizeof **out, &kv, &items, err);
    if (status != MINERVA_OK || !kv) return status;
    if (kv->item_type != MN_GGUF_STRING) {
        free(items);
        return kv->n ? refuse(g, kv, 0, "a string", err)
                     : refuse_array(g, kv, "strings", err);
    }
    mn_gguf_string *values = items;
    const uint8_t *p = kv->data;
    for (uint64_t i = 0; i < kv->n; i++) {
        size_t len = mn_load_u64(p);
        values[i] = (mn_gguf_string){ (const char *)p + 8, len };
        p += 8 + len;
    }
    *out = values;
    *n = (int64_t)kv->n;
    return MINERVA_OK;
}
