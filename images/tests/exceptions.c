// SPDX-License-Identifier: MIT
// Structured exceptions: filters, termination handlers, nesting, frames of both kinds between raise and handler.
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <stdint.h>
#include "images/tests/test.h"

#define check(what, ok) check_that((ok), what, __FILE__, __LINE__)

static char trace[64];
static unsigned traced;
static void mark(char c) { if (traced < sizeof trace - 1) trace[traced++] = c; trace[traced] = 0; }
static __attribute__((noinline)) bool trace_is(const char *text) {
    bool same = true;
    unsigned i = 0;
    for (; text[i] && trace[i]; i++) if (text[i] != trace[i]) same = false;
    same = same && !text[i] && !trace[i];
    traced = 0;
    return same;
}

static volatile int *const nowhere = (volatile int *)0x10;

static __attribute__((noinline)) void touch(volatile int *p) { *p = 1; }
static __attribute__((noinline)) void raise(DWORD code) {
    ULONG_PTR arguments[2] = { 11, 22 };
    mark('r');
    RaiseException(code, 0, 2, arguments);
    mark('R');
}

static DWORD seen_code;
static ULONG_PTR seen_address;
static int note(EXCEPTION_POINTERS *p, int verdict) {
    seen_code = p->ExceptionRecord->ExceptionCode;
    seen_address = p->ExceptionRecord->NumberParameters > 1 ? p->ExceptionRecord->ExceptionInformation[1] : 0;
    mark('f');
    return verdict;
}

static void access_fault(void) {
    bool handled = false;
    __try { touch(nowhere); mark('!'); }
    __except (note(GetExceptionInformation(), EXCEPTION_EXECUTE_HANDLER)) { handled = GetExceptionCode() == EXCEPTION_ACCESS_VIOLATION; mark('h'); }
    check("a write to address 10 is handled", handled && seen_address == 0x10 && trace_is("fh"));
}

static void raised(void) {
    __try { raise(0xE0001234); mark('!'); }
    __except (note(GetExceptionInformation(), EXCEPTION_EXECUTE_HANDLER)) { mark('h'); }
    check("a raised exception keeps code and arguments", seen_code == 0xE0001234 && seen_address == 22 && trace_is("rfh"));
}

static void continued(void) {
    __try { raise(0xE0000001); mark('c'); }
    __except (note(GetExceptionInformation(), EXCEPTION_CONTINUE_EXECUTION)) { mark('!'); }
    check("continue execution returns from the raise", trace_is("rfRc"));
}

static __attribute__((noinline)) void inner_finally(void) {
    __try { raise(0xE0000002); mark('!'); }
    __finally { mark(AbnormalTermination() ? 'A' : 'N'); }
}
static void finally_order(void) {
    __try {
        __try { inner_finally(); mark('!'); }
        __finally { mark('B'); }
    }
    __except (note(GetExceptionInformation(), EXCEPTION_EXECUTE_HANDLER)) { mark('h'); }
    check("filters run before termination handlers, those inside out", trace_is("rfABh"));
    __try { mark('b'); }
    __finally { mark(AbnormalTermination() ? 'A' : 'N'); }
    check("a termination handler runs at a normal end", trace_is("bN"));
}

static void searched(void) {
    __try {
        __try { raise(0xE0000003); }
        __except (note(GetExceptionInformation(), EXCEPTION_CONTINUE_SEARCH)) { mark('!'); }
    }
    __except (EXCEPTION_EXECUTE_HANDLER) { mark('o'); }
    check("continue search reaches the outer handler", trace_is("rfo"));
}

static void nested(void) {
    __try { raise(0xE0000004); }
    __except (EXCEPTION_EXECUTE_HANDLER) {
        mark('1');
        __try { raise(0xE0000005); }
        __except (EXCEPTION_EXECUTE_HANDLER) { mark('2'); }
        mark('3');
    }
    check("an exception inside a handler", trace_is("r1r23"));
}

static __attribute__((noinline)) double deep(int level, double a, double b) {
    volatile double keep = a * b;                   // callee-saved floating-point registers on the way
    if (!level) { raise(0xE0000006); return keep; }
    double r = deep(level - 1, b, a + 1.0);
    return r + keep;
}
static void registers(void) {
    volatile uint64_t expected = 0x1122334455667788u;
    uint64_t a = expected, b = a * 3, c = b ^ a, d = c + 7;
    double x = (double)(a >> 32), y = x / 3, z = y * y;
    __try { deep(20, x, y); }
    __except (EXCEPTION_EXECUTE_HANDLER) { mark('h'); }
    uint64_t a2 = expected, b2 = a2 * 3, c2 = b2 ^ a2, d2 = c2 + 7;
    double x2 = (double)(a2 >> 32), y2 = x2 / 3, z2 = y2 * y2;
    check("locals survive an exception from 20 frames below", trace_is("rh") && a == a2 && b == b2 && c == c2 && d == d2 && x == x2 && y == y2 && z == z2);
}

// ---- vectored handlers -----------------------------------------------------------------------------------------------------
static LONG CALLBACK vectored(EXCEPTION_POINTERS *p) {
    if (p->ExceptionRecord->ExceptionCode != 0xE0000007) return EXCEPTION_CONTINUE_SEARCH;
    mark('v');
    return EXCEPTION_CONTINUE_EXECUTION;
}
static LONG CALLBACK first_vectored(EXCEPTION_POINTERS *p) {
    if (p->ExceptionRecord->ExceptionCode == 0xE0000007) mark('1');
    return EXCEPTION_CONTINUE_SEARCH;
}
static void vectored_handlers(void) {
    PVOID last = AddVectoredExceptionHandler(0, vectored), first = AddVectoredExceptionHandler(1, first_vectored);
    __try { raise(0xE0000007); }
    __except (EXCEPTION_EXECUTE_HANDLER) { mark('!'); }
    check("vectored handlers come first, in order", trace_is("r1vR"));
    check("vectored handlers can be removed", RemoveVectoredExceptionHandler(first) && RemoveVectoredExceptionHandler(last) &&
          !RemoveVectoredExceptionHandler(last));
    __try { raise(0xE0000007); }
    __except (EXCEPTION_EXECUTE_HANDLER) { mark('h'); }
    check("and then do not run", trace_is("rh"));
}

// ---- through frames of the system DLLs: kernel32 or ntdll calls back, the callback raises ------------------------------------
static BOOL CALLBACK once_raises(PINIT_ONCE once, PVOID parameter, PVOID *context) {
    (void)once, (void)parameter, (void)context;
    raise(0xE0000008);
    return TRUE;
}
static void through_library(void) {
    INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    __try { InitOnceExecuteOnce(&once, once_raises, 0, 0); }
    __except (note(GetExceptionInformation(), EXCEPTION_EXECUTE_HANDLER)) { mark('h'); }
    check("an exception crosses a library that called back", seen_code == 0xE0000008 && trace_is("rfh"));
}

static DWORD WINAPI thread_raises(void *argument) {
    volatile LONG *handled = argument;
    for (int i = 0; i < 200; i++) {
        __try { RaiseException(0xE0000009, 0, 0, 0); }
        __except (EXCEPTION_EXECUTE_HANDLER) { InterlockedIncrement(handled); }
    }
    return 0;
}
static void in_threads(void) {
    volatile LONG handled = 0;
    HANDLE thread[4];
    for (int i = 0; i < 4; i++) thread[i] = CreateThread(0, 0, thread_raises, (void *)&handled, 0, 0);
    WaitForMultipleObjects(4, thread, TRUE, INFINITE);
    check("200 exceptions in each of four threads", handled == 800);
}

static LONG WINAPI last_resort(EXCEPTION_POINTERS *p) {
    check("the unhandled-exception filter is called last", p->ExceptionRecord->ExceptionCode == 0xE000000A && trace_is("r"));
    return EXCEPTION_CONTINUE_EXECUTION;
}
static void unhandled(void) {
    SetUnhandledExceptionFilter(last_resort);
    raise(0xE000000A);
    check("and may continue", trace_is("R"));
    SetUnhandledExceptionFilter(0);
}

int test_main(void) {
    access_fault();
    raised();
    continued();
    finally_order();
    searched();
    nested();
    registers();
    vectored_handlers();
    through_library();
    in_threads();
    unhandled();
    return 0;
}
