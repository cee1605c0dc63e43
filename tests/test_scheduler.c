/* The scheduler and the prefix cache, over an engine that is arithmetic (fake_engine.h). */
#include "tests/fake_engine.h"

/* ---- tests ------------------------------------------------------------------------- */

static void storm(size_t limit, bool fixed, int32_t max_cached)
{
    enum { N = 300 };
    static client clients[N];
    static const char *const tenants[] = { "a", "b", NULL };
    minerva_request *requests[N];
    bench b;
    uint32_t x = 12345;
    memset(clients, 0, sizeof clients);
    bench_init(&b, limit, fixed, (minerva_scheduler_options){
        .max_running = 12, .max_queued = N, .prefill_chunk = 8, .max_cached = max_cached });
    for (int i = 0; i < N; i++) {
        make_prompt(&clients[i], &x, 1 + random_next(&x) % 120);
        clients[i].max_tokens = 1 + (int32_t)(random_next(&x) % 60);
        clients[i].cancel_after = random_next(&x) % 10 == 0 ? 3 : 0;
        assert_int_equal(submit(&b, &clients[i], tenants[i % 3], &requests[i]), MINERVA_OK);
        if (random_next(&x) % 16 == 0) minerva_request_cancel(requests[i]);
        minerva_request_release(requests[i]);
    }
    for (int i = 0; i < N; i++) wait_for(&b, &clients[i]);
    for (int i = 0; i < N; i++) check_answer(&clients[i]);
    minerva_scheduler_stats stats;
    minerva_scheduler_get_stats(b.scheduler, &stats);
    assert_int_equal(stats.n_finished + stats.n_cancelled, N);
    assert_int_equal(stats.n_failed, 0);
    assert_int_equal(stats.n_queued, 0);
    assert_int_equal(stats.n_running, 0);
    if (max_cached > 0) assert_true(stats.tokens_cached > 0);
    if (limit) assert_true(stats.n_preempted > 0 || stats.cache_evictions > 0);
    bench_clear(&b);
}

static void every_answer_is_the_one_it_would_be_alone(void **state) { storm(0, false, 1024); }
static void answers_survive_preemption_and_eviction(void **state) { storm(900, false, 1024); }
static void answers_are_right_without_a_cache(void **state) { storm(0, false, -1); }
static void recurrent_state_is_reused_only_at_its_own_length(void **state)
{
    storm(0, true, 1024);
    storm(2000, true, 20);
}

static void a_follow_up_evaluates_only_what_is_new(void **state)
{
    for (int fixed = 0; fixed < 2; fixed++) {
        bench b;
        uint32_t x = 7;
        client first = { 0 }, again = { 0 }, next = { 0 };
        bench_init(&b, 0, fixed, (minerva_scheduler_options){ 0 });
        make_prompt(&first, &x, 200);
        first.max_tokens = 20;
        submit(&b, &first, NULL, NULL);
        wait_for(&b, &first);
        check_answer(&first);

        int64_t before = b.engine.evaluated;
        again = (client){ .n_prompt = 200, .max_tokens = 1 };
        memcpy(again.prompt, first.prompt, sizeof first.prompt);
        submit(&b, &again, NULL, NULL);
        wait_for(&b, &again);
        check_answer(&again);
        assert_int_equal(again.result.n_cached, 200);
        assert_int_equal(b.engine.evaluated, before);   /* an exact repeat costs nothing */

        next = (client){ .n_prompt = 200, .max_tokens = 1 };
        memcpy(next.prompt, first.prompt, sizeof first.prompt);
        for (size_t i = 0; i < first.n_got; i++) next.prompt[next.n_prompt++] = first.got[i];
        for (int i = 0; i < 10; i++) next.prompt[next.n_prompt++] = 5 + i;
        submit(&b, &next, NULL, NULL);
        wait_for(&b, &next);
        check_answer(&next);
        assert_true(next.result.n_cached >= 200 + first.n_got - 1);
        assert_true(b.engine.evaluated - before <= 11);
        bench_clear(&b);
    }
}

static void tenants_do_not_share_prefixes(void **state)
{
    bench b;
    uint32_t x = 9;
    client one = { 0 }, other = { 0 };
    bench_init(&b, 0, false, (minerva_scheduler_options){ 0 });
    make_prompt(&one, &x, 100);
    one.max_tokens = other.max_tokens = 2;
    memcpy(other.prompt, one.prompt, sizeof one.prompt);
    other.n_prompt = 100;
    submit(&b, &one, "alice", NULL);
    wait_for(&b, &one);
    submit(&b, &other, "bob", NULL);
    wait_for(&b, &other);
    assert_int_equal(other.result.n_cached, 0);
    check_answer(&other);
    bench_clear(&b);
}

static void equal_prompts_at_once_are_read_once(void **state)
{
    enum { N = 8 };
    client clients[N];
    bench b;
    uint32_t x = 11;
    memset(clients, 0, sizeof clients);
    bench_init(&b, 0, false, (minerva_scheduler_options){ 0 });
    b.engine.delay_us = 2000;
    make_prompt(&clients[0], &x, 300);
    for (int i = 0; i < N; i++) {
        memcpy(clients[i].prompt, clients[0].prompt, sizeof clients[0].prompt);
        clients[i].n_prompt = 300;
        clients[i].max_tokens = 1;
        submit(&b, &clients[i], NULL, NULL);
    }
    for (int i = 0; i < N; i++) wait_for(&b, &clients[i]);
    for (int i = 0; i < N; i++) check_answer(&clients[i]);
    assert_int_equal(b.engine.evaluated, 300);
    bench_clear(&b);
}

static void tenants_take_turns_however_much_each_asks_for(void **state)
{
    enum { EACH = 6, N = 2 * EACH + 1 };
    static client clients[N];
    static const char *const tenants[] = { "a", "b", "c" };
    int finished = 0;
    bench b;
    memset(clients, 0, sizeof clients);
    bench_init(&b, 0, false, (minerva_scheduler_options){ .max_running = 1 });
    b.engine.delay_us = 3000;
    for (int i = 0; i < N; i++) {
        client *c = &clients[i];
        c->n_prompt = 3;
        for (int k = 0; k < 3; k++) c->prompt[k] = 4 + (i * (k + 1)) % 50;
        c->max_tokens = 4;
        c->finished = &finished;
        assert_int_equal(submit(&b, c, tenants[i / EACH], NULL), MINERVA_OK);
    }
    for (int i = 0; i < N; i++) wait_for(&b, &clients[i]);
    for (int i = 0; i < N; i++) check_answer(&clients[i]);
    /* The third tenant asked last and once: it is served in the first round of turns. */
    assert_true(clients[2 * EACH].rank <= 4);
    bench_clear(&b);
}

static void a_short_prompt_passes_another_tenants_long_ones(void **state)
{
    enum { N = 7 };
    static client clients[N];
    int finished = 0;
    uint32_t x = 77;
    bench b;
    memset(clients, 0, sizeof clients);
    bench_init(&b, 0, false, (minerva_scheduler_options){ 0 });
    b.engine.delay_us = 1000;
    for (int i = 0; i < N; i++) {
        client *c = &clients[i];
        c->n_prompt = i < N - 1 ? 350 : 20;
        for (size_t k = 0; k < c->n_prompt; k++) c->prompt[k] = 4 + (int32_t)(random_next(&x) % 50);
        c->max_tokens = 1;
        c->finished = &finished;
        assert_int_equal(submit(&b, c, i < N - 1 ? "many" : "one", NULL), MINERVA_OK);
    }
    for (int i = 0; i < N; i++) wait_for(&b, &clients[i]);
    for (int i = 0; i < N; i++) check_answer(&clients[i]);
    assert_int_equal(clients[N - 1].rank, 1);
    bench_clear(&b);
}

/* The pass in which a cancelled prompt is being read is given up. */
static void cancelling_ends_the_pass_of_a_long_prompt(void **state)
{
    client c = { .n_prompt = 300, .max_tokens = 5 };
    minerva_request *r;
    uint32_t x = 78;
    bench b;
    make_prompt(&c, &x, 300);
    bench_init(&b, 0, false, (minerva_scheduler_options){ 0 });
    b.engine.delay_us = 2000000;
    assert_int_equal(submit(&b, &c, NULL, &r), MINERVA_OK);
    usleep(20000);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    minerva_request_cancel(r);
    minerva_request_release(r);
    wait_for(&b, &c);
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 < 500);
    assert_int_equal(c.result.finish, MINERVA_FINISH_CANCELLED);
    b.engine.delay_us = 0;
    bench_clear(&b);
}

/* What the next of several prompts with this beginning finds of it. */
static size_t cached_of(bench *b, uint32_t *x, const client *base, size_t shared, size_t n)
{
    client c = { .n_prompt = n, .max_tokens = 1 };
    memcpy(c.prompt, base->prompt, sizeof c.prompt);
    for (size_t i = shared; i < n; i++) c.prompt[i] = 4 + (int32_t)(random_next(x) % 50);
    assert_int_equal(submit(b, &c, NULL, NULL), MINERVA_OK);
    wait_for(b, &c);
    check_answer(&c);
    return c.result.n_cached;
}

static void recurrent_prompts_with_one_beginning_find_it_from_the_third_on(void **state)
{
    bench b;
    uint32_t x = 79;
    client base = { 0 };
    bench_init(&b, 0, true, (minerva_scheduler_options){ 0 });
    make_prompt(&base, &x, 300);
    assert_int_equal(cached_of(&b, &x, &base, 150, 300), 0);
    assert_int_equal(cached_of(&b, &x, &base, 150, 300), 0);    /* leaves a stop at 150 */
    assert_in_range(cached_of(&b, &x, &base, 150, 300), 150, 160);
    assert_in_range(cached_of(&b, &x, &base, 150, 200), 150, 160);
    minerva_scheduler_stats stats;
    minerva_scheduler_get_stats(b.scheduler, &stats);
    assert_true(stats.lost_state >= 1);
    bench_clear(&b);
}

static void a_recurrent_prompt_whose_end_is_rewritten_is_found_but_for_that(void **state)
{
    bench b;
    uint32_t x = 80;
    client base = { 0 };
    bench_init(&b, 0, true, (minerva_scheduler_options){ 0 });
    make_prompt(&base, &x, 300);
    cached_of(&b, &x, &base, 20, 40);           /* now it is known that state is rigid */
    assert_true(cached_of(&b, &x, &base, 300, 300) < 40);
    assert_int_equal(cached_of(&b, &x, &base, 295, 330), 288);
    bench_clear(&b);
}

static void misses_say_why(void **state)
{
    bench b;
    uint32_t x = 81;
    client base = { 0 }, other = { .n_prompt = 100, .max_tokens = 1 };
    bench_init(&b, 0, false, (minerva_scheduler_options){ .max_cached = 1 });
    make_prompt(&base, &x, 100);
    assert_int_equal(cached_of(&b, &x, &base, 100, 100), 0);
    assert_int_equal(cached_of(&b, &x, &base, 0, 100), 0);      /* takes the only place */
    assert_true(cached_of(&b, &x, &base, 100, 100) < 10);
    memcpy(other.prompt, base.prompt, sizeof other.prompt);
    submit(&b, &other, "somebody else", NULL);
    wait_for(&b, &other);
    assert_int_equal(other.result.n_cached, 0);
    usleep(20000);      /* the worker writes its figures down before it sleeps */
    minerva_scheduler_stats stats;
    minerva_scheduler_get_stats(b.scheduler, &stats);
    assert_int_equal(stats.lost_evicted, 1);
    assert_int_equal(stats.lost_tenant, 1);
    bench_clear(&b);
}

static void a_full_queue_refuses_and_keeps_what_it_has(void **state)
{
    enum { N = 20 };
    client clients[N];
    bench b;
    uint32_t x = 3;
    int accepted = 0, refused = 0;
    memset(clients, 0, sizeof clients);
    bench_init(&b, 0, false, (minerva_scheduler_options){ .max_running = 1, .max_queued = 4 });
    b.engine.delay_us = 1000;
    for (int i = 0; i < N; i++) {
        make_prompt(&clients[i], &x, 20);
        clients[i].max_tokens = 20;
        minerva_status st = submit(&b, &clients[i], NULL, NULL);
        if (st == MINERVA_OK) accepted++;
        else assert_int_equal(st, MINERVA_FULL);
        refused += st != MINERVA_OK;
        if (st != MINERVA_OK) clients[i].n_done = -1;
    }
    assert_true(refused > 0 && accepted >= 4);
    for (int i = 0; i < N; i++) {
        if (clients[i].n_done < 0) continue;
        wait_for(&b, &clients[i]);
        check_answer(&clients[i]);
    }
    bench_clear(&b);
}

static void a_prompt_that_cannot_fit_fails_alone(void **state)
{
    bench b;
    uint32_t x = 5;
    client big = { .max_tokens = 5 }, small = { .max_tokens = 5 };
    bench_init(&b, 150, false, (minerva_scheduler_options){ 0 });
    make_prompt(&big, &x, 200);
    make_prompt(&small, &x, 20);
    submit(&b, &big, NULL, NULL);
    submit(&b, &small, NULL, NULL);
    wait_for(&b, &big);
    wait_for(&b, &small);
    assert_int_equal(big.err.code, MINERVA_FULL);
    check_answer(&small);
    client never = { .n_prompt = CONTEXT, .max_tokens = 1 };
    minerva_error err = { 0 };
    minerva_request_options o = { .prompt = never.prompt, .n_prompt = CONTEXT + 1 };
    assert_int_equal(minerva_scheduler_submit(b.scheduler, &o, NULL, &err), MINERVA_INVALID);
    assert_non_null(strstr(err.message, "400"));
    assert_non_null(strstr(err.message, "401"));
    bench_clear(&b);
}

static void freeing_cancels_what_is_left(void **state)
{
    bench b;
    uint32_t x = 5;
    client c = { .max_tokens = 300 }, d = { .max_tokens = 300 };
    bench_init(&b, 0, false, (minerva_scheduler_options){ .max_running = 1 });
    b.engine.delay_us = 3000;
    make_prompt(&c, &x, 20);
    make_prompt(&d, &x, 20);
    submit(&b, &c, NULL, NULL);
    submit(&b, &d, NULL, NULL);
    bench_clear(&b);
    assert_int_equal(c.n_done, 1);
    assert_int_equal(d.n_done, 1);
    assert_int_equal(d.result.finish, MINERVA_FINISH_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_is_the_one_it_would_be_alone),
        cmocka_unit_test(answers_survive_preemption_and_eviction),
        cmocka_unit_test(answers_are_right_without_a_cache),
        cmocka_unit_test(recurrent_state_is_reused_only_at_its_own_length),
        cmocka_unit_test(a_follow_up_evaluates_only_what_is_new),
        cmocka_unit_test(tenants_do_not_share_prefixes),
        cmocka_unit_test(equal_prompts_at_once_are_read_once),
        cmocka_unit_test(tenants_take_turns_however_much_each_asks_for),
        cmocka_unit_test(a_short_prompt_passes_another_tenants_long_ones),
        cmocka_unit_test(cancelling_ends_the_pass_of_a_long_prompt),
        cmocka_unit_test(recurrent_prompts_with_one_beginning_find_it_from_the_third_on),
        cmocka_unit_test(a_recurrent_prompt_whose_end_is_rewritten_is_found_but_for_that),
        cmocka_unit_test(misses_say_why),
        cmocka_unit_test(a_full_queue_refuses_and_keeps_what_it_has),
        cmocka_unit_test(a_prompt_that_cannot_fit_fails_alone),
        cmocka_unit_test(freeing_cancels_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
