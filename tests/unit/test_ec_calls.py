# SPDX-License-Identifier: MIT
"""ARM64EC objects of the system DLLs: nothing between a call checker and its call may write x9, where the checker leaves the
target when that is x64 code. clang before 22 uses x9 there for constants (LLVM PR 167782)."""
import glob
import os
import re
import subprocess
import unittest

BUILD = os.environ.get("JANUS_BUILD") or os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "build")
OBJDUMP = os.environ.get("OBJDUMP", "llvm-objdump-19")
INSTRUCTION = re.compile(r"^ *[0-9a-f]+: [0-9a-f]{8} +\t?(.*)$|^ *[0-9a-f]+:\t?[0-9a-f]{8}[ \t]+(.*)$")
WRITES_X9 = re.compile(r"(?!str|stur|stp|cmp|cmn|tst|cb|tb)\S+ (?:[wx]9\b|[wx]\d+, [wx]9, \[)")
# As clang makes a call through a pointer: blr x8 (the checker), arguments, blr x11 or br x11.
CALL, LEAVE = re.compile(r"blr? x11\b"), re.compile(r"(?:b|bl|br|blr|ret)(?:\.\w+)?(?: |$)")


def offences(listing):
    found, function, window = [], "", []
    for line in listing.splitlines():
        if line.endswith(">:"):
            function, window = line, []
            continue
        match = INSTRUCTION.match(line)
        if not match:
            continue
        text = (match[1] or match[2]).replace("\t", " ")
        if CALL.match(text):
            found += [f"{function} {between}" for between in window if WRITES_X9.match(between)]
            window = []
        elif text.startswith("blr "):
            window = []
        else:
            window.append(text)
        if LEAVE.match(text) and not text.startswith("blr "):
            window = []
    return found


class Calls(unittest.TestCase):
    def test_finds_what_it_looks_for(self):
        lines = ["0000 <f>:", "       0: d63f0100     \tblr\tx8", "       4: 52800169     \tmov\tw9, #0xb",
                 "       8: d63f0160     \tblr\tx11"]
        self.assertEqual(len(offences("\n".join(lines))), 1)
        self.assertEqual(offences("\n".join([lines[0], lines[2], lines[1], lines[3]])), [])

    def test_system_dlls(self):
        objects = glob.glob(os.path.join(BUILD, "images", "obj", "ec", "**", "*.obj"), recursive=True)
        objects = sorted(path for path in objects if "/images/tests/" not in path)
        self.assertGreater(len(objects), 20)
        listing = subprocess.run([OBJDUMP, "-d", *objects], capture_output=True, text=True, check=True).stdout
        self.assertGreater(listing.count("blr\tx11"), 20)
        self.assertEqual(offences(listing), [])


if __name__ == "__main__":
    unittest.main()
