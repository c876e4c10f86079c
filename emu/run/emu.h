// SPDX-License-Identifier: MIT
// The translator runtime as the kernel sees it.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi/ntstatus.h"
#include "kernel/abi/syscall.h"
#include "kernel/arm64/trap.h"
#include "mm/aspace.h"

struct emu_process;                       // one an x64 process: private cache, branch target table, counters

status_t emu_init(void);                  // boot core, after mm and cores are known: features, stub page, shared cache
// Maps stubs, caches and table into the space (kind ASPACE_X64).
status_t emu_process_create(struct aspace *as, struct emu_process **out);
void     emu_process_destroy(struct emu_process *p);             // before aspace_destroy, no thread left
status_t emu_thread_create(struct emu_process *p, uva_t *cpu_area);   // value for TEB_CPU_AREA
uint64_t emu_shadow_start(uva_t cpu_area);      // x14 of a thread that begins (emu/run/ctx.h)
void     emu_thread_destroy(struct emu_process *p, uva_t cpu_area);
// A second observer of the process's memory appears (second thread, shared writable mapping): from now on x86-TSO.
// Called before that thread first runs. Idempotent.
status_t emu_process_make_tso(struct emu_process *p);

// Makes the frame start x64 code at rip: registers are already in the ARM64EC mapping; sets elr to the stub, x9, x28.
void emu_enter(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area, uint64_t rip, uint32_t eflags);

// MXCSR of a thread that does not run or is the caller, in its context: as the ARM64EC ABI maps it, with the bits that FPCR has no place for.
// In: FPCR and FPSR as they were saved.
void emu_show_mxcsr(struct emu_process *p, uva_t cpu_area, uint32_t *fpcr, uint32_t *fpsr);
// The other way: the context's FPCR, whose RMode and FZ the caller takes, is about to be the thread's.
void emu_take_mxcsr(struct emu_process *p, uva_t cpu_area, uint32_t fpcr);

// What came of an svc or a fault inside translated code.
enum emu_outcome {
    EMU_RESUME,          // frame is ready
    EMU_SYSCALL,         // x64 `syscall`: frame is in x64 state with elr = rip after it; number in x8, arguments see syscall.h
    EMU_EXCEPTION,       // frame is in x64 state (elr = rip), exception describes it
    EMU_NOT_MINE,        // the pc does not belong to the translator
    EMU_NO_ROOM,         // inside of emu/run: the code cache is full, again when something is free
};
struct exception {                        // EXCEPTION_RECORD without its links
    status_t code;
    uint32_t parameter_count;
    uint64_t address;
    uint64_t parameters[4];
    char     detail[96];                  // for the crash report, e.g. "unsupported instruction 0f 01 d0 (xgetbv)"
};
// svc immediate >= SVC_EMU_FIRST. Interrupts may be enabled. fp is the thread's live FP state (saved by the caller if it needs it).
enum emu_outcome emu_svc(struct emu_process *p, struct trap_frame *frame, uint16_t immediate, struct exception *out);
// After a repaired fault in translated code: if the store hit code that the running translation was made from, the frame is
// turned so that the store runs alone and what follows is translated anew.
void emu_retry(struct emu_process *p, struct trap_frame *frame);
// A fault (data abort, alignment, undefined instruction) with pc in translated code or stubs: turns the frame into exact x64
// state (elr = rip, NZCV with C = CF, PF/AF/DF in the CPU area's CTX_EFLAGS). EMU_RESUME: repaired, just continue.
// EMU_EXCEPTION: converted, raise what the fault says, at frame->far if that has changed. EMU_NOT_MINE leaves the frame alone.
enum emu_outcome emu_state(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area);

// The loader has bound an ARM64EC image's imports: its regular import table, the auxiliary one and its copy, so many slots each. The process's own pages; bad ones
// harm nothing else.
status_t emu_bind_imports(struct emu_process *p, uva_t slots, uva_t auxiliary, uva_t copy, uint64_t count);

// An instruction abort or a pc that is not aligned, before anything is made of it: if it is a call that ARM64EC code makes of x64 code, the frame becomes
// such that it is done. No lock held.
bool emu_icall(struct emu_process *p, struct trap_frame *frame);

// An access violation of x64 code (the frame is in x64 state), with kind and address as arm64 saw them, becomes what the x64
// processor says: a page fault of an instruction that writes its operand is one of writing though it may read first (SDM vol. 3
// 4.7, W/R), pages are asked for in order, and what reaches out of the lower half of the address space is #GP.
void emu_fault_as_x64(struct emu_process *p, const struct trap_frame *frame, struct exception *exception);

// An alignment fault with pc in translated code, frame->far the address: the access is done here if x64 allows it.
// No lock held. EMU_EXCEPTION: converted to x64 state, *out is filled. EMU_NOT_MINE leaves the frame alone.
enum emu_outcome emu_alignment(struct emu_process *p, struct trap_frame *frame, struct exception *out);

// On the way back to EL0, nothing of the frame changes any more but where a leaf returns to. *seen and *swept (of emu_interrupt) belong to the thread, 0 at first.
void emu_before_user(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area, uint64_t *seen, const uint64_t *swept);
// An interrupt came while the thread was at EL0; interrupts masked. *swept belongs to the thread, 0 at first.
void emu_interrupt(struct emu_process *p, struct trap_frame *frame, uva_t cpu_area, uint64_t *swept);

// The program says that code in the range has changed. Translations need no such hint: stores are seen, or what was stored is
// compared; only addresses of ARM64EC code are forgotten.
void emu_invalidate(struct aspace *as, uva_t base, uint64_t size);
void emu_count(struct emu_process *p, struct process_counters *out); // adds the translator's counters
