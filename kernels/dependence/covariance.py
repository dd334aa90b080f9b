"""Exponentially weighted covariance, one observation at a time, compiled."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def ewma_step(covariance: Floats, weight_sum: float, observation: Floats, decay: float) -> float:
    """Takes one `observation` (assets,) into `covariance` (assets, assets) in place; returns the new sum of weights.

    Begin with zeros and a sum of 0. After n steps the matrix is the one of `reference.ewma_covariance`: weights
    decay**age, divided by their sum, so no start value is invented. O(assets^2), no allocation.
    """
    total = decay * weight_sum + 1.0
    gain = 1.0 / total
    for i in range(len(observation)):
        for j in range(i + 1):
            covariance[i, j] += gain * (observation[i] * observation[j] - covariance[i, j])
            covariance[j, i] = covariance[i, j]
    return total


@njit(cache=True, error_model="numpy")
def ewma_filter(returns: Floats, decay: float, covariance: Floats) -> float:
    """All rows of `returns` (n, assets) through `ewma_step` from zero; returns the sum of weights."""
    covariance[:] = 0.0
    weight_sum = 0.0
    for t in range(len(returns)):
        weight_sum = ewma_step(covariance, weight_sum, returns[t], decay)
    return weight_sum
