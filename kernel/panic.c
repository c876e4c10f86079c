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

_Noreturn static void report(const struct trap_frame *frame, uint64_t pc, uint64_t fp)
{
    say("core %u", this_cpu()->index);
    show_locks();
    show_frame(frame);
    say_line("backtrace:");
    backtrace(pc, pc ? frame->x[30] : 0, fp, say_line);
    machine_off();
}

// The registers as they are where panic was called, as far as the compiler has left them: x19 to x30 and sp are exact.
#define CAPTURE(frame) \
    __asm__ volatile("stp x0, x1, [%0]\n stp x2, x3, [%0, #16]\n stp x4, x5, [%0, #32]\n stp x6, x7, [%0, #48]\n" \
                     "stp x8, x9, [%0, #64]\n stp x10, x11, [%0, #80]\n stp x12, x13, [%0, #96]\n" \
                     "stp x14, x15, [%0, #112]\n stp x16, x17, [%0, #128]\n stp x18, x19, [%0, #144]\n" \
                     "stp x20, x21, [%0, #160]\n stp x22, x23, [%0, #176]\n stp x24, x25, [%0, #192]\n" \
                     "stp x26, x27, [%0, #208]\n stp x28, x29, [%0, #224]" :: "r"(frame) : "memory")

void panic(const char *format, ...)
{
    static struct trap_frame frame;      // one core gets past begin()
    uint64_t kept[31];
    CAPTURE(kept);
    begin();
    memcpy(frame.x, kept, sizeof frame.x);
    frame.x[30] = frame.elr = (uint64_t)__builtin_return_address(0);
    frame.sp = (uint64_t)__builtin_frame_address(0);
    frame.spsr = sysreg_read(nzcv) | sysreg_read(CurrentEL) | 1;
    frame.esr = sysreg_read(esr_el1);
    frame.far = sysreg_read(far_el1);
    char text[400];
    va_list args;
    va_start(args, format);
    format_text_v(text, sizeof text, format, args);
    va_end(args);
    say("\nPANIC: %s", text);
    report(&frame, 0, frame.sp);
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
    report(frame, frame->elr, frame->x[29]);
}
