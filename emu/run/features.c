// SPDX-License-Identifier: MIT
// Which instructions translated code may use. Read on the boot core; all cores of the supported machines are alike.
#include "emu/run/runtime.h"

#define READ_ID(name) ({ uint64_t v_; __asm__("mrs %0, " name : "=r"(v_)); v_; })

static unsigned field(uint64_t value, unsigned shift)
{
    return (unsigned)(value >> shift) & 15;
}

struct emu_features emu_probe_features(void)
{
    // Arm ARM D24.2: ID_AA64ISAR0/1/2_EL1, ID_AA64MMFR1/2_EL1.
    uint64_t isar0 = READ_ID("id_aa64isar0_el1"), isar1 = READ_ID("id_aa64isar1_el1");
    uint64_t mmfr1 = READ_ID("id_aa64mmfr1_el1");
    uint64_t isar2 = READ_ID("s3_0_c0_c6_2"), mmfr2 = READ_ID("s3_0_c0_c7_2");
    return (struct emu_features){
        .lse = field(isar0, 20) >= 2,
        .lse2 = field(mmfr2, 32) >= 1,
        .lrcpc = field(isar1, 20) >= 1,
        .lrcpc2 = field(isar1, 20) >= 2,
        .flagm = field(isar0, 52) >= 1,
        .flagm2 = field(isar0, 52) >= 2,
        .afp = field(mmfr1, 44) >= 1,
        .frintts = field(isar1, 32) >= 1,
        .crc32 = field(isar0, 16) >= 1,
        .aes = field(isar0, 4) >= 1,
        .pmull = field(isar0, 4) >= 2,
        .sha1 = field(isar0, 8) >= 1,
        .sha2 = field(isar0, 12) >= 1,
        .fhm = field(isar0, 48) >= 1,
        .cssc = field(isar2, 52) >= 1,
        .rng = field(isar0, 60) >= 1,
    };
}
