/* Log lines to the caller's sink; see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void mn_log_line(const mn_log *log, minerva_log_level level, const char *fmt, ...)
{
    if (!log || !log->fn) return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    log->fn(log->ctx, level, line);
}
