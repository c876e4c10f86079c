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
    REGION_KERNEL   = 8,     // belongs to the kernel's own user pages: vm_protect and vm_free from the program are refused
    REGION_TOP_DOWN = 16,
};

status_t aspace_create(enum aspace_kind kind, struct aspace **out);
void     aspace_destroy(struct aspace *as);              // no core may have it active; gives back every frame
void     aspace_activate(struct aspace *as);             // NULL: no user half. Sets TTBR0 and ASID on this core
enum aspace_kind aspace_kind_of(const struct aspace *as);

// Reserve (and commit) a range. *base 0: any place in [USER_LOWEST, USER_HIGHEST), else rounded down to 64 KiB for new
// reservations; *size is rounded up to pages. protect is PAGE_* (kernel/abi/syscall.h).
status_t aspace_allocate(struct aspace *as, uva_t *base, uint64_t *size, uint32_t protect, uint32_t flags);
status_t aspace_commit(struct aspace *as, uva_t base, uint64_t size, uint32_t protect, uint32_t flags);
status_t aspace_decommit(struct aspace *as, uva_t base, uint64_t size);
status_t aspace_release(struct aspace *as, uva_t base, uint64_t size);    // size 0: the whole reservation at base
status_t aspace_protect(struct aspace *as, uva_t base, uint64_t size, uint32_t protect, uint32_t *old);
struct vm_info;
status_t aspace_query(struct aspace *as, uva_t address, struct vm_info *out);

// Put existing frames at base inside a reservation made with aspace_allocate (not committed there). Takes one reference
// a frame. PAGE_WRITECOPY / PAGE_EXECUTE_WRITECOPY: private copy at the first write; PAGE_READWRITE: shared writable.
status_t aspace_map_frames(struct aspace *as, uva_t base, const pa_t *frames, uint64_t count, uint32_t protect, uint32_t flags);

// EC bits. Sticky over decommit, cleared by release (as Windows does).
status_t aspace_set_ec(struct aspace *as, uva_t base, uint64_t size, bool ec);
bool     aspace_is_ec(struct aspace *as, uva_t address);

// A fault at EL0 (or in user_copy_*). FAULT_RETRY: repaired, run the instruction again.
enum fault_kind { FAULT_RETRY, FAULT_ACCESS_VIOLATION, FAULT_GUARD_PAGE, FAULT_NON_CANONICAL, FAULT_NO_MEMORY, FAULT_STACK_OVERFLOW };
enum fault_kind aspace_fault(struct aspace *as, uva_t address, enum page_access access);

// Read or write another (or this) space through the linear map, honouring protections (access is what each page must
// allow). Returns the number of bytes done before the first page that refuses.
uint64_t aspace_read(struct aspace *as, uva_t from, void *to, uint64_t size, enum page_access access);
uint64_t aspace_write(struct aspace *as, uva_t to, const void *from, uint64_t size);

// The frame behind a user page, committing it if need be; 0 if there is none. For the code watcher and address waits.
pa_t     aspace_frame(struct aspace *as, uva_t address);

// Translated code lives here: while watched, EL0 stores to the page fault and call `aspace_watch_hook(as, page)` without the
// space's lock held; the hook makes the translations invalid, then the watch is off and the store is retried. Changes of
// protection, release and decommit of watched pages call the hook too.
status_t aspace_watch(struct aspace *as, uva_t page);
extern void (*aspace_watch_hook)(struct aspace *as, uva_t page);
void     aspace_set_owner(struct aspace *as, void *owner);   // back pointer for the hook (the process)
void    *aspace_owner(const struct aspace *as);

struct aspace_counts { uint64_t shared_frames, private_frames, table_frames; };
void     aspace_count(struct aspace *as, uva_t base, uint64_t size, struct aspace_counts *out);  // size 0: all
