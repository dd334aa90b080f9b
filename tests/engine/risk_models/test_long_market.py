"""Thousands of bars through every stage: GARCH, DCC and hidden Markov model, refitted on schedule and on change.

The market: three instruments with heavy tails. Volatility of 1e-4 a bar, threefold from WILD to CALM and from
WILD_AGAIN to CALM_AGAIN. Correlation 0.2, from CLOSER on 0.85.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.risk_models.batch import Estimate
from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.estimate import Estimator
from engine.risk_models.refitter import Snapshot
from ipc.messages import RiskMethod
from kernels.exposure.reference import cvar

Array = NDArray[np.float64]

WILD, CALM, WILD_AGAIN, CALM_AGAIN, CLOSER, BARS = 900, 1_300, 1_700, 1_900, 2_300, 2_800
SCENARIOS, LEVEL, REFIT_BARS, SPACING_BARS, LOOK_BARS = 400, 0.99, 200, 20, 10
SETTINGS = RiskProcessConfig(minimum_bars=60, fit_bars=600, history_bars=1_200, horizon_s=100.0)


@dataclass(frozen=True)
class Look:
    """What was published after so many bars."""

    bars: int
    estimate: Estimate
    notes: tuple[str, ...]
    refits: int

    @property
    def correlation(self) -> float:
        return float(self.estimate.correlation[np.triu_indices(3, 1)].mean())

    @property
    def cvar(self) -> float:
        return cvar(np.ones(3) @ self.estimate.losses, LEVEL)


@cache
def market() -> Array:
    """Returns (BARS, 3)."""
    random, bars = np.random.default_rng(7), np.arange(BARS)
    rho = np.where(bars < CLOSER, 0.2, 0.85)[:, None]
    wild = (bars >= WILD) & (bars < CALM) | (bars >= WILD_AGAIN) & (bars < CALM_AGAIN)
    shocks = np.sqrt(rho) * random.standard_normal((BARS, 1))
    shocks = shocks + np.sqrt(1.0 - rho) * random.standard_normal((BARS, 3))
    returns: Array = shocks * np.sqrt(8.0 / random.chisquare(10.0, (BARS, 1))) * np.where(wild, 3e-4, 1e-4)[:, None]
    return returns


def run(returns: Array, make: Callable[[], Estimator]) -> list[Look]:
    """What is published each LOOK_BARS bars of the refit schedule, by bars instead of seconds."""
    estimator, looks, refits, last = make(), [], 0, 0
    for row in returns:
        estimator.add(row)
        since = estimator.bars - last
        if (since >= REFIT_BARS or (estimator.changed and since >= SPACING_BARS)) and estimator.refit():
            last, refits = estimator.bars, refits + 1
        if estimator.bars % LOOK_BARS == 0:
            looks.append(Look(estimator.bars, estimator.estimate(estimator.bars, 1.0), estimator.notes, refits))
    return looks


def plain() -> Estimator:
    return Estimator(3, SCENARIOS, SETTINGS)


@cache
def published() -> list[Look]:
    return run(market(), plain)


def between(first: int, beyond: int) -> list[Look]:
    return [look for look in published() if first <= look.bars < beyond]


def same(one: Look, other: Look) -> bool:
    a, b = one.estimate, other.estimate
    numbers = all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("losses", "volatility", "correlation")
    )
    rest = ("method", "regime", "volatility_ratio", "quality", "newest_time_ns")
    return numbers and all(getattr(a, name) == getattr(b, name) for name in rest) and one.notes == other.notes


def test_the_method_goes_from_the_prior_by_ewma_to_fits_of_all_three() -> None:
    methods = [look.estimate.method for look in published()]
    assert methods[0] == RiskMethod.PRIOR
    assert methods[10] == RiskMethod.EWMA
    assert RiskMethod.GARCH in methods
    assert not any("JOINT_HISTORY" in note for note in published()[-1].notes)


def test_before_the_first_refit_the_rules_in_force_are_said() -> None:
    notes = next(look.notes for look in published() if look.bars == SETTINGS.minimum_bars)
    assert {note.partition(":")[0] for note in notes} == {"REGIME_BAND", "DEPENDENCE_JOINT_HISTORY", "SHORT_HISTORY"}


def test_published_correlation_follows_a_change_of_correlation() -> None:
    before, after = between(CLOSER - 200, CLOSER), between(CLOSER + 250, BARS)
    assert np.mean([look.correlation for look in before]) == pytest.approx(0.2, abs=0.1)
    assert np.mean([look.correlation for look in after]) == pytest.approx(0.85, abs=0.1)
    assert min(look.correlation for look in after) > 0.6


def test_scenarios_have_the_correlation_that_is_published() -> None:
    for look in between(800, WILD) + between(CLOSER + 400, BARS):
        shocks = np.log1p(-look.estimate.losses)
        assert np.corrcoef(shocks) == pytest.approx(look.estimate.correlation, abs=0.2)
        smallest = np.linalg.eigvalsh(look.estimate.correlation)[0]
        assert smallest > 0.0


def test_the_regime_of_the_model_switches_within_thirty_bars_of_the_market() -> None:
    """The model is in force since the first wild time, which it was fitted on."""
    assert not any("REGIME_BAND" in note for look in between(CALM - 50, CALM_AGAIN + 100) for note in look.notes)
    assert {look.estimate.regime for look in between(CALM + 30, WILD_AGAIN)} == {0}
    assert 0 not in {look.estimate.regime for look in between(WILD_AGAIN + 30, CALM_AGAIN)}
    assert {look.estimate.regime for look in between(CALM_AGAIN + 30, CALM_AGAIN + 100)} == {0}


@pytest.mark.parametrize(("first", "beyond"), [(WILD, CALM), (WILD_AGAIN, CALM_AGAIN)])
def test_cvar_of_the_scenarios_rises_with_the_volatility(first: int, beyond: int) -> None:
    before = np.median([look.cvar for look in between(first - 200, first)])
    wild = np.median([look.cvar for look in between(first + 30, beyond)])
    assert 2.0 < wild / before < 4.5


def test_cvar_falls_when_the_market_is_calm_again_and_rises_with_the_correlation() -> None:
    wild = np.median([look.cvar for look in between(CALM - 200, CALM)])
    calm = np.median([look.cvar for look in between(CALM + 60, WILD_AGAIN)])
    closer = np.median([look.cvar for look in between(CLOSER + 250, BARS)])
    assert calm < 0.5 * wild
    assert closer > 1.15 * calm


def test_a_hedge_is_worth_more_when_the_correlation_is_higher() -> None:
    def of_the_hedge(first: int, beyond: int) -> float:
        hedge = np.array([1.0, -1.0, 0.0])
        return float(np.median([cvar(hedge @ look.estimate.losses, LEVEL) for look in between(first, beyond)]))

    assert of_the_hedge(CLOSER + 250, BARS) < 0.7 * of_the_hedge(CALM + 60, WILD_AGAIN)


def test_a_change_is_answered_by_a_refit_before_its_time() -> None:
    scheduled = (BARS - SETTINGS.fit_bars) // REFIT_BARS + 1
    assert published()[-1].refits > scheduled
    before, after = between(WILD, WILD + 1)[0], between(WILD + 60, WILD + 61)[0]
    assert after.refits > before.refits


def test_what_was_published_stays_when_data_are_appended() -> None:
    looks = run(market()[: CALM + 205], plain)
    assert len(looks) == (CALM + 205) // LOOK_BARS
    assert looks[-1].refits > 5
    assert all(same(one, other) for one, other in zip(looks, published(), strict=False))


class Prophet(Estimator):
    """Its refits see everything there will be."""

    future = np.zeros((0, 3))

    def snapshot(self) -> Snapshot | None:
        found = super().snapshot()
        return found and Snapshot(self.future, found.last, found.before)


def test_a_planted_look_ahead_is_found() -> None:
    def prophet_of(returns: Array) -> Prophet:
        estimator = Prophet(3, SCENARIOS, SETTINGS)
        estimator.future = returns
        return estimator

    short, long = market()[:650], market()[:750]
    looks = run(short, lambda: prophet_of(short))
    again = run(long, lambda: prophet_of(long))
    assert not all(same(one, other) for one, other in zip(looks, again, strict=False))


def test_bars_that_came_during_a_refit_are_filtered_by_it() -> None:
    """Taken over at once or 25 bars later, everything after is the same to the bit."""
    at_once, later = plain(), plain()
    for row in market()[:1_500]:
        at_once.add(row)
        later.add(row)
    from engine.risk_models.refit import refit

    snapshots = [estimator.snapshot() for estimator in (at_once, later)]
    found = [refit(snapshot, SETTINGS, SCENARIOS) for snapshot in snapshots if snapshot is not None]
    at_once.adopt(found[0])
    for row in market()[1_500:1_525]:
        at_once.add(row)
        later.add(row)
    later.adopt(found[1])
    for row in market()[1_525:1_550]:
        at_once.add(row)
        later.add(row)
    looks = [Look(1_550, estimator.estimate(0, 1.0), estimator.notes, 1) for estimator in (at_once, later)]
    assert same(*looks)
    assert at_once.changed == later.changed
