"""The core's views in shared memory, ten times a second, for people: `bot4 status`, the terminal, the dashboard.

The core's main thread copies, its loop thread does not notice. A copy is taken between two inputs, never in the middle
of one: the loop counts an odd number while it works on an input, and a copy that saw the number change is taken again.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from engine.stage import ACCOUNT_VIEW, BOOK_VIEW, FEATURE_VIEW, FORECAST_VIEW, RISK_VIEW, SIZING_VIEW
from ipc.segment import HEADER_BYTES, Header, Segment

KIND = "views"
STRATEGIES_SHOWN = 16
TRIES = 10_000
HEAD = np.dtype([("generation", "<i8"), ("time_ns", "<i8"), ("inputs", "<i8"), ("orders", "<i8")])


def layout(instruments: int, strategies: int) -> np.dtype[Any]:
    """One record that holds everything shown, for so many instruments and strategies."""
    return np.dtype(
        [
            ("head", HEAD),
            ("book", BOOK_VIEW, instruments),
            ("features", FEATURE_VIEW, instruments),
            ("forecast", FORECAST_VIEW, instruments),
            ("instruments", ACCOUNT_VIEW, instruments),
            ("strategies", ACCOUNT_VIEW, min(strategies, STRATEGIES_SHOWN)),
            ("sizing", SIZING_VIEW, min(strategies, STRATEGIES_SHOWN)),
            ("risk", RISK_VIEW),
        ]
    )


class ViewsWriter:
    """Owned by the core process. `rows`: {field: live read-only rows}; `epoch`: of the run's segments."""

    def __init__(self, path: Path, rows: dict[str, np.ndarray], strategies: int, epoch: int) -> None:
        count = len(rows["book"])
        dtype = layout(count, strategies)
        path.unlink(missing_ok=True)
        header = Header(KIND, epoch, HEADER_BYTES + dtype.itemsize, dtype.itemsize, count, strategies)
        self._segment = Segment.create(path, header)
        self._record = np.frombuffer(self._segment.memory, dtype=dtype, count=1, offset=HEADER_BYTES)
        self._copy = np.zeros(1, dtype=dtype)
        self._rows = rows
        self.torn = 0  # copies given up: shown is then the one before

    def publish(self, time_ns: int, inputs: int, orders: int, loop_epoch: Callable[[], int]) -> None:
        """Copies the rows as they are between two inputs, and makes the copy visible."""
        copy = self._copy[0]
        for _ in range(TRIES):
            before = loop_epoch()
            if before & 1:
                continue
            for name, rows in self._rows.items():
                copy[name] = rows[0] if name == "risk" else rows[: len(copy[name])]
            if loop_epoch() == before:
                break
        else:
            self.torn += 1
            return
        generation = int(self._record["head"]["generation"][0])
        copy["head"] = (generation + 1, time_ns, inputs, orders)
        self._record["head"]["generation"] = generation + 1  # odd: being written
        self._record[:] = self._copy
        self._record["head"]["generation"] = generation + 2


class ViewsReader:
    """Any process: the newest whole copy."""

    def __init__(self, path: Path) -> None:
        """Raises SegmentError when there is none."""
        self._segment = Segment.attach(path, KIND, writable=False)
        header = self._segment.header
        dtype = layout(header.capacity, header.base)
        self._record = np.frombuffer(self._segment.memory, dtype=dtype, count=1, offset=HEADER_BYTES)

    def read(self) -> np.void | None:
        """A copy of everything shown, or None while there is none yet."""
        for _ in range(TRIES):
            before = int(self._record["head"]["generation"][0])
            if before == 0 or before & 1:
                if before == 0:
                    return None
                continue
            copy = self._record.copy()
            if int(self._record["head"]["generation"][0]) == before:
                row: np.void = copy[0]
                return row
        return None


def nonzero(values: Iterable[int]) -> dict[int, int]:
    """{index: value} of those that are not 0."""
    return {index: int(value) for index, value in enumerate(values) if value}
