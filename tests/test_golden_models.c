/* Every golden model through the native backend: exact numbers, greedy continuations, and
 * the ways of running a sequence that must not change its numbers.
 *
 * MINERVA_TEST_VERBOSE=1 prints each model's figures; MINERVA_TEST_MODEL=text takes only
 * the models whose name contains it. */
#include "tests/golden.h"

enum { CONTEXT = 128 };

/* llama.cpp formats that few programs read, and tiny models of them only. */
static const char *const optional[] = { "llama-Q1_0.gguf", "llama-Q2_0.gguf",
                                        "llama-MXFP4.gguf", NULL };

typedef struct {
    mn_load_options options;
    double limit;
    int n_run, n_wrong;
    void (*check)(void *ctx, golden_engine *g, golden_data *data, const char *name);
} run;

static bool verbose(void) { return getenv("MINERVA_TEST_VERBOSE") != NULL; }

static void wrong(run *r, const char *name, const char *fmt, ...)
{
    va_list args;
    printf("    wrong: %s: ", name);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    r->n_wrong++;
}

static bool is_optional(const char *name)
{
    for (int i = 0; optional[i]; i++)
        if (golden_ends(name, optional[i])) return true;
    return false;
}

static void run_one(void *ctx, const char *model, const char *golden, const char *name)
{
    run *r = ctx;
    golden_engine g;
    golden_data data;
    minerva_error err = { 0 };
    const char *only = getenv("MINERVA_TEST_MODEL");
    if (only && !strstr(name, only)) return;
    minerva_status st = golden_load(&g, model, &r->options, &err);
    if (st == MINERVA_UNSUPPORTED && is_optional(name)) return;
    if (st) {
        wrong(r, name, "%s", err.message);
        return;
    }
    golden_open(&data, golden);
    r->check(r, &g, &data, name);
    r->n_run++;
    golden_close(&data);
    golden_unload(&g);
}

static void run_all(run *r)
{
    if (!r->options.context) r->options.context = CONTEXT;
    if (!r->options.n_threads) r->options.n_threads = 2;
    golden_each(run_one, r);
    printf("    %d models, %d wrong\n", r->n_run, r->n_wrong);
    assert_int_equal(r->n_wrong, 0);
}

/* ---- exact numbers ------------------------------------------------------------------ */

static int same_best(const float *a, const float *b, int32_t n, int32_t vocab)
{
    int same = 0;
    for (int32_t p = 0; p < n; p++)
        same += golden_best(a + (size_t)p * vocab, vocab) ==
                golden_best(b + (size_t)p * vocab, vocab);
    return same;
}

static void check_exact(void *ctx, golden_engine *g, golden_data *data, const char *name)
{
    run *r = ctx;
    int32_t vocab = g->backend->vocab(g->engine);
    for (int i = 0; i < GOLDEN_SEQUENCES; i++) {
        const golden_sequence *q = &data->seq[i];
        float *logits = malloc((size_t)q->n * (size_t)vocab * sizeof *logits);
        mn_seq *s = golden_seq(g);
        golden_feed(g, s, q->tokens, q->n, 0, logits);
        double nmse = golden_nmse(logits, q->logits, (int64_t)q->n * vocab);
        int same = same_best(logits, q->logits, q->n, vocab);
        if (verbose()) printf("    %-48s %2d tokens: %.2e\n", name, q->n, nmse);
        if (!(nmse <= r->limit)) wrong(r, name, "%d tokens: NMSE %.2e", q->n, nmse);
        else if (same != q->n) wrong(r, name, "%d of %d best tokens differ", q->n - same, q->n);
        g->backend->seq_free(g->engine, s);
        free(logits);
    }
}

static void exact_path_reproduces_the_reference(void **state)
{
    NEED_SHARED();
    run r = { .options.precise = true, .limit = 1e-8, .check = check_exact };
    run_all(&r);
}

static void f16_cache_costs_little(void **state)
{
    NEED_SHARED();
    /* precise and F16 asked for: the engine's own choice is F32, so this is Q8_0's turn. */
    run r = { .options = { .precise = true, .kv_type = MN_KV_Q8_0 }, .limit = 2e-3,
              .check = check_exact };
    r.check = check_exact;
    run_all(&r);
}

static void check_greedy(void *ctx, golden_engine *g, golden_data *data, const char *name)
{
    int32_t vocab = g->backend->vocab(g->engine);
    for (int i = 0; i < GOLDEN_SEQUENCES; i++) {
        const golden_sequence *q = &data->seq[i];
        mn_seq *s = golden_seq(g);
        float *logits = malloc((size_t)q->n * (size_t)vocab * sizeof *logits);
        golden_feed(g, s, q->tokens, q->n, 7, logits);
        int32_t token = golden_best(logits + (size_t)(q->n - 1) * vocab, vocab);
        for (int k = 0; k < GOLDEN_GREEDY; k++) {
            if (token != q->greedy[k]) {
                wrong(ctx, name, "sequence %d: token %d is %d, not %d", i, k, token,
                      q->greedy[k]);
                break;
            }
            golden_feed(g, s, &token, 1, 0, logits);
            token = golden_best(logits, vocab);
        }
        g->backend->seq_free(g->engine, s);
        free(logits);
    }
}

static void greedy_continuations_are_the_reference_s(void **state)
{
    NEED_SHARED();
    run r = { .options.precise = true, .check = check_greedy };
    run_all(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_path_reproduces_the_reference),
        cmocka_unit_test(greedy_continuations_are_the_reference_s),
        cmocka_unit_test(f16_cache_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
