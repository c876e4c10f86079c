// SPDX-License-Identifier: MIT
// Walking frames: finding function entries, offering an exception to the frames' handlers, unwinding to a target frame.
#include "images/ntdll/unwind.h"

// DISPATCHER_CONTEXT; the x64 and ARM64 forms agree as far as handlers look.
struct dispatcher {
    uint64_t control_pc, image;
    const uint32_t *entry;
    uint64_t establisher, target_pc;
    CONTEXT *context;
    uint64_t handler;
    const void *handler_data;
    PUNWIND_HISTORY_TABLE history;
    uint32_t scope;
    uint8_t pc_is_unwound, pad[3];
    uint64_t *nonvolatile;                              // ARM64: x19..x30, then d8..d15
};
typedef int (*handler_fn)(EXCEPTION_RECORD *record, uint64_t frame, CONTEXT *context, struct dispatcher *d);
enum { GO_ON = 0, SEARCH = 1, NESTED = 2, COLLIDED = 3 };
enum { NONCONTINUABLE = 1, UNWINDING = 2, EXIT_UNWIND = 4, TARGET_UNWIND = 0x20 };

const uint32_t *function_entry(uint64_t pc, uint64_t *image, bool *is_x64) {
    RtlEnterCriticalSection(&loader_lock);
    struct module *m = module_at((void *)pc);
    RtlLeaveCriticalSection(&loader_lock);
    *image = m ? (uint64_t)m->base : 0;
    *is_x64 = PROCESS_IS_X64 && !RtlIsEcCode(pc);
    if (!m) return 0;
    uint32_t bytes;
    const uint8_t *table = image_directory(m->base, IMAGE_DIRECTORY_ENTRY_EXCEPTION, &bytes);
    if (PROCESS_IS_X64 && !*is_x64) {                   // EC code: the table in the other format (CHPE +40, +44)
        uint32_t size;
        const uint8_t *config = image_directory(m->base, IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, &size);
        if (!config || size < 0xd0 || !*(uint64_t *)(config + 0xc8)) return 0;
        const uint32_t *metadata = *(const uint32_t **)(config + 0xc8);
        table = metadata[0x40 / 4] ? m->base + metadata[0x40 / 4] : 0;
        bytes = metadata[0x44 / 4];
    }
    if (!table) return 0;
    uint32_t rva = (uint32_t)(pc - *image), words = *is_x64 ? 3 : 2, low = 0, high = bytes / (4 * words);
    const uint32_t *entries = (const uint32_t *)table;
    while (low < high) {                                // the last entry that begins at or before rva
        uint32_t middle = (low + high) / 2;
        if (entries[middle * words] <= rva) low = middle + 1; else high = middle;
    }
    if (!low) return 0;
    const uint32_t *e = entries + (low - 1) * words;
    uint32_t end;
    if (*is_x64) {
        if (e[2] & 1) e = (const uint32_t *)(m->base + (e[2] & ~1u));           // indirect
        end = e[1];
    } else {
        uint32_t length = e[1] & 3 ? e[1] >> 2 & 0x7ff : *(const uint32_t *)(m->base + e[1]) & 0x3ffff;
        end = e[0] + length * 4;
    }
    return e[0] && rva < end ? e : 0;
}

bool frame_unwind(struct arm_context *c, struct frame *f) {
    *f = (struct frame){ .pc = c->pc, .establisher = c->sp };
    bool called = c->flags & CONTEXT_UNWOUND;
    bool x64_pc = PROCESS_IS_X64 && !RtlIsEcCode(c->pc);
    uint64_t pc = called && !x64_pc ? c->pc - 4 : c->pc;
    f->entry = function_entry(pc, &f->image, &f->is_x64);
    uint64_t low = TEB_FIELD(uint64_t, TEB_STACK_LIMIT), high = TEB_FIELD(uint64_t, TEB_STACK_BASE);
    if (c->sp < low || c->sp >= high || c->sp & 7) return false;
    if (f->entry) {
        if (!(f->is_x64 ? unwind_x64 : unwind_arm64)(c, f->image, f->entry, pc, f)) return false;
        if (f->is_x64) c->flags |= CONTEXT_UNWOUND;
    } else if (f->is_x64) {
        c->pc = *(const uint64_t *)c->sp;
        c->sp += 8;
        c->flags |= CONTEXT_UNWOUND;
    } else {
        if (c->pc == c->x[30] || called) return false;  // a leaf cannot have called
        c->pc = c->x[30];
        c->flags |= CONTEXT_UNWOUND;
    }
    return c->pc && c->sp >= low && c->sp <= high;
}

static void dispatcher_fill(struct dispatcher *d, const struct frame *f, const struct arm_context *before, CONTEXT *context, uint64_t *saved) {
    *d = (struct dispatcher){ .control_pc = f->pc, .image = f->image, .entry = f->entry, .establisher = f->establisher, .context = context,
                              .handler = f->handler, .handler_data = f->handler_data, .pc_is_unwound = !!(before->flags & CONTEXT_UNWOUND),
                              .nonvolatile = saved };
    for (unsigned i = 0; i < 12; i++) saved[i] = before->x[19 + i];
    for (unsigned i = 0; i < 8; i++) saved[12 + i] = before->v[8 + i].low;
}

bool frames_dispatch(EXCEPTION_RECORD *record, CONTEXT *context) {
    struct arm_context walk;
    context_to_arm(&walk, context);
    for (;;) {
        struct arm_context before = walk;
        struct frame f;
        bool good = frame_unwind(&walk, &f);
        if (f.handler && f.catches) {
            struct dispatcher d;
            uint64_t saved[20];
            _Alignas(16) CONTEXT frame_context;
            context_from_arm(&frame_context, &before);
            dispatcher_fill(&d, &f, &before, &frame_context, saved);
            switch (((handler_fn)f.handler)(record, f.establisher, context, &d)) {
            case GO_ON:
                if (!(record->ExceptionFlags & NONCONTINUABLE)) return true;
                record->ExceptionCode = (DWORD)STATUS_NONCONTINUABLE_EXCEPTION;
                return false;
            default: break;
            }
        }
        if (!good) return false;
    }
}

static bool target_is_here(const struct frame *f, uint64_t target_frame, uint64_t target_pc) {
    if (f->establisher != target_frame) return false;
    return f->is_x64 || !PROCESS_IS_X64 || RtlIsEcCode(target_pc);     // an entry thunk shares its caller's frame address
}

// Calls the termination handlers of every frame up to target_frame and continues there at target_pc. target_frame 0: all frames.
VOID NTAPI RtlUnwindEx(PVOID target_frame, PVOID target_pc, PEXCEPTION_RECORD record, PVOID value, PCONTEXT unused, PUNWIND_HISTORY_TABLE history) {
    (void)unused, (void)history;
    EXCEPTION_RECORD own = { .ExceptionCode = 0xC0000027u, .ExceptionAddress = __builtin_return_address(0) };    // STATUS_UNWIND
    if (!record) record = &own;
    record->ExceptionFlags |= UNWINDING | (target_frame ? 0 : EXIT_UNWIND);
    struct arm_context walk;
    context_capture(&walk);
    for (;;) {
        struct arm_context before = walk;
        struct frame f;
        bool good = frame_unwind(&walk, &f), here = target_frame && target_is_here(&f, (uint64_t)target_frame, (uint64_t)target_pc);
        if (f.handler && f.cleans) {
            struct dispatcher d;
            uint64_t saved[20];
            _Alignas(16) CONTEXT frame_context;
            context_from_arm(&frame_context, &before);
            dispatcher_fill(&d, &f, &before, &frame_context, saved);
            d.target_pc = (uint64_t)target_pc;
            if (here) record->ExceptionFlags |= TARGET_UNWIND;
            ((handler_fn)f.handler)(record, f.establisher, &frame_context, &d);
            record->ExceptionFlags &= ~(DWORD)TARGET_UNWIND;
        }
        if (here) {
            bool x64_target = PROCESS_IS_X64 && !RtlIsEcCode((uint64_t)target_pc);
            before.pc = (uint64_t)target_pc;
            before.x[x64_target ? 8 : 0] = (uint64_t)value;
            before.flags = ARM_CONTEXT_ALL;
            context_leave_lost_flags(NULL);
            status_t status = SYS(context_continue, &before);
            fatal(status, "unwinding cannot continue: status %8x", (unsigned)status);
        }
        if (!good) break;
    }
    EXCEPTION_RECORD bad = { .ExceptionCode = 0xC0000029u, .ExceptionFlags = NONCONTINUABLE, .ExceptionRecord = record };   // STATUS_INVALID_UNWIND_TARGET
    for (;;) RtlRaiseException(&bad);
}
VOID NTAPI RtlUnwind(PVOID target_frame, PVOID target_pc, PEXCEPTION_RECORD record, PVOID value) { RtlUnwindEx(target_frame, target_pc, record, value, 0, 0); }

PRUNTIME_FUNCTION NTAPI RtlLookupFunctionEntry(DWORD64 pc, PDWORD64 image, PUNWIND_HISTORY_TABLE history) {
    (void)history;
    bool is_x64;
    uint64_t base;
    const uint32_t *e = function_entry(pc, &base, &is_x64);
    *image = base;
    return (PRUNTIME_FUNCTION)e;
}

PEXCEPTION_ROUTINE NTAPI RtlVirtualUnwind(DWORD type, DWORD64 image, DWORD64 pc, PRUNTIME_FUNCTION entry, PCONTEXT context, PVOID *data,
                                          PDWORD64 establisher, PKNONVOLATILE_CONTEXT_POINTERS pointers) {
    (void)pointers;
    struct arm_context walk;
    struct frame f = { .pc = pc };
    context_to_arm(&walk, context);
    f.is_x64 = PROCESS_IS_X64 && !RtlIsEcCode(pc);
    bool good = (f.is_x64 ? unwind_x64 : unwind_arm64)(&walk, image, (const uint32_t *)entry, pc, &f);
    if (!good) walk.pc = 0;
    context_from_arm(context, &walk);
    *establisher = f.establisher;
    *data = (PVOID)f.handler_data;
    bool wanted = ((type & 1) && f.catches) || ((type & 2) && f.cleans);
    return wanted ? (PEXCEPTION_ROUTINE)f.handler : 0;
}

USHORT NTAPI RtlCaptureStackBackTrace(ULONG skip, ULONG count, PVOID *out, PULONG hash) {
    struct arm_context walk;
    struct frame f;
    USHORT n = 0;
    ULONG sum = 0;
    context_capture(&walk);
    for (ULONG i = 0; n < count && frame_unwind(&walk, &f); i++)
        if (i >= skip + 1) { out[n++] = (PVOID)f.pc; sum += (ULONG)f.pc; }
    if (hash) *hash = sum;
    return n;
}

// ---- the frame handler of C: __try, __except, __finally ----------------------------------------------------------------------
struct scope_table { uint32_t count; struct { uint32_t begin, end, handler, target; } scopes[]; };
typedef long (*filter_fn)(EXCEPTION_POINTERS *pointers, uint64_t frame);
typedef void (*finally_fn)(BOOLEAN abnormal, uint64_t frame);

EXCEPTION_DISPOSITION __C_specific_handler(EXCEPTION_RECORD *record, void *frame_pointer, CONTEXT *context, struct _DISPATCHER_CONTEXT *dispatch) {
    struct dispatcher *d = (struct dispatcher *)dispatch;
    uint64_t frame = (uint64_t)frame_pointer;
    const struct scope_table *table = d->handler_data;
    uint64_t base = d->image, pc = d->control_pc;
    bool x64_frame = PROCESS_IS_X64 && !RtlIsEcCode(pc);
    if (!x64_frame && d->pc_is_unwound) pc -= 4;
    uint64_t rva = pc - base;
    for (uint32_t i = d->scope; i < table->count; i++) {
        uint32_t handler = table->scopes[i].handler, target = table->scopes[i].target;
        if (rva < table->scopes[i].begin || rva >= table->scopes[i].end) continue;
        if (!(record->ExceptionFlags & (UNWINDING | EXIT_UNWIND))) {
            if (!target) continue;
            long verdict = 1;
            if (handler != 1) {
                EXCEPTION_POINTERS pointers = { record, context };
                verdict = ((filter_fn)(base + handler))(&pointers, frame);
            }
            if (verdict < 0) return (EXCEPTION_DISPOSITION)GO_ON;
            if (verdict > 0) RtlUnwindEx((PVOID)frame, (PVOID)(base + target), record, (PVOID)(uint64_t)record->ExceptionCode, d->context, d->history);
        } else {
            if (record->ExceptionFlags & TARGET_UNWIND) {               // the target lies in this __try too: leave it alone
                uint64_t to = d->target_pc - base;
                if (to >= table->scopes[i].begin && to < table->scopes[i].end) break;
                if (target && target == to) break;
            }
            if (target) continue;
            d->scope = i + 1;
            ((finally_fn)(base + handler))(TRUE, frame);
        }
    }
    return (EXCEPTION_DISPOSITION)SEARCH;
}
