// SPDX-License-Identifier: MIT
// Calls through import slots, which change while the program runs: each call must go to where its slot says then.
// import: architecture apply call_back
#include <stdatomic.h>
#include <stdio.h>
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

int main(void)
{
    int own = architecture();
    void *real = __imp_architecture, *real_apply = __imp_apply;
    expect(own, "before");
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
