"""Caps on exposure per venue and in all, met by the portfolio nearest in risk, none of its positions larger.

The wanted positions f are replaced by g: least (g - f)'C(g - f) with g between 0 and f and the caps. For a wanted
portfolio that is itself Kelly's, (g - f)'C(g - f) is what growth is lost, so this is the growth-optimal portfolio
under the caps; cutting all in proportion is not.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.construction.constraints import Constraints, Row
from models.construction.polyhedron import polyhedron
from models.construction.programme import quadratic_programme

Array = np.ndarray[Any, np.dtype[np.float64]]

TIME_LIMIT_S = 2.0
NOTHING = 1e-9  # a factor this small is a solver's zero
INSIDE = 1.0 - 2.0**-50  # a cap is met from below in every last place


def within_caps(
    wanted: Array, covariance: Array, venues: Sequence[str], venue_caps: Mapping[str, float], gross_cap: float | None
) -> Array:
    """Factors (n,) in 0 .. 1 on the wanted fractions of capital; all 1 when no cap is exceeded."""
    exceeded = [(mask, cap) for _, mask, cap in caps_exceeded(wanted, venues, venue_caps, gross_cap)]
    if not exceeded:
        return np.ones(len(wanted))
    factors = nearest_in_risk(wanted, covariance, exceeded)
    for mask, cap in exceeded:  # the solver's last digits, and the whole answer when it had none
        gross = float(mask @ np.abs(wanted * factors))
        if gross > cap * INSIDE:
            factors = np.where(mask > 0, factors * (cap / gross * INSIDE), factors)
    return factors


def caps_exceeded(
    wanted: Array, venues: Sequence[str], venue_caps: Mapping[str, float], gross_cap: float | None
) -> list[tuple[str, Array, float]]:
    """(name, which positions count, cap) of each cap that the wanted positions exceed."""
    limits = [
        (f"venue_cap:{name}", np.array([venue == name for venue in venues], dtype=np.float64), cap)
        for name, cap in venue_caps.items()
    ]
    if gross_cap is not None:
        limits.append(("gross_cap", np.ones(len(wanted)), gross_cap))
    return [(name, mask, cap) for name, mask, cap in limits if float(mask @ np.abs(wanted)) > cap]


def nearest_in_risk(wanted: Array, covariance: Array, limits: Sequence[tuple[Array, float]]) -> Array:
    """Factors h in 0 .. 1 that make (h f - f)'C(h f - f) smallest within the caps; 1 for all without an answer in time,
    which the caller then cuts in proportion."""
    sizes = np.abs(wanted)
    held = sizes > 0
    if not held.any():
        return np.ones(len(wanted))
    scaled = covariance * np.outer(wanted, wanted)
    scaled = scaled[np.ix_(held, held)]
    scale = float(np.trace(scaled)) or 1.0
    names = tuple(str(i) for i in np.flatnonzero(held))
    rows = tuple(Row(f"cap {k}", (mask * sizes)[held], -np.inf, cap) for k, (mask, cap) in enumerate(limits))
    inside = Constraints(names, np.zeros(len(names)), np.ones(len(names)), None, rows)
    found = quadratic_programme(
        scaled / scale, -scaled.sum(axis=1) / scale, polyhedron(inside), time.perf_counter() + TIME_LIMIT_S
    )
    factors = np.ones(len(wanted))
    if found.x is not None:
        kept = np.clip(found.x[: len(names)], 0.0, 1.0)
        factors[held] = np.where(kept < NOTHING, 0.0, kept)
    return factors
