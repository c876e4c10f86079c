// SPDX-License-Identifier: MIT
// Where exceptions go: system calls and translator calls, faults of programs, interrupts, faults of the kernel.
#include "emu/run/emu.h"
#include "kernel/arm64/exceptions.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/exception.h"
#include "kernel/interrupt.h"
#include "kernel/process.h"
#include "kernel/syscall.h"
#include "kernel/thread.h"
#include "mm/aspace.h"
#include "mm/user.h"

// ESR_EL1.EC (Arm ARM D19.2.37) as far as EL0 can cause them.
enum {
    EC_SVC64 = 0x15, EC_FETCH_ABORT = 0x20, EC_PC_ALIGNMENT = 0x22, EC_DATA_ABORT = 0x24,
    EC_SP_ALIGNMENT = 0x26, EC_BREAKPOINT = 0x30, EC_STEP = 0x32, EC_WATCHPOINT = 0x34, EC_BRK = 0x3c,
};
enum { ISS_WRITE = 1 << 6, ISS_CACHE_MAINTENANCE = 1 << 8, ISS_STATUS = 0x3f, STATUS_ALIGNMENT = 0x21 };

// BRK immediates that Windows on arm64 gives a meaning.
enum { BRK_BREAKPOINT = 0xf000, BRK_ASSERT = 0xf001, BRK_FASTFAIL = 0xf003, BRK_DIVIDE = 0xf004 };

static enum page_access access_of(const struct trap_frame *frame)
{
    if ((frame->esr >> 26 & 0x3f) == EC_FETCH_ABORT)
        return ACCESS_EXECUTE;
    return (frame->esr & ISS_WRITE) && !(frame->esr & ISS_CACHE_MAINTENANCE) ? ACCESS_WRITE : ACCESS_READ;
}

static struct exception access_exception(enum fault_kind kind, enum page_access access, uint64_t address)
{
    const status_t codes[] = {
        [FAULT_ACCESS_VIOLATION] = STATUS_ACCESS_VIOLATION, [FAULT_GUARD_PAGE] = STATUS_GUARD_PAGE_VIOLATION,
        [FAULT_NON_CANONICAL] = STATUS_ACCESS_VIOLATION, [FAULT_NO_MEMORY] = STATUS_IN_PAGE_ERROR,
        [FAULT_STACK_OVERFLOW] = STATUS_STACK_OVERFLOW,
    };
    struct exception exception = { .code = codes[kind], .parameter_count = 2 };
    exception.parameters[0] = access == ACCESS_EXECUTE ? 8 : access == ACCESS_WRITE;
    exception.parameters[1] = address;
    if (kind == FAULT_NO_MEMORY) {
        exception.parameter_count = 3;
        exception.parameters[2] = (uint64_t)(int64_t)STATUS_NO_MEMORY;
    }
    return exception;
}

// Raises what a fault of the program means, in exact x64 state if it was translated code that faulted.
static void raise_fault(struct trap_frame *frame, struct exception *exception, bool non_canonical)
{
    struct thread *self = thread_current();
    struct process *process = self->process;
    if (process->emu) {
        uint64_t far = frame->far;
        enum emu_outcome outcome = emu_state(process->emu, frame, self->cpu_area);
        if (outcome == EMU_RESUME)
            return;
        if (frame->far != far && exception->parameter_count >= 2)
            exception->parameters[1] = frame->far;
        if (outcome == EMU_EXCEPTION && non_canonical) {        // #GP, which Windows shows so
            exception->parameters[0] = 0;
            exception->parameters[1] = UINT64_MAX;
        } else if (outcome == EMU_EXCEPTION && exception->code == STATUS_ACCESS_VIOLATION) {
            emu_fault_as_x64(process->emu, frame, exception);
        }
        if (outcome == EMU_EXCEPTION)
            self->entries_fault--;                              // the translator has counted it
    }
    exception->address = frame->elr;
    exception_deliver(frame, exception);
}

static void handle_abort(struct trap_frame *frame)
{
    struct process *process = thread_current()->process;
    enum page_access access = access_of(frame);
    uint64_t address = frame->far;
    if ((frame->esr & ISS_STATUS) == STATUS_ALIGNMENT) {
        struct exception exception = { .code = STATUS_DATATYPE_MISALIGNMENT, .parameter_count = 2,
                                       .parameters = { access == ACCESS_WRITE, address } };
        switch (process->emu ? emu_alignment(process->emu, frame, &exception) : EMU_NOT_MINE) {
        case EMU_RESUME:
            return;
        case EMU_EXCEPTION:
            exception_deliver(frame, &exception);
            return;
        default:
            break;
        }
        raise_fault(frame, &exception, false);
        return;
    }
    enum fault_kind kind = aspace_fault(process->aspace, address, access);
    if (kind == FAULT_RETRY) {
        if (process->emu && access == ACCESS_WRITE)
            emu_retry(process->emu, frame);
        return;
    }
    struct exception exception = access_exception(kind, access, address);
    raise_fault(frame, &exception, kind == FAULT_NON_CANONICAL);
}

static void handle_brk(struct trap_frame *frame)
{
    struct exception exception = { .code = STATUS_ILLEGAL_INSTRUCTION };
    switch (frame->esr & 0xffff) {
    case BRK_BREAKPOINT:
        exception.code = STATUS_BREAKPOINT;
        exception.parameter_count = 1;
        break;
    case BRK_ASSERT:
        exception.code = STATUS_ASSERTION_FAILURE;
        break;
    case BRK_DIVIDE:
        exception.code = STATUS_INTEGER_DIVIDE_BY_ZERO;
        break;
    case BRK_FASTFAIL: {
        // No handler may run any more.
        struct exception_record record = { .code = (uint32_t)STATUS_STACK_BUFFER_OVERRUN, .flags = EXCEPTION_NONCONTINUABLE,
                                           .address = frame->elr, .parameter_count = 1, .parameters = { frame->x[0] } };
        exception_crash(frame, &record, "fast fail");
        return;
    }
    }
    raise_fault(frame, &exception, false);
}

static void handle_emulator_call(struct trap_frame *frame, uint16_t immediate)
{
    struct process *process = thread_current()->process;
    struct exception exception = { 0 };
    switch (process->emu ? emu_svc(process->emu, frame, immediate, &exception) : EMU_NOT_MINE) {
    case EMU_RESUME:
        return;
    case EMU_SYSCALL:
        syscall_from_x64(frame);
        return;
    case EMU_EXCEPTION:
        exception_deliver(frame, &exception);
        return;
    case EMU_NOT_MINE:
        break;
    }
    frame->elr -= 4;
    exception = (struct exception){ .code = STATUS_ILLEGAL_INSTRUCTION };
    raise_fault(frame, &exception, false);
}

static void handle_el0(struct trap_frame *frame)
{
    struct thread *self = thread_current();
    struct exception exception = { .code = STATUS_ILLEGAL_INSTRUCTION };
    uint32_t class = frame->esr >> 26 & 0x3f;
    if (class == EC_SVC64) {
        uint16_t immediate = frame->esr & 0xffff;
        if (immediate >= SVC_EMU_FIRST) {
            handle_emulator_call(frame, immediate);
            return;
        }
        self->entries_syscall++;
        syscall_from_arm64(frame, immediate);
        return;
    }
    self->entries_fault++;
    if ((class == EC_FETCH_ABORT || class == EC_PC_ALIGNMENT) && self->process->emu && emu_icall(self->process->emu, frame)) {
        self->entries_fault--;                                  // the translator has counted it
        return;
    }
    switch (class) {
    case EC_FETCH_ABORT:
    case EC_DATA_ABORT:
        handle_abort(frame);
        return;
    case EC_BRK:
        handle_brk(frame);
        return;
    case EC_PC_ALIGNMENT:
    case EC_SP_ALIGNMENT:
        exception.code = STATUS_DATATYPE_MISALIGNMENT;
        break;
    case EC_BREAKPOINT:
    case EC_WATCHPOINT:
    case EC_STEP:
        exception.code = STATUS_SINGLE_STEP;
        break;
    default:                // undefined instructions, trapped system registers, FP exceptions, SVE, SME ...
        break;
    }
    raise_fault(frame, &exception, false);
}

void trap_el0_sync(struct trap_frame *frame)
{
    interrupts_enable();
    handle_el0(frame);
    interrupts_mask();
    thread_before_user();
}

void trap_irq(struct trap_frame *frame, int from_el0)
{
    interrupt_handle();
    if (from_el0) {
        struct thread *self = thread_current();
        self->entries_interrupt++;
        if (self->process->emu)
            emu_interrupt(self->process->emu, frame, self->cpu_area, &self->emu_swept);
        thread_before_user();
    }
}

void trap_el1_sync(struct trap_frame *frame)
{
    if (!user_fixup(frame))
        exception_fatal(frame);
}
