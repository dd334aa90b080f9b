"""Feasible portfolios, cheaply: projection on bounds and budget, best vertices, a point to start from."""

import time
from dataclasses import dataclass

import numpy as np

from models.construction.constraints import Array, Constraints
from models.construction.polyhedron import Polyhedron, linear_vertex, polyhedron

BISECTIONS = 200


def project(point: Array, constraints: Constraints) -> Array:
    """The nearest weights (Euclidean) within bounds that sum to the budget: clip(point - shift), by bisection."""
    low, high, budget = constraints.lower, constraints.upper, constraints.budget
    assert budget is not None
    least, most = float((point - high).min()), float((point - low).max())
    for _ in range(BISECTIONS):
        middle = 0.5 * (least + most)
        if middle in (least, most):
            break
        if float(np.clip(point - middle, low, high).sum()) > budget:
            least = middle
        else:
            most = middle
    return spread(np.clip(point - most, low, high), constraints)


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
        """The warm start when it is feasible, else a feasible point near it (bounds and budget) or any."""
        count = len(self.constraints.names)
        if warm is not None and warm.shape == (count,) and np.isfinite(warm).all():
            if self.constraints.satisfied_by(warm):
                return self.tidy(warm)
            if self.simple:
                return project(warm, self.constraints)
        if self.simple:
            even = np.full(count, (self.constraints.budget or 0.0) / count)
            return project(even, self.constraints)
        found = self.vertex(np.zeros(count), deadline)
        return None if found is None else self.tidy(found)
