/* The IQ and ternary types, as far as 64 bits go: codebook entries, signs and scales of a
 * step of 256 columns.  unpack_avx512.h and unpack_avx2.h make vectors of these.
 *
 * In the terms of those files, w = s * (code - zero):
 *   IQ2, IQ3   code = 64 +- grid (at most 62), s = (2 n + 1) * d / 8, / 4 or / 1
 *   IQ1        code = 9 + 8 * grid +- 1, s = (2 n + 1) * d / 8
 *   TQ         code = digit, s = d
 * with n the 3- or 4-bit scale of a group.  Layouts: tensor/quant.h.  Needs BMI2.
 */
#ifndef MN_BACKEND_NATIVE_CPU_UNPACK_IQ_H
#define MN_BACKEND_NATIVE_CPU_UNPACK_IQ_H

#include "backend/native/cpu/matmul_kinds.h"

MN_INLINE uint64_t mn_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

MN_INLINE uint32_t mn_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

MN_INLINE bool mn_is_signed_grid(int kind)
{
    switch (kind) {
    case MN_IQ2_XXS: case MN_IQ2_XS: case MN_IQ2_S: case MN_IQ3_XXS: case MN_IQ3_S: return true;
    default: return false;
    }
}

MN_INLINE bool mn_is_shifted_grid(int kind) { return kind == MN_IQ1_S || kind == MN_IQ1_M; }

/* ---- codebook entries ---------------------------------------------------------------- */

/* Bytes of the weights 32 i + 8 k .. + 7: magnitudes, or -1 .. 1 of the IQ1 types. */
MN_INLINE uint64_t mn_grid_8(int kind, const uint8_t *p, int i, int k)
{
    const int j = 4 * i + k;
    switch (kind) {
    case MN_IQ2_XXS: return mn_iq2_xxs_grid[p[2 + 8 * i + k]];
    case MN_IQ2_XS: return mn_iq2_xs_grid[mn_load_u16(p + 2 + 2 * j) & 511];
    case MN_IQ2_S: return mn_iq2_s_grid[p[2 + j] | (p[66 + i] >> 2 * k & 3) << 8];
    case MN_IQ3_XXS:
        return mn_iq3_xxs_grid[p[2 + 2 * j]] |
               (uint64_t)mn_iq3_xxs_grid[p[3 + 2 * j]] << 32;
    case MN_IQ3_S: {
        int high = p[66 + i] >> 2 * k;
        return mn_iq3_s_grid[p[2 + 2 * j] | (high & 1) << 8] |
               (uint64_t)mn_iq3_s_grid[p[3 + 2 * j] | (high & 2) << 7] << 32;
    }
    case MN_IQ1_S:
        return mn_iq1_grid[p[2 + j] | (mn_load_u16(p + 34 + 2 * i) >> 3 * k & 7) << 8];
    case MN_IQ1_M: return mn_iq1_grid[p[j] | (p[32 + j / 2] >> k % 2 * 4 & 7) << 8];
    default: __builtin_unreachable();
    }
}

/* ---- signs ---------------------------------------------------------------------------- */

/* Four 7-bit fields as four bytes whose eighth bits make the number of ones even. */
MN_INLINE uint32_t mn_even_bytes(uint32_t fields)
{
    uint32_t v = _pdep_u32(fields, 0x7f7f7f7f), odd = v ^ v >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    return v | (odd & 0x01010101) << 7;
}

/* Bit c: the weight 32 i + c is negative. */
MN_INLINE uint32_t mn_signs_32(int kind, const uint8_t *p, int i)
{
    switch (kind) {
    case MN_IQ2_XXS: return mn_even_bytes(mn_u32(p + 6 + 8 * i));
    case MN_IQ2_XS:
        return mn_even_bytes((uint32_t)_pext_u64(mn_u64(p + 2 + 8 * i), 0xfe00fe00fe00fe00));
    case MN_IQ2_S: return mn_u32(p + 34 + 4 * i);
    case MN_IQ3_XXS: return mn_even_bytes(mn_u32(p + 66 + 4 * i));
    case MN_IQ3_S: return mn_u32(p + 74 + 4 * i);
    default: __builtin_unreachable();
    }
}

/* Bit k: the shift of the weights 32 i + 8 k .. + 7 is negative. */
MN_INLINE uint32_t mn_shifts_4(int kind, const uint8_t *p, int i)
{
    if (kind == MN_IQ1_S) return p[35 + 2 * i] & 0x80 ? 15 : 0;
    return _pext_u32(mn_load_u16(p + 32 + 2 * i), 0x8888);
}

/* ---- scales --------------------------------------------------------------------------- */

/* 8 or, for groups of 16, twice 8 bytes 2 n + 1, and what they are multiplied with. */
typedef struct {
    uint64_t bytes[2];
    float unit;
} mn_odd_scales;

MN_INLINE uint64_t mn_odd_nibbles(uint32_t nibbles)
{
    return _pdep_u64(nibbles, 0x0f0f0f0f0f0f0f0f) << 1 | 0x0101010101010101;
}

MN_INLINE uint64_t mn_odd_3bit(uint64_t fields)
{
    return _pdep_u64(fields, 0x0707070707070707) << 1 | 0x0101010101010101;
}

MN_INLINE mn_odd_scales mn_iq_scales(int kind, const uint8_t *p)
{
    mn_odd_scales r = { { 0, 0 }, 0 };
    uint32_t nibbles = 0;
    uint64_t fields;
    switch (kind) {
    case MN_IQ2_XXS:
        for (int i = 0; i < 8; i++) nibbles |= (uint32_t)(p[9 + 8 * i] >> 4) << 4 * i;
        r.bytes[0] = mn_odd_nibbles(nibbles);
        r.unit = mn_half(p) / 8;
        break;
    case MN_IQ2_XS: case MN_IQ2_S: {
        const uint8_t *scales = p + (kind == MN_IQ2_XS ? 66 : 74);
        r.bytes[0] = mn_odd_nibbles(mn_u32(scales));
        r.bytes[1] = mn_odd_nibbles(mn_u32(scales + 4));
        r.unit = mn_half(p) / 8;
        break;
    }
    case MN_IQ3_XXS:
        for (int i = 0; i < 8; i++) nibbles |= (uint32_t)(p[69 + 4 * i] >> 4) << 4 * i;
        r.bytes[0] = mn_odd_nibbles(nibbles);
        r.unit = mn_half(p) / 4;
        break;
    case MN_IQ3_S:
        r.bytes[0] = mn_odd_nibbles(mn_u32(p + 106));
        r.unit = mn_half(p);
        break;
    case MN_IQ1_S:
        fields = _pext_u64(mn_u64(p + 34), 0x7000700070007000);
        fields |= _pext_u64(mn_u64(p + 42), 0x7000700070007000) << 12;
        r.bytes[0] = mn_odd_3bit(fields);
        r.unit = mn_half(p) / 8;
        break;
    case MN_IQ1_M: {
        uint64_t words = mn_u64(p + 48);
        uint16_t d = (uint16_t)_pext_u64(words, 0xf000f000f000f000);
        fields = _pext_u64(words, 0x0fff0fff0fff0fff);
        r.bytes[0] = mn_odd_3bit(fields);
        r.bytes[1] = mn_odd_3bit(fields >> 24);
        r.unit = mn_half(&d) / 8;
        break;
    }
    default: __builtin_unreachable();
    }
    return r;
}

#endif
