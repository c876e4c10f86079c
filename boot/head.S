// SPDX-License-Identifier: MIT
// The first instructions. The Linux arm64 Image header, then the way of the boot core and of the other cores to C code at
// the link address. Runs wherever it was loaded (2 MiB aligned) until the MMU is on: adr/adrp only, no literal pools that
// hold addresses except for the jump itself.
#include "kernel/arm64/mmu.h"
#include "boot/handoff.h"

    .section .head.image, "ax"
    .globl _start
_start:
    b       boot_entry
    .long   0
    .quad   0                       // text_offset: at the 2 MiB boundary itself
    .quad   image_bytes             // with bss, early tables and boot stack
    .quad   0xa                     // little-endian, 4 KiB pages, anywhere in RAM
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0                       // no PE header: booted by the Linux protocol, not by UEFI

// x0 = physical address of the device tree. Loaders leave SError unmasked, sp and VBAR set to their own.
boot_entry:
    msr     daifset, #0xf
    mov     x19, x0
    mrs     x20, CurrentEL
    lsr     x20, x20, #2
    bl      el1_enter
    adrp    x21, _start

    // Stores go past the caches from here to mmu_on. First whatever dirty lines a loader left over this memory are written
    // out; afterwards what is stale in the caches is thrown away, never written.
    adrp    x0, early_start
    adrp    x1, early_end
    bl      cache_clean_range
    adrp    x0, early_start
    adrp    x1, early_end
1:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    1b
    adrp    x0, early_stack_top
    add     sp, x0, :lo12:early_stack_top
    mov     x29, #0
    mov     x0, x21
    mov     x1, x19
    bl      early_map_build
    adrp    x0, early_start
    adrp    x1, early_end
    bl      cache_drop_range
    bl      mmu_on
    ldr     x0, =boot_high
    br      x0

// The other cores, by PSCI or released from a spin table, each when smp.c has written `handoff` for it. Cores that arrive
// early (several may share one release address) wait until the handoff names them; the MMU is off, so they read memory.
    .globl  secondary_entry
secondary_entry:
    msr     daifset, #0xf
    bl      el1_enter
    adrp    x19, handoff
    add     x19, x19, :lo12:handoff
    mrs     x1, mpidr_el1
    ldr     x2, =0xff00ffffff
    and     x1, x1, x2
1:  ldr     x2, [x19, #HANDOFF_MPIDR]
    cmp     x1, x2
    b.eq    2f
    yield
    b       1b
2:  dmb     sy
    ldr     x20, [x19, #HANDOFF_STACK]
    ldr     x22, [x19, #HANDOFF_PERCPU]
    adrp    x23, empty_table
    bl      mmu_on
    ldr     x0, =secondary_high
    br      x0

// Turns the MMU and the caches on. The code here lies in the identity map of TTBR0. Clobbers x0-x3.
mmu_on:
    ic      iallu
    tlbi    vmalle1
    dsb     sy
    isb
    ldr     x0, =MAIR_EL1_VALUE
    msr     mair_el1, x0
    ldr     x0, =TCR_VALUE
    mrs     x1, id_aa64mmfr0_el1
    and     x1, x1, #0xf            // PARange; 6 and above would mean 52-bit descriptors
    mov     x2, #5
    cmp     x1, x2
    csel    x1, x1, x2, lo
    bfi     x0, x1, #32, #3
    msr     tcr_el1, x0
    adrp    x0, identity_root
    msr     ttbr0_el1, x0
    adrp    x0, kernel_root
    msr     ttbr1_el1, x0
    isb
    ldr     x0, =(SCTLR_INIT | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SA | SCTLR_WXN)
    msr     sctlr_el1, x0
    isb
    ret

// x0 = start, x1 = end. By the smallest data cache line the core reports.
cache_clean_range:
    mrs     x3, ctr_el0
    ubfx    x3, x3, #16, #4
    mov     x2, #4
    lsl     x2, x2, x3
1:  dc      civac, x0
    add     x0, x0, x2
    cmp     x0, x1
    b.lo    1b
    dsb     sy
    ret
cache_drop_range:
    mrs     x3, ctr_el0
    ubfx    x3, x3, #16, #4
    mov     x2, #4
    lsl     x2, x2, x3
1:  dc      ivac, x0
    add     x0, x0, x2
    cmp     x0, x1
    b.lo    1b
    dsb     sy
    ret
    .ltorg

// At the link address, caches on. x19 device tree, x20 level of entry, x21 load address.
    .text
boot_high:
    ldr     x0, =vectors
    msr     vbar_el1, x0
    adrp    x0, empty_table
    ldr     x1, =KERNEL_BASE
    sub     x0, x0, x1
    add     x0, x0, x21             // its physical address
    msr     ttbr0_el1, x0           // the user half is empty until an address space is active
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    adrp    x0, bss_start
    adrp    x1, bss_end
1:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    1b
    ldr     x0, =percpu_blocks
    msr     tpidr_el1, x0
    ldr     x0, =boot_stack_top
    mov     sp, x0
    mov     x29, #0
    mov     x30, #0
    mov     x0, x19
    mov     x1, x20
    mov     x2, x21
    b       kernel_main

secondary_high:
    ldr     x0, =vectors
    msr     vbar_el1, x0
    msr     ttbr0_el1, x23          // as on the boot core; the identity map's entries are global, so they must go
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    msr     tpidr_el1, x22
    mov     sp, x20
    mov     x29, #0
    mov     x30, #0
    b       secondary_main

// The stack while the MMU is off.
    .section .bss.early, "aw", %nobits
    .balign 16
    .skip   2048
early_stack_top:
    .balign 4096

    .section .rodata
    .balign 4096
    .globl  empty_table
empty_table:
    .skip   4096
