"""Bounds and the exact pass against every combination of fills."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.exposure import reference
from kernels.exposure.cpu import ExposureBook

SCENARIOS = 200
LEVEL = 0.95
books = st.tuples(st.integers(1, 4), st.integers(0, 2**32 - 1), st.sampled_from(["free", "hedged", "flat", "same"]))


def draw_losses(random: np.random.Generator, instruments: int, kind: str = "free") -> np.ndarray:
    """Shares lost, shape (instruments, SCENARIOS): correlated, fat-tailed; `same`: all instruments are one."""
    common = random.standard_t(3, SCENARIOS)
    own = random.standard_t(3, (instruments, SCENARIOS))
    weight = 1.0 if kind in ("hedged", "same") else random.uniform(0, 1)
    losses: np.ndarray = 0.02 * (weight * common + (0.05 if kind == "hedged" else 1 - weight) * own)
    return losses


def draw_held(random: np.random.Generator, instruments: int, kind: str) -> np.ndarray:
    held = random.uniform(-1, 1, instruments) * 1e11
    if kind == "flat":
        held[:] = 0.0
    elif kind == "hedged":
        held = np.where(np.arange(instruments) % 2, -1.0, 1.0) * 1e11
    return held


@settings(max_examples=200, deadline=None)
@given(books)
def test_the_truth_lies_between_the_bounds_and_below_the_exact_pass(drawn: tuple[int, int, str]) -> None:
    instruments, seed, kind = drawn
    random = np.random.default_rng(seed)
    losses, held = draw_losses(random, instruments, kind), draw_held(random, instruments, kind)
    book = ExposureBook(losses, held, LEVEL)
    low = held - random.uniform(0, 1e11, instruments) * random.integers(0, 2, instruments)
    high = held + random.uniform(0, 1e11, instruments) * random.integers(0, 2, instruments)
    for index in range(instruments):
        book.place(index, low[index], high[index])
    truth = reference.true_worst_cvar(losses, low, high, LEVEL)
    lower, upper = book.bounds()
    exact = book.worst()
    assert lower <= truth <= min(upper, exact)
    expected_lower, expected_upper = reference.bounds(losses, held, low, high, LEVEL)
    scale = np.abs(np.concatenate([low, high, held])).sum() * np.abs(losses).max()
    assert lower == pytest.approx(expected_lower, abs=1e-9 * scale + 10)
    assert upper == pytest.approx(expected_upper, abs=1e-9 * scale + 10)
    assert exact == pytest.approx(reference.dominating_cvar(losses, low, high, LEVEL), abs=1e-9 * scale + 10)


@settings(max_examples=100, deadline=None)
@given(books, st.floats(0.3, 1.5))
def test_a_verdict_is_what_the_reference_says_of_the_book_with_the_order_open(
    drawn: tuple[int, int, str], of_limit: float
) -> None:
    instruments, seed, kind = drawn
    random = np.random.default_rng(seed)
    losses, held = draw_losses(random, instruments, kind), draw_held(random, instruments, kind)
    book = ExposureBook(losses, held, LEVEL)
    added = random.uniform(-1, 1) * 1e11
    low, high = held.copy(), held.copy()
    low[0], high[0] = low[0] + min(added, 0), high[0] + max(added, 0)
    dominating = reference.dominating_cvar(losses, low, high, LEVEL)
    limit = abs(dominating) * of_limit
    near = 1e-9 * np.abs(held).sum() + 10
    verdict, value = book.judge(0, added, limit)
    if verdict.startswith("ACCEPTED"):
        assert reference.true_worst_cvar(losses, low, high, LEVEL) <= value <= limit
    elif verdict == "REFUSED_BY_BOUND":
        assert reference.true_worst_cvar(losses, low, high, LEVEL) >= value > limit
    else:
        assert verdict == "REFUSED_EXACTLY"
        assert value == pytest.approx(dominating, abs=near)
        assert dominating > limit - near
    undecided, _ = book.judge(0, added, limit, exactly=False)
    assert undecided in (verdict, "UNDECIDED")


def test_cvar_counts_the_last_scenario_of_the_tail_in_part() -> None:
    losses = np.arange(1.0, 11.0)  # a tail of 1.5: the whole of 10 and half of 9
    assert reference.cvar(losses, 0.85) == pytest.approx((10.0 + 4.5) / 1.5)
    book = ExposureBook(np.tile(losses, 4)[None, :] / 100, [1e12], 1 - 1.5 / 40)
    assert book.worst() == pytest.approx((0.1 + 0.05) / 1.5 * 1e12, rel=1e-9)


def test_worst_drawn_ten_thousand_times_is_worst_drawn_once() -> None:
    random = np.random.default_rng(5)
    losses = draw_losses(random, 3)
    moved, fresh = ExposureBook(losses, np.zeros(3), LEVEL), ExposureBook(losses, np.zeros(3), LEVEL)
    for _ in range(10_000):
        index = int(random.integers(3))
        low = -random.uniform(0, 1e15)
        moved.place(index, low, low + random.uniform(0, 2e15))
        if random.random() < 0.2:
            moved.worst()
    for index, (low, high) in enumerate([(-1e10, 3e10), (0.0, 0.0), (2e10, 5e10)]):
        moved.place(index, low, high)
        fresh.place(index, low, high)
    truth = reference.dominating_cvar(losses, np.array([-1e10, 0, 2e10]), np.array([3e10, 0, 5e10]), LEVEL)
    assert fresh.worst() == pytest.approx(truth, rel=1e-9)
    assert truth <= moved.worst() <= truth + 1e-7 * 1e15
    assert moved.bounds() == fresh.bounds()


def test_what_is_no_number_or_too_large_is_never_accepted() -> None:
    random = np.random.default_rng(7)
    book = ExposureBook(draw_losses(random, 2), np.zeros(2), LEVEL)
    for added in (np.nan, np.inf, -np.inf, 1e22):
        assert book.judge(0, added, 1e300)[0] == "REFUSED_UNBOUNDED"
    book.place(1, np.nan, 0.0)
    assert book.judge(0, 1.0, 1e300)[0] == "REFUSED_UNBOUNDED"
    assert book.judge(0, np.nan, 1e300, reduces=True)[0] == "REFUSED_UNBOUNDED"
    book.place(1, 0.0, 0.0)
    assert book.judge(0, 1.0, 1e12)[0] == "ACCEPTED_BY_BOUND"


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_book_of_what_is_no_number_cannot_be_made(wrong: float) -> None:
    losses = draw_losses(np.random.default_rng(3), 1)
    losses[0, 4] = wrong
    with pytest.raises(ValueError, match="must be numbers"):
        ExposureBook(losses, [1e10], LEVEL)
