/* The server's log: one line per event, as key=value pairs or as JSON.
 *
 * Values that are not plain words are quoted with JSON's escapes in either form, so that
 * no client can write a line of its own into the log. */
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = { "error", "warning", "info", "debug" };

static void stamp(char out[40])
{
    struct timespec t;
    struct tm utc;
    char seconds[24];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &utc);
    strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, 40, "%s.%03dZ", seconds, (int)(t.tv_nsec / 1000000) % 1000);
}

static bool is_plain(const char *s)
{
    return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "-_./:[]{}@+%")];
}

static void add_pair(mn_buffer *b, bool json, const char *key, const char *value, bool number)
{
    mn_buffer_append_fmt(b, json ? ",\"%s\":" : " %s=", key);
    if (number || (!json && is_plain(value))) mn_buffer_append_str(b, value);
    else mn_buffer_append_json(b, value, strlen(value));
}

/* pairs: "key", MN_LOG_..., value, ..., NULL */
void mn_server_log(const mn_server *s, minerva_log_level level, const char *event, ...)
{
    va_list ap;
    mn_buffer b = { 0 };
    char number[64];
    bool json = s->o->log_json;
    if (!s->o->log || level > s->o->log_level) return;
    stamp(number);
    mn_buffer_append_fmt(&b, json ? "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\""
                                  : "ts=%s level=%s event=%s", number, level_names[level], event);
    va_start(ap, event);
    for (const char *key; (key = va_arg(ap, const char *));) {
        switch (va_arg(ap, int)) {
        case MN_LOG_TEXT: {
            const char *text = va_arg(ap, const char *);
            if (text) add_pair(&b, json, key, text, false);
            continue;
        }
        case MN_LOG_INT:
            snprintf(number, sizeof number, "%lld", va_arg(ap, long long));
            break;
        default:
            snprintf(number, sizeof number, "%.3f", va_arg(ap, double));
            break;
        }
        add_pair(&b, json, key, number, true);
    }
    va_end(ap);
    mn_buffer_append_str(&b, json ? "}" : "");
    if (b.data) s->o->log(s->o->log_ctx, level, b.data);
    mn_buffer_clear(&b);
}
