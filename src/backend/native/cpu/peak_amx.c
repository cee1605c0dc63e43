/* AMX: 16 x 16 sums of 64 products of bytes, or 32 of bf16, in one instruction. */
#include "backend/native/cpu/peak.h"
#include "backend/native/cpu/tiles_amx.h"

#include <immintrin.h>

static void configure(void)
{
    mn_tile_load_full();
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
}

static int64_t int8_amx(int64_t rounds)
{
    configure();
    for (int64_t r = 0; r < rounds; r++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
    return rounds * 4 * 16 * 16 * 64;
}

static int64_t bf16_amx(int64_t rounds)
{
    configure();
    for (int64_t r = 0; r < rounds; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return rounds * 4 * 16 * 16 * 32;
}

void mn_peaks_init_amx(mn_peaks *out)
{
    out->int8 = int8_amx;
    out->bf16 = out->prompt = bf16_amx;
    out->prompt_name = "bf16";
}
