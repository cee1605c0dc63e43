/* Unicode general categories as ranges of code points, for \p{...}.
 *
 * utf8proc answers for one code point at a time; a table of ranges is made from it once,
 * about 3,300 of them.  Two characters have moved since the release that is installed on
 * older systems; an answer must not depend on that.
 */
#include <stdlib.h>
#include <utf8proc.h>

#include "constrain/regex.h"

struct mn_gc_table {
    uint32_t n;
    struct { uint32_t lo; uint8_t category; } range[];
};

/* As Unicode 17 has it: the two that it moved, U+0295 from Ll and U+1171E from Mn. */
static int category_of(uint32_t cp)
{
    if (cp == 0x295) return UTF8PROC_CATEGORY_LO;
    if (cp == 0x1171E) return UTF8PROC_CATEGORY_MC;
    return (int)utf8proc_category((utf8proc_int32_t)cp);
}

mn_gc_table *mn_gc_table_create(void)
{
    uint32_t cap = 8192;
    mn_gc_table *t = malloc(sizeof *t + cap * sizeof t->range[0]);
    if (!t) return NULL;
    t->n = 0;
    int last = -1;
    for (uint32_t cp = 0; cp <= MN_CP_MAX; cp++) {
        int c = category_of(cp);
        if (c == last) continue;
        if (t->n == cap) {
            cap *= 2;
            mn_gc_table *grown = realloc(t, sizeof *t + cap * sizeof t->range[0]);
            if (!grown) {
                free(t);
                return NULL;
            }
            t = grown;
        }
        t->range[t->n].lo = cp;
        t->range[t->n++].category = (uint8_t)c;
        last = c;
    }
    return t;
}

void mn_gc_table_free(mn_gc_table *t) { free(t); }

#define BIT(c) (1u << UTF8PROC_CATEGORY_##c)
static const struct { const char *name; uint32_t mask; } groups[] = {
    { "L", BIT(LU) | BIT(LL) | BIT(LT) | BIT(LM) | BIT(LO) },
    { "Letter", BIT(LU) | BIT(LL) | BIT(LT) | BIT(LM) | BIT(LO) },
    { "LC", BIT(LU) | BIT(LL) | BIT(LT) }, { "Cased_Letter", BIT(LU) | BIT(LL) | BIT(LT) },
    { "Lu", BIT(LU) }, { "Uppercase_Letter", BIT(LU) },
    { "Ll", BIT(LL) }, { "Lowercase_Letter", BIT(LL) },
    { "Lt", BIT(LT) }, { "Titlecase_Letter", BIT(LT) },
    { "Lm", BIT(LM) }, { "Modifier_Letter", BIT(LM) },
    { "Lo", BIT(LO) }, { "Other_Letter", BIT(LO) },
    { "M", BIT(MN) | BIT(MC) | BIT(ME) }, { "Mark", BIT(MN) | BIT(MC) | BIT(ME) },
    { "Mn", BIT(MN) }, { "Nonspacing_Mark", BIT(MN) },
    { "Mc", BIT(MC) }, { "Spacing_Mark", BIT(MC) },
    { "Me", BIT(ME) }, { "Enclosing_Mark", BIT(ME) },
    { "N", BIT(ND) | BIT(NL) | BIT(NO) }, { "Number", BIT(ND) | BIT(NL) | BIT(NO) },
    { "Nd", BIT(ND) }, { "Decimal_Number", BIT(ND) }, { "digit", BIT(ND) },
    { "Nl", BIT(NL) }, { "Letter_Number", BIT(NL) },
    { "No", BIT(NO) }, { "Other_Number", BIT(NO) },
    { "P", BIT(PC) | BIT(PD) | BIT(PS) | BIT(PE) | BIT(PI) | BIT(PF) | BIT(PO) },
    { "Punctuation", BIT(PC) | BIT(PD) | BIT(PS) | BIT(PE) | BIT(PI) | BIT(PF) | BIT(PO) },
    { "punct", BIT(PC) | BIT(PD) | BIT(PS) | BIT(PE) | BIT(PI) | BIT(PF) | BIT(PO) },
    { "Pc", BIT(PC) }, { "Connector_Punctuation", BIT(PC) },
    { "Pd", BIT(PD) }, { "Dash_Punctuation", BIT(PD) },
    { "Ps", BIT(PS) }, { "Open_Punctuation", BIT(PS) },
    { "Pe", BIT(PE) }, { "Close_Punctuation", BIT(PE) },
    { "Pi", BIT(PI) }, { "Initial_Punctuation", BIT(PI) },
    { "Pf", BIT(PF) }, { "Final_Punctuation", BIT(PF) },
    { "Po", BIT(PO) }, { "Other_Punctuation", BIT(PO) },
    { "S", BIT(SM) | BIT(SC) | BIT(SK) | BIT(SO) },
    { "Symbol", BIT(SM) | BIT(SC) | BIT(SK) | BIT(SO) },
    { "Sm", BIT(SM) }, { "Math_Symbol", BIT(SM) },
    { "Sc", BIT(SC) }, { "Currency_Symbol", BIT(SC) },
    { "Sk", BIT(SK) }, { "Modifier_Symbol", BIT(SK) },
    { "So", BIT(SO) }, { "Other_Symbol", BIT(SO) },
    { "Z", BIT(ZS) | BIT(ZL) | BIT(ZP) }, { "Separator", BIT(ZS) | BIT(ZL) | BIT(ZP) },
    { "Zs", BIT(ZS) }, { "Space_Separator", BIT(ZS) },
    { "Zl", BIT(ZL) }, { "Line_Separator", BIT(ZL) },
    { "Zp", BIT(ZP) }, { "Paragraph_Separator", BIT(ZP) },
    { "C", BIT(CC) | BIT(CF) | BIT(CS) | BIT(CO) | BIT(CN) },
    { "Other", BIT(CC) | BIT(CF) | BIT(CS) | BIT(CO) | BIT(CN) },
    { "Cc", BIT(CC) }, { "Control", BIT(CC) }, { "cntrl", BIT(CC) },
    { "Cf", BIT(CF) }, { "Format", BIT(CF) },
    { "Co", BIT(CO) }, { "Private_Use", BIT(CO) },
    { "Cn", BIT(CN) }, { "Unassigned", BIT(CN) },
    { "Any", UINT32_MAX }, { "Assigned", ~BIT(CN) },
};

bool mn_gc_ranges(const mn_gc_table *t, const char *name, size_t len,
                  void (*add)(void *arg, uint32_t lo, uint32_t hi), void *arg)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (strlen(groups[i].name) != len || memcmp(groups[i].name, name, len)) continue;
        for (uint32_t k = 0; k < t->n; k++) {
            if (!(groups[i].mask >> t->range[k].category & 1)) continue;
            add(arg, t->range[k].lo, k + 1 < t->n ? t->range[k + 1].lo - 1 : MN_CP_MAX);
        }
        return true;
    }
    return false;
}
