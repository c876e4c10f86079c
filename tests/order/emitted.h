// SPDX-License-Identifier: MIT
// What emitted arm64 words do to memory: the words on every way through a region, reduced to what the memory model knows.
#pragma once
#include "emu/lower/lower.h"
#include "tests/order/model.h"

// One word. Literals are ORDER_NOTHING.
enum order_word { ORDER_NOTHING, ORDER_BARRIER, ORDER_LOAD, ORDER_STORE, ORDER_LOAD_EXCLUSIVE, ORDER_STORE_EXCLUSIVE, ORDER_READ_MODIFY_WRITE,
                  ORDER_COMPARE_AND_SWAP, ORDER_UNKNOWN };
struct order_access {
    enum order_word kind;
    uint8_t barrier, load, store;       // annotations
    bool pair;                          // two accesses, in no order
};
struct order_access order_decode(uint32_t word);

// An x64 instruction of the code, as what it has to come out as: R W loads and stores only, X a locked read-modify-write, C one that may fail
// (CMPXCHG), M MFENCE, N nothing, A any accesses, S a REP MOVS or STOS.
struct order_operation { uint64_t rip; char kind; uint8_t location; };

// Calls `each` with every way through the region from its first entry, and from where calls enter, to an exit; loops are taken once and left, and taken twice. 0 in *rip: everything
// is as the operations say, else where not.
typedef void order_each(void *context, const struct order_thread *t);
const char *order_ways(const struct lower_result *r, const struct order_operation *operation, unsigned operations, order_each *each, void *context,
                       uint64_t *rip);
extern const char order_too_many_ways[], order_too_many_accesses[];     // what it says when it has given up; the ways until then were visited
// Ways to weaken the word: what replaces it and how that is called; NULL: no more.
const char *order_weaken(uint32_t word, unsigned number, uint32_t *weaker);
