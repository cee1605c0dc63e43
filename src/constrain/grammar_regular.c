/* Grammars: what of them is regular; see grammar.h.
 *
 * Rules are looked at in the order of Tarjan's algorithm, callees first, without recursion
 * of our own: a chain of 100,000 rules is no deeper than one.  A rule is regular if it
 * reaches no cycle, or if the only one is its own and of a form that can be solved
 * (Arden 1961, and a little more):
 *
 *   X = B | A X | X C | X M X     is     A* B C* (M A* B C*)*
 *
 * which covers the usual lists, blanks and operator chains.  Languages that would become
 * much longer than their source (r0 = r1 r1, r1 = r2 r2, ...) stay productions.
 *
 * The same equation, solved for the outermost X only, takes the ambiguity out of rules that
 * are not regular (e = e op e | "(" e ")" | ...): they become repetitions.
 */
#include "constrain/grammar.h"

enum { MAX_SIZE = 100000 };

static bool regular(mn_grammar *g, const mn_g_node *n, mn_rid *lang, uint32_t *size);

static mn_rid pop_list(mn_grammar *g, uint32_t base, bool sequence)
{
    mn_rx *rx = g->rx;
    uint32_t n = rx->scratch.n - base;
    if (sequence) {
        mn_rid r = MN_RX_EPS;
        while (rx->scratch.n > base) r = mn_rx_cat(rx, rx->scratch.at[--rx->scratch.n], r);
        return r;
    }
    mn_rid *kids = mn_cx_alloc(g->cx, n, sizeof *kids);
    if (n) memcpy(kids, rx->scratch.at + base, n * sizeof *kids);
    rx->scratch.n = base;
    return mn_rx_alt(rx, kids, n);
}

static bool regular_list(mn_grammar *g, const mn_g_node *list, mn_rid *lang, uint32_t *size)
{
    uint32_t base = g->rx->scratch.n;
    for (const mn_g_node *k = list->kid; k; k = k->next) {
        mn_rid r;
        if (!regular(g, k, &r, size)) {
            g->rx->scratch.n = base;
            return false;
        }
        mn_vec_push(g->cx, &g->rx->scratch, r);
    }
    *lang = pop_list(g, base, list->kind == MN_G_SEQ);
    return true;
}

/* *size grows by what the language has of code points. */
static bool regular(mn_grammar *g, const mn_g_node *n, mn_rid *lang, uint32_t *size)
{
    mn_rid body;
    mn_cx_tick(g->cx);
    switch ((mn_g_kind)n->kind) {
    case MN_G_LANG:
        *lang = n->id;
        *size += n->size;
        return *size <= MAX_SIZE;
    case MN_G_REF:
        if (!g->rules.at[n->id].regular) return false;
        *lang = g->rules.at[n->id].lang;
        *size += g->rules.at[n->id].size;
        return *size <= MAX_SIZE;
    case MN_G_REP:
        if (!regular(g, n->kid, &body, size)) return false;
        *lang = mn_rx_rep(g->rx, body, n->min, n->max);
        return true;
    case MN_G_TERMINAL: return false;
    default: return regular_list(g, n, lang, size);
    }
}

bool mn_g_regular(mn_grammar *g, const mn_g_node *tree, mn_rid *lang)
{
    uint32_t size = 0;
    return regular(g, tree, lang, &size);
}

/* ---- one rule that recurses ------------------------------------------------------------------- */

typedef struct {
    mn_grammar *g;
    uint32_t rule, size;
    mn_rid before, base, behind, between;   /* A, B, C, M: unions so far */
} equation;

static bool is_self(const equation *q, const mn_g_node *n) { return n->kind == MN_G_REF && n->id == q->rule; }

static bool alternative(equation *q, const mn_g_node *n);

static bool sequence(equation *q, const mn_g_node *seq)
{
    mn_rx *rx = q->g->rx;
    uint32_t base = rx->scratch.n, n = 0;
    bool first = false, last = false;
    for (const mn_g_node *k = seq->kid; k; k = k->next, n++) {
        mn_rid r;
        if (is_self(q, k)) {
            if (n == 0) first = true;
            else if (!k->next) last = true;
            else break;
            continue;
        }
        if (!regular(q->g, k, &r, &q->size)) break;
        mn_vec_push(q->g->cx, &rx->scratch, r);
    }
    uint32_t items = 0;
    for (const mn_g_node *k = seq->kid; k; k = k->next) items++;
    if (n != items) {
        rx->scratch.n = base;
        return false;
    }
    mn_rid lang = pop_list(q->g, base, true);
    mn_rid *to = first && last ? &q->between : first ? &q->behind : last ? &q->before : &q->base;
    *to = mn_rx_alt2(rx, *to, lang);
    return true;
}

static bool alternative(equation *q, const mn_g_node *n)
{
    if (n->kind == MN_G_SEQ && n->kid && !n->kid->next) return alternative(q, n->kid);
    if (n->kind == MN_G_ALT) {
        for (const mn_g_node *k = n->kid; k; k = k->next)
            if (!alternative(q, k)) return false;
        return true;
    }
    if (n->kind == MN_G_REP && n->min == 0 && n->max == 1) {
        q->base = mn_rx_alt2(q->g->rx, q->base, MN_RX_EPS);
        return alternative(q, n->kid);
    }
    if (n->kind == MN_G_SEQ) return sequence(q, n);
    if (is_self(q, n)) return true;         /* X = X says nothing */
    mn_rid r;
    if (!regular(q->g, n, &r, &q->size)) return false;
    q->base = mn_rx_alt2(q->g->rx, q->base, r);
    return true;
}

static bool solve(mn_grammar *g, uint32_t rule, mn_rid *lang, uint32_t *size)
{
    mn_rx *rx = g->rx;
    equation q = { .g = g, .rule = rule, .before = MN_RX_NONE, .base = MN_RX_NONE, .behind = MN_RX_NONE,
                   .between = MN_RX_NONE };
    if (!alternative(&q, g->rules.at[rule].tree)) return false;
    mn_rid one = mn_rx_cat(rx, mn_rx_rep(rx, q.before, 0, MN_RX_INF),
                           mn_rx_cat(rx, q.base, mn_rx_rep(rx, q.behind, 0, MN_RX_INF)));
    *lang = mn_rx_cat(rx, one, mn_rx_rep(rx, mn_rx_cat(rx, q.between, one), 0, MN_RX_INF));
    *size = 2 * q.size;
    return *size <= MAX_SIZE;
}

/* ---- cycles --------------------------------------------------------------------------------- */

typedef struct {
    const uint32_t *edge_at, *edges;
    uint32_t *component, *out;      /* results */
    uint32_t *order, *low, *next;   /* Tarjan's; order 0: not met */
    uint32_t *stack, *path;
    uint32_t n_stack, n_path, n_met, n_components, n_out;
} tarjan;

static void enter(tarjan *t, uint32_t i)
{
    t->order[i] = t->low[i] = ++t->n_met;
    t->next[i] = t->edge_at[i];
    t->stack[t->n_stack++] = i;
    t->path[t->n_path++] = i;
}

static void leave(tarjan *t, uint32_t i)
{
    uint32_t last;
    do {
        last = t->stack[--t->n_stack];
        t->component[last] = t->n_components;
        t->out[t->n_out++] = last;
    } while (last != i);
    t->n_components++;
}

static void visit(tarjan *t, uint32_t root)
{
    enter(t, root);
    while (t->n_path) {
        uint32_t i = t->path[t->n_path - 1];
        if (t->next[i] < t->edge_at[i + 1]) {
            uint32_t to = t->edges[t->next[i]++];
            if (!t->order[to]) enter(t, to);
            else if (t->component[to] == UINT32_MAX && t->order[to] < t->low[i]) t->low[i] = t->order[to];
            continue;
        }
        if (--t->n_path) {
            uint32_t up = t->path[t->n_path - 1];
            if (t->low[i] < t->low[up]) t->low[up] = t->low[i];
        }
        if (t->low[i] == t->order[i]) leave(t, i);
    }
}

void mn_g_components(mn_cx *cx, uint32_t n, const uint32_t *edge_at, const uint32_t *edges,
                     uint32_t *component, uint32_t *out)
{
    uint32_t *room = mn_cx_alloc(cx, (size_t)5 * n + 1, sizeof *room);
    tarjan t = { .edge_at = edge_at, .edges = edges, .component = component, .out = out, .order = room,
                 .low = room + n, .next = room + 2 * (size_t)n, .stack = room + 3 * (size_t)n,
                 .path = room + 4 * (size_t)n };
    memset(component, 0xFF, n * sizeof *component);
    for (uint32_t i = 0; i < n; i++)
        if (!t.order[i]) visit(&t, i);
}

/* ---- operators -------------------------------------------------------------------------------- */

enum { MAX_ALTERNATIVES = 256, MAX_OPENED = 32 };

/* The alternatives of a rule, with those of rules of its cycle that it merely names. */
typedef struct {
    mn_grammar *g;
    const uint32_t *component;
    uint32_t rule, n;
    mn_g_node *at[MAX_ALTERNATIVES];
    uint32_t opened[MAX_OPENED], n_opened;
} alternatives;

static bool gather(alternatives *a, mn_g_node *n)
{
    if (n->kind == MN_G_SEQ && n->kid && !n->kid->next) return gather(a, n->kid);
    if (n->kind == MN_G_ALT) {
        for (mn_g_node *k = n->kid; k; k = k->next)
            if (!gather(a, k)) return false;
        return true;
    }
    if (n->kind == MN_G_REF && a->component[n->id] == a->component[a->rule]) {
        if (n->id == a->rule) return true;
        for (uint32_t i = 0; i < a->n_opened; i++)
            if (a->opened[i] == n->id) return true;
        if (a->n_opened == MAX_OPENED) return false;
        a->opened[a->n_opened++] = n->id;
        return gather(a, a->g->rules.at[n->id].tree);
    }
    if (a->n == MAX_ALTERNATIVES) return false;
    a->at[a->n++] = n;
    return true;
}

static bool refers(const mn_g_node *n, uint32_t rule) { return n && n->kind == MN_G_REF && n->id == rule; }

/* A sequence without its first or last item; the items are copies, as lists link them. */
static mn_g_node *inner(mn_grammar *g, const mn_g_node *seq, bool first, bool last)
{
    mn_g_node *copy = mn_g_make(g, MN_G_SEQ);
    mn_g_list l = mn_g_list_begin(copy);
    for (const mn_g_node *k = seq->kid; k; k = k->next) {
        if ((first && k == seq->kid) || (last && !k->next)) continue;
        mn_g_node *item = mn_g_make(g, MN_G_SEQ);
        *item = *k;
        item->next = NULL;
        mn_g_list_add(&l, item);
    }
    return copy;
}

static mn_g_node *rule_node(mn_grammar *g, mn_g_node *tree)
{
    return mn_g_ref(g, mn_grammar_fresh(g, tree, (mn_g_place){ 0, 0 }));
}

/* X = A* B C* (M A* B C*)*, where there is an X M X, or an A X and an X C. */
static void straighten(mn_grammar *g, uint32_t rule, const uint32_t *component)
{
    alternatives a = { .g = g, .component = component, .rule = rule };
    if (g->rules.at[rule].tree->kind != MN_G_ALT) return;
    if (!gather(&a, g->rules.at[rule].tree)) return;
    mn_g_node *parts[4];        /* A, B, C, M */
    mn_g_list lists[4];
    uint32_t counts[4] = { 0 };
    for (int i = 0; i < 4; i++) lists[i] = mn_g_list_begin(parts[i] = mn_g_make(g, MN_G_ALT));
    for (uint32_t i = 0; i < a.n; i++) {
        const mn_g_node *n = a.at[i], *end = n->kid;
        while (n->kind == MN_G_SEQ && end && end->next) end = end->next;
        bool first = n->kind == MN_G_SEQ && refers(n->kid, rule), last = n->kind == MN_G_SEQ && refers(end, rule);
        int which = first && last ? 3 : first ? 2 : last ? 0 : 1;
        counts[which]++;
        mn_g_node *item = mn_g_make(g, MN_G_SEQ);
        *item = *n;
        item->next = NULL;
        mn_g_list_add(&lists[which], first || last ? inner(g, n, first, last) : item);
    }
    if (!counts[3] && !(counts[0] && counts[2])) return;
    mn_g_node *one = mn_g_make(g, MN_G_SEQ);
    mn_g_list l = mn_g_list_begin(one);
    if (counts[0]) mn_g_list_add(&l, mn_g_rep(g, parts[0], 0, MN_RX_INF));
    mn_g_list_add(&l, parts[1]);
    if (counts[2]) mn_g_list_add(&l, mn_g_rep(g, parts[2], 0, MN_RX_INF));
    if (!counts[3]) {
        g->rules.at[rule].tree = one;
        return;
    }
    one = rule_node(g, one);
    mn_g_node *more = mn_g_pair(g, parts[3], mn_g_ref(g, one->id));
    g->rules.at[rule].tree = mn_g_pair(g, one, mn_g_rep(g, more, 0, MN_RX_INF));
}

/* ---- all rules ------------------------------------------------------------------------------ */

/* The rules that a tree refers to, pushed to the stack of ids. */
static void collect(mn_grammar *g, const mn_g_node *n)
{
    if (n->kind == MN_G_REF) mn_vec_push(g->cx, &g->rx->scratch, n->id);
    for (const mn_g_node *k = n->kid; k; k = k->next) collect(g, k);
}

void mn_grammar_find_regular(mn_grammar *g)
{
    uint32_t n = g->rules.n, base = g->rx->scratch.n;
    uint32_t *edge_at = mn_cx_alloc(g->cx, (size_t)n + 1, sizeof *edge_at);
    for (uint32_t i = 0; i < n; i++) {
        const mn_g_rule *r = &g->rules.at[i];
        if (!r->tree)
            mn_cx_raise(g->cx, MINERVA_INVALID, "grammar, %u:%u: rule \"%.60s\" is not defined", r->at.line,
                        r->at.column, r->name.s);
        edge_at[i] = g->rx->scratch.n - base;
        collect(g, r->tree);
    }
    uint32_t n_edges = edge_at[n] = g->rx->scratch.n - base;
    uint32_t *edges = mn_cx_alloc(g->cx, n_edges, sizeof *edges);
    if (n_edges) memcpy(edges, g->rx->scratch.at + base, n_edges * sizeof *edges);
    g->rx->scratch.n = base;
    uint32_t *component = mn_cx_alloc(g->cx, n, sizeof *component), *order = mn_cx_alloc(g->cx, n, sizeof *order);
    mn_g_components(g->cx, n, edge_at, edges, component, order);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t rule = order[i], size = 0;
        bool alone = (i == 0 || component[order[i - 1]] != component[rule])
            && (i + 1 == n || component[order[i + 1]] != component[rule]), self = false;
        for (uint32_t k = edge_at[rule]; k < edge_at[rule + 1]; k++) self |= edges[k] == rule;
        mn_rid lang;
        if (!alone || !(self ? solve(g, rule, &lang, &size) : regular(g, g->rules.at[rule].tree, &lang, &size))) {
            if (self || !alone) straighten(g, rule, component);
            continue;
        }
        g->rules.at[rule].regular = true;
        g->rules.at[rule].lang = lang;
        g->rules.at[rule].size = size;
    }
}
