"""Forecasts of VaR and CVaR, one step ahead, day by day: what each method would have said with what was known then.

The forecast for day t uses returns up to t - 1 only: the last `window` of them, and parameters of the last refit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.faults import DataFault, Fault
from models.market_risk.conditional import GJR_T, LEAST_MARGIN_DOF
from models.market_risk.euler import unit_quantiles
from models.market_risk.extreme_tail import LEAST_EXCESSES, SHARE, tail_quantiles
from models.market_risk.order_statistics import Floats, check_level
from models.market_risk.parametric import t_dof
from models.market_risk.simulation import Scenarios, constant_process, copula_draws
from models.volatility import filter_batch, fit_batch
from models.volatility.health import EWMA_DECAY, OK

NAMES = ("mu", "omega", "alpha", "gamma", "beta", "nu")
EXPONENTIAL_WEIGHTS = {"omega": 0.0, "alpha": 1.0 - EWMA_DECAY, "gamma": 0.0, "beta": EWMA_DECAY}
FILTERED = frozenset({"filtered", "filtered-evt", "monte-carlo"})
SIMULATED = 100_000  # standardised draws behind a Monte Carlo forecast


@dataclass(frozen=True)
class Forecasts:
    """var and cvar (days,), positive losses; refits: parameter estimations made; notes begin with a code."""

    method: str
    var: Floats
    cvar: Floats
    refits: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rolling:
    """What all methods share, and the portfolio's returns (n,); forecasts are for rows window ... n - 1."""

    returns: Floats
    level: float
    window: int = 500
    refit: int = 20

    def __post_init__(self) -> None:
        check_level(self.level)
        n = len(self.returns)
        if self.returns.ndim != 1 or not np.all(np.isfinite(self.returns)):
            raise DataFault("a backtest needs one series of returns without holes")
        if self.window * (1.0 - self.level) < 1.0 - 1e-9 or self.window < 50:
            raise Fault(
                f"window {self.window} is too short for level {self.level:g}: give 50 and at least 1 / (1 - level)"
            )
        if n <= self.window:
            raise DataFault(
                f"{n:,} returns are not more than the window of {self.window:,}: no day is left to forecast"
            )
        if self.refit < 1:
            raise Fault(f"refit is {self.refit}: at least every 1 day")

    @property
    def days(self) -> int:
        return len(self.returns) - self.window

    def windows(self) -> Floats:
        """(days, window): the returns known before each forecast day."""
        return np.lib.stride_tricks.sliding_window_view(self.returns, self.window)[: self.days]


def forecasts(
    returns: Any, methods: Sequence[str], *, level: float = 0.99, window: int = 500, refit: int = 20
) -> list[Forecasts]:
    """One entry a method of `METHODS`, on simple returns (n,) of the portfolio, for days window ... n - 1."""
    unknown = [method for method in methods if method not in METHODS]
    if unknown:
        raise Fault(f"{unknown[0]!r} is no method of a backtest; there are {', '.join(METHODS)}")
    rolling = Rolling(np.asarray(returns, dtype=np.float64), level, window, refit)
    filtered = filter_refits(rolling) if FILTERED & set(methods) else None
    return [METHODS[method](rolling, filtered) for method in methods]


def historical(rolling: Rolling, _: "Filtered | None") -> Forecasts:
    var, cvar = tail_columns(-rolling.windows(), rolling.level)
    return Forecasts("historical", var, cvar, 0)


def parametric(rolling: Rolling, _: "Filtered | None") -> Forecasts:
    """Normal, moments of the window."""
    windows = rolling.windows()
    quantile, shortfall = unit_quantiles(rolling.level)
    mean, sigma = windows.mean(axis=1), windows.std(axis=1)
    return Forecasts("parametric", quantile * sigma - mean, shortfall * sigma - mean, 0)


def parametric_t(rolling: Rolling, _: "Filtered | None") -> Forecasts:
    """Student-t, moments of the window, degrees of freedom at every refit."""
    windows = rolling.windows()
    mean, sigma = windows.mean(axis=1), windows.std(axis=1)
    starts = range(0, rolling.days, rolling.refit)
    refuse_still(windows[starts])
    units = np.array([unit_quantiles(rolling.level, t_dof(windows[start])) for start in starts])
    quantile, shortfall = np.repeat(units, rolling.refit, axis=0)[: rolling.days].T
    return Forecasts("parametric-t", quantile * sigma - mean, shortfall * sigma - mean, len(units))


def ewma(rolling: Rolling, _: "Filtered | None") -> Forecasts:
    """RiskMetrics (1996): normal, variance by exponential weights, mean 0."""
    weights = EWMA_DECAY ** np.arange(rolling.window - 1, -1, -1.0)
    sigma = np.sqrt(np.array([(window**2) @ weights for window in rolling.windows()]) / weights.sum())
    quantile, shortfall = unit_quantiles(rolling.level)
    return Forecasts("ewma", quantile * sigma, shortfall * sigma, 0)


# -- filtered --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filtered:
    """Of each forecast day: conditional mean and sigma (days,), the window's standardised residuals (days, window)."""

    mean: Floats
    sigma: Floats
    residuals: Floats
    dof: Floats
    refits: int
    notes: tuple[str, ...]


def refuse_still(windows: Floats) -> None:
    """Raises DataFault for a row of windows (days, window) whose returns are all the same."""
    still = np.flatnonzero(np.ptp(windows, axis=1) == 0.0)
    if len(still):
        raise DataFault(
            f"the {windows.shape[1]:,} returns behind {len(still):,} of {len(windows):,} estimates do not move (all "
            f"{windows[still[0], 0]:g}): no volatility can be fitted to them; leave those dates out"
        )


def filter_refits(rolling: Rolling) -> Filtered:
    """GJR-GARCH-t on the last window at every refit, stepped on with these parameters until the next.

    A fit that may not be used has the exponential weights of `fit_batch` in its place, and steps on with them.
    """
    n, window, refit = len(rolling.returns), rolling.window, rolling.refit
    starts = np.arange(0, rolling.days, refit)
    extended = np.concatenate([rolling.returns, np.zeros(refit)])  # the last stretch may be short; never read
    stretches = np.stack([extended[start : start + window + refit] for start in starts])
    refuse_still(stretches[:, :window])
    batch = fit_batch(stretches[:, :window], GJR_T, standard_errors=False)
    column = {name: batch.names.index(name) for name in NAMES}
    weak, parameters = batch.codes != OK, batch.parameters.copy()
    for name, weight in EXPONENTIAL_WEIGHTS.items():
        parameters[weak, column[name]] = weight
    following = filter_batch(stretches[:, window:], GJR_T, parameters, first_variances=batch.next_variance)
    variances = np.concatenate([batch.variances, following], axis=1)
    mean, dof = parameters[:, column["mu"]], np.maximum(parameters[:, column["nu"]], LEAST_MARGIN_DOF)
    shocks = stretches - mean[:, None]
    z = shocks / np.sqrt(variances)
    pools = np.lib.stride_tricks.sliding_window_view(z, window, axis=1)[:, :refit].reshape(-1, window)[: n - window]
    notes = (f"EWMA_FALLBACK: {weak.sum()} of {len(starts)} refits were not usable",) if weak.any() else ()
    each_day = np.repeat(np.arange(len(starts)), refit)[: n - window]
    sigma = np.sqrt(following.reshape(-1)[: n - window])
    return Filtered(mean[each_day], sigma, pools, dof[each_day], len(starts), notes)


def filtered_historical(rolling: Rolling, filtered: Filtered | None) -> Forecasts:
    """Filtered historical simulation of one step: past residuals at today's volatility; Barone-Adesi et al. (1999)."""
    assert filtered is not None
    var, cvar = tail_columns(-filtered.residuals, rolling.level)
    return Forecasts(
        "filtered",
        filtered.sigma * var - filtered.mean,
        filtered.sigma * cvar - filtered.mean,
        filtered.refits,
        filtered.notes,
    )


def filtered_extreme(rolling: Rolling, filtered: Filtered | None) -> Forecasts:
    """As `filtered_historical` with a generalised Pareto tail of the residuals, fitted at every refit; McNeil and Frey
    (2000)."""
    assert filtered is not None
    if not 1.0 - rolling.level < SHARE or rolling.window * SHARE < LEAST_EXCESSES:
        raise Fault(
            f"filtered-evt fits the worst {SHARE:.0%} of a window: the level must be above {1.0 - SHARE:g} and the "
            f"window at least {LEAST_EXCESSES / SHARE:.0f}; they are {rolling.level:g} and {rolling.window}"
        )
    var, cvar = tail_quantiles(-filtered.residuals[:: rolling.refit], rolling.level)
    each_day = np.repeat(np.arange(len(var)), rolling.refit)[: rolling.days]
    return Forecasts(
        "filtered-evt",
        filtered.sigma * var[each_day] - filtered.mean,
        filtered.sigma * cvar[each_day] - filtered.mean,
        filtered.refits,
        filtered.notes,
    )


def monte_carlo(rolling: Rolling, filtered: Filtered | None) -> Forecasts:
    """The fitted GJR-GARCH-t by simulation: the same `SIMULATED` paths at every refit, at each day's volatility."""
    assert filtered is not None
    units = {}
    for dof in np.unique(filtered.dof):
        errors = Scenarios(copula_draws(np.ones((1, 1)), np.inf, np.array([dof])), constant_process(np.ones(1)), 1, 1)
        units[dof] = [column[0] for column in tail_columns(errors.losses(np.ones(1), SIMULATED)[None], rolling.level)]
    quantile, shortfall = np.array([units[dof] for dof in filtered.dof]).T
    return Forecasts(
        "monte-carlo",
        filtered.sigma * quantile - filtered.mean,
        filtered.sigma * shortfall - filtered.mean,
        filtered.refits,
        filtered.notes,
    )


def tail_columns(losses: Floats, level: float) -> tuple[Floats, Floats]:
    """VaR at rank (n + 1) p and CVaR of every row of losses (rows, n), as `order_statistics`."""
    n = losses.shape[1]
    mass, rank = n * (1.0 - level), (n + 1) * level
    lower = min(int(rank), n - 1)
    kept = n - min(lower - 1, n - int(np.ceil(mass - 1e-9)))
    worst = np.sort(np.partition(losses, n - kept, axis=1)[:, n - kept :], axis=1)
    fraction = rank - lower
    low, high = worst[:, lower - 1 - (n - kept)], worst[:, lower - (n - kept)]
    whole = int(mass + 1e-9)
    part = mass - whole if mass - whole > 1e-9 else 0.0
    total = worst[:, kept - whole :].sum(axis=1)
    if part > 0.0:
        total = total + part * worst[:, kept - whole - 1]
    return low + fraction * (high - low), total / (whole + part)


METHODS: dict[str, Callable[[Rolling, Filtered | None], Forecasts]] = {
    "historical": historical,
    "parametric": parametric,
    "parametric-t": parametric_t,
    "ewma": ewma,
    "filtered": filtered_historical,
    "filtered-evt": filtered_extreme,
    "monte-carlo": monte_carlo,
}
