# SPDX-License-Identifier: MIT
# The C library: newlib's sources, unpacked beside the toolchain, and ours around them. Included by images/images.mk.
# A file of its own, so that a change of images.mk does not compile newlib again.
NEWLIB := $(DEPS)/newlib
NEWLIB_READY := $(NEWLIB)/.unpacked
$(NEWLIB_READY): | $(READY)
	$(call say,UNPACK,$(NEWLIB_SRC))
	$(Q)rm -rf $(NEWLIB) && mkdir -p $(NEWLIB)
	$(Q)tar -xf $(or $(NEWLIB_SRC),$(wildcard /usr/src/newlib/newlib-*.tar.xz)) -C $(NEWLIB) --strip-components=1 --wildcards '*/newlib/libc/*' '*/newlib/libm/*'
	@touch $@

NEWLIB_C := $(addprefix libc/,$(shell cat images/ucrtbase/newlib/libc.txt)) $(addprefix libm/,$(shell cat images/ucrtbase/newlib/libm.txt))
# newlib takes its word from these, in both namespaces: an LLP64 arm64 machine that is not Windows.
NEWLIB_FLAGS := -Iimages/ucrtbase/newlib -I$(NEWLIB)/newlib/libc/include -I$(NEWLIB)/newlib/libc/time -I$(NEWLIB)/newlib/libm/common \
    -I$(NEWLIB)/newlib/libc/stdio -I$(NEWLIB)/newlib/libc/stdlib -I$(NEWLIB)/newlib/libc/locale -I$(NEWLIB)/newlib/libc/string \
    -isystem $(CLANG_INCLUDE) -U_WIN32 -U__MINGW32__ -U__MINGW64__ -U__WIN32__ -U_WIN64 -U__x86_64__ -U__x86_64 -U__amd64__ \
    -U__amd64 -D__aarch64__ -D__OBSOLETE_MATH=0 -D__DYNAMIC_REENT__
define newlib_rules
$(IO)/$(1)/newlib/%.c.obj: images/ucrtbase/ucrtbase.mk images/target.mk $(NEWLIB_READY) images/ucrtbase/newlib/newlib.h
	@mkdir -p $$(@D)
	$$(call say,CC,newlib/$$*.c ($(1)))
	$$(Q)$$(CLANG) --target=$(IMAGE_TARGET_$(1)) -std=gnu17 $(IMAGE_FLAGS) -w $(NEWLIB_FLAGS) -c -o $$@ $(NEWLIB)/newlib/$$*.c
$(IO)/$(1)/images/ucrtbase/%.c.obj: images/ucrtbase/%.c images/ucrtbase/ucrtbase.mk images/target.mk $(NEWLIB_READY)
	@mkdir -p $$(@D)
	$$(call say,CC,$$< ($(1)))
	$$(Q)$$(CLANG) --target=$(IMAGE_TARGET_$(1)) -std=gnu17 $(IMAGE_FLAGS) $(IMAGE_WARN) $(NEWLIB_FLAGS) -MMD -MP -c -o $$@ $$<
endef
$(foreach kind,ec arm64,$(eval $(call newlib_rules,$(kind))))
UCRT_C := $(sort $(wildcard images/ucrtbase/*.c images/ucrtbase/newlib/*.c))
$(eval $(call import_library,ucrtbase))
$(eval $(call dll,ucrtbase,$(UCRT_C) $(addprefix newlib/,$(NEWLIB_C)),images/ucrtbase/setjmp_x64.S,DllMain,ntdll kernel32,images/ucrtbase/setjmp_arm64.S))
