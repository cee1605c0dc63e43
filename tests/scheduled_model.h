/* Small golden models behind a scheduler, without their tokenizers: prompts are token ids,
 * and every id is a word of its own.  MINERVA_TEST_MODEL=text takes only the models whose
 * path contains it. */
#ifndef TESTS_SCHEDULED_MODEL_H
#define TESTS_SCHEDULED_MODEL_H

#include "runtime/runtime.h"
#include "tests/golden.h"

#include <pthread.h>

enum { SCHEDULED_CONTEXT = 1024, SCHEDULED_ANSWER = 12 };

typedef struct {
    const char *name;
    minerva_model model;
    minerva_scheduler *scheduler;
    void *vocab[4];             /* what the tokenizer borrows */
} scheduled_model;

static inline void scheduled_tokenizer(scheduled_model *s, int32_t vocab)
{
    size_t n = (size_t)vocab;
    char (*spelling)[24] = calloc(n, sizeof *spelling);
    mn_str *text = calloc(n, sizeof *text);
    float *scores = calloc(n, sizeof *scores);
    int32_t *types = calloc(n, sizeof *types);
    for (size_t i = 0; i < n; i++) {
        snprintf(spelling[i], sizeof spelling[i], "<%zu>", i);
        text[i] = (mn_str){ spelling[i], strlen(spelling[i]) };
        types[i] = i < 4 ? 3 : 1;
    }
    mn_gguf_vocab v = { .model = { "llama", 5 }, .token_text = text, .scores = scores,
                        .types = types, .n_tokens = vocab, .bos = 1, .eos = 2, .eot = -1,
                        .eom = -1, .unk = 0, .sep = -1, .pad = -1, .cls = -1, .mask = -1,
                        .add_bos = 0, .add_eos = 0, .add_sep = -1, .add_space_prefix = 0,
                        .escape_whitespaces = true };
    assert_ok(mn_tokenizer_from_gguf(&s->model.tokenizer, &v, err));
    s->vocab[0] = spelling;
    s->vocab[1] = text;
    s->vocab[2] = scores;
    s->vocab[3] = types;
}

/* false: a model that cannot answer (an encoder, or a kind that is not there). */
static inline bool scheduled_open(scheduled_model *s, const char *path,
                                  const minerva_scheduler_options *options)
{
    minerva_model *m = &s->model;
    mn_source_options how = { 0 };
    mn_load_options load = { .n_threads = 1, .precise = true, .kv_type = MN_KV_F32,
                             .max_batch = 64, .context = SCHEDULED_CONTEXT };
    *m = (minerva_model){ .backend = mn_backend_find("native"), .max_batch = 64 };
    assert_ok(mn_source_open(&m->source, path, &how, err));
    if (m->backend->load(m->source, &load, &m->engine, NULL)) {
        mn_source_close(m->source);
        return false;
    }
    pthread_mutex_init(&m->engine_lock, NULL);
    scheduled_tokenizer(s, m->backend->vocab(m->engine));
    assert_ok(minerva_scheduler_create(&s->scheduler, m, options, err));
    return true;
}

static inline void scheduled_close(scheduled_model *s)
{
    minerva_scheduler_free(s->scheduler);
    s->model.backend->unload(s->model.engine);
    mn_tokenizer_free(s->model.tokenizer);
    mn_source_close(s->model.source);
    pthread_mutex_destroy(&s->model.engine_lock);
    for (int i = 0; i < 4; i++) free(s->vocab[i]);
}

/* ---- asking ------------------------------------------------------------------------ */

typedef struct {
    int32_t tokens[64];
    int n;
    size_t n_cached;
    minerva_error err;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
} scheduled_answer;

static inline bool scheduled_piece(void *ctx, const minerva_piece *piece)
{
    scheduled_answer *a = ctx;
    if (piece->token >= 0 && a->n < 64) a->tokens[a->n++] = piece->token;
    return true;
}

static inline void scheduled_done(void *ctx, const minerva_generate_result *result,
                                  const minerva_error *err)
{
    scheduled_answer *a = ctx;
    pthread_mutex_lock(&a->mutex);
    a->n_cached = result->n_cached;
    a->err = *err;
    a->done = true;
    pthread_cond_signal(&a->cond);
    pthread_mutex_unlock(&a->mutex);
}

static inline void scheduled_ask(scheduled_model *s, const char *tenant, const int32_t *prompt,
                                 size_t n, scheduled_answer *a)
{
    *a = (scheduled_answer){ 0 };
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->cond, NULL);
    minerva_request_options o = {
        .prompt = prompt, .n_prompt = n, .tenant = tenant, .on_done = scheduled_done,
        .generate = { .max_tokens = SCHEDULED_ANSWER, .ignore_end = true,
                      .on_piece = scheduled_piece, .ctx = a },
    };
    assert_ok(minerva_scheduler_submit(s->scheduler, &o, NULL, err));
    pthread_mutex_lock(&a->mutex);
    while (!a->done) pthread_cond_wait(&a->cond, &a->mutex);
    pthread_mutex_unlock(&a->mutex);
    pthread_mutex_destroy(&a->mutex);
    pthread_cond_destroy(&a->cond);
    if (a->err.code) fail_msg("%s: %s", s->name, a->err.message);
}

/* Ask as a tenant with a past and as one without; returns what the first found. */
static inline size_t scheduled_compare(scheduled_model *s, const int32_t *prompt, size_t n,
                                       scheduled_answer *warm)
{
    static int stranger;
    char tenant[32];
    scheduled_answer cold;
    snprintf(tenant, sizeof tenant, "stranger %d", stranger++);
    scheduled_ask(s, "known", prompt, n, warm);
    scheduled_ask(s, tenant, prompt, n, &cold);
    assert_int_equal(cold.n_cached, 0);
    assert_int_equal(cold.n, warm->n);
    for (int i = 0; i < cold.n; i++)
        if (cold.tokens[i] != warm->tokens[i])
            fail_msg("%s: %zu tokens, %zu of them cached: answer's token %d is %d, cold %d",
                     s->name, n, warm->n_cached, i, warm->tokens[i], cold.tokens[i]);
    return warm->n_cached;
}

static inline size_t scheduled_random(int32_t *to, size_t n, int32_t vocab, uint32_t *x)
{
    for (size_t i = 0; i < n; i++) {
        *x = *x * 1664525u + 1013904223u;
        to[i] = 4 + (int32_t)((*x >> 8) % (uint32_t)(vocab - 4));
    }
    return n;
}

/* A conversation, an exact repeat, and other conversations with the same beginning. */
static inline void check_conversation(scheduled_model *s)
{
    enum { FIRST = 123, SHARED = 90 };
    int32_t p[SCHEDULED_CONTEXT], q[SCHEDULED_CONTEXT];
    int32_t vocab = s->model.backend->vocab(s->model.engine);
    uint32_t x = 4711;
    scheduled_answer a;
    size_t n = scheduled_random(p, FIRST, vocab, &x);
    assert_int_equal(scheduled_compare(s, p, n, &a), 0);
    assert_int_equal(scheduled_compare(s, p, n, &a), n);
    for (int turn = 0; turn < 2; turn++) {
        size_t had = n;
        for (int i = 0; i < a.n; i++) p[n++] = a.tokens[i];
        n += scheduled_random(p + n, 20, vocab, &x);
        size_t found = scheduled_compare(s, p, n, &a);
        if (found + 1 < had + SCHEDULED_ANSWER)
            fail_msg("%s, turn %d: %zu tokens of %zu were cached", s->name, turn, found, had);
    }
    for (int other = 0; other < 3; other++) {
        memcpy(q, p, SHARED * sizeof *q);
        n = SHARED + scheduled_random(q + SHARED, 60, vocab, &x);
        size_t found = scheduled_compare(s, q, n, &a);
        if (other == 2 && found < SHARED)
            fail_msg("%s: %zu tokens of a shared beginning of %d were cached", s->name, found,
                     SHARED);
    }
}

static inline void each_scheduled_in(const char *folder, const char *below,
                                     void (*check)(scheduled_model *), int *n_run)
{
    struct dirent **dirs;
    char path[1024];
    const char *only = getenv("MINERVA_TEST_MODEL");
    int n = scandir(folder, &dirs, golden_not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        scheduled_model s = { .name = dirs[i]->d_name };
        snprintf(path, sizeof path, "%s/%s%s", folder, dirs[i]->d_name, below);
        if (!golden_ends(dirs[i]->d_name, ".gguf") && (!only || strstr(path, only))
            && scheduled_open(&s, path, &(minerva_scheduler_options){ 0 })) {
            check(&s);
            scheduled_close(&s);
            ++*n_run;
        }
        free(dirs[i]);
    }
    if (n >= 0) free(dirs);
}

static inline void each_scheduled_model(void (*check)(scheduled_model *))
{
    int n_run = 0;
    each_scheduled_in(data("models"), "", check, &n_run);
    each_scheduled_in(shared("golden/models"), "/hf", check, &n_run);
    printf("    %d models\n", n_run);
    assert_true(n_run >= 10 || getenv("MINERVA_TEST_MODEL"));
}

#endif
