/* Sets of numbers and how they are written.
 *
 *   RANGE    lo <= x <= hi (either may be open or missing), a multiple of m * 10^-s,
 *            and no multiple of some others
 *   POINTS   a list of numbers
 *
 * Closed under intersection; the complement is a union.  Everything is decided on decimal
 * digits.
 *
 * The automaton reads a JSON number byte by byte.  Its state keeps, instead of the digits,
 * what they decide: how they compare with the bounds so far, the remainder, how many there
 * are as far as it matters.  A digit is taken only if some number of the set still begins
 * like that (mn_num_live in numlex.c proves it by arithmetic), so no state is a dead end.
 *
 * Spelling: 1, 1.0 and 1.000 are one number.  With an exponent, the mantissa has one digit
 * before the point (1e5, 1.5e-7: what serialisers write) and the exponent at most three;
 * numbers that must be multiples of something have no point in the mantissa.  A number
 * with no constraint at all may be spelled in any way JSON allows.  No number overflows a
 * double, or has more than 100 digits before or behind the point.
 */
#ifndef MN_CONSTRAIN_NUMSET_H
#define MN_CONSTRAIN_NUMSET_H

#include "constrain/decimal.h"
#include "constrain/strset.h"

enum { MN_NS_NONE = 0, MN_NS_ALL = 1, MN_NS_INTEGERS = 2 };
enum { MN_NUM_EXCEPT = 4 };

typedef struct { uint64_t m; uint32_t s; } mn_step;    /* m * 10^-s, m > 0 */

static inline uint64_t mn_gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

typedef struct {
    bool points;
    bool has_lo, has_hi, lo_open, hi_open;
    mn_dec lo, hi;
    mn_step step;           /* m 0: any */
    uint32_t n_except;      /* multiples of these are out; only with RANGE */
    mn_step except[MN_NUM_EXCEPT];
    uint32_t first, n;      /* POINTS: sorted, in the table of points */
    uint32_t litset;        /* POINTS: their spellings */
    uint32_t shape;         /* RANGE: index + 1 of what its automaton needs */
} mn_numset;

typedef struct {
    mn_cx *cx;
    mn_strsets *ss;
    MN_VEC(mn_numset) sets;
    mn_intern set_set;
    MN_VEC(mn_dec) points;
    struct mn_num_tables *tables;   /* numlex.c */
} mn_numsets;

void mn_ns_init(mn_numsets *ns, mn_cx *cx, mn_strsets *ss);
void mn_ns_clear(mn_numsets *ns);

/* Canonical and hash-consed; MN_NS_NONE if it is empty.  `set->points` is false. */
uint32_t mn_ns_range(mn_numsets *ns, const mn_numset *set);
uint32_t mn_ns_points(mn_numsets *ns, const mn_dec *points, uint32_t n);
uint32_t mn_ns_and(mn_numsets *ns, uint32_t a, uint32_t b);
bool mn_ns_has(mn_numsets *ns, uint32_t a, const mn_dec *x);
/* Everything else as a union, pushed to *out. */
void mn_ns_not(mn_numsets *ns, uint32_t a, mn_u32s *out);

/* ---- automaton (numlex.c) ---------------------------------------------------------- */

enum { MN_NUM_DEAD = 0 };
uint32_t mn_num_start(mn_numsets *ns, uint32_t set);
uint32_t mn_num_next(mn_numsets *ns, uint32_t state, uint8_t byte);
bool mn_num_accepting(const mn_numsets *ns, uint32_t state);
void mn_num_clear(mn_numsets *ns);

#endif
