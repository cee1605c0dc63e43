/* Calls: binding arguments to parameters, and what can be called. */
#include "text/jinja_run.h"

#include <string.h>

/* ---- functions written in C -------------------------------------------------------- */

enum { MOST_PARAMS = 8 };

/* The i-th word of "a b c". */
static mn_jvalue word(const char *params, uint32_t i)
{
    for (; i > 0; i--) params = strchr(params, ' ') + 1;
    return mn_j_str(params, strcspn(params, " "));
}

static uint32_t count_words(const char *params)
{
    uint32_t n = params[0] != 0;
    for (; *params; params++) n += *params == ' ';
    return n;
}

static bool bind_keyword(mn_jrun *r, const mn_jbuiltin *fn, uint32_t n,
                         const mn_jkeyword *k, mn_jvalue *bound)
{
    int shown = k->name.len < 80 ? (int)k->name.len : 80;
    for (uint32_t i = 0; i < n; i++) {
        mn_jvalue name = word(fn->params, i);
        if (name.s[0] == '?' || !mn_j_str_equal(name, k->name)) continue;
        if (bound[i].type != J_MISSING)
            return mn_j_fail(r, MINERVA_INVALID,
                             "%s() got multiple values for argument '%.*s'", fn->name,
                             shown, k->name.s);
        bound[i] = k->value;
        return true;
    }
    return mn_j_fail(r, MINERVA_INVALID, "%s() got an unexpected keyword argument '%.*s'",
                     fn->name, shown, k->name.s);
}

bool mn_j_apply(mn_jrun *r, const mn_jbuiltin *fn, mn_jvalue self, const mn_jcall *call,
                mn_jvalue *out)
{
    mn_jvalue bound[MOST_PARAMS] = { { 0 } };
    if (!mn_j_spend(r, 1)) return false;
    if (!fn->params) return fn->fn(r, self, call, out);
    uint32_t n = count_words(fn->params);
    if (call->n_args > n)
        return mn_j_fail(r, MINERVA_INVALID, "%s() takes at most %u arguments (%u given)",
                         fn->name, n, call->n_args);
    for (uint32_t i = 0; i < call->n_args; i++) bound[i] = call->args[i];
    for (uint32_t i = 0; i < call->n_keywords; i++)
        if (!bind_keyword(r, fn, n, &call->keywords[i], bound)) return false;
    for (uint32_t i = 0; i < fn->n_required; i++)
        if (bound[i].type == J_MISSING)
            return mn_j_fail(r, MINERVA_INVALID, "%s() needs %u arguments", fn->name,
                             fn->n_required);
    const mn_jcall ready = { .args = bound, .n_args = n };
    return fn->fn(r, self, &ready, out);
}

/* ---- macros ------------------------------------------------------------------------ */

static const mn_jmacro_def *definition(const mn_jmacro *m)
{
    return m->node->kind == N_MACRO ? m->node->macro : m->node->call_block.macro;
}

static const mn_jkeyword *find_keyword(const mn_jcall *call, mn_jvalue name)
{
    for (uint32_t i = 0; i < call->n_keywords; i++)
        if (mn_j_str_equal(call->keywords[i].name, name)) return &call->keywords[i];
    return NULL;
}

static bool is_parameter(mn_jrun *r, const mn_jmacro_def *m, uint32_t from,
                         mn_jvalue name)
{
    uint32_t i = 0;
    for (const mn_jnode *p = m->params; p; p = p->next, i++)
        if (i >= from && mn_j_str_equal(r->t->names[p->name.id], name)) return true;
    return false;
}

/* Keywords that no parameter takes: into kwargs, or an error. */
static bool bind_rest(mn_jrun *r, const mn_jmacro_def *m, const mn_jcall *call,
                      mn_jframe *f)
{
    mn_jdict *rest = NULL;
    if (m->kwargs_slot >= 0) {
        if (!(rest = mn_j_dict_new(r, 0))) return false;
        f->slots[m->kwargs_slot] = (mn_jvalue){ .type = J_DICT, .dict = rest };
    }
    for (uint32_t i = 0; i < call->n_keywords; i++) {
        const mn_jkeyword *k = &call->keywords[i];
        if (is_parameter(r, m, call->n_args, k->name)) continue;
        if (m->caller_slot >= 0 && mn_j_str_is(k->name, "caller")) continue;
        if (!rest)
            return mn_j_fail(r, MINERVA_INVALID,
                             "macro '%.*s' takes no keyword argument '%.*s'",
                             (int)m->name.len, m->name.s ? m->name.s : "",
                             (int)k->name.len, k->name.s);
        if (!mn_j_dict_put(r, rest, k->name, k->value)) return false;
    }
    uint32_t n = (uint32_t)m->n_params;
    if (m->varargs_slot < 0)
        return call->n_args <= n
            || mn_j_fail(r, MINERVA_INVALID,
                         "macro '%.*s' takes not more than %u argument(s)",
                         (int)m->name.len, m->name.s ? m->name.s : "", n);
    uint32_t more = call->n_args > n ? call->n_args - n : 0;
    mn_jvalue *items = mn_j_alloc(r, more, sizeof *items);
    if (!items) return false;
    if (more) memcpy(items, call->args + n, more * sizeof *items);
    f->slots[m->varargs_slot] = mn_j_tuple(items, more);
    return true;
}

static bool bind_parameters(mn_jrun *r, const mn_jmacro_def *m, const mn_jcall *call,
                            mn_jframe *f)
{
    uint32_t i = 0;
    for (const mn_jnode *p = m->params; p; p = p->next, i++) {
        const mn_jkeyword *k = i < call->n_args ? NULL
                             : find_keyword(call, r->t->names[p->name.id]);
        if (i < call->n_args) f->slots[p->name.slot] = call->args[i];
        else if (k) f->slots[p->name.slot] = k->value;
    }
    if (m->caller_slot >= 0) {
        const mn_jkeyword *k = find_keyword(call, mn_j_cstr("caller"));
        mn_jvalue *caller = &f->slots[m->caller_slot];
        if (k) *caller = k->value;
        else if (!mn_j_undefined_hint(r, "No caller defined", caller)) return false;
    }
    return bind_rest(r, m, call, f);
}

static bool fill_defaults(mn_jrun *r, const mn_jmacro_def *m, mn_jframe *f)
{
    const mn_jnode *value = m->defaults;
    int32_t i = 0;
    for (const mn_jnode *p = m->params; p; p = p->next, i++) {
        bool has_default = i >= m->n_params - m->n_defaults;
        mn_jvalue *slot = &f->slots[p->name.slot];
        if (slot->type == J_MISSING && has_default) {
            mn_jvalue v;
            if (!mn_j_eval(r, value, f, &v)) return false;
            *slot = v;
        } else if (slot->type == J_MISSING) {
            mn_jvalue name = r->t->names[p->name.id], hint;
            size_t mark = mn_j_mark(r);
            mn_buffer_append_fmt(&r->scratch, "parameter '%.*s' was not provided",
                                 name.len < 80 ? (int)name.len : 80, name.s);
            mn_buffer_append_byte(&r->scratch, 0);
            if (!mn_j_take(r, mark, &hint) || !mn_j_undefined_hint(r, hint.s, slot))
                return false;
        }
        if (has_default) value = value->next;
    }
    return true;
}

bool mn_j_call_macro(mn_jrun *r, const mn_jmacro *macro, const mn_jcall *call,
                     mn_jvalue *out)
{
    const mn_jmacro_def *m = definition(macro);
    mn_jframe *f = mn_j_frame_new(r, &m->scope, macro->frame);
    if (!f || !bind_parameters(r, m, call, f)) return false;
    mn_j_frame_enter(r, &m->scope, f);
    mn_jflow flow;
    return fill_defaults(r, m, f) && mn_j_capture(r, m->body, f, &flow, out);
}

bool mn_j_call_block(mn_jrun *r, const mn_jnode *block, mn_jvalue *out)
{
    mn_jframe *f = mn_j_block_frame(r, block, NULL);
    mn_jflow flow;
    return f && mn_j_capture(r, block->block.body, f, &flow, out);
}

/* loop(items) inside of {% for ... recursive %} */
static bool call_loop(mn_jrun *r, mn_jloop *loop, const mn_jcall *call, mn_jvalue *out)
{
    if (!loop->node->loop.is_recursive)
        return mn_j_fail(r, MINERVA_INVALID,
                         "the loop must have the 'recursive' marker to be "
                         "called recursively");
    if (call->n_args != 1 || call->n_keywords)
        return mn_j_fail(r, MINERVA_INVALID, "loop() takes one argument");
    size_t mark = mn_j_mark(r);
    r->n_captures++;
    mn_jflow flow =
        mn_j_run_loop(r, loop->node, loop->frame, call->args[0], loop->depth0 + 1);
    r->n_captures--;
    return flow != FLOW_ERROR && mn_j_take(r, mark, out);
}

/* ---- any value --------------------------------------------------------------------- */

static bool dispatch(mn_jrun *r, mn_jvalue callee, const mn_jcall *call, mn_jvalue *out)
{
    switch (callee.type) {
    case J_FUNCTION: return mn_j_apply(r, callee.function, mn_j_none(), call, out);
    case J_METHOD:
        return mn_j_apply(r, callee.method->function, callee.method->self, call, out);
    case J_MACRO: return mn_j_call_macro(r, callee.macro, call, out);
    case J_LOOP: return call_loop(r, callee.loop, call, out);
    case J_BLOCK: return mn_j_call_block(r, callee.block, out);
    case J_JOINER:
        if (call->n_args || call->n_keywords)
            return mn_j_fail(r, MINERVA_INVALID, "a joiner takes no arguments");
        *out = callee.joiner->used ? callee.joiner->separator : mn_j_str("", 0);
        callee.joiner->used = true;
        return true;
    case J_UNDEFINED: return mn_j_fail_undefined(r, callee);
    default:
        return mn_j_fail(r, MINERVA_INVALID, "'%s' object is not callable",
                         mn_j_type_name(callee));
    }
}

bool mn_j_call(mn_jrun *r, mn_jvalue callee, const mn_jcall *call, mn_jvalue *out)
{
    int line = r->line;
    if ((r->depth += J_CALL_WEIGHT) > r->max_depth) return mn_j_fail_depth(r);
    if (!dispatch(r, callee, call, out)) return false;
    r->depth -= J_CALL_WEIGHT;
    r->line = line;
    return true;
}
