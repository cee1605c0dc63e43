/* Growing bytes; see buffer.h. */
#include "base/buffer.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mn_buffer_clear(mn_buffer *b)
{
    free(b->data);
    *b = (mn_buffer){ .limit_bytes = b->limit_bytes };
}

void mn_buffer_reset(mn_buffer *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) b->data[0] = 0;
}

bool mn_buffer_reserve(mn_buffer *b, size_t extra)
{
    if (b->failed) return false;
    if (extra > SIZE_MAX / 4 || b->len > SIZE_MAX / 4
        || (b->limit_bytes && b->len + extra > b->limit_bytes)) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + extra + 1;
    if (need <= b->capacity) return true;
    size_t capacity = b->capacity ? b->capacity * 2 : 64;
    if (capacity < need) capacity = need;
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void mn_buffer_append(mn_buffer *b, const void *bytes, size_t len)
{
    if (!mn_buffer_reserve(b, len)) return;
    if (len) memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = 0;
}

void mn_buffer_append_str(mn_buffer *b, const char *s) { mn_buffer_append(b, s, strlen(s)); }
void mn_buffer_append_byte(mn_buffer *b, char c) { mn_buffer_append(b, &c, 1); }

void mn_buffer_append_codepoint(mn_buffer *b, uint32_t cp)
{
    char utf8[4];
    mn_buffer_append(b, utf8, (size_t)mn_utf8_encode(cp, utf8));
}

void mn_buffer_append_fmt(mn_buffer *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0 && mn_buffer_reserve(b, (size_t)n)) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void mn_buffer_append_json(mn_buffer *b, const char *s, size_t len)
{
    mn_buffer_append_byte(b, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\') {
            mn_buffer_append_byte(b, '\\');
            mn_buffer_append_byte(b, (char)c);
            i++;
        } else if (c == '\n' || c == '\r' || c == '\t') {
            mn_buffer_append_str(b, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
            i++;
        } else if (c < 0x20 || c == 0x7f) {
            mn_buffer_append_fmt(b, "\\u%04x", c);
            i++;
        } else if (c < 0x80) {
            mn_buffer_append_byte(b, (char)c);
            i++;
        } else {
            uint32_t cp;
            i += (size_t)mn_utf8_decode(s + i, len - i, &cp);
            mn_buffer_append_codepoint(b, cp);
        }
    }
    mn_buffer_append_byte(b, '"');
}

char *mn_buffer_take(mn_buffer *b, size_t *len)
{
    if (!b->failed && !b->data) mn_buffer_append(b, "", 0);
    if (b->failed) {
        mn_buffer_clear(b);
        return NULL;
    }
    char *data = b->data;
    if (len) *len = b->len;
    b->data = NULL;
    mn_buffer_clear(b);
    return data;
}
