// SPDX-License-Identifier: MIT
// Code that is written while the program runs.
#include "images/tests/robust.h"
#include <string.h>

#ifdef __x86_64__
// mov eax, n; ret
static unsigned put_return(uint8_t *at, uint32_t n)
{
    at[0] = 0xb8;
    memcpy(at + 1, &n, 4);
    at[5] = 0xc3;
    return 6;
}
#else
// movz w0, #low; movk w0, #high, lsl 16; ret
static unsigned put_return(uint8_t *at, uint32_t n)
{
    uint32_t code[3] = { 0x52800000 | (n & 0xffff) << 5, 0x72a00000 | n >> 16 << 5, 0xd65f03c0 };
    memcpy(at, code, sizeof code);
    return sizeof code;
}
#endif

typedef uint32_t function(void);
static uint8_t *page;

static uint32_t run_at(uint8_t *at) { return ((function *)(void *)at)(); }
static void flush(void *at, unsigned bytes)
{
#ifdef __x86_64__                           // x64 code does not have to say that it changed code
    (void)at, (void)bytes;
#else
    FlushInstructionCache(GetCurrentProcess(), at, bytes);
#endif
}

static void rewritten(void)
{
    unsigned good = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        flush(page, put_return(page, i * 65539));
        good += run_at(page) == i * 65539;
    }
    CHECK(good == 1000);
    // Many small functions in a page, each called before the next is written: only what changed may change.
    good = 0;
    for (uint32_t i = 0; i < 200; i++) {
        flush(page + 16 * i, put_return(page + 16 * i, i));
        good += run_at(page + 16 * i) == i && run_at(page + 16 * (i / 2)) == i / 2;
    }
    CHECK(good == 200);
}

// Written with write permission, run with execute permission, freed, and the same again at the same place.
static void protected_code(void)
{
    unsigned good = 0;
    for (uint32_t i = 0; i < 50; i++) {
        DWORD old;
        uint8_t *p = VirtualAlloc(NULL, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        unsigned bytes = put_return(p, i + 5);
        bool ok = VirtualProtect(p, 4096, PAGE_EXECUTE_READ, &old);
        flush(p, bytes);
        good += ok && run_at(p) == i + 5;
        VirtualFree(p, 0, MEM_RELEASE);
    }
    CHECK(good == 50);
    uint8_t *p = VirtualAlloc(NULL, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    put_return(p, 1);
    struct fault fault = try_fault((void (*)(void *))(void *)p, NULL);
    CHECK(fault.code == (DWORD)EXCEPTION_ACCESS_VIOLATION && fault.kind == 8 && fault.address == (uint64_t)p);
    VirtualFree(p, 0, MEM_RELEASE);
}

#ifdef __x86_64__
// Code that changes the instruction right behind the store, in the same block, and a loop that changes its own body.
static void within_the_block(void)
{
    // mov byte [rip + 1], cl      (the immediate of the next instruction)
    // mov eax, 0
    // ret
    static const uint8_t store[] = { 0x88, 0x0d, 0x01, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3 };
    unsigned good = 0;
    memcpy(page, store, sizeof store);
    uint32_t (*f)(uint32_t) = (uint32_t (*)(uint32_t))(void *)page;
    for (uint32_t i = 0; i < 1000; i++)
        good += f(i) == (i & 0xff);
    CHECK(good == 1000);

    // mov edx, 10; xor eax, eax; L: add eax, 1; inc byte [rip - 7] (the 1); dec edx; jnz L; ret    = 1 + 2 + ... + 10
    static const uint8_t loop[] = { 0xba, 10, 0, 0, 0, 0x31, 0xc0, 0x83, 0xc0, 0x01, 0xfe, 0x05, 0xf9, 0xff, 0xff, 0xff,
                                    0xff, 0xca, 0x75, 0xf3, 0xc3 };
    memcpy(page + 256, loop, sizeof loop);
    CHECK(run_at(page + 256) == 55 && page[256 + 9] == 11);
    memcpy(page + 256, loop, sizeof loop);
    CHECK(run_at(page + 256) == 55);

    // Data beside code in one page: the code stays what it is.
    put_return(page + 512, 99);
    volatile uint32_t *data = (volatile uint32_t *)(page + 1024);
    *data = 0;
    for (int i = 0; i < 200; i++) {
        *data += 1;
        good -= run_at(page + 512) != 99;
    }
    CHECK(good == 1000 && *data == 200);
}
#endif

// One thread calls while another rewrites the constant with one aligned store: always a value that was there.
static volatile LONG stop, odd_values;
static volatile uint32_t highest;
static DWORD WINAPI caller(void *argument)
{
    uint32_t last = 0;
    while (!stop) {
        uint32_t value = run_at(argument);
        if (value < last || value > 5000)
            InterlockedIncrement(&odd_values);
        last = value;
        if (value > highest)
            highest = value;
    }
    return 0;
}

static void from_another_thread(void)
{
    HANDLE threads[3];
    uint8_t *at = page + 2048;
#ifdef __x86_64__
    at += 3;                                // the constant is aligned
    volatile uint32_t *constant = (volatile uint32_t *)(at + 1);
#else
    volatile uint32_t *constant = (volatile uint32_t *)at;
#endif
    put_return(at, 0);
    flush(at, 16);
    for (int i = 0; i < 3; i++)
        threads[i] = CreateThread(NULL, 0, caller, at, 0, NULL);
    for (uint32_t n = 1; n <= 200; n++) {
#ifdef __x86_64__
        *constant = n;
#else
        *constant = 0x52800000 | n << 5;
        flush(at, 4);
#endif
        if (n % 50 == 0)
            Sleep(1);
    }
    for (int i = 0; i < 2000 && highest != 200; i++)
        Sleep(1);
    stop = 1;
    CHECK(WaitForMultipleObjects(3, threads, TRUE, 60000) == WAIT_OBJECT_0);
    CHECK(odd_values == 0 && highest == 200);
    for (int i = 0; i < 3; i++)
        CloseHandle(threads[i]);
}

#ifdef __x86_64__
// An unaligned store that must be ordered (there have been other threads) into code: by another block, then by the block itself.
static void unaligned_stores(void)
{
    unsigned good = 0;
    for (uint32_t i = 0; i < 200; i++) {
        if (i == 0)
            put_return(page, 0);
        __asm__ volatile("movl %1, (%0)" : : "r"(page + 1), "r"(i * 65539) : "memory");
        good += run_at(page) == i * 65539;
    }
    CHECK(good == 200);
    // mov [rcx], edx      (rcx: the constant of the next instruction, at an odd address)
    // mov eax, 0
    // ret
    static const uint8_t own[] = { 0x89, 0x11, 0xb8, 0, 0, 0, 0, 0xc3 };
    memcpy(page + 256, own, sizeof own);
    uint32_t (*f)(void *, uint32_t) = (uint32_t (*)(void *, uint32_t))(void *)(page + 256);
    for (uint32_t i = 0; i < 200; i++)
        good -= f(page + 256 + 3, i * 65539) != i * 65539;
    CHECK(good == 200);
}
#endif

void code_test(void)
{
    page = VirtualAlloc(NULL, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    if (!CHECK(page))
        return;
    rewritten();
    protected_code();
#ifdef __x86_64__
    within_the_block();
#endif
    from_another_thread();
#ifdef __x86_64__
    unaligned_stores();
#endif
    VirtualFree(page, 0, MEM_RELEASE);
}
