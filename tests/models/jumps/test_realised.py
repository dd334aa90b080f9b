"""Realised measures, and the jump test on clean days with a U-shape, on planted jumps and on recorded markets."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.faults import Fault
from models.jumps import (
    JumpSettings,
    bipower_variation,
    critical_value,
    daily_returns,
    jump_variation,
    lee_mykland,
    ratio_test,
    realised_variance,
    tripower_quarticity,
)

HOUR_NS = 3_600_000_000_000


def clean_days(seed: int, days: int = 300, bins: int = 78, opening: float = 6.0) -> np.ndarray:
    """Five-minute returns without a jump: U-shape over the day, log volatility that wanders slowly."""
    random = np.random.default_rng(seed)
    place = np.linspace(-1.0, 1.0, bins)
    shape = 1.0 + (opening - 1.0) * np.abs(place) ** 4 * np.where(place < 0.0, 1.0, 0.5)
    memory = 0.98 ** (1.0 / bins)
    shocks = random.normal(size=days * bins) * 0.2 * np.sqrt(1.0 - memory**2)
    level = np.empty(days * bins)
    level[0] = 0.0
    for t in range(1, level.size):
        level[t] = memory * level[t - 1] + shocks[t]
    return random.normal(size=(days, bins)) * shape * np.exp(level).reshape(days, bins) * 1e-3


def share_of_days(returns: np.ndarray, **settings: Any) -> float:
    """Share of the days from the 60th on that are said to have a jump."""
    return float(lee_mykland(returns, JumpSettings(**settings)).days_with_jumps[60:].mean())


def test_without_removal_of_the_pattern_most_clean_days_have_jumps(capsys: pytest.CaptureFixture[str]) -> None:
    returns = np.concatenate([clean_days(seed) for seed in (1, 2)])
    raw = share_of_days(returns, level=0.05, remove_pattern=False)
    removed = share_of_days(returns, level=0.05)
    with capsys.disabled():
        print(
            f"\nLee-Mykland at 5 % on clean U-shaped days: fires on {raw:.0%} of them; pattern removed: {removed:.0%}"
        )
    assert raw > 0.75
    assert 0.02 < removed < 0.10


def test_planted_jumps_are_found_where_they_are() -> None:
    returns = clean_days(3)
    for day in range(100, 300, 10):
        returns[day, 40] += 0.012  # about ten deviations of that time of the day
    found = lee_mykland(returns, JumpSettings())
    assert found.jumps[100:300:10, 40].mean() > 0.9
    assert found.days_with_jumps[60:].mean() < 0.15


def test_no_statistic_changes_when_days_are_appended() -> None:
    returns = clean_days(4, days=80)
    whole = lee_mykland(returns)
    for end in (30, 31, 55, 79):
        part = lee_mykland(returns[:end])
        np.testing.assert_array_equal(part.statistics, whole.statistics[:end])
        np.testing.assert_array_equal(part.factors, whole.factors[:end])
    bent = returns.copy()
    bent[60, 40:] *= -7.0
    later = lee_mykland(bent)
    np.testing.assert_array_equal(later.statistics[:60], whole.statistics[:60])
    np.testing.assert_array_equal(later.statistics[60, :40], whole.statistics[60, :40])


def test_pattern_of_the_whole_sample_would_be_found_out() -> None:
    """A planted look-ahead: factors of all days change what was said of the first ones."""
    returns = clean_days(5, days=80)

    def peeking(values: np.ndarray) -> np.ndarray:
        return lee_mykland(values / values.std(axis=0), JumpSettings(remove_pattern=False)).statistics

    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(peeking(returns[:60]), peeking(returns)[:60])


def test_scaling_returns_changes_no_statistic() -> None:
    returns = clean_days(6, days=60)
    np.testing.assert_allclose(lee_mykland(returns * 1e4).statistics, lee_mykland(returns).statistics, rtol=1e-9)


def test_untested_days_are_noted() -> None:
    found = lee_mykland(clean_days(7, days=25))
    assert not found.tested[:20].any()
    assert found.tested[-1]
    assert found.notes[0].startswith("DAYS_UNTESTED: 2")


def test_critical_value_is_that_of_the_paper() -> None:
    """Lee and Mykland (2008): beta* = 4.6001 at 1 %; the statistics here have unit variance, so c = 1."""
    root = np.sqrt(2.0 * np.log(78))
    centre = root - (np.log(np.pi) + np.log(np.log(78))) / (2.0 * root)
    assert critical_value(0.01, 78) == pytest.approx(centre + 4.6001 / root, abs=1e-4)
    largest = np.abs(np.random.default_rng(0).normal(size=(20_000, 78))).max(axis=1)
    assert 0.025 < (largest > critical_value(0.05, 78)).mean() < 0.05  # asymptotic: a little strict for 78


def test_measures_of_clean_days_agree_and_jumps_part_them() -> None:
    random = np.random.default_rng(1)
    returns = random.normal(size=(4_000, 78)) * 0.001
    true = 78 * 1e-6
    assert realised_variance(returns).mean() == pytest.approx(true, rel=0.01)
    assert bipower_variation(returns).mean() == pytest.approx(true, rel=0.01)
    assert tripower_quarticity(returns).mean() == pytest.approx(true**2, rel=0.03)
    statistics, p_values = ratio_test(returns)
    assert (p_values < 0.05).mean() == pytest.approx(0.05, abs=0.02)
    assert statistics.std() == pytest.approx(1.0, abs=0.1)
    returns[:, 30] += 0.01
    neighbours = np.pi * 0.01 * 0.001 * np.sqrt(2.0 / np.pi)  # what one jump adds to the bipower of 78 returns
    assert jump_variation(returns).mean() == pytest.approx(1e-4 - neighbours, rel=0.03)
    assert (ratio_test(returns)[1] < 0.01).mean() > 0.9


def test_session_prices_become_returns_of_bars() -> None:
    day = 20_000 * 24 * HOUR_NS
    times = day + np.array([8, 9, 9.5, 10.2, 12.9, 13.0]) * HOUR_NS
    prices = np.array([50.0, 100.0, 101.0, 102.0, 104.0, 90.0])
    names, returns = daily_returns(times, prices, bar_ns=HOUR_NS, open_ns=9 * HOUR_NS, close_ns=13 * HOUR_NS)
    assert names.tolist() == [20_000]
    expected = [[np.log(1.01), np.log(102 / 101), np.nan, np.log(104 / 102)]]
    np.testing.assert_allclose(returns, expected, rtol=1e-12)


def recorded_hours(path: Path) -> np.ndarray:
    """(days, 24) returns of the mid of hourly bid and ask bars: opening and closing price of each."""
    with zipfile.ZipFile(path) as archive:
        rows = archive.read(archive.namelist()[0]).decode().splitlines()
    cells = [row.split(",") for row in rows]
    begins = np.array([f"{c[0][:4]}-{c[0][4:6]}-{c[0][6:8]}T{c[0][9:]}" for c in cells], dtype="datetime64[ns]")
    opens = np.array([(float(c[1]) + float(c[6])) / 2 for c in cells])
    closes = np.array([(float(c[4]) + float(c[9])) / 2 for c in cells])
    times = np.column_stack([begins.astype(np.int64), begins.astype(np.int64) + HOUR_NS - 1]).ravel()
    return daily_returns(times, np.column_stack([opens, closes]).ravel(), bar_ns=HOUR_NS)[1]


def test_recorded_euro_hours_lose_the_jumps_of_the_opening_hours(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """EURUSD 2007-2018: without removal the busy hours (02-04, 07-10 New York) have most of the "jumps"."""
    returns = recorded_hours(data / "candles" / "lean_EURUSD_hour_2007-2018.zip")
    busy = [2, 3, 4, 7, 8, 9, 10]
    shares, days = {}, {}
    for removed in (False, True):
        found = lee_mykland(returns, JumpSettings(remove_pattern=removed))
        shares[removed] = found.jumps[300:, busy].sum() / found.jumps[300:].sum()
        days[removed] = found.days_with_jumps[300:].mean()
    with capsys.disabled():
        print(
            f"\nEURUSD hours, 1 %: days with jumps {days[False]:.1%}, in 7 busy hours {shares[False]:.0%}; "
            f"pattern removed: {days[True]:.1%}, {shares[True]:.0%}"
        )
    assert days[True] < days[False]
    assert shares[False] > 0.6
    assert shares[True] < 0.5


@pytest.mark.parametrize("name", ["IBM_20131007", "SPY_20131007", "BAC_20131007"])
def test_recorded_ticks_have_a_bipower_near_the_realised_variance(data: Path, name: str) -> None:
    with zipfile.ZipFile(data / "ticks" / f"lean_{name}_trade.zip") as archive:
        rows = archive.read(archive.namelist()[0]).decode().splitlines()
    cells = [row.split(",", 2)[:2] for row in rows]
    times = np.array([int(c[0]) for c in cells]) * 1_000_000
    prices = np.array([int(c[1]) / 1e4 for c in cells])
    _, returns = daily_returns(times, prices, bar_ns=300_000_000_000, open_ns=int(9.5 * HOUR_NS), close_ns=16 * HOUR_NS)
    assert returns.shape == (1, 78)
    realised, bipower = np.sqrt(realised_variance(returns)[0]), np.sqrt(bipower_variation(returns)[0])
    assert 0.003 < realised < 0.02
    assert 0.75 < bipower / realised < 1.1


def test_mistakes_are_one_line() -> None:
    with pytest.raises(Fault, match="days by bins"):
        lee_mykland(np.zeros(10))
    with pytest.raises(Fault, match="day 1, bin 2 is infinite"):
        realised_variance(np.array([[0.0, 0, 0], [0, 0, np.inf]]))
    with pytest.raises(Fault, match="price 1 is 0"):
        daily_returns([0, 1], [1.0, 0.0], bar_ns=HOUR_NS)
    with pytest.raises(Fault, match="time 1 lies before"):
        daily_returns([1, 0], [1.0, 1.0], bar_ns=HOUR_NS)
    with pytest.raises(Fault, match="3 bars or more"):
        daily_returns([1, 2], [1.0, 1.0], bar_ns=24 * HOUR_NS)
    with pytest.raises(ValueError, match=r"level is 0\.5"):
        JumpSettings(level=0.5)
    with pytest.raises(ValueError, match="window is 3"):
        JumpSettings(window=3)
    with pytest.raises(ValueError, match="fewest_days is 2"):
        JumpSettings(fewest_days=2)
