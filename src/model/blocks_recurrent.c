/* Recurrent mixers that several families share: Mamba-2. */
#include "model/build.h"

#include <float.h>
#include <math.h>

void mn_build_dt_limit(mn_build *b, mn_mamba_dims *m)
{
    int32_t n;
    const double *limit = mn_config_reals(b, NULL, "time_step_limit", 2, &n);
    if (!limit || b->status) return;
    if (n != 2 || !(limit[0] >= 0) || !(limit[1] > limit[0])) {
        mn_build_invalid(b, "config.json: time_step_limit: two numbers, 0 or more and rising, "
                         "expected");
        return;
    }
    m->dt_min = limit[0];
    m->dt_max = isfinite(limit[1]) ? limit[1] : limit[0] > 0 ? FLT_MAX : 0;
}

void mn_build_mamba2(mn_build *b, mn_mixer *mixer, const mn_mamba_dims *d, const char *hf_prefix,
                     int64_t hidden)
{
    char hf[MN_NAME_MAX];
    mn_mamba2 *m = &mixer->u.mamba2;
    int64_t bc = 2 * (int64_t)d->n_groups * d->state, channels = d->inner + bc;
    mixer->kind = MN_MIXER_MAMBA2;
    if (!b->status && ((int64_t)d->n_heads * d->head_dim != d->inner || d->n_heads % d->n_groups))
        mn_build_invalid(b, "mamba: %d heads of %d in %d groups expected to fill a width of %d",
                         d->n_heads, d->head_dim, d->n_groups, d->inner);
    if (b->status) return;
    m->n_heads = d->n_heads;
    m->head_dim = d->head_dim;
    m->n_groups = d->n_groups;
    m->state_dim = d->state;
    m->conv_width = d->conv_width;
    m->dt_min = (float)d->dt_min;
    m->dt_max = (float)d->dt_max;
    mn_bind_linear(b, &m->in, "ssm_in", mn_bind_prefixed(hf_prefix, "in_proj", hf),
                   d->inner + channels + d->n_heads, hidden);
    mn_bind_linear(b, &m->out, "ssm_out", mn_bind_prefixed(hf_prefix, "out_proj", hf), hidden,
                   d->inner);
    m->conv = mn_bind_vector(b, "ssm_conv1d.weight",
                             mn_bind_prefixed(hf_prefix, "conv1d.weight", hf),
                             channels * d->conv_width, 0);
    m->conv_bias = mn_bind_vector(b, "ssm_conv1d.bias",
                                  mn_bind_prefixed(hf_prefix, "conv1d.bias", hf), channels,
                                  MN_VECTOR_OPTIONAL);
    m->decay = mn_bind_vector(b, "ssm_a", mn_bind_prefixed(hf_prefix, "A_log", hf), d->n_heads,
                              b->gguf ? MN_VECTOR_PLAIN : MN_VECTOR_NEG_EXP);
    m->dt_bias = mn_bind_vector(b, "ssm_dt.bias", mn_bind_prefixed(hf_prefix, "dt_bias", hf),
                                d->n_heads, 0);
    m->d = mn_bind_vector(b, "ssm_d", mn_bind_prefixed(hf_prefix, "D", hf), d->n_heads, 0);
    if (!d->norm_width) return;
    m->norm_before_gate = d->norm_before_gate;
    mn_bind_norm(b, &m->norm, MN_NORM_RMS, d->eps, "ssm_norm",
                 mn_bind_prefixed(hf_prefix, "norm", hf), d->inner, 0);
    m->norm.n = d->norm_width;
    m->norm.per_group_weight = d->norm_width != d->inner;
}
