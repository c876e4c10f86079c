# SPDX-License-Identifier: MIT
"""The end of the kernel: cases named crash_... of the test kernel break it on purpose, one a boot; the report must say what
happened, name the functions it happened in, and stop the machine. Then boots that must fail, from broken device trees."""
import os
import re
import struct
import subprocess
import tempfile

from harness.schedule import BUILD, JANUS, Job, Result, command

TIMEOUT = 60
KERNEL_PANICKED = 122

# case: (the PANIC line, functions in the backtrace from the innermost outwards)
CRASHES = {
    "check": (r"tests/kernel/crash_test\.c:\d+: CHECK\(two \+ two == 5\)", ["ktest_crash_check", "ktest_run"]),
    "null": (r"data abort in the kernel, not mapped, at 0xffffffff8\w+, address 0x18", ["ktest_crash_null", "ktest_run"]),
    "text_write": (r"data abort in the kernel, permission, .*", ["ktest_crash_text_write", "ktest_run"]),
    "data_execute": (r"instruction abort in the kernel, permission, .*", ["ktest_run"]),
    "stack_overflow": (r"kernel stack overflow: sp 0x\w+, data abort at 0x\w+", ["recurse", "recurse", "recurse"]),
    "lock_order": (r'lock order: "crash second" \(20\) taken while "crash first" \(70\) is held',
                   ["spin_lock", "ktest_crash_lock_order", "ktest_run"]),
    "past_memory": (r"data abort in the kernel, not mapped, .*", ["ktest_crash_past_memory", "ktest_run"]),
    "other_core": (r"on purpose, on another core", ["fail_elsewhere", "call_service", "interrupt_handle", "trap_irq"]),
}
REGISTERS = [f"x{i}" for i in range(31)] + ["sp", "pc", "spsr", "esr", "far"]

# What is done to QEMU's own tree, and what the kernel must say; None: it must boot all the same.
TREES = {
    "no-memory": ([["-t", "s", "/memory@40000000", "device_type", "nothing"]], r"PANIC: the device tree names no memory"),
    "kernel-outside-memory": ([["-t", "x", "/memory@40000000", "reg", "0", "50000000", "0", "1000000"]],
                              r"PANIC: the kernel lies at 0x40200000, outside the memory"),
    "no-interrupt-controller": ([["-t", "s", "/intc@8000000", "compatible", "other"]], r"PANIC: no interrupt controller"),
    "no-cores": ([["-r", "/cpus"]], None),
    "no-timer": ([["-r", "/timer"]], None),
    "no-stdout-path": ([["-d", "/chosen", "stdout-path"]], None),
    "stdout-path-to-nowhere": ([["-t", "s", "/chosen", "stdout-path", "/nothing"]], None),
    "initrd-over-the-kernel": ([["-t", "x", "/chosen", "linux,initrd-start", "40200000"],
                                ["-t", "x", "/chosen", "linux,initrd-end", "40300000"]], None),
}
KERNEL_AT, TREE_AT, STUB_AT = 0x40200000, 0x48000000, 0x40100000
# Other places: (kernel, tree). The last tree lies across a 2 MiB boundary.
PLACES = {"high": (0x4EE00000, 0x4FFFD000), "tree-below": (0x46000000, 0x40400008), "tree-across": (0x40200000, 0x481FF000)}


def find():
    for case in CRASHES:
        yield Job(f"panic/{case}", lambda case=case: _crash(case, f"panic/{case}"), weight=3)
    for name, (edits, expected) in TREES.items():
        yield Job(f"tree/{name}", lambda name=name, edits=edits, expected=expected: _tree(f"tree/{name}", edits, expected), weight=3)
    for name, (kernel, tree) in PLACES.items():
        yield Job(f"tree/{name}", lambda name=name, kernel=kernel, tree=tree: _tree(f"tree/{name}", [], None, kernel, tree), weight=3)


def verdict(name, wrong, text):
    return Result(failures=[(name, "; ".join(wrong) + "\n" + text)]) if wrong else Result(passed=1)


def check_report(text, line, functions):
    """What is missing in a panic's report, as a list of sentences."""
    wrong = []
    if not re.search(rf"^PANIC: {line}$", text, re.MULTILINE):
        wrong.append(f"no line PANIC: {line}")
    wrong += [f"register {name} is not shown" for name in REGISTERS if not re.search(rf"(^| ){name} +[0-9a-f]{{8,16}}", text, re.MULTILINE)]
    frames = re.findall(r"^  [0-9a-f]{16} (\w+)\+0x", text.partition("backtrace:")[2], re.MULTILINE)
    if frames[:len(functions)] != functions:
        wrong.append(f"the backtrace is {frames}, not {functions} ...")
    return wrong


def _crash(case, name):
    done = command([JANUS, "--timeout", str(TIMEOUT), "--verbose", "--test-kernel", f"crash_{case}"], TIMEOUT + 30)
    text = (done.stdout + done.stderr).decode(errors="replace").replace("\r", "")
    wrong = check_report(text, *CRASHES[case])
    if done.code != KERNEL_PANICKED:
        wrong.append(f"exit code {done.code}, not {KERNEL_PANICKED}")
    return verdict(name, wrong, done.text())


def _stub(kernel, tree):
    """movz/movk x0, tree; movz/movk x1, kernel; br x1: what a boot loader does last."""
    def load(register, value):
        return struct.pack("<II", 0xD2800000 | (value & 0xFFFF) << 5 | register, 0xF2A00000 | (value >> 16) << 5 | register)
    return load(0, tree) + load(1, kernel) + struct.pack("<I", 0xD61F0020)


def _tree(name, edits, expected, kernel=KERNEL_AT, tree=TREE_AT):
    # No -kernel: QEMU would repair the tree. Kernel, tree and stub go where they are wanted, byte for byte.
    qemu = [os.environ.get("JANUS_QEMU", "qemu-system-aarch64"), "-nodefaults", "-no-user-config", "-display", "none",
            "-cpu", "cortex-a72", "-m", "256M", "-smp", "2"]
    image = os.path.join(BUILD, "janus-test.img")
    if not os.path.exists(image):
        return Result(failures=[(name, "not built: janus-test.img")])
    with tempfile.TemporaryDirectory() as directory:
        dumped, blob, stub = (os.path.join(directory, file) for file in ("qemu.dtb", "tree.dtb", "stub"))
        subprocess.run([*qemu, "-M", f"virt,dumpdtb={dumped}"], check=True, capture_output=True)
        subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-o", blob, dumped], check=True, capture_output=True)
        for edit in [["-t", "s", "/chosen", "bootargs", "janus.test=boot_free"], *edits]:
            flags = edit[:2] if edit[0] == "-t" else edit[:1]
            subprocess.run(["fdtput", *flags, blob, *edit[len(flags):]], check=True, capture_output=True)
        with open(stub, "wb") as file:
            file.write(_stub(kernel, tree))
        loads = [(image, kernel), (blob, tree), (stub, STUB_AT)]
        done = command([*qemu, "-M", "virt", "-serial", "stdio", "-device", f"loader,addr={STUB_AT:#x},cpu-num=0",
                        *(word for file, at in loads for word in ("-device", f"loader,file={file},addr={at:#x},force-raw=on"))],
                       TIMEOUT)
    text = done.stdout.decode(errors="replace").replace("\r", "")
    wrong = [] if done.code == 0 else [f"QEMU ended with {done.code}"]
    if not re.search(expected or r"^TESTS 1 passed, 0 failed$", text, re.MULTILINE):
        wrong.append(f"no {expected or 'passed test'}")
    return verdict(name, wrong, done.text())
