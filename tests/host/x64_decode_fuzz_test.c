// SPDX-License-Identifier: MIT
// link: tests/fuzz/decode_fuzz.c
// The fuzz target with a fixed seed: bytes at random, and bytes that look like code. X64_FUZZ_ROUNDS=N does more.
#include "tests/host/check.h"
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state = 0x9e3779b97f4a7c15;

static uint8_t random_byte(void)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint8_t)(state >> 32);
}

static unsigned rounds(void)
{
    const char *wanted = getenv("X64_FUZZ_ROUNDS");
    return wanted ? (unsigned)atoi(wanted) : 400000;
}

TEST(random_bytes)
{
    for (unsigned i = rounds(); i--;) {
        uint8_t bytes[18];
        for (unsigned b = 0; b < sizeof bytes; b++)
            bytes[b] = random_byte();
        LLVMFuzzerTestOneInput(bytes, random_byte() % (sizeof bytes + 1));
    }
}

TEST(prefixed_bytes)
{
    static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x65, 0x2e, 0x48, 0x41, 0x4c, 0x0f, 0x0f, 0xc4, 0xc5, 0x38, 0x3a };
    for (unsigned i = rounds(); i--;) {
        uint8_t bytes[18];
        unsigned count = random_byte() % sizeof bytes;
        if (random_byte() % 4)
            count %= 4;
        for (unsigned b = 0; b < sizeof bytes; b++)
            bytes[b] = b < count ? prefixes[random_byte() % sizeof prefixes] : random_byte();
        LLVMFuzzerTestOneInput(bytes, sizeof bytes);
    }
}

TEST(empty_input)
{
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
}

TEST_MAIN
