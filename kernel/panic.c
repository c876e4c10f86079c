// SPDX-License-Identifier: MIT
// The end of the machine. Uses no lock (its owner may be the one that fails), no heap, and stops the other cores first so
// that the report stays in one piece. A second failure on the way is said in one line.
#include "kernel/panic.h"
#include <string.h>
#include "kernel/arm64/sysreg.h"
#include "kernel/arm64/trap.h"
#include "kernel/backtrace.h"
#include "kernel/console.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "kernel/percpu.h"
#include "kernel/smp.h"

static uint32_t panicking;               // index + 1 of the core that reports

static void say_line(const char *text)
{
    console_write_raw(text, strlen(text));
    console_write_raw("\n", 1);
}

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    format_text_v(text, sizeof text, format, args);
    va_end(args);
    say_line(text);
}

static void begin(void)
{
    __asm__ volatile("msr daifset, #0xf" ::: "memory");
    uint32_t nobody = 0, me = this_cpu()->index + 1;
    if (!__atomic_compare_exchange_n(&panicking, &nobody, me, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        if (nobody != me)
            for (;;)
                wfi();                   // another core reports
        say_line("\nPANIC: again, while the first was being reported");
        machine_off();
    }
    smp_stop_others();
}

static void show_locks(void)
{
    const struct percpu *cpu = this_cpu();
    for (uint32_t i = 0; i < cpu->lock_depth; i++)
        say("  holds the lock \"%s\"", ((const struct spinlock *)cpu->held[i])->name);
}

static void show_frame(const struct trap_frame *frame)
{
    for (unsigned i = 0; i < 30; i += 3)
        say("  x%-2u %016lx  x%-2u %016lx  x%-2u %016lx", i, frame->x[i], i + 1, frame->x[i + 1], i + 2, frame->x[i + 2]);
    say("  x30 %016lx  sp  %016lx  pc  %016lx", frame->x[30], frame->sp, frame->elr);
    say("  spsr %08lx  esr %08lx  far %016lx", frame->spsr, frame->esr, frame->far);
}

void panic(const char *format, ...)
{
    begin();
    char text[400];
    va_list args;
    va_start(args, format);
    format_text_v(text, sizeof text, format, args);
    va_end(args);
    say("\nPANIC: %s", text);
    say("core %u, sp %p", this_cpu()->index, __builtin_frame_address(0));
    show_locks();
    say_line("backtrace:");
    backtrace(0, (uint64_t)__builtin_frame_address(0), say_line);
    machine_off();
}

void panic_trap(const struct trap_frame *frame, const char *format, ...)
{
    begin();
    char text[400];
    va_list args;
    va_start(args, format);
    format_text_v(text, sizeof text, format, args);
    va_end(args);
    say("\nPANIC: %s", text);
    say("core %u", this_cpu()->index);
    show_locks();
    show_frame(frame);
    say_line("backtrace:");
    backtrace(frame->elr, frame->x[29], say_line);
    machine_off();
}
