/* Scalar decoders of the IQ types: codebook entries with signs, and the non-linear 4-bit
 * types.  Layouts in quant.h, codebooks in iq_grids.h.  Bit-identical to ggml's. */
#include "tensor/decode.h"
#include "tensor/iq_grids.h"
#include "tensor/quant.h"

static float f16_at(const uint8_t p[2]) { return mn_f16_to_f32(mn_load_u16(p)); }

/* n weights: grid byte i, negative where bit i of signs is set. */
static void spread(uint64_t grid, uint32_t signs, int n, float scale, float *out)
{
    for (int i = 0; i < n; i++) {
        float y = scale * (float)(grid >> 8 * i & 255);
        out[i] = signs >> i & 1 ? -y : y;
    }
}

void mn_decode_iq2_xxs(const uint8_t *block, float *out)
{
    const mn_block_iq2_xxs *b = (const mn_block_iq2_xxs *)block;
    float d = f16_at(b->d);
    for (int run = 0; run < 8; run++) {
        const uint8_t *indexes = b->qs + 8 * run;
        uint32_t signs_scale = mn_load_u32(indexes + 4);
        float scale = d * (0.5f + (float)(signs_scale >> 28)) * 0.25f;
        for (int l = 0; l < 4; l++, out += 8)
            spread(mn_iq2_xxs_grid[indexes[l]], mn_iq_signs(signs_scale >> 7 * l), 8,
                   scale, out);
    }
}

void mn_decode_iq2_xs(const uint8_t *block, float *out)
{
    const mn_block_iq2_xs *b = (const mn_block_iq2_xs *)block;
    float d = f16_at(b->d);
    for (int i = 0; i < 32; i++, out += 8) {
        uint32_t code = mn_load_u16(b->qs + 2 * i);
        int s = b->scales[i / 4] >> i % 4 / 2 * 4 & 15;
        float scale = d * (0.5f + (float)s) * 0.25f;
        spread(mn_iq2_xs_grid[code & 511], mn_iq_signs(code >> 9), 8, scale, out);
    }
}

void mn_decode_iq2_s(const uint8_t *block, float *out)
{
    const mn_block_iq2_s *b = (const mn_block_iq2_s *)block;
    float d = f16_at(b->d);
    for (int i = 0; i < 32; i++, out += 8) {
        int index = b->qs[i] | (b->qh[i / 4] >> i % 4 * 2 & 3) << 8;
        int s = b->scales[i / 4] >> i % 4 / 2 * 4 & 15;
        float scale = d * (0.5f + (float)s) * 0.25f;
        spread(mn_iq2_s_grid[index], b->signs[i], 8, scale, out);
    }
}

void mn_decode_iq3_xxs(const uint8_t *block, float *out)
{
    const mn_block_iq3_xxs *b = (const mn_block_iq3_xxs *)block;
    float d = f16_at(b->d);
    for (int i = 0; i < 32; i++, out += 8) {
        uint32_t signs_scale = mn_load_u32(b->signs + i / 4 * 4);
        uint32_t signs = mn_iq_signs(signs_scale >> 7 * (i % 4));
        float scale = d * (0.5f + (float)(signs_scale >> 28)) * 0.5f;
        spread(mn_iq3_xxs_grid[b->qs[2 * i]], signs, 4, scale, out);
        spread(mn_iq3_xxs_grid[b->qs[2 * i + 1]], signs >> 4, 4, scale, out + 4);
    }
}

void mn_decode_iq3_s(const uint8_t *block, float *out)
{
    const mn_block_iq3_s *b = (const mn_block_iq3_s *)block;
    float d = f16_at(b->d);
    for (int i = 0; i < 64; i++, out += 4) {
        int index = b->qs[i] | (b->qh[i / 8] >> i % 8 & 1) << 8;
        int s = b->scales[i / 16] >> i / 8 % 2 * 4 & 15;
        spread(mn_iq3_s_grid[index], b->signs[i / 2] >> i % 2 * 4, 4,
               d * (float)(1 + 2 * s), out);
    }
}

/* 8 weights: scale * (grid + shift), grid bytes signed. */
static void spread_shifted(int index, bool negative_shift, float scale, float *out)
{
    uint64_t grid = mn_iq1_grid[index];
    float shift = negative_shift ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++) out[i] = scale * ((float)(int8_t)(grid >> 8 * i) + shift);
}

void mn_decode_iq1_s(const uint8_t *block, float *out)
{
    const mn_block_iq1_s *b = (const mn_block_iq1_s *)block;
    float d = f16_at(b->d);
    for (int i = 0; i < 32; i++, out += 8) {
        uint32_t high = mn_load_u16(b->qh + i / 4 * 2);
        int index = b->qs[i] | (high >> 3 * (i % 4) & 7) << 8;
        spread_shifted(index, high >> 15, d * (float)(2 * (high >> 12 & 7) + 1), out);
    }
}

void mn_decode_iq1_m(const uint8_t *block, float *out)
{
    const mn_block_iq1_m *b = (const mn_block_iq1_m *)block;
    uint32_t s[4], d_bits = 0;
    for (int i = 0; i < 4; i++) {
        s[i] = mn_load_u16(b->scales + 2 * i);
        d_bits |= s[i] >> 12 << 4 * i;
    }
    float d = mn_f16_to_f32((uint16_t)d_bits);
    for (int i = 0; i < 32; i++, out += 8) {
        int high = b->qh[i / 2] >> i % 2 * 4 & 15;
        int scale = s[i / 8] >> i % 8 / 2 * 3 & 7;
        spread_shifted(b->qs[i] | (high & 7) << 8, high >> 3, d * (float)(2 * scale + 1),
                       out);
    }
}

void mn_decode_iq4_nl(const uint8_t *block, float *out)
{
    const mn_block_iq4_nl *b = (const mn_block_iq4_nl *)block;
    float d = f16_at(b->d);
    for (int j = 0; j < 16; j++) {
        out[j] = d * (float)mn_iq4_levels[b->qs[j] & 15];
        out[j + 16] = d * (float)mn_iq4_levels[b->qs[j] >> 4];
    }
}

void mn_decode_iq4_xs(const uint8_t *block, float *out)
{
    const mn_block_iq4_xs *b = (const mn_block_iq4_xs *)block;
    float d = f16_at(b->d);
    uint32_t high = mn_load_u16(b->scales_h);
    for (int sub = 0; sub < 8; sub++, out += 32) {
        const uint8_t *q = b->qs + 16 * sub;
        int s = (b->scales_l[sub / 2] >> sub % 2 * 4 & 15) | (high >> 2 * sub & 3) << 4;
        float scale = d * (float)(s - 32);
        for (int j = 0; j < 16; j++) {
            out[j] = scale * (float)mn_iq4_levels[q[j] & 15];
            out[j + 16] = scale * (float)mn_iq4_levels[q[j] >> 4];
        }
    }
}
