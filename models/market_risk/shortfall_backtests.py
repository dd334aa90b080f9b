"""Backtests of expected shortfall, Acerbi and Szekely (2014), "Backtesting expected shortfall", Risk, December.

Z is 0 on average when VaR and CVaR are right, and negative when the losses are worse than forecast.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.faults import Fault
from models.market_risk.order_statistics import check_level

Floats = NDArray[np.float64]
SIMULATIONS = 20_000
CHUNK = 2_000_000  # random numbers at once


@dataclass(frozen=True)
class ShortfallTest:
    """z1 (given the exceptions, NaN without any) and z2 (joint with their number), with one-sided p-values."""

    exceptions: int
    z1: float
    z1_p_value: float
    z2: float
    z2_p_value: float


def acerbi_szekely(
    losses: Any, var: Any, cvar: Any, level: float, *, shape: float = 0.0, simulations: int = SIMULATIONS, seed: int = 1
) -> ShortfallTest:
    """Tests 1 and 2 on losses, VaR and CVaR (n,).

    p-values by simulation under the forecasts: an exception with probability 1 - level, its excess over VaR generalised
    Pareto with mean cvar - var and tail index `shape` (0: exponential; 1/dof for a Student-t), which is all that VaR
    and CVaR say of a tail. Faults: shapes, CVaR below VaR or not positive.
    """
    check_level(level)
    loss, v, c = (np.asarray(values, np.float64) for values in (losses, var, cvar))
    if not loss.shape == v.shape == c.shape or loss.ndim != 1 or len(loss) == 0:
        raise Fault(f"losses {loss.shape}, VaR {v.shape} and CVaR {c.shape} must be sequences of one length")
    wrong = np.flatnonzero(~((c > 0.0) & (c >= v)))
    if len(wrong):
        row = wrong[0]
        raise Fault(f"observation {row + 1}: CVaR {c[row]:g} must be positive and at least VaR {v[row]:g}")
    if not 0.0 <= shape < 1.0:
        raise Fault(f"shape is {shape:g}: the tail index lies from 0 to below 1, else there is no mean")
    z1, z2 = statistics(np.where(loss > v, loss / c, 0.0), loss > v, level)
    simulated = simulate(v, c, level, shape, simulations, seed)
    some = simulated[0][np.isfinite(simulated[0])]
    p1 = float(np.mean(some <= z1)) if np.isfinite(z1) and len(some) else float("nan")
    return ShortfallTest(int(np.sum(loss > v)), z1, p1, z2, float(np.mean(simulated[1] <= z2)))


def statistics(scaled: Floats, hit: NDArray[np.bool_], level: float) -> tuple[float, float]:
    """Z1 and Z2 from loss / CVaR on the exceptions, 0 elsewhere."""
    count, total = int(hit.sum()), float(scaled.sum())
    z1 = 1.0 - total / count if count else float("nan")
    return z1, 1.0 - total / (len(scaled) * (1.0 - level))


def simulate(
    var: Floats, cvar: Floats, level: float, shape: float, simulations: int, seed: int
) -> tuple[Floats, Floats]:
    """Z1 and Z2 of that many histories in which the forecasts are right."""
    random = np.random.Generator(np.random.Philox(seed))
    n, z1, z2 = len(var), np.empty(simulations), np.empty(simulations)
    rows = max(1, CHUNK // n)
    for start in range(0, simulations, rows):
        stop = min(simulations, start + rows)
        hits = random.random((stop - start, n)) < 1.0 - level
        row, day = np.nonzero(hits)
        excess = random.standard_exponential(len(row))
        if shape > 0.0:  # a generalised Pareto of mean 1
            excess = (1.0 - shape) / shape * np.expm1(shape * excess)
        scaled = (var[day] + excess * (cvar[day] - var[day])) / cvar[day]
        total = np.bincount(row, scaled, minlength=stop - start)
        count = hits.sum(axis=1)
        z1[start:stop] = 1.0 - np.divide(total, count, out=np.full(stop - start, np.nan), where=count > 0)
        z2[start:stop] = 1.0 - total / (n * (1.0 - level))
    return z1, z2
