/* Request parameters; see params.h. */
#include "server/params.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mn_param_fail(mn_params *p, const char *name, const char *fmt, ...)
{
    if (p->err.code != MINERVA_OK) return;
    va_list ap;
    va_start(ap, fmt);
    p->err.code = MINERVA_INVALID;
    int n = snprintf(p->err.message, sizeof p->err.message, "%.100s: ", name);
    vsnprintf(p->err.message + n, sizeof p->err.message - (size_t)n, fmt, ap);
    va_end(ap);
    p->param = name;
}

static const json_t *member(const mn_params *p, const char *name)
{
    const json_t *v = json_object_get(p->body, name);
    return json_is_null(v) ? NULL : v;
}

bool mn_param_float(mn_params *p, const char *name, double lo, double hi, float *out)
{
    const json_t *v = member(p, name);
    if (!v || p->err.code != MINERVA_OK) return false;
    double x = json_is_number(v) ? json_number_value(v) : NAN;
    if (!(x >= lo && x <= hi)) {
        mn_param_fail(p, name, "a number of %g to %g expected", lo, hi);
        return false;
    }
    *out = (float)x;
    return true;
}

bool mn_param_int(mn_params *p, const char *name, int64_t lo, int64_t hi, int64_t *out)
{
    const json_t *v = member(p, name);
    if (!v || p->err.code != MINERVA_OK) return false;
    if (!json_is_integer(v) || json_integer_value(v) < lo || json_integer_value(v) > hi) {
        mn_param_fail(p, name, "a whole number of %lld to %lld expected", (long long)lo,
                      (long long)hi);
        return false;
    }
    *out = json_integer_value(v);
    return true;
}

bool mn_param_bool(mn_params *p, const char *name, bool *out)
{
    const json_t *v = member(p, name);
    if (!v || p->err.code != MINERVA_OK) return false;
    if (!json_is_boolean(v)) {
        mn_param_fail(p, name, "true or false expected");
        return false;
    }
    *out = json_is_true(v);
    return true;
}

void mn_param_strings(mn_params *p, const char *name, const char **out, size_t most, size_t *n)
{
    const json_t *v = member(p, name);
    *n = 0;
    if (!v || p->err.code != MINERVA_OK) return;
    size_t count = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(item) || !*json_string_value(item) || i == most) {
            mn_param_fail(p, name, "at most %zu strings that are not empty expected", most);
            return;
        }
        out[(*n)++] = json_string_value(item);
    }
}

static bool in_list(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (!strcmp(*list, name)) return true;
    return false;
}

void mn_param_known(mn_params *p, const char *const *known, const char *const *harmless)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)p->body, name, value)
        if (!json_is_null(value) && !in_list(known, name) && !in_list(harmless, name))
            mn_param_fail(p, name, "this server has no such parameter");
}
