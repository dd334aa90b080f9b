"""Convex programmes through Clarabel, called directly: quadratic and conic, under a time limit, without exceptions."""

import time
from dataclasses import dataclass, replace
from typing import Any

import clarabel
import numpy as np
from scipy import sparse

from models.construction.constraints import Array
from models.construction.polyhedron import Polyhedron

# seconds of Clarabel's set-up per entry, and operations a second of one factorisation, taken three times worse than
# measured on one slow core: a set-up cannot be interrupted, so a programme that may not fit is not begun
SETUP_S_PER_ENTRY = 1.2e-6
FACTOR_FLOPS = 2.5e9
TYPICAL_ITERATIONS = 4

TOLERANCE = 1e-10  # asked for

POLISHING_ROUNDS = 8
POLISHED = 400  # variables up to which an answer is polished
BINDING = 1e-6

ORDINARY_TOLERANCE = 1e-8  # Clarabel's own: an answer this good is optimal to us too

SOLVED = ("Solved",)
NEARLY = ("AlmostSolved", "InsufficientProgress")
INFEASIBLE = ("PrimalInfeasible", "AlmostPrimalInfeasible")
LATE = ("MaxTime", "MaxIterations")


@dataclass(frozen=True)
class Solved:
    """x (variables,), None without an answer; status: optimal, nearly, time_limit, infeasible, unbounded or failed."""

    x: Array | None
    status: str
    objective: float
    gap: float  # absolute, primal less dual
    detail: str = ""


def fits(entries: int, dense: int, remaining_s: float) -> bool:
    """Whether a programme with that many entries and a dense block of that order can be expected to end in time."""
    return entries * SETUP_S_PER_ENTRY + TYPICAL_ITERATIONS * dense**3 / 3.0 / FACTOR_FLOPS <= remaining_s


def solve(quadratic: Any, linear: Array, matrix: Any, offset: Array, cones: list[Any], deadline: float) -> Solved:
    """min x'Qx/2 + linear'x with offset - matrix x in the cones, in order; `deadline` by time.perf_counter()."""
    remaining = deadline - time.perf_counter()
    if remaining <= 0:
        return Solved(None, "time_limit", np.nan, np.inf)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.time_limit = remaining
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
    try:
        solver = clarabel.DefaultSolver(
            sparse.csc_matrix(quadratic), linear, sparse.csc_matrix(matrix), offset, cones, settings
        )
        found = solver.solve()
    except BaseException as error:  # pyo3 reports a panic of the solver as a BaseException
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return Solved(None, "failed", np.nan, np.inf, f"{type(error).__name__}: {error}")
    name = str(found.status)
    x = np.asarray(found.x, dtype=np.float64)
    objective, gap = float(found.obj_val), abs(float(found.obj_val) - float(found.obj_val_dual))
    if name in SOLVED or name in NEARLY:
        closed = name in SOLVED or gap <= ORDINARY_TOLERANCE * max(1.0, abs(objective))
        status = "optimal" if closed else "nearly"
        return Solved(x if np.isfinite(x).all() else None, status, objective, gap, name)
    status = "infeasible" if name in INFEASIBLE else "time_limit" if name in LATE else "failed"
    return Solved(None, "unbounded" if "Dual" in name else status, np.nan, np.inf, name)


def quadratic_programme(covariance: Array, linear: Array, shape: Polyhedron, deadline: float) -> Solved:
    """min w'Cw/2 + linear'w over the set; x holds all the set's variables, weights first.

    The objective is scaled to order one, and the answer is polished: with the constraints that bind known, the rest is
    a linear system, which gives the last digits that an interior point method leaves.
    """
    lifted = shape.variables - shape.weights
    scale = max(float(np.abs(linear).max(initial=0.0)), float(np.abs(np.diag(covariance)).max(initial=0.0)), 1e-300)
    upper = sparse.csc_matrix(np.triu(covariance / scale))
    if lifted:
        upper = sparse.block_diag([upper, sparse.csc_matrix((lifted, lifted))], format="csc")
    found = solve(
        upper,
        shape.padded(linear / scale),
        sparse.vstack([shape.equal, shape.within], format="csc"),
        np.concatenate([shape.equal_to, shape.within_to]),
        [clarabel.ZeroConeT(len(shape.equal_to)), clarabel.NonnegativeConeT(len(shape.within_to))],
        deadline,
    )
    if found.x is None:
        return found
    x = found.x
    if not lifted and len(x) <= POLISHED and time.perf_counter() < deadline:
        x = polished(covariance / scale, linear / scale, shape, x)
    return replace(found, x=x, objective=found.objective * scale, gap=found.gap * scale)


def polished(covariance: Array, linear: Array, shape: Polyhedron, x: Array) -> Array:
    """The exact optimum on the face where x lies, by an active set begun with what binds at x; x itself when a few
    rounds do not find it."""
    reach = max(1.0, float(np.abs(x).max(initial=0.0)))
    binding = shape.within_to - shape.within @ x <= BINDING * reach
    n, equals = len(x), len(shape.equal_to)
    for _ in range(POLISHING_ROUNDS):
        rows = sparse.vstack([shape.equal, shape.within[binding]]).toarray()
        limits = np.concatenate([shape.equal_to, shape.within_to[binding]])
        system = np.block([[covariance, rows.T], [rows, np.zeros((len(limits), len(limits)))]])
        try:
            found = np.linalg.solve(system, np.concatenate([-linear, limits]))
        except np.linalg.LinAlgError:  # constraints that bind twice
            found = np.linalg.lstsq(system, np.concatenate([-linear, limits]), rcond=None)[0]
        if not np.isfinite(found).all():  # a scale near the smallest number there is
            return x
        better, multipliers = found[:n], found[n + equals :]
        residual = float(np.abs(system @ found - np.concatenate([-linear, limits])).max())
        if not np.isfinite(better).all() or residual > 1e-10 * reach:
            return x
        missed = shape.within @ better - shape.within_to > 1e-12 * reach
        needless = np.zeros(len(binding), dtype=bool)
        needless[np.flatnonzero(binding)[multipliers < -1e-12]] = True
        if not missed.any() and not needless.any():
            return np.asarray(better, dtype=np.float64)
        binding = (binding | missed) & ~needless
    return x
