// SPDX-License-Identifier: MIT
// Loops of x64 code (flow.S), each around one way of passing control.
#pragma once
#include <stdint.h>

#define FLOWS(X) X(base) X(near_jump) X(far_jump) X(call) X(call_return) X(short_base) X(indirect_jump) X(indirect_call) X(two_targets) \
    X(two_targets_base) X(import_ec) X(import_x64)
int read_returned_flag(void);               // 1: a function's CF
#define DECLARE(name) void flow_##name(uint64_t rounds);
FLOWS(DECLARE)
#undef DECLARE
