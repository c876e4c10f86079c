// SPDX-License-Identifier: MIT
// Load configuration of the native namespace of an Arm64X image, and of plain Arm64 and x64 images: only the stack
// cookie's place. The linker adds the dynamic relocation table (e0, e4) and the hybrid metadata (c8).
    .section .rdata, "dr"
    .globl _load_config_used
    .balign 16
_load_config_used:
    .long 0x140
    .zero 0x58 - 4
    .quad __security_cookie
    .zero 0x140 - 0x60
