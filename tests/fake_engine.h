/* An engine that is arithmetic, and clients of a scheduler over it.
 *
 * The fake engine's next token is a hash of all tokens before it, so any mix-up of
 * sequences, any token lost, repeated or taken from another's cache changes the answer.
 * It has a memory limit in tokens (shared prefixes are not shared here, which is stricter)
 * and can refuse to cut sequences back, as recurrent networks do. */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "base/hash.h"
#include "runtime/prefix_cache.h"
#include "runtime/runtime.h"
#include "tests/check.h"

#include <pthread.h>

enum { VOCAB = 64, END = 2, CONTEXT = 400, BATCH = 32 };

/* ---- the engine -------------------------------------------------------------------- */

struct mn_engine {
    size_t limit, used;         /* tokens in all sequences */
    bool fixed;                 /* cannot trim */
    int64_t evaluated;
    int live;                   /* sequences */
    float logits[BATCH * VOCAB];
    int delay_us;
    size_t padding;             /* bytes that make exported states larger */
};

struct mn_seq {
    mn_engine *engine;
    int32_t tokens[CONTEXT];
    int32_t n;
};

static inline int32_t next_token(const int32_t *tokens, int32_t n)
{
    uint64_t h = mn_hash64(tokens, (size_t)n * sizeof *tokens, 99);
    return h % 40 == 0 ? END : 4 + (int32_t)((h >> 8) % (VOCAB - 4));
}

static inline int32_t fake_vocab(const mn_engine *e) { return VOCAB; }
static inline int32_t fake_hidden(const mn_engine *e) { return 1; }
static inline int32_t fake_context(const mn_engine *e) { return CONTEXT; }

static inline minerva_status fake_forward(mn_engine *e, const mn_batch *b, mn_output *out,
                                   minerva_error *err)
{
    size_t wanted = 0;
    assert_true(b->n_tokens > 0 && b->n_tokens <= BATCH);
    for (int us = 0; us < e->delay_us; us += 1000) {
        usleep(1000);
        if (b->cancelled && b->cancelled(b->cancel_ctx)) return MINERVA_CANCELLED;
    }
    if (e->limit && e->used + (size_t)b->n_tokens > e->limit) {
        err->code = MINERVA_FULL;
        snprintf(err->message, sizeof err->message, "no memory for %d tokens", b->n_tokens);
        return MINERVA_FULL;
    }
    for (int32_t i = 0; i < b->n_spans; i++) {
        mn_seq *s = b->spans[i].seq;
        for (int32_t k = 0; k < i; k++) assert_ptr_not_equal(s, b->spans[k].seq);
        for (int32_t k = 0; k < b->spans[i].n; k++) {
            assert_true(s->n < CONTEXT);
            s->tokens[s->n++] = b->tokens[b->spans[i].first + k];
            if (!b->want[b->spans[i].first + k]) continue;
            float *row = e->logits + wanted++ * VOCAB;
            for (int v = 0; v < VOCAB; v++) row[v] = 0;
            row[next_token(s->tokens, s->n)] = 1;
        }
    }
    e->used += (size_t)b->n_tokens;
    e->evaluated += b->n_tokens;
    out->logits = e->logits;
    out->n_wanted = (int32_t)wanted;
    return MINERVA_OK;
}

static inline minerva_status fake_create(mn_engine *e, mn_seq **out, minerva_error *err)
{
    *out = calloc(1, sizeof **out);
    (*out)->engine = e;
    e->live++;
    return MINERVA_OK;
}

static inline void fake_free(mn_engine *e, mn_seq *s)
{
    if (!s) return;
    e->used -= (size_t)s->n;
    e->live--;
    free(s);
}

static inline int32_t fake_length(const mn_seq *s) { return s->n; }

static inline minerva_status fake_fork(mn_engine *e, const mn_seq *s, mn_seq **out, minerva_error *err)
{
    if (e->limit && e->used + (size_t)s->n > e->limit) return MINERVA_FULL;
    fake_create(e, out, err);
    memcpy(*out, s, sizeof *s);
    e->used += (size_t)s->n;
    return MINERVA_OK;
}

static inline bool fake_can_trim(const mn_seq *s, int32_t n)
{
    return !s->engine->fixed || n == s->n || n == 0;
}

static inline minerva_status fake_trim(mn_engine *e, mn_seq *s, int32_t n, minerva_error *err)
{
    assert_true(fake_can_trim(s, n) && n <= s->n);
    e->used -= (size_t)(s->n - n);
    s->n = n;
    return MINERVA_OK;
}

/* State as bytes: the tokens from `from` on, and a network that cannot be cut back has all of
 * them in every state. */
static inline minerva_status fake_export(mn_engine *e, const mn_seq *s, int32_t from,
                                         mn_buffer *out, minerva_error *err)
{
    int32_t head[3] = { from, s->n, e->fixed };
    mn_buffer_append(out, head, sizeof head);
    mn_buffer_append(out, s->tokens + (e->fixed ? 0 : from),
                     (size_t)(s->n - (e->fixed ? 0 : from)) * sizeof *s->tokens);
    for (size_t i = 0; i < e->padding; i += 8) {
        uint64_t word = mn_hash64(&i, sizeof i, (uint64_t)s->n);
        mn_buffer_append(out, &word, sizeof word);
    }
    return MINERVA_OK;
}

static inline minerva_status fake_import(mn_engine *e, mn_seq *s, const void *bytes, size_t len,
                                         minerva_error *err)
{
    int32_t head[3];
    if (len < sizeof head) return MINERVA_INVALID;
    memcpy(head, bytes, sizeof head);
    int32_t first = head[2] ? 0 : head[0], n = head[1] - first;
    if (head[0] != s->n || head[1] <= head[0] || head[1] > CONTEXT || head[2] != e->fixed
        || len != sizeof head + (size_t)n * sizeof *s->tokens + (e->padding + 7) / 8 * 8)
        return MINERVA_INVALID;
    if (e->limit && e->used + (size_t)(head[1] - head[0]) > e->limit) return MINERVA_FULL;
    memcpy(s->tokens + first, (const char *)bytes + sizeof head, (size_t)n * sizeof *s->tokens);
    e->used += (size_t)(head[1] - s->n);
    s->n = head[1];
    return MINERVA_OK;
}

static const mn_backend fake = {
    .version = MN_BACKEND_VERSION, .name = "fake", .vocab = fake_vocab, .hidden = fake_hidden,
    .context = fake_context, .forward = fake_forward, .seq_create = fake_create,
    .seq_free = fake_free, .seq_length = fake_length, .seq_fork = fake_fork,
    .seq_can_trim = fake_can_trim, .seq_trim = fake_trim, .seq_export = fake_export,
    .seq_import = fake_import,
};

/* A model around it, with a tokenizer whose tokens are single letters. */
static inline void model_init(minerva_model *m, mn_engine *e)
{
    static char spelling[VOCAB][8];
    static mn_str text[VOCAB];
    static float scores[VOCAB];
    static int32_t types[VOCAB];
    for (int i = 0; i < VOCAB; i++) {
        snprintf(spelling[i], sizeof spelling[i], i < 4 ? "<%d>" : "%c", i < 4 ? i : ';' + i);
        text[i] = (mn_str){ spelling[i], strlen(spelling[i]) };
        types[i] = i < 4 ? 3 : 1;
    }
    mn_gguf_vocab v = { .model = { "llama", 5 }, .token_text = text, .scores = scores,
                        .types = types, .n_tokens = VOCAB, .bos = 1, .eos = END, .eot = -1,
                        .eom = -1, .unk = 0, .sep = -1, .pad = -1, .cls = -1, .mask = -1,
                        .add_bos = 0, .add_eos = 0, .add_sep = -1, .add_space_prefix = 0,
                        .escape_whitespaces = true };
    *m = (minerva_model){ .backend = &fake, .engine = e, .max_batch = BATCH, .ends = { END },
                          .n_ends = 1 };
    pthread_mutex_init(&m->engine_lock, NULL);
    assert_ok(mn_tokenizer_from_gguf(&m->tokenizer, &v, err));
}

static inline void model_clear(minerva_model *m)
{
    mn_tokenizer_free(m->tokenizer);
    pthread_mutex_destroy(&m->engine_lock);
}

/* ---- clients ----------------------------------------------------------------------- */

typedef struct {
    int32_t prompt[CONTEXT];
    size_t n_prompt;
    int32_t max_tokens;
    int32_t got[CONTEXT];
    size_t n_got;
    int cancel_after;           /* pieces; 0: never */
    minerva_generate_result result;
    minerva_error err;
    int n_done;
    int *finished, rank;        /* counts up; the how-manieth this one was */
    pthread_mutex_t *mutex;
    pthread_cond_t *done;
} client;

static inline bool on_piece(void *ctx, const minerva_piece *piece)
{
    client *c = ctx;
    if (piece->token >= 0) c->got[c->n_got++] = piece->token;
    return !c->cancel_after || (int)c->n_got < c->cancel_after;
}

static inline void on_done(void *ctx, const minerva_generate_result *result, const minerva_error *err)
{
    client *c = ctx;
    pthread_mutex_lock(c->mutex);
    c->result = *result;
    c->err = *err;
    c->n_done++;
    if (c->finished) c->rank = ++*c->finished;
    pthread_cond_signal(c->done);
    pthread_mutex_unlock(c->mutex);
}

typedef struct {
    mn_engine engine;
    minerva_model model;
    minerva_scheduler *scheduler;
    pthread_mutex_t mutex;
    pthread_cond_t done;
} bench;

static inline void bench_init(bench *b, size_t limit, bool fixed, minerva_scheduler_options o)
{
    memset(b, 0, sizeof *b);
    b->engine.limit = limit;
    b->engine.fixed = fixed;
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->done, NULL);
    model_init(&b->model, &b->engine);
    assert_ok(minerva_scheduler_create(&b->scheduler, &b->model, &o, err));
}

static inline void bench_clear(bench *b)
{
    minerva_scheduler_free(b->scheduler);
    assert_int_equal(b->engine.live, 0);        /* no sequence leaked */
    assert_int_equal(b->engine.used, 0);
    model_clear(&b->model);
    pthread_mutex_destroy(&b->mutex);
    pthread_cond_destroy(&b->done);
}

static inline minerva_status submit(bench *b, client *c, const char *tenant, minerva_request **r)
{
    minerva_error err = { 0 };
    c->mutex = &b->mutex;
    c->done = &b->done;
    minerva_request_options o = {
        .prompt = c->prompt, .n_prompt = c->n_prompt, .tenant = tenant, .on_done = on_done,
        .generate = { .max_tokens = c->max_tokens, .on_piece = on_piece, .ctx = c },
    };
    return minerva_scheduler_submit(b->scheduler, &o, r, &err);
}

static inline void wait_for(bench *b, client *c)
{
    pthread_mutex_lock(&b->mutex);
    while (!c->n_done) pthread_cond_wait(&b->done, &b->mutex);
    pthread_mutex_unlock(&b->mutex);
}

/* What the engine would say to this client alone. */
static inline void check_answer(const client *c)
{
    int32_t tokens[2 * CONTEXT];
    size_t n = c->n_prompt, i = 0;
    memcpy(tokens, c->prompt, n * sizeof *tokens);
    assert_int_equal(c->n_done, 1);
    assert_int_equal(c->err.code, MINERVA_OK);
    for (; i < c->n_got; i++) {
        tokens[n] = next_token(tokens, (int32_t)n);
        if (tokens[n] != c->got[i]) fail_msg("token %zu: %d expected, %d found", i, tokens[n], c->got[i]);
        n++;
    }
    if (c->result.finish == MINERVA_FINISH_STOP)
        assert_int_equal(next_token(tokens, (int32_t)n), END);
    if (c->result.finish == MINERVA_FINISH_LENGTH)
        assert_true((int32_t)i == c->max_tokens || n >= CONTEXT);
}

static inline uint32_t random_next(uint32_t *x) { return (*x = *x * 1664525u + 1013904223u) >> 8; }

static inline void make_prompt(client *c, uint32_t *x, size_t n)
{
    /* Few first tokens, so that prefixes are shared. */
    c->n_prompt = n;
    for (size_t i = 0; i < n; i++)
        c->prompt[i] = 4 + (int32_t)(i < 60 ? (i + (i == 30 ? random_next(x) % 3 : 0)) % 50
                                            : random_next(x) % 50);
}

#endif
