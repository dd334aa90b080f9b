"""Constraints as sparse matrices, their linear programme, and, when they contradict each other, which ones do."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from models.construction.constraints import FEASIBLE_TO, Array, Constraints, Row

BOUNDS = ("upper bound of ", "lower bound of ")
ONE_BY_ONE = 60  # so many bounds are tried one by one for the contradiction, more only as a whole


@dataclass(frozen=True)
class Polyhedron:
    """equal x = equal_to, within x <= within_to, over x = (weights[, sizes of the weights, for the gross limit])."""

    equal: Any  # sparse (rows, variables)
    equal_to: Array
    within: Any
    within_to: Array
    names_equal: tuple[str, ...]
    names_within: tuple[str, ...]
    weights: int  # the first of the variables
    bounds: Array  # (variables, 2), the same as the rows named bounds; a linear programme is faster with these
    general: Any  # which of the rows of `within` are no bounds

    @property
    def variables(self) -> int:
        return int(self.within.shape[1])

    def padded(self, linear: Array) -> Array:
        """A vector over the weights as one over all variables."""
        return np.concatenate([linear, np.zeros(self.variables - self.weights)])


def polyhedron(constraints: Constraints) -> Polyhedron:
    """The set of the constraints; sizes are variables s with -s <= w <= s and sum s <= gross."""
    count = len(constraints.names)
    lifted = count if constraints.gross is not None else 0
    eye, wide = sparse.identity(count, format="csr"), sparse.csr_matrix((count, lifted))
    equal, within = _rows(constraints)
    blocks, limits = [np.array([row for _, row, _ in within]).reshape(-1, count)], [limit for *_, limit in within]
    names = [name for name, *_ in within]
    matrices = [sparse.hstack([sparse.csr_matrix(blocks[0]), sparse.csr_matrix((len(within), lifted))])]
    for label, sign, bound in (("upper", 1.0, constraints.upper), ("lower", -1.0, constraints.lower)):
        there = np.flatnonzero(np.isfinite(bound))
        matrices.append(sparse.hstack([sign * eye[there], wide[there]]))
        limits += (sign * bound[there]).tolist()
        names += [f"{label} bound of {constraints.names[i]}" for i in there]
    if constraints.gross is not None:
        matrices += [
            sparse.hstack([eye, -eye]), sparse.hstack([-eye, -eye]),
            sparse.csr_matrix(np.concatenate([np.zeros(count), np.ones(count)])),
        ]  # fmt: skip
        limits += [0.0] * (2 * count) + [constraints.gross]
        names += ["gross limit"] * (2 * count + 1)
    left = np.array([row for _, row, _ in equal]).reshape(-1, count)
    return Polyhedron(
        sparse.hstack([sparse.csr_matrix(left), sparse.csr_matrix((len(equal), lifted))]).tocsr(),
        np.array([limit for *_, limit in equal], dtype=np.float64),
        sparse.vstack(matrices).tocsr(),
        np.array(limits, dtype=np.float64),
        tuple(name for name, *_ in equal),
        tuple(names),
        count,
        np.vstack([np.column_stack([constraints.lower, constraints.upper]), np.tile([0.0, np.inf], (lifted, 1))]),
        np.array([not name.startswith(BOUNDS) for name in names], dtype=bool),
    )


_Rows = list[tuple[str, Array, float]]


def _rows(constraints: Constraints) -> tuple[_Rows, _Rows]:
    """(equalities, upper limits) of the budget and the rows, each row scaled to a largest coefficient of one."""
    equal: _Rows = []
    within: _Rows = []
    if constraints.budget is not None:
        equal.append(("budget", np.ones(len(constraints.names)), constraints.budget))
    for row in constraints.rows:
        coefficients, low, high = row.coefficients / row.scale, row.low / row.scale, row.high / row.scale
        if row.low == row.high:
            equal.append((row.name, coefficients, high))
            continue
        if high < np.inf:
            within.append((row.name, coefficients, high))
        if low > -np.inf:
            within.append((row.name, -coefficients, -low))
    return equal, within


def linear_vertex(linear: Array, shape: Polyhedron, time_limit_s: float) -> Array | None:
    """Weights (n,) that make linear @ weights smallest over the set; None without an answer in time."""
    if time_limit_s <= 0:
        return None
    found = linprog(
        shape.padded(linear / (float(np.abs(linear).max(initial=0.0)) or 1.0)),
        A_ub=shape.within[shape.general] if shape.general.any() else None,
        b_ub=shape.within_to[shape.general] if shape.general.any() else None,
        A_eq=shape.equal if shape.equal.shape[0] else None,
        b_eq=shape.equal_to if shape.equal.shape[0] else None,
        bounds=shape.bounds,
        method="highs",
        options={"time_limit": time_limit_s},
    )
    return None if found.status != 0 else np.asarray(found.x[: shape.weights], dtype=np.float64)


# -- contradictions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contradiction:
    """Constraints that no weights satisfy together, and the weights that miss them by least (their sum of misses)."""

    text: str
    nearest: Array
    missed: tuple[tuple[str, float], ...]
    core: tuple[str, ...] = ()  # names that contradict each other, none of them needless


def contradiction(constraints: Constraints, time_limit_s: float = 5.0) -> Contradiction | None:
    """What contradicts what, or None when the set is not empty. Bounds that cross are named first.

    Short of time it names more constraints than needed, or returns None without having looked at the rows.
    """
    crossed = np.flatnonzero(constraints.lower > constraints.upper)
    if len(crossed):
        i = int(crossed[0])
        middle = 0.5 * (constraints.lower + constraints.upper)
        missed = (f"lower bound of {constraints.names[i]}", float(constraints.lower[i] - constraints.upper[i]))
        text = (
            f"{constraints.names[i]}: lower bound {constraints.lower[i]:g} lies above upper bound "
            f"{constraints.upper[i]:g}"
        )
        return Contradiction(text, np.where(np.isfinite(middle), middle, 0.0), (missed,))
    found = _sums_against_budget(constraints)
    if found is not None or constraints.box_and_budget_only:
        return found
    return _elastic(constraints, time.perf_counter() + time_limit_s)


def _sums_against_budget(constraints: Constraints) -> Contradiction | None:
    """The commonest mistake: bounds whose sum does not reach the budget."""
    budget = constraints.budget
    if budget is None:
        return None
    least, most = float(constraints.lower.sum()), float(constraints.upper.sum())
    for label, bound, total, wrong in (
        ("upper", constraints.upper, most, most < budget - FEASIBLE_TO),
        ("lower", constraints.lower, least, least > budget + FEASIBLE_TO),
    ):
        if wrong:
            side = "at most" if label == "upper" else "at least"
            text = f"budget {budget:g} against the {label} bounds of {len(bound)} names, which sum to {side} {total:g}"
            return Contradiction(text, bound.copy(), (("budget", abs(budget - total)),))
    return None


def _elastic(constraints: Constraints, deadline: float) -> Contradiction | None:
    """By a linear programme in which every row may be missed at a price of one: zero when the set is not empty."""
    shape = polyhedron(constraints)
    every = np.ones(len(shape.names_within), dtype=bool), np.ones(len(shape.names_equal), dtype=bool)
    nearest, missed = _least_misses(shape, *every, deadline)
    if nearest is None or missed <= FEASIBLE_TO:
        return None
    core = _irreducible(shape, deadline)
    gaps = constraints.shortfalls(nearest)
    return Contradiction("; ".join(_described(constraints, core)), nearest, tuple(gaps), tuple(core))


def _least_misses(shape: Polyhedron, within: Any, equal: Any, deadline: float) -> tuple[Array | None, float]:
    """(weights, sum of misses) with only the chosen rows."""
    remaining = deadline - time.perf_counter()
    if remaining <= 0.0:
        return None, 0.0
    rows, equals = shape.within[within], shape.equal[equal]
    m, e, n = rows.shape[0], equals.shape[0], shape.variables
    found = linprog(
        np.concatenate([np.zeros(n), np.ones(m + 2 * e)]),
        A_ub=sparse.hstack([rows, -sparse.identity(m), sparse.csr_matrix((m, 2 * e))]) if m else None,
        b_ub=shape.within_to[within] if m else None,
        A_eq=sparse.hstack([equals, sparse.csr_matrix((e, m)), sparse.identity(e), -sparse.identity(e)]) if e else None,
        b_eq=shape.equal_to[equal] if e else None,
        bounds=[(None, None)] * n + [(0.0, None)] * (m + 2 * e),
        method="highs",
        options={"time_limit": remaining},
    )
    if found.status != 0:
        return None, 0.0
    return np.asarray(found.x[: shape.weights]), float(found.fun)


def _irreducible(shape: Polyhedron, deadline: float) -> list[str]:
    """Names of a smallest contradicting set: whatever can be left out with the rest still contradicting is."""
    names = list(dict.fromkeys([*shape.names_equal, *shape.names_within]))
    bounds = [name for name in names if name.startswith(BOUNDS)]
    groups = [[name] for name in names if name not in set(bounds)]
    if len(bounds) <= ONE_BY_ONE:
        groups = [[name] for name in bounds] + groups
    else:
        groups = [[b for b in bounds if b.startswith(side)] for side in ("upper", "lower")] + groups
    kept = set(names)
    for group in groups:
        trial = kept - set(group)
        within = np.array([name in trial for name in shape.names_within], dtype=bool)
        equal = np.array([name in trial for name in shape.names_equal], dtype=bool)
        _, missed = _least_misses(shape, within, equal, deadline)
        if missed > FEASIBLE_TO:
            kept = trial
    return [name for name in names if name in kept]


def span(row: Row) -> str:
    """The limits of a row in words."""
    if row.low == row.high:
        return f"exactly {row.high:g}"
    if row.high == np.inf:
        return f"at least {row.low:g}"
    return f"at most {row.high:g}" if row.low == -np.inf else f"{row.low:g} to {row.high:g}"


def _described(constraints: Constraints, core: list[str]) -> list[str]:
    """Each constraint of the core with its limit; many bounds as one phrase."""
    rows = {row.name: row for row in constraints.rows}
    found = []
    for name in core:
        if name == "budget":
            found.append(f"budget {constraints.budget:g}")
        elif name == "gross limit":
            found.append(f"gross limit {constraints.gross:g}")
        elif name in rows:
            found.append(f"{name} {span(rows[name])}")
    for side, bound in (("upper", constraints.upper), ("lower", constraints.lower)):
        prefix = f"{side} bound of "
        mine = [constraints.names.index(name.removeprefix(prefix)) for name in core if name.startswith(prefix)]
        if mine:
            shown = ", ".join(f"{constraints.names[i]} {bound[i]:g}" for i in mine[:4])
            found.append(f"{side} bounds ({shown}{', ...' if len(mine) > 4 else ''})")
    return found
