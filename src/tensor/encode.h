/* Inside the tensor room: encoders of one block, the inverse of decode.h. */
#ifndef MN_TENSOR_ENCODE_H
#define MN_TENSOR_ENCODE_H

#include "tensor/quantize.h"

typedef void mn_encode_block(const float *x, uint8_t *block);

mn_encode_block mn_encode_q4_k, mn_encode_q5_k, mn_encode_q6_k, mn_encode_iq4_nl;

/* Nearest integer, ties to even, kept in [low, high]; NaN gives low.  |v| < 2^22 inside.
 * */
static inline int mn_round_clamped(float v, int low, int high)
{
    if (!(v > (float)low)) return low;
    if (v >= (float)high) return high;
    union { float f; int32_t i; } u = { v + 12582912.0f };      /* 1.5 * 2^23 */
    return (u.i & 0x7fffff) - 0x400000;
}

#endif
