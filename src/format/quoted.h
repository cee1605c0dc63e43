/* A name out of a foreign file, fit for an error message: control characters and broken
 * UTF-8 become '?', long names are cut.  Use: mn_quoted_bytes(s, len).text */
#ifndef MN_FORMAT_QUOTED_H
#define MN_FORMAT_QUOTED_H

#include "base/utf8.h"

#include <string.h>

typedef struct {
    char text[100];
} mn_quoted;

static inline mn_quoted mn_quoted_bytes(const char *s, size_t len)
{
    mn_quoted q;
    size_t at = 0, used = 0;
    while (at < len && used < sizeof q.text - 8) {
        uint32_t cp;
        int n = mn_utf8_decode_strict(s + at, len - at, &cp);
        bool plain = n > 0 && cp >= 0x20 && (cp < 0x7f || cp > 0x9f);
        size_t n_bytes = (size_t)(n > 0 ? n : -n);
        if (plain) {
            memcpy(q.text + used, s + at, n_bytes);
            used += n_bytes;
        } else {
            q.text[used++] = '?';
        }
        at += n_bytes;
    }
    if (at < len) {
        memcpy(q.text + used, "...", 3);
        used += 3;
    }
    q.text[used] = 0;
    return q;
}

static inline mn_quoted mn_quoted_name(const char *s)
{
    return mn_quoted_bytes(s, strlen(s));
}

#endif
