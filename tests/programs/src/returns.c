// SPDX-License-Identifier: MIT
// returns [THREADS]: calls whose returns do not come in order, or not where the call was, or whose flags somebody reads.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#ifdef __x86_64__
#define FUNCTION(name, text) __asm__(".text\n.balign 16\n.globl " #name "\n" #name ":\n\t" text)
#define PLAIN __attribute__((noinline))

// What the compiler cannot turn into a loop.
static inline uint64_t kept(uint64_t value) { __asm__ volatile("" : "+r"(value)); return value; }

static uint32_t noise(uint32_t i) { i *= 0x9e3779b1u; return i ^ i >> 15; }

// ---- deeper than any shadow stack, through several call sites
PLAIN static uint64_t odd(uint32_t n, uint64_t a);
PLAIN static uint64_t even(uint32_t n, uint64_t a)
{
    if (!n)
        return a;
    uint64_t below = noise(n) & 4 ? odd(n - 1, a + n) : odd(n - 1, a ^ n);
    return below * 3 + n;
}
PLAIN static uint64_t odd(uint32_t n, uint64_t a)
{
    if (!n)
        return a + 1;
    return even(n - 1, a * 5 + 1) + 7 * n;
}
static uint64_t expected(uint32_t n)            // the same without recursion
{
    uint64_t a = 1;
    uint32_t top = n;
    for (uint32_t i = 0; i < top; i++, n--)
        a = i & 1 ? a * 5 + 1 : noise(n) & 4 ? a + n : a ^ n;
    if (top & 1)
        a++;
    for (uint32_t i = top; i-- > 0;)
        a = i & 1 ? a + 7 * (top - i) : a * 3 + (top - i);
    return a;
}
static unsigned deep(void)
{
    unsigned wrong = 0;
    for (uint32_t n = 1; n < 10000; n = n * 3 + 1)
        for (uint32_t i = 0; i < 3; i++)
            wrong += even(n + i, 1) != expected(n + i);
    return wrong;
}

// ---- frames that are left by a jump
struct place { uint64_t rsp, rip, rbx, rbp, rsi, rdi, r12, r13, r14, r15; };
extern uint64_t mark(struct place *p);
FUNCTION(mark, "lea 8(%rsp), %rax\n\tmov %rax, (%rcx)\n\tmov (%rsp), %rax\n\tmov %rax, 8(%rcx)\n\tmov %rbx, 16(%rcx)\n\tmov %rbp, 24(%rcx)\n\t"
            "mov %rsi, 32(%rcx)\n\tmov %rdi, 40(%rcx)\n\tmov %r12, 48(%rcx)\n\tmov %r13, 56(%rcx)\n\tmov %r14, 64(%rcx)\n\tmov %r15, 72(%rcx)\n\t"
            "xor %eax, %eax\n\tret");
extern uint64_t leap(struct place *p, uint64_t value);
FUNCTION(leap, "mov %rdx, %rax\n\tmov (%rcx), %rsp\n\tmov 16(%rcx), %rbx\n\tmov 24(%rcx), %rbp\n\tmov 32(%rcx), %rsi\n\tmov 40(%rcx), %rdi\n\t"
            "mov 48(%rcx), %r12\n\tmov 56(%rcx), %r13\n\tmov 64(%rcx), %r14\n\tmov 72(%rcx), %r15\n\tjmp *8(%rcx)");
PLAIN static uint64_t dive(struct place *p, uint32_t depth, uint64_t value)
{
    if (!depth)
        return leap(p, value);
    return kept(dive(p, depth - 1, value)) + depth;
}
PLAIN static uint64_t one_leap(uint32_t i)
{
    struct place p;
    uint64_t value = mark(&p);
    return value ? value : dive(&p, noise(i) % 70, i + 1);
}
static unsigned leaps(void)
{
    unsigned wrong = 0;
    for (uint32_t i = 0; i < 20000; i++)
        wrong += one_leap(i) != i + 1;
    return wrong;
}

// ---- frames that are left by an exception; a return into memory that is gone
static __thread struct place landing;
static __thread uint64_t fault_address, mend, mend_skip;
static LONG CALLBACK on_exception(EXCEPTION_POINTERS *e)
{
    CONTEXT *c = e->ContextRecord;
    if (mend) {
        c->Rcx = mend;
        *(uint64_t *)c->Rsp += mend_skip;
        mend = 0;
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    if (e->ExceptionRecord->ExceptionCode != (DWORD)STATUS_ACCESS_VIOLATION || !landing.rip)
        return EXCEPTION_CONTINUE_SEARCH;
    fault_address = c->Rip;
    c->Rsp = landing.rsp, c->Rip = landing.rip, c->Rbx = landing.rbx, c->Rbp = landing.rbp, c->Rsi = landing.rsi, c->Rdi = landing.rdi;
    c->R12 = landing.r12, c->R13 = landing.r13, c->R14 = landing.r14, c->R15 = landing.r15;
    c->Rax = 1;
    landing.rip = 0;
    return EXCEPTION_CONTINUE_EXECUTION;
}
PLAIN static uint64_t sink(uint32_t depth)
{
    if (!depth)
        return *(volatile uint64_t *)8;
    return kept(sink(depth - 1)) + depth;
}
PLAIN static uint64_t one_fault(uint32_t depth)
{
    return mark(&landing) ? 77 : sink(depth);
}
static unsigned faults(void)
{
    unsigned wrong = 0;
    for (uint32_t i = 0; i < 300; i++)
        wrong += one_fault(noise(i) % 50) != 77;
    return wrong;
}

PLAIN static void give_back(void *page) { VirtualFree(page, 4096, MEM_DECOMMIT); }    // so that no other thread gets it
PLAIN static uint64_t one_gone(uint8_t *page)
{
    // sub rsp, 40; call rdx; xor eax, eax; add rsp, 40; ret
    static const uint8_t code[] = { 0x48, 0x83, 0xec, 0x28, 0xff, 0xd2, 0x31, 0xc0, 0x48, 0x83, 0xc4, 0x28, 0xc3 };
    memcpy(page, code, sizeof code);
    if (mark(&landing))
        return fault_address - (uint64_t)page;
    return ((uint64_t (*)(void *, void (*)(void *)))(void *)page)(page, give_back) + 1000;
}
static unsigned gone(void)
{
    unsigned wrong = 0;
    for (uint32_t i = 0; i < 50; i++) {
        void *page = VirtualAlloc(NULL, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
        wrong += one_gone(page) != 6;
        VirtualFree(page, 0, MEM_RELEASE);
    }
    return wrong;
}

// ---- code that changes while a return into it is pending
static __thread uint8_t *code_page;
static __thread uint32_t wanted;
PLAIN static void rewrite(void)
{
    memcpy(code_page + 7, &wanted, 4);
    memcpy(code_page + 64 + 10, &wanted, 4);
}
static unsigned rewritten(void)
{
    // sub rsp, 40; call rcx; mov eax, imm32; add rsp, 40; ret
    static const uint8_t indirect[] = { 0x48, 0x83, 0xec, 0x28, 0xff, 0xd1, 0xb8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x28, 0xc3 };
    // sub rsp, 40; call 1f; mov eax, imm32; add rsp, 40; ret; 1: jmp rcx
    static const uint8_t direct[] = { 0x48, 0x83, 0xec, 0x28, 0xe8, 0x0a, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x28, 0xc3, 0xff, 0xe1 };
    unsigned wrong = 0;
    for (uint32_t round = 0; round < 20; round++) {
        code_page = VirtualAlloc(NULL, 4096, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
        memcpy(code_page, indirect, sizeof indirect);
        memcpy(code_page + 64, direct, sizeof direct);
        for (uint32_t i = 0; i < (round ? 3 : 200); i++) {
            wanted = noise(i + round);
            wrong += ((uint32_t (*)(void (*)(void)))(void *)code_page)(rewrite) != wanted;
            wanted = ~noise(i + round);
            wrong += ((uint32_t (*)(void (*)(void)))(void *)(code_page + 64))(rewrite) != wanted;
        }
        VirtualFree(code_page, 0, MEM_RELEASE);
    }
    return wrong;
}

// ---- two stacks, switched by hand
struct strand { uint64_t rsp; };
extern void swap_stacks(struct strand *save, struct strand *load);
FUNCTION(swap_stacks, "push %rbx\n\tpush %rbp\n\tpush %rsi\n\tpush %rdi\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
            "mov %rsp, (%rcx)\n\tmov (%rdx), %rsp\n\t"
            "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rdi\n\tpop %rsi\n\tpop %rbp\n\tpop %rbx\n\tret");
static __thread struct strand home, other;
static __thread uint64_t passed;
PLAIN static void walk(uint32_t depth)          // visits the nodes of a tree in order, and hands each over
{
    if (!depth)
        return;
    walk(depth - 1);
    passed = passed * 31 + depth;
    swap_stacks(&other, &home);
    walk(depth - 1);
}
static void strand_main(void)
{
    for (;;)
        walk(9);
}
static unsigned strands(void)
{
    enum { BYTES = 1 << 16 };
    uint64_t *stack = VirtualAlloc(NULL, BYTES, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), *top = stack + BYTES / 8 - 8;
    uint64_t sum = 0;
    *--top = 0;                                 // where strand_main would return to
    *--top = (uint64_t)strand_main;
    top -= 8;
    other.rsp = (uint64_t)top;
    passed = 1;
    for (uint32_t i = 0; i < 3 * 511; i++) {
        swap_stacks(&home, &other);
        sum = sum * 31 + (uint64_t)__builtin_ctz(i % 511 + 1) + 1;      // the ruler sequence
        if (i == 0)
            sum = 31 + 1;
    }
    VirtualFree(stack, 0, MEM_RELEASE);
    return passed != sum;
}

// ---- returns that are jumps, calls that are no calls
extern uint64_t tricks(uint64_t n);
FUNCTION(tricks, "xor %eax, %eax\n"
            "1:\tlea 2f(%rip), %rdx\n\tpush %rdx\n\tret\n\tud2\n"            // push and ret
            "2:\tadd $1, %rax\n\tcall 3f\n"                                  // call to get at rip
            "3:\tpop %rdx\n\tadd $16, %rax\n\tcall 4f\n\tud2\n\tadd $256, %rax\n\tjmp 5f\n"
            "4:\taddq $2, (%rsp)\n\tret\n"                                   // returns behind the ud2
            "5:\tpush %rcx\n\tpush %rcx\n\tcall 6f\n\tadd $4096, %rax\n\tjmp 7f\n"
            "6:\tret $16\n"
            "7:\tsub $8, %rsp\n\tcall 8f\n\tadd $65536, %rax\n\tjmp 9f\n"
            "8:\tpop %rdx\n\tjmp *%rdx\n"                                    // a return by a jump
            "9:\tadd $8, %rsp\n\tdec %rcx\n\tjnz 1b\n\tret");
static unsigned turns(void)
{
    return tricks(5000) != 5000 * 0x11111ull;
}

// ---- leaves that do not return where they were called, or are not called, or return in the middle of what else happens
FUNCTION(skips, "addq $2, (%rsp)\n\tret");
FUNCTION(goes, "mov %rdx, (%rcx)\n\tret");
FUNCTION(goes_pushed, "push %rbx\n\tmov %rdx, 8(%rsp)\n\tpop %rbx\n\tret");
FUNCTION(goes_below, "sub $40, %rsp\n\tmov %rdx, 40(%rsp)\n\tadd $40, %rsp\n\tret");
FUNCTION(goes_half, "push %rbx\n\tpush %rbx\n\tmov %dl, 16(%rsp)\n\tpop %rbx\n\tpop %rbx\n\tret");
FUNCTION(goes_by_lea, "lea -8(%rsp), %rsp\n\tmov %rdx, 8(%rsp)\n\tlea 8(%rsp), %rsp\n\tret");
FUNCTION(goes_by_push, "add $8, %rsp\n\tpush %rdx\n\tret");
FUNCTION(takes, "ret $16");
FUNCTION(idle, "ret");
FUNCTION(keeps, "push %rbx\n\tsub $32, %rsp\n\tmov %rcx, 8(%rsp)\n\tmov 8(%rsp), %rbx\n\tlea 1(%rbx), %rax\n\tadd $32, %rsp\n\tpop %rbx\n\tret");
FUNCTION(sometimes, "test %rcx, %rcx\n\tjz 1f\n\tpush %rcx\n\tdec %rcx\n\tcall sometimes\n\tpop %rcx\n\tadd %rcx, %rax\n\tret\n1:\txor %eax, %eax\n\tret");
// NOT: two bytes that are not to be run; unlike UD2 they read no flags.
extern uint64_t all_ends(uint64_t n);
FUNCTION(all_ends, "mov %rcx, %r9\n\txor %eax, %eax\n"
            "1:\tlea -8(%rsp), %r8\n\tcall skips\n\tnot %eax\n\tadd $1, %rax\n\tlea skips(%rip), %r11\n\tcall *%r11\n\tnot %eax\n\tadd $1, %rax\n\t"
            "lea 2f(%rip), %rdx\n\tmov %r8, %rcx\n\tcall goes\n\tnot %eax\n2:\tadd $1, %rax\n\t"
            "lea 3f(%rip), %rdx\n\tmov %r8, %rcx\n\tlea goes(%rip), %r11\n\tcall *%r11\n\tnot %eax\n3:\tadd $1, %rax\n\t"
            "lea 4f(%rip), %rdx\n\tcall goes_pushed\n\tnot %eax\n4:\tadd $1, %rax\n\tlea 5f(%rip), %rdx\n\tcall goes_below\n\tnot %eax\n5:\tadd $1, %rax\n\t"
            ".balign 64\n\tlea 6f(%rip), %rdx\n\tcall goes_half\n\tnot %eax\n6:\tadd $1, %rax\n\t"      // only the lowest byte differs
            "lea 7f(%rip), %rdx\n\tcall goes_by_lea\n\tnot %eax\n7:\tadd $1, %rax\n\tlea 8f(%rip), %rdx\n\tcall goes_by_push\n\tnot %eax\n8:\tadd $1, %rax\n\t"
            "lea 2f(%rip), %rdx\n\tpush %rdx\n\tjmp idle\n\tnot %eax\n2:\tadd $1, %rax\n\t"
            "lea 3f(%rip), %rdx\n\tpush %rdx\n\tlea idle(%rip), %r11\n\tjmp *%r11\n\tnot %eax\n3:\tadd $1, %rax\n\t"
            "push %rax\n\tpush %rax\n\tcall takes\n\tadd $1, %rax\n\t"
            "push %rax\n\tmov $5, %ecx\n\tcall sometimes\n\tcmp $15, %rax\n\tpop %rax\n\tjne 9f\n\tadd $1, %rax\n\t"
            "push %rax\n\tmov $41, %ecx\n\tcall keeps\n\tcmp $42, %rax\n\tpop %rax\n\tjne 9f\n\tadd $1, %rax\n\t"
            "dec %r9\n\tjnz 1b\n\tret\n9:\tud2");
static unsigned ends(void)
{
    return all_ends(2000) != 2000 * 14;
}

FUNCTION(peeks, "mov (%rcx), %rax\n\tret");
FUNCTION(peeks_and_tells, "mov (%rcx), %rax\n\tmov %rax, (%rcx)\n\tret");
extern uint64_t peek(uint64_t *p), peek_and_skip(uint64_t *p), peek_and_tell(uint64_t *p);
FUNCTION(peek, "sub $40, %rsp\n\tcall peeks\n\tadd $40, %rsp\n\tlea 1(%rax), %rax\n\tret");
FUNCTION(peek_and_skip, "sub $40, %rsp\n\tcall peeks\n\tnot %eax\n\tadd $40, %rsp\n\tlea 2(%rax), %rax\n\tret");
FUNCTION(peek_and_tell, "sub $40, %rsp\n\tlea peeks_and_tells(%rip), %r11\n\tcall *%r11\n\tadd $40, %rsp\n\tlea 3(%rax), %rax\n\tret");
static unsigned mended(void)                    // by an exception handler, which may change the return address, too
{
    unsigned wrong = 0;
    uint64_t value;
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t *from = noise((uint32_t)i) & 1 ? (uint64_t *)8 : &value;
        value = i * 7;
        mend = from != &value ? (uint64_t)&value : 0, mend_skip = 0;
        wrong += peek(from) != i * 7 + 1;
        mend = from != &value ? (uint64_t)&value : 0;
        wrong += peek_and_tell(from) != i * 7 + 3;
        mend = (uint64_t)&value, mend_skip = 2;
        wrong += peek_and_skip((uint64_t *)8) != i * 7 + 2;
    }
    return wrong;
}

FUNCTION(pokes, "mov %r8d, (%rcx)\n\tret");
extern uint32_t pokes(void *at, void *unused, uint32_t value);
static unsigned poked(void)                     // the code to which the leaf returns
{
    // sub rsp, 40; call rdx; mov eax, imm32; add rsp, 40; ret
    static const uint8_t indirect[] = { 0x48, 0x83, 0xec, 0x28, 0xff, 0xd2, 0xb8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x28, 0xc3 };
    // sub rsp, 40; call 1f; mov eax, imm32; add rsp, 40; ret; and, here or in the next page, 1: mov [rcx], r8d; ret
    static const uint8_t direct[] = { 0x48, 0x83, 0xec, 0x28, 0xe8, 0x0a, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 0x28, 0xc3, 0x44, 0x89, 0x01, 0xc3 };
    enum { HERE = 64, NEXT = 128 };
    unsigned wrong = 0;
    for (uint32_t round = 0; round < 20; round++) {
        uint8_t *page = VirtualAlloc(NULL, 8192, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
        memcpy(page, indirect, sizeof indirect);
        memcpy(page + HERE, direct, sizeof direct);
        memcpy(page + NEXT, direct, sizeof direct);
        memcpy(page + NEXT + 5, &(uint32_t){ 4096 + 10 }, 4);
        memcpy(page + NEXT + 4096 + 19, direct + 19, 4);
        for (uint32_t i = 0; i < (round ? 3 : 200); i++) {
            uint32_t value = noise(i + round);
            wrong += ((uint32_t (*)(void *, void *, uint32_t))(void *)page)(page + 7, (void *)pokes, value) != value;
            if (round & 1)
                wrong += ((uint32_t (*)(void *, void *, uint32_t))(void *)(page + HERE))(page + HERE + 10, NULL, ~value) != ~value;
            else
                wrong += ((uint32_t (*)(void *, void *, uint32_t))(void *)(page + NEXT))(page + NEXT + 10, NULL, ~value) != ~value;
        }
        VirtualFree(page, 0, MEM_RELEASE);
    }
    return wrong;
}

// ---- functions that only pass flags on, while nobody in the process reads what they pass on
extern uint64_t three_leaves(uint64_t a, uint64_t (*by)(uint64_t));
FUNCTION(three_leaves, "push %rbx\n\tmov %rdx, %rbx\n\tcall *%rbx\n\tmov %rax, %rcx\n\tcall *%rbx\n\tmov %rax, %rcx\n\tcall *%rbx\n\t"
            "lea 1(%rax), %rax\n\tpop %rbx\n\tret");
FUNCTION(first_leaf, "lea 3(%rcx), %rax\n\tret");
FUNCTION(second_leaf, "mov %rcx, %rax\n\tbswap %rax\n\tret");
FUNCTION(third_leaf, "lea (%rcx, %rcx, 2), %rax\n\tjmp 1f\n1:\tret");
extern uint64_t first_leaf(uint64_t), second_leaf(uint64_t), third_leaf(uint64_t);
static unsigned leaves(void)
{
    unsigned wrong = 0;
    for (uint64_t i = 0; i < 3000; i++) {
        wrong += three_leaves(i, first_leaf) != i + 10;
        wrong += three_leaves(i, second_leaf) != __builtin_bswap64(i) + 1;
        wrong += three_leaves(i, third_leaf) != i * 27 + 1;
    }
    return wrong;
}

// ---- flags across calls and returns
// Carry: ecx < edx, by an addition, after which arm64 has it the other way round.
FUNCTION(below, "mov %ecx, %r11d\n\tnot %r11d\n\tadd %edx, %r11d\n\tret");
FUNCTION(below_wrapped, "push %rbx\n\tcall below\n\tpop %rbx\n\tret");
FUNCTION(below_twice, "push %rbx\n\tcall below_wrapped\n\tmov %rax, %r11\n\tpop %rbx\n\tret");
FUNCTION(leaf, "mov %rcx, %r11\n\tret");
FUNCTION(below_tail, "mov %rcx, %r11\n\tjmp below_wrapped");
FUNCTION(below_pointer, "lea below_tail(%rip), %r11\n\tjmp *%r11");
FUNCTION(below_thrice, "push %rbx\n\tcall below_pointer\n\tpop %rbx\n\tret");
FUNCTION(below_then_leaf, "push %rbx\n\tlea below_thrice(%rip), %r11\n\tcall *%r11\n\tlea leaf(%rip), %r11\n\tcall *%r11\n\tpop %rbx\n\tret");
FUNCTION(below_then_leaves, "push %rbx\n\tcall below_then_leaf\n\tcall leaf\n\tlea jump_leaf(%rip), %r11\n\tcall *%r11\n\tpop %rbx\n\tjmp leaf");
FUNCTION(is_below, "setb %al\n\tret");
FUNCTION(jump_leaf, "lea leaf(%rip), %r11\n\tjmp *%r11");
extern uint64_t flags_of(uint32_t a, uint32_t b);
FUNCTION(flags_of, "xor %eax, %eax\n\tcall below\n\tsetb %al\n\tmov %rax, %r8\n\t"
            "call below_wrapped\n\tadc %r8, %r8\n\t"
            "call below_twice\n\tadc %r8, %r8\n\t"
            "call below_thrice\n\tadc %r8, %r8\n\tcall below_then_leaf\n\tadc %r8, %r8\n\t"
            "lea below_then_leaves(%rip), %r11\n\tcall *%r11\n\tadc %r8, %r8\n\t"
            "mov %ecx, %r11d\n\tnot %r11d\n\tadd %edx, %r11d\n\tcall leaf\n\tadc %r8, %r8\n\t"
            "mov %ecx, %r11d\n\tnot %r11d\n\tadd %edx, %r11d\n\tcall jump_leaf\n\tadc %r8, %r8\n\t"
            "mov %ecx, %r11d\n\tnot %r11d\n\tadd %edx, %r11d\n\tcall is_below\n\tadd %r8, %r8\n\tor %rax, %r8\n\t"
            "lea is_below(%rip), %r10\n\txor %eax, %eax\n\tmov %ecx, %r11d\n\tnot %r11d\n\tadd %edx, %r11d\n\tcall *%r10\n\tadd %r8, %r8\n\tor %rax, %r8\n\t"
            "lea leaf(%rip), %r10\n\tmov %ecx, %eax\n\txor %edx, %eax\n\tcall *%r10\n\tje 1f\n\tadd %r8, %r8\n\tjmp 2f\n"
            "1:\tlea 1(%r8, %r8), %r8\n"
            "2:\tmov %r8, %rax\n\tret");
static unsigned flags(void)
{
    unsigned wrong = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t a = noise(i) & 7, b = noise(i) >> 8 & 7;
        wrong += flags_of(a, b) != (a < b ? 0x7fe : 0) + (a == b);
    }
    return wrong;
}

static const struct { const char *name; unsigned (*run)(void); } parts[] = {
    { "leaves", leaves }, { "deep", deep }, { "ends", ends }, { "mended", mended }, { "poked", poked }, { "flags", flags }, { "leaps", leaps }, { "faults", faults }, { "gone", gone },
    { "rewritten", rewritten }, { "strands", strands }, { "turns", turns },
    { "ends again", ends }, { "mended again", mended }, { "poked again", poked },       // now that somebody reads flags
};
enum { PARTS = sizeof parts / sizeof *parts };

static uint32_t wrong[PARTS];
static DWORD WINAPI work(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < PARTS; i++)
        __atomic_fetch_add(&wrong[i], parts[i].run(), __ATOMIC_RELAXED);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    HANDLE threads[16];
    AddVectoredExceptionHandler(1, on_exception);
    for (unsigned i = 1; i < count && i < 16; i++)
        threads[i] = CreateThread(NULL, 0, work, NULL, 0, NULL);
    work(NULL);
    for (unsigned i = 1; i < count && i < 16; i++)
        WaitForSingleObject(threads[i], INFINITE);
    for (unsigned i = 0; i < PARTS; i++)
        printf("%s: %u wrong\n", parts[i].name, wrong[i]);
    return 0;
}
#else
int main(void)
{
    printf("x64 only\n");
    return 1;
}
#endif
