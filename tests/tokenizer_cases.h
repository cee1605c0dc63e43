/* Golden cases of tokenizers: reading them and checking a tokenizer against them. */
#ifndef TESTS_TOKENIZER_CASES_H
#define TESTS_TOKENIZER_CASES_H

#include "base/mapfile.h"
#include "base/utf8.h"
#include "tests/check.h"
#include "text/tokenizer.h"

#include <jansson.h>

typedef struct {
    int n_cases, n_wrong;
    char first[2000];           /* what was wrong first */
} case_result;

static inline char *slurp(const char *path, size_t *len)
{
    char *s = NULL;
    minerva_error err = { 0 };
    if (mn_read_file(path, (size_t)1 << 30, &s, len, &err)) fail_msg("%s", err.message);
    return s;
}

/* tokenizer.json and, if it is there, tokenizer_config.json of a directory. */
static inline minerva_status open_json_dir(mn_tokenizer **t, const char *dir, minerva_error *err)
{
    char path[8000];
    size_t len, config_len = 0;
    char *config = NULL;
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    char *json = slurp(path, &len);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
    if (!access(path, R_OK)) config = slurp(path, &config_len);
    minerva_status st = mn_tokenizer_from_json(t, json, len, config, config_len, err);
    free(json);
    free(config);
    return st;
}

static inline void note(case_result *r, const char *what, const char *text, const char *wanted,
                        const char *found)
{
    if (!r->n_wrong++)
        snprintf(r->first, sizeof r->first, "%s of %.600s:\n  wanted %.600s\n  found  %.600s", what,
                 text, wanted, found);
    if (getenv("TOKENIZER_CASES_ALL"))
        printf("%s of %s:\n  wanted %s\n  found  %s\n", what, text, wanted, found);
}

static inline void ids_to_string(const int32_t *ids, size_t n, mn_buffer *b)
{
    mn_buffer_append_str(b, "[");
    for (size_t i = 0; i < n; i++) mn_buffer_append_fmt(b, "%s%d", i ? ", " : "", ids[i]);
    mn_buffer_append_str(b, "]");
}

static inline void check_ids(case_result *r, const mn_tokenizer *t, const char *what,
                             const char *text, size_t len, mn_encode_options o,
                             const json_t *wanted)
{
    mn_ids ids = { 0 };
    minerva_error err = { 0 };
    if (mn_tokenizer_encode(t, text, len, &o, &ids, &err)) fail_msg("%s", err.message);
    bool same = ids.n == json_array_size(wanted);
    for (size_t i = 0; same && i < ids.n; i++)
        same = json_integer_value(json_array_get(wanted, i)) == ids.ids[i];
    if (!same) {
        json_t *whole = json_stringn(text, len);
        char *w = json_dumps(wanted, 0), *shown = json_dumps(whole, JSON_ENCODE_ANY);
        mn_buffer found = { 0 };
        ids_to_string(ids.ids, ids.n, &found);
        note(r, what, shown ? shown : text, w, found.data);
        mn_buffer_clear(&found);
        json_decref(whole);
        free(w);
        free(shown);
    }
    mn_ids_clear(&ids);
}

static inline void check_text(case_result *r, const mn_tokenizer *t, const char *what,
                              const int32_t *ids, size_t n, bool skip, const json_t *wanted)
{
    mn_buffer whole = { 0 }, parts = { 0 }, shown = { 0 };
    minerva_error err = { 0 };
    mn_detokenizer *d = NULL;
    if (mn_tokenizer_decode(t, ids, n, skip, &whole, &err)) fail_msg("%s", err.message);
    if (mn_detokenizer_create(&d, t, skip, &err)) fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        mn_detokenizer_feed(d, ids[i], &parts, &err);
        if (parts.len && !mn_utf8_valid(parts.data, parts.len)) note(r, what, "streaming", "whole characters", "half");
    }
    mn_detokenizer_finish(d, &parts, &err);
    mn_detokenizer_free(d);
    ids_to_string(ids, n, &shown);
    const char *w = json_string_value(wanted);
    size_t w_len = json_string_length(wanted);
    if (whole.len != w_len || (w_len && memcmp(whole.data, w, w_len)))
        note(r, what, shown.data, w, whole.data ? whole.data : "");
    if (parts.len != whole.len || (parts.len && memcmp(parts.data, whole.data, parts.len)))
        note(r, "streaming", shown.data, w, parts.data ? parts.data : "");
    mn_buffer_clear(&whole);
    mn_buffer_clear(&parts);
    mn_buffer_clear(&shown);
}

static inline void check_decoded(case_result *r, const mn_tokenizer *t, const char *what,
                                 const json_t *ids, bool skip, const json_t *wanted)
{
    size_t n = json_array_size(ids);
    int32_t *list = malloc((n + 1) * sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    check_text(r, t, what, list, n, skip, wanted);
    free(list);
}

/* Each line of a .jsonl file: all that it holds of text, ids, ids_special, ids_as_text,
 * decoded, decoded_skip. */
static inline case_result check_cases(const mn_tokenizer *t, const char *path)
{
    case_result r = { 0 };
    size_t len;
    char *all = slurp(path, &len);
    for (char *line = all, *end; (end = strchr(line, '\n')); line = end + 1) {
        json_t *c = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, NULL);
        if (!c) fail_msg("%s: a line that is no JSON", path);
        const json_t *text = json_object_get(c, "text"), *ids = json_object_get(c, "ids"), *v;
        const char *s = json_string_value(text);
        size_t n = json_string_length(text);
        r.n_cases++;
        if (text) check_ids(&r, t, "ids", s, n, (mn_encode_options){ .no_special = true }, ids);
        if ((v = json_object_get(c, "ids_special")))
            check_ids(&r, t, "ids_special", s, n, (mn_encode_options){ 0 }, v);
        v = json_object_get(c, "ids_as_text");
        if (text)
            check_ids(&r, t, "ids_as_text", s, n,
                      (mn_encode_options){ .no_special = true, .plain = true }, v ? v : ids);
        if ((v = json_object_get(c, "decoded"))) check_decoded(&r, t, "decoded", ids, false, v);
        if ((v = json_object_get(c, "decoded_skip")))
            check_decoded(&r, t, "decoded_skip", ids, true, v);
        json_decref(c);
    }
    free(all);
    return r;
}

#define assert_cases(t, path)                                                              \
    do {                                                                                   \
        case_result cases = check_cases(t, path);                                          \
        if (cases.n_wrong || !cases.n_cases)                                               \
            fail_msg("%s: %d wrong of %d cases; first: %s", path, cases.n_wrong,           \
                     cases.n_cases, cases.first);                                          \
    } while (0)

#endif
