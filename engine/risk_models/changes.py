"""Whether the market has left what was fitted: CUSUM on how surprising each bar is, which asks for an early refit.

The surprise of a bar is the mean square of its whitened returns: too large where volatility or correlation is, or has
become, something else. Its score is the normal quantile of its rank among the surprises of the fit's own window, so
that heavy tails are no alarm and scores are standard normal as long as the fit holds.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from models.regimes import Cusum, CusumSettings

Array = NDArray[np.float64]


def surprise(whitened: Array) -> Array:
    """Mean square over the last axis."""
    found: Array = (whitened**2).mean(axis=-1)
    return found


class Changes:
    """Since one refit."""

    def __init__(self, whitened: Array, false_alarm_bars: float) -> None:
        """whitened: (m, n), of the fit's window. false_alarm_bars: fewest on average between false alarms of a side."""
        self._usual = np.sort(surprise(whitened))
        self._cusum = Cusum(CusumSettings(false_alarm_observations=false_alarm_bars))

    def observe(self, whitened: Array) -> bool:
        """One bar, (n,): whether it made the alarm."""
        rank = np.searchsorted(self._usual, float(surprise(whitened)))
        sides, _ = self._cusum.observe(ndtri((rank + 0.5) / (len(self._usual) + 1.0)))
        return bool(sides[0] >= 0)
