"""Constant and dynamic conditional correlation with GARCH(1,1) margins, and what a fit reports."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kernels.device import Mode
from models.dependence.correlation import nearest_correlation
from models.dependence.estimators import (
    Estimate,
    FirstStep,
    composite_dcc,
    first_step,
    joint,
    second_step,
    two_step_ccc,
    two_step_dcc,
)
from models.dependence.result import DependenceFit, judged, next_correlation
from models.dependence.standard_errors import KINDS
from models.dependence.two_step import persistence_of
from models.faults import Fault
from models.volatility.spec import ERRORS

Floats = NDArray[np.float64]
JOINT_ON_CPU = "DEVICE: the CPU (the joint likelihood has no GPU kernel)"
CCC_ESTIMATORS = ("joint", "two-step")
JOINT_START = (0.002, 0.2, 0.0)  # at a = 0 the likelihood does not depend on b: no search begins there
DCC_ESTIMATORS = ("two-step", "joint", "composite")


def fit_ccc(
    returns: Floats,
    *,
    names: Sequence[str] | None = None,
    mean: str = "constant",
    estimator: str = "joint",
    errors: str = "normal",
    window: int | None = None,
    warm: DependenceFit | None = None,
) -> DependenceFit:
    """Constant conditional correlation, Bollerslev (1990), of `returns` (n, series).

    `mean`: zero, constant, var1 or equations such as `honda=L.nissan` (see `means`). `estimator`: `joint` likelihood of
    means, GARCH and correlations, or `two-step` (margins one by one, then the correlations of their standardised
    residuals). `window`: only the last so many rows count. `warm`: an earlier fit to start from. Presample squares and
    variances are the mean squared residual. `errors` of the margins: normal, t or skewt (Hansen 1994); others than
    normal need `two-step`, whose second step is the normal quasi-likelihood of the residuals they standardise.
    Fault or DataFault: data or arguments that cannot be used.
    """
    began = time.perf_counter()
    chosen(estimator, CCC_ESTIMATORS)
    possible(errors, estimator)
    first = first_step(returns, names, mean, window, warm, errors)
    estimate = two_step_ccc(first)
    if estimator == "joint":
        estimate = joint(first, 0, np.empty(0), estimate.loglik)
    return laid_out("ccc", estimator, first, estimate, began)


def fit_dcc(
    returns: Floats,
    *,
    estimator: str = "two-step",
    errors: str = "normal",
    asymmetric: bool = False,
    window: int | None = None,
    mean: str = "constant",
    names: Sequence[str] | None = None,
    warm: DependenceFit | None = None,
    device: Mode = "off",
) -> DependenceFit:
    """Dynamic conditional correlation, Engle (2002), of `returns` (n, series); other arguments as in `fit_ccc`.

    `estimator`: `two-step` with correlation targeting (fast: what is refreshed live), `joint` (means, GARCH,
    correlations and dynamics in one likelihood; at most 20 series) or `composite` (margins one by one, dynamics from
    the likelihoods of all pairs: for many series). `asymmetric`: the g term of Cappiello, Engle and Sheppard (2006).
    `device` off, auto or require a GPU for the search of the dynamics and the errors of `composite`; a note DEVICE says
    where that was. Margins, other standard errors and the joint likelihood are computed on the CPU.
    """
    began = time.perf_counter()
    chosen(estimator, DCC_ESTIMATORS)
    possible(errors, estimator)
    first = first_step(returns, names, mean, window, warm, errors)
    if len(first.names) < 2:
        raise Fault("dynamic correlation needs at least two series")
    if estimator == "composite":
        return laid_out("dcc", estimator, first, composite_dcc(first, asymmetric, warm, device), began)
    sample, second, notes = second_step(first, asymmetric, warm, device if estimator == "two-step" else "off")
    if estimator == "two-step":
        estimate = two_step_dcc(first, second, sample, notes)
    else:
        start = np.maximum(second.parameters, JOINT_START[: len(second.parameters)])
        estimate = joint(first, len(start), start, first.state.loglik + second.loglik)
        if device != "off":
            estimate = replace(estimate, notes=(JOINT_ON_CPU, *estimate.notes))
    return laid_out("dcc", estimator, first, estimate, began)


def laid_out(model: str, estimator: str, first: FirstStep, estimate: Estimate, began: float) -> DependenceFit:
    """The result in the form that callers and reports read."""
    dynamics, state = estimate.dynamics, estimate.state
    parameters = dict(zip(estimate.labels, (float(x) for x in estimate.parameters), strict=True))
    estimated = np.array(first.names) if estimator == "joint" else np.array(first.names)[~first.replaced]
    margins = max((parameters[f"{name}.alpha"] + parameters[f"{name}.beta"] for name in estimated), default=0.0)
    own = persistence_of(np.array([dynamics.a, dynamics.b, dynamics.g]), estimate.asymmetry)
    correlation, quasi = next_correlation(state.standardised, dynamics)
    correlation, note = nearest_correlation(correlation)
    deviations = np.sqrt(state.variances[-1])
    return DependenceFit(
        model=model,
        estimator=estimator,
        names=first.names,
        mean=first.mean,
        start_variance="benchmark",
        errors=first.errors,
        parameters=parameters,
        standard_errors={
            kind: dict(zip(estimate.labels, (float(x) for x in estimate.errors[kind]), strict=True)) for kind in KINDS
        },
        loglik=float(estimate.loglik),
        two_step_loglik=estimate.two_step_loglik,
        composite_loglik=estimate.composite_loglik,
        converged=estimate.converged,
        persistence=own if model == "dcc" else margins,
        health=judged(estimate.converged and bool(np.isfinite(estimate.loglik)), estimate.at_bound, margins, own),
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
        notes=estimate.notes if note is None else (*estimate.notes, note),
    )


def chosen(estimator: str, allowed: tuple[str, ...]) -> None:
    if estimator not in allowed:
        raise Fault(f"estimator {estimator!r}: must be one of {', '.join(allowed)}")


def possible(errors: str, estimator: str) -> None:
    """Raises Fault for errors that the estimator has no likelihood for."""
    if errors not in ERRORS:
        raise Fault(f"errors {errors!r}: must be one of {', '.join(ERRORS)}")
    if errors != "normal" and estimator == "joint":
        raise Fault(f"errors {errors}: the joint likelihood is a normal one; use the estimator two-step")
