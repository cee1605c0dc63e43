/* minerva.h - the public interface of Minerva, a local language-model runtime.
 *
 * Conventions, for everything below:
 *  - A function that can fail returns a minerva_status; results go through `out`
 *    parameters, which are set only on MINERVA_OK.  Detail goes to an optional
 *    `minerva_error *` (NULL = not wanted), zeroed by the caller before the call.
 *  - Options are structs whose zero value is the default.
 *  - The library never prints, exits or aborts on input, and reads no environment.
 *  - Every free/close accepts NULL.  Strings are UTF-8, 0-terminated unless a length
 *    stands beside them.  Shapes are row-major, outermost dimension first.
 *  - Threads: different objects may be used from different threads at once; one object by
 *    one thread at a time, unless its comment says more.
 */
#ifndef MINERVA_H
#define MINERVA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MINERVA_API __attribute__((visibility("default")))

typedef enum {
    MINERVA_OK = 0,
    MINERVA_INVALID,        /* malformed input or argument */
    MINERVA_UNSUPPORTED,    /* well-formed, but nothing here can run it */
    MINERVA_NOT_FOUND,
    MINERVA_IO,
    MINERVA_MEMORY,
    MINERVA_FULL,           /* context, queue or disk full; nothing changed */
    MINERVA_LIMIT,          /* a budget (steps, depth, size) is used up */
    MINERVA_CANCELLED,
    MINERVA_DEVICE          /* a device failed; objects on it must be freed */
} minerva_status;

typedef struct {
    minerva_status code;
    int64_t offset;         /* byte in the input at which the fault lies, or -1 */
    char message[500];      /* what was expected and what was found; one line */
} minerva_error;

MINERVA_API const char *minerva_status_name(minerva_status status);

typedef enum { MINERVA_LOG_ERROR, MINERVA_LOG_WARNING, MINERVA_LOG_INFO, MINERVA_LOG_DEBUG }
    minerva_log_level;
/* `line` has no newline and is valid during the call only. */
typedef void minerva_log_fn(void *ctx, minerva_log_level level, const char *line);

#ifdef __cplusplus
}
#endif
#endif
