// SPDX-License-Identifier: MIT
// What library.zig exports from the native namespace: Zig's objects say nothing of it to the linker.
    .section .drectve,"yni"
    .ascii " /EXPORT:architecture /EXPORT:apply /EXPORT:call_back /EXPORT:dll_main"
