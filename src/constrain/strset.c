/* Sets of strings; see strset.h. */
#include "constrain/strset.h"

#include <stdlib.h>

#include "base/utf8.h"

enum { FEW = 64 };      /* a pattern with at most so many matches becomes a list */

int mn_text_cmp(const mn_text *a, const char *s, uint32_t len)
{
    uint32_t n = a->len < len ? a->len : len;
    int c = n ? memcmp(a->s, s, n) : 0;
    return c ? c : a->len < len ? -1 : a->len > len;
}

static uint32_t intern_set(mn_strsets *ss, mn_strset set)
{
    uint64_t hash = mn_mix(mn_mix(set.kind, (uint64_t)set.re << 32 | set.lits),
                           (uint64_t)set.min << 32 | set.max);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&ss->set_set, hash);
         mn_intern_next(&ss->set_set, &k, &i);) {
        const mn_strset *o = &ss->sets.at[i];
        if (o->kind == set.kind && o->re == set.re && o->lits == set.lits && o->min == set.min
            && o->max == set.max) return i;
    }
    mn_vec_push(ss->cx, &ss->sets, set);
    mn_intern_add(ss->cx, &ss->set_set, hash, ss->sets.n - 1);
    return ss->sets.n - 1;
}

void mn_ss_init(mn_strsets *ss, mn_cx *cx, mn_rx *rx)
{
    *ss = (mn_strsets){ .cx = cx, .rx = rx };
    mn_litset none = { 0 };
    mn_vec_push(cx, &ss->litsets, none);
    mn_vec_push(cx, &ss->sets, ((mn_strset){ .kind = MN_SK_LITS }));
    intern_set(ss, (mn_strset){ .kind = MN_SK_ANY, .max = MN_RX_INF });
}

void mn_ss_clear(mn_strsets *ss)
{
    if (!ss->cx) return;
    mn_vec_clear(ss->cx, &ss->texts);
    mn_vec_clear(ss->cx, &ss->litsets);
    mn_vec_clear(ss->cx, &ss->sets);
    mn_intern_clear(ss->cx, &ss->litset_set);
    mn_intern_clear(ss->cx, &ss->set_set);
    *ss = (mn_strsets){ 0 };
}

static int by_bytes(const void *a, const void *b)
{
    const mn_text *y = b;
    return mn_text_cmp(a, y->s, y->len);
}

uint32_t mn_ss_litset(mn_strsets *ss, const mn_text *texts, uint32_t n)
{
    if (!n) return 0;
    mn_vec_reserve(ss->cx, &ss->texts, n);
    mn_text *t = ss->texts.at + ss->texts.n;
    memcpy(t, texts, n * sizeof *t);
    bool sorted = true;
    for (uint32_t i = 1; i < n && sorted; i++) sorted = mn_text_cmp(&t[i - 1], t[i].s, t[i].len) < 0;
    if (!sorted) {
        qsort(t, n, sizeof *t, by_bytes);
        uint32_t k = 1;
        for (uint32_t i = 1; i < n; i++)
            if (mn_text_cmp(&t[k - 1], t[i].s, t[i].len)) t[k++] = t[i];
        n = k;
    }
    uint64_t hash = n;
    for (uint32_t i = 0; i < n; i++) hash = mn_hash64(t[i].s, t[i].len, hash);
    uint32_t at;
    for (mn_intern_seek k = mn_intern_begin(&ss->litset_set, hash);
         mn_intern_next(&ss->litset_set, &k, &at);) {
        mn_litset o = ss->litsets.at[at];
        uint32_t i = 0;
        if (o.n == n)
            while (i < n && !mn_text_cmp(&ss->texts.at[o.off + i], t[i].s, t[i].len)) i++;
        if (o.n == n && i == n) return at;
    }
    mn_litset set = { ss->texts.n, n };
    ss->texts.n += n;
    mn_vec_push(ss->cx, &ss->litsets, set);
    mn_intern_add(ss->cx, &ss->litset_set, hash, ss->litsets.n - 1);
    return ss->litsets.n - 1;
}

uint32_t mn_ss_lits(mn_strsets *ss, const mn_text *texts, uint32_t n)
{
    uint32_t set = mn_ss_litset(ss, texts, n);
    return set ? intern_set(ss, (mn_strset){ .kind = MN_SK_LITS, .lits = set }) : MN_SS_NONE;
}

uint32_t mn_ss_any(mn_strsets *ss, uint32_t min, uint32_t max, uint32_t excluded)
{
    if (min > max) return MN_SS_NONE;
    if (max == 0) {         /* the empty string alone */
        mn_text empty = { "", 0 };
        bool out = excluded && ss->texts.at[ss->litsets.at[excluded].off].len == 0;
        return out ? MN_SS_NONE : mn_ss_lits(ss, &empty, 1);
    }
    return intern_set(ss, (mn_strset){ .kind = MN_SK_ANY, .lits = excluded, .min = min,
                                       .max = max });
}

uint32_t mn_ss_re(mn_strsets *ss, mn_rid re)
{
    mn_rx_node n = ss->rx->nodes.at[re];
    if (re == MN_RX_ANY) return mn_ss_any(ss, 1, 1, 0);
    if (n.kind == MN_RK_REP && n.a == MN_RX_ANY) return mn_ss_any(ss, n.min, n.max, 0);
    if (!mn_rx_live(ss->rx, re)) return MN_SS_NONE;
    if (n.card <= FEW) {
        mn_texts found = { 0 };
        uint32_t set = 0;
        if (mn_rx_enumerate(ss->rx, re, FEW, &found)) set = mn_ss_litset(ss, found.at, found.n);
        mn_vec_clear(ss->cx, &found);
        if (set) return intern_set(ss, (mn_strset){ .kind = MN_SK_LITS, .lits = set });
    }
    return intern_set(ss, (mn_strset){ .kind = MN_SK_RE, .re = re });
}

static uint32_t count_chars(const mn_text *t) { return (uint32_t)mn_utf8_count(t->s, t->len); }

static bool in_list(mn_strsets *ss, uint32_t litset, const char *s, uint32_t len)
{
    uint32_t lo = 0, hi = ss->litsets.at[litset].n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        int c = mn_text_cmp(mn_ss_text(ss, litset, mid), s, len);
        if (!c) return true;
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return false;
}

bool mn_ss_has(mn_strsets *ss, uint32_t a, const char *s, uint32_t len)
{
    mn_strset x = ss->sets.at[a];
    switch ((mn_ss_kind)x.kind) {
    case MN_SK_ANY: {
        mn_text t = { s, len };
        uint32_t n = x.min || x.max != MN_RX_INF ? count_chars(&t) : 0;
        return n >= x.min && n <= x.max && !in_list(ss, x.lits, s, len);
    }
    case MN_SK_RE: return mn_rx_match(ss->rx, x.re, s, len);
    default: return in_list(ss, x.lits, s, len);
    }
}

mn_rid mn_ss_to_re(mn_strsets *ss, uint32_t a)
{
    mn_strset x = ss->sets.at[a];
    if (x.kind == MN_SK_RE) return x.re;
    uint32_t n = ss->litsets.at[x.lits].n;
    mn_rid *kids = mn_cx_alloc(ss->cx, n, sizeof *kids);
    for (uint32_t i = 0; i < n; i++) {
        mn_text t = *mn_ss_text(ss, x.lits, i);
        kids[i] = mn_rx_literal(ss->rx, t.s, t.len);
    }
    mn_rid lits = mn_rx_alt(ss->rx, kids, n);
    if (x.kind == MN_SK_LITS) return lits;
    return mn_rx_and2(ss->rx, mn_rx_rep(ss->rx, MN_RX_ANY, x.min, x.max), mn_rx_not(ss->rx, lits));
}

/* The members of a list that are in b, or (out) those that are not, as a list. */
static uint32_t filter(mn_strsets *ss, uint32_t litset, uint32_t b)
{
    uint32_t n = ss->litsets.at[litset].n, k = 0;
    mn_text *kept = mn_cx_alloc(ss->cx, n, sizeof *kept);
    for (uint32_t i = 0; i < n; i++) {
        mn_text t = *mn_ss_text(ss, litset, i);
        if (mn_ss_has(ss, b, t.s, t.len)) kept[k++] = t;
    }
    return k == n ? litset : mn_ss_litset(ss, kept, k);
}

static uint32_t unite(mn_strsets *ss, uint32_t a, uint32_t b)
{
    if (!a || a == b) return b;
    if (!b) return a;
    uint32_t n = ss->litsets.at[a].n, m = ss->litsets.at[b].n;
    mn_text *both = mn_cx_alloc(ss->cx, n + m, sizeof *both);
    memcpy(both, mn_ss_text(ss, a, 0), n * sizeof *both);
    memcpy(both + n, mn_ss_text(ss, b, 0), m * sizeof *both);
    return mn_ss_litset(ss, both, n + m);
}

uint32_t mn_ss_and(mn_strsets *ss, uint32_t a, uint32_t b)
{
    if (a == b || b == MN_SS_ALL) return a;
    if (a == MN_SS_ALL) return b;
    if (a == MN_SS_NONE || b == MN_SS_NONE) return MN_SS_NONE;
    mn_strset x = ss->sets.at[a], y = ss->sets.at[b];
    if (y.kind == MN_SK_LITS && (x.kind != MN_SK_LITS || ss->litsets.at[y.lits].n
                                 < ss->litsets.at[x.lits].n)) {
        mn_strset z = x;
        x = y;
        y = z;
        uint32_t c = a;
        a = b;
        b = c;
    }
    if (x.kind == MN_SK_LITS) {
        uint32_t kept = filter(ss, x.lits, b);
        return kept ? intern_set(ss, (mn_strset){ .kind = MN_SK_LITS, .lits = kept }) : MN_SS_NONE;
    }
    if (x.kind == MN_SK_ANY && y.kind == MN_SK_ANY)
        return mn_ss_any(ss, x.min > y.min ? x.min : y.min, x.max < y.max ? x.max : y.max,
                         unite(ss, x.lits, y.lits));
    return mn_ss_re(ss, mn_rx_and2(ss->rx, mn_ss_to_re(ss, a), mn_ss_to_re(ss, b)));
}

int mn_ss_not(mn_strsets *ss, uint32_t a, uint32_t out[3])
{
    mn_strset x = ss->sets.at[a];
    int n = 0;
    if (a == MN_SS_NONE) {
        out[n++] = MN_SS_ALL;
    } else if (x.kind == MN_SK_LITS) {
        out[n++] = mn_ss_any(ss, 0, MN_RX_INF, x.lits);
    } else if (x.kind == MN_SK_RE) {
        out[n] = mn_ss_re(ss, mn_rx_not(ss->rx, x.re));
        n += out[n] != MN_SS_NONE;
    } else {
        if (x.min) out[n++] = mn_ss_any(ss, 0, x.min - 1, 0);
        if (x.max != MN_RX_INF) out[n++] = mn_ss_any(ss, x.max + 1, MN_RX_INF, 0);
        uint32_t kept = x.lits ? filter(ss, x.lits, mn_ss_any(ss, x.min, x.max, 0)) : 0;
        if (kept) out[n++] = intern_set(ss, (mn_strset){ .kind = MN_SK_LITS, .lits = kept });
    }
    return n;
}
