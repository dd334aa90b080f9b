"""Whether the market has left what was fitted: CUSUM on how each bar fits, which asks for an early refit.

Two measures of a bar's whitened returns u: their mean square, wrong where volatilities are, and their sum over the root
of n, which is too large or too small where what is common to all has become another: correlation above all. The score
of a measure is the normal quantile of its rank among those of the fit's own window, so that heavy tails are no alarm
and scores are standard normal as long as the fit holds.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from models.regimes import Cusum, CusumSettings

Array = NDArray[np.float64]


def measures(whitened: Array) -> Array:
    """Mean square and scaled sum over the last axis, (2, ...)."""
    return np.stack([(whitened**2).mean(axis=-1), whitened.sum(axis=-1) / np.sqrt(whitened.shape[-1])])


class Changes:
    """Since one refit."""

    def __init__(self, whitened: Array, false_alarm_bars: float) -> None:
        """whitened: (m, n), of the fit's window. false_alarm_bars: fewest on average between false alarms of a side."""
        settings = CusumSettings(false_alarm_observations=false_alarm_bars)
        self._usual = np.sort(measures(whitened), axis=1)
        self._sums = [Cusum(settings) for _ in self._usual]

    def observe(self, whitened: Array) -> bool:
        """One bar, (n,): whether it made the alarm."""
        alarm = False
        for usual, cusum, measure in zip(self._usual, self._sums, measures(whitened), strict=True):
            rank = np.searchsorted(usual, measure)
            sides, _ = cusum.observe(ndtri((rank + 0.5) / (len(usual) + 1.0)))
            alarm |= bool(sides[0] >= 0)
        return alarm
