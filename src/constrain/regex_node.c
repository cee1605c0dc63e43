/* Regular languages: nodes and their smart constructors; see regex.h.
 *
 * The constructors keep nodes similar in Brzozowski's sense (union and intersection are
 * associative, commutative, idempotent), which makes the number of derivatives finite,
 * and do a little more where it keeps real patterns small:
 *   - concatenation is a right-leaning list;  r{a,b}r{c,d} is r{a+c,b+d}
 *   - (r{a,b}){c,d} is r{ac,bd} where the counts leave no gap
 *   - single-character members of a union are one set;  r{0,4}|r{0,5} is r{0,5}
 *   - [x]{a,b} & [y]{c,d} is [xy]{max(a,c),min(b,d)}
 */
#include "constrain/regex.h"

#include <stdlib.h>

#include "base/utf8.h"

enum { MANY = UINT32_MAX };

static mn_rid add_node(mn_rx *rx, mn_rx_node n, uint64_t hash)
{
    if (rx->nodes.n >= rx->max_nodes)
        mn_cx_raise(rx->cx, MINERVA_LIMIT, "a pattern needs more than %u states", rx->max_nodes);
    mn_cx_tick(rx->cx);
    if (n.positive) n.live = 1;
    mn_vec_push(rx->cx, &rx->nodes, n);
    mn_intern_add(rx->cx, &rx->node_set, hash, rx->nodes.n - 1);
    return rx->nodes.n - 1;
}

static uint64_t node_hash(const mn_rx_node *n)
{
    return mn_mix(mn_mix(n->kind, (uint64_t)n->a << 32 | n->b), (uint64_t)n->min << 32 | n->max);
}

/* Nodes without lists: everything but SET, ALT and AND. */
static mn_rid intern_plain(mn_rx *rx, mn_rx_node n)
{
    uint64_t hash = node_hash(&n);
    uint32_t i;
    for (mn_intern_seek s = mn_intern_begin(&rx->node_set, hash);
         mn_intern_next(&rx->node_set, &s, &i);) {
        const mn_rx_node *o = &rx->nodes.at[i];
        if (o->kind == n.kind && o->a == n.a && o->b == n.b && o->min == n.min && o->max == n.max)
            return i;
    }
    return add_node(rx, n, hash);
}

void mn_rx_init(mn_rx *rx, mn_cx *cx)
{
    *rx = (mn_rx){ .cx = cx, .max_nodes = 250000, .max_search = 50000 };
    /* Lists begin at an offset into these, which a null pointer has not, be it 0. */
    mn_vec_reserve(cx, &rx->scratch, 16);
    mn_vec_reserve(cx, &rx->range_scratch, 16);
    intern_plain(rx, (mn_rx_node){ .kind = MN_RK_NONE, .live = 2 });
    rx->nodes.at[MN_RX_NONE].live = 2;
    intern_plain(rx, (mn_rx_node){ .kind = MN_RK_EPS, .nullable = true, .positive = true,
                                   .card = 1 });
    /* MN_RX_ALL comes before the set it repeats, so its number is fixed by hand. */
    mn_rx_node all = { .kind = MN_RK_REP, .nullable = true, .positive = true, .card = MANY,
                       .a = MN_RX_ANY, .min = 0, .max = MN_RX_INF };
    add_node(rx, all, node_hash(&all));
    mn_range everything = { 0, MN_CP_MAX };
    mn_rx_set(rx, &everything, 1, false);
}

void mn_rx_clear(mn_rx *rx)
{
    if (!rx->cx) return;
    for (uint32_t i = 0; i < rx->states.n; i++) mn_vec_clear(rx->cx, &rx->states.at[i].edges);
    mn_vec_clear(rx->cx, &rx->nodes);
    mn_vec_clear(rx->cx, &rx->kids);
    mn_vec_clear(rx->cx, &rx->ranges);
    mn_vec_clear(rx->cx, &rx->states);
    mn_vec_clear(rx->cx, &rx->scratch);
    mn_vec_clear(rx->cx, &rx->range_scratch);
    mn_intern_clear(rx->cx, &rx->node_set);
    mn_gc_table_free(rx->own_categories);
    *rx = (mn_rx){ 0 };
}

/* ---- sets ------------------------------------------------------------------------- */

static int by_lo(const void *a, const void *b)
{
    const mn_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Sorts and joins r[0..n) in place; returns how many are left. */
static uint32_t join_ranges(mn_range *r, uint32_t n)
{
    bool sorted = true;
    for (uint32_t i = 1; i < n && sorted; i++) sorted = r[i - 1].lo <= r[i].lo;
    if (!sorted) qsort(r, n, sizeof *r, by_lo);
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (r[i].lo > r[i].hi) continue;
        if (k && r[i].lo <= r[k - 1].hi + 1) {
            if (r[i].hi > r[k - 1].hi) r[k - 1].hi = r[i].hi;
        } else {
            r[k++] = r[i];
        }
    }
    return k;
}

mn_rid mn_rx_set(mn_rx *rx, const mn_range *ranges, uint32_t n, bool negate)
{
    uint32_t base = rx->range_scratch.n;
    mn_vec_reserve(rx->cx, &rx->range_scratch, 2 * n + 8);
    mn_range *r = rx->range_scratch.at + base;
    /* Cut the surrogates out while copying. */
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t lo = ranges[i].lo, hi = ranges[i].hi > MN_CP_MAX ? MN_CP_MAX : ranges[i].hi;
        if (lo < 0xD800) r[k++] = (mn_range){ lo, hi < 0xD7FF ? hi : 0xD7FF };
        if (hi > 0xDFFF) r[k++] = (mn_range){ lo > 0xE000 ? lo : 0xE000, hi };
    }
    k = join_ranges(r, k);
    mn_range *set = r;
    if (negate) {
        set = r + k;
        uint32_t m = 0, from = 0;
        mn_vec_reserve(rx->cx, &rx->range_scratch, 2 * k + 16);
        r = rx->range_scratch.at + base;
        set = r + k;
        for (uint32_t i = 0; i <= k; i++) {
            uint32_t to = i < k ? r[i].lo : MN_CP_MAX + 1;
            uint32_t gap_lo = from, gap_hi = to;    /* [lo, hi) without surrogates */
            from = i < k ? r[i].hi + 1 : 0;
            if (gap_lo < 0xD800 && gap_hi > gap_lo)
                set[m++] = (mn_range){ gap_lo, gap_hi > 0xD800 ? 0xD7FF : gap_hi - 1 };
            if (gap_hi > 0xE000 && gap_hi > gap_lo)
                set[m++] = (mn_range){ gap_lo < 0xE000 ? 0xE000 : gap_lo, gap_hi - 1 };
        }
        k = m;
    }
    if (!k) return MN_RX_NONE;
    uint64_t hash = mn_hash64(set, k * sizeof *set, MN_RK_SET);
    uint32_t i;
    for (mn_intern_seek s = mn_intern_begin(&rx->node_set, hash);
         mn_intern_next(&rx->node_set, &s, &i);) {
        const mn_rx_node *o = &rx->nodes.at[i];
        if (o->kind == MN_RK_SET && o->b == k
            && !memcmp(rx->ranges.at + o->a, set, k * sizeof *set)) return i;
    }
    mn_rx_node node = { .kind = MN_RK_SET, .positive = true, .a = rx->ranges.n, .b = k };
    for (uint32_t j = 0; j < k; j++) node.card += set[j].hi - set[j].lo + 1;
    mn_vec_reserve(rx->cx, &rx->ranges, k);
    memcpy(rx->ranges.at + rx->ranges.n, set, k * sizeof *set);
    rx->ranges.n += k;
    return add_node(rx, node, hash);
}

mn_rid mn_rx_char(mn_rx *rx, uint32_t cp)
{
    mn_range r = { cp, cp };
    return mn_rx_set(rx, &r, 1, false);
}

mn_rid mn_rx_literal(mn_rx *rx, const char *s, size_t len)
{
    uint32_t base = rx->scratch.n;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        i += (size_t)mn_utf8_decode(s + i, len - i, &cp);
        mn_vec_push(rx->cx, &rx->scratch, cp);
    }
    mn_rid r = MN_RX_EPS;
    for (uint32_t i = rx->scratch.n; i > base; i--)
        r = mn_rx_cat(rx, mn_rx_char(rx, rx->scratch.at[i - 1]), r);
    rx->scratch.n = base;
    return r;
}

/* Union or intersection of two sets. */
static mn_rid merge_sets(mn_rx *rx, mn_rid a, mn_rid b, bool both)
{
    mn_rx_node x = rx->nodes.at[a], y = rx->nodes.at[b];
    uint32_t base = rx->range_scratch.n;
    for (uint32_t i = 0; i < x.b; i++) {
        mn_range p = rx->ranges.at[x.a + i];
        if (!both) {
            mn_vec_push(rx->cx, &rx->range_scratch, p);
            continue;
        }
        for (uint32_t j = 0; j < y.b; j++) {
            mn_range q = rx->ranges.at[y.a + j];
            if (q.lo > p.hi) break;
            if (q.hi < p.lo) continue;
            mn_range cut = { p.lo > q.lo ? p.lo : q.lo, p.hi < q.hi ? p.hi : q.hi };
            mn_vec_push(rx->cx, &rx->range_scratch, cut);
        }
    }
    for (uint32_t j = 0; !both && j < y.b; j++)
        mn_vec_push(rx->cx, &rx->range_scratch, rx->ranges.at[y.a + j]);
    uint32_t n = rx->range_scratch.n - base;
    mn_range *copy = mn_cx_alloc(rx->cx, n, sizeof *copy);
    if (n) memcpy(copy, rx->range_scratch.at + base, n * sizeof *copy);
    rx->range_scratch.n = base;
    return mn_rx_set(rx, copy, n, false);
}

/* ---- concatenation and repetition --------------------------------------------------- */

static uint32_t times(uint32_t a, uint32_t b)
{
    uint64_t p = (uint64_t)a * b;
    return p > MANY ? MANY : (uint32_t)p;
}

static uint32_t plus(mn_rx *rx, uint32_t a, uint32_t b)
{
    if (a == MN_RX_INF || b == MN_RX_INF) return MN_RX_INF;
    if ((uint64_t)a + b >= MN_RX_INF)
        mn_cx_raise(rx->cx, MINERVA_LIMIT, "a repetition counts past 4,294,967,294");
    return a + b;
}

mn_rid mn_rx_cat(mn_rx *rx, mn_rid a, mn_rid b)
{
    if (a == MN_RX_NONE || b == MN_RX_NONE) return MN_RX_NONE;
    if (a == MN_RX_EPS) return b;
    if (b == MN_RX_EPS) return a;
    mn_rx_node x = rx->nodes.at[a];
    if (x.kind == MN_RK_CAT) {
        uint32_t base = rx->scratch.n;
        for (; rx->nodes.at[a].kind == MN_RK_CAT; a = rx->nodes.at[a].b)
            mn_vec_push(rx->cx, &rx->scratch, rx->nodes.at[a].a);
        mn_rid r = mn_rx_cat(rx, a, b);
        while (rx->scratch.n > base) r = mn_rx_cat(rx, rx->scratch.at[--rx->scratch.n], r);
        return r;
    }
    mn_rid head = b, tail = MN_RX_EPS;
    if (rx->nodes.at[b].kind == MN_RK_CAT) {
        head = rx->nodes.at[b].a;
        tail = rx->nodes.at[b].b;
    }
    mn_rx_node y = rx->nodes.at[head];
    mn_rid joined = MN_RX_NONE;
    if (x.kind == MN_RK_REP && y.kind == MN_RK_REP && x.a == y.a)
        joined = mn_rx_rep(rx, x.a, plus(rx, x.min, y.min), plus(rx, x.max, y.max));
    else if (y.kind == MN_RK_REP && y.a == a)
        joined = mn_rx_rep(rx, a, plus(rx, y.min, 1), plus(rx, y.max, 1));
    else if (x.kind == MN_RK_REP && x.a == head)
        joined = mn_rx_rep(rx, head, plus(rx, x.min, 1), plus(rx, x.max, 1));
    if (joined != MN_RX_NONE) return mn_rx_cat(rx, joined, tail);
    mn_rx_node z = rx->nodes.at[b];
    return intern_plain(rx, (mn_rx_node){ .kind = MN_RK_CAT, .a = a, .b = b,
        .nullable = x.nullable && z.nullable, .positive = x.positive && z.positive,
        .card = times(x.card, z.card) });
}

mn_rid mn_rx_rep(mn_rx *rx, mn_rid a, uint32_t min, uint32_t max)
{
    if (max == 0 || a == MN_RX_EPS) return MN_RX_EPS;
    if (a == MN_RX_NONE) return min ? MN_RX_NONE : MN_RX_EPS;
    mn_rx_node x = rx->nodes.at[a];
    if (x.nullable) min = 0;
    if (min == 1 && max == 1) return a;
    if (a == MN_RX_ALL) return MN_RX_ALL;
    if (x.kind == MN_RK_REP) {
        /* k rounds give k*x.min .. k*x.max repetitions; no gap to the next round? */
        bool joins = x.max == MN_RX_INF ? min > 0 || x.min <= 1
                   : min == max
                     || (uint64_t)min * x.max + 1 >= ((uint64_t)min + 1) * x.min;
        uint64_t lo = (uint64_t)min * x.min;
        uint64_t hi = max == MN_RX_INF || x.max == MN_RX_INF ? MN_RX_INF : (uint64_t)max * x.max;
        /* min 0 with x.min > 1 leaves {0} apart from the rest. */
        if (hi > MN_RX_INF) hi = MN_RX_INF;         /* no text is that long */
        if (joins && lo < MN_RX_INF && (min || x.min <= 1))
            return mn_rx_rep(rx, x.a, (uint32_t)lo, (uint32_t)hi);
    }
    uint32_t card = 1;
    if (max > 64) card = MANY;
    for (uint32_t i = 0; i < max && card != MANY; i++) card = times(card, x.card + (x.card != MANY));
    return intern_plain(rx, (mn_rx_node){ .kind = MN_RK_REP, .a = a, .min = min, .max = max,
        .nullable = min == 0, .positive = x.positive, .card = card });
}

/* ---- union, intersection, complement -------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Sorted kids without repeats at rx->scratch[base..); sets merged into one. */
static void gather(mn_rx *rx, mn_rx_kind kind, const mn_rid *kids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        mn_rx_node k = rx->nodes.at[kids[i]];
        if (k.kind != kind) {
            mn_vec_push(rx->cx, &rx->scratch, kids[i]);
            continue;
        }
        mn_vec_reserve(rx->cx, &rx->scratch, k.b);
        memcpy(rx->scratch.at + rx->scratch.n, rx->kids.at + k.a, k.b * sizeof(mn_rid));
        rx->scratch.n += k.b;
    }
}

static uint32_t settle(mn_rx *rx, uint32_t base, bool both)
{
    mn_rid *k = rx->scratch.at + base;
    uint32_t n = rx->scratch.n - base, out = 0;
    mn_rid set = MN_RX_NONE;
    uint32_t n_sets = 0;
    for (uint32_t i = 0; i < n; i++) n_sets += rx->nodes.at[k[i]].kind == MN_RK_SET;
    if (n_sets > 1) {
        uint32_t m = 0;
        if (both) {
            for (uint32_t i = 0; i < n; i++) {
                mn_rid id = rx->scratch.at[base + i];
                if (rx->nodes.at[id].kind != MN_RK_SET) {
                    rx->scratch.at[base + m++] = id;
                } else {
                    set = set == MN_RX_NONE ? id : merge_sets(rx, set, id, true);
                    if (set == MN_RX_NONE) {
                        rx->scratch.n = base;
                        return UINT32_MAX;
                    }
                }
            }
        } else {
            uint32_t rbase = rx->range_scratch.n;
            for (uint32_t i = 0; i < n; i++) {
                mn_rid id = rx->scratch.at[base + i];
                mn_rx_node s = rx->nodes.at[id];
                if (s.kind != MN_RK_SET) {
                    rx->scratch.at[base + m++] = id;
                    continue;
                }
                mn_vec_reserve(rx->cx, &rx->range_scratch, s.b);
                memcpy(rx->range_scratch.at + rx->range_scratch.n, rx->ranges.at + s.a,
                       s.b * sizeof(mn_range));
                rx->range_scratch.n += s.b;
            }
            uint32_t rn = join_ranges(rx->range_scratch.at + rbase, rx->range_scratch.n - rbase);
            mn_range *copy = mn_cx_alloc(rx->cx, rn, sizeof *copy);
            memcpy(copy, rx->range_scratch.at + rbase, rn * sizeof *copy);
            rx->range_scratch.n = rbase;
            set = mn_rx_set(rx, copy, rn, false);
        }
        rx->scratch.at[base + m++] = set;
        rx->scratch.n = base + m;
        n = m;
        k = rx->scratch.at + base;
    }
    if (n > 1) qsort(k, n, sizeof *k, by_id);
    for (uint32_t i = 0; i < n; i++)
        if (!out || k[i] != k[out - 1]) k[out++] = k[i];
    rx->scratch.n = base + out;
    return out;
}

static mn_rid intern_list(mn_rx *rx, mn_rx_kind kind, uint32_t base)
{
    uint32_t n = rx->scratch.n - base;
    mn_rid *k = rx->scratch.at + base;
    uint64_t hash = mn_hash64(k, n * sizeof *k, kind);
    uint32_t i;
    for (mn_intern_seek s = mn_intern_begin(&rx->node_set, hash);
         mn_intern_next(&rx->node_set, &s, &i);) {
        const mn_rx_node *o = &rx->nodes.at[i];
        if (o->kind == kind && o->b == n && !memcmp(rx->kids.at + o->a, k, n * sizeof *k)) return i;
    }
    mn_rx_node node = { .kind = kind, .a = rx->kids.n, .b = n, .positive = kind == MN_RK_ALT,
                        .nullable = kind == MN_RK_AND, .card = kind == MN_RK_AND ? MANY : 0 };
    for (uint32_t j = 0; j < n; j++) {
        const mn_rx_node *x = &rx->nodes.at[k[j]];
        node.positive &= x->positive;
        if (kind == MN_RK_ALT) {
            node.nullable |= x->nullable;
            node.card = (uint64_t)node.card + x->card > MANY ? MANY : node.card + x->card;
        } else {
            node.nullable &= x->nullable;
            if (x->card < node.card) node.card = x->card;
        }
    }
    mn_vec_reserve(rx->cx, &rx->kids, n);
    memcpy(rx->kids.at + rx->kids.n, rx->scratch.at + base, n * sizeof *k);
    rx->kids.n += n;
    return add_node(rx, node, hash);
}

/* r{a,b}t and r{c,d}t of one union as one, where the counts leave no gap. */
static bool join_counters(mn_rx *rx, mn_rid a, mn_rid b, mn_rid *joined)
{
    mn_rid ha = a, hb = b, ta = MN_RX_EPS, tb = MN_RX_EPS;
    if (rx->nodes.at[a].kind == MN_RK_CAT) ta = rx->nodes.at[a].b, ha = rx->nodes.at[a].a;
    if (rx->nodes.at[b].kind == MN_RK_CAT) tb = rx->nodes.at[b].b, hb = rx->nodes.at[b].a;
    mn_rx_node x = rx->nodes.at[ha], y = rx->nodes.at[hb];
    if (ta != tb || x.kind != MN_RK_REP || y.kind != MN_RK_REP || x.a != y.a) return false;
    if (x.min > y.min) {
        mn_rx_node swap = x;
        x = y;
        y = swap;
    }
    if (x.max != MN_RX_INF && y.min > x.max + 1) return false;
    *joined = mn_rx_cat(rx, mn_rx_rep(rx, x.a, x.min, x.max > y.max ? x.max : y.max), ta);
    return true;
}

/* Of the n nodes from `base` on, is one the complement of another? */
static bool has_opposites(const mn_rx *rx, uint32_t base, uint32_t n)
{
    const mn_rid *list = rx->scratch.at + base;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; rx->nodes.at[list[i]].kind == MN_RK_NOT && j < n; j++)
            if (list[j] == rx->nodes.at[list[i]].a) return true;
    return false;
}

mn_rid mn_rx_alt(mn_rx *rx, const mn_rid *kids, uint32_t n)
{
    uint32_t base = rx->scratch.n;
    gather(rx, MN_RK_ALT, kids, n);
    uint32_t out = base;
    for (uint32_t i = base; i < rx->scratch.n; i++) {
        mn_rid k = rx->scratch.at[i];
        if (k == MN_RX_ALL) {
            rx->scratch.n = base;
            return MN_RX_ALL;
        }
        if (k != MN_RX_NONE) rx->scratch.at[out++] = k;
    }
    rx->scratch.n = out;
    n = settle(rx, base, false);
    for (uint32_t i = 0; n <= 24 && i < n; i++)
        for (uint32_t j = i + 1; j < n; j++) {
            mn_rid joined;
            if (!join_counters(rx, rx->scratch.at[base + i], rx->scratch.at[base + j], &joined))
                continue;
            rx->scratch.at[base + i] = joined;
            rx->scratch.at[base + j] = rx->scratch.at[base + n - 1];
            rx->scratch.n = base + n - 1;
            n = settle(rx, base, false);
            i = 0;
            j = 0;
        }
    if (has_opposites(rx, base, n)) {
        rx->scratch.n = base;
        return MN_RX_ALL;
    }
    mn_rid r = n == 0 ? MN_RX_NONE : n == 1 ? rx->scratch.at[base]
             : intern_list(rx, MN_RK_ALT, base);
    rx->scratch.n = base;
    return r;
}

/* [x]{a,b} & [y]{c,d}; MN_RX_NONE + false if they are not of that form. */
static bool join_runs(mn_rx *rx, mn_rid a, mn_rid b, mn_rid *joined)
{
    mn_rx_node x = rx->nodes.at[a], y = rx->nodes.at[b];
    if (x.kind == MN_RK_SET) x = (mn_rx_node){ .kind = MN_RK_REP, .a = a, .min = 1, .max = 1 };
    if (y.kind == MN_RK_SET) y = (mn_rx_node){ .kind = MN_RK_REP, .a = b, .min = 1, .max = 1 };
    if (x.kind != MN_RK_REP || y.kind != MN_RK_REP || rx->nodes.at[x.a].kind != MN_RK_SET
        || rx->nodes.at[y.a].kind != MN_RK_SET) return false;
    uint32_t lo = x.min > y.min ? x.min : y.min, hi = x.max < y.max ? x.max : y.max;
    *joined = lo > hi ? MN_RX_NONE : mn_rx_rep(rx, merge_sets(rx, x.a, y.a, true), lo, hi);
    return true;
}

mn_rid mn_rx_and(mn_rx *rx, const mn_rid *kids, uint32_t n)
{
    uint32_t base = rx->scratch.n;
    gather(rx, MN_RK_AND, kids, n);
    uint32_t out = base;
    bool eps = false, all_nullable = true;
    for (uint32_t i = base; i < rx->scratch.n; i++) {
        mn_rid k = rx->scratch.at[i];
        if (k == MN_RX_NONE) {
            rx->scratch.n = base;
            return MN_RX_NONE;
        }
        eps |= k == MN_RX_EPS;
        all_nullable &= rx->nodes.at[k].nullable;
        if (k != MN_RX_ALL) rx->scratch.at[out++] = k;
    }
    rx->scratch.n = out;
    if (eps) {
        rx->scratch.n = base;
        return all_nullable ? MN_RX_EPS : MN_RX_NONE;
    }
    n = settle(rx, base, true);
    if (n == UINT32_MAX) return MN_RX_NONE;
    for (uint32_t i = 0; n <= 24 && i < n; i++)
        for (uint32_t j = i + 1; j < n; j++) {
            mn_rid joined;
            if (!join_runs(rx, rx->scratch.at[base + i], rx->scratch.at[base + j], &joined))
                continue;
            if (joined == MN_RX_NONE) {
                rx->scratch.n = base;
                return MN_RX_NONE;
            }
            rx->scratch.at[base + i] = joined;
            rx->scratch.at[base + j] = rx->scratch.at[base + n - 1];
            rx->scratch.n = base + --n;
            j = i;
        }
    n = settle(rx, base, true);
    if (has_opposites(rx, base, n)) {
        rx->scratch.n = base;
        return MN_RX_NONE;
    }
    mn_rid r = n == 0 ? MN_RX_ALL : n == 1 ? rx->scratch.at[base]
             : intern_list(rx, MN_RK_AND, base);
    rx->scratch.n = base;
    return r;
}

mn_rid mn_rx_alt2(mn_rx *rx, mn_rid a, mn_rid b)
{
    if (a == b || b == MN_RX_NONE) return a;
    if (a == MN_RX_NONE) return b;
    mn_rid kids[2] = { a, b };
    return mn_rx_alt(rx, kids, 2);
}

mn_rid mn_rx_and2(mn_rx *rx, mn_rid a, mn_rid b)
{
    if (a == b || b == MN_RX_ALL) return a;
    if (a == MN_RX_ALL) return b;
    mn_rid kids[2] = { a, b };
    return mn_rx_and(rx, kids, 2);
}

mn_rid mn_rx_not(mn_rx *rx, mn_rid a)
{
    mn_rx_node x = rx->nodes.at[a];
    if (x.kind == MN_RK_NOT) return x.a;
    if (a == MN_RX_NONE) return MN_RX_ALL;
    if (a == MN_RX_ALL) return MN_RX_NONE;
    return intern_plain(rx, (mn_rx_node){ .kind = MN_RK_NOT, .a = a, .nullable = !x.nullable,
                                          .card = MANY });
}
