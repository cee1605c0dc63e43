/* The generation loop: reuse what the session holds of the prompt, evaluate the rest, then
 * sample and evaluate token by token, or a token with guesses of what follows it
 * (speculate.h).  Text, stop strings and ends are stream.c's. */
#include "base/clock.h"
#include "base/status.h"
#include "runtime/speculate.h"
#include "runtime/stream.h"

#include <stdlib.h>
#include <time.h>

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

/* One pass: the token drawn last and guesses after it, and how far they were right. */
typedef struct {
    int32_t ids[1 + MN_MAX_GUESSES];
    int32_t n, at;              /* row `at` of the logits belongs to ids[at] */
    double seconds;
} pass;

/* A pass is over when a draw is not what was guessed: the guesses after it are dropped. */
static minerva_status end_pass(minerva_session *s, mn_guesser *g, pass *p, minerva_error *err)
{
    size_t wrong = (size_t)(p->n - 1 - p->at), keep = s->tokens.n - wrong, kept;
    if (p->seconds > 0 && g) mn_guesser_learn(g, p->n - 1, p->at, p->seconds);
    p->n = 1;
    p->at = 0;
    if (!wrong) return MINERVA_OK;
    minerva_status st = minerva_session_trim(s, keep, &kept, err);
    if (st == MINERVA_OK && kept != keep)
        st = mn_fail(err, MINERVA_DEVICE, "%zu tokens expected after a trim, %zu found", keep,
                     kept);
    return st;
}

/* What was guessed must be able to leave the session again. */
static bool may_guess(const minerva_session *s)
{
    return s->tokens.n > 0 &&
           s->model->backend->seq_can_trim(s->seq, (int32_t)s->tokens.n - 1);
}

static minerva_status run_pass(minerva_session *s, mn_guesser *g, pass *p, int32_t token,
                               float *logits, minerva_error *err)
{
    size_t context = (size_t)minerva_model_context(s->model);
    int32_t n_guesses = 0;
    minerva_status st = MINERVA_OK;
    *p = (pass){ .ids = { token }, .n = 1 };
    if (g) st = mn_guesser_feed(g, &token, 1, err);
    if (st == MINERVA_OK && g && may_guess(s))
        st = mn_guesser_guess(g, p->ids + 1, &n_guesses, err);
    if (st != MINERVA_OK) return st;
    p->n += n_guesses;
    while (p->n > 1 && s->tokens.n + (size_t)p->n > context) p->n--;
    double start = mn_clock_s();
    st = mn_runtime_eval(s, p->ids, (size_t)p->n, NULL, logits, NULL, err);
    p->seconds = mn_clock_s() - start;
    return st;
}

/* What the constraint forces behind the `drawn` tokens of run[]. */
static minerva_status forced_after(mn_stream *stream, const minerva_session *s, int32_t *run,
                                   size_t drawn, size_t *n, minerva_error *err)
{
    size_t room = (size_t)minerva_model_context(s->model) - s->tokens.n - drawn;
    return mn_stream_forced(stream, run + drawn, room < MN_MAX_FORCED ? room : MN_MAX_FORCED, n,
                            err);
}

/* A pass without guesses: the tokens are decided. */
static minerva_status run_forced(minerva_session *s, mn_guesser *g, const int32_t *run, size_t n,
                                 float *logits, minerva_error *err)
{
    minerva_status st = g ? mn_guesser_feed(g, run, n, err) : MINERVA_OK;
    return st == MINERVA_OK ? mn_runtime_eval(s, run, n, logits, NULL, NULL, err) : st;
}

/* logits: [1 + MN_MAX_GUESSES][vocab], the first row those of the prompt's last token. */
static minerva_status loop(mn_stream *stream, minerva_session *s, mn_guesser *g, float *logits,
                           minerva_error *err)
{
    size_t context = (size_t)minerva_model_context(s->model);
    size_t vocab = (size_t)minerva_model_vocab(s->model), n = 0;
    pass p = { .n = 1 };
    int32_t run[1 + MN_MAX_FORCED];
    minerva_status st = forced_after(stream, s, run, 0, &n, err);
    if (st == MINERVA_OK && !stream->finished && n) st = run_forced(s, g, run, n, logits, err);
    while (st == MINERVA_OK && !stream->finished) {
        st = mn_stream_step(stream, logits + (size_t)p.at * vocab, run, err);
        bool over = st != MINERVA_OK || stream->finished;
        if (!over && p.at + 1 < p.n && p.ids[p.at + 1] == run[0]) {
            p.at++;
            st = mn_guesser_feed(g, run, 1, err);
            if (st == MINERVA_OK) continue;
            over = true;
        }
        minerva_status ended = end_pass(s, g, &p, st == MINERVA_OK ? err : NULL);
        if (over || ended != MINERVA_OK) return st != MINERVA_OK ? st : ended;
        if (s->tokens.n >= context) return mn_stream_end(stream, MINERVA_FINISH_LENGTH, err);
        st = forced_after(stream, s, run, 1, &n, err);
        if (st != MINERVA_OK || stream->finished) return st;
        p.seconds = 0;
        st = n ? run_forced(s, g, run, 1 + n, logits, err) : run_pass(s, g, &p, run[0], logits, err);
    }
    return st;
}

/* *out NULL: no guessing is wanted. */
static minerva_status make_guesser(mn_guesser **out, const minerva_session *s,
                                   const minerva_generate_options *o, const int32_t *prompt,
                                   size_t n, minerva_error *err)
{
    *out = NULL;
    if (o->no_guessing) return MINERVA_OK;
    if (o->draft && o->draft->model == s->model)
        return mn_fail(err, MINERVA_INVALID, "draft: a session of another model expected");
    minerva_status st = mn_guesser_create(out, s->model, o->draft, err);
    return st == MINERVA_OK ? mn_guesser_feed(*out, prompt, n, err) : st;
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
    if (!options) options = &defaults;
    minerva_status st = mn_stream_init(&stream, s->model, options, err);
    if (st != MINERVA_OK) return st;
    size_t logits_bytes = (size_t)minerva_model_vocab(s->model) * sizeof(float);
    if (!options->no_guessing) logits_bytes *= 1 + MN_MAX_GUESSES;
    mn_guesser *guesser = NULL;
    float *logits = malloc(logits_bytes);
    double start = mn_clock_s(), middle = start;
    st = logits ? mn_stream_prompt(&stream, prompt, n, &why)
                : mn_fail_memory(&why, logits_bytes);
    if (st == MINERVA_OK) st = make_guesser(&guesser, s, options, prompt, n, &why);
    if (st == MINERVA_OK && options->constraint) {
        mn_matcher *matcher = NULL;
        st = mn_runtime_matcher(&matcher, s->model, &s->constraints, options->constraint, &why);
        mn_stream_constrain(&stream, matcher);
    }
    if (st == MINERVA_OK) {
        st = take_prompt(s, prompt, n, logits, &r.n_cached, &why);
        middle = mn_clock_s();
        if (st == MINERVA_OK) st = loop(&stream, s, guesser, logits, &why);
    }
    if (st == MINERVA_CANCELLED) {
        why = (minerva_error){ 0 };
        st = mn_stream_end(&stream, MINERVA_FINISH_CANCELLED, &why);
    }
    r.prompt_s = middle - start;
    r.generate_s = mn_clock_s() - middle;
    r.n_generated = stream.n_generated;
    r.n_forced = stream.n_forced;
    r.finish = stream.finish;
    r.stop = stream.stop;
    if (st == MINERVA_OK && result) *result = r;
    if (st != MINERVA_OK && err) *err = why;
    mn_stream_clear(&stream);
    mn_guesser_free(guesser);
    free(logits);
    return st;
}
