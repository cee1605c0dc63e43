/* Earley's parser over shared sets; see grammar.h.
 *
 * mn_grammar_scan() makes a set's kernel in the work list: the items that the terminal
 * moves, then, for each complete one, those that wait for it where it returns to.  The
 * kernel identifies the set.  Only a new one is closed by what it predicts, whose returns
 * name the set itself.
 *
 * The items of a set are sorted by the symbol behind the dot, so that those which wait for
 * a symbol stand side by side.
 */
#include <stdlib.h>

#include "constrain/grammar.h"

/* Of one set; items beside what the grammar's size explains. */
enum { SPARE_ITEMS = 4000, MAX_EXPECTED = 1000 };

static uint32_t symbol_at(const mn_grammar *g, uint32_t at)
{
    uint32_t s = g->rhs.at[at];
    return s & MN_G_TERMINAL_BIT ? s : s & ~MN_G_TAIL_BIT;
}

static uint64_t item_hash(mn_item i) { return mn_mix(i.at, i.ret); }

/* To the work list, if it is not there. */
static void add(mn_grammar *g, mn_item item)
{
    uint32_t i;
    if (g->work.n < 16) {
        for (i = 0; i < g->work.n; i++)
            if (g->work.at[i].at == item.at && g->work.at[i].ret == item.ret) return;
    } else {
        if (!g->work_set.n)
            for (i = 0; i < g->work.n; i++) mn_intern_add(g->cx, &g->work_set, item_hash(g->work.at[i]), i);
        uint64_t hash = item_hash(item);
        for (mn_intern_seek k = mn_intern_begin(&g->work_set, hash); mn_intern_next(&g->work_set, &k, &i);)
            if (g->work.at[i].at == item.at && g->work.at[i].ret == item.ret) return;
        if (g->work.n >= SPARE_ITEMS + 4 * g->rhs.n)
            mn_cx_raise(g->cx, MINERVA_LIMIT, "grammar: it is ambiguous, and the text can be read in more than %u "
                        "ways side by side", g->work.n);
        mn_intern_add(g->cx, &g->work_set, hash, g->work.n);
    }
    mn_vec_push(g->cx, &g->work, item);
    mn_cx_tick(g->cx);
}

static void clear_work(mn_grammar *g)
{
    g->work.n = 0;
    if (g->work_set.cap > 4096) {
        mn_intern_clear(g->cx, &g->work_set);
    } else if (g->work_set.n) {
        memset(g->work_set.slot, 0, (size_t)g->work_set.cap * 2 * sizeof *g->work_set.slot);
        g->work_set.n = 0;
    }
}

/* An item that stands at `at`, and those behind what may be empty there. */
static void arrive(mn_grammar *g, uint32_t at, uint32_t ret)
{
    for (;; at++) {
        uint32_t s = symbol_at(g, at);
        add(g, (mn_item){ s == MN_G_END ? 0 : at, ret });
        if ((s & MN_G_TERMINAL_BIT) || !g->nullable.at[s]) return;
    }
}

static uint32_t intern_return(mn_grammar *g, uint32_t set, uint32_t symbol)
{
    uint64_t hash = mn_mix(g->sets.at[set].hash, symbol), key = mn_mix(set, (uint64_t)symbol << 8 | 7);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&g->return_set, key); mn_intern_next(&g->return_set, &k, &i);)
        if (g->returns.at[i].set == set && g->returns.at[i].symbol == symbol) return i;
    mn_vec_push(g->cx, &g->returns, ((mn_return){ hash, set, symbol }));
    mn_intern_add(g->cx, &g->return_set, key, g->returns.n - 1);
    return g->returns.n - 1;
}

/* First item of the set whose symbol is not below `symbol`. */
static uint32_t find_symbol(const mn_grammar *g, const mn_earley_set *s, uint32_t symbol)
{
    uint32_t lo = s->items, hi = s->items + s->n_items;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (symbol_at(g, g->items.at[mid].at) < symbol) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

/* Items of a set that wait for a symbol arrive behind it. */
static void move_all(mn_grammar *g, uint32_t set, uint32_t symbol)
{
    mn_earley_set s = g->sets.at[set];
    for (uint32_t i = find_symbol(g, &s, symbol); i < s.items + s.n_items; i++) {
        mn_item item = g->items.at[i];
        if (symbol_at(g, item.at) != symbol) return;
        arrive(g, item.at + 1, item.ret);
    }
}

/* ---- sets --------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const mn_item *x = a, *y = b;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    return x->ret < y->ret ? -1 : x->ret > y->ret;
}

static void predict(mn_grammar *g, uint32_t set)
{
    for (uint32_t at = 0; at < g->work.n; at++) {
        mn_item item = g->work.at[at];
        uint32_t symbol = symbol_at(g, item.at);
        if (symbol & MN_G_TERMINAL_BIT) continue;
        bool tail = g->rhs.at[item.at] & MN_G_TAIL_BIT;
        uint32_t ret = tail ? item.ret : intern_return(g, set, symbol);
        for (uint32_t i = g->by_head.at[symbol]; i < g->by_head.at[symbol + 1]; i++)
            arrive(g, g->productions.at[g->order.at[i]].rhs, ret);
    }
}

typedef struct { mn_item item; uint32_t symbol; } sorted_item;

static int by_symbol(const void *a, const void *b)
{
    const sorted_item *x = a, *y = b;
    if (x->symbol != y->symbol) return x->symbol < y->symbol ? -1 : 1;
    return by_place(&x->item, &y->item);
}

/* The work list as the items of a set: neither what is complete nor calls in last place,
 * to which nothing returns. */
static void keep_items(mn_grammar *g, mn_earley_set *s)
{
    uint32_t n = 0;
    sorted_item small[64], *sorted = g->work.n <= 64 ? small : malloc(g->work.n * sizeof *sorted);
    if (!sorted) mn_cx_raise(g->cx, MINERVA_MEMORY, "out of memory");
    for (uint32_t i = 0; i < g->work.n; i++) {
        uint32_t raw = g->rhs.at[g->work.at[i].at];
        if (raw == MN_G_END || (!(raw & MN_G_TERMINAL_BIT) && (raw & MN_G_TAIL_BIT))) continue;
        sorted[n++] = (sorted_item){ g->work.at[i], raw };
    }
    if (n > 1) qsort(sorted, n, sizeof *sorted, by_symbol);
    g->work.n = 0;      /* has room for all of them */
    for (uint32_t i = 0; i < n; i++) g->work.at[g->work.n++] = sorted[i].item;
    if (sorted != small) free(sorted);
    s->items = g->items.n;
    s->n_items = n;
    mn_vec_reserve(g->cx, &g->items, n);
    if (n) memcpy(g->items.at + g->items.n, g->work.at, n * sizeof(mn_item));
    g->items.n += n;
}

/* Terminals behind the dots: they come last, and equal ones side by side. */
static void keep_expected(mn_grammar *g, mn_earley_set *s)
{
    s->expected = g->expected.n;
    for (uint32_t i = find_symbol(g, s, MN_G_TERMINAL_BIT); i < s->items + s->n_items; i++) {
        uint32_t t = g->terminals.at[symbol_at(g, g->items.at[i].at) & ~MN_G_TERMINAL_BIT].first;
        if (g->expected.n == s->expected || g->expected.at[g->expected.n - 1] != t)
            mn_vec_push(g->cx, &g->expected, t);
    }
    s->n_expected = g->expected.n - s->expected;
    if (s->n_expected > MAX_EXPECTED)
        mn_cx_raise(g->cx, MINERVA_LIMIT, "grammar: at most %d different terminals at one place expected, %u found",
                    MAX_EXPECTED, s->n_expected);
}

/* The set whose kernel is the work list. */
static uint32_t intern_kernel(mn_grammar *g, bool accepting)
{
    uint32_t n = 0, i;
    uint64_t hash = accepting ? 0x616363 : 0x6e6f;
    for (i = 0; i < g->work.n; i++) {
        mn_item item = g->work.at[i];
        if (g->rhs.at[item.at] == MN_G_END) continue;   /* what is complete has done its work */
        hash += mn_mix(mn_mix(item.at, 0x6b), g->returns.at[item.ret].hash);
        g->work.at[n++] = item;
    }
    g->work.n = n;
    if (n > 1) qsort(g->work.at, n, sizeof *g->work.at, by_place);
    for (mn_intern_seek k = mn_intern_begin(&g->set_set, hash); mn_intern_next(&g->set_set, &k, &i);) {
        const mn_earley_set *s = &g->sets.at[i];
        if (s->n_kernel == n && s->accepting == accepting
            && (!n || !memcmp(g->items.at + s->kernel, g->work.at, n * sizeof(mn_item)))) return i;
    }
    mn_earley_set s = { .hash = hash, .kernel = g->items.n, .n_kernel = n, .accepting = accepting };
    mn_vec_reserve(g->cx, &g->items, n);
    if (n) memcpy(g->items.at + g->items.n, g->work.at, n * sizeof(mn_item));
    g->items.n += n;
    /* The returns made while predicting look its hash up. */
    mn_vec_push(g->cx, &g->sets, s);
    uint32_t set = g->sets.n - 1;
    if (g->work_set.n) {
        memset(g->work_set.slot, 0, (size_t)g->work_set.cap * 2 * sizeof *g->work_set.slot);
        g->work_set.n = 0;
    }
    predict(g, set);
    keep_items(g, &s);
    keep_expected(g, &s);
    g->sets.at[set] = s;
    mn_intern_add(g->cx, &g->set_set, hash, set);
    return set;
}

/* ---- running -------------------------------------------------------------------------------- */

uint32_t mn_grammar_start(mn_grammar *g)
{
    if (g->sets.n) return 0;
    if (g->by_head.at[g->start] == g->by_head.at[g->start + 1]) return UINT32_MAX;
    clear_work(g);
    mn_vec_push(g->cx, &g->returns, ((mn_return){ 0x746f70, UINT32_MAX, 0 }));
    for (uint32_t i = g->by_head.at[g->start]; i < g->by_head.at[g->start + 1]; i++)
        arrive(g, g->productions.at[g->order.at[i]].rhs, MN_RETURN_TOP);
    return intern_kernel(g, g->nullable.at[g->start]);
}

static uint32_t scan(mn_grammar *g, uint32_t set, uint32_t terminal)
{
    bool accepting = false;
    clear_work(g);
    move_all(g, set, terminal | MN_G_TERMINAL_BIT);
    if (!g->work.n) return UINT32_MAX;
    for (uint32_t at = 0; at < g->work.n; at++) {
        mn_item item = g->work.at[at];
        if (g->rhs.at[item.at] != MN_G_END) continue;
        mn_return r = g->returns.at[item.ret];
        if (item.ret == MN_RETURN_TOP) accepting = true;
        else move_all(g, r.set, r.symbol);
    }
    return intern_kernel(g, accepting);
}

static bool find_memo(const mn_grammar *g, uint64_t hash, uint32_t a, uint32_t b, uint32_t *to)
{
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&g->scan_set, hash); mn_intern_next(&g->scan_set, &k, &i);)
        if (g->scans.at[3 * i] == a && g->scans.at[3 * i + 1] == b) {
            *to = g->scans.at[3 * i + 2];
            return true;
        }
    return false;
}

static uint32_t keep_memo(mn_grammar *g, uint64_t hash, uint32_t a, uint32_t b, uint32_t to)
{
    mn_vec_reserve(g->cx, &g->scans, 3);
    g->scans.at[g->scans.n++] = a;
    g->scans.at[g->scans.n++] = b;
    g->scans.at[g->scans.n++] = to;
    mn_intern_add(g->cx, &g->scan_set, hash, g->scans.n / 3 - 1);
    return to;
}

uint32_t mn_grammar_scan(mn_grammar *g, uint32_t set, uint32_t terminal)
{
    uint32_t to, b = terminal | MN_G_TERMINAL_BIT;
    uint64_t hash = mn_mix(set, (uint64_t)b << 8 | 5);
    return find_memo(g, hash, set, b, &to) ? to : keep_memo(g, hash, set, b, scan(g, set, terminal));
}

static uint32_t unite(mn_grammar *g, uint32_t a, uint32_t b)
{
    const uint32_t sets[] = { a, b };
    clear_work(g);
    for (int k = 0; k < 2; k++) {
        mn_earley_set s = g->sets.at[sets[k]];
        for (uint32_t i = 0; i < s.n_kernel; i++) add(g, g->items.at[s.kernel + i]);
    }
    return intern_kernel(g, g->sets.at[a].accepting || g->sets.at[b].accepting);
}

uint32_t mn_grammar_union(mn_grammar *g, uint32_t a, uint32_t b)
{
    uint32_t to;
    if (a == b) return a;
    if (a > b) to = a, a = b, b = to;
    uint64_t hash = mn_mix(a, (uint64_t)b << 8 | 9);
    return find_memo(g, hash, a, b, &to) ? to : keep_memo(g, hash, a, b, unite(g, a, b));
}

const uint64_t *mn_grammar_first(mn_grammar *g, uint32_t set)
{
    mn_earley_set s = g->sets.at[set];
    if (!s.first) {
        uint64_t bits[4] = { 0 };
        for (uint32_t i = 0; i < s.n_expected; i++) {
            const mn_terminal *t = &g->terminals.at[g->expected.at[s.expected + i]];
            static const char json[] = "\"{[-0123456789tfn";
            for (const char *c = json; t->kind == MN_TK_JSON && *c; c++)
                bits[(uint8_t)*c / 64] |= UINT64_C(1) << (uint8_t)*c % 64;
            uint32_t start = t->start;
            for (uint32_t b = 0; start && b < 256; b++)
                if (mn_lex_next(g->lx, start, (uint8_t)b)) bits[b / 64] |= UINT64_C(1) << b % 64;
        }
        uint32_t at = g->first_bits.n;
        mn_vec_reserve(g->cx, &g->first_bits, 4);
        memcpy(g->first_bits.at + at, bits, sizeof bits);
        g->first_bits.n += 4;
        g->sets.at[set].first = s.first = at / 4 + 1;
    }
    return g->first_bits.at + 4 * (s.first - 1);
}

void mn_grammar_forget(mn_grammar *g)
{
    mn_cx *cx = g->cx;
    mn_vec_clear(cx, &g->sets);
    mn_vec_clear(cx, &g->items);
    mn_vec_clear(cx, &g->returns);
    mn_vec_clear(cx, &g->expected);
    mn_vec_clear(cx, &g->first_bits);
    mn_vec_clear(cx, &g->scans);
    mn_intern_clear(cx, &g->set_set);
    mn_intern_clear(cx, &g->return_set);
    mn_intern_clear(cx, &g->scan_set);
    mn_intern_clear(cx, &g->work_set);
}

size_t mn_grammar_sets_bytes(const mn_grammar *g)
{
    return g->sets.cap * sizeof(mn_earley_set) + g->items.cap * sizeof(mn_item)
        + g->returns.cap * sizeof(mn_return) + (g->set_set.cap + g->return_set.cap + g->scan_set.cap) * 16
        + g->scans.cap * sizeof(uint32_t) + g->expected.cap * sizeof(uint32_t)
        + g->first_bits.cap * sizeof(uint64_t);
}
