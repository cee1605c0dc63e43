/* Schemas with instances (tests/data/schemas, the form of `minerva schema --suite`), and
 * a vocabulary to run them with. */
#ifndef TESTS_SCHEMA_SUITE_H
#define TESTS_SCHEMA_SUITE_H

#include <jansson.h>

#include "constrain/constraint.h"
#include "tests/check.h"
#include "tests/gguf_vocab.h"

static const char *const suite_files[] = { "api", "arrays", "combined", "config", "mixed", "numbers", "objects",
                                           "refs", "strings", NULL };

typedef struct {
    char *source;               /* compact JSON */
    json_t *group;              /* borrowed from the file */
} suite_schema;

typedef struct {
    suite_schema at[1000];
    size_t n;
    json_t *files[32];
    size_t n_files;
} schema_suite;

static inline void schema_suite_load(schema_suite *s)
{
    *s = (schema_suite){ 0 };
    for (int i = 0; suite_files[i]; i++) {
        char name[64];
        json_error_t why;
        json_t *file, *group;
        size_t k;
        snprintf(name, sizeof name, "schemas/%s.json", suite_files[i]);
        file = json_load_file(data(name), JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
        if (!file) fail_msg("%s: line %d: %s", name, why.line, why.text);
        s->files[s->n_files++] = file;
        json_array_foreach(file, k, group) {
            json_t *schema = json_object_get(group, "schema");
            assert_true(s->n < sizeof s->at / sizeof *s->at);
            s->at[s->n++] = (suite_schema){ json_dumps(schema, JSON_ENCODE_ANY | JSON_COMPACT), group };
        }
    }
}

static inline void schema_suite_free(schema_suite *s)
{
    for (size_t i = 0; i < s->n; i++) free(s->at[i].source);
    for (size_t i = 0; i < s->n_files; i++) json_decref(s->files[i]);
}

typedef struct {
    gguf_vocab file;
    mn_tokenizer *tokenizer;
    mn_vocab_trie *trie;
    int32_t n, eog;
} suite_vocab;

static inline void suite_vocab_open(suite_vocab *v, const char *path)
{
    assert_ok(gguf_vocab_open(&v->file, path, err));
    assert_ok(mn_tokenizer_from_gguf(&v->tokenizer, &v->file.vocab, err));
    mn_tokenizer_info info;
    mn_tokenizer_info_get(v->tokenizer, &info);
    v->n = mn_tokenizer_n_tokens(v->tokenizer);
    v->eog = info.eos;
    mn_vocab_token *tokens = calloc((size_t)v->n + 1, sizeof *tokens);
    for (int32_t i = 0; i < v->n; i++) {
        mn_str s = mn_tokenizer_bytes(v->tokenizer, i);
        tokens[i] = (mn_vocab_token){ s.data, (uint32_t)s.len, mn_tokenizer_is_special(v->tokenizer, i) };
    }
    assert_ok(mn_vocab_trie_create(&v->trie, tokens, v->n, &v->eog, 1, err));
    free(tokens);
}

static inline void suite_vocab_close(suite_vocab *v)
{
    mn_vocab_trie_free(v->trie);
    mn_tokenizer_free(v->tokenizer);
    gguf_vocab_close(&v->file);
}

static inline bool mask_has(const uint32_t *mask, int32_t token) { return mask[token / 32] >> token % 32 & 1; }

/* Small, fast, the same everywhere. */
static inline uint32_t suite_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* A token of the mask: any, or one that tends to end what is open; -1: there is none. */
static inline int32_t suite_pick(const suite_vocab *v, const uint32_t *mask, bool closing, uint64_t *random)
{
    if (mask_has(mask, v->eog) && (closing || suite_random(random) % 4 == 0)) return v->eog;
    int32_t best = -1, any = -1;
    uint32_t n = 0, n_best = 0;
    const char *wanted = suite_random(random) % 2 ? "\"" : "}]";
    for (int32_t w = 0; w < (v->n + 31) / 32; w++)
        for (uint32_t bits = mask[w]; bits; bits &= bits - 1) {
            int32_t token = w * 32 + __builtin_ctz(bits);
            if (suite_random(random) % ++n == 0) any = token;
            mn_str s = mn_tokenizer_bytes(v->tokenizer, token);
            if (closing && s.len == 1 && strchr(wanted, s.data[0]) && suite_random(random) % ++n_best == 0) best = token;
        }
    return best >= 0 ? best : any;
}

#endif
