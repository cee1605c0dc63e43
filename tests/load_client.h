/* Many clients at once against tests/load_server, from one thread with epoll.
 *
 * Every client sends one request for a stream with a tag of its own and checks that exactly
 * its tokens come, in order, none missing and none twice (clockwork.c says what they are). */
#ifndef TESTS_LOAD_CLIENT_H
#define TESTS_LOAD_CLIENT_H

#include "tests/http_client.h"

#include <sys/epoll.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LOAD_SANITIZED 1
#else
#define LOAD_SANITIZED 0
#endif

typedef enum { LOAD_OPEN, LOAD_GOOD, LOAD_REFUSED, LOAD_BAD } load_end;

typedef struct {
    int fd;
    long tag;
    int n_wanted, n_seen;
    char tail[512];             /* received, not yet understood */
    size_t n_tail;
    int status;
    load_end end;
    double sent_s, first_s, end_s;
    char why[80];
} load_client;

static inline void load_server_start(test_server *s, int tick_us, int piece_bytes, int running,
                                     int queued, int header_timeout_s)
{
    char text[5][16];
    char *argv[8] = { NULL, "tests/data/models/stories260k.gguf" };
    int values[] = { tick_us, piece_bytes, running, queued, header_timeout_s };
    for (int i = 0; i < 5; i++) {
        snprintf(text[i], sizeof text[i], "%d", values[i]);
        argv[2 + i] = text[i];
    }
    server_run(s, "tests/load_server", argv);
}

/* As many descriptors as there may be; how many clients that allows. */
static inline int load_most_clients(void)
{
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    return l.rlim_cur > 200000 ? 200000 : (int)l.rlim_cur - 100;
}

static inline int load_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a)) fail_msg("connect: %s", strerror(errno));
    return fd;
}

static inline size_t load_request(char *out, size_t size, long tag, int n_tokens)
{
    char body[200];
    int n = snprintf(body, sizeof body, "{\"prompt\":\"tag=%ld\",\"max_tokens\":%d,\"stream\":true}",
                     tag, n_tokens);
    return (size_t)snprintf(out, size, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n, body);
}

static inline void load_finish(load_client *c, load_end end, const char *why)
{
    c->end = end;
    c->end_s = seconds();
    snprintf(c->why, sizeof c->why, "%.79s", why);
    close(c->fd);
    c->fd = -1;
}

static inline void load_event(load_client *c, const char *line)
{
    char want[64];
    const char *text = strstr(line, "\"text\":\"");
    if (!strncmp(line, "data: [DONE]", 12)) {
        bool all = c->n_seen == c->n_wanted;
        load_finish(c, all ? LOAD_GOOD : LOAD_BAD, all ? "" : "tokens are missing");
        return;
    }
    if (!text || text[8] == '"') return;        /* the role, or the end */
    snprintf(want, sizeof want, "%ld:%d;", c->tag, c->n_seen++);
    if (!c->first_s) c->first_s = seconds();
    if (strncmp(text + 8, want, strlen(want))) load_finish(c, LOAD_BAD, text);
}

/* Lines as they come; chunk sizes are lines of their own and mean nothing here. */
static inline void load_take(load_client *c, char *data, size_t n)
{
    for (size_t i = 0; i < n && c->end == LOAD_OPEN; i++) {
        if (data[i] != '\n') {
            if (c->n_tail < sizeof c->tail - 1) c->tail[c->n_tail++] = data[i];
            continue;
        }
        c->tail[c->n_tail] = 0;
        c->n_tail = 0;
        if (!c->status && sscanf(c->tail, "HTTP/1.1 %d", &c->status) == 1) continue;
        if (c->status == 429 && !strncmp(c->tail, "Retry-After: ", 13)) {
            load_finish(c, LOAD_REFUSED, "");
        } else if (c->status && c->status != 200 && c->status != 429) {
            load_finish(c, LOAD_BAD, c->tail);
        } else if (!strncmp(c->tail, "data: ", 6)) {
            load_event(c, c->tail);
        }
    }
}

static inline void load_start(load_client *c, int port, int poll_fd, long tag, int n_tokens)
{
    char text[512];
    *c = (load_client){ .fd = load_connect(port), .tag = tag, .n_wanted = n_tokens };
    size_t n = load_request(text, sizeof text, tag, n_tokens);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    c->sent_s = seconds();
    assert_int_equal(n, send(c->fd, text, n, MSG_NOSIGNAL));
    assert_int_equal(0, epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &e));
}

/* Reads what is there, for `wait_ms` at most. */
static inline void load_poll(int poll_fd, int wait_ms)
{
    static char data[65536];
    struct epoll_event events[256];
    int n = epoll_wait(poll_fd, events, 256, wait_ms);
    for (int i = 0; i < n; i++) {
        load_client *c = events[i].data.ptr;
        if (c->end != LOAD_OPEN) continue;
        ssize_t k = recv(c->fd, data, sizeof data, 0);
        if (k > 0) load_take(c, data, (size_t)k);
        else load_finish(c, LOAD_BAD, "the connection ended");
    }
}

static inline int load_count(const load_client *c, int n, load_end end)
{
    int count = 0;
    for (int i = 0; i < n; i++) count += c[i].end == end;
    return count;
}

/* n clients at once with streams of n_tokens; all have come to an end afterwards. */
static inline load_client *load_streams(int port, int n, int n_tokens, int limit_s)
{
    load_client *c = calloc((size_t)n, sizeof *c);
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < n; i++) {
        load_start(&c[i], port, poll_fd, 100000 + i, n_tokens);
        if (i % 16 == 15) load_poll(poll_fd, 0);
    }
    for (double end = seconds() + limit_s; load_count(c, n, LOAD_OPEN);) {
        load_poll(poll_fd, 100);
        if (seconds() > end) fail_msg("%d of %d streams did not end", load_count(c, n, LOAD_OPEN), n);
    }
    close(poll_fd);
    return c;
}

static inline void load_expect_good(const load_client *c, int n)
{
    for (int i = 0; i < n; i++)
        if (c[i].end != LOAD_GOOD)
            fail_msg("client %d after %d tokens: status %d: %s", i, c[i].n_seen, c[i].status, c[i].why);
}

static inline int load_by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The q-quantile; sorts v. */
static inline double load_quantile(double *v, int n, double q)
{
    qsort(v, (size_t)n, sizeof *v, load_by_size);
    return n ? v[(int)(q * (n - 1))] : 0;
}

static inline double load_health_p99(int port, int n)
{
    double *v = calloc((size_t)n, sizeof *v);
    for (int i = 0; i < n; i++) {
        double start = seconds();
        reply r = ask(port, "/health", NULL);
        v[i] = seconds() - start;
        assert_int_equal(200, r.status);
        reply_clear(&r);
    }
    double p99 = load_quantile(v, n, 0.99);
    free(v);
    return p99;
}

/* A number of /proc/PID/status, as "VmRSS:" in KB. */
static inline long load_status_of(pid_t pid, const char *name)
{
    char path[64], row[256];
    long value = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(row, sizeof row, f))
        if (!strncmp(row, name, strlen(name))) value = atol(row + strlen(name));
    if (f) fclose(f);
    return value;
}

static inline int load_descriptors_of(pid_t pid)
{
    char path[64];
    int n = 0;
    for (int fd = 0; fd < 40000; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        n += access(path, F_OK) == 0 || errno == EACCES;
    }
    return n;
}

/* Bytes of the server's memory per idle connection, of n. */
static inline double load_idle_bytes(const test_server *s, int *fds, int n)
{
    long before = load_status_of(s->pid, "VmRSS:");
    for (int i = 0; i < n; i++) fds[i] = load_connect(s->port);
    reply r = ask(s->port, "/health", NULL);    /* all before it were accepted */
    assert_int_equal(200, r.status);
    reply_clear(&r);
    return (double)(load_status_of(s->pid, "VmRSS:") - before) * 1024 / n;
}

/* n clients that go away at any moment, by RST or FIN. */
static inline void load_disconnects(int port, int n, unsigned seed)
{
    char text[512], data[4096];
    for (int i = 0; i < n; i++) {
        int fd = load_connect(port);
        size_t len = load_request(text, sizeof text, i, 1 + (int)(rand_r(&seed) % 40));
        size_t sent = rand_r(&seed) % 3 ? len : rand_r(&seed) % len;
        if (sent && send(fd, text, sent, MSG_NOSIGNAL) < 0) fail_msg("send: %s", strerror(errno));
        if (sent == len && rand_r(&seed) % 2) usleep(rand_r(&seed) % 3000);
        if (rand_r(&seed) % 4 == 0 && recv(fd, data, sizeof data, MSG_DONTWAIT) < 0) errno = 0;
        struct linger reset = { 1, 0 };
        if (rand_r(&seed) % 2) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
}

/* Until the server has nothing to do any more. */
static inline void load_wait_until_idle(int port, int limit_s)
{
    for (double end = seconds() + limit_s;; usleep(50000)) {
        double busy = metric(port, "minerva_requests_running") + metric(port, "minerva_requests_queued")
                      + metric(port, "minerva_connections") - 1;
        if (busy == 0) return;
        if (seconds() > end) fail_msg("%g requests or connections are left", busy);
    }
}

/* Clients that send a byte now and then: slow[0..n) are in the middle of their headers,
 * those behind them never read the long streams that they asked for. */
static inline void load_hinder(int port, int *fds, int n_slow, int n_stalled)
{
    char text[512];
    for (int i = 0; i < n_slow; i++) {
        fds[i] = load_connect(port);
        send(fds[i], "GET /health HTTP/1.1\r\nHost: loc", 31, MSG_NOSIGNAL);
    }
    for (int i = n_slow; i < n_slow + n_stalled; i++) {
        int small = 2048;
        fds[i] = load_connect(port);
        setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        size_t n = load_request(text, sizeof text, 7, 2000000);
        send(fds[i], text, n, MSG_NOSIGNAL);
    }
}

#endif
