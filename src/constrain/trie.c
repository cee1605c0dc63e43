/* Building the tries of a vocabulary; see trie.h. */
#include "constrain/trie.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "constrain/lexer.h"

enum { MAX_TOKENS = 1 << 23, MAX_TOKEN_BYTES = 4096 };

typedef struct {
    mn_vocab_trie *t;
    const mn_vocab_token *tokens;
    const int32_t *eog;
    int32_t n_eog;
    mn_rx rx;
    mn_strsets ss;
    mn_lexer lx;
    uint32_t any;                   /* any JSON string, behind its opening quote */
    MN_VEC(char) text;              /* decoded prefix of one token */
} builder;

/* ---- one token as a piece of a JSON string ---------------------------------------------- */

typedef struct {
    bool alive, closed;
    uint32_t chars;                 /* code points begun before the quote */
    uint32_t end;                   /* behind the quote */
} reading;

/* Read bytes as the inside of a string; with `decode` the code points go to b->text. */
static reading read_inside(builder *b, const char *s, uint32_t len, bool decode)
{
    reading r = { .alive = true };
    uint32_t state = b->any;
    b->text.n = 0;
    for (uint32_t i = 0; i < len; i++) {
        const mn_lex_state *x = &b->lx.states.at[state];
        uint8_t byte = (uint8_t)s[i];
        if (x->boundary && byte != '"') r.chars++;
        if (decode) {
            uint32_t cp;
            if (mn_lex_escape_done(&b->lx, state, byte, &cp)) {
                char out[4];
                int n = mn_utf8_encode(cp, out);
                for (int k = 0; k < n; k++) mn_vec_push(&b->t->cx, &b->text, out[k]);
            } else if (!mn_lex_in_escape(&b->lx, state) && byte != '"' && !(byte == '\\' && x->boundary)) {
                mn_vec_push(&b->t->cx, &b->text, (char)byte);
            }
        }
        state = mn_lex_next(&b->lx, state, byte);
        if (state == MN_LEX_DEAD) {
            r.alive = false;
            return r;
        }
        if (state == MN_LEX_END) {
            r.closed = true;
            r.end = i + 1;
            return r;
        }
    }
    return r;
}

/* ---- tries -------------------------------------------------------------------------------- */

typedef struct { const char *s; uint32_t len, value; } key;
typedef MN_VEC(key) keys;

static int by_key(const void *a, const void *b)
{
    const key *x = a, *y = b;
    uint32_t n = x->len < y->len ? x->len : y->len;
    int c = n ? memcmp(x->s, y->s, n) : 0;
    if (c) return c;
    return x->len != y->len ? (x->len < y->len ? -1 : 1) : x->value < y->value ? -1 : x->value > y->value;
}

/* Nodes for keys[from..to), which share their first `depth` bytes and are longer. */
static void add_level(mn_cx *cx, mn_trie *t, const key *k, uint32_t from, uint32_t to, uint32_t depth)
{
    while (from < to) {
        uint8_t byte = (uint8_t)k[from].s[depth];
        uint32_t end = from;
        while (end < to && (uint8_t)k[end].s[depth] == byte) end++;
        uint32_t node = t->nodes.n, inner = from;
        bool ends = k[from].len == depth + 1;
        mn_trie_node n = { byte | (ends ? k[from].value + 1 : 0) << 8, 0 };
        mn_vec_push(cx, &t->nodes, n);
        if (depth == 0) t->root[byte] = node;
        inner += ends;
        if (inner < end) add_level(cx, t, k, inner, end, depth + 1);
        t->nodes.at[node].skip = t->nodes.n - node;
        from = end;
    }
}

/* Groups that hold a byte, as bits; none for those of longer characters, which tokens may
 * hold in pieces. */
static uint8_t groups_of(uint8_t byte)
{
    uint8_t bits = 0;
    for (int g = 0; g < MN_GROUPS - 1; g++) {
        uint32_t n;
        const mn_range *r = mn_group_ranges(g, &n);
        for (uint32_t k = 0; k < n; k++)
            if (byte < 0x80 && byte >= r[k].lo && byte <= r[k].hi) bits |= (uint8_t)(1 << g);
    }
    return bits;
}

/* Children come behind their parents, so one pass backwards does. */
static void note_below(mn_cx *cx, mn_trie *t)
{
    uint8_t groups[256];
    for (int b = 0; b < 256; b++) groups[b] = groups_of((uint8_t)b);
    mn_vec_reserve(cx, &t->below, t->nodes.n + 1);
    t->below.n = t->nodes.n;
    for (uint32_t i = t->nodes.n; i-- > 0;) {
        uint8_t bits = (1 << (MN_GROUPS - 1)) - 1;
        for (uint32_t k = i + 1; k < i + t->nodes.at[i].skip; k += t->nodes.at[k].skip)
            bits &= groups[mn_trie_byte(t->nodes.at[k])] & t->below.at[k];
        t->below.at[i] = bits;
    }
}

/* keys: sorted, distinct, not empty. */
static void make_trie(mn_cx *cx, mn_trie *t, const keys *k)
{
    memset(t->root, 0xFF, sizeof t->root);
    add_level(cx, t, k->at, 0, k->n, 0);
    note_below(cx, t);
}

/* Sort, and drop keys with the bytes of the one before (their values go to *twins). */
static void sort_keys(mn_cx *cx, keys *k, mn_u32s *twins)
{
    if (k->n) qsort(k->at, k->n, sizeof *k->at, by_key);
    uint32_t out = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        const key *last = out ? &k->at[out - 1] : NULL;
        if (last && last->len == k->at[i].len && !memcmp(last->s, k->at[i].s, last->len)) {
            if (!twins) continue;
            mn_vec_push(cx, twins, last->value);
            mn_vec_push(cx, twins, k->at[i].value);
        } else {
            k->at[out++] = k->at[i];
        }
    }
    k->n = out;
}

const mn_range *mn_group_ranges(int group, uint32_t *n)
{
    static const mn_range lower[] = { { 'a', 'z' } }, letters[] = { { 'A', 'Z' }, { 'a', 'z' } };
    static const mn_range words[] = { { ' ', ' ' }, { 'A', 'Z' }, { 'a', 'z' } }, digits[] = { { '0', '9' } };
    static const mn_range names[] = { { '-', '-' }, { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
    static const mn_range ascii[] = { { ' ', '!' }, { '#', '[' }, { ']', '~' } };
    static const mn_range text[] = { { ' ', '!' }, { '#', '[' }, { ']', '~' }, { 0x80, MN_CP_MAX } };
    static const struct { const mn_range *at; uint32_t n; } groups[MN_GROUPS] = {
        { lower, 1 }, { letters, 2 }, { words, 3 }, { digits, 1 }, { names, 5 }, { ascii, 3 }, { text, 4 },
        { NULL, 0 } };
    *n = groups[group].n;
    return groups[group].at;
}

static int group_of(const char *s, uint32_t len)
{
    for (int g = 0; g < MN_GROUPS - 1; g++) {
        uint32_t n, i = 0;
        const mn_range *r = mn_group_ranges(g, &n);
        while (i < len) {
            uint32_t cp, k = 0;
            int took = mn_utf8_decode_strict(s + i, len - i, &cp);
            while (took > 0 && k < n && (cp < r[k].lo || cp > r[k].hi)) k++;
            if (took <= 0 || k == n) break;
            i += (uint32_t)took;
        }
        if (i == len) return g;
    }
    return MN_GROUPS - 1;
}

static void note_text(mn_vocab_trie *t, uint32_t token, const char *s, uint32_t len, uint32_t chars)
{
    if (chars > MN_TEXT_CHARS) {
        mn_vec_push(&t->cx, &t->long_text, token);
        return;
    }
    mn_bit_set(t->text, token);
    for (uint32_t i = 0, cp; i < len;) {
        i += (uint32_t)mn_utf8_decode(s + i, len - i, &cp);
        mn_bit_set(t->text_with[cp < 0x80 ? cp - 0x20 : MN_TEXT_BEYOND], token);
        if (mn_is_far_space(cp)) mn_bit_set(t->text_with[MN_TEXT_SPACE], token);
    }
}

static void make_token_tries(builder *b)
{
    mn_vocab_trie *t = b->t;
    mn_cx *cx = &t->cx;
    keys k[MN_TRIES] = { { 0 } }, special = { 0 };
    for (int g = 0; g < MN_GROUPS; g++) t->group_mask[g] = mn_cx_alloc(cx, t->words, sizeof(uint32_t));
    for (int i = 0; i < MN_TEXT_SETS; i++) t->text_with[i] = mn_cx_alloc(cx, t->words, sizeof(uint32_t));
    t->text = mn_cx_alloc(cx, t->words, sizeof(uint32_t));
    for (int32_t i = 0; i < t->n_tokens; i++) {
        if (!t->usable.at[i]) continue;
        uint32_t len;
        const char *s = mn_token_bytes(t, i, &len);
        if (t->usable.at[i] == 2) {
            mn_vec_push(cx, &special, ((key){ s, len, (uint32_t)i }));
            continue;
        }
        const char *quote = memchr(s, '"', len);
        int group = quote ? MN_GROUPS : group_of(s, len);
        if (quote) {
            uint32_t at = (uint32_t)(quote - s) + 1;
            reading r = read_inside(b, s + at, len - at, false);
            if (!r.alive || r.closed) group++;
        } else {
            uint32_t chars = (uint32_t)mn_utf8_count(s, len);
            if (chars > t->group_chars[group]) t->group_chars[group] = chars;
            mn_bit_set(t->group_mask[group], (uint32_t)i);
            if (group < MN_GROUPS - 1) note_text(t, (uint32_t)i, s, len, chars);
        }
        mn_vec_push(cx, &k[group], ((key){ s, len, (uint32_t)i }));
    }
    for (int g = 0; g < MN_TRIES; g++) {
        sort_keys(cx, &k[g], &t->twins);
        make_trie(cx, g < MN_GROUPS ? &t->plain[g] : g == MN_GROUPS ? &t->open : &t->mixed, &k[g]);
        mn_vec_clear(cx, &k[g]);
    }
    sort_keys(cx, &special, &t->twins);
    make_trie(cx, &t->special, &special);
    mn_vec_clear(cx, &special);
}

/* ---- the inside of strings ------------------------------------------------------------------- */

static int by_chars(const void *a, const void *b)
{
    const mn_closing *x = a, *y = b;
    return x->chars != y->chars ? (x->chars < y->chars ? -1 : 1) : x->token < y->token ? -1 : x->token > y->token;
}

static uint32_t prefix_of(builder *b)
{
    mn_vocab_trie *t = b->t;
    uint64_t hash = mn_hash64(b->text.at ? b->text.at : "", b->text.n, 5);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&t->prefix_set, hash); mn_intern_next(&t->prefix_set, &k, &i);) {
        mn_prefix p = t->prefixes.at[i];
        if (p.len == b->text.n && (!p.len || !memcmp(t->prefix_bytes.at + p.off, b->text.at, p.len))) return i;
    }
    mn_prefix p = { t->prefix_bytes.n, b->text.n };
    mn_vec_reserve(&t->cx, &t->prefix_bytes, p.len + 1);
    if (p.len) memcpy(t->prefix_bytes.at + p.off, b->text.at, p.len);
    t->prefix_bytes.n += p.len;
    mn_vec_push(&t->cx, &t->prefixes, p);
    mn_intern_add(&t->cx, &t->prefix_set, hash, t->prefixes.n - 1);
    return t->prefixes.n - 1;
}

static void read_tokens(builder *b)
{
    mn_vocab_trie *t = b->t;
    for (int k = 0; k < MN_INSIDE + 2; k++) t->inside[k] = mn_cx_alloc(&t->cx, t->words, sizeof(uint32_t));
    for (int32_t i = 0; i < t->n_tokens; i++) {
        if (t->usable.at[i] != 1) continue;
        uint32_t len;
        const char *s = mn_token_bytes(t, i, &len);
        reading r = read_inside(b, s, len, true);
        if (!r.alive) continue;
        if (r.closed) {
            mn_closing c = { (uint32_t)i, r.end, prefix_of(b), r.chars };
            mn_vec_push(&t->cx, &t->closing, c);
            continue;
        }
        for (uint32_t k = r.chars; k <= MN_INSIDE; k++) mn_bit_set(t->inside[k], (uint32_t)i);
        mn_bit_set(t->inside[MN_INSIDE + 1], (uint32_t)i);
        if (r.chars > MN_INSIDE) {
            mn_vec_push(&t->cx, &t->long_inside, ((mn_closing){ (uint32_t)i, 0, 0, r.chars }));
        }
    }
    if (t->long_inside.n) qsort(t->long_inside.at, t->long_inside.n, sizeof *t->long_inside.at, by_chars);
}

/* The node of `after` at which s[0..len) ends, + 1; 0 for nothing. */
static uint32_t find_after(const mn_vocab_trie *t, const char *s, uint32_t len)
{
    if (!len) return 0;
    uint32_t node = t->after.root[(uint8_t)s[0]];
    for (uint32_t i = 1; i < len; i++) {
        node++;
        while (mn_trie_byte(t->after.nodes.at[node]) != (uint8_t)s[i]) node += t->after.nodes.at[node].skip;
    }
    return node + 1;
}

/* Per node of a trie that ends a closing token: what find_after() says of it. */
static void note_after(mn_vocab_trie *t, const mn_trie *trie, mn_u32s *out, const uint32_t *after_of)
{
    mn_vec_reserve(&t->cx, out, trie->nodes.n + 1);
    out->n = trie->nodes.n;
    for (uint32_t i = 0; i < trie->nodes.n; i++) {
        int32_t token = mn_trie_token(trie->nodes.at[i]);
        out->at[i] = token >= 0 ? after_of[token] : 0;
    }
}

/* The trie of what stands behind closing quotes; each closing token gets its node there. */
static void make_after(builder *b)
{
    mn_vocab_trie *t = b->t;
    keys k = { 0 };
    for (uint32_t i = 0; i < t->closing.n; i++) {
        uint32_t len;
        const char *s = mn_token_bytes(t, (int32_t)t->closing.at[i].token, &len);
        uint32_t end = t->closing.at[i].after;
        if (len > end) mn_vec_push(&t->cx, &k, ((key){ s + end, len - end, 0 }));
    }
    sort_keys(&t->cx, &k, NULL);
    for (uint32_t i = 0; i < k.n; i++) k.at[i].value = i;
    make_trie(&t->cx, &t->after, &k);
    mn_u32s after_of = { 0 };
    mn_vec_reserve(&t->cx, &after_of, (uint32_t)t->n_tokens);
    memset(after_of.at, 0, (size_t)t->n_tokens * sizeof(uint32_t));
    for (uint32_t i = 0; i < t->closing.n; i++) {
        mn_closing *c = &t->closing.at[i];
        uint32_t len;
        const char *s = mn_token_bytes(t, (int32_t)c->token, &len);
        c->after = find_after(t, s + c->after, len - c->after);
        after_of.at[c->token] = c->after;
    }
    note_after(t, &t->open, &t->open_after, after_of.at);
    note_after(t, &t->mixed, &t->mixed_after, after_of.at);
    mn_vec_clear(&t->cx, &after_of);
    mn_vec_clear(&t->cx, &k);
}

static void index_prefixes(builder *b)
{
    mn_vocab_trie *t = b->t;
    mn_vec_reserve(&t->cx, &t->prefix_first, t->prefixes.n + 2);
    t->prefix_first.n = t->prefixes.n + 1;
    memset(t->prefix_first.at, 0, (t->prefixes.n + 2) * sizeof(uint32_t));
    for (uint32_t i = 0; i < t->closing.n; i++) t->prefix_first.at[t->closing.at[i].prefix + 1]++;
    for (uint32_t i = 1; i <= t->prefixes.n; i++) t->prefix_first.at[i] += t->prefix_first.at[i - 1];
    mn_vec_reserve(&t->cx, &t->prefix_tokens, t->closing.n + 1);
    t->prefix_tokens.n = t->closing.n;
    mn_u32s fill = { 0 };
    mn_vec_reserve(&t->cx, &fill, t->prefixes.n + 1);
    memset(fill.at, 0, (t->prefixes.n + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < t->closing.n; i++) {
        uint32_t p = t->closing.at[i].prefix;
        t->prefix_tokens.at[t->prefix_first.at[p] + fill.at[p]++] = t->closing.at[i].token;
    }
    mn_vec_clear(&t->cx, &fill);
}

const uint32_t *mn_trie_closing_with(const mn_vocab_trie *t, const char *prefix, uint32_t len, uint32_t *n)
{
    uint64_t hash = mn_hash64(prefix, len, 5);
    uint32_t i;
    *n = 0;
    for (mn_intern_seek k = mn_intern_begin(&t->prefix_set, hash); mn_intern_next(&t->prefix_set, &k, &i);) {
        mn_prefix p = t->prefixes.at[i];
        if (p.len != len || (len && memcmp(t->prefix_bytes.at + p.off, prefix, len))) continue;
        *n = t->prefix_first.at[i + 1] - t->prefix_first.at[i];
        return t->prefix_tokens.at + t->prefix_first.at[i];
    }
    return NULL;
}

static bool extends(const mn_trie *t, const uint32_t *mask, const char *bytes, size_t len)
{
    uint32_t node = len ? t->root[(uint8_t)bytes[0]] : UINT32_MAX;
    if (node == UINT32_MAX) return false;
    for (size_t i = 1; i < len; i++) {
        uint32_t end = node + t->nodes.at[node].skip;
        for (node++; node < end && mn_trie_byte(t->nodes.at[node]) != (uint8_t)bytes[i];) node += t->nodes.at[node].skip;
        if (node >= end) return false;
    }
    for (uint32_t i = node + 1; i < node + t->nodes.at[node].skip; i++) {
        int32_t token = mn_trie_token(t->nodes.at[i]);
        if (token >= 0 && mn_bit_get(mask, (uint32_t)token)) return true;
    }
    return false;
}

bool mn_trie_extends(const mn_vocab_trie *t, const uint32_t *mask, const char *bytes, size_t len)
{
    for (int g = 0; g < MN_GROUPS; g++)
        if (extends(&t->plain[g], mask, bytes, len)) return true;
    return extends(&t->open, mask, bytes, len) || extends(&t->mixed, mask, bytes, len);
}

/* ---- all of it ----------------------------------------------------------------------------------- */

static void copy_tokens(builder *b)
{
    mn_vocab_trie *t = b->t;
    mn_vec_reserve(&t->cx, &t->token_off, (uint32_t)t->n_tokens + 1);
    mn_vec_reserve(&t->cx, &t->usable, (uint32_t)t->n_tokens);
    for (int32_t i = 0; i < t->n_tokens; i++) {
        const mn_vocab_token *v = &b->tokens[i];
        mn_vec_push(&t->cx, &t->token_off, t->bytes.n);
        mn_vec_push(&t->cx, &t->usable, !v->len ? 0 : v->special ? 2 : 1);
        if (!v->len) continue;
        if (v->len > MAX_TOKEN_BYTES)
            mn_cx_raise(&t->cx, MINERVA_INVALID, "token %d: at most %d bytes expected, %u found", i,
                        MAX_TOKEN_BYTES, v->len);
        mn_vec_reserve(&t->cx, &t->bytes, v->len);
        memcpy(t->bytes.at + t->bytes.n, v->bytes, v->len);
        t->bytes.n += v->len;
        if (v->len > t->longest) t->longest = v->len;
    }
    mn_vec_push(&t->cx, &t->token_off, t->bytes.n);
    for (int32_t i = 0; i < b->n_eog; i++) {
        if (b->eog[i] < 0 || b->eog[i] >= t->n_tokens)
            mn_cx_raise(&t->cx, MINERVA_INVALID, "end token: 0..%d expected, %d found", t->n_tokens - 1, b->eog[i]);
        t->usable.at[b->eog[i]] = 0;
        mn_vec_push(&t->cx, &t->eog, b->eog[i]);
    }
}

static void trim_trie(mn_cx *cx, mn_trie *t)
{
    mn_vec_trim(cx, &t->nodes);
    mn_vec_trim(cx, &t->below);
}

static void clear_trie(mn_cx *cx, mn_trie *t)
{
    mn_vec_clear(cx, &t->nodes);
    mn_vec_clear(cx, &t->below);
}

static void build(void *arg)
{
    builder *b = arg;
    mn_rx_init(&b->rx, &b->t->cx);
    mn_ss_init(&b->ss, &b->t->cx, &b->rx);
    mn_lex_init(&b->lx, &b->t->cx, &b->rx, &b->ss);
    b->any = mn_lex_re(&b->lx, MN_RX_ALL, true);
    copy_tokens(b);
    make_token_tries(b);
    read_tokens(b);
    make_after(b);
    index_prefixes(b);
    mn_trie *tries[] = { &b->t->open, &b->t->mixed, &b->t->after, &b->t->special };
    for (int i = 0; i < 4; i++) trim_trie(&b->t->cx, tries[i]);
    for (int i = 0; i < MN_GROUPS; i++) trim_trie(&b->t->cx, &b->t->plain[i]);
    mn_vec_trim(&b->t->cx, &b->t->bytes);
    mn_vec_trim(&b->t->cx, &b->t->token_off);
    mn_vec_trim(&b->t->cx, &b->t->usable);
    mn_vec_trim(&b->t->cx, &b->t->closing);
}

minerva_status mn_vocab_trie_create(mn_vocab_trie **out, const mn_vocab_token *tokens, int32_t n_tokens,
                                    const int32_t *eog, int32_t n_eog, minerva_error *err)
{
    if (n_tokens < 1 || n_tokens > MAX_TOKENS)
        return mn_fail(err, MINERVA_INVALID, "vocabulary: 1..%d tokens expected, %d found", MAX_TOKENS, n_tokens);
    mn_vocab_trie *t = calloc(1, sizeof *t);
    if (!t) return mn_fail_memory(err, sizeof *t);
    t->n_tokens = n_tokens;
    t->words = ((size_t)n_tokens + 31) / 32;
    builder b = { .t = t, .tokens = tokens, .eog = eog, .n_eog = n_eog };
    minerva_status st = mn_cx_protect(&t->cx, err, build, &b);
    mn_lex_clear(&b.lx);
    mn_ss_clear(&b.ss);
    mn_rx_clear(&b.rx);
    mn_vec_clear(&t->cx, &b.text);
    if (st) {
        mn_vocab_trie_free(t);
        return st;
    }
    *out = t;
    return MINERVA_OK;
}

void mn_vocab_trie_free(mn_vocab_trie *t)
{
    if (!t) return;
    mn_trie *tries[] = { &t->open, &t->mixed, &t->after, &t->special };
    for (int i = 0; i < 4; i++) clear_trie(&t->cx, tries[i]);
    for (int i = 0; i < MN_GROUPS; i++) clear_trie(&t->cx, &t->plain[i]);
    mn_vec_clear(&t->cx, &t->token_off);
    mn_vec_clear(&t->cx, &t->bytes);
    mn_vec_clear(&t->cx, &t->usable);
    mn_vec_clear(&t->cx, &t->eog);
    mn_vec_clear(&t->cx, &t->twins);
    mn_vec_clear(&t->cx, &t->long_text);
    mn_vec_clear(&t->cx, &t->open_after);
    mn_vec_clear(&t->cx, &t->mixed_after);
    mn_vec_clear(&t->cx, &t->long_inside);
    mn_vec_clear(&t->cx, &t->closing);
    mn_vec_clear(&t->cx, &t->prefixes);
    mn_vec_clear(&t->cx, &t->prefix_first);
    mn_vec_clear(&t->cx, &t->prefix_tokens);
    mn_vec_clear(&t->cx, &t->prefix_bytes);
    mn_intern_clear(&t->cx, &t->prefix_set);
    mn_arena_clear(&t->cx.arena);
    free(t);
}

int32_t mn_vocab_trie_n_tokens(const mn_vocab_trie *t) { return t->n_tokens; }
size_t mn_vocab_trie_mask_words(const mn_vocab_trie *t) { return t->words; }
size_t mn_vocab_trie_size_bytes(const mn_vocab_trie *t)
{
    return sizeof *t + t->cx.vector_bytes + t->cx.arena.used_bytes;
}
