/* What this processor can do, and which part of it is used.
 *
 * Kernels come in one file per instruction set (the file's suffix names it).  At start the
 * best set that the processor and the operating system offer is chosen, or a lower one by
 * name.  Each kind of work then builds its own function table from an mn_cpu: the scalar
 * reference first, each better set overwriting what it does better.
 *
 * (1) The sets of one architecture are a ladder: using one implies those below it that the
 *     processor has.
 * (2) MN_ISA_AVX512 stands for F, BW, DQ, VL, VNNI and VBMI; MN_CPU_BF16 is extra.
 * (3) `precise` asks every table for f32 activations and no 8-bit shortcuts.
 */
#ifndef MN_BACKEND_NATIVE_CPU_CPU_H
#define MN_BACKEND_NATIVE_CPU_CPU_H

#include "minerva.h"

typedef enum {
    MN_ISA_REF,
    MN_ISA_AVX2, MN_ISA_AVXVNNI, MN_ISA_AVX512, MN_ISA_AMX,
    MN_ISA_NEON, MN_ISA_DOTPROD, MN_ISA_I8MM,
    MN_N_ISAS
} mn_isa;

typedef struct {
    mn_isa isa;                 /* the best one in use */
    uint32_t usable;            /* bit per mn_isa: those in use, REF included */
    bool bf16;                  /* AVX512_BF16 is there and AVX-512 is in use */
    bool precise;
    char model[64];             /* the processor's own name, or "" */
} mn_cpu;

/* isa  NULL or "": the best; else a name of the ladder ("ref", "avx2", ...).
 * MINERVA_UNSUPPORTED if this machine lacks it, MINERVA_INVALID if no such name. */
minerva_status mn_cpu_init(mn_cpu *out, const char *isa, bool precise, minerva_error *err);

/* "ref", "avx2", "avxvnni", "avx512", "amx", "neon", "dotprod", "i8mm" */
const char *mn_isa_name(mn_isa isa);

static inline bool mn_cpu_uses(const mn_cpu *cpu, mn_isa isa)
{
    return cpu->usable >> isa & 1;
}

#endif
