"""Monotone functions as piecewise polynomials, addressed by the bits of their argument: inversion without libm.

A double is 2**exponent * 1.mantissa. The table has 2**bits pieces an octave, chosen by the exponent and the leading
mantissa bits; the rest of the mantissa is the local coordinate in [-1/2, 1/2). A piece is a polynomial of degree 5
through the function at six Chebyshev nodes, in powers of the coordinate. Looking it up takes shifts, a conversion and
five fused products in one order, so CPU and GPU give the same bits from the same table. With 32 pieces the error
falls like 128**-6 for functions whose nearest singularity is at 0: below 1e-12 relative (tested).

Two addresses are used. A probability: v in (0, 1/2), the distance from the nearer end, 53 octaves of 32 pieces. A
score: 1 + |x|, linear near 0 and logarithmic in the tail; 128 pieces, for a normal tail falls faster than any power.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from kernels.elementary_reference import log

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]

PROBABILITY_BITS = 5
SCORE_BITS = 7
DEGREE = 5
KEPT = 512  # tables of a kind, about 100 KiB each
SMALLEST_EXPONENT = -54  # of a probability: (2 m + 1) 2**-54 with 52 random bits m
PROBABILITY_OCTAVES = 53
# cos(pi (k + 1/2) / 6) / 2
NODES = (
    0.48296291314453416,
    0.3535533905932738,
    0.12940952255126037,
    -0.12940952255126037,
    -0.3535533905932738,
    -0.48296291314453416,
)


@cache
def weights() -> Floats:
    """(node, power): a polynomial through y has the coefficients y @ weights; exact fractions, rounded once."""
    nodes = [Fraction(node) for node in NODES]
    rows = []
    for k, node in enumerate(nodes):
        product = [Fraction(1)]
        scale = Fraction(1)
        for other in nodes[:k] + nodes[k + 1 :]:
            shifted = [Fraction(0), *product]
            product = [a - other * b for a, b in zip(shifted, [*product, Fraction(0)], strict=True)]
            scale *= node - other
        rows.append([float(term / scale) for term in product])
    return np.array(rows)


def places(octaves: int, smallest_exponent: int, bits: int) -> Floats:
    """Arguments (octaves * 2**bits, DEGREE + 1) at which a table asks its function."""
    pieces = 1 << bits
    exponents = np.ldexp(1.0, np.arange(smallest_exponent, smallest_exponent + octaves))
    starts = 1.0 + np.arange(pieces) / pieces
    local = (np.array(NODES) + 0.5) / pieces
    found: Floats = (exponents[:, None, None] * (starts[:, None] + local)).reshape(octaves * pieces, DEGREE + 1)
    return found


def probabilities() -> Floats:
    return places(PROBABILITY_OCTAVES, SMALLEST_EXPONENT, PROBABILITY_BITS)


def interpolated(values: Floats) -> Floats:
    """Coefficients (pieces, DEGREE + 1), lowest power first, of polynomials through `values` at `places`."""
    coefficients = np.zeros_like(values)
    for node in range(DEGREE + 1):
        coefficients += values[:, node, None] * weights()[node]
    return coefficients


@cache
def normal_table() -> Floats:
    """Standard normal quantile below the median, as a function of the probability v in (0, 1/2): (pieces, 6).

    Made with + - * / sqrt alone, so it has the same bits on every host.
    """
    arguments = probabilities()
    values = np.array([lower_normal_quantile(v) for v in arguments.ravel().tolist()]).reshape(arguments.shape)
    return frozen(interpolated(values))


def lower_normal_quantile(v: float) -> float:
    """Standard normal quantile at 0 < v <= 1/2, relative error 1e-16; Wichura (1988), AS 241, PPND16."""
    q = v - 0.5
    if q >= -0.425:
        r = 0.180625 - q * q
        return q * horner(CENTRE_ABOVE, r) / horner(CENTRE_BELOW, r)
    r = float(np.sqrt(-log(v)))
    if r <= 5.0:
        return -horner(SHOULDER_ABOVE, r - 1.6) / horner(SHOULDER_BELOW, r - 1.6)
    return -horner(TAIL_ABOVE, r - 5.0) / horner(TAIL_BELOW, r - 5.0)


def horner(coefficients: tuple[float, ...], x: float) -> float:
    total = 0.0
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


@lru_cache(maxsize=KEPT)
def mixing_table(dof: float) -> Floats:
    """sqrt(dof / chi-square quantile), which turns normals into Student's t: (2, pieces, 6).

    Side 0 by the probability of a smaller chi-square, side 1 by that of a larger one, both below 1/2. scipy's inverse
    incomplete gamma function: hosts may differ in the last digit.
    """
    v = probabilities()
    sides = (special.gammaincinv(dof / 2.0, v), special.gammainccinv(dof / 2.0, v))
    return frozen(np.stack([interpolated(np.sqrt(dof / (2.0 * side))) for side in sides]))


@lru_cache(maxsize=KEPT)
def t_margin_table(copula_dof: float, margin_dof: float) -> Floats:
    """x -> quantile of t(margin_dof) scaled to variance 1 at the probability that t(copula_dof) gives x: (pieces, 6).

    Odd, so only x >= 0. Infinite dof: the normal. For margins of t copulas.
    """
    probability = lower_probability(scores_below(copula_dof), copula_dof)
    if np.isinf(margin_dof):
        return frozen(interpolated(-special.ndtri(probability)))
    if margin_dof <= 2.0:
        raise ValueError(f"margin_dof is {margin_dof:g}: a margin has a variance above 2 degrees of freedom only")
    quantile = special.stdtrit(margin_dof, probability)
    # scipy's inverse is good to 1e-11 near the median; one Newton step makes it exact
    quantile -= (special.stdtr(margin_dof, quantile) - probability) / t_density(quantile, margin_dof)
    return frozen(interpolated(-np.sqrt((margin_dof - 2.0) / margin_dof) * quantile))


@lru_cache(maxsize=KEPT)
def probability_table(copula_dof: float) -> Floats:
    """x -> probability that t(copula_dof), or the normal, gives to values below -|x|: (pieces, 6)."""
    return frozen(interpolated(lower_probability(scores_below(copula_dof), copula_dof)))


def scores_below(dof: float) -> Floats:
    """-|x| where a table over scores asks its function."""
    return 1.0 - places(score_octaves(dof), 0, SCORE_BITS)


def lower_probability(x: Floats, dof: float) -> Floats:
    found: Floats = special.ndtr(x) if np.isinf(dof) else special.stdtr(dof, x)
    return found


def t_density(x: Floats, dof: float) -> Floats:
    """Student's t, variance dof / (dof - 2)."""
    constant = special.gammaln((dof + 1.0) / 2.0) - special.gammaln(dof / 2.0) - 0.5 * np.log(dof * np.pi)
    found: Floats = np.exp(constant - (dof + 1.0) / 2.0 * np.log1p(x * x / dof))
    return found


def score_octaves(dof: float) -> int:
    """Octaves of 1 + |x| that hold every score: the largest normal, 8.3, times the largest mixing factor, doubled."""
    largest = 8.3
    if np.isfinite(dof):
        largest *= float(np.sqrt(dof / (2.0 * special.gammaincinv(dof / 2.0, 2.0**SMALLEST_EXPONENT))))
    return int(np.ceil(np.log2(1.0 + largest))) + 1


def frozen(table: Floats) -> Floats:
    """Tables are shared: nobody may write to them."""
    table = np.ascontiguousarray(table)
    table.setflags(write=False)
    return table


CENTRE_ABOVE = (
    3.3871328727963666080e0,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3,
)
CENTRE_BELOW = (
    1.0,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3,
)
SHOULDER_ABOVE = (
    1.42343711074968357734e0,
    4.63033784615654529590e0,
    5.76949722146069140550e0,
    3.64784832476320460504e0,
    1.27045825245236838258e0,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4,
)
SHOULDER_BELOW = (
    1.0,
    2.05319162663775882187e0,
    1.67638483018380384940e0,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)
TAIL_ABOVE = (
    6.65790464350110377720e0,
    5.46378491116411436990e0,
    1.78482653991729133580e0,
    2.96560571828504891230e-1,
    2.65321895265761230930e-2,
    1.24266094738807843860e-3,
    2.71155556874348757815e-5,
    2.01033439929228813265e-7,
)
TAIL_BELOW = (
    1.0,
    5.99832206555887937690e-1,
    1.36929880922735805310e-1,
    1.48753612908506148525e-2,
    7.86869131145613259100e-4,
    1.84631831751005468180e-5,
    1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)
