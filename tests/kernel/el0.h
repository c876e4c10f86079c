// SPDX-License-Identifier: MIT
// Programs of a few machine instructions in a process of their own (tests/kernel/el0_programs.S), for tests that need EL0.
#pragma once
#include "kernel/process.h"
#include "kernel/thread.h"

struct el0_program { const char *code, *end; };
#define EL0_PROGRAM(name_) extern const char el0_##name_[], el0_##name_##_end[]

enum { EL0_STACK_BYTES = 65536, EL0_DATA_BYTES = 65536 };
// A native process with the code (read, execute), a data area and nothing else. The caller's reference and user.
struct el0_process { struct process *process; uva_t code, data; };
bool el0_create(struct el0_process *out, const char *name, const char *code, const char *end);
// A thread at the code's start with x0, x1, x2 = data area and its own stack; started. The caller's reference.
struct thread *el0_start(struct el0_process *el0, uint64_t x0, uint64_t x1);
// Gives up the caller's user, waits for the end (kills after timeout), releases. The caller holds none of its threads. Returns the exit status; *reason may be NULL.
status_t el0_finish(struct el0_process *el0, uint64_t timeout_ns, enum exit_reason *reason);
// Gives up a thread that has ended or will, after waiting until it is really gone.
void el0_join(struct thread *thread);
