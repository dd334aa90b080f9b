"""Log-likelihood of residuals given their variances, unit-variance densities, with the derivatives the recursions need.

Each takes residuals e and variances h, (n,), fills lh = d l_t / d h_t and le = d l_t / d e_t, and returns the sum of
l_t; the derivatives by the shape parameters are added to `by_shape`. `tail` and `fold` (n,) are
overwritten.
Student t scaled to unit variance as in Bollerslev (1987); skewed t of Hansen (1994), with eta called nu.
"""

import math

from numba import njit

from kernels.volatility.sums import dot, total_log
from kernels.volatility.types import Vector

LOG_TWO_PI = math.log(2.0 * math.pi)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def digamma(x: float) -> float:
    """d log Gamma / dx for x > 0: recurrence up to 8, then the asymptotic series (Abramowitz and Stegun 6.3.18)."""
    found = 0.0
    while x < 8.0:
        found -= 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    series = inverse * (
        1.0 / 12 - inverse * (1.0 / 120 - inverse * (1.0 / 252 - inverse * (1.0 / 240 - inverse * (1.0 / 132))))
    )
    series -= inverse**6 * (691.0 / 32760 - inverse / 12.0)
    return found + math.log(x) - 0.5 / x - series


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def student_constant(nu: float) -> tuple[float, float]:
    """log of the t density's constant at unit variance, and its derivative by nu."""
    value = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(math.pi * (nu - 2.0))
    slope = 0.5 * digamma(0.5 * (nu + 1.0)) - 0.5 * digamma(0.5 * nu) - 0.5 / (nu - 2.0)
    return value, slope


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def normal_sum(e: Vector, h: Vector, lh: Vector, le: Vector, fold: Vector) -> float:
    """-(log 2 pi + log h + e^2 / h) / 2."""
    for t in range(e.shape[0]):
        inverse = 1.0 / h[t]
        ratio = e[t] * inverse
        lh[t] = 0.5 * (e[t] * ratio - 1.0) * inverse
        le[t] = -ratio
    return float(0.5 * (dot(e, le, fold) - total_log(h, fold) - e.shape[0] * LOG_TWO_PI))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def student_sum(
    e: Vector, h: Vector, nu: float, lh: Vector, le: Vector, tail: Vector, fold: Vector, by_shape: Vector
) -> float:
    """C(nu) - log(h) / 2 - (nu + 1) / 2 log(1 + q), q = e^2 / (h (nu - 2)); `tail` is overwritten."""
    n = e.shape[0]
    inverse_scale = 1.0 / (nu - 2.0)
    for t in range(n):
        inverse = 1.0 / h[t]
        q = e[t] * e[t] * inverse * inverse_scale
        tail[t] = 1.0 + q
        share = q / tail[t]
        lh[t] = 0.5 * ((nu + 1.0) * share - 1.0) * inverse
        le[t] = -(nu + 1.0) * e[t] * inverse * inverse_scale / tail[t]
    logs = total_log(tail, fold)
    constant, slope = student_constant(nu)
    shares = -dot(e, le, fold) / (nu + 1.0)  # sum of q / (1 + q)
    by_shape[0] += n * slope - 0.5 * logs + 0.5 * (nu + 1.0) * shares * inverse_scale
    return float(n * constant - 0.5 * total_log(h, fold) - 0.5 * (nu + 1.0) * logs)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def skewed_constants(nu: float, skew: float) -> tuple[float, float, float, float, float, float]:
    """a, b of Hansen (1994) eq. 10 and their derivatives by nu and by lambda."""
    constant, slope = student_constant(nu)
    by_skew_a = 4.0 * math.exp(constant) * (nu - 2.0) / (nu - 1.0)
    a = skew * by_skew_a
    b = math.sqrt(1.0 + 3.0 * skew * skew - a * a)
    by_nu_a = a * (slope + 1.0 / (nu - 2.0) - 1.0 / (nu - 1.0))
    return a, b, by_nu_a, -a * by_nu_a / b, by_skew_a, (3.0 * skew - a * by_skew_a) / b


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def skewed_sum(
    e: Vector, h: Vector, nu: float, skew: float, lh: Vector, le: Vector, tail: Vector, fold: Vector, by_shape: Vector
) -> float:
    """log b + C(nu) - log(h) / 2 - (nu + 1) / 2 log(1 + y^2 / (nu - 2)), y = (b z + a) / (1 + lambda sign(b z + a))."""
    n = e.shape[0]
    a, b, by_nu_a, by_nu_b, by_skew_a, by_skew_b = skewed_constants(nu, skew)
    inverse_scale = 1.0 / (nu - 2.0)
    right, left = 1.0 / (1.0 + skew), 1.0 / (1.0 - skew)
    by_a = by_b = by_skew = shares = 0.0
    for t in range(n):
        inverse_deviation = 1.0 / math.sqrt(h[t])
        z = e[t] * inverse_deviation
        inner = b * z + a
        side = right if inner >= 0.0 else left
        y = inner * side
        q = y * y * inverse_scale
        tail[t] = 1.0 + q
        slope = -(nu + 1.0) * y * inverse_scale / tail[t]  # d l / d y
        by_z = slope * side
        by_a += by_z
        by_b += by_z * z
        by_skew -= slope * y * side if inner >= 0.0 else -slope * y * side
        shares += q / tail[t]
        le[t] = by_z * b * inverse_deviation
        lh[t] = -0.5 * (1.0 + by_z * b * z) * inverse_deviation * inverse_deviation
    logs = total_log(tail, fold)
    constant, by_nu_constant = student_constant(nu)
    by_b += n / b
    by_shape[0] += n * by_nu_constant - 0.5 * logs + 0.5 * (nu + 1.0) * shares * inverse_scale
    by_shape[0] += by_a * by_nu_a + by_b * by_nu_b
    by_shape[1] += by_skew + by_a * by_skew_a + by_b * by_skew_b
    return float(n * (constant + math.log(b)) - 0.5 * total_log(h, fold) - 0.5 * (nu + 1.0) * logs)
