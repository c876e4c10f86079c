# SPDX-License-Identifier: MIT
"""The serial line, target to host (kernel/abi/launch.h): kernel log text with frames in it."""

FRAME_START = b"\x01J"
HEADER_BYTES = 5            # start, mark, channel, 16-bit length

STDOUT, STDERR, READ, FILE, STATS, EXIT = b"o", b"e", b"r", b"f", b"s", b"x"
LOG = b""                   # the channel of text outside frames

FILE_BEGIN, FILE_DATA, FILE_END, FILE_DELETED = range(4)


class FrameReader:
    """Cuts the byte stream into (channel, payload) pairs. Text outside frames comes as channel LOG, at once."""

    def __init__(self):
        self._buffer = bytearray()

    def feed(self, data):
        self._buffer += data
        pieces = []
        while self._buffer:
            start = self._buffer.find(FRAME_START)
            if start < 0:
                # The last byte may be the first half of a frame start.
                start = len(self._buffer) - (self._buffer[-1] == FRAME_START[0])
            if start:
                pieces.append((LOG, bytes(self._buffer[:start])))
                del self._buffer[:start]
                continue
            if len(self._buffer) < HEADER_BYTES:
                break
            end = HEADER_BYTES + int.from_bytes(self._buffer[3:5], "little")
            if len(self._buffer) < end:
                break
            pieces.append((bytes(self._buffer[2:3]), bytes(self._buffer[HEADER_BYTES:end])))
            del self._buffer[:end]
        return pieces

    def rest(self):
        """What is left when the line went dead: a frame that a panic cut off, so it is read as text."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return [(LOG, rest)] if rest else []


def read_answer(data):
    """The host's answer to a READ frame; b"" is the end of the file."""
    return len(data).to_bytes(2, "little") + data
