/* Request heads (RFC 9112) and chunked bodies; see http_parse.h. */
#include "server/http_parse.h"

#include <stdlib.h>
#include <string.h>

static int refuse(int status, const char **why, const char *text)
{
    *why = text;
    return status;
}

/* tchar of RFC 9110 5.6.2 */
static bool is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool all_tokens(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_token((unsigned char)s[i])) return false;
    return n > 0;
}

/* METHOD SP target SP HTTP/1.x; all in place, 0-terminated. */
static int parse_request_line(mn_http_request *r, char *line, bool *http_1_0, const char **why)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version || strchr(version + 1, ' '))
        return refuse(400, why, "request line: METHOD TARGET HTTP/1.1 expected");
    *target++ = 0;
    *version++ = 0;
    if (!all_tokens(line, strlen(line)) || strlen(line) > 16)
        return refuse(400, why, "request line: a method expected");
    *http_1_0 = !strcmp(version, "HTTP/1.0");
    if (!*http_1_0 && strcmp(version, "HTTP/1.1"))
        return refuse(505, why, "HTTP/1.1 expected");
    if (target[0] != '/') return refuse(400, why, "request target: a path expected");
    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 127)
            return refuse(400, why, "request target: printable ASCII characters expected");
    char *query = strchr(target, '?');
    if (query) *query++ = 0;
    r->method = line;
    r->path = target;
    r->query = query ? query : "";
    return 0;
}

static int parse_header(mn_http_request *r, char *line, const char **why)
{
    if (line[0] == ' ' || line[0] == '\t')
        return refuse(400, why, "folded header lines are not accepted");
    char *colon = strchr(line, ':');
    if (!colon || !all_tokens(line, (size_t)(colon - line)))
        return refuse(400, why, "header: NAME: VALUE expected");
    if (r->n_headers == MN_HTTP_MAX_HEADERS)
        return refuse(431, why, "too many headers");
    *colon = 0;
    for (char *p = line; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p + 32);
    char *value = colon + 1;
    value += strspn(value, " \t");
    size_t n = strlen(value);
    while (n && (value[n - 1] == ' ' || value[n - 1] == '\t')) value[--n] = 0;
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < ' ' && *p != '\t')
            return refuse(400, why, "header: control characters are not accepted");
    r->headers[r->n_headers++] = (mn_http_header){ line, value };
    return 0;
}

const char *mn_http_header_get(const mn_http_request *r, const char *name)
{
    for (int i = 0; i < r->n_headers; i++)
        if (!strcmp(r->headers[i].name, name)) return r->headers[i].value;
    return NULL;
}

static int count_header(const mn_http_request *r, const char *name)
{
    int n = 0;
    for (int i = 0; i < r->n_headers; i++) n += !strcmp(r->headers[i].name, name);
    return n;
}

static bool parse_length(const char *s, uint64_t *out)
{
    size_t n = strlen(s);
    if (n == 0 || n > 18 || strspn(s, "0123456789") != n) return false;
    *out = strtoull(s, NULL, 10);
    return true;
}

/* Does a comma-separated header contain this word, whatever its case? */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p && *p;) {
        p += strspn(p, ", \t");
        size_t k = strcspn(p, ", \t");
        if (k == n && !strncasecmp(p, word, n)) return true;
        p += k;
    }
    return false;
}

static int frame(const mn_http_request *r, bool http_1_0, mn_http_framing *out, const char **why)
{
    const char *coding = mn_http_header_get(r, "transfer-encoding");
    const char *length = mn_http_header_get(r, "content-length");
    const char *connection = mn_http_header_get(r, "connection");
    const char *expect = mn_http_header_get(r, "expect");
    if (count_header(r, "host") > 1 || (!http_1_0 && count_header(r, "host") == 0))
        return refuse(400, why, "exactly one Host header expected");
    if (count_header(r, "content-length") > 1 || count_header(r, "transfer-encoding") > 1)
        return refuse(400, why, "one Content-Length or one Transfer-Encoding expected");
    if (coding && length)
        return refuse(400, why, "Content-Length beside Transfer-Encoding is not accepted");
    if (coding && (http_1_0 || strcasecmp(coding, "chunked")))
        return refuse(501, why, "Transfer-Encoding: chunked expected");
    if (length && !parse_length(length, &out->content_length))
        return refuse(400, why, "Content-Length: a number expected");
    if (expect && strcasecmp(expect, "100-continue"))
        return refuse(417, why, "Expect: 100-continue expected");
    out->chunked = coding != NULL;
    out->has_length = length != NULL;
    out->expect_continue = expect != NULL;
    out->keep_alive = http_1_0 ? has_word(connection, "keep-alive")
                               : !has_word(connection, "close");
    return 0;
}

int mn_http_parse_head(mn_http_request *r, const char *head, size_t len, mn_http_framing *out,
                       const char **why)
{
    bool http_1_0 = false;
    *out = (mn_http_framing){ 0 };
    if (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4))
        return refuse(400, why, "an empty line after the headers expected");
    if (memchr(head, 0, len)) return refuse(400, why, "zero bytes are not accepted");
    r->head = malloc(len + 1);
    if (!r->head) return refuse(503, why, "out of memory");
    memcpy(r->head, head, len);
    r->head[len - 2] = 0;           /* the empty line ends the list below */
    bool first = true;
    for (char *line = r->head; *line;) {
        char *end = strstr(line, "\r\n");
        if (!end) return refuse(400, why, "CRLF line ends expected");
        *end = 0;
        if (strpbrk(line, "\r\n")) return refuse(400, why, "CRLF line ends expected");
        int status = first ? parse_request_line(r, line, &http_1_0, why)
                           : parse_header(r, line, why);
        if (status) return status;
        first = false;
        line = end + 2;
    }
    if (first) return refuse(400, why, "a request line expected");
    return frame(r, http_1_0, out, why);
}

/* ---- chunks ------------------------------------------------------------------------ */

/* size LF-terminated lines, data, CRLF, ..., 0-size line, trailers (ignored), empty line */
enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_DATA_CR, CHUNK_DATA_LF,
       TRAILER, TRAILER_LF };
enum { MAX_LINE = 4096 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static int chunk_size_byte(mn_http_chunks *c, char b, const char **why)
{
    int v = hex_value(b);
    if (v >= 0) {
        if (c->line >= 15) return refuse(400, why, "chunk size: at most 15 digits expected");
        c->left = c->left * 16 + (unsigned)v;
        c->line++;
        return 0;
    }
    if (c->line == 0) return refuse(400, why, "chunk size: a hexadecimal number expected");
    if (b == '\r') c->state = CHUNK_SIZE_LF;
    else if (b == ';') c->state = CHUNK_EXTENSION;
    else return refuse(400, why, "chunk size: a hexadecimal number expected");
    return 0;
}

static int chunk_byte(mn_http_chunks *c, char b, const char **why)
{
    switch (c->state) {
    case CHUNK_SIZE:
        return chunk_size_byte(c, b, why);
    case CHUNK_EXTENSION:
        if (b == '\n' || ++c->line > MAX_LINE) return refuse(400, why, "chunk extension: CRLF expected");
        if (b == '\r') c->state = CHUNK_SIZE_LF;
        return 0;
    case CHUNK_SIZE_LF:
        if (b != '\n') return refuse(400, why, "chunk size: CRLF expected");
        c->state = c->left ? CHUNK_DATA : TRAILER;
        c->line = 0;
        return 0;
    case CHUNK_DATA_CR:
        if (b != '\r') return refuse(400, why, "chunk: CRLF expected after it");
        c->state = CHUNK_DATA_LF;
        return 0;
    case CHUNK_DATA_LF:
        if (b != '\n') return refuse(400, why, "chunk: CRLF expected after it");
        c->state = CHUNK_SIZE;
        c->line = 0;
        return 0;
    case TRAILER:
        if (b == '\n' || ++c->line > MAX_LINE) return refuse(400, why, "trailer: CRLF expected");
        if (b == '\r') c->state = TRAILER_LF;
        return 0;
    default:    /* TRAILER_LF */
        if (b != '\n') return refuse(400, why, "trailer: CRLF expected");
        c->done = c->line == 1;     /* only the CR was on it */
        c->state = TRAILER;
        c->line = 0;
        return 0;
    }
}

int mn_http_feed_chunks(mn_http_chunks *c, const char *data, size_t len, mn_buffer *body,
                        size_t max_body, size_t *used, const char **why)
{
    size_t i = 0;
    while (i < len && !c->done) {
        if (c->state == CHUNK_DATA) {
            size_t n = len - i < c->left ? len - i : (size_t)c->left;
            if (n > max_body - body->len) return refuse(413, why, "the body is too large");
            mn_buffer_append(body, data + i, n);
            if (body->failed) return refuse(503, why, "out of memory");
            i += n;
            c->left -= n;
            if (c->left == 0) c->state = CHUNK_DATA_CR;
            continue;
        }
        int status = chunk_byte(c, data[i++], why);
        if (status) return status;
    }
    *used = i;
    return 0;
}
