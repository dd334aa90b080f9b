"""A user's mistakes get their exact line; what is loaded is what was written."""

from pathlib import Path

import numpy as np
import pytest

from engine.errors import Exit
from engine.strategy.contract import StrategyError, fields_of
from engine.strategy.loader import load

MINE = """\
import datetime, math, random, time
import numpy as np
from random import random as chance
from engine.strategy.api import BID, place, replace
class Params:
    half_spread_ticks: int = 2
class State:
    position: int
    average: float
def on_book(state, params, book, account, orders):
    {body}
"""
NOT_TICK = "is not a tick; use whole ticks, as in book.bid_price_ticks[0], or round_down(...)"
DIGITS = "differs from host to host in its last digit"
MEMORY = "a strategy allocates nothing;"
MISTAKES = [
    ("state.positon = 1", "'state.positon' is not a field of State (did you mean position?)", 1),
    ("x = params.half_spread", "'params.half_spread' is not a field of Params (did you mean half_spread_ticks?)", 1),
    ("x = book.bid_prices[0]", "'book.bid_prices' is not a field of book (did you mean bid_price_ticks?)", 1),
    ("o = account.working[0]; x = o.pricee", "'o.pricee' is not a field of o (did you mean price_ticks?)", 1),
    ("x = time.time()", "the clock reaches a strategy as on_timer; time.time() is not allowed", 2),
    ("x = datetime.date.today()", "the clock reaches a strategy as on_timer; datetime.date.today() is not allowed", 2),
    ("x = random.random()", "the same inputs must give the same orders; random.random() is not allowed", 2),
    ("x = chance()", "the same inputs must give the same orders; chance() is not allowed", 2),
    ("x = np.random.normal()", "the same inputs must give the same orders; np.random.normal() is not allowed", 2),
    ("print(1)", "a strategy prints nothing; keep it as a field of State; print() is not allowed", 2),
    ("open('x')", "a strategy reaches nothing outside; open() is not allowed", 2),
    ("x = [1, 2]", f"{MEMORY} a list is not allowed; keep it in State", 2),
    ("x = {}", f"{MEMORY} a dict is not allowed; keep it in State", 2),
    ("x = np.zeros(3)", f"{MEMORY} keep it as a field of State; np.zeros() is not allowed", 2),
    ("x = math.exp(1.0)", f"math.exp() {DIGITS}; take it from kernels.elementary_reference", 2),
    ("x = math.sqrt(2.0)", "math.sqrt() fails on some numbers where machine code goes on; write np.sqrt()", 2),
    ("x = state.average ** 2", f"** {DIGITS}; write x * x", 2),
    ("place(orders, BID, 61800.2, 1)", f"price 61800.2 {NOT_TICK}", 2),
    ("place(orders, side=BID, price_ticks=1.5, quantity_lots=1)", f"price 1.5 {NOT_TICK}", 2),
    ("replace(orders, account.working[0], 2.5, 1)", f"price 2.5 {NOT_TICK}", 2),
    ("book.state = 1", "'book.state' cannot be written; only fields of state can", 2),
    ("params.half_spread_ticks += 1", "'params.half_spread_ticks' cannot be written; only fields of state can", 2),
    ("o = account.working[0]; o.tag = 1", "'o.tag' cannot be written; only fields of state can", 2),
    ("state = book", "'state' is given to the function and cannot be replaced", 2),
    ("import os", "a strategy has no import inside a function", 2),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message", "code"), MISTAKES, ids=[body for body, _, _ in MISTAKES])
def test_a_mistake_is_told_in_one_line_with_its_place(body: str, message: str, code: int, write) -> None:
    with pytest.raises(StrategyError) as refused:
        load(str(write(MINE.format(body=body))))
    where = "mine.py:11 on_book: " if code == Exit.FAILED else "mine.py:11: "
    assert str(refused.value) == where + message
    assert refused.value.exit_code == code


def test_the_first_of_two_mistakes_is_told(write) -> None:
    body = "x = state.positon\n    print(2)"
    with pytest.raises(StrategyError, match=r"mine.py:11 on_book"):
        load(str(write(MINE.format(body=body))))


def test_a_mistake_in_a_helper_file_is_told_with_that_file(write) -> None:
    write("import time\ndef age(state):\n    return time.monotonic_ns() - state.seen\n", "helper")
    path = write(
        "import helper\nclass State:\n    seen: int\ndef on_book(state):\n    state.seen = helper.age(state)\n"
    )
    with pytest.raises(StrategyError, match=r"^helper.py:3: the clock reaches a strategy as on_timer"):
        load(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "mine.py: no callback found"),
        ("def on_book(state:\n", r"mine.py:1: '\(' was never closed"),
        ("import nothing_of_this_name\n", "mine.py:1: ModuleNotFoundError"),
        ("def on_bok(state):\n    pass\n", "on_bok is no callback"),
        ("def on_book(state, clock):\n    pass\n", "mine.py:1 on_book: it cannot be given 'clock'"),
        ("def on_book(fill):\n    pass\n", "mine.py:1 on_book: it cannot be given 'fill'"),
        ("class State:\n    name: str\ndef on_book():\n    pass\n", "State field 'name'"),
        ("on_book = lambda state: None\n", "must be written with def"),
        ("from numba import njit\n@njit\ndef on_book(state):\n    pass\n", "on_book has a decorator"),
    ],
)
def test_what_is_no_strategy_is_told(text: str, message: str, write) -> None:
    with pytest.raises(StrategyError, match=message):
        load(str(write(text)))


def test_an_unknown_name_lists_the_built_in_ones() -> None:
    with pytest.raises(StrategyError, match=r"'nosuch' is neither a file nor a built-in strategy \(.*market_maker"):
        load("nosuch")
    with pytest.raises(StrategyError, match="no such file"):
        load("no/such.py")


def test_parameters_are_checked_by_name_and_type(strategy_of) -> None:
    strategy = strategy_of(MINE.format(body="pass"))
    assert strategy.params_row({"half_spread_ticks": 5})["half_spread_ticks"] == [5]
    with pytest.raises(StrategyError, match=r"'spread' is not a parameter \(did you mean half_spread_ticks\?\)"):
        strategy.params_row({"spread": 1})
    with pytest.raises(StrategyError, match=r"must be a whole number, not 1\.5"):
        strategy.params_row({"half_spread_ticks": 1.5})
    with pytest.raises(StrategyError, match="must be a finite number"):
        strategy.params_row({"half_spread_ticks": float("nan")})


def test_a_dtype_and_a_class_of_fields_mean_the_same() -> None:
    class State:
        a: int = 3
        b: float

    dtype = np.dtype([("a", "<i8"), ("b", "<f8")])
    assert fields_of(State) == fields_of(dtype, {"a": 3})
    with pytest.raises(ValueError, match="field 'c' is uint64"):
        fields_of(np.dtype([("c", "<u8")]))


def test_helpers_beside_two_strategies_do_not_meet(tmp_path: Path) -> None:
    for name, value in (("one", 1), ("two", 2)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "helper.py").write_text(f"def value():\n    return {value}\n")
        (folder / "mine.py").write_text("from helper import value\ndef on_book(state):\n    value()\n")
    first, second = (load(str(tmp_path / name / "mine.py")) for name in ("one", "two"))
    assert (first.module.value(), second.module.value()) == (1, 2)


def test_exit_code_of_a_refusal_is_usage_by_default() -> None:
    assert StrategyError("x").exit_code == Exit.USAGE


def test_the_digest_knows_the_text_and_not_the_place(tmp_path: Path) -> None:
    digests = []
    for name, value in (("one", 1), ("zwei", 1), ("two", 2)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "helper.py").write_text(f"def value():\n    return {value}\n")
        (folder / "mine.py").write_text("from helper import value\ndef on_book(state):\n    value()\n")
        digests.append(load(str(folder / "mine.py")).source_digest)
    assert digests[0] == digests[1] != digests[2]
