/* Values: memory, errors, comparison, dicts.  See jinja_value.h.
 *
 * Comparisons walk nested data by recursion, bounded by J_DATA_DEPTH; each element costs
 * a step, so that comparing shared structures cannot run away.
 */
#include "text/jinja_value.h"
#include "base/hash.h"
#include "base/status.h"
#include "text/jinja_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- errors ------------------------------------------------------------------------ */

bool mn_j_fail(mn_jrun *r, minerva_status status, const char *fmt, ...)
{
    char what[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    if (!r->status)
        r->status = mn_fail(r->err, status, "chat template line %d: %s", r->line, what);
    return false;
}

bool mn_j_fail_steps(mn_jrun *r)
{
    return mn_j_fail(r, MINERVA_LIMIT, "the step budget is used up");
}

bool mn_j_fail_depth(mn_jrun *r)
{
    return mn_j_fail(r, MINERVA_LIMIT, "nested too deeply");
}

static int shown(mn_jvalue s) { return s.len < 200 ? (int)s.len : 200; }

bool mn_j_fail_undefined(mn_jrun *r, mn_jvalue v)
{
    const mn_jundefined *u = v.undefined;
    const char *type = mn_j_type_name(u->object);
    if (u->is_security)
        return mn_j_fail(r, MINERVA_INVALID,
                         "access to attribute '%.*s' of '%s' object is unsafe",
                         shown(u->name), u->name.s, type);
    if (u->hint.type == J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "%.*s", shown(u->hint), u->hint.s);
    if (u->object.type == J_MISSING)
        return mn_j_fail(r, MINERVA_INVALID, "'%.*s' is undefined", shown(u->name),
                         u->name.s);
    bool is_none = u->object.type == J_NONE;
    if (u->name.type == J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "'%s%s' has no attribute '%.*s'",
                         is_none ? "None" : type, is_none ? "" : " object",
                         shown(u->name), u->name.s);
    size_t mark = mn_j_mark(r);
    mn_jvalue key = mn_j_cstr("?");
    if (mn_j_write_repr(r, &r->scratch, u->name)) mn_j_take(r, mark, &key);
    return mn_j_fail(r, MINERVA_INVALID, "%s%s has no element %.*s",
                     is_none ? "None" : type, is_none ? "" : " object", shown(key),
                     key.s);
}

/* ---- memory ------------------------------------------------------------------------ */

static bool fail_memory(mn_jrun *r, size_t size)
{
    if (r->arena.limit_bytes && (r->arena.used_bytes > r->arena.limit_bytes
                                 || size > r->arena.limit_bytes - r->arena.used_bytes))
        return mn_j_fail(r, MINERVA_LIMIT,
                         "its values need more than the budget of %zu bytes",
                         r->arena.limit_bytes);
    return mn_j_fail(r, MINERVA_MEMORY, "out of memory");
}

void *mn_j_alloc(mn_jrun *r, size_t n, size_t size)
{
    void *p = mn_arena_array(&r->arena, n, size);
    if (!p) fail_memory(r, n > SIZE_MAX / 2 / (size + !size) ? SIZE_MAX / 2 : n * size);
    return p;
}

bool mn_j_take(mn_jrun *r, size_t mark, mn_jvalue *out)
{
    if (r->scratch.failed) return fail_memory(r, r->scratch.limit_bytes);
    size_t len = r->scratch.len - mark;
    *out = mn_j_str("", 0);
    if (len) {
        char *s = mn_arena_alloc_aligned(&r->arena, len, 1);
        if (!s) return fail_memory(r, len);
        memcpy(s, r->scratch.data + mark, len);
        *out = mn_j_str(s, len);
        r->scratch.len = mark;
    }
    return true;
}

bool mn_j_check(mn_jrun *r, const mn_buffer *b)
{
    if (!b->failed) return true;
    if (b == &r->scratch) return fail_memory(r, SIZE_MAX / 2);
    return mn_j_fail(r, MINERVA_LIMIT,
                     "its output is longer than the budget of %zu bytes",
                     b->limit_bytes - r->out_start);
}

bool mn_j_room(mn_jrun *r, uint64_t n)
{
    size_t limit = r->arena.limit_bytes;
    if (n < limit && r->arena.used_bytes + r->scratch.len < limit - n)
        return mn_j_spend_bytes(r, (size_t)n);
    return fail_memory(r, n < SIZE_MAX / 2 ? (size_t)n + r->scratch.len : SIZE_MAX / 2);
}

bool mn_j_pad(mn_jrun *r, const char *fill, size_t fill_len, uint64_t n)
{
    if (n > UINT32_MAX || !mn_j_room(r, n * fill_len))
        return fail_memory(r, SIZE_MAX / 2);
    for (; n > 0; n--) mn_buffer_append(&r->scratch, fill, fill_len);
    return true;
}

bool mn_j_append(mn_jrun *r, mn_jvalue a, mn_jvalue b, size_t item, mn_jvalue *out)
{
    *out = a.len ? a : b;
    if (!a.len || !b.len) return true;
    size_t a_size = a.len * item, b_size = b.len * item, size = a_size + b_size;
    if ((uint64_t)a.len + b.len > UINT32_MAX) return fail_memory(r, size);
    out->len = a.len + b.len;
    if (!mn_j_spend_bytes(r, b_size)) return false;
    bool grows = false;         /* appended to for the second time: it may go on */
    for (int i = 0; i < J_GROWING; i++) {
        char *end = (char *)(uintptr_t)r->growing[i].end;
        if (end != a.s + a_size) continue;
        grows = true;
        if ((size_t)(r->growing[i].limit - end) < b_size) break;
        memcpy(end, b.s, b_size);
        r->growing[i].end = end + b_size;
        return true;
    }
    size_t room = size < 64 ? size : grows ? size * 2 : size + size / 8;
    char *s = mn_arena_alloc_aligned(&r->arena, room, item > 1 ? 16 : 1);
    if (!s) return fail_memory(r, room);
    memcpy(s, a.s, a_size);
    memcpy(s + a_size, b.s, b_size);
    out->s = s;
    if (size >= 64) {
        int i = r->next_growing++ % J_GROWING;
        r->growing[i].end = s + size;
        r->growing[i].limit = s + room;
    }
    return mn_j_spend_bytes(r, a_size);
}

/* ---- making ------------------------------------------------------------------------ */

mn_jvalue mn_j_cstr(const char *s) { return mn_j_str(s, strlen(s)); }

bool mn_j_pair(mn_jrun *r, mn_jvalue a, mn_jvalue b, mn_jvalue *out)
{
    mn_jvalue *items = mn_j_alloc(r, 2, sizeof *items);
    if (!items) return false;
    items[0] = a;
    items[1] = b;
    *out = mn_j_tuple(items, 2);
    return true;
}

static bool undefined(mn_jrun *r, mn_jundefined from, mn_jvalue *out)
{
    mn_jundefined *u = mn_j_alloc(r, 1, sizeof *u);
    if (!u) return false;
    *u = from;
    *out = (mn_jvalue){ .type = J_UNDEFINED, .undefined = u };
    return true;
}

bool mn_j_undefined_hint(mn_jrun *r, const char *hint, mn_jvalue *out)
{
    return undefined(r, (mn_jundefined){ .hint = mn_j_cstr(hint) }, out);
}

bool mn_j_undefined_of(mn_jrun *r, mn_jvalue object, mn_jvalue name, bool is_security,
                       mn_jvalue *out)
{
    return undefined(r, (mn_jundefined){ .object = object, .name = name,
                                         .is_security = is_security }, out);
}

/* ---- questions --------------------------------------------------------------------- */

const char *mn_j_type_name(mn_jvalue v)
{
    switch (v.type) {
    case J_UNDEFINED: return "Undefined";
    case J_NONE: return "NoneType";
    case J_BOOL: return "bool";
    case J_INT: return "int";
    case J_FLOAT: return "float";
    case J_STR: return v.flags & J_MARKUP ? "Markup" : "str";
    case J_LIST: return "list";
    case J_TUPLE: return "tuple";
    case J_DICT: return "dict";
    case J_RANGE: return "range";
    case J_VIEW:
        return v.flags == J_KEYS ? "dict_keys" : v.flags == J_VALUES ? "dict_values"
             : "dict_items";
    case J_ITER: return v.iter->is_builtin ? "iterator" : "generator";
    case J_NAMESPACE: return "Namespace";
    case J_FUNCTION: return "function";
    case J_METHOD: return "method";
    case J_MACRO: return "Macro";
    case J_LOOP: return "LoopContext";
    case J_CYCLER: return "Cycler";
    case J_JOINER: return "Joiner";
    case J_SELF: return "TemplateReference";
    case J_BLOCK: return "BlockReference";
    default: return "?";
    }
}

bool mn_j_has_length(mn_jvalue v)
{
    return v.type == J_STR || v.type == J_LIST || v.type == J_TUPLE || v.type == J_DICT
        || v.type == J_RANGE || v.type == J_VIEW || v.type == J_UNDEFINED
        || v.type == J_LOOP;
}

bool mn_j_length(mn_jrun *r, mn_jvalue v, int64_t *out)
{
    switch (v.type) {
    case J_STR:
        *out = mn_j_count(v);
        return mn_j_spend_bytes(r, v.len);
    case J_LIST: case J_TUPLE: *out = v.len; return true;
    case J_DICT: case J_VIEW: *out = v.dict->n; return true;
    case J_RANGE: *out = v.range->n; return true;
    case J_UNDEFINED: *out = 0; return true;
    case J_LOOP: return mn_j_loop_length(r, v.loop, out);
    default:
        return mn_j_fail(r, MINERVA_INVALID, "object of type '%s' has no len()",
                         mn_j_type_name(v));
    }
}

bool mn_j_truth(mn_jrun *r, mn_jvalue v, bool *out)
{
    int64_t n;
    switch (v.type) {
    case J_MISSING: case J_UNDEFINED: case J_NONE: *out = false; return true;
    case J_BOOL: *out = v.b; return true;
    case J_INT: *out = v.i != 0; return true;
    case J_FLOAT: *out = v.f != 0; return true;
    case J_STR: case J_LIST: case J_TUPLE: *out = v.len != 0; return true;
    case J_LOOP:
        if (!mn_j_loop_length(r, v.loop, &n)) return false;
        *out = n != 0;
        return true;
    case J_DICT: case J_VIEW: *out = v.dict->n != 0; return true;
    case J_RANGE: *out = v.range->n != 0; return true;
    default: *out = true; return true;
    }
}

bool mn_j_same(mn_jvalue a, mn_jvalue b)
{
    if (a.type != b.type || a.len != b.len) return false;
    switch (a.type) {
    case J_NONE: return true;
    case J_BOOL: return a.b == b.b;
    case J_INT: return a.i == b.i;
    case J_FLOAT: return !memcmp(&a.f, &b.f, sizeof a.f);
    case J_STR: return a.flags == b.flags && mn_j_str_equal(a, b);
    default: return a.items == b.items;
    }
}

/* An int and a float compared exactly: -1, 0, 1, or 2 if the float is NaN. */
static int compare_mixed(int64_t i, double f)
{
    if (isnan(f)) return 2;
    if (f >= 9223372036854775808.0) return -1;
    if (f < -9223372036854775808.0) return 1;
    int64_t whole = (int64_t)f;
    if (i != whole) return i < whole ? -1 : 1;
    double rest = f - (double)whole;
    return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

static int compare_numbers(mn_jvalue a, mn_jvalue b)
{
    if (a.type == J_FLOAT && b.type == J_FLOAT) {
        if (isnan(a.f) || isnan(b.f)) return 2;
        return a.f < b.f ? -1 : a.f > b.f;
    }
    if (b.type == J_FLOAT) return compare_mixed(mn_j_index_of(a), b.f);
    if (a.type == J_FLOAT) {
        int c = compare_mixed(mn_j_index_of(b), a.f);
        return c == 2 ? 2 : -c;
    }
    int64_t x = mn_j_index_of(a), y = mn_j_index_of(b);
    return x < y ? -1 : x > y;
}

static bool equal_items(mn_jrun *r, mn_jvalue a, mn_jvalue b, bool *out)
{
    *out = a.len == b.len;
    for (uint32_t i = 0; *out && i < a.len; i++) {
        if (mn_j_same(a.items[i], b.items[i])) continue;
        if (!mn_j_equal(r, a.items[i], b.items[i], out)) return false;
    }
    return true;
}

static bool equal_dicts(mn_jrun *r, const mn_jdict *a, const mn_jdict *b, bool *out)
{
    *out = a->n == b->n;
    for (uint32_t i = 0; *out && i < a->n; i++) {
        mn_jentry *e;
        if (!mn_j_dict_find(r, b, a->entries[i].key, &e)) return false;
        *out = e != NULL;
        if (e && !mn_j_equal(r, a->entries[i].value, e->value, out)) return false;
    }
    return true;
}

static bool equal_ranges(const mn_jrange *a, const mn_jrange *b)
{
    if (a->n != b->n) return false;
    return !a->n || (a->start == b->start && (a->n == 1 || a->step == b->step));
}

/* Views of dicts: keys compare as sets, values by identity. */
static bool equal_views(mn_jrun *r, mn_jvalue a, mn_jvalue b, bool *out)
{
    *out = a.dict == b.dict && a.flags == b.flags;
    if (*out || a.flags != b.flags || a.flags == J_VALUES) return true;
    if (a.flags == J_ITEMS) return equal_dicts(r, a.dict, b.dict, out);
    *out = a.dict->n == b.dict->n;
    for (uint32_t i = 0; *out && i < a.dict->n; i++) {
        mn_jentry *e;
        if (!mn_j_dict_find(r, b.dict, a.dict->entries[i].key, &e)) return false;
        *out = e != NULL;
    }
    return true;
}

bool mn_j_equal(mn_jrun *r, mn_jvalue a, mn_jvalue b, bool *out)
{
    if (!mn_j_spend(r, 1)) return false;
    if (mn_j_is_number(a) && mn_j_is_number(b)) {
        *out = compare_numbers(a, b) == 0;
        return true;
    }
    *out = false;
    if (a.type != b.type) return true;
    if (a.type == J_STR) {
        *out = mn_j_str_equal(a, b);
        return mn_j_spend_bytes(r, a.len == b.len ? a.len : 0);
    }
    if (!mn_j_data_enter(r)) return false;
    bool ok = true;
    switch (a.type) {
    case J_UNDEFINED: case J_NONE: *out = true; break;
    case J_LIST: case J_TUPLE: ok = equal_items(r, a, b, out); break;
    case J_DICT: ok = equal_dicts(r, a.dict, b.dict, out); break;
    case J_VIEW: ok = equal_views(r, a, b, out); break;
    case J_RANGE: *out = equal_ranges(a.range, b.range); break;
    case J_METHOD:
        *out = a.method->function == b.method->function
            && mn_j_same(a.method->self, b.method->self);
        break;
    default: *out = mn_j_same(a, b); break;
    }
    mn_j_data_leave(r);
    return ok;
}

/* a < b for lists and tuples: the first difference decides. */
static bool less_items(mn_jrun *r, mn_jvalue a, mn_jvalue b, const char *op,
                       bool or_equal, bool *out)
{
    uint32_t n = a.len < b.len ? a.len : b.len;
    for (uint32_t i = 0; i < n; i++) {
        bool same = mn_j_same(a.items[i], b.items[i]);
        if (!same && !mn_j_equal(r, a.items[i], b.items[i], &same)) return false;
        if (same) continue;
        if (!mn_j_data_enter(r)) return false;
        bool ok = mn_j_less(r, a.items[i], b.items[i], op, or_equal, out);
        mn_j_data_leave(r);
        return ok;
    }
    *out = or_equal ? a.len <= b.len : a.len < b.len;
    return true;
}

/* op is how the template wrote it, for the message. */
bool mn_j_less(mn_jrun *r, mn_jvalue a, mn_jvalue b, const char *op, bool or_equal,
               bool *out)
{
    if (!mn_j_spend(r, 1)) return false;
    if (mn_j_is_number(a) && mn_j_is_number(b)) {
        int c = compare_numbers(a, b);
        *out = or_equal ? c <= 0 : c < 0;
        return true;
    }
    if (a.type == J_STR && b.type == J_STR) {
        uint32_t n = a.len < b.len ? a.len : b.len;
        int c =
            n ? memcmp(a.s, b.s, n) : 0; /* the order of UTF-8 is that of code points */
        if (c == 0) c = a.len < b.len ? -1 : a.len > b.len;
        *out = or_equal ? c <= 0 : c < 0;
        return mn_j_spend_bytes(r, n);
    }
    if (a.type == b.type && (a.type == J_LIST || a.type == J_TUPLE))
        return less_items(r, a, b, op, or_equal, out);
    if (a.type == J_UNDEFINED) return mn_j_fail_undefined(r, a);
    if (b.type == J_UNDEFINED) return mn_j_fail_undefined(r, b);
    bool turned = op[0] == '>';
    return mn_j_fail(r, MINERVA_INVALID,
                     "'%s' not supported between instances of '%s' and '%s'", op,
                     mn_j_type_name(turned ? b : a), mn_j_type_name(turned ? a : b));
}

bool mn_j_hash(mn_jrun *r, mn_jvalue v, uint64_t *out)
{
    uint64_t h = r->hash_key, part;
    switch (v.type) {
    case J_STR:
        *out = mn_hash64(v.s, v.len, r->hash_key);
        return mn_j_spend_bytes(r, v.len);
    case J_FLOAT:       /* equal numbers hash alike */
        if (v.f >= -9e18 && v.f <= 9e18 && v.f == (double)(int64_t)v.f)
            v = mn_j_int((int64_t)v.f);
        else {
            *out = mn_hash64(&v.f, sizeof v.f, h);
            return true;
        }
        /* fallthrough */
    case J_BOOL: case J_INT: {
        int64_t i = mn_j_index_of(v);
        *out = mn_hash64(&i, sizeof i, h);
        return true;
    }
    case J_NONE: case J_UNDEFINED:
        *out = h + v.type;
        return true;
    case J_TUPLE:
        if (!mn_j_data_enter(r) || !mn_j_spend(r, v.len)) return false;
        for (uint32_t i = 0; i < v.len; i++) {
            if (!mn_j_hash(r, v.items[i], &part)) return false;
            h = mn_hash64(&part, sizeof part, h);
        }
        mn_j_data_leave(r);
        *out = h;
        return true;
    case J_RANGE:
        *out = mn_hash64(&v.range->n, sizeof v.range->n, h);
        return true;
    case J_LIST: case J_DICT: case J_VIEW:
        return mn_j_fail(r, MINERVA_INVALID, "unhashable type: '%s'", mn_j_type_name(v));
    default:
        *out = mn_hash64(&v.items, sizeof v.items, h);
        return true;
    }
}

/* ---- dicts ------------------------------------------------------------------------- */

enum { SCAN_ENTRIES = 8 };      /* up to here a dict has no index */

mn_jdict *mn_j_dict_new(mn_jrun *r, size_t n)
{
    if (n > UINT32_MAX / 4) {
        fail_memory(r, SIZE_MAX / 2);
        return NULL;
    }
    mn_jdict *d = mn_j_alloc(r, 1, sizeof *d);
    if (!d) return NULL;
    d->capacity = (uint32_t)(n ? n : 4);
    if (!(d->entries = mn_j_alloc(r, d->capacity, sizeof *d->entries))) return NULL;
    return d;
}

static bool same_key(mn_jrun *r, const mn_jentry *e, mn_jvalue key, uint64_t hash,
                     bool *out)
{
    *out = false;
    if (e->hash != hash) return true;
    if (key.type == J_STR && e->key.type == J_STR) {
        *out = mn_j_str_equal(key, e->key);
        return true;
    }
    return mn_j_equal(r, e->key, key, out);
}

static bool find_entry(mn_jrun *r, const mn_jdict *d, mn_jvalue key, uint64_t hash,
                       mn_jentry **found)
{
    bool same;
    *found = NULL;
    if (!d->index) {
        for (uint32_t i = 0; i < d->n; i++) {
            if (!same_key(r, &d->entries[i], key, hash, &same)) return false;
            if (same) *found = &d->entries[i];
        }
        return true;
    }
    uint32_t mask = d->index_size - 1;
    for (uint32_t i = (uint32_t)hash & mask; d->index[i]; i = (i + 1) & mask) {
        mn_jentry *e = &d->entries[d->index[i] - 1];
        if (!same_key(r, e, key, hash, &same)) return false;
        if (!same) continue;
        *found = e;
        break;
    }
    return true;
}

bool mn_j_dict_find(mn_jrun *r, const mn_jdict *d, mn_jvalue key, mn_jentry **found)
{
    uint64_t hash;
    *found = NULL;
    return mn_j_hash(r, key, &hash) && (!d->n || find_entry(r, d, key, hash, found));
}

mn_jentry *mn_j_dict_find_str(mn_jrun *r, const mn_jdict *d, mn_jvalue key)
{
    mn_jentry *found = NULL;
    if (d->n) find_entry(r, d, key, mn_hash64(key.s, key.len, r->hash_key), &found);
    return found;
}

static void put_index(mn_jdict *d, uint32_t entry)
{
    uint32_t mask = d->index_size - 1, i = (uint32_t)d->entries[entry].hash & mask;
    while (d->index[i]) i = (i + 1) & mask;
    d->index[i] = entry + 1;
}

static bool grow(mn_jrun *r, mn_jdict *d)
{
    if (d->n == d->capacity) {
        if (d->capacity > UINT32_MAX / 4) return fail_memory(r, SIZE_MAX / 2);
        mn_jentry *entries = mn_j_alloc(r, d->capacity * 2, sizeof *entries);
        if (!entries) return false;
        memcpy(entries, d->entries, d->n * sizeof *entries);
        d->entries = entries;
        d->capacity *= 2;
    }
    if (d->n >= SCAN_ENTRIES && d->n >= d->index_size / 2) {
        uint32_t size = 32;
        while (size < d->capacity * 2) size *= 2;
        if (!(d->index = mn_j_alloc(r, size, sizeof *d->index))) return false;
        d->index_size = size;
        for (uint32_t i = 0; i < d->n; i++) put_index(d, i);
    }
    return true;
}

bool mn_j_dict_put(mn_jrun *r, mn_jdict *d, mn_jvalue key, mn_jvalue value)
{
    uint64_t hash;
    mn_jentry *e;
    if (!mn_j_hash(r, key, &hash) || !find_entry(r, d, key, hash, &e)) return false;
    if (e) {
        e->value = value;
        return true;
    }
    if (!mn_j_spend(r, 1) || !grow(r, d)) return false;
    d->entries[d->n] = (mn_jentry){ hash, key, value };
    if (d->index) put_index(d, d->n);
    d->n++;
    return true;
}

static bool put_pairs(mn_jrun *r, mn_jdict *d, mn_jvalue pairs)
{
    mn_jiter it;
    mn_jvalue item;
    if (!mn_j_iter_init(r, pairs, &it)) return false;
    for (int more; (more = mn_j_next(r, &it, &item)) != 0;) {
        const mn_jvalue *pair;
        uint32_t n;
        if (more < 0 || !mn_j_items(r, item, &pair, &n)) return false;
        if (n != 2)
            return mn_j_fail(r, MINERVA_INVALID, "dict() needs pairs, found %u items", n);
        if (!mn_j_dict_put(r, d, pair[0], pair[1])) return false;
    }
    return true;
}

bool mn_j_dict_from_call(mn_jrun *r, const mn_jcall *call, mn_jdict **out)
{
    if (call->n_args > 1)
        return mn_j_fail(r, MINERVA_INVALID, "dict expected at most 1 argument, got %u",
                         call->n_args);
    mn_jdict *d = mn_j_dict_new(r, call->n_keywords);
    if (!d) return false;
    if (call->n_args && call->args[0].type == J_DICT) {
        const mn_jdict *from = call->args[0].dict;
        for (uint32_t i = 0; i < from->n; i++)
            if (!mn_j_dict_put(r, d, from->entries[i].key, from->entries[i].value))
                return false;
    } else if (call->n_args && !put_pairs(r, d, call->args[0])) {
        return false;
    }
    for (uint32_t i = 0; i < call->n_keywords; i++)
        if (!mn_j_dict_put(r, d, call->keywords[i].name, call->keywords[i].value))
            return false;
    *out = d;
    return true;
}

/* ---- containment ------------------------------------------------------------------- */

static bool range_contains(const mn_jrange *g, int64_t i)
{
    if (!g->n) return false;
    int64_t last = g->start + (g->n - 1) * g->step;
    if (g->step > 0 ? i < g->start || i > last : i > g->start || i < last) return false;
    return (i - g->start) % g->step == 0;
}

bool mn_j_contains(mn_jrun *r, mn_jvalue in, mn_jvalue item, bool *out)
{
    mn_jentry *e;
    *out = false;
    if (in.type == J_STR) {
        if (item.type != J_STR)
            return mn_j_fail(r, MINERVA_INVALID,
                             "'in <string>' requires string as left operand, "
                             "not %s",
                             mn_j_type_name(item));
        *out = !item.len || memmem(in.s, in.len, item.s, item.len) != NULL;
        return mn_j_spend_bytes(r, in.len);
    }
    if (in.type == J_DICT || (in.type == J_VIEW && in.flags == J_KEYS)) {
        if (!mn_j_dict_find(r, in.dict, item, &e)) return false;
        *out = e != NULL;
        return true;
    }
    if (in.type == J_RANGE && mn_j_is_index(item)) {
        *out = range_contains(in.range, mn_j_index_of(item));
        return true;
    }
    if (!mn_j_is_iterable(in))
        return mn_j_fail(r, MINERVA_INVALID, "argument of type '%s' is not iterable",
                         mn_j_type_name(in));
    mn_jiter it;
    mn_jvalue each;
    if (!mn_j_iter_init(r, in, &it)) return false;
    for (int more; (more = mn_j_next(r, &it, &each)) != 0;) {
        if (more < 0) return false;
        *out = mn_j_same(each, item);
        if (!*out && !mn_j_equal(r, each, item, out)) return false;
        if (*out) break;
    }
    return true;
}
