#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Breaks a good Arm64X image: broken.py KIND GOOD.dll BROKEN.dll

  truncated   the file ends in the middle of its largest section
  fixups      the dynamic relocation table claims more bytes than there are
  machine     the machine type is one nobody knows
"""
import struct
import sys


def u16(data, at):
    return struct.unpack_from("<H", data, at)[0]


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def sections(data):
    """(RVA, file size, file offset) of each section, in order."""
    nt = u32(data, 0x3C)
    table = nt + 24 + u16(data, nt + 20)
    for i in range(u16(data, nt + 6)):
        at = table + 40 * i
        yield u32(data, at + 12), u32(data, at + 16), u32(data, at + 20)


def offset(data, rva):
    for start, size, raw in sections(data):
        if start <= rva < start + size:
            return raw + rva - start
    raise SystemExit(f"RVA {rva:#x} is in no section")


def truncated(data):
    _, size, raw = max(sections(data), key=lambda s: s[1])
    return data[: raw + size // 2]


def fixups(data):
    nt = u32(data, 0x3C)
    config = offset(data, u32(data, nt + 24 + 112 + 10 * 8))
    start, _, raw = list(sections(data))[u16(data, config + 0xE4) - 1]
    struct.pack_into("<I", data, raw + u32(data, config + 0xE0) + 4, 0x7FFFFFF0)
    return data


def machine(data):
    struct.pack_into("<H", data, u32(data, 0x3C) + 4, 0x5A5A)
    return data


def main():
    kinds = {f.__name__: f for f in (truncated, fixups, machine)}
    if len(sys.argv) != 4 or sys.argv[1] not in kinds:
        raise SystemExit(__doc__)
    with open(sys.argv[2], "rb") as f:
        data = bytearray(f.read())
    with open(sys.argv[3], "wb") as f:
        f.write(kinds[sys.argv[1]](data))


main()
