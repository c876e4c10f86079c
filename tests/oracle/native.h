// SPDX-License-Identifier: MIT
//
// native.h - executes a sequence on the x64 processor this program runs on (Linux), in the world that vector.h describes.
//
// A sequence is entered and left through signal frames: a handler puts the wanted state into the frame and returns, the UD2 at the end
// (or the fault on the way) brings the state back in a new frame. So no code of ours runs between. One sequence at a time, one thread.
#pragma once
#include "tests/oracle/vector.h"

// Maps the world and takes over the signals. False: errno says why.
bool native_open(void);

// Makes the memory oracle_memory_fill(seed). Cheap if it is that already.
void native_fill(uint64_t seed);

// Runs v->code from v->in at v->code_va; fills outcome, fault_address, fault_access, out, change_count. The memory is as before
// afterwards; the changes are in native_changes. Returns the outcome; LOST if the sequence did not end or did what cannot be told.
enum oracle_outcome native_run(struct oracle_vector *v);

extern struct oracle_change native_changes[ORACLE_MEMORY_BYTES / 8];

// The memory as native_fill left it.
extern uint64_t native_memory[ORACLE_MEMORY_BYTES / 8];
