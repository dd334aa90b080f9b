"""Dynamic correlation of residuals that any univariate model has standardised: GJR with t errors, say."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernels.device import Mode
from models.dependence.composite import CompositeLikelihood, composite_errors
from models.dependence.correlation import nearest_correlation, positive_definite
from models.dependence.data import checked
from models.dependence.estimators import (
    DYNAMICS,
    LEAST_ROWS,
    dynamics_with,
    singular_refused,
    twins_refused,
    unit_diagonal,
)
from models.dependence.likelihood import CorrelationLikelihood, negative_moments, second_moments
from models.dependence.margins import MarginState
from models.dependence.resident import resident
from models.dependence.result import Dynamics, judged, next_correlation, path_of
from models.dependence.two_step import DynamicsEstimate, asymmetry_of, fit_dynamics
from models.dependence.two_step_errors import dynamics_errors, moment_influence
from models.faults import Fault
from models.health import Health

Floats = NDArray[np.float64]
NONE = np.zeros(0, dtype=np.int64)
MARGINS_KNOWN = "MARGINS_KNOWN: standard errors take the standardised residuals as data, not as estimates"


@dataclass(frozen=True)
class CorrelationFit:
    """Dynamics of the correlation of given residuals; fields as in `DependenceFit`.

    `loglik` is what correlation adds to the margins' own log-likelihoods, under a normal density.
    """

    estimator: str
    names: tuple[str, ...]
    parameters: dict[str, float]
    standard_errors: dict[str, dict[str, float]]
    loglik: float
    converged: bool
    persistence: float
    health: Health
    dynamics: Dynamics
    correlation: Floats
    quasi: Floats
    standardised: Floats
    n: int
    seconds: float
    notes: tuple[str, ...]

    @property
    def correlations(self) -> Floats:
        """R_1 to R_n, shape (n, series, series): made anew at each call."""
        path = np.empty((self.n, *self.quasi.shape))
        path_of(self.standardised, self.dynamics, path)
        return path


def fit_correlation(
    standardised: Floats,
    *,
    estimator: str = "two-step",
    asymmetric: bool = False,
    window: int | None = None,
    names: Sequence[str] | None = None,
    warm: CorrelationFit | None = None,
    device: Mode = "off",
) -> CorrelationFit:
    """The second step alone: `standardised` (n, series) residuals, say `fit_batch(...).standardised.T`.

    `estimator` two-step or composite, targets the moments of the residuals; the other arguments as in `fit_dcc`.
    """
    began = time.perf_counter()
    if estimator not in ("two-step", "composite"):
        raise Fault(f"estimator {estimator!r}: must be one of two-step, composite")
    e, labels = checked(standardised, names, least=LEAST_ROWS, window=window)
    if len(labels) < 2:
        raise Fault("dynamic correlation needs at least two series")
    raw, negative = second_moments(e), negative_moments(e)
    target, note = positive_definite(raw)
    full = CorrelationLikelihood(e, target, negative)
    found, errors, where = searched(full, raw, labels, estimator, asymmetric, warm, device)
    dynamics = dynamics_with(target, negative, found.parameters)
    correlation, quasi = next_correlation(e, dynamics)
    correlation, second_note = nearest_correlation(correlation)
    keys = DYNAMICS[: len(found.parameters)]
    loglik = full.loglik(*found.parameters)
    at_bound = tuple(key for key, value in zip(keys, found.parameters, strict=True) if value <= 0.0)
    return CorrelationFit(
        estimator=estimator,
        names=labels,
        parameters=dict(zip(keys, found.parameters.tolist(), strict=True)),
        standard_errors={kind: dict(zip(keys, values.tolist(), strict=True)) for kind, values in errors.items()},
        loglik=loglik,
        converged=found.converged,
        persistence=found.persistence,
        health=judged(found.converged and bool(np.isfinite(loglik)), at_bound, 0.0, found.persistence),
        dynamics=dynamics,
        correlation=correlation,
        quasi=quasi,
        standardised=e,
        n=len(e),
        seconds=time.perf_counter() - began,
        notes=tuple(text for text in (*where, MARGINS_KNOWN, note, second_note) if text is not None),
    )


def searched(
    full: CorrelationLikelihood,
    raw: Floats,
    names: Sequence[str],
    estimator: str,
    asymmetric: bool,
    warm: CorrelationFit | None,
    device: Mode,
) -> tuple[DynamicsEstimate, dict[str, Floats], tuple[str, ...]]:
    """Dynamics, their standard errors, and where they were searched; `raw` are the moments before any repair."""
    e = full.standardised
    keys = DYNAMICS[: 3 if asymmetric else 2]
    start = None
    if warm is not None and all(key in warm.parameters for key in keys):
        start = np.array([warm.parameters[key] for key in keys])
    asymmetry = asymmetry_of(full.target, full.negative_target) if asymmetric else None
    if estimator == "composite":
        twins_refused(unit_diagonal(raw), names)
        pairs = CompositeLikelihood(e, raw, full.negative_target)
        held = resident(pairs, device)
        found = fit_dynamics(pairs.loglik, len(e), asymmetry, start, many=held.many, slopes=held.slopes)
        return found, composite_errors(pairs, found, held.many, held.by_time), held.notes
    singular_refused(unit_diagonal(raw), names, len(e))
    held = resident(full, device)
    found = fit_dynamics(full.loglik, len(e), asymmetry, start, many=held.many, slopes=held.slopes)
    known = np.empty((len(e), 0))
    state = MarginState(e, e, e, known, known, np.zeros(0))
    dynamics = dynamics_with(full.target, full.negative_target, found.parameters)
    moments = moment_influence(e, full.target, dynamics, found.persistence)
    return found, dynamics_errors(full, found, state, NONE, known, moments), held.notes
