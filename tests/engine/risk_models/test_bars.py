"""Bars of mids: what counts as a close, and what is missing."""

import numpy as np
import pytest

from engine.risk_models.bars import QUALITY_BARS, Bars, half_ticks
from ipc.messages import BookState
from tests.engine.risk import market

SECOND = 1_000_000_000


def looks(bars: Bars, *mids: int) -> list[float]:
    """One look a second; the return of each bar."""
    found: list[float] = []
    for number, mid in enumerate(mids):
        found += [float(row[0]) for row in bars.look(number * SECOND + 1, np.array([mid]))]
    return found


def test_a_return_is_the_logarithm_of_closes_of_valid_books() -> None:
    found = looks(Bars(1, 1.0), 20_000, 20_200, 19_800)
    assert found == pytest.approx([np.log(1.01), np.log(198 / 202)])


def test_a_book_that_is_not_valid_leaves_two_holes() -> None:
    bars = Bars(1, 1.0)
    found = looks(bars, 20_000, 0, 20_200, 20_200)
    assert np.isnan(found).tolist() == [True, True, False]
    assert bars.missing == 2
    assert bars.quality == pytest.approx(1 - 2 / QUALITY_BARS)


def test_bars_nobody_saw_are_missing_and_not_made_up() -> None:
    bars = Bars(1, 1.0)
    bars.look(1, np.array([20_000]))
    found = bars.look(5 * SECOND + 1, np.array([20_200]))
    assert np.isnan([row[0] for row in found]).tolist() == [True] * 5
    assert len(bars.look(10_000 * SECOND, np.array([20_200]))) <= 2 * QUALITY_BARS  # a long sleep is not relived


def test_mids_are_of_two_sided_valid_books() -> None:
    books = market.books(3)
    books["state"][1] = BookState.STALE
    books["ask_quantity_lots"][2, 0] = 0
    assert half_ticks(books).tolist() == [20_000, 0, 0]
