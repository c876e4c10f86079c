# SPDX-License-Identifier: MIT
# The translator against a real x64 processor: see README.md here. Included by tests/tests.mk.
# record runs on the (x64) host; play is an arm64 Linux program that qemu-aarch64 runs.

PLAY_C := tests/translator/play.c $(sort $(wildcard emu/x64/*.c emu/a64/*.c emu/lower/*.c))
PLAY_FLAGS := -target aarch64-linux-musl -fPIE -std=gnu17 -O1 -g -fno-sanitize=undefined -Wall -Wextra -Werror -I.
TRANSLATOR_BIN := $(B)/translator/play $(if $(filter x86_64,$(shell uname -m)),$(B)/translator/record)

$(B)/translator/obj/%.o: %.c Makefile tests/translator/translator.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,A64CC,$<)
	$(Q)$(ZIG) cc $(PLAY_FLAGS) -MMD -MP -c -o $@ $<

# Position-independent, so that it lies above 4 GiB, out of the way of the addresses that sequences compute.
$(B)/translator/play: $(PLAY_C:%.c=$(B)/translator/obj/%.o)
	$(call say,A64LD,$@)
	$(Q)$(ZIG) cc -target aarch64-linux-musl -static -fPIE -pie -o $@ $^

$(B)/translator/record: tests/translator/record.c $(sort $(wildcard tests/translator/*.inc)) tests/translator/vector.h \
    $(sort $(wildcard emu/x64/*.c emu/x64/*.h emu/x64/*.inc)) Makefile tests/translator/translator.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@)
	$(Q)$(HOSTCC) -std=gnu17 -O1 -g -Wall -Wextra -Werror -I. -o $@ $(filter %.c,$^)

-include $(shell find $(B)/translator/obj -name '*.d' 2>/dev/null)
