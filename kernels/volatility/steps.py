"""One bar online: the variance of the next return from the last one, O(1), to be called from Python or other njit code.

Each step takes the residual (return minus mean) of the bar that just closed and the variance it was drawn with, in the
units of the data (a variance is in squared returns), and gives the variance of the next bar.
"""

import math

from numba import njit

ABSOLUTE_NORMAL = math.sqrt(2.0 / math.pi)  # E|z| of a standard normal
LOG_VARIANCE_MAX = 700.0  # exp beyond overflows


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def ewma_step(residual: float, variance: float, decay: float) -> float:
    """RiskMetrics (1996): decay h + (1 - decay) e^2."""
    return decay * variance + (1.0 - decay) * residual * residual


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def garch_step(residual: float, variance: float, omega: float, alpha: float, beta: float) -> float:
    """Bollerslev (1986): omega + alpha e^2 + beta h."""
    return omega + alpha * residual * residual + beta * variance


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gjr_step(residual: float, variance: float, omega: float, alpha: float, gamma: float, beta: float) -> float:
    """Glosten, Jagannathan and Runkle (1993): omega + (alpha + gamma [e < 0]) e^2 + beta h."""
    weight = alpha + gamma if residual < 0.0 else alpha
    return omega + weight * residual * residual + beta * variance


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def egarch_step(residual: float, variance: float, omega: float, alpha: float, gamma: float, beta: float) -> float:
    """Nelson (1991): log h' = omega + alpha (|z| - sqrt(2 / pi)) + gamma z + beta log h, with z = e / sqrt h."""
    z = residual / math.sqrt(variance)
    log_variance = omega + alpha * (abs(z) - ABSOLUTE_NORMAL) + gamma * z + beta * math.log(variance)
    return math.exp(min(log_variance, LOG_VARIANCE_MAX))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def aparch_step(
    residual: float, variance: float, omega: float, alpha: float, gamma: float, beta: float, delta: float
) -> float:
    """Ding, Granger and Engle (1993): s'^delta = omega + alpha (|e| - gamma e)^delta + beta s^delta, h = s^2."""
    shock = (abs(residual) - gamma * residual) ** delta
    return float((omega + alpha * shock + beta * variance ** (0.5 * delta)) ** (2.0 / delta))
