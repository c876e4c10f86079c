# SPDX-License-Identifier: MIT
"""Jobs, their results, and running several at a time."""
import concurrent.futures
import os
import re
import signal
import subprocess
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.environ.get("JANUS_BUILD", os.path.join(REPO, "build"))
JANUS = os.path.join(REPO, "tools", "janus")


class Result:
    """What a job found: how many tests passed, the failures as (name, output), the skipped ones as (name, reason)."""

    def __init__(self, passed=0, failures=(), skips=()):
        self.passed, self.failures, self.skips = passed, list(failures), list(skips)


class Job:
    """One process to wait for, or a few in a row: `run` returns a Result. A job may hold many tests. `weight`: roughly
    how long it takes; the heaviest start first."""

    def __init__(self, name, run, weight=1):
        self.name, self.run, self.weight = name, run, weight


class Finished:
    """A command that has ended: `code`, `stdout` and `stderr` as bytes; code is None when it had to be killed."""

    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr

    def text(self):
        out = (self.stdout + (b"\n" if self.stdout and not self.stdout.endswith(b"\n") else b"") + self.stderr)
        verdict = "killed: timeout" if self.code is None else f"exit code {self.code}"
        return out.decode(errors="replace").replace("\r", "") + f"[{verdict}]\n"


def command(words, timeout, stdin=b"", cwd=REPO):
    """Runs a command; after `timeout` seconds it is killed with everything it started."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd,
                               start_new_session=True)
    try:
        stdout, stderr = process.communicate(stdin, timeout)
        return Finished(process.returncode, stdout, stderr)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        return Finished(None, stdout, stderr)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def matching(jobs, pattern):
    return [job for job in jobs if re.search(pattern, job.name)]


def _guarded(job):
    started = time.monotonic()
    try:
        result = job.run()
    except Exception as error:      # a broken test description must not hide the other tests
        result = Result(failures=[(job.name, f"the test could not run: {error!r}")])
    return job, result, time.monotonic() - started


def run_all(jobs, at_a_time):
    """Runs the jobs, prints what they found, and returns the exit status."""
    passed, failed, skipped = 0, [], []
    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        futures = [pool.submit(_guarded, job) for job in sorted(jobs, key=lambda job: -job.weight)]
        for future in concurrent.futures.as_completed(futures):
            job, result, seconds = future.result()
            passed += result.passed
            failed += result.failures
            skipped += result.skips
            verdict = "FAIL" if result.failures else "ok" if result.passed else "skip"
            print(f"{verdict:4} {job.name} ({result.passed} passed, {len(result.failures)} failed, {seconds:.1f} s)",
                  flush=True)
            for name, output in result.failures:
                print(f"  FAILED {name}")
                print("".join(f"    {line}\n" for line in output.rstrip("\n").split("\n")), end="", flush=True)
    for name, reason in skipped:
        print(f"skipped {name}: {reason}")
    if failed:
        print("failed: " + ", ".join(name for name, _ in failed))
    print(f"{passed} passed, {len(failed)} failed" + (f", {len(skipped)} skipped" if skipped else ""), flush=True)
    return 1 if failed or not passed else 0
