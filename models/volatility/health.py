"""Whether a fit may be used: converged, stationary, in scale. If not, EWMA takes its place, with a code saying why."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.volatility.filters import ewma_filter
from models.health import Health

OK, NOT_CONVERGED, NOT_STATIONARY, OUT_OF_SCALE, NOT_FITTED = range(5)
CODES = ("OK", "NOT_CONVERGED", "NOT_STATIONARY", "OUT_OF_SCALE", "NOT_FITTED")
PERSISTENCE_LIMIT = 0.9999  # a shock's half-life of 6,931 bars: beyond, the level is not estimated at all
SCALE_LIMIT = 1_000.0  # next variance and mean variance against the mean square of the residuals
EWMA_DECAY = 0.94  # RiskMetrics (1996)


def judge(
    converged: NDArray[np.bool_], persistence: NDArray[Any], following: NDArray[Any], levels: NDArray[Any]
) -> NDArray[np.int64]:
    """A code per series: following (series,) next variances, levels (series, 2) mean squares and mean variances."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratios = np.stack([following / levels[:, 0], levels[:, 1] / levels[:, 0]])
        in_scale = np.all((ratios > 1 / SCALE_LIMIT) & (ratios < SCALE_LIMIT), axis=0)
    codes = np.where(in_scale, OK, OUT_OF_SCALE)
    codes = np.where(np.isfinite(persistence) & (persistence < PERSISTENCE_LIMIT), codes, NOT_STATIONARY)
    return np.where(converged, codes, NOT_CONVERGED).astype(np.int64)


def health_of(code: int, persistence: float) -> Health:
    """The sentence that goes with a code."""
    replaced = f"variances are those of EWMA with decay {EWMA_DECAY}"
    note = {
        OK: "",
        NOT_CONVERGED: f"NOT_CONVERGED: no maximum of the likelihood was found; {replaced}",
        NOT_STATIONARY: f"NOT_STATIONARY: persistence {persistence:.6f} is not below {PERSISTENCE_LIMIT}; {replaced}",
        OUT_OF_SCALE: f"OUT_OF_SCALE: variances are {SCALE_LIMIT:,.0f} times off the data's own; {replaced}",
        NOT_FITTED: f"NOT_FITTED: the series cannot be fitted; {replaced}",
    }[code]
    return Health(ok=code == OK, code=CODES[code], note=note)


def replace(residuals: NDArray[Any], variances: NDArray[Any]) -> float:
    """Overwrites variances (n,) by EWMA of residuals (n,); gives the next variance."""
    return float(ewma_filter(residuals, EWMA_DECAY, variances))
