"""ARIMA mean, GARCH(1,1) variance and Poisson jumps whose intensity has a memory, by maximum likelihood.

    value_t     = ARMA mean + residual_t, after `difference` differences
    residual_t  = normal (variance_t) + jumps_t - intensity_t * jump_mean
    variance_t  = omega + alpha residual_{t-1}^2 + beta variance_{t-1}
    intensity_t = intensity_0 + rho intensity_{t-1} + gamma (E[n_{t-1} | values to t-1] - intensity_{t-1})

Constant intensity: Jorion (1988), Review of Financial Studies 1(4). Autoregressive: Chan and Maheu (2002), J. Business
& Economic Statistics 20(3); Maheu and McCurdy (2004), J. Finance 59(2). Positive intensities for certain: rho >= gamma
(Chan and Maheu, section 2), which the fit imposes. The variance begins at that of the sample.
"""

import time
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit

from kernels.jumps import garch_jump as kernel
from models.faults import DataFault, Fault
from models.jumps.estimate import Estimate, errors_from, health_of, information_of, usable

Array = NDArray[np.float64]
JUMPS_PER_OBSERVATION = 40
FEWEST = 250
MOST_LAGS = 5
SHORT_ITERATIONS, ITERATIONS = 12, 400
LEAST = {"omega": 2e-6, "alpha": 1e-3, "intensity": 1e-4, "rho": 1e-3, "gamma": 1e-3}  # below: at the bound
START_VARIANCE = 1.0  # of the standardised series: that of the sample
FLAT = 1e-5  # largest gradient of the mean log-likelihood at a maximum, in the free coordinates
STARTS = ((3.0, -2.5, -3.5, 0.8), (2.0, -2.0, -1.5, 0.4), (4.5, -3.0, -4.5, 1.2))


class JumpSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Orders of the mean, and whether the intensity moves."""

    autoregressive: int = 0
    difference: int = 0
    moving_average: int = 0
    moving_intensity: bool = False

    def __post_init__(self) -> None:
        for name in ("autoregressive", "moving_average"):
            if not 0 <= getattr(self, name) <= MOST_LAGS:
                raise ValueError(f"{name} is {getattr(self, name)}: 0 to {MOST_LAGS}")
        if self.difference not in (0, 1, 2):
            raise ValueError(f"difference is {self.difference}: 0, 1 or 2")


@dataclass(frozen=True)
class Forecast:
    """One to `horizon` steps ahead of the last value, (horizon,) each; of the differenced series.

    variance of a step's residual is its normal part plus its jump part, both as expected now. intensity: jumps a step.
    """

    mean: Array
    normal_variance: Array
    jump_variance: Array
    intensity: Array

    @property
    def variance(self) -> Array:
        return self.normal_variance + self.jump_variance


@dataclass(frozen=True)
class JumpGarchFit(Estimate):
    """parameters: mean, phi_i, theta_j, omega, alpha, beta, intensity, rho, gamma, jump_mean, jump_volatility.

    In the unit of the values; `intensity` is the constant of its equation. Paths (n,): residuals, variances (of the
    normal part), intensities, expected_jumps (E[n_t | values to t]), values (differenced).
    """

    spec: JumpSpec
    values: Array
    residuals: Array
    variances: Array
    intensities: Array
    expected_jumps: Array

    @property
    def persistence(self) -> float:
        """alpha + beta."""
        return self.parameters["alpha"] + self.parameters["beta"]

    @property
    def jump_second_moment(self) -> float:
        """What one jump adds to the variance."""
        return self.parameters["jump_mean"] ** 2 + self.parameters["jump_volatility"] ** 2

    def forecast(self, horizon: int) -> Forecast:
        """Expected mean and variance of the next `horizon` values, exact under the model. Raises Fault below 1."""
        if horizon < 1:
            raise Fault(f"horizon is {horizon}: at least 1")
        p, second = self.parameters, self.jump_second_moment
        normal, jump, intensity = np.empty(horizon), np.empty(horizon), np.empty(horizon)
        residual2, variance = self.residuals[-1] ** 2, self.variances[-1]
        rate, surprise = self.intensities[-1], self.expected_jumps[-1] - self.intensities[-1]
        for h in range(horizon):
            variance = p["omega"] + p["alpha"] * residual2 + p["beta"] * variance
            rate = p["intensity"] + p["rho"] * rate + p["gamma"] * surprise
            surprise = 0.0  # what is expected of a surprise
            normal[h], jump[h], intensity[h] = variance, rate * second, rate
            residual2 = variance + rate * second
        return Forecast(self.forecast_mean(horizon), normal, jump, intensity)

    def forecast_mean(self, horizon: int) -> Array:
        """(horizon,) by the ARMA recursion, future residuals 0."""
        mean = self.parameters["mean"]
        phi = [self.parameters[f"phi_{i + 1}"] for i in range(self.spec.autoregressive)]
        theta = [self.parameters[f"theta_{j + 1}"] for j in range(self.spec.moving_average)]
        values, residuals = (self.values - mean).tolist(), self.residuals.tolist()
        for _ in range(horizon):
            following = sum(phi[i] * values[-1 - i] for i in range(len(phi)))
            following += sum(theta[j] * residuals[-1 - j] for j in range(len(theta)))
            values.append(following)
            residuals.append(0.0)
        return mean + np.array(values[-horizon:])


def fit_jump_garch(values: ArrayLike, spec: JumpSpec | None = None) -> JumpGarchFit:
    """Maximum likelihood on values (n,): returns, or log prices with difference 1.

    Own likelihood with exact derivatives, L-BFGS-B in coordinates free of bounds, a short run from each of three
    starts and a long one from the best. Never raises for a short or constant series: the health says so. Raises Fault
    for another shape, DataFault for a value that is not finite.
    """
    began = time.perf_counter()
    spec = spec or JumpSpec()
    given = np.ascontiguousarray(values, dtype=np.float64)
    if given.ndim != 1:
        raise Fault(f"values have {given.ndim} dimensions: one series at a time")
    wrong = np.flatnonzero(~np.isfinite(given))
    if wrong.size:
        raise DataFault(f"value {wrong[0]} is {given[wrong[0]]:g}: leave it out or mend it")
    series = np.diff(given, spec.difference) if given.size > spec.difference else given[:0]
    reason = usable(series, FEWEST)
    likelihood = Likelihood(series if reason is None else np.zeros(1), spec)
    if reason is not None:
        empty = np.empty(0)
        return JumpGarchFit(
            dict.fromkeys(likelihood.names, float("nan")), {}, float("nan"), False, reason, series.size,
            (f"{reason.code}: {reason.note}",), time.perf_counter() - began, spec, series, empty, empty, empty, empty,
        )  # fmt: skip
    point, converged = maximised(likelihood)
    natural = likelihood.natural(point)
    loglik = likelihood.loglik(natural)
    scale = likelihood.scale
    paths = likelihood.paths.copy()
    errors, notes = standard_errors(likelihood, natural)
    parameters = natural * likelihood.unit
    parameters[0] += likelihood.centre
    return JumpGarchFit(
        parameters=dict(zip(likelihood.names, parameters.tolist(), strict=True)),
        standard_errors=errors,
        loglik=loglik - series.size * float(np.log(scale)),
        converged=converged,
        health=health_of(converged, natural),
        n=series.size,
        notes=tuple(notes),
        seconds=time.perf_counter() - began,
        spec=spec,
        values=series,
        residuals=scale * paths[0],
        variances=scale * scale * paths[1],
        intensities=paths[2],
        expected_jumps=paths[3],
    )


class Likelihood:
    """The model of a standardised series, in natural parameters and in coordinates free of bounds."""

    def __init__(self, series: Array, spec: JumpSpec) -> None:
        self.spec = spec
        self.centre, self.scale = float(series.mean()), float(series.std()) or 1.0
        self.values = (series - self.centre) / self.scale
        ar, ma = spec.autoregressive, spec.moving_average
        self.names = (
            "mean", *(f"phi_{i + 1}" for i in range(ar)), *(f"theta_{j + 1}" for j in range(ma)),
            "omega", "alpha", "beta", "intensity", "rho", "gamma", "jump_mean", "jump_volatility",
        )  # fmt: skip
        s = self.scale
        self.unit = np.array([s, *([1.0] * (ar + ma)), s * s, 1.0, 1.0, 1.0, 1.0, 1.0, s, s])
        self.fixed = np.zeros(len(self.names), dtype=bool)
        if not spec.moving_intensity:
            self.fixed[-4:-2] = True  # rho and gamma are 0
        self.paths = np.empty((4, self.values.size))
        self.increments = np.empty(self.values.size)
        self._terms = np.empty(JUMPS_PER_OBSERVATION)
        self._slopes = np.zeros((self.values.size, len(self.names)))
        self._scores = np.empty((self.values.size, len(self.names)))

    def loglik(self, natural: Array) -> float:
        """At natural parameters, in the order of `names`; fills the paths (4, n) and the increments (n,)."""
        found: float = kernel.garch_jump_filter(
            self.values, squared(natural), self.spec.autoregressive, self.spec.moving_average, START_VARIANCE,
            self._terms, self.paths, self.increments,
        )  # fmt: skip
        return found

    def scores(self, natural: Array) -> tuple[float, Array]:
        """(log-likelihood, its derivatives by the natural parameters value by value (n, p)), exact."""
        found: float = kernel.garch_jump_scores(
            self.values, squared(natural), self.spec.autoregressive, self.spec.moving_average, START_VARIANCE,
            self._terms, self.paths, self.increments, self._slopes, self._scores,
        )  # fmt: skip
        self._scores[:, -1] *= 2.0 * natural[-1]
        return found, self._scores

    def score_sums(self, natural: Array) -> Array:
        return np.asarray(self.scores(natural)[1].sum(axis=0), dtype=np.float64)

    def loss(self, x: Array) -> tuple[float, Array]:
        """(mean negative log-likelihood, its gradient) in the coordinates free of bounds."""
        value, scores = self.scores(self.natural(x))
        n = self.values.size
        if not np.isfinite(value):
            return 1e10, np.zeros(x.size)
        gradient = -(scores.sum(axis=0) @ self.jacobian(x)) / n
        return -value / n, np.where(self.fixed, 0.0, gradient)

    def jacobian(self, x: Array) -> Array:
        """d natural / d free coordinates (p, p), by central differences of a cheap formula."""
        steps = 1e-6 * np.eye(x.size)
        return np.column_stack([(self.natural(x + step) - self.natural(x - step)) / 2e-6 for step in steps])

    def natural(self, x: Array) -> Array:
        """Natural parameters of free coordinates.

        Lags by partial autocorrelations (Monahan 1984), variances by logarithms, alpha + beta, alpha's share of it,
        rho and gamma's share of rho by logistic functions.
        """
        ar, ma = self.spec.autoregressive, self.spec.moving_average
        found = x.copy()
        found[1 : 1 + ar] = stationary(np.tanh(x[1 : 1 + ar]))
        found[1 + ar : 1 + ar + ma] = -stationary(np.tanh(x[1 + ar : 1 + ar + ma]))
        omega, persistence, share, intensity, rho, gamma, jump_mean, jump = x[1 + ar + ma :]
        both = expit(persistence)
        memory = expit(rho) if self.spec.moving_intensity else 0.0
        found[1 + ar + ma :] = (
            np.exp(omega), both * expit(share), both * (1.0 - expit(share)),
            np.exp(intensity) * (1.0 - memory), memory, memory * expit(gamma), jump_mean, np.exp(jump),
        )  # fmt: skip
        return found

    def bounds(self) -> list[tuple[float, float]]:
        """Of the coordinates: wide enough for daily and intraday returns, narrow enough for a finite likelihood.

        Standardised: omega 1e-6 to 2.7, alpha + beta 0.12 to 0.9999, long-run intensity 4.5e-4 to 1.6 jumps a value,
        jump deviation 0.2 to 20, jump mean -5 to 5.
        """
        lags = self.spec.autoregressive + self.spec.moving_average
        return [
            (-2.0, 2.0), *([(-2.6, 2.6)] * lags), (-14.0, 1.0), (-2.0, 9.2), (-7.0, 4.0),
            (-7.7, 0.5), (-4.0, 6.0), (-6.0, 6.0), (-5.0, 5.0), (-1.6, 3.0),
        ]  # fmt: skip

    def start(self, persistence: float, share: float, intensity: float, jump: float) -> Array:
        """Free coordinates that have about the variance of the series."""
        lags = self.spec.autoregressive + self.spec.moving_average
        jumps = min(0.6, np.exp(intensity + 2.0 * jump))
        omega = (1.0 - expit(persistence)) * (1.0 - jumps)
        return np.array([0.0, *([0.0] * lags), np.log(omega), persistence, share, intensity, 1.5, 0.0, 0.0, jump])


def stationary(partial: Array) -> Array:
    """Coefficients of a stationary autoregression from its partial autocorrelations (p,): Durbin-Levinson."""
    found: Array = np.empty(0)
    for value in partial:
        found = np.append(found - value * found[::-1], value)
    return found


def squared(natural: Array) -> Array:
    """The kernel's parameters: the jumps' variance instead of their deviation."""
    found = natural.copy()
    found[-1] *= found[-1]
    return found


def maximised(likelihood: Likelihood) -> tuple[Array, bool]:
    """(free coordinates, converged) of the best point."""
    bounds = likelihood.bounds()
    lower, upper = np.array(bounds).T

    def run(start: Array, iterations: int) -> tuple[float, Array]:
        found = minimize(
            likelihood.loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": iterations, "ftol": 1e-14, "gtol": 1e-8},
        )  # fmt: skip
        return float(found.fun), found.x

    tried = [run(likelihood.start(*start), SHORT_ITERATIONS) for start in STARTS]
    _, best = run(min(tried, key=lambda found: found[0])[1], ITERATIONS)
    step = np.clip(best - likelihood.loss(best)[1], lower, upper) - best
    return best, bool(np.abs(step).max() < FLAT)


def standard_errors(likelihood: Likelihood, natural: Array) -> tuple[dict[str, dict[str, float]], list[str]]:
    """From exact scores and the differences of their sum; parameters at a bound are held there and noted."""
    names = likelihood.names
    free = ~likelihood.fixed & np.array(
        [not (name in LEAST and value < LEAST[name]) for name, value in zip(names, natural, strict=True)]
    )
    notes = [f"AT_BOUND: {names[i]} is at its bound" for i in np.flatnonzero(~free & ~likelihood.fixed)]
    information = information_of(likelihood.score_sums, natural, free)
    scores = likelihood.scores(natural)[1]
    errors, more = errors_from(names, information, scores, free, likelihood.unit)
    return errors, [*notes, *more]
