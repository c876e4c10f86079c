// SPDX-License-Identifier: MIT
// The workloads as a Linux program for `make bench-peers`: it says on descriptor 3 where it is and waits on descriptor 4 for the
// controller (peer_init.c) to have read the counter.
#include <string.h>
#include <unistd.h>
#include "tests/bench/bench.h"
#include "tests/bench/peer.h"

static uint64_t bench_nothing(uint64_t one) { return one; }

typedef uint64_t workload(uint64_t one);
static const struct { const char *name; workload *run; } workloads[] = {
    { "nothing", bench_nothing }, { "nothing", bench_nothing },     // the first time warms up the marks themselves
#define ROW(name) { #name, bench_##name },
    WORKLOADS(ROW)
#undef ROW
};

static volatile uint64_t one = 1;

static void mark(const char *name, enum peer_phase phase, uint64_t checksum)
{
    struct peer_mark m = { .phase = phase, .checksum = checksum };
    for (size_t i = 0; i + 1 < sizeof m.name && name[i]; i++)
        m.name[i] = name[i];
    char go;
    if (write(3, &m, sizeof m) != sizeof m || read(4, &go, 1) != 1)
        _exit(3);
}

// With an argument only the workload of that name.
int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        if (argc > 1 && strcmp(argv[1], workloads[i].name))
            continue;
        uint64_t checksum = 0;
        for (enum peer_phase phase = PEER_START; phase <= PEER_WARM; phase++) {
            if (phase != PEER_START)
                checksum = workloads[i].run(one);
            mark(workloads[i].name, phase, checksum);
        }
    }
    return 0;
}
