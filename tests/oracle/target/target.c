// SPDX-License-Identifier: MIT
// Replays recorded vectors (tests/oracle/vector.h) on Janus and compares bit for bit. An ARM64EC program: what it does itself is
// native code, and every sequence goes through what programs go through: NtContinue in, translated code, an exception out.
//
//   target FILE [tso] [fast] [step] [trace] [from N] [to N]
//     tso      with a second thread: the process keeps x86-TSO
//     fast     the process stays in the fast floating-point model as long as it can: DE and UE, of which that model does not know
//              exactly, are not compared; vectors that need the exact model come last, in it
//     step     with TF set: an exception after every instruction
//     trace    prints each number before the vector runs, so that the last one tells what hung or broke the machine
//     from, to numbers in the file
//
// Prints (`S steps`,) `mismatch NUMBER` and details for each vector that differs and ends with `N vectors, M mismatches`.
#include "tests/oracle/target/target.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "emu/run/ctx.h"
#include "kernel/abi/process.h"

enum { DETAILED_MAX = 2000, EXCEPTION_STACK_BYTES = 256 * 1024, TF = 0x100, MXCSR_DE = 2, MXCSR_UE = 16 };

static const struct oracle_vector *vectors[ORACLE_SLOTS];
static uint32_t count, current, last, mismatches, steps;
static uint8_t *cpu_area;                   // what the translator keeps of this thread (emu/run/ctx.h)
static uint32_t exact_from;                 // vectors from here on run in the exact floating-point model
static bool running, stepping, tracing, fast, exact, becoming_exact;

static void fail(const char *why)
{
    printf("target: %s\n", why);
    fflush(stdout);
    ExitProcess(2);
}

// What the fast floating-point model cannot keep (an exception that is not masked, FTZ, DAZ) ends it.
static bool needs_exact(const struct oracle_vector *v)
{
    // Looking at MXCSR ends it too: 0F AE, 0F C7 and VEX with AE, perhaps, wherever such bytes stand.
    for (uint32_t i = 0; i + 1 < v->code_bytes; i++) {
        const uint8_t *c = v->code + i;
        if ((c[0] == 0x0f && (c[1] == 0xae || c[1] == 0xc7)) || (c[0] == 0xc5 && i + 2 < v->code_bytes && c[2] == 0xae)
            || (c[0] == 0xc4 && i + 3 < v->code_bytes && c[3] == 0xae))
            return true;
    }
    uint32_t mxcsr;
    memcpy(&mxcsr, v->in.fx + ORACLE_FX_MXCSR, 4);
    return (mxcsr & 0x9fc0) != 0x1f80;
}

// The process gets into the exact floating-point model, for good, by a context with an exception that is not masked.
static void begin_exact(void)
{
    struct oracle_state state = { .rip = ORACLE_CODE_BASE };        // UD2 (memory_write_code)
    memcpy(state.fx + ORACLE_FX_FCW, &(uint16_t){ 0x37f }, 2);
    memcpy(state.fx + ORACLE_FX_MXCSR, &(uint32_t){ 0x1f00 }, 4);
    running = becoming_exact = exact = true;
    context_enter(&state);
}

// ---- running: each exception ends one sequence and begins the next
static void begin(void)
{
    if (current == last) {
        if (stepping)
            printf("%u steps\n", steps);
        printf("%u vectors, %u mismatches\n", last, mismatches);
        fflush(stdout);
        ExitProcess(mismatches ? 1 : 0);
    }
    if (!exact && current >= exact_from)
        begin_exact();
    const struct oracle_vector *v = vectors[current];
    if (tracing) {
        printf("vector %u\n", v->number);
        fflush(stdout);
    }
    memory_prepare(v->window_seed);
    static const uint16_t selectors[] = CTX_SELECTORS_INITIAL;
    memcpy(cpu_area + CTX_SELECTORS, selectors, sizeof selectors);      // a sequence may have loaded others, and no context sets them
    struct oracle_state in = v->in;
    in.rflags |= stepping ? TF : 0;
    running = true;
    context_enter(&in);
}

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *pointers)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    if (!running)
        return EXCEPTION_CONTINUE_SEARCH;
    if (becoming_exact) {
        running = becoming_exact = false;
        begin();
    }
    const struct oracle_vector *v = vectors[current];
    if (stepping && record->ExceptionCode == EXCEPTION_SINGLE_STEP && v->outcome != ORACLE_DEBUG) {
        pointers->ContextRecord->EFlags |= TF;
        steps++;
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    running = false;
    static struct ending ending;
    ending.code = record->ExceptionCode;
    ending.parameters = record->NumberParameters;
    ending.kind = record->ExceptionInformation[0];
    ending.address = record->ExceptionInformation[1];
    if (!context_read(pointers->ContextRecord, &ending.state))
        fail("the context of an exception has no extended state");
    if (!compare(v, &ending, exact ? ~0u : ~(MXCSR_DE | MXCSR_UE), mismatches < DETAILED_MAX))
        mismatches++;
    current++;
    begin();
    return EXCEPTION_CONTINUE_SEARCH;
}

// ---- setting up
static bool in_its_place(const struct oracle_vector *v)
{
    if (oracle_is_edge(v))
        return v->code_va + v->code_bytes == oracle_edge_page(v->number) + 0x1000;
    return v->code_va >= oracle_slot(v->number) && v->code_va + v->code_bytes + 2 <= oracle_slot(v->number) + ORACLE_SLOT_BYTES;
}

static void load(const char *path)
{
    HANDLE file = CreateFileA(path, GENERIC_READ, 0, 0, OPEN_EXISTING, 0, 0);
    LARGE_INTEGER size = { 0 };
    DWORD done = 0;
    if (file == INVALID_HANDLE_VALUE || !GetFileSizeEx(file, &size))
        fail("the file of vectors cannot be opened");
    uint8_t *bytes = VirtualAlloc(0, size.QuadPart, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (!bytes || !ReadFile(file, bytes, (DWORD)size.QuadPart, &done, 0) || done != size.QuadPart)
        fail("the file of vectors cannot be read");
    for (uint64_t at = 0; at < done;) {
        const struct oracle_vector *v = (const void *)(bytes + at);
        if (count == ORACLE_SLOTS || done - at < sizeof *v || v->magic != ORACLE_MAGIC || v->code_bytes > ORACLE_CODE_MAX
            || v->change_count > (done - at - sizeof *v) / sizeof(struct oracle_change) || v->outcome >= ORACLE_LOST
            || !in_its_place(v))
            fail("the file of vectors is malformed");
        vectors[count++] = v;
        at += sizeof *v + v->change_count * sizeof(struct oracle_change);
    }
}

// Those that need it last.
static void order_by_model(void)
{
    static const struct oracle_vector *all[ORACLE_SLOTS];
    uint32_t at = 0;
    memcpy(all, vectors, sizeof all);
    for (uint32_t i = 0; i < count; i++)
        if (!needs_exact(all[i]))
            vectors[at++] = all[i];
    exact_from = at;
    for (uint32_t i = 0; i < count; i++)
        if (needs_exact(all[i]))
            vectors[at++] = all[i];
}

static DWORD WINAPI observe(void *event)
{
    return WaitForSingleObject(event, INFINITE);
}

// Exceptions of x64 code are delivered there (emu/run/ctx.h), whatever the sequence has made of rsp.
static void use_exception_stack(void)
{
    cpu_area = *(uint8_t **)((uint8_t *)NtCurrentTeb() + TEB_CPU_AREA);
    uint8_t *stack = VirtualAlloc(0, EXCEPTION_STACK_BYTES, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (!stack)
        fail("no memory");
    *(uint64_t *)(cpu_area + CTX_STACK_LIMIT) = (uint64_t)stack;
    *(uint64_t *)(cpu_area + CTX_STACK_BASE) = (uint64_t)stack + EXCEPTION_STACK_BYTES;
}

int main(int argc, char **argv)
{
    uint32_t from = 0, to = UINT32_MAX;
    if (argc < 2)
        fail("name a file of vectors");
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "tso")) {
            if (!CreateThread(0, 0, observe, CreateEventA(0, TRUE, FALSE, 0), 0, 0))
                fail("no second thread");
        } else if (!strcmp(argv[i], "fast")) {
            fast = true;
        } else if (!strcmp(argv[i], "step")) {
            stepping = true;
        } else if (!strcmp(argv[i], "trace")) {
            tracing = true;
        } else if (!strcmp(argv[i], "from") && i + 1 < argc) {
            from = (uint32_t)strtoul(argv[++i], 0, 10);
        } else if (!strcmp(argv[i], "to") && i + 1 < argc) {
            to = (uint32_t)strtoul(argv[++i], 0, 10);
        } else {
            fail("unknown argument");
        }
    }
    load(argv[1]);
    if (!memory_map() || !memory_write_code(vectors, count))
        fail("window and code cannot be where they belong");
    if (!context_prepare())
        fail("no context with extended state");
    use_exception_stack();
    AddVectoredExceptionHandler(1, on_exception);
    last = to < count ? to : count;
    current = from < last ? from : last;
    if (fast)
        order_by_model();
    begin();
    return 2;
}
