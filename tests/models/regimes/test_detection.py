"""How soon changes are found, how rarely wrongly, and that nothing said is taken back."""

import math

import numpy as np
import pytest

from models.regimes import (
    BayesianChanges,
    BayesianSettings,
    Cusum,
    CusumSettings,
    RegimeSettings,
    bayesian_alarms,
    cusum_alarms,
    publish,
)
from tests.models.regimes.series import switching

ONE_DEVIATION = CusumSettings(mean_shift=1.0, volatility_ratio=1e9, false_alarm_observations=math.exp(5.0))


@pytest.mark.parametrize(("shift", "published"), [(0.0, 465.0), (0.5, 38.0), (1.0, 10.4), (2.0, 4.01)])
def test_average_run_lengths_are_those_of_the_tables(shift: float, published: float) -> None:
    """Two-sided CUSUM, k = 1/2, h = 5: Montgomery, "Introduction to Statistical Quality Control", table 9.3."""
    random = np.random.default_rng(7)
    runs = []
    for _ in range(400):
        alarms, _ = Cusum(ONE_DEVIATION).observe(random.normal(shift, 1.0, 6_000))
        runs.append(int(np.argmax(alarms >= 0)) + 1)
    error = np.std(runs) / 20.0
    assert abs(np.mean(runs) - published) < 3.5 * error


def test_false_alarms_are_rarer_than_the_bound() -> None:
    sides, _ = Cusum(CusumSettings()).observe(np.random.default_rng(2).normal(size=100_000))
    assert [int((sides == side).sum()) <= 100 for side in range(4)] == [True] * 4


def test_cusum_dates_the_rise_of_volatility() -> None:
    random = np.random.default_rng(3)
    scores = np.append(random.normal(size=800), 2.0 * random.normal(size=60))
    first = cusum_alarms(scores, CusumSettings())[0]
    assert first.side == "volatility up"
    assert 800 <= first.index < 840
    assert abs(first.since - 800) <= 15


def test_bayesian_detection_dates_both_changes_and_seldom_speaks_else() -> None:
    random = np.random.default_rng(4)
    values = random.normal(size=1_200)
    values[500:800] *= 3.0
    alarms, runs = bayesian_alarms(values, BayesianSettings())
    assert [alarm.side for alarm in alarms] == ["volatility up", "volatility down"]
    assert 500 <= alarms[0].index < 520
    assert abs(alarms[0].since - 500) <= 10
    assert 800 <= alarms[1].index < 840
    assert np.isnan(runs.recent[:59]).all()
    quiet, _ = bayesian_alarms(np.random.default_rng(1).normal(size=5_000), BayesianSettings())
    assert len(quiet) <= 10


def test_scale_of_the_series_does_not_matter() -> None:
    values = switching(4, 600)[0]
    assert bayesian_alarms(values, BayesianSettings())[0] == bayesian_alarms(values * 1024.0, BayesianSettings())[0]


def test_nothing_announced_is_taken_back() -> None:
    values = switching(4, 700)[0]
    whole, runs = bayesian_alarms(values, BayesianSettings())
    for end in (100, 350, 351, 500):
        part, early = bayesian_alarms(values[:end], BayesianSettings())
        assert part == [alarm for alarm in whole if alarm.index < end]
        np.testing.assert_array_equal(early.recent, runs.recent[:end])
    pieces = BayesianChanges(BayesianSettings())
    joined = np.concatenate([pieces.observe(values[:333]).recent, pieces.observe(values[333:]).recent])
    np.testing.assert_array_equal(joined, runs.recent)


def test_model_that_no_longer_fits_is_refitted_before_its_schedule() -> None:
    values = switching(0, 400, stay=0.95)[0]
    values[330:] *= 4.0
    settings = RegimeSettings(refit=150, window=300, minimum=150, starts=2)
    _, plain = publish(values, settings)
    eager = RegimeSettings(refit=150, window=300, minimum=150, starts=2, refit_on_change=True)
    found, early = publish(values, eager)
    assert [version.last for version in plain] == [149, 299]
    assert 330 <= early[2].last < 350
    assert np.diff([version.last for version in early]).min() >= eager.change_spacing
    again, _ = publish(values[:340], eager)
    np.testing.assert_array_equal(again.probabilities, found.probabilities[:340])


@pytest.mark.parametrize(
    ("make", "wrong", "said"),
    [
        (CusumSettings, {"mean_shift": 0.0}, "mean_shift is 0"),
        (CusumSettings, {"volatility_ratio": 1.0}, "volatility_ratio is 1"),
        (CusumSettings, {"false_alarm_observations": 1.0}, "false_alarm_observations is 1"),
        (BayesianSettings, {"mean_run": 1.0}, "mean_run is 1"),
        (BayesianSettings, {"recent": 500}, "recent is 500"),
        (BayesianSettings, {"burn_in": 5}, "burn_in is 5"),
        (BayesianSettings, {"prior_mean_weight": 0.0}, "prior weights"),
    ],
)
def test_impossible_settings_name_the_field(make: type, wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(**wrong)
