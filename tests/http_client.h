/* A server under test and a client that sends exactly the bytes it is told to.
 *
 * The server is build/minerva (beside the test program), on a free port, its log in a
 * temporary file.  Every wait has a limit, so that a hang is a failure. */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include "tests/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

typedef struct {
    pid_t pid;
    int port;
    char log[64];
} test_server;

typedef struct {
    int status;                 /* 0: the connection ended without an answer */
    char *head, *body;          /* 0-terminated */
    size_t len;
    bool whole;                 /* the answer came to its end */
} reply;

enum { WAIT_MS = 60000 };

static inline double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline int port_in_log(const char *path)
{
    char text[4096] = "";
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    const char *at = strstr(text, "serving at http");
    at = at ? strrchr(at, ':') : NULL;
    return at && strchr(at, '\n') ? atoi(at + 1) : 0;
}

/* program: beside the folder of this test program; argv[0] is set to it. */
static inline void server_run(test_server *s, const char *program, char **argv)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 64);
    assert_true(n > 0);
    exe[n] = 0;
    *strrchr(exe, '/') = 0;
    strcpy(strrchr(exe, '/') + 1, program);
    argv[0] = exe;
    strcpy(s->log, "/tmp/minerva-serve-XXXXXX");
    int log = mkstemp(s->log);
    assert_true(log >= 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        char home[200];                 /* of its own: what is in the user's is not ours */
        snprintf(home, sizeof home, "%s.home", s->log);
        mkdir(home, 0700);
        setenv("MINERVA_HOME", home, 1);
        dup2(log, 1);
        dup2(log, 2);
        execv(exe, argv);
        _exit(127);
    }
    close(log);
    double end = seconds() + 60;
    while (!(s->port = port_in_log(s->log))) {
        int status;
        if (waitpid(s->pid, &status, WNOHANG) || seconds() > end)
            fail_msg("the server did not start; its log is %s", s->log);
        usleep(20000);
    }
}

/* args: what stands behind "serve", ending with NULL. */
static inline void server_start(test_server *s, const char *const *args)
{
    char *argv[40] = { NULL, "serve", "--port", "0", "--disk-cache", "0" };
    for (int i = 0; args[i]; i++) argv[6 + i] = (char *)args[i];
    server_run(s, "minerva", argv);
}

/* The exit code after `signal`, or -1 if it had to be killed. */
static inline int server_stop(test_server *s, int signal, int wait_s)
{
    int status = 0;
    if (signal) kill(s->pid, signal);
    for (double end = seconds() + wait_s; seconds() < end; usleep(10000))
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            char command[300];
            snprintf(command, sizeof command, "rm -rf %s.home", s->log);
            if (system(command) != 0) printf("%s.home could not be removed\n", s->log);
            unlink(s->log);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
        }
    kill(s->pid, SIGKILL);
    waitpid(s->pid, &status, 0);
    return -1;
}

/* ---- connections ------------------------------------------------------------------- */

typedef struct {
    int fd;
    char *data;                 /* received, not yet consumed */
    size_t n, capacity;
    bool ended;
} client;

static inline client client_open(int port)
{
    client c = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_true(c.fd >= 0);
    assert_int_equal(0, connect(c.fd, (struct sockaddr *)&a, sizeof a));
    return c;
}

static inline void client_close(client *c)
{
    close(c->fd);
    free(c->data);
}

static inline bool client_send(client *c, const char *bytes, size_t n)
{
    while (n) {
        ssize_t k = send(c->fd, bytes, n, MSG_NOSIGNAL);
        if (k <= 0) return false;
        bytes += k;
        n -= (size_t)k;
    }
    return true;
}

/* More bytes; false: the connection ended. */
static inline bool client_receive(client *c)
{
    struct pollfd p = { c->fd, POLLIN, 0 };
    if (c->n + 65536 > c->capacity) {
        c->capacity = 2 * c->capacity + 65536;
        c->data = realloc(c->data, c->capacity + 1);
        assert_non_null(c->data);
    }
    if (poll(&p, 1, WAIT_MS) <= 0) fail_msg("no answer within %d s", WAIT_MS / 1000);
    ssize_t k = recv(c->fd, c->data + c->n, 65536, 0);
    if (k > 0) c->n += (size_t)k;
    else c->ended = true;
    c->data[c->n] = 0;
    return k > 0;
}

static inline void client_drop(client *c, size_t n)
{
    memmove(c->data, c->data + n, c->n - n + 1);
    c->n -= n;
}

/* Until `text` has come; everything up to its end. */
static inline bool client_wait_for(client *c, const char *text)
{
    while (!c->data || !strstr(c->data, text))
        if (!client_receive(c)) return false;
    return true;
}

/* Chunked data at c->data[at...]; payload is collected in r. */
static inline size_t read_chunks(client *c, size_t at, reply *r)
{
    for (;;) {
        char *line;
        while (!(line = strstr(c->data + at, "\r\n")))
            if (!client_receive(c)) return at;
        size_t n = strtoul(c->data + at, NULL, 16), body = (size_t)(line - c->data) + 2;
        while (c->n < body + n + 2)
            if (!client_receive(c)) return at;
        r->body = realloc(r->body, r->len + n + 1);
        memcpy(r->body + r->len, c->data + body, n);
        r->len += n;
        r->body[r->len] = 0;
        at = body + n + 2;
        if (n == 0) {
            r->whole = true;
            return at;
        }
    }
}

static inline reply client_reply(client *c, bool has_body)
{
    reply r = { 0 };
    if (!client_wait_for(c, "\r\n\r\n")) return r;
    size_t head = (size_t)(strstr(c->data, "\r\n\r\n") - c->data) + 4;
    r.head = strndup(c->data, head);
    sscanf(r.head, "HTTP/1.1 %d", &r.status);
    if (r.status == 100) {
        free(r.head);
        client_drop(c, head);
        return client_reply(c, has_body);
    }
    const char *length = strcasestr(r.head, "content-length:");
    if (strcasestr(r.head, "transfer-encoding: chunked")) {
        r.body = strdup("");
        client_drop(c, read_chunks(c, head, &r));
    } else {
        size_t n = length && has_body ? strtoul(length + 15, NULL, 10) : 0;
        while (c->n < head + n && client_receive(c)) continue;
        r.whole = c->n >= head + n;
        r.len = r.whole ? n : c->n - head;
        r.body = malloc(r.len + 1);
        memcpy(r.body, c->data + head, r.len);
        r.body[r.len] = 0;
        client_drop(c, head + r.len);
    }
    return r;
}

static inline void reply_clear(reply *r)
{
    free(r->head);
    free(r->body);
    *r = (reply){ 0 };
}

/* One request of any bytes on a connection of its own. */
static inline reply send_raw(int port, const char *bytes, size_t n)
{
    client c = client_open(port);
    client_send(&c, bytes, n);
    reply r = client_reply(&c, strncmp(bytes, "HEAD ", 5));
    client_close(&c);
    return r;
}

/* headers: further lines, each with CRLF; body NULL: none.  A Host line is added unless
 * there is one. */
static inline char *request_text(const char *method, const char *path, const char *headers,
                                 const char *body)
{
    char *text;
    if (asprintf(&text, "%s %s HTTP/1.1\r\n%s%s%s%s%zu\r\n\r\n%s", method, path,
                 strcasestr(headers, "host:") ? "" : "Host: localhost\r\n", headers,
                 body && !strcasestr(headers, "content-type:")
                     ? "Content-Type: application/json\r\n" : "",
                 "Content-Length: ", body ? strlen(body) : 0, body ? body : "") < 0) abort();
    return text;
}

static inline reply ask_with(int port, const char *method, const char *path, const char *headers,
                             const char *body)
{
    char *text = request_text(method, path, headers, body);
    reply r = send_raw(port, text, strlen(text));
    free(text);
    return r;
}

static inline reply ask(int port, const char *path, const char *body)
{
    return ask_with(port, body ? "POST" : "GET", path, "", body);
}

/* The JSON of an answer that must have this status. */
static inline json_t *json_of(reply r, int status)
{
    json_error_t why;
    if (r.status != status) fail_msg("status %d expected, %d found: %s", status, r.status, r.body);
    json_t *v = json_loads(r.body, 0, &why);
    if (!v) fail_msg("JSON expected: %s: %s", why.text, r.body);
    reply_clear(&r);
    return v;
}

/* "choices.0.message.content" of a JSON value; borrowed. */
static inline json_t *at(json_t *v, const char *path)
{
    char part[64];
    while (v && *path) {
        size_t n = strcspn(path, ".");
        snprintf(part, sizeof part, "%.*s", (int)n, path);
        v = json_is_array(v) ? json_array_get(v, (size_t)atoi(part)) : json_object_get(v, part);
        path += n + (path[n] == '.');
    }
    return v;
}

static inline const char *text_at(json_t *v, const char *path)
{
    const char *s = json_string_value(at(v, path));
    if (!s) {
        char *all = json_dumps(v, JSON_COMPACT);
        fail_msg("a string expected at %s: %s", path, all);
    }
    return s;
}

static inline int64_t int_at(json_t *v, const char *path)
{
    if (!json_is_integer(at(v, path))) {
        char *all = json_dumps(v, JSON_COMPACT);
        fail_msg("a whole number expected at %s: %s", path, all);
    }
    return json_integer_value(at(v, path));
}

/* The next "data: ..." of a stream at *at, as JSON; NULL at [DONE] or the end. */
static inline json_t *next_event(const char **text)
{
    const char *line = strstr(*text, "data: ");
    if (!line || !strncmp(line, "data: [DONE]", 12)) return NULL;
    const char *end = strstr(line, "\n\n");
    *text = end ? end + 2 : line + strlen(line);
    json_t *v = json_loadb(line + 6, (size_t)(*text - line) - 6, 0, NULL);
    if (!v) fail_msg("JSON expected: %s", line);
    return v;
}

/* A Prometheus counter, summed over its labels. */
static inline double metric(int port, const char *name)
{
    reply r = ask(port, "/metrics", NULL);
    double sum = 0;
    assert_int_equal(200, r.status);
    for (const char *p = r.body; (p = strstr(p, name)); p += strlen(name)) {
        if (p != r.body && p[-1] != '\n') continue;
        const char *space = strchr(p, ' ');
        if (space) sum += atof(space);
    }
    reply_clear(&r);
    return sum;
}

#endif
