/* Sets of numbers: algebra; see numset.h. */
#include "constrain/numset.h"

#include <stdio.h>
#include <stdlib.h>

static bool times_ten(uint64_t *m, uint32_t n)
{
    for (; n; n--) {
        if (*m > (UINT64_C(1) << 62) / 10) return false;
        *m *= 10;
    }
    return true;
}

/* Both in units of 10^-s; false: too large. */
static bool align(mn_step *a, mn_step *b)
{
    uint32_t s = a->s > b->s ? a->s : b->s;
    if (!times_ten(&a->m, s - a->s) || !times_ten(&b->m, s - b->s)) return false;
    a->s = b->s = s;
    return true;
}

static mn_step reduce(mn_step a)
{
    while (a.s && a.m % 10 == 0) a.m /= 10, a.s--;
    return a;
}

_Noreturn static void too_fine(mn_numsets *ns)
{
    mn_cx_raise(ns->cx, MINERVA_LIMIT, "multipleOf: steps of up to 18 digits expected");
}

static mn_step common_multiple(mn_numsets *ns, mn_step a, mn_step b)
{
    if (!a.m) return b;
    if (!b.m) return a;
    if (!align(&a, &b)) too_fine(ns);
    uint64_t g = mn_gcd(a.m, b.m);
    if (a.m / g > (UINT64_C(1) << 62) / b.m) too_fine(ns);
    return reduce((mn_step){ a.m / g * b.m, a.s });
}

/* Is every multiple of a one of b? */
static bool step_within(mn_step a, mn_step b) { return a.m && align(&a, &b) && a.m % b.m == 0; }

static bool is_multiple(const mn_dec *x, mn_step step)
{
    if (!x->n) return true;
    /* x = digits * 10^(top - n); remainder of x * 10^s by m. */
    int64_t shift = (int64_t)x->top - x->n + step.s;
    if (shift < 0) return false;    /* digits below the unit; the last one is not 0 */
    unsigned __int128 r = 0;
    for (uint32_t i = 0; i < x->n; i++)
        r = (r * 10 + (unsigned)(x->digits[i] - '0')) % step.m;
    uint64_t ten = 10 % step.m, power = 1 % step.m;
    for (uint64_t e = (uint64_t)shift; e; e >>= 1) {
        if (e & 1) power = (uint64_t)((unsigned __int128)power * ten % step.m);
        ten = (uint64_t)((unsigned __int128)ten * ten % step.m);
    }
    return (unsigned __int128)r * power % step.m == 0;
}

void mn_ns_init(mn_numsets *ns, mn_cx *cx, mn_strsets *ss)
{
    *ns = (mn_numsets){ .cx = cx, .ss = ss };
    mn_numset none = { .points = true };
    mn_vec_push(cx, &ns->sets, none);
    mn_ns_range(ns, &(mn_numset){ 0 });
    mn_ns_range(ns, &(mn_numset){ .step = { 1, 0 } });
}

void mn_ns_clear(mn_numsets *ns)
{
    if (!ns->cx) return;
    mn_num_clear(ns);
    mn_vec_clear(ns->cx, &ns->sets);
    mn_vec_clear(ns->cx, &ns->points);
    mn_intern_clear(ns->cx, &ns->set_set);
    *ns = (mn_numsets){ 0 };
}

static bool in_range(const mn_numset *s, const mn_dec *x)
{
    int c;
    if (s->has_lo && ((c = mn_dec_cmp(x, &s->lo)) < 0 || (c == 0 && s->lo_open))) return false;
    if (s->has_hi && ((c = mn_dec_cmp(x, &s->hi)) > 0 || (c == 0 && s->hi_open))) return false;
    if (s->step.m && !is_multiple(x, s->step)) return false;
    for (uint32_t i = 0; i < s->n_except; i++)
        if (is_multiple(x, s->except[i])) return false;
    return true;
}

bool mn_ns_has(mn_numsets *ns, uint32_t a, const mn_dec *x)
{
    const mn_numset *s = &ns->sets.at[a];
    if (!s->points) return in_range(s, x);
    uint32_t lo = s->first, hi = s->first + s->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int c = mn_dec_cmp(&ns->points.at[mid], x);
        if (!c) return true;
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return false;
}

static bool same_dec(const mn_dec *a, const mn_dec *b) { return !mn_dec_cmp(a, b); }

static bool same_range(const mn_numset *a, const mn_numset *b)
{
    if (a->points || a->has_lo != b->has_lo || a->has_hi != b->has_hi || a->lo_open != b->lo_open
        || a->hi_open != b->hi_open || a->step.m != b->step.m || a->step.s != b->step.s
        || a->n_except != b->n_except) return false;
    if (a->has_lo && !same_dec(&a->lo, &b->lo)) return false;
    if (a->has_hi && !same_dec(&a->hi, &b->hi)) return false;
    for (uint32_t i = 0; i < a->n_except; i++)
        if (a->except[i].m != b->except[i].m || a->except[i].s != b->except[i].s) return false;
    return true;
}

static uint64_t range_hash(const mn_numset *s)
{
    uint64_t h = mn_mix(s->has_lo | s->has_hi << 1 | s->lo_open << 2 | s->hi_open << 3, s->step.m);
    h = mn_mix(h, s->step.s);
    if (s->has_lo) h = mn_mix(h, mn_dec_hash(&s->lo));
    if (s->has_hi) h = mn_mix(h, mn_dec_hash(&s->hi));
    for (uint32_t i = 0; i < s->n_except; i++) h = mn_mix(mn_mix(h, s->except[i].m), s->except[i].s);
    return h;
}

/* ---- multiples within bounds ----------------------------------------------------------- */

/* floor or ceiling of x / 10^-s as an integer of at most 36 digits; false: larger. */
static bool to_units(const mn_dec *x, uint32_t s, bool up, __int128 *out)
{
    if ((int64_t)x->top + s > 36) return false;
    __int128 v = 0;
    int64_t n = (int64_t)x->top + s;
    for (int64_t i = 0; i < n; i++) v = v * 10 + (mn_dec_digit(x, i) - '0');
    bool rest = x->n && (int64_t)x->n > n;
    if (x->negative) v = -v;
    if (rest && up && !x->negative) v++;
    if (rest && !up && x->negative) v--;
    *out = v;
    return true;
}

static __int128 floor_div(__int128 a, __int128 b)
{
    __int128 q = a / b;
    return a % b < 0 ? q - 1 : q;
}

/* Is there a multiple of the step in the bounds that is no multiple of the excepted? */
static bool has_multiple(mn_numsets *ns, const mn_numset *s)
{
    for (uint32_t i = 0; i < s->n_except; i++)
        if (step_within(s->step, s->except[i])) return false;
    if (!s->has_lo || !s->has_hi) return true;
    __int128 lo, hi;
    if (!to_units(&s->lo, s->step.s, true, &lo) || !to_units(&s->hi, s->step.s, false, &hi))
        return mn_dec_cmp(&s->lo, &s->hi) < 0;
    if (s->lo_open && is_multiple(&s->lo, (mn_step){ 1, s->step.s })) lo++;
    if (s->hi_open && is_multiple(&s->hi, (mn_step){ 1, s->step.s })) hi--;
    __int128 first = floor_div(lo + (__int128)s->step.m - 1, s->step.m) * s->step.m;
    if (first > hi) return false;
    if (!s->n_except) return true;
    for (int tries = 0; first <= hi && tries < 100000; tries++, first += s->step.m) {
        bool out = false;
        for (uint32_t i = 0; i < s->n_except; i++) {
            mn_step unit = { 1, s->step.s }, e = s->except[i];
            if (!align(&unit, &e)) too_fine(ns);
            /* first * 10^-s in units of 10^-unit.s is first * unit.m */
            out |= first % (__int128)e.m * (__int128)(unit.m % e.m) % (__int128)e.m == 0;
        }
        if (!out) return true;
    }
    return first <= hi;
}

static bool is_empty(mn_numsets *ns, const mn_numset *s)
{
    if (s->has_lo && s->has_hi) {
        int c = mn_dec_cmp(&s->lo, &s->hi);
        if (c > 0 || (c == 0 && (s->lo_open || s->hi_open))) return true;
        if (c == 0) {
            return !in_range(s, &s->lo);
        }
    }
    return s->step.m && !has_multiple(ns, s);
}

uint32_t mn_ns_range(mn_numsets *ns, const mn_numset *set)
{
    mn_numset s = *set;
    if (!s.has_lo) s.lo = (mn_dec){ .digits = "" }, s.lo_open = false;
    if (!s.has_hi) s.hi = (mn_dec){ .digits = "" }, s.hi_open = false;
    if (is_empty(ns, &s)) return MN_NS_NONE;
    if (s.has_lo && s.has_hi && same_dec(&s.lo, &s.hi)) return mn_ns_points(ns, &s.lo, 1);
    /* Excepted steps: sorted, and none that another one covers. */
    for (uint32_t i = 0; i < s.n_except; i++)
        for (uint32_t j = 0; j < s.n_except; j++)
            if (i != j && step_within(s.except[i], s.except[j])) {
                s.except[i--] = s.except[--s.n_except];
                break;
            }
    for (uint32_t i = 1; i < s.n_except; i++)
        for (uint32_t j = i; j && s.except[j].m < s.except[j - 1].m; j--) {
            mn_step swap = s.except[j];
            s.except[j] = s.except[j - 1];
            s.except[j - 1] = swap;
        }
    uint64_t hash = range_hash(&s);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&ns->set_set, hash);
         mn_intern_next(&ns->set_set, &k, &i);)
        if (same_range(&ns->sets.at[i], &s)) return i;
    mn_vec_push(ns->cx, &ns->sets, s);
    mn_intern_add(ns->cx, &ns->set_set, hash, ns->sets.n - 1);
    return ns->sets.n - 1;
}

/* ---- points ---------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b) { return mn_dec_cmp(a, b); }

/* Plain digits, with a point where one is needed. */
static mn_text plain_text(mn_numsets *ns, const mn_dec *d)
{
    int64_t int_digits = d->top > 0 ? d->top : 0, zeros = d->top < 0 ? -(int64_t)d->top : 0;
    int64_t frac = (int64_t)d->n - d->top > 0 ? (int64_t)d->n - d->top : 0;
    if (!d->n) frac = 0;
    char *out = mn_cx_alloc(ns->cx, (size_t)(int_digits + frac + 8), 1), *p = out;
    if (d->negative) *p++ = '-';
    for (int64_t i = 0; i < int_digits; i++) *p++ = mn_dec_digit(d, i);
    if (!int_digits) *p++ = '0';
    if (frac) *p++ = '.';
    for (int64_t i = 0; i < zeros && i < frac; i++) *p++ = '0';
    for (int64_t i = d->top > 0 ? d->top : 0; i < d->n; i++) *p++ = d->digits[i];
    return (mn_text){ out, (uint32_t)(p - out) };
}

/* d.ddde+xx in the ways serialisers write it: e+16, e16, e-07, e-7. */
static uint32_t exponent_texts(mn_numsets *ns, const mn_dec *d, mn_text out[4])
{
    int x = d->top - 1;
    uint32_t n = 0;
    static const char *const form[2][2] = { { "e+%02d", "e%d" }, { "e-%02d", "e-%d" } };
    for (int i = 0; i < 2; i++) {
        char *s = mn_cx_alloc(ns->cx, d->n + 20u, 1), *p = s;
        if (d->negative) *p++ = '-';
        *p++ = d->digits[0];
        if (d->n > 1) {
            *p++ = '.';
            memcpy(p, d->digits + 1, d->n - 1);
            p += d->n - 1;
        }
        p += snprintf(p, 16, form[x < 0][i], x < 0 ? -x : x);
        out[n++] = (mn_text){ s, (uint32_t)(p - s) };
    }
    return n;
}

uint32_t mn_ns_points(mn_numsets *ns, const mn_dec *points, uint32_t n)
{
    if (!n) return MN_NS_NONE;
    mn_dec *p = mn_cx_alloc(ns->cx, n, sizeof *p);
    memcpy(p, points, n * sizeof *p);
    if (n > 1) qsort(p, n, sizeof *p, by_value);
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!k || mn_dec_cmp(&p[k - 1], &p[i])) p[k++] = p[i];
    uint64_t hash = 77;
    for (uint32_t i = 0; i < k; i++) hash = mn_mix(hash, mn_dec_hash(&p[i]));
    uint32_t at;
    for (mn_intern_seek q = mn_intern_begin(&ns->set_set, hash);
         mn_intern_next(&ns->set_set, &q, &at);) {
        const mn_numset *o = &ns->sets.at[at];
        if (!o->points || o->n != k) continue;
        uint32_t i = 0;
        while (i < k && same_dec(&ns->points.at[o->first + i], &p[i])) i++;
        if (i == k) return at;
    }
    mn_numset set = { .points = true, .first = ns->points.n, .n = k };
    mn_text *texts = mn_cx_alloc(ns->cx, k * (size_t)3 + 1, sizeof *texts);
    uint32_t m = 0;
    for (uint32_t i = 0; i < k; i++) {
        bool near = p[i].top > -400 && p[i].top < 400;
        if (!p[i].n) texts[m++] = (mn_text){ "-0", 2 };
        if (near) texts[m++] = plain_text(ns, &p[i]);
        if (!near || p[i].top > 16 || p[i].top < -3) m += exponent_texts(ns, &p[i], texts + m);
    }
    set.litset = mn_ss_litset(ns->ss, texts, m);
    mn_vec_reserve(ns->cx, &ns->points, k);
    memcpy(ns->points.at + ns->points.n, p, k * sizeof *p);
    ns->points.n += k;
    mn_vec_push(ns->cx, &ns->sets, set);
    mn_intern_add(ns->cx, &ns->set_set, hash, ns->sets.n - 1);
    return ns->sets.n - 1;
}

/* ---- intersection and complement ------------------------------------------------------ */

static uint32_t filter(mn_numsets *ns, uint32_t points, uint32_t by)
{
    mn_numset s = ns->sets.at[points];
    mn_dec *kept = mn_cx_alloc(ns->cx, s.n, sizeof *kept);
    uint32_t k = 0;
    for (uint32_t i = 0; i < s.n; i++) {
        mn_dec d = ns->points.at[s.first + i];
        if (mn_ns_has(ns, by, &d)) kept[k++] = d;
    }
    return k == s.n ? points : mn_ns_points(ns, kept, k);
}

uint32_t mn_ns_and(mn_numsets *ns, uint32_t a, uint32_t b)
{
    if (a == b || b == MN_NS_ALL) return a;
    if (a == MN_NS_ALL) return b;
    if (!a || !b) return MN_NS_NONE;
    if (ns->sets.at[a].points) return filter(ns, a, b);
    if (ns->sets.at[b].points) return filter(ns, b, a);
    mn_numset x = ns->sets.at[a], y = ns->sets.at[b];
    int c;
    if (y.has_lo && (!x.has_lo || (c = mn_dec_cmp(&y.lo, &x.lo)) > 0 || (!c && y.lo_open)))
        x.has_lo = true, x.lo = y.lo, x.lo_open = y.lo_open;
    if (y.has_hi && (!x.has_hi || (c = mn_dec_cmp(&y.hi, &x.hi)) < 0 || (!c && y.hi_open)))
        x.has_hi = true, x.hi = y.hi, x.hi_open = y.hi_open;
    x.step = common_multiple(ns, x.step, y.step);
    for (uint32_t i = 0; i < y.n_except; i++) {
        bool covered = false;
        for (uint32_t j = 0; j < x.n_except; j++) covered |= step_within(y.except[i], x.except[j]);
        if (covered) continue;
        if (x.n_except == MN_NUM_EXCEPT)
            mn_cx_raise(ns->cx, MINERVA_UNSUPPORTED, "multipleOf: at most %d negated steps on one "
                        "number expected", MN_NUM_EXCEPT);
        x.except[x.n_except++] = y.except[i];
    }
    return mn_ns_range(ns, &x);
}

static void not_points(mn_numsets *ns, const mn_numset *s, mn_u32s *out)
{
    if (s->n > 64)
        mn_cx_raise(ns->cx, MINERVA_UNSUPPORTED, "not: at most 64 numbers can be excluded");
    for (uint32_t i = 0; i <= s->n; i++) {
        mn_numset gap = { 0 };
        if (i) gap.has_lo = gap.lo_open = true, gap.lo = ns->points.at[s->first + i - 1];
        if (i < s->n) gap.has_hi = gap.hi_open = true, gap.hi = ns->points.at[s->first + i];
        uint32_t id = mn_ns_range(ns, &gap);
        if (id) mn_vec_push(ns->cx, out, id);
    }
}

void mn_ns_not(mn_numsets *ns, uint32_t a, mn_u32s *out)
{
    mn_numset s = ns->sets.at[a];
    if (a == MN_NS_NONE) {
        mn_vec_push(ns->cx, out, MN_NS_ALL);
        return;
    }
    if (s.points) {
        not_points(ns, &s, out);
        return;
    }
    mn_numset part[2 + 1 + MN_NUM_EXCEPT];
    uint32_t n = 0;
    if (s.has_lo) part[n++] = (mn_numset){ .has_hi = true, .hi = s.lo, .hi_open = !s.lo_open };
    if (s.has_hi) part[n++] = (mn_numset){ .has_lo = true, .lo = s.hi, .lo_open = !s.hi_open };
    if (s.step.m) part[n++] = (mn_numset){ .n_except = 1, .except = { s.step } };
    for (uint32_t i = 0; i < s.n_except; i++) part[n++] = (mn_numset){ .step = s.except[i] };
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = mn_ns_range(ns, &part[i]);
        if (id) mn_vec_push(ns->cx, out, id);
    }
}
