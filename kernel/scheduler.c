// SPDX-License-Identifier: MIT
#include "kernel/scheduler.h"
#include "kernel/arm64/sysreg.h"
#include "kernel/lock.h"
#include "kernel/panic.h"
#include "kernel/pmu.h"
#include "kernel/process.h"
#include "kernel/smp.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "mm/aspace.h"

enum {
    AFFINITY_LOOKS = 8,                        // how deep a core looks for a thread of its own
    AFFINITY_NS = 2 * SCHEDULER_QUANTUM_NS,    // after that long in the queue a thread goes to any core
    TIMER_LONGEST_NS = 1000000000,
};

struct core {
    struct thread idle;
    struct thread *leaving;                    // whom the switch in progress leaves
    bool running, idling;
    bool due;                                  // look at the queue before going back to EL0
    uint64_t charged_ns, charged_instructions; // up to when the current thread has been charged
    uint64_t quantum_end;
};

static struct core cores[CPU_MAX];
static struct spinlock scheduler_lock = SPINLOCK(LOCK_SCHEDULER, "scheduler");
static struct list run_queue = LIST(run_queue);
static struct list sleepers = LIST(sleepers);          // PARKED with a deadline, earliest first

// The time since the last charge goes to the thread that had the core, and to the core's account if that was not idle.
static void charge_locked(struct core *core, struct percpu *cpu)
{
    uint64_t now = time_ns(), instructions = pmu_instructions();
    struct thread *thread = cpu->current;
    thread->executed_ns += now - core->charged_ns;
    thread->executed_instructions += instructions - core->charged_instructions;
    if (thread != &core->idle)
        cpu->executed_ns += now - core->charged_ns;
    core->charged_ns = now;
    core->charged_instructions = instructions;
}

static void arm_timer_locked(struct core *core, bool idle)
{
    uint64_t next = time_ns() + TIMER_LONGEST_NS;
    if (!idle && core->quantum_end < next)
        next = core->quantum_end;
    if (!list_empty(&sleepers)) {
        uint64_t first = list_entry(sleepers.next, struct thread, run_link)->deadline;
        if (first < next)
            next = first;
    }
    timer_arm(next);
}

// Somebody who waits for work should look at the queue: the thread's own core if that is idle, else any idle one.
static void poke_for_locked(const struct thread *thread)
{
    uint32_t self = this_cpu()->index, chosen = CPU_MAX;
    for (uint32_t i = 0; i < CPU_MAX; i++)
        if (cores[i].running && cores[i].idling && (chosen == CPU_MAX || i == thread->core))
            chosen = i;
    if (chosen == CPU_MAX)
        return;
    cores[chosen].idling = false;               // the next wake-up chooses another
    if (chosen != self)
        smp_poke(chosen);
}

static void enqueue_locked(struct thread *thread)
{
    thread->state = THREAD_READY;
    thread->queued_at = time_ns();
    list_append(&run_queue, &thread->run_link);
    poke_for_locked(thread);
}

static struct thread *dequeue_locked(uint32_t core)
{
    if (list_empty(&run_queue))
        return NULL;
    struct thread *chosen = list_entry(run_queue.next, struct thread, run_link);
    if (chosen->core != core && time_ns() - chosen->queued_at < AFFINITY_NS) {
        uint32_t looks = 0;
        list_for_each(link, &run_queue) {
            struct thread *thread = list_entry(link, struct thread, run_link);
            if (thread->core == core) {
                chosen = thread;
                break;
            }
            if (++looks == AFFINITY_LOOKS)
                break;
        }
    }
    list_remove(&chosen->run_link);
    return chosen;
}

static void wake_locked(struct thread *thread)
{
    if (thread->state == THREAD_PARKED) {
        list_remove(&thread->run_link);
        enqueue_locked(thread);
    } else {
        thread->park_token = true;
    }
}

static void wake_sleepers_locked(void)
{
    uint64_t now = time_ns();
    while (!list_empty(&sleepers)) {
        struct thread *thread = list_entry(sleepers.next, struct thread, run_link);
        if (thread->deadline > now)
            break;
        wake_locked(thread);
    }
}

void scheduler_switched(void)
{
    struct core *core = &cores[this_cpu()->index];
    struct thread *left = core->leaving;
    bool dead = left->state == THREAD_DEAD;
    core->leaving = NULL;
    spin_unlock(&scheduler_lock);
    if (dead)
        object_release(&left->object);
}

// Gives the core to the next thread. The caller holds the lock, has set its own state, and does not hold the lock on return.
static void switch_locked(void)
{
    struct percpu *cpu = this_cpu();
    struct core *core = &cores[cpu->index];
    struct thread *self = cpu->current;
    charge_locked(core, cpu);
    core->due = false;
    struct thread *next = dequeue_locked(cpu->index);
    if (self->state == THREAD_RUNNING && self != &core->idle) {
        if (next)
            enqueue_locked(self);
        else
            next = self;
    }
    if (!next)
        next = &core->idle;
    core->idling = next == &core->idle;
    core->quantum_end = core->charged_ns + SCHEDULER_QUANTUM_NS;
    arm_timer_locked(core, core->idling);
    if (next == self) {
        self->state = THREAD_RUNNING;
        spin_unlock(&scheduler_lock);
        return;
    }

    CHECK(cpu->lock_depth == 1);
    if (self->process) {
        fp_save(&self->fp);
        self->tpidr_el0 = sysreg_read(tpidr_el0);
    }
    struct aspace *aspace = next->process ? next->process->aspace : NULL;
    if (aspace != cpu->active_aspace)
        aspace_activate(aspace);
    if (next->process) {
        fp_load(&next->fp);
        sysreg_write(tpidr_el0, next->tpidr_el0);
    }
    next->state = THREAD_RUNNING;
    next->core = cpu->index;
    cpu->current = next;
    core->leaving = self;
    uint64_t saved_daif = cpu->saved_daif;      // of this thread's own spin_lock
    context_switch(&self->context, &next->context);
    this_cpu()->saved_daif = saved_daif;        // perhaps another core
    scheduler_switched();
}

void scheduler_start(struct thread *thread)
{
    spin_lock(&scheduler_lock);
    if (thread->state == THREAD_SUSPENDED) {
        object_share(&thread->object);          // the running reference
        enqueue_locked(thread);
    }
    spin_unlock(&scheduler_lock);
}

void scheduler_yield(void)
{
    spin_lock(&scheduler_lock);
    wake_sleepers_locked();
    switch_locked();
}

void scheduler_yield_if_due(void)
{
    if (cores[this_cpu()->index].due)
        scheduler_yield();
}

void scheduler_end_thread(void)
{
    spin_lock(&scheduler_lock);
    thread_current()->state = THREAD_DEAD;
    switch_locked();
    panic("a dead thread runs");
}

static void sleepers_insert_locked(struct thread *thread)
{
    struct list *place = sleepers.next;
    while (place != &sleepers && list_entry(place, struct thread, run_link)->deadline <= thread->deadline)
        place = place->next;
    list_insert_before(place, &thread->run_link);
}

void scheduler_park(uint64_t deadline_ns)
{
    struct thread *self = thread_current();
    spin_lock(&scheduler_lock);
    if (self->park_token) {
        self->park_token = false;
        spin_unlock(&scheduler_lock);
        return;
    }
    self->state = THREAD_PARKED;
    self->deadline = deadline_ns;
    if (deadline_ns != UINT64_MAX)
        sleepers_insert_locked(self);
    switch_locked();
}

void scheduler_unpark(struct thread *thread)
{
    spin_lock(&scheduler_lock);
    wake_locked(thread);
    spin_unlock(&scheduler_lock);
}

void reschedule_interrupt(void)
{
    cores[this_cpu()->index].due = true;
}

bool scheduler_thread_stopped(struct thread *thread)
{
    spin_lock(&scheduler_lock);
    bool stopped = thread->state != THREAD_RUNNING;
    spin_unlock(&scheduler_lock);
    return stopped;
}

void scheduler_poke_thread(struct thread *thread)
{
    spin_lock(&scheduler_lock);
    if (thread->state == THREAD_RUNNING && thread->core != this_cpu()->index)
        smp_poke(thread->core);
    spin_unlock(&scheduler_lock);
}

void timer_interrupt(void)
{
    struct core *core = &cores[this_cpu()->index];
    spin_lock(&scheduler_lock);
    if (core->running) {
        wake_sleepers_locked();
        if (time_ns() >= core->quantum_end) {
            core->due = true;
            core->quantum_end = time_ns() + SCHEDULER_QUANTUM_NS;
        }
        arm_timer_locked(core, this_cpu()->current == &core->idle);
    }
    spin_unlock(&scheduler_lock);
}

uint64_t scheduler_core_ns(uint32_t core)
{
    return percpu_blocks[core].executed_ns;
}

void scheduler_charge_current(void)
{
    spin_lock(&scheduler_lock);
    charge_locked(&cores[this_cpu()->index], this_cpu());
    spin_unlock(&scheduler_lock);
}

void cpu_main(void)
{
    pmu_start_core();
    scheduler_run_core();
}

void scheduler_run_core(void)
{
    struct percpu *cpu = this_cpu();
    struct core *core = &cores[cpu->index];
    spin_lock(&scheduler_lock);
    object_init(&core->idle.object, OBJECT_THREAD);
    core->idle.state = THREAD_RUNNING;
    core->idle.core = cpu->index;
    list_init(&core->idle.run_link);
    cpu->idle = cpu->current = &core->idle;
    core->charged_ns = time_ns();
    core->charged_instructions = pmu_instructions();
    core->running = true;
    spin_unlock(&scheduler_lock);
    for (;;) {
        // Masked from the look at the queue to the sleep: a poke in between stays pending and ends it.
        interrupts_mask();
        scheduler_yield();
        wfi();
        interrupts_enable();
    }
}
