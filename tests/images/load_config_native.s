// SPDX-License-Identifier: MIT
// Load configuration of the native namespace of an Arm64X image. The linker fills in the metadata pointer and the place
// of the dynamic relocations.
    .section .rdata,"dr"
    .globl _load_config_used
    .p2align 3
_load_config_used:
    .long 0x140
    .fill 0x140 - 4, 1, 0
