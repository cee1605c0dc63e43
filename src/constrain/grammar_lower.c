/* Grammars: from trees to productions; see grammar.h.
 *
 * Neighbours that are regular are joined into one terminal.  Groups, alternatives inside
 * sequences and repetitions become symbols of their own:
 *
 *   x*        R -> nothing | R x
 *   x{m,n}    R -> x x ... x T1       Ti -> nothing | x Ti+1
 *
 * The T of a repetition stand in last place, one calling the next, and hand their return
 * on, so that a thousand repetitions end in one step.
 */
#include "constrain/grammar.h"

enum { MAX_REPEAT = 10000, MAX_RHS = 2000000 };

static void produce(mn_grammar *g, uint32_t head, const uint32_t *rhs, uint32_t n)
{
    if (g->rhs.n + n > MAX_RHS) mn_cx_raise(g->cx, MINERVA_LIMIT, "grammar: more than %d symbols", MAX_RHS);
    mn_production p = { head, g->rhs.n };
    mn_vec_reserve(g->cx, &g->rhs, n + 1);
    for (uint32_t i = 0; i < n; i++) g->rhs.at[g->rhs.n++] = rhs[i];
    g->rhs.at[g->rhs.n++] = MN_G_END;
    mn_vec_push(g->cx, &g->productions, p);
    mn_cx_tick(g->cx);
}

static uint32_t fresh_symbol(mn_grammar *g, bool chain)
{
    while (g->chain.n < g->n_symbols) mn_vec_push(g->cx, &g->chain, 0);
    mn_vec_push(g->cx, &g->chain, chain);
    return g->n_symbols++;
}

static uint32_t lower(mn_grammar *g, const mn_g_node *n);

static uint32_t language_symbol(mn_grammar *g, mn_rid lang)
{
    return lower(g, mn_g_language(g, lang, false, false));
}

/* Symbols of a sequence, regular neighbours joined, pushed to the stack of ids. */
static void push_sequence(mn_grammar *g, const mn_g_node *n)
{
    mn_u32s *stack = &g->rx->scratch;
    mn_rid run = MN_RX_EPS;
    bool running = false;
    for (const mn_g_node *kid = n->kind == MN_G_SEQ ? n->kid : n; kid;
         kid = n->kind == MN_G_SEQ ? kid->next : NULL) {
        mn_rid lang;
        if (mn_g_regular(g, kid, &lang)) {
            run = mn_rx_cat(g->rx, run, lang);
            running = true;
            continue;
        }
        if (running && run != MN_RX_EPS) {
            uint32_t symbol = language_symbol(g, run);
            mn_vec_push(g->cx, stack, symbol);
        }
        run = MN_RX_EPS;
        running = false;
        uint32_t symbol = lower(g, kid);
        mn_vec_push(g->cx, stack, symbol);
    }
    if (running && run != MN_RX_EPS) {
        uint32_t symbol = language_symbol(g, run);
        mn_vec_push(g->cx, stack, symbol);
    }
}

/* All alternatives that are regular, as one. */
static void produce_regular(mn_grammar *g, uint32_t head, const mn_g_node *n)
{
    mn_u32s *stack = &g->rx->scratch;
    uint32_t base = stack->n;
    for (const mn_g_node *kid = n->kid; n->kind == MN_G_ALT && kid; kid = kid->next) {
        mn_rid lang;
        if (mn_g_regular(g, kid, &lang)) mn_vec_push(g->cx, stack, lang);
    }
    uint32_t count = stack->n - base;
    mn_rid *kids = mn_cx_alloc(g->cx, count, sizeof *kids);
    if (count) memcpy(kids, stack->at + base, count * sizeof *kids);
    stack->n = base;
    if (!count) return;
    uint32_t symbol = language_symbol(g, mn_rx_alt(g->rx, kids, count));
    produce(g, head, &symbol, 1);
}

static void produce_alternatives(mn_grammar *g, uint32_t head, const mn_g_node *n)
{
    mn_rid whole;
    if (mn_g_regular(g, n, &whole)) {
        uint32_t symbol = language_symbol(g, whole);
        produce(g, head, &symbol, 1);
        return;
    }
    produce_regular(g, head, n);
    for (const mn_g_node *kid = n->kind == MN_G_ALT ? n->kid : n; kid;
         kid = n->kind == MN_G_ALT ? kid->next : NULL) {
        if (n->kind == MN_G_ALT && mn_g_regular(g, kid, &whole)) continue;
        uint32_t base = g->rx->scratch.n;
        push_sequence(g, kid);
        uint32_t count = g->rx->scratch.n - base;
        uint32_t *rhs = mn_cx_alloc(g->cx, count, sizeof *rhs);
        if (count) memcpy(rhs, g->rx->scratch.at + base, count * sizeof *rhs);
        g->rx->scratch.n = base;
        produce(g, head, rhs, count);
    }
}

static uint32_t repeat(mn_grammar *g, uint32_t body, uint32_t min, uint32_t max)
{
    uint32_t bound = max == MN_RX_INF ? min : max;
    if (bound > MAX_REPEAT)
        mn_cx_raise(g->cx, MINERVA_LIMIT, "grammar: at most %d repetitions of something that is not regular "
                    "expected, %u found", MAX_REPEAT, bound);
    uint32_t tail;
    if (max == MN_RX_INF) {
        tail = fresh_symbol(g, false);
        uint32_t again[2] = { tail, body };
        produce(g, tail, NULL, 0);
        produce(g, tail, again, 2);
    } else {
        tail = fresh_symbol(g, true);
        produce(g, tail, NULL, 0);
    }
    for (uint32_t i = min; max != MN_RX_INF && i < max; i++) {
        uint32_t next = fresh_symbol(g, true), more[2] = { body, tail };
        produce(g, next, NULL, 0);
        produce(g, next, more, 2);
        tail = next;
    }
    if (!min) return tail;
    uint32_t *rhs = mn_cx_alloc(g->cx, (size_t)min + 1, sizeof *rhs), head = fresh_symbol(g, false);
    for (uint32_t i = 0; i < min; i++) rhs[i] = body;
    rhs[min] = tail;
    produce(g, head, rhs, min + 1);
    return head;
}

/* The symbol of a tree; rules have their own numbers. */
static uint32_t lower(mn_grammar *g, const mn_g_node *n)
{
    mn_rid lang;
    if (n->kind == MN_G_TERMINAL) return n->id | MN_G_TERMINAL_BIT;
    if (n->kind == MN_G_REF && !g->rules.at[n->id].regular) return n->id;
    if (n->kind == MN_G_SEQ && n->kid && !n->kid->next) return lower(g, n->kid);
    if (n->kind == MN_G_REP && n->kid->kind == MN_G_TERMINAL)       /* what mn_g_language makes of a language */
        return repeat(g, lower(g, n->kid), n->min, n->max);
    if (mn_g_regular(g, n, &lang)) {
        if (lang != MN_RX_EPS && lang != MN_RX_NONE) return language_symbol(g, lang);
    } else if (n->kind == MN_G_REP) {
        return repeat(g, lower(g, n->kid), n->min, n->max);
    }
    uint32_t head = fresh_symbol(g, false);
    if (n->kind == MN_G_SEQ && !n->kid) produce(g, head, NULL, 0);
    else if (n->kind != MN_G_ALT || n->kid) produce_alternatives(g, head, n);
    return head;
}

/* ---- what derives no text, what derives the empty one ---------------------------------------- */

/* A production has the property when all its symbols have, a symbol when one of its
 * productions has.  Each production waits for as many symbols as lack it. */
static void spread(mn_grammar *g, uint8_t *marks, bool terminals)
{
    uint32_t n = g->productions.n;
    uint32_t *missing = mn_cx_alloc(g->cx, n, sizeof *missing);
    uint32_t *users_at = mn_cx_alloc(g->cx, (size_t)g->n_symbols + 2, sizeof *users_at);
    uint32_t *users = mn_cx_alloc(g->cx, g->rhs.n, sizeof *users);
    uint32_t *queue = mn_cx_alloc(g->cx, g->n_symbols, sizeof *queue), n_queue = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t k = g->productions.at[i].rhs; g->rhs.at[k] != MN_G_END; k++) {
                uint32_t s = g->rhs.at[k];
                if (s & MN_G_TERMINAL_BIT) {
                    if (!pass) missing[i] += !terminals;
                } else if (!pass) {
                    missing[i]++;
                    users_at[s + 2]++;
                } else {
                    users[users_at[s + 1]++] = i;
                }
            }
        }
        for (uint32_t s = 2; !pass && s < g->n_symbols + 2; s++) users_at[s] += users_at[s - 1];
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t head = g->productions.at[i].head;
        if (missing[i] || marks[head]) continue;
        marks[head] = 1;
        queue[n_queue++] = head;
    }
    for (uint32_t at = 0; at < n_queue; at++)
        for (uint32_t k = users_at[queue[at]]; k < users_at[queue[at] + 1]; k++) {
            uint32_t head = g->productions.at[users[k]].head;
            if (--missing[users[k]] || marks[head]) continue;
            marks[head] = 1;
            queue[n_queue++] = head;
        }
}

static void drop_unproductive(mn_grammar *g)
{
    uint8_t *marks = mn_cx_alloc(g->cx, g->n_symbols, 1);
    spread(g, marks, true);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->productions.n; i++) {
        bool all = true;
        for (uint32_t k = g->productions.at[i].rhs; all && g->rhs.at[k] != MN_G_END; k++)
            all = (g->rhs.at[k] & MN_G_TERMINAL_BIT) || marks[g->rhs.at[k]];
        if (all) g->productions.at[kept++] = g->productions.at[i];
    }
    g->productions.n = kept;
}

/* ---- calls in last place ---------------------------------------------------------------------- */

/* Those that close a cycle of calls in last place hand their return on; the others need
 * not, and so keep their returns few. */
static void mark_tails(mn_grammar *g)
{
    uint32_t n = g->productions.n, symbols = g->n_symbols, n_edges = 0;
    uint32_t *edge_at = mn_cx_alloc(g->cx, (size_t)symbols + 1, sizeof *edge_at);
    uint32_t *edges = mn_cx_alloc(g->cx, n, sizeof *edges), *last = mn_cx_alloc(g->cx, n, sizeof *last);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = g->productions.at[i].rhs;
        last[i] = 0;
        while (g->rhs.at[k] != MN_G_END) last[i] = k++;
    }
    for (uint32_t s = 0; s < symbols; s++) {
        edge_at[s] = n_edges;
        for (uint32_t k = g->by_head.at[s]; k < g->by_head.at[s + 1]; k++) {
            uint32_t at = last[g->order.at[k]];
            if (at && !(g->rhs.at[at] & MN_G_TERMINAL_BIT)) edges[n_edges++] = g->rhs.at[at];
        }
    }
    edge_at[symbols] = n_edges;
    uint32_t *cycle = mn_cx_alloc(g->cx, symbols, sizeof *cycle), *out = mn_cx_alloc(g->cx, symbols, sizeof *out);
    mn_g_components(g->cx, symbols, edge_at, edges, cycle, out);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t s = last[i] ? g->rhs.at[last[i]] : MN_G_TERMINAL_BIT;
        if (s & MN_G_TERMINAL_BIT) continue;
        bool chain = s < g->chain.n && g->chain.at[s];
        if (chain || cycle[s] == cycle[g->productions.at[i].head]) g->rhs.at[last[i]] |= MN_G_TAIL_BIT;
    }
}

static void index_heads(mn_grammar *g)
{
    uint32_t n = g->n_symbols;
    mn_vec_reserve(g->cx, &g->by_head, n + 2);
    g->by_head.n = n + 1;
    memset(g->by_head.at, 0, ((size_t)n + 2) * sizeof(uint32_t));
    for (uint32_t i = 0; i < g->productions.n; i++) g->by_head.at[g->productions.at[i].head + 1]++;
    for (uint32_t i = 1; i <= n; i++) g->by_head.at[i] += g->by_head.at[i - 1];
    mn_vec_reserve(g->cx, &g->order, g->productions.n + 1);
    g->order.n = g->productions.n;
    uint32_t *fill = mn_cx_alloc(g->cx, (size_t)n + 1, sizeof *fill);
    for (uint32_t i = 0; i < g->productions.n; i++) {
        uint32_t head = g->productions.at[i].head;
        g->order.at[g->by_head.at[head] + fill[head]++] = i;
    }
}

/* ---- all of it ------------------------------------------------------------------------------------ */

/* Productions of all rules that the start reaches. */
static void produce_rules(mn_grammar *g, uint32_t start)
{
    uint32_t n = g->rules.n, n_queue = 0;
    uint8_t *reached = mn_cx_alloc(g->cx, n, 1);
    uint32_t *queue = mn_cx_alloc(g->cx, n, sizeof *queue);
    queue[n_queue++] = start;
    reached[start] = 1;
    for (uint32_t at = 0; at < n_queue; at++) {
        uint32_t from = g->rhs.n;
        produce_alternatives(g, queue[at], g->rules.at[queue[at]].tree);
        for (uint32_t i = from; i < g->rhs.n; i++) {
            uint32_t s = g->rhs.at[i];
            if (s >= n || reached[s]) continue;
            reached[s] = 1;
            queue[n_queue++] = s;
        }
    }
}

bool mn_grammar_build(mn_grammar *g, uint32_t start, mn_rid *lang)
{
    mn_grammar_find_regular(g);
    g->start = start;
    if (g->rules.at[start].regular) {
        *lang = g->rules.at[start].lang;
        return true;
    }
    g->n_symbols = g->rules.n;
    mn_vec_push(g->cx, &g->rhs, MN_G_END);
    produce_rules(g, start);
    drop_unproductive(g);
    index_heads(g);
    mn_vec_reserve(g->cx, &g->nullable, g->n_symbols + 1);
    g->nullable.n = g->n_symbols;
    memset(g->nullable.at, 0, g->n_symbols);
    spread(g, g->nullable.at, false);
    mark_tails(g);
    return false;
}
