/* tokenizer.json (HuggingFace tokenizers 0.23) and the tokenizer_config.json beside it.
 *
 * Read in this order: the components around the model (tok_json_parts.c), the model's
 * vocabulary and merges, the added tokens, then what follows from all of them: what each
 * token stands for in running text, and which ids begin and end a text.
 *
 * (1) Added tokens get their ids as the library gives them: that of the model's token of
 *     the same spelling, else the next free one; the file's "id" is not looked at.
 * (2) Byte-level BPE works on bytes here, not on the alphabet that stands for them, as
 *     long as nothing can tell the difference (works_on_bytes).
 * (3) Files are hostile until checked: ids, sizes and types are, before any use.
 */
#include "text/tok_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ID = 1 << 24 };

typedef struct {
    mn_tokenizer *t;
    minerva_error *err;
    const json_t *root, *model, *config;
    tok_map by_text;            /* spelled tokens of the model, over t->text */
    int64_t n_model;            /* entries of its vocabulary */
} loader;

/* ---- vocabulary -------------------------------------------------------------------------------- */

static minerva_status check_size(loader *l, int64_t largest, int64_t n)
{
    int64_t most = 2 * n + 1000000 < MAX_ID ? 2 * n + 1000000 : MAX_ID;
    if (largest < most) return MINERVA_OK;
    return mn_fail(l->err, MINERVA_INVALID, "vocabulary: ids below %lld expected for %lld tokens, "
                   "%lld found", (long long)most, (long long)n, (long long)largest);
}

/* {"token": id, ...} */
static minerva_status read_vocab_object(loader *l, const json_t *vocab, int64_t n_added)
{
    mn_tokenizer *t = l->t;
    const char *key;
    size_t key_len;
    json_t *value;
    int64_t largest = -1;
    if (!json_is_object(vocab))
        return mn_fail(l->err, MINERVA_INVALID, "model: vocab: an object expected, %s found",
                       tok_json_type(vocab));
    l->n_model = (int64_t)json_object_size(vocab);
    json_object_foreach((json_t *)vocab, key, value) {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0)
            return mn_fail(l->err, MINERVA_INVALID, "vocab: the id of \"%.60s\": a whole number "
                           "expected, %s found", key, tok_json_type(value));
        if (id > largest) largest = id;
    }
    minerva_status st = check_size(l, largest, l->n_model);
    if (st) return st;
    int64_t n = (largest + 1 > l->n_model ? largest + 1 : l->n_model) + n_added;
    if (!tok_alloc_ids(t, n) || !tok_map_init(&l->by_text, (size_t)n))
        return mn_fail_memory(l->err, (size_t)n * sizeof *t->text);
    json_object_keylen_foreach((json_t *)vocab, key, key_len, value) {
        int32_t id = (int32_t)json_integer_value(value);
        if (t->text[id].data)
            return mn_fail(l->err, MINERVA_INVALID, "vocab: one token with the id %d expected, "
                           "\"%.60s\" and \"%.60s\" found", id, t->text[id].data, key);
        t->text[id] = tok_str(&t->arena, key, key_len);
        if (!t->text[id].data || tok_map_put(&l->by_text, t->text, id) < 0)
            return mn_fail_memory(l->err, key_len);
    }
    t->n_tokens = (int32_t)(largest + 1);
    return MINERVA_OK;
}

/* [["token", score], ...]; of equal tokens the last one counts. */
static minerva_status read_vocab_list(loader *l, const json_t *vocab, int64_t n_added)
{
    mn_tokenizer *t = l->t;
    int64_t n = (int64_t)json_array_size(vocab);
    if (!json_is_array(vocab))
        return mn_fail(l->err, MINERVA_INVALID, "model: vocab: an array expected, %s found",
                       tok_json_type(vocab));
    minerva_status st = check_size(l, n - 1, n);
    if (st) return st;
    l->n_model = n;
    t->model.scores = mn_arena_array(&t->arena, (size_t)n + 1, sizeof *t->model.scores);
    if (!t->model.scores || !tok_alloc_ids(t, n + n_added) || !tok_map_init(&l->by_text, (size_t)n))
        return mn_fail_memory(l->err, (size_t)n * sizeof *t->text);
    for (int64_t i = n - 1; i >= 0; i--) {
        const json_t *entry = json_array_get(vocab, (size_t)i), *text = json_array_get(entry, 0),
                     *score = json_array_get(entry, 1);
        if (!json_is_string(text) || !json_is_number(score))
            return mn_fail(l->err, MINERVA_INVALID, "vocab: entry %lld: a token and its score "
                           "expected, %s and %s found", (long long)i, tok_json_type(text),
                           tok_json_type(score));
        t->text[i] = tok_str(&t->arena, json_string_value(text), json_string_length(text));
        t->model.scores[i] = json_number_value(score);
        if (!t->text[i].data || tok_map_put(&l->by_text, t->text, (int32_t)i) < 0)
            return mn_fail_memory(l->err, json_string_length(text));
    }
    t->n_tokens = (int32_t)n;
    return MINERVA_OK;
}

static int32_t id_of(const loader *l, const char *s, size_t len)
{
    return tok_map_find(&l->by_text, l->t->text, s, len);
}

static void find_byte_tokens(loader *l)
{
    for (int b = 0; b < 256; b++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", b);
        int32_t id = id_of(l, name, 6);
        l->t->model.byte_id[b] = id;
        if (id >= 0) l->t->flags[id] |= TOK_BYTE;
    }
}

/* ---- models ---------------------------------------------------------------------------------------- */

static minerva_status unk_token(loader *l)
{
    mn_str unk;
    minerva_status st = tok_json_opt_str(l->t, l->model, "model", "unk_token", &unk, l->err);
    if (!st && unk.data) l->t->model.unk = id_of(l, unk.data, unk.len);
    return st;
}

/* One merge, as ["a", "b"] or "a b". */
static minerva_status merge_sides(const loader *l, size_t i, const json_t *merge, mn_str *a, mn_str *b)
{
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_is_string(merge)) {
        const char *s = json_string_value(merge), *space = strchr(s, ' ');
        size_t len = json_string_length(merge);
        *a = (mn_str){ s, space ? (size_t)(space - s) : 0 };
        *b = (mn_str){ space ? space + 1 : s, space ? len - a->len - 1 : 0 };
        if (space && !memchr(b->data, ' ', b->len)) return MINERVA_OK;
    } else if (json_is_string(left) && json_is_string(right) && json_array_size(merge) == 2) {
        *a = (mn_str){ json_string_value(left), json_string_length(left) };
        *b = (mn_str){ json_string_value(right), json_string_length(right) };
        return MINERVA_OK;
    }
    return mn_fail(l->err, MINERVA_INVALID, "merges: entry %zu: two tokens expected, %s found", i,
                   json_is_string(merge) ? json_string_value(merge) : tok_json_type(merge));
}

static minerva_status add_merge(loader *l, size_t i, uint32_t rank, mn_str a, mn_str b)
{
    tok_model *m = &l->t->model;
    char few[256], *joined = few;
    size_t skip = m->prefix.len;
    int32_t left = id_of(l, a.data, a.len), right = id_of(l, b.data, b.len), id = -1;
    if (b.len >= skip) {
        if (a.len + b.len > sizeof few && !(joined = malloc(a.len + b.len)))
            return mn_fail_memory(l->err, a.len + b.len);
        memcpy(joined, a.data, a.len);
        memcpy(joined + a.len, b.data + skip, b.len - skip);
        id = id_of(l, joined, a.len + b.len - skip);
        if (joined != few) free(joined);
    }
    if (left < 0 || right < 0 || id < 0)
        return mn_fail(l->err, MINERVA_INVALID, "merges: entry %zu: tokens of the vocabulary "
                       "expected, \"%.60s\" and \"%.60s\"%s found", i, a.data, b.data,
                       left >= 0 && right >= 0 ? ", which make none together," : "");
    return tok_bpe_put_pair(m, (uint32_t)left, (uint32_t)right, rank, id, true)
               ? MINERVA_OK : mn_fail_memory(l->err, 16);
}

static minerva_status read_merges(loader *l)
{
    const json_t *merges = json_object_get(l->model, "merges");
    if (!json_is_array(merges))
        return mn_fail(l->err, MINERVA_INVALID, "model: merges: an array expected, %s found",
                       tok_json_type(merges));
    size_t n = json_array_size(merges);
    uint32_t rank = 0;
    minerva_status st = tok_bpe_reserve_pairs(&l->t->model, n, l->err);
    for (size_t i = 0; i < n && !st; i++) {
        const json_t *merge = json_array_get(merges, i);
        mn_str a = { NULL, 0 }, b = a;
        if (json_is_string(merge) && !strncmp(json_string_value(merge), "#version", 8)) continue;
        if (!(st = merge_sides(l, i, merge, &a, &b))) st = add_merge(l, i, rank++, a, b);
    }
    return st;
}

static minerva_status read_bpe(loader *l, int64_t n_added)
{
    tok_model *m = &l->t->model;
    const json_t *dropout = json_object_get(l->model, "dropout");
    minerva_status st;
    m->kind = TOK_BPE;
    if (dropout && !json_is_null(dropout) && (!json_is_number(dropout) || json_number_value(dropout) != 0))
        return mn_fail(l->err, MINERVA_UNSUPPORTED, "model: dropout: null or 0 expected: random "
                       "merges are for training");
    if ((st = read_vocab_object(l, json_object_get(l->model, "vocab"), n_added))
        || (st = unk_token(l))
        || (st = tok_json_bool(l->model, "model", "fuse_unk", false, &m->fuse_unk, l->err))
        || (st = tok_json_bool(l->model, "model", "byte_fallback", false, &m->byte_fallback, l->err))
        || (st = tok_json_bool(l->model, "model", "ignore_merges", false, &m->ignore_merges, l->err))
        || (st = tok_json_opt_str(l->t, l->model, "model", "continuing_subword_prefix", &m->prefix, l->err))
        || (st = tok_json_opt_str(l->t, l->model, "model", "end_of_word_suffix", &m->suffix, l->err)))
        return st;
    if (m->byte_fallback) find_byte_tokens(l);
    return read_merges(l);
}

static minerva_status read_unigram(loader *l, int64_t n_added)
{
    tok_model *m = &l->t->model;
    const json_t *unk = json_object_get(l->model, "unk_id");
    minerva_status st;
    m->kind = TOK_UNIGRAM;
    if ((st = read_vocab_list(l, json_object_get(l->model, "vocab"), n_added))
        || (st = tok_json_bool(l->model, "model", "byte_fallback", false, &m->byte_fallback, l->err)))
        return st;
    if (unk && !json_is_null(unk)) {
        if (!json_is_integer(unk) || json_integer_value(unk) < 0
            || json_integer_value(unk) >= l->n_model)
            return mn_fail(l->err, MINERVA_INVALID, "model: unk_id: an id of the vocabulary expected");
        m->unk = (int32_t)json_integer_value(unk);
    }
    if (m->byte_fallback) find_byte_tokens(l);
    double lowest = INFINITY;
    if (!tok_trie_init(&m->trie)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < l->n_model; i++) {
        if (m->scores[i] < lowest) lowest = m->scores[i];
        if (!tok_trie_put(&m->trie, l->t->text[i].data, l->t->text[i].len, i, true))
            return mn_fail_memory(l->err, l->t->text[i].len);
    }
    /* What a byte string stands for is decided by the map, where the last one won. */
    m->unk_score = lowest - 10;
    return MINERVA_OK;
}

static minerva_status read_wordpiece(loader *l, int64_t n_added)
{
    tok_model *m = &l->t->model;
    const json_t *most = json_object_get(l->model, "max_input_chars_per_word");
    mn_str prefix;
    minerva_status st;
    m->kind = TOK_WORDPIECE;
    if ((st = read_vocab_object(l, json_object_get(l->model, "vocab"), n_added))
        || (st = unk_token(l))
        || (st = tok_json_str(l->t, l->model, "model", "continuing_subword_prefix", &prefix, l->err)))
        return st;
    m->max_word_chars = most ? json_integer_value(most) : 100;
    if (most && (!json_is_integer(most) || m->max_word_chars < 0))
        return mn_fail(l->err, MINERVA_INVALID, "model: max_input_chars_per_word: a whole number "
                       "expected, %s found", tok_json_type(most));
    if (!tok_trie_init(&m->trie) || !tok_trie_init(&m->trie_inner)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < l->t->n_tokens; i++) {
        mn_str text = l->t->text[i];
        if (!text.data) continue;
        bool inner = text.len > prefix.len && !memcmp(text.data, prefix.data, prefix.len);
        if (!tok_trie_put(&m->trie, text.data, text.len, i, false)
            || (inner && !tok_trie_put(&m->trie_inner, text.data + prefix.len,
                                       text.len - prefix.len, i, false)))
            return mn_fail_memory(l->err, text.len);
    }
    return MINERVA_OK;
}

static minerva_status read_wordlevel(loader *l, int64_t n_added)
{
    minerva_status st = read_vocab_object(l, json_object_get(l->model, "vocab"), n_added);
    l->t->model.kind = TOK_WORDLEVEL;
    return st ? st : unk_token(l);
}

/* Old files do not name their model's type. */
static const char *model_type(const json_t *model)
{
    const char *type = json_string_value(json_object_get(model, "type"));
    if (type) return type;
    if (json_object_get(model, "merges")) return "BPE";
    if (json_object_get(model, "max_input_chars_per_word")) return "WordPiece";
    return json_is_array(json_object_get(model, "vocab")) ? "Unigram" : "WordLevel";
}

static minerva_status read_model(loader *l, int64_t n_added)
{
    if (!json_is_object(l->model))
        return mn_fail(l->err, MINERVA_INVALID, "model: an object expected, %s found",
                       tok_json_type(l->model));
    const char *type = model_type(l->model);
    if (!strcmp(type, "BPE")) return read_bpe(l, n_added);
    if (!strcmp(type, "Unigram")) return read_unigram(l, n_added);
    if (!strcmp(type, "WordPiece")) return read_wordpiece(l, n_added);
    if (!strcmp(type, "WordLevel")) return read_wordlevel(l, n_added);
    return mn_fail(l->err, MINERVA_UNSUPPORTED, "model: the type \"%.60s\" is not known here", type);
}

/* ---- keys: what the model looks up ----------------------------------------------------------------- */

/* True if the text's bytes may stay as they are until the model: mapping them to GPT-2's
 * alphabet is the last step before it, and nothing in it depends on the characters. */
static bool works_on_bytes(const loader *l)
{
    const mn_tokenizer *t = l->t;
    const tok_model *m = &t->model;
    if (m->kind != TOK_BPE || m->prefix.len || m->suffix.len || m->byte_fallback) return false;
    if (!t->n_pres || t->pres[t->n_pres - 1].kind != TOK_PRE_BYTE_MAP) return false;
    for (int i = 0; i + 1 < t->n_pres; i++)
        if (t->pres[i].kind == TOK_PRE_BYTE_MAP) return false;
    for (int b = 0; b < 256 && m->unk >= 0; b++) {
        char utf8[4];
        int n = mn_utf8_encode(tok_alphabet_of_byte((unsigned char)b), utf8);
        if (id_of(l, utf8, (size_t)n) < 0) return false;
    }
    return true;
}

static minerva_status make_keys(loader *l)
{
    mn_tokenizer *t = l->t;
    tok_model *m = &t->model;
    bool bytes = works_on_bytes(l);
    m->keys = malloc(((size_t)t->n_tokens + 1) * sizeof *m->keys);
    if (!m->keys) return mn_fail_memory(l->err, (size_t)t->n_tokens * sizeof *m->keys);
    m->n_keys = m->capacity_keys = t->n_tokens;
    memcpy(m->keys, t->text, (size_t)t->n_tokens * sizeof *m->keys);
    if (!bytes) {
        m->map = l->by_text;
        l->by_text = (tok_map){ 0 };
        tok_bpe_finish(t);
        return MINERVA_OK;
    }
    if (!tok_map_init(&m->map, (size_t)t->n_tokens)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < t->n_tokens; i++) {
        mn_str text = t->text[i];
        if (!text.data) continue;
        char *raw = mn_arena_alloc_aligned(&t->arena, text.len + 1, 1);
        if (!raw) return mn_fail_memory(l->err, text.len);
        long n = tok_alphabet_decode(text.data, text.len, raw);
        if (n < 0) continue;                    /* no text is mapped to this token */
        m->keys[i] = (mn_str){ raw, (size_t)n };
        if (tok_map_put(&m->map, m->keys, i) < 0) return mn_fail_memory(l->err, text.len);
    }
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        m->byte_symbol[b] = tok_map_find(&m->map, m->keys, &c, 1);
    }
    m->bytewise = t->keeps_bytes = true;
    t->n_pres--;
    tok_bpe_finish(t);
    return MINERVA_OK;
}

/* ---- added tokens ---------------------------------------------------------------------------------- */

static minerva_status flag(loader *l, const json_t *o, const char *key, uint16_t bit, uint16_t *flags)
{
    bool on;
    minerva_status st = tok_json_bool(o, "added_tokens", key, false, &on, l->err);
    if (!st && on) *flags |= bit;
    return st;
}

static minerva_status add_token(loader *l, const json_t *o, int32_t *next_id, bool *normalized)
{
    mn_tokenizer *t = l->t;
    mn_str content;
    uint16_t flags = TOK_ADDED;
    minerva_status st;
    if (!json_is_object(o))
        return mn_fail(l->err, MINERVA_INVALID, "added_tokens: an object expected, %s found",
                       tok_json_type(o));
    if ((st = tok_json_str(t, o, "added_tokens", "content", &content, l->err))
        || (st = flag(l, o, "special", TOK_SPECIAL, &flags))
        || (st = flag(l, o, "single_word", TOK_SINGLE_WORD, &flags))
        || (st = flag(l, o, "lstrip", TOK_LSTRIP, &flags))
        || (st = flag(l, o, "rstrip", TOK_RSTRIP, &flags)))
        return st;
    bool norm;
    st = tok_json_bool(o, "added_tokens", "normalized", !(flags & TOK_SPECIAL), &norm, l->err);
    if (st || !content.len) return st;
    int32_t id = id_of(l, content.data, content.len);
    if (id < 0) {
        id = (*next_id)++;
        t->text[id] = content;
        if (id >= t->n_tokens) t->n_tokens = id + 1;
        if (tok_map_put(&l->by_text, t->text, id) < 0) return mn_fail_memory(l->err, content.len);
    }
    t->flags[id] = (uint16_t)(flags | (t->flags[id] & (TOK_SPECIAL | TOK_BYTE)));
    normalized[id] = norm;
    return MINERVA_OK;
}

/* Those of tokenizer_config.json that tokenizer.json lacks, by rising id. */
static minerva_status add_config_tokens(loader *l, int32_t *next_id, bool *normalized)
{
    const json_t *decoder = json_object_get(l->config, "added_tokens_decoder");
    const char *key;
    json_t *value;
    int64_t after = -1;
    for (size_t n = json_object_size(decoder); n--;) {
        const json_t *least = NULL;
        int64_t least_id = INT64_MAX;
        json_object_foreach((json_t *)decoder, key, value) {
            int64_t id = strtoll(key, NULL, 10);
            if (id > after && id < least_id) {
                least_id = id;
                least = value;
            }
        }
        if (!least) break;
        after = least_id;
        const json_t *content = json_object_get(least, "content");
        int32_t id = json_is_string(content)
            ? id_of(l, json_string_value(content), json_string_length(content)) : -1;
        if (id >= 0 && (l->t->flags[id] & TOK_ADDED)) continue;
        minerva_status st = add_token(l, least, next_id, normalized);
        if (st) return st;
    }
    return MINERVA_OK;
}

/* What an added token is after normalisation. */
static minerva_status normalized_text(loader *l, mn_str text, mn_str *out)
{
    tok_call c = { .t = l->t };
    tok_text in = tok_normalize(&c, l->t->norms, l->t->n_norms,
                                (tok_text){ text.data, text.len, text.len });
    *out = c.failed ? (mn_str){ NULL, 0 } : tok_str(&l->t->arena, in.s, in.len);
    mn_buffer_clear(&c.norm[0]);
    mn_buffer_clear(&c.norm[1]);
    tok_regex_call_end(&c);
    return out->data ? MINERVA_OK : mn_fail_memory(l->err, text.len);
}

/* The library tells special tokens by the string it decodes from, so one that normalises
 * to something else is not skipped, unless that is a special token's spelling too. */
static minerva_status mark_kept(loader *l)
{
    mn_tokenizer *t = l->t;
    for (int32_t id = 0; id < t->n_tokens; id++) {
        mn_str piece = t->pieces[id];
        if (!(t->flags[id] & TOK_SPECIAL) || piece.data == t->text[id].data) continue;
        int32_t same = id_of(l, piece.data, piece.len);
        if (same < 0 || !(t->flags[same] & TOK_SPECIAL)) t->flags[id] |= TOK_KEPT;
    }
    return MINERVA_OK;
}

static minerva_status make_added_tries(loader *l, const bool *normalized)
{
    mn_tokenizer *t = l->t;
    if (!tok_trie_init(&t->added) || !tok_trie_init(&t->added_normalized))
        return mn_fail_memory(l->err, 4096);
    for (int32_t id = 0; id < t->n_tokens; id++) {
        mn_str text = t->text[id];
        if (!(t->flags[id] & TOK_ADDED)) continue;
        if (normalized[id]) {
            minerva_status st = normalized_text(l, text, &text);
            if (st) return st;
            if (text.len != t->text[id].len || memcmp(text.data, t->text[id].data, text.len))
                t->pieces[id] = text;
        }
        if (!tok_trie_put(normalized[id] ? &t->added_normalized : &t->added, text.data, text.len,
                          id, false))
            return mn_fail_memory(l->err, text.len);
        if (normalized[id]) t->has_added_normalized = true;
        else t->has_added = true;
    }
    return mark_kept(l);
}

static minerva_status read_added(loader *l)
{
    mn_tokenizer *t = l->t;
    const json_t *added = json_object_get(l->root, "added_tokens");
    int32_t next_id = (int32_t)l->n_model;
    size_t capacity = (size_t)l->n_model + (size_t)t->n_tokens + json_array_size(added)
                      + json_object_size(json_object_get(l->config, "added_tokens_decoder")) + 1;
    bool *normalized = calloc(capacity, 1);
    if (!normalized) return mn_fail_memory(l->err, capacity);
    minerva_status st = MINERVA_OK;
    for (size_t i = 0; i < json_array_size(added) && !st; i++)
        st = add_token(l, json_array_get(added, i), &next_id, normalized);
    if (!st) st = add_config_tokens(l, &next_id, normalized);
    if (!st) {
        t->pieces = mn_arena_array(&t->arena, (size_t)t->n_tokens + 1, sizeof *t->pieces);
        if (!t->pieces) st = mn_fail_memory(l->err, (size_t)t->n_tokens * sizeof *t->pieces);
        else memcpy(t->pieces, t->text, (size_t)t->n_tokens * sizeof *t->pieces);
    }
    if (!st) st = make_added_tries(l, normalized);
    free(normalized);
    return st;
}

/* ---- what follows from all that ------------------------------------------------------------------------ */

static const tok_dec *decoder_of(const mn_tokenizer *t, tok_dec_kind kind)
{
    for (int i = 0; i < t->n_decs; i++)
        if (t->decs[i].kind == kind) return &t->decs[i];
    return NULL;
}

/* `text` with every `old` as `new`, in the arena. */
static mn_str replaced(mn_tokenizer *t, mn_str text, mn_str old, const char *new)
{
    mn_buffer b = { 0 };
    size_t i = 0;
    if (!old.len || !memmem(text.data, text.len, old.data, old.len)) return text;
    while (i < text.len) {
        bool match = text.len - i >= old.len && !memcmp(text.data + i, old.data, old.len);
        if (match) mn_buffer_append_str(&b, new);
        else mn_buffer_append(&b, text.data + i, 1);
        i += match ? old.len : 1;
    }
    mn_str out = tok_str(&t->arena, b.data, b.len);
    mn_buffer_clear(&b);
    return out;
}

static mn_str running_bytes(mn_tokenizer *t, int32_t id)
{
    mn_str text = t->text[id];
    const tok_dec *d;
    unsigned char byte;
    if (decoder_of(t, TOK_DEC_BYTE_LEVEL)) {
        char *raw = mn_arena_alloc_aligned(&t->arena, text.len + 1, 1);
        long n = raw ? tok_alphabet_decode(text.data, text.len, raw) : 0;
        return n < 0 ? text : (mn_str){ raw, (size_t)n };
    }
    if (t->flags[id] & TOK_SPECIAL) return text;
    if (decoder_of(t, TOK_DEC_BYTE_FALLBACK) && tok_byte_token(text, &byte))
        return tok_str(&t->arena, (char[]){ (char)byte }, 1);
    if ((d = decoder_of(t, TOK_DEC_WORDPIECE))) {
        if (text.len >= d->a.len && !memcmp(text.data, d->a.data, d->a.len))
            return (mn_str){ text.data + d->a.len, text.len - d->a.len };
        mn_buffer b = { 0 };
        mn_buffer_append_byte(&b, ' ');
        mn_buffer_append(&b, text.data, text.len);
        mn_str spaced = tok_str(&t->arena, b.data, b.len);
        mn_buffer_clear(&b);
        return spaced;
    }
    if ((d = decoder_of(t, TOK_DEC_METASPACE))) return replaced(t, text, d->a, " ");
    if ((d = decoder_of(t, TOK_DEC_BPE))) return replaced(t, text, d->a, " ");
    if ((d = decoder_of(t, TOK_DEC_REPLACE)) && d->b.data)
        return replaced(t, text, d->a, d->b.data);
    return text;
}

static minerva_status make_bytes(loader *l)
{
    mn_tokenizer *t = l->t;
    for (int32_t id = 0; id < t->n_tokens; id++) {
        if (!t->text[id].data) continue;
        t->bytes[id] = running_bytes(t, id);
        if (!t->bytes[id].data) return mn_fail_memory(l->err, t->text[id].len);
    }
    if (t->n_decs && t->decs[0].kind == TOK_DEC_BYTE_LEVEL) {
        bool same = true;       /* no token decodes from another spelling */
        for (int32_t id = 0; id < t->n_tokens && same; id++)
            same = t->pieces[id].data == t->text[id].data;
        if (same) {
            t->decs[0].kind = TOK_DEC_BYTES;
            t->pieces = t->bytes;
        }
    }
    return MINERVA_OK;
}

/* Id of a token that tokenizer_config.json names, as a string or as an object; -1: none. */
static int32_t named_token(const loader *l, const char *key)
{
    const json_t *v = json_object_get(l->config, key);
    if (json_is_object(v)) v = json_object_get(v, "content");
    return json_is_string(v) ? mn_tokenizer_find(l->t, json_string_value(v), json_string_length(v)) : -1;
}

/* The Llama and Gemma classes put BOS and EOS where the configuration says, whatever the
 * file's post-processor does. */
static minerva_status legacy_bos_eos(loader *l)
{
    mn_tokenizer *t = l->t;
    static const char *const classes[] = { "LlamaTokenizer", "LlamaTokenizerFast",
        "CodeLlamaTokenizer", "CodeLlamaTokenizerFast", "GemmaTokenizer", "GemmaTokenizerFast" };
    const char *class = json_string_value(json_object_get(l->config, "tokenizer_class"));
    const json_t *bos = json_object_get(l->config, "add_bos_token"),
                 *eos = json_object_get(l->config, "add_eos_token");
    bool known = false;
    for (size_t i = 0; class && i < sizeof classes / sizeof *classes; i++)
        if (!strcmp(classes[i], class)) known = true;
    if (!known) return MINERVA_OK;
    int32_t *ids = mn_arena_array(&t->arena, 2, sizeof *ids);
    if (!ids) return mn_fail_memory(l->err, 8);
    ids[0] = t->info.bos;
    ids[1] = t->info.eos;
    if (json_is_boolean(bos) && (ids[0] >= 0 || json_is_false(bos))) {
        t->prefix_ids = ids;
        t->n_prefix_ids = json_is_true(bos);
    }
    if (json_is_boolean(eos) && (ids[1] >= 0 || json_is_false(eos))) {
        t->suffix_ids = ids + 1;
        t->n_suffix_ids = json_is_true(eos);
    }
    return MINERVA_OK;
}

static const char *kind_name(const mn_tokenizer *t)
{
    switch (t->model.kind) {
    case TOK_UNIGRAM: return "Unigram";
    case TOK_WORDPIECE: return "WordPiece";
    case TOK_WORDLEVEL: return "WordLevel";
    default: break;
    }
    if (t->model.bytewise || decoder_of(t, TOK_DEC_BYTE_LEVEL)) return "byte-level BPE";
    return t->model.byte_fallback || t->model.cut_at_space ? "SentencePiece BPE" : "BPE";
}

static minerva_status finish(loader *l)
{
    mn_tokenizer *t = l->t;
    t->info.kind = kind_name(t);
    t->info.bos = named_token(l, "bos_token");
    t->info.eos = named_token(l, "eos_token");
    t->info.unk = named_token(l, "unk_token");
    t->info.pad = named_token(l, "pad_token");
    if (t->info.unk < 0) t->info.unk = t->model.unk;
    minerva_status st = legacy_bos_eos(l);
    if (st) return st;
    for (int i = 0; i < t->n_prefix_ids + t->n_suffix_ids; i++) {
        int32_t id = i < t->n_prefix_ids ? t->prefix_ids[i] : t->suffix_ids[i - t->n_prefix_ids];
        if (id >= t->n_tokens)
            return mn_fail(l->err, MINERVA_INVALID, "post_processor: ids below %d expected, %d found",
                           t->n_tokens, id);
        if (id == t->info.bos && i < t->n_prefix_ids) t->info.adds_bos = true;
        if (id == t->info.eos && i >= t->n_prefix_ids) t->info.adds_eos = true;
    }
    return MINERVA_OK;
}

/* ---- the whole file ------------------------------------------------------------------------------------ */

static minerva_status parse(const char *what, const char *json, size_t len, json_t **out,
                            minerva_error *err)
{
    json_error_t fault;
    *out = json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &fault);
    if (!*out) return mn_fail_at(err, MINERVA_INVALID, fault.position, "%s: line %d: %s", what,
                                 fault.line, fault.text);
    if (!json_is_object(*out))
        return mn_fail(err, MINERVA_INVALID, "%s: an object expected, %s found", what,
                       tok_json_type(*out));
    return MINERVA_OK;
}

static minerva_status load(loader *l)
{
    mn_tokenizer *t = l->t;
    const json_t *root = l->root, *added = json_object_get(root, "added_tokens");
    minerva_status st;
    t->norms = mn_arena_array(&t->arena, TOK_MAX_PARTS, sizeof *t->norms);
    t->pres = mn_arena_array(&t->arena, TOK_MAX_PARTS, sizeof *t->pres);
    t->decs = mn_arena_array(&t->arena, TOK_MAX_PARTS, sizeof *t->decs);
    if (!t->norms || !t->pres || !t->decs) return mn_fail_memory(l->err, TOK_MAX_PARTS * 200);
    if (added && !json_is_null(added) && !json_is_array(added))
        return mn_fail(l->err, MINERVA_INVALID, "added_tokens: an array expected, %s found",
                       tok_json_type(added));
    int64_t n_added = (int64_t)json_array_size(added)
        + (int64_t)json_object_size(json_object_get(l->config, "added_tokens_decoder"));
    if ((st = tok_json_normalizer(t, json_object_get(root, "normalizer"), l->err))
        || (st = tok_json_pre_tokenizer(t, json_object_get(root, "pre_tokenizer"), l->err))
        || (st = tok_json_decoder(t, json_object_get(root, "decoder"), l->err))
        || (st = tok_json_post_processor(t, json_object_get(root, "post_processor"), l->err))
        || (st = read_model(l, n_added)) || (st = make_keys(l)))
        return st;
    /* The model took its map; added tokens need one of all spellings. */
    if (!l->by_text.slots) {
        if (!tok_map_init(&l->by_text, (size_t)(t->n_tokens + n_added)))
            return mn_fail_memory(l->err, 4096);
        for (int32_t i = t->n_tokens - 1; i >= 0; i--)
            if (t->text[i].data && tok_map_put(&l->by_text, t->text, i) < 0)
                return mn_fail_memory(l->err, 4096);
    }
    if ((st = read_added(l)) || (st = make_bytes(l))) return st;
    return finish(l);
}

minerva_status mn_tokenizer_from_json(mn_tokenizer **out, const char *json, size_t len,
                                      const char *config_json, size_t config_len,
                                      minerva_error *err)
{
    json_t *root = NULL, *config = NULL;
    loader l = { .err = err };
    minerva_status st = parse("tokenizer.json", json, len, &root, err);
    if (!st && config_json)
        st = parse("tokenizer_config.json", config_json, config_len, &config, err);
    if (!st && !(l.t = tok_new())) st = mn_fail_memory(err, sizeof *l.t);
    if (!st) {
        l.root = root;
        l.config = config;
        l.model = json_object_get(root, "model");
        st = load(&l);
    }
    tok_map_clear(&l.by_text);
    json_decref(root);
    json_decref(config);
    if (st) mn_tokenizer_free(l.t);
    else *out = l.t;
    return st;
}
