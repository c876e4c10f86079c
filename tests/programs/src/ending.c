// SPDX-License-Identifier: MIT
// A process ends while its threads are busy: in code, in the kernel, waiting, being created.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

static HANDLE never;
static volatile LONG started;

static DWORD WINAPI spin(void *argument)
{
    volatile uint64_t *count = argument;
    InterlockedIncrement(&started);
    for (;;)
        ++*count;
}

static DWORD WINAPI call(void *argument)
{
    InterlockedIncrement(&started);
    for (;;)
        VirtualFree(VirtualAlloc(NULL, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), 0, MEM_RELEASE), (void)argument;
}

static DWORD WINAPI wait(void *argument)
{
    (void)argument;
    InterlockedIncrement(&started);
    return WaitForSingleObject(never, INFINITE);
}

static DWORD WINAPI brief(void *argument)
{
    (void)argument;
    return 1;
}

static DWORD WINAPI create(void *argument)
{
    InterlockedIncrement(&started);
    for (;;) {
        HANDLE thread = CreateThread(NULL, 0, brief, argument, 0, NULL);
        WaitForSingleObject(thread, INFINITE);
        CloseHandle(thread);
    }
}

static DWORD WINAPI end(void *argument)
{
    (void)argument;
    while (started < 8)
        Sleep(1);
    ExitProcess(9);
}

static DWORD WINAPI crash(void *argument)
{
    (void)argument;
    while (started < 8)
        Sleep(1);
    *(volatile int *)(uintptr_t)0x18 = 1;
    return 0;
}

int main(int argc, char **argv)
{
    static LPTHREAD_START_ROUTINE const busy[] = { spin, call, wait, create, spin, call, wait, create };
    static uint64_t counts[8];
    const char *how = argc > 1 ? argv[1] : "";
    never = CreateEventW(NULL, TRUE, FALSE, NULL);
    for (int i = 0; i < 8; i++)
        CreateThread(NULL, 0, busy[i], &counts[i], 0, NULL);
    printf("ending: %s\n", how);
    fflush(stdout);
    if (!strcmp(how, "thread"))
        CreateThread(NULL, 0, end, NULL, 0, NULL);
    else if (!strcmp(how, "crash"))
        CreateThread(NULL, 0, crash, NULL, 0, NULL);
    else {
        while (started < 8)
            Sleep(1);
        return 7;
    }
    Sleep(INFINITE);
    return 0;
}
