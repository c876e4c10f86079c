// SPDX-License-Identifier: MIT
// The whole state of an x64 thread in contexts: what an exception handler sees is what was loaded, and what it changes is
// what the program goes on with. x87, MXCSR, both halves of ymm registers, every flag that user mode may set.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#if !defined __x86_64__
int main(void)
{
    puts("no x64");
    return 0;
}
#else

static unsigned failed, checks;
static void check(const char *what, int ok)
{
    checks++;
    if (!ok) {
        failed++;
        printf("FAILED %s\n", what);
    }
}

struct state {
    _Alignas(64) uint8_t fx[512];       // FXSAVE64
    uint8_t high[16][16];               // 255:128
    uint64_t gpr[16], flags;            // gpr[4] (rsp) is not loaded
};
struct state state_in, state_out;
extern void state_run(void);
extern uint8_t state_fault[], state_after[];

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD(n)  "vmovdqu " #n "*16+512+state_in(%rip), %xmm15\n\tvinsertf128 $1, %xmm15, %ymm" #n ", %ymm" #n "\n\t"
#define STORE(n) "vextractf128 $1, %ymm" #n ", " #n "*16+512+state_out(%rip)\n\t"
// Loaded: ymm 0..14 (15 is the loader's). The fault comes at state_fault.
__asm__(
    ".globl state_run, state_fault, state_after\n"
    "state_run:\n\t"
    "push %rbx\n\tpush %rbp\n\tpush %rsi\n\tpush %rdi\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
    "sub $0x408, %rsp\n\tand $-64, %rsp\n\tfxsave64 (%rsp)\n\t"
    "mov 40(%rsp), %rax\n\t"
    "lea state_in(%rip), %rax\n\tfxrstor64 (%rax)\n\t"
    LOAD(0) LOAD(1) LOAD(2) LOAD(3) LOAD(4) LOAD(5) LOAD(6) LOAD(7) LOAD(8) LOAD(9) LOAD(10) LOAD(11) LOAD(12) LOAD(13) LOAD(14)
    "vmovups 400+state_in(%rip), %xmm15\n\t"
    "mov %rsp, saved_rsp(%rip)\n\t"
    "push 896+state_in(%rip)\n\t"
    "mov 768+state_in(%rip), %rax\n\tmov 776+state_in(%rip), %rcx\n\tmov 784+state_in(%rip), %rdx\n\tmov 792+state_in(%rip), %rbx\n\t"
    "mov 808+state_in(%rip), %rbp\n\tmov 816+state_in(%rip), %rsi\n\tmov 824+state_in(%rip), %rdi\n\tmov 832+state_in(%rip), %r8\n\t"
    "mov 840+state_in(%rip), %r9\n\tmov 848+state_in(%rip), %r10\n\tmov 856+state_in(%rip), %r11\n\tmov 864+state_in(%rip), %r12\n\t"
    "mov 872+state_in(%rip), %r13\n\tmov 880+state_in(%rip), %r14\n\tmov 888+state_in(%rip), %r15\n\t"
    "popfq\n"
    "state_fault:\n\t"
    "ud2\n"
    "state_after:\n\t"
    "mov %rax, 768+state_out(%rip)\n\tmov %rcx, 776+state_out(%rip)\n\tmov %rdx, 784+state_out(%rip)\n\tmov %rbx, 792+state_out(%rip)\n\t"
    "mov %rsp, 800+state_out(%rip)\n\t"
    "mov %rbp, 808+state_out(%rip)\n\tmov %rsi, 816+state_out(%rip)\n\tmov %rdi, 824+state_out(%rip)\n\tmov %r8, 832+state_out(%rip)\n\t"
    "mov %r9, 840+state_out(%rip)\n\tmov %r10, 848+state_out(%rip)\n\tmov %r11, 856+state_out(%rip)\n\tmov %r12, 864+state_out(%rip)\n\t"
    "mov %r13, 872+state_out(%rip)\n\tmov %r14, 880+state_out(%rip)\n\tmov %r15, 888+state_out(%rip)\n\t"
    "mov saved_rsp(%rip), %rsp\n\t"
    "pushfq\n\tpop 896+state_out(%rip)\n\t"
    "push $0x202\n\tpopfq\n\t"
    "lea state_out(%rip), %rax\n\tfxsave64 (%rax)\n\t"
    STORE(0) STORE(1) STORE(2) STORE(3) STORE(4) STORE(5) STORE(6) STORE(7) STORE(8) STORE(9) STORE(10) STORE(11) STORE(12) STORE(13) STORE(14) STORE(15)
    "fxrstor64 (%rsp)\n\tvzeroupper\n\t"
    "lea saved_frame(%rip), %rax\n\tmov (%rax), %rsp\n\t"
    "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rdi\n\tpop %rsi\n\tpop %rbp\n\tpop %rbx\n\tret\n");
uint64_t saved_rsp, saved_frame;

// state_run with the stack pointer at its pushes noted: eight registers below this call's return address.
extern void state_call(void);
__asm__(".globl state_call\nstate_call:\n\tlea -64(%rsp), %rax\n\tmov %rax, saved_frame(%rip)\n\tjmp state_run\n");

static void (*wanted)(EXCEPTION_POINTERS *);
static LONG CALLBACK handler(EXCEPTION_POINTERS *p)
{
    if (p->ContextRecord->Rip != (uintptr_t)state_fault)
        return EXCEPTION_CONTINUE_SEARCH;
    wanted(p);
    p->ContextRecord->Rip = (uintptr_t)state_after;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static void fill(struct state *s, unsigned seed)
{
    uint32_t mxcsr = 0x1f80 | (seed & 0x607f), mask = 0xffff;
    for (unsigned i = 0; i < 512; i++)
        s->fx[i] = (uint8_t)(i * 7 + seed * 13 + (i >> 8));
    for (unsigned i = 0; i < 15; i++)
        for (unsigned j = 0; j < 16; j++)
            s->high[i][j] = (uint8_t)(i * 16 + j + seed);
    memset(s->high[15], 0, 16);
    memset(s->fx, 0, 32);
    uint16_t control = seed & 1 ? 0x37f : 0x0e7f, status = (uint16_t)((seed & 7) << 11 | 0x4100 | (seed & 0x3f));
    memcpy(s->fx, &control, 2);
    memcpy(s->fx + 2, &status, 2);
    s->fx[4] = (uint8_t)(seed * 29);
    uint64_t ip = 0x123456789a + seed, dp = 0x23456789ab + seed;
    memcpy(s->fx + 8, &ip, 8);
    memcpy(s->fx + 16, &dp, 8);
    memcpy(s->fx + 24, &mxcsr, 4);
    memcpy(s->fx + 28, &mask, 4);
    for (unsigned i = 0; i < 8; i++)
        memset(s->fx + 32 + 16 * i + 10, 0, 6);
    memset(s->fx + 416, 0, 96);
    for (unsigned i = 0; i < 16; i++)
        s->gpr[i] = 0x0101010101010101ull * (i + 1) ^ seed;
    static const unsigned bits[] = { 0, 2, 4, 6, 7, 10, 11, 14, 18, 21 };     // CF PF AF ZF SF DF OF NT AC ID
    s->flags = 0x202;
    for (unsigned i = 0; i < 10; i++)
        s->flags |= (uint64_t)(seed >> i & 1) << bits[i];
}

static struct state expected;
static void compare_context(EXCEPTION_POINTERS *p)
{
    CONTEXT *c = p->ContextRecord;
    DWORD length = 0;
    DWORD64 mask = 0;
    const uint64_t *g = &c->Rax;
    check("flags of the context", (c->ContextFlags & 0x10005f) == 0x10005f);
    check("code", p->ExceptionRecord->ExceptionCode == EXCEPTION_ILLEGAL_INSTRUCTION);
    for (unsigned i = 0; i < 16; i++)
        check("general registers", i == 4 || g[i] == expected.gpr[i]);
    check("rsp", c->Rsp == saved_rsp);
    check("eflags", c->EFlags == (expected.flags | 0x10000));       // a fault sets RF
    check("segments", c->SegCs == 0x33 && c->SegSs == 0x2b && c->SegDs == 0x2b && c->SegEs == 0x2b && c->SegFs == 0x53 && c->SegGs == 0x2b);
    check("x87 and xmm", !memcmp(&c->FltSave, expected.fx, 416));
    check("mxcsr", c->MxCsr == c->FltSave.MxCsr);
    void *legacy = LocateXStateFeature(c, XSTATE_LEGACY_SSE, &length);
    check("xmm located", legacy == c->FltSave.XmmRegisters && length == 256);
    uint8_t *ymm = LocateXStateFeature(c, XSTATE_AVX, &length);
    check("ymm located", ymm && length == 256);
    check("mask", GetXStateFeaturesMask(c, &mask) && mask == 7);
    check("ymm", ymm && !memcmp(ymm, expected.high, 256));
}

static void round_trip(EXCEPTION_POINTERS *p) { compare_context(p); }

static struct state changed;
static void change(EXCEPTION_POINTERS *p)
{
    CONTEXT *c = p->ContextRecord;
    DWORD length;
    compare_context(p);
    uint64_t rsp = c->Rsp;
    memcpy(&c->Rax, changed.gpr, sizeof changed.gpr);
    c->Rsp = rsp;
    c->EFlags = (DWORD)changed.flags;
    memcpy(&c->FltSave, changed.fx, 416);
    c->MxCsr = c->FltSave.MxCsr;
    uint8_t *ymm = LocateXStateFeature(c, XSTATE_AVX, &length);
    if (ymm)
        memcpy(ymm, changed.high, 256);
}
static void drop_ymm(EXCEPTION_POINTERS *p) { SetXStateFeaturesMask(p->ContextRecord, XSTATE_MASK_LEGACY); }
static void clobber(EXCEPTION_POINTERS *p)          // the handler's own x87 and vector state is not the program's
{
    (void)p;
    __asm__ volatile("fninit\n\tfld1\n\tvpcmpeqd %%ymm0, %%ymm0, %%ymm0\n\tvmovdqa %%ymm0, %%ymm7\n\tpushq $0x244ad7\n\tpopfq\n\tpushq $0x202\n\tpopfq"
                     ::: "xmm0", "xmm7", "cc", "memory");
}

static void compare_out(const char *what, const struct state *s)
{
    for (unsigned i = 0; i < 16; i++)
        check(what, i == 4 ? state_out.gpr[4] == saved_rsp : state_out.gpr[i] == s->gpr[i]);
    check(what, state_out.flags == s->flags);
    check(what, !memcmp(state_out.fx, s->fx, 416));
    check(what, !memcmp(state_out.high, s->high, 256));
}

static void run(unsigned seed, void (*how)(EXCEPTION_POINTERS *))
{
    fill(&state_in, seed);
    fill(&changed, seed * 5 + 3);
    expected = state_in;
    // What FXRSTOR makes of it: ES and B follow from flags and masks, all of which are masked here.
    wanted = how;
    memset(&state_out, 0xee, sizeof state_out);
    state_call();
}

// ---- contexts that programs make
static void made(void)
{
    DWORD length = 0, size = 0;
    CONTEXT *c = NULL, *d = NULL;
    check("enabled features", GetEnabledXStateFeatures() == 7);
    check("a length is told", !InitializeContext(NULL, CONTEXT_ALL | CONTEXT_XSTATE, NULL, &length)
                              && GetLastError() == ERROR_INSUFFICIENT_BUFFER && length >= sizeof(CONTEXT) + 0x20 + 0x140);
    static uint8_t first[0x800], second[0x800];
    memset(first, 0xcc, sizeof first);
    check("initialized", InitializeContext(first + 1, CONTEXT_ALL | CONTEXT_XSTATE, &c, &length) && c && !((uintptr_t)c & 15));
    check("flags set", c->ContextFlags == (CONTEXT_ALL | CONTEXT_XSTATE));
    uint8_t *ymm = LocateXStateFeature(c, XSTATE_AVX, &size);
    check("room for ymm", ymm && size == 256 && !((uintptr_t)ymm & 63) && ymm + 256 <= first + sizeof first);
    check("mask is set", SetXStateFeaturesMask(c, XSTATE_MASK_AVX));
    memset(ymm, 0x5a, 256);
    length = sizeof second;
    check("without ymm", InitializeContext(second, CONTEXT_FULL, &d, &length) && !LocateXStateFeature(d, XSTATE_AVX, &size));
    length = sizeof second;
    check("with ymm", InitializeContext(second, CONTEXT_ALL | CONTEXT_XSTATE, &d, &length));
    c->Rax = 12345;
    check("copied", CopyContext(d, CONTEXT_ALL | CONTEXT_XSTATE, c) && d->Rax == 12345);
    ymm = LocateXStateFeature(d, XSTATE_AVX, &size);
    check("copied ymm", ymm && ymm[0] == 0x5a && ymm[255] == 0x5a);
    const uint64_t *shared = (const uint64_t *)(uintptr_t)0x7ffe03d8;
    const uint32_t *features = (const uint32_t *)(uintptr_t)0x7ffe03f0;
    check("processor features", IsProcessorFeaturePresent(39) && IsProcessorFeaturePresent(17) && IsProcessorFeaturePresent(10)
                                && IsProcessorFeaturePresent(12) && !IsProcessorFeaturePresent(29) && !IsProcessorFeaturePresent(41));
    check("shared data", shared[0] == 7 && *(const uint32_t *)&shared[2] == 832 && features[4] == 576 && features[5] == 256);
}

// ---- of threads
static DWORD CALLBACK started(void *argument) { return (DWORD)(uintptr_t)argument + 1; }
static DWORD CALLBACK other(void *argument) { return (DWORD)(uintptr_t)argument + 1000; }
static void threads(void)
{
    DWORD code = 0;
    HANDLE thread = CreateThread(NULL, 0, started, (void *)7, CREATE_SUSPENDED, NULL);
    CONTEXT c = { .ContextFlags = CONTEXT_FULL };
    check("context of a suspended thread", GetThreadContext(thread, &c) && c.Rip && c.Rsp);
    check("its function and argument", c.Rcx == (uintptr_t)started && c.Rdx == 7);
    c.Rcx = (uintptr_t)other;
    c.Rdx = 23;
    c.ContextFlags = CONTEXT_INTEGER;
    check("set", SetThreadContext(thread, &c));
    ResumeThread(thread);
    WaitForSingleObject(thread, INFINITE);
    check("it runs as set", GetExitCodeThread(thread, &code) && code == 1023);
    CloseHandle(thread);
    volatile uint64_t here = 0x77;
    c.ContextFlags = CONTEXT_FULL;
    check("its own", GetThreadContext(GetCurrentThread(), &c) && c.Rsp < (uintptr_t)&here + 0x1000 && c.Rsp + 0x4000 > (uintptr_t)&here);
    static volatile int back;
    CONTEXT captured;
    RtlCaptureContext(&captured);
    check("captured", (captured.ContextFlags & CONTEXT_FULL) == CONTEXT_FULL && captured.SegCs == 0x33);
    if (!back) {
        back = 1;
        RtlRestoreContext(&captured, NULL);
        check("restore does not return", 0);
    }
    check("captured, and restored", back == 1);
}

int main(void)
{
    AddVectoredExceptionHandler(1, handler);
    for (unsigned seed = 0; seed < 1024; seed += 1 + seed / 16) {
        run(seed, round_trip);
        compare_out("as before", &expected);
        run(seed, change);
        compare_out("as changed", &changed);
        run(seed, clobber);
        compare_out("not the handler's", &expected);
    }
    run(77, drop_ymm);
    memset(expected.high, 0, sizeof expected.high);
    compare_out("ymm back to their initial state", &expected);
    made();
    threads();
    printf("%u checks, %u failed\n", checks, failed);
    return failed ? 1 : 0;
}
#endif
