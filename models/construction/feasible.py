"""Feasible portfolios, cheaply: projection on bounds and budget, best vertices, a point to start from."""

import time
from dataclasses import dataclass

import numpy as np

from models.construction.constraints import Array, Constraints
from models.construction.polyhedron import Polyhedron, linear_vertex, polyhedron

SHIFTS = 100
LEAST_ROUNDS, MOST_ROUNDS = 30, 300  # of alternating projections; the first are made whatever the time
DEEPER = 1e-5


def project(point: Array, constraints: Constraints) -> Array:
    """The nearest weights (Euclidean) within bounds that sum to the budget: clip(point - shift).

    The sum is piecewise linear in the shift: Newton steps, with bisection where they leave the bracket, find it.
    """
    low, high, budget = constraints.lower, constraints.upper, constraints.budget
    assert budget is not None
    least, most = float((point - high).min()), float((point - low).max())
    shift = min(max((float(point.sum()) - budget) / len(point), least), most)
    for _ in range(SHIFTS):
        moved = point - shift
        inside = np.minimum(np.maximum(moved, low), high)
        over = float(inside.sum()) - budget
        if abs(over) <= 1e-15 * len(point):
            break
        if over > 0.0:
            least = shift
        else:
            most = shift
        free = int(np.count_nonzero(inside == moved))
        shift = shift + over / free if free else least
        if not least < shift < most:
            shift = 0.5 * (least + most)
        if shift in (least, most):
            break
    return spread(inside, constraints)


def spread(weights: Array, constraints: Constraints) -> Array:
    """Puts what is missing to the budget (the last digits of a solver) on names that have room, within bounds."""
    if constraints.budget is None:
        return weights
    for _ in range(3):
        missing = constraints.budget - float(weights.sum())
        if missing == 0.0:
            break
        room = constraints.upper - weights if missing > 0 else weights - constraints.lower
        bounded = np.minimum(room, abs(missing))
        total = float(bounded.sum())
        if total <= 0.0:
            break
        weights = weights + np.sign(missing) * bounded * min(1.0, abs(missing) / total)
    return np.clip(weights, constraints.lower, constraints.upper)


def best_vertex(linear: Array, constraints: Constraints) -> Array:
    """Weights that make linear @ weights smallest within bounds and budget: fill the cheapest first."""
    assert constraints.budget is not None
    weights = constraints.lower.astype(np.float64, copy=True)
    left = constraints.budget - float(weights.sum())
    order = np.argsort(linear, kind="stable")
    room = (constraints.upper - constraints.lower)[order]
    before = np.concatenate([[0.0], np.cumsum(room)[:-1]])
    weights[order] += np.clip(left - before, 0.0, room)
    return weights


@dataclass
class FeasibleSet:
    """Constraints with what is computed from them once; rows need linear programmes, bounds and a budget do not."""

    constraints: Constraints
    _shape: Polyhedron | None = None

    @property
    def shape(self) -> Polyhedron:
        if self._shape is None:
            self._shape = polyhedron(self.constraints)
        return self._shape

    @property
    def simple(self) -> bool:
        return self.constraints.box_and_budget_only

    def vertex(self, linear: Array, deadline: float) -> Array | None:
        """A minimiser of linear @ weights, or None without one in time."""
        if self.simple:
            return best_vertex(linear, self.constraints)
        return linear_vertex(linear, self.shape, deadline - time.perf_counter())

    def near(self, point: Array, deadline: float) -> Array | None:
        """The nearest weights within bounds and budget; with rows a feasible point near by, None if none is found."""
        return project(point, self.constraints) if self.simple else alternate(point, self.constraints, deadline)

    def tidy(self, weights: Array) -> Array | None:
        """A solver's answer moved by its last digits into the constraints; None when it misses them by more."""
        if not np.isfinite(weights).all():
            return None
        inside = np.clip(weights, self.constraints.lower, self.constraints.upper)
        inside = spread(inside, self.constraints)
        return inside if self.constraints.satisfied_by(inside) else None

    def toward(self, start: Array, target: Array) -> Array:
        """The feasible point nearest to the target on the straight line from a feasible start."""
        low, high = 0.0, 1.0
        if self.constraints.satisfied_by(target):
            return target
        for _ in range(40):
            middle = 0.5 * (low + high)
            if self.constraints.satisfied_by(start + middle * (target - start)):
                low = middle
            else:
                high = middle
        found: Array = start + low * (target - start)
        return found

    def start(self, warm: Array | None, deadline: float) -> Array | None:
        """The warm start when it is feasible, else a feasible point near it, or near equal weights, or any."""
        count = len(self.constraints.names)
        usable = warm is not None and warm.shape == (count,) and bool(np.isfinite(warm).all())
        point = warm if usable and warm is not None else np.full(count, (self.constraints.budget or 0.0) / count)
        if self.constraints.satisfied_by(point):
            return self.tidy(point)
        if self.simple:
            return project(point, self.constraints)
        near = alternate(point, self.constraints, deadline)
        if near is None:
            near = self.vertex(np.zeros(count), deadline)
        return None if near is None else self.tidy(near)


def alternate(point: Array, constraints: Constraints, deadline: float) -> Array | None:
    """A feasible point by projecting on one constraint after the other (von Neumann), or None when it takes too long.

    Each is projected on a little deeper than asked, so that points in the middle of a set are reached in finite time.
    """
    for k in range(MOST_ROUNDS):
        if k >= LEAST_ROUNDS and time.perf_counter() >= deadline:
            break
        if constraints.budget is None:
            point = np.clip(point, constraints.lower, constraints.upper)
        else:
            point = project(point, constraints)
        if constraints.satisfied_by(point):
            return point
        for row in constraints.rows:
            value, deeper = float(row.coefficients @ point), DEEPER * row.scale
            wanted = min(max(value, row.low + deeper), row.high - deeper) if row.low < row.high else row.low
            length = float(row.coefficients @ row.coefficients)
            if wanted != value and length > 0.0:
                point = point + (wanted - value) / length * row.coefficients
        if constraints.gross is not None and float(np.abs(point).sum()) > constraints.gross:
            point = within_gross(point, constraints.gross * (1.0 - DEEPER))
    return None


def within_gross(point: Array, gross: float) -> Array:
    """The nearest point with a sum of sizes of `gross`: every size less by the same, down to 0 (Duchi et al. 2008)."""
    sizes = np.sort(np.abs(point))[::-1]
    over = (np.cumsum(sizes) - gross) / np.arange(1, len(sizes) + 1)
    cut = float(over[np.flatnonzero(sizes > over)[-1]]) if gross > 0.0 else np.inf
    found: Array = np.sign(point) * np.maximum(np.abs(point) - cut, 0.0)
    return found
