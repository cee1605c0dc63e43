/* Working out a mask; see mask.h and trie.h.
 *
 * In general the tries are walked depth first with the sets of configurations that each
 * byte leads to.  Inside JSON strings, where the tries are widest, it is done in parts:
 *
 *   tokens that stay inside    from the lexer's rows alone, kept per state; for the
 *                              unconstrained string, made with the vocabulary
 *   tokens that close it       what may follow the quote is the same for all of them: the
 *                              trie `after` is walked once, and each token looks up
 *                              where it goes on
 *
 * Where the string's content matters later (a key that may be there already, an item that
 * must be unique) those tokens are taken out again, or the general walk does it.
 */
#include "constrain/mask.h"

#include "base/utf8.h"

typedef mn_mask_level level;

typedef struct {
    const mn_vocab_trie *t;
    mn_mask_cache *k;               /* and the room to work in */
    mn_pda *m;
    uint32_t *mask;
    const mn_cfg *closing;          /* the string whose closing tokens are being added */
    bool quote_risky;
    uint64_t known[64];             /* hashes of strings that there are already, folded */
} walker;

/* ---- the general walk ------------------------------------------------------------------ */

/* One byte for one configuration, without the ceremony where there is none. */
static bool quick_step(walker *w, const mn_cfg *c, uint8_t byte)
{
    mn_pda *m = w->m;
    if (mn_frame_at(m, c->frame)->track || c->set) return false;
    uint32_t to;
    if (c->phase == MN_PH_NUMBER) {
        to = mn_num_next(&m->p->schema->ns, c->lex, byte);
        if (!to) return false;
    } else if (c->phase == MN_PH_STRING || c->phase == MN_PH_TEXT) {
        to = mn_lex_next(m->p->lx, c->lex, byte);
        if (to == MN_LEX_DEAD) return true;
        if (to == MN_LEX_END) return false;
    } else {
        return false;
    }
    mn_cfg next = *c;
    next.lex = to;
    w->k->stack.at[w->k->stack.n++] = next;
    return true;
}

/* Configurations at [off, off + n) by a byte, to the top of the stack. */
static void step(walker *w, uint32_t off, uint32_t n, uint8_t byte)
{
    mn_vec_reserve(w->m->p->cx, &w->k->stack, 2200);
    if (n == 1 && quick_step(w, &w->k->stack.at[off], byte)) return;
    mn_pda_step(w->m, w->k->stack.at + off, n, byte, &w->k->stack);
}

/* A string of any content has just begun (or goes on) here, and nothing minds which. */
static bool takes_anything(const walker *w, const mn_cfg *c)
{
    if (c->set || (c->phase != MN_PH_STRING && !(c->phase == MN_PH_KEY && c->part))) return false;
    const mn_lex_state *s = &w->m->p->lx->states.at[c->lex];
    return s->boundary && (s->kind == MN_LK_EXCL || (s->kind == MN_LK_RE && s->a == MN_RX_ALL));
}

static void take_subtree(walker *w, const mn_trie *trie, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        int32_t token = mn_trie_token(trie->nodes.at[i]);
        if (token >= 0) mn_bit_set(w->mask, (uint32_t)token);
    }
}

static void mark(walker *w, const mn_trie *trie, uint32_t node)
{
    if (trie == &w->t->after) {
        mn_bit_set(w->k->reached.at, node);
        if (w->m->risky) mn_bit_set(w->k->unsure.at, node);
    } else {
        int32_t token = mn_trie_token(trie->nodes.at[node]);
        if (token >= 0) mn_bit_set(w->mask, (uint32_t)token);
    }
}

/* Every text of at most `longest` of a group's characters stays inside the terminal. */
static bool find_closed(walker *w, uint32_t state, int group, uint32_t longest)
{
    mn_lexer *lx = w->m->p->lx;
    const mn_lex_state s = lx->states.at[state];
    uint32_t n;
    const mn_range *ranges = mn_group_ranges(group, &n);
    if (!n || !s.boundary) return false;
    if (s.kind == MN_LK_SEEK) return mn_lex_seek_closed(lx, state, ranges, n);
    return s.kind == MN_LK_RE
        && mn_rx_closed(lx->rx, mn_rx_clamp(lx->rx, s.a, longest), ranges, n);
}

/* The same for texts as long as tokens are, remembered. */
static bool takes_group(walker *w, uint32_t state, int group)
{
    mn_lex_state *s = &w->m->p->lx->states.at[state];
    uint8_t bit = (uint8_t)(1 << group);
    if (!(s->asked & bit)) {
        bool yes = find_closed(w, state, group, w->t->longest);
        s = &w->m->p->lx->states.at[state];
        s->asked |= bit;
        if (yes) s->closed |= bit;
    }
    return s->closed & bit;
}

/* All that stands below a node can come in one of these configurations. */
static bool takes_below(walker *w, const mn_trie *trie, uint32_t node, const mn_cfg *cfgs, uint32_t n)
{
    int group = mn_trie_below(trie, node);
    if (group >= MN_GROUPS || trie == &w->t->after) return false;
    for (uint32_t i = 0; i < n; i++)
        if (cfgs[i].phase == MN_PH_TERM && !w->m->special && takes_group(w, cfgs[i].lex, group)) return true;
    return false;
}

static level level_at(walker *w, uint32_t end, uint32_t off, uint32_t n)
{
    return (level){ end, off, n, w->m->frames.n, w->m->words.n, w->m->seen.n, w->m->risky };
}

static void go_back(walker *w, const level *l, uint32_t stack)
{
    w->k->stack.n = stack;
    w->m->frames.n = l->frames;
    w->m->words.n = l->words;
    w->m->seen.n = l->seen;
    w->m->risky = l->risky;
}

/* The siblings [from, end) of a trie under the configurations at [off, off + n). */
static void walk(walker *w, const mn_trie *trie, uint32_t from, uint32_t end, uint32_t off, uint32_t n)
{
    mn_cx *cx = w->m->p->cx;
    uint32_t floor = w->k->levels.n, i = from;
    mn_vec_push(cx, &w->k->levels, level_at(w, end, off, n));
    for (;;) {
        level l = w->k->levels.at[w->k->levels.n - 1];
        if (i == l.end) {
            uint32_t top = w->k->levels.n - 1;
            go_back(w, &l, l.off + l.n);
            w->k->levels.n--;
            if (top == floor) return;
            const level *up = &w->k->levels.at[top - 1];
            go_back(w, up, l.off);
            continue;
        }
        mn_trie_node node = trie->nodes.at[i];
        uint32_t top = w->k->stack.n;
        step(w, l.off, l.n, mn_trie_byte(node));
        uint32_t made = w->k->stack.n - top;
        if (!made) {
            go_back(w, &l, top);
            i += node.skip;
            continue;
        }
        mark(w, trie, i);
        bool all = false;
        if (trie == &w->t->open && mn_trie_byte(node) == '"')
            for (uint32_t k = top; k < w->k->stack.n && !all; k++) all = takes_anything(w, &w->k->stack.at[k]);
        if (!all && node.skip > 4 && w->m->p->grammar) all = takes_below(w, trie, i, w->k->stack.at + top, made);
        if (all) take_subtree(w, trie, i, i + node.skip);
        if (all || node.skip == 1) {
            go_back(w, &l, top);
            i += node.skip;
            continue;
        }
        mn_vec_push(cx, &w->k->levels, level_at(w, i + node.skip, top, made));
        i++;
    }
}

/* All tries (or only `after`) from the configurations at [off, off + n), for the bytes
 * that can begin there. */
static void walk_bytes(walker *w, const mn_trie *const *tries, int n_tries, uint32_t off, uint32_t n,
                       const uint8_t *bytes, int n_bytes)
{
    for (int b = 0; b < n_bytes; b++) {
        bool any = false;
        for (int k = 0; k < n_tries; k++) any |= tries[k]->root[bytes[b]] != UINT32_MAX;
        if (!any) continue;
        level here = level_at(w, 0, off, n);
        uint32_t top = w->k->stack.n;
        step(w, off, n, bytes[b]);
        uint32_t made = w->k->stack.n - top;
        for (int k = 0; made && k < n_tries; k++) {
            uint32_t node = tries[k]->root[bytes[b]];
            if (node == UINT32_MAX) continue;
            mark(w, tries[k], node);
            uint32_t end = node + tries[k]->nodes.at[node].skip;
            bool all = false;
            if (tries[k] == &w->t->open && bytes[b] == '"')
                for (uint32_t c = top; c < top + made && !all; c++) all = takes_anything(w, &w->k->stack.at[c]);
            if (!all && end > node + 4 && w->m->p->grammar)
                all = takes_below(w, tries[k], node, w->k->stack.at + top, made);
            if (all) take_subtree(w, tries[k], node, end);
            else if (end > node + 1) walk(w, tries[k], node + 1, end, top, made);
        }
        go_back(w, &here, top);
    }
}

static void walk_all(walker *w, const mn_cfg *c)
{
    const mn_trie *tries[MN_TRIES] = { &w->t->open, &w->t->mixed };
    for (int g = 0; g < MN_GROUPS; g++) tries[2 + g] = &w->t->plain[g];
    uint8_t bytes[256];
    uint32_t off = w->k->stack.n;
    mn_vec_push(w->m->p->cx, &w->k->stack, *c);
    walk_bytes(w, tries, MN_TRIES, off, 1, bytes, mn_cfg_first_bytes(w->m, c, bytes));
    w->k->stack.n = off;
}

static void or_into(uint32_t *mask, const uint32_t *more, size_t words)
{
    for (size_t i = 0; i < words; i++) mask[i] |= more[i];
}

/* ---- inside strings ------------------------------------------------------------------------ */

/* By its bytes, one by one. */
static bool token_works(walker *w, const mn_cfg *c, uint32_t token)
{
    uint32_t len, off = w->k->stack.n, n = 1;
    const char *s = mn_token_bytes(w->t, (int32_t)token, &len);
    level here = level_at(w, 0, off, 1);
    mn_vec_push(w->m->p->cx, &w->k->stack, *c);
    uint32_t at = off;
    for (uint32_t i = 0; i < len && n; i++) {
        uint32_t top = w->k->stack.n;
        step(w, at, n, (uint8_t)s[i]);
        at = top;
        n = w->k->stack.n - top;
    }
    go_back(w, &here, off);
    return n > 0;
}

/* Tokens of a trie that stay alive in the lexer are taken (those that leave few ways to go
 * on are noted in `narrow`, unless it is NULL).  Where a quote closes the string, the
 * subtree goes to `closed` (NULL: there is none). */
enum { NARROW = 4096, SMALL = 4, LOOP_TRIES = 20000 };

static void note_narrow(walker *w, mn_u32s *narrow, uint32_t state, uint32_t token)
{
    uint32_t ways = mn_lex_ways(w->m->p->lx, state);
    if (ways > NARROW) return;
    mn_vec_push(w->m->p->cx, narrow, token);
    mn_vec_push(w->m->p->cx, narrow, ways);
}

typedef void closed_fn(walker *w, const mn_trie *trie, uint32_t node);

/* Every text of the group's characters goes on from this state; where narrow places are
 * wanted, without ever meeting one (so counters are not clamped). */
static bool is_closed(walker *w, uint32_t state, int group, bool strict)
{
    mn_lexer *lx = w->m->p->lx;
    mn_lex_state *s = &lx->states.at[state];
    uint8_t bit = (uint8_t)(1u << group);
    if (s->kind != MN_LK_RE || !s->boundary) return false;
    if ((strict ? s->strict_known : s->text_known) & bit) return (strict ? s->strict : s->text_closed) & bit;
    uint32_t n;
    const mn_range *ranges = mn_group_ranges(group, &n);
    mn_rid re = s->a;
    if (!strict) re = mn_rx_clamp(lx->rx, re, w->t->group_chars[group]);
    bool closed = n && mn_rx_closed(lx->rx, re, ranges, n);
    s = &lx->states.at[state];
    if (strict) s->strict_known |= bit, s->strict |= closed ? bit : 0;
    else s->text_known |= bit, s->text_closed |= closed ? bit : 0;
    return closed;
}

/* group: of a plain trie; -1: another */
static void walk_rows(walker *w, const mn_trie *trie, int group, uint32_t state, closed_fn *closed, bool take,
                      mn_u32s *narrow)
{
    mn_lexer *lx = w->m->p->lx;
    const mn_trie_node *nodes = trie->nodes.at;
    /* Per level: end of the siblings, state, its row. */
    mn_vec_reserve(w->m->p->cx, &w->k->rows, 2 * (w->t->longest + 2));
    uint32_t *at = w->k->rows.at, end = trie->nodes.n, i = 0;
    at[0] = end;
    at[1] = state;
    for (;;) {
        while (i == end) {
            if (at == w->k->rows.at) return;
            at -= 2;
            end = at[0];
        }
        mn_trie_node node = nodes[i];
        uint32_t to = mn_lex_next(lx, at[1], mn_trie_byte(node)), token = node.byte_token >> 8;
        if (to <= MN_LEX_END) {
            if (to == MN_LEX_END && closed) closed(w, trie, i);
            i += node.skip;
            continue;
        }
        if (take && token) {
            mn_bit_set(w->mask, token - 1);
            if (narrow) note_narrow(w, narrow, to, token - 1);
        }
        if (group >= 0 && node.skip > SMALL && is_closed(w, to, group, narrow != NULL)) {
            take_subtree(w, trie, i, i + node.skip);
            i += node.skip;
            continue;
        }
        if (node.skip > 1) {
            end = i + node.skip;
            at += 2;
            at[0] = end;
            at[1] = to;
        }
        i++;
    }
}

/* Tokens that stay inside any string, at most `most` code points of them. */
static void add_inside(walker *w, uint32_t most)
{
    const mn_vocab_trie *t = w->t;
    or_into(w->mask, t->inside[most == UINT32_MAX ? MN_INSIDE + 1 : most < MN_INSIDE ? most : MN_INSIDE], t->words);
    if (most == UINT32_MAX) return;
    for (uint32_t i = 0; i < t->long_inside.n && t->long_inside.at[i].chars <= most; i++)
        mn_bit_set(w->mask, t->long_inside.at[i].token);
}

/* A token by the lexer's rows. */
static void try_text(walker *w, uint32_t state, uint32_t token, mn_u32s *narrow)
{
    uint32_t len;
    const char *s = mn_token_bytes(w->t, (int32_t)token, &len);
    for (uint32_t i = 0; i < len && state > MN_LEX_END; i++) state = mn_lex_next(w->m->p->lx, state, (uint8_t)s[i]);
    if (state <= MN_LEX_END) return;
    mn_bit_set(w->mask, token);
    if (narrow) note_narrow(w, narrow, state, token);
}

static uint32_t *room_for_mask(walker *w, mn_u32s *v)
{
    v->n = 0;
    mn_vec_reserve(w->m->p->cx, v, (uint32_t)w->t->words);
    memset(v->at, 0, w->t->words * sizeof(uint32_t));
    return v->at;
}

/* Where a state leads to itself by most characters (counters that no token can exhaust
 * left aside), printable tokens of nothing else are taken, those with a character that
 * leads nowhere are not, and only those with one that leads elsewhere are tried.
 * false: it is no such state. */
static bool add_looping_text(walker *w, uint32_t state, mn_u32s *narrow)
{
    const mn_vocab_trie *t = w->t;
    mn_rx *rx = w->m->p->lx->rx;
    const mn_lex_state *s = &w->m->p->lx->states.at[state];
    if (s->kind != MN_LK_RE || !s->boundary) return false;
    mn_rid re = narrow ? s->a : mn_rx_clamp(rx, s->a, MN_TEXT_CHARS);
    const uint32_t *out[MN_TEXT_SETS], *away[MN_TEXT_SETS];
    uint32_t n_out = 0, n_away = 0, lo, hi;
    for (uint32_t cp = 0x20; cp < 0x7F; cp++) {
        if (cp == '"' || cp == '\\') continue;
        mn_rid to = mn_rx_step(rx, re, cp, &lo, &hi);
        if (to == re) continue;
        if (mn_rx_live(rx, to)) away[n_away++] = t->text_with[cp - 0x20];
        else out[n_out++] = t->text_with[cp - 0x20];
    }
    bool same = true, dead = true, near = true;
    for (uint32_t cp = 0x80; cp <= MN_CP_MAX; cp = hi + 1) {
        if (cp >= 0xD800 && cp < 0xE000) cp = 0xE000;
        mn_rid to = mn_rx_step(rx, re, cp, &lo, &hi);
        same &= to == re;
        dead &= !mn_rx_live(rx, to);
        near &= to == re || (hi - cp < 0x80 && mn_is_far_space(cp) && mn_is_far_space(hi));
    }
    if (dead) out[n_out++] = t->text_with[MN_TEXT_BEYOND];
    else if (!same) away[n_away++] = t->text_with[near ? MN_TEXT_SPACE : MN_TEXT_BEYOND];
    if (n_away > 24 || n_away + n_out > 85) return false;
    uint32_t *maybe = room_for_mask(w, &w->k->maybe), *no = room_for_mask(w, &w->k->no), n_tries = 0;
    for (uint32_t i = 0; i < n_away; i++) or_into(maybe, away[i], t->words);
    for (uint32_t i = 0; i < n_out; i++) or_into(no, out[i], t->words);
    for (size_t k = 0; k < t->words; k++) n_tries += (uint32_t)__builtin_popcount(maybe[k]);
    if (n_tries > LOOP_TRIES) return false;
    for (size_t k = 0; k < t->words; k++) {
        w->mask[k] |= t->text[k] & ~(no[k] | maybe[k]);
        for (uint32_t bits = maybe[k]; bits; bits &= bits - 1)
            try_text(w, state, (uint32_t)k * 32 + (uint32_t)__builtin_ctz(bits), narrow);
    }
    for (uint32_t i = 0; i < t->long_text.n; i++) try_text(w, state, t->long_text.at[i], narrow);
    return true;
}

/* All tokens that stay alive in a state: groups whole where the language takes every text
 * of their characters, else by walking. */
static void walk_tries(walker *w, uint32_t state, mn_u32s *narrow)
{
    const mn_vocab_trie *t = w->t;
    bool text = add_looping_text(w, state, narrow);
    for (int g = text ? MN_GROUPS - 1 : 0; g < MN_GROUPS; g++) {
        if (!t->plain[g].nodes.n) continue;
        if (is_closed(w, state, g, narrow != NULL)) or_into(w->mask, t->group_mask[g], t->words);
        else walk_rows(w, &t->plain[g], g, state, NULL, true, narrow);
    }
    walk_rows(w, &t->open, -1, state, NULL, true, narrow);    /* a quote behind a backslash */
    walk_rows(w, &t->mixed, -1, state, NULL, true, narrow);
}

/* The slot of the tokens that stay inside a string of a pattern: the same wherever the
 * state is met. */
static uint32_t inside_slot(walker *w, uint32_t state, bool narrow)
{
    uint64_t key = mn_mix(narrow ? 0x6e6172726f77 : 0x696e73696465, state);
    uint32_t slot = mn_mask_cache_find(w->k, key);
    if (slot != UINT32_MAX) return slot;
    slot = mn_mask_cache_add(w->k, key);
    uint32_t *mask = w->mask;
    mn_mask_slot *s = &w->k->slots.at[slot];
    s->broken = true;
    w->mask = s->bits;
    walk_tries(w, state, narrow ? &s->narrow : NULL);
    w->mask = mask;
    s->broken = false;
    return slot;
}

static void add_inside_state(walker *w, uint32_t state)
{
    uint32_t slot = inside_slot(w, state, false);
    or_into(w->mask, w->k->slots.at[slot].bits, w->t->words);
}

/* Likewise, where `taken` strings may not come again: tokens that leave no more ways than
 * that are tried one by one. */
static void add_inside_fresh(walker *w, const mn_cfg *c, uint32_t taken)
{
    uint32_t slot = inside_slot(w, c->lex, true);
    const mn_mask_slot *s = &w->k->slots.at[slot];
    or_into(w->mask, s->bits, w->t->words);
    if (taken > NARROW) {
        for (uint32_t i = 0; i < w->t->words * 32; i++)
            if (mn_bit_get(s->bits, i) && !token_works(w, c, i)) w->mask[i / 32] &= ~(1u << i % 32);
        return;
    }
    for (uint32_t i = 0; i < s->narrow.n; i += 2) {
        uint32_t token = s->narrow.at[i];
        if (s->narrow.at[i + 1] <= taken && !token_works(w, c, token))
            w->mask[token / 32] &= ~(1u << token % 32);
    }
}

/* ---- closing strings --------------------------------------------------------------------------- */

/* Mark the nodes of `after` that can be reached behind the quote that `c` reads now;
 * false: it may not come.  Where what the string says could matter, too, they are unsure. */
static bool reach_after(walker *w, const mn_cfg *c)
{
    const mn_trie *const after[] = { &w->t->after };
    mn_cx *cx = w->m->p->cx;
    uint32_t words = w->t->after.nodes.n / 32 + 1, off = w->k->stack.n;
    w->k->reached.n = 0;
    mn_vec_reserve(cx, &w->k->reached, words);
    w->k->reached.n = words;
    memset(w->k->reached.at, 0, words * sizeof(uint32_t));
    w->k->unsure.n = 0;
    mn_vec_reserve(cx, &w->k->unsure, words);
    memset(w->k->unsure.at, 0, words * sizeof(uint32_t));
    level here = level_at(w, 0, off, 1);
    mn_vec_push(cx, &w->k->stack, *c);
    mn_vec_reserve(cx, &w->k->stack, 2200);
    w->m->risky = false;
    mn_pda_step(w->m, w->k->stack.at + off, 1, '"', &w->k->stack);
    w->quote_risky = w->m->risky;
    uint32_t made = w->k->stack.n - off - 1;
    if (made) {
        uint8_t bytes[256];
        int n = 0;
        bool seen[256] = { false };
        for (uint32_t i = 0; i < made; i++) {
            uint8_t own[256];
            int k = mn_cfg_first_bytes(w->m, &w->k->stack.at[off + 1 + i], own);
            while (k--)
                if (!seen[own[k]]) seen[own[k]] = true, bytes[n++] = own[k];
        }
        walk_bytes(w, after, 1, off + 1, made, bytes, n);
    }
    go_back(w, &here, off);
    return made > 0;
}

/* Hashes of a list, folded to 12 bits: most are told apart without the list. */
static void fold_list(const mn_pda *m, uint32_t list, uint64_t folded[64])
{
    memset(folded, 0, 64 * sizeof *folded);
    for (uint32_t at = list; at; at = m->seen.at[at].before) {
        uint64_t h = m->seen.at[at].hash;
        folded[h >> 6 & 63] |= UINT64_C(1) << (h & 63);
    }
}

static bool may_be_in(const uint64_t folded[64], uint64_t h) { return folded[h >> 6 & 63] >> (h & 63) & 1; }

static uint64_t hash_prefix(const mn_vocab_trie *t, uint32_t prefix, uint64_t hash)
{
    const char *bytes = t->prefix_bytes.at + t->prefixes.at[prefix].off;
    for (uint32_t i = 0; i < t->prefixes.at[prefix].len; i++) hash = mn_mix(hash, (uint8_t)bytes[i]);
    return hash;
}

/* The string that is being closed stands nowhere in the items so far: neither does what
 * it is part of. */
static bool is_new_string(walker *w, uint32_t prefix)
{
    const mn_cfg *c = w->closing;
    uint32_t list = mn_frame_at(w->m, c->frame)->strings;
    uint64_t hash = hash_prefix(w->t, prefix, c->hash);
    if (c->phase == MN_PH_STRING) hash = mn_mix(hash, MN_PH_STRING);
    return !may_be_in(w->known, hash) || !mn_seen_has(w->m, list, hash);
}

static const mn_closing *closing_of(const mn_vocab_trie *t, uint32_t token)
{
    uint32_t lo = 0, hi = t->closing.n;
    while (lo + 1 < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (t->closing.at[mid].token <= token) lo = mid;
        else hi = mid;
    }
    return &t->closing.at[lo];
}

/* A token that closes a string and goes on at a node of `after` + 1 (0: does not). */
static void add_closing_token(walker *w, uint32_t token, uint32_t rest)
{
    if (rest && !mn_bit_get(w->k->reached.at, rest - 1)) return;
    bool unsure = rest ? mn_bit_get(w->k->unsure.at, rest - 1) : w->quote_risky;
    if (!unsure || is_new_string(w, closing_of(w->t, token)->prefix) || token_works(w, w->closing, token))
        mn_bit_set(w->mask, token);
}

/* Behind a quote: the token of each node below, if its rest can be reached. */
static void add_closed(walker *w, const mn_trie *trie, uint32_t node)
{
    const mn_u32s *after = trie == &w->t->open ? &w->t->open_after : &w->t->mixed_after;
    for (uint32_t i = node; i < node + trie->nodes.at[node].skip; i++) {
        int32_t token = mn_trie_token(trie->nodes.at[i]);
        if (token >= 0) add_closing_token(w, (uint32_t)token, after->at[i]);
    }
}

/* Tokens that close any string with min..max more code points. */
static void add_closing(walker *w, uint32_t min, uint32_t max)
{
    const mn_closing *c = w->t->closing.at;
    for (uint32_t i = 0; i < w->t->closing.n; i++)
        if (c[i].chars >= min && c[i].chars <= max) add_closing_token(w, c[i].token, c[i].after);
}

static void drop_tokens(walker *w, const uint32_t *tokens, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) w->mask[tokens[i] / 32] &= ~(1u << tokens[i] % 32);
}

/* Tokens that close a key that is in the list already. */
static void drop_seen(walker *w, const mn_cfg *c, uint32_t list)
{
    const mn_vocab_trie *t = w->t;
    uint64_t folded[64];
    fold_list(w->m, list, folded);
    for (uint32_t p = 0; list && p < t->prefixes.n; p++) {
        uint64_t hash = hash_prefix(t, p, c->hash);
        if (!may_be_in(folded, hash) || !mn_seen_has(w->m, list, hash)) continue;
        drop_tokens(w, t->prefix_tokens.at + t->prefix_first.at[p], t->prefix_first.at[p + 1] - t->prefix_first.at[p]);
    }
}

/* Not the excluded strings: for a key the literals, which are read on their own.  Nor a
 * key that is there already. */
static void drop_excluded(walker *w, const mn_cfg *c)
{
    const mn_lex_state s = w->m->p->lx->states.at[c->lex];
    uint32_t n;
    if (s.kind == MN_LK_EXCL)
        for (uint32_t i = s.lo; i < s.hi; i++) {
            const mn_text *name = mn_ss_text(w->m->p->lx->ss, s.a, i);
            const uint32_t *tokens = mn_trie_closing_with(w->t, name->s + s.depth, name->len - s.depth, &n);
            drop_tokens(w, tokens, n);
        }
    if (c->phase == MN_PH_KEY) drop_seen(w, c, mn_frame_at(w->m, c->frame)->keys);
}

/* What the quote leads to, for a configuration that might not read one now: as if its text
 * were empty, of a right length and new. */
static mn_cfg closing_cfg(walker *w, const mn_cfg *c, uint32_t accepting)
{
    mn_cfg x = *c;
    x.lex = accepting;
    x.set = 0;
    if (c->hash) x.hash = 0x6e65772066726573;
    return x;
}

/* Tokens that take a string of an item to its greatest length, so that it is a new one or
 * may not be. */
static void check_edge(walker *w, const mn_cfg *c, uint32_t left)
{
    const mn_vocab_trie *t = w->t;
    mn_cfg x = closing_cfg(w, c, c->lex);
    x.set = c->set;
    x.count = c->count + left;
    w->m->risky = false;
    bool live = mn_pda_unique_live(w->m, &x);
    if (live && !w->m->risky) return;
    uint32_t list = mn_frame_at(w->m, c->frame)->strings;
    for (uint32_t k = 0; k < t->words; k++) {
        uint32_t bits = left <= MN_INSIDE ? t->inside[left][k] & ~t->inside[left - 1][k] : 0;
        for (; bits; bits &= bits - 1) {
            uint32_t token = k * 32 + (uint32_t)__builtin_ctz(bits), len;
            const char *s = mn_token_bytes(t, (int32_t)token, &len);
            uint64_t hash = c->hash;
            for (uint32_t i = 0; i < len; i++) hash = mn_mix(hash, (uint8_t)s[i]);
            hash = mn_mix(hash, MN_PH_STRING);
            bool plain = live && c->phase == MN_PH_STRING && !memchr(s, '\\', len) && mn_utf8_complete_prefix(s, len) == len;
            if (plain && (!may_be_in(w->known, hash) || !mn_seen_has(w->m, list, hash))) continue;
            if (!token_works(w, c, token)) w->mask[k] &= ~(1u << token % 32);
        }
    }
    for (uint32_t i = 0; i < t->long_inside.n; i++) {
        uint32_t token = t->long_inside.at[i].token;
        if (t->long_inside.at[i].chars == left && !token_works(w, c, token)) w->mask[token / 32] &= ~(1u << token % 32);
    }
}

/* Any string (a value, or a key of the part of all others), between code points. */
static void add_any_string(walker *w, const mn_cfg *c)
{
    mn_pda *m = w->m;
    uint32_t min = 0, max = UINT32_MAX;
    if (c->set) {
        const mn_strset *set = &m->p->schema->ss.sets.at[c->set];
        min = set->min > c->count ? set->min - c->count : 0;
        if (set->max != MN_RX_INF) max = set->max - c->count;
    }
    mn_cfg x = closing_cfg(w, c, mn_lex_re(m->p->lx, MN_RX_ALL, true));
    w->closing = c;
    fold_list(w->m, mn_frame_at(w->m, c->frame)->strings, w->known);
    if (reach_after(w, &x)) add_closing(w, min, max);
    drop_excluded(w, c);
    add_inside(w, max);
    if (max && max <= w->t->longest && mn_frame_at(m, c->frame)->track) check_edge(w, c, max);
}

/* How many strings or items there are, of those that this one may not repeat. */
static uint32_t taken_around(const mn_pda *m, const mn_cfg *c)
{
    uint32_t most = 0, frame = c->frame;
    const mn_frame *f = mn_frame_at(m, frame);
    if (c->phase == MN_PH_KEY && f->keys) most = m->seen.at[f->keys].n;
    for (; mn_frame_at(m, frame)->track; frame = mn_frame_at(m, frame)->parent) {
        f = mn_frame_at(m, frame);
        if (mn_frame_is_unique(m, f) && f->keys && m->seen.at[f->keys].n > most) most = m->seen.at[f->keys].n;
    }
    return most;
}

/* A string of a pattern: a value, or a key of a part. */
static void add_pattern_string(walker *w, const mn_cfg *c)
{
    mn_cfg x = closing_cfg(w, c, mn_lex_re(w->m->p->lx, MN_RX_EPS, true));
    w->closing = c;
    fold_list(w->m, mn_frame_at(w->m, c->frame)->strings, w->known);
    if (reach_after(w, &x)) {
        walk_rows(w, &w->t->open, -1, c->lex, add_closed, false, NULL);
        walk_rows(w, &w->t->mixed, -1, c->lex, add_closed, false, NULL);
        if (c->phase == MN_PH_KEY && mn_frame_at(w->m, c->frame)->keys) drop_excluded(w, c);
    }
    uint32_t taken = taken_around(w->m, c);
    if (taken) add_inside_fresh(w, c, taken);
    else add_inside_state(w, c->lex);
}

/* ---- under a grammar ------------------------------------------------------------------------- */

/* What may stand behind a terminal that ends at a node, or behind a trigger there: the
 * node's subtree by the configurations from `off` on. */
static void walk_behind(walker *w, const mn_trie *trie, uint32_t node, uint32_t off)
{
    uint32_t end = node + trie->nodes.at[node].skip, made = w->k->stack.n - off;
    if (made && end > node + 1) walk(w, trie, node + 1, end, off, made);
}

/* The text goes on in the terminal at `node`, in the state c->lex; false: it does not. */
static bool reach_node(walker *w, const mn_trie *trie, uint32_t node, uint32_t before, const mn_cfg *c)
{
    mn_lexer *lx = w->m->p->lx;
    if (!lx->states.at[c->lex].accepting) {
        mark(w, trie, node);
        return true;
    }
    uint32_t off = w->k->stack.n;
    level here = level_at(w, 0, off, 0);
    mn_cfg next, from = *c;
    bool alive = true;
    mn_vec_reserve(w->m->p->cx, &w->k->stack, 2200);
    if (mn_lex_hit(lx, c->lex)) {
        from.lex = before;
        mn_pda_hit(w->m, &from, c->lex, &w->k->stack);
        alive = w->k->stack.n > off;
    } else if (mn_pda_leave_term(w->m, c, &next)) {
        mn_vec_push(w->m->p->cx, &w->k->stack, next);
    }
    if (alive) mark(w, trie, node);
    walk_behind(w, trie, node, off);
    go_back(w, &here, off);
    return alive;
}

/* A trie from its first-level node `first` on, in a terminal. */
static void walk_term(walker *w, const mn_trie *trie, uint32_t first, const mn_cfg *c)
{
    mn_lexer *lx = w->m->p->lx;
    mn_vec_reserve(w->m->p->cx, &w->k->rows, 2 * (w->t->longest + 2));
    uint32_t floor = w->k->rows.n, end = first + trie->nodes.at[first].skip, i = first;
    uint32_t *at = w->k->rows.at + floor;
    at[0] = end;
    at[1] = c->lex;
    mn_cfg now = *c;
    for (;;) {
        while (i == end) {
            if (at == w->k->rows.at + floor) return;
            at -= 2;
            end = at[0];
        }
        mn_trie_node node = trie->nodes.at[i];
        now.lex = mn_lex_next(lx, at[1], mn_trie_byte(node));
        if (now.lex > MN_LEX_END && node.skip > 4 && takes_below(w, trie, i, &now, 1)) {
            take_subtree(w, trie, i, i + node.skip);
            i += node.skip;
            continue;
        }
        if (now.lex <= MN_LEX_END || !reach_node(w, trie, i, at[1], &now) || mn_lex_hit(lx, now.lex)) {
            i += node.skip;
            continue;
        }
        if (node.skip > 1) {
            end = i + node.skip;
            at += 2;
            at[0] = end;
            at[1] = now.lex;
        }
        i++;
    }
}

static void add_term(walker *w, const mn_cfg *c)
{
    const mn_vocab_trie *t = w->t;
    const mn_trie *tries[MN_TRIES];
    int n = 0;
    for (int g = 0; g < MN_GROUPS; g++) {
        if (!t->plain[g].nodes.n) continue;
        bool whole = g < MN_GROUPS - 1
            && (takes_group(w, c->lex, g) || find_closed(w, c->lex, g, t->group_chars[g]));
        if (whole) or_into(w->mask, t->group_mask[g], t->words);
        else tries[n++] = &t->plain[g];
    }
    tries[n++] = &t->open;
    tries[n++] = &t->mixed;
    for (int b = 0; b < 256; b++) {
        if (!mn_lex_next(w->m->p->lx, c->lex, (uint8_t)b)) continue;
        for (int k = 0; k < n; k++)
            if (tries[k]->root[b] != UINT32_MAX) walk_term(w, tries[k], tries[k]->root[b], c);
    }
}

static bool goes_on(walker *w, uint32_t state)
{
    for (int b = 0; b < 256; b++)
        if (mn_lex_next(w->m->p->lx, state, (uint8_t)b)) return true;
    return false;
}

/* Terminal by terminal: what begins a wide one is soon told. */
static void add_next(walker *w, const mn_cfg *c)
{
    mn_grammar *g = w->m->p->grammar;
    if (c->lex && goes_on(w, c->lex)) {
        walk_all(w, c);
        return;
    }
    const mn_earley_set s = g->sets.at[c->set];
    for (uint32_t i = 0; i < s.n_expected; i++) {
        uint32_t terminal = g->expected.at[s.expected + i];
        const mn_terminal t = g->terminals.at[terminal];
        mn_cfg x = *c;
        x.lex = 0;
        x.part = terminal + 1;
        if (t.kind == MN_TK_JSON) {
            walk_all(w, &x);
            continue;
        }
        x.phase = MN_PH_TERM;
        x.part = terminal;
        x.lex = t.start;
        if (t.kind == MN_TK_LANG) x.set = mn_grammar_scan(g, c->set, terminal);
        add_term(w, &x);
    }
}

/* Special tokens, where they count as their text. */
static void add_special(walker *w, const mn_cfg *cfgs, uint32_t n)
{
    const mn_trie *const special[] = { &w->t->special };
    if (!w->t->special.nodes.n || !w->m->p->grammar) return;
    uint8_t bytes[256];
    uint32_t off = w->k->stack.n;
    w->m->special = true;
    for (uint32_t i = 0; i < n; i++) {
        if (cfgs[i].phase < MN_PH_NEXT) continue;
        mn_vec_push(w->m->p->cx, &w->k->stack, cfgs[i]);
        walk_bytes(w, special, 1, off, 1, bytes, mn_cfg_first_bytes(w->m, &cfgs[i], bytes));
        w->k->stack.n = off;
    }
    w->m->special = false;
}

/* ---- one configuration ----------------------------------------------------------------------------- */

/* A token may take the string to its greatest length, where not every text may end. */
static bool edge_matters(walker *w, const mn_cfg *c, const mn_lex_state *s)
{
    mn_pda *m = w->m;
    if (!c->set) return false;
    uint32_t max = m->p->schema->ss.sets.at[c->set].max;
    if (max == MN_RX_INF || max - c->count > w->t->longest) return false;
    if (c->phase == MN_PH_KEY && mn_frame_at(m, c->frame)->full_key) return true;
    for (uint32_t i = s->lo; s->kind == MN_LK_EXCL && i < s->hi; i++) {
        const mn_text *t = mn_ss_text(m->p->lx->ss, s->a, i);
        if (mn_utf8_count(t->s + s->depth, t->len - s->depth) == max - c->count) return true;
    }
    return false;
}

static void add_cfg(walker *w, const mn_cfg *c)
{
    mn_pda *m = w->m;
    if (c->phase == MN_PH_TEXT) {
        walk_tries(w, c->lex, NULL);
        return;
    }
    if (c->phase == MN_PH_TERM || c->phase == MN_PH_NEXT) {
        if (c->phase == MN_PH_TERM) add_term(w, c);
        else add_next(w, c);
        return;
    }
    bool string = c->phase == MN_PH_STRING, key = c->phase == MN_PH_KEY && c->part;
    if (string || key) {
        const mn_lex_state *s = &m->p->lx->states.at[c->lex];
        bool any = s->kind == MN_LK_EXCL || (s->kind == MN_LK_RE && s->a == MN_RX_ALL);
        if (any && s->boundary && !edge_matters(w, c, s)) {
            add_any_string(w, c);
            return;
        }
        if (!c->set && s->kind == MN_LK_RE && s->boundary) {
            add_pattern_string(w, c);
            return;
        }
    }
    walk_all(w, c);
}

/* Those that take tokens out again come first, each in room of its own. */
static void compute(walker *w, const mn_cfg *cfgs, uint32_t n)
{
    uint32_t *mask = w->mask;
    size_t words = w->t->words;
    for (uint32_t i = 0; i < n; i++) {
        mn_cfg c = cfgs[i];
        if (n == 1 || (c.phase != MN_PH_KEY && c.phase != MN_PH_STRING)) {
            add_cfg(w, &c);
            continue;
        }
        mn_vec_reserve(w->m->p->cx, &w->k->own, (uint32_t)words);
        memset(w->k->own.at, 0, words * sizeof(uint32_t));
        w->mask = w->k->own.at;
        add_cfg(w, &c);
        or_into(mask, w->k->own.at, words);
        w->mask = mask;
    }
    add_special(w, cfgs, n);
    const mn_u32s *twins = &w->t->twins;
    for (uint32_t i = 0; i < twins->n; i += 2)
        if (mn_bit_get(mask, twins->at[i])) mn_bit_set(mask, twins->at[i + 1]);
}

void mn_mask_compute(const mn_vocab_trie *t, mn_mask_cache *k, mn_pda *m, const mn_cfg *cfgs, uint32_t n,
                     uint32_t *mask)
{
    walker w = { .t = t, .k = k, .m = m, .mask = mask };
    k->stack.n = k->levels.n = k->rows.n = 0;
    compute(&w, cfgs, n);
}
