# SPDX-License-Identifier: MIT
"""tools/janus: from the command line to the exit code."""
import json
import os
import signal
import stat
import sys
import tempfile

from launcher import cpio, initrd, machine, options as command_line, share
from launcher.outcome import CODE_LOST, CODE_USAGE
from launcher.session import Session

PLAIN_INPUT_BYTES = 64 << 20    # larger files come over the serial line, not through the machine's memory


def main(words):
    try:
        options = command_line.parse(words)
        with tempfile.TemporaryDirectory(prefix="janus-") as directory:
            return _run(options, directory)
    except (command_line.UsageError, machine.MachineError, OSError, ValueError) as error:
        _complain(f"janus: {error}")
        return CODE_USAGE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _complain(text):
    sys.stderr.write(text.rstrip("\n") + "\n")
    sys.stderr.flush()


def _run(options, directory):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    words = []
    if options.test_kernel:
        files, kernel = {}, os.path.join(machine.BUILD, "janus-test.img")
        words.append(f"janus.test={options.test_kernel}")
        # The whole log, so that the runner sees which tests there were.
        session_options = {"log_out": 1, "serve_stdin": False}
        shared = None
    else:
        files, kernel = initrd.program_files(options), os.path.join(machine.BUILD, "janus.img")
        shared = share.SharedDirectory(options.share) if options.share else None
        words.append("janus.run")
        words += [word for word, wanted in (("janus.stats", options.stats), ("janus.quiet", not options.verbose),
                                            ("janus.share", options.share)) if wanted]
        # A deterministic run reads its input first. A plain file may as well come that way, which is much faster than the
        # serial line; a terminal or a pipe may have more to say later.
        first = options.icount or _stdin_is_plain_file()
        if first:
            files["janus/stdin"] = _read_stdin()
        session_options = {"log_out": 2 if options.verbose else None, "serve_stdin": not first}

    command = machine.command(options, kernel, cpio.build(files), " ".join(words), directory)
    session = Session(command, options.timeout, shared, **session_options)
    outcome = session.run()
    if options.test_kernel:
        return _test_verdict(session, outcome)

    message = outcome.message()
    if session.stderr_mid_line and (message or options.stats):
        _complain("")           # what the launcher says begins a line of its own
    if message:
        _complain(message)
    for path in shared.refused if shared else ():
        _complain(f"janus: the program wrote outside the shared directory, refused: {path}")
    if options.stats:
        _complain(json.dumps({**session.stats, "reason": outcome.reason, "status": outcome.status}))
    return outcome.code


def _test_verdict(session, outcome):
    """0 when tests ran and none failed, 1 when some failed, otherwise the code of what went wrong."""
    counts = session.tests()
    if counts and outcome.reason == "lost":         # no exit frame: the test kernel has no program
        return 0 if counts[0] and not counts[1] else 1
    _complain(outcome.message())
    return outcome.code or CODE_LOST


def _stdin_is_plain_file():
    try:
        status = os.fstat(0)
    except OSError:
        return True             # closed: as good as an empty file
    return stat.S_ISREG(status.st_mode) and status.st_size <= PLAIN_INPUT_BYTES


def _read_stdin():
    try:
        return sys.stdin.buffer.read() if sys.stdin else b""
    except OSError:
        return b""
