/* The fast path on every golden model, with every instruction set of this machine: 8-bit
 * and bf16 activations must stay near the reference, at most three times as far as
 * llama.cpp's own normal run is (yardstick.tsv) and at most 3e-3.
 *
 * A mixture's router can pick another expert, a recurrent state carries errors along: the
 * median position counts.  MINERVA_TEST_VERBOSE=1 prints each model's figures. */
#include "backend/native/cpu/cpu.h"
#include "tests/golden.h"

typedef struct {
    const char *isa;
    bool one_by_one;
    double limit;
    int n_run, n_wrong, n_compared;
    double sum_log_ratio, worst_ratio;
} run;

/* The yardstick of a file at 90 tokens, or 0. */
static double yardstick(const char *name)
{
    FILE *f = fopen(shared("golden/yardstick.tsv"), "r");
    char line[1024], file[512];
    double a, b, c, found = 0;
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%511s %lf %lf %lf", file, &a, &b, &c) == 4 && !strcmp(file, name))
            found = c;
    fclose(f);
    return found;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run_one(void *ctx, const char *model, const char *golden, const char *name)
{
    run *r = ctx;
    golden_engine g;
    golden_data data;
    minerva_error why = { 0 };
    mn_load_options options = { .isa = r->isa, .context = 128, .n_threads = 2 };
    if (golden_load(&g, model, &options, &why)) return;     /* test_golden_models looks at these */
    golden_open(&data, golden);
    const golden_sequence *q = &data.seq[GOLDEN_SEQUENCES - 1];
    size_t vocab = (size_t)g.backend->vocab(g.engine);
    float *logits = malloc((size_t)q->n * vocab * sizeof *logits);
    mn_seq *s = golden_seq(&g);
    golden_feed(&g, s, q->tokens, q->n, r->one_by_one ? 1 : 0, logits);
    double each[GOLDEN_MAX];
    int same = 0;
    for (int32_t p = 0; p < q->n; p++) {
        const float *x = logits + (size_t)p * vocab, *ref = q->logits + (size_t)p * vocab;
        each[p] = golden_nmse(x, ref, (int64_t)vocab);
        same += golden_best(x, (int32_t)vocab) == golden_best(ref, (int32_t)vocab);
    }
    double whole = golden_nmse(logits, q->logits, q->n * (int64_t)vocab);
    qsort(each, (size_t)q->n, sizeof *each, by_value);
    double median = each[q->n / 2], measure = yardstick(name);
    double ratio = measure > 0 ? whole / measure : 0;
    bool bad = !(median <= r->limit) || (whole > 3e-3 && ratio > 3 && median > measure) ||
               same < q->n * 0.88;
    if (bad || getenv("MINERVA_TEST_VERBOSE"))
        printf("    %s%s %-48s NMSE %.2e, median %.2e, yardstick %.2e, best token %d/%d\n",
               bad ? "wrong: " : "", r->isa, name, whole, median, measure, same, q->n);
    r->n_wrong += bad;
    r->n_run++;
    if (measure > 0 && whole > 0) {
        r->n_compared++;
        r->sum_log_ratio += log(ratio);
        if (ratio > r->worst_ratio) r->worst_ratio = ratio;
    }
    g.backend->seq_free(g.engine, s);
    free(logits);
    golden_close(&data);
    golden_unload(&g);
}

static void run_all(bool one_by_one)
{
    int n_wrong = 0;
    for (int isa = MN_ISA_REF + 1; isa < MN_N_ISAS; isa++) {
        mn_cpu cpu;
        if (mn_cpu_init(&cpu, mn_isa_name((mn_isa)isa), false, NULL)) continue;
        run r = { .isa = mn_isa_name((mn_isa)isa), .one_by_one = one_by_one, .limit = 3e-3 };
        golden_each(run_one, &r);
        printf("    %-8s %d models, %d wrong; NMSE is %.2f of llama.cpp's (mean), %.2f at most\n",
               r.isa, r.n_run, r.n_wrong, exp(r.sum_log_ratio / (r.n_compared + 1e-9)),
               r.worst_ratio);
        fflush(stdout);
        n_wrong += r.n_wrong;
    }
    assert_int_equal(n_wrong, 0);
}

static void prompts_stay_near_the_reference(void **state)
{
    NEED_SHARED();
    run_all(false);
}

static void single_tokens_stay_near_the_reference(void **state)
{
    NEED_SHARED();
    run_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_stay_near_the_reference),
        cmocka_unit_test(single_tokens_stay_near_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
