"""Shocks of one bar in standard deviations, (n, S): the past under the correlation of now, or drawn.

Filtered historical simulation of several instruments (Barone-Adesi, Giannopoulos and Vosper 1999): each past bar's
standardised returns are whitened by the correlation believed then and coloured by that of now. Where the past has
fewer bars than scenarios, the rest is drawn from a Student-t(5) of that correlation.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEGREES = 5.0


class StudentShocks:
    """S draws of n instruments, unit variance, one common mixing variable, in pairs of opposite sign."""

    def __init__(self, instruments: int, scenarios: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        half = -(-scenarios // 2)
        scale = np.sqrt(DEGREES / random.chisquare(DEGREES, half)) * np.sqrt((DEGREES - 2.0) / DEGREES)
        shocks = scale * random.standard_normal((instruments, half))
        self._shocks = np.stack([shocks, -shocks], axis=2).reshape(instruments, -1)[:, :scenarios]

    def coloured(self, root: Array) -> Array:
        """Under the correlation of which `root` is the symmetric root, (n, S)."""
        shocks: Array = root @ self._shocks
        return shocks


def past_shocks(past: Array, drawn: Array) -> Array:
    """The newest of the past (m, n), brought to mean 0; the rest, where there are fewer than S, of drawn (n, S)."""
    wanted = drawn.shape[1]
    centred = past - past.mean(axis=0)
    if len(past) >= wanted:
        return np.ascontiguousarray(centred[-wanted:].T)
    return np.concatenate([centred.T, drawn[:, : wanted - len(past)]], axis=1)
