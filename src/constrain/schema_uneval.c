/* unevaluatedProperties and unevaluatedItems; see schema.h.
 *
 * What counts as evaluated depends on which branches of anyOf, oneOf and if a value
 * passes.  So the schema is taken apart into alternatives, each a normal form together
 * with what it evaluates:
 *
 *   allOf, $ref     products; the evaluated parts are united
 *   anyOf           every non-empty set of branches.  Passing more branches only ever
 *                   evaluates more, so the branches left out need not be negated
 *   oneOf           one branch, the others negated where they overlap
 *   if              if and then; or not if, and else
 *   not             evaluates nothing
 *
 * and the keyword then applies to each alternative's remaining keys or items.
 */
#include "constrain/schema.h"

enum { MAX_ALTS = 256, MAX_NESTED = 100 };

typedef struct {
    uint32_t form;
    bool all_props, all_items;
    uint32_t n_items;               /* the first so many items */
    const uint32_t *keys;           /* strsets */
    uint32_t n_keys;
    const mn_eid *contains;         /* items of these values */
    uint32_t n_contains;
} alt;

typedef struct { alt *at; uint32_t n; } alts;

typedef struct {
    mn_schema *s;
    uint32_t depth;
} walk;

static alts take_apart(walk *w, const mn_jv *v);

static alts one(walk *w, alt a)
{
    alts l = { mn_cx_alloc(w->s->cx, 1, sizeof *l.at), a.form != MN_F_NONE };
    l.at[0] = a;
    return l;
}

static const uint32_t *unite(walk *w, const uint32_t *a, uint32_t n, const uint32_t *b, uint32_t m, uint32_t *total)
{
    if (!m) return *total = n, a;
    if (!n) return *total = m, b;
    uint32_t *both = mn_cx_alloc(w->s->cx, n + m, sizeof *both), k = n;
    memcpy(both, a, n * sizeof *a);
    for (uint32_t j = 0; j < m; j++) {
        uint32_t i = 0;
        while (i < k && both[i] != b[j]) i++;
        if (i == k) both[k++] = b[j];
    }
    *total = k;
    return both;
}

static alt both(walk *w, const alt *a, const alt *b)
{
    alt r = { .form = mn_f_and(w->s, a->form, b->form), .all_props = a->all_props || b->all_props,
              .all_items = a->all_items || b->all_items,
              .n_items = a->n_items > b->n_items ? a->n_items : b->n_items };
    r.keys = unite(w, a->keys, a->n_keys, b->keys, b->n_keys, &r.n_keys);
    r.contains = unite(w, a->contains, a->n_contains, b->contains, b->n_contains, &r.n_contains);
    return r;
}

static void append(walk *w, alts *l, alts more)
{
    if (l->n + more.n > MAX_ALTS)
        mn_cx_raise(w->s->cx, MINERVA_LIMIT, "unevaluatedProperties, unevaluatedItems: more than %d "
                    "combinations of branches", MAX_ALTS);
    alt *grown = mn_cx_alloc(w->s->cx, l->n + more.n + 1, sizeof *grown);
    if (l->n) memcpy(grown, l->at, l->n * sizeof *grown);
    if (more.n) memcpy(grown + l->n, more.at, more.n * sizeof *grown);
    l->at = grown;
    l->n += more.n;
}

static alts product(walk *w, alts a, alts b)
{
    alts l = { mn_cx_alloc(w->s->cx, (size_t)a.n * b.n + 1, sizeof *l.at), 0 };
    for (uint32_t i = 0; i < a.n; i++)
        for (uint32_t j = 0; j < b.n; j++) {
            alt r = both(w, &a.at[i], &b.at[j]);
            if (r.form == MN_F_NONE) continue;
            if (l.n == MAX_ALTS)
                mn_cx_raise(w->s->cx, MINERVA_LIMIT, "unevaluatedProperties, unevaluatedItems: more than "
                            "%d combinations of branches", MAX_ALTS);
            l.at[l.n++] = r;
        }
    return l;
}

/* What the keywords of v itself evaluate. */
static alt own(walk *w, const mn_jv *v, const mn_keywords *k)
{
    mn_schema *s = w->s;
    alt a = { .form = mn_schema_own_form(s, v, k) };
    const mn_jv *props = k->at[MN_KW_PROPERTIES], *pats = k->at[MN_KW_PATTERN_PROPERTIES];
    uint32_t n_pats = pats ? pats->n : 0, *keys = mn_cx_alloc(s->cx, n_pats + 1, sizeof *keys);
    if (props && props->n) {
        mn_text *names = mn_cx_alloc(s->cx, props->n, sizeof *names);
        for (uint32_t i = 0; i < props->n; i++)
            names[i] = (mn_text){ props->members[i].key, props->members[i].key_len };
        keys[a.n_keys++] = mn_ss_lits(&s->ss, names, props->n);
    }
    for (uint32_t i = 0; i < n_pats; i++)
        keys[a.n_keys++] = mn_schema_pattern(s, v, "patternProperties", pats->members[i].key,
                                             pats->members[i].key_len);
    a.keys = keys;
    a.all_props = k->at[MN_KW_ADDITIONAL_PROPERTIES] != NULL;
    const mn_jv *list = k->at[MN_KW_PREFIX_ITEMS], *rest = k->at[MN_KW_ITEMS];
    if (!list && rest && rest->type == MN_J_ARRAY) {
        list = rest;
        rest = k->at[MN_KW_ADDITIONAL_ITEMS];
    }
    if (list) a.n_items = list->n;
    a.all_items = rest != NULL;
    if (k->at[MN_KW_CONTAINS] && s->draft >= 2020) {
        mn_eid *c = mn_cx_alloc(s->cx, 1, sizeof *c);
        *c = mn_e_place(s, k->at[MN_KW_CONTAINS]);
        a.contains = c;
        a.n_contains = 1;
    }
    return a;
}

static alts any_of(walk *w, const mn_jv *list)
{
    /* With at least one branch; and the one alternative of none so far. */
    alts some = { NULL, 0 }, none = one(w, (alt){ .form = MN_F_ALL });
    for (uint32_t i = 0; i < list->n; i++) {
        alts branch = take_apart(w, &list->items[i]);
        alts more = product(w, some, branch);
        append(w, &some, more);
        append(w, &some, product(w, none, branch));
    }
    return some;
}

static alts one_of(walk *w, const mn_jv *list)
{
    alts sum = { NULL, 0 };
    for (uint32_t i = 0; i < list->n; i++) {
        alts only = one(w, (alt){ .form = mn_schema_one_of(w->s, list, i, MN_F_ALL) });
        append(w, &sum, product(w, only, take_apart(w, &list->items[i])));
    }
    return sum;
}

static alts conditional(walk *w, const mn_keywords *k)
{
    mn_schema *s = w->s;
    const mn_jv *then = k->at[MN_KW_THEN], *otherwise = k->at[MN_KW_ELSE];
    alts yes = take_apart(w, k->at[MN_KW_IF]);
    uint32_t test = mn_e_normal(s, mn_e_place(s, k->at[MN_KW_IF]));
    alts no = one(w, (alt){ .form = mn_f_not(s, test) });
    if (then) yes = product(w, yes, take_apart(w, then));
    if (otherwise) no = product(w, no, take_apart(w, otherwise));
    append(w, &yes, no);
    return yes;
}

static alts dependent(walk *w, alts all, const mn_jv *map)
{
    mn_schema *s = w->s;
    for (uint32_t i = 0; map->type == MN_J_OBJECT && i < map->n; i++) {
        const mn_jmember *m = &map->members[i];
        if (m->value.type == MN_J_ARRAY || m->value.type == MN_J_STRING) continue;
        mn_literal l = { { m->key, m->key_len }, MN_E_FALSE, false, ++s->next_order };
        uint32_t id = mn_o_map(s, &l, 1, NULL, 0, MN_E_TRUE, 0, MN_RX_INF, NULL, 0);
        alts absent = one(w, (alt){ .form = mn_f_of(s, MN_T_OBJ, id, true) });
        l.value = MN_E_TRUE;
        l.required = true;
        id = mn_o_map(s, &l, 1, NULL, 0, MN_E_TRUE, 0, MN_RX_INF, NULL, 0);
        alts present = one(w, (alt){ .form = mn_f_of(s, MN_T_OBJ, id, false) });
        alts both_ways = product(w, all, absent);
        append(w, &both_ways, product(w, product(w, all, present), take_apart(w, &m->value)));
        all = both_ways;
    }
    return all;
}

static void apply_properties(walk *w, alt *a, mn_eid value)
{
    mn_schema *s = w->s;
    if (!a->all_props) {
        mn_pattern *p = mn_cx_alloc(s->cx, a->n_keys, sizeof *p);
        for (uint32_t i = 0; i < a->n_keys; i++) p[i] = (mn_pattern){ a->keys[i], MN_E_TRUE };
        uint32_t id = mn_o_map(s, NULL, 0, p, a->n_keys, value, 0, MN_RX_INF, NULL, 0);
        a->form = mn_f_and(s, a->form, mn_f_of(s, MN_T_OBJ, id, true));
    }
    a->all_props = true;
}

static void apply_items(walk *w, alt *a, mn_eid value)
{
    mn_schema *s = w->s;
    if (!a->all_items) {
        mn_eid *prefix = mn_cx_alloc(s->cx, a->n_items, sizeof *prefix);
        for (uint32_t i = 0; i < a->n_items; i++) prefix[i] = MN_E_TRUE;
        for (uint32_t i = 0; i < a->n_contains; i++) value = mn_e_or(s, value, a->contains[i]);
        uint32_t id = mn_a_make(s, &(mn_array_parts){ .prefix = prefix, .n_prefix = a->n_items, .rest = value,
                                                      .max = MN_RX_INF });
        a->form = mn_f_and(s, a->form, mn_f_of(s, MN_T_ARR, id, true));
    }
    a->all_items = true;
}

static alts in_place(walk *w, const mn_jv *v, const mn_keywords *k)
{
    mn_schema *s = w->s;
    alts all = one(w, own(w, v, k));
    static const struct { uint8_t keyword; const char *name; } refs[] = {
        { MN_KW_REF, "$ref" }, { MN_KW_DYNAMIC_REF, "$dynamicRef" }, { MN_KW_RECURSIVE_REF, "$recursiveRef" } };
    for (int i = 0; i < 3; i++)
        if (k->at[refs[i].keyword])
            all = product(w, all, take_apart(w, mn_schema_resolve(s, v, k->at[refs[i].keyword], refs[i].name)));
    const mn_jv *list = mn_schema_list(s, v, k->at[MN_KW_ALL_OF], "allOf");
    for (uint32_t i = 0; list && i < list->n; i++) all = product(w, all, take_apart(w, &list->items[i]));
    list = mn_schema_list(s, v, k->at[MN_KW_ONE_OF], "oneOf");
    if (list) all = product(w, all, one_of(w, list));
    list = mn_schema_list(s, v, k->at[MN_KW_ANY_OF], "anyOf");
    if (list) all = product(w, all, any_of(w, list));
    if (k->at[MN_KW_NOT]) {
        uint32_t form = mn_f_not(s, mn_e_normal(s, mn_e_place(s, k->at[MN_KW_NOT])));
        all = product(w, all, one(w, (alt){ .form = form }));
    }
    if (k->at[MN_KW_IF]) all = product(w, all, conditional(w, k));
    if (k->at[MN_KW_DEPENDENT_SCHEMAS]) all = dependent(w, all, k->at[MN_KW_DEPENDENT_SCHEMAS]);
    if (k->at[MN_KW_DEPENDENCIES]) all = dependent(w, all, k->at[MN_KW_DEPENDENCIES]);
    return all;
}

static alts take_apart(walk *w, const mn_jv *v)
{
    mn_schema *s = w->s;
    if (v->type == MN_J_TRUE) return one(w, (alt){ .form = MN_F_ALL });
    if (v->type == MN_J_FALSE) return (alts){ NULL, 0 };
    if (v->type != MN_J_OBJECT) mn_schema_fail(s, MINERVA_INVALID, v, "", "a schema (object or boolean) expected");
    if (++w->depth > MAX_NESTED)
        mn_schema_fail(s, MINERVA_INVALID, v, "unevaluatedProperties", "the schema refers to itself in place, or nests "
                       "more than 100 deep");
    mn_cx_tick(s->cx);
    mn_keywords k;
    mn_schema_keywords(s, v, &k);
    alts all = in_place(w, v, &k);
    const mn_jv *props = k.at[MN_KW_UNEVALUATED_PROPERTIES], *items = k.at[MN_KW_UNEVALUATED_ITEMS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < all.n; i++) {
        if (props) apply_properties(w, &all.at[i], mn_e_place(s, props));
        if (items) apply_items(w, &all.at[i], mn_e_place(s, items));
        if (all.at[i].form != MN_F_NONE) all.at[n++] = all.at[i];
    }
    all.n = n;
    w->depth--;
    return all;
}

uint32_t mn_schema_unevaluated(mn_schema *s, const mn_jv *v)
{
    walk w = { .s = s };
    alts all = take_apart(&w, v);
    uint32_t form = MN_F_NONE;
    for (uint32_t i = 0; i < all.n; i++) form = mn_f_or(s, form, all.at[i].form);
    return form;
}
