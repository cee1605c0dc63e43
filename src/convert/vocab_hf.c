/* tokenizer.ggml.* as tokenizer.json, tokenizer_config.json and generation_config.json.
 *
 * Byte-level BPE keeps its merges, and its pre-tokeniser's name becomes the patterns that
 * models of that name publish.  SentencePiece vocabularies have scores and no merges: each
 * way to put a token together from two others is a merge, ordered by the token's score, as
 * the fast tokenizers of such models have it.  Whatever is written is opened again and has
 * to split a probe text as the source does. */
#include "convert/vocab.h"
#include "format/out_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 512 << 20, MAX_TOKENS = 1 << 24 };

/* ---- pre-tokenisers ----------------------------------------------------------------------- */

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LEAD "[^\\r\\n\\p{L}\\p{N}]?"

typedef struct {
    const char *names;          /* llama.cpp's, space-separated */
    const char *splits[3];      /* patterns, one after the other */
    bool digits, byte_level;    /* single digits; ByteLevel's own pattern */
    bool nfc;
} pre_form;

static const pre_form pre_forms[] = {
    { "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral lfm2 dbrx smaug-bpe glm4 chatglm-bpe",
      { CONTRACTIONS "|" LEAD "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES },
      false, false, false },
    { "qwen2 deepseek-r1-qwen stablelm2 hunyuan megrez",
      { CONTRACTIONS "|" LEAD "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES },
      false, false, true },
    { "qwen35",
      { CONTRACTIONS "|" LEAD "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES },
      false, false, true },
    { "gpt-4o llama4 kanana2 minimax-m2",
      { LEAD UPPER "*" LOWER "+" CONTRACTIONS "?|" LEAD UPPER "+" LOWER "*" CONTRACTIONS "?|"
        "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES }, false, false, false },
    { "tekken",
      { LEAD UPPER "*" LOWER "+|" LEAD UPPER "+" LOWER "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|"
        SPACES }, false, false, false },
    { "deepseek-v3 hunyuan-dense",
      { "\\p{N}{1,3}", "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
        " ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACES }, false, false, false },
    { "smollm starcoder refact command-r codeshell exaone minerva-7b", { NULL }, true, true, false },
    { "gpt-2 phi-2 jina-es jina-de gigachat mpt olmo jais trillion exaone4 roberta-bpe", { NULL },
      false, true, false },
};

static void put_pre(mn_buffer *b, const pre_form *f)
{
    if (!f->splits[0] && !f->digits) {
        mn_buffer_append_str(b, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                                "\"trim_offsets\":true,\"use_regex\":true}");
        return;
    }
    mn_buffer_append_str(b, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    if (f->digits) mn_buffer_append_str(b, "{\"type\":\"Digits\",\"individual_digits\":true},");
    for (int i = 0; i < 3 && f->splits[i]; i++) {
        mn_buffer_append_str(b, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
        mn_buffer_append_json(b, f->splits[i], strlen(f->splits[i]));
        mn_buffer_append_str(b, "},\"behavior\":\"Isolated\",\"invert\":false},");
    }
    mn_buffer_append_fmt(b, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                         "\"trim_offsets\":true,\"use_regex\":%s}]}",
                         f->byte_level ? "true" : "false");
}

/* ---- merges from scores ------------------------------------------------------------------ */

typedef struct {
    float score;
    uint32_t left, right;
} pair;

static int by_score(const void *a, const void *b)
{
    const pair *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    return x->right < y->right ? -1 : x->right > y->right;
}

static bool may_merge(const mn_vocab *v, int64_t i)
{
    return v->types[i] == MN_TOKEN_NORMAL || v->types[i] == MN_TOKEN_USER ||
           v->types[i] == MN_TOKEN_UNUSED;
}

static void put_pairs(mn_buffer *b, const mn_vocab *v, const pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mn_gguf_string l = v->tokens[pairs[i].left], r = v->tokens[pairs[i].right];
        mn_buffer_append_str(b, i ? ",[" : "[");
        mn_buffer_append_json(b, l.data, l.len);
        mn_buffer_append_str(b, ",");
        mn_buffer_append_json(b, r.data, r.len);
        mn_buffer_append_str(b, "]");
    }
}

static void put_scored_merges(mn_convert *c, mn_buffer *b, const mn_vocab *v)
{
    mn_map ids = { 0 };
    size_t n = 0, capacity = 0;
    pair *pairs = NULL;
    for (int64_t i = 0; i < v->n; i++)
        if (may_merge(v, i)) mn_map_put(&ids, v->tokens[i].data, v->tokens[i].len, (uint32_t)i, NULL);
    for (int64_t i = 0; i < v->n && !c->status; i++) {
        mn_gguf_string t = v->tokens[i];
        if (v->types[i] != MN_TOKEN_NORMAL || t.len > 512) continue;
        for (size_t at = 1; at < t.len; at++) {
            pair p = { .score = v->scores ? v->scores[i] : 0 };
            if (((uint8_t)t.data[at] & 0xc0) == 0x80 ||
                !mn_map_get(&ids, t.data, at, &p.left) ||
                !mn_map_get(&ids, t.data + at, t.len - at, &p.right)) continue;
            if (n == capacity) {
                capacity = capacity ? 2 * capacity : 4096;
                pair *grown = realloc(pairs, capacity * sizeof *grown);
                if (!grown) {
                    c->status = mn_fail_memory(c->err, capacity * sizeof *grown);
                    break;
                }
                pairs = grown;
            }
            pairs[n++] = p;
        }
    }
    if (!c->status && n) {
        qsort(pairs, n, sizeof *pairs, by_score);
        put_pairs(b, v, pairs, n);
    }
    free(pairs);
    mn_map_clear(&ids);
}

/* ---- tokenizer.json ------------------------------------------------------------------------ */

static bool is_added(const mn_vocab *v, int64_t i)
{
    return v->types[i] == MN_TOKEN_CONTROL || v->types[i] == MN_TOKEN_USER ||
           v->types[i] == MN_TOKEN_UNKNOWN;
}

/* Ids past the vocabulary that a converter filled up. */
static bool is_padding(const mn_vocab *v, int64_t i)
{
    char name[32];
    int n = snprintf(name, sizeof name, "[PAD%lld]", (long long)i);
    return v->types[i] == MN_TOKEN_UNUSED && v->tokens[i].len == (size_t)n &&
           !memcmp(v->tokens[i].data, name, (size_t)n);
}

static void put_added(mn_buffer *b, const mn_vocab *v)
{
    const char *comma = "";
    for (int64_t i = 0; i < v->n; i++) {
        if (!is_added(v, i)) continue;
        mn_buffer_append_fmt(b, "%s{\"id\":%lld,\"content\":", comma, (long long)i);
        mn_buffer_append_json(b, v->tokens[i].data, v->tokens[i].len);
        mn_buffer_append_fmt(b, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                             "\"normalized\":false,\"special\":%s}",
                             v->types[i] == MN_TOKEN_USER ? "false" : "true");
        comma = ",";
    }
}

static void put_special(mn_buffer *b, const mn_vocab *v, int32_t id)
{
    mn_buffer_append_str(b, "{\"SpecialToken\":{\"id\":");
    mn_buffer_append_json(b, v->tokens[id].data, v->tokens[id].len);
    mn_buffer_append_str(b, ",\"type_id\":0}}");
}

static void put_ends(mn_buffer *b, const mn_vocab *v, const char *sequence)
{
    int32_t bos = v->add_bos > 0 ? v->ids[MN_ID_BOS] : -1;
    int32_t eos = v->add_eos > 0 ? v->ids[MN_ID_EOS] : -1;
    if (bos >= 0) put_special(b, v, bos);
    mn_buffer_append_fmt(b, "%s{\"Sequence\":{\"id\":\"%s\",\"type_id\":0}}", bos >= 0 ? "," : "",
                         sequence);
    if (eos >= 0) mn_buffer_append_str(b, ",");
    if (eos >= 0) put_special(b, v, eos);
}

static void put_post(mn_buffer *b, const mn_vocab *v)
{
    static const char byte_level[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                                     "\"trim_offsets\":false,\"use_regex\":true}";
    int32_t ends[2] = { v->add_bos > 0 ? v->ids[MN_ID_BOS] : -1,
                        v->add_eos > 0 ? v->ids[MN_ID_EOS] : -1 };
    if (ends[0] < 0 && ends[1] < 0) {
        mn_buffer_append_str(b, v->bytewise ? byte_level : "null");
        return;
    }
    if (v->bytewise)
        mn_buffer_append_fmt(b, "{\"type\":\"Sequence\",\"processors\":[%s,", byte_level);
    mn_buffer_append_str(b, "{\"type\":\"TemplateProcessing\",\"single\":[");
    put_ends(b, v, "A");
    mn_buffer_append_str(b, "],\"pair\":[");
    put_ends(b, v, "A");
    mn_buffer_append_str(b, ",");
    put_ends(b, v, "B");
    mn_buffer_append_str(b, "],\"special_tokens\":{");
    for (int i = 0, n = 0; i < 2; i++) {
        if (ends[i] < 0 || (i && ends[1] == ends[0])) continue;
        mn_gguf_string t = v->tokens[ends[i]];
        mn_buffer_append_str(b, n++ ? "," : "");
        mn_buffer_append_json(b, t.data, t.len);
        mn_buffer_append_str(b, ":{\"id\":");
        mn_buffer_append_json(b, t.data, t.len);
        mn_buffer_append_fmt(b, ",\"ids\":[%d],\"tokens\":[", ends[i]);
        mn_buffer_append_json(b, t.data, t.len);
        mn_buffer_append_str(b, "]}");
    }
    mn_buffer_append_str(b, v->bytewise ? "}}]}" : "}}");
}

static void put_model(mn_convert *c, mn_buffer *b, const mn_vocab *v, bool ignore_merges)
{
    const char *comma = "";
    mn_buffer_append_str(b, "{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    int32_t unk = v->bytewise ? -1 : v->ids[MN_ID_UNK];
    if (unk >= 0) mn_buffer_append_json(b, v->tokens[unk].data, v->tokens[unk].len);
    else mn_buffer_append_str(b, "null");
    mn_buffer_append_fmt(b, ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                         "\"fuse_unk\":%s,\"byte_fallback\":%s,\"ignore_merges\":%s,\"vocab\":{",
                         v->bytewise ? "false" : "true", v->bytewise ? "false" : "true",
                         ignore_merges ? "true" : "false");
    for (int64_t i = 0; i < v->n; i++) {
        if ((v->bytewise && is_added(v, i)) || is_padding(v, i) || !v->tokens[i].len) continue;
        mn_buffer_append_str(b, comma);
        mn_buffer_append_json(b, v->tokens[i].data, v->tokens[i].len);
        mn_buffer_append_fmt(b, ":%lld", (long long)i);
        comma = ",";
    }
    mn_buffer_append_str(b, "},\"merges\":[");
    if (!v->bytewise) put_scored_merges(c, b, v);
    for (int64_t i = 0; v->bytewise && i < v->n_merges; i++) {
        mn_gguf_string m = v->merges[i];
        const char *space = m.len > 1 ? memchr(m.data + 1, ' ', m.len - 1) : NULL;
        size_t left = space ? (size_t)(space - m.data) : 0;
        if (!space) continue;
        mn_buffer_append_str(b, i ? ",[" : "[");
        mn_buffer_append_json(b, m.data, left);
        mn_buffer_append_str(b, ",");
        mn_buffer_append_json(b, space + 1, m.len - left - 1);
        mn_buffer_append_str(b, "]");
    }
    mn_buffer_append_str(b, "]}");
}

/* U+2581 for spaces, in front of the text, too, if the vocabulary says so. */
static void put_sentencepiece_steps(mn_buffer *b, const mn_vocab *v)
{
    static const char replace[] = "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
                                  "\"content\":\"\xE2\x96\x81\"}";
    bool space = v->add_space != 0;
    mn_buffer_append_str(b, "\"normalizer\":");
    if (space)
        mn_buffer_append_fmt(b, "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
                             "\"prepend\":\"\xE2\x96\x81\"},%s]}", replace);
    else mn_buffer_append_str(b, replace);
    mn_buffer_append_fmt(b, ",\"pre_tokenizer\":null,\"decoder\":{\"type\":\"Sequence\",\"decoders\":["
                         "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xE2\x96\x81\"},"
                         "\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]}",
                         space ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
}

static void make_json(mn_convert *c, mn_buffer *b, const mn_vocab *v, const pre_form *f,
                      bool ignore_merges)
{
    mn_buffer_reset(b);
    mn_buffer_append_str(b, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,"
                            "\"added_tokens\":[");
    put_added(b, v);
    mn_buffer_append_str(b, "],");
    if (v->bytewise) {
        mn_buffer_append_fmt(b, "\"normalizer\":%s,\"pre_tokenizer\":",
                             f->nfc ? "{\"type\":\"NFC\"}" : "null");
        put_pre(b, f);
        mn_buffer_append_str(b, ",\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                                "\"trim_offsets\":true,\"use_regex\":true}");
    } else {
        put_sentencepiece_steps(b, v);
    }
    mn_buffer_append_str(b, ",\"post_processor\":");
    put_post(b, v);
    mn_buffer_append_str(b, ",\"model\":");
    put_model(c, b, v, ignore_merges);
    mn_buffer_append_str(b, "}\n");
    if (b->failed && !c->status) c->status = mn_fail_memory(c->err, b->len);
}

/* Does the JSON split as the GGUF vocabulary does? */
static bool behaves(const mn_buffer *b, const mn_tokenizer *source)
{
    mn_tokenizer *t = NULL;
    if (mn_tokenizer_from_json(&t, b->data, b->len, NULL, 0, NULL) != MINERVA_OK) return false;
    bool same = mn_vocab_same(source, t, true);
    mn_tokenizer_free(t);
    return same;
}

static bool named(const pre_form *f, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = f->names; n && (p = strstr(p, name)); p += n)
        if ((p == f->names || p[-1] == ' ') && (p[n] == ' ' || !p[n])) return true;
    return false;
}

static void choose_json(mn_convert *c, mn_buffer *b, const mn_vocab *v, const mn_tokenizer *source)
{
    if (!v->bytewise) {
        make_json(c, b, v, NULL, false);
        if (!c->status && !behaves(b, source))
            mn_convert_warn(c, "tokenizer.json splits some texts otherwise than the GGUF vocabulary");
        return;
    }
    /* the named form first, then whatever behaves alike */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < sizeof pre_forms / sizeof *pre_forms && !c->status; i++) {
            const pre_form *f = &pre_forms[i];
            if (named(f, v->pre) == (pass == 1)) continue;
            bool ignore = f->splits[0] && !f->splits[1] && !f->nfc;
            make_json(c, b, v, f, ignore);
            bool same = !c->status && behaves(b, source);
            if (c->status || same) return;
            if (pass) continue;
            mn_convert_warn(c, "tokenizer.json splits some texts otherwise than llama.cpp's \"%s\"",
                            v->pre);
            return;
        }
    mn_convert_fail(c, MINERVA_UNSUPPORTED, "tokenizer.ggml.pre \"%.40s\" cannot be written as "
                    "tokenizer.json yet", v->pre);
}

/* ---- reading GGUF ---------------------------------------------------------------------------- */

static void read_arrays(mn_convert *c, mn_vocab *v)
{
    const mn_gguf *g = c->source->gguf;
    int64_t n_types, n_scores, *types = NULL;
    if ((c->status = mn_gguf_get_strings(g, "tokenizer.ggml.tokens", MAX_TOKENS, &v->tokens, &v->n,
                                         c->err)) ||
        (c->status = mn_gguf_get_strings(g, "tokenizer.ggml.merges", 4LL * MAX_TOKENS, &v->merges,
                                         &v->n_merges, c->err)) ||
        (c->status = mn_gguf_get_floats(g, "tokenizer.ggml.scores", MAX_TOKENS, &v->scores,
                                        &n_scores, c->err)) ||
        (c->status = mn_gguf_get_ints(g, "tokenizer.ggml.token_type", MAX_TOKENS, &types, &n_types,
                                      c->err)))
        return;
    v->types = mn_convert_alloc(c, (size_t)v->n, sizeof *v->types);
    for (int64_t i = 0; v->types && i < v->n; i++)
        v->types[i] = i < n_types && types[i] >= 1 && types[i] <= 6 ? (int32_t)types[i]
                                                                     : MN_TOKEN_NORMAL;
    if (n_scores != v->n) {
        free(v->scores);
        v->scores = NULL;
    }
    free(types);
}

static int8_t choice(const mn_gguf *g, const char *key)
{
    bool b = false;
    if (!mn_gguf_find(g, key) || mn_gguf_get_bool(g, key, false, &b, NULL)) return -1;
    return b;
}

static void read_gguf(mn_convert *c, mn_vocab *v)
{
    static const char *const names[] = { "bos", "eos", "unknown", "seperator", "padding", "cls",
                                         "mask", "eot", "eom" };
    const mn_gguf *g = c->source->gguf;
    mn_gguf_string model = { 0 }, pre = { 0 };
    mn_gguf_get_string(g, "tokenizer.ggml.model", &model, NULL);
    mn_gguf_get_string(g, "tokenizer.ggml.pre", &pre, NULL);
    bool gpt2 = model.len == 4 && !memcmp(model.data, "gpt2", 4);
    bool llama = model.len == 5 && !memcmp(model.data, "llama", 5);
    if (!gpt2 && !llama) {
        mn_convert_fail(c, MINERVA_UNSUPPORTED, "tokenizer.ggml.model \"%.*s\" cannot be written as "
                        "tokenizer.json yet", (int)(model.len < 40 ? model.len : 40),
                        model.data ? model.data : "");
        return;
    }
    v->bytewise = gpt2;
    v->pre = mn_arena_strndup(&c->arena, pre.data ? pre.data : "default", pre.data ? pre.len : 7);
    read_arrays(c, v);
    for (int i = 0; i < MN_N_IDS && !c->status; i++) {
        char key[64];
        int64_t id = -1;
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", names[i]);
        mn_gguf_get_int(g, key, -1, &id, NULL);
        v->ids[i] = id >= 0 && id < v->n ? (int32_t)id : -1;
    }
    v->add_bos = choice(g, "tokenizer.ggml.add_bos_token");
    v->add_eos = choice(g, "tokenizer.ggml.add_eos_token");
    v->add_space = choice(g, "tokenizer.ggml.add_space_prefix");
}

/* ---- the other files --------------------------------------------------------------------------- */

static void write_bytes(mn_convert *c, const char *dir, const char *name, const char *bytes,
                        size_t n)
{
    char path[4400];
    mn_out_file f = { 0 };
    snprintf(path, sizeof path, "%.4096s/%.200s", dir, name);
    if (!c->status) c->status = mn_out_file_open(&f, path, c->err);
    if (c->status) return;
    mn_out_file_write(&f, bytes, n);
    c->status = mn_out_file_finish(&f, c->err);
    mn_out_file_clear(&f);
}

static void write_json(mn_convert *c, const char *dir, const char *name, json_t *o)
{
    char *text = json_dumps(o, JSON_INDENT(2));
    if (!text && !c->status) c->status = mn_fail_memory(c->err, 4096);
    if (text) write_bytes(c, dir, name, text, strlen(text));
    free(text);
    json_decref(o);
}

static json_t *token_json(const mn_vocab *v, int32_t id)
{
    return json_stringn(v->tokens[id].data, v->tokens[id].len);
}

static void write_tokenizer_config(mn_convert *c, const char *dir, const mn_vocab *v)
{
    static const char *const names[] = { "bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token" };
    json_t *o = json_pack("{s:s, s:b, s:i}", "tokenizer_class", "PreTrainedTokenizerFast",
                          "clean_up_tokenization_spaces", 0, "model_max_length",
                          c->from->context_train);
    for (int i = 0; i < 7; i++)
        if (v->ids[i] >= 0) json_object_set_new(o, names[i], token_json(v, v->ids[i]));
    if (v->add_bos >= 0) json_object_set_new(o, "add_bos_token", json_boolean(v->add_bos));
    if (v->add_eos >= 0) json_object_set_new(o, "add_eos_token", json_boolean(v->add_eos));
    mn_gguf_string t = { 0 };
    mn_gguf_get_string(c->source->gguf, "tokenizer.chat_template", &t, NULL);
    if (t.data) {
        json_object_set_new(o, "chat_template", json_stringn(t.data, t.len));
        write_bytes(c, dir, "chat_template.jinja", t.data, t.len);
    }
    write_json(c, dir, "tokenizer_config.json", o);
}

static void write_generation_config(mn_convert *c, const char *dir, const mn_vocab *v)
{
    static const struct { const char *gguf, *hf; } reals[] = {
        { "general.sampling.temp", "temperature" }, { "general.sampling.top_p", "top_p" },
        { "general.sampling.min_p", "min_p" },
        { "general.sampling.penalty_repeat", "repetition_penalty" } };
    json_t *o = json_object();
    if (v->ids[MN_ID_BOS] >= 0)
        json_object_set_new(o, "bos_token_id", json_integer(v->ids[MN_ID_BOS]));
    json_t *ends = json_array();
    for (int i = 0; i < 3; i++) {
        int32_t id = v->ids[i == 0 ? MN_ID_EOS : i == 1 ? MN_ID_EOT : MN_ID_EOM];
        if (id >= 0) json_array_append_new(ends, json_integer(id));
    }
    if (json_array_size(ends) == 1) json_object_set(o, "eos_token_id", json_array_get(ends, 0));
    else if (json_array_size(ends)) json_object_set(o, "eos_token_id", ends);
    json_decref(ends);
    if (v->ids[MN_ID_PAD] >= 0)
        json_object_set_new(o, "pad_token_id", json_integer(v->ids[MN_ID_PAD]));
    for (int i = 0; i < 4; i++) {
        double x = 0;
        if (!mn_gguf_find(c->source->gguf, reals[i].gguf)) continue;
        char text[32];
        mn_gguf_get_float(c->source->gguf, reals[i].gguf, 0, &x, NULL);
        snprintf(text, sizeof text, "%.7g", x);
        json_object_set_new(o, reals[i].hf, json_real(strtod(text, NULL)));
        json_object_set_new(o, "do_sample", json_true());
    }
    int64_t k = -1;
    mn_gguf_get_int(c->source->gguf, "general.sampling.top_k", -1, &k, NULL);
    if (k >= 0) json_object_set_new(o, "top_k", json_integer(k));
    write_json(c, dir, "generation_config.json", o);
}

static void copy_files(mn_convert *c, const char *dir)
{
    static const char *const names[] = { "tokenizer.json", "tokenizer.model", "tokenizer_config.json",
                                         "special_tokens_map.json", "generation_config.json",
                                         "chat_template.jinja", NULL };
    for (int i = 0; names[i] && !c->status; i++) {
        char *text = NULL;
        size_t len;
        if (mn_model_dir_text(c->source->dir, names[i], MAX_FILE, &text, &len, NULL) == MINERVA_OK)
            write_bytes(c, dir, names[i], text, len);
        free(text);
    }
}

void mn_vocab_write_dir(mn_convert *c, const char *dir)
{
    mn_vocab v = { 0 };
    mn_buffer b = { 0 };
    mn_tokenizer *source = NULL;
    if (c->source->kind == MN_SOURCE_DIR) {
        copy_files(c, dir);
        return;
    }
    if (!mn_gguf_find(c->source->gguf, "tokenizer.ggml.tokens")) {
        mn_convert_warn(c, "there is no tokenizer in the source, and so none in the target");
        return;
    }
    read_gguf(c, &v);
    if (!c->status) {
        mn_gguf_vocab g = mn_vocab_as_gguf(&v);
        c->status = mn_tokenizer_from_gguf(&source, &g, c->err);
    }
    if (!c->status) {
        mn_tokenizer_info info;     /* what a file is silent about, its kind decides */
        mn_tokenizer_info_get(source, &info);
        v.add_bos = info.adds_bos;
        v.add_eos = info.adds_eos;
        if (v.ids[MN_ID_BOS] < 0) v.ids[MN_ID_BOS] = info.bos;
        if (v.ids[MN_ID_EOS] < 0) v.ids[MN_ID_EOS] = info.eos;
        if (v.ids[MN_ID_UNK] < 0 && !v.bytewise) v.ids[MN_ID_UNK] = info.unk;
        choose_json(c, &b, &v, source);
    }
    if (!c->status) write_bytes(c, dir, "tokenizer.json", b.data, b.len);
    if (!c->status) write_tokenizer_config(c, dir, &v);
    if (!c->status) write_generation_config(c, dir, &v);
    mn_tokenizer_free(source);
    mn_buffer_clear(&b);
    free(v.tokens);
    free(v.merges);
    free(v.scores);
}
