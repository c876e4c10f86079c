// SPDX-License-Identifier: MIT
// make.h - one vector: generated, executed, judged fit to be compared elsewhere.
#pragma once
#include "tests/oracle/form.h"
#include "tests/oracle/vector.h"

enum oracle_mode { MODE_FORMS, MODE_RANDOM, MODE_CUT, MODE_PROGRAMS };

struct oracle_making {
    enum oracle_mode mode;
    uint64_t seed;
    bool user;                  // only what play.c can play
    const char *only;           // forms whose name contains this; null: all
};

// Vectors that one pass over all forms takes.
unsigned oracle_pass(const struct oracle_making *m);

// Vector `number` of a recording: the same for the same making, on any day. False: none could be recorded for this number.
// Its memory changes are in native_changes.
bool oracle_make(const struct oracle_making *m, uint32_t number, struct oracle_vector *v);

// Executes v (code, in, masks as they are; the memory by v->window_seed) and sets what follows from the execution: out, outcome, changes and masks.
// False: it cannot be compared elsewhere.
bool oracle_execute(struct oracle_vector *v);

// This processor says #UD to the form, found by trying; native_open() was called.
bool oracle_lacks(const struct oracle_form *f);
