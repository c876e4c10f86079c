# SPDX-License-Identifier: MIT
"""The initrd: a cpio archive in the "newc" format, regular files only."""

ALIGNMENT = 4
REGULAR_FILE = 0o100644
PROGRAM = 0o100755


def _member(inode, name, data, mode):
    name = name.encode("utf-8") + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return header + b"\0" * (-len(header) % ALIGNMENT) + data + b"\0" * (-len(data) % ALIGNMENT)


def build(files, mode=REGULAR_FILE):
    """The archive of `files`, a dict from path to bytes, in its order, all with the same mode. The same files give the same
    bytes: no times, no owners."""
    members = [_member(inode, name, data, mode) for inode, (name, data) in enumerate(files.items(), 1)]
    return b"".join(members) + _member(0, "TRAILER!!!", b"", 0)
