/* Every golden model through the native backend: exact numbers, greedy continuations, and
 * the ways of running a sequence that must not change its numbers.
 *
 * MINERVA_TEST_VERBOSE=1 prints each model's figures; MINERVA_TEST_MODEL=text takes only
 * the models whose name contains it. */
#include "backend/native/native.h"
#include "tests/golden.h"

enum { CONTEXT = 128 };

/* llama.cpp formats that few programs read, and tiny models of them only. */
static const char *const optional[] = { "llama-Q1_0.gguf", "llama-Q2_0.gguf",
                                        "llama-MXFP4.gguf", NULL };

typedef struct {
    mn_load_options options;
    double limit, same_share;   /* NMSE at most; equal best tokens at least */
    bool one_per_family;        /* HF directories only */
    bool by_median;             /* the limit is for the median position */
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
    if (r->one_per_family && !golden_ends(name, "/hf")) return;
    minerva_status st = golden_load(&g, model, &r->options, &err);
    if (st == MINERVA_UNSUPPORTED && is_optional(name)) return;
    if (st) {
        wrong(r, name, "%s", err.message);
        return;
    }
    g.engine->shared_from_ns = 0;       /* small as they are: threads must meet */
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

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* NMSE of the median position: one flipped expert does not show in it. */
static double median_nmse(const float *x, const float *ref, int32_t n, int32_t vocab)
{
    double each[GOLDEN_MAX];
    for (int32_t p = 0; p < n; p++) {
        size_t at = (size_t)p * (size_t)vocab;
        each[p] = golden_nmse(x + at, ref + at, vocab);
    }
    qsort(each, (size_t)n, sizeof *each, by_value);
    return each[n / 2];
}

static void check_numbers(void *ctx, golden_engine *g, golden_data *data, const char *name)
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
        if (r->by_median) nmse = median_nmse(logits, q->logits, q->n, vocab);
        if (!(nmse <= r->limit)) wrong(r, name, "%d tokens: NMSE %.2e", q->n, nmse);
        else if (q->n - same > ceil((1 - r->same_share) * q->n))
            wrong(r, name, "%d of %d best tokens differ", q->n - same, q->n);
        g->backend->seq_free(g->engine, s);
        free(logits);
    }
}

static void exact_path_reproduces_the_reference(void **state)
{
    NEED_SHARED();
    run r = { .options.precise = true, .limit = 1e-8, .same_share = 1, .check = check_numbers };
    run_all(&r);
}

/* "ref" multiplies exactly too, but keeps the cache in the type that was asked for. */
static void f16_cache_costs_less_than_a_millionth(void **state)
{
    NEED_SHARED();
    run r = { .options.isa = "ref", .limit = 1e-6, .same_share = 0.97, .check = check_numbers };
    run_all(&r);
}

static void q8_cache_stays_close(void **state)
{
    NEED_SHARED();
    run r = { .options = { .isa = "ref", .kv_type = MN_KV_Q8_0 }, .limit = 1e-3,
              .same_share = 0.85, .by_median = true, .check = check_numbers };
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

/* ---- the fast path --------------------------------------------------------------------- */

/* llama.cpp's own NMSE for a file at 1, 17 and 90 tokens; false where it has none. */
static bool yardstick(const char *name, double out[GOLDEN_SEQUENCES])
{
    char line[1024], file[512];
    bool found = false;
    FILE *f = fopen(shared("golden/yardstick.tsv"), "r");
    if (!f) return false;
    while (!found && fgets(line, sizeof line, f))
        found = sscanf(line, "%511s %lf %lf %lf", file, &out[0], &out[1], &out[2]) == 4 &&
                !strcmp(file, name);
    fclose(f);
    return found;
}

static bool has_experts(const mn_plan *p)
{
    for (int32_t i = 0; i < p->n_layers; i++)
        if (p->layers[i].ffn.kind == MN_FFN_EXPERTS) return true;
    return false;
}

/* A file's error is at most 3e-3 and three times llama.cpp's, or simply no more than
 * llama.cpp's.  A router may pick another expert, which costs a whole position (and the
 * yardstick holds llama.cpp's own such picks): with experts the median position counts. */
static void check_fast(void *ctx, golden_engine *g, golden_data *data, const char *name)
{
    run *r = ctx;
    int32_t vocab = g->backend->vocab(g->engine);
    bool experts = has_experts(g->engine->plan);
    double known[GOLDEN_SEQUENCES], each[GOLDEN_SEQUENCES * GOLDEN_MAX];
    bool measured = yardstick(name, known);
    int n = 0, same = 0;
    for (int i = 0; i < GOLDEN_SEQUENCES; i++) {
        const golden_sequence *q = &data->seq[i];
        float *logits = malloc((size_t)q->n * (size_t)vocab * sizeof *logits);
        mn_seq *s = golden_seq(g);
        golden_feed(g, s, q->tokens, q->n, 0, logits);
        double all = golden_nmse(logits, q->logits, (int64_t)q->n * vocab);
        if (verbose())
            printf("    %-48s %2d tokens: %.2e, llama.cpp %.2e\n", name, q->n, all,
                   measured ? known[i] : 0.0);
        double limit = measured ? fmax(fmin(r->limit, 3 * known[i]), known[i]) : r->limit;
        if (golden_ends(name, "F16.gguf")) limit = 1e-4;        /* bf16 activations */
        if (!(all <= limit) && !experts)
            wrong(r, name, "%d tokens: NMSE %.2e; at most %.2e expected", q->n, all, limit);
        same += same_best(logits, q->logits, q->n, vocab);
        for (int32_t p = 0; p < q->n; p++) {
            size_t at = (size_t)p * (size_t)vocab;
            each[n++] = golden_nmse(logits + at, q->logits + at, vocab);
        }
        g->backend->seq_free(g->engine, s);
        free(logits);
    }
    qsort(each, (size_t)n, sizeof *each, by_value);
    if (experts && !(each[n / 2] <= r->limit))
        wrong(r, name, "NMSE of the median position %.2e", each[n / 2]);
    if (verbose()) printf("    %-48s median %.2e, %d of %d best tokens\n", name, each[n / 2], same, n);
    if (same < (experts ? 0.85 : 0.9) * n) wrong(r, name, "%d of %d best tokens differ", n - same, n);
}

static void fast_path_is_as_close_as_llama_cpp(void **state)
{
    NEED_SHARED();
    static const char *const sets[] = { NULL, "avx512", "avx2", "neon" };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        mn_cpu cpu;
        run r = { .options.isa = sets[i], .limit = 3e-3, .check = check_fast };
        if (mn_cpu_init(&cpu, sets[i], false, NULL)) continue;
        printf("    %s:\n", sets[i] ? sets[i] : "the best instruction set");
        run_all(&r);
    }
}

/* ---- ways that must not change the numbers ------------------------------------------- */

typedef struct {
    run *r;
    golden_engine *g;
    const golden_sequence *q;   /* the long one */
    const char *name;
    int32_t vocab;
    float *whole, *out;         /* [n][vocab]: all at once; as tried */
} way;

/* Rows [from, end) of w->out against the same rows of w->whole. */
static void compare(way *w, const char *how, int32_t from, int32_t end)
{
    size_t at = (size_t)from * (size_t)w->vocab;
    double nmse = golden_nmse(w->out + at, w->whole + at, (int64_t)(end - from) * w->vocab);
    if (!(nmse <= w->r->limit)) wrong(w->r, w->name, "%s: NMSE %.2e", how, nmse);
}

static void feed(way *w, mn_seq *s, int32_t from, int32_t end, int32_t chunk)
{
    golden_feed(w->g, s, w->q->tokens + from, end - from, chunk,
                w->out + (size_t)from * (size_t)w->vocab);
}

static void try_chunks(way *w)
{
    static const int32_t sizes[] = { 1, 7, 32 };
    for (int i = 0; i < 3; i++) {
        mn_seq *s = golden_seq(w->g);
        feed(w, s, 0, w->q->n, sizes[i]);
        compare(w, "in chunks", 0, w->q->n);
        w->g->backend->seq_free(w->g->engine, s);
    }
}

static void try_fork(way *w)
{
    const mn_backend *b = w->g->backend;
    mn_seq *s = golden_seq(w->g), *t = NULL;
    feed(w, s, 0, 45, 0);
    assert_ok(b->seq_fork(w->g->engine, s, &t, err));
    feed(w, t, 45, w->q->n, 0);
    compare(w, "fork", 45, w->q->n);
    feed(w, s, 45, w->q->n, 20);
    compare(w, "after being forked", 45, w->q->n);
    b->seq_free(w->g->engine, s);
    b->seq_free(w->g->engine, t);
}

static void try_trim(way *w)
{
    const mn_backend *b = w->g->backend;
    mn_seq *s = golden_seq(w->g);
    feed(w, s, 0, w->q->n, 30);
    for (int32_t to = w->q->n - 5; to >= 0; to -= 17) {
        if (!b->seq_can_trim(s, to)) continue;
        assert_ok(b->seq_trim(w->g->engine, s, to, err));
        feed(w, s, to, w->q->n, 0);
        compare(w, "after trimming", to, w->q->n);
    }
    assert_ok(b->seq_trim(w->g->engine, s, 0, err));
    feed(w, s, 0, w->q->n, 0);
    compare(w, "from the start again", 0, w->q->n);
    b->seq_free(w->g->engine, s);
}

static void try_export(way *w)
{
    const mn_backend *b = w->g->backend;
    mn_engine *e = w->g->engine;
    for (int32_t from = 0; from <= 40; from += 20) {
        mn_seq *s = golden_seq(w->g), *t = golden_seq(w->g);
        mn_buffer bytes = { 0 };
        feed(w, s, 0, 70, 35);
        assert_ok(b->seq_export(e, s, from, &bytes, err));
        b->seq_free(e, s);
        if (from) feed(w, t, 0, from, 0);
        assert_ok(b->seq_import(e, t, bytes.data, bytes.len, err));
        assert_int_equal(b->seq_length(t), 70);
        feed(w, t, 70, w->q->n, 0);
        compare(w, "after export and import", 70, w->q->n);
        b->seq_free(e, t);
        mn_buffer_clear(&bytes);
    }
}

/* Three sequences in one batch, each at its own pace, against the reference data. */
static void try_batch(way *w, const golden_data *data)
{
    const mn_backend *b = w->g->backend;
    mn_seq *seqs[GOLDEN_SEQUENCES];
    int32_t at[GOLDEN_SEQUENCES] = { 0 }, tokens[GOLDEN_MAX];
    for (int i = 0; i < GOLDEN_SEQUENCES; i++) seqs[i] = golden_seq(w->g);
    for (bool more = true; more;) {
        mn_span spans[GOLDEN_SEQUENCES];
        int which[GOLDEN_SEQUENCES], n_spans = 0, n = 0;
        for (int i = GOLDEN_SEQUENCES - 1; i >= 0; i--) {
            int32_t k = data->seq[i].n - at[i], pace = 5 + 6 * i;
            if (k > pace) k = pace;
            if (k <= 0) continue;
            memcpy(tokens + n, data->seq[i].tokens + at[i], (size_t)k * sizeof *tokens);
            spans[n_spans] = (mn_span){ seqs[i], n, k };
            which[n_spans++] = i;
            n += k;
        }
        more = n_spans > 0;
        if (!more) break;
        mn_batch batch = { .tokens = tokens, .n_tokens = n, .spans = spans, .n_spans = n_spans };
        mn_output o;
        assert_ok(b->forward(w->g->engine, &batch, &o, err));
        assert_int_equal(o.n_wanted, n_spans);
        for (int k = 0; k < n_spans; k++) {
            const golden_sequence *q = &data->seq[which[k]];
            at[which[k]] += spans[k].n;
            const float *expected = q->logits + (size_t)(at[which[k]] - 1) * (size_t)w->vocab;
            double nmse = golden_nmse(o.logits + (size_t)k * (size_t)w->vocab, expected, w->vocab);
            if (!(nmse <= 1e-7)) wrong(w->r, w->name, "in a batch: NMSE %.2e", nmse);
        }
    }
    for (int i = 0; i < GOLDEN_SEQUENCES; i++) b->seq_free(w->g->engine, seqs[i]);
}

static void check_ways(void *ctx, golden_engine *g, golden_data *data, const char *name)
{
    way w = { .r = ctx, .g = g, .q = &data->seq[GOLDEN_SEQUENCES - 1], .name = name,
              .vocab = g->backend->vocab(g->engine) };
    size_t size = (size_t)w.q->n * (size_t)w.vocab * sizeof(float);
    w.whole = malloc(size);
    w.out = malloc(size);
    mn_seq *s = golden_seq(g);
    golden_feed(g, s, w.q->tokens, w.q->n, 0, w.whole);
    g->backend->seq_free(g->engine, s);
    try_chunks(&w);
    try_fork(&w);
    try_trim(&w);
    try_export(&w);
    try_batch(&w, data);
    free(w.whole);
    free(w.out);
}

static void chunks_forks_trims_copies_and_batches_change_nothing(void **state)
{
    NEED_SHARED();
    run r = { .options.precise = true, .limit = 1e-10, .check = check_ways, .one_per_family = true };
    run_all(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_path_reproduces_the_reference),
        cmocka_unit_test(greedy_continuations_are_the_reference_s),
        cmocka_unit_test(f16_cache_costs_less_than_a_millionth),
        cmocka_unit_test(q8_cache_stays_close),
        cmocka_unit_test(fast_path_is_as_close_as_llama_cpp),
        cmocka_unit_test(chunks_forks_trims_copies_and_batches_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
