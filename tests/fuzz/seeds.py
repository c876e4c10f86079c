# SPDX-License-Identifier: MIT
"""Seeds for the fuzz targets, cut from images that the build makes.

    seeds.py decode|translate|pe|execute DIRECTORY IMAGE...

decode: single places of code. translate: functions (from the exception directory) behind a header of configuration, see
tests/fuzz/translate_fuzz.c. pe: the images themselves. execute: see tests/fuzz/execute_fuzz.c."""
import hashlib
import os
import struct
import sys

AMD64 = 0x8664
EXECUTE = 0x20000000


def sections(image):
    """(rva, bytes, characteristics) of each section, the machine and the exception directory's (rva, size)."""
    pe = struct.unpack_from("<I", image, 0x3C)[0]
    machine, count = struct.unpack_from("<HH", image, pe + 4)
    optional = struct.unpack_from("<H", image, pe + 20)[0]
    exceptions = struct.unpack_from("<II", image, pe + 24 + 112 + 3 * 8)
    out = []
    for i in range(count):
        size, rva, raw_size, raw = struct.unpack_from("<IIII", image, pe + 24 + optional + 40 * i + 8)
        flags = struct.unpack_from("<I", image, pe + 24 + optional + 40 * i + 36)[0]
        out.append((rva, image[raw:raw + min(size, raw_size)], flags))
    return machine, out, exceptions


def functions(image):
    machine, parts, (rva, size) = sections(image)
    if machine != AMD64:
        return

    def at(address, length):
        for start, data, flags in parts:
            if start <= address < start + len(data):
                return data[address - start:address - start + length], flags
        return b"", 0

    table = at(rva, size)[0]
    for i in range(0, len(table) - 11, 12):
        begin, end, _ = struct.unpack_from("<III", table, i)
        code, flags = at(begin, end - begin)
        if flags & EXECUTE and code:
            yield code


def main():
    target, directory, *images = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    seen = set()

    def write(data):
        name = hashlib.sha1(data).hexdigest()
        if name not in seen:
            seen.add(name)
            with open(os.path.join(directory, name), "wb") as f:
                f.write(data)

    for path in images:
        with open(path, "rb") as f:
            image = f.read()
        if target == "pe":
            if len(image) <= 1 << 16:
                write(image)
            continue
        for n, code in enumerate(functions(image)):
            if target == "translate":
                digest = hashlib.sha1(code).digest()
                if digest[0] % 4 == 0:
                    write(digest[1:4] + bytes([0, 0, digest[4], 0, 0]) + code[:400])
            else:
                for start in range(n % 97, len(code), 97):
                    write((b"" if target == "decode" else hashlib.sha1(code).digest() * 3) + code[start:start + 18])
    print(f"{len(seen)} seeds for {target}")


if __name__ == "__main__":
    main()
