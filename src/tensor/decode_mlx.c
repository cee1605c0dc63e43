/* Scalar decoders of the formats that keep scales in planes of their own: MLX's affine,
 * mxfp4, mxfp8, nvfp4, and plain E4M3 bytes.
 *
 * The codes of a row are one bit stream, least significant bit first.  Eight codes of b
 * bits fill b bytes whatever b is, so eight at a time are taken from one 64-bit word
 * (3, 5 and 6 bits cross byte borders inside it and nothing is read past the row):
 *
 *   b = 3:  byte 0          byte 1          byte 2
 *           22 111 000      5 444 333 2     777 666 55      (digits: the code's number)
 *
 * Affine: w = scale * q + bias in f32.  Groups are multiples of 16, so each starts at a
 * byte border. */
#include "tensor/decode.h"
#include "tensor/quant.h"

static float plane_value(const uint8_t *plane, mn_wtype type, int64_t i)
{
    if (type == MN_F32) return mn_load_f32(plane + 4 * i);
    uint16_t v = mn_load_u16(plane + 2 * i);
    return type == MN_F16 ? mn_f16_to_f32(v) : mn_bf16_to_f32(v);
}

static void affine_group(const uint8_t *codes, int bits, int n, float scale, float bias,
                         float *out)
{
    uint64_t mask = (1u << bits) - 1;
    for (int i = 0; i < n; i += 8, codes += bits) {
        uint64_t eight = 0;
        for (int b = 0; b < bits; b++) eight |= (uint64_t)codes[b] << 8 * b;
        for (int k = 0; k < 8; k++)
            out[i + k] = scale * (float)(eight >> k * bits & mask) + bias;
    }
}

static void e2m1_group(const uint8_t *codes, int n, float scale, float *out)
{
    for (int i = 0; i < n; i += 2) {
        out[i] = mn_e2m1_to_f32(codes[i / 2] & 15) * scale;
        out[i + 1] = mn_e2m1_to_f32(codes[i / 2] >> 4) * scale;
    }
}

void mn_decode_mlx(const mn_weight *w, const uint8_t *codes, const uint8_t *scales,
                   const uint8_t *biases, int64_t col, int64_t n, float *out)
{
    int group = w->group;
    for (int64_t at = col; at < col + n; at += group, out += group) {
        int64_t g = at / group;
        switch (w->type) {
        case MN_MLX_AFFINE:
            affine_group(codes + at / 8 * w->bits, w->bits, group,
                         plane_value(scales, w->scale_type, g),
                         plane_value(biases, w->scale_type, g), out);
            break;
        case MN_MLX_MXFP4:
            e2m1_group(codes + at / 2, group, mn_e8m0_to_f32(scales[g]), out);
            break;
        case MN_MLX_NVFP4:
            e2m1_group(codes + at / 2, group, mn_e4m3_to_f32(scales[g]), out);
            break;
        default: {
            float scale = mn_e8m0_to_f32(scales[g]);
            for (int i = 0; i < group; i++)
                out[i] = mn_e4m3_to_f32(codes[at + i]) * scale;
        }
        }
    }
}

void mn_decode_f8(const mn_weight *w, const uint8_t *codes, const uint8_t *scales,
                  int64_t col, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        float y = mn_e4m3_to_f32(codes[col + i]);
        int64_t g = w->group ? (col + i) / w->group : 0;
        out[i] = scales ? y * plane_value(scales, w->scale_type, g) : y;
    }
}
