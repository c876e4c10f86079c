// SPDX-License-Identifier: MIT
#pragma once
#include "emu/lower/context.h"

// Whether the block is a loop that counts the ones of a register. Then all of it has been emitted, up to where control leaves it downwards;
// its facts are the caller's.
bool lower_count_loop(struct lower_context *cx, const struct lower_block *k);
