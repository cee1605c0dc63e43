/* The server under load, its scheduler on a fixed clock: what must hold however busy it is.
 * How fast it is, bench/bench_load.c says. */
#include "tests/load_client.h"

static void streams_are_neither_lost_nor_mixed_nor_reordered(void **state)
{
    enum { N = 2000 };
    test_server s;
    load_server_start(&s, 20000, 0, N, N, 10);
    for (int round = 0; round < 2; round++) {
        load_client *c = load_streams(s.port, N, 12, 120);
        load_expect_good(c, N);
        free(c);
    }
    assert_float_equal(2 * N, metric(s.port, "minerva_requests_finished_total"), 0);
    assert_int_equal(0, server_stop(&s, SIGTERM, 60));
}

static void idle_connections_are_small_and_in_nobodys_way(void **state)
{
    enum { N = 4000 };
    test_server s;
    int *fds = calloc(N, sizeof *fds);
    load_server_start(&s, 5000, 0, 32, 64, 10);
    load_health_p99(s.port, 20);
    double each = load_idle_bytes(&s, fds, N);
    if (!LOAD_SANITIZED && each > 8192) fail_msg("%.0f bytes per idle connection", each);
    double p99 = load_health_p99(s.port, 200);
    if (p99 > 1) fail_msg("/health takes %.3f s", p99);
    assert_float_equal(N + 1, metric(s.port, "minerva_connections"), 0);
    for (int i = 0; i < N; i++) close(fds[i]);
    load_wait_until_idle(s.port, 30);
    free(fds);
    assert_int_equal(0, server_stop(&s, SIGTERM, 60));
}

static void what_is_too_much_is_refused_and_what_was_accepted_is_finished(void **state)
{
    enum { N = 960, RUNNING = 32, QUEUED = 64 };
    test_server s;
    load_server_start(&s, 5000, 0, RUNNING, QUEUED, 10);
    load_client *c = load_streams(s.port, N, 60, 120);
    int good = load_count(c, N, LOAD_GOOD), refused = load_count(c, N, LOAD_REFUSED);
    if (good + refused != N || good < RUNNING + QUEUED)
        fail_msg("%d finished, %d refused of %d", good, refused, N);
    assert_true(refused > N / 4);
    assert_float_equal(good, metric(s.port, "minerva_requests_finished_total"), 0);
    assert_float_equal(refused, metric(s.port, "minerva_requests_refused_total"), 0);
    free(c);
    assert_int_equal(0, server_stop(&s, SIGTERM, 60));
}

static void clients_that_dawdle_are_closed_and_delay_nobody(void **state)
{
    enum { SLOW = 200, STALLED = 20, N = 50 };
    test_server s;
    int fds[SLOW + STALLED];
    load_server_start(&s, 2000, 3000, 200, 200, 2);
    load_hinder(s.port, fds, SLOW, STALLED);
    load_client *c = load_streams(s.port, N, 20, 60);
    load_expect_good(c, N);
    free(c);
    for (double end = seconds() + 60; metric(s.port, "minerva_http_timeouts_total") < SLOW
                                      || metric(s.port, "minerva_http_slow_readers_total") < STALLED;) {
        for (int i = 0; i < SLOW; i++) send(fds[i], "x", 1, MSG_NOSIGNAL);  /* no respite */
        usleep(200000);
        if (seconds() > end) fail_msg("some are still being waited for");
    }
    for (int i = 0; i < SLOW + STALLED; i++) close(fds[i]);
    load_wait_until_idle(s.port, 30);
    assert_float_equal(STALLED, metric(s.port, "minerva_requests_cancelled_total"), 0);
    assert_int_equal(0, server_stop(&s, SIGTERM, 60));
}

static void clients_that_go_away_leave_nothing_behind(void **state)
{
    test_server s;
    load_server_start(&s, 1000, 0, 64, 4000, 10);
    load_health_p99(s.port, 10);
    load_wait_until_idle(s.port, 10);
    int before = load_descriptors_of(s.pid);
    load_disconnects(s.port, 2000, 1);
    load_wait_until_idle(s.port, 60);
    double accepted = metric(s.port, "minerva_requests_finished_total")
                      + metric(s.port, "minerva_requests_cancelled_total");
    assert_true(accepted > 200);
    usleep(100000);
    assert_in_range(load_descriptors_of(s.pid), before - 2, before + 2);
    load_client *c = load_streams(s.port, 64, 10, 30);  /* every slot is free again */
    load_expect_good(c, 64);
    free(c);
    assert_int_equal(0, server_stop(&s, SIGTERM, 60));
}

/* The end, with more going on than can be finished: nobody is left without a word. */
static void draining_finishes_streams_and_takes_no_new_ones(void **state)
{
    enum { N = 100 };
    test_server s;
    load_server_start(&s, 5000, 0, N, N, 10);
    load_client *c = calloc(N, sizeof *c);
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < N; i++) load_start(&c[i], s.port, poll_fd, i, 200);
    while (c[N - 1].n_seen == 0) load_poll(poll_fd, 100);
    kill(s.pid, SIGTERM);
    while (load_count(c, N, LOAD_OPEN)) load_poll(poll_fd, 100);
    load_expect_good(c, N);
    close(poll_fd);
    free(c);
    assert_int_equal(0, server_stop(&s, 0, 20));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_neither_lost_nor_mixed_nor_reordered),
        cmocka_unit_test(idle_connections_are_small_and_in_nobodys_way),
        cmocka_unit_test(what_is_too_much_is_refused_and_what_was_accepted_is_finished),
        cmocka_unit_test(clients_that_dawdle_are_closed_and_delay_nobody),
        cmocka_unit_test(clients_that_go_away_leave_nothing_behind),
        cmocka_unit_test(draining_finishes_streams_and_takes_no_new_ones),
    };
    if (access("tests/data/models/stories260k.gguf", R_OK) || load_most_clients() < 5000) {
        printf("skipped: test_load: the model or 5,000 descriptors are not there\n");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
