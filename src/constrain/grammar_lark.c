/* Lark grammars; see grammar.h.
 *
 *   start: greeting ("," name)~1..3 -> alias         rules: lower case
 *   NAME.2: /[a-z]+/i | "x".."z"                     terminals: upper case, regular
 *   %import common (WS, INT)
 *   %ignore WS
 *
 * Read as Lark's own default reads it (Earley with a dynamic lexer): a terminal takes as
 * much as it can and never gives back, but which terminal comes is left to the grammar.
 * What %ignore names may stand before the text and behind every terminal.  Priorities,
 * aliases, '?', '!' and '_' before names shape Lark's trees, not its language: they are
 * read and say nothing.
 *
 * Each terminal is two rules: its language, which other terminals refer to, and the token
 * that rules refer to: the language as one piece, with the ignored behind it.
 */
#include <stdio.h>

#include "base/utf8.h"
#include "constrain/grammar.h"

enum { MAX_DEPTH = 200, MAX_NAME = 200, MAX_COUNT = 10000000 };

typedef struct { uint32_t rule, token; bool busy; mn_g_place at; } lark_terminal;

typedef struct {
    mn_grammar *g;
    const char *p, *end, *line_start;
    uint32_t line, depth, scope, ignored;   /* ignored: rule */
    bool in_terminal;
    MN_VEC(lark_terminal) terminals;
    mn_g_node *ignores;             /* ALT */
    mn_g_list ignore_list;
} reader;

static mn_g_place place(const reader *r)
{
    return (mn_g_place){ r->line, (uint32_t)(r->p - r->line_start) + 1 };
}

_Noreturn static void fail(reader *r, minerva_status st, mn_g_place at, const char *what)
{
    mn_cx_raise(r->g->cx, st, "grammar, %u:%u: %s", at.line, at.column, what);
}

_Noreturn static void bad(reader *r, const char *expected)
{
    char what[160];
    if (r->p >= r->end) snprintf(what, sizeof what, "%s expected, end of text found", expected);
    else if (*r->p == '\n') snprintf(what, sizeof what, "%s expected, end of line found", expected);
    else if (*r->p >= 32 && *r->p < 127) snprintf(what, sizeof what, "%s expected, '%c' found", expected, *r->p);
    else snprintf(what, sizeof what, "%s expected, byte 0x%02x found", expected, (uint8_t)*r->p);
    fail(r, MINERVA_INVALID, place(r), what);
}

/* ---- characters ------------------------------------------------------------------------------ */

static bool upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool lower_case(char c) { return c >= 'a' && c <= 'z'; }
static bool name_char(char c) { return upper(c) || lower_case(c) || c == '_' || (c >= '0' && c <= '9'); }

static bool take(reader *r, const char *s)
{
    size_t n = strlen(s);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, s, n)) return false;
    r->p += n;
    return true;
}

static bool peek(const reader *r, char c) { return r->p < r->end && *r->p == c; }

static void skip_line(reader *r)
{
    while (r->p < r->end && *r->p != '\n') r->p++;
}

/* Blanks and comments, with `lines` line ends, too. */
static void skip(reader *r, bool lines)
{
    for (; r->p < r->end; r->p++) {
        if (*r->p == '\n') {
            if (!lines) return;
            r->line++;
            r->line_start = r->p + 1;
        } else if (*r->p == '#' || (*r->p == '/' && r->end - r->p > 1 && r->p[1] == '/')) {
            skip_line(r);
            r->p--;
        } else if (*r->p != ' ' && *r->p != '\t' && *r->p != '\r' && *r->p != '\f') {
            return;
        }
    }
}

/* Between items: on to the next line where a '|' begins it, or inside brackets. */
static void skip_inside(reader *r)
{
    skip(r, r->depth > 0);
    if (!peek(r, '\n')) return;
    reader look = *r;
    skip(&look, true);
    if (peek(&look, '|') || (look.end - look.p > 1 && look.p[0] == '-' && look.p[1] == '>')) *r = look;
}

/* ---- names -------------------------------------------------------------------------------------- */

typedef struct { const char *s; uint32_t len; mn_g_place at; bool terminal; } name;

static name read_name(reader *r, const char *expected)
{
    name n = { .s = r->p, .at = place(r) };
    while (r->p < r->end && name_char(*r->p)) r->p++;
    n.len = (uint32_t)(r->p - n.s);
    const char *first = n.s;
    while (first < r->p && *first == '_') first++;
    if (!n.len || (first < r->p && *first >= '0' && *first <= '9' && first == n.s)) {
        r->p = n.s;
        bad(r, expected);
    }
    if (n.len > MAX_NAME) fail(r, MINERVA_LIMIT, n.at, "a name of at most 200 bytes expected");
    n.terminal = first < r->p && upper(*first);
    return n;
}

static uint32_t rule_of(reader *r, name n)
{
    char text[MAX_NAME + 32];
    int len = snprintf(text, sizeof text, "%u:%.*s", r->scope, (int)n.len, n.s);
    return mn_grammar_rule(r->g, text, (size_t)len, n.at);
}

static lark_terminal *terminal_of(reader *r, name n)
{
    uint32_t rule = rule_of(r, n);
    for (uint32_t i = 0; i < r->terminals.n; i++)
        if (r->terminals.at[i].rule == rule) return &r->terminals.at[i];
    lark_terminal t = { .rule = rule, .token = mn_grammar_fresh(r->g, NULL, n.at), .at = n.at };
    mn_vec_push(r->g->cx, &r->terminals, t);
    return &r->terminals.at[r->terminals.n - 1];
}

/* A language where it is used: as it is inside a terminal, as a token inside a rule. */
static mn_g_node *use(reader *r, mn_rid lang, uint32_t size)
{
    if (r->in_terminal) return mn_g_lang(r->g, lang, size);
    return mn_g_pair(r->g, mn_g_language(r->g, lang, true, false), mn_g_ref(r->g, r->ignored));
}

/* ---- strings ------------------------------------------------------------------------------------ */

static uint32_t hex_digits(reader *r, int n)
{
    uint32_t v = 0;
    for (; n > 0; n--, r->p++) {
        char c = r->p < r->end ? *r->p : 0, low = (char)(c | 0x20);
        if (c >= '0' && c <= '9') v = v * 16 + (uint32_t)(c - '0');
        else if (low >= 'a' && low <= 'f') v = v * 16 + (uint32_t)(low - 'a' + 10);
        else bad(r, "a hexadecimal digit");
    }
    if (v > MN_CP_MAX || (v >= 0xD800 && v < 0xE000)) bad(r, "the number of a character before this");
    return v;
}

static uint32_t character(reader *r)
{
    if (r->p >= r->end || *r->p == '\n') bad(r, "the end of the string");
    if (*r->p != '\\') {
        uint32_t cp;
        int n = mn_utf8_decode_strict(r->p, (size_t)(r->end - r->p), &cp);
        if (n <= 0) bad(r, "valid UTF-8");
        r->p += n;
        return cp;
    }
    r->p++;
    static const char from[] = "nrtfvab0\\\"'/", to[] = "\n\r\t\f\v\a\b\0\\\"'/";
    char c = r->p < r->end ? *r->p : 0;
    if (c == 'x' || c == 'u' || c == 'U') {
        r->p++;
        return hex_digits(r, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) bad(r, "a known escape");
    r->p++;
    return (uint8_t)to[at - from];
}

/* A character in both cases. */
static mn_rid either_case(mn_rx *rx, uint32_t cp, bool ignore_case)
{
    mn_rid c = mn_rx_char(rx, cp);
    return ignore_case ? mn_rx_fold_case(rx, c) : c;
}

/* The opening quote is consumed; *single: the character, if it is just one. */
static mn_rid string(reader *r, uint32_t *n, uint32_t *single)
{
    mn_rx *rx = r->g->rx;
    uint32_t base = rx->scratch.n;
    while (!peek(r, '"')) {
        uint32_t cp = character(r);
        mn_vec_push(r->g->cx, &rx->scratch, cp);
        *single = cp;
    }
    r->p++;
    *n = rx->scratch.n - base;
    bool ignore_case = peek(r, 'i') && !(r->end - r->p > 1 && name_char(r->p[1]));
    if (ignore_case) r->p++;
    mn_rid lang = MN_RX_EPS;
    while (rx->scratch.n > base) {
        uint32_t cp = rx->scratch.at[--rx->scratch.n];
        lang = mn_rx_cat(rx, either_case(rx, cp, ignore_case), lang);
    }
    return lang;
}

static mn_g_node *literal(reader *r)
{
    uint32_t n, lo = 0, hi = 0;
    mn_g_place at = place(r);
    r->p++;
    mn_rid lang = string(r, &n, &lo);
    reader before = *r;
    skip(r, false);
    if (!take(r, "..")) {
        *r = before;
        return use(r, lang, n);
    }
    skip(r, false);
    uint32_t k;
    if (!take(r, "\"")) bad(r, "a string behind '..'");
    string(r, &k, &hi);
    if (n != 1 || k != 1 || hi < lo) fail(r, MINERVA_INVALID, at, "a range of two single characters in order expected");
    return use(r, mn_rx_set(r->g->rx, &(mn_range){ lo, hi }, 1, false), 1);
}

/* ---- patterns ------------------------------------------------------------------------------------ */

typedef struct {
    mn_rx *rx;
    const char *s;
    size_t len;
    mn_rid lang;
} pattern_job;

static void parse_pattern(void *arg)
{
    pattern_job *j = arg;
    j->lang = mn_rx_parse(j->rx, j->s, j->len, true);
}

/* Python's spelling to ECMA's: '.' is all but the line feed, (?P<n> is (?<n>, blanks and
 * comments go under x.  *lazy: there is a quantifier that takes as little as it can. */
static size_t translate(const char *s, size_t len, bool dot_all, bool verbose, char *out, bool *lazy)
{
    size_t n = 0;
    bool inside = false;
    for (size_t i = 0; i < len; i++) {
        char c = s[i], next = i + 1 < len ? s[i + 1] : 0;
        if (c == '\\' && next) {
            if (next != '/') out[n++] = c;
            out[n++] = next;
            i++;
        } else if (inside || c == '[') {
            inside = c != ']';
            out[n++] = c;
            if (c == '[' && next == '^') out[n++] = s[++i];
        } else if (verbose && (c == ' ' || c == '\t' || c == '\n')) {
        } else if (verbose && c == '#') {
            while (i + 1 < len && s[i + 1] != '\n') i++;
        } else if (c == '.') {
            memcpy(out + n, dot_all ? "[^]" : "[^\n]", dot_all ? 3 : 4);
            n += dot_all ? 3 : 4;
        } else if (c == '(' && next == '?' && i + 2 < len && s[i + 2] == 'P') {
            out[n++] = '(';
            out[n++] = '?';
            i += 2;
        } else {
            if (c == '?' && n && (s[i - 1] == '*' || s[i - 1] == '+' || s[i - 1] == '?' || s[i - 1] == '}')
                && (i < 2 || s[i - 2] != '\\')) *lazy = true;
            out[n++] = c;
        }
    }
    return n;
}

static mn_rid pattern_language(reader *r, mn_g_place at, const char *s, size_t len, const char *flags, size_t n_flags)
{
    bool fold = false, dot_all = false, verbose = false, lazy = false;
    for (size_t i = 0; i < n_flags; i++) {
        if (flags[i] == 'i') fold = true;
        else if (flags[i] == 's') dot_all = true;
        else if (flags[i] == 'x') verbose = true;
        else if (flags[i] != 'u' && flags[i] != 'm') fail(r, MINERVA_UNSUPPORTED, at, "the flag 'l' of a pattern is not enforced");
    }
    char *text = mn_cx_alloc(r->g->cx, 4 * len + 1, 1);
    pattern_job j = { .rx = r->g->rx, .s = text, .len = translate(s, len, dot_all, verbose, text, &lazy) };
    uint32_t scratch = r->g->rx->scratch.n, ranges = r->g->rx->range_scratch.n;
    minerva_error err = { 0 };
    minerva_status st = mn_cx_protect(r->g->cx, &err, parse_pattern, &j);
    if (st) {
        r->g->rx->scratch.n = scratch;
        r->g->rx->range_scratch.n = ranges;
        fail(r, st, at, err.message);
    }
    mn_rid lang = fold ? mn_rx_fold_case(r->g->rx, j.lang) : j.lang;
    if (!lazy) return lang;
    if (strchr("*+?}", s[len - 1]) && (len < 2 || s[len - 2] != '\\'))
        fail(r, MINERVA_UNSUPPORTED, at, "a pattern with a lazy quantifier that ends in a quantifier is not enforced");
    /* As little as it can: no match begins with a shorter one. */
    mn_rid longer = mn_rx_cat(r->g->rx, lang, mn_rx_rep(r->g->rx, MN_RX_ANY, 1, MN_RX_INF));
    return mn_rx_and2(r->g->rx, lang, mn_rx_not(r->g->rx, longer));
}

static mn_g_node *pattern(reader *r)
{
    mn_g_place at = place(r);
    const char *s = ++r->p;
    for (; r->p < r->end && *r->p != '\n' && *r->p != '/'; r->p++)
        if (*r->p == '\\' && r->end - r->p > 1 && r->p[1] != '\n') r->p++;
    if (!peek(r, '/')) bad(r, "'/' at the end of the pattern");
    size_t len = (size_t)(r->p++ - s);
    const char *flags = r->p;
    while (r->p < r->end && *r->p && strchr("imslux", *r->p)) r->p++;
    if (!len) fail(r, MINERVA_INVALID, at, "a pattern that is not empty expected");
    return use(r, pattern_language(r, at, s, len, flags, (size_t)(r->p - flags)), (uint32_t)len);
}

/* ---- expansions ------------------------------------------------------------------------------------ */

static mn_g_node *expansions(reader *r);

static mn_g_node *bracketed(reader *r, const char *close)
{
    mn_g_place at = place(r);
    if (++r->depth > MAX_DEPTH) fail(r, MINERVA_LIMIT, at, "at most 200 nested groups expected");
    r->p++;
    mn_g_node *n = expansions(r);
    skip(r, true);
    if (!take(r, close)) bad(r, *close == ')' ? "')'" : "']'");
    r->depth--;
    return n;
}

static mn_g_node *reference(reader *r)
{
    name n = read_name(r, "a name, a string, a pattern, '(' or '['");
    if (peek(r, '{')) fail(r, MINERVA_UNSUPPORTED, place(r), "templates are not enforced");
    if (n.terminal) {
        const lark_terminal *t = terminal_of(r, n);
        return mn_g_ref(r->g, r->in_terminal ? t->rule : t->token);
    }
    if (r->in_terminal) fail(r, MINERVA_INVALID, n.at, "terminals are made of terminals, not of rules");
    return mn_g_ref(r->g, rule_of(r, n));
}

static mn_g_node *atom(reader *r)
{
    switch (r->p < r->end ? *r->p : 0) {
    case '(': return bracketed(r, ")");
    case '[': return mn_g_rep(r->g, bracketed(r, "]"), 0, 1);
    case '"': return literal(r);
    case '/': return pattern(r);
    case '<': fail(r, MINERVA_UNSUPPORTED, place(r), "special tokens, <...>, are not enforced in grammars");
    default: return reference(r);
    }
}

static uint32_t number(reader *r)
{
    uint64_t v = 0;
    if (r->p >= r->end || *r->p < '0' || *r->p > '9') bad(r, "a number");
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        v = v * 10 + (uint64_t)(*r->p - '0');
        if (v > MAX_COUNT) fail(r, MINERVA_LIMIT, place(r), "a count of at most 10000000 expected");
    }
    return (uint32_t)v;
}

static mn_g_node *item(reader *r)
{
    mn_g_node *n = atom(r);
    if (take(r, "?")) return mn_g_rep(r->g, n, 0, 1);
    if (take(r, "*")) return mn_g_rep(r->g, n, 0, MN_RX_INF);
    if (take(r, "+")) return mn_g_rep(r->g, n, 1, MN_RX_INF);
    reader before = *r;
    skip(r, false);
    if (!take(r, "~")) {
        *r = before;
        return n;
    }
    skip(r, false);
    uint32_t min = number(r), max = min;
    skip(r, false);
    if (take(r, "..")) {
        skip(r, false);
        max = number(r);
    }
    if (max < min) bad(r, "~m..n with m <= n before this");
    return mn_g_rep(r->g, n, min, max);
}

static mn_g_node *expansion(reader *r)
{
    mn_g_node *seq = mn_g_make(r->g, MN_G_SEQ);
    mn_g_list l = mn_g_list_begin(seq);
    for (;;) {
        skip_inside(r);
        if (r->p >= r->end || strchr("\n|)]", *r->p)) return seq;
        if (take(r, "->")) {
            skip(r, false);
            read_name(r, "an alias");
            skip_inside(r);
            if (r->p < r->end && !strchr("\n|)]", *r->p)) bad(r, "'|' or the end of the rule");
            return seq;
        }
        mn_g_list_add(&l, item(r));
    }
}

static mn_g_node *expansions(reader *r)
{
    mn_g_node *alt = mn_g_make(r->g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(alt);
    skip_inside(r);
    take(r, "|");           /* one may stand before the first, too */
    do {
        mn_g_list_add(&l, expansion(r));
        skip_inside(r);
    } while (take(r, "|"));
    return alt->kid->next ? alt : alt->kid;
}

/* ---- statements ------------------------------------------------------------------------------------- */

/* lark's common.lark, as patterns of ECMA's. */
static const char *common_pattern(const char *s, size_t len)
{
    static const char *const table[][2] = {
        { "DIGIT", "[0-9]" }, { "HEXDIGIT", "[0-9a-fA-F]" }, { "INT", "[0-9]+" }, { "SIGNED_INT", "[+-]?[0-9]+" },
        { "DECIMAL", "[0-9]+\\.[0-9]*|\\.[0-9]+" },
        { "FLOAT", "[0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?" },
        { "SIGNED_FLOAT", "[+-]?([0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?)" },
        { "NUMBER", "[0-9]+([eE][+-]?[0-9]+)?|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?" },
        { "SIGNED_NUMBER", "[+-]?([0-9]+([eE][+-]?[0-9]+)?|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?)" },
        { "ESCAPED_STRING", "\"([^\"\\\\\n]|\\\\[^\n])*\"" },
        { "LCASE_LETTER", "[a-z]" }, { "UCASE_LETTER", "[A-Z]" }, { "LETTER", "[A-Za-z]" }, { "WORD", "[A-Za-z]+" },
        { "CNAME", "[A-Za-z_][A-Za-z0-9_]*" }, { "WS_INLINE", "[ \t]+" }, { "WS", "[ \t\f\r\n]+" }, { "CR", "\r" },
        { "LF", "\n" }, { "NEWLINE", "(\r?\n)+" }, { "SH_COMMENT", "#[^\n]*" }, { "CPP_COMMENT", "//[^\n]*" },
        { "C_COMMENT", "/\\*([^*]|\\*+[^*/])*\\*+/" }, { "SQL_COMMENT", "--[^\n]*" } };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i][0]) == len && !memcmp(table[i][0], s, len)) return table[i][1];
    return NULL;
}

static void import_one(reader *r, name n, name as)
{
    const char *text = common_pattern(n.s, n.len);
    if (!text) fail(r, MINERVA_UNSUPPORTED, n.at, "%import: no terminal of this name in common");
    const lark_terminal *t = terminal_of(r, as);
    mn_rid lang = mn_rx_parse(r->g->rx, text, strlen(text), true);
    mn_grammar_define(r->g, t->rule, mn_g_lang(r->g, lang, 8), as.at);
}

static void import(reader *r)
{
    skip(r, false);
    mn_g_place at = place(r);
    if (!take(r, "common")) fail(r, MINERVA_UNSUPPORTED, at, "%import: common is the only module");
    skip(r, false);
    if (take(r, ".")) {
        name n = read_name(r, "a terminal's name"), as = n;
        skip(r, false);
        if (take(r, "->")) {
            skip(r, false);
            as = read_name(r, "a terminal's name");
            if (!as.terminal) fail(r, MINERVA_INVALID, as.at, "a terminal's name, in upper case, expected");
        }
        import_one(r, n, as);
        return;
    }
    if (!take(r, "(")) bad(r, "'.' or '('");
    do {
        skip(r, true);
        name n = read_name(r, "a terminal's name");
        import_one(r, n, n);
        skip(r, true);
    } while (take(r, ","));
    if (!take(r, ")")) bad(r, "')'");
}

static void directive(reader *r)
{
    mn_g_place at = place(r);
    if (take(r, "%import ")) {
        import(r);
    } else if (take(r, "%ignore ")) {
        r->in_terminal = true;
        mn_g_list_add(&r->ignore_list, expansions(r));
        r->in_terminal = false;
    } else {
        fail(r, MINERVA_UNSUPPORTED, at, "of the directives only %import and %ignore are enforced");
    }
}

static void definition(reader *r)
{
    while (peek(r, '?') || peek(r, '!')) r->p++;
    name n = read_name(r, "a rule's or terminal's name");
    if (peek(r, '{')) fail(r, MINERVA_UNSUPPORTED, place(r), "templates are not enforced");
    if (take(r, ".")) {
        take(r, "-");
        number(r);
    }
    skip(r, false);
    if (!take(r, ":")) bad(r, "':'");
    uint32_t rule = n.terminal ? terminal_of(r, n)->rule : rule_of(r, n);
    r->in_terminal = n.terminal;
    mn_g_node *tree = expansions(r);
    r->in_terminal = false;
    mn_grammar_define(r->g, rule, tree, n.at);
}

static void statements(reader *r)
{
    for (;;) {
        skip(r, true);
        if (r->p >= r->end) return;
        if (*r->p == '%') directive(r);
        else definition(r);
        skip(r, false);
        if (r->p < r->end && *r->p != '\n') bad(r, "the end of the line");
    }
}

/* ---- terminals --------------------------------------------------------------------------------------- */

static void resolve(reader *r, lark_terminal *t, int depth);

static void resolve_tree(reader *r, const mn_g_node *n, int depth)
{
    for (uint32_t i = 0; n->kind == MN_G_REF && i < r->terminals.n; i++)
        if (r->terminals.at[i].rule == n->id) resolve(r, &r->terminals.at[i], depth + 1);
    for (const mn_g_node *k = n->kid; k; k = k->next) resolve_tree(r, k, depth);
}

static void resolve(reader *r, lark_terminal *t, int depth)
{
    mn_g_rule *rule = &r->g->rules.at[t->rule];
    if (rule->regular) return;
    if (!rule->tree) fail(r, MINERVA_INVALID, rule->at, "this terminal is not defined");
    if (t->busy || depth > MAX_DEPTH) fail(r, MINERVA_INVALID, rule->at, "this terminal leads to itself");
    t->busy = true;
    resolve_tree(r, rule->tree, depth);
    mn_rid lang;
    if (!mn_g_regular(r->g, rule->tree, &lang)) fail(r, MINERVA_LIMIT, rule->at, "this terminal is too long");
    rule = &r->g->rules.at[t->rule];
    rule->regular = true;
    rule->lang = lang;
    r->g->rules.at[t->token].tree = mn_g_pair(r->g, mn_g_language(r->g, lang, true, false), mn_g_ref(r->g, r->ignored));
}

static void define_ignored(reader *r)
{
    mn_g_node *alt = mn_g_make(r->g, MN_G_ALT);
    mn_g_list l = mn_g_list_begin(alt);
    for (const mn_g_node *k = r->ignores->kid; k; k = k->next) {
        mn_rid lang;
        resolve_tree(r, k, 0);
        if (!mn_g_regular(r->g, k, &lang)) fail(r, MINERVA_LIMIT, place(r), "%ignore is too long");
        mn_g_list_add(&l, mn_g_language(r->g, lang, true, false));
    }
    r->g->rules.at[r->ignored].tree = alt->kid ? mn_g_rep(r->g, alt, 0, MN_RX_INF) : mn_g_make(r->g, MN_G_SEQ);
}

typedef struct {
    reader r;
    const char *start;
    uint32_t rule;
} read_job;

static void read_all(void *arg)
{
    read_job *j = arg;
    reader *r = &j->r;
    r->ignores = mn_g_make(r->g, MN_G_ALT);
    r->ignore_list = mn_g_list_begin(r->ignores);
    r->ignored = mn_grammar_fresh(r->g, NULL, (mn_g_place){ 0, 0 });
    statements(r);
    for (uint32_t i = 0; i < r->terminals.n; i++) resolve(r, &r->terminals.at[i], 0);
    define_ignored(r);
    char text[MAX_NAME + 32];
    const char *start = j->start ? j->start : "start";
    int n = snprintf(text, sizeof text, "%u:%.200s", r->scope, start);
    uint32_t rule;
    if (!mn_grammar_has(r->g, text, (size_t)n, &rule))
        mn_cx_raise(r->g->cx, MINERVA_INVALID, "grammar: a rule \"%.100s\" to start with expected, none found", start);
    for (uint32_t i = 0; i < r->terminals.n; i++)
        if (r->terminals.at[i].rule == rule) rule = r->terminals.at[i].token;
    mn_g_node *whole = mn_g_pair(r->g, mn_g_ref(r->g, r->ignored), mn_g_ref(r->g, rule));
    j->rule = mn_grammar_fresh(r->g, whole, (mn_g_place){ 0, 0 });
}

uint32_t mn_grammar_read_lark(mn_grammar *g, const char *text, size_t len, const char *start, uint32_t scope)
{
    read_job j = { .r = { .g = g, .p = text, .end = text + len, .line_start = text, .line = 1, .scope = scope },
                   .start = start };
    minerva_error err = { 0 };
    minerva_status st = mn_cx_protect(g->cx, &err, read_all, &j);
    mn_vec_clear(g->cx, &j.r.terminals);
    if (st) mn_cx_raise(g->cx, st, "%s", err.message);
    return j.rule;
}
