# SPDX-License-Identifier: MIT
# Programs that check themselves (images/tests/README.md). Included by images/images.mk.
CRT_PROGRAM_ec    := $(CRT_ec)
CRT_PROGRAM_arm64 := $(CRT_arm64)
CRT_PROGRAM_x64   := images/crt/loadcfg.S images/crt/mem.c images/crt/security.c
lib_dir_ec := lib
lib_dir_arm64 := lib
lib_dir_x64 := libx64

$(I)/crossing.dll: $(call objects_of,ec,images/tests/library.c images/tests/cases_lib.c $(CRT_ec)) \
    $(call objects_of,arm64,images/tests/library.c images/tests/cases_lib.c $(CRT_arm64)) images/tests/tests.mk
	$(call say,LINK,$@)
	$(Q)$(LLD_LINK) -nologo -machine:arm64x -dll -nodefaultlib -lldmingw -opt:noref -opt:noicf -out:$@ -noimplib -entry:dll_main \
	    $(filter %.obj,$^)
# What programs import by name; the other exports they find with GetProcAddress.
$(I)/lib/crossing.lib $(I)/libx64/crossing.lib: images/tests/crossing.def

# $(call test_program,NAME,ARCHITECTURE,SOURCES,x64 SOURCES of an ARM64EC program,import libraries)
define test_program
$(I)/$(1)-$(2).exe: $$(call objects_of,$(2),$(3) images/tests/test.c $$(CRT_PROGRAM_$(2))) $$(call objects_of,x64,$(4)) \
    $(foreach l,$(5) kernel32 ntdll,$(I)/$(lib_dir_$(2))/$(l).lib) images/tests/tests.mk
	$$(call say,LINK,$$@)
	$$(Q)$$(LLD_LINK) -nologo -machine:$(or $(6),$(2)) -subsystem:console -nodefaultlib -lldmingw -opt:noref -opt:noicf -out:$$@ -entry:start \
	    $$(filter %.obj %.lib,$$^)
TEST_PROGRAMS += $(I)/$(1)-$(2).exe
TEST_OBJECTS += $$(call objects_of,$(2),$(3) images/tests/test.c) $$(call objects_of,x64,$(4))
endef

TEST_OBJECTS := $(foreach k,ec arm64,$(call objects_of,$(k),images/tests/library.c images/tests/cases_lib.c))

CROSSING := images/tests/crossing.c images/tests/cases_own.c
$(eval $(call test_program,crossing,x64,$(CROSSING) images/tests/crossing_x64.S images/tests/try.c images/tests/try_x64.S,,crossing))
$(eval $(call test_program,crossing,ec,$(CROSSING) images/tests/crossing_ec.S,images/tests/cases_far.c images/tests/crossing_x64.S,crossing,arm64ec))
$(eval $(call test_program,crossing,arm64,$(CROSSING),,crossing))

ROBUST := $(addprefix images/tests/,robust.c try.c threads.c ordering.c memory.c faults.c syscalls.c code.c)
$(eval $(call test_program,robust,x64,$(ROBUST) images/tests/robust_x64.S images/tests/try_x64.S))
$(eval $(call test_program,robust,arm64,$(ROBUST) images/tests/robust_arm64.S))
$(eval $(call test_program,spin,x64,images/tests/spin.c))
$(eval $(call test_program,spin,arm64,images/tests/spin.c))
# clang has __try for the MSVC targets alone.
SEH := images/tests/seh.c
$(call objects_of,ec,$(SEH)): IMAGE_OWN = $(IMAGE_WARN) -isystem $(CLANG_INCLUDE) --target=arm64ec-pc-windows-msvc
$(call objects_of,arm64,$(SEH)): IMAGE_OWN = $(IMAGE_WARN) -isystem $(CLANG_INCLUDE) --target=aarch64-pc-windows-msvc
$(call objects_of,x64,$(SEH)): IMAGE_OWN = $(IMAGE_WARN) -isystem $(CLANG_INCLUDE) --target=x86_64-pc-windows-msvc
$(eval $(call test_program,seh,x64,$(SEH) images/tests/seh_x64.S,,crossing))
$(eval $(call test_program,seh,ec,$(SEH) images/tests/seh_arm64.S,,crossing,arm64ec))
$(eval $(call test_program,seh,arm64,$(SEH) images/tests/seh_arm64.S,,crossing))

$(eval $(call test_program,exceptions,x64,images/tests/exceptions.c))
$(eval $(call test_program,exceptions,arm64,images/tests/exceptions.c))
$(eval $(call test_program,exceptions,ec,images/tests/exceptions.c,,,arm64ec))

IMAGES += $(TEST_PROGRAMS) $(I)/crossing.dll
IMAGE_OBJECTS += $(TEST_OBJECTS)
