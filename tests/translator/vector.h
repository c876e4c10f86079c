// SPDX-License-Identifier: MIT
// One recorded run of an x64 sequence on a real x64 processor, as record.c writes and play.c reads it.
#pragma once
#include <stdint.h>

#define WINDOW_BASE  0x10000000ull      // the only data memory there is: read and write, but for its end
#define WINDOW_BYTES 0x4000u
#define READ_ONLY_OFFSET 0x3000u        // the window's last page: so that a read-modify-write can fault at its write
#define CODE_BASE    0x20000000ull      // the sequence starts here; one page, read and execute, int3 behind the sequence
#define CODE_BYTES   0x1000u
#define GS_BASE      (WINDOW_BASE + 0x800)
#define VECTOR_MAGIC 0x56434558u
#define SEQUENCE_MAX 512

enum outcome {
    OUTCOME_END,        // the UD2 behind the sequence
    OUTCOME_FAULT,      // #PF or #GP
    OUTCOME_DIVIDE,     // #DE
    OUTCOME_TRAP,       // int3
    OUTCOME_ILLEGAL,    // another UD2
    OUTCOME_LOST,       // anything else, or it ran too long
};

struct state {
    uint64_t gpr[16], rip, rflags;
    uint64_t xmm[32];
    uint64_t high[32];                  // bits 255:128 of the ymm registers
    uint32_t mxcsr, unused;
};

struct vector {
    uint32_t magic, number;
    uint32_t code_bytes;                // without the UD2
    uint32_t outcome;                   // enum outcome
    uint64_t window_seed;
    uint64_t flags_mask;                // flags that are defined at the end
    struct state in, out;
    uint32_t change_count, mxcsr_mask;
    uint8_t  code[SEQUENCE_MAX];
};
// Followed by change_count of these: doublewords of the window that differ from window_fill at the end.
struct change { uint64_t offset, value; };

static inline uint64_t random_next(uint64_t *seed)
{
    uint64_t x = *seed;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *seed = x;
    return x * 0x2545f4914f6cdd1dull;
}

// A value that is often at an edge.
static inline uint64_t random_value(uint64_t *seed)
{
    static const uint64_t edges[] = {
        0, 1, 2, ~0ull, ~1ull, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
        0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffff80000000, 0xffffffffffffff80, 0xffffffffffff8000, 0x0f, 0x10,
        0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x0123456789abcdef, 31, 32, 33, 63, 64,
    };
    uint64_t r = random_next(seed);
    switch (r >> 60) {
    case 0: case 1: case 2: case 3: case 4: return edges[(r >> 8) % (sizeof edges / sizeof *edges)];
    case 5: case 6: return random_next(seed) & 0xff;
    case 7: return random_next(seed) & 0xffffffff;
    case 8: return (uint64_t)-(int64_t)(random_next(seed) & 0xffff);
    case 9: {   // the same value in every byte, word or doubleword
        uint64_t b = random_next(seed) & 0xff;
        return b * 0x0101010101010101ull;
    }
    default: return random_next(seed);
    }
}

static inline void window_fill(uint64_t *window, uint64_t seed)
{
    seed |= 1;
    for (unsigned i = 0; i < WINDOW_BYTES / 8; i++)
        window[i] = random_value(&seed);
}
