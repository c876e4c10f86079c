// SPDX-License-Identifier: MIT
// The translation of arbitrary bytes: no crash, no undefined behaviour (the sanitizers look on), never LOWER_DEFECT, and results that keep
// lower.h's promises.
#include "emu/lower/lower.h"
#include "emu/x64/x64.h"
#include "tests/host/check.h"

enum { CODE = 4096, BASE = 0x140001000 };

static uint8_t code[CODE];
static uint64_t seed = 7;
static uint32_t words[1 << 16];
static struct lower_entry entries[512];
static struct lower_exit exits[2048];
static struct lower_point points[8192];
static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    (void)context;
    if (va < BASE || va >= BASE + CODE)
        return 0;
    size_t n = BASE + CODE - va < max ? BASE + CODE - va : max;
    memcpy(buffer, code + (va - BASE), n);
    return n;
}
static bool is_ec(void *context, uint64_t va) { (void)context; return (va >> 12 & 15) == 5; }
static const struct code_source source = { read_code, is_ec, 0 };

static struct lower_result result(void)
{
    return (struct lower_result){ .code = words, .code_capacity = 1 << 16, .entries = entries, .entry_capacity = 512, .exits = exits,
                                  .exit_capacity = 2048, .points = points, .point_capacity = 8192, .work = work };
}

static struct lower_config config(void)
{
    uint64_t r = next();
    return (struct lower_config){
        .features = { .lse = r & 1, .lrcpc = r & 2, .lrcpc2 = r & 4, .flagm = r & 8, .flagm2 = r & 16, .crc32 = r & 32, .afp = r & 64, .frintts = r & 128, .cssc = r & 256,
                      .aes = r & 4096, .pmull = r & 4096, .sha1 = r & 8192, .sha2 = r & 8192, .rng = r & 16384 },
        .model = r & 512 ? MODEL_TSO : MODEL_PLAIN, .code_va = 0x7ffd00100000, .stub_dispatch = 0x7ffd00000000,
        .max_instructions = r & 1024 ? 1 + (uint32_t)(r >> 20) % 40 : 0,
    };
}

static void check(enum lower_status status, const struct lower_result *r, uint64_t rip)
{
    EXPECT(status == LOWER_OK || status == LOWER_FULL);
    if (status != LOWER_OK)
        return;
    EXPECT(r->entry_count >= 1 && r->entries[0].rip == rip);
    EXPECT(r->code_count > 0 && r->first <= rip && r->last > rip);
    for (uint32_t i = 0; i < r->entry_count; i++)
        EXPECT(r->entries[i].offset < r->code_count * 4);
    for (uint32_t i = 1; i < r->point_count; i++)
        EXPECT(r->points[i - 1].offset < r->points[i].offset);
    for (uint32_t i = 0; i < r->exit_count; i++) {
        EXPECT_EQ(0xd4100021, r->code[r->exits[i].stub / 4]);           // svc #SVC_EMU_LINK
        uint32_t branch = r->code[r->exits[i].site / 4];
        EXPECT_EQ(0x14000000, branch & 0xfc000000);
        EXPECT_EQ(r->exits[i].stub, r->exits[i].site + ((int32_t)(branch << 6) >> 4));
    }
    uint64_t x[31] = { 0 };
    for (uint32_t i = 0; i < r->point_count; i++) {
        uint32_t flags;
        lower_recover_flags(&r->points[i], x, 0, (uint32_t)next(), &flags);
        EXPECT(!(flags & ~(uint32_t)X64_ARITH_FLAGS));
    }
}

TEST(random_bytes)
{
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned i = 0; i < CODE; i += 8) {
            uint64_t r = next();
            memcpy(code + i, &r, 8);
        }
        for (unsigned i = 0; i < 8; i++) {
            uint64_t rip = BASE + next() % CODE;
            struct lower_config c = config();
            struct lower_result r = result();
            check(lower_region(&c, &source, rip, &r), &r, rip);
        }
    }
}

// Bytes that are mostly whole instructions: common opcodes, all ModRM forms, short branches between them.
TEST(likely_instructions)
{
    static const uint8_t opcodes[] = { 0x01, 0x03, 0x29, 0x31, 0x39, 0x3b, 0x85, 0x88, 0x89, 0x8b, 0x8d, 0xc1, 0xd3, 0xf7, 0xff, 0x83, 0x0f, 0xaf, 0x50, 0x58, 0x74, 0x75, 0x7c, 0xeb, 0xe8, 0xc3, 0xa4, 0xa6, 0x99, 0x11, 0x19, 0xfe, 0x87 };
    for (unsigned round = 0; round < 6000; round++) {
        for (unsigned i = 0; i < CODE; i++) {
            uint64_t r = next();
            code[i] = r % 5 == 0 ? 0x48 : r % 5 < 4 ? opcodes[(r >> 8) % sizeof opcodes] : (uint8_t)(r >> 16);
            if (r % 61 == 0)
                code[i] = "\x66\xf2\xf3\xf0\x65\x67"[(r >> 24) % 6];
        }
        for (unsigned i = 0; i < 4; i++) {
            uint64_t rip = BASE + next() % CODE;
            struct lower_config c = config();
            struct lower_result r = result();
            check(lower_region(&c, &source, rip, &r), &r, rip);
        }
    }
}

TEST(small_buffers_give_full)
{
    for (unsigned i = 0; i < CODE; i++)
        code[i] = "\x48\x01\xd8\x74\x02\x90"[i % 6];
    struct lower_config c = { .code_va = 0x7ffd00100000, .stub_dispatch = 0x7ffd00000000 };
    struct lower_result full = result();
    EXPECT_EQ(LOWER_OK, lower_region(&c, &source, BASE, &full));
    for (unsigned which = 0; which < 4; which++) {
        struct lower_result r = result();
        if (which == 0) r.code_capacity = full.code_count - 1;
        if (which == 1) r.exit_capacity = full.exit_count - 1;
        if (which == 2) r.point_capacity = full.point_count - 1;
        if (which == 3) r.entry_capacity = 0;
        EXPECT_EQ(LOWER_FULL, lower_region(&c, &source, BASE, &r));
    }
    struct lower_result r = result();
    EXPECT_EQ(LOWER_NOT_EXECUTABLE, lower_region(&c, &source, BASE + CODE, &r));
}

TEST(flags_survive_the_canonical_form)
{
    static const struct lower_point canonical = { 0 };
    for (unsigned bits = 0; bits < 64; bits++) {
        uint32_t flags = (bits & 1 ? X64_CF : 0) | (bits & 2 ? X64_PF : 0) | (bits & 4 ? X64_AF : 0) | (bits & 8 ? X64_ZF : 0) |
                         (bits & 16 ? X64_SF : 0) | (bits & 32 ? X64_OF : 0), back, nzcv;
        uint64_t x[31] = { 0 };
        lower_flags_in(flags, &x[23], &x[24], &nzcv);
        lower_recover_flags(&canonical, x, 0, nzcv, &back);
        EXPECT_EQ(flags, back);
    }
}

TEST_MAIN
