/* Tokenizers from a GGUF file's vocabulary, as llama.cpp runs them.
 *
 * tokenizer.ggml.model names the algorithm, tokenizer.ggml.pre for BPE how text is split
 * (tok_gguf_pre.c).  Token types say which tokens are cut out of the text first: control,
 * unknown and user-defined ones; plain text keeps only the last.
 * (1) What llama.cpp corrects by a token's spelling is corrected here too: end-of-turn
 *     tokens are control tokens whatever the file says, and so on.
 * (2) BPE merges may go through pieces that are no tokens; these get virtual ids.
 * (3) Token strings stay in the caller's memory; arrays of them are copied.
 */
#include "text/tok_gguf.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE, MAX_TOKENS = 1 << 24 };

typedef struct {
    mn_tokenizer *t;
    const mn_gguf_vocab *v;
    uint8_t *types;             /* [n_tokens] as corrected */
    bool repeated;              /* some tokens are spelled alike: the first one counts */
    minerva_error *err;
} loader;

/* ---- special tokens -------------------------------------------------------------------------------- */

static bool is_one_of(mn_str text, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tok_eq(text, names[i])) return true;
    return false;
}

#define ONE_OF(text, list) is_one_of(text, list, sizeof list / sizeof *(list))

static const char *const control_names[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
    "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<\xef\xbd\x9c" "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
    "<end_of_utterance>", "<|eom_id|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "</s>",
    "<eos>", "<turn|>", "<|tool_response>", "[e~[", "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>",
    "<\xef\xbd\x9c" "fim\xe2\x96\x81" "begin\xef\xbd\x9c>", "<PRE>", "\xe2\x96\x81<PRE>", "<|code_prefix|>",
    "<|prefix|>", "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>",
    "<\xef\xbd\x9c" "fim\xe2\x96\x81hole\xef\xbd\x9c>", "<SUF>", "\xe2\x96\x81<SUF>", "<|code_suffix|>",
    "<|suffix|>", "<|fim_middle|>", "<fim-middle>", "<fim_middle>",
    "<\xef\xbd\x9c" "fim\xe2\x96\x81" "end\xef\xbd\x9c>", "<MID>", "\xe2\x96\x81<MID>", "<|code_middle|>",
    "<|middle|>", "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>",
    "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>",
};
static const char *const shown_names[] = { "<|channel|>", "<|message|>", "<|start|>", "<|constrain|>" };

/* Names of special tokens start with one of these; all others need no comparing. */
static bool may_be_special(mn_str text)
{
    return text.len > 3 && (text.data[0] == '<' || text.data[0] == '[' || text.data[0] == '_'
                            || !memcmp(text.data, "\xe2\x96\x81<", 4));
}

static void correct_types(loader *l)
{
    const mn_tokenizer *t = l->t;
    bool has_return = false, has_call = false, has_flush = false, has_response = false;
    int32_t end = -1, s = -1;
    for (int32_t i = 0; i < t->n_tokens; i++) {
        int32_t type = l->v->types ? l->v->types[i] : NORMAL;
        l->types[i] = type >= NORMAL && type <= BYTE ? (uint8_t)type : 0;
        mn_str text = t->text[i];
        if (!may_be_special(text)) continue;
        if (ONE_OF(text, control_names)) l->types[i] = CONTROL;
        if (ONE_OF(text, shown_names)) l->types[i] = USER_DEFINED;
        if (tok_eq(text, "<|return|>")) has_return = true;
        if (tok_eq(text, "<|call|>") || tok_eq(text, "<|calls|>")) has_call = true;
        if (tok_eq(text, "<|flush|>")) has_flush = true;
        if (tok_eq(text, "<|tool_response>")) has_response = true;
        if (tok_eq(text, "<|end|>")) end = i;
        if (tok_eq(text, "</s>")) s = i;
    }
    if (end >= 0 && has_call && (has_return || has_flush)) l->types[end] = USER_DEFINED;
    if (s >= 0 && has_response) l->types[s] = NORMAL;
}

static bool contains(mn_str s, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = 0; i + n <= s.len; i++)
        if (!strncasecmp(s.data + i, what, n)) return true;
    return false;
}

static minerva_status add_specials(loader *l)
{
    mn_tokenizer *t = l->t;
    bool phi3 = contains(l->v->name, "phi-3") || contains(l->v->name, "phi3");
    bool mask_lstrip = contains(l->v->pre, "jina-v2-de") || contains(l->v->pre, "jina-v2-es")
                       || contains(l->v->pre, "jina-v2-code");
    if (!tok_trie_init(&t->added)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < t->n_tokens; i++) {
        uint8_t type = l->types[i];
        if (type == BYTE) t->flags[i] |= TOK_BYTE;
        if (type == CONTROL) t->flags[i] |= TOK_SPECIAL | TOK_CONTROL;
        if (type == UNKNOWN) t->flags[i] |= TOK_SPECIAL | TOK_UNKNOWN;
        if (type != CONTROL && type != UNKNOWN && type != USER_DEFINED) continue;
        mn_str text = t->text[i];
        if (!text.data || !text.len) continue;
        t->flags[i] |= TOK_ADDED;
        if (phi3 && !tok_eq(text, "<unk>") && !tok_eq(text, "<s>") && !tok_eq(text, "<|endoftext|>"))
            t->flags[i] |= TOK_RSTRIP;
        if (mask_lstrip && tok_eq(text, "<mask>")) t->flags[i] |= TOK_LSTRIP;
        if (!tok_trie_put(&t->added, text.data, text.len, i, false))
            return mn_fail_memory(l->err, text.len);
        t->has_added = true;
    }
    return MINERVA_OK;
}

/* ---- BOS and EOS --------------------------------------------------------------------------------------- */

static int32_t id_or(const loader *l, int32_t id, int32_t fallback)
{
    if (id >= 0 && id < l->t->n_tokens) return id;
    return fallback >= 0 && fallback < l->t->n_tokens ? fallback : -1;
}

/* prefix and suffix: -1 for none. */
static minerva_status set_ends(loader *l, int32_t prefix, int32_t suffix)
{
    mn_tokenizer *t = l->t;
    t->prefix_ids = mn_arena_array(&t->arena, 2, sizeof *t->prefix_ids);
    if (!t->prefix_ids) return mn_fail_memory(l->err, 8);
    t->suffix_ids = t->prefix_ids + 1;
    t->prefix_ids[0] = prefix;
    t->suffix_ids[0] = suffix;
    t->n_prefix_ids = prefix >= 0;
    t->n_suffix_ids = suffix >= 0;
    t->info.adds_bos = prefix >= 0;
    t->info.adds_eos = suffix >= 0;
    return MINERVA_OK;
}

static minerva_status ends(loader *l, bool bos_default, bool eos_default)
{
    const mn_gguf_vocab *v = l->v;
    bool bos = v->add_bos < 0 ? bos_default : v->add_bos, eos = v->add_eos < 0 ? eos_default : v->add_eos;
    return set_ends(l, bos ? l->t->info.bos : -1, eos ? l->t->info.eos : -1);
}

static void set_info(loader *l, const char *kind, int32_t bos, int32_t eos, int32_t unk, int32_t pad)
{
    l->t->info = (mn_tokenizer_info){
        .kind = kind, .pre = "", .bos = id_or(l, l->v->bos, bos), .eos = id_or(l, l->v->eos, eos),
        .unk = id_or(l, l->v->unk, unk), .pad = id_or(l, l->v->pad, pad),
    };
    l->t->model.unk = l->t->info.unk;
}

/* ---- shared parts ---------------------------------------------------------------------------------------- */

static tok_norm *add_norm(mn_tokenizer *t, tok_norm_kind kind)
{
    t->norms[t->n_norms].kind = kind;
    return &t->norms[t->n_norms++];
}

static void escape_spaces(mn_tokenizer *t, bool prefix)
{
    if (prefix) add_norm(t, TOK_NORM_PREPEND)->content = TOK_STR("\xe2\x96\x81");
    tok_norm *n = add_norm(t, TOK_NORM_REPLACE);
    n->pattern = TOK_STR(" ");
    n->content = TOK_STR("\xe2\x96\x81");
}

static void add_split(mn_tokenizer *t, tok_set set, tok_behavior behavior)
{
    tok_pre *p = &t->pres[t->n_pres++];
    *p = (tok_pre){ .kind = TOK_PRE_SPLIT, .behavior = behavior,
                    .pattern = { .kind = TOK_PAT_SET, .set = set, .least = 1, .most = 1 } };
    tok_pattern_settle(&p->pattern);
}

static minerva_status keys_are_texts(loader *l)
{
    tok_model *m = &l->t->model;
    int32_t n = l->t->n_tokens;
    m->keys = malloc(((size_t)n + 1) * sizeof *m->keys);
    if (!m->keys || !tok_map_init(&m->map, (size_t)n))
        return mn_fail_memory(l->err, (size_t)n * sizeof *m->keys);
    m->n_keys = m->capacity_keys = n;
    memcpy(m->keys, l->t->text, (size_t)n * sizeof *m->keys);
    for (int32_t i = 0; i < n; i++) {
        int32_t id = m->keys[i].len ? tok_map_put(&m->map, m->keys, i) : i;
        if (id < 0) return mn_fail_memory(l->err, 4096);
        if (id != i) l->repeated = true;
    }
    return MINERVA_OK;
}

/* "<0xAB>", or the byte itself. */
static void find_byte_tokens(tok_model *m, bool bare)
{
    for (int b = 0; b < 256; b++) {
        char name[8], c = (char)b;
        snprintf(name, sizeof name, "<0x%02X>", b);
        m->byte_id[b] = tok_map_find(&m->map, m->keys, name, 6);
        if (m->byte_id[b] < 0 && bare) m->byte_id[b] = tok_map_find(&m->map, m->keys, &c, 1);
    }
}

/* Tokens in running text: U+2581 is a space but in special tokens, byte tokens are bytes. */
static minerva_status marked_bytes(loader *l)
{
    mn_tokenizer *t = l->t;
    size_t total = 1;
    for (int32_t i = 0; i < t->n_tokens; i++) total += t->text[i].len;
    char *p = mn_arena_alloc_aligned(&t->arena, total, 1);
    if (!p) return mn_fail_memory(l->err, total);
    for (int32_t i = 0; i < t->n_tokens; i++) {
        mn_str text = t->text[i];
        unsigned char byte;
        t->bytes[i] = text;
        if (l->types[i] == BYTE && tok_byte_token(text, &byte)) {
            *p = (char)byte;
            t->bytes[i] = (mn_str){ p++, 1 };
        } else if (l->types[i] == NORMAL && text.len >= 3
                   && memmem(text.data, text.len, "\xe2\x96\x81", 3)) {
            char *start = p;
            for (size_t k = 0; k < text.len;) {
                bool mark = text.len - k >= 3 && !memcmp(text.data + k, "\xe2\x96\x81", 3);
                *p++ = mark ? ' ' : text.data[k];
                k += mark ? 3 : 1;
            }
            t->bytes[i] = (mn_str){ start, (size_t)(p - start) };
        }
    }
    return MINERVA_OK;
}

static void decode_bytes(mn_tokenizer *t, bool drop_space)
{
    t->pieces = t->bytes;
    t->decs[t->n_decs++] = (tok_dec){ .kind = TOK_DEC_BYTES, .start = drop_space };
}

/* ---- SentencePiece BPE ("llama") --------------------------------------------------------------------------- */

static minerva_status load_spm(loader *l)
{
    mn_tokenizer *t = l->t;
    tok_model *m = &t->model;
    bool prefix = l->v->add_space_prefix != 0;
    minerva_status st;
    set_info(l, "SentencePiece BPE", 1, 2, 0, -1);
    m->kind = TOK_SCORE_BPE;
    m->late_bytes = m->late_unk = m->byte_fallback = true;
    m->score_key = mn_arena_array(&t->arena, (size_t)t->n_tokens + 1, sizeof *m->score_key);
    if (!m->score_key) return mn_fail_memory(l->err, (size_t)t->n_tokens * 4);
    for (int32_t i = 0; i < t->n_tokens; i++)
        m->score_key[i] = tok_score_key(l->v->scores ? l->v->scores[i] : 0);
    if ((st = keys_are_texts(l)) || (st = marked_bytes(l))) return st;
    find_byte_tokens(m, true);
    escape_spaces(t, prefix);
    decode_bytes(t, prefix);
    tok_bpe_finish(t);
    return ends(l, true, false);
}

/* ---- byte-level BPE ("gpt2") and its relatives --------------------------------------------------------------- */

/* Keys as raw bytes; tokens that are not spelled in the alphabet have none. */
static minerva_status bytewise_keys(loader *l)
{
    mn_tokenizer *t = l->t;
    tok_model *m = &t->model;
    size_t total = 1;
    for (int32_t i = 0; i < t->n_tokens; i++) total += t->text[i].len;
    char *p = mn_arena_alloc_aligned(&t->arena, total, 1);
    m->capacity_keys = t->n_tokens + 512;
    m->keys = calloc((size_t)m->capacity_keys, sizeof *m->keys);
    if (!p || !m->keys || !tok_map_init(&m->map, (size_t)t->n_tokens)) return mn_fail_memory(l->err, total);
    m->n_keys = t->n_tokens;
    for (int32_t i = 0; i < t->n_tokens; i++) {
        mn_str text = t->text[i];
        unsigned char byte;
        t->bytes[i] = text;
        long n = text.len ? tok_alphabet_decode(text.data, text.len, p) : -1;
        if (n < 0) continue;
        m->keys[i] = (mn_str){ p, (size_t)n };
        if (l->types[i] == NORMAL || l->types[i] == UNUSED) t->bytes[i] = m->keys[i];
        if (l->types[i] == BYTE && tok_byte_token(text, &byte))
            t->bytes[i] = tok_str(&t->arena, (char[]){ (char)byte }, 1);
        p += n;
        int32_t id = tok_map_put(&m->map, m->keys, i);
        if (id < 0) return mn_fail_memory(l->err, 4096);
        if (id != i) l->repeated = true;
    }
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        m->byte_symbol[b] = tok_model_symbol(t, &c, 1);
        if (m->byte_symbol[b] < 0) return mn_fail_memory(l->err, 64);
        /* A symbol that is no token falls back to its bytes in the alphabet, of which only
         * the printable ASCII ones can be tokens. */
        bool printable = b > 0x20 && b < 0x7F && m->byte_symbol[b] < t->n_tokens;
        m->byte_id[b] = printable ? m->byte_symbol[b] : -1;
    }
    return MINERVA_OK;
}

/* Bytes of one side of a merge: as spelled, or out of the alphabet. */
static bool side_bytes(const tok_model *m, mn_str side, char *out, mn_str *bytes)
{
    *bytes = side;
    if (!m->bytewise) return true;
    long n = tok_alphabet_decode(side.data, side.len, out);
    *bytes = (mn_str){ out, n < 0 ? 0 : (size_t)n };
    return n >= 0;
}

typedef struct {
    mn_str whole;               /* both sides, one after the other */
    size_t left_len;
    uint64_t left, right;       /* hashes */
    uint32_t rank;
} merge;

enum { BATCH = 32 };

/* "left right" to its bytes; false: no merge that can ever apply. */
static bool parse_merge(const tok_model *m, mn_str line, char *out, merge *g)
{
    if (line.len < 3) return false;
    const char *space = memchr(line.data + 1, ' ', line.len - 1);
    if (!space) return false;
    size_t at = (size_t)(space - line.data);
    mn_str left, right;
    if (!side_bytes(m, (mn_str){ line.data, at }, out, &left)) return false;
    if (!side_bytes(m, (mn_str){ space + 1, line.len - at - 1 }, out + left.len, &right)) return false;
    if (!m->bytewise) {
        memcpy(out, left.data, left.len);
        memcpy(out + left.len, right.data, right.len);
    }
    g->whole = (mn_str){ out, left.len + right.len };
    g->left_len = left.len;
    return left.len && right.len;
}

/* The id of s, which is a virtual one if it is no token. */
static int32_t symbol(mn_tokenizer *t, const char *s, size_t len, uint64_t hash)
{
    int32_t id = tok_map_find_hashed(&t->model.map, t->model.keys, s, len, hash);
    return id >= 0 ? id : tok_model_symbol(t, s, len);
}

/* The id of a merge's result.  Files list merges in the order of the tokens they make, so
 * it is mostly the one before, or the next. */
static int32_t result(const loader *l, mn_str whole, int32_t before)
{
    mn_tokenizer *t = l->t;
    for (int32_t id = before; id <= before + 1 && id < t->n_tokens; id++) {
        mn_str key = t->model.keys[id];
        if (key.len == whole.len && !memcmp(key.data, whole.data, whole.len)
            && !l->repeated)
            return id;
    }
    return symbol(t, whole.data, whole.len, tok_map_hash(whole.data, whole.len));
}

static minerva_status flush_merges(loader *l, merge *batch, int n, int32_t *before)
{
    mn_tokenizer *t = l->t;
    int32_t left[BATCH], right[BATCH];
    for (int i = 0; i < n; i++) {
        const merge *g = &batch[i];
        left[i] = symbol(t, g->whole.data, g->left_len, g->left);
        right[i] = symbol(t, g->whole.data + g->left_len, g->whole.len - g->left_len, g->right);
        if (left[i] < 0 || right[i] < 0) return mn_fail_memory(l->err, 4096);
        tok_bpe_prefetch_pair(&t->model, (uint32_t)left[i], (uint32_t)right[i]);
    }
    for (int i = 0; i < n; i++) {
        const merge *g = &batch[i];
        *before = result(l, g->whole, *before);
        if (*before < 0 || !tok_bpe_put_pair(&t->model, (uint32_t)left[i], (uint32_t)right[i],
                                             g->rank, *before, false))
            return mn_fail_memory(l->err, 4096);
    }
    return MINERVA_OK;
}

/* In batches, so that the memory behind one lookup is on its way while others run. */
static minerva_status load_merges(loader *l)
{
    tok_model *m = &l->t->model;
    merge batch[BATCH];
    size_t capacity = 1 << 14, used = 0;
    int n = 0;
    int32_t before = 0;
    char *texts = malloc(capacity);
    if (!texts) return mn_fail_memory(l->err, capacity);
    minerva_status st = tok_bpe_reserve_pairs(m, (size_t)l->v->n_merges, l->err);
    for (int64_t i = 0; i < l->v->n_merges && !st; i++) {
        mn_str line = l->v->merges[i];
        if (n == BATCH || used + line.len > capacity) {
            st = flush_merges(l, batch, n, &before);
            n = 0;
            used = 0;
        }
        if (line.len > capacity) {
            free(texts);
            capacity = line.len;
            texts = malloc(capacity);
            if (!texts) return mn_fail_memory(l->err, capacity);
        }
        merge *g = &batch[n];
        if (st || !parse_merge(m, line, texts + used, g)) continue;
        used += g->whole.len;
        g->rank = (uint32_t)i;
        g->left = tok_map_hash(g->whole.data, g->left_len);
        g->right = tok_map_hash(g->whole.data + g->left_len, g->whole.len - g->left_len);
        tok_map_prefetch(&m->map, g->left);
        tok_map_prefetch(&m->map, g->right);
        n++;
    }
    if (!st) st = flush_merges(l, batch, n, &before);
    free(texts);
    return st;
}

static minerva_status load_bpe(loader *l)
{
    mn_tokenizer *t = l->t;
    tok_model *m = &t->model;
    const mn_gguf_vocab *v = l->v;
    tok_gguf_pre pre;
    bool gemma4 = tok_eq(v->model, "gemma4");
    if (tok_eq(v->model, "whitespace")) {
        add_split(t, (tok_set){ .bits = TOK_WS }, TOK_REMOVED);
        if (v->lowercase > 0) add_norm(t, TOK_NORM_LLAMA_LOWER);
    }
    minerva_status st = tok_gguf_pre_find(&pre, t, gemma4 ? TOK_STR("gemma4") : v->pre, l->err);
    if (st) return st;
    int32_t fallback = gemma4 || pre.no_bos ? -1 : 11;
    set_info(l, pre.characters ? "SentencePiece BPE" : "byte-level BPE", fallback,
             gemma4 ? -1 : 11, -1, -1);
    t->info.pre = pre.name;
    m->kind = TOK_BPE;
    m->late_bytes = true;
    m->bytewise = t->keeps_bytes = !pre.characters;
    m->ignore_merges = pre.ignore_merges;
    m->newlines_whole = pre.newlines_whole;
    if ((st = pre.characters ? keys_are_texts(l) : bytewise_keys(l))) return st;
    if (pre.characters) {
        find_byte_tokens(m, false);
        if ((st = marked_bytes(l))) return st;
    }
    if (pre.escape_spaces) escape_spaces(t, false);
    if ((st = load_merges(l))) return st;
    decode_bytes(t, false);
    tok_bpe_finish(t);
    if (pre.always_bos) return set_ends(l, t->info.bos, v->add_eos > 0 ? t->info.eos : -1);
    return ends(l, pre.add_bos, false);
}

/* ---- WordPiece ("bert") ------------------------------------------------------------------------------------------ */

/* Punctuation, ASCII's symbols but DEL's neighbour, and Chinese characters stand alone. */
static const tok_range alone[] = {
    { '$', '$' }, { '+', '+' }, { '<', '>' }, { '^', '^' }, { '`', '`' }, { '|', '|' }, { '~', '~' },
    { 0x4E00, 0x9FFF }, { 0x3400, 0x4DBF }, { 0x20000, 0x2A6DF }, { 0x2A700, 0x2B73F },
    { 0x2B740, 0x2B81F }, { 0x2B920, 0x2CEAF }, { 0xF900, 0xFAFF }, { 0x2F800, 0x2FA1F },
};

static minerva_status trie_of_texts(loader *l, tok_trie *trie)
{
    if (!tok_trie_init(trie)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < l->t->n_tokens; i++) {
        mn_str text = l->t->text[i];
        if (text.len && !tok_trie_put(trie, text.data, text.len, i, false))
            return mn_fail_memory(l->err, text.len);
    }
    return MINERVA_OK;
}

static minerva_status load_wordpiece(loader *l)
{
    mn_tokenizer *t = l->t;
    minerva_status st;
    set_info(l, "WordPiece", l->v->cls >= 0 ? l->v->cls : 101, -1, 100, 0);
    t->model.kind = TOK_LLAMA_WORDPIECE;
    bool lower = l->v->lowercase >= 0, strip = l->v->strip_accents ? l->v->strip_accents > 0 : lower;
    if (strip) add_norm(t, TOK_NORM_NFD_FIRST);
    add_norm(t, TOK_NORM_LLAMA_BERT);
    if (strip) add_norm(t, TOK_NORM_LLAMA_MARKS);
    if (lower) add_norm(t, TOK_NORM_LLAMA_LOWER);
    add_split(t, (tok_set){ .bits = TOK_WS }, TOK_REMOVED);
    add_split(t, (tok_set){ .bits = TOK_P, .ranges = alone, .n_ranges = sizeof alone / sizeof *alone }, TOK_ISOLATED);
    if ((st = trie_of_texts(l, &t->model.trie)) || (st = marked_bytes(l))) return st;
    decode_bytes(t, true);
    return set_ends(l, t->info.bos, id_or(l, l->v->sep, 102));
}

/* ---- Unigram ("t5") ------------------------------------------------------------------------------------------------ */

static minerva_status load_unigram(loader *l)
{
    mn_tokenizer *t = l->t;
    tok_model *m = &t->model;
    minerva_status st;
    set_info(l, "Unigram", -1, 1, 2, 0);
    m->kind = TOK_UNIGRAM;
    m->scores = mn_arena_array(&t->arena, (size_t)t->n_tokens + 1, sizeof *m->scores);
    tok_trie *user = mn_arena_alloc(&t->arena, sizeof *user);
    if (!m->scores || !user || !tok_trie_init(&m->trie)) return mn_fail_memory(l->err, 4096);
    tok_norm *n = add_norm(t, TOK_NORM_LLAMA_UGM);
    n->user_defined = user;
    n->add_space = l->v->add_space_prefix > 0;
    n->remove_extra_spaces = l->v->remove_extra_whitespaces;
    n->escape_spaces = n->partial_matches = m->lead_lengths = true;
    if (!tok_trie_init(user)) return mn_fail_memory(l->err, 4096);
    if ((st = tok_charsmap_init(&n->charsmap, &t->arena, l->v->precompiled_charsmap.data,
                                l->v->precompiled_charsmap.len, l->err)))
        return st;
    float lowest = FLT_MAX;
    for (int32_t i = 0; i < t->n_tokens; i++) {
        mn_str text = t->text[i];
        float score = l->v->scores ? l->v->scores[i] : 0;
        uint8_t type = l->types[i];
        if (type == NORMAL && score < lowest) lowest = score;
        m->scores[i] = type == USER_DEFINED ? 0.0 : (double)score;
        bool usable = type == NORMAL || type == USER_DEFINED || type == UNUSED;
        if (usable && text.len && !tok_trie_put(&m->trie, text.data, text.len, i, true))
            return mn_fail_memory(l->err, text.len);
        if (type == USER_DEFINED && text.len && !tok_trie_put(user, text.data, text.len, i, false))
            return mn_fail_memory(l->err, text.len);
    }
    m->unk_score = (double)(lowest - 10.0f);
    if ((st = marked_bytes(l))) return st;
    decode_bytes(t, n->add_space || n->remove_extra_spaces);
    return ends(l, false, true);
}

/* ---- RWKV: greedy longest matches of byte strings -------------------------------------------------------------------- */

/* Token strings are written as Python would: \n, \xAB, \\ ... */
static size_t unescape(mn_str s, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c != '\\' || i + 1 == s.len) {
            out[n++] = c;
            continue;
        }
        c = s.data[++i];
        if (c == 'x' && i + 2 < s.len) {
            char hex[7] = { '<', '0', 'x', s.data[i + 1], s.data[i + 2], '>', 0 };
            unsigned char byte = 0;
            tok_byte_token((mn_str){ hex, 6 }, &byte);
            out[n++] = (char)byte;
            i += 2;
        } else {
            out[n++] = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }
    }
    return n;
}

static minerva_status load_rwkv(loader *l)
{
    mn_tokenizer *t = l->t;
    set_info(l, "greedy", -1, -1, -1, -1);
    t->model.kind = TOK_GREEDY;
    t->keeps_bytes = true;
    if (!tok_trie_init(&t->model.trie)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < t->n_tokens; i++) {
        char *raw = mn_arena_alloc_aligned(&t->arena, t->text[i].len + 1, 1);
        if (!raw) return mn_fail_memory(l->err, t->text[i].len);
        t->bytes[i] = (mn_str){ raw, unescape(t->text[i], raw) };
        if (t->bytes[i].len && !tok_trie_put(&t->model.trie, raw, t->bytes[i].len, i, true))
            return mn_fail_memory(l->err, t->bytes[i].len);
    }
    decode_bytes(t, false);
    return set_ends(l, -1, -1);
}

/* ---- PLaMo-2 --------------------------------------------------------------------------------------------------------- */

static minerva_status load_plamo2(loader *l)
{
    mn_tokenizer *t = l->t;
    tok_model *m = &t->model;
    set_info(l, "PLaMo-2", 1, 2, 0, 3);
    m->kind = TOK_PLAMO2;
    m->scores = mn_arena_array(&t->arena, (size_t)t->n_tokens + 1, sizeof *m->scores);
    if (!m->scores || !tok_trie_init(&m->trie)) return mn_fail_memory(l->err, 4096);
    for (int32_t i = 0; i < t->n_tokens; i++) {
        mn_str text = t->text[i];
        unsigned char byte;
        t->bytes[i] = text;
        if (l->types[i] == BYTE) {
            if (!tok_byte_token(text, &byte)) continue;
            m->byte_id[byte] = i;
            t->bytes[i] = tok_str(&t->arena, (char[]){ (char)byte }, 1);
            continue;
        }
        float score = l->v->scores ? l->v->scores[i] : 0;
        m->scores[i] = round((double)(score * 1e4f));
        bool usable = isfinite(score) && m->scores[i] > -2e7 && m->scores[i] < 2e9;
        if (usable && text.len && !tok_trie_put(&m->trie, text.data, text.len, i, true))
            return mn_fail_memory(l->err, text.len);
    }
    for (int b = 0; b < 256; b++)
        if (m->byte_id[b] < 0)
            return mn_fail(l->err, MINERVA_INVALID, "tokenizer.ggml.tokens: a byte token for each "
                           "byte expected, <0x%02X> is missing", (unsigned)b);
    decode_bytes(t, false);
    return ends(l, false, false);
}

/* ---- all of them --------------------------------------------------------------------------------------------------------- */

static minerva_status load(loader *l)
{
    const mn_gguf_vocab *v = l->v;
    mn_tokenizer *t = l->t;
    minerva_status st = MINERVA_OK;
    t->ascii_spaces = true;
    if (!tok_alloc_ids(t, v->n_tokens)) return mn_fail_memory(l->err, (size_t)v->n_tokens * 40);
    t->norms = mn_arena_array(&t->arena, 8, sizeof *t->norms);
    t->pres = mn_arena_array(&t->arena, TOK_GGUF_MAX_STEPS + 1, sizeof *t->pres);
    t->decs = mn_arena_array(&t->arena, 2, sizeof *t->decs);
    l->types = mn_arena_alloc(&t->arena, (size_t)v->n_tokens + 1);
    if (!t->norms || !t->pres || !t->decs || !l->types) return mn_fail_memory(l->err, 4096);
    if (v->n_tokens) memcpy(t->text, v->token_text, (size_t)v->n_tokens * sizeof *t->text);
    for (int32_t i = 0; i < t->n_tokens; i++)
        if (!t->text[i].len) t->text[i] = (mn_str){ NULL, 0 };
    correct_types(l);
    if (tok_eq(v->model, "llama")) st = load_spm(l);
    else if (tok_eq(v->model, "gpt2") || tok_eq(v->model, "gemma4")
             || tok_eq(v->model, "whitespace")) st = load_bpe(l);
    else if (tok_eq(v->model, "bert")) st = load_wordpiece(l);
    else if (tok_eq(v->model, "t5")) st = load_unigram(l);
    else if (tok_eq(v->model, "rwkv")) st = load_rwkv(l);
    else if (tok_eq(v->model, "plamo2")) st = load_plamo2(l);
    else
        st = mn_fail(l->err, MINERVA_UNSUPPORTED, "tokenizer.ggml.model: \"%.*s\" is not known here",
                     (int)(v->model.len < 60 ? v->model.len : 60), v->model.data ? v->model.data : "");
    return st ? st : add_specials(l);
}

minerva_status mn_tokenizer_from_gguf(mn_tokenizer **out, const mn_gguf_vocab *vocab,
                                      minerva_error *err)
{
    if (vocab->n_tokens < 1 || vocab->n_tokens > MAX_TOKENS)
        return mn_fail(err, MINERVA_INVALID, "tokenizer.ggml.tokens: 1 to %d tokens expected, "
                       "%lld found", MAX_TOKENS, (long long)vocab->n_tokens);
    loader l = { .v = vocab, .err = err, .t = tok_new() };
    if (!l.t) return mn_fail_memory(err, sizeof *l.t);
    minerva_status st = load(&l);
    if (st) mn_tokenizer_free(l.t);
    else *out = l.t;
    return st;
}
