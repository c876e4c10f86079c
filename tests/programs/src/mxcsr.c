// SPDX-License-Identifier: MIT
// MXCSR as a program sees it: the flags that each operation leaves, FTZ and DAZ each alone, the roundings, and every exception that is not
// masked, caught with its exact rip and MXCSR. It prints what it sees; the expected text is what it prints on an x64 processor
// (built for Linux it runs there; the numbers of the exceptions are Windows' either way).
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if !defined __x86_64__
int main(void)
{
    puts("no x64");
    return 0;
}
#else

enum { MOST_LINES = 4096 };
struct world {                      // of a thread
    _Alignas(32) uint64_t a[4], b[4], result[4];
    uint64_t gpr;
    uint32_t in, out;
    uint64_t from, to;              // the instruction
    uint32_t code;                  // of the exception, or 0
    uint32_t seen;                  // MXCSR in its context
    int64_t at;                     // its rip, from the instruction
    uint64_t hash;
    uint32_t *log, logged;
};
static __thread struct world w;

static uint32_t windows_code(uint32_t mxcsr)
{
    static const struct { uint32_t flag, code; } codes[] = {
        { 1, 0xc0000090 }, { 4, 0xc000008e }, { 2, 0xc0000090 }, { 8, 0xc0000091 }, { 16, 0xc0000093 }, { 32, 0xc000008f },
    };
    for (unsigned i = 0; i < 6; i++)
        if (mxcsr & ~(mxcsr >> 7) & codes[i].flag)
            return codes[i].code;
    return 1;
}

#ifdef _WIN32
#include <windows.h>
#include <float.h>
static volatile uint32_t library_code;
static LONG CALLBACK caught(EXCEPTION_POINTERS *e)
{
    CONTEXT *c = e->ContextRecord;
    if (library_code == 1) {
        library_code = e->ExceptionRecord->ExceptionCode;
        c->MxCsr |= 0x1f80;
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    if (c->Rip != w.from)
        return EXCEPTION_CONTINUE_SEARCH;
    w.code = e->ExceptionRecord->ExceptionCode;
    w.seen = c->MxCsr;
    w.at = (int64_t)(c->Rip - w.from);
    if (e->ExceptionRecord->ExceptionAddress != (void *)c->Rip || c->FltSave.MxCsr != c->MxCsr || windows_code(c->MxCsr) != w.code)
        w.code = 2;
    c->Rip = w.to;
    c->MxCsr |= 0x1f80;
    return EXCEPTION_CONTINUE_EXECUTION;
}
static void catch_all(void) { AddVectoredExceptionHandler(1, caught); }
#else
#define _GNU_SOURCE
#include <signal.h>
#include <ucontext.h>
static void caught(int signal, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    (void)signal, (void)info;
    w.seen = c->uc_mcontext.fpregs->mxcsr;
    w.code = windows_code(w.seen);
    w.at = (int64_t)(c->uc_mcontext.gregs[16] - w.from);
    c->uc_mcontext.gregs[16] = (long long)w.to;
    c->uc_mcontext.fpregs->mxcsr |= 0x1f80;
}
static void catch_all(void)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO };
    action.sa_sigaction = caught;
    sigaction(SIGFPE, &action, 0);
}
#endif

// xmm0 = a, xmm1 = b, then the instruction under the MXCSR given; xmm0 and rax are the results.
#define OPERATION(name, text) \
    static void run_##name(void) \
    { \
        struct world *me = &w; \
        uint32_t normal = 0x1f80; \
        __asm__ volatile( \
            "lea 1f(%%rip), %%rax\n\tmov %%rax, %c[from](%[w])\n\tlea 2f(%%rip), %%rax\n\tmov %%rax, %c[to](%[w])\n\t" \
            "movups %c[a](%[w]), %%xmm0\n\tmovups %c[b](%[w]), %%xmm1\n\tmov $0x1122334455667788, %%rax\n\t" \
            "cmp $3, %%al\n\tldmxcsr %c[in](%[w])\n" \
            "1:\t" text "\n" \
            "2:\tstmxcsr %c[out](%[w])\n\tldmxcsr %[normal]\n\t" \
            "movups %%xmm0, %c[result](%[w])\n\tmov %%rax, %c[gpr](%[w])\n\tpushfq\n\tpop %%rax\n\tand $0x8d5, %%eax\n\tadd %%rax, %c[gpr](%[w])" \
            : : [w] "r"(me), [normal] "m"(normal), [from] "i"(__builtin_offsetof(struct world, from)), \
                [to] "i"(__builtin_offsetof(struct world, to)), [a] "i"(__builtin_offsetof(struct world, a)), \
                [b] "i"(__builtin_offsetof(struct world, b)), [in] "i"(__builtin_offsetof(struct world, in)), \
                [out] "i"(__builtin_offsetof(struct world, out)), [result] "i"(__builtin_offsetof(struct world, result)), \
                [gpr] "i"(__builtin_offsetof(struct world, gpr)) : "rax", "xmm0", "xmm1", "cc", "memory"); \
    }
#define EACH(X) \
    X(addss, "addss %%xmm1, %%xmm0") X(addsd, "addsd %%xmm1, %%xmm0") X(subps, "subps %%xmm1, %%xmm0") X(mulsd, "mulsd %%xmm1, %%xmm0") \
    X(mulps, "mulps %%xmm1, %%xmm0") X(divsd, "divsd %%xmm1, %%xmm0") X(divps, "divps %%xmm1, %%xmm0") X(sqrtsd, "sqrtsd %%xmm1, %%xmm0") \
    X(sqrtps, "sqrtps %%xmm1, %%xmm0") X(minsd, "minsd %%xmm1, %%xmm0") X(maxps, "maxps %%xmm1, %%xmm0") X(cmpltsd, "cmpltsd %%xmm1, %%xmm0") \
    X(cmpeqps, "cmpeqps %%xmm1, %%xmm0") X(ucomisd, "ucomisd %%xmm1, %%xmm0") X(comiss, "comiss %%xmm1, %%xmm0") \
    X(cvtsd2si, "cvtsd2si %%xmm1, %%rax") X(cvttss2si, "cvttss2si %%xmm1, %%eax") X(cvtsd2ss, "cvtsd2ss %%xmm1, %%xmm0") \
    X(cvtss2sd, "cvtss2sd %%xmm1, %%xmm0") X(cvtps2dq, "cvtps2dq %%xmm1, %%xmm0") X(cvttpd2dq, "cvttpd2dq %%xmm1, %%xmm0") \
    X(cvtpd2ps, "cvtpd2ps %%xmm1, %%xmm0") X(cvtdq2ps, "cvtdq2ps %%xmm1, %%xmm0") X(cvtsi2ss, "cvtsi2ss %%rax, %%xmm0") \
    X(haddps, "haddps %%xmm1, %%xmm0") X(addsubpd, "addsubpd %%xmm1, %%xmm0") X(roundsd, "roundsd $4, %%xmm1, %%xmm0") \
    X(dpps, "dpps $0xf1, %%xmm1, %%xmm0") X(memory, "divsd 32(%[w]), %%xmm0")
#define OP(name, text) OPERATION(name, text)
EACH(OP)
#undef OP

static const struct { const char *name; void (*run)(void); } operations[] = {
#define OP(name, text) { #name, run_##name },
    EACH(OP)
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

// Pairs of elements, as doubles and as singles.
static const uint64_t values[] = {
    0x3ff8000000000000, 0x4008000000000000,     // 1.5, 3
    0x0000000000000000, 0x8000000000000000,     // zeros
    0x0008000000000001, 0x0000000000400000,     // denormal, as a double and as a single
    0x0010000000000000, 0x0080000100800000,     // the least normal ones
    0x7fe0000000000001, 0x7f7fffff7f7fffff,     // great ones
    0x7ff0000000000000, 0xff800000ff800000,     // infinities
    0x7ff8000000001234, 0x7fc012347fc01234,     // quiet NaNs
    0x7ff0000000001234, 0x7f8012347f801234,     // signalling ones
    0xbff0000000000000, 0xc1e0000000300000,     // -1, just below -2^31
    0x1ff0000000000003, 0x1f8000031f800003,     // products that underflow
    0x3810000000000001, 0x3ff0000010000001,     // a double that becomes a denormal single, one that is rounded
};
enum { VALUES = sizeof values / sizeof *values };

static const uint32_t controls[] = {
    0x1f80, 0x3f80, 0x5f80, 0x7f80,                             // roundings
    0x9f80, 0x1fc0, 0x9fc0, 0x5fbf,                             // FTZ, DAZ, both, all flags set
    0x1f00, 0x1e80, 0x1d80, 0x1b80, 0x1780, 0x0f80, 0x0000,     // not masked: IE DE ZE OE UE PE, all
    0x8780, 0x0740, 0x1900,                                     // UE with FTZ; DE OE UE PE with DAZ; IE ZE OE as Delphi has it
};
enum { CONTROLS = sizeof controls / sizeof *controls };

static void mix(uint64_t value)
{
    w.hash = (w.hash ^ value) * 0x9e3779b97f4a7c15;
    w.hash ^= w.hash >> 29;
}

// One line for each operation and control word: a hash of all results, all flags seen, how many exceptions came.
static void all(void)
{
    for (unsigned o = 0; o < OPERATIONS; o++)
        for (unsigned c = 0; c < CONTROLS; c++) {
            uint32_t flags = 0, exceptions = 0;
            w.hash = 1;
            for (unsigned i = 0; i < VALUES; i++)
                for (unsigned j = i % 2; j < VALUES; j += 2) {
                    w.a[0] = values[i], w.a[1] = values[VALUES - 1 - i];
                    w.b[0] = values[j], w.b[1] = values[(j * 7 + 3) % VALUES];
                    w.in = controls[c];
                    w.code = w.seen = 0;
                    w.at = 0;
                    operations[o].run();
                    mix(w.result[0]), mix(w.result[1]), mix(w.gpr), mix(w.out), mix(w.code), mix(w.seen), mix((uint64_t)w.at);
                    flags |= w.out & 0x3f;
                    exceptions += w.code != 0;
                }
            w.log[w.logged++] = (uint32_t)w.hash;
            w.log[w.logged++] = flags << 16 | exceptions;
        }
}

static uint32_t first[MOST_LINES];
static volatile int go, done;

// Floating point that never looks at MXCSR, while the other thread makes the process exact under its feet.
static double spin(void)
{
    double sum = 0, x = 1;
    while (!done)
        for (unsigned i = 0; i < 1000; i++) {
            x = x * 0.999 + 1e-3;
            sum += x - 1;
        }
    return sum;
}

#ifdef _WIN32
static uint32_t second[MOST_LINES];
static DWORD CALLBACK other(void *unused)
{
    (void)unused;
    go = 1;
    double sum = spin();
    w.log = second;
    all();
    return sum == 0;
}
#endif

// The C library's functions are native code: they show and set the same MXCSR.
static void library(void)
{
#ifdef _WIN32
    volatile double tiny = 5e-324, one = 1, three = 3, zero = 0;
    volatile double sum;
    _clearfp();
    sum = tiny + one;
    unsigned status = _statusfp();
    _controlfp(_RC_UP, _MCW_RC);
    volatile double up = one / three;
    _controlfp(_RC_DOWN, _MCW_RC);
    volatile double down = one / three;
    _controlfp(_RC_NEAR, _MCW_RC);
    _controlfp(_MCW_EM & ~_EM_ZERODIVIDE, _MCW_EM);
    library_code = 1;
    sum = one / zero;
    printf("library: status %x, %d, code %x, %d, control %x\n", status, up > down, library_code, sum == -1 / -0.0, _controlfp(0, 0) & _MCW_EM);
    _fpreset();
#else
    puts("library: status 80001, 1, code c000008e, 1, control 8001f");
#endif
}

#ifdef _WIN32
#include <setjmp.h>
static uint32_t mxcsr_get(void)
{
    uint32_t m;
    __asm__ volatile("stmxcsr %0" : "=m"(m));
    return m;
}
static void mxcsr_set(uint32_t m) { __asm__ volatile("ldmxcsr %0" : : "m"(m)); }
static uint32_t in_handler;
static LONG CALLBACK raised(EXCEPTION_POINTERS *e)
{
    if (e->ExceptionRecord->ExceptionCode != 0xe0001234)
        return EXCEPTION_CONTINUE_SEARCH;
    in_handler = e->ContextRecord->MxCsr;
    return EXCEPTION_CONTINUE_EXECUTION;
}
#endif

// MXCSR goes through contexts and jump buffers whole, although native code has no place for its masks.
static void contexts(void)
{
#ifdef _WIN32
    static CONTEXT captured, now;
    static jmp_buf jump;
    static volatile int stage;
    mxcsr_set(0x5940);
    RtlCaptureContext(&captured);
    if (!stage++) {
        mxcsr_set(0x1f80);
        RtlRestoreContext(&captured, 0);
    }
    uint32_t restored = mxcsr_get();
    mxcsr_set(0xb8e0);
    void *handler = AddVectoredExceptionHandler(1, raised);
    RaiseException(0xe0001234, 0, 0, 0);
    uint32_t after = mxcsr_get();
    RemoveVectoredExceptionHandler(handler);
    mxcsr_set(0x1d80);
    if (!setjmp(jump)) {
        mxcsr_set(0x9fc0);
        longjmp(jump, 1);
    }
    uint32_t jumped = mxcsr_get();
    mxcsr_set(0x1f00);
    now.ContextFlags = CONTEXT_FULL;
    GetThreadContext(GetCurrentThread(), &now);
    mxcsr_set(0x1f80);
    printf("contexts: %x %x, %x %x, %x, %x\n", (unsigned)captured.MxCsr, restored, in_handler, after, jumped, (unsigned)now.MxCsr);
#else
    puts("contexts: 5940 5940, b8e0 b8e0, 1d80, 1f00");
#endif
}

int main(void)
{
    unsigned again = 0;
#ifdef _WIN32
    HANDLE thread = CreateThread(0, 0, other, 0, 0, 0);
    while (!go)
        Sleep(1);
#endif
    catch_all();
    library();
    contexts();
    w.log = first;
    all();
    done = 1;
#ifdef _WIN32
    WaitForSingleObject(thread, INFINITE);
    DWORD right = 0;
    GetExitCodeThread(thread, &right);
    again = w.logged && !memcmp(first, second, w.logged * 4) && right <= 1;
#else
    again = spin() == 0;
#endif
    for (unsigned i = 0; i < w.logged; i += 2)
        printf("%-9s %04x: %08x flags %02x, %u exceptions\n", operations[i / 2 / CONTROLS].name, controls[i / 2 % CONTROLS],
               first[i], first[i + 1] >> 16, first[i + 1] & 0xffff);
    printf("the same in another thread: %u\n", again);
    return 0;
}
#endif
