// SPDX-License-Identifier: MIT
// What the cores can do, and the setting of their control registers.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// name, ID register, lowest bit of the field, least value of the field (Arm ARM D19.2).
#define CPU_FEATURE_LIST(X) \
    X(AES,     ISAR0, 4, 1)   X(PMULL,   ISAR0, 4, 2)   X(SHA1,    ISAR0, 8, 1)   X(SHA256,  ISAR0, 12, 1) \
    X(SHA512,  ISAR0, 12, 2)  X(SHA3,    ISAR0, 32, 1)  X(CRC32,   ISAR0, 16, 1)  X(LSE,     ISAR0, 20, 2) \
    X(LSE128,  ISAR0, 20, 3)  X(RDM,     ISAR0, 28, 1)  X(DOTPROD, ISAR0, 44, 1)  X(FLAGM,   ISAR0, 52, 1) \
    X(FLAGM2,  ISAR0, 52, 2)  X(RNG,     ISAR0, 60, 1)  X(JSCVT,   ISAR1, 12, 1)  X(FCMA,    ISAR1, 16, 1) \
    X(LRCPC,   ISAR1, 20, 1)  X(LRCPC2,  ISAR1, 20, 2)  X(LRCPC3,  ISAR1, 20, 3)  X(FRINTTS, ISAR1, 32, 1) \
    X(SB,      ISAR1, 36, 1)  X(BF16,    ISAR1, 44, 1)  X(I8MM,    ISAR1, 52, 1)  X(RPRES,   ISAR2, 4, 1) \
    X(MOPS,    ISAR2, 16, 1)  X(CSSC,    ISAR2, 52, 1)  X(FP16,    PFR0, 16, 1)   X(SVE,     PFR0, 32, 1) \
    X(DIT,     PFR0, 48, 1)   X(BTI,     PFR1, 0, 1)    X(SSBS,    PFR1, 4, 1)    X(MTE,     PFR1, 8, 1) \
    X(SME,     PFR1, 24, 1)   X(PAN,     MMFR1, 20, 1)  X(HAFDBS,  MMFR1, 0, 1)   X(AFP,     MMFR1, 44, 1) \
    X(LSE2,    MMFR2, 32, 1)

enum cpu_feature {
#define X(name, id_register, low, least) CPU_##name,
    CPU_FEATURE_LIST(X)
#undef X
    CPU_FEATURE_COUNT
};

// Every core that is up has it. FP16's field is signed: 0xf, no FP at all, does not count.
bool cpu_has(enum cpu_feature feature);
// All of them, lower case, with blanks between.
void cpu_feature_text(char *out, size_t size);
// "Cortex-A72 r0p3", or the bare MIDR.
void cpu_name(char *out, size_t size);
// Every core, first thing: control registers, and what it cannot do is taken from cpu_has.
void cpu_start_core(void);
