/* tokenizer.ggml.pre: llama.cpp's names for the ways to split text before BPE. */
#ifndef MN_TEXT_TOK_GGUF_H
#define MN_TEXT_TOK_GGUF_H

#include "text/tok_internal.h"

enum { TOK_GGUF_MAX_STEPS = 8 };

typedef struct {
    const char *name;           /* static */
    bool ignore_merges, add_bos, always_bos, no_bos;
    bool characters;            /* symbols are characters, not bytes */
    bool escape_spaces;         /* spaces become U+2581 */
    bool newlines_whole;
} tok_gguf_pre;

/* Looks the name up and appends its splitting steps to t->pres (room for
 * TOK_GGUF_MAX_STEPS).  An unknown name is refused. */
minerva_status tok_gguf_pre_find(tok_gguf_pre *out, mn_tokenizer *t, mn_str name,
                                 minerva_error *err);

#endif
