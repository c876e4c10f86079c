# SPDX-License-Identifier: MIT
"""The oracle's driver: what it reads out of files and reports, and that shrinking ends at the smallest case."""
import os
import struct
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "oracle"))

from driver import campaign, recorder, replay, shrink, vectors  # noqa: E402


def vector(number, code=b"\x90", changes=0):
    data = bytearray(vectors.VECTOR_BYTES)
    vectors.HEADER.pack_into(data, 0, vectors.MAGIC, number, len(code), 0, 0, 0, 0)
    data[vectors.CODE_AT:vectors.CODE_AT + len(code)] = code
    struct.pack_into("<I", data, vectors.CHANGE_COUNT_AT, changes)
    return bytes(data) + bytes(changes * vectors.CHANGE_BYTES)


class Files(unittest.TestCase):
    def test_split(self):
        data = vector(3, b"\x90\x90", 2) + vector(4)
        self.assertEqual([(number, vectors.code(v)) for number, v in vectors.split(data)], [(3, b"\x90\x90"), (4, b"\x90")])

    def test_what_is_malformed_is_refused(self):
        for data in (vector(1)[:-1], b"\0" * vectors.VECTOR_BYTES, vector(1, changes=1)[:-1], vector(1) + b"\0"):
            with self.assertRaises(vectors.FormatError):
                list(vectors.split(data))

    def test_code_of_one_run_does_not_overlap(self):
        data = b"".join(vector(n) for n in (0, 1, vectors.RUN_MAX - 1, vectors.RUN_MAX, 5, vectors.RUN_MAX + 5))
        self.assertEqual([[number for number, _ in run] for run in vectors.runs(data)],
                         [[0, 1, vectors.RUN_MAX - 1], [vectors.RUN_MAX, 5], [vectors.RUN_MAX + 5]])

    def test_the_layout_is_that_of_the_header(self):
        path = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "oracle", "vector.h")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(f"{vectors.MAGIC:#x}u", text)
        self.assertIn(f"#define ORACLE_SLOTS        {vectors.RUN_MAX}u", text)


class Reports(unittest.TestCase):
    def test_mismatches(self):
        text = "vector 1\nmismatch 1\n  rax in 1\n  rip in 2\nmismatch 7\nvector 8\n  stray\nmismatch 9\n  x\n3 vectors, 3 mismatches\n"
        self.assertEqual(replay.read_mismatches(text), {1: "  rax in 1\n  rip in 2", 7: "", 9: "  x"})

    def test_totals(self):
        tally = campaign.Tally()
        result = replay.Replay()
        result.ran, result.mismatches = 2, {1: "  rax"}
        tally.add(campaign.Chunk("c", None), "max", (), result, vector(0) + vector(1))
        self.assertEqual(tally.line(), "oracle: cortex-a72: 0 sequences, 0 mismatches; max: 2 sequences, 1 mismatches")
        self.assertEqual(tally.found[0][:5], ("c", "max", (), 1, "  rax"))


class Booting(unittest.TestCase):
    """replay() against a machine that is played."""

    def play(self, *outputs):
        outputs = list(outputs)
        calls = []

        def boot(path, cpu, arguments, timeout):
            calls.append(arguments)
            code, out = outputs.pop(0)
            return replay.Finished(code, out.encode(), b"why")
        with mock.patch.object(replay, "_boot", boot):
            return replay.replay("vectors", 10, "max", ["tso"]), calls

    def test_all_run(self):
        result, calls = self.play((1, "mismatch 3\n  rax\n10 vectors, 1 mismatches\n"))
        self.assertEqual((result.ran, result.mismatches, calls), (10, {3: "  rax"}, [["tso"]]))

    def test_the_vector_that_hangs_is_found_and_the_rest_runs(self):
        result, calls = self.play((124, "mismatch 2\n  rax\n"), (124, "vector 0\nvector 1\nvector 2\nmismatch 2\n  rax\nvector 4\n"),
                                  (0, "10 vectors, 0 mismatches\n"))
        self.assertEqual(sorted(result.mismatches), [2, 4])
        self.assertIn("hung or broke", result.mismatches[4])
        self.assertEqual(calls, [["tso"], ["tso", "trace", "from", "0"], ["tso", "from", "4"]])
        self.assertEqual(result.ran, 10)

    def test_a_machine_that_says_nothing_is_an_error(self):
        with self.assertRaises(RuntimeError):
            self.play((124, ""), (124, ""))


class Shrinking(unittest.TestCase):
    """Sequences are letters, one an instruction; the state is the digits that follow."""

    def shrink(self, text, differs):
        def rebuilt(code, number):
            return vector(number, code.encode())

        def drop(v, first, end, number):
            code = vectors.code(v).decode()
            letters = code.rstrip("0123456789")
            return rebuilt(letters[:first] + letters[end:] + code[len(letters):], number)

        def zero(v, what, number):
            code = vectors.code(v).decode()
            return rebuilt(code.replace(what, "0"), number) if what in code else None

        def replayed(candidates, cpu, options):
            result = replay.Replay()
            result.mismatches = {number: "" for number, v in candidates if differs(vectors.code(v).decode())}
            self.assertEqual(len({number for number, _ in candidates}), len(candidates))
            return result

        with mock.patch.multiple(recorder, drop=drop, zero=zero, SIMPLER=list("123456789"),
                                 instruction_count=lambda v: len(vectors.code(v).rstrip(b"0123456789"))), \
                mock.patch.object(shrink, "replay_vectors", replayed):
            return vectors.code(shrink.shrink(vector(9, text.encode()), "max")).decode()

    def test_one_instruction(self):
        self.assertEqual(self.shrink("abcdefghijklmnopqrstuvwxyz", lambda code: "q" in code), "q")

    def test_two_instructions_far_apart(self):
        self.assertEqual(self.shrink("abcdefghijklmnopqrstuvwxyz", lambda code: "c" in code and "x" in code), "cx")

    def test_state(self):
        self.assertEqual(self.shrink("abc123", lambda code: "b" in code and "2" in code), "b020")

    def test_state_that_must_not_all_be_simple(self):
        self.assertEqual(self.shrink("a1234", lambda code: "1" in code or "2" in code), "a0200")

    def test_nothing_smaller(self):
        self.assertEqual(self.shrink("ab", lambda code: code.startswith("ab")), "ab")


if __name__ == "__main__":
    unittest.main()
