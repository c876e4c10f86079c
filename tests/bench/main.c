// SPDX-License-Identifier: MIT
// The measuring program: every workload twice, the first call (cold) and the second (warm), one line each for tests/bench/run:
//     NAME CHECKSUM cold-all cold-EL0 warm-all warm-EL0 x64-instructions x64-bytes regions cache-bytes
// With the argument "tso" a second thread exists meanwhile; with "hot" or "hot-tso" each workload has run for so long before that timer interrupts have
// found it, and the translator has made larger regions of it. "nothing" is a workload that does nothing: what measuring costs.
// With "again" it runs itself twice as another process, one after the other, with "once": every workload once, and a line
//     regions N X64-INSTRUCTIONS          of what that process had translated.
// As an ARM64EC program, with "bare 1" or "bare 2" the checker of indirect calls is one or two instructions that check nothing: what both runs
// differ by is how often it is called, and so what the program executes itself is known.
#include <stdio.h>
#include <string.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "tests/bench/bench.h"
#include "tests/bench/meter.h"

static uint64_t bench_nothing(uint64_t one) { return one; }

typedef uint64_t workload(uint64_t one);
static const struct { const char *name; workload *run; } workloads[] = {
    { "nothing", bench_nothing },
#define ROW(name) { #name, bench_##name },
    WORKLOADS(ROW)
#undef ROW
};

static volatile uint64_t one = 1;

static uint64_t difference(uint64_t before, uint64_t after)     // the two halves separately
{
    return ((after >> 32) - (before >> 32)) << 32 | (uint32_t)(after - before);
}

#if defined(__arm64ec__)
typedef void checker(void);
extern checker *volatile __os_arm64x_check_icall;    // the image's own; ntdll has filled it in (images/crt/chpe.S)
__attribute__((naked)) static void bare_one(void) { __asm__("ret"); }
__attribute__((naked)) static void bare_two(void) { __asm__("nop\n ret"); }
static checker *checker_meanwhile;

static int bare(unsigned instructions)
{
    DWORD old;
    if (!VirtualProtect((void *)&__os_arm64x_check_icall, sizeof(void *), PAGE_READWRITE, &old))
        return 0;
    checker_meanwhile = instructions == 0 ? __os_arm64x_check_icall : instructions == 1 ? bare_one : bare_two;
    return 1;
}

static uint64_t call(workload *run)
{
    checker *was = __os_arm64x_check_icall;
    __os_arm64x_check_icall = checker_meanwhile;
    uint64_t checksum = run(one);
    __os_arm64x_check_icall = was;
    return checksum;
}
#else
static int bare(unsigned instructions) { return !instructions; }
static uint64_t call(workload *run) { return run(one); }
#endif

static uint64_t measure(workload *run, uint64_t *checksum)
{
    uint64_t before = meter_instructions();
    *checksum = call(run);
    return difference(before, meter_instructions());
}

static void heat(workload *run)
{
    enum { HEAT_MS = 100 };             // time slices are 10 ms
    for (uint64_t end = GetTickCount64() + HEAT_MS; GetTickCount64() < end;)
        run(one);
}

static int show(const char *name, workload *run, int hot)
{
    struct meter_translator before, after;
    uint64_t first, second;
    if (hot)
        heat(run);
    if (!meter_translator(&before))
        return 0;
    uint64_t cold = measure(run, &first);
    if (!meter_translator(&after))
        return 0;
    uint64_t warm = measure(run, &second);
    if (first != second) {
        fprintf(stderr, "%s: the first call gives %llx, the second %llx\n", name, first, second);
        return 0;
    }
    printf("%s %016llx %u %u %u %u %llu %llu %llu %llu\n", name, first, (unsigned)cold, (unsigned)(cold >> 32), (unsigned)warm,
           (unsigned)(warm >> 32), after.x64_instructions - before.x64_instructions, after.x64_bytes - before.x64_bytes,
           after.regions - before.regions, after.cache_bytes - before.cache_bytes);
    return 1;
}

enum { FLOW_FEW = 1000, FLOW_MANY = 11000 };

// flow NAME hundredths of an EL0 instruction a round
static void show_flow(const char *name, void (*flow)(uint64_t))
{
    flow(FLOW_FEW);
    uint64_t start = meter_instructions();
    flow(FLOW_FEW);
    uint64_t middle = meter_instructions();
    flow(FLOW_MANY);
    uint64_t few = difference(start, middle) >> 32, many = difference(middle, meter_instructions()) >> 32;
    printf("flow %s %llu\n", name, (many - few) * 100 / (FLOW_MANY - FLOW_FEW));
}

// Calls that Arm64 code makes as they are, and ARM64EC code by way of tables and checkers.
__attribute__((noinline)) static void nothing(void) { __asm__ volatile(""); }
static void (*volatile nothing_at)(void) = nothing;
static void flow_import(uint64_t rounds) { while (rounds--) meter_nothing(); }
static void flow_pointer(uint64_t rounds) { while (rounds--) nothing_at(); }

static void show_flows(void)
{
    show_flow("import", flow_import);
    show_flow("pointer", flow_pointer);
}

static DWORD WINAPI sleeper(void *event)
{
    return WaitForSingleObject(event, INFINITE);
}

static int run_once(void)
{
    struct meter_translator total;
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        workloads[i].run(one);
    if (!meter_translator(&total))
        return 1;
    printf("regions %llu %llu\n", total.regions, total.x64_instructions);
    return 0;
}

static int run_again(const char *program)
{
    for (int i = 0; i < 2; i++) {
        char command[300];
        STARTUPINFOA startup = { .cb = sizeof startup };
        PROCESS_INFORMATION process;
        DWORD status = 1;
        snprintf(command, sizeof command, "\"%s\" once", program);
        if (!CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process))
            return 4;
        WaitForSingleObject(process.hProcess, INFINITE);
        if (!GetExitCodeProcess(process.hProcess, &status) || status)
            return 5;
        CloseHandle(process.hThread);
        CloseHandle(process.hProcess);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "once"))
        return run_once();
    if (argc > 1 && !strcmp(argv[1], "again"))
        return run_again(argv[0]);
    if (!meter_works()) {
        fprintf(stderr, "this machine does not count instructions: run it with --icount\n");
        return 2;
    }
    if (!bare(argc > 2 && !strcmp(argv[1], "bare") ? (unsigned)(argv[2][0] - '0') : 0))
        return 6;
    HANDLE event = NULL, thread = NULL;
    int hot = argc > 1 && !strncmp(argv[1], "hot", 3);
    if (argc > 1 && (!strcmp(argv[1], "tso") || !strcmp(argv[1], "hot-tso"))) {
        event = CreateEventW(NULL, TRUE, FALSE, NULL);
        thread = event ? CreateThread(NULL, 0, sleeper, event, 0, NULL) : NULL;
        if (!thread)
            return 3;
        Sleep(1);                       // it waits by now
    }
    uint64_t checksum;
    measure(bench_nothing, &checksum);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (!show(workloads[i].name, workloads[i].run, hot && workloads[i].run != bench_nothing))
            return 1;
    if (!hot)
        show_flows();
    if (thread) {
        SetEvent(event);
        WaitForSingleObject(thread, INFINITE);
    }
    return 0;
}
