// SPDX-License-Identifier: MIT
// rewrite VARIANT COUNT [THREADS]: writes code, calls it and checks what comes back, COUNT times in each thread. Threads have
// functions of their own in one page, but where the variant says otherwise. The code is x64 code and never flushed: x64 code need not be.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#ifdef __x86_64__
typedef uint32_t function(uint32_t a, uint32_t b);

static uint8_t *page;
static uint32_t thread_count;
static uint64_t wrong;

static void fail(void) { __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED); }
static uint32_t call(const uint8_t *at, uint32_t a, uint32_t b) { return ((function *)(const void *)at)(a, b); }
static void put4(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }
static uint32_t noise(uint32_t i) { i *= 0x9e3779b1u; return i ^ i >> 15; }

// mov eax, i; ret
static void immediate(uint8_t *at, uint32_t i)
{
    at[0] = 0xb8;
    put4(at + 1, i);
    at[5] = 0xc3;
    if (call(at, 0, 0) != i)
        fail();
}

// The same across two eight-byte words.
static void immediate_unaligned(uint8_t *at, uint32_t i) { immediate(at + 6, i); }

// mov rax, imm64; xor eax, ecx; add eax, imm8; ret
static void immediate_wide(uint8_t *at, uint32_t i)
{
    static const uint8_t code[] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x31, 0xc8, 0x83, 0xc0, 0, 0xc3 };
    uint64_t value = i * 0x100000001ull;
    memcpy(at, code, sizeof code);
    memcpy(at + 2, &value, 8);
    at[14] = (uint8_t)i & 127;
    if (call(at, 77, 0) != (i ^ 77) + (i & 127))
        fail();
}

// mov eax, ecx; OP eax, edx; OP eax, imm32; ret
static uint32_t apply(unsigned op, uint32_t a, uint32_t b)
{
    switch (op) {
    case 0: return a + b;
    case 1: return a | b;
    case 4: return a & b;
    case 5: return a - b;
    default: return a ^ b;
    }
}

static void opcode(uint8_t *at, uint32_t i)
{
    static const uint8_t ops[] = { 0, 1, 4, 5, 6 };
    unsigned first = ops[noise(i) % 5], second = ops[noise(i) / 5 % 5];
    at[0] = 0x89;
    at[1] = 0xc8;
    at[2] = (uint8_t)(first * 8 + 1);
    at[3] = 0xd0;
    at[4] = (uint8_t)(second * 8 + 5);
    put4(at + 5, i);
    at[9] = 0xc3;
    if (call(at, i, ~i * 3) != apply(second, apply(first, i, ~i * 3), i))
        fail();
}

// One of a set of functions, whole.
static const struct { uint8_t bytes[24]; uint8_t length; } functions[] = {
    { { 0x8d, 0x04, 0x11, 0xc3 }, 4 },                                              // lea eax, [rcx + rdx]; ret
    { { 0x89, 0xc8, 0x29, 0xd0, 0xc3 }, 5 },                                        // mov eax, ecx; sub eax, edx; ret
    { { 0x89, 0xc8, 0x0f, 0xaf, 0xc2, 0xc3 }, 6 },                                  // mov eax, ecx; imul eax, edx; ret
    { { 0x53, 0x89, 0xcb, 0x31, 0xd3, 0x89, 0xd8, 0x5b, 0xc3 }, 9 },                // push rbx; mov ebx, ecx; xor ebx, edx; mov eax, ebx; pop rbx; ret
    { { 0x39, 0xd1, 0x77, 0x03, 0x89, 0xd0, 0xc3, 0x89, 0xc8, 0xc3 }, 10 },         // cmp ecx, edx; ja +3; mov eax, edx; ret; mov eax, ecx; ret
    { { 0x31, 0xc0, 0x83, 0xe1, 0x0f, 0x74, 0x06, 0x01, 0xd0, 0xff, 0xc9, 0x75, 0xfa, 0xc3 }, 14 },    // eax = edx * (ecx & 15), by a loop
    { { 0x89, 0xc8, 0xc1, 0xc0, 0x07, 0xc3 }, 6 },                                  // mov eax, ecx; rol eax, 7; ret
    { { 0x0f, 0xb6, 0xc1, 0x0f, 0xc8, 0xc3 }, 6 },                                  // movzx eax, cl; bswap eax; ret
};

static uint32_t expected(unsigned which, uint32_t a, uint32_t b)
{
    switch (which) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return a ^ b;
    case 4: return a > b ? a : b;
    case 5: return b * (a & 15);
    case 6: return a << 7 | a >> 25;
    default: return a << 24;
    }
}

static void whole(uint8_t *at, uint32_t i)
{
    unsigned which = noise(i) % (sizeof functions / sizeof *functions);
    memcpy(at, functions[which].bytes, functions[which].length);
    if (call(at, i, i * 7) != expected(which, i, i * 7))
        fail();
}

// jmp rel32, or call rel32; ret, to one of 32 functions mov eax, n; ret in another page.
static void target(uint8_t *at, uint32_t i)
{
    unsigned which = noise(i) % 32;
    uint8_t *to = page + 4096 + which * 8;
    if (i < 1)
        for (unsigned n = 0; n < 32; n++) {
            page[4096 + n * 8] = 0xb8;
            put4(page + 4096 + n * 8 + 1, n);
            page[4096 + n * 8 + 5] = 0xc3;
        }
    if (i & 1) {
        at[0] = 0xe8;
        put4(at + 1, (uint32_t)(to - (at + 5)));
        at[5] = 0xc3;
    } else {
        at[0] = 0xe9;
        put4(at + 1, (uint32_t)(to - (at + 5)));
    }
    if (call(at, 0, 0) != which)
        fail();
}

// test ecx, ecx; jz rel8; mov eax, 1; ret; and several mov eax, n; ret
static void branch(uint8_t *at, uint32_t i)
{
    static const uint8_t code[] = { 0x85, 0xc9, 0x74, 6, 0xb8, 1, 0, 0, 0, 0xc3, 0xb8, 2, 0, 0, 0, 0xc3, 0xb8, 3, 0, 0, 0, 0xc3 };
    memcpy(at, code, sizeof code);
    at[3] = noise(i) & 1 ? 6 : 12;
    if (call(at, i & 2, 0) != (i & 2 ? 1u : noise(i) & 1 ? 2u : 3u))
        fail();
}

// mov eax, [rip + disp32]; add eax, [rdx + disp8]; ret
static uint32_t table[64];
static void displacement(uint8_t *at, uint32_t i)
{
    static const uint8_t code[] = { 0x8b, 0x05, 0, 0, 0, 0, 0x03, 0x42, 0, 0xc3 };
    unsigned first = noise(i) % 64, second = noise(i) / 64 % 32;
    uint32_t *close = (uint32_t *)(page + 8192);
    if (i < 1)
        for (unsigned n = 0; n < 64; n++)
            table[n] = close[n] = n * 0x01010101u;
    memcpy(at, code, sizeof code);
    put4(at + 2, (uint32_t)((uint8_t *)(close + first) - (at + 6)));
    at[8] = (uint8_t)(second * 4);
    uint32_t got = ((uint32_t (*)(uint32_t, const uint32_t *))(void *)at)(0, table);
    if (got != table[first] + table[second])
        fail();
}

// The function changes the instruction behind the store: mov [rip + 1], ecx; mov eax, imm32; ret
static void next_instruction(uint8_t *at, uint32_t i)
{
    static const uint8_t code[] = { 0x89, 0x0d, 1, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3 };
    if (i < 1)
        memcpy(at, code, sizeof code);
    if (call(at, i, 0) != i)
        fail();
}

// A loop that turns its own add into a sub and back: xor byte [rip + 2], 0x28; OP eax, edx; dec ecx; jnz
static void loop(uint8_t *at, uint32_t i)
{
    static const uint8_t code[] = { 0x31, 0xc0, 0x80, 0x35, 0, 0, 0, 0, 0x28, 0x01, 0xd0, 0xff, 0xc9, 0x75, 0xf3, 0xc3 };
    if (i < 1)
        memcpy(at, code, sizeof code);
    if (call(at, 2, i) != 0 || at[9] != 1)              // minus and plus
        fail();
}

// The flags before the changed instruction are the ones after it: add; store; adc or sbb.
static void flags(uint8_t *at, uint32_t i)
{
    // mov eax, ecx; add eax, edx; mov byte [rip + 1], r8b; adc eax, 0; ret
    static const uint8_t code[] = { 0x89, 0xc8, 0x01, 0xd0, 0x44, 0x88, 0x05, 1, 0, 0, 0, 0x83, 0xd0, 0, 0xc3 };
    if (i < 1)
        memcpy(at, code, sizeof code);
    bool subtract = noise(i) & 1;
    uint32_t a = noise(i), b = noise(i + 1), carry = (uint32_t)(((uint64_t)a + b) >> 32);
    uint32_t got = ((uint32_t (*)(uint32_t, uint32_t, uint32_t))(void *)at)(a, b, subtract ? 0xd8 : 0xd0);
    if (got != (subtract ? a + b - carry : a + b + carry))
        fail();
}

// Rewritten often, then called for long, again and again: the page is forgotten to be one that changes.
static void pauses(uint8_t *at, uint32_t i)
{
    for (uint32_t n = 0; n < 50; n++)
        immediate(at, i * 100 + n);
    for (ULONGLONG end = GetTickCount64() + 3500; GetTickCount64() < end;)
        if (call(at, 0, 0) != i * 100 + 49)
            fail();
}

// Written by ARM64EC code: functions of system DLLs.
static void (*writers[2])(void *, const void *, size_t);
static void foreign(uint8_t *at, uint32_t i)
{
    uint8_t code[6] = { 0xb8, 0, 0, 0, 0, 0xc3 };
    put4(code + 1, i);
    writers[i % 2](at, code, sizeof code);
    if (call(at, 0, 0) != i)
        fail();
}

// Written by the kernel, and the program says so, although it need not.
static void kernel(uint8_t *at, uint32_t i)
{
    uint8_t code[6] = { 0xb8, 0, 0, 0, 0, 0xc3 };
    SIZE_T done;
    put4(code + 1, i);
    if (!WriteProcessMemory(GetCurrentProcess(), at, code, sizeof code, &done) || done != sizeof code)
        fail();
    FlushInstructionCache(GetCurrentProcess(), at, sizeof code);
    if (call(at, 0, 0) != i)
        fail();
}

// Everybody writes and calls the same function, one at a time.
static volatile LONG busy;
static void together(uint8_t *at, uint32_t i)
{
    (void)at;
    while (InterlockedExchange(&busy, 1))
        YieldProcessor();
    (i & 64 ? whole : immediate)(page, i);
    InterlockedExchange(&busy, 0);
}

// The page goes and comes back now and then.
static void remap(uint8_t *at, uint32_t i)
{
    if (i % 1024 == 1023) {
        VirtualFree(page, 0, MEM_RELEASE);
        if (VirtualAlloc(page, 3 * 4096, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE) != page)
            fail();
    }
    immediate(at, i);
}

// Written with write permission, called without.
static void protect(uint8_t *at, uint32_t i)
{
    DWORD old;
    if (!VirtualProtect(page, 4096, PAGE_READWRITE, &old))
        fail();
    at[0] = 0xb8;
    put4(at + 1, i);
    at[5] = 0xc3;
    if (!VirtualProtect(page, 4096, PAGE_EXECUTE_READ, &old) || call(at, 0, 0) != i)
        fail();
}

// More code than a small machine's code cache holds: calls of a great many functions in no order.
enum { SLOTS = 32768, SLOT_BYTES = 256, SLOT_STEPS = 40 };
static uint8_t *area;

static void fill_area(void)
{
    area = VirtualAlloc(NULL, SLOTS * SLOT_BYTES, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    for (uint32_t slot = 0; slot < SLOTS && area; slot++) {
        uint8_t *at = area + slot * SLOT_BYTES;
        *at++ = 0x89;                                   // mov eax, ecx
        *at++ = 0xc8;
        for (uint32_t step = 0; step < SLOT_STEPS; step++, at += 5) {
            uint32_t n = noise(slot * SLOT_STEPS + step);
            at[0] = n & 1 ? 0x05 : 0x35;                // add or xor eax, imm32
            put4(at + 1, n);
        }
        *at = 0xc3;
    }
    DWORD old;
    if (!area || !VirtualProtect(area, SLOTS * SLOT_BYTES, PAGE_EXECUTE_READ, &old))
        fail();
}

static void churn(uint8_t *at, uint32_t i)
{
    uint32_t slot = noise(i + (uint32_t)(at - page) * 977) % SLOTS, value = i;
    for (uint32_t step = 0; step < SLOT_STEPS; step++) {
        uint32_t n = noise(slot * SLOT_STEPS + step);
        value = n & 1 ? value + n : value ^ n;
    }
    if (call(area + slot * SLOT_BYTES, i, 0) != value)
        fail();
}

enum { WITHOUT_KERNEL = 13 };               // the first so many: "all"
static const struct { const char *name; void (*once)(uint8_t *at, uint32_t i); } variants[] = {
    { "immediate", immediate }, { "immediate-unaligned", immediate_unaligned }, { "immediate-wide", immediate_wide },
    { "opcode", opcode }, { "whole", whole }, { "target", target }, { "branch", branch }, { "displacement", displacement },
    { "next", next_instruction }, { "loop", loop }, { "flags", flags }, { "foreign", foreign }, { "together", together },
    { "remap", remap }, { "protect", protect }, { "kernel", kernel }, { "pauses", pauses }, { "churn", churn },
};

static void (*once)(uint8_t *at, uint32_t i);
static uint32_t count;

static DWORD WINAPI run(void *argument)
{
    uint8_t *at = page + 64 * (uintptr_t)argument;
    for (uint32_t i = 0; i < count; i++)
        once(at, i);
    return 0;
}

// One thread writes mov eax, i; ret with one store, the others call it: what they see only grows, and they see the last.
static DWORD WINAPI watch(void *argument)
{
    (void)argument;
    for (uint32_t last = 0; last != count;) {
        uint32_t now = call(page, 0, 0);
        if (now < last || now > count)
            fail();
        last = now;
    }
    return 0;
}

static void write_for_others(void)
{
    for (uint32_t i = 1; i <= count; i++)
        *(volatile uint64_t *)page = 0xc300000000b8ull | (uint64_t)i << 8;
}

// The others spin in code that only a change of it ends: 1: pause; jmp 1b becomes ret. Then the same again.
static volatile LONG rounds, inside;
static DWORD WINAPI spin(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < count; i++) {
        LONG round = rounds;
        InterlockedIncrement(&inside);
        call(page, 0, 0);
        InterlockedDecrement(&inside);
        while (rounds == round)
            Sleep(0);
    }
    return 0;
}

static void end_the_spinning(void)
{
    for (uint32_t i = 0; i < count; i++) {
        while ((uint32_t)inside != thread_count)
            Sleep(0);
        for (unsigned n = 0; n < 2000; n++)
            YieldProcessor();
        *(volatile uint16_t *)page = 0xc3c3;
        while (inside)
            Sleep(0);
        *(volatile uint32_t *)page = 0xfceb90f3;
        InterlockedIncrement(&rounds);
    }
}

static void run_all(DWORD (WINAPI *start)(void *))
{
    HANDLE threads[16];
    for (uint32_t i = 1; i < thread_count; i++)
        threads[i] = CreateThread(NULL, 0, start, (void *)(uintptr_t)i, 0, NULL);
    start((void *)0);
    for (uint32_t i = 1; i < thread_count; i++)
        WaitForSingleObject(threads[i], INFINITE);
}

// Others loop in code of the image itself, which is patched under them: the loop's condition becomes its opposite.
__attribute__((naked, noinline)) static void wait_in_image(volatile LONG *entered)
{
    __asm__("lock incl (%rcx)\n"
            "1: pause\n"
            "xor %eax, %eax\n"
            ".globl rewrite_patch\n"
            "rewrite_patch: jz 1b\n"
            "ret");
}
extern uint8_t rewrite_patch[];

static DWORD WINAPI image_loop(void *argument)
{
    (void)argument;
    wait_in_image(&inside);
    return 0;
}

static void patch_image(void)
{
    DWORD old;
    while ((uint32_t)inside != thread_count)
        Sleep(1);
    Sleep(30);
    if (!VirtualProtect(rewrite_patch, 1, PAGE_EXECUTE_READWRITE, &old))
        fail();
    *(volatile uint8_t *)rewrite_patch = 0x75;          // jnz
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    writers[0] = (void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "RtlMoveMemory");
    writers[1] = (void *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "memcpy");
    count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000;
    thread_count = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1;
    page = VirtualAlloc(NULL, 3 * 4096, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    HANDLE threads[16];
    DWORD (WINAPI *start)(void *) = run;
    for (unsigned i = 0; i < sizeof variants / sizeof *variants; i++)
        if (!strcmp(name, variants[i].name))
            once = variants[i].once;
    bool others = !strcmp(name, "others"), spins = !strcmp(name, "spin");
    if (!page || thread_count < 1 || thread_count > 16 || (!once && !others && !spins && strcmp(name, "all") && strcmp(name, "image"))) {
        fprintf(stderr, "usage: rewrite VARIANT|all COUNT [THREADS]\n");
        return 2;
    }
    if (once == churn)
        fill_area();
    if (others) {
        *(volatile uint64_t *)page = 0xc300000000b8ull;
        start = watch;
    }
    if (spins) {
        *(volatile uint32_t *)page = 0xfceb90f3;
        start = spin;
    }
    if (!strcmp(name, "image")) {
        for (uint32_t i = 0; i < thread_count; i++)
            threads[i] = CreateThread(NULL, 0, image_loop, NULL, 0, NULL);
        patch_image();
        for (uint32_t i = 0; i < thread_count; i++)
            WaitForSingleObject(threads[i], INFINITE);
    } else if (!strcmp(name, "all")) {
        for (unsigned i = 0; i < WITHOUT_KERNEL; i++) {
            once = variants[i].once;
            run_all(run);
            if (wrong)
                printf("wrong since %s\n", variants[i].name);
        }
    } else if (once) {
        run_all(run);
    } else {
        for (uint32_t i = 0; i < thread_count; i++)
            threads[i] = CreateThread(NULL, 0, start, (void *)(uintptr_t)i, 0, NULL);
        if (others)
            write_for_others();
        else
            end_the_spinning();
        for (uint32_t i = 0; i < thread_count; i++)
            WaitForSingleObject(threads[i], INFINITE);
    }
    printf("%s: %u times in %u threads, %llu wrong\n", name, count, thread_count, (unsigned long long)wrong);
    return wrong != 0;
}
#else
int main(int argc, char **argv)
{
    printf("%s: 0 times in 0 threads, 0 wrong\n", argc > 1 ? argv[1] : "");
    return 0;
}
#endif
