"""Conditional means of several series: which regressors each equation has.

`zero`; `constant`; `var1` (the first lag of every series, no constants, as in Stata's mgarch example); or equations by
name, as in `honda=L.nissan` or `honda=L.nissan+constant,nissan=constant`: a series that has no equation has mean zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.faults import Fault

Floats = NDArray[np.float64]
CONSTANT = "constant"
LAG = "L."


@dataclass(frozen=True)
class Equations:
    """`returns` (n, series) the rows explained, `designs` one (n, k_i) a series, `labels` the names of its columns."""

    names: tuple[str, ...]
    returns: Floats
    designs: tuple[Floats, ...]
    labels: tuple[tuple[str, ...], ...]


def terms_of(mean: str, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The terms of each series' equation: `constant` or `L.<series>`. Fault for a name that does not exist."""
    if mean == "zero":
        return [() for _ in names]
    if mean == CONSTANT:
        return [(CONSTANT,) for _ in names]
    if mean == "var1":
        return [tuple(LAG + other for other in names) for _ in names]
    equations: dict[str, tuple[str, ...]] = {}
    for text in mean.split(","):
        name, equals, right = (part.strip() for part in text.partition("="))
        terms = tuple(term.strip() for term in right.split("+"))
        if not equals or name not in names or not all(_known(term, names) for term in terms):
            raise Fault(
                f"mean {mean!r}: {text.strip()!r} is not zero, constant, var1 or <series>=L.<series> with series of "
                f"{', '.join(names)}"
            )
        equations[name] = terms
    return [equations.get(name, ()) for name in names]


def equations_of(returns: Floats, names: Sequence[str], mean: str) -> Equations:
    """Designs for `returns` (n, series); with a lag anywhere the first row only serves as the lag of the second."""
    terms = terms_of(mean, names)
    lagged = any(term.startswith(LAG) for series in terms for term in series)
    kept = np.ascontiguousarray(returns[1:] if lagged else returns)

    def column(term: str) -> Floats:
        if term == CONSTANT:
            return np.ones(len(kept))
        return returns[:-1, list(names).index(term.removeprefix(LAG))]

    designs = tuple(
        np.column_stack([column(term) for term in series]) if series else np.empty((len(kept), 0)) for series in terms
    )
    return Equations(tuple(names), kept, tuple(np.ascontiguousarray(design) for design in designs), tuple(terms))


def _known(term: str, names: Sequence[str]) -> bool:
    return term == CONSTANT or (term.startswith(LAG) and term.removeprefix(LAG) in names)
