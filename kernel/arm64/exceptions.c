// SPDX-License-Identifier: MIT
// Exceptions that mean the end: the vectors that must not be taken, kernel faults nobody repairs, kernel stack overflow.
#include "kernel/arm64/exceptions.h"
#include "kernel/panic.h"

// ESR_EL1.EC (Arm ARM D19.2.37), those a kernel can meet.
static const char *exception_class(uint64_t esr)
{
    switch (esr >> 26 & 0x3f) {
    case 0x00: return "undefined instruction";
    case 0x07: return "FP or SIMD instruction while it is off";
    case 0x0e: return "illegal execution state";
    case 0x15: return "SVC";
    case 0x18: return "trapped system register";
    case 0x19: return "SVE instruction";
    case 0x20: case 0x21: return "instruction abort";
    case 0x22: return "misaligned program counter";
    case 0x24: case 0x25: return "data abort";
    case 0x26: return "misaligned stack pointer";
    case 0x2f: return "SError";
    case 0x30: case 0x31: return "hardware breakpoint";
    case 0x3c: return "BRK";
    default:   return "unknown exception class";
    }
}

// Fault status codes of aborts, without their level.
static const char *abort_cause(uint64_t esr)
{
    uint64_t class = esr >> 26 & 0x3f;
    if (class != 0x20 && class != 0x21 && class != 0x24 && class != 0x25)
        return "";
    switch (esr & 0x3f) {
    case 0x04: case 0x05: case 0x06: case 0x07: return ", not mapped";
    case 0x08: case 0x09: case 0x0a: case 0x0b: return ", access flag";
    case 0x0c: case 0x0d: case 0x0e: case 0x0f: return ", permission";
    case 0x10: return ", external abort";
    case 0x21: return ", alignment";
    default:   return "";
    }
}

_Noreturn void exception_fatal(const struct trap_frame *frame)
{
    panic_trap(frame, "%s in the kernel%s, at %#lx, address %#lx", exception_class(frame->esr), abort_cause(frame->esr),
               frame->elr, frame->far);
}

void trap_unexpected(struct trap_frame *frame, unsigned vector);
void trap_unexpected(struct trap_frame *frame, unsigned vector)
{
    static const char *const kinds[] = { "synchronous exception", "IRQ", "FIQ", "SError" };
    static const char *const sources[] = { "EL1 on the wrong stack", "EL1", "EL0", "AArch32 EL0" };
    panic_trap(frame, "%s from %s: %s", kinds[vector & 3], sources[vector >> 2], exception_class(frame->esr));
}

void trap_stack_overflow(struct trap_frame *frame);
void trap_stack_overflow(struct trap_frame *frame)
{
    panic_trap(frame, "kernel stack overflow: sp %#lx, %s at %#lx", frame->sp, exception_class(frame->esr), frame->far);
}
