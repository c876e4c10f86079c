# SPDX-License-Identifier: MIT
"""tools/janus: from the command line to the exit code."""
import glob
import json
import os
import signal
import sys
import tempfile

from launcher import cpio, machine, options as command_line, share, startup
from launcher.outcome import CODE_LOST, CODE_USAGE
from launcher.session import Session

APPLICATION = "C:\\app\\"


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
        files, kernel = _files(options), os.path.join(machine.BUILD, "janus.img")
        shared = share.SharedDirectory(options.share) if options.share else None
        words.append("janus.run")
        words += [word for word, wanted in (("janus.stats", options.stats), ("janus.quiet", not options.verbose),
                                            ("janus.share", options.share)) if wanted]
        if options.icount:
            files["janus/stdin"] = _read_stdin()
        session_options = {"log_out": 2 if options.verbose else None, "serve_stdin": not options.icount}

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


def _read_stdin():
    try:
        return sys.stdin.buffer.read() if sys.stdin else b""
    except OSError:
        return b""


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _files(options):
    """The initrd's files: what the kernel finds below app/, system/ and janus/ (kernel/abi/launch.h)."""
    system = {os.path.basename(path): path for path in sorted(glob.glob(os.path.join(machine.BUILD, "images", "*.dll")))}
    if not os.path.isfile(options.program):
        raise command_line.UsageError(f"no such program: {options.program}")
    beside = os.path.dirname(os.path.abspath(options.program))
    application = {}            # name below app/ -> bytes; later entries win, whatever their case

    def put(name, data):
        application[name.lower()] = (name, data)

    # As on Windows, a program finds the DLLs in its own directory; Janus' own system DLLs take precedence there.
    own = {name.lower() for name in system}
    for name in sorted(os.listdir(beside)):
        if name.lower().endswith(".dll") and name.lower() not in own and os.path.isfile(os.path.join(beside, name)):
            put(name, _read(os.path.join(beside, name)))
    if options.share:
        if not os.path.isdir(options.share):
            raise command_line.UsageError(f"no such directory: {options.share}")
        for name, data in share.read_tree(options.share).items():
            put(name, data)
    for path in options.file:
        put(os.path.basename(path), _read(path))
    program = os.path.basename(options.program)
    put(program, _read(options.program))

    environment = {
        "SystemRoot": "C:\\Windows", "windir": "C:\\Windows", "SystemDrive": "C:", "OS": "Windows_NT",
        "PATH": "C:\\app;C:\\Windows\\System32", "TEMP": "C:\\app", "TMP": "C:\\app",
        "NUMBER_OF_PROCESSORS": str(options.smp),
    }
    environment.update(variable.split("=", 1) for variable in options.env)

    files = {"janus/startup": startup.build(APPLICATION + program, options.arguments, APPLICATION, environment)}
    files.update((f"system/{name}", _read(path)) for name, path in system.items())
    files.update((f"app/{name}", data) for name, data in application.values())
    return files
