// SPDX-License-Identifier: MIT
// Ownership of physical memory, one 4 KiB frame at a time.
//
// Rules
//  - A frame is free, owned (reference count >= 1), or reserved for ever (firmware, device tree, kernel image).
//  - frame_take may be called with interrupts masked; it never sleeps. A taken frame is zeroed, count 1.
//  - A shared frame (image pages) counts its mappings' owners: frame_share adds one, frame_give takes one away
//    and frees at zero.
//  - Lock: frame lock, a leaf. Nothing else may be taken while it is held.
#pragma once
#include <stdint.h>
#include "kernel/abi/ntstatus.h"

typedef uint64_t pa_t;                     // physical address, bytes
struct memory_range { pa_t start, end; };  // end exclusive
#define PAGE_BYTES 4096ull

enum frame_owner { FRAME_KERNEL, FRAME_TABLE, FRAME_USER, FRAME_IMAGE, FRAME_CODE, FRAME_OWNER_COUNT };

void     frame_init(const struct memory_range *free, uint32_t count);   // boot only, one core
status_t frame_take(enum frame_owner owner, pa_t *out);                  // STATUS_NO_MEMORY when empty
status_t frame_take_run(enum frame_owner owner, uint64_t count, pa_t *out);   // physically contiguous
void     frame_share(pa_t frame);
void     frame_give(pa_t frame);
uint32_t frame_count(pa_t frame);           // references now
uint64_t frame_free_total(void);            // frames free now
uint64_t frame_owned_total(enum frame_owner owner);
void    *frame_pointer(pa_t frame);         // kernel linear-map address of a physical address in RAM
pa_t     frame_of_pointer(const void *p);   // and back
