// SPDX-License-Identifier: MIT
// Broken invariants stop the machine: message, registers, symbolised backtrace, power off.
#pragma once

struct trap_frame;
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void panic_trap(const struct trap_frame *frame, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Always compiled. For the kernel's own state, never for input.
#define CHECK(condition) do { if (!(condition)) panic("%s:%d: CHECK(%s)", __FILE__, __LINE__, #condition); } while (0)
