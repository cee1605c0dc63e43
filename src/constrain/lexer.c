/* String automata over bytes; see lexer.h.
 *
 * `partial` says how far a code point has come; the top bits are its kind:
 *
 *   NONE
 *   UTF8     length << 24 | got << 22 | value so far      bytes of UTF-8
 *   SKIP     bytes left                                   any way of going on leads to `a`
 *   BACKSLASH                                             \
 *   HEX      digits << 16 | value                         \u, \u1, \u12, \u123
 *   LOW1     high surrogate                               \ud83d
 *   LOW2     high surrogate                               \ud83d\
 *   LOWHEX   digits << 27 | value << 11 | high - D800     \ud83d\u, ...
 *
 * A kind and its value stand for a set of code points, at most three intervals.
 */
#include "constrain/lexer.h"

#include "base/utf8.h"

enum { P_NONE, P_UTF8, P_SKIP, P_BACKSLASH, P_HEX, P_LOW1, P_LOW2, P_LOWHEX };
#define PARTIAL(kind, v) ((uint32_t)(kind) << 29 | (v))
static uint32_t kind_of(uint32_t p) { return p >> 29; }
static uint32_t value_of(uint32_t p) { return p & 0x1FFFFFFF; }

void mn_lex_init(mn_lexer *lx, mn_cx *cx, mn_rx *rx, mn_strsets *ss)
{
    *lx = (mn_lexer){ .cx = cx, .rx = rx, .ss = ss, .max_rows = 4096 };
    mn_lex_state none = { 0 };
    mn_vec_push(cx, &lx->states, none);     /* DEAD */
    mn_vec_push(cx, &lx->states, none);     /* END */
}

void mn_lex_clear(mn_lexer *lx)
{
    if (!lx->cx) return;
    mn_vec_clear(lx->cx, &lx->states);
    mn_vec_clear(lx->cx, &lx->seekers);
    mn_vec_clear(lx->cx, &lx->rows);
    mn_intern_clear(lx->cx, &lx->state_set);
    *lx = (mn_lexer){ 0 };
}

static uint32_t intern_state(mn_lexer *lx, mn_lex_state s)
{
    uint64_t hash = mn_mix(mn_mix((uint64_t)s.kind << 1 | s.json, (uint64_t)s.a << 32 | s.partial),
                           mn_mix((uint64_t)s.lo << 32 | s.hi, s.depth));
    uint32_t i;
    for (mn_intern_seek k = mn_intern_begin(&lx->state_set, hash);
         mn_intern_next(&lx->state_set, &k, &i);) {
        const mn_lex_state *o = &lx->states.at[i];
        if (o->kind == s.kind && o->json == s.json && o->a == s.a && o->partial == s.partial
            && o->lo == s.lo && o->hi == s.hi && o->depth == s.depth) return i;
    }
    if (s.kind == MN_LK_RE) {
        s.boundary = s.partial == P_NONE;
        s.accepting = s.boundary && mn_rx_nullable(lx->rx, s.a);
    } else if (s.kind == MN_LK_SEEK) {
        s.boundary = true;
        s.accepting = lx->seekers.at[s.a].nodes[s.lo].hit != 0;
    } else {
        const mn_text *t = mn_ss_text(lx->ss, s.a, s.lo);
        bool inside = s.depth < t->len && ((uint8_t)t->s[s.depth] & 0xC0) == 0x80;
        bool exact = t->len == s.depth;
        s.boundary = s.partial == P_NONE && !inside;
        s.accepting = s.boundary && (s.kind == MN_LK_LITS) == exact;
    }
    s.asked = s.closed = 0;
    mn_vec_push(lx->cx, &lx->states, s);
    mn_intern_add(lx->cx, &lx->state_set, hash, lx->states.n - 1);
    return lx->states.n - 1;
}

static uint32_t re_state(mn_lexer *lx, mn_rid re, bool json, uint32_t partial)
{
    return intern_state(lx, (mn_lex_state){ .kind = MN_LK_RE, .json = json, .a = re,
                                            .partial = partial });
}

uint32_t mn_lex_re(mn_lexer *lx, mn_rid re, bool json)
{
    return mn_rx_live(lx->rx, re) ? re_state(lx, re, json, P_NONE) : MN_LEX_DEAD;
}

uint32_t mn_lex_seek_state(mn_lexer *lx, uint32_t seeker, uint32_t node)
{
    return intern_state(lx, (mn_lex_state){ .kind = MN_LK_SEEK, .a = seeker, .lo = node });
}

uint32_t mn_lex_lits(mn_lexer *lx, uint32_t litset, bool json)
{
    if (!litset) return MN_LEX_DEAD;
    return intern_state(lx, (mn_lex_state){ .kind = MN_LK_LITS, .json = json, .a = litset,
                                            .hi = lx->ss->litsets.at[litset].n });
}

uint32_t mn_lex_excl(mn_lexer *lx, uint32_t litset)
{
    if (!litset) return mn_lex_re(lx, MN_RX_ALL, true);
    return intern_state(lx, (mn_lex_state){ .kind = MN_LK_EXCL, .json = true, .a = litset,
                                            .hi = lx->ss->litsets.at[litset].n });
}

uint32_t mn_lex_start(mn_lexer *lx, uint32_t strset, bool json)
{
    mn_strset s = lx->ss->sets.at[strset];
    if (s.kind == MN_SK_LITS) return mn_lex_lits(lx, s.lits, json);
    if (s.kind == MN_SK_RE) return mn_lex_re(lx, s.re, json);
    if (json) return mn_lex_excl(lx, s.lits);
    return mn_lex_re(lx, mn_ss_to_re(lx->ss, strset), false);
}

/* ---- what a partial code point can become -------------------------------------------- */

typedef struct { uint32_t n; mn_range at[3]; } intervals;

static void add(intervals *v, uint32_t lo, uint32_t hi)
{
    if (lo <= hi) v->at[v->n++] = (mn_range){ lo, hi };
}

/* UTF-16 units lo..hi of a \uXXXX in the making, as code points. */
static intervals from_units(uint32_t lo, uint32_t hi)
{
    intervals v = { 0 };
    add(&v, lo, hi < 0xD7FF ? hi : 0xD7FF);
    add(&v, lo > 0xE000 ? lo : 0xE000, hi);
    uint32_t high_lo = lo > 0xD800 ? lo : 0xD800, high_hi = hi < 0xDBFF ? hi : 0xDBFF;
    if (high_lo <= high_hi)
        add(&v, 0x10000 + ((high_lo - 0xD800) << 10), 0x10000 + ((high_hi - 0xD800) << 10) + 0x3FF);
    return v;
}

static intervals escape_intervals(uint32_t partial)
{
    uint32_t v = value_of(partial), digits, shift;
    intervals r = { 0 };
    switch (kind_of(partial)) {
    case P_HEX:
        digits = v >> 16;
        shift = 4 * (4 - digits);
        return from_units((v & 0xFFFF) << shift, ((v & 0xFFFF) + 1) * (1u << shift) - 1);
    case P_LOW1:
    case P_LOW2:
        v = 0x10000 + ((v - 0xD800) << 10);
        add(&r, v, v + 0x3FF);
        return r;
    case P_LOWHEX: {
        digits = v >> 27 & 3;
        shift = 4 * (4 - digits);
        uint32_t unit = v >> 11 & 0xFFFF, lo = unit << shift, hi = lo + (1u << shift) - 1;
        if (digits == 0) lo = 0, hi = 0xFFFF;
        lo = lo > 0xDC00 ? lo : 0xDC00;
        hi = hi < 0xDFFF ? hi : 0xDFFF;
        uint32_t base = 0x10000 + ((v & 0x3FF) << 10);
        if (lo <= hi) add(&r, base + lo - 0xDC00, base + hi - 0xDC00);
        return r;
    }
    default:
        add(&r, 0, MN_CP_MAX);
        return r;
    }
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One more byte of an escape: the next partial, P_NONE and *cp when it is complete, or
 * UINT32_MAX if there is no such escape. */
static uint32_t escape_byte(uint32_t partial, uint8_t c, uint32_t *cp)
{
    uint32_t v = value_of(partial), digits;
    int h = hex_value(c);
    switch (kind_of(partial)) {
    case P_BACKSLASH:
        switch (c) {
        case '"': case '\\': case '/': *cp = c; return P_NONE;
        case 'b': *cp = '\b'; return P_NONE;
        case 'f': *cp = '\f'; return P_NONE;
        case 'n': *cp = '\n'; return P_NONE;
        case 'r': *cp = '\r'; return P_NONE;
        case 't': *cp = '\t'; return P_NONE;
        case 'u': return PARTIAL(P_HEX, 0);
        default: return UINT32_MAX;
        }
    case P_HEX:
        if (h < 0) return UINT32_MAX;
        digits = (v >> 16) + 1;
        v = (v & 0xFFFF) << 4 | (uint32_t)h;
        if (digits < 4) return PARTIAL(P_HEX, digits << 16 | v);
        if (v >= 0xD800 && v < 0xDC00) return PARTIAL(P_LOW1, v);
        if (v >= 0xDC00 && v < 0xE000) return UINT32_MAX;
        *cp = v;
        return P_NONE;
    case P_LOW1: return c == '\\' ? PARTIAL(P_LOW2, v) : UINT32_MAX;
    case P_LOW2: return c == 'u' ? PARTIAL(P_LOWHEX, v - 0xD800) : UINT32_MAX;
    default:
        if (h < 0) return UINT32_MAX;
        digits = (v >> 27 & 3) + 1;
        uint32_t unit = (v >> 11 & 0xFFFF) << 4 | (uint32_t)h, high = v & 0x3FF;
        if (digits < 4) {
            uint32_t next = PARTIAL(P_LOWHEX, digits << 27 | unit << 11 | high);
            return escape_intervals(next).n ? next : UINT32_MAX;
        }
        if (unit < 0xDC00 || unit > 0xDFFF) return UINT32_MAX;
        *cp = 0x10000 + (high << 10) + (unit - 0xDC00);
        return P_NONE;
    }
}

bool mn_lex_in_escape(const mn_lexer *lx, uint32_t state)
{
    return kind_of(lx->states.at[state].partial) >= P_BACKSLASH;
}

bool mn_lex_escape_done(const mn_lexer *lx, uint32_t state, uint8_t byte, uint32_t *cp)
{
    uint32_t p = lx->states.at[state].partial;
    return kind_of(p) >= P_BACKSLASH && escape_byte(p, byte, cp) == P_NONE;
}

/* ---- regular languages ---------------------------------------------------------------- */

/* The code points that a started sequence of UTF-8 can become; false: none. */
static bool utf8_interval(uint32_t len, uint32_t got, uint32_t v, uint32_t *lo, uint32_t *hi)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint32_t shift = 6 * (len - got);
    *lo = v << shift;
    *hi = *lo + (1u << shift) - 1;
    if (*lo < least[len]) *lo = least[len];
    if (*hi > MN_CP_MAX) *hi = MN_CP_MAX;
    if (*lo >= 0xD800 && *lo < 0xE000) *lo = 0xE000;
    if (*hi >= 0xD800 && *hi < 0xE000) *hi = 0xD7FF;
    return *lo <= *hi;
}

/* Behind a partial code point: what its intervals lead to. */
static uint32_t partial_ways(mn_lexer *lx, const mn_lex_state *s)
{
    intervals v = { 0 };
    uint32_t p = value_of(s->partial), lo, hi;
    if (kind_of(s->partial) == P_UTF8) {
        if (utf8_interval(p >> 24, p >> 22 & 3, p & 0x3FFFFF, &lo, &hi)) add(&v, lo, hi);
    } else {
        v = escape_intervals(s->partial);
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < v.n; i++)
        for (uint32_t cp = v.at[i].lo, a, b; cp <= v.at[i].hi && sum < MN_WAYS_MANY; cp = b + 1) {
            mn_rid to = mn_rx_step(lx->rx, s->a, cp, &a, &b);
            if (b > v.at[i].hi) b = v.at[i].hi;
            sum += (uint64_t)(b - cp + 1) * mn_rx_ways(lx->rx, to);
        }
    return sum < MN_WAYS_MANY ? (uint32_t)sum : MN_WAYS_MANY;
}

uint32_t mn_lex_ways(mn_lexer *lx, uint32_t state)
{
    mn_lex_state s = lx->states.at[state];
    if (s.kind != MN_LK_RE && s.kind != MN_LK_LITS) return MN_WAYS_MANY;
    if (s.kind == MN_LK_RE) {
        if (s.a == MN_RX_ALL) return MN_WAYS_MANY;
        uint32_t k = kind_of(s.partial);
        return k == P_NONE || k == P_SKIP ? mn_rx_ways(lx->rx, s.a) : partial_ways(lx, &s);
    }
    mn_lex_span spans[2];
    uint32_t n = 0;
    for (int i = mn_lex_candidates(lx, state, spans); i-- > 0;) n += spans[i].hi - spans[i].lo;
    return n < MN_WAYS_MANY ? n : MN_WAYS_MANY;
}

/* The language after a whole code point. */
static uint32_t re_after(mn_lexer *lx, mn_rid re, bool json, uint32_t cp)
{
    mn_rid to = mn_rx_step(lx->rx, re, cp, NULL, NULL);
    return mn_rx_live(lx->rx, to) ? re_state(lx, to, json, P_NONE) : MN_LEX_DEAD;
}

/* The state behind `got` bytes of a sequence of `len`. */
static uint32_t re_utf8(mn_lexer *lx, mn_rid re, bool json, uint32_t len, uint32_t got, uint32_t v)
{
    if (got == len) return re_after(lx, re, json, v);
    uint32_t lo, hi, a, b;
    if (!utf8_interval(len, got, v, &lo, &hi)) return MN_LEX_DEAD;
    uint32_t shift = 6 * (len - got);
    bool full = lo == v << shift && hi == lo + (1u << shift) - 1;
    if (full) {
        mn_rid to = mn_rx_step(lx->rx, re, lo, &a, &b);
        if (b >= hi)
            return mn_rx_live(lx->rx, to) ? re_state(lx, to, json, PARTIAL(P_SKIP, len - got))
                                          : MN_LEX_DEAD;
    }
    if (!mn_rx_live_between(lx->rx, re, lo, hi)) return MN_LEX_DEAD;
    return re_state(lx, re, json, PARTIAL(P_UTF8, len << 24 | got << 22 | v));
}

static uint32_t re_escape(mn_lexer *lx, const mn_lex_state *s, uint8_t byte)
{
    uint32_t cp = 0, next = escape_byte(s->partial, byte, &cp);
    if (next == UINT32_MAX) return MN_LEX_DEAD;
    if (next == P_NONE) return re_after(lx, s->a, s->json, cp);
    intervals v = escape_intervals(next);
    for (uint32_t i = 0; i < v.n; i++)
        if (mn_rx_live_between(lx->rx, s->a, v.at[i].lo, v.at[i].hi))
            return re_state(lx, s->a, s->json, next);
    return MN_LEX_DEAD;
}

static uint32_t re_next(mn_lexer *lx, const mn_lex_state *s, uint8_t c)
{
    uint32_t v = value_of(s->partial);
    switch (kind_of(s->partial)) {
    case P_NONE: break;
    case P_SKIP:
        if ((c & 0xC0) != 0x80) return MN_LEX_DEAD;
        return re_state(lx, s->a, s->json, v > 1 ? PARTIAL(P_SKIP, v - 1) : P_NONE);
    case P_UTF8:
        if ((c & 0xC0) != 0x80) return MN_LEX_DEAD;
        return re_utf8(lx, s->a, s->json, v >> 24, (v >> 22 & 3) + 1,
                       (v & 0x3FFFFF) << 6 | (c & 0x3F));
    default: return re_escape(lx, s, c);
    }
    if (s->json && c == '"') return s->accepting ? MN_LEX_END : MN_LEX_DEAD;
    if (s->json && c < 0x20) return MN_LEX_DEAD;
    if (s->json && c == '\\')
        return mn_rx_live_between(lx->rx, s->a, 0, MN_CP_MAX)
            ? re_state(lx, s->a, true, PARTIAL(P_BACKSLASH, 0)) : MN_LEX_DEAD;
    if (c < 0x80) return re_after(lx, s->a, s->json, c);
    if (c < 0xC2 || c > 0xF4) return MN_LEX_DEAD;
    if (c < 0xE0) return re_utf8(lx, s->a, s->json, 2, 1, c & 0x1F);
    if (c < 0xF0) return re_utf8(lx, s->a, s->json, 3, 1, c & 0x0F);
    return re_utf8(lx, s->a, s->json, 4, 1, c & 0x07);
}

/* ---- lists ---------------------------------------------------------------------------- */

/* The part of [lo, hi) whose byte at `depth` is c. */
static bool narrow(const mn_lexer *lx, mn_lex_state *s, uint8_t c)
{
    const mn_text *t = mn_ss_text(lx->ss, s->a, 0);
    uint32_t lo = s->lo, hi = s->hi;
    while (lo < hi) {       /* first with a byte >= c; those that end here come before */
        uint32_t mid = lo + (hi - lo) / 2;
        if (t[mid].len > s->depth && (uint8_t)t[mid].s[s->depth] >= c) hi = mid;
        else lo = mid + 1;
    }
    uint32_t first = lo;
    hi = s->hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if ((uint8_t)t[mid].s[s->depth] > c) hi = mid;
        else lo = mid + 1;
    }
    if (first == lo) return false;
    s->lo = first;
    s->hi = lo;
    s->depth++;
    return true;
}

int mn_lex_first_bytes(const mn_lexer *lx, uint32_t state, uint8_t out[256])
{
    mn_lex_state s = lx->states.at[state];
    int n = 0;
    if (s.partial) {
        for (int c = 0; c < 256; c++) out[n++] = (uint8_t)c;
        return n;
    }
    const mn_text *t = mn_ss_text(lx->ss, s.a, 0);
    if (s.json && s.boundary) out[n++] = '\\';
    if (s.json && s.accepting) out[n++] = '"';
    for (uint32_t i = s.lo; i < s.hi;) {
        if (t[i].len == s.depth) {
            i++;
            continue;
        }
        uint8_t c = (uint8_t)t[i].s[s.depth];
        if (!s.json || (c != '"' && c != '\\')) out[n++] = c;
        uint32_t lo = i, hi = s.hi;     /* first with a larger byte */
        while (lo < hi) {
            uint32_t mid = lo + (hi - lo) / 2;
            if ((uint8_t)t[mid].s[s.depth] > c) hi = mid;
            else lo = mid + 1;
        }
        i = lo;
    }
    return n;
}

/* First member of the state's range whose rest is >= the UTF-8 of cp. */
static uint32_t first_from(const mn_lexer *lx, const mn_lex_state *s, uint32_t cp)
{
    char key[4];
    if (cp >= 0xD800 && cp < 0xE000) cp = 0xE000;
    uint32_t len = (uint32_t)mn_utf8_encode(cp, key);
    const mn_text *t = mn_ss_text(lx->ss, s->a, 0);
    uint32_t lo = s->lo, hi = s->hi;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        mn_text rest = { t[mid].s + s->depth, t[mid].len - s->depth };
        if (mn_text_cmp(&rest, key, len) >= 0) hi = mid;
        else lo = mid + 1;
    }
    return lo;
}

int mn_lex_candidates(mn_lexer *lx, uint32_t state, mn_lex_span out[2])
{
    mn_lex_state s = lx->states.at[state];
    if (kind_of(s.partial) < P_BACKSLASH) {
        out[0] = (mn_lex_span){ s.lo, s.hi };
        return 1;
    }
    intervals v = escape_intervals(s.partial);
    int n = 0;
    for (uint32_t i = 0; i < v.n; i++) {
        uint32_t lo = first_from(lx, &s, v.at[i].lo);
        uint32_t hi = v.at[i].hi >= MN_CP_MAX ? s.hi : first_from(lx, &s, v.at[i].hi + 1);
        /* A member that ends here has no next code point; it sorts first. */
        if (lo == s.lo && lo < hi && mn_ss_text(lx->ss, s.a, lo)->len == s.depth) lo++;
        if (lo >= hi) continue;
        if (n == 2) {
            if (hi > out[1].hi) out[1].hi = hi;
            if (lo < out[1].lo) out[1].lo = lo;
        } else {
            out[n++] = (mn_lex_span){ lo, hi };
        }
    }
    return n;
}

/* The bytes of the code point that the list's common prefix has begun, fed to the
 * language of all strings, then `c`. */
static uint32_t leave_list(mn_lexer *lx, const mn_lex_state *s, uint8_t c)
{
    const char *text = mn_ss_text(lx->ss, s->a, s->lo)->s;
    uint32_t from = s->depth;
    if (!s->boundary)
        do from--; while (((uint8_t)text[from] & 0xC0) == 0x80);
    uint32_t to = re_state(lx, MN_RX_ALL, true, P_NONE);
    for (uint32_t i = from; i < s->depth; i++) to = mn_lex_next(lx, to, (uint8_t)text[i]);
    return mn_lex_next(lx, to, c);
}

static uint32_t list_escape(mn_lexer *lx, mn_lex_state s, uint8_t byte)
{
    uint32_t cp = 0, next = escape_byte(s.partial, byte, &cp);
    if (next == UINT32_MAX) return MN_LEX_DEAD;
    mn_lex_state to = s;
    to.partial = next;
    to.row = 0;
    if (next != P_NONE) {
        uint32_t id = intern_state(lx, to);
        mn_lex_span spans[2];
        if (s.kind == MN_LK_EXCL || mn_lex_candidates(lx, id, spans)) return id;
        return MN_LEX_DEAD;
    }
    char key[4];
    int len = mn_utf8_encode(cp, key);
    for (int i = 0; i < len; i++)
        if (!narrow(lx, &to, (uint8_t)key[i]))
            return s.kind == MN_LK_EXCL ? re_state(lx, MN_RX_ALL, true, P_NONE) : MN_LEX_DEAD;
    return intern_state(lx, to);
}

static uint32_t list_next(mn_lexer *lx, mn_lex_state s, uint8_t c)
{
    if (s.partial) return list_escape(lx, s, c);
    bool excl = s.kind == MN_LK_EXCL;
    mn_lex_state to = s;
    to.row = 0;
    if (s.json && s.boundary) {
        if (c == '"') return s.accepting ? MN_LEX_END : MN_LEX_DEAD;
        if (c < 0x20) return MN_LEX_DEAD;
        if (c == '\\') {
            /* Only if a member goes on here at all. */
            const mn_text *last = mn_ss_text(lx->ss, s.a, s.hi - 1);
            if (!excl && last->len == s.depth) return MN_LEX_DEAD;
            to.partial = PARTIAL(P_BACKSLASH, 0);
            return intern_state(lx, to);
        }
    }
    if (narrow(lx, &to, c)) return intern_state(lx, to);
    return excl ? leave_list(lx, &s, c) : MN_LEX_DEAD;
}

uint32_t mn_lex_compute(mn_lexer *lx, uint32_t state, uint8_t byte)
{
    mn_lex_state s = lx->states.at[state];
    if (s.kind == MN_LK_LITS) return list_next(lx, s, byte);
    uint32_t to = s.kind == MN_LK_RE ? re_next(lx, &s, byte)
        : s.kind == MN_LK_SEEK ? mn_lex_seek_next(lx, state, byte) : list_next(lx, s, byte);
    if (!s.row && lx->rows.n / 256 < lx->max_rows) {
        mn_vec_reserve(lx->cx, &lx->rows, 256);
        memset(lx->rows.at + lx->rows.n, 0xFF, 256 * sizeof(uint32_t));
        lx->rows.n += 256;
        lx->states.at[state].row = s.row = lx->rows.n / 256;
    }
    if (s.row) lx->rows.at[(s.row - 1) * 256 + byte] = to;
    return to;
}
