/* Filling in minerva_error; see status.h. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set(minerva_error *err, minerva_status code, int64_t offset,
                const char *fmt, va_list ap)
{
    if (!err || err->code != MINERVA_OK) return;
    err->code = code;
    err->offset = offset;
    vsnprintf(err->message, sizeof err->message, fmt, ap);
}

minerva_status mn_fail(minerva_error *err, minerva_status code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(err, code, -1, fmt, ap);
    va_end(ap);
    return code;
}

minerva_status mn_fail_at(minerva_error *err, minerva_status code, int64_t offset,
                          const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(err, code, offset, fmt, ap);
    va_end(ap);
    return code;
}

minerva_status mn_fail_context(minerva_error *err, const char *fmt, ...)
{
    if (!err || err->code == MINERVA_OK) return MINERVA_OK;
    char prefix[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n + 3 > sizeof prefix) return err->code;
    memcpy(prefix + n, ": ", 2);
    size_t len = (size_t)n + 2, old = strlen(err->message);
    size_t room = sizeof err->message - 1 - len;
    if (old > room) old = room;
    memmove(err->message + len, err->message, old);
    memcpy(err->message, prefix, len);
    err->message[len + old] = 0;
    return err->code;
}

minerva_status mn_fail_memory(minerva_error *err, size_t size_bytes)
{
    return mn_fail(err, MINERVA_MEMORY, "out of memory: %zu bytes wanted", size_bytes);
}

const char *minerva_status_name(minerva_status status)
{
    switch (status) {
    case MINERVA_OK:          return "ok";
    case MINERVA_INVALID:     return "invalid";
    case MINERVA_UNSUPPORTED: return "unsupported";
    case MINERVA_NOT_FOUND:   return "not found";
    case MINERVA_IO:          return "input/output";
    case MINERVA_MEMORY:      return "out of memory";
    case MINERVA_FULL:        return "full";
    case MINERVA_LIMIT:       return "limit reached";
    case MINERVA_CANCELLED:   return "cancelled";
    case MINERVA_DEVICE:      return "device";
    }
    return "unknown";
}
