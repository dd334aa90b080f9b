"""Spread, depth and its return from samples of a book: closed forms, a known pace, too few samples."""

import numpy as np
import pytest

from models.faults import DataFault
from models.market_risk.book_liquidity import BookSample, Side, at_once, refill, sample_of, terms_of

BIDS = Side(np.array([99.9, 99.8, 99.0]), np.array([1.0, 2.0, 100.0]))
ASKS = Side(np.array([100.1, 100.3]), np.array([3.0, 5.0]))


def test_a_sample_is_of_the_side_that_is_hit_within_the_distance() -> None:
    sold, bought = sample_of(BIDS, ASKS, True, 0.0025), sample_of(BIDS, ASKS, False, 0.0025)
    assert sold.mid == pytest.approx(100.0)
    assert sold.spread == pytest.approx(0.002)
    assert sold.depth == pytest.approx(300.0)  # 1 + 2 units at the mid, the level 1 % away is not near
    assert sold.depth_cost == pytest.approx((1.0 * 0.1 + 2.0 * 0.2) / 300.0)
    assert bought.depth == pytest.approx(300.0)
    assert bought.depth_cost == pytest.approx(0.001)


def test_an_empty_neighbourhood_has_no_depth_and_costs_half_the_spread() -> None:
    found = sample_of(BIDS, ASKS, True, 0.0001)
    assert found.depth == 0.0
    assert found.depth_cost == pytest.approx(0.001)


def test_a_position_larger_than_the_book_is_not_all_filled() -> None:
    found = at_once(ASKS, -10.0, 100.0)
    assert (found.filled, found.unfilled) == (8.0, 2.0)
    assert found.cost == pytest.approx(3.0 * 0.1 + 5.0 * 0.3)


@pytest.mark.parametrize("relaxation_s", [5.0, 20.0])
def test_the_time_in_which_depth_comes_back_is_three_relaxation_times(relaxation_s: float) -> None:
    random, logs = np.random.default_rng(1), np.zeros(20_000)
    for t in range(1, len(logs)):
        logs[t] = np.exp(-1.0 / relaxation_s) * logs[t - 1] + 0.1 * random.standard_normal()
    found, notes = refill(1e6 * np.exp(logs), 1.0, "A")
    assert found == pytest.approx(3.0 * relaxation_s, rel=0.15)
    assert notes == ()


def test_depth_without_memory_is_back_at_the_next_step_and_a_shift_is_said_to_be_uncertain() -> None:
    random = np.random.default_rng(2)
    assert refill(np.exp(random.standard_normal(500) * np.tile([1.0, -1.0], 250)), 2.0, "A")[0] >= 2.0
    assert refill(np.tile([1.0, 2.0], 50), 2.0, "A") == (2.0, ())
    found, notes = refill(np.repeat([1.0, 5.0], 50), 1.0, "A")
    assert found > 50.0
    assert notes[0].startswith("REFILL_UNCERTAIN: the depth of A comes back in about ")


def test_terms_are_means_and_medians_and_scale_with_the_quantities() -> None:
    random = np.random.default_rng(3)
    scales = np.exp(0.3 * random.standard_normal(100))
    samples = [sample_of(Side(BIDS.prices, BIDS.quantities * s), ASKS, True, 0.0025) for s in scales]
    found, _ = terms_of(samples, 1.0, "A")
    assert found.spread == pytest.approx(0.002)
    assert found.spread_deviation == pytest.approx(0.0, abs=1e-12)
    assert found.depth == pytest.approx(300.0 * float(np.median(scales)))
    assert found.impact == pytest.approx(0.5 / 300.0 - 0.001)
    with pytest.raises(DataFault, match="A: 5 samples of a valid book; at least 30 are needed"):
        terms_of([BookSample(1.0, 0.1, 1.0, 0.1)] * 5, 1.0, "A")
