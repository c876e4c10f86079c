# SPDX-License-Identifier: MIT
"""Unit tests of the Python tools: tests/unit/test_*.py, one process each."""
import glob
import os
import re
import sys

from harness.schedule import REPO, Job, Result, command

TIMEOUT = 300
RAN = re.compile(rb"^Ran (\d+) tests? in ", re.MULTILINE)
FAILED = re.compile(rb"^(?:FAIL|ERROR): (\S+) \((\S+)\)", re.MULTILINE)


def find():
    for path in sorted(glob.glob(os.path.join(REPO, "tests", "unit", "test_*.py"))):
        name = "unit/" + os.path.basename(path)[:-3]
        yield Job(name, lambda path=path, name=name: _run(path, name), weight=10)


def _run(path, name):
    done = command([sys.executable, "-B", path], TIMEOUT)
    ran, failed = RAN.search(done.stderr), FAILED.findall(done.stderr)
    if not ran or done.code is None or bool(done.code) != bool(failed):
        return Result(failures=[(name, done.text())])
    failures = [(f"{name}/{test.decode()}", done.text() if index == 0 else "see above")
                for index, (test, _) in enumerate(failed)]
    return Result(int(ran[1]) - len(failures), failures)
