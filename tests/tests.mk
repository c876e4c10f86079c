# SPDX-License-Identifier: MIT
# Host tests and the runner. Included by the top Makefile.

# Host tests: every tests/host/NAME_test.c is one program, linked with all pure sources (no kernel headers, no globals)
# under the address and undefined-behaviour sanitizers. A line `// link: mm/foo.c -lZydis` in the test names more sources
# and libraries it needs.
PURE_C     := $(sort $(wildcard emu/x64/*.c emu/a64/*.c emu/lower/*.c emu/x87/*.c emu/sse/*.c emu/crypto/*.c loader/pe/*.c loader/arm64x/*.c))
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

# Nothing but a search, and long.
$(B)/host/obj/tests/order/model.o: HOST_FLAGS := $(filter-out -O1 -fsanitize% -fno-sanitize%,$(HOST_FLAGS)) -O2

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
PROGRAM_C   := $(sort $(wildcard tests/programs/src/*.c))
PROGRAM_EXE := $(foreach a,x64 arm64,$(patsubst %.c,$(B)/tests/%-$(a).exe,$(notdir $(PROGRAM_C))))
target_x64   := x86_64-windows-gnu
target_arm64 := aarch64-windows-gnu

# A line `// import: F1 F2` in a program names functions that it imports from who.dll (tests/images/library.c).
imports_of = $(shell sed -n 's,^// import:,,p' $(1))
machine_x64   := i386:x86-64
machine_arm64 := arm64

# $(call program,NAME,SOURCE,ARCHITECTURE)
define program
$(B)/tests/$(1)-$(3).exe: $(2) tests/tests.mk | $(READY)
	@mkdir -p $$(@D)
	$$(call say,WINCC,$$@)
	$(if $(call imports_of,$(2)),$$(Q)printf 'LIBRARY who.dll\nEXPORTS\n$(patsubst %,%\n,$(call imports_of,$(2)))' >$$(@:.exe=.def)
	$$(Q)$(ZIG) dlltool -m $(machine_$(3)) -d $$(@:.exe=.def) -l $$(@:.exe=.lib))
	$$(Q)$(ZIG) cc -target $(target_$(3)) -O2 -Wall -Wextra -Werror -o $$@ $$< $(if $(call imports_of,$(2)),$$(@:.exe=.lib))
	@rm -f $$(@:.exe=.pdb)
endef
$(foreach c,$(PROGRAM_C),$(foreach a,x64 arm64,$(eval $(call program,$(notdir $(basename $(c))),$(c),$(a)))))

# DLLs and damaged images for the program tests.
$(B)/tests/images.stamp: tests/programs/make_images.py $(B)/tests/hello-x64.exe $(TEST_IMAGES)
	$(Q)$(PYTHON) $< $(B)
	@touch $@

test-programs: $(PROGRAM_EXE) $(B)/tests/images.stamp

include tests/oracle/oracle.mk
include tests/fuzz/fuzz.mk
include tests/bench/bench.mk

# The whole of tests/host/memory_order_test.c, and which core orders what how.
PHONIES += order
.PHONY: order
order: $(B)/host/memory_order_test
	$(Q)$< report
	$(Q)$< full

# The long form of what tests/harness/oracle.py runs a fixed part of: make oracle N=1000000 SEED=7
PHONIES += oracle
.PHONY: oracle
oracle: all $(ORACLE_BIN) test-programs
	$(Q)tests/oracle/oracle -n $(or $(N),100000) -s $(or $(SEED),1)

test: all test-kernel $(HOST_BIN) $(ORACLE_BIN) test-programs bench-programs
	$(Q)tests/run $(if $(T),--match '$(T)')

sdcard: all
	$(Q)tools/sdcard $(B)/sdcard.img $(or $(RUN),$(B)/images/demo.exe) $(ARGS)
