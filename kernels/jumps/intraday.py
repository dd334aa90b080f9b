"""Intraday jumps, compiled: robust factors of the time of day from past days only, and the Lee-Mykland statistic.

Days are rows, bins of the day columns; NaN where a bin has no return.
Sources: Boudt, Croux and Laurent (2011), J. Empirical Finance 18, section 2 (robust periodicity, weighted standard
deviation; the rough scale is the median of absolute values instead of the shortest half); Lee and Mykland (2008),
Review of Financial Studies 21(6), eq. 7-8, the bipower variance scaled by pi / 2.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
MEDIAN_TO_DEVIATION = 1.4826022185056018
OUTLIER = 6.635  # 99 % point of chi-squared, one degree of freedom
OUTLIER_CORRECTION = 1.081


@njit(cache=True, error_model="numpy")
def bipower_mean(returns: Array, start: int, end: int) -> tuple[float, int]:
    """(pi / 2 times the mean of |r_j r_{j-1}| over start < j < end, number of products); NaN pairs are passed over."""
    total, count = 0.0, 0
    for j in range(start + 1, end):
        product = abs(returns[j] * returns[j - 1])
        if not math.isnan(product):
            total += product
            count += 1
    return (0.5 * math.pi * total / count if total > 0.0 else np.nan), count


@njit(cache=True, error_model="numpy")
def weighted_scale(values: Array, count: int) -> float:
    """Weighted standard deviation about 0 of the first `count` values, which are overwritten; NaN if most are 0."""
    if count == 0:
        return np.nan
    for i in range(count):
        values[i] = abs(values[i])
    rough = MEDIAN_TO_DEVIATION * np.median(values[:count])
    if not rough > 0.0:
        return np.nan
    total, kept = 0.0, 0
    for i in range(count):
        if values[i] * values[i] <= OUTLIER * rough * rough:
            total += values[i] * values[i]
            kept += 1
    return math.sqrt(OUTLIER_CORRECTION * total / kept)


@njit(cache=True, error_model="numpy")
def intraday_factors(
    returns_db: Array, window_days: int, fewest_days: int, fewest_values: int, factors_db: Array
) -> None:
    """Fills factors_db (days, bins) from the `window_days` days before each: deviation of a bin against the day's.

    Each past day is first brought to its own bipower deviation. A bin with fewer than `fewest_values` past values takes
    in those of its neighbours, one more on each side until there are enough or the day ends. The squares of a day's
    factors have mean 1. A bin with values of fewer than `fewest_days` past days has NaN.
    """
    days, bins = returns_db.shape
    standardised_bd = np.empty((bins, days))
    past = np.empty(window_days * bins)
    for day in range(days):
        first = max(0, day - window_days)
        total, known = 0.0, 0
        for b in range(bins):
            count = gathered(standardised_bd, b, b + 1, first, day, past)
            enough = count >= fewest_days
            width = 0
            while enough and count < fewest_values and 2 * width + 1 < bins:
                width += 1
                count = gathered(standardised_bd, max(0, b - width), min(bins, b + width + 1), first, day, past)
            factors_db[day, b] = weighted_scale(past, count) if enough else np.nan
            if not math.isnan(factors_db[day, b]):
                total += factors_db[day, b] * factors_db[day, b]
                known += 1
        for b in range(bins):
            factors_db[day, b] /= math.sqrt(total / known) if known > 0 else np.nan
        variance, _ = bipower_mean(returns_db[day], 0, bins)
        for b in range(bins):
            standardised_bd[b, day] = returns_db[day, b] / math.sqrt(variance)


@njit(cache=True, error_model="numpy")
def gathered(values_bd: Array, first_bin: int, last_bin: int, first_day: int, last_day: int, found: Array) -> int:
    """Copies what is no NaN of bins and days (the last ones excluded) to `found`; returns how many there are."""
    count = 0
    for b in range(first_bin, last_bin):
        for d in range(first_day, last_day):
            if not math.isnan(values_bd[b, d]):
                found[count] = values_bd[b, d]
                count += 1
    return count


@njit(cache=True, error_model="numpy")
def lee_mykland(returns: Array, window: int, statistics_t: Array) -> None:
    """Fills statistics_t (n,): each return over its local deviation, from the window - 1 returns before it alone.

    NaN until there are `window` returns before, and where fewer than half of the window's products are known.
    """
    for i in range(returns.size):
        statistics_t[i] = np.nan
        if i >= window:
            variance, count = bipower_mean(returns, i - window + 1, i)
            if count >= (window - 2) // 2:
                statistics_t[i] = returns[i] / math.sqrt(variance)
