// SPDX-License-Identifier: MIT
// Atomic operations of one thread: counters, compare and exchange, a lock, a stack.
#include "tests/bench/bench.h"

static uint64_t counter, stack_head;
static uint32_t lock, bits, nexts[1024];
static uint8_t flags[64];

static void spin_lock(void)
{
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        ;
}
static void spin_unlock(void) { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

static void push(uint32_t index)
{
    uint64_t old = __atomic_load_n(&stack_head, __ATOMIC_RELAXED), new;
    do {
        nexts[index] = (uint32_t)old;
        new = ((old >> 32) + 1) << 32 | (index + 1);
    } while (!__atomic_compare_exchange_n(&stack_head, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
}

static uint32_t pop(void)
{
    uint64_t old = __atomic_load_n(&stack_head, __ATOMIC_ACQUIRE), new;
    do {
        if (!(uint32_t)old)
            return 0;
        new = ((old >> 32) + 1) << 32 | nexts[(uint32_t)old - 1];
    } while (!__atomic_compare_exchange_n(&stack_head, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE));
    return (uint32_t)old;
}

uint64_t bench_atomics(uint64_t one)
{
    uint64_t sum = 0;
    counter = stack_head = 0;
    lock = bits = 0;
    for (int i = 0; i < 64; i++)
        flags[i] = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        sum += __atomic_fetch_add(&counter, one, __ATOMIC_SEQ_CST);
        __atomic_fetch_or(&bits, 1u << (i & 31), __ATOMIC_SEQ_CST);
        if (__atomic_sub_fetch(&counter, i & 1, __ATOMIC_SEQ_CST) & 4)
            __atomic_fetch_and(&bits, ~(i * 3), __ATOMIC_SEQ_CST);
        spin_lock();
        sum = mix(sum, bits);
        spin_unlock();
        push(i & 1023);
        if (i % 3)
            sum += pop();
        __atomic_fetch_xor(&flags[i & 63], 5, __ATOMIC_SEQ_CST);
        while (i % 1024 == 1023 && pop())
            sum++;
    }
    return mix(sum, counter + flags[3]);
}
