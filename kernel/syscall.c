// SPDX-License-Identifier: MIT
#include "kernel/syscall.h"
#include <string.h>
#include "kernel/exception.h"
#include "kernel/process.h"
#include "kernel/thread.h"
#include "mm/user.h"

#define SYSCALL_ARGUMENTS_0
#define SYSCALL_ARGUMENTS_1 a[0]
#define SYSCALL_ARGUMENTS_2 SYSCALL_ARGUMENTS_1, a[1]
#define SYSCALL_ARGUMENTS_3 SYSCALL_ARGUMENTS_2, a[2]
#define SYSCALL_ARGUMENTS_4 SYSCALL_ARGUMENTS_3, a[3]
#define SYSCALL_ARGUMENTS_5 SYSCALL_ARGUMENTS_4, a[4]
#define SYSCALL_ARGUMENTS_6 SYSCALL_ARGUMENTS_5, a[5]

// A handler whose parameters are not as many as its row says does not compile.
#define CALLER(number, name, count) \
    static status_t call_##name(const uint64_t *a) { (void)a; return sys_##name(SYSCALL_ARGUMENTS_##count); }
SYSCALL_LIST(CALLER)
#undef CALLER

enum { ARGUMENTS_MOST = 8, TABLE_ENTRIES = 0x80 };
struct row { status_t (*call)(const uint64_t *arguments); uint32_t argument_count; };
static const struct row table[TABLE_ENTRIES] = {
#define ROW(number, name, count) [number] = { call_##name, count },
    SYSCALL_LIST(ROW)
#undef ROW
};

// The row, or NULL. A mispredicted range check cannot read past the table: the number is masked behind CSDB, so the load waits
// for the comparison's real outcome (Arm ARM B2.3.12, Arm's advice against variant 1).
static const struct row *row_of(uint64_t number)
{
    uint64_t safe;
    __asm__ volatile("cmp   %1, %2\n\t"
                     "csel  %0, %1, xzr, lo\n\t"
                     "csdb"
                     : "=&r"(safe) : "r"(number), "r"((uint64_t)TABLE_ENTRIES) : "cc");
    const struct row *row = &table[safe];
    return number < TABLE_ENTRIES && row->call ? row : NULL;
}

void syscall_from_arm64(struct trap_frame *frame, uint16_t number)
{
    struct thread *self = thread_current();
    const struct row *row = row_of(number);
    self->frame_replaced = false;
    status_t status = row ? row->call(frame->x) : STATUS_INVALID_SYSTEM_SERVICE;
    if (!self->frame_replaced)
        frame->x[0] = (uint64_t)(int64_t)status;
}

void syscall_from_x64(struct trap_frame *frame)
{
    struct thread *self = thread_current();
    const struct row *row = row_of(frame->x[8] & 0xffffffff);
    uint64_t arguments[ARGUMENTS_MOST] = { frame->x[4], frame->x[1], frame->x[2], frame->x[3] };
    self->frame_replaced = false;
    status_t status = row ? STATUS_SUCCESS : STATUS_INVALID_SYSTEM_SERVICE;
    if (row && row->argument_count > 4)         // above the return address and the home area
        status = user_copy_in(&arguments[4], frame->sp + 0x28, (row->argument_count - 4) * 8);
    if (status == STATUS_SUCCESS && row)
        status = row->call(arguments);
    if (self->frame_replaced)
        return;
    frame->x[8] = (uint64_t)(int64_t)status;
    frame->x[0] = frame->elr;                   // SYSCALL leaves rip in rcx (SDM vol. 2)
    exception_enter_x64(self);
}

// ---- shared by handlers ----

status_t syscall_object(handle_t handle, enum object_type type, uint32_t needed, struct object **out, uint32_t *rights)
{
    struct thread *self = thread_current();
    struct object *object = handle == HANDLE_CURRENT_PROCESS ? &self->process->object
                          : handle == HANDLE_CURRENT_THREAD ? &self->object : NULL;
    if (!object)
        return handle_find(&self->process->handles, handle, type, needed, out, rights);
    if (type != OBJECT_ANY && type != object->type)
        return STATUS_OBJECT_TYPE_MISMATCH;
    object_share(object);
    *out = object;
    if (rights)
        *rights = RIGHT_ALL;
    return STATUS_SUCCESS;
}

status_t syscall_enter(handle_t handle, uint32_t needed, struct process **out)
{
    struct object *object;
    status_t status = syscall_object(handle, OBJECT_PROCESS, needed, &object, NULL);
    if (status != STATUS_SUCCESS)
        return status;
    *out = (struct process *)object;
    status = process_enter(*out);
    if (status != STATUS_SUCCESS)
        object_release(object);
    return status;
}

void syscall_leave(struct process *process)
{
    process_leave(process);
    object_release(&process->object);
}

status_t syscall_give(struct object *object, uint32_t rights, uint64_t to)
{
    struct handle_table *handles = &thread_current()->process->handles;
    handle_t handle;
    status_t status = handle_insert(handles, object, rights, &handle);
    if (status == STATUS_SUCCESS) {
        status = user_copy_out(to, &handle, sizeof handle);
        if (status != STATUS_SUCCESS)
            handle_remove(handles, handle);
    }
    object_release(object);
    return status;
}

status_t syscall_text(uint64_t from, uint64_t bytes, char *to, size_t size)
{
    if (bytes >= size)
        return STATUS_INVALID_PARAMETER;
    to[bytes] = 0;
    return user_copy_in(to, from, bytes);
}
