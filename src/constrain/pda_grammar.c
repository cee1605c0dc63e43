/* Texts under a grammar: terminals and what stands between them; see pda.h and grammar.h.
 *
 *   NEXT set            the terminals that the Earley set expects begin here
 *   TERM terminal set   inside one
 *   JSON phases         inside a value; its outermost frame, GRAMMAR, knows the set behind
 *
 * A language may end wherever it accepts and go on as well: then there is a NEXT beside the
 * TERM.  Free text (UNTIL) ends at once where a trigger is complete.  Where the grammar may
 * end before the free text, it may end anywhere in it.
 *
 * Texts can often be cut into terminals in many ways.  Configurations that differ in
 * nothing but their sets are one, with the union of the sets, so that there are never more
 * than the lexer has states.
 */
#include "constrain/pda.h"

enum { MAX_BEGUN = 1000 };

static const mn_terminal *terminal_at(const mn_pda *m, uint32_t i) { return &m->p->grammar->terminals.at[i]; }

static void push_next(mn_pda *m, uint32_t frame, uint32_t set, mn_cfgs *out)
{
    mn_cfg c = { .frame = frame, .phase = MN_PH_NEXT, .set = set };
    mn_vec_push(m->p->cx, out, c);
}

bool mn_pda_leave_term(mn_pda *m, const mn_cfg *c, mn_cfg *next)
{
    const mn_terminal *t = terminal_at(m, c->part);
    const mn_lex_state *s = &m->p->lx->states.at[c->lex];
    if (t->kind != MN_TK_LANG || !s->accepting) return false;
    *next = (mn_cfg){ .frame = c->frame, .phase = MN_PH_NEXT, .set = c->set };
    if (t->greedy && s->a != MN_RX_EPS) next->lex = c->lex;
    return true;
}

/* In a language, and behind it, if it may end here. */
static void push_term(mn_pda *m, const mn_cfg *c, mn_cfgs *out)
{
    const mn_lex_state s = m->p->lx->states.at[c->lex];
    mn_cfg next;
    if (mn_pda_leave_term(m, c, &next)) mn_vec_push(m->p->cx, out, next);
    if (s.kind != MN_LK_RE || !s.boundary || s.a != MN_RX_EPS) mn_vec_push(m->p->cx, out, *c);
}

void mn_pda_unite(mn_pda *m, uint32_t base, mn_cfgs *out)
{
    uint32_t kept = base;
    for (uint32_t i = base; i < out->n; i++) {
        mn_cfg c = out->at[i];
        uint32_t k = c.phase >= MN_PH_NEXT ? base : kept;
        while (k < kept && (out->at[k].phase != c.phase || out->at[k].lex != c.lex || out->at[k].part != c.part)) k++;
        if (k < kept) {
            uint32_t set = mn_grammar_union(m->p->grammar, out->at[k].set, c.set);
            out->at[k].set = set;
        } else {
            out->at[kept++] = c;
        }
    }
    out->n = kept;
}

/* ---- free text ------------------------------------------------------------------------------ */

void mn_pda_hit(mn_pda *m, const mn_cfg *c, uint32_t lex, mn_cfgs *out)
{
    mn_grammar *g = m->p->grammar;
    uint32_t terminal = c->part + mn_lex_hit(m->p->lx, lex) - 1, to = mn_grammar_scan(g, c->set, terminal);
    if (to == UINT32_MAX) return;
    if (!terminal_at(m, terminal)->replay) {
        push_next(m, c->frame, to, out);
        return;
    }
    /* The trigger is the beginning of what follows: read it again.  Nothing that is
     * replayed begins with free text, so this does not meet itself. */
    const mn_seeker *s = &m->p->lx->seekers.at[m->p->lx->states.at[lex].a];
    const mn_text trigger = s->texts[mn_lex_hit(m->p->lx, lex) - 1];
    bool special = m->special;
    m->special = false;
    m->replay[0].n = 0;
    push_next(m, c->frame, to, &m->replay[0]);
    for (uint32_t i = 0; i < trigger.len && m->replay[0].n; i++) {
        m->replay[1].n = 0;
        mn_pda_step(m, m->replay[0].at, m->replay[0].n, (uint8_t)trigger.s[i], &m->replay[1]);
        mn_cfgs swap = m->replay[0];
        m->replay[0] = m->replay[1];
        m->replay[1] = swap;
    }
    m->special = special;
    for (uint32_t i = 0; i < m->replay[0].n; i++) mn_vec_push(m->p->cx, out, m->replay[0].at[i]);
}

/* ---- terminals ------------------------------------------------------------------------------ */

static void begin_terminal(mn_pda *m, const mn_cfg *c, uint32_t terminal, uint8_t byte, mn_cfgs *out)
{
    mn_grammar *g = m->p->grammar;
    const mn_terminal t = g->terminals.at[terminal];
    if (m->special && !t.markers) return;
    mn_cfg next = { .frame = c->frame, .phase = MN_PH_TERM, .part = terminal };
    switch ((mn_terminal_kind)t.kind) {
    case MN_TK_LANG:
        next.lex = mn_lex_next(m->p->lx, t.start, byte);
        if (!next.lex) return;
        next.set = mn_grammar_scan(g, c->set, terminal);
        push_term(m, &next, out);
        return;
    case MN_TK_UNTIL:
        next.lex = t.start;
        next.set = c->set;
        mn_pda_step_term(m, &next, byte, out);
        return;
    case MN_TK_JSON: break;
    }
    const mn_schema *s = m->p->schema;
    if (!mn_e_inhabited(s, t.a)) return;
    mn_frame f = { .kind = MN_FR_GRAMMAR, .parent = c->frame, .id = mn_grammar_scan(g, c->set, terminal) };
    mn_pda_begin_value(m, mn_frame_push(m, f), t.a, byte, out);
}

void mn_pda_step_next(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out)
{
    mn_grammar *g = m->p->grammar;
    if (c->lex && mn_lex_next(m->p->lx, c->lex, byte)) return;
    if (c->part) {
        begin_terminal(m, c, c->part - 1, byte, out);
        return;
    }
    if (!(mn_grammar_first(g, c->set)[byte / 64] >> byte % 64 & 1)) return;
    const mn_earley_set s = g->sets.at[c->set];
    uint32_t before = out->n;
    for (uint32_t i = 0; i < s.n_expected; i++) {
        begin_terminal(m, c, g->expected.at[s.expected + i], byte, out);
        if (out->n - before > MAX_BEGUN)
            mn_cx_raise(m->p->cx, MINERVA_LIMIT, "grammar: more than %d terminals begin side by side", MAX_BEGUN);
    }
}

void mn_pda_step_term(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out)
{
    const mn_terminal t = *terminal_at(m, c->part);
    mn_cfg next = *c;
    if (m->special && !t.markers) return;
    next.lex = mn_lex_next(m->p->lx, c->lex, byte);
    if (t.kind == MN_TK_UNTIL && mn_lex_hit(m->p->lx, next.lex)) mn_pda_hit(m, c, next.lex, out);
    else if (next.lex) push_term(m, &next, out);
}

/* ---- questions -------------------------------------------------------------------------------- */

bool mn_pda_grammar_accepting(const mn_pda *m, const mn_cfg *c)
{
    if (!m->p->grammar->sets.at[c->set].accepting) return false;
    if (c->phase == MN_PH_NEXT) return true;
    return terminal_at(m, c->part)->kind == MN_TK_UNTIL;
}

uint64_t mn_cfg_grammar_hash(const mn_pda *m, const mn_cfg *c)
{
    uint64_t h = mn_mix(m->p->grammar->sets.at[c->set].hash, (uint64_t)c->phase << 32 | c->lex);
    if (c->phase == MN_PH_NEXT) return mn_mix(h, c->part);
    const mn_terminal *t = terminal_at(m, c->part);
    return mn_mix(h, t->kind | (uint64_t)t->greedy << 8 | (uint64_t)t->markers << 9
                  | (t->kind == MN_TK_UNTIL ? (uint64_t)c->part << 32 : 0));
}

int mn_cfg_grammar_bytes(const mn_pda *m, const mn_cfg *c, uint8_t out[256])
{
    int n = 0;
    const uint64_t *first = c->phase == MN_PH_NEXT ? mn_grammar_first(m->p->grammar, c->set) : NULL;
    for (uint32_t b = 0; b < 256; b++)
        if (first ? first[b / 64] >> b % 64 & 1 : mn_lex_next(m->p->lx, c->lex, (uint8_t)b)) out[n++] = (uint8_t)b;
    return n;
}

bool mn_cfg_is_free(const mn_pda *m, const mn_cfg *c)
{
    const mn_grammar *g = m->p->grammar;
    if (c->phase == MN_PH_TERM) return terminal_at(m, c->part)->kind == MN_TK_UNTIL;
    if (c->phase != MN_PH_NEXT) return false;
    const mn_earley_set *s = &g->sets.at[c->set];
    for (uint32_t i = 0; i < s->n_expected; i++)
        if (terminal_at(m, g->expected.at[s->expected + i])->kind != MN_TK_UNTIL) return false;
    return s->n_expected > 0;
}
