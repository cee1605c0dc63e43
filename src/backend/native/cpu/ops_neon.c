/* mn_cpu_ops with Advanced SIMD, which every 64-bit Arm has: four floats at a time.
 * Algorithms: ops_vector.h. */
#include <arm_neon.h>
#include <stdint.h>

typedef float32x4_t vf;
enum { VW = 4, ROWS = 8 };

#define v_load(p) vld1q_f32(p)
#define v_store(p, x) vst1q_f32(p, x)
#define v_set(f) vdupq_n_f32(f)
#define v_add(a, b) vaddq_f32(a, b)
#define v_sub(a, b) vsubq_f32(a, b)
#define v_mul(a, b) vmulq_f32(a, b)
#define v_div(a, b) vdivq_f32(a, b)
#define v_fma(a, b, c) vfmaq_f32(c, a, b)
#define v_fnma(a, b, c) vfmsq_f32(c, a, b)
#define v_sum(x) vaddvq_f32(x)
#define v_top(x) vmaxvq_f32(x)
#define v_round(x) vrndnq_f32(x)
#define v_abs(x) vabsq_f32(x)
#define v_where_less(a, b, x, y) vbslq_f32(vcltq_f32(a, b), x, y)
#define v_from_f16(p) vcvt_f32_f16(vld1_f16((const float16_t *)(p)))
#define v_to_f16(p, x) vst1_f16((float16_t *)(p), vcvt_f16_f32(x))

/* As on x86: the second operand where the first is no number. */
static inline vf v_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline vf v_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }

static inline vf v_load_n(const float *p, int32_t n)
{
    float x[4] = { 0 };
    for (int32_t i = 0; i < n; i++) x[i] = p[i];
    return vld1q_f32(x);
}

static inline void v_store_n(float *p, vf v, int32_t n)
{
    float x[4];
    vst1q_f32(x, v);
    for (int32_t i = 0; i < n; i++) p[i] = x[i];
}

/* 2^n in two halves, so that n = 128 does not overflow on its way. */
static inline vf v_scale2(vf x, vf n)
{
    int32x4_t i = vcvtq_s32_f32(n), half = vshrq_n_s32(i, 1), bias = vdupq_n_s32(127);
    vf a = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    vf b = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(i, half), bias), 23));
    return v_mul(v_mul(x, a), b);
}

static inline vf v_or_sign(vf x, vf s)
{
    return vbslq_f32(vdupq_n_u32(0x80000000u), s, x);
}

static inline vf v_pick(vf x, int i, int32_t from, int32_t to, vf y)
{
    static const int32_t lanes[4] = { 0, 1, 2, 3 };
    int32x4_t lane = vaddq_s32(vld1q_s32(lanes), vdupq_n_s32(i));
    uint32x4_t in = vandq_u32(vcgeq_s32(lane, vdupq_n_s32(from)), vcltq_s32(lane, vdupq_n_s32(to)));
    return vbslq_f32(in, x, y);
}

static inline vf v_from_i8(const int8_t *p)
{
    int8_t four[8] = { p[0], p[1], p[2], p[3] };
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vld1_s8(four)))));
}

static inline vf v_rotate_pairs(vf x, const float *c, const float *s)
{
    static const float signs[4] = { -1, 1, -1, 1 };
    float32x2_t c2 = vld1_f32(c), s2 = vld1_f32(s);
    vf cc = vcombine_f32(vzip1_f32(c2, c2), vzip2_f32(c2, c2));
    vf ss = vcombine_f32(vzip1_f32(s2, s2), vzip2_f32(s2, s2));
    return v_fma(vrev64q_f32(x), v_mul(ss, vld1q_f32(signs)), v_mul(x, cc));
}

#include "backend/native/cpu/ops_vector.h"

void mn_cpu_ops_init_neon(mn_cpu_ops *out) { fill_ops(out); }
