/* Values as text: str(), repr(), HTML escaping, and numbers to and from text, all as
 * Python writes them and whatever the locale says about decimal points.
 *
 * Floats are written with the fewest digits that read back as the same number.
 */
#include "base/utf8.h"
#include "text/jinja_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ----------------------------------------------------------------------- */

/* The locale's decimal separator stands between the digits of 1.5. */
static int separator(char out[8])
{
    char sample[16];
    int n = snprintf(sample, sizeof sample, "%.1f", 1.5) - 2;
    if (n < 1 || n > 7) n = 1;
    memcpy(out, sample + 1, (size_t)n);
    out[n] = 0;
    return n;
}

double mn_j_strtod(const char *s)
{
    char local[512], sep[8];
    const char *dot = strchr(s, '.');
    int n = separator(sep);
    if (!dot || (n == 1 && sep[0] == '.') || strlen(s) + 8 > sizeof local)
        return strtod(s, NULL);
    snprintf(local, sizeof local, "%.*s%s%s", (int)(dot - s), s, sep, dot + 1);
    return strtod(local, NULL);
}

int mn_j_print_float(char *out, size_t size, char conversion, int precision, double f)
{
    char format[] = { '%', '.', '*', conversion, 0 }, sep[8];
    int n = snprintf(out, size, format, precision, f), len = separator(sep);
    if (n < 0 || (size_t)n >= size || (len == 1 && sep[0] == '.')) return n;
    char *at = strstr(out, sep);
    if (!at) return n;
    *at = '.';
    memmove(at + 1, at + len, strlen(at + len) + 1);
    return n - len + 1;
}

void mn_j_write_float(mn_buffer *b, double f)
{
    if (isnan(f)) {
        mn_buffer_append_str(b, "nan");
        return;
    }
    if (isinf(f)) {
        mn_buffer_append_str(b, f < 0 ? "-inf" : "inf");
        return;
    }
    char text[40], digits[24];
    /* 15 digits hold every shorter one too, but for subnormals, which have fewer bits. */
    int precision = fabs(f) < 2.3e-308 ? 0 : 14;
    for (; precision < 17; precision++) {
        mn_j_print_float(text, sizeof text, 'e', precision, f);
        if (mn_j_strtod(text) == f) break;
        /* Below a power of two numbers lie closer, so that the nearest 16 digits may miss
         * it where the next ones do not. */
        int exponent;
        char *last = strchr(text, 'e') - 1;
        if (precision < 15 || *last == '9' || fabs(frexp(f, &exponent)) != 0.5) continue;
        ++*last;
        if (mn_j_strtod(text) == f) break;
    }
    int n = 0, exponent = atoi(strchr(text, 'e') + 1);
    for (const char *p = text; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0') n--;
    if (signbit(f)) mn_buffer_append_byte(b, '-');
    if (exponent < -4 || exponent >= 16) {
        mn_buffer_append(b, digits, 1);
        if (n > 1) {
            mn_buffer_append_byte(b, '.');
            mn_buffer_append(b, digits + 1, (size_t)n - 1);
        }
        mn_buffer_append_fmt(b, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    if (exponent < 0) {
        mn_buffer_append_str(b, "0.");
        for (int i = -1; i > exponent; i--) mn_buffer_append_byte(b, '0');
        mn_buffer_append(b, digits, (size_t)n);
        return;
    }
    for (int i = 0; i <= exponent || i < n; i++) {
        if (i == exponent + 1) mn_buffer_append_byte(b, '.');
        mn_buffer_append_byte(b, i < n ? digits[i] : '0');
    }
    if (n <= exponent + 1) mn_buffer_append_str(b, ".0");
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if ((c | 32) >= 'a' && (c | 32) <= 'z') return (c | 32) - 'a' + 10;
    return 99;
}

/* int(text, base): white space, sign, prefix, single underscores between digits. */
bool mn_j_parse_int(const char *s, size_t len, int base, int64_t *out, bool *overflow)
{
    mn_jvalue t = mn_j_strip(mn_j_str(s, len), NULL, true, true);
    size_t i = 0;
    *overflow = false;
    bool negative = t.len && t.s[0] == '-';
    if (t.len && (t.s[0] == '-' || t.s[0] == '+')) i++;
    if (i + 1 < t.len && t.s[i] == '0') {
        char c = (char)(t.s[i + 1] | 32);
        int prefix = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
        if (prefix && (base == prefix || base == 0)) {
            base = prefix;
            i += 2;
            if (i < t.len && t.s[i] == '_') i++;
        }
    }
    bool zero_only = base == 0 && i < t.len && t.s[i] == '0';
    if (base == 0) base = 10;
    uint64_t v = 0;
    bool last_digit = false;
    for (; i < t.len; i++) {
        if (t.s[i] == '_' && last_digit) {
            last_digit = false;
            continue;
        }
        int d = digit_value(t.s[i]);
        if (d >= base || (zero_only && d != 0)) return false;
        last_digit = true;
        if (__builtin_mul_overflow(v, (uint64_t)base, &v)
            || __builtin_add_overflow(v, (uint64_t)d, &v)) *overflow = true;
    }
    if (!last_digit) return false;
    if (v > (uint64_t)INT64_MAX + negative) *overflow = true;
    *out = negative ? (int64_t)(0 - v) : (int64_t)v;
    return !*overflow;
}

bool mn_j_parse_float(const char *s, size_t len, double *out)
{
    char text[512];
    mn_jvalue t = mn_j_strip(mn_j_str(s, len), NULL, true, true);
    if (t.len >= sizeof text) return false;
    size_t n = 0, digits = 0;
    for (uint32_t i = 0; i < t.len; i++) {
        char c = t.s[i];
        bool is_digit = c >= '0' && c <= '9';
        if (c == '_') {
            if (i == 0 || i + 1 == t.len || digit_value(t.s[i - 1]) > 9
                || digit_value(t.s[i + 1]) > 9) return false;
            continue;
        }
        digits += is_digit;
        if (!is_digit && !strchr("+-.eE", c)) digits = SIZE_MAX / 2;     /* words only */
        text[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
    }
    text[n] = 0;
    if (digits >= SIZE_MAX / 2) {
        const char *word = text + (text[0] == '+' || text[0] == '-');
        double f = !strcmp(word, "inf") || !strcmp(word, "infinity") ? INFINITY : NAN;
        if (isnan(f) && strcmp(word, "nan")) return false;
        *out = text[0] == '-' ? -f : f;
        return true;
    }
    /* [sign] digits [. digits] [e [sign] digits] */
    const char *p = text + (text[0] == '+' || text[0] == '-');
    size_t before = strspn(p, "0123456789"), after = 0;
    p += before;
    if (*p == '.') p += 1 + (after = strspn(p + 1, "0123456789"));
    if (before + after == 0) return false;
    if (*p == 'e') {
        p += 1 + (p[1] == '+' || p[1] == '-');
        size_t exponent = strspn(p, "0123456789");
        if (!exponent) return false;
        p += exponent;
    }
    if (*p) return false;
    *out = mn_j_strtod(text);
    return true;
}

/* ---- str and repr ------------------------------------------------------------------ */

void mn_j_write_str_repr(mn_buffer *b, const char *s, size_t len, bool ascii_only)
{
    bool has_single = memchr(s, '\'', len) != NULL;
    char quote = has_single && !memchr(s, '"', len) ? '"' : '\'';
    mn_buffer_append_byte(b, quote);
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        int n = mn_utf8_decode(s + i, len - i, &cp);
        if (cp == (uint32_t)quote || cp == '\\')
            mn_buffer_append_fmt(b, "\\%c", (char)cp);
        else if (cp == '\n') mn_buffer_append_str(b, "\\n");
        else if (cp == '\r') mn_buffer_append_str(b, "\\r");
        else if (cp == '\t') mn_buffer_append_str(b, "\\t");
        else if (mn_j_is_printable(cp) && (cp < 0x80 || !ascii_only))
            mn_buffer_append(b, s + i, (size_t)n);
        else
            mn_buffer_append_fmt(b, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x"
                                                                         : "\\U%08x", cp);
        i += (size_t)n;
    }
    mn_buffer_append_byte(b, quote);
}

static bool write_items(mn_jrun *r, mn_buffer *b, mn_jvalue v, char open, char close)
{
    mn_buffer_append_byte(b, open);
    for (uint32_t i = 0; i < v.len; i++) {
        if (i) mn_buffer_append_str(b, ", ");
        if (!mn_j_write_repr(r, b, v.items[i])) return false;
    }
    if (v.type == J_TUPLE && v.len == 1) mn_buffer_append_byte(b, ',');
    mn_buffer_append_byte(b, close);
    return true;
}

static bool write_dict(mn_jrun *r, mn_buffer *b, const mn_jdict *d)
{
    mn_buffer_append_byte(b, '{');
    for (uint32_t i = 0; i < d->n; i++) {
        if (i) mn_buffer_append_str(b, ", ");
        if (!mn_j_write_repr(r, b, d->entries[i].key)) return false;
        mn_buffer_append_str(b, ": ");
        if (!mn_j_write_repr(r, b, d->entries[i].value)) return false;
    }
    mn_buffer_append_byte(b, '}');
    return true;
}

static bool write_view(mn_jrun *r, mn_buffer *b, mn_jvalue v)
{
    mn_buffer_append_str(b, mn_j_type_name(v));
    mn_buffer_append_str(b, "([");
    for (uint32_t i = 0; i < v.dict->n; i++) {
        const mn_jentry *e = &v.dict->entries[i];
        mn_jvalue pair[2] = { e->key, e->value }, item = mn_j_tuple(pair, 2);
        if (v.flags != J_ITEMS) item = v.flags == J_KEYS ? e->key : e->value;
        if (i) mn_buffer_append_str(b, ", ");
        if (!mn_j_write_repr(r, b, item)) return false;
    }
    mn_buffer_append_str(b, "])");
    return true;
}

static bool write_nested(mn_jrun *r, mn_buffer *b, mn_jvalue v)
{
    int64_t n;
    switch (v.type) {
    case J_LIST: return write_items(r, b, v, '[', ']');
    case J_TUPLE: return write_items(r, b, v, '(', ')');
    case J_DICT: return write_dict(r, b, v.dict);
    case J_VIEW: return write_view(r, b, v);
    case J_NAMESPACE:
        mn_buffer_append_str(b, "<Namespace ");
        if (!write_dict(r, b, v.dict)) return false;
        mn_buffer_append_byte(b, '>');
        return true;
    case J_LOOP:
        if (!mn_j_loop_length(r, v.loop, &n)) return false;
        mn_buffer_append_fmt(b, "<LoopContext %lld/%lld>", (long long)v.loop->index0 + 1,
                             (long long)n);
        return true;
    default:
        return true;
    }
}

static void write_object(mn_buffer *b, mn_jvalue v)
{
    switch (v.type) {
    case J_MACRO:
        mn_buffer_append_str(b, "<Macro ");
        if (v.macro->node->kind == N_MACRO)
            mn_j_write_str_repr(b, v.macro->node->macro->name.s,
                                v.macro->node->macro->name.len, false);
        else mn_buffer_append_str(b, "anonymous");
        mn_buffer_append_byte(b, '>');
        return;
    case J_FUNCTION: mn_buffer_append_fmt(b, "<function %s>", v.function->name); return;
    case J_METHOD:
        mn_buffer_append_fmt(b, "<built-in method %s of %s object>",
                             v.method->function->name, mn_j_type_name(v.method->self));
        return;
    case J_SELF: mn_buffer_append_str(b, "<TemplateReference None>"); return;
    default: mn_buffer_append_fmt(b, "<%s object>", mn_j_type_name(v)); return;
    }
}

bool mn_j_write_repr(mn_jrun *r, mn_buffer *b, mn_jvalue v)
{
    if (!mn_j_spend(r, 1)) return false;
    switch (v.type) {
    case J_MISSING: case J_UNDEFINED: mn_buffer_append_str(b, "Undefined"); break;
    case J_NONE: mn_buffer_append_str(b, "None"); break;
    case J_BOOL: mn_buffer_append_str(b, v.b ? "True" : "False"); break;
    case J_INT: mn_buffer_append_fmt(b, "%lld", (long long)v.i); break;
    case J_FLOAT:
        mn_j_write_float(b, v.f);
        return mn_j_spend(r, 20);
    case J_STR:
        if (!mn_j_spend_bytes(r, v.len)) return false;
        if (v.flags & J_MARKUP) mn_buffer_append_str(b, "Markup(");
        mn_j_write_str_repr(b, v.s, v.len, false);
        if (v.flags & J_MARKUP) mn_buffer_append_byte(b, ')');
        break;
    case J_RANGE: {
        const mn_jrange *g = v.range;
        mn_buffer_append_fmt(
            b, g->step == 1 ? "range(%lld, %lld)" : "range(%lld, %lld, %lld)",
            (long long)g->start, (long long)g->stop, (long long)g->step);
        break;
    }
    case J_LIST: case J_TUPLE: case J_DICT: case J_VIEW: case J_NAMESPACE: case J_LOOP: {
        if (!mn_j_data_enter(r)) return false;
        bool ok = write_nested(r, b, v);
        mn_j_data_leave(r);
        return ok && mn_j_check(r, b);
    }
    default: write_object(b, v); break;
    }
    return true;
}

bool mn_j_write(mn_jrun *r, mn_buffer *b, mn_jvalue v)
{
    if (v.type == J_UNDEFINED) return true;
    if (v.type != J_STR) return mn_j_write_repr(r, b, v);
    mn_buffer_append(b, v.s, v.len);
    return mn_j_spend_bytes(r, v.len);
}

bool mn_j_to_str(mn_jrun *r, mn_jvalue v, mn_jvalue *out)
{
    *out = v;
    out->flags = 0;
    if (v.type == J_STR) return true;
    size_t mark = mn_j_mark(r);
    return mn_j_write(r, &r->scratch, v) && mn_j_take(r, mark, out);
}

bool mn_j_to_soft_str(mn_jrun *r, mn_jvalue v, mn_jvalue *out)
{
    *out = v;
    return v.type == J_STR || mn_j_to_str(r, v, out);
}

/* ---- HTML -------------------------------------------------------------------------- */

void mn_j_write_escaped(mn_buffer *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        switch (s[i]) {
        case '&': mn_buffer_append_str(b, "&amp;"); break;
        case '<': mn_buffer_append_str(b, "&lt;"); break;
        case '>': mn_buffer_append_str(b, "&gt;"); break;
        case '\'': mn_buffer_append_str(b, "&#39;"); break;
        case '"': mn_buffer_append_str(b, "&#34;"); break;
        default: mn_buffer_append_byte(b, s[i]); break;
        }
    }
}

bool mn_j_escape(mn_jrun *r, mn_jvalue v, mn_jvalue *out)
{
    *out = v;
    if (v.type == J_STR && (v.flags & J_MARKUP)) return true;
    mn_jvalue s;
    if (!mn_j_to_str(r, v, &s) || !mn_j_spend_bytes(r, s.len)) return false;
    size_t mark = mn_j_mark(r);
    mn_j_write_escaped(&r->scratch, s.s, s.len);
    if (!mn_j_take(r, mark, out)) return false;
    out->flags = J_MARKUP;
    return true;
}
