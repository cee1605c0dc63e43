/* Inside the tensor room: the scalar decoders behind mn_weight_decode().
 * Each decodes one block (quant.h) to f32; `out` has room for the block's weights. */
#ifndef MN_TENSOR_DECODE_H
#define MN_TENSOR_DECODE_H

#include "tensor/weight.h"

typedef void mn_decode_block(const uint8_t *block, float *out);

mn_decode_block mn_decode_q4_0, mn_decode_q4_1, mn_decode_q5_0, mn_decode_q5_1,
    mn_decode_q8_0, mn_decode_q2_k, mn_decode_q3_k, mn_decode_q4_k, mn_decode_q5_k,
    mn_decode_q6_k, mn_decode_tq1_0, mn_decode_tq2_0, mn_decode_mxfp4;
mn_decode_block mn_decode_iq1_s, mn_decode_iq1_m, mn_decode_iq2_xxs, mn_decode_iq2_xs,
    mn_decode_iq2_s, mn_decode_iq3_xxs, mn_decode_iq3_s, mn_decode_iq4_nl,
    mn_decode_iq4_xs;

/* Formats with planes.  codes: the row's; scales, biases: the row's; col, n: multiples of
 * the group (of nothing for F8_E4M3). */
void mn_decode_mlx(const mn_weight *w, const uint8_t *codes, const uint8_t *scales,
                   const uint8_t *biases, int64_t col, int64_t n, float *out);
void mn_decode_f8(const mn_weight *w, const uint8_t *codes, const uint8_t *scales,
                  int64_t col, int64_t n, float *out);

#endif
