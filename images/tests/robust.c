// SPDX-License-Identifier: MIT
// What programs may do to threads, memory and the kernel. The same source for x64 and Arm64.
#include "images/tests/robust.h"

int test_main(void)
{
    static const struct { const char *name; void (*run)(void); } parts[] = {
        { "threads", threads_test }, { "ordering", ordering_test }, { "memory", memory_test }, { "faults", fault_test },
        { "system calls", syscall_test }, { "changing code", code_test },
    };
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        print("%s", parts[i].name);
        parts[i].run();
    }
    return 0;
}
