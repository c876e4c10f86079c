#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel's symbol table for backtraces (kernel/symbols.h).

    symbols.py empty OUT.S          a table without entries, for the first link
    symbols.py table ELF OUT.S      the functions of ELF, sorted by address
    symbols.py check ELF TABLE.S    fails unless TABLE.S is what `table ELF` would write: nothing moved in the last link
"""
import struct
import sys

STT_NOTYPE, STT_FUNC = 0, 2
SHF_EXECINSTR = 4


def read_functions(path):
    """(address, size, name) of every named place in an executable section of a 64-bit little-endian ELF file."""
    with open(path, "rb") as file:
        elf = file.read()
    if elf[:6] != b"\x7fELF\x02\x01":
        raise SystemExit(f"symbols: {path} is not a 64-bit little-endian ELF file")
    table_offset, = struct.unpack_from("<Q", elf, 40)
    entry_size, count = struct.unpack_from("<HH", elf, 58)
    # name type flags address offset size link info align entsize
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, table_offset + i * entry_size) for i in range(count)]
    functions = {}
    for section in sections:
        if section[1] != 2:     # SHT_SYMTAB
            continue
        strings = sections[section[6]]
        for offset in range(section[4], section[4] + section[5], 24):
            name_offset, info, _, index, address, size = struct.unpack_from("<IBBHQQ", elf, offset)
            kind, is_global = info & 15, info >> 4 == 1
            if kind not in (STT_NOTYPE, STT_FUNC) or not 0 < index < count:
                continue
            if not sections[index][2] & SHF_EXECINSTR:
                continue
            start = strings[4] + name_offset
            # ThinLTO gives what other modules may call a suffix.
            name = elf[start:elf.index(b"\0", start)].decode().split(".llvm.")[0]
            if not name or name.startswith("$") or name.startswith(".L"):
                continue
            # Of several names of one place the most telling wins: a function, then a global one, then the first by name.
            rank = (kind != STT_FUNC, not is_global, name)
            if address not in functions or rank < functions[address][0]:
                functions[address] = (rank, size, name)
    return [(address, size, name) for address, (_, size, name) in sorted(functions.items())]


def write_table(functions):
    lines = [
        "// Written by tools/symbols.py.",
        '    .section .rodata.kernel_symbols, "a"',
        "    .balign 8",
        "    .globl kernel_symbols, kernel_symbols_end, kernel_symbol_names",
        "kernel_symbols:",
    ]
    name_offset = 0
    for address, size, name in functions:
        lines.append(f"    .quad {address:#x}; .long {size:#x}, {name_offset:#x}")
        name_offset += len(name) + 1
    lines.append("kernel_symbols_end:")
    lines.append("kernel_symbol_names:")
    lines += [f'    .asciz "{name}"' for _, _, name in functions]
    return "\n".join(lines) + "\n"


def main(arguments):
    command, *paths = arguments or [""]
    if command == "empty" and len(paths) == 1:
        text, out = write_table([]), paths[0]
    elif command == "table" and len(paths) == 2:
        text, out = write_table(read_functions(paths[0])), paths[1]
    elif command == "check" and len(paths) == 2:
        with open(paths[1], encoding="utf-8") as file:
            if file.read() != write_table(read_functions(paths[0])):
                raise SystemExit(f"symbols: functions of {paths[0]} moved when the symbol table was added; "
                                 "the linker script must place .rodata after .text")
        return
    else:
        raise SystemExit(__doc__)
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
