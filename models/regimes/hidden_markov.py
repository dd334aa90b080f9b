"""Gaussian hidden Markov model and Gaussian mixture of one series of returns, by EM from several seeded starts.

EM runs on returns brought to mean 0 and deviation 1, so that nothing depends on their unit, and its result is brought
back. States are ordered by volatility: state 0 is the calmest, whatever start won.
Sources: Hamilton (1989), Econometrica 57(2); Rabiner (1989), Proc. IEEE 77(2); several short runs before a long one:
Biernacki, Celeux and Govaert (2003), Computational Statistics & Data Analysis 41.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kernels.regimes import cpu
from models.faults import DataFault, Fault
from models.health import HEALTHY, Health, unhealthy
from models.regimes.standard_errors import standard_errors_of

Array = NDArray[np.float64]
Kind = Literal["hmm", "mixture"]

MOST_STATES = 8
OBSERVATIONS_PER_STATE = 50
SMALLEST_WEIGHT = 5.0  # expected observations below which a state is one or two outliers
VARIANCE_FLOOR = 1e-4  # of the variance of the series: a state below 1 % of its deviation is one repeated value
SHORT_ITERATIONS = 30
ITERATIONS = 2_000
LARGEST = 1e100  # no return is
UNMOVED = (1e-9, 0.03)  # deviations of the series: returns so near to the most frequent one did not move
MOST_UNMOVED = 0.5  # of the observations: beyond, what is left is another series
SPIKE_RATIO = 0.1  # a state calmer than this times the next one that does not last is no regime
SPIKE_PERSISTENCE = 0.5
TOLERANCE = 1e-7  # gain of log-likelihood below which EM has converged


@dataclass(frozen=True)
class Start:
    """Parameters from which EM sets out, of the standardised series; also what it returns."""

    initial: Array
    transition: Array
    means: Array
    variances: Array

    def copy(self) -> "Start":
        return Start(self.initial.copy(), self.transition.copy(), self.means.copy(), self.variances.copy())


@dataclass(frozen=True)
class Maximum:
    """Where EM came to an end: parameters of the standardised series, the filter (n, states) under them, its health."""

    point: Start
    loglik: float
    iterations: int
    converged: bool
    filtered: Array
    health: Health


@dataclass(frozen=True)
class HmmFit:
    """A fitted model in the unit of the returns; states ordered by volatility, ascending.

    initial (states,), transition (states, states) row-stochastic, means and variances (states,) per observation.
    last_probabilities (states,): filtered at the last observation. standard_errors: {"hessian", "opg", "robust"} ->
    {parameter: value}; empty when they were not asked for. notes: coded lines. NaN parameters when health says so.
    """

    kind: Kind
    states: int
    initial: Array
    transition: Array
    means: Array
    variances: Array
    standard_errors: dict[str, dict[str, float]]
    loglik: float
    converged: bool
    health: Health
    n: int
    iterations: int
    last_probabilities: Array
    notes: tuple[str, ...]
    seconds: float
    unmoved: tuple[float, float] | None = None  # returns in between are taken as missing, see `without_unmoved`

    def observed(self, returns: Array) -> Array:
        """`returns` (n,) with NaN in the place of those that this model takes as missing."""
        if self.unmoved is None:
            return returns
        low, high = self.unmoved
        return np.where((returns >= low) & (returns <= high), np.nan, returns)

    @property
    def volatilities(self) -> Array:
        """Standard deviations (states,) per observation."""
        found: Array = np.sqrt(self.variances)
        return found

    @property
    def persistence(self) -> tuple[float, ...]:
        """Probability that a state lasts another observation, state by state."""
        return tuple(self.transition.diagonal().tolist())

    @property
    def stationary(self) -> Array:
        """Long-run share of each state (states,): the left eigenvector of the transition for 1."""
        if not np.isfinite(self.transition).all():
            return np.full(self.states, np.nan)
        system = np.vstack([self.transition.T - np.eye(self.states), np.ones(self.states)])
        found, *_ = np.linalg.lstsq(system, np.append(np.zeros(self.states), 1.0), rcond=None)
        return np.asarray(np.clip(found, 0.0, 1.0), dtype=np.float64)

    @property
    def parameters(self) -> dict[str, float]:
        """mean_i, volatility_i, and p_i_j (hmm) or weight_i (mixture)."""
        named = {f"mean_{i}": value for i, value in enumerate(self.means.tolist())}
        named |= {f"volatility_{i}": value for i, value in enumerate(self.volatilities.tolist())}
        if self.kind == "mixture":
            return named | {f"weight_{i}": value for i, value in enumerate(self.initial.tolist())}
        rows = enumerate(self.transition.tolist())
        return named | {f"p_{i}_{j}": value for i, row in rows for j, value in enumerate(row)}


def fit_hmm(
    returns: ArrayLike,
    states: int = 2,
    *,
    seed: int = 0,
    starts: int = 5,
    warm: HmmFit | None = None,
    errors: bool = True,
) -> HmmFit:
    """Gaussian HMM by maximum likelihood (Baum-Welch) on returns (n,); NaN is a missing observation.

    starts: how many seeded starts; `warm` adds the parameters of an earlier fit to them. errors: standard errors too,
    from the numerical derivatives of the incomplete-data log-likelihood (see `standard_errors`).
    A series that is too short, constant or degenerate gives a result whose health says so, never an exception.
    Raises Fault for an impossible argument or an infinite return.
    """
    return fit(returns, "hmm", states, seed=seed, starts=starts, warm=warm, errors=errors)


def fit_mixture(
    returns: ArrayLike,
    states: int = 2,
    *,
    seed: int = 0,
    starts: int = 5,
    warm: HmmFit | None = None,
    errors: bool = True,
) -> HmmFit:
    """Gaussian mixture by EM: an HMM without memory, every row of its transition the weights. Else as `fit_hmm`."""
    return fit(returns, "mixture", states, seed=seed, starts=starts, warm=warm, errors=errors)


def fit(
    returns: ArrayLike, kind: Kind, states: int, *, seed: int, starts: int, warm: HmmFit | None, errors: bool
) -> HmmFit:
    """`fit_hmm` or `fit_mixture` by name."""
    began = time.perf_counter()
    values = checked(returns, states, starts)
    seen = values[~np.isnan(values)]
    reason = unusable(seen, states)
    if reason is not None:
        return nothing(kind, states, seen.size, reason, time.perf_counter() - began)
    centre, scale = float(seen.mean()), float(seen.std())
    standardised = (values - centre) / scale
    candidates = [*seeded_starts(standardised, kind, states, starts, seed)]
    if warm is not None and warm.states == states and warm.kind == kind and np.isfinite(warm.loglik):
        candidates.append(warm_start(warm, centre, scale))
    first = best_of(standardised, kind, candidates)
    standardised, best, passed, unmoved, notes = without_unmoved(standardised, kind, candidates, first)
    found, health = best.point, best.health
    notes += [] if health.ok else [f"{health.code}: {health.note}"]
    if passed:
        notes.append(
            f"SPURIOUS_MAXIMUM: {passed} of {len(candidates)} starts led to a likelier fit that was not healthy"
        )
    notes += indistinct(found)
    tables: dict[str, dict[str, float]] = {}
    if errors:
        tables, more = standard_errors_of(standardised, kind, found.initial, found.transition, found.means,
                                          found.variances, scale)  # fmt: skip
        notes += more
    return HmmFit(
        kind=kind,
        states=states,
        initial=found.initial,
        transition=found.transition,
        means=centre + scale * found.means,
        variances=scale * scale * found.variances,
        standard_errors=tables,
        loglik=best.loglik - int((~np.isnan(standardised)).sum()) * float(np.log(scale)),
        converged=best.converged,
        health=health,
        n=int((~np.isnan(standardised)).sum()),
        iterations=best.iterations,
        last_probabilities=best.filtered[-1].copy(),
        notes=tuple(notes),
        seconds=time.perf_counter() - began,
        unmoved=None if unmoved is None else (centre + scale * unmoved[0], centre + scale * unmoved[1]),
    )


# -- what EM sets out from -------------------------------------------------------------------------------------------


def seeded_starts(values: Array, kind: Kind, states: int, count: int, seed: int) -> Sequence[Start]:
    """`count` starts for a standardised series: quantiles of the recent size of returns, then random ones."""
    random = np.random.Generator(np.random.PCG64(seed))
    found = [quantile_start(values, kind, states)]
    while len(found) < count:
        spread = random.uniform(0.3, 1.5)
        stay = random.uniform(0.8, 0.99) if states > 1 else 1.0
        variances = np.exp(np.linspace(-spread, spread, states))
        found.append(start_of(kind, stay, random.normal(0.0, 0.3, states), variances))
    return found


def quantile_start(values: Array, kind: Kind, states: int) -> Start:
    """States by quantiles of the mean size of eleven returns around each."""
    size = np.abs(np.nan_to_num(values))
    recent = np.convolve(size, np.ones(11) / 11.0, mode="same")
    edges = np.quantile(recent, np.linspace(0.0, 1.0, states + 1)[1:-1])
    group = np.searchsorted(edges, recent, side="right")
    means, variances = np.zeros(states), np.ones(states)
    for i in range(states):
        mine = values[(group == i) & ~np.isnan(values)]
        if mine.size > 1 and mine.std() > 0.0:
            means[i], variances[i] = mine.mean(), mine.var()
    return start_of(kind, 0.95, means, variances)


def start_of(kind: Kind, stay: float, means: Array, variances: Array) -> Start:
    states = means.size
    even = np.full(states, 1.0 / states)
    if kind == "mixture" or states == 1:
        return Start(even, np.tile(even, (states, 1)), means, variances)
    transition = np.full((states, states), (1.0 - stay) / (states - 1))
    np.fill_diagonal(transition, stay)
    return Start(even, transition, means, variances)


def warm_start(fit: HmmFit, centre: float, scale: float) -> Start:
    """An earlier fit in standardised units; nothing that EM could never leave again (a probability of 0)."""
    transition = (fit.transition + 1e-6) / (1.0 + 1e-6 * fit.states)
    initial = transition[0].copy() if fit.kind == "mixture" else np.full(fit.states, 1.0 / fit.states)
    variances = np.maximum(fit.variances / (scale * scale), 10.0 * VARIANCE_FLOOR)
    return Start(initial, transition, (fit.means - centre) / scale, variances)


def best_of(values: Array, kind: Kind, candidates: Sequence[Start]) -> tuple[Maximum, int]:
    """(the best healthy maximum, how many better ones were not): short runs, then long ones, the likeliest first.

    A likelihood without bound has spurious maxima where a state collapses (Day 1969): they are passed over as long as
    another start leads elsewhere. When none does, the likeliest is returned, its health saying what is wrong.
    """
    tried = [candidate.copy() for candidate in candidates]
    logliks = [maximum(values, kind, start, SHORT_ITERATIONS).loglik for start in tried]
    first: Maximum | None = None
    for passed, place in enumerate(np.argsort(-np.nan_to_num(logliks, nan=-np.inf), kind="stable")):
        found = maximum(values, kind, tried[place], ITERATIONS)
        if found.health.ok:
            return found, passed
        first = first or found
    assert first is not None
    return first, 0


def without_unmoved(
    values: Array, kind: Kind, candidates: Sequence[Start], before: tuple[Maximum, int]
) -> tuple[Array, Maximum, int, tuple[float, float] | None, list[str]]:
    """A second fit where a state has collapsed on prices that did not move: such returns are taken as missing.

    They have the likelihood of a component without bound and say nothing about how wild the others are. First those of
    the one value that is most frequent, then its near neighbours too. Gives values, maximum, starts passed over, the
    interval left out and a note; all as `before` where no healthy fit comes of it.
    """
    if before[0].health.code != "DEGENERATE_STATE":
        return values, *before, None, []
    seen, states = values[~np.isnan(values)], before[0].point.means.size
    each, counts = np.unique(seen, return_counts=True)
    centre = float(each[np.argmax(counts)])
    for width in UNMOVED:
        near = np.abs(values - centre) <= width
        count = int(near.sum())
        if not 1 < count <= MOST_UNMOVED * seen.size or seen.size - count < observations_needed(states):
            continue
        masked = np.where(near, np.nan, values)
        again = best_of(masked, kind, candidates)
        if again[0].health.ok:
            note = (
                f"UNMOVED_PRICES: a state collapsed on returns of nearly one value; {count:,} of {seen.size:,} within "
                f"{width:g} deviations of it are taken as missing, the volatilities are those of the others"
            )
            return masked, *again, (centre - width, centre + width), [note]
    return values, *before, None, []


def maximum(values: Array, kind: Kind, start: Start, iterations: int) -> Maximum:
    """EM from a start, which is overwritten; the result's states are ordered by volatility."""
    filtered, increments = np.empty((values.size, start.means.size)), np.empty(values.size)
    loglik, taken, converged = cpu.expectation_maximisation(
        values, start.initial, start.transition, start.means, start.variances,
        VARIANCE_FLOOR, kind == "mixture", iterations, TOLERANCE, filtered, increments,
    )  # fmt: skip
    order = np.argsort(start.variances, kind="stable")
    point = Start(
        start.initial[order], np.ascontiguousarray(start.transition[np.ix_(order, order)]),
        start.means[order], start.variances[order],
    )  # fmt: skip
    filtered = np.ascontiguousarray(filtered[:, order])
    return Maximum(point, loglik, taken, converged, filtered, judged(point, filtered, converged, values))


# -- what may go wrong -----------------------------------------------------------------------------------------------


def checked(returns: ArrayLike, states: int, starts: int) -> Array:
    values = np.ascontiguousarray(returns, dtype=np.float64)
    if values.ndim != 1:
        raise Fault(f"returns have {values.ndim} dimensions: one series at a time")
    if not 1 <= states <= MOST_STATES:
        raise Fault(f"states is {states}: 1 to {MOST_STATES}")
    if starts < 1:
        raise Fault(f"starts is {starts}: at least 1")
    refuse_impossible(values, 0)
    return values


def refuse_impossible(values: Array, first: int) -> None:
    """Raises DataFault on a value that is infinite, or so large that its square is; `first`: number of values[0]."""
    wrong = np.flatnonzero(np.abs(values) > LARGEST)
    if wrong.size:
        place, value = first + int(wrong[0]), values[wrong[0]]
        raise DataFault(f"return {place} is {value:g}: a price of 0 or a wrong one; mend it or leave it out")


def observations_needed(states: int) -> int:
    """Fewest observations that a fit of so many states accepts."""
    return OBSERVATIONS_PER_STATE * states


def unusable(seen: Array, states: int) -> Health | None:
    needed = observations_needed(states)
    if seen.size < needed:
        return unhealthy("TOO_FEW_OBSERVATIONS", f"{seen.size} observations, {states} states need {needed}")
    if float(np.ptp(seen)) <= 1e-12 * max(1e-300, float(np.abs(seen).max())):
        return unhealthy("CONSTANT_SERIES", f"all {seen.size} observations are {seen[0]:g}")
    return None


def judged(found: Start, filtered: Array, converged: bool, values: Array) -> Health:
    """Whether the estimate may be used."""
    weights = filtered[~np.isnan(values)].sum(axis=0)
    for i in range(found.means.size):
        if found.variances[i] <= 1.01 * VARIANCE_FLOOR:
            return unhealthy(
                "DEGENERATE_STATE", f"state {i} has collapsed on one value: many equal returns; take longer bars"
            )
        if weights[i] < SMALLEST_WEIGHT:
            return unhealthy("DEGENERATE_STATE", f"state {i} holds {weights[i]:.1f} observations: fewer states")
        if i + 1 < found.means.size and spike(found, i):
            return unhealthy(
                "DEGENERATE_STATE", f"state {i} is a spike of nearly equal returns that does not last: take longer bars"
            )
    if not converged:
        return unhealthy("NOT_CONVERGED", f"EM gained more than {TOLERANCE:g} still after {ITERATIONS} iterations")
    return HEALTHY


def spike(found: Start, i: int) -> bool:
    """Whether state i is far calmer than the next and left at once: prices that did not move, not a time of calm."""
    calm = found.variances[i] < SPIKE_RATIO**2 * found.variances[i + 1]
    return bool(calm and found.transition[i, i] < SPIKE_PERSISTENCE)


def indistinct(found: Start) -> list[str]:
    """A note for neighbours that hardly differ: their labels mean little."""
    volatilities = np.sqrt(found.variances)
    return [
        f"INDISTINCT_STATES: states {i} and {i + 1} differ by less than 5 % in volatility and 0.1 deviations in mean"
        for i in range(volatilities.size - 1)
        if volatilities[i + 1] < 1.05 * volatilities[i] and abs(found.means[i + 1] - found.means[i]) < 0.1
    ]


def nothing(kind: Kind, states: int, n: int, reason: Health, seconds: float) -> HmmFit:
    """A fit that could not be made: every number NaN, its health says why."""
    row, square = np.full(states, np.nan), np.full((states, states), np.nan)
    return HmmFit(
        kind=kind, states=states, initial=row, transition=square, means=row, variances=row, standard_errors={},
        loglik=float("nan"), converged=False, health=reason, n=n, iterations=0, last_probabilities=row,
        notes=(f"{reason.code}: {reason.note}",), seconds=seconds,
    )  # fmt: skip
