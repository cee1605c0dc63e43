/* From a model's files to its tokenizer.
 *
 * A GGUF file carries the vocabulary as metadata arrays, which are lent to the text room
 * as slices of the mapping.  A directory carries tokenizer.json, or tokenizer.model where
 * the model is older; tokenizer_config.json beside either says what is added.  Either file
 * may also be opened by itself.
 */
#include "base/mapfile.h"
#include "base/status.h"
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 1 << 24, MAX_TOKENIZER_BYTES = 512 << 20, MAX_CONFIG_BYTES = 16 << 20 };

_Static_assert(sizeof(mn_gguf_string) == sizeof(mn_str), "lent without conversion");

/* The arrays behind an mn_gguf_vocab; freed once the tokenizer is built. */
typedef struct {
    mn_gguf_string *tokens, *merges;
    float *scores;
    int64_t *wide_types;
    int32_t *types;
} vocab_arrays;

static void arrays_clear(vocab_arrays *a)
{
    free(a->tokens);
    free(a->merges);
    free(a->scores);
    free(a->wide_types);
    free(a->types);
}

static minerva_status get_str(const mn_gguf *g, const char *key, mn_str *out, minerva_error *err)
{
    mn_gguf_string s;
    minerva_status st = mn_gguf_get_string(g, key, &s, err);
    if (st == MINERVA_OK) *out = (mn_str){ s.data, s.len };
    return st;
}

/* A token id, -1 if the key is absent or (as some converters write) out of the list. */
static minerva_status get_id(const mn_gguf *g, const char *key, int64_t n_tokens, int32_t *out,
                             minerva_error *err)
{
    int64_t id;
    minerva_status st = mn_gguf_get_int(g, key, -1, &id, err);
    *out = id >= 0 && id < n_tokens ? (int32_t)id : -1;
    return st;
}

/* Not said, no, yes. */
static minerva_status get_choice(const mn_gguf *g, const char *key, int8_t *out,
                                 minerva_error *err)
{
    bool b = false;
    *out = -1;
    if (!mn_gguf_find(g, key)) return MINERVA_OK;
    minerva_status st = mn_gguf_get_bool(g, key, false, &b, err);
    if (st == MINERVA_OK) *out = b;
    return st;
}

/* The same as 0, -1, 1. */
static minerva_status get_sign(const mn_gguf *g, const char *key, int8_t *out,
                               minerva_error *err)
{
    int8_t choice;
    minerva_status st = get_choice(g, key, &choice, err);
    if (st == MINERVA_OK) *out = (int8_t)(choice < 0 ? 0 : choice ? 1 : -1);
    return st;
}

static minerva_status read_arrays(const mn_gguf *g, mn_gguf_vocab *v, vocab_arrays *a,
                                  minerva_error *err)
{
    minerva_status st;
    int64_t n_scores, n_types;
    if ((st = mn_gguf_get_strings(g, "tokenizer.ggml.tokens", MAX_TOKENS, &a->tokens,
                                  &v->n_tokens, err)) != MINERVA_OK
        || (st = mn_gguf_get_strings(g, "tokenizer.ggml.merges", 4 * (int64_t)MAX_TOKENS,
                                     &a->merges, &v->n_merges, err)) != MINERVA_OK
        || (st = mn_gguf_get_floats(g, "tokenizer.ggml.scores", MAX_TOKENS, &a->scores,
                                    &n_scores, err)) != MINERVA_OK
        || (st = mn_gguf_get_ints(g, "tokenizer.ggml.token_type", MAX_TOKENS, &a->wide_types,
                                  &n_types, err)) != MINERVA_OK)
        return st;
    if (v->n_tokens == 0)
        return mn_fail(err, MINERVA_NOT_FOUND, "no tokenizer: tokenizer.ggml.tokens is absent");
    if (n_scores && n_scores != v->n_tokens)
        return mn_fail(err, MINERVA_INVALID,
                       "tokenizer.ggml.scores: %lld items expected, %lld found",
                       (long long)v->n_tokens, (long long)n_scores);
    if (n_types && n_types != v->n_tokens)
        return mn_fail(err, MINERVA_INVALID,
                       "tokenizer.ggml.token_type: %lld items expected, %lld found",
                       (long long)v->n_tokens, (long long)n_types);
    if (n_types) {
        a->types = malloc((size_t)n_types * sizeof *a->types);
        if (!a->types) return mn_fail_memory(err, (size_t)n_types * sizeof *a->types);
        for (int64_t i = 0; i < n_types; i++) {
            int64_t type = a->wide_types[i];
            if (type < 0 || type > 6)
                return mn_fail(err, MINERVA_INVALID,
                               "tokenizer.ggml.token_type[%lld]: 0 to 6 expected, %lld found",
                               (long long)i, (long long)type);
            a->types[i] = (int32_t)type;
        }
    }
    v->token_text = (const mn_str *)a->tokens;
    v->merges = (const mn_str *)a->merges;
    v->scores = n_scores ? a->scores : NULL;
    v->types = a->types;
    return MINERVA_OK;
}

static minerva_status from_gguf(mn_tokenizer **out, const mn_gguf *g, minerva_error *err)
{
    mn_gguf_vocab v = { 0 };
    vocab_arrays a = { 0 };
    minerva_status st = read_arrays(g, &v, &a, err);
    if (st != MINERVA_OK) goto done;

    const struct { const char *key; int32_t *id; } ids[] = {
        { "tokenizer.ggml.bos_token_id", &v.bos },
        { "tokenizer.ggml.eos_token_id", &v.eos },
        { "tokenizer.ggml.eot_token_id", &v.eot },
        { "tokenizer.ggml.eom_token_id", &v.eom },
        { "tokenizer.ggml.unknown_token_id", &v.unk },
        { "tokenizer.ggml.seperator_token_id", &v.sep },    /* the key's own spelling */
        { "tokenizer.ggml.padding_token_id", &v.pad },
        { "tokenizer.ggml.cls_token_id", &v.cls },
        { "tokenizer.ggml.mask_token_id", &v.mask },
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if ((st = get_id(g, ids[i].key, v.n_tokens, ids[i].id, err)) != MINERVA_OK) goto done;
    const struct { const char *key; int8_t *choice; } choices[] = {
        { "tokenizer.ggml.add_bos_token", &v.add_bos },
        { "tokenizer.ggml.add_eos_token", &v.add_eos },
        { "tokenizer.ggml.add_sep_token", &v.add_sep },
        { "tokenizer.ggml.add_space_prefix", &v.add_space_prefix },
    };
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if ((st = get_choice(g, choices[i].key, choices[i].choice, err)) != MINERVA_OK)
            goto done;
    if ((st = mn_gguf_get_bool(g, "tokenizer.ggml.remove_extra_whitespaces", false,
                               &v.remove_extra_whitespaces, err)) != MINERVA_OK
        || (st = mn_gguf_get_bool(g, "tokenizer.ggml.escape_whitespaces", true,
                                  &v.escape_whitespaces, err)) != MINERVA_OK
        || (st = get_str(g, "tokenizer.ggml.model", &v.model, err)) != MINERVA_OK
        || (st = get_str(g, "tokenizer.ggml.pre", &v.pre, err)) != MINERVA_OK
        || (st = get_str(g, "general.name", &v.name, err)) != MINERVA_OK
        || (st = get_sign(g, "tokenizer.ggml.normalizer.lowercase", &v.lowercase, err)) != MINERVA_OK
        || (st = get_sign(g, "tokenizer.ggml.normalizer.strip_accents", &v.strip_accents, err))
               != MINERVA_OK)
        goto done;
    const mn_gguf_kv *map = mn_gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
    if (map) {
        if (map->type != MN_GGUF_ARRAY
            || (map->item_type != MN_GGUF_U8 && map->item_type != MN_GGUF_I8)) {
            st = mn_fail(err, MINERVA_INVALID,
                         "tokenizer.ggml.precompiled_charsmap: an array of bytes expected");
            goto done;
        }
        v.precompiled_charsmap = (mn_str){ (const char *)map->data, (size_t)map->n };
    }
    st = mn_tokenizer_from_gguf(out, &v, err);
done:
    arrays_clear(&a);
    return st;
}

static minerva_status from_dir(mn_tokenizer **out, mn_model_dir *d, minerva_error *err)
{
    char *text = NULL, *config = NULL;
    size_t len = 0, config_len = 0;
    minerva_error quiet = { 0 };
    minerva_status st = mn_model_dir_text(d, "tokenizer_config.json", MAX_CONFIG_BYTES, &config,
                                          &config_len, &quiet);
    if (st != MINERVA_OK && st != MINERVA_NOT_FOUND) {
        if (err) *err = quiet;
        return st;
    }
    quiet = (minerva_error){ 0 };
    st = mn_model_dir_text(d, "tokenizer.json", MAX_TOKENIZER_BYTES, &text, &len, &quiet);
    if (st == MINERVA_OK) {
        st = mn_tokenizer_from_json(out, text, len, config, config_len, err);
        if (st != MINERVA_OK) mn_fail_context(err, "tokenizer.json");
    } else if (st == MINERVA_NOT_FOUND) {
        st = mn_model_dir_text(d, "tokenizer.model", MAX_TOKENIZER_BYTES, &text, &len, NULL);
        if (st == MINERVA_OK) {
            st = mn_tokenizer_from_sentencepiece(out, text, len, config, config_len, err);
            if (st != MINERVA_OK) mn_fail_context(err, "tokenizer.model");
        } else {
            st = mn_fail(err, MINERVA_NOT_FOUND,
                         "%s: no tokenizer: tokenizer.json or tokenizer.model expected, "
                         "neither found", mn_model_dir_path(d));
        }
    } else if (err) {
        *err = quiet;
    }
    free(text);
    free(config);
    return st;
}

/* A tokenizer file by itself: tokenizer.json (with the config beside it) or a SentencePiece
 * model, which stands alone. */
minerva_status mn_runtime_tokenizer_file(mn_tokenizer **out, const char *path,
                                         minerva_error *err)
{
    char *text = NULL, *config = NULL;
    size_t len, config_len = 0, n = strlen(path);
    minerva_status st = mn_read_file(path, MAX_TOKENIZER_BYTES, &text, &len, err);
    if (st != MINERVA_OK) return st;
    if (n > 5 && !strcmp(path + n - 5, ".json")) {
        const char *slash = strrchr(path, '/');
        int dir = slash ? (int)(slash - path) + 1 : 0;
        char beside[4096];
        snprintf(beside, sizeof beside, "%.*stokenizer_config.json", dir, path);
        if (mn_read_file(beside, MAX_CONFIG_BYTES, &config, &config_len, NULL) != MINERVA_OK)
            config = NULL;
        st = mn_tokenizer_from_json(out, text, len, config, config_len, err);
    } else {
        st = mn_tokenizer_from_sentencepiece(out, text, len, NULL, 0, err);
    }
    free(config);
    free(text);
    return st;
}

minerva_status mn_runtime_load_tokenizer(mn_tokenizer **out, mn_model_source *source,
                                         minerva_error *err)
{
    return source->kind == MN_SOURCE_GGUF ? from_gguf(out, source->gguf, err)
                                          : from_dir(out, source->dir, err);
}
