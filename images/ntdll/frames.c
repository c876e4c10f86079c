// SPDX-License-Identifier: MIT
// Over the frames of a thread: looking for one that handles an exception, and unwinding to one.
#include "images/ntdll/unwind.h"
#include "images/ntdll/xstate.h"

static bool frame_is_valid(uint64_t frame) {
    return !(frame & 7) && frame >= TEB_FIELD(uint64_t, TEB_DEALLOCATION_STACK) && frame <= TEB_FIELD(uint64_t, TEB_STACK_BASE);
}

DECLSPEC_NORETURN static void raise_about(DWORD code, EXCEPTION_RECORD *about) {
    EXCEPTION_RECORD record = { .ExceptionCode = code, .ExceptionFlags = EXCEPTION_NONCONTINUABLE, .ExceptionRecord = about };
    for (;;) RtlRaiseException(&record);
}

// ---- handlers of the frames that call handlers (handler.S) ------------------------------------------------------------------
EXCEPTION_DISPOSITION handler_invoke(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, struct dispatcher *d, PEXCEPTION_ROUTINE handler) {
    return handler(record, frame, context, d);
}
static struct dispatcher *dispatcher_of(void *frame) { return *(struct dispatcher **)((uint8_t *)frame - 16); }

// A handler raised while an exception was dispatched: the search goes on, and the frames up to the one whose handler it was
// are inside an exception already.
EXCEPTION_DISPOSITION NTAPI handler_of_search(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, struct dispatcher *d) {
    (void)context;
    if (record->ExceptionFlags & EXCEPTION_UNWIND) return ExceptionContinueSearch;
    d->frame = dispatcher_of(frame)->frame;
    return ExceptionNestedException;
}

// A termination handler raised or unwound: who walks the frames now goes on where that unwind was, its scopes included.
EXCEPTION_DISPOSITION NTAPI handler_of_unwind(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, struct dispatcher *d) {
    (void)record, (void)context;
    uint64_t target = d->target_pc;
    *d = *dispatcher_of(frame);
    d->target_pc = target;
    return ExceptionCollidedUnwind;
}

// Takes over the frame of the unwind that was run into: *inner its registers, *caller its caller's. d keeps scope_index.
static bool collided_frame(struct dispatcher *d, CONTEXT *inner, CONTEXT *caller, struct nonvolatile *registers) {
    struct unwound u;
    *inner = *d->context;
    *caller = *inner;
    if (d->nonvolatile) *registers = *d->nonvolatile;
    d->context = inner;
    d->nonvolatile = registers;
    return unwind_any(UNW_FLAG_NHANDLER, d->image_base, d->control_pc - (d->pc_is_unwound ? 4 : 0), d->function, caller, &u);
}

// ---- the search -----------------------------------------------------------------------------------------------------------
bool frames_dispatch(EXCEPTION_RECORD *record, CONTEXT *context) {
    CONTEXT inner, caller = *context;
    caller.ContextFlags &= ~(DWORD)CONTEXT_EXTENDED;        // nothing is behind the copies
    struct nonvolatile registers;
    struct dispatcher d = { .context = &inner, .nonvolatile = &registers };
    uint64_t nested = 0;
    while (context_pc(&caller)) {
        inner = caller;
        if (!unwind_step(UNW_FLAG_EHANDLER, &d, &caller) || !frame_is_valid(d.frame)) {
            record->ExceptionFlags |= EXCEPTION_STACK_INVALID;
            return false;
        }
        while (d.handler) {
            uint64_t frame = d.frame;
            EXCEPTION_DISPOSITION verdict = handler_call_search(record, (void *)frame, context, &d, d.handler);
            record->ExceptionFlags &= EXCEPTION_NONCONTINUABLE | EXCEPTION_SOFTWARE_ORIGINATE | EXCEPTION_NESTED_CALL;
            if (frame == nested) {
                nested = 0;
                record->ExceptionFlags &= ~(DWORD)EXCEPTION_NESTED_CALL;
            }
            if (verdict == ExceptionCollidedUnwind) {
                if (!collided_frame(&d, &inner, &caller, &registers)) return false;
                continue;                       // with the handler of the frame that was being unwound
            }
            if (verdict == ExceptionContinueExecution) {
                if (record->ExceptionFlags & EXCEPTION_NONCONTINUABLE) raise_about((DWORD)STATUS_NONCONTINUABLE_EXCEPTION, record);
                return true;
            }
            if (verdict == ExceptionNestedException) {
                record->ExceptionFlags |= EXCEPTION_NESTED_CALL;
                if (d.frame > nested) nested = d.frame;
            } else if (verdict != ExceptionContinueSearch) {
                raise_about(STATUS_INVALID_DISPOSITION, record);
            }
            break;
        }
    }
    return false;
}

// ---- the unwind -----------------------------------------------------------------------------------------------------------
// An entry thunk's frame ends where its x64 caller's begins: a target is meant only with code of its own kind.
static bool is_target(const struct dispatcher *d, uint64_t target_frame, uint64_t target_pc) {
    return target_frame && d->frame == target_frame && pc_is_arm64(d->control_pc) == pc_is_arm64(target_pc);
}

// Unwinds to target_frame (null: to the end of the stack), running the termination handlers on the way, and goes on at
// target_pc with `value` as result. context: room for the registers, which the caller owns.
VOID NTAPI RtlUnwindEx(PVOID target_frame, PVOID target_pc, PEXCEPTION_RECORD record, PVOID value, PCONTEXT context, PUNWIND_HISTORY_TABLE history) {
    EXCEPTION_RECORD own = { .ExceptionCode = STATUS_UNWIND };
    struct nonvolatile registers;
    struct dispatcher d = { .target_pc = (uint64_t)target_pc, .context = context, .history = history, .nonvolatile = &registers };
    uint64_t goal = (uint64_t)target_frame;
    CONTEXT caller;
    capture_here(&caller);
    if (!record) {
        own.ExceptionAddress = (PVOID)context_pc(&caller);
        record = &own;
    }
    record->ExceptionFlags |= EXCEPTION_UNWINDING | (target_frame ? 0 : EXCEPTION_EXIT_UNWIND);
    for (;;) {
        *context = caller;
        if (!context_pc(context)) {
            if (target_frame) raise_about(STATUS_INVALID_UNWIND_TARGET, record);
            break;
        }
        if (!unwind_step(UNW_FLAG_UHANDLER, &d, &caller) || !frame_is_valid(d.frame)) raise_about(STATUS_BAD_STACK, record);
        while (d.handler) {
            if (goal && d.frame > goal) raise_about(STATUS_INVALID_UNWIND_TARGET, record);
            if (is_target(&d, goal, d.target_pc)) record->ExceptionFlags |= EXCEPTION_TARGET_UNWIND;
            EXCEPTION_DISPOSITION verdict = handler_call_unwind(record, (void *)d.frame, context, &d, d.handler);
            record->ExceptionFlags &= ~(DWORD)(EXCEPTION_COLLIDED_UNWIND | EXCEPTION_TARGET_UNWIND);
            if (verdict == ExceptionCollidedUnwind) {
                if (!collided_frame(&d, context, &caller, &registers)) raise_about(STATUS_BAD_STACK, record);
                record->ExceptionFlags |= EXCEPTION_COLLIDED_UNWIND;
                continue;
            }
            if (verdict != ExceptionContinueSearch) raise_about(STATUS_INVALID_DISPOSITION, record);
            break;
        }
        if (is_target(&d, goal, d.target_pc)) break;
    }
    if (record->ExceptionCode != STATUS_UNWIND_CONSOLIDATE) context_set_pc(context, d.target_pc);
    context_set_result(context, (uint64_t)value);
    RtlRestoreContext(context, record);
    __builtin_trap();
}

VOID NTAPI RtlUnwind(PVOID target_frame, PVOID target_pc, PEXCEPTION_RECORD record, PVOID value) {
    CONTEXT context;
    RtlUnwindEx(target_frame, target_pc, record, value, &context, 0);
}

// Return addresses of the frames above this one.
WORD NTAPI RtlCaptureStackBackTrace(DWORD skip, DWORD count, PVOID *trace, PDWORD hash) {
    CONTEXT context;
    struct nonvolatile registers;
    struct dispatcher d = { .nonvolatile = &registers };
    DWORD n = 0, sum = 0;
    capture_here(&context);
    for (DWORD i = 0; n < count && unwind_step(UNW_FLAG_NHANDLER, &d, &context) && frame_is_valid(d.frame) && context_pc(&context); i++) {
        if (i < skip) continue;
        trace[n++] = (PVOID)context_pc(&context);
        sum += (DWORD)context_pc(&context);
    }
    if (hash) *hash = sum;
    return (WORD)n;
}
