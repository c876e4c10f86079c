// SPDX-License-Identifier: MIT
// Signatures that are tried across architectures. Each module (program, library, the x64 part of an ARM64EC program) has
// for every one of them a callee that checks its arguments and a caller that checks the result.
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

// Crossings that the pinned compiler (clang 21) gets wrong, so that there is nothing to be seen of the kernel in them:
// - it keeps no size of structures of up to 16 bytes that are not of one floating-point type: those of 3, 5, 6, 7 bytes are
//   passed as if they were registers, and an entry thunk returns 16 bytes into a buffer of 9 to 15;
// - with many arguments it uses x9 between the call checker and the call, where the target is (LLVM PR 167782);
// - exit thunks of functions with variable arguments pass none that is on the stack (LLVM PRs 208453, 209581).
enum { X64_TO_EC_WRONG = 1, EC_TO_X64_WRONG = 2 };

struct crossing_case {
    const char *name;                   // of the callee; more words may follow
    void *callee;                       // in the module's own code
    bool (*caller)(void *callee);       // calls any module's callee of this signature
    int wrong;
};
typedef const struct crossing_case *crossing_table(void);    // ends with a null name
