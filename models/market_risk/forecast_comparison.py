"""Which of two VaR forecasts is better: the tick loss and the test of Diebold and Mariano."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.faults import Fault
from models.market_risk.order_statistics import check_level

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DieboldMariano:
    """t-statistic of the mean loss difference first - second (positive: the second is better), two-sided p-value."""

    mean: float
    statistic: float
    p_value: float
    lags: int


def tick_loss(losses: Any, var: Any, level: float) -> Floats:
    """(l - v) (p - 1[l < v]) for loss l and VaR v, (n,): least on average at the quantile (Koenker, Bassett 1978)."""
    check_level(level)
    loss, forecast = np.asarray(losses, np.float64), np.asarray(var, np.float64)
    if loss.shape != forecast.shape:
        raise Fault(f"losses {loss.shape} and VaR {forecast.shape} must have one shape")
    difference = loss - forecast
    found: Floats = difference * (level - (difference < 0.0))
    return found


def diebold_mariano(first: Any, second: Any, *, lags: int | None = None) -> DieboldMariano:
    """Test that two sequences of losses (n,) have the same mean, Diebold and Mariano (1995).

    Long-run variance by Bartlett weights, Newey and West (1987), lags floor(4 (n / 100)^(2/9)) unless given.
    """
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    n = len(difference)
    if n < 10:
        raise Fault(f"{n} loss differences: at least 10 are needed")
    used = int(4.0 * (n / 100.0) ** (2.0 / 9.0)) if lags is None else lags
    centred = difference - difference.mean()
    variance = float(centred @ centred) / n
    for lag in range(1, used + 1):
        variance += 2.0 * (1.0 - lag / (used + 1.0)) * float(centred[lag:] @ centred[:-lag]) / n
    if not variance > 0.0:
        raise Fault("the two forecasts have the same loss on every day: there is nothing to compare")
    statistic = float(difference.mean() / np.sqrt(variance / n))
    return DieboldMariano(float(difference.mean()), statistic, float(2.0 * stats.norm.sf(abs(statistic))), used)
