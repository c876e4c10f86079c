// SPDX-License-Identifier: MIT
// Offsets and constants of the PE32+ format, spelled as in Microsoft's "PE Format" specification. Fields are read at
// their offset instead of through C structures: images come from anywhere and nothing in them is aligned or in bounds
// until it was checked.
#pragma once

#define PE_PAGE_SIZE  4096u
#define PE_PAGE_SHIFT 12

#define IMAGE_DOS_SIGNATURE 0x5A4Du     // "MZ"
#define IMAGE_NT_SIGNATURE  0x00004550u // "PE\0\0"

#define IMAGE_FILE_MACHINE_I386    0x014Cu
#define IMAGE_FILE_MACHINE_AMD64   0x8664u
#define IMAGE_FILE_MACHINE_ARM64   0xAA64u
#define IMAGE_FILE_MACHINE_ARM64EC 0xA641u // object files only, never a finished image

// DOS header
#define DOS_E_LFANEW    0x3C
#define DOS_HEADER_SIZE 0x40

// NT headers: signature, file header, optional header; offsets from the signature
#define NT_MACHINE                0x04
#define NT_NUMBER_OF_SECTIONS     0x06
#define NT_TIME_DATE_STAMP        0x08
#define NT_SIZE_OF_OPTIONAL       0x14
#define NT_CHARACTERISTICS        0x16
#define NT_OPTIONAL               0x18
#define OPT_MAGIC                 0x00
#define OPT_ADDRESS_OF_ENTRY      0x10
#define OPT_IMAGE_BASE            0x18
#define OPT_SECTION_ALIGNMENT     0x20
#define OPT_FILE_ALIGNMENT        0x24
#define OPT_SIZE_OF_IMAGE         0x38
#define OPT_SIZE_OF_HEADERS       0x3C
#define OPT_CHECKSUM              0x40
#define OPT_SUBSYSTEM             0x44
#define OPT_DLL_CHARACTERISTICS   0x46
#define OPT_STACK_RESERVE         0x48
#define OPT_STACK_COMMIT          0x50
#define OPT_HEAP_RESERVE          0x58
#define OPT_HEAP_COMMIT           0x60
#define OPT_NUMBER_OF_DIRECTORIES 0x6C
#define OPT_DIRECTORIES           0x70
#define OPT_MAGIC_PE32PLUS        0x020Bu

#define IMAGE_FILE_RELOCS_STRIPPED  0x0001u
#define IMAGE_FILE_EXECUTABLE_IMAGE 0x0002u
#define IMAGE_FILE_DLL              0x2000u
#define IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA 0x0020u

enum pe_directory_index {
    PE_DIR_EXPORT, PE_DIR_IMPORT, PE_DIR_RESOURCE, PE_DIR_EXCEPTION, PE_DIR_SECURITY, PE_DIR_BASERELOC, PE_DIR_DEBUG,
    PE_DIR_ARCHITECTURE, PE_DIR_GLOBAL_PTR, PE_DIR_TLS, PE_DIR_LOAD_CONFIG, PE_DIR_BOUND_IMPORT, PE_DIR_IAT,
    PE_DIR_DELAY_IMPORT, PE_DIR_COM_DESCRIPTOR, PE_DIR_RESERVED, PE_DIR_COUNT
};

// Section header, 40 bytes
#define SEC_NAME             0x00
#define SEC_VIRTUAL_SIZE     0x08
#define SEC_VIRTUAL_ADDRESS  0x0C
#define SEC_RAW_SIZE         0x10
#define SEC_RAW_POINTER      0x14
#define SEC_CHARACTERISTICS  0x24
#define SEC_HEADER_SIZE      0x28
#define PE_SECTION_MAX       96

#define IMAGE_SCN_MEM_SHARED  0x10000000u
#define IMAGE_SCN_MEM_EXECUTE 0x20000000u
#define IMAGE_SCN_MEM_READ    0x40000000u
#define IMAGE_SCN_MEM_WRITE   0x80000000u

// Base relocation block and the types a 64-bit image may use
#define RELOC_BLOCK_HEADER_SIZE  8
#define IMAGE_REL_BASED_ABSOLUTE 0
#define IMAGE_REL_BASED_DIR64    10

// Export directory
#define EXP_ORDINAL_BASE       0x10
#define EXP_NUMBER_OF_FUNCS    0x14
#define EXP_NUMBER_OF_NAMES    0x18
#define EXP_ADDRESS_OF_FUNCS   0x1C
#define EXP_ADDRESS_OF_NAMES   0x20
#define EXP_ADDRESS_OF_ORDS    0x24
#define EXP_DIRECTORY_SIZE     0x28

// IMAGE_LOAD_CONFIG_DIRECTORY64; a field exists only where Size covers it
#define LC_SIZE                 0x00
#define LC_SECURITY_COOKIE      0x58
#define LC_GUARD_CHECK_CELL     0x70
#define LC_GUARD_DISPATCH_CELL  0x78
#define LC_GUARD_FLAGS          0x90
#define LC_CHPE_METADATA        0xC8
#define LC_DVRT_OFFSET          0xE0
#define LC_DVRT_SECTION         0xE4
#define LC_VOLATILE_METADATA    0x100
