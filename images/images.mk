# SPDX-License-Identifier: MIT
# Everything that runs at EL0. Each system DLL is an Arm64X image: its sources are compiled twice, for Arm64 and for
# ARM64EC, and linked into one file with two views. Included by the top Makefile, which defines CLANG, LLD_LINK, ...
ifdef LLVM
LLVM_LIB ?= $(LLVM)/llvm-lib
else
LLVM_LIB ?= $(ZIG) lib
endif
# Headers and import definitions of mingw-w64, as the pinned toolchain ships them.
WIN_INCLUDE ?= $(ZIGLIB)/libc/include/any-windows-any

I  := $(B)/images
IO := $(I)/obj

include images/target.mk

# $(call image_rules,KIND): objects of one kind. IMAGE_EXTRA_(path) adds flags for a folder.
define image_rules
$(IO)/$(1)/%.c.obj: %.c images/target.mk | $(READY)
	@mkdir -p $$(@D)
	$$(call say,CC,$$< ($(1)))
	$$(Q)$$(CLANG) --target=$(IMAGE_TARGET_$(1)) -std=gnu17 $(IMAGE_FLAGS) $$(or $$(IMAGE_OWN),$(IMAGE_WARN) $(IMAGE_WIN)) -MMD -MP -c -o $$@ $$<
$(IO)/$(1)/%.S.obj: %.S images/target.mk | $(READY)
	@mkdir -p $$(@D)
	$$(call say,AS,$$< ($(1)))
	$$(Q)$$(CLANG) --target=$(IMAGE_TARGET_$(1)) $(IMAGE_FLAGS) -MMD -MP -c -o $$@ $$<
endef
$(foreach kind,ec arm64 x64,$(eval $(call image_rules,$(kind))))
objects_of = $(patsubst %,$(IO)/$(1)/%.obj,$(2))

# Start-up objects of our own images, by kind.
CRT_ec    := images/crt/chpe.S images/crt/chkstk.S images/crt/mem.c images/crt/security.c
CRT_arm64 := images/crt/loadcfg.S images/crt/chkstk.S images/crt/mem.c images/crt/security.c
CRT_x64   := images/crt/loadcfg.S images/crt/chkstk_x64.S images/crt/mem.c images/crt/security.c

# $(call dll,NAME,SOURCES for both views,x64 SOURCES of the EC view,ENTRY or none,DLLs it imports,SOURCES of the native view alone)
define dll
$(I)/$(1).dll: $$(call objects_of,ec,$(2) $$(CRT_ec)) $$(call objects_of,arm64,$(2) $(6) $$(CRT_arm64)) \
    $$(call objects_of,x64,$(3)) images/$(1)/$(1).def $(5:%=$(I)/lib/%.lib) images/images.mk
	$$(call say,LINK,$$@)
	$$(file >$$@.objects,$$(filter %.obj %.lib,$$^))
	$$(Q)$$(LLD_LINK) -nologo -machine:arm64x -dll -noimplib -debug -nodefaultlib -lldmingw -opt:noref -opt:noicf -out:$$@ -pdb:$$(@:.dll=.pdb) \
	    -def:images/$(1)/$(1).def -defArm64Native:images/$(1)/$(1).def $(if $(4),-entry:$(4),-noentry) @$$@.objects
IMAGES += $(I)/$(1).dll
IMAGE_OBJECTS += $$(call objects_of,ec,$(2) $$(CRT_ec)) $$(call objects_of,arm64,$(2) $(6) $$(CRT_arm64)) $$(call objects_of,x64,$(3))
endef

# Import libraries come from the definition files, so that DLLs may import each other: lib/ for Arm64X, libx64/ for x64.
$(I)/lib/%.lib: | $(READY)
	@mkdir -p $(@D)
	$(Q)$(LLVM_LIB) -machine:arm64x -def:$< -defArm64Native:$< -out:$@ >/dev/null
$(I)/libx64/%.lib: | $(READY)
	@mkdir -p $(@D)
	$(Q)$(LLVM_LIB) -machine:x64 -def:$< -out:$@ >/dev/null
define import_library
$(I)/lib/$(1).lib $(I)/libx64/$(1).lib: images/$(1)/$(1).def
endef

NTDLL := $(sort $(wildcard images/ntdll/*.c images/ntdll/*.S)) $(addprefix emu/x87/,quick.c stack.c float80.c add.c mul.c sqrt.c convert.c integer.c)
$(eval $(call import_library,ntdll))
$(eval $(call dll,ntdll,$(NTDLL),,,))

KERNEL32 := $(sort $(wildcard images/kernel32/*.c))
$(eval $(call import_library,kernel32))
$(eval $(call dll,kernel32,$(KERNEL32),,,ntdll))

include images/ucrtbase/ucrtbase.mk

# ---- programs and their DLLs ------------------------------------------------------------------------------------------------
# $(call program,NAME,KIND,SOURCES,DLLs it imports besides the C library)
IMAGE_MACHINE_ec := arm64ec
IMAGE_MACHINE_arm64 := arm64
IMAGE_MACHINE_x64 := x64
LIBS_ec := lib
LIBS_arm64 := lib
LIBS_x64 := libx64
PROGRAM_CRT := images/crt/start_exe.c images/crt/printf.c
define program
$(I)/$(1).exe: $$(call objects_of,$(2),$(3) $$(PROGRAM_CRT) $$(CRT_$(2))) $(addprefix $(I)/$(LIBS_$(2))/,$(addsuffix .lib,$(4) ucrtbase kernel32 ntdll)) images/images.mk
	$$(call say,LINK,$$@)
	$$(Q)$$(LLD_LINK) -nologo -machine:$(IMAGE_MACHINE_$(2)) -lldmingw -subsystem:console -debug -nodefaultlib -opt:ref -entry:start -out:$$@ \
	    -pdb:$$(@:.exe=.pdb) $$(filter %.obj %.lib,$$^)
IMAGES += $(I)/$(1).exe
IMAGE_OBJECTS += $$(call objects_of,$(2),$(3) $$(PROGRAM_CRT) $$(CRT_$(2)))
endef

# A DLL of a program whose sources and definition file lie in one folder: $(call program_dll,NAME,FOLDER,SOURCES,DLLs)
define program_dll
$(I)/$(1).dll: $$(call objects_of,ec,$(3) $$(CRT_ec)) $$(call objects_of,arm64,$(3) $$(CRT_arm64)) $(2)/$(1).def $(4:%=$(I)/lib/%.lib) images/images.mk
	$$(call say,LINK,$$@)
	$$(Q)$$(LLD_LINK) -nologo -machine:arm64x -dll -lldmingw -noimplib -debug -nodefaultlib -opt:ref -noentry -out:$$@ -pdb:$$(@:.dll=.pdb) \
	    -def:$(2)/$(1).def -defArm64Native:$(2)/$(1).def $$(filter %.obj %.lib,$$^)
$(I)/lib/$(1).lib $(I)/libx64/$(1).lib: $(2)/$(1).def
IMAGES += $(I)/$(1).dll
IMAGE_OBJECTS += $$(call objects_of,ec,$(3)) $$(call objects_of,arm64,$(3))
endef

# What `make run` starts, and the files beside it.
DEMO       := $(I)/demo.exe
DEMO_FILES := $(addprefix $(I)/,shared.dll demo_x64.exe demo_arm64.exe demo_ec.exe)
$(eval $(call program_dll,shared,images/demo,images/demo/shared.c,))
$(eval $(call program,demo,arm64,images/demo/demo.c))
$(eval $(call program,demo_x64,x64,images/demo/show.c,shared))
$(eval $(call program,demo_arm64,arm64,images/demo/show.c,shared))
$(eval $(call program,demo_ec,ec,images/demo/show.c,shared))

include images/tests/tests.mk
include tests/oracle/target/target.mk

IMAGE_OBJECTS := $(sort $(IMAGE_OBJECTS))
images: $(IMAGES)
-include $(IMAGE_OBJECTS:.obj=.d)
