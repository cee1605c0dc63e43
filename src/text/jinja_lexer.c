/* Template source -> tokens, with jinja2's whitespace control.
 *
 * Two states: text, up to the next {{ {% {#, and inside a tag.  Around tags:
 *
 *   {%-  text before loses its trailing white space   -%}  text after its leading
 *   {%   lstrip_blocks: blanks between the line's     %}   trim_blocks: one newline
 *        start and the tag go ({{ keeps them)              after goes (}} keeps it)
 *   {%+  they stay                                    +%}  it stays
 *
 * Newlines become \n first, and one newline at the very end of the source is dropped.
 * Inside brackets }} and %} are no ends: {{ {'a': {}} }} is one expression.
 * Input is foreign: it must be UTF-8, of at most J_MAX_SOURCE bytes.
 */
#include "base/status.h"
#include "base/utf8.h"
#include "text/jinja_run.h"

#include <stdlib.h>
#include <string.h>

enum { J_MAX_SOURCE = 8 << 20, J_MAX_BRACKETS = 1000 };

typedef struct {
    mn_arena *arena;
    const char *s;              /* normalised source */
    size_t len, at;
    int line;
    bool line_start;            /* the last match ended with a newline, or none was yet */
    char brackets[J_MAX_BRACKETS];
    int n_brackets;
    mn_jtoken *tokens;
    size_t n, capacity;
    minerva_status status;
    minerva_error *err;
} lexer;

static bool fail(lexer *x, minerva_status status, const char *what)
{
    x->status = mn_fail(x->err, status, "chat template line %d: %s", x->line, what);
    return false;
}

static bool emit(lexer *x, mn_jtoken_type type, mn_jvalue value)
{
    if (x->n == x->capacity) {
        size_t capacity = x->capacity ? x->capacity * 2 : 256;
        mn_jtoken *grown = realloc(x->tokens, capacity * sizeof *grown);
        if (!grown) {
            x->status = mn_fail_memory(x->err, capacity * sizeof *grown);
            return false;
        }
        x->tokens = grown;
        x->capacity = capacity;
    }
    x->tokens[x->n++] = (mn_jtoken){ type, x->line, value };
    return true;
}

/* Consume up to `to`, counting lines. */
static void advance(lexer *x, size_t to)
{
    for (size_t i = x->at; i < to; i++) x->line += x->s[i] == '\n';
    x->at = to;
}

static uint32_t codepoint_at(const lexer *x, size_t at, int *n)
{
    uint32_t cp;
    *n = mn_utf8_decode(x->s + at, x->len - at, &cp);
    return cp;
}

static size_t skip_space(const lexer *x, size_t at)
{
    for (int n; at < x->len; at += (size_t)n)
        if (!mn_j_is_space(codepoint_at(x, at, &n))) break;
    return at;
}

static bool has(const lexer *x, size_t at, const char *s)
{
    size_t n = strlen(s);
    return at <= x->len && n <= x->len - at && !memcmp(x->s + at, s, n);
}

/* Where a tag's end that starts at `at` is over, or 0.  `close` is "%}" or "#}". */
static size_t block_end(const lexer *x, size_t at, const char *close)
{
    if (has(x, at, close)) return at + 2 + (at + 2 < x->len && x->s[at + 2] == '\n');
    if (at >= x->len || !has(x, at + 1, close)) return 0;
    if (x->s[at] == '+') return at + 3;
    return x->s[at] == '-' ? skip_space(x, at + 3) : 0;
}

/* ---- text -------------------------------------------------------------------------- */

/* Text before a tag, whose sign is '-', '+' or 0; `is_print` for {{. */
static bool emit_text(lexer *x, size_t to, char sign, bool is_print)
{
    const char *s = x->s + x->at;
    size_t len = to - x->at;
    if (sign == '-') {
        len = mn_j_strip(mn_j_str(s, len), NULL, false, true).len;
    } else if (sign != '+' && !is_print) {
        size_t line = len;
        while (line > 0 && s[line - 1] != '\n') line--;
        bool blank =
            mn_j_strip(mn_j_str(s + line, len - line), NULL, true, true).len == 0;
        if (blank && (line > 0 || x->line_start)) len = line;
    }
    if (len && !emit(x, T_DATA, mn_j_str(s, len))) return false;
    advance(x, to);
    return true;
}

static void end_match(lexer *x, size_t to)
{
    advance(x, to);
    x->line_start = to > 0 && x->s[to - 1] == '\n';
}

/* {% raw %} at `at`, whatever its spacing: where the text begins, or 0. */
static size_t raw_begin(const lexer *x, size_t at)
{
    at += 2;
    if (at < x->len && (x->s[at] == '-' || x->s[at] == '+')) at++;
    at = skip_space(x, at);
    if (!has(x, at, "raw")) return 0;
    at = skip_space(x, at + 3);
    if (has(x, at, "-%}")) return skip_space(x, at + 3);
    return has(x, at, "%}") ? at + 2 : 0;
}

static bool lex_raw(lexer *x, size_t start)
{
    end_match(x, start);
    for (size_t at = start; at + 1 < x->len; at++) {
        if (x->s[at] != '{' || x->s[at + 1] != '%') continue;
        size_t inner = at + 2;
        char sign = inner < x->len && (x->s[inner] == '-' || x->s[inner] == '+')
                  ? x->s[inner++] : 0;
        inner = skip_space(x, inner);
        if (!has(x, inner, "endraw")) continue;
        size_t end = block_end(x, skip_space(x, inner + 6), "%}");
        if (!end) continue;
        if (!emit_text(x, at, sign, false)) return false;
        end_match(x, end);
        return true;
    }
    if (start == x->len) return true;       /* jinja2 forgives it at the very end */
    return fail(x, MINERVA_INVALID, "{% raw %} without its {% endraw %}");
}

static bool lex_comment(lexer *x, size_t start)
{
    for (size_t at = start; at < x->len; at++) {
        size_t end = block_end(x, at, "#}");
        if (!end) continue;
        end_match(x, end);
        return true;
    }
    if (start == x->len) return true;
    return fail(x, MINERVA_INVALID, "{# without its #}");
}

/* ---- inside tags ------------------------------------------------------------------- */

static size_t digits(const lexer *x, size_t at, int base)
{
    size_t end = at;
    for (bool can_underscore = false; at < x->len; at++) {
        char c = x->s[at];
        int d = c >= '0' && c <= '9' ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                     : 99;
        if (d < base) {
            end = at + 1;
            can_underscore = true;
        } else if (c == '_' && can_underscore) {
            can_underscore = false;
        } else {
            break;
        }
    }
    return end;
}

static size_t float_end(const lexer *x, size_t at)
{
    if (at > 0 && x->s[at - 1] == '.') return 0;
    size_t end = digits(x, at, 10), found = 0;
    if (end == at) return 0;
    if (end < x->len && x->s[end] == '.') {
        size_t fraction = digits(x, end + 1, 10);
        if (fraction > end + 1) found = end = fraction;
    }
    if (end < x->len && (x->s[end] | 32) == 'e') {
        size_t e = end + 1;
        if (e < x->len && (x->s[e] == '+' || x->s[e] == '-')) e++;
        size_t exponent = digits(x, e, 10);
        if (exponent > e) found = exponent;
    }
    return found;
}

static size_t int_end(const lexer *x, size_t at, int *base)
{
    *base = 10;
    if (x->s[at] != '0') return digits(x, at, 10);
    char c = at + 1 < x->len ? (char)(x->s[at + 1] | 32) : 0;
    *base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 10;
    if (*base != 10) {
        size_t from = at + 2 + (at + 2 < x->len && x->s[at + 2] == '_');
        size_t end = digits(x, from, *base);
        if (end > from) return end;
        *base = 10;
    }
    size_t end = at + 1;
    while (end < x->len && (x->s[end] == '0'
           || (x->s[end] == '_' && end + 1 < x->len && x->s[end + 1] == '0'))) end++;
    return end;
}

static bool lex_number(lexer *x)
{
    char text[400];
    size_t end = float_end(x, x->at), n = 0;
    bool is_float = end != 0;
    int base = 10;
    if (!is_float) end = int_end(x, x->at, &base);
    if (end - x->at >= sizeof text)
        return fail(x, MINERVA_UNSUPPORTED, "numbers of more than 399 digits");
    for (size_t i = x->at; i < end; i++)
        if (x->s[i] != '_') text[n++] = x->s[i];
    text[n] = 0;
    mn_jvalue v;
    if (is_float) {
        v = mn_j_float(mn_j_strtod(text));
    } else {
        bool overflow;
        v = mn_j_int(0);
        size_t skip = base == 10 ? 0 : 2;
        if (!mn_j_parse_int(text + skip, n - skip, base, &v.i, &overflow))
            return fail(x, MINERVA_UNSUPPORTED, "integers beyond 64 bits");
    }
    if (!emit(x, is_float ? T_FLOAT : T_INT, v)) return false;
    advance(x, end);
    return true;
}

static bool lex_name(lexer *x)
{
    size_t end = x->at;
    for (int n; end < x->len; end += (size_t)n)
        if (!mn_j_is_name_part(codepoint_at(x, end, &n))) break;
    if (!emit(x, T_NAME, mn_j_str(x->s + x->at, end - x->at))) return false;
    advance(x, end);
    return true;
}

static int hex_value(const char *s, int n, uint32_t *out)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++) {
        char c = s[i];
        if (c >= '0' && c <= '9') v = v << 4 | (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            v = v << 4 | (uint32_t)((c | 32) - 'a' + 10);
        else return 0;
    }
    *out = v;
    return 1;
}

/* \x, \u, \U at s[1]: the code point, and the length of the escape, or 0. */
static size_t hex_escape(const char *s, size_t len, uint32_t *cp)
{
    size_t n = s[1] == 'x' ? 2 : s[1] == 'u' ? 4 : 8;
    if (len < 2 + n || !hex_value(s + 2, (int)n, cp) || *cp > 0x10FFFF) return 0;
    size_t used = 2 + n;
    uint32_t low;       /* a pair of surrogates is one character */
    if (n == 4 && *cp >= 0xD800 && *cp < 0xDC00 && len >= used + 6 && s[used] == '\\'
        && s[used + 1] == 'u' && hex_value(s + used + 2, 4, &low) && low >= 0xDC00
        && low < 0xE000) {
        *cp = 0x10000 + ((*cp - 0xD800) << 10) + (low - 0xDC00);
        used += 6;
    }
    return used;
}

/* One escape at s[0] = '\\'; returns the bytes used, or 0. */
static size_t unescape(const char *s, size_t len, mn_buffer *b)
{
    static const char from[] = "\\'\"abfnrtv", to[] = "\\'\"\a\b\f\n\r\t\v";
    const char *known = s[1] ? strchr(from, s[1]) : NULL;
    if (known) {
        mn_buffer_append_byte(b, to[known - from]);
        return 2;
    }
    if (s[1] == '\n') return 2;
    if (s[1] >= '0' && s[1] <= '7') {
        uint32_t cp = 0;
        size_t n = 1;
        while (n < 4 && n < len && s[n] >= '0' && s[n] <= '7')
            cp = cp * 8 + (uint32_t)(s[n++] - '0');
        mn_buffer_append_codepoint(b, cp);
        return n;
    }
    uint32_t cp;
    if (s[1] == 'x' || s[1] == 'u' || s[1] == 'U') {
        size_t n = hex_escape(s, len, &cp);
        if (n) mn_buffer_append_codepoint(b, cp);
        return n;
    }
    if (s[1] == 'N') return 0;
    if ((unsigned char)s[1] < 0x80) {       /* not an escape: both characters stay */
        mn_buffer_append(b, s, 2);
        return 2;
    }
    /* jinja2 escapes what is not ASCII before it unescapes, which leaves "\xe9" here. */
    int n = mn_utf8_decode(s + 1, len - 1, &cp);
    mn_buffer_append_fmt(b,
                         cp < 0x100     ? "\\x%02x"
                         : cp < 0x10000 ? "\\u%04x"
                                        : "\\U%08x",
                         cp);
    return 1 + (size_t)n;
}

static bool lex_string(lexer *x)
{
    char quote = x->s[x->at];
    size_t start = x->at + 1, end = start;
    bool has_escape = false;
    while (end < x->len && x->s[end] != quote) {
        has_escape |= x->s[end] == '\\';
        end += x->s[end] == '\\' ? 2 : 1;
    }
    if (end >= x->len)
        return fail(x, MINERVA_INVALID, "a string without its closing quote");
    mn_jvalue v = mn_j_str(x->s + start, end - start);
    if (has_escape) {
        mn_buffer b = { 0 };
        for (size_t i = start; i < end;) {
            size_t used = 1;
            if (x->s[i] == '\\') used = unescape(x->s + i, end - i, &b);
            else mn_buffer_append_byte(&b, x->s[i]);
            if (!used) {
                mn_buffer_clear(&b);
                return fail(x, MINERVA_INVALID,
                            "a string with a broken \\x, \\u, \\U or \\N escape");
            }
            i += used;
        }
        const char *copy =
            b.failed ? NULL : mn_arena_strndup(x->arena, b.data ? b.data : "", b.len);
        v = mn_j_str(copy, b.len);
        mn_buffer_clear(&b);
        if (!copy) return fail(x, MINERVA_MEMORY, "out of memory");
    }
    if (!emit(x, T_STRING, v)) return false;
    advance(x, end + 1);
    return true;
}

static const struct { char text[3]; mn_jtoken_type type; } operators[] = {
    { "**", T_POW }, { "//", T_FLOORDIV }, { "==", T_EQ }, { "!=", T_NE }, { ">=", T_GE },
    { "<=", T_LE }, { "+", T_ADD }, { "-", T_SUB }, { "/", T_DIV }, { "*", T_MUL },
    { "%", T_MOD }, { "~", T_TILDE }, { "[", T_LBRACKET }, { "]", T_RBRACKET },
    { "(", T_LPAREN }, { ")", T_RPAREN }, { "{", T_LBRACE }, { "}", T_RBRACE },
    { ">", T_GT }, { "<", T_LT }, { "=", T_ASSIGN }, { ".", T_DOT }, { ":", T_COLON },
    { "|", T_PIPE }, { ",", T_COMMA }, { ";", T_SEMICOLON }
};

static bool balance(lexer *x, char c)
{
    char close = c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : 0;
    if (close) {
        if (x->n_brackets == J_MAX_BRACKETS)
            return fail(x, MINERVA_LIMIT, "brackets are nested more than 1000 deep");
        x->brackets[x->n_brackets++] = close;
    } else if (c == ')' || c == ']' || c == '}') {
        char what[64];
        if (!x->n_brackets) snprintf(what, sizeof what, "unexpected '%c'", c);
        else snprintf(what, sizeof what, "unexpected '%c', expected '%c'", c,
                      x->brackets[x->n_brackets - 1]);
        if (!x->n_brackets || x->brackets[--x->n_brackets] != c)
            return fail(x, MINERVA_INVALID, what);
    }
    return true;
}

static bool lex_operator(lexer *x)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (!has(x, x->at, operators[i].text)) continue;
        if (!balance(x, operators[i].text[0])) return false;
        if (!emit(x, operators[i].type, mn_j_none())) return false;
        advance(x, x->at + strlen(operators[i].text));
        return true;
    }
    char what[64];
    int n;
    snprintf(what, sizeof what, "unexpected character U+%04X",
             codepoint_at(x, x->at, &n));
    return fail(x, MINERVA_INVALID, what);
}

/* From behind {{ or {% to behind its end, or to the end of the source. */
static bool lex_tag(lexer *x, bool is_print)
{
    x->n_brackets = 0;
    while (x->at < x->len) {
        if (!x->n_brackets) {
            size_t end = 0;
            if (!is_print) end = block_end(x, x->at, "%}");
            else if (has(x, x->at, "}}")) end = x->at + 2;
            else if (has(x, x->at, "-}}")) end = skip_space(x, x->at + 3);
            if (end) {
                if (!emit(x, is_print ? T_PRINT_END : T_BLOCK_END, mn_j_none()))
                    return false;
                end_match(x, end);
                return true;
            }
        }
        int n;
        uint32_t cp = codepoint_at(x, x->at, &n);
        bool ok = true;
        if (mn_j_is_space(cp)) advance(x, skip_space(x, x->at));
        else if (cp >= '0' && cp <= '9') ok = lex_number(x);
        else if (mn_j_is_name_start(cp)) ok = lex_name(x);
        else if (cp == '"' || cp == '\'') ok = lex_string(x);
        else ok = lex_operator(x);
        if (!ok) return false;
    }
    return true;
}

static bool lex(lexer *x)
{
    while (x->at < x->len) {
        size_t at = x->at;
        for (;; at++) {
            const char *brace =
                at + 1 < x->len ? memchr(x->s + at, '{', x->len - at - 1) : NULL;
            at = brace ? (size_t)(brace - x->s) : x->len;
            if (!brace || memchr("{%#", brace[1], 3)) break;
        }
        if (at == x->len) {
            if (!emit(x, T_DATA, mn_j_str(x->s + x->at, at - x->at))) return false;
            advance(x, at);
            break;
        }
        char kind = x->s[at + 1];
        size_t after = at + 2;
        char sign = after < x->len && (x->s[after] == '-' || x->s[after] == '+')
                  ? x->s[after++] : 0;
        if (!emit_text(x, at, sign, kind == '{')) return false;
        size_t raw = kind == '%' ? raw_begin(x, at) : 0;
        bool ok;
        if (raw) {
            ok = lex_raw(x, raw);
        } else if (kind == '#') {
            advance(x, after);
            ok = lex_comment(x, after);
        } else {
            ok = emit(x, kind == '{' ? T_PRINT_BEGIN : T_BLOCK_BEGIN, mn_j_none());
            advance(x, after);
            ok = ok && lex_tag(x, kind == '{');
        }
        if (!ok) return false;
    }
    return emit(x, T_EOF, mn_j_none());
}

minerva_status mn_j_tokenize(mn_arena *arena, const char *source, size_t len,
                             mn_jtoken **out, minerva_error *err)
{
    if (len > J_MAX_SOURCE)
        return mn_fail(err, MINERVA_LIMIT,
                       "chat template: at most %d bytes expected, %zu found",
                       J_MAX_SOURCE, len);
    if (!mn_utf8_valid(source, len))
        return mn_fail(err, MINERVA_INVALID,
                       "chat template: UTF-8 expected, other bytes found");
    char *s = mn_arena_alloc_aligned(arena, len + 1, 1);
    if (!s) return mn_fail_memory(err, len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        s[n++] = source[i] == '\r' ? '\n' : source[i];
        if (source[i] == '\r' && i + 1 < len && source[i + 1] == '\n') i++;
    }
    if (n > 0 && s[n - 1] == '\n') n--;
    s[n] = 0;
    lexer *x = calloc(1, sizeof *x);
    if (!x) return mn_fail_memory(err, sizeof *x);
    *x = (lexer){
        .arena = arena, .s = s, .len = n, .line = 1, .line_start = true, .err = err
    };
    if (lex(x)) *out = x->tokens;
    else free(x->tokens);
    minerva_status status = x->status;
    free(x);
    return status;
}

const char *mn_j_token_name(mn_jtoken_type type)
{
    switch (type) {
    case T_EOF: return "end of template";
    case T_DATA: return "text";
    case T_PRINT_BEGIN: return "{{";
    case T_PRINT_END: return "}}";
    case T_BLOCK_BEGIN: return "{%";
    case T_BLOCK_END: return "%}";
    case T_NAME: return "name";
    case T_STRING: return "string";
    case T_INT: return "integer";
    case T_FLOAT: return "float";
    default: break;
    }
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].type == type) return operators[i].text;
    return "?";
}
