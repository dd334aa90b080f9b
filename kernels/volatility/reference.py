"""The likelihoods once more, slow and obvious, one observation after the other: what the kernels are tested against.

Everything also works on complex parameters, so that a derivative is one evaluation: f'(x) = Im f(x + i s) / s for a
tiny s, exact to rounding (Squire and Trapp 1998). Sizes and signs go by the real part.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import loggamma

from kernels.volatility import (
    APARCH,
    BENCHMARK,
    CONSTANT,
    EGARCH,
    GARCH,
    GJR,
    NORMAL,
    REGRESSORS,
    STUDENT,
    UNCONDITIONAL,
)

Array = NDArray[Any]
TINY = 1e-30


def size(x: Any) -> Any:
    """|x| by the real part: differentiable in the complex sense away from 0."""
    return -x if np.real(x) < 0 else x


def backcast(residuals: Array, decay: float = 0.94, span: int = 75) -> float:
    """arch's convention: exponentially weighted mean of the first squares."""
    first = residuals[:span]
    weights = decay ** np.arange(len(first))
    return float(np.sum(weights * first**2) / np.sum(weights))


def residuals_of(theta: Array, returns: Array, regressors: Array, mean: int) -> tuple[Array, Array]:
    """(residuals (n,), the parameters after those of the mean)."""
    if mean == CONSTANT:
        return returns - theta[0], theta[1:]
    if mean == REGRESSORS:
        m = regressors.shape[0]
        return returns - theta[:m] @ regressors, theta[m:]
    return returns.astype(theta.dtype), theta


def variances(p: Array, residuals: Array, process: int, start: int, presample: float) -> Array:
    """h (n,) from the process' own parameters p; `presample` is the fixed start variance of backcast and ols."""
    h0 = np.mean(residuals**2) if start == BENCHMARK else presample
    if process in (GARCH, GJR):
        omega, alpha, beta = p[0], p[1], p[-1]
        gamma = p[2] if process == GJR else 0.0
        if start == UNCONDITIONAL:
            h0 = omega / (1 - alpha - gamma / 2 - beta)
        h = [omega + (alpha + gamma / 2 + beta) * h0]
        for e in residuals[:-1]:
            h.append(omega + (alpha + gamma * (np.real(e) < 0)) * e**2 + beta * h[-1])
        return np.array(h)
    if process == EGARCH:
        return egarch_variances(p, residuals, start, h0)
    omega, alpha, gamma, beta, delta = p
    power = omega / (1 - alpha - beta) if start == UNCONDITIONAL else h0 ** (delta / 2)
    powers = [omega + (alpha + beta) * power]
    for e in residuals[:-1]:
        powers.append(omega + alpha * (size(e) - gamma * e) ** delta + beta * powers[-1])
    return np.asarray(np.array(powers) ** (2 / delta))


def egarch_variances(p: Array, residuals: Array, start: int, h0: Any) -> Array:
    omega, alpha, gamma, beta = p
    expected = np.sqrt(2 / np.pi)
    x = omega / (1 - beta) if start == UNCONDITIONAL else np.log(h0)
    shock: Any = 0.0
    if start == BENCHMARK:
        z = np.mean(residuals) / np.sqrt(h0)
        shock = alpha * (size(z) - expected) + gamma * z
    logs = []
    for e in residuals:
        x = omega + shock + beta * x
        logs.append(x)
        z = e * np.exp(-x / 2)
        shock = alpha * (size(z) - expected) + gamma * z
    return np.asarray(np.exp(np.array(logs)))


def density_logs(z: Array, shape: Array, errors: int) -> Array:
    """log density of standardised z (n,), unit variance."""
    if errors == NORMAL:
        return np.asarray(-0.5 * (np.log(2 * np.pi) + z**2))
    nu = shape[0]
    constant = loggamma((nu + 1) / 2) - loggamma(nu / 2) - 0.5 * np.log(np.pi * (nu - 2))
    if errors == STUDENT:
        return np.asarray(constant - (nu + 1) / 2 * np.log(1 + z**2 / (nu - 2)))
    skew = shape[1]
    a = 4 * skew * np.exp(constant) * (nu - 2) / (nu - 1)
    b = np.sqrt(1 + 3 * skew**2 - a**2)
    side = np.where(np.real(b * z + a) < 0, 1 - skew, 1 + skew)
    return np.asarray(np.log(b) + constant - (nu + 1) / 2 * np.log(1 + ((b * z + a) / side) ** 2 / (nu - 2)))


def loglik_rows(
    theta: Array, returns: Array, regressors: Array, mean: int, process: int, errors: int, start: int, presample: float
) -> Array:
    """Log-likelihood of each observation (n,) at natural parameters theta (k,), real or complex."""
    residuals, rest = residuals_of(theta, returns, regressors, mean)
    count = {GARCH: 3, GJR: 4, EGARCH: 4, APARCH: 5}[process]
    h = variances(rest[:count], residuals, process, start, presample)
    return density_logs(residuals / np.sqrt(h), rest[count:], errors) - 0.5 * np.log(h)


def scores(theta: Array, rows: Callable[[Array], Array]) -> Array:
    """d rows / d theta (k, n), by complex steps."""
    found = []
    for j in range(len(theta)):
        moved = theta.astype(np.complex128)
        moved[j] += 1j * TINY
        found.append(np.imag(rows(moved)) / TINY)
    return np.array(found)


def fit(
    start: Array,
    rows: Callable[[Array], Array],
    bounds: list[tuple[float, float]],
    constraint: Callable[[Array], float],
) -> tuple[Array, float]:
    """Maximum by scipy's SLSQP with complex-step gradients: natural parameters (k,) and the log-likelihood."""
    found = minimize(
        lambda x: -float(np.sum(rows(x))),
        start,
        jac=lambda x: -scores(x, rows).sum(axis=1),
        method="SLSQP",
        bounds=bounds,
        constraints=[{"type": "ineq", "fun": constraint}],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return np.asarray(found.x), -float(found.fun)
