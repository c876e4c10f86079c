// SPDX-License-Identifier: MIT
//
// text.h - vectors as text: the committed cases (cases/*.case). Reading needs no x64 host.
//
// A line is a word and its values; what is behind ';' is a comment. `vector` begins one:
//   vector NUMBER            and then, in any order, hexadecimal unless said otherwise:
//   at ADDRESS               of the code            window SEED
//   code BYTES ; text        one line an instruction
//   in NAME VALUE            initial state; what is not named is 0 (flags 202, fcw 37f, mxcsr 1f80)
//   outcome WORD             end, #PF, #GP, #DE, #BP, #DB, #UD, #XM, #MF, #AC; #PF ADDRESS read|write|execute
//   out NAME VALUE           what differs from the initial state; rip always
//   memory OFFSET VALUE      a doubleword that changed
//   mask NAME VALUE          what is compared of flags, mxcsr, gpr, fsw, fx, xmm, if not everything; estimates, ulps if any
// NAME: rax ... r15, rip, flags, fcw fsw ftw fop fip fdp mxcsr, st0 ... st7, xmm0 ... xmm15, and ymm0 ... ymm15 for the upper halves.
#pragma once
#include <stdio.h>
#include "tests/oracle/vector.h"

void text_write(FILE *to, const struct oracle_vector *v, const struct oracle_change *changes);

// Reads the next vector; `changes` holds ORACLE_MEMORY_BYTES / 8. 1: done, 0: there is none, -1: *wrong says what is wrong in line *line.
int text_read(FILE *from, struct oracle_vector *v, struct oracle_change *changes, unsigned *line, const char **wrong);
