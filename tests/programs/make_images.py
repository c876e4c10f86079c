#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the DLLs and the damaged images of the program tests below BUILD/tests, from images that were linked before.

    make_images.py BUILD"""
import os
import struct
import sys

# Machine types that Janus does not know (IMAGE_FILE_MACHINE_I386, ARMNT, RISCV64).
FOREIGN_MACHINES = {"i386": 0x014C, "armnt": 0x01C4, "riscv64": 0x5064}
LOAD_CONFIG_DIRECTORY = 10


def pe_offset(image):
    return struct.unpack_from("<I", image, 0x3C)[0]


def sections(image):
    """(virtual address, virtual size, file offset) of every section, in order."""
    pe = pe_offset(image)
    count, optional = struct.unpack_from("<H", image, pe + 6)[0], struct.unpack_from("<H", image, pe + 20)[0]
    for i in range(count):
        size, address, _, offset = struct.unpack_from("<IIII", image, pe + 24 + optional + 40 * i + 8)
        yield address, size, offset


def offset_of(image, rva):
    return next(rva - address + offset for address, size, offset in sections(image) if address <= rva < address + size)


def dynamic_relocation_table(image):
    """File offset of the table: the load configuration names section and offset within it."""
    directory = pe_offset(image) + 24 + 112 + 8 * LOAD_CONFIG_DIRECTORY
    config = offset_of(image, struct.unpack_from("<I", image, directory)[0])
    offset, section = struct.unpack_from("<IH", image, config + 0xE0)
    return list(sections(image))[section - 1][2] + offset


def changed(image, offset, format_, value):
    copy = bytearray(image)
    struct.pack_into(format_, copy, offset, value)
    return bytes(copy)


def main(build):
    def read(name):
        with open(os.path.join(build, name), "rb") as file:
            return file.read()

    def write(name, data):
        path = os.path.join(build, "tests", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    libraries = {name: read(f"test-images/library.{name}.dll") for name in ("x64", "arm64", "arm64ec", "arm64x", "mixed")}
    for name, data in libraries.items():
        write(f"who/{name}/who.dll", data)

    hello = read("tests/hello-x64.exe")
    write("bad/empty.exe", b"")
    write("bad/text.exe", b"this is not a program\n" * 100)
    write("bad/cut-header.exe", hello[:pe_offset(hello) + 10])
    write("bad/cut-section.exe", hello[:len(hello) * 6 // 10])
    write("bad/header-outside.exe", changed(hello, 0x3C, "<I", 0x7FFFFFF0))
    write("bad/many-sections.exe", changed(hello, pe_offset(hello) + 6, "<H", 0xFFFF))
    write("bad/huge.exe", changed(hello, pe_offset(hello) + 24 + 56, "<I", 0xFFFFF000))
    for name, machine in FOREIGN_MACHINES.items():
        write(f"bad/{name}.exe", changed(hello, pe_offset(hello) + 4, "<H", machine))

    # The table's header is version and size; then come entries of symbol and size.
    arm64x = libraries["arm64x"]
    table = dynamic_relocation_table(arm64x)
    write("bad/table-size/who.dll", changed(arm64x, table + 4, "<I", 0x00FFFFF0))
    write("bad/table-entry-size/who.dll", changed(arm64x, table + 16, "<I", 0x7FFFFFF0))
    write("bad/table-cut/who.dll", changed(arm64x, table + 4, "<I", 14))


if __name__ == "__main__":
    main(sys.argv[1])
