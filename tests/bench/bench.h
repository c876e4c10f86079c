// SPDX-License-Identifier: MIT
// The workloads: one source each in workloads/, compiled unchanged for every instruction set and system. A workload uses no
// library; `one` is 1 and keeps the compiler from computing the answer. Every call gives the same checksum, on every machine.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define WORKLOADS(X) \
    X(fib) X(crc32) X(quicksort) X(matrix) X(indirect) X(tree) X(scan) X(sha256) \
    X(virtual) X(interpreter) X(simdstring) X(memcpy) X(hash) X(x87) X(convert) X(parser) X(lz) X(allocator) \
    X(narrow) X(atomics) X(nbody) X(vector) X(bits) X(bigint)

#define DECLARE(name) uint64_t bench_##name(uint64_t one);
WORKLOADS(DECLARE)
#undef DECLARE

// A pseudo-random sequence that every workload may start anew.
static inline uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }
static inline uint64_t mix(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x9e3779b97f4a7c15ull + (hash >> 29); }
