"""The rehearsal of `bot4 strategy check`: what fails on odd data, or differs uncompiled, is found before it trades."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Exit
from engine.strategy.contract import StrategyError
from engine.strategy.loader import Strategy, load
from engine.strategy.machine_code import compile_strategy
from engine.strategy.rehearsal import rehearse

MESSAGES = 600
PLANTED = {
    "state.n = book.bid_price_ticks[state.n]": "switched off in a rehearsal: on_book: IndexError: ",
    "state.x = 1 / book.bid_quantity_lots[0]": "switched off in a rehearsal: State holds a number that is not finite",
    "for i in range(3): state.n += 5 // i": "uncompiled it fails with on_book: ZeroDivisionError: ",
    "state.n += int(1e30)": "compiled and uncompiled part at message",
}
TEXT = "class State:\n    n: int\n    x: float\ndef on_book(state, book):\n    {body}\n"


@pytest.mark.parametrize("body", PLANTED)
def test_what_goes_wrong_on_odd_data_is_found(body: str, strategy_of: Callable[..., Strategy], cache: Path) -> None:
    strategy = strategy_of(TEXT.format(body=body))
    with pytest.raises(StrategyError) as refused:
        rehearse(strategy, compile_strategy(strategy, cache), MESSAGES)
    assert str(refused.value).startswith("mine.py: ")
    assert PLANTED[body] in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == Exit.FAILED


def test_a_difference_of_the_last_bit_is_found_and_named(strategy_of: Callable[..., Strategy], cache: Path) -> None:
    text = "class State:\n    x: float\ndef step():\n    return {value}\ndef on_book(state):\n    state.x += step()\n"
    one, other = strategy_of(text.format(value=0.1)), strategy_of(text.format(value=0.1 + 2**-56), "other")
    with pytest.raises(
        StrategyError, match=r"mine.py: .* part at message \d+ .*: state.x is 0.10000000000000002 compiled"
    ):
        rehearse(one, compile_strategy(other, cache), MESSAGES)


@pytest.mark.parametrize("name", ["hello", "market_maker", "momentum"])
def test_the_built_in_strategies_reach_orders_and_agree(name: str, cache: Path) -> None:
    strategy = load(name)
    counts = rehearse(strategy, compile_strategy(strategy, cache), 2_000)
    assert counts["messages"] == 2_000
    assert counts["intents"] > 100


def test_every_callback_is_reached(strategy_of: Callable[..., Strategy], cache: Path) -> None:
    others = ("start", "trade", "bar", "timer", "fill", "order", "regime", "risk")
    fields = "".join(f"    {name}: int\n" for name in ("all", *others))
    counting = "".join(f"def on_{name}(state):\n    state.{name} = 1\n" for name in others)
    text = f"""from engine.strategy.api import BID, place
class State:
{fields}{counting}
def on_book(book, orders, account):
    if account.open_orders == 0:
        place(orders, BID, 100, 1)
def on_stop(state, book):
    reached = {" + ".join(f"state.{name}" for name in others)}
    state.all = book.bid_price_ticks[reached + 2]  # the last but one, or beyond the end when all were reached
"""
    strategy = strategy_of(text)
    with pytest.raises(StrategyError, match="on_stop: IndexError"):
        rehearse(strategy, compile_strategy(strategy, cache), 2_000)
