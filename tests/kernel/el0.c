// SPDX-License-Identifier: MIT
#include "tests/kernel/el0.h"
#include "kernel/scheduler.h"
#include "kernel/wait.h"
#include "mm/aspace.h"
#include "tests/kernel/ktest.h"

bool el0_create(struct el0_process *out, const char *name, const char *code, const char *end)
{
    uint64_t bytes = (uint64_t)(end - code), size = bytes, data_size = EL0_DATA_BYTES;
    *out = (struct el0_process){ 0 };
    if (process_create_bare(name, MACHINE_ARM64, &out->process) != STATUS_SUCCESS)
        return false;
    struct aspace *as = out->process->aspace;
    bool made = aspace_allocate(as, &out->code, &size, PAGE_READWRITE, REGION_COMMIT) == STATUS_SUCCESS
             && aspace_write(as, out->code, code, bytes) == bytes
             && aspace_protect(as, out->code, size, PAGE_EXECUTE_READ, NULL) == STATUS_SUCCESS
             && aspace_allocate(as, &out->data, &data_size, PAGE_READWRITE, REGION_COMMIT) == STATUS_SUCCESS;
    if (!made)
        el0_finish(out, 0, NULL);
    return made;
}

struct thread *el0_start(struct el0_process *el0, uint64_t x0, uint64_t x1)
{
    struct thread *thread;
    uva_t stack = 0;
    uint64_t size = EL0_STACK_BYTES;
    if (thread_create_user(el0->process, &thread) != STATUS_SUCCESS)
        return NULL;
    if (aspace_allocate(el0->process->aspace, &stack, &size, PAGE_READWRITE, REGION_COMMIT) != STATUS_SUCCESS
        || process_attach_thread(el0->process, thread) != STATUS_SUCCESS) {
        object_release(&thread->object);
        return NULL;
    }
    struct trap_frame *frame = thread_frame(thread);
    frame->elr = el0->code;
    frame->sp = stack + size;
    frame->x[0] = x0;
    frame->x[1] = x1;
    frame->x[2] = el0->data;
    scheduler_start(thread);
    return thread;
}

void el0_join(struct thread *thread)
{
    KEXPECT(wait_one(&thread->object, WAIT_FOREVER) == STATUS_SUCCESS);
    while (__atomic_load_n(&thread->object.references, __ATOMIC_ACQUIRE) > 1)
        wait_sleep(100000);             // its last steps on its own kernel stack
    object_release(&thread->object);
}

status_t el0_finish(struct el0_process *el0, uint64_t timeout_ns, enum exit_reason *reason)
{
    struct process *process = el0->process;
    process_leave(process);
    if (wait_one(&process->object, timeout_ns) == STATUS_TIMEOUT) {
        process_terminate(process, STATUS_TIMEOUT, EXIT_NORMAL, NULL);
        KEXPECT(wait_one(&process->object, 5000000000) == STATUS_SUCCESS);
    }
    while (__atomic_load_n(&process->object.references, __ATOMIC_ACQUIRE) > 1)
        wait_sleep(100000);
    status_t status = process->exit_status;
    if (reason)
        *reason = process->reason;
    object_release(&process->object);
    return status;
}
