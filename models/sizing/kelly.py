"""The bets that make wealth grow fastest: one bet, one asset, several assets under constraints.

Kelly (1956); Thorp (2006); for several assets in continuous time Merton (1969): maximise f'm - f'Cf / 2.
Fractions are of capital. Constraints are part of the programme: nothing is clipped afterwards.
"""

import time
from typing import Any

import numpy as np

from models.construction.constraints import Constraints, Row
from models.construction.polyhedron import contradiction, polyhedron
from models.construction.programme import quadratic_programme
from models.faults import Fault

Array = np.ndarray[Any, np.dtype[np.float64]]

NEWTON_STEPS = 100
TIME_LIMIT_S = 5.0


def binary_kelly(probability: float, gain: float = 1.0, loss: float = 1.0) -> float:
    """Fraction of capital to stake when one unit wins `gain` with that probability, else loses `loss`.

    p / loss - q / gain, and 0 when that is negative: the other side of a bet is another bet, at another price.
    Raises Fault when the probability is outside [0, 1] or a payoff is not positive.
    """
    if not 0.0 <= probability <= 1.0:
        raise Fault(f"probability must lie in 0 .. 1, is {probability}")
    for name, value in (("gain", gain), ("loss", loss)):
        if not (np.isfinite(value) and value > 0.0):
            raise Fault(f"{name} must be above 0 and finite, is {value}")
    return max(probability / loss - (1.0 - probability) / gain, 0.0)


def log_growth(fraction: float, outcomes: Array, probabilities: Array | None = None) -> float:
    """Expected log growth of capital in one bet; -inf when some outcome ruins."""
    wealth = 1.0 + fraction * outcomes
    if wealth.min() <= 0.0:
        return -np.inf
    logs = np.log1p(fraction * outcomes)
    return float(np.mean(logs) if probabilities is None else probabilities @ logs)


def discrete_kelly(outcomes: Array, probabilities: Array | None = None, *, both_sides: bool = False) -> float:
    """Fraction that makes the expected log growth over listed outcomes (per unit staked) largest.

    outcomes (k,): returns of one unit; probabilities (k,), equal when None. 0 when the edge is not positive, unless
    `both_sides` allows the short one. Found by bisection on the derivative, which falls: exact to the last places.
    Raises Fault when no outcome loses, for then no fraction is the largest.
    """
    weights = np.full(len(outcomes), 1.0 / max(len(outcomes), 1)) if probabilities is None else probabilities
    if not (len(outcomes) == len(weights) > 0 and np.isfinite(outcomes).all() and np.isfinite(weights).all()):
        raise Fault("outcomes and probabilities must be as many, at least one, and finite")
    if (weights < 0).any() or abs(weights.sum() - 1.0) > 1e-9:
        raise Fault(f"probabilities must not be negative and must sum to 1; they sum to {weights.sum():g}")
    there = outcomes[weights > 0]
    edge = float(weights @ outcomes)
    if edge == 0.0 or (edge < 0.0 and not both_sides):
        return 0.0
    side = 1.0 if edge > 0.0 else -1.0
    worst = float((side * there).min())
    if worst >= 0.0:
        raise Fault("no outcome loses, so no stake is too large: there is nothing to size; look at the data")
    return side * _zero_of_derivative(side * outcomes, weights, -1.0 / worst)


def _zero_of_derivative(outcomes: Array, weights: Array, most: float) -> float:
    """Where sum w x / (1 + f x) = 0 for f in (0, most), on which it falls from above 0 to -inf."""
    low, high = 0.0, most
    for _ in range(NEWTON_STEPS):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        wealth = 1.0 + middle * outcomes
        if wealth.min() <= 0.0 or float(weights @ (outcomes / wealth)) < 0.0:
            high = middle
        else:
            low = middle
    return low


def continuous_kelly(mean: float, variance: float, rate: float = 0.0) -> float:
    """(mean - rate) / variance, all of one period; a negative edge gives a short position."""
    if not (np.isfinite([mean, variance, rate]).all() and variance > 0.0):
        raise Fault(f"variance must be above 0 and all finite; mean {mean}, variance {variance}, rate {rate}")
    return (mean - rate) / variance


def joint_kelly(
    edges: Array, covariance: Array, constraints: Constraints, *, fraction: float = 1.0, costs: Array | None = None
) -> Array:
    """Fractions of capital (n,) that make f'edges - costs'|f| - f'Cf / (2 fraction) largest under the constraints.

    edges (n,): expected excess returns; covariance (n, n); costs (n,), at least 0: an edge not above its cost is not
    taken, and no position is ever opposite to its edge (a hedge is a bet of its own). One convex programme. Without
    binding constraints and costs: fraction x C^-1 edges. Raises Fault when the constraints contradict each other once
    positions are held to their side, or when no answer is found in TIME_LIMIT_S.
    """
    charged = np.zeros(len(edges)) if costs is None else costs
    side = np.where(np.abs(edges) > charged, np.sign(edges), 0.0)
    sided = held_to(side, constraints)
    clash = contradiction(sided)
    if clash is not None:
        raise Fault(f"the constraints leave no position: {clash.text} (positions are held to the side of their edge)")
    net = edges - side * charged
    shape = polyhedron(sided)
    found = quadratic_programme(covariance / fraction, -net, shape, time.perf_counter() + TIME_LIMIT_S)
    if found.x is None:
        raise Fault(f"no joint Kelly portfolio was found: {found.status} {found.detail}".strip())
    inside: Array = np.clip(found.x[: len(edges)], sided.lower, sided.upper)  # by the solver's last digits only
    tiny = np.abs(inside) < 1e-9 * max(1.0, float(np.abs(inside).max(initial=0.0)))
    return np.where(tiny, 0.0, inside)


def held_to(side: Array, constraints: Constraints) -> Constraints:
    """The constraints with every position on its side (-1, 1, or 0: none), on which the gross limit is linear."""
    rows = constraints.rows
    if constraints.gross is not None:
        rows = (*rows, Row("gross limit", side, -np.inf, constraints.gross))
    lower = np.where(side < 0, constraints.lower, np.maximum(constraints.lower, 0.0))
    upper = np.where(side > 0, constraints.upper, np.minimum(constraints.upper, 0.0))
    return Constraints(constraints.names, lower, upper, constraints.budget, rows)
