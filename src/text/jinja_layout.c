/* Laying out text: |wordwrap as textwrap does it, |pprint as its pprint does, and
 * strftime with English names whatever the locale. */
#include "base/utf8.h"
#include "text/jinja_run.h"

#include <stdio.h>
#include <string.h>

/* ---- wordwrap ---------------------------------------------------------------------- */

/* One line of text as code points; chunks are its unbreakable pieces. */
typedef struct { uint32_t from, to; } chunk;
typedef struct {
    const uint32_t *cp;
    uint32_t n;
    chunk *chunks;
    uint32_t n_chunks;
} line_text;

static bool is_gap(uint32_t cp) { return cp == ' ' || (cp >= '\t' && cp <= '\r'); }
static bool is_letter(uint32_t cp) { return mn_j_is_word(cp) && !mn_j_is_decimal(cp); }
static bool is_word_punct(uint32_t cp)
{
    return mn_j_is_word(cp) || (cp < 0x80 && cp && strchr("!\"'&.,?", (int)cp));
}

/* A run of two or more dashes at i that a word follows. */
static uint32_t dash_run(const line_text *t, uint32_t i)
{
    uint32_t end = i;
    while (end < t->n && t->cp[end] == '-') end++;
    return end - i >= 2 && end < t->n && mn_j_is_word(t->cp[end]) ? end : 0;
}

/* May a line end behind the hyphen at i?  Letters must stand around it: ab-cd, a-b-cd. */
static bool breaks_after(const line_text *t, uint32_t i)
{
    const uint32_t *c = t->cp;
    bool before =
        (i >= 2 && is_letter(c[i - 1]) && is_letter(c[i - 2]))
        || (i >= 3 && is_word_punct(c[i - 1]) && c[i - 2] == '-' && is_letter(c[i - 3]));
    if (!before || i + 1 >= t->n || !is_letter(c[i + 1])) return false;
    uint32_t next = i + 2 < t->n && c[i + 2] == '-' ? i + 3 : i + 2;
    return next < t->n && is_letter(c[next]);
}

static uint32_t chunk_end(const line_text *t, uint32_t from, bool on_hyphens)
{
    uint32_t i = from;
    if (is_gap(t->cp[i])) {
        while (i < t->n && is_gap(t->cp[i])) i++;
        return i;
    }
    if (on_hyphens && i > 0 && t->cp[i] == '-' && is_word_punct(t->cp[i - 1])) {
        uint32_t end = dash_run(t, i);
        if (end) return end;
    }
    for (i++; i < t->n && !is_gap(t->cp[i]); i++) {
        if (!on_hyphens || t->cp[i] != '-') continue;
        if (breaks_after(t, i)) return i + 1;
        if (is_word_punct(t->cp[i - 1]) && dash_run(t, i)) return i;
    }
    return i;
}

static bool line_init(mn_jrun *r, mn_jvalue s, bool on_hyphens, line_text *t)
{
    uint32_t *cp = mn_j_alloc(r, s.len, sizeof *cp);
    *t = (line_text){ .cp = cp, .chunks = mn_j_alloc(r, s.len, sizeof *t->chunks) };
    if (!cp || !t->chunks || !mn_j_spend(r, s.len)) return false;
    for (size_t i = 0; i < s.len;)
        i += (size_t)mn_utf8_decode(s.s + i, s.len - i, &cp[t->n++]);
    for (uint32_t at = 0; at < t->n;) {
        uint32_t end = chunk_end(t, at, on_hyphens);
        t->chunks[t->n_chunks++] = (chunk){ at, end };
        at = end;
    }
    return true;
}

static bool is_blank(const line_text *t, chunk c)
{
    for (uint32_t i = c.from; i < c.to; i++)
        if (!mn_j_is_space(t->cp[i])) return false;
    return true;
}

typedef struct {
    int64_t width;
    bool break_long, on_hyphens;
    mn_jvalue separator;
} wrapping;

/* Cut what fits off a chunk that is longer than a line. */
static chunk cut_long(const line_text *t, chunk *c, const wrapping *w, int64_t space)
{
    uint32_t end =
        c->from + (uint32_t)(space < c->to - c->from ? space : c->to - c->from);
    if (w->on_hyphens && c->to > end) {
        uint32_t hyphen = end;
        while (hyphen > c->from && t->cp[hyphen - 1] != '-') hyphen--;
        bool other = false;
        for (uint32_t i = c->from; i + 1 < hyphen; i++) other |= t->cp[i] != '-';
        if (hyphen > c->from + 1 && other) end = hyphen;
    }
    chunk head = { c->from, end };
    c->from = end;
    return head;
}

/* Chunks are contiguous, so a line is one stretch of the text. */
static bool wrap_line(mn_jrun *r, mn_jvalue s, const wrapping *w)
{
    line_text t;
    if (!line_init(r, s, w->on_hyphens, &t)) return false;
    bool has_lines = false;
    for (uint32_t i = 0; i < t.n_chunks;) {
        if (has_lines && is_blank(&t, t.chunks[i]) && ++i == t.n_chunks) break;
        uint32_t from = t.chunks[i].from, to = from, last = i;
        int64_t len = 0;
        bool any = false;
        for (; i < t.n_chunks && len + t.chunks[i].to - t.chunks[i].from <= w->width;
             i++) {
            len += t.chunks[i].to - t.chunks[i].from;
            to = t.chunks[i].to;
            last = i;
            any = true;
        }
        chunk tail = any ? t.chunks[last] : (chunk){ from, from };
        if (i < t.n_chunks && t.chunks[i].to - t.chunks[i].from > w->width) {
            if (w->break_long) {
                tail = cut_long(&t, &t.chunks[i], w, w->width - len);
                to = tail.to;
                any = true;
            } else if (!any) {
                tail = t.chunks[i++];
                to = tail.to;
                any = true;
            }
        }
        if (any && is_blank(&t, tail)) {
            to = tail.from;
            any = to > from;
        }
        if (!mn_j_spend(r, 1)) return false;
        if (!any) continue;
        if (has_lines) mn_buffer_append(&r->scratch, w->separator.s, w->separator.len);
        for (uint32_t k = from; k < to; k++)
            mn_buffer_append_codepoint(&r->scratch, t.cp[k]);
        has_lines = true;
    }
    return mn_j_check(r, &r->scratch);
}

bool mn_j_wrap_text(mn_jrun *r, mn_jvalue s, const mn_jcall *call, mn_jvalue *out)
{
    wrapping w = { 79, true, true, mn_j_cstr("\n") };
    mn_jvalue lines;
    if (s.type == J_UNDEFINED) return mn_j_fail_undefined(r, s);
    if (s.type != J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "wordwrap needs a string, not %s",
                         mn_j_type_name(s));
    if (call->args[0].type != J_MISSING) {
        if (!mn_j_is_index(call->args[0]))
            return mn_j_fail(r, MINERVA_INVALID, "wordwrap needs a width");
        w.width = mn_j_index_of(call->args[0]);
    }
    if (call->args[1].type != J_MISSING && !mn_j_truth(r, call->args[1], &w.break_long))
        return false;
    if (call->args[2].type == J_STR) w.separator = call->args[2];
    if (call->args[3].type != J_MISSING && !mn_j_truth(r, call->args[3], &w.on_hyphens))
        return false;
    if (!mn_j_splitlines(r, s, false, &lines)) return false;
    size_t mark = mn_j_mark(r);
    for (uint32_t i = 0; i < lines.len; i++) {
        if (i) mn_buffer_append(&r->scratch, w.separator.s, w.separator.len);
        if (w.width <= 0)
            return mn_j_fail(r, MINERVA_INVALID, "invalid width (must be > 0)");
        if (!wrap_line(r, lines.items[i], &w)) return false;
    }
    return mn_j_take(r, mark, out);
}

/* ---- pprint ------------------------------------------------------------------------ */

enum { PAGE_WIDTH = 80 };

/* Entries by key where keys compare; else as they come. */
static bool sorted_entries(mn_jrun *r, const mn_jdict *d, uint32_t **order)
{
    bool strings = true, numbers = true;
    *order = mn_j_alloc(r, d->n, sizeof **order);
    mn_jvalue *keys = mn_j_alloc(r, d->n, sizeof *keys);
    if (!*order || !keys) return false;
    for (uint32_t i = 0; i < d->n; i++) {
        keys[i] = d->entries[i].key;
        strings &= keys[i].type == J_STR;
        numbers &= mn_j_is_number(keys[i]);
        (*order)[i] = i;
    }
    return (!strings && !numbers) || mn_j_sort(r, keys, d->n, false, *order);
}

/* A copy in which every dict is sorted by its keys. */
static bool with_sorted_dicts(mn_jrun *r, mn_jvalue v, mn_jvalue *out)
{
    *out = v;
    if (v.type != J_LIST && v.type != J_TUPLE && v.type != J_DICT) return true;
    if (!mn_j_data_enter(r) || !mn_j_spend(r, 1)) return false;
    if (v.type == J_DICT) {
        uint32_t *order;
        mn_jdict *copy = mn_j_dict_new(r, v.dict->n);
        if (!copy || !sorted_entries(r, v.dict, &order)) return false;
        for (uint32_t i = 0; i < v.dict->n; i++) {
            const mn_jentry *e = &v.dict->entries[order[i]];
            mn_jvalue value;
            if (!with_sorted_dicts(r, e->value, &value)
                || !mn_j_dict_put(r, copy, e->key, value)) return false;
        }
        out->dict = copy;
    } else {
        mn_jvalue *items = mn_j_alloc(r, v.len, sizeof *items);
        if (!items) return false;
        for (uint32_t i = 0; i < v.len; i++)
            if (!with_sorted_dicts(r, v.items[i], &items[i])) return false;
        out->items = items;
    }
    mn_j_data_leave(r);
    return true;
}

static bool pretty(mn_jrun *r, mn_jvalue v, int64_t indent, int64_t allowance, int level);

static bool repr_of(mn_jrun *r, mn_jvalue v, mn_jvalue *out)
{
    size_t mark = mn_j_mark(r);
    return mn_j_write_repr(r, &r->scratch, v) && mn_j_take(r, mark, out);
}

static bool next_line(mn_jrun *r, int64_t indent)
{
    mn_buffer_append_byte(&r->scratch, '\n');
    return mn_j_pad(r, " ", 1, (uint64_t)indent);
}

static bool pretty_items(mn_jrun *r, mn_jvalue v, int64_t indent, int64_t allowance,
                         int level)
{
    for (uint32_t i = 0; i < v.len; i++) {
        if (i) {
            mn_buffer_append_byte(&r->scratch, ',');
            if (!next_line(r, indent + 1)) return false;
        }
        if (!pretty(r, v.items[i], indent + 1, i + 1 == v.len ? allowance : 1, level))
            return false;
    }
    return true;
}

static bool pretty_dict(mn_jrun *r, const mn_jdict *d, int64_t indent, int64_t allowance,
                        int level)
{
    mn_buffer_append_byte(&r->scratch, '{');
    for (uint32_t i = 0; i < d->n; i++) {
        mn_jvalue key;
        if (i) {
            mn_buffer_append_byte(&r->scratch, ',');
            if (!next_line(r, indent + 1)) return false;
        }
        if (!repr_of(r, d->entries[i].key, &key)) return false;
        mn_buffer_append(&r->scratch, key.s, key.len);
        mn_buffer_append_str(&r->scratch, ": ");
        if (!pretty(r, d->entries[i].value, indent + 1 + mn_j_count(key) + 2,
                    i + 1 == d->n ? allowance + 1 : 1, level)) return false;
    }
    mn_buffer_append_byte(&r->scratch, '}');
    return true;
}

/* The end of the word at `at` and the white space behind it. */
static uint32_t word_end(mn_jvalue s, uint32_t at)
{
    uint32_t cp;
    for (bool in_space = false; at < s.len;) {
        int n = mn_utf8_decode(s.s + at, s.len - at, &cp);
        bool space = mn_j_is_space(cp);
        if (in_space && !space) break;
        in_space = space;
        at += (uint32_t)n;
    }
    return at;
}

typedef struct { int64_t indent; uint32_t n; } pieces;

static bool add_piece(mn_jrun *r, pieces *p, const char *s, size_t len)
{
    if (p->n++ && !next_line(r, p->indent)) return false;
    mn_j_write_str_repr(&r->scratch, s, len, false);
    return mn_j_check(r, &r->scratch);
}

/* A line that is too long, cut between words. */
static bool pretty_words(mn_jrun *r, mn_jvalue line, bool is_last_line, int64_t width,
                         int64_t allowance, pieces *p)
{
    uint32_t start = 0;
    for (uint32_t at = 0; at < line.len;) {
        uint32_t end = word_end(line, at);
        mn_jvalue candidate;
        if (is_last_line && end == line.len) width -= allowance;
        if (!repr_of(r, mn_j_str(line.s + start, end - start), &candidate)) return false;
        if (mn_j_count(candidate) > width && at > start) {
            if (!add_piece(r, p, line.s + start, at - start)) return false;
            start = at;
        }
        at = end;
    }
    return start == line.len || add_piece(r, p, line.s + start, line.len - start);
}

static bool pretty_str(mn_jrun *r, mn_jvalue v, int64_t indent, int64_t allowance,
                       int level)
{
    mn_jvalue lines, whole;
    if (!mn_j_splitlines(r, v, true, &lines)) return false;
    bool outermost = level == 1;
    if (outermost) {
        indent++;
        allowance++;
    }
    size_t mark = mn_j_mark(r);
    pieces p = { indent, 0 };
    if (outermost) mn_buffer_append_byte(&r->scratch, '(');
    for (uint32_t i = 0; i < lines.len; i++) {
        mn_jvalue line = lines.items[i], text;
        bool is_last = i + 1 == lines.len;
        int64_t width = PAGE_WIDTH - indent;
        if (!repr_of(r, line, &text)) return false;
        bool fits = mn_j_count(text) <= width - (is_last ? allowance : 0);
        if (!(fits ? add_piece(r, &p, line.s, line.len)
                   : pretty_words(r, line, is_last, width, allowance, &p))) return false;
    }
    if (outermost) mn_buffer_append_byte(&r->scratch, ')');
    if (p.n > 1) return true;
    r->scratch.len = mark;
    if (!repr_of(r, v, &whole)) return false;
    mn_buffer_append(&r->scratch, whole.s, whole.len);
    return true;
}

static bool pretty(mn_jrun *r, mn_jvalue v, int64_t indent, int64_t allowance, int level)
{
    mn_jvalue flat;
    if (!repr_of(r, v, &flat)) return false;
    bool fits = mn_j_count(flat) <= PAGE_WIDTH - indent - allowance, ok = true;
    if (fits
        || (v.type != J_STR && v.type != J_LIST && v.type != J_TUPLE && v.type != J_DICT)
        || v.flags || !v.len + (v.type == J_DICT) == 1) {
        mn_buffer_append(&r->scratch, flat.s, flat.len);
        return true;
    }
    if (!mn_j_data_enter(r)) return false;
    level++;
    if (v.type == J_STR) {
        ok = pretty_str(r, v, indent, allowance, level);
    } else if (v.type == J_DICT) {
        ok = pretty_dict(r, v.dict, indent, allowance, level);
    } else {
        const char *close = v.type == J_LIST ? "]" : v.len == 1 ? ",)" : ")";
        mn_buffer_append_byte(&r->scratch, v.type == J_LIST ? '[' : '(');
        ok = pretty_items(r, v, indent, allowance + (int64_t)strlen(close), level);
        mn_buffer_append_str(&r->scratch, close);
    }
    mn_j_data_leave(r);
    return ok;
}

bool mn_j_pretty(mn_jrun *r, mn_jvalue v, mn_jvalue *out)
{
    size_t mark = mn_j_mark(r);
    return with_sorted_dicts(r, v, &v) && pretty(r, v, 0, 0, 0)
        && mn_j_take(r, mark, out);
}

/* ---- strftime ---------------------------------------------------------------------- */

static const char *const days[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday" };
static const char *const months[] = { "January",   "February", "March",    "April",
                                      "May",       "June",     "July",     "August",
                                      "September", "October",  "November", "December" };

/* A number with glibc's flags: - no padding, _ spaces, 0 zeros. */
static void number(mn_buffer *b, long long v, int width, char pad, char flag)
{
    if (flag == '-') width = 0;
    if (flag == '_') pad = ' ';
    if (flag == '0') pad = '0';
    mn_buffer_append_fmt(b, pad == '0' ? "%0*lld" : "%*lld", width, v);
}

static void name(mn_buffer *b, const char *s, size_t len, char flag)
{
    for (size_t i = 0; i < len; i++)
        mn_buffer_append_byte(
            b, flag == '^' && s[i] >= 'a' && s[i] <= 'z' ? (char)(s[i] - 32) : s[i]);
}

/* ISO 8601 week: weeks begin on Monday, week 1 holds the first Thursday. */
static int iso_week(const struct tm *t, int *year)
{
    int weekday = (t->tm_wday + 6) % 7, week = (t->tm_yday - weekday + 10) / 7;
    *year = t->tm_year + 1900;
    int y = week < 1 ? --*year : *year;
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (week < 1) {
        week = (t->tm_yday + 365 + leap - weekday + 10) / 7;
    } else if (week == 53 && t->tm_yday + 4 - (weekday + 1) >= 365 + leap) {
        ++*year;
        week = 1;
    }
    return week;
}

static void format_time(mn_buffer *b, const struct tm *t, const char *f, size_t len);

static bool format_date_part(mn_buffer *b, const struct tm *t, char c, char flag)
{
    int iso_year, hour12 = t->tm_hour % 12 ? t->tm_hour % 12 : 12;
    int week = iso_week(t, &iso_year), year = t->tm_year + 1900;
    const char *day = days[t->tm_wday % 7], *month = months[t->tm_mon % 12];
    switch (c) {
    case 'a': name(b, day, 3, flag); break;
    case 'A': name(b, day, strlen(day), flag); break;
    case 'b': case 'h': name(b, month, 3, flag); break;
    case 'B': name(b, month, strlen(month), flag); break;
    case 'd': number(b, t->tm_mday, 2, '0', flag); break;
    case 'e': number(b, t->tm_mday, 2, ' ', flag); break;
    case 'm': number(b, t->tm_mon + 1, 2, '0', flag); break;
    case 'y': number(b, year % 100, 2, '0', flag); break;
    case 'Y': number(b, year, 4, '0', flag == '0' || !flag ? '-' : flag); break;
    case 'C': number(b, year / 100, 2, '0', flag); break;
    case 'H': number(b, t->tm_hour, 2, '0', flag); break;
    case 'k': number(b, t->tm_hour, 2, ' ', flag); break;
    case 'I': number(b, hour12, 2, '0', flag); break;
    case 'l': number(b, hour12, 2, ' ', flag); break;
    case 'M': number(b, t->tm_min, 2, '0', flag); break;
    case 'S': number(b, t->tm_sec, 2, '0', flag); break;
    case 'f': mn_buffer_append_str(b, "000000"); break;
    case 'j': number(b, t->tm_yday + 1, 3, '0', flag); break;
    case 'u': number(b, t->tm_wday ? t->tm_wday : 7, 1, '0', flag); break;
    case 'w': number(b, t->tm_wday, 1, '0', flag); break;
    case 'U': number(b, (t->tm_yday + 7 - t->tm_wday) / 7, 2, '0', flag); break;
    case 'W': number(b, (t->tm_yday + 7 - (t->tm_wday + 6) % 7) / 7, 2, '0', flag); break;
    case 'V': number(b, week, 2, '0', flag); break;
    case 'G': number(b, iso_year, 4, '0', flag == '0' || !flag ? '-' : flag); break;
    case 'g': number(b, iso_year % 100, 2, '0', flag); break;
    case 'p':
        name(b,
             t->tm_hour < 12 ? flag == '#' ? "am" : "AM"
             : flag == '#'   ? "pm"
                             : "PM",
             2, flag);
        break;
    case 'P': name(b, t->tm_hour < 12 ? "am" : "pm", 2, flag); break;
    case 's': {
        struct tm copy = *t;
        copy.tm_isdst = -1;
        number(b, (long long)mktime(&copy), 1, '0', flag);
        break;
    }
    case 'n': mn_buffer_append_byte(b, '\n'); break;
    case 't': mn_buffer_append_byte(b, '\t'); break;
    case '%': mn_buffer_append_byte(b, '%'); break;
    case 'z': case 'Z': break;          /* datetime.now() knows no zone */
    default: return false;
    }
    return true;
}

static void format_time(mn_buffer *b, const struct tm *t, const char *f, size_t len)
{
    static const struct { char c; const char *means;
    } whole[] = { { 'c', "%a %b %e %H:%M:%S %Y" },
                  { 'D', "%m/%d/%y" },
                  { 'F', "%Y-%m-%d" },
                  { 'r', "%I:%M:%S %p" },
                  { 'R', "%H:%M" },
                  { 'T', "%H:%M:%S" },
                  { 'x', "%m/%d/%y" },
                  { 'X', "%H:%M:%S" } };
    for (size_t i = 0; i < len; i++) {
        size_t start = i;
        if (f[i] != '%') {
            mn_buffer_append_byte(b, f[i]);
            continue;
        }
        char flag = 0;
        for (i++; i < len && f[i] && strchr("-_0^#EO", f[i]); i++) flag = f[i];
        bool done = false;
        for (size_t k = 0; i < len && !done && k < sizeof whole / sizeof *whole; k++) {
            if (whole[k].c != f[i]) continue;
            format_time(b, t, whole[k].means, strlen(whole[k].means));
            done = true;
        }
        if (!done && (i >= len || !format_date_part(b, t, f[i], flag)))
            mn_buffer_append(b, f + start, (i < len ? i + 1 : len) - start);
    }
}

bool mn_j_strftime(mn_jrun *r, mn_jvalue format, mn_jvalue *out)
{
    struct tm now;
    if (r->now) {
        now = *r->now;
    } else {
        time_t clock = time(NULL);
        if (!localtime_r(&clock, &now))
            return mn_j_fail(r, MINERVA_IO, "the local time is not to be had");
    }
    size_t mark = mn_j_mark(r);
    if (!mn_j_spend(r, format.len)) return false;
    format_time(&r->scratch, &now, format.s, format.len);
    return mn_j_check(r, &r->scratch) && mn_j_take(r, mark, out);
}
