// SPDX-License-Identifier: MIT
// Memory ordering: patterns that x64 forbids (and Arm64 too with the barriers its compiler puts in), and locked operations.
#include "images/tests/robust.h"
#include <string.h>

enum { ROUNDS = 100000, WORKERS = 4 };
#ifdef __x86_64__
#define ORDER_STORE __ATOMIC_RELAXED        // a plain mov: the processor must order them
#define ORDER_LOAD  __ATOMIC_RELAXED
#else
#define ORDER_STORE __ATOMIC_RELEASE
#define ORDER_LOAD  __ATOMIC_ACQUIRE
#endif

struct line { _Alignas(64) volatile uint64_t value; };
static struct line data, flag, x, y, seen_x, seen_y, meeting[2];
static volatile LONG wrong;

static void spin_hint(unsigned *n)
{
    if (++*n % 1000 == 0)
        SwitchToThread();
}

// Both threads come here with the same number before either goes on.
static void meet(int me, uint64_t number)
{
    unsigned n = 0;
    __atomic_store_n(&meeting[me].value, number, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&meeting[!me].value, __ATOMIC_SEQ_CST) < number)
        spin_hint(&n);
}

static DWORD WINAPI message_writer(void *argument)
{
    (void)argument;
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        __atomic_store_n(&data.value, i, ORDER_STORE);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n(&flag.value, i, ORDER_STORE);
    }
    return 0;
}

static DWORD WINAPI message_reader(void *argument)
{
    (void)argument;
    unsigned n = 0;
    for (uint64_t f = 0; f < ROUNDS;) {
        f = __atomic_load_n(&flag.value, ORDER_LOAD);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        if (__atomic_load_n(&data.value, ORDER_LOAD) < f)
            InterlockedIncrement(&wrong);
        spin_hint(&n);
    }
    return 0;
}

// Store buffering: each writes its own with a locked exchange and reads the other's; one of them must see the other.
static DWORD WINAPI store_buffer(void *argument)
{
    int me = (int)(intptr_t)argument;
    struct line *mine = me ? &y : &x, *other = me ? &x : &y, *seen = me ? &seen_y : &seen_x;
    for (uint64_t i = 1; i <= ROUNDS / 10; i++) {
        meet(me, 2 * i);
        InterlockedExchange64((volatile LONG64 *)&mine->value, (LONG64)i);
        seen->value = __atomic_load_n(&other->value, ORDER_LOAD);
        meet(me, 2 * i + 1);
        if (me && seen_x.value < i && seen_y.value < i)
            InterlockedIncrement(&wrong);
    }
    return 0;
}

static volatile LONG64 aligned;
#ifdef __x86_64__
static _Alignas(64) uint8_t area[256];
void add_locked(void *p, uint64_t n);
void add_locked_others(void *p, uint64_t n);
#endif
static DWORD WINAPI adder(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS / 4; i++) {
        InterlockedIncrement64(&aligned);
        InterlockedExchangeAdd64(&aligned, 2);
        for (LONG64 old = aligned, was; (was = InterlockedCompareExchange64(&aligned, old + 3, old)) != old;)
            old = was;
    }
#ifdef __x86_64__
    // Few: each holds all cores, which takes milliseconds where more of them are emulated than the host has.
    add_locked(area + 61, 5);                // 8 bytes over the end of a line
    add_locked(area + 129, 5);               // unaligned, within one
    add_locked_others(area + 188, 2);
    add_locked_others(area + 81, 2);
#endif
    return 0;
}

static void run(const char *what, LPTHREAD_START_ROUTINE a, LPTHREAD_START_ROUTINE b, int count)
{
    HANDLE threads[WORKERS];
    print("  %s", what);
    for (int i = 0; i < count; i++)
        threads[i] = CreateThread(NULL, 0, i % 2 ? b : a, (void *)(intptr_t)i, 0, NULL);
    CHECK(WaitForMultipleObjects((DWORD)count, threads, TRUE, 100000) == WAIT_OBJECT_0);
    for (int i = 0; i < count; i++)
        CloseHandle(threads[i]);
}

void ordering_test(void)
{
    run("message passing", message_writer, message_reader, 2);
    CHECK(wrong == 0);
    run("store buffering", store_buffer, store_buffer, 2);
    CHECK(wrong == 0);
    run("locked operations", adder, adder, WORKERS);
    CHECK(aligned == (LONG64)WORKERS * (ROUNDS / 4) * 6);
#ifdef __x86_64__
    struct { int offset; uint64_t sum; } sums[] = { { 61, 5 }, { 129, 5 }, { 188, 4 }, { 81, 4 } };
    for (int i = 0; i < 4; i++) {
        uint64_t value;
        memcpy(&value, area + sums[i].offset, sizeof value);
        CHECK(value == sums[i].sum * WORKERS);
    }
#endif
}
