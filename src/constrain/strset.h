/* Sets of strings, as constraints on JSON strings and on property names need them.
 *
 *   ANY    every string of min..max code points, but for a few excluded ones
 *   RE     a regular language
 *   LITS   a list of strings
 *
 * They are closed under intersection and complement.  LITS stay lists whatever is
 * intersected with them, which keeps enums out of the regular expressions; patterns with
 * few matches, ^(a|b)$, become LITS.
 * (1) Sets are hash-consed: equal ids mean equal sets (not the other way round).
 * (2) MN_SS_NONE is the only empty set.
 */
#ifndef MN_CONSTRAIN_STRSET_H
#define MN_CONSTRAIN_STRSET_H

#include "constrain/regex.h"

enum { MN_SS_NONE = 0, MN_SS_ALL = 1 };
typedef enum { MN_SK_ANY, MN_SK_RE, MN_SK_LITS } mn_ss_kind;

typedef struct {
    uint8_t kind;
    mn_rid re;              /* RE */
    uint32_t lits;          /* LITS: the list; ANY: the excluded ones; 0 = no list */
    uint32_t min, max;      /* ANY: code points; max MN_RX_INF: no bound */
} mn_strset;

/* A list of strings, sorted by bytes, without repeats. */
typedef struct { uint32_t off, n; } mn_litset;

typedef struct {
    mn_cx *cx;
    mn_rx *rx;
    mn_texts texts;
    MN_VEC(mn_litset) litsets;
    mn_intern litset_set;
    MN_VEC(mn_strset) sets;
    mn_intern set_set;
} mn_strsets;

void mn_ss_init(mn_strsets *ss, mn_cx *cx, mn_rx *rx);
void mn_ss_clear(mn_strsets *ss);

/* texts: any order, repeats allowed; their bytes are borrowed for good. */
uint32_t mn_ss_litset(mn_strsets *ss, const mn_text *texts, uint32_t n);
uint32_t mn_ss_lits(mn_strsets *ss, const mn_text *texts, uint32_t n);
uint32_t mn_ss_any(mn_strsets *ss, uint32_t min, uint32_t max, uint32_t excluded);
uint32_t mn_ss_re(mn_strsets *ss, mn_rid re);
uint32_t mn_ss_and(mn_strsets *ss, uint32_t a, uint32_t b);
/* Everything else: up to 3 sets whose union it is; returns how many. */
int mn_ss_not(mn_strsets *ss, uint32_t a, uint32_t out[3]);
bool mn_ss_has(mn_strsets *ss, uint32_t a, const char *s, uint32_t len);
mn_rid mn_ss_to_re(mn_strsets *ss, uint32_t a);

static inline const mn_text *mn_ss_text(const mn_strsets *ss, uint32_t litset, uint32_t i)
{
    return &ss->texts.at[ss->litsets.at[litset].off + i];
}
int mn_text_cmp(const mn_text *a, const char *s, uint32_t len);

#endif
