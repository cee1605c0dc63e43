/* Errors as values.
 *
 * Every function that can fail on its input returns a minerva_status and takes an
 * optional `minerva_error *`.  These helpers fill the error and return the status, so
 * that a failing line reads
 *
 *     return mn_fail(err, MINERVA_INVALID, "%s: %d columns expected, %d found", ...);
 *
 * The first failure wins: an error that is already set keeps its message, because the
 * innermost function knows most.  mn_fail_context() puts a prefix before it.
 */
#ifndef MN_BASE_STATUS_H
#define MN_BASE_STATUS_H

#include "minerva.h"

/* Set `err` (may be NULL) and return `code`.  `offset` is -1: no place in a file. */
__attribute__((format(printf, 3, 4)))
minerva_status mn_fail(minerva_error *err, minerva_status code, const char *fmt, ...);

/* The same with the byte offset in the input at which the fault lies. */
__attribute__((format(printf, 4, 5)))
minerva_status mn_fail_at(minerva_error *err, minerva_status code, int64_t offset,
                          const char *fmt, ...);

/* Put "prefix: " before the message of an error that is set; returns its code. */
__attribute__((format(printf, 2, 3)))
minerva_status mn_fail_context(minerva_error *err, const char *fmt, ...);

/* Out of memory, in the one wording used everywhere. */
minerva_status mn_fail_memory(minerva_error *err, size_t size_bytes);

#endif
