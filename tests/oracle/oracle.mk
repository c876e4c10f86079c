# SPDX-License-Identifier: MIT
# The translator against a real x64 processor: see README.md here. Included by tests/tests.mk.
# record runs on the (x64) host; play is an arm64 Linux program that qemu-aarch64 runs.

PLAY_C := tests/oracle/play.c $(sort $(wildcard emu/x64/*.c emu/a64/*.c emu/lower/*.c))
PLAY_FLAGS := -target aarch64-linux-musl -fPIE -std=gnu17 -O1 -g -fno-sanitize=undefined -Wall -Wextra -Werror -I.
ORACLE_BIN := $(B)/oracle/play $(B)/oracle/record

$(B)/oracle/obj/%.o: %.c Makefile tests/oracle/oracle.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,A64CC,$<)
	$(Q)$(ZIG) cc $(PLAY_FLAGS) -MMD -MP -c -o $@ $<

# Position-independent, so that it lies above 4 GiB, out of the way of the addresses that sequences compute.
$(B)/oracle/play: $(PLAY_C:%.c=$(B)/oracle/obj/%.o)
	$(call say,A64LD,$@)
	$(Q)$(ZIG) cc -target aarch64-linux-musl -static -fPIE -pie -o $@ $^

# On a host that is not x64 it turns cases into vectors, and nothing else.
IS_X64   := $(filter x86_64,$(shell uname -m))
RECORD_C := $(filter-out tests/oracle/play.c tests/oracle/$(if $(IS_X64),native_none,native).c,$(wildcard tests/oracle/*.c)) $(wildcard emu/x64/*.c)

$(B)/oracle/host/%.o: %.c Makefile tests/oracle/oracle.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,HOSTCC,$<)
	$(Q)$(HOSTCC) -std=gnu17 -O2 -g -Wall -Wextra -Werror -I. -MMD -MP -c -o $@ $<

$(B)/oracle/record: $(patsubst %.c,$(B)/oracle/host/%.o,$(sort $(RECORD_C)))
	$(call say,HOSTLD,$@)
	$(Q)$(HOSTCC) -o $@ $^

-include $(shell find $(B)/oracle -name '*.d' 2>/dev/null)
