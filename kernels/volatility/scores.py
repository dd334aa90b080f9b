"""The score of every observation, (k, n): how its log-likelihood moves with each natural parameter.

Sensitivities d state_t / d theta run forwards beside the recursion; the state is h for GARCH and GJR, log h for EGARCH,
s^delta for APARCH. For standard errors (outer product of scores, sandwich), so once a fit and not in its search.
"""

import math

import numpy as np
from numba import njit

from kernels.volatility import APARCH, BENCHMARK, CONSTANT, EGARCH, GARCH, SKEWED, STUDENT, UNCONDITIONAL
from kernels.volatility.densities import skewed_constants, student_constant
from kernels.volatility.likelihood import (
    BY_RESIDUAL,
    BY_VARIANCE,
    RESIDUAL,
    SHOCK,
    SPARE,
    STATE,
    VARIANCE,
    density,
    residuals_of,
    unpack,
    variances_of,
)
from kernels.volatility.steps import ABSOLUTE_NORMAL
from kernels.volatility.sums import linear_recursion
from kernels.volatility.types import Matrix, Series, Vector


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def regressor(regressors: Matrix, mean: int, t: int, j: int) -> float:
    """d mean_t / d coefficient j."""
    return 1.0 if mean == CONSTANT else regressors[j, t]


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
def gjr_scores(
    five: Vector, process: int, regressors: Matrix, mean: int, m: int, first: Vector, work: Matrix, scores: Matrix
) -> None:
    """Scores of the mean and of omega, alpha, gamma, beta, a linear recursion each; first (m + 5,) is d h_0."""
    e, h, lh, le = work[RESIDUAL], work[VARIANCE], work[BY_VARIANCE], work[BY_RESIDUAL]
    drive, n = work[SPARE], e.shape[0]
    positive, negative = five[1], five[1] + five[2]
    row = -1
    for place in range(m + 4):
        if process == GARCH and place == m + 2:
            continue
        row += 1
        for t in range(n - 1):
            square = e[t] * e[t]
            if place < m:
                weight = negative if e[t] < 0.0 else positive
                drive[t] = -2.0 * weight * e[t] * regressor(regressors, mean, t, place)
            elif place == m:
                drive[t] = 1.0
            elif place == m + 1:
                drive[t] = square
            elif place == m + 2:
                drive[t] = square if e[t] < 0.0 else 0.0
            else:
                drive[t] = h[t]
        out = scores[row]
        out[0] = first[place]
        linear_recursion(drive[: n - 1], five[3], first[place], out[1:])
        for t in range(n):
            out[t] *= lh[t]
        if place < m:
            for t in range(n):
                out[t] -= le[t] * regressor(regressors, mean, t, place)


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
def power_scores(
    five: Vector, process: int, regressors: Matrix, mean: int, m: int, d: Vector, work: Matrix, scores: Matrix
) -> None:
    """As `gjr_scores` for EGARCH and APARCH; d (m + 5,), d state_0, is overwritten."""
    e, h, lh, le = work[RESIDUAL], work[VARIANCE], work[BY_VARIANCE], work[BY_RESIDUAL]
    by_z, shift = np.zeros(m + 5), np.zeros(m)
    for t in range(e.shape[0]):
        for j in range(m):
            shift[j] = -regressor(regressors, mean, t, j)
        by_log_h = lh[t] * h[t]
        by_state = by_log_h if process == EGARCH else by_log_h * 2.0 / (five[4] * work[STATE, t])
        for j in range(m + (4 if process == EGARCH else 5)):
            scores[j, t] = by_state * d[j]
        for j in range(m):
            scores[j, t] += le[t] * shift[j]
        if process == EGARCH:
            deviation = math.sqrt(h[t])
            for j in range(m + 5):
                by_z[j] = -0.5 * e[t] / deviation * d[j]
            for j in range(m):
                by_z[j] += shift[j] / deviation
            advance_egarch(five, e[t] / deviation, by_z, work[STATE, t], m, d)
        else:
            scores[m + 4, t] -= by_log_h * math.log(h[t]) / five[4]
            advance_aparch(five, e[t], work[SHOCK, t], work[STATE, t], m, shift, d)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def student_scores(nu: float, e: Vector, h: Vector, out: Matrix) -> None:
    """d l_t / d nu into out[0]."""
    slope_of_constant = student_constant(nu)[1]
    inverse_scale = 1.0 / (nu - 2.0)
    for t in range(e.shape[0]):
        q = e[t] * e[t] / h[t] * inverse_scale
        out[0, t] = slope_of_constant - 0.5 * math.log(1.0 + q) + 0.5 * (nu + 1.0) * q / (1.0 + q) * inverse_scale


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def skewed_scores(nu: float, skew: float, e: Vector, h: Vector, out: Matrix) -> None:
    """d l_t / d nu into out[0] and d l_t / d lambda into out[1]."""
    slope_of_constant = student_constant(nu)[1]
    a, b, by_nu_a, by_nu_b, by_skew_a, by_skew_b = skewed_constants(nu, skew)
    inverse_scale = 1.0 / (nu - 2.0)
    for t in range(e.shape[0]):
        z = e[t] / math.sqrt(h[t])
        inner = b * z + a
        sign = 1.0 if inner >= 0.0 else -1.0
        side = 1.0 / (1.0 + sign * skew)
        y = inner * side
        q = y * y * inverse_scale
        slope = -(nu + 1.0) * y * inverse_scale / (1.0 + q)
        by_a = slope * side
        by_b = by_a * z + 1.0 / b
        own = slope_of_constant - 0.5 * math.log(1.0 + q) + 0.5 * (nu + 1.0) * q / (1.0 + q) * inverse_scale
        out[0, t] = own + by_a * by_nu_a + by_b * by_nu_b
        out[1, t] = -slope * y * sign * side + by_a * by_skew_a + by_b * by_skew_b


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def scores_of(theta: Vector, series: Series, scores: Matrix) -> None:
    """Fills scores (k, n) at theta (k,)."""
    five, by_shape = np.empty(5), np.zeros(2)
    m, mean, process, errors = series.mean_parameters, series.mean, series.process, series.errors
    regressors, start, work = series.regressors, series.start, series.work
    shape = unpack(theta, m, process, five)
    residuals_of(theta, series.returns, regressors, mean, work[RESIDUAL])
    first, z = variances_of(five, process, start, series.presample, work)
    density(theta, shape, errors, work, by_shape)
    d, by_z = np.zeros(m + 5), np.zeros(m + 5)
    start_sensitivity(five, process, start, first, z, work[RESIDUAL], regressors, mean, m, d, by_z)
    first_sensitivity(five, process, first, z, m, by_z, d)
    if process in (EGARCH, APARCH):
        power_scores(five, process, regressors, mean, m, d, work, scores)
    else:
        gjr_scores(five, process, regressors, mean, m, d, work, scores)
    if errors == STUDENT:
        student_scores(theta[shape], work[RESIDUAL], work[VARIANCE], scores[shape:])
    elif errors == SKEWED:
        skewed_scores(theta[shape], theta[shape + 1], work[RESIDUAL], work[VARIANCE], scores[shape:])
