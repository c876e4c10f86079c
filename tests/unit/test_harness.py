# SPDX-License-Identifier: MIT
"""The test runner itself: its matrix covers what it claims, and it calls a failure a failure."""
import contextlib
import io
import itertools
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))

from harness import kernel, programs, schedule  # noqa: E402


class Matrix(unittest.TestCase):
    def test_every_pair_of_values_on_virt(self):
        axes = (("cortex-a72", "max"), (2, 3), (1, 2), ("kernel", "u-boot"), (1, 4))
        rows = [row[1:] for row in kernel.MATRIX if row[0] == "virt"]
        for (i, first), (j, second) in itertools.combinations(enumerate(axes), 2):
            for pair in itertools.product(first, second):
                self.assertTrue(any((row[i], row[j]) == pair for row in rows), pair)

    def test_the_pi_both_ways(self):
        self.assertEqual({row[4] for row in kernel.MATRIX if row[0] == "raspi4b"}, {"kernel", "u-boot"})


class Counting(unittest.TestCase):
    def run_jobs(self, *results):
        def raiser():
            raise KeyError("x")
        jobs = [schedule.Job(f"t{i}", raiser if result is None else lambda r=result: r) for i, result in enumerate(results)]
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            status = schedule.run_all(jobs, 2)
        return status, out.getvalue().splitlines()

    def test_totals(self):
        self.assertEqual(self.run_jobs(schedule.Result(3), schedule.Result(2))[0], 0)
        status, lines = self.run_jobs(schedule.Result(3), schedule.Result(1, [("a", "why")], [("b", "because")]), None)
        self.assertEqual((status, lines[-1]), (1, "4 passed, 2 failed, 1 skipped"))
        self.assertIn("    why", lines)
        self.assertIn("skipped b: because", lines)

    def test_nothing_passed_is_a_failure(self):
        self.assertEqual(self.run_jobs(schedule.Result(skips=[("a", "x")]))[0], 1)

    def test_a_hanging_command_is_killed(self):
        done = schedule.command(["sh", "-c", "echo begun; sleep 60 & sleep 60"], 1)
        self.assertEqual((done.code, done.stdout), (None, b"begun\n"))


class ProgramChecks(unittest.TestCase):
    def test_each_expectation_can_fail(self):
        done = schedule.Finished(3, b"one\r\ntwo\r\n", b'text\n{"blocks": 5}\n')
        right = {"exit_code": 3, "stdout": ["one", "two"], "stdout_contains": ["^two$"], "stderr_contains": ["te.t"],
                 "stdout_lacks": ["three"], "stats": {"blocks": 5}}
        self.assertEqual(programs.check(right, done), [])
        for change in ({"exit_code": 0}, {"stdout": ["one"]}, {"stdout_contains": ["three"]}, {"stderr_contains": ["one"]},
                       {"stdout_lacks": ["one"]}, {"stderr_lacks": ["text"]}, {"stats": {"blocks": 6}},
                       {"stats": {"nothing": 0}}, {"stats_most": {"blocks": 4}}, {"stats_most": {"nothing": 9}}):
            self.assertEqual(len(programs.check({**right, **change}, done)), 1, change)


if __name__ == "__main__":
    unittest.main()
