"""The variance of the next bar, of GARCH(1, 1) and EWMA alike: the GARCH of omega 0, alpha 1 - decay, beta decay."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLOOR = 1e-12  # variance of a bar: a price that stands still
SHOCK_LIMIT = 50.0  # standard deviations at which a standardised return is cut


def ewma_of(instruments: int, decay: float) -> Array:
    """EWMA as parameters of a GARCH: omega, alpha, beta, (3, n)."""
    return np.repeat([[0.0], [1.0 - decay], [decay]], instruments, axis=1)


def standardise(returns: Array, variance: Array) -> Array:
    """Returns (n,) in standard deviations."""
    shocks: Array = np.clip(returns / np.sqrt(np.maximum(variance, FLOOR)), -SHOCK_LIMIT, SHOCK_LIMIT)
    return shocks


def next_variance(garch: Array, variance: Array, returns: Array) -> Array:
    """Of the bar after this one, (n,)."""
    following: Array = garch[0] + garch[1] * returns**2 + garch[2] * variance
    return following
