/* Quantisers with a search: Q4_K, Q5_K, Q6_K, IQ4_NL.
 *
 * Each sub-block is fitted by weighted least squares.  For fixed codes q the best scale
 * (and offset) has a closed form; for a fixed scale the best codes are the nearest ones.
 * So from a handful of starting scales around "the extreme value gets the extreme code"
 * the two are alternated, and the best of all wins.  Larger weights count more (they
 * carry more of the output): weight rms + |x| for the types with an offset, x^2 for those
 * without. Then the sub-blocks' scales are themselves rounded to 6 (or 8) bits of a
 * shared scale, and the codes are chosen once more for what will be decoded.
 */
#include "tensor/encode.h"
#include "tensor/iq_grids.h"
#include "tensor/quant.h"

#include <math.h>

/* Four lanes in the compiler's own vector type; sums over lanes come last. */
typedef float v4 __attribute__((vector_size(16)));
typedef int32_t v4i __attribute__((vector_size(16)));

static v4 splat(float f) { return (v4){ f, f, f, f }; }
static float sum_of(v4 v) { return (v[0] + v[1]) + (v[2] + v[3]); }

static v4 pick(v4i mask, v4 yes, v4 no)
{
    return (v4)((mask & (v4i)yes) | (~mask & (v4i)no));
}

/* Nearest integers in [low, high], as floats; ties to even. */
static v4 round_clamped(v4 v, float low, float high)
{
    v4 magic = splat(12582912.0f);
    v = pick(v > splat(low), v, splat(low));
    v = pick(v < splat(high), v, splat(high));
    return (v + magic) - magic;
}

static float put_f16(uint8_t p[2], float f)
{
    uint16_t h = mn_f32_to_f16(f);
    mn_store_u16(p, h);
    return mn_f16_to_f32(h);
}

/* ---- x = scale * q - min: Q4_K, Q5_K ---------------------------------------------- */

enum { LANES = 4, SUB = 32, N_VECTORS = SUB / LANES, N_STARTS = 11 };

typedef struct {
    float scale, min;           /* both >= 0 */
} affine;

/* A sub-block, its weights, and their sums. */
typedef struct {
    v4 x[N_VECTORS], w[N_VECTORS];
    float sw, swx, low, high;
} affine_job;

static void prepare_affine(affine_job *job, const float *x)
{
    float square = 0;
    v4 sw = splat(0), swx = splat(0);
    memcpy(job->x, x, sizeof job->x);
    job->low = 0;
    job->high = x[0];
    for (int i = 0; i < SUB; i++) {
        if (x[i] < job->low) job->low = x[i];
        if (x[i] > job->high) job->high = x[i];
        square += x[i] * x[i];
    }
    v4 rms = splat(sqrtf(square / SUB));
    for (int i = 0; i < N_VECTORS; i++) {
        job->w[i] = rms + pick(job->x[i] < splat(0), -job->x[i], job->x[i]);
        sw += job->w[i];
        swx += job->w[i] * job->x[i];
    }
    job->sw = sum_of(sw);
    job->swx = sum_of(swx);
}

/* The nearest codes for a scale and min, then the least squares scale and min for them,
 * min kept >= 0. */
static affine improve_affine(const affine_job *job, int n_max, affine a)
{
    v4 inverse = splat(a.scale > 0 ? 1 / a.scale : 0), min = splat(a.min);
    v4 wq = splat(0), wqq = splat(0), wqx = splat(0);
    for (int i = 0; i < N_VECTORS; i++) {
        v4 q = round_clamped((job->x[i] + min) * inverse, 0, (float)n_max);
        v4 t = job->w[i] * q;
        wq += t;
        wqq += t * q;
        wqx += t * job->x[i];
    }
    float swq = sum_of(wq), swqq = sum_of(wqq), swqx = sum_of(wqx);
    float det = job->sw * swqq - swq * swq;
    affine best = { (job->sw * swqx - job->swx * swq) / det,
                    -(swqq * job->swx - swq * swqx) / det };
    if (!(det > 0) || best.min < 0) best = (affine){ swqq > 0 ? swqx / swqq : 0, 0 };
    if (best.scale < 0) best.scale = 0;
    return best;
}

static float affine_error(const affine_job *job, int n_max, affine a)
{
    v4 inverse = splat(a.scale > 0 ? 1 / a.scale : 0), min = splat(a.min),
       error = splat(0);
    for (int i = 0; i < N_VECTORS; i++) {
        v4 q = round_clamped((job->x[i] + min) * inverse, 0, (float)n_max);
        v4 e = splat(a.scale) * q - min - job->x[i];
        error += job->w[i] * e * e;
    }
    return sum_of(error);
}

static affine fit_affine(const float *x, int n_max)
{
    affine_job job;
    prepare_affine(&job, x);
    affine best = { 0, -job.low };
    if (!(job.high > job.low)) return best;
    float best_error = INFINITY;
    for (int start = 0; start < N_STARTS; start++) {
        affine a = { (job.high - job.low) / ((float)n_max - 1 + 0.2f * (float)start),
                     -job.low };
        for (int round = 0; round < 2; round++) {
            a = improve_affine(&job, n_max, a);
            float error = affine_error(&job, n_max, a);
            if (!(error < best_error)) continue;
            best_error = error;
            best = a;
        }
    }
    return best;
}

/* The 12 bytes of quant.h's drawing. */
static void pack_scales_mins(const uint8_t *sc, const uint8_t *m, uint8_t packed[12])
{
    for (int i = 0; i < 4; i++) {
        packed[i] = (uint8_t)(sc[i] | sc[i + 4] >> 4 << 6);
        packed[i + 4] = (uint8_t)(m[i] | m[i + 4] >> 4 << 6);
        packed[i + 8] = (uint8_t)((sc[i + 4] & 15) | (m[i + 4] & 15) << 4);
    }
}

/* The part that Q4_K and Q5_K share: header bytes and 256 codes up to n_max. */
static void encode_affine_super(const float *x, int n_max, uint8_t d_bytes[2],
                                uint8_t dmin_bytes[2], uint8_t packed[12], uint8_t *q)
{
    affine sub[8];
    uint8_t sc[8], m[8];
    float max_scale = 0, max_min = 0;
    for (int s = 0; s < 8; s++) {
        sub[s] = fit_affine(x + 32 * s, n_max);
        max_scale = fmaxf(max_scale, sub[s].scale);
        max_min = fmaxf(max_min, sub[s].min);
    }
    float d = put_f16(d_bytes, max_scale / 63), dmin = put_f16(dmin_bytes, max_min / 63);
    for (int s = 0; s < 8; s++) {
        sc[s] = (uint8_t)(d > 0 ? mn_round_clamped(sub[s].scale / d, 0, 63) : 0);
        m[s] = (uint8_t)(dmin > 0 ? mn_round_clamped(sub[s].min / dmin, 0, 63) : 0);
        float scale = d * sc[s], min = dmin * m[s], inverse = scale > 0 ? 1 / scale : 0;
        for (int i = 32 * s; i < 32 * s + 32; i++)
            q[i] = (uint8_t)mn_round_clamped((x[i] + min) * inverse, 0, n_max);
    }
    pack_scales_mins(sc, m, packed);
}

void mn_encode_q4_k(const float *x, uint8_t *block)
{
    mn_block_q4_k *b = (mn_block_q4_k *)block;
    uint8_t q[MN_QK];
    encode_affine_super(x, 15, b->d, b->dmin, b->scales, q);
    for (int i = 0; i < 128; i++) {
        const uint8_t *pair = q + i / 32 * 64 + i % 32;
        b->qs[i] = (uint8_t)(pair[0] | pair[32] << 4);
    }
}

void mn_encode_q5_k(const float *x, uint8_t *block)
{
    mn_block_q5_k *b = (mn_block_q5_k *)block;
    uint8_t q[MN_QK];
    encode_affine_super(x, 31, b->d, b->dmin, b->scales, q);
    memset(b->qh, 0, sizeof b->qh);
    for (int i = 0; i < 128; i++) {
        const uint8_t *pair = q + i / 32 * 64 + i % 32;
        b->qs[i] = (uint8_t)((pair[0] & 15) | (pair[32] & 15) << 4);
        b->qh[i % 32] |=
            (uint8_t)(pair[0] >> 4 << i / 32 * 2 | pair[32] >> 4 << (i / 32 * 2 + 1));
    }
}

/* ---- x = scale * q: Q6_K ---------------------------------------------------------- */

static float extreme(const float *x, int n)
{
    float best = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(best)) best = x[i];
    return best;
}

/* The scale, of either sign, for 16 codes from -n_max to n_max - 1. */
static float fit_signed(const float *values, int n_max)
{
    float peak = extreme(values, 16), best = 0, best_gain = 0;
    v4 x[4];
    memcpy(x, values, sizeof x);
    for (int start = 0; peak != 0 && start < N_STARTS; start++) {
        float scale = peak / -((float)n_max - 1 + 0.2f * (float)start);
        for (int round = 0; round < 2; round++) {
            v4 wqx = splat(0), wqq = splat(0), inverse = splat(1 / scale);
            for (int i = 0; i < 4; i++) {
                v4 q = round_clamped(x[i] * inverse, (float)-n_max, (float)n_max - 1);
                v4 t = x[i] * x[i] * q;
                wqx += t * x[i];
                wqq += t * q;
            }
            /* What is left of sum w x^2 is that minus the gain. */
            float swqx = sum_of(wqx), swqq = sum_of(wqq);
            if (!(swqq > 0) || swqx == 0) break;
            scale = swqx / swqq;
            if (!(swqx * scale > best_gain)) continue;
            best_gain = swqx * scale;
            best = scale;
        }
    }
    return best;
}

void mn_encode_q6_k(const float *x, uint8_t *block)
{
    mn_block_q6_k *b = (mn_block_q6_k *)block;
    float sub[16];
    uint8_t q[MN_QK];
    for (int s = 0; s < 16; s++) sub[s] = fit_signed(x + 16 * s, 32);
    float d = put_f16(b->d, extreme(sub, 16) / -128);
    for (int s = 0; s < 16; s++) {
        b->scales[s] = (int8_t)(d != 0 ? mn_round_clamped(sub[s] / d, -128, 127) : 0);
        float scale = d * b->scales[s], inverse = scale != 0 ? 1 / scale : 0;
        for (int i = 16 * s; i < 16 * s + 16; i++)
            q[i] = (uint8_t)(mn_round_clamped(x[i] * inverse, -32, 31) + 32);
    }
    for (int i = 0; i < 64; i++) {      /* l of both halves */
        const uint8_t *run = q + i / 32 * 128 + i % 32;
        uint8_t *low = b->ql + i / 32 * 64 + i % 32;
        low[0] = (uint8_t)((run[0] & 15) | (run[64] & 15) << 4);
        low[32] = (uint8_t)((run[32] & 15) | (run[96] & 15) << 4);
        b->qh[i] = (uint8_t)(run[0] >> 4 | run[32] >> 4 << 2 | run[64] >> 4 << 4
                             | run[96] >> 4 << 6);
    }
}

/* ---- IQ4_NL ----------------------------------------------------------------------- */

/* Twice the midpoints between neighbouring levels, and an end. */
static const int16_t level_borders[16] = { -231, -187, -148, -114, -84, -57, -32, -9,
                                           14, 38, 63, 91, 122, 158, 202, INT16_MAX };

/* The level nearest to -128, -112, -96, ... */
static const uint8_t first_level[16] = { 0, 1, 1,  2,  3,  4,  5,  7,
                                         8, 9, 11, 12, 13, 14, 14, 15 };

/* Index of the level nearest to v; midpoints go up. */
static int nearest_level(float v)
{
    v = v > -127 ? v : -127;
    v = v < 126 ? v : 126;
    int i = first_level[(int)(v + 128) / 16];
    while (2 * v >= level_borders[i]) i++;
    return i;
}

void mn_encode_iq4_nl(const float *x, uint8_t *block)
{
    enum { STARTS_EACH = 7 };
    mn_block_iq4_nl *b = (mn_block_iq4_nl *)block;
    float peak = extreme(x, 32), best = 0, best_gain = 0;
    for (int start = 0; peak != 0 && start < 2 * STARTS_EACH; start++) {
        /* The peak at about -127 or, with the other sign, at about 113. */
        float step = (float)(start / 2) * 3;
        float scale = peak / (start % 2 ? 104 + step : -118 - step);
        for (int round = 0; round < 2; round++) {
            float swqx = 0, swqq = 0, inverse = 1 / scale;
            for (int i = 0; i < 32; i++) {
                float q = (float)mn_iq4_levels[nearest_level(x[i] * inverse)];
                float wq = x[i] * x[i] * q;
                swqx += wq * x[i];
                swqq += wq * q;
            }
            if (!(swqq > 0) || swqx == 0) break;
            scale = swqx / swqq;
            if (!(swqx * scale > best_gain)) continue;
            best_gain = swqx * scale;
            best = scale;
        }
    }
    float d = put_f16(b->d, best), inverse = d != 0 ? 1 / d : 0;
    for (int j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)(nearest_level(x[j] * inverse)
                             | nearest_level(x[j + 16] * inverse) << 4);
}
