"""Between natural parameters and free ones, in which every point is admissible and an optimiser needs no bounds.

omega = exp; the shares of the persistence (GARCH: alpha, beta; GJR: alpha / 2, (alpha + gamma) / 2, beta; APARCH:
alpha, beta) by softmax against the rest, so that they are positive and sum to less than 1; EGARCH: beta = tanh, the
others free; APARCH: gamma = 0.9997 tanh, delta in (0.05, 4); nu in (2.05, 500), for skewed t (2.05, 300); lambda =
tanh. The limits of delta, gamma and nu are those of arch 8.0. Mean coefficients are free.
"""

import math

import numpy as np
from numba import njit

from kernels.volatility import APARCH, EGARCH, GARCH, GJR, NORMAL, SKEWED, STUDENT
from kernels.volatility.types import Matrix, Vector

GAMMA_LIMIT = 0.9997
DELTA_LEAST, DELTA_MOST = 0.05, 4.0
NU_LEAST, NU_MOST_STUDENT, NU_MOST_SKEWED = 2.05, 500.0, 300.0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def softmax(x: Vector, p: Vector) -> None:
    """p_i = exp(x_i) / (1 + sum exp x), both (s,)."""
    most = 0.0
    for value in x:
        most = max(most, value)
    rest = math.exp(-most)
    for i in range(x.shape[0]):
        p[i] = math.exp(x[i] - most)
        rest += p[i]
    for i in range(x.shape[0]):
        p[i] /= rest


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def between(x: float, least: float, most: float) -> tuple[float, float]:
    """A logistic curve from `least` to `most` at x, and its slope."""
    p = 1.0 / (1.0 + math.exp(-x)) if x > 0.0 else math.exp(x) / (1.0 + math.exp(x))
    return least + (most - least) * p, (most - least) * p * (1.0 - p)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def between_inverse(value: float, least: float, most: float) -> float:
    p = min(max((value - least) / (most - least), 1e-9), 1.0 - 1e-9)
    return math.log(p / (1.0 - p))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def share_places(process: int, m: int, places: Vector) -> int:
    """Places in theta of the free coordinates of the shares; gives how many there are."""
    places[0] = m + 1
    if process == GARCH:
        places[1] = m + 2
        return 2
    if process == APARCH:
        places[1] = m + 3
        return 2
    places[1], places[2] = m + 2, m + 3
    return 3


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def to_natural(free: Vector, m: int, process: int, errors: int, theta: Vector, jacobian: Matrix) -> None:
    """Fills theta (k,) and jacobian (k, k) = d theta / d free."""
    jacobian[:] = 0.0
    for j in range(free.shape[0]):
        theta[j] = free[j]
        jacobian[j, j] = 1.0
    shape = m + (3 if process == GARCH else 5 if process == APARCH else 4)
    if process == EGARCH:
        theta[m + 3] = math.tanh(free[m + 3])
        jacobian[m + 3, m + 3] = 1.0 - theta[m + 3] ** 2
    else:
        theta[m] = math.exp(free[m])
        jacobian[m, m] = theta[m]
        shares_to_natural(free, m, process, theta, jacobian)
    if process == APARCH:
        curve = math.tanh(free[m + 2])
        theta[m + 2] = GAMMA_LIMIT * curve
        jacobian[m + 2, m + 2] = GAMMA_LIMIT * (1.0 - curve * curve)
        theta[m + 4], jacobian[m + 4, m + 4] = between(free[m + 4], DELTA_LEAST, DELTA_MOST)
    if errors == STUDENT:
        theta[shape], jacobian[shape, shape] = between(free[shape], NU_LEAST, NU_MOST_STUDENT)
    elif errors == SKEWED:
        theta[shape], jacobian[shape, shape] = between(free[shape], NU_LEAST, NU_MOST_SKEWED)
        theta[shape + 1] = math.tanh(free[shape + 1])
        jacobian[shape + 1, shape + 1] = 1.0 - theta[shape + 1] ** 2


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def shares_to_natural(free: Vector, m: int, process: int, theta: Vector, jacobian: Matrix) -> None:
    places = np.empty(3, np.int64)
    count = share_places(process, m, places)
    x, p = np.empty(count), np.empty(count)
    for i in range(count):
        x[i] = free[places[i]]
    softmax(x, p)
    for i in range(count):
        for j in range(count):
            slope = p[i] * ((1.0 if i == j else 0.0) - p[j])
            column = places[j]
            if process != GJR:
                jacobian[places[i], column] = slope
            elif i == 0:
                jacobian[m + 1, column] = 2.0 * slope
            elif i == 1:
                jacobian[m + 2, column] = 2.0 * slope - jacobian[m + 1, column]
            else:
                jacobian[m + 3, column] = slope
    if process == GJR:
        theta[m + 1] = 2.0 * p[0]
        theta[m + 2] = 2.0 * (p[1] - p[0])
        theta[m + 3] = p[2]
    else:
        for i in range(count):
            theta[places[i]] = p[i]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def to_free(theta: Vector, m: int, process: int, errors: int, free: Vector) -> None:
    """The free coordinates (k,) of theta; what lies on or outside a limit is moved just inside."""
    tiny = 1e-8
    for j in range(theta.shape[0]):
        free[j] = theta[j]
    shape = m + (3 if process == GARCH else 5 if process == APARCH else 4)
    if process == EGARCH:
        free[m + 3] = math.atanh(min(max(theta[m + 3], -1.0 + tiny), 1.0 - tiny))
    else:
        free[m] = math.log(max(theta[m], 1e-12))
        places = np.empty(3, np.int64)
        count = share_places(process, m, places)
        p = np.empty(count)
        for i in range(count):
            p[i] = max(theta[places[i]], tiny)
        if process == GJR:
            p[0] = max(0.5 * theta[m + 1], tiny)
            p[1] = max(0.5 * (theta[m + 1] + theta[m + 2]), tiny)
        whole = 0.0
        for i in range(count):
            whole += p[i]
        scale = min(1.0, (1.0 - tiny) / whole)
        rest = 1.0 - scale * whole
        for i in range(count):
            free[places[i]] = math.log(scale * p[i] / rest)
    if process == APARCH:
        free[m + 2] = math.atanh(min(max(theta[m + 2] / GAMMA_LIMIT, -1.0 + tiny), 1.0 - tiny))
        free[m + 4] = between_inverse(theta[m + 4], DELTA_LEAST, DELTA_MOST)
    if errors != NORMAL:
        free[shape] = between_inverse(theta[shape], NU_LEAST, NU_MOST_STUDENT if errors == STUDENT else NU_MOST_SKEWED)
    if errors == SKEWED:
        free[shape + 1] = math.atanh(min(max(theta[shape + 1], -1.0 + tiny), 1.0 - tiny))
