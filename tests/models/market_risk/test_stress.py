"""Stress: planted crises are found, nothing overlaps, contributions sum, and correlations can break only one way."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.faults import Fault
from models.market_risk.stress import (
    correlation_breakdown,
    deepest_drawdowns,
    historical_episodes,
    shock,
    standard_shocks,
    with_proxies,
    worst_windows,
)
from models.panel import Panel

DATES = np.arange("2000-01-01", "2001-12-31", dtype="datetime64[D]").astype("datetime64[ns]")
NAMES = ("A", "B", "C")
EXPOSURES = np.array([1.0, 0.5, -0.25])


def panel(values: np.ndarray) -> Panel:
    return Panel(NAMES, DATES[: len(values)], values)


def calm(n: int = 400) -> np.ndarray:
    return 0.001 * np.random.default_rng(0).standard_normal((n, 3))


def test_a_planted_crash_and_a_planted_slide_are_found() -> None:
    values = calm()
    values[100] = [-0.2, -0.1, 0.05]
    values[300:320, 0] = -0.01
    found = historical_episodes(panel(values), EXPOSURES)
    worst = next(each for each in found if each.name.startswith("worst 1 step "))
    assert (worst.first, worst.last, worst.kind) == ("2000-04-10", "2000-04-10", "episode")
    assert worst.loss == pytest.approx(0.2 + 0.05 + 0.0125)
    second = [each for each in found if each.name.startswith("worst 20 steps")][1]
    assert second.first is not None
    assert abs((np.datetime64(second.first) - DATES[300].astype("datetime64[D]")).astype(int)) <= 2
    assert {each.kind for each in found} == {"episode", "drawdown"}
    for each in found:
        assert each.contributions.sum() == pytest.approx(each.loss, abs=1e-12)


def test_an_episode_compounds_each_asset() -> None:
    values = calm()
    values[50:55] = [-0.1, 0.0, 0.0]
    found = next(e for e in historical_episodes(panel(values), EXPOSURES) if e.name.startswith("worst 5 steps"))
    assert found.contributions[0] == pytest.approx(1.0 - 0.9**5, abs=0.02)


def test_a_series_without_history_is_stood_in_for_and_named() -> None:
    values = calm()
    values[:, 2] = 2.0 * values[:, :2].mean(axis=1)
    values[100, :2] = -0.1
    values[:200, 2] = np.nan
    found = next(e for e in historical_episodes(panel(values), EXPOSURES) if e.name.startswith("worst 1 step "))
    assert found.first == "2000-04-10"
    assert found.contributions[2] == pytest.approx(0.25 * -0.2, rel=0.1)
    assert found.notes[0].startswith("PROXIED: C by 2.00 times the mean of the others before 2000-07-19")
    late = [e for e in historical_episodes(panel(values), EXPOSURES) if e.first and e.first > "2000-07-19"]
    assert all(not each.notes for each in late)
    filled, _ = with_proxies(panel(values))
    assert not np.isnan(filled.values).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000), st.sampled_from([1, 5, 20]), st.integers(1, 5))
def test_windows_do_not_overlap_and_are_the_worst(seed: int, length: int, count: int) -> None:
    index = np.concatenate([[0.0], np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(120) - 0.005)])
    found = worst_windows(index, length, count)
    change = index[length:] - index[:-length]
    assert found[0] == int(np.argmin(change))
    assert all(abs(a - b) >= length for i, a in enumerate(found) for b in found[:i])
    assert sorted(change[found].tolist()) == change[found].tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1_000))
def test_deepest_drawdown_is_the_maximum_drawdown(seed: int) -> None:
    index = np.concatenate([[0.0], np.cumsum(0.01 * np.random.default_rng(seed).standard_normal(150))])
    falls = deepest_drawdowns(index, 3)
    deepest = float(np.min(index - np.maximum.accumulate(index)))
    depths = [index[trough] - index[peak] for peak, trough in falls]
    assert depths[0] == pytest.approx(deepest, abs=1e-15)
    assert depths == sorted(depths)
    ordered = sorted(falls)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(ordered))


def test_a_shock_moves_the_others_as_they_are_expected_to() -> None:
    covariance = np.array([[4.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
    alone = shock(NAMES, EXPOSURES, {"A": -0.2})
    assert alone.contributions.tolist() == pytest.approx([0.2, 0.0, 0.0])
    spread = shock(NAMES, EXPOSURES, {"A": -0.2}, covariance=covariance)
    assert spread.contributions.tolist() == pytest.approx([0.2, 0.05, 0.0])
    assert spread.loss == pytest.approx(0.25)


def test_impossible_shocks_are_refused() -> None:
    with pytest.raises(Fault, match="'D' is not in the portfolio"):
        shock(NAMES, EXPOSURES, {"D": -0.2})
    with pytest.raises(Fault, match=r"shock -1\.5 of A"):
        shock(NAMES, EXPOSURES, {"A": -1.5})


def test_standard_shocks_go_against_the_portfolio() -> None:
    covariance = np.diag([1e-4, 4e-4, 1e-4])
    found = standard_shocks(NAMES, EXPOSURES, covariance)
    assert found[0].loss == pytest.approx(0.175)
    assert found[2].loss == pytest.approx(3.0 * (0.01 + 0.01 + 0.0025))
    assert found[3].name.startswith("A -25%")


def test_broken_correlations_hurt_most_in_the_worst_case_and_contributions_sum() -> None:
    covariance = 1e-4 * np.array([[1.0, 0.2, 0.1], [0.2, 1.0, 0.3], [0.1, 0.3, 1.0]])
    found = {each.name: each for each in correlation_breakdown(EXPOSURES, covariance)}
    losses = {name: each.loss for name, each in found.items()}
    worst = losses["correlations three quarters of the way to the worst case, VaR 0.99"]
    assert worst == max(loss for name, loss in losses.items() if "doubled" not in name)
    assert all(each.contributions.sum() == pytest.approx(each.loss, abs=1e-12) for each in found.values())
    base = 2.3263478740408408 * float(np.sqrt(EXPOSURES @ covariance @ EXPOSURES))
    assert losses["volatility doubled, VaR 0.99"] == pytest.approx(2.0 * base)
    assert all(not each.notes for each in found.values())
