# SPDX-License-Identifier: MIT
# The benchmark: see README.md here. Included by tests/tests.mk.
BE := $(B)/bench
WORKLOAD_C := $(sort $(wildcard tests/bench/workloads/*.c))
# The same for every target, Linux programs too. A product and a sum are not contracted, so that all builds agree to the last bit.
BENCH_FLAGS := -O2 -ffreestanding -fno-builtin -fno-stack-protector -fomit-frame-pointer -ffp-contract=off

# ARM64EC: for MSVC's environment the compiler puts a barrier behind each locked operation, for the other builds' it does not.
BENCH_TARGET_ec := --target=arm64ec-pc-windows-gnu

define bench_flags
$(call objects_of,$(1),$(WORKLOAD_C)): IMAGE_OWN = $(BENCH_TARGET_$(1)) $$(IMAGE_WARN) -isystem $$(CLANG_INCLUDE) $$(BENCH_FLAGS)
$(call objects_of,$(1),$(WORKLOAD_C)): tests/bench/bench.mk
endef
$(foreach kind,arm64 ec x64,$(eval $(call bench_flags,$(kind))))

$(I)/lib/meter.lib $(I)/libx64/meter.lib: tests/bench/meter.def
$(I)/libx64/far.lib: tests/bench/far.def

# Beside the programs and not among the system DLLs.
METER_OBJECTS := $(call objects_of,ec,tests/bench/meter.c $(CRT_ec)) $(call objects_of,arm64,tests/bench/meter.c $(CRT_arm64))
$(BE)/meter.dll: $(METER_OBJECTS) tests/bench/meter.def tests/bench/bench.mk
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LLD_LINK) -nologo -machine:arm64x -dll -lldmingw -noimplib -nodefaultlib -opt:ref -noentry -out:$@ \
	    -def:tests/bench/meter.def -defArm64Native:tests/bench/meter.def $(filter %.obj,$^)
$(BE)/far.dll: $(call objects_of,x64,tests/bench/far.S $(CRT_PROGRAM_x64)) tests/bench/far.def tests/bench/bench.mk
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LLD_LINK) -nologo -machine:x64 -dll -lldmingw -noimplib -nodefaultlib -opt:ref -noentry -out:$@ -def:tests/bench/far.def $(filter %.obj,$^)

# $(call bench_program,NAME,KIND,SOURCES,further import libraries)
define bench_program
$(BE)/$(1).exe: $$(call objects_of,$(2),$(3) $$(PROGRAM_CRT) $$(CRT_$(2))) \
    $(foreach l,meter $(4) ucrtbase kernel32 ntdll,$(I)/$(LIBS_$(2))/$(l).lib) tests/bench/bench.mk
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(LLD_LINK) -nologo -machine:$(IMAGE_MACHINE_$(2)) -lldmingw -subsystem:console -nodefaultlib -opt:ref -entry:start -out:$$@ \
	    $$(filter %.obj %.lib,$$^)
BENCH_PROGRAMS += $(BE)/$(1).exe
IMAGE_OBJECTS += $$(call objects_of,$(2),$(3))
endef
$(foreach k,arm64 ec x64,$(eval $(call bench_program,bench-$(k),$(k),tests/bench/main.c $(WORKLOAD_C))))
$(eval $(call bench_program,bench-flow,x64,tests/bench/flow.c tests/bench/flow.S,far))
-include $(patsubst %.obj,%.d,$(foreach k,arm64 ec x64,$(call objects_of,$(k),tests/bench/main.c $(WORKLOAD_C)) $(call objects_of,x64,tests/bench/flow.c)) $(METER_OBJECTS))

bench-programs: $(BENCH_PROGRAMS) $(BE)/meter.dll $(BE)/far.dll

bench: all bench-programs
	$(Q)tests/bench/run $(BENCH_OPTIONS)

# Looking at what is emitted: counts against a table of somebody else's (make bench-fex FEX=TABLE), and a workload's code.
define bench_host_tool
$(B)/host/$(1): $(B)/host/obj/tests/bench/$(1).o $(B)/host/libpure.a
	$$(call say,HOSTLD,$$@)
	$$(Q)$$(HOSTCC) $$(HOST_FLAGS) -o $$@ $$^
endef
$(eval $(call bench_host_tool,fex))
$(eval $(call bench_host_tool,code))

bench-code: bench-programs $(B)/host/code
	$(Q)tests/bench/code $(CODE)

bench-hot: $(BE)/peer-x64 $(B)/host/code
	$(Q)tests/bench/hot $(BENCH_OPTIONS)

bench-fex: $(B)/host/fex
	$(if $(FEX),,$(error name the table of counts: make bench-fex FEX=TABLE))
	$(Q)tests/bench/fex $(BENCH_OPTIONS) $(if $(USED),--used $(USED)) $(FEX)

# The same sources as Linux programs, for make bench-peers.
# Position-independent code, as every Windows program is.
PEER_FLAGS := -std=gnu17 -static -fPIC -no-pie -Wall -Wextra -Werror -I.
$(BE)/peer-x64: peer_target := x86_64-linux-musl
$(BE)/peer-arm64: peer_target := aarch64-linux-musl
$(BE)/peer-x64 $(BE)/peer-arm64: tests/bench/peer_main.c $(WORKLOAD_C) images/crt/mem.c tests/bench/peer.h tests/bench/bench.h tests/bench/bench.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(ZIG) cc -target $(peer_target) $(BENCH_FLAGS) $(PEER_FLAGS) -fno-sanitize=undefined -o $@ $(filter %.c,$^)
$(BE)/peer-init: tests/bench/peer_init.c tests/bench/peer.h tests/bench/bench.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(ZIG) cc -target aarch64-linux-musl -O2 $(PEER_FLAGS) -o $@ $<

peer-deps:
	@tools/deps $(DEPS) peers

bench-peers: all bench-programs $(BE)/peer-x64 $(BE)/peer-arm64 $(BE)/peer-init peer-deps
	$(Q)tests/bench/peers $(BENCH_OPTIONS)

PHONIES += bench bench-programs bench-fex bench-code bench-hot bench-peers peer-deps
.PHONY: bench bench-programs bench-fex bench-code bench-hot bench-peers peer-deps
