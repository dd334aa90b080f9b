"""Mean and variance: least variance, most utility, least variance for a return, highest Sharpe ratio."""

import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import clarabel
import numpy as np
from scipy import sparse

from models.construction.constraints import Array, Constraints, Row
from models.construction.feasible import FeasibleSet
from models.construction.first_order import Criterion, Descent, descend
from models.construction.programme import fits, quadratic_programme, solve

Objective = Literal["max-sharpe", "min-variance", "utility", "target-return"]

BOUND_STEPS = 30
RESERVED = 0.25  # part of the time kept for descent in case the exact method comes too late


@dataclass(frozen=True)
class Found:
    """weights (n,); value and gap in units of the objective as a person reads it; status as in `Answer`."""

    weights: Array | None
    value: float
    gap: float | None
    status: str
    notes: tuple[str, ...] = ()


def utility_criterion(risk_aversion: float) -> Criterion:
    """risk_aversion v / 2 - m."""
    return Criterion(lambda m, v: 0.5 * risk_aversion * v - m, lambda m, v: (-1.0, 0.5 * risk_aversion))


VARIANCE = Criterion(lambda m, v: v, lambda m, v: (0.0, 1.0))


SHARPE = Criterion(
    lambda m, v: -m / float(np.sqrt(max(v, 1e-300))),
    lambda m, v: (-1.0 / float(np.sqrt(max(v, 1e-300))), 0.5 * m / float(max(v, 1e-300)) ** 1.5),
)


def with_target(constraints: Constraints, means: Array, target: float) -> Constraints:
    return constraints.and_row(Row("return target", means, target, np.inf))


def mean_variance(
    means: Array, covariance: Array, inside: FeasibleSet, criterion: Criterion, start: Array, deadline: float
) -> Found:
    """For the quadratic criteria (variance, utility): Clarabel when it can end in time, else descent."""
    n = len(means)
    by_mean, by_variance = criterion.slopes(0.0, 0.0)
    if in_time(n, inside, deadline):
        found = quadratic_programme(2.0 * by_variance * covariance, by_mean * means, inside.shape, exact_by(deadline))
        weights = None if found.x is None else inside.tidy(found.x[:n])
        if weights is not None:
            value = criterion.value(float(means @ weights), float(weights @ covariance @ weights))
            return Found(weights, value, found.gap, found.status)
    return late(descend(start, means, covariance, criterion, inside, deadline), inside, deadline)


def max_sharpe(excess: Array, covariance: Array, inside: FeasibleSet, start: Array, deadline: float) -> Found:
    """Highest excess'w / deviation, excess being means over the return of cash.

    Least y'Cy with excess'y = 1 over the cone of the constraints, w = y / size.

    Cornuejols and Tutuncu (2006, section 8.2). Refused, with a note, when no feasible portfolio earns more than cash.
    """
    n = len(excess)
    best = inside.vertex(-excess, deadline)
    if best is not None and float(excess @ best) <= 0.0:
        note = (
            f"NO_EXCESS_RETURN: no feasible portfolio earns more than cash (at best {excess @ best:+.3g} a period), "
            f"so there is no highest Sharpe ratio; use --objective min-variance"
        )
        return Found(None, np.nan, None, "refused", (note,))
    if in_time(n, inside, deadline):
        units = float(np.abs(excess).max()), float(np.diag(covariance).mean())
        found = _sharpe_programme(excess / units[0], covariance / units[1], inside, exact_by(deadline))
        size = 0.0 if found.x is None else float(found.x[n])
        weights = None if found.x is None or size <= 0.0 else inside.tidy(found.x[:n] / size)
        if weights is not None:
            value = float(excess @ weights) / float(np.sqrt(weights @ covariance @ weights))
            least = (found.objective - found.gap) * units[1] / units[0] ** 2  # of 1 / (2 Sharpe^2)
            bound = max(float(1.0 / np.sqrt(2.0 * least)) - value, 0.0) if least > 0.0 else None
            return Found(weights, value, bound, found.status)
    if best is not None and float(excess @ start) <= 0.0:
        start = best
    path = descend(start, excess, covariance, SHARPE, inside, deadline)
    bound = sharpe_bound(excess, covariance @ path.weights, path, inside, deadline)
    return late(replace(path, value=-path.value, gap=max(bound + path.value, 0.0)), inside, deadline)


def sharpe_bound(excess: Array, product: Array, path: Descent, inside: FeasibleSet, deadline: float) -> float:
    """No feasible portfolio has a higher Sharpe ratio than this; inf when no bound was found in time.

    By Cauchy and Schwarz the deviation of any s is at least slope's with slope = Cx / deviation of x, so excess's over
    slope's, a ratio of linear functions, bounds the Sharpe ratio of s. Its largest value by Dinkelbach (1967).
    """
    slope = product / float(np.sqrt(max(float(path.weights @ product), 1e-300)))
    bound = -path.value
    for _ in range(BOUND_STEPS):
        vertex = inside.vertex(bound * slope - excess, deadline)
        if vertex is None:
            return np.inf
        gain, risk = float(excess @ vertex), float(slope @ vertex)
        if gain - bound * risk <= 1e-13 * abs(gain):
            return bound
        if risk <= 0.0:
            return np.inf
        bound = gain / risk
    return np.inf


def _sharpe_programme(excess: Array, covariance: Array, inside: FeasibleSet, deadline: float) -> Any:
    """min y'Cy/2 with excess'y = 1, equal y = equal_to k, within y <= within_to k, k >= 0; x = (y, k, sizes).

    Both excess and covariance in units that make them of order one.
    """
    n, shape = len(excess), inside.shape
    lifted = shape.variables - n

    def moved(matrix: Any, limits: Array) -> Any:
        """Columns in the order y, k, sizes."""
        matrix = matrix.tocsc()
        return sparse.hstack([matrix[:, :n], sparse.csc_matrix(-limits[:, None]), matrix[:, n:]])

    quadratic = sparse.block_diag([np.triu(covariance), sparse.csc_matrix((1 + lifted, 1 + lifted))])
    rows = sparse.vstack([
        sparse.csc_matrix(np.concatenate([excess, np.zeros(1 + lifted)])),
        moved(shape.equal, shape.equal_to),
        moved(shape.within, shape.within_to),
        sparse.csc_matrix(np.concatenate([np.zeros(n), [-1.0], np.zeros(lifted)])),
    ])  # fmt: skip
    offset = np.concatenate([[1.0], np.zeros(rows.shape[0] - 1)])
    cones = [clarabel.ZeroConeT(1 + len(shape.equal_to)), clarabel.NonnegativeConeT(len(shape.within_to) + 1)]
    return solve(quadratic, np.zeros(n + 1 + lifted), rows, offset, cones, deadline)


def in_time(n: int, inside: FeasibleSet, deadline: float) -> bool:
    """Whether the exact method is worth beginning."""
    rows = len(inside.constraints.rows)
    return fits(n * (n + 1) // 2 + n * (2 + rows), n, exact_by(deadline) - time.perf_counter())


def exact_by(deadline: float) -> float:
    now = time.perf_counter()
    return now + (1.0 - RESERVED) * (deadline - now)


def late(path: Descent, inside: FeasibleSet, deadline: float) -> Found:
    """The answer of descent: optimal when its gap says so."""
    weights = inside.tidy(path.weights)
    gap = path.gap if np.isfinite(path.gap) else None
    closed = gap is not None and gap <= 1e-7 * max(abs(path.value), 1e-12)
    if closed:
        return Found(weights, path.value, gap, "optimal")
    if time.perf_counter() < deadline:
        note = f"BEST_FEASIBLE: the exact method had no answer and descent ended after {path.steps} steps"
        return Found(weights, path.value, gap, "best_feasible", (note,))
    note = f"BEST_SO_FAR: the time limit came after {path.steps} steps of descent"
    return Found(weights, path.value, gap, "time_limit", (note,))
