# SPDX-License-Identifier: MIT
"""The launcher's parts, and the whole of it against a fake QEMU that plays a script over the serial line."""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import textwrap
import unittest

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(REPO, "tools"))

from launcher import cpio, options, outcome, protocol, share, startup, uboot  # noqa: E402


def frame(channel, payload):
    return b"\x01J" + channel + len(payload).to_bytes(2, "little") + payload


def constant(header, name):
    """The value of a #define in one of the ABI headers."""
    with open(os.path.join(REPO, header), encoding="utf-8") as file:
        found = re.search(rf"^#define {name}\s+('.'|0x[0-9a-fA-F]+)", file.read(), re.MULTILINE)
    return ord(found[1][1]) if found[1].startswith("'") else int(found[1], 16)


class Constants(unittest.TestCase):
    def test_agree_with_the_headers(self):
        launch = "kernel/abi/launch.h"
        self.assertEqual(protocol.FRAME_START, bytes([constant(launch, "FRAME_START"), constant(launch, "FRAME_MARK")]))
        for name in ("STDOUT", "STDERR", "READ", "FILE", "STATS", "EXIT"):
            self.assertEqual(ord(getattr(protocol, name)), constant(launch, "FRAME_" + name), name)
        self.assertEqual(startup.MAGIC, constant("kernel/abi/process.h", "STARTUP_MAGIC"))


class Cpio(unittest.TestCase):
    def test_reads_back(self):
        files = {"app/a.exe": b"MZ1", "janus/stdin": b"", "system/Ä.dll": bytes(range(256))}
        archive, at, found = cpio.build(files), 0, {}
        while True:
            self.assertEqual(archive[at:at + 6], b"070701")
            fields = [int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
            name = archive[at + 110:at + 110 + fields[11] - 1].decode()
            start = at + (110 + fields[11] + 3) // 4 * 4
            if name == "TRAILER!!!":
                break
            found[name] = archive[start:start + fields[6]]
            at = (start + fields[6] + 3) // 4 * 4
        self.assertEqual(found, files)
        self.assertEqual(len(archive) % 4, 0)
        self.assertEqual(archive, cpio.build(files))


class Startup(unittest.TestCase):
    # What the C run-time makes of a command line: the published rules of argv parsing.
    @staticmethod
    def parse(line):
        words, word, quoted, at = [], None, False, 0
        while at < len(line):
            slashes = 0
            while at < len(line) and line[at] == "\\":
                slashes, at = slashes + 1, at + 1
            if at < len(line) and line[at] == '"':
                word = (word or "") + "\\" * (slashes // 2)
                if slashes % 2:
                    word += '"'
                else:
                    quoted = not quoted
                at += 1
                continue
            if slashes:
                word = (word or "") + "\\" * slashes
                continue
            if line[at] in " \t" and not quoted:
                if word is not None:
                    words.append(word)
                word = None
            else:
                word = (word or "") + line[at]
            at += 1
        return words + ([word] if word is not None else [])

    def test_arguments_come_through(self):
        arguments = ["a", "", "two words", 'say "hi"', "C:\\dir\\", "C:\\my dir\\", 'back\\"slash', "\\\\", 'end\\ "', "\t", "Ä€😀"]
        line = startup.command_line("C:\\app\\p.exe", arguments)
        self.assertEqual(self.parse(line), ["C:\\app\\p.exe"] + arguments)

    def test_block(self):
        block = startup.build("C:\\app\\x y.exe", ["1"], "C:\\app\\", {"A": "1", "B": "ü"})
        fields = struct.unpack_from("<10I3Q", block)
        self.assertEqual(fields[0], startup.MAGIC)
        self.assertEqual(fields[1], len(block))
        texts = [block[fields[i]:fields[i] + fields[i + 1]].decode("utf-16-le") for i in (2, 4, 6, 8)]
        self.assertEqual(texts, ["C:\\app\\x y.exe", '"C:\\app\\x y.exe" 1', "C:\\app\\", "A=1\0B=ü\0\0"])

    def test_too_large(self):
        with self.assertRaises(ValueError):
            startup.build("p", ["x" * (1 << 20)], "d", {})


class Frames(unittest.TestCase):
    STREAM = b"log 1\r\n" + frame(b"o", b"out\x01J") + b"lo\x01g" + frame(b"x", b"{}") + frame(b"e", b"")

    def test_any_split(self):
        for step in range(1, len(self.STREAM) + 1):
            reader, log, frames = protocol.FrameReader(), b"", []
            for at in range(0, len(self.STREAM), step):
                for channel, payload in reader.feed(self.STREAM[at:at + step]):
                    if channel == protocol.LOG:
                        log += payload
                    else:
                        frames.append((channel, payload))
            self.assertEqual(log, b"log 1\r\nlo\x01g", step)
            self.assertEqual(frames, [(b"o", b"out\x01J"), (b"x", b"{}"), (b"e", b"")], step)
            self.assertEqual(reader.rest(), [])

    def test_cut_off_frame_is_text(self):
        reader = protocol.FrameReader()
        self.assertEqual(reader.feed(b"\x01Jo\xff\xffPANIC: x"), [])
        self.assertEqual(reader.rest(), [(protocol.LOG, b"\x01Jo\xff\xffPANIC: x")])


class Codes(unittest.TestCase):
    def test_exit_codes(self):
        for status, code in ((0, 0), (3, 3), (255, 255), (256, 255), (0x1234, 0x34), (-1, 255), (0xC0000005, 5), (0x80000000, 255)):
            self.assertEqual(outcome.Outcome("exit", status).code, code, hex(status))
        self.assertEqual(outcome.Outcome("exception", 0xC0000005).code, 121)
        self.assertEqual(outcome.Outcome("load", 0xC000007B).code, 126)
        self.assertIn("0xc0000005", outcome.Outcome("exception", -1073741819, "at 0x1").message())


class Options(unittest.TestCase):
    def test_programs_own_options_stay_its_own(self):
        parsed = options.parse(["--smp", "2", "--icount", "p.exe", "--smp", "x", "--", "-h"])
        self.assertEqual((parsed.smp, parsed.icount, parsed.program), (2, True, "p.exe"))
        self.assertEqual(parsed.arguments, ["--smp", "x", "--", "-h"])

    def test_refused(self):
        for words in ([], ["--smp", "0", "p"], ["--nothing", "p"], ["--machine", "raspi4b", "--smp", "1", "p"],
                      ["--test-kernel", "a", "p"], ["--env", "x", "p"], ["--timeout", "-1", "p"]):
            with self.assertRaises(options.UsageError, msg=words):
                options.parse(words)


class UBoot(unittest.TestCase):
    def test_script_is_what_mkimage_reads(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "boot.scr")
            with open(path, "wb") as file:
                file.write(uboot.script(b"echo hi\n"))
            listing = subprocess.run(["mkimage", "-l", path], capture_output=True, text=True, check=True).stdout
        self.assertIn("AArch64 Linux Script", listing)

    def test_environment_limit(self):
        with self.assertRaises(ValueError):
            uboot.environment({"a": "x" * 100}, 64)

    def test_card_reads_back(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "card")
            uboot.write_sd_card(path, {"config.txt": b"arm_64bit=1\n", "janus.img": bytes(100000)})
            self.assertEqual(os.path.getsize(path) & (os.path.getsize(path) - 1), 0)
            text = subprocess.run(["mtype", "-i", f"{path}@@1M", "::config.txt"], capture_output=True, check=True).stdout
        self.assertEqual(text, b"arm_64bit=1\n")


class Share(unittest.TestCase):
    def test_changes_come_back_and_nothing_leaves(self):
        with tempfile.TemporaryDirectory() as outside:
            directory = os.path.join(outside, "in")
            os.makedirs(os.path.join(directory, "Sub"))
            for name in ("old.txt", "Sub/Kept.txt"):
                with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                    file.write(name)
            os.symlink(outside, os.path.join(directory, "way-out"))
            shared = share.SharedDirectory(directory)
            self.assertEqual(sorted(share.read_tree(directory)), ["Sub/Kept.txt", "old.txt"])
            for name, data in ((b"new\\deep\\f.bin", b"12"), (b"sub/kept.txt", b"changed"), (b"../evil", b"x"),
                               (b"/etc/evil", b"x"), (b"way-out/evil", b"x"), (b"C:/../../evil", b"x")):
                for payload in (b"\0" + name, b"\1" + data[:1], b"\1" + data[1:], b"\2"):
                    shared.receive(payload)
            shared.receive(b"\3old.txt")
            self.assertEqual(share.read_tree(directory), {"Sub/Kept.txt": b"changed", "new/deep/f.bin": b"12"})
            self.assertEqual(os.listdir(outside), ["in"])
            self.assertEqual(len(shared.refused), 4)


FAKE_QEMU = """\
    #!{python}
    import sys, time
    def frame(channel, payload):
        sys.stdout.buffer.write(b"\\x01J" + channel + len(payload).to_bytes(2, "little") + payload)
        sys.stdout.buffer.flush()
    def read(count):
        frame(b"r", count.to_bytes(2, "little"))
        length = int.from_bytes(sys.stdin.buffer.read(2), "little")
        return sys.stdin.buffer.read(length)
    def log(text):
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
"""


class WholeRun(unittest.TestCase):
    def run_script(self, script, *words, stdin=b"", files=()):
        with tempfile.TemporaryDirectory() as directory:
            fake = os.path.join(directory, "qemu")
            with open(fake, "w", encoding="utf-8") as file:
                file.write(textwrap.dedent(FAKE_QEMU).format(python=sys.executable) + textwrap.dedent(script))
            os.chmod(fake, 0o755)
            for name in ("janus.img", "janus-test.img", "p.exe", *files):
                with open(os.path.join(directory, name), "wb") as file:
                    file.write(b"MZ")
            program = () if "--test-kernel" in words else (os.path.join(directory, "p.exe"),)
            return subprocess.run(
                [os.path.join(REPO, "tools", "janus"), *words, *program], input=stdin, capture_output=True, timeout=60,
                env=dict(os.environ, JANUS_QEMU=fake, JANUS_BUILD=directory), check=False)

    def test_streams_and_status(self):
        done = self.run_script("""
            log(b"booting\\r\\n")
            data = b""
            while True:
                piece = read(7)
                if not piece: break
                data += piece
            frame(b"o", data[::-1]); frame(b"e", b"\\0err"); frame(b"s", b'{"executed_instructions"'); frame(b"s", b': 5}')
            frame(b"x", b'{"status": 7, "reason": "exit", "text": ""}')
        """, "--stats", stdin=bytes(range(256)))
        self.assertEqual(done.stdout, bytes(range(256))[::-1])
        self.assertEqual(done.returncode, 7)
        self.assertTrue(done.stderr.startswith(b"\0err\n"))
        self.assertEqual(json.loads(done.stderr.splitlines()[-1]),
                         {"executed_instructions": 5, "reason": "exit", "status": 7})

    def test_verbose_shows_the_log(self):
        done = self.run_script("""
            log(b"hello\\r\\n"); frame(b"x", b'{"status": 0, "reason": "exit", "text": ""}')
        """, "--verbose")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b"hello\n"))

    def test_crash(self):
        done = self.run_script("""
            frame(b"x", b'{"status": -1073741819, "reason": "exception", "text": "read of 0x0 at p.exe+0x1000"}')
        """)
        self.assertEqual(done.returncode, 121)
        self.assertIn(b"read of 0x0 at p.exe+0x1000\njanus: the program crashed, exception 0xc0000005", done.stderr)

    def test_panic_is_not_the_programs_fault(self):
        done = self.run_script("""log(b"[1.0] PANIC: heap is broken\\r\\nx0 1\\r\\n")""")
        self.assertEqual(done.returncode, 122)
        self.assertIn(b"heap is broken\nx0 1", done.stderr)

    def test_panic_that_hangs(self):
        self.assertEqual(self.run_script("""log(b"PANIC: stuck\\n"); time.sleep(60)""", "--timeout", "30").returncode, 122)

    def test_timeout(self):
        done = self.run_script("""log(b"still here\\n"); time.sleep(60)""", "--timeout", "1")
        self.assertEqual(done.returncode, 124)
        self.assertIn(b"still here", done.stderr)

    def test_machine_dies(self):
        done = self.run_script("""sys.stderr.write("qemu: no such core"); sys.exit(1)""")
        self.assertEqual(done.returncode, 123)
        self.assertIn(b"qemu: no such core", done.stderr)

    def test_kernel_tests(self):
        for line, code in (("TESTS 3 passed, 0 failed", 0), ("TESTS 3 passed, 1 failed", 1), ("TESTS 0 passed, 0 failed", 1),
                           ("nothing", 123)):
            done = self.run_script(f"""log(b"TEST a ok\\n{line}\\n")""", "--test-kernel", "all")
            self.assertEqual(done.returncode, code, line)
            self.assertIn(line.encode(), done.stdout)

    def test_icount_reads_stdin_first(self):
        done = self.run_script("""
            path = sys.argv[sys.argv.index("-initrd") + 1]
            archive = open(path, "rb").read()
            frame(b"o", str((b"typed before" in archive, b"janus/stdin" in archive, len(read(9)))).encode())
            frame(b"x", b'{"status": 0, "reason": "exit", "text": ""}')
        """, "--icount", stdin=b"typed before")
        self.assertEqual(done.stdout, b"(True, True, 0)")

    def test_dlls_beside_the_program(self):
        done = self.run_script("""
            archive = open(sys.argv[sys.argv.index("-initrd") + 1], "rb").read()
            frame(b"o", str([name in archive for name in (b"app/p.exe", b"app/Beside.DLL", b"app/other.txt")]).encode())
            frame(b"x", b'{"status": 0, "reason": "exit", "text": ""}')
        """, files=("Beside.DLL", "other.txt"))
        self.assertEqual(done.stdout, b"[True, True, False]")

    def test_bad_usage(self):
        self.assertEqual(self.run_script("", "--file", "/nonexistent").returncode, 125)


if __name__ == "__main__":
    unittest.main()
