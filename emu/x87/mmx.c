// SPDX-License-Identifier: MIT
#include "emu/x87/x87.h"
bool mmx_knows(const struct x64_insn *insn)
{
    (void)insn;
    return false;
}
enum x87_outcome mmx_run(struct x87_machine *m)
{
    (void)m;
    return X87_UNKNOWN;
}
