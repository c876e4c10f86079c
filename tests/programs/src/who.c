// SPDX-License-Identifier: MIT
// Uses a DLL of which there is one for every architecture (tests/images/library.c): which code answers, and does a
// callback from the DLL into this program arrive?
// import: architecture apply call_back
#include <stdio.h>

__declspec(dllimport) int architecture(void);
__declspec(dllimport) int apply(int which, int x);
__declspec(dllimport) int call_back(int (*f)(int), int x);

static int depth;

// Recurses through the DLL: program -> DLL -> program -> ...
static int again(int x)
{
    depth++;
    return x > 0 ? call_back(again, x - 1) - architecture() + x : 0;
}

int main(void)
{
#ifdef __x86_64__
    const char *own = "x64";
#else
    const char *own = "Arm64";
#endif
    static const char *const names[] = { "?", "Arm64", "ARM64EC", "x64" };
    printf("%s program, %s library\n", own, names[architecture() & 3]);
    printf("apply %d %d\n", apply(0, 40), apply(1, 40));
    printf("again %d, depth %d\n", call_back(again, 100) - architecture(), depth);
    return 0;
}
