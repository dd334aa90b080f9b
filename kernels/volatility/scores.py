"""The score of every observation, (n, k): how its log-likelihood moves with each natural parameter.

Sensitivities d state_t / d theta run forwards beside the recursion; the state is h for GARCH and GJR, log h for EGARCH,
s^delta for APARCH. For standard errors (outer product of scores, sandwich), so once a fit and not in its search.
"""

import math

import numpy as np
from numba import njit

from kernels.volatility import APARCH, BENCHMARK, CONSTANT, EGARCH, GARCH, NORMAL, STUDENT, UNCONDITIONAL
from kernels.volatility.densities import skewed_constants, student_constant
from kernels.volatility.likelihood import (
    BY_RESIDUAL,
    BY_VARIANCE,
    RESIDUAL,
    SHOCK,
    STATE,
    VARIANCE,
    density,
    mean_count,
    residuals_of,
    unpack,
    variances_of,
)
from kernels.volatility.steps import ABSOLUTE_NORMAL
from kernels.volatility.types import Matrix, Vector


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def regressor(regressors: Matrix, mean: int, t: int, j: int) -> float:
    """d mean_t / d coefficient j."""
    return 1.0 if mean == CONSTANT else regressors[t, j]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def start_sensitivity(
    five: Vector,
    process: int,
    start: int,
    first: float,
    z: float,
    e: Vector,
    regressors: Matrix,
    mean: int,
    m: int,
    out: Vector,
    out_z: Vector,
) -> None:
    """d (state before the first return) / d (mean coefficients, five parameters), (m + 5,); of EGARCH's z in out_z."""
    out[:] = 0.0
    out_z[:] = 0.0
    if start == UNCONDITIONAL:
        half = 0.5 if process not in (APARCH, EGARCH) else 0.0
        alpha = 0.0 if process == EGARCH else 1.0
        rest = 1.0 - alpha * five[1] - half * five[2] - five[3]
        out[m] = 1.0 / rest
        out[m + 1] = alpha * first / rest
        out[m + 2] = half * first / rest
        out[m + 3] = first / rest
        return
    if process == APARCH:
        out[m + 4] = first * math.log(first) / five[4]
    if start != BENCHMARK:
        return
    n = e.shape[0]
    variance = 0.0
    for t in range(n):
        variance += e[t] * e[t] / n
    for j in range(m):
        by_variance = mean_of = 0.0
        for t in range(n):
            x = regressor(regressors, mean, t, j)
            by_variance -= 2.0 * e[t] * x / n
            mean_of -= x / n
        out[j] = by_variance
        if process == EGARCH:
            out[j] = by_variance / variance
            out_z[j] = mean_of / math.sqrt(variance) - 0.5 * z * by_variance / variance
        elif process == APARCH:
            out[j] = 0.5 * five[4] * first / variance * by_variance


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def advance_gjr(five: Vector, e: float, h: float, m: int, shift: Vector, d: Vector) -> None:
    """d h_{t+1} from d h_t in place; shift (m,) is d e_t / d mean coefficients."""
    weight = five[1] + five[2] if e < 0.0 else five[1]
    for j in range(m):
        d[j] = five[3] * d[j] + 2.0 * weight * e * shift[j]
    d[m] = five[3] * d[m] + 1.0
    d[m + 1] = five[3] * d[m + 1] + e * e
    d[m + 2] = five[3] * d[m + 2] + (e * e if e < 0.0 else 0.0)
    d[m + 3] = five[3] * d[m + 3] + h


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def advance_egarch(five: Vector, z: float, by_z: Vector, log_h: float, m: int, d: Vector) -> None:
    """d log h_{t+1} from d log h_t in place; by_z (m + 5,) is d z_t."""
    slope = (five[1] if z > 0.0 else -five[1]) + five[2]
    for j in range(m + 4):
        d[j] = five[3] * d[j] + slope * by_z[j]
    d[m] += 1.0
    d[m + 1] += abs(z) - ABSOLUTE_NORMAL
    d[m + 2] += z
    d[m + 3] += log_h


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def advance_aparch(five: Vector, e: float, shock: float, power: float, m: int, shift: Vector, d: Vector) -> None:
    """d s_{t+1}^delta from d s_t^delta in place."""
    size = abs(e) - five[2] * e
    by_e = by_gamma = by_delta = 0.0
    if size > 0.0:
        by_size = five[1] * five[4] * shock / size
        by_e = by_size * ((1.0 if e > 0.0 else -1.0) - five[2])
        by_gamma = -by_size * e
        by_delta = five[1] * shock * math.log(size)
    for j in range(m):
        d[j] = five[3] * d[j] + by_e * shift[j]
    d[m] = five[3] * d[m] + 1.0
    d[m + 1] = five[3] * d[m + 1] + shock
    d[m + 2] = five[3] * d[m + 2] + by_gamma
    d[m + 3] = five[3] * d[m + 3] + power
    d[m + 4] = five[3] * d[m + 4] + by_delta


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def first_sensitivity(five: Vector, process: int, first: float, z: float, m: int, by_z: Vector, d: Vector) -> None:
    """d state_0 from d (state before the first return) in place."""
    if process == EGARCH:
        if math.isnan(z):
            for j in range(m + 4):
                d[j] *= five[3]
            d[m] += 1.0
            d[m + 3] += first
        else:
            advance_egarch(five, z, by_z, first, m, d)
        return
    half = 0.5 if process != APARCH else 0.0
    through = five[1] + half * five[2] + five[3]
    for j in range(m + 5):
        d[j] *= through
    d[m] += 1.0
    d[m + 1] += first
    d[m + 2] += half * first
    d[m + 3] += first


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def shape_scores(theta: Vector, shape: int, errors: int, e: float, h: float, out: Vector) -> None:
    """d l_t / d nu and d l_t / d lambda at one observation, into out[shape:]."""
    nu = theta[shape]
    slope_of_constant = student_constant(nu)[1]
    if errors == STUDENT:
        q = e * e / (h * (nu - 2.0))
        out[shape] = slope_of_constant - 0.5 * math.log1p(q) + 0.5 * (nu + 1.0) * q / ((1.0 + q) * (nu - 2.0))
        return
    skew = theta[shape + 1]
    a, b, by_nu_a, by_nu_b, by_skew_a, by_skew_b = skewed_constants(nu, skew)
    z = e / math.sqrt(h)
    inner = b * z + a
    sign = 1.0 if inner >= 0.0 else -1.0
    y = inner / (1.0 + sign * skew)
    q = y * y / (nu - 2.0)
    slope = -(nu + 1.0) * y / ((nu - 2.0) * (1.0 + q))
    by_a = slope / (1.0 + sign * skew)
    by_b = by_a * z + 1.0 / b
    out[shape] = slope_of_constant - 0.5 * math.log1p(q) + 0.5 * (nu + 1.0) * q / ((1.0 + q) * (nu - 2.0))
    out[shape] += by_a * by_nu_a + by_b * by_nu_b
    out[shape + 1] = -slope * y * sign / (1.0 + sign * skew) + by_a * by_skew_a + by_b * by_skew_b


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def scores_of(
    theta: Vector,
    returns: Vector,
    regressors: Matrix,
    mean: int,
    process: int,
    errors: int,
    start: int,
    presample: float,
    work: Matrix,
    scores: Matrix,
) -> None:
    """Fills scores (n, k) at theta (k,); work (WORK_ROWS, n) is overwritten."""
    five, by_shape = np.empty(5), np.zeros(2)
    m = mean_count(mean, regressors)
    shape = unpack(theta, m, process, five)
    residuals_of(theta, returns, regressors, mean, work[RESIDUAL])
    first, z = variances_of(five, process, start, presample, work)
    density(theta, shape, errors, work, by_shape)
    e, h, lh, le = work[RESIDUAL], work[VARIANCE], work[BY_VARIANCE], work[BY_RESIDUAL]
    d, by_z, shift = np.zeros(m + 5), np.zeros(m + 5), np.zeros(m)
    start_sensitivity(five, process, start, first, z, e, regressors, mean, m, d, by_z)
    first_sensitivity(five, process, first, z, m, by_z, d)
    for t in range(returns.shape[0]):
        for j in range(m):
            shift[j] = -regressor(regressors, mean, t, j)
        by_state = lh[t]
        if process == EGARCH:
            by_state = lh[t] * h[t]
        elif process == APARCH:
            by_state = lh[t] * h[t] * 2.0 / (five[4] * work[STATE, t])
        for j in range(m):
            scores[t, j] = by_state * d[j] + le[t] * shift[j]
        for j in range(m, shape):
            place = j + 1 if process == GARCH and j == m + 2 else j
            scores[t, j] = by_state * d[place]
        if process == APARCH:
            scores[t, m + 4] -= lh[t] * h[t] * math.log(h[t]) / five[4]
        if errors != NORMAL:
            shape_scores(theta, shape, errors, e[t], h[t], scores[t])
        if process == EGARCH:
            deviation = math.sqrt(h[t])
            for j in range(m + 5):
                by_z[j] = -0.5 * e[t] / deviation * d[j]
            for j in range(m):
                by_z[j] += shift[j] / deviation
            advance_egarch(five, e[t] / deviation, by_z, work[STATE, t], m, d)
        elif process == APARCH:
            advance_aparch(five, e[t], work[SHOCK, t], work[STATE, t], m, shift, d)
        else:
            advance_gjr(five, e[t], h[t], m, shift, d)
