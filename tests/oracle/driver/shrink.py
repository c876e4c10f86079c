# SPDX-License-Identifier: MIT
"""From a vector that differs to a minimal one. Every round records many smaller candidates and replays them in one boot; the
smallest that still differs is the start of the next round."""
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
