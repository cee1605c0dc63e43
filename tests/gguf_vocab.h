/* A GGUF file's vocabulary as mn_gguf_vocab, for tests and benchmarks. */
#ifndef TESTS_GGUF_VOCAB_H
#define TESTS_GGUF_VOCAB_H

#include "format/gguf.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    mn_gguf *file;
    mn_gguf_vocab vocab;
    mn_gguf_string *tokens, *merges;
    float *scores;
    int64_t *types64;
    int32_t *types;
} gguf_vocab;

_Static_assert(sizeof(mn_gguf_string) == sizeof(mn_str), "the same two members");

static inline mn_str gguf_vocab_string(const mn_gguf *g, const char *key, minerva_error *err)
{
    mn_gguf_string s = { NULL, 0 };
    mn_gguf_get_string(g, key, &s, err);
    return (mn_str){ s.data, s.len };
}

static inline int32_t gguf_vocab_id(const mn_gguf *g, const char *name, minerva_error *err)
{
    char key[80];
    int64_t id = -1;
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", name);
    mn_gguf_get_int(g, key, -1, &id, err);
    return (int32_t)id;
}

static inline int8_t gguf_vocab_flag(const mn_gguf *g, const char *key, minerva_error *err)
{
    bool on = false;
    if (!mn_gguf_find(g, key)) return -1;
    mn_gguf_get_bool(g, key, false, &on, err);
    return on;
}

static inline minerva_status gguf_vocab_open(gguf_vocab *v, const char *path, minerva_error *err)
{
    *v = (gguf_vocab){ 0 };
    minerva_status st = mn_gguf_open(&v->file, path, err);
    int64_t n_scores = 0, n_types = 0, n_map = 0, limit = 1 << 26;
    const mn_gguf *g = v->file;
    mn_gguf_vocab *o = &v->vocab;
    if (st) return st;
    if ((st = mn_gguf_get_strings(g, "tokenizer.ggml.tokens", limit, &v->tokens, &o->n_tokens, err))
        || (st = mn_gguf_get_strings(g, "tokenizer.ggml.merges", limit, &v->merges, &o->n_merges, err))
        || (st = mn_gguf_get_floats(g, "tokenizer.ggml.scores", limit, &v->scores, &n_scores, err))
        || (st = mn_gguf_get_ints(g, "tokenizer.ggml.token_type", limit, &v->types64, &n_types, err)))
        return st;
    v->types = malloc((size_t)(n_types + 1) * sizeof *v->types);
    for (int64_t i = 0; i < n_types; i++) v->types[i] = (int32_t)v->types64[i];
    o->model = gguf_vocab_string(g, "tokenizer.ggml.model", err);
    o->pre = gguf_vocab_string(g, "tokenizer.ggml.pre", err);
    o->name = gguf_vocab_string(g, "general.name", err);
    o->token_text = (const mn_str *)(void *)v->tokens;
    o->merges = (const mn_str *)(void *)v->merges;
    o->scores = n_scores == o->n_tokens ? v->scores : NULL;
    o->types = n_types == o->n_tokens ? v->types : NULL;
    o->bos = gguf_vocab_id(g, "bos", err);
    o->eos = gguf_vocab_id(g, "eos", err);
    o->eot = gguf_vocab_id(g, "eot", err);
    o->eom = gguf_vocab_id(g, "eom", err);
    o->unk = gguf_vocab_id(g, "unknown", err);
    o->sep = gguf_vocab_id(g, "seperator", err);
    o->pad = gguf_vocab_id(g, "padding", err);
    o->cls = gguf_vocab_id(g, "cls", err);
    o->mask = gguf_vocab_id(g, "mask", err);
    o->add_bos = gguf_vocab_flag(g, "tokenizer.ggml.add_bos_token", err);
    o->add_eos = gguf_vocab_flag(g, "tokenizer.ggml.add_eos_token", err);
    o->add_sep = gguf_vocab_flag(g, "tokenizer.ggml.add_sep_token", err);
    o->add_space_prefix = gguf_vocab_flag(g, "tokenizer.ggml.add_space_prefix", err);
    o->remove_extra_whitespaces =
        gguf_vocab_flag(g, "tokenizer.ggml.remove_extra_whitespaces", err) == 1;
    o->escape_whitespaces = true;
    static const int8_t choice[] = { 0, -1, 1 };
    o->lowercase = choice[gguf_vocab_flag(g, "tokenizer.ggml.normalizer.lowercase", err) + 1];
    o->strip_accents = choice[gguf_vocab_flag(g, "tokenizer.ggml.normalizer.strip_accents", err) + 1];
    const mn_gguf_kv *map = mn_gguf_find(g, "tokenizer.ggml.precompiled_charsmap");
    if (map) n_map = (int64_t)map->n;
    if (map) o->precompiled_charsmap = (mn_str){ (const char *)map->data, (size_t)n_map };
    return MINERVA_OK;
}

static inline void gguf_vocab_close(gguf_vocab *v)
{
    mn_gguf_close(v->file);
    free(v->tokens);
    free(v->merges);
    free(v->scores);
    free(v->types64);
    free(v->types);
}

#endif
