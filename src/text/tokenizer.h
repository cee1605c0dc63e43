/* Tokenizers: one pipeline for every kind.
 *
 *   text -> split at added/special tokens -> normalise -> pre-tokenise -> model (BPE,
 *   SentencePiece BPE, Unigram, WordPiece) -> post-process (BOS/EOS, templates)
 *
 * It is described by the source (GGUF vocabulary, tokenizer.json, tokenizer.model) and
 * built once; after that it is constant and may be used from any number of threads.
 *
 * (1) Encoding is linear in the text, whatever the text.
 * (2) Any bytes may be encoded; invalid UTF-8 is treated as the source's reference does
 *     (byte-level BPE keeps bytes, others see U+FFFD).
 * (3) Foreign vocabularies are checked when opened; encoding cannot fail but for memory.
 *
 * text/ does not know format/: the GGUF constructor takes arrays, which the runtime reads
 * from the file and lends for the call (they must outlive it only if so marked).
 */
#ifndef MN_TEXT_TOKENIZER_H
#define MN_TEXT_TOKENIZER_H

#include "base/buffer.h"
#include "minerva.h"

typedef struct mn_tokenizer mn_tokenizer;

typedef struct {
    const char *data;
    size_t len;
} mn_str;

/* tokenizer.ggml.* of a GGUF file.  token_text is borrowed until mn_tokenizer_free. */
typedef struct {
    mn_str model;               /* "llama", "gpt2", "bert", "t5", "gemma4", ... */
    mn_str pre;                 /* "llama-bpe", "qwen2", ...; empty: default */
    const mn_str *token_text;   /* [n_tokens] */
    const float *scores;        /* [n_tokens] or NULL */
    const int32_t *types;       /* [n_tokens] (1 normal 2 unknown 3 control 4 user 5 unused 6 byte) or NULL */
    int64_t n_tokens;
    const mn_str *merges;       /* [n_merges] "left right" */
    int64_t n_merges;
    int32_t bos, eos, eot, eom, unk, sep, pad, cls, mask;       /* -1: none */
    int8_t add_bos, add_eos, add_sep, add_space_prefix;         /* -1: not said; 0; 1 */
    bool remove_extra_whitespaces, escape_whitespaces;
    mn_str precompiled_charsmap;
    mn_str name;                /* general.name: llama.cpp knows Phi-3's tokens by it */
    int8_t lowercase, strip_accents;    /* normalizer.*: 1 true, -1 false, 0 not said */
} mn_gguf_vocab;

minerva_status mn_tokenizer_from_gguf(mn_tokenizer **out, const mn_gguf_vocab *vocab,
                                      minerva_error *err);
/* tokenizer.json, and tokenizer_config.json beside it (NULL: absent). */
minerva_status mn_tokenizer_from_json(mn_tokenizer **out, const char *json, size_t len,
                                      const char *config_json, size_t config_len,
                                      minerva_error *err);
/* tokenizer.model: a SentencePiece ModelProto (unigram, bpe, word, char as far as
 * models use them), and the optional tokenizer_config.json / added tokens. */
minerva_status mn_tokenizer_from_sentencepiece(mn_tokenizer **out, const char *bytes, size_t len,
                                               const char *config_json, size_t config_len,
                                               minerva_error *err);
void mn_tokenizer_free(mn_tokenizer *t);

typedef struct {
    bool no_special;            /* add no BOS/EOS, whatever the post-processor says */
    bool plain;                 /* special tokens in the text are plain text */
} mn_encode_options;

/* Growing list of ids; all-zero is empty; the caller frees `ids`. */
typedef struct {
    int32_t *ids;
    size_t n, capacity;
} mn_ids;
void mn_ids_clear(mn_ids *l);

/* Appends to *out. */
minerva_status mn_tokenizer_encode(const mn_tokenizer *t, const char *text, size_t len,
                                   const mn_encode_options *options, mn_ids *out,
                                   minerva_error *err);
/* Appends the text of ids to *out, as the source's reference decodes them (clean-up of
 * spaces, prefix space dropped, invalid UTF-8 as U+FFFD).  Unknown ids are skipped. */
minerva_status mn_tokenizer_decode(const mn_tokenizer *t, const int32_t *ids, size_t n,
                                   bool skip_special, mn_buffer *out, minerva_error *err);

/* Streaming: the concatenation of what feed() and finish() emit is what decode() of all
 * ids gives, and no emission ends inside a character. */
typedef struct mn_detokenizer mn_detokenizer;
minerva_status mn_detokenizer_create(mn_detokenizer **out, const mn_tokenizer *t,
                                     bool skip_special, minerva_error *err);
void mn_detokenizer_free(mn_detokenizer *d);
void mn_detokenizer_reset(mn_detokenizer *d);
minerva_status mn_detokenizer_feed(mn_detokenizer *d, int32_t id, mn_buffer *out,
                                   minerva_error *err);
minerva_status mn_detokenizer_finish(mn_detokenizer *d, mn_buffer *out, minerva_error *err);

int32_t mn_tokenizer_n_tokens(const mn_tokenizer *t);   /* ids are 0..n-1; some may be unused */
/* The bytes a token stands for inside running text (byte tokens: the byte; byte-level BPE:
 * mapped back; SentencePiece: U+2581 as a space; special tokens: their text).  Borrowed. */
mn_str mn_tokenizer_bytes(const mn_tokenizer *t, int32_t id);
mn_str mn_tokenizer_text(const mn_tokenizer *t, int32_t id);    /* as the vocabulary spells it */
bool mn_tokenizer_is_special(const mn_tokenizer *t, int32_t id);
int32_t mn_tokenizer_find(const mn_tokenizer *t, const char *text, size_t len);  /* id or -1 */

typedef struct {
    const char *kind;           /* "byte-level BPE", "SentencePiece BPE", "Unigram", "WordPiece" */
    const char *pre;            /* pre-tokeniser's name, or "" */
    int32_t bos, eos, unk, pad; /* -1: none */
    bool adds_bos, adds_eos;
} mn_tokenizer_info;
void mn_tokenizer_info_get(const mn_tokenizer *t, mn_tokenizer_info *out);

#endif
