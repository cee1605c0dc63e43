/* The size of prompt pieces beside answers, against machines that are formulas. */
#include "runtime/pace.h"
#include "tests/check.h"

/* Seconds of a pass with so many answers and prompt tokens. */
typedef double machine(int32_t answers, int32_t prompt);

/* Weights are read once; each token costs, at least a tile of 16. */
static double cpu(int32_t answers, int32_t prompt)
{
    int32_t n = answers + prompt;
    double read = 0.030, multiply = 0.0026 * (n < 24 ? n : (n + 15) / 16 * 16);
    return (read > multiply ? read : multiply) + 0.0005 * answers;
}

static double gpu(int32_t answers, int32_t prompt)
{
    return 0.002 + 0.00002 * (answers + prompt);
}

/* Let a machine with `answers` running read a prompt of n tokens; returns the slowest pass
 * after the first few, against the usual one; *passes: how many. */
static double slowest(machine *m, int32_t answers, int32_t n, int *passes)
{
    mn_pace p = { 0 };
    double worst = 0;
    *passes = 0;
    mn_pace_note(&p, 0, 128, m(0, 128));
    while (n > 0) {
        int32_t room = mn_pace_room(&p, answers, 512);
        if (room > n) room = n;
        double s = m(answers, room);
        mn_pace_note(&p, answers, room, s);
        if (++*passes > 5 && s / m(answers, 0) > worst) worst = s / m(answers, 0);
        n -= room;
        assert_true(*passes < 10000);
    }
    return worst;
}

static void a_long_prompt_delays_answers_by_less_than_three_times(void **state)
{
    int passes;
    for (int32_t answers = 1; answers <= 64; answers *= 2) {
        double ratio = slowest(cpu, answers, 4000, &passes);
        if (ratio >= 2.9) fail_msg("cpu, %d answers: %.2f times the usual pass", answers, ratio);
        ratio = slowest(gpu, answers, 100000, &passes);
        if (ratio >= 2.9) fail_msg("gpu, %d answers: %.2f times the usual pass", answers, ratio);
    }
}

static void the_room_is_used(void **state)
{
    int passes;
    assert_true(slowest(cpu, 4, 4000, &passes) > 1.5);
    assert_true(passes < 250);
    slowest(gpu, 4, 100000, &passes);
    assert_true(passes < 1000);
}

static void prompts_alone_are_cut_at_half_a_second(void **state)
{
    mn_pace p = { 0 };
    assert_in_range(mn_pace_room(&p, 0, 512), 32, 128);
    assert_int_equal(mn_pace_room(&p, 0, 7), 7);
    for (int i = 0; i < 20; i++) mn_pace_note(&p, 0, 100, 0.25);
    assert_int_equal(mn_pace_room(&p, 0, 512), 192);
    for (int i = 0; i < 50; i++) mn_pace_note(&p, 0, 500, 0.02);
    assert_int_equal(mn_pace_room(&p, 0, 512), 512);
    for (int i = 0; i < 50; i++) mn_pace_note(&p, 0, 32, 30);
    assert_int_equal(mn_pace_room(&p, 0, 512), 32);
}

static void no_measure_gets_stale(void **state)
{
    mn_pace p = { 0 };
    int usual = 0;
    for (int i = 0; i < 1000; i++) {
        int32_t room = mn_pace_room(&p, 4, 64);
        usual += room == 0;
        mn_pace_note(&p, 4, room, cpu(4, room));
    }
    assert_in_range(usual, 10, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_prompt_delays_answers_by_less_than_three_times),
        cmocka_unit_test(the_room_is_used),
        cmocka_unit_test(prompts_alone_are_cut_at_half_a_second),
        cmocka_unit_test(no_measure_gets_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
