// SPDX-License-Identifier: MIT
// What one thread does to memory, on arm64 and as x64 code, and whether the first keeps the order that x86-TSO promises of the second.
//
// Two ways to tell. order_is_kept looks at one thread: if arm64 orders every pair of accesses that x86-TSO orders, whatever the others do, then
// every execution of every program made of such threads is one of x86-TSO. order_search does not know that argument: it builds small
// programs and compares, execution by execution, what the two models allow. Rules after herdtools7 (aarch64hwreqs.cat, x86tso.cat).
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ORDER_ACQUIRE = 1, ORDER_ACQUIRE_PC = 2, ORDER_RELEASE = 4, ORDER_ATOMIC = 8 };  // LDAR, LDAPR, STLR; one instruction that is both
enum { ORDER_FULL = 1, ORDER_LOADS = 2, ORDER_STORES = 4 };                             // DMB ISH, DMB ISHLD, DMB ISHST

struct order_event {
    uint64_t address, data;     // bit i: its address, the value it stores, was computed from what event i loaded (Arm ARM B2.3, dependencies)
    uint8_t before;             // barriers since the event before it
    uint8_t annotation;
    uint8_t location;           // 0 or 1
    bool store;
    bool locked;                // of a locked x64 instruction
    bool second;                // the store of a read-modify-write whose load is the event before it
    bool fence;                 // there is an MFENCE between the event before it and this one
    uint8_t string;             // of a REP MOVS or STOS: which (not 0) in the upper four bits, how many of its blocks came before in the lower
};

enum { ORDER_EVENTS = 57, ORDER_SEARCH_EVENTS = 6 };
struct order_thread {
    struct order_event event[ORDER_EVENTS + 3];     // the last three for order_is_kept
    unsigned count;
    uint8_t after;              // barriers behind the last event
    bool fence_after;
    unsigned operations;        // x64 instructions that it is made of
};

// Whatever code came before and whatever comes behind. If not, *first and *second (ORDER_EVENTS: something behind; -1: a store before) are not in order.
bool order_is_kept(const struct order_thread *t, int *first, int *second);

// All programs of two threads and of three, of at most `operations` in all; one thread of two may have more than 2 of them. The set is in the
// order of operations. With `only`, those that have a
// thread >= only[] says so. Stops at the first execution that x86-TSO does not allow: true, with the program in `text`.
struct order_set { const struct order_thread *thread; const bool *chosen; size_t count; };
bool order_search(const struct order_set *set, unsigned operations, uint64_t *executions, char *text, size_t size);
// A thread in words, as in "LDAPR x; DMB ISH; STR y".
void order_text(const struct order_thread *t, char *text, size_t size);
