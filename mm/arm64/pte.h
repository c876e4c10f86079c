// SPDX-License-Identifier: MIT
// Descriptors of the 4 KiB granule, stage 1 (Arm ARM D8.3), and what Janus keeps in the bits hardware leaves alone.
// Level 0 is 256 entries (T0SZ = T1SZ = 17), levels 1 to 3 are 512.
#pragma once
#include <stdint.h>
#include "kernel/arm64/mmu.h"     // MAIR indexes

typedef uint64_t pte_t;

#define PTE_VALID        (1ull << 0)
#define PTE_TABLE        (1ull << 1)      // levels 0..2: table (0: block); level 3: must be 1
#define PTE_ATTR(index)  ((uint64_t)(index) << 2)
#define PTE_AP_EL0       (1ull << 6)      // EL0 may access
#define PTE_AP_READONLY  (1ull << 7)      // nobody may write through this entry
#define PTE_SH_INNER     (3ull << 8)
#define PTE_AF           (1ull << 10)     // accessed; always set, the A72 would fault instead of setting it
#define PTE_NG           (1ull << 11)     // tagged with the ASID
#define PTE_ADDRESS      0x0000fffffffff000ull
#define PTE_PXN          (1ull << 53)
#define PTE_UXN          (1ull << 54)

// Software bits: 55..58 are ours by architecture; 59 is hardware's only if TCR_EL1.HWU says so, and there it is 0.
#define PTE_EC           (1ull << 55)     // the page's code is arm64
#define PTE_FRAME        (1ull << 56)     // the entry holds a reference to the frame at PTE_ADDRESS, even if not valid
#define PTE_OWNED        (1ull << 57)     // that frame is private to this space: demand-zero or copied
#define PTE_WATCHED      (1ull << 58)     // translations of it exist: no store without the watch hook
#define PTE_OPEN         (1ull << 59)     // with PTE_WATCHED: stores pass, only changes of the mapping call the hook

#define TABLE_ENTRIES  512u
#define ROOT_ENTRIES   256u
