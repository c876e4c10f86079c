// SPDX-License-Identifier: MIT
// far.dll, an x64 DLL: what a call of it through an import slot costs.
    .text
    .globl far_nothing
far_nothing:
    ret
