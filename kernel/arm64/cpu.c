// SPDX-License-Identifier: MIT
#include "kernel/arm64/cpu.h"
#include "kernel/arm64/mmu.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/log.h"

enum { ISAR0, ISAR1, ISAR2, PFR0, PFR1, MMFR1, MMFR2, ID_COUNT };

static const struct { const char *name; uint8_t id, low, least; } features[CPU_FEATURE_COUNT] = {
#define X(name, id_register, low, least) [CPU_##name] = { #name, id_register, low, least },
    CPU_FEATURE_LIST(X)
#undef X
};

_Static_assert(CPU_FEATURE_COUNT <= 64, "one word");
static uint64_t common = ~0ull;          // features of all cores so far

static uint64_t read_features(void)
{
    uint64_t ids[ID_COUNT] = {
        [ISAR0] = sysreg_read(id_aa64isar0_el1), [ISAR1] = sysreg_read(id_aa64isar1_el1),
        [ISAR2] = sysreg_read(s3_0_c0_c6_2),     [PFR0] = sysreg_read(id_aa64pfr0_el1),
        [PFR1] = sysreg_read(id_aa64pfr1_el1),   [MMFR1] = sysreg_read(id_aa64mmfr1_el1),
        [MMFR2] = sysreg_read(s3_0_c0_c7_2),
    };
    uint64_t found = 0;
    for (unsigned i = 0; i < CPU_FEATURE_COUNT; i++) {
        uint64_t value = field(ids[features[i].id], features[i].low + 3, features[i].low);
        bool none = i == CPU_FP16 && value == 0xf;
        if (value >= features[i].least && !none)
            found |= 1ull << i;
    }
    return found;
}

bool cpu_has(enum cpu_feature feature)
{
    return __atomic_load_n(&common, __ATOMIC_RELAXED) >> feature & 1;
}

void cpu_feature_text(char *out, size_t size)
{
    size_t length = 0;
    out[0] = 0;
    for (unsigned i = 0; i < CPU_FEATURE_COUNT; i++) {
        if (!cpu_has(i))
            continue;
        if (length && length + 1 < size)
            out[length++] = ' ';
        for (const char *c = features[i].name; *c && length + 1 < size; c++)
            out[length++] = *c >= 'A' && *c <= 'Z' ? *c + 32 : *c;
        out[length < size ? length : size - 1] = 0;
    }
}

void cpu_name(char *out, size_t size)
{
    static const struct { uint32_t code; const char *name; } known[] = {      // implementer << 12 | part
        { 0x41d03, "Cortex-A53" }, { 0x41d04, "Cortex-A35" }, { 0x41d05, "Cortex-A55" }, { 0x41d07, "Cortex-A57" },
        { 0x41d08, "Cortex-A72" }, { 0x41d09, "Cortex-A73" }, { 0x41d0a, "Cortex-A75" }, { 0x41d0b, "Cortex-A76" },
        { 0x41d0c, "Neoverse N1" }, { 0x41d0d, "Cortex-A77" }, { 0x41d40, "Neoverse V1" }, { 0x41d41, "Cortex-A78" },
        { 0x41d44, "Cortex-X1" }, { 0x41d46, "Cortex-A510" }, { 0x41d47, "Cortex-A710" }, { 0x41d49, "Neoverse N2" },
        { 0x41d4f, "Neoverse V2" },
    };
    uint64_t midr = sysreg_read(midr_el1);
    uint32_t code = (uint32_t)(field(midr, 31, 24) << 12 | field(midr, 15, 4));
    const char *name = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code)
            name = known[i].name;
    if (name)
        format_text(out, size, "%s r%up%u", name, (unsigned)field(midr, 23, 20), (unsigned)field(midr, 3, 0));
    else
        format_text(out, size, "core with MIDR %#lx", midr);
}

void cpu_start_core(void)
{
    uint64_t mine = read_features();
    __atomic_fetch_and(&common, mine, __ATOMIC_RELAXED);

    uint64_t sctlr = SCTLR_INIT | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SA | SCTLR_WXN | SCTLR_DZE | SCTLR_UCT | SCTLR_NTWI |
                     SCTLR_NTWE | SCTLR_UCI;
    if (mine >> CPU_LSE2 & 1)
        sctlr |= SCTLR_NAA;
    if (mine >> CPU_MOPS & 1)
        sctlr |= SCTLR_MSCEN;
    if (mine >> CPU_PAN & 1)
        sctlr &= ~SCTLR_SPAN;
    sysreg_write(sctlr_el1, sctlr);
    isb();
    if (mine >> CPU_PAN & 1)
        __asm__ volatile(".inst 0xd500419f" ::: "memory");       // msr pan, #1

    sysreg_write(cpacr_el1, 3 << 20);          // FP and SIMD at both levels; SVE and SME at none
    sysreg_write(mdscr_el1, 0);
    sysreg_write(cntkctl_el1, 1 << 1);         // EL0 reads CNTVCT_EL0
    sysreg_write(cntp_ctl_el0, 0);
    sysreg_write(tpidr_el0, 0);
    sysreg_write(tpidrro_el0, 0);
    isb();
}
