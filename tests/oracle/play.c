// SPDX-License-Identifier: MIT
// An arm64 Linux program: reads vectors (vector.h) from stdin, runs each sequence through decoder and lowering, compares bit for bit.
//
//   play [-m MAX] [-t] [-f FEATURES] [-n NUMBER] [-v]
//     -m MAX   instructions a region may have (1: every instruction a region of its own; 0: the default)
//     -s       code that verifies itself, many operands read at run time
//     -r       nobody is known to read flags that a function returns, until somebody does
//     -t       memory order TSO        -f  comma list of lse lrcpc lrcpc2 flagm flagm2 crc32 aes sha
//     -n N     only vector N           -v  print the code of what fails
//
// What the kernel's runtime does for translated code is done here by a SIGTRAP handler: the lowering is told to write BRK instead
// of SVC. A signal frame carries the registers both ways, as in record.c.
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include "emu/lower/lower.h"
#include "emu/run/ctx.h"
#include "emu/x64/x64.h"
#include "tests/oracle/vector.h"

#define ARM_BASE  0x5a6000000000ull         // first page: the dispatcher stub
#define ARM_WORDS (1u << 18)
#define CTX_BASE  0x5a6100000000ull
#define SHADOW_BASE 0x5a6100100000ull
#define GS_PAGE   0x5a6200000000ull
#define TABLE     0x5a6300000000ull         // branch target table: empty
#define GS_PAGE_BYTES 4096u

static const uint8_t arm_of[16] = { 8, 0, 1, 27, 31, 29, 25, 26, 2, 3, 4, 5, 19, 20, 21, 22 };

// ---- translations of the running vector
struct region { uint32_t start, words, point_first, point_count; };
static uint32_t *const arm_code = (uint32_t *)ARM_BASE;
static uint32_t arm_used;
static struct region regions[4096];
static unsigned region_count;
static struct lower_point points[1 << 16];
static struct lower_entry entries[1 << 14];
static struct lower_exit exits[1 << 14];
static unsigned point_count, entry_count, exit_count, entry_first;         // entries before the first one are too old to be found
static uint64_t entry_base[1 << 14], exit_base[1 << 14];
static uint8_t checked[2][8192];
static _Alignas(16) uint8_t work[LOWER_WORK_BYTES];

static bool is_loose(void *context, uint64_t va, unsigned bytes)
{
    (void)context;
    return (va ^ va >> 5 ^ bytes) % 3 != 0;
}
static struct lower_config config = { .stub_indirect = ARM_BASE, .stub_return = ARM_BASE + 4, .trap_by_brk = true, .is_loose = is_loose };
static struct oracle_vector vector;
static struct oracle_state result;
static unsigned outcome;
static uint64_t *const gs_bytes = (uint64_t *)(GS_PAGE + ORACLE_GS_FIRST);
static bool running, verbose, no_readers;
static unsigned handler_calls, readers;
#define LEFT_TO_KERNEL "left to the kernel: "
static const char *complaint;

static size_t read_code(void *context, uint64_t va, uint8_t *buffer, size_t max)
{
    (void)context;
    uint64_t slot = oracle_slot(vector.number);
    if (va < slot || va >= slot + ORACLE_SLOT_BYTES)
        return 0;
    size_t n = slot + ORACLE_SLOT_BYTES - va;
    n = n < max ? n : max;
    memcpy(buffer, (void *)va, n);
    return n;
}
static bool never_ec(void *context, uint64_t va) { (void)context, (void)va; return false; }
static const struct code_source source = { read_code, never_ec, 0, NULL };

// Address of the arm64 code for rip; 0: not executable; complaint set: cannot be translated. `once`: this one instruction alone.
static uint64_t translate(uint64_t rip, bool once)
{
    for (unsigned i = entry_first; i < entry_count && !once; i++)
        if (entries[i].rip == rip)
            return entry_base[i] + entries[i].offset;
    config.code_va = ARM_BASE + arm_used * 4;
    struct lower_result r = {
        .code = arm_code + arm_used, .code_capacity = ARM_WORDS - arm_used, .work = work,
        .entries = entries + entry_count, .entry_capacity = (1 << 14) - entry_count,
        .exits = exits + exit_count, .exit_capacity = (1 << 14) - exit_count,
        .checked = checked[0], .checked_mask = checked[1], .checked_capacity = sizeof checked[0],
        .points = points + point_count, .point_capacity = (1 << 16) - point_count,
    };
    enum lower_status s = lower_region(&config, &source, rip, &r);
    if (s == LOWER_NOT_EXECUTABLE)
        return 0;
    if (s != LOWER_OK) {
        complaint = s == LOWER_FULL ? "lower_region: full" : "lower_region: defect";
        return 0;
    }
    __builtin___clear_cache((char *)r.code, (char *)(r.code + r.code_count));
    for (unsigned i = 0; i < r.entry_count; i++)
        entry_base[entry_count + i] = config.code_va;
    for (unsigned i = 0; i < r.exit_count; i++)
        exit_base[exit_count + i] = config.code_va;
    regions[region_count++] = (struct region){ arm_used, r.code_count, point_count, r.point_count };
    arm_used += r.code_count;
    uint64_t address = config.code_va + entries[entry_count].offset;
    if (!once)
        entry_count += r.entry_count;
    exit_count += r.exit_count;
    point_count += r.point_count;
    return address;
}

static uint64_t region_of(uint64_t pc)      // where its code starts
{
    uint64_t start = 0;
    for (unsigned i = 0; i < region_count && ARM_BASE + regions[i].start * 4ull <= pc; i++)
        start = ARM_BASE + regions[i].start * 4ull;
    return start;
}

static const struct lower_point *find_point(uint64_t pc)
{
    for (unsigned i = 0; i < region_count; i++) {
        uint64_t start = ARM_BASE + regions[i].start * 4ull;
        if (pc < start || pc >= start + regions[i].words * 4ull)
            continue;
        const struct lower_point *best = 0;
        for (unsigned j = 0; j < regions[i].point_count; j++)
            if (points[regions[i].point_first + j].offset <= pc - start)
                best = &points[regions[i].point_first + j];
        return best;
    }
    return 0;
}

// ---- signal frames
static struct fpsimd_context *fpsimd(ucontext_t *u)
{
    uint8_t *p = (uint8_t *)u->uc_mcontext.__reserved;
    for (;;) {
        uint32_t magic, bytes;
        memcpy(&magic, p, 4);
        memcpy(&bytes, p + 4, 4);
        if (magic == 0x46508001)
            return (struct fpsimd_context *)p;
        if (!magic)
            abort();
        p += bytes;
    }
}

static mcontext_t home;
static struct fpsimd_context home_fp;

static uint64_t *arm_register(ucontext_t *u, unsigned x64)
{
    return x64 == X64_RSP ? (uint64_t *)&u->uc_mcontext.sp : (uint64_t *)&u->uc_mcontext.regs[arm_of[x64]];
}

static int32_t *df(void) { return (int32_t *)(CTX_BASE + CTX_DF); }
static uint32_t *fp_form(void) { return (uint32_t *)(CTX_BASE + CTX_FP_FORM); }

static void finish(ucontext_t *u, unsigned how, uint64_t rip, uint32_t flags)
{
    outcome = how;
    for (unsigned i = 0; i < 16; i++)
        result.gpr[i] = *arm_register(u, i);
    result.rip = rip;
    result.rflags = flags | (*df() < 0 ? X64_DF : 0);
    memcpy(result.fx, vector.in.fx, sizeof result.fx);
    memcpy(result.fx + ORACLE_FX_XMM, fpsimd(u)->vregs, 256);
    memcpy(result.high, (void *)(CTX_BASE + CTX_YMM_HIGH), sizeof result.high);
    uint32_t fpsr = fpsimd(u)->fpsr;
    result.fx[ORACLE_FX_MXCSR] |= (uint8_t)((fpsr & 1) | (fpsr >> 1 & 15) << 2 | (*fp_form() == CTX_FORM_IE));
    running = false;
    *fpsimd(u) = home_fp;
    u->uc_mcontext = home;
    *fpsimd(u) = home_fp;
    u->uc_mcontext.pc += 4;
}

static uint32_t flags_now(ucontext_t *u, const struct lower_point *p)
{
    static const struct lower_point canonical = { 0 };
    uint32_t flags;
    lower_recover_flags(p ? p : &canonical, (const uint64_t *)u->uc_mcontext.regs, u->uc_mcontext.sp, (uint32_t)u->uc_mcontext.pstate, &flags);
    return flags;
}

static void go(ucontext_t *u, uint64_t rip)
{
    uint64_t at = translate(rip, false);
    if (!at)
        finish(u, complaint ? ORACLE_LOST : ORACLE_PAGE_FAULT, rip, flags_now(u, 0));
    else
        u->uc_mcontext.pc = at;
}

// ---- SVC_EMU_INSN: the few instructions the lowering leaves to the kernel.
static uint64_t operand_value(ucontext_t *u, const struct x64_insn *i, const struct x64_operand *o)
{
    uint64_t value = 0;
    if (o->kind == X64_OPD_GPR)
        return *arm_register(u, o->reg);
    const struct x64_mem *m = &i->mem;
    uint64_t at = m->base == X64_REG_RIP ? m->address : (uint64_t)m->disp + (m->base < 16 ? *arm_register(u, m->base) : 0) +
                  (m->index < 16 ? *arm_register(u, m->index) * m->scale : 0);
    if (m->address_size == 4)
        at &= 0xffffffff;
    if (m->segment == X64_GS)
        at += GS_PAGE;
    memcpy(&value, (void *)at, o->size);
    return value;
}

static void execute(ucontext_t *u, uint64_t rip, const struct lower_point *p)
{
    struct x64_insn i;
    x64_decode((void *)rip, 15, rip, &i);
    uint64_t *rax = arm_register(u, X64_RAX), *rdx = arm_register(u, X64_RDX);
    if ((i.op == X64_DIV || i.op == X64_IDIV) && i.opd[0].size == 8) {
        unsigned __int128 n = (unsigned __int128)*rdx << 64 | *rax;
        uint64_t d = operand_value(u, &i, &i.opd[0]);
        if (i.op == X64_DIV) {
            if (!d || n / d >> 64) {
                finish(u, ORACLE_DIVIDE, rip, flags_now(u, p));
                return;
            }
            *rax = (uint64_t)(n / d);
            *rdx = (uint64_t)(n % d);
        } else {
            __int128 sn = (__int128)n, sd = (int64_t)d;
            bool min = n == (unsigned __int128)1 << 127 && sd == -1;
            if (!d || min || sn / sd != (int64_t)(sn / sd)) {
                finish(u, ORACLE_DIVIDE, rip, flags_now(u, p));
                return;
            }
            *rax = (uint64_t)(sn / sd);
            *rdx = (uint64_t)(sn % sd);
        }
        u->uc_mcontext.pc += 4;
        return;
    }
    static char text[128];
    char name[96];
    x64_format(&i, name, sizeof name);
    snprintf(text, sizeof text, LEFT_TO_KERNEL "%s", name);
    complaint = text;
    finish(u, ORACLE_LOST, rip, flags_now(u, p));
}

static void on_trap(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    ucontext_t *u = context;
    uint64_t pc = u->uc_mcontext.pc;
    uint32_t word;
    memcpy(&word, (void *)pc, 4);
    unsigned immediate = word >> 5 & 0xffff;
    if (!running) {                                         // the way in
        home = u->uc_mcontext;
        home_fp = *fpsimd(u);
        running = true;
        uint64_t x23, x24;
        uint32_t nzcv;
        lower_flags_in((uint32_t)vector.in.rflags, &x23, &x24, &nzcv);
        for (unsigned i = 0; i < 31; i++)
            u->uc_mcontext.regs[i] = 0xdead0000dead0000ull + i;
        for (unsigned i = 0; i < 16; i++)
            *arm_register(u, i) = vector.in.gpr[i];
        u->uc_mcontext.regs[23] = x23;
        u->uc_mcontext.regs[24] = x24;
        u->uc_mcontext.regs[18] = GS_PAGE;
        u->uc_mcontext.regs[28] = CTX_BASE;
        u->uc_mcontext.regs[13] = TABLE;
        u->uc_mcontext.regs[14] = SHADOW_BASE + CTX_SHADOW_BYTES - 16;  // one entry, which never matches
        u->uc_mcontext.pstate = (u->uc_mcontext.pstate & 0x0fffffff) | nzcv;
        *df() = vector.in.rflags & X64_DF ? -1 : 1;
        memcpy(fpsimd(u)->vregs, vector.in.fx + ORACLE_FX_XMM, 256);
        memcpy((void *)(CTX_BASE + CTX_YMM_HIGH), vector.in.high, sizeof vector.in.high);
        fpsimd(u)->fpsr = 0;
        *fp_form() = 0;
        go(u, vector.code_va);
        return;
    }
    if (++handler_calls > 2000000) {
        complaint = "does not end";
        finish(u, ORACLE_LOST, 0, 0);
        return;
    }
    const struct lower_point *p = find_point(pc);
    switch (immediate) {
    case SVC_EMU_LINK:
        for (unsigned i = 0; i < exit_count; i++)
            if (exit_base[i] + exits[i].stub == pc) {
                go(u, exits[i].target);
                for (unsigned e = entry_first; e < entry_count && exits[i].paired; e++)
                    if (entries[e].call != LOWER_NO_CALL && u->uc_mcontext.pc == entry_base[e] + entries[e].offset)
                        u->uc_mcontext.pc = entry_base[e] + entries[e].call;
                return;
            }
        complaint = "svc at no link stub";
        break;
    case SVC_EMU_MISS:
        go(u, u->uc_mcontext.regs[9]);
        return;
    case SVC_EMU_TRAP: {
        uint64_t rip = p->rip;
        struct x64_insn i;
        if (x64_decode((void *)rip, 15, rip, &i) == X64_OK) {
            if (rip == vector.code_va + vector.code_bytes)
                finish(u, ORACLE_END, rip, flags_now(u, p));
            else if (i.op == X64_INT3)
                finish(u, ORACLE_BREAKPOINT, rip + i.length, flags_now(u, p));
            else if (i.op == X64_UD2)
                finish(u, ORACLE_INVALID_OPCODE, rip, flags_now(u, p));
            else if (i.op == X64_CMPXCHG16B || x64_op_info(i.op)->attributes & (X64_A_PRIVILEGED | X64_A_IO) || i.form & X64_F_ALIGNED)
                finish(u, ORACLE_GENERAL, rip, flags_now(u, p));
            else {
                static char text[128];
                char name[96];
                x64_format(&i, name, sizeof name);
                snprintf(text, sizeof text, "not lowered: %s", name);
                complaint = text;
                finish(u, ORACLE_LOST, rip, flags_now(u, p));
            }
        } else {
            finish(u, ORACLE_INVALID_OPCODE, rip, flags_now(u, p));
        }
        return;
    }
    case SVC_EMU_DIVIDE:
        finish(u, ORACLE_DIVIDE, p->rip, flags_now(u, p));
        return;
    case SVC_EMU_READER:                                    // old code stays, but is found no more
        config.no_readers = false;
        readers++;
        entry_first = entry_count;
        go(u, p->rip);
        return;
    case SVC_EMU_INSN:
        execute(u, p->rip, p);
        return;
    default:
        complaint = "unknown trap";
    }
    finish(u, ORACLE_LOST, 0, 0);
}

static bool within(uint64_t at, unsigned bytes, uint64_t base, uint64_t length)
{
    return at >= base && at <= base + length - bytes;
}

// An ordered access that is not aligned: LDAR and its kind are done here; an exclusive means a locked operation, which is then
// run as x64 instruction without LOCK. (The kernel does likewise, with the other cores held.)
static bool unaligned(ucontext_t *u, const struct lower_point *p)
{
    static const struct { uint32_t mask, value; bool load, offset; } forms[] = {
        { 0x3ffffc00, 0x08dffc00, true, false }, { 0x3ffffc00, 0x38bfc000, true, false }, { 0x3fe00c00, 0x19400000, true, true },
        { 0x3ffffc00, 0x089ffc00, false, false }, { 0x3fe00c00, 0x19000000, false, true },
    };
    uint32_t word;
    memcpy(&word, (void *)u->uc_mcontext.pc, 4);
    unsigned bytes = 1u << (word >> 30), rn = word >> 5 & 31, rt = word & 31;
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        if ((word & forms[i].mask) != forms[i].value)
            continue;
        uint64_t at = rn == 31 ? u->uc_mcontext.sp : u->uc_mcontext.regs[rn], value = 0;
        if (forms[i].offset)
            at += (uint64_t)((int64_t)((uint64_t)word << 43) >> 55);
        uint64_t window = forms[i].load ? ORACLE_WINDOW_BYTES : ORACLE_READ_ONLY;
        if (!within(at, bytes, ORACLE_WINDOW_BASE, window) && !within(at, bytes, GS_PAGE, GS_PAGE_BYTES) &&
            !(forms[i].load && within(at, bytes, ORACLE_CODE_BASE, ORACLE_CODE_BYTES)))
            return false;
        if (forms[i].load) {
            memcpy(&value, (void *)at, bytes);
            if (rt != 31)
                u->uc_mcontext.regs[rt] = value;
        } else {
            value = rt == 31 ? 0 : u->uc_mcontext.regs[rt];
            memcpy((void *)at, &value, bytes);
        }
        u->uc_mcontext.pc += 4;
        return true;
    }
    if ((word & 0x3f400000) != 0x08400000 && (word & 0x3f200c00) != 0x38200000)     // load exclusive, CASAL; LDADDAL, SWPAL and so on
        return false;
    uint64_t x23, x24, rip = p->rip;
    uint32_t nzcv;
    lower_flags_in(flags_now(u, p), &x23, &x24, &nzcv);
    u->uc_mcontext.regs[23] = x23;
    u->uc_mcontext.regs[24] = x24;
    u->uc_mcontext.pstate = (u->uc_mcontext.pstate & 0x0fffffff) | nzcv;
    struct lower_config usual = config;
    config.model = MODEL_PLAIN;
    config.features.lse = false;
    config.max_instructions = 1;
    u->uc_mcontext.pc = translate(rip, true);
    config = usual;
    return true;
}

// Two pushes or pops as one access (emu/run/svc.c, split_pair): does the first if that is not the one that faults. Its length, or 0.
static unsigned split_pair(ucontext_t *u, const struct lower_point *p)
{
    uint32_t word;
    struct x64_insn first;
    memcpy(&word, (void *)u->uc_mcontext.pc, 4);
    bool push = (word & ~CTX_PAIR_REGISTERS) == CTX_PAIR_PUSH;
    if ((!push && (word & ~CTX_PAIR_REGISTERS) != CTX_PAIR_POP) || x64_decode((void *)p->rip, 15, p->rip, &first) != X64_OK)
        return 0;
    uint64_t *value = (uint64_t *)&u->uc_mcontext.regs[push ? word >> 10 & 31 : word & 31];
    uint64_t at = push ? u->uc_mcontext.sp - 8 : u->uc_mcontext.sp;
    if (!within(at, 8, ORACLE_WINDOW_BASE, push ? ORACLE_READ_ONLY : ORACLE_WINDOW_BYTES) && !within(at, 8, GS_PAGE, GS_PAGE_BYTES) &&
        (push || !within(at, 8, ORACLE_CODE_BASE, ORACLE_CODE_BYTES)))
        return 0;
    if (push)
        memcpy((void *)at, value, 8);
    else
        memcpy(value, (void *)at, 8);
    u->uc_mcontext.sp += push ? -8ull : 8;
    return first.length;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    const struct lower_point *p = running ? find_point(u->uc_mcontext.pc) : 0;
    if (number == SIGBUS && p && unaligned(u, p))
        return;
    if (!p) {
        fprintf(stderr, "play: signal %d at pc %#llx, address %p, vector %u\n", number, (unsigned long long)u->uc_mcontext.pc, info->si_addr, vector.number);
        _exit(4);
    }
    if (p->retry && number == SIGSEGV) {
        u->uc_mcontext.pc = region_of(u->uc_mcontext.pc) + p->retry;
        return;
    }
    struct lower_point at = *p;
    u->uc_mcontext.sp += (uint64_t)(int64_t)p->rsp;
    unsigned done = number == SIGILL ? 0 : split_pair(u, p);
    if (done)
        lower_point_popped(&at);
    uint32_t flags = flags_now(u, &at);
    lower_recover_registers(p, (uint64_t *)u->uc_mcontext.regs);
    finish(u, number == SIGILL ? ORACLE_INVALID_OPCODE : ORACLE_PAGE_FAULT, p->rip + done, flags);
    if (number == SIGILL)
        complaint = "arm64 instruction is undefined";
}

// ---- comparison
static const char *const gpr_names[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
static const char *const outcome_names[] = { "end", "#PF", "#GP", "#DE", "#BP", "#DB", "#UD", "#XM", "#MF", "#AC", "lost" };

static void flag_letters(uint64_t flags, char *text)
{
    static const struct { uint16_t bit; char letter; } f[] = { { X64_OF, 'O' }, { X64_DF, 'D' }, { X64_SF, 'S' }, { X64_ZF, 'Z' }, { X64_AF, 'A' }, { X64_PF, 'P' }, { X64_CF, 'C' } };
    for (unsigned i = 0; i < 7; i++)
        *text++ = flags & f[i].bit ? f[i].letter : '-';
    *text = 0;
}

static const uint64_t *xmm_of(const struct oracle_state *s, unsigned i) { return (const uint64_t *)(s->fx + ORACLE_FX_XMM) + i * 2; }
static uint16_t mxcsr_of(const struct oracle_state *s) { return (uint16_t)(s->fx[ORACLE_FX_MXCSR] | s->fx[ORACLE_FX_MXCSR + 1] << 8); }

// The exceptions that the lowering tracks by itself: all but DE, which arm64 has only when it flushes; and UE only where rounding cannot
// make a tiny result normal.
static uint16_t mxcsr_mask(void)
{
    uint16_t mask = 0x3d;
    for (unsigned at = 0; at < vector.code_bytes;) {
        struct x64_insn i;
        if (x64_decode(vector.code + at, vector.code_bytes - at, vector.code_va + at, &i) != X64_OK)
            break;
        if (x64_op_info(i.op)->isa == X64_ISA_FMA || i.op == X64_VCVTPS2PH)
            mask &= (uint16_t)~0x10;
        at += i.length;
    }
    return mask;
}

static void print_difference(const char *name, unsigned number, const uint64_t *in, const uint64_t *expected, const uint64_t *got)
{
    if (memcmp(expected, got, 16))
        printf("  %s%u in %016" PRIx64 "'%016" PRIx64 " expected %016" PRIx64 "'%016" PRIx64 " got %016" PRIx64 "'%016" PRIx64 "\n", name, number,
               in[1], in[0], expected[1], expected[0], got[1], got[0]);
}

static void print_failure(const char *why)
{
    printf("vector %u: %s\n", vector.number, why);
    for (unsigned at = 0; at < vector.code_bytes;) {
        struct x64_insn i;
        char text[96] = "?";
        unsigned n = 1;
        if (x64_decode(vector.code + at, vector.code_bytes - at, vector.code_va + at, &i) == X64_OK) {
            x64_format(&i, text, sizeof text);
            n = i.length;
        }
        printf("  %03x ", at);
        for (unsigned j = 0; j < n; j++)
            printf("%02x", vector.code[at + j]);
        printf("%*s%s\n", n < 12 ? 24 - 2 * n : 1, "", text);
        at += n;
    }
    for (unsigned i = 0; verbose && i < 16; i++)
        printf("  %s %016" PRIx64 "%s", gpr_names[i], vector.in.gpr[i], i % 4 == 3 ? "\n" : "");
    for (unsigned i = 1024; verbose && i < arm_used; i++)
        printf("  %#llx %08x\n", ARM_BASE + i * 4, arm_code[i]);
    char a[8], b[8], c[8];
    flag_letters(vector.in.rflags, a);
    flag_letters(vector.out.rflags & vector.flags_mask, b);
    flag_letters(result.rflags & vector.flags_mask, c);
    printf("  mxcsr expected %04x got %04x\n", mxcsr_of(&vector.out), mxcsr_of(&result));
    printf("  outcome expected %s at %#" PRIx64 " got %s at %#" PRIx64 "; flags in %s expected %s got %s\n", outcome_names[vector.outcome],
           vector.out.rip, outcome_names[outcome], result.rip, a, b, c);
    for (unsigned i = 0; i < 16; i++)
        if (vector.out.gpr[i] != result.gpr[i])
            printf("  %s in %016" PRIx64 " expected %016" PRIx64 " got %016" PRIx64 "\n", gpr_names[i], vector.in.gpr[i], vector.out.gpr[i], result.gpr[i]);
    for (unsigned i = 0; i < 16; i++)
        print_difference("xmm", i, xmm_of(&vector.in, i), xmm_of(&vector.out, i), xmm_of(&result, i));
    for (unsigned i = 0; i < 16; i++)
        print_difference("upper ymm", i, vector.in.high[i], vector.out.high[i], result.high[i]);
}

static uint64_t memory_before[ORACLE_MEMORY_BYTES / 8], memory_expected[ORACLE_MEMORY_BYTES / 8];

static uint64_t *memory_word(unsigned i)
{
    return i < ORACLE_WINDOW_BYTES / 8 ? (uint64_t *)ORACLE_WINDOW_BASE + i : gs_bytes + (i - ORACLE_WINDOW_BYTES / 8);
}

static void fill_memory(uint64_t seed)
{
    static uint64_t filled;
    if (seed != filled)
        oracle_memory_fill(memory_before, filled = seed);
    mprotect((void *)(ORACLE_WINDOW_BASE + ORACLE_READ_ONLY), ORACLE_WINDOW_BYTES - ORACLE_READ_ONLY, PROT_READ | PROT_WRITE);
    memcpy((void *)ORACLE_WINDOW_BASE, memory_before, ORACLE_WINDOW_BYTES);
    memcpy(gs_bytes, memory_before + ORACLE_WINDOW_BYTES / 8, ORACLE_GS_BYTES);
    memcpy(memory_expected, memory_before, sizeof memory_expected);
    mprotect((void *)(ORACLE_WINDOW_BASE + ORACLE_READ_ONLY), ORACLE_WINDOW_BYTES - ORACLE_READ_ONLY, PROT_READ);
}

// A faulting store that crosses into the read-only page may leave its first part behind: arm64 does not promise otherwise.
static bool memory_agrees(void)
{
    bool agrees = true;
    for (unsigned i = 0, shown = 0; i < ORACLE_MEMORY_BYTES / 8; i++) {
        bool open = vector.outcome == ORACLE_PAGE_FAULT && i >= ORACLE_READ_ONLY / 8 - 2 && i < ORACLE_READ_ONLY / 8;
        if (*memory_word(i) == memory_expected[i] || open)
            continue;
        if (agrees)
            print_failure("memory differs");
        agrees = false;
        if (shown++ < 8)
            printf("  [%p] expected %016" PRIx64 " got %016" PRIx64 "\n", (void *)memory_word(i), memory_expected[i], *memory_word(i));
    }
    return agrees;
}

// What only the kernel executes cannot be played here.
static bool skipped(void) { return complaint && !strncmp(complaint, LEFT_TO_KERNEL, strlen(LEFT_TO_KERNEL)); }

static bool run_vector(void)
{
    config.no_readers = no_readers;
    arm_used = 1024;
    region_count = entry_count = entry_first = exit_count = point_count = 0;
    complaint = 0;
    handler_calls = 0;
    outcome = ORACLE_LOST;
    mprotect((void *)ORACLE_CODE_BASE, ORACLE_CODE_BYTES, PROT_READ | PROT_WRITE);
    memset((void *)oracle_slot(vector.number), 0xcc, ORACLE_SLOT_BYTES);
    memcpy((void *)vector.code_va, vector.code, vector.code_bytes);
    memcpy((void *)(vector.code_va + vector.code_bytes), "\x0f\x0b", 2);
    mprotect((void *)ORACLE_CODE_BASE, ORACLE_CODE_BYTES, PROT_READ);
    __asm__ volatile("brk #0xf000" ::: "memory");
    if (skipped())
        return false;
    if (complaint)
        print_failure(complaint);
    else if (outcome != vector.outcome)
        print_failure("another outcome");
    else if (result.rip != vector.out.rip)
        print_failure("another rip");
    else if (memcmp(result.gpr, vector.out.gpr, sizeof result.gpr))
        print_failure("registers differ");
    else if ((result.rflags ^ vector.out.rflags) & vector.flags_mask)
        print_failure("flags differ");
    else if (memcmp(result.fx + ORACLE_FX_XMM, vector.out.fx + ORACLE_FX_XMM, 256))
        print_failure("xmm registers differ");
    else if (memcmp(result.high, vector.out.high, sizeof result.high))
        print_failure("upper halves of ymm registers differ");
    else if ((mxcsr_of(&result) ^ mxcsr_of(&vector.out)) & mxcsr_mask())
        print_failure("MXCSR's exceptions differ");
    else
        return memory_agrees();
    return false;
}

static bool read_all(void *to, size_t bytes)
{
    return fread(to, 1, bytes, stdin) == bytes;
}

int main(int argc, char **argv)
{
    long only = -1;
    for (int c; (c = getopt(argc, argv, "m:ltsrf:n:v")) != -1;) {
        switch (c) {
        case 'm': config.max_instructions = (uint32_t)atoi(optarg); break;
        case 'l': config.large = true; break;
        case 't': config.model = MODEL_TSO; break;
        case 's': config.verify = true; break;
        case 'r': no_readers = true; break;
        case 'f':
            config.features.lse = strstr(optarg, "lse") != 0;
            config.features.lrcpc = strstr(optarg, "lrcpc") != 0;
            config.features.lrcpc2 = strstr(optarg, "lrcpc2") != 0;
            config.features.flagm = strstr(optarg, "flagm") != 0;
            config.features.flagm2 = strstr(optarg, "flagm2") != 0;
            config.features.crc32 = strstr(optarg, "crc32") != 0;
            config.features.aes = config.features.pmull = strstr(optarg, "aes") != 0;
            config.features.sha1 = config.features.sha2 = strstr(optarg, "sha") != 0;
            break;
        case 'n': only = atol(optarg); break;
        case 'v': verbose = true; break;
        default: return 2;
        }
    }
    mmap((void *)ORACLE_WINDOW_BASE, ORACLE_WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap((void *)GS_PAGE, GS_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (mmap((void *)TABLE, CTX_TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return 3;
    for (unsigned i = 0; i <= CTX_TABLE_FLAGS + 1; i++)                                 // as emu/run/table.c does
        if (i < 2 || i >= CTX_TABLE_FLAGS)
            *(uint64_t *)(TABLE + 16 * i + 8) = *(uint64_t *)(TABLE + CTX_SECOND_OFFSET + 16 * i + 8) = 32;
    mmap((void *)ORACLE_CODE_BASE, ORACLE_CODE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap((void *)ARM_BASE, ARM_WORDS * 4, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (mmap((void *)CTX_BASE, CTX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return perror("mmap"), 2;
    static const uint16_t selectors[] = CTX_SELECTORS_INITIAL;
    memcpy((void *)(CTX_BASE + CTX_SELECTORS), selectors, sizeof selectors);
    if (mmap((void *)SHADOW_BASE, CTX_SHADOW_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return perror("mmap"), 2;
    arm_code[0] = 0xd4200000 | SVC_EMU_MISS << 5;
    arm_code[1] = 0xd10041ce;                           // a RET without its entry: sub x14, x14, #16 (stubs.S)
    arm_code[2] = arm_code[0];
    static uint8_t stack[1 << 16];
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, 0);
    struct sigaction trap = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaction(SIGTRAP, &trap, 0);
    sigaction(SIGSEGV, &fault, 0);
    sigaction(SIGBUS, &fault, 0);
    sigaction(SIGILL, &fault, 0);
    unsigned passed = 0, failed = 0, left_out = 0;
    while (read_all(&vector, sizeof vector)) {
        if (vector.magic != ORACLE_MAGIC)
            return fprintf(stderr, "play: not a vector\n"), 2;
        fill_memory(vector.window_seed);
        for (uint32_t i = 0; i < vector.change_count; i++) {
            struct oracle_change c;
            if (!read_all(&c, sizeof c))
                return 2;
            memory_expected[c.offset / 8] = c.value;
        }
        if (only >= 0 && vector.number != only)
            continue;
        if (run_vector())
            passed++;
        else if (skipped())
            left_out++;
        else
            failed++;
    }
    if (no_readers)
        printf("%u read flags that were returned\n", readers);
    printf("%u left to the kernel, not played\n%u passed, %u failed\n", left_out, passed, failed);
    return failed != 0;
}
