"""Variance recursions over a whole series, forwards, and backwards for the gradient (adjoint, reverse mode).

With lam_t = d loglik / d h_t through everything after t, one backward pass gives the derivatives by all parameters:
lam_t = d l_t / d h_t + (d h_{t+1} / d h_t) lam_{t+1}, and the gradient is a handful of inner products with lam.
Start values: `presample` is the variance before the first return, which also stands for its squared residual; half of
it counts as negative. All arrays (n,), in the caller's units; `gradient` is in the order of the parameters.
"""

import math

from numba import njit

from kernels.volatility.steps import ABSOLUTE_NORMAL
from kernels.volatility.sums import dot, linear_adjoint, linear_recursion, total
from kernels.volatility.types import Vector

LOG_VARIANCE_LIMIT = 80.0  # of EGARCH in scaled units: held there, so that a wild trial step stays finite


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gjr_first(omega: float, alpha: float, gamma: float, beta: float, presample: float) -> float:
    """h_0 from the variance before it."""
    return omega + (alpha + 0.5 * gamma + beta) * presample


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gjr_forward(
    e: Vector, omega: float, alpha: float, gamma: float, beta: float, first: float, drive: Vector, h: Vector
) -> float:
    """h_t = omega + (alpha + gamma [e_{t-1} < 0]) e_{t-1}^2 + beta h_{t-1} from h_0 = first; GARCH(1,1) with gamma = 0.

    Gives the variance after the last residual, so that a series can be filtered stretch by stretch.
    """
    n = e.shape[0]
    negative = alpha + gamma
    for t in range(n):
        weight = negative if e[t] < 0.0 else alpha
        drive[t] = omega + weight * e[t] * e[t]
    h[0] = first
    linear_recursion(drive[: n - 1], beta, first, h[1:])
    return float(drive[n - 1] + beta * h[n - 1])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gjr_backward(
    e: Vector,
    h: Vector,
    lh: Vector,
    le: Vector,
    parameters: Vector,
    after: float,
    tilted: bool,
    lam: Vector,
    product: Vector,
    fold: Vector,
    gradient: Vector,
) -> float:
    """One stretch backwards: `after` is lam of the bar after its last, the result lam of its first.

    Adds to gradient (omega, alpha, gamma if `tilted`, beta) and to le; lam is (n + 1,), product and fold (n,).
    """
    n = e.shape[0]
    alpha, gamma, beta = parameters[1], parameters[2], parameters[3]
    negative = alpha + gamma
    linear_adjoint(lh, beta, after, lam[:n])
    lam[n] = after
    later = lam[1 : n + 1]
    for t in range(n):
        weight = negative if e[t] < 0.0 else alpha
        through = e[t] * later[t]
        le[t] += 2.0 * weight * through
        product[t] = e[t] * through
    gradient[0] += total(later, fold)
    gradient[1] += total(product[:n], fold)
    gradient[3] += dot(h, later, fold)
    if tilted:
        for t in range(n):
            product[t] = product[t] if e[t] < 0.0 else 0.0
        gradient[2] += total(product[:n], fold)
    return float(lam[0])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gjr_backward_first(parameters: Vector, presample: float, lam: float, gradient: Vector) -> float:
    """What h_0 = omega + (alpha + gamma / 2 + beta) presample adds, lam = d loglik / d h_0; d loglik / d presample."""
    gradient[0] += lam
    gradient[1] += lam * presample
    gradient[2] += 0.5 * lam * presample
    gradient[3] += lam * presample
    return float(lam * (parameters[1] + 0.5 * parameters[2] + parameters[3]))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def egarch_first(
    omega: float, alpha: float, gamma: float, beta: float, log_presample: float, z_presample: float
) -> float:
    """log h_0 from the log variance before it. `z_presample` NaN: the expected shock, zero, before the first return."""
    first = omega + beta * log_presample
    if math.isnan(z_presample):
        return first
    return first + (alpha * (abs(z_presample) - ABSOLUTE_NORMAL) + gamma * z_presample)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def egarch_forward(
    e: Vector, omega: float, alpha: float, gamma: float, beta: float, first: float, log_h: Vector, h: Vector
) -> None:
    """log h_t = omega + alpha (|z_{t-1}| - sqrt(2/pi)) + gamma z_{t-1} + beta log h_{t-1} from log h_0 = first."""
    x = first
    for t in range(e.shape[0]):
        x = min(max(x, -LOG_VARIANCE_LIMIT), LOG_VARIANCE_LIMIT)
        log_h[t] = x
        half = math.exp(-0.5 * x)
        h[t] = 1.0 / (half * half)
        z = e[t] * half
        x = omega + alpha * (abs(z) - ABSOLUTE_NORMAL) + gamma * z + beta * x


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def egarch_backward(
    e: Vector,
    h: Vector,
    log_h: Vector,
    lh: Vector,
    le: Vector,
    parameters: Vector,
    log_presample: float,
    z_presample: float,
    gradient: Vector,
) -> tuple[float, float]:
    """Fills gradient (omega, alpha, gamma, beta), adds to le; d loglik / d (log presample, z presample)."""
    alpha, gamma, beta = parameters[1], parameters[2], parameters[3]
    g_omega = g_alpha = g_gamma = g_beta = 0.0
    after = 0.0  # lam_{t+1}, with respect to log h
    for t in range(e.shape[0] - 1, -1, -1):
        deviation = math.sqrt(h[t])
        z = e[t] / deviation
        size = abs(z)
        slope = alpha if z > 0.0 else -alpha
        g_omega += after
        g_alpha += after * (size - ABSOLUTE_NORMAL)
        g_gamma += after * z
        g_beta += after * log_h[t]
        le[t] += after * (slope + gamma) / deviation
        lam = lh[t] * h[t] + after * (beta - 0.5 * (alpha * size + gamma * z))
        after = lam if abs(log_h[t]) < LOG_VARIANCE_LIMIT else 0.0
    gradient[0] = g_omega + after
    gradient[3] = g_beta + after * log_presample
    by_shock = 0.0
    if not math.isnan(z_presample):
        g_alpha += after * (abs(z_presample) - ABSOLUTE_NORMAL)
        g_gamma += after * z_presample
        by_shock = after * ((alpha if z_presample > 0.0 else -alpha) + gamma)
    gradient[1] = g_alpha
    gradient[2] = g_gamma
    return after * beta, by_shock


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def aparch_first(omega: float, alpha: float, beta: float, power_presample: float) -> float:
    """s_0^delta from the shock and s^delta before it, both `power_presample`."""
    return omega + (alpha + beta) * power_presample


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def aparch_forward(e: Vector, parameters: Vector, first: float, shock: Vector, power: Vector, h: Vector) -> None:
    """s_t^delta = omega + alpha (|e_{t-1}| - gamma e_{t-1})^delta + beta s_{t-1}^delta from s_0^delta = first.

    `power` is s^delta, h = s^2; `shock` gets (|e| - gamma e)^delta.
    """
    omega, alpha, gamma, beta, delta = parameters[0], parameters[1], parameters[2], parameters[3], parameters[4]
    n = e.shape[0]
    for t in range(n):
        size = abs(e[t]) - gamma * e[t]
        shock[t] = math.exp(delta * math.log(size)) if size > 0.0 else 0.0
    state = first
    exponent = 2.0 / delta
    for t in range(n):
        power[t] = state
        h[t] = math.exp(exponent * math.log(state))
        state = omega + alpha * shock[t] + beta * state


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def aparch_backward(
    e: Vector,
    h: Vector,
    power: Vector,
    shock: Vector,
    lh: Vector,
    le: Vector,
    parameters: Vector,
    power_presample: float,
    gradient: Vector,
) -> float:
    """Fills gradient (omega, alpha, gamma, beta, delta), adds to le; d loglik / d power_presample."""
    alpha, gamma, beta, delta = parameters[1], parameters[2], parameters[3], parameters[4]
    g_omega = g_alpha = g_gamma = g_beta = g_delta = 0.0
    after = 0.0  # lam_{t+1}, with respect to s^delta
    for t in range(e.shape[0] - 1, -1, -1):
        size = abs(e[t]) - gamma * e[t]
        g_omega += after
        g_alpha += after * shock[t]
        g_beta += after * power[t]
        if size > 0.0:
            by_size = alpha * delta * shock[t] / size
            g_gamma -= after * by_size * e[t]
            g_delta += after * alpha * shock[t] * math.log(size)
            le[t] += after * by_size * ((1.0 if e[t] > 0.0 else -1.0) - gamma)
        by_log_h = lh[t] * h[t]
        g_delta -= by_log_h * math.log(h[t]) / delta
        after = by_log_h * 2.0 / (delta * power[t]) + after * beta
    gradient[0] = g_omega + after
    gradient[1] = g_alpha + after * power_presample
    gradient[2] = g_gamma
    gradient[3] = g_beta + after * power_presample
    gradient[4] = g_delta
    return float(after * (alpha + beta))
