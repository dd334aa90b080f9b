"""Means and covariance of returns for construction, checked; a covariance that cannot be used is mended with a note."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from models.faults import DataFault, Fault

Array = np.ndarray[Any, np.dtype[np.float64]]

LEAST_OBSERVATIONS = 20
SMALLEST_EIGENVALUE = 1e-8  # of the correlation matrix, whose mean eigenvalue is 1
SYMMETRIC_TO = 1e-8

Estimator = Literal["sample", "ledoit-wolf"]


@dataclass(frozen=True)
class Moments:
    """means (n,), covariance (n, n), of one period; `returns` (observations, n) that they come from."""

    names: tuple[str, ...]
    means: Array
    covariance: Array
    returns: Array
    notes: tuple[str, ...] = ()

    @property
    def observations(self) -> int:
        return len(self.returns)


def moments_of(returns: Array, names: Sequence[str], estimator: Estimator = "ledoit-wolf") -> Moments:
    """Moments of simple returns (observations, n), one row a period.

    `sample` divides by T - 1; `ledoit-wolf` shrinks toward a multiple of the identity. Raises DataFault naming the
    series when one is constant or not finite, or when there are fewer than max(20, n + 2) observations for `sample`
    and 20 for `ledoit-wolf`. A singular covariance is repaired and noted (see `usable_covariance`).
    """
    count, n = returns.shape
    needed = max(LEAST_OBSERVATIONS, n + 2) if estimator == "sample" else LEAST_OBSERVATIONS
    if count < needed:
        more = "; --covariance ledoit-wolf needs fewer" if estimator == "sample" and count >= LEAST_OBSERVATIONS else ""
        raise DataFault(f"{count} observations of {n} series are too few: at least {needed} are needed{more}")
    wrong = ~np.isfinite(returns)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataFault(f"{names[column]}: return {int(row) + 1} is {returns[row, column]}; mend it or leave it out")
    still = np.ptp(returns, axis=0) == 0.0
    if still.any():
        raise DataFault(
            f"{names[int(np.argmax(still))]} is constant: it carries no risk that could be estimated; leave it out"
        )
    if estimator == "sample":
        covariance = np.atleast_2d(np.cov(returns.T))
    else:
        from models.dependence import ledoit_wolf  # numba: only when it is wanted

        covariance = np.asarray(ledoit_wolf(returns).matrix)
    mended, notes = usable_covariance(covariance, names)
    return Moments(tuple(names), returns.mean(axis=0), mended, returns, notes)


def usable_covariance(covariance: Array, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    """The covariance, symmetric and with no eigenvalue of its correlations below 1e-8; what was changed is noted.

    The rule: eigenvalues of the correlation matrix are raised to 1e-8, the diagonal is set back to one, and the
    variances are kept. Raises Fault naming the series on a value that is not finite, a variance not above 0, or a
    matrix that is not symmetric.
    """
    n = len(names)
    if covariance.shape != (n, n):
        raise Fault(f"the covariance has shape {covariance.shape}, not ({n}, {n})")
    if not np.isfinite(covariance).all():
        i, j = np.argwhere(~np.isfinite(covariance))[0]
        raise Fault(f"the covariance of {names[i]} and {names[j]} is {covariance[i, j]}")
    variances = np.diag(covariance)
    if not (variances > 0.0).all():
        i = int(np.argmin(variances > 0.0))
        raise Fault(f"{names[i]}: variance {variances[i]:g} is not above 0")
    deviations = np.sqrt(variances)
    correlations = covariance / np.outer(deviations, deviations)
    crooked = float(np.abs(correlations - correlations.T).max())
    if crooked > SYMMETRIC_TO:
        i, j = divmod(int(np.argmax(np.abs(correlations - correlations.T))), n)
        raise Fault(
            f"the covariance is not symmetric: {names[i]} with {names[j]} differs from {names[j]} with {names[i]}"
        )
    correlations = 0.5 * (correlations + correlations.T)
    values, vectors = np.linalg.eigh(correlations)
    if values[0] >= SMALLEST_EIGENVALUE:
        return 0.5 * (covariance + covariance.T), ()
    mended = (vectors * np.maximum(values, SMALLEST_EIGENVALUE)) @ vectors.T
    scale = deviations / np.sqrt(np.diag(mended))
    low = int((values < SMALLEST_EIGENVALUE).sum())
    i, j = divmod(int(np.argmax(np.abs(correlations - np.eye(n)))), n)
    note = (
        f"COVARIANCE_REPAIRED: {low} of {n} eigenvalues of the correlations below {SMALLEST_EIGENVALUE:g} (least "
        f"{values[0]:.2g}) raised to it, variances kept; most alike are {names[i]} and {names[j]} "
        f"({correlations[i, j]:.6f})"
    )
    return 0.5 * (mended + mended.T) * np.outer(scale, scale), (note,)
