"""Where the search begins: least squares for the mean, a small grid of variance-targeted parameters, moments for nu."""

import math

import numpy as np
from numba import njit

from kernels.volatility import APARCH, BACKCAST, CONSTANT, EGARCH, GARCH, NORMAL, REGRESSORS, SKEWED
from kernels.volatility.likelihood import FOLD, RESIDUAL, VARIANCE, residuals_of, unpack, variances_of
from kernels.volatility.sums import dot, total, total_log
from kernels.volatility.types import Matrix, Series, Vector

BACKCAST_SPAN = 75
BACKCAST_DECAY = 0.94
GRID = ((0.04, 0.985), (0.09, 0.985), (0.06, 0.94), (0.13, 0.94), (0.12, 0.8), (0.2, 0.4))  # alpha, persistence
SHORT = 1_500  # returns: below, two tops are looked for
CLASSES = 3  # persistence above 0.9, above 0.7, below
OUT_OF_REACH = 8.0  # of the log-likelihood
TILTS = (0.0, 0.6)  # of gamma: share of alpha moved to negative shocks
DELTAS = (1.0, 2.0)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def least_squares(returns: Vector, regressors: Matrix, mean: int, fold: Vector, theta: Vector) -> bool:
    """Fills theta with the mean's coefficients by ordinary least squares; False when the regressors are collinear."""
    n = returns.shape[0]
    if mean == CONSTANT:
        theta[0] = total(returns, fold) / n
    elif mean == REGRESSORS:
        m = regressors.shape[0]
        left, right = np.zeros((m, m)), np.zeros(m)
        for i in range(m):
            right[i] = dot(regressors[i], returns, fold)
            for j in range(m):
                left[i, j] = dot(regressors[i], regressors[j], fold)
        for i in range(m):  # elimination; the pivot on the diagonal is safe, the matrix being positive definite
            if not left[i, i] > 0.0:
                return False
            for r in range(i + 1, m):
                factor = left[r, i] / left[i, i]
                right[r] -= factor * right[i]
                for c in range(i, m):
                    left[r, c] -= factor * left[i, c]
        for i in range(m - 1, -1, -1):
            theta[i] = right[i]
            for c in range(i + 1, m):
                theta[i] -= left[i, c] * theta[c]
            theta[i] /= left[i, i]
    return True


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def backcast(e: Vector) -> float:
    """Exponentially weighted mean of the first squares, decay 0.94 over at most 75: the convention of arch 8.0."""
    weight, weights, found = 1.0, 0.0, 0.0
    for t in range(min(BACKCAST_SPAN, e.shape[0])):
        found += weight * e[t] * e[t]
        weights += weight
        weight *= BACKCAST_DECAY
    return found / weights


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gaussian_value(
    theta: Vector, m: int, process: int, start: int, presample: float, work: Matrix, ratio: Vector
) -> float:
    """Gaussian log-likelihood without its constant, of the residuals already in work."""
    five = np.empty(5)
    unpack(theta, m, process, five)
    variances_of(five, process, start, presample, work)
    e, h = work[RESIDUAL], work[VARIANCE]
    for t in range(e.shape[0]):
        ratio[t] = e[t] / h[t]
    value = -0.5 * (total_log(h, work[FOLD]) + dot(e, ratio, work[FOLD]))
    return value if math.isfinite(value) else -math.inf


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def targeted(
    alpha: float, persistence: float, tilt: float, delta: float, process: int, m: int, variance: float, theta: Vector
) -> None:
    """Parameters of a process whose unconditional variance is about `variance`."""
    if process == EGARCH:
        theta[m] = (1.0 - persistence) * math.log(variance)
        theta[m + 1], theta[m + 2], theta[m + 3] = 2.0 * alpha, -tilt * alpha, persistence
        return
    theta[m] = (1.0 - persistence) * variance ** (0.5 * delta)
    beta = max(persistence - alpha, 0.01)
    if process == GARCH:
        theta[m + 1], theta[m + 2] = alpha, beta
    elif process == APARCH:
        theta[m + 1], theta[m + 2], theta[m + 3], theta[m + 4] = alpha, 0.5 * tilt, beta, delta
    else:
        theta[m + 1], theta[m + 2], theta[m + 3] = (1.0 - tilt) * alpha, 2.0 * tilt * alpha, beta


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def grid(
    process: int, m: int, start: int, presample: float, variance: float, work: Matrix, theta: Matrix, values: Vector
) -> None:
    """The best of each class of persistence into theta (CLASSES, k), and their likelihoods."""
    ratio = np.empty(work.shape[1])
    trial = theta[0].copy()
    values[:] = -math.inf
    tilts = 1 if process == GARCH else 2
    deltas = 2 if process == APARCH else 1
    for d in range(deltas):
        delta = DELTAS[d] if process == APARCH else 2.0
        for alpha, persistence in GRID:
            row = 0 if persistence > 0.9 else 1 if persistence > 0.7 else 2
            for r in range(tilts):
                targeted(alpha, persistence, TILTS[r], delta, process, m, variance, trial)
                value = gaussian_value(trial, m, process, start, presample, work, ratio)
                if value > values[row]:
                    values[row] = value
                    theta[row] = trial


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def shape_start(e: Vector, h: Vector, errors: int, place: int, theta: Vector) -> None:
    """nu from the kurtosis of the standardised residuals, as arch does; lambda 0."""
    if errors == NORMAL:
        return
    second = fourth = 0.0
    for t in range(e.shape[0]):
        square = e[t] * e[t] / h[t]
        second += square
        fourth += square * square
    kurtosis = e.shape[0] * fourth / (second * second)
    theta[place] = max((4.0 * kurtosis - 6.0) / (kurtosis - 3.0), 4.0) if kurtosis > 3.75 else 12.0
    if errors == SKEWED:
        theta[place + 1] = 0.0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def presample_of(returns: Vector, regressors: Matrix, mean: int, start: int, work: Matrix, theta: Vector) -> float:
    """Fills the mean's part of theta by least squares and work with its residuals; gives the fixed start variance.

    Backcast, or the mean square of the least-squares residuals; NaN when the regressors are collinear.
    """
    if not least_squares(returns, regressors, mean, work[FOLD], theta):
        return math.nan
    residuals_of(theta, returns, regressors, mean, work[RESIDUAL])
    e = work[RESIDUAL]
    return backcast(e) if start == BACKCAST else dot(e, e, work[FOLD]) / e.shape[0]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def search_starts(series: Series, theta: Matrix) -> int:
    """Fills theta (CLASSES, k) with places to begin, the best first; gives how many of them deserve a climb.

    Short series often have two tops, one where shocks last and one where they are soon forgotten: each class of
    persistence is tried unless the grid says that it is out of reach.
    """
    m, process, start, presample = series.mean_parameters, series.process, series.start, series.presample
    returns, regressors, mean, work = series.returns, series.regressors, series.mean, series.work
    values, five = np.empty(CLASSES), np.empty(5)
    for row in range(CLASSES):
        least_squares(returns, regressors, mean, work[FOLD], theta[row])
    e = work[RESIDUAL]
    residuals_of(theta[0], returns, regressors, mean, e)
    grid(process, m, start, presample, dot(e, e, work[FOLD]) / e.shape[0], work, theta, values)
    for row in range(CLASSES):
        shape = unpack(theta[row], m, process, five)
        variances_of(five, process, start, presample, work)
        shape_start(e, work[VARIANCE], series.errors, shape, theta[row])
    order = np.argsort(-values)
    theta[:] = theta[order].copy()
    if e.shape[0] >= SHORT:
        return 1
    count = 0
    for value in values:
        count += 1 if value > values[order[0]] - OUT_OF_REACH else 0
    return count
