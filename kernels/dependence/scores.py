"""Scores of dynamic correlation with respect to everything it depends on, compiled: one forward pass.

A parameter of one series moves one row and column of Q_t only, so its derivative is a vector recursion of length
`assets`; a target correlation moves one element by a factor common to all of them. With the inverse of Q_t at hand each
score is then a short product: (n, parameters) of them cost little more than the likelihood.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, error_model="numpy")
def invert(matrix: Floats, inverse: Floats) -> None:
    """Full inverse of a positive definite matrix whose lower triangle is read; nan if it is not."""
    n = len(matrix)
    for i in range(n):
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= inverse[i, k] * inverse[j, k]
            inverse[i, j] = 1.0 / math.sqrt(value) if i == j else value * inverse[j, j]
    for i in range(n):  # the inverse of the factor, transposed, into the upper triangle with its diagonal as it is
        for j in range(i - 1, -1, -1):
            value = inverse[i, j] * inverse[j, j]
            for k in range(j + 1, i):
                value += inverse[i, k] * inverse[j, k]
            inverse[j, i] = -value * inverse[i, i]
    for i in range(n):
        for j in range(i + 1):
            value = 0.0
            for k in range(i + 1, n):
                value += inverse[i, k] * inverse[j, k]
            value += inverse[i, i] * inverse[j, i]
            inverse[i, j] = value
    for i in range(n):
        for j in range(i):
            inverse[j, i] = inverse[i, j]


@njit(cache=True, error_model="numpy")
def _density_slope(quasi: Floats, e: Floats, slope: Floats, direct: Floats, weighted: Floats) -> float:
    """Density of one time; d density / dQ (full, symmetric) into `slope`, d density / de with Q held into `direct`."""
    n = len(e)
    invert(quasi, slope)
    value = 0.0
    for i in range(n):
        weighted[i] = e[i] * math.sqrt(quasi[i, i])
    for i in range(n):
        solved = 0.0
        for j in range(n):
            solved += slope[i, j] * weighted[j]
        direct[i] = solved
    for i in range(n):
        for j in range(n):
            slope[i, j] = -0.5 * (slope[i, j] - direct[i] * direct[j])
    for i in range(n):
        deviation = math.sqrt(quasi[i, i])
        slope[i, i] -= 0.5 * (direct[i] * e[i] / deviation - 1.0 / quasi[i, i])
        direct[i] = e[i] - direct[i] * deviation
        value += 0.5 * e[i] * direct[i]
    return value


@njit(cache=True, error_model="numpy")
def dcc_scores(
    standardised: Floats,
    slopes: Floats,
    owners: Integers,
    negative_slopes: Floats,
    target: Floats,
    negative_target: Floats,
    a: float,
    b: float,
    g: float,
    work: Floats,
    scores: Floats,
) -> None:
    """d loglik_t / d (margin parameters, target, a, b, g) into `scores` (n, p + m + 3); of `reference.dcc_logliks`.

    `slopes` (n, p): d e_t / d each of p margin parameters, of the series `owners` (p,). `negative_slopes` (p, assets):
    d negative_target[owner, :] / d parameter. `target` slots: m = 0 (left out) or assets * (assets + 1) / 2, packed by
    rows of the lower triangle, an element off the diagonal standing for itself and its mirror image. `work` (7 + p,
    assets, assets) is scratch.
    """
    n, assets = standardised.shape
    p = len(owners)
    m = scores.shape[1] - p - 3
    quasi, slope, by_a, by_b, by_g = work[0], work[1], work[2], work[3], work[4]
    direct, weighted, rows = work[5, 0], work[6, 0], work[7:, 0]
    work[:] = 0.0
    quasi[:] = target
    share = 1.0
    for t in range(n):
        e = standardised[t]
        _density_slope(quasi, e, slope, direct, weighted)
        for q in range(p):
            i = owners[q]
            value = direct[i] * slopes[t, q] - slope[i, i] * rows[q, i]
            for j in range(assets):
                value += 2.0 * slope[i, j] * rows[q, j]
            scores[t, q] = value
        if m > 0:
            k = p
            for i in range(assets):
                for j in range(i + 1):
                    scores[t, k] = slope[i, j] * share * (1.0 if i == j else 2.0)
                    k += 1
        _dynamics_scores(slope, by_a, by_b, by_g, scores[t, p + m :])
        _advance_rows(e, slopes[t], owners, negative_slopes, a, b, g, rows)
        for i in range(assets):
            for j in range(i + 1):
                product = e[i] * e[j]
                negative = min(e[i], 0.0) * min(e[j], 0.0)
                by_a[i, j] = product - target[i, j] + b * by_a[i, j]
                by_b[i, j] = quasi[i, j] - target[i, j] + b * by_b[i, j]
                by_g[i, j] = negative - negative_target[i, j] + b * by_g[i, j]
                rest = (1.0 - a - b) * target[i, j] - g * negative_target[i, j]
                quasi[i, j] = rest + a * product + g * negative + b * quasi[i, j]
        share = 1.0 - a - b + b * share


@njit(cache=True, error_model="numpy")
def _dynamics_scores(slope: Floats, by_a: Floats, by_b: Floats, by_g: Floats, out: Floats) -> None:
    out[:] = 0.0
    for i in range(len(slope)):
        for j in range(i + 1):
            weight = slope[i, j] * (1.0 if i == j else 2.0)
            out[0] += weight * by_a[i, j]
            out[1] += weight * by_b[i, j]
            out[2] += weight * by_g[i, j]


@njit(cache=True, error_model="numpy")
def _advance_rows(
    e: Floats,
    slopes: Floats,
    owners: Integers,
    negative_slopes: Floats,
    a: float,
    b: float,
    g: float,
    rows: Floats,
) -> None:
    """d Q[owner, :] / d parameter, one step on."""
    for q in range(len(owners)):
        i = owners[q]
        weight = a * slopes[q]
        for j in range(len(e)):
            rows[q, j] = b * rows[q, j] + weight * e[j]
        rows[q, i] += weight * e[i]
        if g != 0.0:
            negative = g * slopes[q] if e[i] < 0.0 else 0.0
            for j in range(len(e)):
                rows[q, j] += negative * min(e[j], 0.0) - g * negative_slopes[q, j]
            rows[q, i] += negative * min(e[i], 0.0)
