/* JSON reader and writer; see json_doc.h. */
#include "constrain/json_doc.h"

#include "base/utf8.h"

typedef struct {
    mn_cx *cx;
    const char *text, *p, *end;
    uint32_t depth, n_values;
    MN_VEC(mn_jv) items;            /* of the arrays that are open */
    MN_VEC(mn_jmember) members;     /* of the objects that are open */
} reader;

_Noreturn static void bad(reader *r, const char *expected)
{
    if (r->p >= r->end)
        mn_cx_raise(r->cx, MINERVA_INVALID, "JSON: %s expected, end of text found", expected);
    mn_cx_raise(r->cx, MINERVA_INVALID, "JSON: %s expected at byte %zu, 0x%02x found", expected,
                (size_t)(r->p - r->text), (unsigned char)*r->p);
}

static void skip_blanks(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
}

static uint32_t read_hex4(reader *r)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++, r->p++) {
        if (r->p >= r->end) bad(r, "hexadecimal digit");
        int c = *r->p | 0x20;
        if (*r->p >= '0' && *r->p <= '9') v = v * 16 + (uint32_t)(*r->p - '0');
        else if (c >= 'a' && c <= 'f') v = v * 16 + (uint32_t)(c - 'a' + 10);
        else bad(r, "hexadecimal digit");
    }
    return v;
}

static uint32_t read_escape(reader *r)
{
    if (r->p >= r->end) bad(r, "escape");
    switch (*r->p++) {
    case '"': return '"';
    case '\\': return '\\';
    case '/': return '/';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'u': break;
    default: r->p--; bad(r, "escape");
    }
    uint32_t cp = read_hex4(r);
    if (cp >= 0xD800 && cp < 0xDC00 && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u') {
        r->p += 2;
        uint32_t low = read_hex4(r);
        if (low >= 0xDC00 && low < 0xE000) return 0x10000 + ((cp - 0xD800) << 10) + low - 0xDC00;
    }
    if (cp >= 0xD800 && cp < 0xE000) bad(r, "a whole surrogate pair");
    return cp;
}

/* r->p is behind the opening quote; afterwards behind the closing one. */
static const char *read_string(reader *r, uint32_t *len)
{
    const char *start = r->p;
    bool high = false;
    while (r->p < r->end && *r->p != '"' && *r->p != '\\') {
        if ((unsigned char)*r->p < 0x20) bad(r, "no control character in a string");
        high |= (unsigned char)*r->p++ >= 0x80;
    }
    if (r->p >= r->end) bad(r, "end of string");
    size_t plain = (size_t)(r->p - start);
    if (*r->p == '"') {
        r->p++;
        if (high && !mn_utf8_valid(start, plain)) {
            r->p = start;
            bad(r, "valid UTF-8");
        }
        *len = (uint32_t)plain;
        return start;
    }
    /* Escapes only shrink, so what is left of the text bounds the result. */
    const char *close = r->p;
    while (close < r->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close > r->end) close = r->end;
    char *out = mn_cx_alloc(r->cx, (size_t)(close - start) + 5, 1);
    memcpy(out, start, plain);
    size_t n = plain;
    while (r->p < r->end && *r->p != '"') {
        if ((unsigned char)*r->p < 0x20) bad(r, "no control character in a string");
        if (*r->p != '\\') {
            out[n++] = *r->p++;
            continue;
        }
        r->p++;
        n += (size_t)mn_utf8_encode(read_escape(r), out + n);
    }
    if (r->p >= r->end) bad(r, "end of string");
    r->p++;
    if (!mn_utf8_valid(out, n)) bad(r, "valid UTF-8");
    *len = (uint32_t)n;
    return out;
}

static bool digit(const reader *r) { return r->p < r->end && *r->p >= '0' && *r->p <= '9'; }

static void read_number(reader *r, mn_jv *out)
{
    const char *start = r->p;
    if (*r->p == '-') r->p++;
    if (!digit(r)) bad(r, "digit");
    if (*r->p == '0') r->p++;
    else while (digit(r)) r->p++;
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        if (!digit(r)) bad(r, "digit");
        while (digit(r)) r->p++;
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-')) r->p++;
        if (!digit(r)) bad(r, "digit");
        while (digit(r)) r->p++;
    }
    *out = (mn_jv){ .type = MN_J_NUMBER, .n = (uint32_t)(r->p - start), .str = start };
}

static void read_value(reader *r, mn_jv *out);

static void read_array(reader *r, mn_jv *out)
{
    uint32_t base = r->items.n;
    skip_blanks(r);
    if (r->p < r->end && *r->p == ']') {
        r->p++;
    } else {
        for (;;) {
            mn_jv v;
            read_value(r, &v);
            mn_vec_push(r->cx, &r->items, v);
            skip_blanks(r);
            if (r->p < r->end && *r->p == ',') {
                r->p++;
                continue;
            }
            if (r->p >= r->end || *r->p != ']') bad(r, "',' or ']'");
            r->p++;
            break;
        }
    }
    uint32_t n = r->items.n - base;
    *out = (mn_jv){ .type = MN_J_ARRAY, .n = n };
    out->items = mn_cx_alloc(r->cx, n, sizeof *out->items);
    if (n) memcpy(out->items, r->items.at + base, n * sizeof *out->items);
    r->items.n = base;
}

/* Objects of more than SMALL members carry a hash index behind their members: slots of
 * member number + 1, a power of two of them, at most half full. */
enum { SMALL = 12 };

static uint32_t index_capacity(uint32_t n)
{
    uint32_t cap = 32;
    while (cap < n * 2) cap *= 2;
    return cap;
}

static uint32_t *index_of(const mn_jmember *m, uint32_t n) { return (uint32_t *)(m + n); }

static bool same_key(const mn_jmember *m, const char *key, size_t len)
{
    return m->key_len == len && (!len || !memcmp(m->key, key, len));
}

/* Slot of the key, or the free slot where it belongs. */
static uint32_t *find_slot(const mn_jmember *m, uint32_t n, const char *key, size_t len)
{
    uint32_t mask = index_capacity(n) - 1, *slots = index_of(m, n);
    for (uint32_t at = (uint32_t)mn_hash64(key, len, 0x6d6e6a);; at++) {
        uint32_t *slot = &slots[at & mask];
        if (!*slot || same_key(&m[*slot - 1], key, len)) return slot;
    }
}

static void check_duplicates(reader *r, const mn_jmember *m, uint32_t n)
{
    const mn_jmember *twice = NULL;
    for (uint32_t i = 1; n <= SMALL && i < n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (same_key(&m[j], m[i].key, m[i].key_len)) twice = &m[i];
    for (uint32_t i = 0; n > SMALL && i < n; i++) {
        uint32_t *slot = find_slot(m, n, m[i].key, m[i].key_len);
        if (*slot) twice = &m[i];
        *slot = i + 1;
    }
    if (twice)
        mn_cx_raise(r->cx, MINERVA_INVALID, "JSON: key \"%.*s\" found twice in the object before "
                    "byte %zu", twice->key_len > 60 ? 60 : (int)twice->key_len, twice->key,
                    (size_t)(r->p - r->text));
}

static void read_object(reader *r, mn_jv *out)
{
    uint32_t base = r->members.n;
    skip_blanks(r);
    if (r->p < r->end && *r->p == '}') {
        r->p++;
    } else {
        for (;;) {
            mn_jmember m = { 0 };
            skip_blanks(r);
            if (r->p >= r->end || *r->p != '"') bad(r, "'\"'");
            r->p++;
            m.key = read_string(r, &m.key_len);
            skip_blanks(r);
            if (r->p >= r->end || *r->p != ':') bad(r, "':'");
            r->p++;
            read_value(r, &m.value);
            mn_vec_push(r->cx, &r->members, m);
            skip_blanks(r);
            if (r->p < r->end && *r->p == ',') {
                r->p++;
                continue;
            }
            if (r->p >= r->end || *r->p != '}') bad(r, "',' or '}'");
            r->p++;
            break;
        }
    }
    uint32_t n = r->members.n - base;
    *out = (mn_jv){ .type = MN_J_OBJECT, .n = n };
    size_t index_bytes = n > SMALL ? index_capacity(n) * sizeof(uint32_t) : 0;
    out->members = mn_cx_alloc(r->cx, n * sizeof *out->members + index_bytes, 1);
    if (n) memcpy(out->members, r->members.at + base, n * sizeof *out->members);
    r->members.n = base;
    check_duplicates(r, out->members, n);
}

static bool word(reader *r, const char *w)
{
    size_t n = strlen(w);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, w, n)) return false;
    r->p += n;
    return true;
}

static void read_value(reader *r, mn_jv *out)
{
    if (++r->n_values > MN_JSON_VALUES)
        mn_cx_raise(r->cx, MINERVA_LIMIT, "JSON: at most %d values expected", MN_JSON_VALUES);
    mn_cx_tick(r->cx);
    skip_blanks(r);
    if (r->p >= r->end) bad(r, "value");
    switch (*r->p) {
    case '"':
        r->p++;
        *out = (mn_jv){ .type = MN_J_STRING };
        out->str = read_string(r, &out->n);
        return;
    case '[':
    case '{':
        if (++r->depth > MN_JSON_DEPTH)
            mn_cx_raise(r->cx, MINERVA_LIMIT, "JSON: at most %d levels expected", MN_JSON_DEPTH);
        if (*r->p++ == '[') read_array(r, out);
        else read_object(r, out);
        r->depth--;
        return;
    case 't':
        if (!word(r, "true")) bad(r, "value");
        *out = (mn_jv){ .type = MN_J_TRUE };
        return;
    case 'f':
        if (!word(r, "false")) bad(r, "value");
        *out = (mn_jv){ .type = MN_J_FALSE };
        return;
    case 'n':
        if (!word(r, "null")) bad(r, "value");
        *out = (mn_jv){ .type = MN_J_NULL };
        return;
    default:
        if (*r->p != '-' && !digit(r)) bad(r, "value");
        read_number(r, out);
    }
}

typedef struct {
    reader r;
    mn_jv *root;
} read_job;

static void read_text(void *arg)
{
    read_job *job = arg;
    reader *r = &job->r;
    job->root = mn_cx_alloc(r->cx, 1, sizeof *job->root);
    read_value(r, job->root);
    skip_blanks(r);
    if (r->p != r->end) bad(r, "end of text");
}

mn_jv *mn_jdoc_parse(mn_cx *cx, const char *text, size_t len)
{
    if (len > MN_JSON_BYTES)
        mn_cx_raise(cx, MINERVA_LIMIT, "JSON: at most %d bytes expected, %zu found",
                    MN_JSON_BYTES, len);
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3, len -= 3;
    read_job job = { .r = { .cx = cx, .text = text, .p = text, .end = text + len } };
    minerva_error err = { 0 };
    minerva_status st = mn_cx_protect(cx, &err, read_text, &job);
    mn_vec_clear(cx, &job.r.items);
    mn_vec_clear(cx, &job.r.members);
    if (st) mn_cx_raise(cx, st, "%s", err.message);
    return job.root;
}

mn_jv *mn_jdoc_get_n(const mn_jv *v, const char *key, size_t len)
{
    if (!v || v->type != MN_J_OBJECT) return NULL;
    if (v->n > SMALL) {
        uint32_t at = *find_slot(v->members, v->n, key, len);
        return at ? &v->members[at - 1].value : NULL;
    }
    for (uint32_t i = 0; i < v->n; i++)
        if (same_key(&v->members[i], key, len)) return &v->members[i].value;
    return NULL;
}

mn_jv *mn_jdoc_get(const mn_jv *v, const char *key) { return mn_jdoc_get_n(v, key, strlen(key)); }

void mn_jdoc_write(mn_buffer *out, const mn_jv *v)
{
    switch (v->type) {
    case MN_J_NULL: mn_buffer_append_str(out, "null"); break;
    case MN_J_FALSE: mn_buffer_append_str(out, "false"); break;
    case MN_J_TRUE: mn_buffer_append_str(out, "true"); break;
    case MN_J_NUMBER: mn_buffer_append(out, v->str, v->n); break;
    case MN_J_STRING: mn_buffer_append_json(out, v->str, v->n); break;
    case MN_J_ARRAY:
        mn_buffer_append_byte(out, '[');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i) mn_buffer_append_str(out, ", ");
            mn_jdoc_write(out, &v->items[i]);
        }
        mn_buffer_append_byte(out, ']');
        break;
    default:
        mn_buffer_append_byte(out, '{');
        for (uint32_t i = 0; i < v->n; i++) {
            if (i) mn_buffer_append_str(out, ", ");
            mn_buffer_append_json(out, v->members[i].key, v->members[i].key_len);
            mn_buffer_append_str(out, ": ");
            mn_jdoc_write(out, &v->members[i].value);
        }
        mn_buffer_append_byte(out, '}');
    }
}

bool mn_jdoc_path(const mn_jv *root, const mn_jv *target, mn_buffer *out)
{
    if (root == target) return true;
    size_t len = out->len;
    uint32_t n = root->type == MN_J_ARRAY || root->type == MN_J_OBJECT ? root->n : 0;
    for (uint32_t i = 0; i < n; i++) {
        const mn_jv *child;
        if (root->type == MN_J_ARRAY) {
            child = &root->items[i];
            mn_buffer_append_fmt(out, "/%u", i);
        } else {
            child = &root->members[i].value;
            mn_buffer_append_byte(out, '/');
            for (uint32_t k = 0; k < root->members[i].key_len; k++) {
                char c = root->members[i].key[k];
                if (c == '~') mn_buffer_append_str(out, "~0");
                else if (c == '/') mn_buffer_append_str(out, "~1");
                else mn_buffer_append_byte(out, c);
            }
        }
        if (mn_jdoc_path(child, target, out)) return true;
        if (!out->failed) out->len = len;
    }
    return false;
}
