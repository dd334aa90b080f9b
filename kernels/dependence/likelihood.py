"""The log-likelihood of dynamic correlation, compiled: the second step of Engle (2002).

Q_t is a recursion in time, but its factorisation at one time does not wait for another. So LANES times are collected
and factorised side by side: the innermost loops run over times at unit stride and vectorise without reordering any sum.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LANES = 8


def likelihood_work(assets: int) -> Floats:
    """Memory for `dcc_loglik`: the quasi-correlations of LANES times, and one vector more."""
    return np.zeros((assets * (assets + 1) // 2 + assets, LANES))


@njit(cache=True, error_model="numpy")
def _collect(
    standardised: Floats,
    first: int,
    count: int,
    intercept: Floats,
    coefficients: tuple[float, float, float],
    quasi: Floats,
    work: Floats,
) -> None:
    """Q at times first .. first + count - 1 into the lanes of `work`, packed by rows; `quasi` moves on to the next."""
    a, b, g = coefficients
    assets = standardised.shape[1]
    for lane in range(LANES):
        row = standardised[first + min(lane, count - 1)]
        k = 0
        for i in range(assets):
            for _ in range(i + 1):
                work[k, lane] = quasi[k]
                k += 1
        if lane >= count:
            continue
        k = 0
        for i in range(assets):
            weight = a * row[i]
            for j in range(i + 1):
                quasi[k + j] = intercept[k + j] + weight * row[j] + b * quasi[k + j]
            if g != 0.0 and row[i] < 0.0:
                weight = g * row[i]
                for j in range(i + 1):
                    quasi[k + j] += weight * min(row[j], 0.0)
            k += i + 1


@njit(cache=True, error_model="numpy")
def _factorise(work: Floats, assets: int) -> None:
    """Cholesky factors in place, reciprocals of the pivots on the diagonal; nan if not positive definite."""
    for i in range(assets):
        row = i * (i + 1) // 2
        for j in range(i + 1):
            other = j * (j + 1) // 2
            for k in range(j):
                for lane in range(LANES):
                    work[row + j, lane] -= work[row + k, lane] * work[other + k, lane]
            if j < i:
                for lane in range(LANES):
                    work[row + j, lane] *= work[other + j, lane]
        for lane in range(LANES):
            work[row + i, lane] = 1.0 / math.sqrt(work[row + i, lane])


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
    """Sum of `reference.dcc_logliks`; nan where a Q_t is not positive definite.

    `standardised` (n, assets); `intercept` and `quasi` are scratch of assets * (assets + 1) / 2, `work` is of
    `likelihood_work`. log|R| + e'R^-1 e is taken as log|Q| - sum log q_ii + w'Q^-1 w with w_i = e_i sqrt(q_ii).
    """
    n, assets = standardised.shape
    packed = assets * (assets + 1) // 2
    k = 0
    for i in range(assets):
        for j in range(i + 1):
            quasi[k] = target[i, j]
            intercept[k] = (1.0 - a - b) * target[i, j] - g * negative_target[i, j]
            k += 1
    total = 0.0
    for first in range(0, n, LANES):
        count = min(LANES, n - first)
        _collect(standardised, first, count, intercept, (a, b, g), quasi, work)
        for i in range(assets):
            for lane in range(LANES):
                e = standardised[first + min(lane, count - 1), i]
                work[packed + i, lane] = e * math.sqrt(work[i * (i + 1) // 2 + i, lane])
        total += _lanes_loglik(standardised, first, count, work)
    return total


@njit(cache=True, error_model="numpy")
def _lanes_loglik(standardised: Floats, first: int, count: int, work: Floats) -> float:
    """Sum over the lanes in use; `work` holds Q and below it w."""
    assets = standardised.shape[1]
    packed = assets * (assets + 1) // 2
    total = 0.0
    ones = np.ones(LANES)
    for i in range(assets):
        diagonal = i * (i + 1) // 2 + i
        for lane in range(LANES):
            ones[lane] *= work[diagonal, lane]
    _factorise(work, assets)
    for i in range(assets):
        row = i * (i + 1) // 2
        for k in range(i):
            for lane in range(LANES):
                work[packed + i, lane] -= work[row + k, lane] * work[packed + k, lane]
        for lane in range(LANES):
            work[packed + i, lane] *= work[row + i, lane]
            ones[lane] *= work[row + i, lane] * work[row + i, lane]
    for lane in range(count):
        total += math.log(ones[lane])
        for i in range(assets):
            e = standardised[first + lane, i]
            total += e * e - work[packed + i, lane] * work[packed + i, lane]
    return 0.5 * total
