/* Weights as they lie in the file: one matrix (or a stack of expert matrices) in the
 * file's own layout, described so that a decoder can read any element.
 *
 * Every matrix is y[rows] = W[rows, cols] . x[cols]: rows are outputs, and each row is
 * contiguous in memory whatever the format, so a slice of rows of a weight is a weight
 * again (that is how fused q/k/v and gate/up tensors are split without copying).
 *
 * (1) `data`, `scales`, `biases` are borrowed from a mapped file (or a model's arena).
 * (2) The binder has checked that all rows of all experts lie inside the file and that
 *     cols is a multiple of the format's block; decoders check nothing.
 * (3) Rows are `row_bytes` apart and expert e begins at data + e * expert_bytes; both may
 *     be larger than what they hold (interleaved gate/up rows are two strided views).
 * (4) The MLX formats keep scales and biases in planes of their own with the same
 *     row/expert structure: scale_row_bytes, scale_expert_bytes (biases likewise).
 * (5) Experts that are tensors of their own in the file (HF mixtures) are a table of
 *     pointers, `parts`.  Whoever reads expert e takes mn_weight_experts(w, e, 1), which
 *     resolves parts, and never computes data + e * expert_bytes by hand.
 * (6) MN_F8_E4M3 with scales: one factor (scale_type) per `group` columns of a row; the
 *     binder has expanded coarser scales (per tensor, per 128 x 128 block) to that form.
 *
 * Layouts of the GGUF blocks: tensor/quant.h.  MLX groups: affine w = scale * q + bias,
 * codes as one LSB-first bit stream per row (mlx/ops: quantize); fp modes after the OCP
 * Microscaling spec v1.0 (E2M1, E4M3 elements, E8M0 scales) and NVFP4.
 */
#ifndef MN_TENSOR_WEIGHT_H
#define MN_TENSOR_WEIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Weight formats.  The order is ours; the numbers in files are mapped by format/. */
typedef enum {
    MN_F32, MN_F16, MN_BF16,
    MN_Q4_0, MN_Q4_1, MN_Q5_0, MN_Q5_1, MN_Q8_0,
    MN_Q2_K, MN_Q3_K, MN_Q4_K, MN_Q5_K, MN_Q6_K,
    MN_IQ1_S, MN_IQ1_M, MN_IQ2_XXS, MN_IQ2_XS, MN_IQ2_S, MN_IQ3_XXS, MN_IQ3_S,
    MN_IQ4_NL, MN_IQ4_XS,
    MN_TQ1_0, MN_TQ2_0,
    MN_MXFP4,                               /* GGUF's block form */
    MN_MLX_AFFINE,                          /* bits 2 3 4 5 6 8, group 32 64 128 */
    MN_MLX_MXFP4, MN_MLX_MXFP8, MN_MLX_NVFP4,
    MN_F8_E4M3,                             /* plain bytes; scales per block if given */
    MN_N_WTYPES
} mn_wtype;

typedef struct {
    mn_wtype type;
    uint8_t bits;                   /* MLX affine only */
    uint8_t scale_type;             /* MN_F32/F16/BF16 of affine scales and biases */
    int16_t group;                  /* MLX, F8_E4M3 with scales: weights per scale */
    int64_t rows, cols;             /* logical: outputs, inputs */
    int64_t n_experts;              /* 1 unless stacked */
    const uint8_t *data;            /* NULL: this weight is absent */
    size_t row_bytes, expert_bytes;
    const uint8_t *scales, *biases; /* MLX planes; biases NULL for the fp modes */
    size_t scale_row_bytes, scale_expert_bytes;
    const uint8_t *const *parts;    /* [n_experts]; NULL: one stack.  data is parts[0] */
} mn_weight;

static inline bool mn_weight_present(const mn_weight *w) { return w->data != NULL; }

typedef struct {
    const char *name;               /* "Q4_K", "MLX affine", ... as users write it */
    int32_t block;                  /* weights per block; floats 1; 0: group decides */
    int32_t block_bytes;            /* bytes per block, planes not counted */
} mn_wtype_info;

const mn_wtype_info *mn_wtype_get(mn_wtype type);

/* Bytes of one row's codes of `cols` weights (without MLX's scale planes);
 * 0 if cols is not a multiple of the block.  bits: MLX affine only, else 0. */
size_t mn_wtype_row_bytes(mn_wtype type, int bits, int64_t cols);

/* Average bits per weight, planes included: 4.5 for Q4_K and for MLX 4-bit/64. */
double mn_weight_bits(const mn_weight *w);
/* Bytes that one pass over the whole weight reads, planes included. */
size_t mn_weight_size_bytes(const mn_weight *w);

/* Exact scalar decoding to f32, the reference for everything faster.
 * out[n] = W[expert, row, col .. col+n); col and n must be multiples of the block (the
 * group for MLX formats) unless the type is a plain float. */
void mn_weight_decode(const mn_weight *w, int64_t expert, int64_t row, int64_t col,
                      int64_t n, float *out);

/* Rows [row, row+n) as a weight of their own (views; nothing is copied). */
mn_weight mn_weight_rows(const mn_weight *w, int64_t row, int64_t n);
/* Every `step`-th row from `first`: interleaved gate/up rows. */
mn_weight mn_weight_rows_strided(const mn_weight *w, int64_t first, int64_t step);
/* Experts [first, first+n) of a stack; of one expert `parts` is NULL, `data` its own. */
mn_weight mn_weight_experts(const mn_weight *w, int64_t first, int64_t n);

/* Scalar number formats, shared by decoders and kernels' references. */
float mn_f16_to_f32(uint16_t h);
uint16_t mn_f32_to_f16(float f);        /* round to nearest even */
static inline float mn_bf16_to_f32(uint16_t h)
{
    union { uint32_t u; float f; } v = { (uint32_t)h << 16 };
    return v.f;
}
uint16_t mn_f32_to_bf16(float f);       /* round to nearest even; NaN stays NaN */
float mn_e8m0_to_f32(uint8_t e);        /* 2^(e-127); 255 is NaN */
float mn_e4m3_to_f32(uint8_t b);        /* bias 7, no infinities, 0x7f is NaN */
float mn_e2m1_to_f32(uint8_t code);     /* low 4 bits */

#endif
