// SPDX-License-Identifier: MIT
#include "mm/arm64/cache.h"

// CTR_EL0 (Arm ARM D19.2.34).
#define CTR_IMINLINE(ctr) (4ull << ((ctr) & 15))          // bytes
#define CTR_DMINLINE(ctr) (4ull << ((ctr) >> 16 & 15))
#define CTR_L1IP(ctr)     ((ctr) >> 14 & 3)
#define CTR_L1IP_PIPT     3u
#define CTR_IDC           (1ull << 28)                    // no data cache clean needed
#define CTR_DIC           (1ull << 29)                    // no instruction cache invalidation needed

void code_sync(const void *code, uint64_t user, uint64_t bytes)
{
    (void)user;
    uint64_t ctr, start = (uint64_t)code, end = start + bytes;
    __asm__("mrs %0, ctr_el0" : "=r"(ctr));
    if (!(ctr & CTR_IDC))
        for (uint64_t line = start & -CTR_DMINLINE(ctr); line < end; line += CTR_DMINLINE(ctr))
            __asm__ volatile("dc cvau, %0" :: "r"(line) : "memory");
    __asm__ volatile("dsb ish" ::: "memory");
    if (!(ctr & CTR_DIC)) {
        if (CTR_L1IP(ctr) == CTR_L1IP_PIPT)
            for (uint64_t line = start & -CTR_IMINLINE(ctr); line < end; line += CTR_IMINLINE(ctr))
                __asm__ volatile("ic ivau, %0" :: "r"(line) : "memory");
        else
            __asm__ volatile("ic ialluis" ::: "memory");  // by an alias, a virtually indexed cache would miss it
    }
    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}
