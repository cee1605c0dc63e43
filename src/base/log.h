/* Log: lines for whoever embeds us.  The library itself never prints; it calls the sink
 * that the caller gave in its options, or nobody.  The sink is called from the thread that
 * logs and must be quick. */
#ifndef MN_BASE_LOG_H
#define MN_BASE_LOG_H

#include "minerva.h"

typedef struct {
    minerva_log_fn *fn;         /* NULL: silence */
    void *ctx;
} mn_log;

__attribute__((format(printf, 3, 4)))
void mn_log_line(const mn_log *log, minerva_log_level level, const char *fmt, ...);

#endif
