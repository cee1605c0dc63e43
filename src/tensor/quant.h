/* Layouts of the GGUF weight blocks (facts of the format, after ggml's block structs).
 *
 * A row of a quantised tensor is a run of blocks.  A block of 32 weights shares one f16
 * scale; a super-block of 256 weights has f16 scales for small integer sub-scales.
 * Everything is little-endian and byte aligned: the structs hold bytes only, so that a
 * block may lie at any address.  "nibble pairs j, j+16" means: the low nibble of byte j
 * is weight j, the high nibble is weight j + 16.
 *
 * The drawings give byte offsets.  d, dmin are f16.  y is the decoded weight.
 *
 *   Q4_0   32 weights, 18 bytes        y = d * (q - 8)
 *          |0 d |2 qs: 16 x nibble pairs j, j+16 |
 *   Q4_1   32 weights, 20 bytes        y = d * q + m
 *          |0 d |2 m |4 qs as Q4_0 |
 *   Q5_0   32 weights, 22 bytes        y = d * (q - 16)
 *          |0 d |2 qh: bit j is bit 4 of weight j |6 qs as Q4_0 |
 *   Q5_1   32 weights, 24 bytes        y = d * q + m
 *          |0 d |2 m |4 qh |8 qs |
 *   Q8_0   32 weights, 34 bytes        y = d * q
 *          |0 d |2 qs: 32 x i8 |
 *
 * The K types have 256 weights.  Their 2-bit planes run through two halves of 128: byte l
 * (0..31) of a half holds weights l, l+32, l+64, l+96 in bits 0-1, 2-3, 4-5, 6-7.
 *
 *   Q2_K   84 bytes, 16 sub-blocks of 16     y = d * (sc & 15) * q - dmin * (sc >> 4)
 *          |0 scales: 16 x (min:4 scale:4) |16 qs: 2 halves x 32 bytes |80 d |82 dmin |
 *   Q3_K   110 bytes, 16 sub-blocks of 16    y = d * (sc - 32) * (q - 4)
 *          |0 hmask: bit k of byte l is bit 2 of weight 32 k + l |32 qs: bits 0-1 |
 *          |96 scales: 16 x 6 bits: low nibbles of 0..7 and (high nibble) 8..15 in bytes
 *           0..7, bits 4-5 of scale i in byte 8 + i % 4 at bit 2 * (i / 4) |108 d |
 *   Q4_K   144 bytes, 8 sub-blocks of 32     y = d * sc * q - dmin * m
 *          |0 d |2 dmin |4 scales: 8 x (sc:6, m:6), drawn below |
 *          |16 qs: 4 x 32 bytes; the low nibbles of run k are sub-block 2k, the high
 *           ones sub-block 2k + 1 |
 *   Q5_K   176 bytes, as Q4_K with a fifth bit
 *          |0 d |2 dmin |4 scales |16 qh: bit k of byte l is bit 4 of weight 32 k + l |
 *          |48 qs as Q4_K |
 *   Q6_K   210 bytes, 16 sub-blocks of 16    y = d * sc * (q - 32)
 *          |0 ql: 2 halves x 64 bytes: low nibbles of bytes l and l+32 (l < 32) are
 *           weights l and l+32, high nibbles weights l+64 and l+96 |
 *          |128 qh: bits 4-5 as the 2-bit planes above |192 scales: 16 x i8 |208 d |
 *
 *   The 12 scale bytes of Q4_K and Q5_K:
 *          byte      7 6 | 5 .. 0             byte      7 .. 4  |  3 .. 0
 *          0..3   sc[4+i]|  sc[i]             8..11     m[4+i]  | sc[4+i]
 *                  bits 45  bits 0-5                    bits 0-3   bits 0-3
 *          4..7    m[4+i]|   m[i]
 *                  bits 45  bits 0-5
 *
 * The IQ types index a codebook of 8 (or 4) magnitudes: tensor/iq_grids.h.  `sign7` is a
 * 7-bit field that gives the signs of 8 weights, the eighth making their number even.
 *
 *   IQ2_XXS 66 bytes: |0 d |2 8 x u64 |       a u64 per 32 weights:
 *          bits 0-31 four 8-bit indexes, 32-59 four sign7, 60-63 scale s;
 *          y = d * (s + 0.5) / 4 * grid * sign
 *   IQ2_XS  74 bytes: |0 d |2 32 x u16: index:9 (low), sign7 |66 8 x (s1:4 s0:4) |
 *          s0 for the first 16 of 32 weights, s1 for the others; y as above
 *   IQ2_S   82 bytes: |0 d |2 32 x index bits 0-7 |34 32 x signs of 8 |
 *          |66 8 x (4 x index bits 8-9) |74 8 x (s1:4 s0:4) |; y as above
 *   IQ3_XXS 98 bytes: |0 d |2 64 x 8-bit index of 4 |66 8 x u32: four sign7, s:4 |
 *          y = d * (s + 0.5) / 2 * grid * sign
 *   IQ3_S   110 bytes: |0 d |2 64 x index bits 0-7 |66 8 x (8 x index bit 8) |
 *          |74 32 x signs of 8 |106 4 x (s1:4 s0:4), one nibble per 32 weights |
 *          y = d * (2 s + 1) * grid * sign
 *   IQ1_S   50 bytes: |0 d |2 32 x index bits 0-7 |34 8 x u16 per 32 weights |
 *          u16: bits 0-11 four times index bits 8-10, 12-14 s, 15 the shift's sign;
 *          y = d * (2 s + 1) * (grid +- 1/8)
 *   IQ1_M   56 bytes: |0 32 x index bits 0-7 |32 16 x (2 x (shift:1 index bits 8-10)) |
 *          |48 4 x u16: bits 0-11 four 3-bit s, one per 16 weights; the four upper
 *           nibbles together are d, lowest first |; y as IQ1_S
 *   IQ4_NL  32 weights, 18 bytes, as Q4_0 with y = d * mn_iq4_levels[q]
 *   IQ4_XS  136 bytes: |0 d |2 u16: 8 x s bits 4-5 |4 8 x s bits 0-3 |
 *          |8 8 x 16 nibble pairs j, j+16 |; y = d * (s - 32) * mn_iq4_levels[q]
 *
 *   TQ1_0  54 bytes: |0 48 bytes of 5 digits |48 4 bytes of 4 digits |52 d |
 *          ternary digits as a fraction: a byte b means b / 256 in base 3, so digit n is
 *          floor(3 * (b * 3^n mod 256) / 256); y = d * (digit - 1).  Byte m of the first
 *          32 holds weights m + 32 n, byte m of the next 16 weights 160 + m + 16 n, byte
 *          m of the last 4 weights 240 + m + 4 n
 *   TQ2_0  66 bytes: |0 2 halves x 32 bytes, planes as above |64 d |; y = d * (q - 1)
 *   MXFP4  32 weights, 17 bytes: |0 e: E8M0 |1 16 nibble pairs j, j+16 of E2M1 |
 *          y = E2M1(q) * 2^(e - 127)
 */
#ifndef MN_TENSOR_QUANT_H
#define MN_TENSOR_QUANT_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum { MN_QK = 256 };       /* weights of a super-block */

typedef struct { uint8_t d[2], qs[16]; } mn_block_q4_0;
typedef struct { uint8_t d[2], m[2], qs[16]; } mn_block_q4_1;
typedef struct { uint8_t d[2], qh[4], qs[16]; } mn_block_q5_0;
typedef struct { uint8_t d[2], m[2], qh[4], qs[16]; } mn_block_q5_1;
typedef struct { uint8_t d[2]; int8_t qs[32]; } mn_block_q8_0;
typedef struct { uint8_t scales[16], qs[64], d[2], dmin[2]; } mn_block_q2_k;
typedef struct { uint8_t hmask[32], qs[64], scales[12], d[2]; } mn_block_q3_k;
typedef struct { uint8_t d[2], dmin[2], scales[12], qs[128]; } mn_block_q4_k;
typedef struct { uint8_t d[2], dmin[2], scales[12], qh[32], qs[128]; } mn_block_q5_k;
typedef struct {
    uint8_t ql[128], qh[64];
    int8_t scales[16];
    uint8_t d[2];
} mn_block_q6_k;
typedef struct { uint8_t d[2], qs[64]; } mn_block_iq2_xxs;
typedef struct { uint8_t d[2], qs[64], scales[8]; } mn_block_iq2_xs;
typedef struct { uint8_t d[2], qs[32], signs[32], qh[8], scales[8]; } mn_block_iq2_s;
typedef struct { uint8_t d[2], qs[64], signs[32]; } mn_block_iq3_xxs;
typedef struct { uint8_t d[2], qs[64], qh[8], signs[32], scales[4]; } mn_block_iq3_s;
typedef struct { uint8_t d[2], qs[32], qh[16]; } mn_block_iq1_s;
typedef struct { uint8_t qs[32], qh[16], scales[8]; } mn_block_iq1_m;
typedef struct { uint8_t d[2], qs[16]; } mn_block_iq4_nl;
typedef struct { uint8_t d[2], scales_h[2], scales_l[4], qs[128]; } mn_block_iq4_xs;
typedef struct { uint8_t qs[48], qh[4], d[2]; } mn_block_tq1_0;
typedef struct { uint8_t qs[64], d[2]; } mn_block_tq2_0;
typedef struct { uint8_t e, qs[16]; } mn_block_mxfp4;

static_assert(sizeof(mn_block_q4_0) == 18 && sizeof(mn_block_q4_1) == 20, "layout");
static_assert(sizeof(mn_block_q5_0) == 22 && sizeof(mn_block_q5_1) == 24, "layout");
static_assert(sizeof(mn_block_q8_0) == 34 && sizeof(mn_block_q2_k) == 84, "layout");
static_assert(sizeof(mn_block_q3_k) == 110 && sizeof(mn_block_q4_k) == 144, "layout");
static_assert(sizeof(mn_block_q5_k) == 176 && sizeof(mn_block_q6_k) == 210, "layout");
static_assert(sizeof(mn_block_iq2_xxs) == 66 && sizeof(mn_block_iq2_xs) == 74, "layout");
static_assert(sizeof(mn_block_iq2_s) == 82 && sizeof(mn_block_iq3_xxs) == 98, "layout");
static_assert(sizeof(mn_block_iq3_s) == 110 && sizeof(mn_block_iq1_s) == 50, "layout");
static_assert(sizeof(mn_block_iq1_m) == 56 && sizeof(mn_block_iq4_nl) == 18, "layout");
static_assert(sizeof(mn_block_iq4_xs) == 136 && sizeof(mn_block_tq1_0) == 54, "layout");
static_assert(sizeof(mn_block_tq2_0) == 66 && sizeof(mn_block_mxfp4) == 17, "layout");

/* Little-endian loads from any address. */
static inline uint16_t mn_load_u16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t mn_load_u32(const void *p)
{
    const uint8_t *b = p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t mn_load_u64(const void *p)
{
    return mn_load_u32(p) | (uint64_t)mn_load_u32((const uint8_t *)p + 4) << 32;
}
static inline float mn_load_f32(const void *p)
{
    uint32_t bits = mn_load_u32(p);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline void mn_store_u16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}
static inline void mn_store_u32(void *p, uint32_t v)
{
    mn_store_u16(p, (uint16_t)v);
    mn_store_u16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

/* Scale and min number i (0..7) of the 12 packed bytes of Q4_K and Q5_K. */
static inline void mn_k4_scale_min(const uint8_t packed[12], int i, int *scale, int *min)
{
    if (i < 4) {
        *scale = packed[i] & 63;
        *min = packed[i + 4] & 63;
    } else {
        *scale = (packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4;
        *min = packed[i + 4] >> 4 | (packed[i] >> 6) << 4;
    }
}

/* Scale i (0..15), still biased by 32, of the 12 packed bytes of Q3_K. */
static inline int mn_k3_scale(const uint8_t packed[12], int i)
{
    int low = i < 8 ? packed[i] & 15 : packed[i - 8] >> 4;
    return low | ((packed[8 + i % 4] >> 2 * (i / 4)) & 3) << 4;
}

#endif
