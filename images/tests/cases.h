// SPDX-License-Identifier: MIT
// Signatures that are tried across architectures. Each module (program, library, the x64 part of an ARM64EC program) has
// for every one of them a callee that checks its arguments and a caller that checks the result.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

struct crossing_case {
    const char *name;                   // of the callee; more words may follow
    void *callee;                       // in the module's own code
    bool (*caller)(void *callee);       // calls any module's callee of this signature
};
typedef const struct crossing_case *crossing_table(void);    // ends with a null name
