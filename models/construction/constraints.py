"""What a portfolio must satisfy: bounds, a budget, linear rows and a gross limit, each with a name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.faults import Fault

Array = np.ndarray[Any, np.dtype[np.float64]]

FEASIBLE_TO = 1e-7  # how far a constraint may be missed, in units of weight


@dataclass(frozen=True)
class Row:
    """low <= coefficients @ weights <= high; infinities where there is no limit."""

    name: str
    coefficients: Array
    low: float = -np.inf
    high: float = np.inf

    @property
    def scale(self) -> float:
        """The largest coefficient: misses are judged in units of weight, not of what the row counts in."""
        return float(np.abs(self.coefficients).max(initial=0.0)) or 1.0


@dataclass(frozen=True)
class Constraints:
    """lower <= weights <= upper (both (n,)), sum of weights = budget (None: free), rows, sum of |weights| <= gross."""

    names: tuple[str, ...]
    lower: Array
    upper: Array
    budget: float | None = 1.0
    rows: tuple[Row, ...] = ()
    gross: float | None = None

    def __post_init__(self) -> None:
        count = len(self.names)
        for label, bound in (("lower", self.lower), ("upper", self.upper)):
            if bound.shape != (count,):
                raise Fault(f"{label} bounds have shape {bound.shape}, not ({count},)")
            if np.isnan(bound).any():
                raise Fault(f"the {label} bound of {self.names[int(np.argmax(np.isnan(bound)))]} is not a number")
        for row in self.rows:
            if row.coefficients.shape != (count,) or not np.isfinite(row.coefficients).all():
                raise Fault(f"constraint {row.name!r} needs {count} finite coefficients")
            if np.isnan(row.low) or np.isnan(row.high):
                raise Fault(f"constraint {row.name!r} has a limit that is not a number")
        for label, value in (("budget", self.budget), ("gross limit", self.gross)):
            if value is not None and not np.isfinite(value):
                raise Fault(f"the {label} is {value}, not a finite number")

    @property
    def box_and_budget_only(self) -> bool:
        return not self.rows and self.gross is None and self.budget is not None and bool(np.isfinite(self.size))

    @property
    def size(self) -> float:
        """Sum of the absolute bounds: finite when the set is bounded by them."""
        return float(np.abs(self.lower).sum() + np.abs(self.upper).sum())

    def and_row(self, row: Row) -> "Constraints":
        return replace(self, rows=(*self.rows, row))

    def shortfalls(self, weights: Array) -> list[tuple[str, float]]:
        """(constraint, by how much it is missed), for those missed by more than FEASIBLE_TO."""
        below, above = self.lower - weights, weights - self.upper
        missed = [(f"lower bound of {self.names[i]}", below[i]) for i in np.flatnonzero(~(below <= FEASIBLE_TO))]
        missed += [(f"upper bound of {self.names[i]}", above[i]) for i in np.flatnonzero(~(above <= FEASIBLE_TO))]
        if self.budget is not None:
            missed.append(("budget", abs(float(weights.sum()) - self.budget)))
        rows_missed = []
        for row in self.rows:
            value = float(row.coefficients @ weights)
            gap = max(row.low - value, value - row.high)
            if not gap <= FEASIBLE_TO * row.scale:
                rows_missed.append((row.name, float(gap)))
        if self.gross is not None:
            missed.append(("gross limit", float(np.abs(weights).sum()) - self.gross))
        return [(name, float(gap)) for name, gap in missed if not gap <= FEASIBLE_TO] + rows_missed

    def satisfied_by(self, weights: Array) -> bool:
        return bool(np.isfinite(weights).all()) and not self.shortfalls(weights)

    def active_at(self, weights: Array, tolerance: float = 1e-6) -> list[str]:
        """Names of the constraints that bind: bounds, rows, gross. The budget always does."""
        at_upper = np.abs(weights - self.upper) <= tolerance
        at_lower = np.abs(weights - self.lower) <= tolerance
        found = [f"max {self.names[i]}" for i in np.flatnonzero(at_upper)]
        found += [f"min {self.names[i]}" for i in np.flatnonzero(at_lower & ~at_upper)]
        for row in self.rows:
            value = float(row.coefficients @ weights)
            if min(abs(value - row.low), abs(value - row.high)) <= tolerance * row.scale:
                found.append(row.name)
        if self.gross is not None and abs(float(np.abs(weights).sum()) - self.gross) <= tolerance:
            found.append("gross limit")
        return found


def box(names: Sequence[str], lower: float = 0.0, upper: float = 1.0, budget: float | None = 1.0) -> Constraints:
    """The same bounds for all."""
    count = len(names)
    return Constraints(tuple(names), np.full(count, float(lower)), np.full(count, float(upper)), budget)
