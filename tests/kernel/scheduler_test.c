// SPDX-License-Identifier: MIT
#include "kernel/scheduler.h"
#include "kernel/percpu.h"
#include "kernel/wait.h"
#include "tests/kernel/el0.h"
#include "tests/kernel/ktest.h"

EL0_PROGRAM(exit);
EL0_PROGRAM(spin);
EL0_PROGRAM(forever);
EL0_PROGRAM(registers);

KTEST(scheduler_runs_a_thread_at_el0)
{
    struct el0_process el0;
    KEXPECT(el0_create(&el0, "exit", el0_exit, el0_exit_end));
    struct thread *thread = el0_start(&el0, 42, 0);
    object_release(&thread->object);
    enum exit_reason reason;
    KEXPECT(el0_finish(&el0, 5000000000, &reason) == 42 && reason == EXIT_NORMAL);
}

// As many spinning threads as cores: each core must have worked. Time is checked loosely: the host may be busy.
KTEST(scheduler_uses_every_core)
{
    struct el0_process el0;
    uint64_t before[CPU_MAX];
    for (uint32_t i = 0; i < cpu_count; i++)
        before[i] = scheduler_core_ns(i);
    KEXPECT(el0_create(&el0, "spin", el0_forever, el0_forever_end));
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct thread *thread = el0_start(&el0, 0, 0);
        KEXPECT(thread);
        object_release(&thread->object);
    }
    KEXPECT(el0_finish(&el0, 200000000, NULL) == STATUS_TIMEOUT);
    for (uint32_t i = 0; i < cpu_count; i++)
        KEXPECT(scheduler_core_ns(i) - before[i] > 20000000);
}

// Three times as many threads as cores and every register full: preemption must lose nothing.
KTEST(scheduler_keeps_every_register)
{
    struct el0_process el0;
    struct thread *threads[3 * CPU_MAX];
    uint32_t count = 3 * cpu_count;
    uint64_t interrupts = 0;
    KEXPECT(el0_create(&el0, "registers", el0_registers, el0_registers_end));
    for (uint32_t i = 0; i < count; i++)
        KEXPECT((threads[i] = el0_start(&el0, 0x1234567800000000 + i * 0x1000001ull, 150000)));
    for (uint32_t i = 0; i < count; i++) {
        KEXPECT(wait_one(&threads[i]->object, 60000000000) == STATUS_SUCCESS);
        KEXPECT(threads[i]->exit_status == 0);
        interrupts += threads[i]->entries_interrupt;
        object_release(&threads[i]->object);
    }
    KEXPECT(interrupts > 0);                // else nothing was preempted and nothing is shown
    el0_finish(&el0, 5000000000, NULL);
}

// Nobody starves: of many spinners beyond the number of cores, each gets on.
KTEST(scheduler_shares_the_cores)
{
    enum { SPINNERS = 9 };
    struct el0_process el0;
    struct thread *threads[SPINNERS];
    KEXPECT(el0_create(&el0, "spin", el0_forever, el0_forever_end));
    for (int i = 0; i < SPINNERS; i++)
        KEXPECT((threads[i] = el0_start(&el0, 0, 0)));
    wait_sleep(800000000);
    for (int i = 0; i < SPINNERS; i++)
        KEXPECT(threads[i]->executed_ns > 20000000);
    process_terminate(el0.process, 0, EXIT_NORMAL, NULL);
    for (int i = 0; i < SPINNERS; i++)
        el0_join(threads[i]);
    el0_finish(&el0, 5000000000, NULL);
}

// Ends a process whose threads run on all cores, sleep, and have not begun.
KTEST(scheduler_kills_threads_wherever_they_are)
{
    for (int round = 0; round < 20; round++) {
        struct el0_process el0;
        KEXPECT(el0_create(&el0, "victim", el0_forever, el0_forever_end));
        for (uint32_t i = 0; i < 2 * cpu_count; i++) {
            struct thread *thread = el0_start(&el0, 0, 0);
            object_release(&thread->object);
        }
        wait_sleep((uint64_t)round * 300000);
        process_terminate(el0.process, 77, EXIT_NORMAL, NULL);
        KEXPECT(el0_finish(&el0, 5000000000, NULL) == 77);
    }
}

KTEST(scheduler_counts_time_of_the_spinner)
{
    struct el0_process el0;
    KEXPECT(el0_create(&el0, "spin", el0_spin, el0_spin_end));
    struct thread *thread = el0_start(&el0, 20000000, 0);
    KEXPECT(wait_one(&thread->object, 30000000000) == STATUS_SUCCESS);
    KEXPECT(thread->executed_ns > 0 && thread->exit_status == 0);
    el0_join(thread);
    el0_finish(&el0, 5000000000, NULL);
}
