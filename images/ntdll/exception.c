// SPDX-License-Identifier: MIT
// Exceptions: vectored handlers, then the frames, then the unhandled-exception filter, then the kernel's crash report.
#include "images/ntdll/unwind.h"
#include "images/ntdll/xstate.h"

struct vectored { struct vectored *next, *previous; PVECTORED_EXCEPTION_HANDLER handler; int users; bool removed; };
struct vectored_list { struct vectored *first, *last; };
static struct vectored_list exception_handlers, continue_handlers;
static RTL_SRWLOCK vectored_lock;
static PTOP_LEVEL_EXCEPTION_FILTER unhandled_filter;

static void *vectored_add(struct vectored_list *list, ULONG first, PVECTORED_EXCEPTION_HANDLER handler) {
    struct vectored *v = heap_get(sizeof *v);
    if (!v) return 0;
    v->handler = handler;
    v->users = 1;
    RtlAcquireSRWLockExclusive(&vectored_lock);
    if (first) { v->next = list->first; list->first = v; } else { v->previous = list->last; list->last = v; }
    if (v->next) v->next->previous = v; else list->last = v;
    if (v->previous) v->previous->next = v; else list->first = v;
    RtlReleaseSRWLockExclusive(&vectored_lock);
    return v;
}

// Drops a use; the last one takes the entry out. A handler that removes itself, or another that is running, is safe.
static void vectored_drop(struct vectored_list *list, struct vectored *v) {
    if (--v->users) return;
    if (v->next) v->next->previous = v->previous; else list->last = v->previous;
    if (v->previous) v->previous->next = v->next; else list->first = v->next;
    heap_put(v);
}

static ULONG vectored_remove(struct vectored_list *list, void *handle) {
    ULONG found = 0;
    RtlAcquireSRWLockExclusive(&vectored_lock);
    for (struct vectored *v = list->first; v; v = v->next)
        if (v == handle && !v->removed) {
            found = v->removed = true;
            vectored_drop(list, v);
            break;
        }
    RtlReleaseSRWLockExclusive(&vectored_lock);
    return found;
}

static bool vectored_call(struct vectored_list *list, EXCEPTION_POINTERS *pointers) {
    bool handled = false;
    RtlAcquireSRWLockExclusive(&vectored_lock);
    for (struct vectored *v = list->first, *next; v && !handled; v = next) {
        if (!v->removed) {
            v->users++;
            RtlReleaseSRWLockExclusive(&vectored_lock);
            handled = v->handler(pointers) == EXCEPTION_CONTINUE_EXECUTION;
            RtlAcquireSRWLockExclusive(&vectored_lock);
            next = v->next;
            vectored_drop(list, v);
        } else {
            next = v->next;
        }
    }
    RtlReleaseSRWLockExclusive(&vectored_lock);
    return handled;
}

PVOID NTAPI RtlAddVectoredExceptionHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler) { return vectored_add(&exception_handlers, first, handler); }
PVOID NTAPI RtlAddVectoredContinueHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler) { return vectored_add(&continue_handlers, first, handler); }
ULONG NTAPI RtlRemoveVectoredExceptionHandler(PVOID handle) { return vectored_remove(&exception_handlers, handle); }
ULONG NTAPI RtlRemoveVectoredContinueHandler(PVOID handle) { return vectored_remove(&continue_handlers, handle); }

PTOP_LEVEL_EXCEPTION_FILTER NTAPI RtlSetUnhandledExceptionFilter(PTOP_LEVEL_EXCEPTION_FILTER filter) {
    return __atomic_exchange_n(&unhandled_filter, filter, __ATOMIC_ACQ_REL);
}

DECLSPEC_NORETURN void context_resume(const CONTEXT *context) {
    status_t status = context_continue(context);
    fatal(status, "a context cannot be continued: status %8x", (unsigned)status);
}

DECLSPEC_NORETURN static void dispatch(EXCEPTION_RECORD *record, struct arm_context *arm, bool from_kernel) {
    struct context_room room;
    CONTEXT *context = &room.context;
    if (from_kernel) context_from_kernel(context, arm, record->ExceptionCode);
    else context_from_registers(context, arm);
    EXCEPTION_POINTERS pointers = { record, context };
    bool go_on = vectored_call(&exception_handlers, &pointers) || frames_dispatch(record, context);
    if (!go_on && unhandled_filter) {
        LONG verdict = unhandled_filter(&pointers);
        if (verdict == EXCEPTION_EXECUTE_HANDLER) SYS(process_terminate, HANDLE_CURRENT_PROCESS, (uint32_t)record->ExceptionCode);
        go_on = verdict == EXCEPTION_CONTINUE_EXECUTION;
    }
    if (go_on) {
        vectored_call(&continue_handlers, &pointers);
        context_resume(context);
    }
    SYS(exception_raise, record, arm, 0);           // second chance: the kernel reports the crash and ends the process
    SYS(process_terminate, HANDLE_CURRENT_PROCESS, (uint32_t)record->ExceptionCode);
    __builtin_trap();
}

// From KiUserExceptionDispatcher (handler.S) and raise_here (context.S).
DECLSPEC_NORETURN void exception_dispatch(EXCEPTION_RECORD *record, struct arm_context *arm) { dispatch(record, arm, true); }
DECLSPEC_NORETURN void raise_dispatch(EXCEPTION_RECORD *record, struct arm_context *arm) { dispatch(record, arm, false); }

VOID NTAPI RtlRaiseException(EXCEPTION_RECORD *record) {
    if (!record->ExceptionAddress) record->ExceptionAddress = __builtin_return_address(0);
    raise_here(record);
}

DECLSPEC_NORETURN VOID NTAPI RtlRaiseStatus(NTSTATUS status) {
    EXCEPTION_RECORD record = { .ExceptionCode = (DWORD)status, .ExceptionFlags = EXCEPTION_NONCONTINUABLE,
                                .ExceptionAddress = __builtin_return_address(0) };
    for (;;) RtlRaiseException(&record);
}

NTSTATUS NTAPI NtContinue(PCONTEXT context, BOOLEAN alert) {
    (void)alert;
    return context_continue(context);
}

NTSTATUS NTAPI NtRaiseException(PEXCEPTION_RECORD record, PCONTEXT context, BOOL first_chance) {
    struct arm_context arm;
    context_to_arm(&arm, context);
    if (first_chance) dispatch(record, &arm, false);
    return SYS(exception_raise, record, &arm, 0);
}
