/* Reading request parameters: each with its range, each refused by name. */
#ifndef MN_SERVER_PARAMS_H
#define MN_SERVER_PARAMS_H

#include "server/server.h"

/* Readers leave *out alone if the member is absent or null.  The first fault is kept in
 * *err (code and message) and *param; later readers then do nothing. */
typedef struct {
    const json_t *body;
    minerva_error err;
    const char *param;
} mn_params;

bool mn_param_float(mn_params *p, const char *name, double lo, double hi, float *out);
bool mn_param_int(mn_params *p, const char *name, int64_t lo, int64_t hi, int64_t *out);
bool mn_param_bool(mn_params *p, const char *name, bool *out);
/* A string, or an array of at most `most` of them; borrowed from the body. */
void mn_param_strings(mn_params *p, const char *name, const char **out, size_t most, size_t *n);
/* Every member must be in one of the two lists (each ends with NULL). */
void mn_param_known(mn_params *p, const char *const *known, const char *const *harmless);
__attribute__((format(printf, 3, 4)))
void mn_param_fail(mn_params *p, const char *name, const char *fmt, ...);

#endif
