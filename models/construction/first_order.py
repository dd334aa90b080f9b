"""Descent that has a feasible portfolio at every moment: what answers when an exact method would come too late.

For criteria of mean and variance. Projected gradient (over general rows toward a feasible point near the projection)
and, where that does not move, conditional gradient (Frank and Wolfe 1956). Each step costs one product with the
covariance. The gap is Frank and Wolfe's: a bound on how far a convex criterion is from its optimum, not an estimate.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.construction.constraints import Array
from models.construction.feasible import FeasibleSet

MOST_STEPS = 5_000
GAP_EVERY = 20  # steps, where the gap costs a linear programme
GOLDEN = 0.6180339887498949
CLOSE = 1e-9  # relative gap at which descent ends


@dataclass(frozen=True)
class Criterion:
    """phi(mean, variance) to be made small, with its two partial derivatives."""

    value: Callable[[float, float], float]
    slopes: Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Descent:
    """Where it came to; `gap` in units of the criterion, inf when no bound was found in time."""

    weights: Array
    value: float
    gap: float
    steps: int


def descend(
    start: Array, means: Array, covariance: Array, criterion: Criterion, inside: FeasibleSet, deadline: float
) -> Descent:
    """From a feasible start until the gap is nothing, MOST_STEPS, or the deadline, which one step may overrun.

    Every step goes to another feasible point, exactly as far as the criterion falls: so none leaves the set.
    """
    x, product = start, covariance @ start
    gap, steps = np.inf, 0
    previous: tuple[Array, Array] | None = None
    while steps < MOST_STEPS and time.perf_counter() < deadline:
        mean, variance = float(means @ x), float(x @ product)
        by_mean, by_variance = criterion.slopes(mean, variance)
        gradient = by_mean * means + 2.0 * by_variance * product
        target = inside.near(x - _stride(x, gradient, previous) * gradient, deadline)
        previous = (x, gradient)
        moved = None if target is None else _step(x, product, target, means, covariance, criterion, deadline)
        if inside.simple or moved is None or steps % GAP_EVERY == GAP_EVERY - 1:
            vertex = inside.vertex(gradient, deadline)
            if vertex is None:
                break
            gap = max(float(gradient @ (x - vertex)), 0.0)
            if gap <= CLOSE * max(abs(criterion.value(mean, variance)), 1e-12):
                break
            moved = moved or _step(x, product, vertex, means, covariance, criterion, deadline)
        if moved is None:
            break
        x, product = moved
        steps += 1
    return Descent(x, criterion.value(float(means @ x), float(x @ product)), gap, steps)


def _step(
    x: Array, product: Array, target: Array, means: Array, covariance: Array, criterion: Criterion, deadline: float
) -> tuple[Array, Array] | None:
    """(the best point on the way to the target, covariance times it); None when none is better or time is over."""
    direction = target - x
    if not direction.any() or time.perf_counter() >= deadline:
        return None
    along = covariance @ direction
    mean = (float(means @ x), float(means @ direction))
    length = _best_length(
        criterion, mean, (float(x @ product), 2.0 * float(product @ direction), float(direction @ along))
    )
    return (x + length * direction, product + length * along) if length > 0.0 else None


def _stride(x: Array, gradient: Array, previous: tuple[Array, Array] | None) -> float:
    """Barzilai and Borwein's step; the first, and where the curvature is lost, moves no weight by more than one."""
    if previous is not None:
        moved, turned = x - previous[0], gradient - previous[1]
        curvature = float(moved @ turned)
        if curvature > 0.0:
            return float(moved @ moved) / curvature
    return 1.0 / max(float(np.abs(gradient).max()), 1e-300)


def _best_length(criterion: Criterion, mean: tuple[float, float], variance: tuple[float, float, float]) -> float:
    """The best part of the way, 0 to 1, by golden section: along it mean is linear and variance quadratic."""

    def value(a: float) -> float:
        return criterion.value(mean[0] + a * mean[1], max(variance[0] + a * (variance[1] + a * variance[2]), 0.0))

    low, high = 0.0, 1.0
    while high - low > 1e-10:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if value(left) <= value(right):
            high = right
        else:
            low = left
    best = min((0.5 * (low + high), 1.0), key=value)
    return best if value(best) < value(0.0) else 0.0
