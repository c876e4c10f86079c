// SPDX-License-Identifier: MIT
// Kernel tests: compiled into the test kernel only, run by bootarg janus.test=PREFIX in a kernel thread after everything is up.
// Protocol on the console: "TEST name ok" or "TEST name FAIL file:line: what", at the end
// "TESTS n passed, n failed", then power off. Cases named crash_... end in a panic: "all" leaves them out. The free-frame count is compared before and after each case.
#pragma once
#include <stdbool.h>

struct ktest { const char *name; void (*run)(void); };
void ktest_fail(const char *file, int line, const char *what);     // records; the case goes on
#define KTEST(name_) \
    static void ktest_##name_(void); \
    __attribute__((used, section(".ktests"))) static const struct ktest ktest_entry_##name_ = { #name_, ktest_##name_ }; \
    static void ktest_##name_(void)
#define KEXPECT(condition) do { if (!(condition)) ktest_fail(__FILE__, __LINE__, #condition); } while (0)

// Runs every case whose name begins with prefix ("all": every one), then ends the machine. Interrupts enabled.
_Noreturn void ktest_run(const char *prefix);
