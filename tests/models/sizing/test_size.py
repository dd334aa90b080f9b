from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.construction.constraints import box
from models.faults import Fault
from models.sizing import TERMS, Account, Edges, SizingPolicy, size
from models.sizing.caps import within_caps


def edges(seed: int = 1, count: int = 4, **changed: Any) -> Edges:
    draws = np.random.default_rng(seed)
    mixing = draws.normal(size=(count, count + 2)) * 0.01
    values: dict[str, Any] = {
        "names": tuple(f"A{i}" for i in range(count)), "means": draws.normal(5e-4, 1e-3, count),
        "covariance": mixing @ mixing.T + 1e-5 * np.eye(count), "observations": 500,
        "costs": np.full(count, 1e-4), "funding": np.zeros(count),
    }  # fmt: skip
    return Edges(**(values | changed))


def account(count: int = 4, **changed: Any) -> Account:
    values: dict[str, Any] = {
        "capital": 1e6, "prices": np.linspace(20.0, 90.0, count), "lot_sizes": np.ones(count),
        "venues": tuple("XY"[i % 2] for i in range(count)), "quality": np.ones(count),
    }  # fmt: skip
    return Account(**(values | changed))


policies = st.builds(
    SizingPolicy,
    kelly_fraction=st.floats(0.25, 0.5),
    shrink_for_estimation=st.booleans(),
    volatility_target_per_year=st.none() | st.floats(0.01, 0.5),
    venue_caps=st.dictionaries(st.sampled_from("XY"), st.floats(0.05, 2.0)),
    gross_cap=st.floats(0.1, 5.0),
    capital_cap=st.none() | st.floats(1e4, 1e6),
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), policies, st.floats(0, 0.3), st.floats(0, 1))
@example(0, SizingPolicy(kelly_fraction=0.5, gross_cap=1.0), 0.0, 2.225073858507203e-309)
def test_whatever_the_settings_the_terms_multiply_to_lots_within_every_cap(
    seed: int, policy: SizingPolicy, drawdown: float, quality: float
) -> None:
    believed, held = edges(seed), account(drawdown=drawdown, quality=np.array([quality, 1.0, 1.0, 0.5]))
    found = size(believed, held, policy)
    for each, mean in zip(found.chains, believed.means, strict=True):
        assert each.product() == each.lots
        assert tuple(term.name for term in each.terms) == (*TERMS, "rounding")
        assert each.lots * mean >= 0
    sizes = np.abs(found.weights)
    assert sizes.sum() <= policy.gross_cap
    assert sizes.sum() * 1e6 <= (policy.capital_cap or 1e6)
    for venue, cap in policy.venue_caps.items():
        assert sizes[[name == venue for name in held.venues]].sum() <= cap
    if drawdown >= 0.2:
        assert not sizes.any()


def test_the_terms_of_one_instrument_are_the_formulas() -> None:
    one = edges(
        count=1, means=np.array([8e-4]), covariance=np.array([[1e-4]]), costs=np.array([2e-4]), observations=None
    )
    policy = SizingPolicy(volatility_target_per_year=0.05, gross_cap=10.0, capital_cap=1e7)
    found = size(one, account(1, drawdown=0.15, quality=np.array([0.8])), policy)
    terms = {term.name: term.factor for term in found.chains[0].terms}
    assert found.chains[0].raw == pytest.approx(8.0 * 1e6 / 20.0)
    assert terms["estimation"] == 1.0
    assert terms["fraction"] == 0.25
    assert terms["correlation"] == pytest.approx(1.0, abs=1e-8)
    assert terms["costs"] == pytest.approx(0.75)
    assert terms["volatility_target"] == pytest.approx(0.05 / (8.0 * 0.25 * 0.75 * 0.01 * np.sqrt(252)))
    assert terms["drawdown"] == pytest.approx(0.5)
    assert terms["data_quality"] == 0.8
    assert found.caps_hit == ("volatility_target", "drawdown", "data_quality:A0")
    assert any(note.startswith("ESTIMATION_UNKNOWN") for note in found.notes)


def test_an_edge_below_its_cost_is_nothing_and_says_so() -> None:
    one = edges(count=2, means=np.array([1e-4, -1e-3]), covariance=1e-4 * np.eye(2), costs=np.full(2, 2e-4))
    found = size(one, account(2), SizingPolicy(shrink_for_estimation=False))
    assert found.chains[0].lots == 0
    assert found.chains[1].lots < 0
    assert "edge_below_cost:A0" in found.caps_hit


def test_funding_eats_the_edge_of_a_long_and_feeds_that_of_a_short() -> None:
    one = edges(
        count=2, means=np.array([1e-3, -1e-3]), covariance=1e-3 * np.eye(2), funding=np.full(2, 4e-4), costs=np.zeros(2)
    )
    found = size(one, account(2), SizingPolicy(shrink_for_estimation=False))
    costs = [{term.name: term.factor for term in each.terms}["costs"] for each in found.chains]
    assert costs == pytest.approx([0.6, 1.4])


def test_two_equal_bets_with_correlation_one_half_are_each_cut_by_a_third() -> None:
    covariance = 1e-4 * np.array([[1.0, 0.5], [0.5, 1.0]])
    pair = edges(count=2, means=np.full(2, 1e-4), covariance=covariance, costs=np.zeros(2))
    found = size(pair, account(2), SizingPolicy(shrink_for_estimation=False))
    for each in found.chains:
        assert {term.name: term.factor for term in each.terms}["correlation"] == pytest.approx(2 / 3, abs=1e-7)


def test_constraints_of_the_programme_are_named_where_they_bind() -> None:
    pair = edges(count=2, means=np.full(2, 1e-3), covariance=1e-4 * np.eye(2), costs=np.zeros(2))
    limits = box(("A0", "A1"), 0.0, 0.1, None)
    found = size(pair, account(2), SizingPolicy(shrink_for_estimation=False), limits)
    assert set(found.caps_hit) == {"constraint:max A0", "constraint:max A1"}
    assert np.abs(found.weights).max() <= 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_permuting_instruments_permutes_lots(seed: int, count: int) -> None:
    order = np.random.default_rng(seed).permutation(count)
    believed, held = edges(seed, count), account(count)
    policy = SizingPolicy(gross_cap=0.7, venue_caps={"X": 0.3}, shrink_for_estimation=False)
    straight = size(believed, held, policy)
    turned = size(
        edges(
            means=believed.means[order], covariance=believed.covariance[np.ix_(order, order)], count=count,
            costs=believed.costs[order],
        ),
        account(count, prices=held.prices[order], venues=tuple(held.venues[i] for i in order)),
        policy,
    )  # fmt: skip
    lots = np.array([each.lots for each in straight.chains])
    assert [each.lots for each in turned.chains] == pytest.approx(lots[order], abs=2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_caps_keep_more_growth_than_cutting_all_in_proportion(seed: int) -> None:
    believed = edges(seed, 5)
    wanted = np.linalg.solve(believed.covariance, believed.means) * 0.1
    gross = float(np.abs(wanted).sum())
    factors = within_caps(wanted, believed.covariance, account(5).venues, {}, 0.5 * gross)
    assert ((factors >= 0) & (factors <= 1)).all()
    assert np.abs(wanted * factors).sum() <= 0.5 * gross

    def missed(held: np.ndarray) -> float:
        return float((held - wanted) @ believed.covariance @ (held - wanted))

    assert missed(wanted * factors) <= missed(wanted * 0.5) * (1 + 1e-6)


@pytest.mark.parametrize("fraction", [0.6, 1.0, 0.0, -0.25, float("nan")])
def test_a_fraction_outside_the_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"kelly_fraction must be 0\.25 to 0\.5"):
        SizingPolicy(kelly_fraction=fraction)


def test_noise_is_not_bet_on() -> None:
    quiet = edges(means=np.full(4, 1e-9))
    found = size(quiet, account(), SizingPolicy())
    assert all(each.lots == 0 for each in found.chains)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"means": np.array([0.1, np.nan, 0.1, 0.1])}, "A1: mean nan"),
        ({"covariance": np.zeros((4, 4))}, "A0: variance 0"),
        ({"costs": np.array([0.0, 0.0, -1.0, 0.0])}, "A2: cost -1"),
        ({"observations": 8}, "8 observations are too few to size 4 instruments"),
    ],
)
def test_an_estimate_that_cannot_be_used_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(Fault, match=message):
        size(edges(**changed), account(), SizingPolicy())


def test_an_instrument_given_twice_is_repaired_with_a_note() -> None:
    covariance = 1e-4 * np.ones((2, 2))
    twin = edges(count=2, means=np.full(2, 1e-4), covariance=covariance, costs=np.zeros(2))
    found = size(twin, account(2), SizingPolicy(shrink_for_estimation=False))
    assert found.notes[0].startswith("COVARIANCE_REPAIRED: 1 of 2 eigenvalues")
    assert found.weights[0] == pytest.approx(found.weights[1], abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_twice_the_capital_is_twice_the_raw_bet_and_twice_the_lots(seed: int, power: int) -> None:
    scale = 2.0**power
    policy = SizingPolicy(gross_cap=0.8, shrink_for_estimation=False)
    small, large = size(edges(seed), account(), policy), size(edges(seed), account(capital=1e6 * scale), policy)
    for one, many in zip(small.chains, large.chains, strict=True):
        assert many.raw == one.raw * scale
        assert abs(many.lots - one.lots * scale) <= scale


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.1), st.floats(0.0, 0.1))
def test_more_drawdown_is_never_a_larger_position(seed: int, one: float, more: float) -> None:
    first = size(edges(seed), account(drawdown=one), SizingPolicy(shrink_for_estimation=False))
    second = size(edges(seed), account(drawdown=one + more), SizingPolicy(shrink_for_estimation=False))
    before, after = np.abs(first.weights).sum(), np.abs(second.weights).sum()
    one_lot_each = 4 * 90.0 / 1e6
    assert after <= before + one_lot_each
