"""Regimes as they could be known at the time: the forward filter under parameters of the last refit before.

The value of observation t is P(state at t | values to t) under a fit made on values before t alone, and is never
written again: neither smoothing nor a later fit touches it. Refits are versions. A fit that is not healthy is kept
in the list, unused; the version before it goes on. States are ordered by volatility in every version and matched to
those of the version before by how much their filtered probabilities overlap on the window of the new fit: where
that match is not the order by volatility, a label has jumped, which is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import ndtri

from kernels.regimes import cpu
from models.faults import Fault
from models.regimes.config import RegimeSettings
from models.regimes.detection import Cusum
from models.regimes.hidden_markov import HmmFit, fit, refuse_impossible

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
SCORE = 30.0  # scores beyond are cut: the tail of the prediction is 0 in floating point


@dataclass(frozen=True)
class FitVersion:
    """One refit. It saw observations `first` to `last` (both included) and serves from `last` + 1, if `used`.

    label_jumps: states whose nearest state of the version before stands elsewhere in the order by volatility.
    relabelled: share of the window's observations whose likeliest state changed with the version.
    """

    version: int
    first: int
    last: int
    fit: HmmFit
    used: bool
    label_jumps: int
    relabelled: float


@dataclass(frozen=True)
class Published:
    """What was known at each observation. -1 and NaN before the first healthy fit.

    probabilities (n, states), labels (n,) the likeliest state, versions (n,) of the fit in use, logliks (n,)
    log p(value | the past) under it, scores (n,) the standard normal quantile of the value within its prediction.
    """

    probabilities: Array
    labels: Labels
    versions: Labels
    logliks: Array
    scores: Array


@dataclass(frozen=True)
class RegimeChange:
    """The likeliest state became another at observation `index`, as could be seen then."""

    index: int
    before: int
    after: int
    probability: float
    version: int


class RegimeStream:
    """Publishes regimes value by value and refits on schedule, online: O(states^2) a value between refits.

    Values that are NaN are missing: the probabilities move by the transition alone; `missing` counts them.
    """

    def __init__(self, settings: RegimeSettings) -> None:
        self.settings = settings
        self.versions: list[FitVersion] = []
        self.missing = 0
        self._history: list[float] = []  # the last ones: never more than two windows
        self._count = 0
        self._next_fit = settings.minimum
        self._last_fit = 0
        self._active: FitVersion | None = None
        self._probabilities: Array = np.full(settings.states, np.nan)
        self._cusum = Cusum(settings.cusum)

    @property
    def active(self) -> FitVersion | None:
        """The version in use; None before the first healthy fit."""
        return self._active

    def refit_now(self) -> None:
        """The next value is preceded by a refit (after a detected change, say); the schedule counts from it."""
        self._next_fit = max(self._count, self.settings.minimum)

    def observe(self, values: ArrayLike) -> Published:
        """The next values (m,) in order; one at a time or many at once, the same bits are published."""
        fresh = np.atleast_1d(np.ascontiguousarray(values, dtype=np.float64))
        if fresh.ndim != 1:
            raise Fault(f"values have {fresh.ndim} dimensions: one series at a time")
        refuse_impossible(fresh, self._count)
        published = empty(fresh.size, self.settings.states)
        at = 0
        while at < fresh.size:
            if self._count >= self._next_fit:
                self._refit()
            size = 1 if self.settings.refit_on_change else min(fresh.size - at, self._next_fit - self._count)
            self._filter(fresh[at : at + size], published, at)
            if self.settings.refit_on_change and self._cusum.observe(published.scores[at : at + size])[0][0] >= 0:
                self._next_fit = min(self._next_fit, max(self._count, self._last_fit + self.settings.change_spacing))
            at += size
        return published

    def _filter(self, values: Array, published: Published, at: int) -> None:
        self._remember(values)
        self.missing += int(np.isnan(values).sum())
        if self._active is None:
            return
        fitted, end = self._active.fit, at + values.size
        values = fitted.observed(values)
        tails = np.empty(values.size)
        cpu.filter_on(
            values, fitted.transition, fitted.means, fitted.variances, self._probabilities,
            published.probabilities[at:end], published.logliks[at:end], tails,
        )  # fmt: skip
        published.scores[at:end] = np.clip(np.where(tails >= 0.0, ndtri(tails), -ndtri(-tails)), -SCORE, SCORE)
        published.labels[at:end] = published.probabilities[at:end].argmax(axis=1)
        published.versions[at:end] = self._active.version

    def _remember(self, values: Array) -> None:
        self._history.extend(values.tolist())
        self._count += values.size
        window = self.settings.window
        if window and len(self._history) > 2 * window:
            del self._history[:-window]

    def _refit(self) -> None:
        """A new version from the values seen so far; used when it is healthy."""
        settings, before = self.settings, self._active
        values = np.array(self._history[-settings.window :])
        first = self._count - values.size
        fitted = fit(
            values, settings.kind, settings.states, seed=settings.seed, starts=settings.starts,
            warm=before.fit if before else None, errors=settings.errors,
        )  # fmt: skip
        jumps, relabelled = 0, 0.0
        if fitted.health.ok and before is not None:
            jumps, relabelled = label_jumps(values, before.fit, fitted)
        version = FitVersion(
            len(self.versions), first, self._count - 1, fitted, fitted.health.ok, jumps, relabelled
        )  # fmt: skip
        self.versions.append(version)
        self._last_fit, self._next_fit = self._count, self._count + settings.refit
        if version.used:
            self._active = version
            self._probabilities = fitted.last_probabilities.copy()


def publish(returns: ArrayLike, settings: RegimeSettings) -> tuple[Published, list[FitVersion]]:
    """Regimes of returns (n,) as they could be known at each: appending returns changes nothing already published.

    Raises Fault for what cannot be a series; an unhealthy fit is in the versions with its code.
    """
    stream = RegimeStream(settings)
    return stream.observe(returns), stream.versions


def changes(published: Published) -> list[RegimeChange]:
    """Where the likeliest state became another, oldest first."""
    labels = published.labels
    places = np.flatnonzero((labels[1:] != labels[:-1]) & (labels[:-1] >= 0)) + 1
    return [
        RegimeChange(
            int(t), int(labels[t - 1]), int(labels[t]), float(published.probabilities[t, labels[t]]),
            int(published.versions[t]),
        )
        for t in places
    ]  # fmt: skip


def label_jumps(values: Array, before: HmmFit, after: HmmFit) -> tuple[int, float]:
    """(states matched to another place of the order, share of the values whose likeliest state changed)."""
    old, new = filtered(values, before), filtered(values, after)
    _, match = linear_sum_assignment(-(old.T @ new))
    jumps = int(np.count_nonzero(match != np.arange(match.size)))
    return jumps, float(np.mean(old.argmax(axis=1) != new.argmax(axis=1)))


def filtered(values: Array, fitted: HmmFit) -> Array:
    """Filtered probabilities (n, states) of values from the stationary distribution on."""
    probabilities, logliks = np.empty((values.size, fitted.states)), np.empty(values.size)
    cpu.forward_filter(
        fitted.observed(values),
        fitted.stationary,
        fitted.transition,
        fitted.means,
        fitted.variances,
        probabilities,
        logliks,
    )
    return probabilities


def empty(n: int, states: int) -> Published:
    return Published(
        np.full((n, states), np.nan), np.full(n, -1, dtype=np.int64), np.full(n, -1, dtype=np.int64),
        np.full(n, np.nan), np.full(n, np.nan),
    )  # fmt: skip


def joined(parts: Sequence[Published]) -> Published:
    """Consecutive pieces of one stream as one."""
    return Published(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.versions for part in parts]),
        np.concatenate([part.logliks for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
