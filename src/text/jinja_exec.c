/* Statements: bodies, loops, assignments, captured text.
 *
 * Text goes to the caller's buffer, or to the scratch stack while something is captured.
 */
#include "text/jinja_run.h"

#include <string.h>

static mn_buffer *target(mn_jrun *r) { return r->n_captures ? &r->scratch : r->out; }

/* ---- frames ------------------------------------------------------------------------ */

mn_jframe *mn_j_frame_new(mn_jrun *r, const mn_jscope *scope, mn_jframe *outer)
{
    mn_jframe *f =
        mn_j_alloc(r, 1, sizeof *f + (size_t)scope->n_slots * sizeof f->slots[0]);
    if (f) f->outer = outer;
    return f;
}

void mn_j_frame_enter(mn_jrun *r, const mn_jscope *scope, mn_jframe *f)
{
    for (int32_t i = 0; i < scope->n_loads; i++) {
        const mn_jload *l = &scope->loads[i];
        mn_jvalue v = { 0 };
        if (l->kind == LOAD_CONTEXT) {
            v = r->context[l->name];
        } else if (l->kind == LOAD_OUTER) {
            const mn_jframe *from = f->outer;
            for (int32_t k = l->hops; k > 0; k--) from = from->outer;
            v = from->slots[l->outer_slot];
        }
        f->slots[l->slot] = v;
    }
}

static void frame_leave(const mn_jscope *scope, mn_jframe *f)
{
    memset(f->slots, 0, (size_t)scope->n_slots * sizeof f->slots[0]);
}

static void store(mn_jrun *r, mn_jframe *f, int32_t hops, int32_t slot, int32_t name,
                  bool is_exported, mn_jvalue v)
{
    for (; hops > 0; hops--) f = f->outer;
    f->slots[slot] = v;
    if (is_exported) r->context[name] = v;
}

/* ---- assignment -------------------------------------------------------------------- */

static bool namespace_of(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    for (int32_t i = n->name.hops; i > 0; i--) f = f->outer;
    *out = f->slots[n->name.slot];
    if (out->type == J_NAMESPACE) return true;
    r->line = n->line;
    return mn_j_fail(r, MINERVA_INVALID,
                     "cannot assign attribute on non-namespace object");
}

bool mn_j_assign(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue v)
{
    mn_jvalue space;
    if (n->kind == N_NAME) {
        store(r, f, n->name.hops, n->name.slot, n->name.id, n->name.is_exported, v);
        return true;
    }
    if (n->kind == N_ATTRIBUTE_TARGET)
        return namespace_of(r, n, f, &space)
            && mn_j_dict_put(r, space.dict, n->name.attribute, v);
    const mn_jvalue *items;
    uint32_t count;
    r->line = n->line;
    if (!mn_j_items(r, v, &items, &count)) return false;
    if (count != n->list.n)
        return count < n->list.n
                 ? mn_j_fail(r, MINERVA_INVALID,
                             "not enough values to unpack (expected %u, got %u)",
                             n->list.n, count)
                 : mn_j_fail(r, MINERVA_INVALID,
                             "too many values to unpack (expected %u)", n->list.n);
    uint32_t i = 0;
    for (const mn_jnode *item = n->list.items; item; item = item->next)
        if (!mn_j_assign(r, item, f, items[i++])) return false;
    return true;
}

/* Attributes can be set on namespaces only; this is found out before the value is. */
static bool check_namespaces(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    mn_jvalue space;
    if (n->kind == N_ATTRIBUTE_TARGET) return namespace_of(r, n, f, &space);
    if (n->kind != N_TUPLE) return true;
    for (const mn_jnode *item = n->list.items; item; item = item->next)
        if (!check_namespaces(r, item, f)) return false;
    return true;
}

/* ---- loops ------------------------------------------------------------------------- */

bool mn_j_loop_length(mn_jrun *r, mn_jloop *loop, int64_t *out)
{
    if (loop->length < 0) {
        if (mn_j_has_length(loop->iterable)) {
            if (!mn_j_length(r, loop->iterable, &loop->length)) return false;
        } else {        /* the rest of a generator is read ahead */
            mn_jvalue rest = { .type = J_ITER, .iter = &loop->iter };
            const mn_jvalue *items;
            uint32_t n;
            if (!mn_j_items(r, rest, &items, &n)) return false;
            if (!mn_j_iter_init(r, mn_j_list(items, n), &loop->iter)) return false;
            loop->length = loop->index0 + 1 + n + (loop->after.type != J_MISSING);
        }
    }
    *out = loop->length;
    return true;
}

static bool peek(mn_jrun *r, mn_jloop *loop)
{
    if (loop->after.type != J_MISSING) return true;
    mn_jvalue next;
    int more = mn_j_next(r, &loop->iter, &next);
    if (more == 1) loop->after = next;
    return more >= 0;
}

bool mn_j_loop_attribute(mn_jrun *r, mn_jloop *loop, mn_jvalue name, mn_jvalue *out,
                         bool *found)
{
    static const char *const names[] = { "index",    "index0",   "first",     "last",
                                         "length",   "revindex", "revindex0", "previtem",
                                         "nextitem", "depth",    "depth0" };
    size_t which = 0;
    int64_t n;
    while (which < sizeof names / sizeof *names && !mn_j_str_is(name, names[which]))
        which++;
    *found = true;
    switch (which) {
    case 0: *out = mn_j_int(loop->index0 + 1); return true;
    case 1: *out = mn_j_int(loop->index0); return true;
    case 2: *out = mn_j_bool(loop->index0 == 0); return true;
    case 3:
        if (!peek(r, loop)) return false;
        *out = mn_j_bool(loop->after.type == J_MISSING);
        return true;
    case 4: case 5: case 6:
        if (!mn_j_loop_length(r, loop, &n)) return false;
        *out = mn_j_int(which == 4 ? n : n - loop->index0 - (which == 6));
        return true;
    case 7:
        *out = loop->before;
        return loop->index0 > 0
            || mn_j_undefined_hint(r, "there is no previous item", out);
    case 8:
        if (!peek(r, loop)) return false;
        *out = loop->after;
        return out->type != J_MISSING
            || mn_j_undefined_hint(r, "there is no next item", out);
    case 9: *out = mn_j_int(loop->depth0 + 1); return true;
    case 10: *out = mn_j_int(loop->depth0); return true;
    default: *found = false; return true;
    }
}

/* {% for target in ... if test %}: a generator that yields what passes. */
typedef struct {
    const mn_jnode *node;
    mn_jframe *frame;
    bool is_entered;
} loop_test;

/* The target's value, put together again. */
static bool target_value(mn_jrun *r, const mn_jnode *n, const mn_jframe *f,
                         mn_jvalue *out)
{
    if (n->kind == N_NAME) {
        *out = f->slots[n->name.slot];
        return true;
    }
    mn_jvalue *items = mn_j_alloc(r, n->list.n, sizeof *items);
    if (!items) return false;
    uint32_t i = 0;
    for (const mn_jnode *item = n->list.items; item; item = item->next)
        if (!target_value(r, item, f, &items[i++])) return false;
    *out = mn_j_tuple(items, i);
    return true;
}

static int next_passing(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    loop_test *t = it->state;
    const mn_jnode *n = t->node;
    mn_jvalue item, verdict;
    if (!t->is_entered) mn_j_frame_enter(r, n->loop.test_scope, t->frame);
    t->is_entered = true;
    for (int more; (more = mn_j_next(r, it->inner, &item)) != 0;) {
        bool passes;
        if (more < 0 || !mn_j_assign(r, n->loop.test_target, t->frame, item)
            || !mn_j_eval(r, n->loop.test, t->frame, &verdict)
            || !mn_j_truth(r, verdict, &passes)) return -1;
        if (passes) return target_value(r, n->loop.test_target, t->frame, out) ? 1 : -1;
    }
    return 0;
}

static bool loop_iterator(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue iterable,
                          mn_jiter *it)
{
    if (!n->loop.test) return mn_j_iter_init(r, iterable, it);
    loop_test *t = mn_j_alloc(r, 1, sizeof *t);
    mn_jiter *inner = mn_j_alloc(r, 1, sizeof *inner);
    if (!t || !inner || !mn_j_iter_init(r, iterable, inner)) return false;
    *t = (loop_test){ .node = n, .frame = mn_j_frame_new(r, n->loop.test_scope, f) };
    *it = (mn_jiter){ .next = next_passing, .inner = inner, .state = t };
    return t->frame != NULL;
}

static mn_jloop *loop_new(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue iterable,
                          const mn_jiter *it, int depth0)
{
    mn_jloop *loop = mn_j_alloc(r, 1, sizeof *loop);
    if (!loop) return NULL;
    *loop = (mn_jloop){ .iter = *it, .iterable = iterable, .index0 = -1, .length = -1,
                        .depth0 = depth0, .node = n, .frame = f };
    if (n->loop.test) loop->iterable.type = J_MISSING;
    return loop;
}

static int loop_next(mn_jrun *r, mn_jloop *loop, mn_jvalue *item)
{
    if (loop->after.type != J_MISSING) {
        *item = loop->after;
        loop->after.type = J_MISSING;
    } else {
        int more = mn_j_next(r, &loop->iter, item);
        if (more != 1) return more;
    }
    loop->index0++;
    loop->before = loop->current;
    loop->current = *item;
    return 1;
}

/* As in jinja2, {% else %} also runs if every iteration ended in break or continue. */
mn_jflow mn_j_run_loop(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue iterable,
                       int depth0)
{
    mn_jiter it;
    mn_jloop *loop = NULL;
    mn_jframe *inner = mn_j_frame_new(r, n->loop.scope, f);
    if (!inner || !loop_iterator(r, n, f, iterable, &it)) return FLOW_ERROR;
    if (n->loop.loop_slot >= 0 && !(loop = loop_new(r, n, f, iterable, &it, depth0)))
        return FLOW_ERROR;
    bool is_whole = false;      /* has an iteration reached its end? */
    for (mn_jvalue item;;) {
        int more = loop ? loop_next(r, loop, &item) : mn_j_next(r, &it, &item);
        if (more < 0 || (more && !mn_j_assign(r, n->loop.target, inner, item)))
            return FLOW_ERROR;
        if (!more) break;
        if (loop)
            inner->slots[n->loop.loop_slot] = (mn_jvalue){ .type = J_LOOP, .loop = loop };
        mn_j_frame_enter(r, n->loop.scope, inner);
        mn_jflow flow = mn_j_exec(r, n->loop.body, inner);
        if (flow == FLOW_ERROR) return flow;
        if (flow == FLOW_BREAK) break;
        is_whole |= flow == FLOW_NEXT;
    }
    if (!n->loop.is_recursive) frame_leave(n->loop.scope, inner);
    if (is_whole || !n->loop.otherwise) return FLOW_NEXT;
    mn_jframe *e = mn_j_frame_new(r, n->loop.else_scope, f);
    if (!e) return FLOW_ERROR;
    mn_j_frame_enter(r, n->loop.else_scope, e);
    return mn_j_exec(r, n->loop.otherwise, e);
}

/* ---- other statements -------------------------------------------------------------- */

bool mn_j_capture(mn_jrun *r, const mn_jnode *body, mn_jframe *f, mn_jflow *flow,
                  mn_jvalue *out)
{
    size_t mark = mn_j_mark(r);
    r->n_captures++;
    *flow = mn_j_exec(r, body, f);
    r->n_captures--;
    if (*flow == FLOW_ERROR) return false;
    return mn_j_take(r, mark, out);
}

static bool print(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    for (const mn_jnode *item = n->list.items; item; item = item->next) {
        mn_jvalue v;
        if (!mn_j_eval(r, item, f, &v) || !mn_j_write(r, target(r), v)
            || !mn_j_check(r, target(r))) return false;
    }
    return true;
}

static mn_jflow branch(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    mn_jvalue v;
    bool yes;
    if (!mn_j_eval(r, n->branch.test, f, &v) || !mn_j_truth(r, v, &yes))
        return FLOW_ERROR;
    return mn_j_exec(r, yes ? n->branch.body : n->branch.otherwise, f);
}

static bool make_macro(mn_jrun *r, const mn_jnode *n, mn_jframe *f, mn_jvalue *out)
{
    mn_jmacro *macro = mn_j_alloc(r, 1, sizeof *macro);
    if (!macro) return false;
    *macro = (mn_jmacro){ n, f };
    *out = (mn_jvalue){ .type = J_MACRO, .macro = macro };
    return true;
}

static bool define_macro(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    const mn_jmacro_def *m = n->macro;
    mn_jvalue v;
    if (!make_macro(r, n, f, &v)) return false;
    store(r, f, m->hops, m->slot, m->name_id, m->is_exported, v);
    return true;
}

/* What a {% call %} or {% filter %} block comes to is not converted, as in jinja2. */
static bool write_text(mn_jrun *r, mn_jvalue v)
{
    if (v.type != J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "expected str instance, %s found",
                         mn_j_type_name(v));
    return mn_j_write(r, target(r), v) && mn_j_check(r, target(r));
}

static bool call_block(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    mn_jvalue caller, v;
    return make_macro(r, n, f, &caller)
        && mn_j_eval_call(r, n->call_block.call, f, &caller, &v) && write_text(r, v);
}

static mn_jflow capture_block(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    mn_jframe *inner = mn_j_frame_new(r, n->capture.scope, f);
    mn_jvalue v;
    mn_jflow flow;
    if (!inner) return FLOW_ERROR;
    mn_j_frame_enter(r, n->capture.scope, inner);
    if (!mn_j_capture(r, n->capture.body, inner, &flow, &v)) return FLOW_ERROR;
    if (flow != FLOW_NEXT) return flow;
    if (n->capture.filter && !mn_j_eval_filter(r, n->capture.filter, inner, v, &v))
        return FLOW_ERROR;
    bool ok = n->kind == N_SET_BLOCK ? mn_j_assign(r, n->capture.target, f, v)
                                     : write_text(r, v);
    return ok ? FLOW_NEXT : FLOW_ERROR;
}

static mn_jflow with(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    mn_jframe *inner = mn_j_frame_new(r, n->with.scope, f);
    if (!inner) return FLOW_ERROR;
    mn_j_frame_enter(r, n->with.scope, inner);
    const mn_jnode *value = n->with.values;
    for (const mn_jnode *t = n->with.targets; t; t = t->next, value = value->next) {
        mn_jvalue v;
        if (!mn_j_eval(r, value, f, &v) || !mn_j_assign(r, t, inner, v))
            return FLOW_ERROR;
    }
    return mn_j_exec(r, n->with.body, inner);
}

/* The frame of {% generation %} or {% block %}; only the first sees what is around. */
mn_jframe *mn_j_block_frame(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    mn_jframe *inner =
        mn_j_frame_new(r, n->block.scope, n->kind == N_GENERATION ? f : NULL);
    if (!inner) return NULL;
    mn_j_frame_enter(r, n->block.scope, inner);
    if (n->block.self_slot >= 0)
        inner->slots[n->block.self_slot] = (mn_jvalue){ .type = J_SELF };
    return inner;
}

/* {% generation %} marks what the model wrote; {% block %} is only printed here. */
static bool block(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    bool is_marked = n->kind == N_GENERATION && !r->n_captures && r->spans;
    mn_jframe *inner = mn_j_block_frame(r, n, f);
    if (!inner) return false;
    int64_t span[2] = { (int64_t)r->out->len, 0 };
    if (mn_j_exec(r, n->block.body, inner) == FLOW_ERROR) return false;
    span[1] = (int64_t)r->out->len;
    if (is_marked) mn_buffer_append(r->spans, span, sizeof span);
    return !is_marked || !r->spans->failed
        || mn_j_fail(r, MINERVA_MEMORY, "out of memory");
}

static mn_jflow step(mn_jrun *r, const mn_jnode *n, mn_jframe *f)
{
    mn_jvalue v;
    bool ok;
    switch (n->kind) {
    case N_TEXT:
        mn_buffer_append(target(r), n->value.s, n->value.len);
        ok = mn_j_check(r, target(r));
        break;
    case N_PRINT: ok = print(r, n, f); break;
    case N_IF: return branch(r, n, f);
    case N_FOR:
        return mn_j_eval(r, n->loop.iterable, f, &v) ? mn_j_run_loop(r, n, f, v, 0)
                                                     : FLOW_ERROR;
    case N_SET:
        ok = check_namespaces(r, n->set.target, f) && mn_j_eval(r, n->set.value, f, &v)
          && mn_j_assign(r, n->set.target, f, v);
        break;
    case N_MACRO: ok = define_macro(r, n, f); break;
    case N_CALL_BLOCK: ok = call_block(r, n, f); break;
    case N_FILTER_BLOCK: case N_SET_BLOCK: return capture_block(r, n, f);
    case N_WITH: return with(r, n, f);
    case N_GENERATION: case N_BLOCK: ok = block(r, n, f); break;
    case N_BREAK: return FLOW_BREAK;
    default: return FLOW_CONTINUE;
    }
    return ok ? FLOW_NEXT : FLOW_ERROR;
}

mn_jflow mn_j_exec(mn_jrun *r, const mn_jnode *body, mn_jframe *f)
{
    mn_jflow flow = FLOW_NEXT;
    if (++r->depth > r->max_depth) {
        mn_j_fail_depth(r);
        return FLOW_ERROR;
    }
    for (const mn_jnode *n = body; n && flow == FLOW_NEXT; n = n->next) {
        r->line = n->line;
        if (!mn_j_spend(r, 1)) return FLOW_ERROR;
        flow = step(r, n, f);
    }
    r->depth--;
    return flow;
}
