/* Scalar decoders of GGUF blocks: the plain types, the K types, ternary and MXFP4.
 *
 * These are the definition that every faster kernel is tested against, so each follows
 * the layout in quant.h literally, one product order for all builds:  y = (d * scale) * q
 * - m. The results equal those of ggml's own dequantizers bit for bit (for MXFP4 with the
 * one exception that the E8M0 byte 255 is NaN here, as in the OCP specification). */
#include "tensor/decode.h"
#include "tensor/quant.h"

static float f16_at(const uint8_t p[2]) { return mn_f16_to_f32(mn_load_u16(p)); }

/* ---- 32 weights ------------------------------------------------------------------- */

void mn_decode_q4_0(const uint8_t *block, float *out)
{
    const mn_block_q4_0 *b = (const mn_block_q4_0 *)block;
    float d = f16_at(b->d);
    for (int j = 0; j < 16; j++) {
        out[j] = (float)((b->qs[j] & 15) - 8) * d;
        out[j + 16] = (float)((b->qs[j] >> 4) - 8) * d;
    }
}

void mn_decode_q4_1(const uint8_t *block, float *out)
{
    const mn_block_q4_1 *b = (const mn_block_q4_1 *)block;
    float d = f16_at(b->d), m = f16_at(b->m);
    for (int j = 0; j < 16; j++) {
        out[j] = (float)(b->qs[j] & 15) * d + m;
        out[j + 16] = (float)(b->qs[j] >> 4) * d + m;
    }
}

void mn_decode_q5_0(const uint8_t *block, float *out)
{
    const mn_block_q5_0 *b = (const mn_block_q5_0 *)block;
    float d = f16_at(b->d);
    uint32_t high = mn_load_u32(b->qh);
    for (int j = 0; j < 16; j++) {
        int low_q = (b->qs[j] & 15) | (high >> j & 1) << 4;
        int high_q = b->qs[j] >> 4 | (high >> (j + 16) & 1) << 4;
        out[j] = (float)(low_q - 16) * d;
        out[j + 16] = (float)(high_q - 16) * d;
    }
}

void mn_decode_q5_1(const uint8_t *block, float *out)
{
    const mn_block_q5_1 *b = (const mn_block_q5_1 *)block;
    float d = f16_at(b->d), m = f16_at(b->m);
    uint32_t high = mn_load_u32(b->qh);
    for (int j = 0; j < 16; j++) {
        int low_q = (b->qs[j] & 15) | (high >> j & 1) << 4;
        int high_q = b->qs[j] >> 4 | (high >> (j + 16) & 1) << 4;
        out[j] = (float)low_q * d + m;
        out[j + 16] = (float)high_q * d + m;
    }
}

void mn_decode_q8_0(const uint8_t *block, float *out)
{
    const mn_block_q8_0 *b = (const mn_block_q8_0 *)block;
    float d = f16_at(b->d);
    for (int j = 0; j < 32; j++) out[j] = (float)b->qs[j] * d;
}

void mn_decode_mxfp4(const uint8_t *block, float *out)
{
    const mn_block_mxfp4 *b = (const mn_block_mxfp4 *)block;
    float d = mn_e8m0_to_f32(b->e);
    for (int j = 0; j < 16; j++) {
        out[j] = mn_e2m1_to_f32(b->qs[j] & 15) * d;
        out[j + 16] = mn_e2m1_to_f32(b->qs[j] >> 4) * d;
    }
}

/* ---- K types: 256 weights --------------------------------------------------------- */

void mn_decode_q2_k(const uint8_t *block, float *out)
{
    const mn_block_q2_k *b = (const mn_block_q2_k *)block;
    float d = f16_at(b->d), dmin = f16_at(b->dmin);
    for (int sub = 0; sub < 16; sub++) {
        const uint8_t *q = b->qs + sub / 8 * 32 + sub % 2 * 16;
        int shift = sub % 8 / 2 * 2;
        float scale = d * (float)(b->scales[sub] & 15),
              min = dmin * (float)(b->scales[sub] >> 4);
        for (int l = 0; l < 16; l++) *out++ = scale * (float)(q[l] >> shift & 3) - min;
    }
}

void mn_decode_q3_k(const uint8_t *block, float *out)
{
    const mn_block_q3_k *b = (const mn_block_q3_k *)block;
    float d = f16_at(b->d);
    for (int sub = 0; sub < 16; sub++) {
        const uint8_t *q = b->qs + sub / 8 * 32 + sub % 2 * 16;
        const uint8_t *high = b->hmask + sub % 2 * 16;
        int shift = sub % 8 / 2 * 2, high_bit = sub / 2;
        float scale = d * (float)(mn_k3_scale(b->scales, sub) - 32);
        for (int l = 0; l < 16; l++) {
            int code = (q[l] >> shift & 3) | (high[l] >> high_bit & 1) << 2;
            *out++ = scale * (float)(code - 4);
        }
    }
}

void mn_decode_q4_k(const uint8_t *block, float *out)
{
    const mn_block_q4_k *b = (const mn_block_q4_k *)block;
    float d = f16_at(b->d), dmin = f16_at(b->dmin);
    for (int sub = 0; sub < 8; sub++) {
        const uint8_t *q = b->qs + sub / 2 * 32;
        int sc, m, shift = sub % 2 * 4;
        mn_k4_scale_min(b->scales, sub, &sc, &m);
        float scale = d * (float)sc, min = dmin * (float)m;
        for (int l = 0; l < 32; l++) *out++ = scale * (float)(q[l] >> shift & 15) - min;
    }
}

void mn_decode_q5_k(const uint8_t *block, float *out)
{
    const mn_block_q5_k *b = (const mn_block_q5_k *)block;
    float d = f16_at(b->d), dmin = f16_at(b->dmin);
    for (int sub = 0; sub < 8; sub++) {
        const uint8_t *q = b->qs + sub / 2 * 32;
        int sc, m, shift = sub % 2 * 4;
        mn_k4_scale_min(b->scales, sub, &sc, &m);
        float scale = d * (float)sc, min = dmin * (float)m;
        for (int l = 0; l < 32; l++) {
            int code = (q[l] >> shift & 15) | (b->qh[l] >> sub & 1) << 4;
            *out++ = scale * (float)code - min;
        }
    }
}

void mn_decode_q6_k(const uint8_t *block, float *out)
{
    const mn_block_q6_k *b = (const mn_block_q6_k *)block;
    float d = f16_at(b->d);
    for (int sub = 0; sub < 16; sub++) {
        int half = sub / 8, run = sub % 8 / 2, at = sub % 2 * 16;
        const uint8_t *low = b->ql + half * 64 + run % 2 * 32 + at;
        const uint8_t *high = b->qh + half * 32 + at;
        float scale = d * (float)b->scales[sub];
        for (int l = 0; l < 16; l++) {
            int code = (low[l] >> run / 2 * 4 & 15) | (high[l] >> run * 2 & 3) << 4;
            *out++ = scale * (float)(code - 32);
        }
    }
}

/* ---- ternary ---------------------------------------------------------------------- */

/* Digit n of the base-3 fraction b / 256: 0, 1 or 2. */
static int ternary_digit(uint8_t b, int n)
{
    static const uint8_t powers[5] = { 1, 3, 9, 27, 81 };
    return (uint8_t)(b * powers[n]) * 3 >> 8;
}

void mn_decode_tq1_0(const uint8_t *block, float *out)
{
    const mn_block_tq1_0 *b = (const mn_block_tq1_0 *)block;
    const struct { const uint8_t *bytes; int n_bytes, n_digits; } runs[3] = {
        { b->qs, 32, 5 }, { b->qs + 32, 16, 5 }, { b->qh, 4, 4 }
    };
    float d = f16_at(b->d);
    for (int r = 0; r < 3; r++)
        for (int n = 0; n < runs[r].n_digits; n++)
            for (int m = 0; m < runs[r].n_bytes; m++)
                *out++ = (float)(ternary_digit(runs[r].bytes[m], n) - 1) * d;
}

void mn_decode_tq2_0(const uint8_t *block, float *out)
{
    const mn_block_tq2_0 *b = (const mn_block_tq2_0 *)block;
    float d = f16_at(b->d);
    for (int run = 0; run < 8; run++)
        for (int l = 0; l < 32; l++)
            *out++ = (float)((b->qs[run / 4 * 32 + l] >> run % 4 * 2 & 3) - 1) * d;
}
