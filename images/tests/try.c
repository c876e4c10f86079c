// SPDX-License-Identifier: MIT
// Faults without frame-based handlers: a vectored handler sends the thread back to where it began (try_x64.S, robust_arm64.S).
#include "images/tests/try.h"

// Calls f; 0 when it returns. The handler may resume at try_landing with the stack pointer from the TEB's spare slot: 1 then.
int try_call(void (*f)(void *), void *argument);
void try_landing(void);

LONG (*volatile try_repair)(EXCEPTION_POINTERS *);
static struct fault last;

static LONG CALLBACK handler(EXCEPTION_POINTERS *pointers)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    NT_TIB *tib = (NT_TIB *)NtCurrentTeb();
    if (try_repair)
        return try_repair(pointers);
    last = (struct fault){ record->ExceptionCode, record->NumberParameters > 1 ? record->ExceptionInformation[1] : 0,
                           record->NumberParameters > 0 ? record->ExceptionInformation[0] : 0, (uint64_t)record->ExceptionAddress };
    if (!tib->ArbitraryUserPointer)
        return EXCEPTION_CONTINUE_SEARCH;
#ifdef __x86_64__
    pointers->ContextRecord->Rip = (uint64_t)try_landing;
    pointers->ContextRecord->Rsp = (uint64_t)tib->ArbitraryUserPointer;
#else
    pointers->ContextRecord->Pc = (uint64_t)try_landing;
    pointers->ContextRecord->Sp = (uint64_t)tib->ArbitraryUserPointer;
#endif
    return EXCEPTION_CONTINUE_EXECUTION;
}

struct fault try_fault(void (*f)(void *), void *argument)
{
    static void *installed;
    if (!installed)
        installed = AddVectoredExceptionHandler(1, handler);
    last = (struct fault){ 0 };
    int faulted = try_call(f, argument);
    CHECK(faulted == (last.code != 0));
    return last;
}
