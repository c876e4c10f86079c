// SPDX-License-Identifier: MIT
// Starts an x64, an Arm64 and an ARM64EC program at once, all using the same Arm64X DLL, waits until each has done its work,
// and asks the kernel for the process list while they live.
//
// A child's standard input is a semaphore it releases when it is done, its standard error an event it waits for
// (shared_meet in shared.c): a process has no other handles than those it was given.
#include "images/crt/sys.h"
#define WIN32_LEAN_AND_MEAN
#include <stdio.h>
#include <windows.h>

static const char *const programs[] = { "demo_x64.exe", "demo_arm64.exe", "demo_ec.exe" };
enum { COUNT = sizeof programs / sizeof *programs };

int main(void) {
    HANDLE done = CreateSemaphoreA(0, 0, COUNT, 0), go = CreateEventA(0, TRUE, FALSE, 0), process[COUNT], waited[2];
    setvbuf(stdout, 0, _IONBF, 0);
    printf("Janus: x64 and arm64 programs in one system, sharing one DLL\n\n");
    int failures = 0;
    for (int i = 0; i < COUNT; i++) {
        char path[MAX_PATH], command[MAX_PATH];
        snprintf(path, sizeof path, "C:\\app\\%s", programs[i]);
        snprintf(command, sizeof command, "%s", programs[i]);
        STARTUPINFOA info = { .cb = sizeof info, .dwFlags = STARTF_USESTDHANDLES, .hStdInput = done,
                              .hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE), .hStdError = go };
        PROCESS_INFORMATION made;
        if (!CreateProcessA(path, command, 0, 0, TRUE, 0, 0, 0, &info, &made)) {
            printf("%s cannot be started: error %lu\n", programs[i], GetLastError());
            return 1;
        }
        process[i] = made.hProcess;
        CloseHandle(made.hThread);
        // Told apart by the order of their text: the next one starts when this one has printed, and lives on.
        waited[0] = done;
        waited[1] = process[i];
        if (WaitForMultipleObjects(2, waited, FALSE, 60000) != WAIT_OBJECT_0) {
            printf("%s ended before its work was done\n", programs[i]);
            failures++;
        }
    }
    printf("\nAll three are alive:\n");
    if (NT_ERROR(SYS(process_query, HANDLE_CURRENT_PROCESS, PROCESS_LIST_TO_LOG, 0, 0))) failures++;
    SetEvent(go);
    for (int i = 0; i < COUNT; i++) {
        DWORD code = 1;
        WaitForSingleObject(process[i], 60000);
        GetExitCodeProcess(process[i], &code);
        if (code) { printf("%s ended with status %lu\n", programs[i], code); failures++; }
    }
    printf("\n%s\n", failures ? "the demonstration FAILED" : "done");
    return failures ? 1 : 0;
}
