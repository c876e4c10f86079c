// SPDX-License-Identifier: MIT
// hot [THREADS]: loops long enough to be found by timer interrupts, with small functions that are called from them: what these do to their return
// address, to flags, faults in them, jumps out of them, and code of theirs that is rewritten.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#ifdef __x86_64__
#define FUNCTION(name, text) __asm__(".text\n.balign 16\n.globl " #name "\n" #name ":\n\t" text)
#define PLAIN __attribute__((noinline))

enum { LONG_MS = 120 };                 // several time slices

static uint32_t noise(uint32_t i) { i *= 0x9e3779b1u; return i ^ i >> 15; }

// Calls the function with one number after the other until it has been hot for long. What was wrong.
typedef unsigned step(uint32_t i);
static unsigned for_long(step *run)
{
    unsigned wrong = 0;
    uint64_t end = GetTickCount64() + LONG_MS;
    for (uint32_t i = 0; i % 64 || GetTickCount64() < end; i++)
        wrong += run(i);
    return wrong;
}

// ---- recursion, and leaves below it
PLAIN static uint32_t fib(uint32_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
PLAIN static unsigned recursion(uint32_t i) { return fib(10 + i % 5) != (const uint32_t[]){ 55, 89, 144, 233, 377 }[i % 5]; }

extern uint64_t leaves(uint64_t count, uint64_t a);
FUNCTION(leaves, "push %rbx\n\tmov %rdx, %rax\n\txor %ebx, %ebx\n"
                 "1:\tcall 2f\n\tadc $0, %rbx\n\tcall 3f\n\tcall 4f\n\tdec %rcx\n\tjnz 1b\n\tadd %rbx, %rax\n\tpop %rbx\n\tret\n"
                 "2:\tadd $0x1357, %eax\n\tadd %eax, %eax\n\tret\n"                                 // the carry is wanted
                 "3:\tsub $24, %rsp\n\tmov %rax, 8(%rsp)\n\ttest $1, %al\n\tjz 5f\n\tadd $24, %rsp\n\tret\n"
                 "5:\tcall 4f\n\txor 8(%rsp), %rax\n\tadd $24, %rsp\n\tret\n"
                 "4:\tlea 3(%rax,%rcx,2), %rax\n\tmov %eax, %eax\n\tret");
static uint64_t leaves_expected(uint64_t count, uint64_t a)
{
    uint64_t carries = 0;
    for (; count; count--) {
        uint32_t low = (uint32_t)a + 0x1357u;
        carries += low >> 31;
        a = low << 1;
        if (!(a & 1))
            a = (uint32_t)(a + 3 + count * 2) ^ a;
        a = (uint32_t)(a + 3 + count * 2);
    }
    return a + carries;
}
PLAIN static unsigned all_leaves(uint32_t i) { return leaves(50 + i % 9, noise(i)) != leaves_expected(50 + i % 9, noise(i)); }

// ---- a callee that returns somewhere else: one instruction further for an odd number
extern uint64_t skips(uint64_t count, uint64_t a);
FUNCTION(skips, "mov %rdx, %rax\n1:\tlea (%rax,%rcx), %rdx\n\tcall 2f\n\tadd $0x10, %rax\n\tadd %rdx, %rax\n\tdec %rcx\n\tjnz 1b\n\tret\n"
                "2:\tand $7, %edx\n\tcmp $5, %edx\n\tjne 3f\n\taddq $4, (%rsp)\n3:\tret");
static uint64_t skips_expected(uint64_t count, uint64_t a)
{
    for (; count; count--) {
        uint64_t d = (a + count) & 7;
        a += (d == 5 ? 0 : 0x10) + d;
    }
    return a;
}
PLAIN static unsigned all_skips(uint32_t i) { return skips(40 + i % 7, noise(i)) != skips_expected(40 + i % 7, noise(i)); }

// ---- a callee that faults, and is mended or left
static __thread uint64_t mended, left;
static LONG CALLBACK on_exception(EXCEPTION_POINTERS *e)
{
    CONTEXT *c = e->ContextRecord;
    if (e->ExceptionRecord->ExceptionCode != (DWORD)STATUS_ACCESS_VIOLATION || c->R8 - 16 > 1)
        return EXCEPTION_CONTINUE_SEARCH;
    if (c->R8 == 16) {                  // a pointer that can be read
        mended++;
        c->R8 = c->Rcx;
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    left++;                             // out of the callee, whose frame has 16 bytes and a saved register
    c->Rsp += 24;
    c->Rip = *(uint64_t *)c->Rsp;
    c->Rsp += 8;
    c->Rax = 7;
    return EXCEPTION_CONTINUE_EXECUTION;
}
extern uint64_t reads(uint64_t *data, uint64_t count, uint64_t bad, uint64_t how);
FUNCTION(reads, "push %rbx\n\tpush %rsi\n\tmov %rdx, %rbx\n\tmov %r8, %r10\n\tmov %r9, %r11\n\txor %edx, %edx\n"
                "1:\tmov %rcx, %r8\n\tcmp %r10, %rbx\n\tcmove %r11, %r8\n\tcall 2f\n\tadd %rax, %rdx\n\tdec %rbx\n\tjnz 1b\n"
                "\tmov %rdx, %rax\n\tpop %rsi\n\tpop %rbx\n\tret\n"
                "2:\tpush %rsi\n\tsub $16, %rsp\n\tmov $5, %esi\n\tmov %rsi, 8(%rsp)\n\tmov (%r8), %rax\n\tadd 8(%rsp), %rax\n\tadd $16, %rsp\n\tpop %rsi\n\tret");
PLAIN static unsigned all_reads(uint32_t i)
{
    uint64_t data[2] = { noise(i), 0 }, count = 100 + i % 5, mended_before = mended, left_before = left;
    uint64_t usual = count * (data[0] + 5);
    unsigned wrong = reads(data, count, 0, 16) != usual;
    if (i % 16 == 3)
        wrong += reads(data, count, count / 2, 16) != usual || mended != mended_before + 1;
    if (i % 16 == 5)
        wrong += reads(data, count, count / 2, 17) != usual - data[0] - 5 + 7 || left != left_before + 1;
    return wrong;
}

// ---- a callee that is rewritten
typedef uint64_t caller(uint64_t count, uint64_t a);
extern const uint8_t rewritten_begin[], rewritten_callee[], rewritten_end[];
FUNCTION(rewritten_begin, "mov %rdx, %rax\n1:\tcall 2f\n\tdec %rcx\n\tjnz 1b\n\tret\n.globl rewritten_callee\nrewritten_callee:\n2:\tadd $0x11111111, %rax\n\tret\n"
                          ".globl rewritten_end\nrewritten_end:");
static __thread uint8_t *code;
PLAIN static unsigned rewritten(uint32_t i)
{
    const size_t bytes = (size_t)(rewritten_end - rewritten_begin), at = (size_t)(rewritten_callee - rewritten_begin) + 2;
    if (!code) {
        code = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
        memcpy(code, rewritten_begin, bytes);
    }
    int32_t value = 0x11111111;
    if (i % 1024 == 1023)
        value = (int32_t)(noise(i) & 0xffff), memcpy(code + at, &value, 4);
    else
        memcpy(&value, code + at, 4);
    return ((caller *)(void *)code)(200, i) != i + 200 * (uint64_t)value;
}

static const struct { const char *name; step *run; } parts[] = {
    { "recursion", recursion }, { "leaves", all_leaves }, { "skips", all_skips }, { "reads", all_reads }, { "rewritten", rewritten },
    { "leaves again", all_leaves }, { "skips again", all_skips },
};
enum { PARTS = sizeof parts / sizeof *parts, THREADS = 16 };
static unsigned wrong[PARTS];

static DWORD WINAPI all(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < PARTS; i++)
        __atomic_add_fetch(&wrong[i], for_long(parts[i].run), __ATOMIC_RELAXED);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    HANDLE others[THREADS];
    AddVectoredExceptionHandler(1, on_exception);
    for (unsigned i = 1; i < threads && i < THREADS; i++)
        others[i] = CreateThread(NULL, 0, all, NULL, 0, NULL);
    all(NULL);
    for (unsigned i = 1; i < threads && i < THREADS; i++)
        WaitForSingleObject(others[i], INFINITE);
    for (unsigned i = 0; i < PARTS; i++)
        printf("%s: %u wrong\n", parts[i].name, wrong[i]);
    return 0;
}
#else
int main(void) { return 0; }
#endif
