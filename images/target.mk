# SPDX-License-Identifier: MIT
# How code for EL0 is compiled, by kind: everything depends on this file.
# ARM64EC objects have MSVC's form: the mingw form puts the unwind data of all thunks of an object into one section that the
# linker drops with the first thunk it knows already. The flags give the front end the other targets' dialect back.
IMAGE_TARGET_ec    := arm64ec-pc-windows-msvc -fno-ms-compatibility -fgnuc-version=4.2.1 -U_MSC_VER -U_MSC_FULL_VER -U_MSC_BUILD \
    -U_MSC_EXTENSIONS -U_M_ARM64EC -U_M_X64 -U_M_AMD64 -D__MINGW32__=1 -D__MINGW64__=1 -D__SEH__=1
IMAGE_TARGET_arm64 := aarch64-pc-windows-gnu
IMAGE_TARGET_x64   := x86_64-pc-windows-gnu
# No stack cookies in our own images; no function sections: their unwind data (.pdata$NAME) would be dropped by lld-link.
IMAGE_FLAGS := -O2 -g -gcodeview -funwind-tables -fno-stack-protector -fno-builtin -ffreestanding -nostdlibinc -I.
IMAGE_WARN  := -Wall -Wextra -Werror
IMAGE_WIN   := -fms-extensions -isystem $(CLANG_INCLUDE) -isystem $(WIN_INCLUDE) -D_UCRT -D__MSVCRT_VERSION__=0xE00 -D_WIN32_WINNT=0x0A00
