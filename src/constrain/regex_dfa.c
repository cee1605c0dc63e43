/* Regular languages: derivatives, liveness, matching; see regex.h.
 *
 * A derivative is taken by one code point, and while it is taken the interval around the
 * code point on which every set inside answers alike is narrowed down.  The result holds
 * for the whole interval, so that a state needs as many edges as its sets have borders,
 * not one per code point.
 */
#include "base/utf8.h"
#include "constrain/regex.h"

static mn_rid derive(mn_rx *rx, mn_rid r, uint32_t cp);

static void narrow(mn_rx *rx, uint32_t lo, uint32_t hi)
{
    if (lo > rx->uniform_lo) rx->uniform_lo = lo;
    if (hi < rx->uniform_hi) rx->uniform_hi = hi;
}

static bool set_has(mn_rx *rx, const mn_rx_node *s, uint32_t cp)
{
    const mn_range *r = rx->ranges.at + s->a;
    uint32_t lo = 0, hi = s->b;     /* first range with .hi >= cp */
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (r[mid].hi < cp) lo = mid + 1;
        else hi = mid;
    }
    if (lo < s->b && r[lo].lo <= cp) {
        narrow(rx, r[lo].lo, r[lo].hi);
        return true;
    }
    narrow(rx, lo ? r[lo - 1].hi + 1 : 0, lo < s->b ? r[lo].lo - 1 : MN_CP_MAX);
    return false;
}

static mn_rid derive_list(mn_rx *rx, const mn_rx_node *x, uint32_t cp)
{
    bool alt = x->kind == MN_RK_ALT;
    uint32_t base = rx->scratch.n, at = x->a, n = x->b;
    for (uint32_t i = 0; i < n; i++) {
        mn_rid d = derive(rx, rx->kids.at[at + i], cp);
        if (alt && d == MN_RX_NONE) continue;
        if (!alt && d == MN_RX_NONE) {
            rx->scratch.n = base;
            return MN_RX_NONE;
        }
        mn_vec_push(rx->cx, &rx->scratch, d);
    }
    uint32_t k = rx->scratch.n - base;
    mn_rid r;
    if (k <= 64) {
        mn_rid copy[64];
        memcpy(copy, rx->scratch.at + base, k * sizeof *copy);
        rx->scratch.n = base;
        r = alt ? mn_rx_alt(rx, copy, k) : mn_rx_and(rx, copy, k);
    } else {
        mn_rid *copy = mn_cx_alloc(rx->cx, k, sizeof *copy);
        memcpy(copy, rx->scratch.at + base, k * sizeof *copy);
        rx->scratch.n = base;
        r = alt ? mn_rx_alt(rx, copy, k) : mn_rx_and(rx, copy, k);
    }
    return r;
}

static uint32_t less_one(uint32_t n) { return n == MN_RX_INF || n == 0 ? n : n - 1; }

static mn_rid derive(mn_rx *rx, mn_rid r, uint32_t cp)
{
    mn_rx_node x = rx->nodes.at[r];
    switch ((mn_rx_kind)x.kind) {
    case MN_RK_NONE:
    case MN_RK_EPS:
        return MN_RX_NONE;
    case MN_RK_SET:
        return set_has(rx, &x, cp) ? MN_RX_EPS : MN_RX_NONE;
    case MN_RK_REP:
        return mn_rx_cat(rx, derive(rx, x.a, cp),
                         mn_rx_rep(rx, x.a, less_one(x.min), less_one(x.max)));
    case MN_RK_NOT:
        return mn_rx_not(rx, derive(rx, x.a, cp));
    case MN_RK_ALT:
    case MN_RK_AND:
        return derive_list(rx, &x, cp);
    case MN_RK_CAT:
        break;
    }
    /* A list of concatenated parts: go on while they may be empty. */
    mn_rid sum = MN_RX_NONE;
    for (;;) {
        mn_rid d = mn_rx_cat(rx, derive(rx, x.a, cp), x.b);
        sum = mn_rx_alt2(rx, sum, d);
        if (!rx->nodes.at[x.a].nullable) return sum;
        mn_rid rest = x.b;
        x = rx->nodes.at[rest];
        if (x.kind != MN_RK_CAT) return mn_rx_alt2(rx, sum, derive(rx, rest, cp));
    }
}

mn_rid mn_rx_step(mn_rx *rx, mn_rid r, uint32_t cp, uint32_t *lo, uint32_t *hi)
{
    if (r <= MN_RX_ALL) {           /* NONE, EPS, ALL */
        if (lo) *lo = 0, *hi = MN_CP_MAX;
        return r == MN_RX_ALL ? MN_RX_ALL : MN_RX_NONE;
    }
    if (!rx->nodes.at[r].state) {
        mn_rx_state fresh = { 0 };
        mn_vec_push(rx->cx, &rx->states, fresh);
        rx->nodes.at[r].state = rx->states.n;
    }
    uint32_t state = rx->nodes.at[r].state - 1;
    const mn_rx_state *s = &rx->states.at[state];
    uint32_t a = 0, b = s->edges.n;     /* first edge with .hi >= cp */
    while (a < b) {
        uint32_t mid = (a + b) / 2;
        if (s->edges.at[mid].hi < cp) a = mid + 1;
        else b = mid;
    }
    if (a < s->edges.n && s->edges.at[a].lo <= cp) {
        if (lo) *lo = s->edges.at[a].lo, *hi = s->edges.at[a].hi;
        return s->edges.at[a].to;
    }
    rx->uniform_lo = 0;
    rx->uniform_hi = MN_CP_MAX;
    mn_rid to = derive(rx, r, cp);
    mn_rx_edge e = { rx->uniform_lo, rx->uniform_hi, to };
    if (lo) *lo = e.lo, *hi = e.hi;
    mn_rx_state *t = &rx->states.at[state];     /* derive() may have moved it */
    mn_vec_reserve(rx->cx, &t->edges, 1);
    memmove(t->edges.at + a + 1, t->edges.at + a, (t->edges.n - a) * sizeof e);
    t->edges.at[a] = e;
    t->edges.n++;
    return to;
}

/* ---- liveness ---------------------------------------------------------------------- */

typedef struct {
    mn_rx *rx;
    mn_u32s queue, from;        /* nodes in the order they were met, and who met them */
    mn_intern met;
    mn_rid root;
} search;

static bool met_before(search *s, mn_rid r)
{
    uint64_t hash = mn_mix(r, 1);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&s->met, hash); mn_intern_next(&s->met, &k, &i);)
        if (s->queue.at[i] == r) return true;
    return false;
}

static void found(search *s, uint32_t at)
{
    for (;; at = s->from.at[at]) {
        s->rx->nodes.at[s->queue.at[at]].live = 1;
        if (!at) return;
    }
}

static void meet(search *s, mn_rid r, uint32_t from)
{
    if (s->queue.n >= s->rx->max_search)
        mn_cx_raise(s->rx->cx, MINERVA_LIMIT, "a pattern needs more than %u states to see "
                    "whether anything matches it", s->rx->max_search);
    mn_vec_push(s->rx->cx, &s->queue, r);
    mn_vec_push(s->rx->cx, &s->from, from);
    mn_intern_add(s->rx->cx, &s->met, mn_mix(r, 1), s->queue.n - 1);
}

static void search_live(void *arg)
{
    search *s = arg;
    mn_rx *rx = s->rx;
    meet(s, s->root, 0);
    if (rx->nodes.at[s->root].nullable) {
        found(s, 0);
        return;
    }
    for (uint32_t at = 0; at < s->queue.n; at++) {
        mn_rid r = s->queue.at[at];
        mn_cx_tick(rx->cx);
        for (uint32_t cp = 0, lo, hi; cp <= MN_CP_MAX; cp = hi + 1) {
            if (cp >= 0xD800 && cp < 0xE000) cp = 0xE000;
            mn_rid to = mn_rx_step(rx, r, cp, &lo, &hi);
            uint8_t live = rx->nodes.at[to].live;
            if (live == 1 || rx->nodes.at[to].nullable) {
                rx->nodes.at[to].live = 1;
                found(s, at);
                return;
            }
            if (live == 0 && !met_before(s, to)) meet(s, to, at);
        }
    }
    for (uint32_t i = 0; i < s->queue.n; i++) rx->nodes.at[s->queue.at[i]].live = 2;
}

bool mn_rx_live(mn_rx *rx, mn_rid r)
{
    if (rx->nodes.at[r].live) return rx->nodes.at[r].live == 1;
    search s = { .rx = rx, .root = r };
    minerva_error err = { 0 };
    minerva_status st = mn_cx_protect(rx->cx, &err, search_live, &s);
    mn_vec_clear(rx->cx, &s.queue);
    mn_vec_clear(rx->cx, &s.from);
    mn_intern_clear(rx->cx, &s.met);
    if (st) mn_cx_raise(rx->cx, st, "%s", err.message);
    return rx->nodes.at[r].live == 1;
}

bool mn_rx_live_between(mn_rx *rx, mn_rid r, uint32_t lo, uint32_t hi)
{
    for (uint32_t cp = lo, a, b; cp <= hi; cp = b + 1) {
        if (cp >= 0xD800 && cp < 0xE000) cp = 0xE000;
        if (cp > hi) return false;
        if (mn_rx_live(rx, mn_rx_step(rx, r, cp, &a, &b))) return true;
    }
    return false;
}

/* ---- counting ---------------------------------------------------------------------- */

enum { COUNT_DEPTH = 400, COUNT_STEPS = 4000, COUNTING = UINT32_MAX };

/* Without & and ~ no part is empty, so one loop without a bound will do. */
static bool loops(const mn_rx *rx, mn_rid r, int depth)
{
    mn_rx_node x = rx->nodes.at[r];
    if (x.card != UINT32_MAX && x.kind != MN_RK_REP) return false;
    if (depth > 200) return false;
    if (x.kind == MN_RK_REP) return x.max >= MN_WAYS_MANY || loops(rx, x.a, depth + 1);
    if (x.kind == MN_RK_CAT) {
        for (; x.kind == MN_RK_CAT; r = x.b, x = rx->nodes.at[r])
            if (loops(rx, x.a, depth + 1)) return true;
        return loops(rx, r, depth + 1);
    }
    for (uint32_t i = 0; x.kind == MN_RK_ALT && i < x.b; i++)
        if (loops(rx, rx->kids.at[x.a + i], depth + 1)) return true;
    return false;
}

/* Over live derivatives; one that is met while it is being counted closes a loop. */
static uint32_t ways(mn_rx *rx, mn_rid r, int depth, int *steps)
{
    uint32_t known = rx->nodes.at[r].ways;
    if (known) return known == COUNTING ? MN_WAYS_MANY : known - 1;
    if (r == MN_RX_ALL || (rx->nodes.at[r].positive && loops(rx, r, 0))) {
        rx->nodes.at[r].ways = MN_WAYS_MANY + 1;
        return MN_WAYS_MANY;
    }
    if (!mn_rx_live(rx, r)) return 0;
    if (depth > COUNT_DEPTH || --*steps < 0) return MN_WAYS_MANY;
    rx->nodes.at[r].ways = COUNTING;
    uint64_t sum = rx->nodes.at[r].nullable;
    for (uint32_t cp = 0, lo, hi; cp <= MN_CP_MAX && sum < MN_WAYS_MANY; cp = hi + 1) {
        if (cp >= 0xD800 && cp < 0xE000) cp = 0xE000;
        mn_rid to = mn_rx_step(rx, r, cp, &lo, &hi);
        if (to != MN_RX_NONE) sum += (uint64_t)(hi - cp + 1) * ways(rx, to, depth + 1, steps);
    }
    if (sum > MN_WAYS_MANY) sum = MN_WAYS_MANY;
    rx->nodes.at[r].ways = (uint32_t)sum + 1;
    return (uint32_t)sum;
}

uint32_t mn_rx_ways(mn_rx *rx, mn_rid r)
{
    int steps = COUNT_STEPS;
    return ways(rx, r, 0, &steps);
}

/* ---- what all ways on have in common ------------------------------------------------ */

enum { MAX_CLOSED = 12 };

static bool listed(const mn_rid *list, uint32_t n, mn_rid r)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i] == r) return true;
    return false;
}

bool mn_rx_closed(mn_rx *rx, mn_rid r, const mn_range *ranges, uint32_t n)
{
    mn_rid met[MAX_CLOSED] = { r };
    uint32_t n_met = 1;
    for (uint32_t at = 0; at < n_met; at++)
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t cp = ranges[i].lo, lo, hi; cp <= ranges[i].hi; cp = hi + 1) {
                if (cp >= 0xD800 && cp < 0xE000) cp = 0xE000;
                mn_rid to = mn_rx_step(rx, met[at], cp, &lo, &hi);
                if (!mn_rx_live(rx, to)) return false;
                if (listed(met, n_met, to)) continue;
                if (n_met == MAX_CLOSED) return false;
                met[n_met++] = to;
            }
    return true;
}

bool mn_rx_match(mn_rx *rx, mn_rid r, const char *s, size_t len)
{
    for (size_t i = 0; i < len && r != MN_RX_NONE;) {
        uint32_t cp;
        i += (size_t)mn_utf8_decode(s + i, len - i, &cp);
        r = mn_rx_step(rx, r, cp, NULL, NULL);
    }
    return mn_rx_nullable(rx, r);
}

/* ---- counters beyond the horizon --------------------------------------------------- */

/* A text of at most `horizon` code points goes round a loop at most `horizon` times, so
 * it cannot tell {m,n} with n >= horizon from {m,}, nor m > horizon from horizon + 1.
 * Bodies that may be empty or hold & and ~ are left as they are. */
static mn_rid clamp(mn_rx *rx, mn_rid r, uint32_t horizon, int depth)
{
    if (depth > 64) return r;
    mn_rx_node x = rx->nodes.at[r];
    if (x.kind == MN_RK_REP && !rx->nodes.at[x.a].nullable) {
        uint32_t max = x.max >= horizon ? MN_RX_INF : x.max;
        uint32_t min = x.min > horizon ? horizon + 1 : x.min;
        return min == x.min && max == x.max ? r : mn_rx_rep(rx, x.a, min, max);
    }
    if (x.kind == MN_RK_CAT) {
        mn_rid head = clamp(rx, x.a, horizon, depth + 1);
        mn_rid tail = clamp(rx, x.b, horizon, depth + 1);
        return head == x.a && tail == x.b ? r : mn_rx_cat(rx, head, tail);
    }
    if (x.kind != MN_RK_ALT || x.b > 16) return r;
    mn_rid kids[16];
    bool same = true;
    for (uint32_t i = 0; i < x.b; i++) {
        mn_rid kid = rx->kids.at[x.a + i];
        kids[i] = clamp(rx, kid, horizon, depth + 1);
        same &= kids[i] == kid;
    }
    return same ? r : mn_rx_alt(rx, kids, x.b);
}

mn_rid mn_rx_clamp(mn_rx *rx, mn_rid r, uint32_t horizon) { return clamp(rx, r, horizon, 0); }

/* ---- small languages --------------------------------------------------------------- */

static bool enumerate(mn_rx *rx, mn_rid r, uint32_t max, mn_texts *out, char *prefix,
                      uint32_t len)
{
    if (rx->nodes.at[r].nullable) {
        if (out->n >= max) return false;
        mn_text t = { mn_cx_strndup(rx->cx, prefix, len), len };
        mn_vec_push(rx->cx, out, t);
    }
    if (r == MN_RX_EPS) return true;
    for (uint32_t cp = 0, lo, hi; cp <= MN_CP_MAX; cp++) {
        if (cp >= 0xD800 && cp < 0xE000) cp = 0xE000;
        mn_rid to = mn_rx_step(rx, r, cp, &lo, &hi);
        if (!mn_rx_live(rx, to)) {
            cp = hi;
            continue;
        }
        if (len > 4000) return false;
        uint32_t n = (uint32_t)mn_utf8_encode(cp, prefix + len);
        if (!enumerate(rx, to, max, out, prefix, len + n)) return false;
    }
    return true;
}

bool mn_rx_enumerate(mn_rx *rx, mn_rid r, uint32_t max, mn_texts *out)
{
    if (rx->nodes.at[r].card > max) return false;
    char prefix[4096];
    return enumerate(rx, r, max, out, prefix, 0);
}
