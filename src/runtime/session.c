/* Sessions: a token list and the engine's sequence behind it.
 *
 * A session's calls hold the model's engine lock for one chunk at a time, so that other
 * sessions of the model get their turn between the chunks of a long prompt.
 */
#include "base/status.h"
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

static bool is_cancelled(void *ctx)
{
    return atomic_load_explicit((atomic_bool *)ctx, memory_order_relaxed);
}

static bool reserve_tokens(mn_ids *l, size_t extra)
{
    if (l->n + extra <= l->capacity) return true;
    size_t capacity = l->capacity ? l->capacity * 2 : 256;
    while (capacity < l->n + extra) capacity *= 2;
    int32_t *ids = realloc(l->ids, capacity * sizeof *ids);
    if (!ids) return false;
    l->ids = ids;
    l->capacity = capacity;
    return true;
}

minerva_status minerva_session_create(minerva_session **out, minerva_model *m,
                                      minerva_error *err)
{
    minerva_status st = mn_runtime_need_engine(m, err);
    if (st != MINERVA_OK) return st;
    minerva_session *s = calloc(1, sizeof *s);
    if (!s) return mn_fail_memory(err, sizeof *s);
    s->model = m;
    pthread_mutex_lock(&m->engine_lock);
    st = m->backend->seq_create(m->engine, &s->seq, err);
    pthread_mutex_unlock(&m->engine_lock);
    if (st != MINERVA_OK) {
        free(s);
        return st;
    }
    *out = s;
    return MINERVA_OK;
}

void minerva_session_free(minerva_session *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->model->engine_lock);
    s->model->backend->seq_free(s->model->engine, s->seq);
    pthread_mutex_unlock(&s->model->engine_lock);
    mn_constraint_cache_free(s->constraints);
    mn_ids_clear(&s->tokens);
    free(s);
}

minerva_status minerva_session_fork(minerva_session **out, const minerva_session *from,
                                    minerva_error *err)
{
    minerva_model *m = from->model;
    minerva_session *s = calloc(1, sizeof *s);
    if (!s || !reserve_tokens(&s->tokens, from->tokens.n)) {
        free(s);
        return mn_fail_memory(err, sizeof *s + from->tokens.n * sizeof(int32_t));
    }
    s->model = m;
    if (from->tokens.n)
        memcpy(s->tokens.ids, from->tokens.ids, from->tokens.n * sizeof(int32_t));
    s->tokens.n = from->tokens.n;
    pthread_mutex_lock(&m->engine_lock);
    minerva_status st = m->backend->seq_fork(m->engine, from->seq, &s->seq, err);
    pthread_mutex_unlock(&m->engine_lock);
    if (st != MINERVA_OK) {
        mn_ids_clear(&s->tokens);
        free(s);
        return st;
    }
    *out = s;
    return MINERVA_OK;
}

/* One forward pass; its wanted rows are copied out while the lock is held. */
static minerva_status eval_chunk(minerva_session *s, const int32_t *tokens, int32_t n,
                                 const uint8_t *want, float *logits, float *hidden,
                                 minerva_error *err)
{
    minerva_model *m = s->model;
    mn_span span = { s->seq, 0, n };
    mn_batch batch = { .tokens = tokens, .n_tokens = n, .spans = &span, .n_spans = 1,
                       .want = want, .cancelled = is_cancelled, .cancel_ctx = &s->cancel };
    mn_output out = { 0 };
    pthread_mutex_lock(&m->engine_lock);
    minerva_status st = m->backend->forward(m->engine, &batch, &out, err);
    if (st == MINERVA_OK && logits && out.n_wanted)
        memcpy(logits, out.logits, (size_t)out.n_wanted * (size_t)m->backend->vocab(m->engine)
                                   * sizeof(float));
    if (st == MINERVA_OK && hidden && out.n_wanted)
        memcpy(hidden, out.hidden, (size_t)out.n_wanted * (size_t)m->backend->hidden(m->engine)
                                   * sizeof(float));
    pthread_mutex_unlock(&m->engine_lock);
    return st;
}

minerva_status mn_runtime_eval(minerva_session *s, const int32_t *tokens, size_t n, float *last,
                               float *all, float *hidden, minerva_error *err)
{
    minerva_model *m = s->model;
    int32_t vocab = m->backend->vocab(m->engine), context = m->backend->context(m->engine);
    if (n == 0) return mn_fail(err, MINERVA_INVALID, "tokens: at least 1 expected, 0 found");
    if (s->tokens.n + n > (size_t)context)
        return mn_fail(err, MINERVA_FULL, "context: %d tokens at most, %zu wanted", context,
                       s->tokens.n + n);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= vocab)
            return mn_fail(err, MINERVA_INVALID, "tokens[%zu]: 0 to %d expected, %d found", i,
                           vocab - 1, tokens[i]);
    uint8_t *want = calloc(1, (size_t)m->max_batch);
    if (!want || !reserve_tokens(&s->tokens, n)) {
        free(want);
        return mn_fail_memory(err, n * sizeof *tokens);
    }
    minerva_status st = MINERVA_OK;
    size_t width = hidden ? (size_t)m->backend->hidden(m->engine) : (size_t)vocab;
    for (size_t at = 0; at < n && st == MINERVA_OK;) {
        int32_t chunk = n - at < (size_t)m->max_batch ? (int32_t)(n - at) : m->max_batch;
        bool ends = at + (size_t)chunk == n;
        memset(want, all || hidden ? 1 : 0, (size_t)chunk);
        if (last && ends) want[chunk - 1] = 1;
        st = eval_chunk(s, tokens + at, chunk, want,
                        all ? all + at * width : ends ? last : NULL,
                        hidden ? hidden + at * width : NULL, err);
        if (st != MINERVA_OK) break;
        memcpy(s->tokens.ids + s->tokens.n, tokens + at, (size_t)chunk * sizeof *tokens);
        s->tokens.n += (size_t)chunk;
        at += (size_t)chunk;
    }
    if (st == MINERVA_CANCELLED) atomic_store(&s->cancel, false);
    free(want);
    return st;
}

minerva_status minerva_session_eval(minerva_session *s, const int32_t *tokens, size_t n,
                                    float *logits, minerva_error *err)
{
    return mn_runtime_eval(s, tokens, n, logits, NULL, NULL, err);
}

minerva_status minerva_session_eval_all(minerva_session *s, const int32_t *tokens, size_t n,
                                        float *logits, minerva_error *err)
{
    return mn_runtime_eval(s, tokens, n, NULL, logits, NULL, err);
}

minerva_status minerva_session_eval_hidden(minerva_session *s, const int32_t *tokens, size_t n,
                                           float *hidden, minerva_error *err)
{
    return mn_runtime_eval(s, tokens, n, NULL, NULL, hidden, err);
}

size_t minerva_session_length(const minerva_session *s) { return s->tokens.n; }

const int32_t *minerva_session_tokens(const minerva_session *s) { return s->tokens.ids; }

minerva_status minerva_session_trim(minerva_session *s, size_t n, size_t *kept,
                                    minerva_error *err)
{
    minerva_model *m = s->model;
    if (n > s->tokens.n)
        return mn_fail(err, MINERVA_INVALID, "trim: at most %zu tokens expected, %zu found",
                       s->tokens.n, n);
    minerva_status st = MINERVA_OK;
    pthread_mutex_lock(&m->engine_lock);
    if (n < s->tokens.n) {
        if (!m->backend->seq_can_trim(s->seq, (int32_t)n)) n = 0;
        st = m->backend->seq_trim(m->engine, s->seq, (int32_t)n, err);
    }
    pthread_mutex_unlock(&m->engine_lock);
    if (st != MINERVA_OK) return st;
    s->tokens.n = n;
    if (kept) *kept = n;
    return MINERVA_OK;
}

void minerva_session_cancel(minerva_session *s) { atomic_store(&s->cancel, true); }
