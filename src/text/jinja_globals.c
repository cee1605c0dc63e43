/* Global functions: jinja2's, and the two that transformers adds for chat templates,
 * raise_exception and strftime_now. */
#include "base/status.h"
#include "text/jinja_run.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof table / sizeof *table)

typedef const mn_jcall *call_t;

static bool global_range(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    int64_t v[3] = { 0, 0, 1 };
    if (call->n_keywords || !call->n_args || call->n_args > 3)
        return mn_j_fail(r, MINERVA_INVALID, "range() needs one to three numbers");
    for (uint32_t i = 0; i < call->n_args; i++) {
        if (!mn_j_is_index(call->args[i]))
            return mn_j_fail(r, MINERVA_INVALID,
                             "'%s' object cannot be interpreted as an integer",
                             mn_j_type_name(call->args[i]));
        v[call->n_args == 1 ? 1 : i] = mn_j_index_of(call->args[i]);
    }
    if (v[2] == 0) return mn_j_fail(r, MINERVA_INVALID, "range() arg 3 must not be zero");
    bool up = v[2] > 0;
    uint64_t distance =
        up ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
    uint64_t step = up ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    uint64_t n = (up ? v[0] < v[1] : v[0] > v[1]) ? (distance - 1) / step + 1 : 0;
    if (n > J_MAX_RANGE)
        return mn_j_fail(r, MINERVA_LIMIT, "range() of more than %d numbers",
                         J_MAX_RANGE);
    mn_jrange *g = mn_j_alloc(r, 1, sizeof *g);
    if (!g) return false;
    *g = (mn_jrange){ v[0], v[1], v[2], (int64_t)n };
    *out = (mn_jvalue){ .type = J_RANGE, .range = g };
    return true;
}

static bool global_dict(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jdict *d;
    if (!mn_j_dict_from_call(r, call, &d)) return false;
    *out = (mn_jvalue){ .type = J_DICT, .dict = d };
    return true;
}

static bool global_namespace(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jdict *d;
    if (!mn_j_dict_from_call(r, call, &d)) return false;
    *out = (mn_jvalue){ .type = J_NAMESPACE, .dict = d };
    return true;
}

static bool global_cycler(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    if (!call->n_args || call->n_keywords)
        return mn_j_fail(r, MINERVA_INVALID, "at least one item has to be provided");
    mn_jcycler *c = mn_j_alloc(r, 1, sizeof *c);
    mn_jvalue *items = mn_j_alloc(r, call->n_args, sizeof *items);
    if (!c || !items) return false;
    memcpy(items, call->args, call->n_args * sizeof *items);
    *c = (mn_jcycler){ items, call->n_args, 0 };
    *out = (mn_jvalue){ .type = J_CYCLER, .cycler = c };
    return true;
}

static bool global_joiner(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    mn_jjoiner *j = mn_j_alloc(r, 1, sizeof *j);
    if (!j) return false;
    j->separator = call->args[0].type == J_MISSING ? mn_j_cstr(", ") : call->args[0];
    *out = (mn_jvalue){ .type = J_JOINER, .joiner = j };
    return true;
}

static bool global_lipsum(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    return mn_j_fail(r, MINERVA_UNSUPPORTED,
                     "lipsum() is not supported: a prompt must be "
                     "reproducible");
}

/* The message is the template's own, without a line before it. */
static bool global_raise_exception(mn_jrun *r, mn_jvalue self, call_t call,
                                   mn_jvalue *out)
{
    mn_jvalue message;
    if (!mn_j_to_str(r, call->args[0], &message)) return false;
    r->status = mn_fail(r->err, MINERVA_INVALID, "%.*s", (int)message.len, message.s);
    return false;
}

static bool global_strftime_now(mn_jrun *r, mn_jvalue self, call_t call, mn_jvalue *out)
{
    if (call->args[0].type != J_STR)
        return mn_j_fail(r, MINERVA_INVALID, "strftime() argument 1 must be str, not %s",
                         mn_j_type_name(call->args[0]));
    return mn_j_strftime(r, call->args[0], out);
}

static const mn_jbuiltin globals[] = {
    { "range", global_range, NULL, 0, 0, 0 },
    { "dict", global_dict, NULL, 0, 0, 0 },
    { "namespace", global_namespace, NULL, 0, 0, 0 },
    { "cycler", global_cycler, NULL, 0, 0, 0 },
    { "joiner", global_joiner, "sep", 0, 0, 0 },
    { "lipsum", global_lipsum, NULL, 0, 0, 0 },
    { "raise_exception", global_raise_exception, "message", 1, 0, 0 },
    { "strftime_now", global_strftime_now, "format", 1, 0, 0 }
};

const mn_jbuiltin *mn_j_find_global(mn_jvalue name)
{
    return mn_j_find_in(globals, COUNT(globals), name);
}
