# SPDX-License-Identifier: MIT
"""Host tests: tests/host/NAME_test.c, built by make under the sanitizers. Each prints `N passed, N failed` last."""
import glob
import os
import re

from harness.schedule import BUILD, REPO, Job, Result, command

TIMEOUT = 600
COUNTS = re.compile(rb"^(\d+) passed, (\d+) failed$")


def find():
    for source in sorted(glob.glob(os.path.join(REPO, "tests", "host", "*_test.c"))):
        base = os.path.basename(source)[:-2]
        yield Job(f"host/{base}", lambda base=base: _run(base), weight=20)


def _run(base):
    binary, name = os.path.join(BUILD, "host", base), f"host/{base}"
    if not os.path.exists(binary):
        return Result(failures=[(name, f"not built: {binary}")])
    done = command([binary], TIMEOUT)
    lines = done.stdout.splitlines()
    counts = COUNTS.match(lines[-1]) if lines else None
    if not counts or done.code is None:
        return Result(failures=[(name, done.text())])
    passed, failed = int(counts[1]), int(counts[2])
    if failed or done.code or not passed:
        return Result(passed, [(name, done.text())] + [(f"{name} (further)", "see above")] * (failed - 1))
    return Result(passed)
