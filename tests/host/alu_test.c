// SPDX-License-Identifier: MIT
// The integer operations that the kernel executes itself, compared with this machine's processor where that is an x64.
// link: emu/run/alu.c
#include <inttypes.h>
#include <stdio.h>
#include "emu/run/alu.h"

static unsigned passed, failed;

#if defined __x86_64__
#define RUN2(name, type, suffix) \
    static uint64_t hw_##name##_##type(uint64_t a, uint64_t b, uint64_t *flags) \
    { \
        type##_t x = (type##_t)a; \
        __asm__ volatile("push %1; popfq; " #name suffix " %2, %0; pushfq; pop %1" : "+r"(x), "+r"(*flags) : "r"((type##_t)b) : "cc"); \
        return x; \
    }
#define RUN1(name, type, suffix) \
    static uint64_t hw_##name##_##type(uint64_t a, uint64_t b, uint64_t *flags) \
    { \
        type##_t x = (type##_t)a; \
        (void)b; \
        __asm__ volatile("push %1; popfq; " #name suffix " %0; pushfq; pop %1" : "+r"(x), "+r"(*flags) : : "cc"); \
        return x; \
    }
#define SIZES(RUN, name) RUN(name, uint8, "b") RUN(name, uint16, "w") RUN(name, uint32, "l") RUN(name, uint64, "q")
SIZES(RUN2, add) SIZES(RUN2, adc) SIZES(RUN2, sub) SIZES(RUN2, sbb) SIZES(RUN2, cmp) SIZES(RUN2, and) SIZES(RUN2, or)
SIZES(RUN2, xor) SIZES(RUN1, inc) SIZES(RUN1, dec) SIZES(RUN1, neg) SIZES(RUN1, not)

struct row { enum x64_op op; const char *name; uint64_t (*run[4])(uint64_t, uint64_t, uint64_t *); };
#define ROW(op, name) { X64_##op, #op, { hw_##name##_uint8, hw_##name##_uint16, hw_##name##_uint32, hw_##name##_uint64 } }
static const struct row rows[] = { ROW(ADD, add), ROW(ADC, adc), ROW(SUB, sub), ROW(SBB, sbb), ROW(CMP, cmp), ROW(AND, and),
                                   ROW(OR, or), ROW(XOR, xor), ROW(INC, inc), ROW(DEC, dec), ROW(NEG, neg), ROW(NOT, not) };

static const uint64_t edges[] = { 0, 1, 2, 0xf, 0x10, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                                  0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe, 0xffffffffffffffff };
#define EDGES (sizeof edges / sizeof *edges)

static void compare(const struct row *row, unsigned log2)
{
    uint64_t seed = 88172645463325252ull;
    for (unsigned i = 0; i < EDGES * EDGES * 2 + 20000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        uint64_t a = i / 2 / EDGES < EDGES ? edges[i / 2 / EDGES] : seed, b = i / 2 < EDGES * EDGES ? edges[i / 2 % EDGES] : seed * 0x9e3779b97f4a7c15ull;
        uint64_t flags = 0x202 | (i & 1 ? X64_CF | X64_AF : 0) | (seed & X64_ZF), expected, got;
        uint32_t eflags = (uint32_t)flags & X64_ARITH_FLAGS;
        uint32_t undefined = row->op == X64_AND || row->op == X64_OR || row->op == X64_XOR ? X64_AF : 0;
        expected = row->run[log2](a, b, &flags);
        if (!alu_compute(row->op, 1u << log2, a, b, &got, &eflags))
            got = ~expected;
        bool same_result = row->op == X64_CMP || got == expected;
        if (!same_result || ((eflags ^ flags) & X64_ARITH_FLAGS & ~undefined)) {
            printf("%s size %u of %#" PRIx64 ", %#" PRIx64 ": %#" PRIx64 " %#x, processor %#" PRIx64 " %#" PRIx64 "\n", row->name,
                   1u << log2, a, b, got, eflags, expected, flags & X64_ARITH_FLAGS);
            failed++;
            return;
        }
    }
    passed++;
}
#endif

int main(void)
{
#if defined __x86_64__
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned log2 = 0; log2 < 4; log2++)
            compare(&rows[i], log2);
#else
    printf("skip: this machine's processor is no x64\n");
#endif
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
