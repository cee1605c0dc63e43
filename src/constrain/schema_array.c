/* Arrays: alternatives, their intersection and complement; see schema.h. */
#include "constrain/schema.h"

mn_eid mn_a_item(const mn_schema *s, uint32_t array, uint32_t index)
{
    const mn_array *a = &s->arrays.at[array];
    return index < a->prefix.n ? s->prefixes.at[a->prefix.off + index] : a->rest;
}

static bool same(const mn_schema *s, const mn_array *o, const mn_array_parts *p)
{
    if (o->prefix.n != p->n_prefix || o->rest != p->rest || o->min != p->min || o->max != p->max
        || o->contains.n != p->n_contains || o->unique != p->unique) return false;
    for (uint32_t i = 0; i < p->n_contains; i++) {
        const mn_contains *x = &s->contains.at[o->contains.off + i], *y = &p->contains[i];
        if (x->value != y->value || x->min != y->min || x->max != y->max || x->from != y->from)
            return false;
    }
    return !p->n_prefix || !memcmp(s->prefixes.at + o->prefix.off, p->prefix,
                                   p->n_prefix * sizeof *p->prefix);
}

/* Drop counters that say nothing; false: one cannot be met. */
static bool tidy_contains(mn_schema *s, mn_contains *c, uint32_t *n, uint32_t max_items)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < *n; i++) {
        if (c[i].min > c[i].max || (c[i].min && c[i].value == MN_E_FALSE)) return false;
        if ((uint64_t)c[i].from + c[i].min > max_items) return false;
        if (c[i].min == 0 && (c[i].max == MN_RX_INF || c[i].value == MN_E_FALSE)) continue;
        uint32_t k = 0;
        while (k < out && (c[k].value != c[i].value || c[k].from != c[i].from)) k++;
        if (k < out) {
            if (c[i].min > c[k].min) c[k].min = c[i].min;
            if (c[i].max < c[k].max) c[k].max = c[i].max;
            if (c[k].min > c[k].max) return false;
            continue;
        }
        if (out == MN_CONTAINS_MAX)
            mn_cx_raise(s->cx, MINERVA_UNSUPPORTED, "contains: at most %d on one array expected",
                        MN_CONTAINS_MAX);
        c[out++] = c[i];
    }
    *n = out;
    return true;
}

/* The one value that an expression can have, as far as it is plain to see. */
static const mn_jv *only_value(const mn_schema *s, mn_eid e)
{
    const mn_expr *x = &s->exprs.at[e];
    if (x->kind == MN_EK_VALUE) return x->v;
    for (uint32_t i = 0; x->kind == MN_EK_AND && i < x->n; i++) {
        const mn_expr *kid = &s->exprs.at[s->kids.at[x->kids + i]];
        if (kid->kind == MN_EK_VALUE) return kid->v;
    }
    return NULL;
}

static bool equal(mn_cx *cx, const mn_jv *a, const mn_jv *b)
{
    if (a->type != b->type || (a->type != MN_J_NUMBER && a->n != b->n)) return false;
    if (a->type == MN_J_NUMBER) {
        mn_dec x = mn_dec_parse(cx, a->str, a->n), y = mn_dec_parse(cx, b->str, b->n);
        return !mn_dec_cmp(&x, &y);
    }
    if (a->type == MN_J_STRING) return !a->n || !memcmp(a->str, b->str, a->n);
    for (uint32_t i = 0; a->type == MN_J_ARRAY && i < a->n; i++)
        if (!equal(cx, &a->items[i], &b->items[i])) return false;
    for (uint32_t i = 0; a->type == MN_J_OBJECT && i < a->n; i++) {
        const mn_jv *other = mn_jdoc_get_n(b, a->members[i].key, a->members[i].key_len);
        if (!other || !equal(cx, &a->members[i].value, other)) return false;
    }
    return true;
}

/* Unique items that are given (an enum of arrays) are compared here and now. */
static void settle_unique(mn_schema *s, mn_array_parts *p)
{
    bool all = p->rest == MN_E_FALSE || p->max == p->n_prefix;
    for (uint32_t i = 0; i < p->n_prefix && i < p->max; i++) {
        const mn_jv *v = only_value(s, p->prefix[i]);
        all &= v != NULL;
        for (uint32_t k = 0; v && k < i; k++) {
            const mn_jv *w = only_value(s, p->prefix[k]);
            if (w && equal(s->cx, v, w)) p->max = i;
        }
    }
    if (all) p->unique = false;
}

uint32_t mn_a_make(mn_schema *s, const mn_array_parts *parts)
{
    mn_array_parts p = *parts;
    if (p.unique) settle_unique(s, &p);
    for (uint32_t i = 0; i < p.n_prefix && i < p.max; i++)
        if (p.prefix[i] == MN_E_FALSE) p.max = i;
    if (p.rest == MN_E_FALSE && p.max > p.n_prefix) p.max = p.n_prefix;
    if (p.n_prefix > p.max) p.n_prefix = p.max;
    if (p.max == p.n_prefix) p.rest = MN_E_FALSE;
    while (p.n_prefix && p.rest != MN_E_FALSE && p.prefix[p.n_prefix - 1] == p.rest) p.n_prefix--;
    if (p.min > p.max) return MN_A_NONE;
    if (p.max <= 1) p.unique = false;
    mn_contains own[2 * MN_CONTAINS_MAX + 2];
    if (p.n_contains > 2 * MN_CONTAINS_MAX)
        mn_cx_raise(s->cx, MINERVA_UNSUPPORTED, "contains: at most %d on one array expected",
                    MN_CONTAINS_MAX);
    if (p.n_contains) memcpy(own, p.contains, p.n_contains * sizeof *own);
    if (!tidy_contains(s, own, &p.n_contains, p.max)) return MN_A_NONE;
    p.contains = own;

    uint64_t hash = mn_mix(mn_mix((uint64_t)p.rest << 32 | p.min, (uint64_t)p.max << 1 | p.unique), p.n_prefix);
    if (p.n_prefix) hash = mn_hash64(p.prefix, p.n_prefix * sizeof *p.prefix, hash);
    for (uint32_t i = 0; i < p.n_contains; i++)
        hash = mn_mix(mn_mix(hash, (uint64_t)own[i].value << 32 | own[i].min),
                      (uint64_t)own[i].max << 32 | own[i].from);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&s->array_set, hash); mn_intern_next(&s->array_set, &k, &i);)
        if (same(s, &s->arrays.at[i], &p)) return i;
    mn_array a = { .prefix = { s->prefixes.n, p.n_prefix }, .rest = p.rest, .min = p.min, .max = p.max,
                   .contains = { s->contains.n, p.n_contains }, .unique = p.unique };
    mn_vec_reserve(s->cx, &s->prefixes, p.n_prefix + 1);
    if (p.n_prefix) memcpy(s->prefixes.at + s->prefixes.n, p.prefix, p.n_prefix * sizeof *p.prefix);
    s->prefixes.n += p.n_prefix;
    for (uint32_t k = 0; k < p.n_contains; k++) mn_vec_push(s->cx, &s->contains, own[k]);
    mn_cx_tick(s->cx);
    mn_vec_push(s->cx, &s->arrays, a);
    mn_intern_add(s->cx, &s->array_set, hash, s->arrays.n - 1);
    return s->arrays.n - 1;
}

uint32_t mn_a_and(mn_schema *s, uint32_t a, uint32_t b)
{
    mn_array x = s->arrays.at[a], y = s->arrays.at[b];
    mn_array_parts p = { .min = x.min > y.min ? x.min : y.min, .max = x.max < y.max ? x.max : y.max,
                         .unique = x.unique || y.unique, .n_contains = x.contains.n + y.contains.n };
    if (p.min > p.max) return MN_A_NONE;
    p.n_prefix = x.prefix.n > y.prefix.n ? x.prefix.n : y.prefix.n;
    mn_eid *prefix = mn_cx_alloc(s->cx, p.n_prefix, sizeof *prefix);
    for (uint32_t i = 0; i < p.n_prefix; i++) {
        mn_eid ex = mn_a_item(s, a, i), ey = mn_a_item(s, b, i);
        prefix[i] = mn_e_and(s, ex, ey);
        if (i < p.min && ex != ey && mn_e_disjoint(s, ex, ey, 2)) return MN_A_NONE;
    }
    p.prefix = prefix;
    p.rest = mn_e_and(s, x.rest, y.rest);
    mn_contains c[2 * MN_CONTAINS_MAX];
    if (x.contains.n) memcpy(c, s->contains.at + x.contains.off, x.contains.n * sizeof *c);
    if (y.contains.n) memcpy(c + x.contains.n, s->contains.at + y.contains.off, y.contains.n * sizeof *c);
    p.contains = c;
    return mn_a_make(s, &p);
}

static void push_made(mn_schema *s, const mn_array_parts *p)
{
    uint32_t id = mn_a_make(s, p);
    if (id) mn_vec_push(s->cx, &s->scratch, id);
}

/* Prefix of n times TRUE, then `last` (or nothing), then `rest`. */
static void push_positions(mn_schema *s, uint32_t n, mn_eid last, bool has_last, mn_eid rest, uint32_t min)
{
    mn_eid *prefix = mn_cx_alloc(s->cx, n + 1, sizeof *prefix);
    for (uint32_t i = 0; i < n; i++) prefix[i] = MN_E_TRUE;
    prefix[n] = last;
    push_made(s, &(mn_array_parts){ .prefix = prefix, .n_prefix = n + has_last, .rest = rest,
                                    .min = min, .max = MN_RX_INF });
}

void mn_a_not(mn_schema *s, uint32_t array)
{
    mn_array x = s->arrays.at[array];
    if (array == MN_A_ALL) return;
    if (array == MN_A_NONE) {
        mn_vec_push(s->cx, &s->scratch, MN_A_ALL);
        return;
    }
    if (x.unique)
        mn_cx_raise(s->cx, MINERVA_UNSUPPORTED, "uniqueItems: under not, oneOf or if it cannot be negated");
    for (uint32_t i = 0; i < x.prefix.n; i++) {
        mn_eid e = mn_e_not(s, mn_a_item(s, array, i));
        if (e != MN_E_FALSE) push_positions(s, i, e, true, MN_E_TRUE, i + 1);
    }
    mn_contains c = { mn_e_not(s, x.rest), 1, MN_RX_INF, x.prefix.n };
    /* A rest that may not be there at all is what max says. */
    if (c.value != MN_E_FALSE && x.max > x.prefix.n)
        push_made(s, &(mn_array_parts){ .rest = MN_E_TRUE, .max = MN_RX_INF, .contains = &c, .n_contains = 1 });
    if (x.min) push_made(s, &(mn_array_parts){ .rest = MN_E_TRUE, .max = x.min - 1 });
    if (x.max != MN_RX_INF)
        push_made(s, &(mn_array_parts){ .rest = MN_E_TRUE, .min = x.max + 1, .max = MN_RX_INF });
    for (uint32_t i = 0; i < x.contains.n; i++) {
        mn_contains k = s->contains.at[x.contains.off + i];
        if (k.min == 1) {
            push_positions(s, k.from, MN_E_TRUE, false, mn_e_not(s, k.value), 0);
        } else if (k.min) {
            mn_contains fewer = { k.value, 0, k.min - 1, k.from };
            push_made(s, &(mn_array_parts){ .rest = MN_E_TRUE, .max = MN_RX_INF, .contains = &fewer, .n_contains = 1 });
        }
        if (k.max != MN_RX_INF) {
            mn_contains more = { k.value, k.max + 1, MN_RX_INF, k.from };
            push_made(s, &(mn_array_parts){ .rest = MN_E_TRUE, .max = MN_RX_INF, .contains = &more, .n_contains = 1 });
        }
    }
}

bool mn_a_disjoint(mn_schema *s, uint32_t a, uint32_t b, int depth)
{
    const mn_array *x = &s->arrays.at[a], *y = &s->arrays.at[b];
    uint32_t min = x->min > y->min ? x->min : y->min;
    if (min > x->max || min > y->max) return true;
    for (uint32_t i = 0; i < min && i < 8; i++)
        if (mn_e_disjoint(s, mn_a_item(s, a, i), mn_a_item(s, b, i), depth - 1)) return true;
    return false;
}
