// SPDX-License-Identifier: MIT
// The kernel's half of the address space, and the translation registers. Shared by C and assembly.
//
//   0xffff800000000000 + pa   linear map of RAM, read-write, never executable
//   0xffffff0000000000        device windows, kernel stacks with guard pages (kmap.h)
//   0xffffffff80000000        the kernel image: text read-only, rodata, data
//   0xffffffffc0000000        the device tree, 4 MiB window, read-only
//
// TTBR1, T1SZ = 17: 47 bits, four levels, the root has 256 entries (VA[46:39]).
#pragma once

#ifdef __ASSEMBLER__
#define BIT(n) (1 << (n))
#else
#define BIT(n) (1ull << (n))
#endif

#define LINEAR_BASE   0xffff800000000000
#define LINEAR_BYTES  0x0000400000000000     // 64 TiB: physical addresses below this can be RAM
#define WINDOW_BASE   0xffffff0000000000
#define KERNEL_BASE   0xffffffff80000000
#define DTB_BASE      0xffffffffc0000000

// MAIR_EL1 indexes and value: device nGnRnE, device nGnRE, normal non-cacheable, normal write-back.
#define MAIR_DEVICE_STRICT 0
#define MAIR_DEVICE        1
#define MAIR_UNCACHED      2
#define MAIR_NORMAL        3
#define MAIR_EL1_VALUE         0xff440400

// Descriptors (Arm ARM D8.3). Only what the kernel half uses.
#define DESC_BLOCK     0x1
#define DESC_TABLE     0x3
#define DESC_PAGE      0x3
#define DESC_ATTR(i)   ((i) << 2)
#define DESC_READ_ONLY BIT(7)
#define DESC_INNER     (BIT(8) | BIT(9))
#define DESC_AF        BIT(10)
#define DESC_PXN       BIT(53)
#define DESC_UXN       BIT(54)

// TCR_EL1 without IPS: T0SZ = T1SZ = 17, 4 KiB granules, walks write-back inner shareable, ASID from TTBR0, 16-bit ASIDs
// where there are such (the bit is RES0 elsewhere), TBI off.
#define TCR_VALUE      0x10b5113511

// SCTLR_EL1. INIT: MMU and caches off, the RES1 bits of a core without the optional features.
#define SCTLR_INIT     0x30d00980
#define SCTLR_M        BIT(0)
#define SCTLR_C        BIT(2)
#define SCTLR_SA       BIT(3)
#define SCTLR_NAA      BIT(6)      // FEAT_LSE2: ordered accesses may be unaligned
#define SCTLR_I        BIT(12)
#define SCTLR_DZE      BIT(14)     // EL0: DC ZVA
#define SCTLR_UCT      BIT(15)     // EL0: CTR_EL0
#define SCTLR_NTWI     BIT(16)     // EL0: WFI, WFE do not trap
#define SCTLR_NTWE     BIT(18)
#define SCTLR_WXN      BIT(19)     // nothing writable is executable
#define SCTLR_SPAN     BIT(23)     // 0: exceptions set PAN
#define SCTLR_UCI      BIT(26)     // EL0: cache maintenance by address
#define SCTLR_MSCEN    BIT(33)     // EL0: memory copy instructions
