# SPDX-License-Identifier: MIT
"""Which files go into the initrd of a run."""
import glob
import os

from launcher import machine, share, startup
from launcher.options import UsageError

APPLICATION = "C:\\app\\"


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def program_files(options):
    """The initrd's files for the program of `options`, path to bytes: app/, system/ and janus/ (kernel/abi/launch.h)."""
    system = {os.path.basename(path): path for path in sorted(glob.glob(os.path.join(machine.BUILD, "images", "*.dll")))}
    if not os.path.isfile(options.program):
        raise UsageError(f"no such program: {options.program}")
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
            raise UsageError(f"no such directory: {options.share}")
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
