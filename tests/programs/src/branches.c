// SPDX-License-Identifier: MIT
// Indirect calls and jumps whose targets fall into the same places of a branch target table (emu/run/table.c): functions 4 GiB apart, of
// which each returns its own number. Arguments: how many functions, how many rounds, how many threads; then perhaps "rewrite": one of the
// functions is another one now and then, and "free": its memory is given back and taken anew.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

enum { MOST = 16, THREADS = 8 };
static const uint64_t place = 0x2000005340, stride = 0x100000000;
static int count, rounds, rewrites, frees;
static LONG volatile running, wrong;

static uint8_t *function_at(int n)
{
    return (uint8_t *)(place + (uint64_t)n * stride);
}

// mov eax, number; add eax, ecx; ret: or without the flags: mov eax, number; lea eax, [rax+rcx]; ret
static void write_function(int n, uint32_t number)
{
    uint8_t code[16] = { 0xb8, 0, 0, 0, 0, 0x01, 0xc8, 0xc3 };
    static const uint8_t flagless[] = { 0x8d, 0x04, 0x08, 0xc3 };
    memcpy(code + 1, &number, 4);
    if (n & 1)
        memcpy(code + 5, flagless, sizeof flagless);
    memcpy(function_at(n), code, sizeof code);
}

static int take(int n)
{
    return VirtualAlloc((void *)((uint64_t)function_at(n) & ~0xffffull), 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE) != NULL;
}

typedef uint32_t function(uint32_t);
static function *volatile table[MOST];

static DWORD WINAPI work(void *argument)
{
    uint32_t state = 12345 + (uint32_t)(uintptr_t)argument;
    int last = count - (rewrites || frees);             // nobody calls the one that changes but its thread
    for (int i = 0; i < rounds; i++) {
        state = state * 1664525 + 1013904223;
        int n = (int)((state >> 16) % (uint32_t)last);
        if (table[n](state) != 1000 + (uint32_t)n + state)
            InterlockedIncrement(&wrong);
    }
    InterlockedDecrement(&running);
    return 0;
}

int main(int argc, char **argv)
{
    HANDLE threads[THREADS];
    int thread_count = argc > 3 ? atoi(argv[3]) : 1;
    count = argc > 1 ? atoi(argv[1]) : 3;
    rounds = argc > 2 ? atoi(argv[2]) : 1000;
    rewrites = argc > 4 && !strcmp(argv[4], "rewrite");
    frees = argc > 4 && !strcmp(argv[4], "free");
    for (int i = 0; i < count; i++) {
        if (!take(i))
            return 1;
        write_function(i, 1000 + (uint32_t)i);
        table[i] = (function *)function_at(i);
    }
    running = thread_count;
    for (int i = 1; i < thread_count; i++)
        threads[i] = CreateThread(NULL, 0, work, (void *)(uintptr_t)i, 0, NULL);
    uint32_t changes = 0;
    if (rewrites || frees) {
        InterlockedDecrement(&running);
        do {
            if (frees && (!VirtualFree((void *)((uint64_t)function_at(count - 1) & ~0xffffull), 0, MEM_RELEASE) || !take(count - 1)))
                return 1;
            write_function(count - 1, ++changes);
            if (table[count - 1](5) != changes + 5)
                InterlockedIncrement(&wrong);
        } while (running || changes < 100);
    } else {
        work(NULL);
    }
    for (int i = 1; i < thread_count; i++)
        WaitForSingleObject(threads[i], INFINITE);
    printf("%d functions, %d threads: %ld wrong\n", count, thread_count, (long)wrong);
    return wrong != 0;
}
