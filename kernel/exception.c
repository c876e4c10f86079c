// SPDX-License-Identifier: MIT
#include "kernel/exception.h"
#include <string.h>
#include "emu/run/ctx.h"
#include "kernel/log.h"
#include "kernel/process.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "mm/heap.h"
#include "mm/user.h"

// Carved from the stack for KiUserExceptionDispatcher, as Windows lays it: context at sp, record at +0x3b0.
enum { DELIVERY_BYTES = 0x460, DELIVERY_RECORD = 0x3b0, DELIVERY_ALIGNMENT = 64 };
static const uint64_t NZCV = 0xf0000000;
enum { FPCR_X64 = 0x1c00000 };              // RMode, FZ
enum { NZCV_C = 1 << 29 };

// rflags bits with a home in NZCV; the CPU area keeps the others.
enum { EFLAGS_CF = 1, EFLAGS_ZF = 0x40, EFLAGS_SF = 0x80, EFLAGS_OF = 0x800 };

bool exception_x64_state(const struct thread *thread)
{
    struct process *process = thread->process;
    return process->emu && !aspace_is_ec(process->aspace, thread_frame(thread)->elr);
}

void exception_enter_x64(struct thread *thread)
{
    struct trap_frame *frame = thread_frame(thread);
    uint32_t kept = 0;
    if (user_copy_in(&kept, thread->cpu_area + CTX_EFLAGS, sizeof kept) != STATUS_SUCCESS)
        kept = 0;
    uint32_t eflags = (kept & CTX_EFLAGS_BITS) | (frame->spsr >> 31 & 1 ? EFLAGS_SF : 0)
                    | (frame->spsr >> 30 & 1 ? EFLAGS_ZF : 0) | (frame->spsr >> 29 & 1 ? EFLAGS_CF : 0)
                    | (frame->spsr >> 28 & 1 ? EFLAGS_OF : 0);
    emu_enter(thread->process->emu, frame, thread->cpu_area, frame->elr, eflags);
}

// ---- contexts ----

// Registers that have no place in an x64 context: they are zero in it (kernel/abi/process.h).
static void clear_homeless(struct arm64_context *context)
{
    static const uint8_t general[] = { 13, 14, 23, 24, 28 };
    for (unsigned i = 0; i < sizeof general; i++)
        context->x[general[i]] = 0;
    memset(&context->v[16], 0, 16 * sizeof context->v[0]);
}

void context_build(const struct thread *thread, struct arm64_context *out)
{
    const struct trap_frame *frame = thread_frame(thread);
    struct fp_state *fp = (struct fp_state *)&thread->fp;
    if (thread == thread_current())
        fp_save(fp);                        // the registers themselves stay as they are
    memset(out, 0, sizeof *out);
    out->flags = CONTEXT_FULL;
    out->cpsr = (uint32_t)(frame->spsr & NZCV);
    memcpy(out->x, frame->x, sizeof out->x);
    out->sp = frame->sp;
    out->pc = frame->elr;
    memcpy(out->v, fp->v, sizeof out->v);
    out->fpcr = fp->fpcr;
    out->fpsr = fp->fpsr;
    if (thread->process->emu && thread->process == thread_current()->process)
        emu_show_mxcsr(thread->process->emu, thread->cpu_area, &out->fpcr, &out->fpsr);
    if (thread == thread_current() && exception_x64_state(thread))
        clear_homeless(out);
    if (thread != thread_current() && thread->process->emu && (frame->elr == EMU_STUB_ADDRESS(EMU_STUB_ENTER) || frame->elr == EMU_STUB_ADDRESS(EMU_STUB_DISPATCH)
        || frame->elr == EMU_STUB_ADDRESS(EMU_STUB_MISS))) {
        out->pc = frame->x[9];              // about to enter x64 code: a context was set
        out->cpsr ^= NZCV_C;
        clear_homeless(out);
    }
}

void context_apply_state(struct thread *thread, const struct arm64_context *context)
{
    struct trap_frame *frame = thread_frame(thread);
    if (context->flags & CONTEXT_CONTROL) {
        frame->x[29] = context->x[29];
        frame->x[30] = context->x[30];
        frame->sp = context->sp;
        frame->elr = context->pc;
        frame->spsr = context->cpsr & NZCV;
    }
    if (context->flags & CONTEXT_INTEGER) {
        // x13 and x14 are no registers of ARM64EC code: the translator's own (emu/run/ctx.h), which no context holds.
        for (unsigned i = 0; i < 29; i++)
            if (i != 18 && !(thread->process->emu && (i == 13 || i == 14)))
                frame->x[i] = context->x[i];
    }
    if (context->flags & CONTEXT_FLOATING_POINT) {
        memcpy(thread->fp.v, context->v, sizeof thread->fp.v);
        // Of an x64 process it may be MXCSR as the ARM64EC ABI maps it: no core is asked to trap, emu/run/fp.c has the masks.
        thread->fp.fpcr = thread->process->emu ? context->fpcr & FPCR_X64 : context->fpcr;
        thread->fp.fpsr = context->fpsr;
        // The switch away saves the registers into thread->fp: nothing may come between the copy and the load.
        if (thread == thread_current())
            fp_load(&thread->fp);
    }
    if (thread == thread_current())
        thread->frame_replaced = true;
}

void context_apply(struct thread *thread, const struct arm64_context *context)
{
    context_apply_state(thread, context);
    if (thread->process->emu && context->flags & CONTEXT_FLOATING_POINT)
        emu_take_mxcsr(thread->process->emu, thread->cpu_area, context->fpcr);
    if (exception_x64_state(thread))
        exception_enter_x64(thread);
}

// ---- delivery ----

struct delivery { struct arm64_context context; struct exception_record record; };

// Pushed onto the program's stack; what the stack's growth reports (its last guard page) is tried again once, because the
// pages below are usable then.
static status_t push(uint64_t sp, const struct delivery *delivery)
{
    status_t status = STATUS_SUCCESS;
    for (unsigned tries = 0; tries < 2; tries++) {
        status = user_copy_out(sp + DELIVERY_RECORD, &delivery->record, sizeof delivery->record);
        if (status == STATUS_SUCCESS)
            status = user_copy_out(sp, &delivery->context, sizeof delivery->context);
        if (status != STATUS_STACK_OVERFLOW && status != STATUS_GUARD_PAGE_VIOLATION)
            break;
    }
    return status;
}

// Where an exception of this frame is pushed: the program's own stack, but for x64 code of a thread whose CPU area names an
// emulator stack. Nothing below rsp is touched then, and rsp may be anything.
static uint64_t delivery_stack(const struct thread *thread, const struct trap_frame *frame)
{
    uint64_t base = 0;
    if (thread->process->emu && exception_x64_state(thread)
        && user_copy_in(&base, thread->cpu_area + CTX_STACK_BASE, sizeof base) != STATUS_SUCCESS)
        base = 0;
    return base ? base : frame->sp;
}

void exception_deliver_record(struct trap_frame *frame, const struct exception_record *record, const char *detail)
{
    struct thread *self = thread_current();
    struct process *process = self->process;
    self->frame_replaced = true;
    uint64_t sp = ((delivery_stack(self, frame) & ~(uint64_t)(DELIVERY_ALIGNMENT - 1)) - DELIVERY_BYTES) & ~15ull;
    struct delivery *delivery = process->exception_dispatcher ? heap_take(sizeof *delivery) : NULL;
    status_t status = STATUS_NO_MEMORY;
    if (delivery) {
        context_build(self, &delivery->context);
        delivery->record = *record;
        status = push(sp, delivery);
        heap_give(delivery);
    }
    if (status != STATUS_SUCCESS) {
        exception_crash(frame, record, detail);
        return;
    }
    if (process->emu) {
        uint8_t native = 0;
        user_copy_out(self->cpu_area + CTX_IN_SIMULATION, &native, 1);
    }
    self->exception_detail.code = record->code;
    self->exception_detail.address = record->address;
    format_text(self->exception_detail.text, sizeof self->exception_detail.text, "%s", detail ? detail : "");
    frame->x[0] = sp + DELIVERY_RECORD;
    frame->x[1] = sp;
    frame->x[18] = self->teb;
    frame->x[29] = frame->x[30] = 0;
    frame->sp = sp;
    frame->elr = process->exception_dispatcher;
    frame->spsr = 0;
}

void exception_deliver(struct trap_frame *frame, const struct exception *exception)
{
    struct exception_record record = { .code = (uint32_t)exception->code, .address = exception->address };
    record.parameter_count = exception->parameter_count < 4 ? exception->parameter_count : 4;
    for (unsigned i = 0; i < record.parameter_count; i++)
        record.parameters[i] = exception->parameters[i];
    if (exception->code == STATUS_STACK_BUFFER_OVERRUN) {       // a fast fail: no handler may run any more
        record.flags = EXCEPTION_NONCONTINUABLE;
        exception_crash(frame, &record, exception->detail);
        return;
    }
    exception_deliver_record(frame, &record, exception->detail);
}

void exception_crash(struct trap_frame *frame, const struct exception_record *record, const char *detail)
{
    char line[512];
    struct thread *self = thread_current();
    if (!detail && self->exception_detail.code == record->code && self->exception_detail.address == record->address)
        detail = self->exception_detail.text;
    self->frame_replaced = true;
    // Threads that crash together: the first reports, the others end with the process.
    if (__atomic_exchange_n(&self->process->crashed, true, __ATOMIC_RELAXED)) {
        wait_sleep(WAIT_FOREVER);
        return;
    }
    crash_report(frame, record, detail, line, sizeof line);
    process_terminate(self->process, (status_t)record->code, EXIT_EXCEPTION, line);
}
