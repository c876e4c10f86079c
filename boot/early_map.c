// SPDX-License-Identifier: MIT
// The first page tables, which are also the last ones: the kernel image page by page with its final protections, so nothing
// under the running program counter ever has to be remapped. mm and kmap.c only add to them.
//
// Runs with the MMU off at the load address: memory is device memory, so no unaligned access, no atomics, no calls that
// the compiler might turn into memset (hence volatile). Addresses of symbols are physical here (adrp).
#include <stdint.h>
#include "boot/early_map.h"
#include "kernel/arm64/mmu.h"

#define EARLY_L3_TABLES 8     // 16 MiB of image; the linker script checks
#define ENTRIES         512
#define PAGE            4096ull
#define BLOCK           0x200000ull

#define EARLY __attribute__((section(".bss.early"), aligned(4096)))
typedef uint64_t table[ENTRIES];
EARLY table kernel_root, identity_root;
static EARLY table identity_l1, identity_l2, high_l1, image_l2, dtb_l2, image_l3[EARLY_L3_TABLES];

extern char text_end[], rodata_end[], boot_guard[], image_end[];

#define NORMAL    (DESC_ATTR(MAIR_NORMAL) | DESC_INNER | DESC_AF | DESC_UXN)
#define CODE      (NORMAL | DESC_READ_ONLY)
#define CONSTANT  (NORMAL | DESC_READ_ONLY | DESC_PXN)
#define DATA      (NORMAL | DESC_PXN)

static unsigned index_at(uint64_t va, unsigned level)
{
    return va >> (39 - 9 * level) & (level ? 511 : 255);
}

static void put(volatile uint64_t *slot, uint64_t descriptor) { *slot = descriptor; }

void early_map_build(uint64_t load, uint64_t dtb)
{
    // The 2 MiB that hold the code which turns the MMU on, at its own address.
    put(&identity_root[index_at(load, 0)], (uint64_t)identity_l1 | DESC_TABLE);
    put(&identity_l1[index_at(load, 1)], (uint64_t)identity_l2 | DESC_TABLE);
    put(&identity_l2[index_at(load, 2)], load | CODE | DESC_BLOCK);

    put(&kernel_root[index_at(KERNEL_BASE, 0)], (uint64_t)high_l1 | DESC_TABLE);
    put(&high_l1[index_at(KERNEL_BASE, 1)], (uint64_t)image_l2 | DESC_TABLE);
    for (uint64_t pa = load; pa < (uint64_t)image_end; pa += PAGE) {
        uint64_t va = KERNEL_BASE + (pa - load);
        volatile uint64_t *l3 = image_l3[(va - KERNEL_BASE) / BLOCK];
        put(&image_l2[index_at(va, 2)], (uint64_t)l3 | DESC_TABLE);
        if (pa == (uint64_t)boot_guard)
            continue;
        uint64_t kind = pa < (uint64_t)text_end ? CODE : pa < (uint64_t)rodata_end ? CONSTANT : DATA;
        put(&l3[index_at(va, 3)], pa | kind | DESC_PAGE);
    }

    // The block with the start of the device tree; platform_read maps the next one when the tree goes on there.
    put(&high_l1[index_at(DTB_BASE, 1)], (uint64_t)dtb_l2 | DESC_TABLE);
    if (dtb)
        put(&dtb_l2[0], (dtb & ~(BLOCK - 1)) | CONSTANT | DESC_BLOCK);
}

void early_map_dtb_tail(uint64_t dtb)
{
    dtb_l2[1] = ((dtb & ~(BLOCK - 1)) + BLOCK) | CONSTANT | DESC_BLOCK;
    __asm__ volatile("dsb ishst; isb" ::: "memory");
}
