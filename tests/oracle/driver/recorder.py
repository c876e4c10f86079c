# SPDX-License-Identifier: MIT
"""The recorder (build/oracle/record, an x64 program), as the driver calls it: tests/oracle/README.md has its command lines."""
import os
import platform
import re
import subprocess

from driver import vectors
from driver.replay import BUILD

RECORD = os.path.join(BUILD, "oracle", "record")
TIMEOUT = 600
NOT_X64 = "" if platform.machine() == "x86_64" else "the host is not x64, so nothing can be recorded"


class RecordError(Exception):
    """The recorder failed; the message says how."""


def _run(words, data=b"", may_refuse=False):
    done = subprocess.run([RECORD, *map(str, words)], input=data, capture_output=True, timeout=TIMEOUT, check=False)
    if done.returncode == 1 and may_refuse:
        return None
    if done.returncode:
        raise RecordError(f"record {' '.join(map(str, words))}: status {done.returncode}\n{done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def record(mode, count, seed, first=0, files=()):
    """Vectors FIRST ... FIRST + COUNT - 1 of a generator, as bytes."""
    return _run([mode, count, seed, first, *files])


def forms_in_a_pass():
    """How many vectors the forms generator has until every form has had all its operands."""
    return int(_run(["pass"]))


class Coverage:
    """Which forms the vectors exercise: add() them, then report()."""

    def __init__(self):
        # Its report is long only at the end, so it cannot block on a full pipe before all is read.
        self._process = subprocess.Popen([RECORD, "coverage"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def add(self, data):
        self._process.stdin.write(data)

    def report(self):
        """(text, whether every form is exercised or has a reason not to be)."""
        text = self._process.communicate(timeout=TIMEOUT)[0].decode()
        if self._process.returncode not in (0, 1):
            raise RecordError(f"record coverage: status {self._process.returncode}\n{text}")
        return text, self._process.returncode == 0


def text(vector):
    return _run(["text"], vector).decode()


def from_text(case):
    return _run(["vectors"], case.encode())


def instruction_count(vector):
    return len(re.findall(r"^code\b", text(vector), re.MULTILINE))


def drop(vector, first, end, number):
    """The vector as `number` without its instructions first to end - 1, recorded anew; None: that cannot be recorded."""
    return _run(["drop", first, end, number], vector, may_refuse=True)


def zero(vector, what, number):
    """The vector as `number` with a part of its initial state made simple; None as for drop."""
    return _run(["zero", what, number], vector, may_refuse=True)


SIMPLER = ["memory", "flags", "mxcsr", "fcw"] + [f"st{i}" for i in range(8)] + [f"{kind}{i}" for i in range(16) for kind in ("ymm", "xmm")] + [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] + [f"r{i}" for i in range(8, 16)]
