/* Attributes and items: v.name, v[key], and the methods of everything but strings.
 *
 * v.name asks for an attribute first and for an item second, v[key] the other way round;
 * neither fails if there is none: the result is undefined and says so when it is used.
 * The sandbox hides what starts with an underscore and what would change a list or dict.
 */
#include "text/jinja_run.h"

#include <math.h>
#include <string.h>

#define COUNT(table) (sizeof table / sizeof *table)

const mn_jbuiltin *mn_j_find_in(const mn_jbuiltin *table, size_t n, mn_jvalue name)
{
    for (size_t i = 0; i < n; i++)
        if (mn_j_str_is(name, table[i].name)) return &table[i];
    return NULL;
}

/* ---- methods of lists, tuples, ranges ---------------------------------------------- */

static bool find_item(mn_jrun *r, mn_jvalue self, mn_jvalue item, int64_t from,
                      int64_t to, int64_t *first, int64_t *count)
{
    mn_jiter it;
    mn_jvalue each;
    if (!mn_j_iter_init(r, self, &it)) return false;
    *first = -1;
    *count = 0;
    for (int64_t i = 0; i < to; i++) {
        int more = mn_j_next(r, &it, &each);
        if (more < 0) return false;
        if (!more) break;
        if (i < from) continue;
        bool same = mn_j_same(each, item);
        if (!same && !mn_j_equal(r, each, item, &same)) return false;
        if (same && ++*count == 1) *first = i;
    }
    return true;
}

static bool list_index(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    int64_t n, bound[2] = { 0, INT64_MAX }, first, count;
    if (!mn_j_length(r, self, &n)) return false;
    for (int i = 0; i < 2; i++) {
        mn_jvalue v = call->args[1 + i];
        if (v.type == J_MISSING) continue;
        if (!mn_j_is_index(v))
            return mn_j_fail(r, MINERVA_INVALID, "slice indices must be integers");
        bound[i] = mn_j_index_of(v);
        if (bound[i] < 0) bound[i] = bound[i] + n < 0 ? 0 : bound[i] + n;
    }
    if (!find_item(r, self, call->args[0], bound[0], bound[1], &first, &count))
        return false;
    if (first < 0) return mn_j_fail(r, MINERVA_INVALID, "the value is not in the list");
    *out = mn_j_int(first);
    return true;
}

static bool list_count(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    int64_t first, count;
    if (!find_item(r, self, call->args[0], 0, INT64_MAX, &first, &count)) return false;
    *out = mn_j_int(count);
    return true;
}

static bool copy_self(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    *out = self;
    return true;
}

static const mn_jbuiltin list_methods[] = {
    { "index", list_index, "? ? ?", 1, 0, 0 }, { "count", list_count, "?", 1, 0, 0 },
    { "copy", copy_self, "", 0, 0, 0 },
    { "append", NULL, NULL, 0, J_UNSAFE, 0 }, { "clear", NULL, NULL, 0, J_UNSAFE, 0 },
    { "pop", NULL, NULL, 0, J_UNSAFE, 0 }, { "reverse", NULL, NULL, 0, J_UNSAFE, 0 },
    { "insert", NULL, NULL, 0, J_UNSAFE, 0 }, { "sort", NULL, NULL, 0, J_UNSAFE, 0 },
    { "extend", NULL, NULL, 0, J_UNSAFE, 0 }, { "remove", NULL, NULL, 0, J_UNSAFE, 0 }
};

static const mn_jbuiltin tuple_methods[] = {
    { "index", list_index, "? ? ?", 1, 0, 0 }, { "count", list_count, "?", 1, 0, 0 }
};

/* ---- methods of dicts -------------------------------------------------------------- */

static bool dict_get(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    mn_jentry *e;
    if (!mn_j_dict_find(r, self.dict, call->args[0], &e)) return false;
    *out = e ? e->value : call->args[1].type != J_MISSING ? call->args[1] : mn_j_none();
    return true;
}

static bool dict_view(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    *out = (mn_jvalue){ .type = J_VIEW, .flags = self.flags, .dict = self.dict };
    return true;
}

static bool dict_keys(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    self.flags = J_KEYS;
    return dict_view(r, self, call, out);
}

static bool dict_values(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    self.flags = J_VALUES;
    return dict_view(r, self, call, out);
}

static bool dict_items(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    self.flags = J_ITEMS;
    return dict_view(r, self, call, out);
}

static bool dict_fromkeys(mn_jrun *r, mn_jvalue self, const mn_jcall *call,
                          mn_jvalue *out)
{
    mn_jiter it;
    mn_jvalue key;
    mn_jdict *d = mn_j_dict_new(r, 0);
    if (!d || !mn_j_iter_init(r, call->args[0], &it)) return false;
    for (int more; (more = mn_j_next(r, &it, &key)) != 0;)
        if (more < 0
            || !mn_j_dict_put(
                r, d, key, call->args[1].type == J_MISSING ? mn_j_none() : call->args[1]))
            return false;
    *out = (mn_jvalue){ .type = J_DICT, .dict = d };
    return true;
}

static const mn_jbuiltin dict_methods[] = { { "get", dict_get, "? ?", 1, 0, 0 },
                                            { "items", dict_items, "", 0, 0, 0 },
                                            { "keys", dict_keys, "", 0, 0, 0 },
                                            { "values", dict_values, "", 0, 0, 0 },
                                            { "copy", copy_self, "", 0, 0, 0 },
                                            { "fromkeys", dict_fromkeys, "? ?", 1, 0, 0 },
                                            { "clear", NULL, NULL, 0, J_UNSAFE, 0 },
                                            { "pop", NULL, NULL, 0, J_UNSAFE, 0 },
                                            { "popitem", NULL, NULL, 0, J_UNSAFE, 0 },
                                            { "setdefault", NULL, NULL, 0, J_UNSAFE, 0 },
                                            { "update", NULL, NULL, 0, J_UNSAFE, 0 } };

/* ---- methods of numbers ------------------------------------------------------------ */

static bool number_conjugate(mn_jrun *r, mn_jvalue self, const mn_jcall *call,
                             mn_jvalue *out)
{
    return mn_j_negate(r, self, false, out);
}

static bool int_bit_length(mn_jrun *r, mn_jvalue self, const mn_jcall *call,
                           mn_jvalue *out)
{
    int64_t i = mn_j_index_of(self), n = 0;
    for (uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i; u; u >>= 1) n++;
    *out = mn_j_int(n);
    return true;
}

static bool int_bit_count(mn_jrun *r, mn_jvalue self, const mn_jcall *call,
                          mn_jvalue *out)
{
    int64_t i = mn_j_index_of(self);
    *out = mn_j_int(__builtin_popcountll(i < 0 ? 0 - (uint64_t)i : (uint64_t)i));
    return true;
}

static bool float_is_integer(mn_jrun *r, mn_jvalue self, const mn_jcall *call,
                             mn_jvalue *out)
{
    *out = mn_j_bool(isfinite(self.f) && self.f == floor(self.f));
    return true;
}

static const mn_jbuiltin int_methods[] = { { "bit_length", int_bit_length, "", 0, 0, 0 },
                                           { "bit_count", int_bit_count, "", 0, 0, 0 },
                                           { "conjugate", number_conjugate, "", 0, 0,
                                             0 } };
static const mn_jbuiltin float_methods[] = {
    { "is_integer", float_is_integer, "", 0, 0, 0 },
    { "conjugate", number_conjugate, "", 0, 0, 0 }
};

/* ---- cyclers and loops ------------------------------------------------------------- */

static bool cycler_next(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    mn_jcycler *c = self.cycler;
    *out = c->items[c->at];
    c->at = (c->at + 1) % c->n;
    return true;
}

static bool cycler_reset(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    self.cycler->at = 0;
    *out = mn_j_none();
    return true;
}

static bool loop_cycle(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    if (call->n_keywords)
        return mn_j_fail(r, MINERVA_INVALID, "cycle() takes no named arguments");
    if (!call->n_args) return mn_j_fail(r, MINERVA_INVALID, "no items for cycling given");
    int64_t n = call->n_args, at = self.loop->index0 % n;
    *out = call->args[at < 0 ? at + n : at];
    return true;
}

static bool loop_changed(mn_jrun *r, mn_jvalue self, const mn_jcall *call, mn_jvalue *out)
{
    if (call->n_keywords)
        return mn_j_fail(r, MINERVA_INVALID, "changed() takes no named arguments");
    mn_jvalue now = mn_j_tuple(call->args, call->n_args),
              *last = &self.loop->changed_value;
    bool same = false;
    if (last->type != J_MISSING && !mn_j_equal(r, *last, now, &same)) return false;
    *out = mn_j_bool(!same);
    if (same) return true;
    mn_jvalue *copy = mn_j_alloc(r, call->n_args, sizeof *copy);
    if (!copy) return false;
    if (call->n_args) memcpy(copy, call->args, call->n_args * sizeof *copy);
    *last = mn_j_tuple(copy, call->n_args);
    return true;
}

static const mn_jbuiltin cycler_methods[] = {
    { "next", cycler_next, "", 0, 0, 0 }, { "reset", cycler_reset, "", 0, 0, 0 }
};
static const mn_jbuiltin loop_methods[] = {
    { "cycle", loop_cycle, NULL, 0, 0, 0 }, { "changed", loop_changed, NULL, 0, 0, 0 }
};

/* ---- attributes -------------------------------------------------------------------- */

void mn_j_attribute_init(mn_jattribute *a, mn_jvalue name)
{
    static const char *const internal[] = {
        "__class__",    "__doc__",          "__init__",
        "__new__",      "__repr__",         "__str__",
        "__len__",      "__getitem__",      "__getattribute__",
        "__setattr__",  "__delattr__",      "__dir__",
        "__eq__",       "__ne__",           "__lt__",
        "__le__",       "__gt__",           "__ge__",
        "__hash__",     "__format__",       "__iter__",
        "__contains__", "__reduce__",       "__reduce_ex__",
        "__sizeof__",   "__subclasshook__", "__init_subclass__",
        "__dict__",     "__module__",       "__globals__",
        "__code__",     "__call__",         "__add__",
        "__mul__",      "__mod__"
    };
    *a = (mn_jattribute){ .name = name };
    if (name.len && name.s[0] == '_')
        for (size_t i = 0; i < COUNT(internal); i++)
            a->is_internal |= mn_j_str_is(name, internal[i]);
    a->of_str = mn_j_find_str_method(name);
    a->of_list = mn_j_find_in(list_methods, COUNT(list_methods), name);
    a->of_tuple = mn_j_find_in(tuple_methods, COUNT(tuple_methods), name);
    a->of_dict = mn_j_find_in(dict_methods, COUNT(dict_methods), name);
    a->of_int = mn_j_find_in(int_methods, COUNT(int_methods), name);
    a->of_float = mn_j_find_in(float_methods, COUNT(float_methods), name);
    a->of_range = a->of_tuple;
}

static const mn_jbuiltin *any_method(mn_jvalue v, const mn_jattribute *a)
{
    switch (v.type) {
    case J_STR: return a->of_str;
    case J_LIST: return a->of_list;
    case J_TUPLE: return a->of_tuple;
    case J_DICT: return a->of_dict;
    case J_BOOL: case J_INT: return a->of_int;
    case J_FLOAT: return a->of_float;
    case J_RANGE: return a->of_range;
    case J_CYCLER: return mn_j_find_in(cycler_methods, COUNT(cycler_methods), a->name);
    case J_LOOP: return mn_j_find_in(loop_methods, COUNT(loop_methods), a->name);
    default: return NULL;
    }
}

const mn_jbuiltin *mn_j_find_method(mn_jvalue v, const mn_jattribute *a)
{
    const mn_jbuiltin *m = any_method(v, a);
    return m && !(m->flags & J_UNSAFE) ? m : NULL;
}

static bool number_field(mn_jvalue v, mn_jvalue name, mn_jvalue *out)
{
    bool is_float = v.type == J_FLOAT;
    if (mn_j_str_is(name, "real")) *out = is_float ? v : mn_j_int(mn_j_index_of(v));
    else if (mn_j_str_is(name, "imag")) *out = is_float ? mn_j_float(0) : mn_j_int(0);
    else if (mn_j_str_is(name, "numerator") && !is_float)
        *out = mn_j_int(mn_j_index_of(v));
    else if (mn_j_str_is(name, "denominator") && !is_float) *out = mn_j_int(1);
    else return false;
    return true;
}

static bool macro_field(mn_jrun *r, mn_jvalue v, mn_jvalue name, mn_jvalue *out,
                        bool *found)
{
    const mn_jnode *n = v.macro->node;
    const mn_jmacro_def *m = n->kind == N_MACRO ? n->macro : n->call_block.macro;
    if (mn_j_str_is(name, "name")) *out = m->name;
    else if (mn_j_str_is(name, "catch_kwargs")) *out = mn_j_bool(m->kwargs_slot >= 0);
    else if (mn_j_str_is(name, "catch_varargs")) *out = mn_j_bool(m->varargs_slot >= 0);
    else if (mn_j_str_is(name, "caller"))
        *out = mn_j_bool(m->caller_slot >= 0);
    else if (mn_j_str_is(name, "arguments")) {
        mn_jvalue *names = mn_j_alloc(r, (size_t)m->n_params, sizeof *names);
        if (!names) return false;
        int at = 0;
        for (const mn_jnode *p = m->params; p; p = p->next)
            names[at++] = r->t->names[p->name.id];
        *out = mn_j_tuple(names, (size_t)at);
    } else {
        *found = false;
    }
    return true;
}

/* Fields that are no methods.  *found says whether there is one. */
static bool field(mn_jrun *r, mn_jvalue v, mn_jvalue name, mn_jvalue *out, bool *found)
{
    mn_jentry *e;
    *found = true;
    switch (v.type) {
    case J_BOOL:
    case J_INT:
    case J_FLOAT: *found = number_field(v, name, out); return true;
    case J_NAMESPACE:
        if ((e = mn_j_dict_find_str(r, v.dict, name))) *out = e->value;
        *found = e != NULL;
        return true;
    case J_LOOP: return mn_j_loop_attribute(r, v.loop, name, out, found);
    case J_MACRO: return macro_field(r, v, name, out, found);
    case J_TUPLE:
        if (!(v.flags & J_GROUP)) break;
        if (mn_j_str_is(name, "grouper")) *out = v.items[0];
        else if (mn_j_str_is(name, "list")) *out = v.items[1];
        else break;
        return true;
    case J_RANGE:
        if (mn_j_str_is(name, "start")) *out = mn_j_int(v.range->start);
        else if (mn_j_str_is(name, "stop")) *out = mn_j_int(v.range->stop);
        else if (mn_j_str_is(name, "step")) *out = mn_j_int(v.range->step);
        else break;
        return true;
    case J_CYCLER:
        if (mn_j_str_is(name, "current")) *out = v.cycler->items[v.cycler->at];
        else if (mn_j_str_is(name, "pos")) *out = mn_j_int(v.cycler->at);
        else if (mn_j_str_is(name, "items"))
            *out = mn_j_tuple(v.cycler->items, v.cycler->n);
        else break;
        return true;
    case J_JOINER:
        if (mn_j_str_is(name, "sep")) *out = v.joiner->separator;
        else if (mn_j_str_is(name, "used")) *out = mn_j_bool(v.joiner->used);
        else break;
        return true;
    default: break;
    }
    *found = false;
    return true;
}

/* Attribute of any kind; *found false: there is none and *out is not set. */
static bool attribute(mn_jrun *r, mn_jvalue v, const mn_jattribute *a, mn_jvalue *out,
                      bool *found)
{
    *found = true;
    if (a->is_internal) return mn_j_undefined_of(r, v, a->name, true, out);
    if (v.type == J_UNDEFINED) return mn_j_fail_undefined(r, v);
    const mn_jbuiltin *m = any_method(v, a);
    if (m && m->flags & J_UNSAFE) return mn_j_undefined_of(r, v, a->name, true, out);
    if (m) {
        mn_jmethod *bound = mn_j_alloc(r, 1, sizeof *bound);
        if (!bound) return false;
        *bound = (mn_jmethod){ v, m };
        *out = (mn_jvalue){ .type = J_METHOD, .method = bound };
        return true;
    }
    if (!field(r, v, a->name, out, found)) return false;
    if (*found && a->name.len && a->name.s[0] == '_')
        return mn_j_undefined_of(r, v, a->name, true, out);
    return true;
}

static bool find_block(mn_jrun *r, mn_jvalue name, mn_jvalue *out)
{
    for (int32_t i = 0; name.type == J_STR && i < r->t->n_blocks; i++) {
        if (!mn_j_str_equal(r->t->blocks[i]->block.name, name)) continue;
        *out = (mn_jvalue){ .type = J_BLOCK, .block = r->t->blocks[i] };
        return true;
    }
    return false;
}

/* Item of any kind; *found false: v[key] would raise. */
static bool item(mn_jrun *r, mn_jvalue v, mn_jvalue key, mn_jvalue *out, bool *found)
{
    mn_jentry *e;
    *found = false;
    if (v.type == J_UNDEFINED) return mn_j_fail_undefined(r, v);
    if (v.type == J_DICT) {
        if (key.type == J_STR) e = mn_j_dict_find_str(r, v.dict, key);
        else if (key.type == J_LIST || key.type == J_DICT || key.type == J_VIEW) e = NULL;
        else if (!mn_j_dict_find(r, v.dict, key, &e)) return false;
        if (e) *out = e->value;
        *found = e != NULL;
        return true;
    }
    if (v.type == J_SELF) {
        *found = find_block(r, key, out);
        return true;
    }
    bool is_sequence = v.type == J_STR || v.type == J_LIST || v.type == J_TUPLE
                    || v.type == J_RANGE;
    if (!is_sequence || !mn_j_is_index(key)) return true;
    int64_t n, i = mn_j_index_of(key);
    if (!mn_j_length(r, v, &n)) return false;
    if (i < 0) i += n;
    if (i < 0 || i >= n) return true;
    *found = true;
    if (v.type == J_RANGE) {
        *out = mn_j_int(v.range->start + i * v.range->step);
    } else if (v.type == J_STR) {
        size_t from = mn_j_offset_of(v.s, v.len, i);
        *out = mn_j_str(v.s + from, mn_j_offset_of(v.s + from, v.len - from, 1));
        out->flags = v.flags;
        return mn_j_spend_bytes(r, v.len);
    } else {
        *out = v.items[i];
    }
    return true;
}

bool mn_j_getattr(mn_jrun *r, mn_jvalue v, const mn_jattribute *a, mn_jvalue *out)
{
    bool found;
    if (!attribute(r, v, a, out, &found)) return false;
    if (!found && !item(r, v, a->name, out, &found)) return false;
    return found || mn_j_undefined_of(r, v, a->name, false, out);
}

bool mn_j_getitem(mn_jrun *r, mn_jvalue v, mn_jvalue key, mn_jvalue *out)
{
    bool found;
    if (!item(r, v, key, out, &found)) return false;
    if (!found && key.type == J_STR) {
        mn_jattribute a;
        mn_j_attribute_init(&a, key);
        if (!attribute(r, v, &a, out, &found)) return false;
    }
    return found || mn_j_undefined_of(r, v, key, false, out);
}

bool mn_j_getattr_only(mn_jrun *r, mn_jvalue v, mn_jvalue name, mn_jvalue *out)
{
    bool found;
    mn_jattribute a;
    mn_j_attribute_init(&a, name);
    if (!attribute(r, v, &a, out, &found)) return false;
    return found || mn_j_undefined_of(r, v, name, false, out);
}
