"""Realised measures of a day from its intraday returns, and the Lee-Mykland test for jumps within it.

Days are rows, bins of the day columns: log returns, NaN where there is none. The test is made causal: the pattern of
volatility over the day is removed by factors estimated on the days before alone, and the local variance comes from the
returns before. Without that removal the test calls the opening of an ordinary day a jump.
Sources: Barndorff-Nielsen and Shephard (2004, 2006), J. Financial Econometrics 2 and 4; Huang and Tauchen (2005),
J. Financial Econometrics 3, eq. 12; Lee and Mykland (2008), Review of Financial Studies 21(6).
"""

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma, ndtr

from kernels.jumps import intraday
from models.faults import DataFault, Fault

Array = NDArray[np.float64]
TRIPOWER = (2.0 ** (2.0 / 3.0) * gamma(7.0 / 6.0) / gamma(0.5)) ** -3  # of the mean of |z|^(4/3), to the -3
RATIO_VARIANCE = (0.5 * math.pi) ** 2 + math.pi - 5.0
DAY_NS = 86_400_000_000_000


class JumpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of the Lee-Mykland test."""

    level: float = 0.01  # chance that a day without a jump is said to have one
    window: int = 0  # returns of the local variance; 0: root of 252 times the bins of a day (their section 1.3)
    pattern_days: int = 250  # days before that the pattern of the day is taken from, at most
    fewest_days: int = 20  # days before without which nothing is tested
    fewest_values: int = 100  # a bin with fewer past values takes in those of its neighbours
    remove_pattern: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.level <= 0.2:
            raise ValueError(f"level is {self.level}: above 0 to 0.2")
        if self.window != 0 and self.window < 10:
            raise ValueError(f"window is {self.window}: at least 10 returns, or 0 for the default")
        if not 5 <= self.fewest_days <= self.pattern_days:
            raise ValueError(f"fewest_days is {self.fewest_days}: 5 to pattern_days ({self.pattern_days})")


@dataclass(frozen=True)
class JumpTest:
    """statistics (days, bins): standard normal without jumps, NaN where nothing was tested; jumps (days, bins) bool.

    factors (days, bins): the pattern that was divided out (ones if it was not). critical: the size of a statistic that
    is called a jump. tested (days,): the day had a statistic. notes: coded lines.
    """

    statistics: Array
    jumps: NDArray[np.bool_]
    factors: Array
    critical: float
    tested: NDArray[np.bool_]
    notes: tuple[str, ...]

    @property
    def days_with_jumps(self) -> NDArray[np.bool_]:
        """(days,) bool."""
        return np.asarray(self.jumps.any(axis=1), dtype=np.bool_)


def realised_variance(returns_db: ArrayLike) -> Array:
    """Sum of squared returns of each day (days,)."""
    values = days_of(returns_db)
    return np.asarray(np.nansum(values * values, axis=1), dtype=np.float64)


def bipower_variation(returns_db: ArrayLike) -> Array:
    """Variance of each day (days,) without its jumps: pi / 2 times the products of neighbours, brought to all bins."""
    values = days_of(returns_db)
    products = np.abs(values[:, 1:] * values[:, :-1])
    return np.asarray(0.5 * math.pi * mean_of(products) * present(values), dtype=np.float64)


def tripower_quarticity(returns_db: ArrayLike) -> Array:
    """Integrated quarticity of each day (days,), robust to jumps. Barndorff-Nielsen and Shephard (2006)."""
    values = np.abs(days_of(returns_db)) ** (4.0 / 3.0)
    products = values[:, 2:] * values[:, 1:-1] * values[:, :-2]
    return np.asarray(TRIPOWER * mean_of(products) * present(values) ** 2, dtype=np.float64)


def jump_variation(returns_db: ArrayLike) -> Array:
    """What jumps added to the variance of each day (days,): realised less bipower, not below 0."""
    return np.maximum(realised_variance(returns_db) - bipower_variation(returns_db), 0.0)


def ratio_test(returns_db: ArrayLike) -> tuple[Array, Array]:
    """(statistics, p-values) (days,) of "no jump that day": the ratio test of Huang and Tauchen (2005), eq. 12."""
    realised, bipower = realised_variance(returns_db), bipower_variation(returns_db)
    count = present(days_of(returns_db))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = RATIO_VARIANCE / count * np.maximum(1.0, tripower_quarticity(returns_db) / bipower**2)
        statistics = (realised - bipower) / realised / np.sqrt(spread)
    return statistics, np.asarray(ndtr(-statistics), dtype=np.float64)


def critical_value(level: float, count: int) -> float:
    """Size that the largest of `count` standard normals exceeds with probability `level`, asymptotically.

    Lee and Mykland (2008), lemma 1: Gumbel for the largest absolute value; c is 1, the statistics have unit variance.
    """
    root = math.sqrt(2.0 * math.log(count))
    centre = root - (math.log(math.pi) + math.log(math.log(count))) / (2.0 * root)
    return centre - math.log(-math.log(1.0 - level)) / root


def lee_mykland(returns_db: ArrayLike, settings: JumpSettings | None = None) -> JumpTest:
    """Tests each intraday return for a jump; the value of a bin uses nothing after it.

    returns_db: (days, bins), days in order, at least 3 bins. Raises Fault for another shape, DataFault for an infinite
    return. Days without enough past are not tested, which `tested` and the notes say.
    """
    settings = settings or JumpSettings()
    values = days_of(returns_db)
    days, bins = values.shape
    window = settings.window or math.ceil(math.sqrt(252.0 * bins))
    factors = np.ones_like(values)
    if settings.remove_pattern:
        intraday.intraday_factors(values, settings.pattern_days, settings.fewest_days, settings.fewest_values, factors)
    flat = np.ascontiguousarray((values / factors).ravel())
    statistics = np.empty((days, bins))
    intraday.lee_mykland(flat, window, statistics.reshape(-1))
    critical = critical_value(settings.level, bins)
    with np.errstate(invalid="ignore"):
        jumps = np.abs(statistics) > critical
    tested = np.asarray(np.isfinite(statistics).any(axis=1), dtype=np.bool_)
    notes = []
    if not tested.all():
        notes.append(f"DAYS_UNTESTED: {int((~tested).sum())} of {days} days had too little before them")
    return JumpTest(statistics, jumps, factors, critical, tested, tuple(notes))


def daily_returns(
    times_ns: ArrayLike, prices: ArrayLike, *, bar_ns: int, open_ns: int = 0, close_ns: int = DAY_NS
) -> tuple[NDArray[np.int64], Array]:
    """(days since 1970 (days,), log returns (days, bins)) by the last price of each bar of a session.

    times_ns (n,) ascending, prices (n,) above 0; the session lies open_ns to close_ns after midnight of the times. The
    first bar of a day begins at the day's first price: what happened overnight is left out. A bar without a price has
    NaN, and the next one reaches from the last price before.
    """
    times = np.asarray(times_ns, dtype=np.int64)
    values = np.asarray(prices, dtype=np.float64)
    bins = (close_ns - open_ns) // bar_ns
    if bins < 3 or (close_ns - open_ns) % bar_ns:
        raise Fault(f"bar_ns is {bar_ns}: the session must be 3 bars or more, whole ones")
    wrong = np.flatnonzero(~(values > 0.0) | ~np.isfinite(values))
    if wrong.size:
        raise DataFault(f"price {wrong[0]} is {values[wrong[0]]:g}: a price is above 0")
    if np.any(np.diff(times) < 0):
        raise DataFault(f"time {int(np.argmax(np.diff(times) < 0)) + 1} lies before the one before it: sort the data")
    day, within = np.divmod(times, DAY_NS)
    inside = (within >= open_ns) & (within < close_ns)
    day, bar, log_price = day[inside], (within[inside] - open_ns) // bar_ns, np.log(values[inside])
    names, row = np.unique(day, return_inverse=True)
    last_db = np.full((names.size, bins), np.nan)
    last_db[row, bar] = log_price  # the last price of a bar is written last
    first_d = log_price[np.searchsorted(row, np.arange(names.size))]
    returns = np.full_like(last_db, np.nan)
    for d in range(names.size):
        known = np.flatnonzero(~np.isnan(last_db[d]))
        returns[d, known] = np.diff(last_db[d, known], prepend=first_d[d])
    return names, returns


# -- parts -----------------------------------------------------------------------------------------------------------


def days_of(returns_db: ArrayLike) -> Array:
    values = np.ascontiguousarray(returns_db, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 3:
        raise Fault(f"intraday returns have the shape {values.shape}: days by bins, 3 bins or more")
    if np.isinf(values).any():
        day, place = np.argwhere(np.isinf(values))[0]
        raise DataFault(f"the return of day {day}, bin {place} is infinite: a price of 0; leave it out")
    return values


def present(values: Array) -> Array:
    """Bins of each day that have a return (days,)."""
    return np.asarray((~np.isnan(values)).sum(axis=1), dtype=np.float64)


def mean_of(products: Array) -> Array:
    """Mean of each row without NaN (days,); NaN for a row that has nothing."""
    count = (~np.isnan(products)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(products, axis=1) / count, dtype=np.float64)
