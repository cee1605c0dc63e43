/* JSON answers and errors in OpenAI's shape. */
#include "base/utf8.h"
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mn_answer_json(mn_http_request *r, int status, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(value);
    if (text) mn_http_respond(r, status, "application/json", NULL, text, strlen(text));
    else mn_http_respond(r, 500, "application/json", NULL, "{}", 2);
    free(text);
    mn_http_request_free(r);
}

static const char *type_of(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    default:  return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

/* Messages quote what clients sent, which may be cut in the middle of a character. */
static json_t *clean_string(const char *text)
{
    mn_buffer b = { 0 };
    for (size_t left = strlen(text); left;) {
        uint32_t cp;
        int n = mn_utf8_decode(text, left, &cp);
        mn_buffer_append_codepoint(&b, cp);
        text += n;
        left -= (size_t)n;
    }
    json_t *s = json_stringn(b.data ? b.data : "", b.len);
    mn_buffer_clear(&b);
    return s;
}

json_t *mn_error_object(int status, const char *param, const char *message)
{
    return json_pack("{s:{s:o, s:s, s:s?, s:n}}", "error", "message", clean_string(message),
                     "type", type_of(status), "param", param, "code");
}

/* Anthropic's clients want {"type":"error","error":{...}}, Ollama's {"error":"..."}. */
json_t *mn_error_shape(const char *path, int status, const char *param, const char *message)
{
    if (!strncmp(path, "/v1/messages", 12))
        return json_pack("{s:s, s:{s:s, s:o}}", "type", "error", "error", "type",
                         status == 503 ? "overloaded_error" : status >= 500 ? "api_error"
                         : type_of(status), "message", clean_string(message));
    if (!strncmp(path, "/api/", 5) && strncmp(path, "/api/models", 11))
        return json_pack("{s:o}", "error", clean_string(message));
    return mn_error_object(status, param, message);
}

void mn_answer_error(mn_http_request *r, int status, const char *param, const char *fmt, ...)
{
    char message[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    json_t *value = mn_error_shape(r->path ? r->path : "", status, param, message);
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    const char *extra = status == 429 || status == 503 ? "Retry-After: 1\r\n"
                        : status == 401 ? "WWW-Authenticate: Bearer\r\n" : NULL;
    json_decref(value);
    mn_http_respond(r, status, "application/json", extra, text ? text : "{}",
                    text ? strlen(text) : 2);
    free(text);
    mn_http_request_free(r);
}

void mn_answer_failure(mn_http_request *r, const char *param, const minerva_error *err)
{
    int status = err->code == MINERVA_FULL ? 429
                 : err->code == MINERVA_INVALID || err->code == MINERVA_UNSUPPORTED
                       || err->code == MINERVA_LIMIT ? 400
                 : err->code == MINERVA_NOT_FOUND ? 404
                 : err->code == MINERVA_CANCELLED || err->code == MINERVA_MEMORY ? 503 : 500;
    mn_answer_error(r, status, param, "%s", err->message);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool mn_percent_decode(const char *from, char *out, size_t size)
{
    size_t n = 0;
    for (; *from; from++) {
        int c = (unsigned char)*from;
        if (c == '%') {
            int hi = hex_digit(from[1]), lo = hi < 0 ? -1 : hex_digit(from[2]);
            if (lo < 0 || hi + lo == 0) return false;
            c = 16 * hi + lo;
            from += 2;
        }
        if (n + 1 >= size) return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}
