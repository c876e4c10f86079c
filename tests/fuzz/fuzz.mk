# SPDX-License-Identifier: MIT
# make fuzz TARGET=NAME T=SECONDS: coverage-guided fuzzing of tests/fuzz/NAME_fuzz.c by libFuzzer under the address and
# undefined-behaviour sanitizers. Included by tests/tests.mk. Debian's clang brings libFuzzer; nothing else needs it.

FUZZ_TARGETS := $(sort $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c)))
FUZZCC       ?= clang
FUZZ_FLAGS   := -std=gnu17 -O1 -g -Wall -Wextra -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    -fno-omit-frame-pointer
FUZZ_SOURCES := $(PURE_C) tests/fuzz/emitted.c tests/host/llvm_disasm.c
comma        := ,

fuzz-deps:
	@tools/deps $(DEPS) fuzz

$(B)/fuzz/obj/%.o: %.c Makefile tests/fuzz/fuzz.mk | $(READY) fuzz-deps
	@mkdir -p $(@D)
	$(call say,FUZZCC,$<)
	$(Q)$(FUZZCC) $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

# The judges are not what is explored: no coverage of them.
FUZZ_JUDGES := tests/fuzz/emitted.c tests/host/llvm_disasm.c
$(FUZZ_JUDGES:%.c=$(B)/fuzz/obj/%.o): FUZZ_FLAGS := $(subst fuzzer$(comma),,$(FUZZ_FLAGS))

define fuzz_target
$(B)/fuzz/$(1): $(B)/fuzz/obj/tests/fuzz/$(1)_fuzz.o $(FUZZ_SOURCES:%.c=$(B)/fuzz/obj/%.o)
	$$(call say,FUZZLD,$$@)
	$$(Q)$$(FUZZCC) $$(FUZZ_FLAGS) -o $$@ $$^

$(B)/fuzz/seeds/$(1).stamp: tests/fuzz/seeds.py $(filter %-x64.exe,$(PROGRAM_EXE)) | test-images
	@mkdir -p $$(@D)
	$(call say,SEEDS,$(1))
	$(Q)$(PYTHON) tests/fuzz/seeds.py $(1) $(B)/fuzz/seeds/$(1) $$(filter %.exe,$$^) $(B)/test-images/*.dll
	@touch $$@
endef
$(foreach t,$(FUZZ_TARGETS),$(eval $(call fuzz_target,$(t))))

# It lowers the programs.
$(B)/host/lower_emitted_test: | $(filter %-x64.exe,$(PROGRAM_EXE))

ifneq ($(filter fuzz,$(MAKECMDGOALS)),)
ifeq ($(filter $(TARGET),$(FUZZ_TARGETS)),)
$(error make fuzz TARGET=NAME T=SECONDS, NAME one of: $(FUZZ_TARGETS))
endif
endif
fuzz: $(B)/fuzz/$(TARGET) $(B)/fuzz/seeds/$(TARGET).stamp
	$(Q)$(PYTHON) tests/fuzz/run $(TARGET) $(or $(T),60) $(B)/fuzz

# The decoder against others over the whole opcode space; `make test` runs a part.
PROOFS := x64_decode_vs_zydis_test x64_decode_vs_llvm_test x64_decode_native_test
decoder-proof: $(PROOFS:%=$(B)/host/%)
	$(Q)set -e; for proof in $^; do $$proof all; done

PHONIES += fuzz fuzz-deps decoder-proof
.PHONY: fuzz fuzz-deps decoder-proof
-include $(shell find $(B)/fuzz/obj -name '*.d' 2>/dev/null)
