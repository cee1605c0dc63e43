/* Objects: which keys may come, and what a key leads to; see pda.h. */
#include "constrain/pda.h"

/* ---- run records --------------------------------------------------------------------------- */

static void close_deps(mn_run_object *r, const mn_schema *s, mn_span deps, mn_cx *cx)
{
    uint32_t n = r->n;
    r->dep_at = mn_cx_alloc(cx, n + 1, sizeof *r->dep_at);
    if (!deps.n) return;
    uint8_t *in = mn_cx_alloc(cx, n, 1);
    uint32_t *flat = mn_cx_alloc(cx, (size_t)n * (n < 64 ? n : 64) + deps.n, sizeof *flat);
    uint32_t total = 0, room = n * (n < 64 ? n : 64) + deps.n;
    for (uint32_t i = 0; i < n; i++) {
        r->dep_at[i] = total;
        uint32_t start = total;
        memset(in, 0, n);
        in[i] = 1;
        /* Breadth first from i; flat[start..] is the queue. */
        for (uint32_t at = start; ; at++) {
            uint32_t from = at == start ? i : flat[at - 1];
            for (uint32_t d = 0; d < deps.n; d++) {
                mn_dep x = s->deps.at[deps.off + d];
                if (x.from != from || in[x.to]) continue;
                if (total == room) mn_cx_raise(cx, MINERVA_LIMIT, "dependentRequired: too many implications");
                in[x.to] = 1;
                flat[total++] = x.to;
            }
            if (at == total) break;
        }
    }
    r->dep_at[n] = total;
    r->deps = flat;
}

static void find_usable(mn_run_object *r, const mn_schema *s)
{
    for (uint32_t i = 0; i < r->n; i++) {
        bool ok = mn_e_inhabited(s, r->literals[i].value);
        for (uint32_t d = r->dep_at[i]; d < r->dep_at[i + 1]; d++)
            ok &= mn_e_inhabited(s, r->literals[r->deps[d]].value);
        r->usable[i] = ok;
        r->n_usable += ok;
        if (!r->literals[i].required) continue;
        r->required[i / 64] |= UINT64_C(1) << i % 64;
        for (uint32_t d = r->dep_at[i]; d < r->dep_at[i + 1]; d++)
            r->required[r->deps[d] / 64] |= UINT64_C(1) << r->deps[d] % 64;
    }
    for (uint32_t w = 0; w < r->n_words; w++) r->n_required += (uint32_t)__builtin_popcountll(r->required[w]);
}

/* How keys of a part are read: not the literals, they are read on their own. */
static uint32_t part_start(mn_pda_program *p, const mn_run_object *r, uint32_t keys)
{
    mn_schema *s = p->schema;
    mn_strset x = s->ss.sets.at[keys];
    uint32_t n = r->n, k = 0;
    if (x.kind == MN_SK_ANY) {
        uint32_t m = s->ss.litsets.at[x.lits].n;
        mn_text *out = mn_cx_alloc(p->cx, n + m, sizeof *out);
        for (uint32_t i = 0; i < n; i++) out[k++] = r->literals[i].name;
        for (uint32_t i = 0; i < m; i++) out[k++] = *mn_ss_text(&s->ss, x.lits, i);
        return mn_lex_excl(p->lx, k ? mn_ss_litset(&s->ss, out, k) : 0);
    }
    if (x.kind == MN_SK_LITS) return mn_lex_lits(p->lx, x.lits, true);  /* of an exist: see mn_o_parts */
    mn_text *out = mn_cx_alloc(p->cx, n, sizeof *out);
    for (uint32_t i = 0; i < n; i++)
        if (mn_ss_has(&s->ss, keys, r->literals[i].name.s, r->literals[i].name.len)) out[k++] = r->literals[i].name;
    if (!k) return mn_lex_re(p->lx, x.re, true);
    mn_rid taken = mn_ss_to_re(&s->ss, mn_ss_lits(&s->ss, out, k));
    return mn_lex_re(p->lx, mn_rx_and2(&s->rx, x.re, mn_rx_not(&s->rx, taken)), true);
}

static void make_parts(mn_pda_program *p, mn_run_object *r)
{
    mn_part parts[64];
    uint32_t n = mn_o_parts(p->schema, r->object, parts);
    r->parts = mn_cx_alloc(p->cx, n, sizeof *r->parts);
    for (uint32_t i = 0; i < n; i++) {
        bool value = mn_e_inhabited(p->schema, parts[i].value);
        if (!value) continue;
        mn_strset x = p->schema->ss.sets.at[parts[i].keys];
        bool counted = x.kind == MN_SK_ANY && (x.min || x.max != MN_RX_INF);
        mn_run_part part = { part_start(p, r, parts[i].keys), counted ? parts[i].keys : 0, 0, parts[i] };
        if (part.lex) r->parts[r->n_parts++] = part;
    }
}

const mn_run_object *mn_run_object_of(mn_pda_program *p, uint32_t object)
{
    mn_schema *s = p->schema;
    if (s->objects.at[object].run) return &p->objects.at[s->objects.at[object].run - 1];
    mn_object o = s->objects.at[object];
    mn_run_object r = { .object = object, .n = o.literals.n, .min = o.min, .max = o.max };
    mn_literal *l = mn_cx_alloc(p->cx, r.n, sizeof *l);
    mn_text *names = mn_cx_alloc(p->cx, r.n, sizeof *names);
    if (r.n) memcpy(l, s->literals.at + o.literals.off, r.n * sizeof *l);
    for (uint32_t i = 0; i < r.n; i++) names[i] = l[i].name;
    r.literals = l;
    r.litset = mn_ss_litset(&s->ss, names, r.n);
    r.n_words = (r.n + 63) / 64;
    r.usable = mn_cx_alloc(p->cx, r.n + 1, 1);
    r.required = mn_cx_alloc(p->cx, r.n_words + 1, sizeof *r.required);
    close_deps(&r, s, o.deps, p->cx);
    find_usable(&r, s);
    make_parts(p, &r);
    r.all_exists = (1u << o.exists.n) - 1;
    r.simple = r.max == MN_RX_INF && !o.deps.n && !o.exists.n && !p->schema_order;
    mn_vec_push(p->cx, &p->objects, r);
    s->objects.at[object].run = p->objects.n;
    return &p->objects.at[p->objects.n - 1];
}

/* ---- frames ---------------------------------------------------------------------------------- */

static const uint64_t *seen_bits(const mn_pda *m, const mn_run_object *r, const mn_frame *f)
{
    return r->n_words > 1 ? m->words.at + f->seen : &f->seen;
}

static bool has(const uint64_t *bits, uint32_t i) { return bits[i / 64] >> i % 64 & 1; }

uint32_t mn_object_open(mn_pda *m, uint32_t parent, uint32_t object)
{
    const mn_run_object *r = mn_run_object_of(m->p, object);
    mn_frame f = { .kind = MN_FR_OBJECT, .parent = parent, .id = (uint32_t)(r - m->p->objects.at),
                   .track = mn_frame_at(m, parent)->track, .strings = mn_frame_at(m, parent)->strings };
    if (r->n_words > 1) {
        f.seen = m->words.n;
        mn_vec_reserve(m->p->cx, &m->words, r->n_words);
        memset(m->words.at + m->words.n, 0, r->n_words * sizeof(uint64_t));
        m->words.n += r->n_words;
    }
    return mn_frame_push(m, f);
}

/* Literals that must still come, given those there (and `extra`, about to come). */
static uint32_t missing(const mn_run_object *r, const uint64_t *bits, uint32_t extra)
{
    uint32_t n = 0;
    if (r->n_words <= 1 && !r->deps) {
        uint64_t left = r->n_words ? r->required[0] & ~bits[0] : 0;
        if (extra != UINT32_MAX) left &= ~(UINT64_C(1) << extra);
        return (uint32_t)__builtin_popcountll(left);
    }
    for (uint32_t i = 0; i < r->n; i++) {
        if (i == extra || has(bits, i)) continue;
        bool need = has(r->required, i);
        for (uint32_t from = 0; r->deps && from < r->n && !need; from++) {
            if (from != extra && !has(bits, from)) continue;
            for (uint32_t d = r->dep_at[from]; d < r->dep_at[from + 1] && !need; d++) need = r->deps[d] == i;
        }
        n += need;
    }
    return n;
}

static bool all_there(const mn_run_object *r, const uint64_t *bits)
{
    if (!r->deps) {
        for (uint32_t w = 0; w < r->n_words; w++)
            if (r->required[w] & ~bits[w]) return false;
        return true;
    }
    return missing(r, bits, UINT32_MAX) == 0;
}

/* In schema order: nothing that is needed was passed over, and min can be reached. */
static bool order_allows(const mn_pda *m, const mn_run_object *r, const mn_frame *f, uint32_t i)
{
    const uint64_t *bits = seen_bits(m, r, f);
    uint32_t order = r->literals[i].order, later = 0;
    if (order < f->order) return false;
    for (uint32_t k = 0; k < r->n; k++) {
        if (k == i || has(bits, k)) continue;
        bool need = has(r->required, k);
        for (uint32_t from = 0; r->deps && from < r->n && !need; from++) {
            if (from != i && !has(bits, from)) continue;
            for (uint32_t d = r->dep_at[from]; d < r->dep_at[from + 1] && !need; d++) need = r->deps[d] == k;
        }
        if (need && r->literals[k].order < order) return false;
        later += r->usable[k] && r->literals[k].order > order;
    }
    return r->n_parts || f->count + 1 + later >= r->min;
}

static uint32_t unmet(const mn_run_object *r, uint32_t met)
{
    return (uint32_t)__builtin_popcount(r->all_exists & ~met);
}

static bool literal_allowed(const mn_pda *m, const mn_run_object *r, const mn_frame *f, uint32_t i)
{
    const uint64_t *bits = seen_bits(m, r, f);
    if (!r->usable[i] || has(bits, i)) return false;
    if (r->simple) return true;
    if (m->p->schema_order && !order_allows(m, r, f, i)) return false;
    if (r->max == MN_RX_INF) return true;
    return (uint64_t)f->count + 1 + missing(r, bits, i) + unmet(r, f->exists) <= r->max;
}

static bool span_allowed(mn_pda *m, uint32_t frame, uint32_t lo, uint32_t hi)
{
    const mn_frame *f = mn_frame_at(m, frame);
    const mn_run_object *r = &m->p->objects.at[f->id];
    for (uint32_t i = lo; i < hi; i++)
        if (literal_allowed(m, r, f, i)) return true;
    return false;
}

/* ---- other keys ------------------------------------------------------------------------------- */

bool mn_seen_has(const mn_pda *m, uint32_t list, uint64_t hash)
{
    for (; list; list = m->seen.at[list].before)
        if (m->seen.at[list].hash == hash) return true;
    return false;
}

uint32_t mn_seen_add(mn_pda *m, uint32_t list, uint64_t hash)
{
    mn_seen none = { 0 };
    if (!m->seen.n) mn_vec_push(m->p->cx, &m->seen, none);      /* 0: the empty list */
    mn_seen s = m->seen.at[list];
    s = (mn_seen){ hash, s.sum + mn_mix(hash, 7), list, s.n + 1 };
    mn_vec_push(m->p->cx, &m->seen, s);
    return m->seen.n - 1;
}

/* Is there a key from here on that is not there yet?  Where more go on than are there,
 * always; few are searched, and given the benefit of the doubt after many steps. */
static bool fresh_key(mn_pda *m, uint32_t seen, const mn_cfg *c, int depth, int *budget)
{
    if (m->p->lx->states.at[c->lex].accepting && !mn_seen_has(m, seen, c->hash)) return true;
    if (depth > 64) return true;
    for (int k = 0; k < 256; k++) {
        uint8_t byte = (uint8_t)(k + 'a');      /* letters first; wraps around */
        if (byte == '"' || (byte == '\\' && !mn_lex_in_escape(m->p->lx, c->lex))) continue;
        uint32_t to = mn_lex_next(m->p->lx, c->lex, byte);
        if (to <= MN_LEX_END) continue;
        if (--*budget < 0) return true;
        mn_cfg next = *c;
        mn_hash_string_byte(m, &next, byte);
        next.lex = to;
        if (fresh_key(m, seen, &next, depth + 1, budget)) return true;
    }
    return false;
}

static bool key_live(mn_pda *m, const mn_frame *f, const mn_cfg *c)
{
    if (!f->keys || mn_lex_ways(m->p->lx, c->lex) > m->seen.at[f->keys].n) return true;
    int budget = 4000;
    return fresh_key(m, f->keys, c, 0, &budget);
}

static bool part_has_room(const mn_pda *m, const mn_run_object *r, const mn_frame *f)
{
    const uint64_t *bits = seen_bits(m, r, f);
    if (m->p->schema_order && !all_there(r, bits)) return false;
    if (r->max == MN_RX_INF) return true;
    uint32_t still = unmet(r, f->exists);
    /* A key of this part may meet an exist; finish_part() looks again. */
    return (uint64_t)f->count + missing(r, bits, UINT32_MAX) + (still ? still : 1) <= r->max;
}

static mn_cfg part_cfg(const mn_run_object *r, uint32_t frame, uint32_t part)
{
    return (mn_cfg){ .frame = frame, .phase = MN_PH_KEY, .lex = r->parts[part].lex, .set = r->parts[part].set,
                     .part = part + 1, .hash = 1 };
}

static bool part_open(mn_pda *m, uint32_t frame, uint32_t part)
{
    mn_frame f = *mn_frame_at(m, frame);
    const mn_run_object *r = &m->p->objects.at[f.id];
    mn_cfg c = part_cfg(r, frame, part);
    return part_has_room(m, r, &f) && key_live(m, &f, &c);
}

/* ---- what the automaton asks -------------------------------------------------------------------- */

bool mn_object_may_close(mn_pda *m, uint32_t frame)
{
    const mn_frame *f = mn_frame_at(m, frame);
    const mn_run_object *r = &m->p->objects.at[f->id];
    return f->count >= r->min && !unmet(r, f->exists) && all_there(r, seen_bits(m, r, f));
}

bool mn_object_may_go_on(mn_pda *m, uint32_t frame)
{
    uint32_t id = mn_frame_at(m, frame)->id;
    if (span_allowed(m, frame, 0, m->p->objects.at[id].n)) return true;
    for (uint32_t i = 0; i < m->p->objects.at[id].n_parts; i++)
        if (part_open(m, frame, i)) return true;
    return false;
}

void mn_object_begin_key(mn_pda *m, uint32_t frame, mn_cfgs *out)
{
    uint32_t id = mn_frame_at(m, frame)->id, n = m->p->objects.at[id].n;
    if (n && span_allowed(m, frame, 0, n)) {
        mn_cfg c = { .frame = frame, .phase = MN_PH_KEY,
                     .lex = mn_lex_lits(m->p->lx, m->p->objects.at[id].litset, true) };
        mn_vec_push(m->p->cx, out, c);
    }
    for (uint32_t i = 0; i < m->p->objects.at[id].n_parts; i++)
        if (part_open(m, frame, i)) mn_vec_push(m->p->cx, out, part_cfg(&m->p->objects.at[id], frame, i));
}

static uint64_t hash_name(const mn_text *t)
{
    uint64_t h = 1;
    for (uint32_t i = 0; i < t->len; i++) h = mn_mix(h, (uint8_t)t->s[i]);
    return h;
}

static uint32_t counted(const mn_run_object *r, uint32_t count)
{
    return r->max == MN_RX_INF && count >= r->min ? r->min : count + 1;
}

static void finish_literal(mn_pda *m, uint32_t frame, uint32_t i, mn_cfgs *out)
{
    mn_frame f = *mn_frame_at(m, frame);
    const mn_run_object *r = &m->p->objects.at[f.id];
    if (!literal_allowed(m, r, &f, i)) return;
    if (r->n_words > 1) {
        uint32_t at = m->words.n;
        mn_vec_reserve(m->p->cx, &m->words, r->n_words);
        memcpy(m->words.at + at, m->words.at + f.seen, r->n_words * sizeof(uint64_t));
        m->words.at[at + i / 64] |= UINT64_C(1) << i % 64;
        m->words.n += r->n_words;
        f.seen = at;
    } else {
        f.seen |= UINT64_C(1) << i;
    }
    f.count = counted(r, f.count);
    if (m->p->schema_order) f.order = r->literals[i].order + 1;
    if (f.track) f.key = hash_name(&r->literals[i].name);
    mn_cfg c = { .phase = MN_PH_COLON, .lex = r->literals[i].value, .count = m->p->blanks };
    c.frame = mn_frame_push(m, f);
    mn_vec_push(m->p->cx, out, c);
}

static void finish_part(mn_pda *m, const mn_cfg *key, mn_cfgs *out)
{
    mn_frame before = *mn_frame_at(m, key->frame);
    mn_run_object r = m->p->objects.at[before.id];
    if (mn_seen_has(m, before.keys, key->hash)) return;
    const mn_run_part *part = &r.parts[key->part - 1];
    uint32_t may = part->part.exists & ~before.exists;
    for (uint32_t mask = may;; mask = (mask - 1) & may) {
        mn_eid value = mask ? mn_o_witness(m->p->schema, r.object, &part->part, mask) : part->part.value;
        mn_frame f = before;
        f.exists |= mask;
        f.count = counted(&r, f.count);
        bool fits = r.max == MN_RX_INF
            || (uint64_t)f.count + missing(&r, seen_bits(m, &r, &f), UINT32_MAX) + unmet(&r, f.exists) <= r.max;
        if (fits && mn_e_inhabited(m->p->schema, value)) {
            f.keys = mn_seen_add(m, f.keys, key->hash);
            f.full_key |= key->set && key->count == m->p->schema->ss.sets.at[key->set].max;
            if (m->p->schema_order) f.order = UINT32_MAX;
            if (f.track) {
                f.key = key->hash;
                f.strings = mn_seen_add(m, f.strings, key->hash);
            }
            mn_cfg c = { .phase = MN_PH_COLON, .lex = value, .count = m->p->blanks };
            c.frame = mn_frame_push(m, f);
            mn_vec_push(m->p->cx, out, c);
        }
        if (!mask) break;
    }
}

void mn_object_step_key(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out)
{
    mn_lexer *lx = m->p->lx;
    mn_cfg next = *c;
    if (!c->part) {
        next.lex = mn_lex_next(lx, c->lex, byte);
        if (next.lex == MN_LEX_DEAD) return;
        if (next.lex == MN_LEX_END) {
            finish_literal(m, c->frame, lx->states.at[c->lex].lo, out);
            return;
        }
        mn_lex_span spans[2];
        int n = mn_lex_candidates(lx, next.lex, spans);
        for (int i = 0; i < n; i++)
            if (span_allowed(m, c->frame, spans[i].lo, spans[i].hi)) {
                mn_vec_push(m->p->cx, out, next);
                return;
            }
        return;
    }
    if (c->set && lx->states.at[c->lex].boundary) {
        const mn_strset *set = &m->p->schema->ss.sets.at[c->set];
        if (byte == '"' ? c->count < set->min : c->count >= set->max) return;
        if (byte != '"') next.count++;
        if (set->max == MN_RX_INF && next.count > set->min) next.count = set->min;
    }
    mn_hash_string_byte(m, &next, byte);
    next.lex = mn_lex_next(lx, c->lex, byte);
    if (next.lex == MN_LEX_DEAD) return;
    if (next.lex == MN_LEX_END) {
        finish_part(m, c, out);
        return;
    }
    mn_frame f = *mn_frame_at(m, c->frame);
    if (mn_pda_at_edge(m, &next)
        && (!lx->states.at[next.lex].accepting || mn_seen_has(m, f.keys, next.hash))) return;
    if (key_live(m, &f, &next)) mn_vec_push(m->p->cx, out, next);
}

uint32_t mn_object_ways(mn_pda *m, uint32_t frame, bool in_key)
{
    mn_frame f = *mn_frame_at(m, frame);
    const mn_run_object *r = &m->p->objects.at[f.id];
    uint32_t n = r->n, ways = 1;
    for (uint32_t i = 0; i < r->n_parts; i++) {
        const mn_lex_state *s = &m->p->lx->states.at[m->p->objects.at[f.id].parts[i].lex];
        if ((s->kind == MN_LK_EXCL || s->a == MN_RX_ALL) && part_open(m, frame, i)) return MN_WAYS_MANY;
        r = &m->p->objects.at[f.id];
    }
    bool free_choice = r->simple && !in_key && f.count >= r->min;
    for (uint32_t i = 0; i < n && ways < MN_WAYS_MANY; i++) {
        r = &m->p->objects.at[f.id];
        if (!literal_allowed(m, r, &f, i)) continue;
        bool required = has(r->required, i);
        uint32_t values = mn_pda_ways(m->p, r->literals[i].value);
        if (values == MN_WAYS_MANY) return values;
        if (free_choice) ways = mn_ways_times(ways, values + !required);
        else if (required && !in_key && values > ways) ways = values;
    }
    return ways;
}
