"""The likelihood of standardised residuals under dynamic correlation, its scores, and moments it is targeted on."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.likelihood import dcc_loglik, likelihood_work
from kernels.dependence.scores import dcc_scores

Floats = NDArray[np.float64]
NONE = np.zeros(0, dtype=np.int64)


def second_moments(standardised: Floats) -> Floats:
    """Mean of e e', (series, series): what Q is targeted on."""
    return np.asarray(standardised.T @ standardised / len(standardised))


def negative_moments(standardised: Floats) -> Floats:
    """Mean of min(e, 0) min(e, 0)', (series, series)."""
    return second_moments(np.minimum(standardised, 0.0))


def negative_moment_slopes(standardised: Floats, slopes: Floats, owners: NDArray[np.int64]) -> Floats:
    """d negative_moments[owner, :] / d margin parameter, (parameters, series)."""
    negative = np.minimum(standardised, 0.0)
    moved = np.where(standardised[:, owners] < 0.0, slopes, 0.0)
    out = np.ascontiguousarray(moved.T @ negative / len(standardised))
    out[np.arange(len(owners)), owners] *= 2.0
    return out


def unpack(packed: Floats, series: int) -> Floats:
    """Symmetric matrix of unit diagonal from its lower triangle by rows, diagonal left out."""
    matrix = np.eye(series)
    matrix[np.tril_indices(series, -1)] = packed
    return matrix + np.tril(matrix, -1).T


@dataclass(frozen=True)
class CorrelationLikelihood:
    """One sample of standardised residuals (n, series) with its targets, and scratch memory for the kernels."""

    standardised: Floats
    target: Floats
    negative_target: Floats
    _work: tuple[Floats, Floats, Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        series = self.standardised.shape[1]
        packed = series * (series + 1) // 2
        object.__setattr__(self, "_work", (np.zeros(packed), np.zeros(packed), likelihood_work(series)))

    def loglik(self, a: float, b: float, g: float = 0.0) -> float:
        """What correlation adds to the log-likelihood of the margins; nan where a Q is not positive definite."""
        return float(dcc_loglik(self.standardised, self.target, self.negative_target, a, b, g, *self._work))

    def scores(
        self,
        a: float,
        b: float,
        g: float = 0.0,
        *,
        slopes: Floats | None = None,
        owners: NDArray[np.int64] = NONE,
        with_target: bool = False,
    ) -> Floats:
        """(n, margin parameters + target elements + 3) scores: see `kernels.dependence.scores.dcc_scores`."""
        n, series = self.standardised.shape
        margins = np.empty((n, 0)) if slopes is None else slopes
        negative = np.zeros((len(owners), series))
        if g != 0.0 and slopes is not None:
            negative = negative_moment_slopes(self.standardised, margins, owners)
        packed = series * (series + 1) // 2 if with_target else 0
        out = np.empty((n, len(owners) + packed + 3))
        work = np.zeros((7 + len(owners), series, series))
        dcc_scores(self.standardised, margins, owners, negative, self.target, self.negative_target, a, b, g, work, out)
        return out
