/* The sampler: each step against what its definition says, on small distributions. */
#include "minerva.h"
#include "tests/check.h"

enum { V = 8 };

/* probabilities .4 .3 .1 .1 .05 .03 .015 .005 */
static const float p8[V] = { .4f, .3f, .1f, .1f, .05f, .03f, .015f, .005f };

static void logits_of(const float *p, float *out)
{
    for (int i = 0; i < V; i++) out[i] = logf(p[i]) + 3;
}

static minerva_sampler *make(minerva_sampling o)
{
    minerva_sampler *s = NULL;
    assert_ok(minerva_sampler_create(&s, &o, V, err));
    return s;
}

/* Draws `n` times; counts[V]. */
static void count_draws(minerva_sampling o, const float *logits, const uint32_t *mask, int n,
                        int *counts)
{
    memset(counts, 0, V * sizeof *counts);
    minerva_sampler *s = make(o);
    for (int i = 0; i < n; i++) {
        int32_t t = -1;
        assert_ok(minerva_sampler_sample(s, logits, mask, &t, NULL, NULL, 0, err));
        assert_in_range(t, 0, V - 1);
        counts[t]++;
    }
    minerva_sampler_free(s);
}

static void greedy_takes_the_best_and_ties_go_to_the_lower_id(void **state)
{
    float l[V] = { 1, 5, 5, 2, 0, 0, 0, 0 };
    int counts[V];
    count_draws((minerva_sampling){ 0 }, l, NULL, 3, counts);
    assert_int_equal(counts[1], 3);
}

static void draws_follow_the_distribution(void **state)
{
    float l[V];
    int counts[V];
    logits_of(p8, l);
    count_draws((minerva_sampling){ .temperature = 1, .seed = 7 }, l, NULL, 40000, counts);
    for (int i = 0; i < V; i++)
        assert_true(fabs(counts[i] / 40000.0 - p8[i]) < 4 * sqrt(p8[i] / 40000));
}

static void temperature_sharpens(void **state)
{
    float l[V];
    int counts[V];
    logits_of(p8, l);
    count_draws((minerva_sampling){ .temperature = .5f, .seed = 7 }, l, NULL, 40000, counts);
    double sum = 0;
    for (int i = 0; i < V; i++) sum += p8[i] * p8[i];
    assert_true(fabs(counts[0] / 40000.0 - p8[0] * p8[0] / sum) < .01);
}

static void equal_seeds_give_equal_draws(void **state)
{
    float l[V];
    logits_of(p8, l);
    minerva_sampler *a = make((minerva_sampling){ .temperature = 1, .seed = 5 });
    minerva_sampler *b = make((minerva_sampling){ .temperature = 1, .seed = 5 });
    minerva_sampler *c = make((minerva_sampling){ .temperature = 1, .seed = 6 });
    int differ = 0;
    for (int i = 0; i < 100; i++) {
        int32_t ta, tb, tc;
        minerva_sampler_sample(a, l, NULL, &ta, NULL, NULL, 0, NULL);
        minerva_sampler_sample(b, l, NULL, &tb, NULL, NULL, 0, NULL);
        minerva_sampler_sample(c, l, NULL, &tc, NULL, NULL, 0, NULL);
        assert_int_equal(ta, tb);
        differ += ta != tc;
    }
    assert_true(differ > 20);
    minerva_sampler_free(a);
    minerva_sampler_free(b);
    minerva_sampler_free(c);
}

/* Exactly the tokens of `support` are drawn. */
static void support_is(minerva_sampling o, const char *support)
{
    float l[V];
    int counts[V];
    logits_of(p8, l);
    o.temperature = 1;
    count_draws(o, l, NULL, 20000, counts);
    for (int i = 0; i < V; i++) {
        bool wanted = strchr(support, '0' + i) != NULL;
        if (wanted != (counts[i] > 0))
            fail_msg("token %d drawn %d times, support %s", i, counts[i], support);
    }
}

static void truncations_keep_what_they_define(void **state)
{
    support_is((minerva_sampling){ .top_k = 3 }, "012");        /* of equals the lower id */
    support_is((minerva_sampling){ .top_p = .69f }, "01");
    support_is((minerva_sampling){ .top_p = .71f }, "012");
    support_is((minerva_sampling){ .min_p = .2f }, "0123");
    support_is((minerva_sampling){ .top_k = 100 }, "01234567");
    support_is((minerva_sampling){ .xtc_probability = 1, .xtc_threshold = .25f }, "1234567");
    support_is((minerva_sampling){ .xtc_probability = 1, .xtc_threshold = .45f }, "01234567");
    /* entropy 1.54 nats; the surprises nearest to it are those of .3 (1.2), .1 (2.3) */
    support_is((minerva_sampling){ .typical_p = .25f }, "1");
}

static void the_mask_is_never_broken(void **state)
{
    float l[V];
    int counts[V];
    logits_of(p8, l);
    uint32_t mask = 0x30;       /* 4 and 5 */
    const minerva_sampling kinds[] = {
        { 0 }, { .temperature = 1 }, { .temperature = 1, .top_k = 1 },
        { .temperature = 1, .top_p = .1f }, { .temperature = 1, .mirostat = 2 },
        { .temperature = 1, .mirostat = 1 }, { .temperature = 2, .typical_p = .5f },
        { .temperature = 1, .xtc_probability = 1, .xtc_threshold = .1f },
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        count_draws(kinds[k], l, &mask, 200, counts);
        assert_int_equal(counts[4] + counts[5], 200);
    }
    minerva_sampler *s = make(kinds[1]);
    minerva_error err = { 0 };
    int32_t t;
    mask = 0;
    assert_int_equal(minerva_sampler_sample(s, l, &mask, &t, NULL, NULL, 0, &err),
                     MINERVA_INVALID);
    minerva_sampler_free(s);
}

static void penalties_count_only_the_window(void **state)
{
    float l[V] = { 2, 1.9f, 0, 0, 0, 0, 0, 0 };
    int32_t t;
    minerva_sampler *s = make((minerva_sampling){ .repeat_penalty = 1.2f, .penalty_last_n = 3 });
    for (int i = 0; i < 3; i++) {
        assert_ok(minerva_sampler_accept(s, 0, err));
        assert_ok(minerva_sampler_sample(s, l, NULL, &t, NULL, NULL, 0, err));
        assert_int_equal(t, 1);         /* 2 / 1.2 < 1.9, applied once however often seen */
    }
    for (int i = 0; i < 3; i++) assert_ok(minerva_sampler_accept(s, 5, err));
    assert_ok(minerva_sampler_sample(s, l, NULL, &t, NULL, NULL, 0, err));
    assert_int_equal(t, 0);
    minerva_sampler_free(s);

    s = make((minerva_sampling){ .frequency_penalty = .04f });
    assert_ok(minerva_sampler_accept(s, 0, err));
    assert_ok(minerva_sampler_accept(s, 0, err));
    assert_ok(minerva_sampler_sample(s, l, NULL, &t, NULL, NULL, 0, err));
    assert_int_equal(t, 0);             /* 2 - .08 > 1.9 */
    assert_ok(minerva_sampler_accept(s, 0, err));
    assert_ok(minerva_sampler_sample(s, l, NULL, &t, NULL, NULL, 0, err));
    assert_int_equal(t, 1);             /* 2 - .12 < 1.9 */
    minerva_sampler_free(s);
}

static void dry_breaks_a_loop(void **state)
{
    float l[V] = { 0, 0, 0, 3, 2, 0, 0, 0 };
    int32_t t;
    int32_t text[] = { 1, 2, 3, 5, 1, 2 };      /* "1 2" was followed by 3 */
    minerva_sampler *s = make((minerva_sampling){ .dry_multiplier = 2 });
    for (int i = 0; i < 6; i++) assert_ok(minerva_sampler_accept(s, text[i], err));
    assert_ok(minerva_sampler_sample(s, l, NULL, &t, NULL, NULL, 0, err));
    assert_int_equal(t, 4);
    minerva_sampler_free(s);

    int32_t breaker = 2;                        /* the match may not reach over token 2 */
    s = make((minerva_sampling){ .dry_multiplier = 2, .dry_breakers = &breaker,
                                 .n_dry_breakers = 1 });
    for (int i = 0; i < 6; i++) assert_ok(minerva_sampler_accept(s, text[i], err));
    assert_ok(minerva_sampler_sample(s, l, NULL, &t, NULL, NULL, 0, err));
    assert_int_equal(t, 3);
    minerva_sampler_free(s);
}

static void logit_bias_forbids_and_forces(void **state)
{
    float l[V] = { 5, 4, 3, 2, 1, 0, 0, 0 };
    minerva_logit_bias bias[] = { { 0, -INFINITY }, { 6, 100 } };
    int counts[V];
    count_draws((minerva_sampling){ .logit_bias = bias, .n_logit_bias = 2 }, l, NULL, 1, counts);
    assert_int_equal(counts[6], 1);
    count_draws((minerva_sampling){ .temperature = 5, .logit_bias = bias, .n_logit_bias = 1 }, l,
                NULL, 500, counts);
    assert_int_equal(counts[0], 0);
}

static void logprobs_are_the_models_own(void **state)
{
    float l[V], own;
    logits_of(p8, l);
    minerva_token_logprob top[10];
    int32_t t;
    minerva_sampler *s = make((minerva_sampling){ .temperature = .1f, .top_k = 1 });
    assert_ok(minerva_sampler_sample(s, l, NULL, &t, &own, top, 10, err));
    assert_int_equal(t, 0);
    assert_true(fabsf(own - logf(.4f)) < 1e-5f);
    for (int i = 0; i < V; i++) {
        assert_int_equal(top[i].token, i);
        assert_true(fabsf(top[i].logprob - logf(p8[i])) < 1e-5f);
    }
    assert_int_equal(top[8].token, -1);
    minerva_sampler_free(s);
}

static void out_of_range_options_are_named(void **state)
{
    const struct { minerva_sampling o; const char *name; } bad[] = {
        { { .temperature = -1 }, "temperature" }, { { .top_p = 1.5f }, "top_p" },
        { { .temperature = NAN }, "temperature" }, { { .top_k = -1 }, "top_k" },
        { { .mirostat = 3 }, "mirostat" }, { { .min_p = INFINITY }, "min_p" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        minerva_error err = { 0 };
        minerva_sampler *s = NULL;
        assert_int_equal(minerva_sampler_create(&s, &bad[i].o, V, &err), MINERVA_INVALID);
        assert_non_null(strstr(err.message, bad[i].name));
    }
}

/* Many equal and unequal logits: the partial sort must agree with a full one. */
static void top_k_of_a_large_vocabulary_is_exact(void **state)
{
    enum { N = 5000 };
    float *l = malloc(N * sizeof *l);
    uint32_t x = 1;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < N; i++) {
            x = x * 1664525u + 1013904223u;
            l[i] = (float)(x >> 20) / (round % 2 ? 64.0f : 4096.0f);
            if (round % 2) l[i] = floorf(l[i]);
        }
        for (int k = 1; k < 60; k += 7) {
            minerva_sampler *s = NULL;
            minerva_sampling o = { .temperature = 1e5f, .top_k = k, .seed = 3 };
            assert_ok(minerva_sampler_create(&s, &o, N, err));
            for (int d = 0; d < 30; d++) {
                int32_t t;
                assert_ok(minerva_sampler_sample(s, l, NULL, &t, NULL, NULL, 0, err));
                int before = 0;         /* tokens that come before t */
                for (int i = 0; i < N; i++)
                    before += l[i] > l[t] || (l[i] == l[t] && i < t);
                assert_true(before < k);
            }
            minerva_sampler_free(s);
        }
    }
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_best_and_ties_go_to_the_lower_id),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(temperature_sharpens),
        cmocka_unit_test(equal_seeds_give_equal_draws),
        cmocka_unit_test(truncations_keep_what_they_define),
        cmocka_unit_test(the_mask_is_never_broken),
        cmocka_unit_test(penalties_count_only_the_window),
        cmocka_unit_test(dry_breaks_a_loop),
        cmocka_unit_test(logit_bias_forbids_and_forces),
        cmocka_unit_test(logprobs_are_the_models_own),
        cmocka_unit_test(out_of_range_options_are_named),
        cmocka_unit_test(top_k_of_a_large_vocabulary_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
