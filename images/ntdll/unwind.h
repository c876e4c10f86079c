// SPDX-License-Identifier: MIT
// Unwinding: from a pc to its unwind record (function_table.c), from a frame to its caller (unwind.c, unwind_x64.c,
// unwind_arm64.c), and over all frames with their language handlers (frames.c, specific_handler.c, handler.S).
//
// Two kinds of frames exist in an x64 process, told apart by the EC bit of the pc: x64 frames with 12-byte records and arm64
// frames with 8-byte records. The AMD64 CONTEXT carries both; an arm64 frame is unwound in the ARM64 form. In an Arm64
// process every frame is of the second kind.
#pragma once
#include "images/ntdll/context.h"

#define STATUS_LONGJUMP              ((DWORD)0x80000026)
#define STATUS_UNWIND_CONSOLIDATE    ((DWORD)0x80000029)
#define STATUS_INVALID_DISPOSITION   ((DWORD)0xC0000026)
#define STATUS_UNWIND                ((DWORD)0xC0000027)
#define STATUS_BAD_STACK             ((DWORD)0xC0000028)
#define STATUS_INVALID_UNWIND_TARGET ((DWORD)0xC0000029)
#define EXCEPTION_SOFTWARE_ORIGINATE 0x80

// DISPATCHER_CONTEXT: the layouts of x64, ARM64 and ARM64EC agree up to scope_index; x64 has padding where arm64 goes on.
struct dispatcher {
    uint64_t control_pc, image_base;
    void *function;                             // the unwind record, null: a leaf
    uint64_t frame;                             // establisher frame
    uint64_t target_pc;                         // of an unwind
    CONTEXT *context;                           // registers inside this frame
    PEXCEPTION_ROUTINE handler;
    void *handler_data;
    UNWIND_HISTORY_TABLE *history;
    uint32_t scope_index;                       // __C_specific_handler: scopes before it are done
    uint8_t pc_is_unwound;                      // arm64 frame whose control_pc is a return address
    struct nonvolatile *nonvolatile;            // of an arm64 frame
};
struct nonvolatile { uint64_t x19_to_x28[10], fp, d8_to_d15[8]; };
_Static_assert(offsetof(struct dispatcher, nonvolatile) == 0x50, "DISPATCHER_CONTEXT");

// ---- records ----------------------------------------------------------------------------------------------------------
struct x64_record { uint32_t begin, end, unwind; };
struct arm64_record { uint32_t begin, unwind; };

// The record that covers pc, or null; *base receives the address its RVAs count from.
void *function_lookup(uint64_t pc, uint64_t *base);

// ---- one frame --------------------------------------------------------------------------------------------------------
// Whether pc is arm64 code (always in an Arm64 process).
static inline bool pc_is_arm64(uint64_t pc) { return !PROCESS_IS_X64 || RtlIsEcCode(pc); }

// Results of an unwind step beside the changed registers. handler is null unless the frame has one of the wanted type.
struct unwound { uint64_t frame; PEXCEPTION_ROUTINE handler; void *handler_data; };

// Turn the registers of a frame into its caller's. function null: a leaf. type: UNW_FLAG_* wanted. False: the frame cannot
// be unwound (unreadable stack, unknown code).
bool unwind_x64(unsigned type, uint64_t base, uint64_t pc, const struct x64_record *function, CONTEXT *context, struct unwound *out);
bool unwind_arm64(unsigned type, uint64_t base, uint64_t pc, const struct arm64_record *function, struct arm_context *context,
                  struct unwound *out);
bool unwind_any(unsigned type, uint64_t base, uint64_t pc, void *function, CONTEXT *context, struct unwound *out);

// Fills *d for the frame *context is in and turns *context into its caller's. d->context and d->nonvolatile are set up.
bool unwind_step(unsigned type, struct dispatcher *d, CONTEXT *context);

// Reads what an unwind needs: any address is allowed, an unreadable one gives false.
bool unwind_read(uint64_t address, void *out, size_t bytes);

// ---- context.S --------------------------------------------------------------------------------------------------------
void capture_here(CONTEXT *out);                // the caller's registers at its return address
void raise_here(EXCEPTION_RECORD *record);      // dispatches with the caller's registers; returns when execution continues

// ---- handler.S --------------------------------------------------------------------------------------------------------
// Call a language handler inside a frame that knows what is going on when the handler itself raises.
EXCEPTION_DISPOSITION handler_call_search(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, struct dispatcher *d, PEXCEPTION_ROUTINE handler);
EXCEPTION_DISPOSITION handler_call_unwind(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, struct dispatcher *d, PEXCEPTION_ROUTINE handler);
// Calls a filter or termination handler of an arm64 frame with the frame's nonvolatile registers; x1 is the frame's fp.
int64_t funclet_call(void *argument, void *function, const struct nonvolatile *registers);
// Runs callback(record) below the frames that *context leaves standing, and continues *context at the pc it returns.
DECLSPEC_NORETURN void consolidate(const CONTEXT *context, void *callback, EXCEPTION_RECORD *record);

DECLSPEC_NORETURN void context_resume(const CONTEXT *context);
