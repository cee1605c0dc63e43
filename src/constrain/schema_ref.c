/* Identifiers and references: $id, $anchor, $ref; see schema.h.
 *
 * A document is cut into resources: the root and every subschema with an identifier of its
 * own.  Each place knows its resource (mn_jv.resource), whose URI is the base that
 * references are resolved against (RFC 3986).  Only places that keywords make schemas are
 * looked at: an "$id" inside an enum or a default is data.
 *
 * Nothing is fetched.  A reference that leads out of the document is refused.
 */
#include <stdio.h>

#include "base/buffer.h"
#include "constrain/schema.h"

void mn_schema_fail(mn_schema *s, minerva_status st, const mn_jv *at, const char *keyword,
                    const char *what)
{
    char path[200] = "";
    mn_buffer b = { .limit_bytes = 1 << 16 };
    if (s->root && at && mn_jdoc_path(s->root, at, &b) && b.data)
        snprintf(path, sizeof path, "%.*s", (int)(sizeof path - 1), b.data);
    mn_buffer_clear(&b);
    s->fault = (mn_fault){ .at = at ? at : s->root, .keyword = keyword };
    snprintf(s->fault.what, sizeof s->fault.what, "%s", what);
    mn_cx_raise(s->cx, st, "schema at \"#%s\"%s%s: %s", path, *keyword ? ", keyword " : "", keyword, what);
}

/* ---- URIs ------------------------------------------------------------------------------ */

typedef struct { const char *s; size_t n; } part;
typedef struct { part scheme, authority, path, query; bool has_authority, has_query; } uri;

static bool is_scheme(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = s[i], low = (char)(c | 0x20);
        bool alpha = low >= 'a' && low <= 'z';
        if (!alpha && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return false;
    }
    return n > 0;
}

/* Without the fragment. */
static uri split_uri(const char *s, size_t n)
{
    uri u = { 0 };
    const char *colon = memchr(s, ':', n);
    if (colon && is_scheme(s, (size_t)(colon - s))) {
        u.scheme = (part){ s, (size_t)(colon - s) };
        n -= u.scheme.n + 1;
        s = colon + 1;
    }
    if (n >= 2 && s[0] == '/' && s[1] == '/') {
        size_t end = 2;
        while (end < n && s[end] != '/' && s[end] != '?') end++;
        u.authority = (part){ s + 2, end - 2 };
        u.has_authority = true;
        s += end;
        n -= end;
    }
    const char *q = n ? memchr(s, '?', n) : NULL;
    if (q) {
        u.query = (part){ q + 1, n - (size_t)(q - s) - 1 };
        u.has_query = true;
        n = (size_t)(q - s);
    }
    u.path = (part){ s, n };
    return u;
}

/* RFC 3986, 5.2.4, in place. */
static size_t remove_dots(char *p, size_t n)
{
    size_t in = 0, out = 0;
    while (in < n) {
        size_t end = in + (p[in] == '/');
        while (end < n && p[end] != '/') end++;
        size_t from = in + (p[in] == '/'), len = end - from;
        bool last = end == n;
        if (len == 1 && p[from] == '.') {
            if (last) p[out++] = '/';
        } else if (len == 2 && p[from] == '.' && p[from + 1] == '.') {
            while (out > 0 && p[--out] != '/') {}
            if (last) p[out++] = '/';
        } else {
            memmove(p + out, p + in, end - in);
            out += end - in;
        }
        in = end;
    }
    return out;
}

static void put(char *out, size_t *n, const char *s, size_t len)
{
    if (len) memcpy(out + *n, s, len);
    *n += len;
}

/* `ref` (without fragment) against `base`, in the context's memory. */
static const char *resolve_uri(mn_schema *s, const char *base, const char *ref, size_t ref_len)
{
    size_t base_len = strlen(base), n = 0;
    char *out = mn_cx_alloc(s->cx, base_len + ref_len + 8, 1);
    if (!ref_len) {
        memcpy(out, base, base_len);
        return out;
    }
    uri b = split_uri(base, base_len), r = split_uri(ref, ref_len);
    bool own_scheme = r.scheme.n > 0;
    part scheme = own_scheme ? r.scheme : b.scheme;
    bool own_authority = own_scheme || r.has_authority;
    part authority = own_authority ? r.authority : b.authority;
    bool has_authority = own_authority ? r.has_authority : b.has_authority;
    if (scheme.n) {
        put(out, &n, scheme.s, scheme.n);
        put(out, &n, ":", 1);
    }
    if (has_authority) {
        put(out, &n, "//", 2);
        put(out, &n, authority.s, authority.n);
    }
    size_t path = n;
    if (own_authority || (r.path.n && r.path.s[0] == '/')) {
        put(out, &n, r.path.s, r.path.n);
    } else if (!r.path.n) {
        put(out, &n, b.path.s, b.path.n);
    } else {
        size_t dir = b.path.n;
        while (dir > 0 && b.path.s[dir - 1] != '/') dir--;
        if (b.has_authority && !b.path.n) put(out, &n, "/", 1);
        else put(out, &n, b.path.s, dir);
        put(out, &n, r.path.s, r.path.n);
    }
    if (n > path && out[path] == '/') n = path + remove_dots(out + path, n - path);
    const uri *q = r.has_query || r.path.n || own_authority ? &r : &b;
    if (q->has_query) {
        put(out, &n, "?", 1);
        put(out, &n, q->query.s, q->query.n);
    }
    out[n] = 0;
    return out;
}

/* ---- resources -------------------------------------------------------------------------- */

static uint32_t add_resource(mn_schema *s, const char *base_uri, const mn_jv *root)
{
    if (s->resources.n > UINT16_MAX - 1)
        mn_cx_raise(s->cx, MINERVA_LIMIT, "schema: more than 65,534 identifiers");
    mn_resource r = { base_uri, root };
    mn_vec_push(s->cx, &s->resources, r);
    return s->resources.n - 1;
}

static void add_anchor(mn_schema *s, uint32_t resource, const mn_jv *name, const mn_jv *v, bool dynamic)
{
    if (!name || name->type != MN_J_STRING) return;
    mn_anchor a = { resource, { name->str, name->n }, v, dynamic };
    mn_vec_push(s->cx, &s->anchors, a);
}

static void visit(mn_schema *s, const mn_jv *v, uint32_t resource);

static void visit_list(mn_schema *s, const mn_jv *v, uint32_t resource)
{
    if (v->type == MN_J_ARRAY)
        for (uint32_t i = 0; i < v->n; i++) visit(s, &v->items[i], resource);
    else if (v->type == MN_J_OBJECT)
        for (uint32_t i = 0; i < v->n; i++) visit(s, &v->members[i].value, resource);
}

/* The identifier of v, if it makes v a resource. */
static uint32_t enter(mn_schema *s, const mn_jv *v, uint32_t resource)
{
    const mn_jv *id = mn_jdoc_get(v, s->draft == 4 ? "id" : "$id"), *ref = mn_jdoc_get(v, "$ref");
    if (!id && s->guessed) {        /* "id": "#name" can only be draft 4's */
        id = mn_jdoc_get(v, "id");
        if (id && (id->type != MN_J_STRING || id->str[0] != '#')) id = NULL;
    }
    if (!id || id->type != MN_J_STRING) return resource;
    if (ref && ref->type == MN_J_STRING && v != s->root) {
        if (s->draft <= 7) return resource;
        if (s->guessed)
            mn_schema_fail(s, MINERVA_UNSUPPORTED, v, "$id", "beside $ref it means one thing until draft 7 "
                           "and another since; $schema must say which");
    }
    const char *hash = memchr(id->str, '#', id->n);
    size_t len = hash ? (size_t)(hash - id->str) : id->n;
    if (len) {
        const char *full = resolve_uri(s, s->resources.at[resource].uri, id->str, len);
        if (v == s->root) s->resources.at[0].uri = full;
        else resource = add_resource(s, full, v);
    }
    if (hash && id->n - len > 1 && (s->draft <= 7 || s->guessed)) {
        mn_anchor a = { resource, { hash + 1, (uint32_t)(id->n - len - 1) }, v, false };
        mn_vec_push(s->cx, &s->anchors, a);
    }
    return resource;
}

static void visit(mn_schema *s, const mn_jv *v, uint32_t resource)
{
    if (v->type != MN_J_OBJECT) return;
    resource = enter(s, v, resource);
    ((mn_jv *)v)->resource = (uint16_t)resource;
    if (s->draft >= 2019) {
        add_anchor(s, resource, mn_jdoc_get(v, "$anchor"), v, false);
        add_anchor(s, resource, mn_jdoc_get(v, "$dynamicAnchor"), v, true);
    }
    for (uint32_t i = 0; i < v->n; i++) {
        const mn_jv *sub = &v->members[i].value;
        mn_holds holds = mn_keyword_holds(mn_keyword_find(v->members[i].key, v->members[i].key_len));
        if (holds == MN_HOLDS_SCHEMAS || (holds == MN_HOLDS_EITHER && sub->type == MN_J_ARRAY))
            visit_list(s, sub, resource);
        else if (holds)
            visit(s, sub, resource);
    }
}

void mn_schema_find_resources(mn_schema *s, const mn_jv *root)
{
    add_resource(s, "", root);
    visit(s, root, 0);
}

/* ---- references ---------------------------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %41 -> A; returns the new length. */
static size_t percent_decode(char *out, const char *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%' && i + 2 < n && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
            out[k++] = (char)(hex(s[i + 1]) << 4 | hex(s[i + 2]));
            i += 2;
        } else {
            out[k++] = s[i];
        }
    }
    return k;
}

static const mn_jv *follow_pointer(const mn_jv *v, char *p, size_t n)
{
    size_t at = 0;
    while (v && at < n) {
        if (p[at++] != '/') return NULL;
        char *token = p + at;
        size_t len = 0;
        for (; at < n && p[at] != '/'; at++) {
            char c = p[at];
            if (c == '~' && at + 1 < n && (p[at + 1] == '0' || p[at + 1] == '1'))
                c = p[++at] == '0' ? '~' : '/';
            token[len++] = c;
        }
        if (v->type == MN_J_OBJECT) {
            v = mn_jdoc_get_n(v, token, len);
        } else if (v->type == MN_J_ARRAY) {
            uint64_t index = 0;
            bool number = len > 0 && len < 10 && (token[0] != '0' || len == 1);
            for (size_t i = 0; i < len && number; i++) {
                number = token[i] >= '0' && token[i] <= '9';
                index = index * 10 + (uint64_t)(token[i] - '0');
            }
            v = number && index < v->n ? &v->items[index] : NULL;
        } else {
            return NULL;
        }
    }
    return v;
}

static const mn_anchor *find_anchor(const mn_schema *s, uint32_t resource, const char *name, size_t len)
{
    for (uint32_t i = 0; i < s->anchors.n; i++) {
        const mn_anchor *a = &s->anchors.at[i];
        if (a->resource == resource && a->name.len == len && !memcmp(a->name.s, name, len)) return a;
    }
    return NULL;
}

static uint32_t find_resource(const mn_schema *s, const char *full)
{
    for (uint32_t i = 0; i < s->resources.n; i++)
        if (!strcmp(s->resources.at[i].uri, full)) return i;
    return UINT32_MAX;
}

/* A dynamic reference is a plain one where only one anchor can be meant. */
static void check_dynamic(mn_schema *s, const mn_jv *at, const mn_anchor *target)
{
    if (!target->dynamic) return;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->anchors.n; i++) {
        const mn_anchor *a = &s->anchors.at[i];
        n += a->dynamic && a->name.len == target->name.len
          && !memcmp(a->name.s, target->name.s, a->name.len);
    }
    if (n > 1)
        mn_schema_fail(s, MINERVA_UNSUPPORTED, at, "$dynamicRef", "more than one $dynamicAnchor of that "
                       "name: which one is meant depends on the path taken");
}

static void check_recursive(mn_schema *s, const mn_jv *at, const mn_jv *target)
{
    const mn_jv *mark = mn_jdoc_get(target, "$recursiveAnchor");
    if (!mark || mark->type != MN_J_TRUE) return;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->resources.n; i++) {
        mark = mn_jdoc_get(s->resources.at[i].root, "$recursiveAnchor");
        n += mark && mark->type == MN_J_TRUE;
    }
    if (n > 1)
        mn_schema_fail(s, MINERVA_UNSUPPORTED, at, "$recursiveRef", "more than one $recursiveAnchor: which "
                       "one is meant depends on the path taken");
}

const mn_jv *mn_schema_resolve(mn_schema *s, const mn_jv *v, const mn_jv *ref, const char *keyword)
{
    if (ref->type != MN_J_STRING) mn_schema_fail(s, MINERVA_INVALID, v, keyword, "a string expected");
    const char *hash = memchr(ref->str, '#', ref->n);
    size_t len = hash ? (size_t)(hash - ref->str) : ref->n;
    uint32_t resource = v->resource;
    if (len) {
        const char *full = resolve_uri(s, s->resources.at[resource].uri, ref->str, len);
        resource = find_resource(s, full);
        if (resource == UINT32_MAX) {
            char what[300];
            snprintf(what, sizeof what, "\"%.*s\" leads out of the document, and nothing is fetched",
                     ref->n > 200 ? 200 : (int)ref->n, ref->str);
            mn_schema_fail(s, MINERVA_UNSUPPORTED, v, keyword, what);
        }
    }
    const mn_jv *target = s->resources.at[resource].root;
    if (hash && ref->n - len > 1) {
        size_t n = ref->n - len - 1;
        char *fragment = mn_cx_alloc(s->cx, n + 1, 1);
        n = percent_decode(fragment, hash + 1, n);
        if (fragment[0] == '/') {
            target = follow_pointer(target, fragment, n);
        } else {
            const mn_anchor *a = find_anchor(s, resource, fragment, n);
            target = a ? a->v : NULL;
            if (a && keyword[1] == 'd') check_dynamic(s, v, a);
        }
    }
    if (!target || (target->type != MN_J_OBJECT && target->type != MN_J_TRUE && target->type != MN_J_FALSE)) {
        char what[300];
        snprintf(what, sizeof what, "\"%.*s\" leads to no schema", ref->n > 200 ? 200 : (int)ref->n, ref->str);
        mn_schema_fail(s, MINERVA_INVALID, v, keyword, what);
    }
    if (keyword[1] == 'r' && keyword[4] == 'u') check_recursive(s, v, target);
    return target;
}
