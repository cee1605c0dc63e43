/* Scalar number formats: f16, bf16, E8M0, E4M3, E2M1; see weight.h.
 *
 * All conversions to f32 are exact.  The conversions from f32 round to nearest, ties to
 * even, overflow to infinity, and keep a NaN a (quiet) NaN. */
#include "tensor/weight.h"

#include <string.h>

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

float mn_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31,
             mantissa = h & 0x3ff;
    if (exponent == 31) return float_of(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) {
        float f = (float)mantissa * 0x1p-24f;
        return sign ? -f : f;
    }
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t mn_f32_to_f16(float f)
{
    uint32_t bits = bits_of(f), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));
    if (a >= 0x477ff000) return (uint16_t)(sign | 0x7c00);      /* 65520 and more */
    if (a < 0x38800000)     /* below 2^-14: adding 0.5 rounds to multiples of 2^-24 */
        return (uint16_t)(sign | (bits_of(float_of(a) + 0.5f) - 0x3f000000));
    a -= 112u << 23;
    return (uint16_t)(sign | (a + 0xfff + (a >> 13 & 1)) >> 13);
}

uint16_t mn_f32_to_bf16(float f)
{
    uint32_t bits = bits_of(f);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float mn_e8m0_to_f32(uint8_t e)
{
    if (e == 255) return float_of(0x7fc00000);
    return e ? float_of((uint32_t)e << 23) : 0x1p-127f;
}

float mn_e4m3_to_f32(uint8_t b)
{
    uint32_t exponent = b >> 3 & 15, mantissa = b & 7;
    float f;
    if (exponent == 15 && mantissa == 7)
        f = float_of(0x7fc00000);
    else if (exponent == 0)
        f = (float)mantissa * 0x1p-9f;
    else
        f = float_of((exponent + 120) << 23 | mantissa << 20);
    return b & 0x80 ? -f : f;
}

float mn_e2m1_to_f32(uint8_t code)
{
    static const float magnitudes[8] = { 0, 0.5f, 1, 1.5f, 2, 3, 4, 6 };
    float f = magnitudes[code & 7];
    return code & 8 ? -f : f;
}
