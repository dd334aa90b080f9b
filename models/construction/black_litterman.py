"""Black and Litterman: the market's implied returns, moved by views; as in He and Litterman (1999)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.faults import Fault

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class View:
    """`exposures` (n,) @ returns is expected to be `returns`; `variance` of that belief, None: tau p'Sp."""

    exposures: Array
    returns: float
    variance: float | None = None


@dataclass(frozen=True)
class Posterior:
    """means (n,) after the views; covariance (n, n) = S + M, M being the posterior covariance of the means.

    `weights` (n,): (delta (S + M))^-1 means, without constraints; `view_weights` (k,): each view's share of them.
    """

    implied: Array
    means: Array
    covariance: Array
    risk_aversion: float
    view_weights: Array
    view_variances: Array

    @property
    def weights(self) -> Array:
        return np.asarray(np.linalg.solve(self.risk_aversion * self.covariance, self.means), dtype=np.float64)


def implied_returns(covariance: Array, market_weights: Array, risk_aversion: float) -> Array:
    """delta S w: the excess returns under which the market's weights are optimal."""
    found: Array = risk_aversion * covariance @ market_weights
    return found


def black_litterman(
    covariance: Array,
    market_weights: Array,
    views: Sequence[View] = (),
    *,
    risk_aversion: float = 2.5,
    tau: float = 0.05,
) -> Posterior:
    """The posterior of He and Litterman (1999, equations 8 to 13), in the form that inverts only k x k.

    covariance (n, n) of returns, market_weights (n,). Without views M = tau S and the weights are the market's over
    1 + tau. Raises Fault when shapes differ, a number is not finite, or a risk aversion, tau or variance of a
    view is not positive.
    """
    count = len(market_weights)
    for name, value in (("risk_aversion", risk_aversion), ("tau", tau)):
        if not (np.isfinite(value) and value > 0.0):
            raise Fault(f"{name} must be above 0 and finite, is {value}")
    for k, view in enumerate(views, 1):
        if view.exposures.shape != (count,) or not np.isfinite([*view.exposures, view.returns]).all():
            raise Fault(f"view {k} needs {count} finite exposures and a finite return")
        if not view.exposures.any():
            raise Fault(f"view {k} is about nothing: all its exposures are 0")
        if view.variance is not None and not (np.isfinite(view.variance) and view.variance > 0.0):
            raise Fault(f"the variance of view {k} must be above 0, is {view.variance}")
    implied = implied_returns(covariance, market_weights, risk_aversion)
    pick = np.array([view.exposures for view in views], dtype=np.float64).reshape(-1, count)
    expected = np.array([view.returns for view in views], dtype=np.float64)
    spread = tau * covariance @ pick.T  # (n, k)
    own = np.einsum("kn,nk->k", pick, spread)
    given = [view.variance for view in views]
    variances = np.array([own[k] if variance is None else variance for k, variance in enumerate(given)])
    system = pick @ spread + np.diag(variances)
    moved = np.linalg.solve(system, expected - pick @ implied) if len(views) else np.zeros(0)
    means = implied + spread @ moved
    total = (1.0 + tau) * covariance
    if len(views):
        total -= spread @ np.linalg.solve(system, spread.T)
    shares = weights_of_views(pick, covariance, variances, expected, market_weights, risk_aversion, tau)
    return Posterior(implied, means, total, risk_aversion, shares, variances)


def weights_of_views(
    pick: Array, covariance: Array, variances: Array, expected: Array, market: Array, risk_aversion: float, tau: float
) -> Array:
    """Lambda of He and Litterman (equation 14): optimal weights = (market + pick' Lambda) / (1 + tau)."""
    if not len(pick):
        return np.zeros(0)
    scale = np.diag(variances) / tau + pick @ covariance @ pick.T / (1.0 + tau)
    pull = np.linalg.solve(np.diag(variances), expected) * tau / risk_aversion
    seen = pick @ covariance / (1.0 + tau)
    shift: Array = pull - np.linalg.solve(scale, seen @ market)
    found: Array = shift - np.linalg.solve(scale, seen @ pick.T @ pull)
    return found
