// SPDX-License-Identifier: MIT
// Four threads, locked operations on numbers that lie across the boundaries of 16 and of 64 bytes and of a page, and inside of them:
// nothing may be lost. Few rounds: each one that crosses holds all cores.
#include <stdint.h>
#include <stdio.h>
#include <windows.h>

#if !defined __x86_64__
int main(void)
{
    puts("no x64");
    return 0;
}
#else

enum { THREADS = 4, ROUNDS = 3 };

static _Alignas(4096) uint8_t memory[3 * 4096];
// Each has 16 bytes to itself but for those that cross.
static const struct { const char *name; unsigned at; } places[] = {
    { "aligned", 64 }, { "inside 16", 256 + 3 }, { "across 16", 512 + 13 }, { "across 64", 1024 + 61 }, { "across a page", 4096 - 3 }, { "across 16 by seven", 8192 + 15 },
};
enum { PLACES = sizeof places / sizeof *places };

static volatile LONG arrived;

static void once(uint8_t *p)
{
    uint64_t one = 1, next;
    __asm__ volatile("lock addq $1, %0" : "+m"(*(uint64_t *)p) : : "memory", "cc");
    __asm__ volatile("lock xaddq %0, %1" : "+r"(one), "+m"(*(uint64_t *)p) : : "memory", "cc");
    __asm__ volatile("lock incq %0" : "+m"(*(uint64_t *)p) : : "memory", "cc");
    __asm__ volatile("lock subq $-1, %0" : "+m"(*(uint64_t *)p) : : "memory", "cc");
    __asm__ volatile("lock addw $1, %0" : "+m"(*(uint16_t *)(p + 8)) : : "memory", "cc");
    __asm__ volatile("lock addl $1, %0" : "+m"(*(uint32_t *)(p + 10)) : : "memory", "cc");
    __asm__ volatile("movq %0, %%rax\n1: leaq 1(%%rax), %1\n lock cmpxchgq %1, %0\n jne 1b"
                     : "+m"(*(uint64_t *)p), "=&r"(next) : : "memory", "cc", "rax");
}

static DWORD WINAPI hammer(void *argument)
{
    (void)argument;
    InterlockedIncrement(&arrived);
    while (arrived < THREADS)
        ;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < PLACES; i++)
            once(memory + places[i].at);
    return 0;
}

int main(void)
{
    HANDLE threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = CreateThread(NULL, 0, hammer, NULL, 0, NULL);
    WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE);
    for (unsigned i = 0; i < PLACES; i++) {
        const uint8_t *p = memory + places[i].at;
        uint64_t sum = *(volatile const uint64_t *)p;
        unsigned half = *(volatile const uint16_t *)(p + 8), word = *(volatile const uint32_t *)(p + 10), n = THREADS * ROUNDS;
        printf("%s: %s\n", places[i].name, sum == 5 * n && half == n && word == n ? "right" : "WRONG");
        if (sum != 5 * n || half != n || word != n)
            printf("  %llu %u %u of %u\n", (unsigned long long)sum, half, word, n);
    }
    return 0;
}
#endif
