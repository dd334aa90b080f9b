"""Fits of many series: each is one independent unit of work, one thread takes a range of them without the GIL.

`fit_range` is called from as many threads as there are cores (models/volatility/batch.py). Data come in scaled: mean
square about 1. Everything a unit needs is allocated once a range.
"""

import math

import numpy as np
from numba import njit

from kernels.volatility import APARCH, EGARCH
from kernels.volatility.likelihood import (
    RESIDUAL,
    VARIANCE,
    WORK_ROWS,
    loglikelihood,
    residuals_of,
    unpack,
    variances_of,
)
from kernels.volatility.optimise import inverse_positive, maximise
from kernels.volatility.recursions import LOG_VARIANCE_LIMIT
from kernels.volatility.scores import scores_of
from kernels.volatility.starts import presample_of, search_start
from kernels.volatility.steps import aparch_step, egarch_step, gjr_step
from kernels.volatility.sums import dot
from kernels.volatility.transforms import to_free, to_natural
from kernels.volatility.types import Codes, Matrix, Vector

DIFFERENCE = 6e-6  # relative, of natural parameters


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def hessian_of(
    theta: Vector, returns: Vector, regressors: Matrix, codes: Codes, presample: float, work: Matrix, hessian: Matrix
) -> None:
    """Second derivatives (k, k) of the log-likelihood in natural parameters: central differences of its gradient.

    EGARCH and APARCH have a kink in the mean where a residual is zero, and their maximum is often on one: coefficients
    of the mean are differenced a little to one side of it.
    """
    k = theta.shape[0]
    moved, above, below = theta.copy(), np.empty(k), np.empty(k)
    for j in range(k):
        width = DIFFERENCE * max(abs(theta[j]), 0.01)
        centre = theta[j] + (2.0 * width if j < codes[0] and codes[2] >= EGARCH else 0.0)
        moved[j] = centre + width
        loglikelihood(moved, returns, regressors, codes[1], codes[2], codes[3], codes[4], presample, work, above)
        moved[j] = centre - width
        loglikelihood(moved, returns, regressors, codes[1], codes[2], codes[3], codes[4], presample, work, below)
        moved[j] = theta[j]
        for i in range(k):
            hessian[i, j] = (above[i] - below[i]) / (2.0 * width)
    for i in range(k):
        for j in range(i):
            hessian[i, j] = hessian[j, i] = 0.5 * (hessian[i, j] + hessian[j, i])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def covariances(
    theta: Vector,
    returns: Vector,
    regressors: Matrix,
    codes: Codes,
    presample: float,
    work: Matrix,
    scores: Matrix,
    out: Matrix,
) -> None:
    """Covariances (3, k, k): inverse Hessian, inverse outer product of scores, sandwich. NaN where singular."""
    k = theta.shape[0]
    information, opg = np.empty((k, k)), np.empty((k, k))
    hessian_of(theta, returns, regressors, codes, presample, work, information)
    for i in range(k):
        for j in range(k):
            information[i, j] = -information[i, j]
    scores_of(theta, returns, regressors, codes[1], codes[2], codes[3], codes[4], presample, work, scores)
    for i in range(k):
        for j in range(i + 1):
            opg[i, j] = opg[j, i] = dot(scores[i], scores[j])
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


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def newton_step(
    theta: Vector,
    covariance: Matrix,
    returns: Vector,
    regressors: Matrix,
    codes: Codes,
    presample: float,
    work: Matrix,
    loglik: float,
) -> float:
    """One Newton step in natural parameters with the Hessian at hand, where it is a small one inside the limits.

    The search has come within 1e-4 standard errors; this squares that distance. Gives the log-likelihood there.
    """
    k, m = theta.shape[0], codes[0]
    gradient, moved, five = np.empty(k), theta.copy(), np.empty(5)
    loglikelihood(theta, returns, regressors, codes[1], codes[2], codes[3], codes[4], presample, work, gradient)
    for i in range(k):
        change = 0.0
        for j in range(k):
            change += covariance[i, j] * gradient[j]
        if not abs(change) < 1e-2 * math.sqrt(covariance[i, i]):
            return loglik
        moved[i] += change
    unpack(moved, m, codes[2], five)
    if codes[2] != EGARCH:
        half = 0.0 if codes[2] == APARCH else 0.5
        least = min(five[1], five[1] + 2.0 * half * five[2], five[3], 1.0 - five[1] - half * five[2] - five[3])
        if not (five[0] > 0.0 and least > 0.0):
            return loglik
    found = loglikelihood(moved, returns, regressors, codes[1], codes[2], codes[3], codes[4], presample, work, gradient)
    if not found > loglik - 1e-9:
        return loglik
    theta[:] = moved
    return found


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def fit_range(
    returns: Matrix,
    regressors: Matrix,
    codes: Codes,
    warm: Matrix,
    tolerance: float,
    iterations: int,
    errors: bool,
    theta: Matrix,
    logliks: Vector,
    converged: Vector,
    evaluations: Vector,
    presamples: Vector,
    covariance: Matrix,
    variances: Matrix,
    residuals: Matrix,
    following: Vector,
) -> None:
    """Fits each row of returns (series, n), scaled; the results go to the rows of the arrays after `errors`.

    `warm` (series, k): where to begin; NaN in a row's first place: from the grid. `covariance` (series, 3, k, k) is
    filled when `errors`. `following` is the variance after the last return.
    """
    n, k = returns.shape[1], theta.shape[1]
    work, scores = np.empty((WORK_ROWS, n)), np.empty((k, n))
    free, jacobian = np.empty(k), np.empty((k, k))
    m, process, density_code = codes[0], codes[2], codes[3]
    for s in range(returns.shape[0]):
        at = theta[s]
        presamples[s] = presample_of(returns[s], regressors, codes[1], codes[4], work, at)
        search_start(regressors, codes[1], process, density_code, codes[4], presamples[s], work, at)
        if not math.isnan(warm[s, 0]):
            at[:] = warm[s]
        to_free(at, m, process, density_code, free)
        logliks[s], converged[s], evaluations[s] = maximise(
            free, returns[s], regressors, codes, presamples[s], work, tolerance, iterations
        )
        to_natural(free, m, process, density_code, at, jacobian)
        if errors:
            covariances(at, returns[s], regressors, codes, presamples[s], work, scores, covariance[s])
            logliks[s] = newton_step(
                at, covariance[s, 0], returns[s], regressors, codes, presamples[s], work, logliks[s]
            )
        presamples[s], following[s] = filter_one(at, returns[s], regressors, codes, work)
        variances[s] = work[VARIANCE]
        residuals[s] = work[RESIDUAL]
