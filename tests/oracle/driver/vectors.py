# SPDX-License-Identifier: MIT
"""Files of vectors (tests/oracle/vector.h), as far as the driver looks into them."""
import struct

MAGIC = 0x324C434F
RUN_MAX = 16384                 # vectors one run of the target takes
HEADER = struct.Struct("<4I3Q")     # magic, number, code_bytes, outcome, code_va, window_seed, fault_address
VECTOR_BYTES, CODE_AT, CHANGE_COUNT_AT, CHANGE_BYTES = 2408, 1896, 1888, 16
OUT_AT = 976                    # the state at the end


class FormatError(Exception):
    """The bytes are no file of vectors."""


def split(data):
    """The vectors of a file: (number, the vector's bytes), in order."""
    at = 0
    while at < len(data):
        if len(data) - at < VECTOR_BYTES:
            raise FormatError(f"the file ends inside a vector, at {at}")
        magic, number, code_bytes, *_ = HEADER.unpack_from(data, at)
        (changes,) = struct.unpack_from("<I", data, at + CHANGE_COUNT_AT)
        end = at + VECTOR_BYTES + changes * CHANGE_BYTES
        if magic != MAGIC or code_bytes > VECTOR_BYTES - CODE_AT or end > len(data):
            raise FormatError(f"no vector at {at}")
        yield number, data[at:end]
        at = end


def runs(data):
    """The vectors of a file cut into runs that the target can take: lists of (number, bytes) whose code does not overlap."""
    run, slots = [], set()
    for number, vector in split(data):
        if number % RUN_MAX in slots:
            yield run
            run, slots = [], set()
        run.append((number, vector))
        slots.add(number % RUN_MAX)
    if run:
        yield run


def code(vector):
    (code_bytes,) = struct.unpack_from("<I", vector, 8)
    return vector[CODE_AT:CODE_AT + code_bytes]
