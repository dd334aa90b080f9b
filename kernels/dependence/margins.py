"""GARCH(1,1) of one series with its derivatives: what a joint likelihood of several series needs of each.

One series is an independent unit. Parameters in the order mean coefficients, omega, alpha, beta.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LOG_TWO_PI = math.log(2.0 * math.pi)


@njit(cache=True, error_model="numpy")
def garch_derivatives(
    residuals: Floats, regressors: Floats, omega: float, alpha: float, beta: float, variances: Floats, slopes: Floats
) -> float:
    """Variances h_1 to h_{n+1} into `variances` (n + 1,), dh/dparameters into `slopes` (n + 1, k + 3); returns start.

    `residuals` (n,) are returns minus `regressors` (n, k) times the mean coefficients. Presample e^2 = h = start, the
    mean of the squared residuals, and its dependence on the mean coefficients is in the derivatives. Fiorentini,
    Calzolari and Panattoni (1996), equations 6 to 9.
    """
    n, k = regressors.shape
    start = 0.0
    for t in range(n):
        start += residuals[t] * residuals[t]
    start /= n
    variances[0] = omega + (alpha + beta) * start
    for j in range(k):
        product = 0.0
        for t in range(n):
            product += residuals[t] * regressors[t, j]
        slopes[0, j] = -2.0 * (alpha + beta) * product / n
    slopes[0, k] = 1.0
    slopes[0, k + 1] = start
    slopes[0, k + 2] = start
    for t in range(n):
        squared = residuals[t] * residuals[t]
        variances[t + 1] = omega + alpha * squared + beta * variances[t]
        for j in range(k):
            slopes[t + 1, j] = -2.0 * alpha * residuals[t] * regressors[t, j] + beta * slopes[t, j]
        slopes[t + 1, k] = 1.0 + beta * slopes[t, k]
        slopes[t + 1, k + 1] = squared + beta * slopes[t, k + 1]
        slopes[t + 1, k + 2] = variances[t] + beta * slopes[t, k + 2]
    return float(start)


@njit(cache=True, error_model="numpy")
def garch_scores(
    residuals: Floats,
    regressors: Floats,
    variances: Floats,
    slopes: Floats,
    scores: Floats,
    standardised_slopes: Floats,
) -> float:
    """Normal log-likelihood; d loglik_t / dparameters into `scores`, d e_t / dparameters into `standardised_slopes`.

    Both (n, k + 3), e_t = residual / sqrt(variance). Takes what `garch_derivatives` gave.
    """
    n, k = regressors.shape
    total = 0.0
    for t in range(n):
        variance = variances[t]
        inverse = 1.0 / variance
        deviation = math.sqrt(inverse)
        standardised = residuals[t] * deviation
        squared = standardised * standardised
        total -= 0.5 * (LOG_TWO_PI + math.log(variance) + squared)
        for j in range(k + 3):
            scores[t, j] = 0.5 * (squared - 1.0) * inverse * slopes[t, j]
            standardised_slopes[t, j] = -0.5 * standardised * inverse * slopes[t, j]
        for j in range(k):
            scores[t, j] += standardised * deviation * regressors[t, j]
            standardised_slopes[t, j] -= deviation * regressors[t, j]
    return total


@njit(cache=True, error_model="numpy")
def garch_evaluate(
    returns: Floats,
    regressors: Floats,
    parameters: Floats,
    residuals: Floats,
    variances: Floats,
    slopes: Floats,
    scores: Floats,
    standardised_slopes: Floats,
) -> float:
    """Log-likelihood at `parameters`; the other arrays are filled as `garch_derivatives` and `garch_scores` say."""
    n, k = regressors.shape
    for t in range(n):
        residuals[t] = returns[t]
        for j in range(k):
            residuals[t] -= parameters[j] * regressors[t, j]
    omega, alpha, beta = float(parameters[k]), float(parameters[k + 1]), float(parameters[k + 2])
    garch_derivatives(residuals, regressors, omega, alpha, beta, variances, slopes)
    return garch_scores(residuals, regressors, variances, slopes, scores, standardised_slopes)
