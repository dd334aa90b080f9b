"""Risk parity: every name contributes its share (a budget) of the portfolio's variance.

Unconstrained: the zero of C x - b / x, by cyclical coordinate descent on x'Cx / 2 - b'log x (Spinu 2013;
Griveau-Billion, Richard and Roncalli 2013). Under constraints: the same convex criterion over the cone of the
constraints (Richard and Roncalli 2019); contributions are then as near their budgets as they allow in that sense.
"""

import time

import clarabel
import numpy as np
from scipy import sparse

from models.construction.constraints import Array, Constraints
from models.construction.feasible import FeasibleSet
from models.construction.markowitz import Found, exact_by
from models.construction.programme import fits, solve

MOST_SWEEPS = 2_000
CLOSE = 1e-12


def contributions(weights: Array, covariance: Array) -> Array:
    """Shares (n,) of the variance; they sum to 1 (Euler)."""
    product = covariance @ weights
    found: Array = weights * product / float(weights @ product)
    return found


def imbalance(weights: Array, covariance: Array, budgets: Array) -> float:
    """The largest difference between a contribution and its budget."""
    return float(np.abs(contributions(weights, covariance) - budgets).max())


def risk_parity(covariance: Array, budgets: Array, inside: FeasibleSet, start: Array, deadline: float) -> Found:
    """Long-only weights; value and gap are the largest miss of a budget (0: exact parity).

    budgets (n,), positive, summing to 1. Where the plain answer meets the constraints it is the answer.
    """
    plain, swept = coordinate_descent(covariance, budgets, deadline, start)
    total = inside.constraints.budget or 1.0
    weights = inside.tidy(total * plain / float(plain.sum()))
    if weights is not None and np.abs(weights - total * plain / float(plain.sum())).max() <= 1e-9:
        off = imbalance(weights, covariance, budgets)
        note = () if swept else (f"BEST_SO_FAR: contributions miss their budgets by up to {off:.2g} at the time limit",)
        return Found(weights, off, off, "optimal" if off <= 1e-7 else "time_limit", note)
    n = len(budgets)
    if inside.constraints.budget and fits(n * (n + 1) // 2 + 8 * n, 2 * n, exact_by(deadline) - time.perf_counter()):
        weights, status = _constrained(covariance, budgets, inside, exact_by(deadline))
        if weights is not None:
            off = imbalance(weights, covariance, budgets)
            note = (f"PARITY_CONSTRAINED: constraints keep contributions up to {off:.2g} from their budgets",)
            return Found(weights, off, None, status, note)
    note = (
        "BEST_SO_FAR: the time limit came before the constrained programme; the way to parity is gone as far as it is "
        "feasible",
    )
    near = min(
        (inside.toward(start, total * plain / float(plain.sum())), start),
        key=lambda w: imbalance(w, covariance, budgets),
    )
    return Found(near, imbalance(near, covariance, budgets), None, "time_limit", note)


def coordinate_descent(covariance: Array, budgets: Array, deadline: float, start: Array) -> tuple[Array, bool]:
    """(x with x * (C x) proportional to the budgets, whether it converged); one coordinate at a time, each exactly."""
    variances = np.diag(covariance)
    x = np.where(start > 0.0, start, 1.0 / np.sqrt(variances))
    x = x / np.sqrt(float(x @ covariance @ x))
    product = covariance @ x
    for _ in range(MOST_SWEEPS):
        for i in range(len(x)):
            rest = product[i] - variances[i] * x[i]
            better = (-rest + np.sqrt(rest * rest + 4.0 * variances[i] * budgets[i])) / (2.0 * variances[i])
            product += covariance[:, i] * (better - x[i])
            x[i] = better
            if i % 64 == 63 and time.perf_counter() >= deadline:
                return x, False
        product = covariance @ x
        if np.abs(x * product - budgets).max() <= CLOSE:
            return x, True
        if time.perf_counter() >= deadline:
            return x, False
    return x, False


def _constrained(covariance: Array, budgets: Array, inside: FeasibleSet, deadline: float) -> tuple[Array | None, str]:
    """min x'Cx/2 - b't with t_i <= log x_i, and each row made homogeneous by the sum of x; variables x, t, sizes."""
    n, shape = len(budgets), inside.shape
    total = float(inside.constraints.budget or 1.0)
    lifted = shape.variables - n
    scale = float(np.diag(covariance).mean())

    def moved(matrix: sparse.spmatrix, limits: Array) -> sparse.spmatrix:
        columns = matrix.tocsc()
        homogeneous = columns[:, :n] - sparse.csc_matrix(np.outer(limits / total, np.ones(n)))
        return sparse.hstack([homogeneous, sparse.csc_matrix((matrix.shape[0], n)), columns[:, n:]])

    keep = np.array([name != "budget" for name in shape.names_equal], dtype=bool)
    exponential = sparse.lil_matrix((3 * n, 2 * n + lifted))
    exponential[np.arange(n) * 3, n + np.arange(n)] = -1.0  # (t, 1, x) in K: exp t <= x
    exponential[np.arange(n) * 3 + 2, np.arange(n)] = -1.0
    rows = sparse.vstack([
        moved(shape.equal[keep], shape.equal_to[keep]), moved(shape.within, shape.within_to), exponential.tocsc()
    ])  # fmt: skip
    ones = np.tile([0.0, 1.0, 0.0], n)
    offset = np.concatenate([np.zeros(int(keep.sum()) + len(shape.within_to)), ones])
    quadratic = sparse.block_diag([np.triu(covariance / scale), sparse.csc_matrix((n + lifted, n + lifted))])
    cones = [clarabel.ZeroConeT(int(keep.sum())), clarabel.NonnegativeConeT(len(shape.within_to))]
    linear = np.concatenate([np.zeros(n), -budgets, np.zeros(lifted)])
    found = solve(quadratic, linear, rows, offset, cones + [clarabel.ExponentialConeT()] * n, deadline)
    if found.x is None or float(found.x[:n].sum()) <= 0.0:
        return None, found.status
    return inside.tidy(total * found.x[:n] / float(found.x[:n].sum())), found.status


def long_only(constraints: Constraints) -> Constraints:
    """The same with no lower bound below 0: parity has no meaning for a short position."""
    return Constraints(
        constraints.names, np.maximum(constraints.lower, 0.0), constraints.upper, constraints.budget, constraints.rows,
        constraints.gross,
    )  # fmt: skip
