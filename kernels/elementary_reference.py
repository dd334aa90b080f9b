"""exp and log from + - * / and the scaling by powers of two, in plain Python floats: the truth for `elementary.pxd`.

libm differs between hosts and versions, so nothing that must be equal bit for bit may call it; frexp and ldexp are
exact by definition, so they are not part of that. The order of operations here is the definition: the Cython twin, and
these functions as numba compiles them (`numba.njit(exp)`), give the same bits (tests/kernels/test_elementary.py).

Methods: exp by the reduction x = k ln2 + r, |r| <= ln2 / 2 (Cody and Waite 1980); log by x = 2^k m, f = m - 1,
s = f / (2 + f); the approximations between are those of FreeBSD's msun (Sun Microsystems 1993, e_exp.c and e_log.c),
each below 2^-58 before rounding.
"""

import math

INFINITY = float("inf")
NAN = float("nan")
EXP_OVERFLOW = 709.782712893383973096  # exp is infinite above
EXP_UNDERFLOW = -745.13321910194110842  # exp is 0 below

INVERSE_LN2 = 1.44269504088896338700e00
LN2_HIGH = 6.93147180369123816490e-01  # its last 33 bits are 0, so k * LN2_HIGH is exact
LN2_LOW = 1.90821492927058770002e-10
SQRT_HALF = 7.07106781186547524401e-01
ROUNDER = 6755399441055744.0  # 1.5 * 2**52: adding and subtracting it rounds to an integer, ties to even

P1 = 1.66666666666666019037e-01
P2 = -2.77777777770155933842e-03
P3 = 6.61375632143793436117e-05
P4 = -1.65339022054652515390e-06
P5 = 4.13813679705723846039e-08

L1 = 6.666666666666735130e-01
L2 = 3.999999999940941908e-01
L3 = 2.857142874366239149e-01
L4 = 2.222219843214978396e-01
L5 = 1.818357216161805012e-01
L6 = 1.531383769920937332e-01
L7 = 1.479819860511658591e-01


def exp(x: float) -> float:
    """e**x within 1 ulp; 0 and infinity beyond the range of a double, NaN for NaN."""
    if math.isnan(x):
        return x
    if x > EXP_OVERFLOW:
        return INFINITY
    if x < EXP_UNDERFLOW:
        return 0.0
    k = (x * INVERSE_LN2 + ROUNDER) - ROUNDER
    r_high = x - k * LN2_HIGH
    r_low = k * LN2_LOW
    r = r_high - r_low
    t = r * r
    c = r - t * (P1 + t * (P2 + t * (P3 + t * (P4 + t * P5))))
    return math.ldexp(1.0 - ((r_low - (r * c) / (2.0 - c)) - r_high), int(k))


def log(x: float) -> float:
    """Natural logarithm within 1 ulp; minus infinity for 0, NaN below 0 and for NaN."""
    if math.isnan(x) or x < 0.0:
        return NAN
    if x == 0.0:
        return -INFINITY
    if x == INFINITY:
        return x
    m, exponent = math.frexp(x)
    k = float(exponent)
    if m < SQRT_HALF:
        m += m
        k -= 1.0
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (L2 + w * (L4 + w * L6))
    odd = z * (L1 + w * (L3 + w * (L5 + w * L7)))
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + (even + odd)) + k * LN2_LOW)) - f)
