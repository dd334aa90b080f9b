"""Normal returns with a Poisson number of normal jumps, compiled: density, and the likelihood of Merton's model.

A return is mean + normal (variance) + the sum of n jumps, n Poisson (intensity), each normal (jump_mean,
jump_variance). Its density is the series over n = 0, 1, ...; terms are added until no later one can count
(their bound lies 40 in the logarithm below the largest), at most as many as there is scratch.
Source: Merton (1976), J. Financial Economics 3. With GARCH variance: `garch_jump.py`.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
LOG_TWO_PI = math.log(2.0 * math.pi)
NEGLIGIBLE = 40.0


@njit(cache=True, error_model="numpy")
def jump_terms(
    residual: float, variance: float, intensity: float, jump_mean: float, jump_variance: float, weights_k: Array
) -> tuple[float, int]:
    """(log density of a residual, number of terms); weights_k (terms,) become P(n = k | residual).

    residual: the return less its mean without jumps. intensity > 0, variance > 0.
    """
    log_poisson, log_intensity, largest, count = -intensity, math.log(intensity), -np.inf, 0
    for k in range(weights_k.size):
        if k > 0:
            log_poisson += log_intensity - math.log(k)
        spread = variance + k * jump_variance
        bound = log_poisson - 0.5 * (LOG_TWO_PI + math.log(spread))
        if k > intensity and bound < largest - NEGLIGIBLE:
            break
        distance = residual - k * jump_mean
        weights_k[k] = bound - 0.5 * distance * distance / spread
        largest = max(largest, weights_k[k])
        count = k + 1
    total = 0.0
    for k in range(count):
        weights_k[k] = math.exp(weights_k[k] - largest)
        total += weights_k[k]
    for k in range(count):
        weights_k[k] /= total
    return largest + math.log(total), count


@njit(cache=True, error_model="numpy")
def merton_scores(
    returns: Array,
    mean: float,
    variance: float,
    intensity: float,
    jump_mean: float,
    jump_variance: float,
    weights_k: Array,
    increments_t: Array,
    scores_tp: Array,
) -> float:
    """Log-likelihood of returns (n,); fills increments_t (n,) and scores_tp (n, 5), exact derivatives.

    Parameters in the order of the arguments: mean (of the part without jumps), variance, intensity, jump_mean,
    jump_variance, all per observation. weights_k: scratch, as many as there may be jumps in one observation.
    """
    total = 0.0
    for t in range(returns.size):
        residual = returns[t] - mean
        increments_t[t], count = jump_terms(residual, variance, intensity, jump_mean, jump_variance, weights_k)
        total += increments_t[t]
        scores_tp[t, :] = 0.0
        for k in range(count):
            spread = variance + k * jump_variance
            slope = (residual - k * jump_mean) / spread
            curve = 0.5 * (slope * slope - 1.0 / spread)
            scores_tp[t, 0] += weights_k[k] * slope
            scores_tp[t, 1] += weights_k[k] * curve
            scores_tp[t, 2] += weights_k[k] * (k / intensity - 1.0)
            scores_tp[t, 3] += weights_k[k] * k * slope
            scores_tp[t, 4] += weights_k[k] * k * curve
    return total
