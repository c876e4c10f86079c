# SPDX-License-Identifier: MIT
# Host tests and the runner. Included by the top Makefile.

# Host tests: every tests/host/NAME_test.c is one program, linked with all pure sources (no kernel headers, no globals)
# under the address and undefined-behaviour sanitizers. A line `// link: mm/foo.c -lZydis` in the test names more sources
# and libraries it needs.
PURE_C     := $(sort $(wildcard emu/x64/*.c emu/a64/*.c emu/lower/*.c loader/pe/*.c loader/arm64x/*.c))
HOST_TESTS := $(sort $(wildcard tests/host/*_test.c))
HOST_BIN   := $(HOST_TESTS:tests/host/%.c=$(B)/host/%)
HOST_FLAGS := -std=gnu17 -O1 -g -Wall -Wextra -Werror -I. -fsanitize=address,undefined -fno-sanitize-recover=all \
    -fno-omit-frame-pointer

$(B)/host/obj/%.o: %.c Makefile tests/tests.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) $(HOST_FLAGS) -MMD -MP -c -o $@ $<

$(B)/host/libpure.a: $(PURE_C:%.c=$(B)/host/obj/%.o)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,HOSTAR,$@)
	$(Q)ar rcs $@ $^

link_words = $(shell sed -n 's,^// link:,,p' $(1))
define host_test
$(B)/host/$(1): $(B)/host/obj/tests/host/$(1).o \
    $(patsubst %.c,$(B)/host/obj/%.o,$(filter %.c,$(call link_words,tests/host/$(1).c))) $(B)/host/libpure.a
	$$(call say,HOSTLD,$$@)
	$$(Q)$$(HOSTCC) $$(HOST_FLAGS) -o $$@ $$^ $(filter -l%,$(call link_words,tests/host/$(1).c))
endef
$(foreach t,$(HOST_TESTS:tests/host/%.c=%),$(eval $(call host_test,$(t))))

# Images that tests load, linked outside the project's own image rules.
include tests/images/images.mk
$(HOST_BIN): | test-images

host-tests: $(HOST_BIN)
	$(Q)tests/run --only host

-include $(shell find $(B)/host/obj -name '*.d' 2>/dev/null)

# Programs as anybody's toolchain makes them: unchanged C, compiled for both machines by the mingw side of the pinned
# toolchain, not linked with anything of Janus.
PROGRAM_C   := $(sort $(wildcard tests/programs/src/*.c tests/bench/*.c))
PROGRAM_EXE := $(foreach a,x64 arm64,$(patsubst %.c,$(B)/tests/%-$(a).exe,$(notdir $(PROGRAM_C))))
target_x64   := x86_64-windows-gnu
target_arm64 := aarch64-windows-gnu
vpath %.c tests/programs/src tests/bench

define program
$(B)/tests/%-$(1).exe: %.c tests/tests.mk | $(READY)
	@mkdir -p $$(@D)
	$$(call say,WINCC,$$@)
	$$(Q)$(ZIG) cc -target $(target_$(1)) -O2 -Wall -Wextra -Werror -o $$@ $$<
	@rm -f $$(@:.exe=.pdb)
endef
$(foreach a,x64 arm64,$(eval $(call program,$(a))))

test-programs: $(PROGRAM_EXE)

test: all test-kernel $(HOST_BIN) test-programs
	$(Q)tests/run $(if $(T),--match '$(T)')

bench: all test-programs
	$(Q)tests/bench/run

sdcard: all
	$(Q)tools/sdcard $(B)/sdcard.img $(or $(RUN),$(B)/images/demo.exe) $(ARGS)
