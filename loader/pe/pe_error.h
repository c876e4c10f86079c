// SPDX-License-Identifier: MIT
// Why an image was refused. One list gives the enum, the names and the sentences: every rule a parser enforces has its
// own value, so that a log line says which rule of the format was broken and not only that one was.
#pragma once

#define PE_ERROR_LIST(X)                                                                                                \
    X(PE_OK,                      "no error")                                                                           \
    /* headers */                                                                                                       \
    X(PE_E_TRUNCATED_HEADERS,     "the file ends inside its own headers")                                               \
    X(PE_E_DOS_MAGIC,             "the file does not start with MZ")                                                    \
    X(PE_E_NT_OFFSET,             "the offset of the NT headers is not a multiple of 4 or lies outside the file")       \
    X(PE_E_NT_MAGIC,              "there is no PE signature where the DOS header points")                               \
    X(PE_E_MACHINE,               "the machine type is neither x64 (0x8664) nor ARM64 (0xAA64)")                        \
    X(PE_E_NOT_EXECUTABLE,        "the file is an object, not a finished image")                                        \
    X(PE_E_NOT_PE32PLUS,          "the optional header is not the 64-bit form (PE32+)")                                 \
    X(PE_E_OPTIONAL_SIZE,         "the optional header is too small for its fixed fields and directories")              \
    X(PE_E_SECTION_ALIGNMENT,     "SectionAlignment is not a power of two of at least 4096")                            \
    X(PE_E_FILE_ALIGNMENT,        "FileAlignment is not a power of two between 512 and SectionAlignment")               \
    X(PE_E_IMAGE_BASE,            "ImageBase is not a multiple of 64 KiB")                                              \
    X(PE_E_IMAGE_SIZE,            "SizeOfImage is zero, above 2 GiB, or not what the sections add up to")               \
    X(PE_E_HEADERS_SIZE,          "SizeOfHeaders is smaller than the headers or larger than the file")                  \
    X(PE_E_ENTRY_POINT,           "the entry point lies outside every section")                                         \
    X(PE_E_DIRECTORY,             "a data directory lies outside the image")                                            \
    /* sections */                                                                                                      \
    X(PE_E_SECTION_COUNT,         "the image has no section or more than 96")                                           \
    X(PE_E_SECTION_UNALIGNED,     "a section does not start on a multiple of SectionAlignment")                         \
    X(PE_E_SECTION_SIZE,          "a section is empty or its size overflows")                                           \
    X(PE_E_SECTION_OVERLAP,       "a section overlaps the headers or the section before it")                            \
    X(PE_E_SECTION_GAP,           "a section does not follow directly after the section before it")                     \
    X(PE_E_SECTION_PAST_IMAGE,    "a section ends after SizeOfImage")                                                   \
    X(PE_E_SECTION_RAW_UNALIGNED, "the file offset of a section is not a multiple of FileAlignment")                    \
    X(PE_E_SECTION_PAST_EOF,      "the bytes of a section lie past the end of the file")                                \
    /* base relocations */                                                                                              \
    X(PE_E_RELOC_BLOCK_SIZE,      "a base relocation block is smaller than its header, odd, or past the directory")     \
    X(PE_E_RELOC_TYPE,            "a base relocation has a type other than ABSOLUTE and DIR64")                         \
    X(PE_E_RELOC_TARGET,          "a base relocation points outside the image")                                         \
    X(PE_E_RELOC_STRIPPED,        "the image has no base relocations and its preferred address is taken")               \
    /* exports */                                                                                                       \
    X(PE_E_EXPORT_DIRECTORY,      "the export directory or one of its tables lies outside the image")                   \
    X(PE_E_EXPORT_ORDINAL,        "an export name refers to an ordinal the export table does not have")                 \
    X(PE_E_EXPORT_NOT_FOUND,      "the image does not export that name or ordinal")                                     \
    X(PE_E_EXPORT_TARGET,         "an export points outside the image")                                                 \
    /* load configuration */                                                                                            \
    X(PE_E_LOAD_CONFIG,           "the load configuration lies outside the image or is too small")                      \
    /* ARM64EC metadata */                                                                                              \
    X(PE_E_CHPE_POINTER,          "the ARM64EC metadata pointer points outside the image")                              \
    X(PE_E_CHPE_VERSION,          "the ARM64EC metadata has a version other than 1 and 2")                              \
    X(PE_E_CHPE_TABLE,            "a table of the ARM64EC metadata lies outside the image")                             \
    X(PE_E_CHPE_CELL,             "a pointer cell of the ARM64EC metadata lies outside the image")                      \
    X(PE_E_CODE_MAP_TYPE,         "a code map range has the undefined type 3")                                          \
    X(PE_E_CODE_MAP_RANGE,        "a code map range lies outside the image")                                            \
    X(PE_E_CODE_MAP_ORDER,        "the code map is not sorted or its ranges overlap")                                   \
    X(PE_E_CODE_MAP_MIXED_PAGE,   "one page holds code of two kinds according to the code map")                         \
    X(PE_E_REDIRECTION_ORDER,     "the redirection metadata is not sorted by source")                                   \
    X(PE_E_REDIRECTION_TARGET,    "a redirection points outside the image")                                             \
    /* dynamic value relocations */                                                                                     \
    X(PE_E_DVRT_SECTION,          "the dynamic relocation table is in a section that does not exist")                   \
    X(PE_E_DVRT_OFFSET,           "the dynamic relocation table starts past the end of its section")                    \
    X(PE_E_DVRT_VERSION,          "the dynamic relocation table has a version other than 1 and 2")                      \
    X(PE_E_DVRT_SIZE,             "the dynamic relocation table claims more bytes than its section has")                \
    X(PE_E_DVRT_ENTRY_SIZE,       "an entry of the dynamic relocation table does not fit into the table")               \
    X(PE_E_DVRT_BLOCK_SIZE,       "a dynamic relocation block is smaller than its header, unaligned, or past its entry") \
    X(PE_E_DVRT_BLOCK_PAGE,       "a dynamic relocation block names a page that is unaligned or outside the image")     \
    X(PE_E_DVRT_RECORD_TYPE,      "a dynamic relocation record has the undefined type 3")                               \
    X(PE_E_DVRT_RECORD_WIDTH,     "a dynamic relocation record has the undefined width of one byte")                    \
    X(PE_E_DVRT_RECORD_SIZE,      "a dynamic relocation record ends after its block")                                   \
    X(PE_E_DVRT_TARGET,           "a dynamic relocation record points outside the image")                               \
    X(PE_E_DVRT_MACHINE,          "the dynamic relocations do not turn the image into an x64 one")                      \
    X(PE_E_DVRT_LAYOUT,           "the dynamic relocations change the layout of the image")                             \
    X(PE_E_DVRT_BASE_RELOCS,      "the dynamic relocations change the base relocations, which both views share")        \
    /* the caller's memory */                                                                                           \
    X(PE_E_PAGE_MISSING,          "a page that a relocation touches was not made writable by the caller")

enum pe_status {
#define X(name, text) name,
    PE_ERROR_LIST(X)
#undef X
    PE_STATUS_COUNT
};

// The enumerator's own spelling, for logs that people search: "PE_E_DVRT_SIZE". Never null.
const char *pe_status_name(enum pe_status status);

// One sentence without a full stop saying which rule was broken. Never null.
const char *pe_status_text(enum pe_status status);
