"""How good a forecast was out of sample, with standard errors that know that neighbouring targets overlap."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BLOCKS = 50
Array = NDArray[np.float64]
Measure = Callable[[Array, Array], float]


def r2(returns_n: Array, forecast_n: Array) -> float:
    """1 - squared error / squared error of the forecast zero (Campbell and Thompson 2008). Below 0: worse than zero."""
    total = float((returns_n**2).sum())
    return 1.0 - float(((returns_n - forecast_n) ** 2).sum()) / total if total > 0.0 else float("nan")


def correlation(returns_n: Array, forecast_n: Array) -> float:
    """Pearson; NaN when either does not vary."""
    x, y = returns_n - returns_n.mean(), forecast_n - forecast_n.mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 0.0 else float("nan")


def hit_rate(returns_n: Array, forecast_n: Array) -> float:
    """Share of right signs where the price moved and the forecast says something; NaN when there is none."""
    said = (returns_n != 0.0) & (forecast_n != 0.0)
    return float((np.sign(returns_n[said]) == np.sign(forecast_n[said])).mean()) if said.any() else float("nan")


MEASURES: dict[str, Measure] = {"r2": r2, "correlation": correlation, "hit_rate": hit_rate}


def jackknife_error(measure: Measure, returns_n: Array, forecast_n: Array, block_n: NDArray[np.int64]) -> float:
    """Standard error by leaving out one block at a time (Kunsch 1989); blocks outlast the overlap of targets."""
    blocks = np.unique(block_n)
    if len(blocks) < 5:
        return float("nan")
    without = np.array([measure(returns_n[block_n != b], forecast_n[block_n != b]) for b in blocks])
    return float(np.sqrt((len(blocks) - 1) / len(blocks) * ((without - without.mean()) ** 2).sum()))


def time_blocks(time_ns_n: NDArray[np.int64], horizon_ms: int, count: int = BLOCKS) -> NDArray[np.int64]:
    """Consecutive blocks of equal duration, at least ten horizons long, at most `count` of them; shape (rows,)."""
    first, last = int(time_ns_n.min()), int(time_ns_n.max())
    duration_ns = max((last - first) // count + 1, 10 * horizon_ms * 1_000_000)
    return np.asarray((time_ns_n - first) // duration_ns, dtype=np.int64)


def score(
    returns_n: Array, forecast_n: Array, time_ns_n: NDArray[np.int64], horizon_ms: int
) -> dict[str, float | None]:
    """Each measure and its standard error (`r2`, `r2_error`, ...), and `blocks`; None where it cannot be computed."""
    block_n = time_blocks(time_ns_n, horizon_ms)
    result: dict[str, float | None] = {"blocks": float(len(np.unique(block_n)))}
    for name, measure in MEASURES.items():
        for key, value in (
            (name, measure(returns_n, forecast_n)),
            (f"{name}_error", jackknife_error(measure, returns_n, forecast_n, block_n)),
        ):
            result[key] = round(value, 6) if np.isfinite(value) else None
    return result
