/* uniqueItems: hashes of values, and whether a value can still be a new one; see pda.h.
 *
 * Equal values have equal hashes: strings by their characters however they are spelled,
 * numbers by their value (an element of a prime field, so that 1, 1.0 and 10e-1 agree),
 * objects by their members in any order.  Two values with one hash (2^-60) count as equal.
 *
 * An item may not repeat one that is there.  While it is being written, that is a danger
 * only where nothing endless is left to choose in it; then a completion is searched for.
 */
#include "constrain/pda.h"

#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

/* ---- hashes ----------------------------------------------------------------------------- */

void mn_hash_string_byte(mn_pda *m, mn_cfg *c, uint8_t byte)
{
    const mn_lexer *lx = m->p->lx;
    if (mn_lex_in_escape(lx, c->lex)) {
        uint32_t cp;
        char bytes[4];
        if (!mn_lex_escape_done(lx, c->lex, byte, &cp)) return;
        int n = mn_utf8_encode(cp, bytes);
        for (int i = 0; i < n; i++) c->hash = mn_mix(c->hash, (uint8_t)bytes[i]);
    } else if (byte != '"' && !(byte == '\\' && lx->states.at[c->lex].boundary)) {
        c->hash = mn_mix(c->hash, byte);
    }
}

/* Values modulo the prime 2^61 - 1.  `scale` holds what the digits do not say:
 * digits behind the point (14 bits), exponent (14 bits), then flags. */
#define PRIME ((UINT64_C(1) << 61) - 1)
enum { NEGATIVE = 1u << 28, POINT = 1u << 29, POWER = 1u << 30, POWER_NEGATIVE = 1u << 31 };

static uint64_t times(uint64_t a, uint64_t b) { return (uint64_t)((unsigned __int128)a * b % PRIME); }

static uint64_t power(uint64_t a, uint64_t n)
{
    uint64_t r = 1;
    for (; n; n >>= 1, a = times(a, a))
        if (n & 1) r = times(r, a);
    return r;
}

void mn_hash_number_byte(mn_cfg *c, uint8_t byte)
{
    uint32_t behind = c->scale & 0x3FFF, exponent = c->scale >> 14 & 0x3FFF, flags = c->scale & 0xF0000000u;
    if (byte == '-') {
        flags |= flags & POWER ? POWER_NEGATIVE : NEGATIVE;
    } else if (byte == '.') {
        flags |= POINT;
    } else if (byte == 'e' || byte == 'E') {
        flags |= POWER;
    } else if (byte >= '0' && byte <= '9') {
        if (flags & POWER) {
            if (exponent < 1600) exponent = exponent * 10 + (uint32_t)(byte - '0');
        } else {
            c->hash = (times(c->hash, 10) + (uint64_t)(byte - '0')) % PRIME;
            if ((flags & POINT) && behind < 0x3FFF) behind++;
        }
    }
    c->scale = flags | exponent << 14 | behind;
}

uint64_t mn_hash_number_end(const mn_cfg *c)
{
    uint32_t behind = c->scale & 0x3FFF, exponent = c->scale >> 14 & 0x3FFF;
    int64_t e = (c->scale & POWER_NEGATIVE ? -(int64_t)exponent : exponent) - (int64_t)behind;
    uint64_t ten = e < 0 ? power(10, PRIME - 2) : 10;
    uint64_t v = times(c->hash, power(ten, (uint64_t)(e < 0 ? -e : e)));
    if ((c->scale & NEGATIVE) && v) v = PRIME - v;
    return mn_mix(v, MN_PH_NUMBER);
}

/* ---- ways to go on ----------------------------------------------------------------------- */

static uint32_t string_ways(mn_schema *s, uint32_t set)
{
    mn_strset x = s->ss.sets.at[set];
    if (x.kind == MN_SK_ANY) return x.max ? MN_WAYS_MANY : 1;
    if (x.kind == MN_SK_LITS) return s->ss.litsets.at[x.lits].n;
    return mn_rx_ways(&s->rx, x.re);
}

static uint32_t number_ways(const mn_schema *s, uint32_t set)
{
    const mn_numset *x = &s->ns.sets.at[set];
    if (x->points) return x->n;
    return !x->step.m || !x->has_lo || !x->has_hi ? MN_WAYS_MANY : 1;
}

static uint32_t more(uint32_t a, uint32_t b) { return a > b ? a : b; }

static uint32_t array_ways(mn_pda_program *p, uint32_t id)
{
    mn_schema *s = p->schema;
    mn_array a = s->arrays.at[id];
    uint32_t best = 1;
    if (!a.inhabited) return 0;
    if (a.contains.n) return 1;
    if (!a.unique && a.max == MN_RX_INF && mn_e_inhabited(s, mn_a_item(s, id, a.prefix.n))) return MN_WAYS_MANY;
    for (uint32_t k = 0; k <= a.prefix.n && k < a.max && (!k || !a.unique); k++)
        best = more(best, mn_pda_ways(p, mn_a_item(s, id, k)));
    return best;
}

static uint32_t object_ways(mn_pda_program *p, uint32_t id)
{
    mn_schema *s = p->schema;
    mn_object o = s->objects.at[id];
    uint32_t n = 1, n_required = 0;
    if (!o.inhabited) return 0;
    for (uint32_t k = 0; k < o.classes.n && o.max == MN_RX_INF; k++) {
        mn_class c = s->classes.at[o.classes.off + k];
        if (string_ways(s, c.keys) == MN_WAYS_MANY && mn_e_inhabited(s, c.value)) return MN_WAYS_MANY;
    }
    for (uint32_t k = 0; k < o.literals.n; k++) n_required += s->literals.at[o.literals.off + k].required;
    bool simple = !o.deps.n && !o.exists.n, free_choice = simple && o.max == MN_RX_INF && n_required >= o.min;
    for (uint32_t k = 0; k < o.literals.n && n < MN_WAYS_MANY; k++) {
        mn_literal l = s->literals.at[o.literals.off + k];
        if (!l.required && !free_choice) continue;
        uint32_t values = mn_pda_ways(p, l.value);
        if (simple) n = mn_ways_times(n, values + !l.required);
        else n = more(n, values);
    }
    return n;
}

/* Alternatives of one type may overlap, so only the largest counts. */
static uint32_t find_ways(mn_pda_program *p, mn_eid e)
{
    mn_schema *s = p->schema;
    mn_form f = s->forms.at[s->exprs.at[e].form];
    uint32_t best[4] = { 0 };
    for (uint32_t i = 0; i < f.type[MN_T_STR].n; i++)
        best[0] = more(best[0], string_ways(s, s->ids.at[f.type[MN_T_STR].off + i]));
    for (uint32_t i = 0; i < f.type[MN_T_NUM].n; i++)
        best[1] = more(best[1], number_ways(s, s->ids.at[f.type[MN_T_NUM].off + i]));
    for (uint32_t i = 0; i < f.type[MN_T_ARR].n && best[0] + best[1] < MN_WAYS_MANY; i++)
        best[2] = more(best[2], array_ways(p, s->ids.at[f.type[MN_T_ARR].off + i]));
    for (uint32_t i = 0; i < f.type[MN_T_OBJ].n && best[0] + best[1] < MN_WAYS_MANY; i++)
        best[3] = more(best[3], object_ways(p, s->ids.at[f.type[MN_T_OBJ].off + i]));
    uint32_t n = best[0] + best[1] + best[2] + best[3] + (uint32_t)__builtin_popcount(f.prims);
    return n < MN_WAYS_MANY ? n : MN_WAYS_MANY;
}

uint32_t mn_pda_ways(mn_pda_program *p, mn_eid e)
{
    while (p->ways.n <= e) mn_vec_push(p->cx, &p->ways, 0);
    if (p->ways.at[e]) return p->ways.at[e] - 1;
    if (!mn_e_inhabited(p->schema, e)) return 0;
    p->ways.at[e] = 2;          /* while it is counted: at least one */
    uint32_t n = find_ways(p, e);
    p->ways.at[e] = n + 1;
    return n;
}

/* In what the configuration itself is reading. */
static uint32_t ways_here(mn_pda *m, const mn_cfg *c)
{
    switch ((mn_phase)c->phase) {
    case MN_PH_VALUE:
    case MN_PH_COLON: return mn_pda_ways(m->p, c->lex);
    case MN_PH_STRING:
        if (c->set) return c->count < m->p->schema->ss.sets.at[c->set].max ? MN_WAYS_MANY : 1;
        return mn_lex_ways(m->p->lx, c->lex);
    case MN_PH_KEY: {
        if (!c->part) return 1;
        uint32_t n = mn_lex_ways(m->p->lx, c->lex), list = mn_frame_at(m, c->frame)->keys;
        uint32_t taken = list ? m->seen.at[list].n : 0;
        return n > taken ? n - taken : 1;
    }
    default: return 1;
    }
}

static uint32_t frame_ways(mn_pda *m, uint32_t frame, bool in_key)
{
    mn_frame f = *mn_frame_at(m, frame);
    if (f.ways && !in_key) return f.ways - 1;
    uint32_t n = 1;
    if (f.kind == MN_FR_OBJECT) {
        n = mn_object_ways(m, frame, in_key);
    } else if (f.kind == MN_FR_ARRAY) {
        mn_run_array r = m->p->arrays.at[f.id];
        bool endless = r.max == MN_RX_INF && r.longest == MN_RX_INF && !r.n_contains
            && (!r.unique || mn_pda_ways(m->p, mn_a_item(m->p->schema, r.array, r.last)) == MN_WAYS_MANY);
        if (endless) n = MN_WAYS_MANY;
    }
    if (!in_key) m->frames.at[frame].ways = n + 1;
    return n;
}

/* ---- the search ------------------------------------------------------------------------------- */

enum { SEARCH_STEPS = 4000 };

typedef struct {
    mn_pda *m;
    uint32_t level;             /* depth of the array whose item is to be completed */
    int budget;
    MN_VEC(uint64_t) met;
    mn_intern met_set;
    mn_cfgs out;
} search;

static uint32_t depth_of(const mn_pda *m, uint32_t frame)
{
    uint32_t n = 0;
    for (; m->frames.at[frame].kind != MN_FR_ROOT; frame = m->frames.at[frame].parent) n++;
    return n;
}

/* An escape spells no value that its character does not, but for what JSON wants escaped: in
 * one that the search began, `at` bytes ago, only those are of use. */
static bool is_useful_escape(int at, uint8_t byte)
{
    switch (at) {
    case 1: return byte && strchr("\"\\bfnrtu", byte);
    case 2: case 3: return byte == '0';             /* \u0000 to \u001f */
    case 4: return byte == '0' || byte == '1';
    case 5: return isxdigit(byte);
    default: return true;
    }
}

static bool in_escape(const mn_pda *m, const mn_cfg *c)
{
    bool text = c->phase == MN_PH_STRING || c->phase == MN_PH_KEY;
    return text && mn_lex_in_escape(m->p->lx, c->lex);
}

enum { NO_ESCAPE = 0, OLD_ESCAPE = -1 };

/* escape: bytes since the backslash of one that the search began, or NO_ESCAPE, or
 * OLD_ESCAPE: in one that was there before. */
static bool complete(search *s, const mn_cfg *c, int depth, int escape)
{
    mn_pda *m = s->m;
    uint32_t level = depth_of(m, c->frame);
    if (level < s->level || (c->phase == MN_PH_ARRAY_NEXT && level == s->level)) return true;
    if (depth > 300) return true;
    /* 1.000000 and so on: more zeros make no other number. */
    if (c->phase == MN_PH_NUMBER && (c->scale & 0x3FFF) > 40) return false;
    uint64_t hash = mn_cfg_hash(m, c);
    uint32_t at;
    for (mn_intern_seek k = mn_intern_begin(&s->met_set, hash); mn_intern_next(&s->met_set, &k, &at);)
        if (s->met.at[at] == hash) return false;
    mn_vec_push(m->p->cx, &s->met, hash);
    mn_intern_add(m->p->cx, &s->met_set, hash, s->met.n - 1);
    /* What ends something first, escapes last; of a power of 0, nothing else. */
    static const bool is_first[256] = { ['"'] = true, ['}'] = true, [']'] = true, [','] = true, [':'] = true };
    uint8_t bytes[6 + 256] = { '"', '}', ']', ',', ':' };
    int n = 5 + mn_cfg_first_bytes(m, c, bytes + 5);
    if (c->phase == MN_PH_NUMBER && (c->scale & POWER) && !c->hash) n = 5;
    else if (c->phase == MN_PH_STRING || c->phase == MN_PH_KEY) bytes[n++] = '\\';
    for (int k = 0; k < n; k++) {
        uint8_t byte = bytes[k];
        if (k >= 5 && (is_first[byte] || (byte == '\\' && k < n - 1))) continue;
        if (!is_useful_escape(escape, byte)) continue;
        if (--s->budget < 0) return true;
        uint32_t base = s->out.n;
        mn_pda_step_one(m, c, byte, &s->out);
        bool found = false;
        for (uint32_t i = base; i < s->out.n && !found; i++) {
            mn_cfg next = s->out.at[i];
            int behind = !in_escape(m, &next) ? NO_ESCAPE : escape < 0 ? OLD_ESCAPE : escape + 1;
            found = complete(s, &next, depth + 1, behind);
        }
        s->out.n = base;
        if (found) return true;
    }
    return false;
}

typedef struct { search s; const mn_cfg *c; bool found; } search_job;

static void run_search(void *arg)
{
    search_job *job = arg;
    const mn_cfg *c = job->c;
    job->found = complete(&job->s, c, 0, in_escape(job->s.m, c) ? OLD_ESCAPE : NO_ESCAPE);
}

static bool completion_exists(mn_pda *m, const mn_cfg *c, uint32_t level)
{
    search_job job = { .s = { .m = m, .level = level, .budget = SEARCH_STEPS }, .c = c };
    uint32_t frames = m->frames.n, words = m->words.n, seen = m->seen.n;
    minerva_error err = { 0 };
    m->searching++;
    minerva_status st = mn_cx_protect(m->p->cx, &err, run_search, &job);
    m->searching--;
    mn_vec_clear(m->p->cx, &job.s.met);
    mn_intern_clear(m->p->cx, &job.s.met_set);
    mn_vec_clear(m->p->cx, &job.s.out);
    m->frames.n = frames;
    m->words.n = words;
    m->seen.n = seen;
    if (st) mn_cx_raise(m->p->cx, st, "%s", err.message);
    return job.found;
}

/* A member of a list that is no item yet can still come. */
static bool list_item_left(mn_pda *m, const mn_cfg *c, uint32_t seen)
{
    mn_lexer *lx = m->p->lx;
    mn_lex_span spans[2];
    for (int i = mn_lex_candidates(lx, c->lex, spans); i-- > 0;)
        for (uint32_t k = spans[i].lo; k < spans[i].hi; k++) {
            const mn_text *t = mn_ss_text(lx->ss, lx->states.at[c->lex].a, k);
            uint64_t hash = 1;
            for (uint32_t b = 0; b < t->len; b++) hash = mn_mix(hash, (uint8_t)t->s[b]);
            if (!mn_seen_has(m, seen, mn_mix(hash, MN_PH_STRING))) return true;
        }
    return false;
}

/* Outwards: where an item is being written, more ways to go on with it than there are
 * items mean that one of them is new. */
bool mn_pda_unique_live(mn_pda *m, const mn_cfg *c)
{
    if (m->searching) return true;
    bool inside = c->phase != MN_PH_ARRAY_FIRST && c->phase != MN_PH_ARRAY_NEXT, danger = false;
    uint32_t ways = inside ? ways_here(m, c) : 1, outermost = 0;
    bool more_keys = c->phase == MN_PH_OBJECT_KEY;      /* to end here is no way */
    for (uint32_t frame = c->frame; mn_frame_at(m, frame)->track; frame = mn_frame_at(m, frame)->parent) {
        mn_frame f = *mn_frame_at(m, frame);
        if (mn_frame_is_unique(m, &f) && f.keys && inside && ways <= m->seen.at[f.keys].n) {
            m->risky = true;
            if (frame == c->frame && c->phase == MN_PH_STRING
                && m->p->lx->states.at[c->lex].kind == MN_LK_LITS) {
                if (!list_item_left(m, c, f.keys)) return false;
                ways = 1;
            } else {
                danger = true;
                outermost = frame;
            }
        }
        if (ways < MN_WAYS_MANY) {
            uint32_t n = frame_ways(m, frame, frame == c->frame && c->phase == MN_PH_KEY);
            if (more_keys && frame == c->frame && n > 1 && n < MN_WAYS_MANY) n--;
            ways = mn_ways_times(ways, n);
        }
        inside = true;
    }
    return !danger || completion_exists(m, c, depth_of(m, outermost));
}
