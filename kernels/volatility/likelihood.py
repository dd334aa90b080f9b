"""Log-likelihood and its gradient in one pass: residuals, variances forwards, density, then everything backwards.

Parameters are in natural form, in this order: mean coefficients; omega, alpha[, gamma], beta[, delta]; [nu[, lambda]].
Regressors are (m, n), a row each. Nothing big is allocated: `work` is (WORK_ROWS, n) and is overwritten.
"""

import math

import numpy as np
from numba import njit

from kernels.volatility import (
    APARCH,
    BENCHMARK,
    CONSTANT,
    EGARCH,
    GARCH,
    GJR,
    NORMAL,
    REGRESSORS,
    STUDENT,
    UNCONDITIONAL,
)
from kernels.volatility.densities import normal_sum, skewed_sum, student_sum
from kernels.volatility.recursions import (
    aparch_backward,
    aparch_first,
    aparch_forward,
    egarch_backward,
    egarch_first,
    egarch_forward,
    gjr_backward,
    gjr_backward_first,
    gjr_first,
    gjr_forward,
)
from kernels.volatility.sums import dot, total
from kernels.volatility.types import Matrix, Series, Vector

WORK_ROWS = 9
STRETCH = 640  # observations at a time: what a stretch needs stays in the first-level cache
RESIDUAL, VARIANCE, BY_VARIANCE, BY_RESIDUAL, SPARE, FOLD, PRODUCT, STATE, SHOCK = range(WORK_ROWS)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def residuals_of(theta: Vector, returns: Vector, regressors: Matrix, mean: int, e: Vector) -> None:
    """e = returns - mean, (n,)."""
    n = returns.shape[0]
    if mean == CONSTANT:
        for t in range(n):
            e[t] = returns[t] - theta[0]
        return
    for t in range(n):
        e[t] = returns[t]
    if mean == REGRESSORS:
        for j in range(regressors.shape[0]):
            for t in range(n):
                e[t] -= theta[j] * regressors[j, t]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def start_of(four: Vector, process: int, start: int, presample: float, e: Vector, fold: Vector) -> tuple[float, float]:
    """The variance before the first return and, for EGARCH, its standardised shock (NaN: the expected one, zero).

    Given as it enters the recursion: h for GARCH and GJR, log h for EGARCH, s^delta for APARCH.
    """
    omega, alpha, gamma, beta = four[0], four[1], four[2], four[3]
    if start == UNCONDITIONAL:
        if process == EGARCH:
            return omega / (1.0 - beta), math.nan
        share = alpha + beta if process == APARCH else alpha + 0.5 * gamma + beta
        return omega / (1.0 - share), math.nan
    variance = dot(e, e, fold) / e.shape[0] if start == BENCHMARK else presample
    if process == EGARCH:
        z = total(e, fold) / e.shape[0] / math.sqrt(variance) if start == BENCHMARK else math.nan
        return math.log(variance), z
    if process == APARCH:
        return math.exp(0.5 * four[4] * math.log(variance)), math.nan
    return variance, math.nan


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def unpack(theta: Vector, mean_parameters: int, process: int, five: Vector) -> int:
    """Fills five with omega, alpha, gamma (0 in GARCH), beta, delta; gives the place of the first shape parameter."""
    m = mean_parameters
    five[0] = theta[m]
    five[1] = theta[m + 1]
    if process == GARCH:
        five[2] = 0.0
        five[3] = theta[m + 2]
        five[4] = 2.0
        return m + 3
    five[2] = theta[m + 2]
    five[3] = theta[m + 3]
    five[4] = theta[m + 4] if process == APARCH else 2.0
    return m + 5 if process == APARCH else m + 4


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def run_forward(five: Vector, process: int, state: float, work: Matrix) -> None:
    """Fills work[VARIANCE] from work[RESIDUAL] and the first bar's state: h, log h for EGARCH, s^delta for APARCH."""
    e, h = work[RESIDUAL], work[VARIANCE]
    if process == EGARCH:
        egarch_forward(e, five[0], five[1], five[2], five[3], state, work[STATE], h)
    elif process == APARCH:
        aparch_forward(e, five, state, work[SHOCK], work[STATE], h)
    else:
        gjr_forward(e, five[0], five[1], five[2], five[3], state, work[SPARE], h)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def variances_of(five: Vector, process: int, start: int, presample: float, work: Matrix) -> tuple[float, float]:
    """Fills work[VARIANCE] from work[RESIDUAL]; gives the start as it entered the recursion."""
    first, z = start_of(five, process, start, presample, work[RESIDUAL], work[FOLD])
    if process == EGARCH:
        run_forward(five, process, egarch_first(five[0], five[1], five[2], five[3], first, z), work)
    elif process == APARCH:
        run_forward(five, process, aparch_first(five[0], five[1], five[3], first), work)
    else:
        run_forward(five, process, gjr_first(five[0], five[1], five[2], five[3], first), work)
    return first, z


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def start_gradient(
    five: Vector,
    process: int,
    start: int,
    first: float,
    z: float,
    by_first: float,
    by_z: float,
    work: Matrix,
    gradient: Vector,
) -> None:
    """Adds what the parameters and residuals do through the variance before the first return."""
    e, le = work[RESIDUAL], work[BY_RESIDUAL]
    n = e.shape[0]
    if start == UNCONDITIONAL:
        if process == EGARCH:
            gradient[0] += by_first / (1.0 - five[3])
            gradient[3] += by_first * first / (1.0 - five[3])
            return
        half = 0.0 if process == APARCH else 0.5
        rest = 1.0 - five[1] - half * five[2] - five[3]
        gradient[0] += by_first / rest
        gradient[1] += by_first * first / rest
        gradient[2] += by_first * half * first / rest
        gradient[3] += by_first * first / rest
        return
    if process == APARCH:  # first = B^(delta / 2)
        gradient[4] += by_first * first * math.log(first) / five[4]
    if start != BENCHMARK:
        return
    variance = dot(e, e, work[FOLD]) / n
    by_variance = by_first
    by_mean = 0.0
    if process == EGARCH:
        by_variance = by_first / variance - 0.5 * by_z * z / variance
        by_mean = by_z / math.sqrt(variance) / n
    elif process == APARCH:
        by_variance = by_first * 0.5 * five[4] * first / variance
    for t in range(n):
        le[t] += by_variance * 2.0 * e[t] / n + by_mean


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def density(theta: Vector, shape: int, errors: int, work: Matrix, by_shape: Vector) -> float:
    """Log-likelihood of work[RESIDUAL] at work[VARIANCE]; fills work[BY_VARIANCE], work[BY_RESIDUAL] and by_shape."""
    e, h, lh, le = work[RESIDUAL], work[VARIANCE], work[BY_VARIANCE], work[BY_RESIDUAL]
    if errors == NORMAL:
        return normal_sum(e, h, lh, le, work[FOLD])
    if errors == STUDENT:
        return student_sum(e, h, theta[shape], lh, le, work[SPARE], work[FOLD], by_shape)
    return skewed_sum(e, h, theta[shape], theta[shape + 1], lh, le, work[SPARE], work[FOLD], by_shape)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gjr_pass(
    theta: Vector,
    shape: int,
    process: int,
    errors: int,
    five: Vector,
    first: float,
    work: Matrix,
    by_shape: Vector,
    own: Vector,
) -> tuple[float, float]:
    """Log-likelihood and d loglik / d first of GARCH and GJR, stretch by stretch; adds to own and by_shape."""
    n = work.shape[1]
    drive, fold, product, adjoint = work[SPARE], work[FOLD], work[PRODUCT], np.empty(STRETCH + 1)
    value = 0.0
    h0 = gjr_first(five[0], five[1], five[2], five[3], first)
    for begin in range(0, n, STRETCH):
        end = min(begin + STRETCH, n)
        e, h = work[RESIDUAL, begin:end], work[VARIANCE, begin:end]
        lh, le = work[BY_VARIANCE, begin:end], work[BY_RESIDUAL, begin:end]
        h0 = gjr_forward(e, five[0], five[1], five[2], five[3], h0, drive, h)
        if errors == NORMAL:
            value += normal_sum(e, h, lh, le, fold)
        elif errors == STUDENT:
            value += student_sum(e, h, theta[shape], lh, le, drive[: end - begin], fold, by_shape)
        else:
            value += skewed_sum(e, h, theta[shape], theta[shape + 1], lh, le, drive[: end - begin], fold, by_shape)
    lam = 0.0
    for stretch in range((n - 1) // STRETCH, -1, -1):
        begin = stretch * STRETCH
        end = min(begin + STRETCH, n)
        lam = gjr_backward(
            work[RESIDUAL, begin:end],
            work[VARIANCE, begin:end],
            work[BY_VARIANCE, begin:end],
            work[BY_RESIDUAL, begin:end],
            five,
            lam,
            process == GJR,
            adjoint,
            product,
            fold,
            own,
        )
    return value, gjr_backward_first(five, first, lam, own)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def loglikelihood(theta: Vector, series: Series, gradient: Vector) -> float:
    """The log-likelihood at theta (k,), and its gradient (k,) in `gradient`; NaN or infinite where it is undefined."""
    five = np.empty(5)
    own = np.zeros(5)
    by_shape = np.zeros(2)
    m, process, work = series.mean_parameters, series.process, series.work
    shape = unpack(theta, m, process, five)
    residuals_of(theta, series.returns, series.regressors, series.mean, work[RESIDUAL])
    by_first, by_z = 0.0, 0.0
    if process in (EGARCH, APARCH):
        first, z = variances_of(five, process, series.start, series.presample, work)
        value = density(theta, shape, series.errors, work, by_shape)
        e, h, lh, le = work[RESIDUAL], work[VARIANCE], work[BY_VARIANCE], work[BY_RESIDUAL]
        if process == EGARCH:
            by_first, by_z = egarch_backward(e, h, work[STATE], lh, le, five, first, z, own)
        else:
            by_first = aparch_backward(e, h, work[STATE], work[SHOCK], lh, le, five, first, own)
    else:
        first, z = start_of(five, process, series.start, series.presample, work[RESIDUAL], work[FOLD])
        value, by_first = gjr_pass(theta, shape, process, series.errors, five, first, work, by_shape, own)
    start_gradient(five, process, series.start, first, z, by_first, by_z, work, own)
    if series.mean == CONSTANT:
        gradient[0] = -total(work[BY_RESIDUAL], work[FOLD])
    elif series.mean == REGRESSORS:
        for j in range(m):
            gradient[j] = -dot(work[BY_RESIDUAL], series.regressors[j], work[FOLD])
    gradient[m] = own[0]
    gradient[m + 1] = own[1]
    if process == GARCH:
        gradient[m + 2] = own[3]
    else:
        for j in range(2, shape - m):
            gradient[m + j] = own[j]
    for j in range(series.errors):
        gradient[shape + j] = by_shape[j]
    return value
