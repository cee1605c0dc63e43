/* Lark grammars. */
#include "constrain/grammar.h"

uint32_t mn_grammar_read_lark(mn_grammar *g, const char *text, size_t len, const char *start, uint32_t scope)
{
    mn_cx_raise(g->cx, MINERVA_UNSUPPORTED, "constraint: Lark grammars are not built");
}
