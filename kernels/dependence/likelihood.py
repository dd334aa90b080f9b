"""The log-likelihood of dynamic correlation, compiled: the second step of Engle (2002).

Q_t is a recursion in time, but its factorisation at one time does not wait for another. So LANES times are collected
and factorised side by side, one in each lane of the vector unit; no sum is reordered.

One block of `work`, rows of LANES doubles, for `n` assets:

    0 .. n(n+1)/2            lower triangle of Q by rows, then its Cholesky factor with reciprocal pivots
    n(n+1)/2 .. + n          w_i = e_i sqrt(q_ii), then the factor's inverse times w
    + n                      q_ii
    + 2                      the product of some q_ii / pivot^2, and minus the sum of squares of the solved w
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kernels.dependence.lanes import (
    LANES,
    multiply,
    multiply_by_root,
    reciprocal_root,
    subtract_products,
    subtract_products_twice,
)

Floats = NDArray[np.float64]
FACTORS = 16  # of q_ii / pivot^2 >= 1 multiplied before a logarithm is taken: none overflows below a condition of 1e19


def likelihood_work(assets: int) -> Floats:
    """Memory for `dcc_loglik`, (rows, LANES)."""
    return np.zeros((assets * (assets + 1) // 2 + 2 * assets + 2, LANES))


@njit(cache=True, error_model="numpy")
def _collect(
    standardised: Floats,
    first: int,
    intercept: Floats,
    coefficients: tuple[float, float, float],
    quasi: Floats,
    work: Floats,
) -> None:
    """Q and e of times first .. first + LANES - 1 into the lanes of `work`; `quasi` (packed) moves on to the next.

    Lanes beyond the last time hold Q = identity and e = 0, which add nothing.
    """
    a, b, g = coefficients
    n, assets = standardised.shape
    packed = len(quasi)
    count = min(LANES, n - first)
    for i in range(assets):
        for lane in range(count):
            work[packed + i, lane] = standardised[first + lane, i]
    k = 0
    for i in range(assets):
        e = work[packed + i]
        for j in range(i + 1):
            other, place = work[packed + j], work[k]
            rest, value = intercept[k], quasi[k]
            if g == 0.0:
                for lane in range(LANES):
                    place[lane] = value
                    value = b * value + (rest + a * e[lane] * other[lane])
            else:
                for lane in range(LANES):
                    place[lane] = value
                    value = (
                        b * value + (rest + a * e[lane] * other[lane]) + g * min(e[lane], 0.0) * min(other[lane], 0.0)
                    )
            quasi[k] = value
            k += 1
    for lane in range(count, LANES):
        work[: packed + assets, lane] = 0.0
        for i in range(assets):
            work[i * (i + 1) // 2 + i, lane] = 1.0


@njit(cache=True, error_model="numpy")
def _factorise(work: Floats, assets: int) -> None:
    """Cholesky factors with reciprocal pivots, and their inverses times w, in place; nan if not positive definite."""
    for i in range(0, assets + 1, 2):
        row = i * (i + 1) // 2
        following = row + i + 1
        paired = i < assets
        for j in range(i):
            other = j * (j + 1) // 2
            if paired:
                subtract_products_twice(work, row + j, following + j, row, following, other, j)
                multiply(work, following + j, other + j)
            else:
                subtract_products(work, row + j, row, other, j)
            multiply(work, row + j, other + j)
        if paired:
            subtract_products(work, row + i, row, row, i)
            reciprocal_root(work, row + i)
            subtract_products(work, following + i, following, row, i)
            multiply(work, following + i, row + i)
            if i + 1 < assets:
                subtract_products(work, following + i + 1, following, following, i + 1)
                reciprocal_root(work, following + i + 1)


@njit(cache=True, error_model="numpy")
def _lanes_loglik(work: Floats, assets: int) -> float:
    """log|Q| - sum log q_ii + w'Q^-1 w over all lanes, times -1, from what `_collect` gave."""
    packed = assets * (assets + 1) // 2
    diagonals, product = packed + assets, packed + 2 * assets
    squares = product + 1
    for i in range(assets):
        diagonal = i * (i + 1) // 2 + i
        work[diagonals + i] = work[diagonal]
        multiply_by_root(work, packed + i, diagonal)
    _factorise(work, assets)
    total = 0.0
    work[product], work[squares] = 1.0, 0.0
    for i in range(assets):
        diagonal = i * (i + 1) // 2 + i
        for lane in range(LANES):
            work[product, lane] *= work[diagonals + i, lane] * (work[diagonal, lane] * work[diagonal, lane])
        if (i + 1) % FACTORS == 0 or i + 1 == assets:
            for lane in range(LANES):
                total += math.log(work[product, lane])
            work[product] = 1.0
    subtract_products(work, squares, packed, packed, assets)
    for lane in range(LANES):
        total += work[squares, lane]
    return total


@njit(cache=True, error_model="numpy")
def dcc_loglik(
    standardised: Floats,
    target: Floats,
    negative_target: Floats,
    a: float,
    b: float,
    g: float,
    intercept: Floats,
    quasi: Floats,
    work: Floats,
) -> float:
    """Sum of `reference.dcc_logliks`; not finite where a Q_t is not positive definite.

    `standardised` (n, assets); `intercept` and `quasi` are scratch of assets * (assets + 1) / 2, `work` is of
    `likelihood_work`. log|R| + e'R^-1 e is taken as log|Q| - sum log q_ii + w'Q^-1 w with w_i = e_i sqrt(q_ii).
    """
    n, assets = standardised.shape
    k = 0
    for i in range(assets):
        for j in range(i + 1):
            quasi[k] = target[i, j]
            intercept[k] = (1.0 - a - b) * target[i, j] - g * negative_target[i, j]
            k += 1
    total = 0.0
    for first in range(0, n, LANES):
        _collect(standardised, first, intercept, (a, b, g), quasi, work)
        total += _lanes_loglik(work, assets)
    for t in range(n):
        for i in range(assets):
            total += standardised[t, i] * standardised[t, i]
    return 0.5 * total
