/* The portable loop and the choice among the others; see peak.h. */
#include "backend/native/cpu/peak.h"

enum { LANES = 64 };

/* Enough independent sums for any vector width; the compiler makes vectors of them. */
static int64_t f32_ref(int64_t rounds)
{
    float sum[LANES];
    for (int i = 0; i < LANES; i++) sum[i] = (float)i;
    for (int64_t r = 0; r < rounds; r++) {
        for (int i = 0; i < LANES; i++) sum[i] = sum[i] * 0.999f + 1.0f;
        __asm__ volatile("" : : "r"(sum) : "memory");
    }
    return rounds * LANES;
}

void mn_peaks_init(mn_peaks *out, const mn_cpu *cpu)
{
    *out = (mn_peaks){ .f32 = f32_ref, .prompt = f32_ref, .prompt_name = "f32" };
#if defined(__x86_64__)
    if (mn_cpu_uses(cpu, MN_ISA_AVX2)) mn_peaks_init_avx2(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVXVNNI)) mn_peaks_init_avxvnni(out);
    if (mn_cpu_uses(cpu, MN_ISA_AVX512)) mn_peaks_init_avx512(out, cpu->bf16);
    if (mn_cpu_uses(cpu, MN_ISA_AMX)) mn_peaks_init_amx(out);
#endif
    if (!cpu->precise) return;
    out->prompt = out->f32;
    out->prompt_name = "f32";
}
