"""What the fits of jump models have in common: their result, its health, standard errors from scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.health import HEALTHY, Health, unhealthy

Array = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """parameters by name; standard_errors {"hessian", "opg", "robust"} -> {name: value}, NaN for one at a bound."""

    parameters: dict[str, float]
    standard_errors: dict[str, dict[str, float]]
    loglik: float
    converged: bool
    health: Health
    n: int
    notes: tuple[str, ...]
    seconds: float

    @classmethod
    def nothing(cls, names: Sequence[str], n: int, reason: Health, seconds: float) -> Self:
        """A fit that could not be made."""
        return cls(
            dict.fromkeys(names, NAN), {}, NAN, False, reason, n, (f"{reason.code}: {reason.note}",), seconds
        )  # fmt: skip


def usable(values: Array, fewest: int) -> Health | None:
    """Why a series of finite values cannot be fitted, or None."""
    if values.size < fewest:
        return unhealthy("TOO_FEW_OBSERVATIONS", f"{values.size} observations, {fewest} are needed")
    if float(np.ptp(values)) <= 1e-12 * max(1e-300, float(np.abs(values).max())):
        return unhealthy("CONSTANT_SERIES", f"all {values.size} observations are {values[0]:g}")
    return None


def health_of(converged: bool, parameters: Array) -> Health:
    if not np.isfinite(parameters).all():
        return unhealthy("NOT_FINITE", "the likelihood has no finite maximum here")
    return HEALTHY if converged else unhealthy("NOT_CONVERGED", "the gradient at the best point found is not 0")


def information_of(score_sums: Callable[[Array], Array], point: Array, free: NDArray[np.bool_] | None = None) -> Array:
    """Observed information (p, p) by central differences of the gradient of the log-likelihood; 0 where not `free`."""
    found = np.zeros((point.size, point.size))
    for i in range(point.size):
        if free is None or free[i]:
            step = np.zeros(point.size)
            step[i] = max(1e-5 * abs(point[i]), 1e-8)
            found[i] = -(score_sums(point + step) - score_sums(point - step)) / (2.0 * step[i])
    return found


def errors_from(
    names: Sequence[str], information: Array, scores: Array, free: NDArray[np.bool_], unit: Array
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """(standard errors, notes): inverse information, inverse outer product of the scores, and the sandwich.

    information (p, p) observed, scores (n, p) of each observation, both at the estimate. Only `free` parameters have
    errors; `unit` (p,) brings them to the unit of the data.
    """
    places = np.flatnonzero(free)
    information = information[np.ix_(places, places)]
    information = 0.5 * (information + information.T)
    outer = scores[:, places].T @ scores[:, places]
    hessian, opg = inverse(information), inverse(outer)
    found = {"hessian": hessian, "opg": opg, "robust": None if hessian is None else hessian @ outer @ hessian}
    tables, notes = {}, []
    for name, covariance in found.items():
        values = np.full(len(names), NAN)
        if covariance is None:
            notes.append(f"STANDARD_ERRORS: {name}: the information matrix is not positive definite")
        else:
            values[places] = np.sqrt(np.maximum(np.diag(covariance), 0.0)) * unit[places]
        tables[name] = dict(zip(names, values.tolist(), strict=True))
    return tables, notes


def inverse(matrix: Array) -> Array | None:
    """Of a positive definite matrix, brought to unit diagonal first; None for another one."""
    diagonal = np.sqrt(np.abs(np.diag(matrix)))
    if not np.isfinite(matrix).all() or np.any(diagonal == 0.0):
        return None
    scaled = matrix / np.outer(diagonal, diagonal)
    try:
        np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(np.linalg.inv(scaled) / np.outer(diagonal, diagonal), dtype=np.float64)
