/* Reading the config: one logical field, two spellings.
 *
 * GGUF keys go through format/gguf.h's typed getters, which check the type; config.json
 * values are checked here.  Both are checked against a range, because a hyperparameter is
 * foreign input: 0 heads, a negative width or a NaN epsilon must become a message that
 * names the field.
 *
 * (1) JSON null and a missing key are the same thing, as in the Python config classes.
 * (2) Whole numbers written as 1e6 are integers; true and "8" are not.
 * (3) {"__float__": "Infinity"} is how newer Python writers spell an infinite number.
 */
#include "model/build.h"
#include "model/outline.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail_with(mn_build *b, minerva_status status, const char *fmt, va_list args)
{
    if (b->status) return;
    char text[400];
    vsnprintf(text, sizeof text, fmt, args);
    b->status = mn_fail(b->err, status, "%s", text);
}

void mn_build_invalid(mn_build *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_with(b, MINERVA_INVALID, fmt, args);
    va_end(args);
}

void mn_build_unsupported(mn_build *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_with(b, MINERVA_UNSUPPORTED, fmt, args);
    va_end(args);
}

void *mn_build_alloc(mn_build *b, size_t n, size_t size_bytes)
{
    if (b->status) return NULL;
    void *p = mn_arena_array(&b->plan->arena, n ? n : 1, size_bytes);
    if (!p) b->status = mn_fail_memory(b->err, n * size_bytes);
    return p;
}

/* ---- finding a field ------------------------------------------------------------------ */

enum { KEY_MAX = 128 };

/* "attention.head_count" -> "%s.attention.head_count" */
static const char *gguf_key(const char *key, char out[KEY_MAX])
{
    bool whole = !strncmp(key, "general.", 8) || !strncmp(key, "xielu.", 6);
    snprintf(out, KEY_MAX, whole ? "%s" : "%%s.%s", key);
    return out;
}

static const json_t *descend(const json_t *object, const char *path, size_t len)
{
    while (object && len) {
        const char *dot = memchr(path, '.', len);
        size_t n = dot ? (size_t)(dot - path) : len;
        char key[KEY_MAX];
        if (n >= sizeof key) return NULL;
        memcpy(key, path, n);
        key[n] = 0;
        object = json_object_get(object, key);      /* NULL for anything but an object */
        path += dot ? n + 1 : n;
        len -= dot ? n + 1 : n;
    }
    return json_is_null(object) ? NULL : object;
}

/* The first of the alternatives that is there; `found` gets its spelling (or the first). */
static const json_t *find_json(const mn_build *b, const char *names, char found[KEY_MAX])
{
    found[0] = 0;
    for (const char *p = names; p && *p;) {
        while (*p == ' ') p++;
        bool outer = *p == '^';
        if (outer) p++;
        size_t n = strcspn(p, " ");
        const json_t *v = descend(b->config, p, n);
        if (!v && outer) v = descend(b->config_top, p, n);
        if (v || !found[0]) snprintf(found, KEY_MAX, "%.*s", (int)n, p);
        if (v) return v;
        p += n;
    }
    return NULL;
}

const json_t *mn_config_json(const mn_build *b, const char *hf)
{
    char found[KEY_MAX];
    return b->gguf || !hf ? NULL : find_json(b, hf, found);
}

bool mn_config_has(const mn_build *b, const char *gguf, const char *hf)
{
    char key[KEY_MAX];
    if (b->gguf) return gguf && mn_gguf_find_arch(b->file, gguf_key(gguf, key));
    return mn_config_json(b, hf) != NULL;
}

bool mn_config_null(const mn_build *b, const char *hf)
{
    char key[KEY_MAX];
    for (const char *p = hf; !b->gguf && p && *p;) {
        while (*p == ' ') p++;
        size_t n = strcspn(p, " ");
        snprintf(key, sizeof key, "%.*s", (int)n, p);
        if (json_is_null(json_object_get(b->config, key))) return true;
        p += n;
    }
    return false;
}

/* What the field is called in this file, for messages. */
static const char *field_name(const mn_build *b, const char *gguf, const char *hf,
                              char out[2 * KEY_MAX])
{
    char found[KEY_MAX];
    if (!b->gguf) {
        find_json(b, hf, found);
        snprintf(out, 2 * KEY_MAX, "config.json: %s", found);
    } else if (!strncmp(gguf, "general.", 8)) {
        snprintf(out, 2 * KEY_MAX, "%s", gguf);
    } else {
        snprintf(out, 2 * KEY_MAX, "%.100s.%s", b->arch, gguf);
    }
    return out;
}

static const char *json_kind(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_TRUE: case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    default: return "a number";
    }
}

static bool json_to_real(const json_t *v, double *out)
{
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    const char *word = json_string_value(json_object_get(v, "__float__"));
    if (!word) return false;
    bool negative = *word == '-';
    if (!strcmp(word + negative, "Infinity")) *out = negative ? -INFINITY : INFINITY;
    else if (!strcmp(word, "NaN")) *out = NAN;
    else return false;
    return true;
}

static bool json_to_int(const json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    if (!json_is_real(v)) return false;
    double d = json_real_value(v);
    if (!(d > -9e15 && d < 9e15) || d != floor(d)) return false;
    *out = (int64_t)d;
    return true;
}

/* ---- scalars -------------------------------------------------------------------------- */

static int64_t clamp_int(int64_t v, int64_t min, int64_t max)
{
    return v < min ? min : v > max ? max : v;
}

static int64_t read_int(mn_build *b, const char *gguf, const char *hf, int64_t fallback,
                        int64_t min, int64_t max)
{
    char name[2 * KEY_MAX], key[KEY_MAX];
    int64_t safe = fallback == MN_REQUIRED_INT ? min : fallback, v = safe;
    if (b->status) return clamp_int(safe, min, max);
    if (!mn_config_has(b, gguf, hf)) {
        if (fallback == MN_REQUIRED_INT)
            mn_build_invalid(b, "%s: an integer expected, but the field is missing",
                             b->gguf && !gguf ? hf : field_name(b, gguf, hf, name));
        return safe;
    }
    if (b->gguf) {
        b->status = mn_gguf_get_int(b->file, gguf_key(gguf, key), safe, &v, b->err);
    } else {
        const json_t *j = mn_config_json(b, hf);
        if (!json_to_int(j, &v))
            mn_build_invalid(b, "%s: an integer expected, %s found",
                             field_name(b, gguf, hf, name), json_kind(j));
    }
    if (!b->status && (v < min || v > max))
        mn_build_invalid(b, "%s: an integer from %lld to %lld expected, %lld found",
                         field_name(b, gguf, hf, name), (long long)min, (long long)max,
                         (long long)v);
    return b->status ? clamp_int(safe, min, max) : v;
}

int64_t mn_config_int(mn_build *b, const char *gguf, const char *hf, int64_t fallback,
                      int64_t min, int64_t max)
{
    int64_t v = read_int(b, gguf, hf, fallback, min, max);
    if (b->log)
        mn_config_note(b, &(mn_config_field){ .gguf = gguf, .hf = hf, .kind = MN_LOG_INT,
                                              .found = mn_config_has(b, gguf, hf), .integer = v });
    return v;
}

static double read_real(mn_build *b, const char *gguf, const char *hf, double fallback,
                        double min, double max)
{
    char name[2 * KEY_MAX], key[KEY_MAX];
    double safe = isnan(fallback) ? min : fallback, v = safe;
    if (b->status) return safe;
    if (!mn_config_has(b, gguf, hf)) {
        if (isnan(fallback))
            mn_build_invalid(b, "%s: a number expected, but the field is missing",
                             b->gguf && !gguf ? hf : field_name(b, gguf, hf, name));
        return safe;
    }
    if (b->gguf) {
        b->status = mn_gguf_get_float(b->file, gguf_key(gguf, key), safe, &v, b->err);
    } else {
        const json_t *j = mn_config_json(b, hf);
        if (!json_to_real(j, &v))
            mn_build_invalid(b, "%s: a number expected, %s found",
                             field_name(b, gguf, hf, name), json_kind(j));
    }
    if (!b->status && !(v >= min && v <= max))
        mn_build_invalid(b, "%s: a number from %g to %g expected, %g found",
                         field_name(b, gguf, hf, name), min, max, v);
    return b->status ? safe : v;
}

double mn_config_real(mn_build *b, const char *gguf, const char *hf, double fallback,
                      double min, double max)
{
    double v = read_real(b, gguf, hf, fallback, min, max);
    if (b->log)
        mn_config_note(b, &(mn_config_field){ .gguf = gguf, .hf = hf, .kind = MN_LOG_REAL,
                                              .found = mn_config_has(b, gguf, hf), .real = v });
    return v;
}

static bool read_bool(mn_build *b, const char *gguf, const char *hf, bool fallback)
{
    char name[2 * KEY_MAX], key[KEY_MAX];
    bool v = fallback;
    if (b->status || !mn_config_has(b, gguf, hf)) return fallback;
    if (b->gguf) {
        b->status = mn_gguf_get_bool(b->file, gguf_key(gguf, key), fallback, &v, b->err);
    } else {
        const json_t *j = mn_config_json(b, hf);
        if (json_is_boolean(j)) v = json_is_true(j);
        else if (json_is_integer(j) && (json_integer_value(j) & ~1) == 0)
            v = json_integer_value(j) == 1;
        else
            mn_build_invalid(b, "%s: true or false expected, %s found",
                             field_name(b, gguf, hf, name), json_kind(j));
    }
    return b->status ? fallback : v;
}

bool mn_config_bool(mn_build *b, const char *gguf, const char *hf, bool fallback)
{
    bool v = read_bool(b, gguf, hf, fallback);
    if (b->log)
        mn_config_note(b, &(mn_config_field){ .gguf = gguf, .hf = hf, .kind = MN_LOG_BOOL,
                                              .found = mn_config_has(b, gguf, hf), .integer = v });
    return v;
}

static const char *read_word(mn_build *b, const char *gguf, const char *hf, const char *fallback)
{
    char name[2 * KEY_MAX], key[KEY_MAX];
    if (b->status || !mn_config_has(b, gguf, hf)) return fallback;
    mn_gguf_string s = { 0 };
    if (b->gguf) {
        b->status = mn_gguf_get_string(b->file, gguf_key(gguf, key), &s, b->err);
    } else {
        const json_t *j = mn_config_json(b, hf);
        s.data = json_string_value(j);
        if (s.data) s.len = json_string_length(j);
        else mn_build_invalid(b, "%s: a string expected, %s found",
                              field_name(b, gguf, hf, name), json_kind(j));
    }
    if (b->status) return fallback;
    char *copy = mn_build_alloc(b, s.len + 1, 1);
    if (!copy) return fallback;
    if (s.len) memcpy(copy, s.data, s.len);
    return copy;
}

const char *mn_config_word(mn_build *b, const char *gguf, const char *hf, const char *fallback)
{
    const char *v = read_word(b, gguf, hf, fallback);
    if (b->log)
        mn_config_note(b, &(mn_config_field){ .gguf = gguf, .hf = hf, .kind = MN_LOG_WORD,
                                              .found = mn_config_has(b, gguf, hf), .word = v });
    return v;
}

void mn_config_refuse(mn_build *b, const char *gguf, const char *hf, double neutral)
{
    char name[2 * KEY_MAX], key[KEY_MAX];
    if (b->status || !mn_config_has(b, gguf, hf)) return;
    double v = NAN;
    if (b->gguf) {
        const mn_gguf_kv *kv = mn_gguf_find_arch(b->file, gguf_key(gguf, key));
        if (kv->type == MN_GGUF_BOOL) v = kv->data[0] != 0;
        else if (kv->type != MN_GGUF_ARRAY && kv->type != MN_GGUF_STRING)
            b->status = mn_gguf_get_float(b->file, gguf_key(gguf, key), 0, &v, b->err);
        else if (kv->type == MN_GGUF_ARRAY && kv->n == 0) return;
    } else {
        const json_t *j = mn_config_json(b, hf);
        if (json_is_boolean(j)) v = json_is_true(j);
        else if (!json_to_real(j, &v) && json_is_array(j) && json_array_size(j) == 0) return;
    }
    if (v == 0 || v == neutral) return;
    mn_build_unsupported(b, "%s: this option of the family \"%s\" is not implemented",
                         field_name(b, gguf, hf, name), b->plan->family);
}

/* ---- lists ---------------------------------------------------------------------------- */

static const int32_t *read_per_layer(mn_build *b, const char *gguf, const char *hf,
                                     int64_t fallback, int64_t min, int64_t max,
                                     int32_t n_layers)
{
    char name[2 * KEY_MAX], key[KEY_MAX];
    int32_t *out = mn_build_alloc(b, (size_t)n_layers, sizeof *out);
    if (!out) return NULL;
    const json_t *j = mn_config_json(b, hf);
    bool list = json_is_array(j);
    if (b->gguf && gguf) {
        const mn_gguf_kv *kv = mn_gguf_find_arch(b->file, gguf_key(gguf, key));
        list = kv && kv->type == MN_GGUF_ARRAY;
    }
    if (!list) {
        int32_t v = (int32_t)read_int(b, gguf, hf, fallback, min, max);
        for (int32_t i = 0; i < n_layers; i++) out[i] = v;
        return out;
    }
    int64_t *values = NULL, n = 0;
    if (b->gguf) {
        b->status = mn_gguf_get_ints(b->file, gguf_key(gguf, key), 1 << 20, &values,
                                     &n, b->err);
    } else {
        n = (int64_t)json_array_size(j);
    }
    if (!b->status && n < n_layers)
        mn_build_invalid(b, "%s: one value for each of the %d layers expected, %lld found",
                         field_name(b, gguf, hf, name), n_layers, (long long)n);
    for (int32_t i = 0; i < n_layers && !b->status; i++) {
        int64_t v = 0;
        if (b->gguf) v = values[i];
        else if (!json_to_int(json_array_get(j, (size_t)i), &v) &&
                 !json_is_boolean(json_array_get(j, (size_t)i)))
            mn_build_invalid(b, "%s: a list of integers expected, %s found at %d",
                             field_name(b, gguf, hf, name),
                             json_kind(json_array_get(j, (size_t)i)), i);
        else if (json_is_true(json_array_get(j, (size_t)i))) v = 1;
        if (!b->status && (v < min || v > max))
            mn_build_invalid(b, "%s: integers from %lld to %lld expected, %lld found at %d",
                             field_name(b, gguf, hf, name), (long long)min, (long long)max,
                             (long long)v, i);
        if (!b->status) out[i] = (int32_t)v;
    }
    free(values);
    return b->status ? NULL : out;
}

const int32_t *mn_config_per_layer(mn_build *b, const char *gguf, const char *hf, int64_t fallback,
                                   int64_t min, int64_t max, int32_t n_layers)
{
    const int32_t *v = read_per_layer(b, gguf, hf, fallback, min, max, n_layers);
    if (b->log && v)
        mn_config_note(b, &(mn_config_field){ .gguf = gguf, .hf = hf, .kind = MN_LOG_INTS,
                                              .found = mn_config_has(b, gguf, hf),
                                              .integers = v, .n = n_layers });
    return v;
}

static const double *read_reals(mn_build *b, const char *gguf, const char *hf, int64_t limit,
                                int32_t *n)
{
    char name[2 * KEY_MAX], key[KEY_MAX];
    *n = 0;
    if (b->status || !mn_config_has(b, gguf, hf)) return NULL;
    int64_t count = 0;
    float *values = NULL;
    const json_t *j = mn_config_json(b, hf);
    if (b->gguf) {
        b->status = mn_gguf_get_floats(b->file, gguf_key(gguf, key), limit, &values,
                                       &count, b->err);
    } else if (json_is_array(j) && json_array_size(j) <= (size_t)limit) {
        count = (int64_t)json_array_size(j);
    } else {
        mn_build_invalid(b, "%s: a list of at most %lld numbers expected, %s found",
                         field_name(b, gguf, hf, name), (long long)limit, json_kind(j));
    }
    double *out = mn_build_alloc(b, (size_t)count, sizeof *out);
    for (int64_t i = 0; out && i < count; i++) {
        if (b->gguf) out[i] = values[i];
        else if (!json_to_real(json_array_get(j, (size_t)i), &out[i]))
            mn_build_invalid(b, "%s: a list of numbers expected, %s found at %lld",
                             field_name(b, gguf, hf, name),
                             json_kind(json_array_get(j, (size_t)i)), (long long)i);
    }
    free(values);
    if (b->status) return NULL;
    *n = (int32_t)count;
    return out;
}

const double *mn_config_reals(mn_build *b, const char *gguf, const char *hf, int64_t limit,
                              int32_t *n)
{
    const double *v = read_reals(b, gguf, hf, limit, n);
    if (b->log && v)
        mn_config_note(b, &(mn_config_field){ .gguf = gguf, .hf = hf, .kind = MN_LOG_REALS,
                                              .found = true, .reals = v, .n = *n });
    return v;
}

const int32_t *mn_config_layer_types(mn_build *b, const char *hf, const char *const *words,
                                     int32_t n_layers)
{
    char name[2 * KEY_MAX];
    const json_t *j = mn_config_json(b, hf);
    if (b->status || !j) return NULL;
    if (!json_is_array(j) || json_array_size(j) < (size_t)n_layers) {
        mn_build_invalid(b, "%s: a list of %d words expected, %s of %zu found",
                         field_name(b, NULL, hf, name), n_layers, json_kind(j),
                         json_array_size(j));
        return NULL;
    }
    int32_t *out = mn_build_alloc(b, (size_t)n_layers, sizeof *out);
    for (int32_t i = 0; i < n_layers && !b->status; i++) {
        const char *word = json_string_value(json_array_get(j, (size_t)i));
        int32_t k = 0;
        while (words[k] && (!word || strcmp(word, words[k]))) k++;
        if (!words[k])
            mn_build_unsupported(b, "%s: layer %d is of an unknown type \"%.60s\"",
                                 field_name(b, NULL, hf, name), i, word ? word : "?");
        else out[i] = k;
    }
    return b->status ? NULL : out;
}

mn_act mn_config_act(mn_build *b, const char *gguf, const char *hf, mn_act fallback)
{
    static const struct { const char *word; mn_act act; } known[] = {
        { "silu", MN_ACT_SILU }, { "swish", MN_ACT_SILU }, { "swiglu", MN_ACT_SILU },
        { "gelu_pytorch_tanh", MN_ACT_GELU_TANH }, { "gelu_new", MN_ACT_GELU_TANH },
        { "gelu_fast", MN_ACT_GELU_TANH }, { "gelu_accurate", MN_ACT_GELU_TANH },
        { "gelu", MN_ACT_GELU_ERF }, { "gelu_python", MN_ACT_GELU_ERF },
        { "relu", MN_ACT_RELU }, { "relu2", MN_ACT_RELU2 },
    };
    char name[2 * KEY_MAX];
    const char *word = mn_config_word(b, gguf, hf, NULL);
    if (!word) return fallback;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(word, known[i].word)) return known[i].act;
    mn_build_unsupported(b, "%s: activation \"%.60s\" is not implemented",
                         field_name(b, gguf, hf, name), word);
    return fallback;
}
