"""Least CVaR, or most mean less CVaR, over scenarios: Rockafellar and Uryasev (2000).

Exactly, as their linear programme in Clarabel; when that cannot end in time, by cutting planes: each cut is the CVaR's
supporting plane at a feasible portfolio, so there is an answer at every moment, and the planes bound how much better
the optimum can be (Kunzi-Bay and Mayer 2006).
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import clarabel
import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from models.construction.constraints import Array
from models.construction.feasible import FeasibleSet
from models.construction.markowitz import Found, exact_by
from models.construction.programme import fits, solve

MOST_CUTS = 500
CLOSE = 1e-7


@dataclass(frozen=True)
class TailRisk:
    """scenarios (s, n) of simple returns; level of the CVaR; the criterion is CVaR - mean_weight x mean."""

    scenarios: Array
    level: float
    means: Array
    mean_weight: float = 0.0


def cvar(losses: Array, level: float) -> tuple[float, Array]:
    """(CVaR, the weights of the scenarios in it, summing to 1): the mean of the worst (1 - level) of the losses.

    The scenario at the edge counts with the part that is left (Rockafellar and Uryasev 2002, proposition 8).
    """
    tail = (1.0 - level) * len(losses)
    whole = int(np.floor(tail + 1e-12))
    order = np.argsort(-losses, kind="stable")
    shares = np.zeros(len(losses))
    shares[order[:whole]] = 1.0 / tail
    if whole < len(losses):
        shares[order[whole]] = max(tail - whole, 0.0) / tail
    return float(shares @ losses), shares


def mean_cvar(risk: TailRisk, inside: FeasibleSet, start: Array, deadline: float) -> Found:
    """Weights that make CVaR - mean_weight x mean smallest; value is that criterion."""
    count, n = risk.scenarios.shape
    entries = count * (n + 3) + n
    if fits(entries, n, exact_by(deadline) - time.perf_counter() - 2e-10 * 15 * count * n * n):
        found = _programme(risk, inside, exact_by(deadline))
        if found.status == "unbounded":
            note = "UNBOUNDED: a larger position is always better; give bounds to every name, or a larger risk aversion"
            return Found(None, np.nan, None, "refused", (note,))
        weights = None if found.x is None else inside.tidy(found.x[:n])
        if weights is not None:
            return Found(weights, _criterion(risk, weights)[0], found.gap, found.status)
    return _cutting_planes(risk, inside, start, deadline)


def _criterion(risk: TailRisk, weights: Array) -> tuple[float, Array]:
    """(value, a subgradient)."""
    tail, shares = cvar(-risk.scenarios @ weights, risk.level)
    return tail - risk.mean_weight * float(
        risk.means @ weights
    ), -shares @ risk.scenarios - risk.mean_weight * risk.means


def _programme(risk: TailRisk, inside: FeasibleSet, deadline: float) -> Any:
    """min a + sum z / ((1 - level) s) - weight mean'w with z >= -scenario'w - a, z >= 0; variables w, sizes, a, z."""
    count, n = risk.scenarios.shape
    shape = inside.shape
    scale = float(np.abs(risk.scenarios).mean()) or 1.0
    own, extra = shape.variables, 1 + count
    linear = np.concatenate([
        shape.padded(-risk.mean_weight * risk.means / scale), [1.0], np.full(count, 1.0 / ((1.0 - risk.level) * count))
    ])  # fmt: skip
    losses = sparse.hstack([
        sparse.csc_matrix(-risk.scenarios / scale), sparse.csc_matrix((count, own - n)),
        sparse.csc_matrix(-np.ones((count, 1))), -sparse.identity(count, format="csc"),
    ])  # fmt: skip
    positive = sparse.hstack([sparse.csc_matrix((count, own + 1)), -sparse.identity(count, format="csc")])

    def wide(matrix: Any) -> Any:
        return sparse.hstack([matrix, sparse.csc_matrix((matrix.shape[0], extra))])

    rows = sparse.vstack([wide(shape.equal), wide(shape.within), losses, positive])
    offset = np.concatenate([shape.equal_to, shape.within_to, np.zeros(2 * count)])
    cones = [clarabel.ZeroConeT(len(shape.equal_to)), clarabel.NonnegativeConeT(len(shape.within_to) + 2 * count)]
    found = solve(sparse.csc_matrix((own + extra, own + extra)), linear, rows, offset, cones, deadline)
    return replace(found, objective=found.objective * scale, gap=found.gap * scale)


def _cutting_planes(risk: TailRisk, inside: FeasibleSet, start: Array, deadline: float) -> Found:
    """Kelley's method from a feasible start: the best portfolio so far, and the bound of the planes."""
    best, (value, slope) = start, _criterion(risk, start)
    cuts, levels, bound = [slope], [value - float(slope @ start)], -np.inf
    while len(cuts) < MOST_CUTS and time.perf_counter() < deadline:
        found = _lowest_under(np.array(cuts), np.array(levels), inside, deadline)
        if found is None:
            break
        point, bound = found[0], max(bound, found[1])
        tidy = inside.tidy(point)
        if tidy is None or time.perf_counter() >= deadline:
            break
        here, slope = _criterion(risk, tidy)
        if here < value:
            best, value = tidy, here
        if value - bound <= CLOSE * max(abs(value), 1e-12):
            return Found(best, value, max(value - bound, 0.0), "optimal")
        cuts.append(slope)
        levels.append(here - float(slope @ tidy))
    gap = value - bound if np.isfinite(bound) else None
    if time.perf_counter() < deadline:
        note = f"BEST_FEASIBLE: no solver had an answer, as when larger positions are always better ({len(cuts)} cuts)"
        return Found(best, value, gap, "best_feasible", (note,))
    return Found(
        best, value, gap, "time_limit", (f"BEST_SO_FAR: the time limit came after {len(cuts)} cutting planes",)
    )


def _lowest_under(cuts: Array, levels: Array, inside: FeasibleSet, deadline: float) -> tuple[Array, float] | None:
    """(weights, height) of the lowest point above all planes, by the simplex method; None without one in time."""
    remaining = deadline - time.perf_counter()
    shape = inside.shape
    if remaining <= 0.0:
        return None
    sizes = np.zeros((len(cuts), shape.variables - shape.weights))
    planes = sparse.csr_matrix(np.hstack([cuts, sizes, -np.ones((len(cuts), 1))]))
    rows = shape.within[shape.general]
    empty = sparse.csr_matrix((rows.shape[0], 1))
    found = linprog(
        np.concatenate([np.zeros(shape.variables), [1.0]]),
        A_ub=sparse.vstack([planes, sparse.hstack([rows, empty])]),
        b_ub=np.concatenate([-levels, shape.within_to[shape.general]]),
        A_eq=sparse.hstack([shape.equal, sparse.csr_matrix((shape.equal.shape[0], 1))])
        if shape.equal.shape[0]
        else None,
        b_eq=shape.equal_to if shape.equal.shape[0] else None,
        bounds=np.vstack([shape.bounds, [-np.inf, np.inf]]), method="highs", options={"time_limit": remaining},
    )  # fmt: skip
    return None if found.status != 0 else (np.asarray(found.x[: shape.weights]), float(found.fun))
