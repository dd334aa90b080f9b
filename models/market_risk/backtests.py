"""Coverage of a VaR forecast: Kupiec, Christoffersen, Basel's traffic light. An exception is a loss above the VaR."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import xlogy

from models.faults import Fault
from models.market_risk.order_statistics import check_level

YELLOW_FROM, RED_FROM = 0.95, 0.9999  # of the binomial distribution (Basel Committee 1996)
MULTIPLIERS = (3.4, 3.5, 3.65, 3.75, 3.85)  # 5 to 9 exceptions in 250 days at 99 %


@dataclass(frozen=True)
class LikelihoodRatio:
    """A test statistic, asymptotically chi-square with `dof` degrees of freedom, and its p-value."""

    statistic: float
    p_value: float
    dof: int

    def passes(self, size: float = 0.05) -> bool:
        """Not rejected at that size."""
        return self.p_value >= size


@dataclass(frozen=True)
class Christoffersen:
    """Transitions n_ij from state i to j (1: exception) and the tests on them."""

    n00: int
    n01: int
    n10: int
    n11: int
    independence: LikelihoodRatio
    conditional: LikelihoodRatio


@dataclass(frozen=True)
class TrafficLight:
    """zone by the probability of at most this many exceptions; multiplier only for 250 days at 99 %."""

    zone: str
    probability: float
    more_probability: float  # of this many or more: the chance of a wrong accusation
    multiplier: float | None


def kupiec(observations: int, exceptions: int, level: float) -> LikelihoodRatio:
    """Proportion of failures, Kupiec (1995): are `exceptions` of `observations` what 1 - `level` promises?"""
    check_level(level)
    if not 0 <= exceptions <= observations or observations == 0:
        raise Fault(f"{exceptions} exceptions of {observations} observations: give 0 to n of at least 1")
    p, share = 1.0 - level, exceptions / observations
    statistic = 2.0 * (bernoulli(exceptions, observations, share) - bernoulli(exceptions, observations, p))
    return ratio(statistic, 1)


def christoffersen_counts(n00: int, n01: int, n10: int, n11: int, level: float) -> Christoffersen:
    """Independence and conditional coverage from transition counts, Christoffersen (1998).

    conditional adds Kupiec's statistic over one observation more than transitions, the first taken as no exception.
    """
    total, exceptions = n00 + n01 + n10 + n11, n01 + n11
    if total <= 0:
        raise Fault("no transitions: at least two observations are needed")
    share_0 = n01 / (n00 + n01) if n00 + n01 else 0.0
    share_1 = n11 / (n10 + n11) if n10 + n11 else 0.0
    free = bernoulli(n01, n00 + n01, share_0) + bernoulli(n11, n10 + n11, share_1)
    independence = ratio(2.0 * (free - bernoulli(exceptions, total, exceptions / total)), 1)
    coverage = kupiec(total + 1, exceptions, level)
    return Christoffersen(n00, n01, n10, n11, independence, ratio(independence.statistic + coverage.statistic, 2))


def christoffersen(hits: Any, level: float) -> Christoffersen:
    """The tests on a sequence of exceptions (n,), true or false. Conditional: Kupiec over all n plus independence."""
    hit = np.asarray(hits, dtype=bool)
    if hit.ndim != 1 or len(hit) < 2:
        raise Fault(f"exceptions of shape {hit.shape}: a sequence of at least two is needed")
    before, after = hit[:-1], hit[1:]
    n00, n01, n10, n11 = (
        int(pair.sum()) for pair in (~before & ~after, ~before & after, before & ~after, before & after)
    )
    found = christoffersen_counts(n00, n01, n10, n11, level)
    coverage = kupiec(len(hit), int(hit.sum()), level)
    conditional = ratio(coverage.statistic + found.independence.statistic, 2)
    return replace(found, conditional=conditional)


def traffic_light(observations: int, exceptions: int, level: float) -> TrafficLight:
    """Zone of the Basel Committee (1996): green below 95 % of the binomial distribution, red from 99.99 %."""
    check_level(level)
    probability = float(stats.binom.cdf(exceptions, observations, 1.0 - level))
    zone = "green" if probability < YELLOW_FROM else "yellow" if probability < RED_FROM else "red"
    more = float(stats.binom.sf(exceptions - 1, observations, 1.0 - level))
    multiplier = None
    if observations == 250 and abs(level - 0.99) < 1e-12:
        multiplier = 3.0 if exceptions < 5 else 4.0 if exceptions > 9 else MULTIPLIERS[exceptions - 5]
    return TrafficLight(zone, probability, more, multiplier)


def bernoulli(successes: int, trials: int, share: float) -> float:
    """Log-likelihood, 0 log 0 = 0."""
    return float(xlogy(successes, share) + xlogy(trials - successes, 1.0 - share))


def ratio(statistic: float, dof: int) -> LikelihoodRatio:
    found = max(statistic, 0.0)
    return LikelihoodRatio(found, float(stats.chi2.sf(found, dof)), dof)
