"""The regime of the market: filtered, versioned, matched; and when the band of the volatility is in force."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.risk_models.estimate import band
from engine.risk_models.regime import DOUBT, Regime, fit_regime, label_jumps, weights_of

Array = NDArray[np.float64]


def switching(bars: int = 2_000, instruments: int = 2, seed: int = 3) -> Array:
    """Volatility of 1e-4, of 4e-4 in every other stretch of 200 bars."""
    random = np.random.default_rng(seed)
    size = np.where(np.arange(bars) // 200 % 2 == 0, 1e-4, 4e-4)[:, None]
    shocks: Array = size * (random.standard_normal((bars, 1)) + random.standard_normal((bars, instruments)))
    return shocks


def fitted(returns: Array, before: Regime | None = None, states: int = 2) -> Regime:
    found = fit_regime(returns, states, 1, before)
    assert found.regime is not None
    assert found.last is found.regime
    return found.regime


def test_states_are_ordered_by_volatility_and_follow_the_market() -> None:
    regime = fitted(switching()[:1_000])
    assert regime.fit.volatilities[0] < regime.fit.volatilities[1]
    states = []
    for row in switching()[1_000:]:
        regime.step(row)
        states.append(regime.state)
    assert set(states[20:200]) == {1}
    assert set(states[220:400]) == {0}


def test_stepping_is_filtering_the_longer_history() -> None:
    returns = switching()
    stepped = fitted(returns[:1_500])
    longer = Regime(1, stepped.fit, stepped.weights, returns)
    for row in returns[1_500:]:
        stepped.step(row)
    assert np.array_equal(stepped.probabilities, longer.probabilities)
    assert stepped.state == longer.state


def test_a_state_is_left_only_when_it_is_in_doubt() -> None:
    regime = fitted(switching())
    before = regime.state
    for row in switching(seed=4):
        regime.step(row)
        if regime.state != before:
            assert regime.probabilities[before] < DOUBT
        else:
            assert regime.probabilities[before] >= DOUBT
        before = regime.state


def test_refits_are_versions_and_a_state_that_moved_in_the_order_is_counted() -> None:
    returns = switching()
    first = fitted(returns[:1_000])
    second = fit_regime(returns, 2, 1, first)
    assert second.regime is not None
    assert (first.version, second.regime.version, second.label_jumps) == (1, 2, 0)
    calm, wild = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert label_jumps(np.array([calm, wild]), np.array([wild, calm])) == 2
    assert label_jumps(np.array([calm, wild]), np.array([calm, wild])) == 0


def test_tails_of_one_distribution_are_no_regimes() -> None:
    returns = 1e-4 * np.random.default_rng(8).standard_t(4.0, (2_000, 1))
    found = fit_regime(returns, 3, 1, None)
    assert found.regime is None
    assert found.notes[0].startswith("REGIME_BAND: no hidden Markov model: NOT_LASTING")


def test_a_refit_without_regimes_leaves_the_band_and_the_next_version_is_matched_to_the_last() -> None:
    first = fitted(switching())
    none = fit_regime(np.zeros((500, 2)), 2, 1, first)
    assert none.regime is None
    assert none.notes[0].startswith("REGIME_BAND: no hidden Markov model: CONSTANT_SERIES")
    assert none.last is first
    assert fitted(switching(seed=4), none.last).version == 2


def test_every_instrument_counts_alike_and_one_that_stands_still_not_at_all() -> None:
    returns = np.insert(switching(), 1, 0.0, axis=1)
    returns[:, 2] *= 1_000.0
    weights = weights_of(returns)
    assert weights[1] == 0.0
    assert weights * np.sqrt((returns**2).mean(axis=0)) == pytest.approx([0.5, 0.0, 0.5])


@pytest.mark.parametrize(("ratio", "state"), [(1.0, 0), (1.5, 0), (1.6, 1), (3.1, 2)])
def test_without_a_model_the_regime_is_a_band_of_the_volatility(ratio: float, state: int) -> None:
    assert band((1.5, 3.0), ratio) == state


def test_more_states_need_very_strong_evidence() -> None:
    returns = switching(4_000)
    settled = fitted(returns, states=3)
    assert settled.fit.states == 2
    random: Any = np.random.default_rng(9)
    size = np.repeat([1e-4, 4e-4, 20e-4, 1e-4, 20e-4, 4e-4, 1e-4, 20e-4], 400)[:, None]
    three = fitted(size * random.standard_normal((3_200, 1)), states=3)
    assert three.fit.states == 3


def test_bars_in_which_no_price_moved_are_missing_to_the_filter_as_they_were_to_the_fit() -> None:
    returns = switching()
    fit = replace(fitted(returns).fit, unmoved=(-1e-9, 1e-9))
    found = Regime(1, fit, weights_of(returns), returns)
    before = found.probabilities.copy()
    found.step(np.zeros(2))  # says nothing: a step of the chain alone
    assert found.probabilities == pytest.approx(before @ fit.transition, rel=1e-12)
