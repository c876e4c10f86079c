# SPDX-License-Identifier: MIT
"""Replays a file of vectors on Janus: one boot, or a few more when a vector hangs or breaks the machine."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
from harness.schedule import BUILD, JANUS, Finished, command  # noqa: E402

CPUS = ("cortex-a72", "max")
TARGET = os.path.join(BUILD, "images", "oracle-target.exe")
TIMEOUT = 240                   # a full run takes some ten seconds on an idle machine
TOTAL = re.compile(r"^(\d+) vectors, (\d+) mismatches$", re.MULTILINE)
BROKEN_MOST = 5                 # vectors that break the machine, in one file: then it is enough


class Replay:
    """What came of the vectors: how many ran, and number -> text for those that differ."""

    def __init__(self):
        self.ran, self.mismatches = 0, {}


def _boot(path, cpu, arguments, timeout):
    return command([JANUS, "--cpu", cpu, "--smp", "1", "--timeout", str(timeout), "--file", path, TARGET, os.path.basename(path),
                    *arguments], timeout + 30)


def read_mismatches(text):
    """number -> the lines about it."""
    found, lines = {}, None
    for line in text.splitlines():
        begin = re.match(r"mismatch (\d+)$", line)
        if begin:
            lines = found.setdefault(int(begin[1]), [])
        elif line.startswith("  ") and lines is not None:
            lines.append(line)
        else:
            lines = None
    return {number: "\n".join(lines) for number, lines in found.items()}


def replay(path, count, cpu, options=(), timeout=TIMEOUT):
    """Runs the `count` vectors of the file (at most vectors.RUN_MAX) on `cpu`; options are the target's words (tso, fast, step)."""
    result, begin, broken = Replay(), 0, 0
    done = _boot(path, cpu, list(options), timeout)
    while True:
        text = done.stdout.decode(errors="replace").replace("\r", "")
        result.mismatches.update(read_mismatches(text))
        total = TOTAL.search(text)
        if total and done.code in (0, 1):
            result.ran = int(total[1])
            return result
        # It hung or broke. Which one: the last that is named in a run that names each.
        done = _boot(path, cpu, [*options, "trace", "from", str(begin)], timeout)
        text = done.stdout.decode(errors="replace").replace("\r", "")
        named = re.findall(r"^vector (\d+)$", text, re.MULTILINE)
        if TOTAL.search(text) or not named:
            raise RuntimeError(f"{path} on {cpu}: the target did not end as it should\n{done.text()[-4000:]}")
        result.mismatches.update(read_mismatches(text))
        begin += len(named)
        result.mismatches[int(named[-1])] = "  the machine hung or broke: " + "\n  ".join(
            done.stderr.decode(errors="replace").splitlines()[-6:])
        broken += 1
        if broken == BROKEN_MOST or begin >= count:
            result.ran = begin
            return result
        done = _boot(path, cpu, [*options, "from", str(begin)], timeout)


def replay_vectors(vectors, cpu, options=(), timeout=TIMEOUT):
    """The same for vectors in memory, a list of (number, bytes)."""
    with tempfile.TemporaryDirectory(prefix="janus-oracle-") as directory:
        path = os.path.join(directory, "vectors")
        with open(path, "wb") as file:
            file.write(b"".join(vector for _, vector in vectors))
        return replay(path, len(vectors), cpu, options, timeout)
