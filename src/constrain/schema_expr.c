/* Expressions and when their normal forms are worked out; see schema.h.
 *
 * A form needs the forms of what applies in place ($ref, allOf, ...), never those of items
 * or properties, so a recursive schema comes to an end.  One that refers to itself in
 * place does not; it is refused.  Some steps profit from a look at a property's form (are
 * two branches disjoint?) but can do without: they try, and give up where they would run
 * into a form that is being made.
 */
#include "constrain/schema.h"

enum { MAX_BUSY = 600, MAX_EXPRS = 500000 };

static mn_eid add_expr(mn_schema *s, mn_expr e)
{
    if (s->exprs.n >= MAX_EXPRS)
        mn_cx_raise(s->cx, MINERVA_LIMIT, "schema: more than %d symbols", MAX_EXPRS);
    mn_cx_tick(s->cx);
    mn_vec_push(s->cx, &s->exprs, e);
    return s->exprs.n - 1;
}

void mn_schema_init(mn_schema *s, mn_cx *cx)
{
    *s = (mn_schema){ .cx = cx };
    mn_vec_reserve(cx, &s->scratch, 16);        /* as in mn_rx_init() */
    mn_rx_init(&s->rx, cx);
    mn_ss_init(&s->ss, cx, &s->rx);
    mn_ns_init(&s->ns, cx, &s->ss);
    static const uint32_t all = 1;
    mn_ids every = { &all, 1 }, none = { NULL, 0 };
    add_expr(s, (mn_expr){ .kind = MN_EK_FALSE, .form = MN_F_NONE });
    add_expr(s, (mn_expr){ .kind = MN_EK_TRUE, .form = MN_F_ALL });
    mn_object no_object = { 0 };
    mn_array no_array = { 0 };
    mn_vec_push(cx, &s->objects, no_object);
    mn_vec_push(cx, &s->arrays, no_array);
    mn_class rest = { MN_SS_ALL, MN_E_TRUE };
    mn_o_make(s, &(mn_object_parts){ .classes = &rest, .n_classes = 1, .max = MN_RX_INF });
    mn_a_make(s, &(mn_array_parts){ .rest = MN_E_TRUE, .max = MN_RX_INF });
    mn_f_make(s, 0, none, none, none, none);
    mn_f_make(s, MN_PRIM_ALL, every, every, every, every);
}

void mn_schema_clear(mn_schema *s)
{
    mn_cx *cx = s->cx;
    if (!cx) return;
    mn_ns_clear(&s->ns);
    mn_ss_clear(&s->ss);
    mn_rx_clear(&s->rx);
    mn_vec_clear(cx, &s->exprs);
    mn_vec_clear(cx, &s->kids);
    mn_vec_clear(cx, &s->forms);
    mn_vec_clear(cx, &s->ids);
    mn_vec_clear(cx, &s->objects);
    mn_vec_clear(cx, &s->literals);
    mn_vec_clear(cx, &s->classes);
    mn_vec_clear(cx, &s->exists);
    mn_vec_clear(cx, &s->deps);
    mn_vec_clear(cx, &s->arrays);
    mn_vec_clear(cx, &s->prefixes);
    mn_vec_clear(cx, &s->contains);
    mn_vec_clear(cx, &s->resources);
    mn_vec_clear(cx, &s->anchors);
    mn_vec_clear(cx, &s->scratch);
    mn_vec_clear(cx, &s->literal_scratch);
    mn_vec_clear(cx, &s->class_scratch);
    mn_vec_clear(cx, &s->pattern_cache);
    mn_vec_clear(cx, &s->busy);
    mn_map_clear(&s->patterns);
    mn_intern_clear(cx, &s->expr_set);
    mn_intern_clear(cx, &s->form_set);
    mn_intern_clear(cx, &s->object_set);
    mn_intern_clear(cx, &s->array_set);
    *s = (mn_schema){ 0 };
}

/* ---- making expressions ---------------------------------------------------------------- */

/* A schema that is nothing but a reference is the place it refers to. */
static const mn_jv *follow_references(mn_schema *s, const mn_jv *v)
{
    const mn_jv *slow = v;
    for (uint32_t steps = 1; v->type == MN_J_OBJECT; steps++) {
        mn_keywords k;
        mn_schema_keywords(s, v, &k);
        if (!k.at[MN_KW_REF] || k.n_assertions != 1) return v;
        const mn_jv *to = mn_schema_resolve(s, v, k.at[MN_KW_REF], "$ref");
        if (to == slow)
            mn_schema_fail(s, MINERVA_INVALID, v, "$ref", "it refers to itself");
        v = to;
        if ((steps & (steps - 1)) == 0) slow = v;
        mn_cx_tick(s->cx);
    }
    return v;
}

mn_eid mn_e_place(mn_schema *s, const mn_jv *v)
{
    if (v->type == MN_J_TRUE) return MN_E_TRUE;
    if (v->type == MN_J_FALSE) return MN_E_FALSE;
    if (v->type != MN_J_OBJECT)
        mn_schema_fail(s, MINERVA_INVALID, v, "", "a schema (object or boolean) expected");
    if (v->expr) return v->expr;
    const mn_jv *place = follow_references(s, v);
    mn_eid e;
    if (place != v) {
        ((mn_jv *)v)->met = true;
        e = mn_e_place(s, place);
    } else {
        mn_keywords k;
        mn_schema_keywords(s, v, &k);
        ((mn_jv *)v)->met |= !k.n_assertions;
        e = k.n_assertions ? add_expr(s, (mn_expr){ .kind = MN_EK_PLACE, .v = v, .form = UINT32_MAX })
                           : MN_E_TRUE;
    }
    ((mn_jv *)v)->expr = e;
    return e;
}

mn_eid mn_e_value(mn_schema *s, const mn_jv *v)
{
    if (!v->expr_value)
        ((mn_jv *)v)->expr_value = add_expr(s, (mn_expr){ .kind = MN_EK_VALUE, .v = v,
                                                          .form = UINT32_MAX });
    return v->expr_value;
}

static mn_eid intern_list(mn_schema *s, uint8_t kind, const mn_eid *kids, uint32_t n)
{
    uint64_t hash = mn_hash64(kids, n * sizeof *kids, kind);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&s->expr_set, hash); mn_intern_next(&s->expr_set, &k, &i);) {
        const mn_expr *o = &s->exprs.at[i];
        if (o->kind == kind && o->n == n && !memcmp(s->kids.at + o->kids, kids, n * sizeof *kids))
            return i;
    }
    mn_expr e = { .kind = kind, .kids = s->kids.n, .n = n, .form = UINT32_MAX };
    mn_vec_reserve(s->cx, &s->kids, n);
    memcpy(s->kids.at + s->kids.n, kids, n * sizeof *kids);
    s->kids.n += n;
    mn_eid id = add_expr(s, e);
    mn_intern_add(s->cx, &s->expr_set, hash, id);
    return id;
}

static void push_kid(mn_schema *s, uint32_t base, mn_eid e)
{
    uint32_t at = s->scratch.n;
    while (at > base && s->scratch.at[at - 1] > e) at--;
    if (at > base && s->scratch.at[at - 1] == e) return;
    mn_vec_reserve(s->cx, &s->scratch, 1);
    memmove(s->scratch.at + at + 1, s->scratch.at + at, (s->scratch.n - at) * sizeof e);
    s->scratch.at[at] = e;
    s->scratch.n++;
}

static void push_flat(mn_schema *s, uint8_t kind, uint32_t base, mn_eid e)
{
    mn_expr x = s->exprs.at[e];
    if (x.kind != kind) {
        push_kid(s, base, e);
        return;
    }
    for (uint32_t i = 0; i < x.n; i++) push_kid(s, base, s->kids.at[x.kids + i]);
}

/* Is there a kid whose complement is a kid, too? */
static bool has_opposites(const mn_schema *s, uint32_t base)
{
    for (uint32_t i = base; i < s->scratch.n; i++) {
        const mn_expr *x = &s->exprs.at[s->scratch.at[i]];
        if (x->kind != MN_EK_NOT) continue;
        for (uint32_t j = base; j < s->scratch.n; j++)
            if (s->scratch.at[j] == s->kids.at[x->kids]) return true;
    }
    return false;
}

static mn_eid combine(mn_schema *s, uint8_t kind, mn_eid a, mn_eid b, mn_eid neutral, mn_eid absorbing)
{
    if (a == b || b == neutral) return a;
    if (a == neutral) return b;
    if (a == absorbing || b == absorbing) return absorbing;
    uint32_t base = s->scratch.n;
    push_flat(s, kind, base, a);
    push_flat(s, kind, base, b);
    mn_eid e = has_opposites(s, base) ? absorbing
             : intern_list(s, kind, s->scratch.at + base, s->scratch.n - base);
    s->scratch.n = base;
    return e;
}

mn_eid mn_e_and(mn_schema *s, mn_eid a, mn_eid b)
{
    return combine(s, MN_EK_AND, a, b, MN_E_TRUE, MN_E_FALSE);
}

mn_eid mn_e_or(mn_schema *s, mn_eid a, mn_eid b)
{
    return combine(s, MN_EK_OR, a, b, MN_E_FALSE, MN_E_TRUE);
}

mn_eid mn_e_not(mn_schema *s, mn_eid a)
{
    if (a == MN_E_TRUE) return MN_E_FALSE;
    if (a == MN_E_FALSE) return MN_E_TRUE;
    mn_expr x = s->exprs.at[a];
    return x.kind == MN_EK_NOT ? s->kids.at[x.kids] : intern_list(s, MN_EK_NOT, &a, 1);
}

mn_eid mn_e_form(mn_schema *s, uint32_t form)
{
    if (form == MN_F_NONE) return MN_E_FALSE;
    if (form == MN_F_ALL) return MN_E_TRUE;
    uint64_t hash = mn_mix(form, MN_EK_FORM);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&s->expr_set, hash); mn_intern_next(&s->expr_set, &k, &i);)
        if (s->exprs.at[i].kind == MN_EK_FORM && s->exprs.at[i].form == form) return i;
    mn_eid id = add_expr(s, (mn_expr){ .kind = MN_EK_FORM, .form = form });
    mn_intern_add(s->cx, &s->expr_set, hash, id);
    return id;
}

/* ---- normal forms ------------------------------------------------------------------------ */

static uint32_t value_form(mn_schema *s, const mn_jv *v)
{
    mn_text text;
    mn_dec number;
    switch (v->type) {
    case MN_J_NULL: return mn_f_make(s, MN_PRIM_NULL, (mn_ids){ 0 }, (mn_ids){ 0 }, (mn_ids){ 0 }, (mn_ids){ 0 });
    case MN_J_FALSE: return mn_f_make(s, MN_PRIM_FALSE, (mn_ids){ 0 }, (mn_ids){ 0 }, (mn_ids){ 0 }, (mn_ids){ 0 });
    case MN_J_TRUE: return mn_f_make(s, MN_PRIM_TRUE, (mn_ids){ 0 }, (mn_ids){ 0 }, (mn_ids){ 0 }, (mn_ids){ 0 });
    case MN_J_NUMBER:
        number = mn_dec_parse(s->cx, v->str, v->n);
        return mn_f_of(s, MN_T_NUM, mn_ns_points(&s->ns, &number, 1), false);
    case MN_J_STRING:
        text = (mn_text){ v->str, v->n };
        return mn_f_of(s, MN_T_STR, mn_ss_lits(&s->ss, &text, 1), false);
    case MN_J_ARRAY: {
        mn_eid *items = mn_cx_alloc(s->cx, v->n, sizeof *items);
        for (uint32_t i = 0; i < v->n; i++) items[i] = mn_e_value(s, &v->items[i]);
        uint32_t id = mn_a_make(s, &(mn_array_parts){ .prefix = items, .n_prefix = v->n,
                                                      .min = v->n, .max = v->n });
        return mn_f_of(s, MN_T_ARR, id, false);
    }
    default: {
        mn_literal *l = mn_cx_alloc(s->cx, v->n, sizeof *l);
        for (uint32_t i = 0; i < v->n; i++)
            l[i] = (mn_literal){ { v->members[i].key, v->members[i].key_len },
                                 mn_e_value(s, &v->members[i].value), true, ++s->next_order };
        mn_class rest = { MN_SS_ALL, MN_E_FALSE };
        uint32_t id = mn_o_make(s, &(mn_object_parts){ .literals = l, .n_literals = v->n,
            .classes = &rest, .n_classes = 1, .min = v->n, .max = v->n });
        return mn_f_of(s, MN_T_OBJ, id, false);
    }
    }
}

static uint32_t list_form(mn_schema *s, mn_expr x)
{
    bool and = x.kind == MN_EK_AND;
    uint32_t form = and ? MN_F_ALL : MN_F_NONE;
    for (uint32_t i = 0; i < x.n; i++) {
        uint32_t kid = mn_e_normal(s, s->kids.at[x.kids + i]);
        form = and ? mn_f_and(s, form, kid) : mn_f_or(s, form, kid);
    }
    return form;
}

uint32_t mn_e_normal(mn_schema *s, mn_eid e)
{
    mn_expr x = s->exprs.at[e];
    if (x.form != UINT32_MAX) return x.form;
    if (x.busy) {
        s->met_cycle = true;
        if (s->trying) mn_cx_raise(s->cx, MINERVA_CANCELLED, "cycle");
        if (x.v) mn_schema_fail(s, MINERVA_INVALID, x.v, "$ref", "it refers to itself in place");
        mn_cx_raise(s->cx, MINERVA_INVALID, "schema: it refers to itself in place");
    }
    if (s->busy.n >= MAX_BUSY)
        mn_cx_raise(s->cx, MINERVA_LIMIT, "schema: at most %d references in a row expected", MAX_BUSY);
    s->exprs.at[e].busy = true;
    mn_vec_push(s->cx, &s->busy, e);
    uint32_t form;
    switch ((mn_expr_kind)x.kind) {
    case MN_EK_PLACE: form = mn_schema_place_form(s, x.v); break;
    case MN_EK_VALUE: form = value_form(s, x.v); break;
    case MN_EK_NOT: form = mn_f_not(s, mn_e_normal(s, s->kids.at[x.kids])); break;
    default: form = list_form(s, x);
    }
    s->busy.n--;
    s->exprs.at[e].busy = false;
    s->exprs.at[e].form = form;
    return form;
}

void mn_schema_settle(mn_schema *s)
{
    while (s->busy.n) s->exprs.at[s->busy.at[--s->busy.n]].busy = false;
    s->scratch.n = s->literal_scratch.n = s->class_scratch.n = 0;
    s->rx.scratch.n = s->rx.range_scratch.n = 0;
    s->trying = 0;
    s->fault = (mn_fault){ 0 };
}

typedef struct { mn_schema *s; mn_eid e; uint32_t form; } attempt;

static void try_normal(void *arg)
{
    attempt *a = arg;
    a->form = mn_e_normal(a->s, a->e);
}

bool mn_e_try_normal(mn_schema *s, mn_eid e, uint32_t *form)
{
    if (s->exprs.at[e].form != UINT32_MAX) {
        *form = s->exprs.at[e].form;
        return true;
    }
    if (s->exprs.at[e].busy || s->busy.n >= MAX_BUSY / 2) return false;
    uint32_t busy = s->busy.n, scratch = s->scratch.n, literals = s->literal_scratch.n;
    uint32_t classes = s->class_scratch.n, rx_scratch = s->rx.scratch.n, ranges = s->rx.range_scratch.n;
    attempt a = { s, e, 0 };
    minerva_error err = { 0 };
    s->trying++;
    minerva_status st = mn_cx_protect(s->cx, &err, try_normal, &a);
    s->trying--;
    if (st == MINERVA_OK) {
        *form = a.form;
        return true;
    }
    while (s->busy.n > busy) s->exprs.at[s->busy.at[--s->busy.n]].busy = false;
    s->scratch.n = scratch;
    s->literal_scratch.n = literals;
    s->class_scratch.n = classes;
    s->rx.scratch.n = rx_scratch;
    s->rx.range_scratch.n = ranges;
    if (st == MINERVA_CANCELLED || st == MINERVA_UNSUPPORTED) {
        s->fault = (mn_fault){ 0 };
        return false;
    }
    mn_cx_raise(s->cx, st, "%s", err.message);
}

bool mn_e_disjoint(mn_schema *s, mn_eid a, mn_eid b, int depth)
{
    if (a == MN_E_FALSE || b == MN_E_FALSE) return true;
    if (a == b || depth <= 0) return false;
    uint32_t fa, fb;
    if (!mn_e_try_normal(s, a, &fa) || !mn_e_try_normal(s, b, &fb)) return false;
    return mn_f_disjoint(s, fa, fb, depth);
}
