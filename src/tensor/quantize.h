/* Quantisers: rows of f32 to the weight formats that conversion and benchmarks write.
 *
 * The inverse of mn_weight_decode(): a row that is encoded and decoded again differs from
 * the original by the format's rounding, no more.  Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and MXFP4
 * give the bytes that llama.cpp gives, the MLX formats those that MLX gives; for Q4_K,
 * Q5_K, Q6_K and IQ4_NL the search is our own, with errors at or below llama.cpp's.
 *
 * NaN and infinities have no code in most formats: callers check their weights first;
 * here they give some valid code. */
#ifndef MN_TENSOR_QUANTIZE_H
#define MN_TENSOR_QUANTIZE_H

#include "tensor/weight.h"

/* F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, IQ4_NL, MXFP4 and all
 * four MLX formats. */
bool mn_can_quantize(mn_wtype type);

/* Encode one row of format->cols weights.
 * format          its type, bits, group, scale_type and cols are used; cols is a multiple
 *                 of the block or group
 * codes           mn_wtype_row_bytes() bytes
 * scales, biases  MLX only: one row of each plane (biases: affine only), else NULL */
void mn_quantize_row(const mn_weight *format, const float *x, uint8_t *codes,
                     uint8_t *scales, uint8_t *biases);

/* Round to nearest, ties to even; out of range (and NaN): the largest magnitude. */
uint8_t mn_f32_to_e4m3(float f);
uint8_t mn_f32_to_e2m1(float f);
/* The power of two nearest to f on a logarithmic scale; zero and less: 2^-127. */
uint8_t mn_f32_to_e8m0(float f);

#endif
