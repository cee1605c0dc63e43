/* AVX-512: 64 products of bytes, 32 of bf16 or 16 of f32 in one instruction. */
#include "backend/native/cpu/peak.h"

enum { SUMS = 12 };

typedef int vector __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(64)));

#define LOOP(name, type, instruction, products) \
    static int64_t name(int64_t rounds) \
    { \
        type sum[SUMS] = { { 0 } }, a = { 1 }, b = { 1 }; \
        for (int64_t r = 0; r < rounds; r++) { \
            _Pragma("GCC unroll 12") \
            for (int i = 0; i < SUMS; i++) \
                __asm__ volatile(instruction " %1, %2, %0" : "+v"(sum[i]) : "v"(a), "v"(b)); \
        } \
        return rounds * SUMS * (products); \
    }
LOOP(f32_avx512, floats, "vfmadd231ps", 16)
LOOP(bf16_avx512, floats, "vdpbf16ps", 32)
LOOP(int8_avx512, vector, "vpdpbusd", 64)

void mn_peaks_init_avx512(mn_peaks *out, bool bf16)
{
    out->f32 = f32_avx512;
    out->int8 = out->prompt = int8_avx512;
    if (bf16) out->bf16 = bf16_avx512;
}
