"""Euler's decomposition: what each position contributes (Tasche 1999; McNeil, Frey and Embrechts 2015, 8.5)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from models.faults import Fault

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Contributions:
    """Of one risk figure, arrays (assets,).

    marginal: change of the figure per unit of exposure. component: exposure * marginal; they sum to the figure.
    incremental: the figure less what it would be without the position.
    """

    total: float
    marginal: Floats
    component: Floats
    incremental: Floats


@dataclass(frozen=True)
class EllipticalRisk:
    """Volatility, VaR and CVaR of a linear portfolio under an elliptical distribution, with their contributions."""

    volatility: Contributions
    var: Contributions
    cvar: Contributions


def euler_volatility(exposures: Floats, covariance: Floats) -> Contributions:
    """sqrt(w' C w) of exposures (assets,) and covariance (assets, assets): component w_i (C w)_i / sigma."""
    exposures, covariance = np.asarray(exposures, np.float64), np.asarray(covariance, np.float64)
    toward = covariance @ exposures
    variance = float(exposures @ toward)
    if not variance > 0.0:
        raise Fault(f"the portfolio's variance is {variance:g}: no contribution can be computed; check the positions")
    sigma = float(np.sqrt(variance))
    without = variance - 2.0 * exposures * toward + exposures**2 * np.diag(covariance)
    return Contributions(sigma, toward / sigma, exposures * toward / sigma, sigma - np.sqrt(np.maximum(without, 0.0)))


def euler_elliptical(
    exposures: Floats, covariance: Floats, *, level: float, mean: Floats | None = None, dof: float = np.inf
) -> EllipticalRisk:
    """Normal (infinite `dof`) or Student-t VaR and CVaR at `level`; the covariance is that of the returns."""
    exposures = np.asarray(exposures, np.float64)
    center = np.zeros(len(exposures)) if mean is None else np.asarray(mean, np.float64)
    volatility = euler_volatility(exposures, covariance)
    quantile, shortfall = unit_quantiles(level, dof)
    return EllipticalRisk(volatility, *(scaled(volatility, exposures, center, by) for by in (quantile, shortfall)))


def scaled(volatility: Contributions, exposures: Floats, mean: Floats, factor: float) -> Contributions:
    """factor * volatility - expected gain, part by part."""
    return Contributions(
        factor * volatility.total - float(exposures @ mean),
        factor * volatility.marginal - mean,
        factor * volatility.component - exposures * mean,
        factor * volatility.incremental - exposures * mean,
    )


def unit_quantiles(level: float, dof: float = np.inf) -> tuple[float, float]:
    """VaR and CVaR at `level` of a normal, or of a Student-t scaled to variance 1 (McNeil et al. 2015, 2.3.2)."""
    if np.isinf(dof):
        z = float(stats.norm.ppf(level))
        return z, float(stats.norm.pdf(z)) / (1.0 - level)
    if dof <= 2.0:
        raise Fault(f"dof is {dof:g}: a Student-t has a variance above 2 degrees of freedom only")
    q, unit = float(stats.t.ppf(level, dof)), float(np.sqrt((dof - 2.0) / dof))
    return unit * q, unit * float(stats.t.pdf(q, dof)) / (1.0 - level) * (dof + q * q) / (dof - 1.0)
