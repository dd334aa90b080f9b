"""Dynamics of correlation from the likelihoods of pairs: for many series, where one likelihood of all is dear or
does not exist; Pakel, Shephard, Sheppard and Engle (2021)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.pairs import composite_logliks, composite_work
from models.dependence.standard_errors import KINDS, invert, long_run_covariance
from models.dependence.two_step import LARGEST_PERSISTENCE, STEP, DynamicsEstimate

Floats = NDArray[np.float64]
CURVATURE_STEP = 1e-4


@dataclass(frozen=True)
class CompositeLikelihood:
    """One sample of standardised residuals (n, series) with its targets, and scratch memory for the kernel."""

    standardised: Floats
    target: Floats
    negative_target: Floats
    _work: tuple[Floats, Floats, Floats] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n, series = self.standardised.shape
        work = (np.zeros((series, series)), composite_work(series), np.zeros(n))
        object.__setattr__(self, "_work", work)

    def loglik(self, a: float, b: float, g: float = 0.0) -> float:
        """Sum over pairs and times; nan where the Q of a pair is not positive definite."""
        targets = (self.target, self.negative_target)
        return float(composite_logliks(self.standardised, *targets, a, b, g, *self._work))

    def at(self, points: Floats) -> Floats:
        """`loglik` of points (m, 2 or 3), (m,)."""
        return np.array([self.loglik(*point) for point in points])

    def logliks(self, a: float, b: float, g: float = 0.0) -> Floats:
        """Sum over pairs of each time, (n,)."""
        self.loglik(a, b, g)
        return self._work[2].copy()


def composite_errors(
    sample: CompositeLikelihood,
    estimate: DynamicsEstimate,
    many: Callable[[Floats], Floats] | None = None,
    by_time: Callable[[Floats], Floats] | None = None,
) -> dict[str, Floats]:
    """`robust` standard errors of the dynamics: inverse curvature, long-run covariance of scores, inverse curvature.

    `hessian` and `opg` are nan: pairs are not independent, so neither has a meaning alone. `many`: as in
    `fit_dynamics`, for the curvature; `by_time`: log-likelihoods (n,) at a point (k,); both where a GPU has them.
    """
    point, k = estimate.parameters, len(estimate.parameters)
    free = (point > 0.0) & (estimate.persistence < LARGEST_PERSISTENCE - 1e-9)
    shifts = STEP * np.eye(k)
    times = by_time or (lambda at: sample.logliks(*at))
    scores = [(times(point + shift) - times(point - shift)) / (2 * STEP) for shift in shifts]
    curvature = second_differences(many or sample.at, point)
    inverse = invert(-curvature[np.ix_(free, free)] / len(scores[0]))
    spread = inverse @ long_run_covariance(np.column_stack(scores)[:, free]) @ inverse / len(scores[0])
    errors = {kind: np.full(k, np.nan) for kind in KINDS}
    errors["robust"][free] = np.sqrt(np.diag(spread))
    return errors


def second_differences(at: Callable[[Floats], Floats], point: Floats) -> Floats:
    """Hessian by central differences, (k, k), of the function that `at` gives at points (m, k)."""
    h, k = CURVATURE_STEP, len(point)
    eye = h * np.eye(k)
    pairs = [(i, j) for i in range(k) for j in range(i)]
    signs = [(s, r) for s in (1, -1) for r in (1, -1)]
    corners = [point + s * eye[i] + r * eye[j] for i, j in pairs for s, r in signs]
    values = at(np.array([point, *(point + eye), *(point - eye), *corners]))
    middle, above, below, rest = np.split(values, [1, k + 1, 2 * k + 1])
    out = np.diag((above - 2 * middle + below) / h**2)
    products = [s * r for s, r in signs]
    for (i, j), own in zip(pairs, rest.reshape(-1, len(signs)), strict=True):
        out[i, j] = out[j, i] = (own * products).sum() / (4 * h**2)
    return out
