// SPDX-License-Identifier: MIT
// Images inside the test kernel: tests/images/images.mk makes them.
.macro image name, file
    .globl test_image_\name, test_image_\name\()_end
    .balign 16
test_image_\name:
    .incbin "test-images/\file"
test_image_\name\()_end:
.endm
    .section .rodata
    image library_x64, library.x64.dll
    image library_arm64, library.arm64.dll
    image library_arm64ec, library.arm64ec.dll
    image library_arm64x, library.arm64x.dll
    image library_mixed, library.mixed.dll
    image importer_arm64x, importer.arm64x.dll
