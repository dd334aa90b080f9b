"""Philox4x32-10 against Random123's known answers; the reference at 64 bits against numpy's own generator."""

import numpy as np
import pytest

from kernels.scenarios import reference
from kernels.scenarios.philox import BOOTSTRAP, JUMP, MIXING, NORMAL, fill_words, philox4x32

# Random123, tests/kat_vectors, lines "philox4x32 10"
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers_of_random123(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert reference.philox(counter, key) == expected
    assert tuple(int(word) for word in philox4x32(*map(np.uint32, (*counter, *key)))) == expected


def test_reference_at_64_bits_is_numpys_philox() -> None:
    key, counter = (123, 456), (7, 8, 9, 10)
    generator = np.random.Philox(counter=np.array(counter, np.uint64), key=np.array(key, np.uint64))
    drawn = tuple(generator.random_raw(4).tolist())
    assert reference.philox((counter[0] + 1, *counter[1:]), key, 64) == drawn  # numpy counts up before it draws


def test_words_of_paths_beyond_32_bits_and_of_every_stream_are_the_references() -> None:
    random = np.random.default_rng(1)
    paths = np.concatenate([random.integers(0, 1 << 62, 60), [0, 1, (1 << 32) - 1, 1 << 32]])
    seed = (1 << 63) + 12_345
    words = np.zeros((2, 64), np.uint64)
    for stream in (NORMAL, MIXING, BOOTSTRAP, JUMP):
        fill_words(words, paths, 64, 3, 5, stream, np.uint64(seed))
        expected = [reference.words(int(path), 3, 5, stream, seed) for path in paths]
        assert words.T.tolist() == [list(pair) for pair in expected]


def test_streams_steps_draws_and_seeds_share_no_word() -> None:
    words = np.zeros((2, 256), np.uint64)
    seen: set[int] = set()
    for draw, step, stream, seed in [(0, 0, 0, 1), (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1), (0, 0, 0, 2)]:
        fill_words(words, np.arange(256), 256, draw, step, stream, np.uint64(seed))
        seen |= set(words.ravel().tolist())
    assert len(seen) == 5 * 512
