// SPDX-License-Identifier: MIT
// Additions to the kernel's half of the address space (layout: mmu.h): RAM, device registers, kernel stacks.
// One set of tables for all cores; entries are global. Lock: LOCK_KMAP.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "kernel/abi/ntstatus.h"
#include "mm/frame.h"

#define KERNEL_STACK_BYTES 16384ull

// Boot core, once: the linear map of everything in platform.memory that is not marked no-map. Drops from platform.memory
// and platform.free_memory what it could not map.
void kmap_memory(void);
// From here on tables come from frame_take.
void kmap_frames_ready(void);

// Device registers, nGnRE; the result is the address of pa itself. NULL: no window or no memory left. Never unmapped.
volatile void *kmap_device(pa_t pa, uint64_t bytes);

// A kernel stack of KERNEL_STACK_BYTES with an unmapped page below it. Result: its top (16-byte aligned), NULL: no memory.
void *kmap_stack_take(void);
void  kmap_stack_give(void *top);

// Physical address of something in the kernel image (code, data, bss).
pa_t kmap_image_pa(const void *p);
