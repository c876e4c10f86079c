// SPDX-License-Identifier: MIT
// Threads and the kernel objects they wait for.
#include "images/kernel32/internal.h"

DECLSPEC_NORETURN VOID NTAPI RtlExitUserThread(ULONG status);

HANDLE WINAPI CreateRemoteThreadEx(HANDLE process, LPSECURITY_ATTRIBUTES security, SIZE_T stack, LPTHREAD_START_ROUTINE start,
                                   LPVOID argument, DWORD flags, LPPROC_THREAD_ATTRIBUTE_LIST attributes, LPDWORD id) {
    (void)security;
    if (attributes) { error_set(ERROR_NOT_SUPPORTED); return 0; }
    handle_t thread;
    uint32_t kernel_flags = flags & CREATE_SUSPENDED ? THREAD_CREATE_SUSPENDED : 0;
    if (!done(SYS(thread_create, process, start, argument, stack, kernel_flags, &thread))) return 0;
    if (id) *id = GetThreadId((HANDLE)thread);
    return (HANDLE)thread;
}
HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack, LPTHREAD_START_ROUTINE start, LPVOID argument,
                           DWORD flags, LPDWORD id) {
    return CreateRemoteThreadEx(GetCurrentProcess(), security, stack, start, argument, flags, 0, id);
}
DECLSPEC_NORETURN VOID WINAPI ExitThread(DWORD code) { RtlExitUserThread(code); }

static bool query(HANDLE thread, struct thread_basic *out) { return done(SYS(thread_query, thread, THREAD_BASIC, out, sizeof *out)); }
DWORD WINAPI GetThreadId(HANDLE thread) {
    struct thread_basic basic;
    return query(thread, &basic) ? (DWORD)basic.thread_id : 0;
}
DWORD WINAPI GetProcessIdOfThread(HANDLE thread) {
    struct thread_basic basic;
    return query(thread, &basic) ? (DWORD)basic.process_id : 0;
}
BOOL WINAPI GetExitCodeThread(HANDLE thread, LPDWORD code) {
    struct thread_basic basic;
    if (!query(thread, &basic)) return FALSE;
    *code = basic.running ? STILL_ACTIVE : (DWORD)basic.exit_status;
    return TRUE;
}
DWORD WINAPI ResumeThread(HANDLE thread) { return done(SYS(thread_resume, thread)) ? 1 : (DWORD)-1; }
HANDLE WINAPI GetCurrentThread(void) { return (HANDLE)-2; }
HANDLE WINAPI GetCurrentProcess(void) { return (HANDLE)-1; }
DWORD WINAPI GetCurrentThreadId(void) { return (DWORD)TEB_FIELD(uint64_t, TEB_THREAD_ID); }
DWORD WINAPI GetCurrentProcessId(void) { return (DWORD)TEB_FIELD(uint64_t, TEB_PROCESS_ID); }
BOOL WINAPI SwitchToThread(void) { SYS(thread_yield); return TRUE; }
DWORD WINAPI SleepEx(DWORD ms, BOOL alertable) {
    (void)alertable;
    if (!ms) SYS(thread_yield);
    else SYS(sleep, milliseconds(ms));
    return 0;
}
VOID WINAPI Sleep(DWORD ms) { SleepEx(ms, FALSE); }

// One priority exists: every thread is at normal, whatever it asks for.
int WINAPI GetThreadPriority(HANDLE thread) { (void)thread; return THREAD_PRIORITY_NORMAL; }
BOOL WINAPI SetThreadPriority(HANDLE thread, int priority) { (void)thread, (void)priority; return TRUE; }
BOOL WINAPI SetThreadStackGuarantee(PULONG bytes) { *bytes = 0; return TRUE; }
VOID WINAPI GetCurrentThreadStackLimits(PULONG_PTR low, PULONG_PTR high) {
    *low = TEB_FIELD(uint64_t, TEB_DEALLOCATION_STACK);
    *high = TEB_FIELD(uint64_t, TEB_STACK_BASE);
}
BOOL WINAPI IsThreadAFiber(void) { return FALSE; }

// ---- objects. Names are not supported: an object with a name could not be found by anybody. ---------------------------------
static bool unnamed(const void *name) {
    if (!name) return true;
    error_set(ERROR_NOT_SUPPORTED);
    return false;
}
static HANDLE event_make(bool manual, bool initial, const void *name) {
    handle_t event;
    return unnamed(name) && done(SYS(event_create, manual, initial, &event)) ? (HANDLE)event : 0;
}
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES s, BOOL manual, BOOL initial, LPCWSTR name) { (void)s; return event_make(manual, initial, name); }
HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES s, BOOL manual, BOOL initial, LPCSTR name) { (void)s; return event_make(manual, initial, name); }
HANDLE WINAPI CreateEventExW(LPSECURITY_ATTRIBUTES s, LPCWSTR name, DWORD flags, DWORD access) {
    (void)s, (void)access;
    return event_make(flags & CREATE_EVENT_MANUAL_RESET, flags & CREATE_EVENT_INITIAL_SET, name);
}
BOOL WINAPI SetEvent(HANDLE event) { return done(SYS(event_set, event)); }
BOOL WINAPI ResetEvent(HANDLE event) { return done(SYS(event_reset, event)); }

static HANDLE semaphore_make(LONG initial, LONG maximum, const void *name) {
    handle_t semaphore;
    return unnamed(name) && done(SYS(semaphore_create, (uint32_t)initial, (uint32_t)maximum, &semaphore)) ? (HANDLE)semaphore : 0;
}
HANDLE WINAPI CreateSemaphoreW(LPSECURITY_ATTRIBUTES s, LONG initial, LONG maximum, LPCWSTR name) { (void)s; return semaphore_make(initial, maximum, name); }
HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES s, LONG initial, LONG maximum, LPCSTR name) { (void)s; return semaphore_make(initial, maximum, name); }
BOOL WINAPI ReleaseSemaphore(HANDLE semaphore, LONG count, LPLONG previous) {
    return done(SYS(semaphore_release, semaphore, (uint32_t)count, previous));
}

DWORD WINAPI WaitForMultipleObjectsEx(DWORD count, const HANDLE *handles, BOOL all, DWORD ms, BOOL alertable) {
    (void)alertable;
    if (!count || count > 64) { error_set(ERROR_INVALID_PARAMETER); return WAIT_FAILED; }
    status_t status = SYS(wait, count, handles, all ? 1 : 0, milliseconds(ms));
    return done(status) ? (DWORD)status : WAIT_FAILED;
}
DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD ms) {
    return WaitForMultipleObjectsEx(count, handles, all, ms, FALSE);
}
DWORD WINAPI WaitForSingleObjectEx(HANDLE handle, DWORD ms, BOOL alertable) { return WaitForMultipleObjectsEx(1, &handle, FALSE, ms, alertable); }
DWORD WINAPI WaitForSingleObject(HANDLE handle, DWORD ms) { return WaitForMultipleObjectsEx(1, &handle, FALSE, ms, FALSE); }
BOOL WINAPI CloseHandle(HANDLE handle) { return handle == NUL_HANDLE || done(SYS(handle_close, handle)); }
BOOL WINAPI DuplicateHandle(HANDLE source, HANDLE handle, HANDLE target, LPHANDLE out, DWORD access, BOOL inherit, DWORD options) {
    (void)access, (void)inherit;
    handle_t copy;
    if (!done(SYS(handle_duplicate, source, handle, target, 0, &copy))) return FALSE;
    if (options & DUPLICATE_CLOSE_SOURCE) CloseHandle(handle);
    if (out) *out = (HANDLE)copy;
    return TRUE;
}
BOOL WINAPI SetHandleInformation(HANDLE handle, DWORD mask, DWORD flags) { (void)handle, (void)mask, (void)flags; return TRUE; }

// ---- locks whose kernel32 form differs from ntdll's -------------------------------------------------------------------------
NTSTATUS NTAPI RtlInitializeCriticalSectionAndSpinCount(RTL_CRITICAL_SECTION *s, ULONG spin);
NTSTATUS NTAPI RtlSleepConditionVariableCS(RTL_CONDITION_VARIABLE *cv, RTL_CRITICAL_SECTION *s, const LARGE_INTEGER *timeout);
NTSTATUS NTAPI RtlSleepConditionVariableSRW(RTL_CONDITION_VARIABLE *cv, RTL_SRWLOCK *lock, const LARGE_INTEGER *timeout, ULONG flags);
NTSTATUS NTAPI RtlRunOnceBeginInitialize(RTL_RUN_ONCE *once, ULONG flags, PVOID *context);
NTSTATUS NTAPI RtlRunOnceComplete(RTL_RUN_ONCE *once, ULONG flags, PVOID context);
NTSTATUS NTAPI RtlRunOnceExecuteOnce(RTL_RUN_ONCE *once, PRTL_RUN_ONCE_INIT_FN function, PVOID parameter, PVOID *context);
NTSTATUS NTAPI RtlWaitOnAddress(const void *address, const void *compare, SIZE_T size, const LARGE_INTEGER *timeout);

BOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION s, DWORD spin) { return RtlInitializeCriticalSectionAndSpinCount(s, spin) >= 0; }
BOOL WINAPI InitializeCriticalSectionEx(LPCRITICAL_SECTION s, DWORD spin, DWORD flags) { (void)flags; return RtlInitializeCriticalSectionAndSpinCount(s, spin) >= 0; }

static bool timed(status_t status) {            // a time-out is a failure here
    if (status != STATUS_TIMEOUT) return done(status);
    error_set(ERROR_TIMEOUT);
    return false;
}
static const LARGE_INTEGER *relative(LARGE_INTEGER *t, DWORD ms) { t->QuadPart = -10000ll * ms; return ms == INFINITE ? 0 : t; }
BOOL WINAPI SleepConditionVariableCS(PCONDITION_VARIABLE cv, PCRITICAL_SECTION s, DWORD ms) {
    LARGE_INTEGER t;
    return timed(RtlSleepConditionVariableCS(cv, s, relative(&t, ms)));
}
BOOL WINAPI SleepConditionVariableSRW(PCONDITION_VARIABLE cv, PSRWLOCK lock, DWORD ms, ULONG flags) {
    LARGE_INTEGER t;
    return timed(RtlSleepConditionVariableSRW(cv, lock, relative(&t, ms), flags));
}
BOOL WINAPI WaitOnAddress(volatile VOID *address, PVOID compare, SIZE_T size, DWORD ms) {
    LARGE_INTEGER t;
    return timed(RtlWaitOnAddress((const void *)address, compare, size, relative(&t, ms)));
}
BOOL WINAPI InitOnceBeginInitialize(LPINIT_ONCE once, DWORD flags, PBOOL pending, LPVOID *context) {
    NTSTATUS status = RtlRunOnceBeginInitialize(once, flags, context);
    *pending = status == 0x103;
    return done(status);
}
BOOL WINAPI InitOnceComplete(LPINIT_ONCE once, DWORD flags, LPVOID context) { return done(RtlRunOnceComplete(once, flags, context)); }
BOOL WINAPI InitOnceExecuteOnce(PINIT_ONCE once, PINIT_ONCE_FN function, PVOID parameter, LPVOID *context) {
    return RtlRunOnceExecuteOnce(once, (PRTL_RUN_ONCE_INIT_FN)function, parameter, context) >= 0;
}
