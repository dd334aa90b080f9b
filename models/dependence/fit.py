"""Constant and dynamic conditional correlation with GARCH(1,1) margins: the estimators and what they report."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.reference import correlations as normalised
from models.dependence.correlation import collinear, nearest_correlation
from models.dependence.data import checked
from models.dependence.joint import JointModel, maximise
from models.dependence.likelihood import CorrelationLikelihood, negative_moments, second_moments
from models.dependence.margins import Margins, MarginState, fit_margins
from models.dependence.means import equations_of
from models.dependence.result import DependenceFit, Dynamics, Health, next_correlation
from models.dependence.standard_errors import KINDS, likelihood_errors
from models.dependence.two_step import (
    LARGEST_PERSISTENCE,
    asymmetry_of,
    correlation_errors,
    dynamics_errors,
    fit_dynamics,
    margin_errors,
    margin_hessians,
    margin_influence,
    persistence_of,
)
from models.faults import DataFault, Fault

Floats = NDArray[np.float64]
SINGULAR = 1e-10  # smallest eigenvalue of the correlations of standardised residuals that a likelihood can take
LEAST_ROWS = 100
DYNAMICS = ("dcc.a", "dcc.b", "dcc.g")
LARGEST_JOINT = 30


@dataclass(frozen=True)
class FirstStep:
    """Margins fitted one by one, and the correlations of what they leave."""

    margins: Margins
    mean: str
    parameters: Floats
    converged: tuple[bool, ...]
    state: MarginState
    target: Floats
    negative_target: Floats

    @property
    def names(self) -> tuple[str, ...]:
        return self.margins.equations.names

    @property
    def at_bound(self) -> NDArray[np.bool_]:
        """Margin parameters on their bound of zero."""
        return self.margins.garch & (self.parameters <= 0.0)

    @property
    def correlation(self) -> Floats:
        correlation = normalised(self.target)
        np.fill_diagonal(correlation, 1.0)
        return correlation


@dataclass(frozen=True)
class Estimate:
    """What an estimator found, before it is laid out as a `DependenceFit`."""

    labels: tuple[str, ...]
    parameters: Floats
    errors: dict[str, Floats]
    loglik: float
    two_step_loglik: float | None
    converged: bool
    at_bound: tuple[str, ...]
    asymmetry: float
    state: MarginState
    dynamics: Dynamics
    notes: tuple[str, ...]


def fit_ccc(
    returns: Floats,
    *,
    names: Sequence[str] | None = None,
    mean: str = "constant",
    estimator: str = "joint",
    window: int | None = None,
    warm: DependenceFit | None = None,
) -> DependenceFit:
    """Constant conditional correlation, Bollerslev (1990), of `returns` (n, series).

    `mean`: zero, constant, var1 or equations such as `honda=L.nissan` (see `means`). `estimator`: `joint` likelihood of
    means, GARCH and correlations, or `two-step` (margins one by one, then the correlations of their standardised
    residuals). `window`: only the last so many rows count. `warm`: an earlier fit to start from. Presample squares and
    variances are the mean squared residual. Fault or DataFault: data or arguments that cannot be used.
    """
    began = time.perf_counter()
    chosen(estimator, ("joint", "two-step"), "estimator")
    first = first_step(returns, names, mean, window, warm)
    singular_refused(first)
    estimate = joint(first, 0, np.empty(0), None) if estimator == "joint" else two_step_ccc(first)
    return laid_out("ccc", estimator, first, estimate, began)


def fit_dcc(
    returns: Floats,
    *,
    estimator: str = "two-step",
    asymmetric: bool = False,
    window: int | None = None,
    mean: str = "constant",
    names: Sequence[str] | None = None,
    warm: DependenceFit | None = None,
) -> DependenceFit:
    """Dynamic conditional correlation, Engle (2002), of `returns` (n, series); arguments as in `fit_ccc`.

    `estimator`: `two-step` with correlation targeting (fast: what is refreshed live) or `joint`: means, GARCH,
    correlations and dynamics in one likelihood. `asymmetric`: the g term of Cappiello, Engle and Sheppard (2006).
    """
    began = time.perf_counter()
    chosen(estimator, ("two-step", "joint"), "estimator")
    first = first_step(returns, names, mean, window, warm)
    if len(first.names) < 2:
        raise Fault("dynamic correlation needs at least two series")
    singular_refused(first)
    sample = CorrelationLikelihood(first.state.standardised, first.target, first.negative_target)
    asymmetry = asymmetry_of(first.target, first.negative_target) if asymmetric else None
    start = None if warm is None else dynamics_of(warm, asymmetric)
    second = fit_dynamics(sample.loglik, len(first.state.standardised), asymmetry, start)
    two_step_loglik = first.state.loglik + second.loglik
    if estimator == "joint":
        estimate = joint(first, 3 if asymmetric else 2, second.parameters, two_step_loglik)
    else:
        hessians = margin_hessians(first.margins, first.parameters, first.state.scores)
        influence = margin_influence(first.margins, first.state, hessians)
        owners = first.margins.owners
        parts = (
            margin_errors(first.margins, first.state, hessians),
            repeated(correlation_errors(first.state, first.correlation, owners, influence)),
            dynamics_errors(sample, second, first.state, owners, influence),
        )
        labels = DYNAMICS[: len(second.parameters)]
        bound = (first.at_bound, np.zeros(len(pair_labels(first.names)), bool), second.parameters <= 0.0)
        names_all = (*first.margins.labels, *pair_labels(first.names), *labels)
        estimate = Estimate(
            names_all,
            np.concatenate([first.parameters, packed(first.correlation), second.parameters]),
            {kind: np.concatenate([part[kind] for part in parts]) for kind in KINDS},
            two_step_loglik,
            two_step_loglik,
            second.converged and all(first.converged),
            tuple(np.array(names_all)[np.concatenate(bound)]),
            second.asymmetry,
            first.state,
            dynamics_with(first.target, first.negative_target, second.parameters),
            (),
        )
    return laid_out("dcc", estimator, first, estimate, began)


def first_step(
    returns: Floats, names: Sequence[str] | None, mean: str, window: int | None, warm: DependenceFit | None
) -> FirstStep:
    values, labels = checked(returns, names, least=LEAST_ROWS, window=window)
    margins = Margins(equations_of(values, labels, mean))
    start = None
    if warm is not None and all(label in warm.parameters for label in margins.labels):
        start = np.array([warm.parameters[label] for label in margins.labels])
    parameters, converged = fit_margins(margins, start)
    state = margins.evaluate(parameters)
    target, negative = second_moments(state.standardised), negative_moments(state.standardised)
    return FirstStep(margins, mean, parameters, tuple(converged), state, target, negative)


def two_step_ccc(first: FirstStep) -> Estimate:
    """Margins one by one, then the correlations of the standardised residuals."""
    hessians = margin_hessians(first.margins, first.parameters, first.state.scores)
    influence = margin_influence(first.margins, first.state, hessians)
    errors = margin_errors(first.margins, first.state, hessians)
    spread = correlation_errors(first.state, first.correlation, first.margins.owners, influence)
    dynamics = dynamics_with(first.correlation, first.negative_target, np.zeros(2))
    sample = CorrelationLikelihood(first.state.standardised, dynamics.target, dynamics.negative_target)
    loglik = first.state.loglik + sample.loglik(0.0, 0.0)
    labels = (*first.margins.labels, *pair_labels(first.names))
    return Estimate(
        labels,
        np.concatenate([first.parameters, packed(first.correlation)]),
        {kind: np.concatenate([errors[kind], spread]) for kind in KINDS},
        loglik,
        loglik,
        all(first.converged),
        tuple(np.array(first.margins.labels)[first.at_bound]),
        0.0,
        first.state,
        dynamics,
        (),
    )


def joint(first: FirstStep, dynamics: int, start: Floats, two_step_loglik: float | None) -> Estimate:
    """One likelihood for everything, from the two-step estimate."""
    if len(first.names) > LARGEST_JOINT:
        raise Fault(f"{len(first.names)} series: the joint likelihood takes at most {LARGEST_JOINT}; use two-step")
    model = JointModel(first.margins, dynamics)
    if two_step_loglik is None:
        two_step_loglik = two_step_ccc(first).loglik
    inside = np.where(start > 0, start, 0.0)
    found = maximise(model, np.concatenate([first.parameters, packed(first.correlation), inside]))
    _, correlation, _ = model.split(found.parameters)
    parameters = found.parameters[len(found.parameters) - dynamics :]
    negative = negative_moments(found.state.standardised)
    return Estimate(
        model.labels,
        found.parameters,
        likelihood_errors(found.hessian, found.scores, ~found.at_bound),
        found.loglik,
        two_step_loglik,
        found.converged,
        tuple(np.array(model.labels)[found.at_bound]),
        asymmetry_of(correlation, negative) if dynamics > 2 else 0.0,
        found.state,
        dynamics_with(correlation, negative, parameters if dynamics else np.zeros(2)),
        (),
    )


def laid_out(model: str, estimator: str, first: FirstStep, estimate: Estimate, began: float) -> DependenceFit:
    """The result in the form that callers and reports read."""
    dynamics, state = estimate.dynamics, estimate.state
    parameters = dict(zip(estimate.labels, (float(x) for x in estimate.parameters), strict=True))
    margins = [parameters[f"{name}.alpha"] + parameters[f"{name}.beta"] for name in first.names]
    own = persistence_of(np.array([dynamics.a, dynamics.b, dynamics.g]), estimate.asymmetry)
    correlation, quasi = next_correlation(state.standardised, dynamics)
    correlation, note = nearest_correlation(correlation)
    deviations = np.sqrt(state.variances[-1])
    notes = estimate.notes if note is None else (*estimate.notes, note)
    health = health_of(estimate, max(margins), own)
    return DependenceFit(
        model=model,
        estimator=estimator,
        names=first.names,
        mean=first.mean,
        start_variance="benchmark",
        parameters=parameters,
        standard_errors={
            kind: dict(zip(estimate.labels, (float(x) for x in estimate.errors[kind]), strict=True)) for kind in KINDS
        },
        loglik=float(estimate.loglik),
        two_step_loglik=estimate.two_step_loglik,
        converged=estimate.converged,
        persistence=own if model == "dcc" else max(margins),
        health=health,
        dynamics=dynamics,
        correlation=correlation,
        covariance=correlation * np.outer(deviations, deviations),
        next_variances=state.variances[-1].copy(),
        variances=state.variances[:-1],
        residuals=state.residuals,
        standardised=state.standardised,
        quasi=quasi,
        n=len(state.residuals),
        seconds=time.perf_counter() - began,
        notes=notes,
    )


def health_of(estimate: Estimate, margin_persistence: float, persistence: float) -> Health:
    if not estimate.converged or not np.isfinite(estimate.loglik):
        return Health(False, "NOT_CONVERGED", "the search stopped before the likelihood was at its top")
    if margin_persistence >= 1.0 or persistence >= 1.0:
        return Health(
            False, "NOT_STATIONARY", f"alpha + beta up to {margin_persistence:.6f}, correlation {persistence:.6f}"
        )
    if estimate.at_bound or persistence > LARGEST_PERSISTENCE - 1e-9:
        where = ", ".join(estimate.at_bound) or "a + b = 1"
        return Health(True, "AT_BOUND", f"at the edge of what is allowed: {where}; no standard error there")
    return Health(True, "OK", "converged, stationary")


def singular_refused(first: FirstStep) -> None:
    smallest = float(np.linalg.eigvalsh(first.correlation)[0])
    if smallest < SINGULAR:
        raise DataFault(
            f"{', '.join(collinear(first.correlation, first.names))}: their standardised residuals are linearly "
            f"dependent (smallest eigenvalue {smallest:.1e}); drop one of them, or use more rows than series"
        )


def chosen(value: str, allowed: tuple[str, ...], what: str) -> None:
    if value not in allowed:
        raise Fault(f"{what} {value!r}: must be one of {', '.join(allowed)}")


def dynamics_of(fit: DependenceFit, asymmetric: bool) -> Floats | None:
    labels = DYNAMICS[: 3 if asymmetric else 2]
    if not all(label in fit.parameters for label in labels):
        return None
    return np.array([fit.parameters[label] for label in labels])


def dynamics_with(target: Floats, negative_target: Floats, parameters: Floats) -> Dynamics:
    a, b, g = (*(float(x) for x in parameters), 0.0)[:3]
    return Dynamics(a, b, g, target, negative_target)


def packed(matrix: Floats) -> Floats:
    return np.asarray(matrix[np.tril_indices(len(matrix), -1)])


def pair_labels(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"corr.{names[j]}.{names[i]}" for i in range(len(names)) for j in range(i))


def repeated(errors: Floats) -> dict[str, Floats]:
    return dict.fromkeys(KINDS, errors)
