"""GARCH(1,1) margins of several series: one by one, and as the part of a joint likelihood that each series owns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from kernels.dependence.margins import garch_evaluate, garch_fit
from models.dependence.means import Equations
from models.volatility.health import EWMA_DECAY, PERSISTENCE_LIMIT

Floats = NDArray[np.float64]
SHAPES = ((0.05, 0.90), (0.03, 0.96), (0.10, 0.80), (0.15, 0.50))  # (alpha, beta) tried first
LARGEST_PERSISTENCE = 1.0 - 1e-7
REFUSED = 1e10
NOTHING = 0.5  # of log-likelihood: half of what chance gives on average to each parameter
GARCH_LABELS = ("omega", "alpha", "beta")


@dataclass(frozen=True)
class MarginState:
    """All series under given parameters. `variances` (n + 1, series): the last row is one step ahead.

    `scores` and `slopes` (n, parameters): d loglik_t and d standardised_t by each margin parameter.
    """

    residuals: Floats
    variances: Floats
    standardised: Floats
    scores: Floats
    slopes: Floats
    logliks: Floats

    @property
    def loglik(self) -> float:
        return float(self.logliks.sum())


@dataclass(frozen=True)
class Margins:
    """The series with their equations; parameters are flat, series after series: mean, omega, alpha, beta."""

    equations: Equations

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(design.shape[1] + 3 for design in self.equations.designs)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        return tuple(int(offset) for offset in np.concatenate([[0], np.cumsum(self.sizes)[:-1]]))

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """Where each series' parameters stand among all."""
        return tuple(slice(first, first + size) for first, size in zip(self.offsets, self.sizes, strict=True))

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """Series of each parameter."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        equations = zip(self.equations.names, self.equations.labels, strict=True)
        return tuple(f"{name}.{label}" for name, mean in equations for label in (*mean, *GARCH_LABELS))

    @cached_property
    def garch(self) -> NDArray[np.bool_]:
        """Which parameters belong to the variance: omega, alpha, beta of each series."""
        return np.concatenate([np.arange(size) >= size - 3 for size in self.sizes])

    def part(self, parameters: Floats, series: int) -> Floats:
        return parameters[self.places[series]]

    def scores_of(self, parameters: Floats, series: int) -> Floats:
        """d loglik_t / d parameters of one series, (n, size), under the flat `parameters` of all."""
        design = self.equations.designs[series]
        return evaluate_one(
            np.ascontiguousarray(self.equations.returns[:, series]), design, self.part(parameters, series)
        )[2]

    def evaluate(self, parameters: Floats) -> MarginState:
        """Everything of every series under `parameters` (sum of sizes,)."""
        returns = self.equations.returns
        n, series = returns.shape
        columns = np.ascontiguousarray(returns.T)
        residuals, variances = np.empty((series, n)), np.empty((series, n + 1))
        scores, slopes = np.empty((n, sum(self.sizes))), np.empty((n, sum(self.sizes)))
        logliks = np.empty(series)
        for i in range(series):
            one = evaluate_one(columns[i], self.equations.designs[i], self.part(parameters, i))
            place = self.places[i]
            residuals[i], variances[i], scores[:, place], slopes[:, place], logliks[i] = one
        standardised = np.ascontiguousarray((residuals / np.sqrt(variances[:, :-1])).T)
        return MarginState(residuals.T.copy(), variances.T.copy(), standardised, scores, slopes, logliks)


class Workspace:
    """Arrays for one series of n rows and k regressors, in the order the kernels take them."""

    def __init__(self, n: int, k: int) -> None:
        self.arrays = (
            np.empty(n),
            np.empty(n + 1),
            np.empty((n + 1, k + 3)),
            np.empty((n, k + 3)),
            np.empty((n, k + 3)),
        )
        self.matrices = np.empty((3, k + 3, k + 3))


def evaluate_one(returns: Floats, design: Floats, parameters: Floats) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Residuals (n,), variances (n + 1,), scores and slopes (n, parameters), log-likelihood of one series."""
    work = Workspace(*design.shape)
    loglik = garch_evaluate(returns, design, parameters, *work.arrays)
    residuals, variances, _, scores, slopes = work.arrays
    return residuals, variances, scores, slopes, loglik


def fit_margin(returns: Floats, design: Floats, warm: Floats | None = None) -> tuple[Floats, bool]:
    """Normal quasi maximum likelihood of one series: parameters (k + 3,) and whether the search converged.

    Fisher scoring; where that stops at a bound (no ARCH, a unit root) a constrained search finishes. Where even that
    is no better than a constant variance by NOTHING, alpha and beta are zero: beta has no meaning without alpha.
    """
    k = design.shape[1]
    mean = np.linalg.lstsq(design, returns, rcond=None)[0]
    scale = float(np.std(returns - design @ mean))
    scaled = returns / scale
    unit = np.concatenate([np.full(k, scale), [scale * scale, 1.0, 1.0]])
    work = Workspace(*design.shape)

    def loglik(point: Floats) -> float:
        value = garch_evaluate(scaled, design, point, *work.arrays)
        return value if np.isfinite(value) else -REFUSED

    starts = [np.concatenate([mean / scale, [1 - alpha - beta, alpha, beta]]) for alpha, beta in SHAPES]
    best = max(starts, key=loglik) if warm is None else warm / unit
    found = best.copy()
    if not garch_fit(scaled, design, found, *work.arrays, work.matrices):
        found, converged = constrained(loglik, work, max((best, *starts), key=loglik), len(returns))
        residuals = scaled - design @ (mean / scale)
        flat = np.concatenate([mean / scale, [np.mean(residuals**2), 0.0, 0.0]])
        if not loglik(found) > loglik(flat) + NOTHING:
            return flat * unit, True
        return found * unit, converged
    return found * unit, True


def constrained(loglik: Callable[[Floats], float], work: Workspace, start: Floats, n: int) -> tuple[Floats, bool]:
    """Sequential quadratic programming with alpha, beta >= 0 and alpha + beta <= 1 - 1e-7."""
    k = len(start) - 3

    def objective(point: Floats) -> tuple[float, Floats]:
        value = loglik(point)
        return -value / n, -work.arrays[3].sum(axis=0) / n if value > -REFUSED else np.zeros(k + 3)

    bounds = [(None, None)] * k + [(1e-8, None), (0.0, 1.0), (0.0, 1.0)]
    slope = np.concatenate([np.zeros(k + 1), [-1.0, -1.0]])
    stationary = {"type": "ineq", "fun": lambda x: LARGEST_PERSISTENCE - x[-1] - x[-2], "jac": lambda _: slope}
    found = minimize(
        objective, start, jac=True, method="SLSQP", bounds=bounds, constraints=[stationary], options={"ftol": 1e-12}
    )
    parameters = np.asarray(found.x, dtype=np.float64)
    parameters[k + 1 :] = np.maximum(parameters[k + 1 :], 0.0)
    return parameters, bool(found.success)


def usable_margins(
    margins: Margins, parameters: Floats, converged: list[bool]
) -> tuple[Floats, NDArray[np.bool_], tuple[str, ...]]:
    """Parameters with EWMA(0.94) in the place of every GARCH that cannot be used, which series those are, and notes.

    The limit is the one of `models.volatility`; EWMA is the GARCH of omega 0, alpha 0.06, beta 0.94.
    """
    out, replaced, notes = parameters.copy(), np.zeros(len(converged), dtype=bool), []
    for i, place in enumerate(margins.places):
        persistence = float(out[place.stop - 2] + out[place.stop - 1])
        if converged[i] and persistence < PERSISTENCE_LIMIT:
            continue
        reason = f"alpha + beta {persistence:.6f}" if converged[i] else "its search did not converge"
        replaced[i] = True
        design = margins.equations.designs[i]
        mean = np.linalg.lstsq(design, margins.equations.returns[:, i], rcond=None)[0]
        out[place] = [*mean, 0.0, 1.0 - EWMA_DECAY, EWMA_DECAY]
        notes.append(
            f"EWMA_MARGIN: variances of {margins.equations.names[i]} are those of EWMA({EWMA_DECAY}): {reason}"
        )
    return out, replaced, tuple(notes)


def fit_margins(margins: Margins, warm: Floats | None = None) -> tuple[Floats, list[bool]]:
    """Each series alone: flat parameters, and per series whether its search converged."""
    found: Sequence[tuple[Floats, bool]] = [
        fit_margin(
            np.ascontiguousarray(margins.equations.returns[:, i]),
            design,
            None if warm is None else margins.part(warm, i),
        )
        for i, design in enumerate(margins.equations.designs)
    ]
    return np.concatenate([parameters for parameters, _ in found]), [converged for _, converged in found]
