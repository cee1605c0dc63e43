/* Filters over sequences and mappings.
 *
 * Those that are generators in jinja2 are lazy here too: what they were given is kept in
 * a state on the arena, and next_*() does the work for one element.
 */
#include "text/jinja_run.h"

#include <string.h>

#define COUNT(table) (sizeof table / sizeof *table)

typedef const mn_jcall *call_t;

static bool is_given(mn_jvalue v) { return v.type != J_MISSING && v.type != J_NONE; }

static bool flag(mn_jrun *r, mn_jvalue v, bool *out)
{
    *out = false;
    return v.type == J_MISSING || mn_j_truth(r, v, out);
}

/* ---- attribute paths: "a.b.0" ------------------------------------------------------ */

typedef struct {
    mn_jvalue *parts;
    uint32_t n;
    mn_jvalue fallback;         /* for undefined parts; J_NONE: none */
    bool ignores_case;
} path;

static mn_jvalue path_part(const char *s, size_t len)
{
    int64_t i;
    bool overflow;
    for (size_t k = 0; k < len; k++)
        if (s[k] < '0' || s[k] > '9') return mn_j_str(s, len);
    return len && mn_j_parse_int(s, len, 10, &i, &overflow) ? mn_j_int(i)
                                                            : mn_j_str(s, len);
}

static bool path_init(mn_jrun *r, path *p, mn_jvalue attribute, mn_jvalue fallback,
                      bool ignores_case)
{
    *p = (path){ .fallback = is_given(fallback) ? fallback : mn_j_none(),
                 .ignores_case = ignores_case };
    if (!is_given(attribute)) return true;
    uint32_t n = 1;
    for (uint32_t i = 0; attribute.type == J_STR && i < attribute.len; i++)
        n += attribute.s[i] == '.';
    if (!(p->parts = mn_j_alloc(r, n, sizeof *p->parts))) return false;
    p->n = n;
    p->parts[0] = attribute;
    if (attribute.type != J_STR) return true;
    const char *s = attribute.s, *end = s + attribute.len;
    for (uint32_t i = 0; i < n; i++) {
        const char *dot = memchr(s, '.', (size_t)(end - s));
        p->parts[i] = path_part(s, (size_t)((dot ? dot : end) - s));
        s = dot ? dot + 1 : end;
    }
    return true;
}

static bool path_get(mn_jrun *r, const path *p, mn_jvalue v, mn_jvalue *out)
{
    for (uint32_t i = 0; i < p->n; i++) {
        if (!mn_j_spend(r, 1) || !mn_j_getitem(r, v, p->parts[i], &v)) return false;
        if (v.type == J_UNDEFINED && p->fallback.type != J_NONE) v = p->fallback;
    }
    *out = v;
    return !p->ignores_case || mn_j_ignore_case(r, v, out);
}

/* ---- one element ------------------------------------------------------------------- */

static bool filter_default(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    bool boolean, yes;
    if (!flag(r, call->args[1], &boolean)) return false;
    bool replace = self.type == J_UNDEFINED;
    if (!replace && boolean) {
        if (!mn_j_truth(r, self, &yes)) return false;
        replace = !yes;
    }
    *out = !replace                        ? self
         : call->args[0].type == J_MISSING ? mn_j_str("", 0)
                                           : call->args[0];
    return true;
}

static bool filter_first(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jiter it;
    if (!mn_j_iter_init(r, self, &it)) return false;
    int more = mn_j_next(r, &it, out);
    return more > 0 || (more == 0
        && mn_j_undefined_hint(r, "No first item, sequence was empty.", out));
}

static bool filter_last(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue reversed;
    bool possible;
    if (!mn_j_reversed(r, self, &reversed, &possible)) return false;
    if (!possible)
        return mn_j_fail(r, MINERVA_INVALID, "'%s' object is not reversible",
                         mn_j_type_name(self));
    int more = mn_j_next(r, reversed.iter, out);
    return more > 0 || (more == 0
        && mn_j_undefined_hint(r, "No last item, sequence was empty.", out));
}

static bool filter_length(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    int64_t n;
    if (!mn_j_length(r, self, &n)) return false;
    *out = mn_j_int(n);
    return true;
}

static bool filter_attr(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    if (call->args[0].type != J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "attr() needs a name, not %s",
                         mn_j_type_name(call->args[0]));
    return mn_j_getattr_only(r, self, call->args[0], out);
}

/* min and max: the first of the equals. */
static bool extreme(mn_jrun *r, mn_jvalue self, call_t call, bool want_max,
                    mn_jvalue *out)
{
    mn_jiter it;
    mn_jvalue item, key, best_key;
    bool case_sensitive, better;
    path p;
    if (!flag(r, call->args[0], &case_sensitive)) return false;
    if (!path_init(r, &p, call->args[1], mn_j_none(), !case_sensitive)) return false;
    if (!mn_j_iter_init(r, self, &it)) return false;
    int more = mn_j_next(r, &it, out);
    if (more < 0) return false;
    if (!more)
        return mn_j_undefined_hint(r, "No aggregated item, sequence was empty.", out);
    if (!path_get(r, &p, *out, &best_key)) return false;
    while ((more = mn_j_next(r, &it, &item)) > 0) {
        if (!path_get(r, &p, item, &key)) return false;
        if (!mn_j_less(r, want_max ? best_key : key, want_max ? key : best_key,
                       want_max ? ">" : "<", false, &better)) return false;
        if (!better) continue;
        *out = item;
        best_key = key;
    }
    return more == 0;
}

static bool filter_min(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return extreme(r, self, call, false, out);
}

static bool filter_max(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return extreme(r, self, call, true, out);
}

static bool filter_sum(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jiter it;
    mn_jvalue item;
    path p;
    int more;
    *out = call->args[1].type == J_MISSING ? mn_j_int(0) : call->args[1];
    if (out->type == J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "sum() can't sum strings");
    if (!path_init(r, &p, call->args[0], mn_j_none(), false)) return false;
    if (!mn_j_iter_init(r, self, &it)) return false;
    while ((more = mn_j_next(r, &it, &item)) > 0)
        if (!path_get(r, &p, item, &item) || !mn_j_binary(r, OP_ADD, *out, item, out))
            return false;
    return more == 0;
}

/* ---- whole sequences --------------------------------------------------------------- */

static bool filter_list(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    const mn_jvalue *items;
    uint32_t n;
    if (!mn_j_items(r, self, &items, &n)) return false;
    *out = mn_j_list(items, n);
    return true;
}

static bool filter_join(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jvalue separator = mn_j_str("", 0), mapped = self;
    if (call->args[0].type != J_MISSING && !mn_j_to_str(r, call->args[0], &separator))
        return false;
    if (is_given(call->args[1])) {
        path p;
        const mn_jvalue *items;
        uint32_t n;
        if (!path_init(r, &p, call->args[1], mn_j_none(), false)
            || !mn_j_items(r, self, &items, &n)) return false;
        mn_jvalue *values = mn_j_alloc(r, n, sizeof *values);
        if (!values) return false;
        for (uint32_t i = 0; i < n; i++)
            if (!path_get(r, &p, items[i], &values[i])) return false;
        mapped = mn_j_list(values, n);
    }
    return mn_j_join(r, separator, mapped, true, out);
}

static bool filter_reverse(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    bool possible;
    if (self.type == J_STR)
        return mn_j_slice(r, self, mn_j_none(), mn_j_none(), mn_j_int(-1), out);
    if (!mn_j_reversed(r, self, out, &possible) || possible) return !r->status;
    const mn_jvalue *items;
    uint32_t n;
    if (!mn_j_is_iterable(self))
        return mn_j_fail(r, MINERVA_INVALID, "argument must be iterable");
    return mn_j_items(r, self, &items, &n)
        && mn_j_slice(r, mn_j_list(items, n), mn_j_none(), mn_j_none(), mn_j_int(-1),
                      out);
}

/* "a,b.c": each part a key of its own; keys are lists of them. */
static bool sort_keys(mn_jrun *r, mn_jvalue attribute, bool ignores_case,
                      const mn_jvalue *items, uint32_t n, mn_jvalue *keys)
{
    uint32_t n_paths = 1;
    for (uint32_t i = 0; attribute.type == J_STR && i < attribute.len; i++)
        n_paths += attribute.s[i] == ',';
    path *paths = mn_j_alloc(r, n_paths, sizeof *paths);
    mn_jvalue *parts = mn_j_alloc(r, (size_t)n * n_paths, sizeof *parts);
    if (!paths || !parts) return false;
    const char *s = attribute.s;
    for (uint32_t i = 0; i < n_paths; i++) {
        mn_jvalue part = attribute;
        if (attribute.type == J_STR) {
            const char *end = attribute.s + attribute.len,
                       *comma = memchr(s, ',', (size_t)(end - s));
            part = mn_j_str(s, (size_t)((comma ? comma : end) - s));
            s = comma ? comma + 1 : end;
        }
        if (!path_init(r, &paths[i], part, mn_j_none(), ignores_case)) return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        mn_jvalue *key = parts + (size_t)i * n_paths;
        for (uint32_t k = 0; k < n_paths; k++)
            if (!path_get(r, &paths[k], items[i], &key[k])) return false;
        keys[i] = mn_j_list(key, n_paths);
    }
    return true;
}

/* items in the order of keys, as a list. */
static bool sorted(mn_jrun *r, const mn_jvalue *items, const mn_jvalue *keys, uint32_t n,
                   bool reverse, mn_jvalue *out)
{
    uint32_t *order = mn_j_alloc(r, n, sizeof *order);
    mn_jvalue *list = mn_j_alloc(r, n, sizeof *list);
    if (!order || !list || !mn_j_sort(r, keys, n, reverse, order)) return false;
    for (uint32_t i = 0; i < n; i++) list[i] = items[order[i]];
    *out = mn_j_list(list, n);
    return true;
}

static bool filter_sort(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    bool reverse, case_sensitive;
    const mn_jvalue *items;
    uint32_t n;
    if (!flag(r, call->args[0], &reverse) || !flag(r, call->args[1], &case_sensitive)
        || !mn_j_items(r, self, &items, &n)) return false;
    mn_jvalue *keys = mn_j_alloc(r, n, sizeof *keys);
    return keys && sort_keys(r, call->args[2], !case_sensitive, items, n, keys)
        && sorted(r, items, keys, n, reverse, out);
}

static bool filter_dictsort(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    bool case_sensitive, reverse;
    mn_jvalue by = call->args[1];
    if (by.type != J_MISSING && !mn_j_str_is(by, "key") && !mn_j_str_is(by, "value"))
        return mn_j_fail(r, MINERVA_INVALID,
                         "You can only sort by either \"key\" or \"value\"");
    if (self.type == J_UNDEFINED) return mn_j_fail_undefined(r, self);
    if (self.type != J_DICT)
        return mn_j_fail(r, MINERVA_INVALID, "'%s' object has no attribute 'items'",
                         mn_j_type_name(self));
    if (!flag(r, call->args[0], &case_sensitive) || !flag(r, call->args[2], &reverse))
        return false;
    uint32_t n = self.dict->n;
    mn_jvalue *pairs = mn_j_alloc(r, n, sizeof *pairs),
              *keys = mn_j_alloc(r, n, sizeof *keys);
    if (!pairs || !keys) return false;
    for (uint32_t i = 0; i < n; i++) {
        const mn_jentry *e = &self.dict->entries[i];
        if (!mn_j_pair(r, e->key, e->value, &pairs[i])) return false;
        keys[i] = mn_j_str_is(by, "value") ? e->value : e->key;
        if (!case_sensitive && !mn_j_ignore_case(r, keys[i], &keys[i])) return false;
    }
    return sorted(r, pairs, keys, n, reverse, out);
}

static bool filter_groupby(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    path p, plain;
    bool case_sensitive;
    const mn_jvalue *items;
    uint32_t n;
    if (!flag(r, call->args[2], &case_sensitive)
        || !path_init(r, &p, call->args[0], call->args[1], !case_sensitive)
        || !path_init(r, &plain, call->args[0], call->args[1], false)
        || !mn_j_items(r, self, &items, &n)) return false;
    mn_jvalue *keys = mn_j_alloc(r, n, sizeof *keys),
              *list = mn_j_alloc(r, n, sizeof *list);
    mn_jvalue *groups = mn_j_alloc(r, n, sizeof *groups);
    uint32_t *order = mn_j_alloc(r, n, sizeof *order), n_groups = 0;
    if (!keys || !list || !groups || !order) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!path_get(r, &p, items[i], &keys[i])) return false;
    if (!mn_j_sort(r, keys, n, false, order)) return false;
    for (uint32_t i = 0; i < n; i++) list[i] = items[order[i]];
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n; to++) {
            bool same;
            if (!mn_j_equal(r, keys[order[from]], keys[order[to]], &same)) return false;
            if (!same) break;
        }
        mn_jvalue grouper = keys[order[from]];
        if (!case_sensitive && !path_get(r, &plain, list[from], &grouper)) return false;
        mn_jvalue *group = &groups[n_groups++];
        if (!mn_j_pair(r, grouper, mn_j_list(list + from, to - from), group))
            return false;
        group->flags = J_GROUP;
    }
    *out = mn_j_list(groups, n_groups);
    return true;
}

/* ---- generators -------------------------------------------------------------------- */

/* What a lazy filter was given; `it` reads from the filtered value. */
typedef struct {
    mn_jcall call;
    mn_jiter it;
    bool is_ready;
    path p;
    const mn_jbuiltin *function;
    bool rejects, by_attribute;
    mn_jdict *seen;
    const mn_jvalue *items;
    uint32_t n, at;
    int64_t offset;
} lazy;

static bool lazy_new(mn_jrun *r, mn_jvalue self, call_t call, mn_jnext *next, lazy **out,
                     mn_jvalue *value)
{
    lazy *z = *out = mn_j_alloc(r, 1, sizeof *z);
    mn_jvalue *args = mn_j_alloc(r, call->n_args, sizeof *args);
    mn_jkeyword *keywords = mn_j_alloc(r, call->n_keywords, sizeof *keywords);
    if (!z || !args || !keywords) return false;
    if (call->n_args) memcpy(args, call->args, call->n_args * sizeof *args);
    if (call->n_keywords)
        memcpy(keywords, call->keywords, call->n_keywords * sizeof *keywords);
    z->call = (mn_jcall){ args, call->n_args, keywords, call->n_keywords };
    return mn_j_generator(r, self, next, z, value);
}

/* map and select do nothing at all with a value that is false. 1: go on, 0: nothing. */
static int start_if_true(mn_jrun *r, mn_jvalue v, lazy *z)
{
    bool yes;
    if (!mn_j_truth(r, v, &yes)) return -1;
    if (!yes) return 0;
    return mn_j_iter_init(r, v, &z->it) ? 1 : -1;
}

static bool prepare_map(mn_jrun *r, lazy *z)
{
    mn_jcall *c = &z->call;
    mn_jvalue attribute = { 0 }, fallback = mn_j_none();
    for (uint32_t i = 0; i < c->n_keywords && !c->n_args; i++) {
        if (mn_j_str_is(c->keywords[i].name, "attribute"))
            attribute = c->keywords[i].value;
        else if (mn_j_str_is(c->keywords[i].name, "default"))
            fallback = c->keywords[i].value;
    }
    if (attribute.type != J_MISSING) {
        for (uint32_t i = 0; i < c->n_keywords; i++)
            if (!mn_j_str_is(c->keywords[i].name, "attribute")
                && !mn_j_str_is(c->keywords[i].name, "default"))
                return mn_j_fail(r, MINERVA_INVALID, "map: unexpected keyword argument");
        z->by_attribute = true;
        return path_init(r, &z->p, attribute, fallback, false);
    }
    if (!c->n_args)
        return mn_j_fail(r, MINERVA_INVALID, "map requires a filter argument");
    mn_jvalue name = c->args[0];
    if (name.type == J_UNDEFINED) return mn_j_fail_undefined(r, name);
    if (name.type == J_STR) z->function = mn_j_find_filter(name);
    c->args++;
    c->n_args--;
    return z->function
        || mn_j_fail(r, MINERVA_INVALID, "no filter named '%.*s'",
                     name.type == J_STR ? (int)(name.len < 80 ? name.len : 80) : 1,
                     name.type == J_STR ? name.s : "?");
}

static int next_mapped(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    lazy *z = it->state;
    mn_jvalue item;
    if (!z->is_ready) {
        int go = start_if_true(r, it->source, z);
        if (go <= 0) return go;
        if (!prepare_map(r, z)) return -1;
        z->is_ready = true;
    }
    int more = mn_j_next(r, &z->it, &item);
    if (more <= 0) return more;
    bool ok = z->by_attribute ? path_get(r, &z->p, item, out)
                              : mn_j_apply(r, z->function, item, &z->call, out);
    return ok ? 1 : -1;
}

static bool filter_map(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    lazy *z;
    return lazy_new(r, self, call, next_mapped, &z, out);
}

static bool prepare_select(mn_jrun *r, lazy *z)
{
    mn_jcall *c = &z->call;
    if (z->by_attribute) {
        if (!c->n_args)
            return mn_j_fail(r, MINERVA_INVALID, "Missing parameter for attribute name");
        if (!path_init(r, &z->p, c->args[0], mn_j_none(), false)) return false;
        c->args++;
        c->n_args--;
    }
    if (!c->n_args) return true;
    mn_jvalue name = c->args[0];
    if (name.type == J_UNDEFINED) return mn_j_fail_undefined(r, name);
    if (name.type == J_STR) z->function = mn_j_find_test(name);
    c->args++;
    c->n_args--;
    return z->function
        || mn_j_fail(r, MINERVA_INVALID, "no test named '%.*s'",
                     name.type == J_STR ? (int)(name.len < 80 ? name.len : 80) : 1,
                     name.type == J_STR ? name.s : "?");
}

static int next_selected(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    lazy *z = it->state;
    if (!z->is_ready) {
        int go = start_if_true(r, it->source, z);
        if (go <= 0) return go;
        if (!prepare_select(r, z)) return -1;
        z->is_ready = true;
    }
    for (int more; (more = mn_j_next(r, &z->it, out)) != 0;) {
        mn_jvalue v = *out;
        bool yes;
        if (more < 0 || (z->by_attribute && !path_get(r, &z->p, v, &v))
            || (z->function && !mn_j_apply(r, z->function, v, &z->call, &v))
            || !mn_j_truth(r, v, &yes)) return -1;
        if (yes != z->rejects) return 1;
    }
    return 0;
}

static bool select_items(mn_jrun *r, mn_jvalue self, call_t call, bool rejects,
                         bool by_attribute, mn_jvalue *out)
{
    lazy *z;
    if (!lazy_new(r, self, call, next_selected, &z, out)) return false;
    z->rejects = rejects;
    z->by_attribute = by_attribute;
    return true;
}

#define SELECT_FILTER(name, rejects, by_attribute) \
    static bool name(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out) \
    { \
        return select_items(r, self, call, rejects, by_attribute, out); \
    }
SELECT_FILTER(filter_select, false, false)
SELECT_FILTER(filter_reject, true, false)
SELECT_FILTER(filter_selectattr, false, true)
SELECT_FILTER(filter_rejectattr, true, true)

static int next_unique(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    lazy *z = it->state;
    mn_jentry *e;
    if (!z->is_ready) {
        bool case_sensitive;
        if (!flag(r, z->call.args[0], &case_sensitive)
            || !path_init(r, &z->p, z->call.args[1], mn_j_none(), !case_sensitive)
            || !(z->seen = mn_j_dict_new(r, 0)) || !mn_j_iter_init(r, it->source, &z->it))
            return -1;
        z->is_ready = true;
    }
    for (int more; (more = mn_j_next(r, &z->it, out)) != 0;) {
        mn_jvalue key;
        if (more < 0 || !path_get(r, &z->p, *out, &key)
            || !mn_j_dict_find(r, z->seen, key, &e)) return -1;
        if (!e) return mn_j_dict_put(r, z->seen, key, mn_j_none()) ? 1 : -1;
    }
    return 0;
}

static bool filter_unique(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    lazy *z;
    return lazy_new(r, self, call, next_unique, &z, out);
}

static int next_pair(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    lazy *z = it->state;
    if (!z->is_ready) {
        if (it->source.type == J_UNDEFINED) return 0;
        if (it->source.type != J_DICT) {
            mn_j_fail(r, MINERVA_INVALID, "Can only get item pairs from a mapping.");
            return -1;
        }
        mn_jvalue view = { .type = J_VIEW, .flags = J_ITEMS, .dict = it->source.dict };
        if (!mn_j_iter_init(r, view, &z->it)) return -1;
        z->is_ready = true;
    }
    return mn_j_next(r, &z->it, out);
}

static bool filter_items(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    lazy *z;
    return lazy_new(r, self, call, next_pair, &z, out);
}

/* Lists of linecount items; the last one may be filled up. */
static int next_batch(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    lazy *z = it->state;
    mn_jvalue size = z->call.args[0], fill = z->call.args[1];
    if (!z->is_ready) {
        if (!mn_j_items(r, it->source, &z->items, &z->n)) return -1;
        z->is_ready = true;
    }
    int64_t want = mn_j_is_index(size) ? mn_j_index_of(size) : -1;
    if (z->at == z->n) return 0;
    if (want == 0 && !z->offset++) { /* as in jinja2: an empty one, then all the rest */
        *out = mn_j_list(NULL, 0);
        return 1;
    }
    uint32_t left = z->n - z->at, n = want > 0 && want < left ? (uint32_t)want : left;
    *out = mn_j_list(z->items + z->at, n);
    z->at += n;
    if (z->at < z->n || !is_given(fill) || n >= want) return 1;
    mn_jvalue *items =
        want > UINT32_MAX ? NULL : mn_j_alloc(r, (size_t)want, sizeof *items);
    if (!items) {
        mn_j_fail(r, MINERVA_LIMIT, "batch() is too long");
        return -1;
    }
    memcpy(items, out->items, n * sizeof *items);
    for (int64_t i = n; i < want; i++) items[i] = fill;
    *out = mn_j_list(items, (size_t)want);
    return mn_j_spend(r, want) ? 1 : -1;
}

static bool filter_batch(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    lazy *z;
    return lazy_new(r, self, call, next_batch, &z, out);
}

/* A number of lists of nearly equal length. */
static int next_slice(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    lazy *z = it->state;
    mn_jvalue count = z->call.args[0], fill = z->call.args[1];
    if (!z->is_ready) {
        if (!mn_j_items(r, it->source, &z->items, &z->n)) return -1;
        if (!mn_j_is_index(count) || mn_j_index_of(count) == 0) {
            mn_j_fail(r, MINERVA_INVALID, "slice() needs a number of slices");
            return -1;
        }
        z->is_ready = true;
    }
    int64_t slices = mn_j_index_of(count), number = z->offset++;
    if (number >= slices) return 0;
    bool is_longer = number < z->n % slices;
    uint32_t n = (uint32_t)(z->n / slices) + is_longer;
    *out = mn_j_list(z->items ? z->items + z->at : NULL, n);
    z->at += n;
    if (!is_given(fill) || is_longer) return 1;
    mn_jvalue *items = mn_j_alloc(r, (size_t)n + 1, sizeof *items);
    if (!items) return -1;
    if (n) memcpy(items, out->items, n * sizeof *items);
    items[n] = fill;
    *out = mn_j_list(items, (size_t)n + 1);
    return 1;
}

static bool filter_slice(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    lazy *z;
    return lazy_new(r, self, call, next_slice, &z, out);
}

static bool filter_random(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_fail(r, MINERVA_UNSUPPORTED,
                     "the filter 'random' is not supported: a prompt "
                     "must be reproducible");
}

static const mn_jbuiltin filters[] = {
    { "default", filter_default, "default_value boolean", 0, 0, 0 },
    { "d", filter_default, "default_value boolean", 0, 0, 0 },
    { "first", filter_first, "", 0, 0, 0 }, { "last", filter_last, "", 0, 0, 0 },
    { "length", filter_length, "", 0, 0, 0 }, { "count", filter_length, "", 0, 0, 0 },
    { "list", filter_list, "", 0, 0, 0 }, { "join", filter_join, "d attribute", 0, 0, 0 },
    { "map", filter_map, NULL, 0, 0, 0 }, { "select", filter_select, NULL, 0, 0, 0 },
    { "reject", filter_reject, NULL, 0, 0, 0 },
    { "selectattr", filter_selectattr, NULL, 0, 0, 0 },
    { "rejectattr", filter_rejectattr, NULL, 0, 0, 0 },
    { "items", filter_items, "", 0, 0, 0 },
    { "dictsort", filter_dictsort, "case_sensitive by reverse", 0, 0, 0 },
    { "sort", filter_sort, "reverse case_sensitive attribute", 0, 0, 0 },
    { "unique", filter_unique, "case_sensitive attribute", 0, 0, 0 },
    { "groupby", filter_groupby, "attribute default case_sensitive", 1, 0, 0 },
    { "min", filter_min, "case_sensitive attribute", 0, 0, 0 },
    { "max", filter_max, "case_sensitive attribute", 0, 0, 0 },
    { "sum", filter_sum, "attribute start", 0, 0, 0 },
    { "reverse", filter_reverse, "", 0, 0, 0 }, { "attr", filter_attr, "name", 1, 0, 0 },
    { "batch", filter_batch, "linecount fill_with", 1, 0, 0 },
    { "slice", filter_slice, "slices fill_with", 1, 0, 0 },
    { "random", filter_random, "", 0, 0, 0 }
};

const mn_jbuiltin *mn_j_find_filter(mn_jvalue name)
{
    const mn_jbuiltin *f = mn_j_find_in(filters, COUNT(filters), name);
    return f ? f : mn_j_find_text_filter(name);
}
