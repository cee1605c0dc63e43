/* AVX2: products of bytes in three instructions (vpmaddubsw, vpmaddwd, vpaddd), and FMA. */
#include "backend/native/cpu/peak.h"

enum { SUMS = 10 };

typedef int vector __attribute__((vector_size(32)));
typedef float floats __attribute__((vector_size(32)));

static int64_t int8_avx2(int64_t rounds)
{
    vector sum[SUMS] = { { 0 } }, a = { 1, 2, 3, 4, 5, 6, 7, 8 }, b = a, ones = a;
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 10
        for (int i = 0; i < SUMS; i++) {
            vector t;
            __asm__ volatile("vpmaddubsw %2, %3, %1\n\tvpmaddwd %4, %1, %1\n\t"
                             "vpaddd %1, %0, %0"
                             : "+x"(sum[i]), "=&x"(t) : "x"(a), "x"(b), "x"(ones));
        }
    }
    return rounds * SUMS * 32;
}

static int64_t f32_avx2(int64_t rounds)
{
    floats sum[SUMS] = { { 0 } }, a = { 0.5f }, b = { 1 };
    for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 10
        for (int i = 0; i < SUMS; i++)
            __asm__ volatile("vfmadd231ps %1, %2, %0" : "+x"(sum[i]) : "x"(a), "x"(b));
    }
    return rounds * SUMS * 8;
}

void mn_peaks_init_avx2(mn_peaks *out)
{
    out->f32 = f32_avx2;
    out->int8 = out->prompt = int8_avx2;
    out->prompt_name = "int8";
}
