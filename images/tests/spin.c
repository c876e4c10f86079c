// SPDX-License-Identifier: MIT
// Four threads that compute for a second each: the kernel's log shows how long each core executed.
#include "images/tests/test.h"

static volatile LONG sum;

static DWORD WINAPI spin(void *argument)
{
    uint64_t state = (uintptr_t)argument;
    ULONGLONG end = GetTickCount64() + 1000;
    do
        for (int i = 0; i < 100000; i++)
            state = state * 6364136223846793005u + 1442695040888963407u;
    while (GetTickCount64() < end);
    InterlockedAdd(&sum, state != 0);
    return (DWORD)(uintptr_t)argument * 3;
}

int test_main(void)
{
    HANDLE threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        threads[i] = CreateThread(NULL, 0, spin, (void *)(i + 1), 0, NULL);
    CHECK(WaitForMultipleObjects(4, threads, TRUE, INFINITE) == WAIT_OBJECT_0);
    for (uintptr_t i = 0; i < 4; i++) {
        DWORD code = 0;
        CHECK(GetExitCodeThread(threads[i], &code) && code == (i + 1) * 3);
    }
    CHECK(sum >= 3);                        // a state of 0 is possible, once
    return 0;
}
