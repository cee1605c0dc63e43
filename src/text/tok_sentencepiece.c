/* Tokenizers from tokenizer.model: a SentencePiece ModelProto (sentencepiece_model.proto),
 * read field by field and run as the SentencePiece library 0.2 runs it.
 *
 * Unigram, BPE, word and character models; normalisation with the model's own map; user-
 * defined symbols; byte fallback.
 * (1) Of the pieces only normal and user-defined ones are found in text; control pieces
 *     never are, as in the library, unless tokenizer_config.json lists them: that is how
 *     prompts with such tokens are read in models of this kind.
 * (2) Without a tokenizer_config.json nothing is put before or behind the text.
 * (3) A denormalizer and random segmentation are not supported.
 */
#include "text/tok_json.h"

#include "base/utf8.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };
enum { UNIGRAM = 1, BPE, WORD, CHAR };
enum { MAX_PIECES = 1 << 23 };

typedef struct {
    mn_str text;
    float score;
    int64_t type;
} piece;

typedef struct {
    piece *pieces;
    int64_t n_pieces, capacity;
    int64_t model_type, bos, eos, pad;
    bool byte_fallback, space_behind;
    mn_str unk_surface;
    mn_str charsmap, denormalizer_map;
    bool dummy_prefix, remove_extra_spaces, escape_spaces;
} model_proto;

typedef struct {
    mn_tokenizer *t;
    model_proto m;
    const char *start;          /* of the file, for offsets in errors */
    json_t *config;
    minerva_error *err;
} loader;

/* ---- protocol buffers ---------------------------------------------------------------------------- */

typedef struct {
    uint32_t number, wire;
    uint64_t value;             /* varint, or the bits of a fixed number */
    mn_str bytes;               /* length-delimited */
} field;

static bool varint(mn_str *s, uint64_t *out)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (!s->len) return false;
        unsigned char c = (unsigned char)*s->data;
        s->data++;
        s->len--;
        value |= (uint64_t)(c & 0x7F) << shift;
        if (c & 0x80) continue;
        *out = value;
        return true;
    }
    return false;
}

static bool fixed(mn_str *s, size_t size, uint64_t *out)
{
    if (s->len < size) return false;
    *out = 0;
    for (size_t i = 0; i < size; i++) *out |= (uint64_t)(unsigned char)s->data[i] << 8 * i;
    s->data += size;
    s->len -= size;
    return true;
}

/* The next field of a message, which must not be empty. */
static minerva_status next_field(loader *l, mn_str *s, field *f)
{
    const char *at = s->data;
    uint64_t key, len;
    *f = (field){ 0 };
    bool ok = varint(s, &key);
    if (ok) {
        f->number = (uint32_t)(key >> 3);
        f->wire = key & 7;
        if (f->wire == 0) ok = varint(s, &f->value);
        else if (f->wire == 1) ok = fixed(s, 8, &f->value);
        else if (f->wire == 5) ok = fixed(s, 4, &f->value);
        else if (f->wire == 2) {
            ok = varint(s, &len) && len <= s->len;
            if (ok) {
                f->bytes = (mn_str){ s->data, (size_t)len };
                s->data += len;
                s->len -= (size_t)len;
            }
        } else {
            ok = false;
        }
    }
    if (ok) return MINERVA_OK;
    return mn_fail_at(l->err, MINERVA_INVALID, at - l->start, "tokenizer.model: a protocol buffer "
                      "field expected, other bytes found");
}

static minerva_status wrong_wire(loader *l, const char *what)
{
    return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: %s: another wire type expected", what);
}

static minerva_status read_piece(loader *l, mn_str s)
{
    model_proto *m = &l->m;
    piece p = { .type = NORMAL };
    while (s.len) {
        field f;
        minerva_status st = next_field(l, &s, &f);
        if (st) return st;
        if (f.number == 1 && f.wire == 2) p.text = f.bytes;
        else if (f.number == 2 && f.wire == 5) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&p.score, &bits, 4);
        } else if (f.number == 3 && f.wire == 0) p.type = (int64_t)f.value;
        else if (f.number <= 3) return wrong_wire(l, "a piece");
    }
    if (!p.text.len)
        return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: piece %lld: a text expected, "
                       "none found", (long long)m->n_pieces);
    if (p.type < NORMAL || p.type > BYTE)
        return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: piece %lld: a type from 1 to 6 "
                       "expected, %lld found", (long long)m->n_pieces, (long long)p.type);
    if (m->n_pieces == MAX_PIECES)
        return mn_fail(l->err, MINERVA_UNSUPPORTED, "tokenizer.model: at most %d pieces expected",
                       MAX_PIECES);
    if (m->n_pieces == m->capacity) {
        int64_t capacity = m->capacity ? m->capacity * 2 : 1024;
        piece *pieces = realloc(m->pieces, (size_t)capacity * sizeof *pieces);
        if (!pieces) return mn_fail_memory(l->err, (size_t)capacity * sizeof *pieces);
        m->pieces = pieces;
        m->capacity = capacity;
    }
    m->pieces[m->n_pieces++] = p;
    return MINERVA_OK;
}

static minerva_status read_trainer(loader *l, mn_str s)
{
    model_proto *m = &l->m;
    while (s.len) {
        field f;
        minerva_status st = next_field(l, &s, &f);
        if (st) return st;
        int64_t value = (int32_t)f.value;
        switch (f.wire == 0 ? f.number : 0) {
        case 3: m->model_type = value; break;
        case 24: m->space_behind = value; break;
        case 35: m->byte_fallback = value; break;
        case 41: m->bos = value; break;
        case 42: m->eos = value; break;
        case 43: m->pad = value; break;
        default: break;
        }
        if (f.number == 44 && f.wire == 2) m->unk_surface = f.bytes;
    }
    return MINERVA_OK;
}

static minerva_status read_normalizer(loader *l, mn_str s, bool denormalizer)
{
    model_proto *m = &l->m;
    while (s.len) {
        field f;
        minerva_status st = next_field(l, &s, &f);
        if (st) return st;
        if (f.number == 2 && f.wire == 2) {
            if (denormalizer) m->denormalizer_map = f.bytes;
            else m->charsmap = f.bytes;
        }
        if (f.wire != 0 || denormalizer) continue;
        if (f.number == 3) m->dummy_prefix = f.value;
        if (f.number == 4) m->remove_extra_spaces = f.value;
        if (f.number == 5) m->escape_spaces = f.value;
    }
    return MINERVA_OK;
}

static minerva_status read_model(loader *l, mn_str s)
{
    l->m.model_type = UNIGRAM;
    l->m.bos = 1;
    l->m.eos = 2;
    l->m.pad = -1;
    l->m.unk_surface = TOK_STR(" \xe2\x81\x87 ");
    l->m.dummy_prefix = l->m.remove_extra_spaces = l->m.escape_spaces = true;
    while (s.len) {
        field f;
        minerva_status st = next_field(l, &s, &f);
        if (st) return st;
        if (f.number >= 1 && f.number <= 5 && f.wire != 2) return wrong_wire(l, "a message");
        if (f.number == 1) st = read_piece(l, f.bytes);
        if (f.number == 2) st = read_trainer(l, f.bytes);
        if (f.number == 3) st = read_normalizer(l, f.bytes, false);
        if (f.number == 5) st = read_normalizer(l, f.bytes, true);
        if (st) return st;
    }
    if (!l->m.n_pieces)
        return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: pieces expected, none found");
    if (l->m.denormalizer_map.len)
        return mn_fail(l->err, MINERVA_UNSUPPORTED, "tokenizer.model: denormalizer_spec is not "
                       "supported");
    return MINERVA_OK;
}

/* ---- pieces ---------------------------------------------------------------------------------------- */

static minerva_status take_pieces(loader *l, int64_t n_more)
{
    mn_tokenizer *t = l->t;
    int64_t n = l->m.n_pieces;
    if (!tok_alloc_ids(t, n + n_more)) return mn_fail_memory(l->err, (size_t)(n + n_more) * 40);
    t->n_tokens = (int32_t)n;
    for (int32_t i = 0; i < n; i++) {
        piece *p = &l->m.pieces[i];
        unsigned char byte;
        t->text[i] = tok_str(&t->arena, p->text.data, p->text.len);
        if (!t->text[i].data) return mn_fail_memory(l->err, p->text.len);
        t->bytes[i] = t->text[i];
        switch (p->type) {
        case UNKNOWN:
            if (t->model.unk >= 0)
                return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: one unknown piece "
                               "expected, several found");
            t->model.unk = i;
            t->flags[i] = TOK_UNKNOWN | TOK_SPECIAL;
            break;
        case CONTROL: t->flags[i] = TOK_CONTROL | TOK_SPECIAL; break;
        case BYTE:
            if (!tok_byte_token(p->text, &byte) || !l->m.byte_fallback)
                return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: byte piece %.*s: one of "
                               "<0x00> to <0xFF>, and byte_fallback, expected",
                               (int)(p->text.len < 60 ? p->text.len : 60), p->text.data);
            t->flags[i] = TOK_BYTE;
            t->model.byte_id[byte] = i;
            t->bytes[i] = tok_str(&t->arena, (char[]){ (char)byte }, 1);
            break;
        default: break;
        }
    }
    if (t->model.unk < 0)
        return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: an unknown piece expected, none "
                       "found");
    for (int b = 0; b < 256 && l->m.byte_fallback; b++)
        if (t->model.byte_id[b] < 0)
            return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: byte_fallback: a piece for "
                           "each byte expected, <0x%02X> is missing", (unsigned)b);
    return MINERVA_OK;
}

static bool in_text(const piece *p) { return p->type == NORMAL || p->type == USER_DEFINED; }

static minerva_status make_map(loader *l)
{
    tok_model *m = &l->t->model;
    int32_t n = l->t->n_tokens;
    m->keys = malloc(((size_t)n + 1) * sizeof *m->keys);
    if (!m->keys || !tok_map_init(&m->map, (size_t)n)) return mn_fail_memory(l->err, (size_t)n * 16);
    memcpy(m->keys, l->t->text, (size_t)n * sizeof *m->keys);
    m->n_keys = m->capacity_keys = n;
    for (int32_t i = 0; i < n; i++) {
        if (!in_text(&l->m.pieces[i])) continue;
        int32_t id = tok_map_put(&m->map, m->keys, i);
        if (id < 0) return mn_fail_memory(l->err, 4096);
        if (id != i)
            return mn_fail(l->err, MINERVA_INVALID, "tokenizer.model: pieces that differ expected, "
                           "%d and %d are the same", id, i);
    }
    return MINERVA_OK;
}

/* Spaces for U+2581 in all pieces that stand in text. */
static minerva_status make_bytes(loader *l)
{
    mn_tokenizer *t = l->t;
    for (int32_t i = 0; i < l->m.n_pieces; i++) {
        mn_str text = t->text[i];
        if (!in_text(&l->m.pieces[i]) || text.len < 3) continue;
        if (!memmem(text.data, text.len, "\xe2\x96\x81", 3)) continue;
        char *out = mn_arena_alloc_aligned(&t->arena, text.len + 1, 1);
        size_t n = 0;
        if (!out) return mn_fail_memory(l->err, text.len);
        for (size_t k = 0; k < text.len;) {
            bool mark = text.len - k >= 3 && !memcmp(text.data + k, "\xe2\x96\x81", 3);
            out[n++] = mark ? ' ' : text.data[k];
            k += mark ? 3 : 1;
        }
        t->bytes[i] = (mn_str){ out, n };
    }
    return MINERVA_OK;
}

/* ---- models ------------------------------------------------------------------------------------------ */

static minerva_status unigram(loader *l)
{
    mn_tokenizer *t = l->t;
    tok_model *m = &t->model;
    float lowest = FLT_MAX, highest = FLT_MIN;
    m->kind = TOK_UNIGRAM;
    m->float_sums = true;
    m->scores = mn_arena_array(&t->arena, (size_t)t->n_tokens, sizeof *m->scores);
    if (!m->scores || !tok_trie_init(&m->trie)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < t->n_tokens; i++) {
        const piece *p = &l->m.pieces[i];
        if (p->type != NORMAL) continue;
        if (p->score < lowest) lowest = p->score;
        if (p->score > highest) highest = p->score;
    }
    for (int32_t i = 0; i < t->n_tokens; i++) {
        const piece *p = &l->m.pieces[i];
        /* User-defined pieces get a bonus, so that they are always chosen. */
        m->scores[i] = p->type == USER_DEFINED ? (double)((float)p->text.len * highest) - 0.1
                                               : (double)p->score;
        if (in_text(p) && !tok_trie_put(&m->trie, p->text.data, p->text.len, i, false))
            return mn_fail_memory(l->err, p->text.len);
    }
    m->unk_score = (double)(lowest - 10.0f);
    return MINERVA_OK;
}

static minerva_status bpe(loader *l)
{
    mn_tokenizer *t = l->t;
    tok_model *m = &t->model;
    m->kind = TOK_SCORE_BPE;
    m->late_bytes = m->late_unk = true;
    m->score_key = mn_arena_array(&t->arena, (size_t)t->n_tokens, sizeof *m->score_key);
    if (!m->score_key) return mn_fail_memory(l->err, (size_t)t->n_tokens * 4);
    for (int32_t i = 0; i < t->n_tokens; i++) m->score_key[i] = tok_score_key(l->m.pieces[i].score);
    tok_bpe_finish(t);
    return MINERVA_OK;
}

static minerva_status words(loader *l)
{
    mn_tokenizer *t = l->t;
    t->model.kind = TOK_WORDLEVEL;
    t->pres = mn_arena_array(&t->arena, 1, sizeof *t->pres);
    if (!t->pres) return mn_fail_memory(l->err, sizeof *t->pres);
    t->pres[t->n_pres++] = (tok_pre){
        .kind = TOK_PRE_SPLIT, .behavior = TOK_MERGED_WITH_NEXT,
        .pattern = { .kind = TOK_PAT_LITERAL, .literal = TOK_STR("\xe2\x96\x81") },
    };
    return MINERVA_OK;
}

/* User-defined pieces: kept by the normaliser, and in BPE and character models symbols
 * that nothing else merges with. */
static minerva_status user_defined(loader *l, tok_trie *kept)
{
    mn_tokenizer *t = l->t;
    bool whole = l->m.model_type == BPE || l->m.model_type == CHAR;
    if (!tok_trie_init(kept) || !tok_trie_init(&t->added_normalized)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < l->m.n_pieces; i++) {
        mn_str text = t->text[i];
        if (l->m.pieces[i].type != USER_DEFINED) continue;
        if (!tok_trie_put(kept, text.data, text.len, i, false)
            || (whole && !tok_trie_put(&t->added_normalized, text.data, text.len, i, false)))
            return mn_fail_memory(l->err, text.len);
        t->flags[i] |= TOK_ADDED;
        t->has_added_normalized |= whole;
    }
    return MINERVA_OK;
}

static minerva_status make_norm(loader *l)
{
    mn_tokenizer *t = l->t;
    t->norms = mn_arena_array(&t->arena, 1, sizeof *t->norms);
    tok_trie *kept = mn_arena_alloc(&t->arena, sizeof *kept);
    if (!t->norms || !kept) return mn_fail_memory(l->err, sizeof *t->norms);
    tok_norm *n = &t->norms[t->n_norms++];
    *n = (tok_norm){ .kind = TOK_NORM_SENTENCEPIECE, .user_defined = kept,
                     .add_space = l->m.dummy_prefix, .escape_spaces = l->m.escape_spaces,
                     .remove_extra_spaces = l->m.remove_extra_spaces,
                     .space_behind = l->m.space_behind,
                     .first_only = json_is_false(json_object_get(l->config, "legacy")) };
    minerva_status st = tok_charsmap_init(&n->charsmap, &t->arena, l->m.charsmap.data,
                                          l->m.charsmap.len, l->err);
    return st ? st : user_defined(l, kept);
}

static minerva_status make_model(loader *l)
{
    tok_model *m = &l->t->model;
    m->join_unk = true;
    m->byte_fallback = l->m.byte_fallback;
    switch (l->m.model_type) {
    case UNIGRAM: return unigram(l);
    case BPE: return bpe(l);
    case WORD: return words(l);
    case CHAR: m->kind = TOK_CHARS; return MINERVA_OK;
    default:
        return mn_fail(l->err, MINERVA_UNSUPPORTED, "tokenizer.model: model_type: 1 to 4 expected, "
                       "%lld found", (long long)l->m.model_type);
    }
}

/* ---- tokenizer_config.json -------------------------------------------------------------------------------- */

static minerva_status add_special(loader *l, int32_t id, mn_str text, uint16_t flags)
{
    mn_tokenizer *t = l->t;
    t->flags[id] |= flags | TOK_ADDED;
    t->has_added = true;
    return tok_trie_put(&t->added, text.data, text.len, id, false)
               ? MINERVA_OK : mn_fail_memory(l->err, text.len);
}

/* {"32000": {"content": "<|user|>", "special": true, ...}, ...} */
static minerva_status add_listed(loader *l)
{
    mn_tokenizer *t = l->t;
    const json_t *listed = json_object_get(l->config, "added_tokens_decoder");
    const char *key;
    json_t *value;
    int64_t most = l->m.n_pieces + (int64_t)json_object_size(listed);
    json_object_foreach((json_t *)listed, key, value) {
        char *end;
        long long id = strtoll(key, &end, 10);
        mn_str text;
        if (*end || end == key || id < 0 || id >= most)
            return mn_fail(l->err, MINERVA_INVALID, "added_tokens_decoder: ids from 0 to %lld "
                           "expected, \"%.60s\" found", (long long)most - 1, key);
        minerva_status st = tok_json_str(t, value, "added_tokens_decoder", "content", &text, l->err);
        if (st) return st;
        if (!text.len) continue;
        static const struct {
            const char *key;
            uint16_t flag;
        } names[] = { { "special", TOK_SPECIAL }, { "lstrip", TOK_LSTRIP },
                      { "rstrip", TOK_RSTRIP }, { "single_word", TOK_SINGLE_WORD } };
        uint16_t flags = 0;
        for (int i = 0; i < 4; i++)
            if (json_is_true(json_object_get(value, names[i].key))) flags |= names[i].flag;
        t->text[id] = t->bytes[id] = text;
        if (id >= t->n_tokens) t->n_tokens = (int32_t)id + 1;
        if ((st = add_special(l, (int32_t)id, text, flags))) return st;
    }
    return MINERVA_OK;
}

/* A token that the configuration names, as a string or as an object; -1: none. */
static int32_t named(const loader *l, const char *key)
{
    const json_t *v = json_object_get(l->config, key);
    if (json_is_object(v)) v = json_object_get(v, "content");
    return json_is_string(v) ? mn_tokenizer_find(l->t, json_string_value(v), json_string_length(v)) : -1;
}

static minerva_status read_config(loader *l)
{
    static const char *const keys[] = { "bos_token", "eos_token", "unk_token", "pad_token",
                                        "sep_token", "cls_token", "mask_token" };
    mn_tokenizer *t = l->t;
    if (!l->config) return MINERVA_OK;
    if (!tok_trie_init(&t->added)) return mn_fail_memory(l->err, 4096);
    minerva_status st = add_listed(l);
    for (int i = 0; i < 7 && !st; i++) {
        int32_t id = named(l, keys[i]);
        if (id >= 0) st = add_special(l, id, t->text[id], TOK_SPECIAL);
    }
    return st;
}

static bool says(const loader *l, const char *key, bool fallback)
{
    const json_t *v = json_object_get(l->config, key);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

/* Llama's and Gemma's classes begin texts with BOS, T5's end them with EOS. */
static minerva_status set_ends(loader *l)
{
    mn_tokenizer *t = l->t;
    const char *class = json_string_value(json_object_get(l->config, "tokenizer_class"));
    bool t5 = class && !strncmp(class, "T5", 2), bos_class = class && (strstr(class, "Llama")
                                                                       || strstr(class, "Gemma"));
    bool bos = l->config && says(l, "add_bos_token", bos_class);
    bool eos = l->config && says(l, "add_eos_token", t5);
    t->prefix_ids = mn_arena_array(&t->arena, 2, sizeof *t->prefix_ids);
    if (!t->prefix_ids) return mn_fail_memory(l->err, 8);
    t->suffix_ids = t->prefix_ids + 1;
    t->prefix_ids[0] = t->info.bos;
    t->suffix_ids[0] = t->info.eos;
    t->n_prefix_ids = bos && t->info.bos >= 0;
    t->n_suffix_ids = eos && t->info.eos >= 0;
    t->info.adds_bos = t->n_prefix_ids;
    t->info.adds_eos = t->n_suffix_ids;
    return MINERVA_OK;
}

static int32_t control_piece(const loader *l, int64_t id)
{
    bool there = id >= 0 && id < l->m.n_pieces && l->m.pieces[id].type == CONTROL;
    return there ? (int32_t)id : -1;
}

static void set_info(loader *l)
{
    static const char *const kinds[] = { "Unigram", "SentencePiece BPE", "SentencePiece words",
                                         "SentencePiece characters" };
    mn_tokenizer *t = l->t;
    int32_t bos = named(l, "bos_token"), eos = named(l, "eos_token"), pad = named(l, "pad_token");
    t->info = (mn_tokenizer_info){
        .kind = kinds[l->m.model_type - 1], .pre = "", .unk = t->model.unk,
        .bos = bos >= 0 ? bos : control_piece(l, l->m.bos),
        .eos = eos >= 0 ? eos : control_piece(l, l->m.eos),
        .pad = pad >= 0 ? pad : control_piece(l, l->m.pad),
    };
}

static minerva_status load(loader *l, mn_str file)
{
    mn_tokenizer *t = l->t;
    minerva_status st;
    int64_t n_more = (int64_t)json_object_size(json_object_get(l->config, "added_tokens_decoder"));
    t->keeps_bytes = true;
    if ((st = read_model(l, file)) || (st = take_pieces(l, n_more))
        || (l->m.model_type != UNIGRAM && (st = make_map(l))) || (st = make_norm(l))
        || (st = make_model(l)) || (st = make_bytes(l)))
        return st;
    t->decs = mn_arena_array(&t->arena, 1, sizeof *t->decs);
    mn_str surface = tok_str(&t->arena, l->m.unk_surface.data, l->m.unk_surface.len);
    if (!t->decs || !surface.data) return mn_fail_memory(l->err, sizeof *t->decs);
    t->decs[t->n_decs++] = (tok_dec){
        .kind = TOK_DEC_SENTENCEPIECE, .b = surface, .drop_all = l->m.remove_extra_spaces,
        .drop_first = l->m.dummy_prefix || l->m.remove_extra_spaces,
    };
    if ((st = read_config(l))) return st;
    set_info(l);
    return set_ends(l);
}

minerva_status mn_tokenizer_from_sentencepiece(mn_tokenizer **out, const char *bytes, size_t len,
                                               const char *config_json, size_t config_len,
                                               minerva_error *err)
{
    loader l = { .t = tok_new(), .err = err, .start = bytes };
    minerva_status st = l.t ? MINERVA_OK : mn_fail_memory(err, sizeof *l.t);
    if (!st && config_json) {
        json_error_t fault;
        l.config = json_loadb(config_json, config_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &fault);
        if (!l.config || !json_is_object(l.config))
            st = mn_fail(err, MINERVA_INVALID, "tokenizer_config.json: a JSON object expected%s%s",
                         l.config ? "" : ": ", l.config ? "" : fault.text);
    }
    if (!st) st = load(&l, (mn_str){ bytes, len });
    free(l.m.pieces);
    json_decref(l.config);
    if (st) mn_tokenizer_free(l.t);
    else *out = l.t;
    return st;
}
