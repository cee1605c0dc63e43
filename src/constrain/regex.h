/* Regular expressions as languages: sets of strings of code points, closed under union,
 * intersection and complement.
 *
 * A language is a hash-consed node.  Its automaton is never built: a state is a node, and
 * reading a code point is taking the Brzozowski derivative (Brzozowski 1964; Owens, Reppy
 * and Turon 2009), remembered per node by intervals of code points on which it is the
 * same.  Counted repetition {m,n} stays a counter inside the node, so a{0,100000} costs
 * nothing until text arrives.
 *
 * (1) MN_RX_NONE is the empty language; smart constructors keep it canonical, so that a
 *     node without & and ~ is live exactly if it is not MN_RX_NONE.
 * (2) With & or ~ inside, liveness is searched for breadth first and remembered.
 * (3) Code points are Unicode scalar values: surrogates are in no set.
 * (4) Everything raises through the context; limits on nodes and searches are LIMITs.
 */
#ifndef MN_CONSTRAIN_REGEX_H
#define MN_CONSTRAIN_REGEX_H

#include "constrain/cx.h"

typedef uint32_t mn_rid;
enum { MN_RX_NONE = 0, MN_RX_EPS = 1, MN_RX_ALL = 2, MN_RX_ANY = 3 };   /* {} "" .* . */
#define MN_RX_INF UINT32_MAX
enum { MN_CP_MAX = 0x10FFFF };

typedef enum { MN_RK_NONE, MN_RK_EPS, MN_RK_SET, MN_RK_CAT, MN_RK_REP, MN_RK_ALT, MN_RK_AND,
               MN_RK_NOT } mn_rx_kind;

typedef struct {
    uint8_t kind;
    bool nullable;
    bool positive;          /* no & and ~ inside */
    uint8_t live;           /* 0 unknown, 1 yes, 2 no */
    uint32_t ways;          /* of mn_rx_ways(), + 1; 0 unknown */
    uint32_t card;          /* bound on the number of strings; UINT32_MAX: many */
    uint32_t a, b;          /* SET: range offset, count; CAT: nodes; REP, NOT: a;
                               ALT, AND: kid offset, count */
    uint32_t min, max;      /* REP */
    uint32_t state;         /* index + 1 of its derivatives */
} mn_rx_node;

typedef struct { uint32_t lo, hi; } mn_range;
typedef struct { uint32_t lo, hi; mn_rid to; } mn_rx_edge;
typedef struct { MN_VEC(mn_rx_edge) edges; } mn_rx_state;   /* sorted, disjoint */

typedef struct {
    mn_cx *cx;
    MN_VEC(mn_rx_node) nodes;
    mn_intern node_set;
    mn_u32s kids;
    MN_VEC(mn_range) ranges;
    MN_VEC(mn_rx_state) states;
    mn_u32s scratch;                /* a stack */
    MN_VEC(mn_range) range_scratch; /* a stack */
    uint32_t uniform_lo, uniform_hi;    /* while deriving */
    const struct mn_gc_table *categories;   /* borrowed; may be NULL until \p is met */
    struct mn_gc_table *own_categories;
    uint32_t max_nodes, max_search;
} mn_rx;

void mn_rx_init(mn_rx *rx, mn_cx *cx);
void mn_rx_clear(mn_rx *rx);

/* Constructors.  Ranges may overlap and be in any order. */
mn_rid mn_rx_set(mn_rx *rx, const mn_range *ranges, uint32_t n, bool negate);
mn_rid mn_rx_char(mn_rx *rx, uint32_t cp);
mn_rid mn_rx_cat(mn_rx *rx, mn_rid a, mn_rid b);
mn_rid mn_rx_rep(mn_rx *rx, mn_rid a, uint32_t min, uint32_t max);
mn_rid mn_rx_alt(mn_rx *rx, const mn_rid *kids, uint32_t n);
mn_rid mn_rx_and(mn_rx *rx, const mn_rid *kids, uint32_t n);
mn_rid mn_rx_alt2(mn_rx *rx, mn_rid a, mn_rid b);
mn_rid mn_rx_and2(mn_rx *rx, mn_rid a, mn_rid b);
mn_rid mn_rx_not(mn_rx *rx, mn_rid a);
/* The language with every character in both cases too; raises where & or ~ is inside. */
mn_rid mn_rx_fold_case(mn_rx *rx, mn_rid r);
mn_rid mn_rx_literal(mn_rx *rx, const char *s, size_t len);   /* UTF-8 */

static inline bool mn_rx_nullable(const mn_rx *rx, mn_rid r) { return rx->nodes.at[r].nullable; }
/* The derivative by cp.  [*lo, *hi] around cp is where it is the same (may be NULL). */
mn_rid mn_rx_step(mn_rx *rx, mn_rid r, uint32_t cp, uint32_t *lo, uint32_t *hi);
bool mn_rx_live(mn_rx *rx, mn_rid r);
/* Some code point of [lo, hi] leads on. */
bool mn_rx_live_between(mn_rx *rx, mn_rid r, uint32_t lo, uint32_t hi);
/* How many strings it has, as far as that is below MN_WAYS_MANY (which also stands for more
 * than can be counted in some thousand steps). */
enum { MN_WAYS_MANY = 1 << 16 };
uint32_t mn_rx_ways(mn_rx *rx, mn_rid r);
/* No text of these code points leads astray: every one begins a string of the language
 * (false: or it would take many states to tell). */
bool mn_rx_closed(mn_rx *rx, mn_rid r, const mn_range *ranges, uint32_t n);
bool mn_rx_match(mn_rx *rx, mn_rid r, const char *s, size_t len);
/* One code point for another: the language when counters above `horizon` cannot be told
 * apart by any text of up to `horizon` code points. */
mn_rid mn_rx_clamp(mn_rx *rx, mn_rid r, uint32_t horizon);
/* All strings of the language into the context, sorted by bytes, if there are at most
 * `max`; false if there may be more. */
typedef struct { const char *s; uint32_t len; } mn_text;
typedef MN_VEC(mn_text) mn_texts;
bool mn_rx_enumerate(mn_rx *rx, mn_rid r, uint32_t max, mn_texts *out);

/* An ECMA-262 pattern (Unicode mode where both agree, lenient on needless escapes).
 * whole: the language of strings that the pattern matches from end to end, as if between
 * ^(?: and )$; otherwise of strings in which it is found.
 * Raises MINERVA_INVALID for malformed patterns, MINERVA_UNSUPPORTED for back-references,
 * look-behind and the like. */
mn_rid mn_rx_parse(mn_rx *rx, const char *pattern, size_t len, bool whole);

/* Unicode general categories as ranges, from utf8proc. */
typedef struct mn_gc_table mn_gc_table;
mn_gc_table *mn_gc_table_create(void);      /* NULL: out of memory */
void mn_gc_table_free(mn_gc_table *t);
/* Ranges of a category or group ("L", "Lu", "Letter", ...); false: not known. */
bool mn_gc_ranges(const mn_gc_table *t, const char *name, size_t len,
                  void (*add)(void *arg, uint32_t lo, uint32_t hi), void *arg);

#endif
