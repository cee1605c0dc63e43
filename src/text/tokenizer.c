/* The tokenizer: encoding's driver, the cache of words, and questions to the vocabulary.
 *
 *   text -> added tokens | stretches -> normalise -> added tokens (normalised) | stretches
 *        -> pre-tokenise -> words -> model -> ids, between the ids that go before and after
 *
 * (1) Everything that changes is in a tok_call on the caller's stack, so one tokenizer
 *     serves any number of threads.
 * (2) A call on a long text remembers the ids of short words in a small lossy table; text
 *     repeats its words, and merging is the expensive part.
 */
#include "text/tok_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- ids ---------------------------------------------------------------------------------------- */

void mn_ids_clear(mn_ids *l)
{
    free(l->ids);
    *l = (mn_ids){ 0 };
}

static bool ids_grow(mn_ids *l)
{
    size_t capacity = l->capacity ? l->capacity * 2 : 64;
    if (capacity > SIZE_MAX / 2 / sizeof *l->ids) return false;
    int32_t *ids = realloc(l->ids, capacity * sizeof *ids);
    if (!ids) return false;
    l->ids = ids;
    l->capacity = capacity;
    return true;
}

void tok_call_push(tok_call *c, int32_t id)
{
    if (c->joins_unk) {
        bool unk = id == c->t->model.unk, again = unk && c->after_unk;
        c->after_unk = unk;
        if (unk) c->saw_unk = true;
        if (again) return;
    }
    mn_ids *l = c->out;
    if (l->n == l->capacity && !ids_grow(l)) {
        c->failed = true;
        return;
    }
    l->ids[l->n++] = id;
}

void *tok_call_work(tok_call *c, size_t bytes)
{
    if (bytes <= c->work_bytes) return c->work;
    size_t size = bytes + bytes / 2;
    free(c->work);
    c->work = malloc(size);
    c->work_bytes = c->work ? size : 0;
    if (!c->work) c->failed = true;
    return c->work;
}

/* ---- words and their cache ------------------------------------------------------------------------ */

enum { CACHED_BYTES = 24, CACHED_IDS = 9, CACHE_MAX_ENTRIES = 1 << 14 };

/* A word of up to 24 bytes as three numbers: equal for equal words of one length. */
typedef struct {
    uint64_t a, b, c;
} word_key;

typedef struct {
    word_key key;
    uint8_t len, n;             /* len 0: free */
    int32_t ids[CACHED_IDS];
} cache_entry;

struct tok_cache {
    size_t mask;
    cache_entry entries[];
};

static tok_cache *cache_create(size_t text_len)
{
    if (text_len < 256) return NULL;
    size_t n = 64;
    while (n < CACHE_MAX_ENTRIES && n < text_len / 16) n *= 2;
    tok_cache *cache = calloc(1, sizeof *cache + n * sizeof(cache_entry));
    if (cache) cache->mask = n - 1;
    return cache;
}

static void model_word(tok_call *c, const char *s, size_t len)
{
    switch (c->t->model.kind) {
    case TOK_BPE:
    case TOK_SCORE_BPE: tok_bpe_word(c, s, len); break;
    case TOK_UNIGRAM: tok_unigram_word(c, s, len); break;
    case TOK_LLAMA_WORDPIECE: tok_llama_wordpiece_word(c, s, len); break;
    case TOK_GREEDY: tok_greedy_word(c, s, len); break;
    case TOK_PLAMO2: tok_plamo2_word(c, s, len); break;
    default: tok_wordpiece_word(c, s, len); break;
    }
}

static inline word_key key_of(const char *s, size_t len)
{
    word_key k = { 0, 0, 0 };
    if (len <= 8) {
        k.a = tok_head(s, len);
        return k;
    }
    memcpy(&k.a, s, 8);
    memcpy(&k.b, s + len - 8, 8);
    if (len > 16) memcpy(&k.c, s + 8, 8);
    return k;
}

static inline size_t key_hash(word_key k, size_t len)
{
    uint64_t h = tok_fold(k.a ^ UINT64_C(0xe7037ed1a0b428db), UINT64_C(0x8ebc6af09c88c6e3) ^ len);
    if (len > 8) h ^= tok_fold(k.b ^ UINT64_C(0xa0761d6478bd642f), k.c ^ UINT64_C(0x589965cc75374cc3));
    return (size_t)(h ^ h >> 32);
}

static void remember(tok_call *c, cache_entry *e, word_key key, size_t len, size_t before)
{
    size_t n = c->out->n - before;
    if (c->failed || n > CACHED_IDS || c->saw_unk) return;
    e->key = key;
    e->len = (uint8_t)len;
    e->n = (uint8_t)n;
    if (n) memcpy(e->ids, c->out->ids + before, n * sizeof *e->ids);
}

static void cached_word(tok_call *c, const char *s, size_t len)
{
    if (len > CACHED_BYTES || !c->cache) {
        model_word(c, s, len);
        return;
    }
    word_key key = key_of(s, len);
    cache_entry *e = &c->cache->entries[key_hash(key, len) & c->cache->mask];
    if (e->len == len && e->key.a == key.a && e->key.b == key.b && e->key.c == key.c) {
        for (int i = 0; i < e->n; i++) tok_call_push(c, e->ids[i]);
        return;
    }
    size_t before = c->out->n;
    c->saw_unk = false;
    model_word(c, s, len);
    remember(c, e, key, len, before);
}

static bool whole_word(tok_call *c, const char *s, size_t len)
{
    const tok_model *m = &c->t->model;
    if (len > m->max_key_len) return false;
    int32_t id = tok_map_find(&m->map, m->keys, s, len);
    if (id < 0 || id >= c->t->n_tokens) return false;
    tok_call_push(c, id);
    return true;
}

static bool only_newlines(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] != '\n') return false;
    return true;
}

void tok_model_word(tok_call *c, const char *s, size_t len)
{
    static const char mark[] = "\xe2\x96\x81";
    const tok_model *m = &c->t->model;
    if (m->ignore_merges && whole_word(c, s, len)) return;
    if (m->newlines_whole && only_newlines(s, len) && whole_word(c, s, len)) return;
    if (!m->cut_at_space) {
        cached_word(c, s, len);
        return;
    }
    size_t start = 0;
    for (size_t i = 0; i < len && !c->failed;) {
        const char *next = memmem(s + i, len - i, mark, 3);
        if (!next) break;
        size_t at = (size_t)(next - s);
        if (at > start && (at < 3 || memcmp(s + at - 3, mark, 3))) {
            cached_word(c, s + start, at - start);
            start = at;
        }
        i = at + 3;
    }
    if (!c->failed && start < len) cached_word(c, s + start, len - start);
}

/* ---- encoding --------------------------------------------------------------------------------------- */

/* A stretch without added tokens; `at_start`: of the text that was given. */
static void encode_stretch(tok_call *c, const char *s, size_t len, bool at_start)
{
    const mn_tokenizer *t = c->t;
    uint32_t cp;
    if (!len) return;
    c->after_unk = false;
    tok_text text = { s, len, at_start ? (size_t)tok_decode(s, len, &cp) : 0 };
    text = tok_normalize(c, t->norms, t->n_norms, text);
    if (!t->has_added_normalized) {
        tok_pretokenize(c, 0, text);
        return;
    }
    tok_added_scan scan = { 0, 0 };
    size_t done = 0, start, end;
    int32_t id;
    while (!c->failed
           && tok_added_next(c, &t->added_normalized, text.s, text.len, &scan, &start, &end, &id)) {
        if (done < start)
            tok_pretokenize(c, 0, (tok_text){ text.s + done, start - done,
                                              text.n_zero > done ? text.n_zero - done : 0 });
        tok_call_push(c, id);
        done = end;
    }
    if (done < text.len)
        tok_pretokenize(c, 0, (tok_text){ text.s + done, text.len - done,
                                          text.n_zero > done ? text.n_zero - done : 0 });
}

static void encode_text(tok_call *c, const char *s, size_t len)
{
    const mn_tokenizer *t = c->t;
    tok_added_scan scan = { 0, 0 };
    size_t done = 0, start, end;
    int32_t id;
    while (t->has_added && !c->failed
           && tok_added_next(c, &t->added, s, len, &scan, &start, &end, &id)) {
        if (done < start) encode_stretch(c, s + done, start - done, done == 0);
        c->after_unk = false;
        tok_call_push(c, id);
        done = end;
    }
    if (done < len && !c->failed) encode_stretch(c, s + done, len - done, done == 0);
}

static bool replace_broken(const char *s, size_t len, mn_buffer *out)
{
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        i += (size_t)tok_decode(s + i, len - i, &cp);
        mn_buffer_append_codepoint(out, cp);
    }
    return !out->failed;
}

static void call_end(tok_call *c)
{
    free(c->cache);
    free(c->work);
    mn_buffer_clear(&c->norm[0]);
    mn_buffer_clear(&c->norm[1]);
    for (int i = 0; c->pre && i < c->t->n_pres; i++) mn_buffer_clear(&c->pre[i]);
    free(c->pre);
    tok_regex_call_end(c);
}

static void push_all(tok_call *c, const int32_t *ids, int n)
{
    c->after_unk = false;
    for (int i = 0; i < n; i++) tok_call_push(c, ids[i]);
    c->after_unk = false;
}

minerva_status mn_tokenizer_encode(const mn_tokenizer *t, const char *text, size_t len,
                                   const mn_encode_options *options, mn_ids *out,
                                   minerva_error *err)
{
    static const mn_encode_options none;
    const mn_encode_options *o = options ? options : &none;
    if (len > INT32_MAX - 65536)
        return mn_fail(err, MINERVA_LIMIT, "text to tokenize: at most 2 GiB expected, "
                       "%zu bytes found", len);
    tok_call c = { .t = t, .out = out, .first_out = out->n, .plain = o->plain,
                   .joins_unk = t->model.join_unk };
    mn_buffer valid = { 0 };
    if (!t->keeps_bytes && !mn_utf8_valid(text, len)) {
        if (!replace_broken(text, len, &valid)) c.failed = true;
        text = valid.data;
        len = valid.len;
    }
    c.cache = cache_create(len);
    c.pre = t->n_pres ? calloc((size_t)t->n_pres, sizeof *c.pre) : NULL;
    if (t->n_pres && !c.pre) c.failed = true;
    if (!o->no_special) push_all(&c, t->prefix_ids, t->n_prefix_ids);
    if (!c.failed) encode_text(&c, text, len);
    if (!o->no_special) push_all(&c, t->suffix_ids, t->n_suffix_ids);
    call_end(&c);
    mn_buffer_clear(&valid);
    if (!c.failed) return MINERVA_OK;
    out->n = c.first_out;
    return mn_fail_memory(err, len);
}

/* ---- the vocabulary ----------------------------------------------------------------------------------- */

void mn_tokenizer_free(mn_tokenizer *t)
{
    if (!t) return;
    free(t->model.keys);
    tok_map_clear(&t->model.map);
    free(t->model.pairs);
    tok_trie_clear(&t->model.trie);
    tok_trie_clear(&t->model.trie_inner);
    tok_trie_clear(&t->added);
    tok_trie_clear(&t->added_normalized);
    for (int i = 0; i < t->n_norms; i++) {
        tok_regex_free(t->norms[i].regex);
        if (t->norms[i].user_defined) tok_trie_clear(t->norms[i].user_defined);
    }
    for (int i = 0; i < t->n_pres; i++) tok_regex_free(t->pres[i].pattern.regex);
    for (int i = 0; i < t->n_decs; i++) tok_regex_free(t->decs[i].regex);
    mn_arena_clear(&t->arena);
    free(t);
}

int32_t mn_tokenizer_n_tokens(const mn_tokenizer *t) { return t->n_tokens; }

static bool known(const mn_tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->n_tokens && t->text[id].data;
}

mn_str mn_tokenizer_bytes(const mn_tokenizer *t, int32_t id)
{
    return known(t, id) ? t->bytes[id] : (mn_str){ "", 0 };
}

mn_str mn_tokenizer_text(const mn_tokenizer *t, int32_t id)
{
    return known(t, id) ? t->text[id] : (mn_str){ "", 0 };
}

bool mn_tokenizer_is_special(const mn_tokenizer *t, int32_t id)
{
    return known(t, id) && (t->flags[id] & TOK_SPECIAL);
}

int32_t mn_tokenizer_find(const mn_tokenizer *t, const char *text, size_t len)
{
    for (int32_t id = 0; id < t->n_tokens; id++)
        if (t->text[id].data && t->text[id].len == len
            && (!len || !memcmp(t->text[id].data, text, len)))
            return id;
    return -1;
}

void mn_tokenizer_info_get(const mn_tokenizer *t, mn_tokenizer_info *out) { *out = t->info; }
