/* The pushdown automaton that reads JSON under a schema's normal forms.
 *
 * A *configuration* is a place in the text: what is being read (a string, a number, the
 * blanks before a value, ...) and the *frame* of the innermost open object or array, whose
 * parents are the others.  Where a schema has alternatives, several configurations run
 * side by side; the text is acceptable as long as one is left.
 *
 * (1) Frames are never changed: a key or an item makes a new frame with the same parent.
 *     So configurations share stacks, and going back is forgetting.
 * (2) A frame's hash says all that can matter for what may follow (counters stop where
 *     they stop mattering), so that equal hashes mean equal futures.
 * (3) Every configuration can be completed: a byte that leads to none is not taken.
 *
 * An object keeps which literals it has seen (any order), how many keys, which exists have
 * been met, and the other keys it holds, for a key may not come twice.  An array keeps its
 * length, its contains counters and, under uniqueItems, the hashes of its items.
 */
#ifndef MN_CONSTRAIN_PDA_H
#define MN_CONSTRAIN_PDA_H

#include "constrain/grammar.h"
#include "constrain/lexer.h"
#include "constrain/schema.h"

/* GRAMMAR: around a JSON value inside a grammar; its id is the set behind the value. */
typedef enum { MN_FR_ROOT, MN_FR_OBJECT, MN_FR_ARRAY, MN_FR_GRAMMAR } mn_frame_kind;

typedef struct {
    uint64_t hash;
    uint64_t seen;          /* object: bits of its literals; more than 64: index of words */
    uint64_t content;       /* under uniqueItems: hash of the members or items so far */
    uint64_t key;           /* under uniqueItems: hash of the key whose value comes */
    uint32_t parent, id;    /* id: of the run record */
    uint32_t count;         /* keys or items */
    uint32_t keys;          /* object: last of its other keys; array: last of its items */
    uint32_t strings;       /* under uniqueItems: last of all strings and keys so far */
    uint32_t exists, order;
    uint16_t counts[MN_CONTAINS_MAX];
    uint32_t ways;          /* under uniqueItems: of the frame, + 1; 0 unknown */
    uint8_t kind;
    bool track;             /* an array around needs the hashes of what is inside */
    bool full_key;          /* object: a key is there that is as long as keys may be */
} mn_frame;

typedef enum {
    MN_PH_VALUE,            /* a value comes: lex is its expression */
    MN_PH_WORD, MN_PH_STRING, MN_PH_NUMBER,
    MN_PH_OBJECT_FIRST,     /* behind '{' */
    MN_PH_OBJECT_KEY,       /* behind ',' */
    MN_PH_KEY, MN_PH_COLON, MN_PH_OBJECT_NEXT,
    MN_PH_ARRAY_FIRST, MN_PH_ARRAY_NEXT,
    MN_PH_DONE,
    MN_PH_TEXT,             /* text that is no JSON: a pattern, a list of strings */
    /* Under a grammar (pda_grammar.c); the frame is the root. */
    MN_PH_NEXT,             /* terminals of the Earley set `set` begin here; part: only this
                               one (+ 1); lex: not by a byte that goes on from there */
    MN_PH_TERM              /* in the terminal `part`: lex is its state, `set` the set behind
                               it (UNTIL: the one before it) */
} mn_phase;

typedef struct {
    uint32_t frame;
    uint8_t phase;
    uint32_t lex;           /* VALUE, COLON: expression; WORD: which, how far; others: state */
    uint32_t count;         /* STRING, KEY: code points where they are counted; between
                               tokens: state of the blanks, 0: none may come */
    uint32_t set;           /* STRING, KEY: strset whose lengths hold, or 0 */
    uint32_t part;          /* KEY: part + 1, or 0 for the literals */
    uint64_t hash;          /* KEY: of the key so far; under uniqueItems: of the value so far */
    uint32_t scale;         /* NUMBER under uniqueItems: see pda_hash.c */
} mn_cfg;
typedef MN_VEC(mn_cfg) mn_cfgs;

/* A key of an object that is none of its literals, or an item of an array of unique items. */
typedef struct { uint64_t hash, sum; uint32_t before, n; } mn_seen;

typedef struct { uint32_t lex, set, exists; mn_part part; } mn_run_part;
typedef struct {
    uint32_t object;
    uint32_t n, n_words;
    uint32_t litset;
    const mn_literal *literals;     /* sorted as the litset is */
    uint8_t *usable;                /* it may come at all */
    uint64_t *required;             /* bits */
    uint32_t *dep_at, *deps;        /* closed: literal i requires deps[dep_at[i]..dep_at[i+1]) */
    mn_run_part *parts;
    uint32_t n_parts;
    uint32_t n_usable, n_required, min, max, all_exists;
    bool simple;                    /* nothing but required and closed classes to mind */
} mn_run_object;

typedef struct {
    uint32_t array;
    uint32_t min, max, n_prefix;
    uint32_t last;                  /* from here on all items are alike */
    uint32_t longest;               /* items from here on have no values */
    uint32_t n_contains;
    bool unique;
} mn_run_array;

/* What a schema is to the automaton: shared by all that run under it. */
typedef struct {
    mn_cx *cx;
    mn_schema *schema;
    mn_lexer *lx;
    uint32_t blanks, separator_blanks;  /* states: between tokens; behind ',' and ':' */
    bool schema_order;
    mn_grammar *grammar;                /* NULL: none */
    MN_VEC(mn_run_object) objects;
    MN_VEC(mn_run_array) arrays;
    mn_u32s value_starts;           /* lexer state of a strset, by set; UINT32_MAX: not yet */
    mn_u32s ways;                   /* of an expression, + 1: see mn_pda_ways(); 0 unknown */
} mn_pda_program;

/* One run.  All its memory is the context's. */
typedef struct {
    mn_pda_program *p;
    MN_VEC(mn_frame) frames;
    MN_VEC(uint64_t) words;
    MN_VEC(mn_seen) seen;
    uint32_t searching;             /* looking for a completion: no such look inside */
    bool special;                   /* the bytes are a special token's: see mn_terminal */
    mn_cfgs replay[2];              /* room of mn_pda_hit() */
    bool risky;                     /* set where the content of items decided, not their shape */
} mn_pda;

void mn_pda_program_init(mn_pda_program *p, mn_cx *cx, mn_schema *s, mn_lexer *lx);
void mn_pda_program_clear(mn_pda_program *p);
void mn_pda_clear(mn_pda *m);

/* The start: a value of e. */
void mn_pda_start(mn_pda *m, mn_eid e, mn_cfgs *out);
/* The start of a text: a lexer state that is not in JSON mode. */
void mn_pda_start_text(mn_pda *m, uint32_t lex, mn_cfgs *out);
/* The start of a grammar: its first set. */
void mn_pda_start_grammar(mn_pda *m, mn_cfgs *out);
/* Everything that in[] can become by a byte, pushed to *out without repeats. */
void mn_pda_step(mn_pda *m, const mn_cfg *in, uint32_t n, uint8_t byte, mn_cfgs *out);
void mn_pda_step_one(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out);
/* The text may end here. */
bool mn_pda_accepting(const mn_pda *m, const mn_cfg *c);
/* The bytes that it can begin with, and perhaps others; returns how many. */
int mn_cfg_first_bytes(const mn_pda *m, const mn_cfg *c, uint8_t out[256]);
/* Drop frames that these configurations do not need; their frame numbers change. */
void mn_pda_compact(mn_pda *m, mn_cfg *cfgs, uint32_t n);
/* Identity of what may follow. */
uint64_t mn_cfg_hash(const mn_pda *m, const mn_cfg *c);

/* ---- inside (pda_object.c, pda_array.c, pda_unique.c) ------------------------------------- */

static inline const mn_frame *mn_frame_at(const mn_pda *m, uint32_t i) { return &m->frames.at[i]; }
static inline bool mn_frame_is_unique(const mn_pda *m, const mn_frame *f)
{
    return f->kind == MN_FR_ARRAY && m->p->arrays.at[f->id].unique;
}
/* Works out the hash, too. */
uint32_t mn_frame_push(mn_pda *m, mn_frame f);
/* A string that is as long as it may be: it must end here. */
bool mn_pda_at_edge(const mn_pda *m, const mn_cfg *c);
/* A value has ended whose parent is this frame; under uniqueItems `hash` counts, and
 * `strings` is the list with those of the value. */
void mn_pda_value_done(mn_pda *m, uint32_t frame, uint64_t hash, uint32_t strings, mn_cfgs *out);
void mn_pda_begin_value(mn_pda *m, uint32_t frame, mn_eid e, uint8_t byte, mn_cfgs *out);

const mn_run_object *mn_run_object_of(mn_pda_program *p, uint32_t object);
uint32_t mn_object_open(mn_pda *m, uint32_t parent, uint32_t object);
bool mn_object_may_close(mn_pda *m, uint32_t frame);
bool mn_object_may_go_on(mn_pda *m, uint32_t frame);
/* The opening quote of a key. */
void mn_object_begin_key(mn_pda *m, uint32_t frame, mn_cfgs *out);
void mn_object_step_key(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out);
/* At least how many ways there are to go on with it, other than by the key that is being
 * written (at most MN_WAYS_MANY). */
uint32_t mn_object_ways(mn_pda *m, uint32_t frame, bool in_key);

const mn_run_array *mn_run_array_of(mn_pda_program *p, uint32_t array);
uint32_t mn_array_open(mn_pda *m, uint32_t parent, uint32_t array);
bool mn_array_may_close(mn_pda *m, uint32_t frame);
/* An item comes: VALUE configurations, before its first byte. */
void mn_array_begin_item(mn_pda *m, uint32_t frame, uint32_t blanks, mn_cfgs *out);

/* Under uniqueItems: the configuration has a completion that repeats no item. */
bool mn_pda_unique_live(mn_pda *m, const mn_cfg *c);
bool mn_seen_has(const mn_pda *m, uint32_t list, uint64_t hash);
uint32_t mn_seen_add(mn_pda *m, uint32_t list, uint64_t hash);
/* One byte of a string's or number's content for its hash. */
void mn_hash_string_byte(mn_pda *m, mn_cfg *c, uint8_t byte);
void mn_hash_number_byte(mn_cfg *c, uint8_t byte);
uint64_t mn_hash_number_end(const mn_cfg *c);
/* At least how many values it has (at most MN_WAYS_MANY: far more than an array will hold). */
uint32_t mn_pda_ways(mn_pda_program *p, mn_eid e);
static inline uint32_t mn_ways_times(uint32_t a, uint32_t b)
{
    uint64_t n = (uint64_t)a * b;
    return n < MN_WAYS_MANY ? (uint32_t)n : MN_WAYS_MANY;
}

/* ---- grammars (pda_grammar.c) ---------------------------------------------------------------- */

void mn_pda_step_next(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out);
void mn_pda_step_term(mn_pda *m, const mn_cfg *c, uint8_t byte, mn_cfgs *out);
/* Configurations from `base` on that differ in their sets only become one. */
void mn_pda_unite(mn_pda *m, uint32_t base, mn_cfgs *out);
/* The NEXT behind a language that may end in this state; false: it may not. */
bool mn_pda_leave_term(mn_pda *m, const mn_cfg *c, mn_cfg *next);
/* A trigger has been found in this state: what the text may go on with. */
void mn_pda_hit(mn_pda *m, const mn_cfg *c, uint32_t lex, mn_cfgs *out);
/* TERM and NEXT. */
bool mn_pda_grammar_accepting(const mn_pda *m, const mn_cfg *c);
uint64_t mn_cfg_grammar_hash(const mn_pda *m, const mn_cfg *c);
int mn_cfg_grammar_bytes(const mn_pda *m, const mn_cfg *c, uint8_t out[256]);
/* Free text, or nothing else can begin. */
bool mn_cfg_is_free(const mn_pda *m, const mn_cfg *c);

#endif
