// SPDX-License-Identifier: MIT
// A small DLL built for every architecture; what it exports says which code runs.
#if defined(__arm64ec__)
#define ARCHITECTURE 2
#elif defined(__aarch64__)
#define ARCHITECTURE 1
#else
#define ARCHITECTURE 3
#endif

int architecture_value = ARCHITECTURE;
int *architecture_pointer = &architecture_value; // a base relocation in writable data

static int add_one(int x) { return x + 1; }
static int add_two(int x) { return x + 2; }
int (*const operations[2])(int) = {add_one, add_two}; // base relocations in read-only data

__declspec(dllexport) int architecture(void) { return *architecture_pointer; }
__declspec(dllexport) int apply(int which, int x) { return operations[which & 1](x); }
__declspec(dllexport) int call_back(int (*f)(int), int x) { return f(x) + ARCHITECTURE; }
int unexported(int x) { return x * ARCHITECTURE; }

__declspec(dllexport) int dll_main(void *base, unsigned reason, void *reserved)
{
    (void)base, (void)reserved;
    return reason < 4;
}
