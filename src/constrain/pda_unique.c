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

/* ---- endless choices ----------------------------------------------------------------------- */

static bool endless_string(mn_schema *s, uint32_t set)
{
    mn_strset x = s->ss.sets.at[set];
    if (x.kind == MN_SK_ANY) return x.max >= 3;
    return x.kind == MN_SK_RE && mn_rx_endless(&s->rx, x.re);
}

static bool endless_number(const mn_schema *s, uint32_t set)
{
    const mn_numset *x = &s->ns.sets.at[set];
    if (x->points) return false;
    return !x->step.m || !x->has_lo || !x->has_hi;
}

static bool find_endless(mn_pda_program *p, mn_eid e)
{
    mn_schema *s = p->schema;
    mn_form f = s->forms.at[s->exprs.at[e].form];
    for (uint32_t i = 0; i < f.type[MN_T_STR].n; i++)
        if (endless_string(s, s->ids.at[f.type[MN_T_STR].off + i])) return true;
    for (uint32_t i = 0; i < f.type[MN_T_NUM].n; i++)
        if (endless_number(s, s->ids.at[f.type[MN_T_NUM].off + i])) return true;
    for (uint32_t i = 0; i < f.type[MN_T_ARR].n; i++) {
        uint32_t id = s->ids.at[f.type[MN_T_ARR].off + i];
        mn_array a = s->arrays.at[id];
        if (!a.inhabited || a.contains.n) continue;
        for (uint32_t k = 0; k <= a.prefix.n && k < a.max; k++)
            if (mn_pda_endless(p, mn_a_item(s, id, k))) return true;
    }
    for (uint32_t i = 0; i < f.type[MN_T_OBJ].n; i++) {
        mn_object o = s->objects.at[s->ids.at[f.type[MN_T_OBJ].off + i]];
        if (!o.inhabited) continue;
        for (uint32_t k = 0; k < o.literals.n; k++) {
            mn_literal l = s->literals.at[o.literals.off + k];
            if (l.required && mn_pda_endless(p, l.value)) return true;
        }
        for (uint32_t k = 0; k < o.classes.n && o.max == MN_RX_INF; k++) {
            mn_class c = s->classes.at[o.classes.off + k];
            if (endless_string(s, c.keys) && mn_e_inhabited(s, c.value)) return true;
        }
    }
    return false;
}

bool mn_pda_endless(mn_pda_program *p, mn_eid e)
{
    while (p->endless.n <= e) mn_vec_push(p->cx, &p->endless, 0);
    if (p->endless.at[e]) return p->endless.at[e] == 1;
    if (!mn_e_inhabited(p->schema, e)) return false;
    p->endless.at[e] = 2;       /* while it is looked at, and where nothing is found */
    bool found = find_endless(p, e);
    if (found) p->endless.at[e] = 1;
    return found;
}

/* Something endless is left to choose in what the configuration itself is reading. */
static bool endless_here(mn_pda *m, const mn_cfg *c)
{
    switch ((mn_phase)c->phase) {
    case MN_PH_VALUE:
    case MN_PH_COLON: return mn_pda_endless(m->p, c->lex);
    case MN_PH_STRING:
        if (c->set) return c->count < m->p->schema->ss.sets.at[c->set].max;
        /* fallthrough */
    case MN_PH_KEY:
        return mn_lex_endless(m->p->lx, c->lex);
    default: return false;
    }
}

static bool endless_frame(mn_pda *m, uint32_t frame)
{
    mn_frame f = *mn_frame_at(m, frame);
    if (f.kind == MN_FR_OBJECT) return mn_object_endless(m, frame);
    if (f.kind != MN_FR_ARRAY) return false;
    mn_run_array r = m->p->arrays.at[f.id];
    return r.max == MN_RX_INF && r.longest == MN_RX_INF && !r.n_contains
        && mn_pda_endless(m->p, mn_a_item(m->p->schema, r.array, r.last));
}

/* ---- the search ------------------------------------------------------------------------------- */

typedef struct {
    mn_pda *m;
    uint32_t level;             /* depth of the array whose item is to be completed */
    int budget;
    MN_VEC(uint64_t) met;
    mn_cfgs out;
} search;

static uint32_t depth_of(const mn_pda *m, uint32_t frame)
{
    uint32_t n = 0;
    for (; m->frames.at[frame].kind != MN_FR_ROOT; frame = m->frames.at[frame].parent) n++;
    return n;
}

static bool complete(search *s, const mn_cfg *c, int depth)
{
    mn_pda *m = s->m;
    uint32_t level = depth_of(m, c->frame);
    if (level < s->level || (c->phase == MN_PH_ARRAY_NEXT && level == s->level)) return true;
    if (depth > 300) return true;
    /* 1.000000 and so on: more zeros make no other number. */
    if (c->phase == MN_PH_NUMBER && (c->scale & 0x3FFF) > 40) return false;
    uint64_t hash = mn_cfg_hash(m, c);
    for (uint32_t i = 0; i < s->met.n; i++)
        if (s->met.at[i] == hash) return false;
    mn_vec_push(m->p->cx, &s->met, hash);
    /* What ends something first; of a power of 0, nothing else. */
    static const char first[] = "\"}],:";
    uint8_t bytes[5 + 256];
    memcpy(bytes, first, 5);
    int n = 5 + mn_cfg_first_bytes(m, c, bytes + 5);
    if (c->phase == MN_PH_NUMBER && (c->scale & POWER) && !c->hash) n = 5;
    for (int k = 0; k < n; k++) {
        uint8_t byte = bytes[k];
        if (k >= 5 && byte && strchr(first, byte)) continue;
        if (--s->budget < 0) return true;
        uint32_t base = s->out.n;
        mn_pda_step_one(m, c, byte, &s->out);
        bool found = false;
        for (uint32_t i = base; i < s->out.n && !found; i++) {
            mn_cfg next = s->out.at[i];
            found = complete(s, &next, depth + 1);
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
    job->found = complete(&job->s, job->c, 0);
}

static bool completion_exists(mn_pda *m, const mn_cfg *c, uint32_t level)
{
    search_job job = { .s = { .m = m, .level = level, .budget = 20000 }, .c = c };
    uint32_t frames = m->frames.n, words = m->words.n, seen = m->seen.n;
    minerva_error err = { 0 };
    m->searching++;
    minerva_status st = mn_cx_protect(m->p->cx, &err, run_search, &job);
    m->searching--;
    mn_vec_clear(m->p->cx, &job.s.met);
    mn_vec_clear(m->p->cx, &job.s.out);
    m->frames.n = frames;
    m->words.n = words;
    m->seen.n = seen;
    if (st) mn_cx_raise(m->p->cx, st, "%s", err.message);
    return job.found;
}

bool mn_pda_unique_live(mn_pda *m, const mn_cfg *c)
{
    if (m->searching) return true;
    /* Outwards: is an item being written that could repeat another one, with nothing
     * endless left inside? */
    bool inside = c->phase != MN_PH_ARRAY_FIRST && c->phase != MN_PH_ARRAY_NEXT;
    bool endless = inside && endless_here(m, c), danger = false;
    uint32_t outermost = 0;
    for (uint32_t frame = c->frame; mn_frame_at(m, frame)->track; frame = mn_frame_at(m, frame)->parent) {
        mn_frame f = *mn_frame_at(m, frame);
        if (mn_frame_is_unique(m, &f) && f.keys && inside) {
            if (!endless) danger = true;
            outermost = depth_of(m, frame);
        }
        if (!endless) endless = endless_frame(m, frame);
        inside = true;
    }
    return !danger || completion_exists(m, c, outermost);
}
