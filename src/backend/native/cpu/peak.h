/* How fast this processor multiplies at best: loops of nothing but the instructions that
 * the matrix kernels are made of, operands in registers.
 *
 * Each function runs `rounds` rounds on the calling thread and returns the number of
 * multiply-accumulates done.  A rate measured with them is a ceiling: loads, conversions
 * and scales come on top in a kernel. */
#ifndef MN_BACKEND_NATIVE_CPU_PEAK_H
#define MN_BACKEND_NATIVE_CPU_PEAK_H

#include "backend/native/cpu/cpu.h"

typedef int64_t mn_peak_fn(int64_t rounds);

typedef struct {
    mn_peak_fn *f32, *int8, *bf16;      /* NULL: no such instruction in use; f32 is there */
    mn_peak_fn *prompt;                 /* the one that prompts are read with */
    const char *prompt_name;            /* "bf16", ... */
} mn_peaks;

void mn_peaks_init(mn_peaks *out, const mn_cpu *cpu);
void mn_peaks_init_avx2(mn_peaks *out);
void mn_peaks_init_avxvnni(mn_peaks *out);
void mn_peaks_init_avx512(mn_peaks *out, bool bf16);
void mn_peaks_init_amx(mn_peaks *out);

#endif
