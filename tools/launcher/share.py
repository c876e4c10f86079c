# SPDX-License-Identifier: MIT
"""--share DIR: the directory's files go into the initrd, what the program changes comes back in FILE frames."""
import os

from launcher import protocol


def read_tree(directory):
    """Path below `directory` (with '/') to bytes, for every regular file, in a fixed order."""
    files = {}
    for root, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(root, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    files[os.path.relpath(path, directory).replace(os.sep, "/")] = file.read()
    return files


class SharedDirectory:
    """Writes what comes back. A path that would leave the directory is refused: the program is not trusted."""

    def __init__(self, directory):
        self._root = os.path.realpath(directory)
        self._file = None
        self.refused = []

    def receive(self, payload):
        kind, rest = payload[0], payload[1:]
        if kind == protocol.FILE_BEGIN:
            self._close()
            path = self._place(rest)
            if path:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                self._file = open(path, "wb")       # closed at FILE_END
        elif kind == protocol.FILE_DATA and self._file:
            self._file.write(rest)
        elif kind == protocol.FILE_END:
            self._close()
        elif kind == protocol.FILE_DELETED:
            path = self._place(rest)
            if path and os.path.isfile(path):
                os.remove(path)

    def _close(self):
        if self._file:
            self._file.close()
            self._file = None

    def _place(self, name):
        parts = name.decode("utf-8", "surrogateescape").replace("\\", "/").split("/")
        path = self._root
        for index, part in enumerate(parts):
            if part in ("", ".", "..") or "\0" in part:
                self.refused.append("/".join(parts))
                return None
            path = os.path.join(path, self._existing_name(path, part))
            if os.path.islink(path) and not self._inside(path):
                self.refused.append("/".join(parts[:index + 1]))
                return None
        return path

    @staticmethod
    def _existing_name(directory, name):
        """Windows names do not tell upper from lower case: an existing file keeps its spelling."""
        if os.path.lexists(os.path.join(directory, name)) or not os.path.isdir(directory):
            return name
        return next((entry for entry in sorted(os.listdir(directory)) if entry.lower() == name.lower()), name)

    def _inside(self, path):
        return os.path.commonpath([os.path.realpath(path), self._root]) == self._root
