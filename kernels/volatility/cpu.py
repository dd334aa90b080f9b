"""Fits of many series: each is one independent unit of work, one thread takes a range of them without the GIL.

`fit_range` is called from as many threads as there are cores (models/volatility/batch.py). Data come in scaled: mean
square about 1. Everything a unit needs is allocated once a range.
"""

import math

import numpy as np
from numba import njit

from kernels.volatility import APARCH, EGARCH, ZERO
from kernels.volatility.likelihood import (
    FOLD,
    RESIDUAL,
    VARIANCE,
    WORK_ROWS,
    loglikelihood,
    residuals_of,
    run_forward,
    unpack,
    variances_of,
)
from kernels.volatility.optimise import inverse_positive, maximise, symmetrise
from kernels.volatility.recursions import LOG_VARIANCE_LIMIT
from kernels.volatility.scores import scores_of
from kernels.volatility.starts import CLASSES, presample_of, search_starts
from kernels.volatility.steps import aparch_step, egarch_step, gjr_step
from kernels.volatility.sums import dot, total
from kernels.volatility.transforms import to_free, to_natural
from kernels.volatility.types import Codes, Matrix, Series, Vector

DIFFERENCE = 6e-6  # relative, of natural parameters
FLAT = 1e-12  # a deviation below this share of the mean is rounding: the series is constant
KINK = 1e-5  # of a residual, in standard deviations


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def hessian_of(theta: Vector, series: Series, hessian: Matrix) -> None:
    """Second derivatives (k, k) of the log-likelihood in natural parameters: central differences of its gradient.

    EGARCH and APARCH have a kink in the mean where a residual is zero, and their maximum is often on one: coefficients
    of the mean are differenced a little to one side of it.
    """
    k = theta.shape[0]
    moved, above, below = theta.copy(), np.empty(k), np.empty(k)
    for j in range(k):
        width = DIFFERENCE * max(abs(theta[j]), 0.01)
        centre = theta[j] + (2.0 * width if j < series.mean_parameters and series.process >= EGARCH else 0.0)
        moved[j] = centre + width
        loglikelihood(moved, series, above)
        moved[j] = centre - width
        loglikelihood(moved, series, below)
        moved[j] = theta[j]
        for i in range(k):
            hessian[i, j] = (above[i] - below[i]) / (2.0 * width)
    symmetrise(hessian)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def covariances(theta: Vector, series: Series, scores: Matrix, out: Matrix) -> None:
    """Covariances (3, k, k): inverse Hessian, inverse outer product of scores, sandwich. NaN where singular."""
    k = theta.shape[0]
    information, opg = np.empty((k, k)), np.empty((k, k))
    hessian_of(theta, series, information)
    for i in range(k):
        for j in range(k):
            information[i, j] = -information[i, j]
    scores_of(theta, series, scores)
    for i in range(k):
        for j in range(i + 1):
            opg[i, j] = opg[j, i] = dot(scores[i], scores[j], series.work[FOLD])
    if not inverse_positive(opg, out[1]):
        out[1] = math.nan
    if not inverse_positive(information, out[0]):
        out[0] = math.nan
        out[2] = math.nan
        return
    for i in range(k):
        for j in range(k):
            value = 0.0
            for r in range(k):
                for s in range(k):
                    value += out[0, i, r] * opg[r, s] * out[0, s, j]
            out[2, i, j] = value


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def next_variance(e: float, h: float, five: Vector, process: int) -> float:
    """The variance of the bar after one with residual e and variance h."""
    if process == EGARCH:
        return egarch_step(e, h, five[0], five[1], five[2], five[3])
    if process == APARCH:
        return aparch_step(e, h, five[0], five[1], five[2], five[3], five[4])
    return gjr_step(e, h, five[0], five[1], five[2], five[3])


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def filter_one(theta: Vector, returns: Vector, regressors: Matrix, codes: Codes, work: Matrix) -> tuple[float, float]:
    """Fills work[RESIDUAL] and work[VARIANCE] at theta; the variances before the first and after the last return."""
    five = np.empty(5)
    mean, process, start = codes[1], codes[2], codes[4]
    presample = presample_of(returns, regressors, mean, start, work, theta.copy())
    unpack(theta, codes[0], process, five)
    residuals_of(theta, returns, regressors, mean, work[RESIDUAL])
    first, _ = variances_of(five, process, start, presample, work)
    if process == EGARCH:
        first = math.exp(min(first, LOG_VARIANCE_LIMIT))
    elif process == APARCH:
        first = first ** (2.0 / five[4])
    last = returns.shape[0] - 1
    return first, next_variance(work[RESIDUAL, last], work[VARIANCE, last], five, process)


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def filter_from(theta: Vector, returns: Vector, regressors: Matrix, codes: Codes, first: float, work: Matrix) -> None:
    """Fills work[RESIDUAL] and work[VARIANCE] at theta from the variance of the first return: no look ahead."""
    five = np.empty(5)
    process = codes[2]
    unpack(theta, codes[0], process, five)
    residuals_of(theta, returns, regressors, codes[1], work[RESIDUAL])
    if process == EGARCH:
        run_forward(five, process, math.log(first), work)
    elif process == APARCH:
        run_forward(five, process, first ** (0.5 * five[4]), work)
    else:
        run_forward(five, process, first, work)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def newton_step(theta: Vector, covariance: Matrix, series: Series, loglik: float) -> float:
    """One Newton step in natural parameters with the Hessian at hand, where it is a small one inside the limits.

    The search has come within 1e-4 standard errors; this squares that distance. Gives the log-likelihood there.
    """
    k, process = theta.shape[0], series.process
    gradient, moved, five = np.empty(k), theta.copy(), np.empty(5)
    loglikelihood(theta, series, gradient)
    for i in range(k):
        change = 0.0
        for j in range(k):
            change += covariance[i, j] * gradient[j]
        if not abs(change) < 1e-2 * math.sqrt(covariance[i, i]):
            return loglik
        moved[i] += change
    unpack(moved, series.mean_parameters, process, five)
    if process != EGARCH:
        half = 0.0 if process == APARCH else 0.5
        least = min(five[1], five[1] + 2.0 * half * five[2], five[3], 1.0 - five[1] - half * five[2] - five[3])
        if not (five[0] > 0.0 and least > 0.0):
            return loglik
    found = loglikelihood(moved, series, gradient)
    if not found > loglik - 1e-9:
        return loglik
    theta[:] = moved
    return found


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def scales_of(values: Matrix, scales: Vector) -> None:
    """Fills scales (series,) with the standard deviations of values (series, n), 0 for constants."""
    n = values.shape[1]
    fold = np.empty(n)
    for s in range(values.shape[0]):
        row = values[s]
        mean = total(row, fold) / n
        square = 0.0
        for t in range(n):
            square += (row[t] - mean) * (row[t] - mean)
        deviation = math.sqrt(square / n)
        scales[s] = deviation if deviation > FLAT * abs(mean) else 0.0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def on_kink(free: Vector, theta: Vector, series: Series, tolerance: float, iterations: int) -> tuple[float, bool, int]:
    """Where a search that stopped has put the mean on a return, the rest is brought to its maximum with the mean held.

    |z| of EGARCH and |e|^delta of APARCH have a kink or a cusp at 0, and a maximum of the likelihood in the mean is
    often one of them: no gradient vanishes there.
    """
    m, process, e = series.mean_parameters, series.process, series.work[RESIDUAL]
    residuals_of(theta, series.returns, series.regressors, series.mean, e)
    fixed = e.copy()
    nearest = math.inf
    for value in fixed:
        nearest = min(nearest, abs(value))
    if m == 0 or process < EGARCH or nearest > KINK:
        return math.nan, False, 0
    none = series.regressors[:0]
    held = Series(fixed, none, 0, ZERO, process, series.errors, series.start, series.presample, series.work)
    rest = free[m:].copy()
    found = maximise(rest, held, tolerance, iterations)
    free[m:] = rest
    return found


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def climb(theta: Vector, series: Series, tolerance: float, iterations: int) -> tuple[float, bool, int]:
    """Moves theta, in natural parameters, to the top reached from it: log-likelihood, converged, evaluations."""
    m, process, errors = series.mean_parameters, series.process, series.errors
    k = theta.shape[0]
    free, jacobian = np.empty(k), np.empty((k, k))
    to_free(theta, m, process, errors, free)
    loglik, converged, evaluations = maximise(free, series, tolerance, iterations)
    to_natural(free, m, process, errors, theta, jacobian)
    if not converged:
        held, converged, more = on_kink(free, theta, series, tolerance, iterations)
        to_natural(free, m, process, errors, theta, jacobian)
        evaluations += more
        loglik = held if converged else loglik
    return loglik, converged, evaluations


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def search(warm: Vector, series: Series, tolerance: float, iterations: int, theta: Vector) -> tuple[float, bool, int]:
    """Fills theta: from `warm` when its first value is a number, from the grid when not or when that led nowhere."""
    starts = np.empty((CLASSES, theta.shape[0]))
    best, arrived, evaluations = -math.inf, False, 0
    if not math.isnan(warm[0]):
        starts[0] = warm
        best, arrived, evaluations = climb(starts[0], series, tolerance, iterations)
        theta[:] = starts[0]
    if arrived:
        return best, arrived, evaluations
    count = search_starts(series, starts)
    for row in range(count):
        loglik, converged, more = climb(starts[row], series, tolerance, iterations)
        evaluations += more
        better = loglik > best if converged == arrived else converged
        if better or (row == 0 and not arrived):
            best, arrived = loglik, converged
            theta[:] = starts[row]
    return best, arrived, evaluations


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def filter_row(
    s: int,
    scaled: Vector,
    scale: float,
    regressors: Matrix,
    codes: Codes,
    work: Matrix,
    theta: Matrix,
    presamples: Vector,
    variances: Matrix,
    residuals: Matrix,
    following: Vector,
    levels: Matrix,
) -> None:
    """Row s of what follows from theta[s], in the data's units."""
    n, square = scaled.shape[0], scale * scale
    before, after = filter_one(theta[s], scaled, regressors, codes, work)
    presamples[s], following[s] = before * square, after * square
    levels[s, 0] = dot(work[RESIDUAL], work[RESIDUAL], work[FOLD]) / n * square
    levels[s, 1] = total(work[VARIANCE], work[FOLD]) / n * square
    for t in range(n):
        variances[s, t] = work[VARIANCE, t] * square
        residuals[s, t] = work[RESIDUAL, t] * scale


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def filter_range(
    returns: Matrix,
    scales: Vector,
    regressors: Matrix,
    codes: Codes,
    theta: Matrix,
    presamples: Vector,
    variances: Matrix,
    residuals: Matrix,
    following: Vector,
    levels: Matrix,
) -> None:
    """What `fit_range` fills after theta, from a theta that was found elsewhere, such as on a GPU."""
    n = returns.shape[1]
    work, scaled = np.empty((WORK_ROWS, n)), np.empty(n)
    for s in range(returns.shape[0]):
        for t in range(n):
            scaled[t] = returns[s, t] / scales[s]
        filter_row(
            s, scaled, scales[s], regressors, codes, work, theta, presamples, variances, residuals, following, levels
        )


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def fit_range(
    returns: Matrix,
    scales: Vector,
    regressors: Matrix,
    codes: Codes,
    warm: Matrix,
    tolerance: float,
    iterations: int,
    errors: bool,
    polish: bool,
    theta: Matrix,
    logliks: Vector,
    converged: Vector,
    evaluations: Vector,
    presamples: Vector,
    covariance: Matrix,
    variances: Matrix,
    residuals: Matrix,
    following: Vector,
    levels: Matrix,
) -> None:
    """Fits each row of returns (series, n); the results go to the rows of the arrays after `polish`.

    The fit is of returns / scale, so theta, covariance (series, 3, k, k; filled when `errors`) and logliks are in that
    unit; presamples, variances, residuals, following (the variance after the last return) and levels (mean square of
    the residuals, mean variance) are in the data's. `warm` (series, k), scaled, see `search`. `polish`: a last Newton
    step.
    """
    n, k = returns.shape[1], theta.shape[1]
    work, scores, scaled = np.empty((WORK_ROWS, n)), np.empty((k, n)), np.empty(n)
    for s in range(returns.shape[0]):
        at, scale = theta[s], scales[s]
        for t in range(n):
            scaled[t] = returns[s, t] / scale
        presample = presample_of(scaled, regressors, codes[1], codes[4], work, at)
        series = Series(scaled, regressors, codes[0], codes[1], codes[2], codes[3], codes[4], presample, work)
        logliks[s], converged[s], evaluations[s] = search(warm[s], series, tolerance, iterations, at)
        if errors:
            covariances(at, series, scores, covariance[s])
            if polish:
                logliks[s] = newton_step(at, covariance[s, 0], series, logliks[s])
        filter_row(
            s, scaled, scale, regressors, codes, work, theta, presamples, variances, residuals, following, levels
        )
