/* A compiled constraint, and a matcher in it, from the inside.
 *
 * Whatever the kind, a matcher's state is a set of configurations of the automaton in
 * pda.h; a constraint is what they run on and where they start.
 */
#ifndef MN_CONSTRAIN_CORE_H
#define MN_CONSTRAIN_CORE_H

#include "constrain/constraint.h"
#include "constrain/mask.h"
#include "constrain/pda.h"

struct mn_constraint {
    uint32_t refs;
    mn_cx cx;
    const mn_vocab_trie *trie;      /* borrowed; may be NULL */
    mn_constraint_kind kind;
    mn_schema schema;
    mn_lexer lx;
    mn_pda_program program;
    mn_mask_cache masks;
    mn_grammar grammar;             /* in use if program.grammar points to it */
    mn_eid root;                    /* JSON kinds */
    uint32_t text_start;            /* texts without a grammar: lexer state; 0: nothing matches */
    uint32_t n_matchers;
    bool empty;
};

/* The format of a structural tag as a rule of the constraint's grammar (structural.c). */
uint32_t mn_constraint_structural(mn_constraint *c, const mn_jv *source, mn_schema_draft draft);

/* Configurations for the start, pushed to *out. */
void mn_constraint_start(mn_constraint *c, mn_pda *m, mn_cfgs *out);

#endif
