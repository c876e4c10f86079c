// SPDX-License-Identifier: MIT
// EL2 to EL1. Whatever level the core is at, el1_enter returns at EL1 with the MMU off, interrupts masked and nothing that
// EL1 or EL0 of this kernel does trapped to EL2. Values: Arm ARM D19 (register descriptions).
#include "kernel/arm64/mmu.h"

// Names that assemblers for armv8.0 do not know.
#define SCTLR_EL12    s3_5_c1_c0_0
#define HCRX_EL2      s3_4_c1_c2_2
#define HFGRTR_EL2    s3_4_c1_c1_4
#define HFGWTR_EL2    s3_4_c1_c1_5
#define HFGITR_EL2    s3_4_c1_c1_6
#define HDFGRTR_EL2   s3_4_c3_c1_4
#define HDFGWTR_EL2   s3_4_c3_c1_5
#define ICC_SRE_EL2   s3_4_c12_c9_5
#define ICH_HCR_EL2   s3_4_c12_c11_0
#define ID_AA64ISAR2  s3_0_c0_c6_2

#define HCR_RW        (1 << 31)
#define HCR_APK_API   (3 << 40)
#define HCR_E2H_BIT   34

    .section .head, "ax"
    .globl  el1_enter
// Clobbers x0-x3, SP. Position independent, no stack.
el1_enter:
    mrs     x0, CurrentEL
    cmp     x0, #(2 << 2)
    b.eq    from_el2
    b.hi    el3_spin                // not allowed by the boot protocol, and nothing can be said yet
    ldr     x0, =SCTLR_INIT
    msr     sctlr_el1, x0
    isb
    msr     spsel, #1
    ret
el3_spin:
    wfe
    b       el3_spin

from_el2:
    msr     spsel, #1
    adrp    x0, el2_vectors
    add     x0, x0, :lo12:el2_vectors
    msr     vbar_el2, x0

    // EL1 is AArch64, nothing is routed to EL2; pointer authentication, where present, does not trap.
    mov     x0, #HCR_RW
    mrs     x1, id_aa64isar1_el1
    ldr     x2, =0xff000ff0         // GPI, GPA, API, APA
    tst     x1, x2
    b.ne    1f
    mrs     x1, ID_AA64ISAR2
    tst     x1, #0xff00             // APA3, GPA3
    b.eq    2f
1:  orr     x0, x0, #HCR_APK_API
2:  msr     hcr_el2, x0
    isb
    mrs     x3, hcr_el2             // E2H stays 1 on cores that know only the host layout of the registers below

    // The physical and virtual counters and timers belong to EL1; both count the same.
    mov     x0, #3
    tbz     x3, #HCR_E2H_BIT, 1f
    mov     x0, #(3 << 10)
1:  msr     cnthctl_el2, x0
    msr     cntvoff_el2, xzr

    // No trap of FP and SIMD. SVE and SME stay trapped; CPACR_EL1 already refuses them to EL0.
    mov     x0, #0x33ff
    tbz     x3, #HCR_E2H_BIT, 1f
    mov     x0, #(3 << 20)
1:  msr     cptr_el2, x0
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0

    // Debug and all PMU counters belong to EL1 (MDCR_EL2.HPMN = PMCR_EL0.N).
    mov     x0, #0
    mrs     x1, id_aa64dfr0_el1
    ubfx    x1, x1, #8, #4          // PMUVer
    cbz     x1, 1f
    cmp     x1, #0xf
    b.eq    1f
    mrs     x0, pmcr_el0
    ubfx    x0, x0, #11, #5
1:  msr     mdcr_el2, x0

    // GIC system registers, only where the core has them (ID_AA64PFR0_EL1.GIC): undefined otherwise.
    mrs     x1, id_aa64pfr0_el1
    ubfx    x1, x1, #24, #4
    cbz     x1, 1f
    mrs     x0, ICC_SRE_EL2
    orr     x0, x0, #0xf
    msr     ICC_SRE_EL2, x0
    isb
    mrs     x0, ICC_SRE_EL2
    tbz     x0, #0, 1f
    msr     ICH_HCR_EL2, xzr

    // FEAT_HCX: allow the memory copy instructions where they exist (HCRX_EL2.MSCEn), nothing else.
1:  mrs     x1, id_aa64mmfr1_el1
    ubfx    x1, x1, #40, #4
    cbz     x1, 2f
    mov     x0, #0
    mrs     x1, ID_AA64ISAR2
    ubfx    x1, x1, #16, #4         // MOPS
    cbz     x1, 1f
    mov     x0, #(1 << 11)
1:  msr     HCRX_EL2, x0

    // FEAT_FGT: no fine-grained traps.
2:  mrs     x1, id_aa64mmfr0_el1
    ubfx    x1, x1, #56, #4
    cbz     x1, 1f
    msr     HFGRTR_EL2, xzr
    msr     HFGWTR_EL2, xzr
    msr     HFGITR_EL2, xzr
    msr     HDFGRTR_EL2, xzr
    msr     HDFGWTR_EL2, xzr

1:  ldr     x0, =SCTLR_INIT
    tbnz    x3, #HCR_E2H_BIT, 1f    // with E2H the EL1 name means SCTLR_EL2
    msr     sctlr_el1, x0
    b       2f
1:  msr     SCTLR_EL12, x0
2:  mov     x0, #0x3c5              // EL1h, DAIF masked
    msr     spsr_el2, x0
    msr     elr_el2, x30
    isb
    eret
    .ltorg

// Nothing comes back to EL2; should something, the core stops here, to be seen in a debugger.
    .balign 2048
el2_vectors:
    .rept   16
    .balign 128
    b       .
    .endr
