/* A vocabulary between its two forms: GGUF's arrays, and tokenizer.json.
 *
 * What a vocabulary means is decided by behaviour: after a conversion both tokenizers are
 * built and compared on a text of many scripts (vocab_common.c: PROBE).  A pre-tokeniser whose
 * pattern is not known gets the first name under which the ids are the source's; a known one
 * keeps its name, and a difference is told. */
#ifndef MN_CONVERT_VOCAB_H
#define MN_CONVERT_VOCAB_H

#include "convert/convert.h"
#include "text/tokenizer.h"

/* tokenizer.ggml.token_type */
enum { MN_TOKEN_NORMAL = 1, MN_TOKEN_UNKNOWN, MN_TOKEN_CONTROL, MN_TOKEN_USER, MN_TOKEN_UNUSED,
       MN_TOKEN_BYTE };

typedef enum { MN_ID_BOS, MN_ID_EOS, MN_ID_UNK, MN_ID_SEP, MN_ID_PAD, MN_ID_CLS, MN_ID_MASK,
               MN_ID_EOT, MN_ID_EOM, MN_N_IDS } mn_special_id;

typedef struct {
    bool bytewise;              /* "gpt2": byte-level BPE; else "llama": SentencePiece's */
    const char *pre;            /* llama.cpp's name of the pre-tokeniser, or NULL */
    mn_gguf_string *tokens, *merges;
    int32_t *types;
    float *scores;              /* NULL if bytewise */
    int64_t n, n_merges;
    int32_t ids[MN_N_IDS];      /* -1: none */
    int8_t add_bos, add_eos, add_space;     /* -1: not said */
} mn_vocab;

/* GGUF's view of *v, for mn_tokenizer_from_gguf(). */
mn_gguf_vocab mn_vocab_as_gguf(const mn_vocab *v);
/* Do both give the same ids?  Also where special tokens are added, if `special`. */
bool mn_vocab_same(const mn_tokenizer *a, const mn_tokenizer *b, bool special);
/* The directory's tokenizer, NULL after a failure or if there is none. */
mn_tokenizer *mn_vocab_open_dir(mn_convert *c);

/* tokenizer.model: tokens, types and scores; false if it is none. */
bool mn_sentencepiece_read(mn_convert *c, mn_vocab *v, const char *bytes, size_t len);

#endif
