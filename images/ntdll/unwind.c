// SPDX-License-Identifier: MIT
// One step from a frame to its caller, whatever kind of frame it is, and taking and restoring whole contexts.
#include "images/ntdll/unwind.h"

// The thread's own stack is read directly; anything else may be unmapped and is asked of the kernel.
bool unwind_read(uint64_t address, void *out, size_t bytes) {
    if (address >= TEB_FIELD(uint64_t, TEB_STACK_LIMIT) && address <= TEB_FIELD(uint64_t, TEB_STACK_BASE) - bytes) {
        memcpy(out, (const void *)address, bytes);
        return true;
    }
    uint64_t done = 0;
    return !NT_ERROR(SYS(vm_read, HANDLE_CURRENT_PROCESS, address, out, bytes, &done)) && done == bytes;
}

bool unwind_any(unsigned type, uint64_t base, uint64_t pc, void *function, CONTEXT *context, struct unwound *out) {
#if PROCESS_IS_X64
    if (!pc_is_arm64(pc)) return unwind_x64(type, base, pc, function, context, out);
    struct arm_context arm;
    context_to_arm(&arm, context);
    if (!unwind_arm64(type, base, pc, function, &arm, out)) return false;
    context_from_arm(context, &arm);
    return true;
#else
    return unwind_arm64(type, base, pc, function, (struct arm_context *)context, out);
#endif
}

static void nonvolatile_take(struct nonvolatile *out, const CONTEXT *context) {
    struct arm_context arm;
    context_to_arm(&arm, context);
    memcpy(out->x19_to_x28, &arm.x[19], sizeof out->x19_to_x28);
    out->fp = arm.x[29];
    for (unsigned i = 0; i < 8; i++) out->d8_to_d15[i] = arm.v[8 + i].low;
}

bool unwind_step(unsigned type, struct dispatcher *d, CONTEXT *context) {
    uint64_t pc = context_pc(context);
    bool arm64 = pc_is_arm64(pc);
    struct unwound u;
    d->control_pc = pc;
    d->scope_index = 0;
    d->pc_is_unwound = arm64 && (context->ContextFlags & CONTEXT_UNWOUND);
    uint64_t inside = pc - (d->pc_is_unwound ? 4 : 0);
    d->function = function_lookup(inside, &d->image_base);
    if (arm64) nonvolatile_take(d->nonvolatile, context);
    bool ok = unwind_any(type, d->image_base, inside, d->function, context, &u);
    d->frame = u.frame;
    d->handler = u.handler;
    d->handler_data = u.handler_data;
    return ok;
}

// The interface has no way to report failure: a frame that cannot be unwound has no caller (pc 0).
PEXCEPTION_ROUTINE NTAPI RtlVirtualUnwind(DWORD type, DWORD64 base, DWORD64 pc, PRUNTIME_FUNCTION function, PCONTEXT context,
                                          PVOID *handler_data, PDWORD64 frame, PKNONVOLATILE_CONTEXT_POINTERS pointers) {
    struct unwound u;
    (void)pointers;                             // where registers were saved: callers use the context itself
    if (pc == context_pc(context) && pc_is_arm64(pc) && (context->ContextFlags & CONTEXT_UNWOUND)) pc -= 4;
    if (!unwind_any(type, base, pc, function, context, &u)) context_set_pc(context, 0);
    *handler_data = u.handler_data;
    *frame = u.frame;
    return u.handler;
}

// ---- contexts -----------------------------------------------------------------------------------------------------------
// From capture_here (context.S). When x64 code called an EC function that captures, the registers meant are those of the
// x64 code, on the other side of the entry thunk.
void capture_store(CONTEXT *out, const struct arm_context *arm) {
    context_from_registers(out, arm);
#if PROCESS_IS_X64
    CONTEXT caller = *out;
    struct nonvolatile registers;
    struct dispatcher d = { .nonvolatile = &registers };
    if (unwind_step(UNW_FLAG_NHANDLER, &d, &caller) && !pc_is_arm64(caller.Rip) && module_at((void *)caller.Rip)) *out = caller;
#endif
}
VOID NTAPI RtlCaptureContext(PCONTEXT context) { __attribute__((musttail)) return capture_here(context); }

typedef PVOID(NTAPI *consolidate_fn)(EXCEPTION_RECORD *record);

// From consolidate (handler.S), with the copy of the context that the frame is described by.
DECLSPEC_NORETURN void consolidate_run(CONTEXT *context, consolidate_fn callback, EXCEPTION_RECORD *record) {
    context_set_pc(context, (uint64_t)callback(record));
    context_resume(context);
}

VOID NTAPI RtlRestoreContext(PCONTEXT context, EXCEPTION_RECORD *record) {
    if (record && record->ExceptionCode == STATUS_UNWIND_CONSOLIDATE && record->NumberParameters >= 1)
        consolidate(context, (void *)record->ExceptionInformation[0], record);
    if (record && record->ExceptionCode == STATUS_LONGJUMP && record->NumberParameters >= 1)
        context_from_jump(context, (const void *)record->ExceptionInformation[0]);
    context_resume(context);
}
