/* Binding names to slots, by the rules of jinja2's compiler (idtracking).
 *
 * For each frame two passes: `collect` notes which names the frame's own statements load
 * and store, in source order, without looking into bodies that open frames of their own;
 * `bind` then gives every name its (hops, slot), opening and collecting inner frames on
 * the way.  The rules that templates can see:
 *
 *   first use is a load     unknown further out: looked up in the context on entry
 *   first use is a store    known further out: starts as a copy of the outer variable;
 *                           else unset (in one branch of an {% if %}: looked up)
 *   stores at top level     reach the context, so that macros and blocks see them
 *   loops                   their frame is entered anew by each iteration
 *
 * This is also where an unknown filter or test is refused, unless it is in an {% if %}
 * or a conditional, where jinja2 fails only when it is reached; and break or continue
 * outside of a loop.  First recursive pass over the tree, so it bounds the tree's depth.
 */
#include "base/status.h"
#include "text/jinja_run.h"

#include <string.h>

typedef struct {
    bool is_defined, is_stored;
    mn_jload load;
} symbol;
typedef struct { symbol *v; int32_t n, capacity; } symbols;     /* by slot */

typedef struct frame frame;
struct frame {
    frame *outer;
    int32_t *names;             /* by slot */
    int32_t n_slots, capacity;
    symbols now;
    bool is_toplevel;
};

typedef struct {
    mn_jparser *p;
    mn_arena arena;             /* of frames and symbols */
    int depth, for_depth;
    bool is_soft, in_loop;
} binder;

enum { MOST_WORK = 300000000, MOST_BYTES = 256 << 20 };

static bool fail_memory(binder *b)
{
    mn_j_parse_fail(b->p, MINERVA_LIMIT, 1, "too many variables");
    return false;
}

static bool work(binder *b, int64_t n)
{
    return (b->p->work += n) < MOST_WORK || fail_memory(b);
}

static bool enter(binder *b, const mn_jnode *n)
{
    if (++b->depth <= J_TREE_DEPTH) return work(b, 1);
    mn_j_parse_fail(b->p, MINERVA_LIMIT, n->line,
                    "an expression or block is nested more than "
                    "%d deep",
                    J_TREE_DEPTH);
    return false;
}

/* ---- symbols ----------------------------------------------------------------------- */

static int32_t find_slot(binder *b, const frame *f, int32_t name)
{
    work(b, f->n_slots / 16);
    for (int32_t i = 0; i < f->n_slots; i++)
        if (f->names[i] == name) return i;
    return -1;
}

static symbol *symbol_at(binder *b, symbols *s, int32_t slot)
{
    if (slot >= s->capacity) {
        int32_t capacity = s->capacity ? s->capacity : 8;
        while (capacity <= slot) capacity *= 2;
        symbol *grown = mn_arena_array(&b->arena, (size_t)capacity, sizeof *grown);
        if (!grown) return NULL;
        if (s->n) memcpy(grown, s->v, (size_t)s->n * sizeof *grown);
        s->v = grown;
        s->capacity = capacity;
    }
    if (slot >= s->n) s->n = slot + 1;
    return &s->v[slot];
}

/* Is the name known in f or further out?  *hops counts from f. */
static bool find_ref(binder *b, const frame *f, int32_t name, int32_t *hops,
                     int32_t *slot)
{
    for (*hops = 0; f; f = f->outer, ++*hops) {
        *slot = find_slot(b, f, name);
        if (*slot >= 0 && *slot < f->now.n && f->now.v[*slot].is_defined) return true;
    }
    return false;
}

/* What the name starts as in f if f stores it. */
static mn_jload initial_load(binder *b, const frame *f, int32_t name,
                             mn_jload_kind otherwise)
{
    mn_jload load = { .kind = otherwise, .name = name };
    if (find_ref(b, f->outer, name, &load.hops, &load.outer_slot)) load.kind = LOAD_OUTER;
    return load;
}

static symbol *define(binder *b, frame *f, int32_t name, mn_jload load)
{
    int32_t slot = find_slot(b, f, name);
    if (slot < 0) {
        if (f->n_slots == f->capacity) {
            int32_t capacity = f->capacity ? f->capacity * 2 : 8;
            int32_t *grown = mn_arena_array(&b->arena, (size_t)capacity, sizeof *grown);
            if (!grown) {
                fail_memory(b);
                return NULL;
            }
            if (f->n_slots) memcpy(grown, f->names, (size_t)f->n_slots * sizeof *grown);
            f->names = grown;
            f->capacity = capacity;
        }
        slot = f->n_slots++;
        f->names[slot] = name;
    }
    symbol *s = symbol_at(b, &f->now, slot);
    if (!s) {
        fail_memory(b);
        return NULL;
    }
    s->is_defined = true;
    s->load = load;
    s->load.slot = slot;
    return s;
}

static bool declare_parameter(binder *b, frame *f, int32_t name, int32_t *slot)
{
    symbol *s = define(b, f, name, (mn_jload){ .kind = LOAD_PARAMETER, .name = name });
    if (!s) return false;
    s->is_stored = true;
    if (slot) *slot = s->load.slot;
    return true;
}

static bool note_load(binder *b, frame *f, int32_t name)
{
    int32_t hops, slot;
    return find_ref(b, f, name, &hops, &slot)
        || define(b, f, name, (mn_jload){ .kind = LOAD_CONTEXT, .name = name });
}

static bool note_store(binder *b, frame *f, int32_t name)
{
    int32_t slot = find_slot(b, f, name);
    symbol *s = slot >= 0 && slot < f->now.n && f->now.v[slot].is_defined
                  ? &f->now.v[slot]
                  : define(b, f, name, initial_load(b, f, name, LOAD_UNSET));
    if (s) s->is_stored = true;
    return s != NULL;
}

/* ---- collecting -------------------------------------------------------------------- */

typedef struct { binder *b; frame *f; } visit;
static bool collect(binder *b, frame *f, mn_jnode *n);
static bool collect_child(void *ctx, mn_jnode *n)
{
    visit *v = ctx;
    return collect(v->b, v->f, n);
}

static bool collect_list(binder *b, frame *f, mn_jnode *first)
{
    for (mn_jnode *n = first; n; n = n->next)
        if (!collect(b, f, n)) return false;
    return true;
}

/* One branch of an {% if %} starts from the symbols before it. */
static bool collect_branch(binder *b, frame *f, mn_jnode *body, symbols *out)
{
    symbols before = f->now;
    f->now = (symbols){ 0 };
    bool ok = work(b, before.n / 4);
    for (int32_t i = 0; ok && i < before.n; i++) {
        symbol *s = symbol_at(b, &f->now, i);
        if (s) *s = before.v[i];
        else ok = fail_memory(b);
    }
    ok = ok && collect_list(b, f, body);
    *out = f->now;
    f->now = before;
    return ok;
}

static bool collect_if(binder *b, frame *f, mn_jnode *n)
{
    symbols branch[2];
    if (!collect(b, f, n->branch.test)) return false;
    if (!collect_branch(b, f, n->branch.body, &branch[0])) return false;
    if (!collect_branch(b, f, n->branch.otherwise, &branch[1])) return false;
    int32_t most = branch[0].n > branch[1].n ? branch[0].n : branch[1].n;
    if (!work(b, most / 4)) return false;
    for (int32_t slot = 0; slot < most; slot++) {
        symbol *s = symbol_at(b, &f->now, slot);
        if (!s) return fail_memory(b);
        bool stored_before = s->is_stored;
        for (int k = 0; k < 2; k++) {
            if (slot >= branch[k].n || !branch[k].v[slot].is_defined) continue;
            bool stored = s->is_stored;
            *s = branch[k].v[slot];
            s->is_stored |= stored;
        }
        if (s->is_stored && !stored_before) {
            s->load = initial_load(b, f, f->names[slot], LOAD_CONTEXT);
            s->load.slot = slot;
        }
    }
    return true;
}

static bool collect(binder *b, frame *f, mn_jnode *n)
{
    if (!n) return true;
    if (!enter(b, n)) return false;
    bool ok = true;
    visit v = { b, f };
    switch (n->kind) {
    case N_NAME:
        ok =
            n->op == J_STORE ? note_store(b, f, n->name.id) : note_load(b, f, n->name.id);
        break;
    case N_ATTRIBUTE_TARGET: ok = note_load(b, f, n->name.id); break;
    case N_IF: ok = collect_if(b, f, n); break;
    case N_FOR: ok = collect(b, f, n->loop.iterable); break;
    case N_MACRO: ok = note_store(b, f, n->macro->name_id); break;
    case N_CALL_BLOCK: ok = collect(b, f, n->call_block.call); break;
    case N_FILTER_BLOCK: ok = collect(b, f, n->capture.filter); break;
    case N_SET: ok = collect(b, f, n->set.value) && collect(b, f, n->set.target); break;
    case N_SET_BLOCK:
        ok = collect(b, f, n->capture.filter) && collect(b, f, n->capture.target);
        break;
    case N_WITH: ok = collect_list(b, f, n->with.values); break;
    case N_GENERATION: case N_BLOCK: break;
    default: ok = mn_j_each_child(n, collect_child, &v); break;
    }
    b->depth--;
    return ok;
}

/* The names of a {% for %} or {% with %} target. */
static bool collect_parameters(binder *b, frame *f, mn_jnode *n)
{
    if (n->kind == N_NAME) return declare_parameter(b, f, n->name.id, NULL);
    for (mn_jnode *item = n->list.items; item; item = item->next)
        if (!collect_parameters(b, f, item)) return false;
    return true;
}

/* ---- which special names a body uses ----------------------------------------------- */

typedef struct {
    binder *b;
    const char *const *names;   /* ended by NULL */
    unsigned gone, found;       /* bits: assigned before; loaded */
} special;

static bool find_special(void *ctx, mn_jnode *n)
{
    special *s = ctx;
    if (!enter(s->b, n)) return false;
    bool ok = true;
    if (n->kind == N_NAME) {
        for (unsigned i = 0; s->names[i]; i++) {
            if (!mn_j_str_is(s->b->p->t->names[n->name.id], s->names[i])) continue;
            if (n->op == J_STORE) s->gone |= 1u << i;
            else if (!(s->gone >> i & 1)) s->found |= 1u << i;
        }
    } else if (n->kind != N_BLOCK) {
        ok = mn_j_each_child(n, find_special, s);
    }
    s->b->depth--;
    return ok;
}

static bool find_specials(binder *b, mn_jnode *body, const char *const *names,
                          unsigned *found)
{
    special s = { .b = b, .names = names };
    for (mn_jnode *n = body; n; n = n->next)
        if (!find_special(&s, n)) return false;
    *found = s.found;
    return true;
}

static const char *const self_name[] = { "self", NULL };

static int32_t special_id(binder *b, const char *name)
{
    return mn_j_name_id(b->p, mn_j_cstr(name));
}

/* ---- binding ----------------------------------------------------------------------- */

static bool bind(binder *b, frame *f, mn_jnode *n);
static bool bind_child(void *ctx, mn_jnode *n)
{
    visit *v = ctx;
    return bind(v->b, v->f, n);
}

static bool bind_list(binder *b, frame *f, mn_jnode *first)
{
    for (mn_jnode *n = first; n; n = n->next)
        if (!bind(b, f, n)) return false;
    return true;
}

static bool refers(binder *b, frame *f, int32_t name, int32_t *hops, int32_t *slot)
{
    return note_load(b, f, name) && find_ref(b, f, name, hops, slot);
}

static bool finish_scope(binder *b, const frame *f, mn_jscope *out)
{
    out->n_slots = f->n_slots;
    out->loads = mn_arena_array(&b->p->t->arena, (size_t)f->now.n, sizeof *out->loads);
    if (!out->loads) return fail_memory(b);
    for (int32_t i = 0; i < f->now.n; i++)
        if (f->now.v[i].is_defined && f->now.v[i].load.kind != LOAD_PARAMETER)
            out->loads[out->n_loads++] = f->now.v[i].load;
    return true;
}

static mn_jscope *finish_new_scope(binder *b, const frame *f)
{
    mn_jscope *s = mn_arena_alloc(&b->p->t->arena, sizeof *s);
    if (!s) fail_memory(b);
    return s && finish_scope(b, f, s) ? s : NULL;
}

/* Target of a loop once more, for the frame of its filter. */
static mn_jnode *copy_target(binder *b, const mn_jnode *n)
{
    mn_jnode *copy = mn_j_node(b->p, N_NAME, n->line);
    if (!copy) return NULL;
    *copy = *n;
    copy->next = NULL;
    if (n->kind != N_TUPLE) return copy;
    mn_jnode **last = &copy->list.items;
    *last = NULL;
    for (const mn_jnode *item = n->list.items; item; item = item->next) {
        if (!(*last = copy_target(b, item))) return NULL;
        last = &(*last)->next;
    }
    return copy;
}

static bool bind_loop_test(binder *b, frame *outer, mn_jnode *n)
{
    frame f = { .outer = outer };
    n->loop.test_target = copy_target(b, n->loop.target);
    return n->loop.test_target && collect_parameters(b, &f, n->loop.test_target)
        && collect(b, &f, n->loop.test) && bind(b, &f, n->loop.test_target)
        && bind(b, &f, n->loop.test) && (n->loop.test_scope = finish_new_scope(b, &f));
}

static bool bind_for(binder *b, frame *outer, mn_jnode *n)
{
    static const char *const loop_name[] = { "loop", NULL };
    bool was_soft = b->is_soft, was_in_loop = b->in_loop;
    unsigned uses_loop;
    if (!bind(b, outer, n->loop.iterable)) return false;
    b->for_depth++;
    b->is_soft = false;
    if (n->loop.test && !bind_loop_test(b, outer, n)) return false;

    frame f = { .outer = outer };
    n->loop.loop_slot = -1;
    if (!find_specials(b, n->loop.body, loop_name, &uses_loop)) return false;
    if ((uses_loop || n->loop.is_recursive)
        && !declare_parameter(b, &f, special_id(b, "loop"), &n->loop.loop_slot))
        return false;
    if (!collect_parameters(b, &f, n->loop.target) || !collect_list(b, &f, n->loop.body))
        return false;
    b->in_loop = true;
    if (!bind(b, &f, n->loop.target) || !bind_list(b, &f, n->loop.body)) return false;
    if (!(n->loop.scope = finish_new_scope(b, &f))) return false;
    b->in_loop = was_in_loop && !n->loop.is_recursive;
    if (n->loop.otherwise) {
        frame e = { .outer = outer };
        if (!collect_list(b, &e, n->loop.otherwise)
            || !bind_list(b, &e, n->loop.otherwise)
            || !(n->loop.else_scope = finish_new_scope(b, &e)))
            return false;
    }
    b->for_depth--;
    b->is_soft = was_soft;
    b->in_loop = was_in_loop;
    return true;
}

static bool bind_macro_frame(binder *b, frame *outer, mn_jmacro_def *m, int line)
{
    static const char *const specials[] = { "caller", "kwargs", "varargs", NULL };
    bool was_soft = b->is_soft, was_in_loop = b->in_loop;
    unsigned used, is_param = 0;
    b->is_soft = b->in_loop = false;
    frame f = { .outer = outer };
    int32_t at = 0, caller_at = -1;
    for (mn_jnode *n = m->params; n; n = n->next, at++) {
        if (!declare_parameter(b, &f, n->name.id, NULL)) return false;
        for (unsigned i = 0; specials[i]; i++)
            if (mn_j_str_is(b->p->t->names[n->name.id], specials[i])) {
                is_param |= 1u << i;
                if (i == 0) caller_at = at;
            }
    }
    if (!collect_list(b, &f, m->defaults) || !collect_list(b, &f, m->body)) return false;
    if (!find_specials(b, m->body, specials, &used)) return false;
    m->has_caller_param = is_param & 1;
    if ((used & 1) && m->has_caller_param && caller_at < m->n_params - m->n_defaults) {
        mn_j_parse_fail(b->p, MINERVA_INVALID, line,
                        "the parameter 'caller' needs a default");
        return false;
    }
    int32_t *const slots[] = { &m->caller_slot, &m->kwargs_slot, &m->varargs_slot };
    for (unsigned i = 0; i < 3; i++) {
        *slots[i] = -1;
        if ((used & ~is_param) >> i & 1
            && !declare_parameter(b, &f, special_id(b, specials[i]), slots[i]))
            return false;
    }
    if (!bind_list(b, &f, m->params) || !bind_list(b, &f, m->defaults)
        || !bind_list(b, &f, m->body)) return false;
    b->is_soft = was_soft;
    b->in_loop = was_in_loop;
    return finish_scope(b, &f, &m->scope);
}

static bool bind_macro(binder *b, frame *f, mn_jnode *n)
{
    mn_jmacro_def *m = n->macro;
    m->is_exported = f->is_toplevel;
    return bind_macro_frame(b, f, m, n->line)
        && refers(b, f, m->name_id, &m->hops, &m->slot);
}

/* {% filter %} and block {% set %}: the filter sees the body's variables. */
static bool bind_capture(binder *b, frame *outer, mn_jnode *n)
{
    bool was_soft = b->is_soft;
    b->is_soft = false;
    frame f = { .outer = outer };
    if (!collect_list(b, &f, n->capture.body)) return false;
    if (n->kind == N_FILTER_BLOCK && !collect(b, &f, n->capture.filter)) return false;
    if (!bind_list(b, &f, n->capture.body)) return false;
    if (n->capture.filter && !bind(b, &f, n->capture.filter)) return false;
    if (n->capture.target && !bind(b, outer, n->capture.target)) return false;
    b->is_soft = was_soft;
    return (n->capture.scope = finish_new_scope(b, &f)) != NULL;
}

static bool bind_with(binder *b, frame *outer, mn_jnode *n)
{
    if (!bind_list(b, outer, n->with.values)) return false;
    bool was_soft = b->is_soft;
    b->is_soft = false;
    frame f = { .outer = outer };
    for (mn_jnode *t = n->with.targets; t; t = t->next)
        if (!collect_parameters(b, &f, t)) return false;
    if (!collect_list(b, &f, n->with.body) || !bind_list(b, &f, n->with.targets)
        || !bind_list(b, &f, n->with.body)) return false;
    b->is_soft = was_soft;
    return (n->with.scope = finish_new_scope(b, &f)) != NULL;
}

/* {% generation %} is a call block without a macro; {% block %} sees only the context. */
static bool bind_block(binder *b, frame *outer, mn_jnode *n)
{
    bool was_soft = b->is_soft, was_in_loop = b->in_loop;
    b->is_soft = b->in_loop = false;
    frame f = { .outer = n->kind == N_GENERATION ? outer : NULL };
    unsigned uses_self = 0;
    n->block.self_slot = -1;
    if (n->kind == N_BLOCK && !find_specials(b, n->block.body, self_name, &uses_self))
        return false;
    if (uses_self
        && !declare_parameter(b, &f, special_id(b, "self"), &n->block.self_slot))
        return false;
    if (!collect_list(b, &f, n->block.body) || !bind_list(b, &f, n->block.body))
        return false;
    b->is_soft = was_soft;
    b->in_loop = was_in_loop;
    return (n->block.scope = finish_new_scope(b, &f)) != NULL;
}

static bool bind_name(binder *b, frame *f, mn_jnode *n)
{
    bool is_store = n->kind == N_NAME && n->op == J_STORE;
    if (is_store && b->for_depth && mn_j_str_is(b->p->t->names[n->name.id], "loop")) {
        mn_j_parse_fail(b->p, MINERVA_INVALID, n->line,
                        "'loop' cannot be assigned to in a loop");
        return false;
    }
    n->name.is_exported = is_store && f->is_toplevel;
    return refers(b, f, n->name.id, &n->name.hops, &n->name.slot);
}

static bool bind_soft(binder *b, frame *f, mn_jnode *n, const visit *v)
{
    bool was_soft = b->is_soft;
    b->is_soft = true;
    bool ok = mn_j_each_child(n, bind_child, (void *)v);
    b->is_soft = was_soft;
    return ok;
}

static bool check_known(binder *b, const mn_jnode *n)
{
    if (n->call.function || b->is_soft) return true;
    mn_j_parse_fail(b->p, MINERVA_INVALID, n->line, "no %s named '%.*s'",
                    n->kind == N_FILTER ? "filter" : "test",
                    (int)(n->call.name.len < 80 ? n->call.name.len : 80), n->call.name.s);
    return false;
}

static bool bind(binder *b, frame *f, mn_jnode *n)
{
    if (!n) return true;
    if (!enter(b, n)) return false;
    bool ok = true;
    visit v = { b, f };
    switch (n->kind) {
    case N_NAME: case N_ATTRIBUTE_TARGET: ok = bind_name(b, f, n); break;
    case N_FOR: ok = bind_for(b, f, n); break;
    case N_MACRO: ok = bind_macro(b, f, n); break;
    case N_CALL_BLOCK:
        ok = bind_macro_frame(b, f, n->call_block.macro, n->line)
          && bind(b, f, n->call_block.call);
        break;
    case N_FILTER_BLOCK: case N_SET_BLOCK: ok = bind_capture(b, f, n); break;
    case N_WITH: ok = bind_with(b, f, n); break;
    case N_GENERATION: case N_BLOCK: ok = bind_block(b, f, n); break;
    case N_IF: case N_CONDITIONAL: ok = bind_soft(b, f, n, &v); break;
    case N_FILTER: case N_TEST:
        ok = check_known(b, n) && mn_j_each_child(n, bind_child, &v);
        break;
    case N_BREAK: case N_CONTINUE:
        ok = b->in_loop;
        if (!ok)
            mn_j_parse_fail(b->p, MINERVA_INVALID, n->line,
                            "break or continue outside of "
                            "a loop");
        break;
    default: ok = mn_j_each_child(n, bind_child, &v); break;
    }
    b->depth--;
    return ok;
}

bool mn_j_bind(mn_jparser *p)
{
    binder b = { .p = p, .arena = { .limit_bytes = MOST_BYTES } };
    mn_template *t = p->t;
    frame root = { .is_toplevel = true };
    unsigned uses_self = 0;
    t->self_slot = -1;
    bool ok = find_specials(&b, t->body, self_name, &uses_self)
           && (!uses_self
               || declare_parameter(&b, &root, special_id(&b, "self"), &t->self_slot))
           && collect_list(&b, &root, t->body) && bind_list(&b, &root, t->body)
           && finish_scope(&b, &root, &t->scope);
    mn_arena_clear(&b.arena);
    return ok;
}

/* ---- the tree's shape -------------------------------------------------------------- */

static bool each(mn_jnode *first, mn_jvisit *fn, void *ctx)
{
    for (mn_jnode *n = first; n; n = n->next)
        if (!fn(ctx, n)) return false;
    return true;
}

static bool one(mn_jnode *n, mn_jvisit *fn, void *ctx) { return !n || fn(ctx, n); }

static bool each_of_macro(mn_jmacro_def *m, mn_jvisit *fn, void *ctx)
{
    return each(m->params, fn, ctx) && each(m->defaults, fn, ctx)
        && each(m->body, fn, ctx);
}

bool mn_j_each_child(mn_jnode *n, mn_jvisit *fn, void *ctx)
{
    switch (n->kind) {
    case N_TUPLE: case N_LIST: case N_DICT: case N_CONCAT: case N_PRINT:
        return each(n->list.items, fn, ctx);
    case N_BINARY: case N_AND: case N_OR: case N_PAIR: case N_GETITEM: case N_NOT:
    case N_NEGATE: case N_PLUS:
        return one(n->pair.left, fn, ctx) && one(n->pair.right, fn, ctx);
    case N_CONDITIONAL:
        return one(n->conditional.test, fn, ctx) && one(n->conditional.yes, fn, ctx)
            && one(n->conditional.no, fn, ctx);
    case N_FILTER: case N_TEST: case N_CALL:
        return one(n->call.target, fn, ctx) && each(n->call.args, fn, ctx)
            && each(n->call.keywords, fn, ctx) && one(n->call.dyn_args, fn, ctx)
            && one(n->call.dyn_keywords, fn, ctx);
    case N_KEYWORD: case N_OPERAND: return one(n->keyword.value, fn, ctx);
    case N_GETATTR: return one(n->getattr.object, fn, ctx);
    case N_SLICE:
        return one(n->slice.start, fn, ctx) && one(n->slice.stop, fn, ctx)
            && one(n->slice.step, fn, ctx);
    case N_COMPARE:
        return one(n->compare.first, fn, ctx) && each(n->compare.operands, fn, ctx);
    case N_IF:
        return one(n->branch.test, fn, ctx) && each(n->branch.body, fn, ctx)
            && each(n->branch.otherwise, fn, ctx);
    case N_FOR:
        return one(n->loop.target, fn, ctx) && one(n->loop.iterable, fn, ctx)
            && each(n->loop.body, fn, ctx) && each(n->loop.otherwise, fn, ctx)
            && one(n->loop.test, fn, ctx);
    case N_MACRO: return each_of_macro(n->macro, fn, ctx);
    case N_CALL_BLOCK:
        return one(n->call_block.call, fn, ctx)
            && each_of_macro(n->call_block.macro, fn, ctx);
    case N_FILTER_BLOCK: case N_SET_BLOCK:
        return one(n->capture.target, fn, ctx) && one(n->capture.filter, fn, ctx)
            && each(n->capture.body, fn, ctx);
    case N_SET: return one(n->set.target, fn, ctx) && one(n->set.value, fn, ctx);
    case N_WITH:
        return each(n->with.targets, fn, ctx) && each(n->with.values, fn, ctx)
            && each(n->with.body, fn, ctx);
    case N_GENERATION: case N_BLOCK: return each(n->block.body, fn, ctx);
    default: return true;
    }
}
