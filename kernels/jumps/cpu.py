"""Normal returns with a Poisson number of normal jumps, compiled: density, Merton likelihood, GARCH with jumps.

A return is mean + normal (variance) + the sum of n jumps, n Poisson (intensity), each normal (jump_mean,
jump_variance). Its density is the series over n = 0, 1, ...; terms are added until no later one can count
(their bound lies 40 in the logarithm below the largest), at most as many as there is scratch.
Sources: Merton (1976), J. Financial Economics 3; Maheu and McCurdy (2004), J. Finance 59(2), eq. 4, 8-11.
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


@njit(cache=True, error_model="numpy")
def garch_jump_filter(
    values: Array,
    mean: float,
    phi_i: Array,
    theta_j: Array,
    garch_p: Array,
    jump_p: Array,
    start_variance: float,
    weights_k: Array,
    residuals_t: Array,
    variances_t: Array,
    intensities_t: Array,
    expected_t: Array,
    increments_t: Array,
) -> float:
    """Log-likelihood of an ARMA with GARCH(1,1) variance and jumps of autoregressive intensity; fills the rest (n,).

    mean_t = mean + sum phi_i (value_{t-i} - mean) + sum theta_j residual_{t-j}, nothing before the first value;
    variance_t = omega + alpha residual_{t-1}^2 + beta variance_{t-1}, garch_p = (omega, alpha, beta);
    intensity_t = lambda + rho intensity_{t-1} + gamma (E[n_{t-1} | values] - intensity_{t-1}),
    jump_p = (lambda, rho, gamma, jump_mean, jump_variance); it begins at lambda / (1 - rho).
    residual_t = value_t - mean_t: normal part and jumps, these less their expectation intensity_t * jump_mean.
    expected_t: E[n_t | values to t].
    """
    omega, alpha, beta = garch_p[0], garch_p[1], garch_p[2]
    base, rho, gamma, jump_mean, jump_variance = jump_p[0], jump_p[1], jump_p[2], jump_p[3], jump_p[4]
    total = 0.0
    for t in range(values.size):
        centre = mean
        for i in range(min(phi_i.size, t)):
            centre += phi_i[i] * (values[t - 1 - i] - mean)
        for j in range(min(theta_j.size, t)):
            centre += theta_j[j] * residuals_t[t - 1 - j]
        if t == 0:
            variances_t[t], intensities_t[t] = start_variance, base / (1.0 - rho)
        else:
            variances_t[t] = omega + alpha * residuals_t[t - 1] * residuals_t[t - 1] + beta * variances_t[t - 1]
            surprise = expected_t[t - 1] - intensities_t[t - 1]
            intensities_t[t] = base + rho * intensities_t[t - 1] + gamma * surprise
        residuals_t[t] = values[t] - centre
        increments_t[t], count = jump_terms(
            residuals_t[t] + intensities_t[t] * jump_mean,
            variances_t[t],
            intensities_t[t],
            jump_mean,
            jump_variance,
            weights_k,
        )
        expected_t[t] = 0.0
        for k in range(1, count):
            expected_t[t] += k * weights_k[k]
        total += increments_t[t]
    return total
