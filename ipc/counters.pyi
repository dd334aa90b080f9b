import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ipc.segment import Lock, Segment

KIND: str
HISTOGRAM_BUCKETS: int
RELATIVE_ERROR: float

def bucket_ceilings() -> npt.NDArray[np.int64]:
    """Largest value of each bucket in ns, shape (BUCKETS,), int64."""

class HistogramView:
    """A copy of a histogram. `count`, `total`, `minimum`, `maximum` (ns, 0 when empty), `buckets` (BUCKETS,)."""

    buckets: npt.NDArray[np.int64]
    count: int
    total: int
    minimum: int
    maximum: int

    def __init__(self, words: npt.NDArray[np.int64]) -> None: ...
    def percentile(self, percent: float) -> int:
        """The smallest value that `percent` of all stay within, ns; at most 1/32 above the exact one, 0 when empty."""

    def mean(self) -> float:
        """Arithmetic mean in ns, 0 when empty."""

class Counters:
    """The segment, as its writer (`create`, `reopen`) or as a reader (`attach`)."""

    segment: Segment

    def __init__(self, segment: Segment, lock: Lock | None = None) -> None: ...
    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        epoch: int,
        counters: Sequence[str] = (),
        histograms: Sequence[str] = (),
    ) -> Counters:
        """Makes the segment with all its names, zeroed, and is its writer. Raises SegmentError or ValueError."""

    @classmethod
    def reopen(cls, path: str | os.PathLike[str]) -> Counters:
        """Becomes the writer of an existing segment, whose values go on. Raises SegmentError when another is."""

    @classmethod
    def attach(cls, path: str | os.PathLike[str]) -> Counters:
        """Opens a segment for reading only. Raises SegmentError."""

    @property
    def counters(self) -> list[str]:
        """Names of the counters, as created."""

    @property
    def histograms(self) -> list[str]:
        """Names of the histograms, as created."""

    def value(self, name: str) -> int:
        """The counter's value now. Raises KeyError."""

    def values(self) -> dict[str, int]:
        """Every counter: {name: value}."""

    def read(self, name: str) -> HistogramView:
        """A copy of the histogram now, as a HistogramView. Raises KeyError."""

    def increase(self, name: str, amount: int = 1) -> None:
        """Adds to a counter. Raises KeyError, or ValueError for a reader."""

    def set(self, name: str, value: int) -> None:
        """Sets a counter. Raises KeyError, or ValueError for a reader."""

    def observe(self, name: str, value_ns: int) -> None:
        """Records one value in a histogram. Raises KeyError, or ValueError for a reader."""

    def close(self) -> None:
        """The writer gives its lock back. It must not write afterwards."""
