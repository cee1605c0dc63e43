/* Methods of strings, by Python's rules and in code points.
 *
 * Results share the bytes of the string they come from wherever they are a part of it.
 * A method of Markup gives Markup, and escapes what it puts in.
 */
#include "base/utf8.h"
#include "text/jinja_run.h"

#include <string.h>

#define COUNT(table) (sizeof table / sizeof *table)

typedef const mn_jcall *call_t;

static mn_jvalue part(mn_jvalue s, size_t from, size_t to)
{
    s.s += from;
    s.len = (uint32_t)(to - from);
    return s;
}

static bool need_str(mn_jrun *r, mn_jvalue v, const char *what)
{
    if (v.type == J_STR) return true;
    return mn_j_fail(r, MINERVA_INVALID, "%s must be str, not %s", what,
                     mn_j_type_name(v));
}

static bool need_int(mn_jrun *r, mn_jvalue v, int64_t otherwise, int64_t *out)
{
    *out = otherwise;
    if (v.type == J_MISSING) return true;
    *out = mn_j_index_of(v);
    return mn_j_is_index(v)
        || mn_j_fail(r, MINERVA_INVALID,
                     "'%s' object cannot be interpreted as an integer",
                     mn_j_type_name(v));
}

/* Take the scratch text as a string of self's kind. */
static bool take(mn_jrun *r, size_t mark, mn_jvalue self, mn_jvalue *out)
{
    if (!mn_j_take(r, mark, out)) return false;
    out->flags = self.flags;
    return true;
}

/* ---- case -------------------------------------------------------------------------- */

static bool change_case(mn_jrun *r, mn_jvalue self, int how, mn_jvalue *out)
{
    uint8_t flags = self.flags;
    if (!mn_j_change_case(r, self, how, out)) return false;
    out->flags = flags;
    return true;
}

#define CASE_METHOD(name, how) \
    static bool name(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out) \
    { \
        return change_case(r, self, how, out); \
    }
CASE_METHOD(str_upper, J_UPPER)
CASE_METHOD(str_lower, J_LOWER)
CASE_METHOD(str_title, J_TITLE)
CASE_METHOD(str_swapcase, J_SWAP)
CASE_METHOD(str_casefold, J_CASEFOLD)

static bool str_capitalize(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    if (!self.len) {
        *out = self;
        return true;
    }
    uint32_t cp, mapped[4];
    size_t n = (size_t)mn_utf8_decode(self.s, self.len, &cp), mark = mn_j_mark(r);
    int k = mn_j_map_case(cp, J_TITLE, mapped);
    for (int i = 0; i < k; i++) mn_buffer_append_codepoint(&r->scratch, mapped[i]);
    mn_jvalue rest;
    if (!mn_j_change_case(r, part(self, n, self.len), J_LOWER, &rest)) return false;
    mn_buffer_append(&r->scratch, rest.s, rest.len);
    return take(r, mark, self, out);
}

/* ---- stripping --------------------------------------------------------------------- */

static bool strip(mn_jrun *r, mn_jvalue self, call_t call, bool left, bool right,
                  mn_jvalue *out)
{
    mn_jvalue chars = call->args[0];
    bool given = chars.type != J_MISSING && chars.type != J_NONE;
    if (given && !need_str(r, chars, "strip arg")) return false;
    uint64_t cost = given ? (uint64_t)self.len * (chars.len / 64 + 1) : self.len;
    if (!mn_j_spend(r, (int64_t)(cost / 64))) return false;
    *out = mn_j_strip(self, given ? &chars : NULL, left, right);
    return true;
}

static bool str_strip(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return strip(r, self, call, true, true, out);
}

static bool str_lstrip(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return strip(r, self, call, true, false, out);
}

static bool str_rstrip(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return strip(r, self, call, false, true, out);
}

static bool str_removeprefix(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue p = call->args[0];
    if (!need_str(r, p, "removeprefix() argument")) return false;
    bool has = self.len >= p.len && !memcmp(self.s, p.s, p.len);
    *out = has ? part(self, p.len, self.len) : self;
    return true;
}

static bool str_removesuffix(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue p = call->args[0];
    if (!need_str(r, p, "removesuffix() argument")) return false;
    bool has = self.len >= p.len && !memcmp(self.s + self.len - p.len, p.s, p.len);
    *out = has ? part(self, 0, self.len - p.len) : self;
    return true;
}

/* ---- searching --------------------------------------------------------------------- */

/* First or last place of `what` in s, or -1. */
static bool search(mn_jrun *r, mn_jvalue s, mn_jvalue what, bool last, int64_t *out)
{
    *out = -1;
    if (what.len > s.len) return true;
    if (!what.len) {
        *out = last ? s.len : 0;
        return true;
    }
    if (!last) {
        const char *at = memmem(s.s, s.len, what.s, what.len);
        if (at) *out = at - s.s;
        return mn_j_spend_bytes(r, at ? (size_t)(at - s.s) : s.len);
    }
    for (int64_t at = (int64_t)s.len - what.len; at >= 0; at--) {
        if (s.s[at] != what.s[0] || s.s[at + what.len - 1] != what.s[what.len - 1])
            continue;
        if (!mn_j_spend(r, 1 + what.len / 64)) return false;
        if (memcmp(s.s + at, what.s, what.len)) continue;
        *out = at;
        break;
    }
    return mn_j_spend_bytes(r, s.len - (size_t)(*out < 0 ? 0 : *out));
}

/* self[start:end] of methods that take (text, start, end); *from is where it begins in
 * bytes.  *empty: start lies behind the end, where not even '' is found. */
static bool section(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out, size_t *from,
                    bool *empty)
{
    int64_t n = 0, bound[2] = { 0, INT64_MAX };
    *out = self;
    *from = 0;
    *empty = false;
    if (call->args[1].type == J_MISSING && call->args[2].type == J_MISSING) return true;
    if (!mn_j_length(r, self, &n)) return false;
    for (int i = 0; i < 2; i++) {
        mn_jvalue v = call->args[1 + i];
        if (v.type == J_NONE) v.type = J_MISSING;
        if (!need_int(r, v, bound[i], &bound[i])) return false;
        if (bound[i] < 0) bound[i] = bound[i] + n < 0 ? 0 : bound[i] + n;
    }
    if (bound[1] > n) bound[1] = n;
    *empty = bound[0] > bound[1];
    if (*empty) bound[1] = bound[0];
    *from = mn_j_offset_of(self.s, self.len, bound[0]);
    *out = part(self, *from, self.len);
    out->len = (uint32_t)mn_j_offset_of(out->s, out->len, bound[1] - bound[0]);
    return true;
}

static bool find(mn_jrun *r, mn_jvalue self, call_t call, bool last, bool must,
                 mn_jvalue *out)
{
    mn_jvalue s;
    size_t from;
    int64_t at = -1;
    bool empty;
    if (!need_str(r, call->args[0], "the text searched for")) return false;
    if (!section(r, self, call, &s, &from, &empty)) return false;
    if (!empty && !search(r, s, call->args[0], last, &at)) return false;
    if (at < 0 && must) return mn_j_fail(r, MINERVA_INVALID, "substring not found");
    *out = mn_j_int(at < 0 ? -1 : mn_j_count(part(self, 0, from + (size_t)at)));
    return mn_j_spend_bytes(r, self.len);
}

#define FIND_METHOD(name, last, must) \
    static bool name(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out) \
    { \
        return find(r, self, call, last, must, out); \
    }
FIND_METHOD(str_find, false, false)
FIND_METHOD(str_rfind, true, false)
FIND_METHOD(str_index, false, true)
FIND_METHOD(str_rindex, true, true)

static bool str_count(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue s, what = call->args[0];
    size_t from;
    int64_t n = 0;
    bool empty;
    if (!need_str(r, what, "the text counted")) return false;
    if (!section(r, self, call, &s, &from, &empty)) return false;
    if (!empty && !what.len) n = mn_j_count(s) + 1;
    for (const char *at = s.s, *end = s.s + s.len; what.len && !empty; n++) {
        at = memmem(at, (size_t)(end - at), what.s, what.len);
        if (!at) break;
        at += what.len;
    }
    *out = mn_j_int(n);
    return mn_j_spend(r, n + s.len / 64);
}

static bool edge(mn_jrun *r, mn_jvalue self, call_t call, bool at_end, mn_jvalue *out)
{
    mn_jvalue s, what = call->args[0];
    size_t from;
    bool empty, found = false;
    if (!section(r, self, call, &s, &from, &empty)) return false;
    uint32_t n = what.type == J_TUPLE ? what.len : 1;
    for (uint32_t i = 0; i < n && !found; i++) {
        mn_jvalue w = what.type == J_TUPLE ? what.items[i] : what;
        if (w.type != J_STR)
            return mn_j_fail(r, MINERVA_INVALID,
                             "%s first arg must be str or a tuple of str, "
                             "not %s",
                             at_end ? "endswith" : "startswith", mn_j_type_name(w));
        found = !empty && s.len >= w.len
             && !memcmp(at_end ? s.s + s.len - w.len : s.s, w.s, w.len);
        if (!mn_j_spend(r, 1 + w.len / 64)) return false;
    }
    *out = mn_j_bool(found);
    return true;
}

static bool str_startswith(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return edge(r, self, call, false, out);
}

static bool str_endswith(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return edge(r, self, call, true, out);
}

bool mn_j_replace(mn_jrun *r, mn_jvalue s, mn_jvalue from, mn_jvalue to, int64_t count,
                  mn_jvalue *out)
{
    size_t mark = mn_j_mark(r), at = 0;
    int64_t left = count < 0 ? INT64_MAX : count;
    bool changed = false;
    if (!mn_j_spend_bytes(r, s.len)) return false;
    for (; left > 0; left--) {
        size_t hit;
        if (from.len) {
            const char *p = memmem(s.s + at, s.len - at, from.s, from.len);
            if (!p) break;
            hit = (size_t)(p - s.s);
        } else {
            hit = at + (changed ? mn_j_offset_of(s.s + at, s.len - at, 1) : 0);
            if (changed && at == s.len) break;
        }
        mn_buffer_append(&r->scratch, s.s + at, hit - at);
        mn_buffer_append(&r->scratch, to.s, to.len);
        at = hit + from.len;
        changed = true;
        if (!mn_j_spend(r, 1 + to.len / 64) || !mn_j_check(r, &r->scratch)) return false;
    }
    *out = s;
    if (!changed) return true;
    mn_buffer_append(&r->scratch, s.s + at, s.len - at);
    return take(r, mark, s, out);
}

static bool str_replace(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    int64_t count;
    mn_jvalue to = call->args[1];
    if (!need_str(r, call->args[0], "replace() argument 1")
        || !need_str(r, to, "replace() argument 2")
        || !need_int(r, call->args[2], -1, &count)) return false;
    if (self.flags & J_MARKUP && !mn_j_escape(r, to, &to)) return false;
    return mn_j_replace(r, self, call->args[0], to, count, out);
}

/* ---- cutting ----------------------------------------------------------------------- */

/* A growing list of results. */
typedef struct {
    mn_jvalue *items;
    uint32_t n, capacity;
} parts;

static bool add(mn_jrun *r, parts *p, mn_jvalue v)
{
    if (!mn_j_spend(r, 1)) return false;
    if (p->n == p->capacity) {
        uint32_t capacity = p->capacity ? p->capacity * 2 : 8;
        mn_jvalue *grown = mn_j_alloc(r, capacity, sizeof *grown);
        if (!grown) return false;
        if (p->n) memcpy(grown, p->items, p->n * sizeof *grown);
        p->items = grown;
        p->capacity = capacity;
    }
    p->items[p->n++] = v;
    return true;
}

static size_t skip(mn_jvalue s, size_t at, bool spaces)
{
    while (at < s.len) {
        uint32_t cp;
        size_t n = (size_t)mn_utf8_decode(s.s + at, s.len - at, &cp);
        if (mn_j_is_space(cp) != spaces) break;
        at += n;
    }
    return at;
}

static size_t skip_back(mn_jvalue s, size_t at, bool spaces)
{
    while (at > 0) {
        size_t start = at - 1;
        while (start > 0 && (s.s[start] & 0xC0) == 0x80) start--;
        uint32_t cp;
        mn_utf8_decode(s.s + start, s.len - start, &cp);
        if (mn_j_is_space(cp) != spaces) break;
        at = start;
    }
    return at;
}

static bool split_spaces(mn_jrun *r, mn_jvalue s, int64_t max, parts *p)
{
    for (size_t at = skip(s, 0, true); at < s.len;) {
        size_t end = max == 0 ? s.len : skip(s, at, false);
        if (!add(r, p, part(s, at, end))) return false;
        if (max-- == 0) break;
        at = skip(s, end, true);
    }
    return true;
}

static bool split_spaces_back(mn_jrun *r, mn_jvalue s, int64_t max, parts *p)
{
    for (size_t end = skip_back(s, s.len, true); end > 0;) {
        size_t at = max == 0 ? 0 : skip_back(s, end, false);
        if (!add(r, p, part(s, at, end))) return false;
        if (max-- == 0) break;
        end = skip_back(s, at, true);
    }
    return true;
}

static bool split_at(mn_jrun *r, mn_jvalue s, mn_jvalue separator, int64_t max,
                     bool right, parts *p)
{
    size_t from = 0, to = s.len;
    for (int64_t at; max != 0; max--) {
        if (!search(r, part(s, from, to), separator, right, &at)) return false;
        if (at < 0) break;
        size_t hit = from + (size_t)at;
        mn_jvalue piece = right ? part(s, hit + separator.len, to) : part(s, from, hit);
        if (!add(r, p, piece)) return false;
        if (right) to = hit;
        else from = hit + separator.len;
    }
    return add(r, p, part(s, from, to));
}

bool mn_j_split(mn_jrun *r, mn_jvalue s, const mn_jvalue *separator, int64_t max,
                bool right, mn_jvalue *out)
{
    parts p = { 0 };
    bool ok;
    if (separator && !separator->len)
        return mn_j_fail(r, MINERVA_INVALID, "empty separator");
    if (separator) {
        ok = split_at(r, s, *separator, max, right, &p);
    } else {
        ok = mn_j_spend_bytes(r, s.len)
          && (right ? split_spaces_back(r, s, max, &p) : split_spaces(r, s, max, &p));
    }
    for (uint32_t i = 0; ok && right && i < p.n / 2; i++) {
        mn_jvalue swap = p.items[i];
        p.items[i] = p.items[p.n - 1 - i];
        p.items[p.n - 1 - i] = swap;
    }
    *out = mn_j_list(p.items, p.n);
    return ok;
}

static bool split(mn_jrun *r, mn_jvalue self, call_t call, bool right, mn_jvalue *out)
{
    int64_t max;
    mn_jvalue separator = call->args[0];
    bool given = separator.type != J_MISSING && separator.type != J_NONE;
    if (given && !need_str(r, separator, "separator")) return false;
    return need_int(r, call->args[1], -1, &max)
        && mn_j_split(r, self, given ? &separator : NULL, max < 0 ? -1 : max, right, out);
}

static bool str_split(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return split(r, self, call, false, out);
}

static bool str_rsplit(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return split(r, self, call, true, out);
}

static bool is_line_end(uint32_t cp)
{
    return (cp >= '\n' && cp <= '\r') || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85
        || cp == 0x2028 || cp == 0x2029;
}

bool mn_j_splitlines(mn_jrun *r, mn_jvalue s, bool keep, mn_jvalue *out)
{
    parts p = { 0 };
    size_t start = 0;
    if (!mn_j_spend_bytes(r, s.len)) return false;
    for (size_t at = 0; at < s.len;) {
        uint32_t cp;
        size_t end = at + (size_t)mn_utf8_decode(s.s + at, s.len - at, &cp);
        if (is_line_end(cp)) {
            if (cp == '\r' && end < s.len && s.s[end] == '\n') end++;
            if (!add(r, &p, part(s, start, keep ? end : at))) return false;
            start = end;
        }
        at = end;
    }
    if (start < s.len && !add(r, &p, part(s, start, s.len))) return false;
    *out = mn_j_list(p.items, p.n);
    return true;
}

static bool str_splitlines(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    bool keep = false;
    return (call->args[0].type == J_MISSING || mn_j_truth(r, call->args[0], &keep))
        && mn_j_splitlines(r, self, keep, out);
}

static bool partition(mn_jrun *r, mn_jvalue self, call_t call, bool last, mn_jvalue *out)
{
    mn_jvalue separator = call->args[0];
    int64_t at;
    if (!need_str(r, separator, "the separator")) return false;
    if (!separator.len) return mn_j_fail(r, MINERVA_INVALID, "empty separator");
    mn_jvalue *items = mn_j_alloc(r, 3, sizeof *items);
    if (!items || !search(r, self, separator, last, &at)) return false;
    size_t hit = at >= 0 ? (size_t)at : last ? 0 : self.len;
    size_t len = at >= 0 ? separator.len : 0;
    items[0] = part(self, 0, hit);
    items[1] = part(self, hit, hit + len);
    items[2] = part(self, hit + len, self.len);
    *out = mn_j_tuple(items, 3);
    return true;
}

static bool str_partition(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return partition(r, self, call, false, out);
}

static bool str_rpartition(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return partition(r, self, call, true, out);
}

/* ---- joining and padding ----------------------------------------------------------- */

bool mn_j_join(mn_jrun *r, mn_jvalue separator, mn_jvalue iterable, bool convert,
               mn_jvalue *out)
{
    mn_jiter it;
    mn_jvalue item;
    size_t mark = mn_j_mark(r);
    bool escape = separator.flags & J_MARKUP;
    if (!mn_j_iter_init(r, iterable, &it)) return false;
    for (int64_t i = 0;; i++) {
        int more = mn_j_next(r, &it, &item);
        if (more < 0) return false;
        if (!more) break;
        if (!convert && !escape && item.type != J_STR)
            return mn_j_fail(r, MINERVA_INVALID,
                             "sequence item %lld: expected str instance, "
                             "%s found",
                             (long long)i, mn_j_type_name(item));
        if (escape && !mn_j_escape(r, item, &item)) return false;
        if (i) mn_buffer_append(&r->scratch, separator.s, separator.len);
        if (!mn_j_write(r, &r->scratch, item) || !mn_j_spend_bytes(r, separator.len)
            || !mn_j_check(r, &r->scratch)) return false;
    }
    return take(r, mark, separator, out);
}

static bool str_join(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_join(r, self, call->args[0], false, out);
}

/* align: -1 left, 0 centre, 1 right */
bool mn_j_center(mn_jrun *r, mn_jvalue s, mn_jvalue width, mn_jvalue fill, int align,
                 mn_jvalue *out)
{
    int64_t w, n;
    if (!need_int(r, width, 0, &w) || !mn_j_length(r, s, &n)) return false;
    if (fill.type == J_MISSING) fill = mn_j_cstr(" ");
    if (fill.type != J_STR || mn_j_count(fill) != 1)
        return mn_j_fail(r, MINERVA_INVALID,
                         "The fill character must be exactly one character long");
    *out = s;
    if (w <= n) return true;
    if (s.flags & J_MARKUP && !mn_j_escape(r, fill, &fill)) return false;
    if (fill.len > 1 && mn_j_count(fill) != 1)
        return mn_j_fail(r, MINERVA_INVALID,
                         "The fill character must be exactly one character long");
    int64_t pad = w - n, left = align < 0 ? 0 : align > 0 ? pad : pad / 2 + (pad & w & 1);
    size_t mark = mn_j_mark(r);
    if (!mn_j_pad(r, fill.s, fill.len, (uint64_t)left)) return false;
    mn_buffer_append(&r->scratch, s.s, s.len);
    return mn_j_pad(r, fill.s, fill.len, (uint64_t)(pad - left)) && take(r, mark, s, out);
}

static bool str_center(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_center(r, self, call->args[0], call->args[1], 0, out);
}

static bool str_ljust(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_center(r, self, call->args[0], call->args[1], -1, out);
}

static bool str_rjust(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_center(r, self, call->args[0], call->args[1], 1, out);
}

static bool str_zfill(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    int64_t w, n;
    if (!need_int(r, call->args[0], 0, &w) || !mn_j_length(r, self, &n)) return false;
    *out = self;
    if (w <= n) return true;
    bool sign = self.len && (self.s[0] == '+' || self.s[0] == '-');
    size_t mark = mn_j_mark(r);
    mn_buffer_append(&r->scratch, self.s, sign);
    if (!mn_j_pad(r, "0", 1, (uint64_t)(w - n))) return false;
    mn_buffer_append(&r->scratch, self.s + sign, self.len - sign);
    return take(r, mark, self, out);
}

static bool str_expandtabs(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    int64_t size, column = 0;
    if (!need_int(r, call->args[0], 8, &size) || !mn_j_spend_bytes(r, self.len))
        return false;
    size_t mark = mn_j_mark(r);
    for (uint32_t i = 0; i < self.len; i++) {
        char c = self.s[i];
        if (c != '\t') {
            mn_buffer_append_byte(&r->scratch, c);
            column = c == '\n' || c == '\r' ? 0 : column + ((c & 0xC0) != 0x80);
        } else if (size > 0) {
            int64_t n = size - column % size;
            if (!mn_j_pad(r, " ", 1, (uint64_t)n)) return false;
            column = 0;
        }
    }
    return take(r, mark, self, out);
}

/* ---- questions --------------------------------------------------------------------- */

static bool all(mn_jrun *r, mn_jvalue s, bool (*is)(uint32_t), bool if_empty,
                mn_jvalue *out)
{
    bool yes = s.len || if_empty;
    for (size_t i = 0; yes && i < s.len;) {
        uint32_t cp;
        i += (size_t)mn_utf8_decode(s.s + i, s.len - i, &cp);
        yes = is(cp);
    }
    *out = mn_j_bool(yes);
    return mn_j_spend_bytes(r, s.len);
}

static bool is_alnum(uint32_t cp) { return mn_j_is_alpha(cp) || mn_j_is_numeric(cp); }
static bool is_ascii(uint32_t cp) { return cp < 0x80; }

#define ALL_METHOD(name, is, if_empty) \
    static bool name(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out) \
    { \
        return all(r, self, is, if_empty, out); \
    }
ALL_METHOD(str_isalnum, is_alnum, false)
ALL_METHOD(str_isalpha, mn_j_is_alpha, false)
ALL_METHOD(str_isascii, is_ascii, true)
ALL_METHOD(str_isdecimal, mn_j_is_decimal, false)
ALL_METHOD(str_isdigit, mn_j_is_digit, false)
ALL_METHOD(str_isnumeric, mn_j_is_numeric, false)
ALL_METHOD(str_isprintable, mn_j_is_printable, true)
ALL_METHOD(str_isspace, mn_j_is_space, false)

static bool str_isidentifier(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    uint32_t cp = 0;
    if (self.len) mn_utf8_decode(self.s, self.len, &cp);
    if (mn_j_is_name_start(cp)) return all(r, self, mn_j_is_name_part, false, out);
    *out = mn_j_bool(false);
    return true;
}

/* Some letter of the wanted case, and none of the other. */
static bool one_case(mn_jrun *r, mn_jvalue s, bool upper, mn_jvalue *out)
{
    bool yes = false;
    for (size_t i = 0; i < s.len;) {
        uint32_t cp;
        i += (size_t)mn_utf8_decode(s.s + i, s.len - i, &cp);
        bool is_upper = mn_j_is_upper(cp), is_lower = mn_j_is_lower(cp);
        if ((upper ? is_lower : is_upper) || mn_j_is_title(cp)) {
            yes = false;
            break;
        }
        yes |= upper ? is_upper : is_lower;
    }
    *out = mn_j_bool(yes);
    return mn_j_spend_bytes(r, s.len);
}

static bool str_isupper(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return one_case(r, self, true, out);
}

static bool str_islower(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return one_case(r, self, false, out);
}

static bool str_istitle(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    bool yes = false, in_word = false, broken = false;
    for (size_t i = 0; i < self.len && !broken;) {
        uint32_t cp;
        i += (size_t)mn_utf8_decode(self.s + i, self.len - i, &cp);
        bool capital = mn_j_is_upper(cp) || mn_j_is_title(cp), lower = mn_j_is_lower(cp);
        broken = capital ? in_word : lower && !in_word;
        in_word = capital || lower;
        yes |= in_word;
    }
    *out = mn_j_bool(yes && !broken);
    return mn_j_spend_bytes(r, self.len);
}

/* ---- the rest ---------------------------------------------------------------------- */

static bool str_format(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_brace_format(r, self, call, NULL, out);
}

static bool str_format_map(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jcall none = { 0 };
    return mn_j_brace_format(r, self, &none, &call->args[0], out);
}

static bool refuse(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_fail(r, MINERVA_UNSUPPORTED,
                     "str.encode(), .maketrans() and .translate() are not supported");
}

static const mn_jbuiltin methods[] = {
    { "strip", str_strip, "?", 0, 0, 0 },
    { "split", str_split, "sep maxsplit", 0, 0, 0 },
    { "lstrip", str_lstrip, "?", 0, 0, 0 },
    { "rstrip", str_rstrip, "?", 0, 0, 0 },
    { "startswith", str_startswith, "? ? ?", 1, 0, 0 },
    { "endswith", str_endswith, "? ? ?", 1, 0, 0 },
    { "replace", str_replace, "? ? ?", 2, 0, 0 },
    { "format", str_format, NULL, 0, 0, 0 },
    { "upper", str_upper, "", 0, 0, 0 },
    { "lower", str_lower, "", 0, 0, 0 },
    { "title", str_title, "", 0, 0, 0 },
    { "capitalize", str_capitalize, "", 0, 0, 0 },
    { "join", str_join, "?", 1, 0, 0 },
    { "find", str_find, "? ? ?", 1, 0, 0 },
    { "rfind", str_rfind, "? ? ?", 1, 0, 0 },
    { "index", str_index, "? ? ?", 1, 0, 0 },
    { "rindex", str_rindex, "? ? ?", 1, 0, 0 },
    { "count", str_count, "? ? ?", 1, 0, 0 },
    { "rsplit", str_rsplit, "sep maxsplit", 0, 0, 0 },
    { "splitlines", str_splitlines, "keepends", 0, 0, 0 },
    { "partition", str_partition, "?", 1, 0, 0 },
    { "rpartition", str_rpartition, "?", 1, 0, 0 },
    { "removeprefix", str_removeprefix, "?", 1, 0, 0 },
    { "removesuffix", str_removesuffix, "?", 1, 0, 0 },
    { "center", str_center, "? ?", 1, 0, 0 },
    { "ljust", str_ljust, "? ?", 1, 0, 0 },
    { "rjust", str_rjust, "? ?", 1, 0, 0 },
    { "zfill", str_zfill, "?", 1, 0, 0 },
    { "expandtabs", str_expandtabs, "tabsize", 0, 0, 0 },
    { "swapcase", str_swapcase, "", 0, 0, 0 },
    { "casefold", str_casefold, "", 0, 0, 0 },
    { "isalnum", str_isalnum, "", 0, 0, 0 },
    { "isalpha", str_isalpha, "", 0, 0, 0 },
    { "isascii", str_isascii, "", 0, 0, 0 },
    { "isdecimal", str_isdecimal, "", 0, 0, 0 },
    { "isdigit", str_isdigit, "", 0, 0, 0 },
    { "isidentifier", str_isidentifier, "", 0, 0, 0 },
    { "islower", str_islower, "", 0, 0, 0 },
    { "isnumeric", str_isnumeric, "", 0, 0, 0 },
    { "isprintable", str_isprintable, "", 0, 0, 0 },
    { "isspace", str_isspace, "", 0, 0, 0 },
    { "istitle", str_istitle, "", 0, 0, 0 },
    { "isupper", str_isupper, "", 0, 0, 0 },
    { "format_map", str_format_map, "?", 1, 0, 0 },
    { "encode", refuse, NULL, 0, 0, 0 },
    { "maketrans", refuse, NULL, 0, 0, 0 },
    { "translate", refuse, NULL, 0, 0, 0 }
};

const mn_jbuiltin *mn_j_find_str_method(mn_jvalue name)
{
    return mn_j_find_in(methods, COUNT(methods), name);
}
