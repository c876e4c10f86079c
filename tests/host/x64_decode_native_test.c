// SPDX-License-Identifier: MIT
// link: -lZydis
//
// The decoder against the processor this runs on, the last judge: does an encoding raise #UD, and where does it end? Each string
// is executed once in a process of its own, all general registers pointing into a buffer, UD2 behind it. #UD at its first byte
// means that it is none; at the UD2, that it is as long as the decoder says. Any other exception tells only that it exists.
//
// Not executed: what enters the kernel or another decoder's prefixes alone. Where this processor has more than the decoder's, Zydis must know the
// instruction; where it has less, the instruction must be of an extension. On a host that is not x64 there is nothing to ask.
#define _GNU_SOURCE                     // REG_RIP
#include "emu/x64/x64.h"
#include "tests/host/check.h"
#include <Zydis/Zydis.h>

#if defined(__x86_64__)
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { STRING = 16, DATA_BYTES = 1 << 20 };

static uint8_t *code, *data;
static volatile struct outcome { int signal; int64_t at; } *outcome;
static ZydisDecoder zydis;
static unsigned strings, valid, agreements, every;

static void caught(int signal, siginfo_t *info, void *context)
{
    (void)info;
    outcome->at = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] - (int64_t)(uintptr_t)code;
    outcome->signal = signal;
    _exit(0);
}

static void prepare(void)
{
    static const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGALRM, SIGSYS };
    static uint8_t stack[1 << 16];
    code = mmap((void *)0x20000000, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    data = mmap((void *)0x30000000, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    outcome = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED || data == MAP_FAILED || outcome == MAP_FAILED)
        abort();
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
    struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
}

static void execute(const uint8_t *bytes, unsigned length)
{
    memset(code, 0xcc, 64);
    memcpy(code, bytes, length);
    code[length] = 0x0f, code[length + 1] = 0x0b;
    outcome->signal = 0;
    pid_t child = fork();
    if (!child) {
        struct itimerval soon = { .it_value = { .tv_usec = 300000 } };      // an endless loop
        setitimer(ITIMER_REAL, &soon, NULL);
        __asm__ volatile("mov %%rax, %%rsp; push %%rdx; mov %%rax, %%rbx; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi; mov %%rax, %%rdi\n"
                         "mov %%rax, %%rbp; mov %%rax, %%r8; mov %%rax, %%r9; mov %%rax, %%r10; mov %%rax, %%r11; mov %%rax, %%r12; mov %%rax, %%r13\n"
                         "mov %%rax, %%r14; mov %%rax, %%r15; ret" : : "a"(data + DATA_BYTES / 2), "d"(code) : "memory");
        __builtin_unreachable();
    }
    int status;
    waitpid(child, &status, 0);
}

// ---- what is known

static bool starts(const uint8_t *bytes, const char *hex)
{
    unsigned value;
    for (; *hex; hex += 2, bytes++)
        if (sscanf(hex, "%2x", &value) != 1 || value != *bytes)
            return false;
    return true;
}

// Without prefixes.
static const uint8_t *opcode(const uint8_t *bytes)
{
    while (*bytes == 0x66 || *bytes == 0xf0 || *bytes == 0xf2 || *bytes == 0xf3 || (*bytes & 0xf0) == 0x40)
        bytes++;
    return bytes;
}

static struct { const char *difference, *opcode; const char *why; unsigned seen; } explained[] = {
    { "we reject", "0f01c1", "VMCALL under a prefix: a hypervisor may emulate it before the processor's #UD reaches anybody", 0 },
    { "we reject", "0f20", "LOCK MOV CR0 is MOV CR8 on AMD processors (APM MOV CRn): #GP at CPL 3; #UD on Intel's", 0 },
    { "we reject", "0f22", "likewise", 0 },
    { "we reject", "0f00", "LOCK VERW with memory: microcode that replaced VERW on some AMD processors raises #GP", 0 },
    { "we reject", "c4e37d00", "VPERMQ with W = 0: #UD by the manual (SDM VPERMQ: W1), an AMD processor was seen to ignore W", 0 },
    { "we reject", "c4e37d01", "VPERMPD with W = 0: likewise", 0 },
    { "we accept", "0f01e8", "SERIALIZE: an extension (SDM SERIALIZE)", 0 },
    { "we accept", "0faa", "RSM: #UD outside system management mode (SDM RSM)", 0 },
    { "we accept", "0f0d", "0F 0D with a register: NOP on Intel processors, #UD on AMD's (APM PREFETCH)", 0 },
    { "we accept", "0f37", "GETSEC: #UD without SMX (SDM GETSEC)", 0 },
    { "we accept", "0f01c8", "MONITOR: #UD at CPL 3 (SDM MONITOR)", 0 },
    { "we accept", "0f01c9", "MWAIT: #UD at CPL 3 (SDM MWAIT)", 0 },
};
static unsigned more, fewer;            // extensions

static bool is_explained(const char *difference, const uint8_t *bytes, const struct x64_insn *ours)
{
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
        if (!strcmp(explained[i].difference, difference) && starts(opcode(bytes), explained[i].opcode))
            return ++explained[i].seen;
    if (!strcmp(difference, "we reject") && ZYAN_SUCCESS(ZydisDecoderDecodeFull(&zydis, bytes, STRING, &theirs, operands)))
        return ++more;
    if (!strcmp(difference, "we accept") && x64_op_info(ours->op)->isa > X64_ISA_SSE2)
        return ++fewer;
    return false;
}

static unsigned reported;

static void check(const uint8_t *chosen, unsigned length)
{
    uint8_t bytes[STRING] = { 0 };
    struct x64_insn ours = { 0 };
    static unsigned turn;
    if (turn++ % every)
        return;
    memcpy(bytes, chosen, length);
    bool ok = x64_decode(bytes, STRING, (uintptr_t)code, &ours) == X64_OK;
    if (ok && (ours.op == X64_UD0 || ours.op == X64_UD1 || ours.op == X64_UD2 || ours.op == X64_SYSCALL || ours.op == X64_SYSENTER || ours.op == X64_INT))
        return;
    unsigned end = ok ? ours.length : 15;
    execute(bytes, end);
    int signal = outcome->signal;
    int64_t at = outcome->at;
    bool undefined = signal == SIGILL && at == 0;
    const char *difference = ok && undefined ? "we accept" : !ok && !undefined ? "we reject" : NULL;
    if (ok && !undefined && x64_flow(&ours) == X64_FLOW_NEXT && (signal == SIGILL || signal == SIGTRAP) && at != end)
        difference = "length";
    strings++;
    valid += ok;
    agreements += !difference;
    if (difference && !is_explained(difference, bytes, &ours) && reported++ < 50) {
        char text[100] = "";
        if (ok)
            x64_format(&ours, text, sizeof text);
        printf("%s: %02x %02x %02x %02x %02x %02x %02x  %s: signal %d at %d\n", difference, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5],
               bytes[6], text, signal, (int)at);
    }
}

static bool is_left_out(size_t escape, unsigned opcode)
{
    static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x62, 0x64, 0x65, 0x66, 0x67, 0xc4, 0xc5, 0xd5, 0xf0, 0xf2, 0xf3, 0x0f };
    if (escape == 0)
        return (opcode & 0xf0) == 0x40 || memchr(prefixes, (int)opcode, sizeof prefixes);
    return escape == 1 && (opcode == 0x38 || opcode == 0x3a);
}

static void legacy(void)
{
    static const struct { unsigned length; uint8_t bytes[2]; } prefixes[] = {
        { 0, { 0 } }, { 1, { 0x66 } }, { 1, { 0xf2 } }, { 1, { 0xf3 } }, { 1, { 0x48 } }, { 2, { 0x66, 0x48 } }, { 2, { 0xf2, 0x48 } },
        { 2, { 0xf3, 0x48 } }, { 1, { 0xf0 } },
    };
    static const struct { unsigned length; uint8_t bytes[2]; } escapes[] = { { 0, { 0 } }, { 1, { 0x0f } }, { 2, { 0x0f, 0x38 } }, { 2, { 0x0f, 0x3a } } };
    static const uint8_t modrm[] = { 0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0xc1, 0xc8, 0xd2, 0xdb, 0xe3, 0xe8, 0xf0, 0xf8, 0xff };
    for (size_t e = 0; e < 4; e++)
        for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++)
            for (unsigned o = 0; o < 256; o++)
                for (size_t m = 0; m < sizeof modrm && !is_left_out(e, o); m++) {
                    uint8_t bytes[8];
                    unsigned n = prefixes[p].length;
                    memcpy(bytes, prefixes[p].bytes, n);
                    memcpy(bytes + n, escapes[e].bytes, escapes[e].length);
                    n += escapes[e].length;
                    bytes[n++] = (uint8_t)o;
                    bytes[n++] = modrm[m];
                    check(bytes, n);
                }
}

static void vex(void)
{
    for (unsigned map = 1; map < 4; map++)
        for (unsigned wlpp = 0; wlpp < 16; wlpp++)
            for (unsigned o = 0; o < 256; o++)
                for (unsigned form = 0; form < 4; form++) {
                    uint8_t bytes[] = { 0xc4, (uint8_t)(0xe0 | map), (uint8_t)((wlpp & 8) << 4 | (wlpp & 7) | (form & 1 ? 0x78 : 0x50)), (uint8_t)o,
                                        form & 2 ? 0xd1 : 0x11 };
                    check(bytes, sizeof bytes);
                }
}

static void run(void (*generate)(void))
{
    reported = 0;
    generate();
    EXPECT_EQ(0, reported);
}

TEST(legacy_opcodes_exist_and_end_as_the_processor_says) { run(legacy); }
TEST(vex_opcodes_exist_and_end_as_the_processor_says) { run(vex); }

int main(int argc, char **argv)
{
    bool everything = argc > 1 && !strcmp(argv[1], "all");
    every = everything ? 1 : 101;
    prepare();
    ZydisDecoderInit(&zydis, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    int failed = check_run_all();
    if (!everything)
        return failed;
    printf("\nthis processor: explained differences of validity\n%10s  what\n", "strings");
    for (size_t i = 0; i < sizeof explained / sizeof *explained; i++)
        printf("%10u  %s %s: %s\n", explained[i].seen, explained[i].difference, explained[i].opcode, explained[i].why);
    printf("%10u  we reject an extension that this processor has and the decoder's has not; Zydis knows it\n", more);
    printf("%10u  we accept an extension that this processor does not have\n", fewer);
    printf("\n%u strings executed, %u instructions, %u agree, %u differ as explained above\n", strings, valid, agreements, strings - agreements);
    return failed;
}
#else
TEST(nothing_to_ask) { }
TEST_MAIN
#endif
