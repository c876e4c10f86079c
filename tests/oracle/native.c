// SPDX-License-Identifier: MIT
//
// native.c - see native.h.
//
// Window and code are shared memory mapped twice: where the sequence sees them, with the protection it sees, and once more for us to
// write through. So nothing is mapped or protected from one sequence to the next, except that of the code only the pages of the running
// vector can be read.
//
// While a sequence runs, fs base is 0, so the C library cannot be called: the way into every handler and out of it is assembly.
#define _GNU_SOURCE
#include "tests/oracle/native.h"
#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, EDGE_BYTES = ORACLE_EDGES * PAGE, TICKS_MAX = 4, TICK_MICROSECONDS = 10000,
       CODE_SELECTOR = 0x33 };

struct oracle_change native_changes[ORACLE_MEMORY_BYTES / 8];
uint64_t native_memory[ORACLE_MEMORY_BYTES / 8];

static uint64_t *window, *gs_bytes;     // our view
static uint8_t *code, *edges;           // our view; the edge pages without the holes
static uint64_t filled_seed;
static uint64_t open_page, open_bytes;  // of the code, as the sequence sees it

static struct oracle_vector *volatile running;
static volatile unsigned ticks;
static uint8_t home_fx[32];
static greg_t home_gregs[NGREG];
static pid_t process;
__attribute__((used)) uint64_t native_home_fs;

static const int gregs[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

// ---- the XSAVE area of a signal frame (SDM vol. 1, 13.4; the kernel's struct _fpx_sw_bytes is at byte 464)
enum { AREA_BV = 512, AREA_HIGH = 576, BV_X87 = 1, BV_SSE = 2, BV_AVX = 4 };

static uint8_t *frame_area(ucontext_t *u)
{
    uint8_t *area = (uint8_t *)u->uc_mcontext.fpregs;
    uint32_t magic;
    uint64_t features;
    memcpy(&magic, area + 464, 4);
    memcpy(&features, area + 472, 8);
    if (magic != 0x46505853 || (features & 7) != 7)
        _exit(4);
    return area;
}

static void get_vectors(ucontext_t *u, struct oracle_state *s)
{
    uint8_t *area = frame_area(u);
    uint64_t present;
    memcpy(&present, area + AREA_BV, 8);
    memcpy(s->fx, area, ORACLE_FX_USED);
    memset(s->fx + ORACLE_FX_USED, 0, sizeof s->fx - ORACLE_FX_USED);
    memset(s->fx + ORACLE_FX_MXCSR_MASK, 0, 4);
    memcpy(s->high, area + AREA_HIGH, sizeof s->high);
    // Components in their initial state need not be there.
    if (!(present & BV_X87)) {
        memset(s->fx, 0, 24);
        s->fx[0] = 0x7f, s->fx[1] = 3;
        memset(s->fx + ORACLE_FX_ST, 0, 128);
    }
    if (!(present & BV_SSE))
        memset(s->fx + ORACLE_FX_XMM, 0, 256);
    if (!(present & BV_AVX))
        memset(s->high, 0, sizeof s->high);
}

static void put_vectors(ucontext_t *u, const struct oracle_state *s)
{
    uint8_t *area = frame_area(u);
    uint64_t present;
    memcpy(area, s->fx, ORACLE_FX_MXCSR_MASK);
    memcpy(area + ORACLE_FX_ST, s->fx + ORACLE_FX_ST, ORACLE_FX_USED - ORACLE_FX_ST);
    memcpy(area + AREA_HIGH, s->high, sizeof s->high);
    memcpy(&present, area + AREA_BV, 8);
    present |= BV_X87 | BV_SSE | BV_AVX;
    memcpy(area + AREA_BV, &present, 8);
}

// ---- in and out
static void enter(ucontext_t *u)
{
    struct oracle_vector *v = running;
    memcpy(home_gregs, u->uc_mcontext.gregs, sizeof home_gregs);
    memcpy(home_fx, frame_area(u), sizeof home_fx);
    for (unsigned i = 0; i < 16; i++)
        u->uc_mcontext.gregs[gregs[i]] = (greg_t)v->in.gpr[i];
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)v->in.rip;
    u->uc_mcontext.gregs[REG_EFL] = (greg_t)v->in.rflags;
    put_vectors(u, &v->in);
}

static enum oracle_outcome outcome_of(const struct oracle_vector *v, int number, const greg_t *g)
{
    if (number == SIGVTALRM || (g[REG_CSGSFS] & 0xffff) != CODE_SELECTOR)     // a far transfer into 32-bit mode
        return ORACLE_LOST;
    switch (g[REG_TRAPNO]) {                        // exception vectors: SDM vol. 3, table 6-1
    case 0: return ORACLE_DIVIDE;
    case 1: return ORACLE_DEBUG;
    case 3: return ORACLE_BREAKPOINT;
    case 6: return v->out.rip == v->code_va + v->code_bytes && !oracle_is_edge(v) ? ORACLE_END : ORACLE_INVALID_OPCODE;
    case 12: case 13: return ORACLE_GENERAL;
    case 14: return ORACLE_PAGE_FAULT;
    case 16: return ORACLE_X87;
    case 17: return ORACLE_ALIGNMENT;
    case 19: return ORACLE_SIMD;
    default: return ORACLE_LOST;
    }
}

static void leave(int number, ucontext_t *u)
{
    struct oracle_vector *v = running;
    const greg_t *g = u->uc_mcontext.gregs;
    for (unsigned i = 0; i < 16; i++)
        v->out.gpr[i] = (uint64_t)g[gregs[i]];
    v->out.rip = (uint64_t)g[REG_RIP];
    v->out.rflags = (uint64_t)g[REG_EFL];
    get_vectors(u, &v->out);
    v->outcome = outcome_of(v, number, g);
    v->fault_address = v->outcome == ORACLE_PAGE_FAULT ? (uint64_t)g[REG_CR2] : 0;
    v->fault_access = v->outcome != ORACLE_PAGE_FAULT ? 0 : g[REG_ERR] & 16 ? ORACLE_EXECUTE : g[REG_ERR] & 2 ? ORACLE_WRITE : ORACLE_READ;
    running = 0;
    memcpy(u->uc_mcontext.gregs, home_gregs, sizeof home_gregs);
    memcpy(frame_area(u), home_fx, sizeof home_fx);
}

// True: on to the sequence.
__attribute__((used)) bool native_signal(int number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    if (number == SIGUSR1 && running) {
        enter(u);
        return true;
    }
    if (!running && number == SIGVTALRM)
        return false;
    if (!running) {
        dprintf(2, "record: signal %d, address %p, at %#llx: not by a sequence\n", number, info->si_addr,
                (unsigned long long)u->uc_mcontext.gregs[REG_RIP]);
        _exit(3);
    }
    if (number == SIGVTALRM && ++ticks < TICKS_MAX)
        return true;
    leave(number, u);
    return false;
}

// fs base by system call, which every processor and kernel has. A wild POPF may have set AC, under which compiled code faults on its
// first unaligned access.
static __attribute__((naked)) void handler(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    __asm__("push %rdi; push %rsi; push %rdx\n"
            "pushfq; andl $~0x40000, (%rsp); popfq\n"
            "mov $158, %eax; mov $0x1002, %edi; mov native_home_fs(%rip), %rsi; syscall\n"
            "pop %rdx; pop %rsi; pop %rdi\n"
            "sub $8, %rsp; call native_signal; add $8, %rsp\n"
            "test %al, %al; jz 1f\n"
            "mov $158, %eax; mov $0x1002, %edi; xor %esi, %esi; syscall\n"
            "1: ret");
}

// ---- the world
static void *shared(size_t bytes, int *file)
{
    *file = memfd_create("oracle", 0);
    if (*file < 0 || ftruncate(*file, (off_t)bytes))
        return MAP_FAILED;
    return mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
}

static bool show(uint64_t at, size_t bytes, int protection, int file, off_t offset)
{
    return mmap((void *)at, bytes, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, file, offset) == (void *)at;
}

static bool map_world(void)
{
    int window_file, code_file, edge_file;
    window = shared(ORACLE_WINDOW_BYTES, &window_file);
    code = shared(ORACLE_CODE_BYTES, &code_file);
    edges = shared(EDGE_BYTES, &edge_file);
    // gs: the bytes end where a page ends, and the page behind is not mapped.
    uint8_t *gs = mmap(0, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (window == MAP_FAILED || code == MAP_FAILED || edges == MAP_FAILED || gs == MAP_FAILED || mprotect(gs + PAGE, PAGE, PROT_READ | PROT_WRITE))
        return false;
    gs_bytes = (uint64_t *)(gs + 2 * PAGE - ORACLE_GS_BYTES);
    memset(code, 0xcc, ORACLE_CODE_BYTES);
    memset(edges, 0xcc, EDGE_BYTES);
    if (!show(ORACLE_WINDOW_BASE, ORACLE_READ_ONLY, PROT_READ | PROT_WRITE, window_file, 0) ||
        !show(ORACLE_WINDOW_BASE + ORACLE_READ_ONLY, ORACLE_WINDOW_BYTES - ORACLE_READ_ONLY, PROT_READ, window_file, ORACLE_READ_ONLY) ||
        !show(ORACLE_CODE_BASE, ORACLE_CODE_BYTES, PROT_NONE, code_file, 0))
        return false;
    for (unsigned i = 0; i < ORACLE_EDGES; i++)
        if (!show(ORACLE_EDGE_BASE + i * ORACLE_EDGE_STRIDE, PAGE, PROT_NONE, edge_file, i * PAGE))
            return false;
    return !syscall(SYS_arch_prctl, ARCH_GET_FS, &native_home_fs) &&
           !syscall(SYS_arch_prctl, ARCH_SET_GS, (uint8_t *)gs_bytes - ORACLE_GS_FIRST);
}

bool native_open(void)
{
    static uint8_t stack[1 << 16];
    static const int numbers[] = { SIGUSR1, SIGSEGV, SIGBUS, SIGFPE, SIGTRAP, SIGILL, SIGVTALRM };
    struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct itimerval tick = { { 0, TICK_MICROSECONDS }, { 0, TICK_MICROSECONDS } };
    process = getpid();
    if (!map_world() || sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, 0))
        return false;
    sigfillset(&a.sa_mask);
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], &a, 0))
            return false;
    return !setitimer(ITIMER_VIRTUAL, &tick, 0);
}

static uint64_t *our_word(unsigned i)
{
    return i < ORACLE_WINDOW_BYTES / 8 ? window + i : gs_bytes + (i - ORACLE_WINDOW_BYTES / 8);
}

void native_fill(uint64_t seed)
{
    if (seed == filled_seed)
        return;
    filled_seed = seed;
    oracle_memory_fill(native_memory, seed);
    memcpy(window, native_memory, ORACLE_WINDOW_BYTES);
    memcpy(gs_bytes, (uint8_t *)native_memory + ORACLE_WINDOW_BYTES, ORACLE_GS_BYTES);
}

// Notes what the sequence changed, and undoes it.
static uint32_t take_changes(void)
{
    enum { BLOCK = 32 };
    uint32_t count = 0;
    for (unsigned from = 0; from < ORACLE_MEMORY_BYTES / 8; from += BLOCK) {
        if (!memcmp(our_word(from), native_memory + from, BLOCK * 8))
            continue;
        for (unsigned i = from; i < from + BLOCK; i++)
            if (*our_word(i) != native_memory[i]) {
                native_changes[count++] = (struct oracle_change){ i * 8, *our_word(i) };
                *our_word(i) = native_memory[i];
            }
    }
    return count;
}

static uint8_t *our_code(const struct oracle_vector *v)
{
    if (!oracle_is_edge(v))
        return code + (v->code_va - ORACLE_CODE_BASE);
    uint64_t offset = v->code_va - ORACLE_EDGE_BASE;
    return edges + offset / ORACLE_EDGE_STRIDE * PAGE + offset % ORACLE_EDGE_STRIDE;
}

// Of all code only the pages of this vector can be read.
static void open_code(const struct oracle_vector *v)
{
    uint64_t slot = oracle_slot(v->number), page = slot & ~(PAGE - 1ull);
    uint64_t bytes = ((slot + ORACLE_SLOT_BYTES - 1) & ~(PAGE - 1ull)) - page + PAGE;
    if (oracle_is_edge(v))
        page = oracle_edge_page(v->number), bytes = PAGE;
    if (page == open_page && bytes == open_bytes)
        return;
    if (open_page)
        mprotect((void *)open_page, open_bytes, PROT_NONE);
    mprotect((void *)page, bytes, PROT_READ | PROT_EXEC);
    open_page = page;
    open_bytes = bytes;
}

enum oracle_outcome native_run(struct oracle_vector *v)
{
    uint8_t *bytes = our_code(v);
    unsigned tail = oracle_is_edge(v) ? 0 : 2;
    memcpy(bytes, v->code, v->code_bytes);
    memcpy(bytes + v->code_bytes, "\x0f\x0b", tail);
    open_code(v);
    ticks = 0;
    running = v;
    // The selectors are those of Windows where Linux has such descriptors: ds, es, ss 2B, cs 33. A sequence may have loaded others.
    __asm__ volatile("mov %0, %%ds; mov %0, %%es" ::"r"(0x2b));
    syscall(SYS_tgkill, process, process, SIGUSR1);
    memset(bytes, 0xcc, v->code_bytes + tail);
    v->change_count = take_changes();
    return (enum oracle_outcome)v->outcome;
}
