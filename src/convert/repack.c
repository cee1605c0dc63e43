/* Formats that hold the same numbers.
 *
 *     Q4_0  d (q - 8)          =  affine 4 bits, groups of 32: scale d, bias -8 d
 *     Q4_1  d q + m            =  affine 4/32: scale d, bias m          (Q5_0, Q5_1 alike)
 *     Q8_0  d q                =  affine 8/32: scale d, codes q + 128, bias -128 d
 *     MXFP4                    =  mxfp4, in another order of nibbles
 *
 * To MLX this always works: products by powers of two are exact in F16 unless they overflow,
 * which is looked for.  From MLX it works for 4, 5 and 8 bits in groups of any size (a group
 * of 64 is two blocks with the same scale) where all scales and biases are F16 numbers; 8 bits
 * only if every bias is -128 scales. */
#include "convert/convert.h"
#include "tensor/quant.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 32 };

static float plane_value(const mn_weight *w, const uint8_t *row, int64_t group)
{
    uint16_t half;
    float f;
    if (w->scale_type == MN_F32) {
        memcpy(&f, row + 4 * group, 4);
        return f;
    }
    memcpy(&half, row + 2 * group, 2);
    return w->scale_type == MN_F16 ? mn_f16_to_f32(half) : mn_bf16_to_f32(half);
}

static const uint8_t *plane_row(const mn_weight *w, const uint8_t *plane, int64_t e, int64_t r)
{
    return plane + (size_t)e * w->scale_expert_bytes + (size_t)r * w->scale_row_bytes;
}

static bool fits_f16(float f)
{
    return isfinite(f) && mn_f16_to_f32(mn_f32_to_f16(f)) == f;
}

/* ---- which format --------------------------------------------------------------------- */

/* After every so many rows, in a plane whose rows are `each` bytes. */
static void look_away(const uint8_t *row, size_t each, int64_t r, bool mapped)
{
    size_t rows = each && each < 1 << 20 ? (1u << 20) / each : 1;
    if (mapped && (size_t)(r + 1) % rows == 0) mn_forget(row - each * (rows - 1), each * rows);
}

/* Do all planes of an affine weight fit, and are all biases `middle` scales below 0? */
static bool affine_fits(const mn_weight *w, float middle, bool mapped, bool *centred)
{
    int64_t groups = w->cols / w->group;
    *centred = true;
    for (int64_t e = 0; e < w->n_experts; e++)
        for (int64_t r = 0; r < w->rows; r++) {
            const uint8_t *s = plane_row(w, w->scales, e, r), *b = plane_row(w, w->biases, e, r);
            for (int64_t g = 0; g < groups; g++) {
                float scale = plane_value(w, s, g), bias = plane_value(w, b, g);
                if (bias != -middle * scale) *centred = false;
                if (!fits_f16(scale) || !fits_f16(bias)) return false;
            }
            look_away(s, w->scale_row_bytes, r, mapped);
            look_away(b, w->scale_row_bytes, r, mapped);
        }
    return true;
}

static bool gguf_for(const mn_weight *w, bool mapped, mn_weight *f)
{
    bool centred;
    if (w->type == MN_MLX_MXFP4 && w->group == BLOCK) {
        f->type = MN_MXFP4;
        return true;
    }
    if (w->type != MN_MLX_AFFINE || w->cols % BLOCK) return false;
    if (w->bits != 4 && w->bits != 5 && w->bits != 8) return false;
    if (!affine_fits(w, (float)(1 << (w->bits - 1)), mapped, &centred)) return false;
    if (w->bits == 8 && !centred) return false;
    f->type = w->bits == 8 ? MN_Q8_0 : w->bits == 4 ? (centred ? MN_Q4_0 : MN_Q4_1)
                                                    : (centred ? MN_Q5_0 : MN_Q5_1);
    return true;
}

/* Is the bias of every block an F16 number? */
static bool blocks_fit(const mn_weight *w, float middle, bool mapped)
{
    const mn_wtype_info *info = mn_wtype_get(w->type);
    int64_t blocks = w->cols / BLOCK;
    for (int64_t e = 0; e < w->n_experts; e++) {
        mn_weight one = mn_weight_experts(w, e, 1);
        for (int64_t r = 0; r < w->rows; r++) {
            const uint8_t *p = one.data + (size_t)r * one.row_bytes;
            for (int64_t k = 0; k < blocks; k++, p += info->block_bytes) {
                uint16_t d;
                memcpy(&d, p, 2);
                if (!fits_f16(middle * mn_f16_to_f32(d))) return false;
            }
            look_away(one.data + (size_t)r * one.row_bytes, one.row_bytes, r, mapped);
        }
    }
    return true;
}

static bool mlx_for(const mn_weight *w, bool mapped, mn_weight *f)
{
    float middle = w->type == MN_Q8_0 ? -128.0f : w->type == MN_Q5_0 ? -16.0f : -8.0f;
    f->group = BLOCK;
    f->scale_type = MN_F16;
    switch (w->type) {
    case MN_MXFP4:
        f->type = MN_MLX_MXFP4;
        f->bits = 4;
        return true;
    case MN_Q4_0: case MN_Q5_0: case MN_Q8_0:
        if (!blocks_fit(w, middle, mapped)) return false;
        break;
    case MN_Q4_1: case MN_Q5_1: break;
    default: return false;
    }
    f->type = MN_MLX_AFFINE;
    f->bits = w->type == MN_Q8_0 ? 8 : w->type == MN_Q5_0 || w->type == MN_Q5_1 ? 5 : 4;
    return true;
}

bool mn_repack_find(const mn_weight *w, bool gguf, bool mapped, mn_weight *format)
{
    *format = (mn_weight){ .rows = w->rows, .cols = w->cols, .n_experts = w->n_experts };
    bool mlx = w->type >= MN_MLX_AFFINE && w->type <= MN_MLX_NVFP4;
    bool own = w->type <= MN_BF16 || (w->type != MN_F8_E4M3 && mlx != gguf);
    if (own) {
        format->type = w->type;
        format->bits = w->bits;
        format->group = w->group;
        format->scale_type = w->scale_type;
        return true;
    }
    return gguf ? gguf_for(w, mapped, format) : mlx_for(w, mapped, format);
}

/* ---- one row ---------------------------------------------------------------------------- */

/* 32 codes of a bit stream, lowest bit first. */
static void unpack_stream(const uint8_t *p, int bits, uint8_t q[BLOCK])
{
    for (int i = 0; i < BLOCK; i += 8, p += bits) {
        uint64_t eight = 0;
        for (int b = 0; b < bits; b++) eight |= (uint64_t)p[b] << 8 * b;
        for (int k = 0; k < 8; k++) q[i + k] = (uint8_t)(eight >> k * bits & ((1u << bits) - 1));
    }
}

static void pack_stream(const uint8_t q[BLOCK], int bits, uint8_t *p)
{
    for (int i = 0; i < BLOCK; i += 8, p += bits) {
        uint64_t eight = 0;
        for (int k = 0; k < 8; k++) eight |= (uint64_t)q[i + k] << k * bits;
        for (int b = 0; b < bits; b++) p[b] = (uint8_t)(eight >> 8 * b);
    }
}

static void pack_nibbles(const uint8_t q[BLOCK], uint8_t qs[16])
{
    for (int j = 0; j < 16; j++) qs[j] = (uint8_t)((q[j] & 15) | q[j + 16] << 4);
}

static void unpack_nibbles(const uint8_t qs[16], uint8_t q[BLOCK])
{
    for (int j = 0; j < 16; j++) {
        q[j] = qs[j] & 15;
        q[j + 16] = qs[j] >> 4;
    }
}

static uint32_t fifth_bits(const uint8_t q[BLOCK])
{
    uint32_t high = 0;
    for (int j = 0; j < BLOCK; j++) high |= (uint32_t)(q[j] >> 4) << j;
    return high;
}

/* d, m and the codes of any affine block to the block at p. */
static void write_block(mn_wtype type, float d, float m, const uint8_t q[BLOCK], uint8_t *p)
{
    uint16_t half = mn_f32_to_f16(d), min = mn_f32_to_f16(m);
    uint32_t high = fifth_bits(q);
    memcpy(p, &half, 2);
    p += 2;
    if (type == MN_Q8_0) {
        for (int j = 0; j < BLOCK; j++) p[j] = (uint8_t)(q[j] - 128);
        return;
    }
    if (type == MN_Q4_1 || type == MN_Q5_1) {
        memcpy(p, &min, 2);
        p += 2;
    }
    if (type == MN_Q5_0 || type == MN_Q5_1) {
        memcpy(p, &high, 4);
        p += 4;
    }
    pack_nibbles(q, p);
}

static void read_block(mn_wtype type, const uint8_t *p, float *d, float *m, uint8_t q[BLOCK])
{
    uint16_t half, min;
    uint32_t high = 0;
    memcpy(&half, p, 2);
    p += 2;
    *d = mn_f16_to_f32(half);
    if (type == MN_Q8_0) {
        for (int j = 0; j < BLOCK; j++) q[j] = (uint8_t)(p[j] + 128);
        *m = -128 * *d;
        return;
    }
    *m = type == MN_Q5_0 ? -16 * *d : -8 * *d;
    if (type == MN_Q4_1 || type == MN_Q5_1) {
        memcpy(&min, p, 2);
        *m = mn_f16_to_f32(min);
        p += 2;
    }
    bool five = type == MN_Q5_0 || type == MN_Q5_1;
    if (five) {
        memcpy(&high, p, 4);
        p += 4;
    }
    unpack_nibbles(p, q);
    for (int j = 0; five && j < BLOCK; j++) q[j] |= (uint8_t)((high >> j & 1) << 4);
}

static void to_blocks(const mn_weight *w, int64_t e, int64_t r, const mn_weight *f, uint8_t *out)
{
    const mn_wtype_info *info = mn_wtype_get(f->type);
    const uint8_t *codes = w->data + (size_t)e * w->expert_bytes + (size_t)r * w->row_bytes;
    const uint8_t *s = plane_row(w, w->scales, e, r);
    const uint8_t *b = w->biases ? plane_row(w, w->biases, e, r) : NULL;
    uint8_t q[BLOCK];
    for (int64_t k = 0; k < w->cols / BLOCK; k++, out += info->block_bytes) {
        int64_t g = k * BLOCK / w->group;
        if (f->type == MN_MXFP4) {
            unpack_stream(codes + k * 16, 4, q);
            out[0] = s[g];
            pack_nibbles(q, out + 1);
        } else {
            unpack_stream(codes + k * 4 * w->bits, w->bits, q);
            write_block(f->type, plane_value(w, s, g), plane_value(w, b, g), q, out);
        }
    }
}

static void from_blocks(const mn_weight *w, int64_t e, int64_t r, const mn_weight *f,
                        uint8_t *codes, uint8_t *scales, uint8_t *biases)
{
    mn_weight one = mn_weight_experts(w, e, 1);
    const mn_wtype_info *info = mn_wtype_get(w->type);
    const uint8_t *p = one.data + (size_t)r * one.row_bytes;
    uint8_t q[BLOCK];
    for (int64_t k = 0; k < w->cols / BLOCK; k++, p += info->block_bytes) {
        if (w->type == MN_MXFP4) {
            unpack_nibbles(p + 1, q);
            pack_stream(q, 4, codes + k * 16);
            scales[k] = p[0];
            continue;
        }
        float d, m;
        read_block(w->type, p, &d, &m, q);
        uint16_t scale = mn_f32_to_f16(d), bias = mn_f32_to_f16(m);
        pack_stream(q, f->bits, codes + k * 4 * f->bits);
        memcpy(scales + 2 * k, &scale, 2);
        memcpy(biases + 2 * k, &bias, 2);
    }
}

void mn_repack_row(const mn_weight *w, int64_t expert, int64_t row, const mn_weight *f,
                   uint8_t *codes, uint8_t *scales, uint8_t *biases)
{
    if (w->type == f->type) {
        mn_weight one = mn_weight_experts(w, expert, 1);
        memcpy(codes, one.data + (size_t)row * one.row_bytes,
               mn_wtype_row_bytes(w->type, w->bits, w->cols));
        if (one.scales)
            memcpy(scales, one.scales + (size_t)row * one.scale_row_bytes,
                   mn_plane_row_bytes(f, MN_PLANE_SCALES));
        if (one.biases)
            memcpy(biases, one.biases + (size_t)row * one.scale_row_bytes,
                   mn_plane_row_bytes(f, MN_PLANE_BIASES));
    } else if (w->scales) {
        to_blocks(w, expert, row, f, codes);
    } else {
        from_blocks(w, expert, row, f, codes, scales, biases);
    }
}
