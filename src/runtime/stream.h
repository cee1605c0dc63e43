/* One answer in the making: from sampled tokens to text that may be handed out.
 *
 * Used by the generation loop and by the scheduler alike, so that stop strings, end tokens,
 * held-back text and logprobs mean the same in both.
 *
 * (1) Text handed out is final: never half a character, never part of a stop string.
 * (2) The pieces of a stream, concatenated, are the answer.
 */
#ifndef MN_RUNTIME_STREAM_H
#define MN_RUNTIME_STREAM_H

#include "runtime/runtime.h"

enum { MN_MAX_TOP_LOGPROBS = 20, MN_MAX_STOPS = 64 };

typedef struct {
    const minerva_model *model;
    const minerva_generate_options *o;  /* borrowed; outlives the stream */
    minerva_sampler *sampler;
    mn_detokenizer *detokenizer;
    mn_matcher *matcher;        /* NULL: no constraint; owned */
    mn_buffer text;             /* decided by the detokenizer, not yet handed out */
    minerva_token_logprob top[MN_MAX_TOP_LOGPROBS];
    size_t n_generated, n_forced;
    bool finished;
    minerva_finish finish;      /* valid once finished */
    size_t stop;                /* 1 + the index of the stop string met; 0: none */
} mn_stream;

/* Checks the options (INVALID names the field) and makes sampler and detokenizer. */
minerva_status mn_stream_init(mn_stream *s, const minerva_model *model,
                              const minerva_generate_options *options, minerva_error *err);
void mn_stream_clear(mn_stream *s);
/* From here on the answer obeys `matcher`, which the stream takes. */
void mn_stream_constrain(mn_stream *s, mn_matcher *matcher);
/* The prompt: for penalties, and so that the answer's first space is kept. */
minerva_status mn_stream_prompt(mn_stream *s, const int32_t *tokens, size_t n,
                                minerva_error *err);
/* Draw the next token from logits [vocab], hand out what became final, notice the end.
 * Sets *token; after the call `finished` says whether it is to be evaluated. */
minerva_status mn_stream_step(mn_stream *s, const float *logits, int32_t *token,
                              minerva_error *err);
enum { MN_MAX_FORCED = 32 };
/* What the constraint leaves no choice about, as the tokenizer writes it, at most max
 * tokens: they are taken as if drawn, and the caller evaluates them together with the last
 * one.  A token that might be written otherwise together with what follows is left to be
 * drawn.  None if logprobs are wanted: they cost a pass each. */
minerva_status mn_stream_forced(mn_stream *s, int32_t *tokens, size_t max, size_t *n,
                                minerva_error *err);
/* End a stream from outside (context full, cancelled): hands out what was held back. */
minerva_status mn_stream_end(mn_stream *s, minerva_finish why, minerva_error *err);

#endif
