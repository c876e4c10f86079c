// SPDX-License-Identifier: MIT
// Threads, their storage, events, semaphores, waiting on an address.
#include "images/tests/robust.h"

enum { THREADS = 8 };
static DWORD slot;
static volatile LONG arrived, sum;
static HANDLE go, permits;

static DWORD WINAPI storage(void *argument)
{
    intptr_t id = (intptr_t)argument;
    bool fresh = TlsGetValue(slot) == NULL;
    TlsSetValue(slot, (void *)(id * 1000));
    InterlockedIncrement(&arrived);
    WaitForSingleObject(go, INFINITE);
    for (int i = 0; i < 50; i++) {
        TlsSetValue(slot, (char *)TlsGetValue(slot) + 1);
        SetLastError((DWORD)id + i);
        SwitchToThread();
        fresh = fresh && GetLastError() == (DWORD)id + i;
    }
    InterlockedAdd(&sum, fresh ? 1 : 1000);
    return (DWORD)(intptr_t)TlsGetValue(slot);
}

static void start_all(HANDLE *threads, int count, LPTHREAD_START_ROUTINE f)
{
    for (int i = 0; i < count; i++) {
        threads[i] = CreateThread(NULL, 0, f, (void *)(intptr_t)i, 0, NULL);
        CHECK(threads[i] != NULL);
    }
}

static void join_all(HANDLE *threads, int count)
{
    CHECK(WaitForMultipleObjects((DWORD)count, threads, TRUE, 60000) == WAIT_OBJECT_0);
    for (int i = 0; i < count; i++)
        CloseHandle(threads[i]);
}

static volatile uint64_t ball;
static DWORD WINAPI player(void *argument)
{
    uint64_t me = (uint64_t)argument;
    for (int i = 0; i < 2000; i++) {
        uint64_t seen;
        while ((seen = ball) % 2 != me)
            WaitOnAddress(&ball, &seen, sizeof seen, INFINITE);
        ball = seen + 1;
        WakeByAddressSingle((void *)&ball);
    }
    return 0;
}

static HANDLE ping, pong;
static DWORD WINAPI partner(void *argument)
{
    for (intptr_t i = (intptr_t)argument; i < 2000; i++) {
        WaitForSingleObject(ping, INFINITE);
        SetEvent(pong);
    }
    return 0;
}

static volatile LONG inside, most;
static DWORD WINAPI limited(void *argument)
{
    (void)argument;
    for (int i = 0; i < 100; i++) {
        WaitForSingleObject(permits, INFINITE);
        LONG now = InterlockedIncrement(&inside), seen = most;
        while (now > seen && (seen = InterlockedCompareExchange(&most, now, seen)) < now)
            ;
        SwitchToThread();
        InterlockedDecrement(&inside);
        ReleaseSemaphore(permits, 1, NULL);
    }
    return 0;
}

static CRITICAL_SECTION section;
static CONDITION_VARIABLE not_empty;
static int queue[16], queued;
static volatile LONG taken;
static DWORD WINAPI consumer(void *argument)
{
    (void)argument;
    for (;;) {
        EnterCriticalSection(&section);
        while (!queued)
            SleepConditionVariableCS(&not_empty, &section, INFINITE);
        int item = queue[--queued];
        LeaveCriticalSection(&section);
        if (item < 0)
            return 0;
        InterlockedAdd(&taken, item);
    }
}

void threads_test(void)
{
    HANDLE threads[THREADS];
    slot = TlsAlloc();
    go = CreateEventW(NULL, TRUE, FALSE, NULL);
    start_all(threads, THREADS, storage);
    while (arrived < THREADS)
        Sleep(1);
    CHECK(WaitForMultipleObjects(THREADS, threads, FALSE, 0) == WAIT_TIMEOUT);
    SetEvent(go);
    CHECK(WaitForMultipleObjects(THREADS, threads, TRUE, 60000) == WAIT_OBJECT_0);
    for (int i = 0; i < THREADS; i++) {
        DWORD code = 0;
        CHECK(GetExitCodeThread(threads[i], &code) && code == (DWORD)i * 1000 + 50);
        CloseHandle(threads[i]);
    }
    CHECK(sum == THREADS && TlsGetValue(slot) == NULL && TlsFree(slot));

    start_all(threads, 2, player);
    join_all(threads, 2);
    CHECK(ball == 4000);

    ping = CreateEventW(NULL, FALSE, FALSE, NULL);
    pong = CreateEventW(NULL, FALSE, FALSE, NULL);
    start_all(threads, 1, partner);
    for (int i = 0; i < 2000; i++)
        if (!CHECK(SetEvent(ping) && WaitForSingleObject(pong, 60000) == WAIT_OBJECT_0))
            break;
    join_all(threads, 1);
    CHECK(WaitForSingleObject(ping, 0) == WAIT_TIMEOUT && WaitForSingleObject(pong, 10) == WAIT_TIMEOUT);

    permits = CreateSemaphoreW(NULL, 3, 3, NULL);
    start_all(threads, THREADS, limited);
    join_all(threads, THREADS);
    CHECK(inside == 0 && most >= 1 && most <= 3);
    LONG before = 0;
    CHECK(!ReleaseSemaphore(permits, 1, &before));

    InitializeCriticalSection(&section);
    InitializeConditionVariable(&not_empty);
    start_all(threads, 4, consumer);
    for (int i = 1; i <= 1004;) {
        EnterCriticalSection(&section);
        while (queued < 16 && i <= 1004) {
            queue[queued++] = i <= 1000 ? i : -1;
            i++;
        }
        LeaveCriticalSection(&section);
        WakeAllConditionVariable(&not_empty);
    }
    join_all(threads, 4);

    ULONGLONG begin = GetTickCount64();
    uint64_t seen = ball;
    CHECK(!WaitOnAddress(&ball, &seen, sizeof seen, 30) && GetLastError() == ERROR_TIMEOUT);
    CHECK(WaitForSingleObject(GetCurrentThread(), 30) == WAIT_TIMEOUT);
    Sleep(30);
    CHECK(GetTickCount64() - begin >= 85);
    CHECK(WaitForSingleObject((HANDLE)0x7ffc, 0) == WAIT_FAILED && GetLastError() == ERROR_INVALID_HANDLE);
    CHECK(CloseHandle(go) && !CloseHandle(go));
}
