# SPDX-License-Identifier: MIT
"""The startup block of the first process (kernel/abi/process.h: struct startup_block) and the Windows command line."""
import struct

MAGIC = 0x5354524A      # kept equal to STARTUP_MAGIC; tests/unit checks it against the header
HEADER = struct.Struct("<10I3Q")
LIMIT = 1 << 20


def quote_argument(argument):
    """One argument as the C run-time's command line rules read it back: quotes where needed, backslashes doubled only
    before a quote."""
    if argument and not any(character in argument for character in ' \t\n\v"'):
        return argument
    out, backslashes = ['"'], 0
    for character in argument:
        if character == "\\":
            backslashes += 1
            continue
        if character == '"':
            out.append("\\" * (2 * backslashes + 1))
        else:
            out.append("\\" * backslashes)
        out.append(character)
        backslashes = 0
    return "".join(out) + "\\" * (2 * backslashes) + '"'


def command_line(image, arguments):
    # The program's own name follows simpler rules: quotes around it, no escapes.
    program = f'"{image}"' if " " in image else image
    return " ".join([program] + [quote_argument(argument) for argument in arguments])


def build(image, arguments, directory, environment):
    """The block as bytes. `environment` is a dict; its order is kept."""
    variables = "".join(f"{name}={value}\0" for name, value in environment.items()) + "\0"
    texts = [text.encode("utf-16-le", "surrogatepass")
             for text in (image, command_line(image, arguments), directory, variables)]
    fields, offset = [], HEADER.size
    for text in texts:
        fields += [offset, len(text)]
        offset += len(text)
    if offset > LIMIT:
        raise ValueError(f"arguments and environment take {offset} bytes; the limit is {LIMIT}")
    return HEADER.pack(MAGIC, offset, *fields, 0, 0, 0) + b"".join(texts)
