"""Merton's jump diffusion: European call, density and moments of returns, maximum likelihood.

Log prices are a Brownian motion and a compound Poisson process of normal jumps. Source: Merton (1976), "Option
pricing when underlying stock returns are discontinuous", J. Financial Economics 3, eq. 16-19.

The likelihood is not bounded over all parameters: a jump whose deviation goes to 0 on one observation drives it to
infinity (Kiefer 1978; Honoré 1998). The fit is therefore the best within BOUNDS; a parameter at a bound is noted.
"""

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import ndtr

from kernels.jumps import cpu
from models.faults import DataFault, Fault
from models.jumps.estimate import Estimate, errors_from, health_of, information_of, usable

Array = NDArray[np.float64]
NAMES = ("drift", "volatility", "intensity", "jump_mean", "jump_volatility")
# per observation, drift, volatilities and jump mean in standard deviations of the returns
BOUNDS = {
    "drift": (-2.0, 2.0),
    "volatility": (0.1, 2.0),
    "intensity": (1e-4, 1.0),
    "jump_mean": (-5.0, 5.0),
    "jump_volatility": (0.2, 20.0),
}
STARTS = ((0.9, 0.01, 0.0, 3.0), (0.7, 0.1, 0.0, 1.5), (0.6, 0.4, 0.0, 1.0), (0.9, 0.02, -2.0, 1.0))
JUMPS_PER_OBSERVATION = 40  # terms of the series, at most
FEWEST = 100


@dataclass(frozen=True)
class MertonFit(Estimate):
    """parameters per observation: drift (of the log price without jumps), volatility, intensity (jumps an
    observation), jump_mean and jump_volatility (of the log price)."""

    @property
    def moments(self) -> dict[str, float]:
        """Mean, variance, skewness and excess kurtosis of a return, and the share of its variance that jumps have."""
        return moments(*(self.parameters[name] for name in NAMES))


def call(
    spot: ArrayLike,
    strike: ArrayLike,
    maturity: ArrayLike,
    *,
    rate: ArrayLike,
    dividend: ArrayLike = 0.0,
    volatility: ArrayLike,
    intensity: ArrayLike,
    mean_jump: ArrayLike = 0.0,
    jump_volatility: ArrayLike,
) -> Array:
    """European call, arrays broadcast: the Poisson series of Black-Scholes prices, to below 1e-14 of the spot.

    maturity in years; rate, dividend continuous a year; volatility of the diffusion a year; intensity jumps a year;
    mean_jump: expected relative change of the price by a jump, Merton's k (of log jumps with mean m: exp(m +
    jump_volatility^2 / 2) - 1);
    jump_volatility: deviation of a jump's logarithm. Merton (1976), eq. 19. Raises Fault for what has no price.
    """
    names = ("spot", "strike", "maturity", "volatility", "intensity", "jump_volatility")
    given = (spot, strike, maturity, volatility, intensity, jump_volatility, rate, dividend, mean_jump)
    s, k, t, sigma, lam, delta, r, q, relative = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in given))
    for name, value, above in zip(
        names, (s, k, t, sigma, lam, delta), (True, True, True, True, False, False), strict=True
    ):
        if not np.all(np.isfinite(value)) or np.any(value <= 0.0 if above else value < 0.0):
            raise Fault(f"{name} must be {'above' if above else 'at least'} 0 and finite")
    if not np.all(relative > -1.0):
        raise Fault("mean_jump must be above -1: a price cannot lose more than all")
    m = np.log1p(relative)
    expected = lam * t * (1.0 + relative)  # jumps, under the measure in which the series is written
    most = float(expected.max(initial=0.0))
    total = np.zeros(s.shape)
    log_weight = -expected
    with np.errstate(divide="ignore"):
        log_expected = np.log(expected)
    for n in range(int(most + 12.0 * math.sqrt(most + 1.0) + 30.0)):
        if n > 0:
            log_weight = log_weight + log_expected - math.log(n)
        drift = r - lam * relative + n * m / t
        deviation = np.sqrt(sigma * sigma * t + n * delta * delta)
        d1 = (np.log(s / k) + (drift - q) * t) / deviation + 0.5 * deviation
        price = s * np.exp(-q * t) * ndtr(d1) - k * np.exp(-drift * t) * ndtr(d1 - deviation)
        total += np.exp(log_weight) * price
    return total


def density(
    returns: ArrayLike, drift: float, volatility: float, intensity: float, jump_mean: float, jump_volatility: float
) -> Array:
    """Density of log returns (n,) over one observation; parameters per observation, as in MertonFit."""
    values = np.ascontiguousarray(np.atleast_1d(returns), dtype=np.float64)
    increments, scores = np.empty(values.size), np.empty((values.size, 5))
    terms = np.empty(max(JUMPS_PER_OBSERVATION, int(intensity + 12.0 * math.sqrt(intensity + 1.0)) + 30))
    cpu.merton_scores(
        values, drift, volatility**2, max(intensity, 1e-300), jump_mean, jump_volatility**2, terms, increments, scores
    )
    return np.asarray(np.exp(increments), dtype=np.float64)


def moments(
    drift: float, volatility: float, intensity: float, jump_mean: float, jump_volatility: float
) -> dict[str, float]:
    """Of one return, from its cumulants: intensity times the moments of a jump, beside the normal part."""
    m2 = jump_mean**2 + jump_volatility**2
    m3 = jump_mean**3 + 3.0 * jump_mean * jump_volatility**2
    m4 = jump_mean**4 + 6.0 * jump_mean**2 * jump_volatility**2 + 3.0 * jump_volatility**4
    variance = volatility**2 + intensity * m2
    return {
        "mean": drift + intensity * jump_mean,
        "variance": variance,
        "skewness": intensity * m3 / variance**1.5,
        "excess_kurtosis": intensity * m4 / variance**2,
        "jump_share": intensity * m2 / variance,
    }


def fit_merton(returns: ArrayLike) -> MertonFit:
    """Maximum likelihood on log returns (n,) within BOUNDS, from four starts, with exact derivatives (L-BFGS-B).

    Never raises for a short or constant series: the health says so. Raises Fault for another shape, DataFault for a
    return that is not finite.
    """
    began = time.perf_counter()
    values = np.ascontiguousarray(returns, dtype=np.float64)
    if values.ndim != 1:
        raise Fault(f"returns have {values.ndim} dimensions: one series at a time")
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise DataFault(f"return {wrong[0]} is {values[wrong[0]]:g}: leave it out or mend it")
    reason = usable(values, FEWEST)
    if reason is not None:
        return MertonFit.nothing(NAMES, values.size, reason, time.perf_counter() - began)
    centre, scale = float(values.mean()), float(values.std())
    model = Standardised((values - centre) / scale)
    bounds = [BOUNDS[name] for name in NAMES]
    tried = [
        minimize(
            model.loss, np.array([0.0, *start]), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9},
        )
        for start in STARTS
    ]  # fmt: skip
    best = min(tried, key=lambda found: float(found.fun))
    lower, upper = np.array(bounds).T
    converged = model.flat(best.x, lower, upper)
    held = (best.x <= lower * (1.0 + 1e-9) + 1e-12) | (best.x >= upper * (1.0 - 1e-9) - 1e-12)
    notes = [f"AT_BOUND: {name} is at its bound" for name, at in zip(NAMES, held, strict=True) if at]
    unit = np.array([scale, scale, 1.0, scale, scale])
    errors, more = errors_from(NAMES, information_of(model.score_sums, best.x), model.scores(best.x), ~held, unit)
    parameters = best.x * unit + np.array([centre, 0.0, 0.0, 0.0, 0.0])
    return MertonFit(
        parameters=dict(zip(NAMES, parameters.tolist(), strict=True)),
        standard_errors=errors,
        loglik=-float(best.fun) * values.size - values.size * math.log(scale),
        converged=converged,
        health=health_of(converged, best.x),
        n=values.size,
        notes=(*notes, *more),
        seconds=time.perf_counter() - began,
    )


class Standardised:
    """The likelihood of a standardised series in drift, volatility, intensity, jump mean, jump volatility."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self._increments = np.empty(values.size)
        self._scores = np.empty((values.size, 5))
        self._terms = np.empty(JUMPS_PER_OBSERVATION)

    def evaluate(self, x: Array) -> float:
        found: float = cpu.merton_scores(
            self.values, x[0], x[1] * x[1], x[2], x[3], x[4] * x[4], self._terms, self._increments, self._scores
        )
        self._scores[:, 1] *= 2.0 * x[1]
        self._scores[:, 4] *= 2.0 * x[4]
        return found

    def scores(self, x: Array) -> Array:
        """(n, 5) derivatives of each return's log density."""
        self.evaluate(x)
        return self._scores.copy()

    def score_sums(self, x: Array) -> Array:
        return np.asarray(self.scores(x).sum(axis=0), dtype=np.float64)

    def loss(self, x: Array) -> tuple[float, Array]:
        """(mean negative log-likelihood, its gradient)."""
        value = self.evaluate(x)
        return -value / self.values.size, -self._scores.sum(axis=0) / self.values.size

    def flat(self, x: Array, lower: Array, upper: Array) -> bool:
        """The gradient, where a bound does not hold it back, is 0 for practical purposes."""
        gradient = self.loss(x)[1]
        step = np.clip(x - gradient, lower, upper) - x
        return bool(np.abs(step).max() < 1e-5)
