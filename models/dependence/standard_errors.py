"""Standard errors of joint and of two-step estimates, each three ways: Hessian, outer product, and robust to both."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
KINDS = ("hessian", "opg", "robust")


def invert(matrix: Floats) -> Floats:
    """Inverse of a positive definite matrix, scaled first; nan where it is not one."""
    if matrix.size == 0:
        return matrix
    scale = np.sqrt(np.abs(np.diag(matrix)))
    if not np.all(np.isfinite(matrix)) or np.any(scale == 0):
        return np.full_like(matrix, np.nan)
    scaled = matrix / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(scaled)
    if values[0] <= 1e-14 * values[-1]:
        return np.full_like(matrix, np.nan)
    return np.asarray((vectors / values) @ vectors.T / np.outer(scale, scale))


def likelihood_errors(hessian: Floats, scores: Floats, free: NDArray[np.bool_] | None = None) -> dict[str, Floats]:
    """From the Hessian of a log-likelihood (k, k) and its scores (n, k), each (k,); nan for what is held at a bound.

    `robust` is inverse Hessian, outer product, inverse Hessian; Bollerslev and Wooldridge (1992).
    """
    kept = np.ones(len(hessian), dtype=bool) if free is None else free
    inverse = invert(-hessian[np.ix_(kept, kept)])
    outer = scores[:, kept].T @ scores[:, kept]
    out = {}
    for kind, matrix in zip(KINDS, (inverse, invert(outer), inverse @ outer @ inverse), strict=True):
        errors = np.full(len(hessian), np.nan)
        with np.errstate(invalid="ignore"):
            errors[kept] = np.sqrt(np.diag(matrix))
        out[kind] = errors
    return out


def lags_of(n: int) -> int:
    """4 (n / 100)^(2/9): the moments of the correlation target are autocorrelated, scores are not."""
    return min(n - 1, int(4 * (n / 100) ** (2 / 9)))


def long_run_covariance(moments: Floats) -> Floats:
    """Sum over lags of the autocovariances of `moments` (n, k), Bartlett weights; Newey and West (1987)."""
    centred = moments - moments.mean(axis=0)
    n, lags = len(centred), lags_of(len(centred))
    out = centred.T @ centred / n
    for lag in range(1, lags + 1):
        cross = centred[lag:].T @ centred[:-lag] / n
        out += (1 - lag / (lags + 1)) * (cross + cross.T)
    return np.asarray(out)


def long_run_variance(moments: Floats) -> Floats:
    """The diagonal of `long_run_covariance`, (k,)."""
    centred = moments - moments.mean(axis=0)
    n, lags = len(centred), lags_of(len(centred))
    out = (centred**2).sum(axis=0) / n
    for lag in range(1, lags + 1):
        out += 2 * (1 - lag / (lags + 1)) * np.einsum("tk,tk->k", centred[lag:], centred[:-lag]) / n
    return np.asarray(out)
