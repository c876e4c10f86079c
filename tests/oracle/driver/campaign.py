# SPDX-License-Identifier: MIT
"""A campaign: vectors are recorded in chunks, each chunk is replayed on every processor, as many at a time as there are cores."""
import concurrent.futures
import glob
import os
import tempfile
import threading
import time

from driver import recorder, vectors
from driver.replay import BUILD, CPUS, replay

# How the process under test is: memory order and floating-point model. Chunks take turns, and one chunk has another model on each
# processor. (With a second thread translated code keeps x86-TSO.)
MODELS = (("fast",), ("tso",), (), ("tso", "fast"))
CASES = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "cases")
KEPT_MOST = 200                 # mismatching vectors that are kept for shrinking


def committed_cases():
    """The vectors of tests/oracle/cases, with what they show."""
    data = b""
    for path in sorted(glob.glob(os.path.join(CASES, "*.case"))):
        with open(path, encoding="utf-8") as file:
            data += recorder.from_text(file.read())
    return data


def cut_files():
    """Programs that sequences are cut from: the pinned compiler, and the x64 programs that make has built with it."""
    deps = os.environ.get("JANUS_DEPS", os.path.join(BUILD, "deps"))
    compiler = os.path.join(deps, "node_modules", "@zigc", "linux-x64", "bin", "zig")
    return [compiler, *sorted(glob.glob(os.path.join(BUILD, "tests", "*-x64.exe")))]


class Chunk:
    """`name` for messages, `make` returns the bytes of its vectors, which `coverage` (recorder.Coverage) is shown."""

    def __init__(self, name, make, coverage=None):
        self.name, self.make, self.coverage = name, make, coverage


class Tally:
    """What came of a campaign: per processor sequences and mismatches; the mismatches themselves."""

    def __init__(self):
        self.ran = dict.fromkeys(CPUS, 0)
        self.differ = dict.fromkeys(CPUS, 0)
        self.found = []             # (chunk name, processor, model, number, text, vector bytes)
        self.failures = []          # what could not run, as text
        self.seconds = 0.0

    def add(self, chunk, cpu, model, result, data):
        self.ran[cpu] += result.ran
        self.differ[cpu] += len(result.mismatches)
        room = KEPT_MOST - len(self.found)
        if result.mismatches and room > 0:
            by_number = dict(vectors.split(data))
            for number, text in sorted(result.mismatches.items())[:room]:
                self.found.append((chunk.name, cpu, model, number, text, by_number[number]))

    def line(self):
        return "oracle: " + "; ".join(f"{cpu}: {self.ran[cpu]} sequences, {self.differ[cpu]} mismatches" for cpu in CPUS)


def generated(mode, total, seed, files=(), coverage=None):
    """Chunks of one generator."""
    for first in range(0, total, vectors.RUN_MAX):
        count = min(vectors.RUN_MAX, total - first)
        yield Chunk(f"{mode} {first}", lambda count=count, first=first: recorder.record(mode, count, seed, first, files),
                    coverage)


def fixed(name, data):
    """Chunks of vectors that exist already."""
    for index, run in enumerate(vectors.runs(data)):
        yield Chunk(f"{name} {index}", lambda run=run: b"".join(vector for _, vector in run))


def _one(index, chunk, directory, tally, lock, say):
    started = time.monotonic()
    try:
        data = chunk.make()
        if chunk.coverage:
            with lock:
                chunk.coverage.add(data)
        path = os.path.join(directory, f"vectors{index}")
        with open(path, "wb") as file:
            file.write(data)
        count = sum(1 for _ in vectors.split(data))
        parts = []
        for offset, cpu in enumerate(CPUS):
            model = MODELS[(index + offset) % len(MODELS)]
            result = replay(path, count, cpu, model)
            with lock:
                tally.add(chunk, cpu, model, result, data)
            parts.append(f"{cpu}{'/' if model else ''}{'/'.join(model)} {len(result.mismatches)}")
        os.remove(path)
        with lock:
            say(f"{chunk.name}: {count} sequences, mismatches: {', '.join(parts)} ({time.monotonic() - started:.0f} s)")
    except (RuntimeError, recorder.RecordError, vectors.FormatError) as error:
        with lock:
            tally.failures.append(f"{chunk.name}: {error}")
            say(tally.failures[-1])


def run(chunks, jobs, say):
    tally, lock, started = Tally(), threading.Lock(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="janus-oracle-") as directory, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(_one, index, chunk, directory, tally, lock, say) for index, chunk in enumerate(chunks)]:
            done.result()
    tally.seconds = time.monotonic() - started
    return tally
