"""Pre-trade CVaR slowly: every figure from all scenarios, every combination of fills tried."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def cvar(losses: Vector, level: float) -> float:
    """Mean of the worst (1 - level) of the losses, shape (n,); the last of them counts in part.

    Acerbi and Tasche (2002), definition 2.6, for n equally likely losses. Positive is a loss.
    """
    tail = tail_count(len(losses), level)
    worst = np.sort(losses)[::-1]
    whole = int(tail)
    part = (tail - whole) * worst[whole] if tail > whole else 0.0
    return float((worst[:whole].sum() + part) / tail)


def value_at_risk(losses: Vector, level: float) -> float:
    """Loss at rank (n + 1) level of losses (n,), between two where that is not whole (Hyndman and Fan 1996, type 6)."""
    ordered = np.sort(losses)
    rank = min(max((len(losses) + 1) * level, 1.0), float(len(losses)))
    lower = int(rank)
    upper = min(lower, len(losses) - 1)
    return float(ordered[lower - 1] + (rank - lower) * (ordered[upper] - ordered[lower - 1]))


def tail_count(scenarios: int, level: float) -> float:
    """Scenarios in the tail, cleaned of what a double makes of 1 - 0.99."""
    return round((1.0 - level) * scenarios, 9)


def marginal_cvar(losses: NDArray[np.float64], held: Vector, level: float) -> Vector:
    """A subgradient of CVaR at `held`: the mean loss of each instrument over the book's tail, shape (instruments,).

    losses: (instruments, scenarios), of one unit of value. held: values, (instruments,).
    """
    tail = tail_count(losses.shape[1], level)
    order = np.argsort(-(held @ losses), kind="stable")
    whole = int(tail)
    weights = np.zeros(losses.shape[1])
    weights[order[:whole]] = 1.0
    if tail > whole:
        weights[order[whole]] = tail - whole
    result: Vector = losses @ weights / tail
    return result


def true_worst_cvar(losses: NDArray[np.float64], low: Vector, high: Vector, level: float) -> float:
    """The largest CVaR over every end of every box, 2**instruments of them: CVaR is convex, so none inside is worse."""
    corners = product(*({a, b} for a, b in zip(low, high, strict=True)))
    return max(cvar(np.array(corner) @ losses, level) for corner in corners)


def dominating_cvar(losses: NDArray[np.float64], low: Vector, high: Vector, level: float) -> float:
    """CVaR of the scenario-wise worst: never below true_worst_cvar, for CVaR is monotone."""
    worst = np.maximum(low[:, None] * losses, high[:, None] * losses).sum(axis=0)
    return cvar(worst, level)


def bounds(
    losses: NDArray[np.float64], reference: Vector, low: Vector, high: Vector, level: float
) -> tuple[float, float]:
    """(lower, upper) of true_worst_cvar from the reference book's CVaR, marginal and stand-alone figures."""
    base = cvar(reference @ losses, level)
    marginal = marginal_cvar(losses, reference, level)
    long_loss = np.array([cvar(row, level) for row in losses])
    short_loss = np.array([cvar(-row, level) for row in losses])
    ends = np.array([low - reference, high - reference])
    stand_alone = np.where(ends >= 0.0, ends * long_loss, -ends * short_loss)
    return base + float((marginal * ends).max(axis=0).sum()), base + float(stand_alone.max(axis=0).sum())
