/* json.dumps: |tojson.
 *
 * Strings keep what is not ASCII unless asked; keys that are numbers, booleans or None
 * become strings; other types cannot be written, as in Python.
 */
#include "base/utf8.h"
#include "text/jinja_run.h"

#include <math.h>
#include <string.h>

static void write_string(mn_buffer *b, mn_jvalue s, bool ascii_only)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    mn_buffer_append_byte(b, '"');
    size_t plain = 0;       /* start of what needs no escape */
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.s[i];
        const char *known = c && c < 0x80 ? strchr(from, c) : NULL;
        bool special = known || c < 0x20 || (ascii_only && c >= 0x7F);
        if (!special) {
            i++;
            continue;
        }
        mn_buffer_append(b, s.s + plain, i - plain);
        uint32_t cp;
        i += (size_t)mn_utf8_decode(s.s + i, s.len - i, &cp);
        plain = i;
        if (known) {
            mn_buffer_append_byte(b, '\\');
            mn_buffer_append_byte(b, to[known - from]);
        } else if (cp >= 0x10000) {
            mn_buffer_append_fmt(b, "\\u%04x\\u%04x", 0xD7C0 + (cp >> 10),
                                 0xDC00 + (cp & 0x3FF));
        } else {
            mn_buffer_append_fmt(b, "\\u%04x", cp);
        }
    }
    mn_buffer_append(b, s.s + plain, s.len - plain);
    mn_buffer_append_byte(b, '"');
}

static void write_number(mn_buffer *b, double f)
{
    if (isnan(f)) mn_buffer_append_str(b, "NaN");
    else if (isinf(f)) mn_buffer_append_str(b, f < 0 ? "-Infinity" : "Infinity");
    else mn_j_write_float(b, f);
}

typedef struct {
    mn_jrun *r;
    mn_buffer *b;
    const mn_json_style *style;
    uint32_t level;
} writer;

static bool write(writer *w, mn_jvalue v);

static bool newline(writer *w)
{
    if (!w->style->has_indent) return true;
    mn_buffer_append_byte(w->b, '\n');
    for (uint32_t i = 0; i < w->level; i++)
        mn_buffer_append(w->b, w->style->indent.s, w->style->indent.len);
    return mn_j_spend_bytes(w->r, (size_t)w->level * w->style->indent.len)
        && mn_j_check(w->r, w->b);
}

static bool write_list(writer *w, mn_jvalue v)
{
    if (!v.len) {
        mn_buffer_append_str(w->b, "[]");
        return true;
    }
    mn_buffer_append_byte(w->b, '[');
    w->level++;
    for (uint32_t i = 0; i < v.len; i++) {
        if (i)
            mn_buffer_append(w->b, w->style->item_separator.s,
                             w->style->item_separator.len);
        if (!newline(w) || !write(w, v.items[i])) return false;
    }
    w->level--;
    if (!newline(w)) return false;
    mn_buffer_append_byte(w->b, ']');
    return true;
}

static bool write_key(writer *w, mn_jvalue key)
{
    switch (key.type) {
    case J_STR: write_string(w->b, key, w->style->ascii_only); return true;
    case J_NONE: case J_BOOL: case J_INT: case J_FLOAT:
        mn_buffer_append_byte(w->b, '"');
        if (!write(w, key)) return false;
        mn_buffer_append_byte(w->b, '"');
        return true;
    default:
        return mn_j_fail(w->r, MINERVA_INVALID,
                         "keys must be str, int, float, bool or None, "
                         "not %s",
                         mn_j_type_name(key));
    }
}

/* Entry numbers in the order of their keys. */
static bool sort_entries(mn_jrun *r, const mn_jdict *d, uint32_t **order)
{
    mn_jvalue *keys = mn_j_alloc(r, d->n, sizeof *keys);
    *order = mn_j_alloc(r, d->n, sizeof **order);
    if (!keys || !*order) return false;
    for (uint32_t i = 0; i < d->n; i++) keys[i] = d->entries[i].key;
    return mn_j_sort(r, keys, d->n, false, *order);
}

static bool write_object(writer *w, const mn_jdict *d)
{
    if (!d->n) {
        mn_buffer_append_str(w->b, "{}");
        return true;
    }
    uint32_t *order = NULL;
    if (w->style->sort_keys && !sort_entries(w->r, d, &order)) return false;
    mn_buffer_append_byte(w->b, '{');
    w->level++;
    for (uint32_t i = 0; i < d->n; i++) {
        const mn_jentry *e = &d->entries[order ? order[i] : i];
        if (i)
            mn_buffer_append(w->b, w->style->item_separator.s,
                             w->style->item_separator.len);
        if (!newline(w) || !write_key(w, e->key)) return false;
        mn_buffer_append(w->b, w->style->key_separator.s, w->style->key_separator.len);
        if (!write(w, e->value)) return false;
    }
    w->level--;
    if (!newline(w)) return false;
    mn_buffer_append_byte(w->b, '}');
    return true;
}

static bool write(writer *w, mn_jvalue v)
{
    if (!mn_j_spend(w->r, 1)) return false;
    bool ok = true;
    switch (v.type) {
    case J_NONE: mn_buffer_append_str(w->b, "null"); break;
    case J_BOOL: mn_buffer_append_str(w->b, v.b ? "true" : "false"); break;
    case J_INT: mn_buffer_append_fmt(w->b, "%lld", (long long)v.i); break;
    case J_FLOAT:
        write_number(w->b, v.f);
        return mn_j_spend(w->r, 20);
    case J_STR:
        write_string(w->b, v, w->style->ascii_only);
        return mn_j_spend_bytes(w->r, v.len);
    case J_LIST: case J_TUPLE: case J_DICT:
        if (!mn_j_data_enter(w->r)) return false;
        ok = v.type == J_DICT ? write_object(w, v.dict) : write_list(w, v);
        mn_j_data_leave(w->r);
        break;
    default:
        return mn_j_fail(w->r, MINERVA_INVALID,
                         "Object of type %s is not JSON serializable", mn_j_type_name(v));
    }
    return ok;
}

bool mn_j_write_json(mn_jrun *r, mn_buffer *b, mn_jvalue v, const mn_json_style *style)
{
    writer w = { r, b, style, 0 };
    return write(&w, v);
}
