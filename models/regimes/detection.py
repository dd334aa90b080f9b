"""Detection of changes as they happen: CUSUM on the scores of a model, Bayesian online change points on returns.

Both publish causally: what is said at t uses values to t, and is never taken back.
"""

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from kernels.regimes import changes as kernel

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Side = Literal["mean up", "mean down", "volatility up", "volatility down"]
SIDES: tuple[Side, ...] = ("mean up", "mean down", "volatility up", "volatility down")


class CusumSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be found, and how rarely it may be found wrongly."""

    mean_shift: float = 0.5  # in standard deviations of the score
    volatility_ratio: float = 1.5  # rise of the deviation; the fall to be found is 1 / it
    false_alarm_observations: float = 1_000.0  # fewest on average between false alarms of one side

    def __post_init__(self) -> None:
        if not self.mean_shift > 0.0:
            raise ValueError(f"mean_shift is {self.mean_shift}: above 0")
        if not self.volatility_ratio > 1.0:
            raise ValueError(f"volatility_ratio is {self.volatility_ratio}: above 1")
        if not self.false_alarm_observations > 1.0:
            raise ValueError(f"false_alarm_observations is {self.false_alarm_observations}: above 1")


class BayesianSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prior and limits of the Bayesian detection. Counts are observations."""

    mean_run: float = 250.0  # expected between changes: the hazard is 1 / it
    longest: int = 500  # run lengths beyond are taken together
    recent: int = 20  # a change is announced when a run this short becomes likelier than not
    burn_in: int = 60  # the first so many set the scale of the prior; nothing is published for them
    prior_mean_weight: float = 5.0  # observations that the prior mean counts for
    prior_variance_weight: float = 4.0  # and the prior variance

    def __post_init__(self) -> None:
        if not self.mean_run > 1.0:
            raise ValueError(f"mean_run is {self.mean_run}: above 1 observation")
        if not 2 <= self.recent < self.longest:
            raise ValueError(f"recent is {self.recent}: 2 to below longest ({self.longest})")
        if self.burn_in < 20:
            raise ValueError(f"burn_in is {self.burn_in}: at least 20 observations")
        if not (self.prior_mean_weight > 0.0 and self.prior_variance_weight > 0.0):
            raise ValueError("prior weights are above 0")


@dataclass(frozen=True)
class Alarm:
    """A change found at observation `index`: by which method, what changed, the estimate of the first changed one."""

    index: int
    kind: Literal["cusum", "bayesian"]
    side: str
    since: int


class Cusum:
    """CUSUM online: four sums, O(1) an observation. After an alarm all of them start again."""

    def __init__(self, settings: CusumSettings) -> None:
        self.settings = settings
        self.threshold = math.log(settings.false_alarm_observations)
        self.sums: Array = np.zeros(kernel.SIDES)
        self._lengths: Counts = np.zeros(kernel.SIDES, dtype=np.int64)

    def observe(self, scores: ArrayLike) -> tuple[Counts, Counts]:
        """(sides, lengths) at scores (m,): place in SIDES or -1, observations since the change began. NaN: no step."""
        values = np.atleast_1d(np.ascontiguousarray(scores, dtype=np.float64))
        alarms, since = np.empty(values.size, dtype=np.int64), np.empty(values.size, dtype=np.int64)
        kernel.cusum(
            values, self.settings.mean_shift, self.settings.volatility_ratio, self.threshold, self.sums, self._lengths,
            alarms, since,
        )  # fmt: skip
        return alarms, since


def cusum_alarms(scores: ArrayLike, settings: CusumSettings) -> list[Alarm]:
    """Alarms on scores (n,) that are standard normal unless something changed (`Published.scores`)."""
    sides, lengths = Cusum(settings).observe(scores)
    return [Alarm(int(t), "cusum", SIDES[sides[t]], int(t - lengths[t]) + 1) for t in np.flatnonzero(sides >= 0)]


@dataclass(frozen=True)
class RunLengths:
    """recent (n,): P(run length <= settings.recent); likeliest (n,): run length; newest (n,): the likeliest recent one.

    NaN and -1 in the burn-in.
    """

    recent: Array
    likeliest: Counts
    newest: Counts


class BayesianChanges:
    """Adams-MacKay online, O(longest) an observation. The prior's scale is that of the first `burn_in` values."""

    def __init__(self, settings: BayesianSettings) -> None:
        self.settings = settings
        self._first: list[float] = []
        self._prior: Array | None = None
        size = settings.longest + 1
        alphas = 0.5 * settings.prior_variance_weight + 0.5 * np.arange(size)
        self._constants: Array = gammaln(alphas + 0.5) - gammaln(alphas) - 0.5 * math.log(math.pi)
        self.weights: Array = np.zeros(size)
        self._means: Array = np.zeros(size)
        self._betas: Array = np.ones(size)

    def observe(self, values: ArrayLike) -> RunLengths:
        """The next values (m,); NaN is passed over."""
        fresh = np.atleast_1d(np.ascontiguousarray(values, dtype=np.float64))
        recent = np.full(fresh.size, np.nan)
        likeliest, newest = np.full(fresh.size, -1, dtype=np.int64), np.full(fresh.size, -1, dtype=np.int64)
        at = 0
        while at < fresh.size and self._prior is None:
            if not math.isnan(fresh[at]):
                self._first.append(float(fresh[at]))
            at += 1
            if len(self._first) >= self.settings.burn_in and np.ptp(self._first) > 0.0:
                self._begin()
        if self._prior is not None and at < fresh.size:
            kernel.bayesian(
                fresh[at:], 1.0 / self.settings.mean_run, self._prior, self._constants, self.weights, self._means,
                self._betas, self.settings.recent, recent[at:], likeliest[at:], newest[at:],
            )  # fmt: skip
        return RunLengths(recent, likeliest, newest)

    def _begin(self) -> None:
        alpha = 0.5 * self.settings.prior_variance_weight
        mean, variance = float(np.mean(self._first)), float(np.var(self._first))
        self._prior = np.array([mean, self.settings.prior_mean_weight, alpha, alpha * variance])
        self._means[:], self._betas[:] = mean, alpha * variance
        self.weights[:] = 0.0
        self.weights[0] = 1.0


def bayesian_alarms(values: ArrayLike, settings: BayesianSettings) -> tuple[list[Alarm], RunLengths]:
    """(changes announced, run lengths) of values (n,): a recent change became likelier than not, and was not before.

    The same run is announced once: another must begin more than `recent` observations after it.
    """
    series = np.ascontiguousarray(values, dtype=np.float64)
    found = BayesianChanges(settings).observe(series)
    likely = found.recent > 0.5
    rises = np.flatnonzero(likely[1:] & ~likely[:-1]) + 1
    settled = np.flatnonzero(found.likeliest > settings.recent)
    begun = int(settled[0]) if settled.size else series.size  # before, every run is short because the data is
    alarms: list[Alarm] = []
    for t in rises[rises > begun]:
        since = int(t - found.newest[t]) + 1
        if alarms and since <= alarms[-1].since + settings.recent:
            continue  # the run that was announced already
        alarms.append(Alarm(int(t), "bayesian", side_of(series, since, int(t)), since))
    return alarms, found


def side_of(values: Array, since: int, until: int) -> str:
    """What the change did to the volatility, measured about the mean of the values before (at most 100)."""
    before = values[max(0, since - 100) : since]
    after = values[since : until + 1] - np.nanmean(before)
    return "volatility up" if np.nanmean(after * after) >= np.nanvar(before) else "volatility down"
