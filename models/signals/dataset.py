"""What a model learns from: feature rows, what came after, and a split that keeps the test out of the training."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureRows:
    """Recorded feature rows in the order of time within each segment.

    values_nf: (row, feature). mid_n: mid price, any unit. time_ns_n: when the row was known, int64 ns UTC.
    segment_n: rows of one segment follow each other without a hole in the data; segments are numbered in time order.
    names: of the features. sources: what was read, for the manifest: name to SHA-256.
    """

    values_nf: NDArray[np.float64]
    mid_n: NDArray[np.float64]
    time_ns_n: NDArray[np.int64]
    segment_n: NDArray[np.int64]
    names: tuple[str, ...]
    sources: dict[str, str]

    def __post_init__(self) -> None:
        count = len(self.values_nf)
        if self.values_nf.shape != (count, len(self.names)):
            raise ValueError(f"values_nf is {self.values_nf.shape}; there are {len(self.names)} names")
        if not len(self.mid_n) == len(self.time_ns_n) == len(self.segment_n) == count:
            raise ValueError("values_nf, mid_n, time_ns_n and segment_n must have the same length")
        later = np.diff(self.segment_n) > 0
        if not ((np.diff(self.time_ns_n) >= 0) | later).all() or (np.diff(self.segment_n) < 0).any():
            raise ValueError("rows must be in the order of time within segments, and segments in order")

    def digest(self) -> str:
        """SHA-256 of everything a training can depend on."""
        sha256 = hashlib.sha256(",".join(self.names).encode())
        for array in (self.values_nf, self.mid_n, self.time_ns_n, self.segment_n):
            sha256.update(np.ascontiguousarray(array).tobytes())
        return sha256.hexdigest()


def forward_returns(rows: FeatureRows, horizon_ms: int) -> NDArray[np.float64]:
    """Log return of the mid price over the horizon, in basis points, shape (rows,); NaN where the segment ends before.

    The later price is the last one known at the end of the horizon.
    """
    returns_n = np.full(len(rows.mid_n), np.nan)
    horizon_ns = horizon_ms * 1_000_000
    for segment in np.unique(rows.segment_n):
        inside = np.flatnonzero(rows.segment_n == segment)
        time_ns, log_mid = rows.time_ns_n[inside], np.log(rows.mid_n[inside])
        later = np.searchsorted(time_ns, time_ns + horizon_ns, side="right") - 1
        known = time_ns + horizon_ns <= time_ns[-1]
        returns_n[inside[known]] = (log_mid[later[known]] - log_mid[known]) * 1e4
    return returns_n


def split_by_time(
    time_ns_n: NDArray[np.int64], horizon_ms: int, test_share: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of training and test rows, shape (rows,): the test is the last share, after an embargo.

    A training row's target ends at least one horizon before the first test row (purge and embargo: Lopez de Prado 2018,
    chapter 7).
    """
    if not 0.05 <= test_share <= 0.9:
        raise ValueError(f"test_share must be 0.05 to 0.9; it is {test_share}")
    start_ns = np.sort(time_ns_n)[int(len(time_ns_n) * (1.0 - test_share))]
    return time_ns_n <= start_ns - 2 * horizon_ms * 1_000_000, time_ns_n >= start_ns
