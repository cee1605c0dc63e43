/* mn_template_render(): from the caller's JSON to text.  See template.h.
 *
 * Only the variables that the template names are converted, and strings stay where
 * jansson holds them.  On failure the caller's buffer is as long as before.
 */
#include "text/template.h"
#include "base/status.h"
#include "text/jinja_run.h"

#include <string.h>

static bool from_json(mn_jrun *r, const json_t *j, mn_jvalue *out);

static bool from_array(mn_jrun *r, const json_t *j, mn_jvalue *out)
{
    size_t n = json_array_size(j);
    mn_jvalue *items = mn_j_alloc(r, n, sizeof *items);
    if (!items) return false;
    for (size_t i = 0; i < n; i++)
        if (!from_json(r, json_array_get(j, i), &items[i])) return false;
    *out = mn_j_list(items, n);
    return true;
}

static bool from_object(mn_jrun *r, const json_t *j, mn_jvalue *out)
{
    json_t *object = (json_t *)(uintptr_t)j;    /* jansson's iterators are not const */
    mn_jdict *d = mn_j_dict_new(r, json_object_size(j));
    if (!d) return false;
    for (void *it = json_object_iter(object); it;
         it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        mn_jvalue value;
        if (!from_json(r, json_object_iter_value(it), &value)) return false;
        if (!mn_j_dict_put(r, d, mn_j_str(key, json_object_iter_key_len(it)), value))
            return false;
    }
    *out = (mn_jvalue){ .type = J_DICT, .dict = d };
    return true;
}

static bool from_json(mn_jrun *r, const json_t *j, mn_jvalue *out)
{
    bool ok = true;
    switch (json_typeof(j)) {
    case JSON_NULL: *out = mn_j_none(); return true;
    case JSON_TRUE: *out = mn_j_bool(true); return true;
    case JSON_FALSE: *out = mn_j_bool(false); return true;
    case JSON_INTEGER: *out = mn_j_int(json_integer_value(j)); return true;
    case JSON_REAL: *out = mn_j_float(json_real_value(j)); return true;
    case JSON_STRING:
        if (json_string_length(j) > UINT32_MAX)
            return mn_j_fail(r, MINERVA_LIMIT, "a variable is longer than 4 GiB");
        *out = mn_j_str(json_string_value(j), json_string_length(j));
        return true;
    default:
        if (!mn_j_data_enter(r)) return false;
        ok = json_is_array(j) ? from_array(r, j, out) : from_object(r, j, out);
        mn_j_data_leave(r);
        return ok;
    }
}

/* Render variables first, then globals; what is neither stays J_MISSING. */
static bool fill_context(mn_jrun *r, const json_t *variables)
{
    const mn_template *t = r->t;
    if (!(r->context = mn_j_alloc(r, (size_t)t->n_names, sizeof *r->context)))
        return false;
    for (int32_t i = 0; i < t->n_names; i++) {
        const json_t *j = json_object_getn(variables, t->names[i].s, t->names[i].len);
        const mn_jbuiltin *global = j ? NULL : mn_j_find_global(t->names[i]);
        if (j && !from_json(r, j, &r->context[i])) return false;
        if (global) r->context[i] = (mn_jvalue){ .type = J_FUNCTION, .function = global };
    }
    return true;
}

static bool run(mn_jrun *r, const json_t *variables)
{
    const mn_template *t = r->t;
    if (!fill_context(r, variables)) return false;
    mn_jframe *root = mn_j_frame_new(r, &t->scope, NULL);
    if (!root) return false;
    if (t->self_slot >= 0) root->slots[t->self_slot] = (mn_jvalue){ .type = J_SELF };
    mn_j_frame_enter(r, &t->scope, root);
    return mn_j_exec(r, t->body, root) != FLOW_ERROR;
}

minerva_status mn_template_render(const mn_template *t, const json_t *variables,
                                  const mn_render_options *options, mn_buffer *out,
                                  mn_buffer *spans, minerva_error *err)
{
    static const mn_render_options defaults = { 0 };
    const mn_render_options *o = options ? options : &defaults;
    if (variables && !json_is_object(variables))
        return mn_fail(err, MINERVA_INVALID,
                       "chat template: an object of variables expected");
    if (out->failed) return mn_fail(err, MINERVA_MEMORY, "out of memory");
    size_t memory = o->max_memory_bytes ? o->max_memory_bytes : (size_t)256 << 20;
    size_t longest = o->max_output_bytes ? o->max_output_bytes : (size_t)64 << 20;
    size_t start = out->len, spans_start = spans ? spans->len : 0,
           limit = out->limit_bytes;
    mn_jrun r = {
        .t = t,
        .err = err,
        .line = 1,
        .out = out,
        .out_start = start,
        .spans = spans,
        .now = o->now,
        .arena = { .limit_bytes = memory },
        .scratch = { .limit_bytes = memory },
        .steps_left = o->max_steps ? o->max_steps : 50000000,
        .max_depth = (o->max_depth ? o->max_depth : 200) * J_CALL_WEIGHT,
    };
    r.hash_key =
        (uint64_t)(uintptr_t)&r ^ (uint64_t)(uintptr_t)out->data * 0x9e3779b97f4a7c15u;
    if (!limit || longest < limit - start) out->limit_bytes = start + longest;
    bool ok = run(&r, variables);
    out->limit_bytes = limit;
    if (!ok) {      /* as if nothing had been written */
        out->failed = false;
        out->len = start;
        if (out->data) out->data[start] = 0;
        if (spans) spans->len = spans_start;
    }
    mn_buffer_clear(&r.scratch);
    mn_arena_clear(&r.arena);
    return r.status;
}
