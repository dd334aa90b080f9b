"""Maximum likelihood of one series: quasi-Newton (BFGS) in free coordinates with analytic gradients.

The first inverse Hessian comes from differences of the gradient where that is positive definite, so the steps are those
of Newton from the start and a dozen evaluations do. Convergence is the predicted gain of a further step,
g' H g / 2, in units of log-likelihood.
"""

import math

import numpy as np
from numba import njit

from kernels.volatility.likelihood import loglikelihood
from kernels.volatility.transforms import to_natural
from kernels.volatility.types import Matrix, Series, Vector

STEP_MOST = 1.0  # of one coordinate in one iteration: most are angles
DIFFERENCE = 1e-4  # of free coordinates, for the first Hessian only
HALVINGS = 25
DAMPING_MOST = 100.0  # of the diagonal; beyond, it alone is taken
NOISE = 1e-13  # of the log-likelihood, relative: differences below are rounding
STALLED_GAIN = 1e-8  # of the log-likelihood in one iteration
STALLED_ITERATIONS = 6  # in a row with less: the top is a kink (|z| of EGARCH at a return equal to the mean)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def objective(
    free: Vector, series: Series, theta: Vector, jacobian: Matrix, natural: Vector, gradient: Vector
) -> float:
    """Minus the log-likelihood at free coordinates (k,), its gradient there (k,); infinite where undefined."""
    to_natural(free, series.mean_parameters, series.process, series.errors, theta, jacobian)
    value = loglikelihood(theta, series, natural)
    k = free.shape[0]
    for j in range(k):
        slope = 0.0
        for i in range(k):
            slope -= natural[i] * jacobian[i, j]
        gradient[j] = slope
        if not math.isfinite(slope):
            return math.inf
    return -value if math.isfinite(value) else math.inf


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def inverse_positive(a: Matrix, inverse: Matrix) -> bool:
    """inverse = a^-1 by Cholesky for symmetric a (k, k); False, and nothing done, unless positive definite."""
    k = a.shape[0]
    lower = np.zeros((k, k))
    for i in range(k):
        for j in range(i + 1):
            value = a[i, j]
            for r in range(j):
                value -= lower[i, r] * lower[j, r]
            if i == j:
                if not value > 1e-12 * abs(a[i, i]) or not math.isfinite(value):
                    return False
                lower[i, i] = math.sqrt(value)
            else:
                lower[i, j] = value / lower[j, j]
    half = np.zeros((k, k))  # lower^-1
    for j in range(k):
        half[j, j] = 1.0 / lower[j, j]
        for i in range(j + 1, k):
            value = 0.0
            for r in range(j, i):
                value -= lower[i, r] * half[r, j]
            half[i, j] = value / lower[i, i]
    for i in range(k):
        for j in range(k):
            value = 0.0
            for r in range(max(i, j), k):
                value += half[r, i] * half[r, j]
            inverse[i, j] = value
    return True


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def symmetrise(a: Matrix) -> None:
    """a = (a + a') / 2 for a (k, k)."""
    for i in range(a.shape[0]):
        for j in range(i):
            a[i, j] = a[j, i] = 0.5 * (a[i, j] + a[j, i])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def first_inverse(free: Vector, series: Series, gradient: Vector, inverse: Matrix) -> int:
    """Inverse Hessian (k, k) by forward differences, the diagonal raised until it is positive definite; evaluations."""
    k = free.shape[0]
    theta, natural, jacobian = np.empty(k), np.empty(k), np.empty((k, k))
    moved, there = free.copy(), np.empty(k)
    hessian = np.empty((k, k))
    for j in range(k):
        moved[j] = free[j] + DIFFERENCE
        objective(moved, series, theta, jacobian, natural, there)
        for i in range(k):
            hessian[i, j] = (there[i] - gradient[i]) / DIFFERENCE
        moved[j] = free[j]
    symmetrise(hessian)
    damping = 0.1
    while not inverse_positive(hessian, inverse):
        if damping > DAMPING_MOST:
            inverse[:] = 0.0
            for i in range(k):
                inverse[i, i] = 1.0 / max(abs(hessian[i, i]), 1.0) if math.isfinite(hessian[i, i]) else 1.0
            break
        for i in range(k):
            hessian[i, i] += damping * max(abs(hessian[i, i]), 1.0)
        damping *= 4.0
    return int(k)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def update_inverse(inverse: Matrix, step: Vector, change: Vector) -> None:
    """BFGS update of the inverse Hessian; left out where the curvature along the step is not positive."""
    k = step.shape[0]
    curvature = 0.0
    for i in range(k):
        curvature += step[i] * change[i]
    product = np.zeros(k)
    for i in range(k):
        for j in range(k):
            product[i] += inverse[i, j] * change[j]
    through = 0.0
    for i in range(k):
        through += change[i] * product[i]
    if not curvature > 1e-10 * math.sqrt(max(through, 0.0)) or curvature <= 0.0:
        return
    scale = (1.0 + through / curvature) / curvature
    for i in range(k):
        for j in range(k):
            inverse[i, j] += scale * step[i] * step[j] - (product[i] * step[j] + step[i] * product[j]) / curvature


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def direction_of(inverse: Matrix, gradient: Vector, direction: Vector) -> float:
    """direction = -inverse gradient, no coordinate beyond STEP_MOST; its slope, negative when it descends."""
    k = gradient.shape[0]
    most = 0.0
    for i in range(k):
        value = 0.0
        for j in range(k):
            value -= inverse[i, j] * gradient[j]
        direction[i] = value
        most = max(most, abs(value))
    shrink = STEP_MOST / most if most > STEP_MOST else 1.0
    slope = 0.0
    for i in range(k):
        direction[i] *= shrink
        slope += direction[i] * gradient[i]
    return slope


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def maximise(free: Vector, series: Series, tolerance: float, iterations: int) -> tuple[float, bool, int]:
    """Moves free (k,) to the maximum: log-likelihood, whether it converged, evaluations.

    Never throws; not finite at the start: not converged.
    """
    k = free.shape[0]
    theta, natural, jacobian = np.empty(k), np.empty(k), np.empty((k, k))
    gradient, trial, there = np.empty(k), np.empty(k), np.empty(k)
    direction, inverse = np.empty(k), np.eye(k)
    value = objective(free, series, theta, jacobian, natural, gradient)
    evaluations, fresh = 1, True  # fresh: no step since the Hessian was differenced
    stalled = 0
    if not math.isfinite(value):
        return -value, False, evaluations
    evaluations += first_inverse(free, series, gradient, inverse)
    for _ in range(iterations):
        slope = direction_of(inverse, gradient, direction)
        if abs(slope) < 2.0 * tolerance:
            return -value, True, evaluations
        length, reached = 1.0, False
        for _ in range(HALVINGS if slope < 0.0 else 0):
            for i in range(k):
                trial[i] = free[i] + length * direction[i]
            found = objective(trial, series, theta, jacobian, natural, there)
            evaluations += 1
            if found <= value + 1e-4 * length * slope + NOISE * abs(value):
                reached = True
                break
            curve = found - value - length * slope
            length *= min(max(-0.5 * length * slope / curve, 0.1), 0.5) if math.isfinite(curve) else 0.1
        if not reached:
            if fresh:
                return -value, slope > -1e-6 or stalled > 0, evaluations
            evaluations += first_inverse(free, series, gradient, inverse)
            fresh = True
            continue
        for i in range(k):
            direction[i] = trial[i] - free[i]
            natural[i] = there[i] - gradient[i]
            free[i] = trial[i]
            gradient[i] = there[i]
        stalled = stalled + 1 if value - found < STALLED_GAIN else 0
        if stalled == STALLED_ITERATIONS:
            return -found, True, evaluations
        value = found
        update_inverse(inverse, direction, natural)
        fresh = False
    return -value, False, evaluations
