/* Splitting patterns matched by hand.
 *
 * GPT-2's pattern and its heirs are alternations of the same few parts, so one matcher
 * with a rule per pattern (tok_rule) serves them all.  With L, N, M, P, S, s for the
 * classes \p{L} ... \s, the parts are, in order:
 *   contraction  1: 's|'t|'re|'ve|'m|'ll|'d   2: in any case
 *                3: in any case, and not alone but at the end of a word
 *   word         1: " ?L+"                     2: "[^\r\nLN]?L+"
 *                3: "[^\r\nLN]?[LM]+"          4: "[^\r\nLPS]?[LM]+", and before it
 *                                                 "[ASCII punctuation][A-Za-z]+"
 *                5: words that change from upper to lower case (GPT-4o):
 *                   "[^\r\nLN]?U*D+" or "[^\r\nLN]?U+D*", U = [Lu Lt Lm Lo M],
 *                   D = [Ll Lm Lo M]
 *                6, 7: 5 with llama.cpp's classes: U is L (7: or M) but a-z, D but A-Z
 *                8: 5 without Han, which has an alternative of its own, "Han+" (Kimi)
 *                9: "[^\r\nLN]?(?:LM*(?: LM*)*)+"
 *   digits       1: " ?N+"   2: "N"   3: "N{1,3}"   4: "N+"
 *   punct        1: " ?[^sLN]+"           2: " ?[^sLN]+[\r\n]*"
 *                3: " ?[^sLN]+[\r\n/]*"   4: " ?[^sLMN]+[\r\n]*"
 *                5: " ?[PS]+[\r\n]*"      6: " ?[^sLN\r\n]+"
 *                7: " ?[^sLN]+[\r\n/]?"   8: " ?[PS]+"
 *   newline      1: "\s*[\r\n]+"          2: "\s*[\r\n]"     3: "[\r\n]"
 *   space        0: "\s+(?!\S)|\s+"
 *                1: "\s{512}(?!\S)|\s{256}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s"
 * and with long_s the letter U+017F is an "s" to contractions, as case folding has it.
 * (1) Every rule consumes what it looked at, but for a bounded rest, so that splitting a
 *     text is linear in it.
 * (2) Bytes that are no UTF-8 are U+FFFD here, one per maximal broken part.
 */
#include "text/tok_internal.h"

#include <string.h>

/* One character of the text; len 0 (and no bits) behind its end. */
typedef struct {
    uint32_t cp, bits;
    unsigned len;
} glyph;

static inline glyph at(const char *s, size_t len, size_t i)
{
    glyph g = { UINT32_MAX, 0, 0 };
    if (i >= len) return g;
    unsigned char c = (unsigned char)s[i];
    if (c < 0x80) {
        g.cp = c;
        g.bits = tok_ascii_bits[c];
        g.len = 1;
        return g;
    }
    g.len = (unsigned)mn_utf8_decode(s + i, len - i, &g.cp);
    g.bits = tok_bits(g.cp);
    return g;
}

/* End of the run of characters that have one of `bits`, from i on. */
static inline size_t run(const char *s, size_t len, size_t i, uint32_t bits)
{
    for (;;) {
        while (i < len && (unsigned char)s[i] < 0x80) {
            if (!(tok_ascii_bits[(unsigned char)s[i]] & bits)) return i;
            i++;
        }
        glyph g = at(s, len, i);
        if (!(g.bits & bits)) return i;
        i += g.len;
    }
}

/* The same for characters that have none of them. */
static inline size_t run_without(const char *s, size_t len, size_t i, uint32_t bits)
{
    for (;;) {
        glyph g = at(s, len, i);
        if (!g.len || (g.bits & bits)) return i;
        i += g.len;
    }
}

static inline bool is_newline(uint32_t cp) { return cp == '\r' || cp == '\n'; }

static size_t newlines(const char *s, size_t len, size_t i, bool slash)
{
    while (i < len && (s[i] == '\r' || s[i] == '\n' || (slash && s[i] == '/'))) i++;
    return i;
}

/* Length of 's|'t|'re|'ve|'m|'ll|'d at i, or 0. */
static size_t contraction(const char *s, size_t len, size_t i, bool any_case, bool long_s)
{
    if (i + 1 >= len || s[i] != '\'') return 0;
    if (long_s && i + 2 < len && !memcmp(s + i + 1, "\xc5\xbf", 2)) return 3;
    int mask = any_case ? 0x20 : 0;
    int a = (unsigned char)s[i + 1] | mask;
    if ((unsigned char)s[i + 1] >= 0x80) return 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if (i + 2 >= len || (unsigned char)s[i + 2] >= 0x80) return 0;
    int b = (unsigned char)s[i + 2] | mask;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return 0;
}

/* ---- words ---------------------------------------------------------------------------------- */

static bool is_han(uint32_t cp)
{
    return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF)
           || (cp >= 0x20000 && cp <= 0x2A6DF) || (cp >= 0x2A700 && cp <= 0x2EBEF)
           || (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

static bool is_upper(int word, glyph g)
{
    switch (word) {
    case 6: return (g.bits & TOK_L) && !(g.cp >= 'a' && g.cp <= 'z');
    case 7: return (g.bits & (TOK_L | TOK_M)) && !(g.cp >= 'a' && g.cp <= 'z');
    case 8: return (g.bits & TOK_L) && !is_han(g.cp);
    default: return g.bits & (TOK_LU | TOK_LT | TOK_LM | TOK_LO | TOK_M);
    }
}

static bool is_lower(int word, glyph g)
{
    switch (word) {
    case 6: return (g.bits & TOK_L) && !(g.cp >= 'A' && g.cp <= 'Z');
    case 7: return (g.bits & (TOK_L | TOK_M)) && !(g.cp >= 'A' && g.cp <= 'Z');
    case 8: return (g.bits & TOK_L) && !is_han(g.cp);
    default: return g.bits & (TOK_LL | TOK_LM | TOK_LO | TOK_M);
    }
}

static size_t lower_run(int word, const char *s, size_t len, size_t i)
{
    for (glyph g; (g = at(s, len, i)).len && is_lower(word, g);) i += g.len;
    return i;
}

/* "U*D+" from i, as a backtracking matcher finds it: U* takes all it can; if no D follows
 * it gives back up to its last character that is a D too.  Returns i: no match.  *upper
 * is where U* ends first. */
static size_t upper_then_lower(int word, const char *s, size_t len, size_t i, size_t *upper)
{
    size_t last_both = i;
    glyph g;
    size_t p = i;
    while ((g = at(s, len, p)).len && is_upper(word, g)) {
        p += g.len;
        if (is_lower(word, g)) last_both = p;
    }
    *upper = p;
    size_t end = lower_run(word, s, len, p);
    return end > p ? end : last_both;
}

/* The two alternatives of cased words, from i; i: no match. */
static size_t cased_word(int word, const char *s, size_t len, size_t i)
{
    glyph g = at(s, len, i);
    bool prefix = !(g.bits & (TOK_L | TOK_N)) && !is_newline(g.cp) && g.len;
    size_t after = i + g.len, upper_after = after, upper = i;
    if (prefix) {
        size_t end = upper_then_lower(word, s, len, after, &upper_after);
        if (end > after) return end;
    }
    size_t end = upper_then_lower(word, s, len, i, &upper);
    if (end > i) return end;
    if (prefix && upper_after > after) return lower_run(word, s, len, upper_after);
    return upper > i ? lower_run(word, s, len, upper) : i;
}

/* "(?:LM*(?: LM*)*)+": letters, each with its marks, single spaces between them. */
static size_t spaced_letters(const char *s, size_t len, size_t i)
{
    glyph g = at(s, len, i);
    if (!(g.bits & TOK_L)) return i;
    for (;;) {
        i = run(s, len, i + g.len, TOK_M);
        g = at(s, len, i);
        if (g.bits & TOK_L) continue;
        if (g.cp != ' ') return i;
        glyph next = at(s, len, i + 1);
        if (!(next.bits & TOK_L)) return i;
        i++;
        g = next;
    }
}

/* The word alternative at i, where the first character is g; i: no match. */
static inline size_t match_word(tok_rule r, const char *s, size_t len, size_t i, glyph g)
{
    uint32_t letters = TOK_L, no_prefix = TOK_L | TOK_N;
    switch (r.word) {
    case 1:
        if (g.bits & TOK_L) return run(s, len, i + g.len, TOK_L);
        if (g.cp == ' ' && (at(s, len, i + 1).bits & TOK_L)) return run(s, len, i + 1, TOK_L);
        return i;
    case 2: break;
    case 3: letters = TOK_L | TOK_M; break;
    case 4:
        if (g.cp < 0x80 && (g.bits & (TOK_P | TOK_S)) && i + 1 < len
            && ((s[i + 1] | 0x20) >= 'a' && (s[i + 1] | 0x20) <= 'z')) {
            i++;
            while (i < len && (s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z') i++;
            return i;
        }
        letters = TOK_L | TOK_M;
        no_prefix = TOK_L | TOK_P | TOK_S;
        break;
    case 9: {
        if (g.bits & TOK_L) return spaced_letters(s, len, i);
        if ((g.bits & TOK_N) || is_newline(g.cp)) return i;
        size_t end = spaced_letters(s, len, i + g.len);
        return end > i + g.len ? end : i;
    }
    default: {
        if (r.word == 8 && is_han(g.cp)) {
            while ((g = at(s, len, i)).len && is_han(g.cp)) i += g.len;
            return i;
        }
        return cased_word(r.word, s, len, i);
    }
    }
    if (g.bits & letters) return run(s, len, i + g.len, letters);
    if ((g.bits & no_prefix) || is_newline(g.cp)) return i;
    size_t end = run(s, len, i + g.len, letters);
    return end > i + g.len ? end : i;
}

/* ---- the other parts -------------------------------------------------------------------------- */

static inline size_t match_digits(tok_rule r, const char *s, size_t len, size_t i, glyph g)
{
    if (r.digits == 1 && g.cp == ' ') {
        size_t end = run(s, len, i + 1, TOK_N);
        return end > i + 1 ? end : i;
    }
    if (!(g.bits & TOK_N) || !r.digits) return i;
    if (r.digits == 2) return i + g.len;
    if (r.digits != 3) return run(s, len, i + g.len, TOK_N);
    for (int k = 0; k < 3 && (g.bits & TOK_N); k++) {
        i += g.len;
        g = at(s, len, i);
    }
    return i;
}

static inline size_t match_punct(tok_rule r, const char *s, size_t len, size_t i, glyph g)
{
    size_t from = g.cp == ' ' ? i + 1 : i, end;
    if (r.punct == 5 || r.punct == 8) end = run(s, len, from, TOK_P | TOK_S);
    else if (r.punct == 4) end = run_without(s, len, from, TOK_WS | TOK_L | TOK_M | TOK_N);
    else end = run_without(s, len, from, TOK_WS | TOK_L | TOK_N);
    if (end == from || !r.punct) return i;
    if (r.punct == 1 || r.punct == 6 || r.punct == 8) return end;
    if (r.punct == 7)
        return end < len && (s[end] == '\r' || s[end] == '\n' || s[end] == '/') ? end + 1 : end;
    return newlines(s, len, end, r.punct == 3);
}

/* The first alternative of "\s{512}(?!\S)|...|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}" that
 * matches n spaces; how many it takes. */
static size_t cascade(size_t n, bool at_end)
{
    for (size_t k = 512; k >= 4; k /= 2)
        if (n > k || (n == k && at_end)) return k;
    return n > 2 || (n == 2 && at_end) ? 2 : 1;
}

static size_t match_cascade(const char *s, size_t len, size_t i)
{
    size_t n = 0, p = i;
    for (glyph g; n <= 512 && ((g = at(s, len, p)).bits & TOK_WS); p += g.len) n++;
    for (n = cascade(n, p == len), p = i; n--;) p += at(s, len, p).len;
    return p;
}

static inline size_t match_space(tok_rule r, tok_scan *scan, const char *s, size_t len,
                                 size_t i)
{
    if (r.newline == 3 && is_newline((unsigned char)s[i])) return i + 1;
    if (r.space == 1 && i >= scan->spaces_from && i < scan->spaces_to)
        return match_cascade(s, len, i);
    size_t end = i, last = i, newline_end = 0;
    for (glyph g; ((g = at(s, len, end)).bits & TOK_WS); end += g.len) {
        last = end;
        if (is_newline(g.cp)) newline_end = end + 1;
    }
    if (newline_end && (r.newline == 1 || r.newline == 2)) return newline_end;
    if (r.space == 1) {
        scan->spaces_from = i;
        scan->spaces_to = end;
        return match_cascade(s, len, i);
    }
    return end == len || last == i ? end : last;
}

/* End of the match at i; i if nothing matches there. */
static inline size_t match_rule(tok_rule r, tok_scan *scan, const char *s, size_t len,
                                size_t i)
{
    glyph g = at(s, len, i);
    if (g.cp == '\'' && r.contraction && r.contraction < 3) {
        size_t n = contraction(s, len, i, r.contraction == 2, r.long_s);
        if (n) return i + n;
    }
    size_t end = match_word(r, s, len, i, g);
    if (r.contraction == 3 && end > i && !(r.word == 8 && is_han(g.cp)))
        return end + contraction(s, len, end, true, r.long_s);
    if (end == i) end = match_digits(r, s, len, i, g);
    if (end == i) end = match_punct(r, s, len, i, g);
    if (end == i && (g.bits & TOK_WS)) end = match_space(r, scan, s, len, i);
    return end;
}

static inline bool next_by_rule(tok_rule r, tok_scan *scan, const char *s, size_t len,
                                size_t *start, size_t *end)
{
    for (size_t i = scan->pos; i < len; i += at(s, len, i).len) {
        size_t e = match_rule(r, scan, s, len, i);
        if (e == i) continue;
        *start = i;
        scan->pos = *end = e;
        return true;
    }
    return false;
}

#define RULE_GPT2 { .contraction = 1, .word = 1, .digits = 1, .punct = 1 }
#define RULE_LLAMA3 { .contraction = 2, .word = 2, .digits = 3, .punct = 2, .newline = 1 }
#define RULE_QWEN2 { .contraction = 2, .word = 2, .digits = 2, .punct = 2, .newline = 1 }

static bool same_rule(tok_rule a, tok_rule b)
{
    return a.contraction == b.contraction && a.word == b.word && a.digits == b.digits
           && a.punct == b.punct && a.newline == b.newline && a.space == b.space;
}

/* The commonest rules get matchers of their own: the compiler folds the rule in. */
static bool next_rule(tok_rule r, tok_scan *scan, const char *s, size_t len, size_t *start,
                      size_t *end)
{
    tok_rule gpt2 = RULE_GPT2, llama3 = RULE_LLAMA3, qwen2 = RULE_QWEN2;
    llama3.long_s = qwen2.long_s = r.long_s;
    switch (r.common) {
    case 1: return next_by_rule(gpt2, scan, s, len, start, end);
    case 2: return next_by_rule(llama3, scan, s, len, start, end);
    case 3: return next_by_rule(qwen2, scan, s, len, start, end);
    default: return next_by_rule(r, scan, s, len, start, end);
    }
}

/* ---- small patterns ------------------------------------------------------------------------- */

static bool in_set(tok_set set, glyph g)
{
    if (set.n_except && g.cp >= 0x80 && tok_in_ranges(set.except, set.n_except, g.cp)) return false;
    if (g.bits & set.bits) return true;
    for (int i = 0; i < set.n_ranges; i++)
        if (g.cp >= set.ranges[i].from && g.cp <= set.ranges[i].to) return true;
    return false;
}

static inline bool has(const tok_pattern *p, glyph g)
{
    if (p->settled && g.cp < 0x80) return p->ascii[g.cp >> 6] >> (g.cp & 63) & 1;
    return g.len && in_set(p->set, g) != p->negated;
}

void tok_pattern_settle(tok_pattern *p)
{
    static const tok_rule common[] = { RULE_GPT2, RULE_LLAMA3, RULE_QWEN2 };
    for (uint8_t i = 0; i < 3; i++)
        if (same_rule(p->rule, common[i])) p->rule.common = i + 1;
    for (uint32_t cp = 0; cp < 0x80; cp++) {
        glyph g = { cp, tok_ascii_bits[cp], 1 };
        if (in_set(p->set, g) != p->negated) p->ascii[cp >> 6] |= UINT64_C(1) << (cp & 63);
    }
    p->settled = true;
}

/* "SET", "SET+", "SET{1,3}", with an optional leading space character or blank. */
static bool next_of_set(const tok_pattern *p, const char *s, size_t len, tok_scan *scan,
                        size_t *start, size_t *end)
{
    for (size_t i = scan->pos; i < len;) {
        glyph g = at(s, len, i);
        size_t from = i;
        if (p->lead && (p->lead == ' ' ? g.cp == ' ' : (g.bits & TOK_WS) != 0)) {
            glyph next = at(s, len, i + g.len);
            if (has(p, next)) {
                from = i + g.len;
                g = next;
            }
        }
        if (!has(p, g)) {
            i += g.len;
            continue;
        }
        size_t e = from, n = 0;
        for (; n < p->most && has(p, g); n++) {
            e += g.len;
            g = at(s, len, e);
        }
        if (n < p->least) {
            i = e;
            continue;
        }
        *start = i;
        scan->pos = *end = e;
        return true;
    }
    return false;
}

static bool is_digit(const tok_pattern *p, glyph g)
{
    return p->set.bits ? g.bits & p->set.bits : g.cp >= '0' && g.cp <= '9';
}

static bool is_word_char(const tok_pattern *p, glyph g)
{
    if (p->set.bits) return g.bits & (TOK_L | TOK_M | TOK_N | TOK_CAT(PC));
    return (g.cp >= '0' && g.cp <= '9') || g.cp == '_'
           || ((g.cp | 0x20) >= 'a' && (g.cp | 0x20) <= 'z' && g.cp < 0x80);
}

/* Digits from i on; known without looking if the group before ended here, so that a long
 * run is counted once. */
static size_t count_digits(const tok_pattern *p, tok_scan *scan, const char *s, size_t len,
                           size_t i, bool *bounded)
{
    if (i && i == scan->digits_at) {
        *bounded = true;
        return scan->digits_left;
    }
    size_t n = 0;
    glyph g;
    for (; (g = at(s, len, i)).len && is_digit(p, g); i += g.len) n++;
    *bounded = !is_word_char(p, g);
    return n;
}

/* Runs of digits in groups of three counted from their end.  `bounded`: only where no
 * word character follows the run, "\d{1,3}(?=(?:\d{3})*\b)". */
static bool next_group(const tok_pattern *p, tok_scan *scan, const char *s, size_t len,
                       size_t *start, size_t *end)
{
    for (size_t i = scan->pos; i < len;) {
        glyph g = at(s, len, i);
        if (!is_digit(p, g)) {
            i += g.len;
            continue;
        }
        bool bounded;
        size_t n = count_digits(p, scan, s, len, i, &bounded), group = n % 3 ? n % 3 : 3;
        if (p->bounded && !bounded) {
            for (; n--; g = at(s, len, i)) i += g.len;
            continue;
        }
        *start = p->merge_before ? scan->pos : i;
        for (size_t k = group; k--; g = at(s, len, i)) i += g.len;
        scan->pos = *end = i;
        scan->digits_at = i;
        scan->digits_left = n - group;
        return true;
    }
    return false;
}

/* "(?=(\d{3})+(?!\d))": the empty places before each such group. */
static bool next_border(const tok_pattern *p, tok_scan *scan, const char *s, size_t len,
                        size_t *start, size_t *end)
{
    for (size_t i = scan->pos; i < len;) {
        glyph g = at(s, len, i);
        bool bounded;
        size_t n = is_digit(p, g) ? count_digits(p, scan, s, len, i, &bounded) : 0;
        if (n) {
            scan->digits_at = i + g.len;
            scan->digits_left = n - 1;
        }
        if (n && n % 3 == 0 && !(scan->found && i == scan->pos)) {
            *start = *end = scan->pos = i;
            scan->digits_at = i;
            scan->digits_left = n;
            return true;
        }
        i += g.len;
    }
    return false;
}

static bool next_trailing_space(const char *s, size_t len, tok_scan *scan, size_t *start,
                                size_t *end)
{
    size_t i = len;
    uint32_t cp;
    while (i > scan->pos) {
        size_t k = tok_back(s, i);
        tok_decode(s + k, i - k, &cp);
        if (!tok_is_space(cp)) break;
        i = k;
    }
    if (i >= len) return false;
    *start = i;
    scan->pos = *end = len;
    return true;
}

/* \w of Rust's regex: Alphabetic, M, Nd, Pc, Join_Control (the Alphabetic characters that
 * are neither L, M nor Nl are the circled and squared letters). */
bool tok_is_word(uint32_t cp)
{
    return (tok_bits(cp) & (TOK_L | TOK_M | TOK_CAT(ND) | TOK_CAT(NL) | TOK_CAT(PC)))
           || cp == 0x200C || cp == 0x200D || (cp >= 0x24B6 && cp <= 0x24E9)
           || (cp >= 0x1F130 && cp <= 0x1F149) || (cp >= 0x1F150 && cp <= 0x1F169)
           || (cp >= 0x1F170 && cp <= 0x1F189);
}

static bool next_word_run(const char *s, size_t len, tok_scan *scan, size_t *start,
                          size_t *end)
{
    size_t i = scan->pos;
    glyph g;
    while ((g = at(s, len, i)).bits & TOK_WS) i += g.len;
    if (!g.len) return false;
    bool word = tok_is_word(g.cp);
    *start = i;
    while (g.len && !(g.bits & TOK_WS) && tok_is_word(g.cp) == word) {
        i += g.len;
        g = at(s, len, i);
    }
    scan->pos = *end = i;
    return true;
}

static bool next_literal(mn_str literal, const char *s, size_t len, tok_scan *scan,
                         size_t *start, size_t *end)
{
    if (!literal.len || scan->pos >= len) return false;
    const char *found = memmem(s + scan->pos, len - scan->pos, literal.data, literal.len);
    if (!found) return false;
    *start = (size_t)(found - s);
    scan->pos = *end = *start + literal.len;
    return true;
}

static bool next_match(const tok_pattern *p, tok_call *c, const char *s, size_t len,
                       tok_scan *scan, size_t *start, size_t *end)
{
    switch (p->kind) {
    case TOK_PAT_RULE: return next_rule(p->rule, scan, s, len, start, end);
    case TOK_PAT_SET: return next_of_set(p, s, len, scan, start, end);
    case TOK_PAT_WORDS: return next_word_run(s, len, scan, start, end);
    case TOK_PAT_GROUPS: return next_group(p, scan, s, len, start, end);
    case TOK_PAT_GROUP_BORDERS: return next_border(p, scan, s, len, start, end);
    case TOK_PAT_TRAILING_SPACE: return next_trailing_space(s, len, scan, start, end);
    case TOK_PAT_LITERAL: return next_literal(p->literal, s, len, scan, start, end);
    case TOK_PAT_REGEX: return tok_regex_find(p->regex, c, s, len, scan, start, end);
    }
    return false;
}

bool tok_pattern_next(const tok_pattern *p, tok_call *c, const char *s, size_t len,
                      tok_scan *scan, size_t *start, size_t *end)
{
    bool found = next_match(p, c, s, len, scan, start, end);
    if (found) scan->found = true;
    return found;
}

/* ---- patterns by their spelling -------------------------------------------------------------- */

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define CASED_HEAD "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*" \
                   "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
#define CASED_TAIL "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+" \
                   "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
#define SPACES "\\s+(?!\\S)|\\s+"
#define THREES "\\d{1,3}(?=(?:\\d{3})*\\b)"
#define CJK_KANA "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+"

static const tok_range cjk_kana[] = { { 0x4E00, 0x9FA5 }, { 0x3040, 0x30FF } };

bool tok_pattern_known(const char *regex, size_t len, tok_pattern *out)
{
    static const struct {
        const char *regex;
        tok_rule rule;
    } rules[] = {
        { "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|" SPACES,
          RULE_GPT2 },
        { CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          "|\\s*[\\r\\n]+|" SPACES, RULE_LLAMA3 },
        { CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
          "|\\s*[\\r\\n]+|" SPACES, RULE_QWEN2 },
        { CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+"
          "[\\r\\n]*|\\s*[\\r\\n]+|" SPACES,
          { .contraction = 2, .word = 3, .digits = 2, .punct = 4, .newline = 1 } },
        { CASED_HEAD CONTRACTION "?|" CASED_TAIL CONTRACTION "?|\\p{N}{1,3}"
          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|" SPACES,
          { .contraction = 3, .word = 5, .digits = 3, .punct = 3, .newline = 1 } },
        { CASED_HEAD "|" CASED_TAIL "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|" SPACES,
          { .word = 5, .digits = 2, .punct = 3, .newline = 1 } },
        { "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
          "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|"
          SPACES, { .word = 4, .punct = 5, .newline = 1 } },
    };
    *out = (tok_pattern){ .kind = TOK_PAT_RULE };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strlen(rules[i].regex) != len || memcmp(rules[i].regex, regex, len)) continue;
        out->rule = rules[i].rule;
        out->rule.long_s = true;
        tok_pattern_settle(out);
        return true;
    }
    static const struct {
        const char *regex;
        tok_set set;
        size_t most;
    } sets[] = {
        { "\\p{N}", { .bits = TOK_N }, 1 },       { "\\p{N}{1,3}", { .bits = TOK_N }, 3 },
        { "\\p{N}+", { .bits = TOK_N }, SIZE_MAX }, { "\\d", { .bits = TOK_CAT(ND) }, 1 },
        { CJK_KANA, { .ranges = cjk_kana, .n_ranges = 2 }, SIZE_MAX },
    };
    if (len == strlen(THREES) && !memcmp(regex, THREES, len)) {
        *out = (tok_pattern){ .kind = TOK_PAT_GROUPS, .set = { .bits = TOK_CAT(ND) }, .bounded = true };
        return true;
    }
    *out = (tok_pattern){ .kind = TOK_PAT_SET, .least = 1 };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (strlen(sets[i].regex) != len || memcmp(sets[i].regex, regex, len)) continue;
        out->set = sets[i].set;
        out->most = sets[i].most;
        tok_pattern_settle(out);
        return true;
    }
    return false;
}
