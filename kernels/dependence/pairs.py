"""Composite likelihood of dynamic correlation, compiled: the sum over all pairs of the pair's own likelihood.

O(assets^2) a time instead of O(assets^3), and never singular unless two series are one; Pakel, Shephard, Sheppard and
Engle (2021). One pair is an independent unit. Times are taken in blocks, so that a block stays in the cache while all
pairs pass over it, and the innermost loop runs over pairs that share a series.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK = 32
FACTORS = 16  # of 1 - r^2 multiplied before a logarithm is taken; each is above 1e-18, so none underflows


def composite_work(assets: int) -> Floats:
    """Memory for `composite_logliks`: Q of all pairs, its diagonal, and per time of a block and asset three sums."""
    return np.zeros((assets + 1 + 3 * BLOCK, assets))


@njit(cache=True, error_model="numpy")
def _pair_terms(
    e: Floats, roots: Floats, i: int, own: Floats, rest: Floats, a: float, b: float, squares: Floats, products: Floats
) -> None:
    """All pairs (i, j < i) at one time: their terms are taken, then their q moves on.

    `rest` (i,) is what does not depend on this time's products; `own` (i,) the q_ij; `roots` 1 / sqrt(q_jj).
    """
    one, scale = e[i], roots[i]
    for j in range(i):
        r = own[j] * scale * roots[j]
        free = 1.0 - r * r
        both = one * one + e[j] * e[j]
        squares[j] += (both - 2.0 * r * one * e[j]) / free - both
        products[j] *= free if free > 0.0 else np.nan
        own[j] = rest[j] + a * one * e[j] + b * own[j]


@njit(cache=True, error_model="numpy")
def _flush(products: Floats, squares: Floats, count: int, assets: int) -> None:
    """Logarithms of the products into the sums."""
    for lane in range(count):
        for j in range(assets):
            squares[lane, j] += math.log(products[lane, j])
            products[lane, j] = 1.0


@njit(cache=True, error_model="numpy")
def _diagonals(
    standardised: Floats,
    first: int,
    count: int,
    targets: tuple[Floats, Floats],
    coefficients: tuple[float, float, float],
    diagonal: Floats,
    roots: Floats,
) -> None:
    """1 / sqrt(q_ii) of `count` times from `first`; `diagonal` (assets,) moves on."""
    a, b, g = coefficients
    for lane in range(count):
        for i in range(len(diagonal)):
            roots[lane, i] = 1.0 / math.sqrt(diagonal[i])
            e = standardised[first + lane, i]
            negative = min(e, 0.0)
            rest = (1.0 - a - b) * targets[0][i, i] - g * targets[1][i, i]
            diagonal[i] = rest + a * e * e + g * negative * negative + b * diagonal[i]


@njit(cache=True, error_model="numpy")
def composite_logliks(
    standardised: Floats,
    target: Floats,
    negative_target: Floats,
    a: float,
    b: float,
    g: float,
    rest: Floats,
    work: Floats,
    logliks: Floats,
) -> float:
    """`reference.composite_logliks` of `standardised` (n, assets) into `logliks` (n,), and their sum; nan if singular.

    `rest` (assets, assets) and `work` of `composite_work` are scratch.
    """
    n, assets = standardised.shape
    quasi, diagonal = work[:assets], work[assets]
    roots = work[assets + 1 : assets + 1 + BLOCK]
    squares, products = work[assets + 1 + BLOCK : assets + 1 + 2 * BLOCK], work[assets + 1 + 2 * BLOCK :]
    for i in range(assets):
        diagonal[i] = target[i, i]
        for j in range(i):
            quasi[i, j] = target[i, j]
            rest[i, j] = (1.0 - a - b) * target[i, j] - g * negative_target[i, j]
    total = 0.0
    for first in range(0, n, BLOCK):
        count = min(BLOCK, n - first)
        _diagonals(standardised, first, count, (target, negative_target), (a, b, g), diagonal, roots)
        squares[:], products[:] = 0.0, 1.0
        for i in range(1, assets):
            for lane in range(count):
                e = standardised[first + lane]
                _pair_terms(e, roots[lane], i, quasi[i], rest[i], a, b, squares[lane], products[lane])
                if g != 0.0 and e[i] < 0.0:
                    weight = g * e[i]
                    for j in range(i):
                        quasi[i, j] += weight * min(e[j], 0.0)
            if i % FACTORS == 0 or i + 1 == assets:
                _flush(products, squares, count, assets)
        for lane in range(count):
            value = 0.0
            for j in range(assets):
                value += squares[lane, j]
            logliks[first + lane] = -0.5 * value
            total -= 0.5 * value
    return total
