/* Filters over texts and numbers. */
#include "base/utf8.h"
#include "text/jinja_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof table / sizeof *table)

typedef const mn_jcall *call_t;

static bool is_given(mn_jvalue v) { return v.type != J_MISSING && v.type != J_NONE; }

static bool flag(mn_jrun *r, mn_jvalue v, bool otherwise, bool *out)
{
    *out = otherwise;
    return v.type == J_MISSING || mn_j_truth(r, v, out);
}

static bool integer(mn_jrun *r, mn_jvalue v, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (v.type == J_MISSING) return true;
    *out = mn_j_index_of(v);
    return mn_j_is_index(v)
        || mn_j_fail(r, MINERVA_INVALID,
                     "'%s' object cannot be interpreted as an integer",
                     mn_j_type_name(v));
}

/* The method of that name, applied to str(self). */
static bool method(mn_jrun *r, const char *name, mn_jvalue self, call_t call,
                   mn_jvalue *out)
{
    return mn_j_to_soft_str(r, self, &self)
        && mn_j_apply(r, mn_j_find_str_method(mn_j_cstr(name)), self, call, out);
}

#define METHOD_FILTER(name, of_str) \
    static bool name(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out) \
    { \
        return method(r, of_str, self, call, out); \
    }
METHOD_FILTER(filter_upper, "upper")
METHOD_FILTER(filter_lower, "lower")
METHOD_FILTER(filter_capitalize, "capitalize")
METHOD_FILTER(filter_trim, "strip")

/* ---- texts ------------------------------------------------------------------------- */

static bool is_word_break(uint32_t cp)
{
    return mn_j_is_space(cp) || cp == '-' || cp == '(' || cp == '{' || cp == '['
        || cp == '<';
}

/* Words begin after white space and - ( { [ <; unlike str.title(), not after quotes. */
static bool filter_title(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    if (!mn_j_to_soft_str(r, self, &self)) return false;
    size_t mark = mn_j_mark(r);
    for (size_t at = 0; at < self.len;) {
        uint32_t cp, mapped[4];
        size_t end = at + (size_t)mn_utf8_decode(self.s + at, self.len - at, &cp),
               rest = end;
        int n = mn_j_map_case(cp, J_UPPER, mapped);
        for (int i = 0; i < n; i++) mn_buffer_append_codepoint(&r->scratch, mapped[i]);
        bool is_break = is_word_break(cp);
        while (end < self.len) {
            uint32_t next;
            int len = mn_utf8_decode(self.s + end, self.len - end, &next);
            if (is_word_break(next) != is_break) break;
            end += (size_t)len;
        }
        mn_jvalue lower;
        if (!mn_j_change_case(r, mn_j_str(self.s + rest, end - rest), J_LOWER, &lower))
            return false;
        mn_buffer_append(&r->scratch, lower.s, lower.len);
        at = end;
    }
    return mn_j_take(r, mark, out);
}

static bool filter_string(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_to_soft_str(r, self, out);
}

static bool filter_center(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue width = call->args[0].type == J_MISSING ? mn_j_int(80) : call->args[0];
    return mn_j_to_soft_str(r, self, &self)
        && mn_j_center(r, self, width, (mn_jvalue){ 0 }, 0, out);
}

static bool filter_replace(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    int64_t count;
    mn_jvalue from, to, limit = call->args[2];
    if (limit.type == J_NONE) limit.type = J_MISSING;
    return mn_j_to_str(r, self, &self) && mn_j_to_str(r, call->args[0], &from)
        && mn_j_to_str(r, call->args[1], &to) && integer(r, limit, -1, &count)
        && mn_j_replace(r, self, from, to, count, out);
}

static bool filter_format(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    if (call->n_args && call->n_keywords)
        return mn_j_fail(
            r, MINERVA_INVALID,
            "can't handle positional and keyword arguments at the same time");
    mn_jvalue args = mn_j_tuple(call->args, call->n_args);
    if (call->n_keywords) {
        mn_jdict *d;
        if (!mn_j_dict_from_call(r, call, &d)) return false;
        args = (mn_jvalue){ .type = J_DICT, .dict = d };
    }
    return mn_j_to_soft_str(r, self, &self) && mn_j_percent_format(r, self, args, out);
}

static bool filter_indent(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue width = call->args[0], pad = mn_j_str("    ", 4), lines;
    bool first, blank;
    if (self.type == J_UNDEFINED) return mn_j_fail_undefined(r, self);
    if (self.type != J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "indent needs a string, not %s",
                         mn_j_type_name(self));
    if (!flag(r, call->args[1], false, &first) || !flag(r, call->args[2], false, &blank))
        return false;
    if (width.type == J_STR) pad = width;
    else if (width.type != J_MISSING
             && !mn_j_binary(r, OP_MUL, mn_j_str(" ", 1), width, &pad)) return false;
    if (pad.type != J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "indent needs a width");
    if (self.flags & J_MARKUP && !mn_j_escape(r, pad, &pad)) return false;
    size_t mark = mn_j_mark(r);
    mn_buffer_append(&r->scratch, self.s, self.len);
    mn_buffer_append_byte(&r->scratch, '\n');
    mn_jvalue whole;
    if (!mn_j_take(r, mark, &whole) || !mn_j_splitlines(r, whole, false, &lines))
        return false;
    for (uint32_t i = 0; i < lines.len; i++) {
        mn_jvalue line = lines.items[i];
        if (i) mn_buffer_append_byte(&r->scratch, '\n');
        if (i ? blank || line.len : first) {
            mn_buffer_append(&r->scratch, pad.s, pad.len);
            if (!mn_j_spend_bytes(r, pad.len) || !mn_j_check(r, &r->scratch))
                return false;
        }
        mn_buffer_append(&r->scratch, line.s, line.len);
    }
    if (!mn_j_take(r, mark, out)) return false;
    out->flags = self.flags;
    return true;
}

static bool filter_truncate(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    int64_t length, leeway, n, end_len;
    bool kill_words;
    mn_jvalue end = call->args[2].type == J_MISSING ? mn_j_cstr("...") : call->args[2];
    mn_jvalue slack = call->args[3];
    if (slack.type == J_NONE) slack.type = J_MISSING;
    if (!integer(r, call->args[0], 255, &length) || !integer(r, slack, 5, &leeway)
        || !flag(r, call->args[1], false, &kill_words) || !mn_j_length(r, end, &end_len)
        || !mn_j_length(r, self, &n)) return false;
    if (length < end_len)
        return mn_j_fail(r, MINERVA_INVALID, "expected length >= %lld, got %lld",
                         (long long)end_len, (long long)length);
    if (leeway < 0)
        return mn_j_fail(r, MINERVA_INVALID, "expected leeway >= 0, got %lld",
                         (long long)leeway);
    *out = self;
    if (n - leeway <= length) return true;
    mn_jvalue cut;
    if (!mn_j_slice(r, self, mn_j_none(), mn_j_int(length - end_len), mn_j_none(), &cut))
        return false;
    if (!kill_words) {
        if (cut.type != J_STR)
            return mn_j_fail(r, MINERVA_INVALID, "truncate needs a string, not %s",
                             mn_j_type_name(self));
        mn_jvalue space = mn_j_str(" ", 1), parts;
        if (!mn_j_split(r, cut, &space, 1, true, &parts)) return false;
        cut = parts.items[0];
    }
    return mn_j_binary(r, OP_ADD, cut, end, out);
}

static bool filter_wordcount(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    int64_t n = 0;
    bool in_word = false;
    if (!mn_j_to_soft_str(r, self, &self) || !mn_j_spend_bytes(r, self.len)) return false;
    for (size_t i = 0; i < self.len;) {
        uint32_t cp;
        i += (size_t)mn_utf8_decode(self.s + i, self.len - i, &cp);
        bool is_word = mn_j_is_word(cp);
        n += is_word && !in_word;
        in_word = is_word;
    }
    *out = mn_j_int(n);
    return true;
}

static bool filter_wordwrap(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_wrap_text(r, self, call, out);
}

static bool filter_pprint(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_pretty(r, self, out);
}

/* ---- HTML and URLs ----------------------------------------------------------------- */

static bool filter_escape(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_escape(r, self, out);
}

static bool filter_forceescape(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_to_str(r, self, &self) && mn_j_escape(r, self, out);
}

static bool filter_safe(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    if (!mn_j_to_str(r, self, out)) return false;
    out->flags = J_MARKUP;
    return true;
}

/* Removes every open...close, also those that only come about by an earlier removal. */
static bool remove_all(mn_jrun *r, char *s, size_t *len, const char *open,
                       const char *close)
{
    size_t n_open = strlen(open), n_close = strlen(close), from = 0;
    for (;;) {
        char *start = memmem(s + from, *len - from, open, n_open);
        char *end =
            start ? memmem(start, *len - (size_t)(start - s), close, n_close) : NULL;
        if (!end) return true;
        end += n_close;
        size_t rest = *len - (size_t)(end - s);
        if (!mn_j_spend(r, 1 + (int64_t)(rest / 64))) return false;
        memmove(start, end, rest);
        *len -= (size_t)(end - start);
        from = (size_t)(start - s);
        from = from > n_open ? from - n_open : 0;
    }
}

/* &amp; &#65; &#x41; and the names that HTML 2 had for ASCII; others stay as they are. */
static size_t entity(const char *s, size_t len, uint32_t *cp)
{
    static const struct { const char *name; uint32_t cp;
    } named[] = { { "amp;", '&' },   { "lt;", '<' },    { "gt;", '>' },  { "quot;", '"' },
                  { "apos;", '\'' }, { "nbsp;", 0xA0 }, { "amp", '&' },  { "lt", '<' },
                  { "gt", '>' },     { "quot", '"' },   { "nbsp", 0xA0 } };
    for (size_t i = 0; i < COUNT(named); i++) {
        size_t n = strlen(named[i].name);
        if (len <= n || memcmp(s + 1, named[i].name, n)) continue;
        *cp = named[i].cp;
        return n + 1;
    }
    if (len < 3 || s[1] != '#') return 0;
    bool hex = (s[2] | 32) == 'x';
    size_t at = hex ? 3 : 2, start = at;
    for (*cp = 0; at < len; at++) {
        char c = s[at];
        uint32_t d = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
                   : hex && (c | 32) >= 'a' && (c | 32) <= 'f'
                       ? (uint32_t)((c | 32) - 'a' + 10)
                       : 99;
        if (d == 99) break;
        if (*cp <= 0x10FFFF) *cp = *cp * (hex ? 16 : 10) + d;
    }
    if (at == start) return 0;
    return at < len && s[at] == ';' ? at + 1 : at;
}

static bool filter_striptags(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue s, words;
    if (!mn_j_to_str(r, self, &s)) return false;
    char *copy = mn_j_alloc(r, s.len, 1);
    size_t len = s.len;
    if (!copy) return false;
    if (len) memcpy(copy, s.s, len);
    if (!remove_all(r, copy, &len, "<!--", "-->") || !remove_all(r, copy, &len, "<", ">"))
        return false;
    if (!mn_j_split(r, mn_j_str(copy, len), NULL, -1, false, &words)
        || !mn_j_join(r, mn_j_str(" ", 1), words, false, &s)) return false;
    size_t mark = mn_j_mark(r);
    for (size_t i = 0; i < s.len;) {
        uint32_t cp;
        size_t used = s.s[i] == '&' ? entity(s.s + i, s.len - i, &cp) : 0;
        if (used) mn_buffer_append_codepoint(&r->scratch, cp);
        else mn_buffer_append_byte(&r->scratch, s.s[i]);
        i += used ? used : 1;
    }
    return mn_j_take(r, mark, out);
}

static bool write_quoted(mn_jrun *r, mn_jvalue v, bool in_query)
{
    if (!mn_j_to_str(r, v, &v) || !mn_j_spend_bytes(r, v.len)) return false;
    for (uint32_t i = 0; i < v.len; i++) {
        unsigned char c = (unsigned char)v.s[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')
                  || (c && strchr(in_query ? "_.-~" : "_.-~/", c));
        if (plain) mn_buffer_append_byte(&r->scratch, (char)c);
        else if (c == ' ' && in_query) mn_buffer_append_byte(&r->scratch, '+');
        else mn_buffer_append_fmt(&r->scratch, "%%%02X", c);
    }
    return true;
}

static bool filter_urlencode(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    size_t mark = mn_j_mark(r);
    if (self.type == J_STR || !mn_j_is_iterable(self))
        return write_quoted(r, self, false) && mn_j_take(r, mark, out);
    mn_jvalue pairs = self, pair;
    if (self.type == J_DICT) pairs = (mn_jvalue){ .type = J_VIEW, .flags = J_ITEMS,
                                                  .dict = self.dict };
    mn_jiter it;
    if (!mn_j_iter_init(r, pairs, &it)) return false;
    for (int more, i = 0; (more = mn_j_next(r, &it, &pair)) != 0; i++) {
        const mn_jvalue *items;
        uint32_t n;
        if (more < 0 || !mn_j_items(r, pair, &items, &n)) return false;
        if (n != 2) return mn_j_fail(r, MINERVA_INVALID, "urlencode needs pairs");
        if (i) mn_buffer_append_byte(&r->scratch, '&');
        if (!write_quoted(r, items[0], true)) return false;
        mn_buffer_append_byte(&r->scratch, '=');
        if (!write_quoted(r, items[1], true)) return false;
    }
    return mn_j_take(r, mark, out);
}

static bool filter_xmlattr(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    bool space;
    size_t mark = mn_j_mark(r);
    if (self.type == J_UNDEFINED) return mn_j_fail_undefined(r, self);
    if (self.type != J_DICT)
        return mn_j_fail(r, MINERVA_INVALID, "'%s' object has no attribute 'items'",
                         mn_j_type_name(self));
    if (!flag(r, call->args[0], true, &space)) return false;
    for (uint32_t i = 0; i < self.dict->n; i++) {
        const mn_jentry *e = &self.dict->entries[i];
        mn_jvalue key, value;
        if (e->value.type == J_NONE || e->value.type == J_UNDEFINED) continue;
        if (e->key.type != J_STR)
            return mn_j_fail(r, MINERVA_INVALID, "an attribute's name must be a string");
        for (uint32_t k = 0; k < e->key.len; k++)
            if (memchr(" \t\n\v\f\r/>=", e->key.s[k], 9))
                return mn_j_fail(r, MINERVA_INVALID,
                                 "Invalid character in attribute name");
        if (!mn_j_escape(r, e->key, &key) || !mn_j_escape(r, e->value, &value))
            return false;
        if (mn_j_mark(r) > mark || space) mn_buffer_append_byte(&r->scratch, ' ');
        mn_buffer_append(&r->scratch, key.s, key.len);
        mn_buffer_append_str(&r->scratch, "=\"");
        mn_buffer_append(&r->scratch, value.s, value.len);
        mn_buffer_append_byte(&r->scratch, '"');
    }
    return mn_j_take(r, mark, out);
}

static bool filter_urlize(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_fail(r, MINERVA_UNSUPPORTED,
                     "the filter 'urlize' is not supported: prompts are "
                     "no HTML");
}

/* ---- numbers ----------------------------------------------------------------------- */

static bool filter_abs(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    if (!mn_j_is_number(self))
        return mn_j_fail(r, MINERVA_INVALID, "bad operand type for abs(): '%s'",
                         mn_j_type_name(self));
    return mn_j_negate(r, self, mn_j_number_of(self) < 0 || (self.type == J_FLOAT
                                                             && signbit(self.f)), out);
}

static bool from_float(mn_jrun *r, double f, mn_jvalue *out)
{
    if (!(f >= -9223372036854775808.0 && f < 9223372036854775808.0))
        return mn_j_fail(r, MINERVA_UNSUPPORTED, "integers beyond 64 bits");
    *out = mn_j_int((int64_t)f);
    return true;
}

static bool filter_int(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue otherwise = call->args[0].type == J_MISSING ? mn_j_int(0) : call->args[0];
    int64_t base, i;
    double f;
    bool overflow;
    *out = otherwise;
    if (self.type == J_UNDEFINED) return mn_j_fail_undefined(r, self);
    if (mn_j_is_index(self)) {
        *out = mn_j_int(mn_j_index_of(self));
        return true;
    }
    if (self.type == J_FLOAT) {
        if (isinf(self.f))
            return mn_j_fail(r, MINERVA_INVALID,
                             "cannot convert float infinity to integer");
        return isnan(self.f) || from_float(r, self.f, out);
    }
    if (self.type != J_STR) return true;
    if (!integer(r, call->args[1], 10, &base)) return false;
    if (base == 0 || (base >= 2 && base <= 36)) {
        if (mn_j_parse_int(self.s, self.len, (int)base, &i, &overflow)) {
            *out = mn_j_int(i);
            return true;
        }
        if (overflow) return mn_j_fail(r, MINERVA_UNSUPPORTED, "integers beyond 64 bits");
    }
    if (!mn_j_parse_float(self.s, self.len, &f) || isnan(f) || isinf(f)) return true;
    return from_float(r, f, out);
}

static bool filter_float(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    double f;
    *out = call->args[0].type == J_MISSING ? mn_j_float(0) : call->args[0];
    if (self.type == J_UNDEFINED) return mn_j_fail_undefined(r, self);
    if (mn_j_is_number(self)) *out = mn_j_float(mn_j_number_of(self));
    else if (self.type == J_STR && mn_j_parse_float(self.s, self.len, &f))
        *out = mn_j_float(f);
    return true;
}

/* Half to even, to 10^digits. */
static bool round_int(mn_jrun *r, int64_t i, int64_t digits, mn_jvalue *out)
{
    int64_t unit = 1;
    for (int64_t k = 0; k < digits; k++)
        if (__builtin_mul_overflow(unit, 10, &unit)) {
            *out = mn_j_int(0);
            return true;
        }
    int64_t rest = i % unit, half = unit / 2;
    if (rest < 0) rest += unit;
    int64_t down;
    if (__builtin_sub_overflow(i, rest, &down)) goto overflow;
    bool up = rest > half || (rest == half && unit > 1 && down / unit % 2 != 0);
    if (up && __builtin_add_overflow(down, unit, &down)) goto overflow;
    *out = mn_j_int(down);
    return true;
overflow:
    return mn_j_fail(r, MINERVA_UNSUPPORTED, "integers beyond 64 bits");
}

static double round_float(double f, int64_t digits)
{
    if (!isfinite(f) || digits > 323) return f;
    if (digits < -308) return copysign(0, f);
    if (digits < 0) {
        double unit = pow(10, (double)-digits);
        return nearbyint(f / unit) * unit;
    }
    char text[720];
    mn_j_print_float(text, sizeof text, 'f', (int)digits, f);
    return mn_j_strtod(text);
}

static bool filter_round(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue how = call->args[1], digits = call->args[0];
    bool ceil_it = mn_j_str_is(how, "ceil"), floor_it = mn_j_str_is(how, "floor");
    int64_t n;
    if (how.type != J_MISSING && !ceil_it && !floor_it && !mn_j_str_is(how, "common"))
        return mn_j_fail(r, MINERVA_INVALID, "method must be common, ceil or floor");
    if (self.type == J_UNDEFINED || !mn_j_is_number(self))
        return mn_j_fail(r, MINERVA_INVALID, "type %s doesn't define __round__ method",
                         mn_j_type_name(self));
    bool to_int = digits.type == J_NONE;
    if (to_int) digits = mn_j_int(0);
    if (!integer(r, digits, 0, &n)) return false;
    if (ceil_it || floor_it) {
        mn_jvalue power, scaled;
        if (!mn_j_binary(r, OP_POW, mn_j_int(10), mn_j_int(n), &power)
            || !mn_j_binary(r, OP_MUL, self, power, &scaled)) return false;
        if (scaled.type == J_FLOAT) {
            if (!isfinite(scaled.f))
                return mn_j_fail(r, MINERVA_INVALID, "cannot convert float to integer");
            if (!from_float(r, ceil_it ? ceil(scaled.f) : floor(scaled.f), &scaled))
                return false;
        }
        return mn_j_binary(r, OP_DIV, scaled, power, out);
    }
    if (self.type != J_FLOAT) {
        if (n < 0) return round_int(r, mn_j_index_of(self), -n, out);
        *out = mn_j_int(mn_j_index_of(self));
        return true;
    }
    double f = round_float(self.f, n);
    *out = mn_j_float(f);
    return !to_int || (isfinite(f) ? from_float(r, f, out)
        : mn_j_fail(r, MINERVA_INVALID, "cannot convert float to integer"));
}

static bool filter_filesizeformat(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB" };
    static const char *const binary_units[] = { "KiB", "MiB", "GiB", "TiB",
                                                "PiB", "EiB", "ZiB", "YiB" };
    bool binary;
    double bytes = 0;
    if (self.type == J_UNDEFINED) return mn_j_fail_undefined(r, self);
    if (mn_j_is_number(self)) bytes = mn_j_number_of(self);
    else if (self.type != J_STR || !mn_j_parse_float(self.s, self.len, &bytes))
        return mn_j_fail(r, MINERVA_INVALID, "filesizeformat needs a number");
    if (!flag(r, call->args[0], false, &binary)) return false;
    double base = binary ? 1024 : 1000;
    size_t mark = mn_j_mark(r);
    if (bytes == 1) {
        *out = mn_j_cstr("1 Byte");
        return true;
    }
    if (bytes < base) {
        mn_jvalue whole = mn_j_int(0);
        if (!isfinite(bytes))
            return mn_j_fail(r, MINERVA_INVALID, "cannot convert float to integer");
        if (!from_float(r, bytes, &whole)) return false;
        mn_buffer_append_fmt(&r->scratch, "%lld Bytes", (long long)whole.i);
        return mn_j_take(r, mark, out);
    }
    double unit = base * base;
    int i = 0;
    for (; i < 7 && bytes >= unit; i++) unit *= base;
    char text[400];
    double shown = base * bytes / unit;
    if (isnan(shown)) snprintf(text, sizeof text, "nan");
    else if (isinf(shown)) snprintf(text, sizeof text, "inf");
    else mn_j_print_float(text, sizeof text, 'f', 1, shown);
    mn_buffer_append_str(&r->scratch, text);
    mn_buffer_append_fmt(&r->scratch, " %s", binary ? binary_units[i] : units[i]);
    return mn_j_take(r, mark, out);
}

/* ---- JSON -------------------------------------------------------------------------- */

static bool filter_tojson(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue indent = call->args[1], separators = call->args[2];
    mn_json_style style = { .has_indent = is_given(indent) };
    if (!flag(r, call->args[0], false, &style.ascii_only)
        || !flag(r, call->args[3], false, &style.sort_keys)) return false;
    style.item_separator = mn_j_cstr(style.has_indent ? "," : ", ");
    style.key_separator = mn_j_cstr(": ");
    if (style.has_indent) {
        style.indent = indent;
        if (indent.type != J_STR
            && !mn_j_binary(r, OP_MUL, mn_j_str(" ", 1), indent, &style.indent))
            return false;
        if (style.indent.type != J_STR)
            return mn_j_fail(r, MINERVA_INVALID, "indent needs a width");
    }
    if (is_given(separators)) {
        const mn_jvalue *items;
        uint32_t n;
        if (!mn_j_items(r, separators, &items, &n)) return false;
        if (n != 2 || items[0].type != J_STR || items[1].type != J_STR)
            return mn_j_fail(r, MINERVA_INVALID, "separators needs two strings");
        style.item_separator = items[0];
        style.key_separator = items[1];
    }
    size_t mark = mn_j_mark(r);
    return mn_j_write_json(r, &r->scratch, self, &style) && mn_j_take(r, mark, out);
}

static const mn_jbuiltin filters[] = {
    { "tojson", filter_tojson, "ensure_ascii indent separators sort_keys", 0, 0, 0 },
    { "trim", filter_trim, "chars", 0, 0, 0 },
    { "string", filter_string, "", 0, 0, 0 },
    { "upper", filter_upper, "", 0, 0, 0 },
    { "lower", filter_lower, "", 0, 0, 0 },
    { "capitalize", filter_capitalize, "", 0, 0, 0 },
    { "title", filter_title, "", 0, 0, 0 },
    { "replace", filter_replace, "old new count", 2, 0, 0 },
    { "indent", filter_indent, "width first blank", 0, 0, 0 },
    { "center", filter_center, "width", 0, 0, 0 },
    { "format", filter_format, NULL, 0, 0, 0 },
    { "truncate", filter_truncate, "length killwords end leeway", 0, 0, 0 },
    { "wordcount", filter_wordcount, "", 0, 0, 0 },
    { "wordwrap", filter_wordwrap, "width break_long_words wrapstring break_on_hyphens",
      0, 0, 0 },
    { "escape", filter_escape, "", 0, 0, 0 },
    { "e", filter_escape, "", 0, 0, 0 },
    { "forceescape", filter_forceescape, "", 0, 0, 0 },
    { "safe", filter_safe, "", 0, 0, 0 },
    { "striptags", filter_striptags, "", 0, 0, 0 },
    { "urlencode", filter_urlencode, "", 0, 0, 0 },
    { "xmlattr", filter_xmlattr, "autospace", 0, 0, 0 },
    { "urlize", filter_urlize, NULL, 0, 0, 0 },
    { "abs", filter_abs, "", 0, 0, 0 },
    { "int", filter_int, "default base", 0, 0, 0 },
    { "float", filter_float, "default", 0, 0, 0 },
    { "round", filter_round, "precision method", 0, 0, 0 },
    { "filesizeformat", filter_filesizeformat, "binary", 0, 0, 0 },
    { "pprint", filter_pprint, "", 0, 0, 0 }
};

const mn_jbuiltin *mn_j_find_text_filter(mn_jvalue name)
{
    return mn_j_find_in(filters, COUNT(filters), name);
}
