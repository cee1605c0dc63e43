/* Patterns: ECMA-262 syntax to a language.
 *
 * First a tree, then the language, built from the right with continuations: `after` is
 * the language of everything that may follow a piece.  That makes the assertions plain:
 *
 *   $        after is kept only as far as it is empty
 *   (?=x)    what follows is in after & x.*
 *   (?!x)    what follows is in after & ~(x.*)
 *
 * ^ and \b also look back, by at most one code point, so a continuation is really three:
 * at the start of the text, behind a word character, behind another one.
 *
 * Not built: back-references (no regular language), look-behind, inline flags, and an
 * unbounded loop around an assertion, except the common ((?!x).)*$ .  Where ECMA and the
 * other validators' engines read one spelling differently ({,n}, \Z, \a) it is refused.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "constrain/regex.h"

typedef enum { N_EMPTY, N_LANG, N_CAT, N_ALT, N_REP, N_BOL, N_EOL, N_AHEAD, N_WORDB } node_kind;

typedef struct node node;
struct node {
    node_kind kind;
    bool asserts;           /* an assertion is inside */
    bool negative;          /* AHEAD, WORDB */
    mn_rid lang;            /* LANG */
    uint32_t min, max;      /* REP */
    node *kid, *next;       /* CAT, ALT: list of kids; REP, AHEAD: the one */
};

typedef struct {
    mn_rx *rx;
    mn_cx *cx;
    const char *s, *p, *end;
    uint32_t depth;
    uint32_t range_base;
} parser;

enum { MAX_DEPTH = 250, MAX_UNROLL = 32 };

_Noreturn static void fail(parser *ps, minerva_status st, const char *what)
{
    size_t len = (size_t)(ps->end - ps->s);
    mn_cx_raise(ps->cx, st, "pattern \"%.*s%s\", byte %zu: %s", (int)(len > 80 ? 80 : len), ps->s,
                len > 80 ? "..." : "", (size_t)(ps->p - ps->s), what);
}

static node *make(parser *ps, node_kind kind)
{
    node *n = mn_cx_alloc(ps->cx, 1, sizeof *n);
    n->kind = kind;
    mn_cx_tick(ps->cx);
    return n;
}

static node *language(parser *ps, mn_rid lang)
{
    node *n = make(ps, N_LANG);
    n->lang = lang;
    return n;
}

static bool peek(const parser *ps, char c) { return ps->p < ps->end && *ps->p == c; }
static bool take(parser *ps, const char *s)
{
    size_t n = strlen(s);
    if ((size_t)(ps->end - ps->p) < n || memcmp(ps->p, s, n)) return false;
    ps->p += n;
    return true;
}

/* ---- sets -------------------------------------------------------------------------- */

static void add_range(void *arg, uint32_t lo, uint32_t hi)
{
    parser *ps = arg;
    mn_range r = { lo, hi };
    mn_vec_push(ps->cx, &ps->rx->range_scratch, r);
}

/* The ranges collected since `base` as a set; they are dropped. */
static mn_rid finish_set(parser *ps, uint32_t base, bool negate)
{
    uint32_t n = ps->rx->range_scratch.n - base;
    mn_range *copy = mn_cx_alloc(ps->cx, n, sizeof *copy);
    if (n) memcpy(copy, ps->rx->range_scratch.at + base, n * sizeof *copy);
    ps->rx->range_scratch.n = base;
    return mn_rx_set(ps->rx, copy, n, negate);
}

static const mn_range word_ranges[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
static const mn_range space_ranges[] = {
    { 9, 13 }, { 32, 32 }, { 0xA0, 0xA0 }, { 0x1680, 0x1680 }, { 0x2000, 0x200A },
    { 0x2028, 0x2029 }, { 0x202F, 0x202F }, { 0x205F, 0x205F }, { 0x3000, 0x3000 },
    { 0xFEFF, 0xFEFF } };
static const mn_range digit_ranges[] = { { '0', '9' } };
static const mn_range line_ranges[] = { { 10, 10 }, { 13, 13 }, { 0x2028, 0x2029 } };

/* Add all ranges of a set node, or of its complement. */
static void add_set(parser *ps, mn_rid set)
{
    if (set == MN_RX_NONE) return;
    mn_rx_node n = ps->rx->nodes.at[set];
    for (uint32_t i = 0; i < n.b; i++) {
        mn_range r = ps->rx->ranges.at[n.a + i];
        add_range(ps, r.lo, r.hi);
    }
}

/* \d \w \s and their complements: the letter is known to be one of these. */
static mn_rid class_set(parser *ps, char letter)
{
    switch (letter | 0x20) {
    case 'd': return mn_rx_set(ps->rx, digit_ranges, 1, letter == 'D');
    case 'w': return mn_rx_set(ps->rx, word_ranges, 4, letter == 'W');
    default: return mn_rx_set(ps->rx, space_ranges, sizeof space_ranges / sizeof *space_ranges,
                              letter == 'S');
    }
}

/* \p{...}; the p is consumed. */
static mn_rid property_set(parser *ps, bool negate)
{
    if (!take(ps, "{")) fail(ps, MINERVA_INVALID, "'{' expected after \\p");
    const char *name = ps->p;
    while (ps->p < ps->end && *ps->p != '}') ps->p++;
    size_t len = (size_t)(ps->p - name);
    if (!take(ps, "}")) fail(ps, MINERVA_INVALID, "'}' expected after \\p{");
    static const char *const prefix[] = { "General_Category=", "gc=" };
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(prefix[i]);
        if (len > n && !memcmp(name, prefix[i], n)) name += n, len -= n;
    }
    uint32_t base = ps->rx->range_scratch.n;
    if (len == 5 && !memcmp(name, "ASCII", 5)) {
        add_range(ps, 0, 127);
        return finish_set(ps, base, negate);
    }
    if (!ps->rx->categories) {
        if (!ps->rx->own_categories) ps->rx->own_categories = mn_gc_table_create();
        if (!ps->rx->own_categories) mn_cx_raise(ps->cx, MINERVA_MEMORY, "out of memory");
        ps->rx->categories = ps->rx->own_categories;
    }
    if (!mn_gc_ranges(ps->rx->categories, name, len, add_range, ps))
        fail(ps, MINERVA_UNSUPPORTED, "Unicode property other than a general category");
    return finish_set(ps, base, negate);
}

static uint32_t hex_digits(parser *ps, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++, ps->p++) {
        int c = ps->p < ps->end ? (unsigned char)*ps->p : 0, low = c | 0x20;
        if (c >= '0' && c <= '9') v = v * 16 + (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f') v = v * 16 + (uint32_t)(low - 'a' + 10);
        else fail(ps, MINERVA_INVALID, "hexadecimal digit expected");
    }
    return v;
}

static uint32_t unicode_escape(parser *ps)
{
    uint32_t cp = 0;
    if (take(ps, "{")) {
        if (peek(ps, '}')) fail(ps, MINERVA_INVALID, "hexadecimal digit expected");
        while (!peek(ps, '}')) {
            cp = cp * 16 + hex_digits(ps, 1);
            if (cp > MN_CP_MAX) fail(ps, MINERVA_INVALID, "code point past U+10FFFF");
        }
        ps->p++;
    } else {
        cp = hex_digits(ps, 4);
        if (cp >= 0xD800 && cp < 0xDC00 && take(ps, "\\u")) {
            uint32_t low = hex_digits(ps, 4);
            if (low < 0xDC00 || low > 0xDFFF) fail(ps, MINERVA_INVALID, "low surrogate expected");
            return 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return cp;
}

/* An escape that stands for one code point; the backslash and the letter are consumed. */
static uint32_t char_escape(parser *ps, char c)
{
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    case 'f': return '\f';
    case '0':
        if (ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9')
            fail(ps, MINERVA_UNSUPPORTED, "octal escape");
        return 0;
    case 'x': return hex_digits(ps, 2);
    case 'u': return unicode_escape(ps);
    case 'c':
        if (ps->p < ps->end && ((*ps->p | 0x20) >= 'a' && (*ps->p | 0x20) <= 'z'))
            return (uint32_t)(*ps->p++ & 31);
        fail(ps, MINERVA_INVALID, "letter expected after \\c");
    default: break;
    }
    if (c >= '1' && c <= '9') fail(ps, MINERVA_UNSUPPORTED, "back-reference");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        fail(ps, MINERVA_UNSUPPORTED, "escape that engines read differently");
    uint32_t cp;
    ps->p--;
    ps->p += mn_utf8_decode(ps->p, (size_t)(ps->end - ps->p), &cp);
    return cp;
}

static bool is_class_letter(char c)
{
    return c == 'd' || c == 'D' || c == 'w' || c == 'W' || c == 's' || c == 'S';
}

/* One member of [...]: true and *cp for a code point, false for a class that was added. */
static bool class_member(parser *ps, uint32_t *cp)
{
    if (!peek(ps, '\\')) {
        ps->p += mn_utf8_decode(ps->p, (size_t)(ps->end - ps->p), cp);
        return true;
    }
    if (++ps->p >= ps->end) fail(ps, MINERVA_INVALID, "escape expected");
    char c = *ps->p++;
    if (is_class_letter(c)) {
        add_set(ps, class_set(ps, c));
        return false;
    }
    if (c == 'p' || c == 'P') {
        add_set(ps, property_set(ps, c == 'P'));
        return false;
    }
    *cp = c == 'b' ? 8 : char_escape(ps, c);
    return true;
}

static node *char_class(parser *ps)
{
    uint32_t base = ps->rx->range_scratch.n;
    bool negate = take(ps, "^");
    while (!peek(ps, ']')) {
        if (ps->p >= ps->end) fail(ps, MINERVA_INVALID, "']' expected");
        if (ps->p + 1 < ps->end && ps->p[0] == '[' && ps->p[1] == ':')
            fail(ps, MINERVA_UNSUPPORTED, "POSIX class");
        uint32_t lo, hi;
        bool single = class_member(ps, &lo);
        if (ps->p + 1 < ps->end && ps->p[0] == '-' && ps->p[1] != ']') {
            ps->p++;
            bool end = class_member(ps, &hi);
            if (single && end) {
                if (lo > hi) fail(ps, MINERVA_INVALID, "range in order expected");
                add_range(ps, lo, hi);
                continue;
            }
            add_range(ps, '-', '-');
            if (end) add_range(ps, hi, hi);
        }
        if (single) add_range(ps, lo, lo);
    }
    ps->p++;
    return language(ps, finish_set(ps, base, negate));
}

/* ---- syntax ------------------------------------------------------------------------ */

static node *alternation(parser *ps);

static node *group(parser *ps)
{
    if (++ps->depth > MAX_DEPTH) fail(ps, MINERVA_LIMIT, "at most 250 nested groups expected");
    node *n;
    if (take(ps, "?=") || take(ps, "?!")) {
        bool negative = ps->p[-1] == '!';
        n = make(ps, N_AHEAD);
        n->negative = negative;
        n->asserts = true;
        n->kid = alternation(ps);
    } else {
        if (take(ps, "?<=") || take(ps, "?<!")) fail(ps, MINERVA_UNSUPPORTED, "look-behind");
        if (take(ps, "?:")) {
        } else if (take(ps, "?<")) {
            while (ps->p < ps->end && *ps->p != '>') ps->p++;
            if (!take(ps, ">")) fail(ps, MINERVA_INVALID, "'>' expected after the group's name");
        } else if (peek(ps, '?')) {
            fail(ps, MINERVA_UNSUPPORTED, "group of a kind ECMA does not have");
        }
        n = alternation(ps);
    }
    if (!take(ps, ")")) fail(ps, MINERVA_INVALID, "')' expected");
    ps->depth--;
    return n;
}

static node *escape(parser *ps)
{
    if (ps->p >= ps->end) fail(ps, MINERVA_INVALID, "escape expected after the last '\\'");
    char c = *ps->p++;
    if (is_class_letter(c)) return language(ps, class_set(ps, c));
    if (c == 'p' || c == 'P') return language(ps, property_set(ps, c == 'P'));
    if (c == 'b' || c == 'B') {
        node *n = make(ps, N_WORDB);
        n->negative = c == 'B';
        n->asserts = true;
        return n;
    }
    if (c == 'k') fail(ps, MINERVA_UNSUPPORTED, "back-reference");
    return language(ps, mn_rx_char(ps->rx, char_escape(ps, c)));
}

static node *atom(parser *ps)
{
    char c = *ps->p++;
    node *n;
    switch (c) {
    case '(': return group(ps);
    case '[': return char_class(ps);
    case '\\': return escape(ps);
    case '.': return language(ps, mn_rx_set(ps->rx, line_ranges, 3, true));
    case '^':
    case '$':
        n = make(ps, c == '^' ? N_BOL : N_EOL);
        n->asserts = true;
        return n;
    case '*':
    case '+':
    case '?':
        ps->p--;
        fail(ps, MINERVA_INVALID, "something to repeat expected");
    default: break;
    }
    ps->p--;
    uint32_t cp;
    ps->p += mn_utf8_decode(ps->p, (size_t)(ps->end - ps->p), &cp);
    return language(ps, mn_rx_char(ps->rx, cp));
}

static bool read_count(parser *ps, uint32_t *out)
{
    if (ps->p >= ps->end || *ps->p < '0' || *ps->p > '9') return false;
    uint64_t v = 0;
    for (; ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9'; ps->p++) {
        v = v * 10 + (uint64_t)(*ps->p - '0');
        if (v > 1000000000) fail(ps, MINERVA_LIMIT, "a count of at most 1,000,000,000 expected");
    }
    *out = (uint32_t)v;
    return true;
}

/* A quantifier at ps->p?  A '{' that begins none is a character of its own. */
static bool quantifier(parser *ps, uint32_t *min, uint32_t *max)
{
    const char *start = ps->p;
    *min = 0;
    *max = MN_RX_INF;
    if (take(ps, "*")) return true;
    if (take(ps, "+")) return *min = 1, true;
    if (take(ps, "?")) return *max = 1, true;
    if (!take(ps, "{")) return false;
    if (peek(ps, ',')) {
        const char *q = ps->p + 1;
        while (q < ps->end && *q >= '0' && *q <= '9') q++;
        if (q < ps->end && *q == '}')
            fail(ps, MINERVA_UNSUPPORTED, "{,n}, which engines read differently");
    }
    if (!read_count(ps, min)) {
        ps->p = start;
        return false;
    }
    if (take(ps, "}")) {
        *max = *min;
        return true;
    }
    if (!take(ps, ",")) {
        ps->p = start;
        return false;
    }
    if (take(ps, "}")) return true;
    if (!read_count(ps, max) || !take(ps, "}")) {
        ps->p = start;
        return false;
    }
    if (*max < *min) fail(ps, MINERVA_INVALID, "{m,n} with m <= n expected");
    return true;
}

static node *repeated(parser *ps)
{
    node *n = atom(ps);
    uint32_t min, max;
    while (ps->p < ps->end) {
        const char *before = ps->p;
        if (!quantifier(ps, &min, &max)) break;
        bool place = n->kind == N_BOL || n->kind == N_EOL || n->kind == N_WORDB;
        if (place || (n->kind == N_REP && n->next == n)) {
            ps->p = before;
            fail(ps, MINERVA_INVALID, "something to repeat expected");
        }
        take(ps, "?");      /* lazy: the same language */
        if (peek(ps, '+')) fail(ps, MINERVA_UNSUPPORTED, "possessive quantifier");
        node *rep = make(ps, N_REP);
        rep->kid = n;
        rep->min = min;
        rep->max = max;
        rep->asserts = n->asserts;
        rep->next = rep;        /* marks a quantifier that stands here directly */
        n = rep;
    }
    n->next = NULL;
    return n;
}

static node *sequence(parser *ps)
{
    node *first = NULL, **tail = &first, *list;
    bool asserts = false;
    uint32_t n = 0;
    while (ps->p < ps->end && *ps->p != '|' && *ps->p != ')') {
        node *item = repeated(ps);
        asserts |= item->asserts;
        *tail = item;
        tail = &item->next;
        n++;
    }
    if (n == 1) return first;
    list = make(ps, n ? N_CAT : N_EMPTY);
    list->kid = first;
    list->asserts = asserts;
    return list;
}

static node *alternation(parser *ps)
{
    node *first = sequence(ps), *last = first;
    if (!peek(ps, '|')) return first;
    node *alt = make(ps, N_ALT);
    /* A sequence of one item is the item itself, whose `next` is free here. */
    alt->kid = first;
    alt->asserts = first->asserts;
    while (take(ps, "|")) {
        last->next = sequence(ps);
        last = last->next;
        alt->asserts |= last->asserts;
    }
    return alt;
}

/* ---- to languages ------------------------------------------------------------------- */

static mn_rid pure(parser *ps, const node *n);

/* Kids of a list as languages on the scratch stack; returns their number. */
static uint32_t push_kids(parser *ps, const node *list)
{
    uint32_t n = 0;
    for (const node *k = list->kid; k; k = k->next, n++) {
        mn_rid r = pure(ps, k);
        mn_vec_push(ps->cx, &ps->rx->scratch, r);
    }
    return n;
}

/* A tree without assertions. */
static mn_rid pure(parser *ps, const node *n)
{
    mn_rx *rx = ps->rx;
    uint32_t base = rx->scratch.n, count;
    mn_rid r;
    switch (n->kind) {
    case N_LANG: return n->lang;
    case N_REP: return mn_rx_rep(rx, pure(ps, n->kid), n->min, n->max);
    case N_CAT:
        push_kids(ps, n);
        r = MN_RX_EPS;
        while (rx->scratch.n > base) r = mn_rx_cat(rx, rx->scratch.at[--rx->scratch.n], r);
        return r;
    case N_ALT: {
        count = push_kids(ps, n);
        mn_rid *kids = mn_cx_alloc(ps->cx, count, sizeof *kids);
        memcpy(kids, rx->scratch.at + base, count * sizeof *kids);
        rx->scratch.n = base;
        return mn_rx_alt(rx, kids, count);
    }
    default: return MN_RX_EPS;
    }
}

/* What may follow: [0] at the start of the text, [1] behind a word character, [2] behind
 * another one. */
typedef struct { mn_rid at[3]; } after;

static bool indifferent(const after *k) { return k->at[0] == k->at[1] && k->at[1] == k->at[2]; }

static mn_rid word_set(parser *ps) { return mn_rx_set(ps->rx, word_ranges, 4, false); }
static mn_rid ends_in(parser *ps, mn_rid r, bool word)
{
    mn_rid last = mn_rx_set(ps->rx, word_ranges, 4, !word);
    return mn_rx_and2(ps->rx, r, mn_rx_cat(ps->rx, MN_RX_ALL, last));
}

static after follow_pure(parser *ps, mn_rid x, after k)
{
    mn_rx *rx = ps->rx;
    if (indifferent(&k)) {
        mn_rid r = mn_rx_cat(rx, x, k.at[0]);
        return (after){ { r, r, r } };
    }
    mn_rid some = x;
    if (mn_rx_nullable(rx, x))
        some = mn_rx_and2(rx, x, mn_rx_rep(rx, MN_RX_ANY, 1, MN_RX_INF));
    mn_rid moved = k.at[1] == k.at[2] ? mn_rx_cat(rx, some, k.at[1])
        : mn_rx_alt2(rx, mn_rx_cat(rx, ends_in(ps, some, true), k.at[1]),
                     mn_rx_cat(rx, ends_in(ps, some, false), k.at[2]));
    after r;
    for (int c = 0; c < 3; c++)
        r.at[c] = mn_rx_nullable(rx, x) ? mn_rx_alt2(rx, moved, k.at[c]) : moved;
    return r;
}

static after follow(parser *ps, const node *n, after k);

static after follow_list(parser *ps, const node *kid, after k)
{
    /* From the right: a recursion over the list, which is as long as the pattern, so the
     * items go on a stack first. */
    uint32_t n = 0;
    for (const node *i = kid; i; i = i->next) n++;
    const node **items = mn_cx_alloc(ps->cx, n, sizeof *items);
    uint32_t at = 0;
    for (const node *i = kid; i; i = i->next) items[at++] = i;
    while (n) k = follow(ps, items[--n], k);
    return k;
}

/* (look-ahead . one character)* before the end of the text. */
static bool guarded_loop(parser *ps, const node *n, after k, after *out)
{
    if (n->min > 1 || n->max != MN_RX_INF || !indifferent(&k) || k.at[0] != MN_RX_EPS) return false;
    const node *body = n->kid;
    if (body->kind != N_CAT || body->kid->kind != N_AHEAD || !body->kid->next
        || body->kid->next->next || body->kid->next->kind != N_LANG) return false;
    mn_rid set = body->kid->next->lang;
    if (ps->rx->nodes.at[set].kind != MN_RK_SET) return false;
    after all = { { MN_RX_ALL, MN_RX_ALL, MN_RX_ALL } };
    after x = follow(ps, body->kid->kid, all);
    if (!indifferent(&x)) return false;
    mn_rx *rx = ps->rx;
    /* Bad: at some character (not the end) the look-ahead says no. */
    mn_rid bad = body->kid->negative ? x.at[0] : mn_rx_not(rx, x.at[0]);
    bad = mn_rx_and2(rx, bad, mn_rx_rep(rx, MN_RX_ANY, 1, MN_RX_INF));
    mn_rid r = mn_rx_and2(rx, mn_rx_rep(rx, set, n->min, MN_RX_INF),
                          mn_rx_not(rx, mn_rx_cat(rx, MN_RX_ALL, bad)));
    *out = (after){ { r, r, r } };
    return true;
}

static after follow_rep(parser *ps, const node *n, after k)
{
    after r;
    if (guarded_loop(ps, n, k, &r)) return r;
    if (n->max == MN_RX_INF || n->max > MAX_UNROLL) {
        bool everything = indifferent(&k) && k.at[0] == MN_RX_ALL && n->min == 0;
        if (everything) return k;
        mn_cx_raise(ps->cx, MINERVA_UNSUPPORTED, "pattern \"%.*s\": an assertion inside an "
                    "unbounded repetition", (int)(ps->end - ps->s > 80 ? 80 : ps->end - ps->s), ps->s);
    }
    r = k;
    for (uint32_t i = n->max; i > 0; i--) {
        after once = follow(ps, n->kid, r);
        for (int c = 0; c < 3; c++)
            r.at[c] = i > n->min ? mn_rx_alt2(ps->rx, k.at[c], once.at[c]) : once.at[c];
    }
    return r;
}

static after follow(parser *ps, const node *n, after k)
{
    mn_rx *rx = ps->rx;
    if (!n->asserts) return follow_pure(ps, pure(ps, n), k);
    after r;
    mn_cx_tick(ps->cx);
    switch (n->kind) {
    case N_CAT: return follow_list(ps, n->kid, k);
    case N_REP: return follow_rep(ps, n, k);
    case N_ALT:
        r = follow(ps, n->kid, k);
        for (const node *kid = n->kid->next; kid; kid = kid->next) {
            after x = follow(ps, kid, k);
            for (int c = 0; c < 3; c++) r.at[c] = mn_rx_alt2(rx, r.at[c], x.at[c]);
        }
        return r;
    case N_BOL: return (after){ { k.at[0], MN_RX_NONE, MN_RX_NONE } };
    case N_EOL:
        for (int c = 0; c < 3; c++)
            r.at[c] = mn_rx_nullable(rx, k.at[c]) ? MN_RX_EPS : MN_RX_NONE;
        return r;
    case N_AHEAD: {
        after all = { { MN_RX_ALL, MN_RX_ALL, MN_RX_ALL } };
        after x = follow(ps, n->kid, all);
        for (int c = 0; c < 3; c++)
            r.at[c] = mn_rx_and2(rx, k.at[c], n->negative ? mn_rx_not(rx, x.at[c]) : x.at[c]);
        return r;
    }
    case N_WORDB: {
        mn_rid word = mn_rx_cat(rx, word_set(ps), MN_RX_ALL), other = mn_rx_not(rx, word);
        bool neg = n->negative;
        r.at[0] = mn_rx_and2(rx, k.at[0], neg ? other : word);
        r.at[1] = mn_rx_and2(rx, k.at[1], neg ? word : other);
        r.at[2] = mn_rx_and2(rx, k.at[2], neg ? other : word);
        return r;
    }
    default: return k;
    }
}

mn_rid mn_rx_parse(mn_rx *rx, const char *pattern, size_t len, bool whole)
{
    parser ps = { .rx = rx, .cx = rx->cx, .s = pattern, .p = pattern, .end = pattern + len };
    if (!mn_utf8_valid(pattern, len)) fail(&ps, MINERVA_INVALID, "valid UTF-8 expected");
    node *tree = alternation(&ps);
    if (ps.p != ps.end) fail(&ps, MINERVA_INVALID, "end of pattern expected, ')' found");
    if (whole) {
        after k = { { MN_RX_EPS, MN_RX_EPS, MN_RX_EPS } };
        return follow(&ps, tree, k).at[0];
    }
    after k = { { MN_RX_ALL, MN_RX_ALL, MN_RX_ALL } };
    after r = follow(&ps, tree, k);
    if (indifferent(&r)) return mn_rx_cat(rx, MN_RX_ALL, r.at[0]);
    mn_rid later[3] = { r.at[0] };
    if (r.at[1] == r.at[2]) {
        mn_rid some = mn_rx_rep(rx, MN_RX_ANY, 1, MN_RX_INF);
        return mn_rx_alt2(rx, r.at[0], mn_rx_cat(rx, some, r.at[1]));
    }
    mn_rid word = word_set(&ps), other = mn_rx_set(rx, word_ranges, 4, true);
    later[1] = mn_rx_cat(rx, MN_RX_ALL, mn_rx_cat(rx, word, r.at[1]));
    later[2] = mn_rx_cat(rx, MN_RX_ALL, mn_rx_cat(rx, other, r.at[2]));
    return mn_rx_alt(rx, later, 3);
}
