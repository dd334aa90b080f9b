"""The second step: dynamics of correlation given standardised residuals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]
NEWS = (0.005, 0.015, 0.03, 0.06)  # a, and persistence, of the grid from whose best point the search begins: the
PERSISTENCES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.995)  # likelihood often has one top for slow and one for fast changes
LARGEST_PERSISTENCE = 1.0 - 1e-6
NOTHING = 1e-7  # a coefficient below it is zero
STEP = 1e-5  # of a central difference in a, b or g
REFUSED = 1e10


@dataclass(frozen=True)
class DynamicsEstimate:
    """`parameters` (2 or 3,): a, b and, if asymmetric, g; `asymmetry` the weight of g in the persistence."""

    parameters: Floats
    loglik: float
    converged: bool
    asymmetry: float

    @property
    def persistence(self) -> float:
        return persistence_of(self.parameters, self.asymmetry)


def persistence_of(parameters: Floats, asymmetry: float) -> float:
    """a + b + asymmetry g; below one Q_t stays positive definite. Cappiello, Engle and Sheppard (2006), section 2.2."""
    return float(parameters[0] + parameters[1] + (asymmetry * parameters[2] if len(parameters) > 2 else 0.0))


def asymmetry_of(target: Floats, negative_target: Floats) -> float:
    """Largest eigenvalue of target^-1/2 negative_target target^-1/2."""
    root = np.linalg.inv(np.linalg.cholesky(target))
    return float(np.linalg.eigvalsh(root @ negative_target @ root.T)[-1])


@dataclass(frozen=True)
class Objective:
    """What the search makes small: minus the log-likelihood a row, of `at` points (m, k); `slopes` as in the search."""

    at: Callable[[Floats], Floats]
    slopes: Callable[[Floats], Floats] | None
    n: int

    def values(self, points: Floats) -> Floats:
        found = self.at(points)
        return np.where(np.isfinite(found), -found / self.n, REFUSED)

    def value(self, point: Floats) -> float:
        return float(self.values(point[None])[0])

    def gradient(self, point: Floats) -> Floats:
        if self.slopes is not None and np.isfinite(known := self.slopes(point)).all():
            return -known / self.n
        shifts = STEP * np.eye(len(point))
        above, below = np.split(self.values(np.concatenate([point + shifts, point - shifts])), 2)
        return np.asarray((above - below) / (2 * STEP))


def asymmetric_starts(plain: Floats, weights: Floats) -> list[Floats]:
    """Starts with g, from the dynamics `plain` (2,) without it, as far as they are stationary."""
    shares = (0.0, 0.25, 0.5)  # of a given to g: its term is felt in one quadrant, about half of the time
    starts = [np.array([(1 - s) * plain[0], plain[1], s * plain[0]]) for s in shares]
    starts += [np.array([0.005, persistence - 0.03, 0.03]) for persistence in PERSISTENCES]
    return [start for start in starts if weights @ start < LARGEST_PERSISTENCE]


def fit_dynamics(
    loglik: Callable[..., float],
    n: int,
    asymmetry: float | None,
    warm: Floats | None = None,
    *,
    many: Callable[[Floats], Floats] | None = None,
    slopes: Callable[[Floats], Floats] | None = None,
) -> DynamicsEstimate:
    """Maximises `loglik(a, b[, g])` over a, b, g >= 0 and persistence below one.

    `asymmetry` None leaves g out. `warm` is tried as a start beside the usual ones. All zero: correlation is constant.
    `many` gives the log-likelihoods (m,) of points (m, k) at once and `slopes` their derivatives (k,) at a point (k,),
    where a GPU has them; without them points are taken one by one and slopes are central differences.
    """
    weights = np.array([1.0, 1.0] if asymmetry is None else [1.0, 1.0, asymmetry])
    if asymmetry is None:
        starts = [np.array([a, persistence - a]) for a in NEWS for persistence in PERSISTENCES]
    else:
        plain = fit_dynamics(loglik, n, None, many=many, slopes=slopes).parameters
        starts = asymmetric_starts(plain, weights)
    if warm is not None and len(warm) == len(weights) and weights @ warm < LARGEST_PERSISTENCE:
        starts.append(warm)
    objective = Objective(many or (lambda points: np.array([loglik(*point) for point in points])), slopes, n)
    stationary = {"type": "ineq", "fun": lambda x: LARGEST_PERSISTENCE - weights @ x, "jac": lambda _: -weights}
    found = minimize(
        objective.value,
        starts[int(np.argmin(objective.values(np.array(starts))))],
        jac=objective.gradient,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(weights),
        constraints=[stationary],
        options={"ftol": 1e-12, "maxiter": 100},
    )
    parameters = np.clip(np.asarray(found.x, dtype=np.float64), 0.0, 1.0)
    parameters[parameters < NOTHING] = 0.0
    if not parameters[[0, *range(2, len(parameters))]].any():
        parameters[:] = 0.0  # nothing moves the correlations, so b has no meaning
    return DynamicsEstimate(parameters, loglik(*parameters), bool(found.success), asymmetry or 0.0)
