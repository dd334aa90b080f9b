"""Words to normals, to Student's mixing factor, to margins, compiled.

A word of 64 bits is the uniform ((word >> 11) + 1/2) 2**-53: every bit of a double, symmetric, never 0 or 1. What lies
above 1/2 is handled as its complement, whose bits are the word's inverted. Normals: the rational approximation of
AS 241 where |u - 1/2| <= 0.425, without a branch, so that it is vectorised; then the tails, gathered first, by table.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kernels.scenarios.fused import fma
from kernels.scenarios.marks import LANES, gather_below
from kernels.scenarios.tables import CENTRE_ABOVE, CENTRE_BELOW, PROBABILITY_BITS, SCORE_BITS, SMALLEST_EXPONENT

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
Word = Any  # a uint64 scalar

PROBABILITY_SHIFT = 52 - PROBABILITY_BITS
PROBABILITY_BASE = (1023 + SMALLEST_EXPONENT) << PROBABILITY_BITS
PROBABILITY_LOCAL = (1 << PROBABILITY_SHIFT) - 1
PROBABILITY_UNIT = 2.0**-PROBABILITY_SHIFT
SCORE_SHIFT = 52 - SCORE_BITS
SCORE_BASE = 1023 << SCORE_BITS
SCORE_LOCAL = (1 << SCORE_SHIFT) - 1
SCORE_UNIT = 2.0**-SCORE_SHIFT
TAIL = int(0.075 * 2**64)  # words below, and inverted words below, are tails
A0, A1, A2, A3, A4, A5, A6, A7 = CENTRE_ABOVE
B0, B1, B2, B3, B4, B5, B6, B7 = CENTRE_BELOW


@njit(cache=True, error_model="numpy", inline="always")
def uniform(word: Word) -> Any:
    """In (0, 1), 53 bits."""
    return np.float64(np.int64(word >> np.uint64(11))) * 2.0**-53 + 2.0**-54


@njit(cache=True, error_model="numpy", inline="always")
def nearer(word: Word) -> Any:
    """The word of the same distance from 0 as this one's from its nearer end."""
    return word ^ (np.uint64(0) - (word >> np.uint64(63)))


@njit(cache=True, error_model="numpy", inline="always")
def polynomial(table: Floats, piece: Word, local: float) -> Any:
    """Degree 5 by Horner, five fused operations."""
    value = fma(table[piece, 5], local, table[piece, 4])
    value = fma(value, local, table[piece, 3])
    value = fma(value, local, table[piece, 2])
    value = fma(value, local, table[piece, 1])
    return fma(value, local, table[piece, 0])


@njit(cache=True, error_model="numpy", inline="always")
def at_probability(table: Floats, v: float) -> Any:
    """A table over probabilities at v = (2 m + 1) 2**-54 below 1/2."""
    bits = np.float64(v).view(np.uint64)
    piece = np.uint64(bits >> np.uint64(PROBABILITY_SHIFT)) - np.uint64(PROBABILITY_BASE)
    return polynomial(table, piece, np.float64(np.int64(bits & np.uint64(PROBABILITY_LOCAL))) * PROBABILITY_UNIT - 0.5)


@njit(cache=True, error_model="numpy", inline="always")
def at_score(table: Floats, x: float) -> Any:
    """A table over scores at |x|; beyond its end, its last piece."""
    bits = np.float64(1.0 + abs(x)).view(np.uint64)
    piece = np.uint64(bits >> np.uint64(SCORE_SHIFT)) - np.uint64(SCORE_BASE)
    piece = min(piece, np.uint64(len(table) - 1))
    return polynomial(table, piece, np.float64(np.int64(bits & np.uint64(SCORE_LOCAL))) * SCORE_UNIT - 0.5)


@njit(cache=True, error_model="numpy", nogil=True)
def gathered(words: Words, count: int, places: Words) -> Any:
    """Places of the tails among words (count,), ascending, into `places`; gives how many there are."""
    tails: Any = 0
    whole = count - count % LANES
    for first in range(0, whole, LANES):  # tails lie around 0, the end of 64 bits included
        tails += gather_below(words, first, np.uint64(TAIL), np.uint64(2 * TAIL), places, tails)
    for i in range(whole, count):
        places[tails] = np.uint64(i)
        tails += np.int64(words[i] + np.uint64(TAIL) < np.uint64(2 * TAIL))
    return tails


@njit(cache=True, error_model="numpy", nogil=True)
def to_normals(words: Words, count: int, table: Floats, normals: Floats, places: Words) -> None:
    """Standard normals (count,) of words (count,); `table` of `tables.normal_table`; `places` (count,) is scratch."""
    for i in range(count):
        q = np.float64(np.int64(words[i] >> np.uint64(11))) * 2.0**-53 + (2.0**-54 - 0.5)
        r = fma(-q, q, 0.180625)
        above = fma(fma(fma(fma(fma(fma(fma(A7, r, A6), r, A5), r, A4), r, A3), r, A2), r, A1), r, A0)
        below = fma(fma(fma(fma(fma(fma(fma(B7, r, B6), r, B5), r, B4), r, B3), r, B2), r, B1), r, B0)
        normals[i] = q * above / below
    tails = gathered(words, count, places)
    for k in range(tails):
        i = places[k]
        value = at_probability(table, uniform(nearer(words[i])))
        normals[i] = -value if words[i] >> np.uint64(63) else value


@njit(cache=True, error_model="numpy", nogil=True)
def to_mixing(words: Words, count: int, table: Floats, mixing: Floats) -> None:
    """Mixing factors (count,) of words (count,); `table` of `tables.mixing_table`, its side the first bit."""
    for i in range(count):
        mixing[i] = at_probability(table[np.int64(words[i] >> np.uint64(63))], uniform(nearer(words[i])))


@njit(cache=True, error_model="numpy", nogil=True)
def to_margin(scores: Floats, count: int, table: Floats) -> None:
    """Scores (count,) of a copula to a margin, in place; `table` of `tables.t_margin_table`."""
    for i in range(count):
        value = at_score(table, scores[i])
        scores[i] = -value if scores[i] < 0.0 else value


@njit(cache=True, error_model="numpy", nogil=True)
def to_empirical(scores: Floats, count: int, table: Floats, ordered: Floats) -> None:
    """Scores (count,) to the quantiles of `ordered` (n,) ascending at rank (n + 1) p, in place, the ends held.

    `table` of `tables.probability_table`.
    """
    n = len(ordered)
    for i in range(count):
        below = at_score(table, scores[i])
        rank = (n + 1) * below if scores[i] < 0.0 else (n + 1) - (n + 1) * below
        rank = max(1.0, rank) if rank < n else 1.0 * n
        lower = np.int64(rank) if rank < n else n - 1
        fraction = rank - lower
        scores[i] = ordered[lower - 1] + fraction * (ordered[lower] - ordered[lower - 1])
