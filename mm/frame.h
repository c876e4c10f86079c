// SPDX-License-Identifier: MIT
// Ownership of physical memory, one 4 KiB frame at a time.
//
// Rules
//  - A frame is free, owned (reference count >= 1), or reserved for ever (firmware, device tree, kernel image).
//  - frame_take may be called with interrupts masked; it never sleeps. A taken frame is zeroed, count 1.
//  - A shared frame (image pages) counts its mappings' owners: frame_share adds one, frame_give takes one away
//    and frees at zero. Giving a frame that is not taken is a broken invariant and stops the machine.
//  - Lock: frame lock, a leaf. Nothing else may be taken while it is held.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi/ntstatus.h"

typedef uint64_t pa_t;                     // physical address, bytes
struct memory_range { pa_t start, end; };  // end exclusive
#define PAGE_BYTES 4096ull

enum frame_owner { FRAME_KERNEL, FRAME_TABLE, FRAME_USER, FRAME_IMAGE, FRAME_CODE, FRAME_OWNER_COUNT };

// Boot only, one core. The linear map must already cover the ranges: the allocator's own array is placed in the largest.
// Ranges may come in any order and need not be page-aligned (partial pages are left out); they must not overlap.
void     frame_init(const struct memory_range *free, uint32_t count);
status_t frame_take(enum frame_owner owner, pa_t *out);                  // STATUS_NO_MEMORY when empty
// Physically contiguous, aligned to the smallest power of two >= count pages. Each frame is given back by itself.
status_t frame_take_run(enum frame_owner owner, uint64_t count, pa_t *out);
void     frame_share(pa_t frame);
void     frame_give(pa_t frame);
uint32_t frame_count(pa_t frame);           // references now; 0: free, or not a frame of ours
uint64_t frame_total(void);                 // frames managed at all
enum frame_owner frame_owner_of(pa_t frame);   // of a taken frame
uint64_t frame_free_total(void);            // frames free now
uint64_t frame_owned_total(enum frame_owner owner);
void    *frame_pointer(pa_t frame);         // kernel linear-map address of a physical address in RAM
pa_t     frame_of_pointer(const void *p);   // and back

// One word a taken frame, 0 at first, at the disposal of whoever took it (the heap's page kind, a table's entry count).
uint32_t *frame_tag(pa_t frame);
// True exactly once between take and free: the first caller must make the caches agree about the frame's code.
bool     frame_mark_synced(pa_t frame);
