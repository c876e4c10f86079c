// SPDX-License-Identifier: MIT
// System registers and barriers.
#pragma once
#include <stdint.h>

#define sysreg_read(name) ({ uint64_t value_; __asm__ volatile("mrs %0, " #name : "=r"(value_)); value_; })
#define sysreg_write(name, value) __asm__ volatile("msr " #name ", %x0" :: "rZ"((uint64_t)(value)) : "memory")

static inline void isb(void)      { __asm__ volatile("isb" ::: "memory"); }
static inline void dsb_sy(void)   { __asm__ volatile("dsb sy" ::: "memory"); }
static inline void dsb_ish(void)  { __asm__ volatile("dsb ish" ::: "memory"); }
static inline void dsb_ishst(void){ __asm__ volatile("dsb ishst" ::: "memory"); }
static inline void dmb_ish(void)  { __asm__ volatile("dmb ish" ::: "memory"); }
static inline void wfe(void)      { __asm__ volatile("wfe" ::: "memory"); }
static inline void sev(void)      { __asm__ volatile("sev" ::: "memory"); }
static inline void wfi(void)      { __asm__ volatile("dsb sy; wfi" ::: "memory"); }
static inline void cpu_relax(void){ __asm__ volatile("yield" ::: "memory"); }

// PSTATE.DAIF: masks everything and returns what was there; restore puts it back.
static inline uint64_t interrupts_mask(void)
{
    uint64_t daif;
    __asm__ volatile("mrs %0, daif; msr daifset, #3" : "=r"(daif) :: "memory");
    return daif;
}
static inline void interrupts_restore(uint64_t daif) { __asm__ volatile("msr daif, %0" :: "r"(daif) : "memory"); }
static inline void interrupts_enable(void)           { __asm__ volatile("msr daifclr, #3" ::: "memory"); }
static inline void serror_enable(void)               { __asm__ volatile("msr daifclr, #4" ::: "memory"); }
static inline int  interrupts_enabled(void)          { return !(sysreg_read(daif) & 0x80); }

// Bits high:low of a register value.
static inline uint64_t field(uint64_t value, unsigned high, unsigned low)
{
    return value >> low & (~0ull >> (63 - (high - low)));
}
