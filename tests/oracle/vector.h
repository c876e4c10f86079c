// SPDX-License-Identifier: MIT
//
// vector.h - one recorded run of an x64 sequence on a real x64 processor. Written by record (an x64 Linux program), read by what
// replays it through the translator. README.md says who does what.
//
// The world of a sequence
//  - window   ORACLE_WINDOW_BYTES at ORACLE_WINDOW_BASE, read and write, the last page (from ORACLE_READ_ONLY on) read only; not executable
//  - gs       gs:[ORACLE_GS_FIRST, +ORACLE_GS_BYTES) is memory; nothing else of gs is touched
//  - fs       base 0
//  - code     the slot of the vector (oracle_slot), read and execute: the code at code_va, UD2 behind it, every other byte of it CC.
//             Some vectors (oracle_is_edge) lie in a page of their own instead, their last byte the page's last, no UD2 behind.
//  - nothing else that a sequence could reach by accident is mapped
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ORACLE_WINDOW_BASE  0x10000000ull
#define ORACLE_WINDOW_BYTES 0x4000u
#define ORACLE_READ_ONLY    0x3000u         // offset
#define ORACLE_GS_FIRST     0x300u
#define ORACLE_GS_BYTES     0x400u
#define ORACLE_MEMORY_BYTES (ORACLE_WINDOW_BYTES + ORACLE_GS_BYTES)     // the window, and behind it the bytes of gs

// Slots begin in the middle of a kilobyte, so that every fourth has a page boundary in it.
#define ORACLE_CODE_BASE    0x20000000ull   // mapped from here ...
#define ORACLE_CODE_BYTES   0x1001000u      // ... and this long
#define ORACLE_SLOTS        16384u
#define ORACLE_SLOT_BYTES   1024u
#define ORACLE_CODE_MAX     512u            // bytes of one sequence

// Edge pages: mapped, readable and executable; between each two a page that is not mapped.
#define ORACLE_EDGE_BASE    0x22000000ull
#define ORACLE_EDGES        256u
#define ORACLE_EDGE_STRIDE  0x2000u

#define ORACLE_MAGIC        0x324c434fu     // "OCL2"

enum oracle_outcome {
    ORACLE_END,                 // the UD2 behind the sequence
    ORACLE_PAGE_FAULT,          // #PF: fault_address (CR2) and fault_access
    ORACLE_GENERAL,             // #GP or #SS: no address
    ORACLE_DIVIDE,              // #DE
    ORACLE_BREAKPOINT,          // #BP: rip is behind the INT3, as hardware leaves it
    ORACLE_DEBUG,               // #DB: TF (rip of the next instruction), INT1 (rip behind it)
    ORACLE_INVALID_OPCODE,      // #UD, another than the UD2 behind the sequence
    ORACLE_SIMD,                // #XM
    ORACLE_X87,                 // #MF
    ORACLE_ALIGNMENT,           // #AC
    ORACLE_LOST,                // anything else; never written to a file
    ORACLE_OUTCOMES,
};

enum oracle_access { ORACLE_READ = 0, ORACLE_WRITE = 1, ORACLE_EXECUTE = 8 };

// Offsets in struct oracle_state.fx, the FXSAVE64 image (SDM vol. 1, 10.5.1). Bytes from 416 on are 0 and mean nothing.
enum {
    ORACLE_FX_FCW = 0, ORACLE_FX_FSW = 2, ORACLE_FX_FTW = 4, ORACLE_FX_FOP = 6, ORACLE_FX_FIP = 8, ORACLE_FX_FDP = 16,
    ORACLE_FX_MXCSR = 24, ORACLE_FX_MXCSR_MASK = 28, ORACLE_FX_ST = 32, ORACLE_FX_XMM = 160, ORACLE_FX_USED = 416,
};

struct oracle_state {
    uint64_t gpr[16];           // by encoding number: rax rcx rdx rbx rsp rbp rsi rdi r8 ... r15
    uint64_t rip, rflags;
    uint8_t  fx[512];           // FXSAVE64: x87, MXCSR, xmm. MXCSR_MASK is 0
    uint64_t high[16][2];       // bits 255:128 of the ymm registers
};

struct oracle_vector {
    uint32_t magic, number;
    uint32_t code_bytes;        // without the UD2
    uint32_t outcome;           // enum oracle_outcome
    uint64_t code_va;           // of the first byte; in.rip
    uint64_t window_seed;       // for oracle_memory_fill; the same for many vectors in a row
    uint64_t fault_address;     // PAGE_FAULT
    uint32_t fault_access;      // enum oracle_access
    // What of `out` is compared. A cleared bit: real processors differ there (undefined.inc), or the result is the machine's own.
    uint32_t mxcsr_mask;
    uint64_t flags_mask;        // of rflags
    uint16_t gpr_mask;          // bit n: register n
    uint16_t fsw_mask;          // of the x87 status word
    uint16_t fx_mask;           // bits 0 to 7: st(0) to st(7) as FXSAVE orders them; bit 8 FOP, bit 9 FIP, bit 10 FDP
    uint16_t estimates;         // bit n: the single-precision elements of (y/x)mm n only agree by oracle_estimates_agree
    struct oracle_state in, out;
    uint32_t change_count;
    uint16_t xmm_mask;          // bit n: (x/y)mm n
    uint16_t st_ulps;           // bit n: st(n), as FXSAVE orders them, agrees if it is one unit in the last place away
    uint8_t  code[ORACLE_CODE_MAX];
};

// change_count of these follow: doublewords of the memory (window, then gs) that differ from oracle_memory_fill at the end.
// Offsets rise.
struct oracle_change { uint64_t offset, value; };

enum { ORACLE_FXM_FOP = 1 << 8, ORACLE_FXM_FIP = 1 << 9, ORACLE_FXM_FDP = 1 << 10, ORACLE_FXM_ALL = 0x7ff };

static inline uint64_t oracle_slot(uint32_t number)
{
    return ORACLE_CODE_BASE + ORACLE_SLOT_BYTES / 2 + number % ORACLE_SLOTS * (uint64_t)ORACLE_SLOT_BYTES;
}

// Of 64 vectors in a row only one may be an edge vector, so that 16384 have pages enough: this is its page.
static inline uint64_t oracle_edge_page(uint32_t number)
{
    return ORACLE_EDGE_BASE + number % ORACLE_SLOTS / 64 * (uint64_t)ORACLE_EDGE_STRIDE;
}

static inline bool oracle_is_edge(const struct oracle_vector *v) { return v->code_va >= ORACLE_EDGE_BASE; }

// ---- random numbers that both sides agree on
static inline uint64_t oracle_random(uint64_t *seed)
{
    uint64_t x = *seed;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *seed = x;
    return x * 0x2545f4914f6cdd1dull;
}

// A number that is often at an edge.
static inline uint64_t oracle_random_integer(uint64_t *seed)
{
    static const uint64_t edges[] = {
        0, 1, 2, ~0ull, ~1ull, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
        0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffff80000000, 0xffffffffffffff80, 0xffffffffffff8000, 0x0f, 0x10,
        0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x0123456789abcdef, 31, 32, 33, 63, 64,
    };
    uint64_t r = oracle_random(seed);
    switch (r >> 60) {
    case 0: case 1: case 2: case 3: case 4: return edges[(r >> 8) % (sizeof edges / sizeof *edges)];
    case 5: case 6: return oracle_random(seed) & 0xff;
    case 7: return oracle_random(seed) & 0xffffffff;
    case 8: return (uint64_t)-(int64_t)(oracle_random(seed) & 0xffff);
    case 9: return (oracle_random(seed) & 0xff) * 0x0101010101010101ull;   // the same in every byte
    default: return oracle_random(seed);
    }
}

// Two single precision numbers, or one of double precision; often zero, denormal, infinite, NaN, or at the edge of an integer type.
static inline uint64_t oracle_random_float(uint64_t *seed)
{
    static const uint32_t f32[] = {
        0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffa00000, 1, 0x80000001, 0x007fffff,
        0x00800000, 0x80800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0x3f000000, 0x3fc00000, 0x40490fdb, 0x00ffffff, 0x1f800000,
        0x477fe000, 0x33800000, 0x387fc000, 0x4b7fffff,
    };
    static const uint64_t f64[] = {
        0, 1ull << 63, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000000,
        0x7ff0000000000001, 0xfff4000000000000, 1, 0x8000000000000001, 0x000fffffffffffff, 0x0010000000000000, 0x8010000000000000, 0x7fefffffffffffff,
        0x41e0000000000000, 0xc1e0000000000000, 0xc1e0000000200000, 0x41dfffffffc00000, 0x43e0000000000000, 0xc3e0000000000000, 0x3fe0000000000000,
        0x3ff8000000000000, 0x400921fb54442d18, 0x3810000000000000, 0x380fffffe0000000, 0x36a0000000000000, 0x47efffffe0000000, 0x47effffff0000000,
        0x1ff0000000000000, 0x433fffffffffffff,
    };
    uint64_t r = oracle_random(seed), s = oracle_random(seed);
    switch (r >> 61) {
    case 0: case 1: case 2: return f64[(r >> 8) % (sizeof f64 / sizeof *f64)];
    case 3: case 4: return f32[(r >> 8) % (sizeof f32 / sizeof *f32)] | (uint64_t)f32[(r >> 32) % (sizeof f32 / sizeof *f32)] << 32;
    case 5: return f32[(r >> 8) % (sizeof f32 / sizeof *f32)] | s << 32;
    case 6:                                         // near to 1: sums that cancel, products that neither overflow nor vanish
        return r & 256 ? 0x3ff0000000000000 + (uint64_t)((int64_t)s >> 12) : (0x3f800000 + (s & 0x1ffffff)) | (0x3f000000 + (s >> 32 & 0x1ffffff)) << 32;
    default: return s;
    }
}

// The memory (ORACLE_MEMORY_BYTES) before a sequence runs.
static inline void oracle_memory_fill(uint64_t *memory, uint64_t seed)
{
    seed |= 1;
    for (unsigned i = 0; i < ORACLE_MEMORY_BYTES / 8; i++)
        memory[i] = oracle_random(&seed) >> 62 ? oracle_random_integer(&seed) : oracle_random_float(&seed);
}

// RCPPS, RSQRTPS and their relatives: processors promise 1.5 * 2^-12 of the true value (SDM vol. 2, RCPPS), so two of them are within
// twice that of each other. Everything but a finite result is exact.
static inline bool oracle_estimates_agree(uint32_t a, uint32_t b)
{
    if (a == b)
        return true;
    if ((a ^ b) >> 31 || (a >> 23 & 255) == 255 || (b >> 23 & 255) == 255 || !(a >> 23 & 255) || !(b >> 23 & 255))
        return false;
    uint32_t difference = a > b ? a - b : b - a, larger = a > b ? a : b;
    uint32_t significand = (a ^ b) >> 23 ? 1u << 24 : (larger & 0x7fffff) | 0x800000;
    return (uint64_t)difference << 12 <= 3ull * significand;
}
