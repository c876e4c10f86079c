# SPDX-License-Identifier: MIT
"""The oracle's fixed part: recorded sequences replayed on Janus (tests/oracle/README.md). One test is one file of vectors on one
processor in one model of the process."""
import os
import sys

from harness.schedule import REPO, Job, Result

sys.path.insert(0, os.path.join(REPO, "tests", "oracle"))
from driver import campaign, recorder, replay, shrink, vectors  # noqa: E402

SEED = 1
COUNTS = {"forms": 6000, "random": 4000, "cut": 4000, "programs": 4000}
FIRST = {"programs": vectors.RUN_MAX - 2000}    # the first half are quiet, the others not (tests/oracle/program.c)
SHOWN = 6000                    # characters of mismatches in a failure


def find():
    for kind in (*COUNTS, "cases"):
        for cpu in replay.CPUS:
            for model in campaign.MODELS:
                name = f"oracle/{kind}-{'-'.join((cpu, *model))}"
                yield Job(name, lambda name=name, kind=kind, cpu=cpu, model=model: _replay(name, kind, cpu, model), weight=15)
    yield Job("oracle/shrinking", lambda: _shrinking("oracle/shrinking"), weight=20)


def _vectors(kind):
    if kind == "cases":
        return campaign.committed_cases()
    return recorder.record(kind, COUNTS[kind], SEED, FIRST.get(kind, 0), campaign.cut_files() if kind == "cut" else ())


def _replay(name, kind, cpu, model):
    if recorder.NOT_X64 and kind != "cases":
        return Result(skips=[(name, recorder.NOT_X64)])
    data = _vectors(kind)
    ran, mismatches = 0, []
    for run in vectors.runs(data):
        result = replay.replay_vectors(run, cpu, model)
        ran += result.ran
        mismatches += sorted(result.mismatches.items())
    if not ran:
        return Result(failures=[(name, "no vectors")])
    if mismatches:
        text = "\n".join(f"vector {number}\n{lines}" for number, lines in mismatches)
        return Result(failures=[(name, f"{len(mismatches)} of {ran} sequences differ\n{text[:SHOWN]}")])
    return Result(1)


def _shrinking(name):
    """A recording that is wrong about every sequence with a certain instruction shrinks to that instruction alone."""
    if recorder.NOT_X64:
        return Result(skips=[(name, recorder.NOT_X64)])
    case = shrink.spoiled_case()
    small = shrink.shrink(case, replay.CPUS[0], (), shrink.spoil)
    if vectors.code(small) != shrink.SPOILED_CODE:
        return Result(failures=[(name, f"{vectors.code(case).hex()} has become {vectors.code(small).hex()}, not {shrink.SPOILED_CODE.hex()}")])
    return Result(1)
