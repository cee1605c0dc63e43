/* The shapes of AMX's eight tile registers. */
#ifndef MN_NATIVE_CPU_TILES_AMX_H
#define MN_NATIVE_CPU_TILES_AMX_H

#include <immintrin.h>
#include <stdint.h>

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} mn_tile_config;

/* gcc 12 takes _tile_loadconfig() to read 8 of the 64 bytes and drops the stores of others. */
static inline void mn_tile_load_config(const mn_tile_config *config)
{
    __asm__ volatile("" : : "r"(config) : "memory");
    _tile_loadconfig(config);
}

/* All tiles as large as they get: 16 rows of 64 bytes. */
static inline void mn_tile_load_full(void)
{
    mn_tile_config config = { .palette = 1 };
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    mn_tile_load_config(&config);
}

#endif
