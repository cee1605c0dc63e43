/* The rules of model/rope.h.
 *
 * Everything is reduced to one rule, computed in double and rounded to f32 once:
 *
 *     f_i      = theta^(-2i / n) / factor_i           factor_i: a table, else 1
 *     inv_i    = f_i * (r_i + (1 - r_i) * scale)      r_i: share that is not interpolated
 *
 * with r_i = 0 for plain interpolation, YaRN's ramp, or Llama 3's bands.
 *
 * Where the two worlds differ, each file follows its own: HF's YaRN may keep its range
 * unrounded (truncate: false), GGUF's never; HF switches LongRoPE's tables by the length
 * of the sequence, llama.cpp by the size of the context.
 */
#include "model/rope.h"

#include <math.h>
#include <string.h>

enum { MAX_PAIRS = 4096 };

typedef struct {
    double theta, scale;        /* scale: 1 / factor */
    int32_t n;                  /* dimensions that turn */
    double over;                /* the exponent's divisor: n, or head_dim (proportional) */
    enum { RULE_PLAIN, RULE_YARN, RULE_LLAMA3 } kind;
    double low, high;           /* YaRN: the ramp in pairs; Llama 3: the frequency factors */
    double original;            /* trained context */
    double magnitude;
} rope_rule;

static double not_interpolated(const rope_rule *r, int32_t i, double inv)
{
    if (r->kind == RULE_YARN) {
        double span = r->high - r->low;
        double t = (i - r->low) / (span < 0.001 ? 0.001 : span);
        return 1 - (t < 0 ? 0 : t > 1 ? 1 : t);
    }
    if (r->kind == RULE_LLAMA3) {
        double wavelength = 2 * M_PI / inv;
        if (wavelength > r->original / r->low) return 0;
        if (wavelength < r->original / r->high) return 1;
        return (r->original / wavelength - r->low) / (r->high - r->low);
    }
    return 0;
}

static const float *table(mn_build *b, const rope_rule *r, int32_t n_turned,
                          const double *factors)
{
    int32_t pairs = r->n / 2;
    float *out = mn_build_alloc(b, (size_t)pairs, sizeof *out);
    for (int32_t i = 0; out && i < pairs && i < n_turned; i++) {
        double inv = pow(r->theta, -2.0 * i / r->over) / (factors ? factors[i] : 1);
        double keep = not_interpolated(r, i, inv);
        out[i] = (float)(inv * (keep + (1 - keep) * r->scale));
    }
    return out;
}

/* The pair that turns `rotations` times within the trained context. */
static double yarn_pair(const rope_rule *r, double rotations)
{
    return r->n * log(r->original / (rotations * 2 * M_PI)) / (2 * log(r->theta));
}

static void yarn_range(rope_rule *r, double beta_fast, double beta_slow, bool truncate)
{
    r->kind = RULE_YARN;
    r->low = yarn_pair(r, beta_fast);
    r->high = yarn_pair(r, beta_slow);
    if (truncate) {
        r->low = floor(r->low);
        r->high = ceil(r->high);
    }
    if (r->low < 0) r->low = 0;
    if (r->high > r->n - 1) r->high = r->n - 1;
}

static double yarn_mscale(double factor, double m)
{
    return factor <= 1 ? 1 : 0.1 * m * log(factor) + 1;
}

/* ---- config.json ---------------------------------------------------------------------- */

/* A number of the rope object; missing: the fallback, NAN as a fallback: an error. */
static double rope_real(mn_build *b, const json_t *o, const char *key, double fallback,
                        double min, double max)
{
    const json_t *j = json_object_get(o, key);
    if (b->status) return isnan(fallback) ? min : fallback;
    if (!j || json_is_null(j)) {
        if (isnan(fallback))
            mn_build_invalid(b, "config.json: rope_scaling.%s: a number expected, but the field "
                             "is missing", key);
        return isnan(fallback) ? min : fallback;
    }
    double v = json_number_value(j);
    if (!json_is_number(j) || !(v >= min && v <= max)) {
        mn_build_invalid(b, "config.json: rope_scaling.%s: a number from %g to %g expected, %s%g "
                         "found", key, min, max, json_is_number(j) ? "" : "no number, ", v);
        return isnan(fallback) ? min : fallback;
    }
    return v;
}

static const double *rope_list(mn_build *b, const json_t *o, const char *key, int32_t n)
{
    const json_t *j = json_object_get(o, key);
    double *out = mn_build_alloc(b, (size_t)n, sizeof *out);
    if (!out) return NULL;
    if (!json_is_array(j) || json_array_size(j) != (size_t)n) {
        mn_build_invalid(b, "config.json: rope_scaling.%s: a list of %d numbers expected, %zu "
                         "found", key, n, json_array_size(j));
        return NULL;
    }
    for (int32_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(j, (size_t)i);
        out[i] = json_number_value(v);
        if (!json_is_number(v) || !(out[i] > 0 && out[i] < 1e30)) {
            mn_build_invalid(b, "config.json: rope_scaling.%s: positive numbers expected, %g "
                             "found at %d", key, out[i], i);
            return NULL;
        }
    }
    return out;
}

/* rope_scaling if it says anything, else rope_parameters; of nested ones, this layer type's.
 * A flat object says nothing about layers that go unscaled. */
static const json_t *rope_object(mn_build *b, const mn_rope_request *rq)
{
    static const char *const nested[] = { "full_attention", "sliding_attention", NULL };
    const json_t *o = mn_config_json(b, "rope_scaling");
    if (!json_is_object(o) || json_object_size(o) == 0) o = mn_config_json(b, "rope_parameters");
    for (int i = 0; nested[i]; i++) {
        if (!json_object_get(o, nested[i])) continue;
        o = json_object_get(o, rq->layer_type ? rq->layer_type : "full_attention");
        return json_is_object(o) ? o : NULL;
    }
    return json_is_object(o) && !rq->unscaled ? o : NULL;
}

static void hf_yarn(mn_build *b, rope_rule *r, const json_t *o, double context)
{
    double factor = rope_real(b, o, "factor", context / r->original, 1e-3, 1e6);
    double mscale = rope_real(b, o, "mscale", 0, 0, 100);
    double all_dim = rope_real(b, o, "mscale_all_dim", 0, 0, 100);
    double usual = mscale != 0 && all_dim != 0
                       ? yarn_mscale(factor, mscale) / yarn_mscale(factor, all_dim)
                       : yarn_mscale(factor, 1);
    r->magnitude = rope_real(b, o, "attention_factor", usual, 1e-3, 1e3);
    double fast = rope_real(b, o, "beta_fast", 32, 0, 1e6);
    double slow = rope_real(b, o, "beta_slow", 1, 0, 1e6);
    const json_t *whole = mn_config_json(b, "rope_scaling");
    if (!json_is_object(whole)) whole = mn_config_json(b, "rope_parameters");
    const json_t *truncate = json_object_get(whole, "truncate");
    r->scale = 1 / factor;
    yarn_range(r, fast ? fast : 32, slow ? slow : 1, !json_is_false(truncate));
}

static void hf_longrope(mn_build *b, mn_rope *out, rope_rule *r, const json_t *o, double context)
{
    double factor = rope_real(b, o, "factor", context / r->original, 1e-3, 1e6);
    double usual = factor <= 1 ? 1 : sqrt(1 + log(factor) / log(r->original));
    r->magnitude = rope_real(b, o, "attention_factor", usual, 1e-3, 1e3);
    const double *brief = rope_list(b, o, "short_factor", r->n / 2);
    const double *extended = rope_list(b, o, "long_factor", r->n / 2);
    if (b->status) return;
    out->inv_freq = table(b, r, r->n / 2, brief);
    out->inv_freq_long = table(b, r, r->n / 2, extended);
    out->magnitude_long = (float)r->magnitude;
    out->switch_at = (int32_t)r->original;
}

static void hf_rope(mn_build *b, mn_rope *out, rope_rule *r, const mn_rope_request *rq)
{
    const json_t *o = rope_object(b, rq);
    double theta = mn_config_real(b, NULL, rq->theta_hf ? rq->theta_hf
                                                        : "rope_theta rotary_emb_base",
                                  rq->theta ? rq->theta : 10000, 1e-3, 1e15);
    double partial = mn_config_real(b, NULL, "partial_rotary_factor rotary_pct rope_pct",
                                    rq->partial ? rq->partial : 1, 0, 1);
    double context = mn_config_real(b, NULL, "max_position_embeddings", 2048, 1, 1e9);
    r->theta = rope_real(b, o, "rope_theta", theta, 1e-3, 1e15);
    partial = rope_real(b, o, "partial_rotary_factor", partial, 0, 1);
    if (!o && rq->absent_partial) partial = rq->absent_partial;
    r->original = rope_real(b, o, "original_max_position_embeddings", context, 1, 1e9);
    r->original = mn_config_real(b, NULL, "original_max_position_embeddings", r->original, 1, 1e9);
    const char *type = json_string_value(json_object_get(o, "rope_type"));
    if (!type) type = json_string_value(json_object_get(o, "type"));
    if (!type) type = !o && rq->absent_type ? rq->absent_type : "default";
    if (rq->whole_head && !strcmp(type, "default")) partial = 1;
    r->n = (int32_t)(rq->head_dim * partial);
    r->over = r->n;
    if (rq->su_is_longrope && (!strcmp(type, "su") || !strcmp(type, "yarn"))) type = "longrope";
    int32_t turned = r->n / 2;
    if (!strcmp(type, "linear")) {
        r->scale = 1 / rope_real(b, o, "factor", NAN, 1e-3, 1e6);
    } else if (!strcmp(type, "dynamic")) {
        /* Up to the trained length the base is as it was; Hunyuan's alpha always counts. */
        double alpha = rope_real(b, o, "alpha", 1, 1e-3, 1e9);
        if (r->n > 2) r->theta *= pow(alpha, r->n / (r->n - 2.0));
    } else if (!strcmp(type, "llama3")) {
        r->kind = RULE_LLAMA3;
        r->scale = 1 / rope_real(b, o, "factor", NAN, 1e-3, 1e6);
        r->low = rope_real(b, o, "low_freq_factor", NAN, 1e-6, 1e6);
        r->high = rope_real(b, o, "high_freq_factor", NAN, 1e-6, 1e6);
    } else if (!strcmp(type, "yarn")) {
        hf_yarn(b, r, o, context);
    } else if (!strcmp(type, "longrope")) {
        hf_longrope(b, out, r, o, context);
    } else if (!strcmp(type, "proportional")) {
        turned = r->n / 2;
        r->n = rq->head_dim;
        r->over = rq->head_dim;
        r->scale = 1 / rope_real(b, o, "factor", 1, 1e-3, 1e6);
    } else if (strcmp(type, "default") && strcmp(type, "mrope")) {
        mn_build_unsupported(b, "config.json: rope_scaling: type \"%.40s\" is not implemented "
                             "(default, linear, dynamic, llama3, yarn, longrope and proportional "
                             "are)", type);
    }
    if (!out->inv_freq) out->inv_freq = table(b, r, turned, NULL);
}

/* ---- GGUF ----------------------------------------------------------------------------- */

static const double *gguf_factors(mn_build *b, const char *name, int32_t n)
{
    int layer = b->layer;
    b->layer = -1;
    const float *f = mn_bind_vector(b, name, NULL, n, MN_VECTOR_OPTIONAL);
    b->layer = layer;
    double *out = f ? mn_build_alloc(b, (size_t)n, sizeof *out) : NULL;
    for (int32_t i = 0; out && i < n; i++) {
        out[i] = f[i];
        if (f[i] > 0) continue;
        mn_build_invalid(b, "tensor %s: positive factors expected, %g found", name, f[i]);
        return NULL;
    }
    return out;
}

static void gguf_rope(mn_build *b, mn_rope *out, rope_rule *r, const mn_rope_request *rq)
{
    r->theta = mn_config_real(b, rq->theta_gguf ? rq->theta_gguf : "rope.freq_base", NULL,
                              rq->theta ? rq->theta : 10000, 1e-3, 1e15);
    int32_t usual = (int32_t)(rq->head_dim * (rq->partial ? rq->partial : 1));
    r->n = (int32_t)mn_config_int(b, rq->dims_gguf ? rq->dims_gguf : "rope.dimension_count", NULL,
                                  usual, 0, rq->head_dim);
    r->over = r->n;
    if (rq->unscaled) {
        out->inv_freq = table(b, r, r->n / 2, NULL);
        return;
    }
    const char *type = mn_config_word(b, "rope.scaling.type", NULL, "linear");
    double factor = mn_config_real(b, "rope.scaling.factor", NULL, 0, 0, 1e6);
    if (!factor) factor = mn_config_real(b, "rope.scale_linear", NULL, 0, 0, 1e6);
    double context = mn_config_real(b, "context_length", NULL, 2048, 1, 1e9);
    double attn = mn_config_real(b, "rope.scaling.attn_factor", NULL, 1, 1e-3, 1e3);
    r->original = mn_config_real(b, "rope.scaling.original_context_length", NULL, context, 1, 1e9);
    if (factor > 0 && strcmp(type, "none")) r->scale = 1 / factor;
    r->magnitude = attn;
    if (!strcmp(type, "yarn")) {
        double fast = mn_config_real(b, "rope.scaling.yarn_beta_fast", NULL, 32, 1e-3, 1e6);
        double slow = mn_config_real(b, "rope.scaling.yarn_beta_slow", NULL, 1, 1e-3, 1e6);
        double ext = mn_config_real(b, "rope.scaling.yarn_ext_factor", NULL, -1, -1, 1);
        double all_dim = rq->log_mul_unit *
                         mn_config_real(b, "rope.scaling.yarn_log_multiplier", NULL, 0, -1e3, 1e3);
        double stretch = 1 / r->scale;
        if (ext != -1 && ext != 0 && ext != 1)
            mn_build_unsupported(b, "%s.rope.scaling.yarn_ext_factor: 0 or 1 expected, %g found",
                                 b->arch, ext);
        if (ext != 0) {
            r->magnitude *= all_dim == 0 ? yarn_mscale(stretch, 1)
                            : rq->log_mul_cancels
                                ? 1 : yarn_mscale(stretch, 1) / yarn_mscale(stretch, all_dim);
            yarn_range(r, fast, slow, true);
        }
    } else if (strcmp(type, "none") && strcmp(type, "linear") && strcmp(type, "longrope")) {
        mn_build_unsupported(b, "%s.rope.scaling.type: \"%.40s\" is not implemented (none, "
                             "linear, yarn and longrope are)", b->arch, type);
    }
    const double *freqs = gguf_factors(b, "rope_freqs.weight", r->n / 2);
    const double *brief = gguf_factors(b, "rope_factors_short.weight", r->n / 2);
    const double *extended = gguf_factors(b, "rope_factors_long.weight", r->n / 2);
    if (b->status) return;
    out->inv_freq = table(b, r, r->n / 2, freqs ? freqs : brief);
    if (freqs || !extended) return;
    out->inv_freq_long = table(b, r, r->n / 2, extended);
    out->magnitude_long = (float)r->magnitude;
    out->switch_at = (int32_t)r->original;
    out->long_by_context = true;
}

void mn_rope_build(mn_build *b, mn_rope *out, const mn_rope_request *rq)
{
    rope_rule r = { .scale = 1, .magnitude = 1 };
    mn_rope rope = { .interleaved = rq->interleaved };
    if (b->status) return;
    if (b->gguf) gguf_rope(b, &rope, &r, rq);
    else hf_rope(b, &rope, &r, rq);
    if (!b->status && (r.n % 2 || r.n > 2 * MAX_PAIRS))
        mn_build_invalid(b, "rotary embedding: an even number of dimensions up to %d expected, "
                         "%d found", 2 * MAX_PAIRS, r.n);
    if (b->status || !r.n) return;
    rope.n_dims = r.n;
    rope.magnitude = (float)r.magnitude;
    for (int32_t i = 0; i < r.n / 2; i++)
        if (!isfinite(rope.inv_freq[i]) ||
            (rope.inv_freq_long && !isfinite(rope.inv_freq_long[i]))) {
            mn_build_invalid(b, "rotary embedding: the frequency of pair %d is not finite "
                             "(base %g)", i, r.theta);
            return;
        }
    *out = rope;
}
