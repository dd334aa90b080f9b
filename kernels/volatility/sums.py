"""Sums over long arrays in a fixed order that the compiler can vectorise: eight partial sums, folded at the end."""

import math

from numba import njit

from kernels.volatility.types import Vector


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def total(x: Vector) -> float:
    """Sum of x, shape (n,)."""
    n = x.shape[0]
    whole = n - n % 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for i in range(0, whole, 8):
        s0 += x[i]
        s1 += x[i + 1]
        s2 += x[i + 2]
        s3 += x[i + 3]
        s4 += x[i + 4]
        s5 += x[i + 5]
        s6 += x[i + 6]
        s7 += x[i + 7]
    for i in range(whole, n):
        s0 += x[i]
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def dot(x: Vector, y: Vector) -> float:
    """Inner product of x and y, both (n,)."""
    n = x.shape[0]
    whole = n - n % 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for i in range(0, whole, 8):
        s0 += x[i] * y[i]
        s1 += x[i + 1] * y[i + 1]
        s2 += x[i + 2] * y[i + 2]
        s3 += x[i + 3] * y[i + 3]
        s4 += x[i + 4] * y[i + 4]
        s5 += x[i + 5] * y[i + 5]
        s6 += x[i + 6] * y[i + 6]
        s7 += x[i + 7] * y[i + 7]
    for i in range(whole, n):
        s0 += x[i] * y[i]
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def total_log(x: Vector) -> float:
    """Sum of log x, shape (n,), one logarithm for eight factors: right while all lie between 1e-38 and 1e38."""
    n = x.shape[0]
    whole = n - n % 8
    found = 0.0
    for i in range(0, whole, 8):
        low = (x[i] * x[i + 1]) * (x[i + 2] * x[i + 3])
        high = (x[i + 4] * x[i + 5]) * (x[i + 6] * x[i + 7])
        found += math.log(low * high)
    for i in range(whole, n):
        found += math.log(x[i])
    return found


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def linear_recursion(drive: Vector, beta: float, before: float, out: Vector) -> None:
    """out[t] = drive[t] + beta out[t-1], with `before` as out[-1]; shapes (n,).

    Four at a time: only one product and one sum of each four wait for the four before.
    """
    n = drive.shape[0]
    whole = n - n % 4
    beta2 = beta * beta
    beta3 = beta2 * beta
    beta4 = beta2 * beta2
    last = before
    for t in range(0, whole, 4):
        c0 = drive[t]
        c1 = drive[t + 1] + beta * c0
        c2 = drive[t + 2] + beta * c1
        c3 = drive[t + 3] + beta * c2
        out[t] = c0 + beta * last
        out[t + 1] = c1 + beta2 * last
        out[t + 2] = c2 + beta3 * last
        last = c3 + beta4 * last
        out[t + 3] = last
    for t in range(whole, n):
        last = drive[t] + beta * last
        out[t] = last


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def linear_adjoint(drive: Vector, beta: float, out: Vector) -> None:
    """out[t] = drive[t] + beta out[t+1], nothing after the last: `linear_recursion` run backwards."""
    n = drive.shape[0]
    rest = n % 4
    beta2 = beta * beta
    beta3 = beta2 * beta
    beta4 = beta2 * beta2
    last = 0.0
    for t in range(n - 4, rest - 1, -4):
        c3 = drive[t + 3]
        c2 = drive[t + 2] + beta * c3
        c1 = drive[t + 1] + beta * c2
        c0 = drive[t] + beta * c1
        out[t + 3] = c3 + beta * last
        out[t + 2] = c2 + beta2 * last
        out[t + 1] = c1 + beta3 * last
        last = c0 + beta4 * last
        out[t] = last
    for t in range(rest - 1, -1, -1):
        last = drive[t] + beta * last
        out[t] = last
