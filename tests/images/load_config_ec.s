// SPDX-License-Identifier: MIT
// Load configuration of the ARM64EC namespace, the metadata it points to, and the cells a loader fills: what a C
// runtime brings along, by hand. Field order: IMAGE_ARM64EC_METADATA, version 2.
    .section .rdata,"dr"
    .globl _load_config_used
    .p2align 3
_load_config_used:
    .long 0x140
    .fill 0xC8 - 4, 1, 0
    .quad __chpe_metadata
    .fill 0x140 - 0xD0, 1, 0

    .globl __chpe_metadata
    .p2align 2
__chpe_metadata:
    .long 2
    .rva __hybrid_code_map
    .long __hybrid_code_map_count
    .rva __x64_code_ranges_to_entry_points
    .rva __arm64x_redirection_metadata
    .rva __os_arm64x_dispatch_call_no_redirect
    .rva __os_arm64x_dispatch_ret
    .rva __os_arm64x_check_call
    .rva __os_arm64x_check_icall
    .rva __os_arm64x_check_icall_cfg
    .rva __arm64x_native_entrypoint
    .rva __hybrid_auxiliary_iat
    .long __x64_code_ranges_to_entry_points_count
    .long __arm64x_redirection_metadata_count
    .rva __os_arm64x_get_x64_information
    .rva __os_arm64x_set_x64_information
    .rva __arm64x_extra_rfe_table
    .long __arm64x_extra_rfe_table_size
    .rva __os_arm64x_dispatch_fptr
    .rva __hybrid_auxiliary_iat_copy
    .rva __hybrid_auxiliary_delayload_iat
    .rva __hybrid_auxiliary_delayload_iat_copy
    .long __hybrid_image_info_bitfield

    .section .00cfg,"dr"
    .p2align 3
.macro cell name, other
    .globl \name
\name:
.ifnb \other
    .globl \other
\other:
.endif
    .quad 0
.endm
    cell __os_arm64x_dispatch_call_no_redirect
    cell __os_arm64x_dispatch_ret
    cell __os_arm64x_check_call, __os_arm64x_dispatch_call
    cell __os_arm64x_check_icall, __os_arm64x_dispatch_icall
    cell __os_arm64x_check_icall_cfg
    cell __os_arm64x_get_x64_information
    cell __os_arm64x_set_x64_information
    cell __os_arm64x_dispatch_fptr, __os_arm64x_x64_jump

    // Indirect call of an imported function whose kind is not known: ask the checker, then go there. x9 target
    // in x11, exit thunk in x10.
    .text
    .globl "#__icall_helper_arm64ec"
    .globl __icall_helper_arm64ec
    .p2align 2
"#__icall_helper_arm64ec":
__icall_helper_arm64ec:
    stp x29, x30, [sp, #-16]!
    mov x29, sp
    adrp x16, __os_arm64x_check_icall
    ldr x16, [x16, :lo12:__os_arm64x_check_icall]
    blr x16
    ldp x29, x30, [sp], #16
    br x11
