// SPDX-License-Identifier: MIT
// Barriers of x86-TSO, as few as will do.
//
// A load that is not an acquire is followed by DMB ISHLD at once, so nothing is ever pending at a branch or an exit. A store that is no
// release needs a barrier between it and every store before it. If a barrier was emitted since the last store, with no way into the code
// between, that one does: DMB ISHLD becomes DMB ISH. tests/host/memory_order_test.c holds what comes out of this against the model.
#include "emu/lower/context.h"

enum { DMB_MASK = 0xfffff0ff, DMB = 0xd50330bf };

// Loads (Arm ARM C4.1.94): they may stand between a barrier and the store that it is for.
static const struct { uint32_t mask, value; } loads[] = {
    { 0x3f000000, 0x18000000 }, { 0x3f000000, 0x1c000000 },                             // literal
    { 0x3fc00000, 0x39400000 }, { 0x3f800000, 0x39800000 },                             // unsigned offset
    { 0x3fe00000, 0x38400000 }, { 0x3fa00000, 0x38800000 },                             // unscaled, post- and pre-indexed
    { 0x3fe00c00, 0x38600800 }, { 0x3fa00c00, 0x38a00800 },                             // register offset
    { 0x3f400000, 0x3d400000 }, { 0x3f600000, 0x3c400000 }, { 0x3f600c00, 0x3c600800 }, // the same with vectors
    { 0x3a400000, 0x28400000 },                                                         // LDP
    { 0xbfff0000, 0x0d400000 },                                                         // LD1 of an element
    { 0x3ffffc00, 0x08dffc00 }, { 0x3ffffc00, 0x38bfc000 }, { 0x3fe00c00, 0x19400000 }, // LDAR, LDAPR, LDAPUR
};

// Whether a store's barrier may be sought further back: the word neither stores to guest memory nor branches.
static bool is_transparent(uint32_t word)
{
    if ((word & 0xffdfffe0) == 0xd51b4200)                  // MRS, MSR NZCV
        return true;
    if ((word >> 26 & 7) == 5)                              // branches, exceptions, system
        return false;
    if ((word >> 25 & 5) != 4 || (word >> 5 & 31) == 28)    // no load or store, or of the context, which nobody else looks at
        return true;
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
        if ((word & loads[i].mask) == loads[i].value)
            return true;
    return false;
}

// The barrier that is in force here: its place, or -1.
static int64_t last_barrier(const struct lower_context *cx)
{
    const struct a64_buf *b = cx->b;
    if (b->full)
        return -1;
    for (int64_t i = (int64_t)b->count - 1; i >= (int64_t)cx->bound; i--) {
        if ((b->code[i] & DMB_MASK) == DMB)
            return i;
        if (!is_transparent(b->code[i]))
            break;
    }
    return -1;
}

static void order(struct lower_context *cx, enum a64_barrier wanted)
{
    int64_t at = last_barrier(cx);
    if (at < 0) {
        a64_dmb(cx->b, wanted);
        return;
    }
    if ((cx->b->code[at] >> 8 & 15) != (uint32_t)wanted)
        cx->b->code[at] = DMB | A64_ISH << 8;
}

void lower_order_stores(struct lower_context *cx) { order(cx, A64_ISHST); }
void lower_order_all(struct lower_context *cx) { order(cx, A64_ISH); }
