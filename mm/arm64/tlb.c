// SPDX-License-Identifier: MIT
#include "mm/arm64/tlb.h"

static uint64_t page_operand(uint16_t asid, uint64_t va)
{
    return (uint64_t)asid << 48 | (va >> 12 & 0xfffffffffffull);    // VA[55:12] in 43:0
}

void tlb_begin(void)
{
    // Not ishst: the ASID is read after this, and must not be read before the tables have changed.
    __asm__ volatile("dsb ish" ::: "memory");
}

void tlb_invalidate_page(uint16_t asid, uint64_t va, bool tables_too)
{
    if (tables_too)
        __asm__ volatile("tlbi vae1is, %0" :: "r"(page_operand(asid, va)) : "memory");
    else
        __asm__ volatile("tlbi vale1is, %0" :: "r"(page_operand(asid, va)) : "memory");
}

void tlb_invalidate_asid(uint16_t asid)
{
    __asm__ volatile("tlbi aside1is, %0" :: "r"((uint64_t)asid << 48) : "memory");
}

void tlb_invalidate_all(void)
{
    __asm__ volatile("tlbi vmalle1is" ::: "memory");
}

void tlb_end(void)
{
    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
}

void tlb_publish(void)
{
    __asm__ volatile("dsb ishst\n\tisb" ::: "memory");
}

uint32_t asid_bits(void)
{
    uint64_t mmfr0;
    __asm__("mrs %0, id_aa64mmfr0_el1" : "=r"(mmfr0));
    return (mmfr0 >> 4 & 15) == 2 ? 16 : 8;
}
