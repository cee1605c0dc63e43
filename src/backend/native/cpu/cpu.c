/* Feature detection: cpuid and xgetbv on x86, the kernel's hwcaps on Arm; see cpu.h.
 *
 * A register file counts only if the operating system saves it (XCR0).  AMX tiles must be
 * asked for: Linux grants them per process on request (arch_prctl, since 5.16).
 */
#include "backend/native/cpu/cpu.h"
#include "base/status.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

static const char *const isa_names[MN_N_ISAS] = {
    [MN_ISA_REF] = "ref",         [MN_ISA_AVX2] = "avx2",     [MN_ISA_AVXVNNI] = "avxvnni",
    [MN_ISA_AVX512] = "avx512",   [MN_ISA_AMX] = "amx",       [MN_ISA_NEON] = "neon",
    [MN_ISA_DOTPROD] = "dotprod", [MN_ISA_I8MM] = "i8mm",
};

const char *mn_isa_name(mn_isa isa)
{
    return isa < MN_N_ISAS ? isa_names[isa] : "?";
}

#if defined(__x86_64__)

enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6, XCR0_TILES = 0x60000 };
enum { REQUEST_STATE_PERMISSION = 0x1023, TILE_DATA = 18 };     /* arch_prctl(2) */

static uint64_t enabled_state(void)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static bool all(uint32_t value, uint32_t bits)
{
    return (value & bits) == bits;
}

static uint32_t detect(mn_cpu *cpu)
{
    uint32_t a, b, c, d, found = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const uint32_t fma_f16c_osxsave_avx = 1u << 12 | 1u << 29 | 1u << 27 | 1u << 28;
    if (!all(c, fma_f16c_osxsave_avx)) return 0;
    uint64_t state = enabled_state();
    if ((state & XCR0_AVX) != XCR0_AVX) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    uint32_t a1 = 0, b1 = 0, c1 = 0, d1 = 0;
    if (a >= 1) __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);

    if (!all(b, 1u << 5 | 1u << 8)) return 0;                       /* AVX2, BMI2 */
    found |= 1u << MN_ISA_AVX2;
    if (all(a1, 1u << 4)) found |= 1u << MN_ISA_AVXVNNI;
    const uint32_t f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    const uint32_t vbmi_vnni = 1u << 1 | 1u << 11;
    if (!all(b, f_dq_bw_vl) || !all(c, vbmi_vnni) || (state & XCR0_AVX512) != XCR0_AVX512)
        return found;
    found |= 1u << MN_ISA_AVX512;
    cpu->bf16 = all(a1, 1u << 5);
    const uint32_t amx_bf16_tile_int8 = 1u << 22 | 1u << 24 | 1u << 25;
    if (cpu->bf16 && all(d, amx_bf16_tile_int8) && (state & XCR0_TILES) == XCR0_TILES &&
        syscall(SYS_arch_prctl, REQUEST_STATE_PERMISSION, TILE_DATA) == 0)
        found |= 1u << MN_ISA_AMX;
    return found;
}

static void processor_name(char out[64])
{
    uint32_t r[12], a, b, c, d;
    if (!__get_cpuid(0x80000000u, &a, &b, &c, &d) || a < 0x80000004u) return;
    for (uint32_t i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
    const char *s = (const char *)r;
    size_t n = strnlen(s, sizeof r), n_out = 0;
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' || (n_out && out[n_out - 1] != ' ')) out[n_out++] = s[i];
    while (n_out && out[n_out - 1] == ' ') n_out--;
    out[n_out] = 0;
}

#elif defined(__aarch64__)

enum { HWCAP_ASIMDDP_BIT = 20, HWCAP2_I8MM_BIT = 13, HWCAP2_BF16_BIT = 14 };

static uint32_t detect(mn_cpu *cpu)
{
    unsigned long caps = getauxval(AT_HWCAP), caps2 = getauxval(AT_HWCAP2);
    uint32_t found = 1u << MN_ISA_NEON;
    if (!(caps >> HWCAP_ASIMDDP_BIT & 1)) return found;
    found |= 1u << MN_ISA_DOTPROD;
    if (caps2 >> HWCAP2_I8MM_BIT & 1 && caps2 >> HWCAP2_BF16_BIT & 1)
        found |= 1u << MN_ISA_I8MM;
    return found;
}

static void processor_name(char out[64])
{
    out[0] = 0;
}

#else

static uint32_t detect(mn_cpu *cpu)
{
    return 0;
}

static void processor_name(char out[64])
{
    out[0] = 0;
}

#endif

minerva_status mn_cpu_init(mn_cpu *out, const char *isa, bool precise, minerva_error *err)
{
    mn_cpu cpu = { .precise = precise };
    processor_name(cpu.model);
    uint32_t found = detect(&cpu) | 1u << MN_ISA_REF;
    mn_isa top = MN_N_ISAS - 1;
    if (isa && *isa) {
        for (top = 0; top < MN_N_ISAS && strcmp(isa, isa_names[top]); top++) {}
        if (top == MN_N_ISAS)
            return mn_fail(err, MINERVA_INVALID, "instruction set: one of ref, avx2, avxvnni, "
                           "avx512, amx, neon, dotprod, i8mm expected, \"%s\" found", isa);
        if (!(found >> top & 1))
            return mn_fail(err, MINERVA_UNSUPPORTED,
                           "instruction set %s is not available on this machine", isa);
    }
    cpu.usable = found & ((2u << top) - 1);
    cpu.isa = 31 - __builtin_clz(cpu.usable);
    cpu.bf16 &= mn_cpu_uses(&cpu, MN_ISA_AVX512);
    *out = cpu;
    return MINERVA_OK;
}
