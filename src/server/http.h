/* HTTP/1.1, as little of it as an API needs and as strictly as a port open to others must.
 *
 * One thread (whoever calls mn_http_run) owns all sockets through libevent.  Requests are
 * parsed whole, then handed to one handler; answers are sent at once or streamed.
 *
 * (1) Everything here happens on the I/O thread but mn_http_post() and mn_http_stop().
 * (2) Strict framing: CRLF only, no folded headers, one Host, one Content-Length, no
 *     Content-Length beside Transfer-Encoding, "chunked" only.  What could be read in two
 *     ways is refused and the connection closed, so nothing can be smuggled past a proxy.
 * (3) Limits: header bytes, body bytes, an absolute deadline for the headers, a minimum
 *     rate for bodies, idle time, and unread output per client.  Past one of them the
 *     client is answered (if that is still possible) and closed; others do not notice.
 * (4) A request lives until mn_http_request_free().  If its client goes away first,
 *     on_gone is called once and writing becomes a no-op.
 */
#ifndef MN_SERVER_HTTP_H
#define MN_SERVER_HTTP_H

#include "base/buffer.h"
#include "minerva.h"

typedef struct mn_http mn_http;
typedef struct mn_http_conn mn_http_conn;

enum { MN_HTTP_MAX_HEADERS = 64 };

typedef struct {
    const char *name;           /* lower case */
    const char *value;
} mn_http_header;

typedef struct mn_http_request {
    mn_http_conn *conn;         /* NULL: the client is gone */
    const char *method, *path, *query;  /* query: behind '?', or "" */
    mn_http_header headers[MN_HTTP_MAX_HEADERS];
    int n_headers;
    char *body;                 /* [body_len], a 0 byte behind it */
    size_t body_len;
    char peer[64];              /* "127.0.0.1:51234" */
    uint64_t id;                /* counts up */
    uint32_t boot;              /* which run of the server */
    double arrived_s;           /* monotonic clock, when the headers were complete */
    int status;                 /* of the answer, once begun */
    size_t sent_bytes;          /* of the answer's body */
    bool streaming;
    const char *origin;         /* a page that may read the answer (CORS), or NULL */
    const char *tenant, *model; /* for the log; NULL: not known */
    void *user;                 /* the handler's own */
    void (*on_gone)(struct mn_http_request *r);
    char *head;                 /* what the strings above point into */
} mn_http_request;

typedef struct {
    const char *host;           /* address to bind; NULL: 127.0.0.1 */
    int port;                   /* 0: any */
    const char *tls_cert, *tls_key;     /* PEM files; NULL: plain */
    size_t max_header_bytes;    /* 0: 32 KB */
    size_t max_body_bytes;      /* 0: 32 MB */
    size_t max_unread_bytes;    /* output a client has not taken; 0: 256 KB */
    int header_timeout_s;       /* 0: 10 */
    int idle_timeout_s;         /* between requests; 0: 300 */
    size_t min_body_rate;       /* bytes/s, measured over 5 s; 0: 1 KB/s */
    const char *loopback_only;  /* if set: why an address that others reach is refused */
    int max_connections;        /* 0: 20,000 (or what the descriptor limit allows) */
    void (*handle)(void *ctx, mn_http_request *r);
    /* Every answered or refused request, for logs; may be NULL. */
    void (*finished)(void *ctx, const mn_http_request *r);
    void *ctx;
} mn_http_options;

typedef struct {
    int64_t n_connections, n_accepted, n_requests, n_refused, n_timeouts, n_slow_readers;
} mn_http_stats;

minerva_status mn_http_create(mn_http **out, const mn_http_options *options,
                              minerva_error *err);
void mn_http_free(mn_http *h);
int mn_http_port(const mn_http *h);
void mn_http_stats_get(const mn_http *h, mn_http_stats *out);

/* Serves until mn_http_stop(). */
void mn_http_run(mn_http *h);
/* No new connections, idle ones are closed, answers in the making go on. */
void mn_http_stop_accepting(mn_http *h);
/* No request is being read or answered, and all answers have gone out. */
bool mn_http_is_quiet(const mn_http *h);
/* Read the TLS files again; connections that are open keep what they have.  On an error
 * what was there stays in use. */
minerva_status mn_http_reload_tls(mn_http *h, minerva_error *err);
/* From any thread: mn_http_run() returns. */
void mn_http_stop(mn_http *h);
/* From any thread: `fn(arg)` runs on the I/O thread, in order of posting.  false: out of
 * memory, and fn will not run. */
bool mn_http_post(mn_http *h, void (*fn)(void *arg), void *arg);
/* On the I/O thread: `fn(arg)` every `interval_ms`, until mn_http_free. */
minerva_status mn_http_every(mn_http *h, int interval_ms, void (*fn)(void *arg), void *arg,
                             minerva_error *err);
/* On the I/O thread: `fn(arg)` when the signal comes. */
minerva_status mn_http_on_signal(mn_http *h, int signal, void (*fn)(void *arg), void *arg,
                                 minerva_error *err);

/* "5f3a9c01-17": as in X-Request-Id and the log; no other process gives the same. */
void mn_http_request_name(const mn_http_request *r, char out[40]);
/* First value of a header (lower-case name), or NULL. */
const char *mn_http_header_get(const mn_http_request *r, const char *name);

/* Answer at once.  extra: further header lines, each ended by CRLF, or NULL. */
void mn_http_respond(mn_http_request *r, int status, const char *content_type,
                     const char *extra, const void *body, size_t len);
/* Answer in pieces (chunked). */
void mn_http_stream_begin(mn_http_request *r, int status, const char *content_type,
                          const char *extra);
void mn_http_stream_write(mn_http_request *r, const void *data, size_t len);
void mn_http_stream_end(mn_http_request *r);
/* End the connection without an end of the answer, so that the client sees it is cut. */
void mn_http_abort(mn_http_request *r);
void mn_http_request_free(mn_http_request *r);

#endif
