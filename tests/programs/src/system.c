// SPDX-License-Identifier: MIT
// Instructions of the system kind, as 64-bit Windows programs meet them: what runs, what it leaves in registers, and which exception
// comes with which address. Each row is a piece of code with rax, rcx, rdx and the stack given.
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

// ---- running a piece of code: registers in, registers out, and the exception if there is one

struct run { uint64_t rax, rcx, rdx, rsp, rflags; };
struct run run_in, run_out;
static _Alignas(64) uint64_t stack[16384];
static uint8_t *code;
extern void piece_call(void *where);
extern uint8_t piece_back[];
uint64_t piece_rsp;
__asm__(
    ".globl piece_call, piece_back\n"
    "piece_call:\n\t"
    "push %rbx\n\tpush %rbp\n\tpush %rsi\n\tpush %rdi\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
    "mov %rcx, %rbx\n\tmov %rsp, piece_rsp(%rip)\n\t"
    "mov 24+run_in(%rip), %rsp\n\t"
    "pushq 32+run_in(%rip)\n\t"
    "mov run_in(%rip), %rax\n\tmov 8+run_in(%rip), %rcx\n\tmov 16+run_in(%rip), %rdx\n\t"
    "popfq\n\t"
    "jmp *%rbx\n"
    "piece_back:\n\t"                         // rsp is kept in r11 on the way
    "mov %rax, run_out(%rip)\n\tmov %rcx, 8+run_out(%rip)\n\tmov %rdx, 16+run_out(%rip)\n\tmov %rsp, 24+run_out(%rip)\n\t"
    "mov piece_rsp(%rip), %rsp\n\tpushfq\n\tpopq 32+run_out(%rip)\n\tpushq $0x202\n\tpopfq\n\t"
    "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rdi\n\tpop %rsi\n\tpop %rbp\n\tpop %rbx\n\tret\n");

static struct { DWORD code; uint64_t rip, kind, address, rsp, rflags; DWORD parameters; } seen;
static uint64_t steps[64];
static unsigned step_count;
static int stepping;

static LONG CALLBACK handler(EXCEPTION_POINTERS *p)
{
    CONTEXT *c = p->ContextRecord;
    EXCEPTION_RECORD *r = p->ExceptionRecord;
    if (stepping && r->ExceptionCode == EXCEPTION_SINGLE_STEP) {
        if (step_count < 64)
            steps[step_count++] = c->Rip;
        if (c->EFlags & 0x100 || c->Rip != (uint64_t)r->ExceptionAddress)
            check("TF is clear in the context, and the address is rip", 0);
        if (c->Rip - (uint64_t)code < 4096)         // out of the piece: no more steps
            c->EFlags |= 0x100;
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    seen.code = r->ExceptionCode;
    seen.parameters = r->NumberParameters;
    seen.kind = r->NumberParameters > 1 ? r->ExceptionInformation[0] : 0;
    seen.address = r->NumberParameters > 1 ? r->ExceptionInformation[1] : 0;
    seen.rip = c->Rip;
    seen.rsp = c->Rsp;
    seen.rflags = c->EFlags;
    c->EFlags = 0x202;
    c->Rip = (uint64_t)piece_back;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static uint64_t *const top = &stack[16000];
static void run(const uint8_t *bytes, unsigned count, uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t rflags)
{
    uint8_t *at = code;
    memcpy(at, bytes, count);
    at[count] = 0xff, at[count + 1] = 0x25;         // jmp [rip]
    memset(at + count + 2, 0, 4);
    uint64_t back = (uint64_t)piece_back;
    memcpy(at + count + 6, &back, 8);
    FlushInstructionCache(GetCurrentProcess(), at, count + 14);
    memset(&seen, 0, sizeof seen);
    run_in = (struct run){ rax, rcx, rdx, (uint64_t)top, rflags };
    piece_call(at);
}
#define RUN(rax, rcx, rdx, ...) ({ static const uint8_t b_[] = { __VA_ARGS__ }; run(b_, sizeof b_, rax, rcx, rdx, 0x202); })

enum { NONE = 0, UD = (int)EXCEPTION_ILLEGAL_INSTRUCTION, AV = (int)EXCEPTION_ACCESS_VIOLATION, PRIVILEGED = (int)EXCEPTION_PRIV_INSTRUCTION };

static void expect(const char *what, DWORD code_, unsigned rip)
{
    int ok = seen.code == code_;
    if (code_)
        ok = ok && seen.rip == (uint64_t)code + rip;
    if (code_ == (DWORD)AV)
        ok = ok && seen.parameters == 2 && seen.kind == 0 && seen.address == ~0ull;
    if (!ok)
        printf("  %s: code %lx rip +%llx kind %llx address %llx\n", what, seen.code, (unsigned long long)(seen.rip - (uint64_t)code),
               (unsigned long long)seen.kind, (unsigned long long)seen.address);
    check(what, ok && (!code_ || seen.rsp == (uint64_t)top));
}
#define RAISES(code_, ...) do { RUN(0, 0, 0, __VA_ARGS__); expect(#code_ " " #__VA_ARGS__, (DWORD)(code_), 0); } while (0)

// ---- what CPUID says

struct words { uint32_t a, b, c, d; };
static struct words cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct words w;
    __asm__ volatile("cpuid" : "=a"(w.a), "=b"(w.b), "=c"(w.c), "=d"(w.d) : "a"(leaf), "c"(subleaf));
    return w;
}

// One instruction for every bit: it runs if the bit is set and is #UD if not. Memory operands are at rsp.
struct feature { const char *name; uint32_t leaf; char word; uint8_t bit, must, bytes[10]; };
enum { EITHER, SET, CLEAR };
static const struct feature features[] = {
    { "fpu", 1, 'd', 0, SET, { 2, 0xd9, 0xe8 } },                        { "tsc", 1, 'd', 4, SET, { 2, 0x0f, 0x31 } },
    { "cx8", 1, 'd', 8, SET, { 4, 0x0f, 0xc7, 0x0c, 0x24 } },            { "cmov", 1, 'd', 15, SET, { 3, 0x0f, 0x44, 0xc1 } },
    { "clfsh", 1, 'd', 19, SET, { 4, 0x0f, 0xae, 0x3c, 0x24 } },         { "mmx", 1, 'd', 23, SET, { 3, 0x0f, 0xfc, 0xc1 } },
    { "fxsr", 1, 'd', 24, SET, { 4, 0x0f, 0xae, 0x04, 0x24 } },          { "sse", 1, 'd', 25, SET, { 3, 0x0f, 0x58, 0xc1 } },
    { "sse2", 1, 'd', 26, SET, { 4, 0x66, 0x0f, 0xfe, 0xc1 } },          { "sse3", 1, 'c', 0, SET, { 4, 0xf2, 0x0f, 0xd0, 0xc1 } },
    { "pclmul", 1, 'c', 1, SET, { 6, 0x66, 0x0f, 0x3a, 0x44, 0xc1, 0 } }, { "ssse3", 1, 'c', 9, SET, { 5, 0x66, 0x0f, 0x38, 0x00, 0xc1 } },
    { "fma", 1, 'c', 12, SET, { 5, 0xc4, 0xe2, 0x71, 0x98, 0xc2 } },     { "cx16", 1, 'c', 13, SET, { 5, 0x48, 0x0f, 0xc7, 0x0c, 0x24 } },
    { "sse4.1", 1, 'c', 19, SET, { 5, 0x66, 0x0f, 0x38, 0x38, 0xc1 } },  { "sse4.2", 1, 'c', 20, SET, { 5, 0xf2, 0x0f, 0x38, 0xf0, 0xc1 } },
    { "movbe", 1, 'c', 22, SET, { 5, 0x0f, 0x38, 0xf0, 0x04, 0x24 } },   { "popcnt", 1, 'c', 23, SET, { 4, 0xf3, 0x0f, 0xb8, 0xc1 } },
    { "aes", 1, 'c', 25, SET, { 5, 0x66, 0x0f, 0x38, 0xdc, 0xc1 } },     { "xsave", 1, 'c', 26, SET, { 5, 0x48, 0x0f, 0xae, 0x24, 0x24 } },
    { "osxsave", 1, 'c', 27, SET, { 3, 0x0f, 0x01, 0xd0 } },             { "avx", 1, 'c', 28, SET, { 4, 0xc5, 0xf4, 0x58, 0xc2 } },
    { "f16c", 1, 'c', 29, SET, { 5, 0xc4, 0xe2, 0x79, 0x13, 0xc1 } },    { "rdrand", 1, 'c', 30, EITHER, { 3, 0x0f, 0xc7, 0xf0 } },
    { "bmi1", 7, 'b', 3, SET, { 5, 0xc4, 0xe2, 0x70, 0xf2, 0xc2 } },     { "avx2", 7, 'b', 5, SET, { 4, 0xc5, 0xf5, 0xfe, 0xc2 } },
    { "bmi2", 7, 'b', 8, SET, { 5, 0xc4, 0xe2, 0x73, 0xf5, 0xc2 } },     { "rdseed", 7, 'b', 18, EITHER, { 3, 0x0f, 0xc7, 0xf8 } },
    { "adx", 7, 'b', 19, SET, { 5, 0x66, 0x0f, 0x38, 0xf6, 0xc1 } },     { "sha", 7, 'b', 29, SET, { 4, 0x0f, 0x38, 0xc8, 0xc1 } },
    { "clflushopt", 7, 'b', 23, SET, { 5, 0x66, 0x0f, 0xae, 0x3c, 0x24 } }, { "clwb", 7, 'b', 24, SET, { 5, 0x66, 0x0f, 0xae, 0x34, 0x24 } },
    { "vaes", 7, 'c', 9, SET, { 5, 0xc4, 0xe2, 0x75, 0xdc, 0xc2 } },     { "vpclmul", 7, 'c', 10, SET, { 6, 0xc4, 0xe3, 0x75, 0x44, 0xc2, 0 } },
    { "rdpid", 7, 'c', 22, SET, { 4, 0xf3, 0x0f, 0xc7, 0xf8 } },         { "serialize", 7, 'd', 14, SET, { 3, 0x0f, 0x01, 0xe8 } },
    { "lahf", 0x80000001, 'c', 0, SET, { 1, 0x9f } },                    { "lzcnt", 0x80000001, 'c', 5, SET, { 4, 0xf3, 0x0f, 0xbd, 0xc1 } },
    { "rdtscp", 0x80000001, 'd', 27, SET, { 3, 0x0f, 0x01, 0xf9 } },
    { "fsgsbase", 7, 'b', 0, CLEAR, { 5, 0xf3, 0x48, 0x0f, 0xae, 0xc0 } }, { "rtm", 7, 'b', 11, CLEAR, { 6, 0xc7, 0xf8, 0, 0, 0, 0 } },
    { "invpcid", 7, 'b', 10, CLEAR, { 6, 0x66, 0x0f, 0x38, 0x82, 0x04, 0x24 } }, { "avx512f", 7, 'b', 16, CLEAR, { 6, 0x62, 0xf1, 0x75, 0x48, 0xfe, 0xc2 } },
    { "waitpkg", 7, 'c', 5, CLEAR, { 4, 0xf3, 0x0f, 0xae, 0xf0 } },      { "gfni", 7, 'c', 8, CLEAR, { 5, 0x66, 0x0f, 0x38, 0xcf, 0xc1 } },
    { "gfni, vex", 7, 'c', 8, CLEAR, { 5, 0xc4, 0xe2, 0x71, 0xcf, 0xc2 } }, { "movdiri", 7, 'c', 27, CLEAR, { 5, 0x0f, 0x38, 0xf9, 0x04, 0x24 } },
    { "movdir64b", 7, 'c', 28, CLEAR, { 6, 0x66, 0x0f, 0x38, 0xf8, 0x04, 0x24 } }, { "pku", 7, 'c', 4, CLEAR, { 3, 0x0f, 0x01, 0xee } },
    { "monitor", 1, 'c', 3, CLEAR, { 3, 0x0f, 0x01, 0xc8 } },            { "vmx", 1, 'c', 5, CLEAR, { 3, 0x0f, 0x01, 0xc1 } },
    { "sse4a", 0x80000001, 'c', 6, CLEAR, { 4, 0x66, 0x0f, 0x79, 0xc1 } }, { "xop", 0x80000001, 'c', 11, CLEAR, { 6, 0x8f, 0xe8, 0x70, 0x9e, 0xc2, 0 } },
    { "fma4", 0x80000001, 'c', 16, CLEAR, { 6, 0xc4, 0xe3, 0x71, 0x69, 0xc2, 0 } }, { "3dnow", 0x80000001, 'd', 31, CLEAR, { 4, 0x0f, 0x0f, 0xc1, 0x9e } },
    { "svm", 0x80000001, 'c', 2, CLEAR, { 3, 0x0f, 0x01, 0xd9 } },       { "monitorx", 0x80000001, 'c', 29, CLEAR, { 3, 0x0f, 0x01, 0xfa } },
    { "tbm", 0x80000001, 'c', 21, CLEAR, { 5, 0x8f, 0xe9, 0x78, 0x01, 0xc9 } }, { "sgx", 7, 'b', 2, CLEAR, { 3, 0x0f, 0x01, 0xd7 } },
};

static void advertised(void)
{
    for (unsigned i = 0; i < sizeof features / sizeof *features; i++) {
        const struct feature *f = &features[i];
        struct words w = cpuid(f->leaf, 0);
        uint32_t word = f->word == 'a' ? w.a : f->word == 'b' ? w.b : f->word == 'c' ? w.c : w.d;
        int set = word >> f->bit & 1;
        check(f->name, f->must == EITHER || set == (f->must == SET));
        run(f->bytes + 1, f->bytes[0], 0, 0, 0, 0x202);
        check(f->name, set ? !seen.code : seen.code == (DWORD)UD && seen.rip == (uint64_t)code);
        if (set ? seen.code : seen.code != (DWORD)UD)
            printf("  %s: bit %d, exception %lx\n", f->name, set, seen.code);
    }
    struct words a = cpuid(0xd, 0), b = cpuid(0xd, 1), c = cpuid(0xd, 2);
    check("leaf 0xd", a.a == 7 && a.b == 832 && a.c == 832 && a.d == 0 && b.a == 7 && b.b == 832 && c.a == 256 && c.b == 576 && c.c == 0);
    check("no reserved bits of leaf 1 and 7", !(cpuid(1, 0).d & 0x40100400) && !cpuid(7, 0).a);
}

// VAES and VPCLMULQDQ of 256 bits: what the 128-bit forms do, for each half.
static void halves(void)
{
    static _Alignas(32) uint8_t a[32], b[32], whole[32], low[32], high[32];
    for (unsigned i = 0; i < 32; i++)
        a[i] = (uint8_t)(i * 37 + 5), b[i] = (uint8_t)(i * i * 11 + 3);
#define HALVES(insn, ...) \
    __asm__ volatile("vmovdqa %3, %%ymm1\n\tvmovdqa %4, %%ymm2\n\t" insn " " __VA_ARGS__ "%%ymm2, %%ymm1, %%ymm0\n\tvmovdqa %%ymm0, %0\n\t" \
                     insn " " __VA_ARGS__ "%%xmm2, %%xmm1, %%xmm0\n\tvmovdqa %%ymm0, %1\n\t" \
                     "vextracti128 $1, %%ymm1, %%xmm1\n\tvextracti128 $1, %%ymm2, %%xmm2\n\t" insn " " __VA_ARGS__ "%%xmm2, %%xmm1, %%xmm0\n\t" \
                     "vmovdqa %%ymm0, %2\n\tvzeroupper" : "=m"(whole), "=m"(low), "=m"(high) : "m"(a), "m"(b) : "xmm0", "xmm1", "xmm2"); \
    check(insn, !memcmp(whole, low, 16) && !memcmp(whole + 16, high, 16) && memcmp(low, high, 16) && !low[16] && !low[31])
    HALVES("vaesenc");
    HALVES("vaesenclast");
    HALVES("vaesdec");
    HALVES("vaesdeclast");
    HALVES("vpclmulqdq", "$0, ");
    HALVES("vpclmulqdq", "$1, ");
    HALVES("vpclmulqdq", "$16, ");
    HALVES("vpclmulqdq", "$17, ");
}

// ---- the XSAVE family

static _Alignas(64) uint8_t area[1024], other[1024];
static uint64_t header(unsigned i) { uint64_t v; memcpy(&v, area + 512 + 8 * i, 8); return v; }
#define XSAVE(insn, mask) __asm__ volatile(insn " %0" : "+m"(area) : "a"(mask), "d"(0) : "memory")
static unsigned written(void)                   // bits: 0 x87, 1 mxcsr, 2 xmm, 3 the 48 bytes nobody writes, 4 header, 5 rest of it, 6 ymm
{
    static const struct { uint16_t from, to; } parts[] = { { 0, 24 }, { 24, 32 }, { 160, 416 }, { 416, 512 }, { 512, 520 }, { 520, 528 }, { 576, 832 } };
    unsigned set = 0;
    for (unsigned i = 0; i < 7; i++)
        for (unsigned j = parts[i].from; j < parts[i].to; j++)
            if (area[j] != 0xcc)
                set |= 1u << i;
    for (unsigned j = 528; j < 576; j++)
        if (area[j] != 0xcc)
            set |= 128;
    for (unsigned j = 832; j < 1024; j++)
        if (area[j] != 0xcc)
            set |= 128;
    return set;
}
static void xgetbv(uint32_t which, uint64_t *value)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(which));
    *value = (uint64_t)high << 32 | low;
}

static void xsave_family(void)
{
    uint64_t value;
    xgetbv(0, &value);
    check("xgetbv 0", value == 7);
    static const struct { uint8_t which, mask, used, wrote; uint64_t present, form; } rows[] = {
        { 0, 7, 7, 0x57, 7, 0xcccccccccccccccc }, { 0, 7, 3, 0x57, 3, 0xcccccccccccccccc }, { 0, 4, 3, 0x52, 0, 0xcccccccccccccccc },
        { 0, 2, 7, 0x16, 2, 0xcccccccccccccccc }, { 0, 1, 7, 0x11, 1, 0xcccccccccccccccc }, { 0, 0, 7, 0x10, 0, 0xcccccccccccccccc },
        { 1, 7, 7, 0x57, 7, 0xcccccccccccccccc }, { 1, 7, 3, 0x17, 3, 0xcccccccccccccccc }, { 1, 4, 3, 0x12, 0, 0xcccccccccccccccc },
        { 2, 7, 7, 0x77, 7, 0x8000000000000007 }, { 2, 7, 3, 0x37, 3, 0x8000000000000007 }, { 2, 4, 3, 0x30, 0, 0x8000000000000004 },
        { 2, 5, 7, 0x71, 5, 0x8000000000000005 }, { 2, 2, 7, 0x36, 2, 0x8000000000000002 },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(area, 0xcc, sizeof area);
        memset(area + 512, 0, 8);
        __asm__ volatile("fninit\n\tfld1\n\tvzeroall\n\tpcmpeqd %%xmm3, %%xmm3" ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5");
        if (rows[i].used & 4)
            __asm__ volatile("vpcmpeqd %%ymm5, %%ymm5, %%ymm5" ::: "xmm5");
        if (rows[i].which == 0)
            XSAVE("xsave64", rows[i].mask);
        else if (rows[i].which == 1)
            XSAVE("xsaveopt64", rows[i].mask);
        else
            XSAVE("xsavec64", rows[i].mask);
        __asm__ volatile("vzeroupper\n\tfninit");
        int ok = header(0) == rows[i].present && written() == rows[i].wrote && header(1) == rows[i].form;
        if (!ok)
            printf("  row %u: present %llx, written %x\n", i, (unsigned long long)header(0), written());
        check("xsave writes", ok);
    }
    memset(area, 0xcc, sizeof area);
    memset(area + 512, 0xf8, 1);
    memset(area + 513, 0x11, 7);
    XSAVE("xsave", 7);
    check("xsave keeps bits it was not asked for", (header(0) & ~7ull) == 0x11111111111111f8);

    // Back, and to the initial state.
    for (unsigned i = 0; i < 256; i++)
        other[160 + i] = (uint8_t)i, other[576 + i] = (uint8_t)(i * 3);
    uint32_t mxcsr = 0x3fa0;
    memcpy(other + 24, &mxcsr, 4);
    other[0] = 0x7f, other[1] = 0x0e, other[4] = 0x80;          // st7 of top 0
    memset(other + 32 + 16 * 7, 0x5a, 10);
    static const uint8_t loads[][3] = { { 7, 7, 0 }, { 7, 3, 0 }, { 4, 7, 0 }, { 2, 7, 0 }, { 7, 0, 0 }, { 7, 7, 1 }, { 3, 4, 1 }, { 7, 6, 1 } };
    for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++) {
        uint32_t asked = loads[i][0], after;
        uint64_t there = loads[i][1], form = loads[i][2] ? 0x8000000000000007 : 0;
        memcpy(other + 512, &there, 8);
        memcpy(other + 520, &form, 8);
        memset(area, 0, sizeof area);
        uint32_t before = 0x1f80;
        __asm__ volatile("fninit\n\tfldz\n\tldmxcsr %2\n\tvpcmpeqd %%ymm0, %%ymm0, %%ymm0\n\tvmovdqa %%ymm0, %%ymm9\n\txrstor64 %1\n\t"
                         "mov $7, %%eax\n\txsave64 %0\n\tstmxcsr %3\n\tvzeroupper\n\tfninit\n\tldmxcsr %2"
                         : "+m"(area) : "m"(other), "m"(before), "m"(after), "a"(asked), "d"(0)
                         : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                           "xmm13", "xmm14", "xmm15");
        uint32_t got = asked & there;
        int ok = 1;
        for (unsigned j = 0; j < 256; j++) {
            uint8_t ones = j < 16 || (j >= 144 && j < 160) ? 0xff : 0;
            uint8_t low = asked & 2 ? got & 2 ? other[160 + j] : 0 : area[160 + j];
            uint8_t high = asked & 4 ? got & 4 ? other[576 + j] : 0 : ones;
            ok = ok && area[160 + j] == low && area[576 + j] == high;
        }
        int x87 = asked & 1 ? got & 1 ? area[0] == 0x7f && area[1] == 0x0e && area[4] == 0x80 : area[0] == 0x7f && area[1] == 3 && area[4] == 0
                            : area[4] == 0x80 && area[1] == 3;
        // The standard form loads MXCSR with SSE or AVX, present or not; the compacted one as a part of SSE.
        uint32_t expected = loads[i][2] ? (got & 2 ? 0x3fa0 : asked & 2 ? 0x1f80 : before) : asked & 6 ? 0x3fa0 : before;
        uint32_t now;
        memcpy(&now, area + 24, 4);
        if (!ok || !x87 || now != expected)
            printf("  load %u: vectors %d, x87 %d, mxcsr %x, expected %x\n", i, ok, x87, now, expected);
        check("xrstor", ok && x87 && now == expected);
    }
    static const struct { const char *what; uint64_t words[4]; uint32_t mxcsr, mask; int bad; } refused[] = {
        { "good", { 7 }, 0x1f80, 7, 0 }, { "unknown component", { 0x107 }, 0x1f80, 7, 1 }, { "form without bit 63", { 7, 1 }, 0x1f80, 7, 1 },
        { "third word", { 7, 0, 1 }, 0x1f80, 7, 1 }, { "fourth word", { 7, 0, 0, 1 }, 0x1f80, 7, 0 }, { "mxcsr", { 7 }, 0x10000, 7, 1 },
        { "mxcsr, nothing present", { 0 }, 0x10000, 7, 1 }, { "mxcsr, x87 alone", { 7 }, 0x10000, 1, 0 }, { "mxcsr, avx alone", { 0 }, 0x10000, 4, 1 },
        { "compacted, empty", { 0, 1ull << 63 }, 0x1f80, 7, 0 }, { "compacted", { 7, 1ull << 63 | 7 }, 0x1f80, 7, 0 },
        { "compacted, not in it", { 7, 1ull << 63 | 3 }, 0x1f80, 7, 1 }, { "compacted, fourth word", { 7, 1ull << 63 | 7, 0, 1 }, 0x1f80, 7, 1 },
        { "compacted, unknown", { 7, 1ull << 63 | 0x107 }, 0x1f80, 7, 1 }, { "compacted, mxcsr not there", { 4, 1ull << 63 | 7 }, 0x10000, 7, 0 },
        { "compacted, mxcsr not wanted", { 6, 1ull << 63 | 7 }, 0x10000, 4, 0 },
    };
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
        static const uint8_t xrstor[] = { 0x48, 0x0f, 0xae, 0x29, 0xdb, 0xe3, 0xc5, 0xf8, 0x77 };   // xrstor64 [rcx], fninit, vzeroupper
        memset(area, 0, sizeof area);
        area[0] = 0x7f, area[1] = 3;
        memcpy(area + 24, &refused[i].mxcsr, 4);
        memcpy(area + 512, refused[i].words, 32);
        uint8_t keep[160];
        __asm__ volatile("movdqu %%xmm6, %0\n\tmovdqu %%xmm7, %1\n\tmovdqu %%xmm8, %2" : "=m"(keep[0]), "=m"(keep[16]), "=m"(keep[32]) :: "memory");
        run(xrstor, sizeof xrstor, refused[i].mask, (uint64_t)area, 0, 0x202);
        __asm__ volatile("movdqu %0, %%xmm6\n\tmovdqu %1, %%xmm7\n\tmovdqu %2, %%xmm8" :: "m"(keep[0]), "m"(keep[16]), "m"(keep[32]) : "xmm6", "xmm7", "xmm8");
        expect(refused[i].what, refused[i].bad ? (DWORD)AV : NONE, 0);
    }
    RUN(7, (uint64_t)area + 32, 0, 0x48, 0x0f, 0xae, 0x21), expect("xsave, not aligned", (DWORD)AV, 0);
    RUN(7, (uint64_t)area + 8, 0, 0x0f, 0xc7, 0x21), expect("xsavec, not aligned", (DWORD)AV, 0);
    RUN(0, 2, 0, 0x0f, 0x01, 0xd0), expect("xgetbv 2", (DWORD)AV, 0);
    RUN(7, 0, 0, 0x0f, 0x01, 0xd1), expect("xsetbv", (DWORD)PRIVILEGED, 0);
    RUN(7, (uint64_t)area, 0, 0x48, 0x0f, 0xc7, 0x29), expect("xsaves", (DWORD)UD, 0);
    RUN(7, (uint64_t)area, 0, 0x48, 0x0f, 0xc7, 0x19), expect("xrstors", (DWORD)UD, 0);
}

// ---- segments, descriptors, far transfers

static void segments(void)
{
    static const struct { uint8_t reg; uint16_t value; } reads[] = { { 0xc0, 0x2b }, { 0xc8, 0x33 }, { 0xd0, 0x2b }, { 0xd8, 0x2b }, { 0xe0, 0x53 }, { 0xe8, 0x2b } };
    for (unsigned i = 0; i < 6; i++) {
        uint8_t b[] = { 0x8c, reads[i].reg };
        run(b, 2, ~0ull, 0, 0, 0x202);
        check("mov eax, sreg", !seen.code && run_out.rax == reads[i].value);
        uint8_t w[] = { 0x66, 0x8c, reads[i].reg };
        run(w, 3, ~0ull, 0, 0, 0x202);
        check("mov ax, sreg", !seen.code && run_out.rax == (0xffffffffffff0000 | reads[i].value));
    }
    RUN(0x2b, 0, 0, 0x8e, 0xd8), expect("mov ds, 2b", NONE, 0);
    RUN(0x2b, 0, 0, 0x8e, 0xd0), expect("mov ss, 2b", NONE, 0);
    RUN(0x53, 0, 0, 0x8e, 0xe0), expect("mov fs, 53", NONE, 0);
    RUN(0, 0, 0, 0x8e, 0xc0, 0x8c, 0xc1, 0xb0, 0x2b, 0x8e, 0xc0), expect("mov es, 0", NONE, 0);
    check("and read back", run_out.rcx == 0);
    RUN(0, 0, 0, 0x8e, 0xd0), expect("mov ss, 0", (DWORD)AV, 0);
    RUN(8, 0, 0, 0x8e, 0xd8), expect("mov ds, 8", (DWORD)AV, 0);
    RUN(0x28, 0, 0, 0x8e, 0xd0), expect("mov ss, 28", (DWORD)AV, 0);
    RUN(0x33, 0, 0, 0x8e, 0xc8), expect("mov cs", (DWORD)UD, 0);
    RUN(0x1000, 0, 0, 0x8e, 0xd8), expect("mov ds, 1000", (DWORD)AV, 0);
    RUN(0x12345678, 0, 0, 0x50, 0x64, 0x8b, 0x0c, 0x24, 0x58), expect("fs has base 0", NONE, 0);
    check("fs:[rsp]", run_out.rcx == 0x12345678);
    RUN(0, 0, 0, 0x0f, 0xa0, 0x58, 0x0f, 0xa8, 0x59), expect("push fs, push gs", NONE, 0);
    check("push fs, push gs", run_out.rax == 0x53 && run_out.rcx == 0x2b && run_out.rsp == (uint64_t)top);
    RUN(0x53, 0, 0, 0x50, 0x0f, 0xa1), expect("pop fs", NONE, 0);
    check("pop fs", run_out.rsp == (uint64_t)top);
    top[0] = 0x1234567890abcdef, top[1] = 0x53;
    RUN(0, 0, 0, 0x48, 0x0f, 0xb4, 0x04, 0x24), expect("lfs", NONE, 0);
    check("lfs", run_out.rax == 0x1234567890abcdef);

    static const struct { uint16_t selector; uint32_t rights, limit; int seen, writable; } descriptors[] = {
        { 0x23, 0xcffb00, 0xffffffff, 1, 0 }, { 0x2b, 0xcff300, 0xffffffff, 1, 1 }, { 0x33, 0x20fb00, 0, 1, 0 },
        { 0, 0, 0, 0, 0 }, { 0x10, 0, 0, 0, 0 }, { 0x18, 0, 0, 0, 0 }, { 0x40, 0, 0, 0, 0 }, { 0x100, 0, 0, 0, 0 }, { 0x2f, 0, 0, 0, 0 },
    };
    for (unsigned i = 0; i < sizeof descriptors / sizeof *descriptors; i++) {
        uint64_t lar = 0xdead, lsl = 0xdead, s = descriptors[i].selector;
        uint8_t z1, z2, z3, z4;
        __asm__ volatile("lar %4, %k0\n\tsetz %2\n\tlsl %4, %k1\n\tsetz %3" : "+r"(lar), "+r"(lsl), "=&r"(z1), "=&r"(z2) : "r"((uint32_t)s));
        __asm__ volatile("verr %w2\n\tsetz %0\n\tverw %w2\n\tsetz %1" : "=&r"(z3), "=&r"(z4) : "r"((uint32_t)s));
        check("lar, lsl", z1 == descriptors[i].seen && z2 == z1 && lar == (z1 ? descriptors[i].rights : 0xdead) && lsl == (z1 ? descriptors[i].limit : 0xdead));
        check("verr, verw", z3 == descriptors[i].seen && z4 == descriptors[i].writable);
    }
    RAISES(AV, 0x0f, 0x01, 0x04, 0x24);         // sgdt
    RAISES(AV, 0x0f, 0x01, 0x0c, 0x24);         // sidt
    RAISES(AV, 0x0f, 0x00, 0xc0);               // sldt
    RAISES(AV, 0x0f, 0x00, 0xc8);               // str
    RAISES(AV, 0x0f, 0x01, 0xe0);               // smsw

    // A far jump, call and return to code that stays here: m16:64 at rsp.
    top[0] = (uint64_t)code + 8, top[1] = 0x33;
    RUN(1, 0, 0, 0x48, 0xff, 0x2c, 0x24, 0xb0, 2, 0x90, 0x90, 0x90), expect("jmp far", NONE, 0);
    check("jmp far", run_out.rax == 1);
    RUN(1, 0, 0, 0x48, 0xff, 0x1c, 0x24, 0x90, 0x90, 0x90, 0x90, 0x59, 0x5a), expect("call far", NONE, 0);
    check("call far", run_out.rcx == 0x90909090 || run_out.rcx == (uint64_t)code + 4);
    top[1] = 0x2b;
    RUN(0, 0, 0, 0x48, 0xff, 0x2c, 0x24), expect("jmp far to data", (DWORD)AV, 0);
    top[1] = 0x23;
    RUN(0, 0, 0, 0x48, 0xff, 0x2c, 0x24), expect("jmp far to 32-bit code", (DWORD)AV, 0);
    top[0] = (uint64_t)code + 8, top[1] = 0x33;
    RUN(1, 0, 0, 0x48, 0xcb, 0xb0, 2, 0x90, 0x90, 0x90, 0x90), expect("retfq", NONE, 0);
    check("retfq", run_out.rax == 1 && run_out.rsp == (uint64_t)(top + 2));
    top[0] = 1ull << 47, top[1] = 0x33;
    RUN(1, 0, 0, 0x48, 0xcb), expect("retfq, not canonical", (DWORD)AV, 0);
    top[0] = (uint64_t)code + 8, top[1] = 0x33, top[2] = 0x246 | 0x800, top[3] = (uint64_t)(top - 4), top[4] = 0x2b;
    RUN(1, 0, 0, 0x48, 0xcf, 0xb0, 2, 0x90, 0x90, 0x90, 0x90), expect("iretq", NONE, 0);
    check("iretq", run_out.rax == 1 && run_out.rsp == (uint64_t)(top - 4) && (run_out.rflags & 0xcd5) == 0x844);
    top[1] = 0x23;
    RUN(1, 0, 0, 0x48, 0xcf), expect("iretq to 32-bit code", (DWORD)AV, 0);
    top[1] = 0x33, top[4] = 0;
    RUN(1, 0, 0, 0x48, 0xcf), expect("iretq, no stack segment", (DWORD)AV, 0);
}

// ---- near branches to nowhere, prefixes, lengths

static void at_target(const char *what, uint64_t target, int64_t rsp)
{
    int ok = seen.code == (DWORD)AV && seen.rip == target && seen.kind == 8 && seen.address == target && seen.rsp == (uint64_t)top + rsp;
    if (!ok)
        printf("  %s: code %lx rip %llx kind %llx address %llx rsp %+lld\n", what, seen.code, (unsigned long long)seen.rip,
               (unsigned long long)seen.kind, (unsigned long long)seen.address, (long long)(seen.rsp - (uint64_t)top));
    check(what, ok);
}

static void branches(void)
{
    const uint64_t bad = 1ull << 47, nowhere = 0x30000000, kernel = 0xffff800000001000;
    static const uint8_t kinds[][4] = { { 1, 0xc3 }, { 3, 0xc2, 8, 0 }, { 2, 0xff, 0xe0 }, { 2, 0xff, 0xd0 }, { 3, 0xff, 0x24, 0x24 }, { 3, 0xff, 0x14, 0x24 } };
    static const int8_t moves[] = { 8, 16, 0, -8, 0, -8 };
    for (unsigned i = 0; i < 6; i++) {
        top[-1] = 0x1111, top[0] = bad;
        run(kinds[i] + 1, kinds[i][0], bad, 0, 0, 0x8d7);
        expect("a branch to an address that is not canonical", (DWORD)AV, 0);
        // The flags' image was pushed there; the call itself has not stored its return address.
        check("and nothing was pushed", top[-1] == 0x8d7 && (seen.rflags & 0xcd5) == 0x8d5);
        top[0] = nowhere;
        run(kinds[i] + 1, kinds[i][0], nowhere, 0, 0, 0x202);
        at_target("a branch to nowhere", nowhere, moves[i]);
        top[0] = kernel;
        run(kinds[i] + 1, kinds[i][0], kernel, 0, 0, 0x202);
        at_target("a branch into the kernel's half", kernel, moves[i]);
        if (moves[i] < 0)
            check("a call has pushed", top[-1] == (uint64_t)code + kinds[i][0]);
    }
    top[0] = (uint64_t)piece_back;
    RUN(5, 0, 0, 0x66, 0xc3), expect("66 ret", NONE, 0);
    check("66 ret", run_out.rsp == (uint64_t)(top + 1));
    RUN(5, 0, 0, 0x66, 0xe8, 0, 0, 0, 0, 0x58), expect("66 call", NONE, 0);
    check("66 call", run_out.rax == (uint64_t)code + 6);
    top[0] = 0xaaaabbbbccccdddd;
    RUN(0, 0, 0, 0x48, 0x89, 0xe5, 0x66, 0xc9), expect("66 leave", NONE, 0);
    check("66 leave", run_out.rsp == (uint64_t)top + 2);
    RUN(0, 0, 0, 0x48, 0x89, 0xe0, 0x66, 0xc8, 0x10, 0, 0, 0x48, 0x29, 0xe0), expect("66 enter", NONE, 0);
    check("66 enter", run_out.rax == 0x12);
    // Two levels: bp, the outer frame's pointer from below rbp, this frame's.
    ((uint16_t *)top)[-20] = 0xabcd;
    RUN(0, (uint64_t)((uint16_t *)top - 19), 0, 0x48, 0x89, 0xcd, 0x66, 0xc8, 0x40, 0, 2, 0x89, 0xe8), expect("66 enter, 2", NONE, 0);
    uint16_t *words = (uint16_t *)top;
    check("66 enter, 2", words[-1] == (uint16_t)(uint64_t)(words - 19) && words[-2] == 0xabcd && words[-3] == (uint16_t)(uint64_t)(words - 1)
                         && run_out.rsp == (uint64_t)top - 6 - 0x40);
    RAISES(AV, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90);
    RUN(0, 0, 0, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90), expect("15 bytes", NONE, 0);

    // Code at the end of its last page.
    uint8_t *two = VirtualAlloc(NULL, 8192, MEM_RESERVE, PAGE_EXECUTE_READWRITE);
    VirtualAlloc(two, 4096, MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    memset(two, 0x90, 4096);
    two[4094] = 0x48, two[4095] = 0xb8;
    run_in = (struct run){ .rsp = (uint64_t)top, .rflags = 0x202 };
    memset(&seen, 0, sizeof seen);
    piece_call(two + 4090);
    check("an instruction that goes on in a page that is not there", seen.code == (DWORD)AV && seen.rip == (uint64_t)two + 4094 && seen.kind == 8
                                                                     && seen.address == (uint64_t)two + 4096);
    memset(&seen, 0, sizeof seen);
    two[4094] = two[4095] = 0x90;
    FlushInstructionCache(GetCurrentProcess(), two, 4096);
    piece_call(two + 4090);
    check("running into it", seen.code == (DWORD)AV && seen.rip == (uint64_t)two + 4096 && seen.kind == 8 && seen.address == seen.rip);
}

static void refusals(void)
{
    RAISES(UD, 0x0f, 0x0b); RAISES(UD, 0x0f, 0xb9, 0xc0); RAISES(UD, 0x0f, 0xff, 0xc0); RAISES(UD, 0xce); RAISES(UD, 0x06); RAISES(UD, 0xd6);
    RAISES(UD, 0xf0, 0x90); RAISES(UD, 0xf0, 0x01, 0xc0); RAISES(UD, 0xf0, 0x8b, 0x04, 0x24); RAISES(UD, 0xf0, 0x0f, 0xa3, 0x04, 0x24);
    RAISES(UD, 0xf0, 0xc5, 0xf8, 0x77); RAISES(UD, 0x0f, 0x01, 0xca); RAISES(UD, 0x0f, 0x01, 0xc9); RAISES(UD, 0x0f, 0xaa); RAISES(UD, 0x0f, 0x37);
    RAISES(UD, 0x0f, 0x01, 0xfc); RAISES(UD, 0x0f, 0x01, 0xcf); RAISES(UD, 0x0f, 0x01, 0xc5); RAISES(UD, 0xf3, 0x0f, 0x01, 0xe8);
    RAISES(PRIVILEGED, 0xf4); RAISES(PRIVILEGED, 0xfa); RAISES(PRIVILEGED, 0xfb); RAISES(PRIVILEGED, 0xec); RAISES(PRIVILEGED, 0xe6, 0x80);
    RAISES(PRIVILEGED, 0x6c); RAISES(PRIVILEGED, 0xf3, 0x6e); RAISES(PRIVILEGED, 0x0f, 0x32); RAISES(PRIVILEGED, 0x0f, 0x30); RAISES(PRIVILEGED, 0x0f, 0x06);
    RAISES(PRIVILEGED, 0x0f, 0x08); RAISES(PRIVILEGED, 0x0f, 0x09); RAISES(PRIVILEGED, 0x0f, 0x20, 0xc0); RAISES(PRIVILEGED, 0x0f, 0x22, 0xc0);
    RAISES(PRIVILEGED, 0x0f, 0x21, 0xc0); RAISES(PRIVILEGED, 0x0f, 0x01, 0x14, 0x24); RAISES(PRIVILEGED, 0x0f, 0x00, 0xd8);
    RAISES(PRIVILEGED, 0x0f, 0x01, 0xf8); RAISES(PRIVILEGED, 0x0f, 0x07); RAISES(PRIVILEGED, 0x0f, 0x01, 0x3c, 0x24); RAISES(PRIVILEGED, 0x0f, 0x35);
    RAISES(AV, 0x0f, 0x33); RAISES(AV, 0x0f, 0x34); RAISES(AV, 0xcd, 0x01); RAISES(AV, 0xcd, 0x80); RAISES(AV, 0xcd, 0x2e); RAISES(AV, 0xcd, 0xff);
    RUN(0, 0, 0, 0xcc), expect("int3", EXCEPTION_BREAKPOINT, 0);
    RUN(0, 0, 0, 0xcd, 3), expect("int 3 of two bytes", EXCEPTION_BREAKPOINT, 1);
    RUN(0, 0, 0, 0xcd, 0x2c), expect("int 2c", 0xC0000420, 0);
    RUN(0, 0, 0, 0xcd, 0x2d), expect("int 2d", EXCEPTION_BREAKPOINT, 2);
    RUN(0, 0, 0, 0xf1), expect("int1", EXCEPTION_SINGLE_STEP, 1);
    RUN(0, 0, 0, 0xf3, 0x0f, 0x1e, 0xfa, 0xf3, 0x48, 0x0f, 0x1e, 0xc8, 0x0f, 0x1f, 0x00, 0x0f, 0x0d, 0x08), expect("hints", NONE, 0);
    RUN(0, 0, 0, 0x48, 0xbd, 0, 0, 0, 0, 0, 0x80, 0, 0, 0x48, 0x8b, 0x45, 0), expect("#SS", (DWORD)AV, 10);
}

// ---- single steps

static int stepped(const char *what, const uint8_t *offsets, unsigned count)
{
    int ok = step_count >= count;
    for (unsigned i = 0; i < count && ok; i++)
        ok = steps[i] - (uint64_t)code == offsets[i];
    if (!ok) {
        printf("  %s:", what);
        for (unsigned i = 0; i < step_count; i++)
            printf(" %llx", (unsigned long long)(steps[i] - (uint64_t)code));
        puts("");
    }
    check(what, ok);
    return ok;
}
#define STEPS(what, offsets, ...) do { \
        static const uint8_t b_[] = { 0x68, 2, 3, 0, 0, 0x9d, __VA_ARGS__ }, o_[] = offsets; \
        step_count = 0; stepping = 1; run(b_, sizeof b_, 0, 0, 0, 0x202); stepping = 0; \
        stepped(what, o_, sizeof o_); } while (0)           // push 302; popfq
#define LIST(...) { __VA_ARGS__ }

static void single_steps(void)
{
    STEPS("plain instructions", LIST(7, 9, 0xe, 0x11), 0x90, 0x89, 0xc9, 0xb8, 5, 0, 0, 0, 0x48, 0xff, 0xc0);
    check("they did what they do", run_out.rax == 6);
    STEPS("branches", LIST(8, 0xa), 0xeb, 0, 0x74, 0, 0x90);
    STEPS("a call and a return", LIST(0xd, 0xb, 0xe, 0xf), 0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3, 0x90);
    STEPS("a string", LIST(0xb, 0xe, 0x11, 0x11, 0x11, 0x13, 0x14), 0xb9, 3, 0, 0, 0, 0x48, 0x89, 0xe7, 0x48, 0x89, 0xfe, 0xf3, 0xa4, 0x90);
    STEPS("no round of a string", LIST(8, 0xa), 0x31, 0xc9, 0xf3, 0xa4, 0x90);
    STEPS("the stack segment", LIST(0xb, 0xe, 0xf), 0xb8, 0x2b, 0, 0, 0, 0x8e, 0xd0, 0x90, 0x90);
    STEPS("instructions of the kernel", LIST(8, 0xa), 0xd9, 0xe8, 0xdd, 0xd8);
    STEPS("int1 is a trap of its own", LIST(7, 8), 0xf1, 0x90);
    static const uint8_t clear[] = { 0x68, 2, 3, 0, 0, 0x9d, 0x68, 2, 2, 0, 0, 0x9d, 0x90, 0x90 };
    step_count = 0, stepping = 1;
    run(clear, sizeof clear, 0, 0, 0, 0x202);
    stepping = 0;
    static const uint8_t after_clear[] = { 0xb, 0xc };
    stepped("popfq that clears TF", after_clear, 2);
    static const uint8_t flags[] = { 0x68, 2, 3, 0, 0, 0x9d, 0x9c, 0x58 };
    step_count = 0, stepping = 1;
    run(flags, sizeof flags, 0, 0, 0, 0x202);
    stepping = 0;
    check("pushfq shows TF", run_out.rax & 0x100);
    static const uint8_t fault[] = { 0x68, 2, 3, 0, 0, 0x9d, 0x0f, 0x0b };
    run(fault, sizeof fault, 0, 0, 0, 0x202);
    expect("a fault comes before the trap", (DWORD)UD, 6);
    check("and shows TF", seen.rflags & 0x100);
    static const uint8_t kept[] = { 0x9c, 0x58, 0x48, 0x0d, 0, 0x40, 0x24, 0, 0x50, 0x9d, 0x9c, 0x58 };      // NT, AC, ID
    run(kept, sizeof kept, 0, 0, 0, 0x202);
    check("NT, AC and ID are kept", (run_out.rax & 0x244000) == 0x244000);
}

int main(void)
{
    code = VirtualAlloc(NULL, 65536, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
    AddVectoredExceptionHandler(1, handler);
    advertised();
    halves();
    xsave_family();
    segments();
    branches();
    refusals();
    single_steps();
    printf("%u failed\n", failed);
    return failed ? 1 : 0;
}
#endif
