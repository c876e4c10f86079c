// SPDX-License-Identifier: MIT
// cut.h - sequences cut from real programs.
#pragma once
#include "tests/oracle/generate.h"

// Adds the executable sections of an ELF or PE file. Null: done; else what is wrong with it.
const char *cut_add_file(const char *path);

// Makes g->code a run of instructions of those files, and registers that make most of its accesses hit the window.
bool gen_cut(struct generator *g);
