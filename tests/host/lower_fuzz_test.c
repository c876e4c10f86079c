// SPDX-License-Identifier: MIT
// link: tests/fuzz/translate_fuzz.c tests/fuzz/emitted.c tests/host/llvm_disasm.c
// The translation of arbitrary bytes: the fuzz target with a fixed seed, what fuzzing has found, and what it does not look at.
#include "emu/lower/lower.h"
#include "emu/x64/x64.h"
#include "tests/fuzz/fuzz.h"
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
static const struct code_source source = { read_code, is_ec, 0, NULL };

static struct lower_result result(void)
{
    return (struct lower_result){ .code = words, .code_capacity = 1 << 16, .entries = entries, .entry_capacity = 512, .exits = exits,
                                  .exit_capacity = 2048, .points = points, .point_capacity = 8192, .work = work };
}

// One input of the fuzz target: its header at random, then the code.
static void translate(unsigned length)
{
    uint8_t *input = malloc(8 + length);
    uint64_t header = next();
    memcpy(input, &header, 8);
    if (next() & 3)
        input[6] = 0;                           // mostly nothing is ARM64EC
    if (next() & 7)
        input[2] &= 0x7f;                       // and there is room
    memcpy(input + 8, code + next() % (CODE - length), length);
    LLVMFuzzerTestOneInput(input, 8 + length);
    free(input);
}

TEST(random_bytes)
{
    for (unsigned round = 0; round < 300; round++) {
        for (unsigned i = 0; i < CODE; i += 8) {
            uint64_t r = next();
            memcpy(code + i, &r, 8);
        }
        for (unsigned i = 0; i < 20; i++)
            translate(1 + next() % 300);
    }
}

// Bytes that are mostly whole instructions: common opcodes, all ModRM forms, short branches between them.
TEST(likely_instructions)
{
    static const uint8_t opcodes[] = { 0x01, 0x03, 0x29, 0x31, 0x39, 0x3b, 0x85, 0x88, 0x89, 0x8b, 0x8d, 0xc1, 0xd3, 0xf7, 0xff, 0x83, 0x0f, 0xaf, 0x50, 0x58, 0x74, 0x75, 0x7c, 0xeb, 0xe8, 0xc3, 0xa4, 0xa6, 0x99, 0x11, 0x19, 0xfe, 0x87, 0xc4, 0xc5 };
    for (unsigned round = 0; round < 600; round++) {
        for (unsigned i = 0; i < CODE; i++) {
            uint64_t r = next();
            code[i] = r % 5 == 0 ? 0x48 : r % 5 < 4 ? opcodes[(r >> 8) % sizeof opcodes] : (uint8_t)(r >> 16);
            if (r % 61 == 0)
                code[i] = "\x66\xf2\xf3\xf0\x65\x67"[(r >> 24) % 6];
        }
        for (unsigned i = 0; i < 20; i++)
            translate(1 + next() % 1000);
    }
}

TEST(what_fuzzing_found)
{
    // Code that compares itself, at the very end of the address space: an endless loop (verify.c).
    fuzz_again("d4 64 fe 00 00 fd 00 00 55 48 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 0a 66 0f 3a 0a 0a 0a 0a 0a 0a 0a 0a 0a "
               "0a 0a 0a 00 00 00 47 0f b6 14 08 46 88 14 0a 49 83 c1 01 49 39 c9 72 ee 48 c7 00 00 00 00 3d 5d c3");
}

TEST(no_room_out_of_line)
{
    // More pieces of code out of line than there is room for, and the one of the RET, which comes last, asks for another.
    enum { DIVISIONS = 500, BRANCHES = 480 };
    static uint8_t input[8 + 3 * DIVISIONS + 6 * BRANCHES + 1] = { [7] = 0x80 };
    uint8_t *at = input + 8;
    for (unsigned i = 0; i < DIVISIONS; i++, at += 3)
        memcpy(at, "\x48\xf7\xf9", 3);                         // idiv rcx
    for (unsigned i = 0; i < BRANCHES; i++, at += 6)
        memcpy(at, "\x0f\x8a\0\0\x70\0", 6);                  // jp to code outside
    *at = 0xc3;
    EXPECT_EQ(0, LLVMFuzzerTestOneInput(input, sizeof input));
}

TEST(small_buffers_give_full)
{
    for (unsigned i = 0; i < CODE; i++)
        code[i] = "\x48\x01\xd8\x74\x02\x90"[i % 6];
    struct lower_config c = { .code_va = 0x7ffd00100000, .stub_indirect = 0x7ffd00000000, .stub_return = 0x7ffd00000180 };
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
