/* The generation loop: reuse what the session holds of the prompt, evaluate the rest, then
 * sample, detokenise, look for stop strings and hand out text.
 *
 * Text that could be the beginning of a stop string is held back until it is decided, so
 * that no part of a stop string is ever handed out.
 */
#include "base/status.h"
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TOP = 20, MAX_STOPS = 64 };

typedef struct {
    const minerva_generate_options *o;
    minerva_session *session;
    minerva_sampler *sampler;
    mn_detokenizer *detokenizer;
    mn_buffer text;             /* decided by the detokenizer, not yet handed out */
    float *logits;
    minerva_token_logprob top[MAX_TOP];
    bool cancelled;             /* by on_piece */
} generation;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Where the first stop string begins, or SIZE_MAX; *held: bytes at the end that may still
 * become one. */
static size_t find_stop(const generation *g, size_t *held)
{
    size_t first = SIZE_MAX, len = g->text.len;
    *held = 0;
    for (size_t i = 0; i < g->o->n_stop; i++) {
        const char *stop = g->o->stop[i];
        size_t n = strlen(stop);
        const char *hit = n ? memmem(g->text.data, len, stop, n) : NULL;
        if (hit && (size_t)(hit - g->text.data) < first) first = (size_t)(hit - g->text.data);
        for (size_t k = n - 1 < len ? n - 1 : len; n && k > *held; k--)
            if (!memcmp(g->text.data + len - k, stop, k)) {
                *held = k;
                break;
            }
    }
    return first;
}

/* Hand out the first n bytes of the text with the news of one token. */
static void emit(generation *g, size_t n, int32_t token, float logprob)
{
    if (g->o->on_piece && !g->cancelled) {
        minerva_piece piece = { .text = g->text.data ? g->text.data : "", .len = n,
                                .token = token, .logprob = logprob, .top = g->top,
                                .n_top = (size_t)g->o->n_top_logprobs };
        if (!g->o->on_piece(g->o->ctx, &piece)) g->cancelled = true;
    }
    if (n) memmove(g->text.data, g->text.data + n, g->text.len - n);
    g->text.len -= n;
}

/* Keep of the session what the prompt begins with, evaluate the rest. */
static minerva_status take_prompt(generation *g, const int32_t *prompt, size_t n,
                                  minerva_generate_result *r, minerva_error *err)
{
    minerva_session *s = g->session;
    size_t same = 0;
    while (same < s->tokens.n && same + 1 < n && s->tokens.ids[same] == prompt[same]) same++;
    minerva_status st = minerva_session_trim(s, same, &same, err);
    if (st != MINERVA_OK) return st;
    r->n_cached = same;
    /* The detokenizer hears the prompt too: a space at the beginning of the answer is
     * dropped only where the answer begins the text. */
    for (size_t i = 0; i < n; i++)
        if ((st = minerva_sampler_accept(g->sampler, prompt[i], err)) != MINERVA_OK
            || (st = mn_detokenizer_feed(g->detokenizer, prompt[i], &g->text, err))
                   != MINERVA_OK) return st;
    g->text.len = 0;
    return mn_runtime_eval(s, prompt + same, n - same, g->logits, NULL, NULL, err);
}

static minerva_status loop(generation *g, minerva_generate_result *r, minerva_error *err)
{
    const minerva_generate_options *o = g->o;
    minerva_model *m = g->session->model;
    size_t most = o->max_tokens > 0 ? (size_t)o->max_tokens : SIZE_MAX;
    r->finish = MINERVA_FINISH_LENGTH;
    while (r->n_generated < most) {
        int32_t token;
        float logprob = 0;
        bool probs = o->on_piece && (o->logprobs || o->n_top_logprobs);
        minerva_status st = minerva_sampler_sample(g->sampler, g->logits, NULL, &token,
            probs ? &logprob : NULL, g->top, probs ? (size_t)o->n_top_logprobs : 0, err);
        if (st != MINERVA_OK) return st;
        r->n_generated++;
        if (!o->ignore_end && minerva_model_is_end(m, token)) {
            r->finish = MINERVA_FINISH_STOP;
            return MINERVA_OK;
        }
        if ((st = minerva_sampler_accept(g->sampler, token, err)) != MINERVA_OK
            || (st = mn_detokenizer_feed(g->detokenizer, token, &g->text, err)) != MINERVA_OK)
            return st;
        size_t held, stop = find_stop(g, &held);
        if (stop != SIZE_MAX) {
            emit(g, stop, token, logprob);
            g->text.len = 0;
            r->finish = g->cancelled ? MINERVA_FINISH_CANCELLED : MINERVA_FINISH_STOP;
            return MINERVA_OK;
        }
        emit(g, g->text.len - held, token, logprob);
        if (g->cancelled) {
            r->finish = MINERVA_FINISH_CANCELLED;
            return MINERVA_OK;
        }
        if (r->n_generated == most
            || g->session->tokens.n >= (size_t)m->backend->context(m->engine)) return MINERVA_OK;
        st = mn_runtime_eval(g->session, &token, 1, g->logits, NULL, NULL, err);
        if (st != MINERVA_OK) return st;
    }
    return MINERVA_OK;
}

static minerva_status check(const minerva_session *s, size_t n,
                            const minerva_generate_options *o, minerva_error *err)
{
    if (n == 0) return mn_fail(err, MINERVA_INVALID, "prompt: at least 1 token expected");
    if (o->max_tokens < 0)
        return mn_fail(err, MINERVA_INVALID, "max_tokens: 0 or more expected, %d found",
                       o->max_tokens);
    if (o->n_stop > MAX_STOPS)
        return mn_fail(err, MINERVA_INVALID, "stop: at most %d strings expected, %zu found",
                       MAX_STOPS, o->n_stop);
    if (o->n_top_logprobs < 0 || o->n_top_logprobs > MAX_TOP)
        return mn_fail(err, MINERVA_INVALID, "n_top_logprobs: 0 to %d expected, %d found",
                       MAX_TOP, o->n_top_logprobs);
    int32_t context = s->model->backend->context(s->model->engine);
    if (n > (size_t)context)
        return mn_fail(err, MINERVA_FULL, "prompt: at most %d tokens expected (the context), "
                       "%zu found", context, n);
    return mn_runtime_need_tokenizer(s->model, err);
}

minerva_status minerva_generate(minerva_session *s, const int32_t *prompt, size_t n,
                                const minerva_generate_options *options,
                                minerva_generate_result *result, minerva_error *err)
{
    static const minerva_generate_options defaults;
    generation g = { .o = options ? options : &defaults, .session = s };
    minerva_generate_result r = { .n_prompt = n };
    minerva_model *m = s->model;
    minerva_error why = { 0 };
    minerva_status st = check(s, n, g.o, err);
    if (st != MINERVA_OK) return st;
    int32_t vocab = m->backend->vocab(m->engine);
    g.logits = malloc((size_t)vocab * sizeof *g.logits);
    if (!g.logits) return mn_fail_memory(err, (size_t)vocab * sizeof *g.logits);
    if ((st = minerva_sampler_create(&g.sampler, g.o->sampling, vocab, &why)) != MINERVA_OK
        || (st = mn_detokenizer_create(&g.detokenizer, m->tokenizer, !g.o->keep_special, &why))
               != MINERVA_OK)
        goto done;
    double start = now_s();
    st = take_prompt(&g, prompt, n, &r, &why);
    double middle = now_s();
    r.prompt_s = middle - start;
    if (st == MINERVA_OK) st = loop(&g, &r, &why);
    r.generate_s = now_s() - middle;
    if (st == MINERVA_CANCELLED) {
        r.finish = MINERVA_FINISH_CANCELLED;
        st = MINERVA_OK;
    }
    if (st == MINERVA_OK && r.finish != MINERVA_FINISH_STOP) {
        /* What was held back is text after all. */
        st = mn_detokenizer_finish(g.detokenizer, &g.text, &why);
        if (st == MINERVA_OK && g.text.len) emit(&g, g.text.len, -1, 0);
    } else if (st == MINERVA_OK && g.text.len) {
        emit(&g, g.text.len, -1, 0);
    }
    if (st == MINERVA_OK && result) *result = r;
done:
    if (st != MINERVA_OK && err) *err = why;
    mn_detokenizer_free(g.detokenizer);
    minerva_sampler_free(g.sampler);
    mn_buffer_clear(&g.text);
    free(g.logits);
    return st;
}
