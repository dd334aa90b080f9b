"""A fitted model carried forward bar by bar without refitting."""

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.cpu import online_step
from models.dependence.means import CONSTANT, LAG, terms_of
from models.dependence.result import DependenceFit
from models.faults import DataFault

Floats = NDArray[np.float64]


class OnlineDependence:
    """State of a CCC or DCC model after the last row it saw; each `step` is O(series^2).

    `covariance` (series, series) and `variances` (series,) are of the next row. It is as if the fit's own filter had
    been run on the longer data with the same parameters, targets and start.
    """

    def __init__(self, fit: DependenceFit, last_returns: Floats) -> None:
        """`last_returns` (series,): the last row the fit saw, which the next mean may need."""
        series, p = len(fit.names), fit.parameters
        self.names = fit.names
        self.variances = fit.next_variances.copy()
        self.covariance = fit.covariance.copy()
        self.standardised = np.zeros(series)
        self._quasi, self._dynamics = fit.quasi.copy(), fit.dynamics
        self._garch = np.array([[p[f"{name}.{part}"] for name in fit.names] for part in ("omega", "alpha", "beta")])
        self._constants, self._lags = np.zeros(series), np.zeros((series, series))
        for i, terms in enumerate(terms_of(fit.mean, fit.names)):
            for term in terms:
                coefficient = p[f"{fit.names[i]}.{term}"]
                if term == CONSTANT:
                    self._constants[i] = coefficient
                else:
                    self._lags[i, fit.names.index(term.removeprefix(LAG))] = coefficient
        self._last = np.array(last_returns, dtype=np.float64)

    @property
    def correlation(self) -> Floats:
        """Of the next row, (series, series)."""
        deviations = np.sqrt(self.variances)
        correlation = self.covariance / np.outer(deviations, deviations)
        np.fill_diagonal(correlation, 1.0)
        return np.asarray(correlation)

    def step(self, returns: Floats) -> Floats:
        """Takes one row of returns (series,); gives the covariance of the next row. DataFault if it is not finite."""
        row = np.array(returns, dtype=np.float64)
        if row.shape != self._last.shape or not np.all(np.isfinite(row)):
            missing = ", ".join(self.names[i] for i in np.flatnonzero(~np.isfinite(np.resize(row, len(self.names)))))
            raise DataFault(f"{missing or row.shape}: one finite return for each of {len(self.names)} series is needed")
        residuals = row - self._constants - self._lags @ self._last
        d = self._dynamics
        online_step(
            residuals,
            self._garch,
            self.variances,
            self._quasi,
            d.target,
            d.negative_target,
            d.a,
            d.b,
            d.g,
            self.standardised,
            self.covariance,
        )
        self._last = row
        return self.covariance
