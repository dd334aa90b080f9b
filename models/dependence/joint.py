"""All parameters of margins, correlation and its dynamics in one likelihood, with analytic scores."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.dependence.likelihood import CorrelationLikelihood, negative_moments, unpack
from models.dependence.margins import Margins, MarginState

Floats = NDArray[np.float64]
REFUSED = 1e10  # the objective where a matrix is not positive definite
NEWTON_STEPS = 20
NEWTON_DONE = 1e-9  # half the Newton decrement, in units of log-likelihood
NEWTON_CLOSE = 1e-4  # below it the Hessian of the step before still serves, also for standard errors


@dataclass(frozen=True)
class JointModel:
    """Parameters: margins, correlations below the diagonal by rows, then the free ones of (a, b, g).

    `dynamics` says how many of a, b, g are free: 0 (CCC), 2 (DCC) or 3 (asymmetric).
    """

    margins: Margins
    dynamics: int

    @property
    def series(self) -> int:
        return len(self.margins.equations.names)

    @property
    def labels(self) -> tuple[str, ...]:
        names = self.margins.equations.names
        pairs = tuple(f"corr.{names[j]}.{names[i]}" for i in range(len(names)) for j in range(i))
        return (*self.margins.labels, *pairs, *("dcc.a", "dcc.b", "dcc.g")[: self.dynamics])

    def split(self, parameters: Floats) -> tuple[Floats, Floats, tuple[float, float, float]]:
        """Margins, correlation matrix, (a, b, g)."""
        p = len(self.margins.owners)
        pairs = self.series * (self.series - 1) // 2
        a, b, g = (*(float(x) for x in parameters[p + pairs :]), 0.0, 0.0, 0.0)[:3]
        return parameters[:p], unpack(parameters[p : p + pairs], self.series), (a, b, g)

    def evaluate(self, parameters: Floats) -> tuple[float, Floats, MarginState]:
        """Log-likelihood (nan outside its domain), scores (n, parameters) and the margins."""
        flat, correlation, (a, b, g) = self.split(parameters)
        with np.errstate(all="ignore"):
            state = self.margins.evaluate(flat)
            sample = CorrelationLikelihood(state.standardised, correlation, negative_moments(state.standardised))
            loglik = state.loglik + sample.loglik(a, b, g)
            if not np.isfinite(loglik):
                return np.nan, np.full((len(state.residuals), len(parameters)), np.nan), state
            scores = sample.scores(a, b, g, slopes=state.slopes, owners=self.margins.owners, with_target=True)
        p = len(flat)
        scores[:, :p] += state.scores
        rows, columns = np.tril_indices(self.series)
        kept = np.concatenate([np.ones(p, bool), rows != columns, np.arange(3) < self.dynamics])
        return loglik, np.asarray(scores[:, kept]), state

    def bounds(self) -> list[tuple[float | None, float | None]]:
        out: list[tuple[float | None, float | None]] = []
        for size, variance in zip(self.margins.sizes, self.margins.equations.returns.var(axis=0), strict=True):
            out += [(None, None)] * (size - 3) + [(1e-8 * float(variance), None), (0.0, 1.0), (0.0, 1.0)]
        return out + [(-1.0, 1.0)] * (self.series * (self.series - 1) // 2) + [(0.0, 1.0)] * self.dynamics


@dataclass(frozen=True)
class JointEstimate:
    """`hessian` is of the log-likelihood, (parameters, parameters); `at_bound` marks those held there."""

    parameters: Floats
    loglik: float
    converged: bool
    hessian: Floats
    scores: Floats
    state: MarginState
    at_bound: NDArray[np.bool_]


def maximise(model: JointModel, start: Floats) -> JointEstimate:
    """From a two-step estimate to the joint one: L-BFGS in units of standard errors, then Newton steps."""
    loglik, scores, _ = model.evaluate(start)
    information = (scores**2).sum(axis=0)
    unit = np.where(information > 0, 1.0 / np.sqrt(np.where(information > 0, information, 1.0)), 1e-3)
    bounds = [
        tuple(None if limit is None else (limit - x) / u for limit in pair)
        for pair, x, u in zip(model.bounds(), start, unit, strict=True)
    ]

    def objective(point: Floats) -> tuple[float, Floats]:
        value, slopes, _ = model.evaluate(start + unit * point)
        if not np.isfinite(value):
            return REFUSED, np.zeros(len(point))
        return loglik - value, -unit * slopes.sum(axis=0)

    found = minimize(
        objective, np.zeros(len(start)), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300}
    )
    return newton(model, start + unit * found.x, unit)


def newton(model: JointModel, parameters: Floats, unit: Floats) -> JointEstimate:
    """Newton steps on the parameters that are not at a bound, halved until the likelihood rises.

    A Hessian costs two evaluations a parameter, so it is made anew only while steps are still long.
    """
    lower, upper = (
        np.array([fill if limit is None else limit for limit in side])
        for side, fill in zip(zip(*model.bounds(), strict=True), (-np.inf, np.inf), strict=True)
    )

    def curvature(point: Floats) -> Floats:
        return difference(lambda x: model.evaluate(x)[1].sum(axis=0), point, 1e-3 * unit)

    converged, hessian = False, curvature(parameters)
    loglik, scores, state = model.evaluate(parameters)
    for _ in range(NEWTON_STEPS):
        gradient = scores.sum(axis=0)
        at_bound = (parameters <= lower) & (gradient <= 0) | (parameters >= upper) & (gradient >= 0)
        free = np.flatnonzero(~at_bound)
        step = np.zeros(len(parameters))
        step[free] = np.linalg.lstsq(-hessian[np.ix_(free, free)], gradient[free], rcond=1e-14)[0]
        decrement = float(abs(gradient @ step))
        if decrement < 2 * NEWTON_DONE:
            converged = True
            break
        for _ in range(12):
            trial = np.clip(parameters + step, lower, upper)
            value, slopes, margin_state = model.evaluate(trial)
            if value > loglik:
                parameters, loglik, scores, state = trial, value, slopes, margin_state
                break
            step *= 0.5
        else:
            converged = decrement < NEWTON_CLOSE
            break
        if decrement > NEWTON_CLOSE:
            hessian = curvature(parameters)
    return JointEstimate(parameters, loglik, converged, hessian, scores, state, at_bound)


def difference(function: Callable[[Floats], Floats], point: Floats, step: Floats) -> Floats:
    """Central differences of a vector function, made symmetric: (parameters, parameters).

    Where the function does not exist on one side, from the point to the other; on neither, zero.
    """
    columns, middle = [], function(point)
    for i in range(len(point)):
        shift = np.zeros(len(point))
        shift[i] = step[i]
        sides = [(side, function(point + side * shift)) for side in (1.0, -1.0)]
        there = [(side, value) for side, value in sides if np.all(np.isfinite(value))]
        (first, high), (last, low) = (*there, (0.0, middle))[:2] if there else ((1.0, middle), (0.0, middle))
        columns.append((high - low) / ((first - last) * step[i]))
    matrix = np.array(columns)
    return np.asarray((matrix + matrix.T) / 2)
