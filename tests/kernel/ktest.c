// SPDX-License-Identifier: MIT
// The runner (tests/kernel/ktest.h). A case that leaves fewer free frames behind than it found fails; threads that are
// still on their way out get a moment.
#include "tests/kernel/ktest.h"
#include <string.h>
#include "kernel/arm64/sysreg.h"
#include "kernel/log.h"
#include "kernel/smp.h"
#include "kernel/time.h"
#include "mm/frame.h"

#define SETTLE_NS 500000000ull

extern const struct ktest ktests_start[], ktests_end[];

static uint32_t failures;                // of the running case
static const struct ktest *running;

__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    size_t length = format_text_v(line, sizeof line, format, args);
    va_end(args);
    console_write(line, length < sizeof line ? length : sizeof line - 1);
}

void ktest_fail(const char *file, int line, const char *what)
{
    if (!__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED))
        say("TEST %s FAIL %s:%d: %s\n", running->name, file, line, what);
    else
        say("  and %s:%d: %s\n", file, line, what);
}

static uint64_t settled_frames(uint64_t expected)
{
    uint64_t now;
    for (uint64_t end = time_ns() + SETTLE_NS; (now = frame_free_total()) != expected && time_ns() < end;)
        cpu_relax();
    return now;
}

void ktest_run(const char *prefix)
{
    uint32_t passed = 0, failed = 0;
    bool all = !strcmp(prefix, "all");
    static const char crash[] = "crash_";
    for (const struct ktest *test = ktests_start; test < ktests_end; test++) {
        if (all && !strncmp(test->name, crash, sizeof crash - 1))
            continue;
        if (!all && strncmp(test->name, prefix, strlen(prefix)))
            continue;
        failures = 0;
        running = test;
        uint64_t before = frame_free_total();
        test->run();
        uint64_t after = settled_frames(before);
        if (after != before) {
            char text[80];
            format_text(text, sizeof text, "%lu frames were free before, %lu after", (unsigned long)before, (unsigned long)after);
            ktest_fail(__FILE__, __LINE__, text);
        }
        if (failures) {
            failed++;
        } else {
            passed++;
            say("TEST %s ok\n", test->name);
        }
    }
    say("TESTS %u passed, %u failed\n", passed, failed);
    machine_off();
}
