/* GBNF, llama.cpp's notation, and the W3C's EBNF, which differs in its literals.
 *
 *   GBNF   name ::= "text\n" [a-z\x41] . ( ... )* x{2,5} | ...      # comment
 *   EBNF   name ::= "text\n" 'raw' #x41 [a-z#x41] [^...] A - B ...  comments as in C
 *
 * In GBNF a line end outside parentheses ends a rule, unless a '|' follows or has just been
 * read.  EBNF knows no lines: a rule ends where the next `name ::=` begins, and may have
 * a number in brackets before it, and [wfc: ...] or [vc: ...] behind it, which say nothing.
 */
#include "base/utf8.h"
#include "constrain/grammar.h"

#include <stdio.h>

typedef struct {
    mn_grammar *g;
    const char *p, *end, *line_start;
    uint32_t line, depth, scope;
    bool w3c;
} reader;

enum { MAX_DEPTH = 250, MAX_COUNT = 10000000, MAX_NAME = 200 };

static mn_g_place place(const reader *r)
{
    return (mn_g_place){ r->line, (uint32_t)(r->p - r->line_start) + 1 };
}

_Noreturn static void bad(reader *r, const char *expected)
{
    mn_g_place at = place(r);
    if (r->p >= r->end)
        mn_cx_raise(r->g->cx, MINERVA_INVALID, "grammar, %u:%u: %s expected, end of text found", at.line, at.column,
                    expected);
    uint8_t c = (uint8_t)*r->p;
    char found[16];
    if (c == '\n') snprintf(found, sizeof found, "end of line");
    else if (c >= 32 && c < 127) snprintf(found, sizeof found, "'%c'", c);
    else snprintf(found, sizeof found, "byte 0x%02x", c);
    mn_cx_raise(r->g->cx, MINERVA_INVALID, "grammar, %u:%u: %s expected, %s found", at.line, at.column, expected, found);
}

static bool name_char(const reader *r, char c)
{
    char low = (char)(c | 0x20);
    return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || (c == '.' && r->w3c);
}

static bool name_start(const reader *r, char c)
{
    return name_char(r, c) && c != '.' && !(r->w3c && c == '-');
}

static void new_line(reader *r)
{
    r->line++;
    r->line_start = r->p + 1;
}

static void skip_comment(reader *r)
{
    for (r->p += 2; r->end - r->p > 1 && !(r->p[0] == '*' && r->p[1] == '/'); r->p++)
        if (*r->p == '\n') new_line(r);
    if (r->end - r->p < 2) {
        r->p = r->end;
        bad(r, "end of comment");
    }
    r->p += 2;
}

/* [wfc: ...] and the like; false: there is none. */
static bool skip_note(reader *r)
{
    static const char *const notes[] = { "wfc:", "vc:", "WFC:", "VC:" };
    const char *p = r->p + 1;
    while (p < r->end && *p == ' ') p++;
    for (int i = 0; i < 4; i++) {
        size_t n = strlen(notes[i]);
        if ((size_t)(r->end - p) < n || memcmp(p, notes[i], n)) continue;
        while (r->p < r->end && *r->p != ']' && *r->p != '\n') r->p++;
        if (r->p >= r->end || *r->p != ']') bad(r, "']'");
        r->p++;
        return true;
    }
    return false;
}

/* Blanks and comments; line ends too, if they mean nothing here. */
static void skip(reader *r, bool lines)
{
    while (r->p < r->end) {
        char c = *r->p, next = r->end - r->p > 1 ? r->p[1] : 0;
        if (c == ' ' || c == '\t' || (c == '\r' && (lines || next == '\n'))) {
            r->p++;
        } else if (c == '\n' && lines) {
            new_line(r);
            r->p++;
        } else if (c == '#' && !(r->w3c && next == 'x')) {
            while (r->p < r->end && *r->p != '\n') r->p++;
        } else if (r->w3c && c == '/' && (next == '*' || next == '/')) {
            if (next == '*') skip_comment(r);
            else
                while (r->p < r->end && *r->p != '\n') r->p++;
        } else if (!(r->w3c && c == '[' && skip_note(r))) {
            return;
        }
    }
}

static bool take(reader *r, const char *s)
{
    size_t n = strlen(s);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, s, n)) return false;
    r->p += n;
    return true;
}

static uint32_t hex(reader *r, int least, int most)
{
    uint32_t v = 0;
    int n = 0;
    for (; n < most && r->p < r->end; n++, r->p++) {
        char c = *r->p, low = (char)(c | 0x20);
        if (c >= '0' && c <= '9') v = v * 16 + (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f') v = v * 16 + (uint32_t)(low - 'a' + 10);
        else break;
    }
    if (n < least) bad(r, "a hexadecimal digit");
    if (v > MN_CP_MAX || (v >= 0xD800 && v < 0xE000)) bad(r, "the number of a character");
    return v;
}

static uint32_t plain_character(reader *r)
{
    uint32_t cp;
    int n = mn_utf8_decode_strict(r->p, (size_t)(r->end - r->p), &cp);
    if (n <= 0) bad(r, "valid UTF-8");
    if (cp == '\n') new_line(r);
    r->p += n;
    return cp;
}

/* One character of a literal or class, escapes understood. */
static uint32_t character(reader *r)
{
    if (r->p >= r->end) bad(r, "a character");
    if (*r->p == '\\') {
        if (++r->p >= r->end) bad(r, "an escape");
        char c = *r->p++;
        switch (c) {
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'x': return hex(r, 2, 2);
        case 'u': return hex(r, 4, 4);
        case 'U': return hex(r, 8, 8);
        case '\\': case '"': case '[': case ']': case '-': case '^': case '\'': case '/': return (uint32_t)c;
        default: r->p--; bad(r, "a known escape");
        }
    }
    return plain_character(r);
}

/* In a class of EBNF, #x41 is a character, too. */
static uint32_t class_character(reader *r)
{
    if (r->w3c && take(r, "#x")) return hex(r, 1, 6);
    return character(r);
}

static mn_g_node *literal(reader *r, char quote)
{
    mn_rx *rx = r->g->rx;
    uint32_t base = rx->scratch.n;
    bool raw = r->w3c && quote == '\'';     /* no escapes inside ' ' */
    while (r->p < r->end && *r->p != quote) {
        mn_rid c = mn_rx_char(rx, raw ? plain_character(r) : character(r));
        mn_vec_push(r->g->cx, &rx->scratch, c);
    }
    if (r->p >= r->end) bad(r, "end of literal");
    r->p++;
    mn_rid lang = MN_RX_EPS;
    uint32_t n = rx->scratch.n - base;
    while (rx->scratch.n > base) lang = mn_rx_cat(rx, rx->scratch.at[--rx->scratch.n], lang);
    return mn_g_lang(r->g, lang, n);
}

static mn_g_node *char_class(reader *r)
{
    mn_rx *rx = r->g->rx;
    bool negate = take(r, "^");
    uint32_t base = rx->range_scratch.n;
    while (r->p < r->end && *r->p != ']') {
        uint32_t lo = class_character(r), hi = lo;
        if (r->end - r->p > 1 && r->p[0] == '-' && r->p[1] != ']') {
            r->p++;
            hi = class_character(r);
            if (hi < lo) bad(r, "a range in order");
        }
        mn_range range = { lo, hi };
        mn_vec_push(r->g->cx, &rx->range_scratch, range);
    }
    if (r->p >= r->end) bad(r, "']'");
    r->p++;
    uint32_t n = rx->range_scratch.n - base;
    mn_range *ranges = mn_cx_alloc(r->g->cx, n, sizeof *ranges);
    if (n) memcpy(ranges, rx->range_scratch.at + base, n * sizeof *ranges);
    rx->range_scratch.n = base;
    return mn_g_lang(r->g, mn_rx_set(rx, ranges, n, negate), 1);
}

/* [12] or [12a] before a rule of the W3C's. */
static void skip_number(reader *r)
{
    const char *p = r->p;
    if (!r->w3c || p >= r->end || *p++ != '[') return;
    const char *digits = p;
    while (p < r->end && *p >= '0' && *p <= '9') p++;
    if (p == digits) return;
    while (p < r->end && *p >= 'a' && *p <= 'z') p++;
    if (p < r->end && *p == ']') r->p = p + 1;
}

/* Is a `name ::=` here? */
static bool at_rule(const reader *r)
{
    reader look = *r;
    skip(&look, true);
    skip_number(&look);
    skip(&look, true);
    if (look.p >= look.end || !name_start(&look, *look.p)) return false;
    while (look.p < look.end && name_char(&look, *look.p)) look.p++;
    skip(&look, true);
    return take(&look, "::=");
}

/* A rule's name, with the scope before it. */
static uint32_t rule_name(reader *r)
{
    char name[MAX_NAME + 16];
    mn_g_place at = place(r);
    if (r->p >= r->end || !name_start(r, *r->p)) bad(r, "a rule's name");
    const char *from = r->p;
    while (r->p < r->end && name_char(r, *r->p)) r->p++;
    if (r->p - from > MAX_NAME)
        mn_cx_raise(r->g->cx, MINERVA_LIMIT, "grammar, %u:%u: a name of at most %d bytes expected", at.line, at.column,
                    MAX_NAME);
    int n = r->scope ? snprintf(name, sizeof name, "%u/%.*s", r->scope, (int)(r->p - from), from)
                     : snprintf(name, sizeof name, "%.*s", (int)(r->p - from), from);
    return mn_grammar_rule(r->g, name, (size_t)n, at);
}

static mn_g_node *alternatives(reader *r, bool nested);

static mn_g_node *group(reader *r)
{
    mn_g_place at = place(r);
    if (++r->depth > MAX_DEPTH)
        mn_cx_raise(r->g->cx, MINERVA_LIMIT, "grammar, %u:%u: at most %d nested groups expected", at.line, at.column,
                    MAX_DEPTH);
    r->p++;
    mn_g_node *n = alternatives(r, true);
    if (!take(r, ")")) bad(r, "')'");
    r->depth--;
    return n;
}

static mn_g_node *atom(reader *r)
{
    char c = *r->p;
    mn_g_place at = place(r);
    if (c == '"' || (c == '\'' && r->w3c)) {
        r->p++;
        return literal(r, c);
    }
    if (c == '[') {
        r->p++;
        return char_class(r);
    }
    if (c == '(') return group(r);
    if (c == '.' && !r->w3c) {
        r->p++;
        return mn_g_lang(r->g, MN_RX_ANY, 1);
    }
    if (r->w3c && take(r, "#x")) return mn_g_lang(r->g, mn_rx_char(r->g->rx, hex(r, 1, 6)), 1);
    if (c == '<' || c == '!')
        mn_cx_raise(r->g->cx, MINERVA_UNSUPPORTED, "grammar, %u:%u: tokens by number or name, <...>, are not enforced",
                    at.line, at.column);
    if (!name_start(r, c)) bad(r, "a rule's name, a literal, '[' or '('");
    return mn_g_ref(r->g, rule_name(r));
}

static uint32_t number(reader *r)
{
    uint64_t v = 0;
    mn_g_place at = place(r);
    if (r->p >= r->end || *r->p < '0' || *r->p > '9') bad(r, "a number");
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        v = v * 10 + (uint64_t)(*r->p - '0');
        if (v > MAX_COUNT)
            mn_cx_raise(r->g->cx, MINERVA_LIMIT, "grammar, %u:%u: a count of at most %d expected", at.line, at.column,
                        MAX_COUNT);
    }
    return (uint32_t)v;
}

/* {m} {m,} {m,n} {,n}; the brace is consumed. */
static void counts(reader *r, uint32_t *min, uint32_t *max)
{
    skip(r, true);
    *min = r->p < r->end && *r->p == ',' ? 0 : number(r);
    skip(r, true);
    *max = *min;
    if (take(r, ",")) {
        skip(r, true);
        *max = r->p < r->end && *r->p == '}' ? MN_RX_INF : number(r);
        skip(r, true);
    }
    if (!take(r, "}")) bad(r, "'}'");
    if (*max < *min) bad(r, "{m,n} with m <= n before this");
}

static mn_g_node *repeated(reader *r, bool lines)
{
    mn_g_node *n = atom(r);
    for (;;) {
        reader before = *r;
        skip(r, lines);
        uint32_t min = 0, max = MN_RX_INF;
        if (take(r, "+")) {
            min = 1;
        } else if (take(r, "?")) {
            max = 1;
        } else if (take(r, "{")) {
            counts(r, &min, &max);
        } else if (!take(r, "*")) {
            *r = before;
            return n;
        }
        n = mn_g_rep(r->g, n, min, max);
    }
}

/* A - B: what A matches and B does not; both must be languages by themselves. */
static mn_g_node *difference(reader *r, mn_g_node *a)
{
    for (;;) {
        reader before = *r;
        skip(r, true);
        mn_g_place at = place(r);
        if (!r->w3c || !take(r, "-")) {
            *r = before;
            return a;
        }
        skip(r, true);
        if (r->p >= r->end) bad(r, "what '-' takes away");
        mn_g_node *b = repeated(r, true);
        mn_rid x, y;
        if (!mn_g_regular(r->g, a, &x) || !mn_g_regular(r->g, b, &y))
            mn_cx_raise(r->g->cx, MINERVA_UNSUPPORTED, "grammar, %u:%u: '-' with rules on its sides (only literals and "
                        "classes can be told apart)", at.line, at.column);
        a = mn_g_lang(r->g, mn_rx_and2(r->g->rx, x, mn_rx_not(r->g->rx, y)), 2);
    }
}

static bool sequence_ends(reader *r, bool nested)
{
    if (r->p >= r->end || *r->p == '|' || *r->p == ')' || (*r->p == ';' && r->w3c)) return true;
    if (nested) return false;
    return r->w3c ? at_rule(r) : *r->p == '\n' || *r->p == '\r';
}

static mn_g_node *sequence(reader *r, bool nested)
{
    bool lines = nested || r->w3c;
    mn_g_node *seq = mn_g_make(r->g, MN_G_SEQ);
    mn_g_list l = mn_g_list_begin(seq);
    for (;;) {
        skip(r, lines);
        if (sequence_ends(r, nested)) break;
        mn_g_list_add(&l, difference(r, repeated(r, lines)));
    }
    return seq->kid && !seq->kid->next ? seq->kid : seq;
}

/* A '|' may stand at the end of a line or at the beginning of the next one. */
static bool another(reader *r)
{
    reader look = *r;
    skip(&look, true);
    if (!take(&look, "|")) return false;
    *r = look;
    skip(r, true);
    return true;
}

static mn_g_node *alternatives(reader *r, bool nested)
{
    skip(r, true);
    mn_g_node *alt = mn_g_make(r->g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(alt);
    do mn_g_list_add(&l, sequence(r, nested));
    while (another(r));
    skip(r, nested);
    return alt->kid->next ? alt : alt->kid;
}

static void rules(reader *r, uint32_t *first)
{
    for (;;) {
        skip(r, true);
        if (r->w3c && take(r, ";")) continue;
        if (r->p >= r->end) return;
        skip_number(r);
        skip(r, true);
        mn_g_place at = place(r);
        uint32_t rule = rule_name(r);
        if (*first == UINT32_MAX) *first = rule;
        skip(r, true);
        if (!take(r, "::=")) bad(r, "'::='");
        mn_grammar_define(r->g, rule, alternatives(r, false), at);
        skip(r, r->w3c);
        if (r->p < r->end && *r->p == ')') bad(r, "the end of the rule");
    }
}

static uint32_t read(mn_grammar *g, const char *text, size_t len, const char *start, uint32_t scope, bool w3c)
{
    reader r = { .g = g, .p = text, .end = text + len, .line_start = text, .line = 1, .scope = scope, .w3c = w3c };
    uint32_t first = UINT32_MAX, rule;
    rules(&r, &first);
    if (first == UINT32_MAX) bad(&r, "a rule");
    const char *const names[] = { start ? start : "root", start ? NULL : "start" };
    for (int i = 0; i < 2 && names[i]; i++) {
        char name[MAX_NAME + 16];
        int n = scope ? snprintf(name, sizeof name, "%u/%.200s", scope, names[i])
                      : snprintf(name, sizeof name, "%.200s", names[i]);
        if (mn_grammar_has(g, name, (size_t)n, &rule)) return rule;
    }
    if (w3c && !start) return first;
    mn_cx_raise(g->cx, MINERVA_INVALID, "grammar: a rule \"%.100s\" to start with expected, none found",
                start ? start : "root");
}

uint32_t mn_grammar_read_gbnf(mn_grammar *g, const char *text, size_t len, const char *start, uint32_t scope)
{
    return read(g, text, len, start, scope, false);
}

uint32_t mn_grammar_read_ebnf(mn_grammar *g, const char *text, size_t len, const char *start, uint32_t scope)
{
    return read(g, text, len, start, scope, true);
}
