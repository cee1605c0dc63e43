/* Codebooks of the IQ weight types (data of the format; source: ggml, ggml-common.h,
 * MIT).
 *
 * An entry packs the magnitudes of 8 (or 4) neighbouring weights, the first in the lowest
 * byte.  The bytes of mn_iq1_grid are signed: -1, 0, 1.  iq_grids.c lists the entries as
 * codes of 2 or 3 bits per weight, from which the compiler makes these tables. */
#ifndef MN_TENSOR_IQ_GRIDS_H
#define MN_TENSOR_IQ_GRIDS_H

#include <stdint.h>

extern const uint64_t mn_iq2_xxs_grid[256];     /* 8 x {8, 25, 43} */
extern const uint64_t mn_iq2_xs_grid[512];
extern const uint64_t mn_iq2_s_grid[1024];
extern const uint32_t mn_iq3_xxs_grid[256];     /* 4 x {4, 12, 20, 28, 36, 44, 52, 62} */
extern const uint32_t mn_iq3_s_grid[512];       /* 4 x {1, 3, 5, ... 15} */
extern const uint64_t mn_iq1_grid[2048];        /* 8 x {-1, 0, 1}; IQ1_S and IQ1_M */
extern const int8_t mn_iq4_levels[16];          /* IQ4_NL and IQ4_XS */

/* Signs of 8 weights (bit i: weight i is negative) from a 7-bit field: bit 7 makes the
 * number of negative ones even. */
static inline uint8_t mn_iq_signs(uint32_t sign7)
{
    sign7 &= 127;
    return (uint8_t)(sign7 | (uint32_t)__builtin_parity(sign7) << 7);
}

#endif
