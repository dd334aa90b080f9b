"""Sums over long arrays in a fixed order, and first-order linear recursions, laid out for the compiler to vectorise.

A sum is folded: eight stretches of the array are added element by element into `fold`, which is then added up;
everywhere `fold` is (n,) or longer and is overwritten. No order is left to the compiler.
"""

import math

import numpy as np
from numba import njit

from kernels.volatility.types import Vector

MANTISSA = (1 << 52) - 1
ONE = 1023 << 52  # the exponent bits of 1.0
LOG_TWO = math.log(2.0)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def folded(fold: Vector, m: int) -> float:
    """Sum of the first m values, eight partial sums."""
    whole = m - m % 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for i in range(0, whole, 8):
        s0 += fold[i]
        s1 += fold[i + 1]
        s2 += fold[i + 2]
        s3 += fold[i + 3]
        s4 += fold[i + 4]
        s5 += fold[i + 5]
        s6 += fold[i + 6]
        s7 += fold[i + 7]
    for i in range(whole, m):
        s0 += fold[i]
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def total(x: Vector, fold: Vector) -> float:
    """Sum of x, shape (n,)."""
    n = x.shape[0]
    m = n // 8
    a, b, c, d = x[:m], x[m : 2 * m], x[2 * m : 3 * m], x[3 * m : 4 * m]
    e, f, g, h = x[4 * m : 5 * m], x[5 * m : 6 * m], x[6 * m : 7 * m], x[7 * m : 8 * m]
    for i in range(m):
        fold[i] = ((a[i] + b[i]) + (c[i] + d[i])) + ((e[i] + f[i]) + (g[i] + h[i]))
    found = folded(fold, m)
    for i in range(8 * m, n):
        found += x[i]
    return found


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def dot(x: Vector, y: Vector, fold: Vector) -> float:
    """Inner product of x and y, both (n,)."""
    n = x.shape[0]
    m = n // 2
    a, b, p, q = x[:m], x[m : 2 * m], y[:m], y[m : 2 * m]
    for i in range(m):
        fold[i] = a[i] * p[i] + b[i] * q[i]
    found = total(fold[:m], fold[m:])
    return found + x[n - 1] * y[n - 1] if n % 2 else found


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def total_log(x: Vector, fold: Vector) -> float:
    """Sum of log x, shape (n,), from the product of all: mantissas multiplied, exponents added, a few logarithms.

    Right while eight neighbours in the folding have a product between 1e-300 and 1e300: x within 1e-37 and 1e37.
    """
    n = x.shape[0]
    m = n // 8
    a, b, c, d = x[:m], x[m : 2 * m], x[2 * m : 3 * m], x[3 * m : 4 * m]
    e, f, g, h = x[4 * m : 5 * m], x[5 * m : 6 * m], x[6 * m : 7 * m], x[7 * m : 8 * m]
    for i in range(m):
        fold[i] = ((a[i] * b[i]) * (c[i] * d[i])) * ((e[i] * f[i]) * (g[i] * h[i]))
    bits = fold[:m].view(np.int64)
    exponents = 0
    for i in range(m):
        exponents += (bits[i] >> 52) - 1023
        bits[i] = (bits[i] & MANTISSA) | ONE
    found = 0.0
    for first in range(0, m, 512):  # 512 mantissas below 2: no overflow
        even = odd = 1.0
        last = min(first + 512, m)
        for i in range(first, last - 1, 2):
            even *= fold[i]
            odd *= fold[i + 1]
        if (last - first) % 2:
            even *= fold[last - 1]
        found += math.log(even) + math.log(odd)
    for i in range(8 * m, n):
        found += math.log(x[i])
    return found + exponents * LOG_TWO


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def linear_recursion(drive: Vector, beta: float, before: float, out: Vector) -> None:
    """out[t] = drive[t] + beta out[t-1], with `before` as out[-1]; shapes (n,).

    Eight at a time: only one product and one sum of each eight wait for the eight before. The first values are the same
    bits in a longer series.
    """
    n = drive.shape[0]
    beta2 = beta * beta
    beta3, beta4 = beta2 * beta, beta2 * beta2
    beta8 = beta4 * beta4
    last = before
    for t in range(0, n - n % 8, 8):
        c0 = drive[t]
        c1 = drive[t + 1] + beta * c0
        c2 = drive[t + 2] + beta * c1
        c3 = drive[t + 3] + beta * c2
        d0 = drive[t + 4]
        d1 = drive[t + 5] + beta * d0
        d2 = drive[t + 6] + beta * d1
        d3 = drive[t + 7] + beta * d2
        middle = c3 + beta4 * last
        out[t] = c0 + beta * last
        out[t + 1] = c1 + beta2 * last
        out[t + 2] = c2 + beta3 * last
        out[t + 3] = middle
        last = (d3 + beta4 * c3) + beta8 * last
        out[t + 4] = d0 + beta * middle
        out[t + 5] = d1 + beta2 * middle
        out[t + 6] = d2 + beta3 * middle
        out[t + 7] = last
    powers = (beta, beta2, beta3, beta4)
    partial = 0.0
    for t in range(n - n % 8, n):  # the same sums as above, so that values do not depend on how many follow
        partial = drive[t] if t % 4 == 0 else drive[t] + beta * partial
        out[t] = partial + powers[t % 4] * last
        if t % 4 == 3:
            last = out[t]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def linear_adjoint(drive: Vector, beta: float, after: float, out: Vector) -> None:
    """out[t] = drive[t] + beta out[t+1], with `after` as out[n]: `linear_recursion` run backwards."""
    n = drive.shape[0]
    beta2 = beta * beta
    beta3, beta4 = beta2 * beta, beta2 * beta2
    beta8 = beta4 * beta4
    last = after
    for t in range(n - 8, n % 8 - 1, -8):
        c0 = drive[t + 7]
        c1 = drive[t + 6] + beta * c0
        c2 = drive[t + 5] + beta * c1
        c3 = drive[t + 4] + beta * c2
        d0 = drive[t + 3]
        d1 = drive[t + 2] + beta * d0
        d2 = drive[t + 1] + beta * d1
        d3 = drive[t] + beta * d2
        middle = c3 + beta4 * last
        out[t + 7] = c0 + beta * last
        out[t + 6] = c1 + beta2 * last
        out[t + 5] = c2 + beta3 * last
        out[t + 4] = middle
        last = (d3 + beta4 * c3) + beta8 * last
        out[t + 3] = d0 + beta * middle
        out[t + 2] = d1 + beta2 * middle
        out[t + 1] = d2 + beta3 * middle
        out[t] = last
    for t in range(n % 8 - 1, -1, -1):
        last = drive[t] + beta * last
        out[t] = last
