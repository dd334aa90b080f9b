"""A panel: named series on common dates."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.faults import Fault

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Panel:
    """`values` has shape (n, len(names)), NaN where a series has no value; `dates` are datetime64[ns], ascending.

    Without a date column `dated` is False and `dates` are the row numbers.
    """

    names: tuple[str, ...]
    dates: Array
    values: Array
    dated: bool = True
    notes: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """How a message names a row."""
        if not self.dated:
            return f"row {row + 1}"
        text = str(np.datetime_as_string(self.dates[row], unit="s"))
        return text.removesuffix("T00:00:00").replace("T", " ")

    def only(self, columns: Sequence[str]) -> "Panel":
        """These series, in this order. Raises Fault when one does not exist or is named twice."""
        if not columns:
            return self
        rows = [self.names.index(find(name, self.names)) for name in columns]
        twice = [self.names[row] for row in rows if rows.count(row) > 1]
        if twice:
            raise Fault(f"{twice[0]} is named twice: name each series once")
        return replace(self, names=tuple(self.names[i] for i in rows), values=self.values[:, rows])

    def between(self, first: str | None, last: str | None) -> "Panel":
        """Rows from `first` to `last`, both included, as ISO dates."""
        if not self.dated:
            raise Fault("the data has no date column, so no period can be chosen from it")
        keep = np.ones(len(self.dates), dtype=bool)
        try:
            if first is not None:
                keep &= self.dates >= np.datetime64(first, "ns")
            if last is not None:
                keep &= self.dates.astype("datetime64[D]") <= np.datetime64(last, "D")
        except ValueError:
            raise Fault(
                f"{first or 'the beginning'} to {last or 'the end'} is not a period: dates are written like 2008-01-31"
            ) from None
        return replace(self, dates=self.dates[keep], values=self.values[keep])


def find(name: str, names: Sequence[str]) -> str:
    """The series of that name, in whatever case. Raises Fault with the nearest one."""
    if name in names:
        return name
    folded = {each.lower(): each for each in names}
    if name.lower() in folded:
        return folded[name.lower()]
    near = difflib.get_close_matches(name.lower(), folded, n=1)
    hint = f"; did you mean {folded[near[0]]}?" if near else f"; there are {', '.join(names[:8])}"
    raise Fault(f"there is no series {name!r}{hint}")
