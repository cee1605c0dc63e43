/* Weight formats: their names and sizes, views, and the dispatch to the decoders. */
#include "tensor/weight.h"
#include "tensor/decode.h"
#include "tensor/quant.h"

typedef struct {
    mn_wtype_info info;
    mn_decode_block *decode;
} format;

/* In the order of mn_wtype. */
static const format formats[MN_N_WTYPES] = {
    [MN_F32] = { { "F32", 1, 4 }, NULL },
    [MN_F16] = { { "F16", 1, 2 }, NULL },
    [MN_BF16] = { { "BF16", 1, 2 }, NULL },
    [MN_Q4_0] = { { "Q4_0", 32, sizeof(mn_block_q4_0) }, mn_decode_q4_0 },
    [MN_Q4_1] = { { "Q4_1", 32, sizeof(mn_block_q4_1) }, mn_decode_q4_1 },
    [MN_Q5_0] = { { "Q5_0", 32, sizeof(mn_block_q5_0) }, mn_decode_q5_0 },
    [MN_Q5_1] = { { "Q5_1", 32, sizeof(mn_block_q5_1) }, mn_decode_q5_1 },
    [MN_Q8_0] = { { "Q8_0", 32, sizeof(mn_block_q8_0) }, mn_decode_q8_0 },
    [MN_Q2_K] = { { "Q2_K", MN_QK, sizeof(mn_block_q2_k) }, mn_decode_q2_k },
    [MN_Q3_K] = { { "Q3_K", MN_QK, sizeof(mn_block_q3_k) }, mn_decode_q3_k },
    [MN_Q4_K] = { { "Q4_K", MN_QK, sizeof(mn_block_q4_k) }, mn_decode_q4_k },
    [MN_Q5_K] = { { "Q5_K", MN_QK, sizeof(mn_block_q5_k) }, mn_decode_q5_k },
    [MN_Q6_K] = { { "Q6_K", MN_QK, sizeof(mn_block_q6_k) }, mn_decode_q6_k },
    [MN_IQ1_S] = { { "IQ1_S", MN_QK, sizeof(mn_block_iq1_s) }, mn_decode_iq1_s },
    [MN_IQ1_M] = { { "IQ1_M", MN_QK, sizeof(mn_block_iq1_m) }, mn_decode_iq1_m },
    [MN_IQ2_XXS] = { { "IQ2_XXS", MN_QK, sizeof(mn_block_iq2_xxs) }, mn_decode_iq2_xxs },
    [MN_IQ2_XS] = { { "IQ2_XS", MN_QK, sizeof(mn_block_iq2_xs) }, mn_decode_iq2_xs },
    [MN_IQ2_S] = { { "IQ2_S", MN_QK, sizeof(mn_block_iq2_s) }, mn_decode_iq2_s },
    [MN_IQ3_XXS] = { { "IQ3_XXS", MN_QK, sizeof(mn_block_iq3_xxs) }, mn_decode_iq3_xxs },
    [MN_IQ3_S] = { { "IQ3_S", MN_QK, sizeof(mn_block_iq3_s) }, mn_decode_iq3_s },
    [MN_IQ4_NL] = { { "IQ4_NL", 32, sizeof(mn_block_iq4_nl) }, mn_decode_iq4_nl },
    [MN_IQ4_XS] = { { "IQ4_XS", MN_QK, sizeof(mn_block_iq4_xs) }, mn_decode_iq4_xs },
    [MN_TQ1_0] = { { "TQ1_0", MN_QK, sizeof(mn_block_tq1_0) }, mn_decode_tq1_0 },
    [MN_TQ2_0] = { { "TQ2_0", MN_QK, sizeof(mn_block_tq2_0) }, mn_decode_tq2_0 },
    [MN_MXFP4] = { { "MXFP4", 32, sizeof(mn_block_mxfp4) }, mn_decode_mxfp4 },
    [MN_MLX_AFFINE] = { { "MLX affine", 0, 0 }, NULL },
    [MN_MLX_MXFP4] = { { "MLX mxfp4", 32, 16 }, NULL },
    [MN_MLX_MXFP8] = { { "MLX mxfp8", 32, 32 }, NULL },
    [MN_MLX_NVFP4] = { { "MLX nvfp4", 16, 8 }, NULL },
    [MN_F8_E4M3] = { { "F8_E4M3", 1, 1 }, NULL },
};

const mn_wtype_info *mn_wtype_get(mn_wtype type) { return &formats[type].info; }

size_t mn_wtype_row_bytes(mn_wtype type, int bits, int64_t cols)
{
    if (cols <= 0 || cols > INT64_MAX / 64) return 0;
    if (type == MN_MLX_AFFINE) {
        bool known = bits >= 2 && bits <= 8 && bits != 7;
        return known && cols % 32 == 0 ? (size_t)(cols / 8) * (size_t)bits : 0;
    }
    const mn_wtype_info *info = &formats[type].info;
    if (cols % info->block) return 0;
    return (size_t)(cols / info->block) * (size_t)info->block_bytes;
}

/* Bytes of one row in all planes beside the codes. */
static size_t plane_bytes(const mn_weight *w)
{
    size_t value = w->scale_type == MN_F32 ? 4 : 2;
    size_t n = w->group ? (size_t)((w->cols + w->group - 1) / w->group) : 1;
    switch (w->type) {
    case MN_MLX_AFFINE: return 2 * n * value;
    case MN_MLX_MXFP4: case MN_MLX_MXFP8: case MN_MLX_NVFP4: return n;
    case MN_F8_E4M3: return w->scales ? n * value : 0;
    default: return 0;
    }
}

size_t mn_weight_size_bytes(const mn_weight *w)
{
    size_t row = mn_wtype_row_bytes(w->type, w->bits, w->cols) + plane_bytes(w);
    return row * (size_t)w->rows * (size_t)w->n_experts;
}

double mn_weight_bits(const mn_weight *w)
{
    if (w->cols <= 0) return 0;
    size_t row = mn_wtype_row_bytes(w->type, w->bits, w->cols) + plane_bytes(w);
    return 8.0 * (double)row / (double)w->cols;
}

/* ---- views ------------------------------------------------------------------------ */

mn_weight mn_weight_rows(const mn_weight *w, int64_t row, int64_t n)
{
    mn_weight view = *w;
    view.rows = n;
    view.data += (size_t)row * w->row_bytes;
    if (w->scales) view.scales += (size_t)row * w->scale_row_bytes;
    if (w->biases) view.biases += (size_t)row * w->scale_row_bytes;
    return view;
}

mn_weight mn_weight_rows_strided(const mn_weight *w, int64_t first, int64_t step)
{
    mn_weight view = mn_weight_rows(w, first, (w->rows - first + step - 1) / step);
    view.row_bytes *= (size_t)step;
    view.scale_row_bytes *= (size_t)step;
    return view;
}

/* Where the codes of an expert begin.  A view of rows has moved `data` on from parts[0],
 * and by as much from every other part. */
static const uint8_t *expert_data(const mn_weight *w, int64_t expert)
{
    if (w->parts) return w->parts[expert] + (w->data - w->parts[0]);
    return w->data + (size_t)expert * w->expert_bytes;
}

mn_weight mn_weight_experts(const mn_weight *w, int64_t first, int64_t n)
{
    mn_weight view = *w;
    view.n_experts = n;
    view.data = expert_data(w, first);
    view.parts = w->parts && n > 1 ? w->parts + first : NULL;
    if (w->scales) view.scales += (size_t)first * w->scale_expert_bytes;
    if (w->biases) view.biases += (size_t)first * w->scale_expert_bytes;
    return view;
}

/* ---- decoding --------------------------------------------------------------------- */

static void decode_floats(mn_wtype type, const uint8_t *in, int64_t n, float *out)
{
    if (type == MN_F32)
        for (int64_t i = 0; i < n; i++) out[i] = mn_load_f32(in + 4 * i);
    else if (type == MN_F16)
        for (int64_t i = 0; i < n; i++) out[i] = mn_f16_to_f32(mn_load_u16(in + 2 * i));
    else
        for (int64_t i = 0; i < n; i++) out[i] = mn_bf16_to_f32(mn_load_u16(in + 2 * i));
}

void mn_weight_decode(const mn_weight *w, int64_t expert, int64_t row, int64_t col,
                      int64_t n, float *out)
{
    const format *f = &formats[w->type];
    const uint8_t *codes = expert_data(w, expert) + (size_t)row * w->row_bytes;
    if (f->decode) {
        int block = f->info.block, block_bytes = f->info.block_bytes;
        const uint8_t *b = codes + (size_t)(col / block) * (size_t)block_bytes;
        for (int64_t i = 0; i < n; i += block, b += block_bytes) f->decode(b, out + i);
        return;
    }
    if (w->type <= MN_BF16) {
        decode_floats(w->type, codes + (size_t)col * (size_t)f->info.block_bytes, n, out);
        return;
    }
    size_t plane =
        (size_t)expert * w->scale_expert_bytes + (size_t)row * w->scale_row_bytes;
    const uint8_t *scales = w->scales ? w->scales + plane : NULL;
    const uint8_t *biases = w->biases ? w->biases + plane : NULL;
    if (w->type == MN_F8_E4M3)
        mn_decode_f8(w, codes, scales, col, n, out);
    else
        mn_decode_mlx(w, codes, scales, biases, col, n, out);
}
