/* tokenizer.json (or tokenizer.model) as tokenizer.ggml.*, and the chat template.
 *
 * Byte-level BPE becomes "gpt2" with merges, BPE with byte fallback "llama" with scores: a
 * merge's rank, negated, orders them as SentencePiece does.  Unigram and WordPiece
 * vocabularies belong to encoders and are refused. */
#include "convert/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 512 << 20 };

static mn_gguf_string text_of(mn_convert *c, const json_t *s)
{
    size_t n = json_string_length(s);
    char *copy = mn_convert_alloc(c, n + 1, 1);
    if (copy && n) memcpy(copy, json_string_value(s), n);
    return (mn_gguf_string){ copy, copy ? n : 0 };
}

/* Does any step of a pipeline have that type? */
static bool has_step(const json_t *o, const char *type)
{
    const char *own = json_string_value(json_object_get(o, "type"));
    if (own && !strcmp(own, type)) return true;
    static const char *const lists[] = { "pretokenizers", "normalizers", "processors", "decoders" };
    for (int k = 0; k < 4; k++) {
        const json_t *list = json_object_get(o, lists[k]);
        for (size_t i = 0; i < json_array_size(list); i++)
            if (has_step(json_array_get(list, i), type)) return true;
    }
    return false;
}

/* ---- reading tokenizer.json -------------------------------------------------------------- */

static bool room_for(mn_convert *c, mn_vocab *v, const json_t *vocab, const json_t *added)
{
    const char *key;
    json_t *id;
    int64_t n = c->from->vocab;
    json_object_foreach((json_t *)vocab, key, id)
        if (json_integer_value(id) >= n) n = json_integer_value(id) + 1;
    for (size_t i = 0; i < json_array_size(added); i++) {
        int64_t at = json_integer_value(json_object_get(json_array_get(added, i), "id"));
        if (at >= n) n = at + 1;
    }
    if (n > 1 << 24) {
        mn_convert_fail(c, MINERVA_INVALID, "tokenizer.json: ids below 16777216 expected, %lld found",
                        (long long)n);
        return false;
    }
    if (n > c->from->vocab)
        mn_convert_warn(c, "tokenizer.json has %lld tokens, the network %d: the rest is left out",
                        (long long)n, c->from->vocab);
    v->n = n = c->from->vocab;
    v->tokens = mn_convert_alloc(c, (size_t)n, sizeof *v->tokens);
    v->types = mn_convert_alloc(c, (size_t)n, sizeof *v->types);
    v->scores = v->bytewise ? NULL : mn_convert_alloc(c, (size_t)n, sizeof *v->scores);
    return !c->status;
}

static void read_tokens(mn_convert *c, mn_vocab *v, const json_t *vocab, const json_t *added,
                        const char *unk)
{
    const char *key;
    json_t *id;
    json_object_foreach((json_t *)vocab, key, id) {
        int64_t at = json_integer_value(id);
        if (at < 0 || at >= v->n) continue;
        size_t n = strlen(key);
        char *copy = mn_convert_alloc(c, n + 1, 1);
        if (!copy) return;
        memcpy(copy, key, n);
        v->tokens[at] = (mn_gguf_string){ copy, n };
        bool byte = !v->bytewise && n == 6 && !strncmp(key, "<0x", 3) && key[5] == '>';
        v->types[at] = byte ? MN_TOKEN_BYTE : unk && !strcmp(key, unk) && !v->bytewise
                                                  ? MN_TOKEN_UNKNOWN : MN_TOKEN_NORMAL;
    }
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *t = json_array_get(added, i);
        int64_t at = json_integer_value(json_object_get(t, "id"));
        const json_t *content = json_object_get(t, "content");
        if (at < 0 || at >= v->n || !json_is_string(content)) continue;
        v->tokens[at] = text_of(c, content);
        bool special = json_is_true(json_object_get(t, "special"));
        if (v->types[at] == MN_TOKEN_UNKNOWN || v->types[at] == MN_TOKEN_BYTE) continue;
        v->types[at] = special ? MN_TOKEN_CONTROL : MN_TOKEN_USER;
    }
    for (int64_t i = 0; i < v->n; i++) {
        if (v->tokens[i].data) continue;
        char *name = mn_convert_alloc(c, 24, 1);
        if (!name) return;
        v->tokens[i] = (mn_gguf_string){ name, (size_t)snprintf(name, 24, "[PAD%lld]", (long long)i) };
        v->types[i] = MN_TOKEN_UNUSED;
    }
}

/* Merges are "a b" or ["a", "b"]. */
static void read_merges(mn_convert *c, mn_vocab *v, const json_t *merges)
{
    size_t n = json_array_size(merges);
    v->merges = mn_convert_alloc(c, n, sizeof *v->merges);
    for (size_t i = 0; v->merges && i < n && !c->status; i++) {
        const json_t *m = json_array_get(merges, i);
        if (json_is_string(m)) {
            v->merges[v->n_merges++] = text_of(c, m);
            continue;
        }
        const json_t *a = json_array_get(m, 0), *b = json_array_get(m, 1);
        if (!json_is_string(a) || !json_is_string(b)) {
            mn_convert_fail(c, MINERVA_INVALID, "tokenizer.json: model.merges: pairs of strings "
                            "expected");
            return;
        }
        size_t la = json_string_length(a), lb = json_string_length(b);
        char *line = mn_convert_alloc(c, la + lb + 2, 1);
        if (!line) return;
        memcpy(line, json_string_value(a), la);
        line[la] = ' ';
        memcpy(line + la + 1, json_string_value(b), lb);
        v->merges[v->n_merges++] = (mn_gguf_string){ line, la + lb + 1 };
    }
}

/* Scores that order as the merges do: what the first merge makes comes first. */
static void score_merges(mn_convert *c, mn_vocab *v)
{
    mn_map ids = { 0 };
    for (int64_t i = 0; i < v->n; i++) {
        v->scores[i] = -(float)(v->n_merges + i);
        if (v->types[i] != MN_TOKEN_NORMAL) v->scores[i] = 0;
        else mn_map_put(&ids, v->tokens[i].data, v->tokens[i].len, (uint32_t)i, NULL);
    }
    uint8_t *scored = mn_convert_alloc(c, (size_t)v->n, 1);
    for (int64_t i = 0; scored && i < v->n_merges; i++) {
        char joined[1024];
        mn_gguf_string m = v->merges[i];
        const char *space = memchr(m.data, ' ', m.len);
        uint32_t id;
        if (!space || m.len >= sizeof joined) continue;
        size_t left = (size_t)(space - m.data);
        memcpy(joined, m.data, left);
        memcpy(joined + left, space + 1, m.len - left - 1);
        if (!mn_map_get(&ids, joined, m.len - 1, &id) || scored[id]) continue;
        v->scores[id] = -(float)i;
        scored[id] = 1;
    }
    mn_map_clear(&ids);
    v->merges = NULL;
    v->n_merges = 0;
}

/* ---- special tokens --------------------------------------------------------------------- */

static int32_t find_token(const mn_vocab *v, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    for (int64_t i = 0; n && i < v->n; i++)
        if (v->tokens[i].len == n && !memcmp(v->tokens[i].data, text, n)) return (int32_t)i;
    return -1;
}

static void read_ids(mn_convert *c, mn_vocab *v)
{
    static const char *const names[] = { "bos", "eos", "unk", "sep", "pad", "cls", "mask" };
    const json_t *t = mn_model_dir_json(c->source->dir, "tokenizer_config.json", NULL);
    const json_t *top = mn_model_dir_config(c->source->dir);
    const json_t *inner = json_object_get(top, "text_config");
    for (int i = 0; i < MN_N_IDS; i++) v->ids[i] = -1;
    for (int i = 0; i < 7; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s_token", names[i]);
        const json_t *token = json_object_get(t, key);
        const char *text = json_string_value(token);
        if (!text) text = json_string_value(json_object_get(token, "content"));
        v->ids[i] = find_token(v, text);
        snprintf(key, sizeof key, "%s_token_id", names[i]);
        const json_t *id = json_object_get(top, key);
        if (!id) id = json_object_get(inner, key);
        if (json_is_array(id)) id = json_array_get(id, 0);
        if (v->ids[i] >= 0 || (t && json_is_null(token) && token) || !json_is_integer(id)) continue;
        int64_t n = json_integer_value(id);
        if (n >= 0 && n < v->n) v->ids[i] = (int32_t)n;
    }
}

/* ---- the pre-tokeniser's name ------------------------------------------------------------ */

static const char *const pre_names[] = {
    "llama-bpe", "qwen2", "gpt-2", "gpt-4o", "deepseek-v3", "qwen35", "smollm", "tekken", "kimi-k2",
    "glm4", "command-r", "falcon", "deepseek-llm", "deepseek-coder", "dbrx", "jais-2", "minicpm5",
    "youtu", "bloom", "viking", "tiny_aya", "superbpe", "bailingmoe", "seed-coder", "afmoe",
    "exaone-moe", "granite-embed-multi-97m", "chameleon", "default", NULL };

static bool behaves(const mn_vocab *v, const mn_tokenizer *source, bool special)
{
    mn_gguf_vocab g = mn_vocab_as_gguf(v);
    mn_tokenizer *t = NULL;
    if (mn_tokenizer_from_gguf(&t, &g, NULL) != MINERVA_OK) return false;
    bool same = mn_vocab_same(source, t, special);
    mn_tokenizer_free(t);
    return same;
}

/* What the pattern itself suggests; small vocabularies behave alike under several. */
static const char *suggested_pre(const json_t *json)
{
    static const struct { const char *parts[3], *name; } marks[] = {
        { { "\\u4E00-\\u9FA5", "{1,3}" }, "deepseek-v3" },
        { { "p{Lu}", "{1,3}" }, "gpt-4o" },
        { { "p{Lu}" }, "tekken" },
        { { "(?i:'s", "\\p{L}\\\\p{M}]+|" }, "qwen35" },
        { { "(?i:'s", "{1,3}" }, "llama-bpe" },
        { { "(?i:'s" }, "qwen2" },
        { { "Digits", "ByteLevel" }, "smollm" },
        { { "ByteLevel" }, "gpt-2" },
    };
    char *text = json_dumps(json_object_get(json, "pre_tokenizer"), JSON_COMPACT | JSON_ENSURE_ASCII);
    const char *name = NULL;
    for (size_t i = 0; text && !name && i < sizeof marks / sizeof *marks; i++) {
        bool all = true;
        for (int k = 0; k < 3 && marks[i].parts[k]; k++) all &= strstr(text, marks[i].parts[k]) != NULL;
        if (all) name = marks[i].name;
    }
    free(text);
    return name;
}

static void name_pre(mn_convert *c, mn_vocab *v, const json_t *json, const mn_tokenizer *source)
{
    if (!v->bytewise) {
        v->pre = "default";
        if (!behaves(v, source, true))
            mn_convert_warn(c, "the vocabulary splits some texts otherwise than tokenizer.json does");
        return;
    }
    v->pre = suggested_pre(json);
    if (v->pre) {
        if (!behaves(v, source, false))
            mn_convert_warn(c, "\"%s\" as llama.cpp defines it splits some texts otherwise than "
                            "tokenizer.json does", v->pre);
        return;
    }
    for (int i = 0; pre_names[i]; i++) {
        v->pre = pre_names[i];
        if (behaves(v, source, false)) return;
    }
    mn_convert_fail(c, MINERVA_UNSUPPORTED, "tokenizer.json: none of the pre-tokenisers that GGUF "
                    "knows by name splits text as this one does");
}

/* ---- all of it ---------------------------------------------------------------------------- */

static void read_json(mn_convert *c, mn_vocab *v, const json_t *json)
{
    const json_t *model = json_object_get(json, "model"), *vocab = json_object_get(model, "vocab");
    const json_t *added = json_object_get(json, "added_tokens");
    const char *type = json_string_value(json_object_get(model, "type"));
    if (!type && json_is_array(json_object_get(model, "merges"))) type = "BPE";
    if (!type || strcmp(type, "BPE") || !json_is_object(vocab)) {
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "tokenizer.json: a BPE vocabulary expected, \"%.40s\" "
                        "found, which cannot be written as GGUF yet", type ? type : "?");
        return;
    }
    v->bytewise = has_step(json_object_get(json, "pre_tokenizer"), "ByteLevel") ||
                  has_step(json_object_get(json, "decoder"), "ByteLevel");
    if (!room_for(c, v, vocab, added)) return;
    read_tokens(c, v, vocab, added, json_string_value(json_object_get(model, "unk_token")));
    read_merges(c, v, json_object_get(model, "merges"));
    if (c->status || v->bytewise) return;
    score_merges(c, v);
    v->add_space = has_step(json_object_get(json, "normalizer"), "Prepend");
    const json_t *pre = json_object_get(json, "pre_tokenizer");
    const char *scheme = json_string_value(json_object_get(pre, "prepend_scheme"));
    if (has_step(pre, "Metaspace")) v->add_space = !scheme || strcmp(scheme, "never") != 0;
}

static void read_sentencepiece(mn_convert *c, mn_vocab *v)
{
    char *bytes = NULL;
    size_t len;
    v->add_space = 1;
    if (mn_model_dir_text(c->source->dir, "tokenizer.model", MAX_FILE, &bytes, &len, NULL)) return;
    char *kept = mn_convert_alloc(c, len + 1, 1);
    if (kept) memcpy(kept, bytes, len);
    free(bytes);
    if (kept && !mn_sentencepiece_read(c, v, kept, len))
        mn_convert_fail(c, MINERVA_INVALID, "tokenizer.model: a SentencePiece model expected");
}

static void put_id(mn_tensor_writer *w, const char *name, int32_t id)
{
    char key[64];
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", name);
    if (id >= 0) mn_tensor_writer_put_u32(w, key, (uint32_t)id);
}

static void put(const mn_vocab *v, mn_tensor_writer *w)
{
    static const char *const names[] = { "bos", "eos", "unknown", "seperator", "padding", "cls",
                                         "mask", "eot", "eom" };
    mn_tensor_writer_put_string(w, "tokenizer.ggml.model", v->bytewise ? "gpt2" : "llama");
    mn_tensor_writer_put_string(w, "tokenizer.ggml.pre", v->pre);
    mn_tensor_writer_put_strings(w, "tokenizer.ggml.tokens", v->tokens, v->n);
    if (v->scores) mn_tensor_writer_put_f32s(w, "tokenizer.ggml.scores", v->scores, v->n);
    mn_tensor_writer_put_i32s(w, "tokenizer.ggml.token_type", v->types, v->n);
    if (v->bytewise) mn_tensor_writer_put_strings(w, "tokenizer.ggml.merges", v->merges, v->n_merges);
    for (int i = 0; i < MN_N_IDS; i++) put_id(w, names[i], v->ids[i]);
    if (v->add_bos >= 0) mn_tensor_writer_put_bool(w, "tokenizer.ggml.add_bos_token", v->add_bos);
    if (v->add_eos >= 0) mn_tensor_writer_put_bool(w, "tokenizer.ggml.add_eos_token", v->add_eos);
    if (!v->bytewise && v->add_space >= 0)
        mn_tensor_writer_put_bool(w, "tokenizer.ggml.add_space_prefix", v->add_space);
}

/* One template, or a list of named ones of which "default" is the one. */
static void put_templates(mn_convert *c, mn_tensor_writer *w)
{
    char *text = NULL;
    size_t len;
    const json_t *t = mn_model_dir_json(c->source->dir, "tokenizer_config.json", NULL);
    const json_t *own = json_object_get(t, "chat_template");
    if (mn_model_dir_text(c->source->dir, "chat_template.jinja", MAX_FILE, &text, &len, NULL) ==
        MINERVA_OK) {
        mn_tensor_writer_put_bytes(w, "tokenizer.chat_template", (mn_gguf_string){ text, len });
    } else if (json_is_string(own)) {
        mn_tensor_writer_put_string(w, "tokenizer.chat_template", json_string_value(own));
    }
    for (size_t i = 0; i < json_array_size(own); i++) {
        const json_t *item = json_array_get(own, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *body = json_string_value(json_object_get(item, "template"));
        char key[128];
        if (!name || !body) continue;
        bool first = !strcmp(name, "default");
        if (first && text) continue;
        snprintf(key, sizeof key, first ? "tokenizer.chat_template" : "tokenizer.chat_template.%.80s",
                 name);
        mn_tensor_writer_put_string(w, key, body);
    }
    free(text);
}

/* generation_config.json's advice, under general.sampling.* as llama.cpp names it. */
static void put_sampling(mn_convert *c, mn_tensor_writer *w)
{
    static const struct { const char *hf, *gguf; } reals[] = {
        { "temperature", "general.sampling.temp" }, { "top_p", "general.sampling.top_p" },
        { "min_p", "general.sampling.min_p" },
        { "repetition_penalty", "general.sampling.penalty_repeat" } };
    const json_t *g = mn_model_dir_json(c->source->dir, "generation_config.json", NULL);
    for (int i = 0; i < 4; i++) {
        const json_t *v = json_object_get(g, reals[i].hf);
        if (json_is_number(v))
            mn_tensor_writer_put_f32(w, reals[i].gguf, (float)json_number_value(v));
    }
    const json_t *k = json_object_get(g, "top_k");
    if (json_is_integer(k) && json_integer_value(k) >= 0 && json_integer_value(k) < 1 << 30)
        mn_tensor_writer_put_u32(w, "general.sampling.top_k", (uint32_t)json_integer_value(k));
}

static void copy_vocab(mn_convert *c, mn_tensor_writer *w)
{
    const mn_gguf *g = c->source->gguf;
    for (int64_t i = 0; i < mn_gguf_n_kv(g); i++) {
        const mn_gguf_kv *kv = mn_gguf_kv_at(g, i);
        if (kv->key.len > 10 && !strncmp(kv->key.data, "tokenizer.", 10))
            mn_tensor_writer_put_kv(w, kv);
    }
}

void mn_vocab_put_gguf(mn_convert *c, mn_tensor_writer *w)
{
    mn_vocab v = { .add_bos = -1, .add_eos = -1, .add_space = -1 };
    if (c->source->kind == MN_SOURCE_GGUF) {
        copy_vocab(c, w);
        return;
    }
    mn_tokenizer *source = mn_vocab_open_dir(c);
    if (c->status) return;
    if (!source) {
        mn_convert_warn(c, "there is no tokenizer in the source, and so none in the target");
        return;
    }
    const json_t *json = mn_model_dir_json(c->source->dir, "tokenizer.json", NULL);
    if (json) read_json(c, &v, json);
    else read_sentencepiece(c, &v);
    if (!c->status && v.tokens) {
        mn_tokenizer_info info;
        mn_tokenizer_info_get(source, &info);
        read_ids(c, &v);
        v.add_bos = info.adds_bos;
        v.add_eos = info.adds_eos;
        name_pre(c, &v, json, source);
    }
    if (!c->status && v.tokens) put(&v, w);
    if (!c->status) put_templates(c, w);
    if (!c->status) put_sampling(c, w);
    mn_tokenizer_free(source);
}
