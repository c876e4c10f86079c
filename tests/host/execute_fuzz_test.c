// SPDX-License-Identifier: MIT
// link: tests/fuzz/execute_fuzz.c
// The fuzz target of emu/x87 and emu/sse with a fixed seed: every opcode that can be theirs, on states at random and at the edges.
#include "tests/fuzz/fuzz.h"
#include "tests/host/check.h"

static uint64_t state = 0x9e3779b97f4a7c15;
static uint64_t next(void)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

enum { HEADER = 60 };

// Numbers whose exponents are all zeros, all ones, or in the middle come often.
static void random_state(uint8_t *header)
{
    for (unsigned i = 0; i < HEADER; i++)
        header[i] = next() % 4 ? (uint8_t)(next() >> 20) : (uint8_t)"\x00\xff\x80\x7f\x3f\xf0"[(next() >> 20) % 6];
}

static void execute(const uint8_t *code, unsigned length)
{
    uint8_t input[HEADER + 16] = { 0 };
    random_state(input);
    memcpy(input + HEADER, code, length);
    LLVMFuzzerTestOneInput(input, sizeof input);
}

TEST(x87_and_mmx)
{
    for (unsigned round = 0; round < 20; round++)
        for (unsigned opcode = 0xd8; opcode < 0xe0; opcode++)
            for (unsigned modrm = 0; modrm < 256; modrm++)
                execute((uint8_t[]){ (uint8_t)opcode, (uint8_t)modrm }, 2);
    for (unsigned round = 0; round < 20; round++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            execute((uint8_t[]){ 0x0f, (uint8_t)opcode, (uint8_t)(next() >> 30), (uint8_t)(next() >> 40) }, 4);
}

TEST(sse_and_avx)
{
    static const uint8_t prefixes[] = { 0x2e, 0x66, 0xf2, 0xf3 };
    for (unsigned round = 0; round < 60; round++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (unsigned prefix = 0; prefix < 4; prefix++) {
                uint8_t modrm = (uint8_t)(next() >> 30), bits = (uint8_t)(next() >> 40);
                execute((uint8_t[]){ prefixes[prefix], 0x0f, (uint8_t)opcode, modrm, bits }, 5);
                for (unsigned map = 1; map < 4; map++)
                    execute((uint8_t[]){ 0xc4, (uint8_t)(0xe0 | map), (uint8_t)((bits & 0xfc) | prefix), (uint8_t)opcode, modrm, bits, bits }, 7);
            }
}

TEST_MAIN
