/* Expressions: nodes -> values.
 *
 * Recursion follows the tree; every level counts against the depth budget and every node
 * against the steps.
 */
#include "text/jinja_run.h"

#include <string.h>

/* ---- arguments --------------------------------------------------------------------- */

enum { LOCAL_ARGS = 6, LOCAL_KEYWORDS = 3 };
typedef struct {
    mn_jcall call;
    mn_jvalue args[LOCAL_ARGS];
    mn_jkeyword keywords[LOCAL_KEYWORDS];
} arguments;

/* *list appended. */
static bool spread_args(mn_jrun *r, mn_jvalue list, arguments *a)
{
    const mn_jvalue *items;
    uint32_t n, before = a->call.n_args;
    if (!mn_j_items(r, list, &items, &n)) return false;
    mn_jvalue *all = mn_j_alloc(r, (size_t)before + n, sizeof *all);
    if (!all) return false;
    if (before) memcpy(all, a->call.args, before * sizeof *all);
    if (n) memcpy(all + before, items, n * sizeof *all);
    a->call.args = all;
    a->call.n_args = before + n;
    return true;
}

/* **dict appended. */
static bool spread_keywords(mn_jrun *r, mn_jvalue v, arguments *a)
{
    if (v.type == J_UNDEFINED) return mn_j_fail_undefined(r, v);
    if (v.type != J_DICT)
        return mn_j_fail(r, MINERVA_INVALID,
                         "argument after ** must be a mapping, not %s",
                         mn_j_type_name(v));
    uint32_t before = a->call.n_keywords;
    mn_jkeyword *all = mn_j_alloc(r, (size_t)before + v.dict->n, sizeof *all);
    if (!all) return false;
    if (before) memcpy(all, a->call.keywords, before * sizeof *all);
    for (uint32_t i = 0; i < v.dict->n; i++) {
        const mn_jentry *e = &v.dict->entries[i];
        if (e->key.type != J_STR)
            return mn_j_fail(r, MINERVA_INVALID, "keywords must be strings");
        for (uint32_t k = 0; k < before; k++)
            if (mn_j_str_equal(all[k].name, e->key))
                return mn_j_fail(r, MINERVA_INVALID,
                                 "got multiple values for keyword argument "
                                 "'%.*s'",
                                 e->key.len < 80 ? (int)e->key.len : 80, e->key.s);
        all[before + i] = (mn_jkeyword){ e->key, e->value };
    }
    a->call.keywords = all;
    a->call.n_keywords = before + v.dict->n;
    return mn_j_spend(r, v.dict->n);
}

static bool eval_arguments(mn_jrun *r, const mn_jnode *n, mn_jframe *f,
                           const mn_jvalue *caller, arguments *a)
{
    mn_jvalue *args = a->args, v;
    mn_jkeyword *keywords = a->keywords;
    uint32_t n_keywords = n->call.n_keywords + (caller != NULL);
    if (n->call.n_args > LOCAL_ARGS
        && !(args = mn_j_alloc(r, n->call.n_args, sizeof *args))) return false;
    if (n_keywords > LOCAL_KEYWORDS
        && !(keywords = mn_j_alloc(r, n_keywords, sizeof *keywords))) return false;
    uint32_t i = 0;
    for (const mn_jnode *arg = n->call.args; arg; arg = arg->next)
        if (!mn_j_eval(r, arg, f, &args[i++])) return false;
    uint32_t k = 0;
    for (const mn_jnode *arg = n->call.keywords; arg; arg = arg->next, k++) {
        keywords[k].name = arg->keyword.name;
        if (!mn_j_eval(r, arg->keyword.value, f, &keywords[k].value)) return false;
        if (caller && mn_j_str_is(arg->keyword.name, "caller"))
            return mn_j_fail(r, MINERVA_INVALID,
                             "keyword argument 'caller' is given twice");
    }
    if (caller) keywords[k++] = (mn_jkeyword){ mn_j_cstr("caller"), *caller };
    a->call = (mn_jcall){ args, i, keywords, k };
    if (n->call.dyn_args
        && !(mn_j_eval(r, n->call.dyn_args, f, &v) && spread_args(r, v, a))) return false;
    return !n->call.dyn_keywords
        || (mn_j_eval(r, n->call.dyn_keywords, f, &v) && spread_keywords(r, v, a));
}

/* ---- calls, filters, tests --------------------------------------------------------- */

bool mn_j_eval_call(mn_jrun *r, const mn_jnode *n, mn_jframe *f, const mn_jvalue *caller,
                    mn_jvalue *out)
{
    const mn_jnode *target = n->call.target;
    mn_jvalue callee;
    arguments a;
    r->line = n->line;
    if (target->kind != N_GETATTR) {
        return mn_j_eval(r, target, f, &callee) && eval_arguments(r, n, f, caller, &a)
            && mn_j_call(r, callee, &a.call, out);
    }
    /* object.method(...): no bound method is made. */
    mn_jvalue object;
    if (!mn_j_eval(r, target->getattr.object, f, &object)) return false;
    r->line = n->line;
    const mn_jbuiltin *method = mn_j_find_method(object, target->getattr.attribute);
    if (method)
        return eval_arguments(r, n, f, caller, &a)
            && mn_j_apply(r, method, object, &a.call, out);
    return mn_j_getattr(r, object, target->getattr.attribute, &callee)
        && eval_arguments(r, n, f, caller, &a) && mn_j_call(r, callee, &a.call, out);
}

static bool apply(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue self,
                  mn_jvalue *out)
{
    arguments a;
    if (!eval_arguments(r, n, f, NULL, &a)) return false;
    r->line = n->line;
    if (!n->call.function)
        return mn_j_fail(r, MINERVA_INVALID, "no %s named '%.*s' found",
                         n->kind == N_FILTER ? "filter" : "test",
                         n->call.name.len < 80 ? (int)n->call.name.len : 80,
                         n->call.name.s);
    return mn_j_apply(r, n->call.function, self, &a.call, out);
}

bool mn_j_eval_filter(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue block_text,
                      mn_jvalue *out)
{
    mn_jvalue self = block_text;
    const mn_jnode *target = n->call.target;
    if (target && target->kind == N_FILTER) {
        if (++r->depth > r->max_depth) return mn_j_fail_depth(r);
        if (!mn_j_eval_filter(r, target, f, block_text, &self)) return false;
        r->depth--;
    } else if (target && !mn_j_eval(r, target, f, &self)) {
        return false;
    }
    return apply(r, n, f, self, out);
}

/* ---- literals ---------------------------------------------------------------------- */

static bool eval_items(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jvalue *items = NULL;
    if (n->list.n && !(items = mn_j_alloc(r, n->list.n, sizeof *items))) return false;
    uint32_t i = 0;
    for (const mn_jnode *item = n->list.items; item; item = item->next)
        if (!mn_j_eval(r, item, f, &items[i++])) return false;
    *out = n->kind == N_LIST ? mn_j_list(items, i) : mn_j_tuple(items, i);
    return true;
}

static bool eval_dict(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jdict *d = mn_j_dict_new(r, n->list.n);
    if (!d) return false;
    for (const mn_jnode *pair = n->list.items; pair; pair = pair->next) {
        mn_jvalue key, value;
        if (!mn_j_eval(r, pair->pair.left, f, &key)
            || !mn_j_eval(r, pair->pair.right, f, &value)
            || !mn_j_dict_put(r, d, key, value))
            return false;
    }
    *out = (mn_jvalue){ .type = J_DICT, .dict = d };
    return true;
}

/* ---- operators --------------------------------------------------------------------- */

static bool eval_conditional(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jvalue test;
    bool yes;
    if (!mn_j_eval(r, n->conditional.test, f, &test) || !mn_j_truth(r, test, &yes))
        return false;
    if (yes) return mn_j_eval(r, n->conditional.yes, f, out);
    if (n->conditional.no) return mn_j_eval(r, n->conditional.no, f, out);
    size_t mark = mn_j_mark(r);
    mn_jvalue hint;
    mn_buffer_append_fmt(&r->scratch,
                         "the inline if-expression on line %d evaluated to false "
                         "and no else section was defined.",
                         n->line);
    mn_buffer_append_byte(&r->scratch, 0);
    return mn_j_take(r, mark, &hint) && mn_j_undefined_hint(r, hint.s, out);
}

static bool eval_logic(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    bool yes;
    if (!mn_j_eval(r, n->pair.left, f, out) || !mn_j_truth(r, *out, &yes)) return false;
    return yes == (n->kind == N_OR) || mn_j_eval(r, n->pair.right, f, out);
}

static bool eval_binary(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jvalue a, b;
    if (!mn_j_eval(r, n->pair.left, f, &a) || !mn_j_eval(r, n->pair.right, f, &b))
        return false;
    r->line = n->line;
    return mn_j_binary(r, (mn_jbinary_op)n->op, a, b, out);
}

static bool eval_unary(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jvalue v;
    bool yes;
    if (!mn_j_eval(r, n->pair.left, f, &v)) return false;
    if (n->kind != N_NOT) return mn_j_negate(r, v, n->kind == N_NEGATE, out);
    if (!mn_j_truth(r, v, &yes)) return false;
    *out = mn_j_bool(!yes);
    return true;
}

static bool eval_compare(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jvalue a, b;
    bool yes = true;
    if (!mn_j_eval(r, n->compare.first, f, &a)) return false;
    for (const mn_jnode *o = n->compare.operands; o && yes; o = o->next) {
        if (!mn_j_eval(r, o->keyword.value, f, &b)) return false;
        r->line = n->line;
        if (!mn_j_compare(r, (mn_jcompare_op)o->op, a, b, &yes)) return false;
        a = b;
    }
    *out = mn_j_bool(yes);
    return true;
}

/* a ~ b ~ c: the rest is written first, so that a text that grows in a loop can grow in
 * place. */
static bool eval_concat(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jvalue first, rest;
    if (!mn_j_eval(r, n->list.items, f, &first) || !mn_j_to_str(r, first, &first))
        return false;
    size_t mark = mn_j_mark(r);
    for (const mn_jnode *item = n->list.items->next; item; item = item->next) {
        mn_jvalue v;
        if (!mn_j_eval(r, item, f, &v) || !mn_j_write(r, &r->scratch, v)) return false;
    }
    return mn_j_take(r, mark, &rest) && mn_j_append(r, first, rest, 1, out);
}

static bool eval_getitem(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jvalue object, key;
    if (!mn_j_eval(r, n->pair.left, f, &object)) return false;
    const mn_jnode *arg = n->pair.right;
    if (arg->kind != N_SLICE) {
        if (!mn_j_eval(r, arg, f, &key)) return false;
        r->line = n->line;
        return mn_j_getitem(r, object, key, out);
    }
    const mn_jnode *const parts[3] = { arg->slice.start, arg->slice.stop,
                                       arg->slice.step };
    mn_jvalue bounds[3];
    for (int i = 0; i < 3; i++) {
        bounds[i] = mn_j_none();
        if (parts[i] && !mn_j_eval(r, parts[i], f, &bounds[i])) return false;
    }
    r->line = n->line;
    return mn_j_slice(r, object, bounds[0], bounds[1], bounds[2], out);
}

static void eval_name(const mn_jnode *n, const mn_jframe *f, mn_jvalue *out)
{
    for (int32_t i = n->name.hops; i > 0; i--) f = f->outer;
    *out = f->slots[n->name.slot];
    if (out->type == J_MISSING)
        *out = (mn_jvalue){ .type = J_UNDEFINED, .undefined = n->name.undefined };
}

static bool eval(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    switch (n->kind) {
    case N_TUPLE: case N_LIST: return eval_items(r, n, f, out);
    case N_DICT: return eval_dict(r, n, f, out);
    case N_CONDITIONAL: return eval_conditional(r, n, f, out);
    case N_FILTER: return mn_j_eval_filter(r, n, f, mn_j_none(), out);
    case N_TEST: {
        mn_jvalue v;
        return mn_j_eval(r, n->call.target, f, &v) && apply(r, n, f, v, out);
    }
    case N_CALL: return mn_j_eval_call(r, n, f, NULL, out);
    case N_GETITEM: return eval_getitem(r, n, f, out);
    case N_GETATTR: {
        mn_jvalue object;
        if (!mn_j_eval(r, n->getattr.object, f, &object)) return false;
        r->line = n->line;
        return mn_j_getattr(r, object, n->getattr.attribute, out);
    }
    case N_CONCAT: return eval_concat(r, n, f, out);
    case N_COMPARE: return eval_compare(r, n, f, out);
    case N_BINARY: return eval_binary(r, n, f, out);
    case N_AND: case N_OR: return eval_logic(r, n, f, out);
    default: return eval_unary(r, n, f, out);
    }
}

bool mn_j_eval(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    if (!mn_j_spend(r, 1)) return false;
    if (n->kind == N_CONST) {
        *out = n->value;
        return true;
    }
    if (n->kind == N_NAME) {
        eval_name(n, f, out);
        return true;
    }
    if (++r->depth > r->max_depth) return mn_j_fail_depth(r);
    bool ok = eval(r, n, f, out);
    r->depth--;
    return ok;
}
