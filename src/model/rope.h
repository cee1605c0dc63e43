/* Rotary embeddings: from the scaling rules of configs to final angular frequencies.
 *
 * A plan holds inv_freq, the angle by which each pair of a head turns per position, with
 * every rule already applied: linear and dynamic-NTK scaling, Llama 3's bands, YaRN (Peng
 * et al. 2023, 2309.00071), LongRoPE's per-pair factors (2402.13753), Gemma 4's
 * proportional form, and the tables that GGUF files carry as tensors. */
#ifndef MN_MODEL_ROPE_H
#define MN_MODEL_ROPE_H

#include "model/build.h"

/* What one kind of layer asks for; zero means the usual. */
typedef struct {
    int32_t head_dim;           /* of the heads that are turned */
    bool interleaved;
    double theta;               /* base where the config is silent; 0: 10000 */
    double partial;             /* partial_rotary_factor where the config is silent; 0: 1 */
    const char *layer_type;     /* HF: key of nested rope_parameters, "full_attention" */
    const char *theta_hf;       /* spellings of the base; NULL: "rope_theta rotary_emb_base" */
    const char *theta_gguf;     /* NULL: "rope.freq_base" */
    const char *dims_gguf;      /* NULL: "rope.dimension_count" */
    bool unscaled;              /* this kind of layer has its own rule (nested) or none */
    const char *absent_type;    /* HF: the rule where the file has no rope object at all; NULL: */
    double absent_partial;      /* "default"; and its partial_rotary_factor */
    bool whole_head;            /* the rule "default" ignores partial_rotary_factor */
    bool su_is_longrope;        /* phi3: old files call LongRoPE "su" or "yarn" */
    double log_mul_unit;        /* GGUF's yarn_log_multiplier * this is mscale_all_dim; 0: ignored */
    bool log_mul_cancels;       /* deepseek2: mscale equals mscale_all_dim */
} mn_rope_request;

void mn_rope_build(mn_build *b, mn_rope *out, const mn_rope_request *rq);

#endif
