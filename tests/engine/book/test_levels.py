"""The fast levels against the obvious ones: same answers on any sequence, far prices and window moves included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book.levels import PriceLevels
from engine.book.reference import PRICE_LIMIT, ReferenceLevels
from ipc.messages import Side

SIDES = [Side.BID, Side.ASK]

near = st.integers(6_168_400, 6_168_600)
far = st.one_of(st.integers(2_442_600, 2_442_800), st.integers(6_299_000, 6_301_000), st.integers(-200, 200))
extreme = st.integers(-PRICE_LIMIT + 1, PRICE_LIMIT - 1)
price = st.one_of(near, near, near, far, extreme)
quantity = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 2**62))
updates = st.lists(st.tuples(price, quantity), max_size=200)


def assert_same(fast: PriceLevels, slow: ReferenceLevels, prices: set[int]) -> None:
    assert len(fast) == len(slow)
    assert fast.best() == slow.best()
    assert fast.best_levels(len(slow) + 3) == slow.best_levels(len(slow) + 3)
    assert [fast.quantity(p) for p in prices] == [slow.quantity(p) for p in prices]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("window_ticks", [64, 4096, 1 << 14])
@given(updates=updates)
@settings(max_examples=60, deadline=None)
def test_levels_agree_with_the_reference_on_any_sequence(
    side: Side, window_ticks: int, updates: list[tuple[int, int]]
) -> None:
    fast, slow = PriceLevels(side, window_ticks, 256), ReferenceLevels(side)
    for price_ticks, quantity_lots in updates:
        assert fast.set(price_ticks, quantity_lots) == slow.set(price_ticks, quantity_lots)
        assert fast.best() == slow.best()
    assert_same(fast, slow, {p for p, _ in updates})
    fast.clear()
    slow.clear()
    assert_same(fast, slow, {p for p, _ in updates})
    for price_ticks, quantity_lots in updates[::-1]:
        fast.set(price_ticks, quantity_lots)
        slow.set(price_ticks, quantity_lots)
    assert_same(fast, slow, {p for p, _ in updates})


@pytest.mark.parametrize("side", SIDES)
def test_a_drifting_book_moves_its_window_and_keeps_every_level(side: Side) -> None:
    random = np.random.default_rng(4)
    fast, slow = PriceLevels(side, 256, 4096), ReferenceLevels(side)
    mid = 50_000
    for step in range(20_000):
        mid += int(random.integers(-3, 4)) + (2 if step < 10_000 else -2) * int(side == Side.BID)
        price_ticks = mid + int(random.normal(0, 60))
        quantity_lots = int(random.integers(0, 4))
        if slow.best() and random.random() < 0.4:
            price_ticks, quantity_lots = slow.best()[0], 0  # eat the best, so that the book moves away
        fast.set(price_ticks, quantity_lots)
        slow.set(price_ticks, quantity_lots)
        assert fast.best() == slow.best()
    assert fast.window_moves > 20
    assert_same(fast, slow, set(slow.quantity_by_price))


@pytest.mark.parametrize("side", SIDES)
def test_a_level_beyond_capacity_is_refused_and_the_rest_stays_right(side: Side) -> None:
    fast = PriceLevels(side, 64, 4)
    sign = 1 if side == Side.BID else -1
    assert fast.set(10_000 * sign, 5)
    assert all(fast.set(i * sign, 1) for i in range(1, 5))
    assert not fast.set(9 * sign, 1)
    assert fast.best_levels(9) == [(10_000 * sign, 5), *[(i * sign, 1) for i in (4, 3, 2, 1)]]
    assert fast.set(4 * sign, 0)
    assert fast.set(9 * sign, 1)


@pytest.mark.parametrize("side", SIDES)
def test_a_window_move_that_finds_no_room_says_so(side: Side) -> None:
    fast = PriceLevels(side, 64, 4)
    sign = 1 if side == Side.BID else -1
    assert all(fast.set((1_000 + i) * sign, 1) for i in range(10))
    assert not fast.set(50_000 * sign, 7)
    assert fast.best() == (50_000 * sign, 7)


@pytest.mark.parametrize(("price_ticks", "quantity_lots"), [(PRICE_LIMIT, 1), (-PRICE_LIMIT, 1), (5, -1)])
def test_what_cannot_be_a_level_is_refused(price_ticks: int, quantity_lots: int) -> None:
    fast = PriceLevels(Side.BID)
    fast.set(5, 2)
    assert not fast.set(price_ticks, quantity_lots)
    assert fast.best_levels(3) == [(5, 2)]


def test_deleting_an_unknown_level_does_nothing() -> None:
    fast = PriceLevels(Side.ASK, 64, 4)
    for price_ticks in (0, 10, 10_000, -10_000):
        assert fast.set(price_ticks, 0)
    assert len(fast) == 0
    assert fast.best() is None


@pytest.mark.parametrize("window_ticks", [0, 32, 100, 1 << 25])
def test_capacity_errors_name_field_and_limit(window_ticks: int) -> None:
    with pytest.raises(ValueError, match="window_ticks must be a power of two from 64"):
        PriceLevels(Side.BID, window_ticks)


@pytest.mark.parametrize("side", SIDES)
def test_many_levels_at_once_are_the_same_as_one_by_one(side: Side) -> None:
    random = np.random.default_rng(7)
    prices, lots = random.integers(0, 9_000, 3_000), random.integers(0, 3, 3_000)
    one, all_at_once = PriceLevels(side, 512), PriceLevels(side, 512)
    for price, quantity in zip(prices.tolist(), lots.tolist(), strict=True):
        one.set(price, quantity)
    assert all_at_once.set_all(prices, lots) == 0
    assert one.best_levels(9_999) == all_at_once.best_levels(9_999)
