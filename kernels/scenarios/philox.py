"""Philox4x32-10: 128 random bits as a pure function of a counter and a key, so there is no state to share or order.

Salmon, Moraes, Dror, Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3". Only 32-bit words and products of 32
by 32 bits: a GPU computes the same integers. The counter of a draw, and so the meaning of every bit of a scenario:

    word 0  draw    pair of 64-bit words within the step: draw j gives word 2j and word 2j + 1
    word 1  step | stream << 24     step of the horizon from 0; stream: what the draw is for (below)
    word 2  path, low 32 bits
    word 3  path, high 32 bits
    key     seed, low and high 32 bits

A 64-bit word is (word 0 << 32 | word 1) or (word 2 << 32 | word 3) of the output.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

NORMAL, MIXING, BOOTSTRAP, JUMP = 0, 1, 2, 3  # streams
STEP_BITS = 24
ROUNDS = 10

Words = NDArray[np.uint64]
Word = Any  # a numba integer: uint32, or uint64 for a seed


@njit(cache=True, error_model="numpy", inline="always")
def philox4x32(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word, Word]:
    """Four random words of 32 bits from four counter words and two key words, all uint32."""
    for _ in range(ROUNDS):
        product_0 = np.uint64(0xD2511F53) * np.uint64(c0)
        product_1 = np.uint64(0xCD9E8D57) * np.uint64(c2)
        c0 = np.uint32(product_1 >> np.uint64(32)) ^ c1 ^ k0
        c2 = np.uint32(product_0 >> np.uint64(32)) ^ c3 ^ k1
        c1 = np.uint32(product_1)
        c3 = np.uint32(product_0)
        k0 = np.uint32(k0 + np.uint32(0x9E3779B9))
        k1 = np.uint32(k1 + np.uint32(0xBB67AE85))
    return c0, c1, c2, c3


@njit(cache=True, error_model="numpy", nogil=True)
def fill_words(words: Words, paths: NDArray[Any], count: int, draw: int, step: int, stream: int, seed: Word) -> None:
    """Draw number `draw` of the first `count` of `paths` into `words` (2, at least count), uint64. `seed` is uint64."""
    low = np.uint32(seed & np.uint64(0xFFFFFFFF))
    high = np.uint32(np.uint64(seed) >> np.uint64(32))
    purpose = np.uint32(np.uint32(step) | (np.uint32(stream) << np.uint32(STEP_BITS)))
    for i in range(count):
        path = np.uint64(paths[i])
        a, b, c, d = philox4x32(
            np.uint32(draw),
            purpose,
            np.uint32(path & np.uint64(0xFFFFFFFF)),
            np.uint32(path >> np.uint64(32)),
            low,
            high,
        )
        words[0, i] = (np.uint64(a) << np.uint64(32)) | np.uint64(b)
        words[1, i] = (np.uint64(c) << np.uint64(32)) | np.uint64(d)
