// SPDX-License-Identifier: MIT
// System calls and faults from EL0: what is refused, and that nothing a program does stops the kernel.
#include "kernel/abi/syscall.h"
#include "kernel/log.h"
#include "kernel/wait.h"
#include "tests/kernel/el0.h"
#include "tests/kernel/ktest.h"

EL0_PROGRAM(bad_calls);
EL0_PROGRAM(fuzz);
EL0_PROGRAM(exit);

KTEST(syscall_refuses_unknown_calls_and_bad_pointers)
{
    struct el0_process el0;
    KEXPECT(el0_create(&el0, "bad calls", el0_bad_calls, el0_bad_calls_end));
    struct thread *thread = el0_start(&el0, 0, 0);
    object_release(&thread->object);
    KEXPECT(el0_finish(&el0, 5000000000, NULL) == 3);
}

#define FAULTS(X) \
    X(null_read, 0xC0000005) X(kernel_write, 0xC0000005) X(non_canonical, 0xC0000005) X(jump_null, 0xC0000005) \
    X(jump_kernel, 0xC0000005) X(jump_data, 0xC0000005) X(write_code, 0xC0000005) X(undefined, 0xC000001D) \
    X(hvc, 0xC000001D) X(smc, 0xC000001D) X(sysreg, 0xC000001D) X(daif, 0xC000001D) X(tlbi, 0xC000001D) \
    X(emulator_svc, 0xC000001D) X(emulator_svc_last, 0xC000001D) X(pc, 0x80000002) X(brk, 0x80000003) \
    X(brk_other, 0xC000001D) X(fastfail, 0xC0000409) X(divide, 0xC0000094) X(exclusive, 0x80000002) \
    X(zva_kernel, 0xC0000005) X(ret, 0xC0000005)
#define DECLARE(name, code) EL0_PROGRAM(fault_##name);
FAULTS(DECLARE)

KTEST(syscall_faults_end_the_program_with_their_code)
{
#define ROW(name, code) { #name, el0_fault_##name, el0_fault_##name##_end, code },
    static const struct { const char *name, *start, *end; uint32_t code; } rows[] = { FAULTS(ROW) };
    log_set_level(LOG_ERROR + 1);           // the crash reports are not what is tested here
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct el0_process el0;
        enum exit_reason reason;
        KEXPECT(el0_create(&el0, rows[i].name, rows[i].start, rows[i].end));
        struct thread *thread = el0_start(&el0, 0, 0);
        object_release(&thread->object);
        status_t status = el0_finish(&el0, 5000000000, &reason);
        if ((uint32_t)status != rows[i].code || reason != EXIT_EXCEPTION) {
            char text[96];
            format_text(text, sizeof text, "%s ended with 0x%x", rows[i].name, (uint32_t)status);
            ktest_fail(__FILE__, __LINE__, text);
        }
    }
    log_set_level(LOG_INFO);
}

// Values that calls like to stumble over; the rest is small numbers, which are handles, flags, sizes and classes.
static void write_values(struct el0_process *el0)
{
    uint64_t values[64] = {
        0, 1, 2, 3, 4, 8, 12, 16, 20, 40, 64, 0x1000, 0x2000, 0x3000, 0x4000, 0x8000, 0x10000, 0x100000, 0x1000000,
        0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7fffffffffff, 0x7ffffffff000, 0x800000000000, 0xffff7fffffffffff,
        0xffff800000000000, 0xffffffff80000000, 0xfffffffffffff000, ~0ull, ~0ull - 1, ~0ull - 2, ~3ull, 1ull << 62, 1ull << 63,
        el0->data, el0->data + 8, el0->data + 0x800, el0->data + 0x1000 - 4, el0->data + 0x4000, el0->data + EL0_DATA_BYTES - 8,
        el0->data + EL0_DATA_BYTES - 1, el0->data + EL0_DATA_BYTES, el0->code, el0->code - 1, USER_SHARED_DATA, EC_BITMAP_BASE,
        PAGE_READWRITE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE, PAGE_READWRITE | PAGE_GUARD, MEM_COMMIT | MEM_RESERVE,
        1000, 100000, HANDLE_CURRENT_PROCESS, HANDLE_CURRENT_THREAD, HANDLE_CURRENT_PROCESS,
    };
    static const char path[] = "C:\\app\\new.txt";
    KEXPECT(aspace_write(el0->process->aspace, el0->data, values, sizeof values) == sizeof values);
    KEXPECT(aspace_write(el0->process->aspace, el0->data + 0x4000, path, sizeof path - 1) == sizeof path - 1);
}

KTEST(syscall_random_arguments_harm_nobody)
{
    uint64_t calls = 0;
    log_set_level(LOG_ERROR + 1);
    enum { ROUNDS = 100, THREADS = 6 };        // short rounds: sooner or later a thread waits for ever or frees its own memory
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct el0_process el0;
        KEXPECT(el0_create(&el0, "fuzz", el0_fuzz, el0_fuzz_end));
        write_values(&el0);
        struct thread *threads[THREADS];
        for (unsigned i = 0; i < THREADS; i++)
            threads[i] = el0_start(&el0, 0x9e3779b97f4a7c15 * (THREADS * round + i + 1), 0);
        wait_sleep(10000000);
        process_terminate(el0.process, 5, EXIT_NORMAL, NULL);
        for (unsigned i = 0; i < THREADS; i++) {
            KEXPECT(wait_one(&threads[i]->object, 10000000000) == STATUS_SUCCESS);
            calls += threads[i]->entries_syscall;
            object_release(&threads[i]->object);
        }
        el0_finish(&el0, 10000000000, NULL);
        process_terminate_all();
    }
    log_set_level(LOG_INFO);
    log_info("%llu random system calls", (unsigned long long)calls);
    KEXPECT(calls > 10000);
    // The machine still does what it should.
    struct el0_process el0;
    KEXPECT(el0_create(&el0, "exit", el0_exit, el0_exit_end));
    struct thread *thread = el0_start(&el0, 11, 0);
    object_release(&thread->object);
    KEXPECT(el0_finish(&el0, 5000000000, NULL) == 11);
}
