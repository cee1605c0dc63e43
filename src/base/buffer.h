/* Buffer: bytes that grow.
 *
 * (1) An all-zero mn_buffer is empty and ready for use.
 * (2) `data` is always followed by a 0 byte once anything was appended.
 * (3) Failure sticks: after an allocation fails or `limit_bytes` is passed, `failed` is
 *     set and appending does nothing, so that callers check once, at the end.
 */
#ifndef MN_BASE_BUFFER_H
#define MN_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *data;
    size_t len, capacity;
    size_t limit_bytes;     /* 0: none */
    bool failed;
} mn_buffer;

void mn_buffer_clear(mn_buffer *b);                 /* frees; ready for use again */
void mn_buffer_reset(mn_buffer *b);                 /* empties, keeps the memory */
bool mn_buffer_reserve(mn_buffer *b, size_t extra); /* room for `extra` more bytes */
void mn_buffer_append(mn_buffer *b, const void *bytes, size_t len);
void mn_buffer_append_str(mn_buffer *b, const char *s);
void mn_buffer_append_byte(mn_buffer *b, char c);
/* UTF-8 of a code point; invalid ones become U+FFFD. */
void mn_buffer_append_codepoint(mn_buffer *b, uint32_t cp);
__attribute__((format(printf, 2, 3)))
void mn_buffer_append_fmt(mn_buffer *b, const char *fmt, ...);
/* JSON string with quotes; invalid UTF-8 becomes U+FFFD; non-ASCII stays as it is. */
void mn_buffer_append_json(mn_buffer *b, const char *s, size_t len);
/* The bytes, owned by the caller (free()); the buffer is empty afterwards.
 * NULL if it failed (and it is cleared). */
char *mn_buffer_take(mn_buffer *b, size_t *len);

#endif
