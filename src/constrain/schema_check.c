/* What has values: a least fixpoint over everything reachable; see schema.h.
 *
 * An expression has values if one of its alternatives has; an object if its required
 * properties have, and so on.  Nothing has values at first, and the marks spread until
 * nothing changes, so that a recursion without an end (a node that requires a node) stays
 * unmarked.  Expressions are met parents first, so going over them backwards settles
 * nearly all in one pass.
 *
 * Working everything out here also means that whatever the schema cannot be enforced for
 * is refused before the first token.
 */
#include "constrain/schema.h"

/* ---- contains ----------------------------------------------------------------------------- */

uint32_t mn_a_active(const mn_schema *s, uint32_t array, uint32_t index)
{
    mn_span c = s->arrays.at[array].contains;
    uint32_t mask = 0;
    for (uint32_t i = 0; i < c.n; i++)
        if (s->contains.at[c.off + i].from <= index) mask |= 1u << i;
    return mask;
}

mn_eid mn_a_choice(mn_schema *s, uint32_t array, uint32_t index, uint32_t mask)
{
    mn_span c = s->arrays.at[array].contains;
    mn_eid e = mn_a_item(s, array, index);
    uint32_t active = mn_a_active(s, array, index);
    for (uint32_t i = 0; i < c.n; i++) {
        mn_contains k = s->contains.at[c.off + i];
        if (!(active >> i & 1)) continue;
        if (mask >> i & 1) e = mn_e_and(s, e, k.value);
        else if (k.max != MN_RX_INF) e = mn_e_and(s, e, mn_e_not(s, k.value));
    }
    return e;
}

typedef struct {
    mn_schema *s;
    uint32_t array;
    mn_intern seen;         /* states that lead nowhere, or are being tried */
    MN_VEC(uint64_t) states;
    bool answer;
    uint32_t n, alike;      /* from so many items on one is like the other */
    uint32_t counts[MN_CONTAINS_MAX];
} live_job;

static bool known(live_job *j, uint64_t key)
{
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&j->seen, key); mn_intern_next(&j->seen, &k, &i);)
        if (j->states.at[i] == key) return true;
    if (j->states.n > 20000)
        mn_cx_raise(j->s->cx, MINERVA_LIMIT, "contains: too many ways to count");
    mn_vec_push(j->s->cx, &j->states, key);
    mn_intern_add(j->s->cx, &j->seen, key, j->states.n - 1);
    return false;
}

static bool live_from(live_job *j, uint32_t n, const uint32_t *counts)
{
    mn_schema *s = j->s;
    mn_array a = s->arrays.at[j->array];
    bool done = n >= a.min;
    if (a.max == MN_RX_INF && n > j->alike) n = j->alike;
    uint64_t key = n;
    for (uint32_t i = 0; i < a.contains.n; i++) {
        done &= counts[i] >= s->contains.at[a.contains.off + i].min;
        key = mn_mix(key, counts[i]);
    }
    if (done) return true;
    if (n > 4000) mn_cx_raise(s->cx, MINERVA_LIMIT, "contains: minItems of at most 4,000 expected");
    if (n >= a.max || known(j, key)) return false;
    uint32_t active = mn_a_active(s, j->array, n);
    for (uint32_t m = 1u << a.contains.n; m-- > 0;) {
        if (m & ~active) continue;
        uint32_t next[MN_CONTAINS_MAX];
        bool fits = true;
        for (uint32_t i = 0; i < a.contains.n; i++) {
            mn_contains c = s->contains.at[a.contains.off + i];
            next[i] = counts[i] + (m >> i & 1);
            fits &= next[i] <= c.max;
            if (c.max == MN_RX_INF && next[i] > c.min) next[i] = c.min;
        }
        if (fits && mn_e_inhabited(s, mn_a_choice(s, j->array, n, m)) && live_from(j, n + 1, next))
            return true;
    }
    return false;
}

static void run_live(void *arg)
{
    live_job *j = arg;
    mn_array a = j->s->arrays.at[j->array];
    j->alike = a.prefix.n > a.min ? a.prefix.n : a.min;
    for (uint32_t i = 0; i < a.contains.n; i++) {
        uint32_t from = j->s->contains.at[a.contains.off + i].from;
        if (from > j->alike) j->alike = from;
    }
    j->answer = live_from(j, j->n, j->counts);
}

bool mn_a_live(mn_schema *s, uint32_t array, uint32_t n, const uint32_t counts[MN_CONTAINS_MAX])
{
    live_job j = { .s = s, .array = array, .n = n };
    memcpy(j.counts, counts, sizeof j.counts);
    minerva_error err = { 0 };
    minerva_status st = mn_cx_protect(s->cx, &err, run_live, &j);
    mn_vec_clear(s->cx, &j.states);
    mn_intern_clear(s->cx, &j.seen);
    if (st) mn_cx_raise(s->cx, st, "%s", err.message);
    return j.answer;
}

/* ---- exists --------------------------------------------------------------------------------- */

uint32_t mn_o_parts(mn_schema *s, uint32_t object, mn_part out[64])
{
    mn_object o = s->objects.at[object];
    uint32_t n = 0, others = MN_SS_ALL;
    if (o.exists.n && o.literals.n) {       /* literals meet no exist */
        mn_text *names = mn_cx_alloc(s->cx, o.literals.n, sizeof *names);
        for (uint32_t i = 0; i < o.literals.n; i++) names[i] = s->literals.at[o.literals.off + i].name;
        others = mn_ss_any(&s->ss, 0, MN_RX_INF, mn_ss_litset(&s->ss, names, o.literals.n));
    }
    for (uint32_t i = 0; i < o.classes.n; i++) {
        mn_class c = s->classes.at[o.classes.off + i];
        uint32_t keys = c.value == MN_E_FALSE ? MN_SS_NONE : mn_ss_and(&s->ss, c.keys, others);
        if (keys) out[n++] = (mn_part){ keys, 0, c.value };
    }
    for (uint32_t k = 0; k < o.exists.n; k++) {
        mn_exist e = s->exists.at[o.exists.off + k];
        uint32_t outside[3], before = n;
        int m = mn_ss_not(&s->ss, e.keys, outside);
        for (uint32_t i = 0; i < before; i++) {
            mn_part p = out[i];
            uint32_t inside = mn_ss_and(&s->ss, p.keys, e.keys);
            if (!inside) continue;
            out[i] = (mn_part){ inside, p.exists | 1u << k, p.value };
            for (int x = 0; x < m && inside != p.keys; x++) {
                uint32_t rest = mn_ss_and(&s->ss, p.keys, outside[x]);
                if (!rest) continue;
                if (n == 64) mn_cx_raise(s->cx, MINERVA_LIMIT, "schema: keys fall in more than 64 parts");
                out[n++] = (mn_part){ rest, p.exists, p.value };
            }
        }
    }
    return n;
}

mn_eid mn_o_witness(mn_schema *s, uint32_t object, const mn_part *p, uint32_t mask)
{
    mn_span e = s->objects.at[object].exists;
    mn_eid value = p->value;
    for (uint32_t i = 0; i < e.n; i++)
        if (mask >> i & 1) value = mn_e_and(s, value, s->exists.at[e.off + i].value);
    return value;
}

/* ---- reaching everything ------------------------------------------------------------------------ */

static void reach(mn_schema *s, mn_eid e)
{
    if (s->exprs.at[e].visited) return;
    s->exprs.at[e].visited = true;
    mn_vec_push(s->cx, &s->scratch, e);
}

static void reach_object(mn_schema *s, uint32_t id)
{
    mn_object o = s->objects.at[id];
    if (o.visited) return;
    s->objects.at[id].visited = true;
    for (uint32_t i = 0; i < o.literals.n; i++) reach(s, s->literals.at[o.literals.off + i].value);
    for (uint32_t i = 0; i < o.classes.n; i++) reach(s, s->classes.at[o.classes.off + i].value);
    if (!o.exists.n) return;
    mn_part parts[64];
    uint32_t n = mn_o_parts(s, id, parts);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t m = parts[i].exists; m; m = (m - 1) & parts[i].exists)
            reach(s, mn_o_witness(s, id, &parts[i], m));
}

static void reach_array(mn_schema *s, uint32_t id)
{
    mn_array a = s->arrays.at[id];
    if (a.visited) return;
    s->arrays.at[id].visited = true;
    uint32_t last = a.prefix.n;
    for (uint32_t i = 0; i < a.contains.n; i++)
        if (s->contains.at[a.contains.off + i].from > last) last = s->contains.at[a.contains.off + i].from;
    for (uint32_t i = 0; i <= last; i++) {
        reach(s, mn_a_item(s, id, i));
        uint32_t active = mn_a_active(s, id, i);
        for (uint32_t m = 0; a.contains.n && m < 1u << a.contains.n; m++)
            if (!(m & ~active)) reach(s, mn_a_choice(s, id, i, m));
    }
}

/* ---- spreading the marks -------------------------------------------------------------------------- */

static bool object_inhabited(mn_schema *s, uint32_t id)
{
    mn_object o = s->objects.at[id];
    uint64_t usable = 0, required = 0;
    for (uint32_t i = 0; i < o.literals.n; i++) {
        const mn_literal *l = &s->literals.at[o.literals.off + i];
        bool has = mn_e_inhabited(s, l->value);
        if (l->required && !has) return false;
        usable += has;
        required += l->required;
    }
    /* What is required of what is required. */
    if (o.deps.n) {
        uint8_t *need = mn_cx_alloc(s->cx, o.literals.n, 1);
        for (uint32_t i = 0; i < o.literals.n; i++) need[i] = s->literals.at[o.literals.off + i].required;
        for (bool more = true; more;) {
            more = false;
            for (uint32_t i = 0; i < o.deps.n; i++) {
                mn_dep d = s->deps.at[o.deps.off + i];
                if (!need[d.from] || need[d.to]) continue;
                if (!mn_e_inhabited(s, s->literals.at[o.literals.off + d.to].value)) return false;
                need[d.to] = 1;
                required++;
                more = true;
            }
        }
    }
    bool open = false;
    for (uint32_t i = 0; i < o.classes.n; i++) open |= mn_e_inhabited(s, s->classes.at[o.classes.off + i].value);
    if (!open && usable < o.min) return false;
    if (required + o.exists.n > o.max) return false;
    if (!o.exists.n) return true;
    mn_part parts[64];
    uint32_t n = mn_o_parts(s, id, parts), met = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < o.exists.n; k++)
            if (parts[i].exists >> k & 1 && mn_e_inhabited(s, mn_o_witness(s, id, &parts[i], 1u << k)))
                met |= 1u << k;
    return met == (1u << o.exists.n) - 1;
}

/* How many values an expression has, where that is plain to see; else a great many. */
static uint64_t count_values(mn_schema *s, mn_eid e)
{
    mn_form f = s->forms.at[s->exprs.at[e].form];
    if (f.type[MN_T_ARR].n || f.type[MN_T_OBJ].n) return UINT32_MAX;
    uint64_t n = (uint64_t)__builtin_popcount(f.prims);
    for (uint32_t i = 0; i < f.type[MN_T_STR].n; i++) {
        mn_strset x = s->ss.sets.at[s->ids.at[f.type[MN_T_STR].off + i]];
        n += x.kind == MN_SK_LITS ? s->ss.litsets.at[x.lits].n : UINT32_MAX;
    }
    for (uint32_t i = 0; i < f.type[MN_T_NUM].n; i++) {
        mn_numset x = s->ns.sets.at[s->ids.at[f.type[MN_T_NUM].off + i]];
        n += x.points ? x.n : UINT32_MAX;
    }
    return n;
}

static bool array_inhabited(mn_schema *s, uint32_t id)
{
    mn_array a = s->arrays.at[id];
    if (a.unique && !a.prefix.n && a.min > 1 && count_values(s, a.rest) < a.min) return false;
    if (a.contains.n) return mn_a_live(s, id, 0, (uint32_t[MN_CONTAINS_MAX]){ 0 });
    for (uint32_t i = 0; i < a.min && i <= a.prefix.n; i++)
        if (!mn_e_inhabited(s, mn_a_item(s, id, i))) return false;
    return true;
}

static bool has_values(mn_schema *s, mn_eid e)
{
    const mn_form *f = &s->forms.at[s->exprs.at[e].form];
    if (f->prims || f->type[MN_T_STR].n || f->type[MN_T_NUM].n) return true;
    mn_span arr = f->type[MN_T_ARR], obj = f->type[MN_T_OBJ];
    for (uint32_t i = 0; i < arr.n; i++) {
        uint32_t id = s->ids.at[arr.off + i];
        if (!s->arrays.at[id].inhabited) s->arrays.at[id].inhabited = array_inhabited(s, id);
        if (s->arrays.at[id].inhabited) return true;
    }
    for (uint32_t i = 0; i < obj.n; i++) {
        uint32_t id = s->ids.at[obj.off + i];
        if (!s->objects.at[id].inhabited) s->objects.at[id].inhabited = object_inhabited(s, id);
        if (s->objects.at[id].inhabited) return true;
    }
    return false;
}

/* All alternatives of what is inhabited, too. */
static bool spread(mn_schema *s, mn_eid e)
{
    bool changed = false;
    mn_form f = s->forms.at[s->exprs.at[e].form];
    for (uint32_t i = 0; i < f.type[MN_T_ARR].n; i++) {
        uint32_t id = s->ids.at[f.type[MN_T_ARR].off + i];
        if (s->arrays.at[id].inhabited || !array_inhabited(s, id)) continue;
        s->arrays.at[id].inhabited = true;
        changed = true;
    }
    for (uint32_t i = 0; i < f.type[MN_T_OBJ].n; i++) {
        uint32_t id = s->ids.at[f.type[MN_T_OBJ].off + i];
        if (s->objects.at[id].inhabited || !object_inhabited(s, id)) continue;
        s->objects.at[id].inhabited = true;
        changed = true;
    }
    if (s->exprs.at[e].inhabited || !has_values(s, e)) return changed;
    s->exprs.at[e].inhabited = true;
    return true;
}

void mn_schema_check(mn_schema *s, mn_eid root)
{
    uint32_t base = s->scratch.n;
    s->exprs.at[MN_E_TRUE].inhabited = true;
    reach(s, root);
    for (uint32_t at = base; at < s->scratch.n; at++) {
        mn_eid e = s->scratch.at[at];
        /* mn_e_normal uses the stack above and leaves it as it was. */
        uint32_t form = mn_e_normal(s, e);
        mn_form f = s->forms.at[form];
        for (uint32_t i = 0; i < f.type[MN_T_ARR].n; i++) reach_array(s, s->ids.at[f.type[MN_T_ARR].off + i]);
        for (uint32_t i = 0; i < f.type[MN_T_OBJ].n; i++) reach_object(s, s->ids.at[f.type[MN_T_OBJ].off + i]);
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t at = s->scratch.n; at > base; at--) {
            mn_cx_tick(s->cx);
            changed |= spread(s, s->scratch.at[at - 1]);
        }
    }
    s->scratch.n = base;
}

/* ---- whole documents ------------------------------------------------------------------------------- */

typedef struct { mn_schema *s; const mn_jv *root; mn_schema_draft draft; mn_eid e; } whole;

static void run_whole(void *arg)
{
    whole *w = arg;
    w->e = mn_schema_load(w->s, w->root, w->draft);
    mn_schema_check(w->s, w->e);
}

mn_eid mn_schema_compile(mn_schema *s, const mn_jv *root, mn_schema_draft draft)
{
    whole w = { .s = s, .root = root, .draft = draft };
    minerva_error err = { 0 };
    s->fault = (mn_fault){ 0 };
    minerva_status st = mn_cx_protect(s->cx, &err, run_whole, &w);
    if (!st) return w.e;
    /* Raised where only sets and records are known: the place being worked on is at fault. */
    for (uint32_t i = s->busy.n; i > 0 && !s->fault.at; i--) {
        const mn_expr *x = &s->exprs.at[s->busy.at[i - 1]];
        if (x->kind == MN_EK_PLACE)
            mn_schema_fail(s, st, x->v, x->keyword ? x->keyword : "", err.message);
    }
    mn_cx_raise(s->cx, st, "%s", err.message);
}
