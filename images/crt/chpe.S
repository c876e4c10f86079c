// SPDX-License-Identifier: MIT
// Hybrid metadata of an ARM64EC namespace: IMAGE_ARM64EC_METADATA version 1, the pointer cells ntdll fills when it loads
// the image, and the load configuration that leads there. Assembled for arm64ec only.
// Layouts: the reference sheet of the ARM64EC ABI, sections 2 and 4; names with two labels are one cell, because
// compilers refer to it by either name.

    .section .00cfg, "dr"
    .balign 8
.macro cell names:vararg
    .irp name, \names
    .globl \name
\name:
    .endr
    .quad 0
.endm
    cell __os_arm64x_dispatch_call_no_redirect
    cell __os_arm64x_dispatch_ret
    cell __os_arm64x_check_call, __os_arm64x_dispatch_call
    cell __os_arm64x_check_icall, __os_arm64x_dispatch_icall
    cell __os_arm64x_check_icall_cfg, __os_arm64x_dispatch_icall_cfg
    cell __os_arm64x_get_x64_information
    cell __os_arm64x_set_x64_information
    cell __os_arm64x_x64_jump, __os_arm64x_dispatch_fptr

    .section .rdata, "dr"
    .balign 16
    .globl __chpe_metadata
__chpe_metadata:
    .word 1                                         // 00 version
    .rva  __hybrid_code_map                         // 04
    .word __hybrid_code_map_count                   // 08
    .rva  __x64_code_ranges_to_entry_points         // 0c
    .rva  __arm64x_redirection_metadata             // 10
    .rva  __os_arm64x_dispatch_call_no_redirect     // 14
    .rva  __os_arm64x_dispatch_ret                  // 18
    .rva  __os_arm64x_check_call                    // 1c
    .rva  __os_arm64x_check_icall                   // 20
    .rva  __os_arm64x_check_icall_cfg               // 24
    .rva  __arm64x_native_entrypoint                // 28
    .rva  __hybrid_auxiliary_iat                    // 2c
    .word __x64_code_ranges_to_entry_points_count   // 30
    .word __arm64x_redirection_metadata_count       // 34
    .rva  __os_arm64x_get_x64_information           // 38
    .rva  __os_arm64x_set_x64_information           // 3c
    .rva  __arm64x_extra_rfe_table                  // 40
    .word __arm64x_extra_rfe_table_size             // 44
    .rva  __os_arm64x_x64_jump                      // 48
    .rva  __hybrid_auxiliary_iat_copy               // 4c

// The size of the load configuration covers the dynamic relocation table's place (e0, e4), which the linker fills.
    .globl _load_config_used
    .balign 16
_load_config_used:
    .word 0x140
    .zero 0x58 - 4
    .quad __security_cookie                         // 58
    .zero 0xc8 - 0x60
    .quad __chpe_metadata                           // c8
    .zero 0x140 - 0xd0

// An imported function that is not EC, reached from EC code: x10 = exit thunk, x11 = target from the import table.
// The checker leaves in x11 what is to be called and keeps all argument registers.
    .text
    .globl "#__icall_helper_arm64ec"
    .def "#__icall_helper_arm64ec"
    .scl 2
    .type 32
    .endef
    .balign 4
"#__icall_helper_arm64ec":
    .seh_proc "#__icall_helper_arm64ec"
    stp x29, x30, [sp, #-16]!
    .seh_save_fplr_x 16
    mov x29, sp
    .seh_set_fp
    .seh_endprologue
    adrp x16, __os_arm64x_check_icall
    ldr x16, [x16, :lo12:__os_arm64x_check_icall]
    blr x16
    .seh_startepilogue
    ldp x29, x30, [sp], #16
    .seh_save_fplr_x 16
    .seh_endepilogue
    br x11
    .seh_endproc
    .weak_anti_dep __icall_helper_arm64ec
    .set __icall_helper_arm64ec, "#__icall_helper_arm64ec"
