// SPDX-License-Identifier: MIT
// Stack unwinding. Both kinds of frames are unwound on one carrier, struct arm_context: x64 registers have arm64 homes.
#pragma once
#include "images/ntdll/context.h"

struct frame {
    uint64_t pc, image, establisher;
    const uint32_t *entry;          // function table entry, null for a leaf
    uint64_t handler;               // language handler of the frame, 0: none
    const void *handler_data;
    bool is_x64;
    bool catches, cleans;           // the handler wants exceptions, unwinds
};

// Looks the pc of *c up and unwinds *c to the caller. False: the stack ends here or makes no sense.
bool frame_unwind(struct arm_context *c, struct frame *f);
const uint32_t *function_entry(uint64_t pc, uint64_t *image, bool *is_x64);

// The two formats; entry is the function table's. c is changed to the caller's state.
bool unwind_x64(struct arm_context *c, uint64_t image, const uint32_t *entry, uint64_t pc, struct frame *f);
bool unwind_arm64(struct arm_context *c, uint64_t image, const uint32_t *entry, uint64_t pc, struct frame *f);

// Index of an x64 register (rax = 0 ... r15 = 15) in x[], 31 for sp.
extern const uint8_t x64_home[16];
static inline uint64_t *x64_register(struct arm_context *c, unsigned r) { return x64_home[r] == 31 ? &c->sp : &c->x[x64_home[r]]; }

void context_capture(struct arm_context *out);      // the caller's registers at its call
