// SPDX-License-Identifier: MIT
// An interpreter of byte code that dispatches by a computed jump: counts primes with a sieve.
#include "tests/bench/bench.h"

enum op { SET, ADD, ADDI, MUL, LOAD, STORE, LESS, JZ, JMP, HALT };
#define OP(op, a, b, c) ((uint32_t)(op) << 24 | (uint32_t)(a) << 20 | (uint32_t)(b) << 16 | ((uint32_t)(c) & 0xffff))
enum { LIMIT = 3000 };

// r0 limit, r1 i, r2 j, r3 flag, r4 count, r5 scratch, r6 one
static const uint32_t program[] = {
    OP(SET, 0, 0, LIMIT), OP(SET, 1, 0, 2), OP(SET, 4, 0, 0), OP(SET, 6, 0, 1),
    /* 4 */ OP(LESS, 5, 1, 0), OP(JZ, 5, 0, 17),
    OP(LOAD, 3, 1, 0), OP(JZ, 3, 0, 10),
    OP(ADDI, 1, 1, 1), OP(JMP, 0, 0, 4),
    /* 10 */ OP(ADDI, 4, 4, 1), OP(MUL, 2, 1, 1),
    /* 12 */ OP(LESS, 5, 2, 0), OP(JZ, 5, 0, 8),
    OP(STORE, 6, 2, 0), OP(ADD, 2, 2, 1), OP(JMP, 0, 0, 12),
    /* 17 */ OP(HALT, 0, 0, 0),
};

static int64_t memory[LIMIT];

__attribute__((noinline)) static int64_t run(const uint32_t *code)
{
    static const void *const labels[] = { &&set, &&add, &&addi, &&mul, &&load, &&store, &&less, &&jz, &&jmp, &&halt };
    int64_t r[16] = { 0 };
    const uint32_t *pc = code;
    uint32_t i;
#define A (i >> 20 & 15)
#define B (i >> 16 & 15)
#define C (i & 0xffff)
#define NEXT i = *pc++; goto *labels[i >> 24]
    NEXT;
set:   r[A] = (int64_t)C; NEXT;
add:   r[A] = r[B] + r[C]; NEXT;
addi:  r[A] = r[B] + (int16_t)C; NEXT;
mul:   r[A] = r[B] * r[C]; NEXT;
load:  r[A] = memory[r[B]]; NEXT;
store: memory[r[B]] = r[A]; NEXT;
less:  r[A] = r[B] < r[C]; NEXT;
jz:    if (!r[A]) pc = code + C; NEXT;
jmp:   pc = code + C; NEXT;
halt:  return r[4];
}

uint64_t bench_interpreter(uint64_t one)
{
    uint64_t sum = 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < LIMIT; i++)
            memory[i] = 0;
        sum += (uint64_t)run(program) * one;
    }
    return sum;
}
