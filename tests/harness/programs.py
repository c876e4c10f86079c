# SPDX-License-Identifier: MIT
"""Program tests: tests/programs/*.json, run through tools/janus. The fields are described in tests/README.md."""
import glob
import json
import os
import re
import tempfile

from harness.schedule import BUILD, JANUS, REPO, Job, Result, command

TIMEOUT = 120
FIELDS = {"program", "programs", "arguments", "stdin", "options", "variants", "files", "timeout", "exit_code", "stdout",
          "share", "share_after", "stdout_contains", "stdout_lacks", "stderr_contains", "stderr_lacks", "stats", "stats_most", "same_stats", "skip"}


class Description:
    """One JSON file, checked."""

    def __init__(self, path):
        self.name = "program/" + os.path.basename(path)[:-5]
        with open(path, encoding="utf-8") as file:
            fields = json.load(file)
        unknown = set(fields) - FIELDS
        if unknown or ("program" in fields) == ("programs" in fields):
            raise ValueError(f"{path}: unknown fields {sorted(unknown)}" if unknown
                             else f"{path}: exactly one of program and programs")
        self.fields = fields
        self.programs = fields.get("programs") or [fields["program"]]
        self.variants = fields.get("variants", {"": []})


def find():
    for path in sorted(glob.glob(os.path.join(REPO, "tests", "programs", "*.json"))):
        try:
            description = Description(path)
        except (ValueError, KeyError) as error:
            yield Job("program/" + os.path.basename(path), lambda error=error: _broken(error))
            continue
        for program in description.programs:
            for variant, options in description.variants.items():
                parts = [description.name]
                parts += [os.path.basename(program)] if len(description.programs) > 1 else []
                parts += [variant] if variant else []
                name = "/".join(parts)
                yield Job(name, lambda d=description, p=program, o=options, n=name: _run(d.fields, p, o, n), weight=50)


def _broken(error):
    raise error


def _place(path):
    """build/... is below the build directory, wherever that is; anything else below the repository."""
    return os.path.join(BUILD, path[6:]) if path.startswith("build/") else os.path.join(REPO, path)


def _lines(value):
    """A text may be written as a list of lines."""
    return value if isinstance(value, str) else "".join(line + "\n" for line in value)


def _run(fields, program, options, name):
    if "skip" in fields:
        return Result(skips=[(name, fields["skip"])])
    timeout = fields.get("timeout", TIMEOUT)
    words = [JANUS, "--timeout", str(timeout), *fields.get("options", []), *options]
    words += ["--stats"] if {"stats", "stats_most", "same_stats"} & set(fields) else []
    for file in fields.get("files", []):
        words += ["--file", _place(file)]
    with tempfile.TemporaryDirectory(prefix="janus-share-") as directory:
        if "share" in fields:
            _write_files(directory, fields["share"])
            words += ["--share", directory]
        words += [_place(program), *fields.get("arguments", [])]
        done = command(words, timeout + 30, _lines(fields.get("stdin", "")).encode())
        wrong = check(fields, done)
        if "share_after" in fields and _read_files(directory) != fields["share_after"]:
            wrong.append(f"the shared directory holds {_read_files(directory)}")
    for _ in range(1 if "same_stats" in fields and not wrong else 0):
        first, second = _stats(done), _stats(command(words, timeout + 30, _lines(fields.get("stdin", "")).encode()))
        wrong += [f"{key} differs between two runs: {first.get(key)}, {second.get(key)}" for key in fields["same_stats"]
                  if first.get(key) is None or first.get(key) != second.get(key)]
    if wrong:
        return Result(failures=[(name, "\n".join(wrong) + "\n$ " + " ".join(words) + "\n" + done.text())])
    return Result(1)


def _write_files(directory, files):
    for name, text in files.items():
        with open(os.path.join(directory, name), "wb") as file:
            file.write(text.encode())


def _read_files(directory):
    files = {}
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as file:
            files[name] = file.read().decode(errors="replace")
    return files


def _stats(done):
    lines = done.stderr.splitlines()
    try:
        return json.loads(lines[-1].decode()) if lines else {}
    except ValueError:
        return {}


def check(fields, done):
    """What is wrong with a finished run, as sentences."""
    wrong = []
    if done.code != fields.get("exit_code", 0):
        wrong.append(f"exit code {done.code}, expected {fields.get('exit_code', 0)}")
    texts = {stream: getattr(done, stream).decode(errors="replace").replace("\r\n", "\n") for stream in ("stdout", "stderr")}
    if "stdout" in fields and texts["stdout"] != _lines(fields["stdout"]):
        wrong.append(f"stdout is not the expected\n{_lines(fields['stdout'])!r}\nbut\n{texts['stdout']!r}")
    for stream, text in texts.items():
        wrong += [f"{stream} has no match for: {pattern}" for pattern in fields.get(f"{stream}_contains", [])
                  if not re.search(pattern, text, re.MULTILINE)]
        wrong += [f"{stream} has a match for: {pattern}" for pattern in fields.get(f"{stream}_lacks", [])
                  if re.search(pattern, text, re.MULTILINE)]
    stats = _stats(done)
    for key, least in fields.get("stats", {}).items():
        if not isinstance(stats.get(key), (int, float)) or stats[key] < least:
            wrong.append(f"stats: {key} is {stats.get(key)!r}, expected at least {least}")
    for key, most in fields.get("stats_most", {}).items():
        value = sum(stats[key].values()) if isinstance(stats.get(key), dict) else stats.get(key)
        if not isinstance(value, (int, float)) or value > most:
            wrong.append(f"stats: {key} is {stats.get(key)!r}, expected at most {most}")
    return wrong
