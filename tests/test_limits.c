/* The limits that the bench prints: every loop does what it says, and costs are those of
 * the plan. */
#include "backend/native/cpu/peak.h"
#include "backend/native/native.h"
#include "tests/check.h"
#include "tests/tiny_plan.h"

static void every_loop_of_this_machine_runs(void **state)
{
    for (int isa = 0; isa < MN_N_ISAS; isa++) {
        mn_cpu cpu;
        mn_peaks p;
        if (mn_cpu_init(&cpu, mn_isa_name((mn_isa)isa), false, NULL)) continue;
        mn_peaks_init(&p, &cpu);
        mn_peak_fn *all[] = { p.f32, p.int8, p.bf16, p.prompt };
        assert_non_null(p.f32);
        assert_true(p.prompt == p.f32 || p.prompt == p.int8 || p.prompt == p.bf16);
        for (int i = 0; i < 4; i++) {
            if (!all[i]) continue;
            int64_t one = all[i](1);
            assert_true(one > 0);
            assert_int_equal(all[i](100), 100 * one);
        }
    }
}

static void costs_follow_windows_and_cache_types(void **state)
{
    mn_engine *e;
    mn_limits l;
    mn_plan *p = tiny_plan("aw");
    mn_load_options options = { .n_threads = 2, .context = 64, .max_batch = 8 };
    const mn_attention *a = &p->layers[0].mixer.u.attention, *w = &p->layers[1].mixer.u.attention;
    assert_ok(mn_engine_create(&e, p, false, &options, err));
    assert_ok(mn_engine_limits(e, &l, err));
    assert_true(l.read_bytes_per_s > 1e8 && l.macs_per_s > 1e8);
    assert_int_equal(l.macs_per_token, mn_plan_macs_per_token(p));
    assert_int_equal(l.n_attention, 2);
    assert_int_equal(l.attention[0].window, 0);
    assert_int_equal(l.attention[0].bytes_per_position, 2 * a->n_kv_heads * 2 * a->head_dim);
    assert_int_equal(l.attention[0].macs_per_position, a->n_heads * 2 * a->head_dim);
    assert_true(w->window > 0);
    assert_int_equal(l.attention[1].window, w->window);
    mn_engine_free(e);
    tiny_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_loop_of_this_machine_runs),
        cmocka_unit_test(costs_follow_windows_and_cache_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
