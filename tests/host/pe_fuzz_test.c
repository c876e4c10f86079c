// SPDX-License-Identifier: MIT
// link: tests/fuzz/pe_fuzz.c
// The fuzz target with a fixed seed: the hand-made image and the linked ones with random damage, mostly in headers and
// tables, under the sanitizers. PE_FUZZ_ROUNDS=N does more.
#include "tests/host/check.h"
#include "tests/host/pe_builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t state = 0x9E3779B97F4A7C15;

static uint32_t random_below(uint32_t n)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)((state >> 32) * n >> 32);
}

static void damage(uint8_t *p, uint32_t size)
{
    static const uint32_t interesting[] = {0, 1, 2, 7, 8, 0xFFF, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF};
    for (uint32_t n = 1 + random_below(3); n--;) {
        uint32_t at = random_below(2) ? random_below(0x400 < size ? 0x400 : size) : random_below(size);
        switch (random_below(4)) {
        case 0: p[at] = (uint8_t)random_below(256); break;
        case 1: p[at] ^= (uint8_t)(1u << random_below(8)); break;
        case 2: if (at + 4 <= size) put32(p, at & ~3u, interesting[random_below(11)]); break;
        case 3: if (at + 2 <= size) put16(p, at & ~1u, (uint16_t)random_below(0x10000)); break;
        }
    }
}

static void fuzz(const uint8_t *seed, uint32_t size, uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t length = random_below(16) ? size : random_below(size + 1);
        uint8_t *p = malloc(length ? length : 1);
        memcpy(p, seed, length);
        if (length > 0x10) damage(p, length);
        LLVMFuzzerTestOneInput(p, length);
        free(p);
    }
}

static uint32_t rounds(void)
{
    const char *wanted = getenv("PE_FUZZ_ROUNDS");
    return wanted ? (uint32_t)atoi(wanted) : 20000;
}

TEST(damaged_hand_made_images)
{
    uint8_t p[BUILT_SIZE];
    build_image(p);
    fuzz(p, BUILT_SIZE, rounds());
}

TEST(damaged_linked_images)
{
    static const char *const names[] = {"library.arm64ec.dll", "library.arm64x.dll", "importer.arm64x.dll"};
    const char *build = getenv("JANUS_BUILD");
    for (int i = 0; i < 3; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/test-images/%s", build ? build : "build", names[i]);
        FILE *f = fopen(path, "rb");
        static uint8_t p[65536];
        EXPECT(f != NULL);
        if (!f) continue;
        uint32_t size = (uint32_t)fread(p, 1, sizeof p, f);
        fclose(f);
        EXPECT(size > 0x400 && size < sizeof p);
        fuzz(p, size, rounds() / 4);
    }
}

TEST_MAIN
