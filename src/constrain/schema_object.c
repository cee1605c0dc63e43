/* Objects: alternatives, their intersection and complement; see schema.h.
 *
 * An alternative maps every key to an expression: literals by name, all other keys by the
 * class they fall in.  Classes come from patterns: each pattern splits the classes there
 * are into the part it matches and the rest, so that a key is in exactly one class and its
 * expression is known.
 *
 * The complement asks for a key that breaks the rule.  If it is a literal, that is an
 * alternative with the literal required and its expression negated; among all other keys
 * it is an *exist*.  Exists range over keys that are no literals; when an intersection
 * makes a key a literal that it could have been, that gets an alternative of its own.
 */
#include <stdlib.h>

#include "constrain/schema.h"

enum { MAX_CLASSES = 64, MAX_EXISTS = 8 };

static int by_name(const void *a, const void *b)
{
    const mn_literal *x = a, *y = b;
    return mn_text_cmp(&x->name, y->name.s, y->name.len);
}

static const mn_literal *find_literal(const mn_literal *l, uint32_t n, const mn_text *name)
{
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int c = mn_text_cmp(&l[mid].name, name->s, name->len);
        if (!c) return &l[mid];
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

mn_eid mn_o_value_of(mn_schema *s, uint32_t object, const char *key, uint32_t len)
{
    mn_object o = s->objects.at[object];
    mn_text name = { key, len };
    const mn_literal *l = find_literal(s->literals.at + o.literals.off, o.literals.n, &name);
    if (l) return l->value;
    for (uint32_t i = 0; i < o.classes.n; i++) {
        mn_class c = s->classes.at[o.classes.off + i];
        if (c.keys == MN_SS_ALL || mn_ss_has(&s->ss, c.keys, key, len)) return c.value;
    }
    return MN_E_FALSE;
}

/* ---- making records ---------------------------------------------------------------------- */

static uint64_t parts_hash(const mn_object_parts *p)
{
    uint64_t h = mn_mix((uint64_t)p->min << 32 | p->max, p->n_literals);
    for (uint32_t i = 0; i < p->n_literals; i++) {
        const mn_literal *l = &p->literals[i];
        h = mn_hash64(l->name.s, l->name.len, mn_mix(h, (uint64_t)l->value << 32 | l->order << 1 | l->required));
    }
    for (uint32_t i = 0; i < p->n_classes; i++)
        h = mn_mix(h, (uint64_t)p->classes[i].keys << 32 | p->classes[i].value);
    for (uint32_t i = 0; i < p->n_exists; i++)
        h = mn_mix(h + 1, (uint64_t)p->exists[i].keys << 32 | p->exists[i].value);
    for (uint32_t i = 0; i < p->n_deps; i++)
        h = mn_mix(h + 2, (uint64_t)p->deps[i].from << 32 | p->deps[i].to);
    return h;
}

static bool same(const mn_schema *s, const mn_object *o, const mn_object_parts *p)
{
    if (o->min != p->min || o->max != p->max || o->literals.n != p->n_literals
        || o->classes.n != p->n_classes || o->exists.n != p->n_exists || o->deps.n != p->n_deps)
        return false;
    for (uint32_t i = 0; i < p->n_literals; i++) {
        const mn_literal *x = &s->literals.at[o->literals.off + i], *y = &p->literals[i];
        if (x->value != y->value || x->required != y->required || x->order != y->order
            || mn_text_cmp(&x->name, y->name.s, y->name.len)) return false;
    }
    return (!p->n_classes || !memcmp(s->classes.at + o->classes.off, p->classes, p->n_classes * sizeof *p->classes))
        && (!p->n_exists || !memcmp(s->exists.at + o->exists.off, p->exists, p->n_exists * sizeof *p->exists))
        && (!p->n_deps || !memcmp(s->deps.at + o->deps.off, p->deps, p->n_deps * sizeof *p->deps));
}

static uint32_t intern_object(mn_schema *s, const mn_object_parts *p)
{
    uint64_t hash = parts_hash(p);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&s->object_set, hash); mn_intern_next(&s->object_set, &k, &i);)
        if (same(s, &s->objects.at[i], p)) return i;
    mn_object o = { .literals = { s->literals.n, p->n_literals }, .classes = { s->classes.n, p->n_classes },
                    .exists = { s->exists.n, p->n_exists }, .deps = { s->deps.n, p->n_deps },
                    .min = p->min, .max = p->max };
    mn_vec_reserve(s->cx, &s->literals, p->n_literals + 1);
    if (p->n_literals) memcpy(s->literals.at + s->literals.n, p->literals, p->n_literals * sizeof *p->literals);
    s->literals.n += p->n_literals;
    for (uint32_t k = 0; k < p->n_classes; k++) mn_vec_push(s->cx, &s->classes, p->classes[k]);
    for (uint32_t k = 0; k < p->n_exists; k++) mn_vec_push(s->cx, &s->exists, p->exists[k]);
    for (uint32_t k = 0; k < p->n_deps; k++) mn_vec_push(s->cx, &s->deps, p->deps[k]);
    mn_cx_tick(s->cx);
    mn_vec_push(s->cx, &s->objects, o);
    mn_intern_add(s->cx, &s->object_set, hash, s->objects.n - 1);
    return s->objects.n - 1;
}

/* Classes that are a list of keys become literals: appended to l, which has room. */
static uint32_t list_classes(mn_schema *s, mn_literal *l, uint32_t n, mn_class *c, uint32_t *n_classes)
{
    uint32_t named = n, out = 0;
    for (uint32_t i = 0; i < *n_classes; i++) {
        mn_strset keys = s->ss.sets.at[c[i].keys];
        if (keys.kind != MN_SK_LITS) {
            c[out++] = c[i];
            continue;
        }
        for (uint32_t k = 0; k < s->ss.litsets.at[keys.lits].n; k++) {
            mn_text t = *mn_ss_text(&s->ss, keys.lits, k);
            if (!find_literal(l, named, &t)) l[n++] = (mn_literal){ t, c[i].value, false, ++s->next_order };
        }
    }
    *n_classes = out;
    return n;
}

static uint32_t listed_keys(const mn_schema *s, const mn_class *c, uint32_t n)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < n; i++) {
        mn_strset keys = s->ss.sets.at[c[i].keys];
        if (keys.kind == MN_SK_LITS) total += s->ss.litsets.at[keys.lits].n;
    }
    return total;
}

/* deps[] by index into `from` are made indices into the sorted `to`. */
static void remap_deps(mn_dep *d, uint32_t n, const mn_literal *from, const mn_literal *to, uint32_t n_to)
{
    for (uint32_t i = 0; i < n; i++) {
        d[i].from = (uint32_t)(find_literal(to, n_to, &from[d[i].from].name) - to);
        d[i].to = (uint32_t)(find_literal(to, n_to, &from[d[i].to].name) - to);
    }
}

uint32_t mn_o_make(mn_schema *s, const mn_object_parts *parts)
{
    mn_object_parts p = *parts;
    uint32_t extra = listed_keys(s, p.classes, p.n_classes);
    mn_literal *l = mn_cx_alloc(s->cx, p.n_literals + extra + 1, sizeof *l);
    mn_class *c = mn_cx_alloc(s->cx, p.n_classes + 1, sizeof *c);
    mn_dep *d = mn_cx_alloc(s->cx, p.n_deps + 1, sizeof *d);
    if (p.n_literals) memcpy(l, p.literals, p.n_literals * sizeof *l);
    if (p.n_classes) memcpy(c, p.classes, p.n_classes * sizeof *c);
    if (p.n_deps) memcpy(d, p.deps, p.n_deps * sizeof *d);
    bool sorted = true;
    for (uint32_t i = 1; i < p.n_literals && sorted; i++) sorted = by_name(&l[i - 1], &l[i]) < 0;
    if (!sorted) qsort(l, p.n_literals, sizeof *l, by_name);
    if (extra) {
        uint32_t n = list_classes(s, l, p.n_literals, c, &p.n_classes);
        if (n > p.n_literals) qsort(l, n, sizeof *l, by_name);
        p.n_literals = n;
    }
    if (p.n_deps) remap_deps(d, p.n_deps, parts->literals, l, p.n_literals);

    /* A literal that must be absent needs no mention where its class says so, too. */
    bool closed = true;
    for (uint32_t i = 0; i < p.n_classes; i++) closed &= c[i].value == MN_E_FALSE;
    if (closed) {
        c[0] = (mn_class){ MN_SS_ALL, MN_E_FALSE };
        p.n_classes = 1;
    }
    uint32_t required = 0, out = 0;
    for (uint32_t i = 0; i < p.n_literals; i++) {
        if (l[i].required && l[i].value == MN_E_FALSE) return MN_O_NONE;
        required += l[i].required;
        if (closed && l[i].value == MN_E_FALSE && !p.n_exists && !p.n_deps) continue;
        l[out++] = l[i];
    }
    p.n_literals = out;
    bool open = !closed;
    if (!open && p.n_exists) return MN_O_NONE;
    if (p.min < required) p.min = required;
    if (!open && p.max > p.n_literals) p.max = p.n_literals;
    if (p.min > p.max) return MN_O_NONE;
    /* Bounds that the literals imply are not kept: same set, same record. */
    if (p.min <= required) p.min = 0;
    if (!open && p.max >= p.n_literals) p.max = MN_RX_INF;
    p.literals = l;
    p.classes = c;
    p.deps = d;
    return intern_object(s, &p);
}

/* Split every class by `keys`: inside, the value is also `value`; marks what it touched. */
static uint32_t split_classes(mn_schema *s, mn_class *c, bool *touched, uint32_t n, uint32_t keys, mn_eid value)
{
    uint32_t parts[3], n_before = n;
    int n_parts = mn_ss_not(&s->ss, keys, parts);
    for (uint32_t i = 0; i < n_before; i++) {
        uint32_t inside = mn_ss_and(&s->ss, c[i].keys, keys);
        if (!inside) continue;
        mn_class outside = c[i];
        bool was = touched[i];
        c[i] = (mn_class){ inside, was ? mn_e_and(s, c[i].value, value) : value };
        touched[i] = true;
        if (inside == outside.keys) continue;
        for (int k = 0; k < n_parts; k++) {
            uint32_t rest = mn_ss_and(&s->ss, outside.keys, parts[k]);
            if (!rest) continue;
            if (n == MAX_CLASSES)
                mn_cx_raise(s->cx, MINERVA_LIMIT, "patternProperties: patterns overlap in more than %d "
                            "ways", MAX_CLASSES);
            c[n] = (mn_class){ rest, outside.value };
            touched[n++] = was;
        }
    }
    return n;
}

uint32_t mn_o_map(mn_schema *s, const mn_literal *names, uint32_t n_names, const mn_pattern *patterns,
                  uint32_t n_patterns, mn_eid rest, uint32_t min, uint32_t max,
                  const mn_dep *deps, uint32_t n_deps)
{
    mn_class c[MAX_CLASSES] = { { MN_SS_ALL, rest } };
    bool touched[MAX_CLASSES] = { false };
    uint32_t n = 1;
    for (uint32_t i = 0; i < n_patterns; i++)
        n = split_classes(s, c, touched, n, patterns[i].keys, patterns[i].value);
    mn_literal *l = mn_cx_alloc(s->cx, n_names + 1, sizeof *l);
    for (uint32_t i = 0; i < n_names; i++) {
        l[i] = names[i];
        bool declared = l[i].value != MN_E_UNDECLARED, matched = false;
        if (!declared) l[i].value = MN_E_TRUE;
        for (uint32_t k = 0; k < n_patterns; k++) {
            if (!mn_ss_has(&s->ss, patterns[k].keys, l[i].name.s, l[i].name.len)) continue;
            l[i].value = mn_e_and(s, l[i].value, patterns[k].value);
            matched = true;
        }
        if (!declared && !matched) l[i].value = rest;
    }
    return mn_o_make(s, &(mn_object_parts){ .literals = l, .n_literals = n_names, .classes = c,
        .n_classes = n, .deps = deps, .n_deps = n_deps, .min = min, .max = max });
}

/* ---- intersection --------------------------------------------------------------------------- */

typedef struct {
    mn_object_parts p;
    mn_literal *literals;
    mn_class classes[MAX_CLASSES];
    mn_exist exists[MAX_EXISTS];
    uint32_t owner[MAX_EXISTS];     /* 1: from a, 2: from b */
    mn_dep *deps;
    uint8_t *in;                    /* per literal: 1 in a, 2 in b, 3 in both */
} merger;

/* false: a required key has no value. */
static bool merge_literal(mn_schema *s, mn_literal *out, const mn_literal *x, const mn_literal *y,
                          uint32_t a, uint32_t b)
{
    const mn_literal *l = x ? x : y;
    mn_eid vx = x ? x->value : mn_o_value_of(s, a, l->name.s, l->name.len);
    mn_eid vy = y ? y->value : mn_o_value_of(s, b, l->name.s, l->name.len);
    *out = *l;
    out->required = (x && x->required) || (y && y->required);
    out->value = mn_e_and(s, vx, vy);
    if (x && y && y->order < x->order) out->order = y->order;
    if (out->required && out->value == MN_E_FALSE) return false;
    if (vx == vy || vx == MN_E_TRUE || vy == MN_E_TRUE) return true;
    if (!mn_e_disjoint(s, vx, vy, 2)) return true;
    out->value = MN_E_FALSE;
    return !out->required;
}

static bool merge_literals(mn_schema *s, merger *m, uint32_t a, uint32_t b)
{
    mn_span x = s->objects.at[a].literals, y = s->objects.at[b].literals;
    m->literals = mn_cx_alloc(s->cx, x.n + y.n + 1, sizeof *m->literals);
    m->in = mn_cx_alloc(s->cx, x.n + y.n + 1, 1);
    uint32_t i = 0, j = 0, n = 0;
    while (i < x.n || j < y.n) {
        mn_literal lx = { 0 }, ly = { 0 };
        if (i < x.n) lx = s->literals.at[x.off + i];
        if (j < y.n) ly = s->literals.at[y.off + j];
        int c = i == x.n ? 1 : j == y.n ? -1 : by_name(&lx, &ly);
        if (!merge_literal(s, &m->literals[n], c <= 0 ? &lx : NULL, c >= 0 ? &ly : NULL, a, b))
            return false;
        m->in[n++] = (uint8_t)((c <= 0) | (c >= 0) << 1);
        i += c <= 0;
        j += c >= 0;
    }
    m->p.literals = m->literals;
    m->p.n_literals = n;
    return true;
}

static void merge_classes(mn_schema *s, merger *m, uint32_t a, uint32_t b)
{
    mn_span x = s->objects.at[a].classes, y = s->objects.at[b].classes;
    for (uint32_t i = 0; i < x.n; i++)
        for (uint32_t j = 0; j < y.n; j++) {
            mn_class cx = s->classes.at[x.off + i], cy = s->classes.at[y.off + j];
            uint32_t keys = mn_ss_and(&s->ss, cx.keys, cy.keys);
            if (!keys) continue;
            if (m->p.n_classes == MAX_CLASSES)
                mn_cx_raise(s->cx, MINERVA_LIMIT, "patternProperties: patterns overlap in more than "
                            "%d ways", MAX_CLASSES);
            m->classes[m->p.n_classes++] = (mn_class){ keys, mn_e_and(s, cx.value, cy.value) };
        }
    m->p.classes = m->classes;
}

static void merge_deps(mn_schema *s, merger *m, uint32_t a, uint32_t b)
{
    uint32_t of[2] = { a, b };
    m->deps = mn_cx_alloc(s->cx, s->objects.at[a].deps.n + s->objects.at[b].deps.n + 1, sizeof *m->deps);
    for (int k = 0; k < 2; k++) {
        mn_object o = s->objects.at[of[k]];
        mn_dep *d = m->deps + m->p.n_deps;
        if (o.deps.n) memcpy(d, s->deps.at + o.deps.off, o.deps.n * sizeof *d);
        remap_deps(d, o.deps.n, s->literals.at + o.literals.off, m->literals, m->p.n_literals);
        m->p.n_deps += o.deps.n;
    }
    m->p.deps = m->deps;
}

static void merge_exists(mn_schema *s, merger *m, uint32_t a, uint32_t b)
{
    uint32_t of[2] = { a, b };
    for (uint32_t k = 0; k < 2; k++) {
        mn_span e = s->objects.at[of[k]].exists;
        for (uint32_t i = 0; i < e.n; i++) {
            if (m->p.n_exists == MAX_EXISTS)
                mn_cx_raise(s->cx, MINERVA_UNSUPPORTED, "not: more than %d negated property rules on one "
                            "object", MAX_EXISTS);
            m->owner[m->p.n_exists] = k + 1;
            m->exists[m->p.n_exists++] = s->exists.at[e.off + i];
        }
    }
    m->p.exists = m->exists;
}

/* Exists from index i on are still to be settled: each is met by a key that is no literal
 * of the merged object, or by a literal that was none on its own side. */
static void emit(mn_schema *s, merger *m, uint32_t i)
{
    if (i == m->p.n_exists) {
        uint32_t id = mn_o_make(s, &m->p);
        if (id) mn_vec_push(s->cx, &s->scratch, id);
        return;
    }
    mn_exist e = m->exists[i];
    uint32_t owner = m->owner[i];
    emit(s, m, i + 1);
    for (uint32_t k = 0; k < m->p.n_literals; k++) {
        mn_literal old = m->literals[k];
        if ((m->in[k] & owner) || old.value == MN_E_FALSE
            || !mn_ss_has(&s->ss, e.keys, old.name.s, old.name.len)) continue;
        mn_eid value = mn_e_and(s, old.value, e.value);
        if (value == MN_E_FALSE || (e.value != MN_E_TRUE && mn_e_disjoint(s, old.value, e.value, 2))) continue;
        m->literals[k].value = value;
        m->literals[k].required = true;
        /* Without this exist: the last one takes its place for the recursion. */
        mn_exist last = m->exists[m->p.n_exists - 1];
        uint32_t last_owner = m->owner[m->p.n_exists - 1];
        m->exists[i] = last;
        m->owner[i] = last_owner;
        m->p.n_exists--;
        emit(s, m, i);
        m->p.n_exists++;
        m->exists[m->p.n_exists - 1] = last;
        m->owner[m->p.n_exists - 1] = last_owner;
        m->exists[i] = e;
        m->owner[i] = owner;
        m->literals[k] = old;
    }
}

void mn_o_and(mn_schema *s, uint32_t a, uint32_t b)
{
    if (a == MN_O_NONE || b == MN_O_NONE) return;
    if (a == b || a == MN_O_ALL || b == MN_O_ALL) {
        mn_vec_push(s->cx, &s->scratch, a == MN_O_ALL ? b : a);
        return;
    }
    merger *m = mn_cx_alloc(s->cx, 1, sizeof *m);
    const mn_object *x = &s->objects.at[a], *y = &s->objects.at[b];
    m->p.min = x->min > y->min ? x->min : y->min;
    m->p.max = x->max < y->max ? x->max : y->max;
    if (!merge_literals(s, m, a, b)) return;
    merge_classes(s, m, a, b);
    merge_deps(s, m, a, b);
    merge_exists(s, m, a, b);
    emit(s, m, 0);
}

/* ---- complement ------------------------------------------------------------------------------ */

typedef struct {
    mn_literal *literals;       /* the names, saying nothing */
    uint32_t n;
    mn_class rest;
} neutral;

static void push_breaking(mn_schema *s, const neutral *base, mn_literal broken)
{
    uint32_t id = mn_o_make(s, &(mn_object_parts){ .literals = &broken, .n_literals = 1,
        .classes = &base->rest, .n_classes = 1, .max = MN_RX_INF });
    if (id) mn_vec_push(s->cx, &s->scratch, id);
}

static void push_parts(mn_schema *s, mn_object_parts p, const neutral *base)
{
    p.literals = base->literals;
    p.n_literals = base->n;
    if (!p.n_classes) p.classes = &base->rest, p.n_classes = 1;
    uint32_t id = mn_o_make(s, &p);
    if (id) mn_vec_push(s->cx, &s->scratch, id);
}

void mn_o_not(mn_schema *s, uint32_t object)
{
    if (object == MN_O_ALL) return;
    if (object == MN_O_NONE) {
        mn_vec_push(s->cx, &s->scratch, MN_O_ALL);
        return;
    }
    mn_object o = s->objects.at[object];
    neutral base = { .n = o.literals.n, .rest = { MN_SS_ALL, MN_E_TRUE } };
    base.literals = mn_cx_alloc(s->cx, o.literals.n + 1, sizeof *base.literals);
    for (uint32_t i = 0; i < o.literals.n; i++) {
        mn_literal l = s->literals.at[o.literals.off + i];
        base.literals[i] = (mn_literal){ l.name, MN_E_TRUE, false, l.order };
    }
    for (uint32_t i = 0; i < o.literals.n; i++) {
        mn_literal l = s->literals.at[o.literals.off + i];
        if (!l.required && l.value == MN_E_TRUE) continue;
        l.value = mn_e_not(s, l.value);
        l.required = !l.required;
        push_breaking(s, &base, l);
    }
    for (uint32_t i = 0; i < o.classes.n; i++) {
        mn_class c = s->classes.at[o.classes.off + i];
        if (c.value == MN_E_TRUE) continue;
        mn_exist e = { c.keys, mn_e_not(s, c.value) };
        push_parts(s, (mn_object_parts){ .exists = &e, .n_exists = 1, .max = MN_RX_INF }, &base);
    }
    /* min and max as they were given; what literals imply was dropped from them. */
    neutral bare = { .rest = base.rest };
    if (o.min) push_parts(s, (mn_object_parts){ .max = o.min - 1 }, &bare);
    if (o.max != MN_RX_INF) push_parts(s, (mn_object_parts){ .min = o.max + 1, .max = MN_RX_INF }, &bare);
    for (uint32_t i = 0; i < o.exists.n; i++) {
        mn_exist e = s->exists.at[o.exists.off + i];
        mn_class c[4] = { { e.keys, mn_e_not(s, e.value) } };
        uint32_t parts[3];
        int n = mn_ss_not(&s->ss, e.keys, parts);
        for (int k = 0; k < n; k++) c[k + 1] = (mn_class){ parts[k], MN_E_TRUE };
        push_parts(s, (mn_object_parts){ .classes = c, .n_classes = (uint32_t)n + 1, .max = MN_RX_INF }, &base);
    }
    for (uint32_t i = 0; i < o.deps.n; i++) {
        mn_dep d = s->deps.at[o.deps.off + i];
        mn_literal l[2] = { base.literals[d.from], base.literals[d.to] };
        l[0].required = true;
        l[1].value = MN_E_FALSE;
        uint32_t id = d.from == d.to ? MN_O_NONE
            : mn_o_make(s, &(mn_object_parts){ .literals = l, .n_literals = 2, .classes = &base.rest,
                                               .n_classes = 1, .max = MN_RX_INF });
        if (id) mn_vec_push(s->cx, &s->scratch, id);
    }
}

/* ---- disjoint? ---------------------------------------------------------------------------------- */

static uint32_t count_required(const mn_schema *s, const mn_object *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->literals.n; i++) n += s->literals.at[o->literals.off + i].required;
    return n;
}

/* A key that a requires has no value that suits both. */
static bool required_clash(mn_schema *s, uint32_t a, uint32_t b, int depth)
{
    mn_object o = s->objects.at[a];
    for (uint32_t i = 0; i < o.literals.n; i++) {
        mn_literal l = s->literals.at[o.literals.off + i];
        if (!l.required) continue;
        mn_eid other = mn_o_value_of(s, b, l.name.s, l.name.len);
        if (other == MN_E_FALSE) return true;
        if (other != MN_E_TRUE && mn_e_disjoint(s, l.value, other, depth - 1)) return true;
    }
    return false;
}

bool mn_o_disjoint(mn_schema *s, uint32_t a, uint32_t b, int depth)
{
    const mn_object *x = &s->objects.at[a], *y = &s->objects.at[b];
    uint32_t rx = count_required(s, x), ry = count_required(s, y);
    uint32_t min = x->min > y->min ? x->min : y->min;
    if (rx > min) min = rx;
    if (ry > min) min = ry;
    if (min > x->max || min > y->max) return true;
    return required_clash(s, a, b, depth) || required_clash(s, b, a, depth);
}
