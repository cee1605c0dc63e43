/* Regular expressions of tokenizer.json that tok_split.c does not know, by PCRE2.
 *
 * The expressions are written for Oniguruma, so they are translated first: what means the
 * same in both stays, what differs is spelled out (\s, \w, \h, \b, \v, {,n}, {n,m}+, the
 * `m` flag, POSIX brackets), and classes with && or nested classes, which PCRE2 10 lacks,
 * become alternations and lookaheads of one character each.
 * (1) JIT is off; steps and memory are limited.  A search that exceeds its limit counts as
 *     finding nothing in the rest of its text, so encoding cannot fail or hang.
 * (2) PCRE2 sees valid UTF-8 only: each run of it in the text is a subject of its own.
 */
#include "text/tok_internal.h"

#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

struct tok_regex {
    pcre2_code *code;
};

#define SPACE_SET "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}" \
                  "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define WORD_SET "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define HEX_SET "0-9a-fA-F"

/* ---- translation ------------------------------------------------------------------------------ */

enum { MAX_NESTING = 50, MAX_PATTERN = 64 * 1024 };

typedef struct {
    const char *s;
    size_t len, i;
    mn_buffer out;
    size_t atom;                /* in `out`: where the last repeatable item starts */
    int depth;
    const char *fault;
} translator;

static bool at_end(const translator *t) { return t->i >= t->len; }
static char peek(const translator *t, size_t k) { return t->i + k < t->len ? t->s[t->i + k] : 0; }

static bool looking_at(const translator *t, const char *what)
{
    size_t n = strlen(what);
    return t->len - t->i >= n && !memcmp(t->s + t->i, what, n);
}

static void put(translator *t, const char *s) { mn_buffer_append_str(&t->out, s); }

static bool fault(translator *t, const char *what)
{
    if (!t->fault) t->fault = what;
    return false;
}

/* ---- sets of characters -------------------------------------------------------------------------- */

/* A set as PCRE2 spells it inside a class.  PCRE2's tables may be too old for some
 * characters: those of `late` categories are added one range at a time. */
typedef struct {
    const char *name, *set;
    uint32_t late;
    bool negated;
} named_set;

#define NOT_OTHER "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Z}"
#define VISIBLE "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}"
#define ASSIGNED NOT_OTHER "\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}"
#define LATE_NOT_OTHER (TOK_L | TOK_M | TOK_N | TOK_P | TOK_S)
#define LATE_WORD (TOK_L | TOK_M | TOK_CAT(ND) | TOK_CAT(NL) | TOK_CAT(PC))

static const named_set space_set = { "", SPACE_SET, 0, false };
static const named_set hex_set = { "", HEX_SET, 0, false };
static const named_set digit_set = { "", "\\p{Nd}", TOK_CAT(ND), false };
/* \w knows more Latin-1 characters than [\w] and [[:word:]]. */
static const named_set class_word_set = { "", WORD_SET, LATE_WORD, false };
static const named_set word_set = { "", WORD_SET "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}", LATE_WORD, false };

static const named_set sets[] = {
    { "alnum", "\\p{Alphabetic}\\p{Nd}", TOK_L | TOK_CAT(ND), false },
    { "alpha", "\\p{Alphabetic}", TOK_L, false },
    { "alphabetic", "\\p{Alphabetic}", TOK_L, false },
    { "ascii", "\\x{0}-\\x{7f}", 0, false },
    { "blank", "\\p{Zs}\\x{9}", 0, false },
    { "cntrl", "\\p{Cc}", 0, false },
    { "digit", "\\p{Nd}", TOK_CAT(ND), false },
    { "graph", VISIBLE, UINT32_MAX, false },
    { "lower", "\\p{Lowercase}", TOK_LL, false },
    { "lowercase", "\\p{Lowercase}", TOK_LL, false },
    { "print", VISIBLE "\\p{Zs}", UINT32_MAX, false },
    { "space", SPACE_SET, 0, false },
    { "upper", "\\p{Uppercase}", TOK_LU, false },
    { "uppercase", "\\p{Uppercase}", TOK_LU, false },
    { "whitespace", SPACE_SET, 0, false },
    { "word", WORD_SET, LATE_WORD, false },
    { "xdigit", HEX_SET, 0, false },
    { "any", "\\p{Any}", 0, false },
    { "assigned", ASSIGNED, UINT32_MAX, false },
    { "han", "\\p{sc:Han}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}", 0, false },
    { "emoji", "\\p{Emoji}", 0, false },
    { "emojipresentation", "\\p{Emoji_Presentation}", 0, false },
    { "extendedpictographic", "\\p{Extended_Pictographic}", 0, false },
    { "ideographic", "\\p{Ideographic}", 0, false },
    { "l", "\\p{L}", TOK_L, false }, { "letter", "\\p{L}", TOK_L, false },
    { "lu", "\\p{Lu}", TOK_LU, false }, { "uppercaseletter", "\\p{Lu}", TOK_LU, false },
    { "ll", "\\p{Ll}", TOK_LL, false }, { "lowercaseletter", "\\p{Ll}", TOK_LL, false },
    { "lt", "\\p{Lt}", TOK_LT, false }, { "titlecaseletter", "\\p{Lt}", TOK_LT, false },
    { "lm", "\\p{Lm}", TOK_LM, false }, { "modifierletter", "\\p{Lm}", TOK_LM, false },
    { "lo", "\\p{Lo}", TOK_LO, false }, { "otherletter", "\\p{Lo}", TOK_LO, false },
    { "m", "\\p{M}", TOK_M, false }, { "mark", "\\p{M}", TOK_M, false },
    { "mn", "\\p{Mn}", TOK_CAT(MN), false }, { "nonspacingmark", "\\p{Mn}", TOK_CAT(MN), false },
    { "mc", "\\p{Mc}", TOK_CAT(MC), false }, { "spacingmark", "\\p{Mc}", TOK_CAT(MC), false },
    { "me", "\\p{Me}", 0, false }, { "enclosingmark", "\\p{Me}", 0, false },
    { "n", "\\p{N}", TOK_N, false }, { "number", "\\p{N}", TOK_N, false },
    { "nd", "\\p{Nd}", TOK_CAT(ND), false }, { "decimalnumber", "\\p{Nd}", TOK_CAT(ND), false },
    { "nl", "\\p{Nl}", TOK_CAT(NL), false }, { "letternumber", "\\p{Nl}", TOK_CAT(NL), false },
    { "no", "\\p{No}", TOK_CAT(NO), false }, { "othernumber", "\\p{No}", TOK_CAT(NO), false },
    { "p", "\\p{P}", TOK_P, false }, { "punctuation", "\\p{P}", TOK_P, false },
    { "pc", "\\p{Pc}", TOK_CAT(PC), false }, { "connectorpunctuation", "\\p{Pc}", TOK_CAT(PC), false },
    { "pd", "\\p{Pd}", TOK_CAT(PD), false }, { "dashpunctuation", "\\p{Pd}", TOK_CAT(PD), false },
    { "ps", "\\p{Ps}", TOK_CAT(PS), false }, { "openpunctuation", "\\p{Ps}", TOK_CAT(PS), false },
    { "pe", "\\p{Pe}", TOK_CAT(PE), false }, { "closepunctuation", "\\p{Pe}", TOK_CAT(PE), false },
    { "pi", "\\p{Pi}", TOK_CAT(PI), false }, { "initialpunctuation", "\\p{Pi}", TOK_CAT(PI), false },
    { "pf", "\\p{Pf}", TOK_CAT(PF), false }, { "finalpunctuation", "\\p{Pf}", TOK_CAT(PF), false },
    { "po", "\\p{Po}", TOK_CAT(PO), false }, { "otherpunctuation", "\\p{Po}", TOK_CAT(PO), false },
    { "punct", "\\p{P}", TOK_P, false },
    { "s", "\\p{S}", TOK_S, false }, { "symbol", "\\p{S}", TOK_S, false },
    { "sm", "\\p{Sm}", TOK_CAT(SM), false }, { "mathsymbol", "\\p{Sm}", TOK_CAT(SM), false },
    { "sc", "\\p{Sc}", TOK_CAT(SC), false }, { "currencysymbol", "\\p{Sc}", TOK_CAT(SC), false },
    { "sk", "\\p{Sk}", TOK_CAT(SK), false }, { "modifiersymbol", "\\p{Sk}", TOK_CAT(SK), false },
    { "so", "\\p{So}", TOK_CAT(SO), false }, { "othersymbol", "\\p{So}", TOK_CAT(SO), false },
    { "z", "\\p{Z}", 0, false }, { "separator", "\\p{Z}", 0, false },
    { "zs", "\\p{Zs}", 0, false }, { "spaceseparator", "\\p{Zs}", 0, false },
    { "zl", "\\p{Zl}", 0, false }, { "lineseparator", "\\p{Zl}", 0, false },
    { "zp", "\\p{Zp}", 0, false }, { "paragraphseparator", "\\p{Zp}", 0, false },
    { "c", NOT_OTHER, LATE_NOT_OTHER, true }, { "other", NOT_OTHER, LATE_NOT_OTHER, true },
    { "cc", "\\p{Cc}", 0, false }, { "control", "\\p{Cc}", 0, false },
    { "cf", "\\p{Cf}", TOK_CAT(CF), false }, { "format", "\\p{Cf}", TOK_CAT(CF), false },
    { "cn", ASSIGNED, UINT32_MAX, true }, { "unassigned", ASSIGNED, UINT32_MAX, true },
    { "co", "\\p{Co}", 0, false }, { "privateuse", "\\p{Co}", 0, false },
    { "cs", "\\p{Cs}", 0, false }, { "surrogate", "\\p{Cs}", 0, false },
};
static const named_set bracket_punct = { "", "\\p{P}\\p{S}", TOK_P | TOK_S, false };

/* The set behind \s, \w, \h, \d (in any case), or NULL. */
static const named_set *shorthand(char c)
{
    switch (c | 0x20) {
    case 's': return &space_set;
    case 'w': return &word_set;
    case 'h': return &hex_set;
    case 'd': return &digit_set;
    default: return NULL;
    }
}

static void put_set(mn_buffer *out, const named_set *set)
{
    mn_buffer_append_str(out, set->set);
    for (int i = 0; i < tok_n_late_characters && set->late; i++) {
        const tok_late *l = &tok_late_characters[i];
        if (!(set->late & 1u << l->category)) continue;
        mn_buffer_append_fmt(out, "\\x{%x}-\\x{%x}", (unsigned)l->from, (unsigned)l->to);
    }
}

/* "\p{^Name}" or "[:^name:]" from after its opening to `end`: appends the set (to stand in
 * a class) and tells whether it is negated.  Unknown names are taken for scripts. */
static bool property(translator *t, mn_buffer *set, size_t end, bool bracket, bool *negated)
{
    char name[64];
    size_t n = 0;
    if (peek(t, 0) == '^') {
        *negated = !*negated;
        t->i++;
    }
    size_t start = t->i;
    for (; t->i < end; t->i++) {
        char c = t->s[t->i];
        if (c == ' ' || c == '_' || c == '-') continue;
        if (n + 1 >= sizeof name) return fault(t, "a property name of this length");
        name[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    name[n] = 0;
    if (bracket && !strcmp(name, "punct")) {
        put_set(set, &bracket_punct);
        return true;
    }
    if (!bracket && !strcmp(name, "word")) {
        put_set(set, &word_set);
        return true;
    }
    for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
        if (strcmp(sets[k].name, name)) continue;
        put_set(set, &sets[k]);
        if (sets[k].negated) *negated = !*negated;
        return true;
    }
    mn_buffer_append_str(set, "\\p{sc:");
    mn_buffer_append(set, t->s + start, end - start);
    mn_buffer_append_byte(set, '}');
    return true;
}

/* \p{...} or \P{...} at t->i. */
static bool property_escape(translator *t, mn_buffer *set, bool *negated)
{
    *negated = peek(t, 1) == 'P';
    if (peek(t, 2) != '{') return fault(t, "\\p without braces");
    const char *close = memchr(t->s + t->i, '}', t->len - t->i);
    if (!close) return fault(t, "\\p{ without its end");
    t->i += 3;
    if (!property(t, set, (size_t)(close - t->s), false, negated)) return false;
    t->i = (size_t)(close - t->s) + 1;
    return true;
}

/* Escapes that stand for one character: copied, or rewritten where PCRE2 reads them
 * otherwise.  t->i is at the backslash. */
static bool character_escape(translator *t, mn_buffer *out)
{
    char c = peek(t, 1);
    if (!c && t->i + 1 >= t->len) return fault(t, "a lone backslash");
    size_t n = 2;
    if (c == 'v') {
        mn_buffer_append_str(out, "\\x{b}");
    } else if (c == 'u') {
        for (n = 2; n < 6; n++)
            if (!strchr("0123456789abcdefABCDEF", peek(t, n)) || !peek(t, n))
                return fault(t, "\\u without four hexadecimal digits");
        mn_buffer_append_str(out, "\\x{");
        mn_buffer_append(out, t->s + t->i + 2, 4);
        mn_buffer_append_byte(out, '}');
    } else if (c == 'x' && peek(t, 2) == '{') {
        const char *close = memchr(t->s + t->i, '}', t->len - t->i);
        if (!close) return fault(t, "\\x{ without its end");
        n = (size_t)(close - t->s) + 1 - t->i;
        mn_buffer_append(out, t->s + t->i, n);
    } else if (c == 'x') {
        while (n < 4 && peek(t, n) && strchr("0123456789abcdefABCDEF", peek(t, n))) n++;
        mn_buffer_append_str(out, "\\x{");
        mn_buffer_append(out, t->s + t->i + 2, n - 2);
        mn_buffer_append_byte(out, '}');
    } else if ((unsigned char)c >= 0x80) {
        uint32_t cp;
        n = 1 + (size_t)mn_utf8_decode(t->s + t->i + 1, t->len - t->i - 1, &cp);
        mn_buffer_append(out, t->s + t->i + 1, n - 1);
    } else {
        mn_buffer_append(out, t->s + t->i, 2);
    }
    t->i += n;
    return true;
}

static bool character_class(translator *t, mn_buffer *out);

/* Closes a simple set "[...]" that has gathered something; joins it to the alternatives. */
static void add_alternative(mn_buffer *alternatives, mn_buffer *set)
{
    if (!set->len) return;
    if (alternatives->len) mn_buffer_append_byte(alternatives, '|');
    mn_buffer_append_byte(alternatives, '[');
    mn_buffer_append(alternatives, set->data, set->len);
    mn_buffer_append_byte(alternatives, ']');
    mn_buffer_reset(set);
}

static void add_negated(mn_buffer *alternatives, const mn_buffer *set)
{
    if (alternatives->len) mn_buffer_append_byte(alternatives, '|');
    mn_buffer_append_str(alternatives, "[^");
    mn_buffer_append(alternatives, set->data, set->len);
    mn_buffer_append_byte(alternatives, ']');
}

/* One item of a class into `set`, or into `alternatives` if a set cannot hold it. */
static bool class_item(translator *t, mn_buffer *set, mn_buffer *alternatives)
{
    char c = peek(t, 0);
    mn_buffer inner = { 0 };
    bool negated = false, ok = true;
    if (looking_at(t, "[:")) {
        const char *close = memmem(t->s + t->i, t->len - t->i, ":]", 2);
        if (!close) return fault(t, "[: without its end");
        t->i += 2;
        ok = property(t, &inner, (size_t)(close - t->s), true, &negated);
        t->i = (size_t)(close - t->s) + 2;
    } else if (c == '[') {
        if (alternatives->len) mn_buffer_append_byte(alternatives, '|');
        return character_class(t, alternatives);
    } else if (c == '\\' && (peek(t, 1) | 0x20) == 'p') {
        ok = property_escape(t, &inner, &negated);
    } else if (c == '\\' && shorthand(peek(t, 1)) && peek(t, 1)) {
        put_set(&inner, (peek(t, 1) | 0x20) == 'w' ? &class_word_set : shorthand(peek(t, 1)));
        negated = peek(t, 1) < 'a';
        t->i += 2;
    } else if (c == '\\') {
        return character_escape(t, set);
    } else {
        uint32_t cp;
        size_t n = (size_t)mn_utf8_decode(t->s + t->i, t->len - t->i, &cp);
        if (c == '[') mn_buffer_append_byte(set, '\\');
        mn_buffer_append(set, t->s + t->i, n);
        t->i += n;
        return true;
    }
    if (ok && negated) add_negated(alternatives, &inner);
    else if (ok) mn_buffer_append(set, inner.data, inner.len);
    ok = ok && !inner.failed;
    mn_buffer_clear(&inner);
    return ok;
}

/* One side of && (or all of a class without it), as an expression for one character. */
static bool class_side(translator *t, mn_buffer *out, bool *simple)
{
    mn_buffer set = { 0 }, alternatives = { 0 };
    bool ok = true, first = true;
    while (ok && !at_end(t) && !looking_at(t, "&&")) {
        if (peek(t, 0) == ']' && !first) break;
        if (peek(t, 0) == ']') {
            mn_buffer_append_str(&set, "\\]");
            t->i++;
        } else {
            ok = class_item(t, &set, &alternatives);
        }
        first = false;
    }
    *simple = !alternatives.len;
    if (*simple) {
        mn_buffer_append(out, set.data, set.len);
    } else {
        add_alternative(&alternatives, &set);
        mn_buffer_append_str(out, "(?:");
        mn_buffer_append(out, alternatives.data, alternatives.len);
        mn_buffer_append_byte(out, ')');
    }
    ok = ok && !set.failed && !alternatives.failed;
    mn_buffer_clear(&set);
    mn_buffer_clear(&alternatives);
    return ok;
}

static void put_side(mn_buffer *out, const mn_buffer *side, bool simple)
{
    if (simple) mn_buffer_append_byte(out, '[');
    mn_buffer_append(out, side->data, side->len);
    if (simple) mn_buffer_append_byte(out, ']');
}

/* A class from its "[" to its "]". */
static bool character_class(translator *t, mn_buffer *out)
{
    if (++t->depth > MAX_NESTING) return fault(t, "classes nested this deep");
    t->i++;
    bool negated = peek(t, 0) == '^', ok, simple;
    if (negated) t->i++;
    mn_buffer side = { 0 };
    ok = class_side(t, &side, &simple);
    bool several = looking_at(t, "&&");
    if (ok && simple && !several) {
        mn_buffer_append_str(out, negated ? "[^" : "[");
        mn_buffer_append(out, side.data, side.len);
        mn_buffer_append_byte(out, ']');
    } else if (ok) {
        mn_buffer_append_str(out, negated ? "(?:(?!(?:" : "(?:");
        for (;;) {
            bool more = looking_at(t, "&&");
            if (more) mn_buffer_append_str(out, "(?=");
            put_side(out, &side, simple);
            if (more) mn_buffer_append_byte(out, ')');
            if (!more) break;
            t->i += 2;
            mn_buffer_reset(&side);
            if (!(ok = class_side(t, &side, &simple))) break;
        }
        mn_buffer_append_str(out, negated ? "))\\p{Any})" : ")");
    }
    ok = ok && !side.failed;
    mn_buffer_clear(&side);
    if (!ok) return fault(t, "a class of this kind");
    if (peek(t, 0) != ']') return fault(t, "a class without its end");
    t->i++;
    t->depth--;
    return true;
}

static bool any_character(translator *t)
{
    put(t, "\\p{Any}");
    t->i += 2;
    return true;
}

/* \b (or \B): a word character on one side only (on both or none). */
static void word_border(translator *t, bool inside)
{
    static const char *const parts[] = { "(?:(?<=[", "])(?", "[", "])|(?<![", "])(?", "[", "]))" };
    for (int i = 0; i < 7; i++) {
        put(t, parts[i]);
        if (i == 1) put(t, inside ? "=" : "!");
        if (i == 4) put(t, inside ? "!" : "=");
        if (i == 0 || i == 2 || i == 3 || i == 5) put_set(&t->out, &word_set);
    }
}

static bool escape(translator *t)
{
    char c = peek(t, 1);
    t->atom = t->out.len;
    if ((c | 0x20) == 'p' && c) {
        mn_buffer set = { 0 };
        bool negated, ok = property_escape(t, &set, &negated);
        put(t, negated ? "[^" : "[");
        mn_buffer_append(&t->out, set.data, set.len);
        put(t, "]");
        mn_buffer_clear(&set);
        return ok;
    }
    if (c && shorthand(c)) {
        put(t, c < 'a' ? "[^" : "[");
        put_set(&t->out, shorthand(c));
        put(t, "]");
        t->i += 2;
        return true;
    }
    if (c != 'b' && c != 'B') return c == 'O' ? any_character(t) : character_escape(t, &t->out);
    word_border(t, c == 'B');
    t->i += 2;
    return true;
}

/* {n}, {n,}, {,m}, {n,m} at t->i, else a literal brace.  Before another quantifier the
 * repetition is an item of its own. */
static bool interval(translator *t)
{
    size_t k = 1, n_digits = 0, m_digits = 0;
    while (peek(t, k) >= '0' && peek(t, k) <= '9') k++, n_digits++;
    bool comma = peek(t, k) == ',';
    if (comma)
        for (k++; peek(t, k) >= '0' && peek(t, k) <= '9'; k++) m_digits++;
    if (peek(t, k) != '}' || (!n_digits && !m_digits)) {
        t->atom = t->out.len;
        put(t, "\\{");
        t->i++;
        return true;
    }
    put(t, n_digits ? "{" : "{0");
    mn_buffer_append(&t->out, t->s + t->i + 1, k);
    t->i += k + 1;
    char next = peek(t, 0);
    if (next != '+' && !(next == '?' && !comma)) return true;
    mn_buffer wrapped = { 0 };
    mn_buffer_append_str(&wrapped, "(?:");
    mn_buffer_append(&wrapped, t->out.data + t->atom, t->out.len - t->atom);
    mn_buffer_append_byte(&wrapped, ')');
    t->out.len = t->atom;
    mn_buffer_append(&t->out, wrapped.data, wrapped.len);
    mn_buffer_clear(&wrapped);
    return true;
}

/* "(?...": copies the opening; Ruby's m flag is PCRE2's s. */
static bool group_opening(translator *t)
{
    if (looking_at(t, "(?~")) return fault(t, "an absent operator (?~...)");
    if (looking_at(t, "(?#")) {
        while (!at_end(t) && peek(t, 0) != ')') t->i++;
        t->i++;
        return true;
    }
    put(t, "(?");
    t->i += 2;
    bool flags = strchr("imx-", peek(t, 0)) && peek(t, 0);
    while (flags && !at_end(t) && peek(t, 0) != ')' && peek(t, 0) != ':') {
        char c = peek(t, 0);
        if (!strchr("imx-", c)) return fault(t, "a flag other than i, m, x");
        mn_buffer_append_byte(&t->out, c == 'm' ? 's' : c);
        t->i++;
    }
    return true;
}

static bool translate(translator *t)
{
    size_t groups[256], n_groups = 0;
    while (!at_end(t) && !t->fault && !t->out.failed) {
        char c = peek(t, 0);
        if (c == '[') {
            t->atom = t->out.len;
            character_class(t, &t->out);
        } else if (c == '\\') {
            escape(t);
        } else if (c == '{') {
            interval(t);
        } else if (c == '(') {
            if (n_groups == sizeof groups / sizeof *groups) return fault(t, "groups nested this deep");
            groups[n_groups++] = t->out.len;
            if (peek(t, 1) == '?') {
                bool comment = peek(t, 2) == '#';
                group_opening(t);
                if (comment) n_groups--;
            } else {
                put(t, "(");
                t->i++;
            }
        } else if (c == ')') {
            if (!n_groups) return fault(t, "a closing parenthesis too many");
            t->atom = groups[--n_groups];
            put(t, ")");
            t->i++;
        } else {
            uint32_t cp;
            size_t n = (size_t)mn_utf8_decode(t->s + t->i, t->len - t->i, &cp);
            if (!strchr("?*+|^$", c) || !c) t->atom = t->out.len;
            mn_buffer_append(&t->out, t->s + t->i, n);
            t->i += n;
        }
    }
    return !t->fault && !t->out.failed;
}

/* ---- compiling and matching ------------------------------------------------------------------------ */

minerva_status tok_regex_compile(tok_regex **out, const char *pattern, size_t len,
                                 minerva_error *err)
{
    translator t = { .s = pattern, .len = len };
    int shown = len > 200 ? 200 : (int)len;
    if (len > MAX_PATTERN || !mn_utf8_valid(pattern, len))
        return mn_fail(err, MINERVA_UNSUPPORTED, "regular expression: at most %d bytes of UTF-8 "
                       "expected, %zu found", MAX_PATTERN, len);
    if (!translate(&t)) {
        mn_buffer_clear(&t.out);
        return mn_fail(err, MINERVA_UNSUPPORTED, "regular expression %.*s: %s is not known here",
                       shown, pattern, t.fault ? t.fault : "its size");
    }
    int code = 0;
    PCRE2_SIZE where = 0;
    pcre2_compile_context *cc = pcre2_compile_context_create(NULL);
    tok_regex *r = calloc(1, sizeof *r);
    if (cc && r) {
        pcre2_set_newline(cc, PCRE2_NEWLINE_LF);
        pcre2_set_parens_nest_limit(cc, 500);
        r->code = pcre2_compile((PCRE2_SPTR)(t.out.data ? t.out.data : ""), t.out.len,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                &code, &where, cc);
    }
    pcre2_compile_context_free(cc);
    mn_buffer_clear(&t.out);
    if (r && r->code) {
        *out = r;
        return MINERVA_OK;
    }
    free(r);
    if (!code) return mn_fail_memory(err, len);
    PCRE2_UCHAR message[160] = { 0 };
    pcre2_get_error_message(code, message, sizeof message);
    return mn_fail(err, MINERVA_INVALID, "regular expression %.*s: %s", shown, pattern,
                   (const char *)message);
}

void tok_regex_free(tok_regex *r)
{
    if (!r) return;
    pcre2_code_free(r->code);
    free(r);
}

/* What a call keeps for all its searches: PCRE2's memory. */
typedef struct {
    pcre2_match_data *match;
    pcre2_match_context *context;
} searcher;

static searcher *searcher_of(tok_call *c)
{
    if (c->match_data) return c->match_data;
    searcher *sr = calloc(1, sizeof *sr);
    if (sr) {
        sr->match = pcre2_match_data_create(1, NULL);
        sr->context = pcre2_match_context_create(NULL);
    }
    c->match_data = sr;
    if (!sr || !sr->match || !sr->context) {
        c->failed = true;
        return NULL;
    }
    pcre2_set_match_limit(sr->context, 1000000);
    pcre2_set_heap_limit(sr->context, 256 * 1024);
    return sr;
}

void tok_regex_call_end(tok_call *c)
{
    searcher *sr = c->match_data;
    if (!sr) return;
    pcre2_match_data_free(sr->match);
    pcre2_match_context_free(sr->context);
    free(sr);
    c->match_data = NULL;
}

/* Moves the walk's run to the first one that reaches past `from`. */
static void find_run(tok_scan *scan, const char *s, size_t len, size_t from)
{
    uint32_t cp;
    int n;
    while (from < len && (n = mn_utf8_decode_strict(s + from, len - from, &cp)) < 0)
        from += (size_t)-n;
    scan->run_start = from;
    while (from < len && (n = mn_utf8_decode_strict(s + from, len - from, &cp)) > 0)
        from += (size_t)n;
    scan->run_end = from;
}

bool tok_regex_find(const tok_regex *r, tok_call *c, const char *s, size_t len,
                    tok_scan *scan, size_t *start, size_t *end)
{
    searcher *sr = len ? searcher_of(c) : NULL;     /* nothing matches in no text */
    size_t from = scan->pos;
    while (sr && from <= len) {
        if (from >= scan->run_end && scan->run_end < len) find_run(scan, s, len, from);
        if (from < scan->run_start) from = scan->run_start;
        int rc = pcre2_match(r->code, (PCRE2_SPTR)s + scan->run_start,
                             scan->run_end - scan->run_start, from - scan->run_start,
                             PCRE2_NO_UTF_CHECK, sr->match, sr->context);
        if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) return false;
        if (rc < 0) {
            if (scan->run_end >= len) return false;
            from = scan->run_end;
            continue;
        }
        PCRE2_SIZE *found = pcre2_get_ovector_pointer(sr->match);
        *start = scan->run_start + found[0];
        *end = scan->run_start + found[1];
        if (*end < *start) return false;        /* \K in a lookahead */
        if (*end > *start || !scan->found || *end != scan->pos) {
            scan->pos = *end;
            scan->found = true;
            return true;
        }
        uint32_t cp;
        if (from >= len) return false;
        from += (size_t)mn_utf8_decode(s + from, len - from, &cp);
    }
    return false;
}
