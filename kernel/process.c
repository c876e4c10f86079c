// SPDX-License-Identifier: MIT
#include "kernel/process.h"
#include "emu/run/emu.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/scheduler.h"
#include "kernel/thread.h"
#include "kernel/wait.h"
#include "loader/map/image_section.h"
#include "mm/heap.h"

static struct spinlock process_lock = SPINLOCK(LOCK_PROCESS, "process");
static struct list processes = LIST(processes);
static uint32_t alive;
static uint64_t last_id;
static struct process_counters gone;            // of processes that were taken apart
static struct process_totals gone_totals;

status_t process_create_bare(const char *name, uint16_t machine, struct process **out)
{
    struct process *process = heap_take(sizeof *process);
    if (!process)
        return STATUS_NO_MEMORY;
    status_t status = aspace_create(machine == MACHINE_X64 ? ASPACE_X64 : ASPACE_NATIVE, &process->aspace);
    if (NT_ERROR(status)) {
        heap_give(process);
        return status;
    }
    object_init(&process->object, OBJECT_PROCESS);
    aspace_set_owner(process->aspace, process);
    handle_table_init(&process->handles);
    list_init(&process->threads);
    format_text(process->name, sizeof process->name, "%s", name);
    process->architecture = machine == MACHINE_X64 ? "x64" : "Arm64";
    process->machine = machine;
    process->users = 1;
    process->id = 4 * __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    spin_lock(&process_lock);
    list_append(&processes, &process->link);
    alive++;
    spin_unlock(&process_lock);
    *out = process;
    return STATUS_SUCCESS;
}

void process_destroy(struct object *object)
{
    struct process *process = (struct process *)object;
    CHECK(process->users == 0 && !process->aspace);
    spin_lock(&process_lock);
    list_remove(&process->link);
    spin_unlock(&process_lock);
    heap_give(process);
}

static void add_thread_totals(struct process_totals *totals, const struct thread *thread)
{
    totals->executed_ns += thread->executed_ns;
    totals->instructions += thread->executed_instructions;
    totals->entries_syscall += thread->entries_syscall;
    totals->entries_fault += thread->entries_fault;
    totals->entries_interrupt += thread->entries_interrupt;
}

static void add_totals(struct process_totals *totals, const struct process_totals *more)
{
    totals->executed_ns += more->executed_ns;
    totals->instructions += more->instructions;
    totals->entries_syscall += more->entries_syscall;
    totals->entries_fault += more->entries_fault;
    totals->entries_interrupt += more->entries_interrupt;
    totals->threads += more->threads;
}

static void add_counters(struct process_counters *sum, const struct process_counters *more)
{
    sum->x64_instructions_translated += more->x64_instructions_translated;
    sum->x64_bytes_translated += more->x64_bytes_translated;
    sum->blocks += more->blocks;
    sum->retranslated += more->retranslated;
    sum->cache_bytes += more->cache_bytes;
    sum->entries_miss += more->entries_miss;
    sum->entries_link += more->entries_link;
    sum->entries_emulated += more->entries_emulated;
    sum->entries_syscall += more->entries_syscall;
    sum->entries_fault += more->entries_fault;
    sum->mode_switches += more->mode_switches;
    sum->exact_fp += more->exact_fp;
    sum->readers += more->readers;
}

static void take_apart(struct process *process)
{
    image_section_unmap_all(process->aspace);
    if (process->emu) {
        emu_count(process->emu, &process->translator);
        emu_process_destroy(process->emu);
    }
    struct aspace *aspace = process->aspace;
    spin_lock(&process_lock);
    process->aspace = NULL;
    process->emu = NULL;
    spin_unlock(&process_lock);
    aspace_destroy(aspace);
    if (process->program)
        image_section_give(process->program);
    if (process->ntdll)
        image_section_give(process->ntdll);
    process->program = process->ntdll = NULL;
    handle_table_close_all(&process->handles);
    spin_lock(&process_lock);
    alive--;
    add_counters(&gone, &process->translator);
    add_totals(&gone_totals, &process->ended);
    spin_unlock(&process_lock);
    wait_signal_set(&process->object);
}

status_t process_enter(struct process *process)
{
    spin_lock(&process_lock);
    bool open = process->users && !process->ending;
    if (open)
        process->users++;
    spin_unlock(&process_lock);
    return open ? STATUS_SUCCESS : STATUS_PROCESS_IS_TERMINATING;
}

void process_leave(struct process *process)
{
    spin_lock(&process_lock);
    CHECK(process->users);
    bool last = --process->users == 0;
    if (last)
        process->ending = true;
    spin_unlock(&process_lock);
    if (last)
        take_apart(process);
}

status_t process_attach_thread(struct process *process, struct thread *thread)
{
    spin_lock(&process_lock);
    bool open = !process->ending;
    if (open) {
        object_share(&thread->object);      // the list's reference: a suspended thread may have no other
        list_append(&process->threads, &thread->process_link);
        process->thread_count++;
        process->users++;
        process->ended.threads++;
    }
    spin_unlock(&process_lock);
    return open ? STATUS_SUCCESS : STATUS_PROCESS_IS_TERMINATING;
}

void process_terminate(struct process *process, status_t status, enum exit_reason reason, const char *verdict)
{
    spin_lock(&process_lock);
    if (!process->ending) {
        process->ending = true;
        process->exit_status = status;
        process->reason = reason;
        if (verdict)
            format_text(process->verdict, sizeof process->verdict, "%s", verdict);
    }
    list_for_each(link, &process->threads) {
        struct thread *thread = list_entry(link, struct thread, process_link);
        wait_cancel(thread);
        scheduler_start(thread);            // one that never ran ends on its way to EL0
        scheduler_poke_thread(thread);
    }
    spin_unlock(&process_lock);
}

void process_terminate_all(void)
{
    bool entered;
    struct process *process = process_next(NULL, &entered);
    while (process) {
        if (entered) {
            process_terminate(process, STATUS_PROCESS_IS_TERMINATING, EXIT_NORMAL, NULL);
            process_leave(process);
        }
        struct process *next = process_next(process, &entered);
        object_release(&process->object);
        process = next;
    }
}

void process_thread_ended(struct thread *thread)
{
    struct process *process = thread->process;
    if (process->emu && thread->cpu_area)
        emu_thread_destroy(process->emu, thread->cpu_area);
    if (!process->ending) {                 // else the whole address space goes
        if (thread->stack_limit)
            aspace_unmap(process->aspace, thread->stack_limit);
        if (thread->teb)
            aspace_unmap(process->aspace, thread->teb);
    }
    uint64_t daif = interrupts_mask();
    aspace_activate(NULL);
    interrupts_restore(daif);

    spin_lock(&process_lock);
    list_remove(&thread->process_link);
    process->thread_count--;
    add_thread_totals(&process->ended, thread);
    if (process->thread_count == 0 && !process->ending) {
        process->ending = true;
        process->exit_status = thread->exit_status;
    }
    spin_unlock(&process_lock);
    object_release(&thread->object);        // the list's reference; the running one is still there
    process_leave(process);
}

void process_note(struct process *process, const char *text)
{
    spin_lock(&process_lock);
    if (!process->ending)
        format_text(process->verdict, sizeof process->verdict, "%s", text);
    spin_unlock(&process_lock);
}

static struct process_totals totals_locked(const struct process *process)
{
    struct process_totals totals = process->ended;
    list_for_each(link, &process->threads)
        add_thread_totals(&totals, list_entry(link, struct thread, process_link));
    return totals;
}

static void put_totals(struct process_counters *out, const struct process_totals *totals)
{
    out->instructions += totals->instructions;
    out->entries_syscall += totals->entries_syscall;
    out->entries_fault += totals->entries_fault;
}

void process_count(struct process *process, struct process_counters *out)
{
    *out = (struct process_counters){ 0 };
    bool open = process_enter(process) == STATUS_SUCCESS;
    if (open && process->emu)
        emu_count(process->emu, out);
    spin_lock(&process_lock);
    if (!open)
        *out = process->translator;
    struct process_totals totals = totals_locked(process);
    spin_unlock(&process_lock);
    if (open)
        process_leave(process);
    put_totals(out, &totals);
}

void process_count_machine(struct process_counters *out, uint64_t *interrupts, uint64_t *threads)
{
    spin_lock(&process_lock);
    *out = gone;
    put_totals(out, &gone_totals);
    *interrupts = gone_totals.entries_interrupt;
    *threads = gone_totals.threads;
    spin_unlock(&process_lock);
}

struct process *process_next(struct process *after, bool *entered)
{
    spin_lock(&process_lock);
    struct list *link = after ? after->link.next : processes.next;
    struct process *next = link == &processes ? NULL : list_entry(link, struct process, link);
    // One whose last reference is going waits for this lock to leave the list: it is passed over.
    while (next && !object_share_alive(&next->object)) {
        link = next->link.next;
        next = link == &processes ? NULL : list_entry(link, struct process, link);
    }
    if (next) {
        *entered = next->users && !next->ending;
        if (*entered)
            next->users++;
    }
    spin_unlock(&process_lock);
    return next;
}

void process_visit_threads(void (*visit)(struct thread *thread, void *context), void *context)
{
    spin_lock(&process_lock);
    list_for_each(link, &processes)
        list_for_each(at, &list_entry(link, struct process, link)->threads)
            visit(list_entry(at, struct thread, process_link), context);
    spin_unlock(&process_lock);
}

uint32_t process_alive(void)
{
    spin_lock(&process_lock);
    uint32_t count = alive;
    spin_unlock(&process_lock);
    return count;
}
