/* Numbers byte by byte; see numset.h.
 *
 * A sign chooses one of two shapes of the set: the bounds a <= |x| <= b on the magnitude.
 * While digits arrive, the state keeps of the number |x| = 0.d1d2d3... * 10^top
 *
 *   ca, cb    how d1..dp compare with the first p digits of a and b; p while one is even
 *   n         before the point: digits so far, so top >= n;  behind it: top itself
 *   zeros     0.000: zeros behind the point, no other digit yet
 *   f, r      digits behind the point up to the scale S of the set's steps, and the
 *             remainder of all digits by L, the least common multiple of the steps
 *
 * and live() asks whether some number of the set can still be reached, trying every
 * length that the integer part can have; for steps, the digits to come are an interval of
 * integers, in which a number of the right remainder is looked for.
 */
#include <limits.h>

#include "constrain/lexer.h"
#include "constrain/numset.h"

/* Nothing that overflows a double, or goes on for ever: digits before the point, behind
 * it, powers of ten.  Where being a multiple matters, no more digits than a double holds,
 * so that validators which count in doubles come to the same result. */
enum { INT_DIGITS = 100, FRAC_DIGITS = 100, EXP_MIN = -300, EXP_MAX = 308, EXACT_DIGITS = 15 };

typedef struct {
    bool possible;
    bool a_open, has_b, b_open;
    mn_dec a, b;
    int32_t a_top, b_top;       /* INT_MIN for zero */
} magnitude;

typedef struct {
    magnitude mag[2];           /* positive, negative */
    bool step;                  /* must be a multiple of something */
    uint32_t scale;             /* S */
    uint64_t lcm;               /* L */
    uint32_t n_good;            /* remainders that are right; 0 with step: only 0 */
    uint32_t *good;
    uint32_t n_except;
    uint64_t except[MN_NUM_EXCEPT];     /* in units of 10^-S */
    int32_t int_digits[2], frac_digits; /* at most so many */
} shape;

typedef enum {
    START, SIGN, ZERO, INT, DOT, FRAC, E, ESIGN, EDIGITS,       /* with bounds */
    F_START, F_SIGN, F_ZERO, F_INT, F_DOT, F_FRAC,              /* free */
    TEXT, ZEROS_DOT, ZEROS                                      /* points */
} phase;

typedef struct {
    uint8_t phase;
    bool negative, beyond, mantissa;    /* mantissa: an exponent may follow */
    int8_t ca, cb;
    uint32_t set;               /* shape; TEXT: lexer state */
    int32_t n;                  /* digits or top; EDIGITS: smallest exponent allowed */
    int32_t zeros;              /* EDIGITS: largest exponent allowed */
    uint32_t p, f;              /* EDIGITS: value, digits */
    int32_t k;                  /* digits written before the point, then behind it */
    uint64_t r;
} num_state;

typedef struct { uint32_t next[14]; bool accepting; } num_row;

struct mn_num_tables {
    mn_lexer lx;                /* over the points' spellings */
    MN_VEC(shape) shapes;
    MN_VEC(num_state) states;
    MN_VEC(num_row) rows;
    mn_intern state_set;
};
typedef struct mn_num_tables tables;

static tables *tables_of(mn_numsets *ns)
{
    if (!ns->tables) {
        tables *t = mn_cx_alloc(ns->cx, 1, sizeof *t);
        ns->tables = t;
        mn_lex_init(&t->lx, ns->cx, ns->ss->rx, ns->ss);
        num_state none = { 0 };
        num_row row = { 0 };
        mn_vec_push(ns->cx, &t->states, none);
        mn_vec_push(ns->cx, &t->rows, row);
    }
    return ns->tables;
}

void mn_num_clear(mn_numsets *ns)
{
    tables *t = ns->tables;
    if (!t) return;
    mn_lex_clear(&t->lx);
    mn_vec_clear(ns->cx, &t->shapes);
    mn_vec_clear(ns->cx, &t->states);
    mn_vec_clear(ns->cx, &t->rows);
    mn_intern_clear(ns->cx, &t->state_set);
    ns->tables = NULL;
}

/* ---- shapes ---------------------------------------------------------------------------- */

/* The bounds of |x| for one sign, from lo <= x <= hi on the line turned so that x >= 0. */
static magnitude make_magnitude(bool has_lo, mn_dec lo, bool lo_open, bool has_hi, mn_dec hi,
                                bool hi_open)
{
    magnitude m = { .possible = true, .a = { .digits = "" }, .b = { .digits = "" },
                    .a_top = INT_MIN, .b_top = INT_MIN };
    if (has_hi) {
        if (hi.negative || (!hi.n && hi_open)) m.possible = false;
        m.has_b = true;
        m.b = hi;
        m.b_open = hi_open;
        if (hi.n) m.b_top = hi.top;
    }
    if (has_lo && !lo.negative) {
        m.a = lo;
        m.a_open = lo_open;
        if (lo.n) m.a_top = lo.top;
    }
    return m;
}

static mn_dec turned(mn_dec d)
{
    if (d.n) d.negative = !d.negative;
    return d;
}

static uint64_t power10(uint32_t n)
{
    uint64_t v = 1;
    while (n--) v *= 10;
    return v;
}

static uint64_t lcm(mn_numsets *ns, uint64_t a, uint64_t b)
{
    uint64_t g = mn_gcd(a, b);
    if (a / g > (UINT64_C(1) << 58) / b)
        mn_cx_raise(ns->cx, MINERVA_LIMIT, "multipleOf: steps of up to 17 digits expected");
    return a / g * b;
}

static uint64_t in_units(mn_numsets *ns, mn_step step, uint32_t scale)
{
    if (scale - step.s > 17 || step.m > (UINT64_C(1) << 58) / power10(scale - step.s))
        mn_cx_raise(ns->cx, MINERVA_LIMIT, "multipleOf: steps of up to 17 digits expected");
    return step.m * power10(scale - step.s);
}

static void find_good(mn_numsets *ns, shape *s, uint64_t step)
{
    if (s->lcm > 1 << 16)
        mn_cx_raise(ns->cx, MINERVA_UNSUPPORTED, "multipleOf: negated steps with a common multiple "
                    "of at most 65,536 units expected");
    s->good = mn_cx_alloc(ns->cx, (size_t)s->lcm, sizeof *s->good);
    for (uint64_t r = 0; r < s->lcm; r += step) {
        bool out = false;
        for (uint32_t i = 0; i < s->n_except; i++) out |= r % s->except[i] == 0;
        if (!out) s->good[s->n_good++] = (uint32_t)r;
    }
}

static uint32_t make_shape(mn_numsets *ns, const mn_numset *set)
{
    shape s = { .lcm = 1 };
    mn_numset x = *set;
    /* A closed bound that a step excludes is an open one. */
    if (x.has_lo && !x.lo_open && x.n_except) x.lo_open = !mn_ns_has(ns, (uint32_t)(set - ns->sets.at), &x.lo);
    if (x.has_hi && !x.hi_open && x.n_except) x.hi_open = !mn_ns_has(ns, (uint32_t)(set - ns->sets.at), &x.hi);
    s.mag[0] = make_magnitude(x.has_lo, x.lo, x.lo_open, x.has_hi, x.hi, x.hi_open);
    s.mag[1] = make_magnitude(x.has_hi, turned(x.hi), x.hi_open, x.has_lo, turned(x.lo), x.lo_open);
    s.step = x.step.m != 0;
    s.scale = x.step.s;
    for (uint32_t i = 0; i < x.n_except; i++)
        if (x.except[i].s > s.scale) s.scale = x.except[i].s;
    uint64_t step = 1;
    if (s.step) s.lcm = step = in_units(ns, x.step, s.scale);
    s.n_except = x.n_except;
    for (uint32_t i = 0; i < x.n_except; i++) {
        s.except[i] = in_units(ns, x.except[i], s.scale);
        s.lcm = lcm(ns, s.lcm, s.except[i]);
    }
    if (s.step && s.n_except) find_good(ns, &s, step);
    bool exact = s.n_except || (s.step && (s.lcm != 1 || s.scale));
    for (int i = 0; i < 2; i++) {
        int32_t least = s.mag[i].a_top > 0 ? s.mag[i].a_top + 1 : 1;
        int32_t most = !exact ? INT_DIGITS : EXACT_DIGITS - (int32_t)s.scale - (s.step ? 0 : 3);
        s.int_digits[i] = most > least ? most : least;
    }
    s.frac_digits = FRAC_DIGITS + (int32_t)s.scale;
    if (s.n_except && !s.step)      /* all digits together */
        s.frac_digits = s.scale + 3 > EXACT_DIGITS ? (int32_t)s.scale + 3 : EXACT_DIGITS;
    mn_vec_push(ns->cx, &ns->tables->shapes, s);
    return ns->tables->shapes.n;
}

/* ---- is there a way on? ------------------------------------------------------------------ */

typedef struct {
    const shape *s;
    const magnitude *m;
    const num_state *x;
} view;

static bool is_zero(const num_state *x) { return x->zeros >= 0; }

/* Some real number with this top, beginning with the digits so far, is within bounds. */
static bool real_at(const view *v, int64_t top)
{
    const magnitude *m = v->m;
    if (m->a.n && (top < m->a_top || (top == m->a_top && v->x->ca < 0))) return false;
    if (!m->has_b || top < m->b_top) return true;
    if (top > m->b_top) return false;
    return v->x->cb < 0 || (v->x->cb == 0 && !(v->x->p >= m->b.n && m->b_open));
}

static bool ends(const tables *t, const num_state *x);

static bool real_live(const tables *t, const view *v)
{
    const magnitude *m = v->m;
    const num_state *x = v->x;
    if (v->s->n_except && x->phase == FRAC && x->k >= v->s->frac_digits) return ends(t, x);
    if (is_zero(x)) {
        if (!m->a.n) return !m->a_open || !m->has_b || m->b.n;
        return m->a_top <= -x->zeros;
    }
    int64_t tries[] = { x->n, m->a_top, (int64_t)m->a_top + 1, (int64_t)m->b_top - 1, m->b_top };
    if (x->phase == INT) {
        for (int i = 0; i < 5; i++)
            if (tries[i] >= x->n && real_at(v, tries[i])) return true;
    } else if (real_at(v, x->n)) {
        return true;
    }
    if (!x->mantissa || v->s->n_except) return false;
    for (int i = 0; i < 5; i++)
        if (tries[i] - 1 >= EXP_MIN && tries[i] - 1 < EXP_MAX && real_at(v, tries[i])) return true;
    return false;
}

/* t digits of d from its digit `from` on as an integer; *more: others than 0 follow. */
static __int128 tail(const mn_dec *d, uint32_t from, uint32_t t, bool *more)
{
    __int128 v = 0;
    for (uint32_t i = 0; i < t; i++) v = v * 10 + (mn_dec_digit(d, (int64_t)from + i) - '0');
    *more = (uint64_t)from + t < d->n;
    return v;
}

/* Is there a number in [lo, hi] that, put behind digits of remainder r, is right? */
static bool has_right(const shape *s, uint64_t r, uint32_t t, __int128 lo, __int128 hi)
{
    if (lo > hi) return false;
    uint64_t shifted = r;
    for (uint32_t i = 0; i < t; i++) shifted = (uint64_t)((unsigned __int128)shifted * 10 % s->lcm);
    uint64_t at = (uint64_t)(((unsigned __int128)shifted + (unsigned __int128)(lo % s->lcm)) % s->lcm);
    for (uint32_t i = 0; i < (s->n_good ? s->n_good : 1); i++) {
        uint64_t good = s->n_good ? s->good[i] : 0;
        uint64_t gap = (good + s->lcm - at) % s->lcm;
        if (lo + (__int128)gap <= hi) return true;
    }
    return false;
}

/* A multiple with this top, t digits still to come. */
static bool step_at(const view *v, int64_t top, uint32_t t)
{
    const magnitude *m = v->m;
    const num_state *x = v->x;
    if (t > 36) return real_at(v, top);
    __int128 lo = 0, hi = 1;
    bool more;
    for (uint32_t i = 0; i < t; i++) hi *= 10;
    hi--;
    if (m->a.n) {
        if (top < m->a_top || (top == m->a_top && x->ca < 0)) return false;
        if (top == m->a_top && x->ca == 0) {
            lo = tail(&m->a, x->p, t, &more);
            if (more || m->a_open) lo++;
        }
    }
    if (m->has_b) {
        if (top > m->b_top || (top == m->b_top && x->cb > 0)) return false;
        if (top == m->b_top && x->cb == 0) {
            hi = tail(&m->b, x->p, t, &more);
            if (!more && m->b_open) hi--;
        }
    }
    return has_right(v->s, x->r, t, lo, hi);
}

/* The number is 0.000: everything is still to come, t digits of it. */
static bool step_from_zero(const view *v, uint32_t t)
{
    const magnitude *m = v->m;
    __int128 lo = m->a_open && !m->a.n ? 1 : 0, hi = 1;
    if (t > 36) return true;
    for (uint32_t i = 0; i < t; i++) hi *= 10;
    hi--;
    /* Bounds in units of 10^-S; one that is past hi's digits needs no number. */
    int64_t a_digits = m->a.n ? (int64_t)m->a_top + v->s->scale : 0;
    if (a_digits > (int64_t)t) return false;
    bool more;
    if (m->a.n) {
        lo = a_digits > 0 ? tail(&m->a, 0, (uint32_t)a_digits, &more) : 0;
        if (a_digits <= 0) more = true;
        if (more || m->a_open) lo++;
    }
    int64_t b_digits = m->b.n ? (int64_t)m->b_top + v->s->scale : 0;
    if (m->has_b && b_digits <= (int64_t)t) {
        __int128 b = b_digits > 0 ? tail(&m->b, 0, (uint32_t)b_digits, &more) : 0;
        if (b_digits <= 0) more = m->b.n != 0;
        if (!more && m->b_open) b--;
        if (b < hi) hi = b;
    }
    return has_right(v->s, 0, t, lo, hi);
}

/* Smallest exponent from which d * 10^x is a multiple; -1: none. */
static int first_exponent(const view *v)
{
    if (v->s->n_good || v->s->n_except) return -1;
    uint64_t r = v->x->r;
    for (uint32_t i = 0; i < v->s->scale; i++) r = (uint64_t)((unsigned __int128)r * 10 % v->s->lcm);
    for (int x = 0; x <= 64; x++) {
        if (r == 0) return x;
        r = (uint64_t)((unsigned __int128)r * 10 % v->s->lcm);
    }
    return -1;
}

static int compare_all(int8_t c, uint32_t p, const mn_dec *d)
{
    return c ? c : p < d->n ? -1 : 0;
}

/* Exponents that bring the mantissa into the bounds; false: none. */
static bool exponents(const view *v, int *min, int *max)
{
    const magnitude *m = v->m;
    const num_state *x = v->x;
    if (!x->mantissa || v->s->n_except || is_zero(x)) return false;
    int64_t lo = EXP_MIN, hi = EXP_MAX - 1;
    if (m->a.n) {
        int c = compare_all(x->ca, x->p, &m->a);
        int64_t least = (int64_t)m->a_top - 1 + (c < 0 || (c == 0 && m->a_open));
        if (least > lo) lo = least;
    }
    if (m->has_b) {
        if (!m->b.n) return false;
        int c = compare_all(x->cb, x->p, &m->b);
        int64_t most = (int64_t)m->b_top - 1 - (c > 0 || (c == 0 && m->b_open));
        if (most < hi) hi = most;
    }
    if (v->s->step) {
        int least = x->phase == INT ? first_exponent(v) : -1;
        if (least < 0) return false;
        if (least > lo) lo = least;
    }
    *min = (int)lo;
    *max = (int)hi;
    return lo <= hi;
}

static bool step_live(const tables *t, const view *v)
{
    const num_state *x = v->x;
    uint32_t left = v->s->scale - x->f;
    if (is_zero(x)) return step_from_zero(v, left);
    if (x->phase != INT) return step_at(v, x->n, left);
    int64_t most = v->m->has_b ? v->m->b_top : (v->m->a_top > x->n ? v->m->a_top : x->n) + 24;
    int64_t room = v->s->int_digits[x->negative] - x->k;
    for (int64_t n = x->n; n <= most && n - x->n <= room; n++) {
        if (n - x->n + left > 36) return real_live(t, v);
        if (step_at(v, n, (uint32_t)(n - x->n) + left)) return true;
    }
    int lo, hi;
    return exponents(v, &lo, &hi);
}

static view view_of(const tables *t, const num_state *x)
{
    const shape *s = &t->shapes.at[x->set - 1];
    return (view){ s, &s->mag[x->negative], x };
}

static bool exp_live(const num_state *x)
{
    /* Values that 0, 1, 2, ... more digits can make. */
    int64_t lo = x->p, hi = x->p;
    for (uint32_t d = x->f; d <= 3; d++) {
        if (d > 0) {
            int64_t a = x->negative ? -hi : lo, b = x->negative ? -lo : hi;
            if (a <= x->zeros && b >= x->n) return true;
        }
        lo *= 10;
        hi = hi * 10 + 9;
    }
    return false;
}

static bool live(const tables *t, const num_state *x)
{
    switch ((phase)x->phase) {
    case EDIGITS:
    case ESIGN: return exp_live(x);
    case E: return x->n <= x->zeros;
    case ZERO: case INT: case DOT: case FRAC: {
        view v = view_of(t, x);
        return v.s->step ? step_live(t, &v) : real_live(t, &v);
    }
    default: return true;
    }
}

/* ---- does the number end here? ------------------------------------------------------------ */

static bool right_remainder(const shape *s, const num_state *x)
{
    if (s->lcm == 1 && !s->n_except) return true;
    uint64_t r = x->r;
    for (uint32_t i = x->f; i < s->scale; i++) r = (uint64_t)((unsigned __int128)r * 10 % s->lcm);
    if (s->n_good) {
        for (uint32_t i = 0; i < s->n_good; i++)
            if (s->good[i] == r) return true;
        return false;
    }
    if (s->step) return r == 0;
    if (x->beyond) return true;
    for (uint32_t i = 0; i < s->n_except; i++)
        if (r % s->except[i] == 0) return false;
    return true;
}

static bool ends(const tables *t, const num_state *x)
{
    switch ((phase)x->phase) {
    case EDIGITS: {
        int64_t e = x->negative ? -(int64_t)x->p : x->p;
        return x->f > 0 && e >= x->n && e <= x->zeros;
    }
    case F_ZERO: case F_INT: case F_FRAC: case ZEROS: return true;
    case TEXT: return t->lx.states.at[x->set].accepting || x->n == 2;
    case ZERO: case INT: case FRAC: break;
    default: return false;
    }
    view v = view_of(t, x);
    const magnitude *m = v.m;
    if (!right_remainder(v.s, x)) return false;
    if (is_zero(x)) return !m->a.n && !m->a_open && !(m->has_b && !m->b.n && m->b_open);
    if (m->a.n) {
        int c = x->n != m->a_top ? (x->n < m->a_top ? -1 : 1) : compare_all(x->ca, x->p, &m->a);
        if (c < 0 || (c == 0 && m->a_open)) return false;
    }
    if (m->has_b) {
        int c = x->n != m->b_top ? (x->n < m->b_top ? -1 : 1) : compare_all(x->cb, x->p, &m->b);
        if (c > 0 || (c == 0 && m->b_open)) return false;
    }
    return true;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static uint32_t intern_state(mn_numsets *ns, num_state x)
{
    tables *t = ns->tables;
    uint64_t hash = mn_mix((uint64_t)x.phase | (uint64_t)x.negative << 8 | (uint64_t)x.beyond << 9
                           | (uint64_t)x.mantissa << 10 | (uint64_t)(uint8_t)x.ca << 16
                           | (uint64_t)(uint8_t)x.cb << 24 | (uint64_t)x.set << 32,
                           (uint64_t)(uint32_t)x.n << 32 | (uint32_t)x.zeros);
    hash = mn_mix(mn_mix(hash, (uint64_t)x.p << 32 | x.f), x.r ^ (uint64_t)x.k << 40);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&t->state_set, hash);
         mn_intern_next(&t->state_set, &k, &i);) {
        const num_state *o = &t->states.at[i];
        if (o->phase == x.phase && o->negative == x.negative && o->beyond == x.beyond
            && o->mantissa == x.mantissa && o->ca == x.ca && o->cb == x.cb && o->set == x.set
            && o->n == x.n && o->zeros == x.zeros && o->p == x.p && o->f == x.f && o->r == x.r
            && o->k == x.k)
            return i;
    }
    if (t->states.n >= 250000)
        mn_cx_raise(ns->cx, MINERVA_LIMIT, "numbers need more than 250,000 states");
    num_row row = { .accepting = ends(t, &x) };
    memset(row.next, 0xFF, sizeof row.next);
    mn_vec_push(ns->cx, &t->states, x);
    mn_vec_push(ns->cx, &t->rows, row);
    mn_intern_add(ns->cx, &t->state_set, hash, t->states.n - 1);
    return t->states.n - 1;
}

/* Forget what cannot matter any more. */
static void simplify(const view *v, num_state *x)
{
    const magnitude *m = v->m;
    if (!m->a.n) x->ca = 1;
    if (!m->has_b) x->cb = -1;
    if (x->phase == INT) {
        if (x->n > m->a_top && !x->mantissa) x->ca = 1;
        int32_t cap = m->a_top > m->b_top ? m->a_top : m->b_top;
        cap = (cap > 1 ? cap : 1) + 1;
        if (x->n > cap) x->n = cap;
    } else if (!is_zero(x) && !x->mantissa) {
        /* The top is final, so the order is known where tops differ. */
        if (m->a.n && x->n != m->a_top) x->ca = x->n > m->a_top ? 1 : -1;
        if (m->has_b && x->n != m->b_top) x->cb = x->n > m->b_top ? 1 : -1;
        if (x->ca < 0 || x->cb > 0) return;     /* dead; live() will say so */
        /* Both settled: any top that keeps them so will do. */
        if (x->ca && x->cb && (!m->a.n || x->n > m->a_top) && (!m->has_b || x->n < m->b_top))
            x->n = m->has_b ? m->b_top - 1 : m->a.n ? m->a_top + 1 : 0;
    }
    if (x->ca && x->cb) x->p = 0;
}

static void add_digit(const view *v, num_state *x, int d)
{
    const shape *s = v->s;
    if (s->lcm > 1 || s->n_except) {
        bool behind = x->phase == FRAC;
        if (!behind || x->f < s->scale) x->r = (uint64_t)(((unsigned __int128)x->r * 10 + (unsigned)d) % s->lcm);
        else x->beyond |= d != 0;
    }
    if (x->phase == FRAC && x->f < s->scale) x->f++;
    if (is_zero(x)) {
        if (d == 0) {
            x->zeros++;
            return;
        }
        x->n = x->phase == INT ? 0 : -x->zeros;
        x->zeros = -1;
    }
    if (x->ca == 0) x->ca = (int8_t)((d > mn_dec_digit(&v->m->a, x->p) - '0') - (d < mn_dec_digit(&v->m->a, x->p) - '0'));
    if (x->cb == 0) x->cb = (int8_t)((d > mn_dec_digit(&v->m->b, x->p) - '0') - (d < mn_dec_digit(&v->m->b, x->p) - '0'));
    x->p++;
    if (x->phase == INT) x->n++;
}

static uint32_t finish_step(mn_numsets *ns, num_state x)
{
    view v = view_of(ns->tables, &x);
    if (x.phase <= FRAC) simplify(&v, &x);
    return live(ns->tables, &x) ? intern_state(ns, x) : MN_NUM_DEAD;
}

static uint32_t first_digit(mn_numsets *ns, num_state x, uint8_t c)
{
    if (c < '0' || c > '9') return MN_NUM_DEAD;
    view v = view_of(ns->tables, &x);
    if (!v.m->possible) return MN_NUM_DEAD;
    x.zeros = 0;
    x.phase = c == '0' ? ZERO : INT;
    if (c != '0') {
        add_digit(&v, &x, c - '0');
        x.n = 1;
        x.mantissa = true;
    }
    x.k = 1;
    return finish_step(ns, x);
}

static uint32_t begin_exponent(mn_numsets *ns, const num_state *x)
{
    view v = view_of(ns->tables, x);
    int lo, hi;
    if (!exponents(&v, &lo, &hi)) return MN_NUM_DEAD;
    return intern_state(ns, (num_state){ .phase = E, .n = lo, .zeros = hi });
}

static uint32_t bounded_next(mn_numsets *ns, num_state x, uint8_t c)
{
    bool digit = c >= '0' && c <= '9';
    view v = { 0 };
    if (x.phase <= FRAC) v = view_of(ns->tables, &x);
    switch ((phase)x.phase) {
    case START:
        if (c != '-') return first_digit(ns, x, c);
        if (!v.s->mag[1].possible) return MN_NUM_DEAD;
        x.negative = true;
        x.phase = SIGN;
        for (uint8_t d = '0'; d <= '9'; d++)
            if (first_digit(ns, x, d)) return intern_state(ns, x);
        return MN_NUM_DEAD;
    case SIGN: return first_digit(ns, x, c);
    case ZERO:
        if (c != '.') return MN_NUM_DEAD;
        x.phase = DOT;
        x.k = 0;
        return finish_step(ns, x);
    case INT:
        if (c == '.') {
            if (x.n != 1 || v.s->step) x.mantissa = false;
            x.phase = DOT;
            if (!v.s->n_except || v.s->step) x.k = 0;
            return finish_step(ns, x);
        }
        if (c == 'e') return begin_exponent(ns, &x);
        if (!digit || ++x.k > v.s->int_digits[x.negative]) return MN_NUM_DEAD;
        x.mantissa = false;
        add_digit(&v, &x, c - '0');
        return finish_step(ns, x);
    case DOT:
    case FRAC:
        if (c == 'e' && x.phase == FRAC) return begin_exponent(ns, &x);
        if (!digit || ++x.k > v.s->frac_digits) return MN_NUM_DEAD;
        x.phase = FRAC;
        if (v.s->step && x.f >= v.s->scale && c != '0') return MN_NUM_DEAD;
        add_digit(&v, &x, c - '0');
        /* Zeros behind the last digit that can matter change nothing. */
        if (is_zero(&x)) {
            int32_t cap = 1;
            if (v.m->a.n && 1 - v.m->a_top > cap) cap = 1 - v.m->a_top;
            if (v.m->b.n && 1 - v.m->b_top > cap) cap = 1 - v.m->b_top;
            if (x.zeros > cap) x.zeros = cap;
        } else {
            uint32_t cap = v.m->a.n > v.m->b.n ? v.m->a.n : v.m->b.n;
            if (x.p > cap + 1) x.p = cap + 1;
        }
        return finish_step(ns, x);
    case E:
    case ESIGN:
    case EDIGITS:
        if (x.phase == E && (c == '+' || c == '-')) {
            x.phase = ESIGN;
            x.negative = c == '-';
        } else {
            if (!digit || x.f >= 3) return MN_NUM_DEAD;
            x.phase = EDIGITS;
            x.p = x.p * 10 + (uint32_t)(c - '0');
            x.f++;
        }
        return live(ns->tables, &x) ? intern_state(ns, x) : MN_NUM_DEAD;
    default: return MN_NUM_DEAD;
    }
}

/* n: digits before the point. */
static uint32_t free_next(mn_numsets *ns, num_state x, uint8_t c)
{
    bool digit = c >= '0' && c <= '9', zero = c == '0';
    num_state to = { .n = x.n, .k = x.k };
    if (c == 'e' && (x.phase == F_ZERO || x.phase == F_INT || x.phase == F_FRAC))
        return intern_state(ns, (num_state){ .phase = E, .n = EXP_MIN, .zeros = EXP_MAX - x.n });
    switch ((phase)x.phase) {
    case F_START:
        to.phase = c == '-' ? F_SIGN : zero ? F_ZERO : digit ? F_INT : 0;
        to.n = digit;
        break;
    case F_SIGN:
        to.phase = zero ? F_ZERO : digit ? F_INT : 0;
        to.n = digit;
        break;
    case F_ZERO: to.phase = c == '.' ? F_DOT : 0; break;
    case F_INT:
        to.phase = digit ? F_INT : c == '.' ? F_DOT : 0;
        to.n += digit;
        break;
    case F_DOT: case F_FRAC:
        to.phase = digit ? F_FRAC : 0;
        to.k++;
        break;
    default: break;
    }
    if (!to.phase || to.n > INT_DIGITS || to.k > FRAC_DIGITS) return MN_NUM_DEAD;
    return intern_state(ns, to);
}

/* Behind a whole spelling zeros may follow, and another spelling may go on with them
 * (1 and 1.05): TEXT keeps both, n saying how far the zeros have come. */
static uint32_t points_next(mn_numsets *ns, num_state x, uint8_t c)
{
    enum { NO_ZEROS, POINT, SOME };
    tables *t = ns->tables;
    int zeros = NO_ZEROS;
    if (x.phase == ZEROS || x.phase == ZEROS_DOT || x.n) {
        if (c == '0') zeros = SOME;
    } else if (t->lx.states.at[x.set].accepting) {
        const mn_lex_state *s = &t->lx.states.at[x.set];
        const mn_text *text = mn_ss_text(ns->ss, s->a, s->lo);
        bool power = memchr(text->s, 'e', text->len), point = memchr(text->s, '.', text->len);
        if (!power && !point && c == '.') zeros = POINT;
        if (!power && point && c == '0') zeros = SOME;
    }
    uint32_t to = x.phase == TEXT ? mn_lex_next(&t->lx, x.set, c) : MN_LEX_DEAD;
    if (to) return intern_state(ns, (num_state){ .phase = TEXT, .set = to, .n = zeros });
    if (zeros == NO_ZEROS) return MN_NUM_DEAD;
    return intern_state(ns, (num_state){ .phase = zeros == POINT ? ZEROS_DOT : ZEROS });
}

static uint32_t compute(mn_numsets *ns, uint32_t state, uint8_t byte)
{
    num_state x = ns->tables->states.at[state];
    if (x.phase >= TEXT) return points_next(ns, x, byte);
    return x.phase >= F_START ? free_next(ns, x, byte) : bounded_next(ns, x, byte);
}

uint32_t mn_num_start(mn_numsets *ns, uint32_t set)
{
    tables *t = tables_of(ns);
    mn_numset s = ns->sets.at[set];
    if (set == MN_NS_ALL) return intern_state(ns, (num_state){ .phase = F_START });
    if (s.points) {
        uint32_t lex = mn_lex_lits(&t->lx, s.litset, false);
        return lex ? intern_state(ns, (num_state){ .phase = TEXT, .set = lex }) : MN_NUM_DEAD;
    }
    if (!s.shape) ns->sets.at[set].shape = s.shape = make_shape(ns, &ns->sets.at[set]);
    return intern_state(ns, (num_state){ .phase = START, .set = s.shape });
}

static int column(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    switch (c) {
    case '-': return 10;
    case '+': return 11;
    case '.': return 12;
    case 'e': case 'E': return 13;
    default: return -1;
    }
}

uint32_t mn_num_next(mn_numsets *ns, uint32_t state, uint8_t byte)
{
    int c = column(byte);
    if (c < 0) return MN_NUM_DEAD;
    uint32_t to = ns->tables->rows.at[state].next[c];
    if (to != UINT32_MAX) return to;
    to = compute(ns, state, byte == 'E' ? 'e' : byte);
    ns->tables->rows.at[state].next[c] = to;
    return to;
}

bool mn_num_accepting(const mn_numsets *ns, uint32_t state)
{
    return ns->tables->rows.at[state].accepting;
}
