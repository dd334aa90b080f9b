"""Kendall's tau of all pairs of series in O(n log n) each, compiled; one pair is an independent unit."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, error_model="numpy")
def _discordant(values: Integers, rows: Integers, scratch: Integers, counts: Integers) -> int:
    """Sorts `values` and with them `rows` by merging; returns the exchanges a bubble sort would make; Knight (1966).

    `counts[row]` grows by the exchanges that the element of that row takes part in. `scratch` (2, n).
    """
    n = len(values)
    exchanges = 0
    width = 1
    while width < n:
        for left in range(0, n, 2 * width):
            middle, right = min(left + width, n), min(left + 2 * width, n)
            i, j = left, middle
            for k in range(left, right):
                if j >= right or (i < middle and values[i] <= values[j]):
                    counts[rows[i]] += j - middle
                    scratch[0, k], scratch[1, k] = values[i], rows[i]
                    i += 1
                else:
                    counts[rows[j]] += middle - i
                    exchanges += middle - i
                    scratch[0, k], scratch[1, k] = values[j], rows[j]
                    j += 1
        values[:] = scratch[0]
        rows[:] = scratch[1]
        width *= 2
    return exchanges


@njit(cache=True, error_model="numpy")
def _tied(values: Integers) -> int:
    """Pairs of equal elements of a sorted array."""
    pairs, run = 0, 1
    for t in range(1, len(values)):
        if values[t] == values[t - 1]:
            run += 1
        else:
            pairs += run * (run - 1) // 2
            run = 1
    return pairs + run * (run - 1) // 2


@njit(cache=True, error_model="numpy")
def kendall_taus(ranks: Integers, taus: Floats, errors: Floats) -> None:
    """tau-b of every pair of series into `taus`, its standard error into `errors`, both (series, series).

    `ranks` (series, n): dense ranks from 0, equal values have equal ranks; Kendall (1945), Knight (1966). The error is
    2 sd(h) / sqrt(n) with h_t the balance of concordance of row t with all others: the projection of the U-statistic,
    Hoeffding (1948); tied pairs count there as concordant.
    """
    series, n = ranks.shape
    pairs = n * (n - 1) // 2
    keys, rows, counts = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    scratch, first = np.empty((2, n), np.int64), np.empty(n, np.int64)
    order = np.empty(n, np.int64)
    for i in range(series):
        taus[i, i], errors[i, i] = 1.0, 0.0
        untied_first = True
        for t in range(n):
            keys[t], order[t] = ranks[i, t], t
        _discordant(keys, order, scratch, counts)
        for t in range(1, n):
            untied_first = untied_first and keys[t] != keys[t - 1]
        for j in range(i):
            for t in range(n):
                rows[t] = order[t]
                keys[t] = ranks[i, order[t]] * n + ranks[j, order[t]]
            if not untied_first:
                _discordant(keys, rows, scratch, counts)
            tied_both = _tied(keys)
            for t in range(n):
                first[t] = keys[t] // n
                keys[t] -= first[t] * n
            counts[:] = 0
            discordant = _discordant(keys, rows, scratch, counts)
            tied_first, tied_second = _tied(first), _tied(keys)
            untied = math.sqrt(float(pairs - tied_first)) * math.sqrt(float(pairs - tied_second))
            taus[i, j] = (pairs - tied_first - tied_second + tied_both - 2 * discordant) / untied
            taus[j, i] = taus[i, j]
            mean = 2.0 * discordant / n
            spread = 0.0
            for t in range(n):
                spread += (counts[t] - mean) ** 2
            errors[i, j] = 2.0 * math.sqrt(spread / n) * 2.0 / (n - 1) / math.sqrt(float(n))
            errors[j, i] = errors[i, j]
