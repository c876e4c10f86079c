# SPDX-License-Identifier: MIT
# Images for tests, one a class, from the same source: linked here by the ordinary tools and not by the project's own
# image rules. The load configuration is made by hand.
TI := $(B)/test-images
TEST_IMAGES := $(patsubst %,$(TI)/%.dll,library.x64 library.arm64 library.arm64ec library.arm64x library.mixed \
    importer.arm64x)

$(TI)/%.x86_64.o: tests/images/%.c tests/images/images.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CLANG) --target=x86_64-pc-windows-msvc $(TEST_IMAGE_FLAGS) -c -o $@ $<
$(TI)/%.aarch64.o: tests/images/%.c tests/images/images.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CLANG) --target=aarch64-pc-windows-msvc $(TEST_IMAGE_FLAGS) -c -o $@ $<
$(TI)/%.arm64ec.o: tests/images/%.c tests/images/images.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CLANG) --target=arm64ec-pc-windows-msvc $(TEST_IMAGE_FLAGS) -c -o $@ $<
$(TI)/load_config_ec.o: tests/images/load_config_ec.s tests/images/images.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,AS,$@)
	$(Q)$(CLANG) --target=arm64ec-pc-windows-msvc -c -o $@ $<
$(TI)/load_config_native.o: tests/images/load_config_native.s tests/images/images.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,AS,$@)
	$(Q)$(CLANG) --target=aarch64-pc-windows-msvc -c -o $@ $<
TEST_IMAGE_FLAGS := -std=c17 -O2 -Wall -Wextra -Werror -ffreestanding -fno-stack-protector
TEST_IMAGE_LINK = $(LLD_LINK) -dll -nodefaultlib -timestamp:0 -out:$@

$(TI)/library.x64.dll: $(TI)/library.x86_64.o
	$(call say,LINK,$@)
	$(Q)$(TEST_IMAGE_LINK) -machine:x64 -entry:dll_main $^
$(TI)/library.arm64.dll: $(TI)/library.aarch64.o
	$(call say,LINK,$@)
	$(Q)$(TEST_IMAGE_LINK) -machine:arm64 -entry:dll_main $^
$(TI)/library.arm64ec.dll: $(TI)/library.arm64ec.o $(TI)/load_config_ec.o
	$(call say,LINK,$@)
	$(Q)$(TEST_IMAGE_LINK) -machine:arm64ec -entry:dll_main $^
$(TI)/library.arm64x.dll: $(TI)/library.arm64ec.o $(TI)/library.aarch64.o $(TI)/load_config_ec.o $(TI)/load_config_native.o
	$(call say,LINK,$@)
	$(Q)$(TEST_IMAGE_LINK) -machine:arm64x -entry:dll_main $^
# The two views come from different compilers: native arm64 from Zig in one, x64 code from C in the other.
$(TI)/library.zig.o: tests/images/library.zig tests/images/images.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,ZIG,$@)
	$(Q)$(ZIG) build-obj $< -target aarch64-windows-msvc -O ReleaseSmall -femit-bin=$@
$(TI)/library_exports.o: tests/images/library_exports.s tests/images/images.mk | $(READY)
	@mkdir -p $(@D)
	$(call say,AS,$@)
	$(Q)$(CLANG) --target=aarch64-pc-windows-msvc -c -o $@ $<
$(TI)/library.mixed.dll: $(TI)/library.x86_64.o $(TI)/library.zig.o $(TI)/library_exports.o $(TI)/load_config_ec.o \
    $(TI)/load_config_native.o
	$(call say,LINK,$@)
	$(Q)$(TEST_IMAGE_LINK) -machine:arm64x -entry:dll_main $^
$(TI)/importer.arm64x.dll: $(TI)/importer.arm64ec.o $(TI)/importer.aarch64.o $(TI)/load_config_ec.o $(TI)/load_config_native.o \
    $(TI)/library.arm64x.dll
	$(call say,LINK,$@)
	$(Q)$(TEST_IMAGE_LINK) -machine:arm64x -noentry $(filter %.o,$^) $(TI)/library.arm64x.lib

# They are built into the test kernel too.
$(B)/kernel/tests/kernel/test_images.S.o: $(TEST_IMAGES)
$(B)/kernel/tests/kernel/test_images.S.o: KERNEL_FLAGS += -I$(B)

.PHONY: test-images
test-images: $(TEST_IMAGES)
