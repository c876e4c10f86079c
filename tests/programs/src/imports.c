// SPDX-License-Identifier: MIT
// Calls through import slots, which change while the program runs: each call must go to where its slot says then.
// import: architecture apply call_back
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

__declspec(dllimport) int architecture(void);
__declspec(dllimport) int apply(int which, int x);
__declspec(dllimport) int call_back(int (*f)(int), int x);

extern void *__imp_architecture;
extern void *__imp_apply;

// `jmp [slot]`, `call [slot]`, and a call of the former.
__attribute__((noinline)) static int jump(void) { return architecture(); }
__attribute__((noinline)) static int call(void) { return architecture() + 1000; }
__attribute__((noinline)) static int call_jump(void) { return jump() + 2000; }
__attribute__((noinline)) static int jump_apply(int which, int x) { return apply(which, x); }

static int hooked(void) { return 77; }
static int hooked_apply(int which, int x) { return which * 100 + x; }

// A slot in a read-only page of its own, of which nothing is known before it changes.
int listed(void);
int listed(void) { return 55; }
__asm__(".section .slots,\"dr\"\n.p2align 12\n.globl own_slot\nown_slot: .quad listed\n.zero 4088\n.text\n");
extern int (*own_slot)(void);
__attribute__((noinline)) static int jump_own(void) { return own_slot(); }

static int wrong;

static void expect(int a, const char *what)
{
    for (int i = 0; i < 300; i++)
        if (jump() != a || call() != a + 1000 || call_jump() != a + 2000)
            wrong++;
    if (wrong)
        printf("%s: wrong\n", what);
}

static void set(void *slot, void *value)
{
    DWORD old;
    void **at = slot;
    if (!VirtualProtect(at, sizeof *at, PAGE_READWRITE, &old))
        wrong++;
    *(void *volatile *)at = value;
    if (!VirtualProtect(at, sizeof *at, old, &old))
        wrong++;
}

static int twice(int x) { return 2 * x; }

static atomic_int seen, stop;

static DWORD WINAPI watcher(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        atomic_store_explicit(&seen, call_jump() - 2000, memory_order_relaxed);
    return 0;
}

static void wait_for(int value)
{
    for (ULONGLONG begin = GetTickCount64(); atomic_load(&seen) != value;)
        if (GetTickCount64() - begin > 20000) {
            printf("the other thread still calls %d, not %d\n", atomic_load(&seen), value);
            wrong++;
            return;
        }
}

// The same program in another process, whose slot is changed `first`, before a call, or `later`.
static void another(const char *self, const char *when)
{
    char line[300];
    STARTUPINFOA start = { .cb = sizeof start };
    PROCESS_INFORMATION process;
    DWORD status = 1;
    snprintf(line, sizeof line, "\"%s\" %s", self, when);
    if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) {
        printf("no process: %lu\n", (unsigned long)GetLastError());
        wrong++;
        return;
    }
    WaitForSingleObject(process.hProcess, INFINITE);
    if (!GetExitCodeProcess(process.hProcess, &status) || status) {
        printf("the other process, %s: %lu\n", when, (unsigned long)status);
        wrong++;
    }
}

static int run_other(bool later)
{
    if (later) {
        int own = architecture();
        expect(own, "other process");
        wrong += jump_own() != 55;
    }
    set(&own_slot, (void *)hooked);
    wrong += jump_own() != 77;
    set(&__imp_architecture, (void *)hooked);
    expect(77, "other process, hooked");
    return wrong != 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_other(!strcmp(argv[1], "later"));
    int own = architecture();
    void *real = __imp_architecture, *real_apply = __imp_apply;
    expect(own, "before");
    wrong += jump_own() != 55;
    another(argv[0], "first");
    another(argv[0], "later");
    expect(own, "still");
    for (int i = 0; i < 300; i++)
        wrong += jump_apply(i & 1, i) != i + 1 + (i & 1) || call_back(twice, i) != 2 * i + own;
    for (int round = 0; round < 12; round++) {
        set(&__imp_architecture, (void *)hooked);
        expect(77, "hooked");
        set(&__imp_architecture, real);
        expect(own, "restored");
    }
    set(&__imp_apply, (void *)hooked_apply);
    wrong += jump_apply(5, 6) != 506;
    set(&__imp_apply, real_apply);
    wrong += jump_apply(1, 6) != 8;
    HANDLE thread = CreateThread(NULL, 0, watcher, NULL, 0, NULL);
    for (int round = 0; round < 4; round++) {
        wait_for(own);
        set(&__imp_architecture, (void *)hooked);
        wait_for(77);
        set(&__imp_architecture, real);
    }
    wait_for(own);
    atomic_store(&stop, 1);
    WaitForSingleObject(thread, INFINITE);
    printf("imports: %d wrong\n", wrong);
    return 0;
}
