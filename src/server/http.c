/* Connections on libevent; see http.h.
 *
 *   (new) -> HANDSHAKE (TLS only)
 *            accept                 head complete         body complete
 *   (new) ----------> READ_HEAD ------------------> READ_BODY --------> HANDLE
 *                         ^                                               | answer begun
 *                         +------ keep-alive, answer sent ----- ANSWER <--+
 *
 * A connection has one request at a time; pipelined bytes wait in the input buffer.  One
 * timer per connection serves whichever deadline is in force.
 */
#include "server/http.h"
#include "base/clock.h"
#include "base/status.h"
#include "server/http_parse.h"
#include "server/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BODY_RATE_PERIOD_S = 5, CLOSE_LINGER_S = 2 };

typedef enum { HANDSHAKE, READ_HEAD, READ_BODY, HANDLE, ANSWER, CLOSING } conn_state;

struct mn_http_conn {
    mn_http *http;
    struct bufferevent *bev;
    struct event *timer;
    conn_state state;
    bool keep_alive;
    bool ended;                 /* the client has closed its side */
    bool started;               /* bytes of a head are there: the header deadline runs */
    mn_http_request *request;
    mn_http_framing framing;
    mn_http_chunks chunks;
    mn_buffer body;
    size_t body_at_check;       /* for the minimum rate */
    mn_http_conn *next, *prev;
};

typedef struct post {
    struct post *next;
    void (*fn)(void *);
    void *arg;
} post;

typedef struct timer_entry {
    struct timer_entry *next;
    struct event *event;
    void (*fn)(void *);
    void *arg;
} timer_entry;

struct mn_http {
    mn_http_options o;
    struct event_base *base;
    mn_tls *tls;                /* NULL: plain */
    struct evconnlistener *listener;
    int port;
    mn_http_conn *conns;
    mn_http_stats stats;
    uint64_t next_id;
    uint32_t boot;
    bool stopping;              /* no keep-alive any more */
    timer_entry *timers;
    int wake_fd;
    struct event *wake;
    pthread_mutex_t mutex;
    post *posts_first, *posts_last;     /* under mutex */
};

static void conn_next_request(mn_http_conn *c);
static void conn_read(mn_http_conn *c);

static void set_timer(mn_http_conn *c, int seconds)
{
    struct timeval tv = { seconds, 0 };
    evtimer_add(c->timer, &tv);
}

/* ---- ends -------------------------------------------------------------------------- */

/* The request loses its connection; if nobody handles it yet, it is freed. */
static void drop_request(mn_http_conn *c)
{
    mn_http_request *r = c->request;
    if (!r) return;
    c->request = NULL;
    r->conn = NULL;
    if (c->state == READ_HEAD || c->state == READ_BODY) mn_http_request_free(r);
    else if (r->on_gone) r->on_gone(r);
}

static void conn_free(mn_http_conn *c)
{
    mn_http *h = c->http;
    if (c->prev) c->prev->next = c->next;
    else h->conns = c->next;
    if (c->next) c->next->prev = c->prev;
    h->stats.n_connections--;
    drop_request(c);
    mn_buffer_clear(&c->body);
    if (c->timer) event_free(c->timer);
    if (c->bev) bufferevent_free(c->bev);
    free(c);
}

static void end_our_side(mn_http_conn *c)
{
    if (c->http->tls) mn_tls_say_end(c->bev);
    shutdown(bufferevent_getfd(c->bev), SHUT_WR);
}

/* The client has sent its last; ours may still have to go out. */
static void conn_end_if_flushed(mn_http_conn *c)
{
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0) conn_free(c);
}

/* Let what is written go out, then close our side and wait a little for the other: closing
 * with unread bytes of the client's would reset the connection, and the client would lose
 * the answer that told it why. */
static void conn_close_after_output(mn_http_conn *c)
{
    c->state = CLOSING;
    evbuffer_drain(bufferevent_get_input(c->bev), SIZE_MAX);
    set_timer(c, CLOSE_LINGER_S);
    if (c->ended) conn_end_if_flushed(c);
    else if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0) end_our_side(c);
}

static void report_finished(mn_http *h, const mn_http_request *r)
{
    if (h->o.finished) h->o.finished(h->o.ctx, r);
}

/* ---- answers ----------------------------------------------------------------------- */

static const char *reason(int status)
{
    static const struct { int status; const char *text; } known[] = {
        { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
        { 304, "Not Modified" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
        { 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
        { 408, "Request Timeout" }, { 409, "Conflict" }, { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" }, { 417, "Expectation Failed" },
        { 421, "Misdirected Request" }, { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" }, { 501, "Not Implemented" },
        { 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status) return known[i].text;
    return "Status";
}

static void write_head(mn_http_conn *c, int status, const char *content_type, const char *extra,
                       bool chunked, size_t len, const mn_http_request *r)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    mn_http_request none = { .id = c->http->next_id, .boot = c->http->boot };
    char name[40];
    mn_http_request_name(r ? r : &none, name);
    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nX-Request-Id: %s\r\n", status, reason(status),
                        name);
    if (r && r->origin)
        evbuffer_add_printf(out, "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n", r->origin);
    if (content_type) evbuffer_add_printf(out, "Content-Type: %s\r\n", content_type);
    if (chunked) evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
    else if (status != 204) evbuffer_add_printf(out, "Content-Length: %zu\r\n", len);
    evbuffer_add_printf(out, "X-Content-Type-Options: nosniff\r\n%s%s\r\n",
                        c->keep_alive ? "" : "Connection: close\r\n", extra ? extra : "");
}

static void answer_done(mn_http_conn *c)
{
    mn_http_request *r = c->request;
    report_finished(c->http, r);
    c->request = NULL;
    r->conn = NULL;
    if (c->keep_alive && !c->http->stopping) conn_next_request(c);
    else conn_close_after_output(c);
}

/* A client that does not read: its output is ours to keep, so it has a bound. */
static bool too_slow(mn_http_conn *c)
{
    size_t waiting = evbuffer_get_length(bufferevent_get_output(c->bev));
    if (waiting <= c->http->o.max_unread_bytes) return false;
    c->http->stats.n_slow_readers++;
    return true;
}

void mn_http_respond(mn_http_request *r, int status, const char *content_type,
                     const char *extra, const void *body, size_t len)
{
    mn_http_conn *c = r->conn;
    r->status = status;
    if (!c) return;
    c->state = ANSWER;
    bool head_only = r->method && !strcmp(r->method, "HEAD");
    write_head(c, status, content_type, extra, false, len, r);
    if (!head_only) bufferevent_write(c->bev, body, len);
    r->sent_bytes = head_only ? 0 : len;
    answer_done(c);
}

void mn_http_stream_begin(mn_http_request *r, int status, const char *content_type,
                          const char *extra)
{
    mn_http_conn *c = r->conn;
    r->status = status;
    r->streaming = true;
    if (!c) return;
    c->state = ANSWER;
    write_head(c, status, content_type, extra, true, 0, r);
}

void mn_http_stream_write(mn_http_request *r, const void *data, size_t len)
{
    mn_http_conn *c = r->conn;
    if (!c || !len) return;
    struct evbuffer *out = bufferevent_get_output(c->bev);
    evbuffer_add_printf(out, "%zx\r\n", len);
    evbuffer_add(out, data, len);
    evbuffer_add(out, "\r\n", 2);
    r->sent_bytes += len;
    if (too_slow(c)) mn_http_abort(r);
}

void mn_http_stream_end(mn_http_request *r)
{
    mn_http_conn *c = r->conn;
    if (!c) return;
    bufferevent_write(c->bev, "0\r\n\r\n", 5);
    answer_done(c);
}

void mn_http_abort(mn_http_request *r)
{
    mn_http_conn *c = r->conn;
    if (!c) return;
    report_finished(c->http, r);
    conn_free(c);
}

void mn_http_request_free(mn_http_request *r)
{
    if (!r) return;
    if (r->conn) {
        r->conn->request = NULL;
        conn_free(r->conn);
    }
    free(r->body);
    free(r->head);
    free(r);
}

/* Refuse what could not become a request, and close. */
static void refuse(mn_http_conn *c, int status, const char *why)
{
    mn_buffer body = { 0 };
    c->http->stats.n_refused++;
    mn_buffer_append_str(&body, "{\"error\":{\"message\":");
    mn_buffer_append_json(&body, why, strlen(why));
    mn_buffer_append_str(&body, ",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}");
    c->keep_alive = false;
    write_head(c, status, "application/json", NULL, false, body.len, NULL);
    bufferevent_write(c->bev, body.data, body.len);
    mn_buffer_clear(&body);
    if (c->request) {
        c->request->status = status;
        report_finished(c->http, c->request);
    }
    drop_request(c);
    conn_close_after_output(c);
}

/* ---- reading ----------------------------------------------------------------------- */

static void dispatch(mn_http_conn *c)
{
    mn_http_request *r = c->request;
    r->body = mn_buffer_take(&c->body, &r->body_len);
    if (!r->body) {
        refuse(c, 503, "out of memory");
        return;
    }
    evtimer_del(c->timer);
    c->state = HANDLE;
    c->http->stats.n_requests++;
    c->http->o.handle(c->http->o.ctx, r);
}

/* Bytes of the head including the empty line; 0: not all there, -1: too long. */
static ssize_t head_length(const mn_http_conn *c, struct evbuffer *in)
{
    size_t have = evbuffer_get_length(in), most = c->http->o.max_header_bytes;
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0) {
        /* A bare "\n\n" would never end; refuse it instead of waiting. */
        struct evbuffer_ptr bare = evbuffer_search(in, "\n\n", 2, NULL);
        if (bare.pos >= 0) return bare.pos + 2;
        return have > most ? -1 : 0;
    }
    return (size_t)end.pos + 4 > most ? -1 : end.pos + 4;
}

static void name_peer(const mn_http_conn *c, mn_http_request *r)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    char host[48] = "?", port[8] = "?";
    if (getpeername(bufferevent_getfd(c->bev), (struct sockaddr *)&a, &len) == 0)
        getnameinfo((struct sockaddr *)&a, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(r->peer, sizeof r->peer, "%s:%s", host, port);
}

/* false: nothing more can be done with the input now. */
static bool read_head(mn_http_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    const char *why = "";
    if (evbuffer_get_length(in) && !c->started) {
        c->started = true;
        set_timer(c, c->http->o.header_timeout_s);
    }
    ssize_t len = head_length(c, in);
    if (len == 0) return false;
    if (len < 0) {
        refuse(c, 431, "the headers are too large");
        return false;
    }
    mn_http_request *r = calloc(1, sizeof *r);
    const char *head = (const char *)evbuffer_pullup(in, len);
    if (!r || !head) {
        free(r);
        refuse(c, 503, "out of memory");
        return false;
    }
    c->request = r;
    r->conn = c;
    r->id = ++c->http->next_id;
    r->boot = c->http->boot;
    r->arrived_s = mn_clock_s();
    name_peer(c, r);
    int status = mn_http_parse_head(r, head, (size_t)len, &c->framing, &why);
    evbuffer_drain(in, (size_t)len);
    if (status) {
        refuse(c, status, why);
        return false;
    }
    c->keep_alive = c->framing.keep_alive;
    if (c->framing.content_length > c->http->o.max_body_bytes) {
        refuse(c, 413, "the body is too large");
        return false;
    }
    if (c->framing.expect_continue && (c->framing.chunked || c->framing.content_length))
        bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    c->chunks = (mn_http_chunks){ 0 };
    c->body_at_check = 0;
    c->state = READ_BODY;
    set_timer(c, BODY_RATE_PERIOD_S);
    return true;
}

static bool read_body(mn_http_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    const char *why = "";
    if (!c->framing.chunked) {
        size_t want = (size_t)c->framing.content_length - c->body.len;
        size_t n = evbuffer_get_length(in) < want ? evbuffer_get_length(in) : want;
        if (n && mn_buffer_reserve(&c->body, n)) {
            evbuffer_remove(in, c->body.data + c->body.len, n);
            c->body.len += n;
            c->body.data[c->body.len] = 0;
        }
        if (c->body.failed) {
            refuse(c, 503, "out of memory");
            return false;
        }
        if (c->body.len < c->framing.content_length) return false;
        dispatch(c);
        return false;       /* the answer decides how it goes on */
    }
    for (;;) {
        struct evbuffer_iovec piece;
        if (evbuffer_peek(in, -1, NULL, &piece, 1) < 1 || !piece.iov_len) return false;
        size_t used = 0;
        int status = mn_http_feed_chunks(&c->chunks, piece.iov_base, piece.iov_len, &c->body,
                                         c->http->o.max_body_bytes, &used, &why);
        if (status) {
            refuse(c, status, why);
            return false;
        }
        evbuffer_drain(in, used);
        if (c->chunks.done) {
            dispatch(c);
            return false;
        }
    }
}

static void conn_read(mn_http_conn *c)
{
    if (c->state == READ_HEAD && !read_head(c)) return;
    if (c->state == READ_BODY) read_body(c);
}

/* After an answer: back to reading, on the next turn of the loop (no recursion however
 * many requests are pipelined). */
static void conn_next_request(mn_http_conn *c)
{
    c->state = READ_HEAD;
    c->started = false;
    set_timer(c, c->http->o.idle_timeout_s);
    if (evbuffer_get_length(bufferevent_get_input(c->bev)))
        bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

/* ---- libevent's callbacks ---------------------------------------------------------- */

static void on_readable(struct bufferevent *bev, void *ctx)
{
    mn_http_conn *c = ctx;
    if (c->state == READ_HEAD || c->state == READ_BODY) {
        conn_read(c);
    } else if (c->state == CLOSING) {
        evbuffer_drain(bufferevent_get_input(bev), SIZE_MAX);
    } else if (evbuffer_get_length(bufferevent_get_input(bev)) > c->http->o.max_header_bytes) {
        mn_http_request *r = c->request;    /* pipelining without end */
        if (r) mn_http_abort(r);
    }
}

static void on_written(struct bufferevent *bev, void *ctx)
{
    mn_http_conn *c = ctx;
    /* Called late, so there may be something to write again. */
    if (c->state != CLOSING || evbuffer_get_length(bufferevent_get_output(bev))) return;
    if (c->ended) conn_free(c);
    else end_our_side(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    mn_http_conn *c = ctx;
    if (what & BEV_EVENT_CONNECTED && c->state == HANDSHAKE) {
        c->state = READ_HEAD;
        set_timer(c, c->http->o.idle_timeout_s);
        return;
    }
    if (what & BEV_EVENT_ERROR) c->ended = true;
    else if (what & BEV_EVENT_EOF && (c->state == READ_HEAD || c->state == CLOSING)) {
        /* Nothing more will come, but an answer may still be on its way out. */
        c->ended = true;
        if (evbuffer_get_length(bufferevent_get_output(bev))) {
            conn_close_after_output(c);
            return;
        }
    } else if (!(what & BEV_EVENT_EOF)) return;
    if (c->request && (c->state == HANDLE || c->state == ANSWER))
        report_finished(c->http, c->request);
    conn_free(c);
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    mn_http_conn *c = ctx;
    mn_http *h = c->http;
    if (c->state == READ_BODY) {
        size_t have = c->body.len;
        if (have - c->body_at_check >= h->o.min_body_rate * BODY_RATE_PERIOD_S) {
            c->body_at_check = have;
            set_timer(c, BODY_RATE_PERIOD_S);
            return;
        }
        h->stats.n_timeouts++;
        refuse(c, 408, "the body came too slowly");
    } else if (c->state == READ_HEAD && c->started) {
        h->stats.n_timeouts++;
        refuse(c, 408, "the headers did not come in time");
    } else {
        conn_free(c);           /* idle, or a last answer that is not taken */
    }
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *addr,
                      int len, void *ctx)
{
    mn_http *h = ctx;
    mn_http_conn *c = calloc(1, sizeof *c);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    h->stats.n_accepted++;
    if (!c || h->stats.n_connections >= h->o.max_connections) {
        free(c);
        close(fd);
        h->stats.n_refused++;
        return;
    }
    c->http = h;
    c->next = h->conns;
    if (h->conns) h->conns->prev = c;
    h->conns = c;
    h->stats.n_connections++;
    c->state = h->tls ? HANDSHAKE : READ_HEAD;
    c->bev = h->tls ? mn_tls_accept(h->tls, h->base, fd)
                    : bufferevent_socket_new(h->base, fd, BEV_OPT_CLOSE_ON_FREE
                                                          | BEV_OPT_DEFER_CALLBACKS);
    if (!c->bev) close(fd);
    c->timer = c->bev ? evtimer_new(h->base, on_timer, c) : NULL;
    if (!c->timer) {
        conn_free(c);
        return;
    }
    bufferevent_setcb(c->bev, on_readable, on_written, on_event, c);
    /* What is read ahead is bounded: a head, or a piece of a body. */
    bufferevent_setwatermark(c->bev, EV_READ, 0, h->o.max_header_bytes + 65536);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    set_timer(c, h->tls ? h->o.header_timeout_s : h->o.idle_timeout_s);
}

/* ---- posts, timers, signals -------------------------------------------------------- */

static void run_posts(evutil_socket_t fd, short what, void *ctx)
{
    mn_http *h = ctx;
    uint64_t n;
    if (read(h->wake_fd, &n, sizeof n) < 0 && errno != EAGAIN) return;
    pthread_mutex_lock(&h->mutex);
    post *p = h->posts_first;
    h->posts_first = h->posts_last = NULL;
    pthread_mutex_unlock(&h->mutex);
    while (p) {
        post *next = p->next;
        p->fn(p->arg);
        free(p);
        p = next;
    }
}

static void wake(mn_http *h)
{
    uint64_t one = 1;
    while (write(h->wake_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

bool mn_http_post(mn_http *h, void (*fn)(void *), void *arg)
{
    post *p = malloc(sizeof *p);
    if (!p) return false;
    *p = (post){ .fn = fn, .arg = arg };
    pthread_mutex_lock(&h->mutex);
    bool first = !h->posts_first;
    if (h->posts_last) h->posts_last->next = p;
    else h->posts_first = p;
    h->posts_last = p;
    pthread_mutex_unlock(&h->mutex);
    if (first) wake(h);
    return true;
}

static void on_user_event(evutil_socket_t fd, short what, void *ctx)
{
    timer_entry *t = ctx;
    t->fn(t->arg);
}

static minerva_status add_event(mn_http *h, int fd, short what, int interval_ms,
                                void (*fn)(void *), void *arg, minerva_error *err)
{
    timer_entry *t = calloc(1, sizeof *t);
    struct timeval tv = { interval_ms / 1000, interval_ms % 1000 * 1000 };
    if (!t) return mn_fail_memory(err, sizeof *t);
    *t = (timer_entry){ .fn = fn, .arg = arg };
    t->event = event_new(h->base, fd, what | EV_PERSIST, on_user_event, t);
    if (!t->event || event_add(t->event, interval_ms ? &tv : NULL)) {
        if (t->event) event_free(t->event);
        free(t);
        return mn_fail(err, MINERVA_MEMORY, "an event could not be added");
    }
    t->next = h->timers;
    h->timers = t;
    return MINERVA_OK;
}

minerva_status mn_http_every(mn_http *h, int interval_ms, void (*fn)(void *), void *arg,
                             minerva_error *err)
{
    return add_event(h, -1, 0, interval_ms, fn, arg, err);
}

minerva_status mn_http_on_signal(mn_http *h, int signal, void (*fn)(void *), void *arg,
                                 minerva_error *err)
{
    return add_event(h, signal, EV_SIGNAL, 0, fn, arg, err);
}

/* ---- the server -------------------------------------------------------------------- */

static void set_defaults(mn_http_options *o)
{
    struct rlimit limit;
    if (!o->host) o->host = "127.0.0.1";
    if (!o->max_header_bytes) o->max_header_bytes = 32 << 10;
    if (!o->max_body_bytes) o->max_body_bytes = 32 << 20;
    if (!o->max_unread_bytes) o->max_unread_bytes = 256 << 10;
    if (!o->header_timeout_s) o->header_timeout_s = 10;
    if (!o->idle_timeout_s) o->idle_timeout_s = 300;
    if (!o->min_body_rate) o->min_body_rate = 1 << 10;
    if (!o->max_connections) o->max_connections = 20000;
    /* As many descriptors as we may have, and some of them kept for files. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 128
            && (rlim_t)o->max_connections > limit.rlim_cur - 64)
            o->max_connections = (int)(limit.rlim_cur - 64);
    }
}

static bool is_loopback(const struct sockaddr *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
    return a->sa_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 == 127
           : a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static minerva_status listen_on(mn_http *h, minerva_error *err)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV },
                    *list;
    char port[16];
    snprintf(port, sizeof port, "%d", h->o.port);
    int code = getaddrinfo(h->o.host, port, &hints, &list);
    if (code)
        return mn_fail(err, MINERVA_INVALID, "host %s: %s", h->o.host, gai_strerror(code));
    if (h->o.loopback_only && !is_loopback(list->ai_addr)) {
        freeaddrinfo(list);
        return mn_fail(err, MINERVA_INVALID, "host %s: %s", h->o.host, h->o.loopback_only);
    }
    h->listener = evconnlistener_new_bind(h->base, on_accept, h,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 1024, list->ai_addr,
        (int)list->ai_addrlen);
    int bind_errno = errno;
    freeaddrinfo(list);
    if (!h->listener)
        return mn_fail(err, MINERVA_IO, "%s port %d: %s", h->o.host, h->o.port,
                       strerror(bind_errno));
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (getsockname(evconnlistener_get_fd(h->listener), (struct sockaddr *)&a, &len) == 0)
        h->port = ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port
                                                : ((struct sockaddr_in *)&a)->sin_port);
    return MINERVA_OK;
}

minerva_status mn_http_create(mn_http **out, const mn_http_options *options, minerva_error *err)
{
    mn_http *h = calloc(1, sizeof *h);
    if (!h) return mn_fail_memory(err, sizeof *h);
    h->o = *options;
    set_defaults(&h->o);
    evutil_secure_rng_get_bytes(&h->boot, sizeof h->boot);
    pthread_mutex_init(&h->mutex, NULL);
    h->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    h->base = event_base_new();
    h->wake = h->base && h->wake_fd >= 0
                  ? event_new(h->base, h->wake_fd, EV_READ | EV_PERSIST, run_posts, h) : NULL;
    minerva_status st = MINERVA_OK;
    if (h->o.tls_cert || h->o.tls_key) st = mn_http_reload_tls(h, err);
    if (st == MINERVA_OK)
        st = h->wake && event_add(h->wake, NULL) == 0
                 ? listen_on(h, err)
                 : mn_fail(err, MINERVA_MEMORY, "the event loop could not be made");
    if (st != MINERVA_OK) {
        mn_http_free(h);
        return st;
    }
    *out = h;
    return MINERVA_OK;
}

void mn_http_free(mn_http *h)
{
    if (!h) return;
    if (h->listener) evconnlistener_free(h->listener);
    while (h->conns) conn_free(h->conns);
    for (timer_entry *t = h->timers, *next; t; t = next) {
        next = t->next;
        event_free(t->event);
        free(t);
    }
    for (post *p; (p = h->posts_first);) {
        p->fn(p->arg);          /* what it frees must be freed; it may post again */
        h->posts_first = p->next;
        free(p);
    }
    if (h->wake) event_free(h->wake);
    if (h->base) event_base_free(h->base);
    if (h->wake_fd >= 0) close(h->wake_fd);
    mn_tls_free(h->tls);
    pthread_mutex_destroy(&h->mutex);
    free(h);
}

minerva_status mn_http_reload_tls(mn_http *h, minerva_error *err)
{
    mn_tls *fresh;
    minerva_status st = mn_tls_create(&fresh, h->o.tls_cert, h->o.tls_key, err);
    if (st != MINERVA_OK) return st;
    mn_tls_free(h->tls);
    h->tls = fresh;
    return MINERVA_OK;
}

void mn_http_request_name(const mn_http_request *r, char out[40])
{
    snprintf(out, 40, "%08x-%llu", r->boot, (unsigned long long)r->id);
}

int mn_http_port(const mn_http *h) { return h->port; }

void mn_http_stats_get(const mn_http *h, mn_http_stats *out) { *out = h->stats; }

void mn_http_run(mn_http *h) { event_base_dispatch(h->base); }

void mn_http_stop_accepting(mn_http *h)
{
    h->stopping = true;
    if (h->listener) evconnlistener_free(h->listener);
    h->listener = NULL;
    for (mn_http_conn *c = h->conns, *next; c; c = next) {
        next = c->next;
        if (c->state == READ_HEAD && !c->started) conn_close_after_output(c);
    }
}

bool mn_http_is_quiet(const mn_http *h)
{
    for (const mn_http_conn *c = h->conns; c; c = c->next)
        if (c->request || evbuffer_get_length(bufferevent_get_output(c->bev))) return false;
    return true;
}

static void break_loop(void *arg) { event_base_loopbreak(((mn_http *)arg)->base); }

void mn_http_stop(mn_http *h) { mn_http_post(h, break_loop, h); }
