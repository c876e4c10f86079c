// SPDX-License-Identifier: MIT
// flow.h - where in a sequence instructions begin, and which flags are open there.
#pragma once
#include "tests/oracle/vector.h"

struct oracle_flow {
    uint16_t open[ORACLE_CODE_MAX + 1];     // by offset: arithmetic flags that real processors may have different there
    uint16_t stale[ORACLE_CODE_MAX + 1];    // by offset: flags that have not been written since a call, a return or an indirect jump
    bool start[ORACLE_CODE_MAX + 1];        // an instruction begins here
    bool returns;                           // there is a RET: where it goes is not followed
    bool invalid;                           // there are bytes that are no instruction; nothing behind them is looked at
};

// False: the sequence reads a flag that is open, or has a result that is.
bool oracle_flow(const uint8_t *code, unsigned length, uint64_t va, struct oracle_flow *flow);

// Flags that are open when the sequence was left at rip with this outcome.
uint16_t oracle_flow_open(const struct oracle_flow *flow, const struct oracle_vector *v);
