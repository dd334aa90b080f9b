"""The estimators of constant and dynamic correlation: two-step, composite and joint likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kernels.dependence.reference import correlations as normalised
from kernels.device import Mode
from models.dependence.composite import CompositeLikelihood, composite_errors
from models.dependence.correlation import collinear, positive_definite
from models.dependence.data import checked
from models.dependence.joint import JointModel, maximise
from models.dependence.likelihood import CorrelationLikelihood, negative_moments, second_moments
from models.dependence.margins import Margins, MarginState, fit_margins, usable_margins
from models.dependence.means import equations_of
from models.dependence.resident import resident
from models.dependence.result import DependenceFit, Dynamics
from models.dependence.shaped_margins import ShapedMargins, fit_shaped
from models.dependence.standard_errors import KINDS, likelihood_errors
from models.dependence.two_step import DynamicsEstimate, asymmetry_of, fit_dynamics
from models.dependence.two_step_errors import (
    correlation_errors,
    dynamics_errors,
    margin_errors,
    margin_hessians,
    margin_influence,
    moment_influence,
)
from models.faults import DataFault, Fault

Floats = NDArray[np.float64]
SINGULAR = 1e-10  # smallest eigenvalue of the correlations of standardised residuals that a likelihood can take
LEAST_ROWS = 100
LARGEST_JOINT = 20  # 272 parameters: about a minute
SECOND_STEP_NORMAL = (
    "SECOND_STEP_NORMAL: correlation is estimated by the normal quasi-likelihood of residuals that the margins have "
    "standardised; loglik is the sum of both, no likelihood of one joint density"
)
DYNAMICS = ("dcc.a", "dcc.b", "dcc.g")


@dataclass(frozen=True)
class FirstStep:
    """Margins fitted one by one, and the moments of what they leave.

    `garch` are the parameters found, `parameters` those used: see `usable_margins`.
    """

    margins: Margins
    mean: str
    garch: Floats
    parameters: Floats
    replaced: NDArray[np.bool_]  # series whose GARCH could not be used
    state: MarginState
    target: Floats
    negative_target: Floats
    notes: tuple[str, ...]

    @property
    def free(self) -> NDArray[np.bool_]:
        """Margin parameters that were estimated and are not on their bound of zero."""
        return ~self.at_bound & ~self.replaced[self.margins.owners]

    @property
    def names(self) -> tuple[str, ...]:
        return self.margins.equations.names

    @property
    def at_bound(self) -> NDArray[np.bool_]:
        """Margin parameters that the search left on their bound of zero."""
        return self.margins.garch & (self.parameters <= 0.0) & ~self.replaced[self.margins.owners]

    @property
    def errors(self) -> str:
        return self.margins.errors if isinstance(self.margins, ShapedMargins) else "normal"

    @property
    def correlation(self) -> Floats:
        return unit_diagonal(self.target)


@dataclass(frozen=True)
class Estimate:
    """What an estimator found, before it is laid out as a `DependenceFit`; `errors` has (parameters,) a kind."""

    labels: tuple[str, ...]
    parameters: Floats
    errors: dict[str, Floats]
    loglik: float
    converged: bool
    at_bound: tuple[str, ...]
    state: MarginState
    dynamics: Dynamics
    asymmetry: float = 0.0
    two_step_loglik: float | None = None
    composite_loglik: float | None = None
    notes: tuple[str, ...] = field(default=())


def first_step(
    returns: Floats,
    names: Sequence[str] | None,
    mean: str,
    window: int | None,
    warm: DependenceFit | None,
    errors: str = "normal",
) -> FirstStep:
    """Checks the data and fits every series alone, from the parameters of `warm` where it has them."""
    values, labels = checked(returns, names, least=LEAST_ROWS, window=window)
    equations = equations_of(values, labels, mean)
    margins = Margins(equations) if errors == "normal" else ShapedMargins(equations, errors)
    start = None
    if warm is not None and all(label in warm.parameters for label in margins.labels):
        start = np.array([warm.parameters[label] for label in margins.labels])
    if isinstance(margins, ShapedMargins):
        garch, converged = fit_shaped(margins, start)
    else:
        garch, converged = fit_margins(margins, start)
    parameters, replaced, notes = usable_margins(margins, garch, converged)
    if errors != "normal":
        notes = (*notes, SECOND_STEP_NORMAL)
    state = margins.evaluate(parameters)
    target, negative = second_moments(state.standardised), negative_moments(state.standardised)
    return FirstStep(margins, mean, garch, parameters, replaced, state, target, negative, notes)


def two_step_ccc(first: FirstStep) -> Estimate:
    """Margins one by one, then the correlations of the standardised residuals."""
    singular_refused(first.correlation, first.names, len(first.state.residuals))
    moments = moment_influence(first.state.standardised, first.target, None, 0.0)
    errors, labels, parameters, _, notes = static_part(first, moments)
    dynamics = dynamics_with(first.correlation, first.negative_target, np.zeros(2))
    sample = CorrelationLikelihood(first.state.standardised, dynamics.target, dynamics.negative_target)
    loglik = first.state.loglik + sample.loglik(0.0, 0.0)
    bound = tuple(np.array(first.margins.labels)[first.at_bound])
    return Estimate(
        labels,
        parameters,
        errors,
        loglik,
        True,
        bound,
        first.state,
        dynamics,
        two_step_loglik=loglik,
        notes=notes,
    )


def two_step_dcc(
    first: FirstStep, second: DynamicsEstimate, sample: CorrelationLikelihood, device_notes: tuple[str, ...] = ()
) -> Estimate:
    """The margins and their correlations, then the dynamics with both as given; every error counts the steps before."""
    dynamics = dynamics_with(first.target, first.negative_target, second.parameters)
    moments = moment_influence(first.state.standardised, first.target, dynamics, second.persistence)
    errors, labels, parameters, influence, notes = static_part(first, moments)
    own = dynamics_errors(sample, second, first.state, first.margins.owners, influence, moments)
    loglik = first.state.loglik + second.loglik
    return with_dynamics(
        Estimate(
            labels,
            parameters,
            errors,
            loglik,
            second.converged,
            tuple(np.array(first.margins.labels)[first.at_bound]),
            first.state,
            dynamics,
            two_step_loglik=loglik,
            notes=(*device_notes, *notes),
        ),
        second,
        own,
    )


def second_step(
    first: FirstStep, asymmetric: bool, warm: DependenceFit | None, device: Mode
) -> tuple[CorrelationLikelihood, DynamicsEstimate, tuple[str, ...]]:
    """Dynamics by the likelihood of all series at once, and notes on where it was computed."""
    singular_refused(first.correlation, first.names, len(first.state.residuals))
    sample = CorrelationLikelihood(first.state.standardised, first.target, first.negative_target)
    asymmetry = asymmetry_of(first.target, first.negative_target) if asymmetric else None
    held, start = resident(sample, device), dynamics_of(warm, asymmetric)
    found = fit_dynamics(
        sample.loglik, len(first.state.standardised), asymmetry, start, many=held.many, slopes=held.slopes
    )
    return sample, found, held.notes


def composite_dcc(first: FirstStep, asymmetric: bool, warm: DependenceFit | None, device: Mode = "off") -> Estimate:
    """Dynamics by the likelihoods of all pairs; the target may be singular, then it is repaired with a note."""
    twins_refused(first.correlation, first.names)
    repaired, note = positive_definite(first.target)
    sample = CompositeLikelihood(first.state.standardised, first.target, first.negative_target)
    asymmetry = asymmetry_of(repaired, first.negative_target) if asymmetric else None
    held, start = resident(sample, device), dynamics_of(warm, asymmetric)
    second = fit_dynamics(
        sample.loglik, len(first.state.standardised), asymmetry, start, many=held.many, slopes=held.slopes
    )
    hessians = margin_hessians(first.margins, first.parameters, first.state.scores)
    full = CorrelationLikelihood(first.state.standardised, repaired, first.negative_target)
    notes = [
        *held.notes,
        *first.notes,
        "FIRST_STEP_NOT_COUNTED: standard errors of the dynamics take margins and target as known",
    ]
    return with_dynamics(
        Estimate(
            first.margins.labels,
            first.parameters,
            margin_errors(first.margins, first.state, hessians, first.free),
            first.state.loglik + full.loglik(*second.parameters),
            second.converged,
            tuple(np.array(first.margins.labels)[first.at_bound]),
            first.state,
            dynamics_with(repaired, first.negative_target, second.parameters),
            composite_loglik=second.loglik,
            notes=tuple(notes if note is None else [*notes, note]),
        ),
        second,
        composite_errors(sample, second, held.many, held.by_time),
    )


def joint(first: FirstStep, dynamics: int, start: Floats, two_step_loglik: float) -> Estimate:
    """One likelihood for everything, from the two-step estimate; `dynamics` of a, b, g are free, from `start`."""
    if len(first.names) > LARGEST_JOINT:
        raise Fault(f"{len(first.names)} series: the joint likelihood takes at most {LARGEST_JOINT}; use two-step")
    model = JointModel(first.margins, dynamics)
    found = maximise(model, np.concatenate([first.garch, packed(first.correlation), start]))
    _, correlation, coefficients = model.split(found.parameters)
    negative = negative_moments(found.state.standardised)
    return Estimate(
        model.labels,
        found.parameters,
        likelihood_errors(found.hessian, found.scores, ~found.at_bound),
        found.loglik,
        found.converged,
        tuple(np.array(model.labels)[found.at_bound]),
        found.state,
        dynamics_with(correlation, negative, np.array(coefficients)),
        asymmetry_of(correlation, negative) if dynamics > 2 else 0.0,
        two_step_loglik,
    )


def static_part(
    first: FirstStep, moments: Floats
) -> tuple[dict[str, Floats], tuple[str, ...], Floats, Floats, tuple[str, ...]]:
    """Errors, labels, values of the margin parameters and of the correlations they leave; rows' influence; notes."""
    hessians = margin_hessians(first.margins, first.parameters, first.state.scores)
    errors = margin_errors(first.margins, first.state, hessians, first.free)
    influence, notes = margin_influence(first.margins, first.state, hessians, first.free)
    notes = (*first.notes, *notes)
    spread = correlation_errors(first.state, first.correlation, first.margins.owners, influence, moments)
    labels = (*first.margins.labels, *pair_labels(first.names))
    parameters = np.concatenate([first.parameters, packed(first.correlation)])
    return (
        {kind: np.concatenate([errors[kind], spread]) for kind in KINDS},
        labels,
        parameters,
        influence,
        notes,
    )


def with_dynamics(estimate: Estimate, second: DynamicsEstimate, errors: dict[str, Floats]) -> Estimate:
    """`estimate` with a, b (and g) appended."""
    labels = DYNAMICS[: len(second.parameters)]
    return Estimate(
        (*estimate.labels, *labels),
        np.concatenate([estimate.parameters, second.parameters]),
        {kind: np.concatenate([estimate.errors[kind], errors[kind]]) for kind in KINDS},
        estimate.loglik,
        estimate.converged,
        (*estimate.at_bound, *np.array(labels)[second.parameters <= 0.0]),
        estimate.state,
        estimate.dynamics,
        second.asymmetry,
        estimate.two_step_loglik,
        estimate.composite_loglik,
        estimate.notes,
    )


def singular_refused(correlation: Floats, names: Sequence[str], n: int) -> None:
    """DataFault naming the series whose combination has no variance: no likelihood of all of them exists."""
    smallest = float(np.linalg.eigvalsh(correlation)[0])
    if smallest < SINGULAR:
        raise DataFault(
            f"{', '.join(collinear(correlation, names))}: linearly dependent (smallest eigenvalue of the correlations "
            f"{smallest:.1e}, {n} rows of {len(names)} series); drop one of them or use more rows"
        )


def twins_refused(correlation: Floats, names: Sequence[str]) -> None:
    """DataFault naming two series that are one: their pair has no likelihood."""
    below = np.tril(np.abs(correlation), -1)
    i, j = divmod(int(np.argmax(below)), len(below))
    if 1.0 - below[i, j] ** 2 < SINGULAR:
        raise DataFault(f"{names[j]} and {names[i]} move as one: drop one of them")


def unit_diagonal(target: Floats) -> Floats:
    """The correlations in a matrix of second moments."""
    correlation = normalised(target)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def dynamics_of(fit: DependenceFit | None, asymmetric: bool) -> Floats | None:
    """a, b (and g) of an earlier fit, where it has them."""
    labels = DYNAMICS[: 3 if asymmetric else 2]
    if fit is None or not all(label in fit.parameters for label in labels):
        return None
    return np.array([fit.parameters[label] for label in labels])


def dynamics_with(target: Floats, negative_target: Floats, parameters: Floats) -> Dynamics:
    a, b, g = (*(float(x) for x in parameters), 0.0)[:3]
    return Dynamics(a, b, g, target, negative_target)


def packed(matrix: Floats) -> Floats:
    return np.asarray(matrix[np.tril_indices(len(matrix), -1)])


def pair_labels(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"corr.{names[j]}.{names[i]}" for i in range(len(names)) for j in range(i))
