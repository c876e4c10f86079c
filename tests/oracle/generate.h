// SPDX-License-Identifier: MIT
//
// generate.h - makes instruction sequences and the states they start from.
#pragma once
#include "tests/oracle/form.h"
#include "tests/oracle/vector.h"

struct generator {
    uint64_t seed;
    uint8_t  code[ORACLE_CODE_MAX + 64];
    unsigned length;                // bytes
    uint64_t va;                    // of the first
    bool     user;                  // only what play.c can play: see README.md
    bool     x87;                   // a sequence of mostly x87 instructions on numbers that they are made for
    // One instruction alone: the registers its operands need are solved for, `solved` says which are not free any more.
    bool     alone;
    uint16_t solved;
    int      walk;                  // value of the first byte of immediates; -1: random
    // A sequence: registers that certainly hold an address in the window, a small number.
    uint16_t pointers, small;
    struct oracle_state *in;        // what the sequence starts from
    const uint8_t *memory;          // the window and what follows it, likewise
    uint64_t target;                // address of the last memory operand of an instruction alone
    unsigned start;                 // offset of the last instruction, behind what was written before it
};

// ---- chance
unsigned gen_below(struct generator *g, unsigned n);
bool gen_chance(struct generator *g, unsigned percent);
uint64_t gen_integer(struct generator *g);

// ---- state.c
// Fills g->in: general registers by g->pointers and g->small; vectors, x87 and MXCSR random (plain ones for g->user). `wild`: percent of
// states with unmasked exceptions.
void gen_state(struct generator *g, unsigned wild);
void gen_set(struct generator *g, unsigned gpr, uint64_t value);    // and it is solved

// ---- instruction.c
// Appends one instruction of the form, with what must stand before it. False: could not; g->length is as before.
bool gen_instruction(struct generator *g, const struct oracle_form *f);
void gen_byte(struct generator *g, unsigned byte);
void gen_value(struct generator *g, uint64_t value, unsigned bytes);

// ---- memory.c
// Gives e a memory operand for the form, somewhere or at a bit offset of register `bit_register` (or 16).
void gen_memory(struct generator *g, const struct oracle_form *f, struct encoding *e);
unsigned gen_memory_bytes(const struct oracle_form *f);     // how many bytes the operand has
uint64_t gen_target(struct generator *g, unsigned bytes, unsigned align);   // a window address, now and then another

// ---- sequence.c
// Appends up to `count` instructions with branches.
void gen_sequence(struct generator *g, unsigned count);
bool gen_plain(struct generator *g, unsigned keep);         // one that is no branch and writes no register of `keep`; if rsp is, not by way of it either
bool gen_is_random_form(const struct generator *g, const struct oracle_form *f);    // may stand in a sequence
bool gen_is_user_form(const struct oracle_form *f);         // play.c can play it

// ---- program.c
// A whole one; false: it became too long. `quiet`: no flags are read that came by a call, a return or an indirect jump.
bool gen_program(struct generator *g, bool quiet);
