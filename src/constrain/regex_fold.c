/* Languages without regard to case: every set of characters gets the other case of each.
 * Only simple, one-to-one cases count (utf8proc's, from Unicode's UnicodeData.txt). */
#include <utf8proc.h>

#include "constrain/regex.h"

enum { MAX_DEPTH = 2000 };

static void add(mn_rx *rx, uint32_t cp)
{
    mn_range one = { cp, cp };
    mn_vec_push(rx->cx, &rx->range_scratch, one);
}

/* A set that goes up to the last code point is a negated class: [^a] is neither a nor A. */
static mn_rid fold_set(mn_rx *rx, mn_rx_node x)
{
    bool negate = x.b && rx->ranges.at[x.a + x.b - 1].hi == MN_CP_MAX;
    uint32_t base = rx->range_scratch.n, next = 0;
    for (uint32_t i = 0; i < x.b; i++) {
        mn_range r = rx->ranges.at[x.a + i], gap = { next, r.lo - 1 };
        next = r.hi + 1;
        if (negate && !r.lo) continue;
        if (negate) r = gap;
        mn_vec_push(rx->cx, &rx->range_scratch, r);
        for (uint32_t cp = r.lo; cp <= r.hi; cp++) {
            uint32_t up = (uint32_t)utf8proc_toupper((utf8proc_int32_t)cp);
            uint32_t down = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
            if (up != cp) add(rx, up);
            if (down != cp) add(rx, down);
        }
    }
    uint32_t n = rx->range_scratch.n - base;
    mn_range *copy = mn_cx_alloc(rx->cx, n, sizeof *copy);
    if (n) memcpy(copy, rx->range_scratch.at + base, n * sizeof *copy);
    rx->range_scratch.n = base;
    return mn_rx_set(rx, copy, n, negate);
}

static mn_rid fold(mn_rx *rx, mn_rid r, int depth)
{
    mn_rx_node x = rx->nodes.at[r];
    if (depth > MAX_DEPTH) mn_cx_raise(rx->cx, MINERVA_LIMIT, "a pattern without regard to case is too long");
    mn_cx_tick(rx->cx);
    switch ((mn_rx_kind)x.kind) {
    case MN_RK_SET: return fold_set(rx, x);
    case MN_RK_REP: return mn_rx_rep(rx, fold(rx, x.a, depth + 1), x.min, x.max);
    case MN_RK_CAT: {
        mn_rid a = fold(rx, x.a, depth + 1);
        return mn_rx_cat(rx, a, fold(rx, x.b, depth + 1));
    }
    case MN_RK_ALT: {
        mn_rid *kids = mn_cx_alloc(rx->cx, x.b, sizeof *kids);
        for (uint32_t i = 0; i < x.b; i++) kids[i] = fold(rx, rx->kids.at[x.a + i], depth + 1);
        return mn_rx_alt(rx, kids, x.b);
    }
    case MN_RK_AND:
    case MN_RK_NOT:
        mn_cx_raise(rx->cx, MINERVA_UNSUPPORTED, "assertions in a pattern without regard to case are not enforced");
    default: return r;
    }
}

mn_rid mn_rx_fold_case(mn_rx *rx, mn_rid r) { return fold(rx, r, 0); }
