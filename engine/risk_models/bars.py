"""Bars of the mids: one close each bar_s of core time, missing where the book was not valid or nobody looked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipc.messages import BookState

QUALITY_BARS = 60


def half_ticks(books: NDArray[Any]) -> NDArray[np.int64]:
    """Bid plus ask of each valid, two-sided book, 0 for the others. books: BOOK_VIEW rows, shape (n,)."""
    good = (
        (books["state"] == BookState.VALID)
        & (books["bid_quantity_lots"][:, 0] > 0)
        & (books["ask_quantity_lots"][:, 0] > 0)
    )
    mids: NDArray[np.int64] = np.where(good, books["bid_price_ticks"][:, 0] + books["ask_price_ticks"][:, 0], 0)
    return mids


class Bars:
    """Closes in, log returns out."""

    def __init__(self, instruments: int, bar_s: float) -> None:
        self._bar_ns = int(bar_s * 1e9)
        self._close = np.full(instruments, np.nan)
        self._next_ns = 0
        self._whole = np.ones(QUALITY_BARS)
        self.closed = 0
        self.missing = 0

    @property
    def quality(self) -> float:
        """Share of the last bars that were whole."""
        return float(self._whole.mean())

    def look(self, time_ns: int, mids: NDArray[np.int64]) -> list[NDArray[np.float64]]:
        """Log returns of the bars that ended by time_ns, each (n,), NaN where one is missing; oldest first.

        The last bar ends with these mids. Bars in between, when nobody looked, are missing.
        """
        closes = np.where(mids > 0, np.log(np.maximum(mids, 1).astype(np.float64)), np.nan)
        if self._next_ns == 0:
            self._close, self._next_ns = closes, time_ns + self._bar_ns
            return []
        found: list[NDArray[np.float64]] = []
        while self._next_ns <= time_ns:
            late = time_ns - self._next_ns >= self._bar_ns
            close = np.full_like(closes, np.nan) if late else closes
            self._end(close, found)
            if late:  # skip what is beyond remembering
                behind = (time_ns - self._next_ns) // self._bar_ns
                self._next_ns += max(0, behind - QUALITY_BARS) * self._bar_ns
        return found

    def _end(self, close: NDArray[np.float64], found: list[NDArray[np.float64]]) -> None:
        returns = close - self._close
        whole = bool(np.isfinite(returns).all())
        self._whole[self.closed % QUALITY_BARS] = whole
        self.closed += 1
        self.missing += not whole
        self._close = close
        self._next_ns += self._bar_ns
        found.append(returns)
