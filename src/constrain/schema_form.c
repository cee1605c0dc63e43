/* Normal forms: union, intersection, complement, type by type; see schema.h. */
#include <stdlib.h>

#include "constrain/schema.h"

enum { MAX_ALTERNATIVES = 512 };

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Several lists of strings (points of numbers) are one alternative, not many. */
static void join_strings(mn_schema *s, uint32_t base)
{
    uint32_t total = 0, lists = 0;
    for (uint32_t i = base; i < s->scratch.n; i++) {
        mn_strset x = s->ss.sets.at[s->scratch.at[i]];
        if (x.kind == MN_SK_LITS) lists++, total += s->ss.litsets.at[x.lits].n;
    }
    if (lists < 2) return;
    mn_text *all = mn_cx_alloc(s->cx, total, sizeof *all);
    uint32_t n = 0, out = base;
    for (uint32_t i = base; i < s->scratch.n; i++) {
        mn_strset x = s->ss.sets.at[s->scratch.at[i]];
        if (x.kind != MN_SK_LITS) {
            s->scratch.at[out++] = s->scratch.at[i];
            continue;
        }
        uint32_t m = s->ss.litsets.at[x.lits].n;
        if (m) memcpy(all + n, mn_ss_text(&s->ss, x.lits, 0), m * sizeof *all);
        n += m;
    }
    s->scratch.at[out++] = mn_ss_lits(&s->ss, all, n);
    s->scratch.n = out;
}

static void join_points(mn_schema *s, uint32_t base)
{
    uint32_t total = 0, lists = 0;
    for (uint32_t i = base; i < s->scratch.n; i++) {
        mn_numset x = s->ns.sets.at[s->scratch.at[i]];
        if (x.points) lists++, total += x.n;
    }
    if (lists < 2) return;
    mn_dec *all = mn_cx_alloc(s->cx, total, sizeof *all);
    uint32_t n = 0, out = base;
    for (uint32_t i = base; i < s->scratch.n; i++) {
        mn_numset x = s->ns.sets.at[s->scratch.at[i]];
        if (!x.points) {
            s->scratch.at[out++] = s->scratch.at[i];
            continue;
        }
        for (uint32_t k = 0; k < x.n; k++) all[n++] = s->ns.points.at[x.first + k];
    }
    s->scratch.at[out++] = mn_ns_points(&s->ns, all, n);
    s->scratch.n = out;
}

/* Sort and thin out the ids at scratch[base..): id 0 is empty, id 1 is everything. */
static uint32_t settle(mn_schema *s, mn_form_type t, uint32_t base)
{
    uint32_t out = base;
    for (uint32_t i = base; i < s->scratch.n; i++) {
        uint32_t id = s->scratch.at[i];
        if (id == 1) {
            s->scratch.at[base] = 1;
            s->scratch.n = base + 1;
            return 1;
        }
        if (id) s->scratch.at[out++] = id;
    }
    s->scratch.n = out;
    if (out - base > 1) {
        if (t == MN_T_STR) join_strings(s, base);
        if (t == MN_T_NUM) join_points(s, base);
        qsort(s->scratch.at + base, s->scratch.n - base, sizeof(uint32_t), by_id);
        out = base;
        for (uint32_t i = base; i < s->scratch.n; i++)
            if (out == base || s->scratch.at[out - 1] != s->scratch.at[i])
                s->scratch.at[out++] = s->scratch.at[i];
        s->scratch.n = out;
    }
    if (s->scratch.n - base > MAX_ALTERNATIVES)
        mn_cx_raise(s->cx, MINERVA_LIMIT, "schema: a value has more than %d alternatives",
                    MAX_ALTERNATIVES);
    return s->scratch.n - base;
}

/* The form of the ids at scratch[base..), n[t] of each type, already settled; they are
 * popped. */
static uint32_t intern_form(mn_schema *s, uint8_t prims, uint32_t base, const uint32_t n[MN_T_COUNT])
{
    uint32_t total = s->scratch.n - base;
    const uint32_t *ids = s->scratch.at + base;
    uint64_t hash = mn_mix(prims, (uint64_t)n[0] << 48 ^ (uint64_t)n[1] << 32 ^ (uint64_t)n[2] << 16 ^ n[3]);
    hash = mn_hash64(ids, total * sizeof *ids, hash);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&s->form_set, hash); mn_intern_next(&s->form_set, &k, &i);) {
        const mn_form *f = &s->forms.at[i];
        bool same = f->prims == prims;
        uint32_t at = 0;
        for (int t = 0; t < MN_T_COUNT && same; t++) {
            same = f->type[t].n == n[t]
                && !memcmp(s->ids.at + f->type[t].off, ids + at, n[t] * sizeof *ids);
            at += n[t];
        }
        if (!same) continue;
        s->scratch.n = base;
        return i;
    }
    mn_form f = { .prims = prims };
    mn_vec_reserve(s->cx, &s->ids, total + 1);
    uint32_t at = s->ids.n;
    memcpy(s->ids.at + at, s->scratch.at + base, total * sizeof *ids);
    for (int t = 0; t < MN_T_COUNT; t++) {
        f.type[t] = (mn_span){ at, n[t] };
        at += n[t];
    }
    s->ids.n = at;
    s->scratch.n = base;
    mn_cx_tick(s->cx);
    mn_vec_push(s->cx, &s->forms, f);
    mn_intern_add(s->cx, &s->form_set, hash, s->forms.n - 1);
    return s->forms.n - 1;
}

static void push_ids(mn_schema *s, const uint32_t *ids, uint32_t n)
{
    mn_vec_reserve(s->cx, &s->scratch, n + 1);
    if (n) memcpy(s->scratch.at + s->scratch.n, ids, n * sizeof *ids);
    s->scratch.n += n;
}

uint32_t mn_f_make(mn_schema *s, uint8_t prims, mn_ids str, mn_ids num, mn_ids arr, mn_ids obj)
{
    uint32_t base = s->scratch.n, n[MN_T_COUNT];
    mn_ids lists[MN_T_COUNT] = { str, num, arr, obj };
    for (int t = 0; t < MN_T_COUNT; t++) {
        uint32_t start = s->scratch.n;
        push_ids(s, lists[t].at, lists[t].n);
        n[t] = settle(s, (mn_form_type)t, start);
    }
    return intern_form(s, prims, base, n);
}

uint32_t mn_f_of(mn_schema *s, mn_form_type t, uint32_t id, bool others)
{
    static const uint32_t all = 1;
    mn_ids l[MN_T_COUNT];
    for (int i = 0; i < MN_T_COUNT; i++) l[i] = others ? (mn_ids){ &all, 1 } : (mn_ids){ NULL, 0 };
    l[t] = (mn_ids){ &id, 1 };
    return mn_f_make(s, others ? MN_PRIM_ALL : 0, l[0], l[1], l[2], l[3]);
}

/* Push what two alternatives of one type have in common. */
static void push_and(mn_schema *s, mn_form_type t, uint32_t a, uint32_t b)
{
    uint32_t id;
    if (a == b || b == 1) id = a;
    else if (a == 1) id = b;
    else if (t == MN_T_STR) id = mn_ss_and(&s->ss, a, b);
    else if (t == MN_T_NUM) id = mn_ns_and(&s->ns, a, b);
    else if (t == MN_T_ARR) id = mn_a_and(s, a, b);
    else {
        mn_o_and(s, a, b);
        return;
    }
    mn_vec_push(s->cx, &s->scratch, id);
}

uint32_t mn_f_and(mn_schema *s, uint32_t a, uint32_t b)
{
    if (a == b || b == MN_F_ALL) return a;
    if (a == MN_F_ALL) return b;
    if (a == MN_F_NONE || b == MN_F_NONE) return MN_F_NONE;
    uint32_t base = s->scratch.n, n[MN_T_COUNT];
    for (int t = 0; t < MN_T_COUNT; t++) {
        uint32_t start = s->scratch.n;
        mn_span x = s->forms.at[a].type[t], y = s->forms.at[b].type[t];
        for (uint32_t i = 0; i < x.n; i++)
            for (uint32_t j = 0; j < y.n; j++) {
                push_and(s, (mn_form_type)t, s->ids.at[x.off + i], s->ids.at[y.off + j]);
                mn_cx_tick(s->cx);
                if (s->scratch.n - start > 8 * MAX_ALTERNATIVES)
                    mn_cx_raise(s->cx, MINERVA_LIMIT, "schema: a value has more than %d alternatives",
                                MAX_ALTERNATIVES);
            }
        n[t] = settle(s, (mn_form_type)t, start);
    }
    return intern_form(s, s->forms.at[a].prims & s->forms.at[b].prims, base, n);
}

uint32_t mn_f_or(mn_schema *s, uint32_t a, uint32_t b)
{
    if (a == b || b == MN_F_NONE) return a;
    if (a == MN_F_NONE) return b;
    if (a == MN_F_ALL || b == MN_F_ALL) return MN_F_ALL;
    uint32_t base = s->scratch.n, n[MN_T_COUNT];
    for (int t = 0; t < MN_T_COUNT; t++) {
        uint32_t start = s->scratch.n;
        mn_span x = s->forms.at[a].type[t], y = s->forms.at[b].type[t];
        push_ids(s, s->ids.at + x.off, x.n);
        push_ids(s, s->ids.at + y.off, y.n);
        n[t] = settle(s, (mn_form_type)t, start);
    }
    return intern_form(s, s->forms.at[a].prims | s->forms.at[b].prims, base, n);
}

static void push_not(mn_schema *s, mn_form_type t, uint32_t id)
{
    uint32_t parts[3];
    int n;
    switch (t) {
    case MN_T_STR:
        n = mn_ss_not(&s->ss, id, parts);
        push_ids(s, parts, (uint32_t)n);
        break;
    case MN_T_NUM: mn_ns_not(&s->ns, id, &s->scratch); break;
    case MN_T_ARR: mn_a_not(s, id); break;
    default: mn_o_not(s, id);
    }
}

/* Push everything of the type that is in none of the alternatives. */
static void push_none_of(mn_schema *s, mn_form_type t, mn_span alternatives)
{
    uint32_t base = s->scratch.n;
    mn_vec_push(s->cx, &s->scratch, 1);
    for (uint32_t i = 0; i < alternatives.n; i++) {
        uint32_t others = s->scratch.n;
        push_not(s, t, s->ids.at[alternatives.off + i]);
        uint32_t product = s->scratch.n;
        for (uint32_t x = base; x < others; x++)
            for (uint32_t y = others; y < product; y++) {
                push_and(s, t, s->scratch.at[x], s->scratch.at[y]);
                if (s->scratch.n - product > 8 * MAX_ALTERNATIVES)
                    mn_cx_raise(s->cx, MINERVA_LIMIT, "schema: the complement of a value has more "
                                "than %d alternatives", MAX_ALTERNATIVES);
            }
        uint32_t n = settle(s, t, product);
        memmove(s->scratch.at + base, s->scratch.at + product, n * sizeof(uint32_t));
        s->scratch.n = base + n;
        if (!n) return;
    }
}

uint32_t mn_f_not(mn_schema *s, uint32_t a)
{
    uint32_t base = s->scratch.n, n[MN_T_COUNT];
    for (int t = 0; t < MN_T_COUNT; t++) {
        uint32_t start = s->scratch.n;
        push_none_of(s, (mn_form_type)t, s->forms.at[a].type[t]);
        n[t] = s->scratch.n - start;
    }
    return intern_form(s, s->forms.at[a].prims ^ MN_PRIM_ALL, base, n);
}

static bool pair_disjoint(mn_schema *s, mn_form_type t, uint32_t a, uint32_t b, int depth)
{
    if (a == 1 || b == 1 || a == b) return false;
    switch (t) {
    case MN_T_STR: return mn_ss_and(&s->ss, a, b) == MN_SS_NONE;
    case MN_T_NUM: return mn_ns_and(&s->ns, a, b) == MN_NS_NONE;
    case MN_T_ARR: return mn_a_disjoint(s, a, b, depth);
    default: return mn_o_disjoint(s, a, b, depth);
    }
}

bool mn_f_disjoint(mn_schema *s, uint32_t a, uint32_t b, int depth)
{
    if (a == MN_F_NONE || b == MN_F_NONE) return true;
    if (a == b || (s->forms.at[a].prims & s->forms.at[b].prims)) return false;
    for (int t = 0; t < MN_T_COUNT; t++) {
        mn_span x = s->forms.at[a].type[t], y = s->forms.at[b].type[t];
        for (uint32_t i = 0; i < x.n; i++)
            for (uint32_t j = 0; j < y.n; j++)
                if (!pair_disjoint(s, (mn_form_type)t, s->ids.at[x.off + i], s->ids.at[y.off + j], depth))
                    return false;
    }
    return true;
}
