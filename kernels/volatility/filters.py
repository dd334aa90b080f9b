"""Variances of a whole series under given parameters, without fitting."""

from numba import njit

from kernels.volatility.starts import backcast
from kernels.volatility.steps import ewma_step
from kernels.volatility.types import Vector


@njit(cache=True, error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def ewma_filter(residuals: Vector, decay: float, variances: Vector) -> float:
    """Fills variances (n,), the first from the weighted mean of the first squares; gives the one after the last."""
    variance = backcast(residuals)
    for t in range(residuals.shape[0]):
        variances[t] = variance
        variance = ewma_step(residuals[t], variance, decay)
    return variance
