// SPDX-License-Identifier: MIT
// __C_specific_handler: the language handler of C functions with __try. Its data is a scope table.
#include "images/ntdll/unwind.h"

// RVAs. target 0: a __finally, handler is the termination handler. Otherwise an __except, handler is the filter, or 1: always.
struct scope { uint32_t begin, end, handler, target; };
struct scope_table { uint32_t count; struct scope scopes[]; };

typedef LONG (*filter_fn)(EXCEPTION_POINTERS *pointers, void *frame);
typedef void (*termination_fn)(BOOLEAN abnormal, void *frame);

// Filters and termination handlers work on their function's frame: x64 ones get the establisher frame, arm64 ones its
// frame pointer and nonvolatile registers.
static LONG filter_call(const struct dispatcher *d, uint64_t filter, EXCEPTION_POINTERS *pointers) {
    if (pc_is_arm64(d->control_pc)) return (LONG)funclet_call(pointers, (void *)filter, d->nonvolatile);
    return ((filter_fn)filter)(pointers, (void *)d->frame);
}
static void termination_call(const struct dispatcher *d, uint64_t handler) {
    if (pc_is_arm64(d->control_pc)) funclet_call((void *)1, (void *)handler, d->nonvolatile);
    else ((termination_fn)handler)(TRUE, (void *)d->frame);
}

EXCEPTION_DISPOSITION __cdecl __C_specific_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, struct _DISPATCHER_CONTEXT *dispatch) {
    struct dispatcher *d = (struct dispatcher *)dispatch;
    const struct scope_table *table = d->handler_data;
    bool arm64 = pc_is_arm64(d->control_pc), unwinding = record->ExceptionFlags & EXCEPTION_UNWIND;
    uint64_t pc = d->control_pc - d->image_base - (arm64 && d->pc_is_unwound ? 4 : 0), target = d->target_pc - d->image_base;
    for (uint32_t i = unwinding ? d->scope_index : 0; i < table->count; i++) {
        const struct scope *s = &table->scopes[i];
        if (pc < s->begin || pc >= s->end) continue;
        if (!unwinding && s->target) {
            LONG verdict = EXCEPTION_EXECUTE_HANDLER;
            if (s->handler != 1) {
                EXCEPTION_POINTERS pointers = { record, context };
                verdict = filter_call(d, d->image_base + s->handler, &pointers);
            }
            if (verdict < 0) return ExceptionContinueExecution;
            if (verdict > 0)
                RtlUnwindEx(frame, (void *)(d->image_base + s->target), record, (void *)(uint64_t)record->ExceptionCode, d->context, d->history);
        } else if (unwinding && !s->target) {
            // The unwind ends inside this scope: it is not left.
            if ((record->ExceptionFlags & EXCEPTION_TARGET_UNWIND) && target >= s->begin && target < s->end) break;
            d->scope_index = i + 1;
            termination_call(d, d->image_base + s->handler);
        } else if (unwinding && (record->ExceptionFlags & EXCEPTION_TARGET_UNWIND) && s->target == target) {
            break;                              // its own __except: what encloses it is not left
        }
    }
    return ExceptionContinueSearch;
}
