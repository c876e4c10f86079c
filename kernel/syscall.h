// SPDX-License-Identifier: MIT
// System calls: one handler a row of SYSCALL_LIST, sys_NAME, with as many parameters as the row says. A handler runs with
// interrupts enabled and no lock held, touches user memory through user_copy_* only, and returns a status.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "kernel/abi/ntstatus.h"
#include "kernel/abi/syscall.h"
#include "kernel/arm64/trap.h"
#include "kernel/object.h"

#define SYSCALL_PARAMETERS_0 void
#define SYSCALL_PARAMETERS_1 uint64_t
#define SYSCALL_PARAMETERS_2 SYSCALL_PARAMETERS_1, uint64_t
#define SYSCALL_PARAMETERS_3 SYSCALL_PARAMETERS_2, uint64_t
#define SYSCALL_PARAMETERS_4 SYSCALL_PARAMETERS_3, uint64_t
#define SYSCALL_PARAMETERS_5 SYSCALL_PARAMETERS_4, uint64_t
#define SYSCALL_PARAMETERS_6 SYSCALL_PARAMETERS_5, uint64_t
#define SYSCALL_DECLARE(number, name, count) status_t sys_##name(SYSCALL_PARAMETERS_##count);
SYSCALL_LIST(SYSCALL_DECLARE)
#undef SYSCALL_DECLARE

void syscall_from_arm64(struct trap_frame *frame, uint16_t number);     // arguments x0..x7, result x0
void syscall_from_x64(struct trap_frame *frame);                        // frame in x64 state after `syscall`; enters x64 again

// ---- what handlers share (kernel/syscall.c) ----

// The object a handle of the caller names, pseudo handles included, with a reference. rights may be NULL.
status_t syscall_object(handle_t handle, enum object_type type, uint32_t needed, struct object **out, uint32_t *rights);
// A process whose address space stays while the caller works in it; syscall_leave gives it back.
struct process;
status_t syscall_enter(handle_t handle, uint32_t needed, struct process **out);
void     syscall_leave(struct process *process);
// Gives the caller a handle: stores it at `to`; takes over the reference. When storing fails the handle is gone again.
status_t syscall_give(struct object *object, uint32_t rights, uint64_t to);
// Text of the caller, bytes < size; terminated.
status_t syscall_text(uint64_t from, uint64_t bytes, char *to, size_t size);
