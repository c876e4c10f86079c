// SPDX-License-Identifier: MIT
// What a wrong access or instruction becomes, and that the program's state is exact when it is told.
#include "images/tests/robust.h"
#include <string.h>

static void read_byte(void *p) { (void)*(volatile uint8_t *)p; }
static void read_word(void *p) { (void)*(volatile uint64_t *)p; }
static void write_byte(void *p) { *(volatile uint8_t *)p = 1; }
static void add_to(void *p) { __atomic_fetch_add((volatile uint32_t *)p, 1, __ATOMIC_SEQ_CST); }
static void jump(void *p) { ((void (*)(void))p)(); }

static void expect(const char *name, void (*f)(void *), void *argument, DWORD code, uint64_t kind, uint64_t address)
{
    struct fault fault = try_fault(f, argument);
    if (!check_case(fault.code == code && (code != (DWORD)EXCEPTION_ACCESS_VIOLATION || (fault.kind == kind && fault.address == address)),
                    name, "wrong fault"))
        print("  code %x kind %x address %x at %x", (uint64_t)fault.code, fault.kind, fault.address, fault.at);
}

#ifdef __x86_64__
static uint64_t non_canonical(uint64_t address) { (void)address; return ~0ull; }    // #GP, which has no address
enum { NON_CANONICAL_WRITE = 0, LOCKED = 1 };
#else
static uint64_t non_canonical(uint64_t address) { return address; }
enum { NON_CANONICAL_WRITE = 1, LOCKED = 0 };       // a locked operation begins with a load
#endif

static void accesses(void)
{
    const DWORD violation = (DWORD)EXCEPTION_ACCESS_VIOLATION;
    static const uint64_t kernel[] = { 0xffff800000000000, 0xffffffff80000000, 0xfffffffffffff000, 0xffff800040000000 };
    static const uint64_t odd[] = { 0x0000800000000000, 0x1234567800000000, 0xffff7fffffffffff, 0x8000000000000000, 0x00ff000000001000 };
    static uint8_t data[64] = { 0xc3 };
    expect("read null", read_byte, NULL, violation, 0, 0);
    expect("write null", write_byte, (void *)8, violation, 1, 8);
    expect("locked null", add_to, (void *)0x20, violation, LOCKED, 0x20);
    expect("read 64K - 8", read_word, (void *)0xfff8, violation, 0, 0xfff8);
    for (unsigned i = 0; i < sizeof kernel / sizeof *kernel; i++) {
        expect("read the kernel's half", read_byte, (void *)kernel[i], violation, 0, kernel[i]);
        expect("write the kernel's half", write_byte, (void *)kernel[i], violation, 1, kernel[i]);
        expect("jump to the kernel's half", jump, (void *)kernel[i], violation, 8, kernel[i]);
    }
    for (unsigned i = 0; i < sizeof odd / sizeof *odd; i++) {
        expect("read non-canonical", read_byte, (void *)odd[i], violation, 0, non_canonical(odd[i]));
        expect("write non-canonical", write_byte, (void *)odd[i], violation, NON_CANONICAL_WRITE, non_canonical(odd[i]));
        struct fault fault = try_fault(jump, (void *)odd[i]);
        check_case(fault.code == violation, "jump non-canonical", "wrong fault");
    }
    expect("jump to null", jump, NULL, violation, 8, 0);
    expect("jump to data", jump, data, violation, 8, (uint64_t)data);
}

#ifdef __x86_64__
void do_ud2(void *), do_int3(void *), do_hlt(void *), do_cli(void *), do_in(void *), do_rdmsr(void *), do_mov_cr(void *), do_lgdt(void *),
     do_lock_nonsense(void *), do_int_2e_low(void *), do_movaps(void *), do_divide(void *), do_divide_overflow(void *);
void state_fault(void *), state_fault_at(void);

static void instructions(void)
{
    static _Alignas(16) uint8_t data[64];
    static const struct { const char *name; void (*f)(void *); DWORD code; } table[] = {
        { "ud2", do_ud2, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION }, { "int3", do_int3, (DWORD)EXCEPTION_BREAKPOINT },
        { "hlt", do_hlt, (DWORD)EXCEPTION_PRIV_INSTRUCTION }, { "cli", do_cli, (DWORD)EXCEPTION_PRIV_INSTRUCTION },
        { "in", do_in, (DWORD)EXCEPTION_PRIV_INSTRUCTION }, { "rdmsr", do_rdmsr, (DWORD)EXCEPTION_PRIV_INSTRUCTION },
        { "mov cr0", do_mov_cr, (DWORD)EXCEPTION_PRIV_INSTRUCTION }, { "lgdt", do_lgdt, (DWORD)EXCEPTION_PRIV_INSTRUCTION },
        { "lock nop", do_lock_nonsense, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION },
        { "int 42h", do_int_2e_low, (DWORD)EXCEPTION_ACCESS_VIOLATION }, { "movaps", do_movaps, (DWORD)EXCEPTION_ACCESS_VIOLATION },
        { "divide by zero", do_divide, (DWORD)EXCEPTION_INT_DIVIDE_BY_ZERO },
        { "divide overflow", do_divide_overflow, (DWORD)EXCEPTION_INT_OVERFLOW },
    };
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        expect(table[i].name, table[i].f, data, table[i].code, 0, ~0ull);
}

static unsigned state_seen;
static uint64_t repaired;
static LONG state_handler(EXCEPTION_POINTERS *pointers)
{
    CONTEXT *c = pointers->ContextRecord;
    const uint64_t *registers = &c->Rax;    // rax rcx rdx rbx rsp rbp rsi rdi r8 ... r15
    state_seen++;
    CHECK(pointers->ExceptionRecord->ExceptionAddress == (void *)state_fault_at && c->Rip == (uint64_t)state_fault_at);
    CHECK(c->Rax == 0x80000000 && c->Rcx == 0x40);
    for (unsigned i = 2; i < 16; i++)
        if (i != 4)
            check_case(registers[i] == 0x1111000000000000 + i, "state", "a register differs");
    CHECK((c->EFlags & 0x8d5) == 0x894);    // OF SF PF AF, no ZF, no CF
    const M128A *x = &c->Xmm0;
    for (unsigned i = 1; i < 16; i++)
        check_case((uint64_t)x[i].Low == 0x0706050403020100 + (i - 1) * 0x1010101010101010 && (uint64_t)x[i].High == 0x0f0e0d0c0b0a0908 + (i - 1) * 0x1010101010101010,
                   "state", "a vector register differs");
    c->Rcx = (uint64_t)&repaired;           // the store is tried again, now with an address
    // What the caller of state_fault relies on, from the frame that try_call pushed above the return addresses.
    const uint64_t *saved = (const uint64_t *)(c->Rsp + 16 + 0xc0);
    c->R15 = saved[0], c->R14 = saved[1], c->R13 = saved[2], c->R12 = saved[3];
    c->Rdi = saved[4], c->Rsi = saved[5], c->Rbp = saved[6], c->Rbx = saved[7];
    return EXCEPTION_CONTINUE_EXECUTION;
}

static void state(void)
{
    for (int i = 0; i < 3; i++) {
        repaired = 0;
        state_seen = 0;
        try_repair = state_handler;
        struct fault fault = try_fault(state_fault, (void *)0x40);
        try_repair = NULL;
        CHECK(fault.code == 0 && state_seen == 1 && repaired == 0x80000000);
    }
}
#else
void do_udf(void *), do_brk(void *), do_msr(void *), do_mrs(void *), do_dc(void *), do_wfi_hvc(void *), do_smc(void *), do_svc(void *);

static void instructions(void)
{
    static const struct { const char *name; void (*f)(void *); DWORD code; } table[] = {
        { "udf", do_udf, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION }, { "brk", do_brk, (DWORD)EXCEPTION_BREAKPOINT },
        { "msr", do_msr, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION }, { "mrs", do_mrs, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION },
        { "dc isw", do_dc, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION }, { "hvc", do_wfi_hvc, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION },
        { "smc", do_smc, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION }, { "translator's svc", do_svc, (DWORD)EXCEPTION_ILLEGAL_INSTRUCTION },
    };
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        expect(table[i].name, table[i].f, NULL, table[i].code, 0, 0);
}

static uint64_t repaired;
static LONG state_handler(EXCEPTION_POINTERS *pointers)
{
    pointers->ContextRecord->X0 = (uint64_t)&repaired;
    return EXCEPTION_CONTINUE_EXECUTION;
}
static void store_seven(void *p) { __asm__ volatile("mov x0, %0\n mov x9, #7\n str x9, [x0]" : : "r"(p) : "x0", "x9", "memory"); }
static void state(void)
{
    try_repair = state_handler;
    struct fault fault = try_fault(store_seven, (void *)0x40);
    try_repair = NULL;
    CHECK(fault.code == 0 && repaired == 7);
}
#endif

void fault_test(void)
{
    accesses();
    instructions();
    state();
}
