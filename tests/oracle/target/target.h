// SPDX-License-Identifier: MIT
// The program that replays recorded vectors on Janus: what its files share.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "tests/oracle/vector.h"

// What a sequence left behind, as the exception that ended it showed it.
struct ending {
    uint32_t code, parameters;              // EXCEPTION_RECORD
    uint64_t kind, address;
    struct oracle_state state;
};

// context.c: between a vector's state and what NtContinue takes and an exception handler gets.
bool context_prepare(void);
void context_enter(const struct oracle_state *state);                     // does not return
bool context_read(CONTEXT *context, struct oracle_state *state);          // false: it lacks something

// memory.c: window, gs window and code.
bool memory_map(void);
bool memory_write_code(const struct oracle_vector *const *vectors, uint32_t count);
void memory_prepare(uint64_t seed);         // the window as the sequence is to find it
// Calls `differ` for each doubleword that is not as the vector says, and leaves the memory as memory_prepare(seed) does.
void memory_compare(const struct oracle_vector *vector, void (*differ)(uint64_t offset, uint64_t expected, uint64_t got));

// compare.c
// Prints the number of a vector that differs, with details what and how. True: nothing differs.
bool compare(const struct oracle_vector *vector, const struct ending *ending, uint32_t mxcsr_mask, bool details);
