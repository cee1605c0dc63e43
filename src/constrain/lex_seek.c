/* Free text up to the first of several strings, as a lexer state: the automaton of Aho and
 * Corasick (1975).
 *
 * A node is a prefix of one of the strings, numbered so that node 0 is the empty one.  The
 * text so far ends in the node's prefix and in no longer one; `fail` is the longest proper
 * suffix that is a node.  Where a string is complete there is no way on: what follows it is
 * no longer free.
 */
#include "constrain/lexer.h"

enum { MAX_STRINGS = 4096, MAX_BYTES = 1 << 18 };

static uint32_t kid_of(const mn_seeker *s, uint32_t node, uint8_t byte)
{
    for (uint32_t k = s->nodes[node].kid; k; k = s->nodes[k].next)
        if (s->nodes[k].byte == byte) return k;
    return 0;
}

static void insert(mn_cx *cx, mn_seeker *s, const mn_text *t, uint32_t which)
{
    uint32_t node = 0;
    if (!t->len) mn_cx_raise(cx, MINERVA_INVALID, "trigger %u: a string that is not empty expected", which + 1);
    for (uint32_t i = 0; i < t->len; i++) {
        uint32_t to = kid_of(s, node, (uint8_t)t->s[i]);
        if (!to) {
            to = s->n_nodes++;
            s->nodes[to] = (mn_seek_node){ .byte = (uint8_t)t->s[i], .next = s->nodes[node].kid };
            s->nodes[node].kid = to;
        }
        node = to;
    }
    if (!s->nodes[node].hit) s->nodes[node].hit = which + 1;
}

static uint32_t follow(const mn_seeker *s, uint32_t node, uint8_t byte)
{
    for (;; node = s->nodes[node].fail) {
        uint32_t to = kid_of(s, node, byte);
        if (to || !node) return to;
    }
}

static void link_failures(mn_cx *cx, mn_seeker *s)
{
    uint32_t *queue = mn_cx_alloc(cx, s->n_nodes, sizeof *queue), n = 0;
    queue[n++] = 0;
    for (uint32_t at = 0; at < n; at++)
        for (uint32_t k = s->nodes[queue[at]].kid; k; k = s->nodes[k].next) {
            uint32_t up = queue[at];
            s->nodes[k].fail = up ? follow(s, s->nodes[up].fail, s->nodes[k].byte) : 0;
            if (!s->nodes[k].hit) s->nodes[k].hit = s->nodes[s->nodes[k].fail].hit;
            queue[n++] = k;
        }
}

uint32_t mn_lex_seek(mn_lexer *lx, const mn_text *texts, uint32_t n)
{
    size_t bytes = 1;
    for (uint32_t i = 0; i < n; i++) bytes += texts[i].len;
    if (n > MAX_STRINGS || bytes > MAX_BYTES)
        mn_cx_raise(lx->cx, MINERVA_LIMIT, "triggers: at most %d strings of %d bytes together expected", MAX_STRINGS,
                    MAX_BYTES);
    mn_seeker s = { .nodes = mn_cx_alloc(lx->cx, bytes, sizeof(mn_seek_node)), .n_nodes = 1 };
    s.texts = mn_cx_alloc(lx->cx, n, sizeof *s.texts);
    for (uint32_t i = 0; i < n; i++) {
        insert(lx->cx, &s, &texts[i], i);
        s.texts[i] = (mn_text){ mn_cx_strndup(lx->cx, texts[i].s, texts[i].len), texts[i].len };
    }
    link_failures(lx->cx, &s);
    mn_vec_push(lx->cx, &lx->seekers, s);
    return mn_lex_seek_state(lx, lx->seekers.n - 1, 0);
}

uint32_t mn_lex_hit(const mn_lexer *lx, uint32_t state)
{
    const mn_lex_state *s = &lx->states.at[state];
    return s->kind == MN_LK_SEEK ? lx->seekers.at[s->a].nodes[s->lo].hit : 0;
}

uint32_t mn_lex_seek_next(mn_lexer *lx, uint32_t state, uint8_t byte)
{
    const mn_lex_state *s = &lx->states.at[state];
    const mn_seeker *k = &lx->seekers.at[s->a];
    if (k->nodes[s->lo].hit) return MN_LEX_DEAD;
    return mn_lex_seek_state(lx, s->a, follow(k, s->lo, byte));
}

bool mn_lex_seek_closed(const mn_lexer *lx, uint32_t state, const mn_range *ranges, uint32_t n)
{
    const mn_seeker *s = &lx->seekers.at[lx->states.at[state].a];
    uint32_t node = lx->states.at[state].lo;
    if (s->nodes[node].hit) return false;
    /* Along the failures everything that a text of these characters can lead into. */
    for (;; node = s->nodes[node].fail) {
        for (uint32_t k = s->nodes[node].kid; k; k = s->nodes[k].next)
            for (uint32_t i = 0; i < n; i++)
                if (s->nodes[k].byte >= 0x80 ? ranges[i].hi >= 0x80
                                             : s->nodes[k].byte >= ranges[i].lo && s->nodes[k].byte <= ranges[i].hi)
                    return false;
        if (!node) return true;
    }
}
