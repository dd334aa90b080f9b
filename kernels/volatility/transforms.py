"""Between natural parameters and free ones, in which every point is admissible and an optimiser needs no bounds.

Every bounded quantity is a sine of a free angle (James and Roos 1975, MINUIT), so that a bound is reached at a finite
angle and the likelihood is quadratic there: an optimum on a bound (GJR of an equity index has alpha = 0) is found as
fast as one inside. omega = exp. GARCH, GJR: persistence p = sin^2 a, beta = p cos^2 b, the rest of p to the shocks, in
GJR alpha / 2 to (alpha + gamma) / 2 as sin^2 c to cos^2 c. APARCH: p = alpha + beta in the same way, gamma and delta
within the limits of arch 8.0. EGARCH: alpha a square, beta = sin: with alpha below 0 two paths from
different starts need not meet. nu by 1 / nu, lambda = sin. Mean coefficients are free.
"""

import math

from numba import njit

from kernels.volatility import APARCH, EGARCH, GARCH, GJR, NORMAL, SKEWED, STUDENT
from kernels.volatility.types import Matrix, Vector

GAMMA_LIMIT = 0.9997
DELTA_LEAST, DELTA_MOST = 0.05, 4.0
NU_LEAST, NU_MOST_STUDENT, NU_MOST_SKEWED = 2.05, 500.0, 300.0
INSIDE = 1e-4  # a start on a bound is moved inside by this share: on it, the likelihood has no slope


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def between(angle: float, least: float, most: float) -> tuple[float, float]:
    """least + (most - least) sin^2(angle), and its slope."""
    sine, cosine = math.sin(angle), math.cos(angle)
    return least + (most - least) * sine * sine, 2.0 * (most - least) * sine * cosine


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def between_angle(value: float, least: float, most: float) -> float:
    """The angle in (0, pi / 2) of a value, moved inside its bounds."""
    share = min(max((value - least) / (most - least), INSIDE), 1.0 - INSIDE)
    return math.asin(math.sqrt(share))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def to_natural(free: Vector, m: int, process: int, errors: int, theta: Vector, jacobian: Matrix) -> None:
    """Fills theta (k,) and jacobian (k, k) = d theta / d free."""
    jacobian[:] = 0.0
    for j in range(free.shape[0]):
        theta[j] = free[j]
        jacobian[j, j] = 1.0
    shape = m + (3 if process == GARCH else 5 if process == APARCH else 4)
    if process == EGARCH:
        theta[m + 1] = free[m + 1] * free[m + 1]
        jacobian[m + 1, m + 1] = 2.0 * free[m + 1]
        theta[m + 3] = math.sin(free[m + 3])
        jacobian[m + 3, m + 3] = math.cos(free[m + 3])
    else:
        theta[m] = math.exp(free[m])
        jacobian[m, m] = theta[m]
        shares_to_natural(free, m, process, theta, jacobian)
    if process == APARCH:
        theta[m + 2] = GAMMA_LIMIT * math.sin(free[m + 2])
        jacobian[m + 2, m + 2] = GAMMA_LIMIT * math.cos(free[m + 2])
        theta[m + 4], jacobian[m + 4, m + 4] = between(free[m + 4], DELTA_LEAST, DELTA_MOST)
    if errors != NORMAL:
        most = NU_MOST_STUDENT if errors == STUDENT else NU_MOST_SKEWED
        inverse, slope = between(free[shape], 1.0 / most, 1.0 / NU_LEAST)
        theta[shape] = 1.0 / inverse
        jacobian[shape, shape] = -slope / (inverse * inverse)
    if errors == SKEWED:
        theta[shape + 1] = math.sin(free[shape + 1])
        jacobian[shape + 1, shape + 1] = math.cos(free[shape + 1])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def shares_to_natural(free: Vector, m: int, process: int, theta: Vector, jacobian: Matrix) -> None:
    """Free places m + 1: persistence, last: its share of shocks; in GJR m + 2: the positive ones among them."""
    last = m + 2 if process == GARCH else m + 3
    persistence, by_first = between(free[m + 1], 0.0, 1.0)
    shocks, by_last = between(free[last], 0.0, 1.0)
    theta[last] = persistence * (1.0 - shocks)
    jacobian[last, m + 1] = by_first * (1.0 - shocks)
    jacobian[last, last] = -persistence * by_last
    if process != GJR:
        theta[m + 1] = persistence * shocks
        jacobian[m + 1, m + 1] = by_first * shocks
        jacobian[m + 1, last] = persistence * by_last
        return
    positive, by_middle = between(free[m + 2], 0.0, 1.0)
    theta[m + 1] = 2.0 * persistence * shocks * positive
    theta[m + 2] = 2.0 * persistence * shocks * (1.0 - 2.0 * positive)
    jacobian[m + 1, m + 1] = 2.0 * by_first * shocks * positive
    jacobian[m + 1, m + 2] = 2.0 * persistence * shocks * by_middle
    jacobian[m + 1, last] = 2.0 * persistence * by_last * positive
    jacobian[m + 2, m + 1] = 2.0 * by_first * shocks * (1.0 - 2.0 * positive)
    jacobian[m + 2, m + 2] = -4.0 * persistence * shocks * by_middle
    jacobian[m + 2, last] = 2.0 * persistence * by_last * (1.0 - 2.0 * positive)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def to_free(theta: Vector, m: int, process: int, errors: int, free: Vector) -> None:
    """The free coordinates (k,) of theta; what lies on or outside a bound is moved just inside."""
    for j in range(theta.shape[0]):
        free[j] = theta[j]
    shape = m + (3 if process == GARCH else 5 if process == APARCH else 4)
    most = 1.0 - INSIDE
    if process == EGARCH:
        free[m + 1] = math.sqrt(max(theta[m + 1], INSIDE))
        free[m + 3] = math.asin(min(max(theta[m + 3], -most), most))
    else:
        free[m] = math.log(max(theta[m], 1e-12))
        last = m + 2 if process == GARCH else m + 3
        shock = theta[m + 1]
        if process == GJR:
            shock += 0.5 * theta[m + 2]
            free[m + 2] = between_angle(0.5 * theta[m + 1] / max(shock, 1e-12), 0.0, 1.0)
        persistence = max(shock, 0.0) + max(theta[last], 0.0)
        free[m + 1] = between_angle(persistence, 0.0, 1.0)
        free[last] = between_angle(shock / max(persistence, 1e-12), 0.0, 1.0)
    if process == APARCH:
        free[m + 2] = math.asin(min(max(theta[m + 2] / GAMMA_LIMIT, -most), most))
        free[m + 4] = between_angle(theta[m + 4], DELTA_LEAST, DELTA_MOST)
    if errors != NORMAL:
        limit = NU_MOST_STUDENT if errors == STUDENT else NU_MOST_SKEWED
        free[shape] = between_angle(1.0 / theta[shape], 1.0 / limit, 1.0 / NU_LEAST)
    if errors == SKEWED:
        free[shape + 1] = math.asin(min(max(theta[shape + 1], -most), most))
