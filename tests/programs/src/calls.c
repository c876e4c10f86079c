// SPDX-License-Identifier: MIT
// Random system calls from several threads of child processes, by svc or by x64's syscall: a child may crash or hang, the
// parent and the machine may not. Numbers as in kernel/abi/syscall.h.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

enum { CHILDREN = 6, THREADS = 4, ARGUMENTS = 6, NUMBERS = 0x50 };

#ifdef __x86_64__
static uint64_t call(uint64_t number, const uint64_t *a)
{
    uint64_t result;
    register uint64_t r10 __asm__("r10") = a[0], r8 __asm__("r8") = a[2], r9 __asm__("r9") = a[3];
    __asm__ volatile("sub $0x40, %%rsp\n\t"
                     "mov 32(%%rbx), %%rcx\n\t"
                     "mov %%rcx, 0x28(%%rsp)\n\t"
                     "mov 40(%%rbx), %%rcx\n\t"
                     "mov %%rcx, 0x30(%%rsp)\n\t"
                     "syscall\n\t"
                     "add $0x40, %%rsp"
                     : "=a"(result) : "a"(number), "r"(r10), "d"(a[1]), "r"(r8), "b"(a), "r"(r9) : "rcx", "r11", "memory");
    return result;
}
#else
extern const char call_table[];
__asm__(".balign 8\n"
        "call_table:\n"
        ".set number, 0\n"
        ".rept 0x50\n"
        "svc #number\n"
        "ret\n"
        ".set number, number + 1\n"
        ".endr\n");
static uint64_t call(uint64_t number, const uint64_t *a)
{
    typedef uint64_t entry(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
    return ((entry *)(call_table + 8 * number))(a[0], a[1], a[2], a[3], a[4], a[5]);
}
#endif

static uint64_t data[8192], startup[64], values[64];
static const char path[] = "C:\\app\\none.exe", dll[] = "C:\\Windows\\System32\\kernel32.dll";
static unsigned value_count;

// Calls that only end the process, print, or sleep for as long as the random number says.
static int left_out(uint64_t number)
{
    static const uint8_t numbers[] = { 0x00, 0x02, 0x05, 0x22, 0x28, 0x31, 0x48 };
    for (unsigned i = 0; i < sizeof numbers; i++)
        if (numbers[i] == number)
            return 1;
    return 0;
}

static DWORD WINAPI work(void *seed)
{
    uint64_t state = (uint64_t)(uintptr_t)seed * 0x9e3779b97f4a7c15 + 1;
    for (;;) {
        uint64_t a[ARGUMENTS], r = 0;
        for (unsigned i = 0; i < ARGUMENTS; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17, r = state;
            a[i] = r % 8 == 1 ? 4 * (r >> 34 & 31) : values[(r >> 8) % value_count];
            if ((r >> 20) % 8 == 0)
                a[i] += r >> 40 & 0xfff;
            if ((r >> 24) % 32 == 0)
                a[i] = r * 0x2545f4914f6cdd1d;
        }
        uint64_t number = (r >> 48) % NUMBERS;
        if (!left_out(number) && ((number | 1) != 0x41 || r % 64 == 0))     // registers are rarely replaced
            call(number, a);
    }
}

static int child(uint64_t seed)
{
    const uint64_t list[] = {
        0, 1, 2, 3, 4, 8, 0x10, 0x20, 0x40, 0x100, 0x1000, 0x2000, 0x3000, 0x4000, 0x8000, 0x10000, 0x7fffffff, 0xffffffff,
        0x7ffffffff000, 0x800000000000, 0xffff800000000000, ~0ull, ~0ull - 1, ~3ull, (uintptr_t)data, (uintptr_t)data + 8,
        (uintptr_t)data + 0xffc, (uintptr_t)data + 0x8000, (uintptr_t)path, sizeof path - 1, (uintptr_t)dll, sizeof dll - 1,
        (uintptr_t)startup, sizeof startup, (uintptr_t)work, 0x7ffe0000, 0x7ff400000000, 0x7ffd00000000, 0x7ffe00000000, 0x390, 0x400007,
    };
    for (value_count = 0; value_count < sizeof list / sizeof *list; value_count++)
        values[value_count] = list[value_count];
    for (uint64_t i = 0; i < THREADS; i++)
        CreateThread(0, 0, work, (void *)(uintptr_t)(seed * THREADS + i), 0, 0);
    Sleep(INFINITE);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return child(strtoull(argv[1], 0, 10));
    for (int i = 1; i <= CHILDREN; i++) {
        char line[MAX_PATH + 16], self[MAX_PATH];
        STARTUPINFOA start = { .cb = sizeof start, .dwFlags = STARTF_USESTDHANDLES };  // none: the parent's output stays its own
        PROCESS_INFORMATION process;
        GetModuleFileNameA(0, self, sizeof self);
        snprintf(line, sizeof line, "%s %d", self, i);
        if (!CreateProcessA(self, line, 0, 0, FALSE, 0, 0, 0, &start, &process)) {
            printf("child %d does not start: %lu\n", i, (unsigned long)GetLastError());
            return 1;
        }
        WaitForSingleObject(process.hProcess, 400);
        TerminateProcess(process.hProcess, 5);
        if (WaitForSingleObject(process.hProcess, 10000) != WAIT_OBJECT_0) {
            printf("child %d does not end\n", i);
            return 1;
        }
        CloseHandle(process.hThread);
        CloseHandle(process.hProcess);
    }
    printf("the parent is still here\n");
    return 0;
}
