/* The generation loop: reuse what the session holds of the prompt, evaluate the rest, then
 * sample and evaluate token by token.  Text, stop strings and ends are stream.c's. */
#include "base/status.h"
#include "runtime/stream.h"

#include <stdlib.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Keep of the session what the prompt begins with, evaluate the rest.  The last token is
 * evaluated in any case, since its logits are wanted. */
static minerva_status take_prompt(minerva_session *s, const int32_t *prompt, size_t n,
                                  float *logits, size_t *n_cached, minerva_error *err)
{
    size_t same = 0;
    while (same < s->tokens.n && same + 1 < n && s->tokens.ids[same] == prompt[same]) same++;
    minerva_status st = minerva_session_trim(s, same, &same, err);
    if (st != MINERVA_OK) return st;
    *n_cached = same;
    return mn_runtime_eval(s, prompt + same, n - same, logits, NULL, NULL, err);
}

static minerva_status loop(mn_stream *stream, minerva_session *s, float *logits,
                           minerva_error *err)
{
    size_t context = (size_t)minerva_model_context(s->model);
    for (;;) {
        int32_t token;
        minerva_status st = mn_stream_step(stream, logits, &token, err);
        if (st != MINERVA_OK || stream->finished) return st;
        if (s->tokens.n >= context) return mn_stream_end(stream, MINERVA_FINISH_LENGTH, err);
        st = mn_runtime_eval(s, &token, 1, logits, NULL, NULL, err);
        if (st != MINERVA_OK) return st;
    }
}

minerva_status minerva_generate(minerva_session *s, const int32_t *prompt, size_t n,
                                const minerva_generate_options *options,
                                minerva_generate_result *result, minerva_error *err)
{
    static const minerva_generate_options defaults;
    minerva_generate_result r = { .n_prompt = n };
    minerva_error why = { 0 };
    mn_stream stream;
    int32_t context = minerva_model_context(s->model);
    if (n == 0) return mn_fail(err, MINERVA_INVALID, "prompt: at least 1 token expected");
    if (n > (size_t)context)
        return mn_fail(err, MINERVA_FULL, "prompt: at most %d tokens expected (the context), "
                       "%zu found", context, n);
    minerva_status st = mn_stream_init(&stream, s->model, options ? options : &defaults, err);
    if (st != MINERVA_OK) return st;
    size_t logits_bytes = (size_t)minerva_model_vocab(s->model) * sizeof(float);
    float *logits = malloc(logits_bytes);
    double start = now_s(), middle = start;
    st = logits ? mn_stream_prompt(&stream, prompt, n, &why)
                : mn_fail_memory(&why, logits_bytes);
    if (st == MINERVA_OK && options && options->constraint) {
        mn_matcher *matcher = NULL;
        st = mn_runtime_matcher(&matcher, s->model, &s->constraints, options->constraint, &why);
        mn_stream_constrain(&stream, matcher);
    }
    if (st == MINERVA_OK) {
        st = take_prompt(s, prompt, n, logits, &r.n_cached, &why);
        middle = now_s();
        if (st == MINERVA_OK) st = loop(&stream, s, logits, &why);
    }
    if (st == MINERVA_CANCELLED) {
        why = (minerva_error){ 0 };
        st = mn_stream_end(&stream, MINERVA_FINISH_CANCELLED, &why);
    }
    r.prompt_s = middle - start;
    r.generate_s = now_s() - middle;
    r.n_generated = stream.n_generated;
    r.finish = stream.finish;
    r.stop = stream.stop;
    if (st == MINERVA_OK && result) *result = r;
    if (st != MINERVA_OK && err) *err = why;
    mn_stream_clear(&stream);
    free(logits);
    return st;
}
