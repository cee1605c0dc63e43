/* Parsing of a request head and of chunked bodies, apart from sockets, so that it can be
 * fuzzed and tested on bytes alone. */
#ifndef MN_SERVER_HTTP_PARSE_H
#define MN_SERVER_HTTP_PARSE_H

#include "server/http.h"

typedef struct {
    bool keep_alive;
    bool chunked;
    bool expect_continue;
    bool has_length;
    uint64_t content_length;
} mn_http_framing;

/* head: the bytes up to and with the empty line; r->head is set to a copy that the strings
 * point into (the caller frees it).  Returns 0, or the status to refuse with; *why says
 * what was expected. */
int mn_http_parse_head(mn_http_request *r, const char *head, size_t len, mn_http_framing *out,
                       const char **why);

/* Chunked transfer coding, fed piece by piece. */
typedef struct {
    int state;
    uint64_t left;              /* of the chunk being read */
    size_t line;                /* bytes of the line being read */
    bool done;
} mn_http_chunks;

/* Consume data[0..len); payload is appended to *body (at most max_body bytes in all).
 * Returns 0 or a status to refuse with; *used says how much was consumed (all of it unless
 * the body is done). */
int mn_http_feed_chunks(mn_http_chunks *c, const char *data, size_t len, mn_buffer *body,
                        size_t max_body, size_t *used, const char **why);

#endif
