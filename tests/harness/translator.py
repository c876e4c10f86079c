# SPDX-License-Identifier: MIT
"""The translator against the x64 processor this runs on: tests/oracle/README.md. One test is one run of many vectors."""
import os
import platform
import re

from harness.schedule import BUILD, Job, Result, command

TIMEOUT = 600
COUNTS = re.compile(rb"^(\d+) passed, (\d+) failed$")
# crc32, AES and SHA have no other lowering than the arm64 instructions, which both processors have.
CRYPTO = "crc32,aes,sha"
ALL_FEATURES = "lse,lrcpc,lrcpc2,flagm,flagm2," + CRYPTO
# name: processor, options of play. SVE would hide the vector registers of a signal frame from QEMU's user mode.
VARIANTS = {
    "regions": ("cortex-a72", ["-f", CRYPTO]),
    "single-steps": ("cortex-a72", ["-m", "1", "-f", CRYPTO]),
    "tso": ("cortex-a72", ["-t", "-f", CRYPTO]),
    "features": ("max,sve=off", ["-f", ALL_FEATURES]),
    "large": ("cortex-a72", ["-l", "-f", CRYPTO]),
    "large-tso": ("max,sve=off", ["-l", "-t", "-f", ALL_FEATURES]),
    "features-tso": ("max,sve=off", ["-t", "-f", ALL_FEATURES]),
}
# name: arguments of record (-u: what can be played), vectors wanted. A few numbers give none, some are left to the kernel.
VECTORS = {"forms": (["forms", "7000", "1", "-u"], 6800), "random": (["random", "6000", "2", "-u"], 5800),
           "programs": (["programs", "4000", "3", "14384", "-u"], 3900)}
QUIET = (["programs", "4000", "4", "-u"], 3900)     # nobody reads flags that a function returns (play -r)


def find():
    for variant in VARIANTS:
        for vectors in VECTORS:
            if vectors == "forms" and variant.startswith("large"):
                continue                # one instruction each
            name = f"translator/{vectors}-{variant}"
            yield Job(name, lambda name=name, variant=variant, vectors=vectors: _run(name, variant, VECTORS[vectors]), weight=15)
        name = f"translator/programs-without-readers-{variant}"
        yield Job(name, lambda name=name, variant=variant: _run(name, variant, QUIET, "-r"), weight=15)


def _run(name, variant, vectors, *more):
    record, play = (os.path.join(BUILD, "oracle", tool) for tool in ("record", "play"))
    if platform.machine() != "x86_64":
        return Result(skips=[(name, "the host is not x64, so nothing can be recorded")])
    for binary in record, play:
        if not os.path.exists(binary):
            return Result(failures=[(name, f"not built: {binary}")])
    cpu, options = VARIANTS[variant]
    arguments, wanted = vectors
    recorded = command([record, *arguments], TIMEOUT)
    if recorded.code != 0:
        return Result(failures=[(name, f"record: exit code {recorded.code}\n{recorded.stderr.decode(errors='replace')}")])
    done = command(["qemu-aarch64", "-cpu", cpu, play, *options, *more], TIMEOUT, stdin=recorded.stdout)
    lines = done.stdout.splitlines()
    counts = COUNTS.match(lines[-1]) if lines else None
    if not counts or done.code or int(counts[2]) or int(counts[1]) < wanted:
        return Result(failures=[(name, done.text()[-20000:])])
    return Result(1)
