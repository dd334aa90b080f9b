"""VaR, CVaR and contributions of a portfolio on a matrix of scenarios, whatever made them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.faults import DataFault, Fault
from models.market_risk.euler import Contributions
from models.market_risk.order_statistics import Tail, empirical_cvar, empirical_var, tail_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """VaR and CVaR of a portfolio: positive losses, in the unit of the exposures.

    observations: scenarios or observations behind it. standard_error: of var; horizon: steps of the data. The
    contributions carry marginal, component and incremental parts; notes begin with a stable code.
    """

    method: str
    level: float
    horizon: int
    observations: int
    var: float
    cvar: float
    standard_error: float
    standard_error_cvar: float
    var_contributions: Contributions
    cvar_contributions: Contributions
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> "Measure":
        return replace(self, notes=(*self.notes, *notes))


def checked(returns: Any, exposures: Any) -> tuple[Floats, Floats]:
    """Returns as (n, assets) and exposures as (assets,), float64. Faults: shapes, NaN."""
    matrix = np.asarray(returns, dtype=np.float64)
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    held = np.atleast_1d(np.asarray(exposures, dtype=np.float64))
    if matrix.ndim != 2 or held.shape != (matrix.shape[1],):
        raise Fault(f"returns {matrix.shape} and exposures {held.shape} do not fit: one exposure a column is needed")
    wrong = np.argwhere(~np.isfinite(matrix))
    if len(wrong):
        raise DataFault(f"return {wrong[0][0] + 1} of series {wrong[0][1] + 1} is not a number; leave that row out")
    if not np.all(np.isfinite(held)):
        raise Fault(f"exposure {int(np.flatnonzero(~np.isfinite(held))[0]) + 1} is not a number")
    return matrix, held


def measure_scenarios(returns: Any, exposures: Any, *, level: float, method: str, horizon: int = 1) -> Measure:
    """Measures scenarios (n, assets) that are equally likely; exposures (assets,) in a currency or as weights."""
    scenarios, held = checked(returns, exposures)
    losses = portfolio_losses(scenarios, held)
    tail = tail_of(losses, level)
    error = tail.standard_error_cvar()
    var, cvar = contributions_of(tail, scenarios[tail.places], held)
    without = losses[:, None] + scenarios * held
    return Measure(
        method,
        level,
        horizon,
        len(losses),
        var.total,
        cvar.total,
        tail.standard_error_var(),
        error,
        replace(var, incremental=var.total - each(empirical_var, without, level)),
        replace(cvar, incremental=cvar.total - each(empirical_cvar, without, level)),
        short_tail(tail, error),
    )


def short_tail(tail: Tail, error: float) -> tuple[str, ...]:
    """A note when the tail holds too few losses for a standard error of CVaR, which is then NaN."""
    if not np.isnan(error):
        return ()
    least = int(np.ceil(2.0 / (1.0 - tail.level) - 1e-6))
    return (
        f"TAIL_SHORT: fewer than two of {tail.count:,} losses lie in the tail: CVaR has no standard error; "
        f"{least:,} would give one",
    )


def portfolio_losses(scenarios: Floats, exposures: Floats) -> Floats:
    """Losses (n,) of scenarios (n, assets), summed asset by asset in order, so that they do not depend on n."""
    losses = np.zeros(len(scenarios))
    for i, exposure in enumerate(exposures.tolist()):
        losses -= exposure * scenarios[:, i]
    return losses


def contributions_of(tail: Tail, tail_returns: Floats, exposures: Floats) -> tuple[Contributions, Contributions]:
    """Contributions to VaR and CVaR from the returns (len(tail.places), assets) of the tail; incremental left at 0.

    VaR: conditional means around its rank, each enlarged or lessened by one share of its size, so that they sum to VaR
    (the share is 0 when the tail is too short to smooth, and tends to 0 with more scenarios). CVaR: exact.
    """
    exact, near, tail_mean = tail.value(tail.var()), tail.near_var(), tail.cvar()
    marginal = -near.of(tail_returns)
    component = exposures * marginal
    size = float(np.abs(component).sum())
    share = (exact - float(component.sum())) / size if size > 0.0 else 0.0
    factors = 1.0 + share * np.sign(component)
    beyond = -tail_mean.of(tail_returns)
    nothing = np.zeros(len(exposures))
    return (
        Contributions(exact, factors * marginal, factors * component, nothing),
        Contributions(tail.value(tail_mean), beyond, exposures * beyond, nothing),
    )


def each(statistic: Any, losses: Floats, level: float) -> Floats:
    """The statistic of every column."""
    return np.array([statistic(np.ascontiguousarray(losses[:, i]), level) for i in range(losses.shape[1])])


def stand_alone_cvar(returns: Any, level: float) -> tuple[Floats, Floats]:
    """CVaR of one unit of every asset alone, held long and held short, (assets,) each, on scenarios (n, assets)."""
    matrix = np.asarray(returns, dtype=np.float64)
    scenarios, _ = checked(matrix, np.zeros(matrix.shape[1]))
    return each(empirical_cvar, -scenarios, level), each(empirical_cvar, scenarios, level)
