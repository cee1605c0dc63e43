/* HTTP for the hub: many GET requests at once, over libcurl.
 *
 * libcurl is opened when the first hub is made, not linked: its thirty libraries would add
 * ten milliseconds to the start of every command.  Where it is missing, creating a
 * transport fails with a sentence that says what to install.
 *
 * (1) Redirects are followed here, at most MN_MAX_HOPS of them, never from https to http,
 *     and the token goes to the endpoint's own origin (scheme, host and port) only.
 * (2) No environment is read: proxy and certificates come from the options.
 * (3) A fetch that gets no byte for stall_ms is ended as a passing failure.
 * Threads: one transport belongs to one thread.
 */
#ifndef MN_HUB_TRANSPORT_H
#define MN_HUB_TRANSPORT_H

#include "minerva.h"

enum { MN_MAX_HOPS = 8 };

typedef struct mn_transport mn_transport;
typedef struct mn_fetch mn_fetch;

typedef struct {
    const char *endpoint;       /* "https://huggingface.co" */
    const char *token;          /* NULL: none */
    const char *proxy, *no_proxy, *ca_file;     /* NULL: none, none, the system's */
    int connect_timeout_ms, stall_ms;           /* 0: 15 s, 30 s */
} mn_transport_options;

/* What an answer's head says; absent numbers are -1, absent texts empty. */
typedef struct {
    int status;                 /* 0: no answer came */
    int64_t length;
    int64_t first, last, total; /* Content-Range */
    int64_t retry_after_s;
    char etag[160];
    char next[2048];            /* Link: <...>; rel="next" */
    char location[4096];
    char error_code[64], error_message[256];    /* the hub's X-Error-Code, X-Error-Message */
} mn_answer;

typedef struct {
    const char *url;
    int64_t first, end;         /* bytes [first, end) are wanted; end 0: all, no Range */
    bool compressed;            /* the body may come compressed (not with ranges) */
    /* The final answer's head, before its first byte, if the status is 200 or 206;
     * false ends the fetch. */
    bool (*on_head)(void *ctx, const mn_answer *answer);
    bool (*on_bytes)(void *ctx, const void *bytes, size_t n);
    void *ctx;
} mn_fetch_options;

typedef enum {
    MN_FETCH_RUNNING = 0,
    MN_FETCH_DONE,              /* a whole answer, whatever its status */
    MN_FETCH_BROKEN,            /* connection, timeout, stall, cut short: may pass */
    MN_FETCH_STOPPED,           /* by a callback */
    MN_FETCH_REFUSED            /* a redirect that is not followed, a bad URL */
} mn_fetch_state;

minerva_status mn_transport_create(mn_transport **out, const mn_transport_options *options,
                                   minerva_error *err);
void mn_transport_free(mn_transport *t);        /* all fetches have been freed */

minerva_status mn_fetch_start(mn_transport *t, const mn_fetch_options *options,
                              mn_fetch **out, minerva_error *err);
void mn_fetch_free(mn_fetch *f);                /* at any time; NULL-safe */
/* Moves all transfers on, waiting at most wait_ms.  Returns one that has just ended (ask
 * again for more), or NULL. */
mn_fetch *mn_transport_step(mn_transport *t, int wait_ms);

mn_fetch_state mn_fetch_how(const mn_fetch *f);
void *mn_fetch_ctx(const mn_fetch *f);
const mn_answer *mn_fetch_answer(const mn_fetch *f);
const char *mn_fetch_why(const mn_fetch *f);    /* of BROKEN and REFUSED */
const char *mn_fetch_url(const mn_fetch *f);    /* after redirects */
bool mn_fetch_left_home(const mn_fetch *f);     /* was redirected to another origin */
/* The text of an error answer (4xx, 5xx), cut to a few hundred bytes. */
const char *mn_fetch_error_body(const mn_fetch *f);

/* A whole small answer, retried while failures pass.  *body is malloc()ed with a 0 byte
 * behind.  Errors: NOT_FOUND (404), UNSUPPORTED (401, 403: what to do is said), LIMIT (more
 * than limit bytes, or 429 for too long), IO, CANCELLED. */
typedef struct {
    int retries;                /* after the first attempt; 0: 5 */
    int backoff_ms;             /* the first wait, doubled each time; 0: 500 */
    bool (*go_on)(void *ctx);   /* asked several times a second; may be NULL */
    void *ctx;
} mn_patience;
minerva_status mn_transport_get(mn_transport *t, const char *url, size_t limit,
                                const mn_patience *patience, char **body, size_t *len,
                                mn_answer *answer, minerva_error *err);

/* How a refusing status is told.  `what`: "org/name".  Returns the status code. */
minerva_status mn_transport_refusal(const mn_answer *a, const char *what, bool has_token,
                                    minerva_error *err);
/* 408, 425, 429, 5xx: worth another attempt. */
bool mn_status_passes(int status);
/* Milliseconds before attempt n (from 1): doubled each time, at most 30 s, Retry-After
 * obeyed; -1: the server asks for more than ten minutes. */
int64_t mn_backoff_ms(const mn_patience *p, int attempt, int64_t retry_after_s);
int64_t mn_now_ms(void);        /* monotonic */
void mn_transport_pause(int ms);

#endif
