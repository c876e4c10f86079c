// SPDX-License-Identifier: MIT
// Crashes in the way its argument says.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int recurse(volatile char *last, volatile int *limit)
{
    volatile char frame[512];
    frame[0] = *last;
    return *limit < 0 ? 0 : recurse(frame, limit) + frame[0];
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    volatile int zero = 0;
    printf("about to crash: %s\n", how);
    fflush(stdout);
    if (!strcmp(how, "read"))
        return *(volatile int *)(uintptr_t)0x10;
    if (!strcmp(how, "write"))
        *(volatile int *)(uintptr_t)0x123450 = 1;
    if (!strcmp(how, "kernel"))
        return *(volatile int *)(uintptr_t)0xffff800000000000u;
    if (!strcmp(how, "noncanonical"))
        return *(volatile int *)(uintptr_t)0x1234567800000000u;
    if (!strcmp(how, "jump"))
        ((void (*)(void))(uintptr_t)0x10)();
    if (!strcmp(how, "illegal"))
        __builtin_trap();
    if (!strcmp(how, "stack"))
        return recurse((volatile char *)how, &zero);
#ifdef __x86_64__
    if (!strcmp(how, "divide"))
        return 1000 / zero;
#endif
    return (int)zero;
}
