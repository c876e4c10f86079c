// SPDX-License-Identifier: MIT
// bench-flow [readers] [tso]: what passing control costs in x64 code, one line for each loop of flow.S:
//     flow NAME hundredths of an EL0 instruction a round
// and before them a line "readers N": whether flags that a function returns are read in this process (emu/README.md), as the kernel says after the loops.
// With "readers" they are, by a call before all else; with "tso" a second thread exists meanwhile.
#include <stdio.h>
#include <string.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "tests/bench/flow.h"
#include "tests/bench/meter.h"

enum { FEW = 1000, MANY = 11000 };

static const struct { const char *name; void (*run)(uint64_t rounds); } flows[] = {
#define ROW(name) { #name, flow_##name },
    FLOWS(ROW)
#undef ROW
};
enum { COUNT = sizeof flows / sizeof *flows };
static uint64_t hundredths[COUNT];

static uint32_t user_instructions(void) { return (uint32_t)(meter_instructions() >> 32); }

static void measure(void)
{
    for (unsigned i = 0; i < COUNT; i++) {
        flows[i].run(FEW);
        uint32_t start = user_instructions();
        flows[i].run(FEW);
        uint32_t middle = user_instructions();
        flows[i].run(MANY);
        hundredths[i] = ((uint64_t)(user_instructions() - middle) - (middle - start)) * 100 / (MANY - FEW);
    }
}

static DWORD WINAPI sleeper(void *event) { return WaitForSingleObject(event, INFINITE); }

int main(int argc, char **argv)
{
    struct meter_translator translator;
    int readers = 0, tso = 0;
    for (int i = 1; i < argc; i++) {
        readers |= !strcmp(argv[i], "readers");
        tso |= !strcmp(argv[i], "tso");
    }
    if (!meter_works()) {
        fprintf(stderr, "this machine does not count instructions: run it with --icount\n");
        return 2;
    }
    HANDLE event = tso ? CreateEventW(NULL, TRUE, FALSE, NULL) : NULL, thread = event ? CreateThread(NULL, 0, sleeper, event, 0, NULL) : NULL;
    if (tso && !thread)
        return 3;
    if (tso)
        Sleep(1);                           // it waits by now
    if (readers && !read_returned_flag())
        return 4;
    measure();
    if (!meter_translator(&translator))
        return 5;
    printf("readers %llu\n", (unsigned long long)translator.readers);
    for (unsigned i = 0; i < COUNT; i++)
        printf("flow %s %llu\n", flows[i].name, (unsigned long long)hundredths[i]);
    if (thread) {
        SetEvent(event);
        WaitForSingleObject(thread, INFINITE);
    }
    return 0;
}
