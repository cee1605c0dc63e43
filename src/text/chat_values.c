/* Values of tool call arguments, from the notations that models use to JSON.
 *
 *   text      of an XML parameter: by the schema's type, or by what it looks like
 *   Python    'text', "text", 12, 1.5, True, None, [..], (..), {'k': v}
 *   Gemma     <|"|>text<|"|>, 12, true, [..], {k:v}
 *
 * Input is a model's: whatever cannot be read stays a string, and nesting is bounded.
 */
#include "text/chat_parser.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 64 };

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static void trim(const char **s, size_t *len)
{
    while (*len && is_space(**s)) {
        ++*s;
        --*len;
    }
    while (*len && is_space((*s)[*len - 1])) --*len;
}

static bool is(const char *s, size_t len, const char *word)
{
    return len == strlen(word) && !memcmp(s, word, len);
}

void mn_chat_write_escaped(mn_buffer *out, const char *s, size_t len)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        const char *known = c ? strchr(from, c) : NULL;
        if (known) {
            mn_buffer_append_byte(out, '\\');
            mn_buffer_append_byte(out, to[known - from]);
        } else if (c < 0x20) {
            mn_buffer_append_fmt(out, "\\u%04x", c);
        } else {
            mn_buffer_append_byte(out, (char)c);
        }
    }
}

static void write_string(mn_buffer *out, const char *s, size_t len)
{
    mn_buffer_append_byte(out, '"');
    mn_chat_write_escaped(out, s, len);
    mn_buffer_append_byte(out, '"');
}

/* ---- by type ----------------------------------------------------------------------- */

static mn_value_kind kind_of_type(const char *type)
{
    if (!strcmp(type, "string")) return VALUE_STRING;
    if (!strcmp(type, "integer") || !strcmp(type, "number")) return VALUE_NUMBER;
    if (!strcmp(type, "boolean")) return VALUE_BOOLEAN;
    return !strcmp(type, "object") || !strcmp(type, "array") ? VALUE_JSON : VALUE_GUESS;
}

mn_value_kind mn_chat_kind_of(const json_t *properties, const char *key, size_t len)
{
    const json_t *schema = json_object_getn(properties, key, len);
    const json_t *type = json_object_get(schema, "type");
    if (json_is_string(type)) return kind_of_type(json_string_value(type));
    const json_t *values = json_object_get(schema, "enum");
    bool strings = json_array_size(values) > 0;
    for (size_t i = 0; i < json_array_size(values); i++)
        strings &= json_is_string(json_array_get(values, i));
    return strings ? VALUE_STRING : VALUE_GUESS;
}

static bool valid_json(const char *s, size_t len, json_type *type)
{
    json_t *j = json_loadb(s, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    if (!j) return false;
    *type = json_typeof(j);
    json_decref(j);
    return true;
}

/* Python's spellings of JSON's words. */
static const char *json_word(const char *s, size_t len)
{
    if (is(s, len, "True") || is(s, len, "true")) return "true";
    if (is(s, len, "False") || is(s, len, "false")) return "false";
    if (is(s, len, "None") || is(s, len, "null")) return "null";
    return NULL;
}

static bool python_value(mn_buffer *out, const char *s, size_t len);

void mn_chat_write_value(mn_buffer *out, mn_value_kind kind, const char *s, size_t len)
{
    const char *text = s;
    size_t n = len;
    json_type type;
    trim(&text, &n);
    const char *word = json_word(text, n);
    if (kind != VALUE_STRING && word) {
        mn_buffer_append_str(out, word);
        return;
    }
    if (kind != VALUE_STRING && valid_json(text, n, &type)
        && (type != JSON_STRING || kind == VALUE_JSON)
        && (kind != VALUE_NUMBER || type == JSON_REAL || type == JSON_INTEGER)) {
        mn_buffer_append(out, text, n);
        return;
    }
    if ((kind == VALUE_JSON || kind == VALUE_GUESS) && n
        && (*text == '[' || *text == '{')) {
        size_t mark = out->len;     /* a list or dict as Python prints it */
        if (python_value(out, text, n)) return;
        if (out->len > mark) out->len = mark;
    }
    write_string(out, s, len);
}

/* ---- literals ---------------------------------------------------------------------- */

typedef struct {
    const char *s, *end;
    mn_buffer *out;
    bool is_gemma;
    int depth;
} reader;

static bool value(reader *r);

static void space(reader *r)
{
    while (r->s < r->end && is_space(*r->s)) r->s++;
}

static bool eat(reader *r, char c)
{
    space(r);
    if (r->s == r->end || *r->s != c) return false;
    r->s++;
    return true;
}

static bool eat_word(reader *r, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(r->end - r->s) < n || memcmp(r->s, word, n)) return false;
    r->s += n;
    return true;
}

static const char gemma_quote[] = "<|\"|>";

static bool gemma_string(reader *r)
{
    size_t n = sizeof gemma_quote - 1;
    const char *close = memmem(r->s, (size_t)(r->end - r->s), gemma_quote, n);
    if (!close) return false;
    write_string(r->out, r->s, (size_t)(close - r->s));
    r->s = close + n;
    return true;
}

static unsigned hex(const char *s, int n)
{
    char digits[9] = "";
    memcpy(digits, s, (size_t)n);
    return (unsigned)strtoul(digits, NULL, 16);
}

static bool all_hex(const char *s, int n)
{
    for (int i = 0; i < n; i++)
        if (!strchr("0123456789abcdefABCDEF", s[i]) || !s[i]) return false;
    return true;
}

/* A Python string whose opening quotes are taken; JSON needs other escapes. */
static bool python_string(reader *r, char quote, bool triple)
{
    static const char from[] = "nrtbfav0", to[] = "\n\r\t\b\f\a\v";
    mn_buffer text = { 0 };
    bool closed = false;
    while (r->s < r->end && !closed) {
        char c = *r->s++;
        if (c == quote && !triple) {
            closed = true;
        } else if (c == quote && r->end - r->s >= 2 && r->s[0] == quote
                   && r->s[1] == quote) {
            r->s += 2;
            closed = true;
        } else if (c != '\\' || r->s == r->end) {
            mn_buffer_append_byte(&text, c);
        } else {
            char e = *r->s++;
            const char *known = e ? strchr(from, e) : NULL;
            int n = e == 'x' ? 2 : e == 'u' ? 4 : e == 'U' ? 8 : 0;
            if (known) {
                mn_buffer_append_byte(&text, to[known - from]);
            } else if (n && r->end - r->s >= n && all_hex(r->s, n)) {
                mn_buffer_append_codepoint(&text, hex(r->s, n));
                r->s += n;
            } else if (e != '\n') {
                if (e != '\'' && e != '"' && e != '\\')
                    mn_buffer_append_byte(&text, '\\');
                mn_buffer_append_byte(&text, e);
            }
        }
    }
    if (closed) write_string(r->out, text.data ? text.data : "", text.len);
    mn_buffer_clear(&text);
    return closed;
}

static bool string(reader *r)
{
    if (r->is_gemma && eat_word(r, gemma_quote)) return gemma_string(r);
    char quote = *r->s++;
    bool triple = r->end - r->s >= 2 && r->s[0] == quote && r->s[1] == quote;
    if (triple) r->s += 2;
    return python_string(r, quote, triple);
}

static bool at_string(const reader *r)
{
    if (r->s == r->end) return false;
    if (*r->s == '"' || *r->s == '\'') return true;
    return r->is_gemma && (size_t)(r->end - r->s) >= sizeof gemma_quote - 1
        && !memcmp(r->s, gemma_quote, sizeof gemma_quote - 1);
}

/* A number, a word, or anything else up to the next comma or bracket. */
static bool plain(reader *r)
{
    const char *start = r->s;
    json_type type;
    while (r->s < r->end && !strchr(",]})", *r->s)) r->s++;
    const char *text = start;
    size_t len = (size_t)(r->s - start);
    trim(&text, &len);
    if (!len) return false;
    const char *word = json_word(text, len);
    if (word) mn_buffer_append_str(r->out, word);
    else if (valid_json(text, len, &type)) mn_buffer_append(r->out, text, len);
    else write_string(r->out, text, len);
    return true;
}

static bool list(reader *r, char close)
{
    mn_buffer_append_byte(r->out, '[');
    for (bool first = true; !eat(r, close); first = false) {
        if (!first && !eat(r, ',')) return false;
        if (!first && eat(r, close)) break;
        if (!first) mn_buffer_append_str(r->out, ", ");
        if (!value(r)) return false;
    }
    mn_buffer_append_byte(r->out, ']');
    return true;
}

/* Bare words are keys as well. */
static bool key(reader *r, char separator)
{
    space(r);
    if (at_string(r)) {
        if (!string(r)) return false;
    } else {
        const char *start = r->s;
        while (r->s < r->end && *r->s != separator && !strchr(",]})", *r->s)) r->s++;
        size_t len = (size_t)(r->s - start);
        trim(&start, &len);
        write_string(r->out, start, len);
    }
    return eat(r, separator);
}

static bool dict(reader *r)
{
    mn_buffer_append_byte(r->out, '{');
    for (bool first = true; !eat(r, '}'); first = false) {
        if (!first && !eat(r, ',')) return false;
        if (!first && eat(r, '}')) break;
        if (!first) mn_buffer_append_str(r->out, ", ");
        if (!key(r, ':')) return false;
        mn_buffer_append_str(r->out, ": ");
        if (!value(r)) return false;
    }
    mn_buffer_append_byte(r->out, '}');
    return true;
}

static bool value(reader *r)
{
    space(r);
    if (r->s == r->end || ++r->depth > MOST_DEPTH) return false;
    bool ok;
    if (at_string(r)) ok = string(r);
    else if (eat(r, '[')) ok = list(r, ']');
    else if (eat(r, '(')) ok = list(r, ')');
    else if (eat(r, '{')) ok = dict(r);
    else ok = plain(r);
    r->depth--;
    return ok;
}

static bool python_value(mn_buffer *out, const char *s, size_t len)
{
    reader r = { s, s + len, out, false, 0 };
    if (!value(&r)) return false;
    space(&r);
    return r.s == r.end;
}

/* Does `name=` come next, rather than a value? */
static bool at_keyword(const reader *r)
{
    const char *s = r->s;
    while (s < r->end
           && (*s == '_' || (*s >= '0' && *s <= '9') || (unsigned char)*s >= 0x80
               || ((*s | 32) >= 'a' && (*s | 32) <= 'z')))
        s++;
    if (s == r->s) return false;
    while (s < r->end && is_space(*s)) s++;
    return s < r->end && *s == '=' && (s + 1 == r->end || s[1] != '=');
}

/* The name of the i-th parameter, for positional arguments. */
static void positional_key(mn_buffer *out, const json_t *properties, int i)
{
    json_t *p = (json_t *)(uintptr_t)properties;
    int at = 0;
    for (void *it = json_object_iter(p); it; it = json_object_iter_next(p, it), at++) {
        if (at != i) continue;
        write_string(out, json_object_iter_key(it), strlen(json_object_iter_key(it)));
        return;
    }
    mn_buffer_append_fmt(out, "\"%d\"", i);
}

bool mn_chat_write_python(mn_buffer *out, const json_t *properties, const char *s,
                          size_t len)
{
    reader r = { s, s + len, out, false, 0 };
    size_t mark = out->len;
    mn_buffer_append_byte(out, '{');
    for (int i = 0;; i++) {
        space(&r);
        if (r.s == r.end) break;
        if (i) {
            if (!eat(&r, ',')) goto fail;
            space(&r);
            if (r.s == r.end) break;
            mn_buffer_append_str(out, ", ");
        }
        if (!at_keyword(&r)) positional_key(out, properties, i);
        else if (!key(&r, '=')) goto fail;
        mn_buffer_append_str(out, ": ");
        if (!value(&r)) goto fail;
    }
    mn_buffer_append_byte(out, '}');
    return true;
fail:
    out->len = mark;
    return false;
}

bool mn_chat_write_gemma(mn_buffer *out, const char *s, size_t len)
{
    reader r = { s, s + len, out, true, 0 };
    size_t mark = out->len;
    mn_buffer_append_byte(out, '{');
    for (bool first = true;; first = false) {
        space(&r);
        if (r.s == r.end) break;
        if (!first) {
            if (!eat(&r, ',')) goto fail;
            mn_buffer_append_str(out, ", ");
        }
        if (!key(&r, ':')) goto fail;
        mn_buffer_append_str(out, ": ");
        if (!value(&r)) goto fail;
    }
    mn_buffer_append_byte(out, '}');
    return true;
fail:
    out->len = mark;
    return false;
}
