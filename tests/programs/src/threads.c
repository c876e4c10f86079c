// SPDX-License-Identifier: MIT
// Four threads that compute for about a second each; a shared counter and a lock; thread exit codes.
#include <stdint.h>
#include <stdio.h>
#include <windows.h>

static volatile LONG counter;
static uint64_t guarded;
static CRITICAL_SECTION lock;

static DWORD WINAPI spin(void *argument)
{
    uint64_t state = (uintptr_t)argument, rounds = 0;
    ULONGLONG end = GetTickCount64() + 1000;
    do {
        for (int i = 0; i < 20000; i++)
            state = state * 6364136223846793005u + 1442695040888963407u;
        rounds++;
        InterlockedIncrement(&counter);
        EnterCriticalSection(&lock);
        guarded++;
        LeaveCriticalSection(&lock);
    } while (GetTickCount64() < end);
    return (DWORD)(state == 0 ? 0 : (uintptr_t)argument * 10 + (rounds > 0));
}

int main(void)
{
    HANDLE threads[4];
    InitializeCriticalSection(&lock);
    for (uintptr_t i = 0; i < 4; i++)
        threads[i] = CreateThread(NULL, 0, spin, (void *)(i + 1), 0, NULL);
    WaitForMultipleObjects(4, threads, TRUE, INFINITE);
    for (int i = 0; i < 4; i++) {
        DWORD code = 0;
        GetExitCodeThread(threads[i], &code);
        printf("thread %d: %lu\n", i, (unsigned long)code);
        CloseHandle(threads[i]);
    }
    printf("counts agree: %d\n", (uint64_t)counter == guarded && counter >= 4);
    return 0;
}
