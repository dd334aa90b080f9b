"""Whether a fit left anything in its standardised residuals: autocorrelation, Ljung-Box, quantiles of the density."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc

from models.volatility.persistence import density_at, nodes

Array = NDArray[np.float64]


def autocorrelation(values: ArrayLike, lags: int) -> Array:
    """Sample autocorrelations at lags 1 to `lags` of values (n,)."""
    x = np.asarray(values, dtype=np.float64)
    x = x - x.mean()
    scale = float(x @ x)
    return np.array([float(x[lag:] @ x[:-lag]) / scale for lag in range(1, lags + 1)])


def ljung_box(values: ArrayLike, lags: int) -> tuple[float, float]:
    """Ljung and Box (1978): the statistic over lags 1 to `lags`, and its p-value by chi-square with `lags` degrees."""
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    statistic = n * (n + 2) * float(np.sum(autocorrelation(x, lags) ** 2 / (n - np.arange(1, lags + 1))))
    return statistic, float(gammaincc(lags / 2.0, statistic / 2.0))


def quantiles(shares: ArrayLike, nu: float | None, skew: float) -> Array:
    """Quantiles at `shares` in (0, 1) of the unit-variance density: normal (nu None), Student t, skewed t."""
    z, weight = nodes()
    share = np.cumsum(weight * density_at(z, nu, skew))
    share -= 0.5 * weight * density_at(z, nu, skew)
    return np.asarray(np.interp(np.asarray(shares), share / share[-1], z))
