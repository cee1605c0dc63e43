/* Grammars: rules to productions, and an Earley parser over them.
 *
 * GBNF, EBNF and Lark texts, structural tags and lazy constraints are all read into one
 * tree per rule (this file's mn_g_node).  What of the trees is regular becomes one
 * language, so that most of a grammar is lexed by the automata that patterns use; the rest
 * becomes productions over *terminals*:
 *
 *   LANG    a regular language of non-empty texts
 *   JSON    a value of a schema's expression, read by the automaton in pda.h
 *   UNTIL   free text up to and with the first of several strings (triggers, end tags)
 *
 * The parser is Earley's (1970) with sets that are shared instead of numbered by position:
 * a set is interned by its *kernel*, the items that a terminal moved and those that they
 * complete.  An item is a place in a production and a *return*, the pair (set, symbol)
 * that goes on when the production is complete.  Calls in last place that close a cycle
 * hand their caller's return on (Leo's right recursion, 1991, as a tail call), so that
 * loops in the text are loops among the sets, whichever way the rule recurses.
 *
 * (1) Productions that derive no text are dropped: every set can be completed.
 * (2) Nullable symbols are stepped over when they are met (Aycock and Horspool 2002), so
 *     nothing empty is ever predicted and completed in the same set.
 * (3) A set's hash says all that may follow; it does not depend on the order in which sets
 *     were met, so masks outlive mn_grammar_forget().
 */
#ifndef MN_CONSTRAIN_GRAMMAR_H
#define MN_CONSTRAIN_GRAMMAR_H

#include "constrain/lexer.h"

/* ---- trees -------------------------------------------------------------------------- */

typedef enum { MN_G_SEQ, MN_G_ALT, MN_G_REP, MN_G_LANG, MN_G_REF, MN_G_TERMINAL } mn_g_kind;

typedef struct mn_g_node mn_g_node;
struct mn_g_node {
    uint8_t kind;
    uint32_t id;                /* LANG: mn_rid; REF: rule; TERMINAL: terminal */
    uint32_t min, max;          /* REP */
    uint32_t size;              /* LANG: about how many code points its source has */
    mn_g_node *kid, *next;      /* SEQ, ALT: list of kids; REP: the one */
};

typedef struct { uint32_t line, column; } mn_g_place;

typedef struct {
    mn_text name;
    mn_g_node *tree;            /* NULL: referred to, not defined */
    mn_g_place at;              /* where it is defined, or first referred to */
    bool regular, nullable;     /* known after mn_grammar_build() has begun */
    mn_rid lang;
    uint32_t size;
} mn_g_rule;

/* ---- terminals, productions, sets ------------------------------------------------------ */

typedef enum { MN_TK_LANG, MN_TK_JSON, MN_TK_UNTIL } mn_terminal_kind;

typedef struct {
    uint8_t kind;
    bool greedy;                /* LANG: ends only where it cannot go on */
    bool markers;               /* special tokens count as the text they are spelled with */
    bool replay;                /* UNTIL: the text found is the beginning of what follows */
    uint32_t a;                 /* LANG: mn_rid; JSON: expression; UNTIL: seeker */
    uint32_t hit;               /* UNTIL: which of the seeker's strings */
    uint32_t first;             /* UNTIL: the terminal of hit 0; others: itself */
    uint32_t start;             /* lexer state; JSON: 0 */
} mn_terminal;

#define MN_G_TERMINAL_BIT 0x80000000u   /* symbol: a terminal's number | this, or a rule's */
#define MN_G_TAIL_BIT 0x40000000u       /* a call in last place: hands its return on */
#define MN_G_END 0xFFFFFFFFu            /* in rhs: the production is complete */
enum { MN_RETURN_TOP = 0 };             /* of the start symbol */

typedef struct { uint32_t head, rhs; } mn_production;
typedef struct { uint32_t at, ret; } mn_item;       /* at: index into rhs */
typedef struct { uint64_t hash; uint32_t set, symbol; } mn_return;

typedef struct {
    uint64_t hash;
    uint32_t kernel, n_kernel;          /* in items: sorted */
    uint32_t items, n_items;            /* by the symbol behind the dot */
    uint32_t expected, n_expected;      /* terminals; of an UNTIL family the first one */
    uint32_t first;                     /* index + 1 of its 256 bits */
    bool accepting;
} mn_earley_set;

typedef struct {
    mn_cx *cx;
    mn_rx *rx;
    mn_lexer *lx;
    MN_VEC(mn_g_rule) rules;
    mn_map by_name;
    MN_VEC(mn_terminal) terminals;
    mn_intern terminal_set;

    uint32_t start;                     /* rule */
    uint32_t n_symbols;                 /* rules, then what groups and repetitions became */
    MN_VEC(mn_production) productions;
    mn_u32s rhs;                        /* each ends with MN_G_END; rhs[0] is one, too */
    mn_u32s by_head, order;             /* productions of a head: order[by_head[h]..] */
    MN_VEC(uint8_t) nullable;
    MN_VEC(uint8_t) chain;              /* symbols that only count repetitions */

    MN_VEC(mn_earley_set) sets;
    MN_VEC(mn_item) items;
    MN_VEC(mn_return) returns;
    mn_u32s expected;
    MN_VEC(uint64_t) first_bits;        /* 4 words each */
    mn_intern set_set, return_set, scan_set;
    mn_u32s scans;                      /* set, terminal or set, result */
    MN_VEC(mn_item) work;
    mn_intern work_set;
} mn_grammar;

void mn_grammar_init(mn_grammar *g, mn_cx *cx, mn_rx *rx, mn_lexer *lx);
void mn_grammar_clear(mn_grammar *g);

/* ---- building trees (grammar.c) ---------------------------------------------------------- */

/* The rule of a name, made where it is new. */
uint32_t mn_grammar_rule(mn_grammar *g, const char *name, size_t len, mn_g_place at);
bool mn_grammar_has(const mn_grammar *g, const char *name, size_t len, uint32_t *rule);
/* A rule without a name. */
uint32_t mn_grammar_fresh(mn_grammar *g, mn_g_node *tree, mn_g_place at);
/* Raises MINERVA_INVALID where it is defined already. */
void mn_grammar_define(mn_grammar *g, uint32_t rule, mn_g_node *tree, mn_g_place at);

mn_g_node *mn_g_make(mn_grammar *g, mn_g_kind kind);
mn_g_node *mn_g_lang(mn_grammar *g, mn_rid lang, uint32_t size);
mn_g_node *mn_g_ref(mn_grammar *g, uint32_t rule);
mn_g_node *mn_g_terminal(mn_grammar *g, uint32_t terminal);
mn_g_node *mn_g_rep(mn_grammar *g, mn_g_node *kid, uint32_t min, uint32_t max);
/* Lists take nodes one by one: *tail is where the next one goes. */
typedef struct { mn_g_node *list, **tail; } mn_g_list;
mn_g_list mn_g_list_begin(mn_g_node *list);
void mn_g_list_add(mn_g_list *l, mn_g_node *kid);
/* SEQ of up to two; either may be NULL. */
mn_g_node *mn_g_pair(mn_grammar *g, mn_g_node *a, mn_g_node *b);

/* Terminals; the flags are as in mn_terminal.  A LANG must have a non-empty text and not
 * the empty one: mn_g_language() sees to that. */
uint32_t mn_grammar_terminal(mn_grammar *g, mn_terminal t);
mn_g_node *mn_g_language(mn_grammar *g, mn_rid lang, bool greedy, bool markers);
/* Free text up to the first of these strings: n terminals, the first of which is returned;
 * the one behind them is free text that finds nothing. */
uint32_t mn_grammar_until(mn_grammar *g, const mn_text *texts, uint32_t n, bool replay);

/* The language of a tree that is regular as far as is known; false: it is not. */
bool mn_g_regular(mn_grammar *g, const mn_g_node *tree, mn_rid *lang);
/* Which rules are regular, and what their languages are (grammar_regular.c).  Raises for
 * rules that are not defined. */
void mn_grammar_find_regular(mn_grammar *g);
/* Strongly connected parts of a graph: component[] by node, and the nodes in out[], those of
 * a component side by side, behind all that they lead to. */
void mn_g_components(mn_cx *cx, uint32_t n, const uint32_t *edge_at, const uint32_t *edges,
                     uint32_t *component, uint32_t *out);

/* ---- running ------------------------------------------------------------------------------ */

/* Productions from the start rule on.  True and *lang: the whole grammar is this language
 * (and there are no productions). */
bool mn_grammar_build(mn_grammar *g, uint32_t start, mn_rid *lang);
/* The start set; UINT32_MAX: nothing can be derived. */
uint32_t mn_grammar_start(mn_grammar *g);
/* The set behind a terminal that `set` expects; UINT32_MAX: it does not. */
uint32_t mn_grammar_scan(mn_grammar *g, uint32_t set, uint32_t terminal);
/* The set of all that either of two expects: texts may be read in several ways. */
uint32_t mn_grammar_union(mn_grammar *g, uint32_t a, uint32_t b);
/* Bytes that a text going on from here may begin with (and perhaps others): 4 words. */
const uint64_t *mn_grammar_first(mn_grammar *g, uint32_t set);
/* Drop all sets; their numbers are void. */
void mn_grammar_forget(mn_grammar *g);
size_t mn_grammar_sets_bytes(const mn_grammar *g);

/* ---- readers -------------------------------------------------------------------------------- */

/* All raise MINERVA_INVALID with line:column, MINERVA_UNSUPPORTED for what they know and do
 * not enforce.  `scope` keeps the names of several grammars apart.  They return the rule
 * named `start` (NULL: the notation's own). */
uint32_t mn_grammar_read_gbnf(mn_grammar *g, const char *text, size_t len, const char *start,
                              uint32_t scope);
uint32_t mn_grammar_read_ebnf(mn_grammar *g, const char *text, size_t len, const char *start,
                              uint32_t scope);
uint32_t mn_grammar_read_lark(mn_grammar *g, const char *text, size_t len, const char *start,
                              uint32_t scope);

#endif
