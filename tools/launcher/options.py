# SPDX-License-Identifier: MIT
"""The command line of tools/janus."""
import argparse

from launcher import outcome


class UsageError(Exception):
    """A wrong command line; the message says what is wrong."""


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(message)


def _parser():
    parser = _Parser(
        prog="janus", usage="janus [options] PROGRAM.exe [ARGS...]", epilog=outcome.HELP, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs a Windows program, x64, Arm64 or ARM64EC, on the Janus kernel in QEMU: passes stdin, stdout and "
                    "stderr, and returns the program's exit code. DLLs that lie beside the program go with it.")
    add = parser.add_argument
    add("--machine", choices=("virt", "raspi4b"), default="virt", help="the machine (virt)")
    add("--cpu", metavar="NAME", help="the core of virt, as QEMU names it (cortex-a72)")
    add("--smp", type=int, metavar="N", help="number of cores of virt (4)")
    add("--memory", metavar="SIZE", help="memory of virt, e.g. 512M (1G)")
    add("--via", choices=("kernel", "u-boot"), default="kernel", help="what starts the kernel: QEMU itself, or U-Boot")
    add("--gic", type=int, choices=(2, 3), help="interrupt controller of virt (3)")
    add("--el", type=int, choices=(1, 2), help="exception level at which virt enters the kernel (1)")
    add("--file", action="append", default=[], metavar="PATH", help="put another file beside the program (repeatable)")
    add("--share", metavar="DIR", help="the program's current directory is DIR; what it writes there comes back")
    add("--env", action="append", default=[], metavar="NAME=VALUE", help="set an environment variable (repeatable)")
    add("--icount", action="store_true", help="deterministic run: one instruction is one nanosecond; stdin is read first")
    add("--stats", action="store_true", help="print one JSON object with the run's counts as the last line of stderr")
    add("--timeout", type=float, default=0, metavar="SECONDS", help="give up after this time (never)")
    add("--verbose", action="store_true", help="the kernel log on stderr")
    add("--test-kernel", metavar="NAME", help="no program: run the kernel tests whose names begin with NAME (all: every one)")
    return parser


def _own_words(parser, words):
    """How many of `words` are the launcher's: up to the program, which is the first word that is neither an option nor
    an option's value. Everything behind it is the program's, whatever it looks like."""
    takes_value = {name: action.nargs != 0 for action in parser._actions for name in action.option_strings}
    index = 0
    while index < len(words) and words[index].startswith("-"):
        index += 2 if takes_value.get(words[index], False) else 1
    return min(index, len(words))


def parse(words):
    """The options, complete with defaults, or UsageError."""
    parser = _parser()
    own = _own_words(parser, words)
    options = parser.parse_args(words[:own])
    options.program = words[own] if own < len(words) else None
    options.arguments = words[own + 1:]
    if bool(options.program) == bool(options.test_kernel):
        raise UsageError("name a program, or a kernel test with --test-kernel" if not options.program
                         else "--test-kernel takes no program")
    if options.timeout < 0:
        raise UsageError("--timeout takes a positive number of seconds")
    for variable in options.env:
        if "=" not in variable[1:]:
            raise UsageError(f"--env takes NAME=VALUE, not {variable}")
    if options.machine == "raspi4b":
        fixed = {"cpu": "cortex-a72", "smp": 4, "memory": "2G", "gic": 2, "el": 2}
        for name, value in fixed.items():
            given = getattr(options, name)
            if given not in (None, value):
                raise UsageError(f"raspi4b has --{name} {value}, not {given}")
            setattr(options, name, value)
    for name, value in {"cpu": "cortex-a72", "smp": 4, "memory": "1G", "gic": 3, "el": 1}.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if not 1 <= options.smp <= 8:
        raise UsageError("--smp takes 1 to 8")
    return options
