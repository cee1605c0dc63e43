/* Grammars: trees, rules and terminals, as the readers make them; see grammar.h. */
#include "constrain/grammar.h"

void mn_grammar_init(mn_grammar *g, mn_cx *cx, mn_rx *rx, mn_lexer *lx)
{
    *g = (mn_grammar){ .cx = cx, .rx = rx, .lx = lx };
}

void mn_grammar_clear(mn_grammar *g)
{
    mn_cx *cx = g->cx;
    if (!cx) return;
    mn_vec_clear(cx, &g->rules);
    mn_map_clear(&g->by_name);
    mn_vec_clear(cx, &g->terminals);
    mn_intern_clear(cx, &g->terminal_set);
    mn_vec_clear(cx, &g->productions);
    mn_vec_clear(cx, &g->rhs);
    mn_vec_clear(cx, &g->by_head);
    mn_vec_clear(cx, &g->order);
    mn_vec_clear(cx, &g->nullable);
    mn_vec_clear(cx, &g->chain);
    mn_grammar_forget(g);
    mn_vec_clear(cx, &g->work);
    *g = (mn_grammar){ 0 };
}

/* ---- rules ------------------------------------------------------------------------------- */

static uint32_t add_rule(mn_grammar *g, mn_text name, mn_g_node *tree, mn_g_place at)
{
    mn_g_rule r = { .name = name, .tree = tree, .at = at };
    mn_vec_push(g->cx, &g->rules, r);
    return g->rules.n - 1;
}

bool mn_grammar_has(const mn_grammar *g, const char *name, size_t len, uint32_t *rule)
{
    return mn_map_get(&g->by_name, name, len, rule);
}

uint32_t mn_grammar_rule(mn_grammar *g, const char *name, size_t len, mn_g_place at)
{
    uint32_t i;
    if (mn_grammar_has(g, name, len, &i)) return i;
    mn_text copy = { mn_cx_strndup(g->cx, name, len), (uint32_t)len };
    i = add_rule(g, copy, NULL, at);
    if (!mn_map_put(&g->by_name, copy.s, len, i, NULL)) mn_cx_raise(g->cx, MINERVA_MEMORY, "out of memory");
    return i;
}

uint32_t mn_grammar_fresh(mn_grammar *g, mn_g_node *tree, mn_g_place at)
{
    return add_rule(g, (mn_text){ "", 0 }, tree, at);
}

void mn_grammar_define(mn_grammar *g, uint32_t rule, mn_g_node *tree, mn_g_place at)
{
    mn_g_rule *r = &g->rules.at[rule];
    if (r->tree)
        mn_cx_raise(g->cx, MINERVA_INVALID, "grammar, %u:%u: rule \"%.60s\" is defined twice (first at %u:%u)",
                    at.line, at.column, r->name.s, r->at.line, r->at.column);
    r->tree = tree;
    r->at = at;
}

/* ---- trees ------------------------------------------------------------------------------- */

mn_g_node *mn_g_make(mn_grammar *g, mn_g_kind kind)
{
    mn_g_node *n = mn_cx_alloc(g->cx, 1, sizeof *n);
    n->kind = (uint8_t)kind;
    mn_cx_tick(g->cx);
    return n;
}

mn_g_node *mn_g_lang(mn_grammar *g, mn_rid lang, uint32_t size)
{
    mn_g_node *n = mn_g_make(g, MN_G_LANG);
    n->id = lang;
    n->size = size;
    return n;
}

mn_g_node *mn_g_ref(mn_grammar *g, uint32_t rule)
{
    mn_g_node *n = mn_g_make(g, MN_G_REF);
    n->id = rule;
    return n;
}

mn_g_node *mn_g_terminal(mn_grammar *g, uint32_t terminal)
{
    mn_g_node *n = mn_g_make(g, MN_G_TERMINAL);
    n->id = terminal;
    return n;
}

/* (x{a,b}){c,d} is x{ac,bd} where the counts leave no gap. */
mn_g_node *mn_g_rep(mn_grammar *g, mn_g_node *kid, uint32_t min, uint32_t max)
{
    if (kid->kind == MN_G_REP && kid->min <= 1) {
        uint64_t lo = (uint64_t)min * kid->min, hi = (uint64_t)max * kid->max;
        if (max == MN_RX_INF || kid->max == MN_RX_INF || hi > MN_RX_INF) hi = max && kid->max ? MN_RX_INF : 0;
        if (kid->max) return mn_g_rep(g, kid->kid, (uint32_t)lo, (uint32_t)hi);
    }
    mn_g_node *n = mn_g_make(g, MN_G_REP);
    n->kid = kid;
    n->min = min;
    n->max = max;
    return n;
}

mn_g_list mn_g_list_begin(mn_g_node *list) { return (mn_g_list){ list, &list->kid }; }

void mn_g_list_add(mn_g_list *l, mn_g_node *kid)
{
    *l->tail = kid;
    l->tail = &kid->next;
}

mn_g_node *mn_g_pair(mn_grammar *g, mn_g_node *a, mn_g_node *b)
{
    mn_g_node *seq = mn_g_make(g, MN_G_SEQ);
    mn_g_list l = mn_g_list_begin(seq);
    if (a) mn_g_list_add(&l, a);
    if (b) mn_g_list_add(&l, b);
    return seq;
}

/* ---- terminals ----------------------------------------------------------------------------- */

uint32_t mn_grammar_terminal(mn_grammar *g, mn_terminal t)
{
    uint64_t flags = t.kind | (uint64_t)t.greedy << 8 | (uint64_t)t.markers << 9 | (uint64_t)t.replay << 10;
    uint64_t hash = mn_mix(flags, (uint64_t)t.a << 32 | t.hit);
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&g->terminal_set, hash); mn_intern_next(&g->terminal_set, &k, &i);) {
        const mn_terminal *o = &g->terminals.at[i];
        if (o->kind == t.kind && o->greedy == t.greedy && o->markers == t.markers && o->replay == t.replay
            && o->a == t.a && o->hit == t.hit) return i;
    }
    i = g->terminals.n;
    t.first = i - t.hit;
    if (t.kind == MN_TK_LANG) t.start = mn_lex_re(g->lx, t.a, false);
    mn_vec_push(g->cx, &g->terminals, t);
    mn_intern_add(g->cx, &g->terminal_set, hash, i);
    return i;
}

mn_g_node *mn_g_language(mn_grammar *g, mn_rid lang, bool greedy, bool markers)
{
    mn_rid some = lang;
    bool empty = mn_rx_nullable(g->rx, lang);
    if (empty) some = mn_rx_and2(g->rx, lang, mn_rx_rep(g->rx, MN_RX_ANY, 1, MN_RX_INF));
    if (!mn_rx_live(g->rx, some)) return empty ? mn_g_make(g, MN_G_SEQ) : mn_g_make(g, MN_G_ALT);
    mn_terminal t = { .kind = MN_TK_LANG, .greedy = greedy, .markers = markers, .a = some };
    mn_g_node *n = mn_g_terminal(g, mn_grammar_terminal(g, t));
    return empty ? mn_g_rep(g, n, 0, 1) : n;
}

uint32_t mn_grammar_until(mn_grammar *g, const mn_text *texts, uint32_t n, bool replay)
{
    uint32_t start = mn_lex_seek(g->lx, texts, n), seeker = g->lx->states.at[start].a, first = 0;
    for (uint32_t i = 0; i <= n; i++) {
        mn_terminal t = { .kind = MN_TK_UNTIL, .markers = true, .replay = replay && i < n, .a = seeker, .hit = i,
                          .start = start };
        uint32_t id = mn_grammar_terminal(g, t);
        if (!i) first = id;
    }
    return first;
}
