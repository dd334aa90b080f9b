"""What a strategy computes with: roundings and sizes, held against exact fractions."""

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.strategy.api import lots_of_value, round_down, round_up
from engine.strategy.loader import Strategy
from ipc.instruments import ATOMS_PER_UNIT, instrument
from tests.engine.strategy.rig import Rig

ROUNDING = Fraction(1, 2**50)  # relative: three operations on doubles


def facts(tick: str = "0.01", lot: str = "0.00001", step: int = 1) -> SimpleNamespace:
    row = instrument("BTCUSDT.BINANCE", "BTCUSDT", tick, lot)[0]
    return SimpleNamespace(
        atoms_numerator=int(row["atoms_numerator"]),
        atoms_denominator=int(row["atoms_denominator"]),
        minimum_quantity_lots=step,
    )


def atoms(lots: int, price_ticks: int, known: SimpleNamespace) -> Fraction:
    return lots * price_ticks * Fraction(known.atoms_numerator, known.atoms_denominator)


@pytest.mark.parametrize(
    ("value", "price_ticks", "step", "lots"),
    [
        (600.0, 6_000_000, 1, 1_000),  # 0.01 coin at 60,000.00
        (600.0, 6_000_000, 300, 900),
        (600.0, 6_000_000, 1_001, 0),  # less than one step
        (0.59, 6_000_000, 1, 0),  # less than one lot
        (0.6, 6_000_000, 1, 1),
        (600.0, 1, 1, 6_000_000_000),
        (600.0, 0, 1, 0),
        (600.0, -5, 1, 0),
        (0.0, 6_000_000, 1, 0),
        (-600.0, 6_000_000, 1, 0),  # a value on the other side is no order on this one
        (float("nan"), 6_000_000, 1, 0),
        (float("inf"), 6_000_000, 1, 0),
        (-float("inf"), 6_000_000, 1, 0),
        (float(2**53), 1, 1, 0),  # beyond what doubles count one by one
    ],
)
def test_lots_of_a_value(value: float, price_ticks: int, step: int, lots: int) -> None:
    assert lots_of_value(value, price_ticks, facts(step=step)) == lots


@settings(max_examples=300, deadline=None, database=None)
@given(
    value=st.floats(1e-6, 1e9),
    price_ticks=st.integers(1, 2**40),
    step=st.integers(1, 5_000),
    sizes=st.sampled_from(
        [("0.01", "0.00001"), ("0.1", "0.001"), ("0.0000001", "1"), ("1", "0.00000001"), ("5", "10")]
    ),
)
def test_lots_are_worth_at_most_the_value_and_one_step_more_is_too_much(
    value: float, price_ticks: int, step: int, sizes: tuple[str, str]
) -> None:
    known = facts(*sizes, step=step)
    lots = lots_of_value(value, price_ticks, known)
    exact = Fraction(value) * ATOMS_PER_UNIT
    assert lots >= 0
    assert lots % step == 0
    assert atoms(lots, price_ticks, known) <= exact * (1 + ROUNDING)
    if exact / atoms(1, price_ticks, known) < 2**53:
        assert atoms(lots + step, price_ticks, known) > exact * (1 - ROUNDING)
    else:
        assert lots == 0


@given(st.floats(-(2.0**53), 2.0**53, exclude_min=True, exclude_max=True))
def test_roundings_are_floor_and_ceiling(value: float) -> None:
    assert round_down(value) == math.floor(value)
    assert round_up(value) == math.ceil(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 2.0**53, -(2.0**53), 1e300])
def test_what_is_no_number_of_ticks_rounds_to_nothing(value: float) -> None:
    assert round_down(value) == 0
    assert round_up(value) == 0


COMPILED = """
    from engine.strategy.api import lots_of_value, round_down, round_up
    class Params:
        value: float = 0.0
        price_ticks: int = 0
    class State:
        lots: int
        down: int
        up: int
    def on_book(state, params, instrument):
        state.lots = lots_of_value(params.value, params.price_ticks, instrument)
        state.down = round_down(params.value)
        state.up = round_up(params.value)
"""


def test_extremes_are_the_same_compiled(strategy_of: Callable[..., Strategy], cache: Path) -> None:
    strategy = strategy_of(COMPILED)
    values = (0.0, -0.0, -1.5, 1.5, 2.0**53 - 1, 2.0**53, -(2.0**53), 1e300, -1e300, 5e-324)
    prices = (0, 1, -1, 2**40, 2**62, -(2**62))
    chosen = [(strategy, 0, {"value": value, "price_ticks": price}) for value in values for price in prices]
    compiled, plain = Rig(chosen, cache), Rig(chosen, None)
    compiled.quote(10, 11)
    plain.quote(10, 11)
    assert not compiled.stage.failed()
    for number in range(len(chosen)):
        assert compiled.stage.state(number).tolist() == plain.stage.state(number).tolist()
