"""Markowitz' critical line algorithm: the whole efficient frontier, exactly, from corner to corner.

Markowitz (1956, 1987), Markowitz and Todd (2000), for lower <= w <= upper and equality rows A w = b; a row with two
limits becomes an equality with one more variable, its slack. Between two corners the weights are linear in lambda,
the marginal mean per marginal variance: min w'Cw / 2 - lambda means'w.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog

from models.construction.constraints import Constraints
from models.construction.polyhedron import contradiction
from models.faults import Fault

Array = np.ndarray[Any, np.dtype[np.float64]]

EDGE = 1e-11
SAME = 1e-11
TIE = 1e-12  # of the largest mean: by so much equal ones are made distinct, for they leave the start undecided
CORNERS_PER_VARIABLE = 20


@dataclass(frozen=True)
class Frontier:
    """Corner portfolios from the highest mean to the least variance: weights (k, n), the others (k,)."""

    lambdas: Array
    weights: Array
    means: Array
    deviations: Array

    def at_lambda(self, value: float) -> Array:
        """Weights for a lambda: linear between corners, the end ones beyond."""
        k = int(np.searchsorted(-self.lambdas, -value))
        if k == 0:
            return np.array(self.weights[0])
        if k == len(self.lambdas):
            return np.array(self.weights[-1])
        if k == 1:  # from infinity to the second corner nothing changes
            return np.array(self.weights[1])
        share = (self.lambdas[k - 1] - value) / (self.lambdas[k - 1] - self.lambdas[k])
        found: Array = self.weights[k - 1] + share * (self.weights[k] - self.weights[k - 1])
        return found


@dataclass
class _Program:
    """min x'Cx/2 - lambda m'x, low <= x <= high, A x = b."""

    means: Array
    covariance: Array
    low: Array
    high: Array
    rows: Array
    limits: Array


def critical_line(means: Array, covariance: Array, constraints: Constraints) -> Frontier:
    """The efficient frontier under bounds, budget and rows.

    means (n,), covariance (n, n) positive definite. The first corner is the portfolio of the highest mean, given once
    with lambda infinite and once with the lambda from which it changes; the last has lambda 0. Raises Fault when the
    constraints contradict each other, leave the mean unbounded, or hold a gross limit (use a programme for that).
    """
    if constraints.gross is not None:
        raise Fault("the critical line knows no gross limit; leave --gross out or choose another objective")
    clash = contradiction(constraints)
    if clash is not None:
        raise Fault(f"the constraints contradict each other: {clash.text}")
    n = len(means)
    unit_mean = float(np.abs(means).max(initial=0.0)) or 1.0
    unit_variance = float(np.diag(covariance).mean())
    program = _with_slacks(means / unit_mean, covariance / unit_variance, constraints)
    x, free = _highest_mean(program)
    lambdas, corners = [np.inf], [x[:n].copy()]
    current, side = np.inf, np.where(x >= program.high - EDGE, 1, -1)
    for _ in range(CORNERS_PER_VARIABLE * len(program.means) + 10):
        constant, slope, gradient = _line(program, x, free)
        event, at, moved_to = _next_event(program, free, side, constant, slope, gradient, current)
        value = max(event, 0.0)
        x = constant + value * slope
        np.clip(x, program.low, program.high, out=x)
        lambdas.append(value)
        corners.append(x[:n].copy())
        if event <= 0.0:
            break
        if free[at]:
            free[at], side[at] = False, moved_to
            x[at] = program.high[at] if moved_to > 0 else program.low[at]
        else:
            free[at] = True
        current = value
    else:
        raise Fault("the critical line did not reach its end; the covariance may be singular")
    weights, kept = np.array(corners), ends_of_runs(np.array(corners))
    weights, lambdas = weights[kept], [lambdas[k] for k in kept]
    deviations = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", weights, covariance, weights), 0.0))
    return Frontier(np.array(lambdas) * unit_variance / unit_mean, weights, weights @ means, deviations)


def ends_of_runs(corners: Array) -> list[int]:
    """Of corners that are the same portfolio (a degenerate one meets several) only the first and the last count."""
    same = np.abs(np.diff(corners, axis=0)).max(axis=1) <= SAME
    inner = np.concatenate([[False], same[:-1] & same[1:], [False]])
    return [int(k) for k in np.flatnonzero(~inner)]


def _with_slacks(means: Array, covariance: Array, constraints: Constraints) -> _Program:
    n = len(means)
    open_rows = [row for row in constraints.rows if row.low != row.high]
    fixed = [row for row in constraints.rows if row.low == row.high]
    slacks = len(open_rows)
    rows = [np.concatenate([row.coefficients / row.scale, np.zeros(slacks)]) for row in fixed]
    limits = [row.high / row.scale for row in fixed]
    if constraints.budget is not None:
        rows.insert(0, np.concatenate([np.ones(n), np.zeros(slacks)]))
        limits.insert(0, constraints.budget)
    for k, row in enumerate(open_rows):
        rows.append(np.concatenate([row.coefficients / row.scale, -np.eye(slacks)[k]]))
        limits.append(0.0)
    total = n + slacks
    wide = np.zeros((total, total))
    wide[:n, :n] = covariance
    distinct = means + TIE * np.arange(n, 0, -1) / n
    return _Program(
        np.concatenate([distinct, np.zeros(slacks)]),
        wide,
        np.concatenate([constraints.lower, [row.low / row.scale for row in open_rows]]),
        np.concatenate([constraints.upper, [row.high / row.scale for row in open_rows]]),
        np.array(rows).reshape(-1, total),
        np.array(limits, dtype=np.float64),
    )


def _highest_mean(program: _Program) -> tuple[Array, Any]:
    """The vertex of the highest mean and its basis: as many free variables as rows, with independent columns."""
    total = len(program.means)
    found = linprog(
        -program.means, A_eq=program.rows if len(program.rows) else None,
        b_eq=program.limits if len(program.rows) else None,
        bounds=list(zip(program.low, program.high, strict=True)), method="highs-ds",
    )  # fmt: skip
    if found.status != 0:
        raise Fault("the highest mean is unbounded under these constraints; give bounds to every name")
    x = np.asarray(found.x, dtype=np.float64)
    room = np.minimum(x - program.low, program.high - x)
    reduced = np.abs(-program.means - program.rows.T @ found.eqlin.marginals) if len(program.rows) else np.ones(total)
    free = np.zeros(total, dtype=bool)
    basis: list[int] = []
    for i in np.lexsort((reduced, room <= EDGE)):  # strictly inside first, then those with the least reduced cost
        if len(basis) == len(program.rows):
            break
        trial = [*basis, int(i)]
        if np.linalg.matrix_rank(program.rows[:, trial]) == len(trial):
            basis = trial
    free[basis] = True
    return x, free


def _line(program: _Program, x: Array, free: Any) -> tuple[Array, Array, tuple[Array, Array]]:
    """x = constant + lambda slope on this critical line, and the derivatives of the fixed variables, the same way."""
    inside, fixed = np.flatnonzero(free), np.flatnonzero(~free)
    m, k = len(program.rows), len(inside)
    system = np.zeros((k + m, k + m))
    system[:k, :k] = program.covariance[np.ix_(inside, inside)]
    system[:k, k:] = program.rows[:, inside].T
    system[k:, :k] = program.rows[:, inside]
    right = np.zeros((k + m, 2))
    right[:k, 0] = -program.covariance[np.ix_(inside, fixed)] @ x[fixed]
    right[k:, 0] = program.limits - program.rows[:, fixed] @ x[fixed]
    right[:k, 1] = program.means[inside]
    try:
        solved = np.linalg.solve(system, right)
    except np.linalg.LinAlgError:
        raise Fault(
            "the equations of a critical line are singular: repair the covariance (usable_covariance), or leave out a "
            "row that others imply"
        ) from None
    constant, slope = x.copy(), np.zeros(len(x))
    constant[inside], slope[inside] = solved[:k, 0], solved[:k, 1]
    prices = solved[k:]
    gradient = program.covariance @ np.column_stack([constant, slope]) + program.rows.T @ prices
    return constant, slope, (gradient[:, 0], gradient[:, 1] - program.means)


def _next_event(
    program: _Program,
    free: Any,
    side: Any,
    constant: Array,
    slope: Array,
    gradient: tuple[Array, Array],
    current: float,
) -> tuple[float, int, int]:
    """(largest lambda below the current one at which a variable changes, which, the bound that a free one reaches)."""
    best, at, moved_to = -np.inf, -1, 0
    for i in range(len(constant)):
        to = 0
        if free[i]:
            if slope[i] > EDGE * 1e-3 and np.isfinite(program.low[i]):  # falling with lambda: reaches its lower bound
                event, to = (program.low[i] - constant[i]) / slope[i], -1
            elif slope[i] < -EDGE * 1e-3 and np.isfinite(program.high[i]):
                event, to = (program.high[i] - constant[i]) / slope[i], 1
            else:
                continue
        else:  # at the lower bound the derivative is above 0, at the upper below; it enters where that changes
            if program.low[i] == program.high[i]:
                continue
            level, change = gradient[0][i], gradient[1][i]
            if (side[i] < 0 and change <= 0) or (side[i] > 0 and change >= 0) or change == 0:
                continue
            event = -level / change
        if best < event <= current * (1 + 1e-12) or (event == best and at < 0):
            best, at, moved_to = min(event, current), i, to
    return best, at, moved_to
