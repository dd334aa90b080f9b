"""What is believed of the market: the prior, then EWMA, then GARCH, each said; and the batch made of it."""

import numpy as np
import pytest

from engine.risk_models.batch import Holdings, batch, correlation_with_rest, records_of_batch
from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.estimate import Estimator
from ipc.messages import Flag, Kind, RiskMethod, RiskValue
from kernels.exposure.reference import cvar
from tests.engine.execution import desk as make

FAST = RiskProcessConfig(minimum_bars=20, fit_bars=400, history_bars=1_000, horizon_s=100.0)


def filled(bars: int, rho: float = 0.8, settings: RiskProcessConfig = FAST) -> Estimator:
    random = np.random.default_rng(3)
    estimator = Estimator(2, 200, settings)
    common, own = random.standard_normal((bars, 1)), random.standard_normal((bars, 2))
    for row in 1e-4 * (np.sqrt(rho) * common + np.sqrt(1 - rho) * own):
        estimator.add(row)
    return estimator


def test_too_little_history_is_the_prior_and_says_so() -> None:
    estimate = filled(19).estimate(7, 1.0)
    assert estimate.method == RiskMethod.PRIOR
    assert estimate.volatility == pytest.approx(0.04 / np.sqrt(86_400))
    assert estimate.losses.shape == (2, 200)
    assert (estimate.regime, estimate.volatility_ratio) == (0, 1.0)


def test_enough_of_it_is_ewma_with_the_past_under_the_volatility_of_now() -> None:
    estimate = filled(300).estimate(7, 0.9)
    assert estimate.method == RiskMethod.EWMA
    assert estimate.volatility == pytest.approx([1e-4, 1e-4], rel=0.5)
    assert estimate.losses.std(axis=1) == pytest.approx(estimate.volatility * 10.0, rel=0.3)
    assert estimate.correlation[0, 1] == pytest.approx(0.8, abs=0.1)
    assert estimate.quality == 0.9


def test_volatility_of_now_far_above_the_long_run_is_another_regime() -> None:
    estimator = filled(300)
    for _ in range(30):
        estimator.add(np.array([8e-4, -8e-4]))
    estimate = estimator.estimate(7, 1.0)
    assert estimate.volatility_ratio > 1.5
    assert estimate.regime >= 1


def test_a_bar_with_a_hole_is_left_out() -> None:
    estimator = filled(30)
    assert not estimator.add(np.array([np.nan, 1e-4]))
    assert estimator.bars == 30


def test_a_price_that_stands_still_is_no_division_by_zero() -> None:
    estimator = Estimator(2, 200, FAST)
    for _ in range(100):
        estimator.add(np.zeros(2))
    estimate = estimator.estimate(7, 1.0)
    assert np.isfinite(estimate.losses).all()
    assert estimate.correlation.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("bars", [30, 400])  # fewer and more than there are scenarios
def test_a_price_that_has_not_moved_can_lose_what_the_prior_says_and_a_note_says_so(bars: int) -> None:
    estimator, random = Estimator(2, 200, FAST), np.random.default_rng(5)
    for _ in range(bars):
        estimator.add(np.array([1e-4 * random.standard_normal(), 0.0]))
    moved, still = estimator.estimate(7, 1.0).losses
    prior = cvar(filled(19).estimate(7, 1.0).losses[1], 0.95)  # of another instrument's draws: near
    for side in (1.0, -1.0):
        assert cvar(side * still, 0.95) == pytest.approx(prior, rel=0.4)
    assert moved.std() == pytest.approx(1e-3, rel=0.5)
    assert [note for note in estimator.notes if note.startswith("STANDS_STILL: instrument 1 ")]
    estimator.add(np.array([1e-4, 1e-4]))
    assert not [note for note in estimator.notes if note.startswith("STANDS_STILL")]


def test_calmer_than_the_least_is_not_believed() -> None:
    estimator, random = Estimator(1, 200, FAST), np.random.default_rng(5)
    for _ in range(300):
        estimator.add(1e-8 * random.standard_normal(1))
    assert estimator.estimate(7, 1.0).volatility == pytest.approx(0.002 / np.sqrt(86_400))


def test_a_fit_is_stepped_between_refits_and_one_that_fails_is_said() -> None:
    estimator = filled(500)
    assert estimator.refit()
    estimate = estimator.estimate(7, 1.0)
    assert estimate.method in (RiskMethod.GARCH, RiskMethod.MIXED, RiskMethod.EWMA)
    unfit = [note for note in estimator.notes if note.startswith(("NOT_FITTED", "NOT_HEALTHY"))]
    assert (estimate.method == RiskMethod.GARCH) == (unfit == [])
    estimator.add(np.array([1e-3, 1e-3]))
    assert (estimator.estimate(8, 1.0).volatility > estimate.volatility).all()
    assert np.isfinite(estimator.estimate(8, 1.0).losses).all()


def test_a_batch_is_one_message_stream_that_ends_once() -> None:
    estimate = filled(300).estimate(7, 1.0)
    table = make.table(("0.01", "0.001"), ("0.01", "0.001"))
    held = Holdings(np.array([500, -200]), np.array([20_000, 20_000]))
    records = batch(9, estimate, held, table, 0.95, 11)
    assert len(records) == records_of_batch(2, 200)
    assert np.flatnonzero(records["flags"] & Flag.LAST).tolist() == [len(records) - 1]
    assert (records["event_time_ns"] == 7).all()
    values = records[records["kind"] == Kind.RISK_VALUE]
    published = dict(zip(values["order_id"].tolist(), values["extra"].view(np.float64).tolist(), strict=True))
    atoms = held.atoms(table)
    assert atoms.tolist() == [500 * 1e7, -200 * 1e7]
    assert published[RiskValue.CVAR] == cvar(atoms @ estimate.losses, 0.95)
    assert published[RiskValue.VAR] <= published[RiskValue.CVAR]
    assert set(published) == set(RiskValue)


def test_correlation_with_the_rest_leaves_the_instrument_itself_out() -> None:
    losses = filled(300, rho=0.8).estimate(7, 1.0).losses
    assert correlation_with_rest(losses, np.array([1.0, 0.0])).tolist() == [0.0, pytest.approx(0.8, abs=0.12)]
    assert correlation_with_rest(losses, np.array([-1.0, 0.0]))[1] == pytest.approx(-0.8, abs=0.12)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[
            ("decay", 1.0),
            ("minimum_bars", 4),
            ("regime_ratios", (3.0, 1.5)),
            ("bar_s", 0.0),
            ("prior_correlation", 1.0),
        ],
        *[("minimum_volatility_per_day", 0.05), ("minimum_volatility_per_day", float("nan"))],
    ],
)
def test_impossible_settings_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        RiskProcessConfig(**{field: value})
