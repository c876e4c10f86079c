// SPDX-License-Identifier: MIT
// CPUID: exactly what is implemented on this core, no more. emu/README.md has the same table with the proofs.
#include "emu/run/machine.h"

enum word { EAX, EBX, ECX, EDX };

// What does not depend on the core. Leaf 1 eax: family 6; ebx: 8 quadwords a cache line (CLFLUSH).
static const struct { uint32_t leaf, words[4]; } leaves[] = {
    { 0x00000000, { 0xd, 0x756e614a, 0x4a207375, 0x6e614a20 } },             // "Janus Janus " in ebx, edx, ecx
    { 0x00000001, { 0x000006f0, 0x00000800, 0, 0 } },
    { 0x80000000, { 0x80000008, 0, 0, 0 } },
    { 0x80000002, { 0x756e614a, 0x34362073, 0x20746962, 0x73726576 } },
    { 0x80000003, { 0x206e6f69, 0x7820666f, 0x7c203436, 0x61203420 } },
    { 0x80000004, { 0x36346d72, 0, 0, 0 } },
    { 0x80000007, { 0, 0, 0, 0x100 } },                                     // the time stamp counter's rate is constant
    { 0x80000008, { 0x3030, 0, 0, 0 } },                                    // bits of addresses
};

// Leaf 0xd by subleaf: enabled components and bytes of an area; XSAVEOPT, XSAVEC, XGETBV(1); bytes and place of AVX.
static const uint32_t xstate[][4] = { { 7, 832, 832, 0 }, { 7, 832, 0, 0 }, { 256, 576, 0, 0 } };

// One row an extension: its bit, and what of the arm64 core it stands on.
#define ALWAYS 0
#define NEEDS(feature) (offsetof(struct emu_features, feature) + 1)
static const struct { uint32_t leaf; uint8_t word, bit; uint16_t needs; } extensions[] = {
    { 1, EDX, 0, ALWAYS },                      // FPU
    { 1, EDX, 4, ALWAYS },                      // TSC
    { 1, EDX, 8, ALWAYS },                      // CX8
    { 1, EDX, 15, ALWAYS },                     // CMOV
    { 1, EDX, 19, ALWAYS },                     // CLFSH
    { 1, EDX, 23, ALWAYS },                     // MMX
    { 1, EDX, 24, ALWAYS },                     // FXSR
    { 1, EDX, 25, ALWAYS },                     // SSE
    { 1, EDX, 26, ALWAYS },                     // SSE2
    { 1, ECX, 0, ALWAYS },                      // SSE3
    { 1, ECX, 1, ALWAYS },                      // PCLMULQDQ
    { 1, ECX, 9, ALWAYS },                      // SSSE3
    { 1, ECX, 13, ALWAYS },                     // CX16
    { 1, ECX, 19, ALWAYS },                     // SSE4.1
    { 1, ECX, 20, ALWAYS },                     // SSE4.2
    { 1, ECX, 22, ALWAYS },                     // MOVBE
    { 1, ECX, 23, ALWAYS },                     // POPCNT
    { 1, ECX, 25, ALWAYS },                     // AES
    { 1, ECX, 12, ALWAYS },                     // FMA
    { 1, ECX, 26, ALWAYS },                     // XSAVE
    { 1, ECX, 27, ALWAYS },                     // OSXSAVE
    { 1, ECX, 28, ALWAYS },                     // AVX
    { 1, ECX, 29, ALWAYS },                     // F16C
    { 1, ECX, 30, NEEDS(rng) },                 // RDRAND
    { 7, EBX, 3, ALWAYS },                      // BMI1
    { 7, EBX, 5, ALWAYS },                      // AVX2
    { 7, EBX, 8, ALWAYS },                      // BMI2
    { 7, EBX, 18, NEEDS(rng) },                 // RDSEED
    { 7, EBX, 19, ALWAYS },                     // ADX
    { 7, EBX, 29, ALWAYS },                     // SHA
    { 7, EBX, 23, ALWAYS },                     // CLFLUSHOPT
    { 7, EBX, 24, ALWAYS },                     // CLWB
    { 7, ECX, 9, ALWAYS },                      // VAES
    { 7, ECX, 10, ALWAYS },                     // VPCLMULQDQ
    { 7, ECX, 22, ALWAYS },                     // RDPID
    { 7, EDX, 14, ALWAYS },                     // SERIALIZE
    { 0x80000001, ECX, 0, ALWAYS },             // LAHF and SAHF
    { 0x80000001, ECX, 5, ALWAYS },             // LZCNT
    { 0x80000001, ECX, 8, ALWAYS },             // PREFETCHW
    { 0x80000001, EDX, 11, ALWAYS },            // SYSCALL
    { 0x80000001, EDX, 20, ALWAYS },            // no-execute pages
    { 0x80000001, EDX, 27, ALWAYS },            // RDTSCP
    { 0x80000001, EDX, 29, ALWAYS },            // long mode
};

static bool has(uint16_t needs)
{
    return needs == ALWAYS || ((const bool *)&emu_features)[needs - 1];
}

enum emu_outcome machine_run_cpuid(struct machine *m)
{
    uint32_t leaf = (uint32_t)machine_gpr_get(m, X64_RAX, 4), subleaf = (uint32_t)machine_gpr_get(m, X64_RCX, 4);
    uint32_t words[4] = { 0, 0, 0, 0 };
    for (unsigned i = 0; i < sizeof leaves / sizeof *leaves; i++)
        for (unsigned j = 0; leaves[i].leaf == leaf && j < 4; j++)
            words[j] = leaves[i].words[j];
    if (leaf == 0xd && subleaf < sizeof xstate / sizeof *xstate)
        for (unsigned j = 0; j < 4; j++)
            words[j] = xstate[subleaf][j];
    for (unsigned i = 0; i < sizeof extensions / sizeof *extensions; i++)
        if (extensions[i].leaf == leaf && (leaf != 7 || subleaf == 0) && has(extensions[i].needs))
            words[extensions[i].word] |= 1u << extensions[i].bit;
    machine_gpr_put(m, X64_RAX, 4, words[EAX]);
    machine_gpr_put(m, X64_RBX, 4, words[EBX]);
    machine_gpr_put(m, X64_RCX, 4, words[ECX]);
    machine_gpr_put(m, X64_RDX, 4, words[EDX]);
    return EMU_RESUME;
}
