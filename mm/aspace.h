// SPDX-License-Identifier: MIT
// Address spaces: the user half [0, 2^47) of one process as regions over page tables.
//
// Rules
//  - A region is a reservation; its pages are reserved or committed; committed private pages get a zeroed frame at the
//    first touch. Pages mapped from given frames (images, code cache) are shared; writable ones are copied on first write.
//  - No page is ever writable and executable for EL0. A page that asks for both is given the two alternately, by fault.
//  - EL0 may execute a page only if it is executable AND its EC bit is set (or the whole space is native Arm64).
//    x64 code is executable in the region's protection and UXN in the PTE: it is data for the translator.
//  - The EC bit lives in PTE bit 55 and, for x64 processes, in the EC bitmap that user mode reads.
//  - A program may neither protect, decommit nor release what is REGION_KERNEL (STATUS_ACCESS_DENIED), nor decommit or
//    release an image (STATUS_UNABLE_TO_FREE_VM): aspace_protect, aspace_decommit and aspace_release say so themselves.
//    The kernel takes such reservations away with aspace_unmap.
//  - Every function takes the space's lock itself. TLB maintenance and cross-core shootdown are done before return.
//  - The kernel touches user memory only through user_copy_* (mm/user.h) or aspace_read/aspace_write.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi/ntstatus.h"
#include "mm/frame.h"

typedef uint64_t uva_t;                     // user virtual address
struct aspace;

enum page_access { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_EXECUTE = 4 };
enum aspace_kind { ASPACE_NATIVE, ASPACE_X64 };     // x64: has EC bits and a bitmap

enum region_flags {
    REGION_COMMIT   = 1,     // commit at once (else reserved)
    REGION_EC       = 2,     // pages hold arm64 code
    REGION_IMAGE    = 4,     // reported as MEM_IMAGE
    REGION_KERNEL   = 8,     // the kernel's own user pages: the program may not change them
    REGION_TOP_DOWN = 16,    // any place: the highest one
};

status_t aspace_create(enum aspace_kind kind, struct aspace **out);
void     aspace_destroy(struct aspace *as);              // no core may have it active; gives back every frame
// Sets TTBR0, ASID and percpu.active_aspace on this core; NULL: no user half. Interrupts masked.
void     aspace_activate(struct aspace *as);
enum aspace_kind aspace_kind_of(const struct aspace *as);

// Where ranges that may be at any place begin from now on; USER_LOWEST in a new space. Before the space has a second user.
void     aspace_set_lowest(struct aspace *as, uva_t lowest);

// Reserve (and commit) a range. *base 0: any place in [the lowest, USER_HIGHEST), else rounded down to 64 KiB for new
// reservations; *size is rounded up to pages. protect is PAGE_* (kernel/abi/syscall.h).
//   STATUS_INVALID_PARAMETER (size 0, outside the user half)  STATUS_INVALID_PAGE_PROTECTION
//   STATUS_CONFLICTING_ADDRESSES (something is there)  STATUS_NO_MEMORY (no such gap, or more than the machine has)
status_t aspace_allocate(struct aspace *as, uva_t *base, uint64_t *size, uint32_t protect, uint32_t flags);
// Commit a part of one reservation; pages committed already get the protection. flags: REGION_EC, and REGION_KERNEL when
// the reservation is the kernel's (else STATUS_ACCESS_DENIED). STATUS_CONFLICTING_ADDRESSES: not within one reservation.
status_t aspace_commit(struct aspace *as, uva_t base, uint64_t size, uint32_t protect, uint32_t flags);
status_t aspace_decommit(struct aspace *as, uva_t base, uint64_t size);   // size 0: the whole reservation at base
// size 0: the whole reservation at base. A part splits it. STATUS_UNABLE_TO_FREE_VM: not (within) one reservation.
status_t aspace_release(struct aspace *as, uva_t base, uint64_t size);
// The kernel's own: takes away the whole reservation at base, whatever it is (image view, kernel pages).
status_t aspace_unmap(struct aspace *as, uva_t base);
// Every page must be committed (STATUS_NOT_COMMITTED) and of one reservation (STATUS_CONFLICTING_ADDRESSES). *old: of the
// first page. On pages of an image PAGE_READWRITE means PAGE_WRITECOPY, as on Windows. old may be NULL.
status_t aspace_protect(struct aspace *as, uva_t base, uint64_t size, uint32_t protect, uint32_t *old);
struct vm_info;
status_t aspace_query(struct aspace *as, uva_t address, struct vm_info *out);   // NtQueryVirtualMemory, basic information

// Declares the reservation at base a thread's stack. When its guard page (PAGE_GUARD, just below the committed top) is
// touched, the page becomes ordinary and the guard moves one page down (FAULT_RETRY); every move stores the lowest usable
// address at limit_cell, a u64 in user memory (TEB + TEB_STACK_LIMIT), 0: nowhere. A guard hit within the last
// STACK_RESERVE_PAGES makes those pages usable, leaves no guard and is FAULT_STACK_OVERFLOW. The lowest page stays unusable.
#define STACK_RESERVE_PAGES 4
status_t aspace_mark_stack(struct aspace *as, uva_t base, uva_t limit_cell);

// Put existing frames at base inside a reservation made with aspace_allocate (not committed there). Takes one reference
// a frame. Reservations of REGION_KERNEL may be mapped over again. Executable frames are made fit to execute (caches) the
// first time they are mapped. flags: REGION_EC. PAGE_WRITECOPY / PAGE_EXECUTE_WRITECOPY: private copy at the first write; PAGE_READWRITE: shared writable.
status_t aspace_map_frames(struct aspace *as, uva_t base, const pa_t *frames, uint64_t count, uint32_t protect, uint32_t flags);

// EC bits. Sticky over decommit, cleared by release (as Windows does).
status_t aspace_set_ec(struct aspace *as, uva_t base, uint64_t size, bool ec);
bool     aspace_is_ec(struct aspace *as, uva_t address);

// A fault at EL0 (or in user_copy_*). FAULT_RETRY: repaired, run the instruction again.
enum fault_kind { FAULT_RETRY, FAULT_ACCESS_VIOLATION, FAULT_GUARD_PAGE, FAULT_NON_CANONICAL, FAULT_NO_MEMORY, FAULT_STACK_OVERFLOW };
enum fault_kind aspace_fault(struct aspace *as, uva_t address, enum page_access access);

// EXECUTE here is EL0's instruction fetch: an x64 page refuses it whatever its protection. For all 64-bit addresses:
// bits 63..47 all equal but not 0 (the kernel's half) is an access violation, not all equal is FAULT_NON_CANONICAL.

// Read or write another (or this) space through the linear map, honouring protections (access is what each page must
// allow; EXECUTE: the region's protection allows it, EC or not). Faults are repaired as for user_copy_*, except that guard
// pages refuse and stay armed. Returns the number of bytes done before the first page that refuses.
uint64_t aspace_read(struct aspace *as, uva_t from, void *to, uint64_t size, enum page_access access);
uint64_t aspace_write(struct aspace *as, uva_t to, const void *from, uint64_t size);

// The kernel's own stores of 8-byte words into a page range of an image whatever its protection; pages that are not private become so. to % 8 == 0.
// Nobody is told (aspace_watch): data only. Returns the number of words done before the first page that cannot be had.
uint64_t aspace_patch(struct aspace *as, uva_t to, const uint64_t *words, uint64_t count);

// The frame behind a user page, committing it if need be; 0 if there is none. For the code watcher and address waits.
pa_t     aspace_frame(struct aspace *as, uva_t address);

// Translated code lives here: while watched, EL0 stores to the page fault and call `aspace_watch_hook(as, page)` without the
// space's lock held; the hook makes the translations invalid, then the watch is off and the store is retried. Changes of
// protection or EC, release, decommit and mapping over call the hook before they happen. If the page is watched anew while the
// hook runs, the hook runs again before the store goes through. So the order for a translator is: watch, read the
// bytes, translate, and publish only if the hook was not called for the page meanwhile.
// STATUS_ACCESS_VIOLATION: no committed readable page there.
// With WATCH_MAPPING stores pass unseen, and only the changes of protection, EC or mapping call the hook: for translations that
// look after their code themselves. Watching anew changes the kind; a page that becomes WATCH_STORES may have been stored to
// before that, so it is read afterwards.
enum watch_kind { WATCH_STORES, WATCH_MAPPING };
status_t aspace_watch(struct aspace *as, uva_t page, enum watch_kind kind);
// Who may store to a page: nobody as it is protected, this space by this mapping, or also others by other mappings of its frame.
enum code_page { CODE_READ_ONLY, CODE_WRITABLE, CODE_SHARED };
enum code_page aspace_code_page(struct aspace *as, uva_t page);
extern void (*aspace_watch_hook)(struct aspace *as, uva_t page);
void     aspace_set_owner(struct aspace *as, void *owner);   // back pointer for the hook (the process)
void    *aspace_owner(const struct aspace *as);

// Frames of committed pages with one given to the space (images, kernel) or shared; private ones (demand-zero or copied);
// page tables of the whole space.
struct aspace_counts { uint64_t shared_frames, private_frames, table_frames; };
void     aspace_count(struct aspace *as, uva_t base, uint64_t size, struct aspace_counts *out);  // size 0: all
