# SPDX-License-Identifier: MIT
"""Kernel tests: the test kernel on every machine of the table, all cases in one boot (tests/kernel/ktest.h)."""
import os
import re

from harness.schedule import BUILD, JANUS, Job, Result, command

TIMEOUT = 240

# Every value of every axis, and on virt every pair of values of two axes, appears (tests/unit checks it).
#       machine     cpu           gic  el  via       cores
MATRIX = (
    ("virt",    "cortex-a72",  2,  1, "kernel", 1),
    ("virt",    "cortex-a72",  3,  2, "kernel", 4),
    ("virt",    "cortex-a72",  2,  2, "u-boot", 4),
    ("virt",    "cortex-a72",  3,  1, "u-boot", 1),
    ("virt",    "max",         2,  1, "kernel", 4),
    ("virt",    "max",         3,  2, "kernel", 1),
    ("virt",    "max",         3,  1, "u-boot", 4),
    ("virt",    "max",         2,  2, "u-boot", 1),
    ("raspi4b", "cortex-a72",  2,  2, "kernel", 4),
    ("raspi4b", "cortex-a72",  2,  2, "u-boot", 4),
)

CASE = re.compile(r"TEST (\S+) (ok|FAIL.*)")
TOTAL = re.compile(r"TESTS (\d+) passed, (\d+) failed")


def options(machine, cpu, gic, el, via, cores):
    """The launcher's options for one row."""
    if machine == "raspi4b":
        return ["--machine", machine, "--via", via]
    return ["--machine", machine, "--cpu", cpu, "--gic", str(gic), "--el", str(el), "--via", via, "--smp", str(cores)]


def find():
    for row in MATRIX:
        machine, cpu, gic, el, via, cores = row
        label = f"{machine}-{via}" if machine == "raspi4b" else f"{machine}-{cpu}-gic{gic}-el{el}-{via}-{cores}"
        yield Job(f"kernel/{label}", lambda row=row, label=label: _run(row, f"kernel/{label}"), weight=100)


def _run(row, name):
    if not os.path.exists(os.path.join(BUILD, "janus-test.img")):
        return Result(failures=[(name, "not built: janus-test.img")])
    done = command([JANUS, *options(*row), "--timeout", str(TIMEOUT), "--test-kernel", "all"], TIMEOUT + 30)
    text = done.stdout.decode(errors="replace").replace("\r", "")
    verdicts = {}
    for case, verdict in CASE.findall(text):
        verdicts.setdefault(case, []).append(verdict)
    passed = [case for case, said in verdicts.items() if said == ["ok"]]
    failures = [(f"{name}/{case}", "\n".join(said)) for case, said in verdicts.items() if said != ["ok"]]
    total = TOTAL.search(text)
    if not total or done.code not in (0, 1) or (int(total[1]), int(total[2])) != (len(passed), len(failures)):
        failures.append((name, "the boot did not end as it should\n" + done.text()))
    elif bool(done.code) != bool(failures) or not passed:
        failures.append((name, done.text()))
    return Result(len(passed), failures)
