"""Portfolios: what an answer costs beside a library, and by how much a deadline is overrun when it comes too soon.

python -m benchmarks.bench_construction
"""

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from models.construction import Constraints, Problem, Row, optimise

Array = np.ndarray[Any, np.dtype[np.float64]]

ROUNDS = 9
NAMES, PERIODS = 100, 750
VAST = 3_000
LIMIT_S = 0.05


def returns_of(names: int, periods: int) -> Array:
    """One common factor and noise, daily size."""
    draws = np.random.default_rng(7)
    found: Array = draws.normal(4e-4, 0.01, (periods, names)) + draws.normal(0, 0.01, (periods, 1))
    return found


def problem_of(returns: Array, method: str, objective: str, most: float) -> Problem:
    """Long only, at most `most` a name, one group (every other name) between 40 % and 60 %."""
    names = returns.shape[1]
    group = Row("group", (np.arange(names) % 2).astype(np.float64), 0.4, 0.6)
    limits = Constraints(tuple(f"A{i}" for i in range(names)), np.zeros(names), np.full(names, most), 1.0, (group,))
    covariance = np.cov(returns.T)
    covariance[np.diag_indices(names)] *= 1.05
    return Problem(method, limits, returns.mean(axis=0), covariance, objective, scenarios=returns)  # type: ignore[arg-type]


def seconds_of(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def through_cvxpy(problem: Problem) -> float:
    """Least variance by cvxpy with the same solver; the variance."""
    import cvxpy

    limits = problem.constraints
    w = cvxpy.Variable(len(limits.names))
    rules = [w >= limits.lower, w <= limits.upper, cvxpy.sum(w) == 1.0]
    for row in limits.rows:
        rules += [row.coefficients @ w >= row.low, row.coefficients @ w <= row.high]
    asked = cvxpy.Problem(cvxpy.Minimize(cvxpy.quad_form(w, cvxpy.psd_wrap(problem.covariance))), rules)
    asked.solve(solver=cvxpy.CLARABEL)
    return float(asked.value)


def portfolio_min_variance(peers: bool = True) -> dict[str, Any]:
    """The row `portfolio_min_variance`: 100 names, one group; cvxpy on the same solver beside it."""
    problem = problem_of(returns_of(NAMES, PERIODS), "markowitz", "min-variance", 0.05)
    found = optimise(problem, time_limit_s=10.0)
    row: dict[str, Any] = {"name": "portfolio_min_variance", "names": NAMES, "status": found.status}
    ours, theirs = [], []
    variances = {"bot4": found.objective}
    if peers:
        variances["cvxpy"] = through_cvxpy(problem)
    for _ in range(ROUNDS):
        ours.append(seconds_of(lambda: optimise(problem, time_limit_s=10.0)))
        if peers:
            theirs.append(seconds_of(lambda: through_cvxpy(problem)))
    row |= {"ms": min(ours) * 1e3, "variances": variances}
    if peers:
        row |= {"peer": "cvxpy", "peer_ms": min(theirs) * 1e3, "ratio_to_peer": min(theirs) / min(ours)}
    return row


def portfolio_deadline() -> dict[str, Any]:
    """The row `portfolio_deadline`: 3,000 names in 50 ms. Seconds to a feasible answer, the longest of all runs."""
    returns = returns_of(VAST, 300)
    row: dict[str, Any] = {"name": "portfolio_deadline", "names": VAST, "limit_ms": LIMIT_S * 1e3}
    for method, objective in (
        ("markowitz", "max-sharpe"), ("markowitz", "min-variance"), ("black-litterman", "utility"),
        ("risk-parity", "utility"), ("hrp", "utility"), ("mean-cvar", "min-variance"),
    ):  # fmt: skip
        problem = problem_of(returns, method, objective, 0.01)
        answers = [optimise(problem, time_limit_s=LIMIT_S) for _ in range(ROUNDS)]
        feasible = [a.weights is not None and problem.constraints.satisfied_by(a.weights) for a in answers]
        label = f"{method} {objective}" if method == "markowitz" else method
        spent = [a.seconds * 1e3 for a in answers]
        row[label] = {"median_ms": float(np.median(spent)), "longest_ms": max(spent), "feasible": sum(feasible)}
    return row | {"rounds": ROUNDS}


if __name__ == "__main__":
    print(json.dumps([portfolio_min_variance(), portfolio_deadline()], indent=2))
