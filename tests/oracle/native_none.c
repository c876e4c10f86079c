// SPDX-License-Identifier: MIT
// native_none.c - native.h on a host that is no x64 processor: nothing can be executed. record still turns cases into vectors.
#include <errno.h>
#include "tests/oracle/native.h"

struct oracle_change native_changes[ORACLE_MEMORY_BYTES / 8];
uint64_t native_memory[ORACLE_MEMORY_BYTES / 8];

bool native_open(void)
{
    errno = ENOSYS;
    return false;
}

void native_fill(uint64_t seed) { oracle_memory_fill(native_memory, seed); }

enum oracle_outcome native_run(struct oracle_vector *v)
{
    v->outcome = ORACLE_LOST;
    return ORACLE_LOST;
}
