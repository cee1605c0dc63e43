/* Formatting: '%s' % x and '{}'.format(x), with Python's mini-languages.
 *
 *   %[(key)][flags][width][.precision]conversion
 *   {[field][!conversion][:[[fill]align][sign][#][0][width][,_][.precision][type]]}
 *
 * Both come down to a `spec` and one way of writing numbers and padding.  Widths are
 * bounded by the memory budget, precisions by MOST_PRECISION.
 */
#include "base/utf8.h"
#include "text/jinja_run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PRECISION = 4000 };

typedef struct {
    char fill[4];
    int fill_len;               /* 0: none given */
    char align;                 /* < > ^ = or 0 */
    char sign;                  /* + - space, or 0 */
    bool alternate, zero;
    int64_t width, precision;   /* -1: none */
    char group;                 /* , _ or 0 */
    char type;                  /* 0: none */
} spec;

static bool invalid(mn_jrun *r, const char *what)
{
    return mn_j_fail(r, MINERVA_INVALID, "%s", what);
}

/* ---- padding ----------------------------------------------------------------------- */

static bool pad(mn_jrun *r, const spec *s, char default_align, const char *text,
                size_t len)
{
    int64_t n = mn_j_count(mn_j_str(text, len)), gap = s->width > n ? s->width - n : 0;
    char align = s->align ? s->align : default_align;
    int64_t left = align == '<' ? 0 : align == '^' ? gap / 2 : gap;
    const char *fill = s->fill_len ? s->fill : " ";
    size_t fill_len = s->fill_len ? (size_t)s->fill_len : 1;
    if (!mn_j_pad(r, fill, fill_len, (uint64_t)left)) return false;
    mn_buffer_append(&r->scratch, text, len);
    return mn_j_pad(r, fill, fill_len, (uint64_t)(gap - left))
        && mn_j_check(r, &r->scratch);
}

/* Digits with separators, at least `least` characters wide with leading zeros. */
static bool write_grouped(mn_jrun *r, const char *digits, size_t n, char group, int size,
                          int64_t least)
{
    uint64_t total = n, shown = group ? n + (n - 1) / (size_t)size : n;
    if (!mn_j_room(r, (uint64_t)least)) return false;
    while ((int64_t)shown < least) {        /* one zero more, and its separator */
        total++;
        shown = group ? total + (total - 1) / (uint64_t)size : total;
        if (!group) {
            total = shown = (uint64_t)least;
        }
    }
    if (!mn_j_room(r, shown)) return false;
    for (uint64_t i = 0; i < total; i++) {
        if (group && i && (total - i) % (uint64_t)size == 0)
            mn_buffer_append_byte(&r->scratch, group);
        mn_buffer_append_byte(&r->scratch, i < total - n ? '0' : digits[i - (total - n)]);
    }
    return true;
}

/* sign prefix digits rest, padded: ("-", "0x", "ff", "") or ("", "", "12", ".50"). */
static bool write_number(mn_jrun *r, const spec *s, bool negative, const char *prefix,
                         const char *digits, size_t n, const char *rest)
{
    char sign[2] = { negative ? '-' : s->sign == '+' || s->sign == ' ' ? s->sign : 0, 0 };
    size_t fixed = strlen(sign) + strlen(prefix) + strlen(rest);
    bool zeros = s->align == '=' && s->fill_len == 1 && s->fill[0] == '0';
    int64_t least = zeros && s->width > (int64_t)fixed ? s->width - (int64_t)fixed : 0;
    int size = strchr("xXob", s->type ? s->type : ' ') ? 4 : 3;
    size_t mark = mn_j_mark(r), from = mark;
    mn_jvalue body;
    if (s->align == '=' && !zeros) {        /* fill between sign and digits */
        mn_buffer_append_str(&r->scratch, sign);
        mn_buffer_append_str(&r->scratch, prefix);
        from = mn_j_mark(r);
        if (!write_grouped(r, digits, n, s->group, size, 0)) return false;
        mn_buffer_append_str(&r->scratch, rest);
        if (!mn_j_take(r, from, &body)) return false;
        spec inner = *s;
        inner.width -= (int64_t)strlen(sign) + (int64_t)strlen(prefix);
        inner.align = '>';
        return pad(r, &inner, '>', body.s, body.len);
    }
    mn_buffer_append_str(&r->scratch, sign);
    mn_buffer_append_str(&r->scratch, prefix);
    if (!write_grouped(r, digits, n, s->group, size, least)) return false;
    mn_buffer_append_str(&r->scratch, rest);
    return mn_j_take(r, mark, &body) && pad(r, s, '>', body.s, body.len);
}

/* ---- integers ---------------------------------------------------------------------- */

static size_t digits_of(uint64_t v, unsigned base, bool upper, char out[65])
{
    char reversed[65];
    size_t n = 0;
    do {
        unsigned d = (unsigned)(v % base);
        reversed[n++] = (char)(d < 10 ? '0' + d : (upper ? 'A' : 'a') + d - 10);
        v /= base;
    } while (v);
    for (size_t i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
    return n;
}

static bool write_int(mn_jrun *r, const spec *s, int64_t i)
{
    char digits[65];
    bool upper = s->type == 'X';
    unsigned base = s->type == 'x' || upper ? 16
                  : s->type == 'o'          ? 8
                  : s->type == 'b'          ? 2
                                            : 10;
    size_t n = digits_of(i < 0 ? 0 - (uint64_t)i : (uint64_t)i, base, upper, digits);
    const char *prefix = !s->alternate || base == 10 ? ""
                       : base == 16                  ? upper ? "0X" : "0x"
                       : base == 8                   ? "0o"
                                                     : "0b";
    return write_number(r, s, i < 0, prefix, digits, n, "");
}

/* ---- floats ------------------------------------------------------------------------ */

/* The number without sign, as C's conversion writes it; in the arena. */
static bool float_text(mn_jrun *r, double f, char type, int64_t precision, bool alternate,
                       char **out)
{
    if (precision > MOST_PRECISION)
        return mn_j_fail(r, MINERVA_LIMIT, "a precision of more than %d digits",
                         MOST_PRECISION);
    char conversion = (char)(type | 32) == 'n' || !type ? 'g' : type == '%' ? 'f' : type;
    size_t size = (size_t)precision + 400;
    char *text = *out = mn_j_alloc(r, size, 1);
    if (!text) return false;
    mn_j_print_float(text, size, conversion, (int)precision, f);
    if (!alternate) return true;
    /* '#': always a point, and %g keeps its zeros. */
    char *e = strpbrk(text, "eE"), tail[16] = "";
    if (e) {
        snprintf(tail, sizeof tail, "%s", e);
        *e = 0;
    }
    size_t n = strlen(text), digits = 0;
    bool has_point = strchr(text, '.') != NULL, counting = false;
    if (!has_point) text[n++] = '.';
    for (size_t i = 0; i < n; i++) {
        counting |= text[i] >= '1' && text[i] <= '9';
        digits += counting && text[i] != '.';
    }
    bool is_g = (conversion | 32) == 'g';
    if (is_g && !counting) digits = 1;
    for (int64_t want = precision ? precision : 1; is_g && (int64_t)digits < want;
         digits++)
        text[n++] = '0';
    snprintf(text + n, size - n, "%s", tail);
    return true;
}

/* 1.50e+01 -> 1.5e+01 */
static void drop_zeros(char *text)
{
    char *e = strchr(text, 'e'), *end = e;
    if (!e || !strchr(text, '.')) return;
    while (end[-1] == '0') end--;
    if (end[-1] == '.') end--;
    memmove(end, e, strlen(e) + 1);
}

static bool write_float(mn_jrun *r, const spec *s, double f)
{
    bool negative = signbit(f) && !isnan(f), upper = s->type == 'E' || s->type == 'F'
                                                  || s->type == 'G';
    f = fabs(f);
    char *text;
    if (s->type == '%') f *= 100;
    if (isnan(f) || isinf(f)) {
        const char *word = isnan(f) ? upper ? "NAN" : "nan" : upper ? "INF" : "inf";
        spec plain = *s;
        plain.group = 0;
        return write_number(r, &plain, negative, "", word, 3, s->type == '%' ? "%" : "");
    }
    if (!s->type && s->precision < 0) {
        size_t mark = mn_j_mark(r);
        mn_jvalue repr;
        mn_j_write_float(&r->scratch, f);
        if (!mn_j_take(r, mark, &repr) || !(text = mn_j_alloc(r, repr.len + 1, 1)))
            return false;
        memcpy(text, repr.s, repr.len);
    } else {
        int64_t precision = s->precision < 0 ? 6 : s->precision;
        if (!s->type && precision == 0) precision = 1;
        if (!float_text(r, f, s->type, precision, s->alternate, &text)) return false;
        /* Without a type a float keeps looking like one: 1.0, and 1e+01 for 10.0. */
        if (!s->type && !strpbrk(text, "e.")) {
            if (strlen(text) >= (size_t)precision) {
                if (!float_text(r, f, 'e', precision - 1, s->alternate, &text))
                    return false;
                if (!s->alternate) drop_zeros(text);
            } else {
                strcat(text, ".0");
            }
        }
    }
    size_t n = strspn(text, "0123456789");
    char *rest = mn_j_alloc(r, strlen(text + n) + 2, 1);
    if (!rest) return false;
    strcpy(rest, text + n);
    if (s->type == '%') strcat(rest, "%");
    return write_number(r, s, negative, "", text, n, rest);
}

/* ---- {} ---------------------------------------------------------------------------- */

static bool parse_number(mn_jvalue text, uint32_t *at, int64_t *out)
{
    uint32_t start = *at;
    for (*out = 0; *at < text.len && text.s[*at] >= '0' && text.s[*at] <= '9'; ++*at)
        if (*out < INT32_MAX) *out = *out * 10 + (text.s[*at] - '0');
    return *at > start;
}

static bool is_align(mn_jvalue t, uint32_t at)
{
    return at < t.len && t.s[at] && strchr("<>^=", t.s[at]);
}

static bool parse_spec(mn_jrun *r, mn_jvalue t, spec *s)
{
    *s = (spec){ .width = -1, .precision = -1 };
    uint32_t at = 0;
    if (t.len) {
        uint32_t cp;
        int n = mn_utf8_decode(t.s, t.len, &cp);
        if (is_align(t, (uint32_t)n)) {
            memcpy(s->fill, t.s, (size_t)n);
            s->fill_len = n;
            s->align = t.s[n];
            at = (uint32_t)n + 1;
        } else if (is_align(t, 0)) {
            s->align = t.s[at++];
        }
    }
    if (at < t.len && (t.s[at] == '+' || t.s[at] == '-' || t.s[at] == ' '))
        s->sign = t.s[at++];
    if (at < t.len && t.s[at] == '#') s->alternate = t.s[at++] != 0;
    if (at < t.len && t.s[at] == '0') {
        s->zero = true;
        at++;
        if (!s->fill_len) {
            s->fill[0] = '0';
            s->fill_len = 1;
        }
        if (!s->align) s->align = '=';
    }
    if (!parse_number(t, &at, &s->width)) s->width = -1;
    if (at < t.len && (t.s[at] == ',' || t.s[at] == '_')) s->group = t.s[at++];
    if (at < t.len && t.s[at] == '.') {
        at++;
        if (!parse_number(t, &at, &s->precision))
            return invalid(r, "Format specifier missing precision");
    }
    if (at < t.len) s->type = t.s[at++];
    if (at < t.len) return invalid(r, "Invalid format specifier");
    return true;
}

static bool bad_type(mn_jrun *r, const spec *s, mn_jvalue v)
{
    return mn_j_fail(r, MINERVA_INVALID,
                     "Unknown format code '%c' for object of type '%s'", s->type,
                     mn_j_type_name(v));
}

static bool format_str(mn_jrun *r, const spec *given, mn_jvalue v)
{
    spec s = *given;
    if (s.type && s.type != 's') return bad_type(r, &s, v);
    if (s.align == '=' && s.zero) s.align = '<';    /* 05 is fill 0, at the left */
    if (s.align == '=' || s.sign || s.alternate || s.group)
        return invalid(
            r, "'=', signs, '#' and grouping are not allowed in a string's format");
    size_t len = v.len;
    if (s.precision >= 0) len = mn_j_offset_of(v.s, v.len, s.precision);
    return pad(r, &s, '<', v.s, len);
}

static bool format_int(mn_jrun *r, const spec *s, int64_t i)
{
    if (s->type && strchr("eEfFgG%", s->type)) return write_float(r, s, (double)i);
    if (s->precision >= 0)
        return invalid(r, "Precision not allowed in integer format specifier");
    if (s->type && !strchr("bcdoxXn", s->type)) return bad_type(r, s, mn_j_int(i));
    if (s->group == ',' && s->type && strchr("bcoxXn", s->type))
        return mn_j_fail(r, MINERVA_INVALID, "Cannot specify ',' with '%c'.", s->type);
    if (s->type != 'c') return write_int(r, s, i);
    if (s->sign || s->alternate || s->group)
        return invalid(r, "Sign and '#' not allowed with integer format specifier 'c'");
    if (i < 0 || i > 0x10FFFF) return invalid(r, "%c arg not in range(0x110000)");
    char utf8[4];
    int n = mn_utf8_encode((uint32_t)i, utf8);
    return pad(r, s, '<', utf8, (size_t)n);
}

/* format(v, spec), appended to scratch. */
static bool format_value(mn_jrun *r, mn_jvalue v, mn_jvalue text)
{
    spec s;
    if (!text.len) return mn_j_write(r, &r->scratch, v);
    if (v.type != J_STR && !mn_j_is_number(v))
        return mn_j_fail(r, MINERVA_INVALID, "unsupported format string passed to "
                         "%s.__format__", mn_j_type_name(v));
    if (!parse_spec(r, text, &s)) return false;
    if (v.type == J_STR) return format_str(r, &s, v);
    if (v.type != J_FLOAT) return format_int(r, &s, mn_j_index_of(v));
    if (s.type && !strchr("eEfFgGn%", s.type)) return bad_type(r, &s, v);
    return write_float(r, &s, v.f);
}

typedef struct {
    const mn_jcall *call;
    const mn_jvalue *mapping;   /* format_map() */
    int64_t automatic;          /* next number for {}; -1: numbers were written out */
    bool escape;
} formatter;

static bool digits_only(mn_jvalue s)
{
    for (uint32_t i = 0; i < s.len; i++)
        if (s.s[i] < '0' || s.s[i] > '9') return false;
    return s.len > 0;
}

/* The argument that a field's first part names. */
static bool argument(mn_jrun *r, formatter *f, mn_jvalue name, mn_jvalue *out)
{
    uint32_t at = 0;
    int64_t i;
    if (!name.len || digits_only(name)) {
        if (name.len ? f->automatic > 0 : f->automatic < 0)
            return invalid(r,
                           "cannot switch between automatic and manual field numbering");
        if (name.len) {
            parse_number(name, &at, &i);
            f->automatic = -1;
        } else {
            i = f->automatic++;
        }
        if (i >= f->call->n_args)
            return mn_j_fail(r, MINERVA_INVALID,
                             "Replacement index %lld out of range for "
                             "positional args tuple",
                             (long long)i);
        *out = f->call->args[i];
        return true;
    }
    if (f->mapping) {
        mn_jentry *e = NULL;
        if (f->mapping->type == J_DICT) e = mn_j_dict_find_str(r, f->mapping->dict, name);
        if (e) *out = e->value;
        if (e) return true;
    }
    for (uint32_t k = 0; k < f->call->n_keywords; k++)
        if (mn_j_str_equal(f->call->keywords[k].name, name)) {
            *out = f->call->keywords[k].value;
            return true;
        }
    return mn_j_fail(r, MINERVA_INVALID, "format: there is no argument '%.*s'",
                     (int)(name.len < 80 ? name.len : 80), name.s);
}

/* first.attribute[item]... */
static bool field_value(mn_jrun *r, formatter *f, mn_jvalue field, mn_jvalue *out)
{
    uint32_t at = 0;
    while (at < field.len && field.s[at] != '.' && field.s[at] != '[') at++;
    if (!argument(r, f, mn_j_str(field.s, at), out)) return false;
    while (at < field.len) {
        bool is_item = field.s[at++] == '[';
        uint32_t start = at;
        while (
            at < field.len
            && (is_item ? field.s[at] != ']' : field.s[at] != '.' && field.s[at] != '['))
            at++;
        mn_jvalue name = mn_j_str(field.s + start, at - start);
        if (!name.len) return invalid(r, "Empty attribute in format string");
        if (is_item) {
            if (at++ == field.len) return invalid(r, "Missing ']' in format string");
            if (at < field.len && field.s[at] != '.' && field.s[at] != '[')
                return invalid(
                    r, "Only '.' or '[' may follow ']' in format field specifier");
            int64_t i;
            uint32_t from = 0;
            if (digits_only(name) && parse_number(name, &from, &i)) name = mn_j_int(i);
            if (!mn_j_getitem(r, *out, name, out)) return false;
        } else {
            mn_jattribute a;
            mn_j_attribute_init(&a, name);
            if (!mn_j_getattr(r, *out, &a, out)) return false;
        }
        if (!mn_j_spend(r, 1)) return false;
    }
    return true;
}

static bool format_text(mn_jrun *r, formatter *f, mn_jvalue t, int depth);

static bool write_field(mn_jrun *r, formatter *f, mn_jvalue field, char conversion,
                        mn_jvalue format_spec, int depth)
{
    mn_jvalue v, expanded = format_spec;
    if (!field_value(r, f, field, &v)) return false;
    size_t mark = mn_j_mark(r);
    if (conversion == 'r' || conversion == 'a') {
        if (!mn_j_write_repr(r, &r->scratch, v) || !mn_j_take(r, mark, &v)) return false;
        if (conversion == 'a') {
            /* repr() again would quote; only what is not ASCII is still to be escaped. */
            for (uint32_t i = 0; i < v.len;) {
                uint32_t cp;
                i += (uint32_t)mn_utf8_decode(v.s + i, v.len - i, &cp);
                if (cp < 0x80) mn_buffer_append_byte(&r->scratch, (char)cp);
                else
                    mn_buffer_append_fmt(&r->scratch,
                                         cp < 0x100     ? "\\x%02x"
                                         : cp < 0x10000 ? "\\u%04x"
                                                        : "\\U%08x",
                                         cp);
            }
            if (!mn_j_take(r, mark, &v)) return false;
        }
    } else if (conversion == 's') {
        if (!mn_j_to_str(r, v, &v)) return false;
    } else if (conversion) {
        return mn_j_fail(r, MINERVA_INVALID, "Unknown conversion specifier %c",
                         conversion);
    }
    if (memchr(format_spec.s, '{', format_spec.len)
        || memchr(format_spec.s, '}', format_spec.len)) {
        if (!format_text(r, f, format_spec, depth - 1)) return false;
        if (!mn_j_take(r, mark, &expanded)) return false;
    }
    if (!f->escape) return format_value(r, v, expanded);
    if (v.type == J_STR && v.flags & J_MARKUP) {
        if (expanded.len)
            return invalid(r, "Unsupported format specification for Markup.");
        return mn_j_write(r, &r->scratch, v);
    }
    mn_jvalue text;
    if (!format_value(r, v, expanded) || !mn_j_take(r, mark, &text)) return false;
    mn_j_write_escaped(&r->scratch, text.s, text.len);
    return true;
}

/* The field that begins behind a '{' at t.s[*at]; moves *at behind its '}'. */
static bool parse_field(mn_jrun *r, formatter *f, mn_jvalue t, uint32_t *at, int depth)
{
    uint32_t start = *at, i = start;
    bool in_brackets = false;
    for (; i < t.len; i++) {
        char c = t.s[i];
        if (c == '{') return invalid(r, "unexpected '{' in field name");
        if (c == '[') in_brackets = true;
        else if (c == ']') in_brackets = false;
        else if (!in_brackets && (c == '}' || c == ':' || c == '!')) break;
    }
    if (i == t.len) return invalid(r, "expected '}' before end of string");
    mn_jvalue field = mn_j_str(t.s + start, i - start), format_spec = mn_j_str("", 0);
    char conversion = 0;
    if (t.s[i] == '!') {
        if (i + 2 >= t.len) return invalid(r, "unmatched '{' in format spec");
        conversion = t.s[i + 1];
        i += 2;
        if (t.s[i] != ':' && t.s[i] != '}')
            return invalid(r, "expected ':' after conversion specifier");
    }
    if (t.s[i] == ':') {
        uint32_t from = ++i;
        for (int nested = 1; i < t.len; i++) {
            nested += t.s[i] == '{' ? 1 : t.s[i] == '}' ? -1 : 0;
            if (!nested) break;
        }
        if (i == t.len) return invalid(r, "unmatched '{' in format spec");
        format_spec = mn_j_str(t.s + from, i - from);
    }
    *at = i + 1;
    return write_field(r, f, field, conversion, format_spec, depth);
}

static bool format_text(mn_jrun *r, formatter *f, mn_jvalue t, int depth)
{
    if (depth < 0) return invalid(r, "Max string recursion exceeded");
    if (!mn_j_spend_bytes(r, t.len)) return false;
    for (uint32_t at = 0; at < t.len;) {
        uint32_t plain = at;
        while (at < t.len && t.s[at] != '{' && t.s[at] != '}') at++;
        mn_buffer_append(&r->scratch, t.s + plain, at - plain);
        if (at == t.len) break;
        char c = t.s[at++];
        if (at < t.len && t.s[at] == c) {
            mn_buffer_append_byte(&r->scratch, c);
            at++;
            continue;
        }
        if (c == '}') return invalid(r, "Single '}' encountered in format string");
        if (at == t.len) return invalid(r, "Single '{' encountered in format string");
        if (!mn_j_spend(r, 1) || !parse_field(r, f, t, &at, depth)) return false;
        if (!mn_j_check(r, &r->scratch)) return false;
    }
    return true;
}

bool mn_j_brace_format(mn_jrun *r, mn_jvalue format, const mn_jcall *call,
                       const mn_jvalue *mapping, mn_jvalue *out)
{
    formatter f = { call, mapping, 0, format.flags & J_MARKUP };
    size_t mark = mn_j_mark(r);
    if (!format_text(r, &f, format, 2) || !mn_j_take(r, mark, out)) return false;
    out->flags = format.flags;
    return true;
}

/* ---- % ----------------------------------------------------------------------------- */

typedef struct {
    mn_jvalue args;             /* a tuple, or one value */
    uint32_t at;
    bool is_tuple, is_mapping, used_key, escape;
} percent;

static bool next_argument(mn_jrun *r, percent *p, mn_jvalue *out)
{
    uint32_t n = p->is_tuple ? p->args.len : 1;
    if (p->at >= n) return invalid(r, "not enough arguments for format string");
    *out = p->is_tuple ? p->args.items[p->at] : p->args;
    p->at++;
    return true;
}

static bool star_or_number(mn_jrun *r, percent *p, mn_jvalue f, uint32_t *at,
                           int64_t *out)
{
    mn_jvalue v;
    if (*at >= f.len || f.s[*at] != '*') {
        parse_number(f, at, out);
        return true;
    }
    ++*at;
    if (!next_argument(r, p, &v)) return false;
    if (!mn_j_is_index(v)) return invalid(r, "* wants int");
    *out = mn_j_index_of(v);
    return true;
}

static bool percent_text(mn_jrun *r, const percent *p, const spec *s, mn_jvalue v)
{
    size_t mark = mn_j_mark(r);
    bool is_markup = v.type == J_STR && v.flags & J_MARKUP && s->type == 's';
    if (s->type == 's') {
        if (!mn_j_to_str(r, v, &v)) return false;
    } else if (s->type == 'a' && v.type == J_STR) {
        mn_j_write_str_repr(&r->scratch, v.s, v.len, true);
        if (!mn_j_take(r, mark, &v)) return false;
    } else if (!mn_j_write_repr(r, &r->scratch, v) || !mn_j_take(r, mark, &v)) {
        return false;
    }
    if (p->escape && !is_markup) {
        v.flags = 0;
        if (!mn_j_escape(r, v, &v)) return false;
    }
    spec plain = { .width = s->width,
                   .precision = -1,
                   .align = s->align == '<' ? '<' : '>' };
    size_t len = s->precision < 0 ? v.len : mn_j_offset_of(v.s, v.len, s->precision);
    return pad(r, &plain, '>', v.s, len);
}

/* Integers: precision is a number of digits. */
static bool percent_int(mn_jrun *r, const spec *given, mn_jvalue v)
{
    spec s = *given;
    bool decimal = s.type == 'd' || s.type == 'i' || s.type == 'u';
    if (v.type == J_UNDEFINED) return mn_j_fail_undefined(r, v);
    if (!mn_j_is_number(v) || (!decimal && v.type == J_FLOAT))
        return mn_j_fail(r, MINERVA_INVALID, "%%%c format: %s is required, not %s",
                         s.type, decimal ? "a real number" : "an integer",
                         mn_j_type_name(v));
    if (v.type == J_FLOAT && !(fabs(v.f) < 9.2e18))
        return mn_j_fail(r, MINERVA_UNSUPPORTED, "integers beyond 64 bits");
    int64_t i = v.type == J_FLOAT ? (int64_t)v.f : mn_j_index_of(v);
    if (decimal) s.type = 'd';
    if (s.precision > MOST_PRECISION)
        return mn_j_fail(r, MINERVA_LIMIT, "a precision of more than %d digits",
                         MOST_PRECISION);
    if (s.precision < 0) return write_int(r, &s, i);
    char digits[65];
    bool upper = s.type == 'X';
    unsigned base = s.type == 'd' ? 10 : s.type == 'o' ? 8 : 16;
    size_t n = digits_of(i < 0 ? 0 - (uint64_t)i : (uint64_t)i, base, upper, digits);
    size_t wide = (size_t)s.precision > n ? (size_t)s.precision : n;
    char *padded = mn_j_alloc(r, wide + 1, 1);
    if (!padded) return false;
    memset(padded, '0', wide - n);
    memcpy(padded + wide - n, digits, n);
    const char *prefix = !s.alternate || base == 10 ? ""
                       : base == 8                  ? "0o"
                       : upper                      ? "0X"
                                                    : "0x";
    return write_number(r, &s, i < 0, prefix, padded, wide, "");
}

static bool percent_char(mn_jrun *r, const spec *s, mn_jvalue v)
{
    char utf8[4];
    spec plain = { .width = s->width,
                   .precision = -1,
                   .align = s->align == '<' ? '<' : '>' };
    if (v.type == J_STR && mn_j_count(v) == 1) return pad(r, &plain, '>', v.s, v.len);
    if (!mn_j_is_index(v)) return invalid(r, "%c requires int or char");
    int64_t i = mn_j_index_of(v);
    if (i < 0 || i > 0x10FFFF) return invalid(r, "%c arg not in range(0x110000)");
    return pad(r, &plain, '>', utf8, (size_t)mn_utf8_encode((uint32_t)i, utf8));
}

static bool percent_float(mn_jrun *r, const spec *s, mn_jvalue v)
{
    if (v.type == J_UNDEFINED) return mn_j_fail_undefined(r, v);
    if (!mn_j_is_number(v))
        return mn_j_fail(r, MINERVA_INVALID, "must be real number, not %s",
                         mn_j_type_name(v));
    return write_float(r, s, mn_j_number_of(v));
}

/* (key) behind a %: sets the argument that the conversion takes. */
static bool percent_key(mn_jrun *r, percent *p, mn_jvalue f, uint32_t *at, mn_jvalue *out)
{
    uint32_t start = ++*at, nested = 1;
    if (!p->is_mapping || p->is_tuple) return invalid(r, "format requires a mapping");
    for (; *at < f.len; ++*at) {
        nested += f.s[*at] == '(' ? 1u : 0u;
        if (f.s[*at] == ')' && --nested == 0) break;
    }
    if (*at == f.len) return invalid(r, "incomplete format key");
    mn_jvalue key = mn_j_str(f.s + start, *at - start);
    ++*at;
    p->used_key = true;
    if (p->args.type == J_UNDEFINED) return mn_j_fail_undefined(r, p->args);
    mn_jentry *e =
        p->args.type == J_DICT ? mn_j_dict_find_str(r, p->args.dict, key) : NULL;
    if (!e) return mn_j_fail(r, MINERVA_INVALID, "format: there is no key '%.*s'",
                             (int)(key.len < 80 ? key.len : 80), key.s);
    *out = e->value;
    return true;
}

/* One conversion; *at stands behind its %. */
static bool convert(mn_jrun *r, percent *p, mn_jvalue f, uint32_t *at)
{
    spec s = { .width = -1, .precision = -1 };
    mn_jvalue v = { 0 };
    if (*at < f.len && f.s[*at] == '(' && !percent_key(r, p, f, at, &v)) return false;
    bool left = false, zero = false;
    for (; *at < f.len && f.s[*at] && strchr("-+ #0", f.s[*at]); ++*at) {
        switch (f.s[*at]) {
        case '-': left = true; break;
        case '0': zero = true; break;
        case '#': s.alternate = true; break;
        case '+': s.sign = '+'; break;
        default: if (!s.sign) s.sign = ' '; break;
        }
    }
    s.width = 0;
    if (!star_or_number(r, p, f, at, &s.width)) return false;
    if (s.width < 0) {
        left = true;
        s.width = s.width < -INT32_MAX ? INT32_MAX : -s.width;
    }
    if (*at < f.len && f.s[*at] == '.') {
        ++*at;
        s.precision = 0;
        if (!star_or_number(r, p, f, at, &s.precision)) return false;
        if (s.precision < 0) s.precision = 0;
    }
    while (*at < f.len && (f.s[*at] == 'h' || f.s[*at] == 'l' || f.s[*at] == 'L')) ++*at;
    if (*at >= f.len) return invalid(r, "incomplete format");
    s.type = f.s[(*at)++];
    if (s.type == '%') {
        mn_buffer_append_byte(&r->scratch, '%');
        return true;
    }
    if (!s.type || !strchr("diouxXeEfFgGcrsa", s.type))
        return mn_j_fail(r, MINERVA_INVALID, "unsupported format character '%c'", s.type);
    if (v.type == J_MISSING && !next_argument(r, p, &v)) return false;
    s.align = left ? '<' : zero ? '=' : '>';
    if (s.align == '=') {
        s.fill[0] = '0';
        s.fill_len = 1;
    }
    if (s.type == 'c') return percent_char(r, &s, v);
    if (strchr("rsa", s.type)) return percent_text(r, p, &s, v);
    return strchr("eEfFgG", s.type) ? percent_float(r, &s, v) : percent_int(r, &s, v);
}

bool mn_j_percent_format(mn_jrun *r, mn_jvalue f, mn_jvalue args, mn_jvalue *out)
{
    percent p = { .args = args, .is_tuple = args.type == J_TUPLE,
                  .is_mapping = args.type == J_DICT || args.type == J_LIST
                             || args.type == J_RANGE || args.type == J_UNDEFINED,
                  .escape = f.flags & J_MARKUP };
    size_t mark = mn_j_mark(r);
    if (!mn_j_spend_bytes(r, f.len)) return false;
    for (uint32_t at = 0; at < f.len;) {
        const char *next = memchr(f.s + at, '%', f.len - at);
        uint32_t plain = next ? (uint32_t)(next - f.s) : f.len;
        mn_buffer_append(&r->scratch, f.s + at, plain - at);
        at = plain;
        if (at == f.len) break;
        at++;
        if (!mn_j_spend(r, 1) || !convert(r, &p, f, &at) || !mn_j_check(r, &r->scratch))
            return false;
    }
    uint32_t n = p.is_tuple ? args.len : 1;
    if (p.at < n && !p.is_mapping)
        return invalid(r, "not all arguments converted during string formatting");
    if (!mn_j_take(r, mark, out)) return false;
    out->flags = f.flags;
    return true;
}
