// SPDX-License-Identifier: MIT
// rules.h - the tables rules.inc and undefined.inc, asked.
#pragma once
#include "tests/oracle/form.h"

enum oracle_rule {
    RULE_NONE, RULE_EXCLUDED, RULE_ABSENT, RULE_OWN, RULE_ESTIMATE, RULE_ULP,
};

// The rule of an instruction; *reason (if wanted) is its text. *registers (if wanted): general registers that are not compared.
enum oracle_rule oracle_rule_of(const struct x64_insn *insn, const char **reason, uint16_t *registers);

// What the generators leave out, and why; ends with nulls.
extern const char *const oracle_not_tried[][2];

// The rule of a form, for all its instructions.
enum oracle_rule oracle_rule_of_form(const struct oracle_form *f, const char **reason);

// Arithmetic flags that are open after the instruction, if `before` were open before it: what the manual leaves undefined and real
// processors do differently (undefined.inc). `before` is kept where the instruction may not write.
uint16_t oracle_undefined_after(const struct x64_insn *insn, uint16_t before);

// Flags that are open when the instruction faulted.
uint16_t oracle_undefined_at_fault(const struct x64_insn *insn);

// The instruction's result is open (undefined.inc), so it is not generated. cl: its value if it is known, else -1.
bool oracle_result_undefined(const struct x64_insn *insn, int cl);

// FCOMI and its kin: C1 is cleared says Intel, AMD leaves it.
bool oracle_leaves_c1(const struct x64_insn *insn);

// #UD is what the processor that Janus shows says to it. Of all others, #UD means that this processor lacks what Janus has.
bool oracle_undefined_everywhere(const struct x64_insn *insn);
