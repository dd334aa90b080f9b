"""ARMA with GARCH(1,1) variance and Poisson jumps of autoregressive intensity, compiled, with exact derivatives.

    centre_t    = mean + sum phi_i (value_{t-i} - mean) + sum theta_j residual_{t-j}, nothing before the first value
    variance_t  = omega + alpha residual_{t-1}^2 + beta variance_{t-1}, from a given start
    intensity_t = base + rho intensity_{t-1} + gamma (E[n_{t-1} | values to t-1] - intensity_{t-1})

The intensity begins at base / (1 - rho). residual_t = value_t - centre_t holds the normal part and the jumps, these
less their expectation intensity_t * jump_mean.
Sources: Chan and Maheu (2002), J. Business & Economic Statistics 20(3); Maheu and McCurdy (2004), J. Finance 59(2),
eq. 4, 8-11. Derivatives are carried forward with the recursions; that of E[n | values] is a covariance over n.

The parameters, in this order (p,): mean, phi (ar), theta (ma), omega, alpha, beta, base, rho, gamma, jump_mean,
jump_variance.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kernels.jumps.cpu import jump_terms

Array = NDArray[np.float64]
JUMP_PARTIALS = 5  # of a residual's density: by residual, variance, intensity, jump_mean, jump_variance


@njit(cache=True, error_model="numpy")
def recursions(
    t: int, values: Array, parameters_p: Array, ar: int, ma: int, start_variance: float, paths_ct: Array
) -> None:
    """Fills column t of paths_ct (4, n): residual, variance, intensity; its last row needs the density first."""
    mean, first = parameters_p[0], 1 + ar + ma
    centre = mean
    for i in range(min(ar, t)):
        centre += parameters_p[1 + i] * (values[t - 1 - i] - mean)
    for j in range(min(ma, t)):
        centre += parameters_p[1 + ar + j] * paths_ct[0, t - 1 - j]
    paths_ct[0, t] = values[t] - centre
    base, rho, gamma = parameters_p[first + 3], parameters_p[first + 4], parameters_p[first + 5]
    if t == 0:
        paths_ct[1, t], paths_ct[2, t] = start_variance, base / (1.0 - rho)
        return
    residual, variance, intensity, expected = (
        paths_ct[0, t - 1],
        paths_ct[1, t - 1],
        paths_ct[2, t - 1],
        paths_ct[3, t - 1],
    )
    paths_ct[1, t] = (
        parameters_p[first] + parameters_p[first + 1] * residual * residual + parameters_p[first + 2] * variance
    )
    paths_ct[2, t] = base + rho * intensity + gamma * (expected - intensity)


@njit(cache=True, error_model="numpy")
def slopes(
    t: int,
    values: Array,
    parameters_p: Array,
    ar: int,
    ma: int,
    paths_ct: Array,
    residual_tp: Array,
    variance_p: Array,
    intensity_p: Array,
    expected_p: Array,
) -> None:
    """Derivatives of `recursions`: residual_tp[t], and variance_p, intensity_p (p,) brought from t - 1 to t.

    expected_p (p,): those of E[n_{t-1} | values to t-1].
    """
    mean, first = parameters_p[0], 1 + ar + ma
    alpha, beta = parameters_p[first + 1], parameters_p[first + 2]
    base, rho, gamma = parameters_p[first + 3], parameters_p[first + 4], parameters_p[first + 5]
    residual_tp[t, :] = 0.0
    residual_tp[t, 0] = -1.0
    for i in range(min(ar, t)):
        residual_tp[t, 0] += parameters_p[1 + i]
        residual_tp[t, 1 + i] -= values[t - 1 - i] - mean
    for j in range(min(ma, t)):
        residual_tp[t, 1 + ar + j] -= paths_ct[0, t - 1 - j]
        for p in range(first):
            residual_tp[t, p] -= parameters_p[1 + ar + j] * residual_tp[t - 1 - j, p]
    if t == 0:
        variance_p[:] = 0.0
        intensity_p[:] = 0.0
        intensity_p[first + 3] = 1.0 / (1.0 - rho)
        intensity_p[first + 4] = base / ((1.0 - rho) * (1.0 - rho))
        return
    residual = paths_ct[0, t - 1]
    for p in range(parameters_p.size):
        variance_p[p] = beta * variance_p[p] + 2.0 * alpha * residual * residual_tp[t - 1, p]
        intensity_p[p] = (rho - gamma) * intensity_p[p] + gamma * expected_p[p]
    variance_p[first] += 1.0
    variance_p[first + 1] += residual * residual
    variance_p[first + 2] += paths_ct[1, t - 1]
    intensity_p[first + 3] += 1.0
    intensity_p[first + 4] += paths_ct[2, t - 1]
    intensity_p[first + 5] += paths_ct[3, t - 1] - paths_ct[2, t - 1]


@njit(cache=True, error_model="numpy")
def density_partials(
    residual: float,
    variance: float,
    intensity: float,
    jump_mean: float,
    jump_variance: float,
    weights_k: Array,
    count: int,
    partials_xy: Array,
) -> None:
    """partials_xy (2, 5): derivatives of log density and of E[n | residual] by residual, variance, intensity, ...

    weights_k: P(n = k | residual), of which `count` count. The second row is the covariance over n of n and the
    derivatives of each term's logarithm.
    """
    expected = 0.0
    for k in range(count):
        expected += k * weights_k[k]
    partials_xy[:] = 0.0
    for k in range(count):
        spread = variance + k * jump_variance
        slope = (residual - k * jump_mean) / spread
        curve = 0.5 * (slope * slope - 1.0 / spread)
        terms = (-slope, curve, k / intensity - 1.0, k * slope, k * curve)
        for y in range(JUMP_PARTIALS):
            partials_xy[0, y] += weights_k[k] * terms[y]
            partials_xy[1, y] += weights_k[k] * (k - expected) * terms[y]


@njit(cache=True, error_model="numpy")
def garch_jump_filter(
    values: Array,
    parameters_p: Array,
    ar: int,
    ma: int,
    start_variance: float,
    weights_k: Array,
    paths_ct: Array,
    increments_t: Array,
) -> float:
    """Log-likelihood of values (n,); fills increments_t (n,) and paths_ct (4, n).

    Rows of the paths: residuals, variances (of the normal part), intensities, E[n_t | values to t]. weights_k: scratch,
    as many as there may be jumps in one observation.
    """
    jump_mean, jump_variance = parameters_p[-2], parameters_p[-1]
    total = 0.0
    for t in range(values.size):
        recursions(t, values, parameters_p, ar, ma, start_variance, paths_ct)
        residual, intensity = paths_ct[0, t], paths_ct[2, t]
        increments_t[t], count = jump_terms(
            residual + intensity * jump_mean, paths_ct[1, t], intensity, jump_mean, jump_variance, weights_k
        )
        paths_ct[3, t] = 0.0
        for k in range(1, count):
            paths_ct[3, t] += k * weights_k[k]
        total += increments_t[t]
    return total


@njit(cache=True, error_model="numpy")
def garch_jump_scores(
    values: Array,
    parameters_p: Array,
    ar: int,
    ma: int,
    start_variance: float,
    weights_k: Array,
    paths_ct: Array,
    increments_t: Array,
    residual_tp: Array,
    scores_tp: Array,
) -> float:
    """`garch_jump_filter`, and scores_tp (n, p): exact derivatives of each increment. residual_tp (n, p): scratch."""
    count_p = parameters_p.size
    jump_mean, jump_variance = parameters_p[-2], parameters_p[-1]
    variance_p, intensity_p, expected_p = np.zeros(count_p), np.zeros(count_p), np.zeros(count_p)
    partials_xy = np.empty((2, JUMP_PARTIALS))
    total = 0.0
    for t in range(values.size):
        recursions(t, values, parameters_p, ar, ma, start_variance, paths_ct)
        slopes(t, values, parameters_p, ar, ma, paths_ct, residual_tp, variance_p, intensity_p, expected_p)
        variance, intensity = paths_ct[1, t], paths_ct[2, t]
        shifted = paths_ct[0, t] + intensity * jump_mean
        increments_t[t], count = jump_terms(shifted, variance, intensity, jump_mean, jump_variance, weights_k)
        paths_ct[3, t] = 0.0
        for k in range(1, count):
            paths_ct[3, t] += k * weights_k[k]
        density_partials(shifted, variance, intensity, jump_mean, jump_variance, weights_k, count, partials_xy)
        for p in range(count_p):
            moved = residual_tp[t, p] + jump_mean * intensity_p[p]
            if p == count_p - 2:
                moved += intensity
            scores_tp[t, p] = (
                partials_xy[0, 0] * moved + partials_xy[0, 1] * variance_p[p] + partials_xy[0, 2] * intensity_p[p]
            )
            expected_p[p] = (
                partials_xy[1, 0] * moved + partials_xy[1, 1] * variance_p[p] + partials_xy[1, 2] * intensity_p[p]
            )
        for y in range(2):  # jump_mean and jump_variance also stand in the density itself
            scores_tp[t, count_p - 2 + y] += partials_xy[0, 3 + y]
            expected_p[count_p - 2 + y] += partials_xy[1, 3 + y]
        total += increments_t[t]
    return total
