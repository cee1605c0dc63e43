/* mn_cpu_ops with AVX-512: sixteen floats at a time, tails by masks.  Algorithms:
 * ops_vector.h. */
#include <immintrin.h>
#include <stdint.h>

typedef __m512 vf;
enum { VW = 16, ROWS = 12 };

#define v_load(p) _mm512_loadu_ps(p)
#define v_store(p, x) _mm512_storeu_ps(p, x)
#define v_mask_of(n) ((__mmask16)((1u << (n)) - 1))
#define v_load_n(p, n) _mm512_maskz_loadu_ps(v_mask_of(n), p)
#define v_store_n(p, x, n) _mm512_mask_storeu_ps(p, v_mask_of(n), x)
#define v_set(f) _mm512_set1_ps(f)
#define v_add(a, b) _mm512_add_ps(a, b)
#define v_sub(a, b) _mm512_sub_ps(a, b)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_div(a, b) _mm512_div_ps(a, b)
#define v_max(a, b) _mm512_max_ps(a, b)
#define v_min(a, b) _mm512_min_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define v_fnma(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define v_sum(x) _mm512_reduce_add_ps(x)
#define v_top(x) _mm512_reduce_max_ps(x)
#define v_round(x) _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT)
#define v_scale2(x, n) _mm512_scalef_ps(x, n)
#define v_abs(x) _mm512_abs_ps(x)
#define v_where_less(a, b, x, y) \
    _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x)
#define v_from_f16(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(p)))
#define v_to_f16(p, x) \
    _mm256_storeu_si256((__m256i *)(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT))
#define v_from_i8(p) \
    _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p))))

static inline vf v_or_sign(vf x, vf s) { return _mm512_or_ps(x, _mm512_and_ps(s, v_set(-0.0f))); }

static inline vf v_pick(vf x, int i, int32_t from, int32_t to, vf y)
{
    uint64_t lanes = ((uint64_t)1 << to) - ((uint64_t)1 << from);
    return _mm512_mask_blend_ps((__mmask16)(lanes >> i), y, x);
}

static inline vf v_rotate_pairs(vf x, const float *c, const float *s)
{
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    vf cc = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(c)));
    vf ss = _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm256_loadu_ps(s)));
    return _mm512_fmaddsub_ps(x, cc, _mm512_mul_ps(_mm512_permute_ps(x, 0xb1), ss));
}

#include "backend/native/cpu/ops_vector.h"

void mn_cpu_ops_init_avx512(mn_cpu_ops *out) { fill_ops(out); }
