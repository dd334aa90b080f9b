"""What a fit of constant or dynamic conditional correlation gives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.cpu import correlation_of, dcc_path
from models.health import Health

Floats = NDArray[np.float64]
AT_UNIT_ROOT = 1.0 - 1.1e-6  # the search stops at a persistence of 1 - 1e-6


@dataclass(frozen=True)
class Dynamics:
    """Q_{t+1} = (1 - a - b) target - g negative_target + a e e' + g min(e, 0) min(e, 0)' + b Q_t; CCC has zeros."""

    a: float
    b: float
    g: float
    target: Floats
    negative_target: Floats


@dataclass(frozen=True)
class DependenceFit:
    """CCC (Bollerslev 1990) or DCC (Engle 2002) with GARCH(1,1) margins.

    Shapes: `variances`, `residuals`, `standardised` (n, series); `next_variances` (series,), `correlation` and
    `covariance` (series, series) are one step after the last row; `quasi` is Q of that step, its lower triangle.
    Keys of `parameters` and of each of `standard_errors` (hessian, opg, robust) are `<series>.<parameter>`,
    `corr.<series>.<series>` (joint estimate and CCC) and `dcc.a`, `dcc.b`, `dcc.g`. `loglik` is the normal one of all
    series with all constants, `two_step_loglik` that of the two-step estimate, `composite_loglik` the sum over pairs of
    what correlation adds. `persistence` is the one of correlation (DCC) or the largest alpha + beta (CCC).
    """

    model: str
    estimator: str
    names: tuple[str, ...]
    mean: str
    start_variance: str
    parameters: dict[str, float]
    standard_errors: dict[str, dict[str, float]]
    loglik: float
    two_step_loglik: float | None
    composite_loglik: float | None
    converged: bool
    persistence: float
    health: Health
    dynamics: Dynamics
    correlation: Floats
    covariance: Floats
    next_variances: Floats
    variances: Floats
    residuals: Floats
    standardised: Floats
    quasi: Floats
    n: int
    seconds: float
    notes: tuple[str, ...]
    errors: str = "normal"  # of the margins

    @property
    def correlations(self) -> Floats:
        """R_1 to R_n, shape (n, series, series): made anew at each call (20 MB for 1,000 rows of 50 series)."""
        series = len(self.names)
        path = np.empty((self.n, series, series))
        path_of(self.standardised, self.dynamics, path)
        return path


def path_of(standardised: Floats, dynamics: Dynamics, path: Floats) -> Floats:
    """Fills `path` with the first correlations and returns the quasi-correlation after the last row."""
    quasi = np.zeros_like(dynamics.target)
    d = dynamics
    dcc_path(standardised, d.target, d.negative_target, d.a, d.b, d.g, quasi, path)
    return quasi


def next_correlation(standardised: Floats, dynamics: Dynamics) -> tuple[Floats, Floats]:
    """Correlation and quasi-correlation one step after the last row."""
    quasi = path_of(standardised, dynamics, np.empty((0, *dynamics.target.shape)))
    correlation = np.empty_like(quasi)
    correlation_of(quasi, correlation)
    return correlation, quasi


def judged(converged: bool, at_bound: tuple[str, ...], margins: float, persistence: float) -> Health:
    """OK, AT_BOUND (usable), NOT_CONVERGED or NOT_STATIONARY. `margins`: largest alpha + beta; then of correlation."""
    if not converged:
        code, note = "NOT_CONVERGED", "the search stopped before the likelihood was at its top"
    elif margins >= 1.0 or persistence >= 1.0:
        code = "NOT_STATIONARY"
        note = f"largest alpha + beta {margins:.6f}, persistence of correlation {persistence:.6f}"
    elif at_bound or persistence > AT_UNIT_ROOT:
        where = ", ".join(at_bound) or "a + b = 1"
        code, note = "AT_BOUND", f"at the edge of what is allowed, no standard error there: {where}"
    else:
        return Health(ok=True, code="OK", note="")
    return Health(ok=code == "AT_BOUND", code=code, note=f"{code}: {note}")
