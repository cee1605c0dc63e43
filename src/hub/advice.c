/* How to run a model here: backend, device, context and cache type, with reasons.
 *
 * Of the backends that run the model the first whose memory holds weights, scratch and a
 * useful cache is taken (they come in the order of recommendation).  The context is the
 * longest that fits, by halving from the model's own; a 16-bit cache is kept as long as it
 * allows USEFUL_CONTEXT tokens, then 8 bits are tried, which costs little and halves it.
 */
#include "base/status.h"
#include "format/json_text.h"
#include "hub/hub.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USEFUL_CONTEXT = 8192, LEAST_CONTEXT = 512 };

typedef struct {
    const char *backend, *device, *kv;
    int64_t memory, weights, fixed, state, context;
    bool fits;
} advice;

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static int64_t number_of(const json_t *o, const char *key)
{
    int64_t v = json_integer_value(json_object_get(o, key));
    return v > 0 && v < (int64_t)1 << 50 ? v : 0;
}

static const char *size_text(int64_t bytes, char out[32])
{
    if (bytes >= 1000000000) snprintf(out, 32, "%.1f GB", (double)bytes / 1e9);
    else snprintf(out, 32, "%.0f MB", (double)bytes / 1e6);
    return out;
}

__attribute__((format(printf, 2, 3)))
static void say(json_t *why, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *s = json_string(text);
    if (s) json_array_append_new(why, s);
}

/* The longest context with that cache in what weights and scratch leave; 0: none. */
static int64_t longest(const advice *a, int64_t per_position, int64_t most)
{
    int64_t left = a->memory - a->weights - a->fixed;
    if (left <= 0) return 0;
    if (per_position <= 0) return most;
    int64_t context = most;
    while (context > LEAST_CONTEXT && context > left / per_position) context /= 2;
    return context <= left / per_position ? context : 0;
}

static void settle_context(advice *a, int64_t per_position, int64_t most)
{
    int64_t useful = most < USEFUL_CONTEXT ? most : USEFUL_CONTEXT;
    int64_t small = per_position * 17 / 32;     /* q8_0: 34 bytes for 32 values */
    a->kv = "f16";
    a->context = longest(a, per_position, most);
    if (a->context < useful) {
        int64_t more = longest(a, small, most);
        if (more > a->context) {
            a->context = more;
            a->kv = "q8_0";
        }
    }
    a->fits = a->context > 0;
    a->state = (a->kv[0] == 'q' ? small : per_position) * a->context;
}

static void explain(const advice *a, const json_t *d, const mn_machine *m, double speed,
                    json_t *why)
{
    char x[32], y[32], z[32];
    const json_t *net = json_object_get(d, "model");
    int64_t most = number_of(net, "context");
    if (!a->fits) {
        say(why, "weights (%s) and scratch (%s) do not fit into the %s that are free: it will "
            "read from disk again and again, or fail", size_text(a->weights, x),
            size_text(a->fixed, y), size_text(a->memory, z));
        return;
    }
    say(why, "%s on %s: weights %s, scratch %s, %s free", a->backend, a->device,
        size_text(a->weights, x), size_text(a->fixed, y), size_text(a->memory, z));
    if (a->context == most)
        say(why, "the model's whole context of %lld tokens fits: %s of cache at most",
            (long long)most, size_text(a->state, x));
    else
        say(why, "of the model's context of %lld tokens %lld fit: %s of cache",
            (long long)most, (long long)a->context, size_text(a->state, x));
    if (a->kv[0] == 'q')
        say(why, "an 8-bit cache, as one of 16 bits would leave less than %d tokens",
            USEFUL_CONTEXT);
    if (speed > 0)
        say(why, "about %.*f tokens/s: memory is read at %.1f GB/s, a token reads %s",
            speed < 10 ? 1 : 0, speed, m->read_bytes_per_s / 1e9,
            size_text(number_of(net, "bytes_per_token"), x));
}

static minerva_status advise(const minerva_hub *h, const json_t *d, char **json,
                             minerva_error *err)
{
    const json_t *net = json_object_get(d, "model"), *b;
    json_t *why = json_array();
    mn_machine m = mn_hub_machine(h);
    advice best = { .backend = NULL };
    size_t i;
    json_array_foreach(json_object_get(d, "backends"), i, b) {
        if (!json_is_true(json_object_get(b, "runs"))) continue;
        bool native = !strcmp(text_of(b, "name"), "native");
        advice a = { .backend = text_of(b, "name"), .device = text_of(b, "device"),
                     .memory = native ? m.memory_bytes : number_of(b, "memory_bytes"),
                     .weights = number_of(b, "weight_bytes"), .fixed = number_of(b, "fixed_bytes") };
        if (!a.weights) a.weights = number_of(d, "size_bytes");
        settle_context(&a, number_of(net, "kv_bytes_per_position"), number_of(net, "context"));
        if (!best.backend || (a.fits && !best.fits)) best = a;
    }
    if (!best.backend) {
        say(why, "no backend here runs it%s%s", *text_of(net, "why") ? ": " : "",
            text_of(net, "why"));
        return mn_json_text(json_pack("{s:n, s:b, s:o}", "backend", "fits", 0, "why", why), json,
                            err);
    }
    int64_t per_token = number_of(net, "bytes_per_token");
    double speed = per_token && !strcmp(best.backend, "native")
                       ? m.read_bytes_per_s * 0.6 / (double)per_token : 0;
    explain(&best, d, &m, best.fits ? speed : 0, why);
    return mn_json_text(json_pack("{s:s, s:s, s:I, s:s, s:b, s:I, s:I, s:I, s:I, s:o, s:o}",
        "backend", best.backend, "device", best.device, "context", (json_int_t)best.context,
        "kv", best.kv, "fits", best.fits, "weight_bytes", (json_int_t)best.weights,
        "fixed_bytes", (json_int_t)best.fixed, "state_bytes", (json_int_t)best.state,
        "free_bytes", (json_int_t)best.memory, "tokens_per_s",
        best.fits && speed > 0 ? json_real(speed) : json_null(), "why", why), json, err);
}

minerva_status minerva_hub_recommend(minerva_hub *h, const char *description, char **json,
                                     minerva_error *err)
{
    json_t *d = NULL;
    size_t len = strlen(description);
    char *copy = malloc(len + 1);
    if (!copy) return mn_fail_memory(err, len);
    memcpy(copy, description, len + 1);
    minerva_status st = mn_json_parse(&d, copy, len, "the description", err);
    free(copy);
    if (st == MINERVA_OK && !json_is_object(d))
        st = mn_fail(err, MINERVA_INVALID, "the description: an object expected");
    if (st == MINERVA_OK) st = advise(h, d, json, err);
    json_decref(d);
    return st;
}
