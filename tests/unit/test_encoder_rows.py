# SPDX-License-Identifier: MIT
"""The rows of tests/host/a64_encode_*.inc: their words are what llvm-mc makes of their texts, and no function of the arm64
encoder that writes an instruction lacks one."""
import os
import re
import shutil
import subprocess
import unittest

REPO = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
ROW = re.compile(r'^ *T\("([^"]+)", (\w+)\(.*\), (0x[0-9a-f]{8})\)$')
PROTOTYPE = re.compile(r"\bvoid a64_(\w+)\(struct a64_buf \*")
# These write no instruction of their own: any word; one to four instructions, chosen (a64_encode_test.c executes them).
NOT_ONE_FORM = {"word", "mov_const"}


def rows():
    for name in ("a64_encode_table.inc", "a64_encode_simd.inc"):
        with open(os.path.join(REPO, "tests", "host", name)) as f:
            for number, line in enumerate(f, 1):
                row = ROW.match(line.rstrip())
                if row:
                    yield row[1], row[2], int(row[3], 16)
                elif "T(" in line and not line.lstrip().startswith("//"):
                    raise AssertionError(f"{name}:{number}: not a row")


class Rows(unittest.TestCase):
    def test_words_are_the_assemblers(self):
        table = list(rows())
        self.assertGreater(len(table), 800)
        assembler = "llvm-mc" + os.environ.get("LLVM_SUFFIX", "-19")
        done = subprocess.run([assembler, "--triple=aarch64", "-mattr=+all", "--show-encoding"], text=True, capture_output=True,
                              input="".join(f"{text}\n" for text, _, _ in table))
        self.assertEqual(done.stderr, "")
        words = [int.from_bytes(bytes(int(b, 16) for b in found.split(",")), "little")
                 for found in re.findall(r"encoding: \[([0-9a-fx,]+)\]", done.stdout)]
        self.assertEqual(len(words), len(table))
        wrong = [f"{text}: {have:08x}, llvm-mc {word:08x}" for (text, _, have), word in zip(table, words) if have != word]
        self.assertEqual(wrong, [])

    def test_every_function_has_a_row(self):
        compiler = os.environ.get("HOSTCC") or shutil.which("gcc") or shutil.which("clang")
        text = subprocess.run([compiler, "-E", "-P", "-I", REPO, os.path.join(REPO, "emu", "a64", "simd.h")], text=True,
                              capture_output=True, check=True).stdout
        functions = set(PROTOTYPE.findall(text))
        self.assertGreater(len(functions), 250)
        self.assertEqual(sorted(functions - {name for _, name, _ in rows()} - NOT_ONE_FORM), [])


if __name__ == "__main__":
    unittest.main()
