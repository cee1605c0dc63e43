/* String automata over bytes: how a set of strings is read as UTF-8, with JSON's escapes
 * in JSON strings.
 *
 * A state is a position in a set of strings plus what is known of a code point that is
 * not complete: bytes of UTF-8, or of an escape (\u00 , \ud83d\ud ...).  A byte is taken
 * only if some way of completing the code point leads on, so no state is a dead end.
 *
 *   RE      a regular language             rows of 256 transitions, filled as they are met
 *   LITS    a range of a sorted list       lo..hi share their first `depth` bytes
 *   EXCL    the same list, excluded: falls to RE over everything once it has left the list
 *   SEEK    any bytes up to and with the first of some strings; see lex_seek.c
 *
 * (1) States are interned; MN_LEX_DEAD is no state.  In JSON mode the closing quote leads
 *     to MN_LEX_END, allowed exactly at accepting states; plain text ends by itself.
 * (2) Lone surrogates cannot be spelled.
 */
#ifndef MN_CONSTRAIN_LEXER_H
#define MN_CONSTRAIN_LEXER_H

#include "constrain/strset.h"

enum { MN_LEX_DEAD = 0, MN_LEX_END = 1, MN_LEX_UNKNOWN = UINT32_MAX };
typedef enum { MN_LK_RE, MN_LK_LITS, MN_LK_EXCL, MN_LK_SEEK } mn_lex_kind;

typedef struct {
    uint8_t kind;
    bool json;              /* escapes and a closing quote */
    bool boundary;          /* between code points */
    bool accepting;
    uint8_t asked, closed;  /* by group of the vocabulary's characters; see mask.c */
    uint8_t text_closed, text_known, strict, strict_known;      /* the same inside strings */
    uint32_t a;             /* RE: the language; LITS, EXCL: the list; SEEK: the seeker */
    uint32_t lo, hi, depth; /* LITS, EXCL; SEEK: lo is the node */
    uint32_t partial;       /* of a code point; see lexer.c */
    uint32_t row;           /* index + 1 of the cached transitions */
} mn_lex_state;

typedef struct { uint32_t kid, next, fail, hit; uint8_t byte; } mn_seek_node;
typedef struct { mn_seek_node *nodes; mn_text *texts; uint32_t n_nodes; } mn_seeker;

typedef struct {
    mn_cx *cx;
    mn_rx *rx;
    mn_strsets *ss;
    MN_VEC(mn_lex_state) states;
    MN_VEC(mn_seeker) seekers;
    mn_intern state_set;
    mn_u32s rows;           /* 256 each */
    uint32_t max_rows;
} mn_lexer;

void mn_lex_init(mn_lexer *lx, mn_cx *cx, mn_rx *rx, mn_strsets *ss);
void mn_lex_clear(mn_lexer *lx);

uint32_t mn_lex_re(mn_lexer *lx, mn_rid re, bool json);
uint32_t mn_lex_lits(mn_lexer *lx, uint32_t litset, bool json);
uint32_t mn_lex_excl(mn_lexer *lx, uint32_t litset);        /* JSON mode */
/* The start state of a set (ANY: its lengths are the caller's to count). */
uint32_t mn_lex_start(mn_lexer *lx, uint32_t strset, bool json);

/* Free text until the first of texts[n], none of them empty. */
uint32_t mn_lex_seek(mn_lexer *lx, const mn_text *texts, uint32_t n);
/* Which of the texts a SEEK state has just found, + 1, or 0. */
uint32_t mn_lex_hit(const mn_lexer *lx, uint32_t state);
/* No text of these characters can find one of the texts, or go on one that has begun. */
bool mn_lex_seek_closed(const mn_lexer *lx, uint32_t state, const mn_range *ranges, uint32_t n);
uint32_t mn_lex_seek_state(mn_lexer *lx, uint32_t seeker, uint32_t node);
uint32_t mn_lex_seek_next(mn_lexer *lx, uint32_t state, uint8_t byte);

uint32_t mn_lex_compute(mn_lexer *lx, uint32_t state, uint8_t byte);
static inline uint32_t mn_lex_next(mn_lexer *lx, uint32_t state, uint8_t byte)
{
    uint32_t row = lx->states.at[state].row;
    if (row) {
        uint32_t to = lx->rows.at[(row - 1) * 256 + byte];
        if (to != MN_LEX_UNKNOWN) return to;
    }
    return mn_lex_compute(lx, state, byte);
}

/* Which members of its list a LITS state can still become: up to 2 ranges of indices. */
typedef struct { uint32_t lo, hi; } mn_lex_span;
int mn_lex_candidates(mn_lexer *lx, uint32_t state, mn_lex_span out[2]);
/* Bytes that may lead on from a LITS state, as far as its list tells; returns how many. */
int mn_lex_first_bytes(const mn_lexer *lx, uint32_t state, uint8_t out[256]);
/* At least how many strings go on from here (at most MN_WAYS_MANY). */
uint32_t mn_lex_ways(mn_lexer *lx, uint32_t state);
/* If `byte` completes an escape in this state: true and the code point. */
bool mn_lex_escape_done(const mn_lexer *lx, uint32_t state, uint8_t byte, uint32_t *cp);
/* Inside an escape? */
bool mn_lex_in_escape(const mn_lexer *lx, uint32_t state);

#endif
