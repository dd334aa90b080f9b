"""Random markets and constraints for the tests of construction, and cvxpy's answer to the same question."""

from typing import Any

import cvxpy
import numpy as np

from models.construction import Constraints, Row

Array = np.ndarray[Any, Any]


def random_market(seed: int, count: int) -> tuple[Array, Array]:
    """(means, covariance) of daily size."""
    draws = np.random.default_rng(seed)
    mixing = draws.normal(size=(count, count + 5)) * 0.01 / np.sqrt(count)
    return draws.normal(4e-4, 6e-4, count), mixing @ mixing.T + 1e-5 * np.eye(count)


def random_constraints(seed: int, count: int, rows: bool = True, gross: bool = False) -> Constraints:
    """Never empty: every limit leaves room for one random portfolio."""
    draws = np.random.default_rng(seed + 1)
    inside = draws.dirichlet(np.ones(count))
    lower = np.minimum(inside, draws.uniform(-0.2, 0.05, count))
    upper = np.maximum(inside, draws.uniform(0.1, 0.6, count))
    chosen = []
    for k in range(2 if rows else 0):
        coefficients = draws.normal(size=count) if k else (draws.random(count) < 0.5).astype(np.float64)
        middle = float(coefficients @ inside)
        chosen.append(Row(f"row {k}", coefficients, middle - draws.uniform(0, 0.2), middle + draws.uniform(0, 0.2)))
    names = tuple(f"A{i}" for i in range(count))
    return Constraints(names, lower, upper, 1.0, tuple(chosen), 1.1 if gross else None)


def rules(weights: Any, constraints: Constraints) -> list[Any]:
    """The constraints as cvxpy's."""
    found = [weights >= constraints.lower, weights <= constraints.upper]
    if constraints.budget is not None:
        found.append(cvxpy.sum(weights) == constraints.budget)
    for row in constraints.rows:
        found += [row.coefficients @ weights <= row.high, row.coefficients @ weights >= row.low]
    if constraints.gross is not None:
        found.append(cvxpy.norm1(weights) <= constraints.gross)
    return found


def least(expression: Any, weights: Any, constraints: Constraints) -> float:
    """cvxpy's smallest value of an expression."""
    problem = cvxpy.Problem(cvxpy.Minimize(expression), rules(weights, constraints))
    problem.solve(solver=cvxpy.CLARABEL)
    return float(problem.value)
