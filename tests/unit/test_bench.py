# SPDX-License-Identifier: MIT
"""The arithmetic of the benchmark's tools (tests/bench): what is taken off what, what counts as more."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "bench")
sys.dont_write_bytecode = True


def load(name):
    loader = importlib.machinery.SourceFileLoader(f"bench_{name}", os.path.join(BENCH, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


class Run(unittest.TestCase):
    tool = load("run")

    def test_geometric_mean(self):
        self.assertAlmostEqual(self.tool.geometric_mean([1, 4, 16]), 4)

    def test_kernel_work_of_the_first_call(self):
        # 700 in the kernel at first, 100 each time
        row = {"cold": 1700, "cold_el0": 1000, "warm": 1100, "warm_el0": 1000}
        self.assertEqual(self.tool.kernel_instructions(row), 600)

    def test_costs_of_passing_control(self):
        # A round costs 2, the callee's XOR 1, a linked jump 1, a call 4, a return 5, LEA 1.
        flows = {"base": 2, "short_base": 3, "near_jump": 2, "far_jump": 5, "call": 3 + 4 + 1 + 1, "call_return": 3 + 4 + 5, "indirect_jump": 7,
                 "indirect_call": 20, "two_targets_base": 5, "two_targets": 12, "import_ec": 30, "import_x64": 12}
        costs = self.tool.flow_costs(flows)
        self.assertEqual(costs["linked direct jump"], 1)
        self.assertEqual(costs["direct call"], 4)
        self.assertEqual(costs["predicted return"], 5)
        self.assertEqual(costs["indirect jump"], 5)
        self.assertEqual(costs["block entry and jump inside a region"], 0)


class Fex(unittest.TestCase):
    fex = load("fex")

    def row(self, ours, theirs, **more):
        return {"x64": "", "count": 1, "status": 0, "ours": ours, "theirs": theirs, "kernel": 0, "lowered": 1, "words": [], **more}

    def test_verdict(self):
        self.assertEqual(self.fex.verdict(self.row(3, 2)), "more")
        self.assertEqual(self.fex.verdict(self.row(2, 2)), "same")
        self.assertEqual(self.fex.verdict(self.row(1, 2)), "less")
        self.assertEqual(self.fex.verdict(self.row(1, 2, kernel=1)), "kernel")
        self.assertEqual(self.fex.verdict(self.row(1, 2, count=2)), "refused")
        self.assertEqual(self.fex.verdict(self.row(1, 2, status=3)), "refused")
        self.assertEqual(self.fex.verdict({"theirs": 1}), "unknown")

    def test_reasons(self):
        def reasons(*words, theirs=2, raises=""):
            return self.fex.reasons({"words": [f"{word:08x}{raises}" for word in words], "ours": len(words), "theirs": theirs})
        self.assertEqual(reasons(0x0b000021), ["selection"])                # add w1, w1, w0
        self.assertEqual(reasons(0xd53b420a, 0xd263014a), ["carry"])        # mrs x10, NZCV
        self.assertEqual(reasons(0xaa1b03f7), ["parity"])                   # mov x23, x27
        self.assertEqual(reasons(0xf100507f), ["selection"])                # cmp x3, #20: no destination
        self.assertEqual(reasons(0xf9400337), ["selection"])                # ldr x23, [x25]: no data processing
        self.assertEqual(reasons(0x12000d4a), ["align"])                    # and w10, w10, #0xf
        self.assertEqual(reasons(0x0e043e4a), ["nan"])                      # mov w10, v18.s[0]
        self.assertEqual(reasons(0xd53b442a), ["exact"])                    # mrs x10, FPSR
        self.assertEqual(reasons(0x34000043, raises=":d"), ["divide"])      # cbz w3, to code that raises #DE
        self.assertEqual(reasons(0x34000043, raises=":f"), ["fault"])
        self.assertEqual(reasons(0x33001d48), ["selection"])                # bfxil w8, w10, #0, #8
        self.assertEqual(reasons(0x33001d48, theirs=1), ["merge"])


class Hot(unittest.TestCase):
    hot = load("hot")

    def test_form(self):
        self.assertEqual(self.hot.form("mov rax, qword ptr [rbx+rcx*8+0x10]"), "mov r, qword [m]")
        self.assertEqual(self.hot.form("mulsd xmm1, qword ptr [rel 0x140001000]"), "mulsd x, qword [rip]")
        self.assertEqual(self.hot.form("add r10b, 0xe"), "add r8, i")
        self.assertEqual(self.hot.form("shr r10d, 0x14"), "shr r32, i")
        self.assertEqual(self.hot.form("rol ax, 0x5"), "rol r16, i")
        self.assertEqual(self.hot.form("xor r8, rax"), "xor r, r")


if __name__ == "__main__":
    unittest.main()
