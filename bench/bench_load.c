/* How the server holds up under load, with a scheduler on a fixed clock (tests/clockwork.c):
 * the figures of docs/server.md.  What must hold in any case, tests/test_load.c checks. */
#include "tests/load_client.h"

static void streams(void)
{
    enum { N = 2000, TOKENS = 50 };
    test_server s;
    double first[N];
    load_server_start(&s, 50000, 0, N, N, 10);
    double start = seconds();
    load_client *c = load_streams(s.port, N, TOKENS, 300);
    load_expect_good(c, N);
    for (int i = 0; i < N; i++) first[i] = c[i].first_s - c[i].sent_s;
    printf("streams: %d at once, %d tokens each (one per 50 ms): %.1f s in all, first token p50 "
           "%.0f ms, p99 %.0f ms\n", N, TOKENS, seconds() - start,
           1e3 * load_quantile(first, N, 0.5), 1e3 * load_quantile(first, N, 0.99));
    free(c);
    server_stop(&s, SIGTERM, 60);
}

static void idle(void)
{
    int n = load_most_clients() < 10000 ? load_most_clients() : 10000;
    test_server s;
    int *fds = calloc((size_t)n, sizeof *fds);
    load_server_start(&s, 5000, 0, 32, 64, 60);
    double alone = load_health_p99(s.port, 1000);
    double each = load_idle_bytes(&s, fds, n), p99 = load_health_p99(s.port, 1000);
    printf("idle: %d connections, %.0f bytes each; /health p99 %.2f ms (without them %.2f ms)\n",
           n, each, 1e3 * p99, 1e3 * alone);
    for (int i = 0; i < n; i++) close(fds[i]);
    free(fds);
    server_stop(&s, SIGTERM, 60);
}

static void overload(void)
{
    enum { RUNNING = 32, QUEUED = 64, N = 10 * (RUNNING + QUEUED) };
    test_server s;
    double wait[N];
    int n = 0;
    load_server_start(&s, 10000, 0, RUNNING, QUEUED, 10);
    load_client *c = load_streams(s.port, N, 100, 120);
    for (int i = 0; i < N; i++)
        if (c[i].end == LOAD_REFUSED) wait[n++] = c[i].end_s - c[i].sent_s;
    printf("overload: %d requests at once for %d places: %d finished, %d refused, %d else; "
           "refused within p50 %.1f ms, p99 %.1f ms, max %.1f ms\n", N, RUNNING + QUEUED,
           load_count(c, N, LOAD_GOOD), n, load_count(c, N, LOAD_BAD),
           1e3 * load_quantile(wait, n, 0.5), 1e3 * load_quantile(wait, n, 0.99),
           1e3 * load_quantile(wait, n, 1));
    free(c);
    server_stop(&s, SIGTERM, 60);
}

static double honest_p99(int port)
{
    enum { N = 100 };
    double whole[N];
    load_client *c = load_streams(port, N, 50, 60);
    load_expect_good(c, N);
    for (int i = 0; i < N; i++) whole[i] = c[i].end_s - c[i].sent_s;
    free(c);
    return load_quantile(whole, N, 0.99);
}

static void dawdlers(void)
{
    enum { SLOW = 1000, STALLED = 100 };
    test_server s;
    int fds[SLOW + STALLED];
    load_server_start(&s, 20000, 1000, 300, 300, 5);
    double alone = honest_p99(s.port);
    load_hinder(s.port, fds, SLOW, STALLED);
    double hindered = honest_p99(s.port);
    printf("dawdlers: %d slow headers, %d stalled readers: honest streams' p99 %.0f ms, without "
           "them %.0f ms: %.2f times\n", SLOW, STALLED, 1e3 * hindered, 1e3 * alone,
           hindered / alone);
    for (int i = 0; i < SLOW + STALLED; i++) close(fds[i]);
    server_stop(&s, SIGTERM, 60);
}

static void disconnects(void)
{
    enum { N = 10000 };
    test_server s;
    load_server_start(&s, 1000, 0, 64, 4000, 10);
    load_disconnects(s.port, 500, 2);           /* so that pools have their size */
    load_wait_until_idle(s.port, 60);
    long memory = load_status_of(s.pid, "VmRSS:");
    int fds = load_descriptors_of(s.pid);
    double start = seconds();
    load_disconnects(s.port, N, 1);
    load_wait_until_idle(s.port, 60);
    printf("disconnects: %d in %.1f s: %d descriptors more, %ld KB more, 0 requests left\n", N,
           seconds() - start, load_descriptors_of(s.pid) - fds,
           load_status_of(s.pid, "VmRSS:") - memory);
    server_stop(&s, SIGTERM, 60);
}

int main(void)
{
    if (access("tests/data/models/stories260k.gguf", R_OK)) {
        printf("load: the test model is not there (run it in the checkout)\n");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    load_most_clients();
    streams();
    idle();
    overload();
    dawdlers();
    disconnects();
    return 0;
}
