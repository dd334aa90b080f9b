"""Dynamic conditional correlation: the path, one step of it, its log-likelihood and its scores, compiled.

One parameter point is an independent unit of work: all memory is the caller's. Symmetric matrices are full and
C-ordered; only their lower triangle is read. See `reference.py` for the formulas.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def quasi_step(
    quasi: Floats, standardised: Floats, target: Floats, negative_target: Floats, a: float, b: float, g: float
) -> None:
    """Q_{t+1} in the place of Q_t, lower triangle and diagonal only; O(assets^2), no allocation."""
    rest = 1.0 - a - b
    for i in range(len(standardised)):
        e = standardised[i]
        weight = a * e
        for j in range(i + 1):
            quasi[i, j] = rest * target[i, j] + weight * standardised[j] + b * quasi[i, j]
        if g != 0.0:
            negative = g * min(e, 0.0)
            for j in range(i + 1):
                quasi[i, j] += negative * min(standardised[j], 0.0) - g * negative_target[i, j]


@njit(cache=True, error_model="numpy")
def correlation_of(quasi: Floats, correlation: Floats) -> None:
    """R of one Q (lower triangle read), full, its diagonal exactly one."""
    n = len(quasi)
    for i in range(n):
        correlation[i, i] = 1.0 / math.sqrt(quasi[i, i])
    for i in range(n):
        for j in range(i):
            correlation[i, j] = quasi[i, j] * correlation[i, i] * correlation[j, j]
            correlation[j, i] = correlation[i, j]
    for i in range(n):
        correlation[i, i] = 1.0


@njit(cache=True, error_model="numpy")
def dcc_path(
    standardised: Floats,
    target: Floats,
    negative_target: Floats,
    a: float,
    b: float,
    g: float,
    quasi: Floats,
    correlations: Floats,
) -> None:
    """R_1, R_2, ... into `correlations` (first m <= n + 1 of them); `quasi` ends as the lower triangle of Q_{n+1}."""
    n, assets = standardised.shape
    for i in range(assets):
        for j in range(i + 1):
            quasi[i, j] = target[i, j]
    for t in range(n + 1):
        if t < len(correlations):
            correlation_of(quasi, correlations[t])
        if t < n:
            quasi_step(quasi, standardised[t], target, negative_target, a, b, g)


@njit(cache=True, error_model="numpy")
def online_step(
    residuals: Floats,
    garch: Floats,
    variances: Floats,
    quasi: Floats,
    target: Floats,
    negative_target: Floats,
    a: float,
    b: float,
    g: float,
    standardised: Floats,
    covariance: Floats,
) -> None:
    """One observation of all series into the state, and the covariance of the next one; O(assets^2), no allocation.

    State: `variances` (assets,) and `quasi` (assets, assets, lower triangle) of this observation, moved to the next.
    `garch` (3, assets): omega, alpha, beta. `standardised` (assets,) and `covariance` (assets, assets) are written.
    """
    n = len(residuals)
    for i in range(n):
        squared = residuals[i] * residuals[i]
        standardised[i] = residuals[i] / math.sqrt(variances[i])
        variances[i] = garch[0, i] + garch[1, i] * squared + garch[2, i] * variances[i]
    quasi_step(quasi, standardised, target, negative_target, a, b, g)
    for i in range(n):
        covariance[i, i] = math.sqrt(variances[i] / quasi[i, i])
    for i in range(n):
        for j in range(i):
            covariance[i, j] = quasi[i, j] * covariance[i, i] * covariance[j, j]
            covariance[j, i] = covariance[i, j]
    for i in range(n):
        covariance[i, i] = variances[i]
