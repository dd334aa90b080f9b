"""The last rows of a table that grows by a row at a time."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Window:
    """At most `most` rows, (rows, columns), oldest first. A row is copied once when it comes and once every `most`."""

    def __init__(self, most: int, columns: int) -> None:
        self._most = most
        self._table = np.zeros((2 * most, columns))
        self._end = 0

    # -- QUERIES --

    def __len__(self) -> int:
        return min(self._end, self._most)

    @property
    def rows(self) -> Array:
        """A view, good until the next row comes."""
        return self._table[max(0, self._end - self._most) : self._end]

    # -- COMMANDS --

    def append(self, row: Array) -> None:
        if self._end == len(self._table):
            self.replace(self._table[self._most :].copy())
        self._table[self._end] = row
        self._end += 1

    def replace(self, rows: Array) -> None:
        """Begins anew with the last of these rows."""
        kept = rows[-self._most :]
        self._end = len(kept)
        self._table[: self._end] = kept
