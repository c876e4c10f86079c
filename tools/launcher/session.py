# SPDX-License-Identifier: MIT
"""One machine from power-on to its verdict: passes the bytes of the three streams, watches the log for a panic."""
import json
import os
import re
import selectors
import signal
import subprocess
import time

from launcher import protocol
from launcher.outcome import Outcome

CHUNK = 65536
POWER_OFF_SECONDS = 5           # what a machine may take between its last word and its end
LAST_WORD_BYTES = 4096          # how far back a line may begin that is only complete now
PANIC_LINE = re.compile(rb"^.*PANIC: .*", re.MULTILINE)
TESTS_LINE = re.compile(rb"^.*TESTS (\d+) passed, (\d+) failed", re.MULTILINE)


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data):]


class Session:
    """Runs `command`. `shared` receives FILE frames (launcher.share) or is None; `log_out` is the descriptor for the
    kernel log or None. After run(): `stats`, a dict; `log`, all kernel text; `stderr_mid_line`."""

    def __init__(self, command, timeout=0, shared=None, log_out=None, serve_stdin=True):
        self.command, self.timeout, self.shared, self.log_out = command, timeout, shared, log_out
        self.serve_stdin = serve_stdin
        self.log = bytearray()
        self.stats = {}
        self.stderr_mid_line = False        # the program's stderr does not end in a line feed
        self._stats_text = b""
        self._exit = None
        self._last_word = False             # a verdict, a panic or the tests' total was seen: only the power-off is missing
        self._wanted = 0            # bytes of stdin the machine has asked for and not got
        self._reader = protocol.FrameReader()

    def run(self):
        self._process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, bufsize=0)
        complaints = bytearray()
        try:
            with selectors.DefaultSelector() as selector:
                self._selector = selector
                selector.register(self._process.stdout, selectors.EVENT_READ, self._machine_ready)
                selector.register(self._process.stderr, selectors.EVENT_READ,
                                  lambda stream: self._complaint_ready(stream, complaints))
                verdict = self._loop()
        finally:
            self._stop()
        self._handle(self._reader.rest())
        self._finish_stats()
        return verdict or self._verdict(bytes(complaints))

    # ---- the loop: until both of QEMU's streams are at their end ----

    def _loop(self):
        deadline = time.monotonic() + self.timeout if self.timeout else None
        ending = None
        while any(key.fileobj in (self._process.stdout, self._process.stderr)
                  for key in self._selector.get_map().values()):
            now = time.monotonic()
            if self._last_word and ending is None:
                ending = now + POWER_OFF_SECONDS
            if ending is not None and now >= ending:
                return None             # the verdict is known, the machine only failed to switch itself off
            if deadline is not None and now >= deadline and ending is None:
                return self._panic() or Outcome("timeout", text=self._unseen(self._last_log_lines()))
            limits = [limit - now for limit in (deadline, ending) if limit is not None]
            for key, _ in self._selector.select(max(0, min(limits)) if limits else None):
                key.data(key.fileobj)
        return None

    def _machine_ready(self, stream):
        data = os.read(stream.fileno(), CHUNK)
        if data:
            self._handle(self._reader.feed(data))
        else:
            self._selector.unregister(stream)

    def _complaint_ready(self, stream, complaints):
        data = os.read(stream.fileno(), CHUNK)
        if data:
            complaints += data
        else:
            self._selector.unregister(stream)

    def _stdin_ready(self, _):
        self._selector.unregister(0)
        self._answer(os.read(0, self._wanted))

    # ---- what the machine says ----

    def _handle(self, pieces):
        for channel, payload in pieces:
            if channel == protocol.LOG:
                self.log += payload
                recent = bytes(self.log[-len(payload) - LAST_WORD_BYTES:])
                self._last_word |= bool(PANIC_LINE.search(recent) or TESTS_LINE.search(recent))
                if self.log_out is not None:
                    write_all(self.log_out, payload.replace(b"\r", b""))
            elif channel == protocol.STDOUT:
                write_all(1, payload)
            elif channel == protocol.STDERR:
                write_all(2, payload)
                self.stderr_mid_line = not payload.endswith(b"\n") if payload else self.stderr_mid_line
            elif channel == protocol.READ:
                self._ask_stdin(int.from_bytes(payload[:2], "little"))
            elif channel == protocol.FILE:
                if self.shared is not None:
                    self.shared.receive(payload)
            elif channel == protocol.STATS:
                self._stats_text += payload
            elif channel == protocol.EXIT:
                self._exit = payload
                self._last_word = True

    def _ask_stdin(self, wanted):
        self._wanted = wanted
        if not self.serve_stdin:
            self._answer(b"")
            return
        try:
            self._selector.register(0, selectors.EVENT_READ, self._stdin_ready)
        except PermissionError:         # a plain file: always ready, and epoll refuses it
            self._answer(os.read(0, wanted))
        except (OSError, ValueError):   # closed
            self._answer(b"")

    def _answer(self, data):
        try:
            write_all(self._process.stdin.fileno(), protocol.read_answer(data))
        except BrokenPipeError:
            pass                        # the machine ended meanwhile; its streams will say how

    # ---- the end ----

    def _stop(self):
        process = self._process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()

    def _finish_stats(self):
        try:
            self.stats = json.loads(self._stats_text) if self._stats_text else {}
        except ValueError:
            self.stats = {"malformed": self._stats_text.decode(errors="replace")}

    def _verdict(self, complaints):
        if self._exit is not None:
            try:
                said = json.loads(self._exit)
                return Outcome(said["reason"], int(said["status"]), str(said.get("text", "")))
            except (ValueError, KeyError, TypeError):
                return Outcome("lost", text=f"the exit frame is malformed: {self._exit!r}")
        return self._panic() or \
            Outcome("lost", text=complaints.decode(errors="replace") + self._unseen(self._last_log_lines()))

    def _panic(self):
        found = PANIC_LINE.search(bytes(self.log))
        return Outcome("panic", text=self._unseen(self._text(found.start()))) if found else None

    def _unseen(self, text):
        """Log text for a message: nothing when the log has been shown already."""
        return text if self.log_out is None else ""

    def _text(self, start=0):
        return self.log[start:].decode(errors="replace").replace("\r", "")

    def _last_log_lines(self):
        return "\n".join(self._text().splitlines()[-20:])

    def tests(self):
        """(passed, failed) as the test kernel reported them, or None."""
        found = TESTS_LINE.search(bytes(self.log))
        return (int(found[1]), int(found[2])) if found else None
