// SPDX-License-Identifier: MIT
// What libfdt leaves to its users: cells, address translation through `ranges`, status, interrupts. The tree may be
// hostile: lengths are checked, nothing is believed to be terminated.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// Reads `cells` (1 or 2) big-endian words.
uint64_t dt_cells(const void *from, uint32_t cells);
// Property of exactly one string (or the first of a list), NULL when absent or unterminated.
const char *dt_string(const void *tree, int node, const char *name);
// No status, or "okay", or "ok".
bool dt_enabled(const void *tree, int node);
// Entry `index` of `reg`, as the CPU sees it. False: absent, malformed, or not reachable from the CPU.
bool dt_reg(const void *tree, int node, uint32_t index, uint64_t *address, uint64_t *size);
// Entry `index` of `interrupts` as GIC INTID; 0: absent or not of a GIC form.
uint32_t dt_interrupt(const void *tree, int node, uint32_t index);
// First enabled node with one of the compatibles (NULL-terminated list); -1: none. *which is the index in the list.
int dt_find(const void *tree, const char *const *compatibles, uint32_t *which);
