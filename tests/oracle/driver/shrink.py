# SPDX-License-Identifier: MIT
"""From a vector that differs to a minimal one. Every round records many smaller candidates and replays them in one boot; the
smallest that still differs is the start of the next round."""
import zlib

from driver import recorder, vectors
from driver.replay import replay_vectors

STRIDE = 64                     # candidates get numbers so far apart that those at a page's end have pages of their own
ROUND = vectors.RUN_MAX // STRIDE


def _differing(candidates, try_all):
    """Of [(key, vector)] the keys that still differ, in order."""
    found = []
    for at in range(0, len(candidates), ROUND):
        part = candidates[at:at + ROUND]
        bad = try_all([(vectors.HEADER.unpack_from(vector)[1], vector) for _, vector in part])
        found += [key for key, vector in part if vectors.HEADER.unpack_from(vector)[1] in bad]
    return found


def _number(index):
    return index % ROUND * STRIDE


def _made(keys, make):
    """Those of the candidates that can be recorded: [(key, vector)]."""
    made = []
    for key in keys:
        vector = make(key, _number(len(made)))
        if vector:
            made.append((key, vector))
    return made


def fewer_instructions(vector, try_all):
    while True:
        count = recorder.instruction_count(vector)
        ranges = sorted(((first, end) for first in range(count) for end in range(first + 1, count + 1) if end - first < count),
                        key=lambda r: r[0] - r[1])
        for at in range(0, len(ranges), ROUND):
            made = _made(ranges[at:at + ROUND], lambda r, number: recorder.drop(vector, *r, number))
            bad = _differing(made, try_all)
            if bad:
                vector = dict(made)[bad[0]]
                break
        else:
            return vector


def simpler_state(vector, try_all):
    """Takes what is possible alone, then as much of that as is possible together."""
    made = _made(recorder.SIMPLER, lambda what, number: recorder.zero(vector, what, number))
    wanted = _differing(made, try_all)
    while wanted:
        prefixes, current = [], vector
        for what in wanted:
            simple = recorder.zero(current, what, _number(len(prefixes)))
            if not simple:
                break
            prefixes.append((len(prefixes) + 1, simple))
            current = simple
        bad = _differing(prefixes, try_all)
        longest = 0
        while longest + 1 in bad:
            longest += 1
        if longest:
            vector = dict(prefixes)[longest]
        wanted = wanted[longest + 1:]               # the next one does not go together with those before
    return vector


def shrink(vector, cpu, options=(), spoil=lambda vector: vector):
    """The minimal vector that still differs on `cpu`, or the vector itself if nothing smaller does. `spoil` changes the vectors
    before they are replayed (a test of this very function)."""
    def try_all(candidates):
        return replay_vectors([(number, spoil(candidate)) for number, candidate in candidates], cpu, options).mismatches
    vector = fewer_instructions(vector, try_all)
    return simpler_state(vector, try_all)


# ---- the proof that it works: a recording that is wrong about one instruction, wherever it stands
SPOILED_CODE = bytes.fromhex("410fcb")          # bswap r11d
_CASE = """
vector 5
at 20001600
window 1
in rax 1234
in rbx 5678
in r11 11223344
in xmm1 5
code 48ffc0
code 4801d8
code 7402
code 4899
code 410fcb
code 0fafc8
code 660fefc1
code f7d2
outcome end
out rip 20001617
"""


def spoiled_case():
    """A sequence of eight instructions, as this processor runs it."""
    return recorder.drop(recorder.from_text(_CASE), 0, 0, 5)


def spoil(vector):
    """The vector with a wrong r11 at the end if it contains SPOILED_CODE."""
    if SPOILED_CODE not in vectors.code(vector):
        return vector
    at = vectors.OUT_AT + 11 * 8
    return vector[:at] + bytes([vector[at] ^ 1]) + vector[at + 1:]


def as_case(vector):
    """The case to commit, with a number of its own, so that all committed cases go into one boot."""
    return recorder.text(recorder.drop(vector, 0, 0, _number(zlib.crc32(vectors.code(vector)) % ROUND)) or vector)
